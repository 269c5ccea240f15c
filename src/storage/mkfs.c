// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mkfs.c - see mkfs.h. Called by the agent for volumes that are born with a file
 * system. Nothing is discarded: nobody has written to such a volume.
 */
#include "storage/mkfs.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/proc.h"
#include "base/text.h"
#include "storage/disks.h"
#include "storage/tool.h"

#define WORDS_TEXT_MAX 512
#define SENTENCE_MAX 240
#define DB_LINES_MAX 65536 /* of /etc/passwd and /etc/group */

/* where ext4 and xfs have magic number and uuid */
#define EXT_MAGIC_AT 1080
#define EXT_UUID_AT 1128
#define XFS_UUID_AT 32
#define XFS_INPROGRESS_AT 126

/* --- what is there ------------------------------------------------------ */

enum mkfs_found mkfs_recognise(const struct mkfs *m, const uint8_t *head, size_t len)
{
	static const uint8_t ext_magic[] = { 0x53, 0xef };
	uint8_t uuid[16];

	if (len < MKFS_LOOK_BYTES || text_uuid_parse(m->uuid, uuid) < 0)
		return MKFS_NOTHING;
	if (!m->xfs)
		return memcmp(head + EXT_MAGIC_AT, ext_magic, sizeof(ext_magic)) == 0 &&
				       memcmp(head + EXT_UUID_AT, uuid, sizeof(uuid)) == 0
			       ? MKFS_THERE
			       : MKFS_NOTHING;
	if (memcmp(head, "XFSB", 4) != 0 || memcmp(head + XFS_UUID_AT, uuid, sizeof(uuid)) != 0)
		return MKFS_NOTHING;
	return head[XFS_INPROGRESS_AT] ? MKFS_PART : MKFS_THERE;
}

static bool all_zero(const uint8_t *p, size_t len)
{
	return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

/* from off on, fewer at the end of the device; -errno */
static ssize_t read_some(int fd, uint8_t *to, off_t off)
{
	ssize_t n;

	do
		n = pread(fd, to, MKFS_LOOK_BYTES, off);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static int foreign(const char *path, const char *content, enum mkfs_found *ret, struct err *err)
{
	*ret = MKFS_FOREIGN;
	err_set(err, -E_EXISTS, "%s is not empty: there is %s on it", path, content);
	return 0;
}

static int look(const struct mkfs *m, const char *path, int fd, bool begun, bool zeros,
		uint8_t *data, enum mkfs_found *ret, struct err *err)
{
	struct disk d = { 0 };
	off_t end = lseek(fd, 0, SEEK_END);
	ssize_t n = end < 0 ? -errno : read_some(fd, data, 0);
	bool empty;
	int rv;

	if (n < 0)
		return err_set(err, (int)n, "%s cannot be read: %s", path, err_name((int)n));
	*ret = mkfs_recognise(m, data, (size_t)n);
	if (*ret != MKFS_NOTHING)
		return 0;
	empty = all_zero(data, (size_t)n);
	n = read_some(fd, data, end > MKFS_LOOK_BYTES ? end - MKFS_LOOK_BYTES : 0);
	if (n < 0)
		return err_set(err, (int)n, "%s cannot be read: %s", path, err_name((int)n));
	empty = empty && all_zero(data, (size_t)n);
	rv = disk_probe(path, &d);
	if (rv < 0)
		return err_set(err, rv, "%s cannot be looked at: %s", path, err_name(rv));
	if (d.content[0])
		return foreign(path, d.content, ret, err);
	return empty || begun || !zeros ? 0 : foreign(path, "data", ret, err);
}

int mkfs_look(const struct mkfs *m, const char *path, int fd, bool begun, bool zeros,
	      enum mkfs_found *ret, struct err *err)
{
	uint8_t *data = malloc(MKFS_LOOK_BYTES);
	int rv;

	if (!data)
		abort();
	rv = look(m, path, fd, begun, zeros, data, ret, err);
	free(data);
	return rv;
}

/* --- making it ---------------------------------------------------------- */

struct words {
	const char *word[MKFS_WORDS_MAX + 1];
	int n;
	char params[WORDS_TEXT_MAX]; /* cut into words */
	char own[WORDS_TEXT_MAX];
	char proto[WORDS_TEXT_MAX]; /* path of a file to be removed; "" */
};

static void add(struct words *w, const char *word)
{
	if (w->n < MKFS_WORDS_MAX)
		w->word[w->n++] = word;
}

/* false: there are too many */
static bool add_params(struct words *w, const char *params)
{
	char *rest = w->params, *word;

	if ((size_t)snprintf(w->params, sizeof(w->params), "%s", params) >= sizeof(w->params))
		return false;
	while ((word = strsep(&rest, " ")) != NULL) {
		if (*word)
			add(w, word);
	}
	return w->n < MKFS_WORDS_MAX - 12; /* what comes behind them */
}

/* Read here: a static program has no other sources of names. */
static int user_id(FILE *f, const char *name, long *ret)
{
	for (int i = 0; i < DB_LINES_MAX; i++) {
		struct passwd *p = fgetpwent(f);

		if (!p)
			break;
		if (strcmp(p->pw_name, name) == 0) {
			*ret = (long)p->pw_uid;
			return 0;
		}
	}
	return -ENOENT;
}

static int group_id(FILE *f, const char *name, long *ret)
{
	for (int i = 0; i < DB_LINES_MAX; i++) {
		struct group *g = fgetgrent(f);

		if (!g)
			break;
		if (strcmp(g->gr_name, name) == 0) {
			*ret = (long)g->gr_gid;
			return 0;
		}
	}
	return -ENOENT;
}

static int owner_id(const char *name, const char *db, int (*find)(FILE *, const char *, long *),
		    long *ret, struct err *err)
{
	char *end;
	FILE *f;
	int rv = -ENOENT;

	*ret = 0;
	if (!name[0])
		return 0;
	*ret = strtol(name, &end, 10);
	if (!*end && *ret >= 0 && *ret <= INT32_MAX)
		return 0;
	f = fopen(db, "re");
	if (f) {
		rv = find(f, name, ret);
		fclose(f);
	}
	return rv == 0 ? 0 : err_set(err, rv, "this node has no \"%s\" in %s", name, db);
}

/* mkfs.xfs takes the owner of the root directory from a file */
static int write_proto(const struct mkfs *m, struct words *w, long user, long group,
		       struct err *err)
{
	FILE *f;

	snprintf(w->proto, sizeof(w->proto), "%s/mkfs-%s", m->dir, m->uuid);
	f = fopen(w->proto, "we");
	if (!f || fprintf(f, "/\n0 0\nd--755 %ld %ld\n$\n", user, group) < 0 || fflush(f) != 0) {
		err_set(err, -errno, "%s cannot be written: %s", w->proto, strerror(errno));
		if (f)
			fclose(f);
		return err->code;
	}
	fclose(f);
	add(w, "-p");
	add(w, w->proto);
	return 0;
}

static bool has_word(const struct words *w, const char *start)
{
	for (int i = 0; i < w->n; i++) {
		if (strncmp(w->word[i], start, strlen(start)) == 0)
			return true;
	}
	return false;
}

static int xfs_words(const struct mkfs *m, struct words *w, enum mkfs_found found, long user,
		     long group, struct err *err)
{
	add(w, "mkfs.xfs");
	add(w, "-q");
	add(w, "-K");
	if (found == MKFS_PART)
		add(w, "-f");
	if (!add_params(w, m->params))
		return err_set(err, -E_INVALID, "FileSystem/MkfsParams has too many words");
	snprintf(w->own, sizeof(w->own), "uuid=%s", m->uuid);
	add(w, "-m");
	add(w, w->own);
	return user || group ? write_proto(m, w, user, group, err) : 0;
}

/* of several -E the last one counts, and those of the params may be meant */
static int ext4_words(const struct mkfs *m, struct words *w, long user, long group, struct err *err)
{
	static const char *const first[] = { "mkfs.ext4", "-q", "-F", "-D" };

	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++)
		add(w, first[i]);
	if (!add_params(w, m->params))
		return err_set(err, -E_INVALID, "FileSystem/MkfsParams has too many words");
	if (has_word(w, "-E") && (user || group))
		return err_set(err, -E_INVALID,
			       "FileSystem/MkfsParams has -E, which FileSystem/User and Group "
			       "need: say root_owner=%ld:%ld there, or leave it out",
			       user, group);
	if (!has_word(w, "-E")) {
		snprintf(w->own, sizeof(w->own), "nodiscard,root_owner=%ld:%ld", user, group);
		add(w, "-E");
		add(w, w->own);
	}
	add(w, "-U");
	add(w, m->uuid);
	return 0;
}

static int run(const struct words *w, struct err *err)
{
	struct proc_options o = { .deadline_ms = MKFS_DEADLINE_MS };
	const char *tool = w->word[0];
	char sentence[SENTENCE_MAX];
	struct proc_result r;
	int rv = 0;

	if (proc_run(w->word, &o, &r) == 0)
		goto release;
	tool_sentence(r.errout.data ? (const char *)r.errout.data : "", sentence, sizeof(sentence));
	if (!r.started)
		rv = r.status == -ENOENT
			     ? err_set(err, -ENOENT, "the program %s is not installed here", tool)
			     : err_set(err, r.status, "%s cannot be run: %s", tool,
				       err_name(r.status));
	else if (r.status == -ETIMEDOUT)
		rv = err_set(err, -ETIMEDOUT, "%s did not end within %d s and was killed", tool,
			     MKFS_DEADLINE_MS / 1000);
	else
		rv = err_set(err, -EIO, "%s failed (%d): %s", tool, r.status, sentence);
release:
	proc_release(&r);
	return rv;
}

int mkfs_make(const struct mkfs *m, const char *path, enum mkfs_found found, struct err *err)
{
	struct words w = { .n = 0 };
	long user, group;
	int rv;

	if ((rv = owner_id(m->user, "/etc/passwd", user_id, &user, err)) < 0 ||
	    (rv = owner_id(m->group, "/etc/group", group_id, &group, err)) < 0)
		return rv;
	rv = m->xfs ? xfs_words(m, &w, found, user, group, err)
		    : ext4_words(m, &w, user, group, err);
	if (rv == 0) {
		add(&w, path);
		rv = run(&w, err);
	}
	if (w.proto[0])
		unlink(w.proto);
	return rv;
}
