// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_disks.c - which devices are found, what is said of them and what is judged
 * of it, in a sysfs of files; a pipe stands for a disk that does not answer.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "storage/disks.h"

static char root[64];

/* --- judging ---------------------------------------------------------------- */

static const struct disk_facts fine = { .name = "sda", .size_bytes = 1ull << 40 };

static void judged(const struct disk_facts *f, const char *reason, bool wipeable)
{
	struct disk d;

	memset(&d, 0xff, sizeof(d));
	disk_judge(f, &d);
	cr_expect_str_eq(d.reason, reason);
	cr_expect_eq(d.wipeable, wipeable, "%s", reason);
}

Test(disks, judge)
{
	struct disk_facts f = fine;

	judged(&f, "", false);
	snprintf(f.content, sizeof(f.content), "ext4");
	judged(&f, "it is not empty: ext4", true);
	snprintf(f.partition, sizeof(f.partition), "sda1");
	judged(&f, "it has partitions (sda1)", true);
	f.failed = true;
	judged(&f, "it cannot be read", false);
	snprintf(f.holder, sizeof(f.holder), "dm-0 (data-one)");
	judged(&f, "it is held by dm-0 (data-one)", false);
	f.swap = true;
	judged(&f, "it is in use as swap", false);
	snprintf(f.mount, sizeof(f.mount), "/home");
	judged(&f, "it is mounted at /home", false);
	f.read_only = true;
	judged(&f, "it is read-only", false);
	f.size_bytes = DISK_MIN_BYTES - 512;
	judged(&f, "it is smaller than 32 MiB", false);
	f.silent = true;
	judged(&f, "it does not answer: nothing was read in 5 s", false);
}

Test(disks, judge_kinds)
{
	static const struct {
		const char *name, *uuid, *dm, *reason;
		bool hidden;
	} rows[] = {
		{ "rvol1000", "", "", "it is a volume of sdsd", true },
		{ "nbd3", "", "", "it is a network block device", false },
		{ "sr0", "", "", "it is an optical drive", false },
		{ "ram0", "", "", "it is memory, not a disk", true },
		{ "zram0", "", "", "it is memory, not a disk", true },
		{ "zd16", "", "", "it is a volume of ZFS", true },
		{ "dm-0", "LVM-abc", "vg-one", "it is a logical volume of LVM (vg-one)", true },
		{ "dm-1", "CRYPT-x", "sdsd-luks", "it is a device of sdsd (sdsd-luks)", true },
		{ "dm-2", "mpath-36", "mpatha", "", false },
		{ "nvme0n1", "", "", "", false },
	};
	struct disk_facts by_nvme = fine;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct disk_facts f = { .size_bytes = 1ull << 40 };

		snprintf(f.name, sizeof(f.name), "%s", rows[i].name);
		snprintf(f.dm_uuid, sizeof(f.dm_uuid), "%s", rows[i].uuid);
		snprintf(f.dm_name, sizeof(f.dm_name), "%s", rows[i].dm);
		judged(&f, rows[i].reason, false);
		cr_expect_eq(disk_is_hidden(&f), rows[i].hidden, "%s", rows[i].name);
	}
	cr_expect(disk_is_hidden(&(struct disk_facts){ .name = "loop0" }), "nothing is in it");
	by_nvme.nvme = true;
	judged(&by_nvme, "it is a volume of sdsd", false);
	cr_expect(disk_is_hidden(&by_nvme), "a volume by NVMe");
}

static const char mountinfo[] = "22 28 0:21 / /sys rw,nosuid - sysfs sysfs rw\n"
				"28 1 253:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n"
				"40 28 0:35 / /data rw shared:20 - btrfs /dev/sdb rw,space_cache\n"
				"41 28 253:16 / /mnt/with\\040blank rw - xfs /dev/vdb rw\n";

Test(disks, mounted)
{
	char at[64];

	cr_expect(disk_mounted(mountinfo, "253:1", "/dev/vda1", at, sizeof(at)));
	cr_expect_str_eq(at, "/");
	cr_expect(disk_mounted(mountinfo, "8:16", "/dev/sdb", at, sizeof(at)), "by its source");
	cr_expect_str_eq(at, "/data");
	cr_expect(disk_mounted(mountinfo, "253:16", "", at, sizeof(at)));
	cr_expect_str_eq(at, "/mnt/with\\040blank");
	cr_expect_not(disk_mounted(mountinfo, "253:0", "/dev/vda", at, sizeof(at)));
	cr_expect_not(disk_mounted(mountinfo, "25", "/dev/sd", at, sizeof(at)), "no prefixes");
	cr_expect_not(disk_mounted("", "253:0", "/dev/vda", at, sizeof(at)));
	cr_expect_not(disk_mounted("1 2\n\n - ", "253:0", "/dev/vda", at, sizeof(at)));
}

Test(disks, swapped)
{
	static const char swaps[] = "Filename\tType\tSize\tUsed\tPriority\n"
				    "/dev/vda2                  partition\t1\t0\t-2\n";

	cr_expect(disk_swapped(swaps, "/dev/vda2"));
	cr_expect_not(disk_swapped(swaps, "/dev/vda"));
	cr_expect_not(disk_swapped("", "/dev/vda"));
}

Test(disks, pv)
{
	char pv[DISK_PV_LEN + 1];

	cr_expect(disk_pv_parse("abcdef-0123-4567-89ab-cdef-0123-456789", pv));
	cr_expect_str_eq(pv, "abcdef0123456789abcdef0123456789");
	cr_expect_not(disk_pv_parse("abcdef", pv));
	cr_expect_not(disk_pv_parse("", pv));
	cr_expect_not(disk_pv_parse("abcdef-0123-4567-89ab-cdef-0123-4567890", pv));
}

/* --- finding ---------------------------------------------------------------- */

static void put(const char *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put(const char *text, const char *fmt, ...)
{
	char path[512], name[256], folder[512];
	va_list ap;
	int fd;

	va_start(ap, fmt);
	vsnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);
	snprintf(path, sizeof(path), "%s/%s", root, name);
	snprintf(folder, sizeof(folder), "%s", path);
	*strrchr(folder, '/') = '\0';
	cr_assert_eq(fs_mkdir(folder, 0755, NULL), 0);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void link_to(const char *target, const char *name)
{
	char path[512];

	put("", "%s", name);
	snprintf(path, sizeof(path), "%s/%s", root, name);
	cr_assert_eq(unlink(path), 0);
	cr_assert_eq(symlink(target, path), 0);
}

/* a disk of 64 MiB, or a partition of one, with a file for its content */
static void device(const char *disk, const char *name)
{
	char below[128], class[128], target[192], node[128];

	if (strcmp(disk, name) == 0)
		snprintf(below, sizeof(below), "sys/devices/%s", disk);
	else
		snprintf(below, sizeof(below), "sys/devices/%s/%s", disk, name);
	put("131072\n", "%s/size", below);
	put("0\n", "%s/ro", below);
	put("7:7\n", "%s/dev", below);
	put("", "%s/holders/.keep", below);
	if (strcmp(disk, name) != 0)
		put("1\n", "%s/partition", below);
	snprintf(target, sizeof(target), "%s/%s", root, below);
	snprintf(class, sizeof(class), "sys/class/block/%s", name);
	link_to(target, class);
	snprintf(class, sizeof(class), "sys/block/%s", name);
	if (strcmp(disk, name) == 0)
		link_to(target, class);
	put("", "dev/%s", name);
	snprintf(node, sizeof(node), "%s/dev/%s", root, name);
	cr_assert_eq(truncate(node, 64 << 20), 0);
}

static void begin(void)
{
	snprintf(root, sizeof(root), "/tmp/test-disks-XXXXXX");
	cr_assert(mkdtemp(root));
	put("", "proc/self/mountinfo");
	put("", "proc/swaps");
}

static void end(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", root);
	cr_assert_eq(system(command), 0);
}

/* a boot sector with one partition, which is all that libblkid wants of a table */
static void write_table(const char *name)
{
	unsigned char sector[512] = { 0 };
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/dev/%s", root, name);
	fd = open(path, O_WRONLY);
	sector[446 + 4] = 0x83;
	sector[446 + 9] = 8; /* begins at sector 2048 */
	sector[446 + 13] = 8;
	sector[510] = 0x55;
	sector[511] = 0xaa;
	cr_assert_eq(pwrite(fd, sector, sizeof(sector), 0), (ssize_t)sizeof(sector));
	close(fd);
}

static void write_pv(const char *name)
{
	unsigned char label[512] = "LABELONE\1\0\0\0\0\0\0\0";
	uint32_t crc = 0xf597a6cf;
	char path[128];
	int fd;

	/* in sector 1: where its header is, the type, there the uuid; the sum has to be right */
	memcpy(label + 20, "\x20\0\0\0LVM2 001", 12);
	memcpy(label + 32, "sdsd0123456789abcdef0123456789ab", 32);
	for (size_t i = 20; i < 512; i++) {
		crc ^= label[i];
		for (int k = 0; k < 8; k++)
			crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
	}
	memcpy(label + 16, &crc, 4);
	snprintf(path, sizeof(path), "%s/dev/%s", root, name);
	fd = open(path, O_WRONLY);
	cr_assert_eq(pwrite(fd, label, sizeof(label), 512), (ssize_t)sizeof(label));
	close(fd);
}

Test(disks, list, .init = begin, .fini = end)
{
	struct disk d[8];

	device("vda", "vda");
	device("vda", "vda1");
	device("vdb", "vdb");
	device("vdc", "vdc");
	device("rvol1000", "rvol1000");
	put("7:7\n", "sys/devices/vdc/holders/dm-3/x");
	put("vg-one\n", "sys/class/block/dm-3/dm/name");
	put("42 1 9:9 / /home rw - ext4 /dev/vda1 rw\n", "proc/self/mountinfo");
	put("QEMU HARDDISK   \n", "sys/devices/vdb/device/model");
	put("s-17", "sys/devices/vdb/serial");
	put("1\n", "sys/devices/vdb/queue/rotational");
	link_to("../../vdb", "dev/disk/by-id/wwn-0x5000");
	link_to("../../vdb", "dev/disk/by-id/virtio-s-17");
	write_table("vda");
	write_pv("vdc");
	cr_assert_eq(disks_list(root, d, 8), 4);
	cr_expect_str_eq(d[0].path, "/dev/vda");
	cr_expect_str_eq(d[0].content, "partition table dos");
	cr_expect_str_eq(d[0].reason, "it is mounted at /home", "its partition is");
	cr_expect_str_eq(d[1].path, "/dev/vda1");
	cr_expect_str_eq(d[1].reason, "it is mounted at /home");
	cr_expect_str_eq(d[2].path, "/dev/vdb");
	cr_expect_str_eq(d[2].reason, "");
	cr_expect_str_eq(d[2].model, "QEMU HARDDISK");
	cr_expect_str_eq(d[2].serial, "s-17");
	cr_expect_str_eq(d[2].by_id, "/dev/disk/by-id/virtio-s-17");
	cr_expect(d[2].rotational);
	cr_expect_eq(d[2].size_bytes, 64ull << 20);
	cr_expect_str_eq(d[3].content, "LVM physical volume");
	cr_expect_str_eq(d[3].pv, "sdsd0123456789abcdef0123456789ab");
	cr_expect_str_eq(d[3].reason, "it is held by dm-3 (vg-one)");
	cr_expect_eq(disks_list(root, d, 2), 2, "no more than there is room for");
}

Test(disks, find, .init = begin, .fini = end)
{
	struct disk d;
	struct err err;

	device("vda", "vda");
	device("vda", "vda1");
	put("Filename\n/dev/vda1 partition 1 0 -2\n", "proc/swaps");
	cr_assert_eq(disks_find(root, "/dev/vda1", &d, &err), 0);
	cr_expect_str_eq(d.reason, "it is in use as swap");
	put("", "proc/swaps");
	cr_assert_eq(disks_find(root, "/dev/vda", &d, &err), 0);
	cr_expect_str_eq(d.reason, "it has partitions (vda1)");
	cr_expect(d.wipeable);
	cr_expect_eq(disks_find(root, "/dev/vdz", &d, &err), -ENOENT);
	cr_expect_str_eq(err.text, "device /dev/vdz: there is no such device");
	cr_expect_eq(disks_find("", "/tmp", &d, &err), -E_INVALID);
	cr_expect_str_eq(err.text, "device /tmp: it is no block device");
}

Test(disks, silent, .init = begin, .fini = end, .timeout = 60)
{
	struct disk d;
	char path[128];
	int fd;

	device("vda", "vda");
	snprintf(path, sizeof(path), "%s/dev/vda", root);
	cr_assert_eq(unlink(path), 0);
	cr_assert_eq(mkfifo(path, 0600), 0);
	for (int i = 0; i < 2; i++) { /* the second time it is known at once */
		cr_assert_eq(disks_find(root, "/dev/vda", &d, NULL), 0);
		cr_expect_str_eq(d.reason, "it does not answer: nothing was read in 5 s");
		cr_expect_not(d.wipeable);
	}
	fd = open(path, O_WRONLY); /* what was left behind goes on, and ends */
	cr_assert_geq(fd, 0);
	close(fd);
	cr_assert_eq(unlink(path), 0);
	put("", "dev/vda");
	cr_assert_eq(truncate(path, 64 << 20), 0);
	for (int i = 0; i < 500 && disks_find(root, "/dev/vda", &d, NULL) == 0 && d.reason[0]; i++)
		usleep(10000);
	cr_expect_str_eq(d.reason, "", "it answers again");
}
