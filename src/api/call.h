/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * call.h - one request on its way through the API: where it came from, what it
 * asks, where its answer goes. Filled from an HTTP request or by leader.c for
 * a request that never leaves the process; handlers cannot tell the difference.
 */
#ifndef SDSD_API_CALL_H
#define SDSD_API_CALL_H

#include "api/rc.h"
#include "api/router.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

#define CALL_ID_MAX 64 /* characters of a request id */
#define CALL_AUTHOR_MAX 160
#define CALL_ALLOW_MAX 64

struct api;
struct http_request;

/* "the leader is elsewhere": how sure is it that nothing was done? */
enum call_moved { CALL_STAYS, CALL_MOVED, CALL_MOVED_MAYBE };

struct api_call {
	struct api *api;
	struct api_call *prev, *next; /* all calls of the api, for its end */
	char method[16];
	char *url;          /* path and query as they came; owned */
	char *path, *query; /* both owned; query "" when there is none */
	struct buf body;
	json *doc; /* the body parsed; NULL when it is empty */
	struct route_match match;
	char id[CALL_ID_MAX + 1]; /* request id: makes a mutation exactly-once */
	/* who asked, for the history: "local", "node=n1", "token=ci", "token=ci via n1" */
	char author[CALL_AUTHOR_MAX];
	unsigned who;  /* one WHO_ bit */
	char node[64]; /* WHO_NODE: its name and Raft id */
	uint32_t node_id;
	const char *type;           /* of the answer, when it is no JSON; static */
	uint64_t begun_ns;          /* for its metrics */
	bool read_only;             /* who asks may change nothing */
	bool hop;                   /* came from another node: never carried on */
	bool secret;                /* the body is wiped before it is freed, parsed or not */
	bool stale;                 /* answered without a leader, from this node's definitions */
	uint64_t revision;          /* goes out as X-Revision when not 0 */
	int error_status;           /* of a refusal instead of what its list says; 0: that */
	enum call_moved moved;      /* goes out as X-Sdsd-Leader: elsewhere|unknown */
	bool challenge;             /* goes out as WWW-Authenticate */
	char allow[CALL_ALLOW_MAX]; /* goes out as Allow when not "": the methods of the path */
	void (*reply)(struct api_call *c, int status, const void *body, size_t len, void *arg);
	void *reply_arg;
	struct buf *give; /* of the answer's body: reply may take its memory; NULL: it may not */
	struct http_request
		*http; /* where it came from; NULL: from this process. Until it is answered */
};

/* url and body are copied. NULL when url is no path or too long. */
struct api_call *call_new(struct api *api, const char *method, const char *url, const void *body,
			  size_t len);
/* Sends the answer and frees c. */
void call_reply(struct api_call *c, int status, const void *body, size_t len);
/* The same of a long one, without a copy of it; body is empty after it. */
void call_reply_take(struct api_call *c, int status, struct buf *body);
/* Frees c without an answer: its request was taken elsewhere. */
void call_drop(struct api_call *c);
void call_reply_json(struct api_call *c, int status, json *doc); /* takes doc */
/* takes list; the status follows from it */
void call_reply_rc(struct api_call *c, int ok_status, json *list);
/* An error of our own, coded for the route's object; text NULL: the code's name */
void call_fail(struct api_call *c, int code, const struct err *err);
void call_fail_object(struct api_call *c, uint64_t object, int code, const struct err *err);
/* the same, with what else is to be said of it; details may be NULL */
void call_fail_details(struct api_call *c, uint64_t object, int code, const struct err *err,
		       const char *details);
/* 400: the body is not what this request needs */
void call_bad_body(struct api_call *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* 503 with the mark that sends the caller to the next leader */
void call_moved(struct api_call *c, enum call_moved how);
/* The list that call_fail answers; the caller owns it. */
json *call_error_list(uint64_t op, uint64_t object, int code, const struct err *err);

/* The body as an object: an empty body is an empty object. NULL: 400 was answered and c is gone.
 * Borrowed from c. */
json *call_object(struct api_call *c);
/* -E_INVALID when the value of key is there and is neither null nor of the given JSON type */
int call_check_type(json *o, const char *key, enum json_type type, struct err *err);
/* Whether the body is an object whose override_props, delete_props and delete_namespaces are of
 * their types, or not there. false: 400 was answered and c is gone. */
bool call_props_change(struct api_call *c);

/* Query: one boolean in any case; does a repeated key hold value (any case)? Absent key: true. */
bool call_query_bool(struct api_call *c, const char *key, bool def);
bool call_query_has(struct api_call *c, const char *key, const char *value);
/* props=Key or props=Key=Value, all must hold */
bool call_query_props(struct api_call *c, json *props);
/* limit and offset applied; takes and returns an array */
json *call_query_page(struct api_call *c, json *list);

/* Long lists are written element by element: as one tree of ten thousand they would take a hundred
 * times their size. limit and offset of the query are applied. */
#define CALL_LIST_MAX (60u << 20)
struct call_list {
	struct api_call *call;
	struct buf text;
	int64_t limit, offset, n;
	bool full; /* CALL_LIST_MAX was reached: the rest is missing */
};
void call_list_init(struct call_list *l, struct api_call *c);
/* The page that was asked for is full: what is pushed now is dropped. */
bool call_list_is_done(const struct call_list *l);
void call_list_push(struct call_list *l, json *element);                     /* takes it */
void call_list_push_text(struct call_list *l, const char *text, size_t len); /* an element */
/* The finished text of the list, owned by l until it is released; NULL when it got too long. */
struct buf *call_list_end(struct call_list *l);
void call_list_release(struct call_list *l);
/* Answers 200 with the list, or 500 when it got too long; releases l. */
void call_list_reply(struct call_list *l);
/* the same of one that was made with pauses; in_time false: it is not whole, c is carried again */
void call_list_finish(struct api_call *c, struct call_list *l, bool in_time);

#endif
