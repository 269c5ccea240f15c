// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nvme_target.c - a copy as the kernel's NVMe target shows it, by configfs. A namespace is the
 * number of its volume and one more: zero is none. All resources of a node share one port, which
 * goes with the last of them; several workers may be at it at once, so each step takes what
 * another has done a moment ago for its own, and what another has undone is done again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "replication/nvme_sys.h"

#define SERIAL_LEN 20 /* of a subsystem */

static void subsystem_path(char out[NVME_FILE_PATH_MAX], const char *subsystem, const char *more)
{
	nvme_path(out, NVME_TARGET_DIR "/subsystems/%s%s", subsystem, more);
}

static void space_path(char out[NVME_FILE_PATH_MAX], const char *subsystem, int number,
		       const char *more)
{
	nvme_path(out, NVME_TARGET_DIR "/subsystems/%s/namespaces/%d%s", subsystem, number + 1,
		  more);
}

static void port_path(char out[NVME_FILE_PATH_MAX], const char *more)
{
	nvme_path(out, NVME_TARGET_DIR "/ports/%d%s", NVME_PORT, more);
}

static void host_path(char out[NVME_FILE_PATH_MAX], const char *host)
{
	nvme_path(out, NVME_TARGET_DIR "/hosts/%s", host);
}

static void allowed_path(char out[NVME_FILE_PATH_MAX], const char *subsystem, const char *host)
{
	nvme_path(out, NVME_TARGET_DIR "/subsystems/%s/allowed_hosts/%s", subsystem, host);
}

static void shown_path(char out[NVME_FILE_PATH_MAX], const char *subsystem)
{
	nvme_path(out, NVME_TARGET_DIR "/ports/%d/subsystems/%s", NVME_PORT, subsystem);
}

static bool is_there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

int nvme_target_there(struct err *err)
{
	char path[NVME_FILE_PATH_MAX];

	nvme_path(path, NVME_TARGET_DIR);
	if (is_there(path))
		return 0;
	return err_set(
		err, -ENODEV,
		"the kernel's NVMe target is not there: modprobe nvmet-tcp, and configfs has "
		"to be mounted on /sys/kernel/config");
}

/* ---- what is there ---- */

static int add_host(const char *name, void *arg)
{
	struct nvme_target *t = arg;

	/* of more than there are nodes some stay unseen until others have been dropped */
	if (t->n_hosts < PLANE_SLOTS && strlen(name) < NVME_NAME_MAX)
		snprintf(t->host[t->n_hosts++], NVME_NAME_MAX, "%s", name);
	return 0;
}

static void look_at_space(const char *subsystem, int number, u64 told, struct nvme_space *ret)
{
	char path[NVME_FILE_PATH_MAX], text[NVME_FILE_MAX];

	space_path(path, subsystem, number, "");
	ret->there = is_there(path);
	if (!ret->there)
		return;
	space_path(path, subsystem, number, "/enable");
	ret->enabled = nvme_read(path, text) == 0 && strcmp(text, "1") == 0;
	space_path(path, subsystem, number, "/device_path");
	nvme_read(path, text);
	snprintf(ret->path, sizeof(ret->path), "%.*s", NVME_PATH_MAX - 1, text);
	space_path(path, subsystem, number, "/device_uuid");
	nvme_read(path, text);
	snprintf(ret->uuid, sizeof(ret->uuid), "%.36s", text);
	ret->size_bytes = ret->enabled ? told : 0;
}

static bool port_has(const char *file, const char *value)
{
	char path[NVME_FILE_PATH_MAX], text[NVME_FILE_MAX];

	port_path(path, file);
	return nvme_read(path, text) == 0 && strcmp(text, value) == 0;
}

static bool port_is_ours(void)
{
	char service[12];

	snprintf(service, sizeof(service), "%d", NVME_PORT);
	return port_has("/addr_trsvcid", service) && port_has("/addr_trtype", "tcp");
}

void nvme_target_look(const char *subsystem, const char *address, const u64 told[PLANE_VOLUMES],
		      struct nvme_target *ret)
{
	char path[NVME_FILE_PATH_MAX], text[NVME_FILE_MAX];

	memset(ret, 0, sizeof(*ret));
	subsystem_path(path, subsystem, "");
	ret->there = is_there(path);
	ret->port = port_is_ours() && port_has("/addr_traddr", address);
	if (!ret->there)
		return;
	subsystem_path(path, subsystem, "/attr_allow_any_host");
	ret->any_host = nvme_read(path, text) < 0 || strcmp(text, "0") != 0;
	subsystem_path(path, subsystem, "/allowed_hosts");
	nvme_each(path, add_host, ret);
	for (int i = 0; i < PLANE_VOLUMES; i++)
		look_at_space(subsystem, i, told[i], &ret->space[i]);
	shown_path(path, subsystem);
	ret->shown = is_there(path);
}

/* ---- the steps ---- */

/* another worker may have been faster */
static int make_folder(const char *path)
{
	return mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

static int drop_folder(const char *path)
{
	return rmdir(path) < 0 && errno != ENOENT ? -errno : 0;
}

static int drop_link(const char *path)
{
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

/* The same number each time: a client that is connected takes another one for another target. */
static int make_subsystem(const struct nvme_place *at)
{
	char path[NVME_FILE_PATH_MAX], hex[2 * sizeof(at->resource) + 1];
	int rv;

	subsystem_path(path, at->subsystem, "");
	rv = make_folder(path);
	if (rv < 0)
		return rv;
	text_hex(at->resource, sizeof(at->resource), hex);
	hex[SERIAL_LEN] = '\0';
	subsystem_path(path, at->subsystem, "/attr_serial");
	return nvme_write(path, hex);
}

static int make_space(const struct nvme_place *at, int i, const struct nvme_space *want)
{
	char path[NVME_FILE_PATH_MAX];
	int rv;

	space_path(path, at->subsystem, i, "");
	rv = make_folder(path);
	if (rv < 0)
		return rv;
	space_path(path, at->subsystem, i, "/device_path");
	rv = nvme_write(path, want->path);
	if (rv < 0)
		return rv;
	space_path(path, at->subsystem, i, "/device_uuid");
	rv = nvme_write(path, want->uuid);
	if (rv < 0)
		return rv;
	space_path(path, at->subsystem, i, "/enable");
	return nvme_write(path, "1");
}

static int drop_space(const struct nvme_place *at, int i)
{
	char path[NVME_FILE_PATH_MAX];
	int rv;

	space_path(path, at->subsystem, i, "/enable");
	rv = nvme_write(path, "0");
	if (rv < 0 && rv != -ENOENT)
		return rv;
	space_path(path, at->subsystem, i, "");
	return drop_folder(path);
}

/* The kernel reads the size again and tells those who are connected. */
static int tell_size(const struct nvme_place *at, int i, u64 bytes, u64 *told)
{
	char path[NVME_FILE_PATH_MAX];
	int rv;

	space_path(path, at->subsystem, i, "/revalidate_size");
	rv = nvme_write(path, "1");
	if (rv == 0)
		*told = bytes;
	return rv;
}

static int make_host(const struct nvme_place *at, const char *host)
{
	char path[NVME_FILE_PATH_MAX], link[NVME_FILE_PATH_MAX];
	int rv;

	host_path(path, host);
	rv = make_folder(path);
	if (rv < 0)
		return rv;
	allowed_path(link, at->subsystem, host);
	return symlink(path, link) < 0 && errno != EEXIST ? -errno : 0;
}

static int drop_host(const struct nvme_place *at, const char *host)
{
	char path[NVME_FILE_PATH_MAX];
	int rv;

	allowed_path(path, at->subsystem, host);
	rv = drop_link(path);
	if (rv < 0)
		return rv;
	host_path(path, host);
	rmdir(path); /* it is busy where another subsystem names it, too */
	return 0;
}

static int set_port(const struct nvme_place *at, struct err *err)
{
	const char *const value[][2] = {
		{ "/addr_trtype", "tcp" },
		{ "/addr_adrfam", at->v6 ? "ipv6" : "ipv4" },
		{ "/addr_traddr", at->address },
		{ "/addr_trsvcid", NULL },
	};
	char path[NVME_FILE_PATH_MAX], service[12];
	int rv;

	snprintf(service, sizeof(service), "%d", NVME_PORT);
	port_path(path, "");
	if (is_there(path) && !port_is_ours() && !port_has("/addr_trsvcid", ""))
		return err_set(
			err, -E_EXISTS,
			"port %d of the kernel's NVMe target is somebody else's, as %s/ports "
			"has it",
			NVME_PORT, NVME_TARGET_DIR);
	rv = make_folder(path);
	for (int i = 0; rv == 0 && i < (int)PORT_ARRAY_SIZE(value); i++) {
		const char *text = value[i][1] ? value[i][1] : service;

		if (port_has(value[i][0], text))
			continue;
		port_path(path, value[i][0]);
		rv = nvme_write(path, text);
	}
	return rv;
}

/* that makes the kernel listen, with the first one */
static int show(const struct nvme_place *at, struct err *err)
{
	char path[NVME_FILE_PATH_MAX], link[NVME_FILE_PATH_MAX];

	subsystem_path(path, at->subsystem, "");
	shown_path(link, at->subsystem);
	if (symlink(path, link) == 0 || errno == EEXIST)
		return 0;
	return err_set(err, -errno,
		       "the kernel does not listen on %s port %d for NVMe: %s (is nvmet-tcp "
		       "loaded? modprobe nvmet-tcp)",
		       at->address, NVME_PORT, err_name(-errno));
}

void nvme_target_tidy(void)
{
	char path[NVME_FILE_PATH_MAX];

	port_path(path, "");
	if (port_is_ours())
		rmdir(path); /* one that shows something is not empty */
}

static int hide(const struct nvme_place *at)
{
	char path[NVME_FILE_PATH_MAX];
	int rv;

	shown_path(path, at->subsystem);
	rv = drop_link(path);
	if (rv == 0)
		nvme_target_tidy();
	return rv;
}

static int act(const struct nvme_place *at, enum nvme_step step, int i,
	       const struct nvme_target *want, const struct nvme_target *seen,
	       u64 told[PLANE_VOLUMES], struct err *err)
{
	char path[NVME_FILE_PATH_MAX];

	switch (step) {
	case NVME_MAKE:
		return make_subsystem(at);
	case NVME_CLOSE:
		subsystem_path(path, at->subsystem, "/attr_allow_any_host");
		return nvme_write(path, "0");
	case NVME_SPACE_MAKE:
		told[i] = 0;
		return make_space(at, i, &want->space[i]);
	case NVME_SPACE_TELL:
		return tell_size(at, i, want->space[i].size_bytes, &told[i]);
	case NVME_SPACE_DROP:
		return drop_space(at, i);
	case NVME_HOST_MAKE:
		return make_host(at, want->host[i]);
	case NVME_HOST_DROP:
		return drop_host(at, seen->host[i]);
	case NVME_PORT_SET:
		return set_port(at, err);
	case NVME_SHOW:
		return show(at, err);
	case NVME_HIDE:
		return hide(at);
	case NVME_DROP:
		subsystem_path(path, at->subsystem, "");
		return drop_folder(path);
	default:
		return 0;
	}
}

int nvme_target_act(const struct nvme_place *at, enum nvme_step step, int i,
		    const struct nvme_target *want, const struct nvme_target *seen,
		    u64 told[PLANE_VOLUMES], struct err *err)
{
	struct err why = { 0 };
	int rv = act(at, step, i, want, seen, told, &why);

	if (rv < 0 && why.code)
		return err_set(err, rv, "%s", why.text);
	if (rv < 0)
		return err_set(err, rv, "the kernel's NVMe target refuses %s: %s",
			       nvme_step_name(step), err_name(rv));
	return 0;
}
