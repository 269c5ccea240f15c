// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * core_bench.c - how fast the replication core alone is: one writer and its
 * copies in one thread, joined by one queue of events. Disks, links and
 * consensus answer at once and cost nothing, so what is measured is the core:
 * writer, replicas, the loop inside the mirror, and with "wire" the bytes of
 * each message too.
 *
 * Prints one line for each case. Time is CPU time of the thread: others on the
 * machine disturb it less than the clock on the wall.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "replication/core/mirror.h"
#include "replication/core/wire.h"

#define COPIES_MAX 3
#define EVENTS_MAX 8192u /* a power of two */
#define SIZE_BYTES (256ull << 20)
#define BLOCK 4096u
#define STEP_NS 1000 /* what each event takes by the clock of the core */
#define BUF 1        /* all payloads are this one */
#define WARM_UP 20000u

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);
void *malloc(size_t size);
void *calloc(size_t n, size_t size);
void *realloc(void *old, size_t size);

enum event_kind { EV_MESSAGE, EV_DISK, EV_MAP, EV_RECORD, EV_CAS, EV_PULL };
#define PULL_FROM(learner) (REPL_LINK_FIRST + REPL_SLOTS_MAX + (learner))

struct event {
	u8 kind, node;
	u32 link;
	u64 id;
	struct repl_msg msg;
	u8 bytes[WIRE_HEADER];
};

struct node {
	struct repl_sink sink; /* first */
	struct repl_mirror *mirror;
	u8 self;
	bool up[COPIES_MAX]; /* links to the others, made when they are wanted */
	u8 source;           /* of the pull link, REPL_NO_SLOT: none */
};

static struct node node[COPIES_MAX];
static struct event events[EVENTS_MAX];
static u32 head, tail;
static struct repl_record record;
static u32 copies;
static bool wire;
static u64 now, next_tick, completed, failed, messages, allocations, allocated;

void *malloc(size_t size)
{
	allocations++;
	return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	allocations++;
	return __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
	allocations++;
	return __libc_realloc(old, size);
}

static struct event *push(u8 kind, u8 to)
{
	struct event *e = &events[tail++ % EVENTS_MAX];

	if (tail - head > EVENTS_MAX)
		abort();
	e->kind = kind;
	e->node = to;
	return e;
}

/* the other end of a link of n */
static u8 far_end(const struct node *n, u32 link, u32 *ret_link)
{
	if (link == REPL_LINK_PULL) {
		*ret_link = PULL_FROM(n->self);
		return n->source;
	}
	if (link < REPL_LINK_PULL) {
		*ret_link = REPL_LINK_FIRST + n->self;
		return (u8)(link - REPL_LINK_SLOT(0));
	}
	if (link >= PULL_FROM(0u)) {
		*ret_link = REPL_LINK_PULL;
		return (u8)(link - PULL_FROM(0u));
	}
	*ret_link = REPL_LINK_SLOT(n->self);
	return (u8)(link - REPL_LINK_FIRST);
}

static void send_msg(struct node *from, const struct repl_effect *e)
{
	struct event *v;
	u32 link;
	u8 to;

	if (e->link == REPL_LINK_LOCAL)
		return;
	to = far_end(from, e->link, &link);
	if (to >= copies)
		abort();
	v = push(EV_MESSAGE, to);
	v->link = link;
	messages++;
	if (wire)
		wire_put(v->bytes, e->msg);
	else
		v->msg = *e->msg;
}

static void emit(struct repl_sink *sink, const struct repl_effect *e)
{
	struct node *n = (struct node *)sink;
	struct event *v;

	switch (e->kind) {
	case REPL_SEND:
		send_msg(n, e);
		break;
	case REPL_DISK_WRITE:
	case REPL_DISK_FLUSH:
	case REPL_META_WRITE:
	case REPL_META_FLUSH:
		push(EV_DISK, n->self)->id = e->id;
		break;
	case REPL_META_READ:
		v = push(EV_MAP, n->self);
		v->id = e->id;
		v->link = (u32)((e->off - REPL_META_MAP_OFF(0)) / REPL_META_PAGE);
		break;
	case REPL_READ_RECORD:
		push(EV_RECORD, n->self)->id = e->id;
		break;
	case REPL_CAS:
		record = e->record;
		v = push(EV_CAS, n->self);
		v->id = e->id;
		break;
	case REPL_PULL_LINK:
		push(EV_PULL, n->self)->id = e->slot;
		break;
	case REPL_COMPLETE:
		completed++;
		failed += e->status != 0;
		break;
	case REPL_LINK_CLOSE:
	case REPL_DISK_READ:
		fprintf(stderr, "core_bench: a session ended, or something was read\n");
		exit(1);
	case REPL_BUF_DROP:
	case REPL_CHANGED:
		break;
	}
}

static void deliver(struct node *n, struct event *v)
{
	struct repl_msg m = v->msg;

	if (wire && wire_get(v->bytes, &m) < 0)
		abort();
	m.buf = m.payload_len ? BUF : 0;
	repl_mirror_receive(n->mirror, v->link, &m, &n->sink, now);
}

/* nothing leaves the hot log here, so each page is as it was made */
static void read_map(struct node *n, const struct event *v)
{
	static u32 stamp[REPL_STAMPS_PER_PAGE];
	static u8 page[REPL_META_PAGE];

	for (u32 x = 0; x < REPL_STAMPS_PER_PAGE; x++)
		stamp[x] = REPL_STAMP_FRESH;
	meta_put_map(page, v->link, 0, stamp);
	repl_mirror_meta_read_done(n->mirror, v->id, 0, page, &n->sink, now);
}

static void move_pull_link(struct node *n, u8 to)
{
	struct node *old = n->source < copies ? &node[n->source] : NULL;

	if (old)
		repl_mirror_link_down(old->mirror, PULL_FROM(n->self), &old->sink, now);
	n->source = to;
	if (to == REPL_NO_SLOT)
		return;
	repl_mirror_link_up(node[to].mirror, PULL_FROM(n->self), &node[to].sink, now);
	repl_mirror_pull_up(n->mirror, &n->sink, now);
}

static void step(void)
{
	struct event *v = &events[head++ % EVENTS_MAX];
	struct node *n = &node[v->node];

	now += STEP_NS;
	switch (v->kind) {
	case EV_MESSAGE:
		deliver(n, v);
		break;
	case EV_DISK:
		repl_mirror_disk_done(n->mirror, v->id, 0, &n->sink, now);
		break;
	case EV_MAP:
		read_map(n, v);
		break;
	case EV_PULL:
		move_pull_link(n, (u8)v->id);
		break;
	case EV_RECORD:
		repl_mirror_record(n->mirror, v->id, &record, &n->sink, now);
		break;
	case EV_CAS:
		repl_mirror_cas_done(n->mirror, v->id, true, &record, &n->sink, now);
		break;
	}
}

static void tick(void)
{
	if (now < next_tick)
		return;
	next_tick = now + REPL_TICK_NS;
	for (u8 i = 0; i < copies; i++)
		repl_mirror_tick(node[i].mirror, &node[i].sink, now);
}

static void start_node(u8 self)
{
	struct node *n = &node[self];
	struct repl_disk disk = { .size = { SIZE_BYTES }, .state = { .generation = 1 } };
	struct repl_mirror_config c = { .self = self,
					.copies = (1u << copies) - 1,
					.tag = { .node = self + 1u, .boot = 1 },
					.seed = 1,
					.disk = &disk };

	*n = (struct node){ .self = self, .source = REPL_NO_SLOT, .sink = { emit } };
	n->mirror = calloc(1, sizeof(*n->mirror));
	if (!n->mirror)
		abort();
	repl_mirror_init(n->mirror, &c, now);
	repl_mirror_boot(n->mirror, &record, &n->sink, now);
}

static void join_links(void)
{
	for (u8 s = 1; s < copies; s++) {
		if (node[0].up[s] || !repl_mirror_wants_link(node[0].mirror, s))
			continue;
		node[0].up[s] = true;
		repl_mirror_link_up(node[0].mirror, REPL_LINK_SLOT(s), &node[0].sink, now);
		repl_mirror_link_up(node[s].mirror, REPL_LINK_FIRST, &node[s].sink, now);
	}
}

static bool all_members(void)
{
	struct repl_mirror_status s;

	repl_mirror_status(node[0].mirror, &s);
	return s.serving && s.in_sync == (1u << copies) - 1;
}

/* open, one copy promises itself, the others come in as learners that have nothing to fetch but
 * answers "same" */
static void begin(u32 n_copies)
{
	copies = n_copies;
	head = tail = 0;
	now = 10000 * REPL_MS;
	next_tick = 0;
	record = (struct repl_record){ .epoch = 1,
				       .writer = REPL_NO_SLOT,
				       .in_sync = (1u << copies) - 1 };
	for (u8 i = 0; i < copies; i++)
		start_node(i);
	now += 2 * REPL_GRACE_NS;
	repl_mirror_open(node[0].mirror, &node[0].sink, now);
	for (u32 turns = 0; !all_members(); turns++) {
		join_links();
		if (head != tail)
			step();
		else
			now += REPL_TICK_NS;
		tick();
		if (turns > 1000000) {
			fprintf(stderr, "core_bench: the copies do not come in sync\n");
			exit(1);
		}
	}
}

static u64 random_block(void)
{
	static u64 x = 88172645463325252ull;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x % (SIZE_BYTES / BLOCK);
}

static void run(u64 writes, u32 depth)
{
	u64 submitted = completed, until = completed + writes;

	while (completed < until) {
		while (submitted < until && submitted - completed < depth)
			if (repl_mirror_write(node[0].mirror, submitted++, REPL_OP_DATA,
					      random_block() * BLOCK, BLOCK, BUF, &node[0].sink,
					      now))
				abort();
		if (head != tail)
			step();
		else
			now += STEP_NS;
		tick();
	}
}

static double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void measure(u32 n_copies, u32 depth, u64 writes)
{
	double took;
	u64 before, sent;

	begin(n_copies);
	run(WARM_UP, depth);
	before = allocations;
	sent = messages;
	took = cpu_seconds();
	run(writes, depth);
	took = cpu_seconds() - took;
	allocated += allocations - before;
	printf("%u copies, QD%-3u %s  %9.0f writes/s  %6.0f ns/write  %4.2f messages/write  "
	       "%llu allocations\n",
	       n_copies, depth, wire ? "wire" : "core", (double)writes / took,
	       took * 1e9 / (double)writes, (double)(messages - sent) / (double)writes,
	       (unsigned long long)(allocations - before));
	for (u32 i = 0; i < copies; i++)
		free(node[i].mirror);
}

/* core_bench [WRITES [COPIES DEPTH [wire]]]: all cases, or one */
int main(int argc, char **argv)
{
	u64 writes = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;

	if (argc > 3) {
		wire = argc > 4;
		measure((u32)strtoul(argv[2], NULL, 10), (u32)strtoul(argv[3], NULL, 10), writes);
	} else {
		for (int pass = 0; pass < 2; pass++, wire = true)
			for (u32 n = 1; n <= COPIES_MAX; n++)
				for (u32 depth = 1; depth <= 128;
				     depth = depth == 1 ? 32 : 4 * depth)
					measure(n, depth, writes);
	}
	if (failed || allocated)
		fprintf(stderr, "core_bench: %llu writes failed, %llu allocations\n",
			(unsigned long long)failed, (unsigned long long)allocated);
	return failed || allocated;
}
