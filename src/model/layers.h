/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * layers.h - what a resource is made of, in LINSTOR's words: DRBD (which stands for the
 * replication) over STORAGE, with or without LUKS between them; or NVME over STORAGE, one copy
 * that its clients reach by NVMe over TCP. Chosen when it is created.
 */
#ifndef SDSD_MODEL_LAYERS_H
#define SDSD_MODEL_LAYERS_H

#include "base/json.h"

enum layers { LAYERS_UNSAID, LAYERS_PLAIN, LAYERS_LUKS, LAYERS_NVME, LAYERS_NVME_LUKS };

/* A list of names, or of {"type"}, in any case; NULL and [] say nothing. -E_BAD_LAYERS for layers
 * that we could only ignore. */
int layers_parse(json *list, enum layers *ret, struct err *err);
json *layers_doc(bool nvme, bool encrypted); /* a new list */
bool layers_encrypted(enum layers l);
bool layers_nvme(enum layers l);

#endif
