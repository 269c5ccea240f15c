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

void cursor_put(struct cursor *c, u64 value, u32 bytes)
{
	u8 *at = cursor_take(c, bytes);

	for (u32 i = 0; at && i < bytes; i++)
		at[i] = (u8)(value >> (8 * i));
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
	u64 value = 0;

	for (u32 i = 0; at && i < bytes; i++)
		value |= (u64)at[i] << (8 * i);
	return value;
}

void cursor_get_bytes(struct cursor *c, void *out, size_t len)
{
	const u8 *at = cursor_take(c, len);

	if (at)
		memcpy(out, at, len);
	else
		memset(out, 0, len);
}
