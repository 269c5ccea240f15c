// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * process.c - see process.h. Called by main.c and daemon.c.
 */
#include "process.h"

#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#define MALLOC_MAP_BYTES (256 << 10)  /* a block from here on is a mapping of its own */
#define MALLOC_KEEP_BYTES (512 << 10) /* free at the end of a heap that is kept */
#define POOL_THREADS "16"             /* one pool whose file system hangs takes one */

void process_raise_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	if (limit.rlim_max < PROCESS_FILES_MAX) {
		struct rlimit more = { PROCESS_FILES_MAX, PROCESS_FILES_MAX };

		if (setrlimit(RLIMIT_NOFILE, &more) == 0)
			return;
	}
	limit.rlim_cur = limit.rlim_max < PROCESS_FILES_MAX ? limit.rlim_max : PROCESS_FILES_MAX;
	setrlimit(RLIMIT_NOFILE, &limit); /* with fewer it runs too, until it says which it lacks */
}

void process_precede(void)
{
	setpriority(PRIO_PROCESS, 0, PROCESS_NICE);
}

void process_prepare(void)
{
	setenv("UV_THREADPOOL_SIZE", POOL_THREADS, 1);
	/* Fixed, or the first large block that is freed raises it, and from then on every thread
	 * keeps what its large blocks took and large zeroed ones are written to at once. */
	mallopt(M_MMAP_THRESHOLD, MALLOC_MAP_BYTES);
	mallopt(M_TRIM_THRESHOLD, MALLOC_KEEP_BYTES);
	signal(SIGPIPE, SIG_IGN);
}

void process_trim(void)
{
	malloc_trim(MALLOC_KEEP_BYTES);
}
