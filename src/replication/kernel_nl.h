/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel_nl.h - what is said to the kernel module (kmod/uapi/rvol.h) and what it
 * answers, in structs. A kernel_port is the way there: kernel_nl.c's goes over
 * generic netlink, tests have one that plays the module. Nothing else knows
 * netlink. request, status, dump and the three of devices may be called by any
 * thread.
 */
#ifndef SDSD_REPLICATION_KERNEL_NL_H
#define SDSD_REPLICATION_KERNEL_NL_H

#include <linux/types.h>

#include "base/err.h"
#include "kmod/uapi/rvol.h"
#include "replication/loopdev.h"

#define KERNEL_NL_WAIT_MS 10000 /* no answer for so long: -ETIMEDOUT */
#define KERNEL_AHEAD_MAX 32768  /* two records of TLS: more is never read ahead */

/* of kernel_request.with */
#define KERNEL_WITH(attr) (1ull << RVOL_A_##attr)
/* not said to an older module that does not know them: it does without */
#define KERNEL_MAY_LACK                                                            \
	(KERNEL_WITH(DISCARD) | KERNEL_WITH(BELOW_PATH) | KERNEL_WITH(BELOW_OFF) | \
	 KERNEL_WITH(BELOW_DISCARDS))

/* One command; the attributes that count are those of the mask. Pointers are borrowed. */
struct kernel_request {
	enum rvol_cmd cmd;
	u8 uuid[RVOL_UUID_BYTES]; /* always */
	u64 with;
	const char *name, *data_path, *meta_path, *below_path;
	u8 self, slot, number, read_policy, handover, copy_writes, below_discards, accepted, on,
		purpose;
	u8 state_copy, hot_copy;
	const u8 *state_page, *hot_page; /* RVOL_META_PAGE bytes each */
	u32 copies, node, tag_counter, minor, link, renew;
	u32 deadline_ms, discard, block;
	u64 boot, seed, size, copy_size, below_off, token, renew_at;
	struct rvol_record record;
	int fd;
	const u8 *ahead;
	u32 ahead_len;
};

/* the answer to STATUS */
struct kernel_view {
	u8 uuid[RVOL_UUID_BYTES];
	struct rvol_status status;
	u32 n_volumes;
	struct rvol_volume volume[RVOL_VOLUMES_MAX];
	u32 n_links; /* a dump has none */
	struct rvol_link_info link[RVOL_LINKS_MAX];
};

/* All return 0 or a negative errno with a sentence, the module's where it gave one. -ENODEV: the
 * module is not there (any more). -ENOENT: it has no such resource, or whatever is named. */
struct kernel_port {
	/* Finds the module and listens to its events, anew when that was done before. The
	 * descriptor is readable when there are some; it is there, and the same, whether or not it
	 * succeeds. */
	int (*open)(struct kernel_port *port, int *ret_fd, struct err *err);
	/* Takes the events that are there. -ENOBUFS: some were lost, or the module has come or
	 * gone. */
	int (*events)(struct kernel_port *port,
		      void (*each)(const u8 uuid[RVOL_UUID_BYTES], void *arg), void *arg);
	int (*request)(struct kernel_port *port, const struct kernel_request *q, struct err *err);
	int (*status)(struct kernel_port *port, const u8 uuid[RVOL_UUID_BYTES],
		      struct kernel_view *ret, struct err *err);
	int (*dump)(struct kernel_port *port,
		    void (*each)(const struct kernel_view *view, void *arg), void *arg,
		    struct err *err);
	/* block devices that have these files: loopdev.h */
	int (*device_find)(const char *path, char ret_dev[LOOPDEV_PATH_MAX], struct err *err);
	int (*device_attach)(const char *path, char ret_dev[LOOPDEV_PATH_MAX], int *ret_fd,
			     struct err *err);
	int (*device_refresh)(const char *path, struct err *err);
	void (*free)(struct kernel_port *port);
};

/* of these attributes the ones that a module which knows so many is told */
u64 kernel_nl_attrs(u64 with, u32 n_attrs);
struct kernel_port *kernel_nl_new(void); /* NULL: no memory */
/* volume of that number in the view, or NULL */
const struct rvol_volume *kernel_view_volume(const struct kernel_view *view, u32 number);

/* link of that number in the view, or NULL */
const struct rvol_link_info *kernel_view_link(const struct kernel_view *view, u32 number);

#endif
