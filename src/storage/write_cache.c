// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * write_cache.c - see write_cache.h. The kernel's target takes a cache device whose superblock is
 * zeros for a new one, without a word, and reads of the data device what an unreadable cache device
 * should have had: so all of that is looked at here, before it is opened and after.
 *
 * A cache device: our label in the first block, zeros up to WRITE_CACHE_HEAD_BYTES, then the
 * kernel's.
 */
#include "storage/write_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <libdevmapper.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/log.h"
#include "storage/block_queue.h"
#include "storage/dm.h"
#include "storage/step.h"

#define TARGET "writecache"
/* Linux 5.14: before, flushes did not reach what had been written past a full cache. */
#define TARGET_MAJOR 1
#define TARGET_MINOR 5
#define SECTOR 512u
#define LABEL_MAGIC "sdsdwcache"
#define LABEL_FORMAT 1
#define SUPERBLOCK_MAGIC 0x23489321u
#define SUPERBLOCK_VERSION 1u
#define TABLE_MAX 160

/* --- the bytes ---------------------------------------------------------- */

void write_cache_label(const struct storage_volume *v, uint8_t out[WRITE_CACHE_BLOCK])
{
	memset(out, 0, WRITE_CACHE_BLOCK);
	memcpy(out, LABEL_MAGIC, strlen(LABEL_MAGIC));
	out[15] = LABEL_FORMAT;
	memcpy(out + 16, v->owner, 16);
	memcpy(out + 32, v->volume, 16);
}

static uint64_t little(const uint8_t *p, int bytes)
{
	uint64_t value = 0;

	while (bytes-- > 0)
		value = value << 8 | p[bytes];
	return value;
}

/* magic, version, block size, a gap (32 bit each), number of blocks, sequence (64 bit each) */
bool write_cache_superblock_ok(const uint8_t block[WRITE_CACHE_BLOCK], uint64_t room_bytes)
{
	uint64_t blocks = little(block + 16, 8);

	return little(block, 4) == SUPERBLOCK_MAGIC && little(block + 4, 4) == SUPERBLOCK_VERSION &&
	       little(block + 8, 4) == WRITE_CACHE_BLOCK && blocks > 0 &&
	       blocks < room_bytes / WRITE_CACHE_BLOCK;
}

/* --- the cache device --------------------------------------------------- */

static int failed(struct err *err, int code, const char *what, const char *volume)
{
	return err_set(err, code, "write cache of %s: cannot %s: %s", volume, what, err_name(code));
}

static int write_at(int fd, const void *data, size_t len, uint64_t at)
{
	ssize_t n = pwrite(fd, data, len, (off_t)at);

	return n < 0 ? -errno : (size_t)n == len ? 0 : -EIO;
}

static int write_head(int fd, const struct storage_volume *v)
{
	uint64_t head[2] = { 0, WRITE_CACHE_HEAD_BYTES + WRITE_CACHE_BLOCK };
	uint8_t label[WRITE_CACHE_BLOCK];
	int rv;

	if (ioctl(fd, BLKZEROOUT, head) < 0)
		return -errno;
	storage_step("cache zeroed");
	write_cache_label(v, label);
	rv = write_at(fd, label, sizeof(label), 0);
	return rv < 0 ? rv : fsync(fd) < 0 ? -errno : 0;
}

int write_cache_format(const struct cache_parts *c, struct err *err)
{
	int fd = open(c->cache, O_WRONLY | O_EXCL | O_CLOEXEC), rv;

	if (fd < 0)
		return failed(err, -errno, "open its device", c->v->name);
	rv = write_head(fd, c->v);
	close(fd);
	storage_step("cache formatted");
	return rv < 0 ? failed(err, rv, "write to its device", c->v->name) : 0;
}

static int read_block(int fd, uint64_t at, uint8_t out[WRITE_CACHE_BLOCK])
{
	ssize_t n = pread(fd, out, WRITE_CACHE_BLOCK, (off_t)at);

	return n < 0 ? -errno : n == WRITE_CACHE_BLOCK ? 0 : -E_CORRUPT;
}

/* past the page cache, which may have what was there before the kernel wrote to it */
static int look(const struct cache_parts *c, uint8_t label[WRITE_CACHE_BLOCK],
		uint8_t superblock[WRITE_CACHE_BLOCK], uint64_t *ret_bytes, struct err *err)
{
	int fd = open(c->cache, O_RDONLY | O_CLOEXEC), rv;

	if (fd < 0)
		return failed(err, -errno, "open its device", c->v->name);
	ioctl(fd, BLKFLSBUF, 0);
	rv = ioctl(fd, BLKGETSIZE64, ret_bytes) < 0 ? -errno : read_block(fd, 0, label);
	if (rv == 0)
		rv = read_block(fd, WRITE_CACHE_HEAD_BYTES, superblock);
	close(fd);
	return rv < 0 ? failed(err, rv, "read its device", c->v->name) : 0;
}

static int check(const struct cache_parts *c, enum write_cache_state state, struct err *err)
{
	uint8_t label[WRITE_CACHE_BLOCK], wanted[WRITE_CACHE_BLOCK], superblock[WRITE_CACHE_BLOCK];
	uint64_t bytes = 0;
	int rv = look(c, label, superblock, &bytes, err);
	bool ours;

	if (rv < 0)
		return rv;
	write_cache_label(c->v, wanted);
	ours = memcmp(label, wanted, sizeof(label)) == 0;
	if (ours && (state == WRITE_CACHE_NEW ||
		     write_cache_superblock_ok(superblock, bytes - WRITE_CACHE_HEAD_BYTES)))
		return 0;
	return err_set(err, -E_CORRUPT,
		       "write cache of %s: %s on %s; what was written last is lost with it, so the "
		       "copy is not used. Replace it by one of the good ones (sdsd volume replace)",
		       c->v->name,
		       ours ? "its superblock is damaged" : "it is not this copy's cache",
		       c->cache);
}

/* --- the mapping -------------------------------------------------------- */

static int table_of(const struct cache_parts *c, char out[TABLE_MAX], struct err *err)
{
	char origin[CACHE_NUMBERS_MAX], cache[CACHE_NUMBERS_MAX];
	int rv = cache_numbers(c->origin, origin);

	if (rv == 0)
		rv = cache_numbers(c->cache, cache);
	if (rv < 0)
		return failed(err, rv, "find its devices", c->v->name);
	snprintf(out, TABLE_MAX, "s %s %s %d 2 start_sector %u", origin, cache, WRITE_CACHE_BLOCK,
		 WRITE_CACHE_HEAD_BYTES / SECTOR);
	return 0;
}

/* "<error> <blocks> <free> ...": 0, or what the kernel gave it up for */
static int error_of(const char *name)
{
	struct dm_target t;
	int rv = dm_target(name, TARGET, DM_STATE, &t), error = 0;

	if (rv < 0)
		return rv;
	if (sscanf(t.words, "%d", &error) != 1)
		return -EIO;
	return error > 0 ? -EIO : error;
}

static int open_new(const struct cache_parts *c, enum write_cache_state state, const char *name,
		    struct err *err)
{
	char table[TABLE_MAX];
	struct err ignored;
	uint64_t bytes = 0;
	int rv = check(c, state, err);

	if (rv == 0)
		rv = table_of(c, table, err);
	if (rv < 0)
		return rv;
	rv = block_queue_size(c->origin, &bytes);
	if (rv < 0)
		return failed(err, rv, "measure its data device", c->v->name);
	storage_step("cache open");
	rv = cache_run(DM_DEVICE_CREATE, name, bytes, TARGET, table);
	storage_step("cache opened");
	if (rv < 0 && !dm_knows(TARGET, 0, 0))
		return err_set(err, -EOPNOTSUPP,
			       "write cache of %s: this kernel does not have dm-writecache: "
			       "modprobe dm-writecache, and a line in /etc/modules-load.d",
			       c->v->name);
	if (rv < 0)
		return failed(err, rv, "open it", c->v->name);
	if (!dm_knows(TARGET, TARGET_MAJOR, TARGET_MINOR))
		rv = err_set(err, -EOPNOTSUPP,
			     "write cache of %s: this kernel's dm-writecache is too old",
			     c->v->name);
	else if ((rv = error_of(name)) < 0) /* then it shows what is on the data device */
		failed(err, rv, "read what it holds", c->v->name);
	if (rv < 0)
		cache_close(c->v->name, &ignored);
	return rv;
}

/* Of an open one: 0, it is to be used; 1: closed, to be opened anew. */
static int take_over(const struct cache_parts *c, const char *name, const struct dm_device *d,
		     struct err *err)
{
	char table[TABLE_MAX];
	struct dm_target t;
	int rv = table_of(c, table, err);

	if (rv < 0)
		return rv;
	if (d->live && dm_target(name, TARGET, DM_TABLE, &t) == 0 && strcmp(t.words, table) == 0) {
		if (d->suspended && (rv = dm_resume(name)) < 0)
			return failed(err, rv, "let it go on", c->v->name);
		rv = error_of(name);
		if (rv == 0)
			return 0;
		if (d->opens > 0)
			return failed(err, rv, "use it: it has failed and is in use", c->v->name);
		log_warn("storage", "volume=%s its write cache has failed and is opened anew",
			 c->v->name);
	} else if (d->live) {
		return err_set(err, -E_EXISTS,
			       "write cache of %s: " DM_NODES
			       "%s is there already and does not lie "
			       "on %s and %s: close it (dmsetup remove)",
			       c->v->name, name, c->origin, c->cache);
	}
	rv = cache_close(c->v->name, err);
	return rv < 0 ? rv : 1;
}

int write_cache_open(const struct cache_parts *c, enum write_cache_state state,
		     char ret_path[CACHE_PATH_MAX], struct err *err)
{
	char name[CACHE_PATH_MAX];
	struct dm_device d;
	int rv = 1;

	cache_name(c->v->name, name);
	if (dm_look(name, &d) == 0)
		rv = take_over(c, name, &d, err);
	if (rv == 1)
		rv = open_new(c, state, name, err);
	if (rv < 0)
		return rv;
	return cache_reach(c->v->name, ret_path, err);
}

/* The new table takes over what the old one has committed, which a suspended one has all. */
int write_cache_fit(const struct cache_parts *c, struct err *err)
{
	char name[CACHE_PATH_MAX], table[TABLE_MAX];
	struct dm_target t;
	uint64_t bytes = 0;
	int rv;

	cache_name(c->v->name, name);
	rv = block_queue_size(c->origin, &bytes);
	if (rv == 0)
		rv = dm_target(name, TARGET, DM_TABLE, &t);
	if (rv < 0)
		return failed(err, rv, "measure it", c->v->name);
	if (t.bytes >= bytes)
		return 0;
	rv = table_of(c, table, err);
	if (rv < 0)
		return rv;
	storage_step("cache reload");
	rv = cache_run(DM_DEVICE_RELOAD, name, bytes, TARGET, table);
	storage_step("cache reloaded");
	if (rv == 0)
		rv = cache_run(DM_DEVICE_RESUME, name, 0, NULL, NULL);
	storage_step("cache resumed");
	if (rv == 0)
		rv = error_of(name);
	return rv < 0 ? failed(err, rv, "enlarge it", c->v->name) : 0;
}

int write_cache_empty(const char *volume, struct err *err)
{
	char name[CACHE_PATH_MAX];
	int rv = cache_sync(volume, err);

	if (rv < 0)
		return rv;
	cache_name(volume, name);
	storage_step("cache flush");
	rv = dm_message(name, "flush");
	if (rv == 0)
		rv = error_of(name);
	storage_step("cache flushed");
	return rv < 0 ? failed(err, rv, "write it back to the data device", volume) : 0;
}
