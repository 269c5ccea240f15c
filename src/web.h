/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * web.h - the listeners of the API for users over TCP: plain HTTP and HTTPS, and the certificate
 * that HTTPS shows. Made by daemon.c; what a request means is its callbacks' business.
 */
#ifndef SDSD_WEB_H
#define SDSD_WEB_H

#include <uv.h>

#include "base/json.h"
#include "cluster/authority.h"
#include "config.h"
#include "net/http.h"

#define WEB_CONNS_MAX 512             /* of one listener */
#define WEB_CONNS_PER_ADDRESS_MAX 128 /* of one listener that is not on loopback */

struct web_config {
	uv_loop_t *loop;
	const struct config *config; /* borrowed for web_new */
	const struct identity *id;   /* borrowed */
	struct authority *authority; /* borrowed */
	/* a whole request; open: of a plain listener on loopback */
	void (*request)(struct http_request *r, bool open, void *arg);
	/* as http_options.body_max */
	size_t (*body_max)(const struct http_request *r, bool open, void *arg);
	void *arg;
};

struct web;
/* A listener that was asked for and cannot be had is an error with a sentence; one of the defaults
 * is a warning, and web_describe() tells of it. */
int web_new(const struct web_config *config, struct web **ret, struct err *err);
/* [{"url":"http://127.0.0.1:3370","open":true,"error":""}]; the caller owns it */
json *web_describe(const struct web *w);
/* Nothing is accepted any more; connections go on and still use w. NULL is fine */
void web_stop(struct web *w);
/* when the loop has ended; NULL is fine */
void web_free(struct web *w);

#endif
