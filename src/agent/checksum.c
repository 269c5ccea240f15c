// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * checksum.c - what this node's copy has in a stretch of a volume, as one CRC for each region, for
 * comparing copies (api/verify.c). Read past the page cache, off the loop. It looks only.
 */
#include "agent/object.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "store/crc.h"

#define ALIGNMENT 4096

struct checking {
	uv_work_t work;
	struct agent *agent;
	char *path;
	uint64_t off, len;
	agent_checksum_cb cb;
	void *arg;
	uint32_t crc[AGENT_CHECKSUM_REGIONS];
	int n, status;
	struct err err;
};

/* -EINVAL of O_DIRECT: a file system that cannot */
static int open_data(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);

	if (fd < 0 && errno == EINVAL)
		fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int read_whole(int fd, uint8_t *to, size_t len, uint64_t off)
{
	size_t have = 0;

	while (have < len) {
		ssize_t n = pread(fd, to + have, len - have, (off_t)(off + have));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		have += (size_t)n;
	}
	return 0;
}

static int checksum(struct checking *c, int fd, uint8_t *region)
{
	int rv = 0;

	for (uint64_t at = 0; at < c->len && rv == 0; at += AGENT_REGION_BYTES) {
		size_t len = c->len - at < AGENT_REGION_BYTES ? (size_t)(c->len - at)
							      : AGENT_REGION_BYTES;

		rv = read_whole(fd, region, len, c->off + at);
		if (rv == 0)
			c->crc[c->n++] = crc_update(0, region, len);
	}
	return rv;
}

static void run(uv_work_t *work)
{
	struct checking *c = (struct checking *)work;
	void *region = NULL;
	int fd;

	if (!c->path)
		return; /* refused: status and err are set */
	fd = open_data(c->path);
	if (fd >= 0 && posix_memalign(&region, ALIGNMENT, AGENT_REGION_BYTES) != 0)
		abort();
	c->status = fd < 0 ? fd : checksum(c, fd, region);
	if (c->status < 0)
		err_set(&c->err, c->status, "%s cannot be read: %s", c->path, err_name(c->status));
	if (fd >= 0)
		close(fd);
	free(region);
}

static void on_run(uv_work_t *work, int status)
{
	struct checking *c = (struct checking *)work;
	struct agent *a = c->agent;

	c->cb(c->status, &c->err, c->crc, c->n, c->arg);
	free(c->path);
	free(c);
	agent_put(a);
}

static const struct agent_volume *find(struct agent *a, const char *resource, const char *uuid)
{
	char key[NAME_MAX_LEN + 1];

	name_key(resource, key);
	for (struct agent_object *o = *agent_bucket(a, key); o; o = o->next) {
		if (o->kind != AGENT_REPLICA || strcmp(o->key, key) != 0 || o->replica.diskless)
			continue;
		for (int i = 0; i < o->n_volumes; i++) {
			if (o->volume[i]->plan.files && strcasecmp(o->volume[i]->uuid, uuid) == 0)
				return o->volume[i];
		}
	}
	return NULL;
}

void agent_checksum(struct agent *a, const char *resource, const char *uuid, uint64_t off,
		    uint64_t len, agent_checksum_cb cb, void *arg)
{
	struct checking *c = calloc(1, sizeof(*c));
	const struct agent_volume *v = a->closing ? NULL : find(a, resource, uuid);

	if (!c)
		abort();
	agent_get(a);
	c->agent = a;
	c->off = off;
	c->len = len;
	c->cb = cb;
	c->arg = arg;
	if (!v)
		c->status = err_set(&c->err, -ENODEV, "node %s does not have that volume of %.48s",
				    a->config.node, resource);
	else if (off % AGENT_REGION_BYTES || len == 0 || len % ALIGNMENT ||
		 len > AGENT_CHECKSUM_REGIONS * AGENT_REGION_BYTES)
		c->status = err_set(&c->err, -E_INVALID, "no such stretch of a volume");
	else if (!(c->path = strdup(v->data_path)))
		abort();
	if (uv_queue_work(a->config.loop, &c->work, run, on_run) < 0)
		abort(); /* fails only without a function to run */
}
