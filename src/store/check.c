// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * check.c - reads an LMDB 0.9 data file (64 bit, little-endian) as bytes and
 * verifies every page that can be reached from the newest meta page: type,
 * number, bounds of all offsets, order and sizes, that no page has two owners
 * and that none in use is listed as free, and that the counts kept in the
 * trees' records are right. What the values mean is not looked at: table.c has
 * checksums for that. Called by store.c before LMDB maps the file.
 */
#include "store/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE_HEAD 16
#define PAGE_SIZE_MIN 512
#define PAGE_SIZE_MAX 65536
#define META_MAGIC 0xbeefc0deu
#define META_VERSION 1
#define META_LEN 136
#define DB_LEN 48
#define NODE_HEAD 8
#define NO_PAGE UINT64_MAX
#define TREE_DEPTH_MAX 32    /* LMDB's own limit of a cursor's stack */
#define PAGES_MAX (1u << 28) /* 1 TiB of 4 KiB; a byte of memory each while checking */
#define FLAG_INTEGER_KEYS 8

enum { P_BRANCH = 1, P_LEAF = 2, P_OVERFLOW = 4, P_META = 8 };
enum { F_BIGDATA = 1, F_SUBDATA = 2 };

struct tree { /* MDB_db */
	uint16_t flags, depth;
	uint64_t branch, leaf, overflow, entries, root;
};

struct check;
/* what to do with a leaf's entry */
typedef int (*entry_fn)(struct check *c, unsigned flags, const uint8_t *value, uint64_t len);

struct key {
	const uint8_t *data; /* NULL: none yet */
	size_t len;
};

struct check {
	const uint8_t *base;
	uint64_t size;
	uint32_t page_size;
	uint64_t last_page;
	uint8_t *seen; /* one byte a page: has an owner */
	const char *path;
	struct err *err;
	/* the tree being walked */
	struct tree found; /* its counts so far */
	bool integer_keys;
	struct key last;  /* key of the last leaf entry */
	struct key bound; /* the keys from here on are not below it */
	entry_fn fn;
};

static uint16_t le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t le32(const uint8_t *p)
{
	return (uint32_t)le16(p) | (uint32_t)le16(p + 2) << 16;
}

static uint64_t le64(const uint8_t *p)
{
	return le32(p) | (uint64_t)le32(p + 4) << 32;
}

static int bad(struct check *c, uint64_t page, const char *what)
{
	return err_set(
		c->err, -E_CORRUPT,
		"store %s is damaged: page %llu: %s; if other nodes hold the data, remove this "
		"node's state directory and join again",
		c->path, (unsigned long long)page, what);
}

/* count pages from number on get an owner; they must be inside of the file */
static int claim(struct check *c, uint64_t number, uint64_t count)
{
	if (number < 2 || number > c->last_page || count == 0 || count > c->last_page - number + 1)
		return bad(c, number, "a number beyond the last page");
	for (uint64_t i = number; i < number + count; i++) {
		if (c->seen[i])
			return bad(c, i, "used twice");
		c->seen[i] = 1;
	}
	return 0;
}

static int page_at(struct check *c, uint64_t number, uint64_t count, const uint8_t **ret)
{
	int rv = claim(c, number, count);

	if (rv < 0)
		return rv;
	if ((number + count) * c->page_size > c->size)
		return bad(c, number, "the file ends before it");
	*ret = c->base + number * c->page_size;
	if (le64(*ret) != number)
		return bad(c, number, "holds another page");
	return 0;
}

static struct tree tree_of(const uint8_t *p)
{
	return (struct tree){ .flags = le16(p + 4),
			      .depth = le16(p + 6),
			      .branch = le64(p + 8),
			      .leaf = le64(p + 16),
			      .overflow = le64(p + 24),
			      .entries = le64(p + 32),
			      .root = le64(p + 40) };
}

/* <0, 0, >0 as LMDB orders keys; nothing is before everything */
static int compare(const struct check *c, struct key a, struct key b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int diff;

	if (!a.data || !b.data)
		return (a.data != NULL) - (b.data != NULL);
	if (c->integer_keys) {
		uint64_t x = le64(a.data), y = le64(b.data);

		return (x > y) - (x < y);
	}
	diff = memcmp(a.data, b.data, len);
	return diff ? diff : (a.len > b.len) - (a.len < b.len);
}

static int check_long_value(struct check *c, const uint8_t *data, uint64_t len, const uint8_t **ret)
{
	uint64_t number = le64(data);
	uint64_t count = (PAGE_HEAD - 1 + len) / c->page_size + 1;
	const uint8_t *page;
	int rv;

	rv = page_at(c, number, count, &page);
	if (rv < 0)
		return rv;
	if (le16(page + 10) != P_OVERFLOW || le32(page + 12) != count)
		return bad(c, number, "not the long value it should be");
	c->found.overflow += count;
	*ret = page + PAGE_HEAD;
	return 0;
}

static int check_entry(struct check *c, uint64_t number, const uint8_t *node, size_t room)
{
	uint64_t len = le16(node) | (uint64_t)le16(node + 2) << 16;
	unsigned flags = le16(node + 4);
	struct key key = { .data = node + NODE_HEAD, .len = le16(node + 6) };
	const uint8_t *value = key.data + key.len;
	int rv;

	if (flags & ~(unsigned)(F_BIGDATA | F_SUBDATA))
		return bad(c, number, "an entry with unknown flags");
	if (key.len > room || (flags & F_BIGDATA ? 8 : len) > room - key.len)
		return bad(c, number, "an entry passes the end of the page");
	if (key.len == 0 || (c->integer_keys && key.len != 8))
		return bad(c, number, "a key of a wrong length");
	if (compare(c, key, c->last) <= 0 || compare(c, key, c->bound) < 0)
		return bad(c, number, "its keys are not in order");
	c->last = key;
	if (flags & F_BIGDATA) {
		rv = check_long_value(c, value, len, &value);
		if (rv < 0)
			return rv;
	}
	c->found.entries++;
	return c->fn(c, flags, value, len);
}

static int check_page(struct check *c, uint64_t number, unsigned level, unsigned depth);

static int check_child(struct check *c, uint64_t number, const uint8_t *node, size_t room,
		       unsigned level, unsigned depth, bool first)
{
	uint64_t child =
		le16(node) | (uint64_t)le16(node + 2) << 16 | (uint64_t)le16(node + 4) << 32;
	struct key key = { .data = node + NODE_HEAD, .len = le16(node + 6) };

	if (key.len > room)
		return bad(c, number, "a key passes the end of the page");
	/* the key of a branch's first child is never looked at by LMDB and may be empty */
	if (!first) {
		if (key.len == 0 || (c->integer_keys && key.len != 8))
			return bad(c, number, "a key of a wrong length");
		if (compare(c, key, c->last) <= 0 || compare(c, key, c->bound) < 0)
			return bad(c, number, "its keys are not in order");
		c->bound = key;
	}
	return check_page(c, child, level, depth);
}

/* The entry i of a page whose head was checked; *room: bytes from its data to the page's end */
static const uint8_t *node_at(struct check *c, const uint8_t *page, unsigned i, size_t *room)
{
	size_t at = le16(page + PAGE_HEAD + 2 * i);

	if (at < le16(page + 14) || at + NODE_HEAD > c->page_size || at % 2 != 0)
		return NULL;
	*room = c->page_size - at - NODE_HEAD;
	return page + at;
}

static int check_page(struct check *c, uint64_t number, unsigned level, unsigned depth)
{
	bool leaf = level + 1 == depth;
	unsigned lower, upper;
	const uint8_t *page;
	int rv;

	rv = page_at(c, number, 1, &page);
	if (rv < 0)
		return rv;
	if (le16(page + 10) != (leaf ? P_LEAF : P_BRANCH))
		return bad(c, number, leaf ? "not the leaf it should be" : "not a branch");
	lower = le16(page + 12);
	upper = le16(page + 14);
	if (lower < PAGE_HEAD + (leaf ? 2 : 4) || lower % 2 != 0 || upper < lower ||
	    upper > c->page_size)
		return bad(c, number, "its bounds are wrong");
	*(leaf ? &c->found.leaf : &c->found.branch) += 1;
	for (unsigned i = 0; i < (lower - PAGE_HEAD) / 2; i++) {
		size_t room;
		const uint8_t *node = node_at(c, page, i, &room);

		if (!node)
			return bad(c, number, "an entry outside of the page");
		rv = leaf ? check_entry(c, number, node, room)
			  : check_child(c, number, node, room, level + 1, depth, i == 0);
		if (rv < 0)
			return rv;
	}
	return 0;
}

static int check_tree(struct check *c, const struct tree *t, entry_fn fn)
{
	const struct tree *found = &c->found;
	int rv;

	if (t->root == NO_PAGE) {
		if (t->entries || t->depth || t->leaf || t->branch || t->overflow)
			return bad(c, 0, "a table without pages has entries");
		return 0;
	}
	if (t->depth == 0 || t->depth > TREE_DEPTH_MAX)
		return bad(c, t->root, "the depth of its table is wrong");
	c->found = (struct tree){ 0 };
	c->last = c->bound = (struct key){ 0 };
	c->fn = fn;
	rv = check_page(c, t->root, 0, t->depth);
	if (rv < 0)
		return rv;
	if (found->branch != t->branch || found->leaf != t->leaf ||
	    found->overflow != t->overflow || found->entries != t->entries)
		return bad(c, t->root, "its table does not hold what it counts");
	return 0;
}

static int check_value(struct check *c, unsigned flags, const uint8_t *value, uint64_t len)
{
	return flags & F_SUBDATA ? bad(c, 0, "a table inside of a table") : 0;
}

/* An entry of the list of tables: one table */
static int check_table(struct check *c, unsigned flags, const uint8_t *value, uint64_t len)
{
	struct check outer = *c;
	struct tree t;
	int rv;

	if (flags != F_SUBDATA || len != DB_LEN)
		return bad(c, 0, "the list of tables is wrong");
	t = tree_of(value);
	if (t.flags != 0)
		return bad(c, 0, "a table of an unknown kind");
	rv = check_tree(c, &t, check_value);
	*c = outer;
	return rv;
}

/* An entry of the free list: a count, then page numbers in falling order */
static int check_free(struct check *c, unsigned flags, const uint8_t *value, uint64_t len)
{
	uint64_t count, before = NO_PAGE;

	if (flags & F_SUBDATA || len < 8)
		return bad(c, 0, "the list of free pages is wrong");
	count = le64(value);
	if (count > len / 8 - 1)
		return bad(c, 0, "the list of free pages is too short");
	for (uint64_t i = 1; i <= count; i++) {
		uint64_t number = le64(value + 8 * i);
		int rv;

		if (number >= before)
			return bad(c, number, "the list of free pages is not in order");
		rv = claim(c, number, 1);
		if (rv < 0)
			return rv;
		before = number;
	}
	return 0;
}

static bool is_meta(const struct check *c, const uint8_t *page)
{
	const uint8_t *meta = page + PAGE_HEAD;

	return le16(page + 10) == P_META && le32(meta) == META_MAGIC &&
	       le32(meta + 4) == META_VERSION && le32(meta + 24) == c->page_size;
}

/* The newer of the two meta pages, as LMDB takes it. NULL when one is wrong. The even
 * transactions write the first page and the odd ones the second, so the two are neighbours;
 * otherwise LMDB would go on from an older state as if nothing had happened. */
static const uint8_t *newest_meta(struct check *c)
{
	const uint8_t *meta[2];
	uint64_t id[2];

	if (c->size < PAGE_HEAD + META_LEN)
		return NULL;
	c->page_size = le32(c->base + PAGE_HEAD + 24);
	if (c->page_size < PAGE_SIZE_MIN || c->page_size > PAGE_SIZE_MAX ||
	    (c->page_size & (c->page_size - 1)) != 0 || c->size < 2 * (uint64_t)c->page_size)
		return NULL;
	for (int i = 0; i < 2; i++) {
		const uint8_t *page = c->base + (size_t)i * c->page_size;

		if (!is_meta(c, page))
			return NULL;
		meta[i] = page + PAGE_HEAD;
		id[i] = le64(meta[i] + 128);
	}
	if (id[0] == 0 && id[1] == 0)
		return meta[0]; /* new */
	if (id[0] % 2 != 0 || (id[1] != id[0] + 1 && id[1] + 1 != id[0]))
		return NULL;
	return id[0] > id[1] ? meta[0] : meta[1];
}

static int check_all(struct check *c)
{
	const uint8_t *meta = newest_meta(c);
	struct tree free_list, tables;
	int rv;

	if (!meta)
		return bad(c, 0, "the head of the file is wrong or of another version");
	c->last_page = le64(meta + 120);
	if (c->last_page < 1 || c->last_page > PAGES_MAX)
		return bad(c, 0, "its number of pages is wrong");
	tables = tree_of(meta + 72);
	free_list = tree_of(meta + 24);
	if (tables.flags != 0 || !(free_list.flags & FLAG_INTEGER_KEYS))
		return bad(c, 0, "a table of an unknown kind");
	c->seen = calloc(c->last_page + 1, 1);
	if (!c->seen)
		return err_set(c->err, -ENOMEM, "store %s: out of memory", c->path);
	rv = check_tree(c, &tables, check_table);
	c->integer_keys = true;
	if (rv == 0)
		rv = check_tree(c, &free_list, check_free);
	free(c->seen);
	return rv;
}

int check_file(const char *path, struct err *err)
{
	struct check c = { .path = path, .err = err };
	struct stat st;
	void *map;
	int fd, rv;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT
			       ? 0
			       : err_set(err, -errno, "cannot open %s: %s", path, err_name(-errno));
	if (fstat(fd, &st) < 0) {
		rv = err_set(err, -errno, "cannot stat %s: %s", path, err_name(-errno));
		goto close_fd;
	}
	rv = 0;
	if (st.st_size == 0)
		goto close_fd;
	c.size = (uint64_t)st.st_size;
	map = mmap(NULL, c.size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		rv = err_set(err, -errno, "cannot map %s: %s", path, err_name(-errno));
		goto close_fd;
	}
	c.base = map;
	rv = check_all(&c);
	munmap(map, c.size);
close_fd:
	close(fd);
	return rv;
}
