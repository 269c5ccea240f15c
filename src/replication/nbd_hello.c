// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nbd_hello.c - the NBD handshake: what the server says first and how it
 * answers options. Called by nbd.c. LIST and INFO only tell; GO and
 * EXPORT_NAME open the volume, and their answer waits until it serves.
 * To support one more option: a row in hello_on_option.
 */
#include "replication/nbd_priv.h"

#include <string.h>

#define EXPORT_NAME_ZEROES 124 /* that the first newstyle sent after the flags */

static const u16 export_flags = NBD_HAS_FLAGS | NBD_SEND_FLUSH | NBD_SEND_FUA | NBD_SEND_TRIM |
				NBD_SEND_WRITE_ZEROES | NBD_CAN_MULTI_CONN;

void hello_send(struct client *c)
{
	u8 out[18];

	nbd_put64(out, NBD_MAGIC_INIT);
	nbd_put64(out + 8, NBD_MAGIC_OPTION);
	nbd_put16(out + 16, NBD_FIXED_NEWSTYLE | NBD_NO_ZEROES);
	client_write(c, out, sizeof(out));
}

void hello_on_flags(struct client *c, u32 flags)
{
	if (flags & ~(u32)(NBD_FIXED_NEWSTYLE | NBD_NO_ZEROES)) {
		client_abort(c); /* the protocol: unknown flags end the session */
		return;
	}
	c->no_zeroes = flags & NBD_NO_ZEROES;
}

static void reply(struct client *c, u32 option, u32 type, const void *data, u32 len)
{
	u8 out[20];

	nbd_put64(out, NBD_MAGIC_OPTION_REPLY);
	nbd_put32(out + 8, option);
	nbd_put32(out + 12, type);
	nbd_put32(out + 16, len);
	client_write(c, out, sizeof(out));
	if (len > 0)
		client_write(c, data, len);
}

static void reply_error(struct client *c, u32 option, u32 type, const char *why)
{
	reply(c, option, type, why, (u32)PORT_MIN(strlen(why), (size_t)NBD_NAME_MAX));
}

static bool name_is_ours(const struct nbd *n, const char *name, u32 len)
{
	size_t own = strlen(n->name);

	if (len == 0)
		return true;
	if (len != own && len != own + 2)
		return false;
	return memcmp(name, n->name, own) == 0 && (len == own || memcmp(name + own, "/0", 2) == 0);
}

static void send_infos(struct client *c, u32 option, u32 infos)
{
	struct nbd *n = c->nbd;
	u8 out[14 + sizeof(n->name)];
	size_t len = strlen(n->name);

	nbd_put16(out, NBD_INFO_EXPORT);
	nbd_put64(out + 2, n->c.size_bytes);
	nbd_put16(out + 10, export_flags);
	reply(c, option, NBD_REP_INFO, out, 12);

	nbd_put16(out, NBD_INFO_BLOCK_SIZE);
	nbd_put32(out + 2, n->c.block_bytes);
	nbd_put32(out + 6, NBD_BLOCK_PREFERRED);
	nbd_put32(out + 10, NBD_DATA_MAX);
	reply(c, option, NBD_REP_INFO, out, 14);

	if (infos & (1u << NBD_INFO_NAME)) {
		nbd_put16(out, NBD_INFO_NAME);
		memcpy(out + 2, n->name, len);
		reply(c, option, NBD_REP_INFO, out, (u32)(2 + len));
	}
	reply(c, option, NBD_REP_ACK, NULL, 0);
}

static void on_list(struct client *c, const struct nbd_event *ev)
{
	struct nbd *n = c->nbd;
	u8 out[4 + sizeof(n->name)];
	size_t len = strlen(n->name);

	if (ev->len != 0) {
		reply_error(c, ev->option, NBD_REP_ERR_INVALID, "LIST takes no data");
		return;
	}
	nbd_put32(out, (u32)len);
	memcpy(out + 4, n->name, len);
	reply(c, ev->option, NBD_REP_SERVER, out, (u32)(4 + len));
	reply(c, ev->option, NBD_REP_ACK, NULL, 0);
}

static void want_to_enter(struct client *c, u32 option, u32 infos)
{
	struct nbd *n = c->nbd;

	c->state = CLIENT_WAITING;
	c->wait_option = option;
	c->wait_infos = infos;
	if (n->state == NBD_OPEN)
		hello_enter(c);
	else
		nbd_settle_soon(n); /* opens the volume if it is not being opened yet */
}

static void on_info_or_go(struct client *c, const struct nbd_event *ev)
{
	const char *name;
	u32 len, infos;

	if (nbd_parse_go(ev->data, ev->len, &name, &len, &infos) < 0)
		reply_error(c, ev->option, NBD_REP_ERR_INVALID, "malformed option");
	else if (!name_is_ours(c->nbd, name, len))
		reply_error(c, ev->option, NBD_REP_ERR_UNKNOWN, "no such export here");
	else if (ev->option == NBD_OPT_INFO)
		send_infos(c, ev->option, infos);
	else
		want_to_enter(c, ev->option, infos);
}

static void on_structured(struct client *c, const struct nbd_event *ev)
{
	if (ev->len != 0) {
		reply_error(c, ev->option, NBD_REP_ERR_INVALID, "STRUCTURED_REPLY takes no data");
		return;
	}
	c->structured = true;
	reply(c, ev->option, NBD_REP_ACK, NULL, 0);
}

void hello_on_option(struct client *c, const struct nbd_event *ev)
{
	switch (ev->option) {
	case NBD_OPT_EXPORT_NAME:
		/* there is no way to say no to this one but to hang up */
		if (name_is_ours(c->nbd, (const char *)ev->data, ev->len))
			want_to_enter(c, ev->option, 0);
		else
			client_leave(c);
		break;
	case NBD_OPT_ABORT:
		reply(c, ev->option, NBD_REP_ACK, NULL, 0);
		client_leave(c);
		break;
	case NBD_OPT_LIST:
		on_list(c, ev);
		break;
	case NBD_OPT_INFO:
	case NBD_OPT_GO:
		on_info_or_go(c, ev);
		break;
	case NBD_OPT_STRUCTURED_REPLY:
		on_structured(c, ev);
		break;
	default:
		reply_error(c, ev->option, NBD_REP_ERR_UNSUP, "option not supported");
		break;
	}
}

void hello_on_big_option(struct client *c, u32 option)
{
	if (option == NBD_OPT_EXPORT_NAME)
		client_leave(c);
	else
		reply_error(c, option, NBD_REP_ERR_TOO_BIG, "option too large");
}

void hello_enter(struct client *c)
{
	u8 out[10 + EXPORT_NAME_ZEROES] = { 0 };

	if (c->wait_option == NBD_OPT_GO) {
		send_infos(c, NBD_OPT_GO, c->wait_infos);
	} else {
		nbd_put64(out, c->nbd->c.size_bytes);
		nbd_put16(out + 8, export_flags);
		client_write(c, out, c->no_zeroes ? 10 : sizeof(out));
	}
	if (c->state != CLIENT_WAITING)
		return; /* could not be written to */
	c->state = CLIENT_INSIDE;
	nbd_parse_transmission(&c->parse);
}

void hello_refuse(struct client *c, const char *why)
{
	if (c->wait_option != NBD_OPT_GO) {
		client_leave(c);
		return;
	}
	c->state = CLIENT_HELLO;
	reply_error(c, NBD_OPT_GO, NBD_REP_ERR_SHUTDOWN, why);
}
