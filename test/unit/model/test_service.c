// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_service.c - what a service's document may say (service.c), and where a service is to run
 * (service_decide.c): rows, and walks through what happens to nodes.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "model/service_decide.h"

/* ---- documents ---- */

#define GOOD "{\"name\":\"db\",\"resource\":\"vol\",\"mount\":\"/srv/db\"}"

static int parse(const char *text, struct service *ret, struct err *err)
{
	json *doc = NULL;
	int rv;

	cr_assert_eq(json_parse(text, strlen(text), &doc, NULL), 0, "%s", text);
	rv = service_parse(doc, ret, err);
	json_object_put(doc);
	return rv;
}

/* GOOD with one field more, or another one */
static int parse_with(const char *field, const char *value, struct service *ret)
{
	json *doc = NULL, *v = NULL;
	struct err err;
	int rv;

	cr_assert_eq(json_parse(GOOD, strlen(GOOD), &doc, NULL), 0);
	cr_assert_eq(json_parse(value, strlen(value), &v, NULL), 0, "%s", value);
	jset(doc, field, v);
	rv = service_parse(doc, ret, &err);
	json_object_put(doc);
	return rv;
}

Test(service, fields_that_are_right)
{
	static const char *const rows[][2] = {
		{ "mount", "\"/srv/a-b_c.d/e\"" },
		{ "mount", "\"/var/lib/postgresql\"" },
		{ "unit", "\"postgresql.service\"" },
		{ "unit", "\"pg@15-main.service\"" },
		{ "unit", "\"web.target\"" },
		{ "vip", "\"10.0.0.5/24\"" },
		{ "vip", "\"10.0.0.5\"" },
		{ "vip", "\"fd00::5/64\"" },
		{ "options", "\"noatime,data=ordered\"" },
		{ "number", "15" },
		{ "nodes", "[\"n1\",\"n2\"]" },
		{ "nodes", "null" },
	};
	struct service s;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_eq(parse_with(rows[i][0], rows[i][1], &s), 0, "%s %s", rows[i][0],
			     rows[i][1]);
}

Test(service, fields_that_are_wrong)
{
	static const char *const rows[][2] = {
		{ "name", "\"a\"" },
		{ "name", "\"a b\"" },
		{ "name", "null" },
		{ "resource", "\"\"" },
		{ "resource", "7" },
		{ "mount", "\"\"" },
		{ "mount", "\"srv\"" },
		{ "mount", "\"/\"" },
		{ "mount", "\"/srv/\"" },
		{ "mount", "\"/srv//db\"" },
		{ "mount", "\"/srv/../etc\"" },
		{ "mount", "\"/srv/./db\"" },
		{ "mount", "\"/srv/a b\"" },
		{ "mount", "\"/srv/a\\\\b\"" },
		{ "mount", "\"/etc\"" },
		{ "mount", "\"/proc/x\"" },
		{ "mount", "\"/var/lib/sdsd/x\"" },
		{ "unit", "\"postgresql\"" },
		{ "unit", "\"-x.service\"" },
		{ "unit", "\"a b.service\"" },
		{ "unit", "\"a/b.service\"" },
		{ "unit", "\".service\"" },
		{ "unit", "\"pg@.service\"" },
		{ "unit", "\"sdsd.service\"" },
		{ "unit", "[]" },
		{ "vip", "\"10.0.0\"" },
		{ "vip", "\"10.0.0.5/33\"" },
		{ "vip", "\"10.0.0.5/0\"" },
		{ "vip", "\"10.0.0.5/\"" },
		{ "vip", "\"10.0.0.5/24x\"" },
		{ "vip", "\"127.0.0.1/8\"" },
		{ "vip", "\"224.0.0.1/24\"" },
		{ "vip", "\"0.0.0.0/24\"" },
		{ "vip", "\"::/64\"" },
		{ "vip", "\"ff02::1/64\"" },
		{ "vip", "\"fd00::5/129\"" },
		{ "interface", "\"eth0\"" }, /* without a vip */
		{ "options", "\"-t\"" },
		{ "options", "\"a b\"" },
		{ "options", "\"$(x)\"" },
		{ "number", "16" },
		{ "number", "-1" },
		{ "nodes", "\"n1\"" },
		{ "nodes", "[7]" },
		{ "nodes", "[\"n1\",\"N1\"]" },
	};
	struct service s;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_eq(parse_with(rows[i][0], rows[i][1], &s), -E_INVALID, "%s %s",
			     rows[i][0], rows[i][1]);
}

/* a text of n characters, quoted */
static const char *text_of(const char *begin, int n, const char *end)
{
	static char text[1024];
	int at = snprintf(text, sizeof(text), "\"%s", begin);

	while (at - 1 < n - (int)strlen(end))
		text[at++] = 'a';
	snprintf(text + at, sizeof(text) - (size_t)at, "%s\"", end);
	return text;
}

Test(service, limits)
{
	struct service s;
	char list[1024];
	int at = 0;

	cr_expect_eq(parse_with("mount", text_of("/srv/", SERVICE_MOUNT_MAX, ""), &s), 0);
	cr_expect_eq(parse_with("mount", text_of("/srv/", SERVICE_MOUNT_MAX + 1, ""), &s),
		     -E_INVALID);
	cr_expect_eq(parse_with("unit", text_of("", SERVICE_UNIT_MAX, ".service"), &s), 0);
	cr_expect_eq(parse_with("unit", text_of("", SERVICE_UNIT_MAX + 1, ".service"), &s),
		     -E_INVALID);
	cr_expect_eq(parse_with("options", text_of("", SERVICE_OPTIONS_MAX, ""), &s), 0);
	cr_expect_eq(parse_with("options", text_of("", SERVICE_OPTIONS_MAX + 1, ""), &s),
		     -E_INVALID);
	cr_expect_eq(parse_with("vip", text_of("", SERVICE_VIP_MAX + 1, ""), &s), -E_INVALID);
	for (int n = SERVICE_NODES_MAX; n <= SERVICE_NODES_MAX + 1; n++) {
		at = 0;
		for (int i = 0; i < n; i++)
			at += snprintf(list + at, sizeof(list) - (size_t)at, "%s\"n%d\"",
				       i ? "," : "[", i);
		snprintf(list + at, sizeof(list) - (size_t)at, "]");
		cr_expect_eq(parse_with("nodes", list, &s), n > SERVICE_NODES_MAX ? -E_INVALID : 0,
			     "%d", n);
	}
}

Test(service, comes_back_as_it_was)
{
	struct service s, again;
	struct err err;
	json *doc;

	cr_assert_eq(parse("{\"name\":\"db\",\"resource\":\"vol\",\"number\":2,\"mount\":\"/srv/"
			   "db\",\"options\":\"ro\",\"unit\":\"a.service\",\"vip\":\"10.0.0.5/"
			   "24\",\"interface\":\"eth0\",\"nodes\":[\"n1\"],\"enabled\":false,"
			   "\"node\":\"n1\",\"wish\":\"n2\",\"generation\":7,\"why\":\"w\","
			   "\"decided_ms\":5,\"failed\":[{\"node\":\"n3\",\"why\":\"x\",\"at_ms\":"
			   "9}]}",
			   &s, &err),
		     0, "%s", err.text);
	doc = service_doc(&s);
	cr_assert_eq(service_parse(doc, &again, &err), 0);
	cr_expect(memcmp(&s, &again, sizeof(s)) == 0);
	cr_expect(service_same(&s, &again));
	cr_expect_eq(again.generation, 7);
	cr_expect_str_eq(service_failure_on(&again, "N3")->why, "x");
	json_object_put(doc);
}

Test(service, failures_are_bounded)
{
	struct service s = { .n_failed = 0 };
	char node[8];

	for (int i = 0; i <= SERVICE_NODES_MAX; i++) {
		snprintf(node, sizeof(node), "n%d", i);
		service_note_failure(&s, node, "w", i);
	}
	cr_expect_eq(s.n_failed, SERVICE_NODES_MAX);
	cr_expect_null(service_failure_on(&s, "n0"));
	service_note_failure(&s, "N5", "again", 99);
	cr_expect_eq(s.n_failed, SERVICE_NODES_MAX);
	cr_expect_eq(service_failure_on(&s, "n5")->at_ms, 99);
	service_forgive(&s, "n5");
	cr_expect_null(service_failure_on(&s, "n5"));
	service_forgive(&s, NULL);
	cr_expect_eq(s.n_failed, 0);
}

/* ---- decisions ---- */

#define N 3
#define NOW 10000000

static struct service_candidate c[N];
static struct service s;

static void begin(void)
{
	static const char *const names[N] = { "n1", "n2", "n3" };

	memset(&s, 0, sizeof(s));
	snprintf(s.name, sizeof(s.name), "db");
	s.enabled = true;
	s.generation = 1;
	for (int i = 0; i < N; i++)
		c[i] = (struct service_candidate){ .node = names[i],
						   .rank = i,
						   .online = true,
						   .concerned = true,
						   .generation = 1,
						   .error = "" };
}

/* one look of the leader, which is obeyed and heard of at once */
static struct service_decision look(void)
{
	struct service_decision d;

	service_decide(&s, c, N, NOW, &d);
	service_apply(&s, &d, c, NOW);
	for (int i = 0; i < N; i++) {
		if (!c[i].online)
			continue;
		if (c[i].generation != s.generation)
			c[i].gave_up = false;
		c[i].generation = s.generation;
		c[i].holds = strcmp(s.node, c[i].node) == 0 && s.enabled && !c[i].gave_up;
	}
	return d;
}

static void runs_on(const char *node)
{
	cr_expect_str_eq(s.node, node, "%s, not %s: %s", s.node, node, s.why);
}

TestSuite(service_decide, .init = begin);

Test(service_decide, first_that_can)
{
	c[0].unfit = "has no replica of the volume";
	look();
	runs_on("n2");
	cr_expect_eq(s.generation, 2);
	cr_expect_eq(look().what, SERVICE_KEEP);
	cr_expect_eq(s.generation, 2, "nothing new, no new decision");
	cr_expect_eq(s.starts, 1, "it was given to a node once");
}

Test(service_decide, rank_before_order)
{
	c[0].rank = 2;
	c[2].rank = 0;
	look();
	runs_on("n3");
}

Test(service_decide, not_before_all_have_said_that_they_have_nothing)
{
	c[2].generation = 0;
	cr_expect_eq(look().what, SERVICE_KEEP);
	look();
	runs_on("n1");
}

Test(service_decide, node_gone_and_back)
{
	look();
	runs_on("n1");
	c[0].online = false;
	look();
	runs_on("n2");
	cr_expect(strstr(s.why, "n1 does not answer"), "%s", s.why);
	c[0].online = true;
	look();
	runs_on("n2");
	cr_expect_eq(look().what, SERVICE_KEEP, "it does not go back by itself");
}

Test(service_decide, new_leader_does_not_guess)
{
	look();
	c[0].online = false;
	c[0].awaited = true;
	cr_expect_eq(look().what, SERVICE_KEEP);
	runs_on("n1");
}

Test(service_decide, move_stops_it_first)
{
	look();
	snprintf(s.wish, sizeof(s.wish), "n3");
	cr_expect_eq(look().what, SERVICE_RELEASE);
	runs_on("");
	c[0].holds = true; /* it takes its time */
	cr_expect_eq(look().what, SERVICE_KEEP);
	runs_on("");
	look();
	runs_on("n3");
	cr_expect_eq(s.starts, 2, "a release is no start");
	cr_expect_str_eq(s.wish, "");
}

Test(service_decide, move_to_a_barred_node_that_was_named)
{
	look();
	c[2].barred = true;
	snprintf(s.wish, sizeof(s.wish), "n3");
	look();
	look();
	runs_on("n3");
}

Test(service_decide, wish_that_cannot_be)
{
	look();
	snprintf(s.wish, sizeof(s.wish), "n3");
	c[2].online = false;
	cr_expect_eq(look().what, SERVICE_KEEP);
	runs_on("n1");
	cr_expect_str_eq(s.wish, "");
}

Test(service_decide, wish_node_dies_meanwhile)
{
	look();
	snprintf(s.wish, sizeof(s.wish), "n3");
	look();
	runs_on("");
	c[2].online = false;
	look();
	runs_on("n1");
}

Test(service_decide, gave_up_on_one_after_the_other)
{
	struct service_decision d;

	look();
	for (int i = 0; i < N; i++) {
		runs_on(c[i].node);
		c[i].gave_up = true;
		c[i].error = "no such unit";
		look(); /* it is taken away */
		runs_on("");
		d = look();
	}
	cr_expect(d.stuck);
	runs_on("");
	cr_expect_eq(s.n_failed, N);
	cr_expect_str_eq(service_failure_on(&s, "n2")->why, "no such unit");
	cr_expect(strstr(d.why, "n1 could not start it"), "%s", d.why);
	cr_expect_eq(look().what, SERVICE_KEEP);
	service_forgive(&s, NULL);
	s.generation++;
	look();
	look();
	runs_on("n1");
}

Test(service_decide, failure_is_forgotten_when_it_runs_elsewhere)
{
	look();
	service_note_failure(&s, "n2", "w", NOW - SERVICE_FORGIVE_MS + 1);
	service_note_failure(&s, "n3", "w", NOW - SERVICE_FORGIVE_MS);
	c[0].online = false;
	look();
	runs_on("n3");
}

Test(service_decide, evacuated_moves_if_it_can)
{
	struct service_decision d;

	look();
	c[0].leaves = c[0].barred = true;
	c[1].barred = true;
	c[2].unfit = "has no replica of the volume";
	d = look();
	cr_expect_eq(d.what, SERVICE_KEEP);
	cr_expect_not(d.stuck);
	runs_on("n1");
	c[1].barred = false;
	look();
	look();
	runs_on("n2");
}

Test(service_decide, barred_keeps_what_runs)
{
	look();
	c[0].barred = true;
	cr_expect_eq(look().what, SERVICE_KEEP);
	runs_on("n1");
}

Test(service_decide, unfit_is_left)
{
	look();
	c[0].unfit = "has a replica in quarantine";
	look();
	look();
	runs_on("n2");
}

Test(service_decide, nobody_else_keeps_a_place_for_the_one_that_is_gone)
{
	struct service_decision d;

	look();
	for (int i = 0; i < N; i++)
		c[i].online = false;
	d = look();
	cr_expect_eq(d.what, SERVICE_KEEP);
	cr_expect(d.stuck);
	runs_on("n1");
}

Test(service_decide, stopped_by_hand)
{
	s.enabled = false;
	cr_expect_eq(look().what, SERVICE_KEEP);
	runs_on("");
}

Test(service_decide, node_that_was_deleted)
{
	snprintf(s.node, sizeof(s.node), "n9");
	look();
	runs_on("n1");
}
