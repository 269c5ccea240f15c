// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * versions.c - sdsd version. Called by main.c. The libraries' versions come from
 * above, from who may know all of them.
 */
#include <stdio.h>

#include "cli/show.h"
#include "cli/verbs.h"

static void (*add_libraries)(json *into);

void cli_set_libraries(void (*add)(json *into))
{
	add_libraries = add;
}

static json *libraries(void)
{
	json *o = json_object_new_object();

	if (add_libraries)
		add_libraries(o);
	return o;
}

static int version(int argc, char **argv)
{
	bool verbose = false;
	const struct option_spec specs[] = { { "--verbose", NULL, &verbose } };
	json *libs;
	int rv = show_words(argc, argv, specs, 1, NULL, 0, "version [--verbose]");

	if (rv != CLI_OK)
		return rv;
	libs = verbose ? libraries() : NULL;
	if (client_settings.json) {
		json *o = json_object_new_object();

		jset_str(o, "sdsd", SDSD_VERSION);
		if (libs)
			jset(o, "libraries", libs);
		client_print_json(o);
		return CLI_OK;
	}
	printf("sdsd %s\n", SDSD_VERSION);
	if (libs) {
		json_object_object_foreach(libs, name, value)
			printf("  %-14s %s\n", name, json_object_get_string(value));
		json_object_put(libs);
	}
	return CLI_OK;
}

const struct cli_verb version_verbs[] = {
	{ "version", NULL, "[--verbose]", "the version; --verbose: of every linked library too",
	  version, "Example: sdsd version --verbose" },
	{ .noun = NULL },
};
