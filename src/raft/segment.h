/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * segment.h - looks at the Raft log's open segments before the library does.
 * The library takes any damage in an open segment for the torn tail of a crash
 * and silently drops everything from there on, acknowledged entries too. Here
 * the two are told apart. Called by consensus_start.
 */
#ifndef SDSD_RAFT_SEGMENT_H
#define SDSD_RAFT_SEGMENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define SEGMENT_BYTES_MAX (64u << 20) /* the library makes them of 8 MiB */
#define SEGMENTS_OPEN_MAX 64          /* the library has up to three */

enum segment_verdict {
	SEGMENT_UNUSED, /* nothing in it */
	SEGMENT_WHOLE,  /* batches, then zeros to the end */
	SEGMENT_TORN,   /* batches, then something unfinished, then nothing readable */
	SEGMENT_DAMAGED /* batches, something unreadable, and whole batches after it */
};

/* *ret_at: the byte at which the readable beginning ends. Pure. */
enum segment_verdict segment_check(const uint8_t *data, size_t len, size_t *ret_at);

/* All open segments in dir. 0 (a torn tail is logged); -E_CORRUPT with the file's name. */
int segment_check_dir(const char *dir, struct err *err);

#endif
