// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_change_random.c - long random sequences of requests, now and then two
 * decided from the same state: afterwards every counter, index, slot and record
 * must agree with the replicas, and in the end everything can be deleted.
 * MODEL_SEED=<n> runs one seed again.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/modelworld.h"

#define NODES 5
#define RESOURCES 6
#define STEPS 250
#define SEEDS 4

TestSuite(change_random);

static uint64_t state;

static int draw(int n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (int)(state % (uint64_t)n);
}

static const char *node(void)
{
	static const char *const names[NODES] = { "n1", "n2", "n3", "n4", "n5" };

	return names[draw(NODES)];
}

static const char *resource(void)
{
	static const char *const names[RESOURCES] = { "ra", "rb", "rc", "rd", "re", "rf" };

	return names[draw(RESOURCES)];
}

/* a proposal such as data planes make, mostly a sensible one */
static int record_step(struct world *w, struct txn *t, const char *name)
{
	struct record r = { 0 }, present;
	char key[64];
	json *doc;
	int rv;

	snprintf(key, sizeof(key), "record/%s", name);
	doc = world_doc(w, key);
	if (!doc)
		return -E_NOT_FOUND;
	cr_assert_eq(record_parse(doc, &r, NULL), 0);
	r.epoch++;
	r.writer = draw(4) - 1;
	r.in_sync = draw(3) ? r.in_sync | 1u << draw(4) : r.in_sync & (uint32_t)draw(16);
	rv = change_record(&w->env, t, name, jget_str(doc, "uuid", ""), &r, &present, &w->err);
	json_object_put(doc);
	return rv;
}

/* of some volume; "" */
static const char *volume_uuid(struct world *w, const char *name)
{
	static char uuid[37];
	struct resource r;
	char key[64];
	json *doc;

	uuid[0] = '\0';
	snprintf(key, sizeof(key), "resource/%s", name);
	doc = world_doc(w, key);
	if (doc && resource_parse(doc, &r, NULL) == 0 && r.n_volumes > 0)
		snprintf(uuid, sizeof(uuid), "%s", r.volume[draw(r.n_volumes)].uuid);
	json_object_put(doc);
	return uuid;
}

static int created_step(struct world *w, struct txn *t, const char *name, const char *on)
{
	char key[64];
	json *doc;
	int rv;

	snprintf(key, sizeof(key), "replica/%s/%s", name, on);
	doc = world_doc(w, key);
	rv = change_replica_created(&w->env, t, name, on, jget_str(doc, "uuid", ""),
				    draw(2) ? 0 : draw(4), volume_uuid(w, name), &w->err);
	json_object_put(doc);
	return rv;
}

static int decide(struct world *w, struct txn *t)
{
	struct change_place place = { .copies = 1 + draw(3), .diskless_on_remaining = !draw(4) };
	const int64_t sizes[3] = { (1 + draw(30)) * GIB, GIB, 4 }, size = sizes[0];
	const char *name = resource(), *on = node();
	int n;

	switch (draw(12)) {
	case 0:
	case 1:
		return change_spawn(&w->env, t, NULL, name, sizes, 1 + draw(3), !draw(5), NULL,
				    &place, &w->err);
	case 2:
		return change_autoplace(&w->env, t, name, &place, &n, &w->err);
	case 3:
		return change_replica_create(&w->env, t, name, on, NULL, draw(2), &w->err);
	case 4:
	case 5:
		return change_replica_delete(&w->env, t, name, on, &w->err);
	case 6:
		return change_replica_reap(&w->env, t, name, &w->err);
	case 7:
		return record_step(w, t, name);
	case 8:
		return created_step(w, t, name, on);
	case 9:
		return draw(2) ? change_resource_delete(&w->env, t, name, &w->err)
			       : change_volume_delete(&w->env, t, name, draw(4), &w->err);
	case 10:
		return change_volume_modify(&w->env, t, name, draw(4), size, NULL, &w->err);
	default:
		return change_volume_create(&w->env, t, name, -1, size, NULL, &n, &w->err);
	}
}

static void report(struct world *w)
{
	const char *names[NODES] = { "n1", "n2", "n3", "n4", "n5" };

	for (int i = 0; i < NODES; i++) {
		if (draw(3))
			world_report_open(w, names[i], resource(), draw(3) == 0);
	}
}

static void step(struct world *w, int *ret_applied)
{
	struct txn *t[2] = { NULL, NULL };
	int n = draw(3) ? 1 : 2;
	enum txn_outcome outcome;

	w->env.mono_ms += draw(2) * 700;
	if (draw(3) == 0)
		report(w);
	for (int i = 0; i < n; i++) {
		t[i] = world_txn();
		if (decide(w, t[i]) < 0) {
			txn_free(t[i]);
			t[i] = NULL;
		}
	}
	for (int i = 0; i < n; i++) {
		if (!t[i])
			continue;
		outcome = world_apply(w, t[i]);
		cr_assert(outcome == TXN_APPLIED || (i == 1 && outcome == TXN_CONFLICT));
		*ret_applied += outcome == TXN_APPLIED;
		world_check(w);
	}
}

static void run(uint64_t seed)
{
	struct world w;
	int applied = 0;

	printf("MODEL_SEED=%llu\n", (unsigned long long)seed);
	fflush(stdout);
	state = seed * 0x9e3779b97f4a7c15ull + 1;
	world_cluster(&w, NODES);
	for (int i = 0; i < STEPS; i++)
		step(&w, &applied);
	cr_expect_gt(applied, STEPS / 4);
	/* deletes always finish: with no node there */
	w.env.mono_ms += OBSERVED_STALE_MS;
	for (int i = 0; i < 100 * RESOURCES; i++)
		(void)WORLD(&w, change_resource_delete, resource());
	cr_expect_eq(world_count(&w, "resource/"), 0);
	cr_expect_eq(world_count(&w, "replica/"), 0);
	cr_expect_eq(world_count(&w, "record/"), 0);
	cr_expect_eq(world_count(&w, "promise/"), 0);
	cr_expect_eq(world_count(&w, "placed/"), 0);
	cr_expect_eq(world_count(&w, "minor/"), 0);
	world_close(&w);
}

Test(change_random, counters_agree)
{
	const char *one = getenv("MODEL_SEED");

	if (one) {
		run(strtoull(one, NULL, 10));
		return;
	}
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		run(seed);
}
