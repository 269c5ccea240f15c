/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fs.h - files of the state directory: whole reads, atomic durable writes. */
#ifndef SDSD_BASE_FS_H
#define SDSD_BASE_FS_H

#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

/* appends the file to out (up to out->max); -ENOENT etc. */
int fs_read(const char *path, struct buf *out, struct err *err);
/* temporary file + fsync + rename + fsync of the directory; mode as given */
int fs_write(const char *path, const void *data, size_t len, mode_t mode, struct err *err);
/* with parents; existing is fine */
int fs_mkdir(const char *path, mode_t mode, struct err *err);
/* missing is fine; syncs the directory */
int fs_remove(const char *path);
int fs_sync_dir(const char *path);

#endif
