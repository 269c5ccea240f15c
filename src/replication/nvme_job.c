// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nvme_job.c - makes of one resource what it is to be on this node, step by step, from whatever
 * is there: also what an earlier life of the daemon has left half done. A node that has the copy
 * shows it; one without a disk connects to who has it; what it does of both and is not to do goes.
 */
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "net/hosts.h"
#include "replication/nvme_sys.h"

#define MIB 1048576u

static bool shows(const struct nvme_job *j)
{
	return j->wanted && plane_has_disk(&j->r);
}

/* ---- the target ---- */

static void want_hosts(const struct nvme_job *j, struct nvme_target *want)
{
	for (int s = 0; s < PLANE_SLOTS; s++) {
		const struct plane_peer *p = &j->r.peer[s];

		if (s != j->r.self && p->used && p->diskless && !p->leaving)
			nvme_host(j->cluster, p->node, p->replica, want->host[want->n_hosts++]);
	}
}

static int want_target(const struct nvme_job *j, struct nvme_target *want, struct err *err)
{
	want->there = shows(j);
	if (!want->there)
		return 0;
	want_hosts(j, want);
	for (int i = 0; i < j->r.n_volumes; i++) {
		const struct plane_volume *v = &j->r.volume[i];
		struct nvme_space *space = &want->space[v->number];

		if (!v->data_path || strlen(v->data_path) >= NVME_PATH_MAX)
			return err_set(err, -ENAMETOOLONG,
				       "volume %d: the path of its data is too "
				       "long for the kernel's NVMe target",
				       v->number);
		space->there = true;
		snprintf(space->path, sizeof(space->path), "%s", v->data_path);
		text_uuid_format(v->uuid, space->uuid);
		space->size_bytes = v->size_bytes;
	}
	return 0;
}

/* the node's own address: nothing is shown on another */
static int place_of(const struct nvme_job *j, struct nvme_place *at, struct err *err)
{
	memcpy(at->resource, j->r.uuid, sizeof(at->resource));
	if (!shows(j))
		return 0;
	return hosts_address(j->r.peer[j->r.self].address, at->address, &at->v6, err);
}

static int run_target(struct nvme_job *j)
{
	struct nvme_target want = { 0 }, seen;
	char subsystem[NVME_NAME_MAX];
	struct nvme_place at = { .subsystem = subsystem };
	int i, rv;

	nvme_subsystem(j->cluster, j->node, j->r.uuid, subsystem);
	if ((rv = want_target(j, &want, &j->err)) < 0 || (rv = place_of(j, &at, &j->err)) < 0)
		return rv;
	if (want.there && (rv = nvme_target_there(&j->err)) < 0)
		return rv;
	for (int n = 0; n < NVME_STEPS_MAX; n++) {
		enum nvme_step step;

		nvme_target_look(subsystem, at.address, j->told, &seen);
		step = nvme_target_next(&want, &seen, &i);
		if (step == NVME_IDLE)
			return 0;
		log_debug("nvme", "volume=%s step=%s %d", j->r.name, nvme_step_name(step), i);
		rv = nvme_target_act(&at, step, i, &want, &seen, j->told, &j->err);
		if (rv < 0)
			return rv;
	}
	return err_set(&j->err, -EBUSY, "the kernel's NVMe target does not become as it is to be");
}

/* ---- the initiator ---- */

struct own { /* this resource's controller */
	const u8 *resource;
	struct nvme_initiator *seen;
};

static int take_own(const struct nvme_initiator *seen, const u8 resource[16], void *arg)
{
	struct own *o = arg;

	if (memcmp(resource, o->resource, 16) != 0)
		return 0;
	*o->seen = *seen;
	return -EEXIST;
}

/* the copy's node; NULL: there is none */
static const struct plane_peer *copy_of(const struct plane_resource *r)
{
	for (int s = 0; s < PLANE_SLOTS; s++)
		if (s != r->self && r->peer[s].used && !r->peer[s].diskless && !r->peer[s].leaving)
			return &r->peer[s];
	return NULL;
}

static int want_initiator(const struct nvme_job *j, struct nvme_initiator *want, struct err *err)
{
	const struct plane_peer *copy;
	bool v6;

	want->there = j->wanted && !shows(j);
	if (!want->there)
		return 0;
	copy = copy_of(&j->r);
	if (!copy)
		return err_set(err, -ENOENT, "its copy is out of service");
	nvme_subsystem(j->cluster, copy->node, j->r.uuid, want->subsystem);
	nvme_host(j->cluster, j->node, j->r.replica_uuid, want->host);
	return hosts_address(copy->address, want->address, &v6, err);
}

/* A controller is connected or is trying: what there is of devices. */
static int find_devices(struct nvme_job *j, const struct nvme_initiator *want,
			const struct nvme_initiator *seen)
{
	for (int i = 0; i < j->r.n_volumes; i++) {
		const struct plane_volume *v = &j->r.volume[i];
		char uuid[UUID_TEXT_LEN + 1];
		u64 bytes;

		text_uuid_format(v->uuid, uuid);
		if (nvme_device(want->subsystem, v->number, uuid, j->device[v->number], &bytes) < 0)
			err_set(&j->err, -ENOENT, "volume %d does not show yet", v->number);
		else if (bytes < v->size_bytes)
			err_set(&j->err, -ENOENT, "volume %d has %llu of %llu MiB yet", v->number,
				(unsigned long long)(bytes / MIB),
				(unsigned long long)(v->size_bytes / MIB));
		j->open |= j->device[v->number][0] && nvme_is_open(j->device[v->number]);
	}
	if (strcmp(seen->state, "live") != 0)
		err_set(&j->err, -ENOTCONN,
			"%s does not answer: reads and writes wait for it (%d s at most)",
			want->address, NVME_GIVE_UP_S);
	return j->err.code ? j->err.code : 0;
}

static int run_initiator(struct nvme_job *j)
{
	struct nvme_initiator want = { 0 };
	int rv = want_initiator(j, &want, &j->err);

	if (rv < 0)
		return rv;
	for (int n = 0; n < NVME_STEPS_MAX; n++) {
		struct nvme_initiator seen = { 0 };
		struct own own = { j->r.uuid, &seen };
		enum nvme_step step;

		nvme_controllers(j->cluster, j->node, take_own, &own);
		step = nvme_initiator_next(&want, &seen);
		if (!want.there && step == NVME_IDLE)
			return 0;
		if (step == NVME_IDLE || step == NVME_WAIT)
			return find_devices(j, &want, &seen);
		log_debug("nvme", "volume=%s step=%s", j->r.name, nvme_step_name(step));
		rv = nvme_initiator_act(step, j->r.replica_uuid, &want, &seen, &j->err);
		if (rv < 0)
			return rv;
	}
	return err_set(&j->err, -EBUSY,
		       "the kernel's NVMe initiator does not become as it is to be");
}

int nvme_job_run(void *arg)
{
	struct nvme_job *j = arg;
	/* what is not wanted goes first: it may be in the way */
	int rv = shows(j) ? run_initiator(j) : run_target(j);

	if (rv == 0)
		rv = shows(j) ? run_target(j) : run_initiator(j);
	j->settled = rv == 0;
	return 0;
}

/* ---- what was left behind ---- */

struct leftovers {
	const struct nvme_sweep *sweep;
	int n;
	u8 resource[NVME_SWEEP_MAX][16];
};

static void note(struct leftovers *l, const u8 resource[16])
{
	for (size_t i = 0; i < l->sweep->n; i++)
		if (memcmp(l->sweep->defined[i], resource, 16) == 0)
			return;
	for (int i = 0; i < l->n; i++)
		if (memcmp(l->resource[i], resource, 16) == 0)
			return;
	if (l->n < NVME_SWEEP_MAX)
		memcpy(l->resource[l->n++], resource, 16);
}

static int note_subsystem(const char *name, void *arg)
{
	struct leftovers *l = arg;
	u8 resource[16];

	if (nvme_own_subsystem(name, l->sweep->cluster, l->sweep->node, resource))
		note(l, resource);
	return 0;
}

static int note_controller(const struct nvme_initiator *seen, const u8 resource[16], void *arg)
{
	note(arg, resource);
	return 0;
}

/* of initiators that were not taken off any list in time: nobody names them any more */
static int drop_host(const char *name, void *arg)
{
	char path[NVME_FILE_PATH_MAX], prefix[NVME_NAME_MAX];
	const struct nvme_sweep *s = arg;
	char uuid[UUID_TEXT_LEN + 1];

	text_uuid_format(s->cluster, uuid);
	snprintf(prefix, sizeof(prefix), NVME_PREFIX "host:%s:", uuid);
	if (strncmp(name, prefix, strlen(prefix)) != 0)
		return 0;
	nvme_path(path, NVME_TARGET_DIR "/hosts/%s", name);
	rmdir(path); /* one that is named is busy */
	return 0;
}

int nvme_sweep_run(void *arg)
{
	struct nvme_sweep *s = arg;
	struct leftovers l = { .sweep = s };
	char path[NVME_FILE_PATH_MAX];

	s->failed = 0; /* or left for another sweep */
	nvme_path(path, NVME_TARGET_DIR "/subsystems");
	nvme_each(path, note_subsystem, &l);
	nvme_controllers(s->cluster, s->node, note_controller, &l);
	for (int i = 0; i < l.n; i++) {
		struct nvme_job j = { 0 };

		memcpy(j.cluster, s->cluster, sizeof(j.cluster));
		memcpy(j.node, s->node, sizeof(j.node));
		memcpy(j.r.uuid, l.resource[i], sizeof(j.r.uuid));
		text_uuid_format(l.resource[i], j.r.name);
		nvme_job_run(&j);
		s->failed += !j.settled;
		if (j.settled)
			log_info("nvme",
				 "resource=%s is not defined here any more: taken out of the "
				 "kernel",
				 j.r.name);
		else
			log_warn("nvme", "resource=%s left in the kernel: %s", j.r.name,
				 j.err.text);
	}
	s->failed += l.n == NVME_SWEEP_MAX;
	nvme_path(path, NVME_TARGET_DIR "/hosts");
	nvme_each(path, drop_host, s);
	nvme_target_tidy();
	return 0;
}
