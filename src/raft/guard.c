// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * guard.c - stands between the Raft library and its messages and closes gaps of
 * the library from outside (docs/raft.md#guard has the story of each). Called
 * by the library, set up by consensus.c. The simulator (test/raftsim) finds
 * every one of them when it is open.
 */
#include <raft.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "raft/instance.h"

static struct consensus *instance_of(struct raft_io *io)
{
	return ((struct raft *)io->data)->data;
}

static struct raft_server *self_of(struct raft *r)
{
	for (unsigned i = 0; i < r->configuration.n; i++) {
		if (r->configuration.servers[i].id == r->id)
			return &r->configuration.servers[i];
	}
	return NULL;
}

static bool is_only_voter(struct raft *r)
{
	const struct raft_server *self = self_of(r);
	int voters = 0;

	for (unsigned i = 0; i < r->configuration.n; i++)
		voters += r->configuration.servers[i].role == RAFT_VOTER;
	return self && self->role == RAFT_VOTER && voters == 1;
}

/*
 * The library gives no vote while its configuration does not call it a voter, and a stand-by never
 * forgets its leader. But who asks may know a newer configuration: an only voter that has promoted
 * a second node needs its vote to lead again, and the node learns of its promotion only from a
 * leader. A vote that is not needed is not counted, so it is given for the sake of this question.
 */
static void on_vote_request(struct consensus *c, struct raft_message *msg)
{
	struct raft *r = &c->raft;
	struct raft_server *self = self_of(r);
	int role = self ? self->role : RAFT_VOTER;

	if (role == RAFT_VOTER || r->state != RAFT_FOLLOWER) {
		c->io_recv(&c->io, msg);
		return;
	}
	if (c->io.time(&c->io) - r->election_timer_start >= r->election_timeout)
		r->follower_state.current_leader.id = 0;
	self->role = RAFT_VOTER;
	c->io_recv(&c->io, msg);
	self->role = role; /* a question changes no configuration */
}

/*
 * Entries from the first one on have no entry before them that could be compared, so the library
 * takes them although its log begins later, behind a snapshot, and puts them at its end. What is
 * committed here is the same at the leader: such a message is cut to begin behind it.
 */
static void cut_to_news(const struct raft *r, struct raft_append_entries *a)
{
	unsigned known = a->n_entries;

	if (a->prev_log_index != 0 || a->n_entries == 0 || r->commit_index == 0)
		return;
	if (known > r->commit_index)
		known = (unsigned)r->commit_index;
	a->prev_log_index = known;
	a->prev_log_term = a->entries[known - 1].term;
	a->n_entries -= known;
	if (a->n_entries > 0) {
		memmove(a->entries, a->entries + known, a->n_entries * sizeof(*a->entries));
		return;
	}
	raft_free(a->entries[0].batch); /* one for all of a message */
	raft_free(a->entries);
	a->entries = NULL;
}

static void on_message(struct raft_io *io, struct raft_message *msg)
{
	struct consensus *c = instance_of(io);

	if (msg->type == RAFT_IO_REQUEST_VOTE) {
		on_vote_request(c, msg);
		return;
	}
	if (msg->type == RAFT_IO_APPEND_ENTRIES)
		cut_to_news(&c->raft, &msg->append_entries);
	c->io_recv(io, msg);
}

/*
 * A changed configuration leaves its leader when it is on its disk, not before: else a voter may
 * know that it is none any more, its leader loses power and comes back without the change, needs
 * that vote and does not get it, for its log is shorter. What is cut off here is sent again with
 * the next heartbeat.
 */
static void hold_change(const struct raft *r, struct raft_append_entries *a)
{
	for (unsigned i = 0; i < a->n_entries; i++) {
		if (a->entries[i].type == RAFT_CHANGE &&
		    a->prev_log_index + 1 + i > r->last_stored) {
			a->n_entries = i;
			return;
		}
	}
}

/*
 * To a snapshot that is older than what it has, a follower answers that it has got so far. The
 * leader goes on from there, the follower's log begins later, the leader sends the snapshot again,
 * and that is how they stay. What is committed here is at the leader, too, so the answer may tell.
 */
static void tell_committed(const struct raft *r, struct raft_append_entries_result *a)
{
	if (a->rejected == 0 && a->last_log_index < r->commit_index &&
	    r->last_stored >= r->commit_index)
		a->last_log_index = r->commit_index;
}

/*
 * To the question whether it would vote, the library answers with the term of who asks, even where
 * it refuses for the reason that its own is higher. Who asks never learns it and asks the same for
 * ever; told, it goes on from our term.
 */
static void tell_term(const struct raft *r, struct raft_request_vote_result *a)
{
	if (a->pre_vote && !a->vote_granted && a->term < r->current_term)
		a->term = r->current_term;
}

static int on_send(struct raft_io *io, struct raft_io_send *req, const struct raft_message *msg,
		   raft_io_send_cb cb)
{
	struct consensus *c = instance_of(io);
	struct raft_message m = *msg;

	if (m.type == RAFT_IO_APPEND_ENTRIES)
		hold_change(&c->raft, &m.append_entries);
	else if (m.type == RAFT_IO_APPEND_ENTRIES_RESULT)
		tell_committed(&c->raft, &m.append_entries_result);
	else if (m.type == RAFT_IO_REQUEST_VOTE_RESULT)
		tell_term(&c->raft, &m.request_vote_result);
	return c->io_send(io, req, &m, cb);
}

/* one allocation for each entry, in place of one for all of a file; false: nothing has changed */
static bool split(struct raft_entry *entries, size_t n)
{
	void **copies = calloc(n, sizeof(*copies));
	void *batch = NULL;
	bool good = copies;

	for (size_t i = 0; good && i < n; i++) {
		copies[i] = raft_malloc(entries[i].buf.len ? entries[i].buf.len : 1);
		good = copies[i];
		if (good)
			memcpy(copies[i], entries[i].buf.base, entries[i].buf.len);
	}
	for (size_t i = 0; i < n; i++) {
		if (!good) {
			raft_free(copies ? copies[i] : NULL);
			continue;
		}
		if (entries[i].batch != batch)
			raft_free(entries[i].batch);
		batch = entries[i].batch;
		entries[i].batch = entries[i].buf.base = copies[i];
	}
	free(copies);
	return good;
}

/*
 * Entries that are read from a file share its memory, which the library frees when none of them is
 * in the log any more, though a message under way may still hold some: freed twice, or sent with
 * what the memory holds by then. Entries of their own are counted right.
 */
static int on_load(struct raft_io *io, raft_term *term, raft_id *voted_for,
		   struct raft_snapshot **snapshot, raft_index *start_index,
		   struct raft_entry *entries[], size_t *n)
{
	struct consensus *c = instance_of(io);
	int rv = c->io_load(io, term, voted_for, snapshot, start_index, entries, n);

	if (rv == 0 && *n > 0 && !split(*entries, *n))
		log_warn("raft", "memory is short: %zu entries stay in their batches", *n);
	return rv;
}

/*
 * An only voter elects itself when it starts, and the library does not begin a new term for that.
 * An entry of the present term may have got to a stand-by and not to our disk; a second entry with
 * its index and term would not be told from it, and the stand-by's store would be another one for
 * ever. Called when the configuration is known and nobody has been elected yet.
 */
static int on_start(struct raft_io *io, unsigned msecs, raft_io_tick_cb tick, raft_io_recv_cb recv)
{
	struct consensus *c = instance_of(io);
	struct raft *r = &c->raft;
	int rv;

	if (is_only_voter(r)) {
		rv = io->set_term(io, r->current_term + 1);
		if (rv != 0)
			return rv;
		r->current_term++;
		r->voted_for = 0;
	}
	c->io_recv = recv;
	c->tick = tick;
	return c->io_start(io, msecs, tick, on_message);
}

/*
 * The library tells followers what is committed with whatever it sends next, which on a quiet
 * cluster is the heartbeat: until then a node that has carried a request waits for its own store,
 * and nodes do not begin with what they are to do. So its clock is struck once more than the timer
 * does, with every heartbeat due.
 */
void guard_spread(struct consensus *c)
{
	struct raft *r = &c->raft;
	unsigned heartbeat = r->heartbeat_timeout;

	if (r->state != RAFT_LEADER || !c->tick || r->commit_index <= c->spread ||
	    raft_last_index(r) > r->commit_index || c->waiting.head)
		return;
	c->spread = r->commit_index;
	raft_set_heartbeat_timeout(r, 0);
	c->tick(&c->io);
	raft_set_heartbeat_timeout(r, heartbeat);
}

void guard_watch(struct consensus *c)
{
	c->io_load = c->io.load;
	c->io.load = on_load;
	c->io_start = c->io.start;
	c->io.start = on_start;
	c->io_send = c->io.send;
	c->io.send = on_send;
}
