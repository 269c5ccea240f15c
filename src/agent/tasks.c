// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tasks.c - does what the document of a pool asks to be done with its devices:
 * make the pool of them, add some, replace one, give all back. Called by desired.c
 * (the document has changed) and every second. What fails is shown in the report
 * and tried again after 1 to 30 s, for as long as the document asks for it; what
 * is done is told to the leader until the document does not ask any more.
 */
#include "agent/object.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/log.h"
#include "model/pool_task.h"

#define MS 1000000ull
#define RETRY_MIN_MS 1000
#define RETRY_MAX_MS 30000
#define PROGRESS_MS 3000 /* what goes on by itself is looked at again after */
#define STUCK_LOOKS 10   /* so many without a difference: it does not go on */

struct agent_task {
	struct pool_task wanted;
	bool busy; /* storage or the leader has it */
	bool done; /* and the leader does not know, as far as the store shows */
	int tries;
	int same; /* looks that have found the same text; -1: none yet */
	uint64_t retry_ns;
	char *text, *error; /* how it goes; why it failed last */
};

/* at the storage or the leader; the pool stays, its task may become another one */
struct task_call {
	struct agent *agent;
	struct agent_pool *pool;
	char uuid[37];
};

bool tasks_hide(const struct agent_pool *p)
{
	return p->task &&
	       (p->task->wanted.kind == TASK_MAKE || p->task->wanted.kind == TASK_DESTROY);
}

bool tasks_busy(const struct agent_pool *p)
{
	return p->task && p->task->busy;
}

void tasks_drop(struct agent_pool *p)
{
	if (!p->task)
		return;
	free(p->task->text);
	free(p->task->error);
	free(p->task);
	p->task = NULL;
}

/* While one is busy its successor waits: a pool's devices are handled by one at a time. */
void tasks_want(struct agent *a, struct agent_pool *p, json *doc)
{
	struct pool_task task;
	struct err err;
	bool busy = tasks_busy(p);

	if (pool_task_parse(doc, &task, &err) < 0) {
		log_error("agent", "%s", err.text);
		memset(&task, 0, sizeof(task));
	}
	if (p->task && task.kind != TASK_NONE && strcmp(p->task->wanted.uuid, task.uuid) == 0)
		return;
	if (busy) {
		/* the answer of the present one finds another uuid, and begins this one */
		p->task->wanted = task;
		return;
	}
	tasks_drop(p);
	if (task.kind == TASK_NONE)
		return;
	p->task = calloc(1, sizeof(*p->task));
	if (!p->task)
		abort();
	p->task->wanted = task;
	p->task->same = -1;
}

json *tasks_json(const struct agent_pool *p)
{
	const struct agent_task *t = p->task;
	json *o = json_object_new_object();

	jset_str(o, "uuid", t->wanted.uuid);
	jset_str(o, "text", t->text ? t->text : "");
	jset_str(o, "error", t->error ? t->error : "");
	return o;
}

static struct task_call *call_begin(struct agent *a, struct agent_pool *p)
{
	struct task_call *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	c->agent = a;
	c->pool = p;
	memcpy(c->uuid, p->task->wanted.uuid, sizeof(c->uuid));
	p->task->busy = true;
	agent_get(a);
	return c;
}

/* The task when it is still the one that was begun, else NULL: another one begins from scratch. */
static struct agent_task *call_end(struct task_call *c)
{
	struct agent_pool *p = c->pool;
	struct agent_task *t = p->task;
	struct pool_task wanted = t->wanted;

	t->busy = false;
	if (strcmp(wanted.uuid, c->uuid) == 0)
		return t;
	tasks_drop(p);
	if (wanted.kind != TASK_NONE) {
		p->task = calloc(1, sizeof(*p->task));
		if (!p->task)
			abort();
		p->task->wanted = wanted;
		p->task->same = -1;
	}
	return NULL;
}

static uint64_t in(uint64_t ms)
{
	return clock_boot_ns() + ms * MS;
}

/* why: the sentence; kept until it succeeds */
static void failed(const struct agent_pool *p, struct agent_task *t, const char *why)
{
	if (!t->error || strcmp(t->error, why) != 0)
		log_warn("agent", "pool=%s %s failed: %s", p->pool.name,
			 pool_task_name(t->wanted.kind), why);
	agent_text_set(&t->error, why);
	t->retry_ns = in(backoff_ms(++t->tries, RETRY_MIN_MS, RETRY_MAX_MS));
}

static void goes_on(struct agent_task *t, const char *text)
{
	t->same = t->text && strcmp(t->text, text) == 0 ? t->same + 1 : 0;
	if (t->same > STUCK_LOOKS)
		t->same = 0;
	agent_text_set(&t->text, text);
	agent_text_set(&t->error, NULL);
	t->tries = 0;
	t->retry_ns = in(PROGRESS_MS);
}

static void finished(struct agent *a, const struct agent_pool *p, struct agent_task *t)
{
	log_info("agent", "pool=%s %s: done", p->pool.name, pool_task_name(t->wanted.kind));
	t->done = true;
	t->retry_ns = 0;
	agent_text_set(&t->text, NULL);
	agent_text_set(&t->error, NULL);
	observe_disks(a);
}

static void on_told(int status, json *doc, void *arg)
{
	struct task_call *c = arg;
	struct agent *a = c->agent;
	struct agent_task *t = call_end(c);

	a->n_calls--;
	if (t) /* 404: the store will show it */
		t->retry_ns =
			in(status == 404 || (status >= 200 && status < 300) ? AGENT_REPORTED_MS
									    : RETRY_MIN_MS);
	if (!a->closing) {
		a->reload_pools = true; /* it may be gone meanwhile */
		desired_work(a);
	}
	free(c);
	agent_put(a);
}

static void tell(struct agent *a, struct agent_pool *p)
{
	struct task_call *c = call_begin(a, p);
	json *doc = json_object_new_object();

	jset_str(doc, "node", a->config.node);
	jset_str(doc, "pool", p->pool.name);
	jset_str(doc, "uuid", c->uuid);
	a->n_calls++;
	a->config.call("POST", "/v1/sds/pool-done", json_text(doc), AGENT_CALL_MS, on_told, c,
		       a->config.arg);
	json_object_put(doc);
}

static void on_done(int status, const struct err *err, const struct storage_paths *paths,
		    const struct storage_space *space, void *arg)
{
	struct task_call *c = arg;
	struct agent *a = c->agent;
	struct agent_pool *p = c->pool;
	struct agent_task *t = call_end(c);

	if (t && status == 0)
		finished(a, p, t);
	else if (t && status == -EINPROGRESS)
		goes_on(t, err->text);
	else if (t)
		failed(p, t, err->text);
	if (!a->closing) {
		observe_changed(a);
		a->reload_pools = true; /* it may be gone meanwhile */
		desired_work(a);
	}
	free(c);
	agent_put(a);
}

static void fill(const struct agent_pool *p, struct storage_task *ret)
{
	static const enum storage_task_kind kinds[TASK_KINDS] = {
		[TASK_MAKE] = STORAGE_MAKE,
		[TASK_EXTEND] = STORAGE_EXTEND,
		[TASK_REPLACE] = STORAGE_REPLACE,
		[TASK_DESTROY] = STORAGE_DESTROY,
	};
	const struct agent_task *t = p->task;

	memset(ret, 0, sizeof(*ret));
	ret->kind = kinds[t->wanted.kind];
	memcpy(ret->pool, p->uuid, sizeof(ret->pool));
	ret->n = t->wanted.n;
	for (int i = 0; i < t->wanted.n; i++)
		memcpy(ret->device[i], t->wanted.device[i], sizeof(ret->device[i]));
	memcpy(ret->old, t->wanted.old, sizeof(ret->old));
	ret->wipe = t->wanted.wipe;
	ret->stuck = t->same < 0 || t->same == STUCK_LOOKS;
}

_Static_assert(STORAGE_DEVICES_MAX == POOL_DEVICES_MAX && STORAGE_DEVICE_MAX == DEVICE_LEN_MAX + 1,
	       "what the model allows the storage takes");

static void run(struct agent *a, struct agent_pool *p)
{
	struct storage_task *s;

	if (p->task->done) {
		if (a->n_calls < AGENT_CALLS_MAX)
			tell(a, p);
		return;
	}
	s = malloc(sizeof(*s));
	if (!s)
		abort();
	fill(p, s);
	storage_task(a->config.loop, &p->pool, s, on_done, call_begin(a, p));
	free(s);
}

void tasks_run(struct agent *a)
{
	uint64_t now = clock_boot_ns();

	for (struct agent_pool *p = a->pools; p && !a->closing; p = p->next) {
		const struct agent_task *t = p->task;

		if (p->wanted && t && !t->busy && t->wanted.kind != TASK_NONE &&
		    now >= t->retry_ns && !p->probing)
			run(a, p);
	}
}
