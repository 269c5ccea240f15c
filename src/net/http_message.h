/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * http_message.h - the headers of one message as they come out of the parser
 * in pieces: collected, counted, looked up; and how an answer begins. Shared by http.c and httpc.c.
 */
#ifndef SDSD_NET_HTTP_MESSAGE_H
#define SDSD_NET_HTTP_MESSAGE_H

#include <stdbool.h>

#include "base/buf.h"
#include "net/http.h"

struct http_headers {
	struct buf text; /* name, 0, value, 0 of each */
	size_t name_at[HTTP_HEADER_COUNT_MAX], value_at[HTTP_HEADER_COUNT_MAX];
	int count;
	bool in_value; /* the last piece belonged to a value */
};

void headers_init(struct http_headers *h);
void headers_release(struct http_headers *h);
/* a piece of a name, of a value; -EMSGSIZE beyond HTTP_HEADERS_MAX or HTTP_HEADER_COUNT_MAX */
int headers_name(struct http_headers *h, const char *at, size_t len);
int headers_value(struct http_headers *h, const char *at, size_t len);
/* n-th value of name, without case; NULL */
const char *headers_get(const struct http_headers *h, const char *name, int nth);
/* After the last piece. Refuses what the parser lets pass although two readers might see two
 * different messages in it: odd names, repeated or contradicting lengths, other transfer codings
 * than chunked. -E_INVALID with a sentence. */
int headers_finish(struct http_headers *h, struct err *err);

bool message_has_body(int status);
/* Appends status line and headers of an answer with len bytes; as buf_append. json: its type is the
 * usual one; extra: further headers, whole lines; connection: what it says of it, or NULL. */
int message_head(int status, size_t len, bool json, const struct buf *extra, const char *connection,
		 struct buf *head);

#endif
