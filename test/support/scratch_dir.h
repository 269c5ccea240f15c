/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scratch_dir.h - a directory of its own for one test, or for a target of libFuzzer. Used by tests
 * of all folders.
 */
#ifndef SDSD_TEST_SUPPORT_SCRATCH_DIR_H
#define SDSD_TEST_SUPPORT_SCRATCH_DIR_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

__attribute__((unused)) static int scratch_remove_one(const char *path, const struct stat *st,
						      int type, struct FTW *ftw)
{
	return remove(path);
}

__attribute__((unused)) static void scratch_remove(const char *dir)
{
	nftw(dir, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* in memory when the machine allows it: most tests do not need a real disk's fsync. SDSD_TEST_DIR:
 * somewhere else, to run them on a real one. */
__attribute__((unused)) static const char *scratch_make(char path[64])
{
	const char *base = getenv("SDSD_TEST_DIR");

	if (!base)
		base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

	snprintf(path, 64, "%s/sdsd-test-XXXXXX", base);
	if (!mkdtemp(path)) {
		perror(path);
		abort();
	}
	return path;
}

#endif
