// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * renewcheck - one link of a resource of the kernel module; its other end is played here: each
 * step of a renewal (docs/protocol.md#renewal), with a socket that ends there, or what must not
 * come. The module must be loaded with plain=1. Exit status 0: all as it should be.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "replication/core/wire.h"
#include "vm/rvolnl.h"

#define MINOR 900
#define WAIT_MS 10000
#define NUMBER RVOL_LINK_SLOT(1)

enum { OLD, NEXT, SOCKETS };

static const uint8_t uuid[RVOL_UUID_BYTES] = "renewcheck.....";
static struct rvolnl nl;
static int peer[SOCKETS]; /* our ends; -1 closed */
static uint32_t renewal = 40;
static unsigned checks, failures;
static const char *row;

static void check(bool good, const char *what)
{
	checks++;
	if (good)
		return;
	failures++;
	printf("not ok: %s: %s\n", row, what);
}

/* ---- the resource ---- */

static void must(const char *what)
{
	int rv = rvolnl_call(&nl);

	if (rv == 0)
		return;
	printf("not ok: %s: %s (%s)\n", what, strerror(-rv), nl.why);
	exit(1);
}

/* without a copy here: what the link carries is ours alone */
static void make_resource(void)
{
	struct rvol_record record = { .epoch = 1, .in_sync = 2, .writer = 0xff };

	rvolnl_begin(&nl, RVOL_CMD_RESOURCE_ADD, uuid);
	rvolnl_text(&nl, RVOL_A_NAME, "renewcheck");
	rvolnl_u8(&nl, RVOL_A_SELF, 0);
	rvolnl_u32(&nl, RVOL_A_COPIES, 2);
	rvolnl_u32(&nl, RVOL_A_NODE, 1);
	rvolnl_u64(&nl, RVOL_A_BOOT, 1);
	rvolnl_u32(&nl, RVOL_A_TAG_COUNTER, 0);
	rvolnl_u64(&nl, RVOL_A_SEED, 1);
	rvolnl_u8(&nl, RVOL_A_READ_POLICY, 0);
	must("a resource");
	rvolnl_begin(&nl, RVOL_CMD_VOLUME_ADD, uuid);
	rvolnl_u8(&nl, RVOL_A_NUMBER, 0);
	rvolnl_u32(&nl, RVOL_A_MINOR, MINOR);
	rvolnl_u64(&nl, RVOL_A_SIZE, 1 << 20);
	must("a volume");
	rvolnl_begin(&nl, RVOL_CMD_BOOT, uuid);
	rvolnl_put(&nl, RVOL_A_RECORD, &record, sizeof(record));
	must("boot");
}

static const struct rvol_link_info *link_now(void)
{
	static struct rvolnl_status s;

	if (rvolnl_status(&nl, uuid, &s) < 0 || s.n_links == 0)
		return NULL;
	return &s.link[0];
}

/* ---- sockets ---- */

/* *ret: the module's end */
static int tcp_pair(int *ret)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(at);
	int ours = -1, listener = socket(AF_INET, SOCK_STREAM, 0);

	*ret = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(listener, 1) == 0 &&
	    getsockname(listener, (struct sockaddr *)&at, &len) == 0 &&
	    connect(*ret, (struct sockaddr *)&at, sizeof(at)) == 0)
		ours = accept(listener, NULL, NULL);
	close(listener);
	if (ours < 0) {
		printf("not ok: no sockets: %s\n", strerror(errno));
		exit(1);
	}
	return ours;
}

/* ahead: what was read of the socket before */
static void hand_over(int which, uint32_t number, const void *ahead, size_t len)
{
	int theirs;

	peer[which] = tcp_pair(&theirs);
	rvolnl_begin(&nl, RVOL_CMD_LINK_ADD, uuid);
	rvolnl_u32(&nl, RVOL_A_LINK, NUMBER);
	rvolnl_u8(&nl, RVOL_A_SLOT, 1);
	rvolnl_put(&nl, RVOL_A_FD, &theirs, sizeof(theirs));
	rvolnl_flag(&nl, RVOL_A_PLAIN);
	if (number)
		rvolnl_u32(&nl, RVOL_A_RENEW, number);
	if (len)
		rvolnl_put(&nl, RVOL_A_AHEAD, ahead, len);
	must(number ? "a next socket" : "a link");
	close(theirs);
}

static void hang_up(int which)
{
	if (peer[which] >= 0)
		close(peer[which]);
	peer[which] = -1;
}

static void say(int which, uint8_t kind, uint32_t number)
{
	const struct wire_link_msg m = { kind, number };
	uint8_t bytes[WIRE_HEADER];

	wire_put_link(bytes, &m);
	check(send(peer[which], bytes, sizeof(bytes), MSG_NOSIGNAL) == sizeof(bytes), "sending");
}

/* The next message on it is that. */
static bool hears(int which, uint8_t kind)
{
	struct pollfd p = { .fd = peer[which], .events = POLLIN };
	struct wire_link_msg m;
	uint8_t bytes[WIRE_HEADER];

	if (poll(&p, 1, WAIT_MS) != 1 ||
	    recv(peer[which], bytes, sizeof(bytes), MSG_WAITALL) != sizeof(bytes))
		return false;
	return wire_get_link(bytes, &m) == 0 && m.kind == kind && m.renewal == renewal;
}

static bool is_quiet(int which)
{
	struct pollfd p = { .fd = peer[which], .events = POLLIN };

	return poll(&p, 1, 100) == 0;
}

/* It is closed from there, perhaps behind something else. */
static bool ends(int which)
{
	struct pollfd p = { .fd = peer[which], .events = POLLIN };
	uint8_t bytes[WIRE_HEADER];

	while (poll(&p, 1, WAIT_MS) == 1)
		if (recv(peer[which], bytes, sizeof(bytes), 0) <= 0)
			return true;
	return false;
}

static bool becomes(bool up, uint32_t renewing)
{
	for (int i = 0; i < WAIT_MS / 10; i++) {
		const struct rvol_link_info *l = link_now();

		if ((l != NULL) == up && (!l || l->renewing == renewing))
			return true;
		usleep(10000);
	}
	return false;
}

static bool stays_up(void)
{
	usleep(100000);
	return link_now() != NULL;
}

/* ---- the steps ---- */

enum step { LINK, GREETED, SENDS, READS, FINISHED };

static void go_to(const char *what, enum step step)
{
	row = what;
	renewal++;
	hand_over(OLD, 0, NULL, 0);
	check(becomes(true, 0), "the link is up");
	if (step < GREETED)
		return;
	hand_over(NEXT, renewal, NULL, 0);
	check(hears(OLD, WIRE_LINK_READY), "READY");
	if (step < SENDS)
		return;
	say(OLD, WIRE_LINK_READY, renewal);
	check(hears(OLD, WIRE_LINK_SWITCH), "SWITCH");
	if (step < READS)
		return;
	say(OLD, WIRE_LINK_SWITCH, renewal);
	check(hears(NEXT, WIRE_LINK_SWITCHED), "SWITCHED");
	if (step < FINISHED)
		return;
	say(NEXT, WIRE_LINK_SWITCHED, renewal);
	check(ends(OLD), "the old socket is closed");
	check(becomes(true, 0), "it is over");
	check(link_now() && link_now()->renewed == 1, "it is counted");
}

static void let_go(void)
{
	hang_up(OLD);
	hang_up(NEXT);
	check(becomes(false, 0), "the link is gone");
}

static void sockets_end(void)
{
	go_to("the way through", FINISHED);
	check(stays_up(), "the link is up");
	let_go();
	go_to("next ends before the switch", GREETED);
	hang_up(NEXT);
	check(becomes(true, 0), "the link goes on without it");
	say(OLD, WIRE_LINK_READY, renewal);
	check(is_quiet(OLD) && stays_up(), "READY is stale");
	renewal++;
	hand_over(NEXT, renewal, NULL, 0);
	check(hears(OLD, WIRE_LINK_READY), "READY of another");
	let_go();
	go_to("next ends, and the other side has another already", GREETED);
	say(OLD, WIRE_LINK_READY, renewal + 1);
	hang_up(NEXT);
	check(becomes(true, 0), "the link goes on without it");
	renewal++;
	hand_over(NEXT, renewal, NULL, 0);
	check(hears(OLD, WIRE_LINK_READY) && hears(OLD, WIRE_LINK_SWITCH), "both at once");
	let_go();
	go_to("next ends after the switch", SENDS);
	hang_up(NEXT);
	check(becomes(false, 0) && ends(OLD), "the link is down");
	let_go();
	go_to("next ends after both", READS);
	hang_up(NEXT);
	check(becomes(false, 0), "the link is down");
	let_go();
	go_to("old ends before the switch", GREETED);
	hang_up(OLD);
	check(becomes(false, 0) && ends(NEXT), "the link is down");
	let_go();
	go_to("old ends after one switch", SENDS);
	hang_up(OLD);
	check(becomes(false, 0) && ends(NEXT), "the link is down");
	let_go();
	go_to("old ends after both", READS);
	hang_up(OLD);
	check(stays_up(), "the link goes on");
	say(NEXT, WIRE_LINK_SWITCHED, renewal);
	check(becomes(true, 0), "it is over");
	let_go();
}

static void orders(void)
{
	struct wire_link_msg switched = { .kind = WIRE_LINK_SWITCHED, .renewal = 0 };
	uint8_t bytes[WIRE_HEADER];

	go_to("READY before the next socket", LINK);
	say(OLD, WIRE_LINK_READY, renewal);
	check(is_quiet(OLD), "it waits");
	hand_over(NEXT, renewal, NULL, 0);
	check(hears(OLD, WIRE_LINK_READY) && hears(OLD, WIRE_LINK_SWITCH), "both at once");
	let_go();
	go_to("READY of another", GREETED);
	say(OLD, WIRE_LINK_READY, renewal + 1);
	check(is_quiet(OLD) && stays_up(), "it is ignored");
	let_go();
	/* SWITCHED was read together with the greeting, and a second renewal follows at once */
	go_to("what was read ahead", LINK);
	switched.renewal = renewal;
	wire_put_link(bytes, &switched);
	hand_over(NEXT, renewal, bytes, sizeof(bytes));
	check(hears(OLD, WIRE_LINK_READY), "READY");
	say(OLD, WIRE_LINK_READY, renewal);
	check(hears(OLD, WIRE_LINK_SWITCH), "SWITCH");
	check(is_quiet(NEXT), "nothing of the next socket is read yet");
	say(OLD, WIRE_LINK_SWITCH, renewal);
	check(hears(NEXT, WIRE_LINK_SWITCHED) && ends(OLD), "it is over");
	hang_up(OLD);
	peer[OLD] = peer[NEXT];
	renewal++;
	hand_over(NEXT, renewal, NULL, 0);
	check(hears(OLD, WIRE_LINK_READY), "READY of the second");
	let_go();
}

static void breaks(const char *what, enum step step, int which, uint8_t kind, uint32_t add)
{
	go_to(what, step);
	say(which, kind, renewal + add);
	check(becomes(false, 0), "the link is down");
	let_go();
}

int main(void)
{
	peer[OLD] = peer[NEXT] = -1;
	if (rvolnl_open(&nl) < 0) {
		printf("not ok: the module is not loaded\n");
		return 1;
	}
	make_resource();
	sockets_end();
	orders();
	breaks("SWITCH without next", LINK, OLD, WIRE_LINK_SWITCH, 0);
	breaks("SWITCH without READY", GREETED, OLD, WIRE_LINK_SWITCH, 0);
	breaks("SWITCH of another", SENDS, OLD, WIRE_LINK_SWITCH, 1);
	breaks("SWITCHED before SWITCH", SENDS, OLD, WIRE_LINK_SWITCHED, 0);
	breaks("two SWITCHes", READS, NEXT, WIRE_LINK_SWITCH, 0);
	breaks("SWITCHED twice", FINISHED, NEXT, WIRE_LINK_SWITCHED, 0);
	breaks("SWITCHED out of nothing", LINK, OLD, WIRE_LINK_SWITCHED, 0);
	rvolnl_begin(&nl, RVOL_CMD_RESOURCE_DEL, uuid);
	rvolnl_flag(&nl, RVOL_A_FORCE);
	must("its end");
	printf("%u checks, %u failures\n", checks, failures);
	return failures != 0;
}
