// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_upkeep_world.c - all that the cluster does for copies by itself, together and by the real
 * functions of src/model: upkeep, evacuation, clients that become copies, balance, the ends of
 * migrations and deletions; while users add, delete and move, nodes die and return, leaders change,
 * copies are fetched again, disks fail and pools fill (support/copylife.h).
 *
 * After each step that was nobody's wish: as many good copies as are wanted, or as there were;
 * nothing taken where it is open; no node gets what it has just lost, nor loses what it has just
 * got, when nothing has happened in between; one move for balance at a time. When all faults have
 * ended, all comes to rest in a bounded number of steps, with the copies that are wanted.
 *
 * UPKEEP_WORLD_SEED=<n>: this life only, with seconds the first of them; UPKEEP_WORLD_SECONDS=<n>:
 * lives for so long; UPKEEP_WORLD_SAY=1: tells of each step.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "model/balance.h"
#include "model/place.h"
#include "model/upkeep.h"
#include "support/copylife.h"

TestSuite(upkeep_world);

#define SEEDS 6
#define STEPS 300
#define CALM 900 /* seconds for all to come to rest */
#define REST 80  /* so long without a step is rest: longer than any time that steps wait for */

struct figures {
	long lives, adds, removes, disks, moves, notes, reaps, refusals, faults, rests;
};

static struct figures sum;
/* ---- what the cluster does by itself ---- */

static struct upkeep_sight sight(struct life *l)
{
	struct upkeep_sight s = { .watched_ms = l->w.env.mono_ms - l->led_ms };

	cr_assert_eq(change_upkeep_many_away(&l->w.env, &s.many_away, NULL), 0);
	return s;
}

/* A copy that is there has begun to count, or counts no longer: time has passed, or a report has
 * come. */
static void note_change(struct life *l, int r, const struct shape *now)
{
	const struct shape *seen = &l->seen[r];

	for (int i = 0; i < LIFE_NODES; i++)
		l->causes += now->has[i] && seen->has[i] && now->counts[i] != seen->counts[i];
	l->seen[r] = *now;
}

/* good: what can be believed by what nodes have reported; false: there is no copy to look at */
static bool look(struct life *l, int r, struct shape *s)
{
	struct upkeep_input in;
	struct upkeep_sight seen = sight(l);
	struct txn *t = world_txn();
	struct bundle b;

	*s = (struct shape){ 0 };
	if (bundle_load(&l->w.env, t, life_names[r], &b, NULL) < 0) {
		txn_free(t);
		return false;
	}
	if (!b.record_doc) { /* somebody has deleted the only replica */
		bundle_release(&b);
		txn_free(t);
		return false;
	}
	cr_assert_eq(place_look(&b, &seen, &in, NULL), 0);
	s->wanted = in.copies;
	for (int i = 0; i < b.n; i++) {
		const struct upkeep_replica *u = &in.replica[i];
		bool good = u->in_set && u->fit && !u->deleting;
		int at = life_node(u->node);

		s->open[at] = u->open;
		if (u->diskless || u->deleting)
			continue;
		s->has[at] = true;
		s->counts[at] = upkeep_counts(&in, u);
		s->copies++;
		s->good += good;
		s->missing += !good;
		s->waiting += !good && u->open;
	}
	bundle_release(&b);
	txn_free(t);
	return true;
}

/* Between two looks there was a step that nobody has asked for. Balance may put a copy where upkeep
 * has just found one to be needless, but not where it has taken one itself. */
static void check_step(struct life *l, int r, const struct shape *was, bool balance,
		       const char *why)
{
	struct shape now;
	int least = was->wanted < was->good ? was->wanted : was->good;

	cr_assert(look(l, r, &now));
	cr_assert(now.good >= least || (now.missing == 0 && was->missing == 0),
		  "seed %llu: %s: %d good copies of %d, there were %d: %s",
		  (unsigned long long)l->seed, life_names[r], now.good, was->wanted, was->good,
		  why);
	for (int i = 0; i < LIFE_NODES; i++) {
		int what = now.has[i] - was->has[i];
		struct last *last = &l->last[r][i];

		if (!what)
			continue;
		cr_assert(!last->what || what == last->what || last->cause != l->causes ||
				  (balance && !last->balance),
			  "seed %llu: %s on %s: back and forth: %s", (unsigned long long)l->seed,
			  life_names[r], life_nodes[i], why);
		*last = (struct last){ what, balance, balance ? l->moved : l->causes };
	}
}

/* Upkeep takes nothing where it is open; the end of a migration may, and leaves a client. */
static void check_open(struct life *l, int r, const struct shape *was)
{
	struct shape now;

	cr_assert(look(l, r, &now));
	for (int i = 0; i < LIFE_NODES; i++)
		cr_assert_not(was->has[i] && was->open[i] && !now.has[i],
			      "seed %llu: %s taken from %s, where it is open",
			      (unsigned long long)l->seed, life_names[r], life_nodes[i]);
}

/* ---- the rules once more, in other words: what a step has to be based on ---- */

static bool stands(const struct upkeep_input *in, const struct upkeep_replica *u)
{
	int64_t patience_ms = in->after_ms < 120000 ? in->after_ms : 120000;
	bool gone = in->after_ms >= 0 && u->out_ms >= in->after_ms && !in->sight.many_away &&
		    in->sight.watched_ms >= patience_ms;

	return !u->diskless && !u->deleting && !u->waits && u->fate == UPKEEP_STAYS && !gone;
}

static void check_removal(struct life *l, int r, const struct upkeep_input *in, int which,
			  int standing)
{
	const struct upkeep_replica *u = &in->replica[which];
	bool elsewhere = false, heard = true;

	for (int i = 0; i < in->n; i++) {
		const struct upkeep_replica *o = &in->replica[i];

		elsewhere |= i != which && !o->diskless && !o->deleting && o->in_set && o->fit;
		heard &= !observed_awaited(l->w.observed, o->node, l->w.env.mono_ms);
	}
	cr_assert(heard, "seed %llu: %s: nobody knows yet who has it open",
		  (unsigned long long)l->seed, life_names[r]);
	cr_assert_not(u->open, "seed %llu: %s is open on %s", (unsigned long long)l->seed,
		      life_names[r], u->node);
	if (u->diskless)
		return;
	cr_assert(elsewhere, "seed %llu: %s: no other copy is good", (unsigned long long)l->seed,
		  life_names[r]);
	if (u->fate != UPKEEP_STAYS)
		return;
	cr_assert_gt(standing, in->copies, "seed %llu: %s: %d count, %d wanted: none too many",
		     (unsigned long long)l->seed, life_names[r], standing, in->copies);
	cr_assert_not(u->drawn_ms && !u->in_set && u->fit,
		      "seed %llu: %s: %s was given no time to learn", (unsigned long long)l->seed,
		      life_names[r], u->node);
	cr_assert(u->fit || u->out_ms < 0, "seed %llu: %s: %s is away, and loses its copy",
		  (unsigned long long)l->seed, life_names[r], u->node);
}

/* Nothing is done for it, though too few count: nobody has what is lost, somebody has it open where
 * it is to leave, there is no place */
static bool is_excused(const struct upkeep_input *in, const struct upkeep_plan *p)
{
	bool excused = p->refused;

	for (int i = 0; i < in->n; i++) {
		const struct upkeep_replica *u = &in->replica[i];

		excused |= u->fate == UPKEEP_LOST ||
			   (u->diskless && u->open && u->fate == UPKEEP_LEAVES);
	}
	return excused;
}

static void check_basis(struct life *l, int r, const struct upkeep_input *in,
			const struct upkeep_plan *p)
{
	int standing = 0, copies = 0, waiting = 0;

	for (int i = 0; i < in->n; i++) {
		standing += stands(in, &in->replica[i]);
		copies += !in->replica[i].diskless && !in->replica[i].deleting;
		waiting += in->replica[i].waits;
	}
	if (p->what == UPKEEP_REMOVE)
		check_removal(l, r, in, p->which, standing);
	if (p->what == UPKEEP_ADD)
		cr_assert_lt(standing, in->copies, "seed %llu: %s: %d count, one more is made",
			     (unsigned long long)l->seed, life_names[r], standing);
	if (p->what == UPKEEP_DISK)
		cr_assert_eq(waiting, 0, "seed %llu: %s: two copies wait",
			     (unsigned long long)l->seed, life_names[r]);
	if (p->what == UPKEEP_NOTHING && copies > 0)
		cr_assert(standing >= in->copies || is_excused(in, p),
			  "seed %llu: %s: %d count, and nothing is done: %s",
			  (unsigned long long)l->seed, life_names[r], standing, p->why);
}

static bool apply(struct life *l, struct txn *t, int rv, bool interrupted)
{
	bool wrote = rv == 0 && !txn_is_empty(t);

	if (rv < 0 || interrupted) {
		txn_free(t);
		return false;
	}
	cr_assert_eq(world_apply(&l->w, t), TXN_APPLIED);
	l->steps += wrote;
	return wrote;
}

static void count(const struct upkeep_plan *p)
{
	sum.adds += p->what == UPKEEP_ADD;
	sum.removes += p->what == UPKEEP_REMOVE;
	sum.notes += p->what == UPKEEP_NOTE;
	sum.disks += p->what == UPKEEP_DISK;
	sum.refusals += p->refused;
}

/* How many are wanted only somebody says; or he has said that copies made where it is used stay. */
static void check_wanted(struct life *l, int r, int before, const struct upkeep_plan *p)
{
	struct bundle b;
	struct shape now;
	bool stays;

	cr_assert(look(l, r, &now) && life_load(l, r, &b));
	stays = strcmp(jget_str(jget(b.doc, "props"), "DrbdOptions/auto-diskful-allow-cleanup",
				"yes"),
		       "no") == 0;
	bundle_release(&b);
	cr_assert_eq(now.wanted, before + (p->what == UPKEEP_DISK && stays),
		     "seed %llu: %s: %d copies wanted, %d before: %s", (unsigned long long)l->seed,
		     life_names[r], now.wanted, before, p->why);
}

static void act_upkeep(struct life *l, int r, bool calm)
{
	struct upkeep_sight s = sight(l);
	struct upkeep_input in;
	struct upkeep_plan plan;
	struct shape was;
	struct bundle b;
	struct txn *t;
	int rv;

	if (!look(l, r, &was))
		return;
	note_change(l, r, &was);
	t = world_txn();
	cr_assert_eq(bundle_load(&l->w.env, t, life_names[r], &b, NULL), 0);
	cr_assert_eq(place_look(&b, &s, &in, NULL), 0);
	txn_free(t);
	t = world_txn();
	rv = change_upkeep(&l->w.env, t, life_names[r], &s, &plan, &l->w.err);
	cr_assert_eq(rv, 0, "seed %llu: %s: %s", (unsigned long long)l->seed, life_names[r],
		     l->w.err.text);
	cr_assert_eq(plan.what == UPKEEP_NOTHING, txn_is_empty(t), "seed %llu: %s",
		     (unsigned long long)l->seed, plan.why);
	check_basis(l, r, &in, &plan);
	bundle_release(&b);
	if (apply(l, t, rv, !calm && life_draw(10) == 0)) {
		life_tell(l, "%s: %s", life_names[r], plan.why);
		count(&plan);
		check_step(l, r, &was, false, plan.why);
		check_wanted(l, r, was.wanted, &plan);
		check_open(l, r, &was);
	}
}

/* it is the one that moves */
static bool is_balanced(struct life *l, int r)
{
	json *doc = world_doc(&l->w, "balance/self");
	bool is = strcmp(jget_str(doc, "resource", ""), life_names[r]) == 0;

	json_object_put(doc);
	return is;
}

static void act_reap(struct life *l, int r)
{
	struct txn *t = world_txn();
	struct shape was;

	if (!look(l, r, &was)) {
		txn_free(t);
		return;
	}
	if (apply(l, t, change_replica_reap(&l->w.env, t, life_names[r], NULL), false)) {
		life_tell(l, "%s: reaped", life_names[r]);
		sum.reaps++;
		check_step(l, r, &was, is_balanced(l, r), "reap");
		l->causes += !is_balanced(l, r); /* somebody has wished it */
	}
}

/* What the pools are told to be like, in whole per cent, says the same: far enough from each other,
 * and the one that gets it is not the fuller one then. */
static void check_move(struct life *l, const char *why)
{
	int from, to, from_percent, to_percent;
	struct bundle b;
	double gives, takes;
	char name[8];

	if (sscanf(why, "resource %7s moves from n%d/ssd (%d %% full) to n%d/ssd (%d", name, &from,
		   &from_percent, &to, &to_percent) != 5)
		return;
	cr_assert(life_load(l, name[1] - 'a', &b));
	takes = (double)resource_size_kib(&b.resource);
	gives = takes / (from <= 3 ? 1 : 2); /* as copylife.c reports it */
	bundle_release(&b);
	cr_assert_geq(from_percent - to_percent, BALANCE_STEP_PERCENT, "seed %llu: %s",
		      (unsigned long long)l->seed, why);
	cr_assert_leq(to_percent + 100 * takes / (double)l->total_kib[to - 1],
		      from_percent + 1 - 100 * gives / (double)l->total_kib[from - 1],
		      "seed %llu: it makes the other one fuller: %s", (unsigned long long)l->seed,
		      why);
}

/* the copy that was made for it has not taken the other one's place yet */
static bool is_moving(struct life *l)
{
	json *doc = world_doc(&l->w, "balance/self");
	char key[STORE_KEY_MAX];
	json *replica;
	bool is;

	replica_key(jget_str(doc, "resource", "none"), jget_str(doc, "to", "none"), key,
		    sizeof(key));
	replica = world_doc(&l->w, key);
	is = doc && strcmp(jget_str(replica, "migrates", ""), jget_str(doc, "from", "-")) == 0;
	json_object_put(replica);
	json_object_put(doc);
	return is;
}

static void act_balance(struct life *l, bool calm)
{
	bool moving = is_moving(l);
	struct upkeep_sight s = sight(l);
	char why[BALANCE_TEXT_MAX];
	struct shape was[LIFE_RESOURCES];
	bool there[LIFE_RESOURCES];
	int changed = 0;
	struct txn *t = world_txn();
	int rv;

	for (int r = 0; r < LIFE_RESOURCES; r++)
		there[r] = look(l, r, &was[r]);
	rv = change_balance(&l->w.env, t, &s, why, sizeof(why), &l->w.err);
	cr_assert_eq(rv, 0, "seed %llu: %s", (unsigned long long)l->seed, l->w.err.text);
	if (!apply(l, t, rv, !calm && life_draw(10) == 0))
		return;
	life_tell(l, "balance: %s", why);
	check_move(l, why);
	if (why[0])
		l->moved = l->causes;
	for (int r = 0; r < LIFE_RESOURCES; r++) {
		struct shape now;

		if (!there[r] || !look(l, r, &now))
			continue;
		cr_assert_leq(now.copies - was[r].copies, 1);
		cr_assert_eq(now.wanted, was[r].wanted, "seed %llu: %s: %d copies wanted, not %d",
			     (unsigned long long)l->seed, life_names[r], now.wanted, was[r].wanted);
		changed += now.copies != was[r].copies;
		cr_assert(now.copies == was[r].copies || was[r].missing == 0, "seed %llu: %s",
			  (unsigned long long)l->seed, why);
		check_step(l, r, &was[r], true, why);
	}
	cr_assert(!moving || changed == 0, "seed %llu: another one moves: %s",
		  (unsigned long long)l->seed, why);
	cr_assert_leq(changed, 1, "seed %llu: one at a time", (unsigned long long)l->seed);
	sum.moves += changed;
}

static void act_nodes(struct life *l)
{
	for (int i = 0; i < LIFE_NODES; i++) {
		int64_t age = observed_age_ms(l->w.observed, life_nodes[i], l->w.env.mono_ms);
		int64_t silent = age < 0 ? l->w.env.mono_ms - l->led_ms : age;

		LIFE_TRY(l, change_node_away, life_nodes[i], silent >= 5000);
		if (l->lost[i])
			LIFE_TRY(l, change_node_forget, life_nodes[i]);
	}
}

static void act(struct life *l, bool calm)
{
	act_nodes(l);
	for (int r = 0; r < LIFE_RESOURCES; r++) {
		act_reap(l, r);
		act_upkeep(l, r, calm);
	}
	if (life_draw(3) == 0)
		act_balance(l, calm);
}

/* ---- a life ---- */

/* as many as are wanted, all in sync; but for those who wait until it is closed at their nodes */
static bool is_whole(const struct shape *s)
{
	return s->missing == s->waiting && s->copies >= s->wanted &&
	       s->copies - s->waiting <= s->wanted;
}

/* Nothing is half done; or it says why not. */
static void check_end(struct life *l, int r)
{
	struct upkeep_sight s = sight(l);
	struct upkeep_plan plan;
	struct shape now;
	struct txn *t;

	if (!look(l, r, &now))
		return;
	t = world_txn();
	cr_assert_eq(change_upkeep(&l->w.env, t, life_names[r], &s, &plan, NULL), 0);
	txn_free(t);
	cr_assert(plan.why[0] || (is_whole(&now)),
		  "seed %llu: %s has %d copies, %d of them good, of %d",
		  (unsigned long long)l->seed, life_names[r], now.copies, now.good, now.wanted);
	sum.rests += !plan.why[0];
}

static void live(uint64_t seed)
{
	struct life l;
	int quiet = 0, before;

	life_begin(&l, seed);
	for (int i = 0; i < STEPS; i++) {
		life_play(&l, false);
		if (life_draw(3) == 0)
			life_happen(&l);
		act(&l, false);
		if (i % 50 == 0)
			world_check(&l.w);
	}
	life_calm(&l);
	before = l.steps;
	for (int i = 0; i < CALM && quiet < REST; i++) {
		int steps = l.steps;

		life_play(&l, true);
		act(&l, true);
		quiet = l.steps == steps ? quiet + 1 : 0;
	}
	cr_assert_eq(quiet, REST, "seed %llu: it does not come to rest", (unsigned long long)seed);
	/* of each resource every node once, there and away, watched and not, marked and reaped */
	cr_assert_leq(l.steps - before, LIFE_RESOURCES * LIFE_NODES * 6,
		      "seed %llu: %d steps for an end", (unsigned long long)seed, l.steps - before);
	for (int r = 0; r < LIFE_RESOURCES; r++)
		check_end(&l, r);
	world_check(&l.w);
	world_close(&l.w);
	sum.lives++;
	sum.faults += l.faults;
}

static void say_figures(void)
{
	printf("# %ld lives, %ld faults and wishes: %ld copies made, %ld removed, %ld where used, "
	       "%ld moved for balance, %ld notes, %ld reaped, %ld refused; %ld resources at rest\n",
	       sum.lives, sum.faults, sum.adds, sum.removes, sum.disks, sum.moves, sum.notes,
	       sum.reaps, sum.refusals, sum.rests);
}

Test(upkeep_world, lives)
{
	const char *one = getenv("UPKEEP_WORLD_SEED"), *s = getenv("UPKEEP_WORLD_SECONDS");
	uint64_t seed = one ? strtoull(one, NULL, 10) : 1;
	time_t end = time(NULL) + (s ? strtol(s, NULL, 10) : 0);

	if (s) {
		for (; time(NULL) < end; seed++)
			live(seed);
	} else if (one) {
		live(seed);
	} else {
		for (; seed <= SEEDS; seed++)
			live(seed);
		cr_expect_gt(sum.adds, 0);
		cr_expect_gt(sum.removes, 0);
		cr_expect_gt(sum.disks, 0);
		cr_expect_gt(sum.moves, 0);
		cr_expect_gt(sum.rests, 0);
	}
	say_figures();
}
