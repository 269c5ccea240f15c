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
