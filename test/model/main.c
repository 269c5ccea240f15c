/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.c - make model: searches the worlds below completely with all rules, and
 * once more with each of some rules taken out, which must be found out.
 */
#include "model.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int main(int argc, char **argv)
{
	static struct config c;
	struct search_result r;
	struct timespec t0, t1;
	u64 max = 20000000;

	c = (struct config){ .nodes = 2, .disks = 3, .candidates = 3, .set = 1, .writer = 0,
		.epochs = 4, .writes = 2, .crashes = 1, .cuts = 1, .opens = 1, .may_crash = 3 };
	for (int i = 1; i < argc; i++) {
		char *v = strchr(argv[i], '=');
		int x;
		if (!v) continue;
		*v++ = 0; x = atoi(v);
#define F(n) if (!strcmp(argv[i], #n)) c.n = (u8)x
		F(nodes); F(disks); F(candidates); F(set); F(writer); F(epochs); F(writes); F(crashes); F(cuts); F(flushes); F(opens); F(closes); F(evictions); F(reads); F(own_queue); F(may_crash);
		if (!strcmp(argv[i], "out")) out = (enum rule_out)x;
		if (!strcmp(argv[i], "max")) max = strtoull(v, NULL, 0);
	}
	cfg = &c;
	clock_gettime(CLOCK_MONOTONIC, &t0);
	search(max, true, &r);
	clock_gettime(CLOCK_MONOTONIC, &t1);
	printf("states %lu moves %lu depth %u complete %d wrong %s %ld s size %zu\n", r.states, r.moves, r.depth, r.complete, r.wrong, t1.tv_sec - t0.tv_sec, sizeof(struct state));
	return 0;
}
