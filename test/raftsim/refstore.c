// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * refstore.c - what a sequence of transactions should do to the documents,
 * written a second time in the plainest way: a list of documents, a list of
 * request ids, a history as lines of text. It also watches the documents whose
 * meaning it knows: epochs of a record go up by one, counters too.
 */
#include <stdlib.h>
#include <string.h>

#include "raftsim/world.h"
#include "store/history.h"
#include "store/txn_form.h"

struct ref_doc {
	char *key, *text;
	u64 revision;
};

struct ref_id {
	char id[32];
	u64 revision;
};

static struct ref_doc *docs;
static u32 n_docs, cap_docs;
static struct ref_id *ids;
static u32 n_ids, cap_ids;
static u64 casses;

struct ref_event { /* an entry of the history */
	u64 index;
	char *text;
};

static struct ref_event *events;
static u32 n_events, cap_events;

void ref_reset(void)
{
	for (u32 k = 0; k < n_docs; k++) {
		free(docs[k].key);
		free(docs[k].text);
	}
	for (u32 k = 0; k < n_events; k++)
		free(events[k].text);
	free(events);
	events = NULL;
	n_events = cap_events = 0;
	free(docs);
	free(ids);
	docs = NULL;
	ids = NULL;
	n_docs = cap_docs = n_ids = cap_ids = 0;
	casses = 0;
}

u64 ref_casses(void)
{
	return casses;
}

static struct ref_doc *find(const char *key)
{
	for (u32 k = 0; k < n_docs; k++)
		if (strcmp(docs[k].key, key) == 0)
			return &docs[k];
	return NULL;
}

bool ref_request(const char *id, u64 *ret_revision)
{
	for (u32 k = n_ids; k > 0; k--) {
		if (strcmp(ids[k - 1].id, id) == 0) {
			*ret_revision = ids[k - 1].revision;
			return true;
		}
	}
	return false;
}

static json *row_of(json *rows, size_t k)
{
	return json_object_array_get_idx(rows, k);
}

static const char *text_of(json *row, size_t k)
{
	json *v = json_object_array_get_idx(row, k);

	return v ? json_object_get_string(v) : NULL;
}

static u64 number_of(json *row, size_t k)
{
	return (u64)json_object_get_int64(json_object_array_get_idx(row, k));
}

static size_t rows_in(json *rows)
{
	return rows ? json_object_array_length(rows) : 0;
}

static bool reads_hold(json *root)
{
	json *reads = jget(root, TXN_READS), *prefixes = jget(root, TXN_PREFIXES);

	for (size_t k = 0; k < rows_in(reads); k++) {
		struct ref_doc *d = find(text_of(row_of(reads, k), 0));

		if ((d ? d->revision : 0) != number_of(row_of(reads, k), 1))
			return false;
	}
	for (size_t k = 0; k < rows_in(prefixes); k++) {
		const char *prefix = text_of(row_of(prefixes, k), 0);
		u64 n = 0, last = 0;

		for (u32 d = 0; d < n_docs; d++) {
			if (strncmp(docs[d].key, prefix, strlen(prefix)) != 0)
				continue;
			n++;
			if (docs[d].revision > last)
				last = docs[d].revision;
		}
		if (n != number_of(row_of(prefixes, k), 1) ||
		    last != number_of(row_of(prefixes, k), 2))
			return false;
	}
	return true;
}

/* old or next NULL: the document is made or deleted */
static void watch_meaning(const char *key, const char *old, const char *next)
{
	json *was = NULL, *is = NULL;

	if (!old || !next || (strncmp(key, "record/", 7) != 0 && strncmp(key, "counter/", 8) != 0))
		return;
	if (json_parse(old, strlen(old), &was, NULL) < 0 ||
	    json_parse(next, strlen(next), &is, NULL) < 0) {
		ctl_fail("%s is no JSON", key);
	} else if (key[0] == 'c') {
		if (jget_i64_or(is, "n", -1) != jget_i64_or(was, "n", -1) + 1)
			ctl_fail("%s goes from %s to %s", key, old, next);
	} else if (strcmp(jget_str(was, "uuid", "?"), jget_str(is, "uuid", "")) == 0) {
		if (jget_i64_or(is, "epoch", -1) != jget_i64_or(was, "epoch", -1) + 1)
			ctl_fail("%s: epoch %lld after %lld", key,
				 (long long)jget_i64_or(is, "epoch", -1),
				 (long long)jget_i64_or(was, "epoch", -1));
		casses++;
		joint_written(key, is);
	}
	json_object_put(was);
	json_object_put(is);
}

static void write_one(u64 index, const char *key, const char *text)
{
	struct ref_doc *d = find(key);

	watch_meaning(key, d ? d->text : NULL, text);
	if (!text) {
		if (!d)
			return;
		free(d->key);
		free(d->text);
		*d = docs[--n_docs];
		return;
	}
	if (!d) {
		if (n_docs == cap_docs) {
			cap_docs = cap_docs ? cap_docs * 2 : 64;
			docs = realloc(docs, cap_docs * sizeof(*docs));
		}
		d = &docs[n_docs++];
		d->key = strdup(key);
		d->text = NULL;
	}
	free(d->text);
	d->text = strdup(text);
	d->revision = index;
}

/* The ids of one wish of a client differ behind a dot, if a client ever makes a second one */
static bool same_wish(const char *a, const char *b)
{
	size_t len = strcspn(a, ".");

	return len == strcspn(b, ".") && memcmp(a, b, len) == 0;
}

static void remember(const char *id, u64 index)
{
	if (!id[0])
		return;
	for (u32 k = 0; k < n_ids; k++)
		if (same_wish(ids[k].id, id))
			ctl_fail("%s is applied as %llu, after %s as %llu", id,
				 (unsigned long long)index, ids[k].id,
				 (unsigned long long)ids[k].revision);
	if (n_ids == cap_ids) {
		cap_ids = cap_ids ? cap_ids * 2 : 256;
		ids = realloc(ids, cap_ids * sizeof(*ids));
	}
	snprintf(ids[n_ids].id, sizeof(ids[n_ids].id), "%s", id);
	ids[n_ids++].revision = index;
}

static void add_text(char **text, const char *fmt, const char *a, const char *b)
{
	char *next;

	if (asprintf(&next, fmt, *text, a, b) < 0)
		abort();
	free(*text);
	*text = next;
}

/* An entry as one line: when|by|what|made key|... A run is too short for anything to be trimmed. */
static char *begin_event(json *root)
{
	char at[32], *text = strdup("");

	snprintf(at, sizeof(at), "%lld", (long long)jget_i64_or(root, TXN_AT, 0));
	add_text(&text, "%s%s|%s|", at, jget_str(root, TXN_AUTHOR, ""));
	add_text(&text, "%s%s%s", jget_str(root, TXN_WHAT, ""), "");
	return text;
}

static void remember_event(u64 index, char *text)
{
	if (n_events == cap_events) {
		cap_events = cap_events ? cap_events * 2 : 256;
		events = realloc(events, cap_events * sizeof(*events));
	}
	events[n_events++] = (struct ref_event){ index, text };
}

static void apply_writes(u64 index, json *root)
{
	json *writes = jget(root, TXN_WRITES);
	char *event = begin_event(root);
	u32 n = 0;

	for (size_t k = 0; k < rows_in(writes); k++) {
		const char *key = text_of(row_of(writes, k), 0);
		const char *text = text_of(row_of(writes, k), 1);
		bool was = find(key) != NULL;

		if (was || text) {
			add_text(&event, "%s|%s %s",
				 !text ? "deleted"
				 : was ? "changed"
				       : "made",
				 key);
			n++;
		}
		write_one(index, key, text);
	}
	if (n > 0)
		remember_event(index, event);
	else
		free(event);
}

void ref_apply(u64 index, const void *data, size_t len, struct ref_result *ret)
{
	json *root;
	const char *id;

	memset(ret, 0, sizeof(*ret));
	ret->outcome = TXN_BAD;
	if (json_parse(data, len, &root, NULL) < 0)
		return;
	id = jget_str(root, TXN_ID, "");
	snprintf(ret->request, sizeof(ret->request), "%s", id);
	snprintf(ret->author, sizeof(ret->author), "%s", jget_str(root, TXN_AUTHOR, ""));
	if (id[0] && ref_request(id, &ret->revision)) {
		ret->outcome = TXN_DUPLICATE;
	} else if (!reads_hold(root)) {
		ret->outcome = TXN_CONFLICT;
	} else {
		ret->outcome = TXN_APPLIED;
		ret->revision = index;
		apply_writes(index, root);
		remember(id, index);
	}
	json_object_put(root);
}

struct comparison {
	const char *who;
	u32 n;
};

static int compare_one(const char *key, json *doc, uint64_t revision, void *arg)
{
	struct comparison *c = arg;
	struct ref_doc *d = find(key);
	json *want;

	c->n++;
	if (!d || d->revision != revision) {
		ctl_fail("%s: %s is of revision %llu, should be %llu", c->who, key,
			 (unsigned long long)revision, d ? (unsigned long long)d->revision : 0);
		return 1;
	}
	if (json_parse(d->text, strlen(d->text), &want, NULL) < 0)
		abort();
	if (strcmp(json_text(want), json_text(doc)) != 0)
		ctl_fail("%s: %s is %s, should be %s", c->who, key, json_text(doc), d->text);
	json_object_put(want);
	return 0;
}

static int compare_event(uint64_t index, json *entry, void *arg)
{
	struct comparison *c = arg;
	char *text, at[32];
	json *changes = jget(entry, "changes");
	const struct ref_event *want = c->n < n_events ? &events[c->n] : NULL;

	text = strdup("");
	snprintf(at, sizeof(at), "%lld", (long long)jget_i64_or(entry, "at", -1));
	add_text(&text, "%s%s|%s|", at, jget_str(entry, "by", "?"));
	add_text(&text, "%s%s%s", jget_str(entry, "what", "?"), "");
	for (size_t k = 0; k < rows_in(changes); k++)
		add_text(&text, "%s|%s %s", jget_str(row_of(changes, k), "op", "?"),
			 jget_str(row_of(changes, k), "key", "?"));
	if (!want || want->index != index || strcmp(want->text, text) != 0)
		ctl_fail("%s: the history has %s of %llu, should have %s of %llu", c->who, text,
			 (unsigned long long)index, want ? want->text : "nothing",
			 want ? (unsigned long long)want->index : 0);
	free(text);
	c->n++;
	return 0;
}

static void compare_history(struct store *s, const char *who)
{
	struct comparison c = { .who = who };

	store_history(s, 0, compare_event, &c);
	if (c.n != n_events)
		ctl_fail("%s: the history has %u entries, should have %u", who, c.n, n_events);
	if (store_history_floor(s) != 0)
		ctl_fail("%s: entries of the history are said to be gone", who);
}

/* Documents, request ids and history of a store that has applied everything */
void ref_compare(struct store *s, const char *who)
{
	struct comparison c = { .who = who };
	u64 revision;

	compare_history(s, who);
	store_list(s, "", compare_one, &c);
	if (c.n != n_docs)
		ctl_fail("%s has %u documents, should have %u", who, c.n, n_docs);
	for (u32 k = 0; k < n_ids; k++) {
		revision = 0;
		if (store_request(s, ids[k].id, &revision, NULL) < 0 || revision != ids[k].revision)
			ctl_fail("%s: request %s was applied as %llu, the store says %llu", who,
				 ids[k].id, (unsigned long long)ids[k].revision,
				 (unsigned long long)revision);
	}
}
