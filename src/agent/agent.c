// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * agent.c - the agent's life: watches the store, keeps the timers, ends. What
 * is wanted is desired.c, what to do plan.c, doing it run.c, saying how it is
 * observe.c. Made by daemon.c after the plane has started.
 */
#include "agent/object.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "model/name.h"

void agent_get(struct agent *a)
{
	a->refs++;
}

void agent_put(struct agent *a)
{
	if (--a->refs)
		return;
	agent_each(a, agent_object_drop);
	while (a->pools) {
		struct agent_pool *p = a->pools;

		a->pools = p->next;
		free(p->error);
		tasks_drop(p);
		free(p);
	}
	services_free(a);
	json_object_put(a->disks);
	free(a->dirty);
	free(a->gone);
	free(a);
}

/* --- the store ---------------------------------------------------------- */

static void on_work(uv_timer_t *timer)
{
	struct agent *a = timer->data;

	desired_work(a);
	if (a->dirty_n > a->dirty_head)
		uv_timer_start(timer, on_work, 0, 0);
}

/* Nothing is read inside a watch: the transaction's other keys may still come. */
void agent_work_soon(struct agent *a)
{
	if (!a->closing && !uv_is_active((uv_handle_t *)&a->work))
		uv_timer_start(&a->work, on_work, 0, 0);
}

/* key of any watch; "" after a snapshot replaced everything */
static void on_store(const char *key, uint64_t revision, void *arg)
{
	struct agent *a = arg;
	char name[NAME_MAX_LEN + 1];
	const char *start = strchr(key, '/');
	size_t len;

	agent_work_soon(a);
	if (!start)
		a->reload_all = true;
	/* an address or a property that resources inherit: all are looked at */
	else if (strncmp(key, "node/", 5) == 0 || strncmp(key, "group/", 6) == 0 ||
		 strncmp(key, "controller/", 11) == 0)
		a->reload_nodes = true;
	else if (strncmp(key, "pool/", 5) == 0)
		a->reload_pools = true;
	else if (strncmp(key, "leftover/", 9) == 0)
		a->reload_leftovers = true;
	else if (strncmp(key, "service/", 8) == 0)
		a->reload_services = true;
	if (strncmp(key, "resource/", 9) != 0 && strncmp(key, "replica/", 8) != 0 &&
	    strncmp(key, "record/", 7) != 0)
		return;
	len = strcspn(++start, "/");
	if (len < sizeof(name)) {
		memcpy(name, start, len);
		name[len] = '\0';
		desired_dirty(a, name);
	}
}

static void watch(struct agent *a)
{
	char pool[STORE_KEY_MAX], leftover[STORE_KEY_MAX];
	const char *prefixes[] = { "resource/",   "record/", "replica/", "node/",   "group/",
				   "controller/", pool,      leftover,   "service/" };

	snprintf(pool, sizeof(pool), "pool/%s/", a->node_key);
	snprintf(leftover, sizeof(leftover), "leftover/%s/", a->node_key);
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		a->watch[i] = store_watch(a->config.store, prefixes[i], on_store, a);
	a->reload_all = true;
	agent_work_soon(a);
}

/* --- life --------------------------------------------------------------- */

static void on_tick(uv_timer_t *timer)
{
	observe_tick(timer->data);
}

static void on_closed(uv_handle_t *handle)
{
	agent_put(handle->data);
}

static int make_dirs(struct agent *a, struct err *err)
{
	char path[PATH_LEN_MAX + 32];
	int rv;

	if ((size_t)snprintf(a->nbd_dir, sizeof(a->nbd_dir), "%s/nbd", a->config.run_dir) >=
	    sizeof(a->nbd_dir))
		return err_set(err, -ENAMETOOLONG, "run directory path longer than %d",
			       PATH_LEN_MAX);
	rv = fs_mkdir(a->nbd_dir, 0700, err);
	if (rv < 0)
		return rv;
	snprintf(path, sizeof(path), "%s/replicas", a->config.dir);
	rv = fs_mkdir(path, 0700, err);
	if (rv < 0)
		return rv;
	snprintf(path, sizeof(path), "%s/attached", a->config.dir);
	return fs_mkdir(path, 0700, err);
}

int agent_new(const struct agent_config *config, struct agent **ret, struct err *err)
{
	struct agent *a = calloc(1, sizeof(*a));
	uv_timer_t *timers[4];
	int rv;

	if (!a)
		return err_set(err, -ENOMEM, "no memory");
	a->config = *config;
	name_key(config->node, a->node_key);
	rv = make_dirs(a, err);
	if (rv == 0)
		rv = services_start(a, err);
	if (rv < 0) {
		free(a);
		return rv;
	}
	a->refs = 1;
	timers[0] = &a->work;
	timers[1] = &a->retry;
	timers[2] = &a->report;
	timers[3] = &a->tick;
	for (size_t i = 0; i < 4; i++) {
		uv_timer_init(config->loop, timers[i]);
		timers[i]->data = a;
		agent_get(a);
	}
	uv_timer_start(&a->tick, on_tick, AGENT_TICK_MS, AGENT_TICK_MS);
	watch(a);
	observe_changed(a);
	*ret = a;
	return 0;
}

void agent_free(struct agent *a)
{
	if (!a)
		return;
	a->closing = true;
	for (size_t i = 0; i < sizeof(a->watch) / sizeof(a->watch[0]); i++)
		store_unwatch(a->config.store, a->watch[i]);
	uv_close((uv_handle_t *)&a->work, on_closed);
	uv_close((uv_handle_t *)&a->retry, on_closed);
	uv_close((uv_handle_t *)&a->report, on_closed);
	uv_close((uv_handle_t *)&a->tick, on_closed);
	agent_put(a);
}

void agent_unlocked(struct agent *a)
{
	a->reload_all = true;
	agent_work_soon(a);
}

static void poke_object(struct agent_object *o)
{
	if (o->kind == AGENT_REPLICA && o->replica.plane)
		observe_status(o);
}

void agent_poke(struct agent *a, const char *resource)
{
	char key[NAME_MAX_LEN + 1];
	struct agent_object *o;

	if (a->closing || strnlen(resource, sizeof(key)) == sizeof(key))
		return;
	name_key(resource, key);
	for (o = *agent_bucket(a, key); o; o = o->next) {
		if (strcmp(o->key, key) == 0)
			poke_object(o);
	}
}
