/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plane_user.h - the data plane in user space: drives replication/core through
 * libuv on a thread of its own, serves volumes over NBD. Use it by
 * plane.h's plane_user.
 */
#ifndef SDSD_REPLICATION_PLANE_USER_H
#define SDSD_REPLICATION_PLANE_USER_H

#include "replication/plane.h"

#define PLANE_REPORT_MS 20 /* changes within are told once */
#define PLANE_BUCKETS 4096 /* of the table of volumes */

#endif
