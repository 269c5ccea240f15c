// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fsm.c - the Raft library's state machine on our store. Called by the library
 * only. The library does not say which entry it applies; docs/raft.md#index
 * tells why "the last applied one plus one" is exact.
 */
#include <raft.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "raft/instance.h"

#define SNAPSHOT_MAX (500u << 20) /* what the library accepts from another node */

static int fsm_apply(struct raft_fsm *fsm, const struct raft_buffer *buf)
{
	struct consensus *c = fsm->data;
	uint64_t index = raft_last_applied(&c->raft) + 1;
	struct err err = { 0 };
	int rv;

	if (c->fatal.code)
		return RAFT_IOERR; /* do not go on behind a failed entry */
	rv = store_apply(c->store, index, buf->base, buf->len, &c->last_result, &err);
	if (rv < 0) {
		consensus_fail(c, rv, "cannot apply a committed entry: %s", err.text);
		return RAFT_IOERR;
	}
	c->last_index = index;
	return 0;
}

/* On the loop: hold the state of this moment; the long part is fsm_snapshot_async */
static int fsm_snapshot(struct raft_fsm *fsm, struct raft_buffer *bufs[], unsigned *n_bufs)
{
	struct consensus *c = fsm->data;
	struct err err = { 0 };

	if (store_view_begin(c->store, &c->view, &err) < 0) {
		log_warn("raft", "no snapshot: %s", err.text);
		return RAFT_BUSY; /* the library tries again later */
	}
	*bufs = NULL;
	*n_bufs = 0;
	return 0;
}

/* On a thread of the pool */
static int fsm_snapshot_async(struct raft_fsm *fsm, struct raft_buffer *bufs[], unsigned *n_bufs)
{
	struct consensus *c = fsm->data;
	struct raft_buffer *only;
	struct err err = { 0 };
	struct buf b;

	buf_init(&b, SNAPSHOT_MAX);
	only = malloc(sizeof(*only));
	if (!only || store_view_write(c->view, &b, &err) < 0) {
		log_warn("raft", "no snapshot: %s", only ? err.text : "out of memory");
		free(only);
		buf_release(&b);
		return RAFT_IOERR;
	}
	only->base = b.data; /* given back in fsm_snapshot_finalize */
	only->len = b.len;
	*bufs = only;
	*n_bufs = 1;
	return 0;
}

static int fsm_snapshot_finalize(struct raft_fsm *fsm, struct raft_buffer bufs[], unsigned n_bufs)
{
	struct consensus *c = fsm->data;

	for (unsigned i = 0; i < n_bufs; i++)
		free(bufs[i].base);
	free(bufs);
	store_view_end(c->view);
	c->view = NULL;
	return 0;
}

static int fsm_restore(struct raft_fsm *fsm, struct raft_buffer *buf)
{
	struct consensus *c = fsm->data;
	struct err err = { 0 };
	uint64_t index;
	int rv;

	if (store_dump_index(buf->base, buf->len, &index) < 0) {
		consensus_fail(
			c, -E_CORRUPT,
			"the newest snapshot in %s is damaged; if other nodes hold the data, "
			"remove this node's state directory and join again",
			c->raft_dir);
		return RAFT_CORRUPT;
	}
	/* After a restart the store is usually ahead of the snapshot. What lies between them has
	 * been committed, so the store is right and the entries will be skipped. */
	if (index <= store_applied(c->store)) {
		log_debug("raft", "snapshot of %llu not restored, the store is at %llu",
			  (unsigned long long)index, (unsigned long long)store_applied(c->store));
	} else {
		rv = store_restore(c->store, buf->base, buf->len, &err);
		if (rv < 0) {
			consensus_fail(c, rv, "cannot restore a snapshot: %s", err.text);
			return RAFT_IOERR;
		}
		log_info("raft", "restored a snapshot, the store is at %llu",
			 (unsigned long long)index);
	}
	raft_free(buf->base); /* ours on success only */
	return 0;
}

void fsm_init(struct consensus *c)
{
	c->fsm = (struct raft_fsm){
		.version = 3,
		.data = c,
		.apply = fsm_apply,
		.snapshot = fsm_snapshot,
		.restore = fsm_restore,
		.snapshot_finalize = fsm_snapshot_finalize,
		.snapshot_async = fsm_snapshot_async,
	};
}
