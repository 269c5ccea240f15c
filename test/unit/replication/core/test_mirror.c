// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_mirror.c - one node's end of a resource through its public calls, with a
 * sink that records: what a replica refuses, when it answers, when a writer
 * stops. What several nodes do to each other is the simulator's (test/sim).
 */
#include "replication/core/mirror.h"

#include <criterion/criterion.h>
#include <stdlib.h>

TestSuite(mirror, .timeout = 60);

#define SIZE (2ull * REPL_EXTENT_BYTES)
#define NOW (100000 * REPL_MS)
#define LINK REPL_LINK_FIRST
#define BUF 0x1000u /* stands for any payload */
#define RECORDED_MAX 4096u

struct recorded {
	struct repl_effect e;
	struct repl_msg m;
	bool done;
};

static struct recorded rec[RECORDED_MAX];
static u32 n_rec;
static struct repl_mirror m;
static u32 stamp[REPL_STAMPS_PER_PAGE];
static u8 dirty[1];

static void on_emit(struct repl_sink *sink, const struct repl_effect *e)
{
	cr_assert_lt(n_rec, RECORDED_MAX);
	rec[n_rec].e = *e;
	rec[n_rec].done = false;
	if (e->kind == REPL_SEND)
		rec[n_rec].m = *e->msg;
	n_rec++;
}

static struct repl_sink sink = { .emit = on_emit };

static u32 count(enum repl_effect_kind kind)
{
	u32 n = 0;

	for (u32 i = 0; i < n_rec; i++)
		n += rec[i].e.kind == kind;
	return n;
}

static u32 sent(u8 kind)
{
	u32 n = 0;

	for (u32 i = 0; i < n_rec; i++)
		n += rec[i].e.kind == REPL_SEND && rec[i].m.kind == kind;
	return n;
}

/* the last message, or one of kind NONE */
static struct repl_msg last(void)
{
	for (u32 i = n_rec; i; i--)
		if (rec[i - 1].e.kind == REPL_SEND)
			return rec[i - 1].m;
	return (struct repl_msg){ .kind = REPL_MSG_NONE };
}

static const struct repl_effect *find(enum repl_effect_kind kind)
{
	for (u32 i = n_rec; i; i--)
		if (rec[i - 1].e.kind == kind)
			return &rec[i - 1].e;
	cr_assert_fail("no effect %d", kind);
	abort();
}

static bool is_disk(enum repl_effect_kind kind)
{
	return kind == REPL_DISK_WRITE || kind == REPL_DISK_FLUSH || kind == REPL_META_WRITE ||
	       kind == REPL_META_FLUSH;
}

/* the disk does what it was asked, but kinds that are held */
static void disk_but(enum repl_effect_kind held, int status, u64 now)
{
	for (u32 i = 0; i < n_rec; i++) {
		struct recorded *r = &rec[i];

		if (r->done || r->e.kind == held)
			continue;
		if (is_disk(r->e.kind)) {
			r->done = true;
			repl_mirror_disk_done(&m, r->e.id, status, &sink, now);
		} else if (r->e.kind == REPL_DISK_READ) {
			r->done = true;
			repl_mirror_disk_read_done(&m, r->e.id, status, status ? 0 : BUF,
						   status ? 0 : r->e.len, &sink, now);
		}
	}
}

static void disk(u64 now)
{
	disk_but(REPL_CHANGED, 0, now);
}

static void take(struct repl_msg msg, u64 now)
{
	repl_mirror_receive(&m, LINK, &msg, &sink, now);
}

static void attach(void)
{
	static struct repl_disk d;
	struct repl_mirror_config c = { .self = 1,
					.copies = 3,
					.size_bytes = SIZE,
					.tag = { 1, 1, 0 },
					.seed = 7,
					.disk = &d };

	d = (struct repl_disk){ .super = { .generation = 1, .size_bytes = SIZE },
				.hot_generation = 1,
				.stamp = stamp,
				.map_dirty = dirty };
	for (u32 i = 0; i < PORT_ARRAY_SIZE(stamp); i++)
		stamp[i] = REPL_STAMP_FRESH;
	dirty[0] = 0;
	n_rec = 0;
	memset(&m, 0, sizeof(m));
	repl_mirror_init(&m, &c, NOW - REPL_GRACE_NS); /* the grace of the restart is over */
}

/* a booted replica in slot 1; the record is { epoch 5, in sync 0 and 1 } */
static void boot(void)
{
	const struct repl_record r = { .epoch = 5, .writer = REPL_NO_SLOT, .in_sync = 3 };

	attach();
	repl_mirror_boot(&m, &r, &sink, NOW);
	repl_mirror_link_up(&m, LINK, &sink, NOW);
	n_rec = 0;
}

static struct repl_msg start(u8 kind, u32 epoch, u32 mask)
{
	return (struct repl_msg){
		.kind = REPL_MSG_START, .start = kind, .epoch = epoch, .mask = mask, .seq = 10
	};
}

/* and with a session as member, in epoch 6, seq 10 */
static void serve(void)
{
	boot();
	take(start(REPL_START_RESTARTED, 6, 3), NOW);
	cr_assert_eq(last().kind, REPL_MSG_STARTED);
	disk(NOW);
	n_rec = 0;
}

static struct repl_msg write_msg(u32 epoch, u64 seq, u64 off)
{
	return (struct repl_msg){ .kind = REPL_MSG_WRITE,
				  .epoch = epoch,
				  .seq = seq,
				  .op = REPL_OP_DATA,
				  .off = off,
				  .len = 4096,
				  .payload_len = 4096,
				  .buf = BUF };
}

/* ---- a replica ---------------------------------------------------------------- */

Test(mirror, starts_that_are_refused)
{
	static const struct {
		const char *name;
		u8 start;
		u32 epoch, mask, reason;
	} rows[] = {
		{ "epoch of the record", REPL_START_LEARNER, 5, 1, REPL_STALE },
		{ "older epoch", REPL_START_RESTARTED, 4, 3, REPL_STALE },
		{ "epoch before the first", REPL_START_LEARNER, 1, 1, REPL_STALE },
		{ "member outside the set", REPL_START_MEMBER, 6, 1, REPL_BAD },
		{ "restarted outside the set", REPL_START_RESTARTED, 6, 1, REPL_BAD },
		{ "learner inside the set", REPL_START_LEARNER, 6, 3, REPL_BAD },
		{ "not intact", REPL_START_MEMBER, 6, 3, REPL_NOT_INTACT },
	};

	for (size_t i = 0; i < PORT_ARRAY_SIZE(rows); i++) {
		boot();
		take(start(rows[i].start, rows[i].epoch, rows[i].mask), NOW);
		cr_expect_eq(last().kind, REPL_MSG_REFUSED, "%s", rows[i].name);
		cr_expect_eq(last().reason, rows[i].reason, "%s", rows[i].name);
		cr_expect_eq(last().epoch, rows[i].epoch, "%s", rows[i].name);
	}
	attach();
	take(start(REPL_START_LEARNER, 6, 1), NOW);
	cr_expect_eq(last().reason, REPL_NOT_BOOTED);
}

Test(mirror, a_refused_start_leaves_the_session_alone)
{
	serve();
	take(start(REPL_START_RESTARTED, 6, 3), NOW);
	cr_expect_eq(last().kind, REPL_MSG_REFUSED);
	take(write_msg(6, 11, 0), NOW);
	disk(NOW);
	cr_expect_eq(last().kind, REPL_MSG_ACK);
	cr_expect_eq(last().seq, 11);
}

Test(mirror, a_member_that_was_told_so_is_intact)
{
	serve();
	repl_mirror_link_down(&m, LINK, &sink, NOW);
	repl_mirror_link_up(&m, LINK, &sink, NOW);
	cr_expect_eq(last().kind, REPL_MSG_STATE);
	cr_expect_eq(last().intact, 1);
	cr_expect_eq(last().epoch, 6);
	take(start(REPL_START_MEMBER, 7, 2), NOW);
	cr_expect_eq(last().kind, REPL_MSG_STARTED);
}

Test(mirror, a_learner_starts_when_its_superblock_is_durable)
{
	boot();
	stamp[3] = 6; /* as if of a session that was lost */
	take(start(REPL_START_LEARNER, 6, 1), NOW);
	cr_expect_eq(sent(REPL_MSG_STARTED), 0);
	cr_expect_not(repl_mirror_takes_input(&m, REPL_LINK_PULL));
	disk(NOW);
	cr_expect_eq(sent(REPL_MSG_STARTED), 1);
	cr_expect(repl_mirror_takes_input(&m, REPL_LINK_PULL));
	cr_expect_eq(find(REPL_PULL_LINK)->slot, 0);
}

Test(mirror, writes_that_end_the_session)
{
	static const struct {
		const char *name;
		u32 epoch;
		u64 seq, off;
	} rows[] = {
		{ "gap", 6, 12, 0 },
		{ "again", 6, 10, 0 },
		{ "older epoch", 5, 11, 0 },
		{ "newer epoch", 7, 11, 0 },
		{ "past the end", 6, 11, SIZE },
	};

	for (size_t i = 0; i < PORT_ARRAY_SIZE(rows); i++) {
		serve();
		take(write_msg(rows[i].epoch, rows[i].seq, rows[i].off), NOW);
		cr_expect_eq(count(REPL_LINK_CLOSE), 1, "%s", rows[i].name);
		cr_expect_eq(count(REPL_BUF_DROP), 1, "%s: payload leaks", rows[i].name);
		cr_expect_eq(count(REPL_DISK_WRITE), 0, "%s", rows[i].name);
		cr_expect_not(m.replica.session, "%s", rows[i].name);
	}
}

Test(mirror, a_write_waits_for_its_extent_in_the_hot_log)
{
	serve();
	take(write_msg(6, 11, 0), NOW);
	cr_expect_eq(count(REPL_DISK_WRITE), 0);
	cr_assert_eq(find(REPL_META_WRITE)->off, REPL_META_HOT_OFF(1));
	cr_expect(find(REPL_META_WRITE)->fua);
	disk_but(REPL_DISK_WRITE, 0, NOW);
	cr_expect_eq(count(REPL_DISK_WRITE), 1);
	cr_expect_eq(stamp[0], 6);
	cr_expect_eq(sent(REPL_MSG_ACK), 0);
	disk(NOW);
	cr_expect_eq(sent(REPL_MSG_ACK), 1);
}

Test(mirror, a_flush_follows_the_writes_before_it)
{
	serve();
	take(write_msg(6, 11, 0), NOW);
	take(write_msg(6, 12, 8192), NOW);
	take((struct repl_msg){ .kind = REPL_MSG_FLUSH, .id = 44 }, NOW);
	disk_but(REPL_DISK_WRITE, 0, NOW);
	cr_expect_eq(count(REPL_DISK_WRITE), 2);
	cr_expect_eq(count(REPL_DISK_FLUSH), 0);
	disk_but(REPL_DISK_FLUSH, 0, NOW);
	cr_expect_eq(count(REPL_DISK_FLUSH), 1);
	cr_expect_eq(sent(REPL_MSG_FLUSHED), 0);
	disk(NOW);
	cr_expect_eq(last().kind, REPL_MSG_FLUSHED);
	cr_expect_eq(last().id, 44);
}

Test(mirror, a_failed_write_makes_the_replica_leave)
{
	serve();
	take(write_msg(6, 11, 0), NOW);
	disk_but(REPL_DISK_WRITE, 0, NOW);
	disk_but(REPL_CHANGED, -EIO, NOW);
	cr_expect_eq(last().kind, REPL_MSG_REFUSED);
	cr_expect_eq(last().reason, REPL_DISK);
	cr_expect_eq(m.replica.mode, REPLICA_FAILED);
	take(start(REPL_START_LEARNER, 9, 1), NOW);
	cr_expect_eq(last().reason, REPL_DISK);
	take((struct repl_msg){ .kind = REPL_MSG_PROMISE, .epoch = 9, .mask = 2 }, NOW);
	cr_expect_eq(last().kind, REPL_MSG_UNPROMISED);
	cr_expect_eq(last().reason, REPL_DISK);
}

static struct repl_msg promise(u32 epoch, u32 mask, u64 now)
{
	n_rec = 0;
	take((struct repl_msg){ .kind = REPL_MSG_PROMISE, .epoch = epoch, .mask = mask }, now);
	for (u32 i = 0; i < n_rec; i++)
		if (rec[i].e.kind == REPL_SEND)
			return rec[i].m; /* behind it WANTED may go to the writer */
	return (struct repl_msg){ .kind = REPL_MSG_NONE };
}

Test(mirror, promises_that_are_refused)
{
	struct repl_msg a;

	attach();
	cr_expect_eq(promise(5, 3, NOW).reason, REPL_NOT_BOOTED);
	boot();
	cr_expect_eq(promise(5, 1, NOW).reason, REPL_NOT_MEMBER);
	cr_expect_eq(promise(4, 3, NOW).reason, REPL_STALE);
	serve();
	take((struct repl_msg){ .kind = REPL_MSG_PING, .time = 9 }, NOW);
	cr_expect_eq(last().kind, REPL_MSG_ECHO);
	cr_expect_eq(last().time, 9);
	cr_expect_eq(promise(6, 3, NOW).reason, REPL_HEARS);
	cr_expect_eq(promise(6, 3, NOW + REPL_SILENCE_NS - 1).reason, REPL_HEARS);
	a = promise(6, 3, NOW + REPL_SILENCE_NS);
	cr_expect_eq(a.reason, REPL_LEASED);
	cr_expect_eq(a.time, REPL_GRACE_NS - REPL_SILENCE_NS, "the rest of the lease");
	cr_expect_eq(promise(6, 3, NOW + REPL_GRACE_NS - 1).time, 1);
	a = promise(6, 3, NOW + REPL_GRACE_NS);
	cr_expect_eq(a.kind, REPL_MSG_PROMISED);
	cr_expect_eq(a.intact, 1);
	take(write_msg(6, 11, 0), NOW + REPL_GRACE_NS);
	cr_expect_eq(count(REPL_DISK_WRITE), 0, "the promise has ended the session");
}

Test(mirror, a_restart_counts_as_an_echo)
{
	struct repl_msg a;

	boot();
	m.replica.echo_at = NOW;
	cr_expect_eq(promise(5, 3, NOW).reason, REPL_LEASED);
	a = promise(5, 3, NOW + REPL_GRACE_NS);
	cr_expect_eq(a.kind, REPL_MSG_PROMISED);
	cr_expect_eq(a.intact, 0);
}

Test(mirror, a_release_voids_the_lease)
{
	serve();
	take((struct repl_msg){ .kind = REPL_MSG_PING, .time = 9 }, NOW);
	take((struct repl_msg){ .kind = REPL_MSG_RELEASE }, NOW);
	cr_expect_eq(promise(6, 3, NOW).kind, REPL_MSG_PROMISED);
	cr_expect_eq(last().intact, 1);
}

static struct repl_msg pull(u32 epoch, u32 region, u32 n, u32 with, u64 seen)
{
	n_rec = 0;
	take((struct repl_msg){ .kind = REPL_MSG_PULL,
				.epoch = epoch,
				.region = region,
				.count = n,
				.stamp = with,
				.seq = seen },
	     NOW);
	disk(NOW);
	return last();
}

Test(mirror, answers_to_a_learner)
{
	static const struct {
		const char *name;
		u32 epoch, region, n, with;
		u64 seen;
		u8 kind, op;
	} rows[] = {
		{ "same", 6, 0, 8, 1, 10, REPL_MSG_SAME, 0 },
		{ "same, one", 6, 7, 1, 1, 0, REPL_MSG_SAME, 0 },
		{ "one of them differs", 6, 16, 8, 1, 10, REPL_MSG_DIFFER, 0 },
		{ "unknown run", 6, 0, 8, 0, 10, REPL_MSG_DIFFER, 0 },
		{ "unknown, never written", 6, 0, 1, 0, 10, REPL_MSG_DATA, REPL_OP_ZERO },
		{ "written", 6, 20, 1, 1, 10, REPL_MSG_DATA, REPL_OP_DATA },
		{ "older epoch", 5, 0, 1, 1, 10, REPL_MSG_NO, 0 },
		{ "newer epoch: waits", 7, 0, 1, 1, 10, REPL_MSG_NONE, 0 },
		{ "has seen more: waits", 6, 0, 1, 1, 11, REPL_MSG_NONE, 0 },
	};

	for (size_t i = 0; i < PORT_ARRAY_SIZE(rows); i++) {
		struct repl_msg a;

		serve();
		stamp[20] = 6;
		a = pull(rows[i].epoch, rows[i].region, rows[i].n, rows[i].with, rows[i].seen);
		cr_expect_eq(a.kind, rows[i].kind, "%s: %u", rows[i].name, a.kind);
		if (a.kind == REPL_MSG_DATA) {
			cr_expect_eq(a.op, rows[i].op, "%s", rows[i].name);
			cr_expect_eq(a.stamp, stamp[rows[i].region], "%s", rows[i].name);
			cr_expect_eq(a.payload_len, a.op == REPL_OP_DATA ? REPL_REGION_BYTES : 0);
		}
		if (rows[i].kind == REPL_MSG_NONE) {
			repl_mirror_tick(&m, &sink, NOW + 1100 * REPL_MS);
			cr_expect_eq(last().kind, REPL_MSG_NO, "%s: not for ever", rows[i].name);
		}
	}
}

Test(mirror, questions_past_the_end_close_the_link)
{
	serve();
	pull(6, 128, 1, 1, 0);
	cr_expect_eq(count(REPL_LINK_CLOSE), 1);
	serve();
	pull(6, 127, 2, 1, 0);
	cr_expect_eq(count(REPL_LINK_CLOSE), 1);
}

Test(mirror, the_stamp_of_an_answer_is_taken_after_its_content)
{
	serve();
	stamp[0] = 4;
	take((struct repl_msg){ .kind = REPL_MSG_PULL, .epoch = 6, .region = 0, .count = 1 }, NOW);
	take(write_msg(6, 11, 0), NOW);
	disk_but(REPL_DISK_READ, 0, NOW);
	disk(NOW);
	cr_expect_eq(last().kind, REPL_MSG_DATA);
	cr_expect_eq(last().stamp, 6);
}

Test(mirror, more_questions_than_a_source_holds)
{
	serve();
	for (u32 i = 0; i <= REPL_SERVES_MAX; i++)
		take(
			(struct repl_msg){
				.kind = REPL_MSG_PULL, .epoch = 7, .region = i % 128, .count = 1 },
			NOW);
	cr_expect_eq(sent(REPL_MSG_NO), 1, "one too many, and it is told");
}

/* ---- a writer without a disk; slot 0, the copy is slot 1 ---------------------------- */

static void answer(struct repl_msg msg, u64 now)
{
	repl_mirror_receive(&m, REPL_LINK_SLOT(1), &msg, &sink, now);
}

static void accept_cas(u64 now)
{
	struct repl_effect e = *find(REPL_CAS);

	repl_mirror_cas_done(&m, e.id, true, &e.record, &sink, now);
}

static void open_diskless(void)
{
	const struct repl_record r = { .epoch = 5, .writer = REPL_NO_SLOT, .in_sync = 2 };
	struct repl_mirror_config c = {
		.self = 0, .copies = 2, .size_bytes = SIZE, .tag = { 1, 1, 0 }, .seed = 7
	};

	n_rec = 0;
	memset(&m, 0, sizeof(m));
	repl_mirror_init(&m, &c, NOW);
	repl_mirror_boot(&m, &r, &sink, NOW);
	cr_expect_not(repl_mirror_wants_link(&m, 1));
	repl_mirror_open(&m, &sink, NOW);
	repl_mirror_record(&m, find(REPL_READ_RECORD)->id, &r, &sink, NOW);
	cr_assert(repl_mirror_wants_link(&m, 1));
	repl_mirror_link_up(&m, REPL_LINK_SLOT(1), &sink, NOW);
	answer((struct repl_msg){ .kind = REPL_MSG_STATE, .epoch = 5, .intact = 1 }, NOW);
	cr_assert_eq(last().kind, REPL_MSG_PROMISE);
	answer((struct repl_msg){ .kind = REPL_MSG_PROMISED, .epoch = 5, .intact = 1 }, NOW);
	accept_cas(NOW);
	cr_assert_eq(last().kind, REPL_MSG_START);
	cr_assert_eq(last().epoch, 6);
	answer((struct repl_msg){ .kind = REPL_MSG_STARTED, .epoch = 6 }, NOW);
	cr_assert(repl_writer_serving(&m.writer));
	n_rec = 0;
}

static void restart_of_the_copy(void)
{
	repl_mirror_link_down(&m, REPL_LINK_SLOT(1), &sink, NOW);
	repl_mirror_link_up(&m, REPL_LINK_SLOT(1), &sink, NOW);
	answer((struct repl_msg){ .kind = REPL_MSG_STATE, .epoch = 6, .intact = 0 }, NOW);
}

static void do_flush(u64 id)
{
	cr_assert_eq(repl_mirror_flush(&m, id, &sink, NOW), 0);
	cr_assert_eq(last().kind, REPL_MSG_FLUSH);
	answer((struct repl_msg){ .kind = REPL_MSG_FLUSHED, .id = last().id }, NOW);
	cr_assert_eq(find(REPL_COMPLETE)->id, id);
}

static int status_of(u64 id)
{
	for (u32 i = 0; i < n_rec; i++)
		if (rec[i].e.kind == REPL_COMPLETE && rec[i].e.id == id)
			return rec[i].e.status;
	return 1;
}

/* [F5b] what the copy held before this writer came may be in its cache only */
Test(mirror, all_copies_restart_under_a_writer_that_inherited)
{
	open_diskless();
	restart_of_the_copy();
	cr_expect_eq(m.writer.state, WRITER_STOPPED);
	cr_expect_eq(repl_mirror_write(&m, 2, REPL_OP_ZERO, 0, 512, 0, &sink, NOW), -EIO);
}

/* [F5] */
Test(mirror, all_copies_restart_with_writes_that_were_not_flushed)
{
	open_diskless();
	do_flush(1);
	cr_assert_eq(repl_mirror_write(&m, 2, REPL_OP_DATA, 0, 4096, BUF, &sink, NOW), 0);
	answer((struct repl_msg){ .kind = REPL_MSG_ACK, .seq = 1 }, NOW);
	cr_expect_eq(status_of(2), 0);
	cr_assert_eq(repl_mirror_write(&m, 3, REPL_OP_DATA, 0, 4096, BUF, &sink, NOW), 0);
	restart_of_the_copy();
	cr_expect_eq(m.writer.state, WRITER_STOPPED);
	cr_expect_eq(status_of(3), -EIO);
	cr_expect_eq(count(REPL_CAS), 0);
}

Test(mirror, all_copies_restart_with_everything_flushed)
{
	open_diskless();
	do_flush(1);
	cr_assert_eq(repl_mirror_write(&m, 2, REPL_OP_DATA, 0, 4096, BUF, &sink, NOW), 0);
	restart_of_the_copy();
	cr_assert_eq(m.writer.state, WRITER_SERVING);
	cr_expect_eq(status_of(2), 1, "waits");
	accept_cas(NOW);
	answer((struct repl_msg){ .kind = REPL_MSG_STARTED, .epoch = 7 }, NOW);
	cr_expect_eq(sent(REPL_MSG_WRITE), 2, "sent again");
	answer((struct repl_msg){ .kind = REPL_MSG_ACK, .seq = 1 }, NOW);
	cr_expect_eq(status_of(2), 0);
}

Test(mirror, a_read_needs_an_echo_after_its_data)
{
	open_diskless();
	cr_assert_eq(repl_mirror_read(&m, 5, 0, 4096, &sink, NOW), 0);
	cr_assert_eq(last().kind, REPL_MSG_READ);
	answer((struct repl_msg){ .kind = REPL_MSG_READ_DATA,
				  .id = last().id,
				  .len = 4096,
				  .payload_len = 4096,
				  .buf = BUF },
	       NOW);
	cr_expect_eq(status_of(5), 1, "the data is there, the lease is not");
	answer((struct repl_msg){ .kind = REPL_MSG_ECHO, .time = NOW }, NOW + REPL_LEASE_NS);
	cr_expect_eq(status_of(5), 1, "an echo of too long ago");
	answer((struct repl_msg){ .kind = REPL_MSG_ECHO, .time = NOW + 1 }, NOW + REPL_LEASE_NS);
	cr_expect_eq(status_of(5), 0);
}

Test(mirror, overlapping_writes_wait_for_each_other)
{
	open_diskless();
	repl_mirror_write(&m, 1, REPL_OP_ZERO, 0, 8192, 0, &sink, NOW);
	repl_mirror_write(&m, 2, REPL_OP_ZERO, 4096, 8192, 0, &sink, NOW);
	repl_mirror_write(&m, 3, REPL_OP_ZERO, 65536, 8192, 0, &sink, NOW);
	cr_expect_eq(sent(REPL_MSG_WRITE), 2, "1 and 3");
	answer((struct repl_msg){ .kind = REPL_MSG_ACK, .seq = 1 }, NOW);
	cr_expect_eq(sent(REPL_MSG_WRITE), 3);
}

Test(mirror, the_tables_have_an_end)
{
	open_diskless();
	for (u32 i = 0; i < REPL_REQUESTS_MAX; i++)
		cr_assert_eq(repl_mirror_write(&m, i, REPL_OP_ZERO, i * 512, 512, 0, &sink, NOW),
			     0);
	cr_expect_eq(repl_mirror_write(&m, 999, REPL_OP_ZERO, SIZE - 512, 512, 0, &sink, NOW),
		     -EBUSY);
	cr_expect_eq(repl_mirror_read(&m, 999, SIZE - 512, 512, &sink, NOW), -EBUSY);
	cr_expect_eq(repl_mirror_flush(&m, 999, &sink, NOW), -EBUSY);
	cr_expect_eq(sent(REPL_MSG_WRITE), REPL_INFLIGHT_MAX);
	answer((struct repl_msg){ .kind = REPL_MSG_ACK, .seq = 1 }, NOW);
	cr_expect_eq(status_of(0), 0);
	cr_expect_eq(sent(REPL_MSG_WRITE), REPL_INFLIGHT_MAX + 1);
	cr_expect_eq(repl_mirror_flush(&m, 999, &sink, NOW), 0);
}

Test(mirror, requests_that_are_no_requests)
{
	static const struct {
		const char *name;
		u8 op;
		u64 off;
		u32 len;
	} rows[] = {
		{ "op", REPL_OPS, 0, 512 },
		{ "nothing", REPL_OP_DATA, 0, 0 },
		{ "not aligned", REPL_OP_DATA, 1, 512 },
		{ "no whole sectors", REPL_OP_DATA, 0, 513 },
		{ "too long", REPL_OP_DATA, 0, REPL_WRITE_MAX + 512 },
		{ "zeros too long", REPL_OP_ZERO, 0, REPL_EXTENT_BYTES + 512 },
		{ "past the end", REPL_OP_DATA, SIZE, 512 },
		{ "over the end", REPL_OP_DATA, SIZE - 512, 1024 },
		{ "wraps", REPL_OP_DATA, ~0ull - 511, 1024 },
		{ "crosses an extent", REPL_OP_ZERO, REPL_EXTENT_BYTES - 512, 1024 },
	};

	open_diskless();
	for (size_t i = 0; i < PORT_ARRAY_SIZE(rows); i++)
		cr_expect_eq(repl_mirror_write(&m, 1, rows[i].op, rows[i].off, rows[i].len, 0,
					       &sink, NOW),
			     -EINVAL, "%s", rows[i].name);
	cr_expect_eq(repl_mirror_read(&m, 1, 0, REPL_WRITE_MAX + 512, &sink, NOW), -EINVAL);
	cr_expect_eq(repl_mirror_write(&m, 1, REPL_OP_DATA, 0, REPL_WRITE_MAX, BUF, &sink, NOW), 0);
	cr_expect_eq(repl_mirror_write(&m, 2, REPL_OP_ZERO, REPL_EXTENT_BYTES, REPL_EXTENT_BYTES, 0,
				       &sink, NOW),
		     0);
}

Test(mirror, a_refused_proposal_ends_the_writer)
{
	const struct repl_record theirs = { .epoch = 7, .writer = 2, .in_sync = 2 };

	open_diskless();
	do_flush(1);
	repl_mirror_write(&m, 2, REPL_OP_ZERO, 0, 512, 0, &sink, NOW);
	repl_mirror_link_down(&m, REPL_LINK_SLOT(1), &sink, NOW);
	repl_mirror_link_up(&m, REPL_LINK_SLOT(1), &sink, NOW);
	answer((struct repl_msg){ .kind = REPL_MSG_STATE, .epoch = 6, .intact = 1 }, NOW);
	repl_mirror_cas_done(&m, find(REPL_CAS)->id, false, &theirs, &sink, NOW);
	cr_expect_eq(m.writer.state, WRITER_STOPPED);
	cr_expect_eq(status_of(2), -EIO);
}
