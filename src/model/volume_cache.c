// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * volume_cache.c - the write cache of a volume: what properties say, and its part of the volume's
 * document. Called by the change functions. Pure.
 */
#include "model/volume_cache.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "model/field.h"
#include "model/limits.h"

static int64_t round_up(int64_t kib)
{
	return (kib + VOLUME_CACHE_UNIT_KIB - 1) / VOLUME_CACHE_UNIT_KIB * VOLUME_CACHE_UNIT_KIB;
}

/* "5%": 1 to 100; or bytes */
static int parse_size(const char *text, int64_t volume_kib, int64_t *ret_kib)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || errno)
		return -E_INVALID;
	if (strcmp(end, "%") == 0) {
		if (value < 1 || value > 100)
			return -E_INVALID;
		*ret_kib = round_up((volume_kib * (int64_t)value + 99) / 100);
		if (*ret_kib < VOLUME_CACHE_KIB_MIN)
			*ret_kib = VOLUME_CACHE_KIB_MIN;
		return 0;
	}
	if (end[0] || value / 1024 > VOLUME_CACHE_KIB_MAX)
		return -E_INVALID;
	*ret_kib = round_up((int64_t)((value + 1023) / 1024));
	return 0;
}

static int size_of(const char *text, const char *what, int64_t volume_kib, int64_t *ret_kib,
		   struct err *err)
{
	char min[32], max[32];

	if (parse_size(text, volume_kib, ret_kib) == 0 && *ret_kib >= VOLUME_CACHE_KIB_MIN &&
	    *ret_kib <= VOLUME_CACHE_KIB_MAX)
		return 0;
	return err_set(err, -E_BAD_PROP,
		       "%s: property " VOLUME_CACHE_SIZE
		       " is \"%.40s\"; possible are bytes, or 1%% to 100%% of the volume, for a "
		       "write cache of %s to %s",
		       what, text, text_size_kib(VOLUME_CACHE_KIB_MIN, min, sizeof(min)),
		       text_size_kib(VOLUME_CACHE_KIB_MAX, max, sizeof(max)));
}

/* What we could only ignore is refused. */
static int no_options(const struct props_chain *c, const char *what, struct err *err)
{
	size_t len = strlen(VOLUME_CACHE_OPTIONS);

	for (int i = 0; i < PROPS_LEVELS; i++) {
		if (!c->level[i])
			continue;
		json_object_object_foreach(c->level[i], key, value)
		{
			if (value && strncmp(key, VOLUME_CACHE_OPTIONS, len) == 0)
				return err_set(err, -E_BAD_PROP,
					       "%s: property %.80s: options of dm-writecache are "
					       "not supported: unset it",
					       what, key);
		}
	}
	return 0;
}

int volume_cache_of(const struct props_chain *c, const char *what, int64_t size_kib,
		    struct volume_cache *ret, struct err *err)
{
	enum props_level from = 0;
	const char *pool = props_value(c, VOLUME_CACHE_POOL, &from), *size;
	struct volume_cache v = { .pool = "" };
	char percent[8];
	int rv = no_options(c, what, err);

	if (rv < 0)
		return rv;
	if (!pool)
		return err_set(err, -E_BAD_PROP,
			       "%s: the layer WRITECACHE needs the property " VOLUME_CACHE_POOL
			       ", of the volume, its resource or its group: the pool of each node "
			       "that keeps the cache",
			       what);
	if (name_check("pool name", pool, POOL_NAME_MIN_LEN, err) < 0) {
		err_prefix(err, "%s: property " VOLUME_CACHE_POOL, what);
		return err->code = -E_BAD_PROP;
	}
	snprintf(v.pool, sizeof(v.pool), "%s", pool);
	snprintf(percent, sizeof(percent), "%d%%", VOLUME_CACHE_PERCENT);
	from = 0;
	size = props_value(c, VOLUME_CACHE_SIZE, &from);
	rv = size_of(size ? size : percent, what, size_kib, &v.size_kib, err);
	if (rv == 0)
		*ret = v;
	return rv;
}

int volume_cache_parse(json *doc, const char *what, struct volume_cache *ret, struct err *err)
{
	struct volume_cache c = { .pool = "" };
	int rv;

	if ((rv = field_object(doc, what, err)) < 0 ||
	    (rv = field_str(doc, what, "pool", c.pool, sizeof(c.pool), err)) < 0 ||
	    (rv = name_check("pool name", c.pool, POOL_NAME_MIN_LEN, err)) < 0 ||
	    (rv = field_i64(doc, what, "size_kib", VOLUME_CACHE_KIB_MIN, VOLUME_CACHE_KIB_MAX,
			    &c.size_kib, err)) < 0)
		return rv;
	*ret = c;
	return 0;
}

void volume_cache_write(json *volume, const struct volume_cache *c)
{
	json *doc = json_object_new_object();

	jset_str(doc, "pool", c->pool);
	jset_i64(doc, "size_kib", c->size_kib);
	jset(volume, "cache", doc);
}
