// SPDX-License-Identifier: GPL-2.0-or-later
/* test_text.c - sizes, addresses, hex and uuids as tables. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/text.h"

#define KIB_MAX ((int64_t)1 << 53)

Test(text, sizes)
{
	static const struct {
		const char *text;
		int64_t kib; /* 0: refused */
	} rows[] = {
		{ "10G", 10 << 20 },
		{ "10g", 10 << 20 },
		{ "10GiB", 10 << 20 },
		{ "10 GiB", 10 << 20 },
		{ "512MiB", 512 << 10 },
		{ "1.5T", 3LL << 29 },
		{ "4096k", 4096 },
		{ "100GB", 97656250 },
		{ "1kB", 1 },
		{ "1MB", 977 }, /* 976.56 */
		{ "0.5K", 1 },
		{ "0.000000001K", 1 },
		{ "1.000000001K", 2 },
		{ "512B", 1 },
		{ "1025B", 2 },
		{ "1048576", 1024 },
		{ "1048577", 1025 },
		{ "8E", KIB_MAX },
		{ "8192P", KIB_MAX },
		{ "9223372036854775808", KIB_MAX },
		{ "9223372036854775809", 0 },
		{ "8.000000001E", 0 },
		{ "9E", 0 },
		{ "99999999999999999999E", 0 },
		{ "999999999999999999999", 0 },
		{ "1048575", 0 },
		{ "10", 0 },
		{ "2097152.5", 0 },
		{ "0", 0 },
		{ "0G", 0 },
		{ "", 0 },
		{ "G", 0 },
		{ ".5G", 0 },
		{ "1.G", 0 },
		{ "1.0000000001G", 0 },
		{ "-1G", 0 },
		{ "+1G", 0 },
		{ " 1G", 0 },
		{ "1G ", 0 },
		{ "1GG", 0 },
		{ "1e3G", 0 },
		{ "0x10G", 0 },
		{ "1,5G", 0 },
		{ "ten", 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err err = { 0 };
		int64_t kib = 0;
		int rv = text_parse_size_kib(rows[i].text, &kib, &err);

		cr_expect_eq(rv, rows[i].kib ? 0 : -E_INVALID, "row '%s'", rows[i].text);
		cr_expect_eq(kib, rows[i].kib, "row '%s': %lld", rows[i].text, (long long)kib);
		cr_expect_eq(err.text[0] != '\0', rows[i].kib == 0, "row '%s'", rows[i].text);
	}
}

Test(text, sizes_for_people)
{
	static const struct {
		int64_t kib;
		const char *text;
	} rows[] = {
		{ 0, "0 KiB" },
		{ 1, "1 KiB" },
		{ 1023, "1023 KiB" },
		{ 1024, "1.00 MiB" },
		{ 10485760, "10.00 GiB" },
		{ 3LL << 29, "1.50 TiB" },
		{ KIB_MAX, "8.00 EiB" },
		{ INT64_MAX, "8192.00 EiB" },
	};
	char buf[32];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_str_eq(text_size_kib(rows[i].kib, buf, sizeof(buf)), rows[i].text);
}

Test(text, lower)
{
	char out[8];

	cr_expect_eq(text_lower("AbZ-9\xc3\x84", out, sizeof(out)), 0);
	cr_expect_str_eq(out, "abz-9\xc3\x84");
	cr_expect_eq(text_lower("1234567", out, sizeof(out)), 0);
	cr_expect_eq(text_lower("12345678", out, sizeof(out)), -ENAMETOOLONG);
}

Test(text, hex)
{
	static const char *const bad[] = { "", "0", "00ff0", "00ff000", "00fg", "00f ", "0x00ff" };
	uint8_t raw[3] = { 0x00, 0xff, 0x1a }, back[3];
	char out[7];

	text_hex(raw, sizeof(raw), out);
	cr_expect_str_eq(out, "00ff1a");
	cr_expect_eq(text_unhex("00FF1a", back, 3), 0);
	cr_expect_eq(memcmp(raw, back, 3), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(text_unhex(bad[i], back, 2), -EINVAL, "row '%s'", bad[i]);
}

Test(text, secrets)
{
	cr_expect(text_equal_secret("abc", "abc"));
	cr_expect(text_equal_secret("", ""));
	cr_expect_not(text_equal_secret("abc", "abd"));
	cr_expect_not(text_equal_secret("abc", "ab"));
	cr_expect_not(text_equal_secret("ab", "abab"));
	cr_expect_not(text_equal_secret("", "a"));
	cr_expect_not(text_equal_secret("a", ""));
}

Test(text, uuid)
{
	static const char *const bad[] = {
		"",
		"12345678-1234-4234-8234-12345678901",
		"12345678-1234-4234-8234-1234567890123",
		"12345678-1234-4234-8234_123456789012",
		"1234567--1234-4234-8234-123456789012",
		"g2345678-1234-4234-8234-123456789012",
	};
	char a[UUID_TEXT_LEN + 1], b[UUID_TEXT_LEN + 1];
	uint8_t raw[16];

	text_uuid(a);
	text_uuid(b);
	cr_expect_str_neq(a, b);
	cr_expect_eq(a[14], '4');
	cr_expect_not_null(strchr("89ab", a[19]));
	cr_expect_eq(text_uuid_parse(a, raw), 0);
	text_uuid_format(raw, b);
	cr_expect_str_eq(a, b);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(text_uuid_parse(bad[i], raw), -E_INVALID, "row '%s'", bad[i]);
}

Test(text, host_port)
{
	static const struct {
		const char *text, *host; /* NULL: refused */
		int port;
	} rows[] = {
		{ "10.0.0.1", "10.0.0.1", 7000 },
		{ "10.0.0.1:80", "10.0.0.1", 80 },
		{ "node-1.example", "node-1.example", 7000 },
		{ "node_1:65535", "node_1", 65535 },
		{ "[::1]:80", "::1", 80 },
		{ "[::1]", "::1", 7000 },
		{ "fe80::1%eth0", "fe80::1%eth0", 7000 },
		{ "[fe80::1%eth0]:1", "fe80::1%eth0", 1 },
		{ "", NULL, 0 },
		{ ":80", NULL, 0 },
		{ "[]:80", NULL, 0 },
		{ "[::1", NULL, 0 },
		{ "[::1]80", NULL, 0 },
		{ "a:", NULL, 0 },
		{ "a:0", NULL, 0 },
		{ "a:65536", NULL, 0 },
		{ "a:100000", NULL, 0 },
		{ "a:-1", NULL, 0 },
		{ "a:8x", NULL, 0 },
		{ "a b", NULL, 0 },
		{ "a/b", NULL, 0 },
		{ "a\n", NULL, 0 },
		{ "0123456789012345678", "0123456789012345678", 7000 },
		{ "01234567890123456789", NULL, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char host[20] = "before";
		struct err err = { 0 };
		int port = -7;
		int rv = text_host_port(rows[i].text, 7000, host, sizeof(host), &port, &err);

		cr_expect_eq(rv, rows[i].host ? 0 : -E_INVALID, "row '%s'", rows[i].text);
		cr_expect_str_eq(host, rows[i].host ? rows[i].host : "before", "row '%s'",
				 rows[i].text);
		cr_expect_eq(port, rows[i].host ? rows[i].port : -7, "row '%s'", rows[i].text);
	}
}

Test(text, age)
{
	static const struct {
		int64_t ms;
		const char *text;
	} rows[] = {
		{ -1, "" },           { 0, "0 s" },
		{ 999, "0 s" },       { 119999, "119 s" },
		{ 120000, "2 min" },  { 7199999, "119 min" },
		{ 7200000, "2 h" },   { 172799999, "47 h" },
		{ 172800000, "2 d" }, { 31622400000, "366 d" },
	};
	char text[32];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_str_eq(text_age(rows[i].ms, text, sizeof(text)), rows[i].text, "row %zu",
				 i);
}
