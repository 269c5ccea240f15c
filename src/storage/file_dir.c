// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * file_dir.c - see file_dir.h. Called by file.c and file_snapshot.c.
 */
#include "storage/file_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "storage/step.h"

#define META_SUFFIX ".meta"
#define NEW_SUFFIX ".meta.new"

void file_names_of(const struct storage_volume *v, struct file_names *n)
{
	snprintf(n->data, sizeof(n->data), "%s", v->name);
	snprintf(n->meta, sizeof(n->meta), "%s" META_SUFFIX, v->name);
	snprintf(n->fresh, sizeof(n->fresh), "%s" NEW_SUFFIX, v->name);
}

void file_paths_of(const struct storage_pool *p, const struct file_names *n,
		   struct storage_paths *ret)
{
	snprintf(ret->data, sizeof(ret->data), "%s/%s", p->source, n->data);
	snprintf(ret->meta, sizeof(ret->meta), "%s/%s", p->source, n->meta);
}

/* what went wrong with the directory itself, in words */
int file_dir_fail(const struct storage_pool *p, int code, struct err *err)
{
	switch (code) {
	case -ENOENT:
		return err_set(err, code,
			       "pool %s: the directory %s does not exist: make it, or mount what "
			       "belongs there",
			       p->name, p->source);
	case -ENOTDIR:
	case -ELOOP:
		return err_set(err, code, "pool %s: %s is not a directory", p->name, p->source);
	case -EROFS:
		return err_set(err, code, "pool %s: %s is on a read-only file system", p->name,
			       p->source);
	case -EACCES:
	case -EPERM:
		return err_set(err, code, "pool %s: no permission to write in %s", p->name,
			       p->source);
	default:
		return err_set(err, code, "pool %s: %s: %s", p->name, p->source, err_name(code));
	}
}

int file_fail(const struct storage_pool *p, const char *what, const char *file, int code,
	      struct err *err)
{
	if (code == -EROFS)
		return file_dir_fail(p, code, err);
	return err_set(err, code, "pool %s: cannot %s %s/%s: %s", p->name, what, p->source, file,
		       err_name(code));
}

/* descriptor of the pool directory, or negative */
int file_dir_open(const struct storage_pool *p, struct err *err)
{
	int fd = open(p->source, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? file_dir_fail(p, -errno, err) : fd;
}

int64_t file_kib(uint64_t bytes)
{
	return (int64_t)((bytes + 1023) / 1024);
}

int file_space(const struct storage_pool *p, int dir, struct storage_space *ret, struct err *err)
{
	struct statvfs vfs;

	if (fstatvfs(dir, &vfs) < 0)
		return file_dir_fail(p, -errno, err);
	if (vfs.f_flag & ST_RDONLY)
		return file_dir_fail(p, -EROFS, err);
	ret->total_kib = (int64_t)(vfs.f_blocks * (vfs.f_frsize / 512) / 2);
	ret->free_kib = (int64_t)(vfs.f_bavail * (vfs.f_frsize / 512) / 2);
	ret->meta_percent = -1;
	ret->queues = false;
	return 0;
}

/* Whose metadata the file is, and what it says; ret_label may be NULL. Negative only when it
 * cannot be read. */
int file_owner_of(const struct storage_pool *p, int dir, const char *file,
		  const struct storage_volume *v, enum file_owner *ret,
		  struct storage_label *ret_label, struct err *err)
{
	struct storage_label label = { 0 };
	struct stat st;
	int fd, rv;

	fd = openat(dir, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		*ret = FILE_NOBODY;
		return 0;
	}
	if (fd < 0)
		return file_fail(p, "open", file, -errno, err);
	if (fstat(fd, &st) < 0) {
		rv = file_fail(p, "examine", file, -errno, err);
	} else if (!S_ISREG(st.st_mode)) {
		*ret = FILE_STRANGER;
		rv = 0;
	} else {
		rv = storage_meta_ops()->label(fd, &label, err);
		if (rv == 0)
			*ret = storage_label_is(&label, v) ? FILE_US : FILE_OTHER;
		else if (rv == -E_CORRUPT)
			*ret = FILE_STRANGER;
		rv = rv == -E_CORRUPT ? 0 : rv;
	}
	close(fd);
	if (ret_label)
		*ret_label = label;
	return rv;
}

int file_foreign(const struct storage_pool *p, const char *file, enum file_owner who,
		 struct err *err)
{
	if (who == FILE_OTHER)
		return err_set(
			err, -E_EXISTS,
			"pool %s: %s/%s belongs to another replica or volume and is left alone",
			p->name, p->source, file);
	return err_set(err, -E_EXISTS,
		       "pool %s: %s/%s is there already and is not of sdsd: move it away", p->name,
		       p->source, file);
}

/* size of a regular file; -ENOENT */
int file_size(const struct storage_pool *p, int dir, const char *file, uint64_t *ret,
	      struct err *err)
{
	struct stat st;

	if (fstatat(dir, file, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return file_fail(p, "examine", file, -errno, err);
	if (!S_ISREG(st.st_mode))
		return err_set(err, -E_CORRUPT, "pool %s: %s/%s is not a regular file", p->name,
			       p->source, file);
	*ret = (uint64_t)st.st_size;
	return 0;
}

int file_unlink(const struct storage_pool *p, int dir, const char *file, struct err *err)
{
	storage_step("unlink");
	if (unlinkat(dir, file, 0) < 0 && errno != ENOENT)
		return file_fail(p, "remove", file, -errno, err);
	return 0;
}

int file_sync_dir(const struct storage_pool *p, int dir, struct err *err)
{
	storage_step("sync directory");
	return fsync(dir) < 0 ? file_fail(p, "sync", ".", -errno, err) : 0;
}

int file_missing(const struct storage_pool *p, const char *file, struct err *err)
{
	return err_set(err, -ENOENT,
		       "pool %s: %s/%s is missing: it is not made anew, since it held data; is "
		       "the right file system mounted?",
		       p->name, p->source, file);
}

int file_check_size(const struct storage_pool *p, int dir, const char *file, uint64_t want,
		    struct err *err)
{
	uint64_t size = 0;
	int rv = file_size(p, dir, file, &size, err);

	if (rv == -ENOENT)
		return file_missing(p, file, err);
	if (rv == 0 && size < want)
		return err_set(err, -E_CORRUPT, "pool %s: %s/%s has %llu bytes, %llu expected",
			       p->name, p->source, file, (unsigned long long)size,
			       (unsigned long long)want);
	return rv;
}

/* The pair of our owner, with its label; where the label tells no size v's counts. */
int file_find_pair(const struct storage_pool *p, int dir, const struct storage_volume *v,
		   const struct file_names *n, uint64_t *ret_size, struct err *err)
{
	struct storage_label label;
	enum file_owner meta;
	int rv = file_owner_of(p, dir, n->meta, v, &meta, &label, err);

	if (rv == 0 && meta == FILE_NOBODY)
		rv = file_missing(p, n->meta, err);
	else if (rv == 0 && meta == FILE_STRANGER)
		rv = err_set(err, -E_CORRUPT, "pool %s: %s/%s is damaged or not of sdsd", p->name,
			     p->source, n->meta);
	else if (rv == 0 && meta == FILE_OTHER)
		rv = file_foreign(p, n->meta, meta, err);
	if (rv < 0)
		return rv;
	*ret_size = label.size_bytes;
	return 0;
}
