/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cursor.h - bounded reading and writing of little-endian fields with a sticky
 * error: code that puts or gets a record stays straight and asks once at the end.
 * In the header, so that a field of known size is one move.
 */
#ifndef SDSD_SHARED_CURSOR_H
#define SDSD_SHARED_CURSOR_H

#include "shared/port.h"

struct cursor {
	u8 *at;
	size_t left;
	bool bad; /* ran past the end; nothing was touched there */
};

static inline void cursor_init(struct cursor *c, void *data, size_t len)
{
	c->at = (u8 *)data;
	c->left = len;
	c->bad = false;
}

/* the next len bytes, or NULL and the sticky error */
static inline u8 *cursor_take(struct cursor *c, size_t len)
{
	u8 *at = c->at;

	if (c->bad || len > c->left) {
		c->bad = true;
		return NULL;
	}
	c->at += len;
	c->left -= len;
	return at;
}

/* Byte by byte in the language, so that neither alignment nor the machine's byte order matters;
 * compilers make one store, one load of it. Masked, since sparse asks about constants otherwise. */
static inline void cursor_put_2(u8 *at, u32 v)
{
	at[0] = (u8)(v & 0xff);
	at[1] = (u8)(v >> 8 & 0xff);
}

static inline void cursor_put_4(u8 *at, u32 v)
{
	at[0] = (u8)(v & 0xff);
	at[1] = (u8)(v >> 8 & 0xff);
	at[2] = (u8)(v >> 16 & 0xff);
	at[3] = (u8)(v >> 24);
}

static inline u32 cursor_get_2(const u8 *at)
{
	return at[0] | (u32)at[1] << 8;
}

static inline u32 cursor_get_4(const u8 *at)
{
	return at[0] | (u32)at[1] << 8 | (u32)at[2] << 16 | (u32)at[3] << 24;
}

/* bytes: 1, 2, 4 or 8 */
static inline void cursor_put(struct cursor *c, u64 value, u32 bytes)
{
	u8 *at = cursor_take(c, bytes);

	if (!at)
		return;
	switch (bytes) {
	case 1:
		*at = (u8)(value & 0xff);
		break;
	case 2:
		cursor_put_2(at, (u32)value);
		break;
	case 4:
		cursor_put_4(at, (u32)value);
		break;
	default:
		cursor_put_4(at, (u32)value);
		cursor_put_4(at + 4, (u32)(value >> 32));
		break;
	}
}

static inline void cursor_put_bytes(struct cursor *c, const void *data, size_t len)
{
	u8 *at = cursor_take(c, len);

	if (at)
		memcpy(at, data, len);
}

/* n fields of 4 bytes. A page of the epoch map has a thousand: copied where the byte order is the
 * same. */
static inline void cursor_put_words(struct cursor *c, const u32 *value, u32 n)
{
	u8 *at = cursor_take(c, 4 * (size_t)n);

	if (!at || !n) /* value may be NULL */
		return;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	memcpy(at, value, 4 * (size_t)n);
#else
	for (u32 i = 0; i < n; i++)
		cursor_put_4(at + 4 * (size_t)i, value[i]);
#endif
}

static inline u64 cursor_get(struct cursor *c, u32 bytes)
{
	const u8 *at = cursor_take(c, bytes);

	if (!at)
		return 0;
	switch (bytes) {
	case 1:
		return *at;
	case 2:
		return cursor_get_2(at);
	case 4:
		return cursor_get_4(at);
	default:
		return cursor_get_4(at) | (u64)cursor_get_4(at + 4) << 32;
	}
}

static inline void cursor_get_words(struct cursor *c, u32 *out, u32 n)
{
	const u8 *at = cursor_take(c, 4 * (size_t)n);

	if (!at) {
		memset(out, 0, 4 * (size_t)n);
		return;
	}
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	memcpy(out, at, 4 * (size_t)n);
#else
	for (u32 i = 0; i < n; i++)
		out[i] = cursor_get_4(at + 4 * (size_t)i);
#endif
}

static inline void cursor_get_bytes(struct cursor *c, void *out, size_t len)
{
	const u8 *at = cursor_take(c, len);

	if (at)
		memcpy(out, at, len);
	else
		memset(out, 0, len);
}

#endif
