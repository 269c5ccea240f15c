// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * refetch.c - regions of a copy that are wrong are made unknown in its metadata, while it is not
 * attached and in no set, so that it fetches them when it catches up (model/refetch.h). Called by
 * run.c. Repeatable: after a crash it is done again.
 */
#include "agent/object.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "replication/meta_file.h"

struct voiding {
	uv_work_t work;
	struct agent_object *object; /* busy, so it stays */
	struct refetch what;
	char *path[VOLUMES_PER_RESOURCE_MAX]; /* by number; NULL: no such volume here */
	refetch_done done;
	int status;
	struct err err;
};

static int void_volume(struct voiding *w, int number)
{
	uint32_t region[REFETCH_MAX];
	uint32_t n = 0;
	int fd, rv;

	for (int i = 0; i < w->what.n; i++) {
		if (w->what.at[i].number == number)
			region[n++] = w->what.at[i].region;
	}
	if (n == 0 && !w->what.whole)
		return 0;
	fd = open(w->path[number], O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return err_set(&w->err, -errno, "%s: %s", w->path[number], err_name(-errno));
	rv = meta_file_void(fd, region, n, w->what.whole, &w->err);
	close(fd);
	return rv;
}

static void run(uv_work_t *work)
{
	struct voiding *w = (struct voiding *)work;

	for (int i = 0; i < VOLUMES_PER_RESOURCE_MAX && w->status == 0; i++) {
		if (w->path[i])
			w->status = void_volume(w, i);
	}
}

static void on_run(uv_work_t *work, int status)
{
	struct voiding *w = (struct voiding *)work;
	struct agent_object *o = w->object;

	if (status == UV_ECANCELED)
		w->status = err_set(&w->err, -ECANCELED, "the daemon is stopping");
	if (w->status == 0) {
		log_info("agent", "resource=%s %s%d regions are to be fetched again", o->name,
			 w->what.whole ? "all; " : "", w->what.n);
		/* something else may be wanted by now */
		o->replica.voided = refetch_same(&w->what, &o->refetch);
	}
	w->done(o, w->status, w->err.text);
	for (int i = 0; i < VOLUMES_PER_RESOURCE_MAX; i++)
		free(w->path[i]);
	free(w);
}

void refetch_prepare(struct agent_object *o, refetch_done done)
{
	struct voiding *w = calloc(1, sizeof(*w));

	if (!w)
		abort();
	w->object = o;
	w->what = o->refetch;
	w->done = done;
	for (int i = 0; i < o->n_volumes; i++) {
		const struct agent_volume *v = o->volume[i];

		if (!v->wanted || !v->plan.made || !v->meta_path)
			continue;
		w->path[v->number] = strdup(v->meta_path);
		if (!w->path[v->number])
			abort();
	}
	if (uv_queue_work(o->agent->config.loop, &w->work, run, on_run) < 0)
		abort(); /* fails only without a function to run */
}
