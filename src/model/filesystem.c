// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * filesystem.c - the file system that a volume is born with: what properties say,
 * and its part of the volume's document. Called by the change functions. Pure.
 */
#include "model/filesystem.h"

#include <stdio.h>
#include <string.h>

#include "model/field.h"
#include "model/resource.h"

static const char *const type_names[FILESYSTEM_TYPES] = {
	[FILESYSTEM_NONE] = "",
	[FILESYSTEM_EXT4] = "ext4",
	[FILESYSTEM_XFS] = "xfs",
};

static const char *const state_names[FILESYSTEM_STATES] = {
	[FILESYSTEM_WANTED] = "wanted",
	[FILESYSTEM_MADE] = "made",
	[FILESYSTEM_FAILED] = "failed",
};

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
/* No path and no quotes: mkfs could be told to write to something else, and there is no shell. */
#define PARAMS_LETTERS LETTERS "-_=,.:^ "
#define OWNER_LETTERS LETTERS "-_."

const char *filesystem_type_name(enum filesystem_type type)
{
	return type_names[type];
}

static enum filesystem_type type_of(const char *text)
{
	enum filesystem_type type = FILESYSTEM_NONE + 1;

	while (type < FILESYSTEM_TYPES && strcmp(type_names[type], text) != 0)
		type++;
	return type < FILESYSTEM_TYPES ? type : FILESYSTEM_NONE;
}

/* external journals, logs and real-time parts have a device of their own */
static bool params_ok(const char *text)
{
	return strlen(text) <= FILESYSTEM_PARAMS_MAX &&
	       strspn(text, PARAMS_LETTERS) == strlen(text) && !strstr(text, "dev=") &&
	       !strstr(text, "device=") && !strstr(text, "name=");
}

static bool owner_ok(const char *text)
{
	return strlen(text) <= FILESYSTEM_OWNER_MAX &&
	       strspn(text, OWNER_LETTERS) == strlen(text) && text[0] != '-';
}

int filesystem_check(const char *what, json *props, struct err *err)
{
	static const char *const owners[] = { FILESYSTEM_USER, FILESYSTEM_GROUP };
	const char *text = jget_str(props, FILESYSTEM_TYPE, NULL);

	if (text && type_of(text) == FILESYSTEM_NONE)
		return err_set(err, -E_BAD_PROP,
			       "%s: property " FILESYSTEM_TYPE
			       " is \"%.40s\"; possible are ext4 and xfs",
			       what, text);
	text = jget_str(props, FILESYSTEM_PARAMS, NULL);
	if (text && !params_ok(text))
		return err_set(err, -E_BAD_PROP,
			       "%s: property " FILESYSTEM_PARAMS
			       " is \"%.80s\"; possible are up to %d bytes of letters, digits, "
			       "blanks and -_=,.:^ that name no other device",
			       what, text, FILESYSTEM_PARAMS_MAX);
	for (int i = 0; i < 2; i++) {
		text = jget_str(props, owners[i], NULL);
		if (text && !owner_ok(text))
			return err_set(err, -E_BAD_PROP,
				       "%s: property %s is \"%.40s\"; possible are a name of up to "
				       "%d letters, digits and -_. or a number",
				       what, owners[i], text, FILESYSTEM_OWNER_MAX);
	}
	return 0;
}

static const char *nearest(const struct props_chain *c, const char *key, bool (*ok)(const char *))
{
	enum props_level at = 0;
	const char *text;

	while ((text = props_value(c, key, &at)) != NULL) {
		if (ok(text))
			return text;
	}
	return "";
}

static bool type_ok(const char *text)
{
	return type_of(text) != FILESYSTEM_NONE;
}

bool filesystem_of(const struct props_chain *c, struct filesystem *ret)
{
	struct filesystem f = { .type = type_of(nearest(c, FILESYSTEM_TYPE, type_ok)) };

	if (f.type == FILESYSTEM_NONE)
		return false;
	snprintf(f.params, sizeof(f.params), "%s", nearest(c, FILESYSTEM_PARAMS, params_ok));
	snprintf(f.user, sizeof(f.user), "%s", nearest(c, FILESYSTEM_USER, owner_ok));
	snprintf(f.group, sizeof(f.group), "%s", nearest(c, FILESYSTEM_GROUP, owner_ok));
	*ret = f;
	return true;
}

bool filesystem_is_wanted(const struct filesystem *f)
{
	return f->type != FILESYSTEM_NONE && f->state == FILESYSTEM_WANTED;
}

static int state_of(json *doc, const char *what, enum filesystem_state *ret, struct err *err)
{
	const char *text = jget_str(doc, "state", "");

	for (int i = 0; i < FILESYSTEM_STATES; i++) {
		if (strcmp(text, state_names[i]) == 0) {
			*ret = (enum filesystem_state)i;
			return 0;
		}
	}
	return err_set(err, -E_INVALID, "%s: a file system cannot be \"%.20s\"", what, text);
}

int filesystem_parse(json *doc, const char *what, struct filesystem *ret, struct err *err)
{
	struct filesystem f = { 0 };
	int rv = field_object(doc, what, err);

	if (rv < 0)
		return rv;
	f.type = type_of(jget_str(doc, "type", ""));
	if (f.type == FILESYSTEM_NONE)
		return err_set(err, -E_INVALID, "%s: \"%.20s\" is no file system", what,
			       jget_str(doc, "type", ""));
	if ((rv = state_of(doc, what, &f.state, err)) < 0 ||
	    (rv = field_bool(doc, what, "begun", &f.begun, err)) < 0 ||
	    (rv = field_uuid(doc, what, f.uuid, err)) < 0 ||
	    (rv = field_str_or_empty(doc, what, "params", f.params, sizeof(f.params), err)) < 0 ||
	    (rv = field_str_or_empty(doc, what, "user", f.user, sizeof(f.user), err)) < 0 ||
	    (rv = field_str_or_empty(doc, what, "group", f.group, sizeof(f.group), err)) < 0 ||
	    (rv = field_str_or_empty(doc, what, "error", f.error, sizeof(f.error), err)) < 0 ||
	    (rv = field_i64(doc, what, "since_ms", 0, INT64_MAX, &f.since_ms, err)) < 0)
		return rv;
	*ret = f;
	return 0;
}

void filesystem_write(json *volume, const struct filesystem *f)
{
	json *doc = json_object_new_object();

	jset_str(doc, "type", type_names[f->type]);
	jset_str(doc, "state", state_names[f->state]);
	jset_bool(doc, "begun", f->begun);
	jset_str(doc, "uuid", f->uuid);
	jset_str(doc, "params", f->params);
	jset_str(doc, "user", f->user);
	jset_str(doc, "group", f->group);
	jset_i64(doc, "since_ms", f->since_ms);
	jset_str(doc, "error", f->error);
	jset(volume, "filesystem", doc);
}

/* the lowest slot with a copy that its node serves */
int filesystem_maker(const struct replica *replicas, int n)
{
	int slot = -1;

	for (int i = 0; i < n; i++) {
		const struct replica *r = &replicas[i];

		if (!r->diskless && !r->deleting && !r->inactive && !r->quarantined &&
		    (slot < 0 || r->slot < slot))
			slot = r->slot;
	}
	return slot;
}
