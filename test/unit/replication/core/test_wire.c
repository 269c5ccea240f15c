// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_wire.c - messages as bytes: every kind there and back, every refusal,
 * and every damaged byte. Fields that a kind does not carry are not compared.
 */
#include "replication/core/wire.h"

#include <criterion/criterion.h>

#include "shared/crc32c.h"
#include "shared/cursor.h"

TestSuite(wire, .timeout = 60);

#define SECTOR REPL_SECTOR
#define EXTENT ((u64)REPL_EXTENT_BYTES)
#define BIG (1ull << 61)

static const struct repl_msg good[] = {
	{ .kind = REPL_MSG_START,
	  .epoch = 7,
	  .start = REPL_START_LEARNER,
	  .seq = 1ull << 60,
	  .mask = 0x8001,
	  .tag = { .node = 3, .boot = BIG, .counter = 9 } },
	{ .kind = REPL_MSG_START, .epoch = ~0u, .start = REPL_START_MEMBER },
	{ .kind = REPL_MSG_EPOCH, .epoch = 8, .mask = 5 },
	{ .kind = REPL_MSG_WRITE,
	  .epoch = 8,
	  .seq = 2,
	  .commit = 1,
	  .op = REPL_OP_DATA,
	  .off = 0,
	  .len = SECTOR,
	  .payload_len = SECTOR },
	{ .kind = REPL_MSG_WRITE,
	  .epoch = 8,
	  .seq = BIG,
	  .commit = BIG - 1,
	  .op = REPL_OP_DATA,
	  .off = EXTENT - REPL_WRITE_MAX,
	  .len = REPL_WRITE_MAX,
	  .payload_len = REPL_WRITE_MAX },
	{ .kind = REPL_MSG_WRITE,
	  .seq = 3,
	  .op = REPL_OP_ZERO,
	  .off = 5 * EXTENT,
	  .len = REPL_EXTENT_BYTES },
	{ .kind = REPL_MSG_WRITE,
	  .seq = 4,
	  .op = REPL_OP_TRIM,
	  .off = REPL_ADDRESS(15, EXTENT),
	  .len = SECTOR },
	{ .kind = REPL_MSG_WRITE,
	  .seq = 5,
	  .op = REPL_OP_DISCARD,
	  .off = EXTENT - REPL_DISCARD_BYTES,
	  .len = REPL_DISCARD_BYTES },
	{ .kind = REPL_MSG_SIZE, .id = 15, .seq = REPL_VOLUME_BYTES_MAX },
	{ .kind = REPL_MSG_COMMIT, .commit = BIG },
	{ .kind = REPL_MSG_FLUSH, .id = BIG },
	{ .kind = REPL_MSG_JOIN },
	{ .kind = REPL_MSG_PING, .time = BIG, .commit = 12 },
	{ .kind = REPL_MSG_RELEASE },
	{ .kind = REPL_MSG_READ, .id = BIG, .off = EXTENT, .len = REPL_WRITE_MAX },
	{ .kind = REPL_MSG_PROMISE, .epoch = 4, .mask = 3 },
	{ .kind = REPL_MSG_STATE, .epoch = 4, .intact = 1 },
	{ .kind = REPL_MSG_STARTED, .epoch = 4 },
	{ .kind = REPL_MSG_REFUSED, .epoch = 4, .reason = REPL_STALE },
	{ .kind = REPL_MSG_ACK, .seq = BIG },
	{ .kind = REPL_MSG_FLUSHED, .id = 6 },
	{ .kind = REPL_MSG_SYNCED },
	{ .kind = REPL_MSG_READY },
	{ .kind = REPL_MSG_ECHO, .time = ~0ull },
	{ .kind = REPL_MSG_READ_DATA,
	  .id = 5,
	  .off = EXTENT,
	  .len = SECTOR,
	  .payload_len = SECTOR },
	{ .kind = REPL_MSG_READ_DATA, .id = 5, .off = EXTENT, .len = SECTOR, .reason = REPL_DISK },
	{ .kind = REPL_MSG_PROMISED, .epoch = 4, .intact = 1 },
	{ .kind = REPL_MSG_UNPROMISED, .epoch = 4, .reason = REPL_LEASED, .time = 77 },
	{ .kind = REPL_MSG_PULL,
	  .epoch = 4,
	  .region = ~0u,
	  .count = REPL_PULL_RUN_MAX,
	  .stamp = 3,
	  .seq = BIG },
	{ .kind = REPL_MSG_SAME, .epoch = 4, .region = 9, .count = 1 },
	{ .kind = REPL_MSG_DIFFER, .epoch = 4, .region = 9, .count = 2 },
	{ .kind = REPL_MSG_DATA,
	  .epoch = 4,
	  .region = 9,
	  .count = 1,
	  .stamp = 8,
	  .op = REPL_OP_DATA,
	  .payload_len = REPL_REGION_BYTES },
	{ .kind = REPL_MSG_DATA,
	  .epoch = 4,
	  .region = 9,
	  .count = 1,
	  .stamp = 1,
	  .op = REPL_OP_ZERO },
	{ .kind = REPL_MSG_NO, .epoch = 4, .region = 9, .count = 3 },
	{ .kind = REPL_MSG_WANTED, .epoch = 6 },
};

static bool alike(const struct repl_msg *a, const struct repl_msg *b)
{
	return a->kind == b->kind && a->op == b->op && a->start == b->start &&
	       a->intact == b->intact && a->epoch == b->epoch && a->mask == b->mask &&
	       a->reason == b->reason && a->seq == b->seq && a->commit == b->commit &&
	       a->off == b->off && a->len == b->len && a->region == b->region &&
	       a->count == b->count && a->stamp == b->stamp && a->id == b->id &&
	       a->time == b->time && a->tag.node == b->tag.node && a->tag.boot == b->tag.boot &&
	       a->tag.counter == b->tag.counter && a->payload_len == b->payload_len;
}

Test(wire, every_kind_comes_back)
{
	bool seen[REPL_MSG_KINDS] = { false };
	u8 bytes[WIRE_HEADER];

	for (size_t i = 0; i < PORT_ARRAY_SIZE(good); i++) {
		struct repl_msg m;

		memset(&m, 0xff, sizeof(m));
		wire_put(bytes, &good[i]);
		cr_assert_eq(wire_get(bytes, &m), 0, "row %zu %s", i, wire_name(good[i].kind));
		cr_expect(alike(&m, &good[i]), "row %zu %s", i, wire_name(good[i].kind));
		cr_expect_eq(m.buf, 0);
		seen[m.kind] = true;
	}
	for (u8 k = 0; k < REPL_MSG_KINDS; k++)
		if (strcmp(wire_name(k), "unknown"))
			cr_expect(seen[k], "no row for %s", wire_name(k));
	cr_expect_str_eq(wire_name(REPL_MSG_NONE), "unknown");
	cr_expect_str_eq(wire_name(REPL_MSG_KINDS), "unknown");
	cr_expect_str_eq(wire_name(255), "unknown");
}

Test(wire, refused_shapes)
{
#define W .kind = REPL_MSG_WRITE, .op = REPL_OP_DATA
	static const struct {
		const char *name;
		struct repl_msg m;
	} rows[] = {
		{ "no kind", { .kind = REPL_MSG_NONE } },
		{ "kind in a gap", { .kind = REPL_MSG_PULL - 1 } },
		{ "kind past the end", { .kind = REPL_MSG_KINDS } },
		{ "kind 255", { .kind = 255 } },
		{ "op past the end", { .kind = REPL_MSG_JOIN, .op = REPL_OPS } },
		{ "start past the end",
		  { .kind = REPL_MSG_START, .start = REPL_START_LEARNER + 1 } },
		{ "start with payload", { .kind = REPL_MSG_START, .payload_len = 512 } },
		{ "ping with payload", { .kind = REPL_MSG_PING, .payload_len = 1 } },
		{ "write of nothing", { W } },
		{ "write not whole sectors", { W, .len = 100, .payload_len = 100 } },
		{ "write not aligned", { W, .off = 1, .len = 512, .payload_len = 512 } },
		{ "write too long",
		  { W, .len = REPL_WRITE_MAX + 512, .payload_len = REPL_WRITE_MAX + 512 } },
		{ "payload short", { W, .len = 1024, .payload_len = 512 } },
		{ "payload long", { W, .len = 512, .payload_len = 1024 } },
		{ "data without payload", { W, .len = 512 } },
		{ "write crosses an extent",
		  { W, .off = EXTENT - 512, .len = 1024, .payload_len = 1024 } },
		{ "write past all limits",
		  { W, .off = (1ull << 62) + 512, .len = 512, .payload_len = 512 } },
		{ "offset wraps", { W, .off = ~0ull - 511, .len = 512, .payload_len = 512 } },
		{ "zero with payload",
		  { .kind = REPL_MSG_WRITE, .op = REPL_OP_ZERO, .len = 512, .payload_len = 512 } },
		{ "zero too long",
		  { .kind = REPL_MSG_WRITE, .op = REPL_OP_ZERO, .len = REPL_EXTENT_BYTES + 512 } },
		{ "trim crosses an extent",
		  { .kind = REPL_MSG_WRITE,
		    .op = REPL_OP_TRIM,
		    .off = 512,
		    .len = REPL_EXTENT_BYTES } },
		{ "discard of half a block",
		  { .kind = REPL_MSG_WRITE, .op = REPL_OP_DISCARD, .off = 4096, .len = 2048 } },
		{ "discard between blocks",
		  { .kind = REPL_MSG_WRITE, .op = REPL_OP_DISCARD, .off = 512, .len = 4096 } },
		{ "read of nothing", { .kind = REPL_MSG_READ } },
		{ "read too long", { .kind = REPL_MSG_READ, .len = REPL_WRITE_MAX + 512 } },
		{ "read crosses an extent",
		  { .kind = REPL_MSG_READ, .off = EXTENT - 512, .len = 1024 } },
		{ "read with payload", { .kind = REPL_MSG_READ, .len = 512, .payload_len = 512 } },
		{ "answer too long",
		  { .kind = REPL_MSG_READ_DATA,
		    .len = REPL_WRITE_MAX + 512,
		    .payload_len = REPL_WRITE_MAX + 512 } },
		{ "answer short", { .kind = REPL_MSG_READ_DATA, .len = 1024, .payload_len = 512 } },
		{ "refusal with payload",
		  { .kind = REPL_MSG_READ_DATA,
		    .len = 512,
		    .payload_len = 512,
		    .reason = REPL_DISK } },
		{ "start at the end of all seqs",
		  { .kind = REPL_MSG_START, .seq = WIRE_SEQ_MAX + 1 } },
		{ "write at the end of all seqs",
		  { .kind = REPL_MSG_WRITE, .op = REPL_OP_ZERO, .len = 512, .seq = ~0ull } },
		{ "pull of nothing", { .kind = REPL_MSG_PULL } },
		{ "size of volume 16", { .kind = REPL_MSG_SIZE, .id = REPL_VOLUMES_MAX } },
		{ "size too large", { .kind = REPL_MSG_SIZE, .seq = REPL_VOLUME_BYTES_MAX + 512 } },
		{ "size with half a sector", { .kind = REPL_MSG_SIZE, .seq = 100 } },
		{ "pull too wide", { .kind = REPL_MSG_PULL, .count = REPL_PULL_RUN_MAX + 1 } },
		{ "same of nothing", { .kind = REPL_MSG_SAME } },
		{ "differ too wide", { .kind = REPL_MSG_DIFFER, .count = REPL_PULL_RUN_MAX + 1 } },
		{ "no with payload", { .kind = REPL_MSG_NO, .count = 1, .payload_len = 512 } },
		{ "data of two", { .kind = REPL_MSG_DATA, .count = 2, .payload_len = 512 } },
		{ "data of none", { .kind = REPL_MSG_DATA, .payload_len = 512 } },
		{ "data empty", { .kind = REPL_MSG_DATA, .count = 1 } },
		{ "data too long",
		  { .kind = REPL_MSG_DATA, .count = 1, .payload_len = REPL_REGION_BYTES + 512 } },
		{ "data odd", { .kind = REPL_MSG_DATA, .count = 1, .payload_len = 100 } },
		{ "data that is a discard",
		  { .kind = REPL_MSG_DATA, .op = REPL_OP_DISCARD, .count = 1 } },
		{ "zeros with payload",
		  { .kind = REPL_MSG_DATA, .op = REPL_OP_ZERO, .count = 1, .payload_len = 512 } },
	};
#undef W
	u8 bytes[WIRE_HEADER];

	for (size_t i = 0; i < PORT_ARRAY_SIZE(rows); i++) {
		struct repl_msg m = { .kind = 77 };

		wire_put(bytes, &rows[i].m);
		cr_expect_eq(wire_get(bytes, &m), -EPROTO, "%s", rows[i].name);
		cr_expect_eq(m.kind, 77, "%s: result touched", rows[i].name);
	}
}

/* A changed byte never passes the checksum; nothing is read from it. */
Test(wire, every_damaged_byte_of_a_header_is_refused)
{
	u8 bytes[WIRE_HEADER];
	struct repl_msg m;

	for (size_t i = 0; i < PORT_ARRAY_SIZE(good); i++) {
		wire_put(bytes, &good[i]);
		for (u32 at = 0; at < WIRE_HEADER; at++)
			for (u32 x = 1; x < 256; x++) {
				bytes[at] ^= (u8)x;
				if (wire_get(bytes, &m) != -EPROTO)
					cr_assert_fail("%s byte %u ^ %u", wire_name(good[i].kind),
						       at, x);
				bytes[at] ^= (u8)x;
			}
	}
}

static void checksum(u8 *bytes, u32 len)
{
	struct cursor c;

	cursor_init(&c, bytes + len - 4, 4);
	cursor_put(&c, shared_crc32c(0, bytes, len - 4), 4);
}

/* A peer that sums what it sends: what passes is inside the limits. */
Test(wire, any_byte_with_a_right_checksum_is_harmless)
{
	u8 bytes[WIRE_HEADER];
	struct repl_msg m;

	for (size_t i = 0; i < PORT_ARRAY_SIZE(good); i++)
		for (u32 at = 0; at < WIRE_HEADER - 4; at++)
			for (u32 v = 0; v < 256; v++) {
				wire_put(bytes, &good[i]);
				bytes[at] = (u8)v;
				checksum(bytes, WIRE_HEADER);
				if (wire_get(bytes, &m))
					continue;
				cr_assert_lt(m.kind, REPL_MSG_KINDS);
				cr_assert_lt(m.op, REPL_OPS);
				cr_assert_leq(m.payload_len, WIRE_PAYLOAD_MAX);
				cr_assert(m.kind != REPL_MSG_START ||
					  m.start <= REPL_START_LEARNER);
				if (m.kind == REPL_MSG_WRITE || m.kind == REPL_MSG_READ)
					cr_assert_eq(m.off / REPL_EXTENT_BYTES,
						     (m.off + m.len - 1) / REPL_EXTENT_BYTES);
			}
}

Test(wire, messages_of_a_link_come_back_and_are_not_the_cores)
{
	u8 bytes[WIRE_HEADER];
	struct repl_msg m;

	for (u8 kind = WIRE_LINK_READY; kind <= WIRE_LINK_SWITCHED; kind++) {
		struct wire_link_msg in = { kind, ~0u - kind }, out = { 0 };

		wire_put_link(bytes, &in);
		cr_assert_eq(wire_get_link(bytes, &out), 0);
		cr_expect_eq(out.kind, in.kind);
		cr_expect_eq(out.renewal, in.renewal);
		cr_expect_eq(wire_get(bytes, &m), -EPROTO);
	}
	for (size_t i = 0; i < PORT_ARRAY_SIZE(good); i++) {
		struct wire_link_msg out;

		wire_put(bytes, &good[i]);
		cr_expect_eq(wire_get_link(bytes, &out), -EPROTO);
	}
}

Test(wire, messages_of_a_link_that_are_refused)
{
	const struct wire_link_msg none = { WIRE_LINK_SWITCH, 0 }, some = { WIRE_LINK_SWITCH, 5 };
	struct wire_link_msg m;
	u8 bytes[WIRE_HEADER];

	wire_put_link(bytes, &none);
	cr_expect_eq(wire_get_link(bytes, &m), -EPROTO, "a renewal has a number");
	wire_put_link(bytes, &some);
	bytes[5] = 1;
	checksum(bytes, WIRE_HEADER);
	cr_expect_eq(wire_get_link(bytes, &m), -EPROTO, "and no payload");
	wire_put_link(bytes, &some);
	bytes[24]++;
	cr_expect_eq(wire_get_link(bytes, &m), -EPROTO, "and the sum is right");
	for (u32 kind = 0; kind < 256; kind++) {
		wire_put_link(bytes, &some);
		bytes[0] = (u8)kind;
		checksum(bytes, WIRE_HEADER);
		cr_expect_eq(wire_get_link(bytes, &m) == 0,
			     kind >= WIRE_LINK_READY && kind <= WIRE_LINK_SWITCHED);
	}
}

static const struct wire_greeting hello = {
	.version = WIRE_VERSION,
	.purpose = WIRE_PULL,
	.status = WIRE_NOT_READY,
	.from = 3,
	.to = 15,
	.cluster = "0123456789abcde",
	.resource = "fedcba987654321",
	.boot = BIG,
	.renewal = ~0u - 1,
};

Test(wire, a_greeting_comes_back)
{
	u8 bytes[WIRE_GREETING];
	struct wire_greeting g;

	wire_put_greeting(bytes, &hello);
	cr_assert_eq(wire_get_greeting(bytes, &g), 0);
	cr_expect_eq(g.version, hello.version);
	cr_expect_eq(g.purpose, hello.purpose);
	cr_expect_eq(g.status, hello.status);
	cr_expect_eq(g.from, hello.from);
	cr_expect_eq(g.to, hello.to);
	cr_expect_arr_eq(g.cluster, hello.cluster, 16);
	cr_expect_arr_eq(g.resource, hello.resource, 16);
	cr_expect_eq(g.boot, hello.boot);
	cr_expect_eq(g.renewal, hello.renewal);
}

Test(wire, every_damaged_byte_of_a_greeting_is_refused)
{
	u8 bytes[WIRE_GREETING];
	struct wire_greeting g = { .version = 77 };

	wire_put_greeting(bytes, &hello);
	for (u32 at = 0; at < WIRE_GREETING; at++)
		for (u32 x = 1; x < 256; x++) {
			bytes[at] ^= (u8)x;
			if (wire_get_greeting(bytes, &g) != -EPROTO)
				cr_assert_fail("byte %u ^ %u", at, x);
			bytes[at] ^= (u8)x;
		}
	bytes[0] ^= 1; /* another magic, rightly summed */
	checksum(bytes, WIRE_GREETING);
	cr_expect_eq(wire_get_greeting(bytes, &g), -EPROTO);
	cr_expect_eq(g.version, 77, "result touched");
}
