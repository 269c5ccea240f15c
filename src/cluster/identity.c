// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * identity.c - reads, writes and locks the state directory's identity. Called
 * by init and join (which write it last, so that a half-made directory is not
 * taken for a member) and by the daemon.
 */
#include "cluster/identity.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/text.h"
#include "model/name.h"

#define IDENTITY_BYTES_MAX 65536
#define FILE_PATH_MAX (PATH_LEN_MAX + 32)

static int not_a_member(const char *dir, struct err *err)
{
	return err_set(err, -ENOENT,
		       "%s: this node is not a member of a cluster: run sdsd init (first node) or "
		       "sdsd join",
		       dir);
}

/* a string member of at most len - 1 characters */
static bool take(json *doc, const char *key, char *out, size_t len)
{
	const char *text = jget_str(doc, key, "");
	size_t n = strlen(text);

	if (n == 0 || n >= len)
		return false;
	memcpy(out, text, n + 1);
	return true;
}

static bool is_ip(const char *text)
{
	uint8_t raw[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, text, raw) == 1 || inet_pton(AF_INET6, text, raw) == 1;
}

static const char *parse(json *doc, struct identity *id)
{
	uint8_t uuid[16];
	int64_t node_id = jget_i64_or(doc, "node_id", 0), port = jget_i64_or(doc, "port", 0);

	if (!take(doc, "cluster", id->cluster, sizeof(id->cluster)) ||
	    text_uuid_parse(id->cluster, uuid) < 0)
		return "cluster";
	if (!take(doc, "cluster_name", id->cluster_name, sizeof(id->cluster_name)))
		return "cluster_name";
	if (!take(doc, "node", id->node, sizeof(id->node)) ||
	    name_check("node name", id->node, NAME_MIN_LEN, NULL) < 0)
		return "node";
	if (!take(doc, "uuid", id->uuid, sizeof(id->uuid)) || text_uuid_parse(id->uuid, uuid) < 0)
		return "uuid";
	if (!take(doc, "address", id->address, sizeof(id->address)) || !is_ip(id->address))
		return "address";
	if (node_id < 1 || node_id > UINT32_MAX)
		return "node_id";
	if (port < 1 || port > 65535)
		return "port";
	id->node_id = (uint32_t)node_id;
	id->port = (int)port;
	return NULL;
}

int identity_load(const char *dir, struct identity *ret, struct err *err)
{
	struct identity id = { .node_id = 0 };
	char path[FILE_PATH_MAX];
	const char *bad;
	struct buf text;
	json *doc = NULL;
	int rv;

	if (strnlen(dir, sizeof(id.dir)) == sizeof(id.dir))
		return err_set(err, -ENAMETOOLONG, "state directory path longer than %d",
			       PATH_LEN_MAX - 1);
	memcpy(id.dir, dir, strlen(dir) + 1);
	snprintf(path, sizeof(path), "%s/identity.json", dir);
	buf_init(&text, IDENTITY_BYTES_MAX);
	rv = fs_read(path, &text, err);
	if (rv == -ENOENT || rv == -ENOTDIR) {
		rv = not_a_member(dir, err);
		goto out;
	}
	if (rv < 0)
		goto out;
	if (json_parse((const char *)text.data, text.len, &doc, err) < 0) {
		rv = err_set(err, -E_CORRUPT, "%s is damaged: it is not JSON", path);
		goto out;
	}
	bad = parse(doc, &id);
	if (bad) {
		rv = err_set(err, -E_CORRUPT, "%s is damaged: \"%s\" is missing or wrong", path,
			     bad);
		goto out;
	}
	*ret = id;
out:
	json_object_put(doc);
	buf_release(&text);
	return rv;
}

int identity_save(const struct identity *id, struct err *err)
{
	char path[FILE_PATH_MAX];
	json *doc = json_object_new_object();
	const char *text;
	int rv;

	if (!doc)
		return err_set(err, -ENOMEM, "no memory");
	jset_str(doc, "cluster", id->cluster);
	jset_str(doc, "cluster_name", id->cluster_name);
	jset_str(doc, "node", id->node);
	jset_i64(doc, "node_id", id->node_id);
	jset_str(doc, "uuid", id->uuid);
	jset_str(doc, "address", id->address);
	jset_i64(doc, "port", id->port);
	text = json_text(doc);
	snprintf(path, sizeof(path), "%s/identity.json", id->dir);
	rv = fs_write(path, text, strlen(text), 0600, err);
	json_object_put(doc);
	return rv;
}

int identity_lock(const char *dir, struct err *err)
{
	char path[FILE_PATH_MAX], pid[32];
	int fd, n, code;

	snprintf(path, sizeof(path), "%s/lock", dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return not_a_member(dir, err);
	if (fd < 0) {
		code = -errno;
		return err_set(err, code, "cannot open %s: %s", path, err_name(code));
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		code = errno == EWOULDBLOCK ? -EBUSY : -errno;
		n = (int)read(fd, pid, sizeof(pid) - 1);
		pid[n > 0 ? n : 0] = '\0';
		pid[strcspn(pid, "\n")] = '\0';
		close(fd);
		if (code != -EBUSY)
			return err_set(err, code, "cannot lock %s: %s", path, err_name(code));
		return err_set(err, code, "another sdsd runs on %s (process %s)", dir,
			       pid[0] ? pid : "unknown");
	}
	/* for the sentence above only: the lock is the kernel's and goes with the process */
	n = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, (size_t)n, 0) != n) {
		code = errno ? -errno : -EIO;
		close(fd);
		return err_set(err, code, "cannot write %s: %s", path, err_name(code));
	}
	return 0;
}
