/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * recover.h - a cluster again from one node, when the majority of its voters is lost for ever. The
 * node becomes the only server of its Raft log, with all that its log holds; the others are given
 * up: RECOVER_JSON says which ones, and becomes the first transaction of the new cluster
 * (change_cluster_recover, founding.h):
 *   {"node":"n1","at_ms":...,"lost":[{"name":"n2","id":2}]}
 * Called by the command line, never while a daemon runs on the directory. docs/raft.md
 */
#ifndef SDSD_CLUSTER_RECOVER_H
#define SDSD_CLUSTER_RECOVER_H

#include "base/json.h"
#include "cluster/identity.h"

#define RECOVER_JSON "recover.json"
#define RECOVER_JSON_MAX (256u << 10)

/* What there is, as this node knew it last: {"node","cluster","applied":index of the last change,
 * "others":[names],"here":[resources whose data is here],"elsewhere":[those whose data is not]}.
 * The caller's. -ENOENT, -EBUSY as identity.h; -E_INVALID: it is the only node, or knows of none;
 * -E_CORRUPT */
int recover_look(const char *dir, json **ret, struct err *err);
/* Does it, and looks before. Again after an interruption: the same. */
int recover_force(const char *dir, json **ret, struct err *err);

#endif
