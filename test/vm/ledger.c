// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ledger.c - an application in a guest whose machine may lose its power: it says
 * on its standard output, which leads out of the guest, each write that was
 * acknowledged, and what is written can be judged later (ledger.py).
 *
 * The volume's first blocks of 4 KiB belong to streams in turn. A stream writes
 * one block at a time, the number of the write in each of its sectors; which
 * block is a function of stream and number (slot_of), so that whoever knows how
 * far a stream has come knows what each block holds. See usage().
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 4096
#define SECTOR 512
#define MAGIC 0x6c65646765720001ull
#define STREAMS_MAX 16

struct sector { /* the rest of it is zeros */
	uint64_t magic;
	uint64_t block;
	uint64_t number;
};

struct stream {
	uint64_t index;
	uint64_t number; /* of the next write; the first one has 1, 0 is a block never written */
	pthread_t thread;
};

static int device;
static uint64_t n_streams, n_blocks, pause_us;
static volatile sig_atomic_t ended;

static void die(const char *what)
{
	fprintf(stderr, "ledger: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void usage(void)
{
	fputs("ledger write DEVICE STREAMS BLOCKS PAUSE_MS [sync] NUMBER...\n"
	      "    each stream writes from its NUMBER on, PAUSE_MS between two writes, until\n"
	      "    SIGTERM comes or a write fails; sync: with O_DSYNC. Prints\n"
	      "    o US                           opened, that long\n"
	      "    a STREAM NUMBER BEGUN US       acknowledged, begun at BEGUN us (monotonic)\n"
	      "    e STREAM NUMBER ERRNO          failed\n"
	      "ledger read DEVICE STREAMS BLOCKS\n"
	      "    prints for each block that is not zeros: b BLOCK NUMBER, or eight numbers\n"
	      "    when its sectors differ; -1: what no ledger has written there\n",
	      stderr);
	exit(2);
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* the same function in ledger.py */
static uint64_t slot_of(uint64_t stream, uint64_t number, uint64_t slots)
{
	uint64_t h = (stream << 40) + number;

	h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9ull;
	h = (h ^ (h >> 27)) * 0x94d049bb133111ebull;
	return (h ^ (h >> 31)) % slots;
}

static uint64_t block_of(uint64_t stream, uint64_t number)
{
	return slot_of(stream, number, n_blocks / n_streams) * n_streams + stream;
}

/* One write() each: what is said is out, or in the pipe to the agent. */
static void say(const char *what, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	char line[128];
	int n = snprintf(line, sizeof(line), "%s %llu %llu %llu %llu\n", what,
			 (unsigned long long)a, (unsigned long long)b, (unsigned long long)c,
			 (unsigned long long)d);

	if (write(STDOUT_FILENO, line, (size_t)n) != n)
		exit(1);
}

static void *aligned(void)
{
	void *data = NULL;

	if (posix_memalign(&data, BLOCK, BLOCK) != 0)
		die("no memory");
	memset(data, 0, BLOCK);
	return data;
}

static void fill(char *data, uint64_t block, uint64_t number)
{
	struct sector s = { .magic = MAGIC, .block = block, .number = number };

	for (int i = 0; i < BLOCK; i += SECTOR)
		memcpy(data + i, &s, sizeof(s));
}

static void *run_stream(void *arg)
{
	struct stream *s = arg;
	char *data = aligned();

	for (; !ended; s->number++) {
		uint64_t block = block_of(s->index, s->number);
		uint64_t begun = now_us();

		fill(data, block, s->number);
		if (pwrite(device, data, BLOCK, (off_t)(block * BLOCK)) != BLOCK) {
			say("e", s->index, s->number, (uint64_t)errno, 0);
			break;
		}
		say("a", s->index, s->number, begun, now_us() - begun);
		usleep((useconds_t)pause_us);
	}
	free(data);
	return NULL;
}

static void on_term(int signal)
{
	(void)signal;
	ended = 1;
}

static void open_device(const char *path, int flags)
{
	uint64_t began = now_us();

	device = open(path, flags | O_DIRECT | O_CLOEXEC);
	if (device < 0)
		die(path);
	say("o", now_us() - began, 0, 0, 0);
}

static int write_all(const char *path, bool sync, char **numbers)
{
	static struct stream streams[STREAMS_MAX];

	signal(SIGTERM, on_term);
	open_device(path, O_WRONLY | (sync ? O_DSYNC : 0));
	for (uint64_t i = 0; i < n_streams; i++) {
		streams[i] =
			(struct stream){ .index = i, .number = strtoull(numbers[i], NULL, 10) };
		if (pthread_create(&streams[i].thread, NULL, run_stream, &streams[i]) != 0)
			die("no thread");
	}
	for (uint64_t i = 0; i < n_streams; i++)
		pthread_join(streams[i].thread, NULL);
	return 0;
}

/* -1: neither zeros nor a sector of that block */
static long long number_in(const char *data, uint64_t block)
{
	static const struct sector never;
	struct sector s;

	memcpy(&s, data, sizeof(s));
	if (memcmp(&s, &never, sizeof(s)) == 0)
		return 0;
	return s.magic == MAGIC && s.block == block ? (long long)s.number : -1;
}

static void show_block(const char *data, uint64_t block)
{
	long long number[BLOCK / SECTOR];
	bool same = true;

	for (int i = 0; i < BLOCK / SECTOR; i++) {
		number[i] = number_in(data + (size_t)i * SECTOR, block);
		same = same && number[i] == number[0];
	}
	if (same && number[0] == 0)
		return;
	printf("b %llu", (unsigned long long)block);
	for (int i = 0; i < (same ? 1 : BLOCK / SECTOR); i++)
		printf(" %lld", number[i]);
	printf("\n");
}

static int read_all(const char *path)
{
	char *data = aligned();

	open_device(path, O_RDONLY);
	for (uint64_t block = 0; block < n_blocks; block++) {
		if (pread(device, data, BLOCK, (off_t)(block * BLOCK)) != BLOCK)
			die("reading");
		show_block(data, block);
	}
	free(data);
	return 0;
}

int main(int argc, char **argv)
{
	bool writes = argc > 6 && strcmp(argv[1], "write") == 0;
	bool sync = writes && strcmp(argv[6], "sync") == 0;

	if (!writes && (argc != 5 || strcmp(argv[1], "read") != 0))
		usage();
	n_streams = strtoull(argv[3], NULL, 10);
	n_blocks = strtoull(argv[4], NULL, 10);
	if (n_streams == 0 || n_streams > STREAMS_MAX || n_blocks < n_streams)
		usage();
	if (!writes)
		return read_all(argv[2]);
	pause_us = strtoull(argv[5], NULL, 10) * 1000;
	if (argc != 6 + sync + (int)n_streams)
		usage();
	return write_all(argv[2], sync, argv + 6 + sync);
}
