/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pool_task.h - what a node is to do with the devices of one of its pools: make the pool of them,
 * add some, replace one, give all back. One task at a time; it stays in the pool's document until
 * the node has said that it is done:
 * "task":{"kind":"make"|"extend"|"replace"|"destroy","uuid","devices":[],"old":"","wipe":false}
 */
#ifndef SDSD_MODEL_POOL_TASK_H
#define SDSD_MODEL_POOL_TASK_H

#include "model/limits.h"
#include "model/pool.h"

struct pool_task {
	enum pool_task_kind kind;
	char uuid[37];
	char device[POOL_DEVICES_MAX][DEVICE_LEN_MAX + 1]; /* to make it of, to add */
	int n;
	char old[DEVICE_LEN_MAX + 1]; /* to be replaced */
	bool wipe;                    /* what is on the devices may be erased */
};

const char *pool_task_name(enum pool_task_kind k); /* "make"; "" for none */
/* what the document says in short; TASK_NONE also when it is damaged */
enum pool_task_kind pool_task_kind(json *doc);
/* TASK_NONE when there is none; -E_INVALID */
int pool_task_parse(json *doc, struct pool_task *ret, struct err *err);
json *pool_task_doc(const struct pool_task *task);
/* Its devices are paths below /dev, none twice, as many as its kind needs. -E_INVALID */
int pool_task_check(const struct pool_task *task, struct err *err);
/* Adds a device of a request. -E_INVALID: too long, too many */
int pool_task_add(struct pool_task *task, const char *device, struct err *err);
/* where a pool that sdsd makes is: a volume group or a zpool of its own, named after it;
 * -E_INVALID for a kind
 * that is not made of devices */
int pool_task_source(struct pool *p, struct err *err);

#endif
