// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fence.c - a resource of which something does not hold that always must: it is
 * taken out of service, alone, with a sentence; the kernel and all other
 * resources go on. Its requests end with EIO, its links go down, opens fail,
 * nothing of its mirror is called any more; to peers it is a node that has
 * crashed. It is deleted, and made anew, like any other. Called wherever such a
 * thing is found; entered, also in the middle of a call of the core, so all but
 * the mark itself is left to the end of the section.
 */
#include "rvol.h"

void rvol_fence(struct rvol *r, const char *fmt, ...)
{
	va_list args;

	if (r->failed)
		return; /* what comes after the first is of little use */
	va_start(args, fmt);
	vsnprintf(r->why_failed, sizeof(r->why_failed), fmt, args);
	va_end(args);
	pr_err("rvol: resource=%s out of service: %s\n", r->name, r->why_failed);
	r->failed = r->changed = true;
	shortcut_close(r);
}

void fence_settle(struct rvol *r)
{
	if (!r->failed || r->fenced)
		return;
	r->fenced = true;
	r->read_token = r->cas_token = 0;
	r->wants = 0;
	r->pull_slot = REPL_NO_SLOT;
	links_end(r);
	freeze_end(r, "the resource was taken out of service");
	ios_fail(r);
}

/* An effect of a call that has met a fence: what came along with it is given back. */
void fence_effect(const struct repl_effect *e)
{
	const struct repl_msg *m = e->msg;

	switch (e->kind) {
	case REPL_SEND:
		if (e->link == REPL_LINK_LOCAL && m->buf)
			buf_get(buf_of(m->buf)); /* the core has it twice now */
		else if (m->kind == REPL_MSG_READ_DATA || m->kind == REPL_MSG_DATA)
			buf_put(buf_of(m->buf));
		break;
	case REPL_DISK_WRITE:
		if (!e->shared)
			buf_put(buf_of(e->buf));
		break;
	case REPL_BUF_DROP:
	case REPL_COMPLETE:
		buf_put(buf_of(e->buf));
		break;
	default:
		break;
	}
}
