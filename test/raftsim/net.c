// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * net.c - messages between servers. A pair's messages stay in order as long as
 * their connection lives; a new connection may overtake what the old one still
 * has under way, and what is lost is lost with a connection. Directions fail
 * by themselves.
 */
#include <stdlib.h>
#include <string.h>

#include "raftsim/world.h"

struct message {
	struct raft_message m; /* its pointers are those below */
	raft_id from;
	char from_address[32];
	u64 to_life;
	u32 from_slot, to_slot;
	u32 n;
	struct disk_entry *entries;
	struct blob *conf, *data;
};

static void message_free(struct message *m)
{
	for (u32 k = 0; k < m->n; k++)
		blob_drop(m->entries[k].blob);
	free(m->entries);
	blob_drop(m->conf);
	blob_drop(m->data);
	free(m);
}

void net_event_drop(struct ctl_event *e)
{
	if (e->kind == EV_DELIVER)
		message_free(e->ptr);
}

static void copy_entries(struct message *m, const struct raft_append_entries *from)
{
	m->n = from->n_entries;
	if (!m->n)
		return;
	m->entries = calloc(m->n, sizeof(*m->entries));
	for (u32 k = 0; k < m->n; k++) {
		m->entries[k].term = from->entries[k].term;
		m->entries[k].type = from->entries[k].type;
		m->entries[k].blob = blob_new(from->entries[k].buf.base, from->entries[k].buf.len);
	}
}

/* The sender does not fill in the versions: on the wire they follow from the length */
static struct message *message_new(struct server *from, const struct raft_message *msg)
{
	struct message *m = calloc(1, sizeof(*m));

	m->m.type = msg->type;
	m->from = from->id;
	m->from_slot = from->slot;
	snprintf(m->from_address, sizeof(m->from_address), "%s", from->address);
	switch (msg->type) {
	case RAFT_IO_APPEND_ENTRIES:
		m->m.append_entries = msg->append_entries;
		m->m.append_entries.version = RAFT_APPEND_ENTRIES_VERSION;
		copy_entries(m, &msg->append_entries);
		break;
	case RAFT_IO_APPEND_ENTRIES_RESULT:
		m->m.append_entries_result = msg->append_entries_result;
		m->m.append_entries_result.version = RAFT_APPEND_ENTRIES_RESULT_VERSION;
		break;
	case RAFT_IO_REQUEST_VOTE:
		m->m.request_vote = msg->request_vote;
		m->m.request_vote.version = RAFT_REQUEST_VOTE_VERSION;
		break;
	case RAFT_IO_REQUEST_VOTE_RESULT:
		m->m.request_vote_result = msg->request_vote_result;
		m->m.request_vote_result.version = RAFT_REQUEST_VOTE_RESULT_VERSION;
		break;
	case RAFT_IO_INSTALL_SNAPSHOT:
		m->m.install_snapshot = msg->install_snapshot;
		m->m.install_snapshot.version = RAFT_INSTALL_SNAPSHOT_VERSION;
		m->conf = ctl_conf_save(&msg->install_snapshot.conf);
		m->data = blob_new(msg->install_snapshot.data.base, msg->install_snapshot.data.len);
		break;
	case RAFT_IO_TIMEOUT_NOW:
		m->m.timeout_now = msg->timeout_now;
		m->m.timeout_now.version = RAFT_TIMEOUT_NOW_VERSION;
		break;
	default:
		ctl_fail("a message of type %d", msg->type);
	}
	return m;
}

static bool is_cut(u32 from, u32 to)
{
	u64 unheard_at = ctl.lag[from].unheard_at;

	return ctl.cut_until[from][to] > ctl.now ||
	       (unheard_at && unheard_at <= ctl.now && ctl.now < ctl.lag[from].until);
}

/* a queue that fills: messages go on to arrive, only later and later */
static u64 lag_now(u32 to)
{
	if (ctl.now >= ctl.lag[to].until)
		return 0;
	return PORT_MIN((ctl.now - ctl.lag[to].since) / 2, ctl.lag[to].by);
}

static u64 draw_delay(void)
{
	if (!ctl.quiet && ctl_chance(ctl.o.tail_rate, 1000))
		return ctl_around(ctl.o.delay_tail);
	return ctl_around(ctl.o.delay);
}

static void put_on_wire(struct inst *i, struct server *to, const struct raft_message *msg)
{
	struct ctl_event e = { .kind = EV_DELIVER, .server = to->slot };
	u32 from = i->server->slot;
	u64 at = ctl.now + draw_delay() + lag_now(to->slot);
	struct message *m;

	if (!ctl.quiet && ctl_chance(ctl.o.reconnect_rate, 1000))
		ctl.last_delivery[from][to->slot] = 0;
	if (at < ctl.last_delivery[from][to->slot])
		at = ctl.last_delivery[from][to->slot];
	ctl.last_delivery[from][to->slot] = at;
	m = message_new(i->server, msg);
	m->to_slot = to->slot;
	m->to_life = to->inst->life;
	e.ptr = m;
	ctl_schedule(at - ctl.now, &e);
}

int net_send(struct raft_io *io, struct raft_io_send *req, const struct raft_message *msg,
	     raft_io_send_cb cb)
{
	struct inst *i = inst_of(io);
	struct server *to = server_by_id(msg->server_id);
	int status = 0;

	if (i->closing)
		return RAFT_CANCELED;
	req->cb = cb;
	ctl.stats.messages++;
	if (!to || !to->inst || is_cut(i->server->slot, to->slot) ||
	    (!ctl.quiet && ctl_chance(ctl.o.send_fail, 1000)))
		status = RAFT_NOCONNECTION;
	else if (!i->dying && (ctl.quiet || !ctl_chance(ctl.o.loss_rate, 1000)))
		put_on_wire(i, to, msg);
	else
		ctl.stats.lost++;
	/* without a connection a message waits for one for a while */
	pending_add(i, EV_SENT, req, status,
		    status ? ctl_around(20 * ctl.o.delay) : ctl_below(ctl.o.delay));
	return 0;
}

static void unpack_entries(struct raft_append_entries *to, const struct message *m)
{
	size_t bytes = 0;
	char *batch;

	to->entries = NULL;
	to->n_entries = m->n;
	if (!m->n)
		return;
	for (u32 k = 0; k < m->n; k++)
		bytes += m->entries[k].blob->len;
	batch = raft_malloc(bytes ? bytes : 8);
	to->entries = raft_calloc(m->n, sizeof(*to->entries));
	bytes = 0;
	for (u32 k = 0; k < m->n; k++) {
		struct raft_entry *e = &to->entries[k];
		const struct blob *b = m->entries[k].blob;

		e->term = m->entries[k].term;
		e->type = m->entries[k].type;
		e->batch = batch;
		e->buf.base = batch + bytes;
		e->buf.len = b->len;
		memcpy(e->buf.base, b->data, b->len);
		bytes += b->len;
	}
}

static void note_message(const struct message *m)
{
	const struct raft_append_entries_result *r = &m->m.append_entries_result;
	const struct raft_request_vote *v = &m->m.request_vote;
	char text[100] = "";

	if (m->m.type == RAFT_IO_APPEND_ENTRIES)
		snprintf(text, sizeof(text), "entries %llu+%u term %llu commit %llu",
			 (unsigned long long)m->m.append_entries.prev_log_index + 1, m->n,
			 (unsigned long long)m->m.append_entries.term,
			 (unsigned long long)m->m.append_entries.leader_commit);
	else if (m->m.type == RAFT_IO_APPEND_ENTRIES_RESULT)
		snprintf(text, sizeof(text), "has %llu, rejects %llu, term %llu",
			 (unsigned long long)r->last_log_index, (unsigned long long)r->rejected,
			 (unsigned long long)r->term);
	else if (m->m.type == RAFT_IO_REQUEST_VOTE)
		snprintf(text, sizeof(text), "%s term %llu log to %llu of term %llu",
			 v->pre_vote ? "would you vote" : "vote", (unsigned long long)v->term,
			 (unsigned long long)v->last_log_index,
			 (unsigned long long)v->last_log_term);
	else if (m->m.type == RAFT_IO_REQUEST_VOTE_RESULT)
		snprintf(text, sizeof(text), "vote %s, term %llu",
			 m->m.request_vote_result.vote_granted ? "given" : "refused",
			 (unsigned long long)m->m.request_vote_result.term);
	else if (m->m.type == RAFT_IO_INSTALL_SNAPSHOT)
		snprintf(text, sizeof(text), "snapshot of %llu",
			 (unsigned long long)m->m.install_snapshot.last_index);
	ctl_note("s%u -> s%u %s", m->from_slot, m->to_slot, text);
}

void net_deliver(const struct ctl_event *e)
{
	struct message *m = e->ptr;
	struct inst *i = ctl.server[e->server].inst;
	struct raft_message msg = m->m;

	/* the connection has ended with the process that accepted it */
	if (!i || i->life != m->to_life || !i->recv || is_cut(m->from_slot, m->to_slot)) {
		ctl.stats.lost++;
		message_free(m);
		return;
	}
	msg.server_id = m->from;
	msg.server_address = m->from_address;
	if (msg.type == RAFT_IO_APPEND_ENTRIES)
		unpack_entries(&msg.append_entries, m);
	if (msg.type == RAFT_IO_INSTALL_SNAPSHOT) {
		ctl_conf_load(m->conf, &msg.install_snapshot.conf);
		msg.install_snapshot.data.len = m->data->len;
		msg.install_snapshot.data.base = raft_malloc(m->data->len);
		memcpy(msg.install_snapshot.data.base, m->data->data, m->data->len);
	}
	note_message(m);
	i->recv(i->io, &msg);
	message_free(m);
}
