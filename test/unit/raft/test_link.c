// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_link.c - what others may send to the Raft port: garbage, wrong ids,
 * half greetings, an early end.
 */
#include "support/raftcluster.h"

#include <errno.h>

#include "raft/instance.h"

static struct cluster cl;

static void teardown(void)
{
	cluster_release(&cl);
}

TestSuite(link, .fini = teardown, .timeout = 60);

struct caller {
	const uint8_t *data;
	size_t len;
	bool open, closed, close_early;
	char heard[64];
	size_t heard_len;
};

static void caller_open(struct conn *c, void *owner)
{
	struct caller *k = owner;

	k->open = true;
	if (k->len)
		conn_write(c, k->data, k->len);
	if (k->close_early)
		conn_close(c);
}

static void caller_data(struct conn *c, const uint8_t *data, size_t len, void *owner)
{
	struct caller *k = owner;

	for (size_t i = 0; i < len && k->heard_len < sizeof(k->heard); i++)
		k->heard[k->heard_len++] = (char)data[i];
}

static void caller_close(struct conn *c, const struct err *reason, void *owner)
{
	((struct caller *)owner)->closed = true;
}

static const struct conn_ops caller_ops = {
	.on_open = caller_open,
	.on_data = caller_data,
	.on_close = caller_close,
};

static bool caller_closed(struct cluster *c, void *arg)
{
	return ((struct caller *)arg)->closed;
}

static bool caller_heard(struct cluster *c, void *arg)
{
	return ((struct caller *)arg)->heard_len > 0;
}

static struct conn *call(struct caller *k, const char *alpn)
{
	struct conn *c = conn_connect_tls(&cl.loop, cl.nodes[1].tls, alpn, "127.0.0.1",
					  listener_port(cl.nodes[0].listener), &caller_ops, k);

	cr_assert(c);
	return c;
}

#define ADDRESS_128                                                        \
	"0123456789012345678901234567890123456789012345678901234567890123" \
	"012345678901234567890123456789012345678901234567890123456789:123"

Test(link, greetings)
{
	/* node 2 calls node 1 */
	static const struct {
		const char *name, *data;
		size_t len;
		bool ok;
	} rows[] = {
		{ "right", "SRFT\1\0\5\0\2\0\0\0a:123", 17, true },
		{ "longest", "SRFT\1\0\x7f\0\2\0\0\0" ADDRESS_128, 12 + 127, true },
		{ "garbage", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27, false },
		{ "zeros", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 17, false },
		{ "newer version", "SRFT\2\0\5\0\2\0\0\0a:123", 17, false },
		{ "another's id", "SRFT\1\0\5\0\3\0\0\0a:123", 17, false },
		{ "id 0", "SRFT\1\0\5\0\0\0\0\0a:123", 17, false },
		{ "no address", "SRFT\1\0\0\0\2\0\0\0", 12, false },
		{ "address too long", "SRFT\1\0\x80\0\2\0\0\0" ADDRESS_128 "x", 12 + 128, false },
		{ "address of 64 KiB", "SRFT\1\0\xff\xff\2\0\0\0a:123", 17, false },
		{ "no port", "SRFT\1\0\5\0\2\0\0\0aa123", 17, false },
		{ "blank in it", "SRFT\1\0\5\0\2\0\0\0a :12", 17, false },
		{ "NUL in it",
		  "SRFT\1\0\5\0\2\0\0\0a:\0"
		  "12",
		  17, false },
		{ "more than a greeting", "SRFT\1\0\5\0\2\0\0\0a:123x", 18, false },
	};

	cluster_init(&cl, 2);
	cluster_bootstrap(&cl);
	node_start(&cl.nodes[0]);
	cluster_leader(&cl);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct caller k = { .data = (const uint8_t *)rows[i].data, .len = rows[i].len };
		struct conn *c = call(&k, ALPN_RAFT);

		if (rows[i].ok) {
			cr_expect(cluster_until(&cl, caller_heard, &k, 3000), "row '%s'",
				  rows[i].name);
			cr_expect_eq(k.heard[0], '+');
			conn_close(c);
		}
		cr_expect(cluster_until(&cl, caller_closed, &k, 3000), "row '%s' not closed",
			  rows[i].name);
		cr_expect(k.open);
		cr_expect_eq(k.heard_len > 0, rows[i].ok, "row '%s'", rows[i].name);
	}
	cluster_put(&cl.nodes[0], "a/1", 1);
}

Test(link, half_greetings_and_early_ends)
{
	cluster_init(&cl, 2);
	cluster_bootstrap(&cl);
	node_start(&cl.nodes[0]);
	cluster_leader(&cl);
	for (size_t len = 0; len <= 17; len++) {
		struct caller k = { .data = (const uint8_t *)"SRFT\1\0\5\0\2\0\0\0a:123",
				    .len = len,
				    .close_early = true };

		call(&k, ALPN_RAFT);
		cr_expect(cluster_until(&cl, caller_closed, &k, 5000), "%zu bytes", len);
	}
	cluster_put(&cl.nodes[0], "a/1", 1);
}

Test(link, silence_and_bad_frames_end_a_link)
{
	struct caller silent = { 0 };
	struct caller noisy = {
		.data = (const uint8_t *)"SRFT\1\0\5\0\2\0\0\0a:123",
		.len = 17,
	};
	struct conn *c;

	cluster_init(&cl, 2);
	cluster_bootstrap(&cl);
	node_start(&cl.nodes[0]);
	cluster_leader(&cl);
	c = call(&noisy, ALPN_RAFT);
	cr_assert(cluster_until(&cl, caller_heard, &noisy, 3000));
	/* a message whose length cannot be */
	conn_write(c, "\1\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", 16);
	cr_expect(cluster_until(&cl, caller_closed, &noisy, 5000));
	/* says nothing at all */
	call(&silent, ALPN_RAFT);
	cr_expect(cluster_until(&cl, caller_closed, &silent, LINK_GREET_MS + 3 * LINK_TICK_MS));
	cluster_put(&cl.nodes[0], "a/1", 1);
}

Test(link, a_peer_that_is_someone_else_is_refused)
{
	struct cluster_node *leader;

	cluster_init(&cl, 3);
	cluster_bootstrap(&cl);
	node_start(&cl.nodes[0]);
	leader = cluster_leader(&cl);
	node_start(&cl.nodes[2]);
	/* node 3 answers at what is said to be node 2's address */
	memcpy(cl.nodes[1].address, cl.nodes[2].address, sizeof(cl.nodes[1].address));
	cr_assert_eq(cluster_add(leader, &cl.nodes[1]), 0);
	cr_assert_eq(cluster_assign(leader, 2, CONSENSUS_STANDBY), 0);
	cluster_run(&cl, 600);
	cr_expect_eq(store_applied(cl.nodes[2].store), 0);
	cr_expect_eq(consensus_servers(cl.nodes[2].consensus, NULL, 0), 0);
	cluster_put(leader, "a/1", 1);
}

Test(link, a_large_entry_and_many_pass)
{
	struct cluster_node *leader;
	char pad[200001] = "";

	cluster_init(&cl, 2);
	cluster_bootstrap(&cl);
	node_start(&cl.nodes[0]);
	node_start(&cl.nodes[1]);
	leader = cluster_leader(&cl);
	memset(pad, 'x', 200000);
	/* all this is sent at once when the second one comes: more than LINK_QUEUE_HIGH */
	for (int i = 0; i < 30; i++) {
		struct txn *t = txn_new("", "");
		char key[32];

		for (int k = 0; k < 4; k++) {
			json *doc = scratch_doc(k);

			jset_str(doc, "pad", pad);
			snprintf(key, sizeof(key), "k/%d-%d", i % 3, k);
			txn_put(t, key, doc);
		}
		cr_assert_eq(cluster_propose(leader, t, NULL), 0);
	}
	cr_assert_eq(cluster_add(leader, &cl.nodes[1]), 0);
	cr_assert_eq(cluster_assign(leader, 2, CONSENSUS_STANDBY), 0);
	cluster_put(leader, "k/end", 1);
	cluster_converge(&cl);
	cluster_expect_equal(&cl);
	/* the first heartbeats of a voter stand behind what is left of the stream: on a machine
	 * with much else to do the leader may lose an election over it */
	for (int i = 0; cluster_assign(cluster_leader(&cl), 2, CONSENSUS_VOTER) != 0; i++)
		cr_assert_lt(i, 5);
	cluster_put(cluster_leader(&cl), "k/end", 2);
}
