/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nbd_client.h - a small blocking NBD client for the tests of this folder: it
 * says what it is told to, also what is wrong. Waits at most CLIENT_WAIT_S.
 */
#ifndef SDSD_TEST_UNIT_NBD_CLIENT_H
#define SDSD_TEST_UNIT_NBD_CLIENT_H

#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "replication/nbd_parse.h"

#define CLIENT_WAIT_S 30
#define CLIENT_TRIES 300 /* of connecting, 10 ms apart */

__attribute__((unused)) static int cl_connect(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct timeval wait = { .tv_sec = CLIENT_WAIT_S };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), rv = -1;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.107s", path);
	/* a server that was just started listens on its own thread, a moment later */
	for (int i = 0; rv < 0 && i < CLIENT_TRIES; i++) {
		if (i)
			usleep(10000);
		rv = connect(fd, (struct sockaddr *)&addr, sizeof(addr));
	}
	cr_assert_eq(rv, 0, "%s: %m", path);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	return fd;
}

__attribute__((unused)) static void cl_send(int fd, const void *data, size_t len)
{
	const u8 *at = data;

	while (len > 0) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

		cr_assert(n > 0, "send: %m");
		at += n;
		len -= (size_t)n;
	}
}

/* false: the other side closed first */
__attribute__((unused)) static bool cl_recv(int fd, void *data, size_t len)
{
	u8 *at = data;

	while (len > 0) {
		ssize_t n = recv(fd, at, len, 0);

		cr_assert(n >= 0 || errno == ECONNRESET, "recv: %m");
		if (n <= 0)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

__attribute__((unused)) static bool cl_closed(int fd)
{
	u8 byte;

	return !cl_recv(fd, &byte, 1);
}

__attribute__((unused)) static bool cl_readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) > 0;
}

__attribute__((unused)) static void cl_hello(int fd, u32 flags)
{
	u8 in[18], out[4];

	cr_assert(cl_recv(fd, in, sizeof(in)));
	cr_assert_eq(nbd_get64(in), NBD_MAGIC_INIT);
	cr_assert_eq(nbd_get64(in + 8), NBD_MAGIC_OPTION);
	cr_assert_eq(nbd_get16(in + 16), NBD_FIXED_NEWSTYLE | NBD_NO_ZEROES);
	nbd_put32(out, flags);
	cl_send(fd, out, sizeof(out));
}

__attribute__((unused)) static void cl_option(int fd, u32 option, const void *data, u32 len)
{
	u8 out[16];

	nbd_put64(out, NBD_MAGIC_OPTION);
	nbd_put32(out + 8, option);
	nbd_put32(out + 12, len);
	cl_send(fd, out, sizeof(out));
	if (len > 0)
		cl_send(fd, data, len);
}

/* one reply: its type; text gets up to 1023 bytes of its data. 0: closed */
__attribute__((unused)) static u32 cl_reply(int fd, u32 option, char text[1024], u32 *ret_len)
{
	u8 in[20];
	u32 len;

	if (!cl_recv(fd, in, sizeof(in)))
		return 0;
	cr_assert_eq(nbd_get64(in), NBD_MAGIC_OPTION_REPLY);
	cr_assert_eq(nbd_get32(in + 8), option);
	len = nbd_get32(in + 16);
	cr_assert_lt(len, 1024);
	cr_assert(cl_recv(fd, text, len));
	text[len] = '\0';
	if (ret_len)
		*ret_len = len;
	return nbd_get32(in + 12);
}

__attribute__((unused)) static void cl_ask_go(int fd, u32 option, const char *name)
{
	u8 out[256];
	u32 len = (u32)strlen(name);

	nbd_put32(out, len);
	memcpy(out + 4, name, len);
	nbd_put16(out + 4 + len, 1);
	nbd_put16(out + 6 + len, NBD_INFO_NAME);
	cl_option(fd, option, out, 8 + len);
}

/* the answers to GO or INFO: the last type; *ret_size of the export when it came */
__attribute__((unused)) static u32 cl_go_answer(int fd, u32 option, u64 *ret_size, char text[1024])
{
	u32 type, len;

	while ((type = cl_reply(fd, option, text, &len)) == NBD_REP_INFO)
		if (nbd_get16((u8 *)text) == NBD_INFO_EXPORT && ret_size)
			*ret_size = nbd_get64((u8 *)text + 2);
	return type;
}

/* the answers to INFO: the smallest block that a request may have */
__attribute__((unused)) static u32 cl_block(int fd)
{
	char text[1024];
	u32 block = 0, len;

	cl_ask_go(fd, NBD_OPT_INFO, "");
	while (cl_reply(fd, NBD_OPT_INFO, text, &len) == NBD_REP_INFO)
		if (nbd_get16((u8 *)text) == NBD_INFO_BLOCK_SIZE)
			block = nbd_get32((u8 *)text + 2);
	return block;
}

/* connected and inside */
__attribute__((unused)) static int cl_enter(const char *path, bool structured)
{
	char text[1024];
	int fd = cl_connect(path);
	u32 type;

	cl_hello(fd, NBD_FIXED_NEWSTYLE | NBD_NO_ZEROES);
	if (structured) {
		cl_option(fd, NBD_OPT_STRUCTURED_REPLY, NULL, 0);
		cr_assert_eq(cl_reply(fd, NBD_OPT_STRUCTURED_REPLY, text, NULL), NBD_REP_ACK);
	}
	cl_ask_go(fd, NBD_OPT_GO, "");
	type = cl_go_answer(fd, NBD_OPT_GO, NULL, text);
	cr_assert_eq(type, NBD_REP_ACK, "%x %s", type, type ? text : "");
	return fd;
}

__attribute__((unused)) static void cl_request(int fd, u16 command, u16 flags, u64 cookie, u64 off,
					       u32 len)
{
	u8 out[NBD_REQUEST_BYTES];

	nbd_put32(out, NBD_MAGIC_REQUEST);
	nbd_put16(out + 4, flags);
	nbd_put16(out + 6, command);
	nbd_put64(out + 8, cookie);
	nbd_put64(out + 16, off);
	nbd_put32(out + 24, len);
	cl_send(fd, out, sizeof(out));
}

/* a simple reply: its error, *ret_cookie */
__attribute__((unused)) static u32 cl_simple(int fd, u64 *ret_cookie)
{
	u8 in[16];

	cr_assert(cl_recv(fd, in, sizeof(in)), "closed instead of an answer");
	cr_assert_eq(nbd_get32(in), NBD_MAGIC_SIMPLE);
	if (ret_cookie)
		*ret_cookie = nbd_get64(in + 8);
	return nbd_get32(in + 4);
}

/* a structured chunk's header: its type; *ret_len bytes follow */
__attribute__((unused)) static u16 cl_chunk(int fd, u64 *ret_cookie, u32 *ret_len)
{
	u8 in[20];

	cr_assert(cl_recv(fd, in, sizeof(in)), "closed instead of an answer");
	cr_assert_eq(nbd_get32(in), NBD_MAGIC_CHUNK);
	cr_assert_eq(nbd_get16(in + 4), NBD_CHUNK_DONE);
	*ret_cookie = nbd_get64(in + 8);
	*ret_len = nbd_get32(in + 16);
	return nbd_get16(in + 6);
}

/* whole commands on a simple conn */
__attribute__((unused)) static u32 cl_write(int fd, u64 off, const void *data, u32 len, u16 flags)
{
	cl_request(fd, NBD_CMD_WRITE, flags, off, off, len);
	cl_send(fd, data, len);
	return cl_simple(fd, NULL);
}

__attribute__((unused)) static u32 cl_read(int fd, u64 off, void *data, u32 len)
{
	u32 error;

	cl_request(fd, NBD_CMD_READ, 0, off, off, len);
	error = cl_simple(fd, NULL);
	if (!error)
		cr_assert(cl_recv(fd, data, len));
	return error;
}

__attribute__((unused)) static u32 cl_command(int fd, u16 command, u16 flags, u64 off, u32 len)
{
	cl_request(fd, command, flags, off, off, len);
	return cl_simple(fd, NULL);
}

/* true when all len bytes are this one */
__attribute__((unused)) static bool cl_all(const u8 *data, size_t len, u8 byte)
{
	for (size_t i = 0; i < len; i++)
		if (data[i] != byte)
			return false;
	return true;
}

#endif
