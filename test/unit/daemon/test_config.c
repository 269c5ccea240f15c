// SPDX-License-Identifier: GPL-2.0-or-later
/* test_config.c - the options of sdsd run and the environment behind them. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

static int parse(struct config *c, struct err *err, const char *const *args)
{
	char *argv[16] = { (char *)"run" };
	int argc = 1;

	while (args[argc - 1] && argc < 15) {
		argv[argc] = (char *)args[argc - 1];
		argc++;
	}
	return config_parse(argc, argv, c, err);
}

#define PARSE(c, ...) parse(&(c), &err, (const char *const[]){ __VA_ARGS__, NULL })

static void setup(void)
{
	unsetenv("SDSD_DIR");
	unsetenv("SDSD_RUN_DIR");
	unsetenv("SDSD_HTTP");
	unsetenv("SDSD_HTTPS");
}

TestSuite(config, .init = setup);

Test(config, defaults_environment_options)
{
	struct err err = { 0 };
	struct config c;

	cr_assert_eq(PARSE(c, NULL), 0);
	cr_expect_str_eq(c.dir, "/var/lib/sdsd");
	cr_expect_str_eq(c.run_dir, "/run/sdsd");
	cr_expect_str_eq(c.listen_host, "");
	cr_expect_eq(c.listen_port, 0);
	cr_expect_eq(c.log_level, LOG_LEVEL_INFO);
	cr_expect_eq(c.plane, CONFIG_PLANE_AUTO);
	setenv("SDSD_DIR", "/a/", 1);
	setenv("SDSD_RUN_DIR", "/b", 1);
	setenv("SDSD_PLANE", "user", 1);
	cr_assert_eq(PARSE(c, NULL), 0);
	cr_expect_str_eq(c.dir, "/a");
	cr_expect_str_eq(c.run_dir, "/b");
	cr_expect_eq(c.plane, CONFIG_PLANE_USER);
	cr_assert_eq(PARSE(c, "--dir", "/c", "--run-dir=/d//", "--listen", "[::1]:99",
			   "--log-level", "debug", "--plane", "kernel"),
		     0, "%s", err.text);
	cr_expect_str_eq(c.dir, "/c");
	cr_expect_str_eq(c.run_dir, "/d");
	cr_expect_str_eq(c.listen_host, "::1");
	cr_expect_eq(c.listen_port, 99);
	cr_expect_eq(c.log_level, LOG_LEVEL_DEBUG);
	cr_expect_eq(c.plane, CONFIG_PLANE_KERNEL);
}

Test(config, listeners_of_users)
{
	struct err err = { 0 };
	struct config c;

	cr_assert_eq(PARSE(c, NULL), 0);
	cr_expect_not(c.http.given);
	cr_expect_not(c.https.given);
	cr_assert_eq(PARSE(c, "--http", "off", "--https", "[::1]:5", "--https", "10.0.0.1"), 0,
		     "%s", err.text);
	cr_expect(c.http.given && c.http.n == 0);
	cr_expect_eq(c.https.n, 2);
	cr_expect_str_eq(c.https.at[0].host, "::1");
	cr_expect_eq(c.https.at[0].port, 5);
	cr_expect_str_eq(c.https.at[1].host, "10.0.0.1");
	cr_expect_eq(c.https.at[1].port, CONFIG_HTTPS_PORT);
	setenv("SDSD_HTTP", " 127.0.0.1:80  127.0.0.2 ", 1);
	setenv("SDSD_HTTPS", "off", 1);
	cr_assert_eq(PARSE(c, NULL), 0, "%s", err.text);
	cr_expect_eq(c.http.n, 2);
	cr_expect_eq(c.http.at[0].port, 80);
	cr_expect_eq(c.http.at[1].port, CONFIG_HTTP_PORT);
	cr_expect(c.https.given && c.https.n == 0);
	/* an option takes the place of all that the environment says */
	cr_assert_eq(PARSE(c, "--http", "127.0.0.3", "--https", "127.0.0.4"), 0, "%s", err.text);
	cr_expect_eq(c.http.n, 1);
	cr_expect_str_eq(c.http.at[0].host, "127.0.0.3");
	cr_expect_eq(c.https.n, 1);
	cr_expect_eq(PARSE(c, "--http", "127.0.0.3", "--http", "off"), -E_INVALID);
	cr_expect_eq(PARSE(c, "--http", "off", "--http", "127.0.0.3"), -E_INVALID);
	cr_expect_eq(PARSE(c, "--http", "127.0.0.1:99999"), -E_INVALID);
	cr_expect(strstr(err.text, "--http"), "%s", err.text);
	setenv("SDSD_HTTP", "1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4 1.1.1.5 1.1.1.6 1.1.1.7 1.1.1.8", 1);
	cr_expect_eq(PARSE(c, NULL), 0, "%s", err.text);
	cr_expect_eq(c.http.n, CONFIG_WEB_MAX);
	setenv("SDSD_HTTP",
	       "1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4 1.1.1.5 1.1.1.6 1.1.1.7 1.1.1.8 ::", 1);
	cr_expect_eq(PARSE(c, NULL), -E_INVALID);
	cr_expect(strstr(err.text, "at most 8"), "%s", err.text);
}

Test(config, refused)
{
	static char endless[PATH_LEN_MAX + 1];
	struct config c = { .dir = "before" };
	const struct {
		const char *args[4], *word;
	} rows[] = {
		{ { "--dir" }, "option" },
		{ { "--nonsense" }, "option" },
		{ { "--log-level", "loud" }, "--log-level" },
		{ { "--plane", "express" }, "--plane" },
		{ { "--listen", "1.2.3.4:99999" }, "--listen" },
		{ { "--dir", "" }, "--dir" },
		{ { "--dir", endless }, "--dir" },
		{ { "--dir", "/a", "word" }, "word" },
	};

	memset(endless, 'x', sizeof(endless) - 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err err = { 0 };

		cr_expect_eq(parse(&c, &err, rows[i].args), -E_INVALID, "row %zu", i);
		cr_expect_not_null(strstr(err.text, rows[i].word), "row %zu: %s", i, err.text);
		cr_expect_str_eq(c.dir, "before");
	}
}
