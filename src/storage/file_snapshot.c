// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * file_snapshot.c - snapshots of volumes that are files: a second file of the
 * directory, <dir>/<snapshot>, that shares the blocks of the data file
 * (FICLONE), where the file system can do that. Called by storage.c in worker
 * threads, and by file.c for a volume that begins with one.
 *
 * Whose snapshot a file is says an attribute of it, user.sdsd.snapshot, the uuid
 * as text. A file gets its name only when it has content and attribute and both
 * are on the disk: until then it has none (O_TMPFILE), so nothing is left of an
 * attempt that was cut, and a file of that name without our attribute is never
 * touched.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/text.h"
#include "storage/file_dir.h"
#include "storage/step.h"

#define ATTRIBUTE "user.sdsd.snapshot"

static int clone_fail(const struct storage_pool *p, const char *file, int code, struct err *err)
{
	switch (code) {
	case -EOPNOTSUPP:
	case -ENOSYS:
	case -ENOTTY:
	case -EINVAL:
	case -EXDEV:
		return err_set(err, -EOPNOTSUPP,
			       "pool %s: the file system of %s cannot take snapshots of files: "
			       "that takes xfs with reflink, or btrfs",
			       p->name, p->source);
	default:
		return file_fail(p, "take a snapshot of", file, code, err);
	}
}

/* a regular file of the directory that has the snapshot's attribute? */
static int owner_of(const struct storage_pool *p, int dir, const struct storage_snapshot *s,
		    enum file_owner *ret, int *ret_fd, struct err *err)
{
	char want[UUID_TEXT_LEN + 1], have[UUID_TEXT_LEN + 1] = "";
	int fd = openat(dir, s->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	ssize_t n;

	*ret = FILE_NOBODY;
	*ret_fd = -1;
	if (fd < 0)
		return errno == ENOENT ? 0 : file_fail(p, "open", s->name, -errno, err);
	text_uuid_format(s->uuid, want);
	n = fgetxattr(fd, ATTRIBUTE, have, UUID_TEXT_LEN);
	*ret = n < 0                                           ? FILE_STRANGER
	       : n == UUID_TEXT_LEN && strcmp(have, want) == 0 ? FILE_US
							       : FILE_OTHER;
	*ret_fd = fd;
	return 0;
}

/* --- taking --------------------------------------------------------------- */

static int clone_of(const struct storage_pool *p, int dir, const char *data, int fd,
		    struct err *err)
{
	int from = openat(dir, data, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), rv = 0;

	if (from < 0)
		return file_fail(p, "open", data, -errno, err);
	if (ioctl(fd, FICLONE, from) < 0)
		rv = clone_fail(p, data, -errno, err);
	close(from);
	return rv;
}

static int give_name(const struct storage_pool *p, int dir, const struct storage_snapshot *s,
		     int fd, struct err *err)
{
	char self[32];

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	storage_step("name snapshot");
	if (linkat(AT_FDCWD, self, dir, s->name, AT_SYMLINK_FOLLOW) < 0)
		return file_fail(p, "make", s->name, -errno, err);
	return file_sync_dir(p, dir, err);
}

static int take(const struct storage_pool *p, int dir, const char *data,
		const struct storage_snapshot *s, struct err *err)
{
	char uuid[UUID_TEXT_LEN + 1];
	int fd = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), rv;

	if (fd < 0)
		return clone_fail(p, data, -errno, err);
	storage_step("clone");
	text_uuid_format(s->uuid, uuid);
	rv = clone_of(p, dir, data, fd, err);
	if (rv == 0 && fsetxattr(fd, ATTRIBUTE, uuid, UUID_TEXT_LEN, XATTR_CREATE) < 0)
		rv = clone_fail(p, data, -errno, err);
	if (rv == 0 && fsync(fd) < 0)
		rv = file_fail(p, "sync", s->name, -errno, err);
	if (rv == 0)
		rv = give_name(p, dir, s, fd, err);
	close(fd);
	return rv;
}

static int snapshot_in(const struct storage_pool *p, int dir, const struct storage_volume *v,
		       const struct storage_snapshot *s, struct err *err)
{
	struct file_names n;
	enum file_owner who;
	uint64_t size = 0;
	int fd, rv = owner_of(p, dir, s, &who, &fd, err);

	if (rv < 0)
		return rv;
	if (fd >= 0)
		close(fd);
	if (who == FILE_US)
		return 0;
	if (who != FILE_NOBODY)
		return file_foreign(p, s->name, who, err);
	file_names_of(v, &n);
	rv = file_find_pair(p, dir, v, &n, &size, err);
	if (rv == 0)
		rv = file_check_size(p, dir, n.data, size, err);
	return rv < 0 ? rv : take(p, dir, n.data, s, err);
}

int file_snapshot(const struct storage_pool *p, const struct storage_volume *v,
		  const struct storage_snapshot *s, struct err *err)
{
	int dir = file_dir_open(p, err), rv;

	if (dir < 0)
		return dir;
	rv = snapshot_in(p, dir, v, s, err);
	close(dir);
	return rv;
}

/* --- using ---------------------------------------------------------------- */

int file_snapshot_copy(const struct storage_pool *p, int dir, const struct storage_snapshot *s,
		       int fd, struct err *err)
{
	enum file_owner who;
	int from, rv = owner_of(p, dir, s, &who, &from, err);

	if (rv < 0)
		return rv;
	if (who != FILE_US)
		rv = err_set(err, -ENOENT, "pool %s: the snapshot %s/%s is %s", p->name, p->source,
			     s->name,
			     who == FILE_NOBODY ? "not there" : "another one of that name");
	else if (ioctl(fd, FICLONE, from) < 0)
		rv = clone_fail(p, s->name, -errno, err);
	if (from >= 0)
		close(from);
	return rv;
}

int file_snapshot_remove(const struct storage_pool *p, const struct storage_snapshot *s,
			 struct err *err)
{
	int dir = file_dir_open(p, err), fd = -1, rv;
	enum file_owner who;

	if (dir < 0)
		return dir;
	rv = owner_of(p, dir, s, &who, &fd, err);
	if (rv == 0 && who == FILE_US)
		rv = file_unlink(p, dir, s->name, err);
	else if (rv == 0 && who != FILE_NOBODY)
		rv = file_foreign(p, s->name, who, err);
	if (rv == 0)
		rv = file_sync_dir(p, dir, err);
	if (fd >= 0)
		close(fd);
	close(dir);
	return rv;
}
