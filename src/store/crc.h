/* SPDX-License-Identifier: GPL-2.0-or-later */
/* crc.h - CRC-32C (Castagnoli) of what the store keeps, to notice flipped bits. */
#ifndef SDSD_STORE_CRC_H
#define SDSD_STORE_CRC_H

#include <stddef.h>
#include <stdint.h>

/* Continues crc (0 to begin) over len bytes. Any thread. */
uint32_t crc_update(uint32_t crc, const void *data, size_t len);

#endif
