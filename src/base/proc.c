// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * proc.c - child processes with a deadline. Called by the storage backends in
 * worker threads. It knows nothing of what it runs.
 *
 * The child leads a session of its own, so that what it starts dies with it:
 * SIGTERM at the deadline (LVM finishes its metadata write), SIGKILL a little
 * later. A child in uninterruptible sleep survives even that; the caller is told
 * -ETIMEDOUT nevertheless, and a thread stays behind to reap it when it ends.
 */
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define PROC_TERM_MS 2000 /* from SIGTERM to SIGKILL */
#define PROC_KILL_MS 1000 /* from SIGKILL to giving up */
#define PROC_DRAIN_MS 500 /* output may come from a grandchild that lives on: wait so long */
#define PROC_READ_SIZE 65536
#define PROC_PATH_MAX 4096
#define PROC_DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define MS 1000000ull

enum proc_stage {
	PROC_RUNNING,
	PROC_TERMINATED, /* deadline passed, SIGTERM sent */
	PROC_KILLED,     /* SIGKILL sent */
	PROC_EXITED,     /* waiting for the end of its output */
	PROC_OVER,
};

struct proc {
	pid_t pid;
	int pidfd;
	int out, errout; /* -1: ended */
	enum proc_stage stage;
	uint64_t until_ns; /* of the stage */
	bool late, overflow;
	struct proc_result *result;
	uint8_t chunk[PROC_READ_SIZE];
};

/* --- start -------------------------------------------------------------- */

/* -ENOENT: no such program in PATH */
static int find_program(const char *name, char out[PROC_PATH_MAX])
{
	const char *path = getenv("PATH");

	if (strchr(name, '/')) {
		snprintf(out, PROC_PATH_MAX, "%s", name);
		return access(out, X_OK) < 0 ? -errno : 0;
	}
	path = path ? path : PROC_DEFAULT_PATH;
	while (*path) {
		size_t len = strcspn(path, ":");

		snprintf(out, PROC_PATH_MAX, "%.*s/%s", (int)len, path, name);
		if (access(out, X_OK) == 0)
			return 0;
		path += len + (path[len] == ':');
	}
	return -ENOENT;
}

/* Our environment, with messages in English and in a fixed form. Which of two entries of one
 * name counts differs between programs, so an LC_ALL of ours is left out rather than doubled. The
 * strings are borrowed. */
static char **make_env(void)
{
	static char english[] = "LC_ALL=C", path[] = "PATH=" PROC_DEFAULT_PATH;
	size_t count = 0, n = 0;
	char **env;

	while (environ[count])
		count++;
	env = calloc(count + 3, sizeof(*env));
	if (!env)
		abort();
	for (size_t i = 0; i < count; i++) {
		if (strncmp(environ[i], "LC_ALL=", 7) != 0)
			env[n++] = environ[i];
	}
	env[n++] = english;
	if (!getenv("PATH"))
		env[n++] = path;
	return env;
}

/* A program inherits this thread's niceness, so it is an ordinary one meanwhile. */
static int spawn_ordinary(pid_t *pid, const char *program, const posix_spawn_file_actions_t *files,
			  const posix_spawnattr_t *attr, const char *const argv[], char **env)
{
	int own = getpriority(PRIO_PROCESS, 0), rv;

	if (own < 0)
		setpriority(PRIO_PROCESS, 0, 0);
	rv = -posix_spawn(pid, program, files, attr, (char *const *)argv, env);
	if (own < 0)
		setpriority(PRIO_PROCESS, 0, own);
	return rv;
}

static int spawn(struct proc *p, const char *const argv[], int in, int out, int errout)
{
	posix_spawn_file_actions_t files;
	char program[PROC_PATH_MAX];
	posix_spawnattr_t attr;
	sigset_t none, all;
	char **env;
	int rv = find_program(argv[0], program);

	if (rv < 0)
		return rv;
	env = make_env();
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, in, 0);
	posix_spawn_file_actions_adddup2(&files, out, 1);
	posix_spawn_file_actions_adddup2(&files, errout, 2);
	posix_spawn_file_actions_addclosefrom_np(&files, 3);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
						POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	rv = spawn_ordinary(&p->pid, program, &files, &attr, argv, env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	free(env);
	return rv;
}

static int start(struct proc *p, const char *const argv[])
{
	int out[2] = { -1, -1 }, errout[2] = { -1, -1 };
	int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int rv = in < 0 ? -errno : 0;

	if (rv == 0 && (pipe2(out, O_CLOEXEC) < 0 || pipe2(errout, O_CLOEXEC) < 0))
		rv = -errno;
	if (rv == 0)
		rv = spawn(p, argv, in, out[1], errout[1]);
	for (int i = 0; i < 3; i++) {
		int fd = i == 0 ? in : i == 1 ? out[1] : errout[1];

		if (fd >= 0)
			close(fd);
	}
	p->out = out[0];
	p->errout = errout[0];
	if (rv < 0)
		return rv;
	p->pidfd = (int)syscall(SYS_pidfd_open, p->pid, 0);
	return 0;
}

/* --- watching it -------------------------------------------------------- */

static void enter(struct proc *p, enum proc_stage stage, int ms)
{
	p->stage = stage;
	p->until_ns = clock_boot_ns() + (uint64_t)ms * MS;
}

static void kill_group(struct proc *p, int sig, enum proc_stage stage, int ms)
{
	kill(-p->pid, sig);
	enter(p, stage, ms);
}

static void on_deadline(struct proc *p)
{
	switch (p->stage) {
	case PROC_RUNNING:
		p->late = true;
		kill_group(p, SIGTERM, PROC_TERMINATED, PROC_TERM_MS);
		break;
	case PROC_TERMINATED:
		kill_group(p, SIGKILL, PROC_KILLED, PROC_KILL_MS);
		break;
	default:
		enter(p, PROC_OVER, 0);
		break;
	}
}

static void take_output(struct proc *p, int *fd, bool is_out)
{
	struct buf *to = is_out ? &p->result->out : &p->result->errout;
	ssize_t n = read(*fd, p->chunk, sizeof(p->chunk));

	if (n < 0 && errno == EINTR)
		return;
	if (n <= 0) {
		close(*fd);
		*fd = -1;
		return;
	}
	/* Half an answer on standard output could be taken for a whole one: that run has failed.
	 * Of complaints the first ones suffice. */
	if (buf_append(to, p->chunk, (size_t)n) < 0 && is_out && !p->overflow) {
		p->overflow = true;
		if (p->stage == PROC_RUNNING)
			kill_group(p, SIGKILL, PROC_KILLED, PROC_KILL_MS);
	}
}

static void on_exited(struct proc *p)
{
	int status;

	if (waitpid(p->pid, &status, WNOHANG) != p->pid)
		return;
	if (p->stage != PROC_RUNNING)
		kill(-p->pid, SIGKILL); /* the rest of the group had its time, too */
	p->result->status = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
	close(p->pidfd);
	p->pidfd = -1;
	enter(p, PROC_EXITED, PROC_DRAIN_MS);
}

static int wait_ms(const struct proc *p)
{
	uint64_t now = clock_boot_ns();

	return now < p->until_ns ? (int)((p->until_ns - now) / MS) + 1 : 0;
}

static void watch(struct proc *p)
{
	while (p->stage != PROC_OVER) {
		struct pollfd fds[3] = { { p->pidfd, POLLIN, 0 },
					 { p->out, POLLIN, 0 },
					 { p->errout, POLLIN, 0 } };

		if (p->stage == PROC_EXITED && p->out < 0 && p->errout < 0)
			return;
		if (poll(fds, 3, wait_ms(p)) == 0) {
			on_deadline(p);
			continue;
		}
		if (fds[1].revents)
			take_output(p, &p->out, true);
		if (fds[2].revents)
			take_output(p, &p->errout, false);
		if (fds[0].revents)
			on_exited(p);
	}
}

/* --- its end ------------------------------------------------------------ */

static void *reap(void *arg)
{
	waitpid((pid_t)(intptr_t)arg, NULL, 0);
	return NULL;
}

/* It does not even die of SIGKILL: it is in the kernel. */
static void leave_behind(pid_t pid)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_create(&thread, &attr, reap, (void *)(intptr_t)pid);
	pthread_attr_destroy(&attr);
}

static void finish(struct proc *p)
{
	bool alive = p->pidfd >= 0;

	/* one that ended well after SIGTERM has done its work */
	if (p->late && (alive || p->result->status != 0))
		p->result->status = -ETIMEDOUT;
	else if (p->overflow)
		p->result->status = -EMSGSIZE;
	if (alive) {
		close(p->pidfd);
		leave_behind(p->pid);
	}
	if (p->out >= 0)
		close(p->out);
	if (p->errout >= 0)
		close(p->errout);
}

int proc_run(const char *const argv[], const struct proc_options *o, struct proc_result *ret)
{
	struct proc *p = calloc(1, sizeof(*p));
	int rv;

	if (!p)
		abort();
	memset(ret, 0, sizeof(*ret));
	buf_init(&ret->out, PROC_OUTPUT_MAX);
	buf_init(&ret->errout, PROC_OUTPUT_MAX);
	p->result = ret;
	p->pidfd = -1;
	rv = start(p, argv);
	if (rv < 0) {
		ret->status = rv;
	} else {
		ret->started = true;
		if (o->watch) {
			atomic_store(&o->watch->since_ns, clock_boot_ns());
			atomic_store(&o->watch->pid, p->pid);
		}
		enter(p, PROC_RUNNING, o->deadline_ms);
		watch(p);
		if (o->watch)
			atomic_store(&o->watch->pid, 0);
	}
	finish(p);
	free(p);
	return ret->status;
}

void proc_release(struct proc_result *r)
{
	buf_release(&r->out);
	buf_release(&r->errout);
}
