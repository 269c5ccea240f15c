/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * records.h - the data plane's way to the records {epoch, writer, in-sync set}:
 * carries plane_hooks.read_record and cas_record to the leader until they are
 * answered, and finds out what became of a proposal whose answer got lost.
 */
#ifndef SDSD_RECORDS_H
#define SDSD_RECORDS_H

#include "base/json.h"
#include "replication/plane.h"

#define RECORDS_MAX 65536 /* requests of the plane under way; at most two for each resource */

struct records;

/* http status of the leader's answer and its body parsed (borrowed; NULL when it is none) */
typedef void (*records_answer)(int status, json *doc, void *arg);
struct records_config {
	uv_loop_t *loop;
	/* POSTs to the leader, behind it api/leader.h: request_id NULL: a fresh one; cb exactly
	 * once, later */
	void (*call)(const char *path, const char *body, const char *request_id, int deadline_ms,
		     records_answer cb, void *cb_arg, void *arg);
	void *arg;
	const struct plane_ops *ops; /* answers go to record_read and record_cas */
};

struct records *records_new(const struct records_config *config);
/* after it nothing more is answered; the memory goes with the last call under way. NULL is fine. */
void records_free(struct records *r);
void records_set_plane(struct records *r, struct plane *plane);

void records_read(struct records *r, const char *resource, const uint8_t uuid[16], uint64_t token);
void records_cas(struct records *r, const char *resource, const uint8_t uuid[16],
		 const struct plane_record *next, uint64_t token);

/* What to do after the record was read while a proposal is open. Pure. */
enum records_verdict { RECORDS_ACCEPTED, RECORDS_REFUSED, RECORDS_AGAIN };
enum records_verdict records_judge(const struct plane_record *next, const struct plane_record *now);

#endif
