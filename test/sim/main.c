/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.c - runs seeds or scenarios, prints TAP:
 *   sim [--seed N] [--seeds COUNT] [--from N] [--trace] [--first]
 *   sim [--accept] [--trace] --scenario FILE...
 * --first stops at the first seed that fails; a failing seed prints the command that repeats it.
 * --accept writes what happened into the scenarios as what is expected.
 */
#include <stdlib.h>
#include <string.h>

#include "sim/world.h"

struct totals {
	u64 steps, writes, reads, flushes, crashes, promotions, restarted, joins, reshapes,
		disk_errors, yields, grown, ambushes, watched, compared, healed_ns, simulated_ns;
	u32 payloads, links, events, loop, held, burst;
};

struct arguments {
	u64 from, count;
	bool trace, first, accept;
	char **scenarios;
	int n_scenarios;
};

static void add(struct totals *t, const struct sim_world *w)
{
	t->steps += w->steps;
	t->writes += w->writes_done;
	t->reads += w->reads_done;
	t->flushes += w->flushes_done;
	t->crashes += w->crashes;
	t->promotions += w->promotions;
	t->restarted += w->restarts_promoted;
	t->joins += w->joins;
	t->reshapes += w->reshapes;
	t->disk_errors += w->disk_errors;
	t->yields += w->yields;
	t->grown += w->grown;
	t->ambushes += w->ambushes;
	t->watched += w->watched;
	t->compared += w->compared;
	t->simulated_ns += w->now;
	t->healed_ns = PORT_MAX(t->healed_ns, w->healed_ns);
	t->payloads = PORT_MAX(t->payloads, w->high_payloads);
	t->links = PORT_MAX(t->links, w->high_links);
	t->events = PORT_MAX(t->events, w->high_events);
	t->loop = PORT_MAX(t->loop, w->high_loop);
	t->held = PORT_MAX(t->held, w->high_held);
	t->burst = PORT_MAX(t->burst, w->high_burst);
}

static int run_seed(u64 seed, const struct arguments *a, struct totals *t)
{
	static struct sim_world w;
	struct sim_options o;
	int rc;

	sim_options_draw(&o, seed);
	o.trace = a->trace;
	rc = sim_run(&w, &o);
	add(t, &w);
	if (rc)
		printf("not ok seed %llu (step %llu): %s\n# again: make sim SEED=%llu TRACE=1\n",
		       (unsigned long long)seed, (unsigned long long)w.steps, w.failure,
		       (unsigned long long)seed);
	else if (a->trace)
		printf("ok seed %llu, trace hash %016llx\n", (unsigned long long)seed,
		       (unsigned long long)w.hash);
	fflush(stdout);
	return rc;
}

static int run_twice(u64 seed)
{
	static struct sim_world w;
	struct sim_options o;
	u64 hash;

	sim_options_draw(&o, seed);
	sim_run(&w, &o);
	hash = w.hash;
	sim_run(&w, &o);
	return hash != w.hash;
}

static void print_totals(const struct totals *t, u64 count)
{
	printf("# %llu seeds, %llu steps, %llu writes, %llu reads, %llu flushes, %llu crashes, "
	       "%llu promotions (%llu of a restarted copy)\n",
	       (unsigned long long)count, (unsigned long long)t->steps,
	       (unsigned long long)t->writes, (unsigned long long)t->reads,
	       (unsigned long long)t->flushes, (unsigned long long)t->crashes,
	       (unsigned long long)t->promotions, (unsigned long long)t->restarted);
	printf("# %llu joins, %llu replicas added or removed, %llu disks grown, %llu planned "
	       "moves, %llu disk errors, %llu ambushes; "
	       "%llu looks at all copies, %llu regions compared\n",
	       (unsigned long long)t->joins, (unsigned long long)t->reshapes,
	       (unsigned long long)t->grown, (unsigned long long)t->yields,
	       (unsigned long long)t->disk_errors, (unsigned long long)t->ambushes,
	       (unsigned long long)t->watched, (unsigned long long)t->compared);
	printf("# highest: %u payloads, %u links, %u events, %u on a loop, %u not taken, %u "
	       "effects of a call; whole again after at most %llu s\n",
	       t->payloads, t->links, t->events, t->loop, t->held, t->burst,
	       (unsigned long long)(t->healed_ns / 1000000000ull));
}

static int run_seeds(const struct arguments *a)
{
	struct totals t = { 0 };
	u64 failed = 0, done = 0;

	for (u64 s = a->from; s < a->from + a->count && !(a->first && failed); s++, done++)
		failed += (u64)(run_seed(s, a, &t) != 0);
	if (a->count > 1 && run_twice(a->from)) {
		printf("not ok the same seed gave two traces\n");
		failed++;
	}
	print_totals(&t, done);
	printf("%s 1 - simulator, %llu seeds from %llu\n1..1\n", failed ? "not ok" : "ok",
	       (unsigned long long)done, (unsigned long long)a->from);
	return failed ? 1 : 0;
}

static int run_scenarios(const struct arguments *a)
{
	int failed = 0;

	for (int i = 0; i < a->n_scenarios; i++) {
		int rc = scenario_run(a->scenarios[i], a->accept, a->trace);

		printf("%s %d - %s\n", rc ? "not ok" : "ok", i + 1, a->scenarios[i]);
		failed += rc != 0;
	}
	printf("1..%d\n", a->n_scenarios);
	return failed ? 1 : 0;
}

/* 0, or -1: not understood */
static int parse(struct arguments *a, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--trace")) {
			a->trace = true;
		} else if (!strcmp(argv[i], "--first")) {
			a->first = true;
		} else if (!strcmp(argv[i], "--accept")) {
			a->accept = true;
		} else if (!strcmp(argv[i], "--scenario")) {
			a->scenarios = argv + i + 1;
			a->n_scenarios = argc - i - 1;
			return a->n_scenarios ? 0 : -1;
		} else if (i + 1 < argc && !strcmp(argv[i], "--seed")) {
			a->from = strtoull(argv[++i], NULL, 0);
			a->count = 1;
		} else if (i + 1 < argc && !strcmp(argv[i], "--from")) {
			a->from = strtoull(argv[++i], NULL, 0);
		} else if (i + 1 < argc && !strcmp(argv[i], "--seeds")) {
			a->count = strtoull(argv[++i], NULL, 0);
		} else {
			return -1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct arguments a = { .from = 1, .count = 100 };

	if (parse(&a, argc, argv)) {
		fprintf(stderr, "usage: sim [--seed N] [--seeds COUNT] [--from N] [--trace] "
				"[--first]\n"
				"       sim [--accept] [--trace] --scenario FILE...\n");
		return 2;
	}
	return a.n_scenarios ? run_scenarios(&a) : run_seeds(&a);
}
