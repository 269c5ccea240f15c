// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * access.c - users over TCP: who is let in, and the making and deleting of what
 * they show. Called by api.c and through routes.c. What a token or a certificate
 * is in the store: model/access.h; why it is so: docs/security.md.
 *
 * A token's text is "sdsd1.<name>.<secret>": the name finds the document, the
 * secret's hash is compared. It is in the answer that made it and nowhere else.
 */
#include "api/access.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/handlers.h"
#include "api/view.h"
#include "base/clock.h"
#include "base/text.h"
#include "cluster/pki.h"

#define TOKEN_PREFIX "sdsd1."
#define SECRET_LEN 64 /* hex digits: 256 bits */

/* Coming in */

static void refuse(struct admission *m, int status, unsigned number, const char *why)
{
	m->status = status;
	m->number = number;
	err_set(&m->why, -E_DENIED, "%s", why);
}

/* the document of that name; false: none that can be used */
static bool find(struct api *a, const char *name, struct access *ret)
{
	char key[STORE_KEY_MAX];
	json *doc = NULL;
	bool found;

	access_key(name, key, sizeof(key));
	found = store_get(a->config.store, key, &doc, NULL) == 0 &&
		access_parse(doc, ret, NULL) == 0;
	json_object_put(doc);
	return found;
}

static void judge(struct api *a, const char *name, enum access_kind kind, const char *sha256,
		  struct admission *m)
{
	struct access have;
	const struct access *found = find(a, name, &have) ? &have : NULL;

	if (access_check(found, kind, sha256, clock_wall_ms(), &m->why) < 0) {
		m->status = 401;
		m->number = RC_SIGN_IN;
		m->unknown = !access_matches(found, kind, sha256);
		return;
	}
	m->read_only = have.read_only;
	snprintf(m->author, sizeof(m->author), "%s=%s", access_kind_name(kind), have.name);
}

/* text: of an Authorization header */
static void judge_bearer(struct api *a, const char *text, struct admission *m)
{
	char name[NAME_MAX_LEN + 1], sha256[65];
	const char *dot;

	if (strncasecmp(text, "bearer ", 7) != 0) {
		refuse(m, 401, RC_SIGN_IN, "The only way to sign in is a bearer token");
		return;
	}
	text += 7 + strspn(text + 7, " ");
	dot = strncmp(text, TOKEN_PREFIX, strlen(TOKEN_PREFIX)) == 0
		      ? strchr(text + strlen(TOKEN_PREFIX), '.')
		      : NULL;
	if (!dot || dot - text - (ptrdiff_t)strlen(TOKEN_PREFIX) > NAME_MAX_LEN) {
		refuse(m, 401, RC_SIGN_IN, "this token is not, or not any more, valid here");
		return;
	}
	snprintf(name, sizeof(name), "%.*s", (int)(dot - text - (ptrdiff_t)strlen(TOKEN_PREFIX)),
		 text + strlen(TOKEN_PREFIX));
	pki_sha256_hex(dot + 1, strlen(dot + 1), sha256);
	judge(a, name, ACCESS_TOKEN, sha256, m);
}

static bool token_required(struct api *a)
{
	json *doc = NULL;
	bool required;

	/* a newcomer that has no definitions yet cannot know that it may let everybody in */
	if (store_get(a->config.store, CLUSTER_KEY, &doc, NULL) < 0)
		return true;
	required = jget_bool(jget(doc, "options"), "require_token", false);
	json_object_put(doc);
	return required;
}

/* A browser on this machine carries out what any web page says. Such requests tell of the page
 * (Origin), and when a name of the page's own leads here (DNS rebinding), of that name. */
static bool is_from_a_page(const struct http_request *r)
{
	const char *host = http_header(r, "Host");
	char name[ADDRESS_LEN_MAX];
	int port;

	if (http_header(r, "Origin") || http_header(r, "Sec-Fetch-Site"))
		return true;
	if (!host)
		return false; /* HTTP/1.0: no browser */
	if (text_host_port(host, 80, name, sizeof(name), &port, NULL) < 0)
		return true;
	return strcasecmp(name, "localhost") != 0 && strncmp(name, "127.", 4) != 0 &&
	       strcmp(name, "::1") != 0;
}

static bool is_for_all(const struct http_request *r)
{
	if (strcmp(http_method(r), "GET") != 0 && strcmp(http_method(r), "HEAD") != 0)
		return false;
	return strcmp(http_path(r), "/") == 0 || strcmp(http_path(r), "/health") == 0;
}

static void judge_nothing(struct api *a, bool open, const struct http_request *r,
			  struct admission *m)
{
	m->guest = true;
	if (!open || token_required(a))
		refuse(m, 401, RC_SIGN_IN_MISSING,
		       "A token is needed here (Authorization: Bearer), or over HTTPS a client "
		       "certificate");
	else if (is_from_a_page(r))
		refuse(m, 403, RC_ACC_DENIED_COMMAND,
		       "Without a token this listener serves local programs only, which name it "
		       "by localhost or its address: no web pages");
}

void access_admit(struct api *a, const struct http_request *r, bool open, struct admission *ret)
{
	const char *authorization = http_header(r, "Authorization");
	const struct tls_peer *peer = http_peer(r);
	struct admission m = { .author = "http" };

	if (is_for_all(r))
		m.guest = true;
	else if (authorization)
		judge_bearer(a, authorization, &m);
	else if (peer && peer->user[0])
		judge(a, peer->user, ACCESS_CERTIFICATE, peer->fingerprint, &m);
	else
		judge_nothing(a, open, r, &m);
	*ret = m;
}

/* Making */

struct fresh_access {
	struct access access;
	int64_t ttl_s; /* 0: for ever */
	char secret[SECRET_LEN + 1];
};

/* what both kinds are asked with; false: c was answered */
static bool read_fresh(struct api_call *c, enum access_kind kind, int64_t ttl_s,
		       struct fresh_access *f)
{
	struct err err;
	const char *name;
	int rv;

	if (!call_object(c))
		return false;
	f->access.kind = kind;
	name = jget_str(c->doc, "name", "");
	rv = name_check("name of a token or certificate", name, NAME_MIN_LEN, &err);
	if (rv == 0)
		rv = call_check_type(c->doc, "read_only", json_type_boolean, &err);
	if (rv == 0) {
		int got = jget_i64(c->doc, "ttl_s", &ttl_s);

		if (got != -ENOENT && (got < 0 || ttl_s < 1 || ttl_s > ACCESS_TTL_MAX_S))
			rv = err_set(&err, -E_INVALID,
				     "ttl_s must be a number of seconds from 1 to %lld",
				     (long long)ACCESS_TTL_MAX_S);
	}
	if (rv < 0) {
		call_fail(c, rv, &err);
		return false;
	}
	snprintf(f->access.name, sizeof(f->access.name), "%s", name);
	f->access.read_only = jget_bool(c->doc, "read_only", false);
	f->ttl_s = ttl_s;
	return true;
}

static json *described(const struct access *a)
{
	json *o = access_doc(a);

	json_object_object_del(o, "sha256");
	return o;
}

static int access_put(struct fresh_access *f, struct change_env *env, struct txn *t,
		      struct err *err)
{
	f->access.created_ms = env->now_ms;
	f->access.expires_ms = f->ttl_s > 0 ? env->now_ms + f->ttl_s * 1000 : 0;
	return change_access_create(env, t, &f->access, err);
}

static int token_create(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	struct fresh_access *f = m->own;
	int rv;

	pki_sha256_hex(f->secret, strlen(f->secret), f->access.sha256);
	rv = access_put(f, env, t, err);
	if (rv == 0) /* it is remembered in the store: no secret goes in */
		m->answer = described(&f->access);
	return rv;
}

static void token_created(struct mutation *m)
{
	struct fresh_access *f = m->own;
	char text[sizeof(TOKEN_PREFIX) + NAME_MAX_LEN + 1 + SECRET_LEN + 1];

	snprintf(text, sizeof(text), TOKEN_PREFIX "%s.%s", f->access.name, f->secret);
	jset_str(m->answer, "token", text);
	explicit_bzero(text, sizeof(text));
	mutation_reply(m);
}

static struct fresh_access *fresh_new(void)
{
	struct fresh_access *f = calloc(1, sizeof(*f));

	if (!f)
		abort();
	return f;
}

void access_token_create(struct api_call *c)
{
	struct fresh_access *f = fresh_new();
	uint8_t raw[SECRET_LEN / 2];

	if (!read_fresh(c, ACCESS_TOKEN, 0, f)) {
		free(f);
		return;
	}
	rand_bytes(raw, sizeof(raw));
	text_hex(raw, sizeof(raw), f->secret);
	explicit_bzero(raw, sizeof(raw));
	/* a repeated request cannot be answered with the first one's secret: it is refused, since
	 * there is one of that name */
	text_uuid(c->id);
	mutate_own(c, 201, token_create, token_created, f);
}

static int certificate_create(struct mutation *m, struct change_env *env, struct txn *t,
			      struct err *err)
{
	const struct api_config *config = &m->call->api->config;
	struct fresh_access *f = m->own;
	int days = (int)((f->ttl_s + 86399) / 86400);
	struct buf cert, ca;
	int rv;

	buf_init(&cert, PKI_PEM_MAX);
	buf_init(&ca, PKI_PEM_MAX);
	rv = config->sign_user(jget_str(m->call->doc, "csr_pem", ""), f->access.name, days, &cert,
			       &ca, f->access.sha256, err, config->arg);
	if (rv == 0)
		rv = access_put(f, env, t, err);
	if (rv == 0) {
		m->answer = described(&f->access);
		jset_str(m->answer, "fingerprint", f->access.sha256);
		jset_str(m->answer, "cert_pem", (const char *)cert.data);
		jset_str(m->answer, "ca_pem", (const char *)ca.data);
	}
	buf_release(&ca);
	buf_release(&cert);
	return rv;
}

void access_certificate_create(struct api_call *c)
{
	struct fresh_access *f = fresh_new();

	if (!read_fresh(c, ACCESS_CERTIFICATE, ACCESS_CERTIFICATE_TTL_S, f)) {
		free(f);
		return;
	}
	mutate_own(c, 201, certificate_create, NULL, f);
}

/* Looking and deleting */

static void list_access(json *doc, void *arg)
{
	struct access a;
	json *o;

	if (access_parse(doc, &a, NULL) < 0)
		return;
	o = described(&a);
	jset_str(o, "state",
		 a.expires_ms > 0 && clock_wall_ms() >= a.expires_ms ? "expired" : "valid");
	view_push(arg, o);
}

void access_list(struct api_call *c)
{
	json *list = view_list();

	view_docs(c->api, ACCESS_PREFIX, list_access, list);
	call_reply_json(c, 200, list);
}

static int delete_kind(struct mutation *m, struct change_env *env, struct txn *t,
		       enum access_kind kind, struct err *err)
{
	const char *name = m->call->match.arg[0];
	int rv = change_access_delete(env, t, name, kind, err);

	if (rv == -E_NOT_FOUND) {
		mutation_note(m, rc_code(RC_WARN, RC_DEL, RC_CTRL, RC_WARN_NOT_FOUND),
			      "There is no %s '%.60s'; nothing to delete.", access_kind_name(kind),
			      name);
		return 0;
	}
	if (rv == 0)
		mutation_done(m, RC_DELETED, "The %s '%s' is not valid any more.",
			      access_kind_name(kind), name);
	return rv;
}

static int token_delete(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	return delete_kind(m, env, t, ACCESS_TOKEN, err);
}

static int certificate_delete(struct mutation *m, struct change_env *env, struct txn *t,
			      struct err *err)
{
	return delete_kind(m, env, t, ACCESS_CERTIFICATE, err);
}

void access_token_delete(struct api_call *c)
{
	mutate(c, 200, token_delete, NULL);
}

void access_certificate_delete(struct api_call *c)
{
	mutate(c, 200, certificate_delete, NULL);
}

/* Is a token needed on loopback, too? */

void access_policy_get(struct api_call *c)
{
	json *o = view_object();

	jset_bool(o, "require_token", token_required(c->api));
	call_reply_json(c, 200, o);
}

static int policy_put(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	bool required = jget_bool(m->call->doc, "require_token", false);
	int rv = change_access_require(env, t, required, err);

	if (rv == 0)
		mutation_done(m, RC_MODIFIED,
			      required ? "Nobody is let in over TCP without a token or certificate."
				       : "Programs on a node need no token on its loopback.");
	return rv;
}

void access_policy_put(struct api_call *c)
{
	struct err err;

	if (!call_object(c))
		return;
	if (!jget(c->doc, "require_token") ||
	    call_check_type(c->doc, "require_token", json_type_boolean, &err) < 0) {
		call_bad_body(c, "the field require_token must be true or false");
		return;
	}
	mutate(c, 200, policy_put, NULL);
}
