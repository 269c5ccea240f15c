/* SPDX-License-Identifier: GPL-2.0-or-later */
/* clock.h - time as a parameter; the real sources live here, false ones in tests. */
#ifndef SDSD_BASE_CLOCK_H
#define SDSD_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

uint64_t clock_boot_ns(void); /* CLOCK_BOOTTIME: runs on in suspend; for leases and timeouts */
int64_t clock_wall_ms(void);  /* CLOCK_REALTIME, ms since 1970; for display and expiry only */
/* fills with random bytes of the kernel; aborts when it has none */
void rand_bytes(void *out, size_t len);

#endif
