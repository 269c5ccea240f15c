// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * orders.c - what user space says over the family "rvol" (uapi/rvol.h), checked,
 * and done by the other files. What arrives comes from a privileged daemon, which
 * may be wrong: nothing of it may do harm, and each refusal says what was wrong.
 *
 * One more command: a row in commands[] (which attributes it needs and takes)
 * and in ops[] of netlink.c.
 */
#include <linux/string.h>
#include <net/genetlink.h>

#include "netlink.h"

/* ---- values ---- */

/* 6.1 does not want them const */
static struct netlink_range_validation any_size = { REPL_SECTOR, REPL_VOLUME_BYTES_MAX };
static struct netlink_range_validation any_minor = { 0, MINORMASK };

const struct nla_policy order_policy[RVOL_A_MAX + 1] = {
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
	[RVOL_A_COPY_WRITES] = NLA_POLICY_MAX(NLA_U8, RVOL_COPIES_WAYS - 1),
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
	[RVOL_A_DEADLINE_MS] = NLA_POLICY_RANGE(NLA_U32, 1, RVOL_FREEZE_MAX_MS),
	[RVOL_A_PURPOSE] = NLA_POLICY_RANGE(NLA_U8, RVOL_PURPOSE_SESSION, RVOL_PURPOSE_PULL),
	[RVOL_A_RENEW] = NLA_POLICY_MIN(NLA_U32, 1),
	[RVOL_A_RENEW_AT] = NLA_POLICY_MIN(NLA_U64, 1),
	[RVOL_A_DISCARD] = NLA_POLICY_MIN(NLA_U32, REPL_SECTOR),
	[RVOL_A_BLOCK] = NLA_POLICY_RANGE(NLA_U32, REPL_SECTOR, REPL_META_PAGE),
	[RVOL_A_BELOW_PATH] = { .type = NLA_NUL_STRING, .len = RVOL_PATH_MAX - 1 },
	[RVOL_A_BELOW_OFF] = NLA_POLICY_FULL_RANGE(NLA_U64, &any_size),
	[RVOL_A_BELOW_DISCARDS] = NLA_POLICY_MAX(NLA_U8, 1),
	/* no row, refused: what only the module says */
};
static_assert(RVOL_AHEAD_MAX >= U16_MAX - NLA_HDRLEN, "the length of AHEAD needs a check");
static_assert(RVOL_SLOTS_MAX == REPL_SLOTS_MAX && RVOL_VOLUMES_MAX == REPL_VOLUMES_MAX,
	      "the interface and the core differ in their limits");
static_assert(RVOL_META_PAGE == REPL_META_PAGE && RVOL_LINK_SLOT(3) == REPL_LINK_SLOT(3) &&
		      RVOL_LINK_PULL == REPL_LINK_PULL && RVOL_LINK_FIRST == REPL_LINK_FIRST &&
		      RVOL_LINKS_MAX == REPL_SLOTS_MAX + 1 + REPL_ACCEPTED_MAX &&
		      RVOL_PURPOSE_SESSION == (int)WIRE_SESSION &&
		      RVOL_PURPOSE_PULL == (int)WIRE_PULL,
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
		*ret_why = "the resource is out of service, its status says why";
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

static int on_resource_add(struct rvol *none, struct genl_info *info, const char **ret_why)
{
	struct rvol_config c = { 0 };
	int rv = get_config(info, &c, ret_why);

	return rv < 0 ? rv : table_make(&c, ret_why);
}

static int on_resource_del(struct rvol *r, struct genl_info *info, const char **ret_why)
{
	return table_end(r, nla_get_flag(get(info, RVOL_A_FORCE)), ret_why);
}

/* without the attribute *ret is as it was */
static int get_discard(struct genl_info *info, u32 *ret, const char **ret_why)
{
	if (!get(info, RVOL_A_DISCARD))
		return 0;
	if (!get(info, RVOL_A_DATA_PATH))
		return wrong(info, RVOL_A_DISCARD, "a volume without a copy here discards nothing",
			     ret_why);
	*ret = nla_get_u32(get(info, RVOL_A_DISCARD));
	if (*ret % REPL_SECTOR)
		return wrong(info, RVOL_A_DISCARD, "the unit of discards is no multiple of 512",
			     ret_why);
	return 0;
}

/* without the attribute *ret is as it was */
static int get_block(struct genl_info *info, u32 *ret, const char **ret_why)
{
	if (!get(info, RVOL_A_BLOCK))
		return 0;
	*ret = nla_get_u32(get(info, RVOL_A_BLOCK));
	if (*ret != REPL_SECTOR && *ret != REPL_META_PAGE)
		return wrong(info, RVOL_A_BLOCK, "the logical block is neither 512 nor 4096",
			     ret_why);
	return 0;
}

/* without the attributes *c is as it was */
static int get_below(struct genl_info *info, struct rvol_vol_config *c, const char **ret_why)
{
	int given = !!get(info, RVOL_A_BELOW_PATH) + !!get(info, RVOL_A_BELOW_OFF);

	if (!given)
		return 0;
	if (given != 2 || !get(info, RVOL_A_DATA_PATH)) {
		*ret_why = "an encrypted copy needs DATA_PATH, BELOW_PATH and BELOW_OFF";
		return -EINVAL;
	}
	c->below_off = nla_get_u64(get(info, RVOL_A_BELOW_OFF));
	if (c->below_off % REPL_DISCARD_BYTES)
		return wrong(info, RVOL_A_BELOW_OFF, "the offset is no multiple of 4096", ret_why);
	return get_path(info, RVOL_A_BELOW_PATH, &c->below_path, ret_why);
}

static int on_volume_add(struct rvol *r, struct genl_info *info, const char **ret_why)
{
	int given = !!get(info, RVOL_A_DATA_PATH) + !!get(info, RVOL_A_META_PATH) +
		    !!get(info, RVOL_A_COPY_SIZE);
	struct rvol_vol_config c = { .number = nla_get_u8(get(info, RVOL_A_NUMBER)),
				     .minor = nla_get_u32(get(info, RVOL_A_MINOR)),
				     .block_bytes = REPL_SECTOR };
	int rv;

	rv = get_size(info, RVOL_A_SIZE, &c.size, ret_why);
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
	if (given && ((rv = get_path(info, RVOL_A_DATA_PATH, &c.data_path, ret_why)) < 0 ||
		      (rv = get_path(info, RVOL_A_META_PATH, &c.meta_path, ret_why)) < 0 ||
		      (rv = get_size(info, RVOL_A_COPY_SIZE, &c.copy_size, ret_why)) < 0))
		return rv;
	if ((rv = get_discard(info, &c.discard_bytes, ret_why)) < 0 ||
	    (rv = get_block(info, &c.block_bytes, ret_why)) < 0 ||
	    (rv = get_below(info, &c, ret_why)) < 0)
		return rv;
	return vol_add(r, &c, ret_why);
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
	struct nlattr *ahead = get(info, RVOL_A_AHEAD), *renew = get(info, RVOL_A_RENEW);
	struct rvol_link_order o = {
		.number = nla_get_u32(get(info, RVOL_A_LINK)),
		.slot = nla_get_u8(get(info, RVOL_A_SLOT)),
		.purpose = get(info, RVOL_A_PURPOSE) ? nla_get_u8(get(info, RVOL_A_PURPOSE)) : 0,
		.fd = nla_get_s32(get(info, RVOL_A_FD)),
		.tls = get(info, RVOL_A_TLS),
		.ahead = ahead ? nla_data(ahead) : NULL,
		.ahead_len = ahead ? nla_len(ahead) : 0,
		.renew = renew ? nla_get_u32(renew) : 0,
		.renew_at =
			get(info, RVOL_A_RENEW_AT) ? nla_get_u64(get(info, RVOL_A_RENEW_AT)) : 0,
	};
	int rv = check_link(r, info, ret_why);

	if (rv < 0)
		return rv;
	if (o.tls == !!get(info, RVOL_A_PLAIN)) {
		*ret_why = "a link is either TLS or PLAIN";
		return -EINVAL;
	}
	mutex_lock(&r->lock);
	rv = check_alive(r, ret_why);
	rvol_unlock(r);
	if (rv < 0)
		return rv;
	return link_add(r, &o, ret_why);
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
	if (get(info, RVOL_A_COPY_WRITES))
		WRITE_ONCE(r->copy_writes, nla_get_u8(get(info, RVOL_A_COPY_WRITES)));
	if (get(info, RVOL_A_BELOW_DISCARDS))
		WRITE_ONCE(r->below_discards, nla_get_u8(get(info, RVOL_A_BELOW_DISCARDS)));
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
		repl_mirror_heal(r->mirror, &r->sink, now);
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

static int on_freeze(struct rvol *r, struct genl_info *info, u64 now, const char **ret_why)
{
	return freeze_begin(r, nla_get_u64(get(info, RVOL_A_TOKEN)),
			    nla_get_u32(get(info, RVOL_A_DEADLINE_MS)), ret_why);
}

static int on_thaw(struct rvol *r, struct genl_info *info, u64 now, const char **ret_why)
{
	return freeze_thaw(r, nla_get_u64(get(info, RVOL_A_TOKEN)), ret_why);
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
		.takes = A(COPIES) | A(READ_POLICY) | A(HANDOVER) | A(COPY_WRITES) |
			 A(BELOW_DISCARDS),
		.inside = on_resource_set,
	},
	[RVOL_CMD_RESOURCE_DEL] = { A(UUID), A(FORCE), .on = on_resource_del },
	[RVOL_CMD_VOLUME_ADD] = {
		.needs = A(UUID) | A(NUMBER) | A(MINOR) | A(SIZE),
		.takes = A(DATA_PATH) | A(META_PATH) | A(COPY_SIZE) | A(DISCARD) | A(BLOCK) |
			 A(BELOW_PATH) | A(BELOW_OFF),
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
		.takes = A(TLS) | A(PLAIN) | A(AHEAD) | A(PURPOSE) | A(RENEW) | A(RENEW_AT),
		.on = on_link_add,
	},
	[RVOL_CMD_LINK_DEL] = { A(UUID) | A(LINK), .on = on_link_del },
	[RVOL_CMD_HEAL] = { A(UUID) | A(ON), .inside = on_heal },
	[RVOL_CMD_YIELD] = { A(UUID), .inside = on_yield },
	[RVOL_CMD_ABANDON] = { A(UUID), .inside = on_abandon },
	[RVOL_CMD_STATUS] = { A(UUID), .on = status_reply },
	[RVOL_CMD_FREEZE] = { A(UUID) | A(TOKEN) | A(DEADLINE_MS), .inside = on_freeze },
	[RVOL_CMD_THAW] = { A(UUID) | A(TOKEN), .inside = on_thaw },
};

#define MISSING(attr) [RVOL_A_##attr] = "the attribute " #attr " is missing"
static const char *const missing[RVOL_A_MAX + 1] = {
	MISSING(UUID),        MISSING(NAME),   MISSING(SELF),        MISSING(COPIES),
	MISSING(NODE),        MISSING(BOOT),   MISSING(TAG_COUNTER), MISSING(SEED),
	MISSING(READ_POLICY), MISSING(NUMBER), MISSING(MINOR),       MISSING(SIZE),
	MISSING(COPY_SIZE),   MISSING(RECORD), MISSING(TOKEN),       MISSING(ACCEPTED),
	MISSING(LINK),        MISSING(SLOT),   MISSING(FD),          MISSING(ON),
	MISSING(DEADLINE_MS),
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

int on_order(struct sk_buff *skb, struct genl_info *info)
{
	const char *why = NULL;
	int rv = run(&commands[info->genlhdr->cmd], info, &why);

	/* the macros for it take a literal each; this is one, too, of the module's */
	if (rv < 0 && why && info->extack)
		info->extack->_msg = why;
	return rv;
}
