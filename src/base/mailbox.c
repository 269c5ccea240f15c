// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mailbox.c - a list of functions to run on a loop's thread, woken by
 * uv_async. It knows nothing of what is posted. Each letter is taken under the
 * lock and run outside of it, so a letter may post another one, or close.
 */
#include "base/mailbox.h"

#include <stdlib.h>

#define MAILBOX_BATCH_MAX 1024

struct mail {
	struct mail *next;
	void (*fn)(void *arg);
	void *arg;
};

static struct mail *take(struct mailbox *m)
{
	struct mail *mail;

	uv_mutex_lock(&m->lock);
	mail = m->head;
	if (mail) {
		m->head = mail->next;
		if (!m->head)
			m->tail = NULL;
	}
	uv_mutex_unlock(&m->lock);
	return mail;
}

static void run(struct mail *mail)
{
	mail->fn(mail->arg);
	free(mail);
}

static void deliver_all(struct mailbox *m)
{
	struct mail *mail;

	while ((mail = take(m)))
		run(mail);
}

static void on_wake(uv_async_t *async)
{
	struct mailbox *m = async->data;
	struct mail *mail;

	/* bounded, so that letters which post letters leave the loop its other events */
	for (int i = 0; i < MAILBOX_BATCH_MAX; i++) {
		mail = take(m);
		if (!mail)
			return;
		run(mail); /* may call mailbox_close, which empties the list */
	}
	if (!uv_is_closing((uv_handle_t *)async))
		uv_async_send(async);
}

int mailbox_init(struct mailbox *m, uv_loop_t *loop)
{
	int rv;

	*m = (struct mailbox){ 0 };
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
	*mail = (struct mail){ .fn = fn, .arg = arg };
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
	deliver_all(m);
	uv_mutex_destroy(&m->lock);
	if (m->closed)
		m->closed(m);
}

void mailbox_close(struct mailbox *m, void (*closed)(struct mailbox *))
{
	m->closed = closed;
	deliver_all(m);
	uv_close((uv_handle_t *)&m->async, on_closed);
}
