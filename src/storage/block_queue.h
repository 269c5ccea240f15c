/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * block_queue.h - what the kernel says about the queue of a block device
 * (docs/storage.md, Space).
 */
#ifndef SDSD_STORAGE_BLOCK_QUEUE_H
#define SDSD_STORAGE_BLOCK_QUEUE_H

#include <stdint.h>

/* What a discard gives back at once, in bytes: a multiple of 512; 0: the device takes none, or is
 * not there. */
uint32_t block_queue_discard(unsigned int major, unsigned int minor);

#endif
