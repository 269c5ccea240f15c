/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * file_dir.h - a pool's directory and the files of a volume in it: what file.c
 * and file_snapshot.c share.
 */
#ifndef SDSD_STORAGE_FILE_DIR_H
#define SDSD_STORAGE_FILE_DIR_H

#include "storage/storage.h"

#define FILE_NAME_MAX 80

/* the three names of a volume in its directory */
struct file_names {
	char data[FILE_NAME_MAX], meta[FILE_NAME_MAX], fresh[FILE_NAME_MAX];
};
enum file_owner { FILE_NOBODY, FILE_US, FILE_OTHER, FILE_STRANGER /* not of sdsd */ };

void file_names_of(const struct storage_volume *v, struct file_names *n);
void file_paths_of(const struct storage_pool *p, const struct file_names *n,
		   struct storage_paths *ret);
int64_t file_kib(uint64_t bytes); /* rounded up */

/* what went wrong, in words: with the directory itself, with a file in it */
int file_dir_fail(const struct storage_pool *p, int code, struct err *err);
int file_fail(const struct storage_pool *p, const char *what, const char *file, int code,
	      struct err *err);
int file_foreign(const struct storage_pool *p, const char *file, enum file_owner who,
		 struct err *err);
int file_missing(const struct storage_pool *p, const char *file, struct err *err);

/* descriptor of the pool directory, or negative */
int file_dir_open(const struct storage_pool *p, struct err *err);
int file_space(const struct storage_pool *p, int dir, struct storage_space *ret, struct err *err);
int file_sync_dir(const struct storage_pool *p, int dir, struct err *err);
int file_unlink(const struct storage_pool *p, int dir, const char *file, struct err *err);

/* Whose metadata the file is, and what it says; ret_label may be NULL. Negative only when it
 * cannot be read. */
int file_owner_of(const struct storage_pool *p, int dir, const char *file,
		  const struct storage_volume *v, enum file_owner *ret,
		  struct storage_label *ret_label, struct err *err);
/* size of a regular file; -ENOENT */
int file_size(const struct storage_pool *p, int dir, const char *file, uint64_t *ret,
	      struct err *err);
/* The pair of our owner, with its label; where the label tells no size v's counts. */
int file_find_pair(const struct storage_pool *p, int dir, const struct storage_volume *v,
		   const struct file_names *n, uint64_t *ret_size, struct err *err);
/* it is there and at least as long */
int file_check_size(const struct storage_pool *p, int dir, const char *file, uint64_t want,
		    struct err *err);

/* file_snapshot.c: the operations of storage_ops, and the content of a snapshot for a new volume */
int file_snapshot(const struct storage_pool *p, const struct storage_volume *v,
		  const struct storage_snapshot *s, struct err *err);
int file_snapshot_remove(const struct storage_pool *p, const struct storage_snapshot *s,
			 struct err *err);
/* fd, an empty file, gets it; -ENOENT: that snapshot is not there */
int file_snapshot_copy(const struct storage_pool *p, int dir, const struct storage_snapshot *s,
		       int fd, struct err *err);

#endif
