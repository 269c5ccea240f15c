// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ktls.c - TLS 1.3 state for the kernel: taking keys and record numbers from
 * OpenSSL, and giving them to a socket. conn_kernel.c decides when; this file
 * knows an SSL and a descriptor, and no conn.
 *
 * OpenSSL 3.0 gives nobody the keys in use. But it tells its key log each
 * traffic secret in the moment when it begins to use it (RFC 8446 7.1), and
 * the message callback every record, after decrypting or encrypting it. So the
 * secret of a way arrives exactly between the last record of the handshake and
 * the first under the new key, and counting begins there. Whatever else is sent
 * under that key (session tickets, alerts) is counted the same way.
 */
#include "net/ktls.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/text.h"

#define KTLS_KEY_MAX 32
#define KTLS_IV_LEN 12 /* of all ciphers of TLS 1.3 */
#define KTLS_INFO_MAX 32

#ifndef SOL_TLS
#define SOL_TLS 282
#endif
/* Since Linux 6.0: records are decrypted where the reader wants them. */
#ifndef TLS_RX_EXPECT_NO_PAD
#define TLS_RX_EXPECT_NO_PAD 4
#endif

/* --------------------------------------------------------------- framer -- */

bool ktls_framer_between(const struct ktls_framer *f)
{
	return f->have == 0;
}

size_t ktls_framer_want(const struct ktls_framer *f)
{
	return f->have < KTLS_HEADER_LEN ? KTLS_HEADER_LEN - (size_t)f->have : f->missing;
}

void ktls_framer_feed(struct ktls_framer *f, const uint8_t *data, size_t len)
{
	while (len > 0) {
		size_t want = ktls_framer_want(f), part = want < len ? want : len;

		if (f->have < KTLS_HEADER_LEN) {
			memcpy(f->header + f->have, data, part);
			f->have += (uint8_t)part;
			if (f->have == KTLS_HEADER_LEN)
				f->missing = (uint16_t)(f->header[3] << 8 | f->header[4]);
		} else {
			f->missing -= (uint16_t)part;
		}
		if (f->have == KTLS_HEADER_LEN && f->missing == 0)
			f->have = 0;
		data += part;
		len -= part;
	}
}

/* ------------------------------------------------------------- watching -- */

struct ktls *ktls_new(const char *alpn)
{
	struct ktls *k = calloc(1, sizeof(*k));

	if (k)
		k->alpn = alpn;
	return k;
}

void ktls_free(struct ktls *k)
{
	if (!k)
		return;
	OPENSSL_cleanse(k, sizeof(*k));
	free(k);
}

static void on_message(int sent, int version, int type, const void *data, size_t len, SSL *ssl,
		       void *arg)
{
	struct ktls *k = arg;

	if (type == SSL3_RT_INNER_CONTENT_TYPE)
		(sent ? &k->tx : &k->rx)->records++;
	else if (type == SSL3_RT_HANDSHAKE && len > 0 &&
		 *(const uint8_t *)data == SSL3_MT_KEY_UPDATE)
		k->rekeyed = true;
}

void ktls_watch(struct ktls *k, SSL *ssl)
{
	SSL_set_app_data(ssl, k); /* for on_key_log, which has no argument */
	SSL_set_msg_callback(ssl, on_message);
	SSL_set_msg_callback_arg(ssl, k);
}

static bool speaks(const SSL *ssl, const char *alpn)
{
	const unsigned char *name;
	unsigned int len;

	SSL_get0_alpn_selected(ssl, &name, &len);
	return len == strlen(alpn) && memcmp(name, alpn, len) == 0;
}

/* "LABEL <client random> <secret>", numbers in hex. OpenSSL wipes the line after. */
static void on_key_log(const SSL *ssl, const char *line)
{
	struct ktls *k = SSL_get_app_data(ssl);
	const char *hex = strrchr(line, ' ');
	struct ktls_way *way;
	size_t len;

	if (!k || !hex || (k->alpn && !speaks(ssl, k->alpn)))
		return;
	if (strncmp(line, "CLIENT_TRAFFIC_SECRET_0 ", 24) == 0)
		way = SSL_is_server(ssl) ? &k->rx : &k->tx;
	else if (strncmp(line, "SERVER_TRAFFIC_SECRET_0 ", 24) == 0)
		way = SSL_is_server(ssl) ? &k->tx : &k->rx;
	else
		return;
	len = strlen(++hex) / 2;
	if (len > sizeof(way->secret) || text_unhex(hex, way->secret, len) < 0)
		return;
	way->secret_len = len;
	way->records = 0;
}

void ktls_context(SSL_CTX *ctx)
{
	SSL_CTX_set_keylog_callback(ctx, on_key_log);
}

bool ktls_has_keys(const struct ktls *k)
{
	return k->tx.secret_len > 0 && k->rx.secret_len > 0;
}

/* ----------------------------------------------------------------- keys -- */

/* HKDF-Expand-Label(secret, label, "", len), RFC 8446 7.1 */
static int expand(const struct ktls_way *way, const EVP_MD *md, const char *label, uint8_t *out,
		  size_t len)
{
	int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY, rv = -ENOMEM;
	size_t label_len = strlen(label), info_len = 4 + label_len;
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	uint8_t info[KTLS_INFO_MAX] = { 0, (uint8_t)len, (uint8_t)label_len }; /* 0: no context */
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST,
						 (char *)EVP_MD_get0_name(md), 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)way->secret,
						  way->secret_len),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, info_len),
		OSSL_PARAM_construct_end(),
	};

	assert(info_len <= sizeof(info));
	memcpy(info + 3, label, label_len);
	if (ctx && EVP_KDF_derive(ctx, out, len, params) == 1)
		rv = 0;
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return rv;
}

static void put_number(uint8_t out[8], uint64_t number)
{
	for (int i = 7; i >= 0; i--, number >>= 8)
		out[i] = (uint8_t)number;
}

/* For AES-GCM the kernel calls the first 4 bytes of TLS 1.3's iv the salt. */
#define FILL_AES(out, type, key, nonce, number)                                      \
	do {                                                                         \
		(out)->info.cipher_type = (type);                                    \
		memcpy((out)->key, key, sizeof((out)->key));                         \
		memcpy((out)->salt, nonce, sizeof((out)->salt));                     \
		memcpy((out)->iv, (nonce) + sizeof((out)->salt), sizeof((out)->iv)); \
		put_number((out)->rec_seq, number);                                  \
	} while (0)

_Static_assert(TLS_CIPHER_AES_GCM_128_SALT_SIZE + TLS_CIPHER_AES_GCM_128_IV_SIZE == KTLS_IV_LEN,
	       "salt and iv are the iv");
_Static_assert(TLS_CIPHER_AES_GCM_256_SALT_SIZE + TLS_CIPHER_AES_GCM_256_IV_SIZE == KTLS_IV_LEN,
	       "salt and iv are the iv");
_Static_assert(TLS_CIPHER_CHACHA20_POLY1305_IV_SIZE == KTLS_IV_LEN, "the iv is the iv");

static const struct {
	uint16_t id; /* of the cipher suite, RFC 8446 B.4 */
	uint16_t type;
	size_t key_len, size;
} ciphers[] = {
	{ 0x1301, TLS_CIPHER_AES_GCM_128, TLS_CIPHER_AES_GCM_128_KEY_SIZE,
	  sizeof(struct tls12_crypto_info_aes_gcm_128) },
	{ 0x1302, TLS_CIPHER_AES_GCM_256, TLS_CIPHER_AES_GCM_256_KEY_SIZE,
	  sizeof(struct tls12_crypto_info_aes_gcm_256) },
	{ 0x1303, TLS_CIPHER_CHACHA20_POLY1305, TLS_CIPHER_CHACHA20_POLY1305_KEY_SIZE,
	  sizeof(struct tls12_crypto_info_chacha20_poly1305) },
};

static void fill(union ktls_crypto *out, uint16_t type, const uint8_t *key, const uint8_t *iv,
		 uint64_t number)
{
	*out = (union ktls_crypto){ .info.version = TLS_1_3_VERSION };
	switch (type) {
	case TLS_CIPHER_AES_GCM_128:
		FILL_AES(&out->aes128, type, key, iv, number);
		break;
	case TLS_CIPHER_AES_GCM_256:
		FILL_AES(&out->aes256, type, key, iv, number);
		break;
	default:
		out->info.cipher_type = type;
		memcpy(out->chacha.key, key, sizeof(out->chacha.key));
		memcpy(out->chacha.iv, iv, sizeof(out->chacha.iv));
		put_number(out->chacha.rec_seq, number);
	}
}

int ktls_crypto(const struct ktls_way *way, const SSL *ssl, union ktls_crypto *ret, size_t *ret_len,
		struct err *err)
{
	const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);
	uint8_t key[KTLS_KEY_MAX], iv[KTLS_IV_LEN];
	const EVP_MD *md;
	size_t i = 0, n = sizeof(ciphers) / sizeof(ciphers[0]);
	int rv;

	while (cipher && i < n && ciphers[i].id != SSL_CIPHER_get_protocol_id(cipher))
		i++;
	if (!cipher || i == n)
		return err_set(err, -EOPNOTSUPP, "the kernel's TLS has no cipher %s",
			       cipher ? SSL_CIPHER_get_name(cipher) : "(none)");
	md = SSL_CIPHER_get_handshake_digest(cipher);
	rv = expand(way, md, "tls13 key", key, ciphers[i].key_len);
	if (rv == 0)
		rv = expand(way, md, "tls13 iv", iv, sizeof(iv));
	if (rv == 0) {
		fill(ret, ciphers[i].type, key, iv, way->records);
		*ret_len = ciphers[i].size;
	}
	OPENSSL_cleanse(key, sizeof(key));
	OPENSSL_cleanse(iv, sizeof(iv));
	return rv < 0 ? err_set(err, rv, "cannot derive a key: out of memory") : 0;
}

/* --------------------------------------------------------------- socket -- */

int ktls_attach(int fd, struct err *err)
{
	/* EEXIST: an earlier attempt came this far */
	if (setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")) == 0 || errno == EEXIST)
		return 0;
	if (errno == ENOENT || errno == ENOPROTOOPT)
		return err_set(err, -EOPNOTSUPP,
			       "this kernel has no TLS: it needs the module tls (CONFIG_TLS)");
	return err_set(err, -errno, "giving the socket to the kernel's TLS: %s", err_name(-errno));
}

static int set_way(int fd, int way, const union ktls_crypto *crypto, size_t len, struct err *err)
{
	int code;

	if (setsockopt(fd, SOL_TLS, way, crypto, (socklen_t)len) == 0)
		return 0;
	code = -errno;
	/* ENOENT: its crypto has no such cipher; EINVAL: its TLS has not, or no TLS 1.3 */
	if (code == -ENOENT || code == -EINVAL || code == -ENOPROTOOPT)
		return err_set(err, -EOPNOTSUPP,
			       "this kernel's TLS does not know the cipher of the session: %s",
			       err_name(code));
	return err_set(err, code, "giving a key to the kernel's TLS: %s", err_name(code));
}

int ktls_set_tx(int fd, const union ktls_crypto *crypto, size_t len, struct err *err)
{
	return set_way(fd, TLS_TX, crypto, len, err);
}

int ktls_set_rx(int fd, const union ktls_crypto *crypto, size_t len, struct err *err)
{
	int one = 1, rv = set_way(fd, TLS_RX, crypto, len, err);

	/* Nobody here pads: a hint that saves a copy, and not a promise, so its failure is none. */
	if (rv == 0)
		setsockopt(fd, SOL_TLS, TLS_RX_EXPECT_NO_PAD, &one, sizeof(one));
	return rv;
}
