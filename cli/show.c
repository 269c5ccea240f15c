// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * show.c - tables and answers that several verbs print. Called by the verbs.
 */
#include "cli/show.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

#define LIST_TEXT_MAX 4096

int show_words(int argc, char **argv, const struct option_spec *specs, int n_specs,
	       const char **words, int n, const char *usage)
{
	const char *all[OPTIONS_WORDS_MAX];
	struct err err;
	int have;

	if (options_parse(argc, argv, specs, n_specs, all, OPTIONS_WORDS_MAX, &have, &err) < 0)
		client_fail(CLI_USAGE, "%s", err.text);
	else if (have < n)
		client_fail(CLI_USAGE, "something is missing");
	else if (have > n)
		client_fail(CLI_USAGE, "one word too many: %s", all[n]);
	else
		goto fine;
	fprintf(stderr, "Usage: sdsd %s\n", usage ? usage : argv[0]);
	return CLI_USAGE;
fine:
	for (int i = 0; i < n; i++)
		words[i] = all[i];
	return CLI_OK;
}

json *show_split(const char *text)
{
	json *list = json_object_new_array();
	char copy[LIST_TEXT_MAX], *save = NULL;

	snprintf(copy, sizeof(copy), "%s", text);
	for (char *p = strtok_r(copy, ",", &save); p; p = strtok_r(NULL, ",", &save))
		json_object_array_add(list, json_object_new_string(p));
	return list;
}

int show_done(json *doc)
{
	if (client_settings.json) {
		client_print_json(doc);
		return CLI_OK;
	}
	client_print_messages(doc);
	json_object_put(doc);
	return CLI_OK;
}

static size_t len_of(json *list)
{
	return json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

void show_fill_nodes(struct table *t, json *nodes)
{
	static const char *const heads[] = { "NODE", "STATE", "ROLE", "ADDRESS", "VERSION", NULL };
	char age[32];

	table_init(t, heads);
	for (size_t i = 0; i < len_of(nodes); i++) {
		json *n = json_object_array_get_idx(nodes, i);
		const char *state = jget_str(n, "state", "");
		const char *address = jget_str(n, "address", "");

		text_age(jget_i64_or(n, "age_ms", -1), age, sizeof(age));
		table_cell(t, "%s", jget_str(n, "name", ""));
		if (strcmp(state, "online") == 0 || !age[0])
			table_cell(t, "%s", state);
		else
			table_cell(t, "%s (%s)", state, age);
		table_cell(t, "%s", jget_str(n, "role", ""));
		table_cell(t, strchr(address, ':') ? "[%s]:%lld" : "%s:%lld", address,
			   (long long)jget_i64_or(n, "port", 0));
		table_cell(t, "%s", jget_str(n, "version", ""));
	}
}

void show_nodes(json *nodes)
{
	struct table t;

	show_fill_nodes(&t, nodes);
	table_print(&t);
	table_release(&t);
}

void show_reason_cell(struct table *t, json *resource)
{
	const char *text[] = { jget_str(resource, "reason", ""), jget_str(resource, "next", ""),
			       jget_str(resource, "upkeep", "") };
	static const char *const before[] = { "", "next: ", "upkeep: " };
	char cell[TABLE_CELL_MAX] = "";

	for (int i = 0; i < 3; i++) {
		size_t used = strlen(cell);

		if (text[i][0])
			snprintf(cell + used, sizeof(cell) - used, "%s%s%s", used ? "; " : "",
				 used ? before[i] : "", text[i]);
	}
	table_cell(t, "%s", cell);
}

void show_volumes(json *resources)
{
	static const char *const heads[] = { "VOLUME",   ">SIZE",  "VERDICT",
					     ">IN SYNC", "WRITER", "REASON AND NEXT STEP",
					     NULL };
	struct table t;
	char size[32];

	table_init(&t, heads);
	for (size_t i = 0; i < len_of(resources); i++) {
		json *r = json_object_array_get_idx(resources, i);

		table_cell(&t, "%s", jget_str(r, "name", ""));
		table_cell(&t, "%s",
			   text_size_kib(jget_i64_or(r, "size_kib", 0), size, sizeof(size)));
		table_cell(&t, "%s", jget_str(r, "verdict", ""));
		table_cell(&t, "%lld/%lld", (long long)jget_i64_or(r, "in_sync", 0),
			   (long long)jget_i64_or(r, "copies", 0));
		table_cell(&t, "%s", jget_str(r, "writer", ""));
		show_reason_cell(&t, r);
	}
	table_print(&t);
	table_release(&t);
}

static void add_part(char *out, size_t len, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void add_part(char *out, size_t len, const char *fmt, ...)
{
	size_t used = strlen(out);
	va_list ap;

	if (used && used + 3 <= len)
		used += (size_t)snprintf(out + used, len - used, ", ");
	va_start(ap, fmt);
	vsnprintf(out + used, len - used, fmt, ap);
	va_end(ap);
}

const char *show_progress(json *o, char *out, size_t len)
{
	int64_t rate = jget_i64_or(o, "sync_kib_s", -1), left_s = jget_i64_or(o, "left_s", -1);
	char text[32];

	out[0] = '\0';
	if (jget(o, "progress"))
		add_part(out, len, "%.0f %%", json_object_get_double(jget(o, "progress")));
	if (jget(o, "left_kib"))
		add_part(out, len, "%s left",
			 text_size_kib(jget_i64_or(o, "left_kib", 0), text, sizeof(text)));
	if (rate == 0)
		add_part(out, len, "standing still");
	else if (rate > 0)
		add_part(out, len, "%s/s", text_size_kib(rate, text, sizeof(text)));
	if (left_s >= 0)
		add_part(out, len, "%s to go", text_age(1000 * left_s, text, sizeof(text)));
	return out;
}

static void state_cell(struct table *t, json *replica)
{
	const char *error = jget_str(replica, "error", "");
	double progress = json_object_get_double(jget(replica, "progress"));

	if (error[0])
		table_cell(t, "%s: %s", jget_str(replica, "state", ""), error);
	else if (jget(replica, "progress"))
		table_cell(t, "%s, catching up %.0f %%", jget_str(replica, "state", ""), progress);
	else if (jget_bool(replica, "deleting", false))
		table_cell(t, "%s, leaving", jget_str(replica, "state", ""));
	else
		table_cell(t, "%s", jget_str(replica, "state", ""));
}

void show_replicas(json *resource)
{
	static const char *const heads[] = { "NODE",    "POOL", "STATE",
					     "IN SYNC", "OPEN", "OPEN IT THERE WITH",
					     NULL };
	json *list = jget(resource, "replicas");
	struct table t;

	table_init(&t, heads);
	for (size_t i = 0; i < len_of(list); i++) {
		json *r = json_object_array_get_idx(list, i);
		bool diskless = jget_bool(r, "diskless", false);
		const char *nbd = jget_str(r, "nbd", "");

		table_cell(&t, "%s", jget_str(r, "node", ""));
		table_cell(&t, "%s", diskless ? "(no disk)" : jget_str(r, "pool", ""));
		state_cell(&t, r);
		table_cell(&t, "%s",
			   diskless                         ? "-"
			   : jget_bool(r, "in_sync", false) ? "yes"
							    : "no");
		table_cell(&t, "%s", jget_bool(r, "open", false) ? "yes" : "no");
		if (nbd[0])
			table_cell(&t, "nbd+unix:///?socket=%s", nbd);
		else
			table_cell(&t, "-");
	}
	table_print(&t);
	table_release(&t);
}

static int64_t defined_kib(json *resource, int64_t number)
{
	json *list = jget(resource, "volumes");

	for (size_t i = 0; i < len_of(list); i++) {
		json *v = json_object_array_get_idx(list, i);

		if (jget_i64_or(v, "number", -1) == number)
			return jget_i64_or(v, "size_kib", 0);
	}
	return 0;
}

/* what of its size is not there yet */
static void size_cells(struct table *t, json *resource, json *volume)
{
	int64_t number = jget_i64_or(volume, "number", 0);
	int64_t wanted = defined_kib(resource, number), has = jget_i64_or(volume, "size_kib", 0);
	const char *state = jget_str(volume, "state", ""), *error = jget_str(volume, "error", "");
	char size[32];

	table_cell(t, "%lld", (long long)number);
	table_cell(t, "%s", text_size_kib(wanted, size, sizeof(size)));
	if (error[0])
		table_cell(t, "%s: %s", state, error);
	else if (has > 0 && has < wanted)
		table_cell(t, "%s, has %s", state, text_size_kib(has, size, sizeof(size)));
	else
		table_cell(t, "%s", state);
}

void show_sockets(json *resource)
{
	static const char *const heads[] = {
		">VOLUME", ">SIZE", "STATE", "NODE", "OPEN IT THERE WITH", NULL
	};
	json *replicas = jget(resource, "replicas");
	size_t n = len_of(jget(resource, "volumes"));
	struct table t;

	if (n < 2)
		return;
	putchar('\n');
	table_init(&t, heads);
	for (size_t k = 0; k < n; k++) {
		for (size_t i = 0; i < len_of(replicas); i++) {
			json *r = json_object_array_get_idx(replicas, i);
			json *v = json_object_array_get_idx(jget(r, "volumes"), k);
			const char *nbd = jget_str(v, "nbd", "");

			size_cells(&t, resource, v);
			table_cell(&t, "%s", jget_str(r, "node", ""));
			table_cell(&t, "%s%s", nbd[0] ? "nbd+unix:///?socket=" : "-", nbd);
		}
	}
	table_print(&t);
	table_release(&t);
}

void show_uris(json *replica)
{
	json *list = jget(replica, "volumes");

	for (size_t i = 0; i < len_of(list); i++) {
		json *v = json_object_array_get_idx(list, i);
		const char *nbd = jget_str(v, "nbd", "");

		if (!nbd[0])
			continue;
		if (len_of(list) > 1)
			printf("Open volume %lld on %s with: nbd+unix:///?socket=%s\n",
			       (long long)jget_i64_or(v, "number", 0),
			       jget_str(replica, "node", ""), nbd);
		else
			printf("Open it on %s with: nbd+unix:///?socket=%s\n",
			       jget_str(replica, "node", ""), nbd);
	}
}

json *show_find(json *status, const char *name)
{
	json *list = jget(status, "resources");

	for (size_t i = 0; i < len_of(list); i++) {
		json *r = json_object_array_get_idx(list, i);

		if (strcasecmp(jget_str(r, "name", ""), name) == 0)
			return r;
	}
	return NULL;
}

int show_list(int argc, char **argv, const char *usage, const char *path, const char *const *heads,
	      void (*row)(struct table *t, json *o))
{
	int rv = show_words(argc, argv, NULL, 0, NULL, 0, usage);

	return rv == CLI_OK ? show_table(path, heads, row) : rv;
}

int show_rows(json *doc, const char *const *heads, void (*row)(struct table *t, json *o))
{
	struct table t;

	if (client_settings.json) {
		client_print_json(doc);
		return CLI_OK;
	}
	table_init(&t, heads);
	for (size_t i = 0; i < json_object_array_length(doc); i++)
		row(&t, json_object_array_get_idx(doc, i));
	table_print(&t);
	table_release(&t);
	json_object_put(doc);
	return CLI_OK;
}

int show_table(const char *path, const char *const *heads, void (*row)(struct table *t, json *o))
{
	json *doc;
	int rv = client_call("GET", path, NULL, &doc);

	return rv == CLI_OK ? show_rows(doc, heads, row) : rv;
}

int show_delete(int argc, char **argv, const char *usage, const char *path, int n)
{
	const char *words[2] = { NULL, NULL };
	char text[512];
	json *doc;
	int rv = show_words(argc, argv, NULL, 0, words, n, usage);

	if (rv == CLI_OK)
		rv = client_call("DELETE",
				 client_path(text, sizeof(text), path, words[0], words[1]), NULL,
				 &doc);
	return rv == CLI_OK ? show_done(doc) : rv;
}

bool show_service_trouble(json *service, const char *resource, char *out, size_t len)
{
	const char *state = jget_str(service, "state", ""), *node = jget_str(service, "node", "");
	const char *error = jget_str(service, "error", ""), *why = jget_str(service, "why", "");
	const char *name = jget_str(service, "name", "");

	if (strcmp(state, "running") == 0 || strcmp(state, "stopped") == 0 ||
	    (resource && strcasecmp(jget_str(service, "resource", ""), resource) != 0))
		return false;
	snprintf(out, len, "Service %s does not run: %s%s%s%s%s (sdsd service show %s)", name, state,
		 node[0] ? " on " : "", node, error[0] || why[0] ? ": " : "",
		 error[0] ? error : why, name);
	return true;
}
