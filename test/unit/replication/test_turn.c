// SPDX-License-Identifier: GPL-2.0-or-later
/* Tests of replication/turn.c. */
#include "replication/turn.h"

#include <criterion/criterion.h>

#include "support/leaks.h"

TestSuite(turn, .fini = test_no_leaks);

static struct turn turn;
static struct turn_item a, b, c;
static char ran[64];
static int a_again;

static void note(char what)
{
	size_t used = strlen(ran);

	if (used + 1 < sizeof(ran)) {
		ran[used] = what;
		ran[used + 1] = '\0';
	}
}

static void run_a(struct turn_item *item)
{
	note('a');
	turn_add(&turn, &c);
	if (a_again-- > 0)
		turn_add(&turn, item);
}

static void run_b(struct turn_item *item)
{
	note('b');
}

static void run_c(struct turn_item *item)
{
	note('c');
}

static void on_timer(uv_timer_t *timer)
{
	turn_add(&turn, &a);
	turn_add(&turn, &b);
	turn_add(&turn, &a);
	uv_close((uv_handle_t *)timer, NULL);
}

static void on_closed(struct turn *t)
{
	note('.');
}

Test(turn, once_in_order_and_what_is_added_meanwhile)
{
	uv_loop_t loop;
	uv_timer_t timer;

	a = (struct turn_item){ .run = run_a };
	b = (struct turn_item){ .run = run_b };
	c = (struct turn_item){ .run = run_c };
	a_again = 1;
	uv_loop_init(&loop);
	cr_assert_eq(turn_init(&turn, &loop), 0);
	uv_timer_init(&loop, &timer);
	uv_timer_start(&timer, on_timer, 1, 0);
	while (!strchr(ran, 'c'))
		uv_run(&loop, UV_RUN_ONCE);
	cr_expect_str_eq(ran, "abcac");
	turn_add(&turn, &b);
	turn_add(&turn, &c);
	turn_drop(&turn, &b);
	turn_drop(&turn, &b);
	uv_run(&loop, UV_RUN_NOWAIT);
	cr_expect_str_eq(ran, "abcacc");
	turn_close(&turn, on_closed);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_str_eq(ran, "abcacc.");
	cr_expect_eq(uv_loop_close(&loop), 0);
}
