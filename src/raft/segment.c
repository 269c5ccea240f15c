// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * segment.c - reads open segments of the Raft log as the library writes them:
 * a format number, then batches, each with a checksum of its head and one of
 * its data; the rest of the preallocated file is zeros. A crash leaves the
 * last write unfinished, and after that write nothing was ever written. So a
 * batch that is whole behind one that is not means damage, not a crash.
 */
#include "raft/segment.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/log.h"

#define FORMAT 1
#define FORMAT_LEN 8
#define BATCH_SUMS 8 /* crc of the head 4, crc of the data 4 */
#define BATCH_COUNT 8
#define ENTRY_HEAD 16 /* term 8, type 1, unused 3, size 4 */
#define ENTRIES_MAX (8u << 20) / 32
#define CRC_POLYNOMIAL 0x04c11db7u /* the highest bit first, no inversions */

static uint32_t crc_row[256];
static pthread_once_t crc_once = PTHREAD_ONCE_INIT;

static void make_crc_row(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i << 24;

		for (int bit = 0; bit < 8; bit++)
			c = c & 0x80000000u ? (c << 1) ^ CRC_POLYNOMIAL : c << 1;
		crc_row[i] = c;
	}
}

static uint32_t crc_of(const uint8_t *data, size_t len)
{
	uint32_t c = 0;

	for (size_t i = 0; i < len; i++)
		c = (c << 8) ^ crc_row[(c >> 24) ^ data[i]];
	return c;
}

static uint64_t get_le(const uint8_t *in, int bytes)
{
	uint64_t v = 0;

	for (int i = 0; i < bytes; i++)
		v |= (uint64_t)in[i] << (8 * i);
	return v;
}

/* The length of the whole batch at data, or 0 when there is none */
static size_t batch_len(const uint8_t *data, size_t len)
{
	uint64_t count, head, body = 0;

	if (len < BATCH_SUMS + BATCH_COUNT)
		return 0;
	count = get_le(data + BATCH_SUMS, BATCH_COUNT);
	if (count == 0 || count > ENTRIES_MAX)
		return 0;
	head = BATCH_COUNT + count * ENTRY_HEAD;
	if (head > len - BATCH_SUMS || crc_of(data + BATCH_SUMS, head) != get_le(data, 4))
		return 0;
	for (uint64_t i = 0; i < count; i++)
		body += get_le(data + BATCH_SUMS + BATCH_COUNT + i * ENTRY_HEAD + 12, 4);
	if (body > len - BATCH_SUMS - head ||
	    crc_of(data + BATCH_SUMS + head, body) != get_le(data + 4, 4))
		return 0;
	return BATCH_SUMS + head + body;
}

static bool is_zero(const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (data[i])
			return false;
	}
	return true;
}

enum segment_verdict segment_check(const uint8_t *data, size_t len, size_t *ret_at)
{
	size_t at = FORMAT_LEN, n;

	pthread_once(&crc_once, make_crc_row);
	*ret_at = 0;
	if (is_zero(data, len))
		return SEGMENT_UNUSED;
	if (len < FORMAT_LEN || get_le(data, FORMAT_LEN) != FORMAT)
		return SEGMENT_DAMAGED;
	while ((n = batch_len(data + at, len - at)) > 0)
		at += n;
	*ret_at = at;
	if (is_zero(data + at, len - at))
		return SEGMENT_WHOLE;
	/* batches begin at multiples of 8 */
	for (size_t i = at + 8; i < len; i += 8) {
		if (batch_len(data + i, len - i) > 0)
			return SEGMENT_DAMAGED;
	}
	return SEGMENT_TORN;
}

static int compare_counters(const void *a, const void *b)
{
	unsigned long long x = *(const unsigned long long *)a, y = *(const unsigned long long *)b;

	return (x > y) - (x < y);
}

/* The counters of the open segments in dir, sorted; their number or a negative code */
static int list_open(const char *dir, unsigned long long counters[SEGMENTS_OPEN_MAX],
		     struct err *err)
{
	struct dirent *entry;
	DIR *d = opendir(dir);
	int n = 0;

	if (!d)
		return err_set(err, -errno, "cannot read %s: %s", dir, err_name(-errno));
	while ((entry = readdir(d))) {
		unsigned long long counter;
		int end = 0;

		if (sscanf(entry->d_name, "open-%llu%n", &counter, &end) != 1 || entry->d_name[end])
			continue;
		if (n == SEGMENTS_OPEN_MAX) {
			closedir(d);
			return err_set(err, -E_CORRUPT, "%s has more than %d open segments", dir,
				       SEGMENTS_OPEN_MAX);
		}
		counters[n++] = counter;
	}
	closedir(d);
	qsort(counters, (size_t)n, sizeof(counters[0]), compare_counters);
	return n;
}

static int damaged(struct err *err, const char *path, size_t at)
{
	return err_set(err, -E_CORRUPT,
		       "Raft log segment %s is damaged at byte %zu; if other nodes hold the data, "
		       "remove this node's state directory and join again",
		       path, at);
}

int segment_check_dir(const char *dir, struct err *err)
{
	unsigned long long counters[SEGMENTS_OPEN_MAX];
	char torn_path[4096] = "";
	size_t torn_at = 0;
	int n, rv = 0;
	struct buf b;

	n = list_open(dir, counters, err);
	if (n < 0)
		return n;
	buf_init(&b, SEGMENT_BYTES_MAX);
	for (int i = 0; rv == 0 && i < n; i++) {
		enum segment_verdict verdict;
		char path[4096];
		size_t at;

		snprintf(path, sizeof(path), "%s/open-%llu", dir, counters[i]);
		buf_clear(&b);
		rv = fs_read(path, &b, err);
		if (rv < 0)
			break;
		verdict = segment_check(b.data, b.len, &at);
		if (verdict == SEGMENT_DAMAGED)
			rv = damaged(err, path, at);
		else if (verdict != SEGMENT_UNUSED && torn_path[0])
			rv = damaged(err, torn_path, torn_at); /* writing went on after it */
		else if (verdict == SEGMENT_TORN) {
			snprintf(torn_path, sizeof(torn_path), "%s", path);
			torn_at = at;
		}
	}
	buf_release(&b);
	if (rv == 0 && torn_path[0])
		log_warn("raft", "%s: unfinished write at byte %zu left by a crash, dropped",
			 torn_path, torn_at);
	return rv;
}
