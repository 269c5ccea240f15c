// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * unixsend.c - unixsend SOCKET: sends standard input to a unix socket and prints
 * what comes back. For guests, which have no curl.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int copy(int from, int to)
{
	char data[65536];
	ssize_t n;

	while ((n = read(from, data, sizeof(data))) > 0)
		if (write(to, data, (size_t)n) != n)
			return -1;
	return n < 0 ? -1 : 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (argc != 2 || strlen(argv[1]) >= sizeof(to.sun_path)) {
		fprintf(stderr, "usage: unixsend SOCKET\n");
		return 2;
	}
	memcpy(to.sun_path, argv[1], strlen(argv[1]));
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 || copy(0, fd) < 0 ||
	    copy(fd, 1) < 0) {
		perror("unixsend");
		return 1;
	}
	return 0;
}
