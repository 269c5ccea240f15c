// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * proc.c - child processes with a deadline. Called by the storage backends and
 * the agent's steps. It knows nothing of what it runs.
 *
 * The child leads a process group of its own, so that what it starts dies with
 * it: SIGTERM at the deadline (LVM finishes its metadata write), SIGKILL a
 * little later. A child in uninterruptible sleep survives even that; the
 * caller is told -ETIMEDOUT nevertheless and the memory stays until it ends.
 *
 * A struct proc goes when its handles have closed (handles counts them) and
 * the callback has run.
 */
#include "base/proc.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROC_TERM_MS 2000 /* from SIGTERM to SIGKILL */
#define PROC_KILL_MS 1000 /* from SIGKILL to giving up */
#define PROC_DRAIN_MS 500 /* output may come from a grandchild that lives on: wait so long */
#define PROC_READ_SIZE 65536
#define PROC_DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

enum proc_stage {
	PROC_RUNNING,
	PROC_TERMINATED, /* deadline passed, SIGTERM sent */
	PROC_KILLED,     /* SIGKILL sent */
	PROC_EXITED,     /* reaped; waiting for the end of its output */
	PROC_REPORTED,   /* cb has run */
};

struct proc {
	uv_process_t process;
	uv_timer_t timer;
	uv_pipe_t out, errout;
	enum proc_stage stage;
	int handles;   /* not closed yet */
	int open_ends; /* output pipes before their end */
	bool late, overflow;
	struct proc_result result;
	void (*cb)(const struct proc_result *, void *arg);
	void *arg;
	char **argv, **env; /* owned; each one block */
	uint8_t chunk[PROC_READ_SIZE];
};

static void proc_free(struct proc *p)
{
	buf_release(&p->result.out);
	buf_release(&p->result.errout);
	free(p->argv);
	free(p->env);
	free(p);
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct proc *p = handle->data;

	if (--p->handles == 0)
		proc_free(p);
}

static void close_handle(uv_handle_t *handle)
{
	if (!uv_is_closing(handle))
		uv_close(handle, on_handle_closed);
}

/* the pointers and the strings of one vector in one block; extra are appended */
static char **copy_vector(const char *const from[], const char *const extra[])
{
	size_t count = 1, bytes = 0, n = 0;
	char **copy, *text;

	for (size_t i = 0; from[i]; i++, count++)
		bytes += strlen(from[i]) + 1;
	for (size_t i = 0; extra[i]; i++, count++)
		bytes += strlen(extra[i]) + 1;
	copy = malloc(count * sizeof(*copy) + bytes);
	if (!copy)
		return NULL;
	text = (char *)(copy + count);
	for (size_t i = 0; i + 1 < count; i++) {
		const char *s = from[n] ? from[n++] : extra[i - n];
		size_t len = strlen(s) + 1;

		copy[i] = memcpy(text, s, len);
		text += len;
	}
	copy[count - 1] = NULL;
	return copy;
}

/* Our environment, with messages in English and in a fixed form. Which of two entries of one
 * name counts differs between programs, so an LC_ALL of ours is left out rather than doubled. */
static char **make_env(void)
{
	const char *extra[3] = { "LC_ALL=C", NULL, NULL };
	const char **kept;
	size_t count = 0, n = 0;
	char **env;

	while (environ[count])
		count++;
	kept = calloc(count + 1, sizeof(*kept));
	if (!kept)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		if (strncmp(environ[i], "LC_ALL=", 7) != 0)
			kept[n++] = environ[i];
	}
	if (!getenv("PATH"))
		extra[1] = PROC_DEFAULT_PATH;
	env = copy_vector(kept, extra);
	free(kept);
	return env;
}

static void report(struct proc *p)
{
	bool alive = p->stage < PROC_EXITED;

	/* one that ended well after SIGTERM has done its work */
	if (p->late && (alive || p->result.status != 0))
		p->result.status = -ETIMEDOUT;
	else if (p->overflow)
		p->result.status = -EMSGSIZE;
	p->stage = PROC_REPORTED;
	p->cb(&p->result, p->arg);
	close_handle((uv_handle_t *)&p->timer);
	close_handle((uv_handle_t *)&p->out);
	close_handle((uv_handle_t *)&p->errout);
	if (alive)
		uv_unref((uv_handle_t *)&p->process); /* reaped when it ends, if ever */
	else
		close_handle((uv_handle_t *)&p->process);
}

static void on_timer(uv_timer_t *timer);

static void kill_group(struct proc *p, int sig, enum proc_stage stage, int next_ms)
{
	kill(-p->process.pid, sig);
	p->stage = stage;
	uv_timer_start(&p->timer, on_timer, (uint64_t)next_ms, 0);
}

static void on_timer(uv_timer_t *timer)
{
	struct proc *p = timer->data;

	switch (p->stage) {
	case PROC_RUNNING:
		p->late = true;
		kill_group(p, SIGTERM, PROC_TERMINATED, PROC_TERM_MS);
		break;
	case PROC_TERMINATED:
		kill_group(p, SIGKILL, PROC_KILLED, PROC_KILL_MS);
		break;
	case PROC_KILLED:
	case PROC_EXITED:
		report(p);
		break;
	case PROC_REPORTED:
		break;
	}
}

static void on_exit_cb(uv_process_t *process, int64_t status, int sig)
{
	struct proc *p = process->data;

	if (p->stage == PROC_REPORTED) {
		close_handle((uv_handle_t *)process);
		return;
	}
	if (p->stage != PROC_RUNNING)
		kill(-process->pid, SIGKILL); /* the rest of the group had its time, too */
	p->stage = PROC_EXITED;
	p->result.status = sig ? -sig : (int)status;
	if (p->open_ends == 0)
		report(p);
	else
		uv_timer_start(&p->timer, on_timer, PROC_DRAIN_MS, 0);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct proc *p = handle->data;

	*buf = uv_buf_init((char *)p->chunk, sizeof(p->chunk));
}

static void end_of_output(struct proc *p, uv_stream_t *stream)
{
	close_handle((uv_handle_t *)stream);
	if (--p->open_ends == 0 && p->stage == PROC_EXITED)
		report(p);
}

static void on_output(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct proc *p = stream->data;
	bool is_out = stream == (uv_stream_t *)&p->out;
	struct buf *to = is_out ? &p->result.out : &p->result.errout;
	int rv;

	if (n < 0) {
		end_of_output(p, stream);
		return;
	}
	rv = buf_append(to, buf->base, (size_t)n);
	/* Half an answer on standard output could be taken for a whole one: that run has failed.
	 * Of complaints the first ones suffice. */
	if (rv < 0 && is_out && !p->overflow) {
		p->overflow = true;
		if (p->stage == PROC_RUNNING)
			kill_group(p, SIGKILL, PROC_KILLED, PROC_KILL_MS);
	}
}

static void on_spawn_failed(uv_timer_t *timer)
{
	struct proc *p = timer->data;

	p->stage = PROC_EXITED;
	report(p);
}

static void start_reading(struct proc *p, uv_pipe_t *pipe)
{
	p->open_ends++;
	if (uv_read_start((uv_stream_t *)pipe, on_alloc, on_output) < 0)
		end_of_output(p, (uv_stream_t *)pipe);
}

static void spawn(struct proc *p, uv_loop_t *loop, int deadline_ms)
{
	uv_stdio_container_t stdio[3] = {
		{ .flags = UV_IGNORE },
		{ .flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
		  .data.stream = (uv_stream_t *)&p->out },
		{ .flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
		  .data.stream = (uv_stream_t *)&p->errout },
	};
	uv_process_options_t options = {
		.exit_cb = on_exit_cb,
		.file = p->argv[0],
		.args = p->argv,
		.env = p->env,
		.flags = UV_PROCESS_DETACHED, /* a session and so a group of its own */
		.stdio = stdio,
		.stdio_count = 3,
	};
	int rv;

	rv = uv_spawn(loop, &p->process, &options);
	if (rv < 0) {
		p->result.status = rv;
		uv_timer_start(&p->timer, on_spawn_failed, 0, 0);
		return;
	}
	p->result.started = true;
	uv_timer_start(&p->timer, on_timer, (uint64_t)deadline_ms, 0);
	start_reading(p, &p->out);
	start_reading(p, &p->errout);
}

int proc_run(uv_loop_t *loop, const char *const argv[], int deadline_ms,
	     void (*cb)(const struct proc_result *, void *arg), void *arg)
{
	static const char *const nothing[] = { NULL };
	struct proc *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->argv = copy_vector(argv, nothing);
	p->env = make_env();
	if (!p->argv || !p->env) {
		proc_free(p);
		return -ENOMEM;
	}
	p->cb = cb;
	p->arg = arg;
	p->handles = 4;
	buf_init(&p->result.out, PROC_OUTPUT_MAX);
	buf_init(&p->result.errout, PROC_OUTPUT_MAX);
	uv_timer_init(loop, &p->timer);
	uv_pipe_init(loop, &p->out, 0);
	uv_pipe_init(loop, &p->errout, 0);
	p->timer.data = p->out.data = p->errout.data = p->process.data = p;
	spawn(p, loop, deadline_ms);
	return 0;
}
