// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * store.c - opening, reading and watching the replicated documents. Called by
 * the API and the agent on the main loop; written to by apply.c and dump.c
 * only. LMDB commits with fsync, always: what store_applied says survives.
 */
#include "store/table.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/fs.h"
#include "store/check.h"

#define STORE_FILE "store.mdb"
#define STORE_MODE 0600
#define STORE_DIR_MODE 0700
#define STORE_READERS 64

static const char *const table_names[TABLE_COUNT] = { "meta", "docs", "requests", "order",
						      "history" };

static int open_tables(struct store *s, struct err *err)
{
	MDB_txn *txn;
	int rv;

	rv = mdb_txn_begin(s->env, NULL, 0, &txn);
	if (rv != 0)
		return table_fail(s, rv, "opening", err);
	for (int i = 0; i < TABLE_COUNT; i++) {
		rv = mdb_dbi_open(txn, table_names[i], MDB_CREATE, &s->dbi[i]);
		if (rv != 0)
			goto abort;
	}
	rv = table_read_state(s, txn, &s->applied, err);
	if (rv == -E_NOT_FOUND) {
		MDB_stat st;

		rv = mdb_stat(txn, s->dbi[TABLE_DOCS], &st);
		if (rv == 0 && st.ms_entries > 0)
			rv = MDB_CORRUPTED;
		if (rv == 0)
			rv = table_write_state(s, txn, 0);
		if (rv != 0)
			goto abort;
	} else if (rv < 0) {
		mdb_txn_abort(txn);
		return rv;
	}
	rv = history_load(s, txn, s->applied, &s->history);
	if (rv == 0)
		rv = counts_load(s, txn, s->applied, &s->counts);
	if (rv != 0)
		goto abort;
	rv = mdb_txn_commit(txn);
	return rv == 0 ? 0 : table_fail(s, rv, "opening", err);
abort:
	mdb_txn_abort(txn);
	return table_fail(s, rv, "opening", err);
}

static int damaged_value(struct store *s, const char *what, const MDB_val *key, struct err *err)
{
	int len = key->mv_size < STORE_KEY_MAX ? (int)key->mv_size : STORE_KEY_MAX - 1;

	return err_set(
		err, -E_CORRUPT,
		"store %s is damaged: %s \"%.*s\"; if other nodes hold the data, remove this "
		"node's state directory and join again",
		s->path, what, len, (const char *)key->mv_data);
}

static int check_document(struct store *s, const MDB_val *key, const struct table_value *v,
			  struct err *err)
{
	json *doc;
	bool object;

	if (!key_is_valid(key->mv_data, key->mv_size) || v->revision > s->applied)
		return damaged_value(s, "impossible key or revision of", key, err);
	if (json_parse_often(v->text, v->len, &doc, NULL) < 0)
		return damaged_value(s, "no JSON in", key, err);
	object = json_object_is_type(doc, json_type_object);
	json_object_put(doc);
	return object ? 0 : damaged_value(s, "no JSON object in", key, err);
}

static int check_table(struct store *s, MDB_txn *txn, enum store_table table, struct err *err)
{
	struct table_value v;
	MDB_cursor *cursor;
	MDB_val key, raw;
	int rv;

	rv = mdb_cursor_open(txn, s->dbi[table], &cursor);
	if (rv != 0)
		return table_fail(s, rv, "checking", err);
	while ((rv = mdb_cursor_get(cursor, &key, &raw, MDB_NEXT)) == 0) {
		int bad = 0;

		if (table_parse(&key, &raw, &v) < 0)
			bad = damaged_value(s, "wrong checksum of", &key, err);
		else if (table == TABLE_DOCS)
			bad = check_document(s, &key, &v, err);
		if (bad < 0) {
			mdb_cursor_close(cursor);
			return bad;
		}
	}
	mdb_cursor_close(cursor);
	return rv == MDB_NOTFOUND ? 0 : table_fail(s, rv, "checking", err);
}

/* Reads everything once, so that damage is found before somebody decides on it. */
static int check_values(struct store *s, struct err *err)
{
	MDB_stat requests, order;
	MDB_txn *txn;
	int rv;

	rv = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn);
	if (rv != 0)
		return table_fail(s, rv, "checking", err);
	rv = check_table(s, txn, TABLE_DOCS, err);
	if (rv == 0)
		rv = check_table(s, txn, TABLE_REQUESTS, err);
	if (rv == 0) {
		rv = mdb_stat(txn, s->dbi[TABLE_REQUESTS], &requests);
		if (rv == 0)
			rv = mdb_stat(txn, s->dbi[TABLE_ORDER], &order);
		if (rv == 0 && requests.ms_entries != order.ms_entries)
			rv = MDB_CORRUPTED;
		if (rv != 0)
			rv = table_fail(s, rv, "checking", err);
	}
	mdb_txn_abort(txn);
	return rv;
}

static int open_env(struct store *s, struct err *err)
{
	int dead, rv;

	rv = mdb_env_create(&s->env);
	if (rv != 0)
		return table_fail(s, rv, "opening", err);
	rv = mdb_env_set_maxdbs(s->env, TABLE_COUNT);
	if (rv == 0)
		rv = mdb_env_set_maxreaders(s->env, STORE_READERS);
	if (rv == 0)
		rv = mdb_env_set_mapsize(s->env, s->map_bytes);
	if (rv == 0)
		rv = mdb_env_open(s->env, s->path, MDB_NOSUBDIR | MDB_NOTLS, STORE_MODE);
	if (rv == 0)
		rv = mdb_reader_check(s->env, &dead);
	return rv == 0 ? 0 : table_fail(s, rv, "opening", err);
}

int store_open(const char *dir, uint64_t map_bytes, struct store **ret, struct err *err)
{
	struct store *s;
	int rv;

	rv = fs_mkdir(dir, STORE_DIR_MODE, err);
	if (rv < 0)
		return rv;
	s = calloc(1, sizeof(*s));
	if (!s)
		return err_set(err, -ENOMEM, "store: out of memory");
	s->watches_end = &s->watches;
	s->map_bytes = map_bytes ? map_bytes : STORE_MAP_DEFAULT;
	s->dir = strdup(dir);
	if (!s->dir || asprintf(&s->path, "%s/" STORE_FILE, dir) < 0) {
		s->path = NULL;
		rv = err_set(err, -ENOMEM, "store: out of memory");
		goto close;
	}
	rv = check_file(s->path, err);
	if (rv == 0)
		rv = open_env(s, err);
	if (rv == 0)
		rv = open_tables(s, err);
	if (rv == 0)
		rv = check_values(s, err);
	if (rv == 0)
		rv = fs_sync_dir(dir); /* the new file's name */
	if (rv < 0)
		goto close;
	*ret = s;
	return 0;
close:
	store_close(s);
	return rv;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	assert(s->notifying == 0);
	while (s->watches) {
		struct store_watch *w = s->watches;

		s->watches = w->next;
		free(w->prefix);
		free(w);
	}
	if (s->env)
		mdb_env_close(s->env);
	free(s->path);
	free(s->dir);
	free(s);
}

uint64_t store_applied(const struct store *s)
{
	return s->applied;
}

int store_get(struct store *s, const char *key, json **ret, uint64_t *ret_revision)
{
	struct table_value v;
	MDB_txn *txn;
	json *doc;
	int rv;

	rv = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn);
	if (rv != 0)
		return table_error(rv);
	rv = table_get(s, txn, TABLE_DOCS, key, &v);
	if (rv == 0 && json_parse_often(v.text, v.len, &doc, NULL) < 0)
		rv = -E_CORRUPT;
	mdb_txn_abort(txn);
	if (rv < 0)
		return rv;
	*ret = doc;
	if (ret_revision)
		*ret_revision = v.revision;
	return 0;
}

/* The callback's result, or a negative code of ours in *rv */
static int list_one(const MDB_val *key, const MDB_val *raw, store_each each, void *arg, int *rv)
{
	char name[STORE_KEY_MAX];
	struct table_value v;
	json *doc;
	int stop;

	*rv = -E_CORRUPT;
	if (key->mv_size >= sizeof(name) || table_parse(key, raw, &v) < 0 ||
	    json_parse_often(v.text, v.len, &doc, NULL) < 0)
		return 0;
	*rv = 0;
	memcpy(name, key->mv_data, key->mv_size);
	name[key->mv_size] = 0;
	stop = each(name, doc, v.revision, arg);
	json_object_put(doc);
	return stop;
}

/* What is called for each: one of the two */
struct listing {
	store_each each;
	store_each_key each_key;
	void *arg;
};

static int list_key(const MDB_val *key, const struct listing *l, int *rv)
{
	char name[STORE_KEY_MAX];

	*rv = key->mv_size < sizeof(name) ? 0 : -E_CORRUPT;
	if (*rv < 0)
		return 0;
	memcpy(name, key->mv_data, key->mv_size);
	name[key->mv_size] = 0;
	return l->each_key(name, l->arg);
}

static int list(struct store *s, const char *prefix, const struct listing *l)
{
	size_t len = strlen(prefix);
	MDB_val key = { .mv_size = len, .mv_data = (void *)prefix }, raw;
	MDB_cursor *cursor;
	MDB_txn *txn;
	int rv, stop = 0;

	rv = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn);
	if (rv != 0)
		return table_error(rv);
	rv = mdb_cursor_open(txn, s->dbi[TABLE_DOCS], &cursor);
	if (rv != 0)
		goto abort;
	rv = mdb_cursor_get(cursor, &key, &raw, len ? MDB_SET_RANGE : MDB_FIRST);
	while (rv == 0 && key.mv_size >= len && memcmp(key.mv_data, prefix, len) == 0) {
		stop = l->each ? list_one(&key, &raw, l->each, l->arg, &rv)
			       : list_key(&key, l, &rv);
		if (rv < 0 || stop != 0)
			break;
		rv = mdb_cursor_get(cursor, &key, &raw, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
abort:
	mdb_txn_abort(txn);
	if (stop != 0)
		return stop;
	if (rv == -E_CORRUPT)
		return rv;
	return rv == MDB_NOTFOUND ? 0 : table_error(rv);
}

int store_list(struct store *s, const char *prefix, store_each each, void *arg)
{
	return list(s, prefix, &(struct listing){ .each = each, .arg = arg });
}

int store_list_keys(struct store *s, const char *prefix, store_each_key each, void *arg)
{
	return list(s, prefix, &(struct listing){ .each_key = each, .arg = arg });
}

int store_prefix_stamp(struct store *s, const char *prefix, struct store_stamp *ret)
{
	MDB_txn *txn;
	int rv;

	rv = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn);
	if (rv != 0)
		return table_error(rv);
	rv = table_stamp(s, txn, prefix, ret);
	mdb_txn_abort(txn);
	return rv;
}

/* Pages that are in the file and free to be used again. */
static int free_pages(struct store *s, uint64_t *ret)
{
	MDB_cursor *cursor;
	uint64_t count = 0;
	MDB_val key, ids;
	MDB_txn *txn;
	int rv;

	rv = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn);
	if (rv != 0)
		return table_error(rv);
	rv = mdb_cursor_open(txn, 0, &cursor); /* 0 is LMDB's own list of free pages */
	if (rv == 0) {
		while ((rv = mdb_cursor_get(cursor, &key, &ids, MDB_NEXT)) == 0) {
			size_t n;

			memcpy(&n, ids.mv_data, sizeof(n));
			count += n;
		}
		mdb_cursor_close(cursor);
	}
	mdb_txn_abort(txn);
	if (rv != MDB_NOTFOUND)
		return table_error(rv);
	*ret = count;
	return 0;
}

void store_usage(struct store *s, struct store_usage *ret)
{
	uint64_t unused = 0;
	MDB_envinfo info;
	MDB_txn *txn;
	MDB_stat st;

	*ret = (struct store_usage){ 0 };
	if (mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn) != 0)
		return;
	if (mdb_stat(txn, s->dbi[TABLE_DOCS], &st) == 0)
		ret->documents = st.ms_entries;
	mdb_txn_abort(txn);
	for (int i = 0; i < HISTORY_RINGS; i++)
		ret->history += s->history.ring[i].count;
	mdb_env_info(s->env, &info);
	mdb_env_stat(s->env, &st);
	if (free_pages(s, &unused) == 0)
		ret->used_bytes = ((uint64_t)info.me_last_pgno + 1 - unused) * st.ms_psize;
}

int store_room(struct store *s, size_t bytes, struct err *err)
{
	uint64_t need, used, unused = 0, ops = bytes / STORE_ROOM_OP_BYTES;
	struct statvfs fs;
	MDB_envinfo info;
	MDB_stat st;
	int rv;

	if (ops > STORE_ROOM_OPS_MAX)
		ops = STORE_ROOM_OPS_MAX;
	mdb_env_info(s->env, &info);
	mdb_env_stat(s->env, &st);
	need = STORE_ROOM_FACTOR * (uint64_t)bytes + ops * 2 * st.ms_psize + STORE_ROOM_RESERVE;
	used = ((uint64_t)info.me_last_pgno + 1) * st.ms_psize;
	/* the list of free pages is read only when it matters: a large one takes time */
	if (used + need > s->map_bytes || used + need > STORE_USED_MAX) {
		rv = free_pages(s, &unused);
		if (rv < 0)
			return err_set(err, rv, "store %s: %s", s->path, err_name(rv));
	}
	used -= unused * st.ms_psize;
	if (used + need > s->map_bytes || used + need > STORE_USED_MAX)
		return err_set(
			err, -ENOSPC,
			"store %s is nearly full: %llu KiB in use, %llu KiB wanted in reserve; "
			"delete objects that are not needed",
			s->path, (unsigned long long)(used >> 10),
			(unsigned long long)(need >> 10));
	if (statvfs(s->dir, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize < need)
		return err_set(
			err, -ENOSPC,
			"the file system of %s is nearly full: %llu KiB free, %llu KiB wanted in "
			"reserve; free some space",
			s->dir, (unsigned long long)((uint64_t)fs.f_bavail * fs.f_frsize >> 10),
			(unsigned long long)(need >> 10));
	return 0;
}

struct store_watch *store_watch(struct store *s, const char *prefix, store_watch_cb cb, void *arg)
{
	struct store_watch *w = calloc(1, sizeof(*w));

	assert(cb);
	if (!w)
		return NULL;
	w->prefix = strdup(prefix);
	if (!w->prefix) {
		free(w);
		return NULL;
	}
	w->cb = cb;
	w->arg = arg;
	w->number = ++s->watch_number;
	*s->watches_end = w;
	s->watches_end = &w->next;
	return w;
}

static void sweep_watches(struct store *s)
{
	struct store_watch **at = &s->watches;

	while (*at) {
		struct store_watch *w = *at;

		if (w->cb) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		free(w->prefix);
		free(w);
	}
	s->watches_end = at;
}

void store_unwatch(struct store *s, struct store_watch *w)
{
	if (!w)
		return;
	w->cb = NULL;
	/* somebody up the stack may stand on it */
	if (s->notifying == 0)
		sweep_watches(s);
}

void store_notify(struct store *s, const char *key, uint64_t revision)
{
	uint64_t last = s->watch_number; /* watches made by callbacks start with the next change */

	s->notifying++;
	for (struct store_watch *w = s->watches; w && w->number <= last; w = w->next) {
		if (w->cb && (!key[0] || strncmp(key, w->prefix, strlen(w->prefix)) == 0))
			w->cb(key, revision, w->arg);
	}
	if (--s->notifying == 0)
		sweep_watches(s);
}
