// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * decide.c - what clients want, by the product's own change functions
 * (src/model), and one document of ours that counts: each counted step must
 * have seen the one before.
 */
#include <stdlib.h>
#include <string.h>

#include "raftsim/world.h"

#define START_MS 1700000000000ll
#define OBSERVED_MS 1000 /* the time that observations are made at, and seen at */
#define VOLUME_KIB 65536
#define RESOURCES 4
#define COUNTERS 3
#define POOLS 2

static void next_uuid(char out[37])
{
	snprintf(out, 37, "00000000-0000-4000-8000-%012x", ++ctl.uuids);
}

void env_init(struct inst *i)
{
	i->env = (struct change_env){
		.store = i->server->store,
		.observed = observed_new(),
		.now_ms = START_MS + (int64_t)(ctl.now / MS),
		.mono_ms = OBSERVED_MS,
		.uuid = next_uuid,
	};
	for (int n = 1; n <= MODEL_NODES; n++) {
		char text[200];
		json *report;

		snprintf(text, sizeof(text),
			 "{\"node\":\"n%d\",\"pools\":{\"ssd\":{\"free_kib\":%lld,"
			 "\"total_kib\":%lld,\"error\":\"\"}}}",
			 n, 100ll << 20, 100ll << 20);
		if (json_parse(text, strlen(text), &report, NULL) < 0 ||
		    observed_report(i->env.observed, report, OBSERVED_MS, NULL) < 0)
			abort();
		json_object_put(report);
	}
}

void env_close(struct inst *i)
{
	observed_free(i->env.observed);
}

u32 founding_steps(void)
{
	return 2 * MODEL_NODES + (ctl.o.joint_copies > 0);
}

void client_draw(struct client *c)
{
	static const enum op_verb often[] = {
		VERB_COUNT,   VERB_COUNT, VERB_COUNT, VERB_COUNT, VERB_COUNT,   VERB_COUNT,
		VERB_SPAWN,   VERB_SPAWN, VERB_SPAWN, VERB_SPAWN, VERB_CREATED, VERB_CREATED,
		VERB_CREATED, VERB_CAS,   VERB_CAS,   VERB_CAS,   VERB_CAS,     VERB_CAS,
		VERB_CAS,     VERB_CAS,   VERB_CAS,   VERB_POOL,  VERB_DELETE,
	};

	c->number++;
	c->tries = 0;
	c->cas_epoch = 0;
	c->step = 1 + (u32)ctl_below(MODEL_NODES);
	snprintf(c->request, sizeof(c->request), "c%u-%u", c->id, c->number);
	if (ctl.founding < founding_steps()) {
		c->verb = VERB_FOUND;
		return;
	}
	c->verb = often[ctl_below(sizeof(often) / sizeof(often[0]))];
	if (c->verb == VERB_COUNT)
		snprintf(c->name, sizeof(c->name), "counter/c%llu",
			 (unsigned long long)ctl_below(COUNTERS));
	else if (c->verb == VERB_POOL)
		snprintf(c->name, sizeof(c->name), "p%llu", (unsigned long long)ctl_below(POOLS));
	else
		snprintf(c->name, sizeof(c->name), "r%llu",
			 (unsigned long long)ctl_below(RESOURCES));
}

static int pool_make(struct change_env *env, struct txn *t, u32 node, const char *name,
		     struct err *err)
{
	struct pool p = { .kind = POOL_FILE_THIN };

	snprintf(p.node, sizeof(p.node), "n%u", node);
	snprintf(p.name, sizeof(p.name), "%s", name);
	snprintf(p.source, sizeof(p.source), "/var/lib/sdsd/%s", name);
	return change_pool_create(env, t, &p, NULL, err);
}

/* The cluster, its nodes, their pools: one transaction each */
static int found(struct change_env *env, struct txn *t, u32 step, struct err *err)
{
	struct node n = { .port = 7000 };
	char text[800];
	json *init;
	u32 id;
	int rv;

	if (step == 2 * MODEL_NODES) {
		joint_found(t);
		return 0;
	}
	if (step >= MODEL_NODES)
		return pool_make(env, t, step - MODEL_NODES + 1, "ssd", err);
	if (step > 0) {
		snprintf(n.name, sizeof(n.name), "n%u", step + 1);
		snprintf(n.address, sizeof(n.address), "10.0.0.%u", step + 1);
		snprintf(n.fingerprint, sizeof(n.fingerprint), "%064u", step + 1);
		return change_node_add(env, t, &n, &id, err);
	}
	snprintf(text, sizeof(text),
		 "{\"cluster\":\"11111111-1111-4111-8111-111111111111\",\"name\":\"lab\","
		 "\"ca_cert_pem\":\"cert\",\"ca_key_sealed\":\"key\",\"token\":null,"
		 "\"node\":{\"name\":\"n1\",\"id\":1,\"address\":\"10.0.0.1\",\"port\":7000,"
		 "\"uuid\":\"22222222-2222-4222-8222-222222222222\",\"fingerprint\":\"%064d\"}}",
		 1);
	if (json_parse(text, strlen(text), &init, NULL) < 0)
		abort();
	rv = change_cluster_init(env, t, init, err);
	json_object_put(init);
	return rv;
}

static int count(struct change_env *env, struct txn *t, const char *key)
{
	json *doc = NULL;
	int rv = txn_get(t, env->store, key, &doc);

	if (rv < 0 && rv != -E_NOT_FOUND)
		return rv;
	if (!doc)
		doc = json_object_new_object();
	jset_i64(doc, "n", jget_i64_or(doc, "n", 0) + 1);
	txn_put(t, key, doc);
	return 0;
}

static int created(struct change_env *env, struct txn *t, const char *resource, const char *node,
		   struct err *err)
{
	char key[STORE_KEY_MAX], uuid[40];
	json *doc = NULL;
	int rv;

	replica_key(resource, node, key, sizeof(key));
	rv = store_get(env->store, key, &doc, NULL);
	if (rv < 0)
		return err_set(err, rv, "no replica");
	snprintf(uuid, sizeof(uuid), "%s", jget_str(doc, "uuid", ""));
	json_object_put(doc);
	return change_replica_created(env, t, resource, node, uuid, 0, "", err);
}

/* The record as a data plane saw it once; it does not look again for a retry */
static int cas(struct client *c, struct change_env *env, struct txn *t, struct err *err)
{
	struct record present, next = { 0 };
	char key[STORE_KEY_MAX];
	json *doc = NULL;
	int rv;

	if (!c->cas_epoch) {
		record_key(c->name, key, sizeof(key));
		rv = store_get(env->store, key, &doc, NULL);
		if (rv < 0)
			return err_set(err, rv, "no record");
		rv = record_parse(doc, &present, err);
		snprintf(c->cas_uuid, sizeof(c->cas_uuid), "%s", jget_str(doc, "uuid", ""));
		json_object_put(doc);
		if (rv < 0)
			return rv;
		c->cas_epoch = present.epoch + 1;
	}
	next.epoch = c->cas_epoch;
	next.writer = (int)(c->number % 2);
	next.in_sync = 1 + c->number % 3;
	next.tag.node = c->id + 1;
	next.tag.counter = c->number;
	return change_record(env, t, c->name, c->cas_uuid, &next, &present, err);
}

int client_decide(struct client *c, struct inst *i, struct txn *t, struct err *err)
{
	struct change_env *env = &i->env;
	const int64_t sizes[] = { VOLUME_KIB };
	char node[16];

	env->now_ms = START_MS + (int64_t)(server_clock_us(i->server) / MS);
	snprintf(node, sizeof(node), "n%u", c->step);
	switch (c->verb) {
	case VERB_FOUND:
		return found(env, t, ctl.founding, err);
	case VERB_COUNT:
		return count(env, t, c->name);
	case VERB_SPAWN:
		return change_spawn(env, t, "DfltRscGrp", c->name, sizes, 1, false, NULL, NULL,
				    err);
	case VERB_CREATED:
		return created(env, t, c->name, node, err);
	case VERB_CAS:
		return cas(c, env, t, err);
	case VERB_DELETE:
		return change_resource_delete(env, t, c->name, err);
	case VERB_POOL:
		if (c->number % 2)
			return pool_make(env, t, c->step, c->name, err);
		return change_pool_delete(env, t, node, c->name, err);
	case VERB_ASK:
		return joint_decide(c, env, t, err);
	case VERBS:
		break;
	}
	return err_set(err, -E_INVALID, "no such verb");
}
