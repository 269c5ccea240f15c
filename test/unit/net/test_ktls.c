// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_ktls.c - conns whose stream goes on in the kernel. Few kernels that run
 * this have TLS, so the test is the kernel (fake_ktls.h): keys and numbers are
 * right when what a conn sends can be decrypted with them, and what was
 * encrypted with them is understood by it. The real kernel is asked by
 * test/vm/case_ktls.py, and here by the last test.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/conf.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "net/conn_priv.h"
#include "unit/net/fake_ktls.h"
#include "unit/net/net_test.h"

#define BIG (1u << 20)

static const struct testpki_node node = { .name = "a", .id = 1 };
static struct tls *tls;
static struct end client, server;
static struct listener *listener;
static uint8_t *data; /* BIG random bytes */

static int try_take(struct end *e, struct taken *t, struct err *err)
{
	uint8_t *ahead;
	int rv;

	*t = (struct taken){ 0 };
	buf_init(&t->raw, 2 * BIG);
	buf_init(&t->plain, 2 * BIG);
	rv = conn_to_kernel(e->c, &t->fd, &ahead, &t->ahead, err);
	cr_assert_eq(rv, rv < 0 ? err->code : 0);
	if (rv < 0)
		return rv;
	cr_assert_eq(t->ahead == 0, ahead == NULL);
	buf_append(&t->plain, ahead, t->ahead);
	free(ahead);
	cr_expect_eq(fake.no_pad, 1);
	t->tx = fake.tx;
	t->rx = fake.rx;
	e->c = NULL;
	return 0;
}

static void take(struct end *e, struct taken *t)
{
	struct err err = { 0 };

	cr_assert_eq(try_take(e, t, &err), 0, "%s", err.text);
}

static void refused(struct end *e, int code)
{
	struct err err = { 0 };
	struct taken t;

	cr_assert_eq(try_take(e, &t, &err), code, "%s", err.text);
	cr_assert_gt(strlen(err.text), 10);
}

/* ------------------------------------------------------------------ ends -- */

static void begin(void)
{
	setup();
	tls = NULL;
	end_init(&client);
	end_init(&server);
	data = malloc(BIG);
	rand_bytes(data, BIG);
}

static void finish(void)
{
	listener_free(listener);
	uv_run(&loop, UV_RUN_DEFAULT);
	tls_free(tls);
	buf_release(&client.got);
	buf_release(&server.got);
	free(data);
	teardown();
}

TestSuite(ktls, .init = begin, .fini = finish);

/* for the contexts made from now on, both ends' */
static void only_cipher(const char *name)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/openssl.cnf", dir);
	f = fopen(path, "w");
	fprintf(f, "openssl_conf=a\n[a]\nssl_conf=b\n[b]\nsystem_default=c\n[c]\nCiphersuites=%s\n",
		name);
	fclose(f);
	cr_assert_eq(CONF_modules_load_file(path, NULL, 0), 1);
}

static bool pause_accepted;

static void on_accept(struct conn *c, void *arg)
{
	server.c = c;
	server.opened++;
	if (conn_for_kernel(c) == 0)
		cr_assert_str_eq(conn_alpn(c), ALPN_DATA);
	if (pause_accepted)
		conn_read_pause(c);
	conn_set_ops(c, &end_ops, &server);
}

static void connect_alpn(const char *alpn)
{
	struct err err = { 0 };
	int rv;

	tls = make_tls(pki, &node);
	rv = listener_tcp(&loop, "127.0.0.1", 0, tls, 10, on_accept, NULL, &listener, &err);
	cr_assert_eq(rv, 0, "%s", err.text);
	listener_for_kernel(listener, ALPN_DATA);
	client.c = conn_connect_tls(&loop, tls, alpn, "127.0.0.1", listener_port(listener),
				    &end_ops, &client);
	cr_assert_not_null(client.c);
}

static void meet(void)
{
	connect_alpn(ALPN_DATA);
	cr_assert_eq(conn_for_kernel(client.c), 0);
	WAIT(client.opened && server.opened);
}

static void send_all(struct conn *c, const uint8_t *bytes, size_t len)
{
	cr_assert_eq(conn_write(c, bytes, len), 0);
	WAIT(conn_queued(c) == 0);
}

static void expect_got(const struct buf *got, const uint8_t *bytes, size_t len)
{
	cr_assert_eq(got->len, len);
	cr_assert_eq(memcmp(got->data, bytes, len), 0);
}

/* Both ways between a conn and the kernel: a record, many, and after each other. */
static void talk(struct taken *t, struct end *e)
{
	size_t before = t->plain.len;

	buf_clear(&e->got);
	cr_assert_eq(conn_write(e->c, data, BIG), 0);
	WAIT(taken_got(t) >= before + BIG);
	cr_assert_eq(t->plain.len, before + BIG);
	cr_assert_eq(memcmp(t->plain.data + before, data, BIG), 0);
	for (size_t at = 0; at < 100000; at += 1000)
		taken_send(t, data + at, 1000);
	WAIT(e->got.len >= 100000);
	expect_got(&e->got, data, 100000);
	buf_clear(&e->got);
}

/* the kernel's end goes without a goodbye, as nothing but the kernel could send one now */
static void part(struct taken *t, struct end *e)
{
	taken_close(t);
	WAIT(e->closed);
	cr_expect_eq(e->reason.code, -ECONNRESET, "%s", e->reason.text);
}

/* ---------------------------------------------------------------- framer -- */

/* A stream of records in random pieces: want never crosses the end of one; all ends are seen. */
Test(ktls, framer)
{
	static const size_t sizes[] = { 1, 0, 300, 16401, 17, 65535, 0, 0, 5 };
	struct ktls_framer f = { 0 };
	uint8_t *stream = calloc(1, 100000);
	size_t ends[16], n = 0, len = 0, pos = 0, want;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		stream[len + 3] = (uint8_t)(sizes[i] >> 8);
		stream[len + 4] = (uint8_t)sizes[i];
		len += 5 + sizes[i];
		ends[n++] = len;
	}
	for (size_t at = 0, i = 0; at < len; at += want) { /* as an exact conn reads */
		want = ktls_framer_want(&f);
		cr_assert(want > 0 && at + want <= ends[i]);
		ktls_framer_feed(&f, stream + at, want);
		cr_assert_eq(ktls_framer_between(&f), at + want == ends[i]);
		i += at + want == ends[i];
	}
	for (size_t i = 0, part; pos < len; pos += part) {
		part = 1 + (size_t)rand() % 3000;
		part = part < len - pos ? part : len - pos;
		ktls_framer_feed(&f, stream + pos, part);
		while (i < n && ends[i] < pos + part)
			i++;
		cr_assert_eq(ktls_framer_between(&f), ends[i] == pos + part);
	}
	ktls_framer_feed(&f, stream, len);
	cr_assert(ktls_framer_between(&f));
	free(stream);
}

/* ------------------------------------------------------------- handing on -- */

static void hand_over(const char *cipher, bool of_server)
{
	struct end *gone = of_server ? &server : &client, *stays = of_server ? &client : &server;
	struct taken t;

	if (cipher)
		only_cipher(cipher);
	meet();
	if (cipher)
		cr_assert_str_eq(SSL_get_cipher_name(gone->c->ssl), cipher);
	for (int i = 0; i < 7; i++) { /* so that the two ways have different numbers */
		send_all(gone->c, data, 100);
		send_all(stays->c, data, 2 * RECORD);
	}
	WAIT(gone->got.len == 14 * RECORD && stays->got.len == 700);
	take(gone, &t);
	cr_expect_eq(t.ahead, 0);
	cr_expect_eq(t.tx.seq, 7);
	cr_expect_eq(t.rx.seq, 14);
	talk(&t, stays);
	talk(&t, stays);
	cr_expect_eq(gone->closed, 0, "called back after it was gone");
	part(&t, stays);
}

Test(ktls, a_client)
{
	hand_over(NULL, false);
}

Test(ktls, a_server)
{
	hand_over(NULL, true);
}

Test(ktls, aes128_client)
{
	hand_over("TLS_AES_128_GCM_SHA256", false);
}

Test(ktls, aes128_server)
{
	hand_over("TLS_AES_128_GCM_SHA256", true);
}

Test(ktls, aes256_client)
{
	hand_over("TLS_AES_256_GCM_SHA384", false);
}

Test(ktls, chacha_client)
{
	hand_over("TLS_CHACHA20_POLY1305_SHA256", false);
}

Test(ktls, chacha_server)
{
	hand_over("TLS_CHACHA20_POLY1305_SHA256", true);
}

/* before the first record of either way, with the last message of the handshake still unsent */
Test(ktls, at_once)
{
	struct taken c, s;

	meet();
	take(&client, &c);
	take(&server, &s);
	cr_expect_eq(c.tx.seq + c.rx.seq + s.tx.seq + s.rx.seq, 0);
	for (int i = 1; i <= 10; i++) {
		taken_send(&c, data, 4096);
		taken_send(&s, data, 4096);
		WAIT(taken_got(&c) == 4096u * (unsigned int)i);
		WAIT(taken_got(&s) == 4096u * (unsigned int)i);
	}
	uv_run(&loop, UV_RUN_NOWAIT);
	cr_expect_eq(client.closed + server.closed, 0);
	taken_close(&c);
	taken_close(&s);
}

Test(ktls, after_a_move)
{
	struct conn_parcel *p;
	struct taken t;

	meet();
	send_all(client.c, data, 1000);
	WAIT(server.got.len == 1000);
	p = conn_detach(server.c);
	cr_assert_not_null(p);
	server.c = conn_attach(&loop, p, &end_ops, &server);
	send_all(client.c, data, 1000);
	WAIT(server.got.len == 2000);
	take(&server, &t);
	cr_expect_eq(t.rx.seq, 2);
	talk(&t, &client);
	part(&t, &client);
	/* and a parcel with keys that nobody takes */
	client.closed = client.opened = server.opened = 0;
	client.c = conn_connect_tls(&loop, tls, ALPN_DATA, "127.0.0.1", listener_port(listener),
				    &end_ops, &client);
	WAIT(client.opened && server.opened);
	conn_parcel_free(conn_detach(server.c));
	WAIT(client.closed);
}

/* Records that are no data count as well: session tickets, if somebody switched them on. */
Test(ktls, tickets_count)
{
	struct taken t;

	meet();
	cr_assert_eq(SSL_new_session_ticket(server.c->ssl), 1);
	send_all(server.c, data, 1000);
	WAIT(client.got.len == 1000);
	send_all(server.c, data, 1000);
	WAIT(client.got.len == 2000);
	cr_expect_eq(server.c->ktls->tx.records, 3);
	take(&client, &t);
	cr_expect_eq(t.rx.seq, 3);
	talk(&t, &server);
	part(&t, &server);
}

/* ------------------------------------------------------------ what is read -- */

static void on_data_pause(struct conn *c, const uint8_t *bytes, size_t len, void *owner)
{
	end_ops.on_data(c, bytes, len, owner);
	conn_read_pause(c);
}

static struct conn_ops ops;

Test(ktls, nothing_behind_the_record_is_read)
{
	struct taken t;
	int waiting = 0;
	uv_os_fd_t fd;

	meet();
	ops = end_ops;
	ops.on_data = on_data_pause;
	conn_set_ops(client.c, &ops, &client);
	for (int i = 0; i < 3; i++)
		send_all(server.c, data + i * 1000, 1000);
	WAIT(client.got.len > 0);
	run_for(20);
	cr_expect_eq(client.got.len, 1000);
	cr_assert_eq(uv_fileno(&client.c->h.handle, &fd), 0);
	cr_assert_eq(ioctl(fd, FIONREAD, &waiting), 0);
	cr_expect_eq(waiting, 2 * (1000 + OVERHEAD));
	take(&client, &t);
	cr_expect_eq(t.ahead, 0);
	WAIT(taken_got(&t) == 2000);
	expect_got(&t.plain, data + 1000, 2000);
	part(&t, &server);
}

Test(ktls, not_within_a_record)
{
	uint8_t record[1000 + OVERHEAD];
	static const size_t cuts[] = { 1, 4, 5, 6, sizeof(record) - 1 };
	struct taken t, c;

	meet();
	take(&server, &t);
	fake.ulp = false;
	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		seal(&t.tx, data, 1000, record);
		cr_assert_eq(write(t.fd, record, cuts[i]), (ssize_t)cuts[i]);
		run_for(10);
		refused(&client, -EAGAIN);
		cr_expect_eq(client.got.len, 0);
		cr_assert_gt(write(t.fd, record + cuts[i], sizeof(record) - cuts[i]), 0);
		WAIT(client.got.len > 0);
		expect_got(&client.got, data, 1000);
		buf_clear(&client.got);
	}
	take(&client, &c);
	taken_close(&c);
	taken_close(&t);
}

/* An accepted conn may have read on behind the handshake: that comes along decrypted. */
Test(ktls, ahead)
{
	struct taken t;

	pause_accepted = true;
	connect_alpn(ALPN_DATA);
	cr_assert_eq(conn_write(client.c, data, 40000), 0);
	WAIT(client.opened && server.opened && conn_queued(client.c) == 0);
	run_for(20);
	cr_assert_gt(server.c->left.len, 40000, "one read takes both, or the test is of no use");
	take(&server, &t);
	cr_expect_eq(t.ahead, 40000);
	expect_got(&t.plain, data, 40000);
	cr_expect_eq(t.rx.seq, 3);
	talk(&t, &client);
	part(&t, &client);
}

static struct taken in_callback;
static int tries;

static void on_data_take(struct conn *c, const uint8_t *bytes, size_t len, void *owner)
{
	struct err err = { 0 };

	end_ops.on_data(c, bytes, len, owner);
	tries++;
	if (try_take(&server, &in_callback, &err) == 0)
		return;
	cr_assert_eq(err.code, -EAGAIN, "%s", err.text);
	conn_read_pause(c);
	refused(&server, -EAGAIN); /* the rest of the record is in the socket */
	conn_read_resume(c);
}

/* so much that the read ends within a record; handed over from within on_data */
Test(ktls, ahead_ends_within_a_record)
{
	pause_accepted = true;
	connect_alpn(ALPN_DATA);
	cr_assert_eq(conn_write(client.c, data, BIG), 0);
	WAIT(server.opened);
	run_for(50);
	cr_assert(!ktls_framer_between(&server.c->framer), "the test is of no use");
	refused(&server, -EAGAIN);
	ops = end_ops;
	ops.on_data = on_data_take;
	conn_set_ops(server.c, &ops, &server);
	conn_read_resume(server.c);
	WAIT(!server.c);
	cr_expect_geq(tries, 2);
	cr_expect_lt(server.got.len, BIG / 2);
	WAIT(server.got.len + taken_got(&in_callback) >= BIG);
	cr_assert_eq(memcmp(server.got.data, data, server.got.len), 0);
	cr_assert_eq(memcmp(in_callback.plain.data, data + server.got.len, in_callback.plain.len),
		     0);
	cr_expect_eq(server.closed, 0);
	part(&in_callback, &client);
}

/* ----------------------------------------------------------------- limits -- */

Test(ktls, not_before_all_is_sent)
{
	struct taken t;

	meet();
	conn_read_pause(client.c);
	for (int i = 0; i < 16; i++)
		cr_assert_eq(conn_write(server.c, data, BIG), 0);
	refused(&server, -EAGAIN);
	run_for(20);
	refused(&server, -EAGAIN);
	conn_read_resume(client.c);
	WAIT(client.got.len == 16 * BIG);
	for (int i = 0; i < 16; i++)
		cr_assert_eq(memcmp(client.got.data + i * BIG, data, BIG), 0);
	buf_release(&client.got);
	conn_cork(server.c);
	conn_write(server.c, data, 10);
	refused(&server, -EAGAIN);
	conn_uncork(server.c);
	cr_assert_eq(conn_write(server.c, data, 10), 0); /* is flushed by the call itself */
	take(&server, &t);
	cr_expect_eq(t.tx.seq, 16 * (BIG / RECORD) + 2);
	WAIT(client.got.len == 20);
	talk(&t, &client);
	part(&t, &client);
}

static void still_works(void)
{
	send_all(client.c, data, 1000);
	send_all(server.c, data, 1000);
	WAIT(server.got.len == 1000 && client.got.len == 1000);
	buf_clear(&client.got);
	buf_clear(&server.got);
}

Test(ktls, kernels_without)
{
	struct taken t;

	meet();
	fake.fail_ulp = ENOENT;
	refused(&client, -EOPNOTSUPP);
	still_works();
	fake.fail_ulp = ENOPROTOOPT;
	refused(&client, -EOPNOTSUPP);
	still_works();
	fake.fail_ulp = 0;
	fake.fail_tx = ENOENT;
	refused(&client, -EOPNOTSUPP);
	still_works();
	fake.fail_tx = EINVAL;
	refused(&client, -EOPNOTSUPP);
	still_works();
	fake.fail_tx = ENOMEM;
	refused(&client, -ENOMEM);
	still_works();
	fake.fail_tx = 0;
	take(&client, &t);
	talk(&t, &server);
	part(&t, &server);
}

Test(ktls, half_handed_over)
{
	meet();
	fake.fail_rx = ENOMEM;
	refused(&client, -ENOTCONN);
	cr_expect_eq(client.closed, 0, "called back from within");
	WAIT(client.closed && server.closed);
	cr_expect_eq(client.reason.code, -ENOMEM);
	cr_expect_eq(strncmp(client.reason.text, "127.0.0.1:", 10), 0, "%s", client.reason.text);
}

Test(ktls, the_other_end_has_closed)
{
	pause_accepted = true;
	connect_alpn(ALPN_DATA);
	cr_assert_eq(conn_write(client.c, data, 1000), 0);
	WAIT(server.opened && client.opened && conn_queued(client.c) == 0);
	fake.fail_ulp = ENOTCONN;
	refused(&server, -ENOTCONN);
	WAIT(server.closed && client.closed);
	cr_expect_eq(server.reason.code, -ENOTCONN);
}

static void rekey(struct end *by, struct end *other)
{
	meet();
	cr_assert_eq(SSL_key_update(by->c->ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
	send_all(by->c, data, 1000);
	WAIT(other->got.len == 1000);
	buf_clear(&other->got);
	refused(&client, -EPROTO);
	refused(&server, -EPROTO);
	still_works();
	conn_close(client.c);
	WAIT(client.closed && server.closed);
	cr_expect_eq(server.reason.code, 0, "%s", server.reason.text);
}

Test(ktls, rekeyed_by_the_server)
{
	rekey(&server, &client);
}

Test(ktls, rekeyed_by_the_client)
{
	rekey(&client, &server);
}

/* a KeyUpdate among what was read ahead: found when it is too late to go on */
Test(ktls, rekeyed_ahead)
{
	uint8_t raw[4096];
	uv_os_fd_t fd;
	ssize_t n;

	meet();
	conn_read_pause(server.c);
	cr_assert_eq(SSL_key_update(client.c->ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
	send_all(client.c, data, 10);
	run_for(20);
	cr_assert_eq(uv_fileno(&server.c->h.handle, &fd), 0);
	n = read(fd, raw, sizeof(raw)); /* as if it had been read behind the handshake */
	cr_assert_gt(n, 0);
	ktls_framer_feed(&server.c->framer, raw, (size_t)n);
	buf_append(&server.c->left, raw, (size_t)n);
	refused(&server, -ENOTCONN);
	WAIT(server.closed && client.closed);
	cr_expect_eq(server.reason.code, -EPROTO, "%s", server.reason.text);
}

Test(ktls, only_if_asked_in_time)
{
	int fds[2];
	struct conn *c;

	connect_alpn(ALPN_RAFT); /* the listener was told ALPN_DATA */
	WAIT(client.opened && server.opened);
	cr_expect_eq(conn_for_kernel(client.c), -EINVAL);
	cr_expect_eq(conn_for_kernel(server.c), -EINVAL);
	cr_expect_null(client.c->ktls);
	cr_expect(!server.c->exact && !ktls_has_keys(server.c->ktls));
	for (size_t i = 0; i < sizeof(struct ktls_way); i++)
		cr_assert_eq(((const uint8_t *)&server.c->ktls->tx.secret)[i % KTLS_SECRET_MAX], 0);
	refused(&client, -EINVAL);
	refused(&server, -EINVAL);
	conn_close(client.c);
	WAIT(client.closed && server.closed);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	end_init(&client);
	c = client.c = conn_from_fd(&loop, fds[0], &end_ops, &client);
	cr_expect_eq(conn_for_kernel(c), -EINVAL);
	refused(&client, -EINVAL);
	conn_close(c);
	refused(&client, -ENOTCONN);
	close(fds[1]);
	WAIT(client.closed);
}

Test(ktls, not_before_open)
{
	connect_alpn(ALPN_DATA);
	cr_assert_eq(conn_for_kernel(client.c), 0);
	cr_assert_eq(conn_for_kernel(client.c), 0);
	refused(&client, -EAGAIN);
	WAIT(client.opened && server.opened);
	still_works();
	conn_abort(client.c);
	refused(&client, -ENOTCONN);
	WAIT(client.closed && server.closed);
}

/* ------------------------------------------------------------ the real one -- */

static void move_bytes(int from, int to, size_t len)
{
	uint8_t *in = malloc(len);
	size_t n = 0;
	ssize_t rv;

	cr_assert_eq(write(from, data, len), (ssize_t)len);
	for (; n < len; n += (size_t)rv) {
		rv = read(to, in + n, len - n);
		cr_assert_gt(rv, 0, "%s", strerror(errno));
	}
	cr_assert_eq(memcmp(in, data, len), 0);
	free(in);
}

Test(ktls, real)
{
	struct err err = { 0 };
	uint8_t *ahead;
	size_t len;
	int fds[2], rv;

	fake.real = true;
	meet();
	rv = conn_to_kernel(client.c, &fds[0], &ahead, &len, &err);
	if (rv == -EOPNOTSUPP) {
		still_works();
		conn_close(client.c);
		WAIT(client.closed && server.closed);
		finish(); /* which a skipped test does not get */
		cr_skip_test("%s", err.text);
	}
	cr_assert_eq(rv, 0, "%s", err.text);
	cr_assert_eq(conn_to_kernel(server.c, &fds[1], &ahead, &len, &err), 0, "%s", err.text);
	for (int i = 0; i < 2; i++)
		fcntl(fds[i], F_SETFL, 0);
	for (int i = 0; i < 100; i++) {
		move_bytes(fds[0], fds[1], 4096);
		move_bytes(fds[1], fds[0], 4096);
	}
	close(fds[0]);
	close(fds[1]);
	uv_run(&loop, UV_RUN_NOWAIT);
}
