// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * adopt.c - a logical volume that somebody else has made becomes a volume: the leader
 * asks the node whether it may be taken, then defines it; and the node's answer.
 * Called through routes.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "api/peer.h"
#include "api/view.h"

#define LOOK_MS 30000

/* ---- on the node ---- */

static void on_adoptable(int status, const struct err *err, const char *pool, const char *name,
			 uint64_t size_bytes, void *arg)
{
	struct api_call *c = arg;
	json *o;

	if (status < 0) {
		call_fail(c, status, err);
		return;
	}
	o = view_object();
	jset_str(o, "pool", pool);
	jset_str(o, "lv", name);
	jset_i64(o, "size_kib", (int64_t)(size_bytes / 1024));
	call_reply_json(c, 200, o);
}

void adopt_look(struct api_call *c)
{
	struct api *a = c->api;
	struct err err;

	if (!call_object(c))
		return;
	if (call_check_type(c->doc, "device", json_type_string, &err) < 0 ||
	    !jget_str(c->doc, "device", "")[0] || !a->node_ops)
		call_bad_body(c, "device is needed, and a node that is not stopping");
	else
		a->node_ops->adoptable(jget_str(c->doc, "device", ""), on_adoptable, c, a->node);
}

/* ---- on the leader ---- */

/* what the node has said */
struct adoption {
	struct volume_adopted from;
	char pool[NAME_MAX_LEN + 1], name[ADOPTED_NAME_MAX + 1];
	int status; /* it may not be taken, or nobody knows */
	struct err err;
};

static int define(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const struct adoption *ad = m->own;
	json *doc = m->call->doc;
	const char *node = jget_str(doc, "node", "");
	int rv = ad->status;

	if (rv < 0)
		*err = ad->err;
	else
		rv = change_adopt(env, t, ad->name, jget_str(doc, "group", NULL), node, ad->pool,
				  &ad->from, err);
	if (rv < 0)
		return rv;
	rc_ref(mutation_done(m, RC_CREATED, "Resource '%s' adopts %s on node '%s'.", ad->name,
			     ad->from.lv, node),
	       "RscDfn", ad->name);
	return 0;
}

static void defined(struct mutation *m)
{
	const struct adoption *ad = m->own;
	char name[ADOPTED_NAME_MAX + 1];

	memcpy(name, ad->name, sizeof(name));
	mutation_wait_ready(m, name, NULL);
}

/* the sentence of an answer that is a list of messages */
static const char *sentence_of(json *doc)
{
	json *first =
		json_object_is_type(doc, json_type_array) ? json_object_array_get_idx(doc, 0) : doc;

	return jget_str(first, "message", "it gave no reason");
}

static int judge(int http, json *doc, const char *node, struct adoption *ad)
{
	if (http == 0 || http == 503)
		return err_set(&ad->err, -EIO, "node %.60s does not answer", node);
	if (http != 200)
		return err_set(&ad->err, http == 404 ? -E_NOT_FOUND : -E_INVALID, "node %.60s: %s",
			       node, sentence_of(doc));
	snprintf(ad->pool, sizeof(ad->pool), "%s", jget_str(doc, "pool", ""));
	snprintf(ad->from.lv, sizeof(ad->from.lv), "%s", jget_str(doc, "lv", ""));
	ad->from.size_kib = jget_i64_or(doc, "size_kib", 0);
	return 0;
}

static void on_looked(int http, json *doc, void *arg)
{
	struct api_call *c = arg;
	struct adoption *ad = calloc(1, sizeof(*ad));
	const char *name = jget_str(c->doc, "name", "");

	if (!ad)
		abort();
	if (c->api->closing) {
		free(ad);
		call_moved(c, CALL_MOVED);
		return;
	}
	ad->status = judge(http, doc, jget_str(c->doc, "node", ""), ad);
	snprintf(ad->name, sizeof(ad->name), "%s", name[0] ? name : ad->from.lv);
	/* also when it was refused: a request that was asked before and has succeeded is answered
	 * as it was then, though its device is ours now */
	mutate_own(c, 201, define, defined, ad);
}

void adopt_create(struct api_call *c)
{
	static const char *const fields[] = { "node", "device", "name", "group" };
	struct err err;
	json *body;

	if (!call_object(c))
		return;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (call_check_type(c->doc, fields[i], json_type_string, &err) < 0) {
			call_bad_body(c, "%s", err.text);
			return;
		}
	}
	if (!jget_str(c->doc, "node", "")[0] || !jget_str(c->doc, "device", "")[0]) {
		call_bad_body(c, "node and device are needed");
		return;
	}
	body = view_object();
	jset_str(body, "device", jget_str(c->doc, "device", ""));
	peer_call(c->api, jget_str(c->doc, "node", ""), "POST", "/v1/sds/adopt-look", body, LOOK_MS,
		  on_looked, c);
	json_object_put(body);
}
