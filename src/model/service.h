/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service.h - a service that follows a volume: where the volume's file system is mounted, the
 * systemd unit that uses it and the address it is found at run on one node, which is decided here
 * (service_decide.h) and obeyed by the agents.
 * "service/<name>": {"name","resource","number":0,"mount":"/srv/db","options":"noatime",
 *   "unit":"postgresql.service","vip":"10.0.0.5/24","interface":"eth0","nodes":["n1","n2"],
 *   "enabled":true,"node":"n1","wish":"n2","generation":3,"starts":2,"why","decided_ms",
 *   "failed":[{"node":"n2","why","at_ms"}]}
 * nodes: in order of preference; none: those that have a replica of the resource, copies first.
 * node: where it is to run now; "" nowhere. wish: where somebody wants it, until it is there.
 * generation: raised by each decision, so that what a node says can be told from what it said
 * before. starts: how often it was given to a node: once, and for each move or fail-over.
 * failed: nodes that could not start it. No interface: the one whose network vip is in.
 * Pure.
 */
#ifndef SDSD_MODEL_SERVICE_H
#define SDSD_MODEL_SERVICE_H

#include "base/json.h"
#include "model/limits.h"
#include "model/name.h"

#define SERVICES_MAX 256 /* of a cluster */
#define SERVICE_NODES_MAX REPLICAS_MAX
#define SERVICE_MOUNT_MAX 200 /* bytes of these */
#define SERVICE_OPTIONS_MAX 200
#define SERVICE_UNIT_MAX 128
#define SERVICE_VIP_MAX 50
#define SERVICE_INTERFACE_MAX 15
#define SERVICE_WHY_MAX 300

struct service_failure {
	char node[NAME_MAX_LEN + 1];
	char why[SERVICE_WHY_MAX + 1];
	int64_t at_ms; /* wall clock */
};

struct service {
	char name[NAME_MAX_LEN + 1];
	char resource[NAME_MAX_LEN + 1];
	int number;                            /* of the volume */
	char mount[SERVICE_MOUNT_MAX + 1];     /* absolute */
	char options[SERVICE_OPTIONS_MAX + 1]; /* of mount; "" */
	char unit[SERVICE_UNIT_MAX + 1];       /* "" none: only mounted */
	char vip[SERVICE_VIP_MAX + 1];         /* "address/prefix"; "" none */
	char interface[SERVICE_INTERFACE_MAX + 1];
	int n_nodes;
	char nodes[SERVICE_NODES_MAX][NAME_MAX_LEN + 1];
	bool enabled;
	char node[NAME_MAX_LEN + 1], wish[NAME_MAX_LEN + 1];
	int64_t generation;
	int64_t starts;
	int64_t decided_ms; /* wall clock */
	char why[SERVICE_WHY_MAX + 1];
	int n_failed;
	struct service_failure failed[SERVICE_NODES_MAX];
};

/* A document, or what a request says of a new one. -E_INVALID, with what is possible */
int service_parse(json *doc, struct service *ret, struct err *err);
json *service_doc(const struct service *s); /* a new document */
/* What decisions change, in a present document: enabled, node, wish, generation, starts, why,
 * failed */
void service_write(json *doc, const struct service *s);
void service_key(const char *name, char *out, size_t len);
/* Both do the same on a node: volume, mount, options, unit, address */
bool service_same(const struct service *a, const struct service *b);
/* vip taken apart: address without its prefix, *ret_v6. -E_INVALID */
int service_vip_parse(const char *vip, char address[SERVICE_VIP_MAX + 1], int *ret_prefix,
		      bool *ret_v6, struct err *err);
/* notes that it could not be started there; a node is in the list once */
void service_note_failure(struct service *s, const char *node, const char *why, int64_t now_ms);
const struct service_failure *service_failure_on(const struct service *s, const char *node);
void service_forgive(struct service *s, const char *node /* NULL: all */);

#endif
