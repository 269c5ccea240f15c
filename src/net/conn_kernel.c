// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * conn_kernel.c - the end of a conn whose stream goes on in the kernel. Keys
 * and socket options are ktls.c's; here is when it may be done, and in which
 * order: everything that can fail and be taken back comes before the kernel
 * gets the first key.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <unistd.h>

#include "net/conn_priv.h"

/* what was read with half a record behind it, twice (conn_tls.c), and what SSL holds of a record */
#define AHEAD_MAX (4 * CONN_READ_SIZE)

int conn_keep_keys(struct conn *c, const char *alpn)
{
	assert(!c->ktls);
	c->ktls = ktls_new(alpn);
	if (!c->ktls)
		return -ENOMEM;
	if (c->ssl)
		ktls_watch(c->ktls, c->ssl);
	return 0;
}

int conn_for_kernel(struct conn *c)
{
	if (!c->ssl && !c->tls)
		return -EINVAL;
	if (!c->ktls) {
		if (c->stage != CONN_CONNECTING)
			return -EINVAL;
		if (conn_keep_keys(c, NULL) < 0)
			return -ENOMEM;
	} else if (c->stage == CONN_OPEN && !ktls_has_keys(c->ktls)) {
		return -EINVAL; /* accepted, and speaks something else */
	}
	c->exact = true;
	return 0;
}

/* 0 or why it cannot be now */
static int may_go(struct conn *c, struct err *err)
{
	if (c->stage == CONN_CLOSING || c->stage == CONN_CLOSED)
		return err_set(err, -ENOTCONN, "%s: closed", c->name);
	if (!c->exact)
		return err_set(err, -EINVAL, "%s: not prepared for the kernel", c->name);
	if (c->stage != CONN_OPEN)
		return err_set(err, -EAGAIN, "%s: not open yet", c->name);
	if (c->ktls->rekeyed)
		return err_set(err, -EPROTO, "%s: the key was changed", c->name);
	if (c->out.head || c->writing || c->corked_plain.len > 0)
		return err_set(err, -EAGAIN, "%s: %zu bytes wait to be sent", c->name,
			       queue_bytes(c));
	if (!ktls_framer_between(&c->framer))
		return err_set(err, -EAGAIN, "%s: a record has arrived in part", c->name);
	return 0;
}

/* Half of it is the kernel's: neither we nor the kernel can go on. */
static int broken(struct conn *c, struct err *err)
{
	struct err reason = *err;

	err_prefix(&reason, "%s", c->name);
	c->peer_ended = true; /* an alert of ours would be encrypted twice */
	conn_fail(c, &reason);
	err->code = -ENOTCONN;
	return -ENOTCONN;
}

/* fd is ours and has its ULP; on failure it is still open */
static int give_keys(struct conn *c, int fd, struct buf *ahead, struct err *err)
{
	union ktls_crypto crypto;
	size_t len;
	int rv;

	rv = ktls_crypto(&c->ktls->tx, c->ssl, &crypto, &len, err);
	if (rv == 0)
		rv = ktls_set_tx(fd, &crypto, len, err);
	if (rv < 0)
		goto wipe;
	/* Not before: what is decrypted cannot be given back to the SSL. Not after: the key to read
	 * with goes with the number of the record after these. */
	rv = conn_tls_ahead(c, ahead, err);
	if (rv == 0 && c->ktls->rekeyed)
		rv = err_set(err, -EPROTO, "the key was changed");
	if (rv == 0)
		rv = ktls_crypto(&c->ktls->rx, c->ssl, &crypto, &len, err);
	if (rv == 0)
		rv = ktls_set_rx(fd, &crypto, len, err);
	if (rv < 0)
		rv = broken(c, err);
wipe:
	OPENSSL_cleanse(&crypto, sizeof(crypto));
	return rv;
}

/* the socket as a descriptor of its own, with the kernel's TLS on it and no keys */
static int take_socket(struct conn *c, int *ret, struct err *err)
{
	uv_os_fd_t fd;
	int own, rv;

	rv = uv_fileno(&c->h.handle, &fd);
	if (rv < 0)
		return err_set(err, rv, "no socket: %s", err_name(rv));
	own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (own < 0)
		return err_set(err, -errno, "a second descriptor: %s", err_name(-errno));
	rv = ktls_attach(own, err);
	if (rv < 0) {
		close(own);
		/* the other end has closed: nothing is left to hand over */
		return rv == -ENOTCONN ? broken(c, err) : rv;
	}
	*ret = own;
	return 0;
}

int conn_to_kernel(struct conn *c, int *ret_fd, uint8_t **ret_ahead, size_t *ret_len,
		   struct err *err)
{
	struct err local = { 0 };
	struct buf ahead;
	int fd = -1, rv;

	err = err ?: &local;
	if (c->corked == 0)
		conn_flush(c);
	rv = may_go(c, err);
	if (rv < 0)
		return rv;
	rv = take_socket(c, &fd, err);
	if (rv < 0)
		return err_prefix(err, "%s", c->name);
	buf_init(&ahead, AHEAD_MAX);
	rv = give_keys(c, fd, &ahead, err);
	if (rv < 0) {
		buf_release(&ahead);
		close(fd);
		return err_prefix(err, "%s", c->name);
	}
	*ret_fd = fd;
	*ret_ahead = ahead.data;
	*ret_len = ahead.len;
	ktls_free(c->ktls);
	c->ktls = NULL;
	c->in_len = 0;
	c->detached = true;
	conn_abort(c); /* closes its own descriptor; SSL_free says no goodbye */
	return 0;
}
