// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * observe.c - what is, as opposed to what is wanted: asks the plane and the
 * pools, builds the report of model/observed.h and sends it to the leader, soon
 * after a change and every second as a sign of life. One report is under way at
 * a time; what changes meanwhile goes with the next. A report holds what has
 * changed since the last one that the leader took; when that is not known (a
 * new leader, a lost answer) everything is reported again.
 */
#include "agent/object.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "model/name.h"
#include "model/watermark.h"

#define MS 1000000ull
#define ZFS_CONTROL "/dev/zfs" /* there when its module is loaded */

static void on_report_timer(uv_timer_t *timer)
{
	observe_report(timer->data);
}

void observe_changed(struct agent *a)
{
	if (a->closing || a->report_due)
		return;
	a->report_due = true;
	if (!a->report_busy)
		uv_timer_start(&a->report, on_report_timer, AGENT_COALESCE_MS, 0);
}

void observe_object(struct agent_object *o)
{
	o->report_due = true;
	observe_changed(o->agent);
}

void observe_gone(struct agent *a, const char *name)
{
	observe_changed(a);
	if (!a->report_based && !a->report_busy)
		return; /* the next report holds everything there is */
	if (a->n_gone == a->gone_cap) {
		a->gone_cap = a->gone_cap ? 2 * a->gone_cap : 64;
		a->gone = realloc(a->gone, a->gone_cap * sizeof(*a->gone));
		if (!a->gone)
			abort();
	}
	snprintf(a->gone[a->n_gone++].text, sizeof(a->gone->text), "%s", name);
}

/* --- the plane ---------------------------------------------------------- */

/* The object may be gone when the plane answers: it is found again by its uuid. */
struct status_call {
	struct agent *agent;
	char key[NAME_MAX_LEN + 1], uuid[37];
	bool quiet; /* for its counters only */
};

static void copy_word(char *out, size_t len, const char *word)
{
	snprintf(out, len, "%s", word ? word : "");
}

/* of a disk whose pool is full: which pool, as the plane knows devices only */
static void note_plane_error(struct agent_object *o, const struct plane_status *s)
{
	char text[sizeof(s->error) + NAME_MAX_LEN + 32];

	if (s->no_space)
		snprintf(text, sizeof(text), "no space left in pool %s (%s)", o->pool, s->error);
	else
		snprintf(text, sizeof(text), "%s", s->error);
	agent_text_set(&o->plane_error, text);
}

/* One that failed too often is told the leader: run.c */
static void look_at_health(struct agent_object *o, const struct plane_status *s)
{
	bool more = s->failures > o->health.told;
	bool often = health_look(&o->health, s->failures, clock_boot_ns());
	char complaint[COMPLAINT_MAX];

	for (int i = 0; i < o->n_volumes && more; i++)
		volumes_doubt(o->volume[i]);
	o->replica.open = s->open;
	if (s->no_space)
		health_forget(&o->health); /* no bad disk: it comes back when the pool is larger */
	if (!often || s->no_space || o->replica.quarantined)
		return;
	o->replica.failing = true;
	health_say(&o->health, s->error, complaint, sizeof(complaint));
	log_error("agent", "resource=%s replica=%s %s", o->name, o->uuid, complaint);
}

/* A copy that catches up begins from nothing each time. */
static void note_pace(struct agent_object *o)
{
	if (strcmp(o->seen.mode, "learner") == 0)
		pace_note(&o->pace, (int64_t)(clock_boot_ns() / MS), o->seen.synced_regions);
	else
		memset(&o->pace, 0, sizeof(o->pace));
}

static void take_status(struct agent_object *o, const struct plane_status *s)
{
	struct agent_seen *seen = &o->seen;

	memset(seen, 0, sizeof(*seen));
	if (!s) {
		agent_text_set(&o->plane_error, NULL);
		o->replica.open = false;
		return;
	}
	seen->up = s->up;
	seen->waits = s->waits;
	seen->open = s->open;
	seen->serving = s->serving;
	seen->no_space = s->no_space;
	copy_word(seen->role, sizeof(seen->role), s->role);
	copy_word(seen->mode, sizeof(seen->mode), s->mode);
	seen->epoch = s->epoch;
	seen->regions = s->regions;
	seen->synced_regions = s->synced_regions;
	seen->io = s->io;
	note_pace(o);
	for (int i = 0; i < PLANE_SLOTS; i++) {
		if (!s->peer[i].mode || !s->peer[i].mode[0] || strcmp(s->peer[i].mode, "none") == 0)
			continue;
		seen->peers |= 1u << i;
		seen->connected |= s->peer[i].connected ? 1u << i : 0;
		copy_word(seen->peer_mode[i], sizeof(seen->peer_mode[i]), s->peer[i].mode);
	}
	note_plane_error(o, s);
	look_at_health(o, s);
}

static void on_status(const struct plane_status *s, void *arg)
{
	struct status_call *call = arg;
	struct agent *a = call->agent;
	struct agent_object *o = NULL;

	if (!a->closing)
		o = agent_object_find(a, AGENT_REPLICA, call->key, call->uuid, NULL);
	if (o && o->replica.plane && call->quiet && s) {
		o->seen.io = s->io;
	} else if (o && o->replica.plane) {
		take_status(o, s);
		observe_object(o);
		if (o->replica.failing || o->replica.quarantined || volumes_doubted(o))
			run_advance(o); /* which does nothing while a step is under way */
	}
	free(call);
	agent_put(a);
}

static void ask_status(struct agent_object *o, bool quiet)
{
	struct agent_plane p = agent_plane_of(o);
	struct agent *a = o->agent;
	struct status_call *call = calloc(1, sizeof(*call));

	if (!call)
		abort();
	call->agent = a;
	call->quiet = quiet;
	memcpy(call->key, o->key, sizeof(call->key));
	memcpy(call->uuid, o->uuid, sizeof(call->uuid));
	agent_get(a);
	p.ops->status(p.plane, o->name, on_status, call);
}

void observe_status(struct agent_object *o)
{
	ask_status(o, false);
}

/* --- pools -------------------------------------------------------------- */

static void on_probed(int status, const struct err *err, const struct storage_paths *paths,
		      const struct storage_space *space, void *arg);

struct probe_call {
	struct agent *agent;
	struct agent_pool *pool;
};

static void probe(struct agent *a, struct agent_pool *p)
{
	struct probe_call *call = calloc(1, sizeof(*call));

	if (!call)
		abort();
	call->agent = a;
	call->pool = p; /* stays while probing is set */
	p->probing = true;
	p->due = false;
	agent_get(a);
	storage_probe(a->config.loop, &p->pool, on_probed, call);
}

static void note_mark(const struct agent_pool *p, const char *what, int *mark, int percent)
{
	int now = watermark_next(*mark, percent);
	char text[WATERMARK_TEXT_MAX];

	if (now > *mark)
		log_warn("agent", "pool=%s its %s: %s", p->pool.name, what,
			 watermark_text(percent, text, sizeof(text)));
	else if (now < *mark)
		log_info("agent", "pool=%s its %s: %d %% full, which was %d %% or more",
			 p->pool.name, what, percent, *mark);
	*mark = now;
}

static bool is_thin(const struct agent_pool *p)
{
	enum pool_kind kind;

	return pool_kind_parse(p->pool.kind, &kind) == 0 && pool_kind_is_thin(kind);
}

/* Of a pool that takes space as it is written: once for each mark that is passed. */
static void note_space(struct agent_pool *p)
{
	if (!is_thin(p))
		return;
	note_mark(p, "space", &p->data_mark, watermark_used(p->space.free_kib, p->space.total_kib));
	note_mark(p, "metadata", &p->meta_mark, p->space.meta_percent);
}

static void try_again(struct agent *a, struct agent_object *o)
{
	log_info("agent", "resource=%s pool=%s has more space: its copy is tried again", o->name,
		 o->pool);
	o->room++;
	desired_dirty(a, o->key);
}

/* A copy that found no space is tried ever later by the plane, which knows of no pools. When its
 * pool has some more it is tried at once. */
static void look_for_room(struct agent *a, const struct agent_pool *p, int64_t had_kib)
{
	if (p->space.free_kib < had_kib + AGENT_ROOM_KIB)
		return;
	for (size_t i = 0; i < AGENT_BUCKETS; i++) {
		for (struct agent_object *o = a->bucket[i]; o; o = o->next)
			if (o->kind == AGENT_REPLICA && o->seen.no_space &&
			    strcasecmp(o->pool, p->pool.name) == 0)
				try_again(a, o);
	}
}

static void on_probed(int status, const struct err *err, const struct storage_paths *paths,
		      const struct storage_space *space, void *arg)
{
	struct probe_call *call = arg;
	struct agent *a = call->agent;
	struct agent_pool *p = call->pool;
	int64_t had_kib = p->space.free_kib;

	free(call);
	p->probing = false;
	p->known = status == 0;
	if (status == 0) {
		p->space = *space;
		note_space(p);
		if (!a->closing)
			look_for_room(a, p, had_kib);
	}
	agent_text_set(&p->error, status < 0 ? err->text : NULL);
	observe_changed(a);
	if (p->due && !a->closing)
		probe(a, p);
	agent_put(a);
}

void observe_pool(struct agent *a, struct agent_pool *p)
{
	if (a->closing)
		return;
	if (tasks_hide(p)) {
		p->known = false;
		agent_text_set(&p->error, NULL);
		observe_changed(a);
	} else if (p->probing)
		p->due = true;
	else
		probe(a, p);
}

/* --- space of one volume ----------------------------------------------- */

static void on_measured(int status, const struct err *err, const struct storage_paths *paths,
			const struct storage_space *space, void *arg)
{
	struct agent_object *o = arg;
	struct agent *a = o->agent;
	struct agent_volume *v = o->measuring;
	int64_t now_kib = status == 0 ? space->allocated_kib : -1;
	char key[NAME_MAX_LEN + 1];

	o->measuring = NULL;
	if (now_kib != v->allocated_kib)
		observe_object(o);
	v->allocated_kib = now_kib;
	v->allocated_ns = clock_boot_ns() + AGENT_ALLOCATED_MS * MS;
	if (!a->closing) {
		memcpy(key, o->key, sizeof(key));
		run_bucket(a, key); /* what it, or a leftover of it, wanted to do meanwhile */
	}
	agent_put(a);
}

static struct agent_volume *to_measure(const struct agent_object *o, uint64_t now)
{
	for (int i = 0; i < o->n_volumes; i++) {
		struct agent_volume *v = o->volume[i];

		if (v->wanted && v->plan.files && v->allocated_ns <= now)
			return v;
	}
	return NULL;
}

static bool measure(struct agent_object *o, uint64_t now)
{
	struct agent *a = o->agent;
	struct agent_volume *v;
	struct agent_pool *p;
	struct storage_volume s;

	if (o->kind != AGENT_REPLICA || o->step != PLAN_IDLE || o->measuring)
		return false;
	v = to_measure(o, now);
	p = v ? agent_pool_find(a, o->pool) : NULL;
	if (!p || p->n_steps > 0)
		return false;
	volumes_storage(o, v, &s);
	o->measuring = v;
	agent_get(a);
	storage_allocated(a->config.loop, &p->pool, &s, on_measured, o);
	explicit_bzero(s.key, sizeof(s.key));
	return true;
}

/* --- the report --------------------------------------------------------- */

static const char *state_of(const struct agent_object *o)
{
	if (!o->replica.wanted || o->replica.deleting)
		return "removing";
	if (o->replica.inactive && !o->replica.plane)
		return "inactive";
	if (o->replica.quarantined)
		return "quarantined";
	if (o->error || (o->replica.plane && !o->seen.up && !o->seen.waits && o->plane_error))
		return "failed";
	/* what runs goes on when one more volume cannot be made, or one cannot grow */
	if (!o->replica.plane && volumes_error(o))
		return "failed";
	return o->replica.plane && o->seen.up ? "up" : "creating";
}

static json *peers_json(const struct agent_seen *seen)
{
	json *peers = json_object_new_object();
	char slot[12];

	for (int i = 0; i < PLANE_SLOTS; i++) {
		json *peer;

		if (!(seen->peers & 1u << i))
			continue;
		peer = json_object_new_object();
		jset_bool(peer, "connected", seen->connected & 1u << i);
		jset_str(peer, "mode", seen->peer_mode[i]);
		snprintf(slot, sizeof(slot), "%d", i);
		jset(peers, slot, peer);
	}
	return peers;
}

static const char *volume_state(const struct agent_object *o, const struct agent_volume *v)
{
	if (v->error)
		return "failed";
	if (!volumes_usable(o, v))
		return "creating";
	if (volumes_size(o, v) < v->size_bytes)
		return "growing";
	return v->plane ? "up" : "creating";
}

static json *volume_json(const struct agent_object *o, const struct agent_volume *v)
{
	char nbd[PATH_LEN_MAX + NAME_MAX_LEN + 32];
	json *j = json_object_new_object();

	jset_str(j, "state", volume_state(o, v));
	jset_str(j, "uuid", v->uuid);
	jset_str(j, "error", v->error ? v->error : v->note ? v->note : "");
	if (volumes_usable(o, v))
		jset_i64(j, "size_kib", (int64_t)(volumes_size(o, v) / 1024));
	if (v->allocated_kib >= 0)
		jset_i64(j, "allocated_kib", v->allocated_kib);
	if (v->plane && !o->nvme) {
		volumes_nbd(o, v->number, nbd, sizeof(nbd));
		jset_str(j, "nbd", nbd);
	}
	return j;
}

/* by number; *ret_kib: what all take, -1 when nothing is known of any */
static json *volumes_json(const struct agent_object *o, int64_t *ret_kib)
{
	json *volumes = json_object_new_object();
	char number[12];

	*ret_kib = -1;
	for (int i = 0; i < o->n_volumes; i++) {
		const struct agent_volume *v = o->volume[i];

		if (!v->wanted)
			continue;
		snprintf(number, sizeof(number), "%d", v->number);
		jset(volumes, number, volume_json(o, v));
		if (v->allocated_kib >= 0)
			*ret_kib = (*ret_kib < 0 ? 0 : *ret_kib) + v->allocated_kib;
	}
	return volumes;
}

/* what is wrong with it, and of one in quarantine what to do; "" nothing */
static void say_error(const struct agent_object *o, char *out, size_t len)
{
	const char *volume_error = volumes_error(o), *note = volumes_note(o);
	const char *error = o->error         ? o->error
			    : volume_error   ? volume_error
			    : o->plane_error ? o->plane_error
			    : note           ? note
					     : "";

	if (o->replica.quarantined)
		snprintf(out, len, "%s: sdsd volume repair %s %s, or replace it", o->complaint,
			 o->name, o->agent->config.node);
	else
		snprintf(out, len, "%s", error);
}

static json *replica_json(const struct agent_object *o)
{
	const struct agent_seen *seen = &o->seen;
	json *r = json_object_new_object();
	char error[AGENT_ERROR_MAX];
	int64_t kib;

	jset_str(r, "state", state_of(o));
	jset_str(r, "uuid", o->uuid);
	say_error(o, error, sizeof(error));
	jset_str(r, "error", error);
	jset(r, "volumes", volumes_json(o, &kib));
	if (kib >= 0)
		jset_i64(r, "allocated_kib", kib);
	if (!o->replica.plane)
		return r;
	jset_str(r, "role", seen->role);
	jset_str(r, "mode", seen->mode);
	jset_i64(r, "epoch", seen->epoch);
	jset_bool(r, "open", seen->open);
	jset_bool(r, "serving", seen->serving);
	if (seen->no_space)
		jset_bool(r, "no_space", true);
	if (seen->regions) {
		jset_i64(r, "regions", (int64_t)seen->regions);
		jset_i64(r, "synced_regions", (int64_t)seen->synced_regions);
		if (o->pace.known)
			jset_i64(r, "sync_kib_s",
				 (int64_t)(o->pace.per_s * (AGENT_REGION_BYTES / 1024)));
	}
	if (seen->peers)
		jset(r, "peers", peers_json(seen));
	return r;
}

/* what a process calls itself; "" when it has gone */
static void program_of(int pid, char out[AGENT_PROGRAM_MAX])
{
	char path[32];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	out[0] = 0;
	f = fopen(path, "re");
	if (!f)
		return;
	if (fgets(out, AGENT_PROGRAM_MAX, f))
		out[strcspn(out, "\n")] = 0;
	fclose(f);
}

/* NULL: nothing that lasts */
static json *busy_json(const struct agent *a, const struct agent_pool *p)
{
	char program[AGENT_PROGRAM_MAX] = "";
	struct storage_activity now;
	uint64_t ms;
	json *busy;

	storage_activity(a->config.loop, &p->pool, &now);
	ms = (clock_boot_ns() - now.since_ns) / MS;
	if (!now.what || ms < AGENT_BUSY_MS)
		return NULL;
	busy = json_object_new_object();
	jset_str(busy, "what", now.what);
	jset_str(busy, "volume", now.volume);
	if (now.pid) {
		program_of(now.pid, program);
		jset_i64(busy, "pid", now.pid);
		jset_str(busy, "program", program);
	}
	jset_i64(busy, "since_ms", (int64_t)ms);
	jset_i64(busy, "waiting", now.waiting);
	return busy;
}

/* what the copies of a replica that are made take of a thick pool: all of it, measured or not */
static int64_t taken_kib(const struct agent_object *o)
{
	int64_t kib = 0;

	for (int i = 0; i < o->n_volumes; i++) {
		const struct agent_volume *v = o->volume[i];

		if (v->wanted && v->plan.files)
			kib += v->allocated_kib >= 0 ? v->allocated_kib
						     : (int64_t)(volumes_size(o, v) / 1024);
	}
	return kib;
}

/* what caches of a replica take of a pool */
static int64_t caches_kib(const struct agent_object *o, const char *pool)
{
	int64_t kib = 0;

	for (int i = 0; i < o->n_volumes; i++) {
		const struct agent_volume *v = o->volume[i];

		if (v->wanted && v->plan.files && strcasecmp(v->cache.pool, pool) == 0)
			kib += v->cache.size_kib;
	}
	return kib;
}

/* the same of all copies; those that are to go are not promised any more */
static int64_t ours_kib(const struct agent *a, const struct agent_pool *p)
{
	int64_t kib = 0;

	for (size_t i = 0; i < AGENT_BUCKETS; i++) {
		for (const struct agent_object *o = a->bucket[i]; o; o = o->next) {
			if (o->kind != AGENT_REPLICA || !o->replica.wanted || o->replica.diskless)
				continue;
			if (strcasecmp(o->pool, p->pool.name) == 0)
				kib += taken_kib(o);
			kib += caches_kib(o, p->pool.name);
		}
	}
	return kib;
}

static json *pool_json(const struct agent *a, const struct agent_pool *p, json *busy)
{
	json *doc = json_object_new_object();

	if (p->known) {
		jset_i64(doc, "free_kib", p->space.free_kib);
		jset_i64(doc, "total_kib", p->space.total_kib);
		if (!is_thin(p))
			jset_i64(doc, "ours_kib", ours_kib(a, p));
		if (p->space.meta_percent >= 0)
			jset_i64(doc, "meta_percent", p->space.meta_percent);
		if (p->space.queues)
			jset_bool(doc, "queues", true);
	}
	jset_str(doc, "error", p->error ? p->error : "");
	if (busy)
		jset(doc, "busy", busy);
	if (p->task)
		jset(doc, "task", tasks_json(p));
	return doc;
}

static json *pools_json(const struct agent *a)
{
	json *pools = json_object_new_object();

	for (const struct agent_pool *p = a->pools; p; p = p->next) {
		json *busy = p->wanted ? busy_json(a, p) : NULL;

		if (p->wanted && (p->known || p->error || p->task || busy))
			jset(pools, p->pool.name, pool_json(a, p, busy));
	}
	return pools;
}

/* Of two of the same name (an old one going, a new one coming) the wanted one counts. */
static bool outdone(const struct agent_object *o)
{
	if (o->replica.wanted)
		return false;
	for (const struct agent_object *n = *agent_bucket(o->agent, o->key); n; n = n->next) {
		if (n != o && n->kind == AGENT_REPLICA && n->replica.wanted &&
		    strcmp(n->key, o->key) == 0)
			return true;
	}
	return false;
}

static bool has_replica(struct agent *a, const char *name)
{
	char key[NAME_MAX_LEN + 1];

	name_key(name, key);
	for (const struct agent_object *o = *agent_bucket(a, key); o; o = o->next) {
		if (o->kind == AGENT_REPLICA && strcmp(o->key, key) == 0)
			return true;
	}
	return false;
}

static json *io_json(const struct plane_io *io)
{
	json *j = json_object_new_object();

	jset_i64(j, "reads", (int64_t)io->reads);
	jset_i64(j, "writes", (int64_t)io->writes);
	jset_i64(j, "flushes", (int64_t)io->flushes);
	jset_i64(j, "read_bytes", (int64_t)io->read_bytes);
	jset_i64(j, "written_bytes", (int64_t)io->written_bytes);
	return j;
}

json *agent_report(struct agent *a)
{
	json *doc = json_object_new_object(), *replicas = json_object_new_object(), *r;

	for (size_t i = 0; i < AGENT_BUCKETS; i++) {
		for (struct agent_object *o = a->bucket[i]; o; o = o->next) {
			if (o->kind != AGENT_REPLICA || outdone(o))
				continue;
			r = replica_json(o);
			if (o->seen.io.counted)
				jset(r, "io", io_json(&o->seen.io));
			jset(replicas, o->name, r);
		}
	}
	if (access(ZFS_CONTROL, F_OK) == 0)
		jset_bool(doc, "zfs", true);
	jset(doc, "pools", pools_json(a));
	jset(doc, "replicas", replicas);
	return doc;
}

/* those that are due, as many as a report may hold */
static json *replicas_json(struct agent *a)
{
	json *replicas = json_object_new_object();
	int n = 0;

	for (; a->n_gone > 0 && n < AGENT_REPORT_MAX; n++) {
		const char *name = a->gone[--a->n_gone].text;

		if (!has_replica(a, name))
			jset(replicas, name, NULL);
	}
	a->report_due = a->n_gone > 0;
	for (size_t i = 0; i < AGENT_BUCKETS; i++) {
		for (struct agent_object *o = a->bucket[i]; o; o = o->next) {
			if (o->kind != AGENT_REPLICA || !o->report_due)
				continue;
			if (n >= AGENT_REPORT_MAX) {
				a->report_due = true;
				return replicas;
			}
			n += o->n_volumes > 1 ? o->n_volumes : 1;
			o->report_due = false;
			if (!outdone(o))
				jset(replicas, o->name, replica_json(o));
		}
	}
	return replicas;
}

static void on_sent(int status, json *doc, void *arg)
{
	struct agent *a = arg;

	a->report_busy = false;
	a->report_based = status == 200;
	if (status == 200 || status == 409)
		a->heard_ns = clock_boot_ns();
	/* 409: a leader that does not know the one before; without one it waits for the tick */
	if (!a->closing && (a->report_due || status == 409)) {
		a->report_due = true;
		uv_timer_start(&a->report, on_report_timer, AGENT_COALESCE_MS, 0);
	}
	agent_put(a);
}

static void due(struct agent_object *o)
{
	o->report_due = true;
}

void observe_report(struct agent *a)
{
	json *doc;

	if (a->report_busy || a->closing)
		return;
	a->report_busy = true;
	doc = json_object_new_object();
	if (a->report_based) {
		jset_i64(doc, "base", a->report_seq);
	} else {
		agent_each(a, due);
		a->n_gone = 0;
	}
	jset_i64(doc, "seq", ++a->report_seq);
	jset_str(doc, "node", a->config.node);
	jset_i64(doc, "boot", (int64_t)(a->config.boot & INT64_MAX));
	jset_str(doc, "version", a->config.version);
	jset_i64(doc, "applied", (int64_t)store_applied(a->config.store));
	jset_str(doc, "plane", a->config.plane_ops->name);
	jset_i64(doc, "clock_ms", clock_wall_ms());
	jset_i64(doc, "certificate_ends", a->config.certificate_ends);
	jset(doc, "pools", pools_json(a));
	jset(doc, "services", services_json(a));
	jset(doc, "replicas", replicas_json(a));
	if (a->disks && (a->disks_due || !a->report_based))
		jset(doc, "disks", json_object_get(a->disks));
	a->disks_due = false;
	agent_get(a);
	a->config.call("POST", "/v1/sds/report", json_text(doc), AGENT_REPORT_CALL_MS, on_sent, a,
		       a->config.arg);
	json_object_put(doc);
}

void observe_tick(struct agent *a)
{
	uint64_t now = clock_boot_ns();
	int n = 0;

	if (now >= a->probe_ns) {
		a->probe_ns = now + AGENT_PROBE_MS * MS;
		for (struct agent_pool *p = a->pools; p; p = p->next)
			observe_pool(a, p);
	}
	tasks_run(a);
	services_tick(a);
	if (now >= a->disks_ns)
		observe_disks(a);
	for (size_t i = 0; i < AGENT_BUCKETS; i++) {
		for (struct agent_object *o = a->bucket[i]; o; o = o->next) {
			if (n < AGENT_ALLOCATED_BATCH)
				n += measure(o, now);
			filesystems_tick(o, now);
			/* progress moves on without a word of the plane */
			if (o->kind == AGENT_REPLICA && o->replica.plane &&
			    strcmp(o->seen.mode, "learner") == 0)
				observe_status(o);
			else if (o->kind == AGENT_REPLICA && o->replica.plane && o->seen.open &&
				 o->seen.io.counted)
				ask_status(o, true);
		}
	}
	observe_report(a);
}
