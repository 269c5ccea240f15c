// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * authority.c - signs newcomers and users' certificates for the api on the
 * leader, after it was decided that they get one; and, on each node, what HTTPS
 * shows. The CA key is plain for the moment of a signature only.
 */
#include "cluster/authority.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/text.h"
#include "cluster/token.h"

#define FILE_PATH_MAX (PATH_LEN_MAX + 32)

/* gone from memory before it is given back; the optimiser may not leave this out */
static void wipe(void *data, size_t len)
{
	explicit_bzero(data, len);
}

static int load_key(const struct identity *id, uint8_t key[CLUSTER_KEY_LEN], struct err *err)
{
	char path[FILE_PATH_MAX];
	struct buf text;
	int rv;

	snprintf(path, sizeof(path), "%s/cluster.key", id->dir);
	buf_init(&text, PKI_PEM_MAX);
	rv = fs_read(path, &text, err);
	if (rv == 0) {
		char *hex = (char *)text.data;

		if (hex)
			hex[strcspn(hex, "\r\n")] = '\0';
		if (!hex || text_unhex(hex, key, CLUSTER_KEY_LEN) < 0)
			rv = err_set(err, -E_CORRUPT, "%s is damaged: %d hex digits expected", path,
				     2 * CLUSTER_KEY_LEN);
	}
	if (text.data)
		wipe(text.data, text.len);
	buf_release(&text);
	return rv;
}

static int load_ca(const struct identity *id, char *out, size_t len, char fingerprint[65],
		   struct err *err)
{
	char path[FILE_PATH_MAX];
	struct buf text;
	int rv;

	snprintf(path, sizeof(path), "%s/ca.pem", id->dir);
	buf_init(&text, len - 1);
	rv = fs_read(path, &text, err);
	if (rv == 0) {
		if (!text.data || pki_fingerprint((char *)text.data, fingerprint, NULL) < 0)
			rv = err_set(err, -E_CORRUPT, "%s is damaged: it holds no certificate",
				     path);
		else
			memcpy(out, text.data, text.len + 1);
	}
	buf_release(&text);
	return rv;
}

int authority_load(struct authority *a, struct store *store, const struct identity *id,
		   struct err *err)
{
	int rv;

	*a = (struct authority){ .store = store, .id = id };
	rv = load_key(id, a->key, err);
	if (rv == 0)
		rv = load_ca(id, a->ca_pem, sizeof(a->ca_pem), a->fingerprint, err);
	return rv;
}

/* The CA for one signature: release_ca() whatever it returned. */
struct open_ca {
	json *doc;
	const char *cert; /* in doc */
	struct buf key;
};

static int take_ca(struct authority *a, struct open_ca *ca, struct err *err)
{
	int rv;

	ca->doc = NULL;
	buf_init(&ca->key, PKI_PEM_MAX);
	rv = store_get(a->store, "ca/self", &ca->doc, NULL);
	if (rv < 0)
		return err_set(err, rv, "the cluster's certificate authority is not in the store");
	ca->cert = jget_str(ca->doc, "cert_pem", "");
	rv = pki_unseal(a->key, jget_str(ca->doc, "key_sealed", ""), &ca->key, err);
	if (rv < 0)
		/* not -E_DENIED: the newcomer's token is not to blame */
		rv = err_set(err, -E_CORRUPT, "the key of the certificate authority: %s",
			     "ca/self and cluster.key of this node do not fit");
	return rv;
}

static void release_ca(struct open_ca *ca)
{
	if (ca->key.data)
		wipe(ca->key.data, ca->key.len);
	buf_release(&ca->key);
	json_object_put(ca->doc);
}

int authority_sign(const char *csr_pem, const char *node, uint32_t node_id,
		   struct buf *ret_cert_pem, char ret_fingerprint[65], struct err *err, void *arg)
{
	struct authority *a = arg;
	struct open_ca ca;
	int rv = take_ca(a, &ca, err);

	if (rv == 0)
		rv = pki_sign(ca.cert, (char *)ca.key.data, csr_pem, a->id->cluster, node, node_id,
			      ret_cert_pem, ret_fingerprint, err);
	release_ca(&ca);
	return rv;
}

int authority_sign_user(const char *csr_pem, const char *name, int days, struct buf *ret_cert_pem,
			struct buf *ret_ca_pem, char ret_fingerprint[65], struct err *err,
			void *arg)
{
	struct authority *a = arg;
	struct open_ca ca;
	int rv = take_ca(a, &ca, err);

	if (rv == 0)
		rv = pki_sign_user(ca.cert, (char *)ca.key.data, csr_pem, a->id->cluster, name,
				   days, ret_cert_pem, ret_fingerprint, err);
	if (rv == 0)
		rv = buf_append(ret_ca_pem, a->ca_pem, strlen(a->ca_pem));
	release_ca(&ca);
	return rv;
}

int authority_sign_server(struct authority *a, const char *const *names, int n_names,
			  struct buf *ret_cert_pem, struct buf *ret_key_pem, struct err *err)
{
	struct open_ca ca;
	int rv = take_ca(a, &ca, err);

	if (rv == 0)
		rv = pki_make_key(ret_key_pem, err);
	if (rv == 0)
		rv = pki_sign_server(ca.cert, (char *)ca.key.data, (char *)ret_key_pem->data, names,
				     n_names, ret_cert_pem, err);
	release_ca(&ca);
	return rv;
}

int authority_join_extra(json *answer, struct err *err, void *arg)
{
	struct authority *a = arg;
	char hex[2 * CLUSTER_KEY_LEN + 1];

	text_hex(a->key, CLUSTER_KEY_LEN, hex);
	jset_str(answer, "cluster", a->id->cluster);
	jset_str(answer, "cluster_name", a->id->cluster_name);
	jset_str(answer, "ca_pem", a->ca_pem);
	jset_str(answer, "cluster_key", hex);
	wipe(hex, sizeof(hex));
	return 0;
}

void authority_token_text(const char *id, const char *secret, char *out, size_t len, void *arg)
{
	struct authority *a = arg;
	struct token t;
	char text[TOKEN_TEXT_MAX];

	snprintf(t.id, sizeof(t.id), "%s", id);
	snprintf(t.secret, sizeof(t.secret), "%s", secret);
	snprintf(t.fingerprint, sizeof(t.fingerprint), "%s", a->fingerprint);
	token_format(&t, text);
	snprintf(out, len, "%s", text);
}
