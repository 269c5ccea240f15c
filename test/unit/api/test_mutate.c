// SPDX-License-Identifier: GPL-2.0-or-later
/* test_mutate.c - a change that others always come before (api/mutate.c). */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "support/apilab.h"

TestSuite(mutate, .timeout = 60);

struct tries {
	int n, conflicts; /* so many of them conflict */
	int status;       /* 0: not answered yet */
	char text[1024];
};

static struct tries *tries;

/* "cluster/self" is there, and was not read at that revision */
static int change(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	if (tries->n++ < tries->conflicts)
		txn_read(t, "cluster/self", 1u << 30);
	txn_put(t, "test/mutate", world_json("{\"n\":1}"));
	mutation_done(m, RC_MODIFIED, "Done.");
	return 0;
}

static void on_reply(struct api_call *c, int status, const void *body, size_t len, void *arg)
{
	struct tries *x = arg;

	x->status = status;
	snprintf(x->text, sizeof(x->text), "%.*s", (int)len, (const char *)body);
}

static bool is_answered(struct apilab *l, void *arg)
{
	return ((struct tries *)arg)->status != 0;
}

static struct tries run(struct apilab *l, int conflicts)
{
	static const struct route route = { .pattern = "/test" };
	struct api_call *c = call_new(l->a, "PUT", "/test", "", 0);
	struct tries x = { .conflicts = conflicts };

	tries = &x;
	c->match.route = &route;
	c->who = WHO_USER;
	c->reply = on_reply;
	c->reply_arg = &x;
	mutate(c, 200, change, NULL);
	apilab_until(l, is_answered, &x, 10000);
	return x;
}

Test(mutate, so_often_it_is_decided_again)
{
	static struct apilab l;
	struct tries x;
	json *doc;

	apilab_open(&l, APILAB_LEADS);
	x = run(&l, MUTATION_TRIES_MAX);
	cr_expect_eq(x.n, MUTATION_TRIES_MAX);
	cr_expect_eq(x.status, 500, "%d %s", x.status, x.text);
	cr_expect(strstr(x.text, "cluster/self was changed by others 20 times meanwhile: try "
				 "again"),
		  "%s", x.text);
	doc = world_doc(&l.w, "test/mutate");
	cr_expect_null(doc, "and nothing was done");

	x = run(&l, MUTATION_TRIES_MAX - 1);
	cr_expect_eq(x.n, MUTATION_TRIES_MAX);
	cr_expect_eq(x.status, 200, "%s", x.text);
	doc = world_doc(&l.w, "test/mutate");
	cr_expect_not_null(doc);
	json_object_put(doc);
	apilab_close(&l);
}
