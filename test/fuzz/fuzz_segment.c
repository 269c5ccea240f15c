// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fuzz_segment.c - a segment of the Raft log as a disk gives it back: batches
 * made of the input with right checksums or wrong ones, holes between them, or
 * just its bytes. What is called whole is readable from its first byte on.
 */
#include "fuzz/fuzz.h"

#include "raft/segment.h"

#define BYTES_MAX 8192
#define BATCHES_MAX 8

static uint8_t data_[BYTES_MAX];
static size_t used;

static uint32_t crc_of(const uint8_t *data, size_t len)
{
	uint32_t c = 0;

	for (size_t i = 0; i < len; i++) {
		c ^= (uint32_t)data[i] << 24;
		for (int bit = 0; bit < 8; bit++)
			c = c & 0x80000000u ? (c << 1) ^ 0x04c11db7u : c << 1;
	}
	return c;
}

static void put(uint64_t v, int bytes)
{
	for (int i = 0; i < bytes && used < BYTES_MAX; i++)
		data_[used++] = (uint8_t)(v >> (8 * i));
}

static void put_at(size_t at, uint32_t v)
{
	for (size_t i = 0; i < 4 && at + i < BYTES_MAX; i++)
		data_[at + i] = (uint8_t)(v >> (8 * i));
}

static void batch(struct input *in)
{
	uint8_t how = input_u8(in);
	uint64_t n = input_u8(in) % 4, claimed = how & 4 ? input_take(in, 8) : n;
	size_t start = used, head, body, total = 0;

	put(0, 8);
	head = used;
	put(claimed, 8);
	for (uint64_t i = 0; i < n; i++) {
		uint32_t len = input_u8(in) & 0x78;

		total += len;
		put(input_u8(in), 8);
		put(1, 4);
		put(how & 8 ? input_take(in, 4) : len, 4);
	}
	body = used;
	while (total-- > 0)
		put(input_u8(in), 1);
	if (!(how & 1))
		put_at(start, crc_of(data_ + head, body - head));
	if (!(how & 2))
		put_at(start + 4, crc_of(data_ + body, used - body));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input in = { data, len };
	enum segment_verdict verdict;
	size_t at = 1u << 30, end;
	uint8_t how = input_u8(&in), *exact;

	memset(data_, 0, sizeof(data_));
	used = 0;
	put(how & 2 ? input_take(&in, 8) : 1, 8);
	for (int i = 0; i < BATCHES_MAX && in.left > 0; i++) {
		if (input_u8(&in) & 1)
			put(0, 8);
		batch(&in);
	}
	end = how & 1 ? used : BYTES_MAX;
	if (how & 4)
		end = input_take(&in, 2) % BYTES_MAX;
	exact = malloc(end + 1);
	FUZZ_CHECK(exact);
	memcpy(exact, data_, end);
	verdict = segment_check(exact, end, &at);
	FUZZ_CHECK(at <= end && verdict <= SEGMENT_DAMAGED);
	for (size_t i = at; i < end && verdict == SEGMENT_WHOLE; i++)
		FUZZ_CHECK(!exact[i]);
	free(exact);
	return 0;
}
