// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * netif.c - entries of a node's list of addresses. Called by change_netif.c and
 * the API's views. Pure.
 */
#include "model/netif.h"

#include <errno.h>
#include <strings.h>

#include "model/node.h"

json *netif_find(json *node, const char *name, size_t *ret_at)
{
	json *list = jget(node, "net_interfaces");
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

	for (size_t i = 0; i < n; i++) {
		json *nic = json_object_array_get_idx(list, i);

		if (strcasecmp(jget_str(nic, "name", ""), name) != 0)
			continue;
		if (ret_at)
			*ret_at = i;
		return nic;
	}
	return NULL;
}

static int take_port(const char *what, json *body, int64_t old, int64_t *ret, struct err *err)
{
	int rv = jget_i64(body, "satellite_port", ret);

	if (rv == -ENOENT)
		*ret = old;
	else if (rv < 0 || *ret < 1 || *ret > 65535)
		return err_set(err, -E_INVALID, "%s: satellite_port is a number from 1 to 65535",
			       what);
	return 0;
}

static int take_encryption(const char *what, json *body, const char *old, const char **ret,
			   struct err *err)
{
	const char *text = jget_str(body, "satellite_encryption_type", old);

	if (strcasecmp(text, "PLAIN") == 0)
		*ret = "PLAIN";
	else if (strcasecmp(text, "SSL") == 0)
		*ret = "SSL";
	else
		return err_set(err, -E_INVALID,
			       "%s: satellite_encryption_type \"%.40s\": possible are PLAIN and "
			       "SSL",
			       what, text);
	return 0;
}

int netif_make(const char *what, const char *name, const char *uuid, json *old, json *body,
	       json **ret, struct err *err)
{
	const char *address = jget_str(body, "address", jget_str(old, "address", ""));
	const char *encryption = NULL;
	int64_t port = 0;
	json *nic;
	int rv;

	if (!node_address_is_literal(address))
		return err_set(err, -E_INVALID,
			       "%s: address \"%.60s\" must be an IP address, not a host name", what,
			       address);
	if ((rv = take_port(what, body, jget_i64_or(old, "satellite_port", NETIF_PORT_DEFAULT),
			    &port, err)) < 0 ||
	    (rv = take_encryption(what, body, jget_str(old, "satellite_encryption_type", "PLAIN"),
				  &encryption, err)) < 0)
		return rv;
	nic = json_object_new_object();
	jset_str(nic, "name", jget_str(old, "name", name));
	jset_str(nic, "uuid", jget_str(old, "uuid", uuid));
	jset_str(nic, "address", address);
	jset_i64(nic, "satellite_port", port);
	jset_str(nic, "satellite_encryption_type", encryption);
	*ret = nic;
	return 0;
}
