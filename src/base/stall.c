// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * stall.c - one question to the clock and one to the kernel for each turn of the loop, so that it
 * can always be on. Started by daemon.c, shown by api/metrics.c. It knows nothing of what is done
 * in a turn.
 */
#include "base/stall.h"

#include <time.h>

#include "base/log.h"

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* The loop looks at its clock when poll returns, and not again before this: so that is when. */
static void on_polled(uv_check_t *handle)
{
	struct stall *s = handle->data;

	s->began_ms = uv_now(handle->loop);
}

static void on_poll(uv_prepare_t *handle)
{
	struct stall *s = handle->data;
	uint64_t now_ms = uv_hrtime() / 1000000, cpu = cpu_ns();
	uint64_t took_ms = now_ms > s->began_ms ? now_ms - s->began_ms : 0;
	uint64_t took_ns = cpu - s->cpu_ns;

	s->cpu_ns = cpu;
	s->turns++;
	if (took_ms > s->longest_ms)
		s->longest_ms = took_ms;
	if (took_ns > s->longest_cpu_ns)
		s->longest_cpu_ns = took_ns;
	if (took_ns >= STALL_WARN_MS * 1000000ull)
		log_warn("loop", "nothing else was done for %llu ms (%llu ms of CPU)",
			 (unsigned long long)took_ms, (unsigned long long)(took_ns / 1000000));
}

void stall_start(struct stall *s, uv_loop_t *loop)
{
	*s = (struct stall){ .began_ms = uv_hrtime() / 1000000, .cpu_ns = cpu_ns() };
	/* these four cannot fail: they only fill in the handle */
	uv_check_init(loop, &s->after);
	uv_prepare_init(loop, &s->before);
	s->after.data = s->before.data = s;
	uv_check_start(&s->after, on_polled);
	uv_prepare_start(&s->before, on_poll);
	uv_unref((uv_handle_t *)&s->after);
	uv_unref((uv_handle_t *)&s->before);
}

void stall_stop(struct stall *s)
{
	if (!s->after.data) /* of a daemon that did not get so far */
		return;
	uv_close((uv_handle_t *)&s->after, NULL);
	uv_close((uv_handle_t *)&s->before, NULL);
}
