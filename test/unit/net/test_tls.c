// SPDX-License-Identifier: GPL-2.0-or-later
/* test_tls.c - files that are refused, and who may talk to whom over TLS. */
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/fs.h"
#include "unit/net/net_test.h"

TestSuite(tls, .init = setup, .fini = teardown);

static const struct testpki_node node_a = { .name = "a", .id = 1 };
static const struct testpki_node node_b = { .name = "b", .id = 2 };

/* what came of one connection */
static struct end client, server;
static struct listener *listener;

static void on_accept(struct conn *c, void *arg)
{
	server.c = c;
	server.opened++;
	conn_set_ops(c, &end_ops, &server);
}

/* connects client to a listener of server and waits until both are open or it has failed */
static void meet(struct tls *server_tls, struct tls *client_tls, const char *alpn)
{
	struct err err = { 0 };

	end_init(&client);
	end_init(&server);
	cr_assert_eq(listener_tcp(&loop, "127.0.0.1", 0, server_tls, 10, on_accept, NULL, &listener,
				  &err),
		     0, "%s", err.text);
	client.c = conn_connect_tls(&loop, client_tls, alpn, "127.0.0.1", listener_port(listener),
				    &end_ops, &client);
	cr_assert_not_null(client.c);
	WAIT((client.opened && server.opened) || client.closed);
	/* a refusal by the server comes after the client's own handshake */
	run_for(50);
}

static void part(void)
{
	if (client.c)
		conn_close(client.c);
	if (server.c)
		conn_close(server.c);
	listener_free(listener);
	uv_run(&loop, UV_RUN_DEFAULT);
	buf_release(&client.got);
	buf_release(&server.got);
}

Test(tls, identities)
{
	struct tls *a = make_tls(pki, &node_a), *b = make_tls(pki, &node_b);
	static const char *const alpns[] = { ALPN_RAFT, ALPN_DATA, ALPN_HTTP, ALPN_JOIN };

	for (size_t i = 0; i < sizeof(alpns) / sizeof(alpns[0]); i++) {
		meet(a, b, alpns[i]);
		cr_assert_eq(server.opened, 1, "%s: %s", alpns[i], client.reason.text);
		cr_expect_str_eq(conn_peer(server.c)->node, "b");
		cr_expect_eq(conn_peer(server.c)->node_id, 2);
		cr_expect_str_eq(conn_peer(server.c)->cluster, CLUSTER);
		cr_expect_eq(strlen(conn_peer(server.c)->fingerprint), TLS_FINGERPRINT_LEN);
		cr_expect_str_eq(conn_alpn(server.c), alpns[i]);
		cr_expect_str_eq(conn_peer(client.c)->node, "a");
		cr_expect_eq(conn_peer(client.c)->node_id, 1);
		cr_expect_str_eq(conn_alpn(client.c), alpns[i]);
		part();
		cr_expect_eq(client.reason.code, 0, "%s", client.reason.text);
		cr_expect_eq(server.reason.code, 0, "%s", server.reason.text);
	}
	tls_free(a);
	tls_free(b);
}

Test(tls, another_ca)
{
	struct testpki *other = testpki_new(CLUSTER);
	struct tls *a = make_tls(pki, &node_a), *b = make_tls(other, &node_b);

	meet(a, b, ALPN_RAFT);
	cr_expect_eq(server.opened, 0);
	cr_expect_eq(client.closed, 1);
	cr_expect_eq(client.reason.code, -E_DENIED);
	cr_expect_not_null(strstr(client.reason.text, "not signed by this cluster's CA"), "%s",
			   client.reason.text);
	part();
	tls_free(a);
	tls_free(b);
	testpki_free(other);
}

Test(tls, another_cluster)
{
	struct testpki_node stranger = { .name = "b", .id = 2 };
	struct tls *a = make_tls(pki, &node_a), *b;

	stranger.uri = "sdsd://00000000-0000-4000-8000-000000000000/2";
	b = make_tls(pki, &stranger);
	meet(a, b, ALPN_RAFT);
	cr_expect_eq(server.opened, 0);
	cr_expect_eq(client.closed, 1);
	cr_expect_eq(client.reason.code, -E_DENIED);
	cr_expect_not_null(strstr(client.reason.text, "belongs to cluster " CLUSTER), "%s",
			   client.reason.text);
	part();
	tls_free(a);
	tls_free(b);
}

Test(tls, unknown_alpn)
{
	struct tls *a = make_tls(pki, &node_a), *b = make_tls(pki, &node_b);

	meet(a, b, "sdsd-raft/2");
	cr_expect_eq(server.opened, 0);
	cr_expect_eq(client.closed, 1);
	cr_expect_eq(client.reason.code, -EPROTO);
	cr_expect_not_null(strstr(client.reason.text, "ALPN"), "%s", client.reason.text);
	part();
	tls_free(a);
	tls_free(b);
}

/* the only way in without a certificate is ALPN_JOIN with the right fingerprint */
Test(tls, join)
{
	char fingerprint[TLS_FINGERPRINT_LEN + 1];
	struct tls *a = make_tls(pki, &node_a), *join;

	testpki_fingerprint(pki, fingerprint);
	join = tls_new_join(fingerprint, NULL);
	cr_assert_not_null(join);
	meet(a, join, ALPN_JOIN);
	cr_assert_eq(server.opened, 1, "%s", client.reason.text);
	cr_expect_str_eq(conn_peer(server.c)->node, "");
	cr_expect_eq(conn_peer(server.c)->node_id, 0);
	cr_expect_str_eq(conn_peer(client.c)->node, "a");
	part();

	meet(a, join, ALPN_RAFT);
	cr_expect_eq(server.opened, 0);
	cr_expect_eq(client.closed, 1);
	cr_expect_eq(client.reason.code, -E_DENIED);
	cr_expect_not_null(strstr(client.reason.text, "no certificate"), "%s", client.reason.text);
	part();
	tls_free(join);

	fingerprint[0] = fingerprint[0] == '0' ? '1' : '0';
	join = tls_new_join(fingerprint, NULL);
	meet(a, join, ALPN_JOIN);
	cr_expect_eq(server.opened, 0);
	cr_expect_eq(client.reason.code, -E_DENIED);
	cr_expect_not_null(strstr(client.reason.text, "fingerprint"), "%s", client.reason.text);
	part();
	tls_free(join);
	tls_free(a);
}

/* a server context made by hand: leaf and key of one CA, but another CA's certificate along */
static SSL_CTX *forged_server(const char *cert, const char *key, const char *ca_pem)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	BIO *bio = BIO_new_file(ca_pem, "r");
	X509 *ca = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	BIO_free(bio);
	cr_assert_not_null(ca);
	cr_assert_eq(SSL_CTX_use_certificate_file(ctx, cert, SSL_FILETYPE_PEM), 1);
	cr_assert_eq(SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM), 1);
	cr_assert_eq(SSL_CTX_add_extra_chain_cert(ctx, ca), 1);
	return ctx;
}

static void carry(SSL *from, SSL *to)
{
	char bytes[65536];
	int n;

	while ((n = BIO_read(SSL_get_wbio(from), bytes, sizeof(bytes))) > 0)
		BIO_write(SSL_get_rbio(to), bytes, n);
}

/* The chain carries the CA that the token names, but that CA did not sign the leaf. */
Test(tls, join_with_a_borrowed_ca)
{
	char fingerprint[TLS_FINGERPRINT_LEN + 1], ca_pem[64], cert[64], key[64], true_ca[64];
	struct testpki *other = testpki_new(CLUSTER);
	struct buf text;
	struct tls *join;
	SSL_CTX *ctx;
	SSL *c, *s;

	snprintf(ca_pem, sizeof(ca_pem), "%s/ca.pem", dir);
	snprintf(true_ca, sizeof(true_ca), "%s/true.pem", dir);
	snprintf(cert, sizeof(cert), "%s/node.pem", dir);
	snprintf(key, sizeof(key), "%s/node.key", dir);
	buf_init(&text, 65536);
	testpki_write(pki, dir, &node_a);
	cr_assert_eq(fs_read(ca_pem, &text, NULL), 0);
	cr_assert_eq(fs_write(true_ca, text.data, text.len, 0600, NULL), 0);
	testpki_write(other, dir, &node_a);
	testpki_fingerprint(pki, fingerprint);
	join = tls_new_join(fingerprint, NULL);
	for (int forged = 0; forged < 2; forged++) {
		if (!forged)
			testpki_write(pki, dir, &node_a);
		else
			testpki_write(other, dir, &node_a);
		ctx = forged_server(cert, key, true_ca);
		c = tls_client_ssl(join, ALPN_JOIN);
		s = SSL_new(ctx);
		SSL_set_bio(s, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
		SSL_set_accept_state(s);
		for (int i = 0; i < 4; i++) {
			SSL_do_handshake(c);
			carry(c, s);
			SSL_do_handshake(s);
			carry(s, c);
		}
		cr_expect_eq(SSL_is_init_finished(c), !forged, "the control run must work");
		if (forged) {
			ERR_clear_error();
			cr_expect_eq(SSL_get_verify_result(c), X509_V_ERR_CERT_SIGNATURE_FAILURE);
		}
		SSL_free(c);
		SSL_free(s);
		SSL_CTX_free(ctx);
	}
	tls_free(join);
	buf_release(&text);
	testpki_free(other);
}

Test(tls, malformed_identities)
{
	static const struct {
		const char *name;
		struct testpki_node node;
	} rows[] = {
		{ "no common name", { .name = NULL, .id = 1 } },
		{ "no address", { .name = "a", .uri = "" } },
		{ "other scheme", { .name = "a", .uri = "http://" CLUSTER "/1" } },
		{ "no uuid", { .name = "a", .uri = "sdsd://1234/1" } },
		{ "no id", { .name = "a", .uri = "sdsd://" CLUSTER "/" } },
		{ "id 0", { .name = "a", .uri = "sdsd://" CLUSTER "/0" } },
		{ "id too large", { .name = "a", .uri = "sdsd://" CLUSTER "/4294967296" } },
		{ "id with a tail", { .name = "a", .uri = "sdsd://" CLUSTER "/1x" } },
		{ "expired", { .name = "a", .id = 1, .start_s = -100, .end_s = -10 } },
		{ "not yet valid", { .name = "a", .id = 1, .start_s = 100, .end_s = 200 } },
	};
	char ca_pem[64], cert[64], key[64];

	snprintf(ca_pem, sizeof(ca_pem), "%s/ca.pem", dir);
	snprintf(cert, sizeof(cert), "%s/node.pem", dir);
	snprintf(key, sizeof(key), "%s/node.key", dir);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err err = { 0 };

		testpki_write(pki, dir, &rows[i].node);
		cr_expect_null(tls_new(ca_pem, cert, key, &err), "row '%s'", rows[i].name);
		cr_expect_eq(err.code, -E_DENIED, "row '%s': %s", rows[i].name, err.text);
		cr_expect_not_null(strstr(err.text, "node.pem"), "row '%s': %s", rows[i].name,
				   err.text);
	}
}

Test(tls, files)
{
	static const struct {
		const char *name, *damage; /* file */
		bool remove;
		int code;
	} rows[] = {
		{ "no CA", "ca.pem", true, -ENOENT },
		{ "no certificate", "node.pem", true, -ENOENT },
		{ "no key", "node.key", true, -ENOENT },
		{ "damaged CA", "ca.pem", false, -E_CORRUPT },
		{ "damaged certificate", "node.pem", false, -E_CORRUPT },
		{ "damaged key", "node.key", false, -E_CORRUPT },
	};
	char ca_pem[64], cert[64], key[64], path[64];
	struct testpki *other = testpki_new(CLUSTER);
	struct err err = { 0 };
	struct buf text;

	snprintf(ca_pem, sizeof(ca_pem), "%s/ca.pem", dir);
	snprintf(cert, sizeof(cert), "%s/node.pem", dir);
	snprintf(key, sizeof(key), "%s/node.key", dir);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		testpki_write(pki, dir, &node_a);
		snprintf(path, sizeof(path), "%s/%s", dir, rows[i].damage);
		if (rows[i].remove)
			unlink(path);
		else
			fs_write(path, "-----BEGIN JUNK-----\n", 21, 0600, NULL);
		cr_expect_null(tls_new(ca_pem, cert, key, &err), "row '%s'", rows[i].name);
		cr_expect_eq(err.code, rows[i].code, "row '%s': %s", rows[i].name, err.text);
		cr_expect_not_null(strstr(err.text, path), "row '%s': %s", rows[i].name, err.text);
	}
	/* a key of another certificate */
	buf_init(&text, 65536);
	testpki_write(pki, dir, &node_a);
	cr_assert_eq(fs_read(key, &text, NULL), 0);
	testpki_write(pki, dir, &node_b);
	fs_write(key, text.data, text.len, 0600, NULL);
	cr_expect_null(tls_new(ca_pem, cert, key, &err));
	cr_expect_not_null(strstr(err.text, "does not belong"), "%s", err.text);
	/* a CA of another cluster */
	buf_clear(&text);
	testpki_write(pki, dir, &node_a);
	cr_assert_eq(fs_read(cert, &text, NULL), 0);
	testpki_write(other, dir, &node_a);
	fs_write(cert, text.data, text.len, 0600, NULL);
	cr_expect_null(tls_new(ca_pem, cert, key, &err));
	cr_expect_not_null(strstr(err.text, "is not signed by the CA"), "%s", err.text);
	buf_release(&text);
	testpki_free(other);
}

Test(tls, join_fingerprints)
{
	static const char *const rows[] = { "", "00", "zz" };
	struct err err = { 0 };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_expect_null(tls_new_join(rows[i], &err));
		cr_expect_eq(err.code, -E_INVALID);
	}
	tls_free(NULL);
}
