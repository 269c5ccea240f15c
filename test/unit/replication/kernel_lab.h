/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel_lab.h - a plane_kernel whose module is kernel_fake.h; its thread, files
 * and TLS are real. The test's loop is the daemon's main loop. For one program.
 */
#ifndef SDSD_TEST_UNIT_KERNEL_LAB_H
#define SDSD_TEST_UNIT_KERNEL_LAB_H

#include "replication/plane_kernel.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "base/log.h"
#include "replication/meta_file.h"
#include "support/leaks.h"
#include "support/testpki.h"
#include "unit/replication/kernel_fake.h"

#define CLUSTER "12345678-1234-4234-8234-123456789012"
#define SIZE_BYTES (1ull << 20)
#define WAIT_MS 15000
#define MINOR 1007

static uv_loop_t loop;
static struct plane *plane;
static struct tls *tls_a, *tls_b;
static struct testpki *pki;
static char dir[32], data[64], meta[64], mark[64], dev[64];
static struct plane_resource r;
static struct plane_volume volume;
static struct plane_status status;
static struct listener *listener;
static struct question {
	u64 token;
	bool cas;
	struct plane_record next;
} question[16];
static u32 n_questions, n_changed;
static bool flag;

/* the kernel takes over any TLS: nobody reads what it then should have decrypted */
int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	if ((level == IPPROTO_TCP && name == TCP_ULP) || level == 282 /* SOL_TLS */)
		return 0;
	return (int)syscall(SYS_setsockopt, fd, level, name, value, len);
}

/* ---- the daemon ---- */

static void on_read_record(const char *resource, const uint8_t uuid[16], uint64_t token, void *arg)
{
	question[n_questions++] = (struct question){ .token = token };
}

static void on_cas_record(const char *resource, const uint8_t uuid[16],
			  const struct plane_record *next, uint64_t token, void *arg)
{
	question[n_questions++] = (struct question){ token, true, *next };
}

static void on_changed(const char *resource, void *arg)
{
	n_changed++;
}

static void on_flag(void *arg)
{
	flag = true;
}

static void on_status(const struct plane_status *s, void *arg)
{
	flag = true;
	status = s ? *s : (struct plane_status){ 0 };
}

static void on_timer(uv_timer_t *timer)
{
}

/* turns of the loop until ok says so; false: it did not */
static bool wait_for(bool (*ok)(void))
{
	uint64_t end = clock_boot_ns() + WAIT_MS * 1000000ull;
	bool fine;
	uv_timer_t timer;

	uv_timer_init(&loop, &timer);
	uv_timer_start(&timer, on_timer, 5, 5);
	while (!(fine = ok()) && clock_boot_ns() < end)
		uv_run(&loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&loop, UV_RUN_NOWAIT);
	return fine;
}

static bool is_flagged(void)
{
	return flag;
}

static void get_status(void)
{
	flag = false;
	plane_kernel.status(plane, "db", on_status, NULL);
	cr_assert(wait_for(is_flagged));
}

static bool is_up(void)
{
	get_status();
	return status.up;
}

static void start(void)
{
	struct plane_hooks hooks = {
		.read_record = on_read_record,
		.cas_record = on_cas_record,
		.changed = on_changed,
	};
	struct err err = { 0 };

	cr_assert_eq(plane_kernel.start(&loop, tls_a, CLUSTER, "a", 1, 4711, &hooks, &plane, &err),
		     0, "%s", err.text);
}

static void stop(void)
{
	flag = false;
	plane_kernel.stop(plane, on_flag, NULL);
	cr_assert(wait_for(is_flagged));
	plane = NULL;
}

static struct tls *make_tls(const char *name, u32 id)
{
	return testpki_tls(pki, dir, &(struct testpki_node){ .name = name, .id = id });
}

/* slot 0 is we, slot 1 node b */
static void fill(void)
{
	r = (struct plane_resource){ .name = "db", .in_sync = 3, .writer = -1, .n_volumes = 1 };
	r.volume = &volume;
	volume = (struct plane_volume){ .size_bytes = SIZE_BYTES, .minor = MINOR };
	memset(r.uuid, 0xdb, sizeof(r.uuid));
	memset(r.replica_uuid, 0xa0, sizeof(r.replica_uuid));
	r.peer[0] = (struct plane_peer){ .used = true, .diskless = true, .node = "a" };
	r.peer[1] =
		(struct plane_peer){ .used = true, .node = "b", .address = "127.0.0.1", .port = 1 };
}

static void make_file(const char *path, u64 bytes)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	cr_assert_geq(fd, 0);
	cr_assert_eq(ftruncate(fd, (off_t)bytes), 0);
	close(fd);
}

static void format(u8 replica)
{
	struct meta_label label = { .name = "db", .size_bytes = SIZE_BYTES };
	struct err err = { 0 };
	int fd;

	make_file(meta, meta_file_bytes(SIZE_BYTES));
	memset(label.replica, replica, sizeof(label.replica));
	fd = open(meta, O_RDWR | O_CLOEXEC);
	cr_assert_eq(meta_file_format(fd, &label, REPL_STAMP_FRESH, &err), 0, "%s", err.text);
	close(fd);
}

static void with_copy(void)
{
	make_file(data, SIZE_BYTES);
	format(0xa0);
	volume.data_path = data;
	volume.meta_path = meta;
	r.mark_path = mark;
	r.peer[0].diskless = false;
}

static void setup(void)
{
	signal(SIGPIPE, SIG_IGN);
	log_init(LOG_LEVEL_ERROR);
	snprintf(dir, sizeof(dir), "/tmp/sdsd-kernel-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	snprintf(data, sizeof(data), "%s/db", dir);
	snprintf(meta, sizeof(meta), "%s/db.meta", dir);
	snprintf(mark, sizeof(mark), "%s/mark", dir);
	snprintf(dev, sizeof(dev), "%s/dev", dir);
	pki = testpki_new(CLUSTER);
	tls_a = make_tls("a", 1);
	tls_b = make_tls("b", 2);
	uv_loop_init(&loop);
	fake_begin();
	plane_kernel_fake(fake_port, dev);
	fill();
	start();
}

static void teardown(void)
{
	char command[64];

	if (plane)
		stop();
	listener_free(listener);
	listener = NULL;
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_eq(uv_loop_close(&loop), 0);
	fake_end();
	tls_free(tls_a);
	tls_free(tls_b);
	testpki_free(pki);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	cr_assert_eq(system(command), 0);
	test_no_leaks();
}

static const struct plane_record first = { .epoch = 1, .writer = -1, .in_sync = 3 };

static bool is_asked(void)
{
	return n_questions > 0;
}

static void attach_copy(void)
{
	with_copy();
	plane_kernel.set(plane, &r);
	cr_assert(wait_for(is_asked), "the record is read before BOOT");
	cr_assert_not(question[0].cas);
	cr_expect_eq(fake_count(RVOL_CMD_BOOT, NULL), 0);
	plane_kernel.record_read(plane, question[0].token, &first);
	cr_assert(wait_for(is_up), "%s", status.error);
	n_questions = 0;
}

/* what the module shows changes */
static void show(void (*change)(struct fake_resource *f))
{
	struct fake_resource *f;

	pthread_mutex_lock(&fake.lock);
	f = fake_find(r.uuid);
	cr_assert_not_null(f);
	change(f);
	fake_event(f);
	pthread_mutex_unlock(&fake.lock);
}

__attribute__((unused)) static void open_it(struct fake_resource *f)
{
	f->view.volume[0].opens = 1;
	f->view.status.flags |= RVOL_STATUS_OPEN | RVOL_STATUS_SERVING;
	f->view.status.role = RVOL_WRITER;
}

/* of the daemon: the module goes on */
__attribute__((unused)) static void restart(void)
{
	stop();
	n_questions = 0;
	pthread_mutex_lock(&fake.lock);
	fake.n_log = 0;
	pthread_mutex_unlock(&fake.lock);
	start();
}

/* whatever is to come of it has come */
static void settle(void)
{
	for (int i = 0; i < 20; i++) {
		get_status();
		usleep(2000);
	}
}

#endif
