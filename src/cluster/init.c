// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * init.c - the first node. identity.json is written last: until then the
 * directory belongs to nobody, and init.json, written first, says that what
 * lies there is half-made and may be thrown away by the next try.
 */
#include "cluster/init.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "cluster/pki.h"
#include "cluster/statedir.h"
#include "model/name.h"
#include "raft/consensus.h"

#define CLUSTER_NAME_DEFAULT "default"

/* everything made in memory before the first file is written */
struct founding {
	struct identity id;
	struct token token;
	struct buf ca_cert, ca_key, node_key, node_cert, cluster_key, sealed;
	char fingerprint[65];
};

static void founding_init(struct founding *f)
{
	*f = (struct founding){ .id.node_id = INIT_NODE_ID };
	buf_init(&f->ca_cert, PKI_PEM_MAX);
	buf_init(&f->ca_key, PKI_PEM_MAX);
	buf_init(&f->node_key, PKI_PEM_MAX);
	buf_init(&f->node_cert, PKI_PEM_MAX);
	buf_init(&f->cluster_key, PKI_PEM_MAX);
	buf_init(&f->sealed, INIT_JSON_MAX);
}

static void founding_release(struct founding *f)
{
	struct buf *secrets[] = { &f->ca_key, &f->node_key, &f->cluster_key };

	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
		if (secrets[i]->data)
			explicit_bzero(secrets[i]->data, secrets[i]->len);
		buf_release(secrets[i]);
	}
	buf_release(&f->ca_cert);
	buf_release(&f->node_cert);
	buf_release(&f->sealed);
	explicit_bzero(&f->token, sizeof(f->token));
}

static int make_identity(struct founding *f, const struct init_options *o, struct err *err)
{
	const char *cluster_name = o->cluster_name ? o->cluster_name : CLUSTER_NAME_DEFAULT;
	int rv;

	rv = name_check("cluster name", cluster_name, NAME_MIN_LEN, err);
	if (rv == 0)
		rv = statedir_node_name(o->node, f->id.node, err);
	if (rv == 0)
		rv = statedir_address(o->address, NULL, f->id.address, &f->id.port, err);
	if (rv < 0)
		return rv;
	snprintf(f->id.dir, sizeof(f->id.dir), "%s", o->dir);
	snprintf(f->id.cluster_name, sizeof(f->id.cluster_name), "%s", cluster_name);
	text_uuid(f->id.cluster);
	text_uuid(f->id.uuid);
	return 0;
}

static int make_keys(struct founding *f, struct err *err)
{
	uint8_t key[CLUSTER_KEY_LEN];
	char hex[2 * CLUSTER_KEY_LEN + 1], ca_fingerprint[65];
	struct buf csr;
	int rv;

	buf_init(&csr, PKI_PEM_MAX);
	rand_bytes(key, sizeof(key));
	text_hex(key, sizeof(key), hex);
	rv = pki_make_ca(f->id.cluster_name, &f->ca_cert, &f->ca_key, err);
	if (rv == 0)
		rv = pki_make_key(&f->node_key, err);
	if (rv == 0)
		rv = pki_make_csr((char *)f->node_key.data, f->id.node, &csr, err);
	if (rv == 0)
		rv = pki_sign((char *)f->ca_cert.data, (char *)f->ca_key.data, (char *)csr.data,
			      f->id.cluster, f->id.node, f->id.node_id, &f->node_cert,
			      f->fingerprint, err);
	if (rv == 0)
		rv = pki_seal(key, f->ca_key.data, f->ca_key.len, &f->sealed, err);
	if (rv == 0)
		rv = pki_fingerprint((char *)f->ca_cert.data, ca_fingerprint, err);
	if (rv == 0)
		rv = buf_printf(&f->cluster_key, "%s\n", hex);
	if (rv == 0)
		token_make(ca_fingerprint, &f->token);
	explicit_bzero(key, sizeof(key));
	explicit_bzero(hex, sizeof(hex));
	buf_release(&csr);
	return rv;
}

static json *init_doc(const struct founding *f, int64_t now_ms)
{
	json *doc = json_object_new_object(), *node = json_object_new_object();
	json *token = json_object_new_object();
	char sha256[65];

	pki_sha256_hex(f->token.secret, strlen(f->token.secret), sha256);
	jset_str(node, "name", f->id.node);
	jset_i64(node, "id", f->id.node_id);
	jset_str(node, "uuid", f->id.uuid);
	jset_str(node, "address", f->id.address);
	jset_i64(node, "port", f->id.port);
	jset_str(node, "fingerprint", f->fingerprint);
	jset_i64(node, "joined_ms", now_ms);
	jset_str(token, "id", f->token.id);
	jset_str(token, "secret_sha256", sha256);
	jset_i64(token, "expires_ms", now_ms + TOKEN_TTL_DEFAULT_S * 1000ll);
	jset_str(doc, "cluster", f->id.cluster);
	jset_str(doc, "name", f->id.cluster_name);
	jset_str(doc, "ca_cert_pem", (char *)f->ca_cert.data);
	jset_str(doc, "ca_key_sealed", (char *)f->sealed.data);
	jset(doc, "node", node);
	jset(doc, "token", token);
	return doc;
}

static int write_init_json(const struct founding *f, struct err *err)
{
	json *doc = init_doc(f, clock_wall_ms());
	struct buf text;
	int rv;

	buf_init(&text, INIT_JSON_MAX);
	rv = buf_printf(&text, "%s\n", json_text(doc));
	if (rv < 0)
		err_set(err, rv, "cannot make %s: %s", INIT_JSON, err_name(rv));
	else
		rv = statedir_write(f->id.dir, INIT_JSON, &text, 0600, err);
	buf_release(&text);
	json_object_put(doc);
	return rv;
}

static int write_files(const struct founding *f, struct err *err)
{
	char address[CONSENSUS_ADDRESS_MAX];
	const char *dir = f->id.dir;
	int rv;

	consensus_address(f->id.address, f->id.port, address);
	rv = write_init_json(f, err);
	if (rv == 0)
		rv = statedir_wipe(dir, err);
	if (rv == 0)
		rv = statedir_write(dir, "ca.pem", &f->ca_cert, 0644, err);
	if (rv == 0)
		rv = statedir_write(dir, "node.key", &f->node_key, 0600, err);
	if (rv == 0)
		rv = statedir_write(dir, "node.pem", &f->node_cert, 0644, err);
	if (rv == 0)
		rv = statedir_write(dir, "cluster.key", &f->cluster_key, 0600, err);
	if (rv == 0)
		rv = consensus_bootstrap(dir, f->id.node_id, address, err);
	if (rv == 0)
		rv = identity_save(&f->id, err);
	return rv;
}

int init_cluster(const struct init_options *o, struct identity *ret, char ret_token[TOKEN_TEXT_MAX],
		 struct err *err)
{
	struct identity present;
	struct founding f;
	int rv;

	founding_init(&f);
	rv = make_identity(&f, o, err);
	if (rv == 0)
		rv = statedir_open(o->dir, err);
	if (rv < 0)
		goto out;
	rv = identity_load(o->dir, &present, err);
	if (rv == 0)
		rv = err_set(err, -E_EXISTS, "%s: this is node %s of cluster %s already", o->dir,
			     present.node, present.cluster_name);
	else if (rv == -ENOENT)
		rv = statedir_has(o->dir, INIT_JSON) ? 0 : statedir_check_empty(o->dir, err);
	if (rv == 0)
		rv = make_keys(&f, err);
	if (rv == 0)
		rv = write_files(&f, err);
	if (rv == 0) {
		*ret = f.id;
		token_format(&f.token, ret_token);
	}
out:
	founding_release(&f);
	return rv;
}
