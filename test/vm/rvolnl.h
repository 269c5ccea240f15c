/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rvolnl.h - the family "rvol" (kmod/uapi/rvol.h) over a raw netlink socket, for test programs:
 * no library, so that what a test sends is what the module gets. One request at a time: begin, put
 * attributes, call. Negative errno; `why` has the module's sentence.
 */
#ifndef TEST_VM_RVOLNL_H
#define TEST_VM_RVOLNL_H

#include <linux/types.h>
#include <stddef.h>
#include <stdint.h>

#include "kmod/uapi/rvol.h"

#define RVOLNL_REQUEST_MAX (96u << 10)
#define RVOLNL_WHY_MAX 256

struct rvolnl {
	int fd;
	uint16_t family;
	uint32_t group; /* of events */
	uint32_t seq;
	char why[RVOLNL_WHY_MAX]; /* of the last refusal, or "" */
	size_t len;               /* of the request that is being put together */
	_Alignas(8) uint8_t request[RVOLNL_REQUEST_MAX];
};

/* one answer to STATUS */
struct rvolnl_status {
	uint8_t uuid[RVOL_UUID_BYTES];
	struct rvol_status status;
	uint32_t n_volumes;
	struct rvol_volume volume[RVOL_VOLUMES_MAX];
	uint32_t n_links; /* not of a dump */
	struct rvol_link_info link[RVOL_LINKS_MAX];
};
typedef void rvolnl_on_status(const struct rvolnl_status *s, void *arg);

int rvolnl_open(struct rvolnl *n); /* -ENOENT: the module is not loaded */
void rvolnl_close(struct rvolnl *n);
/* A socket of its own that gets the events; poll it, drain it with rvolnl_drain. */
int rvolnl_events(const struct rvolnl *n);
/* 1: there were some, or some were lost */
int rvolnl_drain(int events_fd);

void rvolnl_begin(struct rvolnl *n, uint8_t cmd, const uint8_t *uuid); /* NULL: without UUID */
void rvolnl_put(struct rvolnl *n, uint16_t attr, const void *data, size_t len);
void rvolnl_u8(struct rvolnl *n, uint16_t attr, uint8_t value);
void rvolnl_u32(struct rvolnl *n, uint16_t attr, uint32_t value);
void rvolnl_u64(struct rvolnl *n, uint16_t attr, uint64_t value);
void rvolnl_text(struct rvolnl *n, uint16_t attr, const char *text);
void rvolnl_flag(struct rvolnl *n, uint16_t attr);
int rvolnl_call(struct rvolnl *n);

int rvolnl_status(struct rvolnl *n, const uint8_t *uuid, struct rvolnl_status *ret);
int rvolnl_dump(struct rvolnl *n, rvolnl_on_status *on, void *arg);

#endif
