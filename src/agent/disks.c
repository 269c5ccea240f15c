// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * disks.c - what block devices this node has, for the report. Called by observe.c
 * now and then, and by what has just changed one. Looking is done in libuv's pool;
 * one look at a time. The report holds the list when it is different from what
 * the leader has.
 */
#include "agent/object.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "storage/disks.h"

#define MS 1000000ull

struct look {
	uv_work_t work;
	struct agent *agent;
	json *found; /* owned */
};

static json *disk_json(const struct disk *d)
{
	json *o = json_object_new_object();

	jset_str(o, "device", d->path);
	jset_str(o, "by_id", d->by_id);
	jset_str(o, "model", d->model);
	jset_str(o, "serial", d->serial);
	jset_i64(o, "size_bytes", (int64_t)d->size_bytes);
	jset_bool(o, "rotational", d->rotational);
	jset_str(o, "content", d->content);
	jset_str(o, "reason", d->reason);
	jset_bool(o, "wipeable", d->wipeable);
	return o;
}

static void look_run(uv_work_t *work)
{
	struct look *l = (struct look *)work;
	struct disk *disks = calloc(DISKS_MAX, sizeof(*disks));
	int n;

	if (!disks)
		abort();
	n = disks_list("", disks, DISKS_MAX);
	l->found = json_object_new_array();
	for (int i = 0; i < n; i++)
		json_object_array_add(l->found, disk_json(&disks[i]));
	free(disks);
}

static void look_done(uv_work_t *work, int status)
{
	struct look *l = (struct look *)work;
	struct agent *a = l->agent;

	a->disks_busy = false;
	if (!a->closing && l->found && !json_object_equal(l->found, a->disks)) {
		json_object_put(a->disks);
		a->disks = json_object_get(l->found);
		a->disks_due = true;
		observe_changed(a);
	}
	json_object_put(l->found);
	free(l);
	agent_put(a);
}

void observe_disks(struct agent *a)
{
	struct look *l;

	if (a->disks_busy || a->closing)
		return;
	l = calloc(1, sizeof(*l));
	if (!l)
		abort();
	l->agent = a;
	a->disks_busy = true;
	a->disks_ns = clock_boot_ns() + AGENT_DISKS_MS * MS;
	agent_get(a);
	if (uv_queue_work(a->config.loop, &l->work, look_run, look_done) < 0)
		abort(); /* fails only without a function to run */
}
