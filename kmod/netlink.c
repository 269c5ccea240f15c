// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * netlink.c - the generic netlink family "rvol" (uapi/rvol.h) and its events.
 * Only the initial network namespace has it, and all of it is for CAP_NET_ADMIN
 * of the initial user namespace. What is said: orders.c; what is answered:
 * status.c.
 */
#include <linux/module.h>
#include <linux/spinlock.h>
#include <net/genetlink.h>

#include "netlink.h"

static DEFINE_RWLOCK(events_lock); /* of events_up */
static bool events_up;

#define OP(command)                                                        \
	{                                                                  \
		.cmd = command, .flags = GENL_ADMIN_PERM, .doit = on_order \
	}
static const struct genl_small_ops ops[] = {
	OP(RVOL_CMD_RESOURCE_ADD),
	OP(RVOL_CMD_RESOURCE_SET),
	OP(RVOL_CMD_RESOURCE_DEL),
	OP(RVOL_CMD_VOLUME_ADD),
	OP(RVOL_CMD_VOLUME_GROW),
	OP(RVOL_CMD_BOOT),
	OP(RVOL_CMD_RECORD),
	OP(RVOL_CMD_CAS_DONE),
	OP(RVOL_CMD_LINK_ADD),
	OP(RVOL_CMD_LINK_DEL),
	OP(RVOL_CMD_HEAL),
	OP(RVOL_CMD_YIELD),
	OP(RVOL_CMD_ABANDON),
	OP(RVOL_CMD_FREEZE),
	OP(RVOL_CMD_THAW),
	{
		.cmd = RVOL_CMD_STATUS,
		.flags = GENL_ADMIN_PERM,
		.doit = on_order,
		.dumpit = status_dump,
	},
};

static const struct genl_multicast_group groups[] = {
	{ .name = RVOL_GENL_EVENTS, .flags = GENL_MCAST_CAP_NET_ADMIN },
};

/* parallel_ops: a command that waits for a slow device's opening must not keep others from being
 * heard. netnsok is not set: no other namespace has it. resv_start_op 0: nothing that is reserved
 * is tolerated, in any command. */
struct genl_family netlink_family __ro_after_init = {
	.name = RVOL_GENL_NAME,
	.version = RVOL_GENL_VERSION,
	.maxattr = RVOL_A_MAX,
	.policy = order_policy,
	.parallel_ops = true,
	.resv_start_op = 0,
	.module = THIS_MODULE,
	.small_ops = ops,
	.n_small_ops = ARRAY_SIZE(ops),
	.mcgrps = groups,
	.n_mcgrps = ARRAY_SIZE(groups),
};

static struct sk_buff *make_event(const u8 *uuid, u64 event)
{
	struct sk_buff *skb = genlmsg_new(
		nla_total_size(RVOL_UUID_BYTES) + nla_total_size_64bit(sizeof(u64)), GFP_NOWAIT);
	void *head;

	if (!skb)
		return NULL;
	head = genlmsg_put(skb, 0, 0, &netlink_family, 0, RVOL_CMD_EVENT);
	if (!head || nla_put(skb, RVOL_A_UUID, RVOL_UUID_BYTES, uuid) < 0 ||
	    nla_put_u64_64bit(skb, RVOL_A_EVENT, event, RVOL_A_PAD) < 0) {
		nlmsg_free(skb);
		return NULL;
	}
	genlmsg_end(skb, head);
	return skb;
}

/* Memory is not waited for: the caller may be who would free some. A reader whose queue is full is
 * told so by its socket. */
bool netlink_event(const u8 uuid[RVOL_UUID_BYTES], u64 event)
{
	struct sk_buff *skb;
	bool told = true;

	read_lock(&events_lock);
	if (events_up && genl_has_listeners(&netlink_family, &init_net, 0)) {
		skb = make_event(uuid, event);
		told = skb;
		if (skb)
			genlmsg_multicast(&netlink_family, skb, 0, 0, GFP_NOWAIT);
	}
	read_unlock(&events_lock);
	return told;
}

static void set_events(bool up)
{
	write_lock(&events_lock);
	events_up = up;
	write_unlock(&events_lock);
}

int netlink_init(void)
{
	int rv = genl_register_family(&netlink_family);

	if (rv == 0)
		set_events(true);
	return rv;
}

/* The groups of a family that is gone may be another's: events end before it does. */
void netlink_exit(void)
{
	set_events(false);
	genl_unregister_family(&netlink_family);
	table_end_all();
}
