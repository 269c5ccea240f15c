/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * err.h - the one error idiom. Functions return 0 or a negative code: an errno
 * or one of ours from E_FIRST on. What a user can cause also fills a
 * struct err with a sentence that says what, why and what to do.
 */
#ifndef SDSD_BASE_ERR_H
#define SDSD_BASE_ERR_H

#include <stddef.h>

#define ERR_TEXT_MAX 512

enum {
	E_FIRST = 5001,
	E_NOT_LEADER = 5001, /* ask the leader instead */
	E_NO_LEADER,         /* there is none now; try again */
	E_CONFLICT,          /* the read set of a transaction is stale; decide anew */
	E_UNKNOWN,           /* the outcome is not known; ask again with the same request id */
	E_CORRUPT,           /* a file or message is damaged */
	E_NOT_FOUND,         /* the object named by the request is missing */
	E_EXISTS,            /* an object of this name exists */
	E_INVALID,           /* a field is outside its rules */
	E_BAD_PROP,          /* a property is */
	E_IN_USE,            /* the object is open or referred to */
	E_BAD_LAYERS,        /* layers that we do not have, or not of that object */
	E_NO_NODES,          /* placement found too few nodes */
	E_LOCKED,            /* encrypted, and the master key is not open */
	E_DENIED,            /* not authenticated, or a token is wrong, used or expired */
	E_LAST
};

/* text is always a terminated string; "" while code is 0 */
struct err {
	int code; /* 0 or negative */
	char text[ERR_TEXT_MAX];
};

/* Fills err (which may be NULL) and returns code, so that a caller can
 * "return err_set(err, -ENOSPC, ...)". code must be negative. */
int err_set(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Puts "<prefix>: " before the present text; returns err->code (-EINVAL without an err: a
 * failure must not turn into success). */
int err_prefix(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A short static text for any code, ours or errno's; thread safe. */
const char *err_name(int code);

#endif
