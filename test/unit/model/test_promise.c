// SPDX-License-Identifier: GPL-2.0-or-later
/* test_promise.c - what is placed in a pool, added up in one transaction (model/promise.c). */
#include "model/promise.h"

#include <criterion/criterion.h>

#include "support/modelworld.h"

TestSuite(promise);

static void add(struct world *w, struct txn *t, const char *pool, int64_t kib, int64_t replicas)
{
	const struct promise more = { kib, kib / 10, replicas };

	cr_assert_eq(promise_add(t, w->store, "n1", pool, &more), 0);
}

static void expect(struct world *w, const char *pool, int64_t kib, int64_t replicas)
{
	struct promise p;

	cr_assert_eq(promise_peek(w->store, "N1", pool, &p), 0);
	cr_expect_eq(p.kib, kib, "%s: %lld", pool, (long long)p.kib);
	cr_expect_eq(p.extra_kib, kib / 10);
	cr_expect_eq(p.replicas, replicas);
}

Test(promise, twice_in_one_transaction)
{
	struct world w;
	struct txn *t;

	world_open(&w);
	t = world_txn();
	add(&w, t, "ssd", 100, 1);
	add(&w, t, "hdd", 50, 1);
	add(&w, t, "SSD", 200, 1);
	cr_assert_eq(world_apply(&w, t), TXN_APPLIED);
	expect(&w, "ssd", 300, 2);
	expect(&w, "hdd", 50, 1);

	t = world_txn();
	add(&w, t, "ssd", -100, -1);
	add(&w, t, "ssd", -200, -1);
	add(&w, t, "ssd", 70, 1); /* back from nothing */
	add(&w, t, "hdd", 10, 1);
	add(&w, t, "hdd", -60, -2);
	cr_assert_eq(world_apply(&w, t), TXN_APPLIED);
	expect(&w, "ssd", 70, 1);
	expect(&w, "hdd", 0, 0);
	cr_expect_eq(world_count(&w, "promise/"), 1, "what promises nothing is not there");
	world_close(&w);
}
