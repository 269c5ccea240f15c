// SPDX-License-Identifier: GPL-2.0-or-later
/* test_mailbox.c - order, threads, letters that post letters, closing. */
#include <criterion/criterion.h>
#include <stdint.h>

#include "base/mailbox.h"
#include "support/leaks.h"

#define POSTS 5000

TestSuite(mailbox, .fini = test_no_leaks);

static uv_loop_t loop;
static struct mailbox box;
static uintptr_t last[2];
static int got, disorder, closed;
static uv_thread_t home;

static void on_closed(struct mailbox *m)
{
	closed++;
}

static void on_letter(void *arg)
{
	uintptr_t n = (uintptr_t)arg, sender = n & 1;
	uv_thread_t self = uv_thread_self();

	if (n >> 1 != last[sender] + 1 || !uv_thread_equal(&self, &home))
		disorder++;
	last[sender] = n >> 1;
	if (++got == 2 * POSTS)
		mailbox_close(&box, on_closed);
}

static void post_many(void *arg)
{
	for (uintptr_t i = 1; i <= POSTS; i++)
		mailbox_post(&box, on_letter, (void *)(i << 1 | (uintptr_t)arg));
}

Test(mailbox, two_threads_in_order)
{
	uv_thread_t threads[2];

	home = uv_thread_self();
	uv_loop_init(&loop);
	cr_assert_eq(mailbox_init(&box, &loop), 0);
	for (uintptr_t i = 0; i < 2; i++)
		uv_thread_create(&threads[i], post_many, (void *)i);
	uv_run(&loop, UV_RUN_DEFAULT);
	for (int i = 0; i < 2; i++)
		uv_thread_join(&threads[i]);
	cr_expect_eq(got, 2 * POSTS);
	cr_expect_eq(disorder, 0);
	cr_expect_eq(closed, 1);
	cr_expect_eq(uv_loop_close(&loop), 0);
}

static void on_chain(void *arg)
{
	if (++got < POSTS)
		mailbox_post(&box, on_chain, NULL);
}

static void on_tick(uv_timer_t *timer)
{
	closed = got; /* how far the chain was when another event had its turn */
	uv_close((uv_handle_t *)timer, NULL);
}

Test(mailbox, a_chain_leaves_turns_to_others)
{
	uv_timer_t timer;

	uv_loop_init(&loop);
	uv_timer_init(&loop, &timer);
	uv_timer_start(&timer, on_tick, 0, 0);
	cr_assert_eq(mailbox_init(&box, &loop), 0);
	mailbox_post(&box, on_chain, NULL);
	while (got < POSTS)
		uv_run(&loop, UV_RUN_ONCE);
	cr_expect_lt(closed, POSTS);
	mailbox_close(&box, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_eq(uv_loop_close(&loop), 0);
}

Test(mailbox, close_runs_what_is_left)
{
	uv_loop_init(&loop);
	cr_assert_eq(mailbox_init(&box, &loop), 0);
	got = POSTS - 10;
	mailbox_post(&box, on_chain, NULL);
	mailbox_close(&box, on_closed);
	cr_expect_eq(got, POSTS);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_eq(closed, 1);
	cr_expect_eq(uv_loop_close(&loop), 0);
}
