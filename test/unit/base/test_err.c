// SPDX-License-Identifier: GPL-2.0-or-later
/* test_err.c - codes, sentences and their limit. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/err.h"

Test(err, set_and_prefix)
{
	struct err err = { 0 };

	cr_expect_eq(err_set(&err, -ENOSPC, "%d wanted, %d free", 10, 4), -ENOSPC);
	cr_expect_eq(err.code, -ENOSPC);
	cr_expect_str_eq(err.text, "10 wanted, 4 free");
	cr_expect_eq(err_prefix(&err, "pool %s", "ssd"), -ENOSPC);
	cr_expect_str_eq(err.text, "pool ssd: 10 wanted, 4 free");
}

Test(err, without_a_place)
{
	cr_expect_eq(err_set(NULL, -E_DENIED, "x"), -E_DENIED);
	cr_expect_lt(err_prefix(NULL, "x"), 0, "a failure must not become success");
}

Test(err, text_limit)
{
	char big[2 * ERR_TEXT_MAX];
	struct err err = { 0 };

	memset(big, 'a', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	err_set(&err, -EIO, "%s", big);
	cr_expect_eq(strlen(err.text), ERR_TEXT_MAX - 1);
	err_prefix(&err, "%s", "head");
	cr_expect_eq(strlen(err.text), ERR_TEXT_MAX - 1);
	cr_expect_eq(strncmp(err.text, "head: aaa", 9), 0);
	for (size_t len = ERR_TEXT_MAX - 4; len < ERR_TEXT_MAX + 4; len++) {
		err_set(&err, -EIO, "rest");
		err_prefix(&err, "%.*s", (int)len, big);
		cr_expect_lt(strnlen(err.text, sizeof(err.text)), ERR_TEXT_MAX);
	}
}

Test(err, success_is_no_error, .signal = SIGABRT)
{
	err_set(NULL, 0, "x");
}

Test(err, every_code_has_a_name)
{
	for (int code = E_FIRST; code < E_LAST; code++)
		cr_expect_str_neq(err_name(-code), "unknown error", "code %d", code);
	cr_expect_str_eq(err_name(0), "success");
	cr_expect_str_eq(err_name(-ENOENT), "No such file or directory");
	cr_expect_str_eq(err_name(-E_LAST), "unknown error");
	cr_expect_str_eq(err_name(-100000), "unknown error");
	cr_expect_str_eq(err_name(5), "unknown error");
}
