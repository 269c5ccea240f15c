/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nvme.h - block devices that are volumes of sdsd on another node, reached by NVMe: what tools for
 * disks have to keep away from. Opening one waits while its node is away.
 */
#ifndef SDSD_BASE_NVME_H
#define SDSD_BASE_NVME_H

#include <stdbool.h>
#include <stddef.h>

#define NVME_PREFIX "nqn.2026-11.invalid.sdsd:" /* of all our names; .invalid is nobody's domain */

/* Below root ("" but in tests) is sys. name: "nvme0n1", or a partition of it */
bool nvme_is_ours(const char *root, const char *name);
/* Names of all of them, without partitions, as "nvme0n1|nvme1n1"; "": none. Returns how many there
 * are; those that do not fit are left out. */
int nvme_ours(const char *root, char *out, size_t len);

#endif
