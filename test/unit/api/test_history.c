// SPDX-License-Identifier: GPL-2.0-or-later
/* test_history.c - pages of the history as the API gives them (api/history.c). */
#include "api/history.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "api/handlers.h"
#include "support/modelworld.h"

TestSuite(history);

struct lab {
	struct world w;
	struct api a; /* only what the history needs */
	int status;
	json *doc; /* of the last answer; owned */
};

static void on_reply(struct api_call *c, int status, const void *body, size_t len, void *arg)
{
	struct lab *l = arg;

	l->status = status;
	json_object_put(l->doc);
	cr_assert_eq(json_parse(body, len, &l->doc, NULL), 0);
}

static void ask(struct lab *l, const char *query)
{
	static const struct route route;
	struct api_call *c;
	char url[256];

	snprintf(url, sizeof(url), "/v1/sds/history?%s", query);
	c = call_new(&l->a, "GET", url, "", 0);
	c->match.route = &route;
	c->reply = on_reply;
	c->reply_arg = l;
	history_get(c);
}

static int64_t index_at(struct lab *l, size_t i)
{
	return jget_i64_or(json_object_array_get_idx(jget(l->doc, "history"), i), "index", -1);
}

Test(history, so_many_entries_in_one_answer)
{
	static struct lab l;
	const int n = HISTORY_LIST_MAX + 5;
	char query[64];

	world_open(&l.w);
	l.a.config.store = l.w.store;
	for (int i = 0; i < n; i++) {
		struct txn *t = world_txn();

		txn_put(t, "node/n1", json_object_new_object());
		cr_assert_eq(world_apply(&l.w, t), TXN_APPLIED);
	}
	snprintf(query, sizeof(query), "limit=%d", HISTORY_LIST_MAX + 1);
	ask(&l, query);
	cr_expect_eq(l.status, 400);
	cr_expect(strstr(json_text(l.doc), "limit must be a whole number from 0 to 1000"), "%s",
		  json_text(l.doc));

	snprintf(query, sizeof(query), "limit=%d", HISTORY_LIST_MAX);
	ask(&l, query);
	cr_expect_eq(l.status, 200);
	cr_expect_eq(json_object_array_length(jget(l.doc, "history")), HISTORY_LIST_MAX);
	cr_expect_eq(index_at(&l, HISTORY_LIST_MAX - 1), n, "the newest");

	/* all of it, page by page */
	snprintf(query, sizeof(query), "from=1&limit=%d", HISTORY_LIST_MAX);
	ask(&l, query);
	cr_expect_eq(json_object_array_length(jget(l.doc, "history")), HISTORY_LIST_MAX);
	cr_expect_eq(index_at(&l, 0), 1);
	cr_expect_eq(index_at(&l, HISTORY_LIST_MAX - 1), HISTORY_LIST_MAX);
	snprintf(query, sizeof(query), "from=%d&limit=%d", HISTORY_LIST_MAX + 1, HISTORY_LIST_MAX);
	ask(&l, query);
	cr_expect_eq(json_object_array_length(jget(l.doc, "history")), 5);
	cr_expect_eq(index_at(&l, 4), n);
	json_object_put(l.doc);
	world_close(&l.w);
}
