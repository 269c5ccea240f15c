/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tool.h - programs that a backend has run: with a deadline, under the pool's
 * watch, and with a sentence when they fail. Blocking; called in worker threads.
 */
#ifndef SDSD_STORAGE_TOOL_H
#define SDSD_STORAGE_TOOL_H

#include "base/json.h"
#include "base/proc.h"
#include "storage/storage.h"

#define TOOL_QUERY_MS 30000   /* of one that only asks */
#define TOOL_CHANGE_MS 120000 /* of one that makes, grows or removes something */

/* 0: it ended with status 0. Else "pool ssd: lvcreate: <what it said>" with -EIO, or -ETIMEDOUT,
 * -ENOENT (it is not installed), -EMSGSIZE (it said too much). Where it answers in JSON, *ret_json
 * is what it said, for the caller to put, and -E_CORRUPT when that is none; else NULL. */
int tool_run(const struct storage_pool *p, const char *const argv[], int deadline_ms,
	     json **ret_json, struct err *err);

/* The same of a program that does not answer in JSON, or whose complaints mean something: what it
 * has said, to be released with proc_release whatever is returned. */
int tool_result(const struct storage_pool *p, const char *const argv[], int deadline_ms,
		struct proc_result *ret, struct err *err);

/* The first line of what a program complained of that says something, trimmed: no warnings, no
 * remarks about descriptors. "" when there is none. */
void tool_sentence(const char *complaints, char *out, size_t len);

#endif
