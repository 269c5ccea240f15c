// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tests of the NBD server (nbd.c, nbd_hello.c, nbd_io.c) in front of the fake
 * volume of nbd_fake.h. The test is its client.
 */
#include "unit/replication/nbd_fake.h"

TestSuite(nbd, .init = setup, .fini = teardown);

/* ---- handshake ---- */

Test(nbd, export_name)
{
	static const struct {
		const char *name;
		u32 flags, answer;
	} rows[] = {
		{ "", NBD_FIXED_NEWSTYLE | NBD_NO_ZEROES, 10 },
		{ "db", NBD_FIXED_NEWSTYLE, 134 },
		{ "db/0", NBD_FIXED_NEWSTYLE | NBD_NO_ZEROES, 10 },
		{ "db/1", NBD_FIXED_NEWSTYLE, 0 },
		{ "other", NBD_FIXED_NEWSTYLE, 0 },
	};
	u8 in[134];

	for (size_t i = 0; i < PORT_ARRAY_SIZE(rows); i++) {
		int fd = cl_connect(f->path);

		cl_hello(fd, rows[i].flags);
		cl_option(fd, NBD_OPT_EXPORT_NAME, rows[i].name, (u32)strlen(rows[i].name));
		if (rows[i].answer) {
			cr_assert(cl_recv(fd, in, rows[i].answer), "row '%s'", rows[i].name);
			cr_expect_eq(nbd_get64(in), SIZE_BYTES);
			cr_expect(nbd_get16(in + 8) & NBD_CAN_MULTI_CONN);
			cr_expect_eq(cl_command(fd, NBD_CMD_FLUSH, 0, 0, 0), 0);
		} else {
			cr_expect(cl_closed(fd), "row '%s'", rows[i].name);
		}
		close(fd);
	}
}

Test(nbd, options)
{
	int fd = cl_connect(f->path);
	char text[1024];
	u64 size = 0;
	u32 len;

	cl_hello(fd, NBD_FIXED_NEWSTYLE | NBD_NO_ZEROES);
	cl_option(fd, 77, "what", 4);
	cr_expect_eq(cl_reply(fd, 77, text, NULL), NBD_REP_ERR_UNSUP);
	cl_option(fd, NBD_OPT_LIST, NULL, 0);
	cr_expect_eq(cl_reply(fd, NBD_OPT_LIST, text, &len), NBD_REP_SERVER);
	cr_expect_eq(nbd_get32((u8 *)text), 2);
	cr_expect_arr_eq(text + 4, "db", 2);
	cr_expect_eq(cl_reply(fd, NBD_OPT_LIST, text, NULL), NBD_REP_ACK);
	cl_option(fd, NBD_OPT_LIST, "x", 1);
	cr_expect_eq(cl_reply(fd, NBD_OPT_LIST, text, NULL), NBD_REP_ERR_INVALID);
	cl_option(fd, NBD_OPT_STRUCTURED_REPLY, "x", 1);
	cr_expect_eq(cl_reply(fd, NBD_OPT_STRUCTURED_REPLY, text, NULL), NBD_REP_ERR_INVALID);
	cl_option(fd, NBD_OPT_GO, "xyz", 3);
	cr_expect_eq(cl_reply(fd, NBD_OPT_GO, text, NULL), NBD_REP_ERR_INVALID);
	cl_ask_go(fd, NBD_OPT_GO, "nothing");
	cr_expect_eq(cl_go_answer(fd, NBD_OPT_GO, NULL, text), NBD_REP_ERR_UNKNOWN);
	cl_ask_go(fd, NBD_OPT_INFO, "db");
	cr_expect_eq(cl_go_answer(fd, NBD_OPT_INFO, &size, text), NBD_REP_ACK);
	cr_expect_eq(size, SIZE_BYTES);
	cr_expect_eq(look(&f->opens), 0, "INFO and LIST do not open");
	cl_ask_go(fd, NBD_OPT_GO, "db/0");
	cr_expect_eq(cl_go_answer(fd, NBD_OPT_GO, NULL, text), NBD_REP_ACK);
	cr_expect_eq(look(&f->opens), 1);
	close(fd);
	cr_expect(comes(&f->closes, 1));
	fd = cl_connect(f->path);
	cl_hello(fd, NBD_FIXED_NEWSTYLE);
	cl_option(fd, NBD_OPT_ABORT, NULL, 0);
	cr_expect_eq(cl_reply(fd, NBD_OPT_ABORT, text, NULL), NBD_REP_ACK);
	cr_expect(cl_closed(fd));
	close(fd);
}

Test(nbd, a_big_option_is_passed_over)
{
	int fd = cl_connect(f->path);
	u8 *big = calloc(1, NBD_OPTION_MAX + 1);
	char text[1024];

	cl_hello(fd, NBD_FIXED_NEWSTYLE);
	cl_option(fd, NBD_OPT_GO, big, NBD_OPTION_MAX + 1);
	cr_expect_eq(cl_reply(fd, NBD_OPT_GO, text, NULL), NBD_REP_ERR_TOO_BIG);
	cl_option(fd, NBD_OPT_LIST, NULL, 0);
	cr_expect_eq(cl_reply(fd, NBD_OPT_LIST, text, NULL), NBD_REP_SERVER, "still in step");
	close(fd);
	free(big);
}

Test(nbd, garbage)
{
	static const struct {
		const char *name;
		const char *bytes;
		size_t len;
	} rows[] = {
		{ "unknown flags", "\xff\0\0\0", 4 },
		{ "http", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27 },
		{ "no magic", "\0\0\0\1abcdefghijklmnop", 20 },
	};
	u8 in[18];

	for (size_t i = 0; i < PORT_ARRAY_SIZE(rows); i++) {
		int fd = cl_connect(f->path);

		cr_assert(cl_recv(fd, in, sizeof(in)));
		cl_send(fd, rows[i].bytes, rows[i].len);
		cr_expect(cl_closed(fd), "row '%s'", rows[i].name);
		close(fd);
	}
	int fd = cl_enter(f->path, false);

	cl_send(fd, "0123456789012345678901234567", NBD_REQUEST_BYTES);
	cr_expect(cl_closed(fd), "a request without magic");
	close(fd);
	cr_expect(comes(&f->closes, 1));
}

Test(nbd, refused_and_asked_again)
{
	int fd = cl_connect(f->path);
	char text[1024];

	SET(refuse, "in use on node n2");
	cl_hello(fd, NBD_FIXED_NEWSTYLE);
	for (int i = 0; i < 2; i++) {
		cl_ask_go(fd, NBD_OPT_GO, "");
		cr_expect_eq(cl_go_answer(fd, NBD_OPT_GO, NULL, text), NBD_REP_ERR_SHUTDOWN);
		cr_expect(strstr(text, "n2"), "%s", text);
	}
	cl_option(fd, NBD_OPT_EXPORT_NAME, NULL, 0);
	cr_expect(cl_closed(fd), "EXPORT_NAME can only hang up");
	close(fd);
	cr_expect_eq(look(&f->opens), 3);
	cr_expect_eq(look(&f->closes), 0, "a refusal is no open volume");
	SET(refuse, NULL);
	close(cl_enter(f->path, false));
	cr_expect(comes(&f->closes, 1));
}

Test(nbd, leaves_while_it_is_being_opened)
{
	int fd = cl_connect(f->path), other;
	char text[1024];

	SET(hold_open, true);
	cl_hello(fd, NBD_FIXED_NEWSTYLE);
	cl_ask_go(fd, NBD_OPT_GO, "");
	cr_assert(comes(&f->opens, 1));
	close(fd);
	cr_expect(comes(&f->closes, 1));
	SET(hold_open, false);
	other = cl_connect(f->path);
	cl_hello(other, NBD_FIXED_NEWSTYLE);
	cl_ask_go(other, NBD_OPT_GO, "");
	cr_expect_eq(cl_go_answer(other, NBD_OPT_GO, NULL, text), NBD_REP_ACK);
	close(other);
	cr_expect(comes(&f->closes, 2));
}

/* ---- requests ---- */

Test(nbd, refused_requests)
{
	static const struct {
		const char *name;
		u16 command, flags;
		u64 off;
		u32 len, error;
	} rows[] = {
		{ "read past the end", NBD_CMD_READ, 0, SIZE_BYTES - 512, 1024, NBD_EINVAL },
		{ "read far past the end", NBD_CMD_READ, 0, ~0ull - 511, 512, NBD_EINVAL },
		{ "write past the end", NBD_CMD_WRITE, 0, SIZE_BYTES, 512, NBD_ENOSPC },
		{ "zero past the end", NBD_CMD_WRITE_ZEROES, 0, SIZE_BYTES - 512, 1024,
		  NBD_ENOSPC },
		{ "trim past the end", NBD_CMD_TRIM, 0, SIZE_BYTES - 512, 1024, NBD_EINVAL },
		{ "offset not aligned", NBD_CMD_READ, 0, 1, 512, NBD_EINVAL },
		{ "length not aligned", NBD_CMD_WRITE, 0, 0, 100, NBD_EINVAL },
		{ "read too long", NBD_CMD_READ, 0, 0, NBD_DATA_MAX + 512, NBD_EINVAL },
		{ "write too long", NBD_CMD_WRITE, 0, 0, NBD_DATA_MAX + 512, NBD_EINVAL },
		{ "unknown command", 5, 0, 0, 512, NBD_EINVAL },
		{ "unknown command", 99, 0, 0, 512, NBD_EINVAL },
		{ "unknown flag", NBD_CMD_READ, 4, 0, 512, NBD_EINVAL },
		{ "no hole on a write", NBD_CMD_WRITE, NBD_CMD_FLAG_NO_HOLE, 0, 512, NBD_EINVAL },
		{ "nothing read", NBD_CMD_READ, 0, 0, 0, 0 },
		{ "nothing written", NBD_CMD_WRITE, 0, 0, 0, 0 },
		{ "nothing zeroed", NBD_CMD_WRITE_ZEROES, 0, SIZE_BYTES, 0, 0 },
	};
	u8 *data = calloc(1, NBD_DATA_MAX + 512);

	for (int structured = 0; structured < 2; structured++) {
		int fd = cl_enter(f->path, structured);

		for (size_t i = 0; i < PORT_ARRAY_SIZE(rows); i++) {
			u8 rest[256];
			u32 len, error = 0;
			u64 cookie;

			cl_request(fd, rows[i].command, rows[i].flags, i, rows[i].off, rows[i].len);
			if (rows[i].command == NBD_CMD_WRITE)
				cl_send(fd, data, rows[i].len);
			if (structured && (rows[i].error || rows[i].command == NBD_CMD_READ)) {
				u16 type = cl_chunk(fd, &cookie, &len);

				cr_assert(cl_recv(fd, rest, len));
				cr_expect_eq(type,
					     rows[i].error ? NBD_CHUNK_ERROR : NBD_CHUNK_NONE);
				error = rows[i].error ? nbd_get32(rest) : 0;
			} else {
				error = cl_simple(fd, &cookie);
			}
			cr_expect_eq(cookie, i);
			cr_expect_eq(error, rows[i].error, "row '%s': %u", rows[i].name, error);
		}
		close(fd);
	}
	cr_expect_eq(look(&f->writes) + look(&f->reads) + look(&f->zeros), 0);
	free(data);
}

static void fill(u8 *data, u32 len, u32 seed)
{
	for (u32 i = 0; i < len; i += 4) {
		u32 v = seed + i * 2654435761u;

		memcpy(data + i, &v, 4);
	}
}

Test(nbd, write_and_read_in_pieces)
{
	static const struct {
		u64 off;
		u32 len, writes;
	} rows[] = {
		{ 0, 512, 1 },
		{ 4096, 1 << 20, 1 },
		{ 512, (1 << 20) + 512, 2 },
		{ REPL_EXTENT_BYTES - 512, 1024, 2 },
		{ REPL_EXTENT_BYTES - 512, NBD_DATA_MAX, 1 + 7 * 4 + 4 },
		{ (1 << 20) - 512, NBD_DATA_MAX, 4 + 7 * 4 + 1 },
		{ SIZE_BYTES - 4096, 4096, 1 },
	};
	u8 *data = malloc(NBD_DATA_MAX), *back = malloc(NBD_DATA_MAX);
	int fd = cl_enter(f->path, false), st = cl_enter(f->path, true);

	for (size_t i = 0; i < PORT_ARRAY_SIZE(rows); i++) {
		u32 before = look(&f->writes), len;
		u64 cookie;
		u8 off[8];

		fill(data, rows[i].len, (u32)i);
		cr_expect_eq(cl_write(fd, rows[i].off, data, rows[i].len, 0), 0);
		cr_expect_eq(look(&f->writes) - before, rows[i].writes, "row %zu: %u", i,
			     look(&f->writes) - before);
		memset(back, 0, rows[i].len);
		cr_expect_eq(cl_read(fd, rows[i].off, back, rows[i].len), 0);
		cr_expect_arr_eq(back, data, rows[i].len, "row %zu", i);
		memset(back, 0, rows[i].len);
		cl_request(st, NBD_CMD_READ, 0, 5, rows[i].off, rows[i].len);
		cr_expect_eq(cl_chunk(st, &cookie, &len), NBD_CHUNK_DATA);
		cr_expect_eq(len, rows[i].len + 8);
		cr_assert(cl_recv(st, off, 8) && cl_recv(st, back, rows[i].len));
		cr_expect_eq(nbd_get64(off), rows[i].off);
		cr_expect_arr_eq(back, data, rows[i].len, "structured row %zu", i);
	}
	cr_expect_leq(look(&f->longest), REPL_WRITE_MAX);
	cr_expect_not(f->crossed);
	close(fd);
	close(st);
	free(data);
	free(back);
}

Test(nbd, zero_trim_fua_flush)
{
	int fd = cl_enter(f->path, false);
	u8 *data = malloc(1 << 20);

	memset(data, 7, 1 << 20);
	cr_expect_eq(cl_write(fd, 0, data, 1 << 20, 0), 0);
	cr_expect_eq(look(&f->flushes), 0);
	cr_expect_eq(cl_write(fd, 0, data, 4096, NBD_CMD_FLAG_FUA), 0);
	cr_expect_eq(look(&f->flushes), 1, "FUA flushes");
	cr_expect_eq(cl_command(fd, NBD_CMD_WRITE_ZEROES, NBD_CMD_FLAG_NO_HOLE, 4096, 4096), 0);
	cr_expect_eq(look(&f->zeros), 1);
	cr_expect_eq(cl_command(fd, NBD_CMD_WRITE_ZEROES, NBD_CMD_FLAG_FUA, 8192, 4096), 0);
	cr_expect_eq(look(&f->trims), 1);
	cr_expect_eq(look(&f->flushes), 2);
	cr_expect_eq(cl_command(fd, NBD_CMD_FLUSH, 0, 0, 0), 0);
	cr_expect_eq(cl_command(fd, NBD_CMD_FLUSH, 0, 512, 512), 0, "a flush has no range");
	cr_expect_eq(look(&f->flushes), 4);
	cr_expect_eq(cl_command(fd, NBD_CMD_TRIM, 0, 0, (u32)SIZE_BYTES), 0);
	cr_expect_eq(look(&f->discards), SIZE_BYTES / REPL_EXTENT_BYTES);
	cr_expect_eq(look(&f->trims), 1);
	cr_expect_eq(cl_read(fd, 0, data, 1 << 20), 0);
	cr_expect(cl_all(data, 1 << 20, 0));
	cr_expect_eq(cl_read(fd, 0, data, 0), 0);
	close(fd);
	free(data);
}

Test(nbd, failing_volume)
{
	int fd = cl_enter(f->path, false), st = cl_enter(f->path, true);
	u8 *data = calloc(1, 4 << 20), rest[128];
	u64 cookie;
	u32 len;

	SET(fail, -EIO);
	cr_expect_eq(cl_write(fd, 0, data, 4 << 20, NBD_CMD_FLAG_FUA), NBD_EIO);
	cr_expect_eq(look(&f->flushes), 0, "no flush after an error");
	cr_expect_eq(cl_read(fd, 0, data, 4 << 20), NBD_EIO);
	cr_expect_eq(cl_command(fd, NBD_CMD_FLUSH, 0, 0, 0), NBD_EIO);
	cl_request(st, NBD_CMD_READ, 0, 11, 0, 4096);
	cr_expect_eq(cl_chunk(st, &cookie, &len), NBD_CHUNK_ERROR);
	cr_expect_eq(cookie, 11);
	cr_assert_lt(len, sizeof(rest));
	cr_assert(cl_recv(st, rest, len));
	cr_expect_eq(nbd_get32(rest), NBD_EIO);
	cr_expect_eq(nbd_get16(rest + 4) + 6u, len);
	SET(fail, 0);
	cr_expect_eq(cl_write(fd, 0, data, 4096, 0), 0, "the client is still in step");
	close(fd);
	close(st);
	free(data);
}

Test(nbd, full_volume_makes_wait)
{
	int fd = cl_enter(f->path, false);
	u8 *data = malloc(8 << 20), *back = malloc(8 << 20);
	u64 cookie;

	SET(full_at, 1);
	fill(data, 8 << 20, 3);
	for (u32 i = 0; i < 8; i++) {
		cl_request(fd, NBD_CMD_WRITE, i == 7 ? NBD_CMD_FLAG_FUA : 0, i, (u64)i << 20,
			   1 << 20);
		cl_send(fd, data + ((size_t)i << 20), 1 << 20);
	}
	for (u32 i = 0; i < 8; i++)
		cr_expect_eq(cl_simple(fd, &cookie), 0);
	cr_expect_eq(cl_read(fd, 0, back, 8 << 20), 0);
	cr_expect_arr_eq(back, data, 8 << 20);
	cr_expect_eq(cl_command(fd, NBD_CMD_TRIM, 0, 0, (u32)SIZE_BYTES), 0);
	cr_expect_gt(look(&f->busy), 0);
	close(fd);
	cr_expect(comes(&f->closes, 1));
	free(data);
	free(back);
}

/* keeps sending until the socket takes no more; the number of requests sent */
static u32 send_reads(int fd, u32 max, u32 len)
{
	u8 out[NBD_REQUEST_BYTES] = { 0 };
	u32 n = 0;

	nbd_put32(out, NBD_MAGIC_REQUEST);
	nbd_put16(out + 6, NBD_CMD_READ);
	nbd_put32(out + 24, len);
	for (; n < max; n++) {
		struct pollfd p = { .fd = fd, .events = POLLOUT };

		if (poll(&p, 1, 500) <= 0)
			break;
		cl_send(fd, out, sizeof(out));
	}
	return n;
}

Test(nbd, limits_on_requests_of_a_client)
{
	int fd = cl_enter(f->path, false), other = cl_enter(f->path, false);
	u8 *data = malloc(4096);
	u32 sent;

	SET(hold, true);
	sent = send_reads(fd, NBD_CLIENT_REQUESTS_MAX + 40, 512);
	cr_assert_eq(sent, NBD_CLIENT_REQUESTS_MAX + 40, "the socket takes these: %u", sent);
	cr_expect(comes(&f->reads, NBD_CLIENT_REQUESTS_MAX));
	usleep(50000);
	cr_expect_eq(look(&f->reads), NBD_CLIENT_REQUESTS_MAX);
	cl_request(other, NBD_CMD_FLUSH, 0, 1, 0, 0);
	cr_expect(comes(&f->flushes, 1), "another client has room");
	SET(hold, false);
	post(on_release);
	for (u32 i = 0; i < sent; i++) {
		cr_assert_eq(cl_simple(fd, NULL), 0);
		cr_assert(cl_recv(fd, data, 512));
	}
	cr_expect_eq(cl_simple(other, NULL), 0);
	close(fd);
	close(other);
	free(data);
}

Test(nbd, a_client_that_takes_no_answers_is_not_read)
{
	int fd = cl_enter(f->path, false);
	u8 *data = malloc(16 << 20);
	u32 n, sent;

	sent = send_reads(fd, 64, 16 << 20);
	cr_assert_eq(sent, 64);
	usleep(200000);
	n = look(&f->reads);
	cr_expect_leq(n, 2 * 16, "%u pieces of 1 MiB, more than NBD_READ_BYTES_MAX", n);
	for (u32 i = 0; i < sent; i++) {
		cr_assert_eq(cl_simple(fd, NULL), 0);
		cr_assert(cl_recv(fd, data, 16 << 20));
	}
	close(fd);
	free(data);
}

Test(nbd, gone_in_the_middle_of_a_write)
{
	u8 *data = calloc(1, 3 << 20);
	int fd;

	memset(data, 9, 3 << 20);
	fd = cl_enter(f->path, false);
	cl_request(fd, NBD_CMD_WRITE, 0, 1, 0, 4 << 20);
	cl_send(fd, data, (2 << 20) + 100);
	cr_expect(comes(&f->writes, 2));
	close(fd);
	cr_expect(comes(&f->closes, 1), "what was under way has ended");
	fd = cl_enter(f->path, false);
	cr_expect_eq(cl_read(fd, 0, data, 3 << 20), 0);
	cr_expect(cl_all(data, 2 << 20, 9));
	cr_expect(cl_all(data + (2 << 20), 1 << 20, 0));
	close(fd);
	cr_expect(comes(&f->closes, 2));
	free(data);
}

Test(nbd, gone_with_requests_under_way)
{
	int fd = cl_enter(f->path, false);
	u8 *data = calloc(1, 1 << 20);

	SET(hold, true);
	for (u32 i = 0; i < 8; i++) {
		cl_request(fd, NBD_CMD_WRITE, 0, i, 0, 1 << 20);
		cl_send(fd, data, 1 << 20);
	}
	send_reads(fd, 20, 4096);
	cr_expect(comes(&f->reads, 20));
	close(fd);
	usleep(100000);
	cr_expect_eq(look(&f->closes), 0, "not closed while requests are under way");
	SET(hold, false);
	post(on_release);
	cr_expect(comes(&f->closes, 1));
	free(data);
}

Test(nbd, disconnect_waits_for_answers)
{
	int fd = cl_enter(f->path, false);
	u8 *data = calloc(1, 4096);

	SET(hold, true);
	cl_request(fd, NBD_CMD_WRITE, 0, 42, 0, 4096);
	cl_send(fd, data, 4096);
	cl_request(fd, NBD_CMD_DISC, 0, 43, 0, 0);
	cr_expect(comes(&f->writes, 1));
	cr_expect_not(cl_readable(fd, 100));
	SET(hold, false);
	post(on_release);
	cr_expect_eq(cl_simple(fd, NULL), 0);
	cr_expect(cl_closed(fd));
	cr_expect(comes(&f->closes, 1));
	close(fd);
	free(data);
}

Test(nbd, cut_shows_all_out_and_lets_them_in_again)
{
	int fd = cl_enter(f->path, false), late;
	char text[1024];
	u8 *data = calloc(1, 4096);

	SET(hold, true);
	SET(fail, -EIO);
	cl_request(fd, NBD_CMD_WRITE, 0, 42, 0, 4096);
	cl_send(fd, data, 4096);
	cr_expect(comes(&f->writes, 1));
	post(on_cut);
	uv_sem_wait(&f->ready);
	late = cl_connect(f->path);
	cl_hello(late, NBD_FIXED_NEWSTYLE);
	cl_ask_go(late, NBD_OPT_GO, "");
	cr_expect_not(cl_readable(late, 100), "who comes now waits until the volume is closed");
	SET(hold, false);
	SET(fail, 0);
	post(on_release);
	cr_expect_eq(cl_simple(fd, NULL), NBD_EIO);
	cr_expect(cl_closed(fd));
	cr_expect_eq(cl_go_answer(late, NBD_OPT_GO, NULL, text), NBD_REP_ACK);
	cr_expect_eq(look(&f->closes), 1);
	cr_expect_eq(look(&f->opens), 2);
	close(fd);
	close(late);
	free(data);
}

Test(nbd, two_clients_one_open)
{
	int a = cl_enter(f->path, false), b = cl_enter(f->path, false);
	u8 data[4096], back[4096];

	memset(data, 3, sizeof(data));
	cr_expect_eq(look(&f->opens), 1);
	cr_expect_eq(cl_write(a, 8192, data, sizeof(data), 0), 0);
	cr_expect_eq(cl_command(b, NBD_CMD_FLUSH, 0, 0, 0), 0);
	cr_expect_eq(cl_read(b, 8192, back, sizeof(back)), 0);
	cr_expect_arr_eq(back, data, sizeof(data));
	close(a);
	usleep(50000);
	cr_expect_eq(look(&f->closes), 0);
	close(b);
	cr_expect(comes(&f->closes, 1));
}

Test(nbd, more_clients_than_allowed)
{
	int fd[NBD_CLIENTS_MAX + 1];
	u8 in[18];

	for (int i = 0; i < NBD_CLIENTS_MAX; i++) {
		fd[i] = cl_connect(f->path);
		cr_assert(cl_recv(fd[i], in, sizeof(in)));
	}
	fd[NBD_CLIENTS_MAX] = cl_connect(f->path);
	cr_expect(cl_closed(fd[NBD_CLIENTS_MAX]));
	for (int i = 0; i <= NBD_CLIENTS_MAX; i++)
		close(fd[i]);
}

/* teardown while clients are in all states and requests are under way */
Test(nbd, closed_under_everything)
{
	int waiting = cl_connect(f->path), inside, hello = cl_connect(f->path);
	u8 *data = calloc(1, 1 << 20);

	inside = cl_enter(f->path, true);
	SET(hold, true);
	cl_hello(waiting, NBD_FIXED_NEWSTYLE);
	cl_request(inside, NBD_CMD_WRITE, 0, 1, 0, 2 << 20);
	cl_send(inside, data, 1 << 20);
	cl_send(inside, data, 4096);
	cr_expect(comes(&f->writes, 1));
	free(data);
	/* left open: teardown ends the server */
	(void)hello;
}

/* ---- blocks ---- */

static void setup_blocks(void)
{
	fake_block_bytes = 4096;
	setup();
}

TestSuite(nbd_blocks, .init = setup_blocks, .fini = teardown);

Test(nbd, blocks_of_512)
{
	int fd = cl_connect(f->path);

	cl_hello(fd, NBD_FIXED_NEWSTYLE | NBD_NO_ZEROES);
	cr_expect_eq(cl_block(fd), 512);
	close(fd);
}

/* of a volume whose copies can write no others */
Test(nbd_blocks, blocks_of_4096)
{
	static const struct {
		u64 off;
		u32 len;
		bool ok;
	} rows[] = {
		{ 0, 4096, true }, { 4096, 8192, true },  { 512, 4096, false },
		{ 0, 512, false }, { 4096, 4608, false }, { 2048, 2048, false },
	};
	int fd = cl_connect(f->path);

	cl_hello(fd, NBD_FIXED_NEWSTYLE | NBD_NO_ZEROES);
	cr_expect_eq(cl_block(fd), 4096);
	close(fd);
	fd = cl_enter(f->path, false);
	for (size_t i = 0; i < PORT_ARRAY_SIZE(rows); i++)
		cr_expect_eq(cl_command(fd, NBD_CMD_TRIM, 0, rows[i].off, rows[i].len) == 0,
			     rows[i].ok, "%llu+%u", (unsigned long long)rows[i].off, rows[i].len);
	close(fd);
}
