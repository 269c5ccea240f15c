// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * txn.c - building and encoding a transaction. Called by the leader's change
 * functions. Calls that add to it cannot fail one by one: the first error
 * stays in the transaction and txn_encode returns it.
 */
#include "store/txn.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/history.h"
#include "store/table.h"
#include "store/txn_form.h"

struct txn {
	json *root; /* owned; the arrays below are inside of it */
	json *reads, *prefixes, *writes;
	size_t ops;
	int error;                   /* sticky: 0, -ENOMEM, -EMSGSIZE, -E_INVALID */
	char culprit[STORE_KEY_MAX]; /* the key that caused it */
};

static void fail(struct txn *t, int error, const char *key)
{
	size_t len = strlen(key);

	if (t->error)
		return;
	t->error = error;
	if (len >= sizeof(t->culprit))
		len = sizeof(t->culprit) - 1;
	memcpy(t->culprit, key, len);
	t->culprit[len] = 0;
}

static json *add_array(json *root, const char *name)
{
	json *array = json_object_new_array();

	if (array)
		jset(root, name, array);
	return array;
}

struct txn *txn_new(const char *request_id, const char *author)
{
	struct txn *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->root = json_object_new_object();
	if (!t->root) {
		free(t);
		return NULL;
	}
	jset_i64(t->root, TXN_VERSION, TXN_FORMAT);
	if (request_id[0])
		jset_str(t->root, TXN_ID, request_id);
	if (author[0])
		jset_str(t->root, TXN_AUTHOR, author);
	t->reads = add_array(t->root, TXN_READS);
	t->prefixes = add_array(t->root, TXN_PREFIXES);
	t->writes = add_array(t->root, TXN_WRITES);
	if (!t->reads || !t->prefixes || !t->writes) {
		txn_free(t);
		return NULL;
	}
	if (strlen(request_id) > REQUEST_ID_MAX)
		fail(t, -EMSGSIZE, request_id);
	if (strlen(author) > TXN_AUTHOR_MAX)
		fail(t, -EMSGSIZE, author);
	return t;
}

void txn_free(struct txn *t)
{
	if (!t)
		return;
	json_object_put(t->root);
	free(t);
}

/* Appends an empty row to array; NULL after a failure, which is noted */
static json *add_row(struct txn *t, json *array, const char *key)
{
	json *row, *name;

	if (t->error)
		return NULL;
	if (t->ops == TXN_OPS_MAX) {
		fail(t, -EMSGSIZE, key);
		return NULL;
	}
	row = json_object_new_array();
	name = json_object_new_string(key);
	if (!row || !name || json_object_array_add(row, name) < 0) {
		json_object_put(name);
		json_object_put(row);
		fail(t, -ENOMEM, key);
		return NULL;
	}
	if (json_object_array_add(array, row) < 0) {
		json_object_put(row);
		fail(t, -ENOMEM, key);
		return NULL;
	}
	t->ops++;
	return row;
}

static void add_number(struct txn *t, json *row, uint64_t n, const char *key)
{
	json *value = json_object_new_int64((int64_t)n);

	if (!value || json_object_array_add(row, value) < 0) {
		json_object_put(value);
		fail(t, -ENOMEM, key);
	}
}

void txn_read(struct txn *t, const char *key, uint64_t revision)
{
	json *row;

	if (!key_is_valid(key, strlen(key))) {
		fail(t, -E_INVALID, key);
		return;
	}
	row = add_row(t, t->reads, key);
	if (row)
		add_number(t, row, revision, key);
}

void txn_read_prefix(struct txn *t, const char *prefix, struct store_stamp stamp)
{
	json *row;

	if (!prefix_is_valid(prefix, strlen(prefix))) {
		fail(t, -E_INVALID, prefix);
		return;
	}
	row = add_row(t, t->prefixes, prefix);
	if (!row)
		return;
	add_number(t, row, stamp.count, prefix);
	add_number(t, row, stamp.revision, prefix);
}

int txn_get(struct txn *t, struct store *s, const char *key, json **ret)
{
	uint64_t revision = 0;
	int rv;

	rv = store_get(s, key, ret, &revision);
	if (rv == 0 || rv == -E_NOT_FOUND)
		txn_read(t, key, revision);
	return rv;
}

int txn_list(struct txn *t, struct store *s, const char *prefix, store_each each, void *arg)
{
	struct store_stamp stamp;
	int rv;

	rv = store_prefix_stamp(s, prefix, &stamp);
	if (rv < 0)
		return rv;
	/* nothing can change in between: both run on the main loop */
	txn_read_prefix(t, prefix, stamp);
	return store_list(s, prefix, each, arg);
}

/* The text of a JSON value as a JSON string; NULL after a failure, which is noted */
static json *as_text(struct txn *t, json *value, const char *key)
{
	const char *text;
	json *string;
	size_t len = 0;

	text = json_object_to_json_string_length(
		value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	if (text && len > STORE_DOC_MAX) {
		fail(t, -EMSGSIZE, key);
		return NULL;
	}
	string = text ? json_object_new_string_len(text, (int)len) : NULL;
	if (!string)
		fail(t, -ENOMEM, key);
	return string;
}

void txn_put(struct txn *t, const char *key, json *doc)
{
	json *row, *text = NULL;

	if (!key_is_valid(key, strlen(key)) || (doc && !json_object_is_type(doc, json_type_object)))
		fail(t, -E_INVALID, key);
	if (doc && !t->error)
		text = as_text(t, doc, key);
	row = add_row(t, t->writes, key);
	if (row && json_object_array_add(row, text) < 0)
		fail(t, -ENOMEM, key);
	else if (row)
		text = NULL; /* the row's now */
	json_object_put(text);
	json_object_put(doc);
}

int txn_written(const struct txn *t, const char *key, json **ret)
{
	for (size_t i = json_object_array_length(t->writes); i > 0; i--) {
		json *row = json_object_array_get_idx(t->writes, i - 1);
		json *text = json_object_array_get_idx(row, 1);
		int rv;

		if (strcmp(json_object_get_string(json_object_array_get_idx(row, 0)), key) != 0)
			continue;
		*ret = NULL;
		if (!text)
			return 1;
		rv = json_parse(json_object_get_string(text),
				(size_t)json_object_get_string_len(text), ret, NULL);
		return rv < 0 ? rv : 1;
	}
	return 0;
}

void txn_answer(struct txn *t, json *answer)
{
	json *text = t->error ? NULL : as_text(t, answer, "the answer");

	if (text)
		jset(t->root, TXN_ANSWER, text);
	json_object_put(answer);
}

/* how much of an UTF-8 text fits, without half a character at its end */
static size_t whole_characters(const char *text, size_t max)
{
	size_t len = strlen(text);

	if (len <= max)
		return len;
	for (len = max; len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80;)
		len--;
	return len;
}

void txn_note(struct txn *t, int64_t at_ms, const char *what)
{
	json *text =
		json_object_new_string_len(what, (int)whole_characters(what, HISTORY_WHAT_MAX));

	if (!text) {
		fail(t, -ENOMEM, "the note");
		return;
	}
	jset_i64(t->root, TXN_AT, at_ms);
	jset(t->root, TXN_WHAT, text);
}

bool txn_is_empty(const struct txn *t)
{
	/* one that has failed is no change at all, which txn_encode says */
	return !t->error && json_object_array_length(t->writes) == 0;
}

int txn_encode(const struct txn *t, struct buf *out, struct err *err)
{
	const char *text;
	size_t len = 0;
	int rv;

	if (t->error == -EMSGSIZE)
		return err_set(err, t->error,
			       "the change is too large at \"%s\" (a document may have %u KiB, a "
			       "change %d reads and writes)",
			       t->culprit, STORE_DOC_MAX >> 10, TXN_OPS_MAX);
	if (t->error)
		return err_set(err, t->error, "cannot make the change at \"%s\": %s", t->culprit,
			       err_name(t->error));
	text = json_object_to_json_string_length(
		t->root, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	if (!text)
		return err_set(err, -ENOMEM, "the change: out of memory");
	if (len > TXN_BYTES_MAX)
		return err_set(err, -EMSGSIZE, "the change has %zu bytes, at most %u are possible",
			       len, TXN_BYTES_MAX);
	rv = buf_append(out, text, len);
	return rv == 0 ? 0 : err_set(err, rv, "the change: %s", err_name(rv));
}
