// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tests of replication/nbd_parse.c: a whole session gives the same events
 * wherever it is cut, and what is no NBD is said to be so.
 */
#include "replication/nbd_parse.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "support/leaks.h"

TestSuite(nbd_parse, .fini = test_no_leaks);

struct session {
	u8 data[16384];
	size_t len;
};

static void add_option(struct session *s, u32 option, const void *data, u32 len)
{
	u8 *out = s->data + s->len;

	nbd_put64(out, NBD_MAGIC_OPTION);
	nbd_put32(out + 8, option);
	nbd_put32(out + 12, len);
	if (len > 0)
		memcpy(out + 16, data, len);
	s->len += 16 + len;
}

static void add_request(struct session *s, u16 flags, u16 command, u64 cookie, u64 off, u32 len)
{
	u8 *out = s->data + s->len;

	nbd_put32(out, NBD_MAGIC_REQUEST);
	nbd_put16(out + 4, flags);
	nbd_put16(out + 6, command);
	nbd_put64(out + 8, cookie);
	nbd_put64(out + 16, off);
	nbd_put32(out + 24, len);
	s->len += NBD_REQUEST_BYTES;
}

static void add_bytes(struct session *s, u8 byte, size_t len)
{
	memset(s->data + s->len, byte, len);
	s->len += len;
}

static void make_session(struct session *s)
{
	u8 go[8] = { 0, 0, 0, 0, 0, 1, 0, 3 }, big[NBD_OPTION_MAX + 1] = { 0 };

	s->len = 0;
	nbd_put32(s->data, 3);
	s->len = 4;
	add_option(s, NBD_OPT_STRUCTURED_REPLY, NULL, 0);
	add_option(s, 99, "hello", 5);
	add_option(s, 98, big, sizeof(big));
	add_option(s, NBD_OPT_GO, go, sizeof(go));
	add_request(s, NBD_CMD_FLAG_FUA, NBD_CMD_WRITE, 7, 512, 1024);
	add_bytes(s, 0xab, 1024);
	add_request(s, 0, NBD_CMD_READ, 8, 0x123456789abcull, 4096);
	add_request(s, 0, NBD_CMD_WRITE, 9, 0, 0); /* brings nothing */
	add_request(s, 0, NBD_CMD_DISC, 10, 0, 0);
}

/* writes down what the parser says; payload only as a sum, for it comes in any pieces */
static void note(const struct nbd_event *ev, char *log, size_t size, u32 *payload)
{
	size_t used = strlen(log);

	if (ev->kind == NBD_EV_PAYLOAD) {
		for (u32 i = 0; i < ev->len; i++)
			cr_assert_eq(ev->data[i], 0xab);
		*payload += ev->len;
		return;
	}
	snprintf(log + used, size - used, "%d:%u:%u:%u:%llu:%llu:%u:%.*s:%u\n", ev->kind,
		 ev->option, ev->command, ev->flags, (unsigned long long)ev->cookie,
		 (unsigned long long)ev->off, ev->len,
		 ev->kind == NBD_EV_OPTION && ev->option == 99 ? (int)ev->len : 0,
		 ev->data ? (const char *)ev->data : "", *payload);
}

static void feed(struct nbd_parse *p, const u8 *data, size_t len, char *log, size_t size,
		 u32 *payload)
{
	struct nbd_event ev;

	while (len > 0) {
		nbd_parse_next(p, &data, &len, &ev);
		if (ev.kind == NBD_EV_NONE)
			return;
		note(&ev, log, size, payload);
		if (ev.kind == NBD_EV_OPTION && ev.option == NBD_OPT_GO)
			nbd_parse_transmission(p);
		if (ev.kind == NBD_EV_BAD)
			return;
	}
}

Test(nbd_parse, every_cut_gives_the_same_events)
{
	static struct session s;
	struct nbd_parse *p = malloc(sizeof(*p));
	char whole[2048], cut[2048];
	u32 payload;

	make_session(&s);
	whole[0] = '\0';
	payload = 0;
	nbd_parse_init(p);
	feed(p, s.data, s.len, whole, sizeof(whole), &payload);
	cr_assert_eq(payload, 1024);
	cr_assert(strstr(whole, "2:99:0:0:0:0:5:hello:0"), "%s", whole);
	cr_assert(strstr(whole, "3:98:"), "%s", whole);
	cr_assert(strstr(whole, "4:0:2:0:10:0:0::1024"), "%s", whole);
	for (size_t at = 1; at < s.len; at++) {
		cut[0] = '\0';
		payload = 0;
		nbd_parse_init(p);
		feed(p, s.data, at, cut, sizeof(cut), &payload);
		feed(p, s.data + at, s.len - at, cut, sizeof(cut), &payload);
		cr_assert_str_eq(cut, whole, "cut at %zu", at);
	}
	free(p);
}

Test(nbd_parse, byte_by_byte)
{
	static struct session s;
	struct nbd_parse *p = malloc(sizeof(*p));
	char whole[2048] = "", bytes[2048] = "";
	u32 payload = 0;

	make_session(&s);
	nbd_parse_init(p);
	feed(p, s.data, s.len, whole, sizeof(whole), &payload);
	payload = 0;
	nbd_parse_init(p);
	for (size_t i = 0; i < s.len; i++)
		feed(p, s.data + i, 1, bytes, sizeof(bytes), &payload);
	cr_assert_str_eq(bytes, whole);
	free(p);
}

Test(nbd_parse, what_is_no_nbd)
{
	static struct session s;
	struct nbd_parse *p = malloc(sizeof(*p));
	struct nbd_event ev;
	const u8 *at;
	size_t len;

	memset(s.data, 'x', 64);
	at = s.data;
	len = 64;
	nbd_parse_init(p);
	nbd_parse_next(p, &at, &len, &ev);
	cr_expect_eq(ev.kind, NBD_EV_FLAGS);
	nbd_parse_next(p, &at, &len, &ev);
	cr_expect_eq(ev.kind, NBD_EV_BAD, "an option without magic");
	nbd_parse_next(p, &at, &len, &ev);
	cr_expect_eq(ev.kind, NBD_EV_BAD, "and it stays bad");

	at = s.data;
	len = 64;
	nbd_parse_init(p);
	nbd_parse_transmission(p);
	nbd_parse_next(p, &at, &len, &ev);
	cr_expect_eq(ev.kind, NBD_EV_BAD, "a request without magic");
	free(p);
}

Test(nbd_parse, too_many_options)
{
	static struct session s;
	struct nbd_parse *p = malloc(sizeof(*p));
	struct nbd_event ev;

	nbd_parse_init(p);
	nbd_put32(s.data, 1);
	s.len = 4;
	for (int i = 0; i <= NBD_OPTION_COUNT_MAX; i++) {
		const u8 *at;
		size_t len;

		add_option(&s, 50, NULL, 0);
		at = s.data;
		len = s.len;
		if (i == 0) {
			nbd_parse_next(p, &at, &len, &ev);
			cr_assert_eq(ev.kind, NBD_EV_FLAGS);
		}
		nbd_parse_next(p, &at, &len, &ev);
		cr_assert_eq(ev.kind, i < NBD_OPTION_COUNT_MAX ? NBD_EV_OPTION : NBD_EV_BAD,
			     "option %d", i);
		s.len = 0;
	}
	free(p);
}

Test(nbd_parse, go_data)
{
	static const struct {
		const char *name;
		u8 data[16];
		u32 len;
		int rv;
		u32 name_len, infos;
	} rows[] = {
		{ "empty name, no infos", { 0 }, 6, 0, 0, 0 },
		{ "name and two infos", { 0, 0, 0, 2, 'd', 'b', 0, 2, 0, 1, 0, 3 }, 12, 0, 2, 10 },
		{ "an info that nobody knows", { 0, 0, 0, 0, 0, 1, 9, 9 }, 8, 0, 0, 0 },
		{ "nothing", { 0 }, 0, -EINVAL, 0, 0 },
		{ "too short", { 0 }, 5, -EINVAL, 0, 0 },
		{ "name longer than the data", { 0, 0, 0, 3, 'd', 'b', 0, 0 }, 8, -EINVAL, 0, 0 },
		{ "name of 4 GiB", { 255, 255, 255, 255, 0, 0 }, 6, -EINVAL, 0, 0 },
		{ "an info is missing", { 0, 0, 0, 0, 0, 2, 0, 3 }, 8, -EINVAL, 0, 0 },
		{ "bytes behind", { 0, 0, 0, 0, 0, 0, 7 }, 7, -EINVAL, 0, 0 },
	};

	for (size_t i = 0; i < PORT_ARRAY_SIZE(rows); i++) {
		const char *name = NULL;
		u32 len = 0, infos = 0;
		int rv = nbd_parse_go(rows[i].data, rows[i].len, &name, &len, &infos);

		cr_expect_eq(rv, rows[i].rv, "row '%s'", rows[i].name);
		cr_expect_eq(len, rows[i].name_len, "row '%s'", rows[i].name);
		cr_expect_eq(infos, rows[i].infos, "row '%s'", rows[i].name);
	}
}

Test(nbd_parse, name_at_its_limit)
{
	static u8 data[NBD_OPTION_MAX];
	const char *name;
	u32 len, infos;

	nbd_put32(data, NBD_NAME_MAX);
	cr_expect_eq(nbd_parse_go(data, 6 + NBD_NAME_MAX, &name, &len, &infos), 0);
	cr_expect_eq(len, NBD_NAME_MAX);
	nbd_put32(data, NBD_NAME_MAX + 1);
	cr_expect_eq(nbd_parse_go(data, 7 + NBD_NAME_MAX, &name, &len, &infos), -EINVAL);
}
