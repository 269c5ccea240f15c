// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * volume_open.c - a volume's NBD side: the first client opens the mirror and
 * waits until it serves, the last one closes it. Requests go to the mirror as
 * they come. nbd.c calls through nbd_ops.
 */
#include "replication/volume.h"

#include <assert.h>

#include "base/clock.h"
#include "base/log.h"

#define IN_USE "in use" /* how the mirror's reason begins when a copy hears another writer */

void close_mirror(struct volume *v)
{
	u64 now;

	uv_timer_stop(&v->deadline);
	if (!v->opened_mirror || !v->mirror)
		return;
	v->opened_mirror = v->healing = false;
	heal_later(v);
	now = volume_enter(v);
	repl_mirror_close(v->mirror, &v->sink, now);
}

void open_mirror(struct volume *v, bool heals)
{
	u64 now = volume_enter(v);

	v->healing = heals;
	v->opened_mirror = true;
	v->changed = true; /* it may serve at once */
	if (heals)
		repl_mirror_heal(v->mirror, &v->sink, now);
	else
		repl_mirror_open(v->mirror, &v->sink, now);
}

/* ---- nbd_ops ---- */

/* of a request's id at the mirror; the server's are below */
#define ID_PART_SHIFT 56
#define ID_WRITES (1ull << 55) /* a write or flush, which a freeze waits for */

/* the resource is opened with its first volume and closed with its last */
static void recount(struct volume *v)
{
	v->opening = v->opened = false;
	for (u32 i = 0; i < PLANE_VOLUMES; i++) {
		v->opening |= v->part[i] && v->part[i]->opening;
		v->opened |= v->part[i] && v->part[i]->opened;
	}
}

static void on_open(void *owner)
{
	struct volume_part *p = owner;
	struct volume *v = p->whole;
	bool first = !v->opening && !v->opened;

	p->opening = true;
	recount(v);
	v->changed = true; /* it may be served already, by another volume */
	v->in_use_since = 0;
	uv_timer_start(&v->deadline, open_on_deadline, VOLUME_OPEN_DEADLINE_MS, 0);
	/* also when it was handed over and nobody here has asked for it since */
	if (volume_up(v) && (first || v->mirror->writer.state == WRITER_IDLE))
		open_mirror(v, false);
	volume_report(v);
	volume_settle_soon(v); /* FAILED: refused there */
}

static void on_close(void *owner)
{
	struct volume_part *p = owner;
	struct volume *v = p->whole;

	if (p->opened)
		log_info("plane", "volume=%s number=%u closed", v->r.name, p->number);
	p->opening = p->opened = false;
	recount(v);
	if (!v->opening && !v->opened) {
		v->cut = false;
		v->away_since = 0;
		close_mirror(v);
	}
	volume_report(v);
	if (!v->opening && !v->opened)
		volume_closed_here(v);
}

static u64 id_of(const struct volume_part *p, u64 id)
{
	return id | (u64)p->number << ID_PART_SHIFT;
}

static int on_write(void *owner, u64 id, u8 op, u64 off, u32 len, struct payload *data)
{
	struct volume_part *p = owner;
	struct volume *v = p->whole;
	u64 now, left = len;
	int rv;

	if (!volume_up(v))
		return -ESHUTDOWN;
	if (freeze_on(v))
		return -EAGAIN;
	now = volume_enter(v);
	if (op == REPL_OP_DISCARD)
		op = repl_discard_op(v->r.below_discards, &off, &left);
	rv = repl_mirror_write(v->mirror, id_of(p, id) | ID_WRITES, op,
			       REPL_ADDRESS(p->number, off), (u32)left, payload_handle(data),
			       &v->sink, now);
	v->freeze.writing += rv == 0;
	v->io.writes += rv == 0;
	v->io.written_bytes += rv == 0 ? len : 0;
	return rv;
}

static int on_read(void *owner, u64 id, u64 off, u32 len)
{
	struct volume_part *p = owner;
	struct volume *v = p->whole;
	u64 now;
	int rv;

	if (!volume_up(v))
		return -ESHUTDOWN;
	now = volume_enter(v);
	rv = repl_mirror_read(v->mirror, id_of(p, id), REPL_ADDRESS(p->number, off), len, &v->sink,
			      now);
	v->io.reads += rv == 0;
	v->io.read_bytes += rv == 0 ? len : 0;
	return rv;
}

static int on_flush(void *owner, u64 id)
{
	struct volume_part *p = owner;
	struct volume *v = p->whole;
	u64 now;
	int rv;

	if (!volume_up(v))
		return -ESHUTDOWN;
	if (freeze_on(v))
		return -EAGAIN;
	now = volume_enter(v);
	rv = repl_mirror_flush(v->mirror, id_of(p, id) | ID_WRITES, &v->sink, now);
	v->freeze.writing += rv == 0;
	v->io.flushes += rv == 0;
	return rv;
}

static const struct nbd_ops ops = {
	.open = on_open,
	.close = on_close,
	.write = on_write,
	.read = on_read,
	.flush = on_flush,
};

void open_complete(struct volume *v, const struct volume_done *d)
{
	struct volume_part *p = v->part[d->id >> ID_PART_SHIFT];

	if (d->id & ID_WRITES) {
		assert(v->freeze.writing > 0);
		v->freeze.writing--;
	}
	nbd_complete(p->nbd, d->id & (ID_WRITES - 1), d->status, payload_of(d->buf));
}

/* ---- from the volume ---- */

static const char *socket_of(const struct volume_part *p)
{
	const struct plane_volume *spec = plane_volume_of(&p->whole->r, (int)p->number);

	return spec ? spec->socket_path : NULL;
}

static int listen_part(struct volume *v, struct volume_part *p)
{
	const struct plane_volume *spec = plane_volume_of(&v->r, (int)p->number);
	struct nbd_config c = {
		.loop = &v->env->plane.loop,
		.turn = &v->env->plane.turn,
		.account = &v->data,
		.name = v->r.name,
		.ops = &ops,
		.owner = p,
	};
	struct err err;
	int rv;

	if (p->nbd || !spec || !spec->socket_path)
		return 0;
	c.socket_path = spec->socket_path;
	c.size_bytes = spec->size_bytes;
	c.block_bytes = spec->block_bytes;
	rv = nbd_start(&c, &p->nbd, &err);
	if (rv < 0)
		snprintf(v->error, sizeof(v->error), "%.250s", err.text);
	return rv;
}

int open_listen(struct volume *v)
{
	int rv = 0;

	for (u32 i = 0; rv == 0 && i < PLANE_VOLUMES; i++)
		if (v->part[i])
			rv = listen_part(v, v->part[i]);
	return rv;
}

bool open_listens(const struct volume *v)
{
	for (u32 i = 0; i < PLANE_VOLUMES; i++)
		if (v->part[i] && !v->part[i]->nbd && socket_of(v->part[i]))
			return false;
	return true;
}

bool open_ended(const struct volume *v)
{
	for (u32 i = 0; i < PLANE_VOLUMES; i++)
		if (v->part[i] && v->part[i]->nbd)
			return false;
	return true;
}

u32 open_clients(const struct volume *v)
{
	u32 n = 0;

	for (u32 i = 0; i < PLANE_VOLUMES; i++)
		if (v->part[i] && v->part[i]->nbd)
			n += nbd_clients(v->part[i]->nbd);
	return n;
}

void open_thawed(struct volume *v)
{
	for (u32 i = 0; i < PLANE_VOLUMES; i++)
		if (v->part[i] && v->part[i]->nbd && !v->part[i]->nbd_closing)
			nbd_thawed(v->part[i]->nbd);
}

static void on_nbd_closed(void *arg)
{
	struct volume_part *p = arg;

	p->nbd = NULL;
	p->nbd_closing = false;
	volume_settle_soon(p->whole);
}

void open_end(struct volume *v)
{
	/* all others may serve at once when this node says that it has stopped */
	if (v->opened_mirror && v->mirror && v->mirror->writer.n_requests == 0)
		close_mirror(v);
	uv_timer_stop(&v->deadline);
	v->opening = v->opened = v->cut = v->opened_mirror = false;
	for (u32 i = 0; i < PLANE_VOLUMES; i++) {
		struct volume_part *p = v->part[i];

		if (!p || !p->nbd || p->nbd_closing)
			continue;
		p->opening = p->opened = false;
		p->nbd_closing = true;
		nbd_close(p->nbd, on_nbd_closed, p);
	}
}

void open_attached(struct volume *v)
{
	if (v->opening)
		open_mirror(v, false);
}

static void refuse_part(struct volume_part *p, const char *why)
{
	const struct volume *v = p->whole;
	char text[512];

	p->opening = false;
	snprintf(text, sizeof(text), "volume %u of %s cannot be opened on node %s: %s", p->number,
		 v->r.name, v->env->plane.node, why);
	log_warn("plane", "volume=%s number=%u not opened: %s", v->r.name, p->number, why);
	nbd_refused(p->nbd, text);
}

void open_refuse(struct volume *v, const char *why)
{
	if (!v->opening)
		return;
	for (u32 i = 0; i < PLANE_VOLUMES; i++)
		if (v->part[i] && v->part[i]->opening)
			refuse_part(v->part[i], why);
	recount(v);
	volume_report(v);
	if (v->opened)
		return;
	close_mirror(v);
	volume_closed_here(v);
}

/* the copies that were asked and do not answer */
static void name_missing(const struct volume *v, char *text, size_t len)
{
	const struct repl_writer *w = &v->mirror->writer;
	size_t used = 0;

	text[0] = '\0';
	for (u32 s = 0; s < REPL_SLOTS_MAX; s++) {
		int n;

		if (!(w->record.in_sync & (1u << s)) || w->peer[s].up)
			continue;
		n = snprintf(text + used, len - used, "%s%s", used ? ", " : "",
			     v->r.peer[s].used ? v->r.peer[s].node : "(removed)");
		if (n < 0 || (size_t)n >= len - used)
			return;
		used += (size_t)n;
	}
}

static void explain(const struct volume *v, char *why, size_t len)
{
	const struct repl_writer *w = &v->mirror->writer;
	struct repl_mirror_status s;
	char missing[160];
	u8 writer = w->record.writer;
	bool named = writer < REPL_SLOTS_MAX && writer != v->r.self && v->r.peer[writer].used;

	repl_mirror_status(v->mirror, &s);
	name_missing(v, missing, sizeof(missing));
	if (!w->record.epoch)
		snprintf(why, len, "the cluster does not answer (no majority of nodes?)");
	else if (named && strncmp(s.reason, IN_USE, strlen(IN_USE)) == 0)
		snprintf(why, len, IN_USE " on node %s", v->r.peer[writer].node);
	else if (mend_failed(v) && (w->record.in_sync & (1u << v->r.self)))
		snprintf(why, len, "the disk of its copy here has failed: %s", v->sick);
	else if (s.reason[0])
		snprintf(why, len, "%s", s.reason);
	else if (missing[0])
		snprintf(why, len, "no copy that is up to date is reachable; missing: %s", missing);
	else
		snprintf(why, len, "no copy has agreed within %d s",
			 VOLUME_OPEN_DEADLINE_MS / 1000);
}

static void refuse_with_reason(struct volume *v)
{
	char why[384];

	explain(v, why, sizeof(why));
	open_refuse(v, why);
}

/* A dead writer is heard for REPL_SILENCE_NS at most, one that only heals goes at once: who is
 * heard for longer is alive, and to wait would not help. */
static bool in_use_for_long(struct volume *v, const struct repl_mirror_status *s)
{
	u64 now = clock_boot_ns();

	if (strncmp(s->reason, IN_USE, strlen(IN_USE)) != 0) {
		v->in_use_since = 0;
		return false;
	}
	if (!v->in_use_since)
		v->in_use_since = now;
	return now >= v->in_use_since + VOLUME_IN_USE_MS * REPL_MS;
}

/* it serves: those that wait may enter, where there is something to serve */
static void let_in(struct volume *v, u32 epoch)
{
	for (u32 i = 0; i < PLANE_VOLUMES; i++) {
		struct volume_part *p = v->part[i];
		u64 size = repl_mirror_size(v->mirror, i);

		if (!p || !p->nbd)
			continue;
		if (size > 0)
			nbd_set_size(p->nbd, size);
		if (!p->opening)
			continue;
		if (size == 0) {
			refuse_part(p, "it is not there yet on every copy in sync");
			continue;
		}
		p->opening = false;
		p->opened = true;
		log_info("plane", "volume=%s number=%u epoch=%u opened", v->r.name, i, epoch);
		nbd_opened(p->nbd);
	}
	recount(v);
	if (!v->opening)
		uv_timer_stop(&v->deadline);
	if (!v->opened) {
		close_mirror(v);
		volume_closed_here(v);
	}
}

static void cut_all(struct volume *v)
{
	v->cut = true;
	for (u32 i = 0; i < PLANE_VOLUMES; i++)
		if (v->part[i] && v->part[i]->opened)
			nbd_cut(v->part[i]->nbd);
}

void open_settle(struct volume *v)
{
	struct repl_mirror_status s;

	if (!v->opening && (!v->opened || v->cut))
		return;
	repl_mirror_status(v->mirror, &s);
	if (s.serving)
		let_in(v, s.epoch);
	else if (v->opening && s.stopped)
		open_refuse(v, s.reason);
	else if (v->opening && in_use_for_long(v, &s))
		refuse_with_reason(v);
	if (v->opened && !v->cut && s.stopped) {
		log_error("plane", "volume=%s epoch=%u I/O has ended: %s", v->r.name, s.epoch,
			  s.reason);
		cut_all(v);
	} else if (v->opened && s.wanted && v->r.handover && volume_up(v)) {
		log_info("plane", "volume=%s epoch=%u handed over: another node opens it",
			 v->r.name, s.epoch);
		repl_mirror_yield(v->mirror, &v->sink, volume_enter(v));
	}
}

/* P11. Who uses a volume that was handed over waits until it comes back, not for ever; P7, the same
 * when every copy in sync is lost. */
void open_away(struct volume *v, u64 now)
{
	const struct repl_writer *w = &v->mirror->writer;
	bool serving = w->state == WRITER_SERVING;

	if (!v->opened || v->cut || (serving && !repl_writer_alone(w)) || !w->n_requests) {
		v->away_since = 0;
		return;
	}
	if (!v->away_since)
		v->away_since = now;
	if (now < v->away_since + VOLUME_AWAY_MS * REPL_MS)
		return;
	if (serving) { /* open_settle tells it and shows the clients out */
		repl_mirror_abandon(v->mirror, &v->sink, volume_enter(v));
		return;
	}
	log_error("plane", "volume=%s I/O has ended: another node has it since the hand-over",
		  v->r.name);
	close_mirror(v);
	cut_all(v);
}

void open_on_deadline(uv_timer_t *timer)
{
	struct volume *v = timer->data;

	if (volume_up(v))
		refuse_with_reason(v);
	else
		open_refuse(v, v->error[0] ? v->error : "its disk is not attached yet");
}
