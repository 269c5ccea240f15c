// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * change_volume_group.c - what a group says about single volumes of the
 * resources that are made from it. Called by the API. They are kept in the
 * group's document, by number.
 */
#include "model/change.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "model/filesystem.h"

#define WHAT_MAX (NAME_MAX_LEN + 48)

/* the group's document, the caller's, and its list, which is never missing then */
static int load(struct change_env *env, struct txn *t, const char *group, char *key, size_t len,
		json **ret, struct err *err)
{
	int rv;

	group_key(group, key, len);
	rv = txn_get(t, env->store, key, ret);
	if (rv == -E_NOT_FOUND)
		return err_set(err, rv, "resource group %.60s: there is no such group", group);
	if (rv < 0)
		return err_set(err, rv, "%s: %s", key, err_name(rv));
	if (!json_object_is_type(jget(*ret, "volume_groups"), json_type_array))
		jset(*ret, "volume_groups", json_object_new_array());
	return 0;
}

static int index_of(json *list, int64_t number)
{
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		if (jget_i64_or(json_object_array_get_idx(list, i), "volume_number", -1) == number)
			return (int)i;
	}
	return -1;
}

static int not_found(const char *group, int number, struct err *err)
{
	return err_set(err, -E_NOT_FOUND, "resource group %.60s: has no volume group %d", group,
		       number);
}

/* flags as LINSTOR has them for a volume group: GROSS_SIZE */
static int check_flags(const char *what, json *flags, struct err *err)
{
	if (!flags)
		return 0;
	if (!json_object_is_type(flags, json_type_array))
		return err_set(err, -E_INVALID, "%s: flags must be a list", what);
	for (size_t i = 0; i < json_object_array_length(flags); i++) {
		json *one = json_object_array_get_idx(flags, i);
		const char *text = json_object_is_type(one, json_type_string)
					   ? json_object_get_string(one)
					   : "";

		if (strcasecmp(text, "GROSS_SIZE") != 0)
			return err_set(err, -E_INVALID,
				       "%s: flag \"%.40s\" is none of a volume group: GROSS_SIZE",
				       what, text);
	}
	return 0;
}

static json *flags_doc(json *flags)
{
	json *list = json_object_new_array();

	if (flags && json_object_array_length(flags) > 0)
		json_object_array_add(list, json_object_new_string("GROSS_SIZE"));
	return list;
}

static int number_of(json *list, json *body, const char *group, int *ret, struct err *err)
{
	int64_t number = 0;
	int rv = jget_i64(body, "volume_number", &number);

	if (json_object_array_length(list) >= VOLUMES_PER_RESOURCE_MAX)
		return err_set(err, -E_INVALID,
			       "resource group %.60s: has %d volume groups, which is the limit",
			       group, VOLUMES_PER_RESOURCE_MAX);
	if (rv == -ENOENT) {
		while (index_of(list, number) >= 0)
			number++;
	} else if (rv < 0 || number < 0 || number >= VOLUMES_PER_RESOURCE_MAX) {
		return err_set(err, -E_INVALID, "volume_number must be a number from 0 to %d",
			       VOLUMES_PER_RESOURCE_MAX - 1);
	}
	*ret = (int)number;
	if (index_of(list, number) < 0)
		return 0;
	return err_set(err, -E_EXISTS, "resource group %.60s: has a volume group %d already", group,
		       *ret);
}

/* in order of number */
static json *inserted(json *list, json *one, int number)
{
	json *all = json_object_new_array();

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		json *old = json_object_array_get_idx(list, i);

		if (one && jget_i64_or(old, "volume_number", -1) > number) {
			json_object_array_add(all, one);
			one = NULL;
		}
		json_object_array_add(all, json_object_get(old));
	}
	if (one)
		json_object_array_add(all, one);
	return all;
}

int change_volume_group_create(struct change_env *env, struct txn *t, const char *group, json *body,
			       int *ret_number, struct err *err)
{
	char key[STORE_KEY_MAX], what[WHAT_MAX], uuid[37];
	json *doc, *list, *props, *one;
	int number = 0, rv;

	rv = load(env, t, group, key, sizeof(key), &doc, err);
	if (rv < 0)
		return rv;
	list = jget(doc, "volume_groups");
	rv = number_of(list, body, group, &number, err);
	if (rv < 0)
		goto put;
	snprintf(what, sizeof(what), "volume group %.48s/%d", group, number);
	if ((rv = check_flags(what, jget(body, "flags"), err)) < 0 ||
	    (rv = props_new(what, jget(body, "props"), &props, err)) < 0)
		goto put;
	rv = filesystem_check(what, props, err);
	if (rv < 0) {
		json_object_put(props);
		goto put;
	}
	one = json_object_new_object();
	env->uuid(uuid);
	jset_i64(one, "volume_number", number);
	jset_str(one, "uuid", uuid);
	jset(one, "props", props);
	jset(one, "flags", flags_doc(jget(body, "flags")));
	jset(doc, "volume_groups", inserted(list, one, number));
	txn_put(t, key, doc);
	*ret_number = number;
	return 0;
put:
	json_object_put(doc);
	return rv;
}

int change_volume_group_modify(struct change_env *env, struct txn *t, const char *group, int number,
			       json *body, struct err *err)
{
	char key[STORE_KEY_MAX], what[WHAT_MAX];
	json *doc, *one;
	int at, rv;

	rv = load(env, t, group, key, sizeof(key), &doc, err);
	if (rv < 0)
		return rv;
	snprintf(what, sizeof(what), "volume group %.48s/%d", group, number);
	at = index_of(jget(doc, "volume_groups"), number);
	if (at < 0) {
		rv = not_found(group, number, err);
		goto put;
	}
	one = json_object_array_get_idx(jget(doc, "volume_groups"), (size_t)at);
	if ((rv = check_flags(what, jget(body, "flags"), err)) < 0 ||
	    (rv = props_modify(what, one, body, err)) < 0 ||
	    (rv = filesystem_check(what, jget(one, "props"), err)) < 0)
		goto put;
	if (jget(body, "flags"))
		jset(one, "flags", flags_doc(jget(body, "flags")));
	txn_put(t, key, doc);
	return 0;
put:
	json_object_put(doc);
	return rv;
}

int change_volume_group_delete(struct change_env *env, struct txn *t, const char *group, int number,
			       struct err *err)
{
	char key[STORE_KEY_MAX];
	json *doc;
	int at, rv;

	rv = load(env, t, group, key, sizeof(key), &doc, err);
	if (rv < 0)
		return rv;
	at = index_of(jget(doc, "volume_groups"), number);
	if (at < 0) {
		json_object_put(doc);
		return not_found(group, number, err);
	}
	json_object_array_del_idx(jget(doc, "volume_groups"), (size_t)at, 1);
	txn_put(t, key, doc);
	return 0;
}
