// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * props.c - checks, changes and inherits the property maps of objects. Called by
 * the change functions. It gives no property a meaning.
 */
#include "model/props.h"

#include <stdio.h>
#include <string.h>

int props_key(const char *raw, char out[PROP_KEY_MAX + 1])
{
	size_t n = 0;

	for (const char *p = raw; *p; p++) {
		if (*p == '/' && (n == 0 || p[1] == '/' || !p[1]))
			continue;
		if (n == PROP_KEY_MAX)
			return -E_BAD_PROP;
		out[n++] = *p;
	}
	out[n] = '\0';
	return n > 0 ? 0 : -E_BAD_PROP;
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
		return err_set(err, -E_BAD_PROP, "%s: property \"%.80s\" must be a text", what,
			       key);
	}
	if (strlen(*ret) > PROP_VALUE_MAX)
		return err_set(err, -E_BAD_PROP,
			       "%s: the value of property \"%.80s\" has %zu bytes, %d can be", what,
			       key, strlen(*ret), PROP_VALUE_MAX);
	return 0;
}

static int set_all(const char *what, json *props, json *given, int max, struct err *err)
{
	char key[PROP_KEY_MAX + 1];
	const char *text = NULL;
	int rv;

	if (!given)
		return 0;
	if (!json_object_is_type(given, json_type_object))
		return err_set(err, -E_BAD_PROP, "%s: properties must be an object of texts", what);
	json_object_object_foreach(given, raw, value)
	{
		if (!value)
			continue;
		rv = props_key(raw, key);
		if (rv < 0)
			return err_set(err, rv, "%s: property \"%.80s\": a name has 1 to %d bytes",
				       what, raw, PROP_KEY_MAX);
		rv = value_text(what, key, value, &text, err);
		if (rv < 0)
			return rv;
		jset_str(props, key, text);
	}
	if (json_object_object_length(props) > max)
		return err_set(err, -E_BAD_PROP, "%s: %d properties, %d can be", what,
			       json_object_object_length(props), max);
	return 0;
}

static bool is_below(const char *key, const char *namespace)
{
	size_t len = strlen(namespace);

	return strncmp(key, namespace, len) == 0 && (key[len] == '/' || !key[len]);
}

/* a new map: props without those in that namespace */
static json *without(json *props, const char *namespace)
{
	json *kept = json_object_new_object();

	json_object_object_foreach(props, key, value)
	{
		if (!is_below(key, namespace))
			jset(kept, key, json_object_get(value));
	}
	return kept;
}

/* takes props; what is not there, or can be no name, need not be deleted */
static json *delete_one(json *props, const char *raw, bool below)
{
	char key[PROP_KEY_MAX + 1];
	json *kept;

	if (props_key(raw, key) < 0)
		return props;
	if (!below) {
		json_object_object_del(props, key);
		return props;
	}
	kept = without(props, key);
	json_object_put(props);
	return kept;
}

static int delete_all(const char *what, json **props, json *names, bool below, int max,
		      struct err *err)
{
	json *name;

	if (!names)
		return 0;
	if (!json_object_is_type(names, json_type_array) ||
	    json_object_array_length(names) > (size_t)max)
		return err_set(err, -E_BAD_PROP, "%s: %s must be a list of up to %d names", what,
			       below ? "delete_namespaces" : "delete_props", max);
	for (size_t i = 0; i < json_object_array_length(names); i++) {
		name = json_object_array_get_idx(names, i);
		if (!name)
			continue;
		if (!json_object_is_type(name, json_type_string))
			return err_set(err, -E_BAD_PROP, "%s: a property's name must be a text",
				       what);
		*props = delete_one(*props, json_object_get_string(name), below);
	}
	return 0;
}

int props_new(const char *what, json *given, json **ret, struct err *err)
{
	json *props = json_object_new_object();
	int rv = set_all(what, props, given, PROPS_MAX, err);

	if (rv < 0) {
		json_object_put(props);
		return rv;
	}
	*ret = props;
	return 0;
}

int props_modify_max(const char *what, json *doc, json *body, int max, struct err *err)
{
	json *props = json_copy(jget(doc, "props"));
	int rv;

	if (!json_object_is_type(props, json_type_object)) {
		json_object_put(props);
		props = json_object_new_object();
	}
	if ((rv = delete_all(what, &props, jget(body, "delete_namespaces"), true, max, err)) < 0 ||
	    (rv = delete_all(what, &props, jget(body, "delete_props"), false, max, err)) < 0 ||
	    (rv = set_all(what, props, jget(body, "override_props"), max, err)) < 0) {
		json_object_put(props);
		return rv;
	}
	jset(doc, "props", props);
	return 0;
}

int props_modify(const char *what, json *doc, json *body, struct err *err)
{
	return props_modify_max(what, doc, body, PROPS_MAX, err);
}

const char *props_value(const struct props_chain *c, const char *key, enum props_level *from)
{
	const char *value = NULL;

	while (*from < PROPS_LEVELS && !value)
		value = jget_str(c->level[(*from)++], key, NULL);
	return value;
}
