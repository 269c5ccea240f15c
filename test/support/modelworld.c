// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * modelworld.c - the world of the model's tests (modelworld.h). Linked with
 * every unit test, used by those of src/model. It knows criterion.
 */
#include "support/modelworld.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/promise.h"
#include "support/scratch.h"

static unsigned uuids;

static void next_uuid(char out[37])
{
	snprintf(out, 37, "00000000-0000-4000-8000-%012x", ++uuids);
}

void world_open(struct world *w)
{
	*w = (struct world){ .index = 0 };
	scratch_make(w->dir);
	cr_assert_eq(store_open(w->dir, 64u << 20, &w->store, &w->err), 0, "%s", w->err.text);
	w->observed = observed_new();
	w->env = (struct change_env){
		.store = w->store,
		.observed = w->observed,
		.now_ms = WORLD_START_MS,
		.mono_ms = 1000,
		.uuid = next_uuid,
	};
}

void world_no_leaks(void)
{
	test_no_leaks();
}

void world_close(struct world *w)
{
	store_close(w->store);
	observed_free(w->observed);
	scratch_remove(w->dir);
	world_no_leaks();
}

struct txn *world_txn(void)
{
	struct txn *t = txn_new("", "test");

	cr_assert(t);
	return t;
}

enum txn_outcome world_apply(struct world *w, struct txn *t)
{
	struct txn_result result = { 0 };
	struct err err = { 0 };
	struct buf out;

	if (w->propose)
		return w->propose(t, w->propose_arg);
	buf_init(&out, TXN_BYTES_MAX);
	cr_assert_eq(txn_encode(t, &out, &err), 0, "%s", err.text);
	cr_assert_eq(store_apply(w->store, ++w->index, out.data, out.len, &result, &err), 0, "%s",
		     err.text);
	buf_release(&out);
	txn_free(t);
	return result.outcome;
}

int world_end(struct world *w, struct txn *t, int rv)
{
	if (rv < 0) {
		cr_expect_eq(w->err.code, rv, "code %d, text %s", rv, w->err.text);
		cr_expect(w->err.text[0], "no sentence for %d", rv);
		txn_free(t);
		return rv;
	}
	cr_assert_eq(world_apply(w, t), TXN_APPLIED);
	return rv;
}

json *world_json(const char *text)
{
	struct err err = { 0 };
	json *o = NULL;

	cr_assert_eq(json_parse(text, strlen(text), &o, &err), 0, "%s: %s", err.text, text);
	return o;
}

json *world_with(const char *text, const char *field, const char *value)
{
	json *o = world_json(text), *v;

	json_object_object_del(o, field);
	if (!value)
		return o;
	v = strcmp(value, "null") == 0 ? NULL : world_json(value);
	jset(o, field, v);
	return o;
}

const char *world_long(char c, int n)
{
	static char text[8192];

	cr_assert_lt(n, (int)sizeof(text) - 3);
	text[0] = '"';
	memset(text + 1, c, (size_t)n);
	text[n + 1] = '"';
	text[n + 2] = '\0';
	return text;
}

void world_init(struct world *w)
{
	char text[1024];
	json *init;

	snprintf(text, sizeof(text),
		 "{\"cluster\":\"11111111-1111-4111-8111-111111111111\",\"name\":\"lab\","
		 "\"ca_cert_pem\":\"cert\",\"ca_key_sealed\":\"key\",\"token\":null,"
		 "\"node\":{\"name\":\"n1\",\"id\":1,\"address\":\"10.0.0.1\",\"port\":7000,"
		 "\"uuid\":\"22222222-2222-4222-8222-222222222222\",\"fingerprint\":\"%064d\"}}",
		 1);
	init = world_json(text);
	cr_assert_eq(WORLD(w, change_cluster_init, init), 0, "%s", w->err.text);
	json_object_put(init);
}

void world_start(struct world *w)
{
	world_open(w);
	world_init(w);
}

struct node world_node(const char *name, int host)
{
	struct node n = { .port = 7000 };

	snprintf(n.name, sizeof(n.name), "%s", name);
	snprintf(n.address, sizeof(n.address), "10.0.%d.%d", host / 250, host % 250);
	snprintf(n.fingerprint, sizeof(n.fingerprint), "%064d", host);
	return n;
}

void world_add_node(struct world *w, const char *name, int host)
{
	struct node n = world_node(name, host);
	uint32_t id;

	cr_assert_eq(WORLD(w, change_node_add, &n, &id), 0, "%s", w->err.text);
}

void world_add_pool(struct world *w, const char *node, const char *pool, enum pool_kind kind)
{
	struct pool p = { .kind = kind };

	snprintf(p.node, sizeof(p.node), "%s", node);
	snprintf(p.name, sizeof(p.name), "%s", pool);
	snprintf(p.source, sizeof(p.source), "%s%s%s",
		 pool_kind_is_file(kind) ? "/var/lib/sdsd/" : "", pool,
		 kind == POOL_LVM_THIN ? "/thin" : "");
	cr_assert_eq(WORLD(w, change_pool_create, &p, NULL), 0, "%s", w->err.text);
}

static void report(struct world *w, const char *text)
{
	json *o = world_json(text);

	cr_assert_eq(observed_report(w->observed, o, w->env.mono_ms, &w->err), 0);
	json_object_put(o);
}

void world_report(struct world *w, const char *node, const char *pool, int64_t free_kib,
		  int64_t total_kib)
{
	char text[512];

	if (pool)
		snprintf(text, sizeof(text),
			 "{\"node\":\"%s\",\"pools\":{\"%s\":{\"free_kib\":%lld,"
			 "\"total_kib\":%lld,\"error\":\"\"}}}",
			 node, pool, (long long)free_kib, (long long)total_kib);
	else
		snprintf(text, sizeof(text), "{\"node\":\"%s\"}", node);
	report(w, text);
}

void world_report_ours(struct world *w, const char *node, const char *pool, int64_t free_kib,
		       int64_t total_kib, int64_t ours_kib)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "{\"node\":\"%s\",\"pools\":{\"%s\":{\"free_kib\":%lld,\"total_kib\":%lld,"
		 "\"ours_kib\":%lld,\"error\":\"\"}}}",
		 node, pool, (long long)free_kib, (long long)total_kib, (long long)ours_kib);
	report(w, text);
}

void world_report_replica(struct world *w, const char *node, const char *resource,
			  const char *fields)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "{\"node\":\"%s\",\"pools\":{\"ssd\":{\"free_kib\":%lld,\"total_kib\":%lld}},"
		 "\"replicas\":{\"%s\":{\"state\":\"up\",%s}}}",
		 node, 100 * GIB, 100 * GIB, resource, fields);
	report(w, text);
}

void world_report_open(struct world *w, const char *node, const char *resource, bool open)
{
	world_report_replica(w, node, resource, open ? "\"open\":true" : "\"open\":false");
}

void world_fill(struct world *w, int n)
{
	char name[16];

	for (int i = 1; i <= n; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		if (i > 1)
			world_add_node(w, name, i);
		world_add_pool(w, name, "ssd", POOL_FILE_THIN);
		world_report(w, name, "ssd", 100 * GIB, 100 * GIB);
	}
}

void world_cluster(struct world *w, int n)
{
	world_start(w);
	world_fill(w, n);
}

json *world_doc(struct world *w, const char *key)
{
	json *doc = NULL;
	int rv = store_get(w->store, key, &doc, NULL);

	cr_assert(rv == 0 || rv == -E_NOT_FOUND, "%s: %d", key, rv);
	return rv == 0 ? doc : NULL;
}

struct record world_record(struct world *w, const char *name)
{
	struct record r = { 0 };
	char key[STORE_KEY_MAX];
	json *doc;

	record_key(name, key, sizeof(key));
	doc = world_doc(w, key);
	cr_assert_eq(record_parse(doc, &r, &w->err), 0, "%s: %s", key, w->err.text);
	json_object_put(doc);
	return r;
}

void world_put_record(struct world *w, const char *name, int writer, uint32_t in_sync)
{
	struct record r = { 7, writer, in_sync, { 1, 1, 1 } };
	struct txn *t = world_txn();
	char key[STORE_KEY_MAX];
	json *doc;

	record_key(name, key, sizeof(key));
	doc = world_doc(w, key);
	record_write(doc, &r);
	txn_put(t, key, doc);
	cr_assert_eq(world_apply(w, t), TXN_APPLIED);
}

struct resource world_resource(struct world *w, const char *name)
{
	struct err err = { 0 };
	char key[STORE_KEY_MAX];
	struct resource r;
	json *doc;

	resource_key(name, key, sizeof(key));
	doc = world_doc(w, key);
	cr_assert_eq(resource_parse(doc, &r, &err), 0, "%s", err.text);
	json_object_put(doc);
	return r;
}

int world_count(struct world *w, const char *prefix)
{
	struct store_stamp stamp;

	cr_assert_eq(store_prefix_stamp(w->store, prefix, &stamp), 0);
	return (int)stamp.count;
}

bool world_says(const struct world *w, const char *part)
{
	return strstr(w->err.text, part) != NULL;
}

/* what the replicas say, to be compared with the counters */
struct sums {
	struct world *w;
	json *promises; /* key -> {"kib","extra_kib","replicas"} */
	json *extras;   /* resource -> KiB of metadata and headers */
	json *slots;    /* resource -> mask of slots */
	json *sizes;    /* resource -> KiB */
	json *copies;   /* resource -> number of copies */
	json *caches;   /* resource -> [{"pool","size_kib"}] of each of its volumes that has one */
	int replicas, volumes;
};

static int sum_resource(const char *key, json *doc, uint64_t revision, void *arg)
{
	struct sums *s = arg;
	struct resource r;
	struct err err = { 0 };

	cr_assert_eq(resource_parse(doc, &r, &err), 0, "%s", err.text);
	jset_i64(s->sizes, r.name, resource_size_kib(&r));
	jset_i64(s->extras, r.name, resource_extra_kib(&r));
	s->volumes += r.n_volumes;
	jset(s->caches, r.name, json_object_new_array());
	for (int i = 0; i < r.n_volumes; i++) {
		json *volume = json_object_new_object();

		if (r.volume[i].cache.pool[0]) {
			volume_cache_write(volume, &r.volume[i].cache);
			json_object_array_add(jget(s->caches, r.name),
					      json_object_get(jget(volume, "cache")));
		}
		json_object_put(volume);
	}
	return 0;
}

static void sum_promise(struct sums *s, const char *node, const char *pool, int64_t kib,
			int64_t extra_kib)
{
	char key[128];
	json *p;

	promise_key(node, pool, key, sizeof(key));
	p = jget(s->promises, key);
	if (!p) {
		p = json_object_new_object();
		jset(s->promises, key, p);
	}
	jset_i64(p, "kib", jget_i64_or(p, "kib", 0) + kib);
	jset_i64(p, "extra_kib", jget_i64_or(p, "extra_kib", 0) + extra_kib);
	jset_i64(p, "replicas", jget_i64_or(p, "replicas", 0) + 1);
}

static int sum_replica(const char *key, json *doc, uint64_t revision, void *arg)
{
	struct sums *s = arg;
	struct err err = { 0 };
	struct replica r;
	int64_t mask;
	json *caches;

	cr_assert_eq(replica_parse(doc, &r, &err), 0, "%s", err.text);
	s->replicas++;
	mask = jget_i64_or(s->slots, r.resource, 0);
	cr_assert_eq(mask & (1 << r.slot), 0, "%s: slot %d twice", r.resource, r.slot);
	jset_i64(s->slots, r.resource, mask | (1 << r.slot));
	cr_assert_geq(jget_i64_or(s->sizes, r.resource, -1), VOLUME_KIB_MIN, "%s", key);
	if (r.diskless)
		return 0;
	jset_i64(s->copies, r.resource, jget_i64_or(s->copies, r.resource, 0) + 1);
	sum_promise(s, r.node, r.pool, jget_i64_or(s->sizes, r.resource, 0),
		    jget_i64_or(s->extras, r.resource, 0));
	caches = jget(s->caches, r.resource);
	for (size_t i = 0; i < json_object_array_length(caches); i++) {
		json *c = json_object_array_get_idx(caches, i);

		sum_promise(s, r.node, jget_str(c, "pool", ""), jget_i64_or(c, "size_kib", 0), 0);
	}
	return 0;
}

static int check_promise(const char *key, json *doc, uint64_t revision, void *arg)
{
	struct sums *s = arg;
	json *p = jget(s->promises, key);

	cr_assert(p, "%s: %s, but nothing is there", key, json_text(doc));
	cr_assert_eq(jget_i64_or(doc, "kib", -1), jget_i64_or(p, "kib", -2), "%s: %s", key,
		     json_text(doc));
	cr_assert_eq(jget_i64_or(doc, "extra_kib", -1), jget_i64_or(p, "extra_kib", -2),
		     "%s: %s, not %s", key, json_text(doc), json_text(p));
	cr_assert_eq(jget_i64_or(doc, "replicas", -1), jget_i64_or(p, "replicas", -2), "%s", key);
	json_object_object_del(s->promises, key);
	return 0;
}

static int check_record(const char *key, json *doc, uint64_t revision, void *arg)
{
	const char *name = key + strlen("record/");
	struct sums *s = arg;
	struct record r;
	int64_t slots = jget_i64_or(s->slots, name, 0);

	cr_assert_eq(record_parse(doc, &r, NULL), 0);
	cr_assert_eq(r.in_sync & ~slots, 0, "%s: in_sync %x, slots %llx", key, r.in_sync,
		     (long long)slots);
	cr_assert(r.writer == WRITER_NONE || (slots & (1 << r.writer)), "%s: writer", key);
	cr_assert_geq(jget_i64_or(s->copies, name, 0), 1, "%s: no copy", key);
	json_object_object_del(s->copies, name);
	return 0;
}

void world_check(struct world *w)
{
	struct sums s = {
		.w = w,
		.promises = json_object_new_object(),
		.extras = json_object_new_object(),
		.slots = json_object_new_object(),
		.sizes = json_object_new_object(),
		.copies = json_object_new_object(),
		.caches = json_object_new_object(),
	};

	store_list(w->store, "resource/", sum_resource, &s);
	store_list(w->store, "replica/", sum_replica, &s);
	store_list(w->store, "promise/", check_promise, &s);
	store_list(w->store, "record/", check_record, &s);
	cr_assert_eq(json_object_object_length(s.promises), 0, "missing: %s",
		     json_text(s.promises));
	cr_assert_eq(json_object_object_length(s.copies), 0, "without record: %s",
		     json_text(s.copies));
	cr_assert_eq(world_count(w, "placed/"), s.replicas);
	cr_assert_eq(world_count(w, "minor/"), s.volumes);
	json_object_put(s.promises);
	json_object_put(s.extras);
	json_object_put(s.slots);
	json_object_put(s.sizes);
	json_object_put(s.copies);
	json_object_put(s.caches);
}
