// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * read_cache.c - see read_cache.h. There is one way to a cache: over a mapping that is linear. So
 * whatever was found, it is made linear first, and one that grows, or whose cache has failed, goes
 * the same way.
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
#include "storage/luks.h"
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
	char linear[TABLE_MAX];
	char cache[TABLE_MAX]; /* "": there is none */
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

static int cache_table(const struct cache_parts *c, const char *origin, char out[TABLE_MAX],
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
	snprintf(out, TABLE_MAX, "%s %s %s %llu 1 writethrough smq 0", meta, cache, origin,
		 (unsigned long long)share.block_bytes / SECTOR);
	return check_sectors(c, why);
}

static int tables_of(const struct cache_parts *c, struct tables *ret, struct err *why,
		     struct err *err)
{
	char origin[CACHE_NUMBERS_MAX];
	int rv = cache_numbers(c->origin, origin);

	cache_name(c->v->name, ret->name);
	if (rv == 0)
		rv = block_queue_size(c->origin, &ret->bytes);
	if (rv < 0)
		return failed(err, rv, "find its data device", c->v->name);
	snprintf(ret->linear, sizeof(ret->linear), "%s 0", origin);
	ret->cache[0] = 0;
	if (c->cache && cache_table(c, origin, ret->cache, why) < 0)
		ret->cache[0] = 0;
	return 0;
}

/* The third word of dm-cache's table is the data device, as is the first of a linear one. */
static bool lies_on_ours(const struct tables *t, const char *words)
{
	char origin[CACHE_NUMBERS_MAX] = "", linear[TABLE_MAX];

	sscanf(words, "%*s %*s %23s", origin);
	snprintf(linear, sizeof(linear), "%s 0", origin);
	return strcmp(linear, t->linear) == 0;
}

/* --- the mapping ---------------------------------------------------------- */

enum found {
	NOTHING,   /* to be made */
	IS_LINEAR, /* and as long as it has to be */
	IS_OTHER,  /* over our data device, to be made linear */
	IS_WELL,   /* with this very cache, and works */
	IS_FOREIGN,
};

/* a mapping that was made, perhaps, and has a table */
static enum found look_at(const struct tables *t)
{
	struct dm_target d, state;

	if (dm_target(t->name, LINEAR, DM_TABLE, &d) == 0)
		return strcmp(d.words, t->linear) != 0 ? IS_FOREIGN
		       : d.bytes == t->bytes           ? IS_LINEAR
						       : IS_OTHER;
	if (dm_target(t->name, CACHE, DM_TABLE, &d) < 0 || !lies_on_ours(t, d.words))
		return IS_FOREIGN;
	return d.bytes == t->bytes && strcmp(d.words, t->cache) == 0 &&
			       dm_target(t->name, CACHE, DM_STATE, &state) == 0 &&
			       read_cache_is_well(state.words)
		       ? IS_WELL
		       : IS_OTHER;
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

/* It goes on, and somebody has the content open: the mapping, or LUKS on it. */
static bool in_use(const char *volume)
{
	char name[CACHE_PATH_MAX];
	struct dm_device d;

	cache_name(volume, name);
	if (dm_look(name, &d) < 0 || d.suspended)
		return false;
	return luks_is_open(volume) ? luks_is_used(volume) : d.opens > 0;
}

bool read_cache_goes_on(const struct cache_parts *c)
{
	struct err ignored;
	struct tables t;

	return in_use(c->v->name) && tables_of(c, &t, &ignored, &ignored) == 0 && t.cache[0] &&
	       look_at(&t) == IS_WELL;
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

/* Over a mapping that is linear. 1: it is there; 0: it cannot be, and the mapping is linear */
static int add_cache(const struct cache_parts *c, const struct tables *t, struct err *why,
		     struct err *err)
{
	struct dm_target state;
	int rv = empty(c->meta);

	if (rv < 0) {
		failed(why, rv, "empty it", c->v->name);
		return 0;
	}
	rv = swap(t, CACHE, t->cache);
	if (rv == 0 &&
	    (dm_target(t->name, CACHE, DM_STATE, &state) < 0 || !read_cache_is_well(state.words)))
		rv = -EIO;
	if (rv == 0)
		return 1;
	if (!dm_knows(CACHE, 0, 0))
		err_set(why, -EOPNOTSUPP,
			"read cache of %s: this kernel does not have dm-cache: modprobe "
			"dm-cache-smq, and a line in /etc/modules-load.d",
			c->v->name);
	else
		failed(why, rv, "use it", c->v->name);
	rv = swap(t, LINEAR, t->linear);
	return rv < 0 ? failed(err, rv, "go on without it", c->v->name) : 0;
}

int read_cache_open(const struct cache_parts *c, char ret_path[CACHE_PATH_MAX], bool *ret_caches,
		    struct err *why, struct err *err)
{
	struct tables t;
	int rv;

	rv = tables_of(c, &t, why, err);
	if (rv == 0)
		rv = make_base(c, &t, err);
	if (rv == 0 && t.cache[0])
		rv = add_cache(c, &t, why, err);
	if (rv < 0)
		return rv;
	*ret_caches = rv == 1;
	return cache_reach(c->v->name, ret_path, err);
}
