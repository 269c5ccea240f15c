/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rvolnodes.h - nodes that share one kernel: each is a resource of the module with a uuid of its
 * own; here is what sdsd is to them, without consensus: who makes them, keeps their record,
 * connects them over loopback. They need the module's parameter plain=1 when there are several.
 */
#ifndef TEST_VM_RVOLNODES_H
#define TEST_VM_RVOLNODES_H

#include <stdbool.h>

#include "vm/rvolnl.h"

#define NODES_MAX 16

struct node {
	uint8_t uuid[RVOL_UUID_BYTES];
	uint8_t slot;
	const char *data, *meta;               /* devices; NULL: a node without a copy */
	const char *second_data, *second_meta; /* of volume 1; NULL: there is none */
	uint32_t minor;                        /* of volume 0; volume 1 has the next one */
	bool gone;                             /* somebody has deleted it */
	uint32_t next_link; /* number of the next link that another node opens to it */
	uint32_t session_to[RVOL_SLOTS_MAX]; /* number at the other node of its link to there, 0 */
	uint32_t pull_to;                    /* the same of its link for pulls, which leads to */
	uint8_t pull_slot;
	struct rvolnl_status now; /* as read last */
};

struct nodes {
	const char *name; /* of the resource, up to NODES_NAME_MAX bytes */
	uint32_t n;
	struct node node[NODES_MAX];
	uint64_t size;    /* bytes; 0: of the smallest data device */
	uint32_t minor;   /* of the first node */
	uint32_t in_sync; /* mask of slots at the beginning; 0: all copies */
	uint8_t read_policy;
	bool keep;  /* the devices are not formatted, the record is that of the file */
	bool dirty; /* the data devices are not made zero: they are */
	bool adopt; /* the resources are there already */
	bool verbose;
	const char *record_file; /* the record outlives this process there; NULL: it does not */
	int renew_ms;            /* every link goes over to another socket so often; 0: never */

	struct rvolnl nl;
	int events, listener;
	uint32_t renewals;    /* number of the last one */
	long long renewed_at; /* ms */
	struct rvol_record record;
};

#define NODES_NAME_MAX (RVOL_UUID_BYTES - 1)

/* Of a node of that name: so that other processes find it. */
void nodes_uuid(const char *name, uint8_t slot, uint8_t ret[RVOL_UUID_BYTES]);
/* Makes all of them; their devices are there on return. Ends the process when that fails. */
void nodes_start(struct nodes *w);
/* Answers and connects until all of them are gone. poll_ms: looks without an event so often. */
void nodes_run(struct nodes *w, int poll_ms);
void nodes_die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

#endif
