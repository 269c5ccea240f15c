/* SPDX-License-Identifier: GPL-2.0-or-later */
/* verify.h - sdsd volume verify, a verb of volume.c's table. */
#ifndef SDSD_CLI_VERIFY_H
#define SDSD_CLI_VERIFY_H

#define VERIFY_ARGS "<name> [--repair | --from NODE] [--quiet]"
#define VERIFY_HELP                                                                                \
	"  --repair     what is wrong is fetched again from the others, where more than half\n"    \
	"               of three copies or more agree\n"                                           \
	"  --from NODE  the copy there is right: what differs from it is fetched again\n"          \
	"  --quiet      says nothing while it waits\n\n"                                           \
	"At 40 MiB/s at most. What differs is looked at again while writes are held back for\n"    \
	"a moment. Exit status 1 when copies differ in the end. Of three copies the one that is\n" \
	"not like the others is named. While a copy is repaired it is not in sync, and the\n"      \
	"volume must not be open on its node. The property sds/scrub-every has copies compared\n"  \
	"by themselves.\n\n"                                                                       \
	"Example: sdsd volume verify db"

int volume_verify(int argc, char **argv);

#endif
