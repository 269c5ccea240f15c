/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * init.h - makes the first node of a new cluster in an empty state directory:
 * certificate authority, keys, identity, an empty Raft log and init.json, which
 * holds what the first transaction (change_cluster_init) puts into the store:
 * {"cluster":"<uuid>","name":"default",
 *  "ca_cert_pem":"-----BEGIN...","ca_key_sealed":"<hex, pki_seal>",
 *  "node":{as in model/node.h: "name","id":1,"uuid","address","port","fingerprint","joined_ms"},
 *  "token":{"id","secret_sha256","expires_ms"}}
 * Called by the command line, never while a daemon runs on the directory.
 */
#ifndef SDSD_CLUSTER_INIT_H
#define SDSD_CLUSTER_INIT_H

#include "cluster/identity.h"
#include "cluster/token.h"

#define INIT_JSON "init.json"
#define INIT_JSON_MAX (256u << 10)
#define INIT_NODE_ID 1

struct init_options {
	const char *dir;
	const char *node;         /* NULL: the host name */
	const char *cluster_name; /* NULL: "default" */
	const char *address;      /* "IP" or "IP:PORT"; NULL: found, port NODE_PORT_DEFAULT */
};

/* -E_EXISTS when the directory has an identity; a half-made one is made anew. ret_token is the
 * text of the first join token (valid TOKEN_TTL_DEFAULT_S from now). */
int init_cluster(const struct init_options *o, struct identity *ret, char ret_token[TOKEN_TEXT_MAX],
		 struct err *err);

#endif
