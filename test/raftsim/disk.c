// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * disk.c - what the Raft library asks of a disk: term and vote are durable when
 * the call returns, appends, truncations and snapshots when they are carried
 * out, one after the other as in the library's own file I/O. A crash keeps a
 * beginning of what was under way.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "raftsim/world.h"

/* --- bytes --- */

struct blob *blob_new(const void *data, size_t len)
{
	struct blob *b = malloc(sizeof(*b) + len);

	if (!b)
		abort();
	b->refs = 1;
	b->len = len;
	if (len)
		memcpy(b->data, data, len);
	return b;
}

struct blob *blob_hold(struct blob *b)
{
	b->refs++;
	return b;
}

void blob_drop(struct blob *b)
{
	if (b && --b->refs == 0)
		free(b);
}

struct conf_row {
	u64 id;
	int role;
	char address[40];
};

struct blob *ctl_conf_save(const struct raft_configuration *conf)
{
	struct conf_row rows[CONSENSUS_SERVERS_MAX];

	memset(rows, 0, sizeof(rows));
	for (unsigned i = 0; i < conf->n; i++) {
		rows[i].id = conf->servers[i].id;
		rows[i].role = conf->servers[i].role;
		snprintf(rows[i].address, sizeof(rows[i].address), "%s", conf->servers[i].address);
	}
	return blob_new(rows, conf->n * sizeof(rows[0]));
}

void ctl_conf_load(const struct blob *b, struct raft_configuration *conf)
{
	const struct conf_row *rows = (const struct conf_row *)b->data;

	raft_configuration_init(conf);
	for (size_t i = 0; i < b->len / sizeof(rows[0]); i++)
		if (raft_configuration_add(conf, rows[i].id, rows[i].address, rows[i].role))
			abort();
}

static void snapshot_drop(struct disk_snapshot *s)
{
	blob_drop(s->conf);
	blob_drop(s->data);
	memset(s, 0, sizeof(*s));
}

/* --- the durable state --- */

void disk_wipe(struct ctl_disk *d)
{
	for (u32 i = 0; i < d->n; i++)
		blob_drop(d->entries[i].blob);
	free(d->entries);
	if (d->has_snapshot)
		snapshot_drop(&d->snapshot);
	memset(d, 0, sizeof(*d));
	d->first = 1;
}

static void disk_put(struct ctl_disk *d, const struct disk_entry *e)
{
	if (d->n == d->cap) {
		d->cap = d->cap ? d->cap * 2 : 64;
		d->entries = realloc(d->entries, d->cap * sizeof(*d->entries));
		if (!d->entries)
			abort();
	}
	d->entries[d->n] = *e;
	blob_hold(d->entries[d->n++].blob);
}

void disk_bootstrap(struct ctl_disk *d, const struct raft_configuration *conf)
{
	struct raft_buffer buf;
	struct disk_entry e = { .term = 1, .type = RAFT_CHANGE };

	if (raft_configuration_encode(conf, &buf))
		abort();
	e.blob = blob_new(buf.base, buf.len);
	raft_free(buf.base);
	d->term = 1;
	disk_put(d, &e);
	blob_drop(e.blob);
}

static void cut_tail(struct ctl_disk *d, raft_index from)
{
	while (d->n && d->first + d->n - 1 >= from)
		blob_drop(d->entries[--d->n].blob);
}

static void cut_head(struct ctl_disk *d, raft_index first)
{
	u32 k = 0;

	while (k < d->n && d->first + k < first)
		blob_drop(d->entries[k++].blob);
	memmove(d->entries, d->entries + k, (d->n - k) * sizeof(*d->entries));
	d->n -= k;
	d->first += k;
}

bool disk_holds(const struct ctl_disk *d, raft_index index, raft_term *ret_term)
{
	if (index < d->first || index >= d->first + d->n)
		return false;
	*ret_term = d->entries[index - d->first].term;
	return true;
}

/* --- carrying out --- */

static void op_free(struct disk_op *op)
{
	for (u32 k = 0; k < op->n; k++)
		blob_drop(op->entries[k].blob);
	free(op->entries);
	snapshot_drop(&op->snapshot);
	free(op);
}

static void keep_snapshot(struct ctl_disk *d, struct disk_op *op)
{
	struct disk_snapshot old = d->snapshot;
	bool late = d->has_snapshot && (ctl.o.mutant & MUTANT_META_LATE);

	d->snapshot = op->snapshot;
	memset(&op->snapshot, 0, sizeof(op->snapshot));
	if (late) { /* the metadata file of the one before, with the new content */
		blob_drop(d->snapshot.conf);
		d->snapshot.conf = blob_hold(old.conf);
		d->snapshot.conf_index = old.conf_index;
		d->snapshot.index = old.index;
		d->snapshot.term = old.term;
	}
	if (d->has_snapshot)
		snapshot_drop(&old);
	d->has_snapshot = true;
}

/* The new snapshot is there, the old log is not removed yet. Only with a log that ends before the
 * snapshot, which the loader then throws away: a longer one would need more uncommitted entries
 * than a leader of ours has (docs/testing.md). */
static bool install_torn(struct ctl_disk *d, struct disk_op *op)
{
	if (op->kind != OP_INSTALL || d->first + d->n - 1 >= op->snapshot.index || ctl_chance(1, 2))
		return false;
	keep_snapshot(d, op);
	return true;
}

/* What the disk holds after op; the one place where it changes */
static void carry_out(struct ctl_disk *d, struct disk_op *op)
{
	raft_index keep;

	switch (op->kind) {
	case OP_APPEND:
		if (op->index != d->first + d->n) {
			ctl_fail("append at %llu, but the disk ends at %llu",
				 (unsigned long long)op->index,
				 (unsigned long long)(d->first + d->n - 1));
			return;
		}
		for (u32 k = 0; k < op->n; k++)
			disk_put(d, &op->entries[k]);
		break;
	case OP_TRUNCATE:
		ctl.stats.truncates++;
		cut_tail(d, op->index);
		break;
	case OP_INSTALL:
		ctl.stats.installs++;
		cut_tail(d, 1);
		d->first = op->snapshot.index + 1;
		keep_snapshot(d, op);
		break;
	case OP_PUT:
		ctl.stats.snapshots++;
		keep = op->snapshot.index;
		keep_snapshot(d, op);
		if (keep > op->trailing)
			cut_head(d, keep - op->trailing + 1);
		break;
	}
}

static struct disk_op *op_take(struct inst *i)
{
	struct disk_op *op = i->ops;

	if (!op)
		return NULL;
	i->ops = op->next;
	if (!i->ops)
		i->ops_end = &i->ops;
	return op;
}

static void op_answer(struct disk_op *op, int status)
{
	if (op->kind == OP_APPEND && !op->answered)
		op->append->cb(op->append, status);
	else if (op->kind == OP_TRUNCATE)
		raft_free(op->truncate);
	else if (op->put)
		op->put_cb(op->put, status);
	op_free(op);
}

static int draw_error(const struct disk_op *op)
{
	if (ctl.quiet || op->kind == OP_TRUNCATE)
		return 0;
	if (op->kind == OP_APPEND)
		return !ctl_chance(ctl.o.append_error, 100000) ? 0
		       : ctl_chance(1, 2)                      ? RAFT_IOERR
							       : RAFT_NOSPACE;
	return ctl_chance(ctl.o.put_error, 10000) ? RAFT_IOERR : 0;
}

void disk_step(struct inst *i)
{
	struct disk_op *op = op_take(i);
	struct server *s = i->server;
	int status;

	assert(op);
	status = i->disk_broken && op->kind == OP_APPEND ? RAFT_IOERR : draw_error(op);
	ctl_note("s%u disk %s %llu+%u status %d", s->slot,
		 op->kind == OP_APPEND     ? "append"
		 : op->kind == OP_TRUNCATE ? "truncate"
		 : op->kind == OP_INSTALL  ? "install"
					   : "snapshot",
		 (unsigned long long)(op->kind < OP_INSTALL ? op->index : op->snapshot.index),
		 op->n, status);
	if (status == 0) {
		carry_out(&s->disk, op);
	} else {
		ctl.stats.disk_errors++;
		if (op->kind == OP_APPEND)
			i->disk_broken = true;
	}
	op_answer(op, status);
}

void disk_early(struct inst *i)
{
	for (struct disk_op *op = i->ops; op; op = op->next) {
		if (op->kind != OP_APPEND || op->answered)
			continue;
		op->answered = true;
		op->append->cb(op->append, 0);
		return;
	}
}

void disk_power_lost(struct inst *i)
{
	struct ctl_disk *d = &i->server->disk;

	for (struct disk_op *op = i->ops; op; op = op->next) {
		if (ctl_chance(1, 2) || i->disk_broken ||
		    (op->kind == OP_APPEND && op->index != d->first + d->n))
			break;
		ctl_note("s%u crash keeps an operation of kind %d", i->server->slot, op->kind);
		if (install_torn(d, op))
			break;
		carry_out(d, op);
	}
	if (ctl.o.mutant & MUTANT_LOSE_VOTE)
		d->vote = 0;
	if ((ctl.o.mutant & MUTANT_LOSE_TERM) && d->n && d->term > d->entries[d->n - 1].term) {
		d->term = d->entries[d->n - 1].term;
		d->vote = 0;
	}
}

void disk_cancel(struct inst *i)
{
	struct disk_op *op;

	while ((op = op_take(i)))
		op_answer(op, RAFT_CANCELED);
}

/* --- what the library calls --- */

u64 disk_time(void)
{
	return ctl_chance(ctl.quiet ? 0 : ctl.o.slow_rate, 1000) ? ctl_around(ctl.o.disk_slow)
								 : ctl_around(ctl.o.disk_fast);
}

static struct disk_op *op_new(enum op_kind kind)
{
	struct disk_op *op = calloc(1, sizeof(*op));

	if (!op)
		abort();
	op->kind = kind;
	return op;
}

static void op_submit(struct inst *i, struct disk_op *op)
{
	struct ctl_event e = { .kind = EV_DISK, .server = i->server->slot, .life = i->life };
	u64 start = i->disk_free_at > ctl.now ? i->disk_free_at : ctl.now;

	*i->ops_end = op;
	i->ops_end = &op->next;
	if (i->dying)
		return; /* nobody hears of it any more */
	i->disk_free_at = start + disk_time();
	ctl_schedule(i->disk_free_at - ctl.now, &e);
	if (op->kind == OP_APPEND && (ctl.o.mutant & MUTANT_EARLY_ACK)) {
		e.kind = EV_EARLY;
		ctl_schedule(1, &e);
	}
}

/* The machine may stop in the middle of a callback: what comes after is not seen by anybody. */
static void maybe_die(struct inst *i)
{
	if (ctl.quiet || i->closing || i->dying || !ctl_chance(ctl.o.torn_rate, 100000))
		return;
	ctl.stats.torn++;
	i->dying = true;
	ctl_note("s%u stops in the middle", i->server->slot);
}

static int io_append(struct raft_io *io, struct raft_io_append *req,
		     const struct raft_entry entries[], unsigned n, raft_io_append_cb cb)
{
	struct inst *i = inst_of(io);
	struct disk_op *op;

	if (i->closing)
		return RAFT_CANCELED;
	if (i->disk_broken && !i->dying)
		return RAFT_IOERR;
	maybe_die(i);
	op = op_new(OP_APPEND);
	op->entries = calloc(n, sizeof(*op->entries));
	op->n = n;
	op->index = i->next_index;
	op->append = req;
	req->cb = cb;
	for (unsigned k = 0; k < n; k++) {
		op->entries[k].term = entries[k].term;
		op->entries[k].type = entries[k].type;
		op->entries[k].blob = blob_new(entries[k].buf.base, entries[k].buf.len);
	}
	i->next_index += n;
	op_submit(i, op);
	return 0;
}

static int io_truncate(struct raft_io *io, struct raft_io_truncate *req, raft_index index)
{
	struct inst *i = inst_of(io);
	struct disk_op *op = op_new(OP_TRUNCATE);

	assert(index > 0 && index < i->next_index);
	maybe_die(i);
	op->index = index;
	op->truncate = req;
	i->next_index = index;
	op_submit(i, op);
	return 0;
}

static int io_snapshot_put(struct raft_io *io, unsigned trailing, struct raft_io_snapshot_put *req,
			   const struct raft_snapshot *snap, raft_io_snapshot_put_cb cb)
{
	struct inst *i = inst_of(io);
	struct disk_op *op;
	u64 index;

	if (i->closing)
		return RAFT_CANCELED;
	assert(snap->n_bufs == 1);
	op = op_new(trailing ? OP_PUT : OP_INSTALL);
	maybe_die(i);
	op->put = req;
	op->put_cb = cb;
	op->trailing = trailing;
	op->snapshot.index = snap->index;
	op->snapshot.term = snap->term;
	op->snapshot.conf_index = snap->configuration_index;
	op->snapshot.conf = ctl_conf_save(&snap->configuration);
	op->snapshot.data = blob_new(snap->bufs[0].base, snap->bufs[0].len);
	if (store_dump_index(snap->bufs[0].base, snap->bufs[0].len, &index) == 0)
		checker_dump(index, snap->bufs[0].base, snap->bufs[0].len, "a snapshot");
	if (op->kind == OP_INSTALL)
		i->next_index = snap->index + 1;
	else if (ctl.o.mutant & MUTANT_PUT_EARLY)
		cut_head(&i->server->disk, snap->index > trailing ? snap->index - trailing + 1 : 1);
	op_submit(i, op);
	return 0;
}

static int keep_now(struct inst *i, const char *what, u64 value)
{
	if (i->dying)
		return 0;
	if (!ctl.quiet && ctl_chance(ctl.o.sync_error, 100000)) {
		ctl.stats.disk_errors++;
		ctl_note("s%u cannot write %s %llu", i->server->slot, what,
			 (unsigned long long)value);
		return RAFT_IOERR;
	}
	maybe_die(i);
	/* dying: it got to the disk or not */
	if (i->dying && ctl_chance(1, 2))
		return 0;
	if (!ctl.quiet && ctl_chance(ctl.o.stall_rate, 1000))
		server_busy(i->server, ctl_around(ctl.o.disk_slow));
	ctl_note("s%u %s %llu", i->server->slot, what, (unsigned long long)value);
	return 1;
}

static int io_set_term(struct raft_io *io, raft_term term)
{
	struct inst *i = inst_of(io);
	int rv = keep_now(i, "term", term);

	if (rv != 1)
		return rv;
	if (term < i->server->disk.term && !ctl.o.mutant)
		ctl_fail("s%u: the term goes back", i->server->slot);
	i->server->disk.term = term;
	i->server->disk.vote = 0;
	return 0;
}

static int io_set_vote(struct raft_io *io, raft_id id)
{
	struct inst *i = inst_of(io);
	int rv = keep_now(i, "vote", id);

	if (rv != 1)
		return rv;
	i->server->disk.vote = id;
	return 0;
}

struct raft_snapshot *disk_snapshot(const struct ctl_disk *d)
{
	const struct disk_snapshot *from = &d->snapshot;
	struct raft_snapshot *s;

	if (!d->has_snapshot)
		return NULL;
	s = raft_calloc(1, sizeof(*s));
	s->index = from->index;
	s->term = from->term;
	s->configuration_index = from->conf_index;
	ctl_conf_load(from->conf, &s->configuration);
	s->n_bufs = 1;
	s->bufs = raft_malloc(sizeof(*s->bufs));
	s->bufs[0].len = from->data->len;
	s->bufs[0].base = raft_malloc(from->data->len);
	memcpy(s->bufs[0].base, from->data->data, from->data->len);
	return s;
}

static int io_snapshot_get(struct raft_io *io, struct raft_io_snapshot_get *req,
			   raft_io_snapshot_get_cb cb)
{
	req->cb = cb;
	pending_add(inst_of(io), EV_GET, req, 0, disk_time());
	return 0;
}

/* The log as the library's own loader would find it: a log that ends before the snapshot is of no
 * use and is left out. */
static int io_load(struct raft_io *io, raft_term *term, raft_id *vote, struct raft_snapshot **snap,
		   raft_index *start, struct raft_entry **ret, size_t *n)
{
	struct inst *i = inst_of(io);
	struct ctl_disk *d = &i->server->disk;
	size_t bytes = 0;
	char *batch;

	*term = d->term;
	*vote = d->vote;
	*snap = disk_snapshot(d);
	if (d->has_snapshot && d->first + d->n - 1 < d->snapshot.index) {
		cut_tail(d, 1);
		d->first = d->snapshot.index + 1;
	}
	*start = d->first;
	*n = d->n;
	*ret = NULL;
	i->next_index = d->first + d->n;
	if (d->n == 0)
		return 0;
	for (u32 k = 0; k < d->n; k++)
		bytes += d->entries[k].blob->len;
	batch = raft_malloc(bytes ? bytes : 8);
	*ret = raft_calloc(d->n, sizeof(**ret));
	bytes = 0;
	for (u32 k = 0; k < d->n; k++) {
		struct raft_entry *e = &(*ret)[k];

		e->term = d->entries[k].term;
		e->type = d->entries[k].type;
		e->batch = batch;
		e->buf.base = batch + bytes;
		e->buf.len = d->entries[k].blob->len;
		memcpy(e->buf.base, d->entries[k].blob->data, e->buf.len);
		bytes += e->buf.len;
	}
	return 0;
}

static int io_bootstrap(struct raft_io *io, const struct raft_configuration *conf)
{
	struct ctl_disk *d = &inst_of(io)->server->disk;

	if (d->term != 0)
		return RAFT_CANTBOOTSTRAP;
	disk_bootstrap(d, conf);
	return 0;
}

static int io_recover(struct raft_io *io, const struct raft_configuration *conf)
{
	return RAFT_IOERR;
}

void disk_ops(struct raft_io *io)
{
	io->load = io_load;
	io->bootstrap = io_bootstrap;
	io->recover = io_recover;
	io->set_term = io_set_term;
	io->set_vote = io_set_vote;
	io->append = io_append;
	io->truncate = io_truncate;
	io->snapshot_put = io_snapshot_put;
	io->snapshot_get = io_snapshot_get;
}
