// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * property.c - sdsd property list | set | unset and sdsd volume set: the properties of
 * any object that has some. Called by main.c. Which keys have a meaning the daemon
 * knows.
 */
#include <stdio.h>
#include <string.h>

#include "cli/show.h"
#include "cli/verbs.h"

#define OBJECT_HELP                                                             \
	"  <object>  volume/NAME, replica/VOLUME/NODE, group/NAME, node/NAME, " \
	"pool/NODE/NAME,\n            controller\n"
#define SET_ARGS "<object> KEY=VALUE..."
#define UNSET_ARGS "<object> KEY..."
#define VOLUME_SET_ARGS "<volume> KEY=VALUE..."
#define OBJECT_MAX 512

static const struct kind {
	const char *prefix; /* of the object */
	int names;          /* behind it */
	const char *path;
	const char *method; /* of a change */
} kinds[] = {
	{ "volume/", 1, "/v1/resource-definitions/%", "PUT" },
	{ "replica/", 2, "/v1/resource-definitions/%/resources/%", "PUT" },
	{ "group/", 1, "/v1/resource-groups/%", "PUT" },
	{ "node/", 1, "/v1/nodes/%", "PUT" },
	{ "pool/", 2, "/v1/nodes/%/storage-pools/%", "PUT" },
	{ "controller", 0, "/v1/controller/properties", "POST" },
};

/* NULL: there is no such kind; said so */
static const struct kind *kind_of(const char *object, char path[OBJECT_MAX])
{
	char copy[OBJECT_MAX], *a, *b;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const struct kind *k = &kinds[i];

		if (strncmp(object, k->prefix, strlen(k->prefix)) != 0)
			continue;
		snprintf(copy, sizeof(copy), "%s", object + strlen(k->prefix));
		a = copy;
		b = strchr(copy, '/');
		if (b)
			*b++ = '\0';
		if ((k->names > 0) != (a[0] != '\0') || (k->names > 1) != (b && b[0]))
			continue;
		client_path(path, OBJECT_MAX, k->path, a, b);
		return k;
	}
	client_fail(CLI_USAGE,
		    "%s: what is meant? volume/NAME, replica/VOLUME/NODE, group/NAME, "
		    "node/NAME, pool/NODE/NAME or controller",
		    object);
	return NULL;
}

static int list(int argc, char **argv)
{
	static const char *const heads[] = { "KEY", "VALUE", NULL };
	const char *words[1];
	char path[OBJECT_MAX];
	const struct kind *k;
	struct table t;
	json *doc, *props;
	int rv = show_words(argc, argv, NULL, 0, words, 1, "property list <object>");

	if (rv != CLI_OK)
		return rv;
	k = kind_of(words[0], path);
	if (!k)
		return CLI_USAGE;
	rv = client_call("GET", path, NULL, &doc);
	if (rv != CLI_OK)
		return rv;
	props = k->names > 0 ? jget(doc, "props") : doc;
	if (client_settings.json) {
		client_print_json(props ? json_object_get(props) : json_object_new_object());
		json_object_put(doc);
		return CLI_OK;
	}
	table_init(&t, heads);
	if (props) {
		json_object_object_foreach(props, key, value)
		{
			table_cell(&t, "%s", key);
			table_cell(&t, "%s", json_object_get_string(value));
		}
	}
	table_print(&t);
	table_release(&t);
	json_object_put(doc);
	return CLI_OK;
}

/* takes props, key -> value, and gone, a list of keys */
static int change(const char *object, json *props, json *gone)
{
	json *body = json_object_new_object(), *doc;
	char path[OBJECT_MAX];
	const struct kind *k = kind_of(object, path);
	int rv = CLI_USAGE;

	jset(body, "override_props", props);
	jset(body, "delete_props", gone);
	if (!k) {
		json_object_put(body);
		return rv;
	}
	rv = client_call(k->method, path, body, &doc);
	return rv == CLI_OK ? show_done(doc) : rv;
}

/* the words behind the object; at least one. Said why when it fails */
static int read_words(int argc, char **argv, const char *usage, const char **words, int *n)
{
	struct err err;

	if (options_parse(argc, argv, NULL, 0, words, OPTIONS_WORDS_MAX, n, &err) < 0)
		return client_fail(CLI_USAGE, "%s", err.text);
	if (*n >= 2)
		return CLI_OK;
	fprintf(stderr, "Usage: sdsd %s\n", usage);
	return CLI_USAGE;
}

/* KEY=VALUE into props; false: there is no "=" or nothing before it */
static bool take_pair(json *props, const char *word)
{
	const char *eq = strchr(word, '=');
	char key[OBJECT_MAX];

	if (!eq || eq == word || (size_t)(eq - word) >= sizeof(key))
		return false;
	snprintf(key, sizeof(key), "%.*s", (int)(eq - word), word);
	jset_str(props, key, eq + 1);
	return true;
}

static int set_all(const char *object, const char *const *words, int n)
{
	json *props = json_object_new_object();

	for (int i = 0; i < n; i++) {
		if (take_pair(props, words[i]))
			continue;
		json_object_put(props);
		return client_fail(CLI_USAGE,
				   "%s: KEY=VALUE is needed, such as sds/read-policy=local",
				   words[i]);
	}
	return change(object, props, json_object_new_array());
}

static int set(int argc, char **argv)
{
	const char *words[OPTIONS_WORDS_MAX];
	int n, rv = read_words(argc, argv, "property set " SET_ARGS, words, &n);

	return rv == CLI_OK ? set_all(words[0], words + 1, n - 1) : rv;
}

static int unset(int argc, char **argv)
{
	const char *words[OPTIONS_WORDS_MAX];
	json *gone;
	int n, rv = read_words(argc, argv, "property unset " UNSET_ARGS, words, &n);

	if (rv != CLI_OK)
		return rv;
	gone = json_object_new_array();
	for (int i = 1; i < n; i++)
		json_object_array_add(gone, json_object_new_string(words[i]));
	return change(words[0], json_object_new_object(), gone);
}

static int volume_set(int argc, char **argv)
{
	const char *words[OPTIONS_WORDS_MAX];
	char object[OBJECT_MAX];
	int n, rv = read_words(argc, argv, "volume set " VOLUME_SET_ARGS, words, &n);

	if (rv != CLI_OK)
		return rv;
	snprintf(object, sizeof(object), "volume/%s", words[0]);
	return set_all(object, words + 1, n - 1);
}

const struct cli_verb property_verbs[] = {
	{ "property", "list", "<object>", "the properties that were set on an object", list,
	  OBJECT_HELP "\nExample: sdsd property list volume/db" },
	{ "property", "set", SET_ARGS, "sets some", set,
	  OBJECT_HELP "\nExample: sdsd property set volume/db sds/read-policy=round-robin" },
	{ "property", "unset", UNSET_ARGS, "takes some away: what is inherited counts again", unset,
	  OBJECT_HELP "\nExample: sdsd property unset volume/db sds/read-policy" },
	{ "volume", "set", VOLUME_SET_ARGS, "sets properties of a volume", volume_set,
	  "The same as sdsd property set volume/<volume>.\n\n"
	  "Example: sdsd volume set db sds/read-policy=round-robin" },
	{ .noun = NULL },
};
