// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_status.c - sdsd status on screens of several sizes (cli/status_page.c).
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "cli/status_page.h"
#include "support/leaks.h"

TestSuite(status, .fini = test_no_leaks);

#define N_NODES 5
#define ROWS 23 /* of 24: the cursor has one */

/* five nodes, of which the last away ones do not answer, and no volumes yet */
static json *cluster(int away)
{
	char text[2048];
	int used = snprintf(
		text, sizeof(text),
		"{\"cluster\":{\"name\":\"test\",\"online\":%d,\"nodes\":5,\"quorum\":true,"
		"\"leader\":\"n1\",\"voters\":5,\"voters_online\":%d},\"full_pools\":[],"
		"\"nodes\":[",
		N_NODES - away, N_NODES - away);
	json *doc;

	for (int i = 1; i <= N_NODES; i++) {
		bool off = i > N_NODES - away;

		used += snprintf(
			text + used, sizeof(text) - (size_t)used,
			"%s{\"name\":\"n%d\",\"state\":\"%s\",\"age_ms\":%d,\"role\":\"voter\","
			"\"address\":\"10.0.0.%d\",\"port\":7700,\"version\":\"0.1.0\"}",
			i > 1 ? "," : "", i, off ? "offline" : "online", off ? 34000 : 0, i);
	}
	snprintf(text + used, sizeof(text) - (size_t)used, "],\"resources\":[]}");
	cr_assert_eq(json_parse(text, strlen(text), &doc, NULL), 0);
	return doc;
}

static void add(json *doc, const char *name, const char *verdict, int in_sync, const char *reason,
		const char *next, const char *upkeep)
{
	json *r = json_object_new_object();

	jset_str(r, "name", name);
	jset_str(r, "verdict", verdict);
	jset_i64(r, "in_sync", in_sync);
	jset_i64(r, "copies", 2);
	jset_i64(r, "size_kib", 10 << 20);
	jset_str(r, "reason", reason);
	jset_str(r, "next", next);
	jset_str(r, "upkeep", upkeep);
	json_object_array_add(jget(doc, "resources"), r);
}

static void add_fine(json *doc, int from, int to)
{
	char name[16];

	for (int i = from; i <= to; i++) {
		snprintf(name, sizeof(name), "vol%02d", i);
		add(doc, name, "safe", 2, "", "", "");
	}
}

static void add_away(json *doc, int from, int to)
{
	char name[16];

	for (int i = from; i <= to; i++) {
		snprintf(name, sizeof(name), "vol%02d", i);
		add(doc, name, i % 2 ? "at risk" : "degraded", 1, "n5 does not answer since 34 s",
		    "n5 catches up when it is back", "");
	}
}

/* lines of the page, none wider than the screen */
static int lines(const struct buf *b, int columns)
{
	int n = 0, width = 0;

	for (size_t i = 0; i < b->len; i++) {
		width = b->data[i] == '\n' ? 0 : width + 1;
		n += b->data[i] == '\n';
		cr_expect(columns == 0 || width <= columns, "line %d is wider than %d:\n%s", n,
			  columns, (char *)b->data);
	}
	return n;
}

/* takes doc */
static void expect(json *doc, int columns, int rows, const char *text)
{
	struct buf out;

	buf_init(&out, STATUS_PAGE_MAX);
	status_page(doc, NULL, (struct screen){ columns, rows }, &out);
	cr_expect_str_eq((char *)out.data, text, "%d x %d:\n%s", columns, rows, (char *)out.data);
	cr_expect(rows == 0 || lines(&out, columns) <= rows);
	buf_release(&out);
	json_object_put(doc);
}

Test(status, all_is_well_and_there_is_room)
{
	json *doc = cluster(0);

	add_fine(doc, 1, 2);
	expect(doc, 80, ROWS,
	       "Cluster test: 5 of 5 nodes online, leader n1, 5 of 5 voters answer\n"
	       "\n"
	       "NODE  STATE   ROLE   ADDRESS        VERSION\n"
	       "n1    online  voter  10.0.0.1:7700  0.1.0\n"
	       "n2    online  voter  10.0.0.2:7700  0.1.0\n"
	       "n3    online  voter  10.0.0.3:7700  0.1.0\n"
	       "n4    online  voter  10.0.0.4:7700  0.1.0\n"
	       "n5    online  voter  10.0.0.5:7700  0.1.0\n"
	       "\n"
	       "VOLUME  VERDICT  IN SYNC  REASON AND NEXT STEP\n"
	       "vol01   safe     2/2      -\n"
	       "vol02   safe     2/2      -\n");
}

static void expect_few_voters(int voters, const char *text)
{
	json *doc = cluster(0);
	struct buf out;

	jset_i64(jget(doc, "cluster"), "voters", voters);
	jset_i64(jget(doc, "cluster"), "voters_wanted", 5);
	buf_init(&out, STATUS_PAGE_MAX);
	status_page(doc, NULL, (struct screen){ 80, 0 }, &out);
	if (text)
		cr_expect(strstr((char *)out.data, text), "%s", (char *)out.data);
	else
		cr_expect_null(strstr((char *)out.data, "Only"), "%s", (char *)out.data);
	buf_release(&out);
	json_object_put(doc);
}

Test(status, few_voters)
{
	expect_few_voters(
		1,
		"\nOnly 1 of 5 nodes vote so far: if one of those fails, nothing can be changed\n");
	expect_few_voters(
		2,
		"\nOnly 2 of 5 nodes vote so far: if one of those fails, nothing can be changed\n");
	expect_few_voters(3, "\nOnly 3 of 5 nodes vote so far: one may fail, not two\n");
	expect_few_voters(5, NULL);
}

Test(status, twenty_volumes_that_are_fine)
{
	json *doc = cluster(0);

	add_fine(doc, 1, 20);
	expect(doc, 80, ROWS,
	       "Cluster test: 5 of 5 nodes online, leader n1, 5 of 5 voters answer\n"
	       "Nodes: online n1 n2 n3 n4 n5\n"
	       "\n"
	       "20 volumes are safe: vol01 vol02 vol03 vol04 vol05 vol06 vol"
	       "07 vol08 vol09 vo...\n");
}

Test(status, some_of_twenty_are_not_fine)
{
	json *doc = cluster(1);

	add_fine(doc, 1, 17);
	add(doc, "big", "degraded", 1, "n4 is catching up (34 %, 12 s to go)",
	    "n4 joins when it has everything", "");
	add(doc, "db", "at risk", 1, "n5 does not answer since 34 s",
	    "n5 catches up when it is back",
	    "the copy on n5 is made anew in 59 min unless its node is back before that");
	add(doc, "mail", "safe", 2, "", "", "it is open on n2, which is evacuated: close it there");
	expect(doc, 80, ROWS,
	       "Cluster test: 4 of 5 nodes online, leader n1, 4 of 5 voters answer\n"
	       "Nodes: n5 offline (34 s), online n1 n2 n3 n4\n"
	       "\n"
	       "VOLUME  VERDICT   IN SYNC  REASON AND NEXT STEP\n"
	       "db      at risk   1/2      n5 does not answer since 34 s\n"
	       "                           next: n5 catches up when it is back\n"
	       "                           upkeep: the copy on n5 is made anew in 59 min unle...\n"
	       "big     degraded  1/2      n4 is catching up (34 %, 12 s to go)\n"
	       "                           next: n4 joins when it has everything\n"
	       "mail    safe      2/2      it is open on n2, which is evacuated: close it there\n"
	       "\n"
	       "17 volumes are safe: vol01 vol02 vol03 vol04 vol05 vol06 vol"
	       "07 vol08 vol09 vo...\n");
}

Test(status, a_wide_screen_is_used)
{
	json *doc = cluster(1);

	add_fine(doc, 1, 19);
	add(doc, "db", "at risk", 1, "n5 does not answer since 34 s",
	    "n5 catches up when it is back", "");
	expect(doc, 120, 50,
	       "Cluster test: 4 of 5 nodes online, leader n1, 4 of 5 voters answer\n"
	       "\n"
	       "NODE  STATE           ROLE   ADDRESS        VERSION\n"
	       "n1    online          voter  10.0.0.1:7700  0.1.0\n"
	       "n2    online          voter  10.0.0.2:7700  0.1.0\n"
	       "n3    online          voter  10.0.0.3:7700  0.1.0\n"
	       "n4    online          voter  10.0.0.4:7700  0.1.0\n"
	       "n5    offline (34 s)  voter  10.0.0.5:7700  0.1.0\n"
	       "\n"
	       "VOLUME       SIZE  VERDICT  IN SYNC  WRITER  REASON AND NEXT STEP\n"
	       "vol01   10.00 GiB  safe     2/2      -       -\n"
	       "vol02   10.00 GiB  safe     2/2      -       -\n"
	       "vol03   10.00 GiB  safe     2/2      -       -\n"
	       "vol04   10.00 GiB  safe     2/2      -       -\n"
	       "vol05   10.00 GiB  safe     2/2      -       -\n"
	       "vol06   10.00 GiB  safe     2/2      -       -\n"
	       "vol07   10.00 GiB  safe     2/2      -       -\n"
	       "vol08   10.00 GiB  safe     2/2      -       -\n"
	       "vol09   10.00 GiB  safe     2/2      -       -\n"
	       "vol10   10.00 GiB  safe     2/2      -       -\n"
	       "vol11   10.00 GiB  safe     2/2      -       -\n"
	       "vol12   10.00 GiB  safe     2/2      -       -\n"
	       "vol13   10.00 GiB  safe     2/2      -       -\n"
	       "vol14   10.00 GiB  safe     2/2      -       -\n"
	       "vol15   10.00 GiB  safe     2/2      -       -\n"
	       "vol16   10.00 GiB  safe     2/2      -       -\n"
	       "vol17   10.00 GiB  safe     2/2      -       -\n"
	       "vol18   10.00 GiB  safe     2/2      -       -\n"
	       "vol19   10.00 GiB  safe     2/2      -       -\n"
	       "db      10.00 GiB  at risk  1/2      -       n5 does not answer since 34 s; "
	       "next: n5 catches up when it is back\n");
}

Test(status, where_a_line_has_no_room_the_next_step_has_its_own)
{
	json *doc = cluster(1);

	add(doc, "db", "at risk", 1, "n5 does not answer since 34 s",
	    "n5 catches up when it is back",
	    "a new copy is made elsewhere if the one on n5 is not back in 3600 s");
	expect(doc, 120, 12,
	       "Cluster test: 4 of 5 nodes online, leader n1, 4 of 5 voters answer\n"
	       "Nodes: n5 offline (34 s), online n1 n2 n3 n4\n"
	       "\n"
	       "VOLUME       SIZE  VERDICT  IN SYNC  WRITER  REASON AND NEXT STEP\n"
	       "db      10.00 GiB  at risk  1/2      -       n5 does not answer since 34 s\n"
	       "                                             next: n5 catches up when it is back\n"
	       "                                             upkeep: a new copy is made elsewhere "
	       "if the one on n5 is not back in 3600 s\n");
}

Test(status, twenty_of_twenty_are_not_fine)
{
	json *doc = cluster(1);

	add_away(doc, 1, 20);
	expect(doc, 80, ROWS,
	       "Cluster test: 4 of 5 nodes online, leader n1, 4 of 5 voters answer\n"
	       "Nodes: n5 offline (34 s), online n1 n2 n3 n4\n"
	       "VOLUME  VERDICT   IN SYNC  REASON                         NEXT STEP\n"
	       "vol01   at risk   1/2      n5 does not answer since 34 s  n5 catches up when ...\n"
	       "vol03   at risk   1/2      n5 does not answer since 34 s  n5 catches up when ...\n"
	       "vol05   at risk   1/2      n5 does not answer since 34 s  n5 catches up when ...\n"
	       "vol07   at risk   1/2      n5 does not answer since 34 s  n5 catches up when ...\n"
	       "vol09   at risk   1/2      n5 does not answer since 34 s  n5 catches up when ...\n"
	       "vol11   at risk   1/2      n5 does not answer since 34 s  n5 catches up when ...\n"
	       "vol13   at risk   1/2      n5 does not answer since 34 s  n5 catches up when ...\n"
	       "vol15   at risk   1/2      n5 does not answer since 34 s  n5 catches up when ...\n"
	       "vol17   at risk   1/2      n5 does not answer since 34 s  n5 catches up when ...\n"
	       "vol19   at risk   1/2      n5 does not answer since 34 s  n5 catches up when ...\n"
	       "vol02   degraded  1/2      n5 does not answer since 34 s  n5 catches up when ...\n"
	       "vol04   degraded  1/2      n5 does not answer since 34 s  n5 catches up when ...\n"
	       "vol06   degraded  1/2      n5 does not answer since 34 s  n5 catches up when ...\n"
	       "vol08   degraded  1/2      n5 does not answer since 34 s  n5 catches up when ...\n"
	       "vol10   degraded  1/2      n5 does not answer since 34 s  n5 catches up when ...\n"
	       "vol12   degraded  1/2      n5 does not answer since 34 s  n5 catches up when ...\n"
	       "vol14   degraded  1/2      n5 does not answer since 34 s  n5 catches up when ...\n"
	       "vol16   degraded  1/2      n5 does not answer since 34 s  n5 catches up when ...\n"
	       "vol18   degraded  1/2      n5 does not answer since 34 s  n5 catches up when ...\n"
	       "vol20   degraded  1/2      n5 does not answer since 34 s  n5"
	       " catches up when ...\n");
}

Test(status, more_than_fits_is_counted)
{
	json *doc = cluster(1);

	add_fine(doc, 1, 40);
	add_away(doc, 41, 80);
	expect(doc, 60, 12,
	       "Cluster test: 4 of 5 nodes online, leader n1, 4 of 5 vote...\n"
	       "Nodes: n5 offline (34 s), online n1 n2 n3 n4\n"
	       "VOLUME  VERDICT  IN SYNC  REASON AND NEXT STEP\n"
	       "vol41   at risk  1/2      n5 does not answer since 34 s; ...\n"
	       "vol43   at risk  1/2      n5 does not answer since 34 s; ...\n"
	       "vol45   at risk  1/2      n5 does not answer since 34 s; ...\n"
	       "vol47   at risk  1/2      n5 does not answer since 34 s; ...\n"
	       "vol49   at risk  1/2      n5 does not answer since 34 s; ...\n"
	       "vol51   at risk  1/2      n5 does not answer since 34 s; ...\n"
	       "vol53   at risk  1/2      n5 does not answer since 34 s; ...\n"
	       "and 33 more: sdsd volume list\n"
	       "40 volumes are safe: vol01 vol02 vol03 vol04 vol05 vol06 ...\n");
}

Test(status, without_a_screen_nothing_is_cut_or_folded)
{
	json *doc = cluster(1);

	add_fine(doc, 1, 1);
	add_away(doc, 2, 3);
	add(doc, "mail", "safe", 2, "", "", "it waits");
	expect(doc, 0, 0,
	       "Cluster test: 4 of 5 nodes online, leader n1, 4 of 5 voters answer\n"
	       "\n"
	       "NODE  STATE           ROLE   ADDRESS        VERSION\n"
	       "n1    online          voter  10.0.0.1:7700  0.1.0\n"
	       "n2    online          voter  10.0.0.2:7700  0.1.0\n"
	       "n3    online          voter  10.0.0.3:7700  0.1.0\n"
	       "n4    online          voter  10.0.0.4:7700  0.1.0\n"
	       "n5    offline (34 s)  voter  10.0.0.5:7700  0.1.0\n"
	       "\n"
	       "VOLUME       SIZE  VERDICT   IN SYNC  WRITER  REASON AND NEXT STEP\n"
	       "vol01   10.00 GiB  safe      2/2      -       -\n"
	       "vol02   10.00 GiB  degraded  1/2      -       n5 does not an"
	       "swer since 34 s; next: n5 catches up when it is back\n"
	       "vol03   10.00 GiB  at risk   1/2      -       n5 does not an"
	       "swer since 34 s; next: n5 catches up when it is back\n"
	       "mail    10.00 GiB  safe      2/2      -       it waits\n");
}

Test(status, no_leader_and_no_volumes)
{
	json *doc = cluster(5);

	jset_bool(jget(doc, "cluster"), "quorum", false);
	jset_i64(jget(doc, "cluster"), "no_leader_ms", 12000);
	expect(doc, 60, ROWS,
	       "Cluster test: NO LEADER since 12 s: changes wait until mo...\n"
	       "\n"
	       "NODE  STATE           ROLE   ADDRESS        VERSION\n"
	       "n1    offline (34 s)  voter  10.0.0.1:7700  0.1.0\n"
	       "n2    offline (34 s)  voter  10.0.0.2:7700  0.1.0\n"
	       "n3    offline (34 s)  voter  10.0.0.3:7700  0.1.0\n"
	       "n4    offline (34 s)  voter  10.0.0.4:7700  0.1.0\n"
	       "n5    offline (34 s)  voter  10.0.0.5:7700  0.1.0\n"
	       "\n"
	       "No volumes yet. A first one: sdsd volume create db 10G\n");
}

Test(status, full_pools_are_told)
{
	json *doc = cluster(0);

	for (int i = 1; i <= 9; i++) {
		json *o = json_object_new_object();
		char name[16];

		snprintf(name, sizeof(name), "n%d", i);
		jset_str(o, "node", name);
		jset_str(o, "name", "ssd");
		jset_str(o, "text", "91 % of its space is used: extend it, or delete something");
		json_object_array_add(jget(doc, "full_pools"), o);
	}
	add_fine(doc, 1, 20);
	expect(doc, 60, 12,
	       "Cluster test: 5 of 5 nodes online, leader n1, 5 of 5 vote...\n"
	       "Pool n1/ssd: 91 % of its space is used: extend it, or del...\n"
	       "Pool n2/ssd: 91 % of its space is used: extend it, or del...\n"
	       "Pool n3/ssd: 91 % of its space is used: extend it, or del...\n"
	       "and 6 pools more: sdsd pool list\n"
	       "Nodes: online n1 n2 n3 n4 n5\n"
	       "\n"
	       "20 volumes are safe: vol01 vol02 vol03 vol04 vol05 vol06 ...\n");
}

Test(status, services_that_do_not_run_are_told)
{
	json *doc = cluster(0), *list = json_object_new_array();

	for (int i = 1; i <= 9; i++) {
		json *o = json_object_new_object();
		char name[16];

		snprintf(name, sizeof(name), "web%d", i);
		jset_str(o, "name", name);
		jset_str(o, "state", i == 5 ? "running" : "failed");
		json_object_array_add(list, o);
	}
	jset(doc, "services", list);
	add_fine(doc, 1, 20);
	expect(doc, 80, 12,
	       "Cluster test: 5 of 5 nodes online, leader n1, 5 of 5 voters answer\n"
	       "Service web1 does not run: failed (sdsd service show web1)\n"
	       "Service web2 does not run: failed (sdsd service show web2)\n"
	       "Service web3 does not run: failed (sdsd service show web3)\n"
	       "and 5 services more: sdsd service list\n"
	       "Nodes: online n1 n2 n3 n4 n5\n"
	       "\n"
	       "20 volumes are safe: vol01 vol02 vol03 vol04 vol05 vol06 "
	       "vol07 vol08 vol09 vo...\n");
}

Test(status, any_size_of_screen_and_any_number_of_volumes)
{
	for (int rows = 8; rows < 60; rows += 3) {
		for (int bad = 0; bad <= 60; bad += 7) {
			json *doc = cluster(bad % 3);
			struct buf out;

			add_fine(doc, 1, 60 - bad);
			add_away(doc, 61 - bad, 60);
			buf_init(&out, STATUS_PAGE_MAX);
			status_page(doc, NULL, (struct screen){ 50 + rows, rows }, &out);
			cr_expect(lines(&out, 50 + rows) <= rows, "%d rows, %d bad:\n%s", rows, bad,
				  (char *)out.data);
			cr_expect(!bad || strstr((char *)out.data, " vol"), "the worst are shown");
			buf_release(&out);
			json_object_put(doc);
		}
	}
}
