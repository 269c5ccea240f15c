// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * plane_nvme.c - the plane of resources that are not replicated: their only copy is shown to others
 * by the kernel's NVMe target, and reached by its initiator. Each resource has one job at a time,
 * which makes everything as it is to be (nvme_job.c); it is repeated every NVME_LOOK_MS, since
 * nobody says when a controller has given up or who has a device open. A plane that stops leaves
 * the kernel as it is, and the next life finds it so.
 */
#include <stdlib.h>

#include "base/log.h"
#include "replication/kernel_names.h"
#include "replication/nvme_sys.h"
#include "replication/plane_loop.h"

#define NVME_LOOK_MS 3000
#define NVME_SWEEP_AGAIN_MS 10000 /* what could not be taken out of the kernel */

struct nvme_plane {
	struct plane plane;
	struct disk sweeper;
	struct nvme_sweep sweep;
	u8 (*told)[16]; /* what is defined, n_told of them; without what was set since */
	size_t n_told;
	u8 (*defined)[16]; /* the sweep's */
	bool sweeping;
	bool sweep_due; /* told anew meanwhile */
	uv_timer_t again;
	bool closed;
};

struct nvme_item {
	struct plane_item item;
	struct plane_resource r;
	struct disk worker;
	struct nvme_job *job; /* under way, or NULL */
	bool due;             /* what is wanted has changed since it began */
	bool held;            /* not before the end of a sweep that does not know of it */
	bool removing;        /* out of the kernel */
	bool ending;          /* out of this process only */
	void (*removed)(void *arg);
	void *arg;
	uv_timer_t timer;
	u64 told[PLANE_VOLUMES]; /* the kernel, of sizes */
	bool known;              /* of a job that has ended */
	bool up, open;
	char device[PLANE_VOLUMES][NVME_DEVICE_MAX];
	char error[ERR_TEXT_MAX];
};

_Static_assert(NVME_DEVICE_MAX == KERNEL_DEVICE_MAX, "the same names");

static struct nvme_plane *of(struct plane *p)
{
	return (struct nvme_plane *)p;
}

static struct nvme_item *item_of(struct plane_item *i)
{
	return (struct nvme_item *)((char *)i - offsetof(struct nvme_item, item));
}

/* ---- a resource ---- */

static void on_closed(uv_handle_t *handle)
{
	struct nvme_item *n = handle->data;

	disk_release(&n->worker);
	plane_resource_release(&n->r);
	n->removed(n->arg);
	free(n);
}

static void leave(struct nvme_item *n)
{
	uv_close((uv_handle_t *)&n->timer, on_closed);
}

static void begin(struct nvme_item *n)
{
	struct disk_job *work = disk_job_new(&n->worker, DISK_JOB_CALL, false);
	struct plane *p = n->item.plane;
	struct nvme_job *j = calloc(1, sizeof(*j));

	if (!work || !j) {
		log_error("nvme", "volume=%s out of memory", n->r.name);
		abort();
	}
	memcpy(j->cluster, p->links.cluster, sizeof(j->cluster));
	memcpy(j->node, p->node, sizeof(j->node));
	memcpy(j->told, n->told, sizeof(j->told));
	plane_resource_copy(&j->r, &n->r);
	j->wanted = !n->removing;
	n->job = j;
	n->due = false;
	uv_timer_stop(&n->timer);
	work->call = nvme_job_run;
	work->call_arg = j;
	disk_submit(work);
}

static void on_timer(uv_timer_t *timer)
{
	begin(timer->data);
}

/* A client goes on, or waits, as long as its devices are there. */
static bool is_up(const struct nvme_job *j)
{
	if (j->settled || plane_has_disk(&j->r))
		return j->settled;
	for (int i = 0; i < j->r.n_volumes; i++)
		if (!j->device[j->r.volume[i].number][0])
			return false;
	return true;
}

/* whether something is different for those who ask */
static bool take(struct nvme_item *n, const struct nvme_job *j)
{
	bool up = is_up(j), news;

	news = !n->known || n->up != up || n->open != j->open || strcmp(n->error, j->err.text) != 0;
	if (j->err.code && strcmp(n->error, j->err.text) != 0)
		log_warn("nvme", "volume=%s %s", n->r.name, j->err.text);
	else if (!j->err.code && n->error[0])
		log_info("nvme", "volume=%s goes on", n->r.name);
	n->known = true;
	n->up = up;
	n->open = j->open;
	memcpy(n->told, j->told, sizeof(n->told));
	snprintf(n->error, sizeof(n->error), "%s", j->err.code ? j->err.text : "");
	if (memcmp(n->device, j->device, sizeof(n->device)) != 0) {
		memcpy(n->device, j->device, sizeof(n->device));
		kernel_names_lead("/dev", n->r.name, n->device);
		news = true;
	}
	return news;
}

static void on_done(struct disk_job *work, void *owner)
{
	struct nvme_item *n = owner;
	struct nvme_job *j = n->job;
	bool stale = n->due;

	n->job = NULL;
	if (!n->ending && !(n->removing && stale) && take(n, j))
		plane_report(&n->item);
	if (n->ending || (n->removing && n->item.plane->ending)) {
		leave(n); /* the next life does the rest */
	} else if (n->removing && !stale && j->settled) {
		kernel_names_remove("/dev", n->r.name);
		leave(n);
	} else if (stale) {
		begin(n);
	} else {
		uv_timer_start(&n->timer, on_timer, NVME_LOOK_MS, 0);
	}
	plane_resource_release(&j->r);
	free(j);
}

/* as soon as the job that is under way has ended */
static void changed(struct nvme_item *n)
{
	if (n->job)
		n->due = true;
	else if (!n->held)
		begin(n);
}

static struct plane_item *item_new(struct plane *p, const struct plane_resource *r, u32 index)
{
	struct nvme_item *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	plane_item_init(&n->item, p, r, index);
	plane_resource_copy(&n->r, r);
	disk_init(&n->worker, p->disks, on_done, n);
	uv_timer_init(&p->loop, &n->timer);
	n->timer.data = n;
	n->held = of(p)->sweeping;
	if (!n->held)
		begin(n);
	return &n->item;
}

static void item_set(struct plane_item *i, const struct plane_resource *r)
{
	struct nvme_item *n = item_of(i);

	plane_resource_release(&n->r);
	plane_resource_copy(&n->r, r);
	changed(n);
}

static void item_remove(struct plane_item *i, void (*removed)(void *arg), void *arg)
{
	struct nvme_item *n = item_of(i);

	n->removed = removed;
	n->arg = arg;
	n->removing = true;
	changed(n);
}

static void item_end(struct plane_item *i, void (*removed)(void *arg), void *arg)
{
	struct nvme_item *n = item_of(i);

	n->removed = removed;
	n->arg = arg;
	n->ending = true;
	if (!n->job)
		leave(n);
}

static void item_status(struct plane_item *i, struct plane_status *ret)
{
	struct nvme_item *n = item_of(i);
	bool copy = plane_has_disk(&n->r);

	memset(ret, 0, sizeof(*ret));
	ret->up = n->up;
	ret->open = n->open;
	ret->serving = n->open && !n->error[0];
	ret->role = copy ? "replica" : "client";
	ret->mode = copy ? "member" : "none";
	ret->in_sync = n->r.in_sync;
	snprintf(ret->error, sizeof(ret->error), "%s", n->error);
}

/* ---- what planes with a mirror do ---- */

static void item_record(struct plane_item *i, u64 token, const struct repl_record *now)
{
}

static void item_cas(struct plane_item *i, u64 token, bool accepted, const struct repl_record *now)
{
}

static void item_freeze(struct plane_item *i, struct plane_freeze *f)
{
	plane_freeze_done(f, -EREMOTE, "node %s cannot hold back what clients write by NVMe",
			  i->plane->node);
}

static u8 judge(struct link *l, const struct wire_greeting *g, void *arg)
{
	return WIRE_NO_RESOURCE;
}

/* ---- what was left behind ---- */

static void check_closed(struct nvme_plane *env);

static void add_item(struct plane_item *i)
{
	struct nvme_plane *env = of(i->plane);

	memcpy(env->defined[env->sweep.n++], i->uuid, sizeof(i->uuid));
}

static void sweep(struct nvme_plane *env)
{
	struct disk_job *work = disk_job_new(&env->sweeper, DISK_JOB_CALL, false);

	free(env->defined);
	env->defined = calloc(env->n_told + env->plane.n_items + 1, sizeof(*env->defined));
	if (!work || !env->defined) {
		log_error("nvme", "out of memory");
		abort();
	}
	for (env->sweep.n = 0; env->sweep.n < env->n_told; env->sweep.n++)
		memcpy(env->defined[env->sweep.n], env->told[env->sweep.n], sizeof(*env->told));
	plane_each(&env->plane, add_item);
	env->sweeping = true;
	env->sweep_due = false;
	env->sweep.defined = (const u8(*)[16])env->defined;
	work->call = nvme_sweep_run;
	work->call_arg = &env->sweep;
	disk_submit(work);
}

static void let_go(struct plane_item *i)
{
	struct nvme_item *n = item_of(i);

	if (n->held && !n->ending)
		begin(n);
	n->held = false;
}

static void on_again(uv_timer_t *timer)
{
	sweep(timer->data);
}

static void on_swept(struct disk_job *work, void *owner)
{
	struct nvme_plane *env = owner;

	env->sweeping = false;
	plane_each(&env->plane, let_go);
	if (env->sweep_due && !env->plane.ending)
		sweep(env);
	else if (env->sweep.failed > 0 && !env->plane.ending)
		uv_timer_start(&env->again, on_again, NVME_SWEEP_AGAIN_MS, 0);
	check_closed(env);
}

static void on_defined(struct plane *p, const u8 *uuids, size_t n)
{
	struct nvme_plane *env = of(p);

	free(env->told);
	env->told = n ? malloc(n * sizeof(*env->told)) : NULL;
	if (n && !env->told)
		abort(); /* as for any letter */
	if (n)
		memcpy(env->told, uuids, n * sizeof(*env->told));
	env->n_told = n;
	memcpy(env->sweep.cluster, p->links.cluster, sizeof(env->sweep.cluster));
	memcpy(env->sweep.node, p->node, sizeof(env->sweep.node));
	if (env->sweeping)
		env->sweep_due = true;
	else
		sweep(env);
}

/* ---- the kind ---- */

static enum disk_engine only_threads(void)
{
	return DISK_ENGINE_THREADS; /* there are no disks, only work that may block */
}

static int open_plane(struct plane *p, struct err *err)
{
	struct nvme_plane *env = of(p);

	p->links.judge = judge;
	disk_init(&env->sweeper, p->disks, on_swept, env);
	uv_timer_init(&p->loop, &env->again);
	env->again.data = env;
	return 0;
}

static void check_closed(struct nvme_plane *env)
{
	if (!env->plane.ending || !env->closed || env->sweeping)
		return;
	disk_release(&env->sweeper);
	plane_closed(&env->plane);
}

static void on_again_closed(uv_handle_t *handle)
{
	struct nvme_plane *env = handle->data;

	env->closed = true;
	check_closed(env);
}

static void close_plane(struct plane *p)
{
	uv_close((uv_handle_t *)&of(p)->again, on_again_closed);
}

static void release_plane(struct plane *p)
{
	free(of(p)->told);
	free(of(p)->defined);
}

static const struct plane_kind kind = {
	.size = sizeof(struct nvme_plane),
	.engine = only_threads,
	.open = open_plane,
	.item_new = item_new,
	.item_set = item_set,
	.item_remove = item_remove,
	.item_end = item_end,
	.item_status = item_status,
	.item_record = item_record,
	.item_cas = item_cas,
	.item_freeze = item_freeze,
	.item_thaw = item_freeze,
	.defined = on_defined,
	.close = close_plane,
	.release = release_plane,
};

static int nvme_start(uv_loop_t *main_loop, struct tls *tls, const char *cluster_uuid,
		      const char *node, uint32_t node_id, uint64_t boot,
		      const struct plane_hooks *hooks, struct plane **ret, struct err *err)
{
	return plane_start(&kind, main_loop, tls, cluster_uuid, node, node_id, boot, hooks, ret,
			   err);
}

const struct plane_ops plane_nvme = {
	.name = "nvme",
	.start = nvme_start,
	PLANE_LOOP_OPS,
};
