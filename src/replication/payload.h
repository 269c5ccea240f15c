/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * payload.h - the bytes behind a repl_buf: counted references, memory kept for
 * the next one, every payload on the account of the volume it belongs to.
 * References are taken and dropped on the plane's thread only; a worker may
 * read or fill data while somebody holds a reference for it.
 */
#ifndef SDSD_REPLICATION_PAYLOAD_H
#define SDSD_REPLICATION_PAYLOAD_H

#include "replication/core/repl.h"

#define PAYLOAD_CLASSES 6             /* 1 KiB, 4 KiB, 16 KiB, ... 1 MiB */
#define PAYLOAD_CACHE_MAX (16u << 20) /* bytes kept for reuse */
#define PAYLOAD_POOL_MAX (1ull << 30) /* above, inputs that hold some already take no more */

struct payload_account;

struct payload {
	struct payload *next, *prev; /* of the account; next also in the pool's free list */
	struct payload_account *account;
	u32 refs;
	u32 len;
	u8 class;
	u8 data[] __attribute__((aligned(16)));
};

struct payload_pool {
	struct payload *free[PAYLOAD_CLASSES];
	u64 cached; /* bytes in free[] */
	u64 used;   /* bytes in payloads that somebody holds */
};

struct payload_account { /* embedded in its owner */
	struct payload_pool *pool;
	struct payload *head;
	u64 bytes;
};

void payload_pool_init(struct payload_pool *pool);
void payload_pool_release(struct payload_pool *pool); /* nothing may be in use */
bool payload_pool_full(const struct payload_pool *pool);

void payload_account_init(struct payload_account *a, struct payload_pool *pool);
/* frees what is still on it, whoever holds references: the owner ends with all its users */
void payload_account_release(struct payload_account *a);

/* one reference, content undefined; 0 < len <= REPL_WRITE_MAX. NULL: no memory */
struct payload *payload_new(struct payload_account *a, u32 len);
void payload_get(struct payload *p);
void payload_put(struct payload *p); /* NULL is fine */

static inline repl_buf payload_handle(struct payload *p)
{
	return (repl_buf)(uintptr_t)p;
}

static inline struct payload *payload_of(repl_buf buf)
{
	return (struct payload *)(uintptr_t)buf;
}

#endif
