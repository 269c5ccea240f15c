/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * netif.h - further addresses of a node, beside its own, which is called "default":
 * the field "net_interfaces" of the node's document,
 * [{"name","uuid","address":"10.1.0.1","satellite_port":3366,
 *   "satellite_encryption_type":"PLAIN"|"SSL"}]. They are kept for clients and shown;
 * nodes speak to each other by their own address only.
 */
#ifndef SDSD_MODEL_NETIF_H
#define SDSD_MODEL_NETIF_H

#include "base/json.h"
#include "model/name.h"

#define NETIF_DEFAULT "default" /* the node's own address */
#define NETIF_PORT_DEFAULT 3366 /* what LINSTOR's clients take for the usual one */

/* The entry of that name (any case) in a node's document, borrowed, and its place; NULL: none. */
json *netif_find(json *node, const char *name, size_t *ret_at);
/* An entry as body (LINSTOR's NetInterface) wants it, what it is silent about as in old (NULL: a
 * new one, with that uuid). -E_INVALID */
int netif_make(const char *what, const char *name, const char *uuid, json *old, json *body,
	       json **ret, struct err *err);

#endif
