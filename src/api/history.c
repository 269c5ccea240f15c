// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * history.c - GET /v1/sds/history: who changed what, when. Called through routes.c. The entries
 * are the store's (store/history.h).
 */
#include "api/history.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "api/view.h"
#include "net/http.h"

struct listing {
	int64_t limit, since_ms;
	char object[STORE_KEY_MAX];
	int64_t n;
	json *list; /* owned until the answer */
};

json *history_view(uint64_t index, json *entry)
{
	jset_i64(entry, "index", (int64_t)index);
	return entry;
}

/* a key is object or below it */
static bool is_below(const char *key, const char *object)
{
	size_t len = strlen(object);

	return strncmp(key, object, len) == 0 && (key[len] == '\0' || key[len] == '/');
}

/* does the key belong to the resource of this name? */
static bool is_of_resource(const char *key, const char *name)
{
	static const char *const tables[] = { "resource/", "record/", "replica/", "snapshot/" };

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		if (strncmp(key, tables[i], strlen(tables[i])) == 0)
			return is_below(key + strlen(tables[i]), name);
	}
	return false;
}

static bool key_concerns(const char *key, const char *object)
{
	if (strncmp(object, "volume/", 7) == 0)
		return is_of_resource(key, object + 7);
	if (!strchr(object, '/'))
		return is_of_resource(key, object);
	return is_below(key, object);
}

bool history_concerns(json *entry, const char *object)
{
	json *changes = jget(entry, "changes");

	if (!object[0])
		return true;
	for (size_t i = 0; i < json_object_array_length(changes); i++) {
		json *change = json_object_array_get_idx(changes, i);

		if (key_concerns(jget_str(change, "key", ""), object))
			return true;
	}
	return false;
}

static int add_entry(uint64_t index, json *entry, void *arg)
{
	struct listing *l = arg;

	if (!history_concerns(entry, l->object))
		return 0;
	view_push(l->list, json_object_get(history_view(index, entry)));
	return ++l->n == l->limit;
}

static int add_entry_back(uint64_t index, json *entry, void *arg)
{
	struct listing *l = arg;

	if (jget_i64_or(entry, "at", 0) < l->since_ms)
		return 1;
	return add_entry(index, entry, arg);
}

static json *reversed(json *list)
{
	json *other = view_list();

	for (size_t i = json_object_array_length(list); i > 0; i--)
		view_push(other, json_object_get(json_object_array_get_idx(list, i - 1)));
	json_object_put(list);
	return other;
}

/* -ENOENT: not there; -E_INVALID: the call was answered */
static int query_count(struct api_call *c, const char *key, int64_t max, int64_t *ret)
{
	char text[32], *end;
	long long n;
	struct err err;
	int rv = http_query_value(c->query, key, 0, text, sizeof(text));

	if (rv == -ENOENT)
		return rv;
	errno = 0;
	n = rv == 0 && isdigit((unsigned char)text[0]) ? strtoll(text, &end, 10) : -1;
	if (n >= 0 && errno == 0 && *end == '\0' && n <= max) {
		*ret = n;
		return 0;
	}
	err_set(&err, -E_INVALID, "%s must be a whole number from 0 to %lld", key, (long long)max);
	c->error_status = 400;
	call_fail(c, -E_INVALID, &err);
	return -E_INVALID;
}

bool history_query_object(struct api_call *c, char out[STORE_KEY_MAX])
{
	struct err err;
	int rv = http_query_value(c->query, "object", 0, out, STORE_KEY_MAX);

	if (rv == -ENOENT)
		out[0] = '\0';
	if (rv < 0 && rv != -ENOENT) {
		err_set(&err, -E_INVALID,
			"object must be a name such as volume/db, node/n1 or pool/n1/ssd, of %d "
			"characters at most",
			STORE_KEY_MAX - 1);
		c->error_status = 400;
		call_fail(c, -E_INVALID, &err);
		return false;
	}
	for (char *p = out; *p; p++) /* keys are in lower case */
		*p = (char)tolower((unsigned char)*p);
	return true;
}

/* from: those from this index on; without it the newest. Both in order, at most limit of them. */
void history_get(struct api_call *c)
{
	struct listing l = { .limit = HISTORY_LIST_DEFAULT };
	struct store *s = c->api->config.store;
	int64_t from = -1;
	struct err err;
	json *answer;
	int rv;

	if (query_count(c, "from", INT64_MAX, &from) == -E_INVALID ||
	    query_count(c, "limit", HISTORY_LIST_MAX, &l.limit) == -E_INVALID ||
	    query_count(c, "since", INT64_MAX, &l.since_ms) == -E_INVALID ||
	    !history_query_object(c, l.object))
		return;
	if (l.limit == 0)
		l.limit = HISTORY_LIST_DEFAULT;
	l.list = view_list();
	if (from >= 0)
		rv = store_history(s, (uint64_t)from, add_entry, &l);
	else
		rv = store_history_back(s, UINT64_MAX, add_entry_back, &l);
	if (rv < 0) {
		json_object_put(l.list);
		err_set(&err, rv, "the history cannot be read: %s", err_name(rv));
		call_fail(c, rv, &err);
		return;
	}
	answer = view_object();
	jset_i64(answer, "floor", (int64_t)store_history_floor(s));
	jset_i64(answer, "applied", (int64_t)store_applied(s));
	jset(answer, "history", from >= 0 ? l.list : reversed(l.list));
	call_reply_json(c, 200, answer);
}
