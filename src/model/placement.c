// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * placement.c - chooses pools for copies and explains the choice. Called by
 * change_place.c, which gathers the candidates. Pure. To add a rule: a line in
 * why_not, in the order in which a person would ask, and a row in the test.
 */
#include "model/placement.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "model/watermark.h"

#define REASON_MAX 200
#define LABEL_MAX (2 * NAME_MAX_LEN + 2)
#define PIECE_MAX (REASON_MAX + LABEL_MAX + 2)
#define ERR_TAIL_ROOM 24 /* for "; and 255 more" */

enum verdict {
	SUITABLE,
	CHOSEN,
	NOT_ASKED_FOR, /* outside the caller's lists: no news to the caller */
	NODE_UNFIT,    /* the reason is the node's, whichever pool */
	POOL_UNFIT,
};

static bool is_listed(const char *const *names, int n, const char *name)
{
	for (int i = 0; i < n; i++) {
		if (strcasecmp(names[i], name) == 0)
			return true;
	}
	return false;
}

/* what more may be promised */
static int64_t room_kib(const struct placement_pool *p)
{
	double limit;

	if (p->thin) {
		limit = (double)p->total_kib * PLACEMENT_OVERCOMMIT;
		return (int64_t)limit - p->promised_kib;
	}
	return p->total_kib - p->promised_kib < p->free_kib ? p->total_kib - p->promised_kib
							    : p->free_kib;
}

static enum verdict no_room(const struct placement_pool *p, int64_t size_kib, char *why)
{
	char wanted[32], room[32], promised[32], total[32];
	int64_t left = room_kib(p);

	text_size_kib(size_kib, wanted, sizeof(wanted));
	text_size_kib(left > 0 ? left : 0, room, sizeof(room));
	text_size_kib(p->promised_kib, promised, sizeof(promised));
	text_size_kib(p->total_kib, total, sizeof(total));
	if (p->thin)
		snprintf(why, REASON_MAX,
			 "%s wanted, %s free to promise (%s promised of %.1f x %s)", wanted, room,
			 promised, PLACEMENT_OVERCOMMIT, total);
	else
		snprintf(why, REASON_MAX, "%s wanted, %s free", wanted, room);
	return POOL_UNFIT;
}

static enum verdict node_why_not(const struct placement_pool *p, const struct placement_want *want,
				 char *why)
{
	if (want->n_nodes > 0 && !is_listed(want->nodes, want->n_nodes, p->node)) {
		snprintf(why, REASON_MAX, "not among the nodes asked for");
		return NOT_ASKED_FOR;
	}
	if (p->has_replica)
		snprintf(why, REASON_MAX, "has a replica already");
	else if (!p->pool)
		snprintf(why, REASON_MAX, "no pool (witness)");
	else if (!p->online)
		snprintf(why, REASON_MAX, "offline");
	else if (!p->target)
		snprintf(why, REASON_MAX, "its property AutoplaceTarget is false");
	else
		return SUITABLE;
	return NODE_UNFIT;
}

static enum verdict too_full(const struct placement_pool *p, char *why)
{
	int used = watermark_used(p->free_kib, p->total_kib);
	char used_text[32], total[32];

	if (used >= WATERMARK_STOP)
		snprintf(why, REASON_MAX, "%d %% full (%s of %s), nothing new from %d %% on", used,
			 text_size_kib(p->total_kib - p->free_kib, used_text, sizeof(used_text)),
			 text_size_kib(p->total_kib, total, sizeof(total)), WATERMARK_STOP);
	else if (p->meta_percent >= WATERMARK_STOP)
		snprintf(why, REASON_MAX,
			 "the thin pool's metadata is %d %% full, nothing new from %d %% on",
			 p->meta_percent, WATERMARK_STOP);
	else
		return SUITABLE;
	return POOL_UNFIT;
}

static enum verdict pool_why_not(const struct placement_pool *p, int64_t size_kib, char *why)
{
	if (p->error && p->error[0]) {
		snprintf(why, REASON_MAX, "failed: %.150s", p->error);
		return POOL_UNFIT;
	}
	if (p->free_kib < 0 || p->total_kib < 0) {
		snprintf(why, REASON_MAX, "no report from the node yet");
		return POOL_UNFIT;
	}
	if (too_full(p, why) != SUITABLE)
		return POOL_UNFIT;
	return room_kib(p) < size_kib ? no_room(p, size_kib, why) : SUITABLE;
}

/* the first rule that speaks against the candidate, in words (REASON_MAX bytes) */
static enum verdict why_not(const struct placement_pool *p, const struct placement_want *want,
			    char *why)
{
	enum verdict v = node_why_not(p, want, why);

	if (v != SUITABLE)
		return v;
	if (want->n_pools > 0 && !is_listed(want->pools, want->n_pools, p->pool)) {
		snprintf(why, REASON_MAX, "not among the pools asked for");
		return POOL_UNFIT;
	}
	return pool_why_not(p, want->size_kib, why);
}

static int64_t free_steps(const struct placement_pool *p, int64_t step_kib)
{
	int64_t unpromised = p->total_kib - p->promised_kib;
	int64_t free_kib = unpromised < p->free_kib ? unpromised : p->free_kib;

	return free_kib > 0 ? free_kib / step_kib : 0;
}

static bool is_high(const struct placement_pool *p)
{
	return watermark_used(p->free_kib, p->total_kib) >= WATERMARK_HIGH ||
	       p->meta_percent >= WATERMARK_HIGH;
}

static bool is_better(const struct placement_pool *a, const struct placement_pool *b,
		      int64_t step_kib)
{
	int64_t steps_a = free_steps(a, step_kib), steps_b = free_steps(b, step_kib);
	int c;

	if (is_high(a) != is_high(b))
		return is_high(b);
	if (steps_a != steps_b)
		return steps_a > steps_b;
	if (a->replicas != b->replicas)
		return a->replicas < b->replicas;
	c = strcasecmp(a->node, b->node);
	return c != 0 ? c < 0 : strcasecmp(a->pool, b->pool) < 0;
}

static int64_t step_of(const struct placement_pool *pools, int n_pools)
{
	int64_t largest = 0;

	for (int i = 0; i < n_pools; i++) {
		if (pools[i].total_kib > largest)
			largest = pools[i].total_kib;
	}
	return largest >= PLACEMENT_STEPS ? largest / PLACEMENT_STEPS : 1;
}

/* marks the chosen; returns how many were found */
static int choose(const struct placement_pool *pools, int n_pools, int copies,
		  enum verdict *verdict, int *chosen)
{
	int64_t step = step_of(pools, n_pools);
	int n, best;

	for (n = 0; n < copies; n++) {
		best = -1;
		for (int i = 0; i < n_pools; i++) {
			bool taken = false;

			if (verdict[i] != SUITABLE)
				continue;
			for (int k = 0; k < n; k++)
				taken |= strcasecmp(pools[chosen[k]].node, pools[i].node) == 0;
			if (!taken && (best < 0 || is_better(&pools[i], &pools[best], step)))
				best = i;
		}
		if (best < 0)
			break;
		verdict[best] = CHOSEN;
		chosen[n] = best;
	}
	return n;
}

static const char *label(const struct placement_pool *p, enum verdict v, char *out, size_t len)
{
	if (!p->pool || v == NODE_UNFIT || v == NOT_ASKED_FOR)
		snprintf(out, len, "%s", p->node);
	else
		snprintf(out, len, "%s/%s", p->node, p->pool);
	return out;
}

/* whether an earlier candidate of the same node has told the same */
static bool is_told(const struct placement_pool *pools, const enum verdict *verdict, int i)
{
	if (verdict[i] != NODE_UNFIT && verdict[i] != NOT_ASKED_FOR)
		return false;
	for (int k = 0; k < i; k++) {
		if (strcasecmp(pools[k].node, pools[i].node) == 0)
			return true;
	}
	return false;
}

/* "; <text>", or counts it as left out when err's text has no room */
static void add_piece(char *text, size_t len, const char *piece, bool first, int *left_out)
{
	size_t used = strlen(text);

	if (*left_out > 0 || used + strlen(piece) + 3 + ERR_TAIL_ROOM > len) {
		(*left_out)++;
		return;
	}
	snprintf(text + used, len - used, "%s%s", first ? "" : "; ", piece);
}

static int refuse(const struct placement_pool *pools, int n_pools,
		  const struct placement_want *want, const enum verdict *verdict, int found,
		  struct err *err)
{
	char text[ERR_TEXT_MAX], piece[PIECE_MAX], why[REASON_MAX], who[LABEL_MAX];
	int left_out = 0;
	bool first = true;
	size_t used;

	snprintf(text, sizeof(text), "%d %s wanted, %d possible: ", want->copies,
		 want->copies == 1 ? "copy" : "copies", found);
	/* the chosen first, then who else could have been */
	for (int pass = 0; pass < 2; pass++) {
		for (int i = 0; i < n_pools; i++) {
			if ((verdict[i] == CHOSEN) != (pass == 0) || verdict[i] == SUITABLE ||
			    verdict[i] == NOT_ASKED_FOR || is_told(pools, verdict, i))
				continue;
			label(&pools[i], verdict[i], who, sizeof(who));
			if (verdict[i] == CHOSEN)
				snprintf(piece, sizeof(piece), "%s chosen", who);
			else if (why_not(&pools[i], want, why) != SUITABLE)
				snprintf(piece, sizeof(piece), "%s: %s", who, why);
			add_piece(text, sizeof(text), piece, first, &left_out);
			first = false;
		}
	}
	for (int k = 0; k < want->n_nodes; k++) {
		bool known = false;

		for (int i = 0; i < n_pools && !known; i++)
			known = strcasecmp(pools[i].node, want->nodes[k]) == 0;
		if (known)
			continue;
		snprintf(piece, sizeof(piece), "%.60s: no such node", want->nodes[k]);
		add_piece(text, sizeof(text), piece, first, &left_out);
		first = false;
	}
	used = strlen(text);
	if (left_out > 0)
		snprintf(text + used, sizeof(text) - used, "; and %d more", left_out);
	else if (first)
		snprintf(text + used, sizeof(text) - used, "the cluster has no node");
	return err_set(err, -E_NO_NODES, "%s", text);
}

static int explain_all(const struct placement_pool *pools, int n_pools,
		       const struct placement_want *want, const enum verdict *verdict,
		       struct buf *explain)
{
	char why[REASON_MAX], who[LABEL_MAX];
	int rv;

	for (int i = 0; i < n_pools; i++) {
		if (is_told(pools, verdict, i))
			continue;
		if (verdict[i] == CHOSEN)
			snprintf(why, sizeof(why), "chosen");
		else if (verdict[i] == SUITABLE)
			snprintf(why, sizeof(why), "suitable, not needed");
		else
			why_not(&pools[i], want, why);
		rv = buf_printf(explain, "%s: %s\n", label(&pools[i], verdict[i], who, sizeof(who)),
				why);
		if (rv < 0)
			return rv;
	}
	return 0;
}

int placement_choose(const struct placement_pool *pools, int n_pools,
		     const struct placement_want *want, int *chosen, struct err *err,
		     struct buf *explain)
{
	enum verdict *verdict = calloc(n_pools > 0 ? (size_t)n_pools : 1, sizeof(*verdict));
	char why[REASON_MAX];
	int picked[NODES_MAX], found, rv = 0;

	if (!verdict)
		return err_set(err, -ENOMEM, "placement: out of memory");
	for (int i = 0; i < n_pools; i++)
		verdict[i] = why_not(&pools[i], want, why);
	found = choose(pools, n_pools, want->copies < NODES_MAX ? want->copies : NODES_MAX, verdict,
		       picked);
	if (explain)
		rv = explain_all(pools, n_pools, want, verdict, explain);
	if (rv < 0)
		rv = err_set(err, rv, "placement: the explanation is too long");
	else if (found < want->copies)
		rv = refuse(pools, n_pools, want, verdict, found, err);
	else
		memcpy(chosen, picked, (size_t)found * sizeof(*chosen));
	free(verdict);
	return rv;
}

/* nothing is known: its node is away, or cannot tell */
static bool is_silent(const struct placement_pool *p)
{
	return p->free_kib < 0 || p->total_kib < 0;
}

int placement_room(const struct placement_pool *pools, int n_pools, int64_t more_kib,
		   struct err *err)
{
	char text[ERR_TEXT_MAX], piece[PIECE_MAX], why[REASON_MAX];
	bool full = false, first = true;
	int left_out = 0;
	size_t used;

	snprintf(text, sizeof(text), "not every pool with a copy has room: ");
	/* those that are full first, then the others */
	for (int pass = 0; pass < 2; pass++) {
		for (int i = 0; i < n_pools; i++) {
			const struct placement_pool *p = &pools[i];
			bool unfit = !is_silent(p) && pool_why_not(p, more_kib, why) != SUITABLE;

			if (unfit != (pass == 0))
				continue;
			full |= unfit;
			if (is_silent(p))
				snprintf(why, sizeof(why), "not known at present");
			else if (!unfit)
				snprintf(why, sizeof(why), "has room");
			snprintf(piece, sizeof(piece), "%s/%s: %s", p->node, p->pool, why);
			add_piece(text, sizeof(text), piece, first, &left_out);
			first = false;
		}
	}
	if (!full)
		return 0;
	used = strlen(text);
	if (left_out > 0)
		snprintf(text + used, sizeof(text) - used, "; and %d more", left_out);
	return err_set(err, -ENOSPC, "%s", text);
}
