// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * crash.c - see crash.h. The lock of FOLDER/passed keeps the threads of a daemon from counting at
 * once; what fails here is a fault of the test, which then sees nothing passed.
 */
#include "base/crash.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/log.h"

#define FOLDER_MAX 256
#define LINE_MAX_LEN 160

bool crash_is_watched;

static char passed_path[FOLDER_MAX + 8], end_path[FOLDER_MAX + 8];

void crash_watch(void)
{
	const char *folder = getenv("SDSD_CRASH_POINTS");

	if (!folder || !folder[0] || strlen(folder) >= FOLDER_MAX)
		return;
	snprintf(passed_path, sizeof(passed_path), "%s/passed", folder);
	snprintf(end_path, sizeof(end_path), "%s/end", folder);
	crash_is_watched = true;
	log_warn("daemon", "SDSD_CRASH_POINTS is set: a test may end this daemon at any step");
}

/* the number in front of the place that is named; 0: another one, or none */
static long wanted(const char *place)
{
	char line[LINE_MAX_LEN + 32], *rest;
	FILE *f = fopen(end_path, "re");
	long n = 0;

	if (!f)
		return 0;
	if (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		n = strtol(line, &rest, 10);
		if (*rest != ' ' || strcmp(rest + 1, place) != 0)
			n = 0;
	}
	fclose(f);
	return n;
}

static void count_down(const char *place)
{
	long n = wanted(place);
	FILE *f;

	if (n == 1) {
		unlink(end_path);
		kill(getpid(), SIGKILL);
	}
	if (n < 2)
		return;
	f = fopen(end_path, "we");
	if (!f)
		return;
	fprintf(f, "%ld %s\n", n - 1, place);
	fclose(f);
}

void crash_pass(const char *what, const char *which)
{
	char line[LINE_MAX_LEN];
	int fd = open(passed_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	ssize_t len;

	if (fd < 0)
		return;
	snprintf(line, sizeof(line), "%.60s %.90s\n", what, which);
	len = (ssize_t)strlen(line);
	if (flock(fd, LOCK_EX) == 0 && write(fd, line, (size_t)len) == len) {
		line[len - 1] = '\0';
		count_down(line);
	}
	close(fd);
}
