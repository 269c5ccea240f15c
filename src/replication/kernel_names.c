// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kernel_names.c - see kernel_names.h. Called by kernel_resource.c and plane_nvme.c when the
 * devices are there or have gone. A link is made under another name and renamed,
 * so that a name never leads nowhere in between.
 */
#include "replication/kernel_names.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"

#define NAMES_PATH_MAX 256
#define UP "../../../" /* and the device */
#define PLACES (int)(sizeof(places) / sizeof(places[0]))

/* Ours, and those that drivers of LINSTOR know by heart */
static const char *const places[] = { "rvol", "drbd" };

static void path_of(const char *dev_dir, int place, const char *resource, char out[NAMES_PATH_MAX])
{
	snprintf(out, NAMES_PATH_MAX, "%s/%s/by-res/%s", dev_dir, places[place], resource);
}

/* where the link leads; -ENOENT: it is not there. -E_EXISTS: to a device of somebody else, which is
 * left alone (DRBD itself, of a resource of the same name) */
static int look_at(const char *path, char now[64])
{
	ssize_t n = readlink(path, now, 63);

	if (n < 0)
		return errno == ENOENT ? -ENOENT : -E_EXISTS;
	now[n] = '\0';
	return strncmp(now, UP "rvol", strlen(UP "rvol")) == 0 ||
			       strncmp(now, UP "nvme", strlen(UP "nvme")) == 0
		       ? 0
		       : -E_EXISTS;
}

static int set_one(const char *dir, int number, const char *device)
{
	char path[NAMES_PATH_MAX + 16], fresh[NAMES_PATH_MAX + 16], target[64], now[64] = "";
	int rv;

	snprintf(path, sizeof(path), "%s/%d", dir, number);
	snprintf(fresh, sizeof(fresh), "%s/.%d", dir, number);
	snprintf(target, sizeof(target), UP "%s", device);
	rv = look_at(path, now);
	if (rv == -E_EXISTS || (rv == 0 && strcmp(now, target) == 0))
		return rv;
	unlink(fresh);
	if (symlink(target, fresh) < 0)
		return -errno;
	return rename(fresh, path) < 0 ? -errno : 0;
}

static void remove_one(const char *dir, int number)
{
	char path[NAMES_PATH_MAX + 16], now[64];

	snprintf(path, sizeof(path), "%s/%d", dir, number);
	if (look_at(path, now) == 0)
		unlink(path);
}

static void set_place(const char *dev_dir, int place, const char *resource,
		      const char device[PLANE_VOLUMES][KERNEL_DEVICE_MAX])
{
	char dir[NAMES_PATH_MAX];
	int rv;

	path_of(dev_dir, place, resource, dir);
	rv = fs_mkdir(dir, 0755, NULL);
	for (int n = 0; rv == 0 && n < PLANE_VOLUMES; n++) {
		if (device[n][0])
			rv = set_one(dir, n, device[n]);
		else
			remove_one(dir, n);
	}
	if (rv < 0)
		log_warn("plane", "volume=%s no names for its devices in %s: %s", resource, dir,
			 rv == -E_EXISTS ? "somebody else has such a device" : err_name(rv));
}

void kernel_names_lead(const char *dev_dir, const char *resource,
		       const char device[PLANE_VOLUMES][KERNEL_DEVICE_MAX])
{
	for (int i = 0; i < PLACES; i++)
		set_place(dev_dir, i, resource, device);
}

void kernel_names_set(const char *dev_dir, const struct plane_resource *r)
{
	char device[PLANE_VOLUMES][KERNEL_DEVICE_MAX] = { "" };

	for (int i = 0; i < r->n_volumes; i++)
		snprintf(device[r->volume[i].number], KERNEL_DEVICE_MAX, "rvol%d",
			 r->volume[i].minor);
	kernel_names_lead(dev_dir, r->name, device);
}

void kernel_names_remove(const char *dev_dir, const char *resource)
{
	char dir[NAMES_PATH_MAX];

	for (int i = 0; i < PLACES; i++) {
		path_of(dev_dir, i, resource, dir);
		for (int n = 0; n < PLANE_VOLUMES; n++)
			remove_one(dir, n);
		rmdir(dir);
	}
}
