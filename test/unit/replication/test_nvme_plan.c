// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tests of replication/nvme_plan.c: names, options, and what is next; and that whatever half-made
 * thing is found, following the steps ends as it is wanted.
 */
#include "replication/nvme_plan.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static const u8 cluster[16] = { 1 }, resource[16] = { 2 }, other[16] = { 3 };
static struct nvme_target want, seen;

#define SET(array, text) snprintf(array, sizeof(array), "%s", text)
static struct nvme_initiator iwant, iseen;

/* one volume, two hosts, all as it should be */
static void well(void)
{
	memset(&want, 0, sizeof(want));
	want.there = true;
	want.n_hosts = 2;
	SET(want.host[0], "a");
	SET(want.host[1], "b");
	want.space[0] =
		(struct nvme_space){ .there = true, .path = "/x", .uuid = "u", .size_bytes = 4096 };
	seen = want;
	seen.space[0].enabled = true;
	seen.shown = seen.port = true;
	iwant = (struct nvme_initiator){
		.there = true, .address = "10.0.0.1", .subsystem = "s", .host = "h"
	};
	iseen = iwant;
	SET(iseen.controller, "nvme0");
	SET(iseen.state, "live");
}

TestSuite(nvme_plan, .init = well);

static void expect(enum nvme_step step, int at, const char *what)
{
	int i = -1;
	enum nvme_step is = nvme_target_next(&want, &seen, &i);

	cr_expect_eq(is, step, "%s: %s, not %s", what, nvme_step_name(is), nvme_step_name(step));
	if (at >= 0)
		cr_expect_eq(i, at, "%s: at %d, not %d", what, i, at);
	well();
}

Test(nvme_plan, target)
{
	expect(NVME_IDLE, -1, "well");
	memset(&seen, 0, sizeof(seen));
	expect(NVME_MAKE, -1, "nothing there");
	seen.any_host = true;
	expect(NVME_CLOSE, -1, "open to all");
	seen.space[0].there = seen.space[0].enabled = false;
	expect(NVME_SPACE_MAKE, 0, "no volume");
	seen.space[0].enabled = false;
	SET(seen.space[0].path, "");
	expect(NVME_SPACE_MAKE, 0, "half a volume");
	SET(seen.space[0].path, "/y");
	expect(NVME_SPACE_DROP, 0, "of other data");
	SET(seen.space[0].uuid, "v");
	expect(NVME_SPACE_DROP, 0, "another volume");
	seen.space[PLANE_VOLUMES - 1].there = true;
	expect(NVME_SPACE_DROP, PLANE_VOLUMES - 1, "a volume that is deleted");
	seen.space[0].size_bytes = 0;
	expect(NVME_SPACE_TELL, 0, "not told");
	want.space[0].size_bytes = 8192;
	expect(NVME_SPACE_TELL, 0, "grown");
	seen.n_hosts = 1;
	expect(NVME_HOST_MAKE, 1, "somebody came");
	want.n_hosts = 1;
	expect(NVME_HIDE, -1, "somebody went: hidden first");
	want.n_hosts = 1;
	seen.shown = false;
	expect(NVME_HOST_DROP, 1, "then taken off the list");
	seen.shown = false;
	expect(NVME_SHOW, -1, "not shown");
	seen.shown = seen.port = false;
	expect(NVME_PORT_SET, -1, "no port");
	seen.port = false;
	expect(NVME_HIDE, -1, "on another address");
}

Test(nvme_plan, target_goes)
{
	want.there = false;
	expect(NVME_HIDE, -1, "shown");
	want.there = seen.shown = false;
	expect(NVME_HOST_DROP, 0, "hosts");
	want.there = seen.shown = false;
	seen.n_hosts = 0;
	expect(NVME_SPACE_DROP, 0, "volumes");
	want.there = seen.shown = seen.space[0].there = false;
	seen.n_hosts = 0;
	expect(NVME_DROP, -1, "empty");
	want.there = false;
	memset(&seen, 0, sizeof(seen));
	expect(NVME_IDLE, -1, "gone");
}

/* what the kernel would make of a step */
static void take(enum nvme_step step, int i)
{
	switch (step) {
	case NVME_MAKE:
		seen.there = true;
		break;
	case NVME_CLOSE:
		seen.any_host = false;
		break;
	case NVME_SPACE_MAKE:
		seen.space[i] = want.space[i];
		seen.space[i].enabled = true;
		seen.space[i].size_bytes = 0;
		break;
	case NVME_SPACE_TELL:
		seen.space[i].size_bytes = want.space[i].size_bytes;
		break;
	case NVME_SPACE_DROP:
		memset(&seen.space[i], 0, sizeof(seen.space[i]));
		break;
	case NVME_HOST_MAKE:
		SET(seen.host[seen.n_hosts++], want.host[i]);
		break;
	case NVME_HOST_DROP:
		cr_assert(!seen.shown, "a host is taken off while it may be connected");
		memmove(seen.host[i], seen.host[i + 1],
			sizeof(seen.host[0]) * (size_t)(--seen.n_hosts - i));
		break;
	case NVME_PORT_SET:
		cr_assert(!seen.shown);
		seen.port = true;
		break;
	case NVME_SHOW:
		cr_assert(seen.port && !seen.any_host);
		seen.shown = true;
		break;
	case NVME_HIDE:
		seen.shown = false;
		break;
	case NVME_DROP:
		memset(&seen, 0, sizeof(seen));
		break;
	default:
		cr_assert_fail("%s", nvme_step_name(step));
	}
}

static bool half(void)
{
	return rand() % 2;
}

static void any_target(struct nvme_target *t)
{
	memset(t, 0, sizeof(*t));
	t->there = half();
	t->port = half();
	if (!t->there)
		return;
	t->any_host = half();
	t->shown = half();
	for (char c = 'a'; c < 'e'; c++)
		if (half())
			t->host[t->n_hosts++][0] = c;
	for (int i = 0; i < 3; i++) {
		t->space[i].there = half();
		t->space[i].enabled = t->space[i].there && half();
		SET(t->space[i].path, !t->space[i].there ? "" : half() ? "/x" : "/y");
		SET(t->space[i].uuid, !t->space[i].there ? "" : half() ? "u" : "v");
		t->space[i].size_bytes = half() ? 4096 : 8192;
	}
}

Test(nvme_plan, ends_from_anywhere)
{
	for (unsigned seed = 0; seed < 5000; seed++) {
		enum nvme_step step;
		int n = 0, i;

		srand(seed);
		any_target(&want);
		any_target(&seen);
		while ((step = nvme_target_next(&want, &seen, &i)) != NVME_IDLE && n++ < 64)
			take(step, i);
		cr_assert_eq(step, NVME_IDLE, "seed %u", seed);
		cr_assert_eq(seen.there, want.there, "seed %u", seed);
		cr_assert(!want.there ||
				  (seen.shown && !seen.any_host && seen.n_hosts == want.n_hosts),
			  "seed %u", seed);
	}
}

static void expect_client(enum nvme_step step, const char *what)
{
	enum nvme_step is = nvme_initiator_next(&iwant, &iseen);

	cr_expect_eq(is, step, "%s: %s, not %s", what, nvme_step_name(is), nvme_step_name(step));
	well();
}

Test(nvme_plan, initiator)
{
	expect_client(NVME_IDLE, "live");
	iseen.there = false;
	expect_client(NVME_CONNECT, "not there");
	SET(iseen.state, "connecting");
	expect_client(NVME_WAIT, "the target is away");
	SET(iseen.state, "deleting (no IO)");
	expect_client(NVME_WAIT, "it goes");
	SET(iseen.state, "dead");
	expect_client(NVME_DISCONNECT, "given up");
	SET(iseen.address, "10.0.0.2");
	expect_client(NVME_DISCONNECT, "the node has another address");
	SET(iseen.host, "i");
	expect_client(NVME_DISCONNECT, "a former replica's");
	SET(iseen.subsystem, "t");
	expect_client(NVME_DISCONNECT, "a former copy's");
	iwant.address[0] = '\0';
	expect_client(NVME_WAIT, "nobody knows where");
	iwant.there = false;
	expect_client(NVME_DISCONNECT, "not wanted");
	iwant.there = iseen.there = false;
	expect_client(NVME_IDLE, "and gone");
}

Test(nvme_plan, names)
{
	char name[NVME_NAME_MAX], upper[NVME_NAME_MAX];
	u8 found[16];

	nvme_subsystem(cluster, "alpha", resource, name);
	nvme_subsystem(cluster, "Alpha", resource, upper);
	cr_expect_str_eq(name, upper, "a node is the same in any case");
	cr_expect(nvme_own_subsystem(name, cluster, "ALPHA", found));
	cr_expect_arr_eq(found, resource, 16);
	cr_expect(nvme_resource(name, found));
	cr_expect_arr_eq(found, resource, 16);
	cr_expect(!nvme_own_subsystem(name, cluster, "beta", found), "another node's");
	cr_expect(!nvme_own_subsystem(name, other, "alpha", found), "another cluster's");
	cr_expect(!nvme_own_host(name, cluster, "alpha", found), "no host");
	snprintf(name + strlen(name), 2, "x");
	cr_expect(!nvme_own_subsystem(name, cluster, "alpha", found), "more behind it");
	cr_expect(
		!nvme_own_subsystem("nqn.2014-08.org.nvmexpress:uuid:x", cluster, "alpha", found));
	cr_expect(!nvme_resource("nqn.2014-08.org.nvmexpress:uuid:"
				 "00000000-0000-0000-0000-000000000001",
				 found));
	cr_expect(!nvme_resource("", found));
	nvme_host(cluster, "alpha", other, name);
	cr_expect(nvme_own_host(name, cluster, "alpha", found));
	cr_expect_arr_eq(found, other, 16);
}

Test(nvme_plan, the_longest_names_fit)
{
	char name[NVME_NAME_MAX], node[49], out[NVME_OPTIONS_MAX];
	u8 found[16];

	memset(node, 'n', 48);
	node[48] = '\0';
	nvme_host(cluster, node, resource, iwant.host);
	cr_expect(nvme_own_host(iwant.host, cluster, node, found), "cut");
	nvme_subsystem(cluster, node, resource, name);
	cr_expect(nvme_own_subsystem(name, cluster, node, found), "cut");
	memcpy(iwant.subsystem, name, sizeof(name));
	SET(iwant.address, "2001:0db8:0000:0000:0000:ff00:0042:8329");
	cr_expect_eq(nvme_options(&iwant, resource, out), 0);
}

Test(nvme_plan, options)
{
	char out[NVME_OPTIONS_MAX];

	cr_expect_eq(nvme_options(&iwant, resource, out), 0);
	cr_expect_str_eq(out, "transport=tcp,traddr=10.0.0.1,trsvcid=3373,nqn=s,hostnqn=h,"
			      "hostid=02000000-0000-0000-0000-000000000000,reconnect_delay=2,"
			      "ctrl_loss_tmo=600,keep_alive_tmo=5");
}

Test(nvme_plan, address_of_a_controller)
{
	static const struct {
		const char *text, *address;
	} rows[] = {
		{ "traddr=10.0.0.1,trsvcid=3373", "10.0.0.1" },
		{ "traddr=10.0.0.1,trsvcid=3373,src_addr=10.0.0.2\n", "10.0.0.1" },
		{ "host_traddr=10.0.0.2,traddr=fe80::1\n", "fe80::1" },
		{ "0000:00:04.0", NULL },
		{ "traddr=", NULL },
		{ "", NULL },
	};

	for (size_t i = 0; i < PORT_ARRAY_SIZE(rows); i++) {
		char address[NVME_ADDRESS_MAX] = "";
		int rv = nvme_traddr(rows[i].text, address);

		cr_expect_eq(rv, rows[i].address ? 0 : -ENOENT, "%s", rows[i].text);
		cr_expect_str_eq(address, rows[i].address ? rows[i].address : "");
	}
}
