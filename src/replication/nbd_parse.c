// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nbd_parse.c - the receiving half of the NBD protocol as a small machine that
 * holds one header or one option at a time. It checks magic numbers and sizes,
 * nothing else; what a request may ask for is nbd.c's to say.
 */
#include "replication/nbd_parse.h"

#include <string.h>

#define OPTION_HEADER 16u

u16 nbd_get16(const u8 *in)
{
	return (u16)(in[0] << 8 | in[1]);
}

u32 nbd_get32(const u8 *in)
{
	return (u32)nbd_get16(in) << 16 | nbd_get16(in + 2);
}

u64 nbd_get64(const u8 *in)
{
	return (u64)nbd_get32(in) << 32 | nbd_get32(in + 4);
}

void nbd_put16(u8 *out, u16 v)
{
	out[0] = (u8)(v >> 8);
	out[1] = (u8)v;
}

void nbd_put32(u8 *out, u32 v)
{
	nbd_put16(out, (u16)(v >> 16));
	nbd_put16(out + 2, (u16)v);
}

void nbd_put64(u8 *out, u64 v)
{
	nbd_put32(out, (u32)(v >> 32));
	nbd_put32(out + 4, (u32)v);
}

static void expect(struct nbd_parse *p, enum nbd_parse_state state, u32 want)
{
	p->state = state;
	p->have = 0;
	p->want = want;
}

void nbd_parse_init(struct nbd_parse *p)
{
	p->option = p->options = p->left = 0;
	p->bad = NULL;
	expect(p, NBD_PARSE_FLAGS, 4);
}

void nbd_parse_transmission(struct nbd_parse *p)
{
	expect(p, NBD_PARSE_REQUEST, NBD_REQUEST_BYTES);
}

static void bad(struct nbd_parse *p, const char *text, struct nbd_event *ret)
{
	p->state = NBD_PARSE_BAD;
	p->bad = text;
	ret->kind = NBD_EV_BAD;
	ret->text = text;
}

/* true: hold has all that the state wants */
static bool gather(struct nbd_parse *p, const u8 **data, size_t *len)
{
	size_t n = PORT_MIN(*len, (size_t)(p->want - p->have));

	if (n > 0)
		memcpy(p->hold + p->have, *data, n);
	p->have += (u32)n;
	*data += n;
	*len -= n;
	return p->have == p->want;
}

static void give_option(struct nbd_parse *p, u32 len, struct nbd_event *ret)
{
	ret->kind = NBD_EV_OPTION;
	ret->option = p->option;
	ret->data = p->hold;
	ret->len = len;
	expect(p, NBD_PARSE_OPTION, OPTION_HEADER);
}

static void on_option_header(struct nbd_parse *p, struct nbd_event *ret)
{
	u32 len = nbd_get32(p->hold + 12);

	if (nbd_get64(p->hold) != NBD_MAGIC_OPTION) {
		bad(p, "an option without its magic number", ret);
		return;
	}
	if (++p->options > NBD_OPTION_COUNT_MAX) {
		bad(p, "too many options", ret);
		return;
	}
	p->option = nbd_get32(p->hold + 8);
	if (len == 0) {
		give_option(p, 0, ret);
	} else if (len <= NBD_OPTION_MAX) {
		expect(p, NBD_PARSE_OPTION_DATA, len);
	} else {
		p->left = len;
		expect(p, NBD_PARSE_OPTION_SKIP, 0);
	}
}

static void on_request(struct nbd_parse *p, struct nbd_event *ret)
{
	if (nbd_get32(p->hold) != NBD_MAGIC_REQUEST) {
		bad(p, "a request without its magic number", ret);
		return;
	}
	ret->kind = NBD_EV_REQUEST;
	ret->flags = nbd_get16(p->hold + 4);
	ret->command = nbd_get16(p->hold + 6);
	ret->cookie = nbd_get64(p->hold + 8);
	ret->off = nbd_get64(p->hold + 16);
	ret->len = nbd_get32(p->hold + 24);
	expect(p, NBD_PARSE_REQUEST, NBD_REQUEST_BYTES);
	if (ret->command == NBD_CMD_WRITE && ret->len > 0) {
		p->left = ret->len;
		p->state = NBD_PARSE_PAYLOAD;
	}
}

static void on_payload(struct nbd_parse *p, const u8 **data, size_t *len, struct nbd_event *ret)
{
	u32 n = (u32)PORT_MIN(*len, (size_t)p->left);

	if (n == 0)
		return;
	ret->kind = NBD_EV_PAYLOAD;
	ret->data = *data;
	ret->len = n;
	*data += n;
	*len -= n;
	p->left -= n;
	if (p->left == 0)
		expect(p, NBD_PARSE_REQUEST, NBD_REQUEST_BYTES);
}

static void on_skip(struct nbd_parse *p, const u8 **data, size_t *len, struct nbd_event *ret)
{
	u32 n = (u32)PORT_MIN(*len, (size_t)p->left);

	*data += n;
	*len -= n;
	p->left -= n;
	if (p->left > 0)
		return;
	ret->kind = NBD_EV_OPTION_BIG;
	ret->option = p->option;
	expect(p, NBD_PARSE_OPTION, OPTION_HEADER);
}

static void step(struct nbd_parse *p, const u8 **data, size_t *len, struct nbd_event *ret)
{
	switch (p->state) {
	case NBD_PARSE_FLAGS:
		if (!gather(p, data, len))
			return;
		ret->kind = NBD_EV_FLAGS;
		ret->flags = nbd_get32(p->hold);
		expect(p, NBD_PARSE_OPTION, OPTION_HEADER);
		return;
	case NBD_PARSE_OPTION:
		if (gather(p, data, len))
			on_option_header(p, ret);
		return;
	case NBD_PARSE_OPTION_DATA:
		if (gather(p, data, len))
			give_option(p, p->want, ret);
		return;
	case NBD_PARSE_OPTION_SKIP:
		on_skip(p, data, len, ret);
		return;
	case NBD_PARSE_REQUEST:
		if (gather(p, data, len))
			on_request(p, ret);
		return;
	case NBD_PARSE_PAYLOAD:
		on_payload(p, data, len, ret);
		return;
	case NBD_PARSE_BAD:
		bad(p, p->bad, ret);
		return;
	}
}

void nbd_parse_next(struct nbd_parse *p, const u8 **data, size_t *len, struct nbd_event *ret)
{
	*ret = (struct nbd_event){ .kind = NBD_EV_NONE };
	do
		step(p, data, len, ret);
	while (ret->kind == NBD_EV_NONE && *len > 0);
}

int nbd_parse_go(const u8 *data, u32 len, const char **ret_name, u32 *ret_name_len, u32 *ret_infos)
{
	u32 name_len, infos = 0, n;

	if (len < 6)
		return -EINVAL;
	name_len = nbd_get32(data);
	if (name_len > NBD_NAME_MAX || name_len > len - 6)
		return -EINVAL;
	n = nbd_get16(data + 4 + name_len);
	if (len != 6 + name_len + 2 * n)
		return -EINVAL;
	for (u32 i = 0; i < n; i++) {
		u16 info = nbd_get16(data + 6 + name_len + 2 * i);

		if (info < NBD_INFOS_MAX)
			infos |= 1u << info;
	}
	*ret_name = (const char *)data + 4;
	*ret_name_len = name_len;
	*ret_infos = infos;
	return 0;
}
