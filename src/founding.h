/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * founding.h - the first transaction of a cluster: what sdsd init wrote to
 * init.json goes into the store when the first node has become leader. And the
 * first one after sdsd recover: recover.json.
 */
#ifndef SDSD_FOUNDING_H
#define SDSD_FOUNDING_H

#include <uv.h>

#include "model/observed.h"
#include "raft/consensus.h"

struct founding_config {
	uv_loop_t *loop;
	const char *dir;             /* state directory */
	struct store *store;         /* borrowed, as the next two */
	struct consensus *consensus; /* started */
	struct observed *observed;
	void (*recovered)(void *arg); /* recover.json is in the store */
	void *arg;
};

struct founding;
/* *ret is NULL when there is no such file, which is the rule. -E_CORRUPT; -E_INVALID: a recovery
 * was interrupted */
int founding_new(const struct founding_config *config, struct founding **ret, struct err *err);
/* A recovery is not in the store yet: until it is, no other node may come in, nor become a member.
 * NULL is fine: false */
bool founding_bars_others(const struct founding *f);
void founding_free(struct founding *f); /* NULL is fine; run the loop after it */
/* this node leads: proposes, again and again until it is committed or leadership ends */
void founding_propose(struct founding *f);

/* Is the bearer of a valid certificate a node of the cluster, as far as this store knows? UNKNOWN:
 * newer than this store, which may lag behind or be a newcomer's: it must take the leader's
 * connection to learn of the leader. NO: removed, barred, or a certificate that the cluster did
 * not give. */
enum membership { MEMBERSHIP_NO, MEMBERSHIP_UNKNOWN, MEMBERSHIP_YES };
enum membership membership_find(struct store *store, const char *node, uint32_t node_id,
				const char *fingerprint);

#endif
