/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rc.h - ApiCallRc: the list of coded entries that every LINSTOR mutation and
 * every error answers, and the HTTP status that follows from it. Pure.
 */
#ifndef SDSD_API_RC_H
#define SDSD_API_RC_H

#include "base/json.h"

/* severity, bits 63-62 */
#define RC_ERROR 0xC000000000000000ull
#define RC_WARN 0x8000000000000000ull
#define RC_INFO 0x4000000000000000ull
#define RC_SUCCESS 0ull
/* what was asked, bits 25-24 */
#define RC_CRT 0x1000000ull
#define RC_MOD 0x2000000ull
#define RC_DEL 0x3000000ull
/* of which kind of object, bits 22-18 */
#define RC_NODE 0x3C0000ull
#define RC_RSC_DFN 0x380000ull
#define RC_RSC 0x340000ull
#define RC_VLM_DFN 0x300000ull
#define RC_VLM 0x2C0000ull
#define RC_NODE_CONN 0x280000ull
#define RC_RSC_CONN 0x240000ull
#define RC_NET_IF 0x1C0000ull
#define RC_STOR_POOL_DFN 0x180000ull
#define RC_STOR_POOL 0x140000ull
#define RC_CTRL 0x100000ull
#define RC_SNAPSHOT 0x0C0000ull
#define RC_KVS 0x400000ull
#define RC_RSC_GRP 0x440000ull
#define RC_VLM_GRP 0x480000ull
#define RC_OBJECT_MASK 0x7C0000ull

/* numbers, bits 14-0: exactly LINSTOR's, clients test single bits of them */
enum rc_number {
	RC_CREATED = 1,
	RC_DELETED = 2,
	RC_MODIFIED = 3,
	RC_PASSPHRASE_ACCEPTED = 4,
	RC_INVLD_NODE_NAME = 200,
	RC_INVLD_NODE_TYPE = 201,
	RC_INVLD_RSC_NAME = 202,
	RC_INVLD_VLM_NR = 205,
	RC_INVLD_VLM_SIZE = 206,
	RC_INVLD_STOR_POOL_NAME = 208,
	RC_INVLD_NET_NAME = 209,
	RC_INVLD_PROP = 213,
	RC_INVLD_PLACE_COUNT = 219,
	RC_INVLD_KVS_NAME = 223,
	RC_INVLD_LAYER_STACK = 225,
	RC_INVLD_PROVIDER = 227,
	RC_INVLD_CONF = 230,
	RC_INVLD_RSC_GRP_NAME = 237,
	RC_NOT_FOUND_NODE = 300,
	RC_NOT_FOUND_RSC_DFN = 301,
	RC_NOT_FOUND_RSC = 302,
	RC_NOT_FOUND_VLM_DFN = 303,
	RC_NOT_FOUND_VLM = 304,
	RC_NOT_FOUND_NET_IF = 305,
	RC_NOT_FOUND_NODE_CONN = 306,
	RC_NOT_FOUND_RSC_CONN = 307,
	RC_NOT_FOUND_STOR_POOL_DFN = 309,
	RC_NOT_FOUND_STOR_POOL = 310,
	RC_NOT_FOUND_SNAPSHOT = 313,
	RC_NOT_FOUND_KVS = 316,
	RC_NOT_FOUND_RSC_GRP = 317,
	RC_NOT_FOUND_VLM_GRP = 318,
	RC_ACC_DENIED_COMMAND = 412,
	RC_EXISTS_NODE = 500,
	RC_EXISTS_RSC_DFN = 501,
	RC_EXISTS_RSC = 502,
	RC_EXISTS_VLM_DFN = 503,
	RC_EXISTS_NET_IF = 505,
	RC_EXISTS_STOR_POOL_DFN = 509,
	RC_EXISTS_STOR_POOL = 510,
	RC_EXISTS_CRYPT_PASSPHRASE = 512,
	RC_EXISTS_SNAPSHOT = 514,
	RC_EXISTS_RSC_GRP = 522,
	RC_EXISTS_VLM_GRP = 523,
	RC_MISSING_PROPS = 600, /* also: a wrong passphrase */
	RC_NOT_ENOUGH_FREE_SPACE = 980,
	RC_CRYPT_INIT = 982,
	RC_STOR_POOL_CONFIGURATION = 990,
	RC_NOT_ENOUGH_NODES = 996,
	RC_IN_USE = 997,
	RC_UNKNOWN_ERROR = 998,
	RC_WARN_NOT_CONNECTED = 1002,
	RC_WARN_NOT_UPDATED = 1003,
	RC_WARN_DEL_UNSET_PROP = 1005,
	RC_WARN_ALREADY_DEPLOYED = 1006,
	RC_WARN_INEFFECTIVE_PROP = 1015,
	RC_WARN_INVLD_CONF = 1021,
	RC_WARN_NOT_FOUND = 3000,
	RC_SIGN_IN = 10000,         /* what was shown is not valid */
	RC_SIGN_IN_MISSING = 10001, /* nothing was shown */
	RC_INFO_NOOP = 10007,
	RC_INFO_RSC_ALREADY_EXISTS = 10008,
};
#define RC_NUMBER_MASK 0x7FFFull

/* The body was no JSON of the expected form: a code of its own, HTTP 400. */
#define RC_PARSE_ERROR (-3458764513820540931ll)

/* severity | op | object | number as the signed integer that travels */
int64_t rc_code(uint64_t severity, uint64_t op, uint64_t object, unsigned number);
/* Our error code about an object of this kind -> its number: (-E_EXISTS, RC_RSC_DFN) -> 501 */
unsigned rc_number(int code, uint64_t object);
/* What to do about it; NULL when the message says it all */
const char *rc_correction(int code);

json *rc_list(void); /* an empty list; the caller owns it */
/* Appends an entry; borrowed while list lives. */
json *rc_add(json *list, int64_t code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* obj_refs[key] = value of an entry */
void rc_ref(json *entry, const char *key, const char *value);
/* The HTTP status of a list: ok, unless an entry is an error: the first decides. */
int rc_status(json *list, int ok);
/* The first line a person should read: message of the first error, else of the first entry; "" */
const char *rc_message(json *list);

#endif
