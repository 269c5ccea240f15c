// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * plane_loop.c - the thread around the resources of a plane: what the daemon
 * asks on the main loop is posted to the plane's loop, what resources ask of
 * consensus and report is posted back. It knows the resources by name and uuid
 * and nothing of what they do. The daemon calls through plane_ops, resources
 * through plane_loop.h.
 */
#include "replication/plane_loop.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/log.h"
#include "base/text.h"

void *plane_letter(size_t size)
{
	void *l = calloc(1, size);

	if (!l) {
		log_error("plane", "out of memory");
		abort(); /* as mailbox_post does */
	}
	return l;
}

/* ---- the tables ---- */

static struct plane_item **name_bucket(struct plane *p, const char *name)
{
	u32 h = 2166136261u;

	for (; *name; name++)
		h = (h ^ (u8)*name) * 16777619u;
	return &p->by_name[h % PLANE_BUCKETS];
}

static struct plane_item **uuid_bucket(struct plane *p, const u8 uuid[16])
{
	u32 h;

	memcpy(&h, uuid, sizeof(h));
	return &p->by_uuid[h % PLANE_BUCKETS];
}

/* uuid NULL: any. One that is being removed is not found: its name may be in use again. */
static struct plane_item *find(struct plane *p, const char *name, const u8 uuid[16])
{
	for (struct plane_item *i = *name_bucket(p, name); i; i = i->next_name)
		if (!i->removed && strcmp(i->name, name) == 0 &&
		    (!uuid || memcmp(i->uuid, uuid, sizeof(i->uuid)) == 0))
			return i;
	return NULL;
}

struct plane_item *plane_find_uuid(struct plane *p, const u8 uuid[16])
{
	for (struct plane_item *i = *uuid_bucket(p, uuid); i; i = i->next_uuid)
		if (!i->removed && memcmp(i->uuid, uuid, sizeof(i->uuid)) == 0)
			return i;
	return NULL;
}

struct plane_item *plane_next_uuid(struct plane *p, const u8 uuid[16], struct plane_item *after)
{
	struct plane_item *i = after ? after->next_uuid : *uuid_bucket(p, uuid);

	while (i && memcmp(i->uuid, uuid, sizeof(i->uuid)) != 0)
		i = i->next_uuid;
	return i;
}

void plane_each(struct plane *p, void (*each)(struct plane_item *i))
{
	for (u32 i = 0; i < p->at_len; i++)
		if (p->at[i])
			each(p->at[i]);
}

static struct plane_item *find_token(struct plane *p, u64 token)
{
	u64 index = token >> PLANE_TOKEN_BITS;

	return index < p->at_len ? p->at[index] : NULL;
}

static u32 free_index(struct plane *p)
{
	struct plane_item **at;
	u32 i = 0, len;

	if (p->n_items < p->at_len) {
		while (p->at[i])
			i++;
		return i;
	}
	len = p->at_len ? 2 * p->at_len : 64;
	at = realloc(p->at, len * sizeof(struct plane_item *));
	if (!at) {
		log_error("plane", "out of memory");
		abort();
	}
	memset(at + p->at_len, 0, (len - p->at_len) * sizeof(struct plane_item *));
	p->at = at;
	i = p->at_len;
	p->at_len = len;
	return i;
}

static void table_add(struct plane *p, struct plane_item *i)
{
	struct plane_item **name = name_bucket(p, i->name), **uuid = uuid_bucket(p, i->uuid);

	i->next_name = *name;
	*name = i;
	i->next_uuid = *uuid;
	*uuid = i;
	p->at[i->index] = i;
	p->n_items++;
}

static void table_remove(struct plane *p, struct plane_item *i)
{
	struct plane_item **at = name_bucket(p, i->name);

	while (*at != i)
		at = &(*at)->next_name;
	*at = i->next_name;
	at = uuid_bucket(p, i->uuid);
	while (*at != i)
		at = &(*at)->next_uuid;
	*at = i->next_uuid;
	p->at[i->index] = NULL;
	p->n_items--;
	for (at = &p->reports; *at; at = &(*at)->next_report) {
		if (*at != i)
			continue;
		*at = i->next_report;
		return;
	}
}

/* ---- from resources up to the main loop ---- */

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

u64 plane_ask(struct plane_item *i, const struct repl_record *next)
{
	struct plane *p = i->plane;
	struct question *q = plane_letter(sizeof(*q));
	u64 token = (u64)i->index << PLANE_TOKEN_BITS | ++p->tokens;

	q->plane = p;
	q->token = token;
	memcpy(q->name, i->name, sizeof(q->name));
	memcpy(q->uuid, i->uuid, sizeof(q->uuid));
	q->cas = next != NULL;
	if (next)
		put_record(&q->next, next);
	mailbox_post(&p->to_main, ask_on_main, q);
	return token;
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

	for (struct plane_item *i = p->reports; i; i = p->reports) {
		struct news *n = plane_letter(sizeof(*n));

		p->reports = i->next_report;
		i->report = false;
		n->plane = p;
		memcpy(n->name, i->name, sizeof(n->name));
		mailbox_post(&p->to_main, news_on_main, n);
	}
}

void plane_report(struct plane_item *i)
{
	struct plane *p = i->plane;

	if (i->report || i->removed)
		return;
	i->report = true;
	i->next_report = p->reports;
	p->reports = i;
	if (!uv_is_active((uv_handle_t *)&p->report))
		uv_timer_start(&p->report, on_report, PLANE_REPORT_MS, 0);
}

/* ---- data links ---- */

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
			link_accept(&p->links, c);
	}
	free(d);
}

void plane_accept(struct plane *p, struct conn *data_link)
{
	struct conn_parcel *parcel = conn_detach(data_link);
	struct delivery *d;

	if (!parcel)
		return;
	if (p->stopping) {
		conn_parcel_free(parcel);
		return;
	}
	d = plane_letter(sizeof(*d));
	d->plane = p;
	d->parcel = parcel;
	mailbox_post(&p->to_plane, accept_on_plane, d);
}

/* ---- set ---- */

struct order {
	struct plane *plane;
	struct plane_resource r;
};

static void begin_item(struct plane *p, const struct plane_resource *r)
{
	u32 index = free_index(p);
	struct plane_item *i = p->kind->item_new(p, r, index);

	if (i)
		table_add(p, i);
	else
		log_error("plane", "volume=%s out of memory", r->name);
}

void plane_item_init(struct plane_item *i, struct plane *p, const struct plane_resource *r,
		     u32 index)
{
	*i = (struct plane_item){ .plane = p, .index = index };
	memcpy(i->name, r->name, sizeof(i->name));
	memcpy(i->uuid, r->uuid, sizeof(i->uuid));
}

static void set_on_plane(void *arg)
{
	struct order *o = arg;
	struct plane *p = o->plane;
	struct plane_item *i = find(p, o->r.name, o->r.uuid);

	if (i)
		p->kind->item_set(i, &o->r);
	else if (!p->ending)
		begin_item(p, &o->r);
	plane_resource_release(&o->r);
	free(o);
}

void plane_set(struct plane *p, const struct plane_resource *r)
{
	struct order *o = plane_letter(sizeof(*o));

	assert(!p->stopping && r->self >= 0 && r->self < PLANE_SLOTS && r->n_volumes > 0);
	o->plane = p;
	plane_resource_copy(&o->r, r);
	mailbox_post(&p->to_plane, set_on_plane, o);
}

struct inventory {
	struct plane *plane;
	size_t n;
	u8 uuids[];
};

static void defined_on_plane(void *arg)
{
	struct inventory *d = arg;

	if (!d->plane->ending)
		d->plane->kind->defined(d->plane, d->uuids, d->n);
	free(d);
}

void plane_defined(struct plane *p, const uint8_t *uuids, size_t n)
{
	struct inventory *d;

	assert(!p->stopping);
	if (!p->kind->defined)
		return;
	d = plane_letter(sizeof(*d) + n * 16);
	d->plane = p;
	d->n = n;
	if (n > 0)
		memcpy(d->uuids, uuids, n * 16);
	mailbox_post(&p->to_plane, defined_on_plane, d);
}

/* ---- remove ---- */

struct removal {
	struct plane *plane;
	struct plane_item *item;
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

	table_remove(p, r->item);
	check_ended(p);
	mailbox_post(&p->to_main, removed_on_main, r);
}

static void remove_on_plane(void *arg)
{
	struct removal *r = arg;
	struct plane_item *i = find(r->plane, r->name, r->uuid);

	if (!i) {
		mailbox_post(&r->plane->to_main, removed_on_main, r);
		return;
	}
	i->removed = true;
	r->item = i;
	r->plane->kind->item_remove(i, on_removed, r);
}

void plane_remove(struct plane *p, const char *name, const uint8_t uuid[16],
		  void (*removed)(void *arg), void *arg)
{
	struct removal *r = plane_letter(sizeof(*r));

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
	struct plane_item *i = find(q->plane, q->name, NULL);

	q->found = i != NULL;
	if (i)
		q->plane->kind->item_status(i, &q->status);
	mailbox_post(&q->plane->to_main, status_on_main, q);
}

void plane_get_status(struct plane *p, const char *name,
		      void (*cb)(const struct plane_status *s, void *arg), void *arg)
{
	struct query *q = plane_letter(sizeof(*q));

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
	const struct plane_kind *kind = a->plane->kind;
	struct plane_item *i = find_token(a->plane, a->token);

	if (i && a->cas)
		kind->item_cas(i, a->token, a->accepted, &a->record);
	else if (i)
		kind->item_record(i, a->token, &a->record);
	free(a);
}

static void post_answer(struct plane *p, bool cas, u64 token, bool accepted,
			const struct plane_record *now)
{
	struct answer *a;

	if (p->stopping)
		return;
	a = plane_letter(sizeof(*a));
	a->plane = p;
	a->cas = cas;
	a->accepted = accepted;
	a->token = token;
	get_record(&a->record, now);
	mailbox_post(&p->to_plane, answer_on_plane, a);
}

void plane_record_read(struct plane *p, uint64_t token, const struct plane_record *now)
{
	post_answer(p, false, token, false, now);
}

void plane_record_cas(struct plane *p, uint64_t token, bool accepted,
		      const struct plane_record *now)
{
	post_answer(p, true, token, accepted, now);
}

/* ---- start and stop ---- */

static void run(void *arg)
{
	struct plane *p = arg;

	if (p->kind->moves_data)
		setpriority(PRIO_PROCESS, 0, 0); /* of this thread and of its disk workers */
	uv_run(&p->loop, UV_RUN_DEFAULT);        /* until stop has closed every handle */
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
	if (p->kind->release)
		p->kind->release(p);
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
	struct plane *p = (struct plane *)((char *)t - offsetof(struct plane, turn));

	mailbox_close(&p->to_plane, on_plane_box_closed);
}

static void on_report_closed(uv_handle_t *handle)
{
	struct plane *p = handle->data;

	turn_close(&p->turn, on_turn_closed);
}

static void on_disks_closed(void *arg)
{
	struct plane *p = arg;

	p->turn.rest = NULL;
	uv_close((uv_handle_t *)&p->report, on_report_closed);
}

static void on_links_ended(void *arg)
{
	struct plane *p = arg;

	disk_pool_free(p->disks, on_disks_closed, p);
}

void plane_closed(struct plane *p)
{
	link_set_end(&p->links, on_links_ended, p);
}

static void check_ended(struct plane *p)
{
	if (!p->ending || p->n_items > 0)
		return;
	if (p->kind->close)
		p->kind->close(p);
	else
		plane_closed(p);
}

static void end_item(struct plane *p, struct plane_item *i)
{
	struct removal *r = plane_letter(sizeof(*r));

	r->plane = p;
	r->item = i;
	i->removed = true;
	p->kind->item_end(i, on_removed, r);
}

static void stop_on_plane(void *arg)
{
	struct plane *p = arg;

	p->ending = true;
	uv_timer_stop(&p->report);
	for (u32 i = 0; i < p->at_len; i++)
		if (p->at[i] && !p->at[i]->removed)
			end_item(p, p->at[i]);
	check_ended(p);
}

void plane_stop(struct plane *p, void (*stopped)(void *arg), void *arg)
{
	assert(!p->stopping);
	p->stopping = true;
	p->stopped = stopped;
	p->stopped_arg = arg;
	mailbox_post(&p->to_plane, stop_on_plane, p);
}

/* for tests: a link is renewed after so many records */
static u64 renew_records(void)
{
	const char *env = getenv("SDSD_RENEW_RECORDS");
	u64 records = env ? strtoull(env, NULL, 10) : 0;

	return records > 0 ? PORT_MIN(records, LINK_RENEW_RECORDS) : LINK_RENEW_RECORDS;
}

static void fill(struct plane *p, struct tls *tls, const uint8_t cluster[16], const char *node,
		 uint32_t node_id, uint64_t boot)
{
	turn_init(&p->turn, &p->loop);
	link_set_init(&p->links, &p->loop, &p->turn, tls);
	memcpy(p->links.cluster, cluster, sizeof(p->links.cluster));
	p->links.boot = boot;
	p->links.arg = p;
	p->links.renew_records = renew_records();
	snprintf(p->node, sizeof(p->node), "%s", node);
	p->node_id = node_id;
	p->boot = boot;
	uv_timer_init(&p->loop, &p->report);
	p->report.data = p;
}

/* the loop with what every plane has on it; undone by on_disks_closed and what follows it */
static int open_loop(struct plane *p, struct tls *tls, const uint8_t cluster[16], const char *node,
		     uint32_t node_id, uint64_t boot)
{
	int rv = uv_loop_init(&p->loop);

	if (rv < 0)
		return rv;
	rv = mailbox_init(&p->to_plane, &p->loop);
	if (rv < 0)
		goto close_loop;
	rv = -ENOMEM;
	p->disks = disk_pool_new(&p->loop, &p->turn, p->kind->engine());
	if (!p->disks)
		goto close_plane_box;
	rv = mailbox_init(&p->to_main, p->main_loop);
	if (rv < 0)
		goto close_disks;
	fill(p, tls, cluster, node, node_id, boot);
	return 0;

close_disks:
	disk_pool_free(p->disks, NULL, NULL);
close_plane_box:
	mailbox_close(&p->to_plane, NULL);
	uv_run(&p->loop, UV_RUN_DEFAULT);
close_loop:
	uv_loop_close(&p->loop);
	return rv;
}

int plane_start(const struct plane_kind *kind, uv_loop_t *main_loop, struct tls *tls,
		const char *cluster_uuid, const char *node, uint32_t node_id, uint64_t boot,
		const struct plane_hooks *hooks, struct plane **ret, struct err *err)
{
	uint8_t cluster[16];
	struct plane *p;
	int rv;

	if (text_uuid_parse(cluster_uuid, cluster) < 0)
		return err_set(err, -E_INVALID, "%s is no uuid of a cluster", cluster_uuid);
	p = calloc(1, kind->size);
	if (!p)
		return err_set(err, -ENOMEM, "no memory for the data plane");
	p->kind = kind;
	p->main_loop = main_loop;
	p->hooks = *hooks;
	rv = open_loop(p, tls, cluster, node, node_id, boot);
	if (rv < 0) {
		free(p);
		return err_set(err, rv, "the data plane does not start: %s", err_name(rv));
	}
	rv = kind->open(p, err);
	if (rv == 0) {
		rv = uv_thread_create(&p->thread, run, p);
		if (rv < 0)
			err_set(err, rv, "no thread for the data plane: %s", err_name(rv));
	}
	if (rv < 0) {
		p->stopping = true;
		stop_on_plane(p);
		run(p); /* closes everything; the letter that frees p is on its way */
		return rv;
	}
	p->threaded = true;
	*ret = p;
	return 0;
}
