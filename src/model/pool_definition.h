/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pool_definition.h - what all pools of one name have in common. A definition is
 * there with the first pool of its name; a document of its own has only one that
 * was made without a pool, or that has properties:
 * "pool-definition/<name>": {"name","uuid","props":{}}
 */
#ifndef SDSD_MODEL_POOL_DEFINITION_H
#define SDSD_MODEL_POOL_DEFINITION_H

#include "model/name.h"
#include "store/store.h"

/* Is there a pool of this name (any case) on any node? out: as it is written there. */
bool pool_definition_in_use(struct store *s, const char *name, char out[NAME_MAX_LEN + 1]);
void pool_definition_key(const char *name, char *out, size_t len);

#endif
