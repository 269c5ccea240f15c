// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * plane.c - what a plane is told: copies of it, for those that fill a
 * plane_resource (agent/) and for planes, which keep it longer than the call;
 * and what planes read from it.
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
		dst->volume[i].below_path = copy_text(src->volume[i].below_path);
		dst->volume[i].socket_path = copy_text(src->volume[i].socket_path);
	}
}

void plane_resource_release(struct plane_resource *r)
{
	for (int i = 0; i < r->n_volumes; i++) {
		free(r->volume[i].data_path);
		free(r->volume[i].meta_path);
		free(r->volume[i].below_path);
		free(r->volume[i].socket_path);
	}
	free(r->volume);
	free(r->mark_path);
	r->volume = NULL;
	r->mark_path = NULL;
	r->n_volumes = 0;
}

/* ---- what planes read from it ---- */

uint32_t plane_copies(const struct plane_resource *r)
{
	uint32_t copies = 0;

	for (uint32_t s = 0; s < PLANE_SLOTS; s++)
		if (r->peer[s].used && !r->peer[s].diskless && !r->peer[s].leaving)
			copies |= 1u << s;
	return copies;
}

bool plane_usable(const struct plane_resource *r, int slot)
{
	return slot >= 0 && slot < PLANE_SLOTS && slot != r->self && r->peer[slot].used;
}

bool plane_in_sync(const struct plane_resource *r, int slot)
{
	return r->in_sync & (1u << slot);
}

int plane_next_member(const struct plane_resource *r, int last)
{
	for (int i = 1; i <= PLANE_SLOTS; i++) {
		int s = (last + i) % PLANE_SLOTS;

		if (plane_in_sync(r, s) && plane_usable(r, s))
			return s;
	}
	return -1;
}

bool plane_has_disk(const struct plane_resource *r)
{
	return r->volume[0].data_path != NULL;
}

/* A member may become writer for its sake, and stays it until the copy is in sync. */
bool plane_knocks(const struct plane_resource *r)
{
	return plane_has_disk(r) && r->in_sync && !plane_in_sync(r, r->self) &&
	       (plane_copies(r) & 1u << r->self) && plane_next_member(r, PLANE_SLOTS - 1) >= 0;
}

bool plane_may_heal(const struct plane_resource *r)
{
	return plane_has_disk(r) && plane_in_sync(r, r->self) &&
	       (r->writer < 0 || r->writer == r->self);
}

bool plane_must_release(const struct plane_resource *r)
{
	return r->writer == r->self && !plane_may_heal(r) && (plane_copies(r) & ~r->in_sync);
}

bool plane_is_writer(const struct plane_resource *r)
{
	return r->writer == r->self;
}

const char *plane_heal_reason(const struct plane_resource *r, bool knocked)
{
	if (plane_must_release(r))
		return "a copy is out of sync, and this node is still the writer";
	return knocked ? "a copy is out of sync" : "this node is still the writer";
}

bool plane_same_peer(const struct plane_peer *a, const struct plane_peer *b)
{
	return a->used == b->used && a->port == b->port && strcmp(a->node, b->node) == 0 &&
	       strcmp(a->address, b->address) == 0;
}

const struct plane_volume *plane_volume_of(const struct plane_resource *r, int number)
{
	for (int i = 0; i < r->n_volumes; i++)
		if (r->volume[i].number == number)
			return &r->volume[i];
	return NULL;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool volume_replaced(const struct plane_volume *a, const struct plane_volume *b)
{
	return !b || memcmp(a->uuid, b->uuid, sizeof(a->uuid)) != 0 || a->minor != b->minor ||
	       !same_text(a->socket_path, b->socket_path) ||
	       ((a->data_path || a->number == 0) &&
		(!same_text(a->data_path, b->data_path) || !same_text(a->meta_path, b->meta_path)));
}

bool plane_replaced(const struct plane_resource *a, const struct plane_resource *b)
{
	for (int i = 0; i < a->n_volumes; i++)
		if (volume_replaced(&a->volume[i], plane_volume_of(b, a->volume[i].number)))
			return true;
	return a->self != b->self ||
	       memcmp(a->replica_uuid, b->replica_uuid, sizeof(a->replica_uuid)) != 0;
}
