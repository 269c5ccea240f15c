// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * http_message.c - headers of HTTP messages, and how answers begin. Called by http.c and httpc.c;
 * knows neither of them nor the parser.
 */
#include "net/http_message.h"

#include <errno.h>
#include <http_parser.h>
#include <string.h>
#include <strings.h>

void headers_init(struct http_headers *h)
{
	h->count = 0;
	h->in_value = false;
	buf_init(&h->text, HTTP_HEADERS_MAX);
}

void headers_release(struct http_headers *h)
{
	buf_release(&h->text);
	h->count = 0;
	h->in_value = false;
}

/* blanks behind a value do not belong to it */
static void end_value(struct http_headers *h)
{
	if (!h->in_value)
		return;
	while (h->text.len > h->value_at[h->count - 1] &&
	       (h->text.data[h->text.len - 1] == ' ' || h->text.data[h->text.len - 1] == '\t'))
		h->text.data[--h->text.len] = 0;
}

int headers_name(struct http_headers *h, const char *at, size_t len)
{
	/* the parser calls back for an empty value, too: a name after a name is its continuation */
	if (h->count == 0 || h->in_value) {
		if (h->count == HTTP_HEADER_COUNT_MAX)
			return -EMSGSIZE;
		end_value(h);
		if (h->count > 0 && buf_append(&h->text, "", 1) < 0)
			return -EMSGSIZE;
		h->name_at[h->count++] = h->text.len;
		h->in_value = false;
	}
	return buf_append(&h->text, at, len);
}

int headers_value(struct http_headers *h, const char *at, size_t len)
{
	if (h->count == 0)
		return -E_INVALID;
	if (!h->in_value) {
		if (buf_append(&h->text, "", 1) < 0)
			return -EMSGSIZE;
		h->value_at[h->count - 1] = h->text.len;
		h->in_value = true;
	}
	return buf_append(&h->text, at, len);
}

const char *headers_get(const struct http_headers *h, const char *name, int nth)
{
	for (int i = 0; i < h->count; i++) {
		bool has_value = i + 1 < h->count || h->in_value;

		if (has_value && strcasecmp((char *)h->text.data + h->name_at[i], name) == 0 &&
		    nth-- == 0)
			return (char *)h->text.data + h->value_at[i];
	}
	return NULL;
}

static bool is_token(const char *name)
{
	if (!*name)
		return false;
	for (; *name; name++) {
		if ((*name >= '0' && *name <= '9') || (*name >= 'a' && *name <= 'z') ||
		    (*name >= 'A' && *name <= 'Z') || strchr("!#$%&'*+-.^_`|~", *name))
			continue;
		return false;
	}
	return true;
}

static bool is_clean(const char *value)
{
	for (; *value; value++) {
		if (((unsigned char)*value < 0x20 && *value != '\t') || *value == 0x7f)
			return false;
	}
	return true;
}

int headers_finish(struct http_headers *h, struct err *err)
{
	const char *length, *coding;
	size_t end;

	end_value(h);
	length = headers_get(h, "content-length", 0);
	coding = headers_get(h, "transfer-encoding", 0);
	for (int i = 0; i < h->count; i++) {
		const char *name = (char *)h->text.data + h->name_at[i];

		end = i + 1 < h->count ? h->name_at[i + 1] - 1 : h->text.len;
		if (!is_token(name))
			return err_set(err, -E_INVALID, "a header name is malformed");
		/* a NUL inside would hide what follows it */
		if (h->value_at[i] + strlen((char *)h->text.data + h->value_at[i]) != end ||
		    !is_clean((char *)h->text.data + h->value_at[i]))
			return err_set(err, -E_INVALID,
				       "the value of %.40s holds control characters", name);
	}
	if (headers_get(h, "content-length", 1) || headers_get(h, "transfer-encoding", 1) ||
	    (length && coding))
		return err_set(err, -E_INVALID,
			       "more than one header tells the length of the body");
	if (length && (!*length || length[strspn(length, "0123456789")]))
		return err_set(err, -E_INVALID, "Content-Length is not a number");
	if (coding && strcasecmp(coding, "chunked") != 0)
		return err_set(err, -E_INVALID, "the only Transfer-Encoding understood is chunked");
	return 0;
}

bool message_has_body(int status)
{
	return status >= 200 && status != 204 && status != 304;
}

int message_head(int status, size_t len, bool json, const struct buf *extra, const char *connection,
		 struct buf *head)
{
	int rv;

	rv = buf_printf(head, "HTTP/1.1 %d %s\r\n", status,
			http_status_str((enum http_status)status));
	if (rv == 0 && message_has_body(status))
		rv = buf_printf(head, "%sContent-Length: %zu\r\n",
				json ? "Content-Type: application/json\r\n" : "", len);
	if (rv == 0)
		rv = buf_append(head, extra->data, extra->len);
	if (rv == 0 && connection)
		rv = buf_printf(head, "Connection: %s\r\n", connection);
	return rv < 0 ? rv : buf_append(head, "\r\n", 2);
}
