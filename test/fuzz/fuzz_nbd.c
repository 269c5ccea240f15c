// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fuzz_nbd.c - bytes of an NBD client: first for the parser alone, cut in
 * pieces, which must make no difference to its events; then for a whole server
 * on a unix socket in front of a volume made of memory. The first two bytes say
 * how big pieces are and what the volume does: refuse, be full, fail.
 */
#include "fuzz/fuzz.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "replication/nbd.h"
#include "replication/nbd_parse.h"
#include "shared/crc32c.h"

#define SIZE_BYTES (6ull << 20) /* more than an extent */
#define TURNS_MAX 2000
#define WAITING_MAX 1024

enum { VOLUME_REFUSES = 1, VOLUME_FULL = 2, VOLUME_FAILS = 4, VOLUME_CUTS = 8, HANDSHAKE = 16 };

struct answer {
	u64 id;
	int status;
	struct payload *data;
};

static uv_loop_t loop;
static struct turn turn;
static struct payload_pool pool;
static struct payload_account account;
static struct nbd *nbd;
static struct sockaddr_un address = { .sun_family = AF_UNIX };
static u8 memory[SIZE_BYTES];
static struct answer waiting[WAITING_MAX];
static u32 n_waiting;
static u8 how;
static bool open_asked, is_open;

/* ---- the parser alone ---- */

static u32 parse(const u8 *data, size_t len, size_t piece)
{
	struct nbd_parse *p = malloc(sizeof(*p));
	struct nbd_event ev = { .kind = NBD_EV_NONE };
	u32 sum = 0, infos, name_len;
	const char *name;

	FUZZ_CHECK(p);
	nbd_parse_init(p);
	for (size_t at = 0; at < len && ev.kind != NBD_EV_BAD; at += piece) {
		size_t left = PORT_MIN(piece, len - at);
		const u8 *bytes = data + at;

		do {
			u32 words[4];

			nbd_parse_next(p, &bytes, &left, &ev);
			words[0] = ev.kind;
			words[1] = ev.kind == NBD_EV_OPTION ? ev.option : 0;
			words[2] = ev.kind == NBD_EV_REQUEST ? ev.command : 0;
			words[3] =
				ev.kind == NBD_EV_REQUEST || ev.kind == NBD_EV_OPTION ? ev.len : 0;
			if (ev.kind != NBD_EV_NONE && ev.kind != NBD_EV_PAYLOAD)
				sum = shared_crc32c(sum, words, sizeof(words));
			if (ev.kind == NBD_EV_PAYLOAD || (ev.kind == NBD_EV_OPTION && ev.len))
				sum = shared_crc32c(sum, ev.data, ev.len);
			if (ev.kind == NBD_EV_OPTION && ev.option != NBD_OPT_EXPORT_NAME &&
			    nbd_parse_go(ev.data, ev.len, &name, &name_len, &infos) == 0 &&
			    name_len)
				sum = shared_crc32c(sum, name, name_len);
			if (ev.kind == NBD_EV_OPTION && ev.option == NBD_OPT_EXPORT_NAME)
				nbd_parse_transmission(p);
		} while (ev.kind != NBD_EV_NONE && ev.kind != NBD_EV_BAD);
	}
	free(p);
	return sum;
}

/* ---- the volume ---- */

static void volume_open(void *owner)
{
	FUZZ_CHECK(!is_open && !open_asked);
	open_asked = true;
}

static void volume_close(void *owner)
{
	FUZZ_CHECK((is_open || open_asked) && n_waiting == 0);
	is_open = open_asked = false;
}

static int take(u64 id, u64 off, u32 len, struct payload *data)
{
	FUZZ_CHECK(is_open && n_waiting < WAITING_MAX);
	FUZZ_CHECK(off <= SIZE_BYTES && len <= SIZE_BYTES - off);
	FUZZ_CHECK(!len || off / REPL_EXTENT_BYTES == (off + len - 1) / REPL_EXTENT_BYTES);
	waiting[n_waiting++] = (struct answer){ id, how & VOLUME_FAILS ? -EIO : 0, data };
	return 0;
}

static int volume_write(void *owner, u64 id, u8 op, u64 off, u32 len, struct payload *data)
{
	if ((how & VOLUME_FULL) && n_waiting)
		return -EBUSY;
	FUZZ_CHECK(op < REPL_OPS && (op == REPL_OP_DATA) == (data != NULL));
	FUZZ_CHECK(off < SIZE_BYTES && len > 0 && len <= SIZE_BYTES - off);
	if (data) {
		FUZZ_CHECK(len <= data->len);
		memcpy(memory + off, data->data, len);
	}
	return take(id, off, len, NULL);
}

static int volume_read(void *owner, u64 id, u64 off, u32 len)
{
	struct payload *p = NULL;

	if ((how & VOLUME_FULL) && n_waiting)
		return -EBUSY;
	FUZZ_CHECK(off < SIZE_BYTES && len > 0 && len <= SIZE_BYTES - off);
	if (!(how & VOLUME_FAILS)) {
		p = payload_new(&account, len);
		FUZZ_CHECK(p);
		memcpy(p->data, memory + off, len);
	}
	return take(id, off, len, p);
}

static int volume_flush(void *owner, u64 id)
{
	return take(id, 0, 0, NULL);
}

static const struct nbd_ops ops = {
	.open = volume_open,
	.close = volume_close,
	.write = volume_write,
	.read = volume_read,
	.flush = volume_flush,
};

static void volume_turn(void)
{
	static struct answer now[WAITING_MAX];
	u32 n = n_waiting;

	memcpy(now, waiting, n * sizeof(*now));
	n_waiting = 0;
	for (u32 i = 0; i < n; i++)
		nbd_complete(nbd, now[i].id, now[i].status, now[i].data);
	if (!open_asked)
		return;
	open_asked = false;
	if (how & VOLUME_REFUSES) {
		nbd_refused(nbd, "because");
	} else {
		is_open = true;
		nbd_opened(nbd);
	}
}

/* ---- the server ---- */

/* false: the server has closed */
static bool run(int fd)
{
	static char bytes[1 << 16];
	ssize_t n;

	uv_run(&loop, UV_RUN_NOWAIT);
	volume_turn();
	do
		n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	while (n > 0);
	return n < 0 && errno == EAGAIN;
}

static bool say(int fd, const u8 *data, size_t len, size_t piece)
{
	for (int i = 0; len > 0 && i < TURNS_MAX; i++) {
		ssize_t n = send(fd, data, PORT_MIN(len, piece), MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
		if (!run(fd))
			return false;
	}
	return true;
}

static void client(const struct input *in, size_t piece)
{
	static const u8 hello[] = { 0,   0,   0, 3, 'I', 'H', 'A', 'V', 'E', 'O',
				    'P', 'T', 0, 0, 0,   1,   0,   0,   0,   0 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool up = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;

	FUZZ_CHECK(up);
	if (how & HANDSHAKE)
		up = say(fd, hello, sizeof(hello), sizeof(hello));
	if (up)
		up = say(fd, in->at, in->left, piece);
	for (int i = 0; up && i < 4; i++)
		up = run(fd);
	if ((how & VOLUME_CUTS) && is_open)
		nbd_cut(nbd);
	for (int i = 0; up && i < 2; i++)
		up = run(fd);
	close(fd);
	for (int i = 0; i < TURNS_MAX && (is_open || open_asked || i < 8); i++) {
		uv_run(&loop, UV_RUN_NOWAIT);
		volume_turn();
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct nbd_config c = {
		.loop = &loop,
		.turn = &turn,
		.account = &account,
		.socket_path = address.sun_path,
		.name = "db",
		.size_bytes = SIZE_BYTES,
		.ops = &ops,
	};
	struct err err = { 0 };

	signal(SIGPIPE, SIG_IGN);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", fuzz_dir());
	FUZZ_CHECK(uv_loop_init(&loop) == 0 && turn_init(&turn, &loop) == 0);
	payload_pool_init(&pool);
	payload_account_init(&account, &pool);
	FUZZ_CHECK(nbd_start(&c, &nbd, &err) == 0);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input in = { data, len };
	size_t piece = (size_t)1 << (input_u8(&in) % 17);

	how = input_u8(&in);
	FUZZ_CHECK(parse(in.at, in.left, piece) == parse(in.at, in.left, in.left + 1));
	client(&in, piece);
	FUZZ_CHECK(!is_open && !open_asked && n_waiting == 0);
	FUZZ_CHECK(nbd_clients(nbd) == 0 && !account.head);
	return 0;
}
