/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * block_queue.h - what the kernel says about a block device: its size, and its queue
 * (docs/storage.md, Space).
 */
#ifndef SDSD_STORAGE_BLOCK_QUEUE_H
#define SDSD_STORAGE_BLOCK_QUEUE_H

#include <stdint.h>

/* What a discard gives back at once, in bytes: a multiple of 512; 0: the device takes none, or is
 * not there. */
uint32_t block_queue_discard(unsigned int major, unsigned int minor);
uint32_t block_queue_discard_at(const char *path); /* of the device of that path */
/* bytes; -errno */
int block_queue_size(const char *path, uint64_t *ret);
int block_queue_sector(const char *path, uint32_t *ret); /* what can be written at least */

#endif
