// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * adjust.c - the resources of a group (or of all) get as many copies as it wants
 * now. Called through routes.c. One resource after the other, each as autoplace
 * does it: never fewer copies than there are.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/handlers.h"
#include "api/view.h"

struct adjust {
	struct api_call *call;
	json *names;   /* of the resources */
	json *entries; /* what was answered */
	size_t next;
};

static void step(struct adjust *j);

static void end(struct adjust *j)
{
	struct api_call *c = j->call;
	json *entries = j->entries;

	json_object_put(j->names);
	free(j);
	call_reply_rc(c, 200, entries);
}

static void on_placed(const struct leader_answer *answer, void *arg)
{
	struct adjust *j = arg;
	json *list = answer->doc;
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

	if (!answer->reached) { /* it does not lead any more: asked again where that is known */
		struct api_call *c = j->call;

		json_object_put(j->names);
		json_object_put(j->entries);
		free(j);
		call_moved(c, CALL_MOVED_MAYBE);
		return;
	}
	if (answer->revision > j->call->revision)
		j->call->revision = answer->revision;
	for (size_t i = 0; i < n; i++)
		view_push(j->entries, json_object_get(json_object_array_get_idx(list, i)));
	step(j);
}

static void step(struct adjust *j)
{
	const char *name;
	char url[3 * ROUTER_ARG_MAX];

	if (j->next == json_object_array_length(j->names)) {
		end(j);
		return;
	}
	name = json_object_get_string(json_object_array_get_idx(j->names, j->next++));
	snprintf(url, sizeof(url), "/v1/resource-definitions/%s/autoplace", name);
	leader_call(j->call->api->leader, "POST", url, "{}", NULL, READY_WAIT_MS * 2, on_placed, j);
}

/* in this group ("": in any), with something to place */
struct members {
	const char *group;
	json *names;
};

static void add_member(json *doc, void *arg)
{
	struct members *all = arg;
	json *volumes = jget(doc, "volumes");

	if (all->group[0] && strcasecmp(jget_str(doc, "group", ""), all->group) != 0)
		return;
	if (json_object_is_type(volumes, json_type_array) && json_object_array_length(volumes) > 0)
		view_push(all->names, json_object_new_string(jget_str(doc, "name", "")));
}

static void start(struct api_call *c, const char *group)
{
	struct members all = { group, view_list() };
	struct adjust *j = calloc(1, sizeof(*j));
	json *entry;

	if (!j)
		abort();
	view_docs(c->api, "resource/", add_member, &all);
	j->call = c;
	j->names = all.names;
	j->entries = view_list();
	entry = rc_add(j->entries, rc_code(RC_SUCCESS, RC_MOD, RC_RSC_GRP, RC_MODIFIED),
		       "%s%s%s adjusted: %zu resources looked at.",
		       group[0] ? "Resource group '" : "All resource groups", group,
		       group[0] ? "'" : "", json_object_array_length(j->names));
	if (group[0])
		rc_ref(entry, "RscGrp", group);
	step(j);
}

void groups_adjust(struct api_call *c)
{
	char key[STORE_KEY_MAX];
	json *doc = NULL;
	struct err err;

	if (!call_object(c))
		return;
	group_key(c->match.arg[0], key, sizeof(key));
	if (store_get(c->api->config.store, key, &doc, NULL) == 0) {
		json_object_put(doc);
		start(c, c->match.arg[0]);
		return;
	}
	err_set(&err, -E_NOT_FOUND, "Resource group '%.100s' not found.", c->match.arg[0]);
	call_fail(c, -E_NOT_FOUND, &err);
}

void groups_adjust_all(struct api_call *c)
{
	if (call_object(c))
		start(c, "");
}
