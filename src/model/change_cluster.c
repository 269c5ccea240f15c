// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * change_cluster.c - the first transaction of a cluster, and the first one after it
 * was recovered from one node. Called by founding.c.
 */
#include "model/change.h"

#include <stdio.h>
#include <string.h>

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

/* The document of a node that is lost, as it is; NULL: it is barred already, gone, or another one
 * of that name */
static int read_lost(struct change_env *env, struct txn *t, json *lost, char key[STORE_KEY_MAX],
		     json **ret, struct err *err)
{
	int rv;

	*ret = NULL;
	node_key(jget_str(lost, "name", ""), key, STORE_KEY_MAX);
	rv = txn_get(t, env->store, key, ret);
	if (rv == -E_NOT_FOUND)
		return 0;
	if (rv < 0)
		return err_set(err, rv, "%s: %s", key, err_name(rv));
	if (jget_i64_or(*ret, "id", 0) != jget_i64_or(lost, "id", -1) || node_is_barred(*ret)) {
		json_object_put(*ret);
		*ret = NULL;
	}
	return 0;
}

/* how many are still to be barred; bar: they are */
static int look_at_lost(struct change_env *env, struct txn *t, json *list, bool bar,
			struct err *err)
{
	size_t n = json_object_array_length(list);
	char key[STORE_KEY_MAX];
	int rv = 0, left = 0;
	json *doc;

	for (size_t i = 0; rv == 0 && i < n; i++) {
		rv = read_lost(env, t, json_object_array_get_idx(list, i), key, &doc, err);
		left += doc != NULL;
		if (doc && bar) {
			node_bar(doc);
			txn_put(t, key, json_object_get(doc));
		}
		json_object_put(doc);
	}
	return rv < 0 ? rv : left;
}

struct raising {
	struct change_env *env;
	struct txn *t;
	char last[STORE_KEY_MAX]; /* the last key that is done */
	int n;
	struct err *err;
};

static int raise_epoch(const char *key, void *arg)
{
	struct raising *x = arg;
	struct record record;
	json *doc;
	int rv;

	if (strcmp(key, x->last) <= 0)
		return 0;
	if (x->n == RECOVER_RECORDS_MAX)
		return 1;
	rv = txn_get(x->t, x->env->store, key, &doc);
	if (rv == 0)
		rv = record_parse(doc, &record, x->err);
	if (rv < 0)
		return rv;
	/* the writer stays: it has died, as far as the copies are concerned */
	if (record.epoch < EPOCH_LAST - RECOVER_EPOCH_STEP)
		record_raise(&record, record.epoch + RECOVER_EPOCH_STEP);
	record_write(doc, &record);
	txn_put(x->t, key, doc);
	snprintf(x->last, sizeof(x->last), "%s", key);
	x->n++;
	return 0;
}

/* 1: there are none left */
static int raise_epochs(struct change_env *env, struct txn *t, json *cluster, struct err *err)
{
	struct raising x = { .env = env, .t = t, .err = err };
	int rv;

	snprintf(x.last, sizeof(x.last), "%s", jget_str(cluster, "recovering", ""));
	rv = store_list_keys(env->store, "record/", raise_epoch, &x);
	if (rv < 0)
		return err_set(err, rv, "records: %s", err_name(rv));
	if (x.n == 0)
		return 1;
	jset_str(cluster, "recovering", x.last);
	return 0;
}

int change_cluster_recover(struct change_env *env, struct txn *t, json *recovery, struct err *err)
{
	json *lost = jget(recovery, "lost"), *cluster;
	int rv;

	if (!json_object_is_type(lost, json_type_array))
		return err_set(err, -E_INVALID, "recovery: \"lost\" must be a list");
	rv = look_at_lost(env, t, lost, false, err);
	if (rv <= 0)
		return rv;
	rv = txn_get(t, env->store, CLUSTER_KEY, &cluster);
	if (rv < 0)
		return err_set(err, rv, CLUSTER_KEY ": %s", err_name(rv));
	rv = raise_epochs(env, t, cluster, err);
	if (rv == 1) {
		rv = look_at_lost(env, t, lost, true, err);
		json_object_object_del(cluster, "recovering");
		/* who joined the others, and this node has not heard of, has an id from here on */
		jset_i64(cluster, "next_node_id",
			 jget_i64_or(cluster, "next_node_id", 1) + RECOVER_ID_STEP);
	}
	if (rv < 0)
		json_object_put(cluster);
	else
		txn_put(t, CLUSTER_KEY, cluster);
	return rv < 0 ? rv : 0;
}
