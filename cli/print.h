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
#define CELL_SHORTEST 12   /* characters: text for people is never cut below */
#define SCREEN_SIZE_MAX 10000

struct screen { /* 0: no limit, since it is no terminal */
	int columns;
	int rows; /* without those that are reserved, and without the one of the cursor */
};
/* Of a terminal: $COLUMNS and $LINES where they are set, else what it says, else 80 x 24. */
struct screen screen_of(int fd);
/* so many rows more are somebody else's from now on */
void screen_reserve(int rows);

struct table {
	int n_columns;
	/* borrowed; a leading '>' aligns right, a '~' marks text that is cut first, as the last
	 * column always is */
	const char *heads[TABLE_COLUMNS_MAX];
	char **cells; /* n_rows * n_columns, owned */
	int n_rows, room;
	int filled; /* cells of the row being filled */
};

/* heads ends with NULL */
void table_init(struct table *t, const char *const *heads);
/* The next cell; a row is full after n_columns of them. */
void table_cell(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* width > 0: cells are cut, with "...", so that lines are not wider, texts before names. Appends to
 * out. */
void table_format(const struct table *t, int width, struct buf *out);
/* to standard output, as wide as the terminal when it is one */
void table_print(const struct table *t);
/* the same, with nothing cut */
void table_print_whole(const struct table *t);
/* characters of its widest line, with nothing cut */
int table_width(const struct table *t);
void table_release(struct table *t);
/* appends text, cut with "..." to width characters; width 0: no limit */
void print_cut(struct buf *out, const char *text, int width);
/* control characters become '?' */
void print_tame(char *text);
/* characters, not bytes, of an UTF-8 text */
int text_width(const char *text);

#endif
