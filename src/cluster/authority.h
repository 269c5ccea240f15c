/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * authority.h - the leader's side of join: signs a newcomer's request with the
 * CA key of the store ("ca/self": {"cert_pem","key_sealed"}), unsealed by this
 * node's cluster.key for the moment of signing. The functions fit api_config.
 */
#ifndef SDSD_CLUSTER_AUTHORITY_H
#define SDSD_CLUSTER_AUTHORITY_H

#include "cluster/identity.h"
#include "cluster/pki.h"
#include "store/store.h"

struct authority {
	struct store *store;          /* borrowed */
	const struct identity *id;    /* borrowed */
	uint8_t key[CLUSTER_KEY_LEN]; /* <dir>/cluster.key */
	char ca_pem[PKI_PEM_MAX];     /* <dir>/ca.pem */
	char fingerprint[65];         /* of the CA, for tokens */
};

/* reads cluster.key and ca.pem; -ENOENT, -E_CORRUPT name the file */
int authority_load(struct authority *a, struct store *store, const struct identity *id,
		   struct err *err);
/* api_config.sign, .join_extra and .token_text; arg is the struct authority */
int authority_sign(const char *csr_pem, const char *node, uint32_t node_id,
		   struct buf *ret_cert_pem, char ret_fingerprint[65], struct err *err, void *arg);
/* api_config.sign_user; ret_ca_pem: what its user checks the nodes by */
int authority_sign_user(const char *csr_pem, const char *name, int days, struct buf *ret_cert_pem,
			struct buf *ret_ca_pem, char ret_fingerprint[65], struct err *err,
			void *arg);
/* What HTTPS of this node shows, and its fresh key. names as in pki_sign_server. -E_NOT_FOUND: the
 * store of a newcomer has no CA yet */
int authority_sign_server(struct authority *a, const char *const *names, int n_names,
			  struct buf *ret_cert_pem, struct buf *ret_key_pem, struct err *err);
int authority_join_extra(json *answer, struct err *err, void *arg);
void authority_token_text(const char *id, const char *secret, char *out, size_t len, void *arg);

#endif
