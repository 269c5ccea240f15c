/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mirror_lab.h - one mirror with a sink that records, for test_mirror.c and
 * test_writer.c: what was emitted, and a disk that does what it was asked.
 */
#ifndef SDSD_TEST_MIRROR_LAB_H
#define SDSD_TEST_MIRROR_LAB_H

#include <criterion/criterion.h>
#include <stdlib.h>

#include "replication/core/mirror.h"

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
static u32 stamp[REPL_STAMPS_PER_PAGE]; /* the first page of the map, on the disk */

__attribute__((unused)) static void on_emit(struct repl_sink *sink, const struct repl_effect *e)
{
	cr_assert_lt(n_rec, RECORDED_MAX);
	rec[n_rec].e = *e;
	rec[n_rec].done = false;
	if (e->kind == REPL_SEND)
		rec[n_rec].m = *e->msg;
	n_rec++;
}

static struct repl_sink sink = { .emit = on_emit };

__attribute__((unused)) static u32 count(enum repl_effect_kind kind)
{
	u32 n = 0;

	for (u32 i = 0; i < n_rec; i++)
		n += rec[i].e.kind == kind;
	return n;
}

__attribute__((unused)) static u32 sent(u8 kind)
{
	u32 n = 0;

	for (u32 i = 0; i < n_rec; i++)
		n += rec[i].e.kind == REPL_SEND && rec[i].m.kind == kind;
	return n;
}

/* the last message, or one of kind NONE */
__attribute__((unused)) static struct repl_msg last(void)
{
	for (u32 i = n_rec; i; i--)
		if (rec[i - 1].e.kind == REPL_SEND)
			return rec[i - 1].m;
	return (struct repl_msg){ .kind = REPL_MSG_NONE };
}

__attribute__((unused)) static const struct repl_effect *find(enum repl_effect_kind kind)
{
	for (u32 i = n_rec; i; i--)
		if (rec[i - 1].e.kind == kind)
			return &rec[i - 1].e;
	cr_assert_fail("no effect %d", kind);
	abort();
}

__attribute__((unused)) static bool is_disk(enum repl_effect_kind kind)
{
	return kind == REPL_DISK_WRITE || kind == REPL_DISK_FLUSH || kind == REPL_META_WRITE ||
	       kind == REPL_META_FLUSH;
}

__attribute__((unused)) static void read_map(const struct repl_effect *e, int status, u64 now)
{
	u8 page[REPL_META_PAGE];

	cr_assert_eq(e->off, REPL_META_MAP_OFF(0));
	meta_put_map(page, 0, 0, stamp);
	repl_mirror_meta_read_done(&m, e->id, status, page, &sink, now);
}

/* the disk does what it was asked, but kinds that are held */
__attribute__((unused)) static void disk_but(enum repl_effect_kind held, int status, u64 now)
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
		} else if (r->e.kind == REPL_META_READ) {
			r->done = true;
			read_map(&r->e, status, now);
		}
	}
}

__attribute__((unused)) static void disk(u64 now)
{
	disk_but(REPL_CHANGED, 0, now);
}

#endif
