// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * disks.c - the block devices of the nodes, as they reported them: everything with
 * the reason why it is not usable, and in LINSTOR's shape those that are. Called
 * through routes.c. What is made of them are pools (pools.c).
 */
#include <stdio.h>
#include <strings.h>

#include "api/handlers.h"
#include "api/view.h"

struct disk_listing {
	struct api_call *call;
	json *list;
	const char *node; /* of this only; NULL: all */
	bool found;       /* it is one */
};

/* each(l, node, disk) for what the node of doc has reported; disk NULL: it has not */
static void each_disk(json *doc, struct disk_listing *l,
		      void (*each)(struct disk_listing *l, const char *node, json *disk))
{
	struct api *a = l->call->api;
	const char *node = jget_str(doc, "name", "");
	json *disks = jget(observed_node(a->observed, node, api_mono_ms()), "disks");

	if ((l->node && strcasecmp(l->node, node) != 0) || !call_query_has(l->call, "nodes", node))
		return;
	l->found = true;
	if (!json_object_is_type(disks, json_type_array)) {
		each(l, node, NULL);
		return;
	}
	for (size_t i = 0; i < json_object_array_length(disks); i++)
		each(l, node, json_object_array_get_idx(disks, i));
}

static void push_all(struct disk_listing *l, const char *node, json *disk)
{
	json *o = disk ? json_copy(disk) : view_object();

	jset_str(o, "node", node);
	if (disk)
		jset_bool(o, "usable", !jget_str(disk, "reason", "")[0]);
	view_push(l->list, o);
}

static void list_all(json *doc, void *arg)
{
	each_disk(doc, arg, push_all);
}

void disks_all(struct api_call *c)
{
	struct disk_listing l = { .call = c, .list = view_list() };

	view_docs(c->api, "node/", list_all, &l);
	call_reply_json(c, 200, call_query_page(c, l.list));
}

/* LINSTOR's */

static json *physical(json *disk)
{
	json *o = view_object();

	jset_str(o, "device", jget_str(disk, "device", ""));
	jset_str(o, "model", jget_str(disk, "model", ""));
	jset_str(o, "serial", jget_str(disk, "serial", ""));
	return o;
}

static bool is_usable(json *disk)
{
	return disk && !jget_str(disk, "reason", "")[0];
}

/* the group of disks of this size and kind, made when it is new; borrowed */
static json *group_of(json *list, int64_t size, bool rotational)
{
	json *o;

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		o = json_object_array_get_idx(list, i);
		if (jget_i64_or(o, "size", -1) == size &&
		    jget_bool(o, "rotational", false) == rotational)
			return o;
	}
	o = view_object();
	jset_i64(o, "size", size);
	jset_bool(o, "rotational", rotational);
	jset(o, "nodes", view_object());
	view_push(list, o);
	return o;
}

static void push_grouped(struct disk_listing *l, const char *node, json *disk)
{
	json *nodes, *of_node;

	if (!is_usable(disk))
		return;
	nodes = jget(group_of(l->list, jget_i64_or(disk, "size_bytes", 0),
			      jget_bool(disk, "rotational", false)),
		     "nodes");
	of_node = jget(nodes, node);
	if (!of_node) {
		of_node = view_list();
		jset(nodes, node, of_node);
	}
	view_push(of_node, physical(disk));
}

static void list_grouped(json *doc, void *arg)
{
	each_disk(doc, arg, push_grouped);
}

void disks_physical(struct api_call *c)
{
	struct disk_listing l = { .call = c, .list = view_list() };

	view_docs(c->api, "node/", list_grouped, &l);
	call_reply_json(c, 200, call_query_page(c, l.list));
}

static void push_physical(struct disk_listing *l, const char *node, json *disk)
{
	json *o;

	if (!is_usable(disk))
		return;
	o = physical(disk);
	jset_i64(o, "size", jget_i64_or(disk, "size_bytes", 0));
	jset_bool(o, "rotational", jget_bool(disk, "rotational", false));
	view_push(l->list, o);
}

static void list_physical(json *doc, void *arg)
{
	each_disk(doc, arg, push_physical);
}

void disks_physical_node(struct api_call *c)
{
	struct disk_listing l = { .call = c, .list = view_list(), .node = c->match.arg[0] };
	struct err err;

	view_docs(c->api, "node/", list_physical, &l);
	if (l.found) {
		call_reply_json(c, 200, call_query_page(c, l.list));
		return;
	}
	json_object_put(l.list);
	err_set(&err, -E_NOT_FOUND, "Node '%.100s' not found.", c->match.arg[0]);
	call_fail(c, -E_NOT_FOUND, &err);
}
