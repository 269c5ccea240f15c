// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * plane_kernel.c - the plane whose resources run in the kernel module: hears its
 * events, notices when it is gone or back, and takes out of it what a former
 * life has left behind and nobody defines any more. It stops without a word to
 * the module, which goes on; the next life finds everything as it is.
 */
#include "replication/plane_kernel.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "replication/kernel_names.h"

static struct kernel_port *(*new_port)(void) = kernel_nl_new;
static const char *new_dev_dir = "/dev";

void plane_kernel_fake(struct kernel_port *(*port)(void), const char *dev_dir)
{
	new_port = port ? port : kernel_nl_new;
	new_dev_dir = dev_dir ? dev_dir : "/dev";
}

static struct kernel_plane *of(struct plane *p)
{
	return (struct kernel_plane *)p;
}

static struct kernel_resource *resource_of(struct plane_item *i)
{
	return (struct kernel_resource *)((char *)i - offsetof(struct kernel_resource, item));
}

static void event_of_item(struct plane_item *i)
{
	kernel_resource_event(resource_of(i));
}

/* ---- what was left behind ---- */

struct kernel_sweep { /* a job: takes resources that nobody defines out of the module */
	struct kernel_plane *env;
	u32 n, n_open;
	struct {
		u8 uuid[RVOL_UUID_BYTES];
		char name[RVOL_NAME_MAX];
		int status;
	} orphan[KERNEL_ORPHANS_MAX];
};

static void on_sweep(uv_timer_t *timer);

static void sweep_after(struct kernel_plane *env, u64 ms)
{
	if (env->told && !env->plane.ending &&
	    (!uv_is_active((uv_handle_t *)&env->sweep) || uv_timer_get_due_in(&env->sweep) > ms))
		uv_timer_start(&env->sweep, on_sweep, ms, 0);
}

static void sweep_soon(struct kernel_plane *env)
{
	sweep_after(env, KERNEL_SWEEP_MS);
}

static bool is_defined(struct kernel_plane *env, const u8 uuid[16])
{
	if (plane_next_uuid(&env->plane, uuid, NULL))
		return true;
	for (size_t i = 0; i < env->n_defined; i++)
		if (memcmp(env->defined[i], uuid, 16) == 0)
			return true;
	return false;
}

static void collect(const struct kernel_view *view, void *arg)
{
	struct kernel_sweep *s = arg;

	if (is_defined(s->env, view->uuid) || s->n == KERNEL_ORPHANS_MAX)
		return;
	if (kernel_open(view)) {
		if (s->n_open++ >= s->env->n_left) /* not each time */
			log_warn("plane",
				 "volume=%s is in the kernel and not defined on this node; it is "
				 "open and stays until it is closed",
				 view->status.name);
		return;
	}
	memcpy(s->orphan[s->n].uuid, view->uuid, sizeof(s->orphan[s->n].uuid));
	memcpy(s->orphan[s->n].name, view->status.name, sizeof(s->orphan[s->n].name));
	s->n++;
}

/* in a worker; not with force: one that was opened meanwhile stays */
static int sweep(void *arg)
{
	struct kernel_sweep *s = arg;
	struct kernel_port *port = s->env->port;

	for (u32 i = 0; i < s->n; i++) {
		struct kernel_request q = { .cmd = RVOL_CMD_RESOURCE_DEL };
		struct err err = { 0 };

		memcpy(q.uuid, s->orphan[i].uuid, sizeof(q.uuid));
		s->orphan[i].status = port->request(port, &q, &err);
		if (s->orphan[i].status < 0)
			log_warn("plane", "volume=%s left in the kernel: %s", s->orphan[i].name,
				 err.text);
	}
	return 0;
}

static void check_closed(struct kernel_plane *env);

static void on_swept(struct disk_job *job, void *owner)
{
	struct kernel_plane *env = owner;
	struct kernel_sweep *s = env->sweeping;

	env->sweeping = NULL;
	env->n_left = s->n_open;
	if (env->n_left > 0) /* who only reads makes no event */
		sweep_after(env, KERNEL_SWEEP_AGAIN_MS);
	for (u32 i = 0; i < s->n; i++) {
		if (s->orphan[i].status < 0)
			continue;
		log_info("plane", "volume=%s taken out of the kernel: it is not defined any more",
			 s->orphan[i].name);
		kernel_names_remove(env->dev_dir, s->orphan[i].name);
	}
	free(s);
	check_closed(env);
}

static void on_sweep(uv_timer_t *timer)
{
	struct kernel_plane *env = timer->data;
	struct kernel_sweep *s;
	struct disk_job *job;
	struct err err = { 0 };

	if (env->lost)
		return; /* when it is back there is nothing in it */
	if (env->sweeping) {
		sweep_soon(env);
		return;
	}
	s = calloc(1, sizeof(*s));
	job = disk_job_new(&env->sweeper, DISK_JOB_CALL, false);
	if (!s || !job) {
		log_error("plane", "out of memory");
		abort();
	}
	s->env = env;
	if (env->port->dump(env->port, collect, s, &err) < 0)
		log_warn("plane", "what is in the kernel cannot be listed: %s", err.text);
	env->sweeping = s;
	job->call = sweep;
	job->call_arg = s;
	disk_submit(job);
}

static void on_defined(struct plane *p, const u8 *uuids, size_t n)
{
	struct kernel_plane *env = of(p);

	free(env->defined);
	env->defined = n ? malloc(n * sizeof(*env->defined)) : NULL;
	if (n && !env->defined)
		abort(); /* as for any letter */
	if (n)
		memcpy(env->defined, uuids, n * sizeof(*env->defined));
	env->n_defined = n;
	env->told = true;
	sweep_soon(env);
}

/* ---- events, and a module that comes and goes ---- */

static void on_event(const u8 uuid[RVOL_UUID_BYTES], void *arg)
{
	struct kernel_plane *env = arg;
	struct plane_item *i = plane_next_uuid(&env->plane, uuid, NULL);

	if (!i)
		sweep_soon(env);
	for (; i; i = plane_next_uuid(&env->plane, uuid, i))
		event_of_item(i);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct kernel_plane *env = poll->data;
	int rv = env->port->events(env->port, on_event, env);

	/* A socket that has lost events has an error until it is read, and at that libuv ends its
	 * watch. */
	if (status < 0)
		uv_poll_start(poll, UV_READABLE, on_readable);
	if (status == 0 && rv == 0)
		return;
	log_debug("plane", "events of the kernel module were lost");
	plane_each(&env->plane, event_of_item);
	sweep_soon(env);
}

static int find_module(struct kernel_plane *env, struct err *err)
{
	int fd;

	return env->port->open(env->port, &fd, err);
}

static void on_retry(uv_timer_t *timer)
{
	struct kernel_plane *env = timer->data;

	if (find_module(env, NULL) < 0)
		return;
	uv_timer_stop(timer);
	log_info("plane", "the kernel module is there");
	env->lost = false;
	plane_each(&env->plane, event_of_item);
	sweep_soon(env);
}

void kernel_plane_lost(struct kernel_plane *env, const char *why)
{
	if (env->lost || env->plane.ending)
		return;
	log_error("plane", "the kernel module is not there: %s", why);
	env->lost = true;
	uv_timer_start(&env->retry, on_retry, KERNEL_RETRY_MS, KERNEL_RETRY_MS);
	plane_each(&env->plane, event_of_item);
}

/* ---- the kind ---- */

static u8 judge(struct link *l, const struct wire_greeting *g, void *arg)
{
	struct plane_item *i = plane_find_uuid(arg, g->resource);

	return i ? kernel_links_judge(resource_of(i), l, g) : WIRE_NO_RESOURCE;
}

static enum disk_engine only_threads(void)
{
	return DISK_ENGINE_THREADS; /* there are no disks, only work that may block */
}

static void init_handles(struct kernel_plane *env, int fd)
{
	uv_loop_t *loop = &env->plane.loop;

	uv_poll_init(loop, &env->events, fd);
	uv_timer_init(loop, &env->retry);
	uv_timer_init(loop, &env->sweep);
	env->events.data = env->retry.data = env->sweep.data = env;
	env->handles = 3;
	uv_poll_start(&env->events, UV_READABLE, on_readable);
}

static int kernel_open_plane(struct plane *p, struct err *err)
{
	struct kernel_plane *env = of(p);
	struct err why = { 0 };
	int fd;

	p->links.judge = judge;
	p->links.for_kernel = true;
	payload_pool_init(&env->payloads);
	disk_init(&env->sweeper, p->disks, on_swept, env);
	snprintf(env->dev_dir, sizeof(env->dev_dir), "%s", new_dev_dir);
	env->port = new_port();
	if (!env->port)
		return err_set(err, -ENOMEM, "no socket for the kernel module");
	if (env->port->open(env->port, &fd, &why) < 0) {
		init_handles(env, fd);
		kernel_plane_lost(env, why.text);
		return 0;
	}
	init_handles(env, fd);
	return 0;
}

static void check_closed(struct kernel_plane *env)
{
	if (!env->plane.ending || env->handles > 0 || env->sweeping)
		return;
	disk_release(&env->sweeper);
	plane_closed(&env->plane);
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct kernel_plane *env = handle->data;

	env->handles--;
	check_closed(env);
}

static void kernel_close_plane(struct plane *p)
{
	struct kernel_plane *env = of(p);

	if (env->handles == 0) {
		check_closed(env); /* it has not come far */
		return;
	}
	uv_close((uv_handle_t *)&env->events, on_handle_closed);
	uv_close((uv_handle_t *)&env->retry, on_handle_closed);
	uv_close((uv_handle_t *)&env->sweep, on_handle_closed);
}

static void kernel_release_plane(struct plane *p)
{
	struct kernel_plane *env = of(p);

	if (env->port)
		env->port->free(env->port);
	free(env->defined);
	payload_pool_release(&env->payloads);
}

static struct plane_item *item_new(struct plane *p, const struct plane_resource *r, u32 index)
{
	struct kernel_resource *k = kernel_resource_new(of(p), r, index);

	return k ? &k->item : NULL;
}

static void item_set(struct plane_item *i, const struct plane_resource *r)
{
	kernel_resource_set(resource_of(i), r);
}

static void item_remove(struct plane_item *i, void (*removed)(void *arg), void *arg)
{
	kernel_resource_remove(resource_of(i), removed, arg);
}

static void item_end(struct plane_item *i, void (*removed)(void *arg), void *arg)
{
	kernel_resource_leave(resource_of(i), removed, arg);
}

static void item_status(struct plane_item *i, struct plane_status *ret)
{
	kernel_resource_status(resource_of(i), ret);
}

static void item_record(struct plane_item *i, u64 token, const struct repl_record *now)
{
	kernel_resource_record(resource_of(i), token, now);
}

static void item_cas(struct plane_item *i, u64 token, bool accepted, const struct repl_record *now)
{
	kernel_resource_cas(resource_of(i), token, accepted, now);
}

static void item_freeze(struct plane_item *i, struct plane_freeze *f)
{
	kernel_freeze(resource_of(i), f);
}

static void item_thaw(struct plane_item *i, struct plane_freeze *f)
{
	kernel_thaw(resource_of(i), f);
}

static const struct plane_kind kind = {
	.size = sizeof(struct kernel_plane),
	.engine = only_threads,
	.open = kernel_open_plane,
	.item_new = item_new,
	.item_set = item_set,
	.item_remove = item_remove,
	.item_end = item_end,
	.item_status = item_status,
	.item_record = item_record,
	.item_cas = item_cas,
	.item_freeze = item_freeze,
	.item_thaw = item_thaw,
	.defined = on_defined,
	.close = kernel_close_plane,
	.release = kernel_release_plane,
};

static int kernel_start(uv_loop_t *main_loop, struct tls *tls, const char *cluster_uuid,
			const char *node, uint32_t node_id, uint64_t boot,
			const struct plane_hooks *hooks, struct plane **ret, struct err *err)
{
	return plane_start(&kind, main_loop, tls, cluster_uuid, node, node_id, boot, hooks, ret,
			   err);
}

const struct plane_ops plane_kernel = {
	.name = "kernel",
	.start = kernel_start,
	PLANE_LOOP_OPS,
};

/* ---- before there is a plane ---- */

static void count(const struct kernel_view *view, void *arg)
{
	++*(int *)arg;
}

int plane_kernel_probe(int *ret_resources, struct err *why)
{
	struct kernel_port *port = new_port();
	int fd, rv;

	*ret_resources = 0;
	if (!port)
		return err_set(why, -ENOMEM, "no socket for the kernel module");
	rv = port->open(port, &fd, why);
	if (rv == 0)
		rv = port->dump(port, count, ret_resources, why);
	port->free(port);
	return rv;
}
