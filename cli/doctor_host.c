// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * doctor_host.c - the part of sdsd doctor that looks at this machine. Called by
 * doctor.c. The tables of text that it judges are read by functions of their own.
 */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/proc.h"
#include "cli/doctor.h"
#include "cluster/pki.h"

#define FILE_MAX (1u << 20)
#define LVM_DEADLINE_MS 10000
#define CONNECT_MS 1000
#define PATH_ROOM (PATH_LEN_MAX + 32)

#define MODULE_DIR "/sys/module/rvol"

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static void look_at_module(struct doctor *d)
{
	if (exists(MODULE_DIR))
		doctor_say(d, DOCTOR_OK, "kernel", "",
			   "the module rvol is loaded; a daemon that was started with it serves "
			   "volumes as /dev/rvol<minor>, and says so in its log if their versions "
			   "do not fit");
	else
		doctor_say(d, DOCTOR_WARN, "kernel",
			   "modprobe rvol, then systemctl restart sdsd (make kmod builds it)",
			   "the module rvol is not loaded: volumes are served over NBD from the "
			   "daemon, and their I/O ends when the daemon does");
}

/* LVM */

/* the value of "key=" in a list of lines; its length in *len, NULL when it is not there */
static const char *config_value(const char *config, const char *key, size_t *len)
{
	const char *at = strstr(config, key);

	if (!at)
		return NULL;
	at += strlen(key);
	*len = strcspn(at, "\n");
	return at;
}

/* does a filter have a rejecting pattern with this name? */
static bool rejects(const char *config, const char *key, const char *name)
{
	size_t len;
	const char *at = config_value(config, key, &len);

	for (size_t i = 0; at && i + 1 < len; i++) {
		size_t part;

		if (at[i] != '"')
			continue;
		part = strcspn(at + i + 1, "\"\n");
		if (at[i + 1] == 'r' && memmem(at + i + 1, part, name, strlen(name)))
			return true;
		i += part + 1;
	}
	return false;
}

static bool passes_over(const char *config, const char *name)
{
	return rejects(config, "\tglobal_filter=", name) || rejects(config, "\tfilter=", name);
}

const char *doctor_judge_lvm(const char *config, bool nbd)
{
	size_t len;
	const char *types = config_value(config, "\ttypes=", &len);
	bool told = types && memmem(types, len, "\"rvol\"", 6);

	if (told && !passes_over(config, "loop"))
		return "LVM is told of rvol devices and looks at loop devices too: the same group "
		       "shows twice";
	if (nbd && !passes_over(config, "nbd"))
		return "LVM looks into NBD devices: a volume that waits for its copies makes "
		       "every LVM command wait";
	return NULL;
}

static void look_at_lvm(struct doctor *d)
{
	static const char *const argv[] = { "lvmconfig", "--type", "full", "devices", NULL };
	struct proc_options o = { .deadline_ms = LVM_DEADLINE_MS };
	struct proc_result r;
	const char *wrong;

	proc_run(argv, &o, &r);
	buf_append(&r.out, "", 1);
	if (!r.started) {
		doctor_say(d, DOCTOR_OK, "LVM", "",
			   "LVM is not installed: pools of directories only");
	} else if (r.status == -ETIMEDOUT) {
		doctor_say(d, DOCTOR_FAIL, "LVM", "which device hangs: dmesg, lsblk",
			   "lvmconfig did not end within %d s", LVM_DEADLINE_MS / 1000);
	} else if (r.status != 0) {
		doctor_say(d, DOCTOR_WARN, "LVM", "lvmconfig --type full devices",
			   "its configuration cannot be read");
	} else {
		wrong = doctor_judge_lvm((const char *)r.out.data, exists("/sys/module/nbd"));
		doctor_say(d, wrong ? DOCTOR_WARN : DOCTOR_OK, "LVM",
			   wrong ? "in lvm.conf, devices: global_filter = [ \"r|^/dev/nbd.*|\", "
				   "\"r|^/dev/loop.*|\" ]"
				 : "",
			   "%s", wrong ? wrong : "does not look into volumes of sdsd");
	}
	proc_release(&r);
}

/* "" when it cannot be read; the caller releases it */
static const char *read_text(const char *path, struct buf *b)
{
	struct err err;

	buf_init(b, FILE_MAX);
	if (fs_read(path, b, &err) < 0 || buf_append(b, "", 1) < 0)
		return "";
	return (const char *)b->data;
}

static void look_at_multipath(struct doctor *d)
{
	struct buf b;
	const char *conf = read_text("/etc/multipath.conf", &b);
	const char *exceptions = strstr(conf, "blacklist_exceptions");

	if (exceptions && strstr(exceptions, "rvol"))
		doctor_say(d, DOCTOR_WARN, "multipath",
			   "take rvol out of blacklist_exceptions in /etc/multipath.conf",
			   "multipathd is told to look at rvol devices; they have no paths");
	else
		doctor_say(d, DOCTOR_OK, "multipath", "", "passes over volumes of sdsd");
	buf_release(&b);
}

static void look_at_clock(struct doctor *d)
{
	struct timex t = { 0 };
	int state = adjtimex(&t);

	if (state == TIME_ERROR || (t.status & STA_UNSYNC))
		doctor_say(d, DOCTOR_WARN, "clock",
			   "apt-get install chrony, or systemctl enable --now systemd-timesyncd",
			   "is not set by a time server: logs, snapshots by the clock and "
			   "certificates go by it");
	else
		doctor_say(d, DOCTOR_OK, "clock", "", "is set by a time server");
}

/* Ports */

/* 0: somebody accepts there; -errno */
static int try_connect(const char *host, int port)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
				  .ai_socktype = SOCK_STREAM },
			*a;
	struct pollfd p = { .events = POLLOUT };
	char service[16];
	socklen_t len = sizeof(int);
	int rv = 0;

	snprintf(service, sizeof(service), "%d", port);
	if (getaddrinfo(host, service, &hints, &a) != 0)
		return -EINVAL;
	p.fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (p.fd < 0 || (connect(p.fd, a->ai_addr, a->ai_addrlen) < 0 && errno != EINPROGRESS))
		rv = -errno;
	else if (poll(&p, 1, CONNECT_MS) != 1)
		rv = -ETIMEDOUT;
	else if (getsockopt(p.fd, SOL_SOCKET, SO_ERROR, &rv, &len) == 0)
		rv = -rv;
	freeaddrinfo(a);
	if (p.fd >= 0)
		close(p.fd);
	return rv;
}

static void look_at_own_port(struct doctor *d)
{
	int rv;

	if (!d->member)
		return;
	rv = try_connect(d->id.address, d->id.port);
	if (!d->local && rv == 0)
		doctor_say(d, DOCTOR_FAIL, "port",
			   "who is it: ss -ltnp; or the daemon has another socket: --socket PATH",
			   "no daemon answers here, but somebody listens on %s port %d",
			   d->id.address, d->id.port);
	else if (d->local && rv < 0)
		doctor_say(d, DOCTOR_WARN, "port",
			   "fine if the daemon was told to listen elsewhere (--listen); else a "
			   "firewall",
			   "%s port %d: %s", d->id.address, d->id.port, strerror(-rv));
	else if (d->local)
		doctor_say(d, DOCTOR_OK, "port", "", "other nodes are served on %s port %d",
			   d->id.address, d->id.port);
}

static void look_at_listeners(struct doctor *d)
{
	json *list = jget(d->local, "listeners");

	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		json *o = json_object_array_get_idx(list, i);
		const char *error = jget_str(o, "error", ""), *url = jget_str(o, "url", "");

		if (error[0])
			doctor_say(d, DOCTOR_FAIL, "API",
				   "free that port, or choose another: sdsd run --http, --https",
				   "%s is not served: %s", url, error);
		else
			doctor_say(d, DOCTOR_OK, "API", "", "served on %s", url);
	}
}

static void look_at_peers(struct doctor *d)
{
	json *list = jget(d->status, "nodes");
	int fine = 0;

	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		json *n = json_object_array_get_idx(list, i);
		const char *name = jget_str(n, "name", ""), *host = jget_str(n, "address", "");
		int port = (int)jget_i64_or(n, "port", 0), rv;

		if (strcmp(name, jget_str(d->local, "node", "")) == 0)
			continue;
		rv = try_connect(host, port);
		fine += rv == 0;
		if (rv < 0)
			doctor_say(d, DOCTOR_FAIL, "network",
				   "is sdsd running there, does a firewall let it through?",
				   "node %s cannot be reached at %s port %d: %s", name, host, port,
				   strerror(-rv));
	}
	if (fine > 0)
		doctor_say(d, DOCTOR_OK, "network", "", "%d other %s can be reached", fine,
			   fine == 1 ? "node" : "nodes");
}

/* Files */

static void look_at_certificate(struct doctor *d, const char *name)
{
	char path[PATH_ROOM];
	struct err err = { 0 };
	struct buf b;
	int days, rv;

	snprintf(path, sizeof(path), "%s/%s", d->dir, name);
	rv = pki_days_left(read_text(path, &b), &days, &err);
	if (rv < 0)
		doctor_say(d, DOCTOR_FAIL, "certificate",
			   "restore it from a backup, or join anew with sdsd join", "%s: %s", path,
			   err.text);
	else if (days < 0)
		doctor_say(d, DOCTOR_FAIL, "certificate",
			   "is the clock right? Else the node has to be joined anew",
			   "%s is not valid any more since %d days", path, -days);
	else
		doctor_say(d, days < DOCTOR_DAYS_LEFT ? DOCTOR_WARN : DOCTOR_OK, "certificate",
			   days < DOCTOR_DAYS_LEFT ? "the node has to be joined anew" : "",
			   "%s is valid for %d more days", name, days);
	buf_release(&b);
}

static void look_at_secret(struct doctor *d, const char *name)
{
	char path[PATH_ROOM], mend[PATH_ROOM + 32];
	struct stat st;

	snprintf(path, sizeof(path), "%s%s%s", d->dir, name[0] ? "/" : "", name);
	snprintf(mend, sizeof(mend), "chmod go= %s", path);
	if (stat(path, &st) < 0)
		doctor_say(d, DOCTOR_FAIL, "files", "", "%s: %s", path, strerror(errno));
	else if (st.st_mode & 077)
		doctor_say(d, DOCTOR_FAIL, "files", mend, "others can get at %s (mode %03o)", path,
			   (unsigned)st.st_mode & 0777);
	else
		doctor_say(d, DOCTOR_OK, "files", "", "%s belongs to its owner alone", path);
}

static void look_at_space(struct doctor *d)
{
	struct statvfs v;
	unsigned long long mib;

	if (statvfs(d->dir, &v) < 0)
		return; /* look_at_secret has said so */
	mib = (unsigned long long)v.f_bavail * v.f_frsize >> 20;
	doctor_say(d,
		   mib < DOCTOR_SPACE_FAIL_MIB   ? DOCTOR_FAIL
		   : mib < DOCTOR_SPACE_WARN_MIB ? DOCTOR_WARN
						 : DOCTOR_OK,
		   "space",
		   mib < DOCTOR_SPACE_WARN_MIB ? "make room: the cluster's log is there" : "",
		   "%llu MiB free in %s", mib, d->dir);
}

bool doctor_find_swap(const char *swaps, char *out, size_t len)
{
	static const char *const ours[] = { "/dev/rvol", "/dev/nbd" };

	for (const char *line = swaps; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
			if (strncmp(line, ours[i], strlen(ours[i])) != 0)
				continue;
			snprintf(out, len, "%.*s", (int)strcspn(line, " \t\n"), line);
			return true;
		}
	}
	return false;
}

static void look_at_swap(struct doctor *d)
{
	char path[PATH_LEN_MAX], mend[PATH_LEN_MAX + 16];
	struct buf b;

	if (doctor_find_swap(read_text("/proc/swaps", &b), path, sizeof(path))) {
		snprintf(mend, sizeof(mend), "swapoff %s", path);
		doctor_say(d, DOCTOR_FAIL, "swap", mend,
			   "%s is swap: the daemon may be what was swapped out when it is needed",
			   path);
	} else {
		doctor_say(d, DOCTOR_OK, "swap", "", "no swap on a volume of sdsd");
	}
	buf_release(&b);
}

void doctor_host(struct doctor *d)
{
	look_at_module(d);
	look_at_lvm(d);
	look_at_multipath(d);
	look_at_clock(d);
	look_at_own_port(d);
	look_at_listeners(d);
	look_at_peers(d);
	look_at_swap(d);
	if (!d->member)
		return;
	look_at_certificate(d, "ca.pem");
	look_at_certificate(d, "node.pem");
	look_at_secret(d, "");
	look_at_secret(d, "node.key");
	look_at_secret(d, "cluster.key");
	look_at_space(d);
}
