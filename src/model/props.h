/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * props.h - the free properties of objects: a flat map of paths to texts, as
 * LINSTOR's clients set them, with the same rules for every object that has some.
 * A key loses slashes at its ends and double ones ("/a//b" is "a/b"); numbers and
 * booleans become texts; null is as if it were not there. Limits: PROPS_MAX,
 * PROP_KEY_MAX, PROP_VALUE_MAX. Pure. what: "resource db", for the sentence.
 */
#ifndef SDSD_MODEL_PROPS_H
#define SDSD_MODEL_PROPS_H

#include "base/json.h"
#include "model/limits.h"

/* -E_BAD_PROP: nothing is left of it, or more than PROP_KEY_MAX bytes */
int props_key(const char *raw, char out[PROP_KEY_MAX + 1]);
/* *ret: a new, checked map made of given (NULL: empty). -E_BAD_PROP */
int props_new(const char *what, json *given, json **ret, struct err *err);
/* Applies delete_namespaces, delete_props and override_props of body, in this order, to doc's
 * "props", which is replaced only when all of it is valid. -E_BAD_PROP */
int props_modify(const char *what, json *doc, json *body, struct err *err);
/* the same for an object that may have up to max of them */
int props_modify_max(const char *what, json *doc, json *body, int max, struct err *err);

/* An object's own properties and those of all it inherits from, the nearest first */
enum props_level {
	PROPS_VOLUME,
	PROPS_VOLUME_DEFINITION,
	PROPS_RESOURCE, /* LINSTOR's word for a replica */
	PROPS_RESOURCE_DEFINITION,
	PROPS_VOLUME_GROUP,
	PROPS_RESOURCE_GROUP,
	PROPS_POOL,
	PROPS_NODE,
	PROPS_CONTROLLER,
	PROPS_LEVELS
};

struct props_chain {
	json *level[PROPS_LEVELS]; /* borrowed maps; NULL: not of this object, or it has none */
};

/* The effective value: of the first level from *from on that has one; *from becomes the one after
 * it, so that who cannot use the value asks for the next. NULL: none. Borrowed. */
const char *props_value(const struct props_chain *c, const char *key, enum props_level *from);

#endif
