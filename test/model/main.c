/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.c - make model: searches the worlds of worlds.c with all rules, completely;
 * then those with one rule taken out, until the way to what goes wrong is found.
 * Exit 0 only when every world is clean and complete, everything the model can do
 * was done in one of them, and every missing rule was found out.
 */
#include "model.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STATES_MAX 20000000ull /* 16 bytes each and the table, beside the layers */

static struct search_result total; /* of the worlds: seen and answered */

static double run(const struct config *world, enum rule_out rule, struct search_result *ret)
{
	struct timespec a, b;

	cfg = world;
	out = rule;
	clock_gettime(CLOCK_MONOTONIC, &a);
	search(STATES_MAX, true, ret);
	clock_gettime(CLOCK_MONOTONIC, &b);
	return (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
}

static bool run_world(const struct config *w)
{
	struct search_result r;
	double s = run(w, RULES_KEPT, &r);

	for (u32 i = 0; i < ACTIONS; i++)
		total.seen[i] += r.seen[i];
	for (u32 i = 0; i < CAS_KINDS; i++)
		total.answered[i] += r.answered[i];
	total.states += r.states;
	total.moves += r.moves;
	printf("%-18s %d %d %d %d %d %d %d %d %9llu %10llu %3u %5.1f  %s\n", w->name, w->epochs,
	       w->writes, w->crashes, w->cuts, w->flushes, w->opens, w->closes, w->evictions,
	       (unsigned long long)r.states, (unsigned long long)r.moves, r.depth, s,
	       r.wrong      ? r.wrong
	       : r.complete ? "holds"
			    : "NOT COMPLETE");
	fflush(stdout);
	return !r.wrong && r.complete;
}

/* A rule that nothing ever put to the test proves nothing. */
static bool all_seen(void)
{
	bool all = true;

	for (u32 i = ACT_BEGIN + 1; i < ACTIONS; i++)
		if (!total.seen[i]) {
			printf("never happened: %s\n", action_names[i]);
			all = false;
		}
	for (u32 i = CAS_NONE + 1; i < CAS_KINDS; i++)
		if (!total.answered[i]) {
			printf("never taken: a proposal to %s\n", cas_names[i]);
			all = false;
		}
	return all;
}

static bool run_missing(const struct missing *m)
{
	struct search_result r;

	printf("\n%s (%s): %s\n", m->world.name, m->cites, m->world.about);
	run(&m->world, m->rule, &r);
	printf("      => %s (%llu states, %u steps)\n", r.wrong ? r.wrong : "NOTHING FOUND",
	       (unsigned long long)r.states, r.depth);
	fflush(stdout);
	return r.wrong;
}

int main(int argc, char **argv)
{
	const char *only = argc > 1 ? argv[1] : NULL;
	u32 bad = 0, worlds_run = 0, missing_run = 0;

	printf("All rules kept. Bounds: epochs up to E; W writes, X crashes, L links cut,\n"
	       "F flushes, O times opened, C closed, H extents leaving the hot log. Depth D.\n\n"
	       "%-18s E W X L F O C H    states transitions  D     s\n",
	       "world");
	for (u32 i = 0; i < n_worlds; i++) {
		if (only && strcmp(only, worlds[i].name))
			continue;
		worlds_run++;
		bad += !run_world(&worlds[i]);
	}
	printf("%-34s %9llu %10llu\n", "together", (unsigned long long)total.states,
	       (unsigned long long)total.moves);
	if (!only && !all_seen())
		bad++;
	printf("\nOne rule taken out: the shortest way to what goes wrong.\n");
	for (u32 i = 0; i < n_missing; i++) {
		if (only && strcmp(only, missing[i].world.name))
			continue;
		missing_run++;
		bad += !run_missing(&missing[i]);
	}
	printf("\nmodel: %s: %u worlds with all rules, %u rules taken out, %u not as expected\n",
	       bad || !(worlds_run + missing_run) ? "FAILED" : "PASSED", worlds_run, missing_run,
	       bad);
	return bad || !(worlds_run + missing_run) ? 1 : 0;
}
