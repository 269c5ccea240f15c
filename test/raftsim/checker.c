// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * checker.c - what must hold, seen from outside: one entry for each index on
 * every server and over restarts, its outcome as refstore.c says, stores equal
 * at equal indexes, one leader for each term, an acknowledged request applied
 * once and kept. It stands between the state machine and the store (--wrap).
 */
#include <stdlib.h>
#include <string.h>

#include "raftsim/world.h"

#define INDEX_MAX 65536
#define TERM_MAX 65536

struct row {
	u64 hash; /* of the command; 0: none seen here */
	u64 dump; /* hash of a store at this index; 0: none seen */
	struct ref_result result;
};

static struct row *rows;
static u32 leaders[TERM_MAX];
static u64 last_index, last_acked, n_entries;
static u64 last_term;
static char (*refused)[32];
static u32 n_refused, cap_refused;

int __real_store_apply(struct store *s, uint64_t index, const void *data, size_t len,
		       struct txn_result *ret, struct err *err);
int __wrap_store_apply(struct store *s, uint64_t index, const void *data, size_t len,
		       struct txn_result *ret, struct err *err);
int __real_store_restore(struct store *s, const void *data, size_t len, struct err *err);
int __wrap_store_restore(struct store *s, const void *data, size_t len, struct err *err);

void checker_reset(void)
{
	if (!rows)
		rows = calloc(INDEX_MAX, sizeof(*rows));
	else
		memset(rows, 0, (last_index + 2) * sizeof(*rows));
	memset(leaders, 0, sizeof(leaders));
	last_index = last_acked = last_term = n_entries = 0;
	n_refused = 0;
	ref_reset();
}

u64 checker_last_acked(void)
{
	return last_acked;
}

u64 checker_entries(void)
{
	return n_entries;
}

static u64 hash_of(const void *data, size_t len)
{
	const unsigned char *p = data;
	u64 h = 0xcbf29ce484222325ull;

	for (size_t k = 0; k < len; k++)
		h = (h ^ p[k]) * 0x100000001b3ull;
	return h | 1;
}

static bool in_range(u64 index)
{
	if (index > 0 && index < INDEX_MAX - 1)
		return true;
	ctl_fail("index %llu is beyond the table", (unsigned long long)index);
	return false;
}

static void extend(u64 index)
{
	if (index > last_index)
		last_index = index;
}

static bool was_refused(const char *author)
{
	for (u32 k = 0; k < n_refused; k++)
		if (strcmp(refused[k], author) == 0)
			return true;
	return false;
}

static void first_time(u64 index, const void *data, size_t len)
{
	struct row *r = &rows[index];

	if (index < last_index)
		ctl_fail("index %llu is a command here; others went to %llu without it",
			 (unsigned long long)index, (unsigned long long)last_index);
	n_entries++;
	ref_apply(index, data, len, &r->result);
	if (was_refused(r->result.author))
		ctl_fail("attempt %s of %s is applied as %llu; it was told it would not be",
			 r->result.author, r->result.request, (unsigned long long)index);
}

static void check_entry(u64 before, u64 index, const void *data, size_t len,
			const struct txn_result *got)
{
	struct row *r = &rows[index];
	u64 hash = hash_of(data, len);

	for (u64 k = before + 1; k < index && got->outcome != TXN_SKIPPED; k++)
		if (rows[k].hash)
			ctl_fail("command %llu was left out before %llu", (unsigned long long)k,
				 (unsigned long long)index);
	if (!r->hash)
		first_time(index, data, len);
	else if (r->hash != hash)
		ctl_fail("index %llu is another entry than it was", (unsigned long long)index);
	r->hash = hash;
	extend(index);
	if (got->outcome == TXN_SKIPPED)
		return;
	if (got->outcome != r->result.outcome ||
	    (got->outcome <= TXN_DUPLICATE && got->outcome != TXN_CONFLICT &&
	     got->revision != r->result.revision))
		ctl_fail("index %llu (%s): outcome %d revision %llu, should be %d, %llu",
			 (unsigned long long)index, r->result.request, got->outcome,
			 (unsigned long long)got->revision, r->result.outcome,
			 (unsigned long long)r->result.revision);
}

int __wrap_store_apply(struct store *s, uint64_t index, const void *data, size_t len,
		       struct txn_result *ret, struct err *err)
{
	u64 before = store_applied(s);
	int rv = __real_store_apply(s, index, data, len, ret, err);

	if (rv < 0)
		ctl_fail("applying %llu fails: %s", (unsigned long long)index, err->text);
	else if (in_range(index))
		check_entry(before, index, data, len, ret);
	ctl_mix(index);
	return rv;
}

int __wrap_store_restore(struct store *s, const void *data, size_t len, struct err *err)
{
	u64 before = store_applied(s);
	int rv = __real_store_restore(s, data, len, err);

	if (rv < 0)
		ctl_fail("restoring fails: %s", err->text);
	else if (store_applied(s) < before)
		ctl_fail("a store at %llu is restored to %llu", (unsigned long long)before,
			 (unsigned long long)store_applied(s));
	ctl.stats.restores++;
	ctl_note("a store is restored to %llu", (unsigned long long)store_applied(s));
	return rv;
}

void checker_dump(u64 index, const void *data, size_t len, const char *who)
{
	u64 hash = hash_of(data, len);

	if (index == 0 || !in_range(index))
		return;
	if (rows[index].dump && rows[index].dump != hash)
		ctl_fail("%s at %llu differs from another store at this index", who,
			 (unsigned long long)index);
	rows[index].dump = hash;
	extend(index);
}

void checker_look(void)
{
	for (u32 k = 0; k < SERVERS_MAX; k++) {
		struct server *s = &ctl.server[k];
		struct err err = { 0 };
		struct buf b;

		if (!s->inst)
			continue;
		buf_init(&b, 64u << 20);
		if (store_dump(s->store, &b, &err) < 0)
			ctl_fail("s%u: %s", k, err.text);
		else
			checker_dump(store_applied(s->store), b.data, b.len, "a store");
		buf_release(&b);
		ctl.stats.looks++;
	}
}

void checker_leaders(void)
{
	for (u32 k = 0; k < SERVERS_MAX; k++) {
		struct inst *i = ctl.server[k].inst;
		u64 term;

		if (!i || raft_state(&i->c->raft) != RAFT_LEADER)
			continue;
		term = i->c->raft.current_term;
		if (term >= TERM_MAX) {
			ctl_fail("term %llu", (unsigned long long)term);
			return;
		}
		if (leaders[term] == 0) {
			ctl.stats.elections++;
			ctl_note("s%u is elected in term %llu", k, (unsigned long long)term);
		} else if (leaders[term] != ctl.server[k].id) {
			ctl_fail("%u and %u lead in term %llu", leaders[term], ctl.server[k].id,
				 (unsigned long long)term);
		}
		leaders[term] = ctl.server[k].id;
		if (term > last_term)
			last_term = term;
	}
}

void checker_refused(const char *author)
{
	if (n_refused == cap_refused) {
		cap_refused = cap_refused ? cap_refused * 2 : 256;
		refused = realloc(refused, cap_refused * sizeof(*refused));
	}
	snprintf(refused[n_refused++], sizeof(refused[0]), "%s", author);
}

void checker_acked(const char *request, u64 revision, bool duplicate)
{
	u64 applied = 0;

	if (revision > last_acked)
		last_acked = revision;
	if (!ref_request(request, &applied))
		ctl_fail("%s is acknowledged, but no server has applied it", request);
	else if (applied != revision)
		ctl_fail("%s is acknowledged as %llu, it was applied as %llu", request,
			 (unsigned long long)revision, (unsigned long long)applied);
}

void checker_end(void)
{
	struct server *leader = server_leader();

	checker_look();
	for (u32 k = 0; leader && k < SERVERS_MAX; k++) {
		char who[16];

		if (!ctl.server[k].inst ||
		    store_applied(ctl.server[k].store) != store_applied(leader->store))
			continue;
		snprintf(who, sizeof(who), "s%u", k);
		ref_compare(ctl.server[k].store, who);
	}
	ctl.stats.entries += n_entries;
	ctl.stats.casses += ref_casses();
}
