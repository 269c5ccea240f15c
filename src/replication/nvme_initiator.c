// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nvme_initiator.c - controllers that the kernel has connected to other nodes' targets, and the
 * block devices that come of them. With the kernel's multipath a device hangs below the subsystem
 * and its paths are hidden ones; without, below the controller: it is found by what it says of
 * itself.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "replication/nvme_sys.h"

#define SECTOR 512

static int read_of(const char *folder, const char *name, const char *file, char out[NVME_FILE_MAX])
{
	char path[NVME_FILE_PATH_MAX];

	nvme_path(path, "%s/%.64s/%s", folder, name, file);
	return nvme_read(path, out);
}

/* ---- controllers ---- */

#define CONTROLLERS "/sys/class/nvme"

struct listing {
	const u8 *cluster;
	const char *node;
	nvme_controller_cb each;
	void *arg;
};

static int look_at_controller(const char *name, void *arg)
{
	struct listing *l = arg;
	struct nvme_initiator seen = { .there = true };
	char text[NVME_FILE_MAX];
	u8 replica[16], resource[16];

	if (read_of(CONTROLLERS, name, "hostnqn", text) < 0 ||
	    !nvme_own_host(text, l->cluster, l->node, replica))
		return 0;
	snprintf(seen.host, sizeof(seen.host), "%.*s", NVME_NAME_MAX - 1, text);
	if (read_of(CONTROLLERS, name, "subsysnqn", text) < 0 || !nvme_resource(text, resource))
		return 0;
	snprintf(seen.subsystem, sizeof(seen.subsystem), "%.*s", NVME_NAME_MAX - 1, text);
	snprintf(seen.controller, sizeof(seen.controller), "%.31s", name);
	if (read_of(CONTROLLERS, name, "state", text) < 0)
		return 0; /* it has gone meanwhile */
	snprintf(seen.state, sizeof(seen.state), "%.23s", text);
	if (read_of(CONTROLLERS, name, "address", text) < 0 || nvme_traddr(text, seen.address) < 0)
		seen.address[0] = '\0';
	return l->each(&seen, resource, l->arg);
}

int nvme_controllers(const u8 cluster[16], const char *node, nvme_controller_cb each, void *arg)
{
	struct listing l = { cluster, node, each, arg };
	char path[NVME_FILE_PATH_MAX];

	nvme_path(path, CONTROLLERS);
	return nvme_each(path, look_at_controller, &l);
}

/* The kernel answers when it is connected, or knows that it cannot be: a few seconds. */
static int connect_to(const struct nvme_initiator *want, const u8 hostid[16], struct err *err)
{
	char path[NVME_FILE_PATH_MAX], options[NVME_OPTIONS_MAX];
	int rv = nvme_options(want, hostid, options);

	if (rv < 0)
		return err_set(err, rv, "the names of an NVMe connection are too long");
	nvme_path(path, "/dev/nvme-fabrics");
	if (access(path, F_OK) < 0)
		return err_set(err, -ENODEV,
			       "the kernel's NVMe initiator is not there: modprobe nvme-tcp");
	rv = nvme_write(path, options);
	if (rv == 0 || rv == -EALREADY)
		return 0;
	return err_set(err, rv, "NVMe: no connection to %s port %d: %s%s", want->address, NVME_PORT,
		       err_name(rv),
		       rv == -EINVAL ? " (is nvme-tcp loaded? modprobe nvme-tcp)" : "");
}

static int disconnect(const struct nvme_initiator *seen, struct err *err)
{
	char path[NVME_FILE_PATH_MAX];
	int rv;

	nvme_path(path, CONTROLLERS "/%s/delete_controller", seen->controller);
	rv = nvme_write(path, "1");
	if (rv == 0 || rv == -ENOENT || rv == -ENODEV)
		return 0;
	return err_set(err, rv, "NVMe: controller %s does not go: %s", seen->controller,
		       err_name(rv));
}

int nvme_initiator_act(enum nvme_step step, const u8 hostid[16], const struct nvme_initiator *want,
		       const struct nvme_initiator *seen, struct err *err)
{
	return step == NVME_CONNECT      ? connect_to(want, hostid, err)
	       : step == NVME_DISCONNECT ? disconnect(seen, err)
					 : 0;
}

/* ---- devices ---- */

#define BLOCK "/sys/class/block"

struct looking { /* for a device */
	const char *subsystem;
	int number;
	const char *uuid;
	char *out;
	u64 *ret_bytes;
};

/* 1: it is that one */
static int is_device(const struct looking *l, const char *name)
{
	char text[NVME_FILE_MAX];

	if (strncmp(name, "nvme", 4) != 0 || strlen(name) >= NVME_DEVICE_MAX)
		return 0;
	if (read_of(BLOCK, name, "hidden", text) == 0 && strcmp(text, "1") == 0)
		return 0;
	if (read_of(BLOCK, name, "device/subsysnqn", text) < 0 || strcmp(text, l->subsystem) != 0)
		return 0; /* a partition has no such thing */
	if (read_of(BLOCK, name, "nsid", text) < 0 || strtol(text, NULL, 10) != l->number + 1)
		return 0;
	return read_of(BLOCK, name, "uuid", text) == 0 && strcasecmp(text, l->uuid) == 0;
}

static int look_at_device(const char *name, void *arg)
{
	struct looking *l = arg;
	char text[NVME_FILE_MAX];

	if (!is_device(l, name))
		return 0;
	if (read_of(BLOCK, name, "size", text) < 0)
		return 0;
	*l->ret_bytes = strtoull(text, NULL, 10) * SECTOR;
	snprintf(l->out, NVME_DEVICE_MAX, "%s", name);
	return -EEXIST; /* enough */
}

int nvme_device(const char *subsystem, int number, const char *uuid, char out[NVME_DEVICE_MAX],
		u64 *ret_bytes)
{
	struct looking l = { subsystem, number, uuid, out, ret_bytes };
	char path[NVME_FILE_PATH_MAX];

	out[0] = '\0';
	nvme_path(path, BLOCK);
	return nvme_each(path, look_at_device, &l) == -EEXIST ? 0 : -ENOENT;
}
