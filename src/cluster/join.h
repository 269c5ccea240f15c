/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * join.h - makes this machine a member of an existing cluster: key and request
 * here, certificate from the leader through any node, over TLS whose far end is
 * proven by the CA fingerprint in the token. Called by the CLI, never while a
 * daemon runs on the directory. The wire, over ALPN_JOIN:
 * POST /v1/sds/join
 *   {"token_id":"<8 hex>","token_secret":"<32 hex>","node":"n2","uuid":"<node uuid>",
 *    "address":"10.0.0.2","port":7700,"csr_pem":"-----BEGIN..."}
 * 200 {"cluster":"<uuid>","cluster_name":"default","node":"n2","node_id":2,"cert_pem":"...",
 *      "ca_pem":"...","cluster_key":"<64 hex>"}     (the last two from authority_join_extra)
 * 401/403 the token is refused (final), 409 the name is taken (final), 503/504 again.
 */
#ifndef SDSD_CLUSTER_JOIN_H
#define SDSD_CLUSTER_JOIN_H

#include <stdbool.h>

#include "cluster/identity.h"

#define JOIN_WAIT_DEFAULT_S 30
#define JOIN_WAIT_MAX_S 86400

struct join_options {
	const char *dir;
	const char *peer;    /* "HOST[:PORT]" of any node */
	const char *token;   /* text, see token.h */
	const char *node;    /* NULL: the host name */
	const char *address; /* "IP[:PORT]"; NULL: found, port NODE_PORT_DEFAULT */
	int wait_s;          /* how long an unreachable peer is tried; 0: once */
};

/* 0 with *ret_already true when the directory is a member of the token's cluster already. */
int join_cluster(const struct join_options *o, struct identity *ret, bool *ret_already,
		 struct err *err);

#endif
