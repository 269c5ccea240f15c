// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * access.c - documents of tokens and certificates of users. Called by
 * change_access.c and by the API for each request over TCP; it hashes nothing
 * and knows no HTTP.
 */
#include "model/access.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "model/field.h"
#include "model/name.h"

static const char *const kind_names[] = {
	[ACCESS_TOKEN] = "token",
	[ACCESS_CERTIFICATE] = "certificate",
};

const char *access_kind_name(enum access_kind kind)
{
	return kind_names[kind];
}

void access_key(const char *name, char *out, size_t len)
{
	char low[NAME_MAX_LEN + 1];

	name_key(name, low);
	snprintf(out, len, ACCESS_PREFIX "%s", low);
}

static int parse_kind(const char *text, enum access_kind *ret, struct err *err)
{
	for (size_t i = 0; i < sizeof(kind_names) / sizeof(kind_names[0]); i++) {
		if (strcmp(kind_names[i], text) != 0)
			continue;
		*ret = (enum access_kind)i;
		return 0;
	}
	return err_set(err, -E_INVALID, "access: kind is token or certificate, not \"%.20s\"",
		       text);
}

int access_parse(json *doc, struct access *ret, struct err *err)
{
	struct access a = { 0 };
	uint8_t raw[ACCESS_SHA256_LEN / 2];
	char kind[16];
	int rv;

	if ((rv = field_object(doc, "access", err)) < 0 ||
	    (rv = field_str(doc, "access", "name", a.name, sizeof(a.name), err)) < 0 ||
	    (rv = name_check("name of a token or certificate", a.name, NAME_MIN_LEN, err)) < 0 ||
	    (rv = field_str(doc, "access", "kind", kind, sizeof(kind), err)) < 0 ||
	    (rv = parse_kind(kind, &a.kind, err)) < 0 ||
	    (rv = field_str(doc, "access", "sha256", a.sha256, sizeof(a.sha256), err)) < 0 ||
	    (rv = field_bool(doc, "access", "read_only", &a.read_only, err)) < 0 ||
	    (rv = field_i64(doc, "access", "created_ms", 0, INT64_MAX, &a.created_ms, err)) < 0 ||
	    (rv = field_i64(doc, "access", "expires_ms", 0, INT64_MAX, &a.expires_ms, err)) < 0)
		return rv;
	if (text_unhex(a.sha256, raw, sizeof(raw)) < 0)
		return err_set(err, -E_INVALID, "access %s: sha256 must be %d hex digits", a.name,
			       ACCESS_SHA256_LEN);
	*ret = a;
	return 0;
}

json *access_doc(const struct access *a)
{
	json *doc = json_object_new_object();

	jset_str(doc, "name", a->name);
	jset_str(doc, "kind", access_kind_name(a->kind));
	jset_str(doc, "sha256", a->sha256);
	jset_bool(doc, "read_only", a->read_only);
	jset_i64(doc, "created_ms", a->created_ms);
	jset_i64(doc, "expires_ms", a->expires_ms);
	return doc;
}

bool access_matches(const struct access *a, enum access_kind kind, const char *sha256)
{
	return a && a->kind == kind && text_equal_secret(a->sha256, sha256);
}

int access_check(const struct access *a, enum access_kind kind, const char *sha256, int64_t now_ms,
		 struct err *err)
{
	if (!access_matches(a, kind, sha256))
		return err_set(err, -E_DENIED, "this %s is not, or not any more, valid here",
			       access_kind_name(kind));
	if (a->expires_ms > 0 && now_ms >= a->expires_ms)
		return err_set(err, -E_DENIED, "the %s %s has expired %lld s ago",
			       access_kind_name(kind), a->name,
			       (long long)(now_ms - a->expires_ms) / 1000);
	return 0;
}
