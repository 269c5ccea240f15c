// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * zfs_mark.c - by what zfs_devices.c knows its zpools and their disks. Pure.
 */
#include "storage/zfs_devices.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define MARK "sdsd"

void zfs_mark(const uint8_t pool[16], char ret[ZFS_MARK_LEN + 1])
{
	/* twelve bytes of the pool's uuid, without those that are the same in each: ZFS takes a
	 * comment of 32 characters */
	memcpy(ret, MARK, 4);
	text_hex(pool, 6, ret + 4);
	text_hex(pool + 10, 6, ret + 16);
}

bool zfs_mark_in(const void *data, size_t len, char ret[ZFS_MARK_LEN + 1])
{
	const char *at = data, *end = at + len;

	while ((at = memmem(at, (size_t)(end - at), MARK, 4)) != NULL && end - at > ZFS_MARK_LEN) {
		memcpy(ret, at, ZFS_MARK_LEN);
		ret[ZFS_MARK_LEN] = 0;
		if (strspn(ret + 4, "0123456789abcdef") == ZFS_MARK_LEN - 4 &&
		    at[ZFS_MARK_LEN] == 0)
			return true;
		at++;
	}
	return false;
}

bool zfs_next_device(const char **text, char *ret, size_t len)
{
	while (**text) {
		const char *line = *text + strspn(*text, "\t ");
		size_t n = strcspn(line, "\t\n");

		*text = line + n + strcspn(line + n, "\n");
		*text += **text == '\n';
		if (strncmp(line, "/dev/", 5) == 0 && n < len) {
			snprintf(ret, len, "%.*s", (int)n, line);
			return true;
		}
	}
	return false;
}
