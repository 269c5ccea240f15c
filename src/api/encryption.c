// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * encryption.c - the passphrase of encrypted volumes: made, entered, changed, as LINSTOR has it;
 * and the master key on its way from node to node. Called through routes.c, on the leader. Deriving
 * a key from a passphrase takes a moment and much memory: it is done in a worker, one at a time.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "api/view.h"
#include "base/log.h"
#include "base/text.h"
#include "cluster/vault.h"

#define DOC_TEXT_MAX 2048 /* of encryption/self */

enum verb { VERB_CREATE, VERB_MODIFY, VERB_ENTER };

/* what a worker derives */
struct derivation {
	uv_work_t work;
	struct api_call *call;
	enum verb verb;
	json *former;                     /* encryption/self, NULL: none yet */
	const char *passphrase, *present; /* the new one, and what opens former; in call->doc */
	uint8_t key[VAULT_KEY_LEN];
	json *doc; /* the new document */
	int status;
	struct err err;
};

/* what the change carries: text, since nobody but free() ends it */
struct sealing {
	uint8_t key[VAULT_KEY_LEN];
	char former[DOC_TEXT_MAX], doc[DOC_TEXT_MAX];
};

static json *load(struct api *a)
{
	json *doc = NULL;

	return store_get(a->config.store, ENCRYPTION_KEY, &doc, NULL) == 0 ? doc : NULL;
}

/* --- answers ------------------------------------------------------------ */

/* A wrong passphrase has LINSTOR's number for it, which tells no reason. */
static void refuse(struct api_call *c, int code, const struct err *err)
{
	json *list;

	if (code != -E_DENIED && code != -E_NOT_FOUND) {
		call_fail(c, code, err);
		return;
	}
	list = rc_list();
	rc_add(list, rc_code(RC_ERROR, RC_MOD, RC_CTRL, RC_MISSING_PROPS), "%s", err->text);
	call_reply_json(c, code == -E_DENIED ? 403 : 404, list);
}

static void accepted(struct api_call *c)
{
	json *list = rc_list();

	rc_add(list, rc_code(RC_SUCCESS, RC_MOD, RC_CTRL, RC_PASSPHRASE_ACCEPTED),
	       "Passphrase accepted: the volumes are being unlocked.");
	call_reply_rc(c, 200, list);
}

/* --- the change --------------------------------------------------------- */

static json *parsed(const char *text)
{
	json *doc = NULL;

	json_parse(text, strlen(text), &doc, NULL);
	return doc;
}

static int create(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	struct sealing *s = m->own;
	json *doc = parsed(s->doc);
	int rv = change_encryption_create(env, t, doc, err);

	json_object_put(doc);
	if (rv == 0)
		mutation_done(m, RC_CREATED, "Passphrase created: volumes can be encrypted.");
	return rv;
}

/* Also after the same request again, whose key is another one: that is not the document's. */
static void created(struct mutation *m)
{
	struct sealing *s = m->own;
	json *doc = load(m->call->api);
	struct err err;

	if (vault_open(m->call->api->config.vault, doc, s->key, &err) < 0)
		log_info("api", "the passphrase was created by another request: enter it");
	json_object_put(doc);
	mutation_reply(m);
}

static int modify(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	struct sealing *s = m->own;
	json *former = parsed(s->former), *doc = parsed(s->doc);
	int rv = change_encryption_modify(env, t, former, doc, err);

	json_object_put(former);
	json_object_put(doc);
	if (rv == 0)
		mutation_done(m, RC_MODIFIED,
			      "Passphrase changed. The volumes' keys are the same.");
	return rv;
}

static void change(struct derivation *d)
{
	struct sealing *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	memcpy(s->key, d->key, sizeof(s->key));
	snprintf(s->doc, sizeof(s->doc), "%s", json_text(d->doc));
	if (d->former)
		snprintf(s->former, sizeof(s->former), "%s", json_text(d->former));
	if (d->verb == VERB_CREATE)
		mutate_own(d->call, 201, create, created, s);
	else
		mutate_own(d->call, 200, modify, NULL, s);
}

/* --- deriving ----------------------------------------------------------- */

static void derive(uv_work_t *work)
{
	struct derivation *d = (struct derivation *)work;

	d->status = 0;
	if (d->former)
		d->status = vault_reveal(d->former, d->present, d->key, &d->err);
	if (d->status == 0 && d->passphrase)
		d->status = vault_seal(d->passphrase, d->former ? d->key : NULL, &d->doc, d->key,
				       &d->err);
}

static void derived(uv_work_t *work, int status)
{
	struct derivation *d = (struct derivation *)work;
	struct api_call *c = d->call;
	struct api *a = c->api;

	a->deriving = false;
	if (status == UV_ECANCELED || a->closing) {
		call_moved(c, CALL_MOVED);
	} else if (d->status < 0) {
		if (d->status == -E_DENIED)
			log_warn("api", "by=%s a wrong passphrase was given", c->author);
		refuse(c, d->status, &d->err);
	} else if (d->verb == VERB_ENTER) {
		d->status = vault_open(a->config.vault, d->former, d->key, &d->err);
		if (d->status < 0)
			refuse(c, d->status, &d->err);
		else
			accepted(c);
	} else {
		change(d);
	}
	json_object_put(d->former);
	json_object_put(d->doc);
	explicit_bzero(d, sizeof(*d));
	free(d);
	api_put(a);
}

/* texts: of the call's body, which lives as long as the call */
static void start(struct api_call *c, enum verb verb, const char *present, const char *passphrase)
{
	struct derivation *d;
	struct err err;

	if (c->api->deriving) {
		err_set(&err, -EBUSY, "another passphrase is being looked at");
		call_fail(c, -EBUSY, &err);
		return;
	}
	d = calloc(1, sizeof(*d));
	if (!d)
		abort();
	d->call = c;
	d->verb = verb;
	d->former = verb == VERB_CREATE ? NULL : load(c->api);
	d->present = present;
	d->passphrase = passphrase;
	c->api->deriving = true;
	api_get(c->api);
	if (uv_queue_work(c->api->config.loop, &d->work, derive, derived) < 0)
		abort(); /* fails only without a function to run */
}

/* --- requests ----------------------------------------------------------- */

/* a passphrase in the body; NULL: c was answered */
static const char *text_of(struct api_call *c, json *value, const char *what)
{
	struct err err;

	c->secret = true;
	if (!json_object_is_type(value, json_type_string)) {
		call_bad_body(c, "%s must be a string", what);
		return NULL;
	}
	if (vault_check_passphrase(json_object_get_string(value),
				   (size_t)json_object_get_string_len(value), &err) < 0) {
		call_fail(c, err.code, &err);
		return NULL;
	}
	return json_object_get_string(value);
}

/* true: there is a passphrase as wanted; else c was answered */
static bool is_there(struct api_call *c, bool wanted)
{
	json *doc = load(c->api);
	bool there = doc != NULL;
	struct err err;

	json_object_put(doc);
	if (there == wanted)
		return true;
	if (there) {
		err_set(&err, -E_EXISTS,
			"There is a passphrase already: modify it (sdsd encryption "
			"modify-passphrase)");
		call_fail(c, -E_EXISTS, &err);
	} else {
		err_set(&err, -E_NOT_FOUND,
			"There is no passphrase yet: create one (sdsd encryption "
			"create-passphrase)");
		refuse(c, -E_NOT_FOUND, &err);
	}
	return false;
}

void encryption_create(struct api_call *c)
{
	const char *text;

	c->secret = true;
	if (!call_object(c))
		return;
	text = text_of(c, jget(c->doc, "new_passphrase"), "new_passphrase");
	/* a request that is repeated is answered as before, by the change */
	if (text)
		start(c, VERB_CREATE, NULL, text);
}

void encryption_modify(struct api_call *c)
{
	const char *old_text, *new_text;

	c->secret = true;
	if (!call_object(c))
		return;
	new_text = text_of(c, jget(c->doc, "new_passphrase"), "new_passphrase");
	if (!new_text || !is_there(c, true))
		return;
	old_text = text_of(c, jget(c->doc, "old_passphrase"), "old_passphrase");
	if (old_text)
		start(c, VERB_MODIFY, old_text, new_text);
}

void encryption_enter(struct api_call *c)
{
	const char *text = text_of(c, c->doc, "the body");

	if (text && is_there(c, true))
		start(c, VERB_ENTER, text, NULL);
}

void encryption_status(struct api_call *c)
{
	json *doc = load(c->api), *o = view_object();

	jset_str(o, "status",
		 !doc                                  ? "unset"
		 : vault_is_open(c->api->config.vault) ? "unlocked"
						       : "locked");
	json_object_put(doc);
	call_reply_json(c, 200, o);
}

/* --- between nodes ------------------------------------------------------ */

static void take_key(struct api_call *c, const char *hex)
{
	json *doc = load(c->api), *o;
	uint8_t key[VAULT_KEY_LEN];
	struct err err = { 0 };
	int rv = text_unhex(hex, key, sizeof(key));

	rv = rv < 0 ? err_set(&err, -E_INVALID, "key: hex digits expected")
		    : vault_open(c->api->config.vault, doc, key, &err);
	json_object_put(doc);
	explicit_bzero(key, sizeof(key));
	if (rv < 0) {
		call_fail(c, rv, &err);
		return;
	}
	log_info("api", "node=%s has brought the master key: encrypted volumes are unlocked",
		 c->node);
	o = view_object();
	jset_bool(o, "locked", false);
	call_reply_json(c, 200, o);
}

/* Each node tells now and then whether it has the key: {"have"}. It gets it when it lacks it and
 * the leader has it; is asked for it, the other way round ("locked"); and brings it: {"key"}. */
void encryption_key(struct api_call *c)
{
	const struct vault *v = c->api->config.vault;
	char hex[2 * VAULT_KEY_LEN + 1];
	const char *brought;
	json *o;

	c->secret = true;
	if (!call_object(c))
		return;
	brought = jget_str(c->doc, "key", NULL);
	if (brought && !vault_is_open(v)) {
		take_key(c, brought);
		return;
	}
	o = view_object();
	jset_bool(o, "locked", !vault_is_open(v));
	if (!jget_bool(c->doc, "have", false) && vault_key_hex(v, hex)) {
		jset_str(o, "key", hex);
		explicit_bzero(hex, sizeof(hex));
	}
	call_reply_json(c, 200, o);
}
