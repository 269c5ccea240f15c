// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * print.c - lays out tables. Called by the verbs; it knows nothing of what it
 * shows. Control characters in cells are shown as '?': what comes from other
 * machines must not steer a terminal.
 */
#include "cli/print.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TABLE_BYTES_MAX (256u << 20)
#define CELL_SHORTEST 12 /* the last column is never cut below */

int text_width(const char *text)
{
	int n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

void table_init(struct table *t, const char *const *heads)
{
	memset(t, 0, sizeof(*t));
	while (heads[t->n_columns] && t->n_columns < TABLE_COLUMNS_MAX) {
		t->heads[t->n_columns] = heads[t->n_columns];
		t->n_columns++;
	}
}

void table_cell(struct table *t, const char *fmt, ...)
{
	char text[TABLE_CELL_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (char *p = text; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	}
	if (t->filled == t->room) {
		t->room = t->room ? 2 * t->room : 64;
		t->cells = realloc(t->cells, (size_t)t->room * sizeof(*t->cells));
		if (!t->cells)
			abort();
	}
	t->cells[t->filled] = strdup(text[0] ? text : "-");
	if (!t->cells[t->filled])
		abort();
	t->filled++;
	t->n_rows = t->filled / t->n_columns;
}

static const char *head_text(const char *head)
{
	return head + (head[0] == '>');
}

static int column_width(const struct table *t, int column)
{
	int widest = text_width(head_text(t->heads[column]));

	for (int r = 0; r < t->n_rows; r++) {
		int w = text_width(t->cells[r * t->n_columns + column]);

		if (w > widest)
			widest = w;
	}
	return widest;
}

/* the first n characters */
static int bytes_of(const char *text, int n)
{
	int i = 0;

	while (text[i] && n > 0) {
		i++;
		while (((unsigned char)text[i] & 0xc0) == 0x80)
			i++;
		n--;
	}
	return i;
}

static void put_cell(struct buf *out, const char *text, int width, bool right, bool last, int room)
{
	int w = text_width(text);

	if (last && room > 0 && w > room && !right) {
		buf_printf(out, "%.*s...\n", bytes_of(text, room - 3), text);
		return;
	}
	buf_printf(out, "%*s%s%*s%s", right ? width - w : 0, "", text,
		   right || last ? 0 : width - w, "", last ? "\n" : "  ");
}

void table_format(const struct table *t, int width, struct buf *out)
{
	int widths[TABLE_COLUMNS_MAX], used = 0, room = 0;

	for (int i = 0; i < t->n_columns; i++) {
		widths[i] = column_width(t, i);
		if (i + 1 < t->n_columns)
			used += widths[i] + 2;
	}
	if (width > 0)
		room = width - used > CELL_SHORTEST ? width - used : CELL_SHORTEST;
	for (int r = -1; r < t->n_rows; r++) {
		for (int i = 0; i < t->n_columns; i++) {
			const char *text =
				r < 0 ? head_text(t->heads[i]) : t->cells[r * t->n_columns + i];

			put_cell(out, text, widths[i], t->heads[i][0] == '>', i + 1 == t->n_columns,
				 room);
		}
	}
}

void table_print(const struct table *t)
{
	struct winsize size = { 0 };
	struct buf out;

	if (isatty(STDOUT_FILENO))
		ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	buf_init(&out, TABLE_BYTES_MAX);
	table_format(t, size.ws_col, &out);
	fwrite(out.data, 1, out.len, stdout);
	buf_release(&out);
}

void table_release(struct table *t)
{
	for (int i = 0; i < t->filled; i++)
		free(t->cells[i]);
	free(t->cells);
	t->cells = NULL;
	t->filled = t->room = t->n_rows = 0;
}
