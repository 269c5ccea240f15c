/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * netlink.h - what the files of the conversation with user space share: netlink.c (the family, its
 * events), orders.c (commands), status.c (what is answered), table.c (all resources).
 */
#ifndef RVOL_NETLINK_H
#define RVOL_NETLINK_H

#include <net/genetlink.h>

#include "rvol.h"

/* netlink.c */
extern struct genl_family netlink_family;

/* orders.c */
extern const struct nla_policy order_policy[RVOL_A_MAX + 1];
int on_order(struct sk_buff *skb, struct genl_info *info); /* every command */

/* status.c */
int status_reply(struct rvol *r, struct genl_info *info, const char **ret_why);
int status_dump(struct sk_buff *skb, struct netlink_callback *cb);

/* table.c; what is found comes with a reference */
struct rvol *table_find(const u8 *uuid);
/* The first one behind that uuid, or of all. So a dump goes on where it was, whatever has come and
 * gone meanwhile. */
struct rvol *table_next(const u8 *uuid);
int table_make(const struct rvol_config *c, const char **ret_why);
int table_end(struct rvol *r, bool force, const char **ret_why);
void table_end_all(void); /* nobody gives orders any more */

#endif
