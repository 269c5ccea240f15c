// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * plane_freeze.c - freeze and thaw on their way: asked for on the main loop,
 * carried to the resource on the plane's thread, and the answer back. What they
 * do is volume_freeze.c's and kernel_freeze.c's.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "replication/plane_loop.h"

static void done_on_main(void *arg)
{
	struct plane_freeze *f = arg;

	f->cb(f->err.code, &f->err, f->arg);
	free(f);
}

void plane_freeze_done(struct plane_freeze *f, int status, const char *fmt, ...)
{
	char why[ERR_TEXT_MAX];
	va_list args;

	if (status < 0) {
		va_start(args, fmt);
		vsnprintf(why, sizeof(why), fmt, args);
		va_end(args);
		err_set(&f->err, status, "%s", why);
	} else {
		log_info("plane", "volume=%s %s", f->name, f->thaw ? "thawed" : "frozen");
	}
	mailbox_post(&f->plane->to_main, done_on_main, f);
}

static void ask_on_plane(void *arg)
{
	struct plane_freeze *f = arg;
	const struct plane_kind *kind = f->plane->kind;
	struct plane_item *i = plane_find_uuid(f->plane, f->uuid);

	if (f->err.code)
		mailbox_post(&f->plane->to_main, done_on_main, f);
	else if (!i)
		plane_freeze_done(f, -ENOENT, "this node has no resource %s", f->name);
	else if (f->thaw)
		kind->item_thaw(i, f);
	else
		kind->item_freeze(i, f);
}

static struct plane_freeze *freeze_new(struct plane *p, const char *name, const uint8_t uuid[16],
				       uint64_t token, plane_freeze_cb *cb, void *arg)
{
	struct plane_freeze *f = plane_letter(sizeof(*f));

	assert(!p->stopping);
	f->plane = p;
	snprintf(f->name, sizeof(f->name), "%s", name);
	memcpy(f->uuid, uuid, sizeof(f->uuid));
	f->token = token;
	f->cb = cb;
	f->arg = arg;
	return f;
}

void plane_freeze(struct plane *p, const char *name, const uint8_t uuid[16], uint64_t token,
		  int deadline_ms, plane_freeze_cb *cb, void *arg)
{
	struct plane_freeze *f = freeze_new(p, name, uuid, token, cb, arg);

	if (!token || deadline_ms < 1 || deadline_ms > PLANE_FREEZE_MAX_MS)
		err_set(&f->err, -E_INVALID,
			"a freeze has a token that is not 0 and takes 1 to %d ms, not %d",
			PLANE_FREEZE_MAX_MS, deadline_ms);
	f->until = clock_boot_ns() + (u64)deadline_ms * REPL_MS;
	mailbox_post(&p->to_plane, ask_on_plane, f);
}

void plane_thaw(struct plane *p, const char *name, const uint8_t uuid[16], uint64_t token,
		plane_freeze_cb *cb, void *arg)
{
	struct plane_freeze *f = freeze_new(p, name, uuid, token, cb, arg);

	f->thaw = true;
	mailbox_post(&p->to_plane, ask_on_plane, f);
}
