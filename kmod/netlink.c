// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * netlink.c - the generic netlink family "rvol" (uapi/rvol.h): what user space
 * says, checked, and the table of all resources. Only the initial network
 * namespace has the family, and all of it is for CAP_NET_ADMIN of the initial
 * user namespace.
 *
 * One more command: a row in commands[] (which attributes it needs and takes)
 * and in ops[]. What arrives comes from a privileged daemon, which may be wrong:
 * nothing of it may do harm, and each refusal says what was wrong.
 */
#include <linux/module.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <net/genetlink.h>

#include "rvol.h"

static struct genl_family family;

/* ---- the table of resources ---- */

static LIST_HEAD(table);           /* struct rvol.list, by uuid */
static u32 n_resources;            /* in it */
static DEFINE_MUTEX(table_lock);   /* of both; never held while anything else is waited for */
static DEFINE_MUTEX(life_lock);    /* held while a resource is made or ended: one at a time */
static DEFINE_RWLOCK(events_lock); /* of events_up */
static bool events_up;

static struct rvol *find_locked(const u8 *uuid)
{
	struct rvol *r;

	list_for_each_entry(r, &table, list) {
		int order = memcmp(r->uuid, uuid, RVOL_UUID_BYTES);

		if (order >= 0)
			return order ? NULL : r;
	}
	return NULL;
}

/* with a reference */
static struct rvol *table_find(const u8 *uuid)
{
	struct rvol *r;

	mutex_lock(&table_lock);
	r = find_locked(uuid);
	if (r)
		rvol_get(r);
	mutex_unlock(&table_lock);
	return r;
}

/* The first one behind that uuid, or of all, with a reference. So a dump goes on where it was,
 * whatever has come and gone meanwhile. */
static struct rvol *table_next(const u8 *uuid)
{
	struct rvol *r, *found = NULL;

	mutex_lock(&table_lock);
	list_for_each_entry(r, &table, list) {
		if (uuid && memcmp(r->uuid, uuid, RVOL_UUID_BYTES) <= 0)
			continue;
		rvol_get(r);
		found = r;
		break;
	}
	mutex_unlock(&table_lock);
	return found;
}

static void table_add(struct rvol *r)
{
	struct list_head *at;

	mutex_lock(&table_lock);
	list_for_each(at, &table)
		if (memcmp(list_entry(at, struct rvol, list)->uuid, r->uuid, RVOL_UUID_BYTES) > 0)
			break;
	list_add_tail(&r->list, at); /* before that one */
	n_resources++;
	mutex_unlock(&table_lock);
}

static void table_remove(struct rvol *r)
{
	mutex_lock(&table_lock);
	list_del_init(&r->list);
	n_resources--;
	mutex_unlock(&table_lock);
}

/* ---- values ---- */

/* 6.1 does not want them const */
static struct netlink_range_validation any_size = { REPL_SECTOR, REPL_VOLUME_BYTES_MAX };
static struct netlink_range_validation any_minor = { 0, MINORMASK };

static const struct nla_policy policy[RVOL_A_MAX + 1] = {
	[RVOL_A_UUID] = NLA_POLICY_EXACT_LEN(RVOL_UUID_BYTES),
	[RVOL_A_NAME] = { .type = NLA_NUL_STRING, .len = RVOL_NAME_MAX - 1 },
	[RVOL_A_SELF] = NLA_POLICY_MAX(NLA_U8, RVOL_SLOTS_MAX - 1),
	[RVOL_A_COPIES] = NLA_POLICY_MASK(NLA_U32, (1u << RVOL_SLOTS_MAX) - 1),
	[RVOL_A_NODE] = { .type = NLA_U32 },
	[RVOL_A_BOOT] = { .type = NLA_U64 },
	[RVOL_A_TAG_COUNTER] = { .type = NLA_U32 },
	[RVOL_A_SEED] = { .type = NLA_U64 },
	[RVOL_A_READ_POLICY] = NLA_POLICY_MAX(NLA_U8, REPL_READ_POLICIES - 1),
	[RVOL_A_HANDOVER] = NLA_POLICY_MAX(NLA_U8, 1),
	[RVOL_A_STATE_PAGE] = NLA_POLICY_EXACT_LEN(RVOL_META_PAGE),
	[RVOL_A_STATE_COPY] = NLA_POLICY_MAX(NLA_U8, 1),
	[RVOL_A_HOT_PAGE] = NLA_POLICY_EXACT_LEN(RVOL_META_PAGE),
	[RVOL_A_HOT_COPY] = NLA_POLICY_MAX(NLA_U8, 1),
	[RVOL_A_FORCE] = { .type = NLA_FLAG },
	[RVOL_A_NUMBER] = NLA_POLICY_MAX(NLA_U8, RVOL_VOLUMES_MAX - 1),
	[RVOL_A_MINOR] = NLA_POLICY_FULL_RANGE(NLA_U32, &any_minor),
	[RVOL_A_SIZE] = NLA_POLICY_FULL_RANGE(NLA_U64, &any_size),
	[RVOL_A_COPY_SIZE] = NLA_POLICY_FULL_RANGE(NLA_U64, &any_size),
	[RVOL_A_DATA_PATH] = { .type = NLA_NUL_STRING, .len = RVOL_PATH_MAX - 1 },
	[RVOL_A_META_PATH] = { .type = NLA_NUL_STRING, .len = RVOL_PATH_MAX - 1 },
	[RVOL_A_RECORD] = NLA_POLICY_EXACT_LEN(sizeof(struct rvol_record)),
	[RVOL_A_TOKEN] = NLA_POLICY_MIN(NLA_U64, 1),
	[RVOL_A_ACCEPTED] = NLA_POLICY_MAX(NLA_U8, 1),
	[RVOL_A_LINK] = NLA_POLICY_MIN(NLA_U32, RVOL_LINK_SLOT(0)),
	[RVOL_A_SLOT] = NLA_POLICY_MAX(NLA_U8, RVOL_SLOTS_MAX - 1),
	[RVOL_A_FD] = NLA_POLICY_MIN(NLA_S32, 0),
	[RVOL_A_TLS] = { .type = NLA_FLAG },
	[RVOL_A_PLAIN] = { .type = NLA_FLAG },
	[RVOL_A_AHEAD] = { .type = NLA_BINARY }, /* an attribute cannot be longer than AHEAD_MAX */
	[RVOL_A_ON] = NLA_POLICY_MAX(NLA_U8, 1),
	/* no row, refused: what only the module says */
};
static_assert(RVOL_AHEAD_MAX >= U16_MAX - NLA_HDRLEN, "the length of AHEAD needs a check");
static_assert(RVOL_SLOTS_MAX == REPL_SLOTS_MAX && RVOL_VOLUMES_MAX == REPL_VOLUMES_MAX,
	      "the interface and the core differ in their limits");
static_assert(RVOL_META_PAGE == REPL_META_PAGE && RVOL_LINK_SLOT(3) == REPL_LINK_SLOT(3) &&
		      RVOL_LINK_PULL == REPL_LINK_PULL && RVOL_LINK_FIRST == REPL_LINK_FIRST,
	      "the interface and the core differ in their numbers");

static struct nlattr *get(const struct genl_info *info, int attr)
{
	return info->attrs[attr];
}

static const char *get_text(const struct genl_info *info, int attr)
{
	return get(info, attr) ? nla_data(get(info, attr)) : NULL;
}

/* of ret_why: what was wrong with attr */
static int wrong(struct genl_info *info, int attr, const char *why, const char **ret_why)
{
	NL_SET_BAD_ATTR(info->extack, get(info, attr));
	*ret_why = why;
	return -EINVAL;
}

static int get_size(struct genl_info *info, int attr, u64 *ret, const char **ret_why)
{
	*ret = nla_get_u64(get(info, attr));
	if (*ret % REPL_SECTOR)
		return wrong(info, attr, "the size is no multiple of 512", ret_why);
	return 0;
}

static int get_path(struct genl_info *info, int attr, const char **ret, const char **ret_why)
{
	*ret = get_text(info, attr);
	if ((*ret)[0] != '/')
		return wrong(info, attr, "the path of the device does not begin with /", ret_why);
	return 0;
}

static int get_record(struct genl_info *info, struct repl_record *ret, const char **ret_why)
{
	struct rvol_record rec;

	nla_memcpy(&rec, get(info, RVOL_A_RECORD), sizeof(rec));
	if (rec.writer >= RVOL_SLOTS_MAX && rec.writer != REPL_NO_SLOT)
		return wrong(info, RVOL_A_RECORD, "the record's writer is no slot", ret_why);
	if (rec.in_sync >> RVOL_SLOTS_MAX)
		return wrong(info, RVOL_A_RECORD, "the record has members that are no slots",
			     ret_why);
	*ret = (struct repl_record){
		.epoch = rec.epoch,
		.writer = (u8)rec.writer,
		.in_sync = rec.in_sync,
		.tag = { rec.tag_node, rec.tag_boot, rec.tag_counter },
	};
	return 0;
}

/* with its mutex: may the mirror be called? */
static int check_alive(const struct rvol *r, const char **ret_why)
{
	if (r->failed) {
		*ret_why = r->failed;
		return -EIO;
	}
	if (r->ending) {
		*ret_why = "the resource is ending";
		return -ESHUTDOWN;
	}
	if (!r->booted || !r->mirror) {
		*ret_why = "the resource has not booted";
		return -EPROTO;
	}
	return 0;
}

/* ---- commands: r was found, the caller has a reference; not entered ---- */

static int get_copy(struct genl_info *info, struct rvol_config *c, const char **ret_why)
{
	int given = !!get(info, RVOL_A_STATE_PAGE) + !!get(info, RVOL_A_STATE_COPY) +
		    !!get(info, RVOL_A_HOT_PAGE) + !!get(info, RVOL_A_HOT_COPY);

	if (!given)
		return 0;
	if (given != 4) {
		*ret_why = "a copy needs STATE_PAGE, STATE_COPY, HOT_PAGE and HOT_COPY";
		return -EINVAL;
	}
	c->has_copy = true;
	c->state_page = nla_data(get(info, RVOL_A_STATE_PAGE));
	c->state_copy = nla_get_u8(get(info, RVOL_A_STATE_COPY));
	c->hot_page = nla_data(get(info, RVOL_A_HOT_PAGE));
	c->hot_copy = nla_get_u8(get(info, RVOL_A_HOT_COPY));
	return 0;
}

static int get_config(struct genl_info *info, struct rvol_config *c, const char **ret_why)
{
	memcpy(c->uuid, nla_data(get(info, RVOL_A_UUID)), RVOL_UUID_BYTES);
	nla_strscpy(c->name, get(info, RVOL_A_NAME), sizeof(c->name));
	if (!c->name[0])
		return wrong(info, RVOL_A_NAME, "the name is empty", ret_why);
	c->mirror.self = nla_get_u8(get(info, RVOL_A_SELF));
	c->mirror.copies = nla_get_u32(get(info, RVOL_A_COPIES));
	c->mirror.read_policy = nla_get_u8(get(info, RVOL_A_READ_POLICY));
	c->mirror.tag.node = nla_get_u32(get(info, RVOL_A_NODE));
	c->mirror.tag.boot = nla_get_u64(get(info, RVOL_A_BOOT));
	c->mirror.tag.counter = nla_get_u32(get(info, RVOL_A_TAG_COUNTER));
	c->mirror.seed = nla_get_u64(get(info, RVOL_A_SEED));
	return get_copy(info, c, ret_why);
}

static int add_resource(const struct rvol_config *c, const char **ret_why)
{
	struct rvol *r = table_find(c->uuid);
	int rv;

	if (r) {
		rvol_put(r);
		*ret_why = "there is a resource of that uuid";
		return -EEXIST;
	}
	if (n_resources >= RVOL_RESOURCES_MAX) { /* only changed with life_lock held */
		*ret_why = "there are 65536 resources, no more are possible";
		return -ENOSPC;
	}
	rv = rvol_new(c, &r, ret_why);
	if (rv == 0)
		table_add(r);
	return rv;
}

static int on_resource_add(struct rvol *none, struct genl_info *info, const char **ret_why)
{
	struct rvol_config c = { 0 };
	int rv = get_config(info, &c, ret_why);

	if (rv < 0)
		return rv;
	mutex_lock(&life_lock);
	rv = add_resource(&c, ret_why);
	mutex_unlock(&life_lock);
	return rv;
}

/* It stays in the table until it has ended, for one that stays is to be found all the time. Who
 * finds it meanwhile is told that it is ending. */
static int on_resource_del(struct rvol *r, struct genl_info *info, const char **ret_why)
{
	int rv;

	mutex_lock(&life_lock);
	if (list_empty(&r->list)) {
		*ret_why = "another command has ended it";
		rv = -ENOENT;
	} else {
		rv = rvol_end(r, nla_get_flag(get(info, RVOL_A_FORCE)), ret_why);
		if (rv == 0)
			table_remove(r);
	}
	mutex_unlock(&life_lock);
	return rv;
}

static int on_volume_add(struct rvol *r, struct genl_info *info, const char **ret_why)
{
	int given = !!get(info, RVOL_A_DATA_PATH) + !!get(info, RVOL_A_META_PATH) +
		    !!get(info, RVOL_A_COPY_SIZE);
	const char *data = NULL, *meta = NULL;
	u64 size, copy_size = 0;
	int rv;

	rv = get_size(info, RVOL_A_SIZE, &size, ret_why);
	if (rv < 0)
		return rv;
	if (given && !r->has_copy) {
		*ret_why = "the resource was made without a copy here";
		return -EINVAL;
	}
	if (given && given != 3) {
		*ret_why = "a volume of a copy needs DATA_PATH, META_PATH and COPY_SIZE";
		return -EINVAL;
	}
	if (given && ((rv = get_path(info, RVOL_A_DATA_PATH, &data, ret_why)) < 0 ||
		      (rv = get_path(info, RVOL_A_META_PATH, &meta, ret_why)) < 0 ||
		      (rv = get_size(info, RVOL_A_COPY_SIZE, &copy_size, ret_why)) < 0))
		return rv;
	return vol_add(r, nla_get_u8(get(info, RVOL_A_NUMBER)),
		       nla_get_u32(get(info, RVOL_A_MINOR)), size, copy_size, data, meta, ret_why);
}

static int on_volume_grow(struct rvol *r, struct genl_info *info, const char **ret_why)
{
	u64 copy_size;
	int rv = get_size(info, RVOL_A_COPY_SIZE, &copy_size, ret_why);

	return rv < 0 ? rv : vol_grow(r, nla_get_u8(get(info, RVOL_A_NUMBER)), copy_size, ret_why);
}

static int on_boot(struct rvol *r, struct genl_info *info, const char **ret_why)
{
	struct repl_record record;
	int rv = get_record(info, &record, ret_why);

	return rv < 0 ? rv : rvol_boot(r, &record, ret_why);
}

/* does that number go with that slot, in this resource? */
static int check_link(struct rvol *r, struct genl_info *info, const char **ret_why)
{
	u32 number = nla_get_u32(get(info, RVOL_A_LINK));
	u8 slot = nla_get_u8(get(info, RVOL_A_SLOT));
	bool ours = number < RVOL_LINK_SLOT(RVOL_SLOTS_MAX);

	if (slot == r->self)
		return wrong(info, RVOL_A_SLOT, "the slot is the resource's own", ret_why);
	if (ours && number != RVOL_LINK_SLOT(slot))
		return wrong(info, RVOL_A_LINK, "the number is that of another slot's link",
			     ret_why);
	if (!ours && number != RVOL_LINK_PULL && number < RVOL_LINK_FIRST)
		return wrong(info, RVOL_A_LINK, "no link has such a number", ret_why);
	if (!ours && !r->has_copy)
		return wrong(info, RVOL_A_LINK, "there is no copy here that the link could be for",
			     ret_why);
	return 0;
}

static int on_link_add(struct rvol *r, struct genl_info *info, const char **ret_why)
{
	struct nlattr *ahead = get(info, RVOL_A_AHEAD);
	bool tls = get(info, RVOL_A_TLS);
	int rv = check_link(r, info, ret_why);

	if (rv < 0)
		return rv;
	if (tls == !!get(info, RVOL_A_PLAIN)) {
		*ret_why = "a link is either TLS or PLAIN";
		return -EINVAL;
	}
	mutex_lock(&r->lock);
	rv = check_alive(r, ret_why);
	mutex_unlock(&r->lock);
	if (rv < 0)
		return rv;
	return link_add(r, nla_get_u32(get(info, RVOL_A_LINK)), nla_get_u8(get(info, RVOL_A_SLOT)),
			nla_get_s32(get(info, RVOL_A_FD)), tls, ahead ? nla_data(ahead) : NULL,
			ahead ? nla_len(ahead) : 0, ret_why);
}

static int on_link_del(struct rvol *r, struct genl_info *info, const char **ret_why)
{
	int rv = link_del(r, nla_get_u32(get(info, RVOL_A_LINK)));

	if (rv == -ENOENT)
		*ret_why = "no link of that number is up";
	return rv;
}

/* ---- commands for the mirror: entered, it has booted and is not ending ---- */

static int on_resource_set(struct rvol *r, struct genl_info *info, u64 now, const char **ret_why)
{
	if (get(info, RVOL_A_HANDOVER))
		r->handover = nla_get_u8(get(info, RVOL_A_HANDOVER));
	if (get(info, RVOL_A_READ_POLICY))
		repl_mirror_set_read_policy(r->mirror, nla_get_u8(get(info, RVOL_A_READ_POLICY)));
	if (get(info, RVOL_A_COPIES)) {
		r->config.copies = nla_get_u32(get(info, RVOL_A_COPIES));
		repl_mirror_set_copies(r->mirror, r->config.copies, &r->sink, now);
	}
	r->changed = true;
	return 0;
}

/* An answer counts once, and only for what is asked now. */
static int take_token(const struct genl_info *info, u64 *asked, const char **ret_why)
{
	u64 token = nla_get_u64(get(info, RVOL_A_TOKEN));

	if (token != *asked) {
		*ret_why = "nobody asks that";
		return -ENOENT;
	}
	*asked = 0;
	return 0;
}

static int on_record(struct rvol *r, struct genl_info *info, u64 now, const char **ret_why)
{
	struct repl_record record;
	u64 token = r->read_token;
	int rv = get_record(info, &record, ret_why);

	if (rv == 0)
		rv = take_token(info, &r->read_token, ret_why);
	if (rv == 0)
		repl_mirror_record(r->mirror, token, &record, &r->sink, now);
	return rv;
}

static int on_cas_done(struct rvol *r, struct genl_info *info, u64 now, const char **ret_why)
{
	struct repl_record record;
	u64 token = r->cas_token;
	int rv = get_record(info, &record, ret_why);

	if (rv == 0)
		rv = take_token(info, &r->cas_token, ret_why);
	if (rv == 0)
		repl_mirror_cas_done(r->mirror, token, nla_get_u8(get(info, RVOL_A_ACCEPTED)),
				     &record, &r->sink, now);
	return rv;
}

/* Where an application has it open there is nothing to do: what serves it heals, too. */
static int on_heal(struct rvol *r, struct genl_info *info, u64 now, const char **ret_why)
{
	bool on = nla_get_u8(get(info, RVOL_A_ON));

	if (on && !r->opened) {
		r->opened = r->healing = true;
		repl_mirror_open(r->mirror, &r->sink, now);
	} else if (!on && r->healing) {
		r->opened = r->healing = false;
		repl_mirror_close(r->mirror, &r->sink, now);
	}
	r->changed = true;
	return 0;
}

static int on_yield(struct rvol *r, struct genl_info *info, u64 now, const char **ret_why)
{
	repl_mirror_yield(r->mirror, &r->sink, now);
	return 0;
}

static int on_abandon(struct rvol *r, struct genl_info *info, u64 now, const char **ret_why)
{
	repl_mirror_abandon(r->mirror, &r->sink, now);
	return 0;
}

/* ---- status ---- */

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
	mutex_unlock(&r->lock);
	return rv;
}

/* The number of the last event comes first: what changes while this is put together has an event
 * with a higher one. */
static int put_status(struct sk_buff *skb, struct rvol *r, u32 portid, u32 seq, int flags)
{
	void *head = genlmsg_put(skb, portid, seq, &family, flags, RVOL_CMD_STATUS);
	struct rvol_status s = { 0 };

	if (!head)
		return -EMSGSIZE;
	rvol_status(r, &s);
	if (nla_put(skb, RVOL_A_UUID, RVOL_UUID_BYTES, r->uuid) < 0 ||
	    nla_put(skb, RVOL_A_STATUS, sizeof(s), &s) < 0 || put_volumes(skb, r) < 0) {
		genlmsg_cancel(skb, head);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, head);
	return 0;
}

static int on_status(struct rvol *r, struct genl_info *info, const char **ret_why)
{
	size_t room = nla_total_size(RVOL_UUID_BYTES) + nla_total_size(sizeof(struct rvol_status)) +
		      RVOL_VOLUMES_MAX * nla_total_size(sizeof(struct rvol_volume));
	struct sk_buff *skb = genlmsg_new(room, GFP_KERNEL);
	int rv;

	if (!skb)
		return -ENOMEM;
	rv = put_status(skb, r, info->snd_portid, info->snd_seq, 0);
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

static int dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct dump_place *at = (struct dump_place *)cb->ctx;
	struct rvol *r;
	int rv = 0;

	BUILD_BUG_ON(sizeof(*at) > sizeof(cb->ctx));
	while (rv == 0 && (r = table_next(at->begun ? at->uuid : NULL))) {
		rv = put_status(skb, r, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
				NLM_F_MULTI);
		if (rv == 0) {
			memcpy(at->uuid, r->uuid, RVOL_UUID_BYTES);
			at->begun = true;
		}
		rvol_put(r);
	}
	/* full: the rest comes with the next part; a part without anything would end the dump */
	return rv < 0 && !skb->len ? rv : skb->len;
}

/* ---- which command needs what ---- */

#define A(attr) BIT_ULL(RVOL_A_##attr)
static_assert(RVOL_A_COUNT <= 64, "the masks of attributes are too small");

/* exactly one of on and inside; none is handed to the one that makes a resource */
static const struct command {
	u64 needs, takes; /* masks of attributes; takes: besides those it needs */
	int (*on)(struct rvol *r, struct genl_info *info, const char **ret_why);
	int (*inside)(struct rvol *r, struct genl_info *info, u64 now, const char **ret_why);
} commands[RVOL_CMD_MAX + 1] = {
	[RVOL_CMD_RESOURCE_ADD] = {
		.needs = A(UUID) | A(NAME) | A(SELF) | A(COPIES) | A(NODE) | A(BOOT) |
			 A(TAG_COUNTER) | A(SEED) | A(READ_POLICY),
		.takes = A(STATE_PAGE) | A(STATE_COPY) | A(HOT_PAGE) | A(HOT_COPY),
		.on = on_resource_add,
	},
	[RVOL_CMD_RESOURCE_SET] = {
		.needs = A(UUID),
		.takes = A(COPIES) | A(READ_POLICY) | A(HANDOVER),
		.inside = on_resource_set,
	},
	[RVOL_CMD_RESOURCE_DEL] = { A(UUID), A(FORCE), .on = on_resource_del },
	[RVOL_CMD_VOLUME_ADD] = {
		.needs = A(UUID) | A(NUMBER) | A(MINOR) | A(SIZE),
		.takes = A(DATA_PATH) | A(META_PATH) | A(COPY_SIZE),
		.on = on_volume_add,
	},
	[RVOL_CMD_VOLUME_GROW] = { A(UUID) | A(NUMBER) | A(COPY_SIZE), .on = on_volume_grow },
	[RVOL_CMD_BOOT] = { A(UUID) | A(RECORD), .on = on_boot },
	[RVOL_CMD_RECORD] = { A(UUID) | A(TOKEN) | A(RECORD), .inside = on_record },
	[RVOL_CMD_CAS_DONE] = {
		.needs = A(UUID) | A(TOKEN) | A(RECORD) | A(ACCEPTED),
		.inside = on_cas_done,
	},
	[RVOL_CMD_LINK_ADD] = {
		.needs = A(UUID) | A(LINK) | A(SLOT) | A(FD),
		.takes = A(TLS) | A(PLAIN) | A(AHEAD),
		.on = on_link_add,
	},
	[RVOL_CMD_LINK_DEL] = { A(UUID) | A(LINK), .on = on_link_del },
	[RVOL_CMD_HEAL] = { A(UUID) | A(ON), .inside = on_heal },
	[RVOL_CMD_YIELD] = { A(UUID), .inside = on_yield },
	[RVOL_CMD_ABANDON] = { A(UUID), .inside = on_abandon },
	[RVOL_CMD_STATUS] = { A(UUID), .on = on_status },
};

#define MISSING(attr) [RVOL_A_##attr] = "the attribute " #attr " is missing"
static const char *const missing[RVOL_A_MAX + 1] = {
	MISSING(UUID),        MISSING(NAME),   MISSING(SELF),        MISSING(COPIES),
	MISSING(NODE),        MISSING(BOOT),   MISSING(TAG_COUNTER), MISSING(SEED),
	MISSING(READ_POLICY), MISSING(NUMBER), MISSING(MINOR),       MISSING(SIZE),
	MISSING(COPY_SIZE),   MISSING(RECORD), MISSING(TOKEN),       MISSING(ACCEPTED),
	MISSING(LINK),        MISSING(SLOT),   MISSING(FD),          MISSING(ON),
};

static int check_attributes(const struct command *c, struct genl_info *info, const char **ret_why)
{
	for (int i = 0; i <= RVOL_A_MAX; i++) {
		if ((c->needs & BIT_ULL(i)) && GENL_REQ_ATTR_CHECK(info, i)) {
			*ret_why = missing[i];
			return -EINVAL;
		}
		if (get(info, i) && !((c->needs | c->takes) & BIT_ULL(i)))
			return wrong(info, i, "the command takes no such attribute", ret_why);
	}
	return 0;
}

static int run_inside(const struct command *c, struct rvol *r, struct genl_info *info,
		      const char **ret_why)
{
	u64 now = rvol_enter(r);
	int rv = check_alive(r, ret_why);

	if (rv == 0)
		rv = c->inside(r, info, now, ret_why);
	rvol_leave(r);
	return rv;
}

static int run(const struct command *c, struct genl_info *info, const char **ret_why)
{
	int rv = check_attributes(c, info, ret_why);
	struct rvol *r;

	if (rv < 0)
		return rv;
	if (c->on == on_resource_add)
		return c->on(NULL, info, ret_why);
	r = table_find(nla_data(get(info, RVOL_A_UUID)));
	if (!r) {
		*ret_why = "there is no resource of that uuid";
		return -ENOENT;
	}
	rv = c->on ? c->on(r, info, ret_why) : run_inside(c, r, info, ret_why);
	rvol_put(r);
	return rv;
}

static int on_command(struct sk_buff *skb, struct genl_info *info)
{
	const char *why = NULL;
	int rv = run(&commands[info->genlhdr->cmd], info, &why);

	/* the macros for it take a literal each; this is one, too, of the module's */
	if (rv < 0 && why && info->extack)
		info->extack->_msg = why;
	return rv;
}

/* ---- the family ---- */

#define OP(command)                                                          \
	{                                                                    \
		.cmd = command, .flags = GENL_ADMIN_PERM, .doit = on_command \
	}
static const struct genl_small_ops ops[] = {
	OP(RVOL_CMD_RESOURCE_ADD),
	OP(RVOL_CMD_RESOURCE_SET),
	OP(RVOL_CMD_RESOURCE_DEL),
	OP(RVOL_CMD_VOLUME_ADD),
	OP(RVOL_CMD_VOLUME_GROW),
	OP(RVOL_CMD_BOOT),
	OP(RVOL_CMD_RECORD),
	OP(RVOL_CMD_CAS_DONE),
	OP(RVOL_CMD_LINK_ADD),
	OP(RVOL_CMD_LINK_DEL),
	OP(RVOL_CMD_HEAL),
	OP(RVOL_CMD_YIELD),
	OP(RVOL_CMD_ABANDON),
	{
		.cmd = RVOL_CMD_STATUS,
		.flags = GENL_ADMIN_PERM,
		.doit = on_command,
		.dumpit = dump,
	},
};

static const struct genl_multicast_group groups[] = {
	{ .name = RVOL_GENL_EVENTS, .flags = GENL_MCAST_CAP_NET_ADMIN },
};

/* parallel_ops: a command that waits for a slow device's opening must not keep others from being
 * heard. netnsok is not set: no other namespace has it. resv_start_op 0: nothing that is reserved
 * is tolerated, in any command. */
static struct genl_family family __ro_after_init = {
	.name = RVOL_GENL_NAME,
	.version = RVOL_GENL_VERSION,
	.maxattr = RVOL_A_MAX,
	.policy = policy,
	.parallel_ops = true,
	.resv_start_op = 0,
	.module = THIS_MODULE,
	.small_ops = ops,
	.n_small_ops = ARRAY_SIZE(ops),
	.mcgrps = groups,
	.n_mcgrps = ARRAY_SIZE(groups),
};

static struct sk_buff *make_event(const u8 *uuid, u64 event)
{
	struct sk_buff *skb = genlmsg_new(
		nla_total_size(RVOL_UUID_BYTES) + nla_total_size_64bit(sizeof(u64)), GFP_NOWAIT);
	void *head;

	if (!skb)
		return NULL;
	head = genlmsg_put(skb, 0, 0, &family, 0, RVOL_CMD_EVENT);
	if (!head || nla_put(skb, RVOL_A_UUID, RVOL_UUID_BYTES, uuid) < 0 ||
	    nla_put_u64_64bit(skb, RVOL_A_EVENT, event, RVOL_A_PAD) < 0) {
		nlmsg_free(skb);
		return NULL;
	}
	genlmsg_end(skb, head);
	return skb;
}

/* Memory is not waited for: the caller may be who would free some. A reader whose queue is full is
 * told so by its socket. */
bool netlink_event(const u8 uuid[RVOL_UUID_BYTES], u64 event)
{
	struct sk_buff *skb;
	bool told = true;

	read_lock(&events_lock);
	if (events_up && genl_has_listeners(&family, &init_net, 0)) {
		skb = make_event(uuid, event);
		told = skb;
		if (skb)
			genlmsg_multicast(&family, skb, 0, 0, GFP_NOWAIT);
	}
	read_unlock(&events_lock);
	return told;
}

static void set_events(bool up)
{
	write_lock(&events_lock);
	events_up = up;
	write_unlock(&events_lock);
}

int netlink_init(void)
{
	int rv = genl_register_family(&family);

	if (rv == 0)
		set_events(true);
	return rv;
}

/* The groups of a family that is gone may be another's: events end before it does. */
void netlink_exit(void)
{
	struct rvol *r;

	set_events(false);
	genl_unregister_family(&family);
	while ((r = list_first_entry_or_null(&table, struct rvol, list))) {
		const char *why = NULL;

		table_remove(r);
		rvol_end(r, true, &why);
	}
}
