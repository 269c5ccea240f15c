// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * reap.c - finishes what could not be done at once: the removal of replicas, or
 * of their disks, that had to leave the in-sync set first, and of copies that
 * moved, once those in their place are in sync. Called once a second by api.c on
 * the leader. What can be finished is model/change_replica.c's decision; here is
 * only when it is asked.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/known.h"
#include "api/view.h"

#define REAP_CALL_MS 5000

/* is about to become something else */
static void find_deleting(json *doc, void *arg)
{
	char *resource = arg;

	if (jget_bool(doc, "deleting", false) || jget_bool(doc, "inactive", false) ||
	    jget_str(doc, "migrates", "")[0])
		snprintf(resource, NAME_MAX_LEN + 1, "%s", jget_str(doc, "resource", ""));
}

void reap_look(struct api *a, const char *name)
{
	struct reaper *r = &a->reaper;
	char prefix[STORE_KEY_MAX], resource[NAME_MAX_LEN + 1] = "";

	snprintf(prefix, sizeof(prefix), "replica/%s/", name);
	view_docs(a, prefix, find_deleting, resource);
	if (resource[0]) {
		known_set(&r->resources, name, json_object_new_string(resource));
	} else {
		known_drop(&r->resources, name);
	}
}

void reap_forget(struct api *a)
{
	json_object_put(a->reaper.resources);
	a->reaper.resources = NULL;
	a->reaper.at = 0;
}

/* as is_covered of change_replica.c */
static bool is_covered(const struct view *v, int source)
{
	bool all = true;
	int good = 0;

	for (int i = 0; i < v->n; i++) {
		const struct replica *r = &v->rep[i].r;
		bool is_good =
			view_in_sync(v, i) && v->rep[i].online && !r->quarantined && !r->inactive;

		if (i == source || r->diskless || r->deleting)
			continue;
		good += is_good;
		all &= is_good;
	}
	return all || good >= v->res.copies;
}

/* Those that have to wait for something that the record or the replicas show are not asked for
 * meanwhile: a question costs consensus a round. */
static bool is_due(struct api *a, const char *resource)
{
	bool due = false;
	struct view v;

	if (view_load(a, resource, &v) < 0)
		return false;
	for (int i = 0; i < v.n; i++) {
		const struct replica *r = &v.rep[i].r;
		int source = r->migrates[0] ? view_find(&v, r->migrates) : -1;

		due |= r->deleting || (r->inactive && view_in_sync(&v, i));
		due |= r->migrates[0] &&
		       (source < 0 || v.rep[source].r.diskless || v.rep[source].r.deleting ||
			(view_in_sync(&v, i) && is_covered(&v, source)));
	}
	view_release(&v);
	return due;
}

static void on_asked(const struct leader_answer *answer, void *arg)
{
	struct api *a = arg;

	a->reaper.asked--;
}

static void ask(struct api *a, const char *resource)
{
	json *body = view_object();

	jset_str(body, "resource", resource);
	a->reaper.asked++;
	leader_call(a->leader, "POST", "/v1/sds/reap", json_text(body), NULL, REAP_CALL_MS,
		    on_asked, a);
	json_object_put(body);
}

void api_reap(struct api *a)
{
	struct reaper *r = &a->reaper;
	int i = 0;

	if (r->asked > 0 || !r->resources)
		return;
	json_object_object_foreach(r->resources, name, value)
	{
		if (i++ < r->at || !is_due(a, name))
			continue;
		if (r->asked == REAP_AT_ONCE_MAX) {
			r->at = i - 1; /* what cannot be finished holds up nothing else */
			return;
		}
		ask(a, json_object_get_string(value));
	}
	r->at = 0;
}
