// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sds.c - what LINSTOR has no notion of: tokens and join, and what nodes tell the
 * leader (reports, records, replicas made, leftovers gone). Called through
 * routes.c. A node speaks for itself only: its certificate's name is compared
 * with the one in the body.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/handlers.h"
#include "api/view.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "cluster/pki.h"
#include "cluster/token.h"

/* Tokens */

struct fresh_token {
	char id[9], secret[33], text[TOKEN_TEXT_MAX];
	int64_t ttl_s;
};

static int token_create(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	struct fresh_token *f = m->own;
	char sha256[65];
	int64_t expires_ms = env->now_ms + f->ttl_s * 1000;
	int rv;

	pki_sha256_hex(f->secret, strlen(f->secret), sha256);
	rv = change_token_create(env, t, f->id, sha256, expires_ms, err);
	if (rv < 0)
		return rv;
	/* the answer is remembered in the store: no secret goes in */
	m->answer = view_object();
	mutation_what(m, "Join token '%s' created.", f->id);
	jset_str(m->answer, "id", f->id);
	jset_i64(m->answer, "expires_ms", expires_ms);
	return 0;
}

static void token_created(struct mutation *m)
{
	struct fresh_token *f = m->own;
	char address[CONSENSUS_ADDRESS_MAX] = "";

	consensus_leader(m->call->api->config.consensus, address);
	jset_str(m->answer, "token", f->text);
	jset_str(m->answer, "join", address); /* any node's would do */
	mutation_reply(m);
}

void sds_token_create(struct api_call *c)
{
	struct fresh_token *f;
	uint8_t raw[16];
	int64_t ttl_s = TOKEN_TTL_DEFAULT_S;
	int rv;

	if (!call_object(c))
		return;
	rv = jget_i64(c->doc, "ttl_s", &ttl_s);
	if (rv != -ENOENT && (rv < 0 || ttl_s < 1 || ttl_s > TOKEN_TTL_MAX_S)) {
		struct err err;

		err_set(&err, -E_INVALID, "ttl_s must be a number of seconds from 1 to %d",
			TOKEN_TTL_MAX_S);
		call_fail(c, -E_INVALID, &err);
		return;
	}
	f = calloc(1, sizeof(*f));
	if (!f)
		abort();
	rand_bytes(raw, 4);
	text_hex(raw, 4, f->id);
	rand_bytes(raw, 16);
	text_hex(raw, 16, f->secret);
	f->ttl_s = ttl_s;
	c->api->config.token_text(f->id, f->secret, f->text, sizeof(f->text), c->api->config.arg);
	/* a repeated request cannot be answered with the first one's secret: it makes another */
	text_uuid(c->id);
	mutate_own(c, 200, token_create, token_created, f);
}

static void list_token(json *doc, void *arg)
{
	json *o = view_object();
	const char *used_by = jget_str(doc, "used_by", "");
	int64_t expires_ms = jget_i64_or(doc, "expires_ms", 0);

	jset_str(o, "id", jget_str(doc, "id", ""));
	jset_i64(o, "expires_ms", expires_ms);
	jset_str(o, "used_by", used_by);
	jset_str(o, "state",
		 used_by[0]                      ? "used"
		 : clock_wall_ms() >= expires_ms ? "expired"
						 : "open");
	view_push(arg, o);
}

void sds_token_list(struct api_call *c)
{
	json *list = view_list();

	view_docs(c->api, "token/", list_token, list);
	call_reply_json(c, 200, list);
}

static int token_delete(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	int rv = change_token_delete(env, t, m->call->match.arg[0], err);

	if (rv == -E_NOT_FOUND) {
		mutation_note(m, rc_code(RC_WARN, RC_DEL, RC_CTRL, RC_WARN_NOT_FOUND),
			      "Token '%.40s' not found; nothing to delete.", m->call->match.arg[0]);
		return 0;
	}
	if (rv == 0)
		mutation_done(m, RC_DELETED, "Token '%.40s' deleted.", m->call->match.arg[0]);
	return rv;
}

void sds_token_delete(struct api_call *c)
{
	mutate(c, 200, token_delete, NULL);
}

/* Join */

static int newcomer(struct api_call *c, struct node *ret, struct err *err)
{
	const char *address = jget_str(c->doc, "address", ""), *name = jget_str(c->doc, "node", "");
	const char *uuid = jget_str(c->doc, "uuid", "");
	struct node n = { 0 };
	uint8_t raw[16];

	if (strlen(name) >= sizeof(n.name) || strlen(address) >= sizeof(n.address))
		return err_set(err, -E_INVALID, "the node's name or address is too long");
	if (text_uuid_parse(uuid, raw) < 0)
		return err_set(err, -E_INVALID, "field uuid is no uuid");
	snprintf(n.name, sizeof(n.name), "%s", name);
	snprintf(n.address, sizeof(n.address), "%s", address);
	text_uuid_format(raw, n.uuid);
	n.port = (int)jget_i64_or(c->doc, "port", 0);
	memset(n.fingerprint, '0', sizeof(n.fingerprint) - 1); /* until it has a certificate */
	*ret = n;
	return 0;
}

/* The id comes first, since it is part of the certificate whose fingerprint is part of the
 * document: asked of a transaction that is thrown away. Should it be taken meanwhile, the real one
 * conflicts and all of this runs again. */
static int next_id(struct mutation *m, struct change_env *env, struct node *n, struct err *err)
{
	struct txn *probe = txn_new("", m->call->author);
	int rv = change_node_add(env, probe, n, &n->id, err);

	txn_free(probe);
	return rv;
}

static int join_token(struct mutation *m, struct change_env *env, struct txn *t, const char *node,
		      struct err *err)
{
	const char *id = jget_str(m->call->doc, "token_id", "");
	const char *secret = jget_str(m->call->doc, "token_secret", "");
	char sha256[65];

	pki_sha256_hex(secret, strlen(secret), sha256);
	return change_token_use(env, t, id, sha256, node, err);
}

static int join(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const struct api_config *config = &m->call->api->config;
	struct buf cert;
	struct node n;
	uint32_t id;
	int rv;

	/* the token before all else: who has none learns nothing of the cluster */
	if ((rv = newcomer(m->call, &n, err)) < 0 ||
	    (rv = join_token(m, env, t, n.name, err)) < 0 || (rv = next_id(m, env, &n, err)) < 0)
		goto out;
	buf_init(&cert, PKI_PEM_MAX);
	rv = config->sign(jget_str(m->call->doc, "csr_pem", ""), n.name, n.id, &cert, n.fingerprint,
			  err, config->arg);
	if (rv == 0)
		rv = change_node_add(env, t, &n, &id, err);
	if (rv == 0) {
		mutation_what(m, "Node '%s' joined.", n.name);
		m->answer = view_object();
		jset_str(m->answer, "node", n.name);
		jset_i64(m->answer, "node_id", id);
		jset_str(m->answer, "uuid", n.uuid);
		jset_str(m->answer, "cert_pem", (const char *)cert.data);
	}
	buf_release(&cert);
out:
	m->call->error_status = rv == -E_EXISTS ? 409 : rv == -E_INVALID ? 400 : 0;
	return rv;
}

static void joined(struct mutation *m)
{
	struct api *a = m->call->api;
	char address[CONSENSUS_ADDRESS_MAX] = "";
	struct api_call *c = m->call;
	struct err err;
	int rv = a->config.join_extra(m->answer, &err, a->config.arg);

	if (rv < 0) {
		m->object = RC_NODE;
		json_object_put(m->answer);
		m->answer = call_error_list(RC_CRT, RC_NODE, rv, &err);
	} else {
		consensus_leader(a->config.consensus, address);
		jset_str(m->answer, "leader", address);
		log_info("api", "node=%s id=%lld joined", jget_str(m->answer, "node", ""),
			 (long long)jget_i64_or(m->answer, "node_id", 0));
	}
	if (a->members)
		api_update_members(a);
	c->error_status = 0;
	mutation_reply(m);
}

/* The request id of a join is made of what proves it: nobody without the secret can have the
 * answer repeated, and who lost the answer can. */
static void join_request_id(struct api_call *c)
{
	struct buf text;
	char sha256[65];

	buf_init(&text, HTTP_BODY_MAX);
	buf_printf(&text, "%s|%s|%s|%s", jget_str(c->doc, "token_id", ""),
		   jget_str(c->doc, "token_secret", ""), jget_str(c->doc, "uuid", ""),
		   jget_str(c->doc, "node", ""));
	pki_sha256_hex(text.data, text.len, sha256);
	buf_release(&text);
	snprintf(c->id, sizeof(c->id), "join-%.58s", sha256);
}

void sds_join(struct api_call *c)
{
	if (!call_object(c))
		return;
	join_request_id(c);
	mutate(c, 200, join, joined);
}

/* From nodes */

bool call_from_itself(struct api_call *c)
{
	const char *node;
	struct err err;

	if (!call_object(c))
		return false;
	node = jget_str(c->doc, "node", NULL);
	if (!node || strcasecmp(node, c->node) == 0)
		return true;
	err_set(&err, -E_DENIED, "node %s cannot speak for node %.60s", c->node, node);
	call_fail(c, -E_DENIED, &err);
	return false;
}

void sds_report(struct api_call *c)
{
	struct api *a = c->api;
	struct err err;
	json *o;
	int rv;

	if (!call_from_itself(c))
		return;
	if (!jget(c->doc, "node"))
		jset_str(c->doc, "node", c->node);
	if (jget(c->doc,
		 "clock_ms")) /* as far as it is exact: the report was under way meanwhile */
		jset_i64(c->doc, "clock_ahead_ms",
			 jget_i64_or(c->doc, "clock_ms", 0) - clock_wall_ms());
	rv = observed_report(a->observed, c->doc, api_mono_ms(), &err);
	if (rv < 0) {
		c->error_status = rv == -E_CONFLICT ? 409 : 0;
		call_fail(c, rv, &err);
		return;
	}
	o = view_object();
	api_observe(a);
	jset_i64(o, "applied", (int64_t)store_applied(a->config.store));
	jset_i64(o, "state", a->state_seen);
	call_reply_json(c, 200, o);
	if (a->waits)
		api_hurry(a);
}

static int get_record(struct api *a, const char *resource, const char *uuid, struct record *ret,
		      struct err *err)
{
	char key[STORE_KEY_MAX];
	json *doc = NULL;
	int rv;

	record_key(resource, key, sizeof(key));
	rv = store_get(a->config.store, key, &doc, NULL);
	if (rv == 0 && strcmp(jget_str(doc, "uuid", ""), uuid) != 0)
		rv = -E_NOT_FOUND;
	if (rv == 0)
		rv = record_parse(doc, ret, err);
	else
		err_set(err, rv, "resource %.60s (%.36s): %s", resource, uuid, err_name(rv));
	json_object_put(doc);
	return rv;
}

void sds_record_read(struct api_call *c)
{
	struct record r;
	struct err err;
	const char *uuid;
	int rv;

	if (!call_from_itself(c))
		return;
	uuid = jget_str(c->doc, "uuid", "");
	rv = get_record(c->api, jget_str(c->doc, "resource", ""), uuid, &r, &err);
	if (rv < 0)
		call_fail(c, rv, &err);
	else
		call_reply_json(c, 200, record_doc(&r, uuid));
}

static bool same_tag(const struct record *a, const struct record *b)
{
	return a->tag.node == b->tag.node && a->tag.boot == b->tag.boot &&
	       a->tag.counter == b->tag.counter;
}

struct slot_names {
	uint32_t wanted; /* mask of slots */
	struct buf text;
};

static int add_slot_name(const char *key, json *doc, uint64_t revision, void *arg)
{
	struct slot_names *n = arg;
	struct replica r;

	if (replica_parse(doc, &r, NULL) == 0 && (n->wanted & 1u << r.slot))
		buf_printf(&n->text, "%s%s", n->text.len > 0 ? ", " : "", r.node);
	return 0;
}

/* the nodes of these slots, for people; appends to text what fits */
static void slot_names(struct store *s, const char *resource, uint32_t slots, char *out, size_t len)
{
	struct slot_names n = { .wanted = slots };
	char prefix[STORE_KEY_MAX];

	replica_key(resource, "", prefix, sizeof(prefix));
	buf_init(&n.text, len);
	store_list(s, prefix, add_slot_name, &n);
	snprintf(out, len, "%.*s", (int)n.text.len, n.text.len > 0 ? (char *)n.text.data : "");
	buf_release(&n.text);
}

static void record_what(struct mutation *m, struct store *s, const char *resource,
			const struct record *r)
{
	char writer[NAME_MAX_LEN + 1] = "", in_sync[160];

	if (r->writer != WRITER_NONE)
		slot_names(s, resource, 1u << r->writer, writer, sizeof(writer));
	slot_names(s, resource, r->in_sync, in_sync, sizeof(in_sync));
	mutation_what(m, "'%.48s' epoch %u: %s%s, in sync: %s.", resource, r->epoch,
		      writer[0] ? "open on " : "closed", writer, in_sync);
}

static int record_cas(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	json *doc = m->call->doc;
	const char *resource = jget_str(doc, "resource", "");
	const char *uuid = jget_str(doc, "uuid", "");
	struct record next, present;
	int rv = record_parse(jget(doc, "record"), &next, err);

	if (rv < 0)
		return rv;
	if (next.tag.node != m->call->node_id)
		return err_set(err, -E_DENIED, "record: the tag of node %u comes from node %u",
			       next.tag.node, m->call->node_id);
	rv = change_record(env, t, resource, uuid, &next, &present, err);
	/* kept out for now: the plane is to know it at once and to come again */
	m->call->error_status = rv == -E_IN_USE ? 409 : 0;
	if (rv < 0 && rv != -E_CONFLICT)
		return rv;
	record_what(m, env->store, resource, &next);
	m->answer = view_object();
	/* its own proposal under another request id: it was the one that won */
	jset_bool(m->answer, "accepted",
		  rv == 0 || (present.epoch == next.epoch && same_tag(&present, &next)));
	jset(m->answer, "record", record_doc(rv == 0 ? &next : &present, uuid));
	return 0;
}

void sds_record_cas(struct api_call *c)
{
	if (call_from_itself(c))
		mutate(c, 200, record_cas, NULL);
}

/* of a report's volume; a number that cannot be is that of no volume */
static int volume_number(json *doc)
{
	int64_t n = jget_i64_or(doc, "number", 0);

	return n < 0 || n >= VOLUMES_PER_RESOURCE_MAX ? -1 : (int)n;
}

static int replica_created(struct mutation *m, struct change_env *env, struct txn *t,
			   struct err *err)
{
	json *doc = m->call->doc;
	int rv = change_replica_created(env, t, jget_str(doc, "resource", ""), m->call->node,
					jget_str(doc, "uuid", ""), volume_number(doc),
					jget_str(doc, "volume", ""), err);

	if (rv == 0)
		mutation_done(m, RC_MODIFIED, "Noted.");
	mutation_what(m, "Copy of '%.48s' on '%.48s' made (volume %d).",
		      jget_str(doc, "resource", ""), m->call->node, volume_number(doc));
	return rv;
}

void sds_replica_created(struct api_call *c)
{
	if (call_from_itself(c))
		mutate(c, 200, replica_created, NULL);
}

/* A node makes the file system that a volume is born with: state "begin", "made" or "failed" */
static int filesystem(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	json *doc = m->call->doc;
	const char *resource = jget_str(doc, "resource", ""), *volume = jget_str(doc, "volume", "");
	const char *state = jget_str(doc, "state", ""), *node = m->call->node, *error = NULL;
	int number = volume_number(doc), rv;

	if (strcmp(state, "failed") == 0)
		error = jget_str(doc, "error", "no reason given");
	else if (strcmp(state, "begin") != 0 && strcmp(state, "made") != 0)
		return err_set(err, -E_INVALID, "state must be begin, made or failed");
	if (strcmp(state, "begin") == 0)
		rv = change_filesystem_begin(env, t, resource, node, number, volume, err);
	else
		rv = change_filesystem_done(env, t, resource, number, volume, error, err);
	if (rv == 0)
		mutation_done(m, RC_MODIFIED, "Noted.");
	mutation_what(m, "File system of '%.48s' volume %d on '%.48s': %.20s%s%.160s.", resource,
		      number, node, state, error ? ": " : "", error ? error : "");
	return rv;
}

static void filesystem_told(struct mutation *m)
{
	struct api *a = m->call->api;

	mutation_reply(m);
	if (a->waits)
		api_hurry(a);
}

void sds_filesystem(struct api_call *c)
{
	if (call_from_itself(c))
		mutate(c, 200, filesystem, filesystem_told);
}

static int leftover_done(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	json *doc = m->call->doc;
	int rv = change_leftover_done(env, t, m->call->node, jget_str(doc, "uuid", ""),
				      volume_number(doc), jget_str(doc, "volume", ""), err);

	if (rv == 0 || rv == -E_NOT_FOUND) /* told twice: the first answer was lost */
		mutation_done(m, RC_DELETED, "Noted.");
	mutation_what(m, "Files of a former copy on '%.48s' removed.", m->call->node);
	return rv == -E_NOT_FOUND ? 0 : rv;
}

static void leftover_gone(struct mutation *m)
{
	struct api *a = m->call->api;

	mutation_reply(m);
	if (a->waits)
		api_hurry(a);
}

void sds_leftover_done(struct api_call *c)
{
	if (call_from_itself(c))
		mutate(c, 200, leftover_done, leftover_gone);
}

/* A replica that was marked for deletion goes when nothing needs it any more. */

static int reap(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	int rv = change_replica_reap(env, t, jget_str(m->call->doc, "resource", ""), err);

	if (rv == 0)
		mutation_done(m, RC_DELETED, "Looked at.");
	mutation_what(m, "Copies of '%.48s' that were to go are gone.",
		      jget_str(m->call->doc, "resource", ""));
	return rv;
}

void sds_reap(struct api_call *c)
{
	if (call_object(c))
		mutate(c, 200, reap, NULL);
}
