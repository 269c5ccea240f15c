// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fuzz_link.c - bytes of a peer on a data link that was accepted: greeting,
 * headers, payloads, in pieces of any size, to an owner that takes them,
 * holds them back, answers, or hangs up in the middle. Checksums are made
 * right unless the input asks for wrong ones. Each payload belongs to somebody
 * to the end.
 */
#include "fuzz/fuzz.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>

#include "base/log.h"
#include "replication/link.h"
#include "shared/crc32c.h"
#include "shared/cursor.h"

#define BYTES_MAX (1u << 16)
#define TURNS_MAX 4000
#define PIECES_MAX 256

enum { OWNER_HOLDS = 1, OWNER_ANSWERS = 2, OWNER_CLOSES = 4, BAD_SUMS = 8, REFUSES = 16 };

static uv_loop_t loop;
static struct turn turn;
static struct link_set set;
static struct payload_pool pool;
static struct payload_account account;
static struct link *ours;
static u8 how;
static u32 held, messages;
static u8 out[BYTES_MAX];
static size_t out_len;

/* ---- the owner ---- */

static void on_up(struct link *l, void *owner)
{
	FUZZ_CHECK(l == ours);
}

static bool takes(struct link *l, void *owner)
{
	return !(how & OWNER_HOLDS) || held++ % 3 != 1;
}

static void on_message(struct link *l, struct repl_msg *m, void *owner)
{
	struct payload *p = payload_of(m->buf);
	struct repl_msg answer = { .kind = REPL_MSG_ACK, .seq = m->seq };

	FUZZ_CHECK(l == ours && !p == !m->payload_len);
	if (p)
		FUZZ_CHECK(p->len == m->payload_len && p->refs == 1);
	messages++;
	if (how & OWNER_ANSWERS) {
		link_send(l, &answer);
		answer.kind = REPL_MSG_READ_DATA;
		answer.len = answer.payload_len = m->payload_len;
		answer.buf = m->buf;
		if (p)
			link_send(l, &answer);
	}
	payload_put(p);
	if ((how & OWNER_CLOSES) && messages == 3) {
		ours = NULL;
		link_close(l);
	}
}

static void on_down(struct link *l, const char *why, void *owner)
{
	FUZZ_CHECK(l == ours && why && why[0]);
	ours = NULL;
}

static const struct link_ops ops = {
	.up = on_up,
	.takes = takes,
	.message = on_message,
	.down = on_down,
};

static u8 judge(struct link *l, const struct wire_greeting *g, void *arg)
{
	if (how & REFUSES)
		return WIRE_NO_RESOURCE;
	ours = l;
	link_adopt(l, REPL_LINK_FIRST, &ops, NULL, &account);
	return WIRE_WELCOME;
}

/* ---- the peer ---- */

static u8 *room(u32 len)
{
	if (out_len + len > BYTES_MAX)
		return NULL;
	out_len += len;
	return memset(out + out_len - len, 0, len);
}

static void seal(u8 *at, u32 len)
{
	struct cursor c;

	if (how & BAD_SUMS)
		return;
	cursor_init(&c, at + len - 4, 4);
	cursor_put(&c, shared_crc32c(0, at, len - 4), 4);
}

static void greet(struct input *in)
{
	struct wire_greeting g = { .version = WIRE_VERSION, .purpose = input_u8(in) % 5 };
	u8 *at = room(WIRE_GREETING), byte = input_u8(in);

	wire_put_greeting(at, &g);
	if (byte & 0x80)
		at[byte & 0x7f] ^= input_u8(in);
	if (byte & 0x40)
		seal(at, WIRE_GREETING);
}

static void say_message(struct input *in)
{
	static const u8 kinds[] = { REPL_MSG_WRITE, REPL_MSG_READ_DATA, REPL_MSG_DATA,
				    REPL_MSG_PING, REPL_MSG_PULL };
	u8 *at = room(WIRE_HEADER), kind = input_u8(in);
	struct repl_msg m = { .count = 1, .kind = kinds[kind % sizeof(kinds)], .seq = 1 };

	if (!at)
		return;
	if (kind % 8 == 7) { /* of a renewal that is not there */
		struct wire_link_msg link = { WIRE_LINK_READY + input_u8(in) % 3, 1 };

		wire_put_link(at, &link);
		return;
	}
	if (kind & 0x80) { /* any header */
		for (u32 i = 0; i < WIRE_HEADER - 4; i++)
			at[i] = input_u8(in);
		seal(at, WIRE_HEADER);
		return;
	}
	m.len = (u32)(1 + input_u8(in) % 4) * REPL_SECTOR;
	if (m.kind == REPL_MSG_WRITE || m.kind == REPL_MSG_READ_DATA || m.kind == REPL_MSG_DATA)
		m.payload_len = m.len;
	wire_put(at, &m);
	if (how & BAD_SUMS)
		at[input_u8(in) % WIRE_HEADER] ^= input_u8(in);
	if (m.payload_len && room(m.payload_len) && (kind & 0x40))
		out_len -= REPL_SECTOR; /* and less than it promised */
}

/* what the link sends is thrown away; false: it has closed */
static bool run(int fd)
{
	u8 bytes[4096];
	ssize_t n;

	uv_run(&loop, UV_RUN_NOWAIT);
	if (ours)
		link_resume(ours);
	do
		n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	while (n > 0);
	return n < 0 && errno == EAGAIN;
}

static void talk(int fd, size_t piece)
{
	size_t at = 0;

	piece = PORT_MAX(piece, out_len / PIECES_MAX);
	for (int i = 0; at < out_len && i < TURNS_MAX; i++) {
		ssize_t n = send(fd, out + at, PORT_MIN(piece, out_len - at),
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0)
			at += (size_t)n;
		if (!run(fd))
			return;
	}
	for (int i = 0; i < 6 && run(fd); i++)
		;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	signal(SIGPIPE, SIG_IGN);
	payload_pool_init(&pool);
	payload_account_init(&account, &pool);
	FUZZ_CHECK(uv_loop_init(&loop) == 0 && turn_init(&turn, &loop) == 0);
	link_set_init(&set, &loop, &turn, NULL);
	set.judge = judge;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct conn_ops none = { 0 };
	struct input in = { data, len };
	size_t piece = (size_t)1 << (input_u8(&in) % 14);
	int fds[2];

	how = input_u8(&in);
	held = messages = 0;
	out_len = 0;
	greet(&in);
	while (in.left > 0 && out_len + WIRE_HEADER < BYTES_MAX)
		say_message(&in);
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	link_accept(&set, conn_from_fd(&loop, fds[1], &none, NULL));
	talk(fds[0], piece);
	close(fds[0]);
	for (int i = 0; (set.head || i < 4) && i < TURNS_MAX; i++) {
		uv_run(&loop, UV_RUN_NOWAIT);
		if (ours)
			link_resume(ours);
	}
	FUZZ_CHECK(!set.head && !ours && set.ungreeted == 0 && !account.head);
	return 0;
}
