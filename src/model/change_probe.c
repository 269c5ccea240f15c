// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * change_probe.c - how large a volume could be, by the rules that place it and
 * no others: the placement of a resource that is thrown away again. Called by
 * the API for questions about groups. A size that fits is followed by larger
 * ones and one that does not by smaller ones.
 */
#include "model/change.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "model/place.h"

/* of 4 KiB; the answer is that exact */
#define STEPS_MAX (VOLUME_KIB_MAX / VOLUME_KIB_MIN)

static int try_size(struct change_env *env, const char *group, const struct change_place *place,
		    int64_t size_kib, struct change_spots *ret, struct err *err)
{
	struct txn *t = txn_new("", "");
	char name[NAME_MAX_LEN + 1] = "q", uuid[37];
	struct bundle b;
	int added, rv;

	/* a name that nobody has */
	env->uuid(uuid);
	snprintf(name + 1, sizeof(name) - 1, "%s", uuid);
	rv = bundle_make(env, t, name, group, LAYERS_PLAIN, NULL, &b, err);
	if (rv == 0)
		rv = bundle_add_volume(&b, 0, size_kib, NULL, err);
	if (rv == 0)
		rv = place_bundle(&b, place, &added, err);
	ret->n = 0;
	for (int i = 0; rv == 0 && i < b.n && ret->n < COPIES_MAX; i++) {
		if (b.replica[i].diskless)
			continue;
		memcpy(ret->spot[ret->n].node, b.replica[i].node, sizeof(ret->spot[0].node));
		memcpy(ret->spot[ret->n++].pool, b.replica[i].pool, sizeof(ret->spot[0].pool));
	}
	bundle_release(&b);
	txn_free(t);
	return rv;
}

int change_probe(struct change_env *env, const char *group, const struct change_place *place,
		 int64_t *ret_kib, struct change_spots *ret_spots, struct err *err)
{
	static const struct change_place as_group_says;
	int64_t fits = 0, fails = STEPS_MAX + 1;
	struct change_spots spots;
	struct err why;
	int rv;

	if (!place)
		place = &as_group_says;
	ret_spots->n = 0;
	while (fails - fits > 1) {
		/* the smallest first: where nothing fits, one question is enough */
		int64_t steps = fits == 0 && fails > STEPS_MAX ? 1 : fits + (fails - fits) / 2;

		rv = try_size(env, group, place, steps * VOLUME_KIB_MIN, &spots, &why);
		if (rv == -E_NOT_FOUND || rv == -ENOMEM)
			return err_set(err, rv, "%s", why.text);
		if (rv == 0) {
			fits = steps;
			*ret_spots = spots;
		} else {
			fails = steps;
		}
	}
	*ret_kib = fits * VOLUME_KIB_MIN;
	return 0;
}
