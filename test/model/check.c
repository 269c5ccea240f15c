/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check.c - what must hold in every state: the invariants of docs/protocol.md
 * and what they are for.
 */
#include "model.h"

/* V1, V2: writes are numbered in the order they were issued, so "has it" is "not older" */
static const char *check_content(const struct state *s)
{
	for (u8 n = 0; n < cfg->nodes; n++) {
		const struct replica *r = &s->r[n];

		if (!(s->set & BIT(n)))
			continue;
		for (u8 b = 0; b < BLOCKS; b++) {
			if (replica_intact(r) && r->now[b] < s->acked[b])
				return "V1: an intact member lacks an acknowledged write";
			if (r->may[b] & (BIT(s->flushed[b]) - 1))
				return "V2: a crash may take a flushed write from a member";
		}
	}
	return NULL;
}

/* V7, P5 */
static const char *check_reads(const struct state *s)
{
	u8 readers = 0;

	for (u8 w = 0; w < cfg->nodes; w++) {
		if (!writer_may_read(s, w))
			continue;
		readers++;
		if (s->w[w].read == READ_ARRIVED && s->w[w].read_value < s->w[w].read_floor)
			return "V7: a read returns old data";
		for (u8 n = 0; n < cfg->nodes; n++)
			for (u8 b = 0; b < BLOCKS; b++)
				if ((s->w[w].set & BIT(n)) && s->c[w][n].wopen &&
				    (s->r[n].session == w || out == RELEASE_SERVING) &&
				    !writer_flying(s, w, b) && s->r[n].now[b] < s->acked[b])
					return "V7: a read returns old data";
	}
	return readers > 1 ? "V7: two nodes may answer reads" : NULL;
}

/* an open session, everything that was sent has been carried out */
static bool quiet(const struct state *s, u8 n)
{
	const struct replica *r = &s->r[n];
	const struct chan *c;

	if (r->session == NONE)
		return false;
	c = &s->c[r->session][n];
	return c->wopen && c->ropen && !c->n && !replica_pending(r);
}

static bool alike(const struct replica *a, const struct replica *b)
{
	return a->now[0] == b->now[0] && a->now[1] == b->now[1];
}

/* the stamp with which it would begin as a learner (R3) */
static u8 stamp_as_learner(const struct replica *r)
{
	if ((replica_uncommitted(r) && out != NO_ZERO_U) ||
	    (r->mode == LEARNER && r->stamp >= r->re))
		return 0;
	return r->stamp;
}

static const char *check_pair(const struct state *s, u8 i, u8 j)
{
	const struct replica *a = &s->r[i], *b = &s->r[j];

	if (a->mode != MEMBER || !quiet(s, i) || a->re != s->epoch)
		return NULL;
	if (!a->stamp)
		return "V8: a member has stamp 0";
	if (quiet(s, j) && b->session == a->session && b->re == a->re && !alike(a, b)) {
		if (b->mode == MEMBER)
			return "V5: quiescent members differ";
		if (b->mode == LEARNER && b->pull == PULL_SYNCED)
			return "V4: a synced learner differs from a member";
	}
	if (b->session == NONE && a->rseq == a->committed && stamp_as_learner(b) == a->stamp &&
	    !alike(a, b))
		return "V3: equal stamps, different content";
	return NULL;
}

const char *check(const struct state *s)
{
	const char *wrong = check_content(s);

	if (!wrong)
		wrong = check_reads(s);
	for (u8 i = 0; i < cfg->nodes && !wrong; i++)
		for (u8 j = 0; j < cfg->nodes && !wrong; j++)
			if (i != j && (cfg->disks & BIT(i)) && (cfg->disks & BIT(j)))
				wrong = check_pair(s, i, j);
	return wrong;
}
