// SPDX-License-Identifier: GPL-2.0-or-later
/* Tests of replication/payload.c. */
#include "replication/payload.h"

#include <criterion/criterion.h>

#include "support/leaks.h"

TestSuite(payload, .fini = test_no_leaks);

Test(payload, every_length_fits)
{
	static const u32 lens[] = { 1,
				    512,
				    1024,
				    1025,
				    4096,
				    4097,
				    65536,
				    65537,
				    262144,
				    262145,
				    REPL_WRITE_MAX - 1,
				    REPL_WRITE_MAX };
	struct payload_pool pool;
	struct payload_account a;

	payload_pool_init(&pool);
	payload_account_init(&a, &pool);
	for (size_t i = 0; i < PORT_ARRAY_SIZE(lens); i++) {
		struct payload *p = payload_new(&a, lens[i]);

		cr_assert_not_null(p);
		cr_expect_eq(p->len, lens[i]);
		memset(p->data, 1, lens[i]); /* the sanitizer looks on */
		cr_expect_geq(a.bytes, lens[i]);
		cr_expect_eq(payload_of(payload_handle(p)), p);
		payload_put(p);
		cr_expect_eq(a.bytes, 0);
	}
	cr_expect_eq(pool.used, 0);
	payload_pool_release(&pool);
}

Test(payload, references)
{
	struct payload_pool pool;
	struct payload_account a;
	struct payload *p;

	payload_pool_init(&pool);
	payload_account_init(&a, &pool);
	p = payload_new(&a, 4096);
	payload_get(p);
	payload_put(p);
	cr_expect_eq(a.head, p);
	payload_put(p);
	cr_expect_null(a.head);
	payload_put(NULL);
	payload_pool_release(&pool);
}

Test(payload, kept_for_the_next_up_to_a_limit)
{
	struct payload_pool pool;
	struct payload_account a;
	struct payload *p[2 * PAYLOAD_CACHE_MAX / REPL_WRITE_MAX], *again;

	payload_pool_init(&pool);
	payload_account_init(&a, &pool);
	for (size_t i = 0; i < PORT_ARRAY_SIZE(p); i++)
		p[i] = payload_new(&a, REPL_WRITE_MAX);
	for (size_t i = 0; i < PORT_ARRAY_SIZE(p); i++)
		payload_put(p[i]);
	cr_expect_eq(pool.cached, PAYLOAD_CACHE_MAX);
	again = payload_new(&a, REPL_WRITE_MAX);
	cr_expect_eq(pool.cached, PAYLOAD_CACHE_MAX - REPL_WRITE_MAX);
	payload_put(again);
	payload_pool_release(&pool);
	cr_expect_eq(pool.cached, 0);
}

Test(payload, an_account_ends_with_all_that_is_on_it)
{
	struct payload_pool pool;
	struct payload_account a, b;
	struct payload *kept;

	payload_pool_init(&pool);
	payload_account_init(&a, &pool);
	payload_account_init(&b, &pool);
	for (int i = 0; i < 10; i++)
		payload_get(payload_new(&a, 512u << i));
	kept = payload_new(&b, 512);
	payload_account_release(&a);
	cr_expect_eq(a.bytes, 0);
	cr_expect_eq(pool.used, b.bytes);
	payload_put(kept);
	payload_pool_release(&pool);
}

Test(payload, full)
{
	struct payload_pool pool;

	payload_pool_init(&pool);
	pool.used = PAYLOAD_POOL_MAX - 1;
	cr_expect_not(payload_pool_full(&pool));
	pool.used = PAYLOAD_POOL_MAX;
	cr_expect(payload_pool_full(&pool));
}
