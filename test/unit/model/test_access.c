// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_access.c - tokens and certificates of users: documents, what is valid, how many there may be
 * (model/access.c, change_access.c).
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "support/modelworld.h"

#define HASH "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define OTHER "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define DOC                                                                               \
	"{\"name\":\"ci\",\"kind\":\"token\",\"sha256\":\"" HASH "\",\"read_only\":true," \
	"\"created_ms\":5,\"expires_ms\":0}"

static struct world w;

static void setup(void)
{
	world_start(&w);
}

static void teardown(void)
{
	world_close(&w);
}

TestSuite(access, .init = setup, .fini = teardown);

static struct access make(const char *name, enum access_kind kind, int64_t expires_ms)
{
	struct access a = { .kind = kind, .sha256 = HASH, .expires_ms = expires_ms };

	snprintf(a.name, sizeof(a.name), "%s", name);
	return a;
}

Test(access, documents)
{
	static const struct {
		const char *field, *value;
	} bad[] = {
		{ "name", NULL },
		{ "name", "\"a b\"" },
		{ "name", "\"x\"" },
		{ "name", "7" },
		{ "kind", "\"key\"" },
		{ "kind", NULL },
		{ "sha256", "\"00\"" },
		{ "sha256", NULL },
		{ "read_only", "\"yes\"" },
		{ "created_ms", "-1" },
		{ "expires_ms", "\"\"" },
		{ "expires_ms", NULL },
		{ "sha256",
		  "\"zz112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"" },
	};
	struct access a, b;
	struct err err;
	json *doc = world_json(DOC), *again;

	cr_assert_eq(access_parse(doc, &a, &err), 0, "%s", err.text);
	cr_expect(a.read_only && a.kind == ACCESS_TOKEN && a.created_ms == 5);
	again = access_doc(&a);
	cr_expect(json_object_equal(doc, again));
	cr_expect_eq(access_parse(again, &b, &err), 0);
	json_object_put(again);
	json_object_put(doc);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		doc = world_with(DOC, bad[i].field, bad[i].value);
		cr_expect_eq(access_parse(doc, &b, &err), -E_INVALID, "%s %s", bad[i].field,
			     bad[i].value ? bad[i].value : "missing");
		json_object_put(doc);
	}
	cr_expect_eq(access_parse(NULL, &b, &err), -E_INVALID);
}

Test(access, what_is_valid)
{
	struct access token = make("ci", ACCESS_TOKEN, 1000);
	struct err err;

	cr_expect_eq(access_check(&token, ACCESS_TOKEN, HASH, 999, &err), 0);
	cr_expect_eq(access_check(&token, ACCESS_TOKEN, HASH, 1000, &err), -E_DENIED);
	cr_expect(strstr(err.text, "has expired"), "%s", err.text);
	token.expires_ms = 0;
	cr_expect_eq(access_check(&token, ACCESS_TOKEN, HASH, INT64_MAX, &err), 0);
	cr_expect_eq(access_check(&token, ACCESS_TOKEN, OTHER, 0, &err), -E_DENIED);
	cr_expect_eq(access_check(&token, ACCESS_TOKEN, "", 0, &err), -E_DENIED);
	cr_expect_eq(access_check(&token, ACCESS_CERTIFICATE, HASH, 0, &err), -E_DENIED);
	cr_expect_eq(access_check(NULL, ACCESS_TOKEN, HASH, 0, &err), -E_DENIED);
}

Test(access, made_and_deleted)
{
	struct access ci = make("CI", ACCESS_TOKEN, 0), same = make("ci", ACCESS_CERTIFICATE, 0);
	struct access late = make("late", ACCESS_TOKEN, WORLD_START_MS), bad = make("a b", 0, 0);
	json *doc;

	cr_expect_eq(WORLD(&w, change_access_create, &ci), 0, "%s", w.err.text);
	cr_expect_eq(WORLD(&w, change_access_create, &same), -E_EXISTS);
	cr_expect(strstr(w.err.text, "a token with the name CI exists"), "%s", w.err.text);
	cr_expect_eq(WORLD(&w, change_access_create, &late), -E_INVALID);
	cr_expect_eq(WORLD(&w, change_access_create, &bad), -E_INVALID);
	cr_expect_eq(world_count(&w, ACCESS_PREFIX), 1);
	doc = world_doc(&w, "access/ci");
	cr_expect_str_eq(jget_str(doc, "name", ""), "CI");
	json_object_put(doc);
	cr_expect_eq(WORLD(&w, change_access_delete, "ci", ACCESS_CERTIFICATE), -E_NOT_FOUND);
	cr_expect_eq(WORLD(&w, change_access_delete, "ci", ACCESS_TOKEN), 0);
	cr_expect_eq(WORLD(&w, change_access_delete, "ci", ACCESS_TOKEN), -E_NOT_FOUND);
	cr_expect_eq(WORLD(&w, change_access_delete, "../node/n1", ACCESS_TOKEN), -E_NOT_FOUND);
	cr_expect_eq(WORLD(&w, change_access_create, &same), 0);
}

Test(access, how_many)
{
	struct access a;
	char name[16];

	for (int i = 0; i < ACCESS_MAX; i++) {
		snprintf(name, sizeof(name), "t%d", i);
		a = make(name, ACCESS_TOKEN, 0);
		cr_assert_eq(WORLD(&w, change_access_create, &a), 0, "%s", w.err.text);
	}
	a = make("more", ACCESS_CERTIFICATE, 0);
	cr_expect_eq(WORLD(&w, change_access_create, &a), -E_INVALID);
	cr_expect(strstr(w.err.text, "1000 tokens"), "%s", w.err.text);
	cr_expect_eq(WORLD(&w, change_access_delete, "t7", ACCESS_TOKEN), 0);
	cr_expect_eq(WORLD(&w, change_access_create, &a), 0, "%s", w.err.text);
}

static bool required(void)
{
	json *doc = world_doc(&w, CLUSTER_KEY);
	bool yes = jget_bool(jget(doc, "options"), "require_token", false);

	json_object_put(doc);
	return yes;
}

Test(access, required_on_loopback)
{
	cr_expect_not(required());
	cr_expect_eq(WORLD(&w, change_access_require, true), 0);
	cr_expect(required());
	cr_expect_eq(WORLD(&w, change_access_require, true), 0);
	cr_expect_eq(WORLD(&w, change_access_require, false), 0);
	cr_expect_not(required());
}
