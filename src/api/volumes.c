// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * volumes.c - volume definitions of a resource: list, one, make, grow, delete.
 * Called through routes.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/handlers.h"
#include "api/view.h"

static bool load(struct api_call *c, struct view *v)
{
	struct err err;
	int rv = view_load(c->api, c->match.arg[0], v);

	if (rv == 0)
		return true;
	err_set(&err, rv, "Resource definition '%.100s' not found.", c->match.arg[0]);
	call_fail_object(c, RC_RSC_DFN, rv, &err);
	return false;
}

void volumes_list(struct api_call *c)
{
	json *list;
	struct view v;

	if (!load(c, &v))
		return;
	list = view_list();
	for (int k = 0; k < v.res.n_volumes; k++)
		view_push(list, view_volume_definition(&v, k));
	view_release(&v);
	call_reply_json(c, 200, call_query_page(c, list));
}

/* the number in the path, -1 when it is none */
static int number_of(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	return *text < '0' || *text > '9' || *end || n > UINT16_MAX ? -1 : (int)n;
}

void volumes_get(struct api_call *c)
{
	int number = number_of(c->match.arg[1]);
	struct err err;
	struct view v;

	if (!load(c, &v))
		return;
	for (int k = 0; k < v.res.n_volumes; k++) {
		if (v.res.volume[k].number == number) {
			call_reply_json(c, 200, view_volume_definition(&v, k));
			view_release(&v);
			return;
		}
	}
	view_release(&v);
	err_set(&err, -E_NOT_FOUND, "Volume definition %.20s of resource '%.100s' not found.",
		c->match.arg[1], c->match.arg[0]);
	call_fail(c, -E_NOT_FOUND, &err);
}

static void refs(json *entry, const char *resource, int number)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", number);
	rc_ref(entry, "RscDfn", resource);
	rc_ref(entry, "VlmNr", text);
}

/* LINSTOR's older way to ask for a LUKS layer */
static bool wants_encryption(json *volume)
{
	json *flags = jget(volume, "flags");

	if (!json_object_is_type(flags, json_type_array))
		return false;
	for (size_t i = 0; i < json_object_array_length(flags); i++) {
		const char *flag = json_object_get_string(json_object_array_get_idx(flags, i));

		if (flag && strcasecmp(flag, "ENCRYPTED") == 0)
			return true;
	}
	return false;
}

static bool is_encrypted(struct api *a, const char *resource)
{
	struct view v;
	bool encrypted;

	if (view_load(a, resource, &v) < 0)
		return true; /* the change says what is wrong */
	encrypted = v.res.encrypted;
	view_release(&v);
	return encrypted;
}

static int create(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	json *volume = jget(m->call->doc, "volume_definition");
	const char *resource = m->call->match.arg[0];
	int64_t size_kib, number = -1;
	int rv, ret_number;

	rv = jget_i64(volume, "size_kib", &size_kib);
	if (rv < 0)
		return err_set(err, -E_INVALID, "The volume needs size_kib, a number of KiB.");
	rv = jget_i64(volume, "volume_number", &number);
	if (rv != -ENOENT && (rv < 0 || number < 0 || number > UINT16_MAX))
		return err_set(err, -E_INVALID, "volume_number must be a number from 0 to %d",
			       UINT16_MAX);
	if (wants_encryption(volume) && !is_encrypted(m->call->api, resource))
		return err_set(err, -E_INVALID,
			       "resource %s was made without LUKS: its volumes cannot be ENCRYPTED",
			       resource);
	rv = change_volume_create(env, t, resource, (int)number, size_kib, jget(volume, "props"),
				  &ret_number, err);
	if (rv == -E_NOT_FOUND)
		m->object = RC_RSC_DFN;
	if (rv == 0)
		refs(mutation_done(m, RC_CREATED,
				   "New volume definition with number '%d' of resource definition "
				   "'%s' created.",
				   ret_number, resource),
		     resource, ret_number);
	return rv;
}

static void created(struct mutation *m)
{
	mutation_wait_ready(m, m->call->match.arg[0], NULL);
}

void volumes_create(struct api_call *c)
{
	json *volume;
	struct err err;

	if (!call_object(c))
		return;
	volume = jget(c->doc, "volume_definition");
	if (!json_object_is_type(volume, json_type_object)) {
		call_bad_body(c, "field volume_definition must be an object");
		return;
	}
	if (call_check_type(volume, "props", json_type_object, &err) < 0) {
		call_bad_body(c, "%s", err.text);
		return;
	}
	mutate(c, 200, create, created);
}

static bool is_defined(struct api *a, const char *resource)
{
	struct view v;

	if (view_load(a, resource, &v) < 0)
		return false;
	view_release(&v);
	return true;
}

static int modify(struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *resource = m->call->match.arg[0];
	int number = number_of(m->call->match.arg[1]);
	int64_t size_kib = 0;
	int rv = jget_i64(m->call->doc, "size_kib", &size_kib);

	if (rv != -ENOENT && (rv < 0 || size_kib <= 0))
		return err_set(err, -E_INVALID, "size_kib must be a number of KiB above 0");
	rv = change_volume_modify(env, t, resource, number, size_kib, m->call->doc, err);
	if (rv == -E_NOT_FOUND && !is_defined(m->call->api, resource))
		m->object = RC_RSC_DFN;
	if (rv == 0)
		refs(mutation_done(m, RC_MODIFIED,
				   "Volume definition with number '%d' of resource definition '%s' "
				   "modified.",
				   number, resource),
		     resource, number);
	return rv;
}

void volumes_modify(struct api_call *c)
{
	if (call_props_change(c))
		mutate(c, 200, modify, created);
}

static int delete (struct mutation *m, struct change_env *env, struct txn *t, struct err *err)
{
	const char *resource = m->call->match.arg[0];
	int number = number_of(m->call->match.arg[1]);
	int rv = number < 0 ? -E_NOT_FOUND : change_volume_delete(env, t, resource, number, err);

	if (rv == -E_NOT_FOUND) {
		mutation_note(
			m, rc_code(RC_WARN, RC_DEL, RC_VLM_DFN, RC_WARN_NOT_FOUND),
			"Volume definition %.20s of resource '%s' not found; nothing to delete.",
			m->call->match.arg[1], resource);
		return 0;
	}
	if (rv == 0)
		refs(mutation_done(m, RC_DELETED,
				   "Volume definition with number '%d' of resource definition '%s' "
				   "deleted.",
				   number, resource),
		     resource, number);
	return rv;
}

static void deleted(struct mutation *m)
{
	mutation_wait_removed(m, m->call->match.arg[0], NULL);
}

void volumes_delete(struct api_call *c)
{
	mutate(c, 200, delete, deleted);
}
