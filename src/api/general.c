// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * general.c - version and health, and what several handlers read from requests.
 * Called through routes.c and by the handlers.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/handlers.h"
#include "api/view.h"
#include "cluster/pki.h"

/* What our tier of operations equals: clients unlock features by it, and parse dotted integers. */
#define REST_API_VERSION "1.27.0"
#define HEALTH_LEADER_MS 3000 /* an election is no reason to fail over */

void version_get(struct api_call *c)
{
	json *o = view_object();
	char text[64];

	snprintf(text, sizeof(text), "1.34.0-sdsd-%.32s", c->api->config.version);
	jset_str(o, "version", text);
	jset_str(o, "git_hash", c->api->config.version);
	jset_str(o, "build_time", __DATE__);
	jset_str(o, "rest_api_version", REST_API_VERSION);
	call_reply_json(c, 200, o);
}

void health_get(struct api_call *c)
{
	struct api *a = c->api;
	int64_t gone_ms = api_mono_ms() - a->leader_seen_ms;
	struct err err;

	if (consensus_leader(a->config.consensus, NULL) || gone_ms < HEALTH_LEADER_MS) {
		json *o = view_object();

		jset_str(o, "status", "ok");
		jset_str(o, "node", a->config.node);
		call_reply_json(c, 200, o);
		return;
	}
	err_set(&err, -E_NO_LEADER, "node %s knows of no leader since %lld s", a->config.node,
		(long long)gone_ms / 1000);
	/* clients with a list of nodes go on to the next one at anything but 200 */
	call_reply_json(c, 500, call_error_list(0, 0, -E_NO_LEADER, &err));
}

/* nobody needs a token for it, so it tells little */
void root_get(struct api_call *c)
{
	json *o = view_object();

	jset_str(o, "product", "sdsd");
	jset_str(o, "node", c->api->config.node);
	jset_str(o, "api", "/v1");
	call_reply_json(c, 200, o);
}

int place_of_body(json *body, struct change_place *ret, struct err *err)
{
	int rv = change_place_parse(jget(body, "select_filter"), ret, err);

	if (rv == 0 && jget(body, "diskless_on_remaining"))
		ret->diskless_on_remaining = jget_bool(body, "diskless_on_remaining", false);
	return rv;
}

void name_of_body(json *body, const char *name_key, const char *external_key,
		  char out[ROUTER_ARG_MAX])
{
	const char *name = jget_str(body, name_key, ""),
		   *external = jget_str(body, external_key, "");
	char sha256[65];

	if (name[0] || !external[0] || resource_check_name(external, NULL) == 0) {
		snprintf(out, ROUTER_ARG_MAX, "%s", name[0] ? name : external);
		return;
	}
	pki_sha256_hex(external, strlen(external), sha256);
	snprintf(out, ROUTER_ARG_MAX, "LS_%.32s", sha256);
}

int check_layers(struct api *a, const char *resource, json *list, struct err *err)
{
	enum layers layers;
	struct view v;
	enum layers has;
	int rv = layers_parse(list, &layers, err);

	/* the other way round is fine: clients send what they take for the default */
	if (rv < 0 || layers == LAYERS_UNSAID || layers == LAYERS_PLAIN ||
	    view_load(a, resource, &v) < 0)
		return rv;
	has = resource_layers(&v.res);
	view_release(&v);
	if (layers_has(has, layers))
		return 0;
	return err_set(err, -E_BAD_LAYERS,
		       "resource %s was made without %s, and layers do not change: "
		       "create another one and copy",
		       resource, layers_missing(has, layers));
}
