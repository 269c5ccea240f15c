/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * field.h - strict readers for the fields of documents: a wrong type or a value
 * outside its range is -E_INVALID with a sentence that names the object and the
 * field. what: "node n1", for that sentence. For requests that may be lenient
 * see base/json.h.
 */
#ifndef SDSD_MODEL_FIELD_H
#define SDSD_MODEL_FIELD_H

#include "base/json.h"

/* a string of 1..len-1 bytes */
int field_str(json *doc, const char *what, const char *key, char *out, size_t len, struct err *err);
/* the same; missing, null and "" give "" */
int field_str_or_empty(json *doc, const char *what, const char *key, char *out, size_t len,
		       struct err *err);
int field_i64(json *doc, const char *what, const char *key, int64_t min, int64_t max, int64_t *ret,
	      struct err *err);
/* missing and null: false */
int field_bool(json *doc, const char *what, const char *key, bool *ret, struct err *err);
/* a number of 64 bits without sign, as a decimal string (or a JSON number); missing: 0 */
int field_u64_text(json *doc, const char *what, const char *key, uint64_t *ret, struct err *err);
int field_uuid(json *doc, const char *what, char out[37], struct err *err); /* "uuid" */
/* -E_INVALID unless doc is an object */
int field_object(json *doc, const char *what, struct err *err);

#endif
