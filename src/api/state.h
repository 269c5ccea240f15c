/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * state.h - what the files of api/ share: the api itself, waiting for something
 * to become true, and mutations. Nobody outside api/ includes this.
 */
#ifndef SDSD_API_STATE_H
#define SDSD_API_STATE_H

#include <uv.h>

#include "api/api.h"
#include "api/api_metrics.h"
#include "api/backlog.h"
#include "api/call.h"
#include "api/events.h"
#include "api/leader.h"
#include "model/balance.h"
#include "model/change.h"
#include "model/upkeep.h"
#include "store/history.h"

#define API_TICK_MS 1000     /* members, presence of a leader */
#define API_FAST_MS 20       /* while somebody waits */
#define API_UNSETTLED_MS 200 /* while nodes wait for their part in Raft */

struct wait;
struct walk;

/* which resources have changed, for those who do something by themselves, on the leader (survey.c)
 */
#define SURVEY_WATCHES 8
struct survey {
	struct store_watch *watch[SURVEY_WATCHES];
	bool all;             /* every resource is to be looked at */
	struct backlog names; /* those that are */
};

/* replicas marked for deletion: looked after once a second on the leader (reap.c) */
#define REAP_AT_ONCE_MAX 64 /* resources asked for in one look */

struct reaper {
	json *resources; /* those that have some: lower case -> name; owned, NULL: none */
	int at;          /* so many of them are passed over by the next look */
	int asked;       /* requests under way */
};

/* snapshots that were taken for a clone: asked after once a second on the leader (clones.c) */
struct cloner {
	uint64_t changed; /* the snapshots when they were last looked through: store_count */
	bool any;         /* there were some */
	int asked;        /* requests under way */
};

/* resources with a schedule of snapshots (schedules.c) */
struct scheduler {
	struct schedule *list;
	int64_t next_ms;
};

#define UPKEEP_CALLS_NODES 8   /* of the following about nodes: resources have their turn, too */
#define UPKEEP_CALLS_MAX 16    /* requests under way */
#define UPKEEP_LEARNING_MAX 16 /* resources whose copies are being made at a time */

/* what the cluster does by itself for each resource, on the leader (upkeep.c) */
struct upkeep {
	bool all;             /* every resource is to be looked at */
	bool looked;          /* every one was, since this node leads */
	struct backlog names; /* those that are to be looked at */
	uint64_t online;      /* which nodes answered at the last look, as one number */
	/* by name in lower case, each owned, NULL: none */
	json *notes;    /* what is waited for, of the last look */
	json *due;      /* monotonic ms: it is looked at again then, whatever has changed */
	json *learning; /* with a copy that catches up */
	json *held; /* a new copy was asked for, and does not learn yet: monotonic ms, until then */
	int asked;  /* requests under way */
};

/* pools that are to be equally full, on the leader (balance.c) */
struct balancer {
	int64_t due_ms;              /* monotonic: it is looked at again then */
	bool asked;                  /* a request is under way */
	char note[BALANCE_TEXT_MAX]; /* what is done or waited for, of the last look; "" */
};

/* users who have shown what this node does not know (access_wait.c) */
struct door {
	int waiting;              /* requests of theirs */
	uint64_t asked, answered; /* questions to the leader: the last that began, that ended */
	int64_t asked_ms;         /* monotonic: it began */
	uint64_t revision;        /* the highest that was answered */
};

#define SERVICE_CALLS_MAX 16 /* decisions about services asked for at a time */

/* comparisons by the clock, on the leader (scrub.c) */
struct scrubber {
	json *due;       /* resource -> wall clock when it is; owned, NULL: none has a time */
	int64_t next_ms; /* wall clock: nothing is due before */
};

struct api {
	struct api_config config;
	const struct api_node_ops *node_ops; /* NULL: not yet */
	void *node;
	json *listeners; /* of TCP, for people; owned */
	struct observed *observed;
	struct leader *leader;
	struct events *events;
	struct api_counts counts;
	struct members *members; /* while this node leads */
	bool members_held;       /* they are left as they are */
	struct api_call *calls;  /* being answered */
	struct wait *waits;
	struct texts *texts; /* what lists show, kept (view_texts.h) */
	struct store_watch *applied;
	int following;      /* answers of the leader that wait for this node's store */
	struct walk *walks; /* over all resources, the first is under way (view_walk.c) */
	struct mutation *turns,
		*turns_end; /* users' changes in order; the first is being decided */
	uv_timer_t timer;
	int period_ms;          /* of the timer, at present */
	int n_nodes;            /* documents of nodes at the last look */
	int64_t tick_ms;        /* of the last slow tick */
	int64_t leader_seen_ms; /* monotonic: a leader was known then */
	int64_t led_since_ms;   /* monotonic; -1 while this node does not lead */
	int64_t started_ms;
	int64_t state_seen; /* of observed, at the last look */
	bool closing;
	bool deriving; /* a key from a passphrase: one at a time */
	struct survey survey;
	struct reaper reaper;
	struct cloner clones;
	struct scheduler schedules;
	struct upkeep upkeep;
	struct balancer balance;
	struct scrubber scrubs;
	struct door door;
	int services_asked;        /* decisions under way (services.c), SERVICE_CALLS_MAX at most */
	uint64_t services_applied; /* the store's last entry when the last pass began */
	bool services_all;         /* all are looked at in this pass */
	char services_after[NAME_MAX_LEN + 1]; /* it goes on behind this one; "": it is over */
	json *services_seen;     /* their states and since when; owned, while this node leads */
	struct peer *peers;      /* connections to single nodes */
	int64_t peers_full_ms;   /* monotonic: it was last said that there are too many calls */
	struct verify *verifies; /* comparisons, the newest first */
	struct take *takes;      /* snapshots that are being taken, or were a moment ago */
	uint64_t snapshots;      /* store_count, when none of them was orphaned */
	int refs;                /* the owner, the timer, and answers consensus still owes */
};

int64_t api_mono_ms(void);
/* the present, for what decides (model/change.h) */
struct change_env api_env(struct api *a);
void api_get(struct api *a);
void api_put(struct api *a);
/* somebody waits now, or something happened that waiting calls should look at */
void api_hurry(struct api *a);
/* somebody has more to do, after what has come in meanwhile */
void api_soon(struct api *a);
/* Finds the route and runs the handler: c is at the place that answers it, or is carried there.
 * c is filled except for match and doc. */
void api_dispatch(struct api_call *c);
/* runs the handler of a call that is at its place (leader.c: in this process) */
void api_run(struct api_call *c);
/* has something changed of what nodes report? tells those who listen; on the leader */
void api_observe(struct api *a);
/* every node document's id, address and presence, to the members driver */
void api_update_members(struct api *a);

/* The store is watched from the first to the second; leadership begins and ends. */
void survey_watch(struct api *a);
void survey_unwatch(struct api *a);
void survey_begin(struct api *a);
void survey_end(struct api *a);
/* A slice of what is to be looked at; true: there is more. */
bool survey_tick(struct api *a);
/* all resources to b; false: the store cannot be read */
bool survey_all(struct api *a, struct backlog *b);

/* Something of the resource (name in lower case) has changed, or may have. doc: its definition,
 * NULL when there is none (any more). The *_forget: nothing is known of any resource. */
void reap_look(struct api *a, const char *name);
void reap_forget(struct api *a);
void schedules_look(struct api *a, const char *name, json *doc);
void schedules_forget(struct api *a);
void scrub_look(struct api *a, const char *name, json *doc);
void scrub_forget(struct api *a);
void upkeep_forget_all(struct api *a);

void api_reap(struct api *a);
void clone_tick(struct api *a);
void schedules_tick(struct api *a);
void schedules_write(struct api *a, struct buf *out); /* their metrics */
void upkeep_tick(struct api *a);
void balance_tick(struct api *a);
void balance_stop(struct api *a);
struct upkeep_sight upkeep_sight(struct api *a); /* of the present moment */
/* copies are being made, or a pass is under way: what is moved beside that waits */
bool upkeep_is_busy(struct api *a);
/* What is waited for, of a resource: "" nothing; on the leader */
const char *upkeep_note(struct api *a, const char *resource);
void verify_abandon(struct api *a);
void scrub_tick(struct api *a);
void services_look(struct api *a);
bool services_has_more(const struct api *a);         /* to be looked at without delay */
void services_stop(struct api *a);                   /* leadership was lost, or the api ends */
void services_write(struct api *a, struct buf *out); /* their metrics */
/* all of them as they stand; the caller's */
json *services_view(struct api *a, bool stale);
/* the service that uses the resource; "" none */
void services_user(struct api *a, const char *resource, char name[NAME_MAX_LEN + 1]);
/* Waiting. ready is asked again and again, waited_ms says for how long; finish is called once:
 * in_time is false at the deadline and when the api ends. */
typedef bool (*wait_ready)(void *arg, int64_t waited_ms);
typedef void (*wait_finish)(void *arg, bool in_time);
void wait_start(struct api *a, int deadline_ms, wait_ready ready, wait_finish finish, void *arg);
void wait_check(struct api *a);   /* looks at all */
void wait_abandon(struct api *a); /* finishes all, not in time */

/* Mutations: decide, propose, on a conflict decide again, answer. */
#define MUTATION_TRIES_MAX 20

struct mutation {
	struct api_call *call;
	/* Decides: fills t and m->answer. Called again from fresh state after a conflict. 0 with an
	 * empty t: nothing to do, m->answer says so. */
	int (*change)(struct mutation *m, struct change_env *env, struct txn *t, struct err *err);
	/* Committed: here to wait for the effect; ends with mutation_reply, once, now or later.
	 * NULL: at once. Runs also for a request that is repeated. */
	void (*after)(struct mutation *m);
	int ok_status;
	char what[HISTORY_WHAT_MAX + 1]; /* for the history; "": the answer's first message */
	uint64_t object; /* of which errors speak; change may set it before it refuses */
	json *answer;    /* body; an ApiCallRc list or something of the operation's own */
	char *details;   /* of a refusal, beside its sentence; owned, NULL: none */
	bool fresh;      /* a barrier has shown that this node decides on committed state */
	bool wrote;      /* something was committed, now or under the same request id */
	bool repeated;   /* under the same request id, earlier: perhaps by another leader */
	int tries;
	bool queued; /* it has a turn or waits for it */
	struct mutation *next_turn;
	void *own; /* the handler's; wiped, freed with free() */
};

void mutate(struct api_call *c, int ok_status,
	    int (*change)(struct mutation *, struct change_env *, struct txn *, struct err *),
	    void (*after)(struct mutation *));
/* as above with something of the handler's own, taken */
void mutate_own(struct api_call *c, int ok_status,
		int (*change)(struct mutation *, struct change_env *, struct txn *, struct err *),
		void (*after)(struct mutation *), void *own);
/* the api ends: those that wait for their turn are sent elsewhere */
void mutations_abandon(struct api *a);
/* Sends m->answer and frees m. */
void mutation_reply(struct mutation *m);
/* m->answer = a list with one SUCCESS entry; borrowed */
json *mutation_done(struct mutation *m, unsigned number, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* as above with any code */
json *mutation_note(struct mutation *m, int64_t code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* What this is in one sentence, for the history, where the answer does not say it. */
void mutation_what(struct mutation *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Logs it, once it is committed, as "<key>=<value of the body> <what>", and replies: for the after
 * functions of what the leader does by itself. */
void mutation_say(struct mutation *m, const char *key);

/* after functions: replicas.c */
#define READY_WAIT_MS 15000
#define FILESYSTEM_WAIT_MS 25000 /* with file systems to be made; less than CARRY_MS */
#define REMOVED_WAIT_MS 5000
void mutation_wait_ready(struct mutation *m, const char *resource, const char *node);
void mutation_wait_removed(struct mutation *m, const char *resource, const char *node);

#endif
