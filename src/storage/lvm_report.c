// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * lvm_report.c - see lvm_report.h. Called by lvm_tool.c. Strict: each field must
 * be there and of its form, as a report that is understood in part could hide a
 * volume that exists.
 */
#include "storage/lvm_report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* places in lv_attr */
#define ATTR_WRITABLE 1
#define ATTR_ZEROES 7

static const char *const tag_names[LVM_TAGS] = { "sdsd.replica.", "sdsd.volume.",
						 "sdsd.snapshot." };

/* --- fields -------------------------------------------------------------- */

static int field(json *row, const char *key, const char **ret, struct err *err)
{
	json *value = jget(row, key);

	if (!json_object_is_type(value, json_type_string))
		return err_set(err, -E_CORRUPT, "no text \"%s\" in a report of LVM", key);
	*ret = json_object_get_string(value);
	return 0;
}

static int field_bytes(json *row, const char *key, uint64_t *ret, struct err *err)
{
	const char *text = "";
	unsigned long long value;
	char *end;
	int rv = field(row, key, &text, err);

	if (rv < 0)
		return rv;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno)
		return err_set(err, -E_CORRUPT, "\"%s\" is \"%.40s\" in a report of LVM", key,
			       text);
	*ret = value;
	return 0;
}

/* "12.34" -> 1234; "" -> -1 */
static int field_cent(json *row, const char *key, int *ret, struct err *err)
{
	const char *text = "";
	int rv = field(row, key, &text, err), whole, part, used = 0;

	if (rv < 0)
		return rv;
	*ret = -1;
	if (!text[0])
		return 0;
	if (sscanf(text, "%3d.%2d%n", &whole, &part, &used) != 2 || text[used] || whole < 0 ||
	    whole > 100 || part < 0 || text[used - 3] != '.')
		return err_set(err, -E_CORRUPT, "\"%s\" is \"%.40s\" in a report of LVM", key,
			       text);
	*ret = whole * 100 + part;
	return 0;
}

/* is it one of the words between commas? */
static bool has_word(const char *text, const char *word)
{
	size_t len = strlen(word);

	while (*text) {
		size_t n = strcspn(text, ",");

		if (n == len && strncmp(text, word, n) == 0)
			return true;
		text += n + (text[n] == ',');
	}
	return false;
}

/* {"report":[{"<kind>":[...]}]} -> the inner array */
static int rows_of(json *report, const char *kind, json **ret, struct err *err)
{
	json *all = jget(report, "report"), *rows;

	if (!json_object_is_type(all, json_type_array) || json_object_array_length(all) != 1)
		return err_set(err, -E_CORRUPT, "not one report in the answer of LVM");
	rows = jget(json_object_array_get_idx(all, 0), kind);
	if (!json_object_is_type(rows, json_type_array))
		return err_set(err, -E_CORRUPT, "no \"%s\" in a report of LVM", kind);
	*ret = rows;
	return 0;
}

/* --- logical volumes ------------------------------------------------------ */

static int parse_lv(json *row, struct lvm_lv *ret, struct err *err)
{
	const char *tags = "", *active = "", *layout = "", *role = "", *attr = "", *health = "";
	const char *full = "", *in = "";
	struct lvm_lv lv = { .there = true };
	int rv;

	if ((rv = field_bytes(row, "lv_size", &lv.size_bytes, err)) < 0 ||
	    (rv = field(row, "lv_tags", &tags, err)) < 0 ||
	    (rv = field(row, "lv_active", &active, err)) < 0 ||
	    (rv = field(row, "lv_layout", &layout, err)) < 0 ||
	    (rv = field(row, "lv_role", &role, err)) < 0 ||
	    (rv = field(row, "lv_attr", &attr, err)) < 0 ||
	    (rv = field(row, "lv_health_status", &health, err)) < 0 ||
	    (rv = field(row, "lv_when_full", &full, err)) < 0 ||
	    (rv = field(row, "pool_lv", &in, err)) < 0 ||
	    (rv = field_cent(row, "data_percent", &lv.data_cent, err)) < 0 ||
	    (rv = field_cent(row, "metadata_percent", &lv.meta_cent, err)) < 0)
		return rv;
	if (strlen(attr) <= ATTR_ZEROES)
		return err_set(err, -E_CORRUPT, "\"lv_attr\" is \"%.40s\" in a report of LVM",
			       attr);
	lvm_tags_parse(tags, &lv.tags);
	lv.active = active[0];
	lv.pool = has_word(layout, "thin") && has_word(layout, "pool");
	lv.thin = has_word(layout, "thin") && !lv.pool;
	lv.origin = strstr(role, "thickorigin") || strstr(role, "extorigin");
	lv.snapshot = strstr(role, "snapshot");
	lv.type = attr[0];
	lv.writable = attr[ATTR_WRITABLE] == 'w';
	snprintf(lv.in, sizeof(lv.in), "%s", in);
	lv.zeroes = attr[ATTR_ZEROES] == 'z';
	lv.queues = lv.pool && strcmp(full, "queue") == 0;
	snprintf(lv.health, sizeof(lv.health), "%s", health);
	*ret = lv;
	return 0;
}

int lvm_report_lvs(json *report, const char *const names[], int n, struct lvm_lv ret[],
		   struct err *err)
{
	json *rows = NULL;
	int rv = rows_of(report, "lv", &rows, err);

	if (rv < 0)
		return rv;
	memset(ret, 0, (size_t)n * sizeof(*ret));
	for (size_t i = 0; i < json_object_array_length(rows); i++) {
		json *row = json_object_array_get_idx(rows, i);
		const char *name = "";
		int at = 0;

		rv = field(row, "lv_name", &name, err);
		if (rv < 0)
			return rv;
		while (at < n && strcmp(names[at], name) != 0)
			at++;
		if (at == n)
			continue;
		if (ret[at].there)
			return err_set(err, -E_CORRUPT, "\"%.100s\" is twice in a report of LVM",
				       name);
		rv = parse_lv(row, &ret[at], err);
		if (rv < 0)
			return rv;
		snprintf(ret[at].name, sizeof(ret[at].name), "%s", name);
	}
	return 0;
}

int lvm_report_group(json *report, struct lvm_group *ret, struct err *err)
{
	struct lvm_group g;
	json *rows = NULL, *row;
	int rv = rows_of(report, "vg", &rows, err);

	if (rv < 0)
		return rv;
	if (json_object_array_length(rows) != 1)
		return err_set(err, json_object_array_length(rows) ? -E_CORRUPT : -ENOENT,
			       "%zu volume groups in a report of LVM",
			       json_object_array_length(rows));
	row = json_object_array_get_idx(rows, 0);
	if ((rv = field_bytes(row, "vg_size", &g.size_bytes, err)) < 0 ||
	    (rv = field_bytes(row, "vg_free", &g.free_bytes, err)) < 0 ||
	    (rv = field_bytes(row, "vg_extent_size", &g.extent_bytes, err)) < 0)
		return rv;
	if (g.extent_bytes == 0)
		return err_set(err, -E_CORRUPT, "extents of 0 bytes in a report of LVM");
	*ret = g;
	return 0;
}

/* --- tags ----------------------------------------------------------------- */

void lvm_tag(enum lvm_tag tag, const uint8_t uuid[16], char out[LVM_TAG_MAX])
{
	char text[UUID_TEXT_LEN + 1];

	text_uuid_format(uuid, text);
	snprintf(out, LVM_TAG_MAX, "%s%s", tag_names[tag], text);
}

static void parse_cache(const char *text, size_t len, struct lvm_tags *ret)
{
	size_t head = strlen(LVM_TAG_CACHE);

	if (len > head && len - head <= LVM_NAME_MAX && strncmp(text, LVM_TAG_CACHE, head) == 0)
		snprintf(ret->cache, sizeof(ret->cache), "%.*s", (int)(len - head), text + head);
}

static void parse_tag(const char *text, size_t len, struct lvm_tags *ret)
{
	char uuid[UUID_TEXT_LEN + 1];

	parse_cache(text, len, ret);

	ret->making |= len == strlen(LVM_TAG_MAKING) && strncmp(text, LVM_TAG_MAKING, len) == 0;
	for (int t = 0; t < LVM_TAGS; t++) {
		size_t head = strlen(tag_names[t]);

		if (len != head + UUID_TEXT_LEN || strncmp(text, tag_names[t], head) != 0)
			continue;
		snprintf(uuid, sizeof(uuid), "%.*s", UUID_TEXT_LEN, text + head);
		if (text_uuid_parse(uuid, ret->uuid[t]) == 0)
			ret->has[t] = true;
	}
}

void lvm_tags_parse(const char *text, struct lvm_tags *ret)
{
	memset(ret, 0, sizeof(*ret));
	while (*text) {
		size_t n = strcspn(text, ",");

		parse_tag(text, n, ret);
		text += n + (text[n] == ',');
	}
}

/* --- sentences ------------------------------------------------------------ */

int lvm_meaning(const char *sentence, int code)
{
	static const struct {
		const char *words;
		int code;
	} known[] = {
		{ "insufficient free space", -ENOSPC },
		{ "Insufficient free space", -ENOSPC },
		{ "Insufficient suitable", -ENOSPC },
		{ "reached threshold", -ENOSPC },
		{ "over threshold", -ENOSPC },
		{ "free space in metadata", -ENOSPC }, /* of the group: its text of volumes */
		{ " in use", -EBUSY },
		{ " is used by another device", -EBUSY },
	};
	const char *group = strstr(sentence, "Volume group \"");

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strstr(sentence, known[i].words))
			return known[i].code;
	}
	return group && strstr(group, "\" not found") ? -ENOENT : code;
}
