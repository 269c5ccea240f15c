// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_writer.c - the writer's role of a mirror through its public calls: what
 * it proposes, when it stops, which requests wait for which. What several nodes
 * do to each other is the simulator's (test/sim).
 */
#include "unit/replication/core/mirror_lab.h"

TestSuite(writer, .timeout = 60);

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
	const struct repl_record r = {
		.epoch = 5, .writer = REPL_NO_SLOT, .in_sync = 2, .tag = { 9, 1, 1 }
	};
	struct repl_mirror_config c = { .self = 0, .copies = 2, .tag = { 1, 1, 0 }, .seed = 7 };

	n_rec = 0;
	memset(&m, 0, sizeof(m));
	repl_mirror_init(&m, &c, NOW);
	repl_mirror_boot(&m, &r, &sink, NOW);
	cr_expect_not(repl_mirror_wants_link(&m, 1));
	repl_mirror_open(&m, &sink, NOW);
	repl_mirror_record(&m, find(REPL_READ_RECORD)->id, &r, &sink, NOW);
	cr_assert(repl_mirror_wants_link(&m, 1));
	repl_mirror_link_up(&m, REPL_LINK_SLOT(1), &sink, NOW);
	answer((struct repl_msg){ .kind = REPL_MSG_SIZE, .id = 0, .seq = SIZE }, NOW);
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
	answer((struct repl_msg){ .kind = REPL_MSG_SIZE, .id = 0, .seq = SIZE }, NOW);
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

static const char *heal_with(u8 writer)
{
	const struct repl_record r = { .epoch = 5, .writer = writer, .in_sync = 2 };
	struct repl_mirror_config c = { .self = 0, .copies = 2, .tag = { 1, 1, 0 }, .seed = 7 };

	n_rec = 0;
	memset(&m, 0, sizeof(m));
	repl_mirror_init(&m, &c, NOW);
	repl_mirror_boot(&m, &r, &sink, NOW);
	repl_mirror_heal(&m, &sink, NOW);
	repl_mirror_record(&m, find(REPL_READ_RECORD)->id, &r, &sink, NOW);
	return m.writer.state == WRITER_STOPPED ? m.writer.reason : NULL;
}

/* WANTED and healing: never against somebody, whatever the driver has been told */
Test(writer, who_heals_asks_nobody_while_another_is_the_writer)
{
	const struct repl_record r = { .epoch = 5, .writer = 1, .in_sync = 2 };

	cr_expect_null(heal_with(REPL_NO_SLOT));
	cr_expect_null(heal_with(0), "it is itself");
	cr_assert_str_eq(heal_with(1), "another node has the volume open");
	cr_expect_not(repl_mirror_wants_link(&m, 1));
	cr_expect_eq(sent(REPL_MSG_PROMISE), 0);

	n_rec = 0;
	repl_mirror_open(&m, &sink, NOW);
	repl_mirror_record(&m, find(REPL_READ_RECORD)->id, &r, &sink, NOW);
	cr_expect_eq(m.writer.state, WRITER_PROMISING, "an application does");
}

/* [F5b] what the copy held before this writer came may be in its cache only */
Test(writer, all_copies_restart_under_a_writer_that_inherited)
{
	open_diskless();
	restart_of_the_copy();
	cr_expect_eq(m.writer.state, WRITER_STOPPED);
	cr_expect_eq(repl_mirror_write(&m, 2, REPL_OP_ZERO, 0, 512, 0, &sink, NOW), -EIO);
}

/* [F5] */
Test(writer, all_copies_restart_with_writes_that_were_not_flushed)
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

Test(writer, all_copies_restart_with_everything_flushed)
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

Test(writer, a_read_needs_an_echo_after_its_data)
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

/* P5, for who asks whether another node may have served meanwhile */
Test(writer, a_lease_is_of_a_whole_set)
{
	open_diskless();
	cr_expect_not(repl_mirror_leased(&m, NOW), "nothing was echoed yet");
	answer((struct repl_msg){ .kind = REPL_MSG_ECHO, .time = NOW }, NOW);
	cr_expect(repl_mirror_leased(&m, NOW + REPL_LEASE_NS - 1));
	cr_expect_not(repl_mirror_leased(&m, NOW + REPL_LEASE_NS));
	answer((struct repl_msg){ .kind = REPL_MSG_ECHO, .time = NOW + 1 }, NOW + REPL_LEASE_NS);
	cr_expect(repl_mirror_leased(&m, NOW + REPL_LEASE_NS), "heard again");
	repl_mirror_link_down(&m, REPL_LINK_SLOT(1), &sink, NOW + REPL_LEASE_NS);
	cr_expect_not(repl_mirror_leased(&m, NOW + REPL_LEASE_NS), "a member is lost");
}

Test(writer, overlapping_writes_wait_for_each_other)
{
	open_diskless();
	repl_mirror_write(&m, 1, REPL_OP_ZERO, 0, 8192, 0, &sink, NOW);
	repl_mirror_write(&m, 2, REPL_OP_ZERO, 4096, 8192, 0, &sink, NOW);
	repl_mirror_write(&m, 3, REPL_OP_ZERO, 65536, 8192, 0, &sink, NOW);
	cr_expect_eq(sent(REPL_MSG_WRITE), 2, "1 and 3");
	answer((struct repl_msg){ .kind = REPL_MSG_ACK, .seq = 1 }, NOW);
	cr_expect_eq(sent(REPL_MSG_WRITE), 3);
}

Test(writer, the_tables_have_an_end)
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

Test(writer, what_a_discard_is)
{
	static const struct {
		u64 off, len;
		u8 op;
		u64 from, to;
	} rows[] = {
		{ 0, 4096, REPL_OP_DISCARD, 0, 4096 },
		{ 4096, 65536, REPL_OP_DISCARD, 4096, 69632 },
		{ 1024, 65536, REPL_OP_DISCARD, 4096, 65536 },
		{ 3584, 4608, REPL_OP_DISCARD, 4096, 8192 },
		{ 512, 4096, REPL_OP_TRIM, 512, 4608 }, /* no whole block */
		{ 512, 7168, REPL_OP_TRIM, 512, 7680 },
		{ 4096, 512, REPL_OP_TRIM, 4096, 4608 },
	};

	for (size_t i = 0; i < PORT_ARRAY_SIZE(rows); i++) {
		u64 off = rows[i].off, len = rows[i].len;

		cr_expect_eq(repl_discard_op(false, &off, &len), REPL_OP_TRIM, "row %zu", i);
		cr_expect(off == rows[i].off && len == rows[i].len, "row %zu", i);
		cr_expect_eq(repl_discard_op(true, &off, &len), rows[i].op, "row %zu", i);
		cr_expect_eq(off, rows[i].from, "row %zu", i);
		cr_expect_eq(off + len, rows[i].to, "row %zu", i);
	}
}

Test(writer, requests_that_are_no_requests)
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
		{ "no such volume", REPL_OP_DATA, REPL_ADDRESS(1, 0), 512 },
		{ "not even a number of one", REPL_OP_DATA, REPL_ADDRESS(16, 0), 512 },
		{ "a discard, not aligned", REPL_OP_DISCARD, 512, 4096 },
		{ "a discard of half a block", REPL_OP_DISCARD, 0, 2048 },
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

Test(writer, a_refused_proposal_ends_the_writer)
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

/* the epoch of the record goes up by it, nothing else changes (change_cluster_recover) */
static struct repl_record recovered(const struct repl_record *r)
{
	struct repl_record now = *r;

	now.epoch += 65536;
	return now;
}

static void lose_and_find_the_copy(void)
{
	repl_mirror_link_down(&m, REPL_LINK_SLOT(1), &sink, NOW);
	repl_mirror_link_up(&m, REPL_LINK_SLOT(1), &sink, NOW);
	answer((struct repl_msg){ .kind = REPL_MSG_SIZE, .id = 0, .seq = SIZE }, NOW);
	answer((struct repl_msg){ .kind = REPL_MSG_STATE, .epoch = 6, .intact = 1 }, NOW);
}

Test(writer, a_recovered_cluster_lets_its_writer_go_on)
{
	struct repl_record raised;

	open_diskless();
	raised = recovered(&m.writer.record);
	lose_and_find_the_copy();
	cr_assert_eq(find(REPL_CAS)->record.epoch, 7);
	repl_mirror_cas_done(&m, find(REPL_CAS)->id, false, &raised, &sink, NOW);
	cr_assert_eq(m.writer.state, WRITER_SERVING);
	n_rec = 0;
	repl_mirror_tick(&m, &sink, NOW + REPL_RETRY_NS);
	cr_assert_eq(find(REPL_CAS)->record.epoch, 6 + 65536 + 1);
	accept_cas(NOW + REPL_RETRY_NS);
	cr_expect_eq(last().kind, REPL_MSG_START);
	cr_expect_eq(last().epoch, 6 + 65536 + 1);
}

Test(writer, a_proposal_that_had_won_before_a_recovery_is_accepted)
{
	struct repl_record raised;

	open_diskless();
	lose_and_find_the_copy();
	raised = recovered(&find(REPL_CAS)->record);
	repl_mirror_cas_done(&m, find(REPL_CAS)->id, false, &raised, &sink, NOW);
	cr_assert_eq(m.writer.state, WRITER_SERVING);
	cr_expect_eq(last().kind, REPL_MSG_START);
	cr_expect_eq(last().epoch, 7 + 65536);
}

Test(writer, a_recovered_cluster_in_which_another_was_faster_stops_its_writer)
{
	static const enum { TAG, WRITER, SET } rows[] = { TAG, WRITER, SET };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct repl_record theirs;

		open_diskless();
		theirs = recovered(&m.writer.record);
		theirs.tag.node += rows[i] == TAG;
		theirs.writer = rows[i] == WRITER ? 2 : theirs.writer;
		theirs.in_sync = rows[i] == SET ? 6 : theirs.in_sync;
		lose_and_find_the_copy();
		repl_mirror_cas_done(&m, find(REPL_CAS)->id, false, &theirs, &sink, NOW);
		cr_expect_eq(m.writer.state, WRITER_STOPPED, "row %zu", i);
	}
}

/* ---- what several copies have to do with it -------------------------------------------------- */

static void from_slot(u8 slot, struct repl_msg msg, u64 now)
{
	repl_mirror_receive(&m, REPL_LINK_SLOT(slot), &msg, &sink, now);
}

/* slot 0 has no disk, copies are 1 and 2; promised: mask of slots that have promised, intact */
static void candidate(const struct repl_record *r, u32 promised, u8 intact)
{
	struct repl_mirror_config c = { .self = 0, .copies = 6, .tag = { 1, 1, 0 }, .seed = 7 };

	n_rec = 0;
	memset(&m, 0, sizeof(m));
	repl_mirror_init(&m, &c, NOW);
	repl_mirror_boot(&m, r, &sink, NOW);
	repl_mirror_open(&m, &sink, NOW);
	repl_mirror_record(&m, find(REPL_READ_RECORD)->id, r, &sink, NOW);
	for (u8 s = 1; s <= 2; s++) {
		repl_mirror_link_up(&m, REPL_LINK_SLOT(s), &sink, NOW);
		from_slot(s, (struct repl_msg){ .kind = REPL_MSG_SIZE, .seq = SIZE }, NOW);
		from_slot(s, (struct repl_msg){ .kind = REPL_MSG_STATE, .intact = intact }, NOW);
	}
	for (u8 s = 1; s <= 2; s++)
		if (promised & (1u << s))
			from_slot(s,
				  (struct repl_msg){ .kind = REPL_MSG_PROMISED,
						     .epoch = r->epoch,
						     .intact = intact },
				  NOW);
}

Test(writer, who_goes_on_together)
{
	static const struct {
		const char *name;
		struct repl_record record;
		u32 promised;
		u8 intact;
		u32 at_once, later; /* the set proposed, 0: none */
		u8 start;
	} rows[] = {
		{ "released, all there",
		  { 5, REPL_NO_SLOT, 6, { 9, 1, 1 } },
		  6,
		  1,
		  6,
		  6,
		  REPL_START_MEMBER },
		{ "released, one there",
		  { 5, REPL_NO_SLOT, 6, { 9, 1, 1 } },
		  4,
		  1,
		  0,
		  4,
		  REPL_START_MEMBER },
		{ "a writer died", { 5, 3, 6, { 0 } }, 6, 1, 2, 2, REPL_START_MEMBER },
		{ "a writer died, and was taken out of the record",
		  { 5, REPL_NO_SLOT, 6, { 0 } },
		  6,
		  1,
		  2,
		  2,
		  REPL_START_MEMBER },
		{ "nobody had written when the control plane changed it",
		  { 2, REPL_NO_SLOT, 6, { 0, 0, 1 } },
		  6,
		  1,
		  6,
		  6,
		  REPL_START_MEMBER },
		{ "released, all restarted",
		  { 5, REPL_NO_SLOT, 6, { 9, 1, 1 } },
		  6,
		  0,
		  0,
		  2,
		  REPL_START_RESTARTED },
		{ "released, one restarted, one away",
		  { 5, REPL_NO_SLOT, 6, { 9, 1, 1 } },
		  4,
		  0,
		  0,
		  0,
		  REPL_START_RESTARTED },
		{ "never written",
		  { 1, REPL_NO_SLOT, 6, { 0 } },
		  6,
		  0,
		  6,
		  6,
		  REPL_START_RESTARTED },
		{ "never written, one there",
		  { 1, REPL_NO_SLOT, 6, { 0 } },
		  2,
		  0,
		  0,
		  2,
		  REPL_START_RESTARTED },
	};

	for (size_t i = 0; i < PORT_ARRAY_SIZE(rows); i++) {
		candidate(&rows[i].record, rows[i].promised, rows[i].intact);
		cr_expect_eq(count(REPL_CAS) ? find(REPL_CAS)->record.in_sync : 0, rows[i].at_once,
			     "%s, at once", rows[i].name);
		repl_mirror_tick(&m, &sink, NOW + 400 * REPL_MS);
		cr_expect_eq(count(REPL_CAS) ? find(REPL_CAS)->record.in_sync : 0, rows[i].later,
			     "%s, later", rows[i].name);
		if (rows[i].later)
			cr_expect_eq(m.writer.cas_start, rows[i].start, "%s", rows[i].name);
	}
}

/* serving with members 1 and 2 */
static void two_members(void)
{
	static const struct repl_record r = { 5, REPL_NO_SLOT, 6, { 9, 1, 1 } };

	candidate(&r, 6, 1);
	accept_cas(NOW);
	for (u8 s = 1; s <= 2; s++)
		from_slot(s, (struct repl_msg){ .kind = REPL_MSG_STARTED, .epoch = 6 }, NOW);
	cr_assert(repl_writer_serving(&m.writer));
	n_rec = 0;
}

Test(writer, a_volume_is_as_large_as_on_all_members)
{
	two_members();
	cr_expect_eq(repl_mirror_size(&m, 0), SIZE);
	from_slot(1, (struct repl_msg){ .kind = REPL_MSG_SIZE, .seq = 2 * SIZE }, NOW);
	cr_expect_eq(repl_mirror_size(&m, 0), SIZE);
	cr_expect_eq(repl_mirror_write(&m, 1, REPL_OP_ZERO, SIZE, 512, 0, &sink, NOW), -EINVAL);
	from_slot(2, (struct repl_msg){ .kind = REPL_MSG_SIZE, .seq = 3 * SIZE }, NOW);
	cr_expect_eq(repl_mirror_size(&m, 0), 2 * SIZE);
	cr_expect_eq(repl_mirror_write(&m, 1, REPL_OP_ZERO, SIZE, 512, 0, &sink, NOW), 0);
	for (u8 s = 1; s <= 2; s++) /* a new volume is one that grows from nothing */
		from_slot(s, (struct repl_msg){ .kind = REPL_MSG_SIZE, .id = 9, .seq = SIZE }, NOW);
	cr_expect_eq(repl_mirror_size(&m, 9), SIZE);
}

Test(writer, a_copy_that_has_not_grown_is_no_learner)
{
	two_members();
	for (u8 s = 1; s <= 2; s++)
		from_slot(s, (struct repl_msg){ .kind = REPL_MSG_SIZE, .seq = 2 * SIZE }, NOW);
	repl_mirror_set_copies(&m, 14, &sink, NOW);
	repl_mirror_link_up(&m, REPL_LINK_SLOT(3), &sink, NOW);
	from_slot(3, (struct repl_msg){ .kind = REPL_MSG_SIZE, .seq = SIZE }, NOW);
	from_slot(3, (struct repl_msg){ .kind = REPL_MSG_STATE }, NOW);
	cr_expect_eq(count(REPL_CAS), 0);
	from_slot(3, (struct repl_msg){ .kind = REPL_MSG_SIZE, .seq = 2 * SIZE }, NOW);
	cr_expect_eq(count(REPL_CAS), 1);
}

static u32 read_from(u64 off)
{
	static u64 id;

	n_rec = 0;
	cr_assert_eq(repl_mirror_read(&m, ++id, off, 512, &sink, NOW), 0);
	return find(REPL_SEND)->link - REPL_LINK_SLOT(0);
}

Test(writer, who_answers_reads)
{
	u32 first;

	two_members();
	repl_mirror_set_read_policy(&m, REPL_READ_ROUND_ROBIN);
	first = read_from(0);
	cr_expect_neq(read_from(512), first);
	cr_expect_eq(read_from(1024), first);
	two_members();
	repl_mirror_set_read_policy(&m, REPL_READ_STRIPED);
	cr_expect_eq(read_from(0), 1);
	cr_expect_eq(read_from(512), 1);
	cr_expect_eq(read_from(REPL_STRIPE_BYTES), 2);
	two_members();
	repl_mirror_set_read_policy(&m, REPL_READ_LEAST_PENDING);
	first = read_from(0);
	cr_expect_eq(read_from(512), 3 - first);
	from_slot((u8)first,
		  (struct repl_msg){ .kind = REPL_MSG_READ_DATA,
				     .id = 0 | 1ull << 16,
				     .len = 512,
				     .payload_len = 512,
				     .buf = BUF },
		  NOW);
	cr_expect_eq(read_from(1024), first);
}

Test(writer, a_write_waits_for_a_read_of_its_blocks)
{
	two_members();
	cr_assert_eq(repl_mirror_read(&m, 1, 0, 4096, &sink, NOW), 0);
	cr_assert_eq(repl_mirror_write(&m, 2, REPL_OP_ZERO, 0, 512, 0, &sink, NOW), 0);
	cr_expect_eq(sent(REPL_MSG_WRITE), 0);
	from_slot(1, (struct repl_msg){ .kind = REPL_MSG_ECHO, .time = NOW }, NOW);
	from_slot(2, (struct repl_msg){ .kind = REPL_MSG_ECHO, .time = NOW }, NOW);
	from_slot((u8)(find(REPL_SEND)->link - REPL_LINK_SLOT(0)),
		  (struct repl_msg){ .kind = REPL_MSG_READ_DATA,
				     .id = 0 | 1ull << 16,
				     .len = 4096,
				     .payload_len = 4096,
				     .buf = BUF },
		  NOW);
	cr_expect_eq(status_of(1), 0);
	cr_expect_eq(sent(REPL_MSG_WRITE), 2);
}

/* P11 [F26]: what was acknowledged is flushed before the volume goes */
static void flush_before_release(void)
{
	cr_expect_eq(sent(REPL_MSG_FLUSH), 2);
	cr_expect_eq(sent(REPL_MSG_RELEASE), 0);
	for (u8 s = 1; s <= 2; s++)
		from_slot(s, (struct repl_msg){ .kind = REPL_MSG_FLUSHED, .id = m.writer.flush.id },
			  NOW);
}

Test(writer, a_planned_move)
{
	two_members();
	cr_assert_eq(repl_mirror_write(&m, 1, REPL_OP_ZERO, 0, 512, 0, &sink, NOW), 0);
	repl_mirror_yield(&m, &sink, NOW);
	cr_assert_eq(repl_mirror_write(&m, 2, REPL_OP_ZERO, 4096, 512, 0, &sink, NOW), 0);
	cr_expect_eq(count(REPL_CAS), 0, "a write is under way");
	cr_expect_eq(sent(REPL_MSG_WRITE), 2, "no other begins");
	for (u8 s = 1; s <= 2; s++)
		from_slot(s, (struct repl_msg){ .kind = REPL_MSG_ACK, .seq = 1 }, NOW);
	cr_expect_eq(status_of(1), 0);
	flush_before_release();
	cr_expect_eq(sent(REPL_MSG_RELEASE), 2);
	cr_assert_eq(find(REPL_CAS)->record.writer, REPL_NO_SLOT);
	cr_expect_eq(find(REPL_CAS)->record.in_sync, 6, "the whole set goes along");
	accept_cas(NOW);
	cr_expect_eq(m.writer.state, WRITER_IDLE);
	repl_mirror_tick(&m, &sink, NOW + REPL_YIELD_NS - 1);
	cr_expect_eq(count(REPL_READ_RECORD), 0);
	cr_expect(repl_mirror_busy(&m), "a request waits");
	repl_mirror_tick(&m, &sink, NOW + REPL_YIELD_NS);
	cr_expect_eq(count(REPL_READ_RECORD), 1, "nobody took it");
	cr_expect_eq(status_of(2), 1, "it still waits");
}

Test(writer, a_disk_that_hangs_is_lost_when_another_is_left)
{
	u64 t = NOW;

	two_members();
	cr_assert_eq(repl_mirror_write(&m, 1, REPL_OP_ZERO, 0, 512, 0, &sink, NOW), 0);
	from_slot(1, (struct repl_msg){ .kind = REPL_MSG_ACK, .seq = 1 }, NOW);
	for (; t < NOW + REPL_STALL_NS; t += 500 * REPL_MS) {
		for (u8 s = 1; s <= 2; s++)
			from_slot(s, (struct repl_msg){ .kind = REPL_MSG_ECHO, .time = t }, t);
		repl_mirror_tick(&m, &sink, t);
		cr_assert_eq(count(REPL_CAS), 0, "at %llu ms", (unsigned long long)(t / REPL_MS));
		n_rec = 0;
	}
	repl_mirror_tick(&m, &sink, NOW + REPL_STALL_NS);
	cr_expect_eq(find(REPL_CAS)->record.in_sync, 2);
}

Test(writer, writes_are_paced_while_a_learner_lags)
{
	u32 n = 0;

	two_members();
	repl_mirror_set_copies(&m, 14, &sink, NOW);
	repl_mirror_link_up(&m, REPL_LINK_SLOT(3), &sink, NOW);
	from_slot(3, (struct repl_msg){ .kind = REPL_MSG_SIZE, .seq = SIZE }, NOW);
	from_slot(3, (struct repl_msg){ .kind = REPL_MSG_STATE }, NOW);
	accept_cas(NOW);
	from_slot(3, (struct repl_msg){ .kind = REPL_MSG_STARTED, .epoch = 7 }, NOW);
	repl_mirror_link_lags(&m, 3, true, &sink, NOW);
	repl_mirror_tick(&m, &sink, NOW);
	n_rec = 0;
	for (u32 i = 0; i < 3; i++)
		repl_mirror_write(&m, i, REPL_OP_DATA, (u64)i * REPL_PACE_BYTES / 2,
				  REPL_PACE_BYTES / 2, BUF, &sink, NOW);
	n = sent(REPL_MSG_WRITE) / 3;
	cr_expect_eq(n, 2);
	repl_mirror_link_lags(&m, 3, false, &sink, NOW);
	cr_expect_eq(sent(REPL_MSG_WRITE) / 3, 3);
}

/* slot 3 is a learner in session, epoch 7 */
static void with_learner(void)
{
	two_members();
	repl_mirror_set_copies(&m, 14, &sink, NOW);
	repl_mirror_link_up(&m, REPL_LINK_SLOT(3), &sink, NOW);
	from_slot(3, (struct repl_msg){ .kind = REPL_MSG_SIZE, .seq = SIZE }, NOW);
	from_slot(3, (struct repl_msg){ .kind = REPL_MSG_STATE }, NOW);
	accept_cas(NOW);
	from_slot(3, (struct repl_msg){ .kind = REPL_MSG_STARTED, .epoch = 7 }, NOW);
}

Test(writer, a_joining_learner_whose_disk_hangs_is_cut)
{
	u64 t = NOW;

	with_learner();
	from_slot(3, (struct repl_msg){ .kind = REPL_MSG_SYNCED }, NOW);
	cr_assert_eq(m.writer.join, 3);
	cr_assert_eq(repl_mirror_write(&m, 1, REPL_OP_ZERO, 0, 512, 0, &sink, NOW), 0);
	for (u8 s = 1; s <= 2; s++)
		from_slot(s, (struct repl_msg){ .kind = REPL_MSG_ACK, .seq = 1 }, NOW);
	for (; t <= NOW + REPL_STALL_NS; t += 500 * REPL_MS) {
		cr_assert_eq(m.writer.join, 3);
		n_rec = 0;
		for (u8 s = 1; s <= 3; s++)
			from_slot(s, (struct repl_msg){ .kind = REPL_MSG_ECHO, .time = t }, t);
		repl_mirror_tick(&m, &sink, t);
	}
	cr_expect_eq(m.writer.join, REPL_NO_SLOT);
	cr_expect_eq(status_of(1), 0);
}

Test(writer, zeros_are_not_held_back_by_pacing)
{
	with_learner();
	repl_mirror_link_lags(&m, 3, true, &sink, NOW);
	repl_mirror_tick(&m, &sink, NOW);
	n_rec = 0;
	cr_assert_eq(repl_mirror_write(&m, 1, REPL_OP_ZERO, 0, REPL_EXTENT_BYTES, 0, &sink, NOW),
		     0);
	cr_expect_eq(sent(REPL_MSG_WRITE), 3);
}

Test(writer, a_close_fails_what_waits_for_a_volume_handed_over)
{
	two_members();
	repl_mirror_yield(&m, &sink, NOW);
	cr_assert_eq(repl_mirror_write(&m, 2, REPL_OP_ZERO, 0, 512, 0, &sink, NOW), 0);
	flush_before_release();
	accept_cas(NOW); /* released */
	repl_mirror_close(&m, &sink, NOW);
	cr_expect_eq(status_of(2), -EIO);
	cr_expect_not(repl_mirror_busy(&m));
}
