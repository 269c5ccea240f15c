// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fs.c - files of the state directory. A written file is either the old or the
 * new one, also after a power cut, and a successful return means it is on
 * disk. Blocking calls: not for the loop's hot paths.
 */
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FS_READ_CHUNK 16384
#define FS_PARENT_MODE 0755

static int fail(struct err *err, const char *what, const char *path, int code)
{
	return err_set(err, code, "%s %s: %s", what, path, err_name(code));
}

int fs_read(const char *path, struct buf *out, struct err *err)
{
	uint8_t chunk[FS_READ_CHUNK];
	size_t before = out->len;
	int fd, rv = 0;
	ssize_t n;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fail(err, "cannot open", path, -errno);
	do {
		n = read(fd, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			rv = -errno;
		else if (n > 0)
			rv = buf_append(out, chunk, (size_t)n);
	} while (rv == 0 && n != 0);
	close(fd);
	if (rv == 0)
		return 0;
	if (out->data) {
		out->len = before;
		out->data[before] = 0;
	}
	return fail(err, "cannot read", path, rv);
}

static int write_all(int fd, const uint8_t *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* the directory part of path in dir; "." when there is none */
static int parent_of(const char *path, char dir[PATH_MAX])
{
	size_t len = strnlen(path, PATH_MAX);

	if (len == 0)
		return -ENOENT;
	if (len == PATH_MAX)
		return -ENAMETOOLONG;
	while (len > 1 && path[len - 1] == '/')
		len--;
	while (len > 0 && path[len - 1] != '/')
		len--;
	while (len > 1 && path[len - 1] == '/')
		len--;
	if (len == 0) {
		memcpy(dir, ".", 2);
		return 0;
	}
	memcpy(dir, path, len);
	dir[len] = '\0';
	return 0;
}

int fs_sync_dir(const char *path)
{
	int fd, rv = 0;

	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fsync(fd) < 0)
		rv = -errno;
	close(fd);
	return rv;
}

static int sync_parent(const char *path)
{
	char dir[PATH_MAX];
	int rv = parent_of(path, dir);

	return rv < 0 ? rv : fs_sync_dir(dir);
}

int fs_write(const char *path, const void *data, size_t len, mode_t mode, struct err *err)
{
	char tmp[PATH_MAX];
	int fd, rv;

	if ((size_t)snprintf(tmp, sizeof(tmp), "%s.tmp.XXXXXX", path) >= sizeof(tmp))
		return fail(err, "cannot write", path, -ENAMETOOLONG);
	fd = mkostemp(tmp, O_CLOEXEC); /* 0600: a key is never readable on the way */
	if (fd < 0)
		return fail(err, "cannot write", path, -errno);
	rv = write_all(fd, data, len);
	if (rv == 0 && fchmod(fd, mode) < 0)
		rv = -errno;
	if (rv == 0 && fsync(fd) < 0)
		rv = -errno;
	if (close(fd) < 0 && rv == 0)
		rv = -errno;
	if (rv == 0 && rename(tmp, path) < 0)
		rv = -errno;
	if (rv < 0) {
		unlink(tmp);
		return fail(err, "cannot write", path, rv);
	}
	rv = sync_parent(path);
	return rv < 0 ? fail(err, "cannot sync the directory of", path, rv) : 0;
}

/* one level; what exists must be a directory */
static int make_dir(const char *path, mode_t mode)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		return sync_parent(path);
	if (errno != EEXIST)
		return -errno;
	if (stat(path, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int fs_mkdir(const char *path, mode_t mode, struct err *err)
{
	char part[PATH_MAX];
	size_t len = strnlen(path, PATH_MAX);
	int rv = 0;

	if (len == 0 || len == PATH_MAX)
		return fail(err, "cannot make directory", path, len ? -ENAMETOOLONG : -ENOENT);
	memcpy(part, path, len + 1);
	for (size_t i = 1; i < len && rv == 0; i++) {
		if (part[i] != '/' || part[i - 1] == '/' || part[i + 1] == '\0')
			continue;
		part[i] = '\0';
		rv = make_dir(part, FS_PARENT_MODE);
		part[i] = '/';
	}
	if (rv == 0)
		rv = make_dir(path, mode);
	return rv < 0 ? fail(err, "cannot make directory", path, rv) : 0;
}

int fs_remove(const char *path)
{
	if (unlink(path) < 0)
		return errno == ENOENT ? 0 : -errno;
	return sync_parent(path);
}
