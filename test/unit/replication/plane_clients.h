/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plane_clients.h - planes of a planelab and NBD clients of theirs, that write
 * and expect blocks with a pattern. For one program.
 */
#ifndef SDSD_TEST_UNIT_PLANE_CLIENTS_H
#define SDSD_TEST_UNIT_PLANE_CLIENTS_H

#include <fcntl.h>
#include <signal.h>

#include "base/log.h"
#include "support/leaks.h"
#include "support/planelab.h"
#include "unit/replication/nbd_client.h"

#define SIZE_BYTES (16ull << 20)
#define BLOCK 4096u

__attribute__((unused)) static void setup(void)
{
	signal(SIGPIPE, SIG_IGN);
	log_init(LOG_LEVEL_ERROR);
}

__attribute__((unused)) static struct lab *make(int nodes, uint32_t copies)
{
	struct lab *l = lab_new(nodes, copies, SIZE_BYTES);

	for (int i = 0; i < nodes; i++)
		lab_start(l, i);
	return l;
}

/* waits for the socket file: set is carried out on the plane's thread */
__attribute__((unused)) static int enter(struct lab *l, int node)
{
	for (int i = 0; i < 400 && access(lab_socket(l, node), F_OK) < 0; i++)
		usleep(5000);
	return cl_enter(lab_socket(l, node), false);
}

__attribute__((unused)) static void pattern(u8 *data, u32 len, u32 seed)
{
	for (u32 i = 0; i < len; i += 4) {
		u32 v = seed * 7919 + i * 2654435761u;

		memcpy(data + i, &v, 4);
	}
}

__attribute__((unused)) static void write_block(int fd, u32 block, u32 seed)
{
	u8 data[BLOCK];
	u32 error;

	pattern(data, BLOCK, seed);
	error = cl_write(fd, (u64)block * BLOCK, data, BLOCK, 0);
	cr_assert_eq(error, 0, "block %u: error %u", block, error);
}

__attribute__((unused)) static void expect_block(int fd, u32 block, u32 seed)
{
	u8 data[BLOCK], back[BLOCK];

	pattern(data, BLOCK, seed);
	cr_assert_eq(cl_read(fd, (u64)block * BLOCK, back, BLOCK), 0);
	cr_assert_arr_eq(back, data, BLOCK, "block %u", block);
}

/* the files of two stopped nodes hold the same */
__attribute__((unused)) static void expect_alike(struct lab *l, int a, int b)
{
	u8 *x = malloc(SIZE_BYTES), *y = malloc(SIZE_BYTES);
	int fa = open(lab_data_path(l, a), O_RDONLY | O_CLOEXEC);
	int fb = open(lab_data_path(l, b), O_RDONLY | O_CLOEXEC);

	cr_assert_eq(pread(fa, x, SIZE_BYTES, 0), SIZE_BYTES);
	cr_assert_eq(pread(fb, y, SIZE_BYTES, 0), SIZE_BYTES);
	for (u64 i = 0; i < SIZE_BYTES; i += BLOCK)
		cr_assert_eq(memcmp(x + i, y + i, BLOCK), 0, "nodes %d and %d differ in block %llu",
			     a, b, (unsigned long long)(i / BLOCK));
	close(fa);
	close(fb);
	free(x);
	free(y);
}

__attribute__((unused)) static bool status_is(struct lab *l, int node,
					      bool (*ok)(const struct plane_status *s))
{
	for (int i = 0; i < 600; i++) {
		struct plane_status s = lab_status(l, node);

		if (ok(&s))
			return true;
		usleep(20000);
	}
	return false;
}

__attribute__((unused)) static bool is_closed(const struct plane_status *s)
{
	return s->role && strcmp(s->role, "replica") == 0 && !s->open;
}

__attribute__((unused)) static bool is_closed_anywhere(const struct plane_status *s)
{
	return !s->open && !s->serving;
}

#endif
