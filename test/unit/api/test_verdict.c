// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_verdict.c - what a resource's state is called, why, and what comes next
 * (api/verdict.c).
 */
#include <criterion/criterion.h>
#include <string.h>

#include "api/verdict.h"

#define GOOD(n)                                                                           \
	{                                                                                 \
		.node = n, .state = COPY_UP, .in_sync = true, .progress = -1, .error = "" \
	}
#define AWAY(n, ms)                                                                               \
	{                                                                                         \
		.node = n, .state = COPY_UNKNOWN, .in_sync = true, .progress = -1, .away_ms = ms, \
		.error = ""                                                                       \
	}
#define LEARNER(n, p)                                                   \
	{                                                               \
		.node = n, .state = COPY_UP, .progress = p, .error = "" \
	}
#define LEARNER_AT_PACE(n, p, seconds)                                                     \
	{                                                                                  \
		.node = n, .state = COPY_UP, .progress = p, .left_s = seconds, .error = "" \
	}
#define STALE(n)                                                         \
	{                                                                \
		.node = n, .state = COPY_UP, .progress = -1, .error = "" \
	}
#define MAKING(n)                                                                               \
	{                                                                                       \
		.node = n, .state = COPY_CREATING, .in_sync = true, .progress = -1, .error = "" \
	}
#define STARTING(n, what)                                                                         \
	{                                                                                         \
		.node = n, .state = COPY_CREATING, .in_sync = true, .progress = -1, .error = what \
	}
#define FAILED(n, why)                                                                         \
	{                                                                                      \
		.node = n, .state = COPY_FAILED, .in_sync = true, .progress = -1, .error = why \
	}
#define BROKEN(n)                                                                             \
	{                                                                                     \
		.node = n, .state = COPY_BROKEN, .in_sync = true, .progress = -1, .error = "" \
	}
#define SICK(n)                                                                              \
	{                                                                                    \
		.node = n, .state = COPY_SICK, .progress = -1, .error = "data write: ENOSPC" \
	}
#define FULL(n)                                                                  \
	{                                                                        \
		.node = n, .state = COPY_SICK, .progress = -1, .no_space = true, \
		.error = "no space left in pool ssd: data write: no space left"  \
	}
#define QUARANTINED(n)                                                                   \
	{                                                                                \
		.node = n, .resource = "db", .state = COPY_QUARANTINED, .in_sync = true, \
		.progress = -1, .error = "its disk failed 3 times in 4 min"              \
	}
#define LEAVING(n)                                                                             \
	{                                                                                      \
		.node = n, .state = COPY_UP, .in_sync = true, .leaving = true, .progress = -1, \
		.error = ""                                                                    \
	}

TestSuite(verdict);

static const struct {
	const char *what;
	struct verdict_input in;
	enum verdict verdict;
	int good;
	const char *reason, *next; /* parts of them; "" nothing at all */
} rows[] = {
	{ "two good", { 0, true, 2, { GOOD("n1"), GOOD("n2") } }, VERDICT_SAFE, 2, "", "" },
	{ "one by wish",
	  { 0, true, 1, { GOOD("n1") } },
	  VERDICT_SAFE,
	  1,
	  "one copy, as asked",
	  "" },
	{ "one of two away",
	  { 0, true, 2, { GOOD("n1"), AWAY("n2", 12900) } },
	  VERDICT_AT_RISK,
	  1,
	  "n2 does not answer since 12 s",
	  "n2 catches up when it is back" },
	{ "one of three away",
	  { 0, true, 3, { GOOD("n1"), GOOD("n2"), AWAY("n3", -1) } },
	  VERDICT_DEGRADED,
	  2,
	  "n3 has not reported yet",
	  "n3 catches up" },
	{ "all away",
	  { 0, true, 2, { AWAY("n1", 4000), AWAY("n2", 5000) } },
	  VERDICT_UNAVAILABLE,
	  0,
	  "n1 does not answer since 4 s; n2 does not",
	  "n1 catches up" },
	{ "one has no space",
	  { 0, true, 2, { GOOD("n1"), FULL("n2") } },
	  VERDICT_AT_RISK,
	  1,
	  "n2: no space left in pool ssd",
	  "extend that pool; n2 tries again by itself" },
	{ "a learner",
	  { 0, true, 2, { GOOD("n1"), LEARNER("n2", 45.2) } },
	  VERDICT_AT_RISK,
	  1,
	  "n2 is catching up (45 %)",
	  "n2 joins when it has everything" },
	{ "a learner whose pace is known",
	  { 0, true, 2, { GOOD("n1"), LEARNER_AT_PACE("n2", 45.2, 754) } },
	  VERDICT_AT_RISK,
	  1,
	  "n2 is catching up (45 %, 12 min to go)",
	  "n2 joins when it has everything" },
	{ "out of date",
	  { 0, true, 3, { GOOD("n1"), GOOD("n2"), STALE("n3") } },
	  VERDICT_DEGRADED,
	  2,
	  "n3 is out of date",
	  "by itself" },
	{ "being made",
	  { 0, true, 2, { MAKING("n1"), MAKING("n2") } },
	  VERDICT_UNAVAILABLE,
	  0,
	  "n1 is making its copy",
	  "by itself" },
	{ "starting",
	  { 0, true, 2, { GOOD("n1"), STARTING("n2", "attaching the disk") } },
	  VERDICT_AT_RISK,
	  1,
	  "n2 is not ready yet: attaching the disk",
	  "n2 goes on by itself" },
	{ "failed",
	  { 0, true, 2, { GOOD("n1"), FAILED("n2", "no space") } },
	  VERDICT_AT_RISK,
	  1,
	  "n2 failed: no space",
	  "n2 tries again" },
	{ "a disk that has failed",
	  { 0, true, 2, { GOOD("n1"), BROKEN("n2") } },
	  VERDICT_AT_RISK,
	  1,
	  "the disk of n2 has failed",
	  "restart sdsd on n2" },
	{ "a disk that is tried again",
	  { 0, true, 2, { GOOD("n1"), SICK("n2") } },
	  VERDICT_AT_RISK,
	  1,
	  "the disk of n2 has failed: data write: ENOSPC",
	  "n2 tries again by itself" },
	{ "the last copy in sync has failed",
	  { 0, true, 1, { BROKEN("n1") } },
	  VERDICT_UNAVAILABLE,
	  0,
	  "the disk of n1 has failed",
	  "restart sdsd on n1" },
	{ "quarantined",
	  { 0, true, 2, { GOOD("n1"), QUARANTINED("n2") } },
	  VERDICT_AT_RISK,
	  1,
	  "n2 is quarantined: its disk failed 3 times in 4 min",
	  "sdsd volume repair db n2 when its disk is well, or replace it" },
	{ "deactivated",
	  { 0,
	    true,
	    2,
	    { GOOD("n1"), { .node = "n2", .state = COPY_INACTIVE, .progress = -1, .error = "" } } },
	  VERDICT_AT_RISK,
	  1,
	  "the copy on n2 is deactivated",
	  "none: activate it when it is to catch up" },
	{ "leaving",
	  { 0, true, 3, { GOOD("n1"), GOOD("n2"), LEAVING("n3") } },
	  VERDICT_SAFE,
	  3,
	  "the copy on n3 is being removed",
	  "" },
	{ "none placed",
	  { 0, true, 0, { { 0 } } },
	  VERDICT_UNAVAILABLE,
	  0,
	  "no copies are placed",
	  "place copies" },
	{ "no leader",
	  { 0, false, 2, { AWAY("n1", -1), AWAY("n2", -1) } },
	  VERDICT_UNAVAILABLE,
	  0,
	  "no leader",
	  "elected" },
};

Test(verdict, rows)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct verdict_result r;

		verdict_of(&rows[i].in, &r);
		cr_expect_eq(r.verdict, rows[i].verdict, "row '%s': %s", rows[i].what,
			     verdict_name(r.verdict));
		cr_expect_eq(r.good, rows[i].good, "row '%s': %d", rows[i].what, r.good);
		cr_expect(rows[i].reason[0] ? strstr(r.reason, rows[i].reason) != NULL
					    : !r.reason[0],
			  "row '%s': reason %s", rows[i].what, r.reason);
		cr_expect(rows[i].next[0] ? strstr(r.next, rows[i].next) != NULL : !r.next[0],
			  "row '%s': next %s", rows[i].what, r.next);
	}
}

Test(verdict, texts_have_an_end)
{
	struct verdict_input in = { .leader = true, .n = REPLICAS_MAX };
	char error[512];
	struct verdict_result r;

	memset(error, 'e', sizeof(error) - 1);
	error[sizeof(error) - 1] = '\0';
	for (int i = 0; i < REPLICAS_MAX; i++)
		in.copy[i] = (struct verdict_copy){ .node = "a-node-with-a-rather-long-name",
						    .state = COPY_FAILED,
						    .progress = -1,
						    .error = error };
	verdict_of(&in, &r);
	cr_expect_eq(strlen(r.reason), VERDICT_TEXT_MAX - 1);
	cr_expect_eq(r.verdict, VERDICT_UNAVAILABLE);
}

Test(verdict, names)
{
	cr_expect_str_eq(verdict_name(VERDICT_SAFE), "safe");
	cr_expect_str_eq(verdict_name(VERDICT_DEGRADED), "degraded");
	cr_expect_str_eq(verdict_name(VERDICT_AT_RISK), "at risk");
	cr_expect_str_eq(verdict_name(VERDICT_UNAVAILABLE), "unavailable");
}

Test(verdict, copies_that_differ)
{
	struct verdict_difference d = { 3, "n2", false, "db" };
	struct verdict_result r = { .reason = "n3 is out of date" };

	verdict_add_difference(&d, &r);
	cr_expect_str_eq(r.reason, "n3 is out of date; copies differ in 3 regions (n2)");
	cr_expect_str_eq(r.next, "sdsd volume verify db --repair");
	r = (struct verdict_result){ 0 };
	d.regions = 1;
	d.mended = true;
	verdict_add_difference(&d, &r);
	cr_expect_str_eq(r.reason, "copies differ in 1 region (n2)");
	cr_expect(strstr(r.next, "compared again") != NULL);
}

Test(verdict, by_nvme)
{
	struct verdict_result r = { .reason = "one copy" };

	verdict_add_nvme(&r);
	cr_expect(strstr(r.reason, "one copy; ") == r.reason, "%s", r.reason);
	cr_expect(strstr(r.reason, "no failover") != NULL, "%s", r.reason);
}
