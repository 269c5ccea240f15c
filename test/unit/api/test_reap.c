// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_reap.c - many copies that are to go: how many are asked for at a time, and that those that
 * cannot go yet hold up nobody (api/reap.c).
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "support/apilab.h"

TestSuite(reap, .timeout = 120);

#define STUCK (REAP_AT_ONCE_MAX + 2) /* open on n1, which has to let go of n2 first */
#define FREE 8
#define N (STUCK + FREE)

/* the stuck ones are open on n1 */
static void report(struct apilab *l)
{
	json *doc = world_json("{\"node\":\"n1\",\"pools\":{},\"replicas\":{}}");
	char name[16];

	for (int i = 0; i < STUCK; i++) {
		snprintf(name, sizeof(name), "vol%03d", i);
		jset(jget(doc, "replicas"), name, world_json("{\"state\":\"up\",\"open\":true}"));
	}
	cr_assert_eq(observed_report(l->w.observed, doc, api_mono_ms(), &l->w.err), 0);
	json_object_put(doc);
	world_report(&l->w, "n2", "ssd", 100 * GIB, 100 * GIB);
}

static void put(struct txn *t, struct world *w, const char *key, const char *field, json *value)
{
	json *doc = world_doc(w, key);

	cr_assert(doc, "%s", key);
	jset(doc, field, value);
	txn_put(t, key, doc);
}

/* n1 writes to all of them, and their copies on n2 are to go */
static void create(struct apilab *l)
{
	struct change_place place = { .copies = 2, .nodes = { "n1", "n2" }, .n_nodes = 2 };
	const int64_t size = GIB / 64;
	char name[16], key[STORE_KEY_MAX];
	struct txn *t = world_txn();

	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "vol%03d", i);
		apilab_report(l, 2);
		cr_assert_eq(WORLD(&l->w, change_spawn, NULL, name, &size, 1, false, NULL, &place),
			     0, "%s", l->w.err.text);
		snprintf(key, sizeof(key), "record/%s", name);
		put(t, &l->w, key, "writer", json_object_new_int(0));
		snprintf(key, sizeof(key), "replica/%s/n2", name);
		put(t, &l->w, key, "deleting", json_object_new_boolean(true));
	}
	report(l);
	cr_assert_eq(world_apply(&l->w, t), TXN_APPLIED);
}

struct progress {
	int most, looks, asked; /* asked: at the last turn */
};

static bool only_stuck_are_left(struct apilab *l, void *arg)
{
	struct progress *p = arg;
	int asked = l->a->reaper.asked;

	if (asked == 0 && !survey_tick(l->a)) {
		report(l);
		api_reap(l->a);
		asked = l->a->reaper.asked;
		p->looks += asked > 0;
	}
	p->most = asked > p->most ? asked : p->most;
	return world_count(&l->w, "replica/") == N + STUCK;
}

Test(reap, so_many_at_a_time_and_all_of_them_in_turn)
{
	static struct apilab l;
	struct progress p = { 0 };
	char text[32];
	json *doc;

	apilab_open(&l, APILAB_LEADS);
	world_fill(&l.w, 2);
	create(&l);
	cr_assert_eq(world_count(&l.w, "replica/"), 2 * N);
	apilab_until(&l, only_stuck_are_left, &p, 20000);
	cr_expect_eq(p.most, REAP_AT_ONCE_MAX, "%d at a time", p.most);
	cr_expect_geq(p.looks, 2);
	for (int i = 0; i < N; i++) {
		snprintf(text, sizeof(text), "replica/vol%03d/n2", i);
		doc = world_doc(&l.w, text);
		cr_expect((doc != NULL) == (i < STUCK), "%s", text);
		json_object_put(doc);
	}
	apilab_close(&l);
}
