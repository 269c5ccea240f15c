/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rvolnodes.c - what the nodes of one kernel need from outside: devices, a record, links. */
#include "vm/rvolnodes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "replication/meta_file.h"

#define DEVICE_WAIT_MS 10000
#define NO_SLOT 0xff

void nodes_die(const char *fmt, ...)
{
	va_list ap;

	fputs("rvolctl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static void say(const struct nodes *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(const struct nodes *w, const char *fmt, ...)
{
	va_list ap;

	if (!w->verbose)
		return;
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

/* what a refused command says */
static const char *why(const struct nodes *w, int rv)
{
	return w->nl.why[0] ? w->nl.why : strerror(-rv);
}

void nodes_uuid(const char *name, uint8_t slot, uint8_t ret[RVOL_UUID_BYTES])
{
	memset(ret, 0, RVOL_UUID_BYTES);
	memcpy(ret, name, strnlen(name, NODES_NAME_MAX));
	ret[RVOL_UUID_BYTES - 1] = (uint8_t)(slot + 1);
}

/* ---- devices ---- */

static int open_device(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		nodes_die("%s: %s", path, strerror(errno));
	return fd;
}

static uint64_t bytes_of(const char *path)
{
	int fd = open_device(path);
	uint64_t bytes;

	if (ioctl(fd, BLKGETSIZE64, &bytes) < 0)
		nodes_die("%s is no block device", path);
	close(fd);
	return bytes;
}

static void find_size(struct nodes *w)
{
	uint64_t least = w->size;

	for (uint32_t i = 0; i < 2 * w->n; i++) {
		const struct node *node = &w->node[i / 2];
		const char *data = i % 2 ? node->second_data : node->data;
		uint64_t bytes = data ? bytes_of(data) : UINT64_MAX;

		if (w->size && bytes < w->size)
			nodes_die("%s has %llu bytes", data, (unsigned long long)bytes);
		if (!least || bytes < least)
			least = bytes;
	}
	w->size = least & ~4095ull;
}

/* Fresh metadata says that a device holds zeros. */
static void make_zero(const char *path, uint64_t bytes)
{
	uint64_t range[2] = { 0, bytes };
	int fd = open_device(path);

	if (ioctl(fd, BLKZEROOUT, range) < 0 || fsync(fd) < 0)
		nodes_die("%s cannot be made zero: %s", path, strerror(errno));
	close(fd);
}

static void format(struct nodes *w, const struct node *node, uint32_t number, const char *data,
		   int fd)
{
	struct meta_label l = { .number = number, .slot = node->slot, .size_bytes = w->size };
	struct err err;

	memcpy(l.cluster, "rvolctl", 7);
	nodes_uuid(w->name, NO_SLOT, l.resource);
	memcpy(l.replica, node->uuid, sizeof(l.replica));
	nodes_uuid(w->name, NO_SLOT - (uint8_t)number, l.volume);
	snprintf(l.name, sizeof(l.name), "%s", w->name);
	snprintf(l.node, sizeof(l.node), "node%u", node->slot + 1u);
	if (!w->dirty)
		make_zero(data, w->size);
	if (meta_file_format(fd, &l, REPL_STAMP_FRESH, &err) < 0)
		nodes_die("%s: %s", data, err.text);
}

static void read_page(const char *path, int fd, u64 off, uint8_t page[REPL_META_PAGE])
{
	if (pread(fd, page, REPL_META_PAGE, (off_t)off) != REPL_META_PAGE)
		nodes_die("%s cannot be read: %s", path, strerror(errno));
}

/* puts what the module is to know of this copy */
static void put_copy(struct nodes *w, const struct node *node)
{
	static struct meta_file m;
	uint8_t page[REPL_META_PAGE];
	int fd = open_device(node->meta);
	struct err err;

	if (!w->keep)
		format(w, node, 0, node->data, fd);
	if (meta_file_attach(fd, NULL, &m, &err) < 0)
		nodes_die("%s: %s", node->meta, err.text);
	read_page(node->meta, fd, REPL_META_STATE_OFF(m.disk.state_copy), page);
	rvolnl_put(&w->nl, RVOL_A_STATE_PAGE, page, sizeof(page));
	rvolnl_u8(&w->nl, RVOL_A_STATE_COPY, (uint8_t)m.disk.state_copy);
	read_page(node->meta, fd, REPL_META_HOT_OFF(m.disk.hot_copy), page);
	rvolnl_put(&w->nl, RVOL_A_HOT_PAGE, page, sizeof(page));
	rvolnl_u8(&w->nl, RVOL_A_HOT_COPY, (uint8_t)m.disk.hot_copy);
	close(fd);
}

/* ---- making nodes ---- */

static uint64_t random_number(void)
{
	uint64_t n = 0;

	if (getrandom(&n, sizeof(n), 0) != sizeof(n))
		nodes_die("no random numbers: %s", strerror(errno));
	return n;
}

/* what has been made of all nodes until this one */
static void unmake(struct nodes *w, const struct node *last)
{
	for (const struct node *node = w->node; node <= last; node++) {
		rvolnl_begin(&w->nl, RVOL_CMD_RESOURCE_DEL, node->uuid);
		rvolnl_flag(&w->nl, RVOL_A_FORCE);
		rvolnl_call(&w->nl);
	}
}

static void must(struct nodes *w, const struct node *node, const char *what)
{
	int rv = rvolnl_call(&w->nl);
	char reason[RVOLNL_WHY_MAX];

	if (rv >= 0)
		return;
	snprintf(reason, sizeof(reason), "%s", why(w, rv));
	if (rv != -EEXIST)
		unmake(w, node);
	nodes_die("node %u: %s: %s", node->slot + 1u, what, reason);
}

static uint32_t copies_of(const struct nodes *w)
{
	uint32_t mask = 0;

	for (uint32_t i = 0; i < w->n; i++)
		if (w->node[i].data)
			mask |= 1u << w->node[i].slot;
	return mask;
}

static void add_volume(struct nodes *w, const struct node *node, uint8_t number, const char *data,
		       const char *meta)
{
	struct rvolnl *nl = &w->nl;

	rvolnl_begin(nl, RVOL_CMD_VOLUME_ADD, node->uuid);
	rvolnl_u8(nl, RVOL_A_NUMBER, number);
	rvolnl_u32(nl, RVOL_A_MINOR, node->minor + number);
	rvolnl_u64(nl, RVOL_A_SIZE, w->size);
	if (data) {
		rvolnl_text(nl, RVOL_A_DATA_PATH, data);
		rvolnl_text(nl, RVOL_A_META_PATH, meta);
		rvolnl_u64(nl, RVOL_A_COPY_SIZE, w->size);
	}
	must(w, node, "its volume is not added");
}

static void add_second(struct nodes *w, const struct node *node)
{
	int fd = open_device(node->second_meta);

	if (!w->keep)
		format(w, node, 1, node->second_data, fd);
	close(fd);
	add_volume(w, node, 1, node->second_data, node->second_meta);
}

static void make_node(struct nodes *w, struct node *node)
{
	struct rvolnl *nl = &w->nl;

	rvolnl_begin(nl, RVOL_CMD_RESOURCE_ADD, node->uuid);
	rvolnl_text(nl, RVOL_A_NAME, w->name);
	rvolnl_u8(nl, RVOL_A_SELF, node->slot);
	rvolnl_u32(nl, RVOL_A_COPIES, copies_of(w));
	rvolnl_u32(nl, RVOL_A_NODE, node->slot + 1u);
	rvolnl_u64(nl, RVOL_A_BOOT, random_number());
	rvolnl_u32(nl, RVOL_A_TAG_COUNTER, 0);
	rvolnl_u64(nl, RVOL_A_SEED, random_number());
	rvolnl_u8(nl, RVOL_A_READ_POLICY, w->read_policy);
	if (node->data)
		put_copy(w, node);
	must(w, node, "the resource is not made");

	add_volume(w, node, 0, node->data, node->meta);
	if (node->second_data)
		add_second(w, node);

	rvolnl_begin(nl, RVOL_CMD_BOOT, node->uuid);
	rvolnl_put(nl, RVOL_A_RECORD, &w->record, sizeof(w->record));
	must(w, node, "it does not boot");
	say(w, "node %u: /dev/rvol%u", node->slot + 1u, node->minor);
}

static void wait_for_device(const struct node *node)
{
	char path[32];

	snprintf(path, sizeof(path), "/dev/rvol%u", node->minor);
	for (int ms = 0; ms < DEVICE_WAIT_MS; ms += 10) {
		struct stat st;

		if (stat(path, &st) == 0 && S_ISBLK(st.st_mode))
			return;
		usleep(10000);
	}
	nodes_die("%s does not appear", path);
}

/* ---- the record ---- */

static void load_record(struct nodes *w)
{
	FILE *f = w->keep || w->adopt ? fopen(w->record_file ? w->record_file : "", "r") : NULL;
	struct rvol_record *r = &w->record;
	unsigned long long boot = 0;

	if (!f && (w->keep || w->adopt))
		nodes_die("what is there already needs its record: --record %s",
			  w->record_file ? w->record_file : "FILE");
	*r = (struct rvol_record){ .epoch = 1, .writer = NO_SLOT };
	r->in_sync = w->in_sync ? w->in_sync : copies_of(w);
	if (!f)
		return;
	if (fscanf(f, "%u %x %u %u %llu %u", &r->epoch, &r->in_sync, &r->writer, &r->tag_node,
		   &boot, &r->tag_counter) != 6)
		nodes_die("%s holds no record", w->record_file);
	r->tag_boot = boot;
	fclose(f);
}

/* durable before anybody hears of it */
static void save_record(const struct nodes *w)
{
	const struct rvol_record *r = &w->record;
	char next[4096];
	FILE *f;

	if (!w->record_file)
		return;
	snprintf(next, sizeof(next), "%s.new", w->record_file);
	f = fopen(next, "w");
	if (!f ||
	    fprintf(f, "%u %x %u %u %llu %u\n", r->epoch, r->in_sync, r->writer, r->tag_node,
		    (unsigned long long)r->tag_boot, r->tag_counter) < 0 ||
	    fflush(f) != 0 || fsync(fileno(f)) != 0 || fclose(f) != 0 ||
	    rename(next, w->record_file) != 0)
		nodes_die("%s cannot be written: %s", w->record_file, strerror(errno));
}

/* as the cluster judges it: the epoch says what the proposal was made from */
static bool acceptable(const struct nodes *w, const struct rvol_record *next)
{
	return next->epoch == w->record.epoch + 1 && next->in_sync &&
	       !(next->in_sync & ~copies_of(w)) && (next->writer == NO_SLOT || next->writer < w->n);
}

static void answer_cas(struct nodes *w, const struct node *node)
{
	const struct rvol_record *next = &node->now.status.cas;
	bool accepted = acceptable(w, next);

	if (accepted) {
		w->record = *next;
		save_record(w);
	}
	say(w, "node %u: record %u writer %d in sync 0x%x %s", node->slot + 1u, next->epoch,
	    next->writer == NO_SLOT ? -1 : (int)next->writer, next->in_sync,
	    accepted ? "accepted" : "refused");
	rvolnl_begin(&w->nl, RVOL_CMD_CAS_DONE, node->uuid);
	rvolnl_u64(&w->nl, RVOL_A_TOKEN, node->now.status.cas_token);
	rvolnl_put(&w->nl, RVOL_A_RECORD, &w->record, sizeof(w->record));
	rvolnl_u8(&w->nl, RVOL_A_ACCEPTED, accepted);
}

static void answer_read(struct nodes *w, const struct node *node)
{
	rvolnl_begin(&w->nl, RVOL_CMD_RECORD, node->uuid);
	rvolnl_u64(&w->nl, RVOL_A_TOKEN, node->now.status.read_token);
	rvolnl_put(&w->nl, RVOL_A_RECORD, &w->record, sizeof(w->record));
}

/* One who asks does not ask any more, or has gone: -ENOENT, -ESHUTDOWN. */
static void answer(struct nodes *w, const struct node *node)
{
	int rv = rvolnl_call(&w->nl);

	if (rv < 0)
		say(w, "node %u: an answer is not taken: %s", node->slot + 1u, why(w, rv));
}

/* ---- links ---- */

static int listen_here(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 8) < 0)
		nodes_die("no listening on loopback (is it up?): %s", strerror(errno));
	return fd;
}

static int connect_pair(int listener, int ret[2])
{
	struct sockaddr_in at;
	socklen_t len = sizeof(at);

	ret[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (ret[0] < 0)
		return -errno;
	if (getsockname(listener, (struct sockaddr *)&at, &len) < 0 ||
	    connect(ret[0], (struct sockaddr *)&at, len) < 0 ||
	    (ret[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) < 0) {
		int rv = -errno;

		close(ret[0]);
		return rv;
	}
	return 0;
}

static struct node *node_at(struct nodes *w, uint8_t slot)
{
	return slot < w->n && !w->node[slot].gone ? &w->node[slot] : NULL;
}

/* renewal: 0, or its number: fd is the next socket of the link */
static int add_link(struct nodes *w, const struct node *node, uint32_t number, uint8_t slot, int fd,
		    uint32_t renewal)
{
	int rv;

	rvolnl_begin(&w->nl, RVOL_CMD_LINK_ADD, node->uuid);
	rvolnl_u32(&w->nl, RVOL_A_LINK, number);
	rvolnl_u8(&w->nl, RVOL_A_SLOT, slot);
	rvolnl_put(&w->nl, RVOL_A_FD, &fd, sizeof(fd));
	rvolnl_flag(&w->nl, RVOL_A_PLAIN);
	if (renewal)
		rvolnl_u32(&w->nl, RVOL_A_RENEW, renewal);
	rv = rvolnl_call(&w->nl);
	if (rv < 0)
		say(w, "node %u: link %u to slot %u is not taken: %s", node->slot + 1u, number,
		    slot, why(w, rv));
	return rv;
}

/* one that has ended by itself is fine, too */
static void del_link(struct nodes *w, const struct node *node, uint32_t number)
{
	rvolnl_begin(&w->nl, RVOL_CMD_LINK_DEL, node->uuid);
	rvolnl_u32(&w->nl, RVOL_A_LINK, number);
	rvolnl_call(&w->nl);
}

/* from a node, under that number of its own; *there: the number at the other end, before and now */
static void connect_nodes(struct nodes *w, struct node *from, uint32_t number, uint8_t slot,
			  uint32_t *there)
{
	struct node *to = node_at(w, slot);
	int fd[2] = { -1, -1 }, rv;

	if (!to || !to->data)
		return;
	if (*there) /* it may not have noticed that that one is dead */
		del_link(w, to, *there);
	*there = 0;
	rv = connect_pair(w->listener, fd);
	if (rv < 0) {
		say(w, "no connection: %s", strerror(-rv));
		return;
	}
	if (add_link(w, to, to->next_link, from->slot, fd[1], 0) == 0) {
		*there = to->next_link++;
		add_link(w, from, number, slot, fd[0], 0);
		say(w, "node %u: link %u to node %u (there %u)", from->slot + 1u, number, slot + 1u,
		    *there);
	}
	close(fd[0]);
	close(fd[1]);
}

static void settle_links(struct nodes *w, struct node *node)
{
	const struct rvol_status *s = &node->now.status;

	for (uint8_t slot = 0; slot < w->n; slot++) {
		uint32_t bit = 1u << slot;

		if ((s->links_wanted & bit) && !(s->links_up & bit))
			connect_nodes(w, node, RVOL_LINK_SLOT(slot), slot, &node->session_to[slot]);
		else if (!(s->links_wanted & bit) && (s->links_up & bit))
			del_link(w, node, RVOL_LINK_SLOT(slot));
	}
	if (s->pull_slot != NO_SLOT && !s->pull_up) {
		if (node->pull_slot != s->pull_slot)
			node->pull_to = 0; /* at another node */
		node->pull_slot = s->pull_slot;
		connect_nodes(w, node, RVOL_LINK_PULL, s->pull_slot, &node->pull_to);
	} else if (s->pull_slot == NO_SLOT && s->pull_up) {
		del_link(w, node, RVOL_LINK_PULL);
	}
}

/* ---- renewing them ---- */

static void renew_link(struct nodes *w, struct node *from, const struct rvol_link_info *l)
{
	bool pull = l->number == RVOL_LINK_PULL;
	uint32_t there = pull ? from->pull_to : from->session_to[l->slot];
	struct node *to = node_at(w, l->slot);
	int fd[2], rv;

	if (!to || !there || l->renewing)
		return;
	rv = connect_pair(w->listener, fd);
	if (rv < 0) {
		say(w, "no connection: %s", strerror(-rv));
		return;
	}
	w->renewals++;
	/* by turns the one or the other has it first */
	if (w->renewals % 2 && add_link(w, to, there, from->slot, fd[1], w->renewals) == 0)
		add_link(w, from, l->number, l->slot, fd[0], w->renewals);
	else if (!(w->renewals % 2) &&
		 add_link(w, from, l->number, l->slot, fd[0], w->renewals) == 0)
		add_link(w, to, there, from->slot, fd[1], w->renewals);
	close(fd[0]);
	close(fd[1]);
}

static void renew_links(struct nodes *w)
{
	struct timespec t;
	long long now;

	clock_gettime(CLOCK_MONOTONIC, &t);
	now = t.tv_sec * 1000ll + t.tv_nsec / 1000000;
	if (!w->renew_ms || now < w->renewed_at + w->renew_ms)
		return;
	w->renewed_at = now;
	for (uint32_t i = 0; i < w->n; i++) {
		struct node *node = &w->node[i];

		for (uint32_t k = 0; !node->gone && k < node->now.n_links; k++)
			if (node->now.link[k].number < RVOL_LINK_FIRST)
				renew_link(w, node, &node->now.link[k]);
	}
}

/* ---- running ---- */

static void settle(struct nodes *w, struct node *node)
{
	const struct rvol_status *s = &node->now.status;
	int rv = rvolnl_status(&w->nl, node->uuid, &node->now);

	if (rv == -ENOENT) {
		node->gone = true;
		say(w, "node %u is gone", node->slot + 1u);
	}
	if (rv < 0 || !(s->flags & RVOL_STATUS_BOOTED) || (s->flags & RVOL_STATUS_ENDING))
		return;
	if (s->read_token) {
		answer_read(w, node);
		answer(w, node);
	}
	if (s->cas_token) {
		answer_cas(w, node);
		answer(w, node);
	}
	settle_links(w, node);
}

void nodes_start(struct nodes *w)
{
	int rv = rvolnl_open(&w->nl);

	if (rv < 0)
		nodes_die("the module rvol is not loaded: %s", strerror(-rv));
	w->events = rvolnl_events(&w->nl);
	if (w->events < 0)
		nodes_die("no events: %s", strerror(-w->events));
	w->listener = listen_here();
	find_size(w);
	load_record(w);
	if (!w->adopt)
		save_record(w);
	for (uint32_t i = 0; i < w->n; i++) {
		struct node *node = &w->node[i];

		nodes_uuid(w->name, node->slot, node->uuid);
		node->minor = w->minor + i;
		node->pull_slot = NO_SLOT;
		/* no number twice, whoever gave them out before */
		node->next_link = RVOL_LINK_FIRST + (w->adopt ? (uint32_t)getpid() << 8 : 0);
		if (!w->adopt)
			make_node(w, node);
		wait_for_device(node);
	}
}

void nodes_run(struct nodes *w, int poll_ms)
{
	for (;;) {
		struct pollfd p = { .fd = w->events, .events = POLLIN };
		bool left = false;

		for (uint32_t i = 0; i < w->n; i++) {
			if (!w->node[i].gone)
				settle(w, &w->node[i]);
			left |= !w->node[i].gone;
		}
		if (!left)
			return;
		renew_links(w);
		poll(&p, 1, poll_ms);
		rvolnl_drain(w->events);
	}
}
