/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * httpc.h - the HTTP client end: node to node over TLS, CLI to daemon over the
 * unix socket. One httpc is one target with one kept-alive connection and a
 * queue of requests (one under way at a time, so that slow ones use a client
 * of their own); it reconnects by itself for each request that finds no connection.
 */
#ifndef SDSD_NET_HTTPC_H
#define SDSD_NET_HTTPC_H

#include "base/buf.h"
#include "net/conn.h"

#define HTTPC_QUEUE_MAX 256
#define HTTPC_ANSWER_MAX (64u << 20)

struct httpc;

struct httpc_answer {
	int status;       /* HTTP status, 0 when error.code != 0 */
	struct err error; /* -ECONNREFUSED..., -ETIMEDOUT, -E_INVALID, -EBUSY (queue full) */
	bool sent;        /* some byte of the request left: it may have been executed */
	const struct buf *body;
	/* name without case; NULL when missing */
	const char *(*header)(const struct httpc_answer *a, const char *name);
	void *priv;
};
typedef void (*httpc_cb)(const struct httpc_answer *a, void *arg);

/* tls NULL and path of a unix socket in host for the local daemon */
struct httpc *httpc_new_unix(uv_loop_t *loop, const char *path);
struct httpc *httpc_new_tls(uv_loop_t *loop, struct tls *tls, const char *alpn, const char *host,
			    int port);
/* all copied; headers: "Name: value\r\n..." or NULL; body may be NULL. cb exactly once, later,
 * also after httpc_free (then with -ECANCELED, before httpc_free returns). */
void httpc_request(struct httpc *h, const char *method, const char *url, const char *headers,
		   const void *body, size_t len, int timeout_ms, httpc_cb cb, void *arg);
/* ends all requests with -ECANCELED; the memory goes when the connection has closed */
void httpc_free(struct httpc *h);

#endif
