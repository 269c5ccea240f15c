// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * print.c - a resource in words, for a person who looks at one that is stuck:
 * what debugfs.c shows. Entered, and nothing is waited for; no list is longer
 * than PRINT_MAX lines.
 */
#include <linux/seq_file.h>

#include "link.h"
#include "print.h"

static const char *or_none(const char *text)
{
	return text && text[0] ? text : "none";
}

/* ---- state ---- */

static void print_writer(struct seq_file *s, const struct rvol *r)
{
	const struct repl_writer *w = &r->mirror->writer;

	seq_printf(s, "writer %s epoch=%u members=0x%x lost=0x%x%s%s%s\n",
		   repl_writer_state_name(w->state), w->pe, w->members, w->lost,
		   w->opened ? " opened" : "", w->yielding ? " yielding" : "",
		   w->wanted ? " wanted" : "");
	seq_printf(s, "  written=%llu committed=%llu requests=%u waiting=%u\n", w->seq,
		   w->committed, w->n_requests, w->n_waiting);
	seq_printf(s, "  record epoch=%u writer=%u in_sync=0x%x\n", w->record.epoch,
		   w->record.writer, w->record.in_sync);
	if (r->read_token || r->cas_token)
		seq_printf(s, "  asks sdsd for%s%s\n", r->read_token ? " the record" : "",
			   r->cas_token ? " a new record" : "");
	seq_printf(s, "  reason %s\n", or_none(w->reason));
}

static void print_peer(struct seq_file *s, const struct rvol *r, u8 slot)
{
	const struct repl_writer *w = &r->mirror->writer;
	const struct writer_peer *p = &w->peer[slot];
	bool sent = (w->sent >> slot) & 1; /* START: a session */

	seq_printf(s, "peer %u %s link=%s", slot, repl_writer_peer_name(w, slot),
		   p->up ? "up" : "down");
	if (sent)
		seq_printf(s, " acked=%llu behind=%llu flushed=%llu", p->acked,
			   w->seq - min(p->acked, w->seq), p->flushed);
	if (p->reading)
		seq_printf(s, " reads=%u", p->reading);
	seq_printf(s, "%s%s%s%s\n", sent && !p->started ? " starting" : "",
		   p->known && !p->intact ? " restarted" : "", (w->lags >> slot) & 1 ? " lags" : "",
		   p->synced && !p->ready ? " joining" : "");
}

static void print_copy(struct seq_file *s, const struct rvol *r)
{
	const struct repl_replica *c = &r->mirror->replica;

	seq_printf(s, "copy %s epoch=%u fence=%u members=0x%x session=%s\n",
		   repl_replica_mode_name(c->mode), c->re, c->fence, c->members,
		   c->session ? "yes" : "no");
	seq_printf(s, "  received=%llu applied=%llu acked=%llu committed=%llu\n", c->rseq, c->acked,
		   c->ack_sent, c->committed);
	seq_printf(s, "  disk_writes=%u flush=%s metadata_step=%d pulls=%u answers=%u\n",
		   c->disk_writes, c->flush_busy ? "busy" : "idle", c->step, c->n_pulls,
		   c->n_serves);
	seq_printf(s, "  disk_error %s\n", or_none(r->disk_error));
}

static void print_volume(struct seq_file *s, const struct rvol_vol *v)
{
	seq_printf(s, "volume %u /dev/rvol%u size=%llu copy=%llu opens=%u%s\n", v->number, v->minor,
		   v->size, v->copy_size, v->opens, v->writing ? " writing" : "");
}

static void print_freeze(struct seq_file *s, const struct rvol *r)
{
	static const char *const words[] = { "no", "begun", "frozen" };
	const struct rvol_freeze *f = &r->freeze;

	seq_printf(s, "freeze %s token=%llu held=%u writing=%d", words[f->state], f->token,
		   READ_ONCE(f->n_held), atomic_read(&f->writing));
	if (f->state != FREEZE_NONE)
		seq_printf(s, " ends_in_ms=%lld", ((s64)f->until - (s64)r->now) / (s64)REPL_MS);
	seq_printf(s, " lapsed %s\n", or_none(f->lapsed));
}

void print_state(struct seq_file *s, struct rvol *r)
{
	seq_printf(s, "resource %s uuid=%*phN slot=%u%s%s%s%s%s event=%llu\n", r->name,
		   RVOL_UUID_BYTES, r->uuid, r->self, r->booted ? " booted" : "",
		   r->opened ? " opened" : "", r->healing ? " healing" : "",
		   r->close_wanted ? " closing" : "", r->handover ? " handover" : "", r->event);
	if (r->failed)
		seq_printf(s, "out of service: %s\n", r->why_failed);
	print_freeze(s, r);
	seq_printf(s, "shortcut %s term=%u long_reads=%llu\n",
		   r->shortcut.until ? "open" : "closed", r->shortcut.term, r->shortcut.n_long);
	seq_printf(s, "lulls %llu writes=%llu full=%llu late=%llu\n", r->lull.n_lulls,
		   r->lull.n_writes, r->lull.n_full, READ_ONCE(r->lull.n_late));
	for (u32 i = 0; i < RVOL_VOLUMES_MAX; i++)
		if (r->vol[i])
			print_volume(s, r->vol[i]);
	if (!r->mirror)
		return;
	print_writer(s, r);
	for (u8 slot = 0; slot < REPL_SLOTS_MAX; slot++)
		if (r->mirror->writer.peer[slot].up || ((r->config.copies >> slot) & 1))
			print_peer(s, r, slot);
	if (r->has_copy)
		print_copy(s, r);
}

/* ---- requests ---- */

/* of those that are younger than that one, or of all, the oldest; in the order of their beginning
 * and, within a jiffy, of their places in memory */
static const struct rvol_io *older(const struct rvol_io *a, const struct rvol_io *b)
{
	bool first;

	if (!a || !b)
		return a ? a : b;
	first = a->began == b->began ? a < b : time_before(a->began, b->began);
	return first ? a : b;
}

static const struct rvol_io *next_in(const struct list_head *list, const struct rvol_io *after)
{
	const struct rvol_io *io, *found = NULL;

	list_for_each_entry(io, list, list)
		if (!after || (io != after && older(after, io) == after))
			found = older(found, io);
	return found;
}

static const struct writer_request *request_of(const struct repl_writer *w,
					       const struct rvol_io *io)
{
	for (u32 i = 0; i < w->high; i++)
		if (w->request[i].state != REQ_FREE && w->request[i].id == (u64)(uintptr_t)io)
			return &w->request[i];
	return NULL;
}

/* whom a write waits for: mask of slots */
static u32 missing(const struct repl_writer *w, u64 seq)
{
	u32 mask = 0;

	for (u32 slot = 0; slot < REPL_SLOTS_MAX; slot++)
		if (((w->members >> slot) & 1) && w->peer[slot].acked < seq)
			mask |= 1u << slot;
	return mask;
}

static void print_step(struct seq_file *s, const struct repl_writer *w, const struct rvol_io *io)
{
	static const char *const words[] = {
		[REQ_FREE] = "free",       [REQ_WAITING] = "waiting", [REQ_FLYING] = "flying",
		[REQ_READING] = "reading", [REQ_LEASE] = "lease",     [REQ_FLUSHING] = "flushing",
	};
	const struct writer_request *q = request_of(w, io);

	if (!q) {
		seq_puts(s, " no place yet\n");
		return;
	}
	seq_printf(s, " %s", q->state < ARRAY_SIZE(words) ? words[q->state] : "?");
	if (q->state == REQ_FLYING)
		seq_printf(s, " seq=%llu missing=0x%x", q->seq, missing(w, q->seq));
	if (q->state == REQ_READING)
		seq_printf(s, " of=%u", q->source);
	seq_putc(s, '\n');
}

static void print_request(struct seq_file *s, const struct rvol *r, const struct rvol_io *io)
{
	static const char *const ops[] = { "write", "zero", "trim" };
	bool flushes = (io->todo & IO_PREFLUSH) || !(io->todo & IO_RANGE);

	seq_printf(s, "%u ms %s volume=%u off=%llu len=%llu", jiffies_to_msecs(jiffies - io->began),
		   flushes    ? "flush"
		   : io->read ? "read"
			      : ops[io->op % ARRAY_SIZE(ops)],
		   io->vol->number, io->at, io->left);
	print_step(s, &r->mirror->writer, io);
}

void print_requests(struct seq_file *s, struct rvol *r)
{
	const struct rvol_io *io = NULL;

	if (!r->mirror)
		return;
	for (u32 n = 0; n < PRINT_MAX; n++) {
		io = older(next_in(&r->flying, io), next_in(&r->waiting, io));
		if (!io)
			break;
		print_request(s, r, io);
	}
	seq_printf(s, "requests=%u held=%u\n", r->mirror->writer.n_requests,
		   READ_ONCE(r->freeze.n_held));
	lower_print(s, r);
}

/* ---- links ---- */

static void print_link(struct seq_file *s, struct rvol_link *l)
{
	const struct sock *sk = l->now->sock->sk;
	const char *dead = READ_ONCE(l->dead);

	seq_printf(s,
		   "link %u slot=%u %s tcp_state=%u queued=%d in_socket=%d unread=%d "
		   "renewed=%u%s%s%s%s%s\n",
		   l->number, l->slot, l->now->tls ? "tls" : "plain", sk->sk_state,
		   atomic_read(&l->queued), READ_ONCE(sk->sk_wmem_queued),
		   atomic_read(&sk->sk_rmem_alloc), l->renewed,
		   l->renewal.rules.number ? " being renewed" : "", l->lags ? " lags" : "",
		   l->held ? " not read for now" : "", dead ? " ending: " : "", dead ? dead : "");
}

void print_links(struct seq_file *s, struct rvol *r)
{
	struct rvol_link *l;
	u32 n = 0;

	list_for_each_entry(l, &r->links, list)
		if (n++ < PRINT_MAX)
			print_link(s, l);
	seq_printf(s, "links=%u wanted=0x%x received_bytes=%d", n, r->wants,
		   atomic_read(&r->rx_bytes));
	if (r->pull_slot != REPL_NO_SLOT)
		seq_printf(s, " pull_from=%u", r->pull_slot);
	seq_putc(s, '\n');
}

/* ---- the hot log ---- */

void print_hot(struct seq_file *s, struct rvol *r)
{
	const struct repl_replica *p;
	const struct hotlog *h;
	u32 n[HOTLOG_LEAVING + 1] = { 0 }, pages[MAP_WRITING + 1] = { 0 }, brief = 0;

	if (!r->mirror || !r->has_copy)
		return;
	p = &r->mirror->replica;
	h = &p->hot;
	for (u32 i = 0; i < REPL_HOT_MAX; i++)
		if (h->state[i] <= HOTLOG_LEAVING)
			n[h->state[i]]++;
	for (u32 i = 0; i < REPL_MAP_CACHE; i++)
		if (p->map[i].state <= MAP_WRITING)
			pages[p->map[i].state]++;
	for (u32 i = 0; i < p->n_briefs; i++)
		brief += p->brief[i].page != 0;
	seq_printf(s, "hot=%u adding=%u leaving=%u free=%u of %u extents%s\n", n[HOTLOG_HOT],
		   n[HOTLOG_ADDING], n[HOTLOG_LEAVING], n[HOTLOG_FREE], REPL_HOT_MAX,
		   p->hot_short ? ", room is short" : "");
	seq_printf(s, "generation=%llu copy=%d\n", h->generation, h->copy);
	seq_printf(s,
		   "map pages valid=%u reading=%u writing=%u free=%u damaged=%u brief=%u of %u\n",
		   pages[MAP_VALID], pages[MAP_READING], pages[MAP_WRITING], pages[MAP_FREE],
		   p->bad_pages, brief, p->n_briefs);
}
