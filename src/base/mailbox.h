/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mailbox.h - the only way for one loop's thread to speak to another's: post a
 * function to be run there. Order is kept. Bounded by what callers post.
 */
#ifndef SDSD_BASE_MAILBOX_H
#define SDSD_BASE_MAILBOX_H

#include <uv.h>

struct mailbox {
	uv_async_t async;
	uv_mutex_t lock;
	struct mail *head, *tail; /* lock */
	void (*closed)(struct mailbox *);
};

/* on the loop's thread, before anybody posts */
int mailbox_init(struct mailbox *m, uv_loop_t *loop);
/* any thread; runs fn(arg) on the loop's thread soon. Aborts on no memory. */
void mailbox_post(struct mailbox *m, void (*fn)(void *arg), void *arg);
/* on the loop's thread; runs what is left, then closes; closed may be NULL */
void mailbox_close(struct mailbox *m, void (*closed)(struct mailbox *));

#endif
