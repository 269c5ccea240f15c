// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * apply.c - the state machine: one committed entry against the store. Called
 * by the FSM (src/raft) with bytes that came from the log or another node, so
 * nothing in them is believed: what is not a transaction is consumed as
 * TXN_BAD. Everything here must come out the same on every node, whatever its
 * map size, clock or version: the outcome depends on entry and store only.
 */
#include "store/table.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "store/history.h"
#include "store/txn.h"
#include "store/txn_form.h"

/* A checked transaction; everything borrowed from root */
struct change {
	json *root;
	const char *id; /* "" for none */
	json *reads, *prefixes, *writes;
	json *answer; /* a string or NULL */
	/* for the history: what is not as it should be counts as not said */
	const char *author, *what;
	int64_t at_ms;
};

static size_t count_of(json *array)
{
	return array ? json_object_array_length(array) : 0;
}

static const char *text_at(json *row, size_t i, size_t *len)
{
	json *value = json_object_array_get_idx(row, i);

	if (!json_object_is_type(value, json_type_string))
		return NULL;
	*len = (size_t)json_object_get_string_len(value);
	return json_object_get_string(value);
}

static bool number_at(json *row, size_t i, uint64_t *ret)
{
	json *value = json_object_array_get_idx(row, i);
	int64_t n;

	if (!json_object_is_type(value, json_type_int))
		return false;
	n = json_object_get_int64(value);
	if (n < 0)
		return false;
	*ret = (uint64_t)n;
	return true;
}

static bool row_is_read(json *row)
{
	const char *key;
	uint64_t n;
	size_t len;

	key = json_object_array_length(row) == 2 ? text_at(row, 0, &len) : NULL;
	return key && key_is_valid(key, len) && number_at(row, 1, &n);
}

static bool row_is_prefix(json *row)
{
	const char *key;
	uint64_t n;
	size_t len;

	key = json_object_array_length(row) == 3 ? text_at(row, 0, &len) : NULL;
	return key && prefix_is_valid(key, len) && number_at(row, 1, &n) && number_at(row, 2, &n);
}

static bool is_document(const char *text, size_t len)
{
	json *doc;
	bool object;

	if (len > STORE_DOC_MAX || json_parse_often(text, len, &doc, NULL) < 0)
		return false;
	object = json_object_is_type(doc, json_type_object);
	json_object_put(doc);
	return object;
}

static bool row_is_write(json *row)
{
	const char *key, *text;
	size_t len;

	key = json_object_array_length(row) == 2 ? text_at(row, 0, &len) : NULL;
	if (!key || !key_is_valid(key, len))
		return false;
	if (!json_object_array_get_idx(row, 1))
		return true; /* null: delete */
	text = text_at(row, 1, &len);
	return text && is_document(text, len);
}

static bool rows_are(json *array, bool (*row_is)(json *))
{
	if (!array)
		return true;
	if (!json_object_is_type(array, json_type_array))
		return false;
	for (size_t i = 0; i < json_object_array_length(array); i++) {
		json *row = json_object_array_get_idx(array, i);

		if (!json_object_is_type(row, json_type_array) || !row_is(row))
			return false;
	}
	return true;
}

static bool is_request_id(const char *id)
{
	size_t len = strlen(id);

	if (len > REQUEST_ID_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (id[i] <= ' ' || id[i] > '~')
			return false;
	}
	return true;
}

static bool is_answer(json *answer)
{
	json *parsed;

	if (!answer)
		return true;
	if (!json_object_is_type(answer, json_type_string) ||
	    json_object_get_string_len(answer) > (int)STORE_DOC_MAX ||
	    json_parse(json_object_get_string(answer), (size_t)json_object_get_string_len(answer),
		       &parsed, NULL) < 0)
		return false;
	json_object_put(parsed);
	return true;
}

static void decode_note(struct change *ch)
{
	ch->author = jget_str(ch->root, TXN_AUTHOR, "");
	ch->what = jget_str(ch->root, TXN_WHAT, "");
	ch->at_ms = jget_i64_or(ch->root, TXN_AT, 0);
	if (strlen(ch->author) > TXN_AUTHOR_MAX)
		ch->author = "";
	if (strlen(ch->what) > HISTORY_WHAT_MAX)
		ch->what = "";
	if (ch->at_ms < 0)
		ch->at_ms = 0;
}

/* On true ch->root is to be put by the caller */
static bool decode(const void *data, size_t len, struct change *ch)
{
	int64_t version;

	*ch = (struct change){ 0 };
	if (len > TXN_BYTES_MAX || json_parse(data, len, &ch->root, NULL) < 0)
		return false;
	ch->id = jget_str(ch->root, TXN_ID, "");
	ch->reads = jget(ch->root, TXN_READS);
	ch->prefixes = jget(ch->root, TXN_PREFIXES);
	ch->writes = jget(ch->root, TXN_WRITES);
	ch->answer = jget(ch->root, TXN_ANSWER);
	decode_note(ch);
	if (jget_i64(ch->root, TXN_VERSION, &version) == 0 && version == TXN_FORMAT &&
	    is_request_id(ch->id) && rows_are(ch->reads, row_is_read) &&
	    rows_are(ch->prefixes, row_is_prefix) && rows_are(ch->writes, row_is_write) &&
	    is_answer(ch->answer) &&
	    count_of(ch->reads) + count_of(ch->prefixes) + count_of(ch->writes) <= TXN_OPS_MAX)
		return true;
	json_object_put(ch->root);
	return false;
}

static void conflict(struct txn_result *r, const char *key, size_t len)
{
	r->outcome = TXN_CONFLICT;
	memcpy(r->conflict, key, len);
	r->conflict[len] = 0;
}

static int check_reads(struct store *s, MDB_txn *txn, const struct change *ch, struct txn_result *r)
{
	for (size_t i = 0; i < count_of(ch->reads); i++) {
		json *row = json_object_array_get_idx(ch->reads, i);
		struct table_value v = { 0 };
		uint64_t revision = 0;
		size_t len = 0;
		const char *key = text_at(row, 0, &len);
		int rv;

		number_at(row, 1, &revision);
		rv = table_get(s, txn, TABLE_DOCS, key, &v);
		if (rv < 0 && rv != -E_NOT_FOUND)
			return rv;
		if (v.revision != revision) {
			conflict(r, key, len);
			return 0;
		}
	}
	return 0;
}

static int check_prefixes(struct store *s, MDB_txn *txn, const struct change *ch,
			  struct txn_result *r)
{
	for (size_t i = 0; i < count_of(ch->prefixes); i++) {
		json *row = json_object_array_get_idx(ch->prefixes, i);
		struct store_stamp now, then = { 0 };
		size_t len = 0;
		const char *prefix = text_at(row, 0, &len);
		int rv;

		number_at(row, 1, &then.count);
		number_at(row, 2, &then.revision);
		rv = table_stamp(s, txn, prefix, &now);
		if (rv < 0)
			return rv;
		if (now.count != then.count || now.revision != then.revision) {
			conflict(r, prefix, len);
			return 0;
		}
	}
	return 0;
}

/* One document; *ret_changed: what became of it is in c->op. LMDB's code */
static int write_document(struct store *s, MDB_txn *txn, uint64_t index, json *row,
			  struct history_change *c, bool *ret_changed)
{
	size_t text_len = 0;
	const char *text = text_at(row, 1, &text_len);
	MDB_val k, old;
	int rv;

	c->key = text_at(row, 0, &c->len);
	k = (MDB_val){ .mv_size = c->len, .mv_data = (void *)c->key };
	rv = mdb_get(txn, s->dbi[TABLE_DOCS], &k, &old);
	if (rv != 0 && rv != MDB_NOTFOUND)
		return rv;
	*ret_changed = text || rv == 0;
	c->op = !text ? HISTORY_DELETED : rv == 0 ? HISTORY_CHANGED : HISTORY_MADE;
	if (text)
		return table_put(s, txn, TABLE_DOCS, c->key, index, text, text_len);
	return rv == MDB_NOTFOUND ? 0 : mdb_del(txn, s->dbi[TABLE_DOCS], &k, NULL);
}

/* What is known in memory of the tables: taken over when the transaction is committed */
struct ledger {
	struct history history;
	struct counts counts;
};

/* The documents and the entry in the history; LMDB's code */
static int write_documents(struct store *s, MDB_txn *txn, uint64_t index, const struct change *ch,
			   struct ledger *l)
{
	struct history_note note;
	int rv = 0, end;

	history_note_begin(&note);
	note.author = ch->author;
	note.what = ch->what;
	note.at_ms = ch->at_ms;
	for (size_t i = 0; i < count_of(ch->writes) && rv == 0; i++) {
		struct history_change c;
		bool changed = false;

		rv = write_document(s, txn, index, json_object_array_get_idx(ch->writes, i), &c,
				    &changed);
		if (rv != 0 || !changed)
			continue;
		history_note_change(&note, &c);
		counts_note(&l->counts, c.key, c.len,
			    c.op == HISTORY_MADE      ? 1
			    : c.op == HISTORY_DELETED ? -1
						      : 0,
			    index);
	}
	end = history_note_end(s, txn, index, &note, &l->history);
	return rv != 0 ? rv : end;
}

/* Forgets the oldest request ids beyond TXN_REQUESTS_KEPT. By count, not by time: the same on all
 * nodes. Returns LMDB's code. */
static int prune_requests(struct store *s, MDB_txn *txn)
{
	MDB_cursor *cursor;
	MDB_stat st;
	int rv;

	rv = mdb_stat(txn, s->dbi[TABLE_ORDER], &st);
	if (rv != 0 || st.ms_entries <= TXN_REQUESTS_KEPT)
		return rv;
	rv = mdb_cursor_open(txn, s->dbi[TABLE_ORDER], &cursor);
	if (rv != 0)
		return rv;
	for (size_t n = st.ms_entries; rv == 0 && n > TXN_REQUESTS_KEPT; n--) {
		MDB_val key, id;

		rv = mdb_cursor_get(cursor, &key, &id, MDB_FIRST);
		if (rv == 0)
			rv = mdb_del(txn, s->dbi[TABLE_REQUESTS], &id, NULL);
		if (rv == 0)
			rv = mdb_cursor_del(cursor, 0);
	}
	mdb_cursor_close(cursor);
	return rv;
}

/* returns LMDB's code */
static int remember_request(struct store *s, MDB_txn *txn, uint64_t index, const struct change *ch)
{
	const char *text = ch->answer ? json_object_get_string(ch->answer) : "";
	size_t len = ch->answer ? (size_t)json_object_get_string_len(ch->answer) : 0;
	uint8_t order[8];
	MDB_val k = { .mv_size = sizeof(order), .mv_data = order };
	MDB_val id = { .mv_size = strlen(ch->id), .mv_data = (void *)ch->id };
	int rv;

	if (!ch->id[0])
		return 0;
	rv = table_put(s, txn, TABLE_REQUESTS, ch->id, index, text, len);
	if (rv != 0)
		return rv;
	order_key(index, order);
	rv = mdb_put(txn, s->dbi[TABLE_ORDER], &k, &id, 0);
	return rv != 0 ? rv : prune_requests(s, txn);
}

/* Decides and, when the outcome is TXN_APPLIED, writes. LMDB's code. */
static int run_change(struct store *s, MDB_txn *txn, uint64_t index, const struct change *ch,
		      struct txn_result *r, struct ledger *l)
{
	struct table_value v;
	int rv;

	if (ch->id[0]) {
		rv = table_get(s, txn, TABLE_REQUESTS, ch->id, &v);
		if (rv == 0) {
			r->outcome = TXN_DUPLICATE;
			r->revision = v.revision;
			return 0;
		}
		if (rv != -E_NOT_FOUND)
			return MDB_CORRUPTED;
	}
	r->outcome = TXN_APPLIED;
	if (check_reads(s, txn, ch, r) < 0)
		return MDB_CORRUPTED;
	if (r->outcome == TXN_APPLIED && check_prefixes(s, txn, ch, r) < 0)
		return MDB_CORRUPTED;
	if (r->outcome != TXN_APPLIED)
		return 0;
	r->revision = index;
	rv = write_documents(s, txn, index, ch, l);
	return rv != 0 ? rv : remember_request(s, txn, index, ch);
}

static void notify_writes(struct store *s, uint64_t index, const struct change *ch)
{
	for (size_t i = 0; i < count_of(ch->writes); i++) {
		size_t len;

		store_notify(s, text_at(json_object_array_get_idx(ch->writes, i), 0, &len), index);
	}
}

int store_apply(struct store *s, uint64_t index, const void *data, size_t len,
		struct txn_result *ret, struct err *err)
{
	struct txn_result r = { .outcome = TXN_BAD };
	struct ledger l = { s->history, s->counts };
	struct change ch;
	MDB_txn *txn;
	bool good;
	int rv;

	if (index <= s->applied) {
		*ret = (struct txn_result){ .outcome = TXN_SKIPPED };
		return 0;
	}
	good = decode(data, len, &ch);
	rv = mdb_txn_begin(s->env, NULL, 0, &txn);
	if (rv != 0)
		goto done;
	if (good)
		rv = run_change(s, txn, index, &ch, &r, &l);
	if (rv == 0)
		rv = table_write_state(s, txn, index);
	if (rv == 0)
		rv = mdb_txn_commit(txn); /* ends txn whatever it returns */
	else
		mdb_txn_abort(txn);
	if (rv != 0)
		goto done;
	s->applied = index;
	s->history = l.history;
	s->counts = l.counts;
	*ret = r;
	if (r.outcome == TXN_APPLIED)
		notify_writes(s, index, &ch);
done:
	if (good)
		json_object_put(ch.root);
	return rv == 0 ? 0 : table_fail(s, rv, "applying an entry", err);
}

int store_request(struct store *s, const char *request_id, uint64_t *ret_revision,
		  json **ret_answer)
{
	struct table_value v;
	json *answer = NULL;
	MDB_txn *txn;
	int rv;

	rv = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn);
	if (rv != 0)
		return table_error(rv);
	rv = table_get(s, txn, TABLE_REQUESTS, request_id, &v);
	if (rv == 0 && v.len > 0 && json_parse(v.text, v.len, &answer, NULL) < 0)
		rv = -E_CORRUPT;
	mdb_txn_abort(txn);
	if (rv < 0)
		return rv;
	if (ret_revision)
		*ret_revision = v.revision;
	if (ret_answer)
		*ret_answer = answer;
	else
		json_object_put(answer);
	return 0;
}
