// SPDX-License-Identifier: GPL-2.0-or-later
/* test_stall.c - how long a loop does not poll (base/stall.c). */
#include <criterion/criterion.h>
#include <time.h>

#include "base/stall.h"

#define WORK_MS 30

static void work(uv_timer_t *timer)
{
	uint64_t end = uv_hrtime() + WORK_MS * 1000000ull;

	while (uv_hrtime() < end)
		;
	uv_close((uv_handle_t *)timer, NULL);
}

static void sleep_in_it(uv_timer_t *timer)
{
	nanosleep(&(struct timespec){ .tv_nsec = WORK_MS * 1000000 }, NULL);
	uv_close((uv_handle_t *)timer, NULL);
}

static void nothing(uv_timer_t *timer)
{
	uv_close((uv_handle_t *)timer, NULL);
}

static void run(struct stall *s, uv_timer_cb cb, int after_ms)
{
	uv_timer_t timer;
	uv_loop_t loop;

	cr_assert_eq(uv_loop_init(&loop), 0);
	stall_start(s, &loop);
	uv_timer_init(&loop, &timer);
	uv_timer_start(&timer, cb, (uint64_t)after_ms, 0);
	while (uv_run(&loop, UV_RUN_ONCE)) /* as the daemon does */
		;
	stall_stop(s);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert_eq(uv_loop_close(&loop), 0, "nothing of it is left open");
}

Test(stall, work_counts_by_both)
{
	struct stall s;

	run(&s, work, 5);
	cr_expect(s.turns >= 1);
	cr_expect(s.longest_ms >= WORK_MS, "%llu", (unsigned long long)s.longest_ms);
	cr_expect(s.longest_cpu_ns > 0);
}

Test(stall, who_sleeps_in_a_turn_uses_no_cpu)
{
	struct stall s;

	run(&s, sleep_in_it, 5);
	cr_expect(s.longest_ms >= WORK_MS, "%llu", (unsigned long long)s.longest_ms);
	cr_expect(s.longest_cpu_ns < WORK_MS * 1000000ull / 2, "%llu",
		  (unsigned long long)s.longest_cpu_ns);
}

Test(stall, waiting_for_something_to_happen_is_none)
{
	struct stall s;

	run(&s, nothing, 10 * WORK_MS);
	cr_expect(s.longest_ms < 10 * WORK_MS, "%llu", (unsigned long long)s.longest_ms);
	cr_expect(s.longest_cpu_ns < WORK_MS * 1000000ull);
}
