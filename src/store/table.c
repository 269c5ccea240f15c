// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * table.c - keys and values of the store's LMDB tables, and LMDB's codes as
 * ours. Every value carries its revision and a checksum over key, revision and
 * text, because LMDB itself has none: a flipped bit is noticed when the value
 * is read, not when a volume has been lost by it.
 */
#include "store/table.h"

#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>

#include "store/crc.h"

#define FULL_BYTES (256u << 10) /* a file system with less is full for a transaction */
#define VALUE_HEAD 12           /* revision 8, crc 4, little-endian */
#define STATE_KEY "state"
#define STATE_MAGIC "sdsdstor"
#define STATE_LEN 24 /* magic 8, format 4, applied 8, crc 4 */

int table_error(int mdb_code)
{
	switch (mdb_code) {
	case 0:
		return 0;
	case MDB_NOTFOUND:
		return -E_NOT_FOUND;
	case MDB_MAP_FULL:
	case MDB_TXN_FULL:
		return -ENOSPC;
	case MDB_PAGE_NOTFOUND:
	case MDB_CORRUPTED:
	case MDB_PANIC:
	case MDB_VERSION_MISMATCH:
	case MDB_INVALID:
	case MDB_INCOMPATIBLE:
	case MDB_BAD_TXN:
		return -E_CORRUPT;
	case MDB_READERS_FULL:
		return -EAGAIN;
	default:
		return mdb_code > 0 ? -mdb_code : -EIO;
	}
}

static bool file_system_full(const struct store *s)
{
	struct statvfs fs;

	return statvfs(s->dir, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize < FULL_BYTES;
}

int table_fail(const struct store *s, int mdb_code, const char *doing, struct err *err)
{
	int code = table_error(mdb_code);

	/* LMDB's word for a write of which only a part found room */
	if (code == -EIO && file_system_full(s))
		code = -ENOSPC;
	if (code == -ENOSPC)
		return err_set(
			err, code,
			"store %s: %s: no space left (map of %llu MiB); free space on its file "
			"system or delete objects that are not needed",
			s->path, doing, (unsigned long long)(s->map_bytes >> 20));
	if (code == -E_CORRUPT)
		return err_set(err, code,
			       "store %s is damaged (%s: %s); if other nodes hold the data, remove "
			       "this node's state directory and join again",
			       s->path, doing, mdb_strerror(mdb_code));
	return err_set(err, code, "store %s: %s: %s", s->path, doing, mdb_strerror(mdb_code));
}

static uint32_t value_crc(const void *key, size_t key_len, uint64_t revision, const void *text,
			  size_t len)
{
	uint8_t head[8];
	uint32_t crc;

	put_le(head, revision, 8);
	crc = crc_update(0, key, key_len);
	crc = crc_update(crc, head, sizeof(head));
	return crc_update(crc, text, len);
}

int table_parse(const MDB_val *key, const MDB_val *raw, struct table_value *ret)
{
	const uint8_t *p = raw->mv_data;
	struct table_value v;

	if (raw->mv_size < VALUE_HEAD)
		return -E_CORRUPT;
	v.revision = get_le(p, 8);
	v.text = (const char *)p + VALUE_HEAD;
	v.len = raw->mv_size - VALUE_HEAD;
	if (get_le(p + 8, 4) != value_crc(key->mv_data, key->mv_size, v.revision, v.text, v.len))
		return -E_CORRUPT;
	*ret = v;
	return 0;
}

int table_get(struct store *s, MDB_txn *txn, enum store_table table, const char *key,
	      struct table_value *ret)
{
	MDB_val k = { .mv_size = strlen(key), .mv_data = (void *)key }, raw;
	int rv;

	/* LMDB refuses such a key as a bad argument; asked for, it is simply not there */
	if (k.mv_size == 0 || k.mv_size >= STORE_KEY_MAX)
		return -E_NOT_FOUND;
	rv = mdb_get(txn, s->dbi[table], &k, &raw);
	if (rv != 0)
		return table_error(rv);
	return table_parse(&k, &raw, ret);
}

int table_put_key(struct store *s, MDB_txn *txn, enum store_table table, MDB_val *key,
		  uint64_t revision, const char *text, size_t len)
{
	MDB_val raw = { .mv_size = VALUE_HEAD + len };
	uint8_t *p;
	int rv;

	rv = mdb_put(txn, s->dbi[table], key, &raw, MDB_RESERVE);
	if (rv != 0)
		return rv;
	p = raw.mv_data;
	put_le(p, revision, 8);
	put_le(p + 8, value_crc(key->mv_data, key->mv_size, revision, text, len), 4);
	if (len > 0)
		memcpy(p + VALUE_HEAD, text, len);
	return 0;
}

int table_put(struct store *s, MDB_txn *txn, enum store_table table, const char *key,
	      uint64_t revision, const char *text, size_t len)
{
	MDB_val k = { .mv_size = strlen(key), .mv_data = (void *)key };

	return table_put_key(s, txn, table, &k, revision, text, len);
}

int table_read_state(struct store *s, MDB_txn *txn, uint64_t *ret_applied, struct err *err)
{
	MDB_val k = { .mv_size = strlen(STATE_KEY), .mv_data = STATE_KEY }, raw;
	const uint8_t *p;
	int rv;

	rv = mdb_get(txn, s->dbi[TABLE_META], &k, &raw);
	if (rv == MDB_NOTFOUND)
		return -E_NOT_FOUND;
	if (rv != 0)
		return table_fail(s, rv, "reading its state", err);
	p = raw.mv_data;
	if (raw.mv_size != STATE_LEN || memcmp(p, STATE_MAGIC, 8) != 0 ||
	    get_le(p + 20, 4) != crc_update(0, p, 20))
		return table_fail(s, MDB_CORRUPTED, "reading its state", err);
	if (get_le(p + 8, 4) != STORE_FORMAT)
		return err_set(err, -E_CORRUPT,
			       "store %s has format %u, this program knows format %d; start the "
			       "version that wrote it",
			       s->path, (unsigned)get_le(p + 8, 4), STORE_FORMAT);
	*ret_applied = get_le(p + 12, 8);
	return 0;
}

int table_write_state(struct store *s, MDB_txn *txn, uint64_t applied)
{
	uint8_t state[STATE_LEN];
	MDB_val k = { .mv_size = strlen(STATE_KEY), .mv_data = STATE_KEY };
	MDB_val raw = { .mv_size = STATE_LEN, .mv_data = state };

	memcpy(state, STATE_MAGIC, 8);
	put_le(state + 8, STORE_FORMAT, 4);
	put_le(state + 12, applied, 8);
	put_le(state + 20, crc_update(0, state, 20), 4);
	return mdb_put(txn, s->dbi[TABLE_META], &k, &raw, 0);
}

void order_key(uint64_t revision, uint8_t out[8])
{
	/* big-endian, so that LMDB's byte order is the order of time */
	for (int i = 0; i < 8; i++)
		out[i] = (uint8_t)(revision >> (8 * (7 - i)));
}

int table_stamp(struct store *s, MDB_txn *txn, const char *prefix, struct store_stamp *ret)
{
	struct store_stamp stamp = { 0 };
	size_t len = strlen(prefix);
	MDB_val k = { .mv_size = len, .mv_data = (void *)prefix }, raw;
	MDB_cursor *cursor;
	int rv;

	rv = mdb_cursor_open(txn, s->dbi[TABLE_DOCS], &cursor);
	if (rv != 0)
		return table_error(rv);
	for (rv = mdb_cursor_get(cursor, &k, &raw, MDB_SET_RANGE);
	     rv == 0 && k.mv_size >= len && memcmp(k.mv_data, prefix, len) == 0;
	     rv = mdb_cursor_get(cursor, &k, &raw, MDB_NEXT)) {
		uint64_t revision;

		if (raw.mv_size < VALUE_HEAD) {
			rv = MDB_CORRUPTED;
			break;
		}
		revision = get_le(raw.mv_data, 8);
		stamp.count++;
		if (revision > stamp.revision)
			stamp.revision = revision;
	}
	mdb_cursor_close(cursor);
	if (rv != 0 && rv != MDB_NOTFOUND)
		return table_error(rv);
	*ret = stamp;
	return 0;
}

static bool is_key_text(const char *key, size_t len)
{
	if (len == 0 || len >= STORE_KEY_MAX || key[0] == '/')
		return false;
	for (size_t i = 0; i < len; i++) {
		if (key[i] <= ' ' || key[i] > '~' || (key[i] >= 'A' && key[i] <= 'Z'))
			return false;
	}
	return memchr(key, '/', len) != NULL;
}

bool key_is_valid(const char *key, size_t len)
{
	return is_key_text(key, len) && key[len - 1] != '/';
}

bool prefix_is_valid(const char *prefix, size_t len)
{
	return is_key_text(prefix, len) && prefix[len - 1] == '/';
}
