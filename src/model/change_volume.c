// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * change_volume.c - single volumes of a resource come, grow and go. Called by the
 * API. The volumes of a resource are replicated as one, and the metadata of its
 * volume 0 is where each copy of it is at home: 0 comes first and goes last. What
 * is to be done on the nodes each of them does by itself, those that are away
 * when they are back.
 */
#include "model/change.h"

#include <stdio.h>

#include "base/text.h"
#include "model/filesystem.h"
#include "model/place.h"
#include "model/props.h"

static int check_number(const struct bundle *b, int number, struct err *err)
{
	const struct resource *r = &b->resource;

	if (number >= 0 && resource_volume(r, number))
		return err_set(err, -E_EXISTS, "resource %s: has a volume %d already", r->name,
			       number);
	if (number >= VOLUMES_PER_RESOURCE_MAX)
		return err_set(err, -E_INVALID,
			       "resource %s: there is no volume number %d, numbers go from 0 to %d",
			       r->name, number, VOLUMES_PER_RESOURCE_MAX - 1);
	if (r->n_volumes >= VOLUMES_PER_RESOURCE_MAX)
		return err_set(err, -E_INVALID,
			       "resource %s: has %d volumes, which is the limit; create another "
			       "resource",
			       r->name, r->n_volumes);
	if (number > 0 && r->n_volumes == 0)
		return err_set(err, -E_INVALID,
			       "resource %s: volume 0 comes first, since the others depend on it; "
			       "create it, then volume %d",
			       r->name, number);
	return 0;
}

static int lowest_number(const struct bundle *b)
{
	int number = 0;

	while (resource_volume(&b->resource, number))
		number++;
	return number;
}

/* what a copy of such a volume takes in its pool */
static int64_t with_extra(const struct bundle *b, int64_t size_kib)
{
	bool encrypted = b->resource.encrypted;

	size_kib = volume_round_size(size_kib, encrypted);
	return size_kib + volume_extra_kib(size_kib, encrypted);
}

int change_volume_create(struct change_env *env, struct txn *t, const char *resource, int number,
			 int64_t size_kib, json *props, int *ret_number, struct err *err)
{
	struct bundle b;
	int rv;

	if (number < -1)
		return err_set(err, -E_INVALID, "resource %.60s: there is no volume number %d",
			       resource, number);
	rv = bundle_load(env, t, resource, &b, err);
	if (rv < 0)
		return rv;
	rv = check_number(&b, number, err);
	if (rv == 0 && number < 0)
		number = lowest_number(&b);
	if (rv == 0)
		rv = volume_check_size(size_kib, err);
	if (rv == 0)
		rv = place_room(&b, with_extra(&b, size_kib), err);
	if (rv == 0)
		rv = bundle_add_volume(&b, number, size_kib, props, err);
	if (rv == 0) {
		bundle_save(&b);
		*ret_number = number;
	}
	bundle_release(&b);
	return rv;
}

static int no_volume(const struct bundle *b, int number, struct err *err)
{
	return err_set(err, -E_NOT_FOUND, "resource %s: has no volume %d", b->resource.name,
		       number);
}

static int grow(struct bundle *b, const struct volume *v, int64_t size_kib, struct err *err)
{
	char has[32], wanted[32];
	int rv = volume_check_size(size_kib, err);

	if (rv < 0)
		return err_prefix(err, "resource %s", b->resource.name);
	size_kib = volume_round_size(size_kib, b->resource.encrypted);
	if (size_kib == v->size_kib)
		return 0;
	if (size_kib < v->size_kib)
		return err_set(
			err, -E_INVALID,
			"resource %s: volume %d has %s and cannot shrink to %s, since what is "
			"stored beyond would be lost; create a smaller volume and copy",
			b->resource.name, v->number, text_size_kib(v->size_kib, has, sizeof(has)),
			text_size_kib(size_kib, wanted, sizeof(wanted)));
	rv = place_room(b, with_extra(b, size_kib) - with_extra(b, v->size_kib), err);
	return rv < 0 ? rv : bundle_grow_volume(b, v->number, size_kib, err);
}

int change_volume_modify(struct change_env *env, struct txn *t, const char *resource, int number,
			 int64_t size_kib, json *body, struct err *err)
{
	char what[NAME_MAX_LEN + 32];
	const struct volume *v;
	struct bundle b;
	int rv;

	rv = bundle_load(env, t, resource, &b, err);
	if (rv < 0)
		return rv;
	v = resource_volume(&b.resource, number);
	snprintf(what, sizeof(what), "volume %.48s/%d", resource, number);
	if (!v)
		rv = no_volume(&b, number, err);
	else if (jget(body, "override_props") || jget(body, "delete_props") ||
		 jget(body, "delete_namespaces")) {
		json *doc = bundle_volume_doc(&b, number);

		rv = props_modify(what, doc, body, err);
		if (rv == 0)
			rv = filesystem_check(what, jget(doc, "props"), err);
		b.dirty = true;
	}
	if (rv == 0 && size_kib != 0)
		rv = grow(&b, v, size_kib, err);
	if (rv == 0)
		bundle_save(&b);
	bundle_release(&b);
	return rv;
}

static int check_last(const struct bundle *b, int number, struct err *err)
{
	if (number != 0 || b->resource.n_volumes == 1)
		return 0;
	return err_set(err, -E_IN_USE,
		       "resource %s: volume 0 goes last, since the others depend on it: delete its "
		       "%d other volumes first, or the whole resource",
		       b->resource.name, b->resource.n_volumes - 1);
}

int change_volume_delete(struct change_env *env, struct txn *t, const char *resource, int number,
			 struct err *err)
{
	struct bundle b;
	int rv;

	rv = bundle_load(env, t, resource, &b, err);
	if (rv < 0)
		return rv;
	if (!resource_volume(&b.resource, number))
		rv = no_volume(&b, number, err);
	else if ((rv = check_last(&b, number, err)) == 0 &&
		 (rv = change_service_none_of(env, t, resource, number, err)) == 0)
		rv = bundle_check_unused(&b, err);
	/* with the only volume its replicas have nothing left to hold */
	if (rv == 0 && b.resource.n_volumes == 1) {
		rv = bundle_drop_all(&b, err);
		jset(b.doc, "volumes", json_object_new_array());
		b.dirty = true;
	} else if (rv == 0) {
		rv = bundle_drop_volume(&b, number, err);
	}
	if (rv == 0)
		bundle_save(&b);
	bundle_release(&b);
	return rv;
}
