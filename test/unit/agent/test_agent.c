// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_agent.c - the agent's replicas. Each test changes definitions and looks at
 * what the node becomes.
 */
#include "agent/object.h"

#include "unit/agent/agent_world.h"

TestSuite(agent, .init = setup, .fini = teardown, .timeout = 120);

static bool is_failed(const void *name)
{
	return strcmp(jget_str(replica(name), "state", ""), "failed") == 0;
}

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
	cr_expect_str_eq(nbd_of("Db", "0"), h->r.volume[0].socket_path);
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
	cr_expect_eq(defined_calls, 2, "in each life once");
	cr_expect_eq(n_defined, 1, "it is defined all the same");
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

/* of volume 0 */
static struct filesystem filesystem_of_volume(const char *key)
{
	struct resource r = { 0 };
	json *doc = world_doc(&w, key);

	cr_assert_eq(resource_parse(doc, &r, &w.err), 0, "%s", w.err.text);
	json_object_put(doc);
	return r.volume[0].filesystem;
}

static bool has_no_filesystem(const void *key)
{
	return filesystem_of_volume(key).state == FILESYSTEM_FAILED;
}

/* Where there are no block devices it cannot be made, which is told until it is known; a device
 * that is not there yet is waited for. The node of the other copy does nothing. */
Test(agent, file_systems)
{
	json *body = world_json("{\"override_props\":{\"FileSystem/Type\":\"ext4\"}}");

	cr_assert_eq(WORLD(&w, change_group_modify, GROUP_DEFAULT, body, NULL), 0, "%s",
		     w.err.text);
	json_object_put(body);
	plane.name = "kernel";
	add_resource("waits");
	add_copy("waits", "n1", false);
	cr_assert(until(is_up, "waits"));
	pump(2500);
	cr_expect_eq(filesystem_of_volume("resource/waits").state, FILESYSTEM_WANTED);
	cr_expect_not(filesystem_of_volume("resource/waits").begun);
	drop_resource("waits");
	cr_assert(until(is_gone, "waits"));
	plane.name = "user";
	add_resource("other");
	add_copy("other", "n2", false);
	add_copy("other", "n1", false);
	cr_assert(until(is_up, "other"));
	add_resource("db");
	add_copy("db", "n1", false);
	cr_assert(until(is_up, "db"));
	refuse = 2;
	cr_assert(until(has_no_filesystem, "resource/db"));
	cr_expect(strstr(filesystem_of_volume("resource/db").error, "user space"));
	cr_expect_eq(filesystem_of_volume("resource/other").state, FILESYSTEM_WANTED);
	plane.name = "test";
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

static int volume_key(char out[VOLUME_SEALED_MAX], struct err *err, void *arg)
{
	snprintf(out, VOLUME_SEALED_MAX, "sealed");
	return 0;
}

static bool was_asked(const void *before)
{
	return n_unseals > *(const int *)before;
}

Test(agent, locked)
{
	json *doc = world_json("{\"key_sealed\":\"x\"}");
	int number, before;

	w.env.volume_key = volume_key;
	cr_assert_eq(WORLD(&w, change_encryption_create, doc), 0);
	json_object_put(doc);
	cr_assert_eq(WORLD(&w, change_resource_create, "db", NULL, LAYERS_LUKS, NULL), 0, "%s",
		     w.err.text);
	cr_assert_eq(WORLD(&w, change_volume_create, "db", -1, 4096, NULL, &number), 0, "%s",
		     w.err.text);
	add_copy("db", "n1", false);
	add_resource("plain");
	add_copy("plain", "n1", false);
	cr_assert(until(is_failed, "db"));
	cr_expect_not_null(strstr(jget_str(replica("db"), "error", ""), "locked"));
	cr_expect(until(is_up, "plain"), "what is not encrypted goes on");
	cr_expect_eq(files_in(pool_dir), 2, "nothing is half made");
	pump(3000); /* it waits for longer and longer */
	before = n_unseals;
	agent_unlocked(agent);
	cr_expect(until(was_asked, &before), "asked at once when that may help");
	drop_resource("db");
	cr_expect(until(is_gone, "db"));
}

static void on_adoptable(int status, const struct err *err, const char *pool, const char *name,
			 uint64_t size_bytes, void *arg)
{
	cr_expect(status < 0 && err->code == status && !pool[0] && !name[0]);
	*(int *)arg = status;
}

static bool was_told(const void *status)
{
	return *(const int *)status != 1;
}

/* Whatever LVM there is on this machine, it has no such group: a volume that adopts is never made
 * of zeros instead. */
Test(agent, adopts_or_nothing)
{
	static const struct volume_adopted lv = { .lv = "data", .size_kib = 4096 };
	int status = 1;

	agent_adoptable(agent, "/dev/sdsd-test-none/data", on_adoptable, &status);
	cr_assert(until(was_told, &status));
	cr_expect_eq(status, -ENOENT, "there is no pool of LVM");
	world_add_pool(&w, "n1", "sdsd-test-none", POOL_LVM);
	pump(200);
	status = 1;
	agent_adoptable(agent, "/dev/sdsd-test-none/data", on_adoptable, &status);
	cr_assert(until(was_told, &status));
	cr_assert_eq(WORLD(&w, change_adopt, "db", NULL, "n1", "sdsd-test-none", &lv), 0, "%s",
		     w.err.text);
	cr_assert(until(is_failed, "db"));
	cr_expect_null(find_held("db"));
	cr_expect_eq(files_in(pool_dir), 0);
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

static void add_nvme(const char *name)
{
	json *body = world_json("{\"override_props\":{\"sds/nvme-plaintext\":\"on\"}}");
	int number;

	cr_assert_eq(WORLD(&w, change_controller_modify, body), 0, "%s", w.err.text);
	json_object_put(body);
	cr_assert_eq(WORLD(&w, change_resource_create, name, GROUP_DEFAULT, LAYERS_NVME, NULL), 0,
		     "%s", w.err.text);
	cr_assert_eq(WORLD(&w, change_volume_create, name, -1, 4096, NULL, &number), 0, "%s",
		     w.err.text);
}

Test(agent, by_nvme)
{
	static const uint8_t none[16];
	struct held *h;

	add_resource("plain");
	add_copy("plain", "n1", false);
	cr_assert(until(is_up, "plain"));
	add_nvme("db");
	add_copy("db", "n1", false);
	add_copy("db", "n2", true);
	cr_assert(until(is_up, "db"));
	cr_expect_gt(nvme_sets, 0, "the plane of replicated ones has it");
	h = find_held("db");
	cr_expect(memcmp(h->r.peer[1 - h->r.self].replica, none, 16) != 0, "who may connect");
	cr_expect_str_eq(nbd_of("db", "0"), "", "it is served over NBD");
	cr_expect_eq(memcmp(find_held("plain")->r.peer[0].replica, none, 16), 0);
	drop_resource("db");
	cr_assert(until(is_gone, "db"));
	cr_expect_null(find_held("db"));
}

static bool were_told_again(const void *arg)
{
	return nvme_calls > 1 && defined_calls > 1;
}

/* What the kernel has of an earlier life goes, also when this life never gave it to a plane. */
Test(agent, deleted_before_they_were_found)
{
	char away[128];

	add_resource("plain");
	add_copy("plain", "n1", false);
	add_nvme("db");
	add_copy("db", "n1", false);
	cr_assert(until(is_up, "db") && until(is_up, "plain"));
	agent_down();
	snprintf(away, sizeof(away), "%s/away", dir);
	cr_assert_eq(rename(pool_dir, away), 0);
	nvme_sets = nvme_calls = defined_calls = 0;
	agent_up();
	cr_assert(until(is_failed, "db") && until(is_failed, "plain"));
	cr_expect(nvme_sets == 0 && nvme_calls == 1 && n_nvme == 2);
	cr_expect(!find_held("plain") && defined_calls == 1 && n_defined == 2);
	drop_resource("plain");
	cr_assert(until(were_told_again, NULL));
	cr_expect(nvme_calls == 2 && defined_calls == 2 && n_nvme == 1 && n_defined == 1,
		  "told %u times, of %u", defined_calls, n_defined);
	drop_resource("db");
	cr_assert_eq(rename(away, pool_dir), 0);
	cr_assert(until(is_gone, "db") && until(is_gone, "plain"));
	cr_expect_eq(n_defined, 0);
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

Test(agent, a_read_cache_that_is_missing_is_told)
{
	struct agent_object *o;

	add_resource("db");
	add_copy("db", "n1", false);
	cr_assert(until(is_up, "db"));
	o = agent_object_find(agent, AGENT_REPLICA, "db", jget_str(replica("db"), "uuid", ""),
			      NULL);
	cr_assert(o);
	volumes_note_cache(o->volume[0], "its disk is gone");
	observe_object(o);
	pump(300);
	cr_expect(strstr(jget_str(replica("db"), "error", ""), "without its read cache"));
	cr_expect_str_eq(jget_str(replica("db"), "state", ""), "up");
	volumes_note_cache(o->volume[0], "");
	observe_object(o);
	pump(300);
	cr_expect_str_eq(jget_str(replica("db"), "error", ""), "");
}

static bool is_attaching(const void *name)
{
	return strcmp(jget_str(replica(name), "error", ""), "attaching the disk") == 0;
}

Test(agent, plane_has_not_attached_yet)
{
	plane_attaches = true;
	add_resource("db");
	add_copy("db", "n1", false);
	cr_assert(until(is_attaching, "db"));
	cr_expect_str_eq(jget_str(replica("db"), "state", ""), "creating", "nothing has failed");
	plane_attaches = false;
	agent_poke(agent, "db");
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

static int64_t ours_kib(const char *pool)
{
	return jget_i64_or(observed_pool(seen, "n1", pool, w.env.mono_ms), "ours_kib", -1);
}

static bool is_measured(const void *pool)
{
	return ours_kib(pool) > 0;
}

Test(agent, what_copies_take_of_a_thick_pool)
{
	char thick[128];

	snprintf(thick, sizeof(thick), "%s/thick", dir);
	cr_assert_eq(mkdir(thick, 0700), 0);
	add_pool("n1", "hdd", POOL_FILE, thick);
	add_resource("Db");
	pump(300);
	cr_expect_eq(ours_kib("hdd"), 0);
	cr_assert_eq(WORLD(&w, change_replica_create, "Db", "n1", "hdd", false), 0, "%s",
		     w.err.text);
	cr_assert(until(is_up, "Db"));
	cr_assert(until(is_measured, "hdd"));
	cr_expect_geq(ours_kib("hdd"), 4096);
	cr_expect_leq(ours_kib("hdd"), 4096 + 1024, "and metadata");
	cr_expect_eq(ours_kib("ssd"), -1, "takes space as it is written");
}

enum { MANY = 900 };

/* all of them, or none; asked in each turn of the loop, so no more are looked at than it takes */
static bool all_up(const void *arg)
{
	bool want = *(const int *)arg > 0;
	char name[32];

	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "volume-%d", i);
		if (is_up(name) != want)
			return false;
	}
	return true;
}

/* Each makes and syncs files: a slow disk may take as long as it gets on. */
static bool all_in_time(int want)
{
	for (int i = 0; i < 3; i++)
		if (until(all_up, &want))
			return true;
	return false;
}

/* More than any limit of what may be under way at once. */
Test(agent, many)
{
	char name[32];

	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "volume-%d", i);
		add_resource(name);
		add_copy(name, "n1", false);
		if (i % 10 == 0)
			uv_run(&loop, UV_RUN_NOWAIT);
	}
	cr_assert(all_in_time(MANY));
	cr_expect_eq(files_in(pool_dir), 2 * MANY);
	cr_expect_lt(longest, 1 << 20);
	longest = 0;
	pump(3000);
	cr_expect_lt(longest, 100000, "at rest a report is small: %zu", longest);
	observed_clear(seen); /* another leader */
	cr_assert(all_in_time(MANY));
	agent_down();
	agent_up();
	cr_assert(all_in_time(MANY), "found again");
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "volume-%d", i);
		drop_resource(name);
	}
	cr_assert(all_in_time(0));
	for (int i = 0; i < 500 && files_in(pool_dir) > 0; i++) /* a busy disk */
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

/* What it has begun once and nobody defines any more is looked at, by a few workers at a time, and
 * forgotten when nothing of it is left. */
#define NOTES (2 * SERVICES_JOBS_MAX + 3)

static const char *note(int i)
{
	static char path[160];

	snprintf(path, sizeof(path), "%s/services/svc%02d", dir, i);
	return path;
}

static void write_notes(void)
{
	char text[256];
	struct err err;

	for (int i = 0; i < NOTES; i++) {
		snprintf(text, sizeof(text),
			 "{\"name\":\"svc%02d\",\"resource\":\"db\",\"mount\":\"%s/none%d\","
			 "\"device\":\"/dev/none\"}",
			 i, dir, i);
		cr_assert_eq(fs_write(note(i), text, strlen(text), 0600, &err), 0, "%s", err.text);
	}
}

static int most;

static bool all_forgotten(const void *arg)
{
	int left = 0;

	if (agent->n_service_jobs > most)
		most = agent->n_service_jobs;
	for (int i = 0; i < NOTES; i++)
		left += access(note(i), F_OK) == 0;
	return left == 0;
}

Test(agent, services_in_so_many_workers)
{
	most = 0;
	agent_down();
	write_notes();
	agent_up();
	cr_assert(until(all_forgotten, NULL), "%d at a time", most);
	cr_expect_eq(most, SERVICES_JOBS_MAX);
}
