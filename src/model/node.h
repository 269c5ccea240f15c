/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * node.h - a machine of the cluster. Document "node/<name>":
 * {"name","id":1,"uuid","address":"10.0.0.1","port":7000,"fingerprint":"<sha256 of its
 * certificate>",
 *  "joined_ms":..., "flags":["EVACUATE"], "away_ms":..., "props":{},
 *  "net_interfaces":[further ones, netif.h]}
 *  "barred":true: its certificate opens nothing any more, since it belongs to the cluster as it was
 * before sdsd recover; there with LOST only.
 * flags: EVACUATE: what is on it moves to others; LOST: it will never be back, and is forgotten
 * as soon as nothing is on it any more. away_ms: since then (wall clock) it does not answer; not
 * there: it does, or has not been away for long.
 * It takes nothing new (it is cordoned) when its property sds/cordon is on, or LINSTOR's
 * AutoplaceTarget false; the flags say the same. Who names a cordoned node gets a copy there all
 * the same, but not on one with a flag.
 */
#ifndef SDSD_MODEL_NODE_H
#define SDSD_MODEL_NODE_H

#define NODE_CORDON "sds/cordon"
#define NODE_AUTOPLACE "AutoplaceTarget"

#include "base/json.h"
#include "model/name.h"

struct node {
	char name[NAME_MAX_LEN + 1];
	uint32_t id; /* Raft server id, 1.., never reused */
	char uuid[37];
	char address[ADDRESS_LEN_MAX]; /* literal IP address */
	int port;                      /* of the node port */
	char fingerprint[65];
};

/* The rules of the fields themselves; uuid may be "". -E_INVALID */
int node_check(const struct node *n, struct err *err);
bool node_address_is_literal(const char *address);
int node_parse(json *doc, struct node *ret, struct err *err);
json *node_doc(const struct node *n); /* a new document */
/* whether "flags" of the document has it, in any case */
bool node_has_flag(json *doc, const char *flag);
#define NODE_EVACUATE "EVACUATE"
#define NODE_LOST "LOST"
void node_write_flag(json *doc, const char *flag, bool on);
bool node_is_barred(json *doc);
void node_bar(json *doc); /* and it is lost */
/* Whether placement may use it. named: a person has named the node. *ret_why, on false: in words,
 * static; may be NULL */
bool node_takes_new(json *doc, bool named, const char **ret_why);
/* Of properties with a meaning: sds/cordon is on or off (or true, false). -E_BAD_PROP */
int node_check_props(const char *what, json *props, struct err *err);
void node_key(const char *name, char *out, size_t len);

#endif
