// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nvme_plan.c - see nvme_plan.h. A host that may not connect any more is taken off the list while
 * nothing is shown: the kernel does not end the connections of those who are on it no longer, but
 * those of a subsystem that is hidden.
 */
#include "replication/nvme_plan.h"

#include <stdio.h>
#include <strings.h>

#include "base/text.h"

#define HOST NVME_PREFIX "host:"
#define COPY NVME_PREFIX "copy:"

static void name_of(const char *prefix, const u8 cluster[16], const char *node, const u8 uuid[16],
		    char out[NVME_NAME_MAX])
{
	char a[UUID_TEXT_LEN + 1], b[UUID_TEXT_LEN + 1], low[64];

	text_uuid_format(cluster, a);
	text_uuid_format(uuid, b);
	if (text_lower(node, low, sizeof(low)) < 0)
		low[0] = '\0'; /* longer than a node's name can be */
	snprintf(out, NVME_NAME_MAX, "%s%s:%s:%s", prefix, a, low, b);
}

static bool is_own(const char *prefix, const char *name, const u8 cluster[16], const char *node,
		   u8 ret[16])
{
	char own[NVME_NAME_MAX];
	u8 zero[16] = { 0 };
	size_t head;

	name_of(prefix, cluster, node, zero, own);
	head = strlen(own) - UUID_TEXT_LEN;
	return strncmp(name, own, head) == 0 && text_uuid_parse(name + head, ret) == 0;
}

void nvme_subsystem(const u8 cluster[16], const char *node, const u8 resource[16],
		    char out[NVME_NAME_MAX])
{
	name_of(COPY, cluster, node, resource, out);
}

void nvme_host(const u8 cluster[16], const char *node, const u8 replica[16],
	       char out[NVME_NAME_MAX])
{
	name_of(HOST, cluster, node, replica, out);
}

bool nvme_own_subsystem(const char *name, const u8 cluster[16], const char *node, u8 ret[16])
{
	return is_own(COPY, name, cluster, node, ret);
}

bool nvme_resource(const char *name, u8 ret[16])
{
	size_t len = strlen(name);

	return strncmp(name, COPY, sizeof(COPY) - 1) == 0 && len > UUID_TEXT_LEN &&
	       text_uuid_parse(name + len - UUID_TEXT_LEN, ret) == 0;
}

bool nvme_own_host(const char *name, const u8 cluster[16], const char *node, u8 ret[16])
{
	return is_own(HOST, name, cluster, node, ret);
}

/* the first host of a that b lacks; -1: none */
static int lacking(const struct nvme_target *a, const struct nvme_target *b)
{
	for (int i = 0; i < a->n_hosts; i++) {
		bool found = false;

		for (int k = 0; k < b->n_hosts; k++)
			found |= strcmp(a->host[i], b->host[k]) == 0;
		if (!found)
			return i;
	}
	return -1;
}

static enum nvme_step take_down(const struct nvme_target *seen, int *ret_i)
{
	if (!seen->there)
		return NVME_IDLE;
	if (seen->shown)
		return NVME_HIDE;
	*ret_i = 0;
	if (seen->n_hosts > 0)
		return NVME_HOST_DROP;
	for (; *ret_i < PLANE_VOLUMES; ++*ret_i)
		if (seen->space[*ret_i].there)
			return NVME_SPACE_DROP;
	return NVME_DROP;
}

static enum nvme_step space_next(const struct nvme_space *want, const struct nvme_space *seen)
{
	bool other = strcmp(want->path, seen->path) != 0 || strcasecmp(want->uuid, seen->uuid) != 0;

	if (seen->there && (!want->there || (seen->enabled && other)))
		return NVME_SPACE_DROP;
	if (!want->there)
		return NVME_IDLE;
	if (!seen->there || !seen->enabled)
		return NVME_SPACE_MAKE;
	return seen->size_bytes == want->size_bytes ? NVME_IDLE : NVME_SPACE_TELL;
}

enum nvme_step nvme_target_next(const struct nvme_target *want, const struct nvme_target *seen,
				int *ret_i)
{
	if (!want->there)
		return take_down(seen, ret_i);
	if (!seen->there)
		return NVME_MAKE;
	if (seen->any_host)
		return NVME_CLOSE;
	*ret_i = lacking(seen, want);
	if (*ret_i >= 0)
		return seen->shown ? NVME_HIDE : NVME_HOST_DROP;
	for (*ret_i = 0; *ret_i < PLANE_VOLUMES; ++*ret_i) {
		enum nvme_step step = space_next(&want->space[*ret_i], &seen->space[*ret_i]);

		if (step != NVME_IDLE)
			return step;
	}
	*ret_i = lacking(want, seen);
	if (*ret_i >= 0)
		return NVME_HOST_MAKE;
	if (seen->shown)
		return seen->port ? NVME_IDLE : NVME_HIDE;
	return seen->port ? NVME_SHOW : NVME_PORT_SET;
}

enum nvme_step nvme_initiator_next(const struct nvme_initiator *want,
				   const struct nvme_initiator *seen)
{
	if (!want->there)
		return seen->there ? NVME_DISCONNECT : NVME_IDLE;
	if (!want->address[0])
		return NVME_WAIT;
	if (!seen->there)
		return NVME_CONNECT;
	if (strncmp(seen->state, "deleting", 8) == 0)
		return NVME_WAIT; /* "deleting (no IO)", too */
	if (strcmp(seen->state, "dead") == 0 || strcmp(seen->address, want->address) != 0 ||
	    strcmp(seen->host, want->host) != 0 || strcmp(seen->subsystem, want->subsystem) != 0)
		return NVME_DISCONNECT;
	return strcmp(seen->state, "live") == 0 ? NVME_IDLE : NVME_WAIT;
}

int nvme_options(const struct nvme_initiator *want, const u8 hostid[16], char out[NVME_OPTIONS_MAX])
{
	char id[UUID_TEXT_LEN + 1];
	int n;

	text_uuid_format(hostid, id);
	n = snprintf(out, NVME_OPTIONS_MAX,
		     "transport=tcp,traddr=%s,trsvcid=%d,nqn=%s,hostnqn=%s,hostid=%s,"
		     "reconnect_delay=%d,ctrl_loss_tmo=%d,keep_alive_tmo=%d",
		     want->address, NVME_PORT, want->subsystem, want->host, id, NVME_RECONNECT_S,
		     NVME_GIVE_UP_S, NVME_KEEP_ALIVE_S);
	return n < NVME_OPTIONS_MAX ? 0 : -ENAMETOOLONG;
}

int nvme_traddr(const char *text, char out[NVME_ADDRESS_MAX])
{
	static const char word[] = "traddr=";
	const char *at = text;
	size_t len;

	while (strncmp(at, word, sizeof(word) - 1) != 0) {
		at = strchr(at, ',');
		if (!at++)
			return -ENOENT;
	}
	at += sizeof(word) - 1;
	len = strcspn(at, ",\n");
	if (len == 0 || len >= NVME_ADDRESS_MAX)
		return -ENOENT;
	memcpy(out, at, len);
	out[len] = '\0';
	return 0;
}

const char *nvme_step_name(enum nvme_step s)
{
	static const char *const names[NVME_STEPS] = {
		[NVME_IDLE] = "idle",
		[NVME_WAIT] = "wait",
		[NVME_MAKE] = "make",
		[NVME_CLOSE] = "close",
		[NVME_SPACE_MAKE] = "space-make",
		[NVME_SPACE_TELL] = "space-tell",
		[NVME_SPACE_DROP] = "space-drop",
		[NVME_HOST_MAKE] = "host-make",
		[NVME_HOST_DROP] = "host-drop",
		[NVME_PORT_SET] = "port-set",
		[NVME_SHOW] = "show",
		[NVME_HIDE] = "hide",
		[NVME_DROP] = "drop",
		[NVME_CONNECT] = "connect",
		[NVME_DISCONNECT] = "disconnect",
	};

	return names[s];
}
