// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fuzz_text.c - everything that reads a short text of a user's: sizes, hosts,
 * tokens, uuids, names, the parts of a URL and its route. Each line of the input goes to all
 * of them; the last line is the second operand of those that need one.
 */
#include "fuzz/fuzz.h"

#include "api/router.h"
#include "base/log.h"
#include "base/text.h"
#include "cluster/token.h"
#include "model/name.h"
#include "model/node.h"
#include "model/pool.h"
#include "net/http.h"

static void sizes(const char *text)
{
	struct err err = { 0 };
	char shown[32];
	int64_t kib = 0;

	if (text_parse_size_kib(text, &kib, &err) < 0) {
		FUZZ_CHECK(err.code < 0 && err.text[0]);
		return;
	}
	FUZZ_CHECK(kib >= 1 && kib <= 1ll << 53);
	FUZZ_CHECK(text_size_kib(kib, shown, sizeof(shown)) == shown);
	FUZZ_CHECK(memchr(shown, 0, sizeof(shown)));
}

static void hosts(const char *text)
{
	struct err err = { 0 };
	char host[24];
	int port = -1;

	if (text_host_port(text, 7700, host, sizeof(host), &port, &err) < 0)
		return;
	FUZZ_CHECK(memchr(host, 0, sizeof(host)) && host[0]);
	FUZZ_CHECK(port > 0 && port <= 65535);
	node_address_is_literal(host);
}

static void tokens(const char *text)
{
	char again[TOKEN_TEXT_MAX];
	struct err err = { 0 };
	struct token t, u;

	if (token_parse(text, &t, &err) < 0)
		return;
	token_format(&t, again);
	FUZZ_CHECK(token_parse(again, &u, &err) == 0);
	FUZZ_CHECK(strcmp(t.id, u.id) == 0 && strcmp(t.secret, u.secret) == 0);
	FUZZ_CHECK(strcmp(t.fingerprint, u.fingerprint) == 0);
}

static void uuids(const char *text)
{
	char shown[UUID_TEXT_LEN + 1], hex[2 * sizeof(uint64_t) + 1];
	uint8_t raw[16], again[16], bytes[8];

	if (text_uuid_parse(text, raw) == 0) {
		text_uuid_format(raw, shown);
		FUZZ_CHECK(text_uuid_parse(shown, again) == 0 && memcmp(raw, again, 16) == 0);
	}
	if (text_unhex(text, bytes, sizeof(bytes)) == 0)
		text_hex(bytes, sizeof(bytes), hex);
}

static void names(const char *text)
{
	struct err err = { 0 };
	char key[NAME_MAX_LEN + 1], low[8];
	enum pool_kind kind;
	enum log_level level;

	name_check("name", text, NAME_MIN_LEN, &err);
	name_key(text, key);
	FUZZ_CHECK(memchr(key, 0, sizeof(key)) && key[0]);
	if (text_lower(text, low, sizeof(low)) == 0)
		FUZZ_CHECK(strlen(low) == strlen(text));
	if (pool_kind_parse(text, &kind) == 0)
		FUZZ_CHECK(kind < POOL_KINDS && pool_kind_name(kind));
	log_level_parse(text, &level);
	node_address_is_literal(text);
}

static void urls(const char *text, const char *key)
{
	char plain[64], coded[200], value[16];
	size_t len = strlen(text);

	if (http_unescape(text, len, plain, sizeof(plain)) == 0) {
		FUZZ_CHECK(strlen(plain) <= len);
		FUZZ_CHECK(http_escape(plain, coded, sizeof(coded)) == 0);
		FUZZ_CHECK(http_unescape(coded, strlen(coded), value, 0) != 0);
	}
	for (int n = 0; n < 3; n++)
		if (http_query_value(text, key, n, value, sizeof(value)) == 0)
			FUZZ_CHECK(memchr(value, 0, sizeof(value)));
}

static void routes(const char *text)
{
	static const char *const methods[] = { "GET", "POST", "PUT", "DELETE" };
	struct route_match m;

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (router_find(api_routes, api_routes_count(), methods[i], text, &m) < 0)
			continue;
		FUZZ_CHECK(m.route && m.n_args <= ROUTER_ARGS_MAX);
		for (int a = 0; a < m.n_args; a++)
			FUZZ_CHECK(memchr(m.arg[a], 0, sizeof(m.arg[a])) && m.arg[a][0]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input in = { data, len };
	char *last = strdup("a");

	while (in.left > 0) {
		char *text = input_line(&in);

		sizes(text);
		hosts(text);
		tokens(text);
		uuids(text);
		names(text);
		routes(text);
		urls(text, last);
		text_equal_secret(text, last);
		free(last);
		last = text;
	}
	free(last);
	return 0;
}
