// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * doctor.c - sdsd doctor: looks at this machine and at its cluster, and says how to
 * mend what is wrong. Called by main.c. It changes nothing, and works as far as it
 * gets when no daemon runs.
 */
#include "cli/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/show.h"
#include "cli/verbs.h"

#define DOCTOR_ARGS "[--dir D]"
#define DIR_DEFAULT "/var/lib/sdsd"
#define TEXT_MAX 600

static const char *const result_names[] = { "OK", "WARN", "FAIL" };

void doctor_say(struct doctor *d, enum doctor_result result, const char *check, const char *mend,
		const char *fmt, ...)
{
	json *o = json_object_new_object();
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	jset_str(o, "check", check);
	jset_str(o, "result", result_names[result]);
	jset_str(o, "text", text);
	jset_str(o, "mend", mend);
	json_object_array_add(d->checks, o);
	d->count[result]++;
}

static void look_at_daemon(struct doctor *d)
{
	struct err err = { 0 };
	const char *version;

	if (client_look("/v1/sds/local", DOCTOR_LOOK_MS, &d->local, &err) < 0) {
		doctor_say(d, DOCTOR_FAIL, "daemon", "systemctl start sdsd, or --socket PATH", "%s",
			   err.text);
		return;
	}
	version = jget_str(d->local, "version", "");
	if (strcmp(version, SDSD_VERSION) == 0)
		doctor_say(d, DOCTOR_OK, "daemon", "", "node %s answers, version %s",
			   jget_str(d->local, "node", ""), version);
	else
		doctor_say(d, DOCTOR_WARN, "daemon", "systemctl restart sdsd",
			   "the daemon has version %s, this program %s", version, SDSD_VERSION);
	if (client_look("/v1/sds/status", DOCTOR_LOOK_MS, &d->status, &err) < 0)
		doctor_say(d, DOCTOR_FAIL, "cluster", "journalctl -u sdsd", "%s", err.text);
}

static void look_at_identity(struct doctor *d)
{
	struct err err = { 0 };

	d->member = identity_load(d->dir, &d->id, &err) == 0;
	if (d->member)
		doctor_say(d, DOCTOR_OK, "identity", "", "node %s of cluster %s, in %s", d->id.node,
			   d->id.cluster_name, d->dir);
	else
		doctor_say(d, DOCTOR_FAIL, "identity",
			   "sdsd init or sdsd join; another directory: --dir D", "%s", err.text);
}

static void print_checks(struct doctor *d)
{
	size_t n = json_object_array_length(d->checks);

	for (size_t i = 0; i < n; i++) {
		json *o = json_object_array_get_idx(d->checks, i);
		const char *mend = jget_str(o, "mend", "");

		printf("%-4s  %-12s  %s\n", jget_str(o, "result", ""), jget_str(o, "check", ""),
		       jget_str(o, "text", ""));
		if (mend[0])
			printf("%-4s  %-12s  -> %s\n", "", "", mend);
	}
	printf("\n%d fine, %d to look at, %d wrong\n", d->count[DOCTOR_OK], d->count[DOCTOR_WARN],
	       d->count[DOCTOR_FAIL]);
}

static int doctor(int argc, char **argv)
{
	struct doctor d = { .dir = getenv("SDSD_DIR"), .now_ms = clock_wall_ms() };
	const struct option_spec specs[] = { { "--dir", &d.dir, NULL } };
	int rv = show_words(argc, argv, specs, 1, NULL, 0, "doctor " DOCTOR_ARGS);

	if (rv != CLI_OK)
		return rv;
	if (!d.dir || !d.dir[0])
		d.dir = DIR_DEFAULT;
	d.checks = json_object_new_array();
	look_at_identity(&d);
	look_at_daemon(&d);
	doctor_host(&d);
	doctor_cluster(&d);
	if (client_settings.json) {
		json *o = json_object_new_object();

		jset(o, "checks", json_object_get(d.checks));
		jset_i64(o, "warnings", d.count[DOCTOR_WARN]);
		jset_i64(o, "failures", d.count[DOCTOR_FAIL]);
		client_print_json(o);
	} else {
		print_checks(&d);
	}
	json_object_put(d.checks);
	json_object_put(d.status);
	json_object_put(d.local);
	return d.count[DOCTOR_FAIL] ? CLI_FAILED : CLI_OK;
}

const struct cli_verb doctor_verbs[] = {
	{ "doctor", NULL, DOCTOR_ARGS, "what is wrong here and how to mend it", doctor,
	  "  --dir D  state directory (" DIR_DEFAULT ", $SDSD_DIR)\n\n"
	  "Daemon, kernel module, LVM, multipath, clock, ports, certificates, space, swap; of\n"
	  "the cluster quorum, nodes, their versions, clocks and certificates, pools, volumes.\n"
	  "Without a daemon what can be seen without. Changes nothing. Exit status 1 when\n"
	  "something is wrong (FAIL).\n\n"
	  "Example: sdsd doctor" },
	{ .noun = NULL },
};
