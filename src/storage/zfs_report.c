// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * zfs_report.c - see zfs_report.h. Called by zfs_tool.c and zfs*.c. Strict: each
 * column must be there and of its form.
 */
#include "storage/zfs_report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static const char *const tag_names[ZFS_TAGS] = { "org.sdsd:replica", "org.sdsd:volume",
						 "org.sdsd:snapshot" };

/* --- a report --------------------------------------------------------------- */

/* in the order of ZFS_FIELDS */
enum column {
	NAME,
	TYPE,
	VOLSIZE,
	USED,
	AVAILABLE,
	REFERENCED,
	WRITTEN,
	CREATETXG,
	REFRESERVATION,
	ORIGIN,
	DEFER,
	REPLICA,
	VOLUME,
	SNAPSHOT,
	GONE,
	COLUMNS
};

static int wrong(const char *text, const char *what, struct err *err)
{
	return err_set(err, -E_CORRUPT, "%s in \"%.*s\", a report of ZFS", what,
		       (int)strcspn(text, "\n"), text);
}

/* Splits a line at its tabs; false: it has not the columns it should. */
static bool split(char *line, char *cell[COLUMNS])
{
	int n = 0;

	for (char *at = line; at && n < COLUMNS; n++) {
		cell[n] = at;
		at = strchr(at, '\t');
		if (at)
			*at++ = 0;
		if (n == COLUMNS - 1 && at)
			return false;
	}
	return n == COLUMNS;
}

/* "-" is 0 */
static bool number(const char *text, uint64_t *ret)
{
	unsigned long long value;
	char *end;

	*ret = 0;
	if (strcmp(text, "-") == 0)
		return true;
	errno = 0;
	value = strtoull(text, &end, 10);
	*ret = value;
	return text[0] >= '0' && text[0] <= '9' && !*end && !errno;
}

static bool type_of(const char *text, enum zfs_type *ret)
{
	static const char *const names[] = { "filesystem", "volume", "snapshot" };

	for (int i = 0; i < 3; i++) {
		if (strcmp(text, names[i]) == 0) {
			*ret = (enum zfs_type)i;
			return true;
		}
	}
	return false;
}

/* What nobody of us can have written counts as no property. */
static void take_tags(char *cell[COLUMNS], struct zfs_row *r)
{
	for (int t = 0; t < ZFS_TAGS; t++)
		r->has[t] = text_uuid_parse(cell[REPLICA + t], r->uuid[t]) == 0;
	if (strcmp(cell[GONE], "-") != 0 && strlen(cell[GONE]) < sizeof(r->gone))
		snprintf(r->gone, sizeof(r->gone), "%s", cell[GONE]);
}

static int parse_line(char *line, struct zfs_row *r, struct err *err)
{
	char *cell[COLUMNS];
	uint64_t reserved;

	memset(r, 0, sizeof(*r));
	if (!split(line, cell))
		return wrong(line, "too few or too many columns", err);
	if (!cell[NAME][0] || strlen(cell[NAME]) > ZFS_NAME_MAX)
		return wrong(line, "no name", err);
	snprintf(r->name, sizeof(r->name), "%s", cell[NAME]);
	if (!type_of(cell[TYPE], &r->type))
		return wrong(cell[TYPE], "no type", err);
	if (!number(cell[VOLSIZE], &r->volsize) || !number(cell[USED], &r->used) ||
	    !number(cell[AVAILABLE], &r->available) || !number(cell[REFERENCED], &r->referenced) ||
	    !number(cell[WRITTEN], &r->written) || !number(cell[CREATETXG], &r->createtxg) ||
	    !number(cell[REFRESERVATION], &reserved))
		return wrong(line, "a size that is no number", err);
	if (r->type == ZFS_VOLUME && r->volsize == 0)
		return wrong(line, "a volume without a size", err);
	r->reserved = reserved > 0;
	r->clone = strcmp(cell[ORIGIN], "-") != 0 && cell[ORIGIN][0];
	r->deferred = strcmp(cell[DEFER], "on") == 0;
	r->there = true;
	take_tags(cell, r);
	return 0;
}

static int count_lines(const char *text)
{
	int n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

int zfs_report(const char *text, struct zfs_row **ret, int *n, struct err *err)
{
	int lines = count_lines(text), rv = 0;
	char *copy = strdup(text), *line = copy;
	struct zfs_row *rows = calloc((size_t)lines + 1, sizeof(*rows));

	if (!copy || !rows)
		abort();
	for (int i = 0; i < lines && rv == 0; i++) {
		char *next = strchr(line, '\n');

		*next++ = 0;
		rv = parse_line(line, &rows[i], err);
		line = next;
	}
	if (rv == 0 && *line)
		rv = wrong(line, "no end of the line", err);
	free(copy);
	if (rv < 0) {
		free(rows);
		return rv;
	}
	*ret = rows;
	*n = lines;
	return 0;
}

/* --- complaints --------------------------------------------------------------- */

#define MISSING_HEAD "cannot open '"
#define MISSING_TAIL "': dataset does not exist"

bool zfs_only_missing(const char *complaint)
{
	size_t head = strlen(MISSING_HEAD), tail = strlen(MISSING_TAIL);

	if (!*complaint)
		return false;
	while (*complaint) {
		size_t len = strcspn(complaint, "\n");

		if (len < head + tail || strncmp(complaint, MISSING_HEAD, head) != 0 ||
		    strncmp(complaint + len - tail, MISSING_TAIL, tail) != 0)
			return false;
		complaint += len + (complaint[len] == '\n');
	}
	return true;
}

int zfs_meaning(const char *complaint, int code)
{
	static const struct {
		const char *words;
		int code;
	} known[] = {
		{ "out of space", -ENOSPC },
		{ "size is greater than available space", -ENOSPC },
		{ "no space left", -ENOSPC },
		{ "has dependent clones", -ENOTEMPTY },
		{ "dataset is busy", -EBUSY },
		{ "pool is busy", -EBUSY },
		{ "pool or dataset is busy", -EBUSY },
		{ "dataset does not exist", -ENOENT },
		{ "no such pool", -ENOENT },
		{ "could not find any snapshots", -ENOENT },
		{ "already exists", -E_EXISTS },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strstr(complaint, known[i].words))
			return known[i].code;
	}
	return code;
}

/* --- names ---------------------------------------------------------------------- */

bool zfs_source_ok(const char *source)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:-";
	size_t len = strlen(source);

	if (len > ZFS_SOURCE_MAX || (source[0] | 32) < 'a' || (source[0] | 32) > 'z')
		return false;
	while (*source) {
		size_t n = strspn(source, allowed);

		if (n == 0 || source[0] == '.' || source[0] == '-' || source[0] == ':' ||
		    strncmp(source, "sdsd:", 5) == 0)
			return false;
		source += n;
		if (*source && (*source != '/' || !source[1]))
			return false;
		source += *source == '/';
	}
	return true;
}

size_t zfs_pool_len(const char *dataset)
{
	return strcspn(dataset, "/@");
}

void zfs_setting(enum zfs_tag tag, const uint8_t uuid[16], char out[ZFS_SETTING_MAX])
{
	char text[UUID_TEXT_LEN + 1];

	text_uuid_format(uuid, text);
	snprintf(out, ZFS_SETTING_MAX, "%s=%s", tag_names[tag], text);
}

void zfs_new_name(const uint8_t owner[16], const char *volume, char *out, size_t len)
{
	char hex[33];

	text_hex(owner, 16, hex);
	snprintf(out, len, ZFS_NEW "%s:%s", hex, volume);
}

const char *zfs_short_name(const char *volume, const char *snapshot)
{
	size_t len = strlen(volume);

	return strncmp(snapshot, volume, len) == 0 && snapshot[len] == '_' && snapshot[len + 1]
		       ? snapshot + len + 1
		       : snapshot;
}

const char *zfs_base_name(const char *dataset)
{
	const char *slash = strrchr(dataset, '/');

	return slash ? slash + 1 : dataset;
}
