/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pki.h - the cluster's own certificate authority (docs/security.md): ECDSA P-256,
 * CA 30 years, node certificates 10 years; what HTTPS shows 90 days, what users show as they wish.
 * Private keys are made on their node and never leave it;
 * the CA key is kept in the store sealed (AES-256-GCM) by the cluster key, a file on each node.
 */
#ifndef SDSD_CLUSTER_PKI_H
#define SDSD_CLUSTER_PKI_H

#include "base/buf.h"
#include "base/err.h"

#define PKI_PEM_MAX 16384
#define CLUSTER_KEY_LEN 32

/* new CA: PEM of certificate and key appended */
int pki_make_ca(const char *cluster_name, struct buf *cert_pem, struct buf *key_pem,
		struct err *err);
int pki_make_key(struct buf *key_pem, struct err *err);
int pki_make_csr(const char *key_pem, const char *node, struct buf *csr_pem, struct err *err);
/* CN=node, SAN URI sdsd://<cluster>/<node_id>, client and server use. The request's own signature
 * is checked, its names are not used. fingerprint: sha256 of the DER form in hex. */
int pki_sign(const char *ca_cert_pem, const char *ca_key_pem, const char *csr_pem,
	     const char *cluster, const char *node, uint32_t node_id, struct buf *cert_pem,
	     char fingerprint[65], struct err *err);
#define PKI_NAMES_MAX 64 /* names and addresses of one server certificate */
#define PKI_SERVER_DAYS 90
/* What HTTPS shows: CN=names[0]; SAN: all names, each a DNS name or a numeric address; server use
 * only. key_pem: its key. -E_INVALID: a name that is neither */
int pki_sign_server(const char *ca_cert_pem, const char *ca_key_pem, const char *key_pem,
		    const char *const *names, int n_names, struct buf *cert_pem, struct err *err);
/* CN=name, SAN URI sdsd-user://<cluster>/<name>, client use only: no node takes it for a node's.
 * The rest as pki_sign. */
int pki_sign_user(const char *ca_cert_pem, const char *ca_key_pem, const char *csr_pem,
		  const char *cluster, const char *name, int days, struct buf *cert_pem,
		  char fingerprint[65], struct err *err);
int pki_fingerprint(const char *cert_pem, char out[65], struct err *err);
/* days, rounded down, from now on until the certificate is not valid any more; negative: it is not.
 * -E_INVALID: no certificate */
int pki_days_left(const char *cert_pem, int *ret, struct err *err);
/* hex(nonce | ciphertext | tag) */
int pki_seal(const uint8_t key[CLUSTER_KEY_LEN], const void *data, size_t len, struct buf *out_hex,
	     struct err *err);
int pki_unseal(const uint8_t key[CLUSTER_KEY_LEN], const char *hex, struct buf *out,
	       struct err *err); /* -E_DENIED wrong key or damaged */
void pki_sha256_hex(const void *data, size_t len, char out[65]);

#endif
