/* SPDX-License-Identifier: GPL-2.0-or-later */
/* text.h - small string helpers: sizes, hex, case, uuid, constant-time compare. */
#ifndef SDSD_BASE_TEXT_H
#define SDSD_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define UUID_TEXT_LEN 36

/* "10G" "512MiB" "1.5T" "4096k" "100GB"(decimal) -> KiB, rounded up; a bare number is bytes... with
 * a unit mandatory below 1 MiB. -E_INVALID. Range 1 KiB .. 2^53 KiB. */
int text_parse_size_kib(const char *text, int64_t *ret_kib, struct err *err);
/* 10485760 -> "10.00 GiB". buf of at least 32 bytes; returns buf */
const char *text_size_kib(int64_t kib, char *buf, size_t len);
/* "119 s", "3 min", "5 h", "9 d"; "" for negative. buf of at least 32 bytes; returns buf */
const char *text_age(int64_t ms, char *buf, size_t len);
/* lower-cases ASCII into out (len bytes with the end); -ENAMETOOLONG */
int text_lower(const char *in, char *out, size_t len);
void text_hex(const void *data, size_t len, char *out /* 2*len+1 */);
int text_unhex(const char *hex, void *out, size_t len); /* exactly 2*len digits or -EINVAL */
bool text_equal_secret(const char *a, const char *b);   /* time does not depend on the content */
/* random (version 4) uuid */
void text_uuid(char out[UUID_TEXT_LEN + 1]);
int text_uuid_parse(const char *text, uint8_t out[16]);
void text_uuid_format(const uint8_t in[16], char out[UUID_TEXT_LEN + 1]);
/* "host:port", "[v6]:port" or host alone (then *ret_port = def_port); -E_INVALID */
int text_host_port(const char *text, int def_port, char *host, size_t host_len, int *ret_port,
		   struct err *err);

#endif
