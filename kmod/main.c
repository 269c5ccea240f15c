// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * main.c - rvol.ko: replicated volumes. It ships bytes for sdsd, which decides
 * who may have what (docs/kernel.md). Starts and ends the parts in order.
 */
#include <linux/module.h>
#include <net/genetlink.h>

#include "rvol.h"

static const struct part {
	int (*init)(void);
	void (*exit)(void);
} parts[] = {
	{ buf_init, buf_exit },           { lower_init, lower_exit },
	{ shortcut_init, shortcut_exit }, { links_init, links_exit },
	{ lull_init, lull_exit },         { rvol_init, rvol_exit },
	{ freeze_init, freeze_exit },     { debug_init, debug_exit },
	{ device_init, device_exit },     { netlink_init, netlink_exit },
};

static void end_parts(size_t n)
{
	while (n > 0)
		parts[--n].exit();
}

static int __init rvol_module_init(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		int rv = parts[i].init();

		if (rv < 0) {
			end_parts(i);
			return rv;
		}
	}
	return 0;
}

static void __exit rvol_module_exit(void)
{
	end_parts(ARRAY_SIZE(parts));
}

module_init(rvol_module_init);
module_exit(rvol_module_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("replicated block volumes of sdsd");
MODULE_SOFTDEP("post: tls");
MODULE_ALIAS_GENL_FAMILY(RVOL_GENL_NAME);
