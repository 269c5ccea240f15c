/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cursor.c - see cursor.h. Knows nothing of what it carries. */
#include "shared/cursor.h"

void cursor_init(struct cursor *c, void *data, size_t len)
{
	c->at = data;
	c->left = len;
	c->bad = false;
}

/* the next len bytes, or NULL and the sticky error */
static u8 *cursor_take(struct cursor *c, size_t len)
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
 * compilers make one store, one load of it. */
static void put2(u8 *at, u32 v)
{
	at[0] = (u8)v;
	at[1] = (u8)(v >> 8);
}

static void put4(u8 *at, u32 v)
{
	at[0] = (u8)v;
	at[1] = (u8)(v >> 8);
	at[2] = (u8)(v >> 16);
	at[3] = (u8)(v >> 24);
}

static u32 get2(const u8 *at)
{
	return at[0] | (u32)at[1] << 8;
}

static u32 get4(const u8 *at)
{
	return at[0] | (u32)at[1] << 8 | (u32)at[2] << 16 | (u32)at[3] << 24;
}

void cursor_put(struct cursor *c, u64 value, u32 bytes)
{
	u8 *at = cursor_take(c, bytes);

	if (!at)
		return;
	switch (bytes) {
	case 1:
		*at = (u8)value;
		break;
	case 2:
		put2(at, (u32)value);
		break;
	case 4:
		put4(at, (u32)value);
		break;
	default:
		put4(at, (u32)value);
		put4(at + 4, (u32)(value >> 32));
		break;
	}
}

/* A page of the epoch map has a thousand words: copied where the byte order is the same. */
static void put_words(u8 *at, const u32 *value, u32 n)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	memcpy(at, value, 4 * (size_t)n);
#else
	for (u32 i = 0; i < n; i++)
		put4(at + 4 * (size_t)i, value[i]);
#endif
}

static void get_words(const u8 *at, u32 *out, u32 n)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	memcpy(out, at, 4 * (size_t)n);
#else
	for (u32 i = 0; i < n; i++)
		out[i] = get4(at + 4 * (size_t)i);
#endif
}

void cursor_put_words(struct cursor *c, const u32 *value, u32 n)
{
	u8 *at = cursor_take(c, 4 * (size_t)n);

	if (at && n) /* value may be NULL */
		put_words(at, value, n);
}

void cursor_put_bytes(struct cursor *c, const void *data, size_t len)
{
	u8 *at = cursor_take(c, len);

	if (at)
		memcpy(at, data, len);
}

u64 cursor_get(struct cursor *c, u32 bytes)
{
	const u8 *at = cursor_take(c, bytes);

	if (!at)
		return 0;
	switch (bytes) {
	case 1:
		return *at;
	case 2:
		return get2(at);
	case 4:
		return get4(at);
	default:
		return get4(at) | (u64)get4(at + 4) << 32;
	}
}

void cursor_get_words(struct cursor *c, u32 *out, u32 n)
{
	const u8 *at = cursor_take(c, 4 * (size_t)n);

	if (at)
		get_words(at, out, n);
	else
		memset(out, 0, 4 * (size_t)n);
}

void cursor_get_bytes(struct cursor *c, void *out, size_t len)
{
	const u8 *at = cursor_take(c, len);

	if (at)
		memcpy(out, at, len);
	else
		memset(out, 0, len);
}
