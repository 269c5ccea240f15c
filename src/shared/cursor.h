/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cursor.h - bounded reading and writing of little-endian fields with a sticky
 * error: code that puts or gets a record stays straight and asks once at the end.
 */
#ifndef SDSD_SHARED_CURSOR_H
#define SDSD_SHARED_CURSOR_H

#include "shared/port.h"

struct cursor {
	u8 *at;
	size_t left;
	bool bad; /* ran past the end; nothing was touched there */
};

void cursor_init(struct cursor *c, void *data, size_t len);
void cursor_put(struct cursor *c, u64 value, u32 bytes /* 1, 2, 4, 8 */);
void cursor_put_words(struct cursor *c, const u32 *value, u32 n); /* n fields of 4 bytes */
void cursor_put_bytes(struct cursor *c, const void *data, size_t len);
u64 cursor_get(struct cursor *c, u32 bytes);
void cursor_get_words(struct cursor *c, u32 *out, u32 n);
void cursor_get_bytes(struct cursor *c, void *out, size_t len);

#endif
