// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * attach.c - see attach.h. Called by volume_disk.c, which then does the I/O
 * itself, and by kernel_attach.c, which gives the devices to the module.
 */
#include "replication/attach.h"

#include <stdio.h>
#include <unistd.h>

static void fill_peers(const struct plane_resource *r, char peer[REPL_SLOTS_MAX][META_NAME_MAX])
{
	for (u32 s = 0; s < REPL_SLOTS_MAX; s++)
		if (r->peer[s].used && !r->peer[s].diskless && (int)s != r->self)
			snprintf(peer[s], META_NAME_MAX, "%.*s", (int)META_NAME_MAX - 1,
				 r->peer[s].node);
}

static bool is_zero(const u8 uuid[16])
{
	static const u8 zero[16];

	return memcmp(uuid, zero, sizeof(zero)) == 0;
}

int attach_check_label(const struct plane_resource *r, const struct plane_volume *spec,
		       const struct meta_label *l, struct err *err)
{
	if (memcmp(l->replica, r->replica_uuid, sizeof(l->replica)) != 0)
		return err_set(err, -E_CORRUPT,
			       "the metadata belongs to another replica, of volume %u of %s",
			       l->number, l->name);
	if (l->number != (u32)spec->number ||
	    (!is_zero(spec->uuid) && memcmp(l->volume, spec->uuid, sizeof(l->volume)) != 0))
		return err_set(err, -E_CORRUPT,
			       "the metadata belongs to another volume, number %u of %s", l->number,
			       l->name);
	return 0;
}

int attach_open(struct disk *d, const struct plane_resource *r, const struct plane_volume *spec,
		u64 *ret_size_bytes, struct err *err)
{
	char peer[REPL_SLOTS_MAX][META_NAME_MAX] = { 0 };
	struct meta_label l;
	int rv = 0;

	if (d->data_fd < 0)
		rv = disk_open(d, spec->data_path, spec->meta_path, 0, err);
	if (rv == 0)
		rv = meta_file_label(d->meta_fd, &l, err);
	if (rv == 0)
		rv = attach_check_label(r, spec, &l, err);
	if (rv == 0)
		rv = meta_file_whole(d->meta_fd, &l, err);
	if (rv == 0)
		rv = disk_check_size(d, spec->data_path, l.size_bytes, err);
	fill_peers(r, peer);
	if (rv == 0)
		rv = meta_file_name_peers(d->meta_fd, peer, err);
	if (rv == 0)
		*ret_size_bytes = l.size_bytes;
	return rv;
}

int attach_flush(const struct disk *d, struct err *err)
{
	if (fdatasync(d->data_fd) == 0 && fdatasync(d->meta_fd) == 0)
		return 0;
	return err_set(err, -errno, "it cannot be flushed: %s", err_name(-errno));
}
