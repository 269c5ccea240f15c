// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_placement.c - who gets the copies, and the words when it cannot be
 * (model/placement.c).
 */
#include "model/placement.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "support/modelworld.h"

#define POOLS_MAX 8

TestSuite(placement, .fini = world_no_leaks);

/* a suitable thin pool of 100 GiB */
#define FINE .online = true, .thin = true, .free_kib = 100 * GIB, .total_kib = 100 * GIB
/* the same, thick */
#define THICK .online = true, .free_kib = 100 * GIB, .total_kib = 100 * GIB

struct row {
	const char *name;
	struct placement_pool pool[POOLS_MAX];
	int64_t size_kib;
	int copies;
	const char *nodes[4], *pools[4];
	const char *chosen; /* "0 2"; NULL: refused */
	const char *text;   /* of the refusal */
};

static const struct row rows[] = {
	{ "two of three, by name",
	  { { "n3", "ssd", FINE }, { "n1", "ssd", FINE }, { "n2", "ssd", FINE } },
	  GIB,
	  2,
	  { 0 },
	  { 0 },
	  "1 2",
	  NULL },
	{ "most free space first",
	  { { "n1", "ssd", FINE },
	    { "n2", "ssd", .online = true, .free_kib = 400 * GIB, .total_kib = 400 * GIB },
	    { "n3", "ssd", .online = true, .free_kib = 200 * GIB, .total_kib = 400 * GIB } },
	  GIB,
	  2,
	  { 0 },
	  { 0 },
	  "1 2",
	  NULL },
	{ "of a thick pool, what is promised and not made",
	  { { "n1", "ssd", THICK, .promised_kib = 60 * GIB, .owed_kib = 50 * GIB + 1 },
	    { "n2", "ssd", .online = true, .free_kib = 30 * GIB, .total_kib = 100 * GIB,
	      .promised_kib = 60 * GIB, .owed_kib = 20 * GIB } },
	  10 * GIB,
	  2,
	  { 0 },
	  { 0 },
	  "0 1",
	  NULL },
	{ "of which the rest is foreign",
	  { { "n1", "ssd", .online = true, .free_kib = 30 * GIB, .total_kib = 100 * GIB,
	      .promised_kib = 60 * GIB, .owed_kib = 20 * GIB + 1 } },
	  10 * GIB,
	  1,
	  { 0 },
	  { 0 },
	  NULL,
	  "1 copy wanted, 0 possible: n1/ssd: 10.00 GiB wanted, 10.00 GiB free" },
	{ "what is promised is not free",
	  { { "n1", "ssd", FINE, .promised_kib = 50 * GIB }, { "n2", "ssd", FINE } },
	  GIB,
	  1,
	  { 0 },
	  { 0 },
	  "1",
	  NULL },
	{ "about the same space: fewest replicas",
	  { { "n1", "ssd", FINE, .replicas = 3 },
	    { "n2", "ssd", .online = true, .free_kib = 100 * GIB - 1, .total_kib = 100 * GIB,
	      .replicas = 2 },
	    { "n3", "ssd", FINE, .replicas = 4 } },
	  GIB,
	  1,
	  { 0 },
	  { 0 },
	  "0",
	  NULL }, /* one step less: 31 of 32 */
	{ "the same space: fewest replicas",
	  { { "n1", "ssd", FINE, .replicas = 3 },
	    { "n2", "ssd", FINE, .replicas = 2 },
	    { "n3", "ssd", FINE, .replicas = 4 } },
	  GIB,
	  1,
	  { 0 },
	  { 0 },
	  "1",
	  NULL },
	{ "one on a node",
	  { { "n1", "hdd", FINE },
	    { "n1", "ssd", FINE },
	    { "N1", "tape", FINE },
	    { "n2", "ssd", FINE } },
	  GIB,
	  2,
	  { 0 },
	  { 0 },
	  "0 3",
	  NULL },
	{ "one on a node, refused",
	  { { "n1", "hdd", FINE }, { "n1", "ssd", FINE } },
	  GIB,
	  2,
	  { 0 },
	  { 0 },
	  NULL,
	  "2 copies wanted, 1 possible: n1/hdd chosen" },
	{ "only the nodes asked for, any case",
	  { { "n1", "ssd", FINE }, { "n2", "ssd", FINE }, { "n3", "ssd", FINE } },
	  GIB,
	  1,
	  { "N3" },
	  { 0 },
	  "2",
	  NULL },
	{ "only the pools asked for",
	  { { "n1", "hdd", FINE }, { "n1", "ssd", FINE }, { "n2", "hdd", FINE } },
	  GIB,
	  1,
	  { 0 },
	  { "SSD" },
	  "1",
	  NULL },
	{ "an unknown node",
	  { { "n1", "ssd", FINE }, { "n2", "ssd", FINE } },
	  GIB,
	  2,
	  { "n1", "n9" },
	  { 0 },
	  NULL,
	  "2 copies wanted, 1 possible: n1/ssd chosen; n9: no such node" },
	{ "pools that are not asked for are told",
	  { { "n1", "ssd", FINE }, { "n2", "hdd", FINE } },
	  GIB,
	  2,
	  { 0 },
	  { "ssd" },
	  NULL,
	  "2 copies wanted, 1 possible: n1/ssd chosen; n2/hdd: not among the pools asked for" },
	{ "numbers, and a witness",
	  { { "n1", "ssd", THICK },
	    { "n2", "ssd", .online = true, .free_kib = 4 * GIB, .total_kib = 50 * GIB },
	    { "n3", NULL, .online = true } },
	  10 * GIB,
	  2,
	  { 0 },
	  { 0 },
	  NULL,
	  "2 copies wanted, 1 possible: n1/ssd chosen; n2/ssd: 10.00 GiB wanted, 4.00 GiB free; "
	  "n3: no pool (witness)" },
	{ "offline is told once for a node",
	  { { "n1", "hdd", .online = false }, { "n1", "ssd", .online = false } },
	  GIB,
	  1,
	  { 0 },
	  { 0 },
	  NULL,
	  "1 copy wanted, 0 possible: n1: offline" },
	{ "first rule that failed",
	  { { "n1", "ssd", FINE, .has_replica = true },
	    { "n2", "ssd", .online = true, .closed = "cordoned" },
	    { "n3", "ssd", .online = true, .free_kib = -1, .total_kib = -1 },
	    { "n4", "ssd", FINE, .error = "disk on fire" } },
	  GIB,
	  1,
	  { 0 },
	  { 0 },
	  NULL,
	  "1 copy wanted, 0 possible: n1: has a replica already; n2: "
	  "cordoned; n3/ssd: no report from the node yet; n4/ssd: failed: disk "
	  "on fire" },
	{ "thick: promised + size up to the total",
	  { { "n1", "ssd", THICK, .promised_kib = 60 * GIB } },
	  40 * GIB,
	  1,
	  { 0 },
	  { 0 },
	  "0",
	  NULL },
	{ "thick: not beyond the total",
	  { { "n1", "ssd", THICK, .promised_kib = 60 * GIB } },
	  40 * GIB + 4,
	  1,
	  { 0 },
	  { 0 },
	  NULL,
	  "1 copy wanted, 0 possible: n1/ssd: 40.00 GiB wanted, 40.00 GiB free" },
	{ "thin: up to the overcommit",
	  { { "n1", "ssd", FINE, .promised_kib = 160 * GIB } },
	  40 * GIB,
	  1,
	  { 0 },
	  { 0 },
	  "0",
	  NULL },
	{ "thin: not beyond the overcommit",
	  { { "n1", "ssd", FINE, .promised_kib = 160 * GIB } },
	  41 * GIB,
	  1,
	  { 0 },
	  { 0 },
	  NULL,
	  "1 copy wanted, 0 possible: n1/ssd: 41.00 GiB wanted, 40.00 GiB free to promise (160.00 "
	  "GiB promised of 2.0 x 100.00 GiB)" },
	{ "95 % used",
	  { { "n1", "ssd", .online = true, .thin = true, .free_kib = 5 * GIB,
	      .total_kib = 100 * GIB } },
	  GIB,
	  1,
	  { 0 },
	  { 0 },
	  NULL,
	  "1 copy wanted, 0 possible: n1/ssd: 95 % full (95.00 GiB of 100.00 GiB), nothing new "
	  "from 95 % on" },
	{ "not quite 95 %",
	  { { "n1", "ssd", .online = true, .thin = true, .free_kib = 5 * GIB + 1,
	      .total_kib = 100 * GIB } },
	  GIB,
	  1,
	  { 0 },
	  { 0 },
	  "0",
	  NULL },
	{ "95 % of the metadata used",
	  { { "n1", "ssd", FINE, .meta_percent = 95 }, { "n2", "ssd", FINE, .meta_percent = 94 } },
	  GIB,
	  2,
	  { 0 },
	  { 0 },
	  NULL,
	  "2 copies wanted, 1 possible: n2/ssd chosen; n1/ssd: the thin pool's metadata is 95 % "
	  "full, nothing new from 95 % on" },
	{ "below 90 % first, whatever is free",
	  { { "n1", "ssd", .online = true, .free_kib = 90 * GIB, .total_kib = 900 * GIB },
	    { "n2", "ssd", .online = true, .free_kib = 11 * GIB, .total_kib = 100 * GIB },
	    { "n3", "ssd", FINE, .meta_percent = 90 } },
	  GIB,
	  2,
	  { 0 },
	  { 0 },
	  "1 0",
	  NULL },
	{ "promised far beyond",
	  { { "n1", "ssd", THICK, .promised_kib = 900 * GIB } },
	  GIB,
	  1,
	  { 0 },
	  { 0 },
	  NULL,
	  "1 copy wanted, 0 possible: n1/ssd: 1.00 GiB wanted, 0 KiB free" },
	{ "no node at all",
	  { { 0 } },
	  GIB,
	  1,
	  { 0 },
	  { 0 },
	  NULL,
	  "1 copy wanted, 0 possible: the cluster has no node" },
	{ "nothing wanted", { { "n1", "ssd", FINE } }, GIB, 0, { 0 }, { 0 }, "", NULL },
	{ "an empty pool",
	  { { "n1", "ssd", .online = true } },
	  4,
	  1,
	  { 0 },
	  { 0 },
	  NULL,
	  "1 copy wanted, 0 possible: n1/ssd: 4 KiB wanted, 0 KiB free" },
};

static int count(const char *const *names)
{
	int n = 0;

	while (n < 4 && names[n])
		n++;
	return n;
}

Test(placement, table)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		struct placement_want want = { .size_kib = r->size_kib,
					       .copies = r->copies,
					       .nodes = r->nodes,
					       .n_nodes = count(r->nodes),
					       .pools = r->pools,
					       .n_pools = count(r->pools) };
		int chosen[POOLS_MAX] = { 0 }, n = 0, rv;
		struct err err = { 0 };
		char text[64] = "";

		while (n < POOLS_MAX && r->pool[n].node)
			n++;
		rv = placement_choose(r->pool, n, &want, chosen, &err, NULL);
		cr_expect_eq(rv, r->chosen ? 0 : -E_NO_NODES, "row '%s': %d %s", r->name, rv,
			     err.text);
		for (int k = 0; rv == 0 && k < r->copies; k++)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%d",
				 k ? " " : "", chosen[k]);
		if (r->chosen)
			cr_expect_str_eq(text, r->chosen, "row '%s': %s", r->name, text);
		if (r->text)
			cr_expect_str_eq(err.text, r->text, "row '%s': %s", r->name, err.text);
	}
}

Test(placement, every_candidate_has_a_verdict)
{
	static const struct placement_pool pools[] = {
		{ "n1", "hdd", FINE },
		{ "n1", "ssd", FINE },
		{ "n2", "ssd", FINE },
		{ "n3", NULL, .online = true },
		{ "n4", "ssd", .online = false },
		{ "n5", "ssd", FINE },
	};
	static const struct {
		const char *rule, *why;
	} told[] = {
		{ "chosen", "chosen" },
		{ "suitable", "suitable, not needed" },
		{ "suitable", "suitable, not needed" },
		{ "no-pool", "no pool (witness)" },
		{ "offline", "offline" },
		{ "node-list", "not among the nodes asked for" },
	};
	static const char *const nodes[] = { "n1", "n2", "n3", "n4" };
	struct placement_want want = { .size_kib = GIB, .copies = 1, .nodes = nodes, .n_nodes = 4 };
	struct placement_verdict v[6];
	int chosen[1];

	cr_assert_eq(placement_choose(pools, 6, &want, chosen, NULL, v), 0);
	for (int i = 0; i < 6; i++) {
		cr_expect_str_eq(placement_rule_name(v[i].rule), told[i].rule, "%d", i);
		cr_expect_str_eq(v[i].why, told[i].why, "%d", i);
	}
	for (int r = 0; r < PLACEMENT_RULES; r++)
		cr_expect(placement_rule_name((enum placement_rule)r)[0]);
}

Test(placement, many_nodes_fit_the_sentence)
{
	static struct placement_pool pools[NODES_MAX];
	static char names[NODES_MAX][NAME_MAX_LEN + 1];
	struct placement_want want = { .size_kib = GIB, .copies = 2 };
	struct err err = { 0 };
	int chosen[2];

	for (int i = 0; i < NODES_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "node-%042d", i);
		pools[i] = (struct placement_pool){ .node = names[i], .pool = "ssd" };
	}
	cr_assert_eq(placement_choose(pools, NODES_MAX, &want, chosen, &err, NULL), -E_NO_NODES);
	cr_expect(strstr(err.text, "node-000000000000000000000000000000000000000000: offline; "));
	cr_expect(strstr(err.text, " more"), "%s", err.text);
	for (int i = 0; i < NODES_MAX; i++)
		pools[i] = (struct placement_pool){ .node = names[i], .pool = "ssd", FINE };
	cr_assert_eq(placement_choose(pools, NODES_MAX, &want, chosen, &err, NULL), 0);
	cr_expect_eq(chosen[0], 0);
	cr_expect_eq(chosen[1], 1);
}
