// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * change_cluster.c - the first transaction of a cluster. Called once, by the
 * cluster folder's init through the API of the first node.
 */
#include "model/change.h"

#include "base/text.h"
#include "model/field.h"
#include "model/token_doc.h"

#define CLUSTER_NAME_MAX 64

static int put_cluster(struct txn *t, json *init, struct err *err)
{
	char uuid[37], name[CLUSTER_NAME_MAX];
	uint8_t raw[16];
	json *doc;
	int rv;

	if ((rv = field_str(init, "init", "cluster", uuid, sizeof(uuid), err)) < 0 ||
	    (rv = field_str(init, "init", "name", name, sizeof(name), err)) < 0)
		return rv;
	if (text_uuid_parse(uuid, raw) < 0)
		return err_set(err, -E_INVALID, "init: \"cluster\" is not a uuid");
	doc = json_object_new_object();
	jset_str(doc, "cluster", uuid);
	jset_str(doc, "name", name);
	jset_i64(doc, "next_node_id", 2);
	jset_i64(doc, "next_minor", MINOR_FIRST);
	jset(doc, "options", json_object_new_object());
	txn_put(t, CLUSTER_KEY, doc);
	return 0;
}

static int put_ca(struct txn *t, json *init, struct err *err)
{
	const char *cert = jget_str(init, "ca_cert_pem", "");
	const char *sealed = jget_str(init, "ca_key_sealed", "");
	json *doc;

	if (!cert[0] || !sealed[0])
		return err_set(err, -E_INVALID,
			       "init: \"ca_cert_pem\" or \"ca_key_sealed\" is "
			       "missing");
	doc = json_object_new_object();
	jset_str(doc, "cert_pem", cert);
	jset_str(doc, "key_sealed", sealed);
	txn_put(t, CA_KEY, doc);
	return 0;
}

static int put_node(struct change_env *env, struct txn *t, json *init, struct err *err)
{
	char key[STORE_KEY_MAX];
	struct node n;
	json *doc;
	int rv;

	rv = node_parse(jget(init, "node"), &n, err);
	if (rv < 0)
		return rv;
	if (n.id != 1)
		return err_set(err, -E_INVALID, "node %s: the first node's id must be 1", n.name);
	doc = json_copy(jget(init, "node"));
	if (!jget(doc, "joined_ms"))
		jset_i64(doc, "joined_ms", env->now_ms);
	if (!jget(doc, "props"))
		jset(doc, "props", json_object_new_object());
	if (!jget(doc, "flags"))
		jset(doc, "flags", json_object_new_array());
	node_key(n.name, key, sizeof(key));
	txn_put(t, key, doc);
	return 0;
}

static int put_default_group(struct change_env *env, struct txn *t, struct err *err)
{
	json *body = json_object_new_object(), *filter = json_object_new_object();
	int rv;

	jset_i64(filter, "place_count", COPIES_DEFAULT);
	jset_str(body, "name", GROUP_DEFAULT);
	jset(body, "select_filter", filter);
	rv = change_group_create(env, t, body, NULL, err);
	json_object_put(body);
	return rv;
}

static int put_token(struct txn *t, json *token, struct err *err)
{
	int64_t expires_ms;
	int rv;

	if (!token)
		return 0;
	if ((rv = token_doc_check(jget_str(token, "id", ""), jget_str(token, "secret_sha256", ""),
				  err)) < 0 ||
	    (rv = field_i64(token, "token", "expires_ms", 0, INT64_MAX, &expires_ms, err)) < 0)
		return rv;
	token_doc_put(t, jget_str(token, "id", ""), jget_str(token, "secret_sha256", ""),
		      expires_ms);
	return 0;
}

int change_cluster_init(struct change_env *env, struct txn *t, json *init, struct err *err)
{
	json *doc;
	int rv;

	rv = txn_get(t, env->store, CLUSTER_KEY, &doc);
	if (rv == 0) {
		rv = err_set(err, -E_EXISTS,
			     "this node is in the cluster %s already; nothing was changed",
			     jget_str(doc, "name", "?"));
		json_object_put(doc);
		return rv;
	}
	if (rv != -E_NOT_FOUND)
		return err_set(err, rv, "cluster/self: %s", err_name(rv));
	if ((rv = field_object(init, "init", err)) < 0 || (rv = put_cluster(t, init, err)) < 0 ||
	    (rv = put_ca(t, init, err)) < 0 || (rv = put_node(env, t, init, err)) < 0 ||
	    (rv = put_default_group(env, t, err)) < 0)
		return rv;
	return put_token(t, jget(init, "token"), err);
}
