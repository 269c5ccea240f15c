/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nbd_parse.h - what an NBD client sends, cut into events: flags, options,
 * requests, payload. Pure: bytes in, one event at a time out, in pieces of any
 * size. nbd.c answers; it also tells when the handshake is over.
 */
#ifndef SDSD_REPLICATION_NBD_PARSE_H
#define SDSD_REPLICATION_NBD_PARSE_H

#include "shared/port.h"

/* numbers of the NBD protocol, fixed newstyle */
#define NBD_MAGIC_INIT 0x4e42444d41474943ull
#define NBD_MAGIC_OPTION 0x49484156454f5054ull
#define NBD_MAGIC_OPTION_REPLY 0x0003e889045565a9ull
#define NBD_MAGIC_REQUEST 0x25609513u
#define NBD_MAGIC_SIMPLE 0x67446698u
#define NBD_MAGIC_CHUNK 0x668e33efu

enum { /* flags of the server's first words, and the client's answer */
       NBD_FIXED_NEWSTYLE = 1,
       NBD_NO_ZEROES = 2
};
enum nbd_option {
	NBD_OPT_EXPORT_NAME = 1,
	NBD_OPT_ABORT = 2,
	NBD_OPT_LIST = 3,
	NBD_OPT_INFO = 6,
	NBD_OPT_GO = 7,
	NBD_OPT_STRUCTURED_REPLY = 8
};
enum nbd_reply { NBD_REP_ACK = 1, NBD_REP_SERVER = 2, NBD_REP_INFO = 3 };
#define NBD_REP_ERR_UNSUP 0x80000001u
#define NBD_REP_ERR_INVALID 0x80000003u
#define NBD_REP_ERR_UNKNOWN 0x80000006u
#define NBD_REP_ERR_SHUTDOWN 0x80000007u
#define NBD_REP_ERR_TOO_BIG 0x80000009u
enum nbd_info { NBD_INFO_EXPORT = 0, NBD_INFO_NAME = 1, NBD_INFO_BLOCK_SIZE = 3 };
enum { /* transmission flags */
       NBD_HAS_FLAGS = 1 << 0,
       NBD_SEND_FLUSH = 1 << 2,
       NBD_SEND_FUA = 1 << 3,
       NBD_SEND_TRIM = 1 << 5,
       NBD_SEND_WRITE_ZEROES = 1 << 6,
       NBD_CAN_MULTI_CONN = 1 << 8
};
enum nbd_command {
	NBD_CMD_READ = 0,
	NBD_CMD_WRITE = 1,
	NBD_CMD_DISC = 2,
	NBD_CMD_FLUSH = 3,
	NBD_CMD_TRIM = 4,
	NBD_CMD_WRITE_ZEROES = 6
};
enum { NBD_CMD_FLAG_FUA = 1, NBD_CMD_FLAG_NO_HOLE = 2 };
enum { NBD_CHUNK_NONE = 0, NBD_CHUNK_DATA = 1, NBD_CHUNK_ERROR = 0x8001 };
enum { NBD_CHUNK_DONE = 1 };
enum { /* errors on the wire: Linux' numbers of long ago, whatever the host calls them */
       NBD_EPERM = 1,
       NBD_EIO = 5,
       NBD_ENOMEM = 12,
       NBD_EINVAL = 22,
       NBD_ENOSPC = 28,
       NBD_EOVERFLOW = 75,
       NBD_ESHUTDOWN = 108
};

#define NBD_OPTION_MAX 8192u    /* bytes of one option's data; names have at most 4096 */
#define NBD_OPTION_COUNT_MAX 64 /* options of one handshake */
#define NBD_NAME_MAX 4096u
#define NBD_INFOS_MAX 32u /* information items one GO may ask for; others are passed over */
#define NBD_REQUEST_BYTES 28u

enum nbd_event_kind {
	NBD_EV_NONE,       /* all bytes are used up */
	NBD_EV_FLAGS,      /* flags */
	NBD_EV_OPTION,     /* option, data, len (valid until the next call) */
	NBD_EV_OPTION_BIG, /* option, len: its data is passed over */
	NBD_EV_REQUEST,    /* command, flags, cookie, off, len */
	NBD_EV_PAYLOAD,    /* data, len: the next bytes of the write asked for */
	NBD_EV_BAD         /* text: not NBD; close. Every later call gives the same */
};

struct nbd_event {
	enum nbd_event_kind kind;
	u32 option;
	u16 command;
	u32 flags;
	u64 cookie;
	u64 off;
	u32 len;
	const u8 *data;
	const char *text;
};

enum nbd_parse_state {
	NBD_PARSE_FLAGS,
	NBD_PARSE_OPTION, /* header of an option */
	NBD_PARSE_OPTION_DATA,
	NBD_PARSE_OPTION_SKIP,
	NBD_PARSE_REQUEST,
	NBD_PARSE_PAYLOAD,
	NBD_PARSE_BAD
};

struct nbd_parse {
	enum nbd_parse_state state;
	u32 have, want; /* bytes in hold, bytes the state needs */
	u32 option;
	u32 options; /* seen so far */
	u32 left;    /* bytes of payload, or of data passed over */
	const char *bad;
	u8 hold[NBD_OPTION_MAX];
};

void nbd_parse_init(struct nbd_parse *p);
/* Takes bytes from *data, *len (both moved on) until there is an event. */
void nbd_parse_next(struct nbd_parse *p, const u8 **data, size_t *len, struct nbd_event *ret);
/* the handshake is over: requests follow */
void nbd_parse_transmission(struct nbd_parse *p);

/* the data of INFO and GO: name (not terminated, inside data) and a mask of the NBD_INFO_ items
 * below 32; -EINVAL */
int nbd_parse_go(const u8 *data, u32 len, const char **ret_name, u32 *ret_name_len, u32 *ret_infos);

u16 nbd_get16(const u8 *in);
u32 nbd_get32(const u8 *in);
u64 nbd_get64(const u8 *in);
void nbd_put16(u8 *out, u16 v);
void nbd_put32(u8 *out, u32 v);
void nbd_put64(u8 *out, u64 v);

#endif
