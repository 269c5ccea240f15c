// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * text.c - small string helpers. Pure functions (text_uuid alone asks the
 * kernel for random bytes); they know no object of the cluster.
 */
#include "base/text.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"

#define SIZE_KIB_MAX ((int64_t)1 << 53)
#define SIZE_BARE_MIN (1u << 20) /* below, a number without unit is more likely a slip */
#define SIZE_DIGITS_MAX 20
#define SIZE_FRACTION_MAX 9

static const struct {
	const char *suffix; /* compared without case */
	uint64_t bytes;
} size_units[] = {
	{ "b", 1 },
	{ "k", 1ull << 10 },
	{ "kib", 1ull << 10 },
	{ "kb", 1000ull },
	{ "m", 1ull << 20 },
	{ "mib", 1ull << 20 },
	{ "mb", 1000000ull },
	{ "g", 1ull << 30 },
	{ "gib", 1ull << 30 },
	{ "gb", 1000000000ull },
	{ "t", 1ull << 40 },
	{ "tib", 1ull << 40 },
	{ "tb", 1000000000000ull },
	{ "p", 1ull << 50 },
	{ "pib", 1ull << 50 },
	{ "pb", 1000000000000000ull },
	{ "e", 1ull << 60 },
	{ "eib", 1ull << 60 },
	{ "eb", 1000000000000000000ull },
};

/* reads 1..max digits; returns how many, 0 when there is none or too many */
static int read_digits(const char *p, int max, unsigned __int128 *ret)
{
	unsigned __int128 n = 0;
	int i;

	for (i = 0; p[i] >= '0' && p[i] <= '9'; i++) {
		if (i == max)
			return 0;
		n = n * 10 + (unsigned)(p[i] - '0');
	}
	*ret = n;
	return i;
}

static int size_unit(const char *suffix, uint64_t *ret)
{
	for (size_t i = 0; i < sizeof(size_units) / sizeof(size_units[0]); i++) {
		if (strcasecmp(suffix, size_units[i].suffix) == 0) {
			*ret = size_units[i].bytes;
			return 0;
		}
	}
	return -E_INVALID;
}

int text_parse_size_kib(const char *text, int64_t *ret_kib, struct err *err)
{
	unsigned __int128 whole = 0, fraction = 0, scale = 1, bytes, kib;
	const char *p = text;
	uint64_t unit = 1;
	int n;

	n = read_digits(p, SIZE_DIGITS_MAX, &whole);
	if (n == 0)
		goto invalid;
	p += n;
	if (*p == '.') {
		n = read_digits(p + 1, SIZE_FRACTION_MAX, &fraction);
		if (n == 0)
			goto invalid;
		p += 1 + n;
		while (n-- > 0)
			scale *= 10;
	}
	while (*p == ' ')
		p++;
	if (*p) {
		if (size_unit(p, &unit) < 0)
			goto invalid;
	} else if (scale != 1) {
		return err_set(err, -E_INVALID, "size \"%.40s\" needs a unit, such as %.20sG", text,
			       text);
	} else if (whole < SIZE_BARE_MIN) {
		return err_set(err, -E_INVALID,
			       "size \"%.40s\" needs a unit, such as %.20sG (a number alone means "
			       "bytes and must be 1048576 or more)",
			       text, text);
	}
	/* no overflow: 20 digits * 2^60 < 2^127. Rounded up twice, in the same direction. */
	bytes = whole * unit + (fraction * unit + scale - 1) / scale;
	kib = (bytes + 1023) / 1024;
	if (kib < 1 || kib > (unsigned __int128)SIZE_KIB_MAX)
		return err_set(err, -E_INVALID, "size \"%.40s\" is outside 1 KiB to 8 EiB", text);
	*ret_kib = (int64_t)kib;
	return 0;
invalid:
	return err_set(err, -E_INVALID,
		       "\"%.40s\" is not a size; write for example 512M, 10G, 1.5TiB or 100GB",
		       text);
}

const char *text_size_kib(int64_t kib, char *buf, size_t len)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)kib;
	size_t unit = 0;

	while ((value >= 1024.0 || value <= -1024.0) && unit + 1 < 6) {
		value /= 1024.0;
		unit++;
	}
	if (unit == 0)
		snprintf(buf, len, "%lld KiB", (long long)kib);
	else
		snprintf(buf, len, "%.2f %s", value, units[unit]);
	return buf;
}

const char *text_age(int64_t ms, char *buf, size_t len)
{
	long long s = ms / 1000;

	if (ms < 0)
		snprintf(buf, len, "%s", "");
	else if (s < 120)
		snprintf(buf, len, "%lld s", s);
	else if (s < 7200)
		snprintf(buf, len, "%lld min", s / 60);
	else if (s < 2 * 86400)
		snprintf(buf, len, "%lld h", s / 3600);
	else
		snprintf(buf, len, "%lld d", s / 86400);
	return buf;
}

int text_lower(const char *in, char *out, size_t len)
{
	size_t n = strlen(in);

	if (n >= len)
		return -ENAMETOOLONG;
	for (size_t i = 0; i <= n; i++)
		out[i] = in[i] >= 'A' && in[i] <= 'Z' ? (char)(in[i] - 'A' + 'a') : in[i];
	return 0;
}

void text_hex(const void *data, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++) {
		out[2 * i] = digits[p[i] >> 4];
		out[2 * i + 1] = digits[p[i] & 15];
	}
	out[2 * len] = '\0';
}

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

int text_unhex(const char *hex, void *out, size_t len)
{
	uint8_t *p = out;

	if (strnlen(hex, 2 * len + 1) != 2 * len)
		return -EINVAL;
	for (size_t i = 0; i < 2 * len; i++) {
		if (hex_digit(hex[i]) < 0)
			return -EINVAL;
	}
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(hex_digit(hex[2 * i]) << 4 | hex_digit(hex[2 * i + 1]));
	return 0;
}

bool text_equal_secret(const char *a, const char *b)
{
	size_t na = strlen(a), nb = strlen(b);
	volatile uint8_t diff = na != nb;

	/* all of b is walked whatever a holds; with other lengths the answer is no already */
	for (size_t i = 0; i < nb; i++)
		diff |= (uint8_t)(a[na ? i % na : 0] ^ b[i]);
	return diff == 0;
}

void text_uuid(char out[UUID_TEXT_LEN + 1])
{
	uint8_t raw[16];

	rand_bytes(raw, sizeof(raw));
	raw[6] = (uint8_t)((raw[6] & 0x0f) | 0x40);
	raw[8] = (uint8_t)((raw[8] & 0x3f) | 0x80);
	text_uuid_format(raw, out);
}

static bool dash_at(size_t i)
{
	return i == 8 || i == 13 || i == 18 || i == 23;
}

int text_uuid_parse(const char *text, uint8_t out[16])
{
	char hex[33];
	size_t n = 0;

	if (strnlen(text, UUID_TEXT_LEN + 1) != UUID_TEXT_LEN)
		return -E_INVALID;
	for (size_t i = 0; i < UUID_TEXT_LEN; i++) {
		if (!dash_at(i))
			hex[n++] = text[i];
		else if (text[i] != '-')
			return -E_INVALID;
	}
	hex[n] = '\0';
	return text_unhex(hex, out, 16) < 0 ? -E_INVALID : 0;
}

void text_uuid_format(const uint8_t in[16], char out[UUID_TEXT_LEN + 1])
{
	char hex[33];
	size_t n = 0;

	text_hex(in, 16, hex);
	for (size_t i = 0; i < UUID_TEXT_LEN; i++)
		out[i] = dash_at(i) ? '-' : hex[n++];
	out[UUID_TEXT_LEN] = '\0';
}

static int read_port(const char *text, int *ret)
{
	unsigned __int128 n;
	int digits = read_digits(text, 5, &n);

	if (digits == 0 || text[digits] || n < 1 || n > 65535)
		return -E_INVALID;
	*ret = (int)n;
	return 0;
}

static bool is_host_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c && strchr(".-_:%", c));
}

int text_host_port(const char *text, int def_port, char *host, size_t host_len, int *ret_port,
		   struct err *err)
{
	const char *start = text, *end, *port_text = NULL;
	int port = def_port;

	if (*text == '[') {
		start = text + 1;
		end = strchr(start, ']');
		if (!end || (end[1] && end[1] != ':'))
			goto invalid;
		if (end[1])
			port_text = end + 2;
	} else {
		end = strchr(text, ':');
		if (end && strchr(end + 1, ':'))
			end = NULL; /* an IPv6 address alone */
		if (end)
			port_text = end + 1;
		else
			end = text + strlen(text);
	}
	if (end == start || (size_t)(end - start) >= host_len)
		goto invalid;
	for (const char *p = start; p < end; p++) {
		if (!is_host_char(*p))
			goto invalid;
	}
	if (port_text && read_port(port_text, &port) < 0)
		return err_set(err, -E_INVALID, "\"%.80s\": the port must be 1 to 65535", text);
	memcpy(host, start, (size_t)(end - start));
	host[end - start] = '\0';
	*ret_port = port;
	return 0;
invalid:
	return err_set(err, -E_INVALID,
		       "\"%.80s\" is not an address; write host, host:port or [v6]:port", text);
}
