// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * explain.c - why copies go where they go: placement looked at without placing,
 * as an operation and as the details of a refusal. Called through routes.c, by
 * groups.c and replica_change.c. What is looked at is model/change_explain.c's business.
 */
#include <stdio.h>
#include <string.h>

#include "api/handlers.h"
#include "api/view.h"
#include "base/buf.h"

#define DETAILS_MAX (64u << 10) /* bytes; nodes beyond are left out */

void explain_post(struct api_call *c)
{
	struct change_env env = api_env(c->api);
	struct err err = { 0 };
	json *answer;
	int rv;

	if (!call_object(c))
		return;
	if (call_check_type(c->doc, "resource", json_type_string, &err) < 0 ||
	    call_check_type(c->doc, "resource_group", json_type_string, &err) < 0 ||
	    call_check_type(c->doc, "volume_sizes", json_type_array, &err) < 0 ||
	    call_check_type(c->doc, "select_filter", json_type_object, &err) < 0) {
		call_bad_body(c, "%s", err.text);
		return;
	}
	rv = change_explain(&env, c->doc, &answer, &err);
	if (rv < 0)
		call_fail_object(c, rv == -E_NOT_FOUND ? RC_RSC_GRP : RC_RSC_DFN, rv, &err);
	else
		call_reply_json(c, 200, answer);
}

/* "n1/ssd: chosen" */
static int add_line(struct buf *b, json *candidate)
{
	const char *pool = jget_str(candidate, "pool", "");

	return buf_printf(b, "%s%s%s%s: %s", b->len > 0 ? "\n" : "",
			  jget_str(candidate, "node", ""), *pool ? "/" : "", pool,
			  jget_str(candidate, "reason", ""));
}

void explain_refusal(struct mutation *m, const struct change_env *env, const char *resource,
		     const char *group)
{
	json *ask = view_object(), *answer = NULL, *list;
	struct change_env own = *env;
	struct buf text;

	if (resource)
		jset_str(ask, "resource", resource);
	if (group)
		jset_str(ask, "resource_group", group);
	jset(ask, "volume_sizes", json_object_get(jget(m->call->doc, "volume_sizes")));
	jset(ask, "select_filter", json_object_get(jget(m->call->doc, "select_filter")));
	buf_init(&text, DETAILS_MAX);
	if (change_explain(&own, ask, &answer, NULL) == 0) {
		list = jget(answer, "candidates");
		for (size_t i = 0; i < json_object_array_length(list); i++) {
			if (add_line(&text, json_object_array_get_idx(list, i)) < 0)
				break;
		}
	}
	if (text.len > 0)
		m->details = strndup((const char *)text.data, text.len);
	buf_release(&text);
	json_object_put(answer);
	json_object_put(ask);
}
