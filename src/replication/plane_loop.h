/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plane_loop.h - what every data plane of this daemon is made of: a thread with
 * a loop, the table of its resources, letters from and to the main loop, and the
 * links and threads for blocking work that its resources share. A plane is a
 * struct that begins with a struct plane; its plane_kind says what its resources
 * do. To add another: write a kind, and a plane_ops of the functions below.
 */
#ifndef SDSD_REPLICATION_PLANE_LOOP_H
#define SDSD_REPLICATION_PLANE_LOOP_H

#include "base/mailbox.h"
#include "replication/disk.h"
#include "replication/link.h"
#include "replication/plane.h"

#define PLANE_REPORT_MS 20  /* changes within are told once */
#define PLANE_BUCKETS 4096  /* of the tables of resources */
#define PLANE_TOKEN_BITS 40 /* a token is (index of the resource) << this | a number */

struct plane_item { /* a resource, as the plane's tables know it; embedded in it */
	struct plane *plane;
	char name[64];
	u8 uuid[16];
	u32 index;    /* below 2^24, no other resource has it */
	bool removed; /* it is ending: not found any more, its name may be in use again */
	struct plane_item *next_name, *next_uuid;
	bool report; /* on the list of changed ones */
	struct plane_item *next_report;
};

/* A freeze or a thaw that was asked for, until it is answered: plane_freeze.c. */
struct plane_freeze {
	struct plane *plane;
	bool thaw;
	char name[64];
	u8 uuid[16];
	u64 token;
	u64 until; /* freeze: its deadline, clock_boot_ns() */
	struct err err;
	plane_freeze_cb *cb;
	void *arg;
};

struct plane_kind {
	bool moves_data; /* what is written passes its thread, which so goes before nobody */
	size_t size;     /* of the struct that begins with struct plane */
	enum disk_engine (*engine)(void);
	/* Before the thread runs: everything of struct plane is there, loop included. */
	int (*open)(struct plane *p, struct err *err);
	/* the plane's thread, all below */
	struct plane_item *(*item_new)(struct plane *p, const struct plane_resource *r,
				       u32 index); /* NULL: no memory */
	void (*item_set)(struct plane_item *i, const struct plane_resource *r);
	/* removed is called when all has ended, not inside the call; i is freed after it */
	void (*item_remove)(struct plane_item *i, void (*removed)(void *arg), void *arg);
	/* the same for a plane that stops */
	void (*item_end)(struct plane_item *i, void (*removed)(void *arg), void *arg);
	void (*item_status)(struct plane_item *i, struct plane_status *ret);
	void (*item_record)(struct plane_item *i, u64 token, const struct repl_record *now);
	void (*item_cas)(struct plane_item *i, u64 token, bool accepted,
			 const struct repl_record *now);
	/* Taken until plane_freeze_done, which may be called inside, and is when i ends. */
	void (*item_freeze)(struct plane_item *i, struct plane_freeze *f);
	void (*item_thaw)(struct plane_item *i, struct plane_freeze *f);
	/* plane_ops.defined; NULL: does not matter. Of each set there is one uuid after another. */
	void (*defined)(struct plane *p, const u8 *uuids, size_t n);
	/* No resource is left. What open made is closed, then plane_closed. NULL: nothing. */
	void (*close)(struct plane *p);
	/* the thread has ended: memory, on the main loop. NULL: none */
	void (*release)(struct plane *p);
};

struct plane {
	const struct plane_kind *kind;
	uv_loop_t *main_loop;
	uv_loop_t loop; /* the plane's own */
	uv_thread_t thread;
	bool threaded;
	struct mailbox to_main, to_plane;
	struct plane_hooks hooks;
	bool stopping; /* main loop's */
	void (*stopped)(void *arg);
	void *stopped_arg;
	/* below: the plane's thread */
	struct turn turn;
	struct link_set links; /* its judge is the kind's to set */
	struct disk_pool *disks;
	char node[64];
	u32 node_id;
	u64 boot;
	u64 tokens; /* last one used */
	struct plane_item *by_name[PLANE_BUCKETS], *by_uuid[PLANE_BUCKETS];
	struct plane_item **at; /* by index; free places are NULL */
	u32 at_len, n_items;
	struct plane_item *reports;
	uv_timer_t report;
	bool ending;
};

/* PLANE_LOOP_OPS: plane_ops of all kinds, but for name and start; main loop */
int plane_start(const struct plane_kind *kind, uv_loop_t *main_loop, struct tls *tls,
		const char *cluster_uuid, const char *node, uint32_t node_id, uint64_t boot,
		const struct plane_hooks *hooks, struct plane **ret, struct err *err);
void plane_stop(struct plane *p, void (*stopped)(void *arg), void *arg);
void plane_set(struct plane *p, const struct plane_resource *r);
void plane_defined(struct plane *p, const uint8_t *uuids, size_t n);
void plane_remove(struct plane *p, const char *name, const uint8_t uuid[16],
		  void (*removed)(void *arg), void *arg);
void plane_get_status(struct plane *p, const char *name,
		      void (*cb)(const struct plane_status *s, void *arg), void *arg);
void plane_freeze(struct plane *p, const char *name, const uint8_t uuid[16], uint64_t token,
		  int deadline_ms, plane_freeze_cb *cb, void *arg);
void plane_thaw(struct plane *p, const char *name, const uint8_t uuid[16], uint64_t token,
		plane_freeze_cb *cb, void *arg);
void plane_accept(struct plane *p, struct conn *data_link);
void plane_record_read(struct plane *p, uint64_t token, const struct plane_record *now);
void plane_record_cas(struct plane *p, uint64_t token, bool accepted,
		      const struct plane_record *now);

#define PLANE_LOOP_OPS                                                                          \
	.stop = plane_stop, .set = plane_set, .defined = plane_defined, .remove = plane_remove, \
	.status = plane_get_status, .freeze = plane_freeze, .thaw = plane_thaw,                 \
	.accept = plane_accept, .record_read = plane_record_read, .record_cas = plane_record_cas

/* for kinds and their resources; the plane's thread */
void plane_item_init(struct plane_item *i, struct plane *p, const struct plane_resource *r,
		     u32 index);
struct plane_item *plane_find_uuid(struct plane *p, const u8 uuid[16]); /* NULL: none */
/* of all with that uuid, those that end too, the one after that; NULL: the first, the end */
struct plane_item *plane_next_uuid(struct plane *p, const u8 uuid[16], struct plane_item *after);
void plane_each(struct plane *p, void (*each)(struct plane_item *i)); /* those that end too */
/* asks consensus: the record, or (next not NULL) to make it that. The answer comes by item_record
 * or item_cas, with the token that is returned. */
u64 plane_ask(struct plane_item *i, const struct repl_record *next);
void plane_report(struct plane_item *i); /* its status differs: told soon, once */
/* the answer; f is not the resource's any more. fmt NULL: status is 0 */
void plane_freeze_done(struct plane_freeze *f, int status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void plane_closed(struct plane *p);
void *plane_letter(size_t size); /* zeroed, never NULL; any thread */

#endif
