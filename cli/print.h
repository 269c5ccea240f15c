/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * print.h - tables for people: columns as wide as their widest cell, two blanks
 * between, nothing behind the last.
 */
#ifndef SDSD_CLI_PRINT_H
#define SDSD_CLI_PRINT_H

#include <stdio.h>

#include "base/buf.h"

#define TABLE_COLUMNS_MAX 12
#define TABLE_CELL_MAX 512 /* bytes; more is cut */

struct table {
	int n_columns;
	const char *heads[TABLE_COLUMNS_MAX]; /* borrowed; a leading '>' aligns right */
	char **cells;                         /* n_rows * n_columns, owned */
	int n_rows, room;
	int filled; /* cells of the row being filled */
};

/* heads ends with NULL */
void table_init(struct table *t, const char *const *heads);
/* The next cell; a row is full after n_columns of them. */
void table_cell(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* width > 0: the last column is cut so that lines are not wider. Appends to out. */
void table_format(const struct table *t, int width, struct buf *out);
/* to standard output, as wide as the terminal when it is one */
void table_print(const struct table *t);
void table_release(struct table *t);
/* characters, not bytes, of an UTF-8 text */
int text_width(const char *text);

#endif
