// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cache.c - see cache.h.
 */
#include "storage/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <libdevmapper.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "storage/dm.h"
#include "storage/step.h"

#define SECTOR 512u
#define NAME "sdsd-%.63s.cached"

static int failed(struct err *err, int code, const char *what, const char *volume)
{
	return err_set(err, code, "cache of %s: cannot %s: %s", volume, what, err_name(code));
}

void cache_name(const char *volume, char out[CACHE_PATH_MAX])
{
	snprintf(out, CACHE_PATH_MAX, NAME, volume);
}

void cache_path(const char *volume, char out[CACHE_PATH_MAX])
{
	snprintf(out, CACHE_PATH_MAX, DM_NODES NAME, volume);
}

bool cache_is_open(const char *volume)
{
	char name[CACHE_PATH_MAX];
	struct dm_device d;

	cache_name(volume, name);
	return dm_look(name, &d) == 0;
}

int cache_numbers(const char *path, char out[CACHE_NUMBERS_MAX])
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	snprintf(out, CACHE_NUMBERS_MAX, "%u:%u", major(st.st_rdev), minor(st.st_rdev));
	return S_ISBLK(st.st_mode) ? 0 : -ENOTBLK;
}

/* the library's word on what went wrong goes to where it can be shown */
static void on_log(int level, const char *file, int line, int code, const char *f, ...)
{
}

int cache_run(int what, const char *name, uint64_t bytes, const char *type, const char *table)
{
	struct dm_task *t;
	int rv = -ENOMEM;

	dm_library_enter();
	dm_log_with_errno_init(on_log);
	t = dm_task_create(what);
	if (t && dm_task_set_name(t, name) &&
	    (!table || dm_task_add_target(t, 0, bytes / SECTOR, type, table)) &&
	    (what != DM_DEVICE_REMOVE || dm_task_retry_remove(t)))
		rv = dm_task_run(t) ? 0 : -dm_task_get_errno(t);
	if (t)
		dm_task_destroy(t);
	dm_task_update_nodes(); /* else there is no device node before the process ends */
	dm_library_leave();
	return rv;
}

int cache_reach(const char *volume, char ret_path[CACHE_PATH_MAX], struct err *err)
{
	char name[CACHE_PATH_MAX];
	int rv = 0;

	cache_name(volume, name);
	cache_path(volume, ret_path);
	if (dm_node(ret_path) < 0) /* who opened it was killed just then */
		rv = cache_run(DM_DEVICE_MKNODES, name, 0, NULL, NULL);
	return rv < 0 ? failed(err, rv, "make its device node", volume) : 0;
}

int cache_sync(const char *volume, struct err *err)
{
	char path[CACHE_PATH_MAX];
	int fd, rv;

	cache_path(volume, path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return failed(err, -errno, "open it", volume);
	rv = fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return rv < 0 ? failed(err, rv, "write out what was written through it", volume) : 0;
}

int cache_close(const char *volume, struct err *err)
{
	char name[CACHE_PATH_MAX];
	int rv;

	if (!cache_is_open(volume))
		return 0;
	cache_name(volume, name);
	storage_step("cache close");
	rv = cache_run(DM_DEVICE_REMOVE, name, 0, NULL, NULL);
	storage_step("cache closed");
	return rv < 0 && rv != -ENXIO ? failed(err, rv, "close it", volume) : 0;
}
