// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * status.c - what RVOL_CMD_STATUS answers: all that is to be seen of a resource,
 * and all that it wants. Called by orders.c for one, by netlink.c for a dump.
 */
#include <linux/string.h>
#include <net/genetlink.h>

#include "netlink.h"

u32 rvol_wants(const struct rvol *r)
{
	u32 wants = 0;

	for (u8 s = 0; s < REPL_SLOTS_MAX; s++)
		if (s != r->self && repl_mirror_wants_link(r->mirror, s))
			wants |= 1u << s;
	return wants;
}

static void put_record(struct rvol_record *to, const struct repl_record *from)
{
	*to = (struct rvol_record){ .epoch = from->epoch,
				    .in_sync = from->in_sync,
				    .writer = from->writer,
				    .tag_node = from->tag.node,
				    .tag_boot = from->tag.boot,
				    .tag_counter = from->tag.counter };
}

static u8 peer_word(const char *name)
{
	static const char *const words[] = { "none", "member", "learner", "joining", "lost" };

	for (u8 i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(name, words[i]) == 0)
			return i;
	return RVOL_PEER_NONE;
}

static u8 role_of(const struct rvol *r)
{
	switch (r->mirror->writer.state) {
	case WRITER_IDLE:
		return RVOL_IDLE;
	case WRITER_SERVING:
		return RVOL_WRITER;
	case WRITER_RELEASING:
		return RVOL_RELEASING;
	case WRITER_STOPPED:
		return RVOL_STOPPED;
	default:
		return RVOL_CANDIDATE;
	}
}

static u8 mode_of(const struct rvol *r)
{
	static const u8 modes[REPLICA_MODES] = {
		[REPLICA_OUT] = RVOL_OUT,
		[REPLICA_LEARNER] = RVOL_LEARNER,
		[REPLICA_MEMBER] = RVOL_MEMBER,
		[REPLICA_FAILED] = RVOL_DISK_FAILED,
	};

	return r->has_copy ? modes[r->mirror->replica.mode] : RVOL_NO_COPY;
}

static u32 freeze_flags(const struct rvol *r)
{
	static const u32 flags[] = { 0, RVOL_STATUS_FREEZING, RVOL_STATUS_FROZEN };

	return flags[r->freeze.state] | (r->freeze.lapsed ? RVOL_STATUS_LAPSED : 0);
}

static u32 flags_of(const struct rvol *r, const struct repl_mirror_status *s)
{
	return (s->serving ? RVOL_STATUS_SERVING : 0) | (s->wanted ? RVOL_STATUS_WANTED : 0) |
	       (s->stopped ? RVOL_STATUS_STOPPED : 0) | (r->healing ? RVOL_STATUS_HEALING : 0) |
	       (r->writers ? RVOL_STATUS_OPEN : 0) |
	       (repl_writer_alone(&r->mirror->writer) ? RVOL_STATUS_ALONE : 0);
}

static void mirror_status(struct rvol *r, struct rvol_status *ret)
{
	struct repl_mirror_status s;
	u32 accepted = links_accepted(r);

	repl_mirror_status(r->mirror, &s);
	ret->flags |= flags_of(r, &s);
	ret->role = role_of(r);
	ret->mode = mode_of(r);
	ret->epoch = s.epoch;
	ret->in_sync = s.in_sync;
	ret->links_wanted = r->wants;
	ret->pull_up = link_is_up(r, REPL_LINK_PULL);
	ret->bad_pages = s.bad_pages;
	ret->requests = r->mirror->writer.n_requests;
	ret->regions = s.regions;
	ret->synced = s.synced;
	put_record(&ret->cas, &r->cas);
	put_record(&ret->record, &r->mirror->writer.record);
	for (u32 i = 0; i < REPL_SLOTS_MAX; i++) {
		ret->peer[i] = peer_word(s.peer[i]);
		if (link_is_up(r, REPL_LINK_SLOT(i)))
			ret->links_up |= 1u << i;
		ret->accepted[i] = (accepted >> i) & 1;
	}
	strscpy(ret->reason, s.reason, sizeof(ret->reason));
}

static void fill(struct rvol *r, struct rvol_status *ret)
{
	memset(ret, 0, sizeof(*ret));
	rvol_enter(r);
	ret->event = r->event;
	ret->self = r->self;
	ret->copies = r->config.copies;
	ret->pull_slot = r->pull_slot;
	ret->read_token = r->read_token;
	ret->cas_token = r->cas_token;
	ret->mode = r->has_copy ? RVOL_OUT : RVOL_NO_COPY;
	ret->flags = (r->booted ? RVOL_STATUS_BOOTED : 0) |
		     (r->has_copy ? RVOL_STATUS_HAS_COPY : 0) |
		     (r->ending ? RVOL_STATUS_ENDING : 0) | (r->failed ? RVOL_STATUS_FAILED : 0) |
		     freeze_flags(r);
	ret->freeze_token = r->freeze.token;
	ret->held = READ_ONCE(r->freeze.n_held);
	strscpy(ret->name, r->name, sizeof(ret->name));
	if (r->disk_error)
		strscpy(ret->disk_error, r->disk_error, sizeof(ret->disk_error));
	if (r->mirror) {
		if (rvol_live(r))
			r->wants = rvol_wants(r);
		mirror_status(r, ret);
	}
	if (r->failed)
		strscpy(ret->reason, r->why_failed, sizeof(ret->reason));
	rvol_leave(r);
}

/* ---- as messages ---- */

static int put_volumes(struct sk_buff *skb, struct rvol *r)
{
	int rv = 0;

	mutex_lock(&r->lock);
	for (u32 i = 0; rv == 0 && i < RVOL_VOLUMES_MAX; i++) {
		struct rvol_volume v = { 0 };

		if (!r->vol[i])
			continue;
		vol_info(r->vol[i], &v);
		rv = nla_put(skb, RVOL_A_VOLUME, sizeof(v), &v);
	}
	rvol_unlock(r);
	return rv;
}

static int put_links(struct sk_buff *skb, struct rvol *r)
{
	int rv = 0;

	mutex_lock(&r->lock);
	for (struct rvol_link *l = links_next(r, NULL); rv == 0 && l; l = links_next(r, l)) {
		struct rvol_link_info i;

		link_info(l, &i);
		rv = nla_put(skb, RVOL_A_LINK_INFO, sizeof(i), &i);
	}
	rvol_unlock(r);
	return rv;
}

/* The number of the last event comes first: what changes while this is put together has an event
 * with a higher one. */
static int put_status(struct sk_buff *skb, struct rvol *r, u32 portid, u32 seq, bool dumped)
{
	void *head = genlmsg_put(skb, portid, seq, &netlink_family, dumped ? NLM_F_MULTI : 0,
				 RVOL_CMD_STATUS);
	struct rvol_status s = { 0 };

	if (!head)
		return -EMSGSIZE;
	fill(r, &s);
	if (nla_put(skb, RVOL_A_UUID, RVOL_UUID_BYTES, r->uuid) < 0 ||
	    nla_put(skb, RVOL_A_STATUS, sizeof(s), &s) < 0 || put_volumes(skb, r) < 0 ||
	    (!dumped && put_links(skb, r) < 0)) {
		genlmsg_cancel(skb, head);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, head);
	return 0;
}

int status_reply(struct rvol *r, struct genl_info *info, const char **ret_why)
{
	size_t room = nla_total_size(RVOL_UUID_BYTES) + nla_total_size(sizeof(struct rvol_status)) +
		      RVOL_VOLUMES_MAX * nla_total_size(sizeof(struct rvol_volume)) +
		      RVOL_LINKS_MAX * nla_total_size(sizeof(struct rvol_link_info));
	struct sk_buff *skb = genlmsg_new(room, GFP_KERNEL);
	int rv;

	if (!skb)
		return -ENOMEM;
	rv = put_status(skb, r, info->snd_portid, info->snd_seq, false);
	if (rv < 0) {
		nlmsg_free(skb);
		return rv;
	}
	return genlmsg_reply(skb, info);
}

struct dump_place {
	bool begun;
	u8 uuid[RVOL_UUID_BYTES]; /* told last */
};

int status_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct dump_place *at = (struct dump_place *)cb->ctx;
	struct rvol *r;
	int rv = 0;

	BUILD_BUG_ON(sizeof(*at) > sizeof(cb->ctx));
	while (rv == 0 && (r = table_next(at->begun ? at->uuid : NULL))) {
		rv = put_status(skb, r, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq, true);
		if (rv == 0) {
			memcpy(at->uuid, r->uuid, RVOL_UUID_BYTES);
			at->begun = true;
		}
		rvol_put(r);
	}
	/* full: the rest comes with the next part; a part without anything would end the dump */
	return rv < 0 && !skb->len ? rv : skb->len;
}
