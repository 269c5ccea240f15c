// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_call.c - what is read from requests and how answers leave (api/call.c):
 * bodies, filters, pages, long lists, refusals.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/state.h"
#include "support/leaks.h"

TestSuite(call, .fini = test_no_leaks);

static struct api api;
static int status;
static char answer[65536];
static enum call_moved moved;

static void on_reply(struct api_call *c, int http_status, const void *body, size_t len, void *arg)
{
	status = http_status;
	moved = c->moved;
	snprintf(answer, sizeof(answer), "%.*s", (int)len, (const char *)body);
}

static struct api_call *make(const char *url, const char *body)
{
	struct api_call *c = call_new(&api, "GET", url, body, strlen(body));

	if (!c)
		return NULL;
	c->reply = on_reply;
	if (body[0])
		cr_assert_eq(json_parse(body, strlen(body), &c->doc, NULL), 0, "%s", body);
	return c;
}

static void drop(struct api_call *c)
{
	call_reply(c, 200, "", 0);
	cr_expect_null(api.calls, "the call is not forgotten");
}

Test(call, urls)
{
	static char longest[16384];
	struct api_call *c = make("/v1/nodes?nodes=a&limit=2", "");

	cr_assert_not_null(c);
	cr_expect_str_eq(c->path, "/v1/nodes");
	cr_expect_str_eq(c->query, "nodes=a&limit=2");
	cr_expect_eq(strlen(c->id), 36, "every call has an id");
	drop(c);
	c = make("/v1/nodes", "");
	cr_expect_str_eq(c->query, "");
	drop(c);
	cr_expect_null(make("nodes", ""));
	cr_expect_null(make("", ""));
	memset(longest, 'x', sizeof(longest) - 1);
	longest[0] = '/';
	cr_expect_null(make(longest, ""));
	cr_expect_null(call_new(&api, "A-METHOD-THAT-NOBODY-KNOWS", "/", "", 0));
	cr_expect_null(api.calls);
}

Test(call, filters)
{
	static const struct {
		const char *query, *key, *value;
		bool has;
	} rows[] = {
		{ "", "nodes", "n1", true },
		{ "nodes=n1", "nodes", "N1", true },
		{ "nodes=n2&nodes=N1", "nodes", "n1", true },
		{ "nodes=n2", "nodes", "n1", false },
		{ "other=n2", "nodes", "n1", true },
		{ "nodes=", "nodes", "n1", false },
		{ "nodes=n%31", "nodes", "n1", true },
		{ "nodes=%zz", "nodes", "n1", false },
	};
	char url[128];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct api_call *c;

		snprintf(url, sizeof(url), "/x?%s", rows[i].query);
		c = make(url, "");
		cr_expect_eq(call_query_has(c, rows[i].key, rows[i].value), rows[i].has, "row %zu",
			     i);
		drop(c);
	}
}

/* QUERY_VALUES_MAX, QUERY_VALUE_MAX */
Test(call, filters_have_limits)
{
	static char url[16384], value[600];
	struct api_call *c;
	size_t len = 0;

	len += (size_t)snprintf(url, sizeof(url), "/x?");
	for (int i = 0; i < 1024; i++)
		len += (size_t)snprintf(url + len, sizeof(url) - len, "n=%d&", i);
	snprintf(url + len, sizeof(url) - len, "n=last");
	c = make(url, "");
	cr_assert_not_null(c);
	cr_expect(call_query_has(c, "n", "1023"));
	cr_expect(!call_query_has(c, "n", "last"), "the 1025th value is not looked at");
	drop(c);
	memset(value, 'x', sizeof(value) - 1);
	for (size_t n = 511; n <= 512; n++) {
		snprintf(url, sizeof(url), "/x?n=%.*s", (int)n, value);
		c = make(url, "");
		cr_expect_eq(call_query_has(c, "n", url + strlen("/x?n=")), n == 511, "%zu", n);
		drop(c);
	}
}

Test(call, property_filters)
{
	static const struct {
		const char *query;
		bool fits;
	} rows[] = {
		{ "", true },
		{ "props=Aux/a", true },
		{ "props=Aux/a=1", true },
		{ "props=Aux/a=2", false },
		{ "props=Aux/a&props=Aux/b=2", true },
		{ "props=Aux/a&props=Aux/c", false },
		{ "props=Aux%2Fa%3D1", true },
		{ "props=%zz", false },
	};
	json *props = NULL;
	char url[128];

	cr_assert_eq(json_parse("{\"Aux/a\":\"1\",\"Aux/b\":\"2\"}", 25, &props, NULL), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct api_call *c;

		snprintf(url, sizeof(url), "/x?%s", rows[i].query);
		c = make(url, "");
		cr_expect_eq(call_query_props(c, props), rows[i].fits, "row %zu", i);
		drop(c);
	}
	json_object_put(props);
}

Test(call, booleans_in_any_case)
{
	static const struct {
		const char *query;
		bool def, value;
	} rows[] = {
		{ "", false, false },      { "", true, true },        { "f=True", false, true },
		{ "f=true", false, true }, { "f=1", false, true },    { "f=False", true, false },
		{ "f=", true, false },     { "f=yes", false, false },
	};
	char url[64];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct api_call *c;

		snprintf(url, sizeof(url), "/x?%s", rows[i].query);
		c = make(url, "");
		cr_expect_eq(call_query_bool(c, "f", rows[i].def), rows[i].value, "row %zu", i);
		drop(c);
	}
}

static const struct {
	const char *query, *text;
} pages[] = {
	{ "", "[0,1,2,3,4]" },
	{ "limit=0&offset=0", "[0,1,2,3,4]" },
	{ "limit=0&offset=3", "[0,1,2,3,4]" }, /* limit 0: all, as LINSTOR has it */
	{ "limit=2", "[0,1]" },
	{ "limit=2&offset=1", "[1,2]" },
	{ "limit=2&offset=4", "[4]" },
	{ "limit=2&offset=5", "[]" },
	{ "limit=9223372036854775807&offset=9223372036854775807", "[]" },
	{ "limit=-1", "[0,1,2,3,4]" },
	{ "limit=x&offset=1", "[0,1,2,3,4]" },
	{ "limit=99999999999999999999", "[0,1,2,3,4]" },
};

Test(call, pages)
{
	char url[128];

	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		json *list = json_object_new_array();
		struct api_call *c;

		snprintf(url, sizeof(url), "/x?%s", pages[i].query);
		c = make(url, "");
		for (int k = 0; k < 5; k++)
			json_object_array_add(list, json_object_new_int(k));
		call_reply_json(c, 200, call_query_page(c, list));
		cr_expect_str_eq(answer, pages[i].text, "row %zu: %s", i, answer);
	}
}

Test(call, long_lists_have_the_same_pages)
{
	char url[128];

	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		struct call_list list;
		struct api_call *c;

		snprintf(url, sizeof(url), "/x?%s", pages[i].query);
		c = make(url, "");
		call_list_init(&list, c);
		for (int k = 0; k < 5; k++)
			call_list_push(&list, json_object_new_int(k));
		call_list_reply(&list);
		cr_expect_str_eq(answer, pages[i].text, "row %zu: %s", i, answer);
		cr_expect_eq(status, 200);
	}
}

Test(call, a_list_that_is_too_long_is_refused_whole)
{
	struct call_list list;
	struct api_call *c = make("/x", "");
	static char text[1 << 20];

	memset(text, 'x', sizeof(text) - 1);
	call_list_init(&list, c);
	for (int i = 0; i < 70; i++)
		call_list_push(&list, json_object_new_string(text));
	cr_expect(list.full);
	call_list_reply(&list);
	cr_expect_eq(status, 500);
	cr_expect(strstr(answer, "limit and offset"), "%s", answer);
}

Test(call, answers_are_counted_by_code)
{
	struct buf out;

	memset(&api.counts, 0, sizeof(api.counts));
	for (int code = 200; code < 200 + API_CODES_MAX + 8; code++) {
		struct api_call *c = make("/x", "");

		call_reply(c, code, "", 0);
	}
	buf_init(&out, 1 << 20);
	api_counts_write(&api.counts, &out);
	cr_expect(strstr((char *)out.data, "{class=\"other\",code=\"230\"} 1\n"), "%s",
		  (char *)out.data);
	cr_expect(!strstr((char *)out.data, "code=\"231\""), "there are more than have room");
	cr_expect(strstr((char *)out.data, "{class=\"other\",code=\"0\"} 9\n"), "%s",
		  (char *)out.data);
	buf_release(&out);
}

Test(call, bodies_that_are_no_objects)
{
	static const char *const bodies[] = { "[]", "7", "\"x\"", "true" };
	struct api_call *c;

	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		c = make("/x", bodies[i]);
		cr_expect_null(call_object(c));
		cr_expect_eq(status, 400);
		cr_expect(strstr(answer, "-3458764513820540931"), "%s", answer);
	}
	c = make("/x", "");
	cr_expect_not_null(call_object(c), "an empty body is an empty object");
	drop(c);
}

Test(call, field_types)
{
	static const char text[] = "{\"s\":\"x\",\"n\":1,\"z\":null,\"a\":[],\"o\":{}}";
	json *o = NULL;
	struct err err = { 0 };

	cr_assert_eq(json_parse(text, strlen(text), &o, NULL), 0);
	cr_expect_eq(call_check_type(o, "s", json_type_string, &err), 0);
	cr_expect_eq(call_check_type(o, "z", json_type_string, &err), 0, "null is not given");
	cr_expect_eq(call_check_type(o, "missing", json_type_string, &err), 0);
	cr_expect_eq(call_check_type(o, "n", json_type_string, &err), -E_INVALID);
	cr_expect(strstr(err.text, "field n must be string, not int"), "%s", err.text);
	cr_expect_eq(call_check_type(o, "a", json_type_object, &err), -E_INVALID);
	cr_expect_eq(call_check_type(o, "o", json_type_array, &err), -E_INVALID);
	json_object_put(o);
}

Test(call, refusals)
{
	struct err err;
	struct api_call *c = make("/x", "");

	err_set(&err, -E_NOT_FOUND, "no such thing");
	call_fail_object(c, RC_RSC_DFN, -E_NOT_FOUND, &err);
	cr_expect_eq(status, 404);
	cr_expect(strstr(answer, "no such thing") && strstr(answer, "correction"), "%s", answer);
	c = make("/x", "");
	c->error_status = 409;
	call_fail_object(c, RC_NODE, -E_EXISTS, NULL);
	cr_expect_eq(status, 409, "join speaks plain HTTP");
	c = make("/x", "");
	call_moved(c, CALL_MOVED_MAYBE);
	cr_expect_eq(status, 503);
	cr_expect_eq(moved, CALL_MOVED_MAYBE);
	cr_expect_null(api.calls);
}
