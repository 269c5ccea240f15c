// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * node.c - the document of a node and its struct. Called by change_node.c, the
 * agent, the API and the cluster folder. To add a field: here and in node.h's head
 * comment; whoever changes a document changes the JSON, so that unknown fields live on.
 */
#include "model/node.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "model/field.h"

#define FINGERPRINT_LEN 64 /* hex digits of a SHA-256 */

bool node_address_is_literal(const char *address)
{
	uint8_t raw[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, address, raw) == 1 || inet_pton(AF_INET6, address, raw) == 1;
}

static bool is_fingerprint(const char *text)
{
	size_t n = 0;

	while (isxdigit((unsigned char)text[n]))
		n++;
	return n == FINGERPRINT_LEN && !text[n];
}

int node_check(const struct node *n, struct err *err)
{
	uint8_t raw[16];
	int rv = name_check("node name", n->name, NAME_MIN_LEN, err);

	if (rv < 0)
		return rv;
	if (!node_address_is_literal(n->address))
		return err_set(err, -E_INVALID,
			       "node %s: address \"%.60s\" must be an IP address, not a host name",
			       n->name, n->address);
	if (n->port < 1 || n->port > 65535)
		return err_set(err, -E_INVALID, "node %s: port %d is not 1 to 65535", n->name,
			       n->port);
	if (!is_fingerprint(n->fingerprint))
		return err_set(err, -E_INVALID,
			       "node %s: the fingerprint must be the %d hex digits of a SHA-256",
			       n->name, FINGERPRINT_LEN);
	if (n->uuid[0] && text_uuid_parse(n->uuid, raw) < 0)
		return err_set(err, -E_INVALID, "node %s: \"%s\" is not a uuid", n->name, n->uuid);
	return 0;
}

int node_parse(json *doc, struct node *ret, struct err *err)
{
	struct node n = { 0 };
	char what[NAME_MAX_LEN + 8];
	int64_t id, port;
	int rv;

	rv = field_object(doc, "node", err);
	if (rv == 0)
		rv = field_str(doc, "node", "name", n.name, sizeof(n.name), err);
	if (rv < 0)
		return rv;
	snprintf(what, sizeof(what), "node %s", n.name);
	if ((rv = field_i64(doc, what, "id", 1, UINT32_MAX, &id, err)) < 0 ||
	    (rv = field_uuid(doc, what, n.uuid, err)) < 0 ||
	    (rv = field_str(doc, what, "address", n.address, sizeof(n.address), err)) < 0 ||
	    (rv = field_i64(doc, what, "port", 1, 65535, &port, err)) < 0 ||
	    (rv = field_str(doc, what, "fingerprint", n.fingerprint, sizeof(n.fingerprint), err)) <
		    0)
		return rv;
	n.id = (uint32_t)id;
	n.port = (int)port;
	rv = node_check(&n, err);
	if (rv < 0)
		return rv;
	*ret = n;
	return 0;
}

json *node_doc(const struct node *n)
{
	json *doc = json_object_new_object();

	jset_str(doc, "name", n->name);
	jset_i64(doc, "id", n->id);
	jset_str(doc, "uuid", n->uuid);
	jset_str(doc, "address", n->address);
	jset_i64(doc, "port", n->port);
	jset_str(doc, "fingerprint", n->fingerprint);
	jset(doc, "flags", json_object_new_array());
	jset(doc, "props", json_object_new_object());
	return doc;
}

bool node_has_flag(json *doc, const char *flag)
{
	json *flags = jget(doc, "flags");
	size_t n =
		json_object_is_type(flags, json_type_array) ? json_object_array_length(flags) : 0;

	for (size_t i = 0; i < n; i++) {
		const char *text = json_object_get_string(json_object_array_get_idx(flags, i));

		if (text && strcasecmp(text, flag) == 0)
			return true;
	}
	return false;
}

void node_write_flag(json *doc, const char *flag, bool on)
{
	json *old = jget(doc, "flags"), *flags = json_object_new_array();
	size_t n = json_object_is_type(old, json_type_array) ? json_object_array_length(old) : 0;

	for (size_t i = 0; i < n; i++) {
		json *one = json_object_array_get_idx(old, i);
		const char *text = json_object_get_string(one);

		if (text && strcasecmp(text, flag) != 0)
			json_object_array_add(flags, json_object_get(one));
	}
	if (on)
		json_object_array_add(flags, json_object_new_string(flag));
	jset(doc, "flags", flags);
}

bool node_is_barred(json *doc)
{
	return jget_bool(doc, "barred", false);
}

void node_bar(json *doc)
{
	node_write_flag(doc, NODE_EVACUATE, false);
	node_write_flag(doc, NODE_LOST, true);
	jset_bool(doc, "barred", true);
}

static bool is_cordoned(json *props)
{
	const char *cordon = jget_str(props, NODE_CORDON, "");

	return strcasecmp(cordon, "on") == 0 || jget_bool(props, NODE_CORDON, false) ||
	       !jget_bool(props, NODE_AUTOPLACE, true);
}

int node_check_props(const char *what, json *props, struct err *err)
{
	static const char *const possible[] = { "on", "off", "true", "false" };
	const char *cordon = jget_str(props, NODE_CORDON, "off");

	for (size_t i = 0; i < sizeof(possible) / sizeof(possible[0]); i++) {
		if (strcasecmp(cordon, possible[i]) == 0)
			return 0;
	}
	return err_set(err, -E_BAD_PROP,
		       "%s: property " NODE_CORDON " is \"%.40s\"; possible are on and off", what,
		       cordon);
}

bool node_takes_new(json *doc, bool named, const char **ret_why)
{
	const char *why = node_has_flag(doc, NODE_LOST)       ? "it is lost"
			  : node_has_flag(doc, NODE_EVACUATE) ? "it is being evacuated"
							      : NULL;

	if (!why && !named && is_cordoned(jget(doc, "props")))
		why = "cordoned";
	if (why && ret_why)
		*ret_why = why;
	return !why;
}

void node_key(const char *name, char *out, size_t len)
{
	char low[NAME_MAX_LEN + 1];

	name_key(name, low);
	snprintf(out, len, "node/%s", low);
}
