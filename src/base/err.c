// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * err.c - fills struct err and names codes. Called by everything in user
 * space. It knows no subsystem: foreign codes (OpenSSL, LMDB, raft) are mapped
 * by whoever talks to that library. To add a code: add it to the enum in err.h
 * and a row to own_names.
 */
#include "base/err.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const own_names[E_LAST - E_FIRST] = {
	[E_NOT_LEADER - E_FIRST] = "not the leader",
	[E_NO_LEADER - E_FIRST] = "no leader at present",
	[E_CONFLICT - E_FIRST] = "conflicts with another change",
	[E_UNKNOWN - E_FIRST] = "outcome unknown",
	[E_CORRUPT - E_FIRST] = "damaged data",
	[E_NOT_FOUND - E_FIRST] = "no such object",
	[E_EXISTS - E_FIRST] = "object exists",
	[E_INVALID - E_FIRST] = "invalid value",
	[E_BAD_PROP - E_FIRST] = "invalid property",
	[E_IN_USE - E_FIRST] = "object is in use",
	[E_BAD_LAYERS - E_FIRST] = "layers that are not possible",
	[E_NO_NODES - E_FIRST] = "not enough suitable nodes",
	[E_LOCKED - E_FIRST] = "locked",
	[E_DENIED - E_FIRST] = "denied",
};

int err_set(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;

	assert(code < 0);
	if (!err)
		return code;
	err->code = code;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return code;
}

int err_prefix(struct err *err, const char *fmt, ...)
{
	char joined[ERR_TEXT_MAX];
	size_t used, len;
	va_list ap;
	int n;

	if (!err)
		return -EINVAL;
	va_start(ap, fmt);
	n = vsnprintf(joined, sizeof(joined), fmt, ap);
	va_end(ap);
	used = n < 0 ? 0 : (size_t)n;
	if (used + 2 < sizeof(joined)) {
		joined[used++] = ':';
		joined[used++] = ' ';
		len = strnlen(err->text, sizeof(joined) - used - 1);
		memcpy(joined + used, err->text, len);
		joined[used + len] = '\0';
	}
	memcpy(err->text, joined, sizeof(err->text));
	return err->code;
}

const char *err_name(int code)
{
	const char *name;

	if (code == 0)
		return "success";
	if (code <= -E_FIRST && code > -E_LAST)
		return own_names[-code - E_FIRST];
	name = code < 0 ? strerrordesc_np(-code) : NULL;
	return name ? name : "unknown error";
}
