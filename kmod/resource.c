// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * resource.c - one resource: its life, the section around every call of the
 * core, and what the core emits. Called by netlink.c (orders), device.c (opens,
 * requests), lower.c and link.c (answers); see rvol.h for the rules of a
 * section.
 */
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/vmalloc.h>

#include "rvol.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

static atomic_t resources = ATOMIC_INIT(0);
static DECLARE_WAIT_QUEUE_HEAD(all_gone);
struct workqueue_struct *rvol_wq;

#define TURNS_MAX 16u      /* sections that one task goes on with for others */
#define FLUSH_LINKS_MAX 8u /* sent to by who leaves a section; the rest by its own worker */

static struct rvol *of_sink(struct repl_sink *sink)
{
	return container_of(sink, struct rvol, sink);
}

/* ---- what the core emits; entered ---- */

static void send_msg(struct rvol *r, const struct repl_effect *e)
{
	const struct repl_msg *m = e->msg;

	if (e->link == REPL_LINK_LOCAL) {
		/* the own replica takes the writer's payload along: one more user of it */
		if (m->buf)
			buf_get(buf_of(m->buf));
		return;
	}
	if (m->kind == REPL_MSG_RELEASE || m->kind == REPL_MSG_PROMISED)
		shortcut_close(r); /* before it can be sent: another writer may be let in */
	link_send(r, e);
	if (m->kind == REPL_MSG_READ_DATA || m->kind == REPL_MSG_DATA)
		buf_put(buf_of(m->buf));
}

static void pull_link(struct rvol *r, u8 slot)
{
	link_close(r, REPL_LINK_PULL);
	if (slot != REPL_NO_SLOT && slot >= REPL_SLOTS_MAX)
		rvol_fence(r, "pulls from slot %u are wanted", slot);
	r->pull_slot = slot;
	r->changed = true;
}

static void emit(struct repl_sink *sink, const struct repl_effect *e)
{
	struct rvol *r = of_sink(sink);

	lockdep_assert_held(&r->lock);
	if (r->failed) {
		fence_effect(e);
		return;
	}
	switch (e->kind) {
	case REPL_SEND:
		send_msg(r, e);
		break;
	case REPL_LINK_CLOSE:
		link_close(r, e->link);
		break;
	case REPL_DISK_WRITE:
	case REPL_DISK_READ:
	case REPL_DISK_FLUSH:
	case REPL_META_WRITE:
	case REPL_META_READ:
	case REPL_META_FLUSH:
		lower_effect(r, e);
		break;
	case REPL_BUF_DROP:
		buf_put(buf_of(e->buf));
		break;
	case REPL_COMPLETE:
		io_complete(r, e);
		break;
	case REPL_READ_RECORD:
		r->read_token = e->id;
		r->changed = true;
		break;
	case REPL_CAS:
		r->cas_token = e->id;
		r->cas = e->record;
		r->changed = true;
		break;
	case REPL_PULL_LINK:
		pull_link(r, e->slot);
		break;
	case REPL_CHANGED:
		r->changed = true;
		break;
	default:
		rvol_fence(r, "the core emits effect %d", e->kind);
		break;
	}
}

/* ---- the section ---- */

/* the mutex was just taken */
static u64 begin(struct rvol *r)
{
	/* whoever needs memory now must not wait for a write to this very volume */
	r->noio = memalloc_noio_save();
	r->now = ktime_get_boottime_ns();
	return r->now;
}

u64 rvol_enter(struct rvol *r)
{
	mutex_lock(&r->lock);
	return begin(r);
}

static void set_ticking(struct rvol *r)
{
	bool on = r->event_due ||
		  (rvol_live(r) && (repl_mirror_busy(r->mirror) || r->freeze.state || r->starved));

	if (on && !r->ticking) {
		rvol_get(r);
		queue_delayed_work(rvol_wq, &r->tick, nsecs_to_jiffies(REPL_TICK_NS));
		r->ticking = true;
	}
}

/* What is asked from here on is refused: another node may be the writer. */
static void close(struct rvol *r)
{
	r->close_wanted = r->opened = false;
	repl_mirror_close(r->mirror, &r->sink, r->now);
	r->changed = true;
}

static void close_if_quiet(struct rvol *r)
{
	if (r->close_wanted && r->mirror->writer.n_requests == 0 && list_empty(&r->waiting))
		close(r);
}

static u64 acked_elsewhere(const struct repl_writer *w)
{
	u32 left = w->state == WRITER_SERVING ? w->members & ~(1u << w->self) : 0;
	u64 least = U64_MAX;

	for (; left; left &= left - 1)
		least = min(least, w->peer[__ffs(left)].acked);
	return least;
}

/* Whose payloads may be lent; see device.c. */
static void note_copies(struct rvol *r, const struct repl_writer *w)
{
	u32 self = 1u << w->self;
	bool serving = w->state == WRITER_SERVING;

	WRITE_ONCE(r->only_copy, serving && w->self_disk && w->members == self && w->sent == self);
	WRITE_ONCE(r->no_learner, serving && !(w->sent & ~w->members));
}

/* Those up to seq bring a section about; see answer() in lower.c. */
static void hear_answers_to(struct rvol *r, u64 seq)
{
	WRITE_ONCE(r->acked_elsewhere, seq);
	smp_mb();
}

static void drop_queue(struct repl_queue *q)
{
	for (u32 i = 0; i < q->len; i++)
		buf_put(buf_of(q->msg[(q->head + i) % REPL_LOCAL_MAX].buf));
}

/* What the core holds of payloads when it is left as it is: see its structures for what is whose.
 * Not later than that: a request whose pages they are would never end. */
static void drop_payloads(struct rvol *resource)
{
	struct repl_mirror *m = resource->mirror;
	struct repl_replica *r = &m->replica;
	struct repl_writer *w = &m->writer;

	if (!m || resource->dropped)
		return;
	resource->dropped = true;
	drop_queue(&m->to_replica);
	drop_queue(&m->to_writer);
	for (u32 i = 0; i < ARRAY_SIZE(r->io); i++)
		buf_put(buf_of(r->io[i].buf));
	for (u32 i = 0; i < ARRAY_SIZE(r->pull); i++)
		if (r->pull[i].state != PULL_FREE)
			buf_put(buf_of(r->pull[i].buf));
	for (u32 i = 0; i < ARRAY_SIZE(r->serve); i++)
		if (r->serve[i].state == SERVE_READ)
			buf_put(buf_of(r->serve[i].msg.buf));
	for (u32 i = 0; i < ARRAY_SIZE(w->request); i++)
		if (w->request[i].state == REQ_LEASE)
			buf_put(buf_of(w->request[i].buf));
}

/* what follows from the calls of this section; they may lead to more */
static void settle_live(struct rvol *r)
{
	links_settle(r, r->now);
	ios_take(r, r->now);
	hear_answers_to(r, acked_elsewhere(&r->mirror->writer));
	if (!llist_empty(&r->answers))
		lower_answers(r, r->now);
	ios_settle(r, r->now);
	if (!rvol_live(r))
		return;
	note_copies(r, &r->mirror->writer);
	if (r->opened && r->mirror->writer.state == WRITER_STOPPED)
		ios_fail_waiting(r);
	freeze_settle(r);
	close_if_quiet(r);
	if (!r->changed)
		return;
	trace_rvol_state(r);
	r->wants = rvol_wants(r);
	vols_settle(r);
}

static void settle(struct rvol *r)
{
	if (rvol_live(r))
		settle_live(r);
	shortcut_settle(r);
	if (rvol_live(r))
		return;
	fence_settle(r);
	ios_take(r, r->now);         /* they fail */
	hear_answers_to(r, U64_MAX); /* no acknowledgement comes any more */
	lower_answers(r, r->now);
	drop_payloads(r);
}

/* what a section has collected, to be carried out after it */
struct collected {
	struct rvol_link *link[FLUSH_LINKS_MAX];
	u32 n_links;
	struct bio_list lower;
	struct list_head done;
	u64 event; /* 0: none */
};

/* entered; the section is over with it */
static void collect(struct rvol *r, struct collected *c)
{
	settle(r);
	c->event = 0;
	if (r->changed || r->event_due) {
		r->event += r->changed;
		c->event = r->event;
		r->changed = r->event_due = false;
		wake_up_all(&r->opens);
	}
	set_ticking(r);
	c->lower = r->lower;
	bio_list_init(&r->lower);
	INIT_LIST_HEAD(&c->done);
	list_splice_init(&r->done, &c->done);
	c->n_links = links_take(r, c->link, FLUSH_LINKS_MAX);
	mutex_unlock(&r->lock);
}

static bool left_over(const struct rvol *r)
{
	smp_mb(); /* the mutex was given back; who could not have it has put something there */
	return !llist_empty(&r->answers) || !llist_empty(&r->incoming);
}

void rvol_unlock(struct rvol *r)
{
	mutex_unlock(&r->lock);
	if (left_over(r))
		rvol_work_soon(r);
}

static void send_event(struct rvol *r, u64 event)
{
	if (!event || netlink_event(r->uuid, event))
		return;
	mutex_lock(&r->lock);
	r->event_due = true;
	set_ticking(r);
	rvol_unlock(r);
}

static void carry_out(struct rvol *r, struct collected *c)
{
	for (u32 i = 0; i < c->n_links; i++)
		link_flush(c->link[i]);
	if (!bio_list_empty(&c->lower)) {
		WRITE_ONCE(r->submitter, current);
		lower_submit(&c->lower);
		cmpxchg(&r->submitter, current, NULL);
	}
	ios_end(&c->done);
	if (unlikely(!llist_empty(&r->given_back)))
		ios_end_given_back(r);
	send_event(r, c->event);
}

void rvol_leave(struct rvol *r)
{
	unsigned int noio = r->noio;
	struct collected c;

	rvol_get(r); /* the ends of requests may take the last user away */
	for (u32 turn = 0;; turn++) {
		collect(r, &c);
		carry_out(r, &c);
		if (!left_over(r))
			break;
		if (turn == TURNS_MAX) {
			rvol_work_soon(r);
			break;
		}
		if (!mutex_trylock(&r->lock))
			break; /* who has it looks afterwards, too */
		r->now = ktime_get_boottime_ns();
		r->noio = noio;
	}
	memalloc_noio_restore(noio);
	rvol_put(r);
}

void rvol_kick(struct rvol *r)
{
	if (!mutex_trylock(&r->lock))
		return; /* who has it looks when it has given it back */
	begin(r);
	rvol_leave(r);
}

static void on_work(struct work_struct *work)
{
	struct rvol *r = container_of(work, struct rvol, work);

	rvol_enter(r);
	rvol_leave(r);
	rvol_put(r);
}

void rvol_work_soon(struct rvol *r)
{
	rvol_get(r);
	if (!queue_work(rvol_wq, &r->work))
		rvol_put(r);
}

/* what the core itself finds odd; in every section it would cost too much */
static void check(struct rvol *r)
{
	const char *why = repl_mirror_check(r->mirror);

	if (why)
		rvol_fence(r, "%s", why);
}

static void on_tick(struct work_struct *work)
{
	struct rvol *r = container_of(to_delayed_work(work), struct rvol, tick);
	u64 now = rvol_enter(r);

	r->ticking = false;
	if (rvol_live(r)) {
		check(r);
		if (rvol_live(r))
			repl_mirror_tick(r->mirror, &r->sink, now);
		links_retry(r);
		shortcut_tick(r);
		r->changed |= rvol_wants(r) != r->wants;
	}
	rvol_leave(r);
	rvol_put(r);
}

/* ---- life ---- */

static int read_heads(struct rvol_heads *h, const struct rvol_config *c, const char **ret_why)
{
	struct repl_disk *d = &h->disk;

	*ret_why = "the state of the replica is damaged";
	if (meta_get_state(c->state_page, &d->state) < 0)
		return -EBADMSG;
	*ret_why = "the hot log is damaged";
	if (meta_get_hot(c->hot_page, &d->hot_generation, h->hot, &d->n_hot) < 0)
		return -EBADMSG;
	d->hot = h->hot;
	d->state_copy = c->state_copy;
	d->hot_copy = c->hot_copy;
	return 0;
}

/* The last user may be the end of a bio: what sleeps is left to a worker. */
static void on_free(struct work_struct *work);

static struct rvol *alloc(const struct rvol_config *c)
{
	struct rvol *r = kzalloc(sizeof(*r), GFP_KERNEL);

	if (!r)
		return NULL;
	if (mempool_init_kmalloc_pool(&r->ios, RVOL_IOS_MIN, sizeof(struct rvol_io)) < 0) {
		kfree(r);
		return NULL;
	}
	kref_init(&r->ref);
	mutex_init(&r->disks_lock);
	mutex_init(&r->lock);
	init_waitqueue_head(&r->opens);
	INIT_LIST_HEAD(&r->list);
	INIT_LIST_HEAD(&r->flying);
	INIT_LIST_HEAD(&r->completed);
	INIT_LIST_HEAD(&r->done);
	INIT_LIST_HEAD(&r->waiting);
	INIT_LIST_HEAD(&r->links);
	INIT_LIST_HEAD(&r->lower_ops);
	bio_list_init(&r->lower);
	freeze_prepare(r);
	shortcut_prepare(r);
	lull_prepare(r);
	init_llist_head(&r->answers);
	init_llist_head(&r->incoming);
	init_llist_head(&r->given_back);
	INIT_WORK(&r->work, on_work);
	INIT_WORK(&r->free_work, on_free);
	INIT_WORK(&r->close_work, lower_on_close);
	INIT_DELAYED_WORK(&r->tick, on_tick);
	r->sink.emit = emit;
	r->pull_slot = REPL_NO_SLOT;
	memcpy(r->uuid, c->uuid, sizeof(r->uuid));
	strscpy(r->name, c->name, sizeof(r->name));
	r->self = c->mirror.self;
	r->has_copy = c->has_copy;
	r->config = c->mirror;
	atomic_inc(&resources);
	return r;
}

int rvol_new(const struct rvol_config *c, struct rvol **ret, const char **ret_why)
{
	struct rvol *r = alloc(c);
	int rv;

	*ret_why = "no memory";
	if (!r)
		return -ENOMEM;
	if (c->has_copy) {
		r->heads = kzalloc(sizeof(*r->heads), GFP_KERNEL);
		rv = r->heads ? read_heads(r->heads, c, ret_why) : -ENOMEM;
		if (rv < 0) {
			rvol_put(r);
			return rv;
		}
	}
	debug_add(r);
	*ret = r;
	return 0;
}

/* of the own copy */
static void copy_sizes(struct rvol *r, u64 ret[RVOL_VOLUMES_MAX])
{
	for (u32 i = 0; i < RVOL_VOLUMES_MAX; i++)
		ret[i] = r->has_copy && r->vol[i] ? r->vol[i]->copy_size : 0;
}

static u32 count_briefs(struct rvol *r)
{
	u64 size[RVOL_VOLUMES_MAX];

	mutex_lock(&r->lock);
	copy_sizes(r, size);
	rvol_unlock(r);
	return repl_briefs(size);
}

static void make_mirror(struct rvol *r, struct repl_mirror *m, u32 n_briefs)
{
	struct repl_mirror_config c = r->config;

	c.n_briefs = n_briefs;
	if (r->has_copy) {
		copy_sizes(r, r->heads->disk.size);
		c.disk = &r->heads->disk;
	}
	repl_mirror_init(m, &c, r->now);
	r->mirror = m;
	kfree(r->heads);
	r->heads = NULL;
}

static int vols_show(struct rvol *r, const char **ret_why)
{
	*ret_why = "the block device cannot be made (is the minor in use?)";
	for (u32 i = 0; i < RVOL_VOLUMES_MAX; i++) {
		int rv = r->vol[i] ? vol_show(r->vol[i]) : 0;

		if (rv < 0)
			return rv;
	}
	return 0;
}

int rvol_boot(struct rvol *r, const struct repl_record *record, const char **ret_why)
{
	u32 n_briefs = count_briefs(r);
	struct repl_mirror *m = vzalloc(repl_mirror_bytes(n_briefs));
	const char *why = NULL;

	*ret_why = "no memory";
	if (!m)
		return -ENOMEM;
	rvol_enter(r);
	if (r->ending)
		why = "the resource is being deleted";
	else if (r->failed)
		why = "the resource is out of service";
	else if (r->booted)
		why = "the resource is up already";
	else if (!r->vol[REPL_META_HOME])
		why = "volume 0 is missing";
	if (!why) {
		make_mirror(r, m, n_briefs);
		repl_mirror_boot(m, record, &r->sink, r->now);
		r->was_in_sync = record->in_sync & (1u << r->self);
		r->booted = r->changed = true;
	}
	rvol_leave(r);
	if (why) {
		vfree(m);
		*ret_why = why;
		return -EINVAL;
	}
	return vols_show(r, ret_why);
}

int rvol_end(struct rvol *r, bool force, const char **ret_why)
{
	rvol_enter(r);
	for (u32 i = 0; !force && i < RVOL_VOLUMES_MAX; i++) {
		if (!r->vol[i] || !r->vol[i]->opens)
			continue;
		rvol_leave(r);
		*ret_why = "a volume of it is open";
		return -EBUSY;
	}
	if (r->ending) {
		rvol_leave(r);
		return 0;
	}
	/* all others may serve at once when this node says that it has stopped */
	if (r->opened && rvol_live(r) && r->mirror->writer.n_requests == 0) {
		ios_fail_waiting(r);
		close(r);
	}
	rvol_leave(r); /* it is sent */

	rvol_enter(r);
	r->ending = r->changed = true;
	r->opened = r->close_wanted = false;
	links_end(r);
	freeze_end(r, "the resource is being deleted");
	ios_fail(r);
	rvol_leave(r);
	for (u32 i = 0; i < RVOL_VOLUMES_MAX; i++)
		if (r->vol[i])
			vol_hide(r->vol[i]);
	smp_mb(); /* see lower_read_through */
	lower_close_soon(r);
	debug_remove(r);
	rvol_put(r);
	return 0;
}

void rvol_get(struct rvol *r)
{
	kref_get(&r->ref);
}

static void on_free(struct work_struct *work)
{
	struct rvol *r = container_of(work, struct rvol, free_work);

	for (u32 i = 0; i < RVOL_VOLUMES_MAX; i++)
		if (r->vol[i])
			vol_free(r->vol[i]);
	lull_end(r);
	vfree(r->mirror);
	kfree(r->heads);
	mempool_exit(&r->ios);
	mutex_destroy(&r->lock);
	mutex_destroy(&r->disks_lock);
	kfree(r);
	if (atomic_dec_and_test(&resources))
		wake_up_all(&all_gone);
}

static void on_last_put(struct kref *ref)
{
	struct rvol *r = container_of(ref, struct rvol, ref);

	queue_work(rvol_wq, &r->free_work);
}

void rvol_put(struct rvol *r)
{
	kref_put(&r->ref, on_last_put);
}

/* ---- the module ---- */

int rvol_init(void)
{
	/* bound to the CPU that queues: a link's worker runs where its packets come in */
	rvol_wq = alloc_workqueue("rvol", WQ_MEM_RECLAIM | WQ_HIGHPRI, 0);
	return rvol_wq ? 0 : -ENOMEM;
}

void rvol_exit(void)
{
	wait_event(all_gone, atomic_read(&resources) == 0);
	destroy_workqueue(rvol_wq);
}
