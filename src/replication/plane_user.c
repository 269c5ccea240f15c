// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * plane_user.c - the thread around the volumes: what the daemon asks on the
 * main loop is posted to the plane's loop, what volumes ask of consensus and
 * report is posted back. It knows the volumes by name and uuid and finds the
 * one a data link is for. The daemon calls plane_ops; volume.c calls env.
 */
#include "replication/plane_user.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mailbox.h"
#include "base/text.h"
#include "replication/volume.h"

struct reply { /* who waits for something to end */
	struct plane *plane;
	void (*fn)(void *arg);
	void *arg;
};

struct plane {
	uv_loop_t *main_loop;
	uv_loop_t loop; /* the plane's own */
	uv_thread_t thread;
	bool threaded;
	struct mailbox to_main, to_plane;
	struct plane_hooks hooks;
	bool stopping; /* main loop's */
	void (*stopped)(void *arg);
	void *stopped_arg;
	/* below: the plane's thread */
	struct volume_env env;
	struct volume *by_name[PLANE_BUCKETS], *by_uuid[PLANE_BUCKETS];
	struct volume **at; /* by index; free places are NULL */
	u32 at_len, n_volumes;
	struct volume *reports;
	uv_timer_t report;
	bool ending;
};

static void *letter(size_t size)
{
	void *l = calloc(1, size);

	if (!l) {
		log_error("plane", "out of memory");
		abort(); /* as mailbox_post does */
	}
	return l;
}

/* ---- the tables ---- */

static struct volume **name_bucket(struct plane *p, const char *name)
{
	u32 h = 2166136261u;

	for (; *name; name++)
		h = (h ^ (u8)*name) * 16777619u;
	return &p->by_name[h % PLANE_BUCKETS];
}

static struct volume **uuid_bucket(struct plane *p, const u8 uuid[16])
{
	u32 h;

	memcpy(&h, uuid, sizeof(h));
	return &p->by_uuid[h % PLANE_BUCKETS];
}

/* uuid NULL: any. One that is being removed is not found: its name may be in use again. */
static struct volume *find(struct plane *p, const char *name, const u8 uuid[16])
{
	for (struct volume *v = *name_bucket(p, name); v; v = v->next_name)
		if (!v->removed && strcmp(v->r.name, name) == 0 &&
		    (!uuid || memcmp(v->r.uuid, uuid, sizeof(v->r.uuid)) == 0))
			return v;
	return NULL;
}

static struct volume *find_uuid(struct plane *p, const u8 uuid[16])
{
	for (struct volume *v = *uuid_bucket(p, uuid); v; v = v->next_uuid)
		if (!v->removed && memcmp(v->r.uuid, uuid, sizeof(v->r.uuid)) == 0)
			return v;
	return NULL;
}

static struct volume *find_token(struct plane *p, u64 token)
{
	u64 index = token >> VOLUME_TOKEN_BITS;

	return index < p->at_len ? p->at[index] : NULL;
}

static u32 free_index(struct plane *p)
{
	struct volume **at;
	u32 i = 0, len;

	if (p->n_volumes < p->at_len) {
		while (p->at[i])
			i++;
		return i;
	}
	len = p->at_len ? 2 * p->at_len : 64;
	at = realloc(p->at, len * sizeof(struct volume *));
	if (!at) {
		log_error("plane", "out of memory");
		abort();
	}
	memset(at + p->at_len, 0, (len - p->at_len) * sizeof(struct volume *));
	p->at = at;
	i = p->at_len;
	p->at_len = len;
	return i;
}

static void table_add(struct plane *p, struct volume *v)
{
	struct volume **name = name_bucket(p, v->r.name), **uuid = uuid_bucket(p, v->r.uuid);

	v->next_name = *name;
	*name = v;
	v->next_uuid = *uuid;
	*uuid = v;
	p->at[v->index] = v;
	p->n_volumes++;
}

static void table_remove(struct plane *p, struct volume *v)
{
	struct volume **at = name_bucket(p, v->r.name);

	while (*at != v)
		at = &(*at)->next_name;
	*at = v->next_name;
	at = uuid_bucket(p, v->r.uuid);
	while (*at != v)
		at = &(*at)->next_uuid;
	*at = v->next_uuid;
	p->at[v->index] = NULL;
	p->n_volumes--;
	for (at = &p->reports; *at; at = &(*at)->next_report) {
		if (*at != v)
			continue;
		*at = v->next_report;
		return;
	}
}

/* ---- from volumes up to the main loop ---- */

struct question {
	struct plane *plane;
	bool cas;
	char name[64];
	u8 uuid[16];
	u64 token;
	struct plane_record next;
};

static void put_record(struct plane_record *out, const struct repl_record *r)
{
	*out = (struct plane_record){
		.epoch = r->epoch,
		.writer = r->writer == REPL_NO_SLOT ? -1 : r->writer,
		.in_sync = r->in_sync,
		.tag_node = r->tag.node,
		.tag_boot = r->tag.boot,
		.tag_counter = r->tag.counter,
	};
}

static void get_record(struct repl_record *out, const struct plane_record *r)
{
	*out = (struct repl_record){
		.epoch = r->epoch,
		.writer = r->writer < 0 || r->writer >= (int)REPL_SLOTS_MAX ? REPL_NO_SLOT
									    : (u8)r->writer,
		.in_sync = r->in_sync,
		.tag = { .node = r->tag_node, .boot = r->tag_boot, .counter = r->tag_counter },
	};
}

static void ask_on_main(void *arg)
{
	struct question *q = arg;
	const struct plane_hooks *h = &q->plane->hooks;

	if (!q->plane->stopping && q->cas)
		h->cas_record(q->name, q->uuid, &q->next, q->token, h->arg);
	else if (!q->plane->stopping)
		h->read_record(q->name, q->uuid, q->token, h->arg);
	free(q);
}

static void ask(struct volume *v, u64 token, const struct repl_record *next)
{
	struct plane *p = v->owner;
	struct question *q = letter(sizeof(*q));

	q->plane = p;
	q->token = token;
	memcpy(q->name, v->r.name, sizeof(q->name));
	memcpy(q->uuid, v->r.uuid, sizeof(q->uuid));
	q->cas = next != NULL;
	if (next)
		put_record(&q->next, next);
	mailbox_post(&p->to_main, ask_on_main, q);
}

static void ask_read(struct volume *v, u64 token)
{
	ask(v, token, NULL);
}

struct news {
	struct plane *plane;
	char name[64];
};

static void news_on_main(void *arg)
{
	struct news *n = arg;

	if (!n->plane->stopping)
		n->plane->hooks.changed(n->name, n->plane->hooks.arg);
	free(n);
}

static void on_report(uv_timer_t *timer)
{
	struct plane *p = timer->data;

	for (struct volume *v = p->reports; v; v = p->reports) {
		struct news *n = letter(sizeof(*n));

		p->reports = v->next_report;
		v->report = false;
		n->plane = p;
		memcpy(n->name, v->r.name, sizeof(n->name));
		mailbox_post(&p->to_main, news_on_main, n);
	}
}

static void volume_changed(struct volume *v)
{
	struct plane *p = v->owner;

	if (v->report || v->removed)
		return;
	v->report = true;
	v->next_report = p->reports;
	p->reports = v;
	if (!uv_is_active((uv_handle_t *)&p->report))
		uv_timer_start(&p->report, on_report, PLANE_REPORT_MS, 0);
}

/* ---- data links ---- */

static u8 judge(struct link *l, const struct wire_greeting *g, void *arg)
{
	struct volume *v = find_uuid(arg, g->resource);

	return v ? volume_judge(v, l, g) : WIRE_NO_RESOURCE;
}

static const struct conn_ops nobody_ops; /* until link_accept sets its own, in the same call */

struct delivery {
	struct plane *plane;
	struct conn_parcel *parcel;
};

static void accept_on_plane(void *arg)
{
	struct delivery *d = arg;
	struct plane *p = d->plane;
	struct conn *c;

	if (p->ending) {
		conn_parcel_free(d->parcel);
	} else {
		c = conn_attach(&p->loop, d->parcel, &nobody_ops, NULL);
		if (c)
			link_accept(&p->env.links, c);
	}
	free(d);
}

static void plane_accept(struct plane *p, struct conn *data_link)
{
	struct conn_parcel *parcel = conn_detach(data_link);
	struct delivery *d;

	if (!parcel)
		return;
	if (p->stopping) {
		conn_parcel_free(parcel);
		return;
	}
	d = letter(sizeof(*d));
	d->plane = p;
	d->parcel = parcel;
	mailbox_post(&p->to_plane, accept_on_plane, d);
}

/* ---- set ---- */

struct order {
	struct plane *plane;
	struct plane_resource r;
};

static void set_on_plane(void *arg)
{
	struct order *o = arg;
	struct plane *p = o->plane;
	struct volume *v = find(p, o->r.name, o->r.uuid);

	if (v) {
		volume_set(v, &o->r);
	} else if (!p->ending) {
		v = volume_new(&p->env, &o->r, p, free_index(p));
		if (v)
			table_add(p, v);
		else
			log_error("plane", "volume=%s out of memory", o->r.name);
	}
	plane_resource_release(&o->r);
	free(o);
}

static void plane_set(struct plane *p, const struct plane_resource *r)
{
	struct order *o = letter(sizeof(*o));

	assert(!p->stopping && r->self >= 0 && r->self < PLANE_SLOTS && r->n_volumes > 0);
	o->plane = p;
	plane_resource_copy(&o->r, r);
	mailbox_post(&p->to_plane, set_on_plane, o);
}

/* ---- remove ---- */

struct removal {
	struct plane *plane;
	struct volume *volume;
	char name[64];
	u8 uuid[16];
	void (*removed)(void *arg);
	void *arg;
};

static void check_ended(struct plane *p);

static void removed_on_main(void *arg)
{
	struct removal *r = arg;

	if (r->removed)
		r->removed(r->arg);
	free(r);
}

static void on_removed(void *arg)
{
	struct removal *r = arg;
	struct plane *p = r->plane;

	table_remove(p, r->volume);
	check_ended(p);
	mailbox_post(&p->to_main, removed_on_main, r);
}

static void remove_volume(struct plane *p, struct volume *v, struct removal *r)
{
	r->plane = p;
	r->volume = v;
	volume_remove(v, on_removed, r);
}

static void remove_on_plane(void *arg)
{
	struct removal *r = arg;
	struct volume *v = find(r->plane, r->name, r->uuid);

	if (v)
		remove_volume(r->plane, v, r);
	else
		mailbox_post(&r->plane->to_main, removed_on_main, r);
}

static void plane_remove(struct plane *p, const char *name, const uint8_t uuid[16],
			 void (*removed)(void *arg), void *arg)
{
	struct removal *r = letter(sizeof(*r));

	assert(!p->stopping);
	r->plane = p;
	snprintf(r->name, sizeof(r->name), "%s", name);
	memcpy(r->uuid, uuid, sizeof(r->uuid));
	r->removed = removed;
	r->arg = arg;
	mailbox_post(&p->to_plane, remove_on_plane, r);
}

/* ---- status ---- */

struct query {
	struct plane *plane;
	char name[64];
	bool found;
	struct plane_status status;
	void (*cb)(const struct plane_status *s, void *arg);
	void *arg;
};

static void status_on_main(void *arg)
{
	struct query *q = arg;

	q->cb(q->found ? &q->status : NULL, q->arg);
	free(q);
}

static void status_on_plane(void *arg)
{
	struct query *q = arg;
	struct volume *v = find(q->plane, q->name, NULL);

	q->found = v != NULL;
	if (v)
		volume_status(v, &q->status);
	mailbox_post(&q->plane->to_main, status_on_main, q);
}

static void plane_get_status(struct plane *p, const char *name,
			     void (*cb)(const struct plane_status *s, void *arg), void *arg)
{
	struct query *q = letter(sizeof(*q));

	assert(!p->stopping);
	q->plane = p;
	snprintf(q->name, sizeof(q->name), "%s", name);
	q->cb = cb;
	q->arg = arg;
	mailbox_post(&p->to_plane, status_on_plane, q);
}

/* ---- answers of consensus ---- */

struct answer {
	struct plane *plane;
	bool cas, accepted;
	u64 token;
	struct repl_record record;
};

static void answer_on_plane(void *arg)
{
	struct answer *a = arg;
	struct volume *v = find_token(a->plane, a->token);

	if (v && a->cas)
		volume_cas(v, a->token, a->accepted, &a->record);
	else if (v)
		volume_record(v, a->token, &a->record);
	free(a);
}

static void post_answer(struct plane *p, bool cas, u64 token, bool accepted,
			const struct plane_record *now)
{
	struct answer *a;

	if (p->stopping)
		return;
	a = letter(sizeof(*a));
	a->plane = p;
	a->cas = cas;
	a->accepted = accepted;
	a->token = token;
	get_record(&a->record, now);
	mailbox_post(&p->to_plane, answer_on_plane, a);
}

static void plane_record_read(struct plane *p, uint64_t token, const struct plane_record *now)
{
	post_answer(p, false, token, false, now);
}

static void plane_record_cas(struct plane *p, uint64_t token, bool accepted,
			     const struct plane_record *now)
{
	post_answer(p, true, token, accepted, now);
}

/* ---- start and stop ---- */

static void run(void *arg)
{
	struct plane *p = arg;

	uv_run(&p->loop, UV_RUN_DEFAULT); /* until stop has closed every handle */
}

static void free_on_main(struct mailbox *m)
{
	struct plane *p = (struct plane *)((char *)m - offsetof(struct plane, to_main));
	void (*stopped)(void *arg) = p->stopped;
	void *arg = p->stopped_arg;

	free(p);
	if (stopped)
		stopped(arg);
}

/* the last letter from the plane: its handles are closed, the thread is about to end */
static void join_on_main(void *arg)
{
	struct plane *p = arg;

	if (p->threaded)
		uv_thread_join(&p->thread);
	payload_pool_release(&p->env.payloads);
	uv_loop_close(&p->loop);
	free(p->at);
	mailbox_close(&p->to_main, free_on_main);
}

static void on_plane_box_closed(struct mailbox *m)
{
	struct plane *p = (struct plane *)((char *)m - offsetof(struct plane, to_plane));

	mailbox_post(&p->to_main, join_on_main, p);
}

static void on_turn_closed(struct turn *t)
{
	struct plane *p = (struct plane *)((char *)t - offsetof(struct plane, env.turn));

	mailbox_close(&p->to_plane, on_plane_box_closed);
}

static void on_report_closed(uv_handle_t *handle)
{
	struct plane *p = handle->data;

	turn_close(&p->env.turn, on_turn_closed);
}

static void on_disks_closed(void *arg)
{
	struct plane *p = arg;

	p->env.turn.rest = NULL;
	uv_close((uv_handle_t *)&p->report, on_report_closed);
}

static void on_links_ended(void *arg)
{
	struct plane *p = arg;

	disk_pool_free(p->env.disks, on_disks_closed, p);
}

static void check_ended(struct plane *p)
{
	if (p->ending && p->n_volumes == 0)
		link_set_end(&p->env.links, on_links_ended, p);
}

static void stop_on_plane(void *arg)
{
	struct plane *p = arg;

	p->ending = true;
	uv_timer_stop(&p->report);
	for (u32 i = 0; i < p->at_len; i++)
		if (p->at[i] && !p->at[i]->removed)
			remove_volume(p, p->at[i], letter(sizeof(struct removal)));
	check_ended(p);
}

static void plane_stop(struct plane *p, void (*stopped)(void *arg), void *arg)
{
	assert(!p->stopping);
	p->stopping = true;
	p->stopped = stopped;
	p->stopped_arg = arg;
	mailbox_post(&p->to_plane, stop_on_plane, p);
}

static void init_env(struct plane *p, struct tls *tls, const uint8_t cluster[16], const char *node,
		     uint32_t node_id, uint64_t boot)
{
	struct volume_env *env = &p->env;

	env->loop = &p->loop;
	turn_init(&env->turn, &p->loop);
	env->turn.rest = disk_pool_linger;
	env->turn.rest_arg = env->disks;
	link_set_init(&env->links, &p->loop, &env->turn, tls);
	memcpy(env->links.cluster, cluster, sizeof(env->links.cluster));
	env->links.boot = boot;
	env->links.judge = judge;
	env->links.arg = p;
	payload_pool_init(&env->payloads);
	snprintf(env->node, sizeof(env->node), "%s", node);
	env->node_id = node_id;
	env->boot = boot;
	env->read_record = ask_read;
	env->cas_record = ask;
	env->changed = volume_changed;
	uv_timer_init(&p->loop, &p->report);
	p->report.data = p;
}

/* for tests and comparisons; threads are what a kernel without io_uring gets anyway */
static enum disk_engine wanted_engine(void)
{
	const char *env = getenv("SDSD_DISK_ENGINE");

	if (env && strcmp(env, "threads") == 0)
		return DISK_ENGINE_THREADS;
	return env && strcmp(env, "ring") == 0 ? DISK_ENGINE_RING : DISK_ENGINE_BOTH;
}

static int plane_start(uv_loop_t *main_loop, struct tls *tls, const char *cluster_uuid,
		       const char *node, uint32_t node_id, uint64_t boot,
		       const struct plane_hooks *hooks, struct plane **ret, struct err *err)
{
	uint8_t cluster[16];
	struct plane *p;
	int rv;

	if (text_uuid_parse(cluster_uuid, cluster) < 0)
		return err_set(err, -E_INVALID, "%s is no uuid of a cluster", cluster_uuid);
	p = calloc(1, sizeof(*p));
	if (!p)
		return err_set(err, -ENOMEM, "no memory for the data plane");
	p->main_loop = main_loop;
	p->hooks = *hooks;
	rv = uv_loop_init(&p->loop);
	if (rv < 0)
		goto free_plane;
	rv = mailbox_init(&p->to_plane, &p->loop);
	if (rv < 0)
		goto close_loop;
	rv = -ENOMEM;
	p->env.disks = disk_pool_new(&p->loop, &p->env.turn, wanted_engine());
	if (!p->env.disks)
		goto close_plane_box;
	rv = mailbox_init(&p->to_main, main_loop);
	if (rv < 0)
		goto close_disks;
	init_env(p, tls, cluster, node, node_id, boot);
	rv = uv_thread_create(&p->thread, run, p);
	if (rv < 0) {
		p->stopping = true;
		stop_on_plane(p);
		run(p); /* closes everything; the letter that frees p is on its way */
		return err_set(err, rv, "no thread for the data plane: %s", err_name(rv));
	}
	p->threaded = true;
	*ret = p;
	return 0;

close_disks:
	disk_pool_free(p->env.disks, NULL, NULL);
close_plane_box:
	mailbox_close(&p->to_plane, NULL);
	uv_run(&p->loop, UV_RUN_DEFAULT);
close_loop:
	uv_loop_close(&p->loop);
free_plane:
	free(p);
	return err_set(err, rv, "the data plane does not start: %s", err_name(rv));
}

const struct plane_ops plane_user = {
	.name = "user",
	.start = plane_start,
	.stop = plane_stop,
	.set = plane_set,
	.remove = plane_remove,
	.status = plane_get_status,
	.accept = plane_accept,
	.record_read = plane_record_read,
	.record_cas = plane_record_cas,
};
