// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * change_record.c - the record {epoch, writer, in-sync set, tag} of a resource:
 * protocol.md's CAS. Called by the API for the nodes' data planes. Whether a
 * change of the set is wise is the data plane's business; here is what must
 * hold whatever it asks for.
 */
#include "model/change.h"

#include <stdio.h>
#include <string.h>

struct slots {
	uint32_t used;     /* has a replica */
	uint32_t copies;   /* with a disk whose files (of volume 0) were made */
	uint32_t deleting; /* or inactive */
	int maker;         /* filesystem_maker */
	struct replica replica[REPLICAS_MAX];
	int n;
	struct err *err;
};

static int collect(const char *key, json *doc, uint64_t revision, void *arg)
{
	struct slots *s = arg;
	struct replica r;
	uint32_t bit;
	int rv;

	rv = replica_parse(doc, &r, s->err);
	if (rv < 0)
		return rv;
	bit = 1u << r.slot;
	s->used |= bit;
	if (!r.diskless && (r.made & 1u))
		s->copies |= bit;
	if (r.deleting || r.inactive)
		s->deleting |= bit;
	if (s->n < REPLICAS_MAX)
		s->replica[s->n++] = r;
	return 0;
}

static int check_next(const char *resource, const struct slots *s, const struct record *present,
		      const struct record *next, struct err *err)
{
	uint32_t joining = next->in_sync & ~present->in_sync;

	if (next->in_sync == 0)
		return err_set(err, -E_INVALID, "resource %s: the set of copies in sync is empty",
			       resource);
	if (next->in_sync & ~s->copies)
		return err_set(err, -E_INVALID,
			       "resource %s: in_sync 0x%x has slots without a copy (copies 0x%x)",
			       resource, next->in_sync, s->copies);
	if (joining & s->deleting)
		return err_set(err, -E_INVALID,
			       "resource %s: in_sync 0x%x takes in copies that are being deleted "
			       "or not served (0x%x)",
			       resource, next->in_sync, joining & s->deleting);
	if (next->writer != WRITER_NONE &&
	    (next->writer < 0 || next->writer >= REPLICAS_MAX || !(s->used & (1u << next->writer))))
		return err_set(err, -E_INVALID, "resource %s: writer %d has no replica", resource,
			       next->writer);
	return 0;
}

static int read_slots(struct change_env *env, struct txn *t, const char *resource, struct slots *s,
		      struct err *err)
{
	char prefix[STORE_KEY_MAX], low[NAME_MAX_LEN + 1];
	struct err why = { 0 };
	int rv;

	s->err = &why;
	name_key(resource, low);
	snprintf(prefix, sizeof(prefix), "replica/%s/", low);
	rv = txn_list(t, env->store, prefix, collect, s);
	if (rv < 0)
		return err_set(err, rv, "%s: %s", prefix, why.code ? why.text : err_name(rv));
	s->maker = filesystem_maker(s->replica, s->n);
	return 0;
}

int change_record(struct change_env *env, struct txn *t, const char *resource, const char *uuid,
		  const struct record *next, struct record *ret_present, struct err *err)
{
	char key[STORE_KEY_MAX];
	struct slots s = { 0 };
	struct record present;
	json *doc = NULL;
	int rv;

	record_key(resource, key, sizeof(key));
	rv = txn_get(t, env->store, key, &doc);
	if (rv == -E_NOT_FOUND || (rv == 0 && strcmp(jget_str(doc, "uuid", ""), uuid) != 0)) {
		rv = err_set(err, -E_NOT_FOUND, "resource %.60s (%.36s): there is no such resource",
			     resource, uuid);
		goto put;
	}
	if (rv < 0)
		return err_set(err, rv, "%s: %s", key, err_name(rv));
	rv = record_parse(doc, &present, err);
	if (rv < 0)
		goto put;
	*ret_present = present;
	if (present.epoch >= EPOCH_LAST || next->epoch != present.epoch + 1) {
		rv = err_set(err, -E_CONFLICT, "resource %s: the record is at epoch %u, not %u",
			     resource, present.epoch, next->epoch - 1);
		goto put;
	}
	if ((rv = read_slots(env, t, resource, &s, err)) < 0 ||
	    (rv = check_next(resource, &s, &present, next, err)) < 0)
		goto put;
	/* Who opens it before its file system is made would find nothing, or be written over. */
	if (next->writer != WRITER_NONE && next->writer != present.writer &&
	    next->writer != s.maker && (rv = change_filesystem_gate(env, t, resource, err)) < 0)
		goto put;
	record_write(doc, next);
	txn_put(t, key, doc);
	return 0;
put:
	json_object_put(doc);
	return rv;
}
