// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_health.c - copies whose disk fails time and again: how failures are
 * counted, and what their node does with such a copy.
 */
/* not all of the world is needed here */
#pragma GCC diagnostic ignored "-Wunused-function"
#include "agent/object.h"
#include "unit/agent/agent_world.h"

TestSuite(health, .init = setup, .fini = teardown, .timeout = 120);

#define S 1000000000ull
#define BEGIN (1000 * S)

/* one more failure of a disk at each of these seconds: the number of those that are too many */
static int too_many(const int *seconds, int n, struct agent_health *h)
{
	int hits = 0;

	for (int i = 0; i < n; i++)
		hits += health_look(h, h->told + 1, BEGIN + (uint64_t)seconds[i] * S);
	return hits;
}

Test(health, counting)
{
	static const struct {
		const char *name;
		int seconds[6], n, hits;
	} rows[] = {
		{ "two", { 0, 10 }, 2, 0 },
		{ "three", { 0, 10, 30 }, 3, 1 },
		{ "each further one again", { 0, 10, 30, 70 }, 4, 2 },
		{ "three at once are one", { 0, 1, 2 }, 3, 0 },
		{ "three just within the time", { 0, 300, 599 }, 3, 1 },
		{ "three in too long a time", { 0, 300, 600 }, 3, 0 },
		{ "the first of four is too old", { 0, 300, 610, 620 }, 4, 1 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct agent_health h = { 0 };

		cr_expect_eq(too_many(rows[i].seconds, rows[i].n, &h), rows[i].hits, "%s",
			     rows[i].name);
	}
}

Test(health, what_is_no_failure)
{
	struct agent_health h = { 0 };

	for (int i = 0; i < 10; i++)
		cr_expect_not(health_look(&h, 1, BEGIN + (uint64_t)i * 60 * S), "told again");
	cr_expect_eq(h.n, 1);
	cr_expect_not(health_look(&h, 0, BEGIN + 20 * S), "the plane begins anew");
	cr_expect_eq(h.n, 1);
	cr_expect_not(health_look(&h, 1, BEGIN + 30 * S));
	cr_expect_eq(h.n, 2, "and fails again");
	health_forget(&h);
	cr_expect_not(health_look(&h, 1, BEGIN + 40 * S));
	cr_expect_eq(h.n, 0);
}

Test(health, words)
{
	struct agent_health h = { 0 };
	char text[COMPLAINT_MAX];

	too_many((int[]){ 0, 10, 30 }, 3, &h);
	health_say(&h, "data write: EIO", text, sizeof(text));
	cr_expect_str_eq(text, "its disk failed 3 times in 30 s: data write: EIO");
	too_many((int[]){ 280 }, 1, &h);
	health_say(&h, NULL, text, sizeof(text));
	cr_expect_str_eq(text, "its disk failed 3 times in 4 min");
}

/* --- the agent ------------------------------------------------------------ */

static bool is_quarantined(const void *name)
{
	return strcmp(jget_str(replica(name), "state", ""), "quarantined") == 0;
}

static bool is_detached(const void *name)
{
	return !find_held(name);
}

static bool has_been_asked(const void *before)
{
	return w.index > *(const uint64_t *)before;
}

/* a copy here that was used, and one on the other node; who is in sync */
static void start(uint32_t in_sync)
{
	struct record r = { 5, WRITER_NONE, in_sync, { 0 } };
	struct txn *t = world_txn();
	json *doc;

	add_resource("db");
	add_copy("db", "n1", false);
	add_copy("db", "n2", false);
	cr_assert(until(is_up, "db"));
	doc = world_doc(&w, "record/db");
	record_write(doc, &r);
	txn_put(t, "record/db", doc);
	cr_assert_eq(world_apply(&w, t), TXN_APPLIED);
	pump(100);
}

static bool is_probed(const void *none)
{
	return agent->pools->known && !agent->pools->probing;
}

/* as if the disk had failed twice already: the test does not wait for minutes */
static void fail_too_often(void)
{
	struct agent_object *o = *agent_bucket(agent, "db");

	o->health.n = AGENT_FAILURES - 1;
	for (int i = 0; i < o->health.n; i++)
		o->health.at_ns[i] = clock_boot_ns() - (uint64_t)(60 - 20 * i) * S;
	disk_failures++;
	agent_poke(agent, "db");
}

static bool in_document(void)
{
	json *doc = world_doc(&w, "replica/db/n1");
	bool is = jget_bool(doc, "quarantined", false);

	json_object_put(doc);
	return is;
}

Test(health, quarantine_and_repair)
{
	bool was;

	start(2);
	fail_too_often();
	cr_assert(until(is_quarantined, "db") && until(is_detached, "db"));
	cr_expect(in_document());
	cr_expect_not_null(strstr(jget_str(replica("db"), "error", ""),
				  "failed 3 times in 60 s: data write: EIO: sdsd volume repair"));
	cr_expect_eq(files_in(pool_dir), 2, "it is kept");
	agent_down();
	agent_up();
	cr_assert(until(is_quarantined, "db"));
	pump(1500);
	cr_expect_null(find_held("db"), "not attached in the next life either");
	cr_expect_eq(n_defined, 0, "the plane may drop what it has of it");
	disk_failures = 0;
	cr_assert_eq(WORLD(&w, change_replica_repair, "db", "n1", &was), 0, "%s", w.err.text);
	cr_expect(was);
	cr_assert(until(is_up, "db"));
	cr_expect_str_eq(jget_str(replica("db"), "error", ""), "");
	drop_resource("db");
	cr_assert(until(is_gone, "db"));
}

Test(health, the_application_goes_first)
{
	start(2);
	volume_open = true;
	agent_poke(agent, "db");
	pump(100);
	fail_too_often();
	cr_assert(until(is_quarantined, "db"));
	pump(500);
	cr_expect(find_held("db"), "it is open here");
	volume_open = false;
	agent_poke(agent, "db");
	cr_expect(until(is_detached, "db"));
}

Test(health, the_last_copy_is_tried_for_ever)
{
	uint64_t before;

	start(1);
	before = w.index;
	fail_too_often();
	cr_assert(until(has_been_asked, &before));
	pump(1000);
	cr_expect_eq(w.index, before + 1, "once for each failure");
	cr_expect(is_up("db") && find_held("db"));
	cr_expect_not(in_document());
}

Test(health, no_leader_for_a_while)
{
	start(2);
	refuse = 3;
	fail_too_often();
	cr_assert(until(is_quarantined, "db"));
	cr_expect_eq(refuse, 0);
}

static bool is_told_full(const void *none)
{
	return (*agent_bucket(agent, "db"))->seen.no_space;
}

static bool has_room(const void *room)
{
	return find_held("db")->r.room == *(const uint32_t *)room;
}

/* as if the last look had found so much */
static void probe_after(int64_t had_kib)
{
	struct agent_pool *p = agent->pools;

	cr_assert(until(is_probed, NULL));
	p->space.free_kib = had_kib;
	observe_pool(agent, p);
	cr_assert(until(is_probed, NULL));
}

Test(health, more_space_is_a_reason_to_try_again)
{
	int64_t much = INT64_MAX / 2;
	uint32_t room;

	start(2);
	room = find_held("db")->r.room;
	probe_after(0);
	pump(200);
	cr_expect(has_room(&room), "it lacks nothing");
	disk_failures++;
	disk_full = true;
	agent_poke(agent, "db");
	cr_assert(until(is_told_full, NULL));
	probe_after(much);
	pump(200);
	cr_expect(has_room(&room), "less than before");
	probe_after(0);
	room++;
	cr_expect(until(has_room, &room));
	drop_resource("db");
	cr_assert(until(is_gone, "db"));
}

Test(health, replaced)
{
	char before[37], key[] = "replica/db/n1";
	json *doc;

	start(2);
	fail_too_often();
	cr_assert(until(is_quarantined, "db") && until(is_detached, "db"));
	doc = world_doc(&w, key);
	snprintf(before, sizeof(before), "%s", jget_str(doc, "uuid", ""));
	json_object_put(doc);
	disk_failures = 0;
	cr_assert_eq(WORLD(&w, change_replica_replace, "db", "n1"), 0, "%s", w.err.text);
	cr_assert(until(is_up, "db"));
	cr_expect_str_neq(jget_str(replica("db"), "uuid", ""), before);
	cr_expect_eq(world_count(&w, "leftover/"), 0, "the old files are gone");
	cr_expect_eq(files_in(pool_dir), 2);
	world_check(&w);
}
