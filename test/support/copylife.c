// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * copylife.c - the played cluster of copylife.h. It knows criterion.
 */
#include "support/copylife.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state;
const char *const life_nodes[LIFE_NODES] = { "n1", "n2", "n3", "n4", "n5", "n6" };
const char *const life_names[LIFE_RESOURCES] = { "ra", "rb", "rc", "rd" };

int life_draw(int n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (int)(state % (uint64_t)n);
}

void life_tell(struct life *l, const char *fmt, ...)
{
	va_list ap;

	if (!l->say)
		return;
	fprintf(stderr, "%6lld ", (long long)(l->w.env.mono_ms / 1000));
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

int life_node(const char *name)
{
	return name[0] == 'n' ? name[1] - '1' : -1;
}

/* a look at it; false: there is no such resource */
bool life_load(struct life *l, int r, struct bundle *b)
{
	struct txn *t = world_txn();
	int rv = bundle_load(&l->w.env, t, life_names[r], b, NULL);

	txn_free(t);
	b->t = NULL;
	return rv == 0;
}

/* ---- the data planes ---- */

static struct place *place_of(struct life *l, int r, const struct replica *rep)
{
	struct place *p = &l->place[r][life_node(rep->node)];

	if (strcmp(p->uuid, rep->uuid) != 0) {
		*p = (struct place){ 0 };
		snprintf(p->uuid, sizeof(p->uuid), "%s", rep->uuid);
	}
	return p;
}

static bool is_up(const struct life *l, const struct replica *rep)
{
	int i = life_node(rep->node);

	return !l->down[i] && !l->lost[i];
}

/* it serves: attached, and its disk is well */
static bool serves(struct life *l, int r, const struct replica *rep)
{
	return is_up(l, rep) && !rep->diskless && !rep->inactive && !rep->quarantined &&
	       place_of(l, r, rep)->disk;
}

static void put_record(struct life *l, int r, const struct bundle *b, uint32_t in_sync, int writer)
{
	struct record next = b->record, present;

	if (in_sync == b->record.in_sync && writer == b->record.writer)
		return;
	next.epoch++;
	next.in_sync = in_sync;
	next.writer = writer;
	LIFE_TRY(l, change_record, life_names[r], b->resource.uuid, &next, &present);
	l->causes++;
}

/* whose disk is attached: at once where it is closed; where it was open before it waits */
static void play_attach(struct life *l, int r, struct bundle *b)
{
	for (int i = 0; i < b->n; i++) {
		const struct replica *rep = &b->replica[i];
		struct place *p = place_of(l, r, rep);

		if (!is_up(l, rep)) {
			p->open = p->disk = false;
			continue;
		}
		if (rep->diskless || (rep->inactive && !p->open))
			p->disk = false;
		if (!rep->diskless && !(rep->made & 1))
			LIFE_TRY(l, change_replica_created, life_names[r], rep->node, rep->uuid, 0,
				 b->resource.volume[0].uuid);
		else if (!rep->diskless && !rep->inactive && !p->open && !p->disk) {
			p->disk = true;
			p->learned = 0;
		}
	}
}

/* who does not serve leaves the set, while somebody else serves; who has learnt everything joins */
static void play_set(struct life *l, int r, struct bundle *b)
{
	uint32_t set = b->record.in_sync;
	int writer = b->record.writer;
	int serving = 0;
	struct replica *w = writer == WRITER_NONE ? NULL : bundle_replica_at(b, writer);

	for (int i = 0; i < b->n; i++)
		serving += bundle_in_set(b, &b->replica[i]) && serves(l, r, &b->replica[i]);
	if (w && !place_of(l, r, w)->open && life_draw(2))
		writer = WRITER_NONE;
	for (int i = 0; i < b->n; i++) {
		struct replica *rep = &b->replica[i];
		struct place *p = place_of(l, r, rep);
		uint32_t bit = 1u << rep->slot;

		if (set & bit && (!serves(l, r, rep) || rep->deleting) && life_draw(2)) {
			if (serving - serves(l, r, rep) > 0) {
				set &= ~bit;
				serving -= serves(l, r, rep);
				p->learned = 0;
			}
		} else if (!(set & bit) && serves(l, r, rep) && !rep->deleting && serving > 0) {
			p->learned += life_draw(30);
			if (p->learned >= 100)
				set |= bit;
		}
	}
	put_record(l, r, b, set, writer);
}

static void play_refetch(struct life *l, int r, struct bundle *b)
{
	for (int i = 0; i < b->n; i++) {
		const struct replica *rep = &b->replica[i];

		if (rep->refetch.wanted && is_up(l, rep) && !bundle_in_set(b, rep) &&
		    life_draw(2)) {
			place_of(l, r, rep)->disk = false;
			LIFE_TRY(l, change_replica_refetched, life_names[r], rep->node, rep->uuid);
		}
	}
}

struct leftovers {
	struct life *l;
	json *done; /* documents */
};

static int note_leftover(const char *key, json *doc, uint64_t revision, void *arg)
{
	struct leftovers *o = arg;
	int i = life_node(jget_str(doc, "node", ""));

	o->l->used_kib[i] += GIB;
	if (!o->l->down[i] && !o->l->lost[i] && life_draw(2))
		json_object_array_add(o->done, json_object_get(doc));
	return 0;
}

static void play_leftovers(struct life *l)
{
	struct leftovers o = { l, json_object_new_array() };

	store_list(l->w.store, "leftover/", note_leftover, &o);
	for (size_t i = 0; i < json_object_array_length(o.done); i++) {
		json *doc = json_object_array_get_idx(o.done, i);

		LIFE_TRY(l, change_leftover_done, jget_str(doc, "node", ""),
			 jget_str(doc, "uuid", ""), (int)jget_i64_or(doc, "number", 0),
			 jget_str(doc, "volume", ""));
	}
	json_object_put(o.done);
}

static json *replica_report(struct life *l, int r, struct bundle *b, const struct replica *rep)
{
	struct place *p = place_of(l, r, rep);
	json *o = json_object_new_object();

	jset_str(o, "state", rep->diskless || rep->made & 1 ? "up" : "creating");
	jset_bool(o, "open", p->open);
	jset_str(o, "mode",
		 rep->diskless || !p->disk ? "none"
		 : bundle_in_set(b, rep)   ? "member"
					   : "learner");
	jset_i64(o, "allocated_kib", rep->diskless ? 0 : resource_size_kib(&b->resource) / 2);
	return o;
}

/* what all nodes that are up say; in a storm some of it comes late */
static void play_reports(struct life *l, bool calm)
{
	json *report[LIFE_NODES], *replicas[LIFE_NODES];
	struct bundle b;

	for (int i = 0; i < LIFE_NODES; i++) {
		report[i] = json_object_new_object();
		replicas[i] = json_object_new_object();
		l->used_kib[i] += l->extra_kib[i];
	}
	for (int r = 0; r < LIFE_RESOURCES; r++) {
		if (!life_load(l, r, &b))
			continue;
		for (int k = 0; k < b.n; k++) {
			const struct replica *rep = &b.replica[k];
			int i = life_node(rep->node);

			jset(replicas[i], life_names[r], replica_report(l, r, &b, rep));
			if (!rep->diskless)
				l->used_kib[i] += resource_size_kib(&b.resource) / (i < 3 ? 1 : 2);
		}
		bundle_release(&b);
	}
	for (int i = 0; i < LIFE_NODES; i++) {
		json *pools = json_object_new_object(), *pool = json_object_new_object();
		int64_t free_kib = l->total_kib[i] - l->used_kib[i];

		jset_i64(pool, "free_kib", free_kib > 0 ? free_kib : 0);
		jset_i64(pool, "total_kib", l->total_kib[i]);
		jset(pools, "ssd", pool);
		jset_str(report[i], "node", life_nodes[i]);
		jset(report[i], "pools", pools);
		jset(report[i], "replicas", replicas[i]);
		if (!l->down[i] && !l->lost[i] && (calm || life_draw(5)))
			observed_report(l->w.observed, report[i], l->w.env.mono_ms, NULL);
		json_object_put(report[i]);
	}
}

void life_play(struct life *l, bool calm)
{
	struct bundle b;

	memset(l->used_kib, 0, sizeof(l->used_kib));
	l->w.env.now_ms += 1000;
	l->w.env.mono_ms += 1000;
	for (int r = 0; r < LIFE_RESOURCES; r++) {
		if (!life_load(l, r, &b))
			continue;
		play_attach(l, r, &b);
		bundle_release(&b);
		if (!life_load(l, r, &b))
			continue;
		if (b.record_doc)
			play_set(l, r, &b);
		play_refetch(l, r, &b);
		bundle_release(&b);
	}
	play_leftovers(l);
	play_reports(l, calm);
}

/* ---- what happens ---- */

static void set_props(struct life *l, int r, const char *key, const char *value)
{
	char text[200];
	json *body;

	snprintf(text, sizeof(text), "{\"override_props\":{\"%s\":\"%s\"}}", key, value);
	body = world_json(text);
	if (r < 0)
		LIFE_TRY(l, change_controller_modify, body);
	else
		LIFE_TRY(l, change_resource_modify, life_names[r], body);
	json_object_put(body);
}

static void spawn(struct life *l, int r)
{
	struct change_place place = { .copies = 1 + life_draw(3) };
	const int64_t size = (2 + life_draw(10)) * GIB;

	LIFE_TRY(l, change_spawn, NULL, life_names[r], &size, 1, false, NULL, &place);
	set_props(l, r, "sds/rebuild-after", LIFE_AFTER);
	if (life_draw(2))
		set_props(l, r, "sds/diskful-after", LIFE_AFTER);
	if (life_draw(4) == 0)
		set_props(l, r, "DrbdOptions/auto-diskful-allow-cleanup", "no");
}

/* somebody opens it, by a client where there is no copy: as the data planes do, where a good copy
 * serves and nobody else has it */
static void open_it(struct life *l, int r, int node)
{
	struct replica *rep;
	bool served = false, free = true;
	struct bundle b;

	if (life_draw(2))
		LIFE_TRY(l, change_replica_create, life_names[r], life_nodes[node], NULL, true);
	if (!life_load(l, r, &b))
		return;
	rep = bundle_replica_on(&b, life_nodes[node]);
	for (int i = 0; i < b.n; i++) {
		served |= bundle_in_set(&b, &b.replica[i]) && serves(l, r, &b.replica[i]);
		free &= !place_of(l, r, &b.replica[i])->open;
	}
	if (rep && is_up(l, rep) && served && free && !rep->inactive && !rep->deleting) {
		place_of(l, r, rep)->open = true;
		put_record(l, r, &b, b.record.in_sync, rep->slot);
		life_tell(l, "open %s on %s", life_names[r], life_nodes[node]);
	}
	bundle_release(&b);
}

static void fault(struct life *l, int i)
{
	static const struct refetch whole = { .wanted = true, .whole = true };
	struct change_refetch of = { life_nodes[i], &whole };
	int down = 0, r = life_draw(LIFE_RESOURCES);
	bool is;

	for (int k = 0; k < LIFE_NODES; k++)
		down += l->down[k];
	switch (life_draw(9)) {
	case 0:
	case 1:
		l->down[i] |= down < 3;
		break;
	case 2:
	case 3:
	case 4:
		for (int k = 0; k < LIFE_NODES; k++)
			l->down[k] &= life_draw(2);
		break;
	case 5:
		LIFE_TRY(l, change_replica_failed, life_names[r], life_nodes[i],
			 l->place[r][i].uuid, "I/O", &is);
		break;
	case 6:
		LIFE_TRY(l, change_replica_repair, life_names[r], life_nodes[i], &is);
		break;
	case 7:
		LIFE_TRY(l, change_replica_refetch, life_names[r], &of, 1);
		break;
	case 8:
		if (l->down[i] && life_draw(5) == 0 &&
		    LIFE_TRY(l, change_node_lose, life_nodes[i]) == 0)
			l->lost[i] = true;
		break;
	}
}

static void wish(struct life *l, int i)
{
	int r = life_draw(LIFE_RESOURCES), to = life_draw(LIFE_NODES);
	bool is;

	switch (life_draw(9)) {
	case 0:
		LIFE_TRY(l, change_replica_create, life_names[r], life_nodes[i], NULL,
			 life_draw(2));
		break;
	case 1:
		LIFE_TRY(l, change_replica_delete, life_names[r], life_nodes[i]);
		break;
	case 2:
		LIFE_TRY(l, change_replica_diskful, life_names[r], life_nodes[i], NULL, &is);
		break;
	case 3:
		LIFE_TRY(l, change_replica_diskless, life_names[r], life_nodes[i], &is);
		break;
	case 4:
		LIFE_TRY(l, change_replica_migrate, life_names[r], life_nodes[i], life_nodes[to],
			 NULL, &is);
		break;
	case 5:
		LIFE_TRY(l, change_node_evacuate, life_nodes[i], true);
		break;
	case 6:
	case 7:
		LIFE_TRY(l, change_node_evacuate, life_nodes[i], false);
		break;
	case 8:
		if (life_draw(4) == 0) {
			LIFE_TRY(l, change_resource_delete, life_names[r]);
			spawn(l, r);
		}
		break;
	}
}

void life_happen(struct life *l)
{
	int i = life_draw(LIFE_NODES), r = life_draw(LIFE_RESOURCES);

	l->causes++;
	l->faults++;
	switch (life_draw(6)) {
	case 0:
		fault(l, i);
		break;
	case 1:
		wish(l, i);
		break;
	case 2:
	case 3:
		open_it(l, r, i);
		break;
	case 4:
		for (i = 0; i < LIFE_NODES; i++)
			l->place[r][i].open = false;
		break;
	case 5:
		if (life_draw(3) == 0) { /* another leader, who knows nothing yet */
			observed_clear(l->w.observed);
			observed_begin(l->w.observed, l->w.env.mono_ms);
			l->led_ms = l->w.env.mono_ms;
		} else if (life_draw(3) == 0) {
			set_props(l, -1, "sds/balance", life_draw(4) ? "on" : "off");
		} else {
			l->extra_kib[i] = life_draw(60) * GIB;
		}
		break;
	}
}

void life_begin(struct life *l, uint64_t seed)
{
	*l = (struct life){ .seed = seed, .say = getenv("UPKEEP_WORLD_SAY") != NULL };
	state = seed * 0x9e3779b97f4a7c15ull + 1;
	for (int i = 0; i < 4; i++)
		life_draw(2);
	world_start(&l->w);
	for (int i = 0; i < LIFE_NODES; i++) {
		if (i > 0)
			world_add_node(&l->w, life_nodes[i], i + 1);
		world_add_pool(&l->w, life_nodes[i], "ssd", i < 3 ? POOL_FILE : POOL_FILE_THIN);
		l->total_kib[i] = (60 + life_draw(60)) * GIB;
	}
	set_props(l, -1, "sds/balance", "on");
	play_reports(l, true);
	for (int r = 0; r < LIFE_RESOURCES; r++)
		spawn(l, r);
}

void life_calm(struct life *l)
{
	bool is;

	for (int i = 0; i < LIFE_NODES; i++) {
		l->down[i] = l->lost[i];
		l->extra_kib[i] = 0;
		LIFE_TRY(l, change_node_evacuate, life_nodes[i], false);
		for (int r = 0; r < LIFE_RESOURCES; r++) {
			if (life_draw(3)) /* some stay open */
				l->place[r][i].open = false;
			LIFE_TRY(l, change_replica_repair, life_names[r], life_nodes[i], &is);
		}
	}
	l->causes++;
}
