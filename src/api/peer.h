/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * peer.h - "ask that node": a request to one node of the cluster, which answers it itself. Once,
 * without repetition: what has to be done at a moment is of no use later.
 */
#ifndef SDSD_API_PEER_H
#define SDSD_API_PEER_H

#include "api/state.h"

#define PEER_CALLS_MAX 512       /* under way; more are not reached */
#define PEER_IDLE_MAX 16         /* connections kept for the next call */
#define PEER_FULL_EVERY_MS 10000 /* it is logged not more often that there are too many calls */

/* http: 0 when the node did not answer; doc: the body parsed, NULL when it is no JSON; borrowed */
typedef void (*peer_cb)(int http, json *doc, void *arg);

/* body: borrowed, may be NULL. cb once, later; with http 0 at the latest after deadline_ms and
 * when the api ends. */
void peer_call(struct api *a, const char *node, const char *method, const char *path, json *body,
	       int deadline_ms, peer_cb cb, void *arg);
void peer_abandon(struct api *a);

#endif
