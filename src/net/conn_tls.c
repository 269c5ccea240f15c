// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * conn_tls.c - TLS between a conn's socket and its owner. OpenSSL reads from
 * the bytes just received and writes straight into the output queue, through a
 * BIO of our own: no copy in between. conn.c calls it with what arrived;
 * contexts and identities are tls.c's.
 */
#include <assert.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "net/conn_priv.h"

#define TLS_RECORD_SIZE (16u << 10)

static BIO_METHOD *bio_method;
static uv_once_t bio_once = UV_ONCE_INIT;

static int bio_read(BIO *bio, char *out, size_t len, size_t *ret)
{
	struct conn *c = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (c->in_len == 0) {
		BIO_set_retry_read(bio);
		return 0;
	}
	if (len > c->in_len)
		len = c->in_len;
	memcpy(out, c->in, len);
	c->in += len;
	c->in_len -= len;
	*ret = len;
	return 1;
}

static int bio_write(BIO *bio, const char *data, size_t len, size_t *ret)
{
	struct conn *c = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (queue_copy(&c->out, data, len) < 0)
		return 0;
	*ret = len;
	return 1;
}

static long bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
	return cmd == BIO_CTRL_FLUSH;
}

static void bio_make_method(void)
{
	bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "conn");
	if (!bio_method)
		abort();
	BIO_meth_set_read_ex(bio_method, bio_read);
	BIO_meth_set_write_ex(bio_method, bio_write);
	BIO_meth_set_ctrl(bio_method, bio_ctrl);
}

int conn_tls_bind(struct conn *c)
{
	BIO *bio;

	uv_once(&bio_once, bio_make_method);
	bio = BIO_new(bio_method);
	if (!bio)
		return -ENOMEM;
	BIO_set_data(bio, c);
	BIO_set_init(bio, 1);
	SSL_set_bio(c->ssl, bio, bio); /* frees those of before */
	return 0;
}

static void handshake_failed(struct conn *c, struct err *reason)
{
	err_prefix(reason, "%s", c->name);
	conn_fail(c, reason);
}

static void handshake_step(struct conn *c)
{
	struct err reason = { 0 };
	int rv;

	ERR_clear_error();
	rv = SSL_do_handshake(c->ssl);
	conn_kick(c); /* whatever came of it, there may be bytes to send */
	if (rv != 1) {
		if (SSL_get_error(c->ssl, rv) == SSL_ERROR_WANT_READ)
			return;
		tls_failure(c->ssl, &reason);
		handshake_failed(c, &reason);
		return;
	}
	if (tls_identify(c->tls, c->ssl, &c->peer, &c->alpn, &reason) < 0) {
		conn_tls_end(c);
		handshake_failed(c, &reason);
		return;
	}
	conn_opened(c);
}

int conn_tls_start(struct conn *c, SSL *ssl)
{
	if (!ssl)
		return -ENOMEM;
	c->ssl = ssl;
	if (conn_tls_bind(c) < 0)
		return -ENOMEM;
	if (c->ktls)
		ktls_watch(c->ktls, ssl);
	c->stage = CONN_HANDSHAKING;
	if (!SSL_is_server(ssl))
		handshake_step(c);
	conn_read_more(c);
	return 0;
}

/* Fills the plaintext buffer as far as records are complete. Returns the length; *ret_error is the
 * SSL_ERROR_ that stopped it, SSL_ERROR_NONE when the buffer is full. */
static size_t read_plain(struct conn *c, uint8_t *plain, int *ret_error)
{
	size_t len = 0, n;

	*ret_error = SSL_ERROR_NONE;
	while (len < CONN_READ_SIZE) {
		ERR_clear_error();
		if (SSL_read_ex(c->ssl, plain + len, CONN_READ_SIZE - len, &n) != 1) {
			*ret_error = SSL_get_error(c->ssl, 0);
			break;
		}
		len += n;
	}
	return len;
}

static void read_ended(struct conn *c, int error)
{
	struct err reason = { 0 };

	if (error == SSL_ERROR_ZERO_RETURN) {
		c->peer_ended = true;
		conn_close(c);
		return;
	}
	tls_failure(c->ssl, &reason);
	err_prefix(&reason, "%s", c->name);
	conn_fail(c, &reason);
}

/* handshake and data, until the input is used up or the owner wants no more */
static void pump(struct conn *c)
{
	uint8_t *plain = conn_scratch()->plain;

	if (c->stage == CONN_HANDSHAKING)
		handshake_step(c);
	while (c->stage == CONN_OPEN && !c->paused) {
		int error;
		size_t len = read_plain(c, plain, &error);

		/* What failed must be told after the data before it; the error queue is not
		 * touched by the owner on this thread, or if so only the words suffer. */
		if (len > 0)
			c->ops->on_data(c, plain, len, c->owner);
		if (error == SSL_ERROR_NONE)
			continue;
		if (error != SSL_ERROR_WANT_READ && c->stage == CONN_OPEN)
			read_ended(c, error);
		break;
	}
}

void conn_tls_input(struct conn *c, const uint8_t *data, size_t len)
{
	struct err reason;

	assert(c->left.len == 0);
	ktls_framer_feed(&c->framer, data, len);
	c->in = data;
	c->in_len = len;
	pump(c);
	if (c->in_len > 0 && c->stage == CONN_OPEN && buf_append(&c->left, c->in, c->in_len) < 0) {
		err_set(&reason, -ENOMEM, "%s: out of memory", c->name);
		conn_fail(c, &reason);
	}
	c->in = NULL;
	c->in_len = 0;
}

void conn_tls_resume(struct conn *c)
{
	c->in = c->left.data;
	c->in_len = c->left.len;
	pump(c);
	if (c->in_len == 0 || c->stage != CONN_OPEN)
		buf_release(&c->left);
	else
		buf_consume(&c->left, c->left.len - c->in_len);
	c->in = NULL;
	c->in_len = 0;
}

int conn_tls_ahead(struct conn *c, struct buf *ret, struct err *err)
{
	uint8_t part[4096]; /* not the scratch buffer: on_data may be looking at it */
	size_t n;
	int error;

	if (!c->in) {
		c->in = c->left.data;
		c->in_len = c->left.len;
	}
	for (;;) {
		ERR_clear_error();
		if (SSL_read_ex(c->ssl, part, sizeof(part), &n) != 1)
			break;
		if (buf_append(ret, part, n) < 0)
			return err_set(err, -ENOMEM, "out of memory");
	}
	error = SSL_get_error(c->ssl, 0);
	if (error == SSL_ERROR_ZERO_RETURN)
		return err_set(err, -ECONNRESET, "the other end has closed");
	if (error != SSL_ERROR_WANT_READ)
		return tls_failure(c->ssl, err);
	assert(c->in_len == 0);
	return 0;
}

static int encrypt(struct conn *c, const uint8_t *data, size_t len)
{
	struct err reason = { 0 };
	size_t written;

	ERR_clear_error();
	c->records += len / TLS_RECORD_SIZE + 1;
	if (c->records > CONN_REKEY_RECORDS) {
		c->records = 0;
		SSL_key_update(c->ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
	}
	if (SSL_write_ex(c->ssl, data, len, &written) != 1) {
		tls_failure(c->ssl, &reason);
		err_prefix(&reason, "%s", c->name);
		conn_fail(c, &reason);
		return -ENOTCONN;
	}
	return 0;
}

uint64_t conn_records(const struct conn *c)
{
	return c->records;
}

int conn_tls_push(struct conn *c)
{
	size_t len = c->corked_plain.len;

	if (len == 0)
		return 0;
	c->corked_plain.len = 0; /* before a failure looks at what is queued */
	return encrypt(c, c->corked_plain.data, len);
}

static int no_memory(struct conn *c)
{
	struct err reason;

	err_set(&reason, -ENOMEM, "%s: out of memory", c->name);
	conn_fail(c, &reason);
	return -ENOTCONN;
}

/* Small writes of a turn share records: each record costs its 22 bytes, a cipher's start and some
 * allocations inside OpenSSL, as much as encrypting 4 KiB does. */
static int collect(struct conn *c, const uint8_t *data, size_t len)
{
	size_t part;

	while (len > 0) {
		part = TLS_RECORD_SIZE - c->corked_plain.len;
		if (part > len)
			part = len;
		if (c->corked_plain.len == 0 && part == TLS_RECORD_SIZE) {
			part = len - len % TLS_RECORD_SIZE;
			if (encrypt(c, data, part) < 0)
				return -ENOTCONN;
		} else {
			if (buf_append(&c->corked_plain, data, part) < 0)
				return no_memory(c); /* half of it may be on its way */
			if (c->corked_plain.len == TLS_RECORD_SIZE && conn_tls_push(c) < 0)
				return -ENOTCONN;
		}
		data += part;
		len -= part;
	}
	return 0;
}

int conn_tls_write(struct conn *c, const void *data, size_t len)
{
	if (c->stage != CONN_OPEN)
		return buf_append(&c->early, data, len) < 0 ? -ENOBUFS : 0;
	if (len == 0)
		return 0;
	if (c->corked > 0)
		return collect(c, data, len);
	if (conn_tls_push(c) < 0)
		return -ENOTCONN;
	return encrypt(c, data, len);
}

void conn_keep_buffers(struct conn *c)
{
	if (c->ssl)
		SSL_clear_mode(c->ssl, SSL_MODE_RELEASE_BUFFERS);
}

void conn_tls_end(struct conn *c)
{
	if (conn_tls_push(c) < 0)
		return;
	if (SSL_is_init_finished(c->ssl))
		SSL_shutdown(c->ssl);
	ERR_clear_error();
}
