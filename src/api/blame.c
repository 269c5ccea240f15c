// SPDX-License-Identifier: GPL-2.0-or-later
/* blame.c - see blame.h. Called by verify.c and verify_repair.c. */
#include "api/blame.h"

#include <string.h>

#define MAJORITY_OF 3 /* of fewer copies none is right because of the others */

uint32_t blame_odd(uint32_t in, const uint32_t *crc, int n)
{
	uint32_t odd = 0;
	int best = -1, most = 0, all = 0;

	for (int i = 0; i < n; i++) {
		int same = 0;

		for (int k = 0; k < n && (in >> i & 1); k++)
			same += (in >> k & 1) && crc[k] == crc[i];
		all += in >> i & 1;
		if (same > most) {
			most = same;
			best = i;
		}
	}
	for (int i = 0; i < n; i++) {
		if ((in >> i & 1) && (2 * most <= all || crc[i] != crc[best]))
			odd |= 1u << i;
	}
	return most == all ? 0 : odd;
}

/* who is wrong at one region; 0: that cannot be said */
static uint32_t wrong(const struct blame_input *in, const struct difference *d, int from)
{
	uint32_t all = (1u << in->n) - 1, mask = 0;

	/* one that was not compared there may be a source of what is wrong */
	if (d->in != all)
		return 0;
	if (from == BLAME_MAJORITY)
		return in->n < MAJORITY_OF || d->odd == all ? 0 : d->odd;
	for (int i = 0; i < in->n; i++)
		mask |= d->crc[i] != d->crc[from] ? 1u << i : 0;
	return mask;
}

/* All that differ anywhere from those who are alike everywhere: the copy that is right, or more
 * than half of them. */
static uint32_t wrong_anywhere(const struct blame_input *in, int from)
{
	uint32_t all = (1u << in->n) - 1;

	if (from != BLAME_MAJORITY)
		return in->unlike[from];
	for (int i = 0; i < in->n && in->n >= MAJORITY_OF; i++) {
		uint32_t alike = all & ~in->unlike[i];
		bool each_other = 2 * __builtin_popcount(alike) > in->n;

		for (int k = 0; k < in->n; k++)
			each_other &= !(alike >> k & 1) || !(in->unlike[k] & alike);
		if (each_other)
			return all & ~alike;
	}
	return 0;
}

uint32_t blame_plan(const struct blame_input *in, int from, struct refetch ret[REPLICAS_MAX])
{
	uint32_t out = 0;

	memset(ret, 0, REPLICAS_MAX * sizeof(*ret));
	if (in->more || from != BLAME_MAJORITY)
		out = wrong_anywhere(in, from);
	for (int i = 0; i < in->n_d && !out && !in->more; i++)
		out = wrong(in, &in->d[i], from);
	for (int i = 0; i < in->n; i++)
		ret[i].wanted = ret[i].whole = in->more && (out >> i & 1);
	for (int k = 0; k < in->n_d && !in->more; k++) {
		uint32_t here = wrong(in, &in->d[k], from);

		if (here & ~out) /* among the others is one that is wrong here: another time */
			continue;
		for (int i = 0; i < in->n; i++) {
			if (here >> i & 1)
				refetch_add(&ret[i], in->d[k].number,
					    (uint32_t)(in->d[k].off / REFETCH_REGION));
		}
	}
	for (int i = 0; i < in->n; i++)
		out &= ret[i].wanted ? ~0u : ~(1u << i);
	return out;
}
