/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * access.h - who besides the nodes may use the API over TCP: tokens and
 * certificates, each with a name of its own. Pure.
 *
 * Document "access/<name>": {"name","kind":"token"|"certificate","sha256","read_only":false,
 *   "created_ms","expires_ms"}; sha256: of the secret, or of the certificate (its fingerprint), as
 *   hex digits; expires_ms 0: never. What is deleted is refused from then on: there is no list of
 *   what was.
 * In "cluster/self": {"options":{"require_token":true}}: also on loopback nobody gets in without.
 */
#ifndef SDSD_MODEL_ACCESS_H
#define SDSD_MODEL_ACCESS_H

#include <stdbool.h>

#include "base/json.h"
#include "model/limits.h"

#define ACCESS_PREFIX "access/"
#define ACCESS_MAX 1000 /* documents */
#define ACCESS_SHA256_LEN 64
#define ACCESS_TTL_MAX_S (3650ll * 86400)
#define ACCESS_CERTIFICATE_TTL_S (365ll * 86400) /* unless it is said; a token: for ever */

enum access_kind { ACCESS_TOKEN, ACCESS_CERTIFICATE };

struct access {
	char name[NAME_MAX_LEN + 1];
	enum access_kind kind;
	char sha256[ACCESS_SHA256_LEN + 1];
	bool read_only;
	int64_t created_ms, expires_ms; /* wall clock; expires_ms 0: never */
};

const char *access_kind_name(enum access_kind kind);
void access_key(const char *name, char *out, size_t len);
/* -E_INVALID with a sentence */
int access_parse(json *doc, struct access *ret, struct err *err);
json *access_doc(const struct access *a); /* the caller owns it */
/* What was shown (kind and hash) is what the store knows of that name, be it expired. a NULL: it
 * knows none. */
bool access_matches(const struct access *a, enum access_kind kind, const char *sha256);
/* What was shown (kind and hash) against what the store knows of that name; a NULL: it knows none.
 * 0; -E_DENIED with a sentence for whoever showed it: the same for all that is wrong but the
 * time. */
int access_check(const struct access *a, enum access_kind kind, const char *sha256, int64_t now_ms,
		 struct err *err);

#endif
