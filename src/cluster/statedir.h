/* SPDX-License-Identifier: GPL-2.0-or-later */
/* statedir.h - what init and join share about the state directory they fill; nobody else's. */
#ifndef SDSD_CLUSTER_STATEDIR_H
#define SDSD_CLUSTER_STATEDIR_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "model/limits.h"

#define STATEDIR_PATH_MAX (PATH_LEN_MAX + 32)

/* Makes dir (0700) and locks it for this process. */
int statedir_open(const char *dir, struct err *err);
void statedir_path(const char *dir, const char *name, char out[STATEDIR_PATH_MAX]);
bool statedir_has(const char *dir, const char *name);
/* 0; -E_EXISTS when there is a log or a store although the directory has no identity: data of a
 * former member, which nobody throws away by mistake */
int statedir_check_empty(const char *dir, struct err *err);
/* Removes the log and the store that a half-made init left. */
int statedir_wipe(const char *dir, struct err *err);
int statedir_write(const char *dir, const char *name, const struct buf *content, mode_t mode,
		   struct err *err);
int statedir_read(const char *dir, const char *name, struct buf *content, struct err *err);

/* "IP[:PORT]" -> checked literal address; NULL: the address by which peer_ip (NULL: the default
 * route) is reached, port NODE_PORT_DEFAULT. -E_INVALID with a sentence. */
#define NODE_PORT_DEFAULT 7700
int statedir_address(const char *text, const char *peer_ip, char out[ADDRESS_LEN_MAX],
		     int *ret_port, struct err *err);
/* text or, when NULL, the host name up to its first dot, checked as a node name */
int statedir_node_name(const char *text, char out[NAME_MAX_LEN + 1], struct err *err);

#endif
