// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service_host.c - see service_host.h. Called by services.c. Programs: mount, umount, mkdir (by
 * nsenter, of util-linux), systemctl. Addresses are address.c's.
 */
#include "agent/service_host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/address.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "storage/tool.h"

#define MOUNTINFO "/proc/1/mountinfo"
#define MOUNTINFO_MAX (4u << 20)
#define SENTENCE_MAX 300
#define ARGS_MAX 16
#define KILL_ROUNDS 20 /* of waiting for those that were killed */
#define KILL_ROUND_US 100000

/* --- programs ------------------------------------------------------------- */

/* tool: as errors call it; words: ended by NULL. out: what it said, appended; may be NULL */
static int run(const char *tool, const char *const *words, int deadline_ms, struct buf *out,
	       struct err *err)
{
	struct proc_options o = { .deadline_ms = deadline_ms };
	char sentence[SENTENCE_MAX];
	struct proc_result r;
	int rv = 0;

	if (proc_run(words, &o, &r) == 0) {
		if (out && r.out.data)
			rv = buf_append(out, r.out.data, r.out.len);
		goto release;
	}
	tool_sentence(r.errout.data ? (const char *)r.errout.data : "", sentence, sizeof(sentence));
	if (!r.started)
		rv = err_set(err, r.status, "%s: %s", words[0],
			     r.status == -ENOENT ? "the program is not installed here"
						 : err_name(r.status));
	else if (r.status == -ETIMEDOUT)
		rv = err_set(err, -ETIMEDOUT, "%s did not end within %d s and was killed", tool,
			     deadline_ms / 1000);
	else
		rv = err_set(err, -EIO, "%s failed (%d): %s", tool, r.status, sentence);
release:
	proc_release(&r);
	return rv;
}

/* in the mount namespace of process 1 */
static int run_outside(const char *const *words, int deadline_ms, struct err *err)
{
	static const char *const head[] = { "nsenter", "--target", "1", "--mount", "--" };
	const char *all[ARGS_MAX];
	int n = 0;

	for (size_t i = 0; i < sizeof(head) / sizeof(head[0]); i++)
		all[n++] = head[i];
	for (int i = 0; words[i] && n < ARGS_MAX - 1; i++)
		all[n++] = words[i];
	all[n] = NULL;
	return run(words[0], all, deadline_ms, NULL, err);
}

static int systemctl(const char *const *words, int deadline_ms, struct buf *out, struct err *err)
{
	const char *all[ARGS_MAX] = { "systemctl", "--no-ask-password" };
	int n = 2;

	for (int i = 0; words[i] && n < ARGS_MAX - 1; i++)
		all[n++] = words[i];
	all[n] = NULL;
	return run(all[0], all, deadline_ms, out, err);
}

/* --- what is there ---------------------------------------------------------- */

/* A field of the line at *p, ended by a blank or the line's end; behind it is *p then. */
static size_t field(const char **p, const char **ret)
{
	size_t n;

	while (**p == ' ')
		(*p)++;
	n = strcspn(*p, " \n");
	*ret = *p;
	*p += n;
	return n;
}

static bool has_word(const char *list, size_t len, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i + n <= len; i++) {
		if (memcmp(list + i, word, n) == 0 && (i == 0 || list[i - 1] == ',') &&
		    (i + n == len || list[i + n] == ','))
			return true;
	}
	return false;
}

/* "36 35 98:0 /root /mnt rw,noatime shared:1 - ext4 /dev/sda rw,errors=continue" */
static bool read_mount(const char *line, const char *path, struct service_mount *ret)
{
	const char *p = line, *f;
	size_t n = 0;

	for (int i = 0; i < 5; i++)
		n = field(&p, &f);
	if (n != strlen(path) || memcmp(f, path, n) != 0)
		return false;
	do
		n = field(&p, &f);
	while (n > 0 && !(n == 1 && *f == '-'));
	field(&p, &f); /* the type */
	n = field(&p, &f);
	snprintf(ret->source, sizeof(ret->source), "%.*s", (int)n, f);
	n = field(&p, &f);
	ret->read_only = has_word(f, n, "ro");
	return true;
}

bool service_host_find_mount(const char *table, const char *path, struct service_mount *ret)
{
	bool found = false;

	for (const char *line = table; *line; line += *line == '\n') {
		found |= read_mount(line, path, ret);
		line += strcspn(line, "\n");
	}
	return found;
}

static int look_mount(const struct service_host *h, struct service_sight *s, struct err *err)
{
	struct service_mount m;
	struct buf table;
	int rv;

	buf_init(&table, MOUNTINFO_MAX);
	rv = fs_read(h->mountinfo ? h->mountinfo : MOUNTINFO, &table, err);
	if (rv == 0)
		rv = buf_append(&table, "", 1);
	if (rv == 0 && service_host_find_mount((const char *)table.data, h->service->mount, &m)) {
		s->mounted = strcmp(m.source, h->device) == 0;
		s->occupied = !s->mounted;
		s->broken = s->mounted && m.read_only &&
			    !has_word(h->service->options, strlen(h->service->options), "ro");
	}
	buf_release(&table);
	return rv;
}

static const char *value_of(const char *text, const char *key, char *out, size_t len)
{
	size_t n = strlen(key);

	out[0] = '\0';
	for (const char *p = text; *p; p += *p == '\n') {
		if (strncmp(p, key, n) == 0 && p[n] == '=')
			snprintf(out, len, "%.*s", (int)strcspn(p + n + 1, "\n"), p + n + 1);
		p += strcspn(p, "\n");
	}
	return out;
}

int service_host_unit_state(const char *text, enum service_unit *ret)
{
	char load[32], active[32], job[32];

	value_of(text, "LoadState", load, sizeof(load));
	value_of(text, "ActiveState", active, sizeof(active));
	value_of(text, "Job", job, sizeof(job)); /* one that waits to be started or stopped */
	if (strcmp(active, "active") == 0 || strcmp(active, "reloading") == 0)
		*ret = SERVICE_UNIT_ON;
	else if (strcmp(active, "activating") == 0 || strcmp(active, "deactivating") == 0 ||
		 (job[0] && strcmp(job, "0") != 0))
		*ret = SERVICE_UNIT_BETWEEN;
	else
		*ret = SERVICE_UNIT_OFF;
	if (*ret == SERVICE_UNIT_OFF &&
	    (strcmp(load, "not-found") == 0 || strcmp(load, "masked") == 0))
		return -ENOENT;
	return active[0] ? 0 : -EIO;
}

static int look_unit(const struct service_host *h, struct service_sight *s, struct err *err)
{
	const char *words[] = { "show", "--property=LoadState,ActiveState,Job", h->service->unit,
				NULL };
	struct buf out;
	int rv;

	if (!h->service->unit[0])
		return 0;
	buf_init(&out, PROC_OUTPUT_MAX);
	rv = systemctl(words, SERVICE_LOOK_MS, &out, err);
	if (rv == 0)
		rv = buf_append(&out, "", 1);
	if (rv == 0 && service_host_unit_state((const char *)out.data, &s->unit) == -EIO)
		rv = err_set(err, -EIO, "systemctl says nothing of %s", h->service->unit);
	buf_release(&out);
	return rv;
}

int service_host_look(const struct service_host *h, struct service_sight *ret, struct err *err)
{
	struct service_sight s = { .mounted = false };
	struct address a;
	int rv = look_mount(h, &s, err);

	if (rv == 0)
		rv = look_unit(h, &s, err);
	if (rv == 0 && h->service->vip[0]) {
		rv = address_of(h->service, &a, err);
		if (rv == 0)
			rv = address_there(&a, &s.address, err);
	}
	if (rv == 0)
		*ret = s;
	return rv;
}

/* --- the volume ------------------------------------------------------------- */

/* Opened here first: that says whether this node can have it, which is no failure of the mount. */
static int mount_volume(const struct service_host *h, struct err *err)
{
	const struct service *s = h->service;
	const char *mkdir[] = { "mkdir", "-p", "--", s->mount, NULL };
	const char *plain[] = { "mount", "--", h->device, s->mount, NULL };
	const char *with[] = { "mount", "-o", s->options, "--", h->device, s->mount, NULL };
	int fd = open(h->device, O_RDWR | O_CLOEXEC), rv;

	if (fd < 0)
		return err_set(err, -EAGAIN, "the volume cannot be opened here: %s",
			       strerror(errno));
	rv = run_outside(mkdir, SERVICE_LOOK_MS, err);
	if (rv == 0)
		rv = run_outside(s->options[0] ? with : plain, SERVICE_MOUNT_MS, err);
	close(fd);
	return rv;
}

/* Does this link of a process lead into the file system? */
static bool leads_there(const char *path, dev_t dev)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_dev == dev;
}

static bool uses(const char *pid, dev_t dev)
{
	static const char *const links[] = { "cwd", "root", "exe" };
	char path[512];
	struct dirent *e;
	bool found = false;
	DIR *d;

	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]) && !found; i++) {
		snprintf(path, sizeof(path), "/proc/%s/%s", pid, links[i]);
		found = leads_there(path, dev);
	}
	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	d = found ? NULL : opendir(path);
	while (d && !found && (e = readdir(d))) {
		snprintf(path, sizeof(path), "/proc/%s/fd/%s", pid, e->d_name);
		found = e->d_name[0] != '.' && leads_there(path, dev);
	}
	if (d)
		closedir(d);
	return found;
}

/* of a name in /proc; -1: none */
static int pid_of(const char *name)
{
	char *end;
	long pid = strtol(name, &end, 10);

	return *end || end == name || pid > INT_MAX ? -1 : (int)pid;
}

/* Kills those that have something of it open; how many there were */
static int kill_users(dev_t dev)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	int n = 0;

	while (d && (e = readdir(d))) {
		int pid = pid_of(e->d_name);

		if (pid <= 1 || pid == getpid() || !uses(e->d_name, dev))
			continue;
		log_warn("agent", "process %d uses what is to be unmounted: killed", pid);
		kill(pid, SIGKILL);
		n++;
	}
	if (d)
		closedir(d);
	return n;
}

static int unmount(const struct service_host *h, struct err *err)
{
	const char *words[] = { "umount", "--", h->service->mount, NULL };
	const char *lazy[] = { "umount", "--lazy", "--", h->service->mount, NULL };
	char path[SERVICE_MOUNT_MAX + 16];
	struct err why = { 0 };
	struct stat st;

	if (run_outside(words, SERVICE_UNMOUNT_MS, err) == 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/1/root%s", h->service->mount);
	for (int i = 0; i < KILL_ROUNDS && stat(path, &st) == 0; i++) {
		if (kill_users(st.st_dev) == 0 && i > 1)
			break;
		usleep(KILL_ROUND_US);
		if (run_outside(words, SERVICE_UNMOUNT_MS, err) == 0)
			return 0;
	}
	if (run_outside(lazy, SERVICE_UNMOUNT_MS, &why) < 0)
		return err_set(err, why.code, "%s", why.text);
	log_error("agent", "service=%s %s was detached while it is in use: %s", h->service->name,
		  h->service->mount, err->text);
	return 0;
}

/* --- the unit --------------------------------------------------------------- */

static int start_unit(const struct service_host *h, struct err *err)
{
	const char *forget[] = { "reset-failed", h->service->unit, NULL };
	const char *words[] = { "start", "--no-block", h->service->unit, NULL };

	systemctl(forget, SERVICE_LOOK_MS, NULL, NULL); /* one that is not loaded is refused */
	return systemctl(words, SERVICE_LOOK_MS, NULL, err);
}

static int stop_unit(const struct service_host *h, struct err *err)
{
	const char *words[] = { "stop", h->service->unit, NULL };
	const char *kill[] = { "kill", "--signal=SIGKILL", h->service->unit, NULL };
	int ms = h->urgent ? SERVICE_URGENT_MS : SERVICE_STOP_MS;

	if (systemctl(words, ms, NULL, err) == 0)
		return 0;
	log_warn("agent", "service=%s %s: killed", h->service->name, err->text);
	systemctl(kill, SERVICE_KILL_MS, NULL, NULL);
	return systemctl(words, SERVICE_KILL_MS, NULL, err);
}

int service_host_do(const struct service_host *h, enum service_step step, struct err *err)
{
	struct address a;
	int rv = 0;

	if (step == SERVICE_STEP_ADDRESS || step == SERVICE_STEP_UNADDRESS)
		rv = address_of(h->service, &a, err);
	if (rv < 0)
		return rv;
	switch (step) {
	case SERVICE_STEP_MOUNT:
		return mount_volume(h, err);
	case SERVICE_STEP_ADDRESS:
		return address_add(&a, err);
	case SERVICE_STEP_START:
		return start_unit(h, err);
	case SERVICE_STEP_STOP:
		return stop_unit(h, err);
	case SERVICE_STEP_UNADDRESS:
		return address_remove(&a, err);
	case SERVICE_STEP_UNMOUNT:
		return unmount(h, err);
	default:
		return 0;
	}
}
