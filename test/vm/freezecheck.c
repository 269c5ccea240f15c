// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * freezecheck.c - freezes node 1 of `rvolctl` by the daemon's own netlink
 * (kernel_nl.c), as kernel_freeze.c does: what it says and reads is what the
 * module takes and shows. The resource has to be open. For guests.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "replication/kernel_nl.h"

#define TRIES 1000 /* of 10 ms */

static struct kernel_port *port;
static struct kernel_request q;
static struct err err;

static void die(const char *what)
{
	fprintf(stderr, "freezecheck: %s: %s\n", what, err.text);
	exit(1);
}

static void expect(int status, enum rvol_cmd cmd, u64 token, u32 deadline_ms)
{
	int rv;

	err = (struct err){ 0 };
	q.cmd = cmd;
	q.with = KERNEL_WITH(TOKEN) | (deadline_ms ? KERNEL_WITH(DEADLINE_MS) : 0);
	q.token = token;
	q.deadline_ms = deadline_ms;
	rv = port->request(port, &q, &err);
	if (rv == status)
		return;
	fprintf(stderr, "freezecheck: command %d, token %llu: %d, not %d\n", cmd,
		(unsigned long long)token, rv, status);
	die("refused");
}

static void wait_for(u32 flag, u64 token)
{
	struct kernel_view view;

	for (int i = 0; i < TRIES; i++) {
		if (port->status(port, q.uuid, &view, &err) < 0)
			die("no status");
		if ((view.status.flags & flag) && view.status.freeze_token == token)
			return;
		usleep(10000);
	}
	die("it does not come");
}

int main(void)
{
	int fd;

	port = kernel_nl_new();
	if (!port || port->open(port, &fd, &err) < 0)
		die("no module");
	/* as nodes_uuid() of rvolnodes.c makes it of the name v */
	q.uuid[0] = 'v';
	q.uuid[RVOL_UUID_BYTES - 1] = 1;
	expect(0, RVOL_CMD_FREEZE, 5, 9000);
	wait_for(RVOL_STATUS_FROZEN, 5);
	expect(-EBUSY, RVOL_CMD_FREEZE, 6, 9000);
	expect(-ENOENT, RVOL_CMD_THAW, 6, 0);
	expect(0, RVOL_CMD_THAW, 5, 0);
	expect(-EALREADY, RVOL_CMD_THAW, 5, 0);
	expect(0, RVOL_CMD_FREEZE, 6, 100);
	wait_for(RVOL_STATUS_LAPSED, 6);
	expect(-ETIMEDOUT, RVOL_CMD_THAW, 6, 0);
	if (!strstr(err.text, "at its deadline"))
		die("the wrong sentence");
	port->free(port);
	return 0;
}
