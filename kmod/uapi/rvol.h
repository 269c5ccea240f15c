/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rvol.h - generic netlink family "rvol": how sdsd tells the kernel module what
 * to have, and learns what it wants. Both sides include this file; it needs
 * nothing but fixed-width integers. docs/kernel.md describes the conversation.
 *
 * Every command names its resource by RVOL_A_UUID. Commands need CAP_NET_ADMIN
 * in the initial user namespace; unknown attributes are refused; a refusal
 * carries a sentence (extended acknowledgement). No command waits for I/O.
 * Attributes are added at the end: how many a module knows is in what the kernel
 * tells of its family (maxattr), and those that can be left out are not said to
 * a module which is older.
 *
 * What the module wants is in the answer to RVOL_CMD_STATUS, whole, and nowhere
 * else: an event (multicast group "events") only says whose status to read
 * again. Events may be lost; a reader that missed some (ENOBUFS, a gap in
 * RVOL_A_EVENT) or has just started dumps all.
 */
#ifndef RVOL_UAPI_H
#define RVOL_UAPI_H

#define RVOL_GENL_NAME "rvol"
#define RVOL_GENL_VERSION 1
#define RVOL_GENL_EVENTS "events"

#define RVOL_SLOTS_MAX 16
#define RVOL_VOLUMES_MAX 16 /* of a resource */
#define RVOL_NAME_MAX 64    /* bytes with the 0 at its end */
#define RVOL_PATH_MAX 256
#define RVOL_UUID_BYTES 16
#define RVOL_META_PAGE 4096
#define RVOL_AHEAD_MAX 65531 /* bytes of a link that were read before it was handed over */
#define RVOL_RESOURCES_MAX 65536
#define RVOL_FREEZE_MAX_MS 10000
#define RVOL_OPEN_DEADLINE_MS 15000 /* an open that has not succeeded until then is refused */

/* Link numbers: RVOL_LINK_SLOT(s) is this writer's to the copy of slot s, RVOL_LINK_PULL the
 * learner's; links that others have opened are numbered from RVOL_LINK_FIRST on by who adds them,
 * no number twice in the life of a resource. */
#define RVOL_LINK_SLOT(s) (1u + (s))
#define RVOL_LINK_PULL 32u
#define RVOL_LINK_FIRST 64u
#define RVOL_LINKS_MAX (RVOL_SLOTS_MAX + 1 + 64) /* to slots, for pulls, accepted */

enum rvol_cmd {
	RVOL_CMD_UNSPEC,
	/* Makes a resource, without volumes and links.
	 * UUID, NAME, SELF, COPIES, NODE, BOOT, TAG_COUNTER, SEED, READ_POLICY; with a copy here
	 * STATE_PAGE, STATE_COPY, HOT_PAGE, HOT_COPY (both as they are on the device; what is
	 * written next goes to the other copy). The volumes it is to begin with follow by
	 * VOLUME_ADD, then BOOT. -EEXIST: there already. */
	RVOL_CMD_RESOURCE_ADD,
	/* UUID and any of COPIES, READ_POLICY, HANDOVER, COPY_WRITES, BELOW_DISCARDS */
	RVOL_CMD_RESOURCE_SET,
	/* UUID, FORCE (flag). Without FORCE -EBUSY while a volume is open. With it, requests end
	 * with an error at once; what the devices have not answered yet keeps a small remainder
	 * alive, not the resource. */
	RVOL_CMD_RESOURCE_DEL,
	/* UUID, NUMBER, MINOR, SIZE (as defined: of the device where no copy tells another one);
	 * with a copy here DATA_PATH, META_PATH, COPY_SIZE (of its label). The devices are opened
	 * exclusively. Before BOOT, or for a volume that is new later. With DISCARD too, of a copy:
	 * what the data device is told to discard, in whole units of so many bytes, reads as zeros
	 * for good, or is as it was (a thin pool); without it zeros are written. With BLOCK the
	 * device's logical block is that, whatever the copy's is; not less than the copy's. With
	 * BELOW_PATH and BELOW_OFF the data device is a layer that encrypts, over that device, and
	 * its content begins there: what it lies on becomes zeros where an application discards
	 * while BELOW_DISCARDS is set, and DISCARD is of it, without a part in anything else. */
	RVOL_CMD_VOLUME_ADD,
	/* UUID, NUMBER, COPY_SIZE: the own copy has grown, its label says so */
	RVOL_CMD_VOLUME_GROW,
	/* UUID, RECORD: the record of consensus as read (R14). Devices appear. Without a copy here
	 * the record is not looked at. */
	RVOL_CMD_BOOT,
	/* answers to what STATUS shows as wanted: UUID, TOKEN, RECORD */
	RVOL_CMD_RECORD,
	/* UUID, TOKEN, RECORD, ACCEPTED (u8) */
	RVOL_CMD_CAS_DONE,
	/* UUID, LINK, SLOT, FD (a connected TCP socket of the caller's; greeted both ways), TLS
	 * (flag: kTLS is set up both ways) or PLAIN (flag: refused unless the module was loaded
	 * with plain=1); AHEAD: bytes that were read from it after the greeting; PURPOSE, when
	 * another node has opened it. A link of the same number that is up is taken down first.
	 * With RENEW_AT there is an event when so many TLS records have gone in one direction.
	 * With RENEW (number of the renewal, as greeted) it is the next socket of the link of that
	 * number, whose stream goes over to it (docs/protocol.md#renewal): -ENOENT no such link is
	 * up, -EBUSY it is being renewed. STATUS shows when it is over. */
	RVOL_CMD_LINK_ADD,
	/* UUID, LINK. RVOL_LINK_PULL also when it is not up (-ENOENT all the same): the source does
	 * not answer, the learner wants another. */
	RVOL_CMD_LINK_DEL,
	/* UUID, ON (u8): serve for a moment without a client, so that a copy that knocks is brought
	 * in sync; STATUS tells healing */
	RVOL_CMD_HEAL,
	RVOL_CMD_YIELD,   /* UUID: P11, hand the resource over */
	RVOL_CMD_ABANDON, /* UUID: no copy of the set is left, requests fail */
	RVOL_CMD_STATUS,  /* UUID, or a dump of all; answered by this command */
	RVOL_CMD_EVENT,   /* from the module: UUID, EVENT */
	/* UUID, TOKEN (of the caller's choice), DEADLINE_MS (1 to RVOL_FREEZE_MAX_MS), where it is
	 * served. Writes and flushes of the application that come from now on, to any volume of
	 * the resource, are held; reads go on. STATUS tells FREEZING until all writes that were
	 * under way have ended, FROZEN from then on: all copies in sync have all that was
	 * acknowledged, and no write comes. It ends by THAW; else, by itself, at the deadline,
	 * when this node serves no longer, or (FROZEN) when a copy of the set is lost: STATUS tells
	 * LAPSED, what was cut meanwhile may not be of one moment. */
	RVOL_CMD_FREEZE,
	/* UUID, TOKEN: that freeze ends. -ETIMEDOUT: it had lapsed, or the copies have not been
	 * heard of so lately that no other node can have written. -EALREADY: it was thawed.
	 * -ENOENT: the last freeze was not that one. */
	RVOL_CMD_THAW,
	RVOL_CMD_COUNT
};
#define RVOL_CMD_MAX (RVOL_CMD_COUNT - 1)

enum rvol_attr {
	RVOL_A_UNSPEC,
	RVOL_A_PAD,
	RVOL_A_UUID,           /* binary, 16 */
	RVOL_A_NAME,           /* string */
	RVOL_A_SELF,           /* u8, slot */
	RVOL_A_COPIES,         /* u32, mask of slots */
	RVOL_A_NODE,           /* u32 */
	RVOL_A_BOOT,           /* u64 */
	RVOL_A_TAG_COUNTER,    /* u32 */
	RVOL_A_SEED,           /* u64 */
	RVOL_A_READ_POLICY,    /* u8 */
	RVOL_A_HANDOVER,       /* u8, 0 or 1 */
	RVOL_A_COPY_WRITES,    /* u8, enum rvol_copy */
	RVOL_A_STATE_PAGE,     /* binary, 4096 */
	RVOL_A_STATE_COPY,     /* u8, 0 or 1 */
	RVOL_A_HOT_PAGE,       /* binary, 4096 */
	RVOL_A_HOT_COPY,       /* u8, 0 or 1 */
	RVOL_A_FORCE,          /* flag */
	RVOL_A_NUMBER,         /* u8, of a volume */
	RVOL_A_MINOR,          /* u32 */
	RVOL_A_SIZE,           /* u64, bytes */
	RVOL_A_COPY_SIZE,      /* u64, bytes */
	RVOL_A_DATA_PATH,      /* string */
	RVOL_A_META_PATH,      /* string */
	RVOL_A_RECORD,         /* binary, struct rvol_record */
	RVOL_A_TOKEN,          /* u64 */
	RVOL_A_ACCEPTED,       /* u8 */
	RVOL_A_LINK,           /* u32, number */
	RVOL_A_SLOT,           /* u8, of the other side */
	RVOL_A_FD,             /* s32 */
	RVOL_A_TLS,            /* flag */
	RVOL_A_PLAIN,          /* flag */
	RVOL_A_AHEAD,          /* binary, at most RVOL_AHEAD_MAX */
	RVOL_A_ON,             /* u8 */
	RVOL_A_EVENT,          /* u64, goes up by one with each event of the resource */
	RVOL_A_STATUS,         /* binary, struct rvol_status */
	RVOL_A_VOLUME,         /* binary, struct rvol_volume; one for each volume */
	RVOL_A_DEADLINE_MS,    /* u32 */
	RVOL_A_PURPOSE,        /* u8, enum rvol_purpose */
	RVOL_A_RENEW,          /* u32, not 0 */
	RVOL_A_RENEW_AT,       /* u64, records */
	RVOL_A_LINK_INFO,      /* binary, struct rvol_link_info; one for each link, not in a dump */
	RVOL_A_DISCARD,        /* u32, bytes: a multiple of 512 */
	RVOL_A_BLOCK,          /* u32, bytes: 512 or 4096 */
	RVOL_A_BELOW_PATH,     /* string */
	RVOL_A_BELOW_OFF,      /* u64, bytes: a multiple of 4096 */
	RVOL_A_BELOW_DISCARDS, /* u8, 0 or 1 */
	RVOL_A_COUNT
};
#define RVOL_A_MAX (RVOL_A_COUNT - 1)

/* Structures: naturally aligned, host byte order, later versions may be longer: a reader takes what
 * it knows. */
struct rvol_record {
	__u32 epoch;
	__u32 in_sync; /* mask of slots */
	__u32 writer;  /* slot, 0xff none */
	__u32 tag_node;
	__u64 tag_boot;
	__u32 tag_counter;
	__u32 unused;
};

/* of rvol_status.flags */
#define RVOL_STATUS_BOOTED 1u
#define RVOL_STATUS_HAS_COPY 2u
#define RVOL_STATUS_SERVING 4u
#define RVOL_STATUS_WANTED 8u   /* another node asks for the volume */
#define RVOL_STATUS_STOPPED 16u /* was writer or candidate and cannot go on, until opened anew */
#define RVOL_STATUS_HEALING 32u /* it serves for the copies only */
#define RVOL_STATUS_OPEN 64u    /* some volume is open for writing */
#define RVOL_STATUS_ALONE 128u  /* serving, and no session of the set lives */
#define RVOL_STATUS_ENDING 256u
#define RVOL_STATUS_FAILED 512u /* an invariant does not hold: fenced, see reason */
#define RVOL_STATUS_FREEZING 1024u
#define RVOL_STATUS_FROZEN 2048u
#define RVOL_STATUS_LAPSED 4096u /* the last freeze has ended without a THAW */

/* what is copied before it is written, so that all copies get the same bytes */
enum rvol_copy {
	RVOL_COPY_ALWAYS, /* all, as soon as there is another copy */
	RVOL_COPY_DIRECT, /* but for pages in writeback, which nobody changes */
	RVOL_COPY_NEVER,  /* nothing: the application leaves alone what it writes */
	RVOL_COPIES_WAYS
};

enum rvol_purpose { RVOL_PURPOSE_SESSION = 1, RVOL_PURPOSE_PULL = 2 };
enum rvol_role { RVOL_IDLE, RVOL_CANDIDATE, RVOL_WRITER, RVOL_RELEASING, RVOL_STOPPED };
enum rvol_mode { RVOL_OUT, RVOL_LEARNER, RVOL_MEMBER, RVOL_DISK_FAILED, RVOL_NO_COPY };
enum rvol_peer {
	RVOL_PEER_NONE,
	RVOL_PEER_MEMBER,
	RVOL_PEER_LEARNER,
	RVOL_PEER_JOINING,
	RVOL_PEER_LOST
};

struct rvol_status {
	__u64 event; /* number of the last event at the time of the answer */
	__u32 flags;
	__u8 role; /* enum rvol_role */
	__u8 mode; /* enum rvol_mode, of the own copy */
	__u8 self;
	__u8 pull_slot; /* a link for pulls to that slot is wanted; 0xff none */
	__u32 copies;
	__u32 epoch, in_sync;  /* the writer's; else as the copy has heard */
	__u32 links_wanted;    /* mask of slots that the writer wants a link to */
	__u32 links_up;        /* mask of slots that it has one to */
	__u32 pull_up;         /* 1: the link for pulls is there */
	__u32 bad_pages;       /* of the epoch map */
	__u32 requests;        /* of the application, waiting or under way */
	__u64 regions, synced; /* of a learner */
	/* a token of 0: nothing is asked */
	__u64 read_token;              /* answer with RVOL_CMD_RECORD */
	__u64 cas_token;               /* answer with RVOL_CMD_CAS_DONE */
	struct rvol_record cas;        /* the record it proposes */
	struct rvol_record record;     /* as this writer or candidate knows it; epoch 0 not yet */
	__u8 peer[RVOL_SLOTS_MAX];     /* enum rvol_peer, the writer's view */
	__u8 accepted[RVOL_SLOTS_MAX]; /* 1: a link that that slot has opened is up */
	char name[RVOL_NAME_MAX];
	char reason[RVOL_NAME_MAX];     /* last refusal or loss in words, "" */
	char disk_error[RVOL_NAME_MAX]; /* which operation of the own disk failed first, "" */
	__u64 freeze_token;             /* of the last FREEZE, 0 none */
	__u32 held;                     /* writes of the application that it holds */
	__u32 unused;
};

struct rvol_volume {
	__u32 number, minor;
	__u32 opens;                  /* how often it is open */
	__u32 writing;                /* 1: for writing, too */
	__u64 size;                   /* served, bytes; 0 not yet */
	__u64 copy_size;              /* of the own copy; 0 none */
	__u64 reads, writes, flushes; /* of the application, since it was made */
	__u64 lower_flushes;          /* that the data device was asked for */
};

struct rvol_link_info {
	__u32 number;
	__u8 slot, purpose; /* enum rvol_purpose; 0 was not told */
	__u16 unused;
	__u64 sent, received; /* TLS records over its present sockets; received: at most */
	__u32 renewing;       /* number of the renewal that is under way; 0 none */
	__u32 renewed;        /* how often it was, since it was added */
};

#endif
