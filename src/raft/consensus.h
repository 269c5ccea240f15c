/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * consensus.h - agreement on transactions: canonical/raft with its log in
 * <dir>/raft, our TLS transport, and the store as its state machine. Runs on
 * the main loop. The only folder that includes <raft.h>. docs/raft.md
 */
#ifndef SDSD_RAFT_CONSENSUS_H
#define SDSD_RAFT_CONSENSUS_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "net/conn.h"
#include "store/txn.h"

#define CONSENSUS_VOTERS_MAX 5
#define CONSENSUS_SERVERS_MAX 256
#define CONSENSUS_ADDRESS_MAX 128
#define CONSENSUS_INFLIGHT_MAX 512 /* proposals waiting for their answer; more get -EBUSY */

enum consensus_role { CONSENSUS_SPARE, CONSENSUS_STANDBY, CONSENSUS_VOTER };

struct consensus_server {
	uint32_t id;
	enum consensus_role role;
	char address[CONSENSUS_ADDRESS_MAX]; /* "host:port" */
};

struct consensus_config {
	uv_loop_t *loop;
	const char *dir;     /* state directory; <dir>/raft is made below */
	uint32_t id;         /* this node, > 0 */
	const char *address; /* "host:port" of the node port, as others reach it */
	struct tls *tls;     /* borrowed */
	struct store *store; /* borrowed */
	unsigned election_timeout_ms, heartbeat_ms; /* 0: 600 and 100 */
	/* leadership began (after a barrier: the store holds all that was committed) or ended */
	void (*on_leader)(bool is_leader, void *arg);
	/* final failure of the instance (disk full, I/O error, corrupt log found while running):
	 * nothing more will be accepted; the process should end with this message */
	void (*on_fatal)(const struct err *why, void *arg);
	void *arg;
};

struct consensus;

/* "10.0.0.1:7700", "[fd00::1]:7700": how a node is named to the others */
void consensus_address(const char *host, int port, char out[CONSENSUS_ADDRESS_MAX]);
/* Writes the first configuration (this node alone, voter) into an empty dir. -E_EXISTS when the
 * dir has a log. Called by sdsd init; not while running. */
int consensus_bootstrap(const char *dir, uint32_t id, const char *address, struct err *err);
/* Makes this node the only server of the log in dir, which keeps all its entries: for who has lost
 * the majority for ever. Not while running. Whoever else has that log must be kept out from then
 * on, since he may have entries that this one lacks. -E_CORRUPT */
int consensus_recover(const char *dir, uint32_t id, const char *address, struct err *err);
/* Starts. -E_CORRUPT with the file when a segment or snapshot is damaged. */
int consensus_start(const struct consensus_config *config, struct consensus **ret, struct err *err);
/* Ends; closed is called on the loop, then everything is freed. Requests that are still pending are
 * answered before: -ECANCELED, or -E_UNKNOWN when the proposal was on its way. The store must stay
 * open until closed. After a failed consensus_start the loop must still be run for it to end. */
void consensus_stop(struct consensus *c, void (*closed)(void *arg), void *arg);

/* A conn of ALPN_RAFT that the node port accepted; taken. */
void consensus_accept(struct consensus *c, struct conn *conn);

/* Proposes an encoded transaction on the leader. cb exactly once, later:
 *   0              *result holds the outcome as the state machine saw it
 *   -E_NOT_LEADER  not accepted, certainly not executed
 *   -E_UNKNOWN     leadership was lost in the middle: executed or not; retry with the request id
 *   -EBUSY, -EMSGSIZE, -ENOSPC, -ECANCELED not executed
 * On 0 the local store has applied it. data is copied. Callbacks never run inside of the call (but
 * for -ENOMEM), nor inside of a store watch; asking again from a callback is fine. */
typedef void (*consensus_cb)(int status, const struct txn_result *result, void *arg);
void consensus_propose(struct consensus *c, const void *data, size_t len, consensus_cb cb,
		       void *arg);
/* cb(0) when this node is still leader and its store holds everything committed before the call:
 * after it a read of the local store is linearizable. Concurrent calls share one barrier. */
void consensus_barrier(struct consensus *c, void (*cb)(int status, void *arg), void *arg);

bool consensus_is_leader(const struct consensus *c); /* and ready (barrier done) */
/* 0 when none is known; address copied to out (may be NULL) */
uint32_t consensus_leader(const struct consensus *c, char out[CONSENSUS_ADDRESS_MAX]);
/* the present configuration; returns the count, at most max are filled */
int consensus_servers(const struct consensus *c, struct consensus_server *out, int max);
uint64_t consensus_log_bytes(const struct consensus *c); /* of its files: log, snapshots */
uint64_t consensus_term(const struct consensus *c);

/* Membership, on the leader, one change at a time (-EBUSY while another is under way).
 * members.c drives these toward the wanted set. Having the role already is success. A promotion
 * that does not catch up, and a transfer that does not happen: -ETIMEDOUT. */
void consensus_add(struct consensus *c, uint32_t id, const char *address,
		   void (*cb)(int status, void *arg), void *arg);
void consensus_assign(struct consensus *c, uint32_t id, enum consensus_role role,
		      void (*cb)(int status, void *arg), void *arg);
void consensus_remove(struct consensus *c, uint32_t id, void (*cb)(int status, void *arg),
		      void *arg);
void consensus_transfer(struct consensus *c, uint32_t id, void (*cb)(int status, void *arg),
			void *arg);

#endif
