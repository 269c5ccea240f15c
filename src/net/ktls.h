/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ktls.h - what the kernel has to know to go on with a TLS 1.3 stream in our
 * place: the keys and how many records each of them has done. struct ktls
 * watches an SSL for that; ktls_crypto makes of it what setsockopt takes. The
 * framer knows where in a record the bytes read so far end. Private to net.
 */
#ifndef SDSD_NET_KTLS_H
#define SDSD_NET_KTLS_H

#include <linux/tls.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define KTLS_HEADER_LEN 5  /* type, version, length of the body */
#define KTLS_SECRET_MAX 48 /* SHA-384 */

/* Where in the stream of records we are. All 0: before the first one. Fed with every byte that was
 * received, from the first. */
struct ktls_framer {
	uint8_t header[KTLS_HEADER_LEN];
	uint8_t have;     /* bytes of header; 0 between two records */
	uint16_t missing; /* of the body; 0 while the header is not complete */
};

void ktls_framer_feed(struct ktls_framer *f, const uint8_t *data, size_t len);
bool ktls_framer_between(const struct ktls_framer *f); /* at the end of a record */
/* how much may be read without touching the next record; never 0 */
size_t ktls_framer_want(const struct ktls_framer *f);

/* one direction of a stream */
struct ktls_way {
	uint8_t secret[KTLS_SECRET_MAX]; /* application traffic secret; see secret_len */
	size_t secret_len;               /* 0: not known yet */
	uint64_t records;                /* done under its key = number of the next one */
};

/* What is kept of an SSL for the kernel. Never logged, wiped when freed. OpenSSL has the secrets in
 * its SSL as long as that lives, so this is no longer exposure than without it. */
struct ktls {
	struct ktls_way tx, rx;
	const char *alpn; /* secrets are kept only of a stream that speaks this; NULL: any */
	bool rekeyed;     /* by a KeyUpdate of either end: secret and records are of no use */
};

struct ktls *ktls_new(const char *alpn); /* NULL: no memory */
void ktls_free(struct ktls *k);
/* k sees everything ssl does; before its handshake, and k has to outlive it */
void ktls_watch(struct ktls *k, SSL *ssl);
/* for the SSL_CTX of such an SSL: without it no secrets are seen */
void ktls_context(SSL_CTX *ctx);
bool ktls_has_keys(const struct ktls *k);

/* the parameter of setsockopt TLS_TX and TLS_RX */
union ktls_crypto {
	struct tls_crypto_info info;
	struct tls12_crypto_info_aes_gcm_128 aes128;
	struct tls12_crypto_info_aes_gcm_256 aes256;
	struct tls12_crypto_info_chacha20_poly1305 chacha;
};

/* Key, iv and number for the next record of a way of ssl. The caller wipes ret. *ret_len: bytes
 * of it that count. -EOPNOTSUPP for another cipher, -ENOMEM. */
int ktls_crypto(const struct ktls_way *way, const SSL *ssl, union ktls_crypto *ret, size_t *ret_len,
		struct err *err);

/* The socket's TLS becomes the kernel's: first ktls_attach, which changes nothing that is sent or
 * received, then each way. -EOPNOTSUPP when this kernel cannot, -ENOTCONN when the other end has
 * closed, or what else went wrong. */
int ktls_attach(int fd, struct err *err);
int ktls_set_tx(int fd, const union ktls_crypto *crypto, size_t len, struct err *err);
int ktls_set_rx(int fd, const union ktls_crypto *crypto, size_t len, struct err *err);

#endif
