// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * payload.c - payload memory in six sizes, the free ones kept up to a limit.
 * Called by NBD (write data), links (what arrives) and disk (what is read).
 * The limits on how much each may hold are theirs.
 */
#include "replication/payload.h"

#include <assert.h>
#include <stdlib.h>

#define CLASS_BYTES(c) (1024u << (2 * (c)))

_Static_assert(CLASS_BYTES(PAYLOAD_CLASSES - 1) == REPL_WRITE_MAX, "largest class fits a write");

void payload_pool_init(struct payload_pool *pool)
{
	*pool = (struct payload_pool){ 0 };
}

void payload_pool_release(struct payload_pool *pool)
{
	assert(pool->used == 0);
	for (int c = 0; c < PAYLOAD_CLASSES; c++) {
		struct payload *p;

		while ((p = pool->free[c])) {
			pool->free[c] = p->next;
			free(p);
		}
	}
	pool->cached = 0;
}

bool payload_pool_full(const struct payload_pool *pool)
{
	return pool->used >= PAYLOAD_POOL_MAX;
}

void payload_account_init(struct payload_account *a, struct payload_pool *pool)
{
	*a = (struct payload_account){ .pool = pool };
}

static void to_pool(struct payload *p)
{
	struct payload_account *a = p->account;
	struct payload_pool *pool = a->pool;
	u32 bytes = CLASS_BYTES(p->class);

	if (p->prev)
		p->prev->next = p->next;
	else
		a->head = p->next;
	if (p->next)
		p->next->prev = p->prev;
	a->bytes -= bytes;
	pool->used -= bytes;
	if (pool->cached + bytes > PAYLOAD_CACHE_MAX) {
		free(p);
		return;
	}
	pool->cached += bytes;
	p->next = pool->free[p->class];
	pool->free[p->class] = p;
}

void payload_account_release(struct payload_account *a)
{
	while (a->head)
		to_pool(a->head);
}

static u8 class_of(u32 len)
{
	u8 c = 0;

	while (CLASS_BYTES(c) < len)
		c++;
	return c;
}

struct payload *payload_new(struct payload_account *a, u32 len)
{
	struct payload_pool *pool = a->pool;
	struct payload *p;
	u32 bytes;
	u8 c;

	assert(len > 0 && len <= REPL_WRITE_MAX);
	c = class_of(len);
	bytes = CLASS_BYTES(c);
	p = pool->free[c];
	if (p) {
		pool->free[c] = p->next;
		pool->cached -= bytes;
	} else {
		p = malloc(sizeof(*p) + bytes);
		if (!p)
			return NULL;
	}
	p->account = a;
	p->refs = 1;
	p->len = len;
	p->class = c;
	p->prev = NULL;
	p->next = a->head;
	if (a->head)
		a->head->prev = p;
	a->head = p;
	a->bytes += bytes;
	pool->used += bytes;
	return p;
}

void payload_get(struct payload *p)
{
	assert(p->refs > 0);
	p->refs++;
}

void payload_put(struct payload *p)
{
	if (!p)
		return;
	assert(p->refs > 0);
	if (--p->refs == 0)
		to_pool(p);
}
