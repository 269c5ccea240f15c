/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * agent - process 1 of a test guest: runs what the host asks for. Linked statically; started by
 * test/vm/init, spoken to by test/vm/channel.py through one virtio-serial port.
 *
 * Both directions carry frames: a struct frame, then `size` bytes.
 *
 *   host to guest   RUN     command, NUL, bytes for its standard input
 *                   SIGNAL  u32: a signal for all processes of the job
 *                   WRITE   u32 permissions, u32 flags, path, NUL, bytes for the file
 *   guest to host   READY   once
 *                   OUT ERR what the job printed
 *                   EXIT    i32: exit status, 128 + signal, or for WRITE 0 or an errno
 *
 * A job is done at its EXIT, which comes after all it printed itself; what children in the
 * background print later is lost. Frames of the host are at most FRAME_MAX.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOBS_MAX 64
#define FRAME_MAX (4u << 20)
#define CHUNK 16384u

enum kind { RUN = 1, SIGNAL, WRITE, READY = 10, OUT, ERR, EXIT };

enum { WRITE_TRUNCATE = 1 };

struct frame {
	uint32_t size;
	uint32_t kind;
	uint32_t job;
};

struct job {
	uint32_t id;
	pid_t pid; /* 0: this entry is free */
	int out;   /* read end of its pipes; -1 after their end */
	int err;
};

static struct job jobs[JOBS_MAX];
static int port;

static void die(const char *what)
{
	fprintf(stderr, "BUG: agent: %s: %s\n", what, strerror(errno));
	exit(1); /* of process 1: the kernel panics, the host sees the guest die */
}

/* The host reads all the time, so waiting for it here cannot deadlock. */
static void write_all(int fd, const void *data, size_t size)
{
	const char *p = data;

	while (size > 0) {
		ssize_t n = write(fd, p, size);

		if (n < 0 && errno != EINTR && errno != EAGAIN)
			die("writing to the host");
		if (n > 0) {
			p += n;
			size -= (size_t)n;
		}
	}
}

static void send_frame(enum kind kind, uint32_t job, const void *data, uint32_t size)
{
	static char buf[sizeof(struct frame) + CHUNK];
	struct frame f = { size, kind, job };

	memcpy(buf, &f, sizeof(f));
	memcpy(buf + sizeof(f), data, size);
	write_all(port, buf, sizeof(f) + size);
}

static void send_exit(uint32_t job, int32_t status)
{
	send_frame(EXIT, job, &status, sizeof(status));
}

/* Sends what is in a pipe; closes it at its end. */
static void forward(const struct job *j, int *fd, enum kind kind)
{
	char buf[CHUNK];
	ssize_t n;

	while (*fd >= 0 && (n = read(*fd, buf, sizeof(buf))) != 0) {
		if (n > 0) {
			send_frame(kind, j->id, buf, (uint32_t)n);
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN)
			return;
		break;
	}
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static struct job *free_job(void)
{
	for (int i = 0; i < JOBS_MAX; i++)
		if (!jobs[i].pid)
			return &jobs[i];
	return NULL;
}

static void run_child(const char *command, int in, int out, int err)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	dup2(in, 0);
	dup2(out, 1);
	dup2(err, 2);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

/* Standard input is a file in memory: it may be larger than a pipe, and nobody has to feed it. */
static int input_of(const char *data, size_t size)
{
	int fd = memfd_create("stdin", MFD_CLOEXEC);

	if (fd < 0)
		die("memfd_create");
	write_all(fd, data, size);
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static void on_run(uint32_t id, const char *data, uint32_t size)
{
	const char *end = memchr(data, 0, size);
	struct job *j = free_job();
	int out[2], err[2], in;
	pid_t pid;

	if (!end || !j) {
		send_exit(id, 126);
		return;
	}
	in = input_of(end + 1, size - (size_t)(end + 1 - data));
	if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
		die("pipe2");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0)
		run_child(data, in, out[1], err[1]);
	close(in);
	close(out[1]);
	close(err[1]);
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	fcntl(err[0], F_SETFL, O_NONBLOCK);
	*j = (struct job){ id, pid, out[0], err[0] };
}

static void on_signal(uint32_t id, const char *data, uint32_t size)
{
	uint32_t sig;

	if (size != sizeof(sig))
		return;
	memcpy(&sig, data, sizeof(sig));
	for (int i = 0; i < JOBS_MAX; i++)
		if (jobs[i].pid && jobs[i].id == id)
			kill(-jobs[i].pid, (int)sig);
}

static int write_file(const char *path, uint32_t mode, uint32_t flags, const char *data,
		      size_t size)
{
	int fd = open(path,
		      O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC |
			      (flags & WRITE_TRUNCATE ? O_TRUNC : 0),
		      0600);
	int r = 0;

	if (fd < 0)
		return errno;
	while (size > 0 && r == 0) {
		ssize_t n = write(fd, data, size);

		if (n < 0) {
			r = errno;
		} else {
			data += n;
			size -= (size_t)n;
		}
	}
	if (r == 0 && fchmod(fd, mode))
		r = errno;
	close(fd);
	return r;
}

static void on_write(uint32_t id, const char *data, uint32_t size)
{
	uint32_t head[2];
	const char *end;

	if (size < sizeof(head) || !(end = memchr(data + sizeof(head), 0, size - sizeof(head)))) {
		send_exit(id, EINVAL);
		return;
	}
	memcpy(head, data, sizeof(head));
	send_exit(id, write_file(data + sizeof(head), head[0], head[1], end + 1,
				 size - (size_t)(end + 1 - data)));
}

/* One frame of the host, when it is here whole; returns the bytes used. */
static size_t take_frame(const char *buf, size_t have)
{
	const char *data = buf + sizeof(struct frame);
	struct frame f;

	if (have < sizeof(f))
		return 0;
	memcpy(&f, buf, sizeof(f));
	if (f.size > FRAME_MAX) {
		errno = EMSGSIZE;
		die("frame of the host");
	}
	if (have < sizeof(f) + f.size)
		return 0;
	switch (f.kind) {
	case RUN:
		on_run(f.job, data, f.size);
		break;
	case SIGNAL:
		on_signal(f.job, data, f.size);
		break;
	case WRITE:
		on_write(f.job, data, f.size);
		break;
	default:
		break;
	}
	return sizeof(f) + f.size;
}

static void on_port(void)
{
	static char *buf;
	static size_t have;
	size_t used, taken = 0;
	ssize_t n;

	if (!buf && !(buf = malloc(sizeof(struct frame) + FRAME_MAX)))
		die("malloc");
	n = read(port, buf + have, sizeof(struct frame) + FRAME_MAX - have);
	if (n <= 0) {
		usleep(20000); /* the host has no connection open */
		return;
	}
	have += (size_t)n;
	while ((used = take_frame(buf + taken, have - taken)) > 0)
		taken += used;
	memmove(buf, buf + taken, have - taken);
	have -= taken;
}

/* Everything that died: our jobs, and orphans of the guest, whose parent is process 1. */
static void reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (int i = 0; i < JOBS_MAX; i++) {
			struct job *j = &jobs[i];

			if (j->pid != pid)
				continue;
			forward(j, &j->out, OUT);
			forward(j, &j->err, ERR);
			if (j->out >= 0)
				close(j->out);
			if (j->err >= 0)
				close(j->err);
			send_exit(j->id,
				  WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
			j->pid = 0;
		}
	}
}

static void serve(int signals)
{
	struct pollfd fds[2 + 2 * JOBS_MAX];
	struct signalfd_siginfo info;

	fds[0] = (struct pollfd){ .fd = port, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = signals, .events = POLLIN };
	for (int i = 0; i < JOBS_MAX; i++) {
		bool used = jobs[i].pid != 0;

		fds[2 + 2 * i] = (struct pollfd){ .fd = used ? jobs[i].out : -1, .events = POLLIN };
		fds[3 + 2 * i] = (struct pollfd){ .fd = used ? jobs[i].err : -1, .events = POLLIN };
	}
	if (poll(fds, 2 + 2 * JOBS_MAX, -1) < 0)
		return;
	for (int i = 0; i < JOBS_MAX; i++) {
		if (fds[2 + 2 * i].revents)
			forward(&jobs[i], &jobs[i].out, OUT);
		if (fds[3 + 2 * i].revents)
			forward(&jobs[i], &jobs[i].err, ERR);
	}
	if (fds[1].revents && read(signals, &info, sizeof(info)) > 0)
		reap();
	if (fds[0].revents)
		on_port();
}

int main(int argc, char **argv)
{
	sigset_t child;
	int signals;

	if (argc < 2)
		return 2;
	port = open(argv[1], O_RDWR | O_CLOEXEC);
	if (port < 0)
		die(argv[1]);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	signals = signalfd(-1, &child, SFD_CLOEXEC);
	if (signals < 0)
		die("signalfd");
	send_frame(READY, 0, "", 0);
	for (;;)
		serve(signals);
}
