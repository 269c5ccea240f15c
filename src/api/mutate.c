// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mutate.c - the life of a change on the leader: known request id? -> decide
 * (model/change.h) -> propose -> conflict? decide again -> wait for the effect ->
 * answer. Called by the handlers of mutating routes. It knows no objects.
 *
 * Users' changes are decided one after the other: nearly all of them touch a document
 * that others touch, too (the next minor, what a pool has promised), so that deciding
 * two at once would let one of them fail each time. What nodes tell concerns their own
 * documents and does not queue.
 *
 * A refusal is a statement about committed state, and a node that was deposed
 * without knowing may look at an old one: before refusing (or saying that there
 * is nothing to do) a barrier proves that this node still leads.
 */
#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/state.h"
#include "base/clock.h"
#include "base/crash.h"
#include "base/log.h"
#include "cluster/vault.h"

static void decide(struct mutation *m);

/* Whose turn it is: the first of the queue. Leaving it starts the next. */

static void turn_take(struct mutation *m)
{
	struct api *a = m->call->api;
	bool first = !a->turns;

	m->queued = true;
	if (first)
		a->turns = m;
	else
		a->turns_end->next_turn = m;
	a->turns_end = m;
	if (first)
		decide(m);
}

static void turn_over(struct mutation *m)
{
	struct api *a = m->call->api;

	if (!m->queued)
		return;
	m->queued = false;
	a->turns = m->next_turn;
	if (a->turns && !a->closing)
		decide(a->turns);
}

static void mutation_free(struct mutation *m)
{
	json_object_put(m->answer);
	free(m->details);
	if (m->own)
		explicit_bzero(m->own, malloc_usable_size(m->own));
	free(m->own);
	free(m);
}

void mutation_reply(struct mutation *m)
{
	struct api_call *c = m->call;
	json *answer = m->answer;
	int ok = m->ok_status;

	m->answer = NULL;
	mutation_free(m);
	if (json_object_is_type(answer, json_type_array))
		call_reply_rc(c, ok, answer);
	else
		call_reply_json(c, ok, answer);
}

json *mutation_note(struct mutation *m, int64_t code, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!m->answer)
		m->answer = rc_list();
	return rc_add(m->answer, code, "%s", text);
}

json *mutation_done(struct mutation *m, unsigned number, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return mutation_note(m,
			     rc_code(RC_SUCCESS, m->call->match.route->op,
				     m->call->match.route->object, number),
			     "%s", text);
}

void mutation_what(struct mutation *m, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(m->what, sizeof(m->what), fmt, ap);
	va_end(ap);
}

void mutation_say(struct mutation *m, const char *key)
{
	if (m->wrote && !m->repeated)
		log_info("api", "%s=%s %s", key, jget_str(m->call->doc, key, ""), m->what);
	mutation_reply(m);
}

static void refuse(struct mutation *m, int code, const struct err *err)
{
	struct api_call *c = m->call;
	uint64_t object = m->object;
	char *details = m->details;

	m->details = NULL;
	turn_over(m);
	mutation_free(m);
	call_fail_details(c, object, code, err, details);
	free(details);
}

static void moved(struct mutation *m, enum call_moved how)
{
	struct api_call *c = m->call;

	turn_over(m);
	mutation_free(m);
	call_moved(c, how);
}

static void committed(struct mutation *m, uint64_t revision)
{
	crash_point("committed", m->call->match.route->pattern);
	turn_over(m);
	m->wrote = true;
	if (revision > m->call->revision)
		m->call->revision = revision;
	if (m->after)
		m->after(m);
	else
		mutation_reply(m);
}

/* What was answered to this request id before; the id of another request is refused. */
static bool answer_again(struct mutation *m)
{
	struct api_call *c = m->call;
	struct store *store = c->api->config.store;
	json *kept = NULL;
	uint64_t revision;
	struct err err;

	if (store_request(store, c->id, &revision, &kept) < 0)
		return false;
	if (strcmp(jget_str(kept, "request", ""), c->path) != 0 ||
	    strcmp(jget_str(kept, "method", ""), c->method) != 0) {
		err_set(&err, -E_EXISTS, "request id %s was used for another request (%s %s)",
			c->id, jget_str(kept, "method", "?"), jget_str(kept, "request", "?"));
		json_object_put(kept);
		m->object = 0;
		refuse(m, -E_EXISTS, &err);
		return true;
	}
	json_object_put(m->answer);
	m->answer = json_copy(jget(kept, "answer"));
	json_object_put(kept);
	m->repeated = true;
	committed(m, revision);
	return true;
}

static void on_proposed(int status, const struct txn_result *result, void *arg)
{
	struct mutation *m = arg;
	struct api *a = m->call->api;
	struct err err;

	if (a->closing) {
		moved(m, CALL_MOVED_MAYBE);
		api_put(a);
		return;
	}
	if (status == -E_NOT_LEADER || status == -ECANCELED || status == -EBUSY) {
		moved(m, CALL_MOVED); /* certainly not executed: asked again in a moment */
	} else if (status == -E_UNKNOWN) {
		moved(m, CALL_MOVED_MAYBE);
	} else if (status < 0) {
		err_set(&err, status, "the change was not accepted: %s", err_name(status));
		refuse(m, status, &err);
	} else if (result->outcome == TXN_APPLIED) {
		committed(m, result->revision);
	} else if (result->outcome == TXN_CONFLICT && m->tries < MUTATION_TRIES_MAX) {
		log_debug("api", "request=%s conflict=%s try=%d", m->call->id, result->conflict,
			  m->tries);
		decide(m);
	} else if (result->outcome == TXN_CONFLICT) {
		err_set(&err, -E_CONFLICT, "%s was changed by others %d times meanwhile: try again",
			result->conflict, m->tries);
		refuse(m, -E_CONFLICT, &err);
	} else if (result->outcome != TXN_DUPLICATE || !answer_again(m)) {
		err_set(&err, -EIO, "the change was not applied (outcome %d): please report this",
			(int)result->outcome);
		refuse(m, -EIO, &err);
	}
	api_put(a);
}

/* Never the body, the query or an answer's data: there may be secrets in them. */
static void note_what(struct mutation *m, struct txn *t)
{
	struct api_call *c = m->call;
	const char *message = rc_message(m->answer);

	if (!m->what[0] && message[0])
		mutation_what(m, "%s", message);
	if (!m->what[0])
		mutation_what(m, "%s %s", c->method, c->path);
	txn_note(t, clock_wall_ms(), m->what);
}

static void propose(struct mutation *m, struct txn *t)
{
	struct api_call *c = m->call;
	json *kept = json_object_new_object();
	struct buf data;
	struct err err;
	int rv;

	if (!kept)
		abort();
	jset_str(kept, "method", c->method);
	jset_str(kept, "request", c->path);
	jset(kept, "answer", json_copy(m->answer));
	txn_answer(t, kept);
	note_what(m, t);
	buf_init(&data, TXN_BYTES_MAX);
	err.text[0] = '\0';
	rv = txn_encode(t, &data, &err);
	txn_free(t);
	if (rv < 0) {
		buf_release(&data);
		refuse(m, rv, &err);
		return;
	}
	crash_point("decided", c->match.route->pattern);
	api_get(c->api);
	consensus_propose(c->api->config.consensus, data.data, data.len, on_proposed, m);
	buf_release(&data);
}

static void on_fresh(int status, void *arg)
{
	struct mutation *m = arg;
	struct api *a = m->call->api;

	if (status < 0 || a->closing) {
		moved(m, CALL_MOVED);
	} else {
		m->fresh = true;
		decide(m);
	}
	api_put(a);
}

static void make_sure(struct mutation *m)
{
	api_get(m->call->api);
	consensus_barrier(m->call->api->config.consensus, on_fresh, m);
}

static void nothing_to_do(struct mutation *m)
{
	turn_over(m);
	if (m->after)
		m->after(m);
	else
		mutation_reply(m);
}

static int volume_key(char out[VOLUME_SEALED_MAX], struct err *err, void *arg)
{
	struct api *a = arg;

	return vault_volume_key(a->config.vault, out, err);
}

static void decide(struct mutation *m)
{
	struct api_call *c = m->call;
	struct change_env env = api_env(c->api);
	struct txn *t = txn_new(c->id, c->author);
	struct err err = { 0 };
	int rv;

	env.volume_key = volume_key;
	env.arg = c->api;
	m->tries++;
	json_object_put(m->answer);
	m->answer = NULL;
	free(m->details);
	m->details = NULL;
	m->what[0] = '\0';
	m->object = c->match.route->object;
	rv = m->change(m, &env, t, &err);
	if (rv == 0 && !txn_is_empty(t)) {
		propose(m, t);
		return;
	}
	txn_free(t);
	if (rv == -EAGAIN)
		moved(m, CALL_MOVED); /* too new a leader to know: asked again in a moment */
	else if (!m->fresh)
		make_sure(m);
	else if (rv < 0)
		refuse(m, rv, &err);
	else
		nothing_to_do(m);
}

void mutate_own(struct api_call *c, int ok_status,
		int (*change)(struct mutation *, struct change_env *, struct txn *, struct err *),
		void (*after)(struct mutation *), void *own)
{
	struct mutation *m = calloc(1, sizeof(*m));

	if (!m)
		abort();
	m->call = c;
	m->change = change;
	m->after = after;
	m->own = own;
	m->ok_status = ok_status;
	m->object = c->match.route->object;
	if (answer_again(m))
		return;
	if (c->who == WHO_NODE)
		decide(m);
	else
		turn_take(m);
}

void mutations_abandon(struct api *a)
{
	struct mutation *m = a->turns ? a->turns->next_turn : NULL;

	/* the first is at consensus, which answers it */
	while (m) {
		struct mutation *next = m->next_turn;

		m->queued = false;
		moved(m, CALL_MOVED);
		m = next;
	}
	if (a->turns)
		a->turns->next_turn = NULL;
}

void mutate(struct api_call *c, int ok_status,
	    int (*change)(struct mutation *, struct change_env *, struct txn *, struct err *),
	    void (*after)(struct mutation *))
{
	mutate_own(c, ok_status, change, after, NULL);
}
