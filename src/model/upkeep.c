// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * upkeep.c - decides what is done next for the copies of one resource. Called by
 * change_upkeep.c, which gathers what is known and does it. One step at a time: after each the
 * same question is asked again, of what has become of the resource meanwhile.
 *
 * A copy counts when it is there to stay. Copies are added until enough count, and only then, when
 * enough of those have everything, others go. So nothing is ever taken away in the hope of
 * something else, and a plan that is interrupted at any point is a state like any other.
 *
 * A client that is open for long gets a copy beside those that are wanted (policy.h); when it has
 * everything, it is one of too many, and another goes. Until it was closed once its disk waits, and
 * it stands for nobody.
 */
#include "model/upkeep.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "model/schedule.h"

int64_t upkeep_parse_after(const char *text)
{
	int64_t s = 0;
	int n = 0;

	if (strcmp(text, "off") == 0)
		return -1;
	/* schedules begin at a minute */
	if (sscanf(text, "%3lds%n", &s, &n) == 1 && n > 0 && !text[n])
		return s >= UPKEEP_REBUILD_MIN_S ? s * 1000 : -2;
	s = schedule_parse_every(text);
	return s > 0 ? s * 1000 : -2;
}

static void say(struct upkeep_plan *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct upkeep_plan *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->why, sizeof(p->why), fmt, ap);
	va_end(ap);
}

static bool is_overdue(const struct upkeep_input *in, const struct upkeep_replica *r)
{
	int64_t patience_ms = UPKEEP_PATIENCE_S * 1000;

	if (in->after_ms < patience_ms)
		patience_ms = in->after_ms;
	return r->out_ms >= 0 && in->after_ms >= 0 && r->out_ms >= in->after_ms &&
	       !in->sight.many_away && in->sight.watched_ms >= patience_ms;
}

bool upkeep_counts(const struct upkeep_input *in, const struct upkeep_replica *r)
{
	return !r->diskless && !r->deleting && !r->waits && r->fate == UPKEEP_STAYS &&
	       !is_overdue(in, r);
}

static bool is_good(const struct upkeep_replica *r)
{
	return r->in_set && r->fit;
}

/* Somebody else has all that was acknowledged. */
static bool is_needless(const struct upkeep_input *in, int which)
{
	for (int i = 0; i < in->n; i++) {
		const struct upkeep_replica *r = &in->replica[i];

		if (i != which && !r->diskless && !r->deleting && is_good(r))
			return true;
	}
	return false;
}

static void remove_it(struct upkeep_plan *p, int which, const char *node, const char *why)
{
	p->what = UPKEEP_REMOVE;
	p->which = which;
	say(p, "the replica on %s goes: %s", node, why);
}

/* What is on a node that will never be back goes at once, if the data is elsewhere. If it is not,
 * nothing is done: another copy could learn from nobody. */
static bool drop_lost(const struct upkeep_input *in, struct upkeep_plan *p)
{
	for (int i = 0; i < in->n; i++) {
		const struct upkeep_replica *r = &in->replica[i];

		if (r->fate != UPKEEP_LOST || r->deleting)
			continue;
		if (!r->diskless && !is_needless(in, i)) {
			say(p,
			    "the copy on %s, which is lost, had what no other copy has; delete the "
			    "volume when it is given up",
			    r->node);
			continue;
		}
		remove_it(p, i, r->node, "its node is lost");
		return true;
	}
	return p->why[0] != '\0';
}

/* A client leaves a node that is evacuated as soon as nobody has it open. */
static bool drop_clients(const struct upkeep_input *in, struct upkeep_plan *p)
{
	for (int i = 0; i < in->n; i++) {
		const struct upkeep_replica *r = &in->replica[i];

		if (!r->diskless || r->deleting || r->fate != UPKEEP_LEAVES)
			continue;
		if (!r->open) {
			remove_it(p, i, r->node, "its node is evacuated");
			return true;
		}
		say(p, "it is open on %s, which is evacuated: close it there", r->node);
	}
	return false;
}

static const char *absence(const struct upkeep_replica *r)
{
	return r->fate == UPKEEP_LEAVES ? "leaves" : "is out of service";
}

/* why it has too few: the first of those that do not count */
static void say_missing(const struct upkeep_input *in, int counted, struct upkeep_plan *p)
{
	for (int i = 0; i < in->n; i++) {
		const struct upkeep_replica *r = &in->replica[i];

		if (r->diskless || r->deleting || r->waits || upkeep_counts(in, r))
			continue;
		say(p, "one more copy is made: the one on %s %s", r->node, absence(r));
		return;
	}
	say(p, "one more copy is made: it has %d of %d", counted, in->copies);
}

/* Every place is taken: one that nothing would be lost with makes room. */
static bool make_room(const struct upkeep_input *in, struct upkeep_plan *p)
{
	for (int i = 0; i < in->n; i++) {
		const struct upkeep_replica *r = &in->replica[i];

		if (r->diskless || r->deleting || r->in_set || r->open || upkeep_counts(in, r))
			continue;
		remove_it(p, i, r->node, "another copy takes its place");
		return true;
	}
	say(p, "it has %d copies, which is the limit, and too few of them are of use", COPIES_MAX);
	return false;
}

static void add(const struct upkeep_input *in, int counted, int copies, struct upkeep_plan *p)
{
	if (copies >= COPIES_MAX) {
		make_room(in, p);
		return;
	}
	p->what = UPKEEP_ADD;
	say_missing(in, counted, p);
}

/* The higher, the sooner it goes; 0: it stays. A copy whose node is away stays until that is back:
 * then it is known what it is worth. One that was made where the volume is used, so that another
 * one is not needed, is given the time to learn: else it would go each time, and be made again. */
static int superfluity(const struct upkeep_input *in, const struct upkeep_replica *r, bool too_many)
{
	if (r->diskless || r->deleting || r->open)
		return 0;
	if (r->fate == UPKEEP_LEAVES)
		return 5;
	if (!r->fit && r->out_ms >= 0)
		return 0;
	if (!too_many)
		return 0;
	if (!r->fit)
		return 4;
	if (r->in_set)
		return 1;
	return r->drawn_ms ? 0 : 3;
}

/* Of equally superfluous ones that which was not made for its use, or longest ago; or the last */
static bool goes_before(const struct upkeep_replica *r, const struct upkeep_replica *other)
{
	return r->drawn_ms <= other->drawn_ms;
}

static void trim(const struct upkeep_input *in, int counted, int good, struct upkeep_plan *p)
{
	bool too_many = counted > in->copies;
	int best = 0, which = -1;

	for (int i = 0; i < in->n; i++) {
		const struct upkeep_replica *r = &in->replica[i];
		int rank = superfluity(in, r, too_many);
		/* those that have everything must stay as many as are wanted */
		int left = good - (upkeep_counts(in, r) && is_good(r));

		if (rank == 0 || rank < best || left < in->copies)
			continue;
		if (rank == best && !goes_before(r, &in->replica[which]))
			continue;
		best = rank;
		which = i;
	}
	if (which >= 0)
		remove_it(p, which, in->replica[which].node,
			  best == 5 ? "it moves away, and others have everything"
				    : "there are more copies than wanted");
}

/* Copies heal against nobody, and who died as writer and stays away cannot release the record:
 * what was made in its place would learn from nobody until somebody opens the volume. */
static void unname(const struct upkeep_input *in, struct upkeep_plan *p)
{
	for (int i = 0; i < in->n; i++) {
		const struct upkeep_replica *r = &in->replica[i];

		if (!r->writer || r->deleting || r->open || r->lives || !is_overdue(in, r) ||
		    !is_needless(in, i))
			continue;
		p->what = UPKEEP_UNNAME;
		p->which = i;
		say(p,
		    "%s is not named as the writer any more: it is out of service, and others wait "
		    "for what they lack",
		    r->node);
		return;
	}
}

/* something leaves, and cannot yet */
static void say_waiting(const struct upkeep_input *in, int good, struct upkeep_plan *p)
{
	for (int i = 0; i < in->n; i++) {
		const struct upkeep_replica *r = &in->replica[i];

		if (r->diskless || r->deleting || r->fate != UPKEEP_LEAVES)
			continue;
		if (r->open)
			say(p, "it is open on %s, which its copy is to leave: close it there",
			    r->node);
		else
			say(p, "the copy on %s goes when others have everything (%d of %d)",
			    r->node, good, in->copies);
		return;
	}
}

static void due_in(struct upkeep_plan *p, int64_t ms)
{
	if (p->again_ms < 0 || ms < p->again_ms)
		p->again_ms = ms;
}

/* copies that are out for a while, and not long enough yet */
static void say_due(const struct upkeep_input *in, struct upkeep_plan *p)
{
	for (int i = 0; i < in->n; i++) {
		const struct upkeep_replica *r = &in->replica[i];
		int64_t left = in->after_ms - r->out_ms;

		if (r->diskless || r->deleting || r->out_ms < 0 || in->after_ms < 0)
			continue;
		if (left > 0)
			due_in(p, left);
		if (p->why[0] || r->fate != UPKEEP_STAYS)
			continue;
		if (in->sight.many_away)
			say(p,
			    "no new copy for the one on %s: more than %d %% of the nodes are away",
			    r->node, UPKEEP_AWAY_MAX_PERCENT);
		else if (left <= 0)
			p->again_ms = 1000;
		else if (left > 0)
			say(p,
			    "a new copy is made elsewhere if the one on %s is not back in %lld s",
			    r->node, (long long)(left + 999) / 1000);
	}
}

/* It is open there for long enough to be better off with a copy; not while another one of this kind
 * is on its way. */
static void give_disk(const struct upkeep_input *in, int which, int copies, struct upkeep_plan *p)
{
	const struct upkeep_replica *r = &in->replica[which];

	for (int i = 0; i < in->n; i++) {
		if (in->replica[i].waits)
			return;
	}
	if (copies >= COPIES_MAX) {
		say(p, "no copy on %s, where it is open: it has %d, which is the limit", r->node,
		    COPIES_MAX);
		return;
	}
	p->what = UPKEEP_DISK;
	p->which = which;
	say(p, "%s gets a copy: it has been open there for %lld s", r->node,
	    (long long)(r->open_ms / 1000));
}

/* Since when it is open is noted for a client that is to get a disk after a while. Whether it is
 * closed only its node can say. */
static void look_at_client(const struct upkeep_input *in, int which, int copies, bool enough,
			   struct upkeep_plan *p)
{
	const struct upkeep_replica *r = &in->replica[which];
	bool noted = r->open_ms >= 0, due = r->diskful_ms >= 0 && r->fate == UPKEEP_STAYS;

	if (due && r->out_ms < 0 && r->open != r->writer)
		due_in(p, UPKEEP_AGREE_MS);
	if (noted ? !due || (!r->open && r->out_ms < 0) : due && r->open) {
		p->what = UPKEEP_NOTE;
		p->which = which;
		say(p, "it is %s on %s, which has no copy", noted ? "not watched any more" : "open",
		    r->node);
	} else if (noted && r->open && r->open_ms < r->diskful_ms) {
		due_in(p, r->diskful_ms - r->open_ms);
	} else if (noted && r->open && r->fit && enough) {
		give_disk(in, which, copies, p);
	}
}

static void look_at_clients(const struct upkeep_input *in, int copies, bool enough,
			    struct upkeep_plan *p)
{
	for (int i = 0; i < in->n && p->what == UPKEEP_NOTHING; i++) {
		const struct upkeep_replica *r = &in->replica[i];

		if (r->diskless && !r->deleting)
			look_at_client(in, i, copies, enough, p);
		else if (r->waits && !r->deleting && !p->why[0])
			say(p, "the copy on %s takes part when the volume was closed there once",
			    r->node);
	}
}

void upkeep_decide(const struct upkeep_input *in, struct upkeep_plan *ret)
{
	int copies = 0, counted = 0, good = 0;
	struct upkeep_plan p = { .which = -1, .again_ms = -1 };

	for (int i = 0; i < in->n; i++) {
		const struct upkeep_replica *r = &in->replica[i];

		copies += !r->diskless && !r->deleting;
		counted += upkeep_counts(in, r);
		good += upkeep_counts(in, r) && is_good(r);
		p.learning |= upkeep_counts(in, r) && r->fit && !r->in_set;
	}
	if (copies > 0 && !drop_lost(in, &p) && !drop_clients(in, &p)) {
		bool enough = counted >= in->copies;

		if (enough)
			trim(in, counted, good, &p);
		else if (!in->no_place)
			add(in, counted, copies, &p);
		if (p.what == UPKEEP_NOTHING && p.learning)
			unname(in, &p);
		if (p.what == UPKEEP_NOTHING && !p.why[0])
			say_waiting(in, good, &p);
		if (p.what == UPKEEP_NOTHING)
			say_due(in, &p);
		if (p.what == UPKEEP_NOTHING)
			look_at_clients(in, copies, enough || in->no_place, &p);
	}
	p.calm = p.what == UPKEEP_NOTHING && !p.why[0] && !p.learning && p.again_ms < 0 &&
		 copies == counted && good == counted && (copies == 0 || counted == in->copies);
	*ret = p;
}
