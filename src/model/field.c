// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * field.c - strict readers for the fields of documents. Called by the _parse
 * functions of this folder. It knows no object.
 */
#include "model/field.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

int field_object(json *doc, const char *what, struct err *err)
{
	if (!json_object_is_type(doc, json_type_object))
		return err_set(err, -E_INVALID, "%s: not a JSON object", what);
	return 0;
}

int field_str_or_empty(json *doc, const char *what, const char *key, char *out, size_t len,
		       struct err *err)
{
	json *value = jget(doc, key);
	const char *text;

	if (!value) {
		out[0] = '\0';
		return 0;
	}
	if (!json_object_is_type(value, json_type_string))
		return err_set(err, -E_INVALID, "%s: \"%s\" must be a string", what, key);
	text = json_object_get_string(value);
	if (strlen(text) >= len)
		return err_set(err, -E_INVALID, "%s: \"%s\" is longer than %zu characters", what,
			       key, len - 1);
	snprintf(out, len, "%s", text);
	return 0;
}

int field_str(json *doc, const char *what, const char *key, char *out, size_t len, struct err *err)
{
	int rv = field_str_or_empty(doc, what, key, out, len, err);

	if (rv < 0)
		return rv;
	if (!out[0])
		return err_set(err, -E_INVALID, "%s: \"%s\" is missing", what, key);
	return 0;
}

int field_i64(json *doc, const char *what, const char *key, int64_t min, int64_t max, int64_t *ret,
	      struct err *err)
{
	int64_t n;
	int rv = jget_i64(doc, key, &n);

	if (rv == -ENOENT)
		return err_set(err, -E_INVALID, "%s: \"%s\" is missing", what, key);
	if (rv < 0 || n < min || n > max)
		return err_set(err, -E_INVALID,
			       "%s: \"%s\" must be a whole number from %lld to %lld", what, key,
			       (long long)min, (long long)max);
	*ret = n;
	return 0;
}

int field_bool(json *doc, const char *what, const char *key, bool *ret, struct err *err)
{
	json *value = jget(doc, key);

	if (value && !json_object_is_type(value, json_type_boolean))
		return err_set(err, -E_INVALID, "%s: \"%s\" must be true or false", what, key);
	*ret = value && json_object_get_boolean(value);
	return 0;
}

int field_u64_text(json *doc, const char *what, const char *key, uint64_t *ret, struct err *err)
{
	json *value = jget(doc, key);
	const char *text;
	char *end;
	unsigned long long n;

	if (!value) {
		*ret = 0;
		return 0;
	}
	if (!json_object_is_type(value, json_type_string) &&
	    !json_object_is_type(value, json_type_int))
		goto invalid;
	text = json_object_get_string(value);
	if (*text < '0' || *text > '9')
		goto invalid; /* strtoull takes blanks and signs */
	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || *end)
		goto invalid;
	*ret = n;
	return 0;
invalid:
	return err_set(err, -E_INVALID, "%s: \"%s\" must be a whole number of 64 bits", what, key);
}

int field_uuid(json *doc, const char *what, char out[37], struct err *err)
{
	uint8_t raw[16];
	char text[37];
	int rv = field_str(doc, what, "uuid", text, sizeof(text), err);

	if (rv < 0)
		return rv;
	if (text_uuid_parse(text, raw) < 0)
		return err_set(err, -E_INVALID, "%s: \"uuid\" is not a uuid", what);
	memcpy(out, text, sizeof(text));
	return 0;
}
