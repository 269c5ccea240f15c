// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * verify.c - sdsd volume verify: has the copies compared, and what is wrong mended. The daemons do
 * that, whatever becomes of this program: it starts it, waits, and prints what was found.
 */
#include "cli/verify.h"

#include <stdio.h>

#include "base/pace.h"
#include "base/text.h"
#include "cli/progress.h"
#include "cli/show.h"
#include "cli/verbs.h"

#define VERIFY_PAUSE_MS 300
#define REGION_KIB 64

static void print_verified(json *doc)
{
	json *copies = jget(doc, "copies");
	char size[32];

	printf("%s compared, %lld regions differ\n",
	       text_size_kib(64 * jget_i64_or(doc, "regions_compared", 0), size, sizeof(size)),
	       (long long)jget_i64_or(doc, "regions_differing", 0));
	for (size_t i = 0; copies && i < json_object_array_length(copies); i++) {
		json *c = json_object_array_get_idx(copies, i);

		if (jget_i64_or(c, "regions_differing", 0) > 0)
			printf("  %s: %lld regions of 64 KiB are not as on most copies\n",
			       jget_str(c, "node", ""),
			       (long long)jget_i64_or(c, "regions_differing", 0));
	}
	if (jget_i64_or(doc, "regions_unsettled", 0) > 0)
		printf("  %lld regions could not be compared at one moment\n",
		       (long long)jget_i64_or(doc, "regions_unsettled", 0));
}

static void say_compared(struct progress *p, struct pace *pace, const char *name, json *doc)
{
	int64_t all = jget_i64_or(doc, "regions", 0),
		done = jget_i64_or(doc, "regions_compared", 0);
	json *o = json_object_new_object();
	char text[128];

	pace_note(pace, progress_now_ms(), (uint64_t)done);
	if (all > 0)
		jset(o, "progress", json_object_new_double(100.0 * (double)done / (double)all));
	jset_i64(o, "left_kib", REGION_KIB * (all > done ? all - done : 0));
	if (pace->known) {
		jset_i64(o, "sync_kib_s", (int64_t)(REGION_KIB * pace->per_s));
		jset_i64(o, "left_s", pace_left_s(pace->per_s, (double)(all - done)));
	}
	progress_say(p, "%s is compared: %s", name, show_progress(o, text, sizeof(text)));
	json_object_put(o);
}

/* the comparison that was begun then (0: a new one); it begins again when its leader has gone */
static int ask(const char *path, int64_t started_ms, json **ret)
{
	json *body = json_object_new_object();

	if (started_ms)
		jset_i64(body, "started_ms", started_ms);
	return client_call("POST", path, body, ret);
}

/* CLI_FAILED: copies differ, or could not be compared; *ret is the caller's, or NULL */
static int compare(const char *name, bool quiet, json **ret)
{
	struct pace pace = { 0 };
	struct progress p;
	char path[512];
	int64_t started_ms;
	int rv;

	*ret = NULL;
	progress_begin(&p, quiet, "no longer waiting; the comparison goes on");
	client_path(path, sizeof(path), "/v1/sds/verify/%", name, NULL);
	rv = ask(path, 0, ret);
	while (rv == CLI_OK && jget_bool(*ret, "running", false)) {
		say_compared(&p, &pace, name, *ret);
		started_ms = jget_i64_or(*ret, "started_ms", 0);
		json_object_put(*ret);
		*ret = NULL;
		progress_pause(VERIFY_PAUSE_MS);
		rv = ask(path, started_ms, ret);
	}
	progress_end();
	if (rv != CLI_OK)
		return rv;
	if (jget_str(*ret, "error", "")[0])
		return client_fail(CLI_FAILED, "%s", jget_str(*ret, "error", ""));
	return jget_i64_or(*ret, "regions_differing", 0) > 0 ? CLI_FAILED : CLI_OK;
}

static bool is_mended(json *resource)
{
	json *replicas = jget(resource, "replicas");
	bool mended = jget_i64_or(resource, "in_sync", 0) == jget_i64_or(resource, "copies", -1);

	for (size_t i = 0; replicas && i < json_object_array_length(replicas); i++)
		mended &= !jget_bool(json_object_array_get_idx(replicas, i), "refetching", false);
	return mended;
}

static int wait_mended(const char *name, bool quiet)
{
	struct progress p;
	bool mended = false;
	json *doc, *r;
	int rv = CLI_OK;

	progress_begin(&p, quiet, "no longer waiting; what was wrong is still fetched");
	while (rv == CLI_OK && !mended) {
		progress_pause(VERIFY_PAUSE_MS);
		rv = client_call("GET", "/v1/sds/status", NULL, &doc);
		if (rv != CLI_OK)
			break;
		r = show_find(doc, name);
		mended = is_mended(r);
		if (!r)
			rv = client_fail(CLI_FAILED, "%s is gone", name);
		else if (!mended)
			progress_volume(&p, r);
		json_object_put(doc);
	}
	progress_end();
	return rv;
}

static int mend(const char *name, const char *from, bool quiet)
{
	json *body = json_object_new_object(), *doc;
	char path[512];
	int rv;

	if (from)
		jset_str(body, "from", from);
	client_path(path, sizeof(path), "/v1/sds/verify/%/repair", name, NULL);
	rv = client_call("POST", path, body, &doc);
	if (rv == CLI_OK && client_settings.json)
		json_object_put(doc); /* what is printed is the comparison at the end */
	else if (rv == CLI_OK)
		rv = show_done(doc);
	return rv == CLI_OK ? wait_mended(name, quiet) : rv;
}

int volume_verify(int argc, char **argv)
{
	const char *words[1], *from = NULL;
	bool repair = false, quiet = false;
	const struct option_spec specs[] = { { "--repair", NULL, &repair },
					     { "--from", &from, NULL },
					     { "--quiet", NULL, &quiet } };
	json *doc;
	int rv = show_words(argc, argv, specs, 3, words, 1, "volume verify " VERIFY_ARGS);

	if (rv != CLI_OK)
		return rv;
	rv = compare(words[0], quiet, &doc);
	if ((repair || from) && jget_i64_or(doc, "regions_differing", 0) > 0 &&
	    !jget_str(doc, "error", "")[0]) {
		if (!client_settings.json)
			print_verified(doc);
		json_object_put(doc);
		doc = NULL;
		rv = mend(words[0], from, quiet);
		if (rv != CLI_OK)
			return rv;
		rv = compare(words[0], quiet, &doc);
	}
	if (doc && client_settings.json) {
		client_print_json(doc);
		return rv;
	}
	if (doc)
		print_verified(doc);
	json_object_put(doc);
	return rv;
}
