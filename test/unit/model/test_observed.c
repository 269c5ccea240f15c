// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_observed.c - reports come, grow old and are forgotten (model/observed.c).
 */
#include "model/observed.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "support/modelworld.h"

TestSuite(observed, .fini = world_no_leaks);

static int report(struct observed *o, const char *text, int64_t now_ms)
{
	struct err err = { 0 };
	json *doc = world_json(text);
	int rv = observed_report(o, doc, now_ms, &err);

	json_object_put(doc);
	return rv;
}

Test(observed, fresh_and_stale)
{
	struct observed *o = observed_new();
	json *seen;

	cr_expect_eq(observed_age_ms(o, "n1", 100), -1);
	cr_expect_not(observed_online(o, "n1", 100));
	cr_assert_eq(report(o,
			    "{\"node\":\"N1\",\"pools\":{\"SSD\":{\"free_kib\":5}},"
			    "\"replicas\":{\"Db\":{\"open\":true}}}",
			    100),
		     0);
	cr_expect(observed_online(o, "n1", 100 + OBSERVED_STALE_MS - 1));
	cr_expect_eq(jget_i64_or(observed_pool(o, "n1", "ssd", 100), "free_kib", -1), 5);
	seen = observed_replica(o, "n1", "DB", 100);
	cr_expect(jget_bool(seen, "open", false));
	json_object_put(seen);
	cr_expect_str_eq(jget_str(observed_node(o, "n1", 100), "node", ""), "N1");
	cr_expect_null(observed_pool(o, "n1", "hdd", 100));
	cr_expect_null(observed_replica(o, "n1", "a/b", 100));

	cr_expect_not(observed_online(o, "n1", 100 + OBSERVED_STALE_MS));
	cr_expect_null(observed_node(o, "n1", 100 + OBSERVED_STALE_MS));
	cr_expect_null(observed_pool(o, "n1", "ssd", 100 + OBSERVED_STALE_MS));
	cr_expect_null(observed_replica(o, "n1", "db", 100 + OBSERVED_STALE_MS));
	cr_expect_eq(observed_age_ms(o, "n1", 100 + OBSERVED_STALE_MS), OBSERVED_STALE_MS);
	cr_expect_eq(observed_age_ms(o, "n1", 50), 0);
	observed_free(o);
	observed_free(NULL);
}

/* A number for each difference that is to be seen, the same for none. */
Test(observed, stamp)
{
	struct observed *o = observed_new();
	uint64_t first, other;

	cr_expect_eq(observed_stamp(o, "n1", "db", 100), 0);
	cr_assert_eq(report(o, "{\"node\":\"n1\",\"replicas\":{\"Db\":{\"open\":true}}}", 100), 0);
	first = observed_stamp(o, "N1", "dB", 100);
	other = observed_stamp(o, "n1", "missing", 100);
	cr_expect_neq(first, 0);
	cr_expect_neq(other, 0, "its node reports, if nothing of this one");
	cr_expect_neq(first, other);
	cr_expect_eq(observed_stamp(o, "n1", "db", 100 + OBSERVED_STALE_MS), 0, "silent");
	cr_assert_eq(report(o, "{\"node\":\"n1\",\"replicas\":{\"db\":{\"open\":true}}}", 200), 0);
	cr_expect_eq(observed_stamp(o, "n1", "db", 200), first);
	cr_assert_eq(report(o, "{\"node\":\"n1\",\"replicas\":{\"db\":{\"open\":false}}}", 300), 0);
	cr_expect_neq(observed_stamp(o, "n1", "db", 300), first);
	observed_free(o);
}

Test(observed, last_report_wins)
{
	struct observed *o = observed_new();

	cr_assert_eq(report(o, "{\"node\":\"n1\",\"pools\":{\"ssd\":{\"free_kib\":5}}}", 1), 0);
	cr_assert_eq(report(o, "{\"node\":\"n1\",\"pools\":{\"hdd\":{\"free_kib\":6}}}", 2), 0);
	cr_expect_null(observed_pool(o, "n1", "ssd", 2));
	cr_expect(observed_pool(o, "n1", "hdd", 2));
	observed_forget(o, "N1");
	cr_expect_null(observed_node(o, "n1", 2));
	observed_forget(o, "n1");
	observed_free(o);
}

/* a report of n1 with these numbers (base -1: none) and more members */
static int numbered(struct observed *o, int boot, int seq, int base, const char *more, int64_t at)
{
	char text[512], build[32] = "";

	if (base >= 0)
		snprintf(build, sizeof(build), ",\"base\":%d", base);
	snprintf(text, sizeof(text), "{\"node\":\"n1\",\"boot\":%d,\"seq\":%d%s%s}", boot, seq,
		 build, more);
	return report(o, text, at);
}

static int64_t epoch(struct observed *o, const char *name, int64_t now)
{
	json *seen = observed_replica(o, "n1", name, now);
	int64_t n = jget_i64_or(seen, "epoch", 0);

	json_object_put(seen);
	return n;
}

Test(observed, changes_only)
{
	struct observed *o = observed_new();

	cr_expect_eq(numbered(o, 7, 2, 1, "", 1), -E_CONFLICT);
	cr_expect_not(observed_online(o, "n1", 1));
	cr_assert_eq(numbered(o, 7, 1, -1,
			      ",\"replicas\":{\"A\":{\"epoch\":1},\"b\":{\"epoch\":2}}", 1),
		     0);
	cr_assert_eq(numbered(o, 7, 2, 1,
			      ",\"pools\":{\"ssd\":{}},\"replicas\":{\"a\":null,"
			      "\"B\":{\"epoch\":3},\"c\":{\"epoch\":4},\"d\":null}",
			      2),
		     0);
	cr_expect_null(observed_replica(o, "n1", "a", 2));
	cr_expect_eq(epoch(o, "b", 2), 3);
	cr_expect_eq(epoch(o, "c", 2), 4);
	cr_expect(observed_pool(o, "n1", "ssd", 2));
	cr_assert_eq(numbered(o, 7, 3, 2, "", 9000), 0);
	cr_expect_eq(epoch(o, "b", 9000), 3, "what did not change is known again");
	/* another incarnation, a gap, a repetition: all is asked for, nothing is changed */
	cr_expect_eq(numbered(o, 8, 4, 3, "", 9001), -E_CONFLICT);
	cr_expect_eq(numbered(o, 7, 9, 8, "", 9001), -E_CONFLICT);
	cr_expect_eq(numbered(o, 7, 3, 2, "", 9001), -E_CONFLICT);
	cr_expect_eq(observed_age_ms(o, "n1", 9001), 1);
	cr_assert_eq(numbered(o, 8, 1, -1, "", 9002), 0);
	cr_expect_null(observed_replica(o, "n1", "b", 9002));
	observed_free(o);
}

/* what belongs to the node and is told only when it is different */
Test(observed, disks_stay)
{
	struct observed *o = observed_new();
	json *disks;

	cr_assert_eq(report(o,
			    "{\"node\":\"n1\",\"boot\":7,\"seq\":1,"
			    "\"disks\":[{\"device\":\"/dev/sda\"}]}",
			    1),
		     0);
	cr_assert_eq(report(o, "{\"node\":\"n1\",\"boot\":7,\"seq\":2,\"base\":1}", 2), 0);
	disks = jget(observed_node(o, "n1", 2), "disks");
	cr_assert(json_object_is_type(disks, json_type_array));
	cr_expect_eq(json_object_array_length(disks), 1);
	cr_assert_eq(report(o, "{\"node\":\"n1\",\"boot\":7,\"seq\":3,\"base\":2,\"disks\":[]}", 3),
		     0);
	disks = jget(observed_node(o, "n1", 3), "disks");
	cr_expect_eq(json_object_array_length(disks), 0);
	cr_assert_eq(report(o, "{\"node\":\"n1\",\"boot\":7,\"seq\":4}", 4), 0);
	cr_expect_null(jget(observed_node(o, "n1", 4), "disks"), "everything was replaced");
	observed_free(o);
}

Test(observed, odd_reports)
{
	static const struct {
		const char *text;
		int rv;
	} rows[] = {
		{ "{}", -E_INVALID },
		{ "[]", -E_INVALID },
		{ "{\"node\":\"\"}", -E_INVALID },
		{ "{\"node\":\"a/b\"}", -E_INVALID },
		{ "{\"node\":[]}", -E_INVALID },
		{ "{\"node\":\"n1\",\"pools\":7,\"replicas\":[]}", 0 },
		{ "{\"node\":\"n1\",\"pools\":{\"ssd\":7},\"replicas\":{\"db\":null}}", 0 },
	};
	struct observed *o = observed_new();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_expect_eq(report(o, rows[i].text, 1), rows[i].rv, "%s", rows[i].text);
		cr_expect_null(observed_pool(o, "n1", "ssd", 1));
		cr_expect_null(observed_replica(o, "n1", "db", 1));
	}
	observed_free(o);
}

Test(observed, as_many_as_nodes)
{
	struct observed *o = observed_new();
	char text[64];

	for (int i = 0; i < NODES_MAX; i++) {
		snprintf(text, sizeof(text), "{\"node\":\"n%d\"}", (i * 37) % NODES_MAX);
		cr_assert_eq(report(o, text, i), 0);
	}
	cr_expect_eq(report(o, "{\"node\":\"more\"}", 1), -E_INVALID);
	cr_expect_eq(report(o, "{\"node\":\"N7\"}", 5000), 0); /* known ones may go on */
	for (int i = 0; i < NODES_MAX; i++) {
		snprintf(text, sizeof(text), "n%d", i);
		cr_expect_geq(observed_age_ms(o, text, 5000), 0, "%s", text);
	}
	observed_forget(o, "n9");
	cr_expect_eq(report(o, "{\"node\":\"more\"}", 1), 0);
	observed_clear(o);
	cr_expect_eq(observed_age_ms(o, "n7", 5000), -1);
	observed_free(o);
}

Test(observed, version_tells_that_something_is_different)
{
	static const struct {
		const char *text;
		int64_t now_ms;
		bool differs;
	} rows[] = {
		{ "{\"node\":\"n1\",\"boot\":7,\"seq\":1,\"pools\":{\"ssd\":{\"free_kib\":5}}}", 10,
		  true },
		{ "{\"node\":\"n1\",\"boot\":7,\"seq\":2,\"pools\":{\"ssd\":{\"free_kib\":5}}}", 20,
		  false },
		{ "{\"node\":\"n1\",\"boot\":7,\"seq\":3,\"pools\":{\"ssd\":{\"free_kib\":4}}}", 30,
		  true },
		{ "{\"node\":\"n1\",\"boot\":7,\"seq\":4,\"base\":3,\"pools\":{\"ssd\":"
		  "{\"free_kib\":4}}}",
		  40, false },
		{ "{\"node\":\"n1\",\"boot\":7,\"seq\":5,\"base\":4,\"pools\":{\"ssd\":"
		  "{\"free_kib\":4}},\"replicas\":{\"db\":{\"state\":\"up\"}}}",
		  50, true },
		{ "{\"node\":\"n1\",\"boot\":7,\"seq\":6,\"pools\":{\"ssd\":{\"free_kib\":4}},"
		  "\"replicas\":"
		  "{\"db\":{\"state\":\"up\"}}}",
		  60, false },
		{ "{\"node\":\"n2\"}", 70, true },
		{ NULL, 60 + OBSERVED_STALE_MS - 1, false },
		{ NULL, 60 + OBSERVED_STALE_MS, true },
		{ NULL, 70 + OBSERVED_STALE_MS, true },
		{ NULL, 71 + OBSERVED_STALE_MS, false },
		{ "{\"node\":\"n2\"}", 9000, true },
	};
	struct observed *o = observed_new();
	int64_t before = observed_version(o, 0);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t now;

		if (rows[i].text)
			cr_assert_eq(report(o, rows[i].text, rows[i].now_ms), 0, "row %zu", i);
		now = observed_version(o, rows[i].now_ms);
		cr_expect_eq(now != before, rows[i].differs, "row %zu", i);
		before = now;
	}
	observed_forget(o, "n2");
	cr_expect_neq(observed_version(o, 9000), before);
	observed_free(o);
}
