// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * change_token.c - join tokens: made, used once, deleted. Called by the API and
 * by the join of a node. Only a secret's SHA-256 comes here. The token's text is
 * cluster/token.c's business.
 */
#include "model/change.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "model/token_doc.h"

#define TOKEN_ID_LEN 8      /* hex digits */
#define TOKEN_SECRET_LEN 64 /* hex digits of a SHA-256 */

static bool is_hex(const char *text, size_t len)
{
	size_t n = 0;

	while (text && isxdigit((unsigned char)text[n]))
		n++;
	return text && n == len && !text[n];
}

static void token_key(const char *id, char *out, size_t len)
{
	char low[NAME_MAX_LEN + 1];

	name_key(id, low);
	snprintf(out, len, "token/%s", low);
}

int token_doc_check(const char *id, const char *secret_sha256, struct err *err)
{
	if (!is_hex(id, TOKEN_ID_LEN))
		return err_set(err, -E_INVALID, "token: its id must be %d hex digits",
			       TOKEN_ID_LEN);
	if (!is_hex(secret_sha256, TOKEN_SECRET_LEN))
		return err_set(err, -E_INVALID, "token: secret_sha256 must be %d hex digits",
			       TOKEN_SECRET_LEN);
	return 0;
}

void token_doc_put(struct txn *t, const char *id, const char *secret_sha256, int64_t expires_ms)
{
	json *doc = json_object_new_object();
	char key[STORE_KEY_MAX];

	jset_str(doc, "id", id);
	jset_str(doc, "secret_sha256", secret_sha256);
	jset_i64(doc, "expires_ms", expires_ms);
	jset_str(doc, "used_by", "");
	token_key(id, key, sizeof(key));
	txn_put(t, key, doc);
}

int change_token_create(struct change_env *env, struct txn *t, const char *id,
			const char *secret_sha256, int64_t expires_ms, struct err *err)
{
	struct store_stamp stamp;
	char key[STORE_KEY_MAX];
	json *doc;
	int rv;

	rv = token_doc_check(id, secret_sha256, err);
	if (rv < 0)
		return rv;
	if (expires_ms <= env->now_ms)
		return err_set(err, -E_INVALID, "token: its time of expiry is over already");
	token_key(id, key, sizeof(key));
	rv = txn_get(t, env->store, key, &doc);
	if (rv == 0) {
		json_object_put(doc);
		return err_set(err, -E_EXISTS, "token %s exists already; make another one", id);
	}
	if (rv != -E_NOT_FOUND)
		return err_set(err, rv, "%s: %s", key, err_name(rv));
	rv = store_prefix_stamp(env->store, "token/",
				&stamp); /* not noted: a rough limit will do */
	if (rv < 0)
		return err_set(err, rv, "tokens: %s", err_name(rv));
	if (stamp.count >= TOKENS_MAX)
		return err_set(err, -E_INVALID,
			       "there are %d tokens, which is the limit; delete "
			       "those that are used or expired",
			       TOKENS_MAX);
	token_doc_put(t, id, secret_sha256, expires_ms);
	return 0;
}

static int check_usable(const struct change_env *env, json *doc, struct err *err)
{
	const char *used_by = jget_str(doc, "used_by", "");
	int64_t late_s = (env->now_ms - jget_i64_or(doc, "expires_ms", 0)) / 1000;

	if (used_by[0])
		return err_set(err, -E_DENIED,
			       "token: used already, by node %s; make a new one: sdsd token create",
			       used_by);
	if (env->now_ms >= jget_i64_or(doc, "expires_ms", 0))
		return err_set(err, -E_DENIED,
			       "token: expired since %lld s; make a new one: sdsd token create",
			       (long long)late_s);
	return 0;
}

int change_token_use(struct change_env *env, struct txn *t, const char *id,
		     const char *secret_sha256, const char *node, struct err *err)
{
	char key[STORE_KEY_MAX];
	json *doc = NULL;
	int rv;

	token_key(id, key, sizeof(key));
	rv = txn_get(t, env->store, key, &doc);
	if (rv < 0 && rv != -E_NOT_FOUND)
		return err_set(err, rv, "%s: %s", key, err_name(rv));
	/* one answer for both, so that ids cannot be found by trying */
	if (rv < 0 || !text_equal_secret(secret_sha256 ? secret_sha256 : "",
					 jget_str(doc, "secret_sha256", "?"))) {
		rv = err_set(err, -E_DENIED,
			     "token is not valid; make a new one: sdsd token create");
		goto put;
	}
	rv = check_usable(env, doc, err);
	if (rv < 0)
		goto put;
	jset_str(doc, "used_by", node);
	txn_put(t, key, doc);
	return 0;
put:
	json_object_put(doc);
	return rv;
}

int change_token_delete(struct change_env *env, struct txn *t, const char *id, struct err *err)
{
	char key[STORE_KEY_MAX];
	json *doc;
	int rv;

	token_key(id, key, sizeof(key));
	rv = txn_get(t, env->store, key, &doc);
	if (rv < 0)
		return err_set(err, rv,
			       rv == -E_NOT_FOUND ? "token %.40s: there is no such token"
						  : "token %.40s: cannot be read",
			       id);
	json_object_put(doc);
	txn_put(t, key, NULL);
	return 0;
}
