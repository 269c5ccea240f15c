/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * disks.h - the block devices of this node: what they are, what is on them, and whether a
 * pool may be made of them. Looking is blocking and belongs into a worker thread; a device
 * that does not answer costs DISK_PROBE_MS once and is passed over until it does.
 */
#ifndef SDSD_STORAGE_DISKS_H
#define SDSD_STORAGE_DISKS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define DISKS_MAX 256      /* listed of one node */
#define DISK_PROBE_MS 5000 /* what reading the content of one device may take */
#define DISK_MIN_BYTES (32ull << 20)
#define DISK_PATH_MAX 256
#define DISK_TEXT_MAX 160
#define DISK_PV_LEN 32 /* characters of the uuid of a physical volume of LVM, without hyphens */

struct disk {
	char name[64];             /* the kernel's: "sda1", "dm-0" */
	char path[DISK_PATH_MAX];  /* "/dev/sda1", "/dev/mapper/<name>" */
	char by_id[DISK_PATH_MAX]; /* a name that stays when disks are found in another order; "" */
	char model[64], serial[64];
	uint64_t size_bytes;
	bool rotational;
	char content[64];           /* "ext4", "partition table gpt", "LVM physical volume"; "" */
	char pv[DISK_PV_LEN + 1];   /* of a physical volume */
	char reason[DISK_TEXT_MAX]; /* why no pool can be made of it; "": it is usable */
	bool wipeable;              /* the reason is only what is on it */
};

/* What was found out of a device, to be judged. */
struct disk_facts {
	uint64_t size_bytes;
	bool read_only;
	bool silent;        /* reading it did not end in time */
	bool failed;        /* or it ended with an error */
	bool swap;          /* it or a partition of it */
	bool nvme;          /* a volume of ours on another node, reached by NVMe */
	char name[64];      /* as struct disk */
	char dm_uuid[160];  /* of a device of device-mapper */
	char dm_name[128];  /* the same */
	char holder[128];   /* the first that sits on it: "dm-0 (data-one)" */
	char mount[128];    /* where it, or a partition of it, is mounted */
	char partition[64]; /* its first one; "" */
	char content[64];
};

/* Fills ret->reason and ret->wipeable. Pure. */
void disk_judge(const struct disk_facts *f, struct disk *ret);
/* One of ours, LVM's or the kernel's own: nobody would look for it in a list of disks. Pure. */
bool disk_is_hidden(const struct disk_facts *f);
/* Where is a device mounted, by the text of /proc/self/mountinfo? number: "253:0", path may be "".
 * Pure. */
bool disk_mounted(const char *mountinfo, const char *number, const char *path, char *ret,
		  unsigned len);
/* Is it in the text of /proc/swaps? Pure. */
bool disk_swapped(const char *swaps, const char *path);
/* "abcdef-1234-..." as tools and probes print it, without hyphens; false: it is none. Pure. */
bool disk_pv_parse(const char *text, char ret[DISK_PV_LEN + 1]);

/* What is on a device, by its signatures: content and pv of ret. 0, -ETIMEDOUT, -errno. */
int disk_probe(const char *path, struct disk *ret);

/* Below root ("" but in tests) are sys, proc and dev. Returns how many were found, at most max. */
int disks_list(const char *root, struct disk *out, int max);
/* One device, also one that is not listed. -ENOENT, -E_INVALID: it is no block device */
int disks_find(const char *root, const char *path, struct disk *ret, struct err *err);
/* Calls for each partition of it until one fails; returns how many there are, or that failure. */
int disks_each_partition(const char *root, const struct disk *d,
			 int (*each)(const char *path, struct err *err), struct err *err);
/* Erases all signatures of it and of its partitions, and has the kernel forget these. The caller
 * has found that nothing uses it. */
int disks_wipe(const struct disk *d, struct err *err);
/* -EBUSY with a sentence: something has it open for itself, though nothing of that is shown */
int disks_claim(const struct disk *d, struct err *err);

#endif
