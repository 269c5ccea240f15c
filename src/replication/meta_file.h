/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * meta_file.h - the metadata device of a volume as a file or block device:
 * formats a new one, grows it, reads its label and, of volume 0, what a replica
 * is attached with. Blocking; called from worker threads. The bytes are
 * core/meta.h's. Labels are changed under a lock of the file, since the agent
 * grows a device that the plane may have open.
 */
#ifndef SDSD_REPLICATION_META_FILE_H
#define SDSD_REPLICATION_META_FILE_H

#include "base/err.h"
#include "replication/core/mirror.h"

struct meta_file {             /* filled by meta_file_attach */
	struct repl_disk disk; /* sizes are the caller's to fill; points into this struct */
	u32 hot[REPL_HOT_MAX];
};

uint64_t meta_file_bytes(uint64_t size_bytes);
/* New metadata, all regions of that stamp: REPL_STAMP_FRESH where the data device reads as zeros,
 * REPL_STAMP_BORN where it has a snapshot's content (docs/protocol.md#born-from-a-snapshot).
 * Synced on return. label->generation is not looked at. */
int meta_file_format(int fd, const struct meta_label *label, u32 stamp, struct err *err);
/* The device has grown: the new part of the map is made FRESH, then the label says the new size.
 * Nothing to do when it does already. -E_CORRUPT: the device is another volume's; -E_INVALID: it
 * would shrink. Repeatable. */
int meta_file_grow(int fd, const struct meta_label *label, struct err *err);
/* These regions are wrong: their stamps become 0, unknown, so that catching up fetches them. Of a
 * device that is not attached, of a copy that is in no set (docs/protocol.md, V8). region: indices,
 * n of them; one behind the end is passed over. whole: all of them. Repeatable; synced on
 * return. */
int meta_file_void(int fd, const u32 *region, u32 n, bool whole, struct err *err);
/* names of the other copies, written when they differ */
int meta_file_name_peers(int fd, char peer[REPL_SLOTS_MAX][META_NAME_MAX], struct err *err);
int meta_file_label(int fd, struct meta_label *ret, struct err *err); /* -E_CORRUPT: none of ours */
/* the device has room for all of the map; -E_CORRUPT: it is cut short */
int meta_file_whole(int fd, const struct meta_label *label, struct err *err);
/* Of volume 0: reads state and hot log and counts the attach, on the device and in mark_path (NULL:
 * not). -E_CORRUPT with what is damaged, or because the device was attached less often than this
 * node remembers: it has been put back from a backup. */
int meta_file_attach(int fd, const char *mark_path, struct meta_file *ret, struct err *err);

#endif
