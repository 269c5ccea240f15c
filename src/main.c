// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * main.c - one program: the daemon, the first steps of a node, and the command
 * line. The verbs that need no daemon are registered here (verbs.c); everything
 * else is found by cli/.
 */
#include "cli/cli.h"
#include "process.h"
#include "verbs.h"

int main(int argc, char **argv)
{
	process_prepare();
	verbs_register();
	return cli_main(argc, argv);
}
