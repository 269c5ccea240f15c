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

void open_mirror(struct volume *v)
{
	u64 now = volume_enter(v);

	v->healing = false; /* from now on for a client; volume_heal.c says otherwise */
	v->opened_mirror = true;
	v->changed = true; /* it may serve at once */
	repl_mirror_open(v->mirror, &v->sink, now);
}

/* ---- nbd_ops ---- */

static void on_open(void *owner)
{
	struct volume *v = owner;

	v->opening = true;
	v->in_use_since = 0;
	uv_timer_start(&v->deadline, open_on_deadline, VOLUME_OPEN_DEADLINE_MS, 0);
	if (volume_up(v))
		open_mirror(v);
	volume_report(v);
	volume_settle_soon(v); /* FAILED: refused there */
}

static void on_close(void *owner)
{
	struct volume *v = owner;

	if (v->opened)
		log_info("plane", "volume=%s closed", v->r.name);
	v->opening = v->opened = v->cut = false;
	close_mirror(v);
	volume_report(v);
	volume_closed_here(v);
}

static int on_write(void *owner, u64 id, u8 op, u64 off, u32 len, struct payload *data)
{
	struct volume *v = owner;
	u64 now;

	if (!volume_up(v))
		return -ESHUTDOWN;
	now = volume_enter(v);
	return repl_mirror_write(v->mirror, id, op, off, len, payload_handle(data), &v->sink, now);
}

static int on_read(void *owner, u64 id, u64 off, u32 len)
{
	struct volume *v = owner;
	u64 now;

	if (!volume_up(v))
		return -ESHUTDOWN;
	now = volume_enter(v);
	return repl_mirror_read(v->mirror, id, off, len, &v->sink, now);
}

static int on_flush(void *owner, u64 id)
{
	struct volume *v = owner;
	u64 now;

	if (!volume_up(v))
		return -ESHUTDOWN;
	now = volume_enter(v);
	return repl_mirror_flush(v->mirror, id, &v->sink, now);
}

static const struct nbd_ops ops = {
	.open = on_open,
	.close = on_close,
	.write = on_write,
	.read = on_read,
	.flush = on_flush,
};

/* ---- from the volume ---- */

int open_listen(struct volume *v)
{
	struct nbd_config c = {
		.loop = v->env->loop,
		.turn = &v->env->turn,
		.account = &v->data,
		.socket_path = v->r.volume[0].socket_path,
		.name = v->r.name,
		.size_bytes = v->r.volume[0].size_bytes,
		.ops = &ops,
		.owner = v,
	};
	struct err err;
	int rv;

	if (v->nbd || !v->r.volume[0].socket_path)
		return 0;
	rv = nbd_start(&c, &v->nbd, &err);
	if (rv < 0)
		snprintf(v->error, sizeof(v->error), "%.250s", err.text);
	return rv;
}

static void on_nbd_closed(void *arg)
{
	struct volume *v = arg;

	v->nbd = NULL;
	v->nbd_closing = false;
	volume_settle_soon(v);
}

void open_end(struct volume *v)
{
	/* all others may serve at once when this node says that it has stopped */
	if (v->opened_mirror && v->mirror && v->mirror->writer.n_requests == 0)
		close_mirror(v);
	uv_timer_stop(&v->deadline);
	v->opening = v->opened = v->cut = v->opened_mirror = false;
	if (!v->nbd || v->nbd_closing)
		return;
	v->nbd_closing = true;
	nbd_close(v->nbd, on_nbd_closed, v);
}

void open_attached(struct volume *v)
{
	if (v->opening)
		open_mirror(v);
}

void open_refuse(struct volume *v, const char *why)
{
	char text[512];

	if (!v->opening)
		return;
	v->opening = false;
	close_mirror(v);
	snprintf(text, sizeof(text), "volume %s cannot be opened on node %s: %s", v->r.name,
		 v->env->node, why);
	log_warn("plane", "volume=%s not opened: %s", v->r.name, why);
	volume_report(v);
	nbd_refused(v->nbd, text);
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

void open_settle(struct volume *v)
{
	struct repl_mirror_status s;

	if (!v->opening && (!v->opened || v->cut))
		return;
	repl_mirror_status(v->mirror, &s);
	if (v->opening && s.serving) {
		v->opening = false;
		v->opened = true;
		uv_timer_stop(&v->deadline);
		log_info("plane", "volume=%s epoch=%u opened", v->r.name, s.epoch);
		nbd_opened(v->nbd);
	} else if (v->opening && s.stopped) {
		open_refuse(v, s.reason);
	} else if (v->opening && in_use_for_long(v, &s)) {
		refuse_with_reason(v);
	} else if (v->opened && s.stopped) {
		log_error("plane", "volume=%s epoch=%u I/O has ended: %s", v->r.name, s.epoch,
			  s.reason);
		v->cut = true;
		nbd_cut(v->nbd);
	}
}

void open_on_deadline(uv_timer_t *timer)
{
	struct volume *v = timer->data;

	if (volume_up(v))
		refuse_with_reason(v);
	else
		open_refuse(v, v->error[0] ? v->error : "its disk is not attached yet");
}
