// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kernel_names.c - see kernel_names.h. Called by kernel_resource.c when the
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

static void path_of(const char *dev_dir, const char *resource, char out[NAMES_PATH_MAX])
{
	snprintf(out, NAMES_PATH_MAX, "%s/rvol/by-res/%s", dev_dir, resource);
}

static int set_one(const char *dir, const struct plane_volume *v)
{
	char path[NAMES_PATH_MAX + 16], fresh[NAMES_PATH_MAX + 16], target[64], now[64] = "";

	snprintf(path, sizeof(path), "%s/%d", dir, v->number);
	snprintf(fresh, sizeof(fresh), "%s/.%d", dir, v->number);
	snprintf(target, sizeof(target), "../../../rvol%d", v->minor);
	if (readlink(path, now, sizeof(now) - 1) > 0 && strcmp(now, target) == 0)
		return 0;
	unlink(fresh);
	if (symlink(target, fresh) < 0)
		return -errno;
	return rename(fresh, path) < 0 ? -errno : 0;
}

void kernel_names_set(const char *dev_dir, const struct plane_resource *r)
{
	char dir[NAMES_PATH_MAX];
	int rv;

	path_of(dev_dir, r->name, dir);
	rv = fs_mkdir(dir, 0755, NULL);
	for (int n = 0; rv == 0 && n < PLANE_VOLUMES; n++) {
		const struct plane_volume *v = plane_volume_of(r, n);
		char gone[NAMES_PATH_MAX + 16];

		if (v) {
			rv = set_one(dir, v);
			continue;
		}
		snprintf(gone, sizeof(gone), "%s/%d", dir, n);
		unlink(gone);
	}
	if (rv < 0)
		log_warn("plane", "volume=%s no names for its devices in %s: %s", r->name, dir,
			 err_name(rv));
}

void kernel_names_remove(const char *dev_dir, const char *resource)
{
	char dir[NAMES_PATH_MAX];

	path_of(dev_dir, resource, dir);
	for (int n = 0; n < PLANE_VOLUMES; n++) {
		char path[NAMES_PATH_MAX + 16];

		snprintf(path, sizeof(path), "%s/%d", dir, n);
		unlink(path);
	}
	rmdir(dir);
}
