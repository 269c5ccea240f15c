/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * layers.h - what a resource is made of, in LINSTOR's words: DRBD (which stands for the
 * replication) over STORAGE, with LUKS and one of WRITECACHE and CACHE between them or not; or
 * NVME over STORAGE, one copy that its clients reach by NVMe over TCP. Chosen when it is created.
 * What is in a cache is encrypted when the volume is: LUKS is above it.
 */
#ifndef SDSD_MODEL_LAYERS_H
#define SDSD_MODEL_LAYERS_H

#include "base/json.h"

/* flags, with those that occur by name */
enum layers {
	LAYERS_UNSAID = 0,
	LAYERS_PLAIN = 1, /* something was said: DRBD and STORAGE, unless a flag says more */
	LAYERS_LUKS = LAYERS_PLAIN | 2,
	LAYERS_NVME = LAYERS_PLAIN | 4,
	LAYERS_NVME_LUKS = LAYERS_NVME | LAYERS_LUKS,
	LAYERS_WRITECACHE = LAYERS_PLAIN | 8,
	LAYERS_LUKS_WRITECACHE = LAYERS_LUKS | LAYERS_WRITECACHE,
	LAYERS_CACHE = LAYERS_PLAIN | 16, /* of what is read; never with WRITECACHE */
	LAYERS_LUKS_CACHE = LAYERS_LUKS | LAYERS_CACHE,
};

/* A list of names, or of {"type"}, in any case; NULL and [] say nothing. -E_BAD_LAYERS for layers
 * that we could only ignore. */
int layers_parse(json *list, enum layers *ret, struct err *err);
json *layers_doc(enum layers l); /* a new list */
json *layers_all(void);          /* the same of all that we know, whether they go together or not */
bool layers_has(enum layers l, enum layers what);
/* the first of wanted that l is without; NULL: none */
const char *layers_missing(enum layers l, enum layers wanted);

#endif
