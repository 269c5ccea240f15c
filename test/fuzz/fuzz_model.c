// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fuzz_model.c - requests of users and nodes on a cluster of three nodes with
 * one resource: each line is a letter for the change function and the JSON of
 * its body. What a function accepts is encoded and applied; what it refuses has
 * a sentence. In the end every document must still be one that its reader
 * takes: nothing broken may get into the store.
 */
#include "fuzz/fuzz.h"

#include "model/change.h"

#define LINES_MAX 8
#define SIZES_MAX 4

struct call {
	struct change_env *env;
	struct txn *txn;
	json *body;
	const char *name, *node, *pool;
	struct err err;
};

static struct store *store;
static struct observed *observed;
static struct change_env env;
static struct buf base;
static unsigned uuids;

static void next_uuid(char out[37])
{
	snprintf(out, 37, "00000000-0000-4000-8000-%012x", ++uuids);
}

static int next_key(char out[VOLUME_SEALED_MAX], struct err *err, void *arg)
{
	snprintf(out, VOLUME_SEALED_MAX, "c2VhbGVk");
	return 0;
}

/* ---- one function for each letter ---- */

static int node_add(struct call *c)
{
	struct node n = { .port = (int)jget_i64_or(c->body, "port", 7700) };
	uint32_t id;

	snprintf(n.name, sizeof(n.name), "%s", c->node);
	snprintf(n.address, sizeof(n.address), "%s", jget_str(c->body, "address", "10.0.0.9"));
	snprintf(n.uuid, sizeof(n.uuid), "%s", jget_str(c->body, "uuid", ""));
	snprintf(n.fingerprint, sizeof(n.fingerprint), "%064d", 9);
	return change_node_add(c->env, c->txn, &n, &id, &c->err);
}

static int node_delete(struct call *c)
{
	return change_node_delete(c->env, c->txn, c->node, &c->err);
}

static int node_modify(struct call *c)
{
	return change_node_modify(c->env, c->txn, c->node, c->body, &c->err);
}

static int pool_create(struct call *c)
{
	struct pool p = { .kind = POOL_FILE };

	snprintf(p.node, sizeof(p.node), "%s", c->node);
	snprintf(p.name, sizeof(p.name), "%s", c->pool);
	snprintf(p.source, sizeof(p.source), "%s", jget_str(c->body, "source", "/x"));
	return change_pool_create(c->env, c->txn, &p, jget(c->body, "props"), &c->err);
}

static int pool_delete(struct call *c)
{
	return change_pool_delete(c->env, c->txn, c->node, c->pool, &c->err);
}

static int group_create(struct call *c)
{
	return change_group_create(c->env, c->txn, c->body, NULL, &c->err);
}

static int group_modify(struct call *c)
{
	return change_group_modify(c->env, c->txn, c->name, c->body, NULL, &c->err);
}

static int group_delete(struct call *c)
{
	return change_group_delete(c->env, c->txn, c->name, &c->err);
}

static int resource_create(struct call *c)
{
	return change_resource_create(c->env, c->txn, c->name, jget_str(c->body, "group", NULL),
				      LAYERS_UNSAID, jget(c->body, "props"), &c->err);
}

static int resource_modify(struct call *c)
{
	return change_resource_modify(c->env, c->txn, c->name, c->body, &c->err);
}

static int resource_delete(struct call *c)
{
	return change_resource_delete(c->env, c->txn, c->name, &c->err);
}

static int volume_create(struct call *c)
{
	int number;

	return change_volume_create(c->env, c->txn, c->name,
				    (int)jget_i64_or(c->body, "number", -1),
				    jget_i64_or(c->body, "size_kib", 4096), jget(c->body, "props"),
				    &number, &c->err);
}

static int number_of(struct call *c)
{
	return (int)(jget_i64_or(c->body, "number", 0) % INT32_MAX);
}

static int volume_modify(struct call *c)
{
	return change_volume_modify(c->env, c->txn, c->name, number_of(c),
				    jget_i64_or(c->body, "size_kib", 0), c->body, &c->err);
}

static int volume_delete(struct call *c)
{
	return change_volume_delete(c->env, c->txn, c->name, (int)jget_i64_or(c->body, "number", 0),
				    &c->err);
}

static int spawn(struct call *c)
{
	json *list = jget(c->body, "sizes");
	struct change_place place;
	int64_t sizes[SIZES_MAX];
	int n = 0, rv = change_place_parse(jget(c->body, "select_filter"), &place, &c->err);

	for (; n < SIZES_MAX && json_object_is_type(list, json_type_array) &&
	       n < (int)json_object_array_length(list);
	     n++)
		sizes[n] = json_object_get_int64(json_object_array_get_idx(list, (size_t)n));
	if (rv < 0)
		return rv;
	return change_spawn(c->env, c->txn, jget_str(c->body, "group", GROUP_DEFAULT), c->name,
			    sizes, n, jget_bool(c->body, "definitions_only", false),
			    jget(c->body, "props"), jget(c->body, "select_filter") ? &place : NULL,
			    &c->err);
}

static int autoplace(struct call *c)
{
	struct change_place place;
	int added, rv = change_place_parse(jget(c->body, "select_filter"), &place, &c->err);

	return rv < 0 ? rv : change_autoplace(c->env, c->txn, c->name, &place, &added, &c->err);
}

static int replica_create(struct call *c)
{
	return change_replica_create(c->env, c->txn, c->name, c->node,
				     jget_str(c->body, "pool", NULL),
				     jget_bool(c->body, "diskless", false), &c->err);
}

static int replica_delete(struct call *c)
{
	return change_replica_delete(c->env, c->txn, c->name, c->node, &c->err);
}

static int replica_reap(struct call *c)
{
	return change_replica_reap(c->env, c->txn, c->name, &c->err);
}

static int replica_created(struct call *c)
{
	return change_replica_created(c->env, c->txn, c->name, c->node,
				      jget_str(c->body, "uuid", ""), number_of(c),
				      jget_str(c->body, "volume", ""), &c->err);
}

static int leftover_done(struct call *c)
{
	return change_leftover_done(c->env, c->txn, c->node, jget_str(c->body, "uuid", ""),
				    number_of(c), jget_str(c->body, "volume", ""), &c->err);
}

static int record_cas(struct call *c)
{
	struct record next, present;
	json *doc = NULL;
	char key[STORE_KEY_MAX], uuid[64];
	int rv = record_parse(jget(c->body, "record"), &next, &c->err);

	if (rv < 0)
		return rv;
	/* the real one, unless the input has another */
	resource_key(c->name, key, sizeof(key));
	store_get(store, key, &doc, NULL);
	snprintf(uuid, sizeof(uuid), "%s", jget_str(c->body, "uuid", jget_str(doc, "uuid", "")));
	json_object_put(doc);
	return change_record(c->env, c->txn, c->name, uuid, &next, &present, &c->err);
}

static int token_create(struct call *c)
{
	return change_token_create(c->env, c->txn, jget_str(c->body, "id", "0a0a0a0a"),
				   jget_str(c->body, "secret", ""),
				   jget_i64_or(c->body, "expires", 1), &c->err);
}

static int token_use(struct call *c)
{
	return change_token_use(c->env, c->txn, jget_str(c->body, "id", "0a0a0a0a"),
				jget_str(c->body, "secret", ""), c->node, &c->err);
}

static int token_delete(struct call *c)
{
	return change_token_delete(c->env, c->txn, jget_str(c->body, "id", "0a0a0a0a"), &c->err);
}

static const char *snapshot_of(struct call *c)
{
	return jget_str(c->body, "snapshot", "s1");
}

static int snapshot_begin(struct call *c)
{
	return change_snapshot_begin(c->env, c->txn, c->name, snapshot_of(c),
				     jget(c->body, "props"), &c->err);
}

/* by n1 alone, or as the body says by nobody; the uuid is the real one unless it has another */
static int snapshot_taken(struct call *c)
{
	char key[STORE_KEY_MAX], uuid[64];
	const char *nodes[] = { c->node };
	json *doc = NULL;

	snapshot_key(c->name, snapshot_of(c), key, sizeof(key));
	store_get(store, key, &doc, NULL);
	snprintf(uuid, sizeof(uuid), "%s", jget_str(c->body, "uuid", jget_str(doc, "uuid", "")));
	json_object_put(doc);
	return change_snapshot_taken(c->env, c->txn, c->name, snapshot_of(c), uuid, nodes,
				     jget_bool(c->body, "failed", false) ? 0 : 1, &c->err);
}

static int snapshot_delete(struct call *c)
{
	return change_snapshot_delete(c->env, c->txn, c->name, snapshot_of(c), &c->err);
}

static int snapshot_delete_on(struct call *c)
{
	const char *nodes[] = { c->node };
	bool gone;

	return change_snapshot_delete_on(c->env, c->txn, c->name, snapshot_of(c), nodes, 1, &gone,
					 &c->err);
}

static int resource_truncate(struct call *c)
{
	bool gone;

	return change_resource_truncate(c->env, c->txn, c->name,
					jget_bool(c->body, "delete_empty", false), &gone, &c->err);
}

static int replica_migration(struct call *c)
{
	bool create = jget_bool(c->body, "create", false), some;

	return change_replica_migration(c->env, c->txn, c->name, c->node, create, true, &some,
					&c->err);
}

static int replica_unavailable(struct call *c)
{
	bool gone;

	return change_replica_unavailable(c->env, c->txn, c->name, c->node, &gone, &c->err);
}

static int snapshot_spawn(struct call *c)
{
	return change_snapshot_spawn(c->env, c->txn, c->name, snapshot_of(c),
				     jget_str(c->body, "to", "copy"), &c->err);
}

static int snapshot_rollback(struct call *c)
{
	return change_snapshot_rollback(c->env, c->txn, c->name, snapshot_of(c), &c->err);
}

static int clone_begin(struct call *c)
{
	char name[NAME_MAX_LEN + 1];

	return change_clone_begin(c->env, c->txn, c->name, jget_str(c->body, "to", "copy"),
				  jget_str(c->body, "group", NULL), jget(c->body, "props"), name,
				  &c->err);
}

static int clone_advance(struct call *c)
{
	return change_clone_advance(c->env, c->txn, c->name, snapshot_of(c), &c->err);
}

static int pool_modify(struct call *c)
{
	return change_pool_modify(c->env, c->txn, c->node, c->pool, c->body, &c->err);
}

static int netif_create(struct call *c)
{
	return change_netif_create(c->env, c->txn, c->node, c->body, &c->err);
}

static int netif_modify(struct call *c)
{
	return change_netif_modify(c->env, c->txn, c->node, c->name, c->body, &c->err);
}

static int netif_delete(struct call *c)
{
	return change_netif_delete(c->env, c->txn, c->node, c->name, &c->err);
}

static int node_connection(struct call *c)
{
	return change_node_connection(c->env, c->txn, c->node, jget_str(c->body, "to", "n2"),
				      c->body, &c->err);
}

static int resource_connection(struct call *c)
{
	return change_resource_connection(c->env, c->txn, c->name, c->node,
					  jget_str(c->body, "to", "n2"), c->body, &c->err);
}

static int kvs_modify(struct call *c)
{
	return change_kvs_modify(c->env, c->txn, c->name, c->body, &c->err);
}

static int kvs_delete(struct call *c)
{
	return change_kvs_delete(c->env, c->txn, c->name, &c->err);
}

static int controller_modify(struct call *c)
{
	return change_controller_modify(c->env, c->txn, c->body, &c->err);
}

static int definition_create(struct call *c)
{
	return change_pool_definition_create(c->env, c->txn, c->name, jget(c->body, "props"),
					     &c->err);
}

static int definition_modify(struct call *c)
{
	return change_pool_definition_modify(c->env, c->txn, c->name, c->body, &c->err);
}

static int definition_delete(struct call *c)
{
	return change_pool_definition_delete(c->env, c->txn, c->name, &c->err);
}

/* not a change: what a node says of itself, which placement reads */
static int report(struct call *c)
{
	return observed_report(observed, c->body, env.mono_ms, &c->err);
}

static int (*const calls[])(struct call *c) = {
	node_add,
	node_delete,
	node_modify,
	pool_create,
	pool_delete,
	group_create,
	group_modify,
	group_delete,
	resource_create,
	resource_modify,
	resource_delete,
	volume_create,
	volume_delete,
	spawn,
	autoplace,
	replica_create,
	replica_delete,
	replica_reap,
	replica_created,
	leftover_done,
	record_cas,
	token_create,
	token_use,
	token_delete,
	report,
	volume_modify,
	snapshot_begin,
	snapshot_taken,
	snapshot_delete,
	snapshot_spawn,
	snapshot_rollback,
	clone_begin,
	clone_advance,
	pool_modify,
	netif_create,
	netif_modify,
	netif_delete,
	node_connection,
	resource_connection,
	kvs_modify,
	kvs_delete,
	controller_modify,
	definition_create,
	definition_modify,
	definition_delete,
	snapshot_delete_on,
	resource_truncate,
	replica_migration,
	replica_unavailable,
};
#define CALLS (sizeof(calls) / sizeof(calls[0]))

/* ---- the world ---- */

static bool apply(struct txn *t)
{
	struct txn_result result = { 0 };
	struct err err = { 0 };
	struct buf out;
	int rv;

	buf_init(&out, TXN_BYTES_MAX);
	rv = txn_encode(t, &out, &err);
	if (rv == 0) {
		FUZZ_CHECK(store_apply(store, store_applied(store) + 1, out.data, out.len, &result,
				       &err) == 0);
		FUZZ_CHECK(result.outcome == TXN_APPLIED);
	} else {
		FUZZ_CHECK(err.text[0]);
	}
	buf_release(&out);
	return rv == 0;
}

/* true: the store has changed */
static bool one_call(const char *line)
{
	struct call c = { .env = &env, .txn = txn_new("", "fuzz") };
	bool changed = false;
	int rv;

	FUZZ_CHECK(c.txn);
	if (line[0] && json_parse(line + 1, strlen(line + 1), &c.body, &(struct err){ 0 }) == 0) {
		c.name = jget_str(c.body, "name", "db");
		c.node = jget_str(c.body, "node", "n1");
		c.pool = jget_str(c.body, "storpool", "ssd");
		rv = calls[(uint8_t)(line[0] - 'A') % CALLS](&c);
		FUZZ_CHECK(rv <= 0 && (rv == 0 || c.err.text[0]));
		if (rv == 0 && !txn_is_empty(c.txn))
			changed = apply(c.txn);
	}
	json_object_put(c.body);
	txn_free(c.txn);
	return changed;
}

static int read_one(const char *key, json *doc, uint64_t revision, void *arg)
{
	struct err err = { 0 };
	union {
		struct node node;
		struct pool pool;
		struct resource resource;
		struct replica replica;
		struct record record;
		struct snapshot snapshot;
	} u;
	int rv;

	switch (*(const int *)arg) {
	case 0:
		rv = node_parse(doc, &u.node, &err);
		break;
	case 1:
		rv = pool_parse(doc, &u.pool, &err);
		break;
	case 2:
		rv = resource_parse(doc, &u.resource, &err);
		break;
	case 3:
		rv = replica_parse(doc, &u.replica, &err);
		break;
	case 4:
		rv = record_parse(doc, &u.record, &err);
		break;
	default:
		rv = snapshot_parse(doc, &u.snapshot, &err);
		break;
	}
	if (rv < 0)
		fprintf(stderr, "%s: %s: %s\n", key, err.text, json_text(doc));
	FUZZ_CHECK(rv == 0);
	return 0;
}

static void read_all(void)
{
	static const char *const prefixes[] = { "node/",    "pool/",   "resource/",
						"replica/", "record/", "snapshot/" };

	for (int i = 0; i < 6; i++)
		FUZZ_CHECK(store_list(store, prefixes[i], read_one, &i) == 0);
}

static void begin(void)
{
	static const char *const reports[] = { "n1", "n2", "n3" };
	char line[256];

	uuids = 1000;
	observed_clear(observed);
	for (int i = 0; i < 3; i++) {
		snprintf(line, sizeof(line),
			 "Y{\"node\":\"%s\",\"pools\":{\"ssd\":{\"free_kib\":104857600,"
			 "\"total_kib\":104857600,\"error\":\"\"}}}",
			 reports[i]);
		one_call(line);
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char *const lines[] = {
		"A{\"node\":\"n2\",\"address\":\"10.0.0.2\"}",
		"A{\"node\":\"n3\",\"address\":\"10.0.0.3\"}",
		"D{\"node\":\"n1\"}",
		"D{\"node\":\"n2\"}",
		"D{\"node\":\"n3\"}",
		"N{\"name\":\"db\",\"sizes\":[1048576],\"select_filter\":{\"place_count\":2}}",
	};
	char text[1024];
	struct err err = { 0 };
	struct txn *t = txn_new("", "fuzz");
	json *init = NULL;

	FUZZ_CHECK(store_open(fuzz_dir(), 64u << 20, &store, &err) == 0);
	observed = observed_new();
	env =
		(struct change_env){ store,    observed, 1700000000000ll, 1000, next_uuid,
				     next_key, NULL };
	snprintf(text, sizeof(text),
		 "{\"cluster\":\"11111111-1111-4111-8111-111111111111\",\"name\":\"lab\","
		 "\"ca_cert_pem\":\"cert\",\"ca_key_sealed\":\"key\",\"token\":null,"
		 "\"node\":{\"name\":\"n1\",\"id\":1,\"address\":\"10.0.0.1\",\"port\":7000,"
		 "\"uuid\":\"22222222-2222-4222-8222-222222222222\",\"fingerprint\":\"%064d\"}}",
		 1);
	FUZZ_CHECK(json_parse(text, strlen(text), &init, &err) == 0);
	FUZZ_CHECK(change_cluster_init(&env, t, init, &err) == 0 && apply(t));
	json_object_put(init);
	txn_free(t);
	begin();
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		FUZZ_CHECK(one_call(lines[i]));
	buf_init(&base, 16u << 20);
	FUZZ_CHECK(store_dump(store, &base, &err) == 0);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input in = { data, len };
	struct err err = { 0 };
	bool changed = false;

	begin();
	for (int i = 0; i < LINES_MAX && in.left > 0; i++) {
		char *line = input_line(&in);

		changed |= one_call(line);
		free(line);
	}
	if (changed) {
		read_all();
		FUZZ_CHECK(store_restore(store, base.data, base.len, &err) == 0);
	}
	return 0;
}
