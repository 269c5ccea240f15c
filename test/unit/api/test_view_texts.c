// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_view_texts.c - elements of the list of resources, kept, and made before they are asked for
 * (api/view_texts.c).
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "api/state.h"
#include "api/view_texts.h"
#include "support/modelworld.h"

TestSuite(view_texts);

struct lab {
	struct world w;
	struct api a; /* only what texts need */
	int64_t now;
};

static void spawn(struct lab *l, const char *name)
{
	struct change_place place = { .copies = 2, .nodes = { "n1", "n2" }, .n_nodes = 2 };
	const int64_t size = GIB;
	struct world *w = &l->w;

	cr_assert_eq(WORLD(w, change_spawn, NULL, name, &size, 1, false, NULL, &place), 0, "%s",
		     w->err.text);
}

static void start(struct lab *l)
{
	world_cluster(&l->w, 2);
	l->a = (struct api){ .config.store = l->w.store, .observed = l->w.observed };
	l->a.texts = texts_new(&l->a);
	l->now = api_mono_ms();
}

static void end(struct lab *l)
{
	texts_free(l->a.texts);
	world_close(&l->w);
}

/* a second later; how often there was more to do */
static int tick(struct lab *l)
{
	int slices = 0;

	l->now += 1000;
	texts_tick(l->a.texts, l->now);
	while (texts_warm(l->a.texts, l->now))
		cr_assert_lt(++slices, 1000);
	return slices;
}

static void lead(struct lab *l)
{
	texts_lead(l->a.texts, true, l->now);
	for (int i = 0; i * 1000 <= OBSERVED_FRESH_MS; i++)
		tick(l);
}

Test(view_texts, a_leader_makes_them_when_reports_have_come)
{
	static struct lab l;

	start(&l);
	spawn(&l, "db");
	tick(&l);
	tick(&l);
	cr_expect_eq(texts_kept(l.a.texts), 0, "nobody has asked this node, which does not lead");
	texts_lead(l.a.texts, true, l.now);
	tick(&l);
	cr_expect_eq(texts_kept(l.a.texts), 0, "they would not hold");
	lead(&l);
	cr_expect_gt(texts_kept(l.a.texts), 0);
	l.now += 10 * TEXTS_IDLE_MS;
	tick(&l);
	cr_expect_gt(texts_kept(l.a.texts), 0, "a leader keeps them");
	texts_lead(l.a.texts, false, l.now);
	tick(&l);
	cr_expect_eq(texts_kept(l.a.texts), 0, "others do not");
	end(&l);
}

Test(view_texts, what_has_changed_is_made_again_when_nothing_changes_any_more)
{
	static struct lab l;
	size_t one, two;

	start(&l);
	spawn(&l, "db");
	lead(&l);
	one = texts_kept(l.a.texts);
	cr_assert_gt(one, 0);
	spawn(&l, "Web");
	tick(&l);
	cr_expect_eq(texts_kept(l.a.texts), one, "something has changed since the last tick");
	tick(&l);
	two = texts_kept(l.a.texts);
	cr_expect_gt(two, one);
	cr_assert_eq(WORLD(&l.w, change_resource_delete, "db"), 0, "%s", l.w.err.text);
	tick(&l);
	tick(&l);
	cr_expect_lt(texts_kept(l.a.texts), two);
	cr_expect_gt(texts_kept(l.a.texts), 0);
	cr_expect_null(texts_of(l.a.texts, "db"));
	cr_expect_str_eq(texts_of(l.a.texts, "web")->text[1].node, "n2");
	end(&l);
}

Test(view_texts, a_report_that_differs_is_seen)
{
	static struct lab l;

	start(&l);
	spawn(&l, "db");
	lead(&l);
	cr_expect(!strstr(texts_of(l.a.texts, "db")->text[0].json, "\"in_use\":true"));
	l.w.env.mono_ms = api_mono_ms();
	world_report_open(&l.w, "n1", "db", true);
	cr_expect(strstr(texts_of(l.a.texts, "db")->text[0].json, "\"in_use\":true"), "%s",
		  texts_of(l.a.texts, "db")->text[0].json);
	end(&l);
}

Test(view_texts, the_status_is_kept_while_its_nodes_report)
{
	static struct lab l;
	const struct view_texts *t;

	start(&l);
	spawn(&l, "Db");
	t = texts_of(l.a.texts, "db");
	cr_expect_str_eq(t->name, "Db");
	cr_expect_null(t->status, "nobody reports: it would say since when");
	cr_expect_eq(t->sum.verdict, VERDICT_UNAVAILABLE);
	l.w.env.mono_ms = api_mono_ms();
	world_report_open(&l.w, "n1", "db", true);
	cr_expect_null(texts_of(l.a.texts, "db")->status, "one of two does");
	world_report_open(&l.w, "n2", "db", false);
	for (int again = 0; again < 2; again++) {
		t = texts_of(l.a.texts, "db");
		cr_assert_not_null(t->status);
		cr_expect_eq(t->status_len, strlen(t->status));
		cr_expect_eq(strncmp(t->status, "{\"name\":\"Db\",", 13), 0, "%s", t->status);
		cr_expect_eq(t->status[t->status_len - 1], '}');
		cr_expect(t->sum.open);
		cr_expect_eq(t->sum.copies, 2);
		cr_expect_eq(t->sum.size_kib, GIB);
	}
	l.w.env.mono_ms -= OBSERVED_STALE_MS;
	world_report_open(&l.w, "n2", "db", false);
	cr_expect_null(texts_of(l.a.texts, "db")->status, "n2 has fallen silent");
	end(&l);
}

#define LARGE_PROPS 60 /* as large as a document may be: 240 KiB */
#define LARGE 120

/* text of which nothing repeats itself */
static void scribble(char *out, size_t len, unsigned int *seed)
{
	for (size_t i = 0; i < len; i++)
		out[i] = (char)('A' + rand_r(seed) % 58);
	for (size_t i = 0; i < len; i++)
		out[i] = out[i] == '\\' ? '-' : out[i];
	out[len] = '\0';
}

/* a resource whose replica on n1 has as many properties as fit; mark: one of them */
static void spawn_large(struct lab *l, const char *name, const char *mark)
{
	static unsigned int seed = 1;
	static char value[PROP_VALUE_MAX + 1];
	json *body = json_object_new_object(), *props = json_object_new_object();
	char key[32];

	spawn(l, name);
	jset_str(props, "Aux/mark", mark);
	for (int i = 0; i < LARGE_PROPS; i++) {
		snprintf(key, sizeof(key), "Aux/large-%d", i);
		scribble(value, sizeof(value) - 1, &seed);
		jset_str(props, key, value);
	}
	jset(body, "override_props", props);
	cr_assert_eq(WORLD(&l->w, change_replica_modify, name, "n1", body), 0, "%s", l->w.err.text);
	json_object_put(body);
}

Test(view_texts, what_finds_no_room_is_made_each_time)
{
	static struct lab l;
	char name[32], mark[48];
	size_t full;

	start(&l);
	for (int i = 0; i < LARGE; i++) {
		snprintf(name, sizeof(name), "db%03d", i);
		snprintf(mark, sizeof(mark), "mark of %s", name);
		spawn_large(&l, name, mark);
	}
	tick(&l);
	lead(&l);
	full = texts_kept(l.a.texts);
	cr_expect_leq(full, TEXTS_KEPT_MAX);
	cr_expect_gt(full, TEXTS_KEPT_MAX - (512u << 10), "%zu", full);
	cr_expect_eq(tick(&l), 0, "what would not be kept is not made in vain");
	for (int i = 0; i < LARGE; i++) {
		snprintf(name, sizeof(name), "db%03d", i);
		snprintf(mark, sizeof(mark), "mark of %s", name);
		cr_assert(strstr(texts_of(l.a.texts, name)->text[0].json, mark), "%s", name);
		cr_assert_leq(texts_kept(l.a.texts), TEXTS_KEPT_MAX);
	}
	cr_assert_eq(WORLD(&l.w, change_resource_delete, "db000"), 0, "%s", l.w.err.text);
	cr_expect_lt(texts_kept(l.a.texts), full, "the first was kept");
	snprintf(name, sizeof(name), "db%03d", LARGE - 1);
	texts_of(l.a.texts, name);
	cr_expect_gt(texts_kept(l.a.texts), TEXTS_KEPT_MAX - (512u << 10), "the last is now");
	end(&l);
}
