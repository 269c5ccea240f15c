// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tests of what replication/nvme_*.c read: a folder with the files that the kernel has, with ours
 * and with those of strangers. What is written only a kernel can judge (test/vm/case_nvme.py).
 */
#include "replication/nvme_sys.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "support/scratch_dir.h"

#define UUID "02000000-0000-0000-0000-000000000000"
#define SUBSYSTEM NVME_PREFIX "copy:01000000-0000-0000-0000-000000000000:n1:" UUID
#define HOST NVME_PREFIX "host:01000000-0000-0000-0000-000000000000:n2:" UUID
#define TARGET NVME_TARGET_DIR "/subsystems/" SUBSYSTEM

static const u8 cluster[16] = { 1 }, resource[16] = { 2 };
static char root[64];

static void setup(void)
{
	scratch_make(root);
	nvme_sys_fake(root);
}

static void teardown(void)
{
	nvme_sys_fake(NULL);
	scratch_remove(root);
}

TestSuite(nvme_sys, .init = setup, .fini = teardown);

static void folder(const char *path)
{
	char full[NVME_FILE_PATH_MAX];

	nvme_path(full, "%s", path);
	cr_assert_eq(fs_mkdir(full, 0755, NULL), 0, "%s", full);
}

static void put(const char *dir, const char *name, const char *text)
{
	char full[NVME_FILE_PATH_MAX];
	FILE *f;

	folder(dir);
	nvme_path(full, "%s/%s", dir, name);
	f = fopen(full, "w");
	cr_assert(f, "%s", full);
	fputs(text, f);
	fclose(f);
}

static void put_link(const char *to, const char *dir, const char *name)
{
	char full[NVME_FILE_PATH_MAX];

	folder(dir);
	nvme_path(full, "%s/%s", dir, name);
	cr_assert_eq(symlink(to, full), 0, "%s", full);
}

Test(nvme_sys, no_target)
{
	struct nvme_target t;
	const u64 told[PLANE_VOLUMES] = { 0 };
	struct err err = { 0 };

	cr_expect_eq(nvme_target_there(&err), -ENODEV);
	cr_expect(strstr(err.text, "modprobe nvmet-tcp"), "%s", err.text);
	nvme_target_look(SUBSYSTEM, "10.0.0.1", told, &t);
	cr_expect(!t.there && !t.shown && !t.port);
}

static void put_target(void)
{
	put(TARGET, "attr_allow_any_host", "0\n");
	put(TARGET "/namespaces/2", "enable", "1\n");
	put(TARGET "/namespaces/2", "device_path", "/dev/vg/db_00001\n");
	put(TARGET "/namespaces/2", "device_uuid", UUID "\n");
	put_link("x", TARGET "/allowed_hosts", HOST);
	put(NVME_TARGET_DIR "/ports/3373", "addr_trtype", "tcp\n");
	put(NVME_TARGET_DIR "/ports/3373", "addr_traddr", "10.0.0.1\n");
	put(NVME_TARGET_DIR "/ports/3373", "addr_trsvcid", "3373\n");
	put_link("x", NVME_TARGET_DIR "/ports/3373/subsystems", SUBSYSTEM);
}

Test(nvme_sys, target)
{
	const u64 told[PLANE_VOLUMES] = { 1, 4096 };
	struct nvme_target t;
	struct err err = { 0 };

	put_target();
	cr_expect_eq(nvme_target_there(&err), 0);
	nvme_target_look(SUBSYSTEM, "10.0.0.1", told, &t);
	cr_expect(t.there && t.shown && t.port && !t.any_host);
	cr_expect_eq(t.n_hosts, 1);
	cr_expect_str_eq(t.host[0], HOST);
	cr_expect(!t.space[0].there && t.space[1].there && t.space[1].enabled);
	cr_expect_str_eq(t.space[1].path, "/dev/vg/db_00001");
	cr_expect_str_eq(t.space[1].uuid, UUID);
	cr_expect_eq(t.space[1].size_bytes, 4096);
	nvme_target_look(SUBSYSTEM, "10.0.0.9", told, &t);
	cr_expect(t.shown && !t.port, "the node has another address");
	put(TARGET, "attr_allow_any_host", "1\n");
	put(TARGET "/namespaces/2", "enable", "0\n");
	nvme_target_look(SUBSYSTEM, "10.0.0.1", told, &t);
	cr_expect(t.any_host && !t.space[1].enabled);
	cr_expect_eq(t.space[1].size_bytes, 0, "it was told of an enabled one");
}

/* a port of that number which is not ours stays as it is */
Test(nvme_sys, a_strangers_port)
{
	struct nvme_place at = { .subsystem = SUBSYSTEM, .address = "10.0.0.1" };
	char path[NVME_FILE_PATH_MAX], text[NVME_FILE_MAX];
	struct nvme_target t = { 0 };
	u64 told[PLANE_VOLUMES] = { 0 };
	struct err err = { 0 };

	put_target();
	put(NVME_TARGET_DIR "/ports/3373", "addr_trsvcid", "4420\n");
	cr_expect_eq(nvme_target_act(&at, NVME_PORT_SET, 0, &t, &t, told, &err), -E_EXISTS);
	cr_expect(strstr(err.text, "somebody else's"), "%s", err.text);
	nvme_path(path, NVME_TARGET_DIR "/ports/3373/addr_trsvcid");
	cr_expect_eq(nvme_read(path, text), 0);
	cr_expect_str_eq(text, "4420");
}

static int n_seen;
static struct nvme_initiator last;

static int note(const struct nvme_initiator *seen, const u8 of[16], void *arg)
{
	cr_expect_arr_eq(of, resource, 16);
	n_seen++;
	last = *seen;
	return 0;
}

static void put_controller(const char *dir, const char *host, const char *subsystem)
{
	put(dir, "hostnqn", host);
	put(dir, "subsysnqn", subsystem);
	put(dir, "state", "deleting (no IO)\n");
	put(dir, "address", "traddr=10.0.0.1,trsvcid=3373,src_addr=10.0.0.2\n");
}

Test(nvme_sys, controllers)
{
	cr_expect_eq(nvme_controllers(cluster, "n2", note, NULL), 0);
	put_controller("/sys/class/nvme/nvme0", "nqn.2014-08.org.nvmexpress:uuid:x", SUBSYSTEM);
	put_controller("/sys/class/nvme/nvme1", HOST "\n", "nqn.2014-08.org.example:disk\n");
	put("/sys/class/nvme/nvme3", "state", "live\n"); /* of a PCI one */
	cr_expect_eq(nvme_controllers(cluster, "n2", note, NULL), 0);
	cr_expect_eq(n_seen, 0, "strangers");
	put_controller("/sys/class/nvme/nvme2", HOST "\n", SUBSYSTEM "\n");
	cr_expect_eq(nvme_controllers(cluster, "n3", note, NULL), 0);
	cr_expect_eq(n_seen, 0, "another node's");
	cr_expect_eq(nvme_controllers(cluster, "N2", note, NULL), 0);
	cr_expect_eq(n_seen, 1);
	cr_expect_str_eq(last.controller, "nvme2");
	cr_expect_str_eq(last.state, "deleting (no IO)");
	cr_expect_str_eq(last.address, "10.0.0.1");
	cr_expect_str_eq(last.subsystem, SUBSYSTEM);
}

static void put_device(const char *name, const char *subsystem, const char *number,
		       const char *uuid)
{
	char dir[256], below[300];

	snprintf(dir, sizeof(dir), "/sys/class/block/%s", name);
	snprintf(below, sizeof(below), "%s/device", dir);
	put(below, "subsysnqn", subsystem);
	put(dir, "nsid", number);
	put(dir, "uuid", uuid);
	put(dir, "size", "131072\n");
	put(dir, "hidden", "0\n");
}

Test(nvme_sys, devices)
{
	char name[NVME_DEVICE_MAX];
	u64 bytes;

	cr_expect_eq(nvme_device(SUBSYSTEM, 0, UUID, name, &bytes), -ENOENT);
	put_device("nvme0n1", "nqn.2014-08.org.example:disk\n", "1\n", UUID "\n");
	put_device("nvme1c1n1", SUBSYSTEM "\n", "1\n", UUID "\n");
	put("/sys/class/block/nvme1c1n1", "hidden", "1\n");
	put_device("nvme1n2", SUBSYSTEM "\n", "2\n", UUID "\n");
	put_device("nvme1n3", SUBSYSTEM "\n", "1\n", "00000000-0000-0000-0000-000000000009\n");
	put("/sys/class/block/nvme0n1p1", "size", "8\n");
	cr_expect_eq(nvme_device(SUBSYSTEM, 0, UUID, name, &bytes), -ENOENT);
	cr_expect_str_eq(name, "");
	put_device("nvme1n1", SUBSYSTEM "\n", "1\n", UUID "\n");
	cr_expect_eq(nvme_device(SUBSYSTEM, 0, UUID, name, &bytes), 0);
	cr_expect_str_eq(name, "nvme1n1");
	cr_expect_eq(bytes, 64 << 20);
}

Test(nvme_sys, who_uses_a_device)
{
	put("/proc/self", "mounts", "/dev/nvme1n10 /a ext4 rw 0 0\n/dev/vda /b ext4 rw 0 0\n");
	put("/proc", "swaps", "Filename Type\n/dev/nvme1n1q1 partition 1 0\n");
	put_link("/dev/nvme1n2", "/proc/7/fd", "3");
	put_link("socket:[12]", "/proc/8/fd", "4");
	folder("/sys/class/block/nvme1n1/holders");
	cr_expect(!nvme_is_open("nvme1n1"), "nobody");
	cr_expect(nvme_is_open("nvme1n10"), "mounted");
	cr_expect(nvme_is_open("nvme1n2"), "a process");
	put("/proc", "swaps", "Filename Type\n/dev/nvme1n1p1 partition 1 0\n");
	cr_expect(nvme_is_open("nvme1n1"), "swap on a partition");
	put("/proc", "swaps", "");
	folder("/sys/class/block/nvme1n1/holders/dm-0");
	cr_expect(nvme_is_open("nvme1n1"), "a device above it");
}

Test(nvme_sys, no_initiator)
{
	struct nvme_initiator want = {
		.there = true, .address = "10.0.0.1", .subsystem = "s", .host = "h"
	};
	struct err err = { 0 };

	cr_expect_eq(nvme_initiator_act(NVME_CONNECT, resource, &want, &want, &err), -ENODEV);
	cr_expect(strstr(err.text, "modprobe nvme-tcp"), "%s", err.text);
}

/* of a resource that cannot be served a job says why, and ends */
Test(nvme_sys, a_job_without_a_kernel)
{
	struct plane_volume volume = { .size_bytes = 4096, .data_path = "/x" };
	struct nvme_job j = { .node = "n1", .wanted = true };

	j.r = (struct plane_resource){ .n_volumes = 1, .volume = &volume };
	j.r.peer[0] = (struct plane_peer){ .used = true, .address = "10.0.0.1" };
	nvme_job_run(&j);
	cr_expect(!j.settled && strstr(j.err.text, "modprobe nvmet-tcp"), "%s", j.err.text);
	volume.data_path = NULL;
	j.r.peer[0].diskless = true;
	j.err = (struct err){ 0 };
	nvme_job_run(&j);
	cr_expect(!j.settled && strstr(j.err.text, "out of service"), "%s", j.err.text);
	j.wanted = false;
	j.err = (struct err){ 0 };
	nvme_job_run(&j);
	cr_expect(j.settled, "nothing there, nothing to do: %s", j.err.text);
}
