/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * router.h - method and path -> handler. Pure: it matches, it calls nothing.
 */
#ifndef SDSD_API_ROUTER_H
#define SDSD_API_ROUTER_H

#include <stddef.h>
#include <stdint.h>

#define ROUTER_ARGS_MAX 4   /* "{}" and "{*}" elements of a pattern */
#define ROUTER_ARG_MAX 256  /* bytes of one decoded element, with the end */
#define ROUTER_PARTS_MAX 12 /* elements of a path */

struct api_call;

/* who may ask */
#define WHO_USER 1u  /* the unix socket; over TCP who has shown a token or certificate */
#define WHO_GUEST 8u /* a program on loopback that has shown nothing */
#define WHO_NODE 2u  /* a node for itself, by its certificate or inside its own process */
#define WHO_JOIN 4u  /* a newcomer, with nothing but a token */

enum route_place {
	PLACE_HERE,   /* every node answers from what it knows */
	PLACE_LEADER, /* only the leader; without one it is refused */
	PLACE_FRESH,  /* the leader after a barrier: a linearizable read; without one refused */
	PLACE_READ,   /* the leader after a barrier; without a leader this node's definitions */
};

struct route {
	const char *method;
	const char
		*pattern; /* "/v1/nodes/{}/storage-pools"; "{*}" at the end: one or more elements */
	unsigned who;
	enum route_place place;
	uint64_t op, object; /* RC_ parts, for refusals */
	void (*handler)(struct api_call *c);
};

struct route_match {
	const struct route *route;
	int n_args;
	char arg[ROUTER_ARGS_MAX][ROUTER_ARG_MAX]; /* percent-decoded */
};

/* 0; -ENOENT no such path; -EOPNOTSUPP the path has other methods; -ENAMETOOLONG; -E_INVALID a
 * bad escape. HEAD finds GET. Empty elements (a slash at the end, a double one) are passed over. */
int router_find(const struct route *routes, size_t n, const char *method, const char *path,
		struct route_match *ret);

/* The methods of a path for somebody (WHO_ bits), as an Allow header: "GET, HEAD, OPTIONS"; "" when
 * there is no such path. */
void router_methods(const struct route *routes, size_t n, const char *path, unsigned who, char *out,
		    size_t len);

/* routes.c: the table of this API */
extern const struct route api_routes[];
size_t api_routes_count(void);

#endif
