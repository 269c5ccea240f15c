// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * plan.c - decides the next step for one object. Called by run.c whenever
 * something about the object has changed. No clock, no I/O, no memory: the
 * table in test_plan.c runs through all of it.
 */
#include "agent/plan.h"

/* What attaches last: the plane has, or gets, the present resource and peers. */
static enum plan_step attach(const struct plan_replica *r)
{
	if (r->plane && r->plane_stamp == r->stamp)
		return PLAN_IDLE;
	if (!r->plane && r->name_held)
		return PLAN_WAIT;
	return PLAN_PLANE_SET;
}

/* Who has the volume open goes on with the other copies; a failed one is not tried meanwhile. */
static enum plan_step quarantine(const struct plan_replica *r)
{
	if (!r->plane)
		return PLAN_WAIT;
	return r->open ? attach(r) : PLAN_PLANE_REMOVE;
}

/* What is wrong is made unknown in the metadata of all its volumes. */
static enum plan_step refetch(const struct plan_replica *r, const struct plan_volume *v, int n,
			      int *ret_volume)
{
	for (int i = 0; i < n && !r->diskless; i++) {
		if (!v[i].made || v[i].files)
			continue;
		*ret_volume = i;
		return v[i].failed ? PLAN_WAIT : PLAN_LOCATE;
	}
	return r->voided ? PLAN_REPORT_VOIDED : PLAN_VOID;
}

/* Its writer takes a member out of the set first: nobody has to find out that it is gone. */
static enum plan_step deactivate(const struct plan_replica *r, const struct plan_volume *v, int n,
				 int *ret_volume)
{
	if (r->member) /* a member without a stamp would be taken for right (protocol.md, V8) */
		return PLAN_WAIT;
	if (r->plane)
		return PLAN_PLANE_REMOVE;
	return r->refetch ? refetch(r, v, n, ret_volume) : PLAN_WAIT;
}

static enum plan_step make(const struct plan_replica *r, const struct plan_volume *v)
{
	/* not made yet and to go: the files would only have to be removed again */
	if (r->deleting)
		return PLAN_WAIT;
	if (!v->files) {
		if (v->leftover_here)
			return PLAN_WAIT;
		/* The mark outlives a stale store: what was made once and is gone was lost, and
		 * empty files in its place would pass for the lost content. */
		return v->marked ? PLAN_LOCATE : PLAN_CREATE;
	}
	return v->reported ? PLAN_WAIT : PLAN_REPORT_CREATED;
}

static enum plan_step volume_next(const struct plan_replica *r, const struct plan_volume *v)
{
	if (!v->made)
		return make(r, v);
	if (!v->files)
		return PLAN_LOCATE;
	return v->small && !r->deleting ? PLAN_GROW : PLAN_IDLE;
}

/* Before anything else, as the plane tries its disk again by itself, open or not. */
static bool is_doubted(const struct plan_volume *v, int n, int *ret_volume)
{
	for (int i = 0; i < n; i++) {
		if (!v[i].made || !v[i].files || !v[i].doubted || v[i].failed)
			continue;
		*ret_volume = i;
		return true;
	}
	return false;
}

enum plan_step plan_replica_next(const struct plan_replica *r, const struct plan_volume *v, int n,
				 int *ret_volume)
{
	bool all_there = true;

	if (!r->wanted)
		return r->plane ? PLAN_PLANE_REMOVE : PLAN_FORGET;
	if (is_doubted(v, n, ret_volume))
		return PLAN_LOCATE;
	if (r->inactive && !r->open)
		return deactivate(r, v, n, ret_volume);
	if (r->quarantined)
		return quarantine(r);
	if (r->failing)
		return PLAN_REPORT_FAILED;
	if (n == 0)
		return PLAN_WAIT;
	if (r->diskless)
		return attach(r);
	for (int i = 0; i < n; i++) {
		enum plan_step step = volume_next(r, &v[i]);

		all_there &= v[i].made && v[i].files;
		if (step == PLAN_IDLE || step == PLAN_WAIT || v[i].failed)
			continue;
		*ret_volume = i;
		return step;
	}
	if (!all_there && !r->plane)
		return PLAN_WAIT;
	return attach(r);
}

enum plan_step plan_leftover_next(const struct plan_leftover *l)
{
	if (!l->wanted)
		return PLAN_FORGET;
	if (!l->removed)
		return l->in_use ? PLAN_WAIT : PLAN_REMOVE_FILES;
	return l->reported ? PLAN_WAIT : PLAN_LEFTOVER_DONE;
}

const char *plan_step_name(enum plan_step s)
{
	static const char *const names[PLAN_STEPS] = {
		[PLAN_IDLE] = "idle",
		[PLAN_WAIT] = "wait",
		[PLAN_CREATE] = "create",
		[PLAN_REPORT_FAILED] = "report-failed",
		[PLAN_VOID] = "void",
		[PLAN_REPORT_VOIDED] = "report-voided",
		[PLAN_REPORT_CREATED] = "report-created",
		[PLAN_LOCATE] = "locate",
		[PLAN_GROW] = "grow",
		[PLAN_PLANE_SET] = "plane-set",
		[PLAN_PLANE_REMOVE] = "plane-remove",
		[PLAN_REMOVE_FILES] = "remove-files",
		[PLAN_LEFTOVER_DONE] = "leftover-done",
		[PLAN_FORGET] = "forget",
	};

	return names[s];
}
