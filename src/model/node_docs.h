/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * node_docs.h - the documents of a node in the store: found by its name, and dropped together.
 * For the change functions of this folder only.
 */
#ifndef SDSD_MODEL_NODE_DOCS_H
#define SDSD_MODEL_NODE_DOCS_H

#include "model/change.h"

/* Noted as read; key: of the document, *ret: it, the caller's. -E_NOT_FOUND */
int node_docs_read(struct change_env *env, struct txn *t, const char *name, char key[STORE_KEY_MAX],
		   json **ret, struct err *err);
/* its name as it is written there */
int node_docs_find(struct change_env *env, struct txn *t, const char *name,
		   char out[NAME_MAX_LEN + 1], struct err *err);
/* Deletes its own, and all that is there only with it: pools, promises, leftovers, connections.
 * Whether it may go is the caller's to check. */
int node_docs_drop(struct change_env *env, struct txn *t, const char *name, struct err *err);

#endif
