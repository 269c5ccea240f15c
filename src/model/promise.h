/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * promise.h - how much is placed in each pool: document "promise/<node>/<pool>"
 * {"kib","extra_kib","replicas"}. Read and written by every placement in the pool, so that
 * two of them conflict instead of filling the same space twice.
 */
#ifndef SDSD_MODEL_PROMISE_H
#define SDSD_MODEL_PROMISE_H

#include "store/txn.h"

struct promise {
	int64_t kib;       /* volumes */
	int64_t extra_kib; /* their metadata and headers; a copy that an older version has placed is
			    * without */
	int64_t replicas;
};

void promise_key(const char *node, const char *pool, char *out, size_t len);
/* without noting it in a transaction; missing: zeros */
int promise_peek(struct store *s, const char *node, const char *pool, struct promise *ret);
/* the same, noted */
int promise_read(struct txn *t, struct store *s, const char *node, const char *pool,
		 struct promise *ret);
/* more: may be negative. Adds to what the transaction has added already. */
int promise_add(struct txn *t, struct store *s, const char *node, const char *pool,
		const struct promise *more);

#endif
