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
#define PAD 2           /* blanks between two columns */
#define ROWS_DEFAULT 24 /* of a terminal that does not say */
#define COLUMNS_DEFAULT 80

static int rows_reserved = 1; /* where the cursor stands afterwards */

/* a size that the environment prescribes; 0: none */
static int env_size(const char *name)
{
	const char *text = getenv(name);
	long n = text ? strtol(text, NULL, 10) : 0;

	return n > 0 && n <= SCREEN_SIZE_MAX ? (int)n : 0;
}

struct screen screen_of(int fd)
{
	struct screen s = { 0 };
	struct winsize size = { 0 };

	if (!isatty(fd))
		return s;
	ioctl(fd, TIOCGWINSZ, &size);
	s.columns = env_size("COLUMNS");
	s.rows = env_size("LINES");
	if (!s.columns)
		s.columns = size.ws_col ? size.ws_col : COLUMNS_DEFAULT;
	if (!s.rows)
		s.rows = size.ws_row ? size.ws_row : ROWS_DEFAULT;
	s.rows = s.rows > rows_reserved ? s.rows - rows_reserved : 1;
	return s;
}

void screen_reserve(int rows)
{
	rows_reserved += rows;
}

int text_width(const char *text)
{
	int n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

void print_tame(char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
	}
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
	print_tame(text);
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

/* ">" and "~" before it say how its column is laid out */
static const char *head_text(const char *head)
{
	return head + strspn(head, ">~");
}

static bool is_right(const struct table *t, int column)
{
	return t->heads[column][0] == '>';
}

/* Text for people is cut before names are, and the last column first. */
enum kind { KIND_LAST, KIND_TEXT, KIND_NAME };

static bool is_of(const struct table *t, int column, enum kind kind)
{
	bool last = column + 1 == t->n_columns;
	bool text = last || t->heads[column][0] == '~';

	return kind == KIND_LAST ? last : kind == KIND_TEXT ? text : !text;
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

/* the widest column of the kind that is wider than least; -1: none is */
static int widest_column(const struct table *t, const int *widths, enum kind kind, int least)
{
	int widest = -1;

	for (int i = 0; i < t->n_columns; i++) {
		if (is_of(t, i, kind) && widths[i] > least &&
		    (widest < 0 || widths[i] > widths[widest]))
			widest = i;
	}
	return widest;
}

/* Takes from the widest until a line has room; of a screen too narrow for that too little. */
static void fit(const struct table *t, int *widths, int width)
{
	static const struct {
		enum kind kind;
		int least;
	} steps[] = { { KIND_LAST, 20 },
		      { KIND_TEXT, 20 },
		      { KIND_NAME, 12 },
		      { KIND_TEXT, CELL_SHORTEST },
		      { KIND_NAME, 6 } };
	int used = PAD * (t->n_columns - 1), at;

	for (int i = 0; i < t->n_columns; i++)
		used += widths[i];
	for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
		while (used > width &&
		       (at = widest_column(t, widths, steps[k].kind, steps[k].least)) >= 0) {
			widths[at]--;
			used--;
		}
	}
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

void print_cut(struct buf *out, const char *text, int width)
{
	if (width > 0 && text_width(text) > width)
		buf_printf(out, "%.*s...", bytes_of(text, width > 3 ? width - 3 : 0), text);
	else
		buf_printf(out, "%s", text);
}

static void put_cell(const struct table *t, struct buf *out, const char *text, int column,
		     int width)
{
	bool right = is_right(t, column), last = column + 1 == t->n_columns;
	int blanks = width - text_width(text);

	if (blanks < 0)
		blanks = 0;
	buf_printf(out, "%*s", right ? blanks : 0, "");
	print_cut(out, text, width);
	buf_printf(out, "%*s", last ? 0 : PAD + (right ? 0 : blanks), "");
}

void table_format(const struct table *t, int width, struct buf *out)
{
	int widths[TABLE_COLUMNS_MAX];

	for (int i = 0; i < t->n_columns; i++)
		widths[i] = column_width(t, i);
	if (width > 0)
		fit(t, widths, width);
	for (int r = -1; r < t->n_rows; r++) {
		for (int i = 0; i < t->n_columns; i++)
			put_cell(t, out,
				 r < 0 ? head_text(t->heads[i]) : t->cells[r * t->n_columns + i], i,
				 widths[i]);
		buf_printf(out, "\n");
	}
}

int table_width(const struct table *t)
{
	int width = PAD * (t->n_columns - 1);

	for (int i = 0; i < t->n_columns; i++)
		width += column_width(t, i);
	return width;
}

static void print_table(const struct table *t, int width)
{
	struct buf out;

	buf_init(&out, TABLE_BYTES_MAX);
	table_format(t, width, &out);
	fwrite(out.data, 1, out.len, stdout);
	buf_release(&out);
}

void table_print(const struct table *t)
{
	print_table(t, screen_of(STDOUT_FILENO).columns);
}

void table_print_whole(const struct table *t)
{
	print_table(t, 0);
}

void table_release(struct table *t)
{
	for (int i = 0; i < t->filled; i++)
		free(t->cells[i]);
	free(t->cells);
	t->cells = NULL;
	t->filled = t->room = t->n_rows = 0;
}
