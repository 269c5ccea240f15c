// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * plane.c - copies of what a plane is told. Used by those that fill a
 * plane_resource (agent/) and by planes, which keep it longer than the call.
 */
#include "replication/plane.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

static void *sure(void *memory)
{
	if (!memory) {
		log_error("plane", "out of memory");
		abort(); /* as mailbox_post does: what is lost here would be missed for ever */
	}
	return memory;
}

static char *copy_text(const char *text)
{
	return text ? sure(strdup(text)) : NULL;
}

void plane_resource_copy(struct plane_resource *dst, const struct plane_resource *src)
{
	*dst = *src;
	dst->mark_path = copy_text(src->mark_path);
	dst->volume = NULL;
	if (src->n_volumes == 0)
		return;
	dst->volume = sure(calloc((size_t)src->n_volumes, sizeof(*dst->volume)));
	for (int i = 0; i < src->n_volumes; i++) {
		dst->volume[i] = src->volume[i];
		dst->volume[i].data_path = copy_text(src->volume[i].data_path);
		dst->volume[i].meta_path = copy_text(src->volume[i].meta_path);
		dst->volume[i].socket_path = copy_text(src->volume[i].socket_path);
	}
}

void plane_resource_release(struct plane_resource *r)
{
	for (int i = 0; i < r->n_volumes; i++) {
		free(r->volume[i].data_path);
		free(r->volume[i].meta_path);
		free(r->volume[i].socket_path);
	}
	free(r->volume);
	free(r->mark_path);
	r->volume = NULL;
	r->mark_path = NULL;
	r->n_volumes = 0;
}
