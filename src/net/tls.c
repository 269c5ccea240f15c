// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tls.c - the TLS 1.3 contexts of the node port and who is at the other end.
 * Called by conn.c and the listener (SSL objects, identities) and by the daemon
 * (contexts). It moves no bytes and knows no socket.
 *
 * Whether a certificate is needed depends on the ALPN alone, and the ALPN is
 * chosen while the client's first message is read. So alpn_select() makes a
 * certificate mandatory before the server asks for it: the refusal then is a
 * proper TLS alert. tls_identify() checks the same again after the handshake.
 */
#include "net/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/text.h"
#include "net/ktls.h"

#define TLS_CAS_MAX 8 /* certificates in ca.pem: the present CA and those being rotated */
#define TLS_URI_PREFIX "sdsd://"
#define TLS_USER_PREFIX "sdsd-user://"
#define TLS_USER_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20" /* of TLS 1.2 */

struct tls {
	SSL_CTX *server; /* NULL in a joining context */
	SSL_CTX *client;
	bool users; /* for users: whoever has no certificate says who he is in some other way */
	char cluster[TLS_ID_MAX];                     /* "" in a joining context */
	char ca_fingerprint[TLS_FINGERPRINT_LEN + 1]; /* joining: the CA to accept; else "" */
};

static const char *const alpn_known[] = { ALPN_RAFT, ALPN_DATA, ALPN_HTTP, ALPN_JOIN };

/* the ALPN_ constant equal to len bytes of name; NULL */
static const char *alpn_find(const unsigned char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(alpn_known) / sizeof(alpn_known[0]); i++) {
		if (strlen(alpn_known[i]) == len && memcmp(alpn_known[i], name, len) == 0)
			return alpn_known[i];
	}
	return NULL;
}

static int alpn_select(SSL *ssl, const unsigned char **out, unsigned char *out_len,
		       const unsigned char *in, unsigned int in_len, void *arg)
{
	for (unsigned int i = 0; i < in_len; i += 1u + in[i]) {
		const char *alpn;

		if (in[i] >= in_len - i)
			break;
		alpn = alpn_find(in + i + 1, in[i]);
		if (!alpn)
			continue;
		if (strcmp(alpn, ALPN_JOIN) != 0)
			SSL_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
				       NULL);
		*out = (const unsigned char *)alpn;
		*out_len = in[i];
		return SSL_TLSEXT_ERR_OK;
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int fingerprint_of(const X509 *cert, char out[TLS_FINGERPRINT_LEN + 1])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int len;

	if (X509_digest(cert, EVP_sha256(), digest, &len) != 1 || len * 2 != TLS_FINGERPRINT_LEN)
		return -ENOMEM;
	text_hex(digest, len, out);
	return 0;
}

/* 0 or the X509_V_ERR_ of a certificate outside its dates */
static int check_dates(const X509 *cert)
{
	if (X509_cmp_current_time(X509_get0_notBefore(cert)) >= 0)
		return X509_V_ERR_CERT_NOT_YET_VALID;
	if (X509_cmp_current_time(X509_get0_notAfter(cert)) <= 0)
		return X509_V_ERR_CERT_HAS_EXPIRED;
	return X509_V_OK;
}

/* ------------------------------------------------------------- identity -- */

static int identity_name(X509 *cert, char out[TLS_ID_MAX])
{
	X509_NAME *subject = X509_get_subject_name(cert);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	unsigned char *text = NULL;
	int len, rv = -E_DENIED;

	if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
		return -E_DENIED;
	len = ASN1_STRING_to_UTF8(&text,
				  X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	if (len > 0 && len < TLS_ID_MAX && memchr(text, 0, (size_t)len) == NULL) {
		memcpy(out, text, (size_t)len);
		out[len] = '\0';
		rv = 0;
	}
	OPENSSL_free(text);
	return rv;
}

/* prefix<cluster uuid>/ at the beginning of a URI; what follows is *ret_rest. -E_DENIED */
static int uri_cluster(const unsigned char *uri, size_t len, const char *prefix,
		       char cluster[TLS_ID_MAX], size_t *ret_rest)
{
	size_t head = strlen(prefix);
	char text[UUID_TEXT_LEN + 1];
	uint8_t uuid[16];

	if (len < head + UUID_TEXT_LEN + 2 || memcmp(uri, prefix, head) != 0 ||
	    uri[head + UUID_TEXT_LEN] != '/')
		return -E_DENIED;
	memcpy(text, uri + head, UUID_TEXT_LEN);
	text[UUID_TEXT_LEN] = '\0';
	if (text_uuid_parse(text, uuid) < 0)
		return -E_DENIED;
	text_uuid_format(uuid, cluster);
	*ret_rest = head + UUID_TEXT_LEN + 1;
	return 0;
}

/* sdsd-user://<cluster uuid>/<name>, nothing else */
static int parse_user_uri(const unsigned char *uri, size_t len, struct tls_peer *ret)
{
	size_t at;

	if (uri_cluster(uri, len, TLS_USER_PREFIX, ret->cluster, &at) < 0 ||
	    len - at >= sizeof(ret->user) || memchr(uri + at, 0, len - at))
		return -E_DENIED;
	memcpy(ret->user, uri + at, len - at);
	ret->user[len - at] = '\0';
	return 0;
}

/* sdsd://<cluster uuid>/<node id>, nothing else */
static int parse_node_uri(const unsigned char *uri, size_t len, struct tls_peer *ret)
{
	uint64_t id = 0;
	size_t at;

	if (uri_cluster(uri, len, TLS_URI_PREFIX, ret->cluster, &at) < 0 || len - at > 10)
		return -E_DENIED;
	for (size_t i = at; i < len; i++) {
		if (uri[i] < '0' || uri[i] > '9')
			return -E_DENIED;
		id = id * 10 + (uri[i] - '0');
	}
	if (id == 0 || id > UINT32_MAX)
		return -E_DENIED;
	ret->node_id = (uint32_t)id;
	return 0;
}

static int identity_uri(X509 *cert,
			int (*parse)(const unsigned char *uri, size_t len, struct tls_peer *ret),
			struct tls_peer *ret)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	int rv = -E_DENIED;

	for (int i = 0; i < sk_GENERAL_NAME_num(names) && rv < 0; i++) {
		GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type != GEN_URI)
			continue;
		rv = parse(ASN1_STRING_get0_data(name->d.uniformResourceIdentifier),
			   (size_t)ASN1_STRING_length(name->d.uniformResourceIdentifier), ret);
	}
	GENERAL_NAMES_free(names);
	return rv;
}

static int identity_of(X509 *cert, struct tls_peer *ret, struct err *err)
{
	struct tls_peer peer = { 0 };

	if (identity_name(cert, peer.node) < 0)
		return err_set(err, -E_DENIED, "certificate names no node (common name)");
	if (identity_uri(cert, parse_node_uri, &peer) < 0)
		return err_set(err, -E_DENIED,
			       "certificate of \"%s\" is not a node's: it has no address of the "
			       "form sdsd://<cluster>/<node id>",
			       peer.node);
	if (fingerprint_of(cert, peer.fingerprint) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	*ret = peer;
	return 0;
}

/* Whose certificate it is; nobody's when there is none or it was not made for a user of this
 * cluster. OpenSSL has verified that it is of our CA, for a client, and of today. */
static int identify_user(struct tls *t, SSL *ssl, struct tls_peer *ret, struct err *err)
{
	X509 *cert = SSL_get0_peer_certificate(ssl);
	struct tls_peer peer = { 0 };
	char name[TLS_ID_MAX];

	*ret = peer;
	if (!cert)
		return 0;
	if (SSL_get_verify_result(ssl) != X509_V_OK)
		return err_set(err, -E_DENIED, "certificate is not signed by this cluster's CA");
	if (identity_uri(cert, parse_user_uri, &peer) < 0 || identity_name(cert, name) < 0 ||
	    strcmp(peer.cluster, t->cluster) != 0 || strcmp(peer.user, name) != 0 ||
	    fingerprint_of(cert, peer.fingerprint) < 0)
		return 0;
	*ret = peer;
	return 0;
}

int tls_identify(struct tls *t, SSL *ssl, struct tls_peer *ret, const char **ret_alpn,
		 struct err *err)
{
	X509 *cert = SSL_get0_peer_certificate(ssl);
	const unsigned char *selected;
	struct tls_peer peer = { 0 };
	const char *alpn;
	unsigned int len;
	int rv;

	if (t->users) {
		*ret_alpn = ALPN_HTTP;
		return identify_user(t, ssl, ret, err);
	}
	SSL_get0_alpn_selected(ssl, &selected, &len);
	alpn = alpn_find(selected, selected ? len : 0);
	if (!alpn)
		return err_set(err, -E_DENIED, "the other end named no protocol (ALPN)");
	if (!cert) {
		if (strcmp(alpn, ALPN_JOIN) != 0 || !SSL_is_server(ssl))
			return err_set(err, -E_DENIED, "no certificate, which %s needs", alpn);
	} else {
		if (SSL_get_verify_result(ssl) != X509_V_OK)
			return err_set(err, -E_DENIED,
				       "certificate is not signed by this cluster's CA");
		rv = identity_of(cert, &peer, err);
		if (rv < 0)
			return rv;
		if (t->cluster[0] && strcmp(t->cluster, peer.cluster) != 0)
			return err_set(err, -E_DENIED,
				       "node \"%s\" belongs to cluster %s, this one is %s",
				       peer.node, peer.cluster, t->cluster);
	}
	*ret = peer;
	*ret_alpn = alpn;
	return 0;
}

/* -------------------------------------------------------------- contexts -- */

static SSL_CTX *context_new(const SSL_METHOD *method)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	if (!ctx)
		return NULL;
	SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	SSL_CTX_set_num_tickets(ctx, 0);
	/* a node holds many quiet links: 34 KiB each are not worth keeping */
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	ktls_context(ctx);
	return ctx;
}

static int read_failed(const char *path, const char *what, struct err *err)
{
	unsigned long code = ERR_peek_error();
	int sys = ERR_GET_LIB(code) == ERR_LIB_SYS ? ERR_GET_REASON(code) : 0;

	ERR_clear_error();
	if (sys > 0)
		return err_set(err, -sys, "cannot read %s: %s", path, err_name(-sys));
	return err_set(err, -E_CORRUPT, "%s holds no readable %s", path, what);
}

static int usable_now(const X509 *cert, const char *path, struct err *err)
{
	switch (check_dates(cert)) {
	case X509_V_OK:
		return 0;
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return err_set(err, -E_DENIED, "the certificate in %s has expired", path);
	default:
		return err_set(err, -E_DENIED,
			       "the certificate in %s is not valid yet; is the clock right?", path);
	}
}

static int read_certs(const char *path, STACK_OF(X509) * certs, struct err *err)
{
	BIO *bio = BIO_new_file(path, "r");
	X509 *cert;

	if (!bio)
		return read_failed(path, "certificate", err);
	while (sk_X509_num(certs) < TLS_CAS_MAX &&
	       (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
		sk_X509_push(certs, cert);
	BIO_free(bio);
	if (sk_X509_num(certs) == 0)
		return read_failed(path, "certificate", err);
	ERR_clear_error(); /* the end of the file */
	return usable_now(sk_X509_value(certs, 0), path, err);
}

static int read_key(const char *path, EVP_PKEY **ret, struct err *err)
{
	BIO *bio = BIO_new_file(path, "r");

	if (!bio)
		return read_failed(path, "private key", err);
	/* "" as pass phrase: never ask at a terminal */
	*ret = PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)"");
	BIO_free(bio);
	return *ret ? 0 : read_failed(path, "private key", err);
}

/* the one of cas that signed leaf; NULL */
static X509 *issuer_of(X509 *leaf, const STACK_OF(X509) * cas)
{
	X509 *found = NULL;

	for (int i = 0; i < sk_X509_num(cas) && !found; i++) {
		X509 *ca = sk_X509_value(cas, i);

		if (X509_check_ca(ca) > 0 && X509_check_issued(ca, leaf) == X509_V_OK &&
		    X509_verify(leaf, X509_get0_pubkey(ca)) == 1)
			found = ca;
	}
	ERR_clear_error();
	return found;
}

static int context_arm(SSL_CTX *ctx, const STACK_OF(X509) * cas, X509 *ca, X509 *leaf,
		       EVP_PKEY *key)
{
	for (int i = 0; i < sk_X509_num(cas); i++) {
		if (X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), sk_X509_value(cas, i)) != 1)
			return -ENOMEM;
	}
	/* the CA goes along: a joining node knows no more than its fingerprint */
	if (SSL_CTX_use_certificate(ctx, leaf) != 1 || SSL_CTX_use_PrivateKey(ctx, key) != 1 ||
	    SSL_CTX_add1_chain_cert(ctx, ca) != 1)
		return -ENOMEM;
	return 0;
}

static int tls_arm(struct tls *t, const STACK_OF(X509) * cas, X509 *ca, X509 *leaf, EVP_PKEY *key)
{
	t->server = context_new(TLS_server_method());
	t->client = context_new(TLS_client_method());
	if (!t->server || !t->client)
		return -ENOMEM;
	SSL_CTX_set_alpn_select_cb(t->server, alpn_select, NULL);
	if (context_arm(t->server, cas, ca, leaf, key) < 0)
		return -ENOMEM;
	return context_arm(t->client, cas, ca, leaf, key);
}

struct tls *tls_new(const char *ca_pem_path, const char *cert_path, const char *key_path,
		    struct err *err)
{
	STACK_OF(X509) *cas = sk_X509_new_null(), *certs = sk_X509_new_null();
	struct tls *t = calloc(1, sizeof(*t)), *ret = NULL;
	EVP_PKEY *key = NULL;
	struct tls_peer self;
	X509 *leaf, *ca;

	if (!cas || !certs || !t) {
		err_set(err, -ENOMEM, "out of memory");
		goto out;
	}
	if (read_certs(ca_pem_path, cas, err) < 0 || read_certs(cert_path, certs, err) < 0 ||
	    read_key(key_path, &key, err) < 0)
		goto out;
	leaf = sk_X509_value(certs, 0);
	ca = issuer_of(leaf, cas);
	if (!ca) {
		err_set(err, -E_INVALID, "the certificate in %s is not signed by the CA in %s",
			cert_path, ca_pem_path);
		goto out;
	}
	if (X509_check_private_key(leaf, key) != 1) {
		ERR_clear_error();
		err_set(err, -E_INVALID, "the key in %s does not belong to the certificate in %s",
			key_path, cert_path);
		goto out;
	}
	if (identity_of(leaf, &self, err) < 0) {
		err_prefix(err, "%s", cert_path);
		goto out;
	}
	memcpy(t->cluster, self.cluster, sizeof(t->cluster));
	if (tls_arm(t, cas, ca, leaf, key) < 0) {
		err_set(err, -E_INVALID, "OpenSSL refuses %s, %s and %s: %s", ca_pem_path,
			cert_path, key_path,
			ERR_reason_error_string(ERR_peek_error()) ?: "unknown reason");
		ERR_clear_error();
		goto out;
	}
	ret = t;
	t = NULL;
out:
	tls_free(t);
	EVP_PKEY_free(key);
	sk_X509_pop_free(certs, X509_free);
	sk_X509_pop_free(cas, X509_free);
	return ret;
}

/* ----------------------------------------------------------------- users -- */

/* HTTP/1.1 when it is offered; whoever offers other things only may yet speak it */
static int alpn_select_user(SSL *ssl, const unsigned char **out, unsigned char *out_len,
			    const unsigned char *in, unsigned int in_len, void *arg)
{
	for (unsigned int i = 0; i < in_len && in[i] < in_len - i; i += 1u + in[i]) {
		if (in[i] != strlen(ALPN_HTTP) || memcmp(in + i + 1, ALPN_HTTP, in[i]) != 0)
			continue;
		*out = in + i + 1;
		*out_len = in[i];
		return SSL_TLSEXT_ERR_OK;
	}
	return SSL_TLSEXT_ERR_NOACK;
}

static int users_arm(struct tls *t, const STACK_OF(X509) * cas)
{
	SSL_CTX *ctx = context_new(TLS_server_method());

	t->server = ctx;
	if (!ctx || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_cipher_list(ctx, TLS_USER_CIPHERS) != 1)
		return -ENOMEM;
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_alpn_select_cb(ctx, alpn_select_user, NULL);
	for (int i = 0; i < sk_X509_num(cas); i++) {
		X509 *ca = sk_X509_value(cas, i);

		if (X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca) != 1 ||
		    SSL_CTX_add_client_CA(ctx, ca) != 1)
			return -ENOMEM;
	}
	return 0;
}

struct tls *tls_new_users(const char *ca_pem_path, const char *cluster, struct err *err)
{
	STACK_OF(X509) *cas = sk_X509_new_null();
	struct tls *t = calloc(1, sizeof(*t));
	int rv = cas && t ? 0 : err_set(err, -ENOMEM, "out of memory");

	if (rv == 0)
		rv = read_certs(ca_pem_path, cas, err);
	if (rv == 0 && users_arm(t, cas) < 0)
		rv = err_set(err, -ENOMEM, "out of memory");
	ERR_clear_error();
	sk_X509_pop_free(cas, X509_free);
	if (rv < 0) {
		tls_free(t);
		return NULL;
	}
	t->users = true;
	snprintf(t->cluster, sizeof(t->cluster), "%s", cluster);
	return t;
}

int tls_show(struct tls *t, const char *cert_pem, const char *key_pem, struct err *err)
{
	BIO *cert_bio = BIO_new_mem_buf(cert_pem, -1), *key_bio = BIO_new_mem_buf(key_pem, -1);
	X509 *cert = cert_bio ? PEM_read_bio_X509(cert_bio, NULL, NULL, (void *)"") : NULL;
	EVP_PKEY *key = key_bio ? PEM_read_bio_PrivateKey(key_bio, NULL, NULL, (void *)"") : NULL;
	int rv = 0;

	if (!cert || !key || X509_check_private_key(cert, key) != 1 ||
	    SSL_CTX_use_certificate(t->server, cert) != 1 ||
	    SSL_CTX_use_PrivateKey(t->server, key) != 1)
		rv = err_set(err, -E_INVALID, "a certificate and a key do not fit each other: %s",
			     ERR_reason_error_string(ERR_peek_error()) ?: "unknown reason");
	ERR_clear_error();
	EVP_PKEY_free(key);
	X509_free(cert);
	BIO_free(key_bio);
	BIO_free(cert_bio);
	return rv;
}

/* ------------------------------------------------------------------ join -- */

static X509 *find_pinned(X509_STORE_CTX *store, const char *fingerprint)
{
	STACK_OF(X509) *chain = X509_STORE_CTX_get0_untrusted(store);
	char have[TLS_FINGERPRINT_LEN + 1];

	for (int i = 0; i < sk_X509_num(chain); i++) {
		X509 *cert = sk_X509_value(chain, i);

		if (fingerprint_of(cert, have) == 0 && strcasecmp(have, fingerprint) == 0)
			return cert;
	}
	return NULL;
}

/* Instead of OpenSSL's chain building: exactly one CA is right, the one the token names, and it
 * must have signed the leaf itself. */
static int join_verify(X509_STORE_CTX *store, void *arg)
{
	const struct tls *t = arg;
	X509 *leaf = X509_STORE_CTX_get0_cert(store);
	X509 *ca = find_pinned(store, t->ca_fingerprint);
	int why = X509_V_OK;

	if (!leaf || !ca)
		why = X509_V_ERR_CERT_UNTRUSTED;
	else if (X509_check_ca(ca) <= 0)
		why = X509_V_ERR_INVALID_CA;
	else if (X509_check_issued(ca, leaf) != X509_V_OK ||
		 X509_verify(leaf, X509_get0_pubkey(ca)) != 1)
		why = X509_V_ERR_CERT_SIGNATURE_FAILURE;
	if (why == X509_V_OK)
		why = check_dates(leaf);
	if (why == X509_V_OK)
		why = check_dates(ca);
	X509_STORE_CTX_set_error(store, why);
	return why == X509_V_OK;
}

struct tls *tls_new_join(const char *ca_fingerprint, struct err *err)
{
	uint8_t digest[TLS_FINGERPRINT_LEN / 2];
	struct tls *t;

	if (text_unhex(ca_fingerprint, digest, sizeof(digest)) < 0) {
		err_set(err, -E_INVALID, "the fingerprint of the CA must be %d hex digits",
			TLS_FINGERPRINT_LEN);
		return NULL;
	}
	t = calloc(1, sizeof(*t));
	if (t)
		t->client = context_new(TLS_client_method());
	if (!t || !t->client) {
		tls_free(t);
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	text_hex(digest, sizeof(digest), t->ca_fingerprint);
	SSL_CTX_set_cert_verify_callback(t->client, join_verify, t);
	return t;
}

int64_t tls_expires(const struct tls *t)
{
	X509 *own = t->server ? SSL_CTX_get0_certificate(t->server) : NULL;
	struct tm tm;

	if (!own || ASN1_TIME_to_tm(X509_get0_notAfter(own), &tm) != 1)
		return 0;
	return (int64_t)timegm(&tm);
}

void tls_free(struct tls *t)
{
	if (!t)
		return;
	SSL_CTX_free(t->server);
	SSL_CTX_free(t->client);
	free(t);
}

/* ------------------------------------------------------------ SSL objects -- */

static SSL *ssl_new(SSL_CTX *ctx)
{
	SSL *ssl = ctx ? SSL_new(ctx) : NULL;
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());

	if (!ssl || !in || !out) {
		SSL_free(ssl);
		BIO_free(in);
		BIO_free(out);
		return NULL;
	}
	BIO_set_mem_eof_return(in, -1); /* empty means "more may come" */
	SSL_set_bio(ssl, in, out);
	return ssl;
}

SSL *tls_server_ssl(struct tls *t)
{
	SSL *ssl = ssl_new(t->server);

	if (ssl)
		SSL_set_accept_state(ssl);
	return ssl;
}

SSL *tls_client_ssl(struct tls *t, const char *alpn)
{
	unsigned char wire[64];
	size_t len = strlen(alpn);
	SSL *ssl;

	if (len == 0 || len >= sizeof(wire))
		return NULL;
	ssl = ssl_new(t->client);
	if (!ssl)
		return NULL;
	wire[0] = (unsigned char)len;
	memcpy(wire + 1, alpn, len);
	if (SSL_set_alpn_protos(ssl, wire, (unsigned int)len + 1) != 0) {
		SSL_free(ssl);
		return NULL;
	}
	SSL_set_connect_state(ssl);
	return ssl;
}

/* --------------------------------------------------------------- failures -- */

static const struct {
	long verify;
	const char *text;
} verify_texts[] = {
	{ X509_V_ERR_CERT_HAS_EXPIRED,
	  "certificate of the other end has expired, or the clock of one node is wrong" },
	{ X509_V_ERR_CERT_NOT_YET_VALID,
	  "certificate of the other end is not valid yet: the clock of one node is wrong" },
	{ X509_V_ERR_CERT_UNTRUSTED,
	  "the other end's CA is not the one named by the join token (fingerprint differs)" },
	{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, NULL },
	{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, NULL },
	{ X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, NULL },
	{ X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, NULL },
	{ X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, NULL },
	{ X509_V_ERR_CERT_SIGNATURE_FAILURE, NULL },
};

static const struct {
	int reason;
	int code;
	const char *text;
} reason_texts[] = {
	{ SSL_R_TLSV1_ALERT_UNKNOWN_CA, -E_DENIED,
	  "the other end refuses our certificate: it is not signed by its cluster's CA" },
	{ SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, -E_DENIED,
	  "the other end refuses us: we showed no certificate" },
	{ SSL_R_TLSV1_ALERT_DECRYPT_ERROR, -E_DENIED,
	  "the other end refuses our certificate: its signature is not its CA's" },
	{ SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, -E_DENIED, "the other end refuses our certificate" },
	{ SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, -E_DENIED,
	  "the other end refuses our certificate: it has expired, or a clock is wrong" },
	{ SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL, -EPROTO,
	  "the other end does not speak this protocol (ALPN); is it another version of sdsd?" },
	{ SSL_R_NO_APPLICATION_PROTOCOL, -EPROTO, "the other end asked for an unknown ALPN" },
	{ SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, -E_DENIED,
	  "the other end showed no certificate" },
	{ SSL_R_UNSUPPORTED_PROTOCOL, -EPROTO, "the other end does not speak TLS 1.3" },
	{ SSL_R_WRONG_VERSION_NUMBER, -EPROTO, "the other end does not speak TLS" },
	{ SSL_R_HTTP_REQUEST, -EPROTO, "the other end speaks plain HTTP to the TLS port" },
	{ SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, -EPROTO, "the other end does not speak TLS 1.3" },
};

static int verify_failure(long verify, struct err *err)
{
	for (size_t i = 0; i < sizeof(verify_texts) / sizeof(verify_texts[0]); i++) {
		if (verify_texts[i].verify == verify)
			return err_set(err, -E_DENIED, "%s",
				       verify_texts[i].text
					       ?: "certificate is not signed by this cluster's CA");
	}
	return err_set(err, -E_DENIED, "certificate refused: %s",
		       X509_verify_cert_error_string(verify));
}

int tls_failure(SSL *ssl, struct err *err)
{
	unsigned long code = ERR_peek_last_error();
	int reason = ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0;
	long verify = SSL_get_verify_result(ssl);
	const char *text;

	ERR_clear_error();
	if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED && verify != X509_V_OK)
		return verify_failure(verify, err);
	for (size_t i = 0; i < sizeof(reason_texts) / sizeof(reason_texts[0]); i++) {
		if (reason_texts[i].reason == reason)
			return err_set(err, reason_texts[i].code, "%s", reason_texts[i].text);
	}
	text = ERR_reason_error_string(code);
	return err_set(err, -EPROTO, "TLS: %s", text ? text : "protocol violated");
}
