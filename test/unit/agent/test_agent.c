// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_agent.c - the agent of node n1 against a real store, real files and a
 * leader that applies what it is told. The plane is a list of what it was
 * given. Each test changes definitions and looks at what the node becomes.
 */
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

#define PATIENCE_MS 8000
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
	struct plane_status s = {
		.up = !plane_breaks, .role = "replica", .mode = "member", .epoch = 1
	};

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

static const struct plane_ops plane = {
	.name = "test",
	.set = plane_set,
	.remove = plane_remove,
	.status = plane_status,
};

static int obey(const char *path, json *doc)
{
	if (strcmp(path, "/v1/sds/replica-created") == 0)
		return WORLD(&w, change_replica_created, jget_str(doc, "resource", ""), "n1",
			     jget_str(doc, "uuid", ""));
	cr_assert_str_eq(path, "/v1/sds/leftover-done");
	return WORLD(&w, change_leftover_done, "n1", jget_str(doc, "uuid", ""));
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

static uint64_t meta_bytes(uint64_t size)
{
	return 8192;
}

static int meta_format(int fd, const struct storage_volume *v, struct err *err)
{
	return pwrite(fd, v->owner, 16, 0) == 16 ? 0 : err_set(err, -EIO, "cannot write");
}

static int meta_owner(int fd, uint8_t owner[16], struct err *err)
{
	return pread(fd, owner, 16, 0) == 16 ? 0 : err_set(err, -E_CORRUPT, "too short");
}

static const struct storage_meta_ops meta_ops = { meta_bytes, meta_format, meta_owner };

/* --- helpers ------------------------------------------------------------ */

static void agent_up(void)
{
	struct agent_config config = { .loop = &loop,
				       .store = w.store,
				       .node = "n1",
				       .version = "test",
				       .dir = dir,
				       .run_dir = run_dir,
				       .boot = 5,
				       .plane_ops = &plane,
				       .call = on_call };
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

static json *replica(const char *name)
{
	return observed_replica(seen, "n1", name, w.env.mono_ms);
}

static bool is_up(const void *name)
{
	return strcmp(jget_str(replica(name), "state", ""), "up") == 0;
}

static bool is_failed(const void *name)
{
	return strcmp(jget_str(replica(name), "state", ""), "failed") == 0;
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
	cr_assert_eq(WORLD(&w, change_resource_create, name, GROUP_DEFAULT, NULL), 0, "%s",
		     w.err.text);
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

static void add_pool(const char *node)
{
	struct pool p = { .kind = POOL_FILE_THIN };

	snprintf(p.node, sizeof(p.node), "%s", node);
	snprintf(p.name, sizeof(p.name), "ssd");
	snprintf(p.dir, sizeof(p.dir), "%s", pool_dir);
	cr_assert_eq(WORLD(&w, change_pool_create, &p, NULL), 0, "%s", w.err.text);
	world_report(&w, node, "ssd", 100 * GIB, 100 * GIB);
}

static void setup(void)
{
	log_init(LOG_LEVEL_ERROR);
	storage_set_meta_ops(&meta_ops);
	memset(held, 0, sizeof(held));
	seen = observed_new();
	n_reports = refuse = 0;
	longest = 0;
	plane_breaks = false;
	snprintf(dir, sizeof(dir), "/tmp/sdsd-test-XXXXXX");
	cr_assert(mkdtemp(dir));
	snprintf(pool_dir, sizeof(pool_dir), "%s/pool", dir);
	snprintf(run_dir, sizeof(run_dir), "%s/run", dir);
	cr_assert_eq(mkdir(pool_dir, 0700), 0);
	cr_assert_eq(uv_loop_init(&loop), 0);
	world_start(&w);
	world_add_node(&w, "n2", 2);
	add_pool("n1");
	add_pool("n2");
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

TestSuite(agent, .init = setup, .fini = teardown, .timeout = 120);

/* --- tests -------------------------------------------------------------- */

Test(agent, life_of_a_replica)
{
	struct held *h;
	char replicas[128];

	snprintf(replicas, sizeof(replicas), "%s/replicas", dir);
	add_resource("Db");
	add_copy("Db", "n1", false);
	add_copy("Db", "n2", false);
	cr_assert(until(is_up, "Db"));
	h = find_held("Db");
	cr_assert(h);
	cr_assert_eq(h->r.n_volumes, 1);
	cr_expect_str_eq(h->r.volume[0].data_path, in_pool("Db_00000"));
	cr_expect_str_eq(h->r.volume[0].meta_path, in_pool("Db_00000.meta"));
	cr_expect_eq(h->r.volume[0].size_bytes, 4096 * 1024);
	cr_expect_not_null(strstr(h->r.mark_path, "/attached/"));
	cr_expect(h->r.peer[0].used && h->r.peer[1].used && !h->r.peer[2].used);
	cr_expect_str_eq(h->r.peer[h->r.self].node, "n1");
	cr_expect_str_eq(h->r.peer[1 - h->r.self].address, "10.0.0.2");
	cr_expect_eq(h->r.peer[1 - h->r.self].port, 7000);
	cr_expect_not_null(strstr(h->r.volume[0].socket_path, "/run/nbd/Db-0.sock"));
	cr_expect_str_eq(jget_str(replica("Db"), "nbd", ""), h->r.volume[0].socket_path);
	cr_expect_eq(files_in(pool_dir), 2);
	cr_expect_eq(files_in(replicas), 1);
	pump(1500); /* at rest: nothing is set again */
	cr_expect_eq(h->sets, 1);
	drop_resource("db");
	cr_assert(until(is_gone, "Db"));
	cr_expect_eq(files_in(pool_dir), 0);
	cr_expect_eq(files_in(replicas), 0);
}

Test(agent, restart_finds_what_it_made)
{
	ino_t before;

	add_resource("db");
	add_copy("db", "n1", false);
	cr_assert(until(is_up, "db"));
	before = inode("db_00000");
	agent_down();
	agent_up();
	cr_assert(until(is_up, "db"));
	cr_expect_eq(inode("db_00000"), before);
	cr_expect(find_held("db"));
}

Test(agent, lost_files_are_not_made_anew)
{
	char away[128];

	add_resource("db");
	add_copy("db", "n1", false);
	cr_assert(until(is_up, "db"));
	agent_down();
	snprintf(away, sizeof(away), "%s/away", dir);
	cr_assert_eq(rename(pool_dir, away), 0);
	cr_assert_eq(mkdir(pool_dir, 0700), 0); /* the mount is missing: an empty directory */
	agent_up();
	cr_assert(until(is_failed, "db"));
	cr_expect_not_null(strstr(jget_str(replica("db"), "error", ""), "is missing"));
	pump(1500);
	cr_expect_eq(files_in(pool_dir), 0);
	cr_expect_null(find_held("db"));
	cr_assert_eq(rmdir(pool_dir), 0);
	cr_assert_eq(rename(away, pool_dir), 0);
	cr_expect(until(is_up, "db"), "it comes back by itself");
}

/* The store lags: it does not know yet that the files were reported as made. */
Test(agent, lost_files_are_not_made_anew_by_a_stale_store)
{
	refuse = 1 << 30;
	add_resource("db");
	add_copy("db", "n1", false);
	pump(500);
	cr_assert_eq(files_in(pool_dir), 2);
	cr_expect_null(find_held("db"), "attached before it was committed");
	agent_down();
	cr_assert_eq(unlink(in_pool("db_00000")), 0);
	cr_assert_eq(unlink(in_pool("db_00000.meta")), 0);
	refuse = 0;
	agent_up();
	cr_assert(until(is_failed, "db"));
	cr_expect_eq(files_in(pool_dir), 0);
}

Test(agent, no_leader_for_a_while)
{
	refuse = 5;
	add_resource("db");
	add_copy("db", "n1", false);
	cr_assert(until(is_up, "db"));
	cr_expect_eq(refuse, 0);
	refuse = 3;
	drop_resource("db");
	cr_assert(until(is_gone, "db"));
	cr_expect_eq(files_in(pool_dir), 0);
}

Test(agent, name_used_again_while_away)
{
	uint8_t owner[16], before[16];
	int fd;

	add_resource("db");
	add_copy("db", "n1", false);
	cr_assert(until(is_up, "db"));
	memcpy(before, find_held("db")->r.replica_uuid, 16);
	agent_down();
	drop_resource("db");
	add_resource("db");
	add_copy("db", "n1", false);
	agent_up();
	cr_assert(until(is_up, "db"));
	memcpy(owner, find_held("db")->r.replica_uuid, 16);
	cr_expect_neq(memcmp(owner, before, 16), 0);
	fd = open(in_pool("db_00000.meta"), O_RDONLY);
	cr_assert_eq(pread(fd, before, 16, 0), 16);
	close(fd);
	cr_expect_eq(memcmp(owner, before, 16), 0, "the new one's files");
	cr_expect_eq(world_count(&w, "leftover/"), 0);
}

Test(agent, name_used_again_while_here)
{
	for (int i = 0; i < 5; i++) {
		add_resource("db");
		add_copy("db", "n1", false);
		if (i != 3) /* once without waiting for it to be there */
			cr_assert(until(is_up, "db"), "round %d", i);
		drop_resource("db");
	}
	cr_assert(until(is_gone, "db"));
	cr_expect_eq(files_in(pool_dir), 0);
}

Test(agent, pool_directory_missing)
{
	cr_assert_eq(rmdir(pool_dir), 0);
	add_resource("db");
	add_copy("db", "n1", false);
	cr_assert(until(is_failed, "db"));
	cr_expect_not_null(strstr(jget_str(replica("db"), "error", ""), "does not exist"));
	cr_assert_eq(mkdir(pool_dir, 0700), 0);
	cr_expect(until(is_up, "db"));
}

Test(agent, foreign_file_in_the_way)
{
	cr_assert_eq(fs_write(in_pool("db_00000"), "user", 4, 0600, NULL), 0);
	add_resource("db");
	add_copy("db", "n1", false);
	cr_assert(until(is_failed, "db"));
	cr_expect_not_null(strstr(jget_str(replica("db"), "error", ""), "move it away"));
	drop_resource("db");
	cr_assert(until(is_gone, "db"));
	cr_expect_eq(files_in(pool_dir), 1, "the user's file is left alone");
}

Test(agent, diskless_and_peers_that_change)
{
	struct held *h;

	add_resource("db");
	add_copy("db", "n2", false);
	pump(100);
	cr_expect_null(find_held("db"), "nothing of it is here");
	add_copy("db", "n1", true);
	cr_assert(until(is_up, "db"));
	h = find_held("db");
	cr_expect_null(h->r.volume[0].data_path);
	cr_expect_null(h->r.mark_path);
	cr_expect(h->r.peer[h->r.self].diskless);
	world_add_node(&w, "n3", 3);
	pump(200);
	cr_expect_eq(h->sets, 1, "a node without a copy changes nothing");
	add_copy("db", "n3", true);
	pump(200);
	cr_expect_eq(h->sets, 2, "a new peer does");
	cr_assert_eq(WORLD(&w, change_replica_delete, "db", "n1"), 0, "%s", w.err.text);
	cr_assert(until(is_gone, "db"));
}

Test(agent, plane_cannot_attach)
{
	plane_breaks = true;
	add_resource("db");
	add_copy("db", "n1", false);
	cr_assert(until(is_failed, "db"));
	cr_expect_str_eq(jget_str(replica("db"), "error", ""), "metadata is damaged");
	plane_breaks = false;
	agent_poke(agent, "DB");
	cr_expect(until(is_up, "db"));
}

Test(agent, socket_path_too_long)
{
	agent_down();
	memset(run_dir + strlen(run_dir), 'x', 80);
	agent_up();
	add_resource("db");
	add_copy("db", "n2", false);
	add_copy("db", "n1", true);
	cr_assert(until(is_failed, "db"));
	cr_expect_not_null(strstr(jget_str(replica("db"), "error", ""), "--run-dir"));
	cr_expect_null(find_held("db"));
}

Test(agent, reports_by_itself)
{
	json *pool, *report;
	int before;

	pump(300);
	pool = observed_pool(seen, "n1", "ssd", w.env.mono_ms);
	report = observed_node(seen, "n1", w.env.mono_ms);
	cr_expect_gt(jget_i64_or(pool, "total_kib", 0), 0);
	cr_expect_str_eq(jget_str(pool, "error", "none"), "");
	cr_expect_eq(jget_i64_or(report, "applied", 0), (int64_t)w.index);
	cr_expect_str_eq(jget_str(report, "version", ""), "test");
	before = n_reports;
	pump(2300);
	cr_expect_geq(n_reports, before + 2, "a sign of life every second");
	cr_expect_leq(n_reports, before + 4, "and not much more");
}

enum { MANY = 900 };

static bool all_up(const void *arg)
{
	int want = *(const int *)arg, up = 0;
	char name[32];

	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "volume-%d", i);
		up += is_up(name);
	}
	return up == want;
}

/* More than any limit of what may be under way at once. */
Test(agent, many)
{
	int want = MANY, none = 0;
	char name[32];

	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "volume-%d", i);
		add_resource(name);
		add_copy(name, "n1", false);
		if (i % 10 == 0)
			uv_run(&loop, UV_RUN_NOWAIT);
	}
	cr_assert(until(all_up, &want));
	cr_expect_eq(files_in(pool_dir), 2 * MANY);
	cr_expect_lt(longest, 1 << 20);
	longest = 0;
	pump(3000);
	cr_expect_lt(longest, 100000, "at rest a report is small: %zu", longest);
	observed_clear(seen); /* another leader */
	cr_assert(until(all_up, &want));
	agent_down();
	agent_up();
	cr_assert(until(all_up, &want), "found again");
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "volume-%d", i);
		drop_resource(name);
	}
	cr_assert(until(all_up, &none));
	for (int i = 0; i < 200 && files_in(pool_dir) > 0; i++)
		pump(100);
	cr_expect_eq(files_in(pool_dir), 0);
}

/* A leader that knows other reports than were sent must not keep a wrong picture. */
Test(agent, leaders_change)
{
	add_resource("db");
	add_copy("db", "n1", false);
	add_resource("log");
	add_copy("log", "n1", false);
	cr_assert(until(is_up, "db") && until(is_up, "log"));
	for (int i = 0; i < 5; i++) {
		observed_clear(seen);
		if (i == 2)
			drop_resource("db");
		cr_assert(until(is_up, "log"));
		if (i < 2)
			cr_assert(until(is_up, "db"));
		else
			cr_assert(until(is_gone, "db"));
	}
}

/* Whatever is under way when it ends. */
Test(agent, ends_at_any_moment)
{
	char name[32];

	for (int i = 0; i < 30; i++) {
		snprintf(name, sizeof(name), "volume-%d", i);
		add_resource(name);
		add_copy(name, "n2", false);
		add_copy(name, "n1", i % 3 == 0);
		for (int turn = 0; turn < i; turn++)
			uv_run(&loop, UV_RUN_NOWAIT);
		agent_down();
		agent_up();
	}
}
