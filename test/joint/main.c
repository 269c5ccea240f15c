// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * main.c - runs seeds of both planes together: joint [--seed N] [--seeds
 * COUNT] [--from N] [--trace]. Prints TAP; a failing seed prints the command
 * that repeats it.
 */
#include <stdlib.h>
#include <string.h>

#include "joint/joint.h"
#include "sim/world.h"

struct totals {
	u64 steps, writes, promotions, joins, crashes;
	struct joint_stats plane;
};

static struct sim_world w;

static int run_seed(u64 seed, bool trace, struct totals *t, u64 *ret_hash)
{
	struct sim_options o;
	int rc;

	sim_options_draw(&o, seed);
	o.trace = trace;
	o.reg = &joint_register;
	memset(&w, 0, sizeof(w));
	rc = joint_begin(seed, &w, (u32)o.nodes, o.alike, trace);
	if (!rc)
		rc = sim_run(&w, &o);
	rc |= joint_end(&t->plane);
	t->steps += w.steps;
	t->writes += w.writes_done;
	t->promotions += w.promotions;
	t->joins += w.joins;
	t->crashes += w.crashes;
	*ret_hash = w.hash ^ joint_hash();
	if (rc)
		printf("not ok seed %llu: data plane: %s; control plane: %s\n# again: make joint "
		       "SEED=%llu TRACE=1\n",
		       (unsigned long long)seed, w.failure, joint_failure(),
		       (unsigned long long)seed);
	return rc;
}

static void say_totals(const struct totals *t, u64 count)
{
#define N(field) (unsigned long long)t->field
	printf("# %llu seeds; data plane: %llu steps, %llu writes, %llu crashes, %llu promotions, "
	       "%llu joins\n",
	       (unsigned long long)count, N(steps), N(writes), N(crashes), N(promotions), N(joins));
	printf("# control plane: %llu epochs of %llu changes asked for (%llu refused), %llu reads; "
	       "%llu elections, %llu crashes, %llu snapshots, %llu membership changes\n",
	       N(plane.decided), N(plane.changes), N(plane.refused), N(plane.reads),
	       N(plane.elections), N(plane.crashes), N(plane.snapshots), N(plane.membership));
#undef N
}

int main(int argc, char **argv)
{
	u64 from = 1, count = 30, failed = 0, hash, again;
	struct totals t = { 0 };
	bool trace = false;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--trace")) {
			trace = true;
		} else if (i + 1 < argc && !strcmp(argv[i], "--seed")) {
			from = strtoull(argv[++i], NULL, 0);
			count = 1;
		} else if (i + 1 < argc && !strcmp(argv[i], "--from")) {
			from = strtoull(argv[++i], NULL, 0);
		} else if (i + 1 < argc && !strcmp(argv[i], "--seeds")) {
			count = strtoull(argv[++i], NULL, 0);
		} else {
			fprintf(stderr, "usage: joint [--seed N] [--seeds COUNT] [--from N] "
					"[--trace]\n");
			return 2;
		}
	}
	for (u64 s = from; s < from + count; s++)
		failed += (u64)(run_seed(s, trace, &t, &hash) != 0);
	say_totals(&t, count);
	if (count > 1 && !failed) {
		run_seed(from, false, &t, &hash);
		run_seed(from, false, &t, &again);
		failed += hash != again;
	}
	printf("%s 1 - both planes, %llu seeds from %llu\n1..1\n", failed ? "not ok" : "ok",
	       (unsigned long long)count, (unsigned long long)from);
	return failed ? 1 : 0;
}
