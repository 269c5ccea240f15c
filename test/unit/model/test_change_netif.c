// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_change_netif.c - further addresses of a node (model/change_netif.c, netif.c).
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "model/netif.h"
#include "support/modelworld.h"

TestSuite(change_netif);

#define GOOD "{\"name\":\"data\",\"address\":\"10.9.0.1\"}"

static int add(struct world *w, const char *node, const char *text)
{
	json *body = world_json(text);
	int rv = WORLD(w, change_netif_create, node, body);

	json_object_put(body);
	return rv;
}

static int modify(struct world *w, const char *name, const char *text)
{
	json *body = world_json(text);
	int rv = WORLD(w, change_netif_modify, "n1", name, body);

	json_object_put(body);
	return rv;
}

static void has(struct world *w, const char *want)
{
	json *doc = world_doc(w, "node/n1"), *nic, *list = jget(doc, "net_interfaces");
	char text[512] = "";

	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		size_t used = strlen(text);

		nic = json_object_array_get_idx(list, i);
		snprintf(text + used, sizeof(text) - used, "%s%s=%s:%lld/%s", used ? " " : "",
			 jget_str(nic, "name", ""), jget_str(nic, "address", ""),
			 (long long)jget_i64_or(nic, "satellite_port", 0),
			 jget_str(nic, "satellite_encryption_type", ""));
		cr_expect_eq(strlen(jget_str(nic, "uuid", "")), 36);
	}
	cr_expect_str_eq(text, want);
	json_object_put(doc);
}

Test(change_netif, life)
{
	struct world w;

	world_start(&w);
	has(&w, "");
	cr_assert_eq(add(&w, "N1", GOOD), 0, "%s", w.err.text);
	cr_assert_eq(add(&w, "n1",
			 "{\"name\":\"v6_net\",\"address\":\"fd00::1\",\"satellite_port\":\"7\","
			 "\"satellite_encryption_type\":\"ssl\",\"is_active\":null}"),
		     0, "%s", w.err.text);
	has(&w, "data=10.9.0.1:3366/PLAIN v6_net=fd00::1:7/SSL");
	cr_expect_eq(add(&w, "n1", "{\"name\":\"DATA\",\"address\":\"10.9.0.1\"}"), -E_EXISTS);
	cr_expect_eq(modify(&w, "DATA", "{\"address\":\"10.9.0.2\"}"), 0);
	cr_expect_eq(modify(&w, "v6_net", "{\"satellite_port\":8}"), 0);
	cr_expect_eq(modify(&w, "v6_net", "{}"), 0);
	has(&w, "data=10.9.0.2:3366/PLAIN v6_net=fd00::1:8/SSL");
	cr_expect_eq(WORLD(&w, change_netif_delete, "n1", "Data"), 0);
	has(&w, "v6_net=fd00::1:8/SSL");
	cr_expect_eq(WORLD(&w, change_netif_delete, "n1", "data"), -E_NOT_FOUND);
	cr_expect_eq(WORLD(&w, change_netif_delete, "n9", "data"), -E_NOT_FOUND);
	cr_expect_eq(modify(&w, "data", "{}"), -E_NOT_FOUND);
	cr_expect_eq(add(&w, "n9", GOOD), -E_NOT_FOUND);
	world_close(&w);
}

/* a node is known by it: certificates, consensus */
Test(change_netif, its_own_address_stays)
{
	struct world w;
	char same[128];
	struct node n;
	json *doc;

	world_start(&w);
	doc = world_doc(&w, "node/n1");
	cr_assert_eq(node_parse(doc, &n, NULL), 0);
	json_object_put(doc);
	snprintf(same, sizeof(same), "{\"address\":\"%s\",\"satellite_port\":%d}", n.address,
		 n.port);
	cr_expect_eq(modify(&w, "default", same), 0);
	cr_expect_eq(modify(&w, "Default", "{}"), 0);
	cr_expect_eq(modify(&w, "default", "{\"address\":\"10.9.0.1\"}"), -E_INVALID);
	cr_expect(world_says(&w, "which it has joined with"), "%s", w.err.text);
	cr_expect_eq(modify(&w, "default", "{\"satellite_port\":1}"), -E_INVALID);
	cr_expect_eq(WORLD(&w, change_netif_delete, "n1", "DEFAULT"), -E_IN_USE);
	cr_expect_eq(add(&w, "n1", "{\"name\":\"Default\",\"address\":\"10.9.0.1\"}"), -E_EXISTS);
	has(&w, "");
	world_close(&w);
}

Test(change_netif, refused)
{
	static const struct {
		const char *field, *value; /* NULL: without it */
	} rows[] = {
		{ "name", NULL },
		{ "name", "\"ab\"" },
		{ "name", "\"a.b.c\"" },
		{ "name", "\"\u00fcber\"" },
		{ "name", "7" },
		{ "address", NULL },
		{ "address", "\"localhost\"" },
		{ "address", "\"10.0.0.256\"" },
		{ "address", "7" },
		{ "satellite_port", "0" },
		{ "satellite_port", "65536" },
		{ "satellite_port", "\"x\"" },
		{ "satellite_port", "[]" },
		{ "satellite_encryption_type", "\"rot13\"" },
		{ "satellite_encryption_type", "\"\"" },
	};
	struct world w;

	world_start(&w);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json *body = world_with(GOOD, rows[i].field, rows[i].value);

		cr_expect_eq(WORLD(&w, change_netif_create, "n1", body), -E_INVALID, "row %zu", i);
		json_object_put(body);
	}
	has(&w, "");
	cr_assert_eq(add(&w, "n1", GOOD), 0);
	cr_expect_eq(modify(&w, "data", "{\"address\":\"x\"}"), -E_INVALID);
	cr_expect_eq(modify(&w, "data", "{\"satellite_port\":-1}"), -E_INVALID);
	has(&w, "data=10.9.0.1:3366/PLAIN");
	world_close(&w);
}

Test(change_netif, limits)
{
	char text[128], name[NETIF_NAME_MAX_LEN + 2];
	struct world w;

	world_start(&w);
	memset(name, 'a', sizeof(name));
	name[NETIF_NAME_MAX_LEN + 1] = '\0';
	snprintf(text, sizeof(text), "{\"name\":\"%s\",\"address\":\"::1\"}", name);
	cr_expect_eq(add(&w, "n1", text), -E_INVALID);
	name[NETIF_NAME_MAX_LEN] = '\0';
	snprintf(text, sizeof(text), "{\"name\":\"%s\",\"address\":\"::1\"}", name);
	cr_expect_eq(add(&w, "n1", text), 0);
	for (int i = 2; i < NETIFS_MAX; i++) {
		snprintf(text, sizeof(text), "{\"name\":\"nic%d\",\"address\":\"::1\"}", i);
		cr_assert_eq(add(&w, "n1", text), 0, "%s", w.err.text);
	}
	cr_expect_eq(add(&w, "n1", GOOD), -E_INVALID);
	cr_expect(world_says(&w, "which is the limit"), "%s", w.err.text);
	world_close(&w);
}
