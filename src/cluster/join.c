// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * join.c - the newcomer. The private key is made here and stays here; what the
 * request was is kept in join.json until it has ended, so that a join whose
 * answer got lost can be repeated with the same request id: the leader then
 * answers the same again, although the token is used by now. identity.json is
 * written last. Blocking, with a loop of its own; command line only.
 */
#include "cluster/join.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "cluster/pki.h"
#include "cluster/statedir.h"
#include "cluster/token.h"
#include "net/httpc.h"

#define JOIN_JSON "join.json"
#define JOIN_JSON_MAX 65536
#define JOIN_BODY_MAX 65536
#define ATTEMPT_TIMEOUT_MS 20000
#define RETRY_MS 500

struct join {
	const struct join_options *o;
	struct token token;
	char peer[ADDRESS_LEN_MAX];
	int peer_port;
	struct identity id; /* cluster and node_id come with the answer */
	char request_id[UUID_TEXT_LEN + 1];
	struct buf key, body;
	/* the last attempt */
	bool done, final;
	int status;
	json *answer;
	struct err *err;
};

/* --- this side ---------------------------------------------------------- */

/* 1: a member of the token's cluster already */
static int check_member(struct join *j, struct identity *ret)
{
	const char *dir = j->o->dir;
	char fingerprint[65] = "";
	struct buf ca;
	int rv;

	rv = identity_load(dir, ret, j->err);
	if (rv == -ENOENT)
		return statedir_check_empty(dir, j->err);
	if (rv < 0)
		return rv;
	buf_init(&ca, PKI_PEM_MAX);
	rv = statedir_read(dir, "ca.pem", &ca, j->err);
	if (rv == 0)
		rv = pki_fingerprint(ca.data ? (char *)ca.data : "", fingerprint, j->err);
	buf_release(&ca);
	if (rv < 0)
		return err_prefix(j->err, "%s/ca.pem", dir);
	if (strcmp(fingerprint, j->token.fingerprint) == 0)
		return 1;
	return err_set(j->err, -E_EXISTS, "%s: this is node %s of another cluster (%s) already",
		       dir, ret->node, ret->cluster_name);
}

/* What an interrupted join with the same token and name left; true when it goes on. */
static bool resume(struct join *j)
{
	const char *dir = j->o->dir;
	struct buf text;
	json *doc = NULL;
	bool same = false;
	uint8_t raw[16];

	buf_init(&text, JOIN_JSON_MAX);
	if (statedir_read(dir, JOIN_JSON, &text, NULL) == 0 &&
	    json_parse((char *)text.data, text.len, &doc, NULL) == 0)
		same = strcmp(jget_str(doc, "token_id", ""), j->token.id) == 0 &&
		       strcmp(jget_str(doc, "node", ""), j->id.node) == 0 &&
		       text_uuid_parse(jget_str(doc, "request_id", ""), raw) == 0 &&
		       text_uuid_parse(jget_str(doc, "uuid", ""), raw) == 0 &&
		       statedir_read(dir, "node.key", &j->key, NULL) == 0 && j->key.len > 0;
	if (same) {
		snprintf(j->request_id, sizeof(j->request_id), "%s",
			 jget_str(doc, "request_id", ""));
		snprintf(j->id.uuid, sizeof(j->id.uuid), "%s", jget_str(doc, "uuid", ""));
	}
	json_object_put(doc);
	buf_release(&text);
	return same;
}

static int begin(struct join *j)
{
	json *doc;
	struct buf text;
	int rv;

	if (resume(j))
		return 0;
	text_uuid(j->request_id);
	text_uuid(j->id.uuid);
	buf_clear(&j->key);
	rv = pki_make_key(&j->key, j->err);
	if (rv == 0)
		rv = statedir_write(j->o->dir, "node.key", &j->key, 0600, j->err);
	if (rv < 0)
		return rv;
	doc = json_object_new_object();
	jset_str(doc, "request_id", j->request_id);
	jset_str(doc, "uuid", j->id.uuid);
	jset_str(doc, "node", j->id.node);
	jset_str(doc, "token_id", j->token.id);
	buf_init(&text, JOIN_JSON_MAX);
	rv = buf_printf(&text, "%s\n", json_text(doc));
	if (rv == 0)
		rv = statedir_write(j->o->dir, JOIN_JSON, &text, 0600, j->err);
	buf_release(&text);
	json_object_put(doc);
	return rv;
}

static int make_body(struct join *j)
{
	json *doc = json_object_new_object();
	struct buf csr;
	int rv;

	buf_init(&csr, PKI_PEM_MAX);
	rv = pki_make_csr((char *)j->key.data, j->id.node, &csr, j->err);
	if (rv == 0) {
		jset_str(doc, "token_id", j->token.id);
		jset_str(doc, "token_secret", j->token.secret);
		jset_str(doc, "node", j->id.node);
		jset_str(doc, "uuid", j->id.uuid);
		jset_str(doc, "address", j->id.address);
		jset_i64(doc, "port", j->id.port);
		jset_str(doc, "csr_pem", (char *)csr.data);
		rv = buf_printf(&j->body, "%s", json_text(doc));
	}
	buf_release(&csr);
	json_object_put(doc);
	return rv;
}

/* --- asking ------------------------------------------------------------- */

/* the sentence of a refusal: the first entry of the list that the API answers */
static const char *refusal(json *doc)
{
	json *first = json_object_is_type(doc, json_type_array) && json_object_array_length(doc)
			      ? json_object_array_get_idx(doc, 0)
			      : doc;

	return jget_str(first, "message", jget_str(first, "error", "no reason given"));
}

static void on_answer(const struct httpc_answer *a, void *arg)
{
	struct join *j = arg;
	json *doc = NULL;

	j->done = true;
	j->final = false;
	if (a->status == 0) {
		/* the far end is not of the CA that the token names: that stays so */
		j->final = a->error.code == -E_DENIED;
		j->status = err_set(j->err, a->error.code, "%s port %d: %s", j->peer, j->peer_port,
				    a->error.text);
		return;
	}
	if (json_parse((char *)a->body->data, a->body->len, &doc, NULL) < 0)
		doc = NULL;
	if (a->status == 200 && doc) {
		j->status = 0;
		j->answer = doc;
		return;
	}
	j->final = a->status >= 400 && a->status < 500 && a->status != 408 && a->status != 429;
	j->status = err_set(j->err, j->final ? -E_DENIED : -E_NO_LEADER, "%s refused: %s", j->peer,
			    refusal(doc));
	json_object_put(doc);
}

static void attempt(struct join *j, uv_loop_t *loop, struct tls *tls)
{
	struct httpc *h = httpc_new_tls(loop, tls, ALPN_JOIN, j->peer, j->peer_port);
	char headers[128];

	snprintf(headers, sizeof(headers), "Content-Type: application/json\r\nX-Request-Id: %s\r\n",
		 j->request_id);
	j->done = false;
	httpc_request(h, "POST", "/v1/sds/join", headers, j->body.data, j->body.len,
		      ATTEMPT_TIMEOUT_MS, on_answer, j);
	while (!j->done && uv_run(loop, UV_RUN_ONCE))
		;
	if (!j->done)
		j->status = err_set(j->err, -EIO, "%s port %d: no answer", j->peer, j->peer_port);
	httpc_free(h);
	uv_run(loop, UV_RUN_DEFAULT); /* the connection's end */
}

static int ask(struct join *j)
{
	uint64_t deadline_ns = clock_boot_ns() + (uint64_t)j->o->wait_s * 1000000000u;
	const struct timespec pause = { .tv_nsec = RETRY_MS * 1000000l };
	struct tls *tls;
	uv_loop_t loop;
	bool said = false;

	tls = tls_new_join(j->token.fingerprint, j->err);
	if (!tls)
		return j->err->code;
	if (uv_loop_init(&loop) < 0) {
		tls_free(tls);
		return err_set(j->err, -ENOMEM, "no memory for an event loop");
	}
	for (;;) {
		attempt(j, &loop, tls);
		if (j->status == 0 || j->final || clock_boot_ns() >= deadline_ns)
			break;
		if (!said)
			log_info("join", "%s; trying for up to %d s", j->err->text, j->o->wait_s);
		said = true;
		nanosleep(&pause, NULL);
	}
	uv_loop_close(&loop);
	tls_free(tls);
	return j->status;
}

/* --- the answer --------------------------------------------------------- */

/* what the leader says, checked before a file is written */
static int take_answer(struct join *j)
{
	int64_t node_id = jget_i64_or(j->answer, "node_id", 0);
	const char *cluster = jget_str(j->answer, "cluster", "");
	const char *name = jget_str(j->answer, "cluster_name", "");
	const char *key = jget_str(j->answer, "cluster_key", "");
	uint8_t raw[CLUSTER_KEY_LEN];
	char fingerprint[65] = "";

	if (node_id < 1 || node_id > UINT32_MAX || text_uuid_parse(cluster, raw) < 0 ||
	    strlen(name) == 0 || strlen(name) > NAME_MAX_LEN ||
	    text_unhex(key, raw, CLUSTER_KEY_LEN) < 0)
		return err_set(j->err, -E_CORRUPT, "%s answered, but not as sdsd does", j->peer);
	if (pki_fingerprint(jget_str(j->answer, "ca_pem", ""), fingerprint, NULL) < 0 ||
	    strcmp(fingerprint, j->token.fingerprint) != 0)
		return err_set(j->err, -E_DENIED,
			       "%s sent a certificate authority that is not the token's", j->peer);
	j->id.node_id = (uint32_t)node_id;
	snprintf(j->id.cluster, sizeof(j->id.cluster), "%s", cluster);
	snprintf(j->id.cluster_name, sizeof(j->id.cluster_name), "%s", name);
	explicit_bzero(raw, sizeof(raw));
	return 0;
}

static int write_text(struct join *j, const char *name, const char *field, mode_t mode)
{
	const char *text = jget_str(j->answer, field, "");
	struct buf b;
	int rv;

	buf_init(&b, PKI_PEM_MAX);
	rv = buf_append(&b, text, strlen(text));
	if (rv == 0)
		rv = statedir_write(j->o->dir, name, &b, mode, j->err);
	else
		err_set(j->err, rv, "%s: %s", name, err_name(rv));
	if (b.data)
		explicit_bzero(b.data, b.len);
	buf_release(&b);
	return rv;
}

/* The files as the daemon will read them: does the certificate fit our key and the CA? */
static int check_files(struct join *j)
{
	char ca[STATEDIR_PATH_MAX], cert[STATEDIR_PATH_MAX], key[STATEDIR_PATH_MAX];
	struct tls *tls;

	statedir_path(j->o->dir, "ca.pem", ca);
	statedir_path(j->o->dir, "node.pem", cert);
	statedir_path(j->o->dir, "node.key", key);
	tls = tls_new(ca, cert, key, j->err);
	if (!tls)
		return j->err->code;
	tls_free(tls);
	return 0;
}

static int finish(struct join *j)
{
	char path[STATEDIR_PATH_MAX];
	int rv;

	rv = take_answer(j);
	if (rv == 0)
		rv = write_text(j, "ca.pem", "ca_pem", 0644);
	if (rv == 0)
		rv = write_text(j, "node.pem", "cert_pem", 0644);
	if (rv == 0)
		rv = write_text(j, "cluster.key", "cluster_key", 0600);
	if (rv == 0)
		rv = check_files(j);
	if (rv == 0)
		rv = identity_save(&j->id, j->err);
	if (rv < 0)
		return rv;
	statedir_path(j->o->dir, JOIN_JSON, path);
	fs_remove(path); /* of no use any more, and harmless when it stays */
	return 0;
}

static int prepare(struct join *j)
{
	const struct join_options *o = j->o;
	uint8_t raw[sizeof(struct in6_addr)];
	bool literal;
	int rv;

	rv = text_host_port(o->peer, NODE_PORT_DEFAULT, j->peer, sizeof(j->peer), &j->peer_port,
			    j->err);
	if (rv < 0)
		return rv;
	literal = inet_pton(AF_INET, j->peer, raw) == 1 || inet_pton(AF_INET6, j->peer, raw) == 1;
	rv = statedir_node_name(o->node, j->id.node, j->err);
	if (rv == 0)
		rv = statedir_address(o->address, literal ? j->peer : NULL, j->id.address,
				      &j->id.port, j->err);
	snprintf(j->id.dir, sizeof(j->id.dir), "%s", o->dir);
	return rv;
}

int join_cluster(const struct join_options *o, struct identity *ret, bool *ret_already,
		 struct err *err)
{
	struct join j = { .o = o, .err = err };
	struct identity present;
	int rv;

	buf_init(&j.key, PKI_PEM_MAX);
	buf_init(&j.body, JOIN_BODY_MAX);
	rv = token_parse(o->token, &j.token, err);
	if (rv == 0)
		rv = prepare(&j);
	if (rv == 0)
		rv = statedir_open(o->dir, err);
	if (rv == 0)
		rv = check_member(&j, &present);
	if (rv == 1) {
		*ret = present;
		*ret_already = true;
		rv = 0;
		goto out;
	}
	if (rv == 0)
		rv = begin(&j);
	if (rv == 0)
		rv = make_body(&j);
	if (rv == 0)
		rv = ask(&j);
	if (rv == 0)
		rv = finish(&j);
	if (rv == 0) {
		*ret = j.id;
		*ret_already = false;
	}
out:
	if (j.key.data)
		explicit_bzero(j.key.data, j.key.len);
	if (j.body.data)
		explicit_bzero(j.body.data, j.body.len);
	explicit_bzero(&j.token, sizeof(j.token));
	buf_release(&j.key);
	buf_release(&j.body);
	json_object_put(j.answer);
	return rv;
}
