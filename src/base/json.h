/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * json.h - reading json-c objects without crashing on what a user sent: every
 * getter takes a possibly NULL or non-object value. Conversions are those that
 * LINSTOR's clients rely on: numbers may come as strings, booleans as
 * "True"/"true"/"1", integer-valued floats are integers.
 */
#ifndef SDSD_BASE_JSON_H
#define SDSD_BASE_JSON_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define JSON_DEPTH_MAX 32

typedef struct json_object json;

/* Parses exactly one value of len bytes (trailing blanks allowed). Caller owns
 * *ret (json_object_put). -E_INVALID with position on bad input, -EMSGSIZE. */
int json_parse(const char *text, size_t len, json **ret, struct err *err);
/* The same for what is parsed all the time, from any thread: the parser is kept. Making one takes
 * longer than most texts do, as its size has malloc join all small blocks that are free. Not for
 * secrets: it remembers the last string. */
int json_parse_often(const char *text, size_t len, json **ret, struct err *err);
/* Borrowed: valid while o lives. NULL when missing or null. */
json *jget(json *o, const char *key);
/* Borrowed string, or def when missing, null or not a scalar */
const char *jget_str(json *o, const char *key, const char *def);
/* 0; -ENOENT when missing or null; -E_INVALID when no integer. *ret set on 0 only. */
int jget_i64(json *o, const char *key, int64_t *ret);
int64_t jget_i64_or(json *o, const char *key, int64_t def);
bool jget_bool(json *o, const char *key, bool def);
/* Setters copy; o must be an object. */
void jset_str(json *o, const char *key, const char *value);
void jset_i64(json *o, const char *key, int64_t value);
void jset_bool(json *o, const char *key, bool value);
/* takes value (one reference) */
void jset(json *o, const char *key, json *value);
/* Compact form; borrowed until the next call on o or its release. */
const char *json_text(json *o);
/* Overwrites every string in o, for secrets: also where others share it. NULL is fine. */
void jwipe(json *o);
/* A deep copy owned by the caller (NULL for NULL) */
json *json_copy(json *o);

#endif
