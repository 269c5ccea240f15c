// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * watch.c - the CLI's end of streams of events, and --watch. Called by main.c and
 * log.c. It asks as an HTTP/1.0 client, so that what comes is the stream alone.
 */
#include "cli/watch.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/client.h"
#include "cli/print.h"

#define HEAD_MAX_MS 10000
#define RETRY_MS 1000
#define HEAD_ROWS 2 /* the time, and a blank line */

void watch_init(struct watch *w)
{
	w->fd = -1;
	w->lent = 0;
	buf_init(&w->in, WATCH_EVENT_MAX);
}

void watch_close(struct watch *w)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
	buf_release(&w->in);
	buf_init(&w->in, WATCH_EVENT_MAX);
	w->lent = 0;
}

static int64_t now_ms(void)
{
	return (int64_t)(clock_boot_ns() / 1000000);
}

/* 1: something came, 0: nothing within the time; -errno */
static int read_more(struct watch *w, int timeout_ms)
{
	struct pollfd p = { .fd = w->fd, .events = POLLIN };
	char bytes[8192];
	ssize_t n;
	int rv = poll(&p, 1, timeout_ms);

	if (rv == 0 || (rv < 0 && errno == EINTR))
		return 0;
	n = rv < 0 ? -1 : read(w->fd, bytes, sizeof(bytes));
	if (n == 0)
		return -EPIPE;
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	return buf_append(&w->in, bytes, (size_t)n) < 0 ? -EMSGSIZE : 1;
}

/* where text begins in what has come; NULL */
static char *find(struct watch *w, const char *text)
{
	return w->in.len > 0 ? memmem(w->in.data, w->in.len, text, strlen(text)) : NULL;
}

static int connect_to(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd, rv;

	if (strlen(path) >= sizeof(a.sun_path))
		return -ENAMETOOLONG;
	memcpy(a.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	rv = -errno;
	close(fd);
	return rv;
}

static int read_head(struct watch *w)
{
	static const char ok[] = "HTTP/1.1 200 ", end[] = "\r\n\r\n";
	char *at;
	int rv;

	while (!(at = find(w, end))) {
		rv = read_more(w, HEAD_MAX_MS);
		if (rv <= 0)
			return rv < 0 ? rv : -ETIMEDOUT;
	}
	if (strncmp((char *)w->in.data, ok, strlen(ok)) != 0)
		return -EPROTO;
	buf_consume(&w->in, (size_t)(at - (char *)w->in.data) + strlen(end));
	return 0;
}

int watch_open(struct watch *w, const char *path)
{
	char request[1024];
	int len = snprintf(request, sizeof(request), "GET %s HTTP/1.0\r\n\r\n", path), rv;

	if (len >= (int)sizeof(request))
		return -ENAMETOOLONG;
	rv = connect_to(client_settings.socket);
	if (rv < 0)
		return rv;
	w->fd = rv;
	rv = send(w->fd, request, (size_t)len, MSG_NOSIGNAL) == len ? read_head(w) : -EPIPE;
	if (rv < 0)
		watch_close(w);
	return rv;
}

/* takes the fields out of an event's lines, which end with a 0 */
static void parse(char *text, struct watch_event *ret)
{
	ret->name[0] = '\0';
	ret->data = "";
	for (char *line = text, *next; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (strncmp(line, "event: ", 7) == 0)
			snprintf(ret->name, sizeof(ret->name), "%.31s", line + 7);
		else if (strncmp(line, "data: ", 6) == 0)
			ret->data = line + 6;
	}
}

int watch_next(struct watch *w, int timeout_ms, struct watch_event *ret)
{
	int64_t until = now_ms() + timeout_ms;
	char *end;
	int rv;

	buf_consume(&w->in, w->lent);
	w->lent = 0;
	while (!(end = find(w, "\n\n"))) {
		int64_t left = timeout_ms < 0 ? -1 : until - now_ms();

		if (timeout_ms >= 0 && left <= 0)
			return 0;
		rv = read_more(w, (int)left);
		if (rv < 0) {
			watch_close(w);
			return rv;
		}
	}
	*end = '\0';
	w->lent = (size_t)(end - (char *)w->in.data) + 2;
	parse((char *)w->in.data, ret);
	return 1;
}

/* Until something has changed, or it is time anyway; gathers what comes with it. */
static void wait_for_change(struct watch *w)
{
	int64_t until = now_ms() + WATCH_REDRAW_MS;
	struct watch_event e;
	int rv;

	while (now_ms() < until) {
		if (w->fd < 0 && watch_open(w, "/v1/sds/events") < 0) {
			poll(NULL, 0, RETRY_MS); /* the daemon is not there, or has too many */
			continue;
		}
		rv = watch_next(w, (int)(until - now_ms()), &e);
		if (rv < 0)
			poll(NULL, 0, RETRY_MS);
		if (rv > 0 && e.name[0]) {
			int64_t soon = now_ms() + WATCH_GATHER_MS;

			until = soon < until ? soon : until;
		}
	}
}

static void begin_screen(bool terminal, bool first)
{
	time_t now = time(NULL);
	struct tm tm;
	char text[32] = "";

	if (localtime_r(&now, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	if (terminal)
		printf("\033[H\033[2J%s\n\n", text);
	else if (!first)
		putchar('\n');
}

int watch_run(int (*show)(void *arg), void *arg)
{
	bool terminal = isatty(STDOUT_FILENO);
	struct watch w;
	int rv;

	watch_init(&w);
	if (terminal)
		screen_reserve(HEAD_ROWS);
	for (bool first = true;; first = false) {
		begin_screen(terminal, first);
		rv = show(arg);
		if (first && rv != CLI_OK)
			break;
		if (fflush(stdout) != 0 || ferror(stdout))
			break; /* nobody reads it any more */
		wait_for_change(&w);
	}
	watch_close(&w);
	return rv;
}
