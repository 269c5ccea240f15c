/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rvol.h - the nouns of the module: a resource (struct rvol) owns the mirror of
 * the shared core, its volumes (device.c, lower.c), its links (link.c) and the
 * requests under way. docs/kernel.md has the walk.
 *
 * One mutex for each resource: everything of the mirror happens between
 * rvol_enter() and rvol_leave(). What the core emits meanwhile is collected and
 * carried out by rvol_leave() after the mutex: bios of the lower devices,
 * ends of the application's bios, sends. So no lower device, no socket and no
 * application is ever waited for with the mutex held.
 */
#ifndef RVOL_H
#define RVOL_H

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/hrtimer.h>
#include <linux/kref.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/mempool.h>
#include <linux/mutex.h>
#include <linux/net.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "replication/core/mirror.h"
#include "replication/core/wire.h"
#include "uapi/rvol.h"
#include "compat.h"

#define RVOL_LAG_HIGH (16u << 20) /* bytes that wait for a link: it lags; no longer below LOW */
#define RVOL_LAG_LOW (4u << 20)
#define RVOL_QUEUE_MAX (64u << 20) /* more, and the link is given up */
#define RVOL_RX_MAX (64u << 20)    /* received payloads that are not on a disk yet */
#define RVOL_IN_USE_MS 4000        /* another writer heard for so long: the open is refused */
#define RVOL_IOS_MIN 128           /* of a resource: requests that can be had without memory */
#define RVOL_PAGES_MIN 512         /* of the module: pages of payloads, the same */
/* Of the module, the same, of what is taken in a section: as many as one resource can have under
 * way, since its answers give them back, and wait for its mutex. */
#define RVOL_OPS_MIN (REPL_REQUESTS_MAX + REPL_INFLIGHT_MAX + 128)
#define RVOL_MSGS_MIN (4 * REPL_INFLIGHT_MAX)

struct rvol;
struct rvol_link;

/* ---- buf.c: payloads, refcounted pages ---- */

struct rvol_buf {
	refcount_t ref;
	struct rvol_io *lender; /* the pages are those of its bio; NULL: they are its own */
	bool stays;             /* lent: they must not go to another copy as they are */
	u32 len;                /* bytes */
	atomic_t *account;      /* received: bytes that its resource holds; or NULL */
	u32 n_pages;
	struct page **page;  /* all but the last are full */
	struct page *few[4]; /* what page points to when these are enough */
};

static inline repl_buf buf_handle(struct rvol_buf *b)
{
	return (repl_buf)(uintptr_t)b;
}

static inline struct rvol_buf *buf_of(repl_buf h)
{
	return (struct rvol_buf *)(uintptr_t)h;
}

int buf_init(void);
void buf_exit(void);
/* May wait for other payloads to be given back, never for I/O of file systems; NULL only for a
 * payload of many pages when its list cannot be had. */
struct rvol_buf *buf_new(u32 len);
/* The same in a section, which does not wait for payloads that another section gives back. */
struct rvol_buf *buf_of_section(u32 len);
/* Of what is received: never waits; NULL: no memory now. account may be NULL. first (or NULL) is
 * its first page, taken when it succeeds. */
struct rvol_buf *buf_try(u32 len, atomic_t *account, struct page *first);
struct page *buf_page(void); /* for such a first page; NULL: none now */
void buf_page_put(struct page *page);
struct rvol_buf *buf_get(struct rvol_buf *b);
void buf_put(struct rvol_buf *b); /* NULL is fine; process context */
/* The payload of a write, its bio's pages without a copy; the bio ends when the last reference is
 * put. stays: only the own copy may have them, see buf_keep. */
struct rvol_buf *buf_lent(struct rvol_io *io, bool stays);
/* true: it was the last reference, the caller ends the bio, and before that buf_end_lent */
bool buf_put_lent(struct rvol_buf *b);
void buf_end_lent(struct rvol_buf *b);
/* From now on its bytes are the same for all copies. false: no memory. */
bool buf_keep(struct rvol_buf *b);
/* May a socket have its pages for as long as it likes? Not those of somebody else, which may change
 * when the write has ended; nor while the reserve is in use, which they would not come back to. */
bool buf_may_be_shared(const struct rvol_buf *b);
/* Are these bytes of it zeros? false of one that is lent: it is not looked at. */
bool buf_is_zeros(const struct rvol_buf *b, u32 off, u32 len);
void buf_from_bio(struct rvol_buf *b, struct bio *bio, struct bvec_iter iter);
void buf_to_bio(const struct rvol_buf *b, struct bio *bio, struct bvec_iter iter);
/* Describes len bytes from off on; at most max segments. How many were needed. */
u32 buf_segments(const struct rvol_buf *b, u32 off, u32 len, struct bio_vec *ret, u32 max);
u32 buf_n_segments(const struct rvol_buf *b, u32 off, u32 len);

/* ---- a request of the application ---- */

struct rvol_plug { /* what a task submits before it says that it is through */
	struct blk_plug_cb cb;
	struct list_head ios;
};

enum rvol_io_phase { IO_PREFLUSH = 1, IO_RANGE = 2, IO_POSTFLUSH = 4 };

struct rvol_io {
	struct llist_node incoming; /* until a section takes it; in given_back */
	struct list_head list;      /* in a plug, waiting, flying, completed, done */
	struct rvol_vol *vol;
	struct bio *bio;
	struct rvol_buf *buf; /* of a write with data; what a read brought */
	unsigned long began;  /* jiffies, for the statistics */
	u8 todo;              /* enum rvol_io_phase, still to come */
	u8 op;                /* enum repl_op */
	bool read;
	bool flying;   /* the core has it */
	bool straight; /* a lower device was asked to read into the bio */
	bool lower;    /* a lower device reads straight into the bio: it cannot end before that */
	bool ended;    /* it would have, but for that */
	int result;    /* of the step that is completed */
	blk_status_t status;
	u64 at; /* next byte of the range, and how many are left */
	u64 left;
	u32 step; /* bytes under way */

	/* not cleared */
	struct rvol_plug plug; /* of the first request in a plug */
	struct rvol_buf lent;  /* what buf points to when its pages are the bio's */
};

/* ---- volumes ---- */

struct rvol_vol_config {
	u32 number, minor;
	u64 size, copy_size;
	const char *data_path, *meta_path; /* borrowed; NULL: no copy here */
	u32 discard_bytes;
	const char *below_path; /* borrowed; NULL: the copy is not encrypted */
	u64 below_off;
	u32 block_bytes; /* at least; REPL_SECTOR or REPL_META_PAGE */
};

struct rvol_vol {
	struct rvol *r;
	u32 number, minor;
	bool has_minor;       /* it is this volume's; no longer than it is shown */
	struct gendisk *disk; /* NULL until BOOT; this and added: r->disks_lock */
	bool added;           /* the gendisk is visible */
	u64 size;             /* as shown; bytes */
	u64 copy_size;
	/* unit of a lower device, or of below, that gives space back; 0: zeros are written */
	u32 discard_bytes;
	u32 block_bytes; /* logical block */
	u32 opens;
	bool writing; /* opened for writing since it was closed last; kernels do not tell whose
		       * open is released, so the role is kept until the last of all is */
	struct lower_dev data, meta;
	struct lower_dev below; /* of an encrypted copy: what data lies on; else not open */
	u64 below_off;          /* bytes: where the content of data begins there */
	bool has_lower;
	bool data_written, meta_written; /* ended since the flush that was begun last */
	u64 n_reads, n_writes, n_flushes, n_lower_flushes;
};

/* ---- a resource ---- */

struct rvol_flush { /* a flush of the core's, of all volumes: one answer */
	u64 id;
	u32 left;
	int status;
};

/* what the metadata said when the replica was attached */
struct rvol_heads {
	struct repl_disk disk;
	u32 hot[REPL_HOT_MAX];
};

enum rvol_freeze_state {
	FREEZE_NONE,
	FREEZE_BEGUN, /* writes that were under way are waited for */
	FREEZE_DONE,  /* there are none any more */
};

struct rvol_freeze {
	enum rvol_freeze_state state; /* both locks to change it */
	u64 token;                    /* of the last one; 0: none yet */
	u64 until;                    /* ends then */
	u32 members;                  /* FREEZE_DONE: the set when it began to hold */
	const char *lapsed;           /* why the last one has ended without a THAW; NULL */
	atomic_t writing;             /* writes of the application that are under way */
	spinlock_t lock;              /* of what follows */
	struct bio_list held;         /* each with a reference to the resource */
	u32 n_held;
	struct work_struct work;
};

/* Writes of the application, by the regions that they touch; r->lock to change it. */
struct rvol_place {
	u32 begun, ended; /* how often so far; also those that have failed */
};

#define RVOL_PLACES 1024u

struct rvol_shortcut {
	u64 until; /* by the clock; 0: closed. Both: r->lock to change them */
	u32 term;  /* how often it was closed */
	/* Ticks for which it is looked at in each section whether it may be open; any context. Who
	 * only writes does not pay for it. */
	u8 wanted;
	struct rvol_place place[RVOL_PLACES];
	u64 n_long;              /* reads that went the long way; r->lock */
	struct llist_head again; /* struct shortcut that have to; any context */
	struct work_struct work;
};

/* Writes and answers that wait for a lull, see lull.c; any context, unless said otherwise. */
struct rvol_lull {
	struct kthread_worker *thread;
	struct kthread_work work; /* queued: with a reference to the resource */
	struct hrtimer timer;
	u64 since;       /* ktime_get_ns() when one was asked for; 0: none is waited for */
	atomic_t writes; /* that wait */
	u32 direct;      /* so many writes do not; about, as it is counted without a lock */
	u32 alone;       /* r->lock: what direct will be after the next one that was alone */
	u64 n_lulls, n_writes, n_full; /* r->lock: ended, with so many writes; by LULL_WRITES */
	u64 n_late;                    /* ended by the timer, its own */
};

struct rvol {
	struct repl_sink sink; /* first: emit() gets this */
	struct kref ref;
	struct list_head list; /* of all, by table.c */
	u8 uuid[RVOL_UUID_BYTES];
	char name[RVOL_NAME_MAX];
	u8 self;
	bool has_copy;
	struct repl_mirror_config config; /* for the mirror that BOOT makes */
	struct rvol_heads *heads;         /* the same; NULL afterwards, and without a copy */

	struct dentry *debug; /* its folder in debugfs */

	struct mutex disks_lock; /* while a gendisk is made or goes; taken before lock */
	struct mutex lock;       /* all below, unless said otherwise */
	struct repl_mirror *mirror;
	bool booted, ending;
	bool dropped;     /* what the mirror held of payloads, as it is not called any more */
	bool was_in_sync; /* the record at BOOT had this copy in its set */
	bool failed;      /* out of service, see fence.c; the mirror is not called */
	bool fenced;      /* and that was carried out */
	char why_failed[RVOL_NAME_MAX];
	struct rvol_vol *vol[RVOL_VOLUMES_MAX];
	u32 writers;       /* volumes that are open for writing */
	bool opened;       /* repl_mirror_open was called and not closed */
	bool close_wanted; /* when nothing is under way */
	bool healing;
	bool handover;
	u64 now; /* of this section */
	unsigned int noio;
	wait_queue_head_t opens; /* the status changed: who opens looks again */

	/* collected until rvol_leave() */
	struct bio_list lower;
	struct list_head flying;    /* struct rvol_io that the core has */
	struct list_head completed; /* struct rvol_io: a step is over */
	struct list_head done;      /* struct rvol_io */
	struct list_head waiting;   /* struct rvol_io that the core had no room for */
	bool changed;               /* something that STATUS shows */

	struct rvol_freeze freeze;
	struct rvol_shortcut shortcut;
	struct rvol_lull lull;

	u64 event;
	bool event_due; /* it could not be sent */
	u64 read_token, cas_token;
	struct repl_record cas;
	u8 pull_slot;
	u32 wants; /* slots that the writer wants a link to, as told last */
	struct rvol_flush data_flush, meta_flush;
	const char *disk_error; /* first operation of the own disk that failed, or flush */
	bool flush_failed;      /* it is one that was to make something durable */

	struct list_head links; /* struct rvol_link that are up */
	atomic_t rx_bytes;      /* of received payloads */

	/* Serving: the least seq that a member elsewhere has acknowledged; else all ones. Whatever
	 * the own disk answers beyond it is not what a write waits for: the section of the
	 * acknowledgement will find it. */
	u64 acked_elsewhere;
	bool only_copy;                /* serving, and no other copy is told of what is written */
	bool no_learner;               /* serving, and all that are told are waited for */
	u8 copy_writes;                /* enum rvol_copy */
	bool below_discards;           /* REPL_OP_DISCARD is what an application's discard is */
	struct task_struct *submitter; /* of bios in rvol_leave(): it looks at answers itself */
	atomic_t n_lower;              /* operations of lower devices under way */
	struct list_head lower_ops;    /* those of the core, oldest first; r->lock */
	struct work_struct close_work;
	struct llist_head answers;    /* struct lower_op that have ended; any context */
	struct llist_head incoming;   /* struct rvol_io that were submitted; any context */
	struct llist_head given_back; /* struct rvol_io: to be ended, not entered; any context */
	struct work_struct work;      /* takes answers, incoming, dead links */
	struct delayed_work tick;
	struct work_struct free_work;
	bool ticking;
	bool starved;  /* some link waits for memory: the next tick tries again */
	mempool_t ios; /* struct rvol_io */
};

extern struct workqueue_struct *rvol_wq;

/* resource.c */
struct rvol_config {
	u8 uuid[RVOL_UUID_BYTES];
	char name[RVOL_NAME_MAX];
	struct repl_mirror_config mirror; /* disk: see has_copy */
	bool has_copy;
	const u8 *state_page, *hot_page; /* RVOL_META_PAGE bytes each, borrowed */
	u8 state_copy, hot_copy;
};

/* All of these return 0 or a negative errno with a sentence in *ret_why (static text). Process
 * context. */
int rvol_new(const struct rvol_config *c, struct rvol **ret, const char **ret_why);
/* Takes it out of service: -EBUSY while open unless force. The caller has taken it off its list;
 * the reference that rvol_new gave is dropped. */
int rvol_end(struct rvol *r, bool force, const char **ret_why);
int rvol_boot(struct rvol *r, const struct repl_record *record, const char **ret_why);
void rvol_get(struct rvol *r);
void rvol_put(struct rvol *r);

/* is the mirror called at all? */
static inline bool rvol_live(const struct rvol *r)
{
	return r->booted && !r->ending && !r->failed;
}

int rvol_init(void);
void rvol_exit(void);                /* waits until the last resource is gone */
void rvol_work_soon(struct rvol *r); /* any context */
u64 rvol_enter(struct rvol *r);      /* the time */
void rvol_leave(struct rvol *r);
/* gives back the mutex after a look at what is there, without a section */
void rvol_unlock(struct rvol *r);
/* Something was put into answers or incoming: a section takes it, of this task's when nobody is in
 * one, else of who is. Process context. */
void rvol_kick(struct rvol *r);

/* fence.c */
/* entered: something does not hold that always must; the sentence says what */
__printf(2, 3) void rvol_fence(struct rvol *r, const char *fmt, ...);
void fence_settle(struct rvol *r);              /* entered, not in a call of the core */
void fence_effect(const struct repl_effect *e); /* in emit: it is not carried out */

/* requests.c: what the application asks, between device.c and the core */
void ios_take(struct rvol *r, u64 now);                        /* entered: what is incoming */
void io_complete(struct rvol *r, const struct repl_effect *e); /* in emit */
void io_lower_done(struct rvol *r, struct rvol_io *io);        /* entered */
void ios_settle(struct rvol *r, u64 now);                      /* entered: what is completed */
void ios_fail_waiting(struct rvol *r);                         /* entered */
void ios_fail(struct rvol *r);        /* entered: all; the core must not complete any afterwards */
void ios_end(struct list_head *done); /* not entered */
void ios_end_given_back(struct rvol *r); /* not entered */
/* By buf.c: its pages are. The caller has a reference to the resource; process context. */
void io_given_back(struct rvol_io *io);

/* freeze.c */
int freeze_init(void);
void freeze_exit(void);
void freeze_prepare(struct rvol *r);
int freeze_begin(struct rvol *r, u64 token, u32 deadline_ms, const char **ret_why); /* entered */
int freeze_thaw(struct rvol *r, u64 token, const char **ret_why);                   /* entered */
void freeze_end(struct rvol *r, const char *why); /* entered; why it lapses, or NULL */
void freeze_settle(struct rvol *r);               /* entered: has its time come? */
/* A write of the application, not entered. True: it is under way until freeze_write_over(); false:
 * it is held, and comes again by vol_submit_long(). */
bool freeze_admits(struct rvol *r, struct bio *bio);
void freeze_write_over(struct rvol *r); /* not entered */

/* lull.c */
int lull_init(void);
void lull_exit(void);
void lull_prepare(struct rvol *r);
void lull_end(struct rvol *r); /* the last user is gone; process context */
/* Something was put into answers or incoming: a section takes it soon, not necessarily at once. The
 * caller has a reference; any context. */
void lull_wait(struct rvol *r);
/* A write was put into incoming. True: it waits for a lull; false: rvol_kick. */
bool lull_takes_write(struct rvol *r);
void lull_writes_taken(struct rvol *r); /* entered: all of incoming */

/* shortcut.c */
int shortcut_init(void);
void shortcut_exit(void);
void shortcut_prepare(struct rvol *r);
/* A read of the application, not entered. False: it has to go the long way, vol_submit_long(). */
bool shortcut_read(struct rvol_vol *v, struct bio *bio);
/* entered: a request that is no read, before the core gets it, and when its outcome is known */
void shortcut_write_begins(struct rvol *r, const struct bio *bio);
void shortcut_write_ends(struct rvol *r, const struct bio *bio);
void shortcut_tick(struct rvol *r);   /* entered */
void shortcut_settle(struct rvol *r); /* entered: until when may reads go it? */
void shortcut_close(struct rvol *r);  /* entered: none may end by it from now on */

/* debugfs.c; not entered */
int debug_init(void);
void debug_exit(void);
void debug_add(struct rvol *r);
void debug_remove(struct rvol *r); /* waits for who reads or writes one of its files */

/* device.c */
int device_init(void);
void device_exit(void);
unsigned int device_major(void); /* of our volumes */
int vol_add(struct rvol *r, const struct rvol_vol_config *c, const char **ret_why);
int vol_grow(struct rvol *r, u32 number, u64 copy_size, const char **ret_why);
int vol_show(struct rvol_vol *v);  /* makes the gendisk visible; not entered */
void vol_hide(struct rvol_vol *v); /* not entered; what is open meets errors from now on */
void vol_free(struct rvol_vol *v); /* nothing uses it any more */
void vols_settle(struct rvol *r);  /* entered: sizes */
/* of the application, to one of our volumes, through the core; not entered */
void vol_submit_long(struct bio *bio);
void vol_info(const struct rvol_vol *v, struct rvol_volume *ret);

/* trim.c: in a worker. n sectors read as zeros; whole units of `unit` sectors are given back, none
 * when that is 0 */
int trim_range(struct block_device *bdev, sector_t at, u32 n, u32 unit);

/* lower.c */
int lower_init(void);
void lower_exit(void);
/* exclusively; shared: beside whoever has it */
int lower_open(struct lower_dev *d, const char *path, u64 bytes, bool shared, const char **ret_why);
void lower_close(struct rvol_vol *v);
void lower_effect(struct rvol *r, const struct repl_effect *e); /* entered */
void lower_answers(struct rvol *r, u64 now);                    /* entered: what has ended */
void lower_submit(struct bio_list *list);                       /* not entered */
/* Not entered. Until lower_release() the devices of its resource stay, and that itself; false: they
 * are given back already. */
bool lower_hold(struct rvol_vol *v);
void lower_release(struct rvol *r); /* any context */
/* how the own disk is asked for what the application reads */
blk_opf_t lower_read_flags(const struct bio *bio);
/* takes bio; an error when the devices are given back already */
void lower_read_through(struct rvol_vol *v, struct bio *bio);
/* The resource is ending: its devices are closed as soon as nothing is under way. Any context. */
void lower_close_soon(struct rvol *r);
void lower_on_close(struct work_struct *work);

/* link.c */
struct rvol_link_order {
	u32 number;
	u8 slot, purpose;
	int fd; /* the caller's socket */
	bool tls;
	const void *ahead; /* bytes already read from it, copied */
	u32 ahead_len;
	u32 renew;    /* number of the renewal: the next socket of a link that is up; 0: a link */
	u64 renew_at; /* records, see uapi/rvol.h; 0: never */
};
int links_init(void);
void links_exit(void);
int link_add(struct rvol *r, const struct rvol_link_order *o, const char **ret_why);
int link_del(struct rvol *r, u32 number);                    /* -ENOENT */
void link_send(struct rvol *r, const struct repl_effect *e); /* entered */
void link_close(struct rvol *r, u32 number);                 /* entered: the core wants it away */
void links_settle(struct rvol *r, u64 now); /* entered: lags, dead ones, those held back */
/* entered: those with something to send, for link_flush; others are left to their workers */
u32 links_take(struct rvol *r, struct rvol_link **ret, u32 max);
void links_retry(struct rvol *r);     /* entered: those that were starved */
void link_flush(struct rvol_link *l); /* not entered; gives back what links_take took */
void links_end(struct rvol *r);       /* entered: all go, nothing is reported */
bool link_is_up(const struct rvol *r, u32 number); /* entered */
u32 links_accepted(const struct rvol *r);          /* entered: mask of slots */
/* entered: the one after that, NULL: the first; NULL: that was the last */
struct rvol_link *links_next(const struct rvol *r, const struct rvol_link *after);
void link_info(const struct rvol_link *l, struct rvol_link_info *ret); /* entered */

/* status.c */
u32 rvol_wants(const struct rvol *r); /* entered: slots that the writer wants a link to */

/* netlink.c; what is said over it: netlink.h */
int netlink_init(void);
void netlink_exit(void);
/* false: no memory for it now */
bool netlink_event(const u8 uuid[RVOL_UUID_BYTES], u64 event);

#endif
