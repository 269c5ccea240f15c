/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * access.h - who a request over TCP comes from, and whether he is let in. Called by
 * api.c before anything else is looked at.
 */
#ifndef SDSD_API_ACCESS_H
#define SDSD_API_ACCESS_H

#include "api/call.h"
#include "net/http.h"

#define ACCESS_STRANGER_BODY_MAX (64u << 10) /* of a request that will be answered 401 */

struct admission {
	int status;                   /* 0: come in; 401 or 403: why says it */
	unsigned number;              /* of the refusal's ret_code */
	bool read_only;               /* only what changes nothing */
	bool guest;                   /* nothing was shown, nor needed */
	bool unknown;                 /* what was shown is, in this node's store, nothing */
	char author[CALL_AUTHOR_MAX]; /* for the history */
	struct err why;
};

/* open: of a plain listener on loopback, where nothing needs to be shown unless the cluster says
 * so. What is shown must be valid there, too. Looks into this node's store only. */
void access_admit(struct api *a, const struct http_request *r, bool open, struct admission *ret);

/* What was shown may have been made on another node a moment ago, so its store is asked for once
 * more when it holds what the leader has. true: admitted is called once, later, with what it says
 * then, unless the api ends before; false: this is not to be (the node leads, too many wait), the
 * answer is the one that m has. r: until it is answered. (access_wait.c) */
#define ACCESS_WAITING_MAX 64  /* requests; those of more strangers are refused at once */
#define ACCESS_ASK_EVERY_MS 50 /* the leader is asked no more often, whatever strangers try */
#define ACCESS_WAIT_MS 2000    /* for the leader's answer, and for the store to get there */
typedef void (*access_admitted)(struct api_call *c, const struct admission *m);
bool access_wait(struct api_call *c, const struct http_request *r, bool open,
		 const struct admission *m, access_admitted admitted);

#endif
