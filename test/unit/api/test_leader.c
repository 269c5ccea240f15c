// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_leader.c - requests on their way to the leader: how many may wait, how many are under way at
 * a time, and in which order they go (api/leader.c).
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/leader.h"
#include "support/apilab.h"

TestSuite(leader, .timeout = 60);

struct counts {
	int answered, refused;
	char text[512]; /* of the last refusal */
};

static void count(const struct leader_answer *a, void *arg)
{
	struct counts *c = arg;

	c->answered++;
	if (a->status != 503)
		return;
	c->refused++;
	snprintf(c->text, sizeof(c->text), "%.*s", (int)a->body->len, (const char *)a->body->data);
}

/* n requests, numbered on from first */
static void ask(struct apilab *l, unsigned who, int first, int n, struct counts *c)
{
	char url[32];

	for (int i = first; i < first + n; i++) {
		struct leader_request r = { .method = "PUT",
					    .url = url,
					    .author = "lab",
					    .who = who,
					    .deadline_ms = 60000 };

		snprintf(url, sizeof(url), "/%d", i);
		leader_carry(api_leader(l->a), &r, count, c);
	}
}

static bool all_are_answered(struct apilab *l, void *arg)
{
	return ((struct counts *)arg)->answered == 3;
}

Test(leader, so_many_wait_and_no_more)
{
	static struct apilab l;
	struct counts users = { 0 }, nodes = { 0 }, more = { 0 };
	int64_t began;

	apilab_open(&l, APILAB_ALONE);
	ask(&l, WHO_USER, 0, LEADER_CALLS_USERS, &users);
	ask(&l, WHO_USER, 0, 3, &more);
	cr_expect_eq(more.answered, 0, "not inside of the call");
	apilab_until(&l, all_are_answered, &more, 1000);
	cr_expect_eq(more.refused, 3);
	cr_expect(strstr(more.text, "requests wait for the leader: try again later"), "%s",
		  more.text);

	ask(&l, WHO_NODE, 0, LEADER_CALLS_MAX - LEADER_CALLS_USERS, &nodes);
	apilab_run(&l, 50);
	cr_expect_eq(nodes.answered, 0, "users leave room for nodes");
	more = (struct counts){ 0 };
	ask(&l, WHO_NODE, 0, 3, &more);
	began = api_mono_ms();
	apilab_until(&l, all_are_answered, &more, 1000);
	cr_expect_eq(more.refused, 3);
	cr_expect_lt(api_mono_ms() - began, 500, "and at once");
	cr_expect_eq(users.answered + nodes.answered, 0, "those before them wait on");
	apilab_close(&l);
	cr_expect_eq(users.answered, LEADER_CALLS_USERS, "each is answered at the end");
	cr_expect_eq(nodes.answered, LEADER_CALLS_MAX - LEADER_CALLS_USERS);
}

static bool so_many_came(struct apilab *l, void *arg)
{
	return l->n_came >= *(int *)arg;
}

/* until n have come in all; checks that none comes beyond them */
static void come(struct apilab *l, int n)
{
	apilab_until(l, so_many_came, &n, 10000);
	apilab_run(l, 3 * API_FAST_MS);
	cr_assert_eq(l->n_came, n);
}

static int number_of(const struct http_request *r)
{
	return (int)strtol(http_path(r) + 1, NULL, 10);
}

Test(leader, so_many_are_under_way_at_a_time)
{
	static struct apilab l;
	struct counts users = { 0 }, nodes = { 0 };
	int n = LEADER_CLIENTS_USERS;

	apilab_open(&l, APILAB_FOLLOWS);
	ask(&l, WHO_USER, 0, 3 * n, &users);
	come(&l, n);
	ask(&l, WHO_NODE, 1000, 3 * LEADER_CLIENTS_MAX, &nodes);
	come(&l, LEADER_CLIENTS_MAX);
	cr_expect_geq(number_of(l.held[LEADER_CLIENTS_MAX - 1]), 1000, "room is left for nodes");

	/* one after the other is answered, and the one that has waited longest takes its place */
	for (int i = LEADER_CLIENTS_MAX; i < 3 * n + 3 * LEADER_CLIENTS_MAX; i++) {
		int was_for = number_of(l.held[0]), came = i + 1, now;

		apilab_answer(&l, 0, 200, "{}");
		apilab_until(&l, so_many_came, &came, 1000);
		now = number_of(l.held[l.n_held - 1]);
		if (was_for < 1000 && users.answered <= 2 * n)
			cr_assert_eq(now, n + users.answered - 1, "%d came after %d", now, was_for);
	}
	cr_expect_eq(l.most_held, LEADER_CLIENTS_MAX);
	apilab_answer_all(&l, 200, "{}");
	apilab_until(&l, apilab_is_idle, NULL, 5000);
	cr_expect_eq(users.answered, 3 * n);
	cr_expect_eq(nodes.answered, 3 * LEADER_CLIENTS_MAX);
	cr_expect_eq(users.refused + nodes.refused, 0);
	apilab_close(&l);
}

static bool answer_them(struct apilab *l, void *arg)
{
	apilab_answer_all(l, 200, "{}");
	return apilab_is_idle(l, NULL);
}

/* What waits for a connection goes when one is free, not after a while: a hundred times as many as
 * there are take no second. */
Test(leader, a_free_connection_is_used_at_once)
{
	static struct apilab l;
	struct counts nodes = { 0 };
	int64_t began = api_mono_ms();

	apilab_open(&l, APILAB_FOLLOWS);
	began = api_mono_ms();
	ask(&l, WHO_NODE, 0, 50 * LEADER_CLIENTS_MAX, &nodes);
	apilab_until(&l, answer_them, NULL, 10000);
	cr_expect_eq(nodes.answered, 50 * LEADER_CLIENTS_MAX);
	cr_log_info("%d ms", (int)(api_mono_ms() - began));
	cr_expect_lt(api_mono_ms() - began, 20 * LEADER_RETRY_MS, "it took %d ms",
		     (int)(api_mono_ms() - began));
	apilab_close(&l);
}
