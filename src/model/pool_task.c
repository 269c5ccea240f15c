// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pool_task.c - what is to be done with a pool's devices: its form and its rules.
 * Called by change_pool_task.c, the agent and the API. To add a kind: the enum in
 * pool.h, a name here, what it needs in pool_task_check, and its end in
 * change_pool_done.
 */
#include "model/pool_task.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "model/field.h"

static const char *const names[TASK_KINDS] = {
	[TASK_NONE] = "",           [TASK_MAKE] = "make",       [TASK_EXTEND] = "extend",
	[TASK_REPLACE] = "replace", [TASK_DESTROY] = "destroy",
};

const char *pool_task_name(enum pool_task_kind k)
{
	return names[k];
}

static enum pool_task_kind kind_of(const char *name)
{
	for (int k = TASK_NONE + 1; k < TASK_KINDS; k++) {
		if (strcmp(name, names[k]) == 0)
			return (enum pool_task_kind)k;
	}
	return TASK_NONE;
}

enum pool_task_kind pool_task_kind(json *doc)
{
	return kind_of(jget_str(jget(doc, "task"), "kind", ""));
}

int pool_task_add(struct pool_task *task, const char *device, struct err *err)
{
	if (strlen(device) > DEVICE_LEN_MAX)
		return err_set(err, -E_INVALID,
			       "device %.40s...: a path of more than %d characters", device,
			       DEVICE_LEN_MAX);
	if (task->n == POOL_DEVICES_MAX)
		return err_set(err, -E_INVALID, "more than %d devices at once", POOL_DEVICES_MAX);
	snprintf(task->device[task->n++], sizeof(task->device[0]), "%s", device);
	return 0;
}

static int check_path(const char *device, struct err *err)
{
	bool plain = strncmp(device, "/dev/", 5) == 0 && device[5] && !strstr(device, "/../") &&
		     !strstr(device, "//");

	for (const char *c = device; *c; c++)
		plain &= (unsigned char)*c > ' ' && *c != 0x7f;
	if (plain)
		return 0;
	return err_set(err, -E_INVALID,
		       "device \"%.200s\": give its path, such as /dev/sdb or /dev/disk/by-id/...",
		       device);
}

static int check_devices(const struct pool_task *task, struct err *err)
{
	for (int i = 0; i < task->n; i++) {
		int rv = check_path(task->device[i], err);

		if (rv < 0)
			return rv;
		for (int k = 0; k < i; k++) {
			if (strcmp(task->device[i], task->device[k]) == 0)
				return err_set(err, -E_INVALID, "device %s: it is named twice",
					       task->device[i]);
		}
		if (strcmp(task->device[i], task->old) == 0)
			return err_set(err, -E_INVALID, "device %s: replaced by itself", task->old);
	}
	return 0;
}

int pool_task_check(const struct pool_task *task, struct err *err)
{
	int rv;

	if (task->kind == TASK_DESTROY)
		return 0;
	if (task->n == 0)
		return err_set(err, -E_INVALID, "no device is named");
	rv = check_devices(task, err);
	if (rv < 0 || task->kind != TASK_REPLACE)
		return rv;
	if (task->n != 1)
		return err_set(err, -E_INVALID, "one device replaces one");
	return check_path(task->old, err);
}

int pool_task_parse(json *doc, struct pool_task *ret, struct err *err)
{
	json *o = jget(doc, "task"), *devices = jget(o, "devices");
	size_t n = json_object_is_type(devices, json_type_array) ? json_object_array_length(devices)
								 : 0;
	const char *old = jget_str(o, "old", "");
	uint8_t raw[16];
	int rv;

	memset(ret, 0, sizeof(*ret));
	if (!o)
		return 0;
	ret->kind = kind_of(jget_str(o, "kind", ""));
	ret->wipe = jget_bool(o, "wipe", false);
	if (ret->kind == TASK_NONE || text_uuid_parse(jget_str(o, "uuid", ""), raw) < 0 ||
	    strlen(old) > DEVICE_LEN_MAX)
		return err_set(err, -E_INVALID, "pool %s/%s: its task is damaged",
			       jget_str(doc, "node", ""), jget_str(doc, "name", ""));
	text_uuid_format(raw, ret->uuid);
	snprintf(ret->old, sizeof(ret->old), "%s", old);
	for (size_t i = 0; i < n; i++) {
		json *device = json_object_array_get_idx(devices, i);

		rv = pool_task_add(ret, device ? json_object_get_string(device) : "", err);
		if (rv < 0)
			return rv;
	}
	return pool_task_check(ret, err);
}

json *pool_task_doc(const struct pool_task *task)
{
	json *o = json_object_new_object(), *devices = json_object_new_array();

	for (int i = 0; i < task->n; i++)
		json_object_array_add(devices, json_object_new_string(task->device[i]));
	jset_str(o, "kind", names[task->kind]);
	jset_str(o, "uuid", task->uuid);
	jset(o, "devices", devices);
	if (task->kind == TASK_REPLACE)
		jset_str(o, "old", task->old);
	jset_bool(o, "wipe", task->wipe);
	return o;
}

int pool_task_source(struct pool *p, struct err *err)
{
	if (pool_kind_is_file(p->kind))
		return err_set(err, -E_INVALID,
			       "pool %s/%s: a pool of kind %s is a directory and not made of "
			       "devices: use LVM, LVM_THIN, ZFS or ZFS_THIN",
			       p->node, p->name, pool_kind_name(p->kind));
	snprintf(p->source, sizeof(p->source),
		 p->kind == POOL_LVM_THIN ? "sdsd_%s/thin" : "sdsd_%s", p->name);
	return 0;
}
