// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * count.c - how many documents each table ("resource/", "pool/", ...) has, and when one of them was
 * changed last, kept in memory: whoever looks for changes every second shall not read tens of
 * thousands of documents for it. Loaded when the store is opened or replaced, changed by apply.c.
 */
#include <assert.h>
#include <string.h>

#include "store/table.h"

/* the length of "<table>/" */
static size_t table_len(const char *key, size_t len)
{
	const char *slash = memchr(key, '/', len);

	return slash ? (size_t)(slash - key) + 1 : len;
}

static struct count *find(struct counts *c, const char *table, size_t len)
{
	for (int i = 0; i < c->n; i++) {
		if (c->of[i].len == len && memcmp(c->of[i].table, table, len) == 0)
			return &c->of[i];
	}
	return NULL;
}

void counts_note(struct counts *c, const char *key, size_t key_len, int more, uint64_t index)
{
	size_t len = table_len(key, key_len);
	struct count *one = find(c, key, len);

	if (!one && (c->n == STORE_COUNTED_MAX || len > sizeof(one->table))) {
		c->others = true;
		return;
	}
	if (!one) {
		one = &c->of[c->n++];
		*one = (struct count){ .len = (uint8_t)len };
		memcpy(one->table, key, len);
	}
	one->what.documents += (uint64_t)more;
	one->what.changed = index;
}

int counts_load(struct store *s, MDB_txn *txn, uint64_t applied, struct counts *ret)
{
	MDB_cursor *cursor;
	MDB_val key, raw;
	int rv;

	memset(ret, 0, sizeof(*ret));
	rv = mdb_cursor_open(txn, s->dbi[TABLE_DOCS], &cursor);
	if (rv != 0)
		return rv;
	while ((rv = mdb_cursor_get(cursor, &key, &raw, MDB_NEXT)) == 0)
		counts_note(ret, key.mv_data, key.mv_size, 1, applied);
	mdb_cursor_close(cursor);
	return rv == MDB_NOTFOUND ? 0 : rv;
}

int store_count(struct store *s, const char *table, struct store_count *ret)
{
	size_t len = strlen(table);
	struct store_stamp stamp;
	struct count *one;
	int rv;

	assert(len > 0 && table_len(table, len) == len && table[len - 1] == '/');
	one = find(&s->counts, table, len);
	*ret = (struct store_count){ 0 };
	if (one)
		*ret = one->what;
	if (one || !s->counts.others)
		return 0;
	rv = store_prefix_stamp(s, table, &stamp);
	if (rv == 0)
		*ret = (struct store_count){ stamp.count, s->applied };
	return rv;
}
