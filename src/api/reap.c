// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * reap.c - finishes the removal of replicas that had to leave the in-sync set
 * first. Called once a second by api.c on the leader. What can be finished is
 * model/change_replica.c's decision; here is only when it is asked.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/view.h"

#define REAP_AT_ONCE_MAX 64 /* resources asked in one second */
#define REAP_CALL_MS 5000

static void find_deleting(json *doc, void *arg)
{
	if (jget_bool(doc, "deleting", false))
		jset_bool(arg, jget_str(doc, "resource", ""), true);
}

/* Looking through all replicas is for when one of them has changed. */
static void look(struct api *a)
{
	struct reaper *r = &a->reaper;
	struct store_stamp stamp;

	if (store_prefix_stamp(a->config.store, "replica/", &stamp) < 0)
		return;
	if (stamp.count == r->stamp.count && stamp.revision == r->stamp.revision)
		return;
	json_object_put(r->resources);
	r->resources = view_object();
	view_docs(a, "replica/", find_deleting, r->resources);
	r->stamp = stamp;
}

static void on_asked(const struct leader_answer *answer, void *arg)
{
	struct api *a = arg;

	a->reaper.asked--;
}

void api_reap(struct api *a)
{
	int n = 0;

	look(a);
	if (a->reaper.asked > 0 || !a->reaper.resources)
		return;
	json_object_object_foreach(a->reaper.resources, name, value)
	{
		json *body = view_object();

		(void)value;
		jset_str(body, "resource", name);
		a->reaper.asked++;
		leader_call(a->leader, "POST", "/v1/sds/reap", json_text(body), NULL, REAP_CALL_MS,
			    on_asked, a);
		json_object_put(body);
		if (++n == REAP_AT_ONCE_MAX)
			break;
	}
}
