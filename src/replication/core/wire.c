/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wire.c - the byte layout of messages; the only place that knows it. Whatever
 * a peer sends ends here in a message whose fields are inside their limits, or
 * in -EPROTO. What a message means in a state is the business of its receiver.
 */
#include "replication/core/wire.h"

#include "shared/crc32c.h"
#include "shared/cursor.h"

#define GREETING_MAGIC 0x44534453u /* "SDSD" */

static const char *const names[REPL_MSG_KINDS] = {
	[REPL_MSG_START] = "start",
	[REPL_MSG_EPOCH] = "epoch",
	[REPL_MSG_WRITE] = "write",
	[REPL_MSG_COMMIT] = "commit",
	[REPL_MSG_FLUSH] = "flush",
	[REPL_MSG_JOIN] = "join",
	[REPL_MSG_PING] = "ping",
	[REPL_MSG_RELEASE] = "release",
	[REPL_MSG_READ] = "read",
	[REPL_MSG_PROMISE] = "promise",
	[REPL_MSG_STATE] = "state",
	[REPL_MSG_STARTED] = "started",
	[REPL_MSG_REFUSED] = "refused",
	[REPL_MSG_ACK] = "ack",
	[REPL_MSG_FLUSHED] = "flushed",
	[REPL_MSG_SYNCED] = "synced",
	[REPL_MSG_READY] = "ready",
	[REPL_MSG_ECHO] = "echo",
	[REPL_MSG_READ_DATA] = "read_data",
	[REPL_MSG_PROMISED] = "promised",
	[REPL_MSG_UNPROMISED] = "unpromised",
	[REPL_MSG_WANTED] = "wanted",
	[REPL_MSG_SIZE] = "size",
	[REPL_MSG_PULL] = "pull",
	[REPL_MSG_SAME] = "same",
	[REPL_MSG_DIFFER] = "differ",
	[REPL_MSG_DATA] = "data",
	[REPL_MSG_NO] = "no",
};

const char *wire_name(u8 kind)
{
	return kind < REPL_MSG_KINDS && names[kind] ? names[kind] : "unknown";
}

void wire_put_greeting(u8 out[WIRE_GREETING], const struct wire_greeting *g)
{
	struct cursor c;

	memset(out, 0, WIRE_GREETING);
	cursor_init(&c, out, WIRE_GREETING);
	cursor_put(&c, GREETING_MAGIC, 4);
	cursor_put(&c, g->version, 4);
	cursor_put(&c, g->purpose, 1);
	cursor_put(&c, g->status, 1);
	cursor_put(&c, g->from, 1);
	cursor_put(&c, g->to, 1);
	cursor_put(&c, 0, 4);
	cursor_put_bytes(&c, g->cluster, 16);
	cursor_put_bytes(&c, g->resource, 16);
	cursor_put(&c, g->boot, 8);
	cursor_put(&c, g->renewal, 4);
	cursor_init(&c, out + WIRE_GREETING - 4, 4);
	cursor_put(&c, shared_crc32c(0, out, WIRE_GREETING - 4), 4);
}

int wire_get_greeting(const u8 in[WIRE_GREETING], struct wire_greeting *ret)
{
	struct wire_greeting g;
	struct cursor c;
	u8 copy[WIRE_GREETING];

	memcpy(copy, in, WIRE_GREETING);
	cursor_init(&c, copy + WIRE_GREETING - 4, 4);
	if (cursor_get(&c, 4) != shared_crc32c(0, copy, WIRE_GREETING - 4))
		return -EPROTO;
	cursor_init(&c, copy, WIRE_GREETING);
	if (cursor_get(&c, 4) != GREETING_MAGIC)
		return -EPROTO;
	memset(&g, 0, sizeof(g));
	g.version = (u32)cursor_get(&c, 4);
	g.purpose = (u8)cursor_get(&c, 1);
	g.status = (u8)cursor_get(&c, 1);
	g.from = (u8)cursor_get(&c, 1);
	g.to = (u8)cursor_get(&c, 1);
	cursor_get(&c, 4);
	cursor_get_bytes(&c, g.cluster, 16);
	cursor_get_bytes(&c, g.resource, 16);
	g.boot = cursor_get(&c, 8);
	g.renewal = (u32)cursor_get(&c, 4);
	*ret = g;
	return 0;
}

_Static_assert((int)WIRE_LINK_READY >= (int)REPL_MSG_KINDS,
	       "no kind is both the core's and a link's");

void wire_put_link(u8 out[WIRE_HEADER], const struct wire_link_msg *m)
{
	struct cursor c;

	memset(out, 0, WIRE_HEADER);
	cursor_init(&c, out, WIRE_HEADER);
	cursor_put(&c, m->kind, 1);
	cursor_init(&c, out + 24, 8);
	cursor_put(&c, m->renewal, 8);
	cursor_init(&c, out + WIRE_HEADER - 4, 4);
	cursor_put(&c, shared_crc32c(0, out, WIRE_HEADER - 4), 4);
}

int wire_get_link(const u8 in[WIRE_HEADER], struct wire_link_msg *ret)
{
	u8 copy[WIRE_HEADER];
	struct cursor c;

	if (in[0] < WIRE_LINK_READY || in[0] > WIRE_LINK_SWITCHED)
		return -EPROTO; /* before the sum: mostly it is the core's */
	memcpy(copy, in, WIRE_HEADER);
	cursor_init(&c, copy + WIRE_HEADER - 4, 4);
	if (cursor_get(&c, 4) != shared_crc32c(0, copy, WIRE_HEADER - 4))
		return -EPROTO;
	cursor_init(&c, copy + 4, 4);
	if (cursor_get(&c, 4) != 0)
		return -EPROTO; /* it has no payload */
	ret->kind = in[0];
	cursor_init(&c, copy + 24, 8);
	ret->renewal = (u32)cursor_get(&c, 8);
	return ret->renewal ? 0 : -EPROTO;
}

/*
 * Four 64-bit words a, b, c, d carry what each kind needs; docs/protocol.md#wire
 * lists them. One table of meanings, used in both directions, keeps put and get alike.
 */
struct words {
	u64 a, b, c, d;
};

static struct words words_of(const struct repl_msg *m)
{
	switch (m->kind) {
	case REPL_MSG_START:
		return (struct words){ m->seq, m->tag.boot, m->tag.node, m->tag.counter };
	case REPL_MSG_WRITE:
		return (struct words){ m->seq, m->off, m->commit, 0 };
	case REPL_MSG_READ:
	case REPL_MSG_READ_DATA:
		return (struct words){ m->id, m->off, m->reason, 0 };
	case REPL_MSG_PULL:
	case REPL_MSG_SAME:
	case REPL_MSG_DIFFER:
	case REPL_MSG_DATA:
	case REPL_MSG_NO:
		return (struct words){ m->seq, m->region, m->count, m->stamp };
	default:
		return (struct words){ m->seq, m->id, m->time,
				       m->kind == REPL_MSG_PING || m->kind == REPL_MSG_COMMIT
					       ? m->commit
					       : m->reason };
	}
}

static void words_to(struct repl_msg *m, struct words w)
{
	switch (m->kind) {
	case REPL_MSG_START:
		m->seq = w.a;
		m->tag.boot = w.b;
		m->tag.node = (u32)w.c;
		m->tag.counter = (u32)w.d;
		break;
	case REPL_MSG_WRITE:
		m->seq = w.a;
		m->off = w.b;
		m->commit = w.c;
		break;
	case REPL_MSG_READ:
	case REPL_MSG_READ_DATA:
		m->id = w.a;
		m->off = w.b;
		m->reason = (u32)w.c;
		break;
	case REPL_MSG_PULL:
	case REPL_MSG_SAME:
	case REPL_MSG_DIFFER:
	case REPL_MSG_DATA:
	case REPL_MSG_NO:
		m->seq = w.a;
		m->region = (u32)w.b;
		m->count = (u32)w.c;
		m->stamp = (u32)w.d;
		break;
	default:
		m->seq = w.a;
		m->id = w.b;
		m->time = w.c;
		if (m->kind == REPL_MSG_PING || m->kind == REPL_MSG_COMMIT)
			m->commit = w.d;
		else
			m->reason = (u32)w.d;
	}
}

void wire_put(u8 out[WIRE_HEADER], const struct repl_msg *m)
{
	struct words w = words_of(m);
	struct cursor c;

	memset(out, 0, WIRE_HEADER);
	cursor_init(&c, out, WIRE_HEADER);
	cursor_put(&c, m->kind, 1);
	cursor_put(&c, m->op, 1);
	cursor_put(&c, m->start, 1);
	cursor_put(&c, m->intact, 1);
	cursor_put(&c, m->payload_len, 4);
	cursor_put(&c, m->epoch, 4);
	cursor_put(&c, m->mask, 4);
	cursor_put(&c, m->len, 4);
	cursor_put(&c, 0, 4); /* volume of the resource: one so far */
	cursor_put(&c, w.a, 8);
	cursor_put(&c, w.b, 8);
	cursor_put(&c, w.c, 8);
	cursor_put(&c, w.d, 8);
	cursor_put(&c, 0, 4);
	cursor_put(&c, shared_crc32c(0, out, WIRE_HEADER - 4), 4);
}

static bool range_ok(const struct repl_msg *m, u32 len_max, u32 unit)
{
	return m->len && m->len <= len_max && !(m->len % unit) && !(m->off % unit) &&
	       REPL_ADDRESS_VOLUME(m->off) < REPL_VOLUMES_MAX &&
	       m->off / REPL_EXTENT_BYTES == (m->off + m->len - 1) / REPL_EXTENT_BYTES;
}

/* the payload that each kind must have, and no other */
static bool shape_ok(const struct repl_msg *m)
{
	switch (m->kind) {
	case REPL_MSG_WRITE:
		if (m->seq > WIRE_SEQ_MAX)
			return false;
		if (m->op == REPL_OP_DATA)
			return range_ok(m, REPL_WRITE_MAX, REPL_SECTOR) && m->payload_len == m->len;
		return range_ok(m, REPL_EXTENT_BYTES, repl_op_unit(m->op)) && !m->payload_len;
	case REPL_MSG_READ:
		return range_ok(m, REPL_WRITE_MAX, REPL_SECTOR) && !m->payload_len;
	case REPL_MSG_READ_DATA:
		return m->len <= REPL_WRITE_MAX && m->payload_len == (m->reason ? 0 : m->len);
	case REPL_MSG_DATA:
		if (m->op == REPL_OP_DATA)
			return m->count == 1 && m->payload_len &&
			       m->payload_len <= REPL_REGION_BYTES &&
			       !(m->payload_len % REPL_SECTOR);
		return m->op == REPL_OP_ZERO && m->count == 1 && !m->payload_len;
	case REPL_MSG_PULL:
	case REPL_MSG_SAME:
	case REPL_MSG_DIFFER:
	case REPL_MSG_NO:
		return m->count && m->count <= REPL_PULL_RUN_MAX && !m->payload_len;
	case REPL_MSG_SIZE:
		return m->id < REPL_VOLUMES_MAX && m->seq <= REPL_VOLUME_BYTES_MAX &&
		       !(m->seq % REPL_SECTOR) && !m->payload_len;
	case REPL_MSG_START:
		return m->start <= REPL_START_LEARNER && m->seq <= WIRE_SEQ_MAX && !m->payload_len;
	default:
		return !m->payload_len;
	}
}

int wire_get(const u8 in[WIRE_HEADER], struct repl_msg *ret)
{
	struct repl_msg m;
	struct words w;
	struct cursor c;
	u8 copy[WIRE_HEADER];

	memcpy(copy, in, WIRE_HEADER);
	cursor_init(&c, copy + WIRE_HEADER - 4, 4);
	if (cursor_get(&c, 4) != shared_crc32c(0, copy, WIRE_HEADER - 4))
		return -EPROTO;
	memset(&m, 0, sizeof(m));
	cursor_init(&c, copy, WIRE_HEADER);
	m.kind = (u8)cursor_get(&c, 1);
	m.op = (u8)cursor_get(&c, 1);
	m.start = (u8)cursor_get(&c, 1);
	m.intact = (u8)cursor_get(&c, 1);
	m.payload_len = (u32)cursor_get(&c, 4);
	m.epoch = (u32)cursor_get(&c, 4);
	m.mask = (u32)cursor_get(&c, 4);
	m.len = (u32)cursor_get(&c, 4);
	cursor_get(&c, 4);
	w.a = cursor_get(&c, 8);
	w.b = cursor_get(&c, 8);
	w.c = cursor_get(&c, 8);
	w.d = cursor_get(&c, 8);
	if (m.kind >= REPL_MSG_KINDS || !names[m.kind] || m.op >= REPL_OPS)
		return -EPROTO;
	words_to(&m, w);
	if (!shape_ok(&m))
		return -EPROTO;
	*ret = m;
	return 0;
}
