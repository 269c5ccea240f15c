/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * meta_file.h - the metadata device of a replica as a file or block device:
 * formats a new one, reads an old one whole for repl_mirror_init. Blocking;
 * called from worker threads. The bytes are core/meta.h's.
 */
#ifndef SDSD_REPLICATION_META_FILE_H
#define SDSD_REPLICATION_META_FILE_H

#include "base/err.h"
#include "replication/core/mirror.h"

struct meta_file {             /* filled by meta_file_read; owns its memory */
	struct repl_disk disk; /* points into this struct and below */
	u32 hot[REPL_HOT_MAX];
	u32 *stamp;
	u8 *map_dirty;
	u32 bad_pages; /* map pages with a wrong checksum; their stamps are 0 */
};

uint64_t meta_file_bytes(uint64_t size_bytes);
/* Fresh metadata: all regions REPL_STAMP_FRESH (the data device must read as zeros). Synced on
 * return. */
int meta_file_format(int fd, const uint8_t owner[16], const char *name, uint64_t size_bytes,
		     struct err *err);
int meta_file_owner(int fd, uint8_t ret_owner[16], struct err *err); /* -E_CORRUPT: none of ours */
/* -E_CORRUPT with what is damaged; checks owner and size */
int meta_file_read(int fd, const uint8_t owner[16], uint64_t size_bytes, struct meta_file *ret,
		   struct err *err);
void meta_file_release(struct meta_file *m);

#endif
