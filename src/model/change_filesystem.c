// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * change_filesystem.c - the file system that a volume is born with is made once. Called
 * by the API for the node that makes it, and by change_record.c, which keeps others out
 * until then. Only the writer of the record may begin, and nobody else becomes writer
 * while it is wanted: so what is on the volume is from that node.
 */
#include "model/change.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "model/bundle.h"

static const struct volume *volume_of(const struct bundle *b, int number, const char *uuid)
{
	const struct volume *v = resource_volume(&b->resource, number);

	return v && strcasecmp(v->uuid, uuid) == 0 ? v : NULL;
}

static int load(struct change_env *env, struct txn *t, const char *resource, int number,
		const char *volume, struct bundle *b, const struct volume **ret, struct err *err)
{
	int rv = bundle_load(env, t, resource, b, err);

	if (rv < 0)
		return rv;
	*ret = volume_of(b, number, volume);
	if (*ret)
		return 0;
	bundle_release(b);
	return err_set(err, -E_NOT_FOUND, "resource %.60s: has no volume %d (%.36s) any more",
		       resource, number, volume);
}

/* whether the node is the one that has it open */
static bool is_writer(struct bundle *b, const char *node)
{
	const struct replica *r = bundle_replica_on(b, node);

	return r && b->record_doc && b->record.writer == r->slot;
}

int change_filesystem_begin(struct change_env *env, struct txn *t, const char *resource,
			    const char *node, int number, const char *volume, struct err *err)
{
	const struct volume *v;
	struct filesystem f;
	struct bundle b;
	int rv = load(env, t, resource, number, volume, &b, &v, err);

	if (rv < 0)
		return rv;
	f = v->filesystem;
	if (!filesystem_is_wanted(&f)) {
		rv = err_set(err, -E_IN_USE, "resource %s: volume %d wants no file system",
			     b.resource.name, number);
	} else if (!is_writer(&b, node)) {
		rv = err_set(err, -E_IN_USE, "resource %s: is not open on %s", b.resource.name,
			     node);
	} else {
		f.begun = true;
		f.since_ms = env->now_ms;
		bundle_write_filesystem(&b, number, &f);
		bundle_save(&b);
	}
	bundle_release(&b);
	return rv;
}

static void give_up(struct filesystem *f, const char *error)
{
	f->state = FILESYSTEM_FAILED;
	snprintf(f->error, sizeof(f->error), "%s", error);
}

int change_filesystem_done(struct change_env *env, struct txn *t, const char *resource, int number,
			   const char *volume, const char *error, struct err *err)
{
	const struct volume *v;
	struct filesystem f;
	struct bundle b;
	int rv = load(env, t, resource, number, volume, &b, &v, err);

	if (rv < 0)
		return rv;
	f = v->filesystem;
	if (filesystem_is_wanted(&f) && !error && !f.begun) {
		rv = err_set(err, -E_IN_USE, "resource %s: nobody has begun with volume %d",
			     b.resource.name, number);
	} else if (filesystem_is_wanted(&f)) {
		f.state = FILESYSTEM_MADE;
		if (error)
			give_up(&f, error);
		bundle_write_filesystem(&b, number, &f);
		bundle_save(&b);
	}
	bundle_release(&b);
	return rv;
}

int change_filesystem_gate(struct change_env *env, struct txn *t, const char *resource,
			   struct err *err)
{
	struct bundle b;
	int rv = bundle_load(env, t, resource, &b, NULL);

	if (rv < 0)
		return 0; /* a record without a definition keeps nobody out */
	for (int i = 0; i < b.resource.n_volumes && rv == 0; i++) {
		struct filesystem f = b.resource.volume[i].filesystem;

		if (!filesystem_is_wanted(&f))
			continue;
		if (env->now_ms - f.since_ms < FILESYSTEM_GATE_MS) {
			rv = err_set(err, -E_IN_USE,
				     "resource %s: the file system of volume %d is being made on "
				     "another node",
				     b.resource.name, b.resource.volume[i].number);
			continue;
		}
		give_up(&f, "it was not made in time, and another node has opened the volume");
		bundle_write_filesystem(&b, b.resource.volume[i].number, &f);
	}
	/* the record is the caller's: nothing of it was changed here */
	if (rv == 0)
		bundle_save(&b);
	bundle_release(&b);
	return rv;
}
