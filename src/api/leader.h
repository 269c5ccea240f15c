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
	int status;          /* HTTP status; 503 when no leader was found in time, 504 when the outcome is unknown */
	const struct buf *body;
	json *doc;           /* the body parsed, NULL when it is no JSON; borrowed */
};
typedef void (*leader_cb)(const struct leader_answer *a, void *arg);

struct leader *leader_new(struct api *api);
void leader_free(struct leader *l); /* pending calls get status 503 */
/* body copied, may be NULL. request_id NULL: a fresh one is made (also makes retries safe). cb exactly once, later. */
void leader_call(struct leader *l, const char *method, const char *path_and_query, const char *body,
		 const char *request_id, int deadline_ms, leader_cb cb, void *arg);

#endif
