// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * clones.c - resources copied under another name: begun, asked after, and the tick on
 * the leader that goes on with them. Called through routes.c and by api.c. What the next
 * step is, model/change_clone.c decides.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "api/snapshot_take.h"
#include "api/view.h"

#define ADVANCE_CALL_MS 5000

/* ---- begun ---- */

struct clone {
	char snapshot[NAME_MAX_LEN + 1];
};

static const char *target_of(json *doc)
{
	return jget_str(doc, "name", jget_str(doc, "external_name", ""));
}

static int begin(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *source = m->call->match.arg[0], *target = target_of(m->call->doc);
	struct clone *clone = m->own;
	char location[2 * ROUTER_ARG_MAX + 64];
	json *messages;
	int rv;

	rv = change_clone_begin(env, t, source, target,
				jget_str(m->call->doc, "resource_group", NULL),
				jget(m->call->doc, "override_props"), clone->snapshot, err);
	if (rv < 0)
		return rv;
	messages = rc_list();
	rc_ref(rc_add(messages, rc_code(RC_SUCCESS, RC_CRT, RC_RSC_DFN, RC_CREATED),
		      "Clone '%s' of resource '%s' begun.", target, source),
	       "RscDfn", target);
	snprintf(location, sizeof(location), "/v1/resource-definitions/%s/clone/%s", source,
		 target);
	mutation_what(m, "Clone '%s' of resource '%s' begun.", target, source);
	m->answer = view_object();
	jset_str(m->answer, "location", location);
	jset_str(m->answer, "source_name", source);
	jset_str(m->answer, "clone_name", target);
	jset(m->answer, "messages", messages);
	return 0;
}

/* The answer does not wait for it: clients ask again and again. */
static void begun(struct mutation *m)
{
	struct clone *clone = m->own;
	struct take_name name;

	snprintf(name.resource, sizeof(name.resource), "%.*s", NAME_MAX_LEN, m->call->match.arg[0]);
	memcpy(name.name, clone->snapshot, sizeof(name.name));
	if (!m->repeated) /* else all is in hand */
		take_start(m->call->api, &name, 1);
	mutation_reply(m);
}

void clones_create(struct api_call *c)
{
	struct clone *clone;
	struct err err;

	if (!call_object(c))
		return;
	if (call_check_type(c->doc, "name", json_type_string, &err) < 0 ||
	    call_check_type(c->doc, "resource_group", json_type_string, &err) < 0 ||
	    call_check_type(c->doc, "override_props", json_type_object, &err) < 0) {
		call_bad_body(c, "%s", err.text);
		return;
	}
	clone = calloc(1, sizeof(*clone));
	if (!clone)
		abort();
	mutate_own(c, 201, begin, begun, clone);
}

/* ---- asked after ---- */

struct search {
	const char *target;
	bool found;
};

static void look_for_target(json *doc, void *arg)
{
	struct search *s = arg;

	s->found |= strcmp(jget_str(jget(doc, "props"), CLONE_TARGET, ""), s->target) == 0;
}

/* NULL: there is no such clone */
static const char *status_of(struct api *a, const char *source, const char *target)
{
	char prefix[STORE_KEY_MAX], low[NAME_MAX_LEN + 1];
	struct search s = { 0 };
	const char *status;
	struct view v;

	if (view_load(a, target, &v) < 0)
		return NULL;
	name_key(source, low);
	snprintf(prefix, sizeof(prefix), "snapshot/%s/", low);
	s.target = v.res.name;
	view_docs(a, prefix, look_for_target, &s);
	status = s.found ? "CLONING" : v.res.n_volumes > 0 && v.n > 0 ? "COMPLETE" : "FAILED";
	if (strcasecmp(jget_str(jget(v.doc, "props"), CLONE_SOURCE, ""), source) != 0)
		status = NULL;
	view_release(&v);
	return status;
}

void clones_get(struct api_call *c)
{
	const char *status = status_of(c->api, c->match.arg[0], c->match.arg[1]);
	struct err err;
	json *o;

	if (!status) {
		err_set(&err, -E_NOT_FOUND, "'%.60s' is no clone of resource '%.60s'.",
			c->match.arg[1], c->match.arg[0]);
		call_fail(c, -E_NOT_FOUND, &err);
		return;
	}
	o = view_object();
	jset_str(o, "status", status);
	call_reply_json(c, 200, o);
}

/* ---- gone on with ---- */

static int advance(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	m->answer = view_object();
	mutation_what(m, "Clone of '%.48s' goes on.", jget_str(m->call->doc, "resource", ""));
	return change_clone_advance(env, t, jget_str(m->call->doc, "resource", ""),
				    jget_str(m->call->doc, "snapshot", ""), err);
}

void clones_advance(struct api_call *c)
{
	if (call_object(c))
		mutate(c, 200, advance, NULL);
}

static void on_asked(const struct leader_answer *answer, void *arg)
{
	struct api *a = arg;

	a->clones.asked--;
}

static void ask(json *doc, void *arg)
{
	struct api *a = arg;
	json *body;

	if (!jget_str(jget(doc, "props"), CLONE_TARGET, "")[0])
		return;
	a->clones.any = true;
	a->clones.asked++;
	body = view_object();
	jset_str(body, "resource", jget_str(doc, "resource", ""));
	jset_str(body, "snapshot", jget_str(doc, "name", ""));
	leader_call(a->leader, "POST", "/v1/sds/clone-advance", json_text(body), NULL,
		    ADVANCE_CALL_MS, on_asked, a);
	json_object_put(body);
}

void clone_tick(struct api *a)
{
	struct store_count count;

	if (a->clones.asked > 0 || store_count(a->config.store, "snapshot/", &count) < 0)
		return;
	if (!a->clones.any && count.changed == a->clones.changed)
		return;
	a->clones.any = false;
	a->clones.changed = count.changed;
	view_docs(a, "snapshot/", ask, a);
}
