// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * web.c - listeners for users over TCP. Called by daemon.c. The certificate of
 * HTTPS is made when the daemon starts, signed by the cluster's CA on this node,
 * and never written anywhere: a key that does not outlive the process needs no
 * place to be kept.
 */
#include "web.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/tls.h"

#define LOOPBACK "127.0.0.1"
#define SIGN_RETRY_MS 200          /* a newcomer's store has no CA before its first snapshot */
#define SIGN_LOOK_MS (3600 * 1000) /* is it old, or has the node other addresses? */
#define SIGN_AGAIN_MS ((int64_t)PKI_SERVER_DAYS / 3 * 86400 * 1000)
#define NAMES_TEXT_MAX ((INET6_ADDRSTRLEN + 16) * PKI_NAMES_MAX)

/* one listener; the handler's argument of its connections */
struct door {
	struct web *web;
	struct listener *listener; /* NULL: it cannot be had */
	bool tls, open;
	char host[ADDRESS_LEN_MAX];
	int port;
	struct err error;
};

/* what a certificate is for */
struct names {
	const char *name[PKI_NAMES_MAX];
	int n;
	char text[NAMES_TEXT_MAX]; /* each with its end */
	size_t used;
};

struct web {
	struct web_config config;
	struct tls *tls; /* NULL without HTTPS */
	struct door doors[2 * CONFIG_WEB_MAX];
	int n_doors;
	uv_timer_t timer; /* looks after the certificate; only with HTTPS */
	struct names shown;
	int64_t signed_ms; /* wall clock; 0: never */
	bool complained;
};

/* --- connections -------------------------------------------------------- */

static void on_request(struct http_request *r, void *arg)
{
	struct door *d = arg;

	d->web->config.request(r, d->open, d->web->config.arg);
}

static size_t on_body_max(const struct http_request *r, void *arg)
{
	struct door *d = arg;

	return d->web->config.body_max(r, d->open, d->web->config.arg);
}

static void on_accept(struct conn *c, void *arg)
{
	static const struct http_options options = { .body_max = on_body_max };

	http_serve_with(c, on_request, arg, &options);
}

/* --- the certificate ---------------------------------------------------- */

static void add_name(struct names *names, const char *name)
{
	size_t len = strlen(name) + 1;

	if (len == 1 || names->n == PKI_NAMES_MAX || len > sizeof(names->text) - names->used)
		return;
	for (int i = 0; i < names->n; i++) {
		if (strcasecmp(names->name[i], name) == 0)
			return;
	}
	memcpy(names->text + names->used, name, len);
	names->name[names->n++] = names->text + names->used;
	names->used += len;
}

static void add_interfaces(struct names *names)
{
	uv_interface_address_t *list;
	int n;

	if (uv_interface_addresses(&list, &n) < 0)
		return;
	for (int i = 0; i < n; i++) {
		char text[INET6_ADDRSTRLEN] = "";

		if (list[i].address.address4.sin_family == AF_INET)
			uv_ip4_name(&list[i].address.address4, text, sizeof(text));
		else if (!IN6_IS_ADDR_LINKLOCAL(&list[i].address.address6.sin6_addr))
			uv_ip6_name(&list[i].address.address6, text, sizeof(text));
		add_name(names, text);
	}
	uv_free_interface_addresses(list, n);
}

/* by which users may call this node */
static void find_names(const struct identity *id, struct names *names)
{
	char host[256] = "";

	names->n = 0;
	names->used = 0;
	add_name(names, id->node);
	if (gethostname(host, sizeof(host) - 1) == 0)
		add_name(names, host);
	add_name(names, "localhost");
	add_name(names, LOOPBACK);
	add_name(names, "::1");
	add_name(names, id->address);
	add_interfaces(names);
}

static int sign(struct web *w, const struct names *names, struct err *err)
{
	struct buf cert, key;
	int rv;

	buf_init(&cert, PKI_PEM_MAX);
	buf_init(&key, PKI_PEM_MAX);
	rv = authority_sign_server(w->config.authority, names->name, names->n, &cert, &key, err);
	if (rv == 0)
		rv = tls_show(w->tls, (char *)cert.data, (char *)key.data, err);
	if (key.data)
		explicit_bzero(key.data, key.cap);
	buf_release(&key);
	buf_release(&cert);
	return rv;
}

static void on_timer(uv_timer_t *timer);

static void look_after_certificate(struct web *w)
{
	struct names *names = calloc(1, sizeof(*names));
	int64_t now_ms = clock_wall_ms();
	struct err err = { 0 };
	int rv = 0;

	if (!names)
		abort();
	find_names(w->config.id, names);
	if (w->signed_ms == 0 || now_ms - w->signed_ms > SIGN_AGAIN_MS || now_ms < w->signed_ms ||
	    names->used != w->shown.used || memcmp(names->text, w->shown.text, names->used) != 0) {
		rv = sign(w, names, &err);
		if (rv == 0) {
			w->signed_ms = now_ms;
			w->shown.used = names->used;
			memcpy(w->shown.text, names->text, names->used);
			log_info("web", "a certificate for HTTPS, with %d names", names->n);
		} else if (rv != -E_NOT_FOUND && !w->complained) {
			w->complained = true; /* once: it is tried again and again */
			log_warn("web", "no certificate for HTTPS: %s", err.text);
		}
	}
	free(names);
	uv_timer_start(&w->timer, on_timer, rv < 0 ? SIGN_RETRY_MS : SIGN_LOOK_MS, 0);
}

static void on_timer(uv_timer_t *timer)
{
	look_after_certificate(timer->data);
}

/* --- listeners ---------------------------------------------------------- */

static bool is_loopback(const char *host)
{
	struct in_addr in;

	if (inet_pton(AF_INET, host, &in) == 1)
		return ntohl(in.s_addr) >> 24 == 127;
	return strcmp(host, "::1") == 0;
}

static int open_door(struct web *w, bool tls, const char *host, int port, struct err *err)
{
	struct door *d = &w->doors[w->n_doors];
	int rv;

	*d = (struct door){ .web = w, .tls = tls, .open = !tls && is_loopback(host), .port = port };
	snprintf(d->host, sizeof(d->host), "%s", host);
	rv = listener_tcp(w->config.loop, host, port, tls ? w->tls : NULL, WEB_CONNS_MAX, on_accept,
			  d, &d->listener, err);
	if (rv < 0) {
		d->error = *err;
		return rv;
	}
	/* on loopback all are one address */
	if (!is_loopback(host))
		listener_limit_address(d->listener, WEB_CONNS_PER_ADDRESS_MAX);
	w->n_doors++;
	return 0;
}

/* what nobody asked for and cannot be had is no reason not to run */
static void keep_closed(struct web *w)
{
	struct door *d = &w->doors[w->n_doors++];

	log_warn("web", "the default address of %s is not served: %s",
		 d->tls ? "HTTPS" : "plain HTTP", d->error.text);
}

static int open_default(struct web *w, bool tls)
{
	struct err err;
	int rv;

	if (!tls) {
		rv = open_door(w, false, LOOPBACK, CONFIG_HTTP_PORT, &err);
	} else {
		rv = open_door(w, true, "::", CONFIG_HTTPS_PORT, &err);
		if (rv == -EAFNOSUPPORT || rv == -EADDRNOTAVAIL)
			rv = open_door(w, true, "0.0.0.0", CONFIG_HTTPS_PORT, &err);
	}
	if (rv < 0)
		keep_closed(w);
	return 0;
}

static int open_doors(struct web *w, bool tls, const struct config_webs *webs, struct err *err)
{
	int rv = 0;

	if (!webs->given)
		return open_default(w, tls);
	for (int i = 0; i < webs->n && rv == 0; i++) {
		rv = open_door(w, tls, webs->at[i].host, webs->at[i].port, err);
		if (rv == 0 && !tls && !w->doors[w->n_doors - 1].open)
			log_warn("web",
				 "plain HTTP on %s, which is not loopback: tokens can be read by "
				 "whoever sees the traffic",
				 webs->at[i].host);
	}
	return rv;
}

int web_new(const struct web_config *config, struct web **ret, struct err *err)
{
	const struct config *c = config->config;
	char ca[PATH_LEN_MAX + 16];
	struct web *w = calloc(1, sizeof(*w));
	int rv = 0;

	if (!w)
		return err_set(err, -ENOMEM, "no memory");
	w->config = *config;
	if (!c->https.given || c->https.n > 0) {
		snprintf(ca, sizeof(ca), "%s/ca.pem", config->id->dir);
		w->tls = tls_new_users(ca, config->id->cluster, err);
		if (!w->tls) {
			free(w);
			return err->code;
		}
		uv_timer_init(config->loop, &w->timer);
		w->timer.data = w;
		look_after_certificate(w);
	}
	rv = open_doors(w, false, &c->http, err);
	if (rv == 0)
		rv = open_doors(w, true, &c->https, err);
	w->config.config = NULL;
	*ret = w; /* also half made: web_stop() and web_free() take it down */
	return rv;
}

json *web_describe(const struct web *w)
{
	json *list = json_object_new_array();

	for (int i = 0; i < w->n_doors; i++) {
		const struct door *d = &w->doors[i];
		json *o = json_object_new_object();
		char url[ADDRESS_LEN_MAX + 32];

		snprintf(url, sizeof(url), strchr(d->host, ':') ? "%s://[%s]:%d" : "%s://%s:%d",
			 d->tls ? "https" : "http", d->host,
			 d->listener ? listener_port(d->listener) : d->port);
		jset_str(o, "url", url);
		jset_bool(o, "open", d->open);
		jset_str(o, "error", d->error.text);
		json_object_array_add(list, o);
	}
	return list;
}

void web_stop(struct web *w)
{
	if (!w)
		return;
	for (int i = 0; i < w->n_doors; i++) {
		listener_free(w->doors[i].listener);
		w->doors[i].listener = NULL;
	}
	if (w->tls)
		uv_close((uv_handle_t *)&w->timer, NULL);
}

void web_free(struct web *w)
{
	if (!w)
		return;
	tls_free(w->tls);
	free(w);
}
