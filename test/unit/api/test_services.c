// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_services.c - when the leader asks for decisions about services, and for how many at a time
 * (api/services.c).
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "api/view.h"
#include "support/apilab.h"

TestSuite(services, .timeout = 120);

#define NODES 2
#define N (6 * SERVICE_CALLS_MAX + 2)

/* the nodes can have any of n services, and have nothing of them */
static void report(struct apilab *l, int n)
{
	for (int i = 1; i <= NODES; i++) {
		json *doc = world_json("{\"plane\":\"kernel\",\"services\":{},\"pools\":{}}");
		char name[16];

		snprintf(name, sizeof(name), "n%d", i);
		jset_str(doc, "node", name);
		for (int k = 0; k < n; k++) {
			snprintf(name, sizeof(name), "s%03d", k);
			jset(jget(doc, "services"), name,
			     world_json("{\"generation\":1,\"holds\":false,"
					"\"state\":\"stopped\"}"));
		}
		cr_assert_eq(observed_report(l->w.observed, doc, api_mono_ms(), &l->w.err), 0);
		json_object_put(doc);
	}
}

static void create(struct apilab *l, int n)
{
	struct change_place place = { .copies = 2, .nodes = { "n1", "n2" }, .n_nodes = 2 };
	const int64_t size = GIB / 64;
	struct world *w = &l->w;
	char text[256], name[16];
	json *body;

	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "vol%03d", i);
		apilab_report(l, NODES);
		cr_assert_eq(WORLD(w, change_spawn, NULL, name, &size, 1, false, NULL, &place), 0,
			     "%s", w->err.text);
		snprintf(text, sizeof(text),
			 "{\"name\":\"s%03d\",\"resource\":\"%s\",\"mount\":\"/srv/%d\"}", i, name,
			 i);
		body = world_json(text);
		cr_assert_eq(WORLD(w, change_service_create, body), 0, "%s", w->err.text);
		json_object_put(body);
	}
}

struct progress {
	int decided, most;
};

static void look_at_service(json *doc, void *arg)
{
	*(int *)arg += jget_str(doc, "node", "")[0] != '\0';
}

static bool all_are_decided(struct apilab *l, void *arg)
{
	struct progress *p = arg;

	p->most = l->a->services_asked > p->most ? l->a->services_asked : p->most;
	p->decided = 0;
	view_docs(l->a, "service/", look_at_service, &p->decided);
	return p->decided == N;
}

Test(services, so_many_decisions_at_a_time_and_all_of_them_soon)
{
	static struct apilab l;
	struct progress p = { 0 };
	int64_t began;

	apilab_open(&l, APILAB_LEADS);
	world_fill(&l.w, NODES);
	create(&l, N);
	cr_assert_not(all_are_decided(&l, &p));
	cr_assert_eq(p.decided, 0, "no node can have them yet");
	report(&l, N);
	services_look(l.a);
	began = api_mono_ms();
	apilab_until(&l, all_are_decided, &p, 10000);
	/* a look may be over before it has asked for all it may: SERVICE_SLICE_MS */
	cr_expect(p.most > SERVICE_CALLS_MAX / 2 && p.most <= SERVICE_CALLS_MAX, "%d at a time",
		  p.most);
	cr_expect_lt(api_mono_ms() - began, 4 * API_TICK_MS, "a look in a second would be slower");
	apilab_close(&l);
}
