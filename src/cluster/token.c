// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * token.c - the text form of join tokens. Called by init (the first token),
 * join (what the user pasted) and authority. Whether a token is known, used or
 * expired is the leader's matter (model/change.h). The text is a secret: it is
 * never logged nor repeated in an error.
 */
#include "cluster/token.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

#define TOKEN_PREFIX "sds1-"
#define ID_HEX 8
#define SECRET_HEX 32
#define FINGERPRINT_HEX 64
#define TOKEN_LEN (sizeof(TOKEN_PREFIX) - 1 + ID_HEX + 1 + SECRET_HEX + 1 + FINGERPRINT_HEX)
#define TOKEN_INPUT_MAX 4096 /* with the blanks around it */

/* exactly n hex digits in lower case to out, then the character end; NULL when it is not so */
static const char *take_hex(const char *p, size_t n, char end, char *out)
{
	for (size_t i = 0; i < n; i++) {
		if (!isxdigit((unsigned char)p[i]))
			return NULL;
		out[i] = (char)tolower((unsigned char)p[i]);
	}
	out[n] = '\0';
	return p[n] == end ? p + n + 1 : NULL;
}

int token_parse(const char *text, struct token *ret, struct err *err)
{
	char copy[TOKEN_LEN + 1];
	struct token t;
	const char *p;
	size_t len;

	if (strnlen(text, TOKEN_INPUT_MAX) == TOKEN_INPUT_MAX)
		return err_set(err, -E_INVALID, "this is no join token: it is too long");
	text += strspn(text, " \t\r\n");
	len = strlen(text);
	while (len > 0 && strchr(" \t\r\n", text[len - 1]))
		len--;
	if (len == 0)
		return err_set(err, -E_INVALID, "the join token is empty");
	if (len != TOKEN_LEN || strncmp(text, TOKEN_PREFIX, sizeof(TOKEN_PREFIX) - 1) != 0)
		return err_set(err, -E_INVALID,
			       "this is no join token, or not all of it: %zu characters beginning "
			       "with %s expected, %zu given",
			       TOKEN_LEN, TOKEN_PREFIX, len);
	memcpy(copy, text, len);
	copy[len] = '\0';
	p = take_hex(copy + sizeof(TOKEN_PREFIX) - 1, ID_HEX, '-', t.id);
	if (p)
		p = take_hex(p, SECRET_HEX, '-', t.secret);
	if (p)
		p = take_hex(p, FINGERPRINT_HEX, '\0', t.fingerprint);
	if (!p)
		return err_set(err, -E_INVALID,
			       "this is no join token: a part of it is not made of hex digits");
	*ret = t;
	return 0;
}

void token_format(const struct token *t, char out[TOKEN_TEXT_MAX])
{
	snprintf(out, TOKEN_TEXT_MAX, TOKEN_PREFIX "%s-%s-%s", t->id, t->secret, t->fingerprint);
}

void token_make(const char *fingerprint, struct token *ret)
{
	uint8_t id[ID_HEX / 2], secret[SECRET_HEX / 2];

	rand_bytes(id, sizeof(id));
	rand_bytes(secret, sizeof(secret));
	text_hex(id, sizeof(id), ret->id);
	text_hex(secret, sizeof(secret), ret->secret);
	snprintf(ret->fingerprint, sizeof(ret->fingerprint), "%s", fingerprint);
}
