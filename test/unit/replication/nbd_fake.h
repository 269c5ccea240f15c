/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nbd_fake.h - an NBD server on a thread, in front of a volume that is a piece
 * of memory. What the volume does (refuse, be full, fail, answer late) is set
 * in struct fake under its lock.
 */
#ifndef SDSD_TEST_UNIT_NBD_FAKE_H
#define SDSD_TEST_UNIT_NBD_FAKE_H

#include "replication/nbd.h"

#include "base/mailbox.h"
#include "replication/nbd_priv.h"
#include "support/leaks.h"
#include "unit/replication/nbd_client.h"

#define SIZE_BYTES (80ull << 20)
#define DEFERRED_MAX 65536

struct deferred {
	u64 id;
	int status;
	struct payload *data;
};

struct fake {
	uv_thread_t thread;
	uv_loop_t loop;
	struct mailbox box;
	struct turn turn;
	struct payload_pool pool;
	struct payload_account account;
	struct nbd *nbd;
	uv_sem_t ready;
	char dir[32], path[64];
	struct turn_item deliver;
	struct deferred *deferred;
	u32 n_deferred;
	/* lock */
	uv_mutex_t lock;
	u8 *mem;
	bool hold_open;     /* do not answer open */
	const char *refuse; /* answer open with this */
	bool frozen;        /* writes and flushes: -EAGAIN */
	u32 full_at;        /* so many under way: -EBUSY; 0 never */
	bool hold;          /* complete nothing */
	int fail;           /* status of everything */
	u32 opens, closes, writes, reads, flushes, zeros, trims, discards, under_way, busy, held;
	u32 longest;  /* piece */
	bool crossed; /* a piece crossed an extent's end */
};

static struct fake *f;

__attribute__((unused)) static void locked(bool lock)
{
	if (lock)
		uv_mutex_lock(&f->lock);
	else
		uv_mutex_unlock(&f->lock);
}

static void on_deliver(struct turn_item *item)
{
	u32 n = f->n_deferred;
	struct deferred *d;

	uv_mutex_lock(&f->lock);
	if (f->hold) {
		uv_mutex_unlock(&f->lock);
		return;
	}
	f->under_way -= n;
	uv_mutex_unlock(&f->lock);
	d = malloc((n + 1) * sizeof(*d));
	memcpy(d, f->deferred, n * sizeof(*d));
	f->n_deferred = 0;
	for (u32 i = 0; i < n; i++)
		nbd_complete(f->nbd, d[i].id, d[i].status, d[i].data);
	free(d);
}

static void defer(u64 id, int status, struct payload *data)
{
	cr_assert_lt(f->n_deferred, DEFERRED_MAX);
	f->deferred[f->n_deferred++] = (struct deferred){ id, status, data };
	turn_add(&f->turn, &f->deliver);
}

/* lock held: 0 or what the volume says at once */
static int admit(bool writes, u64 off, u32 len)
{
	if (writes && f->frozen) {
		f->held++;
		return -EAGAIN;
	}
	if (f->full_at && f->under_way >= f->full_at) {
		f->busy++;
		return -EBUSY;
	}
	f->under_way++;
	f->longest = PORT_MAX(f->longest, len);
	if (len > 0 && off / REPL_EXTENT_BYTES != (off + len - 1) / REPL_EXTENT_BYTES)
		f->crossed = true;
	return 0;
}

static void fake_open_answer(struct turn_item *item)
{
	const char *why;

	uv_mutex_lock(&f->lock);
	why = f->refuse;
	uv_mutex_unlock(&f->lock);
	if (why)
		nbd_refused(f->nbd, why);
	else
		nbd_opened(f->nbd);
}

static struct turn_item open_answer = { .run = fake_open_answer };

static void fake_open(void *owner)
{
	uv_mutex_lock(&f->lock);
	f->opens++;
	if (!f->hold_open)
		turn_add(&f->turn, &open_answer);
	uv_mutex_unlock(&f->lock);
}

static void fake_close(void *owner)
{
	uv_mutex_lock(&f->lock);
	f->closes++;
	uv_mutex_unlock(&f->lock);
}

static int fake_write(void *owner, u64 id, u8 op, u64 off, u32 len, struct payload *data)
{
	int rv;

	uv_mutex_lock(&f->lock);
	rv = admit(true, off, len);
	if (rv == 0) {
		f->writes += op == REPL_OP_DATA;
		f->zeros += op == REPL_OP_ZERO;
		f->trims += op == REPL_OP_TRIM;
		f->discards += op == REPL_OP_DISCARD;
		if (op == REPL_OP_DATA && !f->fail)
			memcpy(f->mem + off, data->data, len);
		else if (!f->fail)
			memset(f->mem + off, 0, len);
		defer(id, f->fail, NULL);
	}
	uv_mutex_unlock(&f->lock);
	return rv;
}

static int fake_read(void *owner, u64 id, u64 off, u32 len)
{
	struct payload *p = NULL;
	int rv;

	uv_mutex_lock(&f->lock);
	rv = admit(false, off, len);
	if (rv == 0) {
		f->reads++;
		if (!f->fail) {
			p = payload_new(&f->account, len);
			memcpy(p->data, f->mem + off, len);
		}
		defer(id, f->fail, p);
	}
	uv_mutex_unlock(&f->lock);
	return rv;
}

static int fake_flush(void *owner, u64 id)
{
	int rv;

	uv_mutex_lock(&f->lock);
	rv = admit(true, 0, 0);
	if (rv == 0) {
		f->flushes++;
		defer(id, f->fail, NULL);
	}
	uv_mutex_unlock(&f->lock);
	return rv;
}

static const struct nbd_ops fake_ops = {
	.open = fake_open,
	.close = fake_close,
	.write = fake_write,
	.read = fake_read,
	.flush = fake_flush,
};

/* ---- the server's thread ---- */

static u32 fake_block_bytes; /* 0: what there is without it */

static void serve(void *arg)
{
	struct nbd_config c = {
		.loop = &f->loop,
		.turn = &f->turn,
		.account = &f->account,
		.socket_path = f->path,
		.name = "db",
		.size_bytes = SIZE_BYTES,
		.block_bytes = fake_block_bytes,
		.ops = &fake_ops,
		.owner = f,
	};
	struct err err = { 0 };

	if (nbd_start(&c, &f->nbd, &err) < 0)
		abort();
	uv_sem_post(&f->ready);
	uv_run(&f->loop, UV_RUN_DEFAULT);
}

static void on_turn_closed(struct turn *t)
{
	mailbox_close(&f->box, NULL);
}

static void on_nbd_closed(void *arg)
{
	for (u32 i = 0; i < f->n_deferred; i++)
		payload_put(f->deferred[i].data);
	turn_drop(&f->turn, &f->deliver);
	turn_drop(&f->turn, &open_answer);
	turn_close(&f->turn, on_turn_closed);
}

static void on_end(void *arg)
{
	nbd_close(f->nbd, on_nbd_closed, NULL);
}

__attribute__((unused)) static void on_cut(void *arg)
{
	nbd_cut(f->nbd);
	uv_sem_post(&f->ready);
}

__attribute__((unused)) static void on_thaw(void *arg)
{
	uv_mutex_lock(&f->lock);
	f->frozen = false;
	uv_mutex_unlock(&f->lock);
	nbd_thawed(f->nbd); /* in the same breath, as a volume does */
}

__attribute__((unused)) static void on_release(void *arg)
{
	turn_add(&f->turn, &f->deliver);
}

__attribute__((unused)) static void post(void (*fn)(void *arg))
{
	mailbox_post(&f->box, fn, NULL);
}

__attribute__((unused)) static void setup(void)
{
	f = calloc(1, sizeof(*f));
	f->mem = calloc(1, SIZE_BYTES);
	f->deferred = malloc(DEFERRED_MAX * sizeof(*f->deferred));
	f->deliver.run = on_deliver;
	snprintf(f->dir, sizeof(f->dir), "/tmp/sdsd-nbd-XXXXXX");
	cr_assert_not_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/s", f->dir);
	uv_loop_init(&f->loop);
	mailbox_init(&f->box, &f->loop);
	turn_init(&f->turn, &f->loop);
	payload_pool_init(&f->pool);
	payload_account_init(&f->account, &f->pool);
	uv_mutex_init(&f->lock);
	uv_sem_init(&f->ready, 0);
	uv_thread_create(&f->thread, serve, NULL);
	uv_sem_wait(&f->ready);
}

__attribute__((unused)) static void teardown(void)
{
	post(on_end);
	uv_thread_join(&f->thread);
	cr_expect_eq(uv_loop_close(&f->loop), 0, "a handle is left");
	cr_expect_null(f->account.head, "a payload is left");
	payload_pool_release(&f->pool);
	uv_mutex_destroy(&f->lock);
	uv_sem_destroy(&f->ready);
	cr_expect_neq(access(f->path, F_OK), 0, "the socket file is left");
	rmdir(f->dir);
	free(f->deferred);
	free(f->mem);
	free(f);
	test_no_leaks();
}

#define SET(field, value)           \
	do {                        \
		locked(true);       \
		f->field = (value); \
		locked(false);      \
	} while (0)

__attribute__((unused)) static u32 look(const u32 *field)
{
	u32 v;

	locked(true);
	v = *field;
	locked(false);
	return v;
}

__attribute__((unused)) static bool comes(const u32 *field, u32 value)
{
	for (int i = 0; i < 2000; i++) {
		if (look(field) == value)
			return true;
		usleep(5000);
	}
	return false;
}

#endif
