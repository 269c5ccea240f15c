// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_print.c - tables as they appear on the screen (cli/print.c).
 */
#include <criterion/criterion.h>
#include <string.h>

#include "cli/print.h"
#include "support/leaks.h"

TestSuite(print, .fini = test_no_leaks);

static void expect(const struct table *t, int width, const char *text)
{
	struct buf out;

	buf_init(&out, 1 << 20);
	table_format(t, width, &out);
	cr_expect_str_eq((char *)out.data, text);
	buf_release(&out);
}

static const char *const heads[] = { "NAME", ">SIZE", "STATE", NULL };

Test(print, columns_are_as_wide_as_their_widest_cell)
{
	struct table t;

	table_init(&t, heads);
	expect(&t, 0, "NAME  SIZE  STATE\n");
	table_cell(&t, "db");
	table_cell(&t, "%d GiB", 10);
	table_cell(&t, "up");
	table_cell(&t, "a-longer-name");
	table_cell(&t, "5 B");
	table_cell(&t, "%s", "");
	expect(&t, 0,
	       "NAME             SIZE  STATE\n"
	       "db             10 GiB  up\n"
	       "a-longer-name     5 B  -\n");
	table_release(&t);
}

Test(print, characters_count_not_bytes)
{
	struct table t;

	table_init(&t, heads);
	table_cell(&t, "k\xc3\xa4se");
	table_cell(&t, "1");
	table_cell(&t, "\xe2\x9c\x93");
	table_cell(&t, "brot");
	table_cell(&t, "2");
	table_cell(&t, "x");
	expect(&t, 0,
	       "NAME  SIZE  STATE\n"
	       "k\xc3\xa4se     1  \xe2\x9c\x93\n"
	       "brot     2  x\n");
	table_release(&t);
	cr_expect_eq(text_width("k\xc3\xa4se"), 4);
}

Test(print, the_last_column_is_cut_to_the_screen)
{
	struct table t;

	table_init(&t, heads);
	table_cell(&t, "db");
	table_cell(&t, "1");
	table_cell(&t, "a rather long reason that does not fit");
	expect(&t, 32,
	       "NAME  SIZE  STATE\n"
	       "db       1  a rather long rea...\n");
	/* never below what is still of use */
	expect(&t, 5,
	       "NAME  SIZE  STATE\n"
	       "db       1  a rather ...\n");
	table_release(&t);
}

Test(print, texts_are_cut_before_names_and_the_last_one_first)
{
	static const char *const texts[] = { "NAME", "~WHY", "WHAT NEXT", NULL };
	struct table t;

	table_init(&t, texts);
	table_cell(&t, "a-name-of-twenty-two-c");
	table_cell(&t, "a reason of thirty characters.");
	table_cell(&t, "a next step of thirty letters.");
	expect(&t, 77,
	       "NAME                    WHY                             WHAT NEXT\n"
	       "a-name-of-twenty-two-c  a reason of thirty characters.  a next step of thi...\n");
	expect(&t, 66,
	       "NAME                    WHY                   WHAT NEXT\n"
	       "a-name-of-twenty-two-c  a reason of thirt...  a next step of th...\n");
	expect(&t, 56,
	       "NAME          WHY                   WHAT NEXT\n"
	       "a-name-of...  a reason of thirt...  a next step of th...\n");
	expect(&t, 34,
	       "NAME    WHY           WHAT NEXT\n"
	       "a-n...  a reason ...  a next st...\n");
	table_release(&t);
}

static void expect_cut(const char *text, int width, const char *want)
{
	struct buf out;

	buf_init(&out, 4096);
	print_cut(&out, text, width);
	cr_expect_str_eq(out.data ? (char *)out.data : "", want);
	buf_release(&out);
}

Test(print, a_line_is_cut_at_characters)
{
	expect_cut("k\xc3\xa4sebrot", 8, "k\xc3\xa4sebrot");
	expect_cut("k\xc3\xa4sebrot", 7, "k\xc3\xa4se...");
	expect_cut("k\xc3\xa4sebrot", 0, "k\xc3\xa4sebrot");
}

Test(print, a_file_is_no_screen)
{
	struct screen s = screen_of(-1);

	cr_expect(s.columns == 0 && s.rows == 0);
}

Test(print, a_cell_cannot_steer_the_terminal)
{
	struct table t;

	table_init(&t, heads);
	table_cell(&t, "a\x1b[2Jb\nc");
	table_cell(&t, "1");
	table_cell(&t, "x");
	expect(&t, 0,
	       "NAME      SIZE  STATE\n"
	       "a?[2Jb?c     1  x\n");
	table_release(&t);
}

Test(print, many_rows_and_long_cells)
{
	char longest[2 * TABLE_CELL_MAX];
	struct table t;

	memset(longest, 'y', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	table_init(&t, heads);
	for (int i = 0; i < 1000; i++) {
		table_cell(&t, "v%d", i);
		table_cell(&t, "%d", i);
		table_cell(&t, "%s", longest);
	}
	cr_expect_eq(t.n_rows, 1000);
	cr_expect_eq(strlen(t.cells[2]), TABLE_CELL_MAX - 1);
	table_release(&t);
}
