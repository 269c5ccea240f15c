// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_survey.c - what has changed is looked at by those whom it concerns, and nothing else is
 * (api/survey.c, and the *_look of reap.c, schedules.c, scrub.c).
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "api/state.h"
#include "model/policy.h"
#include "support/modelworld.h"

TestSuite(survey);

struct lab {
	struct world w;
	struct api a; /* only what those who look need */
};

/* two resources, db and web, and a leader that has looked at them */
static void start(struct lab *l)
{
	struct change_place place = { .copies = 2, .nodes = { "n1", "n2" }, .n_nodes = 2 };
	const int64_t size = GIB;
	struct world *w = &l->w;

	world_cluster(w, 2);
	cr_assert_eq(WORLD(w, change_spawn, NULL, "db", &size, 1, false, NULL, &place), 0, "%s",
		     w->err.text);
	cr_assert_eq(WORLD(w, change_spawn, NULL, "Web", &size, 1, false, NULL, &place), 0, "%s",
		     w->err.text);
	l->a = (struct api){ .config.store = w->store, .observed = w->observed };
	survey_watch(&l->a);
	l->a.members = (struct members *)&l->a; /* it leads: never looked into */
	survey_begin(&l->a);
	while (survey_tick(&l->a))
		;
}

static void end(struct lab *l)
{
	survey_end(&l->a);
	survey_unwatch(&l->a);
	world_close(&l->w);
}

static void look(struct lab *l)
{
	while (survey_tick(&l->a))
		;
}

/* one field of a document, which is made if there is none */
static void put(struct lab *l, const char *key, const char *field, json *value)
{
	struct txn *t = world_txn();
	json *doc = world_doc(&l->w, key);

	if (!doc)
		doc = json_object_new_object();
	jset(doc, field, value);
	txn_put(t, key, doc);
	cr_assert_eq(world_apply(&l->w, t), TXN_APPLIED);
}

static void put_prop(struct lab *l, const char *key, const char *name, const char *value)
{
	json *props = json_object_new_object();

	if (value)
		jset_str(props, name, value);
	put(l, key, "props", props);
}

static void delete_doc(struct lab *l, const char *key)
{
	struct txn *t = world_txn();

	txn_put(t, key, NULL);
	cr_assert_eq(world_apply(&l->w, t), TXN_APPLIED);
}

static bool is_reaped(struct lab *l, const char *name)
{
	return jget(l->a.reaper.resources, name) != NULL;
}

Test(survey, while_nothing_changes_nothing_is_to_be_looked_at)
{
	static struct lab l;

	start(&l);
	cr_expect(backlog_is_empty(&l.a.survey.names));
	cr_expect(!l.a.survey.all);
	cr_expect_null(l.a.reaper.resources);
	cr_expect_null(l.a.schedules.list);
	cr_expect_null(l.a.scrubs.due);
	cr_expect(l.a.upkeep.all, "upkeep has a pace of its own: nothing was taken from it");
	end(&l);
}

/* who is told of a change of such a document: of one resource, or of all */
static void expect_told(struct lab *l, const char *key, bool looked, bool upkept, bool all)
{
	look(l);
	backlog_clear(&l->a.upkeep.names);
	l->a.upkeep.all = false;
	put(l, key, "touched", json_object_new_boolean(true));
	if (all) {
		cr_expect_eq(l->a.survey.all, looked, "%s", key);
		cr_expect_eq(l->a.upkeep.all, upkept, "%s", key);
		return;
	}
	cr_expect(!l->a.survey.all && !l->a.upkeep.all, "%s", key);
	cr_expect_eq(!backlog_is_empty(&l->a.survey.names), looked, "%s", key);
	cr_expect_eq(!backlog_is_empty(&l->a.upkeep.names), upkept, "%s", key);
	if (looked)
		cr_expect_str_eq(backlog_next(&l->a.survey.names), "web", "%s", key);
	if (upkept)
		cr_expect_str_eq(backlog_next(&l->a.upkeep.names), "web", "%s", key);
	cr_expect_null(backlog_next(&l->a.survey.names), "no other");
	cr_expect_null(backlog_next(&l->a.upkeep.names), "no other");
}

Test(survey, a_change_is_told_to_whom_it_concerns)
{
	static struct lab l;

	start(&l);
	expect_told(&l, "resource/web", true, true, false);
	expect_told(&l, "replica/web/n2", true, true, false);
	expect_told(&l, "record/web", false, true, false);
	expect_told(&l, "scrub/web", true, false, false);
	expect_told(&l, "group/other", true, true, true);
	expect_told(&l, "controller/self", true, true, true);
	expect_told(&l, "node/n1", false, true, true);
	expect_told(&l, "pool/n1/ssd", false, true, true);
	expect_told(&l, "token/x", false, false, false);
	end(&l);
}

Test(survey, who_does_not_lead_is_told_nothing)
{
	static struct lab l;

	start(&l);
	l.a.members = NULL;
	survey_end(&l.a);
	put(&l, "replica/web/n2", "deleting", json_object_new_boolean(true));
	put(&l, "node/n1", "touched", json_object_new_boolean(true));
	cr_expect(backlog_is_empty(&l.a.survey.names));
	cr_expect(!l.a.survey.all && !l.a.upkeep.all);
	l.a.members = (struct members *)&l.a;
	survey_begin(&l.a);
	look(&l);
	cr_expect(is_reaped(&l, "web"), "a new leader finds it");
	end(&l);
}

Test(survey, copies_that_are_to_go_are_found)
{
	static struct lab l;

	start(&l);
	put(&l, "replica/web/n2", "deleting", json_object_new_boolean(true));
	look(&l);
	cr_expect_str_eq(jget_str(l.a.reaper.resources, "web", ""), "Web");
	cr_expect(!is_reaped(&l, "db"));
	put(&l, "replica/db/n1", "migrates", json_object_new_string("n2"));
	look(&l);
	cr_expect(is_reaped(&l, "web") && is_reaped(&l, "db"));
	put(&l, "replica/web/n2", "deleting", json_object_new_boolean(false));
	look(&l);
	cr_expect(!is_reaped(&l, "web") && is_reaped(&l, "db"));
	delete_doc(&l, "replica/db/n1");
	look(&l);
	cr_expect_null(l.a.reaper.resources);
	end(&l);
}

/* how many there are, by their metrics */
static int schedules(struct lab *l)
{
	static const char mark[] = "interval_seconds{";
	struct buf text;
	int n = 0;

	look(l);
	buf_init(&text, 1 << 16);
	schedules_write(&l->a, &text);
	for (const char *at = (const char *)text.data; (at = strstr(at, mark)); at++)
		n++;
	buf_release(&text);
	return n;
}

Test(survey, a_schedule_begins_and_ends_where_its_property_is_set)
{
	static struct lab l;

	start(&l);
	cr_expect_eq(schedules(&l), 0);
	put_prop(&l, "resource/web", POLICY_SNAPSHOT_EVERY, "1h");
	cr_expect_eq(schedules(&l), 1);
	put_prop(&l, "controller/self", POLICY_SNAPSHOT_EVERY, "2h");
	cr_expect_eq(schedules(&l), 2, "what all resources inherit");
	put_prop(&l, "controller/self", POLICY_SNAPSHOT_EVERY, NULL);
	cr_expect_eq(schedules(&l), 1);
	delete_doc(&l, "resource/web");
	cr_expect_eq(schedules(&l), 0);
	end(&l);
}

Test(survey, a_comparison_is_due_when_somebody_says_so)
{
	static struct lab l;
	json *doc;

	start(&l);
	put_prop(&l, "group/dfltrscgrp", POLICY_SCRUB_EVERY, "7d");
	look(&l);
	cr_expect_eq(jget_i64_or(l.a.scrubs.due, "web", 0), WORLD_START_MS + 7ll * 86400000);
	cr_expect_eq(jget_i64_or(l.a.scrubs.due, "db", 0), WORLD_START_MS + 7ll * 86400000);
	cr_expect_eq(l.a.scrubs.next_ms, WORLD_START_MS + 7ll * 86400000);
	put_prop(&l, "group/dfltrscgrp", POLICY_SCRUB_EVERY, NULL);
	look(&l);
	cr_expect_null(l.a.scrubs.due);
	doc = world_doc(&l.w, "resource/db");
	put(&l, "scrub/db", "uuid", json_object_new_string(jget_str(doc, "uuid", "")));
	json_object_put(doc);
	put(&l, "scrub/db", "again", json_object_new_boolean(true));
	look(&l);
	cr_expect_gt(jget_i64_or(l.a.scrubs.due, "db", 0), 0, "it was repaired");
	cr_expect_null(jget(l.a.scrubs.due, "web"));
	delete_doc(&l, "scrub/db");
	look(&l);
	cr_expect_null(l.a.scrubs.due);
	end(&l);
}
