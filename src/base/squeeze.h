/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * squeeze.h - bytes that are kept in memory and not often looked at, in less of it: LZ4, which is
 * linked in for the Raft library's snapshots anyway. A few thousand bytes of JSON take some
 * microseconds either way and a fifth of the room.
 */
#ifndef SDSD_BASE_SQUEEZE_H
#define SDSD_BASE_SQUEEZE_H

#include <stddef.h>
#include <stdint.h>

#define SQUEEZE_MAX (1u << 30) /* bytes at a time */

/* A block of *ret_len bytes, the caller's (free). len: SQUEEZE_MAX at most; may be 0 */
uint8_t *squeeze(const void *data, size_t len, size_t *ret_len);
/* The len bytes that the block was made of. It has to be one that squeeze has made: aborts */
void unsqueeze(const uint8_t *block, size_t block_len, void *out, size_t len);

#endif
