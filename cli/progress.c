// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * progress.c - tells how far work is that a verb waits for. Called by the verbs that wait.
 */
#include "cli/progress.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/show.h"

#define LINE_MAX_BYTES 1024
#define CLEAR "\r\033[K" /* the line that stands */

static const char *interrupted_text; /* what Ctrl-C says */
static bool interrupted_clear;

/* Only write and raise: it is a signal's. */
static void on_interrupt(int number)
{
	const char *parts[] = { interrupted_clear ? CLEAR : "", "sdsd: ", interrupted_text, "\n" };

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (write(STDERR_FILENO, parts[i], strlen(parts[i])) < 0)
			break;
	}
	raise(number); /* which kills now, so that a shell knows why we ended */
}

void progress_begin(struct progress *p, bool quiet, const char *goes_on)
{
	struct sigaction a = { .sa_handler = on_interrupt, .sa_flags = SA_RESETHAND | SA_NODEFER };

	*p = (struct progress){ .quiet = quiet, .terminal = isatty(STDERR_FILENO) };
	interrupted_text = goes_on;
	interrupted_clear = p->terminal;
	sigaction(SIGINT, &a, NULL);
}

static void put(const struct progress *p, const char *text, bool stays)
{
	struct buf line;

	buf_init(&line, 2 * LINE_MAX_BYTES);
	/* the last column stays free, so that no terminal begins a new line */
	print_cut(&line, text, p->terminal && !stays ? screen_of(STDERR_FILENO).columns - 1 : 0);
	client_clear_line();
	fprintf(stderr, "%.*s%s", (int)line.len, (const char *)line.data,
		p->terminal && !stays ? "" : "\n");
	client_settings.line_stands = p->terminal && !stays;
	fflush(stderr);
	buf_release(&line);
}

void progress_say(struct progress *p, const char *fmt, ...)
{
	int64_t now = progress_now_ms();
	char text[LINE_MAX_BYTES];
	va_list ap;

	if (p->quiet || (!p->terminal && now < p->next_ms))
		return;
	p->next_ms = now + PROGRESS_LINE_MS;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	print_tame(text);
	put(p, text, false);
}

void progress_tell(struct progress *p, const char *fmt, ...)
{
	char text[LINE_MAX_BYTES];
	va_list ap;

	if (p->quiet)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	print_tame(text);
	put(p, text, true);
}

void progress_end(void)
{
	client_clear_line();
	fflush(stderr);
	signal(SIGINT, SIG_DFL);
}

int64_t progress_now_ms(void)
{
	return (int64_t)(clock_boot_ns() / 1000000);
}

void progress_pause(int ms)
{
	const struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	nanosleep(&t, NULL);
}

int progress_wait(const struct progress_goal *goal, bool quiet, int64_t timeout_s)
{
	int64_t until = progress_now_ms() + 1000 * timeout_s;
	bool reached = false;
	struct progress p;
	int rv;

	progress_begin(&p, quiet, goal->goes_on);
	while ((rv = goal->look(&p, goal->arg, &reached)) == CLI_OK && !reached &&
	       progress_now_ms() < until)
		progress_pause(PROGRESS_LOOK_MS);
	progress_end();
	if (rv != CLI_OK || reached)
		return rv;
	return client_fail(CLI_FAILED, "%s after %lld s; it goes on", goal->late,
			   (long long)timeout_s);
}

int progress_timeout(const char *text, int64_t *ret_s)
{
	struct err err;

	*ret_s = PROGRESS_WAIT_S;
	if (text && options_seconds(text, ret_s, &err) < 0)
		return client_fail(CLI_USAGE, "%s", err.text);
	return CLI_OK;
}

/* the first copy that catches up, else the reason why not all is well */
void progress_volume(struct progress *p, json *r)
{
	json *list = jget(r, "replicas");
	char text[128];

	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		json *one = json_object_array_get_idx(list, i);

		if (!jget(one, "progress"))
			continue;
		progress_say(p, "%s: %s catches up: %s", jget_str(r, "name", ""),
			     jget_str(one, "node", ""), show_progress(one, text, sizeof(text)));
		return;
	}
	progress_say(p, "%s: %s", jget_str(r, "name", ""), jget_str(r, "reason", ""));
}

static bool is_whole(json *r)
{
	return strcmp(jget_str(r, "verdict", ""), "safe") == 0 &&
	       jget_i64_or(r, "in_sync", 0) == jget_i64_or(r, "copies", -1);
}

static int look_at_volume(struct progress *p, void *arg, bool *ret)
{
	const char *name = *(const char **)arg;
	json *doc, *r;
	int rv = client_call("GET", "/v1/sds/status", NULL, &doc);

	if (rv != CLI_OK)
		return rv;
	r = show_find(doc, name);
	*ret = r && is_whole(r);
	if (r && !*ret)
		progress_volume(p, r);
	json_object_put(doc);
	return r ? CLI_OK : client_fail(CLI_FAILED, "%s is gone", name);
}

int progress_wait_volume(const char *name, bool quiet, int64_t timeout_s)
{
	char late[LINE_MAX_BYTES];
	const struct progress_goal goal = {
		.goes_on = "no longer waiting; the copies go on by themselves: sdsd status",
		.late = late,
		.look = look_at_volume,
		.arg = &name,
	};

	snprintf(late, sizeof(late), "%s: not in sync", name);
	return progress_wait(&goal, quiet, timeout_s);
}
