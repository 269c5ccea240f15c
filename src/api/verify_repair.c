// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * verify_repair.c - what a comparison has found wrong is fetched again from the copies that are
 * right: those that are most, or the one that somebody names. Who that is says blame.c; the rest is
 * a plan in the store (model/change_refetch.c), which goes on whatever becomes of the leader.
 * Called through routes.c.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/handlers.h"
#include "api/verify.h"
#include "base/log.h"

struct repair {
	struct refetch what[REPLICAS_MAX];
	struct change_refetch of[REPLICAS_MAX];
	char node[REPLICAS_MAX][NAME_MAX_LEN + 1];
	int n;
	int64_t started_ms; /* of the comparison */
};

static int find_copy(const struct verify *v, const char *node)
{
	for (int i = 0; i < v->n; i++) {
		if (strcasecmp(v->copy[i].node, node) == 0)
			return i;
	}
	return -1;
}

/* A copy that was not there then may have anything, and would be a source. */
static int check_copies(struct api *a, const struct verify *v, struct err *err)
{
	struct view view;
	int rv = view_load(a, v->resource, &view);

	if (rv < 0)
		return err_set(err, rv, "Resource definition '%.100s' not found.", v->resource);
	for (int i = 0; i < view.n && rv == 0; i++) {
		if (!view.rep[i].r.diskless && find_copy(v, view.rep[i].r.node) < 0)
			rv = err_set(err, -E_IN_USE,
				     "resource %s: the copy on %s was not compared; compare again",
				     v->resource, view.rep[i].r.node);
	}
	view_release(&view);
	return rv;
}

static int usable(const struct verify *v, const char *resource, struct err *err)
{
	if (!v || v->repaired)
		return err_set(err, -E_NOT_FOUND,
			       "resource %.60s: no present comparison is known; compare first",
			       resource);
	if (v->step != STEP_OVER)
		return err_set(err, -E_IN_USE,
			       "resource %s: a comparison is under way; wait for its end",
			       v->resource);
	if (v->error[0])
		return err_set(err, -E_IN_USE, "resource %s: the comparison has failed: %.120s",
			       v->resource, v->error);
	return 0;
}

/* from NULL: by majority */
static int plan(struct api *a, struct verify *v, const char *from, struct repair *r,
		struct err *err)
{
	struct blame_input in = {
		.n = v->n,
		.d = v->shown,
		.n_d = (int)(v->n_differences < VERIFY_SHOWN_MAX ? v->n_differences
								 : VERIFY_SHOWN_MAX),
		.more = v->n_differences > VERIFY_SHOWN_MAX,
		.unlike = v->unlike,
	};
	int right = from ? find_copy(v, from) : BLAME_MAJORITY, rv = check_copies(a, v, err);
	uint32_t out;

	if (rv < 0)
		return rv;
	if (from && right < 0)
		return err_set(err, -E_NOT_FOUND, "resource %s: no copy on %.60s was compared",
			       v->resource, from);
	out = blame_plan(&in, right, r->what);
	for (int i = 0; i < v->n; i++) {
		if (!(out >> i & 1))
			continue;
		memcpy(r->node[r->n], v->copy[i].node, sizeof(r->node[0]));
		r->of[r->n] = (struct change_refetch){ r->node[r->n], &r->what[i] };
		r->n++;
	}
	if (r->n == 0 && v->n_differences > 0)
		return err_set(err, -E_INVALID,
			       "resource %s: no majority of the copies agrees; say which one is "
			       "right",
			       v->resource);
	return 0;
}

static int repair(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *name = m->call->match.arg[0];
	struct repair *r = m->own;
	int rv = r->n ? change_replica_refetch(env, t, name, r->of, r->n, err) : 0;

	if (rv < 0)
		return rv;
	if (r->n == 0)
		mutation_done(m, RC_MODIFIED, "The copies of '%s' are alike.", name);
	for (int i = 0; i < r->n; i++) {
		json *entry = r->of[i].what->whole
				      ? mutation_done(m, RC_MODIFIED,
						      "The copy of '%s' on '%s' is fetched again.",
						      name, r->node[i])
				      : mutation_done(m, RC_MODIFIED,
						      "%d regions of the copy of '%s' on '%s' are "
						      "fetched again.",
						      r->of[i].what->n, name, r->node[i]);

		rc_ref(entry, "RscDfn", name);
		rc_ref(entry, "Node", r->node[i]);
	}
	return 0;
}

static void repaired(struct mutation *m)
{
	struct verify *v = verify_find(m->call->api, m->call->match.arg[0]);
	struct repair *r = m->own;

	if (v && v->started_ms == r->started_ms && r->n > 0)
		v->repaired = true;
	mutation_reply(m);
}

void verify_repair(struct api_call *c)
{
	struct verify *v = verify_find(c->api, c->match.arg[0]);
	struct repair *r;
	struct err err;
	int rv;

	if (!call_object(c))
		return;
	if (call_check_type(c->doc, "from", json_type_string, &err) < 0) {
		call_bad_body(c, "%s", err.text);
		return;
	}
	r = calloc(1, sizeof(*r));
	if (!r)
		abort();
	rv = usable(v, c->match.arg[0], &err);
	if (rv == 0)
		rv = plan(c->api, v, jget_str(c->doc, "from", NULL), r, &err);
	if (rv < 0) {
		free(r);
		call_fail(c, rv, &err);
		return;
	}
	r->started_ms = v->started_ms;
	mutate_own(c, 200, repair, repaired, r);
}

/* ---- from the copy's node ---- */

static int refetched(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	json *doc = m->call->doc;
	const char *resource = jget_str(doc, "resource", ""), *node = m->call->node;
	int rv = change_replica_refetched(env, t, resource, node, jget_str(doc, "uuid", ""), err);

	if (rv == 0)
		mutation_done(m, RC_MODIFIED, "Noted.");
	mutation_what(m, "Copy of '%.48s' on '%.48s' catches up by what was wrong.", resource,
		      node);
	return rv;
}

void verify_refetched(struct api_call *c)
{
	if (call_from_itself(c))
		mutate(c, 200, refetched, NULL);
}
