/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scenario.c - runs test/sim/scenario/<name>.txt: commands, then after a line "---" what happened
 * when they were run last and somebody read it. Nothing happens by chance: a message takes 0.02 ms,
 * an operation of a disk 0.01 ms, consensus 0.1 ms each way. watch.c looks on all the time. The
 * commands are explained in test/sim/scenario/README.md; a new one is a row of commands[] or
 * conditions[].
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "replication/core/wire.h"
#include "sim/world.h"

#define FILE_MAX_BYTES (1u << 18)
#define WORDS_MAX 12
#define NAMES_MAX 64
#define WAIT_NS (20000 * REPL_MS) /* "run until" gives up */
#define FOR_EVER (~0ull >> 2)

struct named {
	char name[16];
	u8 node;
	u32 slot;
	bool done;
	int status;
	u32 value;
};

static struct script {
	struct sim_world w;
	struct sim_options opt;
	bool begun;
	bool touched; /* by a command, since somebody looked */
	char *word[WORDS_MAX];
	int n_words, line;
	struct named named[NAMES_MAX];
	u32 n_named;
	char wrong[256];
} s;

static void wrong(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void wrong(const char *fmt, ...)
{
	va_list ap;

	if (s.wrong[0])
		return;
	va_start(ap, fmt);
	vsnprintf(s.wrong, sizeof(s.wrong), fmt, ap);
	va_end(ap);
}

/* ---- words ----------------------------------------------------------------- */

static u32 number(int i)
{
	char *end;
	u32 n;

	if (i >= s.n_words) {
		wrong("a number is missing");
		return 0;
	}
	n = (u32)strtoul(s.word[i], &end, 10);
	if (*end)
		wrong("'%s' is no number", s.word[i]);
	return n;
}

static u8 node(int i)
{
	u32 n = number(i);

	if ((int)n >= s.opt.nodes)
		wrong("there is no node %u", n);
	return (u8)(n % SIM_NODES);
}

/* "012": nodes 0, 1 and 2 */
static u32 mask(const char *text)
{
	u32 m = 0;

	for (; *text >= '0' && *text < '0' + SIM_NODES; text++)
		m |= 1u << (*text - '0');
	if (*text)
		wrong("'%s' names no nodes", text);
	return m;
}

static const char *word(int i)
{
	return i < s.n_words ? s.word[i] : "";
}

static struct named *named(const char *name)
{
	for (u32 i = 0; i < s.n_named; i++)
		if (!strcmp(s.named[i].name, name))
			return &s.named[i];
	wrong("no request is called '%s'", name);
	return &s.named[0];
}

/* ---- the world ------------------------------------------------------------- */

static void one_step(void)
{
	u64 steps = s.w.steps;
	bool ticks = s.w.now % REPL_TICK_NS == 0;

	world_step(&s.w);
	if (s.w.steps == steps && !ticks && !s.touched && !s.w.failure[0])
		return; /* nothing has happened that could be seen */
	s.touched = false;
	watch_members(&s.w);
	watch_maps(&s.w);
	watch_after_crash(&s.w);
	if (s.w.failure[0])
		wrong("%s", s.w.failure);
}

static void begin(void)
{
	if (s.begun)
		return;
	s.begun = true;
	world_begin(&s.w, &s.opt);
	for (int i = 0; i < 20; i++)
		one_step(); /* every node has read the record */
}

/* Each command of the application names its request: w1, w2, r1, f1, ... or "as NAME". */
static void request(enum sim_request_kind kind, char letter, u32 block, u32 value, u8 op)
{
	u8 n = node(1);
	struct named *o = &s.named[s.n_named];
	struct sim_request *q;
	u32 slot = 0, same = 1;

	if (s.n_named == NAMES_MAX || s.wrong[0]) {
		wrong("too many requests");
		return;
	}
	while (slot < SIM_REQUESTS - 1 && s.w.node[n].request[slot].kind != SIM_FREE)
		slot++;
	q = &s.w.node[n].request[slot];
	for (u32 i = 0; i < s.n_named; i++)
		same += s.named[i].name[0] == letter;
	memset(o, 0, sizeof(*o));
	snprintf(o->name, sizeof(o->name), "%c%u", letter, same);
	o->node = n;
	o->slot = slot;
	s.n_named++;
	q->kind = kind;
	q->first = block;
	q->n = kind == SIM_WRITE && *word(4) ? number(4) : 1;
	s.w.next_value = value - 1;
	if (block >= s.opt.blocks || q->n > s.opt.blocks - block) {
		wrong("there is no block %u", block + q->n - 1);
		q->kind = SIM_FREE;
	} else if (app_submit(&s.w, n, slot, op)) {
		o->done = true;
		o->status = -EIO;
		say(&s.w, "%s is refused", o->name);
	}
	node_after(&s.w, n);
}

void scenario_answered(struct sim_world *w, u8 n, u32 slot, int status, u32 value)
{
	if (!w->opt.scripted)
		return;
	for (u32 i = 0; i < s.n_named; i++) {
		struct named *o = &s.named[i];

		if (o->done || o->node != n || o->slot != slot)
			continue;
		o->done = true;
		o->status = status;
		o->value = value;
		if (o->name[0] == 'r' && !status)
			say(w, "%s is answered: %u", o->name, value);
		else
			say(w, "%s %s", o->name, status ? "fails" : "is done");
	}
}

/* ---- commands -------------------------------------------------------------- */

static void c_nodes(void)
{
	s.opt.nodes = (int)PORT_MIN(number(1), (u32)SIM_NODES);
}

static void c_copies(void)
{
	s.opt.copies = s.opt.alike = mask(word(1));
}

static void c_alike(void)
{
	s.opt.alike = mask(word(1));
}

static void c_regions(void)
{
	s.opt.device_blocks = PORT_MIN(number(1) * SIM_PER_REGION, SIM_BLOCKS);
	s.opt.first_blocks = s.opt.device_blocks;
	s.opt.extents = (s.opt.device_blocks + SIM_PER_EXTENT - 1) / SIM_PER_EXTENT;
	s.opt.blocks = PORT_MIN(s.opt.device_blocks, SIM_USED_MAX / s.opt.extents * s.opt.extents);
}

/* the disks are smaller at first: "grow" makes them what "regions" says */
static void c_first(void)
{
	s.opt.first_blocks = PORT_MIN(number(1) * SIM_PER_REGION, s.opt.device_blocks);
}

static void c_open(void)
{
	app_open(&s.w, node(1), false);
}

static void c_open_to_heal(void)
{
	app_open(&s.w, node(1), true);
}

static void c_close(void)
{
	u8 n = node(1);

	if (requests_of(&s.w.node[n]))
		wrong("requests are under way");
	s.w.node[n].open = false;
	repl_mirror_close(s.w.node[n].mirror, &sinks[n].sink, node_now(&s.w, n));
	node_after(&s.w, n);
}

/* a planned move: who asks gets it (P11) */
static void c_yield(void)
{
	u8 n = node(1);

	repl_mirror_yield(s.w.node[n].mirror, &sinks[n].sink, node_now(&s.w, n));
	node_after(&s.w, n);
}

static void c_grow(void)
{
	disk_grow(&s.w, node(1));
}

static void c_policy(void)
{
	static const char *const names[REPL_READ_POLICIES] = {
		[REPL_READ_LOCAL] = "local",
		[REPL_READ_ROUND_ROBIN] = "round-robin",
		[REPL_READ_LEAST_PENDING] = "least-pending",
		[REPL_READ_STRIPED] = "striped",
	};

	for (u32 p = 0; p < REPL_READ_POLICIES; p++)
		if (!strcmp(names[p], word(2))) {
			repl_mirror_set_read_policy(s.w.node[node(1)].mirror,
						    (enum repl_read_policy)p);
			return;
		}
	wrong("no policy is called '%s'", word(2));
}

static void c_write(void)
{
	request(SIM_WRITE, 'w', number(2), number(3), REPL_OP_DATA);
}

static void c_zero(void)
{
	request(SIM_WRITE, 'w', number(2), 1, REPL_OP_ZERO);
}

static void c_read(void)
{
	request(SIM_READ, 'r', number(2), 1, 0);
}

static void c_flush(void)
{
	request(SIM_FLUSH, 'f', 0, 1, 0);
}

static void cut_between(u8 a, u8 b)
{
	for (u32 i = 0; i < links_high; i++)
		if (links[i].used && ((links[i].node[0] == a && links[i].node[1] == b) ||
				      (links[i].node[0] == b && links[i].node[1] == a)))
			link_cut(&s.w, i);
}

static void c_drop(void)
{
	cut_between(node(1), node(2));
}

static void c_cut(void)
{
	u8 a = node(1), b = node(2);

	s.w.silent_until[a][b] = s.w.silent_until[b][a] = FOR_EVER;
	cut_between(a, b);
}

static void c_silence(void)
{
	s.w.silent_until[node(1)][node(2)] = FOR_EVER;
}

static void c_stall(void)
{
	u8 from = node(1), to = node(2);

	for (u32 i = 0; i < links_high; i++)
		for (int side = 0; side < 2; side++)
			if (links[i].used && links[i].node[!side] == from &&
			    links[i].node[side] == to)
				links[i].stalled[side] = s.w.now + number(3) * REPL_MS;
}

static int waking; /* node, or -1: all that are not paused */

static void wake(struct sim_world *w, struct sim_event *e)
{
	if (e->at > FOR_EVER / 2 && w->node[e->node].paused_until <= w->now &&
	    (waking < 0 || waking == e->node))
		e->at = w->now + 1;
}

/* what was on its way arrives now */
static void c_heal(void)
{
	memset(s.w.silent_until, 0, sizeof(s.w.silent_until));
	waking = -1;
	sim_events_each(&s.w, wake);
	sim_events_sort();
	for (u32 i = 0; i < links_high; i++)
		for (int side = 0; side < 2; side++)
			links[i].last[side] = PORT_MIN(links[i].last[side], s.w.now + 1);
}

static void c_crash(void)
{
	u8 n = node(1);

	for (u32 i = 0; i < s.n_named; i++)
		if (s.named[i].node == n && !s.named[i].done) {
			s.named[i].done = true;
			s.named[i].status = -EPIPE;
		}
	s.w.opt.keep_cached = !strcmp(word(2), "keep") ? 100 : 0;
	if (s.w.node[n].up)
		node_crash(&s.w, n);
	say_restarted(n);
}

static void c_start(void)
{
	u8 n = node(1);

	node_start(&s.w, n);
	while (!s.wrong[0] && !s.w.node[n].booted)
		one_step();
}

static void c_pause(void)
{
	s.w.node[node(1)].paused_until = FOR_EVER;
}

static void c_resume(void)
{
	u8 n = node(1);

	s.w.node[n].paused_until = 0;
	waking = n;
	sim_events_each(&s.w, wake);
	sim_events_sort();
}

/* the first page of stamps, so that its checksum does not fit any more */
static void rot(struct sim_disk *d)
{
	u8 *at = &d->meta_durable[REPL_META_HEAD_PAGES][REPL_META_PAGE / 2];

	*at ^= 1;
	d->meta[REPL_META_HEAD_PAGES][REPL_META_PAGE / 2] = *at;
	d->meta_version++;
}

/* disk N MS: each operation takes so long; disk N error: the next one fails; disk N bad BLOCK */
static void c_disk(void)
{
	u8 n = node(1);
	struct sim_disk *d = s.w.node[n].disk;

	if (!d)
		wrong("node %u has no disk", n);
	else if (!strcmp(word(2), "error"))
		d->next_fails = -EIO;
	else if (!strcmp(word(2), "full"))
		d->next_fails = -ENOSPC;
	else if (!strcmp(word(2), "bad"))
		d->bad[sim_device_block(&s.w, number(3))] = 1;
	else if (!strcmp(word(2), "rot"))
		rot(d);
	else
		s.w.node[n].disk_takes = number(2) * REPL_MS;
}

/* consensus MS [MS]: a proposal lands so late, and its answer arrives so late after that */
static void c_consensus(void)
{
	s.w.script_land = number(1) * REPL_MS;
	s.w.script_answer = s.n_words > 2 ? number(2) * REPL_MS : 0;
}

static void c_add(void)
{
	replica_add(&s.w, node(1));
}

static void c_forget_writer(void)
{
	if (s.w.record.writer == REPL_NO_SLOT)
		wrong("the record names no writer");
	else
		forget_writer(&s.w);
}

static void c_remove(void)
{
	set_copies(&s.w, s.w.copies & ~(1u << node(1)));
}

/* ---- conditions: of "expect" and of "run until" ------------------------------- */

static bool is_serving(int i)
{
	return repl_writer_serving(&s.w.node[node(i)].mirror->writer) && s.w.node[node(i)].up;
}

static bool is_writer_state(int i)
{
	return !strcmp(repl_writer_state_name(s.w.node[node(i)].mirror->writer.state), word(i + 1));
}

static bool is_copy(int i)
{
	const struct sim_node *n = &s.w.node[node(i)];

	return n->up && !strcmp(repl_replica_mode_name(n->mirror->replica.mode), word(i + 1));
}

static bool is_record(int i)
{
	for (; i < s.n_words; i++) {
		const char *v = strchr(word(i), '=');

		if (!v)
			wrong("record: e=, p=, I= are meant");
		else if (word(i)[0] == 'e' && s.w.record.epoch != strtoul(v + 1, NULL, 10))
			return false;
		else if (word(i)[0] == 'I' && s.w.record.in_sync != mask(v + 1))
			return false;
		else if (word(i)[0] == 'p' && (v[1] == '-' ? s.w.record.writer != REPL_NO_SLOT
							   : s.w.record.writer != v[1] - '0'))
			return false;
	}
	return true;
}

static bool is_done(int i)
{
	return named(word(i))->done && !named(word(i))->status;
}

static bool is_failed(int i)
{
	return named(word(i))->done && named(word(i))->status;
}

static bool is_pending(int i)
{
	return !named(word(i))->done;
}

static bool is_answer(int i)
{
	return is_done(i) && named(word(i))->value == number(i + 1);
}

static bool is_value(int i)
{
	u8 n = node(i);
	u32 block = number(i + 1);

	return s.w.node[n].disk && block < s.opt.blocks &&
	       s.w.node[n].disk->cached[sim_device_block(&s.w, block)] == number(i + 2);
}

static bool is_durable(int i)
{
	u8 n = node(i);
	u32 block = number(i + 1);

	return s.w.node[n].disk && block < s.opt.blocks &&
	       s.w.node[n].disk->durable[sim_device_block(&s.w, block)] == number(i + 2);
}

static bool is_stamp(int i)
{
	u8 n = node(i);

	return s.w.node[n].disk && sim_stamp(&s.w, (u8)n, number(i + 1)) == number(i + 2);
}

/* may the application use that block: is it inside of the volume as it is served? */
static bool is_reached(int i)
{
	u64 address = sim_address(sim_device_block(&s.w, number(i + 1)));

	return repl_mirror_size(s.w.node[node(i)].mirror, REPL_ADDRESS_VOLUME(address)) >
	       REPL_ADDRESS_OFF(address);
}

/* so many entries are in its list of stamps that do not count any more */
static bool has_voids(int i)
{
	return s.w.node[node(i)].mirror->replica.state.n_voids == number(i + 1);
}

/* since the last command other than run and expect, or since this was true */
static bool is_sent(int i)
{
	u8 from = node(i), to = node(i + 1);

	for (u8 k = 0; k < REPL_MSG_KINDS; k++)
		if (!strcmp(wire_name(k), word(i + 2))) {
			if (!(s.w.node[from].said[to] & (1ull << k)))
				return false;
			s.w.node[from].said[to] = 0;
			return true;
		}
	wrong("no message is called '%s'", word(i + 2));
	return false;
}

static bool is_alike(int i)
{
	const struct sim_disk *first = NULL;

	for (u8 n = 0; n < s.opt.nodes; n++) {
		const struct sim_disk *d = s.w.node[n].disk;

		if (!(mask(word(i)) & (1u << n)) || !d)
			continue;
		if (first && memcmp(first->cached, d->cached, s.opt.device_blocks * sizeof(u32)))
			return false;
		first = d;
	}
	return first;
}

static const struct {
	const char *name;
	bool (*fn)(int first_word);
} conditions[] = {
	{ "serving", is_serving }, { "writer", is_writer_state }, { "copy", is_copy },
	{ "record", is_record },   { "done", is_done },           { "failed", is_failed },
	{ "pending", is_pending }, { "answer", is_answer },       { "holds", is_value },
	{ "durable", is_durable }, { "stamp", is_stamp },         { "sent", is_sent },
	{ "alike", is_alike },     { "reaches", is_reached },     { "voids", has_voids },
};

static bool holds(int i)
{
	bool no = !strcmp(word(i), "not");

	for (size_t c = 0; c < PORT_ARRAY_SIZE(conditions); c++)
		if (!strcmp(conditions[c].name, word(i + no)))
			return conditions[c].fn(i + no + 1) != no;
	wrong("no condition is called '%s'", word(i + no));
	return false;
}

static void c_expect(void)
{
	if (!holds(1))
		wrong("this is not so; the record is e=%u p=%d I=%s", s.w.record.epoch,
		      s.w.record.writer == REPL_NO_SLOT ? -1 : s.w.record.writer,
		      say_mask(s.w.record.in_sync));
}

static void c_run(void)
{
	u64 end = s.w.now + WAIT_NS;

	if (strcmp(word(1), "until")) {
		end = s.w.now + number(1) * REPL_MS;
		while (s.w.now < end && !s.wrong[0])
			one_step();
		return;
	}
	while (!s.wrong[0] && !holds(2)) {
		if (s.w.now >= end)
			wrong("it did not come to this in 20 s");
		one_step();
	}
}

static const struct verb {
	const char *name;
	void (*fn)(void);
} setups[] = { { "nodes", c_nodes },
	       { "copies", c_copies },
	       { "alike", c_alike },
	       { "regions", c_regions },
	       { "first", c_first } },
  commands[] = {
	  { "open", c_open },           { "open-to-heal", c_open_to_heal },
	  { "close", c_close },         { "yield", c_yield },
	  { "grow", c_grow },           { "policy", c_policy },
	  { "write", c_write },         { "zero", c_zero },
	  { "read", c_read },           { "flush", c_flush },
	  { "drop", c_drop },           { "cut", c_cut },
	  { "silence", c_silence },     { "stall", c_stall },
	  { "heal", c_heal },           { "crash", c_crash },
	  { "start", c_start },         { "pause", c_pause },
	  { "resume", c_resume },       { "disk", c_disk },
	  { "consensus", c_consensus }, { "add", c_add },
	  { "remove", c_remove },       { "forget-writer", c_forget_writer },
	  { "expect", c_expect },       { "run", c_run },
  };

static const struct verb *find_verb(const struct verb *table, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(table[i].name, name))
			return &table[i];
	return NULL;
}

static void command(char *line)
{
	char *save = NULL, whole[SAY_LINE];
	const struct verb *verb;

	snprintf(whole, sizeof(whole), "%.*s", (int)sizeof(whole) - 1, line);
	s.n_words = 0;
	for (char *t = strtok_r(line, " \t", &save); t && s.n_words < WORDS_MAX;
	     t = strtok_r(NULL, " \t", &save))
		s.word[s.n_words++] = t;
	if (!s.n_words || s.word[0][0] == '#')
		return;
	verb = find_verb(setups, PORT_ARRAY_SIZE(setups), s.word[0]);
	if (verb && s.begun)
		wrong("too late for this");
	if (!verb) {
		begin();
		if (strcmp(s.word[0], "expect"))
			say(&s.w, "* %s", whole);
		verb = find_verb(commands, PORT_ARRAY_SIZE(commands), s.word[0]);
	}
	if (verb && verb->fn != c_run && verb->fn != c_expect)
		for (u8 n = 0; n < SIM_NODES; n++) /* "sent" is about what follows a command */
			memset(s.w.node[n].said, 0, sizeof(s.w.node[n].said));
	s.touched = true;
	if (verb)
		verb->fn();
	else
		wrong("no command is called '%s'", s.word[0]);
}

/* ---- files ----------------------------------------------------------------- */

/* The first line in which the two differ. */
static void show_difference(const char *path, const char *was, const char *is)
{
	int line = 1;

	while (*was && *was == *is) {
		line += *was == '\n';
		was++;
		is++;
	}
	while (was[-1] != '\n')
		was--, is--;
	printf("# %s: line %d of the trace\n#   expected: %.*s\n#   happened: %.*s\n"
	       "# if this is right: sim --accept --scenario %s\n",
	       path, line, (int)strcspn(was, "\n"), was, (int)strcspn(is, "\n"), is, path);
}

static int write_expected(const char *path, const char *text, size_t commands_len)
{
	FILE *f = fopen(path, "w");

	if (!f)
		return -1;
	fwrite(text, 1, commands_len, f);
	fprintf(f, "---\n%s", say_told());
	return fclose(f);
}

static size_t read_file(const char *path, char *text)
{
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(text, 1, FILE_MAX_BYTES - 1, f) : 0;

	if (f)
		fclose(f);
	text[n] = 0;
	return n;
}

static void run_lines(char *text)
{
	s.line = 0;
	for (char *line = text, *next; line && *line && !s.wrong[0]; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		s.line++;
		command(line);
	}
}

int scenario_run(const char *path, bool accept, bool trace)
{
	static char text[FILE_MAX_BYTES], lines[FILE_MAX_BYTES];
	char *expected;
	size_t len;

	memset(&s, 0, sizeof(s));
	s.opt = (struct sim_options){ .seed = 1,
				      .nodes = 3,
				      .copies = 3,
				      .alike = 3,
				      .blocks = 32,
				      .extents = 1,
				      .stride = 1,
				      .device_blocks = 32,
				      .first_blocks = 32,
				      .notice_ms = 1,
				      .slow_factor = 1,
				      .scripted = true,
				      .trace = trace };
	if (!read_file(path, text)) {
		printf("# %s: can't be read\n", path);
		return -1;
	}
	say_begin();
	expected = strstr(text, "\n---\n");
	len = expected ? (size_t)(expected - text) + 1 : strlen(text);
	memcpy(lines, text, len);
	lines[len] = 0;
	run_lines(lines);
	if (s.begun)
		world_free(&s.w);
	if (s.wrong[0]) {
		printf("# %s:%d: %s\n%s", path, s.line, s.wrong, say_told());
		return -1;
	}
	if (accept)
		return write_expected(path, text, len);
	if (expected && !strcmp(expected + 5, say_told()))
		return 0;
	show_difference(path, expected ? expected + 5 : "", say_told());
	return -1;
}
