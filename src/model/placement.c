// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * placement.c - chooses pools for copies and explains the choice. Called by
 * change_place.c and change_explain.c for candidates.c's candidates. Pure. What
 * speaks of one candidate is here, what speaks of several in placement_search.c. To
 * add a rule: a line in why_not, in the order in which a person would ask, a name in
 * enum placement_rule, and a row in the test.
 */
#include "model/placement.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "model/placement_search.h"
#include "model/watermark.h"

#define REASON_MAX PLACEMENT_REASON_MAX
#define LABEL_MAX (2 * NAME_MAX_LEN + 2)
#define PIECE_MAX (REASON_MAX + LABEL_MAX + 2)
#define ERR_TAIL_ROOM 24 /* for "; and 255 more" */

static const char *const rule_names[PLACEMENT_RULES] = {
	[PLACEMENT_CHOSEN] = "chosen",         [PLACEMENT_SUITABLE] = "suitable",
	[PLACEMENT_NODE_LIST] = "node-list",   [PLACEMENT_HAS_REPLICA] = "has-replica",
	[PLACEMENT_NO_POOL] = "no-pool",       [PLACEMENT_OFFLINE] = "offline",
	[PLACEMENT_CLOSED] = "closed",         [PLACEMENT_PROPERTY] = "property",
	[PLACEMENT_NEIGHBOUR] = "not-with",    [PLACEMENT_POOL_LIST] = "pool-list",
	[PLACEMENT_KIND] = "provider",         [PLACEMENT_FAILED] = "pool-failed",
	[PLACEMENT_SILENT] = "no-report",      [PLACEMENT_FULL] = "pool-full",
	[PLACEMENT_ROOM] = "no-room",          [PLACEMENT_CACHE] = "cache",
	[PLACEMENT_TOGETHER] = "other-copies",
};

const char *placement_rule_name(enum placement_rule r)
{
	return rule_names[r];
}

/* the reason is the node's, whichever pool */
static bool is_of_node(enum placement_rule r)
{
	return (r >= PLACEMENT_NODE_LIST && r <= PLACEMENT_NEIGHBOUR) || r == PLACEMENT_TOGETHER;
}

static bool is_listed(const char *const *names, int n, const char *name)
{
	for (int i = 0; i < n; i++) {
		if (strcasecmp(names[i], name) == 0)
			return true;
	}
	return false;
}

static double ratio(double set)
{
	return set > 0 ? set : RATIO_DEFAULT;
}

static int64_t clamp_kib(double kib)
{
	return kib < (double)(INT64_MAX / 2) ? (int64_t)kib : INT64_MAX / 2;
}

/* what more may be promised of a thin pool's size */
static int64_t unpromised_kib(const struct placement_pool *p)
{
	return clamp_kib((double)p->total_kib * ratio(p->ratios.total)) - p->promised_kib;
}

/* what one more copy may have */
static int64_t room_kib(const struct placement_pool *p)
{
	int64_t room = p->thin ? unpromised_kib(p) : p->total_kib - p->promised_kib;
	int64_t free_kib = p->thin ? clamp_kib((double)p->free_kib * ratio(p->ratios.free))
				   : p->free_kib - p->owed_kib;

	return room < free_kib ? room : free_kib;
}

static enum placement_rule no_room(const struct placement_pool *p, int64_t size_kib, char *why)
{
	char wanted[32], room[32], promised[32], total[32];
	int64_t left = room_kib(p);

	text_size_kib(size_kib, wanted, sizeof(wanted));
	text_size_kib(left > 0 ? left : 0, room, sizeof(room));
	text_size_kib(p->promised_kib, promised, sizeof(promised));
	if (!p->thin)
		snprintf(why, REASON_MAX, "%s wanted, %s free", wanted, room);
	else if (unpromised_kib(p) < size_kib)
		snprintf(why, REASON_MAX,
			 "%s wanted, %s free to promise (%s promised of %.1f x %s)", wanted, room,
			 promised, ratio(p->ratios.total),
			 text_size_kib(p->total_kib, total, sizeof(total)));
	else
		snprintf(why, REASON_MAX, "%s wanted, %s can be (%.1f x %s free)", wanted, room,
			 ratio(p->ratios.free), text_size_kib(p->free_kib, total, sizeof(total)));
	return PLACEMENT_ROOM;
}

/* the property of a rule that speaks of single nodes */
static bool property_fits(const struct placement_pool *p, const struct place_rule *r, char *why)
{
	const char *value = jget_str(p->props, r->key, NULL);

	if (r->kind == RULE_SAME && !value)
		snprintf(why, REASON_MAX, "has no property %.80s", r->key);
	else if (r->kind == RULE_SAME && r->value && strcmp(value, r->value) != 0)
		snprintf(why, REASON_MAX, "%.80s is %.40s, not %.40s", r->key, value, r->value);
	else if (r->kind == RULE_DIFFERENT && r->value && value && strcmp(value, r->value) == 0)
		snprintf(why, REASON_MAX, "%.80s is %.40s, which is excluded", r->key, value);
	else
		return true;
	return false;
}

static enum placement_rule rules_why_not(const struct placement_pool *p,
					 const struct placement_want *want, char *why)
{
	for (int i = 0; want->rules && i < want->rules->n; i++) {
		if (!property_fits(p, &want->rules->rule[i], why))
			return PLACEMENT_PROPERTY;
	}
	if (!p->neighbour)
		return PLACEMENT_SUITABLE;
	snprintf(why, REASON_MAX, "has a replica of %.60s", p->neighbour);
	return PLACEMENT_NEIGHBOUR;
}

static enum placement_rule node_why_not(const struct placement_pool *p,
					const struct placement_want *want, char *why)
{
	if (want->n_nodes > 0 && !is_listed(want->nodes, want->n_nodes, p->node)) {
		snprintf(why, REASON_MAX, "not among the nodes asked for");
		return PLACEMENT_NODE_LIST;
	}
	if (p->has_replica && !want->ever) {
		snprintf(why, REASON_MAX, "has a replica already");
		return PLACEMENT_HAS_REPLICA;
	}
	if (!p->pool) {
		snprintf(why, REASON_MAX, "no pool (witness)");
		return PLACEMENT_NO_POOL;
	}
	if (!p->online && !want->ever) {
		snprintf(why, REASON_MAX, "offline");
		return PLACEMENT_OFFLINE;
	}
	if (p->closed && !want->ever) {
		snprintf(why, REASON_MAX, "%s", p->closed);
		return PLACEMENT_CLOSED;
	}
	return rules_why_not(p, want, why);
}

static enum placement_rule too_full(const struct placement_pool *p, char *why)
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
		return PLACEMENT_SUITABLE;
	return PLACEMENT_FULL;
}

/* what its node says of the pool */
static enum placement_rule pool_why_not(const struct placement_pool *p, int64_t size_kib, char *why)
{
	enum placement_rule full;

	if (p->error && p->error[0]) {
		snprintf(why, REASON_MAX, "failed: %.150s", p->error);
		return PLACEMENT_FAILED;
	}
	if (p->free_kib < 0 || p->total_kib < 0) {
		snprintf(why, REASON_MAX, "no report from the node yet");
		return PLACEMENT_SILENT;
	}
	full = too_full(p, why);
	if (full != PLACEMENT_SUITABLE)
		return full;
	return room_kib(p) < size_kib ? no_room(p, size_kib, why) : PLACEMENT_SUITABLE;
}

static enum placement_rule list_why_not(const struct placement_pool *p,
					const struct placement_want *want, char *why)
{
	if (want->n_pools > 0 && !is_listed(want->pools, want->n_pools, p->pool)) {
		snprintf(why, REASON_MAX, "not among the pools asked for");
		return PLACEMENT_POOL_LIST;
	}
	if (want->rules && want->rules->has_kinds && !(want->rules->kinds & 1u << p->kind)) {
		snprintf(why, REASON_MAX, "is %s, which is not among the providers asked for",
			 pool_kind_name(p->kind));
		return PLACEMENT_KIND;
	}
	return PLACEMENT_SUITABLE;
}

/* the first rule that speaks against the candidate, in words (REASON_MAX bytes) */
static enum placement_rule why_not(const struct placement_pool *p,
				   const struct placement_want *want, char *why)
{
	enum placement_rule v = node_why_not(p, want, why);

	if (v == PLACEMENT_SUITABLE)
		v = list_why_not(p, want, why);
	if (v == PLACEMENT_SUITABLE && !want->ever)
		v = pool_why_not(p, want->size_kib, why);
	if (v == PLACEMENT_SUITABLE && p->cache && !want->ever) {
		snprintf(why, REASON_MAX, "%s", p->cache);
		v = PLACEMENT_CACHE;
	}
	return v;
}

bool placement_fits(const struct placement_pool *p, int64_t size_kib,
		    char why[PLACEMENT_REASON_MAX])
{
	return pool_why_not(p, size_kib, why) == PLACEMENT_SUITABLE;
}

static int64_t free_steps(const struct placement_pool *p, int64_t step_kib)
{
	int64_t unpromised = p->total_kib - p->promised_kib;
	int64_t unowed = p->free_kib - p->owed_kib;
	int64_t free_kib = unpromised < unowed ? unpromised : unowed;

	return free_kib > 0 ? free_kib / step_kib : 0;
}

static bool is_high(const struct placement_pool *p)
{
	return watermark_used(p->free_kib, p->total_kib) >= WATERMARK_HIGH ||
	       p->meta_percent >= WATERMARK_HIGH;
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

struct score {
	int pool; /* index */
	const struct placement_pool *p;
	bool high;
	double weight;
	int64_t steps;
};

static int by_score(const void *a, const void *b)
{
	const struct score *x = a, *y = b;
	int c;

	if (x->high != y->high)
		return x->high ? 1 : -1;
	if (x->weight != y->weight)
		return x->weight < y->weight ? 1 : -1;
	if (x->steps != y->steps)
		return x->steps < y->steps ? 1 : -1;
	if (x->p->replicas != y->p->replicas)
		return x->p->replicas < y->p->replicas ? -1 : 1;
	c = strcasecmp(x->p->node, y->p->node);
	return c != 0 ? c : strcasecmp(x->p->pool, y->p->pool);
}

/* what the weights are multiplied with is 1 for the best candidate of each kind, and 0 for the
 * worst that can be */
static void weigh(struct score *score, int n, const struct weights *w)
{
	double promised = 1, replicas = 1, throughput = 1;

	for (int i = 0; i < n; i++) {
		const struct placement_pool *p = score[i].p;

		promised = (double)p->promised_kib > promised ? (double)p->promised_kib : promised;
		replicas = p->replicas > replicas ? p->replicas : replicas;
		throughput = p->throughput > throughput ? p->throughput : throughput;
	}
	for (int i = 0; i < n && w->set; i++) {
		const struct placement_pool *p = score[i].p;

		score[i].weight = w->free_space * (double)score[i].steps / PLACEMENT_STEPS +
				  w->reserved * (1 - (double)p->promised_kib / promised) +
				  w->count * (1 - p->replicas / replicas) +
				  w->throughput * p->throughput / throughput;
	}
}

/* the suitable candidates, best first, the best of each node only; returns how many */
static int put_in_order(const struct placement_pool *pools, int n_pools, const struct weights *w,
			const enum placement_rule *rule, struct score *score, int *order)
{
	int64_t step = step_of(pools, n_pools);
	int n = 0, n_order = 0;

	for (int i = 0; i < n_pools; i++) {
		if (rule[i] == PLACEMENT_SUITABLE)
			score[n++] = (struct score){ .pool = i,
						     .p = &pools[i],
						     .high = is_high(&pools[i]),
						     .steps = free_steps(&pools[i], step) };
	}
	weigh(score, n, w);
	qsort(score, (size_t)n, sizeof(*score), by_score);
	for (int i = 0; i < n && n_order < NODES_MAX; i++) {
		bool taken = false;

		for (int k = 0; k < n_order && !taken; k++)
			taken = strcasecmp(pools[order[k]].node, score[i].p->node) == 0;
		if (!taken)
			order[n_order++] = score[i].pool;
	}
	return n_order;
}

/* one attempt to place: what is known of each candidate */
struct attempt {
	const struct placement_pool *pools;
	int n_pools;
	const struct placement_want *want;
	enum placement_rule *rule; /* owned, as the rest */
	struct score *score;
	int order[NODES_MAX], n_order;
	struct search *search;
	int picked[COPIES_MAX], found;
};

static void attempt_free(struct attempt *a)
{
	free(a->rule);
	free(a->score);
	search_free(a->search);
	free(a);
}

static struct attempt *attempt_new(const struct placement_pool *pools, int n_pools,
				   const struct placement_want *want)
{
	struct attempt *a = calloc(1, sizeof(*a));
	size_t n = n_pools > 0 ? (size_t)n_pools : 1;
	char why[REASON_MAX];

	if (!a)
		return NULL;
	a->pools = pools;
	a->n_pools = n_pools;
	a->want = want;
	a->rule = calloc(n, sizeof(*a->rule));
	a->score = calloc(n, sizeof(*a->score));
	if (!a->rule || !a->score)
		goto fail;
	for (int i = 0; i < n_pools; i++)
		a->rule[i] = why_not(&pools[i], want, why);
	a->n_order = put_in_order(pools, n_pools, &want->weights, a->rule, a->score, a->order);
	a->search = search_new(pools, n_pools, want->rules, a->order, a->n_order);
	if (a->search)
		return a;
fail:
	attempt_free(a);
	return NULL;
}

/* as many copies as can be, up to those wanted; then who does not go with them */
static void attempt_choose(struct attempt *a)
{
	char why[REASON_MAX];

	a->found = a->want->copies < COPIES_MAX ? a->want->copies : COPIES_MAX;
	while (!search_choose(a->search, a->found, a->picked))
		a->found--;
	for (int i = 0; i < a->found; i++)
		a->rule[a->picked[i]] = PLACEMENT_CHOSEN;
	for (int i = 0; i < a->n_pools; i++) {
		bool taken = false;

		for (int k = 0; k < a->found && !taken; k++)
			taken = strcasecmp(a->pools[a->picked[k]].node, a->pools[i].node) == 0;
		if (a->rule[i] == PLACEMENT_SUITABLE && !taken &&
		    search_conflict(a->search, i, why))
			a->rule[i] = PLACEMENT_TOGETHER;
	}
}

/* in words */
static void attempt_why(const struct attempt *a, int i, char *why)
{
	if (a->rule[i] == PLACEMENT_CHOSEN)
		snprintf(why, REASON_MAX, "chosen");
	else if (a->rule[i] == PLACEMENT_SUITABLE)
		snprintf(why, REASON_MAX, "suitable, not needed");
	else if (a->rule[i] == PLACEMENT_TOGETHER)
		search_conflict(a->search, i, why);
	else
		why_not(&a->pools[i], a->want, why);
}

static const char *label(const struct placement_pool *p, enum placement_rule r, char *out,
			 size_t len)
{
	if (!p->pool || is_of_node(r))
		snprintf(out, len, "%s", p->node);
	else
		snprintf(out, len, "%s/%s", p->node, p->pool);
	return out;
}

/* whether an earlier candidate of the same node has told the same */
static bool is_told(const struct attempt *a, int i)
{
	if (!is_of_node(a->rule[i]))
		return false;
	for (int k = 0; k < i; k++) {
		if (a->rule[k] == a->rule[i] && strcasecmp(a->pools[k].node, a->pools[i].node) == 0)
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

/* the text of a refusal as it grows */
struct refusal {
	char text[ERR_TEXT_MAX];
	bool first;
	int left_out;
};

static void add(struct refusal *r, const char *piece)
{
	add_piece(r->text, sizeof(r->text), piece, r->first, &r->left_out);
	r->first = false;
}

static void add_candidate(struct refusal *r, const struct attempt *a, int i)
{
	char piece[PIECE_MAX], why[REASON_MAX], who[LABEL_MAX];

	label(&a->pools[i], a->rule[i], who, sizeof(who));
	attempt_why(a, i, why);
	snprintf(piece, sizeof(piece), "%s%s %s", who, a->rule[i] == PLACEMENT_CHOSEN ? "" : ":",
		 why);
	add(r, piece);
}

static void add_unknown_nodes(struct refusal *r, const struct attempt *a)
{
	char piece[PIECE_MAX];

	for (int k = 0; k < a->want->n_nodes; k++) {
		bool known = false;

		for (int i = 0; i < a->n_pools && !known; i++)
			known = strcasecmp(a->pools[i].node, a->want->nodes[k]) == 0;
		if (known)
			continue;
		snprintf(piece, sizeof(piece), "%.60s: no such node", a->want->nodes[k]);
		add(r, piece);
	}
}

static int refuse(const struct attempt *a, struct err *err)
{
	struct refusal r = { .first = true };
	size_t used;

	if (search_gave_up(a->search))
		snprintf(r.text, sizeof(r.text),
			 "%d copies wanted, %d found; the rules cross each other so that there may "
			 "be more, which %d tries did not show: name nodes, or use fewer keys: ",
			 a->want->copies, a->found, PLACEMENT_TRIES_MAX);
	else
		snprintf(r.text, sizeof(r.text), "%d %s wanted, %d possible: ", a->want->copies,
			 a->want->copies == 1 ? "copy" : "copies", a->found);
	/* the chosen first, then who else could have been */
	for (int pass = 0; pass < 2; pass++) {
		for (int i = 0; i < a->n_pools; i++) {
			if ((a->rule[i] == PLACEMENT_CHOSEN) == (pass == 0) &&
			    a->rule[i] != PLACEMENT_SUITABLE && a->rule[i] != PLACEMENT_NODE_LIST &&
			    !is_told(a, i))
				add_candidate(&r, a, i);
		}
	}
	add_unknown_nodes(&r, a);
	used = strlen(r.text);
	if (r.left_out > 0)
		snprintf(r.text + used, sizeof(r.text) - used, "; and %d more", r.left_out);
	else if (r.first)
		snprintf(r.text + used, sizeof(r.text) - used, "the cluster has no node");
	return err_set(err, -E_NO_NODES, "%s", r.text);
}

int placement_choose(const struct placement_pool *pools, int n_pools,
		     const struct placement_want *want, int *chosen, struct err *err,
		     struct placement_verdict *verdicts)
{
	struct attempt *a = attempt_new(pools, n_pools, want);
	int rv = 0;

	if (!a)
		return err_set(err, -ENOMEM, "placement: out of memory");
	attempt_choose(a);
	for (int i = 0; verdicts && i < n_pools; i++) {
		verdicts[i].rule = a->rule[i];
		attempt_why(a, i, verdicts[i].why);
	}
	if (a->found < want->copies)
		rv = refuse(a, err);
	else
		memcpy(chosen, a->picked, (size_t)a->found * sizeof(*chosen));
	attempt_free(a);
	return rv;
}

/* the other copies, as those that are there, and this one as a candidate: does it go with them? */
static bool goes_with_others(const struct placement_pool *pools, int n_pools, int copy,
			     const struct place_rules *rules, struct placement_pool *others,
			     char *why)
{
	struct search *s;
	bool fits;

	memcpy(others, pools, (size_t)n_pools * sizeof(*others));
	for (int i = 0; i < n_pools; i++) {
		if (strcasecmp(pools[i].node, pools[copy].node) == 0)
			others[i].has_copy = false;
	}
	s = search_new(others, n_pools, rules, &copy, 1);
	if (!s)
		return true;
	fits = !search_conflict(s, copy, why);
	search_free(s);
	return fits;
}

int placement_violations(const struct placement_pool *pools, int n_pools,
			 const struct placement_want *want, struct err *err)
{
	struct placement_pool *others = calloc((size_t)n_pools + 1, sizeof(*others));
	struct placement_want static_want = *want;
	struct refusal r = { .first = true };
	char piece[PIECE_MAX], why[REASON_MAX], who[LABEL_MAX];
	int n = 0;

	if (!others)
		return err_set(err, -ENOMEM, "placement: out of memory");
	static_want.ever = true;
	for (int i = 0; i < n_pools; i++) {
		enum placement_rule rule;

		if (!pools[i].has_copy)
			continue;
		rule = why_not(&pools[i], &static_want, why);
		if (rule == PLACEMENT_SUITABLE &&
		    goes_with_others(pools, n_pools, i, want->rules, others, why))
			continue;
		label(&pools[i], rule == PLACEMENT_SUITABLE ? PLACEMENT_TOGETHER : rule, who,
		      sizeof(who));
		snprintf(piece, sizeof(piece), "%s: %s", who, why);
		add(&r, piece);
		n++;
	}
	free(others);
	if (n > 0)
		err_set(err, -E_INVALID, "%s", r.text);
	return n;
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
			bool unfit = !is_silent(p) &&
				     pool_why_not(p, more_kib, why) != PLACEMENT_SUITABLE;

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
