// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * http_url.c - percent-encoding and query strings. Pure functions; called by
 * the API's router and by HTTP clients.
 */
#include <errno.h>
#include <string.h>

#include "net/http.h"

#define QUERY_KEY_MAX 128

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* the byte that in[*at] stands for, *at moved behind it; -E_INVALID */
static int next_byte(const char *in, size_t len, size_t *at, bool plus_is_blank)
{
	char c = in[(*at)++];
	int high, low;

	if (c == '+' && plus_is_blank)
		return ' ';
	if (c != '%')
		return (unsigned char)c;
	if (len - *at < 2)
		return -E_INVALID;
	high = hex_digit(in[*at]);
	low = hex_digit(in[*at + 1]);
	if (high < 0 || low < 0)
		return -E_INVALID;
	*at += 2;
	return high << 4 | low;
}

static int decode(const char *in, size_t len, char *out, size_t out_len, bool plus_is_blank)
{
	size_t n = 0, at = 0;

	while (at < len) {
		int byte = next_byte(in, len, &at, plus_is_blank);

		if (byte < 0)
			return byte;
		if (byte == 0)
			return -E_INVALID;
		if (n + 1 >= out_len)
			return -ENAMETOOLONG;
		out[n++] = (char)byte;
	}
	if (out_len == 0)
		return -ENAMETOOLONG;
	out[n] = '\0';
	return 0;
}

int http_unescape(const char *in, size_t len, char *out, size_t out_len)
{
	return decode(in, len, out, out_len, false);
}

static bool is_unreserved(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c && strchr("-._~", c));
}

int http_escape(const char *in, char *out, size_t out_len)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t n = 0;

	for (; *in; in++) {
		size_t need = is_unreserved(*in) ? 1 : 3;

		if (n + need >= out_len)
			return -ENAMETOOLONG;
		if (need == 1) {
			out[n++] = *in;
			continue;
		}
		out[n++] = '%';
		out[n++] = digits[(unsigned char)*in >> 4];
		out[n++] = digits[(unsigned char)*in & 15];
	}
	if (out_len == 0)
		return -ENAMETOOLONG;
	out[n] = '\0';
	return 0;
}

int http_query_value(const char *query, const char *key, int nth, char *out, size_t out_len)
{
	char name[QUERY_KEY_MAX];
	const char *pair = query;

	while (*pair) {
		size_t len = strcspn(pair, "&");
		const char *equals = memchr(pair, '=', len);
		size_t name_len = equals ? (size_t)(equals - pair) : len;
		const char *value = equals ? equals + 1 : pair + len;

		/* a name that cannot be decoded is nobody's key */
		if (decode(pair, name_len, name, sizeof(name), true) == 0 &&
		    strcmp(name, key) == 0 && nth-- == 0)
			return decode(value, (size_t)(pair + len - value), out, out_len, true);
		pair += len;
		if (*pair == '&')
			pair++;
	}
	return -ENOENT;
}
