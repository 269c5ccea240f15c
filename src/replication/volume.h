/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * volume.h - one resource on the plane's thread: owns its mirror (core/), its
 * links, and of each of its volumes the devices of the own copy and the NBD
 * server, and carries out what the mirror emits. plane_user.c makes and ends
 * it. Files: volume.c (life, status), volume_run.c (mirror calls and effects),
 * volume_disk.c (devices), volume_link.c (links), volume_open.c (the NBD side),
 * volume_freeze.c, volume_heal.c, volume_mend.c.
 */
#ifndef SDSD_REPLICATION_VOLUME_H
#define SDSD_REPLICATION_VOLUME_H

#include "replication/disk.h"
#include "replication/link.h"
#include "replication/meta_file.h"
#include "replication/nbd.h"
#include "replication/plane_loop.h"
#include "replication/volume_times.h"

#define VOLUME_RX_MAX \
	(64u << 20) /* payload bytes of links that nobody has used up: above what a
				     * writer has under way, so a member is never held back */
#define VOLUME_ACCEPTED_MAX REPL_ACCEPTED_MAX
#define VOLUME_OPEN_DEADLINE_MS 15000
#define VOLUME_IN_USE_MS 4000       /* another writer heard for so long: the open is refused */
#define VOLUME_LAG_HIGH (16u << 20) /* bytes waiting for a link: it lags; no longer below LOW */
#define VOLUME_LAG_LOW (4u << 20)
#define VOLUME_PROGRESS_TICKS 10 /* a resync's progress is reported so often */
#define VOLUME_DIALS (REPL_SLOTS_MAX + 2)
#define VOLUME_DIAL_PULL REPL_SLOTS_MAX
#define VOLUME_DIAL_KNOCK (REPL_SLOTS_MAX + 1)

struct volume;

struct volume_env {         /* what the volumes of a plane share */
	struct plane plane; /* first */
	struct payload_pool payloads;
	u32 link_number; /* next for an accepted link */
};

enum volume_state {
	VOLUME_ATTACHING, /* a worker opens the files and reads the metadata */
	VOLUME_BOOTING,   /* the record is being read (R14) */
	VOLUME_UP,
	VOLUME_FAILED, /* the disk cannot be attached: error, and tried again */
	VOLUME_ENDING, /* waits for disk jobs and NBD clients to end */
	VOLUME_STATES
};

struct volume_ask { /* a question to consensus */
	struct volume_ask *next;
	u64 token; /* the plane's */
	u64 id;    /* the mirror's */
	bool boot; /* the volume's own */
};

struct volume_dial { /* a link we want to have, to a slot or for pulls */
	struct link *link;
	bool up;
	bool lags;
	u8 to;
	struct link_pace pace;
	char said[128]; /* the reason that was logged last */
	u64 renew_at;   /* a renewal did not succeed: not before */
	bool renew_said;
};

/* A volume of the resource: the devices of the own copy, and where it is served. */
struct volume_part {
	struct volume *whole;
	u32 number;
	bool attached;  /* its devices are open */
	u64 size_bytes; /* of the own copy, by its label */
	struct disk disk;
	bool data_written, meta_written; /* since the flush that was begun last */
	struct nbd *nbd;
	bool nbd_closing;
	bool opening, opened; /* an NBD client waits / some are inside */
};

/* a flush of all parts, answered to the mirror as one */
struct volume_flush {
	u64 id;
	u32 left;
	int status;
};

/* The application's writes are held for a moment: volume_freeze.c. */
enum volume_freeze_state {
	VOLUME_THAWED,
	VOLUME_FREEZING, /* writes that were under way are waited for */
	VOLUME_FROZEN
};

struct volume_freeze {
	enum volume_freeze_state state;
	u64 token;                  /* of the last one; 0: none yet */
	u64 until;                  /* ends then */
	u32 members;                /* FROZEN: the set when it began to hold */
	const char *lapsed;         /* why the last one has ended without a thaw; NULL */
	u32 writing;                /* writes and flushes of NBD clients that the mirror has */
	struct plane_freeze *asked; /* FREEZING: to be answered */
};

struct volume_done {
	u64 id;
	int status;
	repl_buf buf;
};

struct volume {
	struct repl_sink sink; /* first: emit() gets this */
	struct volume_env *env;
	struct plane_item item;
	struct plane_resource r;
	enum volume_state state;
	bool has_disk;
	char error[256];            /* why not up, or what is wrong with the NBD socket */
	struct repl_mirror *mirror; /* NULL unless BOOTING or UP */
	struct volume_part *part[PLANE_VOLUMES]; /* by number; 0 is always there */
	struct volume_flush data_flush, meta_flush;
	struct volume_call *call;        /* a worker has it: attaches, or sees what has grown */
	bool look_again;                 /* the configuration changed meanwhile */
	struct payload_account rx, data; /* of links; of NBD and the disk */

	struct turn_item settle;
	uv_timer_t tick, dial_timer, retry, deadline, mend;
	int open_timers;
	bool ticking;
	u32 ticks;
	u32 retry_ms;

	struct volume_done *done; /* completions not delivered yet; grows to what is under way */
	u32 n_done, done_cap;
	bool changed; /* REPL_CHANGED since the last settle */

	struct volume_dial dial[VOLUME_DIALS];
	u8 pull_slot;  /* wanted by the mirror */
	u8 knock_slot; /* where an own copy that is out of sync knocks */
	struct link *accepted[VOLUME_ACCEPTED_MAX];
	struct volume_ask *asks;

	u64 in_use_since;     /* opening: another writer has been heard since; 0: none */
	u64 away_since;       /* requests wait as for VOLUME_AWAY_MS; 0: none */
	bool opening, opened; /* an NBD client of some part waits / some are inside */
	bool opened_mirror;   /* repl_mirror_open was called and not closed */
	bool healing;         /* for no client: a copy knocks to be brought in sync */
	u64 heal_at;          /* not before */
	u64 release_at;       /* not before, when only the record is to be put right */
	u64 change_by;        /* closed, and next waits: until it is released, or then */
	bool cut;             /* clients are being shown out */

	struct volume_freeze freeze;
	struct plane_io io;

	/* volume_mend.c */
	char sick[96];   /* which operation of the own disk has failed; "" none */
	bool flush_lost; /* a flush was among them: stays until the daemon is restarted */
	bool mending;    /* attached again after a failure: it has to take a flush first */
	u64 mend_at;     /* 0: nothing has failed */
	u64 mended_at;   /* tried last */
	u64 mend_ms;
	u32 failures;  /* as of plane_status */
	u32 bad_pages; /* of the epoch map, as logged */

	bool restart; /* after ENDING begin again, with next */
	/* a configuration that waits for the volume to be closed here, or to have ended */
	struct plane_resource *next;
	void (*removed)(void *arg);
	void *removed_arg;
};

/* NULL: no memory. It goes on by itself. index: of its plane_item */
struct volume *volume_new(struct volume_env *env, const struct plane_resource *r, u32 index);
void volume_set(struct volume *v, const struct plane_resource *r);
/* removed is called when its disk jobs are done (not inside the call); v is freed after it */
void volume_remove(struct volume *v, void (*removed)(void *arg), void *arg);
void volume_status(const struct volume *v, struct plane_status *ret);
void volume_record(struct volume *v, u64 token, const struct repl_record *r);
void volume_cas(struct volume *v, u64 token, bool accepted, const struct repl_record *r);
/* an accepted link's greeting; see link_set.judge */
u8 volume_judge(struct volume *v, struct link *l, const struct wire_greeting *g);

/* between the files of the volume ------------------------------------------------ */

static inline bool volume_up(const struct volume *v)
{
	return v->state == VOLUME_UP;
}
void volume_report(struct volume *v); /* the status differs: tell, coalesced */
void volume_check_ended(struct volume *v);
void volume_closed_here(struct volume *v);            /* the last NBD client has left */
void volume_change_settle(struct volume *v, u64 now); /* up: its disk changes, if that waits */
void volume_attach_again(struct volume *v);           /* as for another disk; nobody has it open */

/* volume_disk.c */
void disks_attach(struct volume *v); /* volume_attached follows */
void disks_look(struct volume *v);   /* what is new or has grown, while it is up */
void disks_done(struct disk_job *job, void *owner);
void disks_effect(struct volume *v, const struct repl_effect *e);
bool disks_busy(const struct volume *v);
void disks_release(struct volume *v); /* nothing is busy */
/* volume.c */
void volume_attached(struct volume *v, const struct meta_file *home /* NULL: failed */,
		     const char *why);
struct volume_part *volume_part_new(struct volume *v, u32 number);

/* volume_run.c */
void volume_out_of_memory(const struct volume *v) __attribute__((noreturn));
void volume_emit(struct repl_sink *sink, const struct repl_effect *e);
u64 volume_enter(struct volume *v); /* before a mirror call: the time */
void volume_on_settle(struct turn_item *item);
void volume_on_tick(uv_timer_t *timer);
void volume_ask_boot(struct volume *v);
void volume_forget_asks(struct volume *v);
void volume_settle_soon(struct volume *v);

/* volume_link.c */
void links_settle(struct volume *v, u64 now);
void links_pull(struct volume *v, u8 slot); /* REPL_PULL_LINK */
void links_close(struct volume *v, u32 number);
struct link *links_find(struct volume *v, u32 number);
void links_end(struct volume *v);           /* all, nothing is reported */
bool links_knocked(const struct volume *v); /* a copy out of sync waits at our door */
void links_peers_changed(struct volume *v, const struct plane_resource *old);

/* volume_freeze.c */
void freeze_begin(struct volume *v, struct plane_freeze *f);
void freeze_thaw(struct volume *v, struct plane_freeze *f);
void freeze_settle(struct volume *v, u64 now);
void freeze_forget(struct volume *v);                /* the mirror ends */
static inline bool freeze_on(const struct volume *v) /* nothing is written for clients */
{
	return v->freeze.state != VOLUME_THAWED;
}

/* volume_heal.c */
void heal_settle(struct volume *v, u64 now);
void heal_later(struct volume *v);     /* it was just closed, or begins */
u64 heal_time(const struct volume *v); /* when it will be settled; UINT64_MAX: no need */

/* volume_mend.c */
void mend_note(struct volume *v, const struct disk_job *job); /* it has failed */
void mend_settle(struct volume *v, u64 now);
void mend_soon(struct volume *v); /* the configuration changed: perhaps what was wrong */
void mend_on_timer(uv_timer_t *timer);
bool mend_failed(const struct volume *v);    /* the own copy takes no part */
bool mend_by_itself(const struct volume *v); /* else somebody has to restart the daemon */

/* volume_open.c */
void open_mirror(struct volume *v, bool heals); /* for the copies only, else for a client */
void close_mirror(struct volume *v);
int open_listen(struct volume *v);         /* starts missing NBD servers; sets v->error */
void open_end(struct volume *v);           /* ends them; volume_check_ended follows */
bool open_listens(const struct volume *v); /* on all sockets that it is to have */
bool open_ended(const struct volume *v);
u32 open_clients(const struct volume *v);
void open_settle(struct volume *v);
void open_thawed(struct volume *v);                  /* requests that were held come again */
void open_attached(struct volume *v);                /* the volume is up */
void open_refuse(struct volume *v, const char *why); /* to who waits */
void open_on_deadline(uv_timer_t *timer);
void open_complete(struct volume *v, const struct volume_done *d);
void open_away(struct volume *v, u64 now); /* requests that wait for VOLUME_AWAY_MS fail */

#endif
