// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nvme_use.c - whether somebody uses a block device, which the kernel tells nobody in one word.
 * Opening it to find out would be in the way of who mounts it at that moment. Used by nvme_job.c.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "replication/nvme_sys.h"

static int is_one(const char *name, void *arg)
{
	return -EEXIST;
}

static bool has_holder(const char *device)
{
	char path[NVME_FILE_PATH_MAX];

	nvme_path(path, "/sys/class/block/%s/holders", device);
	return nvme_each(path, is_one, NULL) == -EEXIST;
}

/* "/dev/nvme0n1", or a partition of it, "/dev/nvme0n1p2" */
static bool is_of(const char *text, const char *device)
{
	size_t len = strlen(device);

	if (strncmp(text, "/dev/", 5) != 0 || strncmp(text + 5, device, len) != 0)
		return false;
	text += 5 + len;
	if (*text == 'p' && isdigit((unsigned char)text[1]))
		for (text++; isdigit((unsigned char)*text);)
			text++;
	return *text == '\0' || isspace((unsigned char)*text);
}

/* a word of some line of the file names it */
static bool is_named(const char *file, const char *device)
{
	char path[NVME_FILE_PATH_MAX], line[4096];
	bool found = false;
	FILE *f;

	nvme_path(path, "%s", file);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f))
		for (char *at = line; at && !found; at = strchr(at, ' ')) {
			at += *at == ' ';
			found = is_of(at, device);
		}
	fclose(f);
	return found;
}

struct search {
	const char *device, *process;
};

static int look_at_file(const char *name, void *arg)
{
	struct search *s = arg;
	char path[NVME_FILE_PATH_MAX], to[256];
	ssize_t n;

	nvme_path(path, "/proc/%s/fd/%s", s->process, name);
	n = readlink(path, to, sizeof(to) - 1);
	if (n < 0)
		return 0;
	to[n] = '\0';
	return is_of(to, s->device) ? -EEXIST : 0;
}

static int look_at_process(const char *name, void *arg)
{
	struct search *s = arg;
	char path[NVME_FILE_PATH_MAX];

	if (!isdigit((unsigned char)name[0]))
		return 0;
	s->process = name;
	nvme_path(path, "/proc/%s/fd", name);
	return nvme_each(path, look_at_file, s);
}

bool nvme_is_open(const char *device)
{
	struct search s = { .device = device };
	char path[NVME_FILE_PATH_MAX];

	if (has_holder(device) || is_named("/proc/self/mounts", device) ||
	    is_named("/proc/swaps", device))
		return true;
	nvme_path(path, "/proc");
	return nvme_each(path, look_at_process, &s) == -EEXIST;
}
