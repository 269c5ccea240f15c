// SPDX-License-Identifier: GPL-2.0-or-later
/* refetch.c - see refetch.h. Called by resource.c, change_refetch.c and api/verify.c. */
#include "model/refetch.h"

#define FIELD "refetch"

void refetch_add(struct refetch *r, int number, uint32_t region)
{
	r->wanted = true;
	r->whole |= r->n == REFETCH_MAX;
	if (r->whole) {
		r->n = 0;
		return;
	}
	r->at[r->n].number = number;
	r->at[r->n++].region = region;
}

int refetch_parse(json *doc, const char *what, struct refetch *ret, struct err *err)
{
	json *own = jget(doc, FIELD), *list = jget(own, "regions");
	struct refetch r = { .wanted = own != NULL, .whole = jget_bool(own, "whole", false) };
	size_t n = list ? json_object_array_length(list) : 0;

	if (r.wanted && !r.whole && (n == 0 || n > REFETCH_MAX))
		return err_set(err, -E_INVALID, "%s: \"" FIELD "\" names 1 to %d regions, or all",
			       what, REFETCH_MAX);
	for (size_t i = 0; i < n && !r.whole; i++) {
		json *one = json_object_array_get_idx(list, i);
		int64_t number = jget_i64_or(one, "number", -1);
		int64_t off = jget_i64_or(one, "offset", -1);

		if (number < 0 || number >= VOLUMES_PER_RESOURCE_MAX || off < 0 ||
		    off % REFETCH_REGION || off / REFETCH_REGION > UINT32_MAX)
			return err_set(err, -E_INVALID, "%s: no such region in \"" FIELD "\"",
				       what);
		refetch_add(&r, (int)number, (uint32_t)(off / REFETCH_REGION));
	}
	*ret = r;
	return 0;
}

void refetch_write(json *doc, const struct refetch *r)
{
	json *own, *list;

	if (!r->wanted) {
		json_object_object_del(doc, FIELD);
		return;
	}
	own = json_object_new_object();
	list = json_object_new_array();
	for (int i = 0; i < r->n; i++) {
		json *one = json_object_new_object();

		jset_i64(one, "number", r->at[i].number);
		jset_i64(one, "offset", (int64_t)r->at[i].region * REFETCH_REGION);
		json_object_array_add(list, one);
	}
	if (r->whole)
		jset_bool(own, "whole", true);
	jset(own, "regions", list);
	jset(doc, FIELD, own);
}

bool refetch_same(const struct refetch *a, const struct refetch *b)
{
	bool same = a->wanted == b->wanted && a->whole == b->whole && a->n == b->n;

	for (int i = 0; i < a->n && same; i++)
		same = a->at[i].number == b->at[i].number && a->at[i].region == b->at[i].region;
	return same;
}
