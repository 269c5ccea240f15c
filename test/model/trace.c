/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trace.c - a step of a counterexample in words. Nodes are a, b, c; a node with
 * a copy is at once its replica. What changed at the copies and in the record
 * stands behind the step.
 */
#include "model.h"
#include <stdio.h>
#include <string.h>

static const char *const msg_names[] = {
	"nothing", "START", "EPOCH", "WRITE", "COMMIT", "FLUSH", "JOIN", "RELEASE",
};
const char *const cas_names[CAS_KINDS] = {
	"nothing", "promote", "shrink", "revive", "learners", "grow", "release",
};

const char *const action_names[ACTIONS] = {
	[ACT_BEGIN] = "begin",
	[ACT_OPEN] = "open",
	[ACT_REREAD] = "read again",
	[ACT_PROMISE] = "promise",
	[ACT_CHOOSE] = "choose of a released record",
	[ACT_LAND] = "proposal lands",
	[ACT_LAND_ORPHAN] = "proposal of the dead lands",
	[ACT_ANSWER] = "answer",
	[ACT_WRITE] = "write",
	[ACT_FLUSH] = "flush",
	[ACT_CLOSE] = "close",
	[ACT_LEARN] = "start learners",
	[ACT_REVIVE] = "revive",
	[ACT_RECEIVE] = "writer receives",
	[ACT_WRITER_BREAK] = "writer loses session",
	[ACT_REPLICA_BREAK] = "copy loses link",
	[ACT_CONSUME] = "copy takes message",
	[ACT_CRASH] = "crash",
	[ACT_ASK] = "pull asked",
	[ACT_SOURCE] = "pull answered",
	[ACT_PULLED] = "pull done",
	[ACT_EVICT] = "extent leaves hot log",
	[ACT_PAGE] = "page of stamps",
	[ACT_SUPER] = "learner_epoch written",
	[ACT_READ] = "read",
	[ACT_READ_BEGIN] = "read asked",
	[ACT_READ_DATA] = "read's data arrives",
	[ACT_STAMP] = "stamp of a received write",
	[ACT_APPLY] = "received write applied",
	[ACT_EPOCH] = "EPOCH durable",
};

static const char *set_name(u8 set)
{
	static const char *const names[] = { "{}",  "{a}",   "{b}",   "{a,b}",
					     "{c}", "{a,c}", "{b,c}", "{a,b,c}" };

	return names[set & 7];
}

static void print_candidate(struct label l, const struct state *s)
{
	char a = (char)('a' + l.a), b = (char)('a' + l.b);

	switch (l.action) {
	case ACT_OPEN:
		printf("%c is opened: reads record %u", a, s->w[l.a].epoch);
		break;
	case ACT_REREAD:
		printf("%c reads the record again: %u", a, s->w[l.a].epoch);
		break;
	case ACT_PROMISE:
		printf("%c promises itself to %c, %s", b, a, l.c ? "intact" : "restarted");
		if (!s->w[l.a].released && (l.d || l.c))
			printf("; %c proposes {%c}", a, l.d ? 'a' + l.d - 1 : b);
		break;
	case ACT_CHOOSE:
		printf("%c finds no writer in the record; proposes %s", a,
		       set_name(l.d ? (u8)BIT(l.d - 1) : l.b));
		break;
	case ACT_LAND:
		printf("consensus %s the proposal of %c (%s)", l.b == CAS_WON ? "takes" : "refuses",
		       a, cas_names[s->w[l.a].cas]);
		break;
	case ACT_LAND_ORPHAN:
		printf("consensus takes the proposal of a writer that is no more");
		break;
	case ACT_ANSWER:
		printf("%c hears that its proposal was %s", a,
		       l.b == CAS_WON ? "taken" : "refused");
		break;
	default:
		break;
	}
}

static void print_writer(struct label l, const struct state *s)
{
	char a = (char)('a' + l.a);

	switch (l.action) {
	case ACT_WRITE:
		printf("%c writes w%u to block %u", a, l.c, l.b);
		break;
	case ACT_FLUSH:
		printf("%c begins a flush", a);
		break;
	case ACT_CLOSE:
		printf("%c is closed: RELEASE to all", a);
		break;
	case ACT_LEARN:
		printf("%c proposes to start learners %s", a, set_name(l.b));
		break;
	case ACT_REVIVE:
		if (l.c == 2)
			printf("%c gives up: all members restarted", a);
		else
			printf("%c proposes to go on with %c, %s", a, 'a' + l.b,
			       l.c ? "restarted" : "intact");
		break;
	case ACT_RECEIVE:
		printf("%c receives what %c answered: acked %u, flushed %u%s%s", a, 'a' + l.b, l.c,
		       s->c[l.a][l.b].v_flushed, s->c[l.a][l.b].v_synced ? ", synced" : "",
		       s->c[l.a][l.b].v_ready ? ", ready" : "");
		break;
	case ACT_WRITER_BREAK:
		printf("%c loses its session to %c%s", a, 'a' + l.b, l.c ? "" : " (link cut)");
		break;
	case ACT_READ:
		printf("%c reads block %u from %c: w%u", a, l.c, 'a' + l.b, l.d);
		break;
	case ACT_READ_BEGIN:
		printf("%c begins to read block %u, asks %c", a, l.c, 'a' + l.b);
		break;
	case ACT_READ_DATA:
		printf("%c gets block %u from %c: w%u", a, l.c, 'a' + l.b, l.d);
		break;
	default:
		break;
	}
}

static void print_replica(struct label l)
{
	char a = (char)('a' + l.a), b = (char)('a' + l.b);

	switch (l.action) {
	case ACT_REPLICA_BREAK:
		printf("copy %c loses its link to %c%s", a, b, l.c ? "" : " (link cut)");
		break;
	case ACT_CONSUME:
		printf("copy %c takes %s from %c", a, msg_names[l.c], b);
		if (l.d)
			printf(" (epoch %u)", l.d);
		break;
	case ACT_CRASH:
		printf("%c crashes and boots; its disk holds w%u w%u%s", a, l.b, l.c,
		       l.d ? "; its proposal is still under way" : "");
		break;
	case ACT_ASK:
		printf("copy %c asks %c for the region", a, b);
		break;
	case ACT_SOURCE:
		printf("copy %c answers %c", a, b);
		break;
	case ACT_PULLED:
		printf("copy %c takes the answer", a);
		break;
	case ACT_EVICT:
		printf("copy %c: the extent leaves the hot log", a);
		break;
	case ACT_PAGE:
		printf("copy %c: the page of stamps is written", a);
		break;
	case ACT_SUPER:
		printf("copy %c: learner_epoch is written", a);
		break;
	case ACT_STAMP:
		printf("copy %c: the stamp for w%u, its extent is hot", a, l.b);
		break;
	case ACT_APPLY:
		printf("copy %c: w%u is applied", a, l.b);
		break;
	case ACT_EPOCH:
		printf("copy %c: EPOCH %u is durable", a, l.b);
		break;
	default:
		break;
	}
}

static void print_copy(u8 n, const struct replica *r)
{
	static const char *const modes[] = { "out", "learner", "member" };

	printf("\n           copy %c: %s w%u w%u stamp %u (disk %u%s, learner_epoch %u) epoch %u "
	       "fence %u, %u of %u committed%s%s%s",
	       'a' + n, modes[r->mode], r->now[0], r->now[1], r->stamp, r->d_stamp,
	       r->hot ? ", hot" : "", r->d_learner_epoch, r->re, r->fence, r->committed, r->rseq,
	       replica_pending(r) ? ", some not applied" : "", r->left ? ", some left" : "",
	       r->session == NONE ? ", no session" : "");
}

void trace_print(const struct state *before, const struct state *s, struct label l, u32 step)
{
	printf("      %3u. ", step);
	if (l.action <= ACT_ANSWER)
		print_candidate(l, s);
	print_writer(l, s);
	print_replica(l);
	if (memcmp(before->acked, s->acked, sizeof(s->acked)))
		printf("; acknowledged: w%u w%u", s->acked[0], s->acked[1]);
	if (memcmp(before->flushed, s->flushed, sizeof(s->flushed)))
		printf("; flushed: w%u w%u", s->flushed[0], s->flushed[1]);
	if (before->epoch != s->epoch)
		printf("\n           record: epoch %u writer %c set %s", s->epoch,
		       s->owner == NONE ? '-' : 'a' + s->owner, set_name(s->set));
	for (u8 n = 0; n < cfg->nodes; n++)
		if (memcmp(&before->r[n], &s->r[n], sizeof(s->r[n])))
			print_copy(n, &s->r[n]);
	printf("\n");
}
