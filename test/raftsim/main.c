// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * main.c - runs seeds: raftsim [--seed N] [--seeds COUNT] [--from N] [--trace]
 * [--first] [--mutant NAME]. Prints TAP; --first stops at the first seed that
 * fails. A failing seed prints its last events and the command that repeats
 * it, also when an assertion of the library or of ours ends the process.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "raftsim/world.h"

static const struct {
	const char *name;
	u32 bit;
} mutants[] = {
	{ "early-ack", MUTANT_EARLY_ACK }, { "lose-vote", MUTANT_LOSE_VOTE },
	{ "lose-term", MUTANT_LOSE_TERM }, { "meta-late", MUTANT_META_LATE },
	{ "put-early", MUTANT_PUT_EARLY }, { "two-request-ids", MUTANT_TWO_IDS },
	{ "amnesia", MUTANT_AMNESIA },
};

static u32 mutant;

static void say_failed(u64 seed, const char *what)
{
	printf("not ok seed %llu (step %llu): %s\n# again: make raftsim SEED=%llu TRACE=1\n",
	       (unsigned long long)seed, (unsigned long long)ctl.stats.steps, what,
	       (unsigned long long)seed);
	fflush(stdout);
}

static void on_signal(int sig)
{
	signal(sig, SIG_DFL);
	ctl_notes_print(stdout);
	say_failed(ctl.o.seed, sig == SIGABRT ? "an assertion failed" : "killed by a signal");
	raise(sig);
}

static void add(struct ctl_stats *t)
{
	u64 *to = (u64 *)t, *from = (u64 *)&ctl.stats;

	for (size_t k = 0; k < sizeof(*t) / sizeof(u64); k++)
		to[k] += from[k];
}

static int run_seed(u64 seed, bool trace, struct ctl_stats *t)
{
	struct ctl_options o;
	int rc;

	ctl_options_draw(&o, seed);
	o.trace = trace;
	o.mutant = mutant;
	rc = ctl_run(&o);
	add(t);
	if (rc)
		say_failed(seed, ctl.failure);
	else if (trace)
		printf("ok seed %llu, trace hash %016llx\n", (unsigned long long)seed,
		       (unsigned long long)ctl.hash);
	return rc;
}

static int run_twice(u64 seed)
{
	struct ctl_options o;
	u64 hash;

	ctl_options_draw(&o, seed);
	o.mutant = mutant;
	ctl_run(&o);
	hash = ctl.hash;
	ctl_run(&o);
	return hash != ctl.hash;
}

static void say_totals(const struct ctl_stats *t, u64 count)
{
#define N(field) (unsigned long long)t->field
	printf("# %llu seeds, %llu steps, %llu messages (%llu lost), %llu entries\n",
	       (unsigned long long)count, N(steps), N(messages), N(lost), N(entries));
	printf("# %llu elections, %llu reigns, %llu crashes (%llu of all, %llu in a callback), "
	       "%llu starts, %llu disk errors, %llu cuts, %llu lags\n",
	       N(elections), N(reigns), N(crashes), N(all_crashes), N(torn), N(restarts),
	       N(disk_errors), N(cuts), N(lags));
	printf("# %llu snapshots, %llu installs, %llu restores, %llu truncations, %llu stores "
	       "lost, %llu membership changes, %llu transfers\n",
	       N(snapshots), N(installs), N(restores), N(truncates), N(stores_lost), N(changes),
	       N(transfers));
	printf("# %llu proposals: %llu acknowledged, %llu more as known, %llu conflicts, %llu "
	       "unknown; %llu refusals after %llu barriers; %llu epochs, %llu dumps compared\n",
	       N(proposals), N(acked), N(duplicates), N(conflicts), N(unknown), N(refused),
	       N(barriers), N(casses), N(looks));
#undef N
}

static int find_mutant(const char *name)
{
	for (size_t k = 0; k < sizeof(mutants) / sizeof(mutants[0]); k++) {
		if (strcmp(mutants[k].name, name) == 0) {
			mutant = mutants[k].bit;
			return 0;
		}
	}
	return -1;
}

static int usage(void)
{
	fprintf(stderr, "usage: raftsim [--seed N] [--seeds COUNT] [--from N] [--trace] [--first] "
			"[--mutant NAME]\n");
	return 2;
}

int main(int argc, char **argv)
{
	u64 from = 1, count = 100, failed = 0;
	struct ctl_stats t = { 0 };
	bool trace = false, first = false;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--trace"))
			trace = true;
		else if (!strcmp(argv[i], "--first"))
			first = true;
		else if (i + 1 == argc)
			return usage();
		else if (!strcmp(argv[i], "--seed"))
			from = strtoull(argv[++i], NULL, 0), count = 1;
		else if (!strcmp(argv[i], "--from"))
			from = strtoull(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--seeds"))
			count = strtoull(argv[++i], NULL, 0);
		else if (strcmp(argv[i], "--mutant") != 0 || find_mutant(argv[++i]) < 0)
			return usage();
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGABRT, on_signal);
	signal(SIGSEGV, on_signal);
	for (u64 s = from; s < from + count && !(first && failed); s++)
		failed += (u64)(run_seed(s, trace, &t) != 0);
	if (count > 1 && !failed && run_twice(from)) {
		printf("not ok the same seed gave two traces\n");
		failed++;
	}
	say_totals(&t, count);
	printf("%s 1 - control plane simulator, %llu seeds from %llu\n1..1\n",
	       failed ? "not ok" : "ok", (unsigned long long)count, (unsigned long long)from);
	return failed ? 1 : 0;
}
