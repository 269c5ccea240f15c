/* SPDX-License-Identifier: GPL-2.0-or-later */
/* file.h - the backends that keep volumes as files of a directory (storage.c's table only). */
#ifndef SDSD_STORAGE_FILE_H
#define SDSD_STORAGE_FILE_H

#include "storage/storage.h"

extern const struct storage_ops storage_file;      /* space is reserved at creation */
extern const struct storage_ops storage_file_thin; /* sparse */

#endif
