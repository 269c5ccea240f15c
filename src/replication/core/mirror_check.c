/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mirror_check.c - what always holds between two calls, as far as it is cheap to
 * see. The simulator looks after every call, a driver in the field now and then:
 * one that finds something wrong takes the resource out of service before more
 * comes of it. One more: a row in what it belongs to.
 */
#include "replication/core/mirror.h"

struct rule {
	bool broken;
	const char *what;
};

static const char *first(const struct rule *rule, u32 n)
{
	for (u32 i = 0; i < n; i++)
		if (rule[i].broken)
			return rule[i].what;
	return NULL;
}

static const char *check_peers(const struct repl_writer *w)
{
	for (u32 s = 0; s < REPL_SLOTS_MAX; s++)
		if (((w->sent >> s) & 1) && w->peer[s].acked > w->seq)
			return "a copy has acknowledged what was not written";
	return NULL;
}

static const char *check_writer(const struct repl_writer *w)
{
	const struct rule rules[] = {
		{ w->state >= WRITER_STATES, "the writer is in no state" },
		{ w->committed > w->seq, "more is committed than was written" },
		{ w->seq - w->committed > REPL_INFLIGHT_MAX, "too many writes are under way" },
		{ w->high > REPL_REQUESTS_MAX || w->n_requests > w->high,
		  "there are more requests than places for them" },
		{ w->n_waiting + w->n_lease > w->n_requests, "more requests wait than there are" },
		{ w->state == WRITER_SERVING && !w->members, "it serves without a member" },
		{ w->state == WRITER_SERVING && (w->lost & ~w->members),
		  "lost is who is no member" },
	};
	const char *why = first(rules, PORT_ARRAY_SIZE(rules));

	return why ? why : check_peers(w);
}

static const char *check_replica(const struct repl_replica *r)
{
	const struct rule rules[] = {
		{ r->mode >= REPLICA_MODES, "the copy is in no mode" },
		{ r->ack_sent > r->acked, "it has acknowledged what is not applied" },
		{ r->session && r->acked > r->rseq, "more is applied than has come" },
		{ r->rseq - r->tail > REPL_INFLIGHT_MAX, "its ring of writes has run over" },
		{ r->disk_writes > REPL_INFLIGHT_MAX + REPL_PULLS_MAX,
		  "more writes have ended than were begun" },
		{ r->n_pulls > REPL_PULLS_MAX, "it pulls more than it may" },
		{ r->n_serves > PORT_ARRAY_SIZE(r->serve), "it answers more than it may" },
		{ r->hot.n > REPL_HOT_MAX, "the hot log has run over" },
	};

	return first(rules, PORT_ARRAY_SIZE(rules));
}

const char *repl_mirror_check(const struct repl_mirror *m)
{
	const char *why = check_writer(&m->writer);

	if (m->to_replica.len > REPL_LOCAL_MAX || m->to_writer.len > REPL_LOCAL_MAX)
		return "the loop inside has run over";
	return why || !m->has_disk ? why : check_replica(&m->replica);
}
