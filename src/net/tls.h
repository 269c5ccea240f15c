/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tls.h - TLS 1.3 contexts of the node port, where both ends show certificates
 * of the cluster's CA. The one exception is ALPN_JOIN, where the newcomer has no
 * certificate yet and the token proves it (docs/security.md). And the context of
 * HTTPS for users of the API, where a client may show a certificate.
 */
#ifndef SDSD_NET_TLS_H
#define SDSD_NET_TLS_H

#include <openssl/ssl.h>
#include <stdint.h>

#include "base/err.h"

#define ALPN_RAFT "sdsd-raft/1"
#define ALPN_DATA "sdsd-data/1"
#define ALPN_HTTP "http/1.1"
#define ALPN_JOIN "sdsd-join/1"
#define TLS_ID_MAX 64
#define TLS_FINGERPRINT_LEN 64 /* sha256 of the DER form, hex */

/* who the other end is, from its verified certificate */
struct tls_peer {
	char node[TLS_ID_MAX];    /* common name; "" when there is no certificate */
	char cluster[TLS_ID_MAX]; /* cluster uuid from the SAN URI sdsd://<cluster>/<node id> */
	uint32_t node_id;         /* raft id; 0 when there is no certificate */
	char user[TLS_ID_MAX];    /* of a certificate made for a user of the API; else "" */
	char fingerprint[TLS_FINGERPRINT_LEN + 1];
};

struct tls; /* one node's server and client contexts; thread safe once made */

/* PEM files of a state directory: ca.pem node.pem node.key. NULL and err on failure
 * (missing, damaged, key does not fit, expired: each says which file). */
struct tls *tls_new(const char *ca_pem_path, const char *cert_path, const char *key_path,
		    struct err *err);
/* A client context for joining: no certificate of ours; the server's chain must hold a CA
 * whose fingerprint is ca_fingerprint and which signed the leaf. */
struct tls *tls_new_join(const char *ca_fingerprint, struct err *err);
/* A server context for users of the API: TLS 1.2 and 1.3. It has nothing to show before tls_show():
 * handshakes fail until then. A client's certificate is not needed; one that is shown must be of
 * the cluster's CA, and only one that was made for a user of this cluster says who that is: a
 * node's is as good as none here. */
struct tls *tls_new_users(const char *ca_pem_path, const char *cluster, struct err *err);
/* What conns accepted from now on see: PEM texts. -E_INVALID when they do not fit each other. Only
 * while no other thread uses t. */
int tls_show(struct tls *t, const char *cert_pem, const char *key_pem, struct err *err);
void tls_free(struct tls *t);
/* when the own certificate ends, seconds since 1970; 0: there is none */
int64_t tls_expires(const struct tls *t);

/* New SSL on memory BIOs. Server: offers all ALPN above. Client: asks for alpn. */
SSL *tls_server_ssl(struct tls *t);
SSL *tls_client_ssl(struct tls *t, const char *alpn);
/* After the handshake. 0; -E_DENIED when the certificate is missing (and alpn is not
 * ALPN_JOIN), not of our CA, of another cluster, or malformed. *ret_alpn is one of the ALPN_
 * constants. */
int tls_identify(struct tls *t, SSL *ssl, struct tls_peer *ret, const char **ret_alpn,
		 struct err *err);

/* For a failed SSL_do_handshake, SSL_read or SSL_write: says in words what went wrong, from the
 * thread's OpenSSL error queue, which it empties. -E_DENIED for anything about certificates,
 * else -EPROTO. */
int tls_failure(SSL *ssl, struct err *err);

#endif
