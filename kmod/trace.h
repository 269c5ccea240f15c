/* SPDX-License-Identifier: GPL-2.0-or-later */
/* trace.h - tracepoints "rvol": every message, every operation of a lower device, every change of
 * the writer's state, in the words of the simulator. Nothing when they are off. */
/* the macros are a language of their own */
/* clang-format off */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM rvol

#if !defined(RVOL_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define RVOL_TRACE_H

#include <linux/tracepoint.h>

#include "rvol.h"

DECLARE_EVENT_CLASS(rvol_message,
	TP_PROTO(const struct rvol *r, u32 link, const struct repl_msg *m),
	TP_ARGS(r, link, m),
	TP_STRUCT__entry(
		__array(char, name, RVOL_NAME_MAX)
		__array(char, kind, 16)
		__field(u32, link)
		__field(u32, epoch)
		__field(u32, mask)
		__field(u32, len)
		__field(u32, region)
		__field(u64, seq)
		__field(u64, commit)
		__field(u64, off)
	),
	TP_fast_assign(
		memcpy(__entry->name, r->name, RVOL_NAME_MAX);
		strscpy(__entry->kind, wire_name(m->kind), sizeof(__entry->kind));
		__entry->link = link;
		__entry->epoch = m->epoch;
		__entry->mask = m->mask;
		__entry->len = m->len;
		__entry->region = m->region;
		__entry->seq = m->seq;
		__entry->commit = m->commit;
		__entry->off = m->off;
	),
	TP_printk("resource=%s link=%u %s e=%u I=%02x seq=%llu c=%llu off=%llx len=%u region=%u",
		  __entry->name, __entry->link, __entry->kind, __entry->epoch, __entry->mask,
		  __entry->seq, __entry->commit, __entry->off, __entry->len, __entry->region)
);

DEFINE_EVENT(rvol_message, rvol_send,
	TP_PROTO(const struct rvol *r, u32 link, const struct repl_msg *m),
	TP_ARGS(r, link, m));

DEFINE_EVENT(rvol_message, rvol_receive,
	TP_PROTO(const struct rvol *r, u32 link, const struct repl_msg *m),
	TP_ARGS(r, link, m));

DECLARE_EVENT_CLASS(rvol_lower,
	TP_PROTO(const struct rvol *r, u32 volume, int kind, u64 id, u64 off, u32 len, int status),
	TP_ARGS(r, volume, kind, id, off, len, status),
	TP_STRUCT__entry(
		__array(char, name, RVOL_NAME_MAX)
		__field(u32, volume)
		__field(int, kind)
		__field(u64, id)
		__field(u64, off)
		__field(u32, len)
		__field(int, status)
	),
	TP_fast_assign(
		memcpy(__entry->name, r->name, RVOL_NAME_MAX);
		__entry->volume = volume;
		__entry->kind = kind;
		__entry->id = id;
		__entry->off = off;
		__entry->len = len;
		__entry->status = status;
	),
	TP_printk("resource=%s volume=%u %s id=%llx off=%llx len=%u status=%d", __entry->name,
		  __entry->volume,
		  __print_symbolic(__entry->kind, { REPL_DISK_WRITE, "data write" },
				   { REPL_DISK_READ, "data read" },
				   { REPL_DISK_FLUSH, "data flush" },
				   { REPL_META_WRITE, "meta write" },
				   { REPL_META_READ, "meta read" },
				   { REPL_META_FLUSH, "meta flush" }),
		  __entry->id, __entry->off, __entry->len, __entry->status)
);

DEFINE_EVENT(rvol_lower, rvol_lower_begin,
	TP_PROTO(const struct rvol *r, u32 volume, int kind, u64 id, u64 off, u32 len, int status),
	TP_ARGS(r, volume, kind, id, off, len, status));

DEFINE_EVENT(rvol_lower, rvol_lower_end,
	TP_PROTO(const struct rvol *r, u32 volume, int kind, u64 id, u64 off, u32 len, int status),
	TP_ARGS(r, volume, kind, id, off, len, status));

/* what the ends of a link say to each other about a renewal */
TRACE_EVENT(rvol_renewal,
	TP_PROTO(const struct rvol *r, u32 link, bool sent, const struct wire_link_msg *m),
	TP_ARGS(r, link, sent, m),
	TP_STRUCT__entry(
		__array(char, name, RVOL_NAME_MAX)
		__field(u32, link)
		__field(bool, sent)
		__field(u8, kind)
		__field(u32, renewal)
	),
	TP_fast_assign(
		memcpy(__entry->name, r->name, RVOL_NAME_MAX);
		__entry->link = link;
		__entry->sent = sent;
		__entry->kind = m->kind;
		__entry->renewal = m->renewal;
	),
	TP_printk("resource=%s link=%u %s %s renewal=%u", __entry->name, __entry->link,
		  __entry->sent ? "sends" : "receives",
		  __print_symbolic(__entry->kind, { WIRE_LINK_READY, "ready" },
				   { WIRE_LINK_SWITCH, "switch" },
				   { WIRE_LINK_SWITCHED, "switched" }),
		  __entry->renewal)
);

TRACE_EVENT(rvol_state,
	TP_PROTO(const struct rvol *r),
	TP_ARGS(r),
	TP_STRUCT__entry(
		__array(char, name, RVOL_NAME_MAX)
		__field(int, state)
		__field(int, mode)
		__field(u32, epoch)
		__field(u32, members)
		__field(u32, lost)
		__field(u32, learner_epoch)
	),
	TP_fast_assign(
		memcpy(__entry->name, r->name, RVOL_NAME_MAX);
		__entry->state = r->mirror->writer.state;
		__entry->mode = r->mirror->replica.mode;
		__entry->epoch = r->mirror->writer.pe;
		__entry->members = r->mirror->writer.members;
		__entry->lost = r->mirror->writer.lost;
		__entry->learner_epoch = r->mirror->replica.re;
	),
	TP_printk("resource=%s writer=%s pe=%u pI=%02x lost=%02x replica=%s re=%u", __entry->name,
		  __print_symbolic(__entry->state, { WRITER_IDLE, "idle" },
				   { WRITER_READING, "reading" }, { WRITER_PROMISING, "promising" },
				   { WRITER_PROPOSING, "proposing" }, { WRITER_BACKOFF, "backoff" },
				   { WRITER_SERVING, "serving" }, { WRITER_RELEASING, "releasing" },
				   { WRITER_STOPPED, "stopped" }),
		  __entry->epoch, __entry->members, __entry->lost,
		  __print_symbolic(__entry->mode, { REPLICA_OUT, "out" },
				   { REPLICA_LEARNER, "learner" }, { REPLICA_MEMBER, "member" },
				   { REPLICA_FAILED, "failed" }),
		  __entry->learner_epoch)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
