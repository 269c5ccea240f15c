// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_records.c - the plane's requests against a leader that loses answers,
 * proposals and leadership: whatever is lost, the plane is told what really is.
 * The leader here is a record and a script of what goes wrong.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "base/log.h"
#include "model/resource.h"
#include "records.h"
#include "support/leaks.h"

/* what the leader does with one call */
enum act {
	ANSWER,       /* as it should */
	LOSE_REQUEST, /* 503, not executed */
	LOSE_ANSWER,  /* executed, 504 */
	OVERTAKEN,    /* another proposer's CAS gets in first, then as ANSWER */
	REJECT,       /* 400 */
	GONE          /* 404 */
};

static uv_loop_t loop;
static struct record now; /* the leader's */
static const enum act *script;
static int n_calls, n_cas;
static char last_id[64];
static bool same_id;

static struct {
	int n;
	bool accepted;
	struct plane_record now;
} told;

struct later {
	uv_timer_t timer;
	records_answer cb;
	void *arg;
	int status;
	json *doc;
};

static void on_closed(uv_handle_t *h)
{
	free(h);
}

static void on_later(uv_timer_t *t)
{
	struct later *l = (struct later *)t;

	l->cb(l->status, l->doc, l->arg);
	json_object_put(l->doc);
	uv_close((uv_handle_t *)t, on_closed);
}

static json *cas(json *doc)
{
	json *answer = json_object_new_object();
	struct record next;
	bool accepted;

	n_cas++;
	cr_assert_eq(record_parse(jget(doc, "record"), &next, NULL), 0);
	accepted = next.epoch == now.epoch + 1;
	if (accepted)
		now = next;
	/* a repeated request id, or its own tag: it was this proposal that won */
	jset_bool(answer, "accepted",
		  accepted || memcmp(&next.tag, &now.tag, sizeof(next.tag)) == 0);
	jset(answer, "record", record_doc(&now, "u"));
	return answer;
}

static void on_call(const char *path, const char *body, const char *request_id, int deadline_ms,
		    records_answer cb, void *cb_arg, void *arg)
{
	struct later *l = calloc(1, sizeof(*l));
	enum act act = script[n_calls++];
	bool is_cas = strcmp(path, "/v1/sds/record-cas") == 0;
	json *doc;

	cr_assert_eq(json_parse(body, strlen(body), &doc, NULL), 0);
	if (is_cas) {
		same_id = last_id[0] ? same_id && strcmp(last_id, request_id) == 0 : true;
		snprintf(last_id, sizeof(last_id), "%s", request_id);
	}
	if (act == OVERTAKEN)
		now = (struct record){
			.epoch = now.epoch + 1, .writer = 2, .in_sync = 4, .tag = { 9, 9, 9 }
		};
	l->status = act == LOSE_REQUEST  ? 503
		    : act == LOSE_ANSWER ? 504
		    : act == REJECT      ? 400
		    : act == GONE        ? 404
					 : 200;
	if (act == ANSWER || act == OVERTAKEN || act == LOSE_ANSWER)
		l->doc = is_cas ? cas(doc) : record_doc(&now, "u");
	if (act == LOSE_ANSWER) {
		json_object_put(l->doc);
		l->doc = NULL;
	}
	l->cb = cb;
	l->arg = cb_arg;
	json_object_put(doc);
	uv_timer_init(&loop, &l->timer);
	uv_timer_start(&l->timer, on_later, 0, 0);
}

static void on_read(struct plane *p, uint64_t token, const struct plane_record *r)
{
	cr_assert_eq(token, 77);
	told.n++;
	told.now = *r;
}

static void on_cas(struct plane *p, uint64_t token, bool accepted, const struct plane_record *r)
{
	told.accepted = accepted;
	on_read(p, token, r);
}

static const struct plane_ops ops = { .record_read = on_read, .record_cas = on_cas };
static const uint8_t uuid[16] = { 1 };
static struct records *records;

static void setup(void)
{
	struct records_config config = { .loop = &loop, .call = on_call, .ops = &ops };

	log_init(LOG_LEVEL_ERROR);
	cr_assert_eq(uv_loop_init(&loop), 0);
	records = records_new(&config);
	now = (struct record){ .epoch = 4, .writer = 1, .in_sync = 3, .tag = { 1, 2, 3 } };
	n_calls = n_cas = 0;
	last_id[0] = '\0';
	memset(&told, 0, sizeof(told));
}

static void teardown(void)
{
	records_free(records);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert_eq(uv_loop_close(&loop), 0);
	test_no_leaks();
}

TestSuite(records, .init = setup, .fini = teardown);

static const struct plane_record next = { .epoch = 5,
					  .writer = 1,
					  .in_sync = 1,
					  .tag_node = 1,
					  .tag_boot = 0xfedcba9876543210,
					  .tag_counter = 8 };

static const struct {
	const char *name;
	enum act script[8];
	bool accepted;
	uint32_t epoch, tag_node;
	int n_calls;
} rows[] = {
	{ "plain", { ANSWER }, true, 5, 1, 1 },
	{ "overtaken", { OVERTAKEN }, false, 5, 9, 1 },
	{ "answer lost", { LOSE_ANSWER, ANSWER }, true, 5, 1, 2 },
	{ "request lost", { LOSE_REQUEST, ANSWER, ANSWER }, true, 5, 1, 3 },
	{ "request lost twice",
	  { LOSE_REQUEST, ANSWER, LOSE_REQUEST, ANSWER, ANSWER },
	  true,
	  5,
	  1,
	  5 },
	{ "request lost, reading lost",
	  { LOSE_REQUEST, LOSE_REQUEST, ANSWER, ANSWER },
	  true,
	  5,
	  1,
	  4 },
	{ "request lost, then overtaken", { LOSE_REQUEST, OVERTAKEN }, false, 5, 9, 2 },
	{ "answer lost, then overtaken", { LOSE_ANSWER, OVERTAKEN }, false, 6, 9, 2 },
	{ "overtaken between reading and proposing",
	  { LOSE_REQUEST, ANSWER, OVERTAKEN },
	  false,
	  5,
	  9,
	  3 },
	{ "rejected", { REJECT, ANSWER }, false, 4, 1, 2 },
	{ "rejected, reading lost", { REJECT, LOSE_ANSWER, ANSWER }, false, 4, 1, 3 },
};

Test(records, cas)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		now = (struct record){ .epoch = 4, .writer = 1, .in_sync = 3, .tag = { 1, 2, 3 } };
		n_calls = 0;
		last_id[0] = '\0';
		memset(&told, 0, sizeof(told));
		script = rows[i].script;
		records_cas(records, "db", uuid, &next, 77);
		uv_run(&loop, UV_RUN_DEFAULT);
		cr_expect_eq(told.n, 1, "'%s' answered %d times", rows[i].name, told.n);
		cr_expect_eq(told.accepted, rows[i].accepted, "'%s'", rows[i].name);
		cr_expect_eq(told.now.epoch, rows[i].epoch, "'%s'", rows[i].name);
		cr_expect_eq(told.now.tag_node, rows[i].tag_node, "'%s'", rows[i].name);
		cr_expect_eq(n_calls, rows[i].n_calls, "'%s': %d calls", rows[i].name, n_calls);
		cr_expect(same_id, "'%s': one request id for all tries", rows[i].name);
		if (rows[i].accepted) {
			cr_expect_eq(told.now.tag_boot, next.tag_boot, "all 64 bits");
			cr_expect_eq(now.in_sync, 1);
		}
	}
}

Test(records, read)
{
	static const enum act reads[] = { LOSE_REQUEST, LOSE_ANSWER, REJECT, ANSWER };

	script = reads;
	records_read(records, "db", uuid, 77);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_eq(told.n, 1);
	cr_expect_eq(told.now.epoch, 4);
	cr_expect_eq(told.now.tag_boot, 2);
	cr_expect_eq(n_cas, 0);
}

Test(records, gone_is_not_answered)
{
	static const enum act gone[] = { LOSE_REQUEST, GONE };

	script = gone;
	records_cas(records, "db", uuid, &next, 77);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_eq(told.n, 0);
	cr_expect_eq(n_calls, 2);
}

Test(records, end_in_every_state)
{
	static const enum act lost[] = { LOSE_REQUEST, LOSE_REQUEST, LOSE_REQUEST };

	script = lost;
	records_cas(records, "db", uuid, &next, 77); /* a call under way */
	records_read(records, "db", uuid, 77);
	uv_run(&loop, UV_RUN_ONCE); /* answered: they sleep */
	records_cas(records, "db", uuid, &next, 77);
}

Test(records, judge)
{
	static const struct {
		uint32_t epoch, node;
		uint64_t boot;
		uint32_t counter;
		enum records_verdict verdict;
	} table[] = {
		{ 5, 1, 0xfedcba9876543210, 8, RECORDS_ACCEPTED },
		{ 5, 1, 0xfedcba9876543210, 7, RECORDS_REFUSED },
		{ 5, 1, 0xfedcba9876543211, 8, RECORDS_REFUSED },
		{ 5, 2, 0xfedcba9876543210, 8, RECORDS_REFUSED },
		{ 4, 1, 1, 1, RECORDS_AGAIN },
		{ 3, 1, 1, 1, RECORDS_REFUSED },
		{ 6, 1, 0xfedcba9876543210, 8, RECORDS_REFUSED },
		{ UINT32_MAX, 1, 1, 1, RECORDS_REFUSED },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct plane_record r = { .epoch = table[i].epoch,
					  .tag_node = table[i].node,
					  .tag_boot = table[i].boot,
					  .tag_counter = table[i].counter };

		cr_expect_eq(records_judge(&next, &r), table[i].verdict, "row %zu", i);
	}
}
