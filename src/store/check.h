/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check.h - is an LMDB file whole? LMDB has no checksums and follows whatever
 * a damaged page says (or dies of SIGBUS where the file ends early), so the
 * structure is verified from outside before LMDB opens it.
 */
#ifndef SDSD_STORE_CHECK_H
#define SDSD_STORE_CHECK_H

#include <stddef.h>

#include "base/err.h"

/* 0: whole, or missing, or empty. -E_CORRUPT with a sentence that names file and page. */
int check_file(const char *path, struct err *err);

#endif
