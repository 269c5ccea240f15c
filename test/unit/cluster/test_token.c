// SPDX-License-Identifier: GPL-2.0-or-later
/* test_token.c - join tokens: what is made is read back, and what is not one is refused. */
#include <criterion/criterion.h>
#include <string.h>
#include <stdlib.h>
#include <stdio.h>

#include "cluster/token.h"

#define FP "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define GOOD "sds1-deadbeef-0123456789abcdef0123456789abcdef-" FP

Test(token, round_trip)
{
	struct token made, read;
	char text[TOKEN_TEXT_MAX], padded[TOKEN_TEXT_MAX + 16];

	token_make(FP, &made);
	token_format(&made, text);
	snprintf(padded, sizeof(padded), " \t%s\r\n", text);
	cr_assert_eq(token_parse(padded, &read, NULL), 0);
	cr_expect_str_eq(read.id, made.id);
	cr_expect_str_eq(read.secret, made.secret);
	cr_expect_str_eq(read.fingerprint, FP);
	token_make(FP, &read);
	cr_expect_str_neq(read.secret, made.secret);
}

Test(token, refused)
{
	static const struct {
		const char *name, *text;
	} rows[] = {
		{ "empty", "" },
		{ "blank", " \n" },
		{ "another word", "hello" },
		{ "short", "sds1-deadbeef-0123" },
		{ "version", "sds2-deadbeef-0123456789abcdef0123456789abcdef-" FP },
		{ "no hex id", "sds1-deadbeeg-0123456789abcdef0123456789abcdef-" FP },
		{ "separator", "sds1-deadbeef+0123456789abcdef0123456789abcdef-" FP },
		{ "secret", "sds1-deadbeef-0123456789abcdef0123456789abcde*-" FP },
		{ "inside blank", "sds1-deadbeef-0123456789abcdef 123456789abcdef-" FP },
		{ "too long", GOOD "0" },
	};
	struct token t = { .id = "before" };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err err = { 0 };

		cr_expect_eq(token_parse(rows[i].text, &t, &err), -E_INVALID, "row '%s'",
			     rows[i].name);
		cr_expect_neq(err.text[0], '\0');
		cr_expect_null(strstr(err.text, "0123456789abcdef"), "the secret is in an error");
		cr_expect_str_eq(t.id, "before");
	}
	cr_expect_eq(token_parse(GOOD, &t, NULL), 0);
}

Test(token, endless_text)
{
	static char text[100000];
	struct token t;

	memset(text, ' ', sizeof(text) - 1);
	cr_expect_eq(token_parse(text, &t, NULL), -E_INVALID);
}
