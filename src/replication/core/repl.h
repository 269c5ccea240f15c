/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * repl.h - the nouns of the replication core: limits, messages, effects. The
 * core is an I/O-free state machine (docs/protocol.md): drivers call it with
 * what happened and do what it emits. It has no clock, no allocation, no libc
 * beyond mem*; payloads travel as opaque handles.
 *
 * A driver owns one struct repl_mirror (mirror.h) for each resource. It must
 *   - call with a monotonic time that also runs in suspend (nanoseconds),
 *   - not call back into the mirror from emit(): queue what an effect leads to,
 *   - give each link a number that it never uses again, and report nothing of a
 *     link after repl_mirror_link_down() or REPL_LINK_CLOSE.
 */
#ifndef SDSD_REPL_H
#define SDSD_REPL_H

#include "shared/port.h"

#define REPL_SLOTS_MAX 16     /* replicas of a resource, copies and clients */
#ifndef REPL_INFLIGHT_MAX     /* the simulator makes some limits small, to reach them often */
#define REPL_INFLIGHT_MAX 256 /* writes between lowest uncommitted and highest sent */
#endif
#define REPL_REQUESTS_MAX 512     /* requests of the application, waiting or under way */
#define REPL_WRITE_MAX (1u << 20) /* payload bytes of a write or a read */
#define REPL_SECTOR 512u
#define REPL_DISCARD_BYTES 4096u
#define REPL_REGION_BYTES 65536u     /* unit of the epoch map */
#define REPL_EXTENT_BYTES (4u << 20) /* unit of the hot log; no request crosses an extent's end */
#define REPL_REGIONS_PER_EXTENT (REPL_EXTENT_BYTES / REPL_REGION_BYTES)
/* The volumes of a resource share one space of addresses: the volume's number on top, the offset
 * below. So a region (address / 64 KiB) and an extent (address / 4 MiB) of any volume are one
 * number each, and whatever compares ranges need not know of volumes. */
#define REPL_VOLUMES_MAX 16
#define REPL_VOLUME_SHIFT 44 /* 16 TiB each */
#define REPL_VOLUME_BYTES_MAX (1ull << REPL_VOLUME_SHIFT)
#define REPL_ADDRESS(volume, off) ((u64)(volume) << REPL_VOLUME_SHIFT | (u64)(off))
#define REPL_ADDRESS_VOLUME(address) ((u32)((address) >> REPL_VOLUME_SHIFT))
#define REPL_ADDRESS_OFF(address) ((address) & (REPL_VOLUME_BYTES_MAX - 1))
#define REPL_REGIONS_PER_VOLUME ((u32)(REPL_VOLUME_BYTES_MAX / REPL_REGION_BYTES))
#ifndef REPL_STAMPS_PER_PAGE /* of the epoch map; whole extents, so that none is in two pages */
#define REPL_STAMPS_PER_PAGE 960u
#endif
#ifndef REPL_PULLS_MAX
#define REPL_PULLS_MAX 32 /* ranges a learner has asked for */
#endif
#define REPL_PULL_RUN_MAX REPL_STAMPS_PER_PAGE /* regions one question may cover: of one page */
#define REPL_SERVES_MAX 64                     /* questions of learners a source has not answered */
#define REPL_ACCEPTED_MAX 64                   /* links that others have opened to a replica */
#define REPL_NO_SLOT 0xff
#define REPL_STAMP_UNKNOWN 0u
#define REPL_STAMP_FRESH 1u         /* never written since creation: zeros */
#define REPL_STAMP_BORN 0xffffffffu /* the same, of a volume that began with a snapshot */
#define REPL_EPOCH_FIRST 2u         /* [F1] the first serving epoch */

/* Times, nanoseconds; a cluster option later. LEASE is T: the writer's reads are valid so long
 * after a PING was sent. GRACE is G > T(1 + drift): a member promises nothing so long after its
 * last ECHO. SILENCE: no ECHO or PING so long, and the session is given up. A START may take
 * START (R3 rewrites the epoch map). A question without an answer is asked again after RETRY. */
#define REPL_MS 1000000ull
#define REPL_PING_NS (200 * REPL_MS)
#define REPL_LEASE_NS (1500 * REPL_MS)
#define REPL_GRACE_NS (2000 * REPL_MS)
#define REPL_SILENCE_NS (1400 * REPL_MS)
#define REPL_START_NS (10000 * REPL_MS)
#define REPL_RETRY_NS (200 * REPL_MS)
/* A member whose disk answers nothing so long is lost as if its link were, when another is left. */
#define REPL_STALL_NS (30000 * REPL_MS)
#define REPL_STALL_FLUSH_NS (120000 * REPL_MS) /* the same while a flush is under way */
/* After a planned move nobody takes the volume back for so long. */
#define REPL_YIELD_NS (3000 * REPL_MS)
#define REPL_PACE_BYTES (1u << 20)   /* written in a tick, at least, while a learner lags */
#define REPL_STRIPE_BYTES (1u << 20) /* REPL_READ_STRIPED: the next source after so many */
/* call repl_mirror_tick at least so often while repl_mirror_busy */
#define REPL_TICK_NS (50 * REPL_MS)

typedef u64 repl_buf; /* a payload of the driver's; 0: none */

/* P5: which member a read goes to */
enum repl_read_policy {
	REPL_READ_LOCAL,         /* the own copy; the others in turn when there is none */
	REPL_READ_ROUND_ROBIN,   /* all in turn */
	REPL_READ_LEAST_PENDING, /* the one with the fewest reads under way */
	REPL_READ_STRIPED,       /* by offset */
	REPL_READ_POLICIES
};

enum repl_op {
	REPL_OP_DATA,
	REPL_OP_ZERO,
	REPL_OP_TRIM, /* reads back as zeros, and takes no space where that can be had */
	/* Of an encrypted volume: what is under the layer becomes zeros, and takes no space where
	 * that can be had. It reads back as the same noise on all copies. Whole blocks of
	 * REPL_DISCARD_BYTES. */
	REPL_OP_DISCARD,
	REPL_OPS
};
static inline u32 repl_op_unit(u8 op)
{
	return op == REPL_OP_DISCARD ? REPL_DISCARD_BYTES : REPL_SECTOR;
}
/* What an application's discard of *off, *len is. below: it is to reach what is under an encrypting
 * layer (docs/storage.md#discards), in whole blocks: the range becomes those, and the rest stays as
 * it is, on all copies. */
static inline u8 repl_discard_op(bool below, u64 *off, u64 *len)
{
	u64 from = *off + (REPL_DISCARD_BYTES - *off % REPL_DISCARD_BYTES) % REPL_DISCARD_BYTES;
	u64 to = *off + *len - (*off + *len) % REPL_DISCARD_BYTES;

	if (!below || from >= to)
		return REPL_OP_TRIM;
	*off = from;
	*len = to - from;
	return REPL_OP_DISCARD;
}

enum repl_kind {
	REPL_MSG_NONE,
	/* writer -> replica, one FIFO stream for each session */
	REPL_MSG_START = 1, /* epoch, start (kind), seq = seq0, mask = I, tag */
	REPL_MSG_EPOCH,     /* epoch, mask = I */
	REPL_MSG_WRITE,     /* epoch, seq, commit, op, off, len, payload if DATA */
	REPL_MSG_COMMIT,    /* commit */
	REPL_MSG_FLUSH,     /* id */
	REPL_MSG_JOIN,
	REPL_MSG_PING, /* time, commit */
	/* the writer has stopped serving for good in this epoch: its lease is void */
	REPL_MSG_RELEASE,
	REPL_MSG_READ, /* id, off, len */
	/* candidate -> replica */
	REPL_MSG_PROMISE, /* epoch, mask = I of the record read */
	/* replica -> writer */
	REPL_MSG_STATE = 16, /* a replica's greeting on a link, after SIZE: intact, epoch = fence */
	REPL_MSG_STARTED,    /* epoch */
	REPL_MSG_REFUSED,    /* epoch, reason */
	REPL_MSG_ACK,        /* seq, cumulative */
	REPL_MSG_FLUSHED,    /* id */
	REPL_MSG_SYNCED,
	REPL_MSG_READY,
	REPL_MSG_ECHO,       /* time */
	REPL_MSG_READ_DATA,  /* id, reason (0 fine), payload */
	REPL_MSG_PROMISED,   /* epoch, intact */
	REPL_MSG_UNPROMISED, /* epoch, reason, time = ask again after so many ns */
	REPL_MSG_WANTED,     /* another node asked for the volume while this writer serves */
	REPL_MSG_SIZE,       /* id = volume, seq = its bytes here */
	/* learner -> source, and back */
	REPL_MSG_PULL = 32, /* epoch, region, count, stamp (of all; 0: count is 1), seq = seen */
	REPL_MSG_SAME,      /* epoch, region, count */
	REPL_MSG_DIFFER,    /* epoch, region, count > 1 */
	REPL_MSG_DATA,      /* epoch, region, stamp, op (DATA with payload, or ZERO) */
	REPL_MSG_NO,        /* epoch, region, count: ask another or later */
	REPL_MSG_KINDS
};

enum repl_start { REPL_START_MEMBER, REPL_START_RESTARTED, REPL_START_LEARNER };

enum repl_reason {
	REPL_OK,
	REPL_STALE,      /* fence: a newer epoch is known */
	REPL_NOT_INTACT, /* restarted since it was a member */
	REPL_DISK,       /* own disk has failed */
	REPL_NOT_MEMBER, /* not in the set of the record */
	REPL_HEARS,      /* still hears a working writer */
	REPL_LEASED,     /* a lease it granted may still run */
	REPL_BAD,        /* the message breaks the protocol */
	REPL_NOT_BOOTED, /* has not read the record yet */
	REPL_REASONS
};

struct repl_tag {
	u32 node;
	u64 boot;
	u32 counter;
};

/* consensus: the record of the resource */
struct repl_record {
	u32 epoch;
	u8 writer;   /* slot or REPL_NO_SLOT */
	u32 in_sync; /* mask of slots */
	struct repl_tag tag;
};

/* One message; which fields count: see enum repl_kind. wire.h puts it into bytes. */
struct repl_msg {
	u8 kind, op, start, intact;
	u32 epoch;
	u32 mask;
	u32 reason;
	u64 seq;
	u64 commit;
	u64 off; /* address; multiple of REPL_SECTOR */
	u32 len; /* bytes; multiple of REPL_SECTOR */
	u32 region;
	u32 count;
	u32 stamp;
	u64 id;
	u64 time;
	struct repl_tag tag;
	u32 payload_len; /* bytes behind buf */
	repl_buf buf;    /* owned by who receives the message */
};

enum repl_effect_kind {
	/* msg to link; msg->buf (if any) stays the core's for WRITE of the writer until
	 * REPL_COMPLETE (encode or take a reference now), is the driver's to release for
	 * READ_DATA and DATA */
	REPL_SEND,
	REPL_LINK_CLOSE, /* link: close it, report nothing more of it */
	/* id, volume, op, off, len, buf (now the driver's: release when done; if "shared" it stays
	 * the core's until REPL_BUF_DROP: take a reference of your own), buf_off: first byte inside
	 * buf -> repl_mirror_disk_done(id) */
	REPL_DISK_WRITE,
	REPL_DISK_READ,  /* id, volume, off, len -> repl_mirror_disk_read_done(id, status, buf) */
	REPL_DISK_FLUSH, /* id: data of all volumes -> repl_mirror_disk_done(id) */
	/* id, volume, off, page (REPL_META_PAGE bytes, valid during emit only), fua ->
	 * repl_mirror_disk_done(id) */
	REPL_META_WRITE,
	REPL_META_READ,  /* id, volume, off -> repl_mirror_meta_read_done(id, status, page) */
	REPL_META_FLUSH, /* id: metadata of all volumes -> repl_mirror_disk_done(id) */
	REPL_BUF_DROP,   /* buf: release */
	/* id (request), status 0 or negative errno, buf (read data, now the driver's); for
	 * writes the driver may release the payload it submitted */
	REPL_COMPLETE,
	REPL_READ_RECORD, /* id (token): linearizable read -> repl_mirror_record() */
	REPL_CAS,         /* id (token), record -> repl_mirror_cas_done() */
	/* slot, or REPL_NO_SLOT: the learner wants a link for pulls to that member; close the
	 * old one -> repl_mirror_pull_up()/_down() */
	REPL_PULL_LINK,
	REPL_CHANGED /* a state worth a log line or a report changed */
};

struct repl_effect {
	enum repl_effect_kind kind;
	u32 link; /* REPL_SEND, REPL_LINK_CLOSE */
	u8 slot;  /* REPL_PULL_LINK */
	u8 op;
	u8 volume; /* of off, in disk and metadata operations */
	bool fua;
	bool shared;
	int status;
	u64 id;
	u64 off;
	u32 len;
	u32 buf_off;
	repl_buf buf;
	const void *page;
	const struct repl_msg *msg; /* valid during emit only */
	struct repl_record record;
};

struct repl_sink {
	void (*emit)(struct repl_sink *sink, const struct repl_effect *effect);
};

/* Links: 0 is the loop inside the mirror; a writer's link to slot s is REPL_LINK_SLOT(s) - one
 * at a time -; links that others opened to this replica have numbers from REPL_LINK_FIRST up,
 * chosen by the driver. The learner's own pull link is REPL_LINK_PULL. */
#define REPL_LINK_LOCAL 0u
#define REPL_LINK_SLOT(s) (1u + (u32)(s))
#define REPL_LINK_PULL 32u
#define REPL_LINK_FIRST 64u

#endif
