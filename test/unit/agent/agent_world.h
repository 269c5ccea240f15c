/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * agent_world.h - the agent of node n1 against a real store, real files and a
 * leader that applies what it is told. The plane is a list of what it was
 * given. Included by one test program each; setup and teardown go around each
 * test.
 */
#ifndef TEST_AGENT_WORLD_H
#define TEST_AGENT_WORLD_H

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/text.h"
#include "support/modelworld.h"

#define PATIENCE_MS 30000 /* of slow disks under load; what works takes a fraction */
#define HELD_MAX 2000

/* --- the world around the agent ----------------------------------------- */

static struct world w;
static uv_loop_t loop;
static struct agent *agent;
static char dir[64], pool_dir[128], run_dir[256];
static struct observed *seen; /* the leader's */
static int n_reports;
static size_t longest; /* report in bytes */
static int refuse;     /* so many calls get 503 */

struct held {
	bool used;
	struct plane_resource r;
	int sets;
};
static struct held held[HELD_MAX]; /* what the plane has */
static bool plane_breaks;
static bool plane_attaches;    /* and is not done yet */
static uint32_t disk_failures; /* of every copy, as the plane tells */
static bool disk_full;         /* that is why */
static bool volume_open;       /* every one, here */
static bool grow_breaks;
static bool label_is_old;                 /* it names no volume */
static struct storage_volume last_format; /* what the metadata was made from last */

struct later {
	uv_timer_t timer;
	void (*removed)(void *arg);
	void (*status)(const struct plane_status *s, void *arg);
	void (*answer)(int status, json *doc, void *arg);
	void *arg;
	int code;
	char name[64];
};

static struct held *find_held(const char *name)
{
	for (int i = 0; i < HELD_MAX; i++) {
		if (held[i].used && strcmp(held[i].r.name, name) == 0)
			return &held[i];
	}
	return NULL;
}

static void on_closed(uv_handle_t *h)
{
	free(h);
}

static void tell_status(struct later *l)
{
	struct plane_status s = { .up = !plane_breaks && !plane_attaches,
				  .role = "replica",
				  .mode = "member",
				  .epoch = 1 };

	s.failures = disk_failures;
	s.open = volume_open;
	s.no_space = disk_full;
	if (disk_failures)
		snprintf(s.error, sizeof(s.error), "data write: EIO");
	if (plane_attaches)
		snprintf(s.error, sizeof(s.error), "attaching the disk");
	s.waits = plane_attaches;
	if (plane_breaks)
		snprintf(s.error, sizeof(s.error), "metadata is damaged");
	l->status(find_held(l->name) ? &s : NULL, l->arg);
}

static void on_later(uv_timer_t *t)
{
	struct later *l = (struct later *)t;

	if (l->removed)
		l->removed(l->arg);
	else if (l->answer)
		l->answer(l->code, NULL, l->arg);
	else
		tell_status(l);
	uv_close((uv_handle_t *)t, on_closed);
}

static struct later *later(void *arg)
{
	struct later *l = calloc(1, sizeof(*l));

	l->arg = arg;
	uv_timer_init(&loop, &l->timer);
	uv_timer_start(&l->timer, on_later, 0, 0);
	return l;
}

static void drop_held(struct held *h)
{
	plane_resource_release(&h->r);
	memset(h, 0, sizeof(*h));
}

static void plane_set(struct plane *p, const struct plane_resource *r)
{
	struct held *h = find_held(r->name);

	for (int i = 0; !h; i++)
		h = held[i].used ? NULL : &held[i];
	if (h->used)
		cr_expect_eq(memcmp(h->r.uuid, r->uuid, 16), 0, "%s: two of one name", r->name);
	h->used = true;
	plane_resource_release(&h->r);
	plane_resource_copy(&h->r, r);
	h->sets++;
}

static uint32_t n_defined, defined_calls; /* as told last */
static uint32_t n_nvme, nvme_calls;       /* the same of the other plane */
static uint32_t nvme_sets;                /* what it was given */

static void plane_defined(struct plane *p, const uint8_t *uuids, size_t n)
{
	n_defined = (uint32_t)n;
	defined_calls++;
}

static void plane_remove(struct plane *p, const char *name, const uint8_t uuid[16],
			 void (*removed)(void *arg), void *arg)
{
	struct held *h = find_held(name);

	cr_expect(h, "%s: removed and not there", name);
	if (h) {
		cr_expect_eq(memcmp(h->r.uuid, uuid, 16), 0);
		drop_held(h);
	}
	later(arg)->removed = removed;
}

static void plane_status(struct plane *p, const char *name,
			 void (*cb)(const struct plane_status *s, void *arg), void *arg)
{
	struct later *l = later(arg);

	l->status = cb;
	snprintf(l->name, sizeof(l->name), "%s", name);
}

static void nvme_defined(struct plane *p, const uint8_t *uuids, size_t n)
{
	n_nvme = (uint32_t)n;
	nvme_calls++;
}

static void nvme_set(struct plane *p, const struct plane_resource *r)
{
	nvme_sets++;
	plane_set(p, r);
}

/* of what is not replicated; it has what it is given in the same list */
static struct plane_ops nvme_plane = {
	.name = "nvme",
	.set = nvme_set,
	.defined = nvme_defined,
	.remove = plane_remove,
	.status = plane_status,
};

static struct plane_ops plane = {
	.name = "test",
	.set = plane_set,
	.defined = plane_defined,
	.remove = plane_remove,
	.status = plane_status,
};

static int obey(const char *path, json *doc)
{
	bool taken;

	if (strcmp(path, "/v1/sds/replica-created") == 0)
		return WORLD(&w, change_replica_created, jget_str(doc, "resource", ""), "n1",
			     jget_str(doc, "uuid", ""), (int)jget_i64_or(doc, "number", -1),
			     jget_str(doc, "volume", ""));
	if (strcmp(path, "/v1/sds/filesystem") == 0 &&
	    strcmp(jget_str(doc, "state", ""), "failed") == 0)
		return WORLD(&w, change_filesystem_done, jget_str(doc, "resource", ""),
			     (int)jget_i64_or(doc, "number", -1), jget_str(doc, "volume", ""),
			     jget_str(doc, "error", ""));
	if (strcmp(path, "/v1/sds/replica-failed") == 0)
		return WORLD(&w, change_replica_failed, jget_str(doc, "resource", ""), "n1",
			     jget_str(doc, "uuid", ""), jget_str(doc, "complaint", ""), &taken);
	if (strcmp(path, "/v1/sds/pool-done") == 0)
		return WORLD(&w, change_pool_done, "n1", jget_str(doc, "pool", ""),
			     jget_str(doc, "uuid", ""));
	cr_assert_str_eq(path, "/v1/sds/leftover-done");
	return WORLD(&w, change_leftover_done, "n1", jget_str(doc, "uuid", ""),
		     (int)jget_i64_or(doc, "number", -1), jget_str(doc, "volume", ""));
}

static void on_call(const char *method, const char *path, const char *body, int deadline_ms,
		    void (*cb)(int status, json *doc, void *arg), void *cb_arg, void *arg)
{
	struct later *l = later(cb_arg);
	json *doc = world_json(body);
	int rv = 0;

	l->answer = cb;
	l->code = 200;
	cr_expect_str_eq(jget_str(doc, "node", ""), "n1");
	if (strcmp(path, "/v1/sds/report") == 0) {
		rv = observed_report(seen, doc, w.env.mono_ms, NULL);
		cr_expect(rv == 0 || rv == -E_CONFLICT);
		l->code = rv == 0 ? 200 : 409;
		n_reports++;
		longest = strlen(body) > longest ? strlen(body) : longest;
	} else if (refuse > 0) {
		refuse--;
		l->code = 503;
	} else {
		rv = obey(path, doc);
		l->code = rv == 0 ? 200 : rv == -E_NOT_FOUND ? 404 : 409;
	}
	json_object_put(doc);
}

static int n_unseals; /* keys asked for: there are none */

static int on_unseal(const char *sealed, uint8_t key[STORAGE_KEY_BYTES], struct err *err, void *arg)
{
	n_unseals++;
	cr_expect_str_eq(sealed, "sealed");
	return err_set(err, -E_LOCKED, "locked");
}

static uint64_t meta_bytes(uint64_t size)
{
	return 8192;
}

static int meta_format(int fd, const struct storage_volume *v, struct err *err)
{
	last_format = *v;
	return pwrite(fd, v->owner, 16, 0) == 16 && pwrite(fd, v->volume, 16, 16) == 16 &&
			       pwrite(fd, &v->size_bytes, 8, 32) == 8
		       ? 0
		       : err_set(err, -EIO, "cannot write");
}

static int meta_grow(int fd, const struct storage_volume *v, struct err *err)
{
	if (grow_breaks)
		return err_set(err, -ENOSPC, "pool ssd: no room to grow");
	return pwrite(fd, &v->size_bytes, 8, 32) == 8 ? 0 : err_set(err, -EIO, "cannot write");
}

static int meta_label(int fd, struct storage_label *l, struct err *err)
{
	if (pread(fd, l->owner, 16, 0) != 16 || pread(fd, l->volume, 16, 16) != 16 ||
	    pread(fd, &l->size_bytes, 8, 32) != 8)
		return err_set(err, -E_CORRUPT, "too short");
	if (label_is_old)
		memset(l->volume, 0, sizeof(l->volume));
	return 0;
}

static const struct storage_meta_ops meta_ops = { meta_bytes, meta_format, meta_label, meta_grow };

/* --- helpers ------------------------------------------------------------ */

static void agent_up(void)
{
	struct agent_config config = { .loop = &loop,
				       .store = w.store,
				       .cluster = "11111111-1111-4111-8111-111111111111",
				       .node = "n1",
				       .version = "test",
				       .dir = dir,
				       .run_dir = run_dir,
				       .boot = 5,
				       .plane_ops = &plane,
				       .nvme_ops = &nvme_plane,
				       .nvme = (struct plane *)&nvme_plane,
				       .call = on_call,
				       .unseal = on_unseal };
	struct err err = { 0 };

	cr_assert_eq(agent_new(&config, &agent, &err), 0, "%s", err.text);
}

/* as a crash of the daemon: the plane goes with it */
static void agent_down(void)
{
	agent_free(agent);
	agent = NULL;
	uv_run(&loop, UV_RUN_DEFAULT);
	for (int i = 0; i < HELD_MAX; i++)
		drop_held(&held[i]);
	observed_forget(seen, "n1");
}

static bool until(bool (*condition)(const void *arg), const void *arg)
{
	uint64_t end = clock_boot_ns() + PATIENCE_MS * 1000000ull;

	while (!condition(arg)) {
		if (clock_boot_ns() > end)
			return false;
		if (!uv_run(&loop, UV_RUN_NOWAIT))
			return condition(arg);
		usleep(500);
	}
	return true;
}

static void pump(int ms)
{
	uint64_t end = clock_boot_ns() + (uint64_t)ms * 1000000;

	while (clock_boot_ns() < end) {
		uv_run(&loop, UV_RUN_NOWAIT);
		usleep(500);
	}
}

/* borrowed until the next call */
static json *replica(const char *name)
{
	static json *last;

	json_object_put(last);
	last = observed_replica(seen, "n1", name, w.env.mono_ms);
	return last;
}

static bool is_up(const void *name)
{
	return strcmp(jget_str(replica(name), "state", ""), "up") == 0;
}

static bool is_gone(const void *name)
{
	char prefix[STORE_KEY_MAX];

	snprintf(prefix, sizeof(prefix), "leftover/n1/");
	return !find_held(name) && !replica(name) && world_count(&w, prefix) == 0;
}

static int files_in(const char *path)
{
	DIR *d = opendir(path);
	int n = 0;

	if (!d)
		return -1;
	for (struct dirent *e = readdir(d); e; e = readdir(d))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static const char *in_pool(const char *name)
{
	static char out[200];

	snprintf(out, sizeof(out), "%s/%s", pool_dir, name);
	return out;
}

static ino_t inode(const char *name)
{
	struct stat st;

	return stat(in_pool(name), &st) < 0 ? 0 : st.st_ino;
}

static void add_resource(const char *name)
{
	cr_assert_eq(WORLD(&w, change_resource_create, name, GROUP_DEFAULT, LAYERS_UNSAID, NULL), 0,
		     "%s", w.err.text);
	int number;

	cr_assert_eq(WORLD(&w, change_volume_create, name, -1, 4096, NULL, &number), 0, "%s",
		     w.err.text);
}

static void add_copy(const char *name, const char *node, bool diskless)
{
	cr_assert_eq(WORLD(&w, change_replica_create, name, node, diskless ? NULL : "ssd",
			   diskless),
		     0, "%s", w.err.text);
}

static void drop_resource(const char *name)
{
	cr_assert_eq(WORLD(&w, change_resource_delete, name), 0, "%s", w.err.text);
}

static void add_pool(const char *node, const char *name, enum pool_kind kind, const char *directory)
{
	struct pool p = { .kind = kind };

	snprintf(p.node, sizeof(p.node), "%s", node);
	snprintf(p.name, sizeof(p.name), "%s", name);
	snprintf(p.source, sizeof(p.source), "%s", directory);
	cr_assert_eq(WORLD(&w, change_pool_create, &p, NULL), 0, "%s", w.err.text);
	world_report(&w, node, name, 100 * GIB, 100 * GIB);
}

static void setup(void)
{
	log_init(LOG_LEVEL_ERROR);
	storage_set_meta_ops(&meta_ops);
	memset(held, 0, sizeof(held));
	seen = observed_new();
	n_reports = refuse = 0;
	longest = 0;
	disk_failures = 0;
	disk_full = false;
	volume_open = false;
	plane_breaks = plane_attaches = grow_breaks = label_is_old = false;
	snprintf(dir, sizeof(dir), "/tmp/sdsd-test-XXXXXX");
	cr_assert(mkdtemp(dir));
	snprintf(pool_dir, sizeof(pool_dir), "%s/pool", dir);
	snprintf(run_dir, sizeof(run_dir), "%s/run", dir);
	cr_assert_eq(mkdir(pool_dir, 0700), 0);
	cr_assert_eq(uv_loop_init(&loop), 0);
	world_start(&w);
	world_add_node(&w, "n2", 2);
	add_pool("n1", "ssd", POOL_FILE_THIN, pool_dir);
	add_pool("n2", "ssd", POOL_FILE_THIN, pool_dir);
	agent_up();
}

static void teardown(void)
{
	char cmd[100];

	agent_down();
	cr_expect_eq(uv_loop_close(&loop), 0);
	observed_free(seen);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	cr_expect_eq(system(cmd), 0);
	world_close(&w);
}

static json *volume(const char *name, const char *number)
{
	return jget(jget(replica(name), "volumes"), number);
}

static const char *nbd_of(const char *name, const char *number)
{
	return jget_str(volume(name, number), "nbd", "");
}

#endif
