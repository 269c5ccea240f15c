// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * call.c - makes, answers and reads requests. Called by api.c, leader.c and all
 * handlers. It knows the shapes of answers and of queries, no objects.
 */
#include "api/call.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/state.h"
#include "base/text.h"
#include "net/http.h"

#define QUERY_VALUE_MAX 512
#define QUERY_VALUES_MAX 1024 /* values of one repeated key that are looked at */

static void call_free(struct api_call *c)
{
	if (c->prev)
		c->prev->next = c->next;
	else
		c->api->calls = c->next;
	if (c->next)
		c->next->prev = c->prev;
	if (c->secret) {
		jwipe(c->doc);
		explicit_bzero(c->body.data, c->body.len);
	}
	json_object_put(c->doc);
	buf_release(&c->body);
	free(c->url);
	free(c->path);
	free(c->query);
	free(c);
}

struct api_call *call_new(struct api *api, const char *method, const char *url, const void *body,
			  size_t len)
{
	struct api_call *c;
	const char *mark = strchr(url, '?');
	size_t path_len = mark ? (size_t)(mark - url) : strlen(url);

	if (url[0] != '/' || strlen(url) >= HTTP_URL_MAX || strlen(method) >= sizeof(c->method))
		return NULL;
	c = calloc(1, sizeof(*c));
	if (!c)
		abort();
	c->api = api;
	snprintf(c->method, sizeof(c->method), "%s", method);
	c->url = strdup(url);
	c->path = strndup(url, path_len);
	c->query = strdup(mark ? mark + 1 : "");
	buf_init(&c->body, HTTP_BODY_MAX);
	if (!c->url || !c->path || !c->query)
		abort();
	c->next = api->calls;
	if (c->next)
		c->next->prev = c;
	api->calls = c;
	text_uuid(c->id);
	api_count_begin(c);
	if (len > 0 && buf_append(&c->body, body, len) < 0) {
		call_drop(c);
		return NULL;
	}
	return c;
}

void call_reply(struct api_call *c, int status, const void *body, size_t len)
{
	api_count_end(c, status);
	c->reply(c, status, body, len, c->reply_arg);
	call_free(c);
}

void call_reply_take(struct api_call *c, int status, struct buf *body)
{
	c->give = body;
	call_reply(c, status, body->data, body->len);
	buf_release(body);
}

void call_drop(struct api_call *c)
{
	api_count_end(c, 0);
	call_free(c);
}

void call_reply_json(struct api_call *c, int status, json *doc)
{
	const char *text = json_text(doc);

	call_reply(c, status, text, strlen(text));
	json_object_put(doc);
}

void call_reply_rc(struct api_call *c, int ok_status, json *list)
{
	call_reply_json(c, rc_status(list, ok_status), list);
}

json *call_error_list(uint64_t op, uint64_t object, int code, const struct err *err)
{
	json *list = rc_list();
	const char *text = err && err->text[0] ? err->text : err_name(code);
	const char *correction = rc_correction(code);
	json *entry;

	entry = rc_add(list, rc_code(RC_ERROR, op, object, rc_number(code, object)), "%s", text);
	if (correction)
		jset_str(entry, "correction", correction);
	return list;
}

void call_fail_details(struct api_call *c, uint64_t object, int code, const struct err *err,
		       const char *details)
{
	uint64_t op = c->match.route ? c->match.route->op : 0;

	json *list = call_error_list(op, object, code, err);

	if (details)
		jset_str(json_object_array_get_idx(list, 0), "details", details);
	call_reply_json(c, c->error_status ? c->error_status : rc_status(list, 500), list);
}

void call_fail_object(struct api_call *c, uint64_t object, int code, const struct err *err)
{
	call_fail_details(c, object, code, err, NULL);
}

void call_fail(struct api_call *c, int code, const struct err *err)
{
	call_fail_object(c, c->match.route ? c->match.route->object : 0, code, err);
}

void call_bad_body(struct api_call *c, const char *fmt, ...)
{
	json *list = rc_list();
	char text[ERR_TEXT_MAX];
	json *entry;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	entry = rc_add(list, RC_PARSE_ERROR, "The request body cannot be used: %s", text);
	jset_str(entry, "correction", "Send the JSON that this operation is documented with.");
	call_reply_json(c, 400, list);
}

void call_moved(struct api_call *c, enum call_moved how)
{
	json *list = rc_list();

	c->moved = how;
	rc_add(list, rc_code(RC_ERROR, 0, 0, RC_UNKNOWN_ERROR),
	       how == CALL_MOVED_MAYBE ? "Leadership was lost while this was decided"
				       : "This node does not lead the cluster now");
	call_reply_json(c, 503, list);
}

json *call_object(struct api_call *c)
{
	if (!c->doc) {
		c->doc = json_object_new_object();
		if (!c->doc)
			abort();
	}
	if (json_object_is_type(c->doc, json_type_object))
		return c->doc;
	call_bad_body(c, "a JSON object is expected, not %s",
		      json_type_to_name(json_object_get_type(c->doc)));
	return NULL;
}

int call_check_type(json *o, const char *key, enum json_type type, struct err *err)
{
	json *value = jget(o, key);

	if (!value || json_object_is_type(value, type))
		return 0;
	return err_set(err, -E_INVALID, "field %s must be %s, not %s", key, json_type_to_name(type),
		       json_type_to_name(json_object_get_type(value)));
}

bool call_props_change(struct api_call *c)
{
	struct err err;

	if (!call_object(c))
		return false;
	if (call_check_type(c->doc, "override_props", json_type_object, &err) == 0 &&
	    call_check_type(c->doc, "delete_props", json_type_array, &err) == 0 &&
	    call_check_type(c->doc, "delete_namespaces", json_type_array, &err) == 0)
		return true;
	call_bad_body(c, "%s", err.text);
	return false;
}

bool call_query_bool(struct api_call *c, const char *key, bool def)
{
	char value[QUERY_VALUE_MAX];

	if (http_query_value(c->query, key, 0, value, sizeof(value)) < 0)
		return def;
	return strcasecmp(value, "true") == 0 || strcmp(value, "1") == 0;
}

bool call_query_has(struct api_call *c, const char *key, const char *value)
{
	char text[QUERY_VALUE_MAX];
	bool any = false;

	for (int i = 0; i < QUERY_VALUES_MAX; i++) {
		int rv = http_query_value(c->query, key, i, text, sizeof(text));

		if (rv == -ENOENT)
			break;
		any = true;
		if (rv == 0 && strcasecmp(text, value) == 0)
			return true;
	}
	return !any;
}

bool call_query_props(struct api_call *c, json *props)
{
	char text[QUERY_VALUE_MAX];

	for (int i = 0; i < QUERY_VALUES_MAX; i++) {
		int rv = http_query_value(c->query, "props", i, text, sizeof(text));
		const char *have;
		char *value;

		if (rv == -ENOENT)
			break;
		if (rv < 0)
			return false;
		value = strchr(text, '=');
		if (value)
			*value++ = '\0';
		have = jget_str(props, text, NULL);
		if (!have || (value && strcmp(have, value) != 0))
			return false;
	}
	return true;
}

static int64_t query_number(struct api_call *c, const char *key)
{
	char value[QUERY_VALUE_MAX];
	char *end;
	long long n;

	if (http_query_value(c->query, key, 0, value, sizeof(value)) < 0)
		return 0;
	errno = 0;
	n = strtoll(value, &end, 10);
	return errno || *end || n < 0 ? 0 : n;
}

json *call_query_page(struct api_call *c, json *list)
{
	int64_t limit = query_number(c, "limit"), offset = query_number(c, "offset");
	int64_t n = (int64_t)json_object_array_length(list);
	json *page;

	if (limit == 0)
		return list;
	page = rc_list();
	for (int64_t i = offset; i < n && i - offset < limit; i++)
		json_object_array_add(page, json_object_get(json_object_array_get_idx(list, i)));
	json_object_put(list);
	return page;
}

void call_list_init(struct call_list *l, struct api_call *c)
{
	memset(l, 0, sizeof(*l));
	l->call = c;
	l->limit = query_number(c, "limit");
	l->offset = l->limit > 0 ? query_number(c, "offset") : 0;
	buf_init(&l->text, CALL_LIST_MAX);
}

bool call_list_is_done(const struct call_list *l)
{
	return l->limit > 0 && l->n - l->offset >= l->limit;
}

/* does the page hold what comes next? */
static bool list_takes(const struct call_list *l)
{
	int64_t i = l->n - l->offset;

	return i >= 0 && (l->limit == 0 || i < l->limit) && !l->full;
}

void call_list_push_text(struct call_list *l, const char *text, size_t len)
{
	if (list_takes(l))
		l->full = buf_append(&l->text, l->n > l->offset ? "," : "[", 1) < 0 ||
			  buf_append(&l->text, text, len) < 0;
	l->n++;
}

void call_list_push(struct call_list *l, json *element)
{
	const char *text = list_takes(l) ? json_text(element) : "";

	call_list_push_text(l, text, strlen(text));
	json_object_put(element);
}

struct buf *call_list_end(struct call_list *l)
{
	if (l->text.len == 0)
		l->full = l->full || buf_append(&l->text, "[", 1) < 0;
	l->full = l->full || buf_append(&l->text, "]", 1) < 0;
	return l->full ? NULL : &l->text;
}

void call_list_release(struct call_list *l)
{
	buf_release(&l->text);
}

void call_list_reply(struct call_list *l)
{
	struct buf *text = call_list_end(l);
	struct err err;

	if (text) {
		call_reply_take(l->call, 200, text);
	} else {
		err_set(&err, -EMSGSIZE,
			"the list is too long: ask with limit and offset, or a filter");
		call_fail(l->call, -EMSGSIZE, &err);
	}
	call_list_release(l);
}

void call_list_finish(struct api_call *c, struct call_list *l, bool in_time)
{
	if (in_time) {
		call_list_reply(l);
	} else {
		call_list_release(l);
		call_moved(c, CALL_MOVED);
	}
}
