/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel_plan.h - what to do next about a resource of the kernel module, which
 * links to open for it, and what its status is in the plane's words. Pure:
 * configuration x what the module shows x what this process knows.
 * kernel_resource.c takes the step and asks again.
 */
#ifndef SDSD_REPLICATION_KERNEL_PLAN_H
#define SDSD_REPLICATION_KERNEL_PLAN_H

#include "replication/core/repl.h"
#include "replication/kernel_nl.h"
#include "replication/plane.h"

enum kernel_step {
	KERNEL_IDLE,         /* as it should be */
	KERNEL_WAIT,         /* something else must happen first */
	KERNEL_LOOK,         /* read its status */
	KERNEL_GONE,         /* it was to go, and the module does not have it */
	KERNEL_ATTACH,       /* check the files, make it, add its volumes */
	KERNEL_CHECK,        /* it was there before us: are its devices those of this replica? */
	KERNEL_ASK_BOOT,     /* what the record is (R14) */
	KERNEL_BOOT,         /* it is known */
	KERNEL_DELETE,       /* nobody has it open; attached anew afterwards */
	KERNEL_DELETE_FORCE, /* open or not */
	KERNEL_VOLUMES,      /* look for volumes that are new or have grown */
	KERNEL_SET,          /* copies and options */
	KERNEL_ASK_READ,     /* the record, for the module */
	KERNEL_ASK_CAS,
	KERNEL_HEAL_ON,
	KERNEL_HEAL_OFF,
	KERNEL_YIELD,
	KERNEL_ABANDON,
	KERNEL_STEPS
};
const char *kernel_step_name(enum kernel_step step); /* "attach" */

/* whether the devices that the module has are those of the replica that is wanted */
enum kernel_check { KERNEL_UNCHECKED, KERNEL_OURS, KERNEL_FOREIGN };

struct kernel_local {
	u64 now;
	bool lost;     /* the module is not there */
	bool removing; /* the resource is to go */
	bool busy;     /* a worker makes or deletes it */
	bool looking;  /* a worker looks at its devices, which may hang: only workers' steps wait */
	bool known;    /* the view is what the module shows now */
	bool there;    /* the module has it */
	u64 retry_at;  /* attaching, deleting and checking are not tried before */
	enum kernel_check check;
	bool stale; /* the configuration has another disk than what was attached */
	bool made;  /* in this life: it has to be booted */
	bool boot_asked, boot_known;
	u64 read_asked, cas_asked; /* tokens of the module that consensus was asked for already */
	bool volumes_due;
	bool options_set; /* once in this life, and they are still these: */
	u32 copies;
	enum plane_read_policy read_policy;
	bool handover;
	enum plane_copy_writes copy_writes;
	bool below_discards;
	bool knocked;   /* a copy that is out of sync waits at our door */
	u64 heal_at;    /* not before */
	u64 release_at; /* not before, when only the record is to be put right; 0: not planned */
	u64 release_by; /* closed a moment ago: deleted when it is released, or then */
	u64 mend_at;    /* its disk has failed: attached again then; 0: not planned */
	bool flush_lost;
	bool failed_before; /* its disk had failed when this life found it: a restart tries it */
	bool mending;       /* it is being attached again after that */
	u32 failures;       /* as of plane_status */
	u64 away_since;     /* requests wait as for VOLUME_AWAY_MS; 0: none */
	bool yielded;       /* since the view was read */
};

enum kernel_step kernel_next(const struct plane_resource *r, const struct kernel_view *v,
			     const struct kernel_local *l);

/* the slots that may be members, as the module is to have them: a copy that it does not have yet
 * is none */
u32 kernel_copies(const struct plane_resource *r, const struct kernel_view *v);
/* it is to be deleted and attached anew as soon as nobody has it open any more */
bool kernel_waits_for_close(const struct plane_resource *r, const struct kernel_view *v,
			    const struct kernel_local *l);
/* The own copy takes no part since its disk has failed. */
bool kernel_disk_failed(const struct kernel_view *v);
/* which failure of the own disk it was: after a flush nothing that is read back proves anything */
bool kernel_flush_failed(const struct kernel_view *v);
/* it is tried again by itself, else somebody has to restart the daemon */
bool kernel_mends(const struct plane_resource *r, const struct kernel_local *l);
/* requests wait for what may never come: a volume that was handed over, a set without a copy */
bool kernel_away(const struct kernel_view *v);
/* some application has a volume of it open, be it for reading */
bool kernel_open(const struct kernel_view *v);

/* links can be opened and taken; otherwise those that are there stay as they are */
bool kernel_takes_links(const struct plane_resource *r, const struct kernel_view *v,
			const struct kernel_local *l);
#define KERNEL_DIAL_PULL PLANE_SLOTS
#define KERNEL_DIAL_KNOCK (PLANE_SLOTS + 1)
#define KERNEL_DIALS (PLANE_SLOTS + 2)
/* links to have, there or not: mask of slots and of the two above */
u32 kernel_links_wanted(const struct plane_resource *r, const struct kernel_view *v,
			const struct kernel_local *l);
/* mask of those that the module has */
u32 kernel_links_up(const struct kernel_view *v);

/* why: what is to be told when it is not up; "" nothing special */
void kernel_status(const struct plane_resource *r, const struct kernel_view *v,
		   const struct kernel_local *l, const char *why, struct plane_status *ret);
bool kernel_status_same(const struct plane_status *a, const struct plane_status *b);

/* between the module's words and the core's */
void kernel_put_record(struct rvol_record *to, const struct repl_record *from);
void kernel_get_record(struct repl_record *to, const struct rvol_record *from);
/* A proposal was answered: it is in force, though another try of it may have been the one that
 * won (a daemon that ended before the answer came had asked before us). */
bool kernel_accepted(const struct rvol_record *proposed, bool accepted,
		     const struct repl_record *now);

#endif
