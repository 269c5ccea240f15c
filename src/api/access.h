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
	char author[CALL_AUTHOR_MAX]; /* for the history */
	struct err why;
};

/* open: of a plain listener on loopback, where nothing needs to be shown unless the cluster says
 * so. What is shown must be valid there, too. Looks into this node's store only. */
void access_admit(struct api *a, const struct http_request *r, bool open, struct admission *ret);

#endif
