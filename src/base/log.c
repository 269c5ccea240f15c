// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * log.c - writes log lines to standard error, each with one write(2), so that
 * lines of different threads do not mix. Control characters are replaced: text
 * may hold what a peer sent, and a line must stay a line. It knows nothing of
 * journals or files; the service manager takes standard error.
 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOG_LINE_MAX 2048

static const char *const level_names[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARN] = "warn",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

static atomic_int level_max = LOG_LEVEL_INFO;

void log_init(enum log_level level)
{
	atomic_store(&level_max, (int)level);
}

int log_level_parse(const char *text, enum log_level *ret)
{
	for (int i = LOG_LEVEL_ERROR; i <= LOG_LEVEL_DEBUG; i++) {
		if (strcmp(text, level_names[i]) == 0) {
			*ret = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

static size_t line_start(char *line, size_t size, enum log_level level, const char *subsystem)
{
	struct timespec now;
	struct tm tm;
	int n;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	n = snprintf(line, size,
		     "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %-5s %s: ", tm.tm_year + 1900,
		     tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		     now.tv_nsec / 1000000, level_names[level], subsystem);
	if (n < 0)
		return 0;
	return (size_t)n < size ? (size_t)n : size - 1;
}

static void line_write(const char *line, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDERR_FILENO, line, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* there is nowhere left to complain */
		line += n;
		len -= (size_t)n;
	}
}

void log_write(enum log_level level, const char *subsystem, const char *fmt, ...)
{
	char line[LOG_LINE_MAX];
	int saved = errno;
	size_t used;
	va_list ap;
	int n;

	if ((int)level > atomic_load_explicit(&level_max, memory_order_relaxed))
		return;
	used = line_start(line, sizeof(line) - 1, level, subsystem);
	va_start(ap, fmt);
	n = vsnprintf(line + used, sizeof(line) - 1 - used, fmt, ap);
	va_end(ap);
	if (n > 0)
		used += (size_t)n;
	if (used > sizeof(line) - 2) {
		used = sizeof(line) - 2;
		memcpy(line + used - 3, "...", 3);
	}
	for (size_t i = 0; i < used; i++) {
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = ' ';
	}
	line[used++] = '\n';
	line_write(line, used);
	errno = saved;
}
