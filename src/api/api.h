/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * api.h - the HTTP API: routes, the LINSTOR REST v1 shapes, our additions under
 * /v1/sds/. Every node serves it; what needs the leader is carried there (leader.h).
 */
#ifndef SDSD_API_API_H
#define SDSD_API_API_H

#include <uv.h>

#include "model/observed.h"
#include "net/http.h"
#include "raft/consensus.h"
#include "raft/members.h"
#include "store/store.h"

struct vault;

struct api_config { /* all borrowed for the life of the api */
	uv_loop_t *loop;
	struct store *store;
	struct consensus *consensus;
	struct tls *tls;
	const char *node; /* this node's name */
	uint32_t node_id;
	const char *version;
	/* Signs a newcomer's request (cluster/join.c); the api does not know certificates. Fills
	 * ret_cert_pem; reads ca/self through the store. */
	int (*sign)(const char *csr_pem, const char *node, uint32_t node_id,
		    struct buf *ret_cert_pem, char ret_fingerprint[65], struct err *err, void *arg);
	/* Signs a user's request for so many days; ret_ca_pem: what he checks the nodes by */
	int (*sign_user)(const char *csr_pem, const char *name, int days, struct buf *ret_cert_pem,
			 struct buf *ret_ca_pem, char ret_fingerprint[65], struct err *err,
			 void *arg);
	/* adds to the join answer what the newcomer needs beside its certificate */
	int (*join_extra)(json *answer, struct err *err, void *arg);
	struct vault *vault; /* the master key of encrypted volumes */
	/* join token text for (id, secret): "sds1-..." */
	void (*token_text)(const char *id, const char *secret, char *out, size_t len, void *arg);
	void *arg;
};

/* What the node does for the leader at a moment: agent.h's functions, which daemon.c hands in.
 * Each calls back once, later. */
struct api_node_ops {
	/* slots: mask of those in sync while writes are held; epoch: of then */
	void (*freeze)(const char *resource, uint64_t token, int deadline_ms,
		       void (*cb)(int status, const struct err *err, uint32_t slots, uint32_t epoch,
				  void *arg),
		       void *cb_arg, void *arg);
	/* 0: writes were held without a gap until now */
	void (*thaw)(const char *resource, uint64_t token,
		     void (*cb)(int status, const struct err *err, void *arg), void *cb_arg,
		     void *arg);
	/* -E_NOT_FOUND: the store does not say (yet) that it is being taken here */
	void (*snapshot)(const char *resource, const char *name, const char *uuid,
			 void (*cb)(int status, const struct err *err, void *arg), void *cb_arg,
			 void *arg);
	/* of the copy here: a CRC for each region of 64 KiB of a stretch */
	void (*checksum)(const char *resource, const char *volume, uint64_t off, uint64_t len,
			 void (*cb)(int status, const struct err *err, const uint32_t *crc, int n,
				    void *arg),
			 void *cb_arg, void *arg);
	/* what there is of pools and copies here, whole, as a report of model/observed.h, and what
	 * clients have read and written ("io"); the caller owns it */
	json *(*report)(void *arg);
	/* whether a device that somebody else has made may become a volume, and where it is */
	void (*adoptable)(const char *device,
			  void (*cb)(int status, const struct err *err, const char *pool,
				     const char *name, uint64_t size_bytes, void *arg),
			  void *cb_arg, void *arg);
};

struct api;
int api_new(const struct api_config *config, struct api **ret, struct err *err);
void api_free(struct api *a);
/* http_handler for the unix socket, the node port (ALPN_HTTP) and ALPN_JOIN (join only) */
void api_handle_local(struct http_request *r, void *api);
void api_handle_node(struct http_request *r, void *api);
/* of a TCP listener. open: it is plain and on loopback, where nothing must be shown unless the
 * cluster says so */
void api_handle_user(struct http_request *r, struct api *a, bool open);
/* http_options.body_max of such a listener */
size_t api_body_max(const struct http_request *r, struct api *a, bool open);
void api_handle_join(struct http_request *r, void *api);
/* ops NULL: it does not any more; calls under way are still answered */
void api_set_node(struct api *a, const struct api_node_ops *ops, void *arg);
/* What "local" tells of this node's listeners: a list, taken. */
void api_set_listeners(struct api *a, json *list);
struct leader *api_leader(struct api *a);
struct observed *api_observed(struct api *a);
/* what the leader has answered to a report of this node; doc may be NULL */
void api_heard(struct api *a, json *doc);
/* hold: who is a server of consensus stays as it is, whatever the definitions say */
void api_hold_members(struct api *a, bool hold);
/* from consensus_config.on_leader: clears or starts the leader's work (observed, members) */
void api_on_leader(struct api *a, bool is_leader);

#endif
