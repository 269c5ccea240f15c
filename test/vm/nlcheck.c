/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nlcheck [SEED [COUNT [ROUNDS]]] - what the module refuses, and how: rows of wrong requests with
 * the errno and the words they must get, ROUNDS of two processes at once, COUNT requests by chance.
 * Nothing of it may do harm: who runs this looks for complaints of the kernel. Needs the module,
 * loaded with plain=1, and no resources. Prints what is wrong, and the sum.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vm/rvolnl.h"

#define MINOR 1000u
#define MIB (1u << 20)
#define MANY 300u /* resources of a dump */

static struct rvolnl nl;
static unsigned checks, failures;

static void check(bool ok, const char *what, const char *how)
{
	checks++;
	if (ok)
		return;
	failures++;
	printf("not ok: %s: %s\n", what, how);
}

/* ---- rows ---- */

struct attr {
	uint16_t type; /* 0: end of the list */
	uint16_t len;
	const void *data; /* NULL: value */
	uint64_t value;
	bool left_out;
};

#define U8(attr, v)                                           \
	{                                                     \
		.type = RVOL_A_##attr, .len = 1, .value = (v) \
	}
#define U32(attr, v)                                          \
	{                                                     \
		.type = RVOL_A_##attr, .len = 4, .value = (v) \
	}
#define U64(attr, v)                                          \
	{                                                     \
		.type = RVOL_A_##attr, .len = 8, .value = (v) \
	}
#define BYTES(attr, n)                                           \
	{                                                        \
		.type = RVOL_A_##attr, .len = (n), .data = zeros \
	}
#define TEXT(attr, s)                                                \
	{                                                            \
		.type = RVOL_A_##attr, .len = sizeof(s), .data = (s) \
	}
#define FLAG(attr)                                   \
	{                                            \
		.type = RVOL_A_##attr, .data = zeros \
	}
#define RECORD_OF(e, members, w)                                          \
	{                                                                 \
		.type = RVOL_A_RECORD, .len = sizeof(struct rvol_record), \
		.data = &(const struct rvol_record)                       \
		{                                                         \
			.epoch = (e), .in_sync = (members), .writer = (w) \
		}                                                         \
	}
#define NO(attr)                                        \
	{                                               \
		.type = RVOL_A_##attr, .left_out = true \
	}

static const uint8_t zeros[8192];
static const uint8_t uuid[RVOL_UUID_BYTES] = "nlcheck........";
static const uint8_t other[RVOL_UUID_BYTES] = "somebody else..";

/* what each command is given where the row says nothing else */
static const struct attr usual[RVOL_CMD_MAX + 1][12] = {
	[RVOL_CMD_RESOURCE_ADD] = { TEXT(NAME, "nlcheck"), U8(SELF, 0), U32(COPIES, 2),
				    U32(NODE, 1), U64(BOOT, 1), U32(TAG_COUNTER, 0), U64(SEED, 1),
				    U8(READ_POLICY, 0) },
	[RVOL_CMD_VOLUME_ADD] = { U8(NUMBER, 0), U32(MINOR, MINOR), U64(SIZE, MIB) },
	[RVOL_CMD_VOLUME_GROW] = { U8(NUMBER, 0), U64(COPY_SIZE, MIB) },
	[RVOL_CMD_BOOT] = { RECORD_OF(1, 2, 0xff) },
	[RVOL_CMD_RECORD] = { U64(TOKEN, 1), RECORD_OF(1, 2, 0xff) },
	[RVOL_CMD_CAS_DONE] = { U64(TOKEN, 1), RECORD_OF(1, 2, 0xff), U8(ACCEPTED, 1) },
	[RVOL_CMD_LINK_ADD] = { U32(LINK, RVOL_LINK_SLOT(1)), U8(SLOT, 1), U32(FD, 0),
				FLAG(PLAIN) },
	[RVOL_CMD_LINK_DEL] = { U32(LINK, RVOL_LINK_SLOT(1)) },
	[RVOL_CMD_HEAL] = { U8(ON, 1) },
	[RVOL_CMD_FREEZE] = { U64(TOKEN, 1), U32(DEADLINE_MS, 100) },
	[RVOL_CMD_THAW] = { U64(TOKEN, 1) },
};

struct row {
	const char *what;
	uint8_t cmd;
	int rv;
	const char *why; /* contained in the sentence; NULL: any */
	struct attr attr[6];
};

static void put(const struct attr *a)
{
	if (!a->left_out)
		rvolnl_put(&nl, a->type, a->data ? a->data : &a->value, a->len);
}

static const struct attr *find(const struct attr *list, uint16_t type)
{
	for (; list->type; list++)
		if (list->type == type)
			return list;
	return NULL;
}

static void run_row(const struct row *r)
{
	char how[RVOLNL_WHY_MAX + 64];
	int rv;

	rvolnl_begin(&nl, r->cmd, find(r->attr, RVOL_A_UUID) ? NULL : uuid);
	for (const struct attr *a = usual[r->cmd]; a->type; a++)
		if (!find(r->attr, a->type))
			put(a);
	for (const struct attr *a = r->attr; a->type; a++)
		put(a);
	rv = rvolnl_call(&nl);
	snprintf(how, sizeof(how), "%s, \"%.200s\"", rv ? strerror(-rv) : "accepted", nl.why);
	check(rv == r->rv && (!r->why || strstr(nl.why, r->why)), r->what, how);
}

static void run_rows(const struct row *rows)
{
	for (; rows->what; rows++)
		run_row(rows);
}

/* clang-format off */
#define ADD RVOL_CMD_RESOURCE_ADD
#define VOL RVOL_CMD_VOLUME_ADD
#define COPY(n) BYTES(STATE_PAGE, n), U8(STATE_COPY, 0), BYTES(HOT_PAGE, 4096), U8(HOT_COPY, 0)

static const struct row before[] = {
	{ "no uuid", RVOL_CMD_STATUS, -EINVAL, "UUID is missing", { NO(UUID) } },
	{ "a short uuid", RVOL_CMD_STATUS, -ERANGE, NULL, { BYTES(UUID, 15) } },
	{ "a long uuid", RVOL_CMD_STATUS, -ERANGE, NULL, { BYTES(UUID, 17) } },
	{ "no such resource", RVOL_CMD_STATUS, -ENOENT, "no resource", { { 0 } } },
	{ "no such resource", RVOL_CMD_YIELD, -ENOENT, "no resource", { { 0 } } },
	{ "no such resource", RVOL_CMD_RESOURCE_DEL, -ENOENT, "no resource", { { 0 } } },
	{ "a foreign attribute", RVOL_CMD_STATUS, -EINVAL, "no such attribute", { U8(ON, 1) } },
	{ "an unknown attribute", RVOL_CMD_STATUS, -EINVAL, NULL, { { .type = 60, .len = 1 } } },
	{ "a status", RVOL_CMD_STATUS, -EINVAL, NULL, { BYTES(STATUS, 8) } },
	{ "what is no command", RVOL_CMD_EVENT, -EOPNOTSUPP, NULL,
	  { { 0 } } },
	{ "no name", ADD, -EINVAL, "NAME is missing", { NO(NAME) } },
	{ "an empty name", ADD, -EINVAL, "empty", { TEXT(NAME, "") } },
	{ "a long name", ADD, -EINVAL, NULL, { { .type = RVOL_A_NAME, .len = 65, .data =
	  "0123456789012345678901234567890123456789012345678901234567890123" } } },
	{ "a name without end", ADD, -EINVAL, NULL, { { .type = RVOL_A_NAME, .len = 3, .data =
	  "abc" } } },
	{ "no slot of its own", ADD, -EINVAL, "SELF is missing", { NO(SELF) } },
	{ "slot 16", ADD, -ERANGE, NULL, { U8(SELF, 16) } },
	{ "17 copies", ADD, -EINVAL, NULL, { U32(COPIES, 1u << 16) } },
	{ "copies of the wrong length", ADD, -EINVAL, NULL, { U64(COPIES, 1) } },
	{ "read policy 4", ADD, -ERANGE, NULL, { U8(READ_POLICY, 4) } },
	{ "half a copy", ADD, -EINVAL, "needs STATE_PAGE", { BYTES(STATE_PAGE, 4096) } },
	{ "a short page", ADD, -ERANGE, NULL, { COPY(4095) } },
	{ "a long page", ADD, -ERANGE, NULL, { COPY(4097) } },
	{ "pages of zeros", ADD, -EBADMSG, NULL, { COPY(4096) } },
	{ "page 2 of 2", ADD, -ERANGE, NULL, { BYTES(STATE_PAGE, 4096), U8(STATE_COPY, 2) } },
	{ "a resource", ADD, 0, NULL, { { 0 } } },
	{ "the same again", ADD, -EEXIST, "of that uuid", { { 0 } } },
	{ 0 },
};

static const struct row not_booted[] = {
	{ "boot without a volume", RVOL_CMD_BOOT, -EINVAL, NULL, { { 0 } } },
	{ "yield before boot", RVOL_CMD_YIELD, -EPROTO, "not booted", { { 0 } } },
	{ "abandon before boot", RVOL_CMD_ABANDON, -EPROTO, "not booted", { { 0 } } },
	{ "heal before boot", RVOL_CMD_HEAL, -EPROTO, "not booted", { { 0 } } },
	{ "freeze before boot", RVOL_CMD_FREEZE, -EPROTO, "not booted", { { 0 } } },
	{ "thaw before boot", RVOL_CMD_THAW, -EPROTO, "not booted", { { 0 } } },
	{ "set before boot", RVOL_CMD_RESOURCE_SET, -EPROTO, "not booted", { U32(COPIES, 1) } },
	{ "an answer before boot", RVOL_CMD_RECORD, -EPROTO, "not booted", { { 0 } } },
	{ "a link before boot", RVOL_CMD_LINK_ADD, -EPROTO, "not booted", { { 0 } } },
	{ "no link to delete", RVOL_CMD_LINK_DEL, -ENOENT, "no link", { { 0 } } },
	{ "volume 16", VOL, -ERANGE, NULL, { U8(NUMBER, 16) } },
	{ "minor 2^20", VOL, -ERANGE, NULL, { U32(MINOR, 1u << 20) } },
	{ "blocks of 511", VOL, -ERANGE, NULL, { U32(BLOCK, 511) } },
	{ "blocks of 1024", VOL, -EINVAL, "neither 512 nor 4096", { U32(BLOCK, 1024) } },
	{ "blocks of 8192", VOL, -ERANGE, NULL, { U32(BLOCK, 8192) } },
	{ "no bytes", VOL, -ERANGE, NULL, { U64(SIZE, 0) } },
	{ "half a sector", VOL, -EINVAL, "multiple of 512", { U64(SIZE, MIB + 1) } },
	{ "too large", VOL, -ERANGE, NULL, { U64(SIZE, (1ull << 44) + 512) } },
	{ "a copy's volume", VOL, -EINVAL, "without a copy", { TEXT(DATA_PATH, "/dev/ram0") } },
	{ "a unit of no bytes", VOL, -ERANGE, NULL, { U32(DISCARD, 0) } },
	{ "discards of nothing", VOL, -EINVAL, "discards nothing", { U32(DISCARD, 65536) } },
	{ "a layer over nothing", VOL, -EINVAL, "needs DATA_PATH",
	  { TEXT(BELOW_PATH, "/dev/ram0"), U64(BELOW_OFF, 16 << 20) } },
	{ "a layer without a place", VOL, -EINVAL, "needs DATA_PATH",
	  { TEXT(BELOW_PATH, "/dev/ram0") } },
	{ "a layer that begins nowhere", VOL, -ERANGE, NULL, { U64(BELOW_OFF, 0) } },
	{ "two kinds of discards", RVOL_CMD_RESOURCE_SET, -ERANGE, NULL,
	  { U8(BELOW_DISCARDS, 2) } },
	{ "a block of 256", VOL, -ERANGE, NULL, { U32(BLOCK, 256) } },
	{ "a block of 8192", VOL, -ERANGE, NULL, { U32(BLOCK, 8192) } },
	{ "a block of 1024", VOL, -EINVAL, "neither 512 nor 4096", { U32(BLOCK, 1024) } },
	{ "a block of growth", RVOL_CMD_VOLUME_GROW, -EINVAL, "no such", { U32(BLOCK, 512) } },
	{ "growth of nothing", RVOL_CMD_VOLUME_GROW, -ENOENT, NULL, { { 0 } } },
	{ "a volume", VOL, 0, NULL, { { 0 } } },
	{ "its number again", VOL, -EEXIST, NULL, { U32(MINOR, MINOR + 1) } },
	{ "its minor again", VOL, -EBUSY, NULL, { U8(NUMBER, 1) } },
	{ "no record", RVOL_CMD_BOOT, -EINVAL, "RECORD is missing", { NO(RECORD) } },
	{ "a short record", RVOL_CMD_BOOT, -ERANGE, NULL, { BYTES(RECORD, 31) } },
	{ "a long record", RVOL_CMD_BOOT, -ERANGE, NULL, { BYTES(RECORD, 33) } },
	{ "writer 16", RVOL_CMD_BOOT, -EINVAL, "writer is no slot", { RECORD_OF(1, 2, 16) } },
	{ "writer 256", RVOL_CMD_BOOT, -EINVAL, "writer is no slot", { RECORD_OF(1, 2, 256) } },
	{ "17 members", RVOL_CMD_BOOT, -EINVAL, "no slots", { RECORD_OF(1, 1u << 16, 0xff) } },
	{ "boot", RVOL_CMD_BOOT, 0, NULL, { { 0 } } },
	{ 0 },
};

#define LINK RVOL_CMD_LINK_ADD
static const struct row booted[] = {
	{ "boot again", RVOL_CMD_BOOT, -EINVAL, NULL, { { 0 } } },
	{ "an answer to nobody", RVOL_CMD_RECORD, -ENOENT, "nobody asks", { { 0 } } },
	{ "an answer to nobody", RVOL_CMD_CAS_DONE, -ENOENT, "nobody asks", { { 0 } } },
	{ "token 0", RVOL_CMD_RECORD, -ERANGE, NULL, { U64(TOKEN, 0) } },
	{ "half accepted", RVOL_CMD_CAS_DONE, -ERANGE, NULL, { U8(ACCEPTED, 2) } },
	{ "link 0", LINK, -ERANGE, NULL, { U32(LINK, 0) } },
	{ "another slot's link", LINK, -EINVAL, "another slot", { U8(SLOT, 2) } },
	{ "a link to itself", LINK, -EINVAL, "own", { U8(SLOT, 0), U32(LINK, 1) } },
	{ "link 20", LINK, -EINVAL, "no link has", { U32(LINK, 20) } },
	{ "link 63", LINK, -EINVAL, "no link has", { U32(LINK, 63) } },
	{ "pulls without a copy", LINK, -EINVAL, "no copy", { U32(LINK, RVOL_LINK_PULL) } },
	{ "accepted without a copy", LINK, -EINVAL, "no copy", { U32(LINK, 64) } },
	{ "TLS and plain", LINK, -EINVAL, "either", { FLAG(TLS) } },
	{ "neither", LINK, -EINVAL, "either", { NO(PLAIN) } },
	{ "a negative file", LINK, -ERANGE, NULL, { U32(FD, 0xffffffff) } },
	{ "no file", LINK, -EBADF, NULL, { U32(FD, 999999) } },
	{ "a file", LINK, -ENOTSOCK, NULL, { { 0 } } },
	{ "renewal 0", LINK, -ERANGE, NULL, { U32(RENEW, 0) } },
	{ "a short renewal", LINK, -EINVAL, NULL, { U8(RENEW, 1) } },
	{ "renewed after nothing", LINK, -ERANGE, NULL, { U64(RENEW_AT, 0) } },
	{ "no purpose", LINK, -ERANGE, NULL, { U8(PURPOSE, 0) } },
	{ "a knock", LINK, -ERANGE, NULL, { U8(PURPOSE, 3) } },
	{ "a link told by us", LINK, -EINVAL, NULL, { BYTES(LINK_INFO, 32) } },
	{ "ON 2", RVOL_CMD_HEAL, -ERANGE, NULL, { U8(ON, 2) } },
	{ "nothing to set", RVOL_CMD_RESOURCE_SET, 0, NULL, { { 0 } } },
	{ "handover", RVOL_CMD_RESOURCE_SET, 0, NULL, { U8(HANDOVER, 1), U32(COPIES, 6) } },
	{ "no way to copy", RVOL_CMD_RESOURCE_SET, -ERANGE, NULL, { U8(COPY_WRITES, 3) } },
	{ "yield of an idle one", RVOL_CMD_YIELD, 0, NULL, { { 0 } } },
	{ "abandon an idle one", RVOL_CMD_ABANDON, 0, NULL, { { 0 } } },
	{ "a freeze for ever", RVOL_CMD_FREEZE, -EINVAL, "DEADLINE_MS is missing",
	  { NO(DEADLINE_MS) } },
	{ "a freeze of 0 ms", RVOL_CMD_FREEZE, -ERANGE, NULL, { U32(DEADLINE_MS, 0) } },
	{ "a freeze of 10001 ms", RVOL_CMD_FREEZE, -ERANGE, NULL, { U32(DEADLINE_MS, 10001) } },
	{ "a freeze of nobody", RVOL_CMD_FREEZE, -EINVAL, "TOKEN is missing", { NO(TOKEN) } },
	{ "a freeze of token 0", RVOL_CMD_FREEZE, -ERANGE, NULL, { U64(TOKEN, 0) } },
	{ "a freeze of an idle one", RVOL_CMD_FREEZE, -EREMOTE, "only the node", { { 0 } } },
	{ "a thaw of nobody", RVOL_CMD_THAW, -EINVAL, "TOKEN is missing", { NO(TOKEN) } },
	{ "a thaw without a freeze", RVOL_CMD_THAW, -ENOENT, "not frozen", { { 0 } } },
	{ "no heal", RVOL_CMD_HEAL, 0, NULL, { U8(ON, 0) } },
	{ "a deletion", RVOL_CMD_RESOURCE_DEL, 0, NULL, { { 0 } } },
	{ "the same again", RVOL_CMD_RESOURCE_DEL, -ENOENT, NULL, { { 0 } } },
	{ 0 },
};
/* clang-format on */

/* ---- sockets that are none for a link ---- */

static void try_socket(const char *what, int fd)
{
	int rv;

	rvolnl_begin(&nl, RVOL_CMD_LINK_ADD, uuid);
	rvolnl_u32(&nl, RVOL_A_LINK, RVOL_LINK_SLOT(1));
	rvolnl_u8(&nl, RVOL_A_SLOT, 1);
	rvolnl_put(&nl, RVOL_A_FD, &fd, sizeof(fd));
	rvolnl_flag(&nl, RVOL_A_PLAIN);
	rv = rvolnl_call(&nl);
	check(rv < 0 && nl.why[0], what, rv < 0 ? strerror(-rv) : "accepted");
	if (fd >= 0)
		close(fd);
}

static void try_sockets(void)
{
	int pair[2];

	try_socket("a TCP socket that is not connected", socket(AF_INET, SOCK_STREAM, 0));
	try_socket("a UDP socket", socket(AF_INET, SOCK_DGRAM, 0));
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0) {
		try_socket("a Unix socket", pair[0]);
		try_socket("a Unix socket", pair[1]);
	}
	try_socket("a netlink socket", socket(AF_NETLINK, SOCK_RAW, 0));
}

/* ---- renewals out of order ---- */

/* both ends of a TCP connection over loopback */
static bool tcp_pair(int ret[2])
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	ret[0] = socket(AF_INET, SOCK_STREAM, 0);
	ret[1] = -1;
	if (bind(listener, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(listener, 1) == 0 &&
	    getsockname(listener, (struct sockaddr *)&at, &len) == 0 &&
	    connect(ret[0], (struct sockaddr *)&at, sizeof(at)) == 0)
		ret[1] = accept(listener, NULL, NULL);
	close(listener);
	return ret[1] >= 0;
}

static void try_link(const char *what, int fd, uint32_t renewal, int rv, const char *why)
{
	char how[RVOLNL_WHY_MAX + 64];
	int got;

	rvolnl_begin(&nl, RVOL_CMD_LINK_ADD, uuid);
	rvolnl_u32(&nl, RVOL_A_LINK, RVOL_LINK_SLOT(1));
	rvolnl_u8(&nl, RVOL_A_SLOT, 1);
	rvolnl_put(&nl, RVOL_A_FD, &fd, sizeof(fd));
	rvolnl_flag(&nl, RVOL_A_PLAIN);
	if (renewal)
		rvolnl_u32(&nl, RVOL_A_RENEW, renewal);
	got = rvolnl_call(&nl);
	snprintf(how, sizeof(how), "%s, \"%.200s\"", got ? strerror(-got) : "accepted", nl.why);
	check(got == rv && strstr(nl.why, why), what, how);
}

static bool shows(uint32_t n_links, uint32_t renewing)
{
	static struct rvolnl_status s;

	for (int i = 0; i < 500; i++) {
		if (rvolnl_status(&nl, uuid, &s) == 0 && s.n_links == n_links &&
		    (n_links == 0 || s.link[0].renewing == renewing))
			return true;
		usleep(10000);
	}
	return false;
}

static void try_renewals(void)
{
	int old[2], next[2], third[2];

	if (!tcp_pair(old) || !tcp_pair(next) || !tcp_pair(third)) {
		check(false, "sockets for renewals", strerror(errno));
		return;
	}
	try_link("a renewal of no link", next[0], 5, -ENOENT, "no link of that number");
	try_link("a link", old[0], 0, 0, "");
	check(shows(1, 0), "a link", "is not shown");
	try_link("a renewal by the same socket", old[0], 5, -EBUSY, "somebody else's");
	try_link("a renewal", next[0], 5, 0, "");
	check(shows(1, 5), "a renewal", "is not shown");
	try_link("a second renewal", third[0], 6, -EBUSY, "renewed already");
	close(next[0]); /* the module has its own */
	close(next[1]);
	check(shows(1, 0), "a renewal whose socket ended", "is not over, or the link is");
	try_link("the next renewal", third[0], 6, 0, "");
	close(old[0]);
	close(old[1]);
	check(shows(0, 0), "a link whose old socket ended", "is still there");
	close(third[0]);
	close(third[1]);
}

/* ---- events ---- */

/* Healing asks for the record: an event; the wrong token is refused, the right one taken once. */
static void try_events(void)
{
	struct rvol_record record = { .epoch = 1, .in_sync = 2, .writer = 0xff };
	struct rvolnl_status s = { 0 };
	int fd = rvolnl_events(&nl);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t before_it;

	rvolnl_status(&nl, uuid, &s);
	before_it = s.status.event;
	rvolnl_begin(&nl, RVOL_CMD_HEAL, uuid);
	rvolnl_u8(&nl, RVOL_A_ON, 1);
	check(rvolnl_call(&nl) == 0, "heal", nl.why);
	check(poll(&p, 1, 5000) == 1 && rvolnl_drain(fd) == 1, "an event", "none came");
	check(rvolnl_status(&nl, uuid, &s) == 0 && s.status.read_token, "a question", "none");
	check(s.status.event > before_it, "the number of the event", "has not moved");
	check(s.status.flags & RVOL_STATUS_HEALING, "the flag of healing", "is not set");
	for (int i = 0; i < 3; i++) {
		rvolnl_begin(&nl, RVOL_CMD_RECORD, uuid);
		rvolnl_u64(&nl, RVOL_A_TOKEN, s.status.read_token + (i == 0));
		rvolnl_put(&nl, RVOL_A_RECORD, &record, sizeof(record));
		check(rvolnl_call(&nl) == (i == 1 ? 0 : -ENOENT), "an answer", nl.why);
	}
	close(fd);
}

/* ---- many ---- */

static void many_uuid(unsigned i, uint8_t ret[RVOL_UUID_BYTES])
{
	memset(ret, 0, RVOL_UUID_BYTES);
	ret[0] = (uint8_t)(i * 7); /* not in the order in which they are made */
	ret[1] = (uint8_t)i;
	ret[2] = (uint8_t)(i >> 8);
}

static void add(const uint8_t id[RVOL_UUID_BYTES])
{
	rvolnl_begin(&nl, RVOL_CMD_RESOURCE_ADD, id);
	for (const struct attr *a = usual[RVOL_CMD_RESOURCE_ADD]; a->type; a++)
		put(a);
	check(rvolnl_call(&nl) == 0, "one of many", nl.why);
}

static void del(const uint8_t id[RVOL_UUID_BYTES])
{
	rvolnl_begin(&nl, RVOL_CMD_RESOURCE_DEL, id);
	rvolnl_flag(&nl, RVOL_A_FORCE);
	rvolnl_call(&nl);
}

struct dumped {
	unsigned n, unordered;
	uint8_t last[RVOL_UUID_BYTES];
	uint8_t id[MANY + 64][RVOL_UUID_BYTES];
};

static void on_dumped(const struct rvolnl_status *s, void *arg)
{
	struct dumped *d = arg;

	d->unordered += d->n > 0 && memcmp(d->last, s->uuid, RVOL_UUID_BYTES) >= 0;
	memcpy(d->last, s->uuid, RVOL_UUID_BYTES);
	if (d->n < MANY + 64)
		memcpy(d->id[d->n], s->uuid, RVOL_UUID_BYTES);
	d->n++;
}

static unsigned del_all(void)
{
	static struct dumped d;

	memset(&d, 0, sizeof(d));
	rvolnl_dump(&nl, on_dumped, &d);
	for (unsigned i = 0; i < d.n && i < MANY + 64; i++)
		del(d.id[i]);
	return d.n;
}

static void try_many(void)
{
	static struct dumped d;
	uint8_t id[RVOL_UUID_BYTES];

	for (unsigned i = 0; i < MANY; i++) {
		many_uuid(i, id);
		add(id);
	}
	check(rvolnl_dump(&nl, on_dumped, &d) == 0, "a dump", strerror(errno));
	check(d.n == MANY, "a dump of all", "some are missing");
	check(d.unordered == 0, "a dump without repetition", "one came twice");
	check(del_all() == MANY && del_all() == 0, "all deleted", "some are left");
}

/* ---- others ---- */

static int as_nobody(void)
{
	struct rvolnl_status s;
	struct dumped *d = calloc(1, sizeof(*d));
	int fd;

	if (!d || setgid(65534) < 0 || setuid(65534) < 0 || rvolnl_open(&nl) < 0)
		return 1;
	if (rvolnl_status(&nl, uuid, &s) != -EPERM || rvolnl_dump(&nl, on_dumped, d) != -EPERM)
		return 2;
	fd = rvolnl_events(&nl);
	return fd != -EPERM && fd != -EACCES ? 3 : 0;
}

/* root of a namespace of users, with a network of its own */
static int as_small_root(void)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return errno == EPERM || errno == ENOSPC || errno == EINVAL ? 0 : 4;
	return rvolnl_open(&nl) == -ENOENT ? 0 : 5;
}

static void try_as(const char *what, int (*act)(void))
{
	char how[32];
	int status;
	pid_t child = fork();

	if (child == 0)
		_exit(act());
	if (child < 0 || waitpid(child, &status, 0) < 0)
		status = -1;
	snprintf(how, sizeof(how), "status 0x%x", status);
	check(status == 0, what, how);
}

/* ---- two at once ---- */

static bool ended_well(pid_t child)
{
	int status;

	return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

static int *arrived; /* shared: how many of both processes */

static void meet(void)
{
	__atomic_add_fetch(arrived, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(arrived, __ATOMIC_SEQ_CST) < 2)
		sched_yield();
}

/* The child has a netlink socket of its own when both go on. */
static pid_t fork_and_meet(void)
{
	pid_t child;

	if (!arrived)
		arrived = mmap(NULL, sizeof(*arrived), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	*arrived = 0;
	child = fork();
	if (child < 0)
		return child;
	if (child == 0)
		rvolnl_open(&nl); /* it was there a moment ago; else all that follows fails */
	meet();
	return child;
}

static int call_usual(uint8_t cmd, const uint8_t id[RVOL_UUID_BYTES])
{
	rvolnl_begin(&nl, cmd, id);
	for (const struct attr *a = usual[cmd]; a->type; a++)
		put(a);
	if (cmd == RVOL_CMD_RESOURCE_DEL)
		rvolnl_flag(&nl, RVOL_A_FORCE);
	return rvolnl_call(&nl);
}

static int add_volume(const uint8_t id[RVOL_UUID_BYTES], uint8_t number, uint32_t minor)
{
	rvolnl_begin(&nl, RVOL_CMD_VOLUME_ADD, id);
	rvolnl_u8(&nl, RVOL_A_NUMBER, number);
	rvolnl_u32(&nl, RVOL_A_MINOR, minor);
	rvolnl_u64(&nl, RVOL_A_SIZE, MIB);
	return rvolnl_call(&nl);
}

/* One process adds a volume while another one says that. */
static void beside(uint8_t cmd, uint8_t number)
{
	pid_t child = fork_and_meet();

	if (child == 0) {
		int rv = add_volume(uuid, number, MINOR + number);

		_exit(rv != 0 && cmd != RVOL_CMD_RESOURCE_DEL); /* one that ends may refuse */
	}
	check(call_usual(cmd, uuid) == 0, "a command while a volume comes", nl.why);
	check(ended_well(child), "a volume that comes during another command", "failed");
}

static void try_volumes_beside(unsigned rounds)
{
	for (unsigned i = 0; i < rounds; i++) {
		call_usual(RVOL_CMD_RESOURCE_ADD, uuid);
		add_volume(uuid, 0, MINOR);
		beside(RVOL_CMD_BOOT, 1);
		beside(RVOL_CMD_RESOURCE_DEL, 2);
	}
	check(del_all() == 0, "volumes beside commands", "a resource is left");
}

static int connected_pair(int ret[2])
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ret[0] = socket(AF_INET, SOCK_STREAM, 0);
	ret[1] = -1;
	if (bind(listener, (struct sockaddr *)&at, len) == 0 && listen(listener, 1) == 0 &&
	    getsockname(listener, (struct sockaddr *)&at, &len) == 0 &&
	    connect(ret[0], (struct sockaddr *)&at, len) == 0)
		ret[1] = accept(listener, NULL, NULL);
	close(listener);
	return ret[1] < 0 ? -errno : 0;
}

static int add_link(const uint8_t id[RVOL_UUID_BYTES], int fd)
{
	rvolnl_begin(&nl, RVOL_CMD_LINK_ADD, id);
	rvolnl_u32(&nl, RVOL_A_LINK, RVOL_LINK_SLOT(1));
	rvolnl_u8(&nl, RVOL_A_SLOT, 1);
	rvolnl_put(&nl, RVOL_A_FD, &fd, sizeof(fd));
	rvolnl_flag(&nl, RVOL_A_PLAIN);
	return rvolnl_call(&nl);
}

/* Two resources are given one socket: one of them gets it. */
static void try_one_socket(unsigned rounds)
{
	const uint8_t *const ids[] = { uuid, other };

	for (uint32_t i = 0; i < 2; i++) {
		call_usual(RVOL_CMD_RESOURCE_ADD, ids[i]);
		add_volume(ids[i], 0, MINOR + i);
		check(call_usual(RVOL_CMD_BOOT, ids[i]) == 0, "two resources", nl.why);
	}
	for (unsigned i = 0; i < rounds; i++) {
		int fd[2];
		pid_t child;
		bool mine;

		if (connected_pair(fd) < 0)
			break;
		child = fork_and_meet();
		if (child == 0)
			_exit(add_link(other, fd[0]) < 0);
		mine = add_link(uuid, fd[0]) == 0;
		check(ended_well(child) != mine, "a socket for two", mine ? "both" : "none");
		close(fd[0]);
		close(fd[1]);
	}
	check(del_all() == 2, "two resources with one socket", "not both are there");
}

/* ---- by chance ---- */

static uint64_t seed;

static uint32_t below(uint32_t n)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(seed >> 33) % n;
}

static uint64_t some_value(void)
{
	static const uint64_t edges[] = { 0,   1,     2,          15,         16,
					  63,  64,    255,        512,        4096,
					  MIB, MINOR, UINT32_MAX, 1ull << 44, UINT64_MAX };

	return below(4) ? edges[below(sizeof(edges) / sizeof(edges[0]))] : below(100);
}

static void put_by_chance(const struct attr *base)
{
	struct attr a = base ? *base : (struct attr){ .type = (uint16_t)below(RVOL_A_COUNT + 4) };

	if (base && below(8))
		goto put_it;
	if (!a.data)
		a.value = some_value();
	if (!base || !below(8)) {
		static const uint16_t lengths[] = { 0, 1, 2, 4, 8, 16, 32, 64, 256, 4096 };

		a.len = lengths[below(10)];
		a.data = zeros;
	}
put_it:
	put(&a);
}

static unsigned send_by_chance(unsigned count)
{
	unsigned taken = 0;

	for (unsigned i = 0; i < count; i++) {
		uint8_t cmd = (uint8_t)below(RVOL_CMD_COUNT);

		rvolnl_begin(&nl, cmd, below(20) ? (below(3) ? uuid : other) : NULL);
		for (const struct attr *a = usual[cmd]; a->type; a++)
			if (below(20))
				put_by_chance(a);
		while (!below(3))
			put_by_chance(NULL);
		taken += rvolnl_call(&nl) == 0;
	}
	return taken;
}

/* Another process does the same with other numbers, to the same resources. */
static void try_chance(unsigned count)
{
	unsigned taken;
	pid_t child = fork_and_meet();

	if (child == 0) {
		seed = ~seed;
		_exit(send_by_chance(count) == 0 && count >= 1000);
	}
	taken = send_by_chance(count);
	check(ended_well(child), "requests by chance of two processes", "the other failed");
	printf("%u of %u requests by chance were taken\n", taken, count);
	check(taken > 0 || count < 1000, "requests by chance", "none was taken");
	del_all();
}

int main(int argc, char **argv)
{
	unsigned count = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 0) : 20000;
	unsigned rounds = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 0) : 1000;

	seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	try_as("nobody", as_nobody);
	try_as("root of a namespace", as_small_root);
	if (rvolnl_open(&nl) < 0) {
		printf("not ok: the module is not loaded\n");
		return 1;
	}
	run_rows(before);
	run_rows(not_booted);
	try_sockets();
	try_renewals();
	try_events();
	run_rows(booted);
	try_many();
	try_volumes_beside(rounds / 10);
	try_one_socket(rounds);
	try_chance(count);
	printf("%u checks, %u failures\n", checks, failures);
	return failures != 0;
}
