// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service.c - see service.h: what a service's document may say. Called by change_service.c, the
 * agent and the API. What is refused here would otherwise reach mount and systemctl of a node.
 */
#include "model/service.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void service_key(const char *name, char *out, size_t len)
{
	char low[NAME_MAX_LEN + 1];

	name_key(name, low);
	snprintf(out, len, "service/%s", low);
}

/* --- the rules of the fields -------------------------------------------- */

/* Copies a text of the document; def "": it may be missing */
static int take(json *doc, const char *field, char *out, size_t len, struct err *err)
{
	json *value = jget(doc, field);

	if (value && !json_object_is_type(value, json_type_string))
		return err_set(err, -E_INVALID, "\"%s\" of a service is a text", field);
	if (value && (size_t)json_object_get_string_len(value) >= len)
		return err_set(err, -E_INVALID, "\"%s\" of a service has %zu characters at most",
			       field, len - 1);
	snprintf(out, len, "%s", jget_str(doc, field, ""));
	return 0;
}

/* What a machine cannot do without is not mounted over. */
static bool is_system_path(const char *path)
{
	static const char *const exact[] = { "/bin",  "/boot", "/etc",  "/lib", "/lib64", "/root",
					     "/run",  "/sbin", "/tmp",  "/usr", "/var",   "/dev",
					     "/proc", "/sys",  "/home", "/mnt" };
	static const char *const below[] = { "/dev/", "/proc/", "/sys/", "/run/sdsd",
					     "/var/lib/sdsd" };

	for (size_t i = 0; i < sizeof(exact) / sizeof(exact[0]); i++) {
		if (strcmp(path, exact[i]) == 0)
			return true;
	}
	for (size_t i = 0; i < sizeof(below) / sizeof(below[0]); i++) {
		if (strncmp(path, below[i], strlen(below[i])) == 0)
			return true;
	}
	return false;
}

/* One component, which begins at p: how long it is; -1: "", "." or "..", or with a character that
 * the kernel's table of mounts escapes */
static int component(const char *p)
{
	int n = (int)strcspn(p, "/");

	if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
		return -1;
	for (int i = 0; i < n; i++) {
		if (p[i] <= ' ' || p[i] == '\\' || p[i] == 0x7f)
			return -1;
	}
	return n;
}

static int check_mount(const char *path, struct err *err)
{
	const char *p = path;
	int n = 0;

	while (*p == '/' && n >= 0) {
		n = component(p + 1);
		p += n + 1;
	}
	if (path[0] != '/' || n < 0)
		return err_set(err, -E_INVALID,
			       "mount \"%.100s\": the absolute path of a folder is needed, such as "
			       "/srv/db, without \".\", \"..\", blanks, and \"/\" at its end",
			       path);
	if (is_system_path(path))
		return err_set(err, -E_INVALID, "mount %s: the system itself needs this place",
			       path);
	return 0;
}

static bool only_of(const char *text, const char *others)
{
	for (; *text; text++) {
		if (!isalnum((unsigned char)*text) && !strchr(others, *text))
			return false;
	}
	return true;
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n > m && strcmp(text + n - m, end) == 0;
}

static int check_unit(const char *unit, struct err *err)
{
	if (!unit[0])
		return 0;
	if (!only_of(unit, ":_.\\@-") || unit[0] == '-' || unit[0] == '.' ||
	    (!ends_with(unit, ".service") && !ends_with(unit, ".target")) ||
	    strstr(unit, "@.service") || strstr(unit, "@.target"))
		return err_set(err, -E_INVALID,
			       "unit \"%s\": the name of a systemd unit is needed that ends with "
			       ".service or .target, such as postgresql.service",
			       unit);
	if (strcmp(unit, "sdsd.service") == 0)
		return err_set(err, -E_INVALID, "unit %s: that is what starts it", unit);
	return 0;
}

int service_vip_parse(const char *vip, char address[SERVICE_VIP_MAX + 1], int *ret_prefix,
		      bool *ret_v6, struct err *err)
{
	size_t n = strcspn(vip, "/");
	bool v6 = memchr(vip, ':', n) != NULL;
	int most = v6 ? 128 : 32;
	unsigned char raw[16];
	long prefix = most;
	char *end = NULL;

	if (n <= SERVICE_VIP_MAX) {
		memcpy(address, vip, n);
		address[n] = '\0';
	}
	if (vip[n] == '/' && isdigit((unsigned char)vip[n + 1]))
		prefix = strtol(vip + n + 1, &end, 10);
	if (n > SERVICE_VIP_MAX || (vip[n] == '/' && (!end || *end)) || prefix < 1 ||
	    prefix > most || inet_pton(v6 ? AF_INET6 : AF_INET, address, raw) != 1)
		return err_set(err, -E_INVALID,
			       "vip \"%.60s\": an address with its prefix is needed, such as "
			       "10.0.0.5/24",
			       vip);
	if (v6 ? raw[0] == 0xff || memcmp(raw, &in6addr_any, 16) == 0 ||
			    memcmp(raw, &in6addr_loopback, 16) == 0
	       : raw[0] == 0 || raw[0] == 127 || raw[0] >= 224)
		return err_set(err, -E_INVALID, "vip %s: that is no address of one machine", vip);
	*ret_prefix = (int)prefix;
	*ret_v6 = v6;
	return 0;
}

static int check_address(const struct service *s, struct err *err)
{
	char address[SERVICE_VIP_MAX + 1];
	int prefix;
	bool v6;

	if (!s->vip[0] && s->interface[0])
		return err_set(err, -E_INVALID, "an interface without a vip has no meaning");
	if (s->interface[0] && (!only_of(s->interface, "_.-@") || s->interface[0] == '.'))
		return err_set(err, -E_INVALID, "interface \"%s\": that is no name of one",
			       s->interface);
	return s->vip[0] ? service_vip_parse(s->vip, address, &prefix, &v6, err) : 0;
}

static int check(const struct service *s, struct err *err)
{
	int rv;

	if ((rv = name_check("service name", s->name, NAME_MIN_LEN, err)) < 0 ||
	    (rv = name_check("volume name", s->resource, NAME_MIN_LEN, err)) < 0 ||
	    (rv = check_mount(s->mount, err)) < 0 || (rv = check_unit(s->unit, err)) < 0)
		return rv;
	if (s->number < 0 || s->number >= VOLUMES_PER_RESOURCE_MAX)
		return err_set(err, -E_INVALID, "service %s: volumes have numbers from 0 to %d",
			       s->name, VOLUMES_PER_RESOURCE_MAX - 1);
	if (!only_of(s->options, "=,._:/%+-") || s->options[0] == '-')
		return err_set(err, -E_INVALID,
			       "options \"%s\": those of mount are needed, such as "
			       "noatime,data=ordered",
			       s->options);
	return check_address(s, err);
}

/* --- documents ---------------------------------------------------------- */

static int parse_nodes(json *doc, struct service *s, struct err *err)
{
	json *list = jget(doc, "nodes");
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
	int rv;

	if (list && !json_object_is_type(list, json_type_array))
		return err_set(err, -E_INVALID, "\"nodes\" of a service is a list of names");
	if (n > SERVICE_NODES_MAX)
		return err_set(err, -E_INVALID, "a service has %d nodes at most",
			       SERVICE_NODES_MAX);
	for (size_t i = 0; i < n; i++) {
		json *one = json_object_array_get_idx(list, i);
		const char *name = json_object_is_type(one, json_type_string)
					   ? json_object_get_string(one)
					   : "";

		rv = name_check("node name", name, NAME_MIN_LEN, err);
		if (rv < 0)
			return rv;
		for (int k = 0; k < s->n_nodes; k++) {
			if (strcasecmp(s->nodes[k], name) == 0)
				return err_set(err, -E_INVALID, "node %s is named twice", name);
		}
		snprintf(s->nodes[s->n_nodes++], NAME_MAX_LEN + 1, "%s", name);
	}
	return 0;
}

static void parse_failures(json *doc, struct service *s)
{
	json *list = jget(doc, "failed");
	size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

	for (size_t i = 0; i < n && s->n_failed < SERVICE_NODES_MAX; i++) {
		json *one = json_object_array_get_idx(list, i);

		service_note_failure(s, jget_str(one, "node", ""), jget_str(one, "why", ""),
				     jget_i64_or(one, "at_ms", 0));
	}
}

int service_parse(json *doc, struct service *ret, struct err *err)
{
	int64_t number = jget_i64_or(doc, "number", 0);
	struct service s = { .number = number < 0 || number > 255 ? -1 : (int)number };
	int rv;

	if ((rv = take(doc, "name", s.name, sizeof(s.name), err)) < 0 ||
	    (rv = take(doc, "resource", s.resource, sizeof(s.resource), err)) < 0 ||
	    (rv = take(doc, "mount", s.mount, sizeof(s.mount), err)) < 0 ||
	    (rv = take(doc, "options", s.options, sizeof(s.options), err)) < 0 ||
	    (rv = take(doc, "unit", s.unit, sizeof(s.unit), err)) < 0 ||
	    (rv = take(doc, "vip", s.vip, sizeof(s.vip), err)) < 0 ||
	    (rv = take(doc, "interface", s.interface, sizeof(s.interface), err)) < 0 ||
	    (rv = take(doc, "node", s.node, sizeof(s.node), err)) < 0 ||
	    (rv = take(doc, "wish", s.wish, sizeof(s.wish), err)) < 0 ||
	    (rv = parse_nodes(doc, &s, err)) < 0 || (rv = check(&s, err)) < 0)
		return rv;
	s.enabled = jget_bool(doc, "enabled", true);
	s.generation = jget_i64_or(doc, "generation", 1);
	s.starts = jget_i64_or(doc, "starts", 0);
	s.decided_ms = jget_i64_or(doc, "decided_ms", 0);
	snprintf(s.why, sizeof(s.why), "%s", jget_str(doc, "why", ""));
	parse_failures(doc, &s);
	*ret = s;
	return 0;
}

void service_write(json *doc, const struct service *s)
{
	json *failed = json_object_new_array();

	for (int i = 0; i < s->n_failed; i++) {
		json *one = json_object_new_object();

		jset_str(one, "node", s->failed[i].node);
		jset_str(one, "why", s->failed[i].why);
		jset_i64(one, "at_ms", s->failed[i].at_ms);
		json_object_array_add(failed, one);
	}
	jset_bool(doc, "enabled", s->enabled);
	jset_str(doc, "node", s->node);
	jset_str(doc, "wish", s->wish);
	jset_i64(doc, "generation", s->generation);
	jset_i64(doc, "starts", s->starts);
	jset_i64(doc, "decided_ms", s->decided_ms);
	jset_str(doc, "why", s->why);
	jset(doc, "failed", failed);
}

json *service_doc(const struct service *s)
{
	json *doc = json_object_new_object(), *nodes = json_object_new_array();

	for (int i = 0; i < s->n_nodes; i++)
		json_object_array_add(nodes, json_object_new_string(s->nodes[i]));
	jset_str(doc, "name", s->name);
	jset_str(doc, "resource", s->resource);
	jset_i64(doc, "number", s->number);
	jset_str(doc, "mount", s->mount);
	jset_str(doc, "options", s->options);
	jset_str(doc, "unit", s->unit);
	jset_str(doc, "vip", s->vip);
	jset_str(doc, "interface", s->interface);
	jset(doc, "nodes", nodes);
	service_write(doc, s);
	return doc;
}

bool service_same(const struct service *a, const struct service *b)
{
	return strcasecmp(a->resource, b->resource) == 0 && a->number == b->number &&
	       strcmp(a->mount, b->mount) == 0 && strcmp(a->options, b->options) == 0 &&
	       strcmp(a->unit, b->unit) == 0 && strcmp(a->vip, b->vip) == 0 &&
	       strcmp(a->interface, b->interface) == 0;
}

/* --- nodes that could not start it -------------------------------------- */

const struct service_failure *service_failure_on(const struct service *s, const char *node)
{
	for (int i = 0; i < s->n_failed; i++) {
		if (strcasecmp(s->failed[i].node, node) == 0)
			return &s->failed[i];
	}
	return NULL;
}

void service_forgive(struct service *s, const char *node)
{
	int n = 0;

	for (int i = 0; i < s->n_failed && node; i++) {
		if (strcasecmp(s->failed[i].node, node) != 0)
			s->failed[n++] = s->failed[i];
	}
	s->n_failed = n;
}

void service_note_failure(struct service *s, const char *node, const char *why, int64_t now_ms)
{
	struct service_failure *f;

	service_forgive(s, node);
	if (s->n_failed == SERVICE_NODES_MAX) { /* the oldest makes room */
		s->n_failed--;
		memmove(s->failed, s->failed + 1, (size_t)s->n_failed * sizeof(s->failed[0]));
	}
	f = &s->failed[s->n_failed++];
	snprintf(f->node, sizeof(f->node), "%s", node);
	snprintf(f->why, sizeof(f->why), "%s", why);
	f->at_ms = now_ms;
}
