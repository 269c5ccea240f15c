// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * json.c - the forgiving readers and strict parser around json-c. Called by the
 * API, the store's users and the node-to-node messages. Forgiving are only the
 * conversions that clients rely on; the syntax is not: a text that another
 * parser might read differently is refused.
 */
#include "base/json.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define OFTEN_MAX (64u << 10) /* bytes; what a parser has needed for more is not kept */

/* What json-c lets pass although JSON has no such thing (NaN, Infinity), and strings holding a
 * NUL, which C code would see cut short. The depth was limited by the parser. */
static bool is_plain(json *o)
{
	switch (json_object_get_type(o)) {
	case json_type_double:
		return isfinite(json_object_get_double(o));
	case json_type_string:
		return strlen(json_object_get_string(o)) == (size_t)json_object_get_string_len(o);
	case json_type_array:
		for (size_t i = 0; i < json_object_array_length(o); i++) {
			if (!is_plain(json_object_array_get_idx(o, i)))
				return false;
		}
		return true;
	case json_type_object: {
		json_object_object_foreach(o, key, value)
		{
			(void)key;
			if (!is_plain(value))
				return false;
		}
		return true;
	}
	default:
		return true;
	}
}

static size_t trimmed_len(const char *text, size_t len)
{
	while (len > 0 && strchr(" \t\r\n", text[len - 1]) && text[len - 1])
		len--;
	return len;
}

static int parse_with(struct json_tokener *tok, const char *text, size_t len, json **ret,
		      struct err *err)
{
	enum json_tokener_error e;
	size_t end;
	json *o;

	o = json_tokener_parse_ex(tok, text, (int)len);
	e = json_tokener_get_error(tok);
	end = json_tokener_get_parse_end(tok);
	if (e == json_tokener_continue) {
		/* a number or word at the end is complete only when the text is known to end */
		o = json_tokener_parse_ex(tok, "", 1);
		e = json_tokener_get_error(tok);
		end = len;
	}
	if (e != json_tokener_success || end != len) {
		json_object_put(o);
		return err_set(err, -E_INVALID, "JSON: %s at byte %zu",
			       e == json_tokener_continue  ? "text ends too early"
			       : e == json_tokener_success ? "more after the value"
							   : json_tokener_error_desc(e),
			       end);
	}
	if (!is_plain(o)) {
		json_object_put(o);
		return err_set(err, -E_INVALID,
			       "JSON: a number is not finite, or a string holds a NUL");
	}
	*ret = o;
	return 0;
}

static struct json_tokener *tokener_new(void)
{
	struct json_tokener *tok = json_tokener_new_ex(JSON_DEPTH_MAX);

	if (tok)
		json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	return tok;
}

/* what len has to be for a parser */
static int check_length(size_t len, struct err *err)
{
	if (len == 0)
		return err_set(err, -E_INVALID, "JSON: empty text");
	if (len >= INT_MAX)
		return err_set(err, -EMSGSIZE, "JSON: %zu bytes are too many", len);
	return 0;
}

int json_parse(const char *text, size_t len, json **ret, struct err *err)
{
	struct json_tokener *tok;
	int rv;

	len = trimmed_len(text, len);
	rv = check_length(len, err);
	if (rv < 0)
		return rv;
	tok = tokener_new();
	if (!tok)
		return err_set(err, -ENOMEM, "JSON: out of memory");
	rv = parse_with(tok, text, len, ret, err);
	json_tokener_free(tok);
	return rv;
}

int json_parse_often(const char *text, size_t len, json **ret, struct err *err)
{
	static _Atomic(struct json_tokener *) spare; /* waits for its next text */
	struct json_tokener *tok;
	int rv;

	if (len > OFTEN_MAX)
		return json_parse(text, len, ret, err);
	len = trimmed_len(text, len);
	rv = check_length(len, err);
	if (rv < 0)
		return rv;
	tok = atomic_exchange(&spare, NULL);
	if (!tok)
		tok = tokener_new();
	if (!tok)
		return err_set(err, -ENOMEM, "JSON: out of memory");
	rv = parse_with(tok, text, len, ret, err);
	json_tokener_reset(tok);
	tok = atomic_exchange(&spare, tok);
	if (tok) /* of another thread, which was quicker */
		json_tokener_free(tok);
	return rv;
}

json *jget(json *o, const char *key)
{
	json *value;

	if (!json_object_is_type(o, json_type_object))
		return NULL;
	return json_object_object_get_ex(o, key, &value) ? value : NULL;
}

const char *jget_str(json *o, const char *key, const char *def)
{
	json *value = jget(o, key);

	switch (json_object_get_type(value)) {
	case json_type_string:
	case json_type_int:
	case json_type_double:
	case json_type_boolean:
		return json_object_get_string(value);
	default:
		return def;
	}
}

static int i64_of_text(const char *text, int64_t *ret)
{
	char *end;
	long long n;

	if (!((*text >= '0' && *text <= '9') || *text == '-'))
		return -E_INVALID; /* strtoll would skip blanks and take a + */
	errno = 0;
	n = strtoll(text, &end, 10);
	if (errno || end == text || *end)
		return -E_INVALID;
	*ret = n;
	return 0;
}

static int i64_of_double(double d, int64_t *ret)
{
	/* -2^63 <= d < 2^63; written so that NaN fails */
	if (!(d >= -9223372036854775808.0 && d < 9223372036854775808.0))
		return -E_INVALID;
	if (d != floor(d))
		return -E_INVALID;
	*ret = (int64_t)d;
	return 0;
}

int jget_i64(json *o, const char *key, int64_t *ret)
{
	json *value = jget(o, key);

	switch (json_object_get_type(value)) {
	case json_type_null:
		return -ENOENT;
	case json_type_int:
		if (json_object_get_int64(value) > 0 &&
		    json_object_get_uint64(value) > (uint64_t)INT64_MAX)
			return -E_INVALID;
		*ret = json_object_get_int64(value);
		return 0;
	case json_type_double:
		return i64_of_double(json_object_get_double(value), ret);
	case json_type_string:
		return i64_of_text(json_object_get_string(value), ret);
	default:
		return -E_INVALID;
	}
}

int64_t jget_i64_or(json *o, const char *key, int64_t def)
{
	int64_t n;

	return jget_i64(o, key, &n) == 0 ? n : def;
}

bool jget_bool(json *o, const char *key, bool def)
{
	json *value = jget(o, key);
	const char *text;

	switch (json_object_get_type(value)) {
	case json_type_boolean:
		return json_object_get_boolean(value);
	case json_type_int:
		return json_object_get_int64(value) != 0;
	case json_type_string:
		text = json_object_get_string(value);
		if (strcasecmp(text, "true") == 0 || strcmp(text, "1") == 0)
			return true;
		if (strcasecmp(text, "false") == 0 || strcmp(text, "0") == 0)
			return false;
		return def;
	default:
		return def;
	}
}

void jset(json *o, const char *key, json *value)
{
	assert(json_object_is_type(o, json_type_object));
	if (json_object_object_add(o, key, value) < 0)
		abort(); /* no memory: half a document must not go on */
}

/* json-c returns NULL for "no memory", which would be stored as null */
static json *checked(json *o)
{
	if (!o)
		abort();
	return o;
}

void jset_str(json *o, const char *key, const char *value)
{
	jset(o, key, value ? checked(json_object_new_string(value)) : NULL);
}

void jset_i64(json *o, const char *key, int64_t value)
{
	jset(o, key, checked(json_object_new_int64(value)));
}

void jset_bool(json *o, const char *key, bool value)
{
	jset(o, key, checked(json_object_new_boolean(value)));
}

const char *json_text(json *o)
{
	return json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
							 JSON_C_TO_STRING_NOSLASHESCAPE);
}

json *json_copy(json *o)
{
	json *copy = NULL;

	if (!o)
		return NULL;
	if (json_object_deep_copy(o, &copy, NULL) < 0)
		abort();
	return copy;
}

/* json-c has no way to do it: a new value of the same length goes into the old one's place */
void jwipe(json *o)
{
	int len;
	char *zeros;

	if (json_object_is_type(o, json_type_object)) {
		json_object_object_foreach(o, key, value)
		{
			(void)key;
			jwipe(value);
		}
	} else if (json_object_is_type(o, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(o); i++)
			jwipe(json_object_array_get_idx(o, i));
	} else if (json_object_is_type(o, json_type_string)) {
		len = json_object_get_string_len(o);
		zeros = calloc(1, (size_t)len + 1);
		if (!zeros)
			abort();
		json_object_set_string_len(o, zeros, len);
		free(zeros);
	}
}
