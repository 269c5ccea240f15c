// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * storage.c - the checked front door to the backends. Called by the agent on
 * the main loop; each call becomes a job of its pool directory, jobs of one
 * directory run one after the other in worker threads, so a file system that
 * hangs holds up its own pool and one thread. It knows no backend by heart:
 * to add one, write its ops table and add it to storage_backends[].
 */
#include "storage/storage.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "storage/file.h"

#define SLOW_MS 2000 /* a job that takes longer is worth a line */

enum verb { VERB_PROBE, VERB_CREATE, VERB_LOCATE, VERB_GROW, VERB_REMOVE, VERB_ALLOCATED };

static const char *const verb_names[] = {
	"probe", "create", "locate", "grow", "remove", "allocated"
};

static const struct storage_ops *const storage_backends[] = {
	&storage_file,
	&storage_file_thin,
};

struct job {
	uv_work_t work;
	struct queue *queue;
	struct job *next;
	enum verb verb;
	const struct storage_ops *ops; /* NULL: refused by the front door with err */
	struct storage_pool pool;
	struct storage_volume volume;
	storage_cb cb;
	void *arg;
	uint64_t started_ns;
	/* written by the worker */
	int status;
	struct err err;
	struct storage_paths paths;
	struct storage_space space;
};

/* one pool directory with work to do; gone when it has none */
struct queue {
	struct queue *next;
	uv_loop_t *loop;
	char dir[sizeof(((struct storage_pool *)0)->dir)];
	struct job *head, *tail; /* head is running */
	int n;
};

/* main loop's thread only */
static struct queue *queues;
static const struct storage_meta_ops *meta_ops;

void storage_set_meta_ops(const struct storage_meta_ops *ops)
{
	meta_ops = ops;
}

const struct storage_meta_ops *storage_meta_ops(void)
{
	assert(meta_ops);
	return meta_ops;
}

/* --- the contract ------------------------------------------------------- */

static bool name_ok(const char *name)
{
	size_t len = strnlen(name, sizeof(((struct storage_volume *)0)->name));

	if (len == 0 || len == sizeof(((struct storage_volume *)0)->name) || name[0] == '.')
		return false;
	return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.") ==
	       len;
}

static bool dir_ok(const char *dir)
{
	size_t len = strnlen(dir, sizeof(((struct storage_pool *)0)->dir));

	return len > 0 && len < sizeof(((struct storage_pool *)0)->dir) && dir[0] == '/';
}

static const struct storage_ops *find_backend(const char *kind)
{
	for (size_t i = 0; i < sizeof(storage_backends) / sizeof(storage_backends[0]); i++) {
		if (strncmp(storage_backends[i]->kind, kind,
			    sizeof(((struct storage_pool *)0)->kind)) == 0)
			return storage_backends[i];
	}
	return NULL;
}

static int check(const struct storage_pool *p, const struct storage_volume *v, struct err *err)
{
	if (strnlen(p->name, sizeof(p->name)) == sizeof(p->name))
		return err_set(err, -E_INVALID, "pool name too long");
	if (!find_backend(p->kind))
		return err_set(err, -E_INVALID, "pool %s: kind \"%.15s\" is not known here",
			       p->name, p->kind);
	if (!dir_ok(p->dir))
		return err_set(err, -E_INVALID, "pool %s: the directory must be an absolute path",
			       p->name);
	if (v && !name_ok(v->name))
		return err_set(err, -E_INVALID, "pool %s: \"%.63s\" cannot be a file name", p->name,
			       v->name);
	if (v && (v->size_bytes == 0 || v->size_bytes % STORAGE_BLOCK || v->size_bytes > INT64_MAX))
		return err_set(err, -E_INVALID,
			       "pool %s: volume %s: size %llu is no multiple of %d bytes", p->name,
			       v->name, (unsigned long long)v->size_bytes, STORAGE_BLOCK);
	return 0;
}

/* --- jobs --------------------------------------------------------------- */

static void job_work(uv_work_t *work)
{
	struct job *j = (struct job *)work;

	if (!j->ops)
		return; /* refused: status and err are set */
	switch (j->verb) {
	case VERB_PROBE:
		j->status = j->ops->probe(&j->pool, &j->space, &j->err);
		break;
	case VERB_CREATE:
		j->status = j->ops->create(&j->pool, &j->volume, &j->paths, &j->err);
		break;
	case VERB_LOCATE:
		j->status = j->ops->locate(&j->pool, &j->volume, &j->paths, &j->err);
		break;
	case VERB_GROW:
		j->status = j->ops->grow(&j->pool, &j->volume, &j->paths, &j->err);
		break;
	case VERB_REMOVE:
		j->status = j->ops->remove(&j->pool, &j->volume, &j->err);
		break;
	case VERB_ALLOCATED:
		j->status =
			j->ops->allocated(&j->pool, &j->volume, &j->space.allocated_kib, &j->err);
		break;
	}
}

static void job_done(uv_work_t *work, int status);

static void queue_run(struct queue *q)
{
	int rv;

	q->head->started_ns = clock_boot_ns();
	rv = uv_queue_work(q->loop, &q->head->work, job_work, job_done);
	assert(rv == 0); /* fails only without a function to run */
}

static struct queue *queue_find(uv_loop_t *loop, const char *dir)
{
	for (struct queue *q = queues; q; q = q->next) {
		if (q->loop == loop && strcmp(q->dir, dir) == 0)
			return q;
	}
	return NULL;
}

static struct queue *queue_new(uv_loop_t *loop, const char *dir)
{
	struct queue *q = calloc(1, sizeof(*q));

	if (!q)
		abort();
	q->loop = loop;
	memcpy(q->dir, dir, strnlen(dir, sizeof(q->dir) - 1));
	q->next = queues;
	queues = q;
	return q;
}

static void queue_free(struct queue *q)
{
	struct queue **p = &queues;

	while (*p != q)
		p = &(*p)->next;
	*p = q->next;
	free(q);
}

static void job_log(const struct job *j)
{
	unsigned long long ms = (clock_boot_ns() - j->started_ns) / 1000000;

	log_debug("storage", "pool=%s volume=%s %s ms=%llu status=%s", j->pool.name,
		  j->volume.name[0] ? j->volume.name : "-", verb_names[j->verb], ms,
		  j->status < 0 ? j->err.text : "ok");
	if (ms >= SLOW_MS)
		log_warn("storage", "pool=%s volume=%s %s was slow: ms=%llu", j->pool.name,
			 j->volume.name[0] ? j->volume.name : "-", verb_names[j->verb], ms);
}

static void job_done(uv_work_t *work, int status)
{
	struct job *j = (struct job *)work;
	struct queue *q = j->queue;

	if (status == UV_ECANCELED)
		j->status = err_set(&j->err, -ECANCELED, "pool %s: the daemon is stopping",
				    j->pool.name);
	assert(j->status <= 0 && (j->status == 0 || j->err.code == j->status));
	job_log(j);
	q->head = j->next;
	q->n--;
	if (q->head)
		queue_run(q);
	else
		queue_free(q);
	j->cb(j->status, &j->err, &j->paths, &j->space, j->arg);
	free(j);
}

static void submit(uv_loop_t *loop, enum verb verb, const struct storage_pool *p,
		   const struct storage_volume *v, storage_cb cb, void *arg)
{
	struct job *j = calloc(1, sizeof(*j));
	struct queue *q;

	if (!j)
		abort();
	j->verb = verb;
	j->cb = cb;
	j->arg = arg;
	j->pool = *p;
	if (v)
		j->volume = *v;
	j->status = check(p, v, &j->err);
	if (j->status == 0 && v)
		j->volume.meta_bytes = storage_meta_ops()->bytes(v->size_bytes);
	/* a refused job goes the same way, so that its answer comes later and in order */
	q = queue_find(loop, j->status == 0 ? p->dir : "");
	if (j->status == 0 && q && q->n >= STORAGE_QUEUE_MAX) {
		j->status = err_set(&j->err, -EBUSY,
				    "pool %s: %d operations wait already: does %s hang?", p->name,
				    STORAGE_QUEUE_MAX, p->dir);
		q = queue_find(loop, "");
	}
	if (j->status == 0)
		j->ops = find_backend(p->kind);
	if (!q)
		q = queue_new(loop, j->status == 0 ? p->dir : "");
	j->queue = q;
	if (q->tail && q->head)
		q->tail->next = j;
	else
		q->head = j;
	q->tail = j;
	if (++q->n == 1)
		queue_run(q);
}

void storage_probe(uv_loop_t *loop, const struct storage_pool *p, storage_cb cb, void *arg)
{
	submit(loop, VERB_PROBE, p, NULL, cb, arg);
}

void storage_create(uv_loop_t *loop, const struct storage_pool *p, const struct storage_volume *v,
		    storage_cb cb, void *arg)
{
	submit(loop, VERB_CREATE, p, v, cb, arg);
}

void storage_locate(uv_loop_t *loop, const struct storage_pool *p, const struct storage_volume *v,
		    storage_cb cb, void *arg)
{
	submit(loop, VERB_LOCATE, p, v, cb, arg);
}

void storage_grow(uv_loop_t *loop, const struct storage_pool *p, const struct storage_volume *v,
		  storage_cb cb, void *arg)
{
	submit(loop, VERB_GROW, p, v, cb, arg);
}

void storage_remove(uv_loop_t *loop, const struct storage_pool *p, const struct storage_volume *v,
		    storage_cb cb, void *arg)
{
	submit(loop, VERB_REMOVE, p, v, cb, arg);
}

void storage_allocated(uv_loop_t *loop, const struct storage_pool *p,
		       const struct storage_volume *v, storage_cb cb, void *arg)
{
	submit(loop, VERB_ALLOCATED, p, v, cb, arg);
}
