// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * disk_probe.c - what is on a device, by libblkid. Called by disks.c. Opening or
 * reading a broken disk may last for minutes and cannot be called off, so it is
 * done in a thread of its own that is left behind at the deadline; until it has
 * ended nothing more is asked of that device.
 */
#include "storage/disks.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "storage/storage.h"

#define THREAD_STACK (256u << 10)

struct probe {
	struct probe *next; /* of those that are under way */
	char path[DISK_PATH_MAX];
	char content[64], pv[DISK_PV_LEN + 1];
	int status;
	bool ended, abandoned;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t news;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct probe *probes;

static const char *value(blkid_probe p, const char *name)
{
	const char *data;

	return blkid_probe_lookup_value(p, name, &data, NULL) == 0 ? data : "";
}

/* a word that people know */
static const char *word_for(const char *type)
{
	static const char *const words[][2] = {
		{ "LVM2_member", "LVM physical volume" },
		{ "LVM1_member", "LVM physical volume" },
		{ "crypto_LUKS", "LUKS" },
		{ "zfs_member", "ZFS" },
		{ "linux_raid_member", "RAID member" },
		{ "mpath_member", "multipath path" },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(type, words[i][0]) == 0)
			return words[i][1];
	}
	return type;
}

static void take(blkid_probe b, struct probe *p)
{
	const char *type = value(b, "TYPE"), *table = value(b, "PTTYPE");

	if (type[0])
		snprintf(p->content, sizeof(p->content), "%s", word_for(type));
	else if (table[0])
		snprintf(p->content, sizeof(p->content), "partition table %s", table);
	if (strcmp(type, "LVM2_member") == 0 && !disk_pv_parse(value(b, "UUID"), p->pv))
		p->pv[0] = '\0';
}

static int look(int fd, struct probe *p)
{
	blkid_probe b = blkid_new_probe();
	int rv;

	if (!b || blkid_probe_set_device(b, fd, 0, 0) < 0) {
		blkid_free_probe(b);
		return -EIO;
	}
	blkid_probe_enable_superblocks(b, 1);
	blkid_probe_set_superblocks_flags(b, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_UUID);
	blkid_probe_enable_partitions(b, 1);
	rv = blkid_do_safeprobe(b);
	if (rv == 0)
		take(b, p);
	else if (rv == -2)
		snprintf(p->content, sizeof(p->content), "several signatures");
	else if (rv == 1 && storage_is_meta(fd))
		snprintf(p->content, sizeof(p->content), "metadata of sdsd");
	blkid_free_probe(b);
	return rv == -1 ? -EIO : 0;
}

static int probe_run(struct probe *p)
{
	int fd = open(p->path, O_RDONLY | O_CLOEXEC), rv;

	if (fd < 0)
		return -errno;
	rv = look(fd, p);
	close(fd);
	return rv;
}

static void unlink_probe(struct probe *p)
{
	struct probe **at = &probes;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
}

static void *probe_thread(void *arg)
{
	struct probe *p = arg;
	bool abandoned;

	p->status = probe_run(p);
	pthread_mutex_lock(&lock);
	p->ended = true;
	abandoned = p->abandoned;
	if (abandoned)
		unlink_probe(p);
	pthread_cond_broadcast(&news);
	pthread_mutex_unlock(&lock);
	if (abandoned)
		free(p);
	return NULL;
}

static void begin(void)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&news, &attr);
	pthread_condattr_destroy(&attr);
}

static bool is_stuck(const char *path)
{
	for (const struct probe *p = probes; p; p = p->next) {
		if (strcmp(p->path, path) == 0)
			return true;
	}
	return false;
}

/* with the lock held; NULL: one that was left behind is still at this device, or no thread */
static struct probe *start(const char *path)
{
	struct probe *p = is_stuck(path) ? NULL : calloc(1, sizeof(*p));
	pthread_attr_t attr;
	pthread_t thread;
	int rv;

	if (!p)
		return NULL;
	snprintf(p->path, sizeof(p->path), "%s", path);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	rv = pthread_create(&thread, &attr, probe_thread, p);
	pthread_attr_destroy(&attr);
	if (rv) {
		free(p);
		return NULL;
	}
	p->next = probes;
	probes = p;
	return p;
}

static int wait_for(struct probe *p)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += DISK_PROBE_MS / 1000;
	while (!p->ended) {
		if (pthread_cond_timedwait(&news, &lock, &until) == ETIMEDOUT && !p->ended) {
			p->abandoned = true;
			return -ETIMEDOUT;
		}
	}
	return p->status;
}

int disk_probe(const char *path, struct disk *ret)
{
	struct probe *p;
	int rv = -ETIMEDOUT;

	pthread_once(&once, begin);
	pthread_mutex_lock(&lock);
	p = start(path);
	if (p)
		rv = wait_for(p);
	if (p && !p->abandoned) {
		memcpy(ret->content, p->content, sizeof(ret->content));
		memcpy(ret->pv, p->pv, sizeof(ret->pv));
		unlink_probe(p);
		free(p);
	}
	pthread_mutex_unlock(&lock);
	return rv;
}
