// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * read_cache.c - see read_cache.h. There is one way to a cache: over a mapping that is linear.
 */
#include "storage/read_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <libdevmapper.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "storage/block_queue.h"
#include "storage/dm.h"
#include "storage/step.h"

#define CACHE "cache"
#define LINEAR "linear"
#define SECTOR 512u
#define TABLE_MAX 160
#define META_BLOCK 4096 /* zeros in its first one: the kernel makes new metadata */
#define META_BYTES_MIN (4ull << 20)
#define META_BYTES_PER_BLOCK 64
#define META_UNIT (4ull << 20)

void read_cache_share(uint64_t bytes, struct read_cache_share *ret)
{
	uint64_t block = READ_CACHE_BLOCK_MIN, meta;

	while (bytes / block > READ_CACHE_BLOCKS_MAX)
		block *= 2;
	meta = META_BYTES_MIN + bytes / block * META_BYTES_PER_BLOCK;
	meta = (meta + META_UNIT - 1) / META_UNIT * META_UNIT;
	*ret = (struct read_cache_share){ block, bytes - meta, meta };
}

bool read_cache_is_well(const char *state)
{
	size_t len = strlen(state);

	while (len > 0 && state[len - 1] == ' ')
		len--;
	return state[0] >= '0' && state[0] <= '9' && len > 5 &&
	       strncmp(state + len - 5, " rw -", 5) == 0;
}

static int failed(struct err *err, int code, const char *what, const char *volume)
{
	return err_set(err, code, "read cache of %s: cannot %s: %s", volume, what, err_name(code));
}

/* --- tables --------------------------------------------------------------- */

struct tables {
	char name[CACHE_PATH_MAX];
	uint64_t bytes; /* of the data device */
	char origin[CACHE_NUMBERS_MAX];
	char linear[TABLE_MAX];
};

/* What can be written to the data device can be to the cache: the volume's blocks stay as they are,
 * with a cache and without. */
static int check_sectors(const struct cache_parts *c, struct err *why)
{
	const char *const paths[] = { c->origin, c->cache, c->meta };
	uint32_t sector[3];
	int rv = 0;

	for (int i = 0; i < 3 && rv == 0; i++)
		rv = block_queue_sector(paths[i], &sector[i]);
	if (rv < 0)
		return failed(why, rv, "ask for its sectors", c->v->name);
	if (sector[1] <= sector[0] && sector[2] <= sector[0])
		return 0;
	return err_set(why, -E_INVALID,
		       "read cache of %s: its disk has sectors of %u bytes, that of the data has "
		       "sectors of %u: choose another pool",
		       c->v->name, sector[1], sector[0]);
}

static int cache_table(const struct cache_parts *c, const struct tables *t, char out[TABLE_MAX],
		       struct err *why)
{
	char cache[CACHE_NUMBERS_MAX], meta[CACHE_NUMBERS_MAX];
	struct read_cache_share share;
	int rv = cache_numbers(c->cache, cache);

	if (rv == 0)
		rv = cache_numbers(c->meta, meta);
	if (rv < 0)
		return failed(why, rv, "find its devices", c->v->name);
	read_cache_share(c->v->cache.bytes, &share);
	snprintf(out, TABLE_MAX, "%s %s %s %llu 1 writethrough smq 0", meta, cache, t->origin,
		 (unsigned long long)share.block_bytes / SECTOR);
	return check_sectors(c, why);
}

static int tables_of(const struct cache_parts *c, struct tables *ret, struct err *err)
{
	int rv = cache_numbers(c->origin, ret->origin);

	cache_name(c->v->name, ret->name);
	if (rv == 0)
		rv = block_queue_size(c->origin, &ret->bytes);
	snprintf(ret->linear, sizeof(ret->linear), "%s 0", ret->origin);
	return rv < 0 ? failed(err, rv, "find its data device", c->v->name) : 0;
}

/* --- the mapping ---------------------------------------------------------- */

enum found {
	NOTHING,   /* to be made */
	IS_LINEAR, /* and as long as it has to be */
	IS_OTHER,  /* over our data device, to be made linear */
	IS_FOREIGN,
};

/* a mapping that has a table */
static enum found look_at(const struct tables *t)
{
	char origin[CACHE_NUMBERS_MAX] = "";
	struct dm_target d;

	if (dm_target(t->name, LINEAR, DM_TABLE, &d) == 0)
		return strcmp(d.words, t->linear) != 0 ? IS_FOREIGN
		       : d.bytes == t->bytes           ? IS_LINEAR
						       : IS_OTHER;
	if (dm_target(t->name, CACHE, DM_TABLE, &d) == 0)
		sscanf(d.words, "%*s %*s %23s", origin);
	return strcmp(origin, t->origin) == 0 ? IS_OTHER : IS_FOREIGN;
}

static int swap(const struct tables *t, const char *type, const char *table)
{
	int rv = cache_run(DM_DEVICE_RELOAD, t->name, t->bytes, type, table);

	storage_step("cache reloaded");
	if (rv == 0)
		rv = cache_run(DM_DEVICE_RESUME, t->name, 0, NULL, NULL);
	storage_step("cache resumed");
	return rv;
}

/* One that was left suspended goes on with its new table, whatever was wrong with the old one. */
static int make_linear(const struct tables *t, enum found found, bool suspended)
{
	int rv;

	if (found == NOTHING)
		return cache_run(DM_DEVICE_CREATE, t->name, t->bytes, LINEAR, t->linear);
	if (found != IS_LINEAR)
		return swap(t, LINEAR, t->linear);
	/* what was loaded when its maker was killed has the cache's devices open */
	rv = cache_run(DM_DEVICE_CLEAR, t->name, 0, NULL, NULL);
	return rv == 0 && suspended ? dm_resume(t->name) : rv;
}

static int make_base(const struct cache_parts *c, const struct tables *t, struct err *err)
{
	bool there, suspended = false;
	enum found found = NOTHING;
	struct dm_device d;
	int rv = 0;

	there = dm_look(t->name, &d) == 0;
	if (there && d.live) {
		found = look_at(t);
		suspended = d.suspended;
	} else if (there) {
		rv = cache_close(c->v->name, err);
	}
	if (rv < 0)
		return rv;
	if (found == IS_FOREIGN)
		return err_set(err, -E_EXISTS,
			       "read cache of %s: " DM_NODES "%s is there already and does not "
			       "lie on %s: close it (dmsetup remove)",
			       c->v->name, t->name, c->origin);
	storage_step("cache open");
	rv = make_linear(t, found, suspended);
	storage_step("cache linear");
	return rv < 0 ? failed(err, rv, "open its data device", c->v->name) : 0;
}

/* --- the cache ------------------------------------------------------------ */

static int empty(const char *meta)
{
	static const uint8_t zeros[META_BLOCK];
	int fd = open(meta, O_WRONLY | O_EXCL | O_CLOEXEC), rv = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = pwrite(fd, zeros, sizeof(zeros), 0);
	if (n < 0 || fsync(fd) < 0)
		rv = -errno;
	else if (n != (ssize_t)sizeof(zeros))
		rv = -EIO;
	close(fd);
	storage_step("cache emptied");
	return rv;
}

/* Back from what has failed. */
static int give_up(const struct cache_parts *c, const struct tables *t, struct err *err)
{
	int rv = swap(t, LINEAR, t->linear);

	return rv < 0 ? failed(err, rv, "go on without it", c->v->name) : 0;
}

int read_cache_open(const struct cache_parts *c, char ret_path[CACHE_PATH_MAX], struct err *err)
{
	struct tables t;
	int rv = tables_of(c, &t, err);

	if (rv == 0)
		rv = make_base(c, &t, err);
	return rv < 0 ? rv : cache_reach(c->v->name, ret_path, err);
}

int read_cache_add(const struct cache_parts *c, struct err *why, struct err *err)
{
	struct dm_target state;
	char table[TABLE_MAX];
	struct tables t;
	int rv = tables_of(c, &t, err);

	if (rv < 0)
		return rv;
	if (cache_table(c, &t, table, why) < 0)
		return 0;
	rv = empty(c->meta);
	if (rv < 0) {
		failed(why, rv, "empty it", c->v->name);
		return 0;
	}
	rv = swap(&t, CACHE, table);
	if (rv == 0 &&
	    (dm_target(t.name, CACHE, DM_STATE, &state) < 0 || !read_cache_is_well(state.words)))
		rv = -EIO;
	if (rv == 0)
		return 1;
	if (dm_knows(CACHE, 0, 0))
		failed(why, rv, "use it", c->v->name);
	else
		err_set(why, -EOPNOTSUPP,
			"read cache of %s: this kernel does not have dm-cache: modprobe "
			"dm-cache-smq, and a line in /etc/modules-load.d",
			c->v->name);
	return give_up(c, &t, err);
}
