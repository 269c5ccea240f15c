/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * props.h - the free properties of objects: a flat map of paths to texts, as
 * LINSTOR's clients set them. Keys lose leading slashes; numbers and booleans
 * become texts. Limits: PROPS_MAX, PROP_KEY_MAX, PROP_VALUE_MAX.
 */
#ifndef SDSD_MODEL_PROPS_H
#define SDSD_MODEL_PROPS_H

#include "base/json.h"

/* *ret: a new, checked map made of given (NULL: empty). what: "resource db". -E_INVALID */
int props_new(const char *what, json *given, json **ret, struct err *err);
/* Applies override_props, delete_props and delete_namespaces of body to doc's "props", which is
 * replaced only when all of it is valid. -E_INVALID */
int props_modify(const char *what, json *doc, json *body, struct err *err);

#endif
