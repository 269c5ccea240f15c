// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_router.c - paths to operations (api/router.c) and the table itself
 * (api/routes.c): every pattern finds its own row, no two rows are the same.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/handlers.h"
#include "support/leaks.h"

TestSuite(router, .fini = test_no_leaks);

static int find(const char *method, const char *path, struct route_match *m)
{
	return router_find(api_routes, api_routes_count(), method, path, m);
}

Test(router, paths_and_methods)
{
	static const struct {
		const char *method, *path;
		int rv;
		void (*handler)(struct api_call *);
		int n;
		const char *arg0, *arg1;
	} rows[] = {
		{ "GET", "/v1/controller/version", 0, version_get, 0, NULL, NULL },
		{ "GET", "/health", 0, health_get, 0, NULL, NULL },
		{ "HEAD", "/health", 0, health_get, 0, NULL, NULL },
		{ "GET", "/v1/nodes", 0, nodes_list, 0, NULL, NULL },
		{ "GET", "/v1/nodes/", 0, nodes_list, 0, NULL, NULL },
		{ "GET", "//v1//nodes", 0, nodes_list, 0, NULL, NULL },
		{ "GET", "/v1/nodes/n1", 0, nodes_get, 1, "n1", NULL },
		{ "DELETE", "/v1/nodes/n%31", 0, nodes_delete, 1, "n1", NULL },
		{ "GET", "/v1/nodes/a%2Fb", 0, nodes_get, 1, "a/b", NULL },
		{ "DELETE", "/v1/nodes/n1/storage-pools/ssd", 0, pools_delete, 2, "n1", "ssd" },
		{ "POST", "/v1/resource-definitions/r/resources/n/make-available", 0,
		  replicas_available, 2, "r", "n" },
		{ "POST", "/v1/resource-definitions/r/resources", 0, replicas_create_many, 1, "r",
		  NULL },
		{ "POST", "/v1/resource-groups/g/spawn", 0, groups_spawn, 1, "g", NULL },
		{ "GET", "/v1/view/resources", 0, replicas_view, 0, NULL, NULL },
		{ "GET", "/v1/resource-definitions/\xc3\xa4", 0, definitions_get, 1, "\xc3\xa4",
		  NULL },
		{ "PATCH", "/v1/nodes", -EOPNOTSUPP, NULL, 0, NULL, NULL },
		{ "GET", "/v1/resource-groups/g/spawn", -EOPNOTSUPP, NULL, 0, NULL, NULL },
		{ "GET", "/v1/Nodes", -ENOENT, NULL, 0, NULL, NULL },
		{ "GET", "/v2/nodes", -ENOENT, NULL, 0, NULL, NULL },
		{ "GET", "/", 0, root_get, 0, NULL, NULL },
		{ "DELETE", "/v1/controller/properties/k", 0, controller_delete, 1, "k", NULL },
		{ "DELETE", "/v1/controller/properties/a/b%2Fc/d%20e", 0, controller_delete, 1,
		  "a/b/c/d e", NULL },
		{ "DELETE", "/v1/controller/properties/", -EOPNOTSUPP, NULL, 0, NULL, NULL },
		{ "GET", "/v1/nodes/n1/x/y/z", -ENOENT, NULL, 0, NULL, NULL },
		{ "GET", "/a/b/c/d/e/f/g/h/i/j/k/l/m/n", -ENOENT, NULL, 0, NULL, NULL },
		{ "GET", "/v1/nodes/%zz", -E_INVALID, NULL, 0, NULL, NULL },
		{ "GET", "/v1/nodes/a%00b", -E_INVALID, NULL, 0, NULL, NULL },
		{ "GET", "/v1/nodes/a%", -E_INVALID, NULL, 0, NULL, NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct route_match m = { 0 };
		int rv = find(rows[i].method, rows[i].path, &m);

		cr_expect_eq(rv, rows[i].rv, "%s %s: %d", rows[i].method, rows[i].path, rv);
		if (rv < 0)
			continue;
		cr_expect_eq(m.route->handler, rows[i].handler, "%s", rows[i].path);
		cr_expect_eq(m.n_args, rows[i].n, "%s", rows[i].path);
		cr_expect(!rows[i].arg0 || strcmp(m.arg[0], rows[i].arg0) == 0, "%s", rows[i].path);
		cr_expect(!rows[i].arg1 || strcmp(m.arg[1], rows[i].arg1) == 0, "%s", rows[i].path);
	}
}

Test(router, elements_have_a_size)
{
	char path[1024] = "/v1/nodes/";
	struct route_match m;
	size_t at = strlen(path);

	memset(path + at, 'a', ROUTER_ARG_MAX - 1);
	path[at + ROUTER_ARG_MAX - 1] = '\0';
	cr_expect_eq(find("GET", path, &m), 0);
	cr_expect_eq(strlen(m.arg[0]), ROUTER_ARG_MAX - 1);
	path[at + ROUTER_ARG_MAX - 1] = 'a';
	path[at + ROUTER_ARG_MAX] = '\0';
	cr_expect_eq(find("GET", path, &m), -ENAMETOOLONG);
}

Test(router, every_row_is_found_by_its_own_pattern)
{
	for (size_t i = 0; i < api_routes_count(); i++) {
		const struct route *r = &api_routes[i];
		struct route_match m;

		cr_assert_eq(find(r->method, r->pattern, &m), 0, "%s %s", r->method, r->pattern);
		cr_expect_eq(m.route, r, "%s %s is hidden by another row", r->method, r->pattern);
		cr_expect(r->who != 0 && r->handler != NULL);
	}
}

Test(router, what_only_nodes_may_ask)
{
	static const char *const paths[] = { "/v1/sds/report",        "/v1/sds/record-read",
					     "/v1/sds/record-cas",    "/v1/sds/replica-created",
					     "/v1/sds/leftover-done", "/v1/sds/replica-failed" };
	struct route_match m;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		cr_assert_eq(find("POST", paths[i], &m), 0);
		cr_expect_eq(m.route->who, WHO_NODE, "%s", paths[i]);
	}
	cr_assert_eq(find("POST", "/v1/sds/join", &m), 0);
	cr_expect_eq(m.route->who, WHO_JOIN);
	for (size_t i = 0; i < api_routes_count(); i++)
		cr_expect(&api_routes[i] == m.route || !(api_routes[i].who & WHO_JOIN),
			  "%s is open to newcomers", api_routes[i].pattern);
}

Test(router, methods_of_a_path)
{
	static const struct {
		const char *path;
		unsigned who;
		const char *methods;
	} rows[] = {
		{ "/health", WHO_USER, "GET, HEAD, OPTIONS" },
		{ "/", WHO_USER, "GET, HEAD, OPTIONS" },
		{ "/v1/encryption/passphrase", WHO_USER, "GET, HEAD, POST, PUT, PATCH, OPTIONS" },
		{ "/v1/sds/report", WHO_USER, "" },
		{ "/v1/sds/report", WHO_NODE, "POST, OPTIONS" },
		{ "/v1/sds/access/tokens/x", WHO_USER, "DELETE, OPTIONS" },
		{ "/v1/sds/access/tokens/x", WHO_GUEST, "" },
		{ "/v1/sds/tokens", WHO_USER, "GET, HEAD, POST, OPTIONS" },
		{ "/v1/sds/tokens", WHO_GUEST, "GET, HEAD, OPTIONS" },
		{ "/v1/nothing", WHO_USER, "" },
		{ "/a/b/c/d/e/f/g/h/i/j/k/l/m", WHO_USER, "" },
	};
	char text[CALL_ALLOW_MAX];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		router_methods(api_routes, api_routes_count(), rows[i].path, rows[i].who, text,
			       sizeof(text));
		cr_expect_str_eq(text, rows[i].methods, "%s: %s", rows[i].path, text);
	}
}
