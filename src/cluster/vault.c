// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vault.c - see vault.h. Called by the api (passphrases), the agent's side of daemon.c (keys of
 * volumes) and unlock.c. The key lives in one page of its own; whatever else had it for a moment is
 * wiped.
 */
#include "cluster/vault.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "cluster/pki.h"
#include "model/change.h"

#define SALT_LEN 16
/* what new documents have: 32 MiB, about 0.2 s */
#define SCRYPT_N (1 << 15)
#define SCRYPT_R 8
#define SCRYPT_P 3
/* what is believed of a document: more would take the node's memory */
#define SCRYPT_N_MIN (1 << 10)
#define SCRYPT_N_MAX (1 << 20)
#define SCRYPT_R_MAX 32
#define SCRYPT_P_MAX 16
#define SCRYPT_BYTES_MAX (512ull << 20)

_Static_assert(VAULT_SEALED_MAX <= VOLUME_SEALED_MAX, "a volume's document has room");
_Static_assert(VAULT_KEY_LEN == CLUSTER_KEY_LEN, "sealed as the key of the CA is");

struct vault {
	uint8_t *page; /* the key at its beginning; locked, in no dump */
	size_t page_bytes;
	bool open;
	void (*opened)(void *arg);
	void *arg;
};

static int locked(struct err *err)
{
	return err_set(err, -E_LOCKED,
		       "locked: the master key is not open: sdsd encryption enter-passphrase");
}

/* --- the open one ------------------------------------------------------- */

int vault_new(void (*opened)(void *arg), void *arg, struct vault **ret, struct err *err)
{
	struct vault *v = calloc(1, sizeof(*v));

	if (!v)
		abort();
	v->opened = opened;
	v->arg = arg;
	v->page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	v->page = mmap(NULL, v->page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0);
	if (v->page == MAP_FAILED) {
		free(v);
		return err_set(err, -ENOMEM, "no memory for the master key");
	}
	if (mlock(v->page, v->page_bytes) < 0)
		log_warn("vault", "the master key's memory cannot be locked and may be swapped: %s",
			 err_name(-errno));
	madvise(v->page, v->page_bytes, MADV_DONTDUMP);
	*ret = v;
	return 0;
}

void vault_free(struct vault *v)
{
	if (!v)
		return;
	OPENSSL_cleanse(v->page, v->page_bytes);
	munmap(v->page, v->page_bytes);
	free(v);
}

bool vault_is_open(const struct vault *v)
{
	return v->open;
}

static void check_of(const uint8_t key[VAULT_KEY_LEN], char out[65])
{
	static const char domain[] = "sdsd master key";
	uint8_t text[sizeof(domain) + VAULT_KEY_LEN];

	memcpy(text, domain, sizeof(domain));
	memcpy(text + sizeof(domain), key, VAULT_KEY_LEN);
	pki_sha256_hex(text, sizeof(text), out);
	OPENSSL_cleanse(text, sizeof(text));
}

int vault_open(struct vault *v, json *doc, const uint8_t key[VAULT_KEY_LEN], struct err *err)
{
	char check[65];

	check_of(key, check);
	if (strcmp(check, jget_str(doc, "check", "")) != 0)
		return err_set(err, -E_DENIED, "this is not the master key of this cluster");
	memcpy(v->page, key, VAULT_KEY_LEN);
	v->open = true;
	if (v->opened)
		v->opened(v->arg);
	return 0;
}

bool vault_key_hex(const struct vault *v, char out[2 * VAULT_KEY_LEN + 1])
{
	if (v->open)
		text_hex(v->page, VAULT_KEY_LEN, out);
	return v->open;
}

int vault_volume_key(const struct vault *v, char out[VAULT_SEALED_MAX], struct err *err)
{
	uint8_t key[VAULT_VOLUME_KEY_LEN];
	struct buf hex;
	int rv;

	if (!v->open)
		return locked(err);
	rand_bytes(key, sizeof(key));
	buf_init(&hex, VAULT_SEALED_MAX);
	rv = pki_seal(v->page, key, sizeof(key), &hex, err);
	if (rv == 0)
		memcpy(out, hex.data, hex.len + 1);
	OPENSSL_cleanse(key, sizeof(key));
	buf_release(&hex);
	return rv;
}

/* exactly so many bytes, or -E_DENIED as pki_unseal */
static int unseal(const uint8_t *by, const char *sealed, uint8_t *out, size_t len)
{
	struct buf plain;
	int rv;

	buf_init(&plain, PKI_PEM_MAX);
	rv = pki_unseal(by, sealed, &plain, NULL);
	if (rv == 0 && plain.len != len)
		rv = -E_CORRUPT;
	if (rv == 0)
		memcpy(out, plain.data, len);
	if (plain.data)
		OPENSSL_cleanse(plain.data, plain.len);
	buf_release(&plain);
	return rv;
}

int vault_unseal(const struct vault *v, const char *sealed, uint8_t key[VAULT_VOLUME_KEY_LEN],
		 struct err *err)
{
	if (!v->open)
		return locked(err);
	if (unseal(v->page, sealed, key, VAULT_VOLUME_KEY_LEN) < 0)
		return err_set(err, -E_CORRUPT,
			       "the volume's key is damaged, or sealed by another master key");
	return 0;
}

/* --- passphrases -------------------------------------------------------- */

int vault_check_passphrase(const char *passphrase, size_t len, struct err *err)
{
	if (len != strlen(passphrase))
		return err_set(err, -E_INVALID, "the passphrase must hold no NUL character");
	if (len < VAULT_PASSPHRASE_MIN || len > VAULT_PASSPHRASE_MAX)
		return err_set(err, -E_INVALID, "the passphrase must have %d to %d bytes",
			       VAULT_PASSPHRASE_MIN, VAULT_PASSPHRASE_MAX);
	return 0;
}

struct scrypt {
	uint8_t salt[SALT_LEN];
	int64_t n, r, p;
};

static int derive(const struct scrypt *s, const char *passphrase, uint8_t out[VAULT_KEY_LEN],
		  struct err *err)
{
	if (EVP_PBE_scrypt(passphrase, strlen(passphrase), s->salt, sizeof(s->salt), (uint64_t)s->n,
			   (uint64_t)s->r, (uint64_t)s->p, SCRYPT_BYTES_MAX + (64u << 20), out,
			   VAULT_KEY_LEN) == 1)
		return 0;
	ERR_clear_error();
	return err_set(err, -ENOMEM, "the passphrase cannot be derived: is there enough memory?");
}

int vault_seal(const char *passphrase, const uint8_t *key, json **ret_doc,
	       uint8_t ret_key[VAULT_KEY_LEN], struct err *err)
{
	struct scrypt s = { .n = SCRYPT_N, .r = SCRYPT_R, .p = SCRYPT_P };
	char salt[2 * SALT_LEN + 1], check[65];
	uint8_t by[VAULT_KEY_LEN];
	struct buf sealed;
	int rv;

	if (key)
		memmove(ret_key, key, VAULT_KEY_LEN);
	else
		rand_bytes(ret_key, VAULT_KEY_LEN);
	rand_bytes(s.salt, sizeof(s.salt));
	buf_init(&sealed, PKI_PEM_MAX);
	rv = derive(&s, passphrase, by, err);
	if (rv == 0)
		rv = pki_seal(by, ret_key, VAULT_KEY_LEN, &sealed, err);
	OPENSSL_cleanse(by, sizeof(by));
	if (rv == 0) {
		text_hex(s.salt, sizeof(s.salt), salt);
		check_of(ret_key, check);
		*ret_doc = json_object_new_object();
		jset_str(*ret_doc, "salt", salt);
		jset_i64(*ret_doc, "n", s.n);
		jset_i64(*ret_doc, "r", s.r);
		jset_i64(*ret_doc, "p", s.p);
		jset_str(*ret_doc, "key_sealed", (const char *)sealed.data);
		jset_str(*ret_doc, "check", check);
	}
	buf_release(&sealed);
	return rv;
}

static int parse(json *doc, struct scrypt *ret, struct err *err)
{
	const char *salt = jget_str(doc, "salt", "");

	ret->n = jget_i64_or(doc, "n", 0);
	ret->r = jget_i64_or(doc, "r", 0);
	ret->p = jget_i64_or(doc, "p", 0);
	if (strlen(salt) == 2 * SALT_LEN && text_unhex(salt, ret->salt, SALT_LEN) == 0 &&
	    ret->n >= SCRYPT_N_MIN && ret->n <= SCRYPT_N_MAX && (ret->n & (ret->n - 1)) == 0 &&
	    ret->r >= 1 && ret->r <= SCRYPT_R_MAX && ret->p >= 1 && ret->p <= SCRYPT_P_MAX &&
	    128ull * (uint64_t)ret->n * (uint64_t)ret->r <= SCRYPT_BYTES_MAX)
		return 0;
	return err_set(err, -E_CORRUPT,
		       ENCRYPTION_KEY ": the document of the master key is damaged");
}

int vault_reveal(json *doc, const char *passphrase, uint8_t ret_key[VAULT_KEY_LEN], struct err *err)
{
	uint8_t by[VAULT_KEY_LEN];
	struct scrypt s;
	char check[65];
	int rv = parse(doc, &s, err);

	if (rv == 0)
		rv = derive(&s, passphrase, by, err);
	if (rv < 0)
		return rv;
	rv = unseal(by, jget_str(doc, "key_sealed", ""), ret_key, VAULT_KEY_LEN);
	OPENSSL_cleanse(by, sizeof(by));
	if (rv == -E_DENIED)
		return err_set(err, rv, "wrong passphrase");
	if (rv < 0)
		return err_set(err, rv, ENCRYPTION_KEY ": the sealed master key is damaged");
	check_of(ret_key, check);
	if (strcmp(check, jget_str(doc, "check", "")) == 0)
		return 0;
	OPENSSL_cleanse(ret_key, VAULT_KEY_LEN);
	return err_set(err, -E_CORRUPT, ENCRYPTION_KEY ": \"check\" does not belong to its key");
}
