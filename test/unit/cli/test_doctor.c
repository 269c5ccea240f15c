// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_doctor.c - what sdsd doctor and sdsd why make of texts and documents
 * (cli/doctor_host.c, cli/advice.c).
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "cli/advice.h"
#include "cli/doctor.h"

#define LVM_PLAIN "devices {\n\ttypes=[]\n\tfilter=[\"a|.*|\"]\n\tglobal_filter=[\"a|.*|\"]\n}\n"
#define LVM_TOLD "devices {\n\ttypes=[\"rvol\",16]\n\tfilter=[\"a|.*|\"]\n}\n"
#define LVM_TOLD_WELL "devices {\n\ttypes=[\"rvol\",16]\n\tglobal_filter=[\"r|^/dev/loop.*|\"]\n}\n"
#define LVM_NBD "devices {\n\ttypes=[]\n\tglobal_filter=[\"r|^/dev/nbd.*|\",\"a|.*|\"]\n}\n"
#define LVM_LETS_NBD_IN "devices {\n\ttypes=[]\n\tfilter=[\"a|^/dev/nbd.*|\"]\n}\n"

Test(doctor, lvm_and_our_devices)
{
	static const struct {
		const char *config;
		bool nbd, wrong;
	} rows[] = {
		{ "", false, false },           { "", true, true },
		{ LVM_PLAIN, false, false },    { LVM_PLAIN, true, true },
		{ LVM_TOLD, false, true },      { LVM_TOLD_WELL, false, false },
		{ LVM_NBD, true, false },       { LVM_LETS_NBD_IN, true, true },
		{ "\tfilter=[\"", true, true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_eq(doctor_judge_lvm(rows[i].config, rows[i].nbd) != NULL, rows[i].wrong,
			     "row %zu", i);
}

Test(doctor, swap_on_a_volume)
{
	static const char head[] = "Filename\t\tType\t\tSize\n";
	char path[64], text[256];

	cr_expect(!doctor_find_swap("", path, sizeof(path)));
	cr_expect(!doctor_find_swap(head, path, sizeof(path)));
	snprintf(text, sizeof(text), "%s/dev/sda2  partition\t4\n", head);
	cr_expect(!doctor_find_swap(text, path, sizeof(path)));
	snprintf(text, sizeof(text), "%s/dev/sda2  partition\t4\n/dev/rvol1000  partition\t4\n",
		 head);
	cr_expect(doctor_find_swap(text, path, sizeof(path)));
	cr_expect_str_eq(path, "/dev/rvol1000");
}

/* a volume db with a copy on n1 that is fine and this one on n2 */
static void expect_advice(const char *verdict, const char *replica, bool quorum,
			  const char *command)
{
	static const char fmt[] =
		"{\"name\":\"db\",\"verdict\":\"%s\",\"replicas\":[{\"node\":\"n1\","
		"\"state\":\"up\",\"in_sync\":true},{\"node\":\"n2\",%s}]}";
	char text[512], got[ADVICE_MAX], why[ADVICE_MAX];
	json *doc;

	snprintf(text, sizeof(text), fmt, verdict, replica);
	cr_assert_eq(json_parse(text, strlen(text), &doc, NULL), 0);
	cr_expect_str_eq(advice_command(doc, quorum, got, why), command);
	cr_expect_eq(why[0] != '\0', command[0] != '\0', "a command has its reason");
	json_object_put(doc);
}

Test(doctor, the_next_command)
{
	static const struct {
		const char *verdict, *replica, *command;
	} rows[] = {
		{ "safe", "\"state\":\"up\",\"in_sync\":true", "" },
		{ "safe", "\"state\":\"up\",\"diskless\":true", "" },
		{ "degraded", "\"state\":\"up\",\"in_sync\":true", "sdsd volume replica add db" },
		{ "at risk", "\"state\":\"up\",\"progress\":3.5", "sdsd volume show db --watch" },
		{ "at risk", "\"state\":\"creating\"", "sdsd volume show db --watch" },
		{ "at risk", "\"state\":\"unknown\"", "systemctl status sdsd" },
		{ "at risk", "\"state\":\"failed\",\"error\":\"x\"", "sdsd pool list" },
		{ "at risk", "\"state\":\"up\",\"mode\":\"broken\"", "systemctl restart sdsd" },
		{ "at risk", "\"state\":\"up\",\"inactive\":true", "sdsd volume activate db n2" },
		{ "at risk", "\"state\":\"unknown\",\"quarantined\":true",
		  "sdsd volume replace db n2" },
		/* what leaves is no trouble */
		{ "safe", "\"state\":\"unknown\",\"deleting\":true", "" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect_advice(rows[i].verdict, rows[i].replica, true, rows[i].command);
	expect_advice("unavailable", "\"state\":\"unknown\"", false, "systemctl start sdsd");
}

#define NOW_S 1800000000LL
#define DAY_S 86400LL

/* what is found in nodes of these members; this machine is n1, version 1.0 */
static json *find_in_nodes(const char *nodes)
{
	struct doctor d = { .now_ms = NOW_S * 1000 };
	char text[2048];

	snprintf(text, sizeof(text), "{\"nodes\":[%s]}", nodes);
	cr_assert_eq(json_parse(text, strlen(text), &d.status, NULL), 0, "%s", text);
	d.local = json_object_new_object();
	jset_str(d.local, "node", "n1");
	jset_str(d.local, "version", "1.0");
	d.checks = json_object_new_array();
	doctor_nodes(&d);
	json_object_put(d.status);
	json_object_put(d.local);
	return d.checks;
}

/* The check has this result, with these words; takes checks. NULL: it is not there */
static void expect_check(json *checks, const char *check, const char *result, const char *words)
{
	bool found = false;

	for (size_t i = 0; i < json_object_array_length(checks); i++) {
		json *o = json_object_array_get_idx(checks, i);

		if (strcmp(jget_str(o, "check", ""), check) != 0)
			continue;
		if (result && strcmp(jget_str(o, "result", ""), result) == 0 &&
		    strstr(jget_str(o, "text", ""), words))
			found = true;
		cr_expect_eq(strcmp(jget_str(o, "result", ""), "OK") != 0,
			     jget_str(o, "mend", "")[0] != '\0', "what is wrong has a cure");
	}
	cr_expect_eq(found, result != NULL, "%s %s %s in %s", check, result, words,
		     json_text(checks));
	json_object_put(checks);
}

#define NODE(name, more) "{\"name\":\"" name "\",\"state\":\"online\"," more "}"

Test(doctor, clocks_of_the_nodes)
{
	static const char fine[] = NODE("n1", "\"clock_ahead_ms\":0") "," NODE(
		"n2", "\"clock_ahead_ms\":-2000") "," NODE("n3", "\"clock_ahead_ms\":0");
	static const char ahead[] = NODE("n1", "\"clock_ahead_ms\":0") "," NODE(
		"n2", "\"clock_ahead_ms\":2001") "," NODE("n3", "\"clock_ahead_ms\":-3");
	static const char leader[] = NODE("n1", "\"clock_ahead_ms\":0") "," NODE(
		"n2", "\"clock_ahead_ms\":60000") "," NODE("n3", "\"clock_ahead_ms\":60010");

	expect_check(find_in_nodes(fine), "clocks", "OK", "agree to 2000 ms");
	expect_check(find_in_nodes(ahead), "clocks", "WARN", "n2 is 2 s ahead of");
	expect_check(find_in_nodes(leader), "clocks", "WARN", "n1 is 60 s behind");
	expect_check(find_in_nodes(NODE("n1", "\"age_ms\":0")), "clocks", NULL, "");
}

Test(doctor, certificates_of_other_nodes)
{
	static const struct {
		int64_t ends;
		const char *check, *result, *words;
	} rows[] = {
		{ NOW_S + 30 * DAY_S, "certificates", "OK", "valid for 30 days" },
		{ NOW_S + 30 * DAY_S - 1, "certificate", "WARN", "node n2 ends in 29 days" },
		{ NOW_S - 3 * DAY_S, "certificate", "FAIL", "node n2 has ended, 3 days ago" },
	};
	char text[256];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(text, sizeof(text), NODE("n2", "\"certificate_ends\":%lld"),
			 (long long)rows[i].ends);
		expect_check(find_in_nodes(text), rows[i].check, rows[i].result, rows[i].words);
	}
	/* of this machine the file is read */
	expect_check(find_in_nodes(NODE("n1", "\"certificate_ends\":1")), "certificate", NULL, "");
}

Test(doctor, versions_and_states)
{
	expect_check(find_in_nodes(NODE("n2", "\"version\":\"1.0\"")), "version", "OK", "have 1.0");
	expect_check(find_in_nodes(NODE("n2", "\"version\":\"0.9\"")), "version", "WARN",
		     "n2 has 0.9, this one 1.0");
	expect_check(find_in_nodes("{\"name\":\"n2\",\"state\":\"offline\"}"), "node", "WARN",
		     "n2 is offline");
}
