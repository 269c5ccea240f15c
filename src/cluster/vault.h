/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vault.h - the master key of encrypted volumes (docs/security.md, encryption): 32 random bytes,
 * made once for the cluster. The store has it sealed by a key that is derived from the passphrase;
 * open, it is in locked memory of each node, which no core dump has.
 * Document "encryption/self": {"salt","n","r","p","key_sealed","check"}: scrypt's salt (hex) and
 * parameters; pki_seal of the master key; SHA-256 of it, by which a node knows the right one.
 */
#ifndef SDSD_CLUSTER_VAULT_H
#define SDSD_CLUSTER_VAULT_H

#include <stdbool.h>

#include "base/err.h"
#include "base/json.h"

#define VAULT_KEY_LEN 32
#define VAULT_VOLUME_KEY_LEN 96
#define VAULT_SEALED_MAX (2 * (12 + VAULT_VOLUME_KEY_LEN + 16) + 1) /* of a volume's key */
#define VAULT_PASSPHRASE_MIN 8
#define VAULT_PASSPHRASE_MAX 512 /* bytes */

struct vault;
/* opened: called each time the master key comes */
int vault_new(void (*opened)(void *arg), void *arg, struct vault **ret, struct err *err);
void vault_free(struct vault *v); /* NULL is fine */
bool vault_is_open(const struct vault *v);
/* -E_DENIED: this is not the key that the document has sealed */
int vault_open(struct vault *v, json *doc, const uint8_t key[VAULT_KEY_LEN], struct err *err);
/* for another node; false: it is locked. The caller wipes it. */
bool vault_key_hex(const struct vault *v, char out[2 * VAULT_KEY_LEN + 1]);

/* A fresh key for one volume, sealed; -E_LOCKED with a sentence. */
int vault_volume_key(const struct vault *v, char out[VAULT_SEALED_MAX], struct err *err);
/* -E_LOCKED; -E_CORRUPT: not of this master key */
int vault_unseal(const struct vault *v, const char *sealed, uint8_t key[VAULT_VOLUME_KEY_LEN],
		 struct err *err);

/* The rest needs no vault and takes a fifth of a second and 32 MiB, so it is for other threads. */
int vault_check_passphrase(const char *passphrase, size_t len, struct err *err);
/* A new document for a key (NULL: for a new one), which is put into ret_key. */
int vault_seal(const char *passphrase, const uint8_t *key, json **ret_doc,
	       uint8_t ret_key[VAULT_KEY_LEN], struct err *err);
/* -E_DENIED: wrong passphrase; -E_CORRUPT: the document is damaged */
int vault_reveal(json *doc, const char *passphrase, uint8_t ret_key[VAULT_KEY_LEN],
		 struct err *err);

#endif
