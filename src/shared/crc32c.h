/* SPDX-License-Identifier: GPL-2.0-or-later */
/* crc32c.h - CRC-32C (Castagnoli), as on disk and on the wire. crc: 0 to begin, else the value
 * so far. */
#ifndef SDSD_SHARED_CRC32C_H
#define SDSD_SHARED_CRC32C_H

#include "shared/port.h"

u32 shared_crc32c(u32 crc, const void *data, size_t len);

#endif
