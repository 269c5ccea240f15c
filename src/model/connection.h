/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * connection.h - properties of a pair of nodes, which stands for both directions.
 * Of a resource's replicas: the field "connections" of the resource's document,
 *   [{"node_a","node_b","props":{}}], only of pairs that have properties; they go
 *   with the replica.
 * Of the nodes themselves: "node-connection/<a>/<b>": {"node_a","node_b","props":{}}.
 * a comes before b in the order of their lower-case names.
 * A pair that is prepared for a live migration has CONNECTION_MIGRATION beside what allows two
 * users, so that the end of the migration takes nothing away that was set by somebody else.
 */
#ifndef SDSD_MODEL_CONNECTION_H
#define SDSD_MODEL_CONNECTION_H

#include "base/json.h"
#include "model/name.h"

#define CONNECTION_MIGRATION "sds/live-migration"

/* exchanges the two names if need be; true: it is a pair, not twice the same node */
bool connection_order(const char **a, const char **b);
/* of list (NULL: none), in either order; borrowed, NULL: it has no properties */
json *connection_find(json *list, const char *a, const char *b);
/* Has any of them this property with this value (in any case)? */
bool connection_any(json *list, const char *key, const char *value);
/* A live migration: both nodes may have the resource open, until connection_migrated. true: they
 * could not before. */
bool connection_migrate(json *resource, const char *a, const char *b);
/* What connection_migrate has set at the node's connections goes; true: there was something. */
bool connection_migrated(json *resource, const char *node);
/* Takes those with the node (b NULL), or of this pair, out of a resource's document; true: there
 * were some. */
bool connection_forget(json *resource, const char *a, const char *b);
void node_connection_key(const char *a, const char *b, char *out, size_t len);

#endif
