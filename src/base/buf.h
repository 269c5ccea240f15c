/* SPDX-License-Identifier: GPL-2.0-or-later */
/* buf.h - a growing byte buffer with a maximum by construction. */
#ifndef SDSD_BASE_BUF_H
#define SDSD_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

struct buf {
	uint8_t *data; /* owned; len bytes used, always followed by a 0 byte once allocated */
	size_t len;
	size_t cap;
	size_t max; /* appending beyond is -EMSGSIZE */
};

void buf_init(struct buf *b, size_t max);
void buf_release(struct buf *b); /* frees; b is empty and usable after */
void buf_clear(struct buf *b);   /* len = 0, memory kept */
/* 0, -EMSGSIZE (would pass max), -ENOMEM; on failure nothing was appended */
int buf_append(struct buf *b, const void *data, size_t len);
/* The same with len bytes that the caller writes then, at data + len as it was. */
int buf_extend(struct buf *b, size_t len);
int buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* drops the first len bytes (len <= b->len) */
void buf_consume(struct buf *b, size_t len);

#endif
