/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * port.h - the only file that knows where the shared code is compiled: in the
 * daemon, in the simulator, or (later) in the kernel module. Everything in
 * src/shared and src/replication/core includes this and its own neighbours,
 * nothing else: no libc beyond mem*, no clock, no allocation.
 */
#ifndef SDSD_SHARED_PORT_H
#define SDSD_SHARED_PORT_H

#ifdef __KERNEL__
#include <linux/types.h>
#include <linux/string.h>
#include <linux/errno.h>
#include <linux/bug.h>
#else
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;
#endif

#define PORT_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define PORT_MIN(a, b) ((a) < (b) ? (a) : (b))
#define PORT_MAX(a, b) ((a) > (b) ? (a) : (b))

#endif
