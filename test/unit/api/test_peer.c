// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_peer.c - requests to single nodes: how many are under way at a time, and how many
 * connections are kept for the next ones (api/peer.c).
 */
#include "api/peer.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/apilab.h"

TestSuite(peer, .timeout = 60);

struct counts {
	int called, reached;
};

static void count(int http, json *doc, void *arg)
{
	struct counts *c = arg;

	c->called++;
	c->reached += http != 0;
}

static void add_node(struct apilab *l, const char *name, int port)
{
	struct node n = world_node(name, 0);
	uint32_t id;

	snprintf(n.address, sizeof(n.address), "127.0.0.1");
	n.port = port;
	cr_assert_eq(WORLD(&l->w, change_node_add, &n, &id), 0, "%s", l->w.err.text);
}

static void ask(struct apilab *l, const char *node, int n, int deadline_ms, struct counts *c)
{
	for (int i = 0; i < n; i++)
		peer_call(l->a, node, "GET", "/", NULL, deadline_ms, count, c);
}

/* takes connections, and says nothing on them */
static int silent_port(int *ret_fd)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);

	*ret_fd = socket(AF_INET, SOCK_STREAM, 0);
	cr_assert_eq(bind(*ret_fd, (struct sockaddr *)&at, len), 0);
	cr_assert_eq(listen(*ret_fd, PEER_CALLS_MAX), 0);
	cr_assert_eq(getsockname(*ret_fd, (struct sockaddr *)&at, &len), 0);
	return ntohs(at.sin_port);
}

static bool are_called(struct apilab *l, void *arg)
{
	return ((struct counts *)arg)->called == 3;
}

static bool all_are_called(struct apilab *l, void *arg)
{
	return ((struct counts *)arg)->called == PEER_CALLS_MAX;
}

Test(peer, so_many_are_under_way_and_more_are_not_reached)
{
	static struct apilab l;
	struct counts first = { 0 }, more = { 0 }, own = { 0 };
	int fd, port = silent_port(&fd);

	apilab_open(&l, APILAB_LEADS);
	add_node(&l, "n2", port);
	ask(&l, "n2", PEER_CALLS_MAX, 1500, &first);
	ask(&l, "n2", 2, 1500, &more);
	ask(&l, "n1", 1, 1500, &more);
	cr_expect_eq(more.called, 0, "not inside of the call");
	apilab_until(&l, are_called, &more, 1000);
	cr_expect_eq(more.reached, 0);
	cr_expect_eq(first.called, 0, "those before them go on");
	apilab_until(&l, all_are_called, &first, 10000);
	cr_expect_eq(first.reached, 0, "nobody has answered");
	ask(&l, "n1", 3, 1500, &own);
	cr_expect_eq(own.called, 0, "not inside of the call, though it is known already");
	apilab_until(&l, are_called, &own, 1000);
	cr_expect_eq(own.reached, 3, "there is room again");
	close(fd);
	apilab_close(&l);
}

static int open_sockets(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *e;
	char to[64];
	int n = 0;

	cr_assert(dir);
	while ((e = readdir(dir)) != NULL) {
		ssize_t len = readlinkat(dirfd(dir), e->d_name, to, sizeof(to));

		n += len > 7 && memcmp(to, "socket:", 7) == 0;
	}
	closedir(dir);
	return n;
}

static bool all_came(struct apilab *l, void *arg)
{
	return l->n_came >= *(int *)arg;
}

static bool few_are_open(struct apilab *l, void *arg)
{
	return open_sockets() <= *(int *)arg;
}

Test(peer, so_many_connections_are_kept)
{
	static struct apilab l;
	struct counts c = { 0 };
	int n = 3 * PEER_IDLE_MAX, before, kept;

	apilab_open(&l, APILAB_LEADS);
	add_node(&l, "n2", apilab_port(&l));
	before = open_sockets();
	ask(&l, "n2", n, 10000, &c);
	apilab_until(&l, all_came, &n, 10000);
	cr_expect_geq(open_sockets(), before + 2 * n, "one connection for each, of two ends");
	apilab_answer_all(&l, 200, "{}");
	kept = before + 2 * PEER_IDLE_MAX;
	apilab_until(&l, few_are_open, &kept, 5000);
	cr_expect_eq(open_sockets(), kept);
	cr_expect_eq(c.reached, n);

	/* and they are used */
	ask(&l, "n2", PEER_IDLE_MAX, 10000, &c);
	n += PEER_IDLE_MAX;
	apilab_until(&l, all_came, &n, 10000);
	cr_expect_leq(open_sockets(), kept);
	apilab_answer_all(&l, 200, "{}");
	apilab_close(&l);
	cr_expect_eq(c.called, n);
}
