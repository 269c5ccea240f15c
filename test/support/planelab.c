// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * planelab.c - see planelab.h. The lab's loop plays the main loop of all
 * nodes' daemons at once: it accepts data links and answers the planes'
 * questions about the record. The test's thread speaks to it through lab_call.
 */
#include "support/planelab.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mailbox.h"
#include "replication/meta_file.h"
#include "support/testpki.h"

#define CLUSTER "12345678-1234-4234-8234-123456789012"
#define QUESTIONS_MAX 64

struct lab_node {
	struct lab *lab;
	int index;
	bool has_disk, isolated, muted, lags;
	struct plane_record shown; /* lags: by its store */
	int data_fd;               /* a memfd, so that it can be made to refuse writes */
	char name[16], socket[160], data[160], meta[160];
	struct tls *tls;
	struct listener *listener;
	int port;
	struct plane *plane;
	uint32_t boots;
	uint32_t room; /* of plane_resource */
};

struct question {
	struct lab_node *node;
	uint64_t token;
	bool cas;
	struct plane_record next;
};

struct lab {
	int n;
	uint32_t copies;
	uint64_t size_bytes;
	char dir[64];
	struct testpki *pki;
	uv_thread_t thread;
	uv_loop_t loop;
	struct mailbox box;
	struct plane_record record;
	bool hold;
	struct question held[QUESTIONS_MAX];
	int n_held;
	struct lab_node node[LAB_NODES_MAX];
};

/* ---- calls from the test's thread onto the loop ---- */

struct lab_answer {
	uv_sem_t came;
	struct err err;
};

struct call {
	struct lab *lab;
	void (*fn)(struct call *c);
	uv_sem_t done;
	int node;
	bool flag;
	struct plane_record record;
	struct plane_status status;
	struct lab_answer *answer;
	uint64_t token;
	int deadline_ms;
};

static void on_call(void *arg)
{
	struct call *c = arg;

	c->fn(c);
}

/* fn posts c->done itself, now or later */
static void lab_call(struct lab *l, struct call *c, void (*fn)(struct call *c))
{
	c->lab = l;
	c->fn = fn;
	uv_sem_init(&c->done, 0);
	mailbox_post(&l->box, on_call, c);
	uv_sem_wait(&c->done);
	uv_sem_destroy(&c->done);
}

static void call_done(void *arg)
{
	struct call *c = arg;

	uv_sem_post(&c->done);
}

/* ---- consensus ---- */

static void answer(struct lab *l, const struct question *q)
{
	bool accepted;

	if (!q->node->plane)
		return;
	if (!q->cas) {
		plane_user.record_read(q->node->plane, q->token, &l->record);
		return;
	}
	accepted = q->next.epoch == l->record.epoch + 1;
	if (accepted)
		l->record = q->next;
	plane_user.record_cas(q->node->plane, q->token, accepted, &l->record);
}

static void ask(struct lab_node *node, uint64_t token, const struct plane_record *next)
{
	struct lab *l = node->lab;
	struct question q = { .node = node, .token = token, .cas = next != NULL };

	if (next)
		q.next = *next;
	if (!l->hold && !node->muted) {
		answer(l, &q);
		return;
	}
	assert(l->n_held < QUESTIONS_MAX);
	l->held[l->n_held++] = q;
}

static void on_read_record(const char *resource, const uint8_t uuid[16], uint64_t token, void *arg)
{
	ask(arg, token, NULL);
}

static void on_cas_record(const char *resource, const uint8_t uuid[16],
			  const struct plane_record *next, uint64_t token, void *arg)
{
	ask(arg, token, next);
}

static void on_changed(const char *resource, void *arg)
{
}

/* ---- nodes ---- */

static void on_accept(struct conn *c, void *arg)
{
	struct lab_node *node = arg;
	const char *from = conn_peer(c)->node;
	bool blocked = node->isolated || !node->plane;

	for (int i = 0; i < node->lab->n; i++)
		if (strcmp(node->lab->node[i].name, from) == 0)
			blocked |= node->lab->node[i].isolated;
	if (blocked)
		conn_abort(c);
	else
		plane_user.accept(node->plane, c);
}

/* borrows the node's strings: set copies. v is where the volume is put. */
static void fill_resource(struct lab_node *node, struct plane_resource *r, struct plane_volume *v)
{
	struct lab *l = node->lab;
	const struct plane_record *shown = node->lags ? &node->shown : &l->record;

	*r = (struct plane_resource){ .self = node->index, .n_volumes = 1, .volume = v };
	*v = (struct plane_volume){ .size_bytes = l->size_bytes };
	r->in_sync = shown->in_sync;
	r->writer = shown->writer;
	r->room = node->room;
	snprintf(r->name, sizeof(r->name), "db");
	memset(r->uuid, 0xdb, sizeof(r->uuid));
	memset(r->replica_uuid, 0xa0 + node->index, sizeof(r->replica_uuid));
	for (int i = 0; i < l->n; i++) {
		struct plane_peer *p = &r->peer[i];

		p->used = true;
		p->diskless = !l->node[i].has_disk;
		snprintf(p->node, sizeof(p->node), "%s", l->node[i].name);
		snprintf(p->address, sizeof(p->address), "127.0.0.1");
		/* an isolated node is not found */
		p->port = node->isolated || l->node[i].isolated ? 1 : l->node[i].port;
	}
	if (node->has_disk) {
		v->data_path = node->data;
		v->meta_path = node->meta;
	}
	v->socket_path = node->socket;
}

static void give_resource(struct lab_node *node)
{
	struct plane_resource r;
	struct plane_volume v;

	if (!node->plane)
		return;
	fill_resource(node, &r, &v);
	plane_user.set(node->plane, &r);
}

static void set_on_loop(struct call *c)
{
	give_resource(&c->lab->node[c->node]);
	uv_sem_post(&c->done);
}

static void start_on_loop(struct call *c)
{
	struct lab *l = c->lab;
	struct lab_node *node = &l->node[c->node];
	struct plane_hooks hooks = {
		.read_record = on_read_record,
		.cas_record = on_cas_record,
		.changed = on_changed,
		.arg = node,
	};
	struct err err = { 0 };
	int rv;

	assert(!node->plane);
	rv = plane_user.start(&l->loop, node->tls, CLUSTER, node->name, (uint32_t)node->index + 1,
			      ++node->boots, &hooks, &node->plane, &err);
	if (rv < 0) {
		fprintf(stderr, "plane: %s\n", err.text);
		abort();
	}
	give_resource(node);
	uv_sem_post(&c->done);
}

static void stop_on_loop(struct call *c)
{
	struct lab_node *node = &c->lab->node[c->node];
	struct plane *plane = node->plane;

	node->plane = NULL;
	if (plane)
		plane_user.stop(plane, call_done, c);
	else
		uv_sem_post(&c->done);
}

static void remove_on_loop(struct call *c)
{
	struct lab_node *node = &c->lab->node[c->node];
	uint8_t uuid[16];

	memset(uuid, 0xdb, sizeof(uuid));
	plane_user.remove(node->plane, "db", uuid, call_done, c);
}

static void disk_on_loop(struct call *c)
{
	struct lab *l = c->lab;

	l->node[c->node].has_disk = true;
	for (int i = 0; i < l->n; i++)
		give_resource(&l->node[i]);
	uv_sem_post(&c->done);
}

static void isolate_on_loop(struct call *c)
{
	struct lab *l = c->lab;

	l->node[c->node].isolated = c->flag;
	/* another port of a peer makes a plane drop its links to it */
	for (int i = 0; i < l->n; i++)
		give_resource(&l->node[i]);
	uv_sem_post(&c->done);
}

static void lag_on_loop(struct call *c)
{
	struct lab_node *node = &c->lab->node[c->node];

	node->lags = c->flag;
	node->shown = c->lab->record;
	give_resource(node);
	uv_sem_post(&c->done);
}

static void answer_held(struct lab *l)
{
	int kept = 0;

	for (int i = 0; i < l->n_held; i++) {
		if (l->hold || l->held[i].node->muted)
			l->held[kept++] = l->held[i];
		else
			answer(l, &l->held[i]);
	}
	l->n_held = kept;
}

static void hold_on_loop(struct call *c)
{
	c->lab->hold = c->flag;
	answer_held(c->lab);
	uv_sem_post(&c->done);
}

static void mute_on_loop(struct call *c)
{
	c->lab->node[c->node].muted = c->flag;
	answer_held(c->lab);
	uv_sem_post(&c->done);
}

static void record_on_loop(struct call *c)
{
	c->record = c->lab->record;
	uv_sem_post(&c->done);
}

static void on_status(const struct plane_status *s, void *arg)
{
	struct call *c = arg;

	if (s)
		c->status = *s;
	c->flag = s != NULL;
	uv_sem_post(&c->done);
}

static void status_on_loop(struct call *c)
{
	struct lab_node *node = &c->lab->node[c->node];

	if (node->plane)
		plane_user.status(node->plane, "db", on_status, c);
	else
		on_status(NULL, c);
}

static void on_answer(int status, const struct err *err, void *arg)
{
	struct lab_answer *a = arg;

	assert(status == err->code && a->err.code == 0);
	a->err = *err;
	uv_sem_post(&a->came);
}

static void freeze_on_loop(struct call *c)
{
	struct plane *plane = c->lab->node[c->node].plane;
	uint8_t uuid[16];

	memset(uuid, 0xdb, sizeof(uuid));
	plane_user.freeze(plane, "db", uuid, c->token, c->deadline_ms, on_answer, c->answer);
	uv_sem_post(&c->done);
}

static void thaw_on_loop(struct call *c)
{
	struct plane *plane = c->lab->node[c->node].plane;
	uint8_t uuid[16];

	memset(uuid, 0xdb, sizeof(uuid));
	plane_user.thaw(plane, "db", uuid, c->token, on_answer, c->answer);
	uv_sem_post(&c->done);
}

static void end_on_loop(struct call *c)
{
	struct lab *l = c->lab;

	for (int i = 0; i < l->n; i++)
		listener_free(l->node[i].listener);
	mailbox_close(&l->box, NULL);
	uv_sem_post(&c->done);
}

/* ---- the test's side ---- */

static void make_node(struct lab *l, int i)
{
	struct lab_node *node = &l->node[i];
	char dir[128], name[16];
	struct testpki_node id = { .name = name, .id = (uint32_t)i + 1 };
	struct meta_label label = { .name = "db", .size_bytes = l->size_bytes };
	struct err err = { 0 };
	int fd;

	node->lab = l;
	node->index = i;
	node->has_disk = l->copies & (1u << i);
	snprintf(name, sizeof(name), "n%d", i + 1);
	memcpy(node->name, name, sizeof(node->name));
	snprintf(dir, sizeof(dir), "%s/%s", l->dir, name);
	snprintf(node->socket, sizeof(node->socket), "%s/db.sock", dir);
	snprintf(node->meta, sizeof(node->meta), "%s/db.meta", dir);
	if (mkdir(dir, 0700) < 0)
		abort();
	node->tls = testpki_tls(l->pki, dir, &id);
	if (listener_tcp(&l->loop, "127.0.0.1", 0, node->tls, 64, on_accept, node, &node->listener,
			 &err) < 0) {
		fprintf(stderr, "lab: %s\n", err.text);
		abort();
	}
	node->port = listener_port(node->listener);
	node->data_fd = memfd_create("data", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (node->data_fd < 0 || ftruncate(node->data_fd, (off_t)l->size_bytes) < 0)
		abort();
	snprintf(node->data, sizeof(node->data), "/proc/self/fd/%d", node->data_fd);
	fd = open(node->meta, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)meta_file_bytes(l->size_bytes)) < 0)
		abort();
	memset(label.replica, 0xa0 + i, sizeof(label.replica));
	if (meta_file_format(fd, &label, REPL_STAMP_FRESH, &err) < 0)
		abort();
	close(fd);
}

static void run(void *arg)
{
	struct lab *l = arg;

	uv_run(&l->loop, UV_RUN_DEFAULT);
}

struct lab *lab_new(int nodes, uint32_t copies, uint64_t size_bytes)
{
	const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	struct lab *l = calloc(1, sizeof(*l));

	if (!l || nodes > LAB_NODES_MAX)
		abort();
	l->n = nodes;
	l->copies = copies;
	l->size_bytes = size_bytes;
	/* as a new resource is: all copies are alike, epoch 1 has no writer [F1] */
	l->record = (struct plane_record){ .epoch = 1, .writer = -1, .in_sync = copies };
	snprintf(l->dir, sizeof(l->dir), "%s/sdsd-lab-XXXXXX", base);
	if (!mkdtemp(l->dir) || uv_loop_init(&l->loop) < 0 || mailbox_init(&l->box, &l->loop) < 0)
		abort();
	l->pki = testpki_new(CLUSTER);
	for (int i = 0; i < nodes; i++)
		make_node(l, i);
	if (uv_thread_create(&l->thread, run, l) < 0)
		abort();
	return l;
}

void lab_free(struct lab *l)
{
	struct call c = { 0 };
	char command[96];

	for (int i = 0; i < l->n; i++)
		lab_stop(l, i);
	lab_call(l, &c, end_on_loop);
	uv_thread_join(&l->thread);
	if (uv_loop_close(&l->loop) < 0)
		abort(); /* a handle was left behind */
	for (int i = 0; i < l->n; i++) {
		tls_free(l->node[i].tls);
		close(l->node[i].data_fd);
	}
	testpki_free(l->pki);
	snprintf(command, sizeof(command), "rm -rf %s", l->dir);
	if (system(command) != 0)
		abort();
	free(l);
}

void lab_start(struct lab *l, int node)
{
	struct call c = { .node = node };

	lab_call(l, &c, start_on_loop);
}

void lab_stop(struct lab *l, int node)
{
	struct call c = { .node = node };

	lab_call(l, &c, stop_on_loop);
}

void lab_remove(struct lab *l, int node)
{
	struct call c = { .node = node };

	lab_call(l, &c, remove_on_loop);
}

void lab_set(struct lab *l, int node)
{
	struct call c = { .node = node };

	lab_call(l, &c, set_on_loop);
}

static void room_on_loop(struct call *c)
{
	c->lab->node[c->node].room++;
	set_on_loop(c);
}

void lab_more_room(struct lab *l, int node)
{
	struct call c = { .node = node };

	lab_call(l, &c, room_on_loop);
}

void lab_give_disk(struct lab *l, int node)
{
	struct call c = { .node = node };

	lab_call(l, &c, disk_on_loop);
}

void lab_isolate(struct lab *l, int node, bool isolated)
{
	struct call c = { .node = node, .flag = isolated };

	lab_call(l, &c, isolate_on_loop);
}

void lab_hold_consensus(struct lab *l, bool hold)
{
	struct call c = { .flag = hold };

	lab_call(l, &c, hold_on_loop);
}

void lab_lag(struct lab *l, int node, bool lag)
{
	struct call c = { .node = node, .flag = lag };

	lab_call(l, &c, lag_on_loop);
}

void lab_mute(struct lab *l, int node, bool mute)
{
	struct call c = { .node = node, .flag = mute };

	lab_call(l, &c, mute_on_loop);
}

void lab_break_disk(struct lab *l, int node)
{
	if (fcntl(l->node[node].data_fd, F_ADD_SEALS, F_SEAL_WRITE) < 0)
		abort();
}

/* the same bytes behind the same path: a path of /proc is followed when it is opened */
void lab_mend_disk(struct lab *l, int node)
{
	int old = l->node[node].data_fd, fd = memfd_create("mended", MFD_ALLOW_SEALING);
	off_t left = lseek(old, 0, SEEK_END);
	loff_t from = 0;

	if (fd < 0 || left < 0 || ftruncate(fd, left) < 0)
		abort();
	while (left > 0) {
		ssize_t n = sendfile(fd, old, &from, (size_t)left);

		if (n <= 0)
			abort();
		left -= n;
	}
	if (dup2(fd, old) < 0)
		abort();
	close(fd);
}

struct plane_record lab_record(struct lab *l)
{
	struct call c = { 0 };

	lab_call(l, &c, record_on_loop);
	return c.record;
}

struct plane_status lab_status(struct lab *l, int node)
{
	struct call c = { .node = node };

	lab_call(l, &c, status_on_loop);
	return c.status;
}

static struct lab_answer *ask_freeze(struct lab *l, struct call *c, void (*fn)(struct call *c))
{
	c->answer = calloc(1, sizeof(*c->answer));
	if (!c->answer)
		abort();
	uv_sem_init(&c->answer->came, 0);
	lab_call(l, c, fn);
	return c->answer;
}

struct lab_answer *lab_freeze_begin(struct lab *l, int node, uint64_t token, int deadline_ms)
{
	struct call c = { .node = node, .token = token, .deadline_ms = deadline_ms };

	return ask_freeze(l, &c, freeze_on_loop);
}

int lab_answer_wait(struct lab_answer *a, struct err *err)
{
	uv_sem_wait(&a->came);
	*err = a->err;
	uv_sem_destroy(&a->came);
	free(a);
	return err->code;
}

int lab_freeze(struct lab *l, int node, uint64_t token, int deadline_ms, struct err *err)
{
	return lab_answer_wait(lab_freeze_begin(l, node, token, deadline_ms), err);
}

int lab_thaw(struct lab *l, int node, uint64_t token, struct err *err)
{
	struct call c = { .node = node, .token = token };

	return lab_answer_wait(ask_freeze(l, &c, thaw_on_loop), err);
}

const char *lab_socket(const struct lab *l, int node)
{
	return l->node[node].socket;
}

const char *lab_data_path(const struct lab *l, int node)
{
	return l->node[node].data;
}

const char *lab_meta_path(const struct lab *l, int node)
{
	return l->node[node].meta;
}

bool lab_wait_in_sync(struct lab *l, uint32_t set)
{
	uint64_t end = clock_boot_ns() + LAB_WAIT_MS * 1000000ull;

	while (clock_boot_ns() < end) {
		if (lab_record(l).in_sync == set)
			return true;
		usleep(20000);
	}
	return false;
}
