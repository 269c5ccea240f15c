/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.c - runs seeds: sim [--seed N] [--seeds COUNT] [--from N] [--trace]
 * [--first] Prints TAP; --first stops at the first seed that fails. A failing
 * seed prints the command that repeats it.
 */
#include <stdlib.h>
#include <string.h>

#include "sim/world.h"

struct totals {
	u64 steps, writes, reads, flushes, crashes, promotions, restarted, joins, reshapes,
		disk_errors, yields;
};

static int run_seed(u64 seed, bool trace, struct totals *t)
{
	static struct sim_world w;
	struct sim_options o;
	int rc;

	sim_options_draw(&o, seed);
	o.trace = trace;
	rc = sim_run(&w, &o);
	t->steps += w.steps;
	t->writes += w.writes_done;
	t->reads += w.reads_done;
	t->flushes += w.flushes_done;
	t->crashes += w.crashes;
	t->promotions += w.promotions;
	t->restarted += w.restarts_promoted;
	t->joins += w.joins;
	t->reshapes += w.reshapes;
	t->disk_errors += w.disk_errors;
	t->yields += w.yields;
	if (rc)
		printf("not ok seed %llu (step %llu): %s\n# again: make sim SEED=%llu "
		       "TRACE=1\n",
		       (unsigned long long)seed, (unsigned long long)w.steps, w.failure,
		       (unsigned long long)seed);
	else if (trace)
		printf("ok seed %llu, trace hash %016llx\n", (unsigned long long)seed,
		       (unsigned long long)w.hash);
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

int main(int argc, char **argv)
{
	u64 from = 1, count = 100, failed = 0;
	struct totals t = { 0 };
	bool trace = false, first = false;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--trace")) {
			trace = true;
		} else if (!strcmp(argv[i], "--first")) {
			first = true;
		} else if (i + 1 < argc && !strcmp(argv[i], "--seed")) {
			from = strtoull(argv[++i], NULL, 0);
			count = 1;
		} else if (i + 1 < argc && !strcmp(argv[i], "--from")) {
			from = strtoull(argv[++i], NULL, 0);
		} else if (i + 1 < argc && !strcmp(argv[i], "--seeds")) {
			count = strtoull(argv[++i], NULL, 0);
		} else {
			fprintf(stderr,
				"usage: sim [--seed N] [--seeds COUNT] [--from N] [--trace] "
				"[--first]\n");
			return 2;
		}
	}
	for (u64 s = from; s < from + count && !(first && failed); s++)
		failed += (u64)(run_seed(s, trace, &t) != 0);
	if (count > 1 && run_twice(from)) {
		printf("not ok the same seed gave two traces\n");
		failed++;
	}
	printf("# %llu seeds, %llu steps, %llu writes, %llu reads, %llu flushes, "
	       "%llu crashes, "
	       "%llu promotions (%llu of a restarted copy)\n",
	       (unsigned long long)count, (unsigned long long)t.steps, (unsigned long long)t.writes,
	       (unsigned long long)t.reads, (unsigned long long)t.flushes,
	       (unsigned long long)t.crashes, (unsigned long long)t.promotions,
	       (unsigned long long)t.restarted);
	printf("# %llu joins, %llu replicas added or removed, %llu disk errors, "
	       "%llu planned moves\n",
	       (unsigned long long)t.joins, (unsigned long long)t.reshapes,
	       (unsigned long long)t.disk_errors, (unsigned long long)t.yields);
	printf("%s 1 - simulator, %llu seeds from %llu\n1..1\n", failed ? "not ok" : "ok",
	       (unsigned long long)count, (unsigned long long)from);
	return failed ? 1 : 0;
}
