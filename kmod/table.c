// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * table.c - all resources there are, by uuid, and their making and ending, which
 * are done one at a time. Called by orders.c and status.c.
 */
#include <linux/string.h>

#include "netlink.h"

static LIST_HEAD(table);         /* struct rvol.list, by uuid */
static u32 n_resources;          /* in it */
static DEFINE_MUTEX(table_lock); /* of both; never held while anything else is waited for */
static DEFINE_MUTEX(life_lock);  /* held while a resource is made or ended: one at a time */

static struct rvol *find_locked(const u8 *uuid)
{
	struct rvol *r;

	list_for_each_entry(r, &table, list) {
		int order = memcmp(r->uuid, uuid, RVOL_UUID_BYTES);

		if (order >= 0)
			return order ? NULL : r;
	}
	return NULL;
}

struct rvol *table_find(const u8 *uuid)
{
	struct rvol *r;

	mutex_lock(&table_lock);
	r = find_locked(uuid);
	if (r)
		rvol_get(r);
	mutex_unlock(&table_lock);
	return r;
}

struct rvol *table_next(const u8 *uuid)
{
	struct rvol *r, *found = NULL;

	mutex_lock(&table_lock);
	list_for_each_entry(r, &table, list) {
		if (uuid && memcmp(r->uuid, uuid, RVOL_UUID_BYTES) <= 0)
			continue;
		rvol_get(r);
		found = r;
		break;
	}
	mutex_unlock(&table_lock);
	return found;
}

static void add(struct rvol *r)
{
	struct list_head *at;

	mutex_lock(&table_lock);
	list_for_each(at, &table)
		if (memcmp(list_entry(at, struct rvol, list)->uuid, r->uuid, RVOL_UUID_BYTES) > 0)
			break;
	list_add_tail(&r->list, at); /* before that one */
	n_resources++;
	mutex_unlock(&table_lock);
}

static void take_out(struct rvol *r)
{
	mutex_lock(&table_lock);
	list_del_init(&r->list);
	n_resources--;
	mutex_unlock(&table_lock);
}

static int make(const struct rvol_config *c, const char **ret_why)
{
	struct rvol *r = table_find(c->uuid);
	int rv;

	if (r) {
		rvol_put(r);
		*ret_why = "there is a resource of that uuid";
		return -EEXIST;
	}
	if (n_resources >= RVOL_RESOURCES_MAX) { /* only changed with life_lock held */
		*ret_why = "there are 65536 resources, no more are possible";
		return -ENOSPC;
	}
	rv = rvol_new(c, &r, ret_why);
	if (rv == 0)
		add(r);
	return rv;
}

int table_make(const struct rvol_config *c, const char **ret_why)
{
	int rv;

	mutex_lock(&life_lock);
	rv = make(c, ret_why);
	mutex_unlock(&life_lock);
	return rv;
}

/* It stays in the table until it has ended, for one that stays is to be found all the time. Who
 * finds it meanwhile is told that it is ending. */
int table_end(struct rvol *r, bool force, const char **ret_why)
{
	int rv;

	mutex_lock(&life_lock);
	if (list_empty(&r->list)) {
		*ret_why = "another command has ended it";
		rv = -ENOENT;
	} else {
		rv = rvol_end(r, force, ret_why);
		if (rv == 0)
			take_out(r);
	}
	mutex_unlock(&life_lock);
	return rv;
}

void table_end_all(void)
{
	struct rvol *r;

	while ((r = list_first_entry_or_null(&table, struct rvol, list))) {
		const char *why = NULL;

		take_out(r);
		rvol_end(r, true, &why);
	}
}
