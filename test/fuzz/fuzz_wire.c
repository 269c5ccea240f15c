// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fuzz_wire.c - one node of a resource and everybody around it made of the
 * input: the peers' messages (as bytes, through core/wire.c), links that come
 * and go, a disk that answers in any order or fails, the record's keeper, the
 * application, restarts. The driver's side keeps the rules of repl.h; the bytes
 * keep none. Checked: bounds of everything that is asked of the disk, that what
 * is sent can be received, and that each payload is released exactly once.
 */
#include "fuzz/fuzz.h"

#include "replication/core/mirror.h"
#include "replication/core/wire.h"
#include "shared/crc32c.h"
#include "shared/cursor.h"

#define EXTENTS 20u /* of each volume */
#define VOLUMES 2u
#define SIZE ((u64)EXTENTS * REPL_EXTENT_BYTES)
#define BRIEFS 3u /* fewer than pages */
#define REGIONS ((u32)(SIZE / REPL_REGION_BYTES))
#define MAP_PAGES ((REGIONS + REPL_STAMPS_PER_PAGE - 1) / REPL_STAMPS_PER_PAGE)
#define META_PAGES (REPL_META_HEAD_PAGES + MAP_PAGES)
#define SELF 1
#define NODE 7u
#define COPIES 0x7u
#define ACCEPTED 3 /* links of others at a time */
#define BUFS 8192
#define DISK_OPS 4096
#define ASKS 2 /* that are not answered: what src/records.h counts on */
#define REQUESTS 64
#define STEPS 2000

struct disk_op {
	enum repl_effect_kind kind;
	u64 id, off;
	u32 len;
	u8 volume;
	repl_buf buf;
	u8 *page;
};

struct ask {
	bool used, cas;
	u64 token;
	struct repl_record record;
};

static struct repl_mirror *mirror;
static struct repl_sink sink;
static u64 now;
static struct repl_record record;
static u32 copies;

static struct {
	u32 refs, len;
} bufs[BUFS];
static u32 n_bufs;

static u8 meta[VOLUMES][META_PAGES][REPL_META_PAGE];
static u32 hot[REPL_HOT_MAX];
static struct disk_op ops[DISK_OPS];
static u32 n_ops;

static struct ask asks[ASKS];
static u32 accepted[ACCEPTED]; /* number; 0: none */
static u32 next_link;
static bool slot_up[REPL_SLOTS_MAX], pull_up, pull_new;
static u8 pull_slot;
static bool opened;
static u64 boots;

static struct {
	bool used;
	repl_buf buf;
} requests[REQUESTS];
static u32 n_requests;

/* ---- payloads ---- */

static repl_buf buf_new(u32 len)
{
	if (n_bufs + 1 >= BUFS)
		return 0;
	n_bufs++;
	bufs[n_bufs].refs = 1;
	bufs[n_bufs].len = len;
	return n_bufs;
}

static void buf_is(repl_buf b, u64 len)
{
	FUZZ_CHECK(b > 0 && b <= n_bufs && bufs[b].refs > 0);
	FUZZ_CHECK(len <= bufs[b].len);
}

static void buf_drop(repl_buf b)
{
	if (!b)
		return;
	buf_is(b, 0);
	bufs[b].refs--;
}

/* ---- what the core wants ---- */

static void do_send(const struct repl_effect *e)
{
	const struct repl_msg *m = e->msg;
	struct repl_msg back;
	u8 head[WIRE_HEADER];

	if (m->buf)
		buf_is(m->buf, m->payload_len);
	if (e->link == REPL_LINK_LOCAL) {
		FUZZ_CHECK(m->kind == REPL_MSG_WRITE && m->buf);
		bufs[m->buf].refs++;
		return;
	}
	wire_put(head, m);
	FUZZ_CHECK(wire_get(head, &back) == 0);
	FUZZ_CHECK(back.kind == m->kind && back.epoch == m->epoch && back.seq == m->seq);
	FUZZ_CHECK(!m->payload_len == !m->buf);
	if (m->kind != REPL_MSG_WRITE)
		buf_drop(m->buf);
}

static void close_link(u32 link)
{
	for (int i = 0; i < ACCEPTED; i++)
		if (accepted[i] == link)
			accepted[i] = 0;
	if (link == REPL_LINK_PULL)
		pull_up = false;
	else if (link >= REPL_LINK_SLOT(0) && link < REPL_LINK_SLOT(REPL_SLOTS_MAX))
		slot_up[link - REPL_LINK_SLOT(0)] = false;
}

static void do_disk(const struct repl_effect *e)
{
	struct disk_op *op = &ops[n_ops++];

	FUZZ_CHECK(n_ops < DISK_OPS);
	*op = (struct disk_op){
		.kind = e->kind, .id = e->id, .volume = e->volume, .off = e->off, .len = e->len
	};
	FUZZ_CHECK(e->volume < VOLUMES);
	if (e->kind == REPL_DISK_READ || e->kind == REPL_DISK_WRITE) {
		FUZZ_CHECK(e->len > 0 && e->len <= REPL_EXTENT_BYTES);
		FUZZ_CHECK(e->off < SIZE && e->len <= SIZE - e->off);
		FUZZ_CHECK(e->off % REPL_SECTOR == 0 && e->len % REPL_SECTOR == 0);
	}
	if (e->kind == REPL_DISK_WRITE) {
		FUZZ_CHECK(e->op < REPL_OPS && (e->op == REPL_OP_DATA) == (e->buf != 0));
		if (e->buf)
			buf_is(e->buf, (u64)e->buf_off + e->len);
		if (e->buf && e->shared)
			bufs[e->buf].refs++;
		op->buf = e->buf;
	}
	if (e->kind == REPL_META_WRITE || e->kind == REPL_META_READ)
		FUZZ_CHECK(e->off % REPL_META_PAGE == 0 && e->off / REPL_META_PAGE < META_PAGES);
	if (e->kind == REPL_META_WRITE) {
		op->page = malloc(REPL_META_PAGE);
		FUZZ_CHECK(op->page);
		memcpy(op->page, e->page, REPL_META_PAGE);
	}
}

static void do_complete(const struct repl_effect *e)
{
	FUZZ_CHECK(e->id < REQUESTS && requests[e->id].used);
	requests[e->id].used = false;
	n_requests--;
	buf_drop(requests[e->id].buf);
	buf_drop(e->buf);
}

static void do_ask(const struct repl_effect *e)
{
	u32 i = 0;

	while (i < ASKS && asks[i].used)
		i++;
	FUZZ_CHECK(i < ASKS);
	asks[i] = (struct ask){ true, e->kind == REPL_CAS, e->id, e->record };
	if (e->kind == REPL_CAS)
		FUZZ_CHECK(e->record.in_sync && e->record.epoch >= REPL_EPOCH_FIRST);
}

static void emit(struct repl_sink *s, const struct repl_effect *e)
{
	switch (e->kind) {
	case REPL_SEND:
		do_send(e);
		break;
	case REPL_LINK_CLOSE:
		close_link(e->link);
		break;
	case REPL_DISK_WRITE:
	case REPL_DISK_READ:
	case REPL_DISK_FLUSH:
	case REPL_META_WRITE:
	case REPL_META_READ:
	case REPL_META_FLUSH:
		do_disk(e);
		break;
	case REPL_BUF_DROP:
		FUZZ_CHECK(e->buf);
		buf_drop(e->buf);
		break;
	case REPL_COMPLETE:
		do_complete(e);
		break;
	case REPL_READ_RECORD:
	case REPL_CAS:
		do_ask(e);
		break;
	case REPL_PULL_LINK:
		pull_slot = e->slot;
		pull_up = false;
		pull_new = e->slot != REPL_NO_SLOT;
		break;
	case REPL_CHANGED:
		break;
	}
}

/* ---- start and end ---- */

static void format(void)
{
	struct meta_state s = { .generation = 1 };
	u32 stamp[REPL_STAMPS_PER_PAGE];

	memset(meta, 0, sizeof(meta));
	for (u32 r = 0; r < REPL_STAMPS_PER_PAGE; r++)
		stamp[r] = REPL_STAMP_FRESH;
	meta_put_state(meta[0][2], &s);
	meta_put_hot(meta[0][4], 1, NULL, 0);
	for (u32 v = 0; v < VOLUMES; v++)
		for (u32 p = 0; p < MAP_PAGES; p++)
			meta_put_map(meta[v][REPL_META_HEAD_PAGES + p], p, 0, stamp);
}

static void start(bool with_disk)
{
	struct repl_mirror_config c = { .self = SELF, .copies = copies };
	struct repl_disk d = { .size = { SIZE, SIZE }, .hot = hot };

	c.tag = (struct repl_tag){ .node = NODE, .boot = ++boots };
	c.seed = 1;
	c.read_policy = (enum repl_read_policy)(boots % REPL_READ_POLICIES);
	if (with_disk) {
		FUZZ_CHECK(meta_pick_state(meta[0][2], meta[0][3], &d.state, &d.state_copy) == 0);
		FUZZ_CHECK(meta_pick_hot(meta[0][4], meta[0][5], &d.hot_generation, hot, &d.n_hot,
					 &d.hot_copy) == 0);
		c.disk = &d;
	}
	c.n_briefs = BRIEFS;
	if (!mirror)
		mirror = malloc(repl_mirror_bytes(BRIEFS));
	FUZZ_CHECK(mirror);
	memset(mirror, 0, repl_mirror_bytes(BRIEFS));
	repl_mirror_init(mirror, &c, now);
	repl_mirror_boot(mirror, &record, &sink, now);
}

static void drop_queue(struct repl_queue *q)
{
	for (; q->len; q->len--, q->head = (q->head + 1) % REPL_LOCAL_MAX)
		buf_drop(q->msg[q->head].buf);
}

/* Power off: what is in the hands of disk, application and core is given back. Then nothing may
 * be left over. */
static void stop(void)
{
	const struct repl_replica *r = &mirror->replica;

	for (u32 i = 0; i < n_ops; i++) {
		buf_drop(ops[i].buf);
		free(ops[i].page);
	}
	n_ops = 0;
	for (u32 i = 0; i < REQUESTS; i++) {
		if (requests[i].used)
			buf_drop(requests[i].buf);
		requests[i].used = false;
	}
	n_requests = 0;
	for (u32 i = 0; i < REPL_INFLIGHT_MAX; i++)
		if (r->io[i].state != IO_FREE)
			buf_drop(r->io[i].buf);
	for (u32 i = 0; i < REPL_PULLS_MAX; i++)
		buf_drop(r->pull[i].buf);
	for (u32 i = 0; i < PORT_ARRAY_SIZE(r->serve); i++)
		if (r->serve[i].state == SERVE_READ)
			buf_drop(r->serve[i].msg.buf);
	for (u32 i = 0; i < REPL_REQUESTS_MAX; i++)
		if (mirror->writer.request[i].state == REQ_LEASE)
			buf_drop(mirror->writer.request[i].buf);
	drop_queue(&mirror->to_replica);
	drop_queue(&mirror->to_writer);
	for (u32 i = 1; i <= n_bufs; i++)
		FUZZ_CHECK(bufs[i].refs == 0);
	n_bufs = 0;
	memset(asks, 0, sizeof(asks));
	memset(accepted, 0, sizeof(accepted));
	memset(slot_up, 0, sizeof(slot_up));
	pull_up = pull_new = opened = false;
	pull_slot = REPL_NO_SLOT;
}

/* ---- the disk answers ---- */

static void disk_answer(u32 index, int status)
{
	struct disk_op op = ops[index];
	repl_buf b = 0;

	memmove(&ops[index], &ops[index + 1], (n_ops - index - 1) * sizeof(op));
	n_ops--;
	if (op.kind == REPL_META_WRITE && !status)
		memcpy(meta[op.volume][op.off / REPL_META_PAGE], op.page, REPL_META_PAGE);
	free(op.page);
	buf_drop(op.buf);
	if (op.kind == REPL_META_READ) {
		repl_mirror_meta_read_done(mirror, op.id, status,
					   meta[op.volume][op.off / REPL_META_PAGE], &sink, now);
		return;
	}
	if (op.kind != REPL_DISK_READ) {
		repl_mirror_disk_done(mirror, op.id, status, &sink, now);
		return;
	}
	if (!status)
		b = buf_new(op.len);
	repl_mirror_disk_read_done(mirror, op.id, b ? 0 : -EIO, b, b ? op.len : 0, &sink, now);
}

static void disk_answer_all(void)
{
	for (u32 limit = 0; n_ops && limit < DISK_OPS; limit++)
		disk_answer(0, 0);
}

/* ---- messages ---- */

/* near what is expected, or anything */
static u64 around(struct input *in, u64 base)
{
	u8 b = input_u8(in);

	return b == 0x80 ? input_take(in, 8) : base + (u64)(s64)(int8_t)b;
}

static u8 pick_kind(struct input *in)
{
	static const u8 kinds[] = {
		REPL_MSG_START,      REPL_MSG_EPOCH,   REPL_MSG_WRITE,     REPL_MSG_COMMIT,
		REPL_MSG_FLUSH,      REPL_MSG_JOIN,    REPL_MSG_PING,      REPL_MSG_RELEASE,
		REPL_MSG_READ,       REPL_MSG_PROMISE, REPL_MSG_STATE,     REPL_MSG_STARTED,
		REPL_MSG_REFUSED,    REPL_MSG_ACK,     REPL_MSG_FLUSHED,   REPL_MSG_SYNCED,
		REPL_MSG_READY,      REPL_MSG_ECHO,    REPL_MSG_READ_DATA, REPL_MSG_PROMISED,
		REPL_MSG_UNPROMISED, REPL_MSG_WANTED,  REPL_MSG_PULL,      REPL_MSG_SAME,
		REPL_MSG_DIFFER,     REPL_MSG_DATA,    REPL_MSG_NO,
	};

	return kinds[input_u8(in) % PORT_ARRAY_SIZE(kinds)];
}

static u64 pick_off(struct input *in)
{
	u8 b = input_u8(in);

	if (b == 0xff)
		return input_take(in, 8);
	return (u64)(b % (EXTENTS + 1)) * REPL_EXTENT_BYTES + input_u8(in) * REPL_SECTOR;
}

static u32 pick_len(struct input *in)
{
	static const u32 lens[] = { 512,      4096,           REPL_REGION_BYTES,
				    3u << 16, REPL_WRITE_MAX, REPL_EXTENT_BYTES };
	u8 b = input_u8(in);

	return b < 0xf0 ? lens[b % PORT_ARRAY_SIZE(lens)] : (u32)input_take(in, 4);
}

/* an id, sequence number or region that the other side may know from us */
static u64 known_id(struct input *in)
{
	const struct repl_writer *w = &mirror->writer;
	u8 b = input_u8(in);

	switch (b % 4) {
	case 0:
		return w->flush.id;
	case 1:
		return b >> 2;
	case 2:
		return w->orders - (b >> 2);
	default:
		return input_take(in, 8);
	}
}

/* one that was asked for, or any */
static void pick_regions(struct input *in, struct repl_msg *m)
{
	const struct replica_pull *p;
	u8 b = input_u8(in);

	m->count = 1u + input_u8(in);
	if (b & 0x80) {
		m->region = (u32)input_take(in, 2) % (REGIONS + 2);
		return;
	}
	p = &mirror->replica.pull[b % REPL_PULLS_MAX];
	m->region = p->region;
	if (b & 0x40)
		return;
	m->count = p->count ? p->count : 1;
}

static void make(struct input *in, struct repl_msg *m, bool to_writer)
{
	const struct repl_replica *r = &mirror->replica;
	const struct repl_writer *w = &mirror->writer;
	bool serving = w->state == WRITER_SERVING;

	m->kind = pick_kind(in);
	m->op = input_u8(in) % REPL_OPS;
	m->start = input_u8(in) % 3;
	m->intact = input_u8(in) & 1;
	m->epoch = (u32)around(in, !to_writer ? r->re : serving ? w->pe : w->record.epoch);
	m->mask = (u32)input_take(in, 1);
	m->reason = input_u8(in) % (REPL_REASONS + 1);
	m->seq = around(in, to_writer ? w->seq : r->rseq + 1);
	switch (m->kind) {
	case REPL_MSG_START:
		m->tag = (struct repl_tag){ .node = input_u8(in), .boot = input_u8(in) };
		break;
	case REPL_MSG_WRITE:
	case REPL_MSG_COMMIT:
	case REPL_MSG_PING:
	case REPL_MSG_ECHO:
	case REPL_MSG_UNPROMISED:
		m->commit = around(in, r->rseq);
		m->time = around(in, now);
		break;
	default:
		break;
	}
	m->off = pick_off(in);
	m->len = pick_len(in);
	m->id = known_id(in);
	pick_regions(in, m);
	m->stamp = (u32)around(in, r->re);
	if (m->kind == REPL_MSG_WRITE && m->op == REPL_OP_DATA)
		m->payload_len = m->len;
	else if (m->kind == REPL_MSG_READ_DATA && !m->reason)
		m->payload_len = m->len;
	else if (m->kind == REPL_MSG_DATA) {
		m->count = 1;
		m->payload_len = m->op == REPL_OP_DATA ? m->len : 0;
	}
}

/* as the driver does: a header that is none ends the link */
static void deliver(u32 link, const u8 head[WIRE_HEADER])
{
	struct repl_msg m;

	if (wire_get(head, &m) < 0) {
		close_link(link);
		if (link == REPL_LINK_PULL)
			repl_mirror_pull_down(mirror, &sink, now);
		else
			repl_mirror_link_down(mirror, link, &sink, now);
		return;
	}
	FUZZ_CHECK(m.payload_len <= WIRE_PAYLOAD_MAX);
	if (m.payload_len) {
		m.buf = buf_new(m.payload_len);
		if (!m.buf)
			return;
	}
	repl_mirror_receive(mirror, link, &m, &sink, now);
}

static void message(struct input *in, u32 link, bool raw)
{
	struct repl_msg m = { 0 };
	u8 head[WIRE_HEADER] = { 0 };
	bool to_writer = link < REPL_LINK_PULL;
	struct cursor c;

	if (!to_writer && !repl_mirror_takes_input(mirror, link))
		disk_answer_all();
	if (!to_writer && !repl_mirror_takes_input(mirror, link))
		return;
	if (raw) {
		for (u32 i = 0; i < WIRE_HEADER - 4; i++)
			head[i] = input_u8(in);
		cursor_init(&c, head + WIRE_HEADER - 4, 4);
		cursor_put(&c, shared_crc32c(0, head, WIRE_HEADER - 4), 4);
	} else {
		make(in, &m, to_writer);
		wire_put(head, &m);
	}
	/* the answers of the disk may have closed it */
	for (int i = 0; i < ACCEPTED; i++)
		if (accepted[i] && accepted[i] == link)
			deliver(link, head);
	if ((link == REPL_LINK_PULL && pull_up) || (to_writer && slot_up[link - REPL_LINK_SLOT(0)]))
		deliver(link, head);
}

/* ---- links ---- */

static void toggle_accepted(u32 i)
{
	u32 link = accepted[i];

	if (link) {
		accepted[i] = 0;
		repl_mirror_link_down(mirror, link, &sink, now);
	} else {
		accepted[i] = next_link++;
		repl_mirror_link_up(mirror, accepted[i], &sink, now);
	}
}

static void toggle_slot(u8 s)
{
	bool want = s != SELF && repl_mirror_wants_link(mirror, s);

	if (slot_up[s]) {
		slot_up[s] = false;
		repl_mirror_link_down(mirror, REPL_LINK_SLOT(s), &sink, now);
	} else if (want) {
		slot_up[s] = true;
		repl_mirror_link_up(mirror, REPL_LINK_SLOT(s), &sink, now);
	}
}

static void toggle_pull(bool fails)
{
	if (pull_up) {
		pull_up = false;
		repl_mirror_pull_down(mirror, &sink, now);
	} else if (pull_slot != REPL_NO_SLOT && mirror->has_disk) {
		pull_up = !fails;
		if (fails)
			repl_mirror_pull_down(mirror, &sink, now);
		else
			repl_mirror_pull_up(mirror, &sink, now);
	}
}

/* ---- the record's keeper ---- */

static bool record_follows(const struct repl_record *next)
{
	return next->epoch == record.epoch + 1;
}

static void answer_ask(void)
{
	for (u32 i = 0; i < ASKS; i++) {
		struct ask a = asks[i];
		bool accept;

		if (!a.used)
			continue;
		asks[i].used = false;
		if (!a.cas) {
			repl_mirror_record(mirror, a.token, &record, &sink, now);
			return;
		}
		accept = record_follows(&a.record);
		if (accept)
			record = a.record;
		repl_mirror_cas_done(mirror, a.token, accept, &record, &sink, now);
		return;
	}
}

static void foreign_record(struct input *in)
{
	u32 set = input_u8(in) & copies;

	record.epoch++;
	record.writer = input_u8(in) % 4;
	if (record.writer == 3)
		record.writer = REPL_NO_SLOT;
	if (record.writer == SELF)
		record.writer = 0;
	record.in_sync = set ? set : record.in_sync;
	record.tag = (struct repl_tag){ .node = 3, .boot = 3, .counter = record.epoch };
}

/* ---- the application ---- */

static void request(struct input *in, u8 what)
{
	u64 off = pick_off(in);
	u32 len = pick_len(in), id = 0;
	u8 op = input_u8(in) % (REPL_OPS + 1);
	repl_buf b = 0;
	int rv;

	while (id < REQUESTS && requests[id].used)
		id++;
	if (id == REQUESTS || !opened)
		return;
	if (what == REQ_WRITE && op == REPL_OP_DATA) {
		b = buf_new(PORT_MIN(len, REPL_WRITE_MAX));
		if (!b)
			return;
	}
	/* may complete inside the call */
	requests[id].used = true;
	requests[id].buf = b;
	n_requests++;
	if (what == REQ_WRITE)
		rv = repl_mirror_write(mirror, id, op, off, len, b, &sink, now);
	else if (what == REQ_READ)
		rv = repl_mirror_read(mirror, id, off, len, &sink, now);
	else
		rv = repl_mirror_flush(mirror, id, &sink, now);
	FUZZ_CHECK(rv == 0 || rv == -EBUSY || rv == -EINVAL || rv == -EIO);
	if (rv == 0)
		return;
	FUZZ_CHECK(requests[id].used);
	requests[id].used = false;
	n_requests--;
	buf_drop(b);
}

static void open_close(void)
{
	if (opened && n_requests)
		return;
	opened = !opened;
	if (opened)
		repl_mirror_open(mirror, &sink, now);
	else
		repl_mirror_close(mirror, &sink, now);
}

/* ---- steps ---- */

static void step_world(struct input *in, u8 what)
{
	u8 b = input_u8(in);

	switch (what) {
	case 0:
		toggle_accepted(b % ACCEPTED);
		break;
	case 1:
		toggle_slot(b % 4);
		break;
	case 2:
		toggle_pull(b == 0xff);
		break;
	case 3:
		foreign_record(in);
		break;
	case 4:
		copies = b & 0xf;
		repl_mirror_set_copies(mirror, copies, &sink, now);
		break;
	case 5:
		stop();
		start(b != 0xff);
		break;
	case 6:
		open_close();
		break;
	default:
		now += (b & 0xf0) ? (u64)b * 20 * REPL_MS : (u64)b * REPL_MS;
		repl_mirror_tick(mirror, &sink, now);
	}
}

static void step(struct input *in)
{
	u8 what = input_u8(in), low = what & 0xf;

	switch (what >> 4) {
	case 0:
	case 1:
	case 2:
		message(in, accepted[low % ACCEPTED] ? accepted[low % ACCEPTED] : 1u, what == 0x2f);
		break;
	case 3:
	case 4:
		message(in, REPL_LINK_SLOT(low % 4), what == 0x4f);
		break;
	case 5:
		message(in, REPL_LINK_PULL, what == 0x5f);
		break;
	case 6:
		if (n_ops)
			disk_answer(low % PORT_MIN(n_ops, 15u), low == 15 ? -EIO : 0);
		break;
	case 7:
		disk_answer_all();
		break;
	case 8:
	case 9:
		answer_ask();
		break;
	case 10:
	case 11:
		request(in, low % 4 == 3 ? REQ_WRITE : low % 4);
		break;
	case 12:
	case 13:
		now += 10 * REPL_MS;
		repl_mirror_tick(mirror, &sink, now);
		break;
	default:
		step_world(in, low % 8);
	}
}

static void greeting(struct input *in)
{
	struct wire_greeting g, h;
	u8 bytes[WIRE_GREETING] = { 0 }, again[WIRE_GREETING];
	bool seal = input_u8(in) & 1;
	struct cursor c;

	for (u32 i = 0; i < WIRE_GREETING && in->left; i++)
		bytes[i] = input_u8(in);
	if (seal) {
		cursor_init(&c, bytes + WIRE_GREETING - 4, 4);
		cursor_put(&c, shared_crc32c(0, bytes, WIRE_GREETING - 4), 4);
	}
	if (wire_get_greeting(bytes, &g) < 0)
		return;
	wire_put_greeting(again, &g);
	FUZZ_CHECK(wire_get_greeting(again, &h) == 0 && memcmp(&g, &h, sizeof(g)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct repl_mirror_status status;
	struct input in = { data, len };
	u8 how = input_u8(&in);

	if (how == 0xfe) {
		greeting(&in);
		return 0;
	}
	sink.emit = emit;
	now = 100000 * REPL_MS;
	next_link = REPL_LINK_FIRST;
	copies = COPIES;
	record = (struct repl_record){ .epoch = 1, .writer = REPL_NO_SLOT, .in_sync = COPIES };
	boots = 0;
	pull_slot = REPL_NO_SLOT;
	format();
	start(how != 0xff);
	if (how & 1) /* most of what may happen begins with these */
		toggle_accepted(0);
	if (how & 2)
		open_close();
	for (u32 i = 0; i < STEPS && in.left; i++)
		step(&in);
	repl_mirror_status(mirror, &status);
	repl_mirror_busy(mirror);
	stop();
	return 0;
}
