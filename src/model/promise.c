// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * promise.c - the per-pool counters of what is placed there. Called by
 * bundle.c (a replica comes or goes), change_place.c (is there room) and
 * change_pool.c (is it empty).
 */
#include "model/promise.h"

#include <stdio.h>

#include "model/name.h"

void promise_key(const char *node, const char *pool, char *out, size_t len)
{
	char low_node[NAME_MAX_LEN + 1], low_pool[NAME_MAX_LEN + 1];

	name_key(node, low_node);
	name_key(pool, low_pool);
	snprintf(out, len, "promise/%s/%s", low_node, low_pool);
}

static void parse(json *doc, struct promise *ret)
{
	ret->kib = jget_i64_or(doc, "kib", 0);
	ret->extra_kib = jget_i64_or(doc, "extra_kib", 0);
	ret->replicas = jget_i64_or(doc, "replicas", 0);
}

int promise_peek(struct store *s, const char *node, const char *pool, struct promise *ret)
{
	char key[STORE_KEY_MAX];
	json *doc = NULL;
	int rv;

	promise_key(node, pool, key, sizeof(key));
	rv = store_get(s, key, &doc, NULL);
	if (rv < 0 && rv != -E_NOT_FOUND)
		return rv;
	parse(doc, ret);
	json_object_put(doc);
	return 0;
}

int promise_read(struct txn *t, struct store *s, const char *node, const char *pool,
		 struct promise *ret)
{
	char key[STORE_KEY_MAX];
	json *doc = NULL;
	int rv;

	promise_key(node, pool, key, sizeof(key));
	rv = txn_get(t, s, key, &doc);
	if (rv < 0 && rv != -E_NOT_FOUND)
		return rv;
	parse(doc, ret);
	json_object_put(doc);
	return 0;
}

int promise_add(struct txn *t, struct store *s, const char *node, const char *pool,
		const struct promise *more)
{
	char key[STORE_KEY_MAX];
	struct promise p;
	json *doc;
	int rv;

	rv = promise_read(t, s, node, pool, &p);
	if (rv < 0)
		return rv;
	promise_key(node, pool, key, sizeof(key));
	rv = txn_written(t, key, &doc); /* by a copy or cache before, in the same pool */
	if (rv < 0)
		return rv;
	if (rv > 0) {
		parse(doc, &p);
		json_object_put(doc);
	}
	p.kib += more->kib;
	/* copies of an older version give back what was never counted */
	p.extra_kib = p.extra_kib + more->extra_kib > 0 ? p.extra_kib + more->extra_kib : 0;
	p.replicas += more->replicas;
	if (p.replicas <= 0) {
		txn_put(t, key, NULL); /* back to "missing: nothing" */
		return 0;
	}
	doc = json_object_new_object();
	jset_i64(doc, "kib", p.kib);
	jset_i64(doc, "extra_kib", p.extra_kib);
	jset_i64(doc, "replicas", p.replicas);
	txn_put(t, key, doc);
	return 0;
}
