// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * records.c - one small state machine for each request of the plane. A proposal
 * whose outcome is unknown is never proposed again before the record was read:
 * the tag in it says whether it was this one that won (protocol.md, record).
 * Without a leader a request is repeated until there is one; it ends without an
 * answer only when the resource is gone (404), since the agent then removes it
 * from the plane, too.
 */
#include "records.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/backoff.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "model/resource.h"

#define CALL_MS 5000
#define RETRY_MIN_MS 50
#define RETRY_MAX_MS 1000

struct records {
	struct records_config config;
	struct plane *plane;
	struct request *requests;
	int n;
	bool closing;
	int refs;
};

struct request {
	struct request *prev, *next;
	struct records *records;
	char resource[NAME_MAX_LEN + 1];
	char uuid[UUID_TEXT_LEN + 1];
	char request_id[UUID_TEXT_LEN + 1]; /* of the proposal: a repeated one counts once */
	uint64_t token;
	bool cas;      /* else a plain read */
	bool reading;  /* the call under way asks what the record is now */
	bool rejected; /* the proposal broke a rule: proposed again it would break it again */
	struct plane_record wanted;
	int tries;
	uv_timer_t timer;
};

static void put(struct records *r)
{
	if (--r->refs == 0)
		free(r);
}

static void send_request(struct request *q);

/* --- the end of a request ----------------------------------------------- */

static void on_timer_closed(uv_handle_t *handle)
{
	struct request *q = handle->data;
	struct records *r = q->records;

	free(q);
	put(r);
}

static void finish(struct request *q)
{
	struct records *r = q->records;

	if (q->next)
		q->next->prev = q->prev;
	if (q->prev)
		q->prev->next = q->next;
	else
		r->requests = q->next;
	r->n--;
	uv_close((uv_handle_t *)&q->timer, on_timer_closed);
}

static void answer(struct request *q, bool accepted, const struct plane_record *now)
{
	struct records *r = q->records;

	if (q->cas)
		r->config.ops->record_cas(r->plane, q->token, accepted, now);
	else
		r->config.ops->record_read(r->plane, q->token, now);
	finish(q);
}

/* --- answers of the leader ---------------------------------------------- */

static int take_record(json *doc, struct plane_record *ret)
{
	struct record rec;
	int rv = record_parse(doc, &rec, NULL);

	if (rv < 0)
		return rv;
	*ret = (struct plane_record){
		.epoch = rec.epoch,
		.writer = rec.writer,
		.in_sync = rec.in_sync,
		.tag_node = rec.tag.node,
		.tag_boot = rec.tag.boot,
		.tag_counter = rec.tag.counter,
	};
	return 0;
}

enum records_verdict records_judge(const struct plane_record *next, const struct plane_record *now)
{
	if (now->epoch == next->epoch && now->tag_node == next->tag_node &&
	    now->tag_boot == next->tag_boot && now->tag_counter == next->tag_counter)
		return RECORDS_ACCEPTED;
	return now->epoch + 1 == next->epoch ? RECORDS_AGAIN : RECORDS_REFUSED;
}

static void on_timer(uv_timer_t *timer)
{
	send_request(timer->data);
}

static void again(struct request *q)
{
	uv_timer_start(&q->timer, on_timer, backoff_ms(++q->tries, RETRY_MIN_MS, RETRY_MAX_MS), 0);
}

/* 200 to a reading of the record */
static void on_read(struct request *q, const struct plane_record *now)
{
	enum records_verdict verdict;

	if (!q->cas) {
		answer(q, false, now);
		return;
	}
	verdict = records_judge(&q->wanted, now);
	if (verdict != RECORDS_AGAIN || q->rejected) {
		answer(q, verdict == RECORDS_ACCEPTED, now);
		return;
	}
	q->reading = false;
	again(q);
}

/* of a list of coded entries, the first one's */
static const char *sentence(json *doc)
{
	json *first =
		json_object_is_type(doc, json_type_array) ? json_object_array_get_idx(doc, 0) : doc;

	return jget_str(first, "message", "no reason given");
}

static void on_answer(int status, json *doc, void *arg)
{
	struct request *q = arg;
	struct records *r = q->records;
	struct plane_record now;
	bool known;

	if (r->closing) {
		finish(q);
		return;
	}
	known = status == 200 && take_record(q->reading ? doc : jget(doc, "record"), &now) == 0;
	if (known && q->reading) {
		on_read(q, &now);
	} else if (known) {
		answer(q, jget_bool(doc, "accepted", false), &now);
	} else if (status == 404) {
		log_info("records", "resource=%s is gone; a request of the plane ends",
			 q->resource);
		finish(q);
	} else {
		if (status >= 400 && status < 500 && !q->reading) {
			q->rejected = true;
			log_warn("records", "resource=%s the leader refused (%d): %.200s",
				 q->resource, status, sentence(doc));
		}
		/* refused or unknown: what the record is now decides */
		q->reading = true;
		again(q);
	}
}

/* --- asking ------------------------------------------------------------- */

static json *record_json(const struct request *q)
{
	struct record rec = {
		.epoch = q->wanted.epoch,
		.writer = q->wanted.writer,
		.in_sync = q->wanted.in_sync,
		.tag = { q->wanted.tag_node, q->wanted.tag_boot, q->wanted.tag_counter },
	};

	return record_doc(&rec, q->uuid);
}

static void send_request(struct request *q)
{
	struct records *r = q->records;
	json *doc = json_object_new_object();

	jset_str(doc, "resource", q->resource);
	jset_str(doc, "uuid", q->uuid);
	if (!q->reading)
		jset(doc, "record", record_json(q));
	r->config.call(q->reading ? "/v1/sds/record-read" : "/v1/sds/record-cas", json_text(doc),
		       q->reading ? NULL : q->request_id, CALL_MS, on_answer, q, r->config.arg);
	json_object_put(doc);
}

static void begin(struct records *r, const char *resource, const uint8_t uuid[16], uint64_t token,
		  const struct plane_record *next)
{
	struct request *q;

	if (r->closing)
		return;
	q = calloc(1, sizeof(*q));
	if (!q || r->n >= RECORDS_MAX)
		abort(); /* the plane broke its promise */
	q->records = r;
	snprintf(q->resource, sizeof(q->resource), "%s", resource);
	text_uuid_format(uuid, q->uuid);
	text_uuid(q->request_id);
	q->token = token;
	q->cas = next != NULL;
	q->reading = !next;
	if (next)
		q->wanted = *next;
	uv_timer_init(r->config.loop, &q->timer);
	q->timer.data = q;
	q->next = r->requests;
	if (q->next)
		q->next->prev = q;
	r->requests = q;
	r->n++;
	r->refs++;
	send_request(q);
}

void records_read(struct records *r, const char *resource, const uint8_t uuid[16], uint64_t token)
{
	begin(r, resource, uuid, token, NULL);
}

void records_cas(struct records *r, const char *resource, const uint8_t uuid[16],
		 const struct plane_record *next, uint64_t token)
{
	begin(r, resource, uuid, token, next);
}

/* --- life --------------------------------------------------------------- */

struct records *records_new(const struct records_config *config)
{
	struct records *r = calloc(1, sizeof(*r));

	if (!r)
		abort();
	r->config = *config;
	r->refs = 1;
	return r;
}

void records_set_plane(struct records *r, struct plane *plane)
{
	r->plane = plane;
}

void records_free(struct records *r)
{
	struct request *q, *next;

	if (!r)
		return;
	r->closing = true;
	for (q = r->requests; q; q = next) {
		next = q->next;
		/* those that sleep; the others end when their call is answered */
		if (uv_is_active((uv_handle_t *)&q->timer))
			finish(q);
	}
	put(r);
}
