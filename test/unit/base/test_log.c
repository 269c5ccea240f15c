// SPDX-License-Identifier: GPL-2.0-or-later
/* test_log.c - a line is one line, whatever a peer put into it. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

static char text[16384];

/* what log_write puts on standard error */
#define CAPTURE(...)                                      \
	do {                                              \
		int fds[2], saved = dup(STDERR_FILENO);   \
		ssize_t n;                                \
                                                          \
		cr_assert_eq(pipe(fds), 0);               \
		dup2(fds[1], STDERR_FILENO);              \
		close(fds[1]);                            \
		__VA_ARGS__;                              \
		dup2(saved, STDERR_FILENO);               \
		close(saved);                             \
		n = read(fds[0], text, sizeof(text) - 1); \
		text[n > 0 ? n : 0] = '\0';               \
		close(fds[0]);                            \
	} while (0)

Test(log, one_line)
{
	log_init(LOG_LEVEL_INFO);
	CAPTURE(log_warn("net", "peer=%s x", "a\nerror faked: line\x1b[0m\x7f"));
	cr_expect_not_null(strstr(text, "warn  net: peer=a error faked: line [0m "));
	cr_expect_eq(strchr(text, '\n'), text + strlen(text) - 1);
}

Test(log, level)
{
	log_init(LOG_LEVEL_WARN);
	CAPTURE(log_info("x", "hidden"); log_debug("x", "hidden"));
	cr_expect_str_eq(text, "");
	CAPTURE(log_error("x", "seen"));
	cr_expect_not_null(strstr(text, "error x: seen\n"));
}

Test(log, long_line)
{
	char big[8000];

	memset(big, 'b', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	CAPTURE(log_error("x", "%s", big));
	cr_expect_lt(strlen(text), 2100);
	cr_expect_str_eq(text + strlen(text) - 5, "b...\n");
}

Test(log, errno_is_kept)
{
	errno = ENOSPC;
	CAPTURE(errno = ENOSPC; log_error("x", "y"); cr_assert_eq(errno, ENOSPC));
}

Test(log, parse)
{
	enum log_level level = LOG_LEVEL_WARN;

	cr_expect_eq(log_level_parse("debug", &level), 0);
	cr_expect_eq(level, LOG_LEVEL_DEBUG);
	cr_expect_eq(log_level_parse("Debug", &level), -EINVAL);
	cr_expect_eq(log_level_parse("", &level), -EINVAL);
	cr_expect_eq(level, LOG_LEVEL_DEBUG);
}
