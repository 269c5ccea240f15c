/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel_resource.h - one resource whose mirror runs in the kernel module: it is
 * given to the module and taken from it, its questions are carried to consensus,
 * its links opened and handed over. The module's status is the state; what is
 * here is only what this process must remember beside it. Plane's thread.
 * plane_kernel.c makes and ends it. Files: kernel_resource.c (life),
 * kernel_plan.c (the next step), kernel_steps.c (what is said to the module),
 * kernel_job.c (what may block), kernel_freeze.c, kernel_link.c, kernel_renew.c.
 */
#ifndef SDSD_REPLICATION_KERNEL_RESOURCE_H
#define SDSD_REPLICATION_KERNEL_RESOURCE_H

#include "replication/kernel_job.h"
#include "replication/plane_loop.h"

#define KERNEL_STEPS_MAX 64       /* in one turn */
#define KERNEL_LOOK_AGAIN_MS 1000 /* after a status that could not be read */
#define KERNEL_ENDING_MS 200      /* the module ends it: looked at again after */
#define KERNEL_BUSY_MS 500        /* it was opened just when it was to be deleted */
#define KERNEL_YIELD_MS 500       /* it was told to hand over: told again after */
#define KERNEL_HAND_MS 10         /* a link that cannot be handed over yet: again after */
#define KERNEL_GRACE_MS 3000      /* copies that knocked at a former life have to knock again */

struct kernel_plane {       /* what the resources of a plane share */
	struct plane plane; /* first */
	struct kernel_port *port;
	char dev_dir[64]; /* "/dev" */
	struct payload_pool payloads;
	bool lost; /* the module is not there: looked for again */
	uv_poll_t events;
	uv_timer_t retry, sweep;
	int handles;         /* of these three, open */
	struct disk sweeper; /* for the job that deletes orphans */
	struct kernel_sweep *sweeping;
	u32 n_left;        /* by the last sweep, since they were open */
	u8 (*defined)[16]; /* what this node is to have */
	size_t n_defined;
	bool told; /* defined is valid */
};

/* The next socket of a link that the module has. */
struct kernel_renewal {
	struct link *link; /* in user space: until it is handed over */
	bool greeted;
	u64 greeted_at;
	u32 number;     /* 0: none is under way */
	u32 renewed;    /* how often the link was, when it began */
	u64 not_before; /* one did not succeed */
	bool said;      /* and was logged */
};

struct kernel_dial {       /* a link we want to have, to a slot, for pulls or to knock */
	struct link *link; /* in user space: until it is handed over; a knock for good */
	bool greeted;      /* both ways */
	u64 greeted_at;
	bool in_kernel; /* the module has it, as seen last */
	u8 to;
	struct link_pace pace;
	char said[128]; /* the reason that was logged last */
	struct kernel_renewal renewal;
};

struct kernel_accepted { /* a link that another node has opened to the own copy */
	bool used;
	struct link *link; /* NULL: the module has it */
	bool greeted;
	u64 greeted_at;
	u32 number;
	u8 slot, purpose;
	struct kernel_renewal renewal;
};

struct kernel_ask {       /* of consensus; 0: nothing is asked */
	u64 token;        /* the plane's */
	u64 kernel_token; /* the module's */
	struct rvol_record proposed;
};

struct kernel_resource {
	struct plane_item item;
	struct kernel_plane *env;
	struct plane_resource r;
	struct kernel_view view; /* while l.there: as read last */
	struct kernel_local l;
	struct kernel_job *job; /* under way */
	struct disk worker;     /* whose jobs they are */
	struct kernel_ask boot, read, cas;
	struct repl_record booted_with;
	struct plane_freeze *freezing; /* begun: answered when it holds, or will not */
	struct plane_status told;      /* as reported last */
	char error[256];               /* of the last failed step; "" none */
	u32 retry_ms;
	u64 look_at;  /* the status could not be read: again then */
	u64 yield_at; /* told last */
	u64 grace_until;
	u64 mended_at, mend_ms; /* as of a volume */
	char lost_flush[64];    /* what was wrong with it */
	u32 bad_pages;          /* as logged */
	bool served;            /* an application has it, as logged */

	struct turn_item settle;
	uv_timer_t timer;
	struct kernel_dial dial[KERNEL_DIALS];
	int knock_slot; /* where we knock, or did */
	struct kernel_accepted accepted[REPL_ACCEPTED_MAX];
	u32 next_link;                  /* number for an accepted one */
	struct payload_account account; /* of what comes over links in user space */

	bool leaving; /* the plane stops: the module goes on alone */
	bool closed;
	void (*removed)(void *arg);
	void *removed_arg;
};

/* NULL: no memory. It goes on by itself. index: of its plane_item */
struct kernel_resource *kernel_resource_new(struct kernel_plane *env,
					    const struct plane_resource *r, u32 index);
void kernel_resource_set(struct kernel_resource *k, const struct plane_resource *r);
/* out of the module, open or not; removed is called when it is, k is freed after it */
void kernel_resource_remove(struct kernel_resource *k, void (*removed)(void *arg), void *arg);
/* stays in the module; removed as above */
void kernel_resource_leave(struct kernel_resource *k, void (*removed)(void *arg), void *arg);
void kernel_resource_status(struct kernel_resource *k, struct plane_status *ret);
void kernel_resource_record(struct kernel_resource *k, u64 token, const struct repl_record *now);
void kernel_resource_cas(struct kernel_resource *k, u64 token, bool accepted,
			 const struct repl_record *now);
/* the module's status has changed, or the module is gone or there again */
void kernel_resource_event(struct kernel_resource *k);

/* between the files of the resource; settle looks at everything at the end of the turn */
void kernel_settle_soon(struct kernel_resource *k);
int kernel_ask_module(struct kernel_resource *k, const struct kernel_request *q, struct err *err);
struct kernel_request kernel_request_of(const struct kernel_resource *k, enum rvol_cmd cmd);
void kernel_plane_lost(struct kernel_plane *env, const char *why); /* plane_kernel.c */

/* shown until the next success, logged once; the step is tried again */
void kernel_failed(struct kernel_resource *k, const char *what, const char *why);

/* kernel_steps.c: the steps of these names */
void kernel_ask_boot(struct kernel_resource *k);
void kernel_ask_read(struct kernel_resource *k);
void kernel_ask_cas(struct kernel_resource *k);
void kernel_boot(struct kernel_resource *k);
void kernel_set_options(struct kernel_resource *k);
void kernel_heal(struct kernel_resource *k, bool on, u64 now);
void kernel_yield(struct kernel_resource *k, u64 now);
void kernel_abandon(struct kernel_resource *k, u64 now);

/* kernel_link.c */
u8 kernel_links_judge(struct kernel_resource *k, struct link *l, const struct wire_greeting *g);
void kernel_links_settle(struct kernel_resource *k, u64 now);
void kernel_links_seen(struct kernel_resource *k, u64 now);     /* the view is new */
u64 kernel_links_due(const struct kernel_resource *k, u64 now); /* UINT64_MAX: nothing */
void kernel_links_peers(struct kernel_resource *k, const struct plane_resource *old);
void kernel_links_end(struct kernel_resource *k);    /* those in user space */
void kernel_links_forget(struct kernel_resource *k); /* the module has none any more */
bool kernel_links_knocked(const struct kernel_resource *k);
/* Its socket goes to the module with q, which has the rest of what LINK_ADD needs. -EAGAIN: again
 * in a moment. *ret_gone: l is not there any more */
int kernel_link_give(struct kernel_resource *k, struct link *l, struct kernel_request *q,
		     bool *ret_gone, struct err *err);
u32 kernel_dial_number(const struct kernel_resource *k, const struct kernel_dial *d);
struct link_target kernel_dial_target(const struct kernel_resource *k, const struct kernel_dial *d);

/* kernel_freeze.c */
void kernel_freeze(struct kernel_resource *k, struct plane_freeze *f);
void kernel_thaw(struct kernel_resource *k, struct plane_freeze *f);
void kernel_freeze_seen(struct kernel_resource *k);                  /* the view is new */
void kernel_freeze_drop(struct kernel_resource *k, const char *why); /* it will not hold */
/* the module should have said by then whether it holds; UINT64_MAX: nobody waits */
u64 kernel_freeze_due(const struct kernel_resource *k);

/* kernel_renew.c */
u8 kernel_renewal_judge(struct kernel_resource *k, struct link *l, const struct wire_greeting *g);
void kernel_renewals_settle(struct kernel_resource *k, u64 now);
u64 kernel_renewals_due(const struct kernel_resource *k, u64 now);
void kernel_renewal_drop(struct kernel_renewal *n); /* its link has gone, or goes */

#endif
