/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * token.h - join tokens: "sds1-<id 8 hex>-<secret 32 hex>-<ca fingerprint 64 hex>". One use,
 * expiring; the store keeps only the secret's sha256.
 * Document "token/<id>": {"id","secret_sha256","expires_ms","used_by":""}
 */
#ifndef SDSD_CLUSTER_TOKEN_H
#define SDSD_CLUSTER_TOKEN_H

#include "base/err.h"

#define TOKEN_TEXT_MAX 160
#define TOKEN_TTL_DEFAULT_S 3600
#define TOKEN_TTL_MAX_S (30 * 86400)

struct token {
	char id[9], secret[33], fingerprint[65];
};
int token_parse(const char *text, struct token *ret,
		struct err *err); /* surrounding blanks allowed */
void token_format(const struct token *t, char out[TOKEN_TEXT_MAX]);
void token_make(const char *fingerprint, struct token *ret);

#endif
