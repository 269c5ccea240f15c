// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * router.c - finds the route of a request. Called by api.c for each request; it
 * knows patterns, not handlers. To add an operation: one row in routes.c.
 */
#include "api/router.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "net/http.h"

struct part {
	const char *text;
	size_t len;
};

/* number of elements, or -ENAMETOOLONG */
static int split(const char *path, struct part *parts)
{
	int n = 0;

	while (*path) {
		size_t len = strcspn(path, "/");

		if (len > 0) {
			if (n == ROUTER_PARTS_MAX)
				return -ENAMETOOLONG;
			parts[n++] = (struct part){ path, len };
		}
		path += len;
		path += *path == '/';
	}
	return n;
}

static bool is_one(const struct part *p)
{
	return p->len == 2 && memcmp(p->text, "{}", 2) == 0;
}

static bool is_rest(const struct part *p)
{
	return p->len == 3 && memcmp(p->text, "{*}", 3) == 0;
}

static int pattern_matches(const char *pattern, const struct part *parts, int n)
{
	struct part want[ROUTER_PARTS_MAX];
	int n_want = split(pattern, want);
	bool rest = n_want > 0 && is_rest(&want[n_want - 1]);

	if (rest ? n < n_want : n != n_want)
		return 0;
	for (int i = 0; i < n_want; i++) {
		if (is_one(&want[i]) || is_rest(&want[i]))
			continue;
		if (want[i].len != parts[i].len ||
		    memcmp(want[i].text, parts[i].text, parts[i].len) != 0)
			return 0;
	}
	return 1;
}

static int take_args(const struct route *r, const struct part *parts, struct route_match *ret)
{
	struct part want[ROUTER_PARTS_MAX];
	int n = split(r->pattern, want);

	ret->n_args = 0;
	for (int i = 0; i < n; i++) {
		int rv;

		if (!is_one(&want[i]) && !is_rest(&want[i]))
			continue;
		if (ret->n_args == ROUTER_ARGS_MAX)
			return -ENAMETOOLONG;
		rv = http_unescape(parts[i].text,
				   is_rest(&want[i]) ? strlen(parts[i].text) : parts[i].len,
				   ret->arg[ret->n_args], ROUTER_ARG_MAX);
		if (rv < 0)
			return rv;
		ret->n_args++;
	}
	ret->route = r;
	return 0;
}

int router_find(const struct route *routes, size_t n, const char *method, const char *path,
		struct route_match *ret)
{
	struct part parts[ROUTER_PARTS_MAX];
	int n_parts = split(path, parts);
	bool path_known = false;

	if (n_parts < 0)
		return -ENOENT; /* longer than any path there is */
	if (strcmp(method, "HEAD") == 0)
		method = "GET";
	for (size_t i = 0; i < n; i++) {
		if (!pattern_matches(routes[i].pattern, parts, n_parts))
			continue;
		path_known = true;
		if (strcmp(routes[i].method, method) == 0)
			return take_args(&routes[i], parts, ret);
	}
	return path_known ? -EOPNOTSUPP : -ENOENT;
}

static bool has_method(const char *list, const char *method)
{
	size_t len = strlen(method);

	for (const char *p = strstr(list, method); p; p = strstr(p + len, method)) {
		if ((p == list || p[-1] == ' ') && (p[len] == ',' || !p[len]))
			return true;
	}
	return false;
}

static void add_method(char *out, size_t len, const char *method)
{
	size_t used = strlen(out);

	if (!has_method(out, method))
		snprintf(out + used, len - used, "%s%s", used > 0 ? ", " : "", method);
}

void router_methods(const struct route *routes, size_t n, const char *path, unsigned who, char *out,
		    size_t len)
{
	struct part parts[ROUTER_PARTS_MAX];
	int n_parts = split(path, parts);

	out[0] = '\0';
	for (size_t i = 0; i < n && n_parts >= 0; i++) {
		if (!(routes[i].who & who) || !pattern_matches(routes[i].pattern, parts, n_parts))
			continue;
		add_method(out, len, routes[i].method);
		if (strcmp(routes[i].method, "GET") == 0)
			add_method(out, len, "HEAD");
	}
	if (out[0])
		add_method(out, len, "OPTIONS");
}
