// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * snapshot_node.c - what a node does at a moment when the leader asks it: for a
 * snapshot (snapshot_take.c) or a comparison (verify.c), and the verdict on a
 * snapshot. Called through routes.c.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "api/view.h"
#include "model/policy.h"

#define STORE_WAIT_MS 1500 /* for the store to show what the leader has written */

/* ---- writers ---- */

/* the resource and the token of the body; false: c was answered */
static bool token_of(struct api_call *c, const char **ret_resource, uint64_t *ret_token)
{
	const char *text;
	char *end;

	if (!call_object(c))
		return false;
	text = jget_str(c->doc, "token", "");
	*ret_token = strtoull(text, &end, 10);
	*ret_resource = jget_str(c->doc, "resource", "");
	if (*ret_token && !*end && **ret_resource && c->api->node_ops)
		return true;
	call_bad_body(c, "resource and token are needed, and a node that is not stopping");
	return false;
}

static void on_frozen(int status, const struct err *err, uint32_t slots, uint32_t epoch, void *arg)
{
	struct api_call *c = arg;
	json *o;

	if (status < 0) {
		call_fail(c, status, err);
		return;
	}
	o = view_object();
	jset_i64(o, "slots", slots);
	jset_i64(o, "epoch", epoch);
	call_reply_json(c, 200, o);
}

void snapshot_freeze(struct api_call *c)
{
	struct api *a = c->api;
	const char *resource;
	int64_t deadline_ms;
	uint64_t token;

	if (!token_of(c, &resource, &token))
		return;
	deadline_ms = jget_i64_or(c->doc, "deadline_ms", 0);
	if (deadline_ms < 1 || deadline_ms > FREEZE_MS_MAX)
		call_bad_body(c, "deadline_ms must be from 1 to %d", FREEZE_MS_MAX);
	else
		a->node_ops->freeze(resource, token, (int)deadline_ms, on_frozen, c, a->node);
}

static void on_thawed(int status, const struct err *err, void *arg)
{
	struct api_call *c = arg;

	if (status < 0)
		call_fail(c, status, err);
	else
		call_reply_json(c, 200, view_object());
}

void snapshot_thaw(struct api_call *c)
{
	struct api *a = c->api;
	const char *resource;
	uint64_t token;

	if (token_of(c, &resource, &token))
		a->node_ops->thaw(resource, token, on_thawed, c, a->node);
}

/* ---- copies ---- */

/* This node's store may be a moment behind the leader's. */
static bool is_told(void *arg, int64_t waited_ms)
{
	struct api_call *c = arg;
	char key[STORE_KEY_MAX];
	json *doc = NULL;
	bool told;

	snapshot_key(jget_str(c->doc, "resource", ""), jget_str(c->doc, "snapshot", ""), key,
		     sizeof(key));
	if (store_get(c->api->config.store, key, &doc, NULL) < 0)
		return false;
	told = strcmp(jget_str(doc, "uuid", ""), jget_str(c->doc, "uuid", "?")) == 0;
	json_object_put(doc);
	return told;
}

static void take_now(void *arg, bool in_time)
{
	struct api_call *c = arg;
	struct api *a = c->api;
	struct err err;

	if (!a->node_ops || a->closing) {
		err_set(&err, -ECANCELED, "node %s is stopping", a->config.node);
		call_fail(c, -ECANCELED, &err);
		return;
	}
	a->node_ops->snapshot(jget_str(c->doc, "resource", ""), jget_str(c->doc, "snapshot", ""),
			      jget_str(c->doc, "uuid", ""), on_thawed, c, a->node);
}

void snapshot_here(struct api_call *c)
{
	if (call_object(c))
		wait_start(c->api, STORE_WAIT_MS, is_told, take_now, c);
}

/* ---- checksums, for verify.c ---- */

static void on_checksum(int status, const struct err *err, const uint32_t *crc, int n, void *arg)
{
	struct api_call *c = arg;
	json *o, *list;

	if (status < 0) {
		call_fail(c, status, err);
		return;
	}
	o = view_object();
	list = view_list();
	for (int i = 0; i < n; i++)
		view_push(list, json_object_new_int64(crc[i]));
	jset(o, "crc", list);
	call_reply_json(c, 200, o);
}

void snapshot_checksum(struct api_call *c)
{
	struct api *a = c->api;
	int64_t off, len;

	if (!call_object(c))
		return;
	off = jget_i64_or(c->doc, "offset", -1);
	len = jget_i64_or(c->doc, "length", -1);
	if (off < 0 || len < 0 || !a->node_ops)
		call_bad_body(c, "offset and length are needed, and a node that is not stopping");
	else
		a->node_ops->checksum(jget_str(c->doc, "resource", ""),
				      jget_str(c->doc, "volume", ""), (uint64_t)off, (uint64_t)len,
				      on_checksum, c, a->node);
}

/* ---- the verdict ---- */

static int taken(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	json *doc = m->call->doc, *list = jget(doc, "nodes");
	const char *nodes[REPLICAS_MAX];
	int n = 0;

	for (size_t i = 0; list && i < json_object_array_length(list) && n < REPLICAS_MAX; i++)
		nodes[n++] = json_object_get_string(json_object_array_get_idx(list, i));
	mutation_what(m,
		      n > 0 ? "Snapshot '%.48s' of '%.48s' taken."
			    : "Snapshot '%.48s' of '%.48s' could not be taken.",
		      jget_str(doc, "snapshot", ""), jget_str(doc, "resource", ""));
	m->answer = view_object();
	return change_snapshot_taken(env, t, jget_str(doc, "resource", ""),
				     jget_str(doc, "snapshot", ""), jget_str(doc, "uuid", ""),
				     nodes, n, err);
}

static void told(struct mutation *m)
{
	struct api *a = m->call->api;

	mutation_reply(m);
	api_hurry(a); /* somebody waits for it */
}

void snapshot_taken(struct api_call *c)
{
	struct err err;

	if (!call_object(c))
		return;
	if (call_check_type(c->doc, "nodes", json_type_array, &err) < 0)
		call_bad_body(c, "%s", err.text);
	else
		mutate(c, 200, taken, told);
}
