// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * disk.c - stands between the Raft library and its file I/O and watches the
 * results. The library keeps some failed writes to itself: a follower with a
 * full disk would refuse entries for ever and nobody would know why; a leader
 * whose write cannot even be begun would stop by an assertion, and so would a
 * follower whose log cannot be truncated. Here a failed write of the log or of
 * a received snapshot ends the instance with a sentence, and nothing is written
 * behind it. Called by the library, set up by consensus.c.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <raft.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/log.h"
#include "raft/instance.h"

#define CLOSE_SETTLE_MS 20

/* One write of the library: its request, and ours in its place */
struct disk_append {
	struct raft_io_append own; /* first: the callback gets its address */
	struct disk_append *next;  /* in c->lost */
	struct raft_io_append *req;
	raft_io_append_cb cb;
	struct consensus *c;
};

static struct consensus *instance_of(struct raft_io *io)
{
	return ((struct raft *)io->data)->data;
}

static void failed(struct consensus *c, int status, const char *what)
{
	int code = status == RAFT_NOSPACE ? -ENOSPC : -EIO;

	consensus_fail(c, code, "cannot write %s in %s: %s", what, c->raft_dir,
		       c->io.errmsg[0] ? c->io.errmsg : raft_strerror(status));
}

static void append_answer(struct disk_append *a, int status)
{
	a->cb(a->req, status);
	free(a);
}

static void append_lost(struct disk_append *a, int status)
{
	failed(a->c, status, "the Raft log");
	a->c->log_ended = true;
	a->next = a->c->lost;
	a->c->lost = a;
}

/* Told of a failed write, a leader cuts its log in memory, and with an entry that the others have
 * committed and it has applied it would stop by an assertion instead of with our sentence. This
 * instance is over; the library hears of the write when it does not look at it any more. */
static void append_done(struct raft_io_append *own, int status)
{
	struct disk_append *a = (struct disk_append *)own;

	if (status == 0 || a->c->raft.state == RAFT_UNAVAILABLE)
		append_answer(a, 0);
	else
		append_lost(a, status);
}

static int disk_append(struct raft_io *io, struct raft_io_append *req,
		       const struct raft_entry entries[], unsigned n, raft_io_append_cb cb)
{
	struct consensus *c = instance_of(io);
	struct disk_append *a = calloc(1, sizeof(*a));
	int rv;

	memset(&req->sm, 0, sizeof(req->sm)); /* the library's tracing looks at it */
	if (!a) {
		c->log_ended = true;
		failed(c, RAFT_NOMEM, "the Raft log");
		return 0;
	}
	a->req = req;
	a->cb = cb;
	a->c = c;
	/* The library would write it in the place of the entry that was lost, if it can by now, and
	 * acknowledge it under the index that it should have. */
	rv = c->log_ended ? RAFT_IOERR : c->io_append(io, &a->own, entries, n, append_done);
	/* Returned, the error would meet an assertion in the library's undoing, too. */
	if (rv != 0)
		append_lost(a, rv);
	return 0;
}

/* A truncation: the library's request is not large enough to find the instance from it */
struct disk_truncate {
	struct raft_io_truncate own; /* first: the library gets its address and frees it */
	struct consensus *c;
};

static void truncate_failed(struct consensus *c, int status)
{
	struct err room = { 0 };

	/* the library says "I/O error" whatever it was, and its errmsg is about something else */
	if (status == RAFT_IOERR && disk_room(c, &room) < 0)
		consensus_fail(c, -ENOSPC, "cannot truncate the Raft log in %s: %s", c->raft_dir,
			       room.text);
	else
		consensus_fail(c, -EIO, "cannot truncate the Raft log in %s: %s", c->raft_dir,
			       raft_strerror(status));
}

/* Called for each move of a truncation, partly in a thread of the library's. Its end is in the
 * loop, with nothing of the library's consensus under way. */
static bool truncate_moved(const struct sm *sm, int prev)
{
	const struct disk_truncate *t = (const struct disk_truncate *)sm;

	if (prev != SM_PREV_NONE || sm->rc == 0 || t->c->closing)
		return true;
	truncate_failed(t->c, sm->rc);
	/* Now, not when our owner gets to it: the entries that were to replace the old ones wait
	 * in the library, and when this has returned it would write them behind the old ones. */
	consensus_close_library(t->c);
	return true;
}

/*
 * A truncation has no callback, and when it has failed its state machine asserts that it could
 * have succeeded. But the machine lies in the request: it gets states that allow every move, and
 * an invariant that hears of the end. The thread may be at work already and see the library's own
 * for a moment more; they differ in nothing but the end of a failed one, and that is ours.
 */
static int disk_truncate(struct raft_io *io, struct raft_io_truncate *req, raft_index index)
{
	static const struct sm_conf any[SM_STATES_MAX] = {
		[0 ... SM_STATES_MAX - 1] = { .flags = SM_INITIAL | SM_FAILURE | SM_FINAL,
					      .allowed = UINT64_MAX,
					      .name = "truncate" },
	};
	struct consensus *c = instance_of(io);
	struct disk_truncate *t;
	int rv = RAFT_NOMEM;

	/* the library's tracing looks at it when this has returned: freed with the next one */
	raft_free(c->truncated);
	c->truncated = req;
	memset(&req->sm, 0, sizeof(req->sm));
	if (c->log_ended)
		return 0; /* perhaps of entries that were lost */
	t = raft_malloc(sizeof(*t));
	if (t) {
		t->c = c;
		rv = c->io_truncate(io, &t->own, index);
	}
	if (rv != 0) {
		raft_free(t);
		c->log_ended = true;
		truncate_failed(c, rv);
		return 0;
	}
	t->own.sm.conf = any;
	t->own.sm.invariant = truncate_moved;
	return 0;
}

/* There is one snapshot at a time in an instance, but its request tells nothing about whose it
 * is before the callback; the request itself lies in struct raft. */
static struct consensus *instance_of_put(struct raft_io_snapshot_put *req)
{
	struct raft *raft = (struct raft *)((char *)req - offsetof(struct raft, snapshot.put));

	return raft->data;
}

static void snapshot_put_done(struct raft_io_snapshot_put *req, int status)
{
	struct consensus *c = instance_of_put(req);

	/* a received snapshot has already replaced the log in memory */
	if (status != 0 && status != RAFT_CANCELED && c->snapshot_installing)
		failed(c, status, "a received snapshot");
	else if (status != 0 && status != RAFT_CANCELED)
		log_warn("raft", "cannot write a snapshot in %s: %s; the log stays longer",
			 c->raft_dir, raft_strerror(status));
	c->snapshot_put_cb(req, status);
}

static int disk_snapshot_put(struct raft_io *io, unsigned trailing,
			     struct raft_io_snapshot_put *req, const struct raft_snapshot *snapshot,
			     raft_io_snapshot_put_cb cb)
{
	struct consensus *c = instance_of(io);

	c->snapshot_put_cb = cb;
	c->snapshot_installing = trailing == 0;
	return c->io_snapshot_put(io, trailing, req, snapshot, snapshot_put_done);
}

static void on_settled(uv_timer_t *timer)
{
	struct consensus *c = timer->data;

	/* closed before our owner has heard why: until it stops us it may still ask things */
	if (!c->stopping) {
		uv_timer_start(timer, on_settled, CLOSE_SETTLE_MS, 0);
		return;
	}
	c->close_cb(&c->io); /* ends in consensus.c */
}

static void close_done(struct raft_io *io)
{
	struct consensus *c = instance_of(io);

	if (c->settling)
		return;
	c->settling = true;
	uv_timer_start(&c->retry, on_settled, CLOSE_SETTLE_MS, 0);
}

/* The library says that it has closed while the files of finished segments are still being
 * closed, and then says it once more; freed at the first word, the second would come from freed
 * memory. So the first word is kept back for a moment and the others are not heard. */
static void disk_close(struct raft_io *io, raft_io_close_cb cb)
{
	struct consensus *c = instance_of(io);
	struct disk_append *a;

	uv_timer_stop(&c->retry);
	while ((a = c->lost)) {
		c->lost = a->next;
		append_answer(a, 0);
	}
	raft_free(c->truncated);
	c->truncated = NULL;
	c->close_cb = cb;
	c->io_close(io, close_done);
}

void disk_watch(struct consensus *c)
{
	c->io_close = c->io.close;
	c->io.close = disk_close;
	c->io_append = c->io.append;
	c->io.append = disk_append;
	c->io_truncate = c->io.truncate;
	c->io.truncate = disk_truncate;
	c->io_snapshot_put = c->io.snapshot_put;
	c->io.snapshot_put = disk_snapshot_put;
}

int disk_room(const struct consensus *c, struct err *err)
{
	struct statvfs fs;
	uint64_t unused;

	if (statvfs(c->raft_dir, &fs) < 0)
		return 0; /* a write will find out */
	unused = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (unused < DISK_RESERVE)
		return err_set(
			err, -ENOSPC,
			"the file system of %s is nearly full: %llu KiB free, %u KiB wanted in "
			"reserve; free some space",
			c->raft_dir, (unsigned long long)(unused >> 10), DISK_RESERVE >> 10);
	return 0;
}

uint64_t consensus_log_bytes(const struct consensus *c)
{
	DIR *dir = opendir(c->raft_dir);
	struct dirent *entry;
	uint64_t bytes = 0;
	struct stat st;

	while (dir && (entry = readdir(dir)) != NULL) {
		if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode))
			bytes += (uint64_t)st.st_size;
	}
	if (dir)
		closedir(dir);
	return bytes;
}
