// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * disk_judge.c - may a pool be made of this device, and if not, why? Pure. Called
 * by disks.c with what it has found out. To add a reason: a line in busy_reason
 * (nothing helps) or in content_reason (wiping helps), in the order in which a
 * person would ask.
 */
#include "storage/disks.h"

#include <stdio.h>
#include <string.h>

#define SAY(...) snprintf(ret->reason, sizeof(ret->reason), __VA_ARGS__)

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

bool disk_is_hidden(const struct disk_facts *f)
{
	return f->size_bytes == 0 || f->nvme || begins(f->name, "ram") || begins(f->name, "rvol") ||
	       begins(f->name, "fd") || begins(f->name, "zram") || begins(f->name, "zd") ||
	       begins(f->dm_uuid, "LVM-") || begins(f->dm_name, "sdsd-");
}

/* of what nobody may take */
static bool is_foreign_kind(const struct disk_facts *f, struct disk *ret)
{
	if (begins(f->name, "rvol") || f->nvme)
		SAY("it is a volume of sdsd");
	else if (begins(f->dm_name, "sdsd-"))
		SAY("it is a device of sdsd (%s)", f->dm_name);
	else if (begins(f->name, "nbd"))
		SAY("it is a network block device");
	else if (begins(f->dm_uuid, "LVM-"))
		SAY("it is a logical volume of LVM (%s)", f->dm_name);
	else if (begins(f->name, "zd"))
		SAY("it is a volume of ZFS");
	else if (begins(f->name, "sr"))
		SAY("it is an optical drive");
	else if (begins(f->name, "ram") || begins(f->name, "zram"))
		SAY("it is memory, not a disk");
	else
		return false;
	return true;
}

static bool busy_reason(const struct disk_facts *f, struct disk *ret)
{
	if (is_foreign_kind(f, ret))
		return true;
	if (f->silent)
		SAY("it does not answer: nothing was read in %d s", DISK_PROBE_MS / 1000);
	else if (f->size_bytes < DISK_MIN_BYTES)
		SAY("it is smaller than %d MiB", (int)(DISK_MIN_BYTES >> 20));
	else if (f->read_only)
		SAY("it is read-only");
	else if (f->mount[0])
		SAY("it is mounted at %s", f->mount);
	else if (f->swap)
		SAY("it is in use as swap");
	else if (f->holder[0])
		SAY("it is held by %s", f->holder);
	else if (f->failed)
		SAY("it cannot be read");
	else
		return false;
	return true;
}

static bool content_reason(const struct disk_facts *f, struct disk *ret)
{
	if (f->partition[0])
		SAY("it has partitions (%s)", f->partition);
	else if (f->content[0])
		SAY("it is not empty: %s", f->content);
	else
		return false;
	return true;
}

void disk_judge(const struct disk_facts *f, struct disk *ret)
{
	ret->reason[0] = '\0';
	ret->wipeable = false;
	if (!busy_reason(f, ret))
		ret->wipeable = content_reason(f, ret);
}

/* the n-th field of a line, in blanks; false: there are fewer */
static bool field(const char *line, int n, char *ret, size_t len)
{
	size_t size;

	for (; n > 0; n--) {
		line += strcspn(line, " \t\n");
		line += strspn(line, " \t");
	}
	size = strcspn(line, " \t\n");
	if (size == 0)
		return false;
	snprintf(ret, len, "%.*s", (int)size, line);
	return true;
}

static const char *next_line(const char *line)
{
	const char *end = strchr(line, '\n');

	return end ? end + 1 : line + strlen(line);
}

/* "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw": the source is the second word
 * behind the hyphen; file systems of several devices have numbers of their own. */
static bool line_is_of(const char *line, const char *number, const char *path)
{
	char text[DISK_PATH_MAX];
	const char *dash, *end = next_line(line);

	if (field(line, 2, text, sizeof(text)) && strcmp(text, number) == 0)
		return true;
	dash = strstr(line, " - ");
	return path[0] && dash && dash < end && field(dash + 1, 2, text, sizeof(text)) &&
	       strcmp(text, path) == 0;
}

bool disk_mounted(const char *mountinfo, const char *number, const char *path, char *ret,
		  unsigned len)
{
	for (const char *line = mountinfo; *line; line = next_line(line)) {
		if (line_is_of(line, number, path))
			return field(line, 4, ret, len);
	}
	return false;
}

bool disk_swapped(const char *swaps, const char *path)
{
	char text[DISK_PATH_MAX];

	for (const char *line = swaps; *line; line = next_line(line)) {
		if (field(line, 0, text, sizeof(text)) && strcmp(text, path) == 0)
			return true;
	}
	return false;
}

bool disk_pv_parse(const char *text, char ret[DISK_PV_LEN + 1])
{
	size_t n = 0;

	for (; *text; text++) {
		if (*text == '-')
			continue;
		if (n == DISK_PV_LEN)
			return false;
		ret[n++] = *text;
	}
	ret[n] = '\0';
	return n == DISK_PV_LEN;
}
