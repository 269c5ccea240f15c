/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * planelab.h - some user-space data planes in one process, as nodes of one
 * resource: real threads, files, TLS links on loopback and NBD sockets; only
 * consensus is a struct in memory. The labs's "main loop" runs on a thread of
 * its own, so a test may block on its NBD sockets. Used by tests only.
 */
#ifndef SDSD_TEST_SUPPORT_PLANELAB_H
#define SDSD_TEST_SUPPORT_PLANELAB_H

#include <stdbool.h>
#include <stdint.h>

#include "replication/plane.h"

#define LAB_NODES_MAX 5
#define LAB_WAIT_MS 30000

struct lab;

/* nodes 0..nodes-1 are slots; those of the mask copies have a disk, all are in the first set */
struct lab *lab_new(int nodes, uint32_t copies, uint64_t size_bytes);
void lab_free(struct lab *l); /* stops what runs, removes its directory */
void lab_start(struct lab *l, int node);
void lab_stop(struct lab *l, int node); /* and waits until it has ended */
/* cuts all data links from and to the node, and refuses new ones, until healed */
void lab_isolate(struct lab *l, int node, bool isolated);
void lab_hold_consensus(struct lab *l, bool hold); /* no answers until released */
/* its store goes on showing the record as it is now */
void lab_lag(struct lab *l, int node, bool lag);
/* one node's questions stay unanswered until it is heard again */
void lab_mute(struct lab *l, int node, bool mute);
void lab_break_disk(struct lab *l, int node); /* every write to its data fails from now on */
void lab_mend_disk(struct lab *l, int node);  /* not any more, for who opens it anew */
struct plane_record lab_record(struct lab *l);
struct plane_status lab_status(struct lab *l, int node);
const char *lab_socket(const struct lab *l, int node); /* path of its NBD socket */
const char *lab_data_path(const struct lab *l, int node);
const char *lab_meta_path(const struct lab *l, int node);
void lab_give_disk(struct lab *l,
		   int node);             /* one that was diskless has a fresh copy from now on */
void lab_remove(struct lab *l, int node); /* plane_ops.remove, waits */
void lab_set(struct lab *l, int node);    /* gives the resource (again) */
void lab_more_room(struct lab *l, int node); /* the same, saying that its pool has more space */
/* plane_ops.freeze and thaw: the status, the sentence in err */
int lab_freeze(struct lab *l, int node, uint64_t token, int deadline_ms, struct err *err);
int lab_thaw(struct lab *l, int node, uint64_t token, struct err *err);
struct lab_answer *lab_freeze_begin(struct lab *l, int node, uint64_t token, int deadline_ms);
int lab_answer_wait(struct lab_answer *a, struct err *err); /* of lab_freeze_begin; a is freed */
/* waits at most LAB_WAIT_MS until the in-sync set is this one; false: it did not become so */
bool lab_wait_in_sync(struct lab *l, uint32_t set);

#endif
