/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fake_ktls.h - a kernel with TLS, for kernels without: it stands before
 * setsockopt and uses what it was given there as the kernel does (RFC 8446
 * 5.2, 5.3). For one test program.
 */
#ifndef SDSD_TEST_UNIT_FAKE_KTLS_H
#define SDSD_TEST_UNIT_FAKE_KTLS_H

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <sys/syscall.h>

#include "net/ktls.h"
#include "unit/net/net_test.h"

#define TAG_LEN 16
#define OVERHEAD (KTLS_HEADER_LEN + 1 + TAG_LEN)
#define RECORD (16u << 10)

/* one way of a socket, as the kernel keeps it */
struct way {
	const EVP_CIPHER *cipher;
	uint8_t key[32], iv[12];
	uint64_t seq;
};

static struct fake {
	bool real;                      /* the kernel itself */
	int fail_ulp, fail_tx, fail_rx; /* errno; 0: works */
	bool ulp;
	struct way tx, rx;
	int no_pad;
} fake;

static void learn(struct way *w, const void *value, socklen_t len)
{
	const union ktls_crypto *crypto = value;
	const uint8_t *seq;

	cr_assert_eq(crypto->info.version, TLS_1_3_VERSION);
	if (crypto->info.cipher_type == TLS_CIPHER_AES_GCM_128) {
		cr_assert_eq(len, sizeof(crypto->aes128));
		w->cipher = EVP_aes_128_gcm();
		memcpy(w->key, crypto->aes128.key, 16);
		memcpy(w->iv, crypto->aes128.salt, 4);
		memcpy(w->iv + 4, crypto->aes128.iv, 8);
		seq = crypto->aes128.rec_seq;
	} else if (crypto->info.cipher_type == TLS_CIPHER_AES_GCM_256) {
		cr_assert_eq(len, sizeof(crypto->aes256));
		w->cipher = EVP_aes_256_gcm();
		memcpy(w->key, crypto->aes256.key, 32);
		memcpy(w->iv, crypto->aes256.salt, 4);
		memcpy(w->iv + 4, crypto->aes256.iv, 8);
		seq = crypto->aes256.rec_seq;
	} else {
		cr_assert_eq(crypto->info.cipher_type, TLS_CIPHER_CHACHA20_POLY1305);
		cr_assert_eq(len, sizeof(crypto->chacha));
		w->cipher = EVP_chacha20_poly1305();
		memcpy(w->key, crypto->chacha.key, 32);
		memcpy(w->iv, crypto->chacha.iv, 12);
		seq = crypto->chacha.rec_seq;
	}
	w->seq = 0;
	for (int i = 0; i < 8; i++)
		w->seq = w->seq << 8 | seq[i];
}

static int refuse(int code)
{
	errno = code;
	return -1;
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	if (!fake.real && level == IPPROTO_TCP && name == TCP_ULP) {
		cr_assert_str_eq(value, "tls");
		if (fake.fail_ulp || fake.ulp)
			return refuse(fake.fail_ulp ?: EEXIST);
		fake.ulp = true;
		return 0;
	}
	if (!fake.real && level == SOL_TLS) {
		cr_assert(fake.ulp);
		if (name == TLS_TX && !fake.fail_tx)
			learn(&fake.tx, value, len);
		else if (name == TLS_RX && !fake.fail_rx)
			learn(&fake.rx, value, len);
		else if (name == TLS_RX_EXPECT_NO_PAD)
			memcpy(&fake.no_pad, value, len);
		else
			return refuse(name == TLS_TX ? fake.fail_tx : fake.fail_rx);
		return 0;
	}
	return (int)syscall(SYS_setsockopt, fd, level, name, value, len);
}

/* a socket the fake kernel does TLS on */
struct taken {
	int fd;
	struct way tx, rx;
	struct buf raw, plain; /* received; plain begins with what was ahead */
	size_t ahead;
};

static void way_nonce(struct way *w, uint8_t nonce[12])
{
	memcpy(nonce, w->iv, 12);
	for (int i = 0; i < 8; i++)
		nonce[11 - i] ^= (uint8_t)(w->seq >> 8 * i);
	w->seq++;
}

/* one record with len bytes, into out; its length */
static size_t seal(struct way *w, const uint8_t *in, size_t len, uint8_t *out)
{
	size_t body = len + 1 + TAG_LEN;
	const uint8_t header[] = { 23, 3, 3, (uint8_t)(body >> 8), (uint8_t)body };
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t nonce[12], type = 23;
	int n;

	way_nonce(w, nonce);
	memcpy(out, header, 5);
	cr_assert_eq(EVP_EncryptInit_ex(ctx, w->cipher, NULL, w->key, nonce), 1);
	cr_assert_eq(EVP_EncryptUpdate(ctx, NULL, &n, header, 5), 1);
	cr_assert_eq(EVP_EncryptUpdate(ctx, out + 5, &n, in, (int)len), 1);
	cr_assert_eq(EVP_EncryptUpdate(ctx, out + 5 + len, &n, &type, 1), 1);
	cr_assert_eq(EVP_EncryptFinal_ex(ctx, out + 6 + len, &n), 1);
	cr_assert_eq(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_LEN, out + 6 + len), 1);
	EVP_CIPHER_CTX_free(ctx);
	return 5 + body;
}

/* the first record of raw, which is whole, to plain */
static void unseal(struct taken *t, size_t body)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t nonce[12], out[RECORD + 256], *in = t->raw.data;
	size_t len = body - TAG_LEN;
	int n;

	way_nonce(&t->rx, nonce);
	cr_assert_eq(EVP_DecryptInit_ex(ctx, t->rx.cipher, NULL, t->rx.key, nonce), 1);
	cr_assert_eq(EVP_DecryptUpdate(ctx, NULL, &n, in, 5), 1);
	cr_assert_eq(EVP_DecryptUpdate(ctx, out, &n, in + 5, (int)len), 1);
	cr_assert_eq(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_LEN, in + 5 + len), 1);
	cr_assert_eq(EVP_DecryptFinal_ex(ctx, out + len, &n), 1, "another key, iv or number");
	cr_assert_eq(out[len - 1], 23, "no data, or padded");
	buf_append(&t->plain, out, len - 1);
	EVP_CIPHER_CTX_free(ctx);
}

/* reads what there is; how much plaintext has come in all */
static size_t taken_got(struct taken *t)
{
	uint8_t in[4096];
	size_t body;
	ssize_t n;

	while ((n = read(t->fd, in, sizeof(in))) > 0)
		buf_append(&t->raw, in, (size_t)n);
	while (t->raw.len >= 5) {
		body = (size_t)t->raw.data[3] << 8 | t->raw.data[4];
		if (t->raw.len < 5 + body)
			break;
		unseal(t, body);
		buf_consume(&t->raw, 5 + body);
	}
	return t->plain.len;
}

static void taken_send(struct taken *t, const uint8_t *in, size_t len)
{
	uint8_t out[RECORD + OVERHEAD];
	size_t n = seal(&t->tx, in, len, out);

	cr_assert_eq(write(t->fd, out, n), (ssize_t)n);
}

static void taken_close(struct taken *t)
{
	close(t->fd);
	buf_release(&t->raw);
	buf_release(&t->plain);
}

#endif
