/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * joint.h - the data plane's simulator (test/sim) with its record kept by the
 * simulated control plane (test/raftsim): epochs decided there feed the
 * volumes here, with one seed and one time. The two worlds do not see each
 * other's headers; this is all they share.
 */
#ifndef TEST_JOINT_JOINT_H
#define TEST_JOINT_JOINT_H

#include "sim/register.h"

struct joint_stats {
	u64 decided, reads, changes, refused, elections, crashes, snapshots, membership;
};

/* A control plane with the record of a volume: so many copies, the mask of those in sync. 0 */
int joint_begin(u64 seed, struct sim_world *w, u32 copies, u32 in_sync, bool trace);
extern const struct sim_register joint_register;
/* runs until all servers agree, and ends it; adds to t. 0, or 1 and joint_failure() says why */
int joint_end(struct joint_stats *t);
const char *joint_failure(void);
u64 joint_hash(void);

#endif
