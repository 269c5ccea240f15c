// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * filesystems.c - makes the file systems that volumes are born with (model/filesystem.h).
 * Looked for at each tick of the agent. The device is held open from before the look until
 * mkfs has ended, so that this node is the writer all the time: the leader lets it begin
 * only as that. A crash anywhere leaves it wanted, and all is done again; what is on the
 * device says how far it was.
 */
#include "agent/object.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "storage/mkfs.h"

#define MS 1000000ull
#define FILESYSTEMS_MAX 4         /* being made at a time */
#define FILESYSTEMS_RETRY_MS 2000 /* the device was not to be had, or the leader */
#define FILESYSTEMS_CALL_MS 10000

enum phase { PHASE_LOOK, PHASE_MAKE, PHASE_CLOSE };

struct making {
	uv_work_t work;
	struct agent *agent;
	char resource[NAME_MAX_LEN + 1];
	char uuid[37]; /* of the volume */
	int number;
	char path[32];
	struct filesystem wanted;
	bool zeros; /* what nobody has written of it */
	enum phase phase;
	int fd; /* -1: not open */
	enum mkfs_found found;
	const char *outcome; /* "made" or "failed", to be told in the end; NULL: neither */
	int status;
	struct err err; /* of a failure */
};

static struct agent_volume *find(const struct making *m)
{
	char key[NAME_MAX_LEN + 1];

	name_key(m->resource, key);
	for (struct agent_object *o = *agent_bucket(m->agent, key); o; o = o->next) {
		if (o->kind != AGENT_REPLICA || strcmp(o->key, key) != 0)
			continue;
		for (int i = 0; i < o->n_volumes; i++) {
			if (strcasecmp(o->volume[i]->uuid, m->uuid) == 0)
				return o->volume[i];
		}
	}
	return NULL;
}

/* --- in a worker -------------------------------------------------------- */

/* Nobody else may use it: mkfs itself opens it so, too, which is why it is not held so. */
static int open_device(struct making *m)
{
	int alone = open(m->path, O_RDWR | O_EXCL | O_CLOEXEC);

	if (alone >= 0) {
		m->fd = open(m->path, O_RDWR | O_CLOEXEC);
		close(alone);
	}
	if (m->fd < 0)
		return err_set(&m->err, -errno, "%s cannot be opened: %s", m->path,
			       strerror(errno));
	return 0;
}

static void run(uv_work_t *work)
{
	struct making *m = (struct making *)work;
	struct mkfs how = {
		.xfs = m->wanted.type == FILESYSTEM_XFS,
		.params = m->wanted.params,
		.user = m->wanted.user,
		.group = m->wanted.group,
		.dir = m->agent->config.dir,
	};

	memcpy(how.uuid, m->wanted.uuid, sizeof(how.uuid));
	switch (m->phase) {
	case PHASE_LOOK:
		m->status = open_device(m);
		if (m->status == 0)
			m->status = mkfs_look(&how, m->path, m->fd, m->wanted.begun, m->zeros,
					      &m->found, &m->err);
		break;
	case PHASE_MAKE:
		m->status = mkfs_make(&how, m->path, m->found, &m->err);
		break;
	case PHASE_CLOSE:
		if (m->fd >= 0)
			close(m->fd);
		break;
	}
}

/* --- on the loop -------------------------------------------------------- */

static void on_run(uv_work_t *work, int status);

static void enter(struct making *m, enum phase phase)
{
	m->phase = phase;
	if (uv_queue_work(m->agent->config.loop, &m->work, run, on_run) < 0)
		abort(); /* fails only without a function to run */
}

static void end(struct making *m)
{
	struct agent_volume *v = find(m);
	struct agent *a = m->agent;

	if (v) {
		v->making = false;
		v->making_ns = clock_boot_ns() + FILESYSTEMS_RETRY_MS * MS;
	}
	a->n_making--;
	free(m);
	agent_put(a);
}

static void tell(struct making *m, const char *state, void (*cb)(int status, json *doc, void *arg))
{
	json *doc = json_object_new_object();
	struct agent *a = m->agent;

	jset_str(doc, "resource", m->resource);
	jset_str(doc, "node", a->config.node);
	jset_i64(doc, "number", m->number);
	jset_str(doc, "volume", m->uuid);
	jset_str(doc, "state", state);
	if (m->status < 0)
		jset_str(doc, "error", m->err.text);
	a->config.call("POST", "/v1/sds/filesystem", json_text(doc), FILESYSTEMS_CALL_MS, cb, m,
		       a->config.arg);
	json_object_put(doc);
}

/* Taken or not: when it was not, it is still wanted, and this begins again. */
static void on_told(int status, json *doc, void *arg)
{
	end(arg);
}

/* The device is closed first: who is told that the volume is ready can open it. */
static void leave(struct making *m, const char *outcome)
{
	m->outcome = outcome;
	if (outcome && m->status < 0)
		log_warn("agent", "resource=%s volume=%d: no file system was made: %s", m->resource,
			 m->number, m->err.text);
	else if (outcome)
		log_info("agent", "resource=%s volume=%d: has a file system, %s", m->resource,
			 m->number, filesystem_type_name(m->wanted.type));
	enter(m, PHASE_CLOSE);
}

static void on_may_begin(int status, json *doc, void *arg)
{
	struct making *m = arg;

	if (status < 200 || status > 299 || m->agent->closing)
		leave(m, NULL);
	else if (m->found == MKFS_THERE)
		leave(m, "made");
	else
		enter(m, PHASE_MAKE);
}

static void on_look(struct making *m)
{
	if (m->status < 0)
		log_info("agent", "resource=%s volume=%d: its file system waits: %s", m->resource,
			 m->number, m->err.text);
	if (m->status < 0 || m->agent->closing) {
		leave(m, NULL);
	} else if (m->found == MKFS_FOREIGN) {
		m->status = m->err.code;
		leave(m, "failed");
	} else {
		tell(m, "begin", on_may_begin);
	}
}

static void on_run(uv_work_t *work, int status)
{
	struct making *m = (struct making *)work;

	if (m->phase == PHASE_LOOK)
		on_look(m);
	else if (m->phase == PHASE_MAKE)
		leave(m, m->status < 0 ? "failed" : "made");
	else if (m->outcome && !m->agent->closing)
		tell(m, m->outcome, on_told);
	else
		end(m);
}

static void begin(struct agent_object *o, struct agent_volume *v)
{
	struct making *m = calloc(1, sizeof(*m));
	struct agent *a = o->agent;

	if (!m)
		abort();
	v->making = true;
	a->n_making++;
	agent_get(a);
	m->agent = a;
	memcpy(m->resource, o->name, sizeof(m->resource));
	memcpy(m->uuid, v->uuid, sizeof(m->uuid));
	m->number = v->number;
	m->wanted = v->filesystem;
	m->zeros = !v->key[0]; /* of an encrypted one it is zeros below */
	m->fd = -1;
	snprintf(m->path, sizeof(m->path), "/dev/rvol%d", v->minor);
	if (strcmp(a->config.plane_ops->name, "kernel") == 0) {
		enter(m, PHASE_LOOK);
		return;
	}
	m->status = err_set(&m->err, -ENODEV,
			    "node %s serves volumes in user space, without the kernel module: "
			    "there is no block device to make it on",
			    a->config.node);
	leave(m, "failed");
}

void filesystems_tick(struct agent_object *o, uint64_t now)
{
	if (o->kind != AGENT_REPLICA || !o->maker || !o->replica.plane || !o->seen.up)
		return;
	for (int i = 0; i < o->n_volumes; i++) {
		struct agent_volume *v = o->volume[i];

		if (v->wanted && v->plane && !v->making && now >= v->making_ns &&
		    filesystem_is_wanted(&v->filesystem) && o->agent->n_making < FILESYSTEMS_MAX)
			begin(o, v);
	}
}
