// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_upkeep.c - what is done by itself for the copies of a resource (model/upkeep.c): the rules
 * one by one, and random lives of a resource, in which nothing may be removed that is needed,
 * nobody may work against another, and in the end there is what was wanted. UPKEEP_SEED=<n> runs
 * one seed again.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/upkeep.h"

TestSuite(upkeep);

#define AFTER_MS 60000

static struct upkeep_replica copy(const char *node)
{
	return (struct upkeep_replica){ .node = node, .in_set = true, .fit = true, .out_ms = -1 };
}

/* has had the volume open for so long, and gets a disk after a minute */
static struct upkeep_replica client(const char *node, int64_t open_ms)
{
	return (struct upkeep_replica){ .node = node,
					.diskless = true,
					.fit = true,
					.open = true,
					.writer = true,
					.out_ms = -1,
					.diskful_ms = 60000,
					.open_ms = open_ms };
}

/* what becomes of it when it gets one */
static struct upkeep_replica drawn(const char *node)
{
	return (struct upkeep_replica){ .node = node,
					.fit = true,
					.open = true,
					.out_ms = -1,
					.writer = true,
					.drawn_ms = 5,
					.waits = true };
}

static struct upkeep_input two(void)
{
	return (struct upkeep_input){
		.copies = 2,
		.after_ms = AFTER_MS,
		.sight.watched_ms = 1000000,
		.n = 2,
		.replica = { copy("n1"), copy("n2") },
	};
}

static struct upkeep_plan decide(const struct upkeep_input *in)
{
	struct upkeep_plan plan;

	upkeep_decide(in, &plan);
	return plan;
}

static void away(struct upkeep_replica *r, int64_t ms)
{
	r->fit = false;
	r->out_ms = ms;
}

Test(upkeep, times)
{
	cr_expect_eq(upkeep_parse_after("off"), -1);
	cr_expect_eq(upkeep_parse_after("10s"), 10000);
	cr_expect_eq(upkeep_parse_after("9s"), -2);
	cr_expect_eq(upkeep_parse_after("60m"), 3600000);
	cr_expect_eq(upkeep_parse_after("366d"), UPKEEP_REBUILD_MAX_S * 1000ll);
	cr_expect_eq(upkeep_parse_after("367d"), -2);
	cr_expect_eq(upkeep_parse_after(""), -2);
	cr_expect_eq(upkeep_parse_after("soon"), -2);
	cr_expect_eq(upkeep_parse_after("-10s"), -2);
	cr_expect_eq(upkeep_parse_after("10sx"), -2);
}

Test(upkeep, all_is_well)
{
	struct upkeep_input in = two();
	struct upkeep_plan p = decide(&in);

	cr_expect_eq(p.what, UPKEEP_NOTHING);
	cr_expect_str_empty(p.why);
	cr_expect_eq(p.again_ms, -1);
	cr_expect_not(p.learning);
	cr_expect(p.calm);
}

/* Copies learn from nobody while the record names who died as writer. */
Test(upkeep, a_dead_writer_that_stays_away_is_named_no_more)
{
	struct upkeep_input in = two();
	struct upkeep_plan p;

	in.replica[2] = copy("n3");
	in.replica[2].in_set = false; /* made in its place */
	in.n = 3;
	in.replica[1].writer = true;
	away(&in.replica[1], AFTER_MS);
	p = decide(&in);
	cr_expect_eq(p.what, UPKEEP_UNNAME);
	cr_expect_eq(p.which, 1);
	cr_expect_not(p.calm);
	in.replica[1].lives = true;
	cr_expect_eq(decide(&in).what, UPKEEP_NOTHING, "others say that it lives");
	in.replica[1].lives = false;
	in.replica[1].out_ms = AFTER_MS - 1;
	in.copies = 1;
	cr_expect_neq(decide(&in).what, UPKEEP_UNNAME, "it may be back");
	in.copies = 2;
	in.replica[1].out_ms = AFTER_MS;
	in.replica[0].in_set = false;
	cr_expect_eq(decide(&in).what, UPKEEP_NOTHING, "nobody else has what it had");
	in.replica[0].in_set = in.replica[2].in_set = true;
	cr_expect_neq(decide(&in).what, UPKEEP_UNNAME, "nobody lacks anything");
	/* without a copy, or with one whose disk is left alone */
	in.replica[2].in_set = false;
	in.replica[1].diskless = true;
	in.replica[1].in_set = false;
	cr_expect_eq(decide(&in).what, UPKEEP_UNNAME);
	in.replica[1].diskless = false;
	cr_expect_eq(decide(&in).what, UPKEEP_UNNAME);
	in.replica[1].open = true;
	cr_expect_eq(decide(&in).what, UPKEEP_NOTHING, "it writes by way of others");
}

/* Whoever looks only when documents change would miss what reports alone show. */
Test(upkeep, what_is_not_as_it_is_to_be_is_not_calm)
{
	struct upkeep_input in = two();

	in.replica[1].fit = false;
	cr_expect_eq(decide(&in).what, UPKEEP_NOTHING);
	cr_expect_not(decide(&in).calm, "not attached (yet)");
	in = two();
	in.replica[1].in_set = false;
	cr_expect_not(decide(&in).calm, "it catches up");
	in = two();
	away(&in.replica[1], 0);
	cr_expect_not(decide(&in).calm, "it may come back");
	in = two();
	in.replica[1].fate = UPKEEP_LEAVES;
	cr_expect_not(decide(&in).calm, "it is about to leave");
}

Test(upkeep, a_lost_copy_is_made_anew_after_its_time)
{
	struct upkeep_input in = two();
	struct upkeep_plan p;

	away(&in.replica[1], AFTER_MS - 10000);
	p = decide(&in);
	cr_expect_eq(p.what, UPKEEP_NOTHING);
	cr_expect_eq(p.again_ms, 10000);
	cr_expect_str_eq(p.why,
			 "a new copy is made elsewhere if the one on n2 is not back in 10 s");
	in.replica[1].out_ms = AFTER_MS;
	p = decide(&in);
	cr_expect_eq(p.what, UPKEEP_ADD);
	cr_expect_str_eq(p.why, "one more copy is made: the one on n2 is out of service");
	in.sight.many_away = true;
	p = decide(&in);
	cr_expect_eq(p.what, UPKEEP_NOTHING);
	cr_expect(strstr(p.why, "more than 34 % of the nodes are away"), "%s", p.why);
	in.sight.many_away = false;
	in.sight.watched_ms = AFTER_MS - 1; /* a new leader has not seen it for long enough */
	cr_expect_eq(decide(&in).what, UPKEEP_NOTHING);
	cr_expect_gt(decide(&in).again_ms, 0);
	in.sight.watched_ms = AFTER_MS;
	in.after_ms = -1;
	cr_expect_eq(decide(&in).what, UPKEEP_NOTHING);
}

Test(upkeep, who_returns_goes_when_others_have_everything)
{
	struct upkeep_input in = two();
	struct upkeep_plan p;

	in.replica[2] = copy("n3");
	in.n = 3;
	away(&in.replica[1], AFTER_MS * 2);
	cr_expect_eq(decide(&in).what, UPKEEP_NOTHING, "what it is worth is seen when it is back");
	in.replica[1] = copy("n2");
	in.replica[1].in_set = false;
	p = decide(&in);
	cr_expect_eq(p.what, UPKEEP_REMOVE);
	cr_expect_eq(p.which, 1);
	in.replica[2].in_set = false; /* the new one has not everything yet */
	cr_expect_eq(decide(&in).what, UPKEEP_NOTHING);
	in.replica[1].in_set = true; /* the old one was faster */
	p = decide(&in);
	cr_expect_eq(p.what, UPKEEP_REMOVE);
	cr_expect_eq(p.which, 2);
}

Test(upkeep, which_of_too_many)
{
	struct upkeep_input in = two();

	in.n = 4;
	in.replica[2] = copy("n3");
	in.replica[3] = copy("n4");
	cr_expect_eq(decide(&in).which, 3, "of equal ones the last");
	in.replica[0].in_set = false;
	cr_expect_eq(decide(&in).which, 0, "one that has not everything");
	in.replica[0] = copy("n1");
	in.replica[3].open = true;
	cr_expect_eq(decide(&in).which, 2, "not where it is open");
	away(&in.replica[2], 1000);
	cr_expect_eq(decide(&in).which, 1, "nor one that is away");
	in.replica[1].deleting = true;
	cr_expect_eq(decide(&in).what, UPKEEP_NOTHING);
}

Test(upkeep, evacuation)
{
	struct upkeep_input in = two();
	struct upkeep_plan p;

	in.replica[0].fate = UPKEEP_LEAVES;
	p = decide(&in);
	cr_expect_eq(p.what, UPKEEP_ADD);
	cr_expect_str_eq(p.why, "one more copy is made: the one on n1 leaves");
	in.replica[2] = copy("n3");
	in.replica[2].in_set = false;
	in.n = 3;
	p = decide(&in);
	cr_expect_eq(p.what, UPKEEP_NOTHING);
	cr_expect_str_eq(p.why, "the copy on n1 goes when others have everything (1 of 2)");
	cr_expect(p.learning);
	in.replica[2].in_set = true;
	in.replica[0].open = true;
	p = decide(&in);
	cr_expect_eq(p.what, UPKEEP_NOTHING);
	cr_expect(strstr(p.why, "open on n1"), "%s", p.why);
	in.replica[0].open = false;
	p = decide(&in);
	cr_expect_eq(p.what, UPKEEP_REMOVE);
	cr_expect_eq(p.which, 0);
}

Test(upkeep, clients_leave_too)
{
	struct upkeep_input in = two();

	in.replica[2] = client("n3", -1);
	in.replica[2].fate = UPKEEP_LEAVES;
	in.n = 3;
	cr_expect_eq(decide(&in).what, UPKEEP_NOTHING);
	in.replica[2].open = false;
	cr_expect_eq(decide(&in).which, 2);
}

Test(upkeep, a_lost_node)
{
	struct upkeep_input in = two();
	struct upkeep_plan p;

	away(&in.replica[0], 10);
	in.replica[0].fate = UPKEEP_LOST;
	p = decide(&in);
	cr_expect_eq(p.what, UPKEEP_REMOVE);
	cr_expect_eq(p.which, 0);
	in.replica[1].in_set = false; /* what n1 had is nowhere else */
	p = decide(&in);
	cr_expect_eq(p.what, UPKEEP_NOTHING, "nor is a copy made, that could learn from nobody");
	cr_expect(strstr(p.why, "what no other copy has"), "%s", p.why);
}

Test(upkeep, as_many_copies_as_can_be)
{
	struct upkeep_input in = two();
	struct upkeep_plan p;
	static const char *const names[COPIES_MAX] = { "n1", "n2", "n3", "n4", "n5", "n6", "n7" };

	in.copies = in.n = COPIES_MAX;
	for (int i = 0; i < COPIES_MAX; i++)
		in.replica[i] = copy(names[i]);
	away(&in.replica[3], AFTER_MS);
	in.replica[3].in_set = false;
	p = decide(&in);
	cr_expect_eq(p.what, UPKEEP_REMOVE);
	cr_expect_eq(p.which, 3);
	in.replica[3].in_set = true; /* the record has not been changed yet */
	p = decide(&in);
	cr_expect_eq(p.what, UPKEEP_NOTHING);
	cr_expect(strstr(p.why, "which is the limit"), "%s", p.why);
}

/* ---- copies where the volume is used ---- */

Test(upkeep, a_client_is_watched)
{
	struct upkeep_input in = two();
	struct upkeep_plan p;

	in.replica[2] = client("n3", -1);
	in.n = 3;
	p = decide(&in);
	cr_expect_eq(p.what, UPKEEP_NOTE, "since now");
	cr_expect_eq(p.which, 2);
	in.replica[2].open_ms = 20000;
	p = decide(&in);
	cr_expect_eq(p.what, UPKEEP_NOTHING);
	cr_expect_eq(p.again_ms, 40000);
	away(&in.replica[2], 1000);
	in.replica[2].open = false;
	cr_expect_eq(decide(&in).what, UPKEEP_NOTHING, "only its node can say that it is closed");
	in.replica[2].out_ms = -1;
	cr_expect_eq(decide(&in).what, UPKEEP_NOTE, "it is closed");
	in.replica[2].open_ms = -1;
	p = decide(&in);
	cr_expect_eq(p.what, UPKEEP_NOTHING);
	cr_expect_eq(p.again_ms, UPKEEP_AGREE_MS, "the record says that it is open");
	in.replica[2].writer = false;
	cr_expect_eq(decide(&in).again_ms, -1);
	in.replica[2] = client("n3", 20000);
	in.replica[2].diskful_ms = -1;
	cr_expect_eq(decide(&in).what, UPKEEP_NOTE, "nobody wants to know any more");
	in.replica[2].open_ms = -1;
	cr_expect_eq(decide(&in).what, UPKEEP_NOTHING);
}

Test(upkeep, a_client_gets_a_copy)
{
	struct upkeep_input in = two();
	struct upkeep_plan p;

	in.replica[2] = client("n3", 60000);
	in.n = 3;
	p = decide(&in);
	cr_expect_eq(p.what, UPKEEP_DISK);
	cr_expect_eq(p.which, 2);
	cr_expect_str_eq(p.why, "n3 gets a copy: it has been open there for 60 s");
	in.replica[2].fate = UPKEEP_LEAVES;
	cr_expect_eq(decide(&in).what, UPKEEP_NOTE, "not where all leaves");
	in.replica[2].fate = UPKEEP_STAYS;
	away(&in.replica[1], AFTER_MS);
	cr_expect_eq(decide(&in).what, UPKEEP_ADD, "what is lost comes first");
	in.no_place = true;
	cr_expect_eq(decide(&in).what, UPKEEP_DISK, "and here there is at least a place");
}

Test(upkeep, a_copy_that_waits_stands_for_nobody)
{
	struct upkeep_input in = two();
	struct upkeep_plan p;

	in.replica[2] = drawn("n3");
	in.n = 3;
	p = decide(&in);
	cr_expect_eq(p.what, UPKEEP_NOTHING);
	cr_expect_not(p.learning);
	cr_expect_str_eq(p.why, "the copy on n3 takes part when the volume was closed there once");
	in.replica[3] = client("n4", 60000);
	in.n = 4;
	cr_expect_eq(decide(&in).what, UPKEEP_NOTHING, "one at a time");
	in.n = 3;
	away(&in.replica[1], AFTER_MS);
	cr_expect_eq(decide(&in).what, UPKEEP_ADD, "two are wanted that have everything");
	in.replica[1] = copy("n2");
	in.replica[2].open = in.replica[2].waits = false; /* it learns now */
	cr_expect_eq(decide(&in).what, UPKEEP_NOTHING, "there are too many, and it has time");
	in.replica[2].in_set = true;
	p = decide(&in);
	cr_expect_eq(p.what, UPKEEP_REMOVE);
	cr_expect_eq(p.which, 1, "it stays, since it was made where the volume is used");
	in.replica[0].drawn_ms = 4;
	in.replica[1].drawn_ms = 9;
	cr_expect_eq(decide(&in).which, 0, "of several the oldest goes");
}

Test(upkeep, room_is_not_made_where_it_is_open)
{
	static const char *const names[COPIES_MAX] = { "n1", "n2", "n3", "n4", "n5", "n6", "n7" };
	struct upkeep_input in = two();

	in.copies = in.n = COPIES_MAX;
	for (int i = 0; i < COPIES_MAX; i++)
		in.replica[i] = copy(names[i]);
	in.replica[6] = drawn("n7");
	cr_expect_eq(decide(&in).what, UPKEEP_NOTHING);
	in.replica[6].open = false;
	cr_expect_eq(decide(&in).what, UPKEEP_REMOVE);
	in.replica[6] = copy("n7");
	in.replica[7] = client("n8", 60000);
	in.n++;
	cr_expect_eq(decide(&in).what, UPKEEP_NOTHING);
	cr_expect(strstr(decide(&in).why, "which is the limit"), "%s", decide(&in).why);
}

/* ---- random lives ---- */

#define NODES 6
#define SEEDS 2000
#define STEPS 600
#define CALM 400

struct life_copy {
	bool there, in_set, deleting, open, client;
	bool drawn, waits;
	int64_t open_ms; /* of a client, as it was noted; -1: not */
	int learned;     /* per cent */
};

struct life {
	struct upkeep_input in; /* as it was made for the last decision */
	int at[REPLICAS_MAX];   /* replica -> node */
	bool down[NODES], leaves[NODES], lost[NODES];
	int64_t down_ms[NODES];
	struct life_copy copy[NODES];
	int dead_writer; /* named by the record; nobody learns from nobody; -1: none */
	int copies;
	int adds, removes, draws, unnamed;
};

static uint64_t state;
static const char *const names[NODES] = { "n1", "n2", "n3", "n4", "n5", "n6" };

static int draw(int n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (int)(state % (uint64_t)n);
}

static bool is_member(const struct life *l, int i)
{
	return l->copy[i].there && !l->copy[i].client && l->copy[i].in_set;
}

/* members that answer, but for one node */
static int good_but(const struct life *l, int but)
{
	int n = 0;

	for (int i = 0; i < NODES; i++)
		n += i != but && is_member(l, i) && !l->down[i];
	return n;
}

static void make_input(struct life *l)
{
	int down = 0, nodes = 0;

	l->in = (struct upkeep_input){ .copies = l->copies,
				       .after_ms = 5000,
				       .sight.watched_ms = 1000000 };
	for (int i = 0; i < NODES; i++) {
		struct life_copy *c = &l->copy[i];

		nodes += !l->lost[i];
		down += l->down[i] && !l->lost[i];
		if (!c->there)
			continue;
		l->at[l->in.n] = i;
		l->in.replica[l->in.n++] = (struct upkeep_replica){
			.node = names[i],
			.diskless = c->client,
			.deleting = c->deleting,
			.in_set = is_member(l, i),
			.fit = !l->down[i],
			.open = c->open && !l->down[i],
			.fate = l->lost[i]     ? UPKEEP_LOST
				: l->leaves[i] ? UPKEEP_LEAVES
					       : UPKEEP_STAYS,
			.out_ms = l->down[i] ? l->down_ms[i] : -1,
			.writer = c->open || l->dead_writer == i,
			.drawn_ms = c->drawn,
			.waits = c->waits && c->open && !l->down[i],
			.diskful_ms = 5000,
			.open_ms = c->client ? c->open_ms : -1,
		};
	}
	l->in.sight.many_away = down * 100 > nodes * UPKEEP_AWAY_MAX_PERCENT;
}

/* What the data planes do: whoever does not answer leaves the set while another is in it, and who
 * is not in it learns from those that are; not while the record names who died as writer. */
static void replicate(struct life *l)
{
	int dead = l->dead_writer;

	if (dead >= 0 && (!l->down[dead] || !l->copy[dead].there))
		dead = l->dead_writer = -1;
	for (int i = 0; i < NODES; i++) {
		struct life_copy *c = &l->copy[i];

		l->down_ms[i] += l->down[i] ? 1000 : 0;
		c->open_ms += c->open_ms >= 0 ? 1000 : 0;
		if (!c->open) /* its disk takes part from now on */
			c->waits = false;
		if (!c->there || c->client || c->waits)
			continue;
		if (c->in_set && ((l->down[i] && dead < 0) || c->deleting) && good_but(l, i) > 0 &&
		    draw(2)) {
			c->in_set = false;
			c->learned = 0;
		} else if (!c->in_set && !l->down[i] && !c->deleting && dead < 0 &&
			   good_but(l, i) > 0) {
			c->learned += draw(20);
			c->in_set = c->learned >= 100;
		}
		if (c->deleting && !c->in_set)
			c->there = false;
	}
}

static void die(struct life *l, int i)
{
	bool others = false;

	for (int k = 0; k < NODES; k++)
		others |= k != i && l->copy[k].open;
	if (l->copy[i].open && !others)
		l->dead_writer = i;
	l->down[i] = true;
	l->down_ms[i] = 0;
	l->copy[i].open = false;
}

static void happen(struct life *l)
{
	int i = draw(NODES), down = 0;

	for (int k = 0; k < NODES; k++)
		down += l->down[k];
	switch (draw(12)) {
	case 0:
		if (down < 3 && !l->down[i])
			die(l, i);
		break;
	case 1:
	case 2:
		l->down[i] = l->lost[i];
		break;
	case 3:
		l->leaves[i] = true;
		break;
	case 4:
	case 5:
		l->leaves[i] = false;
		break;
	case 6:
		l->copies = 1 + draw(3);
		break;
	case 7:
		if (!l->down[i])
			l->copy[i].open = l->copy[i].there;
		if (l->copy[i].open)
			l->dead_writer = -1;
		break;
	case 8:
	case 9:
		l->copy[i].open = false;
		break;
	case 10:
		if (!l->copy[i].there && !l->down[i])
			l->copy[i] = (struct life_copy){
				.there = true, .client = true, .open_ms = -1, .open = draw(2)
			};
		break;
	case 11:
		if (draw(40) == 0 && l->down[i]) /* rare: it never returns */
			l->lost[i] = true;
		break;
	}
}

static void remove_one(struct life *l, const struct upkeep_plan *p, uint64_t seed)
{
	int i = l->at[p->which];
	struct life_copy *c = &l->copy[i];

	cr_assert_not(c->open && !l->down[i], "seed %llu: removed while open",
		      (unsigned long long)seed);
	if (!c->client)
		cr_assert_gt(good_but(l, i), 0, "seed %llu: the last good copy was removed",
			     (unsigned long long)seed);
	if (is_member(l, i) && !l->down[i] && !l->leaves[i])
		cr_assert_geq(good_but(l, i), l->copies, "seed %llu: a copy in sync was needed",
			      (unsigned long long)seed);
	l->removes++;
	if (c->client || !c->in_set || draw(2))
		c->there = false;
	else
		c->deleting = true;
}

/* a client is given a disk, if it has the volume not open */
static bool is_place(const struct life *l, int i, bool client)
{
	const struct life_copy *c = &l->copy[i];

	if (l->down[i] || l->leaves[i] || l->lost[i])
		return false;
	return client ? c->there && c->client && !c->deleting && !c->open : !c->there;
}

/* false: no place */
static bool add_one(struct life *l)
{
	int from = draw(NODES);

	for (int k = 0; k < 2 * NODES; k++) {
		int i = (from + k) % NODES;

		if (!is_place(l, i, k >= NODES))
			continue;
		l->copy[i] = (struct life_copy){ .there = true };
		l->adds++;
		return true;
	}
	return false;
}

static void note_one(struct life *l, const struct upkeep_plan *p, uint64_t seed)
{
	struct life_copy *c = &l->copy[l->at[p->which]];

	cr_assert_neq(c->open_ms >= 0, c->open && !l->leaves[l->at[p->which]], "seed %llu",
		      (unsigned long long)seed);
	c->open_ms = c->open_ms >= 0 ? -1 : 0;
}

/* false: its node takes none */
static bool draw_one(struct life *l, const struct upkeep_plan *p, uint64_t seed)
{
	struct life_copy *c = &l->copy[l->at[p->which]];

	cr_assert(c->client && c->open && c->open_ms >= 5000, "seed %llu: it is not used there",
		  (unsigned long long)seed);
	if (draw(4) == 0)
		return false;
	*c = (struct life_copy){ .there = true, .open = true, .drawn = true, .waits = true };
	l->adds++;
	l->draws++;
	return true;
}

static void unname_one(struct life *l, const struct upkeep_plan *p, uint64_t seed)
{
	int i = l->at[p->which];

	cr_assert_eq(l->dead_writer, i, "seed %llu: it is no dead writer",
		     (unsigned long long)seed);
	cr_assert(l->down[i] && l->down_ms[i] >= 5000, "seed %llu: it may be back",
		  (unsigned long long)seed);
	cr_assert_gt(good_but(l, i), 0, "seed %llu: the last good copy", (unsigned long long)seed);
	l->dead_writer = -1;
	l->copy[i].in_set = false;
	l->unnamed++;
}

/* whether something was done */
static bool act(struct life *l, uint64_t seed)
{
	struct upkeep_plan p;

	make_input(l);
	upkeep_decide(&l->in, &p);
	if (p.what == UPKEEP_ADD && add_one(l))
		return true;
	if (p.what == UPKEEP_ADD) {
		l->in.no_place = true;
		upkeep_decide(&l->in, &p);
		cr_assert_neq(p.what, UPKEEP_ADD, "seed %llu", (unsigned long long)seed);
	}
	if (p.what == UPKEEP_REMOVE)
		remove_one(l, &p, seed);
	if (p.what == UPKEEP_UNNAME)
		unname_one(l, &p, seed);
	if (p.what == UPKEEP_NOTE)
		note_one(l, &p, seed);
	if (p.what == UPKEEP_DISK)
		return draw_one(l, &p, seed);
	return p.what != UPKEEP_NOTHING;
}

static void calm_down(struct life *l)
{
	for (int i = 0; i < NODES; i++) {
		l->down[i] = l->lost[i];
		l->copy[i].open = false;
	}
	l->leaves[0] = l->leaves[1] = l->leaves[2] = false; /* there are places enough */
}

static void check_end(const struct life *l, uint64_t seed)
{
	int there = 0, member = 0;

	for (int i = 0; i < NODES; i++) {
		if (!l->copy[i].there || l->copy[i].client)
			continue;
		there++;
		member += l->copy[i].in_set;
		cr_assert_not(l->leaves[i], "seed %llu: it never left", (unsigned long long)seed);
		cr_assert_not(l->lost[i], "seed %llu: a copy of a lost node",
			      (unsigned long long)seed);
	}
	cr_assert_eq(there, l->copies, "seed %llu: %d copies, wanted %d", (unsigned long long)seed,
		     there, l->copies);
	cr_assert_eq(member, l->copies, "seed %llu", (unsigned long long)seed);
}

/* All that was lost had what nobody else had: nothing can be said of such a life. */
static bool is_stuck(const struct life *l)
{
	int usable = 0;

	for (int i = 0; i < NODES; i++)
		usable += !l->lost[i] && !l->leaves[i];
	return good_but(l, -1) == 0 || usable < l->copies;
}

static bool live(uint64_t seed, int *ret_draws, int *ret_unnamed)
{
	struct life l = { .copies = 2, .dead_writer = -1 };
	int quiet = 0, before;

	state = seed * 0x9e3779b97f4a7c15ull + 1;
	for (int i = 0; i < 4; i++)
		draw(2);
	l.copy[0] = l.copy[1] = (struct life_copy){ .there = true, .in_set = true };
	for (int i = 0; i < STEPS; i++) {
		if (draw(6) == 0)
			happen(&l);
		replicate(&l);
		act(&l, seed);
	}
	calm_down(&l);
	before = l.adds + l.removes;
	for (int i = 0; i < CALM && !is_stuck(&l); i++) {
		replicate(&l);
		quiet = act(&l, seed) ? 0 : quiet + 1;
	}
	*ret_draws += l.draws;
	*ret_unnamed += l.unnamed;
	if (is_stuck(&l))
		return false;
	cr_assert_gt(quiet, CALM / 4, "seed %llu: it does not come to rest",
		     (unsigned long long)seed);
	/* every node once, there or away */
	cr_assert_leq(l.adds + l.removes - before, 2 * NODES, "seed %llu: %d steps for an end",
		      (unsigned long long)seed, l.adds + l.removes - before);
	check_end(&l, seed);
	return true;
}

Test(upkeep, random_lives)
{
	const char *one = getenv("UPKEEP_SEED");
	int whole = 0, draws = 0, unnamed = 0;

	if (one) {
		live(strtoull(one, NULL, 10), &draws, &unnamed);
		return;
	}
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		whole += live(seed, &draws, &unnamed);
	cr_expect_gt(draws, SEEDS, "%d clients got a copy", draws);
	cr_expect_gt(unnamed, SEEDS / 20, "%d dead writers", unnamed);
	cr_expect_gt(whole, SEEDS / 2, "%d lives of %d came to an end that says something", whole,
		     SEEDS);
}
