// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * rc.c - builds ApiCallRc lists. Called by every handler of api/; knows numbers
 * and texts, not requests. The numbers are part of the contract with existing
 * clients, some of which test them bit by bit: never invent one.
 */
#include "api/rc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define RC_MESSAGE_MAX 4096

/* For each kind of object: what a missing, existing or invalid one is called. */
static const struct {
	uint64_t object;
	unsigned not_found, exists, invalid;
} numbers[] = {
	{ RC_NODE, RC_NOT_FOUND_NODE, RC_EXISTS_NODE, RC_INVLD_NODE_NAME },
	{ RC_RSC_DFN, RC_NOT_FOUND_RSC_DFN, RC_EXISTS_RSC_DFN, RC_INVLD_RSC_NAME },
	{ RC_RSC, RC_NOT_FOUND_RSC, RC_EXISTS_RSC, RC_INVLD_RSC_NAME },
	{ RC_VLM_DFN, RC_NOT_FOUND_VLM_DFN, RC_EXISTS_VLM_DFN, RC_INVLD_VLM_SIZE },
	{ RC_VLM, RC_NOT_FOUND_VLM, RC_EXISTS_VLM_DFN, RC_INVLD_VLM_NR },
	{ RC_STOR_POOL, RC_NOT_FOUND_STOR_POOL, RC_EXISTS_STOR_POOL, RC_INVLD_STOR_POOL_NAME },
	{ RC_RSC_GRP, RC_NOT_FOUND_RSC_GRP, RC_EXISTS_RSC_GRP, RC_INVLD_RSC_GRP_NAME },
	{ RC_VLM_GRP, RC_NOT_FOUND_VLM_GRP, RC_EXISTS_VLM_GRP, RC_INVLD_VLM_NR },
	{ RC_STOR_POOL_DFN, RC_NOT_FOUND_STOR_POOL_DFN, RC_EXISTS_STOR_POOL_DFN,
	  RC_INVLD_STOR_POOL_NAME },
	{ RC_NET_IF, RC_NOT_FOUND_NET_IF, RC_EXISTS_NET_IF, RC_INVLD_NET_NAME },
	{ RC_NODE_CONN, RC_NOT_FOUND_NODE_CONN, RC_UNKNOWN_ERROR, RC_INVLD_NODE_NAME },
	{ RC_RSC_CONN, RC_NOT_FOUND_RSC_CONN, RC_UNKNOWN_ERROR, RC_INVLD_NODE_NAME },
	{ RC_KVS, RC_NOT_FOUND_KVS, RC_UNKNOWN_ERROR, RC_INVLD_KVS_NAME },
	{ RC_SNAPSHOT, RC_NOT_FOUND_SNAPSHOT, RC_EXISTS_SNAPSHOT, RC_INVLD_CONF },
	/* nothing else of the controller's can exist twice but by chance */
	{ RC_CTRL, RC_UNKNOWN_ERROR, RC_EXISTS_CRYPT_PASSPHRASE, RC_INVLD_CONF },
};

int64_t rc_code(uint64_t severity, uint64_t op, uint64_t object, unsigned number)
{
	return (int64_t)(severity | op | object | (number & RC_NUMBER_MASK));
}

unsigned rc_number(int code, uint64_t object)
{
	switch (code) {
	case -E_IN_USE:
		return RC_IN_USE;
	case -E_NO_NODES:
		return RC_NOT_ENOUGH_NODES;
	case -E_BAD_LAYERS:
		return RC_INVLD_LAYER_STACK;
	case -E_BAD_PROP:
		return RC_INVLD_PROP;
	case -E_DENIED:
		return RC_ACC_DENIED_COMMAND;
	case -ENOSPC:
		return RC_NOT_ENOUGH_FREE_SPACE;
	case -E_LOCKED:
		return RC_CRYPT_INIT;
	}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (numbers[i].object != object)
			continue;
		if (code == -E_NOT_FOUND)
			return numbers[i].not_found;
		if (code == -E_EXISTS)
			return numbers[i].exists;
		if (code == -E_INVALID || code == -ENAMETOOLONG)
			return numbers[i].invalid;
	}
	return RC_UNKNOWN_ERROR;
}

const char *rc_correction(int code)
{
	switch (code) {
	case -E_NOT_FOUND:
		return "Check the name; the list command shows what there is.";
	case -E_EXISTS:
		return "Choose another name, or use or delete the present one.";
	case -E_IN_USE:
		return "Close what uses it first, then try again.";
	case -E_NO_NODES:
		return "Add a node or a storage pool, ask for fewer copies, or free space.";
	case -E_DENIED:
		return "Join with a fresh token (sdsd token create); anything else is asked on a "
		       "node's own socket.";
	case -E_LOCKED:
		return "Enter the passphrase of the cluster: sdsd encryption enter-passphrase.";
	case -E_NO_LEADER:
		return "Start the missing nodes: more than half of the voters must run.";
	case -E_UNKNOWN:
		return "Look whether it was done, then repeat the request if it was not.";
	case -ENOSPC:
		return "Free space in the pools that are named, or move the copy to another node.";
	case -EBUSY:
		return "Try again in a moment.";
	default:
		return NULL;
	}
}

json *rc_list(void)
{
	json *list = json_object_new_array();

	if (!list)
		abort();
	return list;
}

json *rc_add(json *list, int64_t code, const char *fmt, ...)
{
	json *entry = json_object_new_object();
	char text[RC_MESSAGE_MAX];
	va_list ap;

	if (!entry)
		abort();
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	jset_i64(entry, "ret_code", code);
	jset_str(entry, "message", text);
	if (json_object_array_add(list, entry) < 0)
		abort();
	return entry;
}

void rc_ref(json *entry, const char *key, const char *value)
{
	json *refs = jget(entry, "obj_refs");

	if (!refs) {
		refs = json_object_new_object();
		if (!refs)
			abort();
		jset(entry, "obj_refs", refs);
	}
	jset_str(refs, key, value);
}

static bool entry_is_error(json *entry)
{
	return ((uint64_t)jget_i64_or(entry, "ret_code", 0) & RC_ERROR) == RC_ERROR;
}

static int status_of(int64_t code)
{
	unsigned number = (uint64_t)code & RC_NUMBER_MASK;

	if (code == RC_PARSE_ERROR)
		return 400;
	if (number >= 300 && number <= 399)
		return 404;
	if (number >= 400 && number <= 499)
		return 403;
	return 500;
}

int rc_status(json *list, int ok)
{
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

	for (size_t i = 0; i < n; i++) {
		json *entry = json_object_array_get_idx(list, i);

		if (entry_is_error(entry))
			return status_of(jget_i64_or(entry, "ret_code", 0));
	}
	return ok;
}

const char *rc_message(json *list)
{
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

	for (size_t i = 0; i < n; i++) {
		json *entry = json_object_array_get_idx(list, i);

		if (entry_is_error(entry))
			return jget_str(entry, "message", "");
	}
	return n > 0 ? jget_str(json_object_array_get_idx(list, 0), "message", "") : "";
}
