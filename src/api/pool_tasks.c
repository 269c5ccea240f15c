// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pool_tasks.c - pools that nodes make of devices: make, extend, replace a disk,
 * destroy, and what nodes say they have done. Called through routes.c. A task is
 * done by its node when that is there; who asks waits a while for the result.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/handlers.h"
#include "api/view.h"
#include "model/pool_task.h"

#define TASK_WAIT_MS 25000 /* less than a client waits; several programs of LVM run in it */

/* --- bodies ------------------------------------------------------------------ */

static int add_devices(json *list, struct pool_task *task, struct err *err)
{
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

	for (size_t i = 0; i < n; i++) {
		json *device = json_object_array_get_idx(list, i);
		int rv;

		if (!json_object_is_type(device, json_type_string))
			return err_set(err, -E_INVALID, "a device is no text");
		rv = pool_task_add(task, json_object_get_string(device), err);
		if (rv < 0)
			return rv;
	}
	return 0;
}

static int names_of(const char *node, const char *name, struct pool *ret, struct err *err)
{
	if (strlen(name) > NAME_MAX_LEN || strlen(node) > NAME_MAX_LEN)
		return err_set(err, -E_INVALID, "a name of more than %d characters", NAME_MAX_LEN);
	memset(ret, 0, sizeof(*ret));
	snprintf(ret->node, sizeof(ret->node), "%s", node);
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	return 0;
}

static bool types_are_right(struct api_call *c, const char *devices)
{
	struct err err;

	if (!call_object(c))
		return false;
	if (call_check_type(c->doc, devices, json_type_array, &err) == 0 &&
	    call_check_type(c->doc, "provider_kind", json_type_string, &err) == 0 &&
	    call_check_type(c->doc, "with_storage_pool", json_type_object, &err) == 0 &&
	    call_check_type(jget(c->doc, "with_storage_pool"), "props", json_type_object, &err) ==
		    0 &&
	    call_check_type(c->doc, "props", json_type_object, &err) == 0)
		return true;
	call_bad_body(c, "%s", err.text);
	return false;
}

/* --- waiting ------------------------------------------------------------------- */

/* what a request waits for; kept as the mutation's own */
struct awaited {
	char node[NAME_MAX_LEN + 1], name[NAME_MAX_LEN + 1];
};

/* the pool's task as the store has it; -E_NOT_FOUND: there is no pool */
static int present_task(struct api *a, const struct awaited *w, struct pool_task *ret)
{
	char key[STORE_KEY_MAX];
	json *doc = NULL;
	int rv;

	pool_key(w->node, w->name, key, sizeof(key));
	rv = store_get(a->config.store, key, &doc, NULL);
	if (rv == 0)
		rv = pool_task_parse(doc, ret, NULL);
	json_object_put(doc);
	return rv;
}

/* what the node says of this task; NULL: nothing yet */
static json *reported(struct api *a, const struct awaited *w, const struct pool_task *task)
{
	json *seen = jget(observed_pool(a->observed, w->node, w->name, api_mono_ms()), "task");

	return strcmp(jget_str(seen, "uuid", ""), task->uuid) == 0 ? seen : NULL;
}

static bool task_settled(void *arg, int64_t waited_ms)
{
	struct mutation *m = arg;
	struct api *a = m->call->api;
	const struct awaited *w = m->own;
	struct pool_task task;
	json *seen;

	if (!consensus_is_leader(a->config.consensus) || present_task(a, w, &task) < 0 ||
	    task.kind == TASK_NONE)
		return true;
	seen = reported(a, w, &task);
	if (jget_str(seen, "error", "")[0] || jget_str(seen, "text", "")[0])
		return true;
	return waited_ms > OBSERVED_STALE_MS &&
	       !observed_online(a->observed, w->node, api_mono_ms());
}

static void task_answer(void *arg, bool in_time)
{
	struct mutation *m = arg;
	struct api *a = m->call->api;
	const struct awaited *w = m->own;
	struct pool_task task = { .kind = TASK_NONE };
	int64_t warn = rc_code(RC_WARN, m->call->match.route->op, RC_STOR_POOL,
			       RC_STOR_POOL_CONFIGURATION);
	json *seen;

	if (present_task(a, w, &task) == 0 && task.kind != TASK_NONE) {
		seen = reported(a, w, &task);
		if (jget_str(seen, "error", "")[0])
			mutation_note(m, warn, "Node '%s' tries again until it succeeds: %s",
				      w->node, jget_str(seen, "error", ""));
		else if (!observed_online(a->observed, w->node, api_mono_ms()))
			mutation_note(m, warn, "Node '%s' is not there; it does it when it is.",
				      w->node);
		else
			mutation_note(m, warn, "Node '%s' is at it%s%s.", w->node,
				      jget_str(seen, "text", "")[0] ? ": " : "",
				      jget_str(seen, "text", ""));
	}
	mutation_reply(m);
}

static void wait_task(struct mutation *m)
{
	wait_start(m->call->api, TASK_WAIT_MS, task_settled, task_answer, m);
}

static void mutate_task(struct api_call *c, int ok_status, const char *node, const char *name,
			int (*change)(struct mutation *, struct change_env *, struct txn *,
				      struct err *))
{
	struct awaited *w = calloc(1, sizeof(*w));

	if (!w)
		abort();
	snprintf(w->node, sizeof(w->node), "%.*s", NAME_MAX_LEN, node);
	snprintf(w->name, sizeof(w->name), "%.*s", NAME_MAX_LEN, name);
	mutate_own(c, ok_status, change, wait_task, w);
}

static void refs(json *entry, const struct pool *p)
{
	rc_ref(entry, "Node", p->node);
	rc_ref(entry, "StorPoolDfn", p->name);
}

/* --- make ------------------------------------------------------------------------ */

static int make(struct mutation *m, struct pool *p, json *devices, json *props,
		struct change_env *env, struct txn *t, struct err *err)
{
	struct pool_task task = { .wipe = jget_bool(m->call->doc, "wipe", false) };
	json *kept = NULL;
	int rv = pool_kind_parse(jget_str(m->call->doc, "provider_kind", ""), &p->kind);

	if (rv < 0)
		return err_set(err, rv,
			       "A pool is made of devices with provider_kind LVM, LVM_THIN, ZFS or "
			       "ZFS_THIN, not '%.40s'",
			       jget_str(m->call->doc, "provider_kind", ""));
	rv = add_devices(devices, &task, err);
	if (rv < 0)
		return rv;
	kept = json_copy(props);
	if (kept) {
		json_object_object_del(kept, "StorDriver/FileDir");
		json_object_object_del(kept, "StorDriver/StorPoolName");
	}
	env->uuid(p->uuid);
	rv = change_pool_make(env, t, p, kept, &task, err);
	json_object_put(kept);
	if (rv == -E_NOT_FOUND)
		m->object = RC_NODE;
	if (rv == 0)
		refs(mutation_done(m, RC_CREATED, "New storage pool '%s' on node '%s' registered.",
				   p->name, p->node),
		     p);
	return rv;
}

static int make_pool(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	struct api_call *c = m->call;
	struct pool p;
	int rv = names_of(c->match.arg[0], jget_str(c->doc, "storage_pool_name", ""), &p, err);

	return rv < 0 ? rv
		      : make(m, &p, jget(c->doc, "devices"), jget(c->doc, "props"), env, t, err);
}

void pools_make(struct api_call *c)
{
	if (types_are_right(c, "devices"))
		mutate_task(c, 201, c->match.arg[0], jget_str(c->doc, "storage_pool_name", ""),
			    make_pool);
}

/* LINSTOR's: what is made belongs to a storage pool here, and is named after it. */
static int make_physical(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	struct api_call *c = m->call;
	json *with = jget(c->doc, "with_storage_pool");
	struct pool p;
	int rv = names_of(c->match.arg[0], jget_str(with, "name", ""), &p, err);

	if (rv < 0)
		return rv;
	if (!with)
		return err_set(err, -E_INVALID,
			       "with_storage_pool is missing: devices are made a storage pool here "
			       "or left alone");
	if (jget_bool(c->doc, "vdo_enable", false))
		return err_set(err, -E_INVALID, "vdo_enable: VDO is not supported");
	return make(m, &p, jget(c->doc, "device_paths"), jget(with, "props"), env, t, err);
}

void disks_make(struct api_call *c)
{
	if (types_are_right(c, "device_paths"))
		mutate_task(c, 201, c->match.arg[0],
			    jget_str(jget(c->doc, "with_storage_pool"), "name", ""), make_physical);
}

/* --- extend, replace --------------------------------------------------------------- */

static int change_task(struct mutation *m, struct change_env *env, struct txn *t,
		       struct pool_task *task, struct err *err)
{
	struct api_call *c = m->call;
	struct pool p;
	int rv;

	task->wipe = jget_bool(c->doc, "wipe", false);
	if ((rv = names_of(c->match.arg[0], c->match.arg[1], &p, err)) < 0 ||
	    (rv = change_pool_task(env, t, p.node, p.name, task, err)) < 0)
		return rv;
	refs(mutation_done(m, RC_MODIFIED, "Storage pool '%s' on node '%s': %s.", p.name, p.node,
			   task->kind == TASK_EXTEND ? "to be extended" : "to get another disk"),
	     &p);
	return 0;
}

static int extend(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	struct pool_task task = { .kind = TASK_EXTEND };
	int rv = add_devices(jget(m->call->doc, "devices"), &task, err);

	return rv < 0 ? rv : change_task(m, env, t, &task, err);
}

void pools_extend(struct api_call *c)
{
	if (types_are_right(c, "devices"))
		mutate_task(c, 200, c->match.arg[0], c->match.arg[1], extend);
}

static int replace(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	struct pool_task task = { .kind = TASK_REPLACE };
	const char *old = jget_str(m->call->doc, "old", "");
	int rv = pool_task_add(&task, jget_str(m->call->doc, "new", ""), err);

	if (rv < 0)
		return rv;
	if (strlen(old) > DEVICE_LEN_MAX)
		return err_set(err, -E_INVALID, "old: a path of more than %d characters",
			       DEVICE_LEN_MAX);
	snprintf(task.old, sizeof(task.old), "%s", old);
	return change_task(m, env, t, &task, err);
}

void pools_replace(struct api_call *c)
{
	if (types_are_right(c, "devices"))
		mutate_task(c, 200, c->match.arg[0], c->match.arg[1], replace);
}

/* --- destroy ------------------------------------------------------------------------ */

static int destroy(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	struct api_call *c = m->call;
	struct pool p;
	int rv;

	if ((rv = names_of(c->match.arg[0], c->match.arg[1], &p, err)) < 0 ||
	    (rv = change_pool_destroy(env, t, p.node, p.name, err)) < 0)
		return rv;
	refs(mutation_done(m, RC_DELETED,
			   "Storage pool '%s' on node '%s' is destroyed, its devices become empty.",
			   p.name, p.node),
	     &p);
	return 0;
}

void pools_destroy(struct api_call *c)
{
	mutate_task(c, 200, c->match.arg[0], c->match.arg[1], destroy);
}

/* --- from nodes ---------------------------------------------------------------------- */

static int pool_done(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	json *doc = m->call->doc;
	int rv = change_pool_done(env, t, m->call->node, jget_str(doc, "pool", ""),
				  jget_str(doc, "uuid", ""), err);

	if (rv == 0)
		mutation_done(m, RC_MODIFIED, "Noted.");
	mutation_what(m, "Pool '%.48s' on '%.48s' is as it was asked for.",
		      jget_str(doc, "pool", ""), m->call->node);
	return rv;
}

static void pool_noted(struct mutation *m)
{
	struct api *a = m->call->api;

	mutation_reply(m);
	if (a->waits)
		api_hurry(a);
}

void sds_pool_done(struct api_call *c)
{
	if (call_from_itself(c))
		mutate(c, 200, pool_done, pool_noted);
}
