// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * file.c - volumes as files of a directory: <dir>/<name> is the data from
 * offset 0, <dir>/<name>.meta the metadata, which names the owner (replica
 * uuid). Called by storage.c in worker threads.
 *
 * A file is only touched when a metadata file of our owner stands beside it.
 * Creation keeps that true at every moment of a crash:
 *   1. <name>.meta.new formatted with the owner, synced, also in the directory
 *   2. <name> made (exclusively), sized, synced
 *   3. <name>.meta.new renamed to <name>.meta, directory synced
 * so a half-made pair is always recognised by <name>.meta.new. Removal goes the
 * other way: data first, what names the owner last. A volume that begins as a
 * snapshot (file_snapshot.c) is made in the same steps; its data file then shares
 * the snapshot's blocks.
 */
#include "storage/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "storage/file_dir.h"
#include "storage/step.h"

static int check(const struct storage_pool *p, struct err *err)
{
	if (p->source[0] != '/')
		return err_set(err, -E_INVALID, "pool %s: the directory must be an absolute path",
			       p->name);
	return 0;
}

/* --- create ------------------------------------------------------------- */

static int reserve(const struct storage_pool *p, int fd, const char *file, uint64_t bytes,
		   bool thin, struct err *err)
{
	int rv;

	if (!thin) {
		/* Not posix_fallocate: where the file system cannot, the C library would write
		 * to every block, which on a large volume takes hours. */
		do {
			rv = fallocate(fd, 0, 0, (off_t)bytes) < 0 ? -errno : 0;
		} while (rv == -EINTR);
		if (rv == 0)
			return 0;
		if (rv != -EOPNOTSUPP && rv != -ENOSYS)
			return file_fail(p, "reserve space for", file, rv, err);
		log_warn("storage",
			 "pool=%s volume=%s space is not reserved: the file system of %s cannot",
			 p->name, file, p->source);
	}
	if (ftruncate(fd, (off_t)bytes) < 0)
		return file_fail(p, "set the size of", file, -errno, err);
	return 0;
}

static int make_meta(const struct storage_pool *p, int dir, const struct storage_volume *v,
		     const char *file, bool thin, struct err *err)
{
	int fd, rv;

	fd = openat(dir, file, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return file_fail(p, "make", file, -errno, err);
	rv = reserve(p, fd, file, v->meta_bytes, thin, err);
	if (rv == 0) {
		rv = storage_meta_ops()->format(fd, v, err);
		if (rv < 0)
			err_prefix(err, "pool %s: %s/%s", p->name, p->source, file);
	}
	if (rv == 0 && fsync(fd) < 0)
		rv = file_fail(p, "sync", file, -errno, err);
	close(fd);
	return rv == 0 ? file_sync_dir(p, dir, err) : rv;
}

static int make_data(const struct storage_pool *p, int dir, const struct storage_volume *v,
		     const struct storage_snapshot *from, bool thin, struct err *err)
{
	int fd, rv;

	fd = openat(dir, v->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 && errno == EEXIST)
		return file_foreign(p, v->name, FILE_STRANGER, err);
	if (fd < 0)
		return file_fail(p, "make", v->name, -errno, err);
	storage_step("data file");
	rv = from ? file_snapshot_copy(p, dir, from, fd, err) : 0;
	if (rv == 0 && ftruncate(fd, (off_t)v->size_bytes) < 0)
		rv = file_fail(p, "set the size of", v->name, -errno, err);
	if (rv == 0)
		rv = reserve(p, fd, v->name, v->size_bytes, thin, err);
	if (rv == 0 && fsync(fd) < 0)
		rv = file_fail(p, "sync", v->name, -errno, err);
	close(fd);
	return rv == 0 ? file_sync_dir(p, dir, err) : rv;
}

/* Numbers before the attempt: a sentence with them is worth more than "no space left". */
static int check_space(const struct storage_pool *p, int dir, const struct storage_volume *v,
		       bool thin, struct err *err)
{
	struct storage_space space;
	uint64_t want = v->meta_bytes + (thin ? 0 : v->size_bytes);
	char text[2][32];
	int rv = file_space(p, dir, &space, err);

	if (rv < 0)
		return rv;
	if (space.free_kib >= file_kib(want))
		return 0;
	return err_set(err, -ENOSPC, "pool %s: %s is full: %s wanted, %s free", p->name, p->source,
		       text_size_kib(file_kib(want), text[0], sizeof(text[0])),
		       text_size_kib(space.free_kib, text[1], sizeof(text[1])));
}

/* Takes back what a crash or a failure left of a pair that was never complete. Only with our
 * owner's metadata there (caller has checked); data first. */
static int drop(const struct storage_pool *p, int dir, const struct file_names *n, struct err *err)
{
	int rv = file_unlink(p, dir, n->data, err);

	if (rv == 0)
		rv = file_sync_dir(p, dir, err);
	if (rv == 0)
		rv = file_unlink(p, dir, n->meta, err);
	if (rv == 0)
		rv = file_unlink(p, dir, n->fresh, err);
	if (rv == 0)
		rv = file_sync_dir(p, dir, err);
	return rv;
}

/* 0: nothing of this name is in the way any more; 1: the pair is complete and ours */
static int clear_way(const struct storage_pool *p, int dir, const struct storage_volume *v,
		     const struct file_names *n, struct err *err)
{
	enum file_owner meta, fresh;
	struct err ignored;
	uint64_t size = 0;
	int rv;

	rv = file_owner_of(p, dir, n->meta, v, &meta, NULL, err);
	if (rv == 0)
		rv = file_owner_of(p, dir, n->fresh, v, &fresh, NULL, err);
	if (rv < 0)
		return rv;
	if (meta == FILE_OTHER || meta == FILE_STRANGER)
		return file_foreign(p, n->meta, meta, err);
	if (fresh == FILE_OTHER)
		return file_foreign(p, n->fresh, fresh, err);
	if (meta == FILE_US && file_size(p, dir, n->data, &size, &ignored) == 0 &&
	    size == v->size_bytes) {
		rv = file_unlink(p, dir, n->fresh, err);
		return rv < 0 ? rv : 1;
	}
	if (meta == FILE_US || fresh == FILE_US)
		return drop(p, dir, n, err);
	/* step 1 did not end, so step 2 was never begun: a data file here is not ours */
	return file_unlink(p, dir, n->fresh, err);
}

static int create(const struct storage_pool *p, const struct storage_volume *v,
		  const struct storage_snapshot *from, bool thin, struct storage_paths *ret,
		  struct err *err)
{
	struct file_names n;
	struct err ignored;
	bool data_made = false;
	int dir, rv;

	file_names_of(v, &n);
	dir = file_dir_open(p, err);
	if (dir < 0)
		return dir;
	rv = clear_way(p, dir, v, &n, err);
	if (rv != 0)
		goto out;
	if (faccessat(dir, n.data, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		rv = file_foreign(p, n.data, FILE_STRANGER, err);
		goto out;
	}
	rv = check_space(p, dir, v, thin, err);
	if (rv == 0)
		rv = make_meta(p, dir, v, n.fresh, thin, err);
	if (rv == 0) {
		rv = make_data(p, dir, v, from, thin, err);
		data_made = rv != -E_EXISTS;
	}
	storage_step("rename");
	if (rv == 0 && renameat(dir, n.fresh, dir, n.meta) < 0)
		rv = file_fail(p, "rename", n.fresh, -errno, err);
	if (rv == 0)
		rv = file_sync_dir(p, dir, err);
	else if (data_made)
		drop(p, dir, &n,
		     &ignored); /* give the space back; what fails here the next try repeats */
	else
		file_unlink(p, dir, n.fresh, &ignored);
out:
	close(dir);
	if (rv < 0)
		return rv;
	file_paths_of(p, &n, ret);
	ret->size_bytes = v->size_bytes;
	return 0;
}

static int create_thick(const struct storage_pool *p, const struct storage_volume *v,
			struct storage_paths *ret, struct err *err)
{
	return create(p, v, NULL, false, ret, err);
}

static int create_thin(const struct storage_pool *p, const struct storage_volume *v,
		       struct storage_paths *ret, struct err *err)
{
	return create(p, v, NULL, true, ret, err);
}

static int restore_thick(const struct storage_pool *p, const struct storage_volume *v,
			 const struct storage_snapshot *s, struct storage_paths *ret,
			 struct err *err)
{
	return create(p, v, s, false, ret, err);
}

static int restore_thin(const struct storage_pool *p, const struct storage_volume *v,
			const struct storage_snapshot *s, struct storage_paths *ret,
			struct err *err)
{
	return create(p, v, s, true, ret, err);
}

/* --- the others --------------------------------------------------------- */

static int probe(const struct storage_pool *p, struct storage_space *ret, struct err *err)
{
	int dir = file_dir_open(p, err), rv;

	if (dir < 0)
		return dir;
	if (faccessat(dir, ".", W_OK | X_OK, 0) < 0)
		rv = file_dir_fail(p, -errno, err);
	else
		rv = file_space(p, dir, ret, err);
	close(dir);
	return rv;
}

static int locate(const struct storage_pool *p, const struct storage_volume *v,
		  struct storage_paths *ret, struct err *err)
{
	struct file_names n;
	uint64_t size;
	int dir, rv;

	file_names_of(v, &n);
	dir = file_dir_open(p, err);
	if (dir < 0)
		return dir;
	rv = file_find_pair(p, dir, v, &n, &size, err);
	if (rv == 0 && size == 0)
		size = v->size_bytes;
	if (rv == 0)
		rv = file_check_size(p, dir, n.data, size, err);
	close(dir);
	if (rv < 0)
		return rv;
	file_paths_of(p, &n, ret);
	ret->size_bytes = size;
	return 0;
}

/* --- grow --------------------------------------------------------------- */

struct growing { /* one file of the pair */
	const char *name;
	int fd;
	uint64_t have, want;
};

static int open_growing(const struct storage_pool *p, int dir, struct growing *g, struct err *err)
{
	struct stat st;

	g->fd = openat(dir, g->name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (g->fd < 0)
		return file_fail(p, "open", g->name, -errno, err);
	if (fstat(g->fd, &st) < 0)
		return file_fail(p, "examine", g->name, -errno, err);
	if (!S_ISREG(st.st_mode))
		return err_set(err, -E_CORRUPT, "pool %s: %s/%s is not a regular file", p->name,
			       p->source, g->name);
	g->have = (uint64_t)st.st_size;
	return 0;
}

/* Space behind the end of the file, whose size stays: what fails here has changed nothing. */
static int reserve_more(const struct storage_pool *p, const struct growing *g, struct err *err)
{
	int rv;

	if (g->have >= g->want)
		return 0;
	do {
		rv = fallocate(g->fd, FALLOC_FL_KEEP_SIZE, (off_t)g->have,
			       (off_t)(g->want - g->have)) < 0
			     ? -errno
			     : 0;
	} while (rv == -EINTR);
	if (rv == -EOPNOTSUPP || rv == -ENOSYS) {
		log_warn("storage",
			 "pool=%s volume=%s space is not reserved: the file system of %s cannot",
			 p->name, g->name, p->source);
		return 0;
	}
	return rv < 0 ? file_fail(p, "reserve space for", g->name, rv, err) : 0;
}

/* gives back what was reserved in vain; the size is the present one, so nothing is lost */
static void unreserve(const struct growing *g)
{
	if (g->have < g->want && ftruncate(g->fd, (off_t)g->have) < 0)
		log_warn("storage", "file=%s the space reserved behind its end is kept", g->name);
}

static int lengthen(const struct storage_pool *p, const struct growing *g, struct err *err)
{
	storage_step("lengthen");
	if (g->have < g->want && ftruncate(g->fd, (off_t)g->want) < 0)
		return file_fail(p, "set the size of", g->name, -errno, err);
	/* also when there was nothing to do: the last attempt may have been cut before this */
	return fsync(g->fd) < 0 ? file_fail(p, "sync", g->name, -errno, err) : 0;
}

static uint64_t missing_bytes(const struct growing *g)
{
	return g->have < g->want ? g->want - g->have : 0;
}

static int check_more_space(const struct storage_pool *p, int dir, uint64_t want, struct err *err)
{
	struct storage_space space;
	char text[2][32];
	int rv = file_space(p, dir, &space, err);

	if (rv < 0 || space.free_kib >= file_kib(want))
		return rv;
	return err_set(err, -ENOSPC, "pool %s: %s is full: %s wanted to grow by, %s free", p->name,
		       p->source, text_size_kib(file_kib(want), text[0], sizeof(text[0])),
		       text_size_kib(space.free_kib, text[1], sizeof(text[1])));
}

/* Data first: its label must never promise more than there is. Cut anywhere, the next attempt
 * finds files that are long enough and goes on. */
static int grow_pair(const struct storage_pool *p, int dir, const struct storage_volume *v,
		     struct growing *data, struct growing *meta, bool thin, struct err *err)
{
	uint64_t more = missing_bytes(meta) + (thin ? 0 : missing_bytes(data));
	int rv = more ? check_more_space(p, dir, more, err) : 0;

	if (rv == 0 && !thin) {
		rv = reserve_more(p, data, err);
		if (rv == 0)
			rv = reserve_more(p, meta, err);
		if (rv < 0) {
			unreserve(data);
			unreserve(meta);
		}
	}
	if (rv == 0)
		rv = lengthen(p, data, err);
	if (rv == 0)
		rv = lengthen(p, meta, err);
	storage_step("grow label");
	if (rv == 0 && storage_meta_ops()->grow) {
		rv = storage_meta_ops()->grow(meta->fd, v, err);
		if (rv < 0)
			err_prefix(err, "pool %s: %s/%s", p->name, p->source, meta->name);
	}
	return rv;
}

static int grow(const struct storage_pool *p, const struct storage_volume *v, bool thin,
		struct storage_paths *ret, struct err *err)
{
	struct file_names n;
	struct growing data = { n.data, -1, 0, v->size_bytes };
	struct growing meta = { n.meta, -1, 0, v->meta_bytes };
	uint64_t size;
	int dir, rv;

	file_names_of(v, &n);
	dir = file_dir_open(p, err);
	if (dir < 0)
		return dir;
	rv = file_find_pair(p, dir, v, &n, &size, err);
	/* what was cut off must not come back as zeros */
	if (rv == 0)
		rv = file_check_size(p, dir, n.data, size, err);
	if (rv == 0)
		rv = open_growing(p, dir, &data, err);
	if (rv == 0)
		rv = open_growing(p, dir, &meta, err);
	if (rv == 0 && size <= v->size_bytes)
		rv = grow_pair(p, dir, v, &data, &meta, thin, err);
	if (data.fd >= 0)
		close(data.fd);
	if (meta.fd >= 0)
		close(meta.fd);
	close(dir);
	if (rv < 0)
		return rv;
	file_paths_of(p, &n, ret);
	ret->size_bytes = size > v->size_bytes ? size : v->size_bytes;
	return 0;
}

static int grow_thick(const struct storage_pool *p, const struct storage_volume *v,
		      struct storage_paths *ret, struct err *err)
{
	return grow(p, v, false, ret, err);
}

static int grow_thin(const struct storage_pool *p, const struct storage_volume *v,
		     struct storage_paths *ret, struct err *err)
{
	return grow(p, v, true, ret, err);
}

/* "remove" is taken by stdio */
static int remove_pair(const struct storage_pool *p, const struct storage_volume *v,
		       struct err *err)
{
	enum file_owner meta, fresh;
	struct file_names n;
	int dir, rv;

	file_names_of(v, &n);
	dir = file_dir_open(p, err);
	if (dir < 0)
		return dir;
	rv = file_owner_of(p, dir, n.meta, v, &meta, NULL, err);
	if (rv == 0)
		rv = file_owner_of(p, dir, n.fresh, v, &fresh, NULL, err);
	if (rv < 0)
		goto out;
	if (meta == FILE_US || (meta == FILE_NOBODY && fresh == FILE_US))
		rv = drop(p, dir, &n, err);
	else if (meta == FILE_OTHER)
		rv = file_foreign(p, n.meta, meta, err);
	else if (meta == FILE_STRANGER)
		rv = err_set(
			err, -E_CORRUPT,
			"pool %s: %s/%s is damaged or not of sdsd and is left alone: remove it "
			"by hand",
			p->name, p->source, n.meta);
	/* otherwise nothing here is known to be ours: gone already, or never made */
out:
	close(dir);
	return rv;
}

static int allocated(const struct storage_pool *p, const struct storage_volume *v, int64_t *ret_kib,
		     struct err *err)
{
	struct stat data, meta;
	struct file_names n;
	int dir, rv = 0;

	file_names_of(v, &n);
	dir = file_dir_open(p, err);
	if (dir < 0)
		return dir;
	if (fstatat(dir, n.data, &data, AT_SYMLINK_NOFOLLOW) < 0)
		rv = file_fail(p, "examine", n.data, -errno, err);
	else if (fstatat(dir, n.meta, &meta, AT_SYMLINK_NOFOLLOW) < 0)
		rv = file_fail(p, "examine", n.meta, -errno, err);
	else
		*ret_kib = ((int64_t)data.st_blocks + (int64_t)meta.st_blocks) / 2;
	close(dir);
	return rv;
}

const struct storage_ops storage_file = {
	.kind = "FILE",
	.check = check,
	.probe = probe,
	.create = create_thick,
	.locate = locate,
	.grow = grow_thick,
	.remove = remove_pair,
	.allocated = allocated,
	.snapshot = file_snapshot,
	.restore = restore_thick,
	.snapshot_remove = file_snapshot_remove,
};

const struct storage_ops storage_file_thin = {
	.kind = "FILE_THIN",
	.check = check,
	.probe = probe,
	.create = create_thin,
	.locate = locate,
	.grow = grow_thin,
	.remove = remove_pair,
	.allocated = allocated,
	.snapshot = file_snapshot,
	.restore = restore_thin,
	.snapshot_remove = file_snapshot_remove,
};
