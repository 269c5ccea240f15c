// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * storage.c - the checked front door to the backends. Called by the agent on
 * the main loop; each call becomes a job of what it locks (its directory, its
 * volume group), jobs of one lock run one after the other, each in a thread, so
 * a tool or file system that hangs holds up its own pool and nothing else. It
 * knows no backend by heart: to add one, write its ops table and add it to
 * storage_backends[].
 */
#include "storage/storage.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "storage/block_queue.h"
#include "storage/cache.h"
#include "storage/cached.h"
#include "storage/file.h"
#include "storage/luks.h"
#include "storage/lvm.h"
#include "storage/zfs.h"

#define SLOW_MS 2000 /* a job that takes longer is worth a line */
#define LOCK_TEXT_MAX (sizeof(((struct storage_pool *)0)->source) + 32)
#define ZERO_LOCK "zero/" /* before a lock: of the jobs with it one makes data zero at a time */
#define THREAD_STACK (512u << 10)

enum verb {
	VERB_PROBE,
	VERB_CREATE,
	VERB_LOCATE,
	VERB_GROW,
	VERB_REMOVE,
	VERB_ALLOCATED,
	VERB_SNAPSHOT,
	VERB_RESTORE,
	VERB_SNAPSHOT_REMOVE,
	VERB_ADOPTABLE,
	VERB_ADOPT,
	VERB_TASK, /* the first of them, by kind */
};

static const char *const verb_names[] = { "probe",           "create",    "locate",   "grow",
					  "remove",          "allocated", "snapshot", "restore",
					  "snapshot-remove", "adoptable", "adopt",    "make",
					  "extend",          "replace",   "destroy" };

static const struct storage_ops *const storage_backends[] = {
	&storage_file,     &storage_file_thin, &storage_lvm,
	&storage_lvm_thin, &storage_zfs,       &storage_zfs_thin,
};

struct job {
	struct queue *queue;
	struct job *next;
	enum verb verb;
	const struct storage_ops *ops; /* NULL: refused by the front door with err */
	struct storage_pool pool;
	struct storage_volume volume;     /* name "": none */
	struct storage_snapshot snapshot; /* name "": none */
	struct storage_foreign foreign;   /* name "": none */
	struct storage_task *task;        /* owned; NULL: none */
	storage_cb cb;
	void *arg;
	uint64_t started_ns;
	bool zeroing; /* between two calls of the backend, beside the others of its lock */
	/* written by the worker */
	int status;
	struct err err;
	struct storage_paths paths;
	struct storage_space space;
};

/* what is used by one job at a time, with jobs for it; gone when it has none */
struct queue {
	struct queue *next;
	uv_loop_t *loop;
	uv_async_t ended; /* by the head's thread, as its last act */
	uv_thread_t thread;
	char lock[LOCK_TEXT_MAX];
	struct job *head, *tail; /* head is running */
	int n;
	struct proc_watch watch;
};

/* main loop's thread only */
static struct queue *queues;

/* --- the contract ------------------------------------------------------- */

static bool name_ok(const char *name, size_t size)
{
	size_t len = strnlen(name, size);

	if (len == 0 || len == size || name[0] == '.')
		return false;
	return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.") ==
	       len;
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

int storage_check_pool(const struct storage_pool *p, struct err *err)
{
	const struct storage_ops *ops;

	if (strnlen(p->name, sizeof(p->name)) == sizeof(p->name))
		return err_set(err, -E_INVALID, "pool name too long");
	if (strnlen(p->source, sizeof(p->source)) == sizeof(p->source))
		return err_set(err, -E_INVALID, "pool %s: its source is too long", p->name);
	ops = find_backend(p->kind);
	if (!ops)
		return err_set(err, -E_INVALID, "pool %s: kind \"%.15s\" is not known here",
			       p->name, p->kind);
	return ops->check(p, err);
}

bool storage_can_snapshot(const char *kind)
{
	const struct storage_ops *ops = find_backend(kind);

	return ops && ops->snapshot;
}

bool storage_can_adopt(const char *kind)
{
	const struct storage_ops *ops = find_backend(kind);

	return ops && ops->adopt;
}

static int check_volume(const struct storage_pool *p, const struct storage_volume *v,
			struct err *err)
{
	if (!name_ok(v->name, sizeof(v->name)))
		return err_set(err, -E_INVALID, "pool %s: \"%.63s\" cannot be a file name", p->name,
			       v->name);
	if (v->size_bytes == 0 || v->size_bytes % STORAGE_BLOCK || v->size_bytes > INT64_MAX)
		return err_set(err, -E_INVALID,
			       "pool %s: volume %s: size %llu is no multiple of %d bytes", p->name,
			       v->name, (unsigned long long)v->size_bytes, STORAGE_BLOCK);
	return 0;
}

static int check_snapshot(const struct storage_pool *p, const struct storage_snapshot *s,
			  struct err *err)
{
	if (!name_ok(s->volume, sizeof(s->volume)) || !name_ok(s->name, sizeof(s->name)))
		return err_set(err, -E_INVALID,
			       "pool %s: snapshot \"%.127s\" of \"%.63s\" cannot be a file name",
			       p->name, s->name, s->volume);
	if (!find_backend(p->kind)->snapshot)
		return err_set(err, -EOPNOTSUPP,
			       "pool %s: a pool of kind %s cannot take snapshots: use a thin one",
			       p->name, p->kind);
	return 0;
}

static int check_adopt(const struct job *j, struct err *err)
{
	if (!find_backend(j->pool.kind)->adopt)
		return err_set(err, -EOPNOTSUPP,
			       "pool %s: a pool of kind %s has no volumes to adopt: it takes one "
			       "of LVM",
			       j->pool.name, j->pool.kind);
	if (!j->foreign.name[0])
		return err_set(err, -E_INVALID, "pool %s: the name of what is to be adopted is %s",
			       j->pool.name, "missing or too long");
	if (j->verb == VERB_ADOPT && (j->volume.encrypted || j->volume.cache.pool[0] ||
				      j->volume.size_bytes < j->foreign.size_bytes))
		return err_set(
			err, -E_INVALID,
			"pool %s: volume %s cannot be made of %.60s: it is encrypted, cached "
			"or smaller",
			j->pool.name, j->volume.name, j->foreign.name);
	return 0;
}

static int check_task(const struct storage_pool *p, struct err *err)
{
	if (find_backend(p->kind)->task)
		return 0;
	return err_set(err, -EOPNOTSUPP, "pool %s: a pool of kind %s is not made of devices",
		       p->name, p->kind);
}

static int check(const struct job *j, struct err *err)
{
	bool of_volume = j->verb != VERB_PROBE && j->verb != VERB_SNAPSHOT_REMOVE &&
			 j->verb != VERB_ADOPTABLE && !j->task;
	bool of_snapshot = j->verb == VERB_SNAPSHOT || j->verb == VERB_RESTORE ||
			   j->verb == VERB_SNAPSHOT_REMOVE;
	int rv = storage_check_pool(&j->pool, err);

	if (rv == 0 && of_volume)
		rv = check_volume(&j->pool, &j->volume, err);
	if (rv == 0 && j->volume.cache.pool[0])
		rv = cached_check(&j->pool, &j->volume, err);
	if (rv == 0 && of_snapshot)
		rv = check_snapshot(&j->pool, &j->snapshot, err);
	if (rv == 0 && (j->verb == VERB_ADOPTABLE || j->verb == VERB_ADOPT))
		rv = check_adopt(j, err);
	if (rv == 0 && j->task)
		rv = check_task(&j->pool, err);
	if (rv == 0 && j->verb == VERB_RESTORE && j->volume.size_bytes < j->snapshot.size_bytes)
		rv = err_set(err, -E_INVALID,
			     "pool %s: volume %s would be smaller than its snapshot %s",
			     j->pool.name, j->volume.name, j->snapshot.name);
	return rv;
}

/* --- encryption --------------------------------------------------------- */

/* Where content begins is the layer's business: backends get the size with the header. */
static void add_header(struct job *j)
{
	if (!j->volume.encrypted)
		return;
	j->volume.header_bytes = LUKS_HEADER_BYTES;
	j->volume.size_bytes += LUKS_HEADER_BYTES;
	if (j->snapshot.name[0])
		j->snapshot.size_bytes += LUKS_HEADER_BYTES;
}

/* the backend's data device in j->paths becomes the open mapping over it */
static int open_layer(struct job *j, enum luks_header header)
{
	struct stat st;
	bool is_file = stat(j->paths.data, &st) == 0 && S_ISREG(st.st_mode);
	char path[LUKS_PATH_MAX];
	int rv;

	rv = luks_open(j->paths.data, j->volume.name, j->volume.has_key ? j->volume.key : NULL,
		       header, path, &j->err);
	if (rv < 0)
		return rv;
	snprintf(j->paths.data, sizeof(j->paths.data), "%s", path);
	rv = luks_below(j->volume.name, j->paths.below, sizeof(j->paths.below), &j->err);
	if (rv == 0 && is_file) /* a hole in it is zeros */
		j->paths.discard_bytes = block_queue_discard_at(j->paths.below);
	j->paths.below_off = LUKS_HEADER_BYTES;
	return rv;
}

/* the backend's call has not ended: it goes on when its data is made zero */
static bool wants_zeros(const struct job *j)
{
	return j->paths.zero_from < j->paths.zero_to;
}

static int create_encrypted(struct job *j)
{
	int rv;

	/* before anything is made that could not be finished */
	if (!j->volume.has_key)
		return err_set(&j->err, -E_LOCKED,
			       "locked: this node does not have the master key: sdsd encryption "
			       "enter-passphrase");
	rv = j->verb == VERB_CREATE
		     ? j->ops->create(&j->pool, &j->volume, &j->paths, &j->err)
		     : j->ops->restore(&j->pool, &j->volume, &j->snapshot, &j->paths, &j->err);
	if (rv == 0 && !wants_zeros(j))
		/* the content of a snapshot has its header with it */
		rv = open_layer(j, j->verb == VERB_CREATE ? LUKS_MAY_MAKE : LUKS_MUST_BE);
	j->paths.size_bytes = j->volume.size_bytes - j->volume.header_bytes;
	return rv;
}

/* New space is zeros only under the layer: it is written before the label tells of it. What was
 * cut is done again, as long as the label has the former size. */
static int grow_encrypted(struct job *j)
{
	uint64_t wanted = j->volume.size_bytes - j->volume.header_bytes, had;
	char device[STORAGE_PATH_MAX];
	int rv = j->ops->locate(&j->pool, &j->volume, &j->paths, &j->err);

	if (rv < 0)
		return rv;
	had = j->paths.size_bytes;
	memcpy(device, j->paths.data, sizeof(device));
	rv = open_layer(j, LUKS_MUST_BE);
	if (rv == 0 && had < wanted) {
		j->volume.label_stays = true;
		rv = j->ops->grow(&j->pool, &j->volume, &j->paths, &j->err);
		j->volume.label_stays = false;
		if (rv == 0 && wants_zeros(j))
			return 0;
		if (rv == 0)
			rv = luks_fit(device, j->volume.name, &j->err);
		if (rv == 0)
			rv = luks_zero(j->volume.name, had, wanted, &j->err);
	}
	if (rv == 0)
		rv = j->ops->grow(&j->pool, &j->volume, &j->paths, &j->err);
	if (rv == 0)
		rv = open_layer(j, LUKS_MUST_BE);
	j->paths.size_bytes = had > wanted ? had : wanted;
	return rv;
}

/* Whoever removes does not know whether it was encrypted: its document is gone. */
static int remove_layer(struct job *j)
{
	char cached[CACHE_PATH_MAX];
	struct err ignored;

	if (!luks_is_open(j->volume.name) ||
	    j->ops->locate(&j->pool, &j->volume, &j->paths, &ignored) < 0)
		return 0;
	cache_path(j->volume.name, cached);
	return luks_close(cache_is_open(j->volume.name) ? cached : j->paths.data, j->volume.name,
			  &j->err);
}

static bool has_layer_work(enum verb verb)
{
	return verb == VERB_CREATE || verb == VERB_RESTORE || verb == VERB_LOCATE ||
	       verb == VERB_GROW || verb == VERB_SNAPSHOT;
}

static int work_encrypted(struct job *j)
{
	int rv;

	switch (j->verb) {
	case VERB_CREATE:
	case VERB_RESTORE:
		return create_encrypted(j);
	case VERB_LOCATE:
		rv = j->ops->locate(&j->pool, &j->volume, &j->paths, &j->err);
		return rv < 0 ? rv : open_layer(j, LUKS_MUST_BE);
	case VERB_GROW:
		return grow_encrypted(j);
	default: /* VERB_SNAPSHOT: what is in the mapping's own cache is not on the device yet */
		rv = luks_sync(j->volume.name, &j->err);
		return rv < 0 ? rv : j->ops->snapshot(&j->pool, &j->volume, &j->snapshot, &j->err);
	}
}

/* --- what others have made ---------------------------------------------- */

static int find_foreign(struct job *j)
{
	struct storage_foreign found;
	int rv = j->ops->adoptable(&j->pool, j->foreign.name, &found, &j->err);

	if (rv < 0)
		return rv;
	snprintf(j->paths.data, sizeof(j->paths.data), "%s", found.name);
	j->paths.size_bytes = found.size_bytes;
	return 0;
}

/* --- jobs --------------------------------------------------------------- */

static int job_work(struct job *j)
{
	const struct storage_ops *ops = j->ops;
	int rv;

	if (j->zeroing)
		return ops->zero(&j->pool, &j->paths, &j->err);
	if (j->volume.encrypted && has_layer_work(j->verb))
		return work_encrypted(j);
	if (j->verb == VERB_REMOVE && (rv = remove_layer(j)) < 0)
		return rv;
	switch (j->verb) {
	case VERB_PROBE:
		return ops->probe(&j->pool, &j->space, &j->err);
	case VERB_CREATE:
		return ops->create(&j->pool, &j->volume, &j->paths, &j->err);
	case VERB_LOCATE:
		return ops->locate(&j->pool, &j->volume, &j->paths, &j->err);
	case VERB_GROW:
		return ops->grow(&j->pool, &j->volume, &j->paths, &j->err);
	case VERB_REMOVE:
		return ops->remove(&j->pool, &j->volume, &j->err);
	case VERB_ALLOCATED:
		return ops->allocated(&j->pool, &j->volume, &j->space.allocated_kib, &j->err);
	case VERB_SNAPSHOT:
		return ops->snapshot(&j->pool, &j->volume, &j->snapshot, &j->err);
	case VERB_RESTORE:
		return ops->restore(&j->pool, &j->volume, &j->snapshot, &j->paths, &j->err);
	case VERB_SNAPSHOT_REMOVE:
		return ops->snapshot_remove(&j->pool, &j->snapshot, &j->err);
	case VERB_ADOPTABLE:
		return find_foreign(j);
	case VERB_ADOPT:
		return ops->adopt(&j->pool, &j->volume, &j->foreign, &j->paths, &j->err);
	default:
		return ops->task(&j->pool, j->task, &j->err);
	}
}

static void queue_thread(void *arg)
{
	struct queue *q = arg;
	struct job *j = q->head;

	if (j->ops) /* else it was refused: status and err are set */
		j->status = job_work(j);
	uv_async_send(&q->ended);
}

static void queue_run(struct queue *q)
{
	uv_thread_options_t o = { .flags = UV_THREAD_HAS_STACK_SIZE, .stack_size = THREAD_STACK };

	q->head->pool.watch = &q->watch;
	if (!q->head->started_ns)
		q->head->started_ns = clock_boot_ns();
	if (uv_thread_create_ex(&q->thread, &o, queue_thread, q) < 0)
		abort();
}

static struct queue *queue_find(uv_loop_t *loop, const char *lock)
{
	for (struct queue *q = queues; q; q = q->next) {
		if (q->loop == loop && strcmp(q->lock, lock) == 0)
			return q;
	}
	return NULL;
}

static void on_ended(uv_async_t *async);

static struct queue *queue_new(uv_loop_t *loop, const char *lock)
{
	struct queue *q = calloc(1, sizeof(*q));

	if (!q || uv_async_init(loop, &q->ended, on_ended) < 0)
		abort();
	q->ended.data = q;
	q->loop = loop;
	snprintf(q->lock, sizeof(q->lock), "%s", lock);
	q->next = queues;
	queues = q;
	return q;
}

static void on_queue_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void queue_free(struct queue *q)
{
	struct queue **p = &queues;

	while (*p != q)
		p = &(*p)->next;
	*p = q->next;
	uv_close((uv_handle_t *)&q->ended, on_queue_closed);
}

static const char *volume_name(const struct job *j)
{
	return j->volume.name[0] ? j->volume.name : j->snapshot.volume;
}

static void job_log(const struct job *j)
{
	unsigned long long ms = (clock_boot_ns() - j->started_ns) / 1000000;

	log_debug("storage", "pool=%s volume=%s %s ms=%llu status=%s", j->pool.name, volume_name(j),
		  verb_names[j->verb], ms, j->status < 0 ? j->err.text : "ok");
	if (ms >= SLOW_MS)
		log_warn("storage", "pool=%s volume=%s %s was slow: ms=%llu", j->pool.name,
			 volume_name(j), verb_names[j->verb], ms);
}

static void enqueue(struct queue *q, struct job *j)
{
	j->queue = q;
	j->next = NULL;
	if (q->head)
		q->tail->next = j;
	else
		q->head = j;
	q->tail = j;
	if (++q->n == 1)
		queue_run(q);
}

static void lock_of(const struct storage_pool *p, char out[LOCK_TEXT_MAX])
{
	const struct storage_ops *ops = find_backend(p->kind);

	if (ops->lock)
		ops->lock(p, out, LOCK_TEXT_MAX);
	else
		snprintf(out, LOCK_TEXT_MAX, "%s", p->source);
}

/* of those jobs of the lock that make data zero */
static void zero_lock_of(const struct storage_pool *p, char out[LOCK_TEXT_MAX])
{
	char lock[LOCK_TEXT_MAX];

	lock_of(p, lock);
	snprintf(out, LOCK_TEXT_MAX, ZERO_LOCK "%.*s", (int)(LOCK_TEXT_MAX - sizeof(ZERO_LOCK)),
		 lock);
}

/* What is there to be done besides: data is made zero beside the other jobs of the lock, then the
 * backend goes on with the lock. Neither is refused because others wait. false: it is through. */
static bool goes_on(uv_loop_t *loop, struct job *j)
{
	char lock[LOCK_TEXT_MAX];
	struct queue *q;

	if (j->status < 0 || (!j->zeroing && !wants_zeros(j)))
		return false;
	if (j->zeroing) {
		j->volume.zeroed_from = j->paths.zero_from;
		j->volume.zeroed_to = j->paths.zero_to;
		memset(&j->paths, 0, sizeof(j->paths));
		lock_of(&j->pool, lock);
	} else {
		zero_lock_of(&j->pool, lock);
	}
	j->zeroing = !j->zeroing;
	q = queue_find(loop, lock);
	enqueue(q ? q : queue_new(loop, lock), j);
	return true;
}

static void on_ended(uv_async_t *async)
{
	struct queue *q = async->data;
	uv_loop_t *loop = q->loop;
	struct job *j = q->head;

	uv_thread_join(&q->thread);
	assert(j->status <= 0 && (j->status == 0 || j->err.code == j->status));
	q->head = j->next;
	q->n--;
	if (q->head)
		queue_run(q);
	else
		queue_free(q);
	if (goes_on(loop, j))
		return;
	job_log(j);
	j->cb(j->status, &j->err, &j->paths, &j->space, j->arg);
	explicit_bzero(&j->volume.key, sizeof(j->volume.key));
	free(j->task);
	free(j);
}

/* a refused job goes the same way, so that its answer comes later and in order */
static struct queue *queue_for(uv_loop_t *loop, struct job *j)
{
	char lock[LOCK_TEXT_MAX] = "";
	struct queue *q;

	if (j->status == 0)
		lock_of(&j->pool, lock);
	q = queue_find(loop, lock);
	if (j->status == 0 && q && q->n >= STORAGE_QUEUE_MAX) {
		j->status = err_set(&j->err, -EBUSY,
				    "pool %s: %d operations wait already: does %s hang?",
				    j->pool.name, STORAGE_QUEUE_MAX, j->pool.source);
		lock[0] = 0;
		q = queue_find(loop, lock);
	}
	return q ? q : queue_new(loop, lock);
}

static struct job *job_new(enum verb verb, const struct storage_pool *p, storage_cb cb, void *arg)
{
	struct job *j = calloc(1, sizeof(*j));

	if (!j)
		abort();
	j->verb = verb;
	j->cb = cb;
	j->arg = arg;
	j->pool = *p;
	return j;
}

/* what a volume with a cache is handled by: all but its removal, which finds the cache */
static const struct storage_ops *ops_of(const struct job *j)
{
	return j->volume.cache.pool[0] && has_layer_work(j->verb) ? cached_ops(&j->volume)
								  : find_backend(j->pool.kind);
}

static void submit(uv_loop_t *loop, struct job *j)
{
	struct queue *q;

	j->status = check(j, &j->err);
	if (j->status == 0 && j->volume.name[0]) {
		j->volume.meta_bytes = storage_meta_ops()->bytes(j->volume.size_bytes);
		add_header(j);
	}
	q = queue_for(loop, j);
	if (j->status == 0)
		j->ops = ops_of(j);
	enqueue(q, j);
}

static void submit_volume(uv_loop_t *loop, enum verb verb, const struct storage_pool *p,
			  const struct storage_volume *v, storage_cb cb, void *arg)
{
	struct job *j = job_new(verb, p, cb, arg);

	j->volume = *v;
	submit(loop, j);
}

void storage_activity(uv_loop_t *loop, const struct storage_pool *p, struct storage_activity *ret)
{
	char lock[LOCK_TEXT_MAX], zero_lock[LOCK_TEXT_MAX];
	const struct queue *q, *zero;

	memset(ret, 0, sizeof(*ret));
	if (storage_check_pool(p, NULL) < 0)
		return;
	lock_of(p, lock);
	zero_lock_of(p, zero_lock);
	q = queue_find(loop, lock);
	zero = queue_find(loop, zero_lock);
	if (zero && zero->head && (!q || !q->head || zero->head->started_ns < q->head->started_ns))
		q = zero; /* what has taken longest */
	if (!q || !q->head)
		return;
	ret->what = verb_names[q->head->verb];
	snprintf(ret->volume, sizeof(ret->volume), "%s", volume_name(q->head));
	ret->since_ns = q->head->started_ns;
	ret->pid = atomic_load(&q->watch.pid);
	ret->pid_since_ns = atomic_load(&q->watch.since_ns);
	ret->waiting = q->n - 1;
}

void storage_probe(uv_loop_t *loop, const struct storage_pool *p, storage_cb cb, void *arg)
{
	submit(loop, job_new(VERB_PROBE, p, cb, arg));
}

void storage_create(uv_loop_t *loop, const struct storage_pool *p, const struct storage_volume *v,
		    storage_cb cb, void *arg)
{
	submit_volume(loop, VERB_CREATE, p, v, cb, arg);
}

void storage_locate(uv_loop_t *loop, const struct storage_pool *p, const struct storage_volume *v,
		    storage_cb cb, void *arg)
{
	submit_volume(loop, VERB_LOCATE, p, v, cb, arg);
}

void storage_grow(uv_loop_t *loop, const struct storage_pool *p, const struct storage_volume *v,
		  storage_cb cb, void *arg)
{
	submit_volume(loop, VERB_GROW, p, v, cb, arg);
}

void storage_remove(uv_loop_t *loop, const struct storage_pool *p, const struct storage_volume *v,
		    storage_cb cb, void *arg)
{
	submit_volume(loop, VERB_REMOVE, p, v, cb, arg);
}

void storage_allocated(uv_loop_t *loop, const struct storage_pool *p,
		       const struct storage_volume *v, storage_cb cb, void *arg)
{
	submit_volume(loop, VERB_ALLOCATED, p, v, cb, arg);
}

void storage_snapshot(uv_loop_t *loop, const struct storage_pool *p, const struct storage_volume *v,
		      const struct storage_snapshot *s, storage_cb cb, void *arg)
{
	struct job *j = job_new(VERB_SNAPSHOT, p, cb, arg);

	j->volume = *v;
	j->snapshot = *s;
	submit(loop, j);
}

void storage_restore(uv_loop_t *loop, const struct storage_pool *p, const struct storage_volume *v,
		     const struct storage_snapshot *s, storage_cb cb, void *arg)
{
	struct job *j = job_new(VERB_RESTORE, p, cb, arg);

	j->volume = *v;
	j->snapshot = *s;
	submit(loop, j);
}

void storage_snapshot_remove(uv_loop_t *loop, const struct storage_pool *p,
			     const struct storage_snapshot *s, storage_cb cb, void *arg)
{
	struct job *j = job_new(VERB_SNAPSHOT_REMOVE, p, cb, arg);

	j->snapshot = *s;
	submit(loop, j);
}

void storage_adoptable(uv_loop_t *loop, const struct storage_pool *p, const char *device,
		       storage_cb cb, void *arg)
{
	struct job *j = job_new(VERB_ADOPTABLE, p, cb, arg);

	if (strlen(device) < sizeof(j->foreign.name))
		snprintf(j->foreign.name, sizeof(j->foreign.name), "%s", device);
	submit(loop, j);
}

void storage_adopt(uv_loop_t *loop, const struct storage_pool *p, const struct storage_volume *v,
		   const struct storage_foreign *from, storage_cb cb, void *arg)
{
	struct job *j = job_new(VERB_ADOPT, p, cb, arg);

	j->volume = *v;
	j->foreign = *from;
	submit(loop, j);
}

void storage_task(uv_loop_t *loop, const struct storage_pool *p, const struct storage_task *t,
		  storage_cb cb, void *arg)
{
	struct job *j = job_new((enum verb)(VERB_TASK + t->kind), p, cb, arg);

	j->task = malloc(sizeof(*t));
	if (!j->task)
		abort();
	*j->task = *t;
	submit(loop, j);
}
