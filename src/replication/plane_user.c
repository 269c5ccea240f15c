// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * plane_user.c - the plane whose resources are volumes (volume.c): it says which
 * function of a volume does what plane_loop.c asks for, and what they share.
 */
#include <stdlib.h>

#include "replication/volume.h"

static struct volume *volume_of(struct plane_item *i)
{
	return (struct volume *)((char *)i - offsetof(struct volume, item));
}

static u8 judge(struct link *l, const struct wire_greeting *g, void *arg)
{
	struct plane_item *i = plane_find_uuid(arg, g->resource);

	return i ? volume_judge(volume_of(i), l, g) : WIRE_NO_RESOURCE;
}

/* for tests and comparisons; threads are what a kernel without io_uring gets anyway */
static enum disk_engine wanted_engine(void)
{
	const char *env = getenv("SDSD_DISK_ENGINE");

	if (env && strcmp(env, "threads") == 0)
		return DISK_ENGINE_THREADS;
	return env && strcmp(env, "ring") == 0 ? DISK_ENGINE_RING : DISK_ENGINE_BOTH;
}

static int user_open(struct plane *p, struct err *err)
{
	struct volume_env *env = (struct volume_env *)p;

	p->turn.rest = disk_pool_linger;
	p->turn.rest_arg = p->disks;
	p->links.judge = judge;
	payload_pool_init(&env->payloads);
	return 0;
}

static void user_release(struct plane *p)
{
	payload_pool_release(&((struct volume_env *)p)->payloads);
}

static struct plane_item *item_new(struct plane *p, const struct plane_resource *r, u32 index)
{
	struct volume *v = volume_new((struct volume_env *)p, r, index);

	return v ? &v->item : NULL;
}

static void item_set(struct plane_item *i, const struct plane_resource *r)
{
	volume_set(volume_of(i), r);
}

static void item_remove(struct plane_item *i, void (*removed)(void *arg), void *arg)
{
	volume_remove(volume_of(i), removed, arg);
}

static void item_status(struct plane_item *i, struct plane_status *ret)
{
	volume_status(volume_of(i), ret);
}

static void item_record(struct plane_item *i, u64 token, const struct repl_record *now)
{
	volume_record(volume_of(i), token, now);
}

static void item_cas(struct plane_item *i, u64 token, bool accepted, const struct repl_record *now)
{
	volume_cas(volume_of(i), token, accepted, now);
}

static void item_freeze(struct plane_item *i, struct plane_freeze *f)
{
	freeze_begin(volume_of(i), f);
}

static void item_thaw(struct plane_item *i, struct plane_freeze *f)
{
	freeze_thaw(volume_of(i), f);
}

static const struct plane_kind kind = {
	.moves_data = true,
	.size = sizeof(struct volume_env),
	.engine = wanted_engine,
	.open = user_open,
	.item_new = item_new,
	.item_set = item_set,
	.item_remove = item_remove,
	.item_end = item_remove,
	.item_status = item_status,
	.item_record = item_record,
	.item_cas = item_cas,
	.item_freeze = item_freeze,
	.item_thaw = item_thaw,
	.release = user_release,
};

static int user_start(uv_loop_t *main_loop, struct tls *tls, const char *cluster_uuid,
		      const char *node, uint32_t node_id, uint64_t boot,
		      const struct plane_hooks *hooks, struct plane **ret, struct err *err)
{
	return plane_start(&kind, main_loop, tls, cluster_uuid, node, node_id, boot, hooks, ret,
			   err);
}

const struct plane_ops plane_user = {
	.name = "user",
	.start = user_start,
	PLANE_LOOP_OPS,
};
