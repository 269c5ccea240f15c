// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * change_node_state.c - nodes that are away, are evacuated, or are lost. What
 * follows for the resources is upkeep.c's to decide; here is what the node's document says, and the
 * end of a node that is lost. Called by the API, for users and for its leader.
 */
#include "model/node_docs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "model/place.h"
#include "model/upkeep.h"

/* wall clock; a leader that has never heard of it says now */
static int64_t last_heard_ms(struct change_env *env, const char *name)
{
	int64_t age = observed_age_ms(env->observed, name, env->mono_ms);

	return age > 0 && age < env->now_ms ? env->now_ms - age : env->now_ms;
}

int change_node_away(struct change_env *env, struct txn *t, const char *name, bool away,
		     struct err *err)
{
	char key[STORE_KEY_MAX];
	json *doc;
	int rv = node_docs_read(env, t, name, key, &doc, err);

	if (rv < 0)
		return rv;
	if (away == (jget_i64_or(doc, "away_ms", 0) > 0)) {
		json_object_put(doc);
		return 0;
	}
	if (away)
		jset_i64(doc, "away_ms", last_heard_ms(env, name));
	else
		json_object_object_del(doc, "away_ms");
	txn_put(t, key, doc);
	return 0;
}

int change_node_evacuate(struct change_env *env, struct txn *t, const char *name, bool on,
			 struct err *err)
{
	char key[STORE_KEY_MAX];
	json *doc;
	int rv = node_docs_read(env, t, name, key, &doc, err);

	if (rv < 0)
		return rv;
	if (node_has_flag(doc, NODE_LOST))
		rv = err_set(err, -E_INVALID, "node %s: it is lost, and will be forgotten", name);
	if (rv < 0 || node_has_flag(doc, NODE_EVACUATE) == on) {
		json_object_put(doc);
		return rv;
	}
	node_write_flag(doc, NODE_EVACUATE, on);
	txn_put(t, key, doc);
	return 0;
}

struct node_count {
	const char *but;
	int n;
};

static int count_others(const char *key, json *doc, uint64_t revision, void *arg)
{
	struct node_count *c = arg;

	c->n += strcasecmp(jget_str(doc, "name", ""), c->but) != 0 &&
		!node_has_flag(doc, NODE_LOST);
	return 0;
}

int change_node_lose(struct change_env *env, struct txn *t, const char *name, struct err *err)
{
	struct node_count others = { .but = name };
	char key[STORE_KEY_MAX];
	json *doc;
	int rv;

	rv = node_docs_read(env, t, name, key, &doc, err);
	if (rv < 0)
		return rv;
	if (observed_awaited(env->observed, name, env->mono_ms))
		rv = err_set(err, -EAGAIN,
			     "node %.60s: the new leader cannot know yet whether it answers", name);
	else if (observed_online(env->observed, name, env->mono_ms))
		rv = err_set(err, -E_IN_USE,
			     "node %.60s: it answers, so it is not lost; evacuate and delete it",
			     name);
	if (rv == 0)
		rv = txn_list(t, env->store, "node/", count_others, &others);
	if (rv == 0 && others.n == 0)
		rv = err_set(err, -E_IN_USE, "node %.60s: is the last node of the cluster", name);
	if (rv < 0 || node_has_flag(doc, NODE_LOST)) {
		json_object_put(doc);
		return rv;
	}
	node_write_flag(doc, NODE_EVACUATE, false);
	node_write_flag(doc, NODE_LOST, true);
	txn_put(t, key, doc);
	return 0;
}

struct forget {
	struct txn *t;
	const char *node;
};

static int drop_from_snapshot(const char *key, json *doc, uint64_t revision, void *arg)
{
	struct forget *f = arg;
	struct snapshot s;
	int n = 0;

	if (snapshot_parse(doc, &s, NULL) < 0 || !snapshot_copy_on(&s, f->node))
		return 0;
	for (int i = 0; i < s.n_copies; i++) {
		if (strcasecmp(s.copy[i].node, f->node) != 0)
			s.copy[n++] = s.copy[i];
	}
	s.n_copies = n;
	if (n == 0) {
		txn_put(f->t, key, NULL);
		return 0;
	}
	snapshot_write_copies(doc, &s);
	txn_put(f->t, key, json_object_get(doc));
	return 0;
}

static int count_key(const char *key, json *doc, uint64_t revision, void *arg)
{
	(*(int *)arg)++;
	return 0;
}

int change_node_forget(struct change_env *env, struct txn *t, const char *name, struct err *err)
{
	char key[STORE_KEY_MAX], prefix[STORE_KEY_MAX], low[NAME_MAX_LEN + 1];
	struct forget f = { t, name };
	int placed = 0, rv;
	bool lost;
	json *doc;

	rv = node_docs_read(env, t, name, key, &doc, err);
	if (rv < 0)
		return rv;
	lost = node_has_flag(doc, NODE_LOST);
	json_object_put(doc);
	if (!lost)
		return 0;
	name_key(name, low);
	snprintf(prefix, sizeof(prefix), "placed/%s/", low);
	rv = txn_list(t, env->store, prefix, count_key, &placed);
	if (rv == 0 && placed > 0)
		return 0;
	if (rv == 0)
		rv = txn_list(t, env->store, "snapshot/", drop_from_snapshot, &f);
	if (rv < 0)
		return err_set(err, rv, "node %.60s: %s", name, err_name(rv));
	return node_docs_drop(env, t, name, err);
}
