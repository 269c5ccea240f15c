/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * leader.h - "ask the leader": carries a request to whoever leads now, retrying
 * by request id through leader changes until a deadline. Used by the follower's
 * reverse proxy, by the agent and by the data plane's record hooks.
 */
#ifndef SDSD_API_LEADER_H
#define SDSD_API_LEADER_H

#include "api/api.h"

struct leader;

struct leader_answer {
	int status; /* HTTP; 503: no leader was found in time, 504: the outcome is unknown */
	const struct buf *body;
	struct buf *give;  /* the same; its memory may be taken. NULL: it may not */
	json *doc;         /* the body parsed, NULL when it is no JSON; borrowed */
	uint64_t revision; /* X-Revision: what a reader of the own store should wait for; 0 none */
	bool reached;      /* a leader gave this answer; else it was made here */
};
typedef void (*leader_cb)(const struct leader_answer *a, void *arg);

struct leader *leader_new(struct api *api);
void leader_free(struct leader *l); /* pending calls get status 503 */
/* body copied, may be NULL. request_id NULL: a fresh one is made (also makes retries safe). cb
 * exactly once, later. */
void leader_call(struct leader *l, const char *method, const char *path_and_query, const char *body,
		 const char *request_id, int deadline_ms, leader_cb cb, void *arg);

#define LEADER_CALLS_USERS 3072 /* of these for users: they must not shut out nodes */
#define LEADER_CALLS_MAX 4096   /* waiting or under way; more get 503 at once */
#define LEADER_CLIENTS_USERS 12 /* of these for users: slow creations must not hold up nodes */
#define LEADER_CLIENTS_MAX 16   /* connections to leaders; one request under way on each */
#define LEADER_RETRY_MS 100
#define LEADER_SEARCH_MS 8000       /* without a leader: then 503, long before a long deadline */
#define LEADER_SEARCH_LEAST_MS 1000 /* also when it has been gone for long */
#define LEADER_SEARCH_READ_MS 2500  /* for GET */

/* On whose behalf: travels to the leader, which trusts it because it comes from a node. */
struct leader_request {
	const char *method, *url, *body; /* body may be NULL */
	size_t body_len;
	const char *id;     /* NULL: a fresh one */
	const char *author; /* "unix" */
	unsigned who;       /* WHO_ of router.h */
	int deadline_ms;
};
void leader_carry(struct leader *l, const struct leader_request *r, leader_cb cb, void *arg);
/* retries what is due, gives up what is late; the api's timer calls it */
void leader_tick(struct leader *l);
bool leader_is_idle(const struct leader *l);

#endif
