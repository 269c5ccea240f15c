// SPDX-License-Identifier: GPL-2.0-or-later
/* config.c - reads the options of "sdsd run" and the environment behind them. */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

const char *config_dir(const char *value)
{
	const char *env = getenv("SDSD_DIR");

	if (value)
		return value;
	return env && env[0] ? env : CONFIG_DIR_DEFAULT;
}

static int take_path(const char *what, const char *value, char out[PATH_LEN_MAX], struct err *err)
{
	size_t len = strnlen(value, PATH_LEN_MAX);

	if (len == 0 || len == PATH_LEN_MAX)
		return err_set(err, -E_INVALID, "%s: a path of 1 to %d characters expected", what,
			       PATH_LEN_MAX - 1);
	memcpy(out, value, len + 1);
	while (len > 1 && out[len - 1] == '/')
		out[--len] = '\0';
	return 0;
}

static int take_listen(const char *value, struct config *c, struct err *err)
{
	int rv = text_host_port(value, 0, c->listen_host, sizeof(c->listen_host), &c->listen_port,
				err);

	return rv < 0 ? err_prefix(err, "--listen %.100s", value) : 0;
}

static int take_plane(const char *what, const char *value, struct config *c, struct err *err)
{
	static const char *const names[] = {
		[CONFIG_PLANE_AUTO] = "auto",
		[CONFIG_PLANE_KERNEL] = "kernel",
		[CONFIG_PLANE_USER] = "user",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], value) != 0)
			continue;
		c->plane = (enum config_plane)i;
		return 0;
	}
	return err_set(err, -E_INVALID, "%s: auto, kernel or user expected", what);
}

/* One address, or "off". More of them: by more options, or with blanks between them in the
 * environment. */
static int take_web(const char *what, const char *value, int port, struct config_webs *w,
		    struct err *err)
{
	int i = w->n, rv;

	if (w->off || (w->n > 0 && strcmp(value, "off") == 0))
		return err_set(err, -E_INVALID, "%s: off and an address exclude each other", what);
	w->given = true;
	w->off = strcmp(value, "off") == 0;
	if (w->off)
		return 0;
	if (i == CONFIG_WEB_MAX)
		return err_set(err, -E_INVALID, "%s: at most %d addresses", what, CONFIG_WEB_MAX);
	rv = text_host_port(value, port, w->at[i].host, sizeof(w->at[i].host), &w->at[i].port, err);
	if (rv < 0)
		return err_prefix(err, "%s %.100s", what, value);
	w->n++;
	return 0;
}

static int take_web_option(const char *what, const char *value, int port, struct config_webs *w,
			   struct err *err)
{
	if (w->from_env)
		*w = (struct config_webs){ 0 };
	return take_web(what, value, port, w, err);
}

static int take_web_env(const char *name, int port, struct config_webs *w, struct err *err)
{
	const char *env = getenv(name);
	char word[ADDRESS_LEN_MAX + 16];
	int rv = 0;

	while (rv == 0 && env && env[strspn(env, " ")]) {
		size_t len;

		env += strspn(env, " ");
		len = strcspn(env, " ");
		snprintf(word, sizeof(word), "%.*s", (int)len, env);
		rv = take_web(name, word, port, w, err);
		env += len;
	}
	w->from_env = w->given;
	return rv;
}

static int take(int option, const char *value, struct config *c, struct err *err)
{
	switch (option) {
	case 'd':
		return take_path("--dir", value, c->dir, err);
	case 'r':
		return take_path("--run-dir", value, c->run_dir, err);
	case 'l':
		return take_listen(value, c, err);
	case 'w':
		return take_web_option("--http", value, CONFIG_HTTP_PORT, &c->http, err);
	case 's':
		return take_web_option("--https", value, CONFIG_HTTPS_PORT, &c->https, err);
	case 'p':
		return take_plane("--plane", value, c, err);
	case 'v':
		if (log_level_parse(value, &c->log_level) < 0)
			return err_set(err, -E_INVALID,
				       "--log-level: error, warn, info or debug expected");
		return 0;
	default:
		return err_set(err, -E_INVALID, "unknown option, or one without its value");
	}
}

int config_parse(int argc, char **argv, struct config *ret, struct err *err)
{
	static const struct option options[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ "run-dir", required_argument, NULL, 'r' },
		{ "listen", required_argument, NULL, 'l' },
		{ "http", required_argument, NULL, 'w' },
		{ "https", required_argument, NULL, 's' },
		{ "log-level", required_argument, NULL, 'v' },
		{ "plane", required_argument, NULL, 'p' },
		{ 0 },
	};
	struct config c = { .log_level = LOG_LEVEL_INFO };
	const char *env = getenv("SDSD_RUN_DIR"), *plane = getenv("SDSD_PLANE");
	int option, rv;

	rv = take_path("SDSD_DIR", config_dir(NULL), c.dir, err);
	if (rv == 0)
		rv = take_path("SDSD_RUN_DIR", env && env[0] ? env : CONFIG_RUN_DEFAULT, c.run_dir,
			       err);
	if (rv == 0 && plane && plane[0])
		rv = take_plane("SDSD_PLANE", plane, &c, err);
	if (rv == 0)
		rv = take_web_env("SDSD_HTTP", CONFIG_HTTP_PORT, &c.http, err);
	if (rv == 0)
		rv = take_web_env("SDSD_HTTPS", CONFIG_HTTPS_PORT, &c.https, err);
	optind = 0; /* glibc: begin anew, also in a second call */
	opterr = 0;
	while (rv == 0 && (option = getopt_long(argc, argv, "", options, NULL)) != -1)
		rv = take(option, optarg, &c, err);
	if (rv == 0 && optind < argc)
		rv = err_set(err, -E_INVALID, "unexpected argument \"%.100s\"", argv[optind]);
	if (rv < 0)
		return rv;
	*ret = c;
	return 0;
}
