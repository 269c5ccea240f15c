// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fuzz_docs.c - JSON of anybody's, first as text, then as each kind of
 * document and request part. What a reader takes, written again, is taken
 * again and says the same.
 */
#include "fuzz/fuzz.h"

#include "model/change.h"
#include "model/props.h"

#define AGAIN(type, parse, make, doc)                              \
	do {                                                       \
		struct err err_ = { 0 };                           \
		struct type a_, b_;                                \
                                                                   \
		memset(&a_, 0, sizeof(a_));                        \
		memset(&b_, 0, sizeof(b_));                        \
		if (parse((doc), &a_, &err_) < 0) {                \
			FUZZ_CHECK(err_.text[0]);                  \
		} else {                                           \
			json *one_ = make, *two_;                  \
                                                                   \
			FUZZ_CHECK(parse(one_, &b_, &err_) == 0);  \
			a_ = b_;                                   \
			two_ = make;                               \
			FUZZ_CHECK(json_object_equal(one_, two_)); \
			json_object_put(one_);                     \
			json_object_put(two_);                     \
		}                                                  \
	} while (0)

static void documents(json *doc)
{
	AGAIN(node, node_parse, node_doc(&a_), doc);
	AGAIN(pool, pool_parse, pool_doc(&a_), doc);
	AGAIN(resource, resource_parse, resource_doc(&a_), doc);
	AGAIN(replica, replica_parse, replica_doc(&a_), doc);
	AGAIN(record, record_parse, record_doc(&a_, "11111111-1111-4111-8111-111111111111"), doc);
}

static void requests(json *doc)
{
	struct change_place place;
	struct group_select select;
	struct err err = { 0 };
	json *props = NULL, *copy = json_copy(doc);

	if (change_place_parse(doc, &place, &err) == 0)
		FUZZ_CHECK(place.n_nodes <= NODES_MAX && place.n_pools <= NODES_MAX);
	if (group_filter_parse(doc, &select, &err) == 0) {
		json *filter = json_object_new_object();

		group_filter_merge(filter, doc);
		FUZZ_CHECK(group_filter_parse(filter, &select, &err) == 0);
		json_object_put(filter);
	}
	if (props_new("resource db", doc, &props, &err) == 0)
		json_object_put(props);
	if (json_object_is_type(copy, json_type_object))
		props_modify("resource db", copy, doc, &err);
	json_object_put(copy);
}

static void fields(json *doc)
{
	static const char *const keys[] = { "name", "a", "number", "size_kib" };
	int64_t n;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		jget_str(doc, keys[i], "");
		jget_bool(doc, keys[i], false);
		jget_i64(doc, keys[i], &n);
	}
}

/* reports build on each other: both halves of the input are one */
static void reports(json *doc)
{
	struct observed *o = observed_new();
	struct err err = { 0 };
	const char *node = jget_str(doc, "node", "n1");

	for (int i = 0; i < 2; i++) {
		observed_report(o, doc, 1000 + i, &err);
		if (jget(doc, "then"))
			doc = jget(doc, "then");
	}
	observed_online(o, node, 1001);
	observed_pool(o, node, "ssd", 1001);
	json_object_put(observed_replica(o, node, "db", 1001));
	observed_free(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = malloc(len + 1);
	struct err err = { 0 };
	json *doc = NULL, *again = NULL;
	const char *out;

	FUZZ_CHECK(text);
	memcpy(text, data, len); /* not terminated: the length counts */
	if (json_parse(text, len, &doc, &err) < 0) {
		FUZZ_CHECK(err.text[0]);
		free(text);
		return 0;
	}
	fields(doc);
	documents(doc);
	requests(doc);
	reports(doc);
	out = json_text(doc);
	FUZZ_CHECK(json_parse(out, strlen(out), &again, &err) == 0);
	json_object_put(again);
	json_object_put(doc);
	free(text);
	return 0;
}
