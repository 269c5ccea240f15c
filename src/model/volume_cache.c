// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * volume_cache.c - the cache of a volume: what properties say, and its part of the volume's
 * document. Called by the change functions. Pure.
 */
#include "model/volume_cache.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "model/field.h"
#include "model/limits.h"

/* a property that may be said, since it is so anyway */
struct given {
	const char *key;
	const char *value; /* in any case; NULL: the pool that keeps the cache */
};

/* What LINSTOR calls a kind of cache. Of the properties that begin with the prefix others than
 * these are refused. */
static const struct words {
	const char *noun, *layer, *target;
	const char *pool, *size, *prefix;
	struct given given[3];
} kinds[] = {
	[false] = { .noun = "write cache",
		    .layer = "WRITECACHE",
		    .target = "dm-writecache",
		    .pool = "Writecache/PoolName",
		    .size = "Writecache/Size",
		    .prefix = "Writecache/Options/" },
	[true] = { .noun = "read cache",
		   .layer = "CACHE",
		   .target = "dm-cache",
		   .pool = "Cache/CachePool",
		   .size = "Cache/Cachesize",
		   .prefix = "Cache/",
		   .given = { { "Cache/OpMode", "writethrough" },
			      { "Cache/Policy", "smq" },
			      { "Cache/MetaPool", NULL } } },
};

const char *volume_cache_noun(bool reads)
{
	return kinds[reads].noun;
}

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

static int size_of(const struct words *w, const char *text, const char *what, int64_t volume_kib,
		   int64_t *ret_kib, struct err *err)
{
	char min[32], max[32];

	if (parse_size(text, volume_kib, ret_kib) == 0 && *ret_kib >= VOLUME_CACHE_KIB_MIN &&
	    *ret_kib <= VOLUME_CACHE_KIB_MAX)
		return 0;
	return err_set(err, -E_BAD_PROP,
		       "%s: property %s is \"%.40s\"; possible are bytes, or 1%% to 100%% of the "
		       "volume, for a %s of %s to %s",
		       what, w->size, text, w->noun,
		       text_size_kib(VOLUME_CACHE_KIB_MIN, min, sizeof(min)),
		       text_size_kib(VOLUME_CACHE_KIB_MAX, max, sizeof(max)));
}

/* one that has the prefix */
static int check_option(const struct words *w, const struct props_chain *c, const char *key,
			const char *pool, const char *what, struct err *err)
{
	enum props_level from = 0;
	const char *value = props_value(c, key, &from); /* the one that counts, wherever key is */

	if (!value)
		value = "";
	if (strcmp(key, w->pool) == 0 || strcmp(key, w->size) == 0)
		return 0;
	for (size_t i = 0; i < sizeof(w->given) / sizeof(w->given[0]); i++) {
		const struct given *g = &w->given[i];
		const char *only = g->value ? g->value : pool;

		if (!g->key || strcmp(key, g->key) != 0)
			continue;
		if (strcasecmp(value, only) == 0)
			return 0;
		return err_set(err, -E_BAD_PROP,
			       "%s: property %s is \"%.60s\"; possible is \"%s\" only", what, key,
			       value, only);
	}
	return err_set(err, -E_BAD_PROP,
		       "%s: property %.80s: options of %s are not supported: unset it", what, key,
		       w->target);
}

/* What we could only ignore is refused. */
static int check_options(const struct words *w, const struct props_chain *c, const char *pool,
			 const char *what, struct err *err)
{
	size_t len = strlen(w->prefix);
	int rv = 0;

	for (int i = 0; i < PROPS_LEVELS; i++) {
		if (!c->level[i])
			continue;
		json_object_object_foreach(c->level[i], key, value)
		{
			if (rv == 0 && value && strncmp(key, w->prefix, len) == 0)
				rv = check_option(w, c, key, pool, what, err);
		}
	}
	return rv;
}

int volume_cache_of(const struct props_chain *c, const char *what, bool reads, int64_t size_kib,
		    struct volume_cache *ret, struct err *err)
{
	const struct words *w = &kinds[reads];
	enum props_level from = 0;
	const char *pool = props_value(c, w->pool, &from), *size;
	struct volume_cache v = { .reads = reads };
	char percent[8];
	int rv;

	if (!pool)
		return err_set(err, -E_BAD_PROP,
			       "%s: the layer %s needs the property %s, of the volume, its "
			       "resource or its group: the pool of each node that keeps the cache",
			       what, w->layer, w->pool);
	if (name_check("pool name", pool, POOL_NAME_MIN_LEN, err) < 0) {
		err_prefix(err, "%s: property %s", what, w->pool);
		return err->code = -E_BAD_PROP;
	}
	rv = check_options(w, c, pool, what, err);
	if (rv < 0)
		return rv;
	snprintf(v.pool, sizeof(v.pool), "%s", pool);
	snprintf(percent, sizeof(percent), "%d%%", VOLUME_CACHE_PERCENT);
	from = 0;
	size = props_value(c, w->size, &from);
	rv = size_of(w, size ? size : percent, what, size_kib, &v.size_kib, err);
	if (rv == 0)
		*ret = v;
	return rv;
}

void volume_cache_tell(const struct volume_cache *c, json *props)
{
	const struct words *w = &kinds[c->reads];
	char bytes[24];

	if (jget(props, w->pool))
		return;
	snprintf(bytes, sizeof(bytes), "%lld", (long long)c->size_kib * 1024);
	jset_str(props, w->pool, c->pool);
	jset_str(props, w->size, bytes);
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
