// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * props.c - checks and changes the property maps of objects. Called by the
 * change functions. It gives no property a meaning.
 */
#include "model/props.h"

#include <stdio.h>
#include <string.h>

#include "model/limits.h"

static const char *without_slashes(const char *key)
{
	while (*key == '/')
		key++;
	return key;
}

static int value_text(const char *what, const char *key, json *value, const char **ret,
		      struct err *err)
{
	switch (json_object_get_type(value)) {
	case json_type_string:
	case json_type_int:
	case json_type_double:
	case json_type_boolean:
		*ret = json_object_get_string(value);
		break;
	default:
		return err_set(err, -E_INVALID, "%s: property \"%.80s\" must be a text", what, key);
	}
	if (strlen(*ret) > PROP_VALUE_MAX)
		return err_set(err, -E_INVALID,
			       "%s: the value of property \"%.80s\" has %zu bytes, %d can be", what,
			       key, strlen(*ret), PROP_VALUE_MAX);
	return 0;
}

static int set_all(const char *what, json *props, json *given, struct err *err)
{
	const char *text = NULL;
	int rv;

	if (!given)
		return 0;
	if (!json_object_is_type(given, json_type_object))
		return err_set(err, -E_INVALID, "%s: properties must be an object of texts", what);
	json_object_object_foreach(given, raw, value)
	{
		const char *key = without_slashes(raw);

		if (!value)
			continue; /* null: as if not given */
		if (!*key || strlen(key) > PROP_KEY_MAX)
			return err_set(err, -E_INVALID,
				       "%s: property \"%.80s\": a name has 1 to %d bytes", what,
				       raw, PROP_KEY_MAX);
		rv = value_text(what, key, value, &text, err);
		if (rv < 0)
			return rv;
		jset_str(props, key, text);
	}
	if (json_object_object_length(props) > PROPS_MAX)
		return err_set(err, -E_INVALID, "%s: %d properties, %d can be", what,
			       json_object_object_length(props), PROPS_MAX);
	return 0;
}

static bool is_below(const char *key, const char *namespace)
{
	size_t len = strlen(namespace);

	while (len > 0 && namespace[len - 1] == '/')
		len--;
	return len > 0 && strncmp(key, namespace, len) == 0 && (key[len] == '/' || !key[len]);
}

/* a new map: props without those named (or, with below, in those namespaces) */
static json *without(json *props, const char *name, bool below)
{
	json *kept = json_object_new_object();

	name = without_slashes(name);
	json_object_object_foreach(props, key, value)
	{
		if (!(below ? is_below(key, name) : strcmp(key, name) == 0))
			jset(kept, key, json_object_get(value));
	}
	return kept;
}

static int delete_all(const char *what, json **props, json *names, bool below, struct err *err)
{
	json *name, *kept;

	if (!names)
		return 0;
	if (!json_object_is_type(names, json_type_array) ||
	    json_object_array_length(names) > PROPS_MAX)
		return err_set(err, -E_INVALID, "%s: %s must be a list of up to %d names", what,
			       below ? "delete_namespaces" : "delete_props", PROPS_MAX);
	for (size_t i = 0; i < json_object_array_length(names); i++) {
		name = json_object_array_get_idx(names, i);
		if (!json_object_is_type(name, json_type_string))
			return err_set(err, -E_INVALID, "%s: a property's name must be a text",
				       what);
		kept = without(*props, json_object_get_string(name), below);
		json_object_put(*props);
		*props = kept;
	}
	return 0;
}

int props_new(const char *what, json *given, json **ret, struct err *err)
{
	json *props = json_object_new_object();
	int rv = set_all(what, props, given, err);

	if (rv < 0) {
		json_object_put(props);
		return rv;
	}
	*ret = props;
	return 0;
}

int props_modify(const char *what, json *doc, json *body, struct err *err)
{
	json *props = json_copy(jget(doc, "props"));
	int rv;

	if (!json_object_is_type(props, json_type_object)) {
		json_object_put(props);
		props = json_object_new_object();
	}
	if ((rv = delete_all(what, &props, jget(body, "delete_namespaces"), true, err)) < 0 ||
	    (rv = delete_all(what, &props, jget(body, "delete_props"), false, err)) < 0 ||
	    (rv = set_all(what, props, jget(body, "override_props"), err)) < 0) {
		json_object_put(props);
		return rv;
	}
	jset(doc, "props", props);
	return 0;
}
