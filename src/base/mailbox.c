// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mailbox.c - a list of functions to run on a loop's thread, woken by
 * uv_async. It knows nothing of what is posted. The list is taken whole under
 * the lock and run outside of it, so a letter may post another one.
 */
#include "base/mailbox.h"

#include <stdbool.h>
#include <stdlib.h>

struct mail {
	struct mail *next;
	void (*fn)(void *arg);
	void *arg;
};

/* true when something ran */
static bool deliver(struct mailbox *m)
{
	struct mail *mail, *next;

	uv_mutex_lock(&m->lock);
	mail = m->head;
	m->head = m->tail = NULL;
	uv_mutex_unlock(&m->lock);
	if (!mail)
		return false;
	for (; mail; mail = next) {
		next = mail->next;
		mail->fn(mail->arg);
		free(mail);
	}
	return true;
}

static void on_wake(uv_async_t *async)
{
	struct mailbox *m = async->data;

	/* What is posted by a letter wakes us again: the loop's other events get their turn.
	 * m must not be touched after: a letter may have closed and freed it. */
	deliver(m);
}

int mailbox_init(struct mailbox *m, uv_loop_t *loop)
{
	int rv;

	*m = (struct mailbox){0};
	rv = uv_mutex_init(&m->lock);
	if (rv < 0)
		return rv;
	rv = uv_async_init(loop, &m->async, on_wake);
	if (rv < 0) {
		uv_mutex_destroy(&m->lock);
		return rv;
	}
	m->async.data = m;
	return 0;
}

void mailbox_post(struct mailbox *m, void (*fn)(void *arg), void *arg)
{
	struct mail *mail = malloc(sizeof(*mail));

	if (!mail)
		abort();
	*mail = (struct mail){.fn = fn, .arg = arg};
	uv_mutex_lock(&m->lock);
	if (m->tail)
		m->tail->next = mail;
	else
		m->head = mail;
	m->tail = mail;
	/* under the lock: after unlocking, the loop may run the letter and close the mailbox */
	uv_async_send(&m->async);
	uv_mutex_unlock(&m->lock);
}

static void on_closed(uv_handle_t *handle)
{
	struct mailbox *m = handle->data;

	/* letters that the last letters posted */
	while (deliver(m))
		;
	uv_mutex_destroy(&m->lock);
	if (m->closed)
		m->closed(m);
}

void mailbox_close(struct mailbox *m, void (*closed)(struct mailbox *))
{
	m->closed = closed;
	while (deliver(m))
		;
	uv_close((uv_handle_t *)&m->async, on_closed);
}
