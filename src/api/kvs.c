// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kvs.c - /v1/key-value-store: where clients keep what is their own. Called
 * through routes.c.
 */
#include "api/handlers.h"
#include "api/view.h"

static json *shape(json *doc)
{
	json *o = view_object();

	jset_str(o, "name", jget_str(doc, "name", ""));
	jset(o, "props", view_props(doc));
	return o;
}

static void list_one(json *doc, void *arg)
{
	call_list_push(arg, shape(doc));
}

void kvs_list(struct api_call *c)
{
	struct call_list list;

	call_list_init(&list, c);
	view_docs(c->api, "kvs/", list_one, &list);
	call_list_reply(&list);
}

/* a list of one: so LINSTOR has it, and golinstor wants it */
void kvs_get(struct api_call *c)
{
	const char *name = c->match.arg[0];
	char key[STORE_KEY_MAX];
	json *doc = NULL, *list;
	struct err err;
	int rv;

	kvs_key(name, key, sizeof(key));
	rv = store_get(c->api->config.store, key, &doc, NULL);
	if (rv < 0) {
		err_set(&err, rv, "Key-value store '%.100s' not found.", name);
		call_fail(c, rv, &err);
		return;
	}
	list = view_list();
	view_push(list, shape(doc));
	json_object_put(doc);
	call_reply_json(c, 200, list);
}

static int modify(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *name = m->call->match.arg[0];
	int rv = change_kvs_modify(env, t, name, m->call->doc, err);

	if (rv == 0)
		mutation_done(m, RC_MODIFIED, "Key-value store '%s' modified.", name);
	return rv;
}

void kvs_modify(struct api_call *c)
{
	if (call_props_change(c))
		mutate(c, 200, modify, NULL);
}

static int delete (struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *name = m->call->match.arg[0];
	int rv = change_kvs_delete(env, t, name, err);

	if (rv == -E_NOT_FOUND) {
		mutation_note(m, rc_code(RC_WARN, RC_DEL, RC_KVS, RC_WARN_NOT_FOUND),
			      "Key-value store '%.100s' not found; nothing to delete.", name);
		return 0;
	}
	if (rv == 0)
		mutation_done(m, RC_DELETED, "Key-value store '%s' deleted.", name);
	return rv;
}

void kvs_delete(struct api_call *c)
{
	mutate(c, 200, delete, NULL);
}
