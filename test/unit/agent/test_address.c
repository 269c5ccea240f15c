// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_address.c - addresses of services, on a real interface of a network namespace, and what a
 * neighbour in another one, who knew the address elsewhere, makes of it.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/address.h"

#define TEXT_MAX 400
#define NEIGHBOUR_MS 5000

static pid_t neighbour; /* has a namespace of its own */

/* true: it has succeeded */
static bool sh(const char *fmt, ...)
{
	char command[TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	return system(command) == 0;
}

static pid_t start_neighbour(void)
{
	int ready[2];
	char c = 0;
	pid_t pid;

	cr_assert_eq(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		c = unshare(CLONE_NEWNET) == 0;
		c = write(ready[1], &c, 1) == 1;
		while (c)
			pause();
		_exit(1);
	}
	cr_assert_eq(read(ready[0], &c, 1), 1);
	cr_assert_eq(c, 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

/* own0 here, far0 there, a wire between them */
static void setup(void)
{
	if (unshare(CLONE_NEWNET) < 0 || !sh("ip link set lo up 2>/dev/null"))
		cr_skip_test("no network namespaces for who tests, or no ip");
	neighbour = start_neighbour();
	cr_assert(sh("ip link add own0 type veth peer name far0 && ip link set far0 netns %d",
		     neighbour));
	cr_assert(sh("ip address add 198.51.100.1/24 dev own0 && "
		     "ip address add 2001:db8::1/64 dev own0 nodad && ip link set own0 up"));
	cr_assert(sh("nsenter -t %d -n sh -c 'ip address add 198.51.100.2/24 dev far0 && "
		     "ip address add 2001:db8::2/64 dev far0 nodad && ip link set far0 up'",
		     neighbour));
}

static void teardown(void)
{
	if (neighbour <= 0)
		return;
	kill(neighbour, SIGKILL);
	waitpid(neighbour, NULL, 0);
}

TestSuite(address_wire, .init = setup, .fini = teardown);

static struct address parsed(const char *vip)
{
	struct service s = { 0 };
	struct address a;
	struct err err;

	snprintf(s.vip, sizeof(s.vip), "%s", vip);
	cr_assert_eq(address_of(&s, &a, &err), 0, "%s", err.text);
	return a;
}

static bool is_there(const struct address *a)
{
	bool there = false;
	struct err err;

	cr_assert_eq(address_there(a, &there, &err), 0, "%s", err.text);
	return there;
}

static bool neighbour_knows(const char *text)
{
	return sh("nsenter -t %d -n ip neigh show %s | "
		  "grep -q \"$(ip -br link show own0 | grep -o '..:..:..:..:..:..')\"",
		  neighbour, text);
}

/* The neighbour has it from a node that is dead, and is told without having asked. */
static void expect_told(const char *vip)
{
	struct address a = parsed(vip);
	struct err err;
	int ms = 0;

	cr_assert(sh("nsenter -t %d -n ip neigh replace %s lladdr 02:00:00:00:00:99 dev far0 nud "
		     "stale",
		     neighbour, a.text));
	cr_assert_not(neighbour_knows(a.text));
	cr_assert_eq(address_add(&a, &err), 0, "%s", err.text);
	cr_expect(is_there(&a));
	for (; !neighbour_knows(a.text) && ms < NEIGHBOUR_MS; ms += 20)
		usleep(20000);
	cr_expect_lt(ms, NEIGHBOUR_MS, "%s: the neighbour was not told", a.text);
	cr_expect_eq(address_add(&a, &err), 0, "again: %s", err.text);
	cr_expect_eq(address_remove(&a, &err), 0, "%s", err.text);
	cr_expect_not(is_there(&a));
}

Test(address_wire, neighbours_are_told)
{
	expect_told("198.51.100.77/24");
	expect_told("2001:db8::77/64");
}

/* No time in which the kernel looks for another one that has it. */
Test(address_wire, v6_serves_at_once)
{
	struct sockaddr_in6 at = { .sin6_family = AF_INET6 };
	struct address a = parsed("2001:db8::78/64");
	struct err err;
	int fd;

	cr_assert_eq(address_add(&a, &err), 0, "%s", err.text);
	memcpy(&at.sin6_addr, a.raw, 16);
	fd = socket(AF_INET6, SOCK_STREAM, 0);
	cr_expect_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0, "%s", strerror(errno));
	close(fd);
}

Test(address_wire, of_another_prefix_is_somebody_elses)
{
	struct address a = parsed("198.51.100.79/24");
	struct err err;

	cr_assert(sh("ip address add 198.51.100.79/32 dev own0"));
	cr_expect_eq(address_remove(&a, &err), -EADDRNOTAVAIL);
	cr_expect(strstr(err.text, "another prefix"), "%s", err.text);
	cr_expect(is_there(&a));
}

Test(address, gratuitous_arp)
{
	static const unsigned char mac[6] = { 1, 2, 3, 4, 5, 6 }, ip[4] = { 10, 0, 0, 5 };
	static const unsigned char want[ADDRESS_ARP_BYTES] = { 0, 1, 8, 0, 6,  4, 0, 1, 1, 2,
							       3, 4, 5, 6, 10, 0, 0, 5, 0, 0,
							       0, 0, 0, 0, 10, 0, 0, 5 };
	unsigned char got[ADDRESS_ARP_BYTES];

	address_arp(mac, ip, got);
	cr_expect_eq(memcmp(got, want, sizeof(want)), 0);
}

Test(address, nowhere)
{
	struct service s = { .vip = "203.0.113.77/24" };
	struct address a;
	struct err err;
	bool there = true;

	cr_assert_eq(address_of(&s, &a, &err), 0);
	cr_expect_eq(a.prefix, 24);
	cr_expect_eq(address_there(&a, &there, &err), 0);
	cr_expect_not(there);
	cr_expect_eq(address_add(&a, &err), -ENODEV);
	cr_expect(strstr(err.text, "203.0.113.77"), "%s", err.text);
	snprintf(a.interface, sizeof(a.interface), "nothere0");
	cr_expect_eq(address_add(&a, &err), -ENODEV);
	cr_expect_eq(address_remove(&a, &err), 0);
}
