// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * recover.c - RECOVER_JSON is written first: a daemon that finds it beside a log with other servers
 * refuses to start (founding.c), so that what was interrupted between the two is seen, and done
 * again.
 */
#include "cluster/recover.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "cluster/statedir.h"
#include "model/change.h"
#include "raft/consensus.h"

struct survey {
	struct store *store;
	const struct identity *id;
	json *lost; /* as RECOVER_JSON has it */
	json *others, *here, *elsewhere;
	bool self; /* the store knows this node */
};

static int add_node(const char *key, json *doc, uint64_t revision, void *arg)
{
	struct survey *s = arg;
	const char *name = jget_str(doc, "name", "");
	json *one;

	if (strcasecmp(name, s->id->node) == 0) {
		s->self = jget_i64_or(doc, "id", 0) == s->id->node_id;
		return 0;
	}
	if (node_is_barred(doc))
		return 0;
	json_object_array_add(s->others, json_object_new_string(name));
	one = json_object_new_object();
	jset_str(one, "name", name);
	jset_i64(one, "id", jget_i64_or(doc, "id", 0));
	json_object_array_add(s->lost, one);
	return 0;
}

/* Has this node a copy that is in sync, as the record says? */
static bool is_here(struct survey *s, const char *resource, const struct record *record)
{
	char key[STORE_KEY_MAX];
	struct replica r;
	json *doc;
	bool is;

	replica_key(resource, s->id->node, key, sizeof(key));
	if (store_get(s->store, key, &doc, NULL) < 0)
		return false;
	is = replica_parse(doc, &r, NULL) == 0 && !r.diskless &&
	     (record->in_sync & 1u << r.slot) != 0;
	json_object_put(doc);
	return is;
}

static int add_record(const char *key, json *doc, uint64_t revision, void *arg)
{
	struct survey *s = arg;
	const char *name = strchr(key, '/') + 1;
	struct record record;

	if (record_parse(doc, &record, NULL) == 0)
		json_object_array_add(is_here(s, name, &record) ? s->here : s->elsewhere,
				      json_object_new_string(name));
	return 0;
}

static int look(struct survey *s, struct err *err)
{
	int rv = store_list(s->store, "node/", add_node, s);

	if (rv == 0)
		rv = store_list(s->store, "record/", add_record, s);
	if (rv < 0)
		return err_set(err, rv, "%s: its definitions cannot be read: %s", s->id->dir,
			       err_name(rv));
	if (!s->self)
		return err_set(
			err, -E_INVALID,
			"node %s does not know itself as a node of the cluster: it has never "
			"heard of the others, or was removed; recover another one",
			s->id->node);
	if (json_object_array_length(s->others) == 0)
		return err_set(
			err, -E_INVALID,
			"node %s is the only node of cluster %s: there is nothing to recover, "
			"it leads as soon as it runs",
			s->id->node, s->id->cluster_name);
	return 0;
}

static json *report(const struct survey *s)
{
	json *o = json_object_new_object();

	jset_str(o, "node", s->id->node);
	jset_str(o, "cluster", s->id->cluster_name);
	jset_i64(o, "applied", (int64_t)store_applied(s->store));
	jset(o, "others", json_object_get(s->others));
	jset(o, "here", json_object_get(s->here));
	jset(o, "elsewhere", json_object_get(s->elsewhere));
	return o;
}

static int write_file(const struct survey *s, struct err *err)
{
	json *o = json_object_new_object();
	struct buf text;
	int rv;

	jset_str(o, "node", s->id->node);
	jset_i64(o, "at_ms", clock_wall_ms());
	jset(o, "lost", json_object_get(s->lost));
	buf_init(&text, RECOVER_JSON_MAX);
	rv = buf_printf(&text, "%s\n", json_text(o));
	json_object_put(o);
	if (rv < 0)
		err_set(err, rv, RECOVER_JSON ": %s", err_name(rv));
	else
		rv = statedir_write(s->id->dir, RECOVER_JSON, &text, 0600, err);
	buf_release(&text);
	return rv;
}

static int force(const struct survey *s, struct err *err)
{
	char address[CONSENSUS_ADDRESS_MAX];
	int rv = write_file(s, err);

	if (rv < 0)
		return rv;
	consensus_address(s->id->address, s->id->port, address);
	return consensus_recover(s->id->dir, s->id->node_id, address, err);
}

static int recover(const char *dir, bool forced, json **ret, struct err *err)
{
	struct identity id;
	struct survey s = { .id = &id };
	int rv = identity_load(dir, &id, err);

	if (rv == 0)
		rv = identity_lock(dir, err);
	if (rv == 0)
		rv = store_open(dir, 0, &s.store, err);
	if (rv < 0)
		return rv;
	s.lost = json_object_new_array();
	s.others = json_object_new_array();
	s.here = json_object_new_array();
	s.elsewhere = json_object_new_array();
	rv = look(&s, err);
	if (rv == 0 && forced)
		rv = force(&s, err);
	if (rv == 0)
		*ret = report(&s);
	json_object_put(s.lost);
	json_object_put(s.others);
	json_object_put(s.here);
	json_object_put(s.elsewhere);
	store_close(s.store);
	return rv;
}

int recover_look(const char *dir, json **ret, struct err *err)
{
	return recover(dir, false, ret, err);
}

int recover_force(const char *dir, json **ret, struct err *err)
{
	return recover(dir, true, ret, err);
}
