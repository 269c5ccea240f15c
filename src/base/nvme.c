// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nvme.c - see nvme.h. Asks sysfs: the name of the subsystem that a device comes from is known
 * without reading the device. Used by storage/ for disks and for LVM.
 */
#include "base/nvme.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#define NVME_PATH_LEN 512

static bool has_name(const char *root, const char *name, const char *above)
{
	char path[NVME_PATH_LEN], text[sizeof(NVME_PREFIX)];
	bool ours = false;
	FILE *f;

	snprintf(path, sizeof(path), "%s/sys/class/block/%s/%s/device/subsysnqn", root, name,
		 above);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (fgets(text, sizeof(text), f))
		ours = strcmp(text, NVME_PREFIX) == 0;
	fclose(f);
	return ours;
}

bool nvme_is_ours(const char *root, const char *name)
{
	return strncmp(name, "nvme", 4) == 0 &&
	       (has_name(root, name, ".") || has_name(root, name, ".."));
}

int nvme_ours(const char *root, char *out, size_t len)
{
	char path[NVME_PATH_LEN];
	struct dirent *e;
	size_t used = 0;
	int n = 0;
	DIR *d;

	out[0] = '\0';
	snprintf(path, sizeof(path), "%s/sys/class/block", root);
	d = opendir(path);
	if (!d)
		return 0;
	while ((e = readdir(d))) {
		if (strncmp(e->d_name, "nvme", 4) != 0 || !has_name(root, e->d_name, "."))
			continue;
		n++;
		if (used + strlen(e->d_name) + 2 > len)
			continue;
		used += (size_t)snprintf(out + used, len - used, "%s%s", used ? "|" : "",
					 e->d_name);
	}
	closedir(d);
	return n;
}
