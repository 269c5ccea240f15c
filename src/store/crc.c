// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * crc.c - CRC-32C, a table of eight rows so that opening a store of some
 * tens of megabytes does not wait for it. Used by table.c and dump.c.
 */
#include "store/crc.h"

#include <pthread.h>
#include <string.h>

#define CRC_POLYNOMIAL 0x82f63b78u /* Castagnoli, reflected */
#define CRC_ROWS 8

static uint32_t rows[CRC_ROWS][256];
static pthread_once_t rows_once = PTHREAD_ONCE_INIT;

static void make_rows(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int bit = 0; bit < 8; bit++)
			c = c & 1 ? (c >> 1) ^ CRC_POLYNOMIAL : c >> 1;
		rows[0][i] = c;
	}
	for (uint32_t i = 0; i < 256; i++) {
		for (int r = 1; r < CRC_ROWS; r++)
			rows[r][i] = (rows[r - 1][i] >> 8) ^ rows[0][rows[r - 1][i] & 0xff];
	}
}

uint32_t crc_update(uint32_t crc, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint32_t c = ~crc;

	pthread_once(&rows_once, make_rows);
	for (; len >= CRC_ROWS; len -= CRC_ROWS, p += CRC_ROWS) {
		uint32_t lo, hi;

		memcpy(&lo, p, sizeof(lo));
		memcpy(&hi, p + sizeof(lo), sizeof(hi));
		lo ^= c;
		c = rows[7][lo & 0xff] ^ rows[6][(lo >> 8) & 0xff] ^ rows[5][(lo >> 16) & 0xff] ^
		    rows[4][lo >> 24] ^ rows[3][hi & 0xff] ^ rows[2][(hi >> 8) & 0xff] ^
		    rows[1][(hi >> 16) & 0xff] ^ rows[0][hi >> 24];
	}
	for (; len > 0; len--, p++)
		c = (c >> 8) ^ rows[0][(c ^ *p) & 0xff];
	return ~c;
}
