// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * view_space.c - how full pools are, in words: of one pool for its reports, and of
 * those that a person should see at once for the status of the cluster. Called by
 * view_shape.c and status.c. Pools that take space as it is written only: that a
 * pool which reserves it is full is what it is for.
 */
#include <stdio.h>

#include "api/view.h"
#include "model/watermark.h"

#define REMEDY_MAX (2 * PATH_LEN_MAX + 3 * NAME_MAX_LEN)

/* what a person does about it */
static void remedy(const struct pool *p, bool meta, char *out, size_t len)
{
	if (p->ours)
		snprintf(out, len, "sdsd pool extend %s %s --device DEVICE", p->node, p->name);
	else if (pool_kind_is_file(p->kind))
		snprintf(out, len, "make room in %s", p->source);
	else if (pool_kind_is_zfs(p->kind))
		snprintf(out, len, "make room in %s: zfs list -o space -r %s", p->source,
			 p->source);
	else
		snprintf(out, len, "lvextend %s +1G %s", meta ? "--poolmetadatasize" : "-L",
			 p->source);
}

/* A sentence from WATERMARK_LOW on, with the way out from WATERMARK_HIGH on; false: nothing */
static bool sentence(const struct pool *p, bool meta, int percent, struct buf *out)
{
	char text[WATERMARK_TEXT_MAX], way[REMEDY_MAX];
	const char *what = meta ? "the thin pool's metadata is " : "";

	if (percent < WATERMARK_LOW)
		return false;
	remedy(p, meta, way, sizeof(way));
	watermark_text(percent, text, sizeof(text));
	return buf_printf(out, "%s%s%s%s", what, text, percent < WATERMARK_HIGH ? "" : "; ",
			  percent < WATERMARK_HIGH ? "" : way) == 0;
}

static int used_of(json *seen)
{
	return watermark_used(jget_i64_or(seen, "free_kib", -1),
			      jget_i64_or(seen, "total_kib", -1));
}

static void warn(json *reports, const struct pool *p, bool meta, int percent)
{
	struct buf text;

	buf_init(&text, 2 * REMEDY_MAX);
	if (sentence(p, meta, percent, &text))
		rc_add(reports, rc_code(RC_WARN, 0, RC_STOR_POOL, RC_STOR_POOL_CONFIGURATION), "%s",
		       (const char *)text.data);
	buf_release(&text);
}

void view_space_reports(const struct pool *p, json *seen, json *reports)
{
	if (!pool_kind_is_thin(p->kind))
		return;
	warn(reports, p, false, used_of(seen));
	warn(reports, p, true, (int)jget_i64_or(seen, "meta_percent", -1));
	if (jget_bool(seen, "queues", false))
		rc_add(reports, rc_code(RC_WARN, 0, RC_STOR_POOL, RC_STOR_POOL_CONFIGURATION),
		       "when it is full, writes hang for 60 s before they fail: lvchange "
		       "--errorwhenfull y %s",
		       p->source);
}

struct full_pools {
	struct api *api;
	json *list;
};

static void add_full(json *doc, void *arg)
{
	struct full_pools *f = arg;
	struct buf text;
	struct pool p;
	json *o, *seen;
	int used, meta;

	if (pool_parse(doc, &p, NULL) < 0 || !pool_kind_is_thin(p.kind))
		return;
	seen = observed_pool(f->api->observed, p.node, p.name, api_mono_ms());
	used = used_of(seen);
	meta = (int)jget_i64_or(seen, "meta_percent", -1);
	if (used < WATERMARK_HIGH && meta < WATERMARK_HIGH)
		return;
	buf_init(&text, 2 * REMEDY_MAX);
	if (sentence(&p, meta > used, meta > used ? meta : used, &text)) {
		o = view_object();
		jset_str(o, "node", p.node);
		jset_str(o, "name", p.name);
		jset_i64(o, "used_percent", used);
		jset_i64(o, "meta_percent", meta);
		jset_str(o, "text", (const char *)text.data);
		view_push(f->list, o);
	}
	buf_release(&text);
}

json *view_full_pools(struct api *a)
{
	struct full_pools f = { a, view_list() };

	view_docs(a, "pool/", add_full, &f);
	return f.list;
}
