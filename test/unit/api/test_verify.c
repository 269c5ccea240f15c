// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_verify.c - copies on n1, which is the leader, and n2 are compared: how often it is looked,
 * what is kept of the differences, and how many comparisons are known (api/verify.c).
 */
#include "api/verify.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "support/apilab.h"

TestSuite(verify, .timeout = 120);

#define STRETCH_KIB (VERIFY_STRETCH_REGIONS * (int64_t)VERIFY_REGION / 1024)

/* the copy on n1: each region's is 1 */
static void checksum(const char *resource, const char *volume, uint64_t off, uint64_t len,
		     void (*cb)(int status, const struct err *err, const uint32_t *crc, int n,
				void *arg),
		     void *cb_arg, void *arg)
{
	uint32_t crc[VERIFY_STRETCH_REGIONS];

	for (int i = 0; i < VERIFY_STRETCH_REGIONS; i++)
		crc[i] = 1;
	cb(0, NULL, crc, (int)(len / VERIFY_REGION), cb_arg);
}

static const struct api_node_ops node_ops = { .checksum = checksum };

static void start(struct apilab *l, int resources, int64_t size_kib)
{
	struct change_place place = { .copies = 2, .nodes = { "n1", "n2" }, .n_nodes = 2 };
	struct txn *t = world_txn();
	char name[16];
	json *doc;

	apilab_open(l, APILAB_LEADS);
	api_set_node(l->a, &node_ops, NULL);
	world_fill(&l->w, 2);
	doc = world_doc(&l->w, "node/n2");
	jset_str(doc, "address", "127.0.0.1");
	jset_i64(doc, "port", apilab_port(l));
	txn_put(t, "node/n2", doc);
	cr_assert_eq(world_apply(&l->w, t), TXN_APPLIED);
	for (int i = 0; i < resources; i++) {
		snprintf(name, sizeof(name), "vol%03d", i);
		apilab_report(l, 2);
		cr_assert_eq(WORLD(&l->w, change_spawn, NULL, name, &size_kib, 1, false, NULL,
				   &place),
			     0, "%s", l->w.err.text);
	}
	apilab_report(l, 2);
}

/* of a whole stretch; borrowed until the next call */
static const char *all_crc(int crc)
{
	static char text[16 + 2 * VERIFY_STRETCH_REGIONS];
	int used = snprintf(text, sizeof(text), "{\"crc\":[%d", crc);

	for (int i = 1; i < VERIFY_STRETCH_REGIONS; i++)
		used += snprintf(text + used, sizeof(text) - (size_t)used, ",%d", crc);
	snprintf(text + used, sizeof(text) - (size_t)used, "]}");
	return text;
}

/* what n2 says of all that comes meanwhile */
struct other {
	int status;
	const char *body;
};

static bool are_over(struct apilab *l, void *arg)
{
	struct other *o = arg;

	if (l->n_held > 0) {
		apilab_report(l, 2);
		apilab_answer_all(l, o->status, o->body);
	}
	return !verify_running(l->a);
}

static json *ask(struct apilab *l, const char *method, const char *name, int status)
{
	struct apilab_answer a;
	char url[64];

	snprintf(url, sizeof(url), "/v1/sds/verify/%s", name);
	a = apilab_get(l, method, url, NULL);
	cr_assert_eq(a.status, status, "%s: %d %s", name, a.status, a.text);
	return world_json(a.text);
}

static int64_t number(json *doc, const char *field)
{
	return jget_i64_or(doc, field, -1);
}

Test(verify, so_often_it_is_looked_at_one_place)
{
	static struct apilab l;
	struct other broken = { 500, "[]" };
	struct verify *v;
	json *doc;

	start(&l, 1, 2 * STRETCH_KIB);
	cr_assert_eq(verify_begin(l.a, "vol000", 1024, &v, NULL), 0);
	apilab_until(&l, are_over, &broken, 10000);
	cr_expect_eq(l.n_came, 2 * VERIFY_LOOKS_MAX, "of each of two stretches");
	doc = ask(&l, "GET", "vol000", 200);
	cr_expect_eq(number(doc, "regions_unsettled"), 2 * VERIFY_STRETCH_REGIONS, "%s",
		     json_text(doc));
	cr_expect_eq(number(doc, "regions_differing"), 0);
	json_object_put(doc);
	apilab_close(&l);
}

Test(verify, so_many_differences_are_shown_and_all_are_counted)
{
	static struct apilab l;
	struct other differs = { 200, all_crc(2) };
	struct verify *v;
	json *doc, *list;

	start(&l, 1, 2 * STRETCH_KIB);
	cr_assert_eq(verify_begin(l.a, "vol000", 1024, &v, NULL), 0);
	apilab_until(&l, are_over, &differs, 10000);
	doc = ask(&l, "GET", "vol000", 200);
	cr_expect_eq(number(doc, "regions_differing"), 2 * VERIFY_STRETCH_REGIONS);
	list = jget(doc, "differences");
	cr_expect_eq(json_object_array_length(list), VERIFY_SHOWN_MAX);
	cr_expect_eq(number(json_object_array_get_idx(list, VERIFY_SHOWN_MAX - 1), "offset"),
		     (VERIFY_SHOWN_MAX - 1) * (int64_t)VERIFY_REGION, "the first of them");
	json_object_put(doc);
	apilab_close(&l);
}

Test(verify, so_many_are_known)
{
	static struct apilab l;
	struct other alike = { 200, all_crc(1) };
	struct verify *v;
	char name[16];

	start(&l, VERIFY_KEPT_MAX + 2, STRETCH_KIB);
	for (int i = 0; i < VERIFY_KEPT_MAX; i++) {
		snprintf(name, sizeof(name), "vol%03d", i);
		cr_assert_eq(verify_begin(l.a, name, 1024, &v, NULL), 0);
	}
	/* none is over: one more has to wait, and those that are known can be asked for */
	snprintf(name, sizeof(name), "vol%03d", VERIFY_KEPT_MAX);
	cr_expect_eq(verify_begin(l.a, name, 1024, &v, &l.w.err), -EBUSY);
	cr_expect(world_says(&l.w, "100 comparisons are under way: try again"), "%s", l.w.err.text);
	cr_expect_eq(verify_begin(l.a, "vol000", 1024, &v, NULL), 0, "it is under way");
	apilab_until(&l, are_over, &alike, 30000);

	/* the oldest make room */
	json_object_put(ask(&l, "GET", "vol000", 200));
	json_object_put(ask(&l, "POST", name, 200));
	json_object_put(ask(&l, "GET", "vol000", 404));
	json_object_put(ask(&l, "GET", "vol001", 200));
	cr_expect_eq(verify_begin(l.a, "vol101", 1024, &v, NULL), 0);
	json_object_put(ask(&l, "GET", "vol001", 404));
	json_object_put(ask(&l, "GET", name, 200));
	apilab_close(&l);
}
