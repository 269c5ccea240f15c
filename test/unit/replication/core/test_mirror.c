// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_mirror.c - the replica of a mirror through its public calls: what it
 * refuses, when it answers. The writer is test_writer.c's; what several nodes do
 * to each other is the simulator's (test/sim).
 */
#include "unit/replication/core/mirror_lab.h"

TestSuite(mirror, .timeout = 60);

static void take(struct repl_msg msg, u64 now)
{
	repl_mirror_receive(&m, LINK, &msg, &sink, now);
}

static void attach(void)
{
	static struct repl_disk d;
	struct repl_mirror_config c = {
		.self = 1, .copies = 3, .tag = { 1, 1, 0 }, .seed = 7, .disk = &d
	};

	d = (struct repl_disk){ .size = { SIZE },
				.state = { .generation = 1 },
				.hot_generation = 1 };
	for (u32 i = 0; i < PORT_ARRAY_SIZE(stamp); i++)
		stamp[i] = REPL_STAMP_FRESH;
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

/* of a region whose extent is hot */
static u32 stamp_of(u32 region)
{
	u32 at = hotlog_find(&m.replica.hot, region / REPL_REGIONS_PER_EXTENT);

	cr_assert_lt(at, REPL_HOT_MAX);
	return m.replica.hot.stamp[at][region % REPL_REGIONS_PER_EXTENT];
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

Test(mirror, a_learner_starts_when_its_state_is_durable)
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
	cr_expect_eq(stamp_of(0), 6);
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

Test(mirror, questions_that_leave_a_page_close_the_link)
{
	serve();
	pull(6, REPL_STAMPS_PER_PAGE - 1, 2, 1, 0);
	cr_expect_eq(count(REPL_LINK_CLOSE), 1);
	serve();
	pull(6, REPL_REGIONS_PER_VOLUME + REPL_STAMPS_PER_PAGE - 1, 2, 1, 0);
	cr_expect_eq(count(REPL_LINK_CLOSE), 1);
}

/* the learner's volume has grown already: what is behind this one's end was never written */
Test(mirror, questions_past_the_end)
{
	struct repl_msg a;

	serve();
	a = pull(6, 128, 5, REPL_STAMP_FRESH, 0);
	cr_expect_eq(a.kind, REPL_MSG_SAME);
	a = pull(6, 128, 1, 3, 0);
	cr_expect_eq(a.kind, REPL_MSG_DATA);
	cr_expect_eq(a.op, REPL_OP_ZERO);
	cr_expect_eq(a.stamp, REPL_STAMP_FRESH);
	a = pull(6, 3 * REPL_REGIONS_PER_VOLUME, 9, REPL_STAMP_FRESH, 0);
	cr_expect_eq(a.kind, REPL_MSG_SAME, "a volume that is not here yet");
}

Test(mirror, a_damaged_page_of_the_map_gets_the_present_epoch)
{
	u8 rubbish[REPL_META_PAGE] = { 1 };
	struct repl_msg a;

	serve();
	take((struct repl_msg){ .kind = REPL_MSG_PULL,
				.epoch = 6,
				.region = 0,
				.count = 1,
				.stamp = 1,
				.seq = 0 },
	     NOW);
	repl_mirror_meta_read_done(&m, find(REPL_META_READ)->id, 0, rubbish, &sink, NOW);
	cr_expect_eq(m.replica.bad_pages, 1);
	disk_but(REPL_META_READ, 0, NOW);
	a = last();
	cr_expect_eq(a.kind, REPL_MSG_DATA);
	cr_expect_eq(a.stamp, 6);
}

Test(mirror, a_page_that_cannot_be_read_fails_the_copy)
{
	serve();
	take((struct repl_msg){ .kind = REPL_MSG_PULL, .epoch = 6, .count = 1, .stamp = 1 }, NOW);
	disk_but(REPL_CHANGED, -EIO, NOW);
	cr_expect_eq(m.replica.mode, REPLICA_FAILED);
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

/* ---- what always holds ---- */

#define BROKEN(field, value)                                                             \
	do {                                                                             \
		__typeof__(m.field) was = m.field;                                       \
                                                                                         \
		m.field = (value);                                                       \
		cr_expect(repl_mirror_check(&m), "%s = %s is not seen", #field, #value); \
		m.field = was;                                                           \
		cr_expect_null(repl_mirror_check(&m));                                   \
	} while (0)

Test(mirror, what_cannot_be_is_seen)
{
	serve();
	cr_expect_null(repl_mirror_check(&m));
	BROKEN(replica.mode, REPLICA_MODES);
	BROKEN(replica.acked, m.replica.rseq + 1);
	BROKEN(replica.ack_sent, m.replica.acked + 1);
	BROKEN(replica.tail, m.replica.rseq - REPL_INFLIGHT_MAX - 1);
	BROKEN(replica.disk_writes, (u32)-1);
	BROKEN(replica.n_pulls, REPL_PULLS_MAX + 1);
	BROKEN(replica.n_serves, (u32)-1);
	BROKEN(replica.hot.n, REPL_HOT_MAX + 1);
	BROKEN(writer.state, WRITER_STATES);
	BROKEN(writer.committed, m.writer.seq + 1);
	BROKEN(writer.n_requests, m.writer.high + 1);
	BROKEN(writer.n_waiting, m.writer.n_requests + 1);
	BROKEN(writer.high, REPL_REQUESTS_MAX + 1);
	BROKEN(to_writer.len, REPL_LOCAL_MAX + 1);
	BROKEN(to_replica.len, REPL_LOCAL_MAX + 1);
	m.writer.sent = 1;
	BROKEN(writer.peer[0].acked, m.writer.seq + 1);
	m.writer.state = WRITER_SERVING;
	m.writer.members = 2;
	BROKEN(writer.members, 0);
	BROKEN(writer.lost, 4);
}

/* a hot extent with one stamp that its page may not have */
static void make_hot(struct hotlog *h, u32 extent, u32 stamped)
{
	u8 page[REPL_META_PAGE];
	u32 at;

	cr_assert(hotlog_add(h, extent));
	hotlog_page(h, page);
	hotlog_durable(h);
	at = hotlog_find(h, extent);
	hotlog_stamp_set(h, at, extent * REPL_REGIONS_PER_EXTENT, stamped);
}

/* volume 0 is as large as can be, and the last of its extents leaves; others of the volume and the
 * first one of volume 1 stay */
Test(mirror, a_page_that_is_written_says_what_its_hot_extents_are)
{
	const u32 end = REPL_REGIONS_PER_VOLUME / REPL_REGIONS_PER_EXTENT, last_one = end - 1;
	struct repl_replica *r = &m.replica;
	struct repl_effect e = { .page = r->page };
	u32 key = map_key(last_one), said[REPL_STAMPS_PER_PAGE], seen, place;

	serve();
	r->size[0] = REPL_VOLUME_BYTES_MAX;
	r->size[1] = REPL_EXTENT_BYTES;
	make_hot(&r->hot, last_one, 7);
	hotlog_unmark(&r->hot);
	cr_assert_eq(hotlog_pick(&r->hot), 1);
	make_hot(&r->hot, last_one - 1, 8);
	make_hot(&r->hot, end, 9);
	cr_assert_eq(map_key(last_one - 1), key);
	cr_assert_neq(map_key(end), key);
	r->victim[0] = last_one;
	r->n_victims = 1;
	r->victim_at = 0;
	r->map[0] = (struct replica_page){ .key = key, .state = MAP_VALID };
	cr_assert_eq(map_write(r, &e), MAP_WRITE_READY);
	cr_assert_eq(meta_get_map(r->page, key, &seen, said), 0);
	place = last_one * REPL_REGIONS_PER_EXTENT % REPL_REGIONS_PER_VOLUME % REPL_STAMPS_PER_PAGE;
	cr_expect_eq(said[place], 7, "it leaves");
	cr_expect_eq(said[place - REPL_REGIONS_PER_EXTENT], 8, "it stays");
	cr_expect_eq(said[place + REPL_REGIONS_PER_EXTENT], 0, "it is of the next volume");
	map_written(r);
	r->victim[0] = last_one - 1;
	r->hot.state[hotlog_find(&r->hot, last_one - 1)] = HOTLOG_LEAVING;
	cr_expect_eq(map_write(r, &e), MAP_WRITE_SAME, "its page says so already");
}
