// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * controller.c - /v1/controller/properties: the cluster's own properties, which
 * everything inherits. Called through routes.c.
 */
#include "api/handlers.h"
#include "api/view.h"
#include "model/policy.h"

static json *load(struct api *a)
{
	json *doc = NULL, *props;

	store_get(a->config.store, CONTROLLER_KEY, &doc, NULL);
	props = view_props(doc);
	json_object_put(doc);
	return props;
}

void controller_props(struct api_call *c)
{
	call_reply_json(c, 200, load(c->api));
}

static int modify(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	int rv = change_controller_modify(env, t, m->call->doc, err);

	if (rv == 0)
		mutation_done(m, RC_MODIFIED, "Controller properties modified.");
	return rv;
}

void controller_modify(struct api_call *c)
{
	if (call_props_change(c))
		mutate(c, 201, modify, NULL);
}

/* the key as a change of properties */
static json *deletion(const char *key)
{
	json *body = view_object();

	jset(body, "delete_props", view_strings(&key, 1));
	return body;
}

static int delete (struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	char key[PROP_KEY_MAX + 1];
	const char *given = m->call->match.arg[0];
	json *present = load(m->call->api), *body;
	bool known = props_key(given, key) == 0 && jget(present, key);
	int rv;

	json_object_put(present);
	if (!known) {
		mutation_note(m, rc_code(RC_WARN, RC_DEL, RC_CTRL, RC_WARN_DEL_UNSET_PROP),
			      "Property '%.100s' is not set; nothing to delete.", given);
		return 0;
	}
	body = deletion(key);
	rv = change_controller_modify(env, t, body, err);
	json_object_put(body);
	if (rv == 0)
		mutation_done(m, RC_DELETED, "Controller property '%s' deleted.", key);
	return rv;
}

void controller_delete(struct api_call *c)
{
	mutate(c, 200, delete, NULL);
}
