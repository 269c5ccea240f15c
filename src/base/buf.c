// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * buf.c - the growing byte buffer. Used wherever bytes are collected whose
 * number is not known beforehand; the maximum given at buf_init is what keeps
 * a peer or a program from filling the memory.
 */
#include "base/buf.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_CAP_MIN 64

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void buf_release(struct buf *b)
{
	free(b->data);
	buf_init(b, b->max);
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	if (b->data)
		b->data[0] = 0;
}

/* makes room for len more bytes and the closing 0 */
static int reserve(struct buf *b, size_t len)
{
	size_t want, cap;
	uint8_t *data;

	if (len > b->max || b->len > b->max - len)
		return -EMSGSIZE;
	want = b->len + len + 1;
	if (want <= b->cap)
		return 0;
	cap = b->cap * 2 > BUF_CAP_MIN ? b->cap * 2 : BUF_CAP_MIN;
	if (cap > b->max + 1)
		cap = b->max + 1;
	if (cap < want)
		cap = want;
	data = realloc(b->data, cap);
	if (!data)
		return -ENOMEM;
	b->data = data;
	b->cap = cap;
	return 0;
}

int buf_extend(struct buf *b, size_t len)
{
	int rv = reserve(b, len);

	if (rv < 0)
		return rv;
	b->len += len;
	b->data[b->len] = 0;
	return 0;
}

int buf_append(struct buf *b, const void *data, size_t len)
{
	int rv = buf_extend(b, len);

	if (rv == 0 && len > 0)
		memcpy(b->data + b->len - len, data, len);
	return rv;
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int n, rv;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return -EINVAL;
	rv = reserve(b, (size_t)n);
	if (rv < 0)
		return rv;
	va_start(ap, fmt);
	vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
	return 0;
}

void buf_consume(struct buf *b, size_t len)
{
	assert(len <= b->len);
	if (len == 0)
		return;
	b->len -= len;
	memmove(b->data, b->data + len, b->len);
	b->data[b->len] = 0;
}
