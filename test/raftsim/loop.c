// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * loop.c - what src/raft asks of libuv and of the library's file I/O, answered
 * by the simulator: the linker's --wrap leads these names here (test/meson.build).
 * An instance has one async handle and one timer (consensus.c).
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "raftsim/world.h"

#define WAKE_US 40

int __wrap_uv_async_init(uv_loop_t *loop, uv_async_t *async, uv_async_cb cb);
int __wrap_uv_async_send(uv_async_t *async);
int __wrap_uv_timer_init(uv_loop_t *loop, uv_timer_t *timer);
int __wrap_uv_timer_start(uv_timer_t *timer, uv_timer_cb cb, uint64_t timeout, uint64_t repeat);
int __wrap_uv_timer_stop(uv_timer_t *timer);
int __wrap_uv_is_active(const uv_handle_t *handle);
void __wrap_uv_close(uv_handle_t *handle, uv_close_cb cb);
int __wrap_raft_uv_init(struct raft_io *io, uv_loop_t *loop, const char *dir,
			struct raft_uv_transport *transport);
void __wrap_raft_uv_close(struct raft_io *io);
void __wrap_raft_uv_set_auto_recovery(struct raft_io *io, bool flag);
void __wrap_raft_uv_set_connect_retry_delay(struct raft_io *io, unsigned msecs);

struct inst *inst_of(struct raft_io *io)
{
	return io->impl;
}

/* --- clocks --- */

u64 server_clock_us(const struct server *s)
{
	return s->clock_base + ctl.now * s->clock_rate / 1000;
}

u64 server_delay(const struct server *s, u64 local_us)
{
	return local_us * 1000 / s->clock_rate;
}

static void schedule(struct inst *i, enum event_kind kind, u64 delay, u64 arg)
{
	struct ctl_event e = {
		.kind = kind, .server = i->server->slot, .life = i->life, .arg = arg
	};

	ctl_schedule(delay, &e);
}

/* --- libuv --- */

int __wrap_uv_async_init(uv_loop_t *loop, uv_async_t *async, uv_async_cb cb)
{
	struct inst *i = loop->data;

	async->loop = loop;
	async->async_cb = cb;
	i->wake = async;
	return 0;
}

int __wrap_uv_async_send(uv_async_t *async)
{
	struct inst *i = async->loop->data;

	if (i->wake_sent)
		return 0;
	i->wake_sent = true;
	if (!i->dying)
		schedule(i, EV_WAKE, ctl_around(WAKE_US), 0);
	return 0;
}

void loop_wake(struct inst *i)
{
	i->wake_sent = false;
	i->wake->async_cb(i->wake);
}

int __wrap_uv_timer_init(uv_loop_t *loop, uv_timer_t *timer)
{
	struct inst *i = loop->data;

	timer->loop = loop;
	i->timer = timer;
	return 0;
}

int __wrap_uv_timer_start(uv_timer_t *timer, uv_timer_cb cb, uint64_t timeout, uint64_t repeat)
{
	struct inst *i = timer->loop->data;

	assert(repeat == 0);
	timer->timer_cb = cb;
	i->timer_active = true;
	i->timer_gen++;
	if (!i->dying)
		schedule(i, EV_TIMER, server_delay(i->server, timeout * MS), i->timer_gen);
	return 0;
}

int __wrap_uv_timer_stop(uv_timer_t *timer)
{
	struct inst *i = timer->loop->data;

	i->timer_active = false;
	i->timer_gen++;
	return 0;
}

void loop_timer(struct inst *i, u64 gen)
{
	if (!i->timer_active || i->timer_gen != gen)
		return;
	i->timer_active = false;
	i->timer->timer_cb(i->timer);
}

int __wrap_uv_is_active(const uv_handle_t *handle)
{
	struct inst *i = handle->loop->data;

	return i->timer_active;
}

void __wrap_uv_close(uv_handle_t *handle, uv_close_cb cb)
{
	struct inst *i = handle->loop->data;

	assert(i->n_closes < 2);
	if (handle == (uv_handle_t *)i->timer)
		i->timer_active = false;
	i->closes[i->n_closes].handle = handle;
	i->closes[i->n_closes++].cb = cb;
}

/* The rest of an instance's life, at once: nobody sees it any more */
void loop_close(struct inst *i)
{
	while (!i->closed) {
		bool moved = false;

		if (i->wake_sent && i->n_closes == 0) {
			loop_wake(i);
			moved = true;
		}
		if (i->timer_active) {
			loop_timer(i, i->timer_gen);
			moved = true;
		}
		while (!i->closed && i->n_closes > 0) {
			i->n_closes--;
			i->closes[i->n_closes].cb(i->closes[i->n_closes].handle);
			moved = true;
		}
		assert(moved || i->closed);
	}
}

/* --- requests of the library that end by a callback --- */

void pending_add(struct inst *i, enum event_kind kind, void *req, int status, u64 delay)
{
	struct ctl_event e = { .kind = kind, .server = i->server->slot, .life = i->life };
	struct pending *p = calloc(1, sizeof(*p));

	p->inst = i;
	p->kind = kind;
	p->req = req;
	p->status = status;
	p->next = i->pending;
	p->at = &i->pending;
	if (p->next)
		p->next->at = &p->next;
	i->pending = p;
	e.ptr = p;
	if (!i->dying)
		ctl_schedule(delay, &e);
}

void pending_done(struct inst *i, struct pending *p)
{
	struct raft_io_async_work *work = p->req;
	struct raft_io_snapshot_get *get = p->req;
	struct raft_io_send *send = p->req;
	enum event_kind kind = p->kind;
	int status = p->status;

	*p->at = p->next;
	if (p->next)
		p->next->at = p->at;
	free(p);
	if (kind == EV_SENT)
		send->cb(send, status);
	else if (kind == EV_WORK)
		work->cb(work, work->work(work));
	else
		get->cb(get, disk_snapshot(&i->server->disk), 0);
}

/* --- the library's I/O: what is neither disk nor network --- */

static int io_init(struct raft_io *io, raft_id id, const char *address)
{
	return 0;
}

static int io_start(struct raft_io *io, unsigned msecs, raft_io_tick_cb tick, raft_io_recv_cb recv)
{
	struct inst *i = inst_of(io);

	i->tick = tick;
	i->recv = recv;
	i->tick_every = server_delay(i->server, msecs * MS);
	schedule(i, EV_TICK, i->tick_every, 0);
	return 0;
}

static void io_close(struct raft_io *io, raft_io_close_cb cb)
{
	struct inst *i = inst_of(io);

	i->closing = true;
	i->recv = NULL;
	while (i->pending) {
		if (i->pending->kind == EV_SENT)
			i->pending->status = RAFT_CANCELED;
		pending_done(i, i->pending);
	}
	disk_cancel(i);
	if (cb)
		cb(io);
}

static raft_time io_time(struct raft_io *io)
{
	return server_clock_us(inst_of(io)->server) / MS;
}

static int io_random(struct raft_io *io, int min, int max)
{
	return min + (int)ctl_below((u64)(max - min));
}

static int io_async_work(struct raft_io *io, struct raft_io_async_work *req,
			 raft_io_async_work_cb cb)
{
	req->cb = cb;
	pending_add(inst_of(io), EV_WORK, req, 0, disk_time());
	return 0;
}

/* not used by the library as long as nobody asks it for its new way to send snapshots */
static int io_timer_start(struct raft_io *io, struct raft_timer *req, uint64_t timeout,
			  uint64_t repeat, raft_timer_cb cb)
{
	abort();
}

static int io_timer_stop(struct raft_io *io, struct raft_timer *req)
{
	return 0;
}

int __wrap_raft_uv_init(struct raft_io *io, uv_loop_t *loop, const char *dir,
			struct raft_uv_transport *transport)
{
	struct inst *i = loop->data;
	void *data = io->data;

	memset(io, 0, sizeof(*io));
	io->version = 3;
	io->data = data;
	io->impl = i;
	io->init = io_init;
	io->close = io_close;
	io->start = io_start;
	io->send = net_send;
	io->time = io_time;
	io->random = io_random;
	io->async_work = io_async_work;
	io->timer_start = io_timer_start;
	io->timer_stop = io_timer_stop;
	disk_ops(io);
	i->io = io;
	return 0;
}

void __wrap_raft_uv_close(struct raft_io *io)
{
	struct inst *i = inst_of(io);

	i->io = NULL;
	i->closed = true;
}

void __wrap_raft_uv_set_auto_recovery(struct raft_io *io, bool flag)
{
}

void __wrap_raft_uv_set_connect_retry_delay(struct raft_io *io, unsigned msecs)
{
}
