// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * services.c - services on this node (model/service.h): does what was decided, one step at a time,
 * and looks at what it led to. Called every second, when a document has changed, and when a step
 * has ended. What is next says service_plan.c, doing it is service_host.c's, in a worker.
 *
 * What this node has begun is noted in <dir>/services/<name> before, until nothing of it is there
 * any more: so it is undone also when its document has gone meanwhile, or after a restart. What is
 * not noted is not touched: it may be somebody else's.
 *
 * A node that has lost the volume, or its leader, stops by itself and at once, the address first:
 * another one may be told to take it.
 */
#include "agent/object.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agent/service_host.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "model/service.h"

#define MS 1000000ull
#define SERVICE_TRIES_MAX 3 /* then it is another node's turn */
#define SERVICE_RETRY_MIN_MS 1000
#define SERVICE_RETRY_MAX_MS 30000
#define SERVICE_LOOK_EVERY_MS 3000
#define SERVICE_SETTLE_MS 1000  /* a unit that was told to start, or is between */
#define SERVICE_STEADY_MS 60000 /* it has run so long: what failed before is forgotten */
#define SERVICE_DEVICE_MS 60000 /* the volume cannot be opened for so long: a failure */
#define SERVICE_START_MS 120000 /* a unit may take so long to start */
#define SERVICE_LOST_MS 2000    /* the volume is not open here any more, as the plane says */
#define SERVICE_STALL_MS 10000  /* it is, but nothing goes on: longer than an election takes */
#define SERVICE_ALONE_MS 10000  /* no leader has answered */
#define NOTE_MAX 16384

struct agent_service {
	struct agent_service *next;
	struct agent *agent;
	char key[NAME_MAX_LEN + 1];
	bool defined;          /* the document is there */
	struct service wanted; /* which says this */
	bool noted;            /* this node has begun it */
	struct service mine;   /* as it was then */
	char device[SERVICE_DEVICE_LEN];
	bool busy;  /* a worker has it */
	bool known; /* sight is what is there */
	struct service_sight sight;
	char *error;        /* of the last step, or NULL */
	const char *flight; /* why it has to leave at once; NULL: it has not */
	int tries;          /* failures and starts, since it has run steadily */
	bool gave_up;
	uint64_t retry_ns, look_ns; /* not before; look again at */
	uint64_t unwell_ns;         /* since when the volume is not served here; 0: it is */
	uint64_t device_ns;         /* since when it cannot be opened; 0: it can */
	uint64_t between_ns;        /* since when the unit starts; 0: it does not */
	uint64_t steady_ns;         /* since when it runs; 0: it does not */
};

struct service_job {
	uv_work_t work;
	struct agent *agent;
	char key[NAME_MAX_LEN + 1];
	struct service service;
	char device[SERVICE_DEVICE_LEN];
	char path[PATH_LEN_MAX + NAME_MAX_LEN + 16]; /* of the note */
	enum service_step step;
	bool urgent;
	bool note; /* is to be written first */
	bool wanted;
	bool forgotten; /* nothing is left of it: the note was removed */
	int status, looked;
	struct err err, look_err;
	struct service_sight sight;
};

static void advance(struct agent_service *s);

/* --- which there are ------------------------------------------------------ */

static struct agent_service *find(struct agent *a, const char *key)
{
	for (struct agent_service *s = a->services; s; s = s->next) {
		if (strcmp(s->key, key) == 0)
			return s;
	}
	return NULL;
}

static struct agent_service *make(struct agent *a, const char *name)
{
	struct agent_service *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->agent = a;
	name_key(name, s->key);
	s->next = a->services;
	a->services = s;
	return s;
}

static void drop_idle(struct agent *a)
{
	struct agent_service **at = &a->services;

	while (*at) {
		struct agent_service *s = *at;

		if (s->defined || s->noted || s->busy) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		free(s->error);
		free(s);
	}
}

void services_free(struct agent *a)
{
	for (struct agent_service *s = a->services; s; s = s->next)
		s->defined = s->noted = s->busy = false;
	drop_idle(a);
}

static void note_path(const struct agent *a, const char *key, char *out, size_t len)
{
	snprintf(out, len, "%s/services/%s", a->config.dir, key);
}

static void read_note(struct agent *a, const char *name)
{
	char path[PATH_LEN_MAX + NAME_MAX_LEN + 16];
	struct service service;
	struct agent_service *s;
	struct err err = { 0 };
	json *doc = NULL;
	struct buf text;
	int rv;

	note_path(a, name, path, sizeof(path));
	buf_init(&text, NOTE_MAX);
	rv = fs_read(path, &text, &err);
	if (rv == 0)
		rv = json_parse((const char *)text.data, text.len, &doc, &err);
	if (rv == 0)
		rv = service_parse(doc, &service, &err);
	buf_release(&text);
	if (rv < 0) {
		log_error("agent", "%s: %s", path, err.text);
	} else {
		s = make(a, service.name);
		s->mine = service;
		s->noted = true;
		snprintf(s->device, sizeof(s->device), "%s", jget_str(doc, "device", ""));
	}
	json_object_put(doc);
}

int services_start(struct agent *a, struct err *err)
{
	char path[PATH_LEN_MAX + 32];
	struct dirent *e;
	DIR *d;
	int rv;

	snprintf(path, sizeof(path), "%s/services", a->config.dir);
	rv = fs_mkdir(path, 0700, err);
	if (rv < 0)
		return rv;
	a->heard_ns = clock_boot_ns(); /* as long as it may be alone, it may look for a leader */
	d = opendir(path);
	while (d && (e = readdir(d))) {
		if (name_check("service name", e->d_name, NAME_MIN_LEN, NULL) == 0)
			read_note(a, e->d_name);
	}
	if (d)
		closedir(d);
	return 0;
}

/* Another decision: nobody has given up on it, and there is no reason to wait. */
static void begin_anew(struct agent_service *s)
{
	s->gave_up = false;
	s->tries = 0;
	s->retry_ns = s->look_ns = s->device_ns = s->between_ns = 0;
	agent_text_set(&s->error, NULL);
}

static int want(const char *key, json *doc, uint64_t revision, void *arg)
{
	struct agent *a = arg;
	struct service service;
	struct agent_service *s;
	struct err err;

	if (service_parse(doc, &service, &err) < 0) {
		log_error("agent", "%s: %s", key, err.text);
		return 0;
	}
	s = find(a, key + strlen("service/"));
	if (!s)
		s = make(a, service.name);
	if (s->wanted.generation != service.generation)
		begin_anew(s);
	s->wanted = service;
	s->defined = true;
	return 0;
}

void services_reload(struct agent *a)
{
	for (struct agent_service *s = a->services; s; s = s->next)
		s->defined = false;
	store_list(a->config.store, "service/", want, a);
	services_tick(a);
	observe_changed(a);
}

/* --- what is wanted ------------------------------------------------------- */

static struct agent_object *replica_of(struct agent *a, const char *resource)
{
	char key[NAME_MAX_LEN + 1];

	name_key(resource, key);
	for (struct agent_object *o = *agent_bucket(a, key); o; o = o->next) {
		if (o->kind == AGENT_REPLICA && o->replica.wanted && strcmp(o->key, key) == 0)
			return o;
	}
	return NULL;
}

static bool is_decided(const struct agent_service *s)
{
	return s->defined && s->wanted.enabled && !s->gave_up &&
	       strcasecmp(s->wanted.node, s->agent->config.node) == 0;
}

static bool is_alone(const struct agent *a, uint64_t now)
{
	return now - a->heard_ns > SERVICE_ALONE_MS * MS;
}

/* The volume that it has mounted is not served any more: another node has it, or nobody. */
static bool is_unwell(struct agent_service *s, uint64_t now)
{
	const struct agent_object *o = replica_of(s->agent, s->mine.resource);
	const struct agent_seen *seen = o ? &o->seen : NULL;
	bool mounted = s->noted && s->known && s->sight.mounted, gone;
	uint64_t ms;

	if (!mounted || (seen && seen->up && seen->open && seen->serving)) {
		s->unwell_ns = 0;
		return false;
	}
	if (!s->unwell_ns)
		s->unwell_ns = now;
	gone = seen && seen->up && strcmp(seen->role, "writer") != 0 &&
	       strcmp(seen->role, "candidate") != 0;
	ms = (now - s->unwell_ns) / MS;
	return ms >= (gone ? SERVICE_LOST_MS : SERVICE_STALL_MS);
}

static const struct agent_volume *volume_of(const struct agent_object *o, int number)
{
	for (int i = 0; o && i < o->n_volumes; i++) {
		if (o->volume[i]->number == number && o->volume[i]->wanted)
			return o->volume[i];
	}
	return NULL;
}

static struct service_want want_of(struct agent_service *s, uint64_t now)
{
	const struct service *of = s->noted ? &s->mine : &s->wanted;
	const struct agent_object *o = replica_of(s->agent, of->resource);
	const struct agent_volume *v = volume_of(o, of->number);
	bool unwell = is_unwell(s, now), alone = is_alone(s->agent, now);
	struct service_want w = {
		.run = is_decided(s) && !unwell && !alone &&
		       (!s->noted || service_same(&s->mine, &s->wanted)),
		.device = o && o->seen.up && v && v->plane,
		.unit = of->unit[0],
		.address = of->vip[0],
	};

	s->flight = unwell  ? "the volume is not served here any more"
		    : alone ? "no leader has answered for too long"
		    : s->defined && s->wanted.enabled && s->wanted.node[0] &&
				    strcasecmp(s->wanted.node, s->agent->config.node) != 0
			    ? "another node is to have it"
			    : NULL;
	w.urgent = !w.run && s->flight;
	return w;
}

/* --- how it goes ---------------------------------------------------------- */

static const char *state_of(const struct agent_service *s, const struct service_want *w)
{
	if (!s->noted && !is_decided(s))
		return "stopped";
	if (!w->run)
		return "stopping";
	return s->known && service_plan_next(w, &s->sight) == SERVICE_STEP_NONE ? "running"
										: "starting";
}

json *services_json(struct agent *a)
{
	json *list = json_object_new_object();
	uint64_t now = clock_boot_ns();

	for (struct agent_service *s = a->services; s; s = s->next) {
		struct service_want w = want_of(s, now);
		json *o;

		if (!s->noted && !replica_of(a, s->wanted.resource))
			continue;
		o = json_object_new_object();
		jset_i64(o, "generation", s->defined ? s->wanted.generation : 0);
		jset_str(o, "state", state_of(s, &w));
		jset_bool(o, "holds", s->noted || s->busy);
		jset_bool(o, "gave_up", s->gave_up);
		jset_str(o, "error", s->error ? s->error : "");
		jset(list, s->key, o);
	}
	return list;
}

static void say_error(struct agent_service *s, const char *why)
{
	if (!s->error || strcmp(s->error, why) != 0)
		log_warn("agent", "service=%s %s", s->key, why);
	agent_text_set(&s->error, why);
}

/* run: it was to run; else it is being undone, which is tried for ever */
static void failed(struct agent_service *s, bool run, const char *why)
{
	say_error(s, why);
	s->tries++;
	s->retry_ns = clock_boot_ns() +
		      backoff_ms(s->tries, SERVICE_RETRY_MIN_MS, SERVICE_RETRY_MAX_MS) * MS;
	if (!run || s->tries < SERVICE_TRIES_MAX || s->gave_up)
		return;
	s->gave_up = true;
	s->retry_ns = 0;
	log_error("agent", "service=%s given up on this node after %d tries: %s", s->key, s->tries,
		  why);
}

/* --- in a worker ------------------------------------------------------------ */

static int write_note(const struct service_job *j, struct err *err)
{
	struct service s = j->service;
	json *doc;
	int rv;

	/* what it is, not how it went elsewhere */
	service_forgive(&s, NULL);
	s.why[0] = '\0';
	doc = service_doc(&s);
	jset_str(doc, "device", j->device);
	rv = fs_write(j->path, json_text(doc), strlen(json_text(doc)), 0600, err);
	json_object_put(doc);
	return rv;
}

static void work(uv_work_t *work)
{
	struct service_job *j = (struct service_job *)work;
	struct service_host h = { .service = &j->service,
				  .device = j->device,
				  .urgent = j->urgent };

	if (j->note)
		j->status = write_note(j, &j->err);
	if (j->status == 0)
		j->status = service_host_do(&h, j->step, &j->err);
	j->looked = service_host_look(&h, &j->sight, &j->look_err);
	if (j->looked == 0 && !j->wanted && service_plan_clear(&j->sight))
		j->forgotten = fs_remove(j->path) == 0;
}

/* --- on the loop ------------------------------------------------------------ */

static void note_device(struct agent_service *s, const char *why, uint64_t now)
{
	if (!s->device_ns)
		s->device_ns = now;
	if (now - s->device_ns > SERVICE_DEVICE_MS * MS) {
		s->device_ns = now;
		failed(s, true, why);
		return;
	}
	say_error(s, why);
	s->retry_ns = now + SERVICE_RETRY_MIN_MS * MS;
}

static void took_step(struct agent_service *s, const struct service_job *j, uint64_t now)
{
	log_info("agent", "service=%s %s: done", s->key, service_step_name(j->step));
	if (j->step == SERVICE_STEP_MOUNT)
		s->device_ns = 0;
	if (j->step == SERVICE_STEP_START) {
		s->tries++; /* until it has run for a while */
		s->between_ns = now;
		s->retry_ns = now + SERVICE_SETTLE_MS * MS;
	}
	if (j->wanted && !s->gave_up)
		agent_text_set(&s->error, NULL);
}

/* is it as it should be, for how long? */
static void note_steady(struct agent_service *s, bool steady, uint64_t now)
{
	if (!steady) {
		s->steady_ns = 0;
		return;
	}
	if (!s->steady_ns)
		s->steady_ns = now;
	s->between_ns = 0;
	if (now - s->steady_ns > SERVICE_STEADY_MS * MS)
		s->tries = 0;
}

static void on_worked(uv_work_t *work, int status)
{
	struct service_job *j = (struct service_job *)work;
	struct agent *a = j->agent;
	struct agent_service *s = find(a, j->key);
	uint64_t now = clock_boot_ns();

	a->n_service_jobs--;
	s->busy = false;
	s->known = j->looked == 0;
	s->sight = j->sight;
	s->look_ns = now + SERVICE_LOOK_EVERY_MS * MS;
	if (j->status == -EAGAIN)
		note_device(s, j->err.text, now);
	else if (j->status < 0)
		failed(s, j->wanted, j->err.text);
	else if (j->looked < 0)
		failed(s, j->wanted, j->look_err.text);
	else if (j->step != SERVICE_STEP_NONE)
		took_step(s, j, now);
	if (j->forgotten) {
		log_info("agent", "service=%s nothing of it is left here", s->key);
		s->noted = s->known = false;
		if (!s->gave_up)
			agent_text_set(&s->error, NULL);
	}
	if (!a->closing) {
		observe_changed(a);
		advance(s);
	}
	free(j);
	agent_put(a);
}

static void begin(struct agent_service *s, enum service_step step, const struct service_want *w)
{
	struct agent *a = s->agent;
	struct service_job *j;

	if (a->n_service_jobs >= SERVICES_JOBS_MAX)
		return;
	j = calloc(1, sizeof(*j));
	if (!j)
		abort();
	agent_get(a);
	a->n_service_jobs++;
	s->busy = true;
	j->agent = a;
	memcpy(j->key, s->key, sizeof(j->key));
	j->service = s->mine;
	memcpy(j->device, s->device, sizeof(j->device));
	note_path(a, s->key, j->path, sizeof(j->path));
	j->step = step;
	j->urgent = w->urgent;
	j->wanted = w->run;
	j->note = w->run && step != SERVICE_STEP_NONE;
	if (uv_queue_work(a->config.loop, &j->work, work, on_worked) < 0)
		abort(); /* fails only without a function to run */
}

/* From now on it is this node's to undo. The note is written before the first step. */
static bool take_on(struct agent_service *s)
{
	const struct agent_object *o = replica_of(s->agent, s->wanted.resource);
	const struct agent_volume *v = volume_of(o, s->wanted.number);

	if (!v) {
		note_device(s, "the volume is not here yet", clock_boot_ns());
		return false;
	}
	s->mine = s->wanted;
	snprintf(s->device, sizeof(s->device), "/dev/rvol%d", v->minor);
	s->noted = true;
	return true;
}

/* It waits for its volume, or its unit. */
static void wait(struct agent_service *s, const struct service_want *w, uint64_t now)
{
	if (!w->run)
		return;
	if (!s->sight.mounted) {
		note_device(s, "the volume is not up here", now);
		return;
	}
	if (!s->between_ns)
		s->between_ns = now;
	if (now - s->between_ns > SERVICE_START_MS * MS) {
		s->between_ns = now;
		failed(s, true, "the unit has been starting for too long");
	}
	s->look_ns = 0;
	s->retry_ns = now + SERVICE_SETTLE_MS * MS;
}

static void take_step(struct agent_service *s, const struct service_want *w, uint64_t now)
{
	enum service_step step = service_plan_next(w, &s->sight);
	char why[SERVICE_UNIT_MAX + 64];

	note_steady(s, w->run && step == SERVICE_STEP_NONE, now);
	switch (step) {
	case SERVICE_STEP_NONE:
		break;
	case SERVICE_STEP_WAIT:
		wait(s, w, now);
		break;
	case SERVICE_STEP_BLOCKED:
		snprintf(why, sizeof(why), "something else is mounted at its place");
		failed(s, true, why);
		s->look_ns = 0;
		break;
	case SERVICE_STEP_START:
		if (s->tries >= SERVICE_TRIES_MAX) {
			snprintf(why, sizeof(why), "unit %s does not stay up", s->mine.unit);
			failed(s, true, why);
			break;
		}
		begin(s, step, w);
		break;
	default:
		begin(s, step, w);
	}
}

static void advance(struct agent_service *s)
{
	uint64_t now = clock_boot_ns();
	struct service_want w = want_of(s, now);

	if (s->busy || (!s->noted && !is_decided(s)))
		return;
	if (w.urgent && !s->error && s->known && !service_plan_clear(&s->sight))
		say_error(s, s->flight);
	/* what is urgent does not wait for its turn */
	if (now < s->retry_ns && !(w.urgent && s->tries < SERVICE_TRIES_MAX))
		return;
	if (!s->noted && (!w.run || !take_on(s)))
		return;
	/* looking also finds out that nothing is left, when it is not wanted */
	if (!s->known || now >= s->look_ns || (!w.run && service_plan_clear(&s->sight)))
		begin(s, SERVICE_STEP_NONE, &w);
	else
		take_step(s, &w, now);
}

void services_tick(struct agent *a)
{
	for (struct agent_service *s = a->services; s && !a->closing; s = s->next)
		advance(s);
	drop_idle(a);
}
