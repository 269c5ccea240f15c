// SPDX-License-Identifier: GPL-2.0-or-later
/* test_buf.c - growing up to the maximum, not beyond, and always terminated. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/buf.h"
#include "support/leaks.h"

TestSuite(buf, .fini = test_no_leaks);

Test(buf, append_consume)
{
	struct buf b;

	buf_init(&b, 1000);
	for (int i = 0; i < 100; i++)
		cr_assert_eq(buf_append(&b, "0123456789", 10), 0);
	cr_expect_eq(b.len, 1000);
	cr_expect_eq(b.data[1000], 0);
	cr_expect_eq(buf_append(&b, "x", 1), -EMSGSIZE);
	cr_expect_eq(b.len, 1000);
	cr_expect_eq(buf_append(&b, NULL, 0), 0);
	buf_consume(&b, 995);
	cr_expect_str_eq((char *)b.data, "56789");
	buf_clear(&b);
	cr_expect_str_eq((char *)b.data, "");
	buf_release(&b);
	cr_expect_eq(b.max, 1000);
	cr_expect_eq(buf_append(&b, "again", 5), 0);
	buf_release(&b);
	buf_release(&b);
}

Test(buf, printf_is_all_or_nothing)
{
	struct buf b;

	buf_init(&b, 8);
	cr_expect_eq(buf_printf(&b, "%d", 12345), 0);
	cr_expect_eq(buf_printf(&b, "%d", 6789), -EMSGSIZE);
	cr_expect_str_eq((char *)b.data, "12345");
	cr_expect_eq(buf_printf(&b, "%s", "678"), 0);
	cr_expect_str_eq((char *)b.data, "12345678");
	buf_release(&b);
}

Test(buf, huge_lengths_do_not_wrap)
{
	struct buf b;

	buf_init(&b, 16);
	cr_expect_eq(buf_append(&b, "abc", 3), 0);
	cr_expect_eq(buf_append(&b, "abc", SIZE_MAX - 1), -EMSGSIZE);
	buf_release(&b);
}

Test(buf, consume_too_much, .signal = SIGABRT)
{
	struct buf b;

	buf_init(&b, 16);
	buf_append(&b, "abc", 3);
	buf_consume(&b, 4);
}
