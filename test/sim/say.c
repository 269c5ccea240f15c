/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * say.c - what happens in a scenario, in words: one line for each message between nodes, each
 * change of the record and of a node's roles. PING, ECHO and the messages of a writer to its own
 * copy are left out; lines that repeat are counted.
 */
#include <stdarg.h>
#include <string.h>

#include "replication/core/wire.h"
#include "sim/world.h"

#define PULLS_TOLD 8u

static char told[SAY_MAX]; /* all of it */
static u32 told_len, last_line, repeats;
static u32 pulls; /* questions and answers of learners in a row */
static u8 told_state[SIM_NODES], told_mode[SIM_NODES];

void say_begin(void)
{
	told_len = last_line = repeats = pulls = 0;
	memset(told_state, 0, sizeof(told_state));
	memset(told_mode, 0, sizeof(told_mode));
}

const char *say_told(void)
{
	told[told_len] = 0;
	return told;
}

static void put_line(struct sim_world *w, const char *line)
{
	u32 n = (u32)strlen(line);

	if (told_len + n + 16 > SAY_MAX) {
		sim_fail(w, "too much to tell");
		return;
	}
	last_line = told_len;
	memcpy(told + told_len, line, n);
	told_len += n;
	told[told_len++] = '\n';
	repeats = 1;
}

void say(struct sim_world *w, const char *fmt, ...)
{
	static char previous[SAY_LINE];
	char line[SAY_LINE];
	va_list ap;

	if (!w->opt.scripted)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (w->opt.trace)
		printf("%10.4f | %s\n", (double)w->now / 1e9, line);
	if (told_len && !strcmp(previous, line)) {
		told_len = last_line;
		told_len += (u32)snprintf(told + told_len, SAY_LINE, "%s (%u times)\n", line,
					  ++repeats);
		return;
	}
	memcpy(previous, line, sizeof(line));
	put_line(w, line);
}

/* "012": slots of a mask */
const char *say_mask(u32 mask)
{
	static char out[4][REPL_SLOTS_MAX + 1];
	static u32 next;
	char *s = out[next++ % 4];
	u32 n = 0;

	for (u32 i = 0; i < REPL_SLOTS_MAX && n < REPL_SLOTS_MAX; i++)
		if (mask & (1u << i))
			s[n++] = (char)('0' + i);
	s[n] = 0;
	return n ? s : "none";
}

static const char *reason(u32 r)
{
	static const char *const names[REPL_REASONS] = {
		"ok",        "stale",  "not intact", "its disk failed", "not a member",
		"hears one", "leased", "bad",        "not booted",
	};

	return r < REPL_REASONS ? names[r] : "?";
}

/* Of the first volume as it is, of others with the volume before it. */
static const char *say_region(u32 region)
{
	static char out[24];
	u32 volume = region / REPL_REGIONS_PER_VOLUME;

	if (volume)
		snprintf(out, sizeof(out), "%u.%u", volume, region % REPL_REGIONS_PER_VOLUME);
	else
		snprintf(out, sizeof(out), "%u", region);
	return out;
}

static void say_stream(struct sim_world *w, const char *head, const struct repl_msg *m)
{
	static const char *const kinds[] = { "member", "member that restarted", "learner" };
	u64 seq = m->seq;

	switch (m->kind) {
	case REPL_MSG_START:
		say(w, "%s start e=%u as %s, I=%s, from #%llu", head, m->epoch, kinds[m->start % 3],
		    say_mask(m->mask), (unsigned long long)seq);
		break;
	case REPL_MSG_EPOCH:
		say(w, "%s epoch e=%u I=%s", head, m->epoch, say_mask(m->mask));
		break;
	case REPL_MSG_WRITE:
		say(w, "%s write e=%u #%llu block %u = %u", head, m->epoch, (unsigned long long)seq,
		    sim_block(m->off), m->buf ? sim_payload(w, m->buf)->block[0] : 0);
		break;
	case REPL_MSG_COMMIT:
		say(w, "%s commit #%llu", head, (unsigned long long)m->commit);
		break;
	case REPL_MSG_FLUSH:
		say(w, "%s flush %llu", head, (unsigned long long)m->id);
		break;
	case REPL_MSG_READ:
		say(w, "%s read block %u", head, sim_block(m->off));
		break;
	case REPL_MSG_PROMISE:
		say(w, "%s promise? e=%u I=%s", head, m->epoch, say_mask(m->mask));
		break;
	default:
		say(w, "%s %s", head, wire_name(m->kind));
	}
}

static void say_answer(struct sim_world *w, const char *head, const struct repl_msg *m)
{
	u64 seq = m->seq;

	switch (m->kind) {
	case REPL_MSG_STATE:
		say(w, "%s state fence=%u%s", head, m->epoch, m->intact ? " intact" : "");
		break;
	case REPL_MSG_STARTED:
		say(w, "%s started e=%u", head, m->epoch);
		break;
	case REPL_MSG_REFUSED:
		say(w, "%s refused e=%u: %s", head, m->epoch, reason(m->reason));
		break;
	case REPL_MSG_ACK:
		say(w, "%s ack #%llu", head, (unsigned long long)seq);
		break;
	case REPL_MSG_FLUSHED:
		say(w, "%s flushed %llu", head, (unsigned long long)m->id);
		break;
	case REPL_MSG_READ_DATA:
		if (m->reason)
			say(w, "%s no data: %s", head, reason(m->reason));
		else
			say(w, "%s read-data = %u", head, sim_payload(w, m->buf)->block[0]);
		break;
	case REPL_MSG_PROMISED:
		say(w, "%s promised e=%u%s", head, m->epoch, m->intact ? " intact" : " restarted");
		break;
	case REPL_MSG_UNPROMISED:
		say(w, "%s no promise e=%u: %s", head, m->epoch, reason(m->reason));
		break;
	default:
		say(w, "%s %s", head, wire_name(m->kind));
	}
}

static void say_pull(struct sim_world *w, const char *head, const struct repl_msg *m)
{
	if (++pulls > PULLS_TOLD)
		say(w, "... questions and answers");
	else if (m->kind == REPL_MSG_PULL)
		say(w, "%s pull e=%u region %s+%u stamp %u, has #%llu", head, m->epoch,
		    say_region(m->region), m->count, m->stamp, (unsigned long long)m->seq);
	else if (m->kind == REPL_MSG_DATA)
		say(w, "%s data e=%u region %s stamp %u%s", head, m->epoch, say_region(m->region),
		    m->stamp, m->op == REPL_OP_DATA ? "" : ", zeros");
	else
		say(w, "%s %s e=%u region %s+%u", head, wire_name(m->kind), m->epoch,
		    say_region(m->region), m->count);
}

void say_message(struct sim_world *w, u8 from, u8 to, const struct repl_msg *m)
{
	char head[8];

	if (!w->opt.scripted)
		return;
	snprintf(head, sizeof(head), "%u>%u", from, to);
	w->node[from].said[to] |= 1ull << m->kind;
	if (m->kind == REPL_MSG_PING || m->kind == REPL_MSG_ECHO || m->kind == REPL_MSG_SIZE)
		return;
	if (m->kind < REPL_MSG_PULL)
		pulls = 0;
	if (m->kind < REPL_MSG_STATE)
		say_stream(w, head, m);
	else if (m->kind < REPL_MSG_PULL)
		say_answer(w, head, m);
	else
		say_pull(w, head, m);
}

void say_changed(struct sim_world *w, u8 n)
{
	static const char *const roles[WRITER_STATES] = {
		"no candidate any more", "",          "is candidate",        "proposes itself",
		"waits and tries again", "is writer", "releases the volume", "stops: all I/O fails",
	};
	const struct repl_mirror *m = w->node[n].mirror;

	if (!w->opt.scripted)
		return;
	if (told_state[n] != m->writer.state && roles[m->writer.state][0])
		say(w, "%u %s", n, roles[m->writer.state]);
	told_state[n] = m->writer.state;
	if (told_mode[n] != m->replica.mode && m->has_disk)
		say(w, "%u its copy: %s", n, repl_replica_mode_name(m->replica.mode));
	told_mode[n] = (u8)m->replica.mode;
}

void say_restarted(u8 n)
{
	told_state[n] = told_mode[n] = 0;
}
