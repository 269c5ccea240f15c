// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * adopt.c - says of a device of this node that somebody else has made whether it may
 * become a volume, when the leader asks (api/adopt.c), and in which pool it is. Each
 * pool is asked in turn. That it is done then is a step like any other (run.c).
 */
#include "agent/object.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct adopting {
	struct agent *agent;
	char device[STORAGE_DEVICE_MAX];
	struct storage_pool *pool; /* copies: the documents may go meanwhile */
	int n, at;
	agent_adoptable_cb cb;
	void *arg;
	int status;
	struct err err; /* the one that says most */
	uv_timer_t timer;
};

static void finish(struct adopting *t, const char *name, uint64_t size_bytes)
{
	struct agent *a = t->agent;

	t->cb(t->status, &t->err, t->status == 0 ? t->pool[t->at].name : "", name, size_bytes,
	      t->arg);
	free(t->pool);
	free(t);
	agent_put(a);
}

static void on_looked(int status, const struct err *err, const struct storage_paths *paths,
		      const struct storage_space *space, void *arg);

static void look(struct adopting *t)
{
	storage_adoptable(t->agent->config.loop, &t->pool[t->at], t->device, on_looked, t);
}

/* A pool that it is not in says so, and the next one is asked. */
static void on_looked(int status, const struct err *err, const struct storage_paths *paths,
		      const struct storage_space *space, void *arg)
{
	struct adopting *t = arg;

	t->status = status;
	if (status == 0) {
		finish(t, paths->data, paths->size_bytes);
		return;
	}
	t->err = *err;
	if (status == -ENOENT && t->at + 1 < t->n && !t->agent->closing) {
		t->at++;
		look(t);
		return;
	}
	finish(t, "", 0);
}

/* those that are there and may have something to adopt */
static void gather(struct adopting *t)
{
	int n = 0;

	for (struct agent_pool *p = t->agent->pools; p; p = p->next)
		n++;
	t->pool = calloc((size_t)n + 1, sizeof(*t->pool));
	if (!t->pool)
		abort();
	for (struct agent_pool *p = t->agent->pools; p; p = p->next) {
		if (p->wanted && !tasks_hide(p) && storage_can_adopt(p->pool.kind))
			t->pool[t->n++] = p->pool;
	}
}

static void on_refused(uv_handle_t *handle)
{
	finish(handle->data, "", 0);
}

void agent_adoptable(struct agent *a, const char *device, agent_adoptable_cb cb, void *arg)
{
	struct adopting *t = calloc(1, sizeof(*t));

	if (!t)
		abort();
	agent_get(a);
	t->agent = a;
	t->cb = cb;
	t->arg = arg;
	gather(t);
	if (a->closing)
		t->status = err_set(&t->err, -ECANCELED, "the daemon is stopping");
	else if ((size_t)snprintf(t->device, sizeof(t->device), "%s", device) >= sizeof(t->device))
		t->status = err_set(&t->err, -E_INVALID, "the name of the device is too long");
	else if (t->n == 0)
		t->status = err_set(&t->err, -ENOENT,
				    "node %s has no pool of LVM that %.200s could be in: make one "
				    "of its volume group (sdsd pool create)",
				    a->config.node, device);
	if (t->status == 0) {
		look(t);
		return;
	}
	/* later, as is promised: when the loop closes what it never started */
	uv_timer_init(a->config.loop, &t->timer);
	t->timer.data = t;
	uv_close((uv_handle_t *)&t->timer, on_refused);
}
