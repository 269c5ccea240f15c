// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * churn.c - churn FILE SECONDS: writes a buffer past the page cache at offsets
 * drawn by chance, and changes it all the while from another thread, as memory
 * of a virtual machine may change: copies that were made from it at two moments
 * differ. The buffer is 1 MiB of a huge page and begins inside of a small one:
 * few segments, but one page more than a request of that size can have. Prints
 * how often it wrote.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define BLOCK (1u << 20)
#define HUGE (2u << 20)
#define INSIDE 512u /* where in a page it begins */
#define SPAN (16u << 20)

static atomic_bool over;

static void *change(void *buffer)
{
	volatile uint64_t *word = buffer;

	for (uint64_t n = 0; !over; n++)
		word[n % (BLOCK / sizeof(*word))] = n * 0x9e3779b97f4a7c15u;
	return NULL;
}

static void *new_buffer(void)
{
	char *huge = aligned_alloc(HUGE, HUGE);

	if (!huge)
		return NULL;
	if (madvise(huge, HUGE, MADV_HUGEPAGE))
		perror("churn: no huge pages");
	return huge + INSIDE;
}

int main(int argc, char **argv)
{
	void *buffer = new_buffer();
	time_t end = time(NULL) + (argc == 3 ? strtol(argv[2], NULL, 10) : 0);
	unsigned long writes = 0;
	pthread_t thread;
	int fd, rv = 0;

	if (argc != 3 || !buffer)
		return 2;
	fd = open(argv[1], O_WRONLY | O_DIRECT);
	if (fd < 0 || pthread_create(&thread, NULL, change, buffer)) {
		perror(argv[1]);
		return 1;
	}
	for (; rv == 0 && time(NULL) < end; writes++) {
		off_t at = (off_t)((unsigned)rand() % (SPAN / BLOCK)) * BLOCK;

		rv = pwrite(fd, buffer, BLOCK, at) == BLOCK ? 0 : 1;
	}
	over = true;
	pthread_join(thread, NULL);
	if (rv)
		perror("churn: a write failed");
	printf("%lu writes\n", writes);
	return rv;
}
