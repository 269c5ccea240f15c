/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bundle.h - a resource with its record and its replicas: what decisions about
 * it read together, and the steps that such decisions are made of. Each step
 * changes the bundle and puts the document into the transaction; the resource's
 * and the record's own documents are put by bundle_save, once.
 */
#ifndef SDSD_MODEL_BUNDLE_H
#define SDSD_MODEL_BUNDLE_H

#include "model/change.h"

struct bundle {
	struct change_env *env; /* borrowed, as t */
	struct txn *t;
	json *doc; /* owned; bundle_save puts it when dirty */
	bool dirty;
	struct resource resource;
	json *record_doc; /* owned; NULL: no copy was placed yet */
	bool record_dirty, record_gone;
	struct record record;
	struct replica replica[REPLICAS_MAX];
	int n;
	int64_t next_minor; /* for the next new volume; 0: as cluster/self says */
	/* slots, for placement: of copies that others replace, which no rule heeds */
	uint32_t discounted;
	uint32_t clients; /* and of clients that it may give a disk */
};

/* A resource that exists: reads all of it. -E_NOT_FOUND */
int bundle_load(struct change_env *env, struct txn *t, const char *name, struct bundle *b,
		struct err *err);
/* A new resource without volumes. -E_EXISTS, -E_INVALID, -E_NOT_FOUND (the group), -E_LOCKED (it is
 * to be encrypted, and there is no passphrase in this cluster) */
int bundle_make(struct change_env *env, struct txn *t, const char *name, const char *group,
		enum layers layers, json *props, struct bundle *b, struct err *err);
void bundle_release(struct bundle *b);
void bundle_save(struct bundle *b);

/* NULL when there is none */
struct replica *bundle_replica_on(struct bundle *b, const char *node);
struct replica *bundle_replica_at(struct bundle *b, int slot);
/* The replica's document as the transaction has it, and its key, to be put with what is changed of
 * it. ret: the caller's. -E_NOT_FOUND, or what the store says. */
int bundle_replica_doc(const struct bundle *b, const struct replica *r, char key[STORE_KEY_MAX],
		       json **ret, struct err *err);
int bundle_copies(const struct bundle *b); /* with a disk, not being deleted */
int bundle_wanted(const struct bundle *b); /* copies it is to have: upkeep.h sees to it */
void bundle_want(struct bundle *b, int copies);
/* copies were placed because somebody has asked for them: so many are wanted as are of use now */
void bundle_want_those(struct bundle *b);
/* -EAGAIN: this leader is new and has not heard of all nodes with a replica; "not open" would be a
 * guess. Before any of the following is believed for a removal. */
int bundle_check_heard(struct bundle *b, struct err *err);
bool bundle_in_set(const struct bundle *b, const struct replica *r); /* as the record says */
bool bundle_is_open_on(struct bundle *b, const char *node);
/* its node reports that it serves or holds the device open; an absent node is not active */
bool bundle_writer_is_active(struct bundle *b);
/* -E_IN_USE when any node of the resource reports it open; -EAGAIN as above. Before all of its
 * copies go: what its writer brings to others without being open goes, too. */
int bundle_check_closed(struct bundle *b, struct err *err);

/* bundle_volume.c; the copies there are get (or lose) the volume too, and their pools promise it.
 * Number and size are the caller's to check. */
int bundle_add_volume(struct bundle *b, int number, int64_t size_kib, json *props, struct err *err);
int bundle_grow_volume(struct bundle *b, int number, int64_t size_kib, struct err *err);
/* What the properties say of the cache of a volume of v's size; nothing where the resource
 * has none. props: the volume's own. what: "volume db/0". -E_BAD_PROP */
int bundle_cache_of(struct bundle *b, json *props, const char *what, struct volume *v,
		    struct err *err);
/* what a pool promises, more or less by so much */
struct promise;
int bundle_promise(struct bundle *b, const char *node, const char *pool, const struct promise *more,
		   struct err *err);
/* The cache that v has beside a copy in that pool is promised (1) or given back (-1); nothing
 * where it has none. -E_NO_NODES: the node cannot keep it */
int bundle_promise_cache(struct bundle *b, const char *node, const char *pool,
			 const struct volume *v, int sign, struct err *err);
/* leaves a leftover for each copy */
int bundle_drop_volume(struct bundle *b, int number, struct err *err);
json *bundle_volume_doc(const struct bundle *b, int number); /* borrowed; NULL: no such volume */
void bundle_put_leftover(struct bundle *b, const struct replica *r, const struct volume *v);
/* before its copies are made: it begins with that snapshot's content */
/* a resource that has no volumes yet */
void bundle_encrypt(struct bundle *b);
/* in place of its own: that of the snapshot it begins with */
void bundle_set_key(struct bundle *b, int number, const char *sealed);
void bundle_set_origin(struct bundle *b, int number, const struct volume_origin *o);
/* A file system is wanted on the volume, when properties ask for one and it begins with zeros. */
void bundle_want_filesystem(struct bundle *b, int number);
void bundle_write_filesystem(struct bundle *b, int number, const struct filesystem *f);
/* or as what somebody else has made */
void bundle_set_adopted(struct bundle *b, int number, const struct volume_adopted *a);
/* Nobody may have it open, and nobody may be writing to its copies. -EAGAIN, -E_IN_USE */
int bundle_check_unused(struct bundle *b, struct err *err);
/* in pool, or diskless when pool is NULL; *ret_slot may be NULL. -E_INVALID: no slot is free */
int bundle_add_replica(struct bundle *b, const char *node, const char *pool, int *ret_slot,
		       struct err *err);
/* the same, with a disk, made from the origins of the volumes */
int bundle_bear_replica(struct bundle *b, const char *node, const char *pool, int *ret_slot,
			struct err *err);
/* the first copies: makes the record with these slots in sync, and wants the file systems of the
 * volumes; later it does nothing */
void bundle_add_record(struct bundle *b, uint32_t slots);
/* anew, of a resource that has become another one */
void bundle_renew_record(struct bundle *b, uint32_t slots);
/* the replica's documents; one with a disk becomes leftovers. The record is the caller's
 * business. */
int bundle_drop_replica(struct bundle *b, struct replica *r, struct err *err);
/* It becomes another one at the same place, with a uuid of its own and nothing made; the files of
 * the former one become leftovers. */
int bundle_renew_replica(struct bundle *b, struct replica *r, bool born, struct err *err);
/* The replica loses its disk and stays: its files become leftovers, what it is promised is given
 * back. The record is the caller's business. */
int bundle_drop_disk(struct bundle *b, struct replica *r, struct err *err);
/* A client gets a disk in the pool, which promises it, and stays in its slot, whoever has it open
 * there. Its plans are put, too. */
int bundle_give_disk(struct bundle *b, struct replica *r, const char *pool, struct err *err);
/* the replica's document with its plans (replica_write_plans) as they are in r now */
int bundle_put_plans(struct bundle *b, const struct replica *r, struct err *err);
/* the resource and its volumes become others of the same names and numbers; its replicas have been
 * renewed already, the record is the caller's business */
void bundle_renew(struct bundle *b);
/* A new epoch without writer. It is a released record if it was one before: who is taken out as
 * writer has released nothing. -E_INVALID when epochs are used up */
int bundle_bump_record(struct bundle *b, uint32_t in_sync, struct err *err);
/* all replicas and the record; what is left is a definition without copies */
int bundle_drop_replicas(struct bundle *b, struct err *err);
/* all replicas and the record, and the volumes' minors: what a volume leaves behind */
int bundle_drop_all(struct bundle *b, struct err *err);

#endif
