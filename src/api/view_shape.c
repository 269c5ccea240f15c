// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * view_shape.c - the LINSTOR shapes of nodes, pools, groups, definitions,
 * resources and volumes. Called by the handlers that show them. The data plane
 * calls itself DRBD over STORAGE: unknown layer names make clients fail whole
 * lists, and some read sizes and health only there.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/view.h"
#include "model/group.h"
#include "model/netif.h"

#define TYPE_DRBD "DRBD"
#define TYPE_NVME "NVME"
#define TYPE_LUKS "LUKS"
#define TYPE_WRITECACHE "WRITECACHE"
#define TYPE_CACHE "CACHE"
#define TYPE_STORAGE "STORAGE"
#define DEVICE_MAX 80 /* of a device's path, with the end */
#define PEER_SLOTS (REPLICAS_MAX - 1)
#define PROMOTION_SCORE 10100 /* plus the copies that can be read: what clients take for healthy */

/* Nodes and pools */

/* its own address */
static json *default_netif(const struct node *n)
{
	json *nic = view_object();

	jset_str(nic, "name", NETIF_DEFAULT);
	jset_str(nic, "address", n->address);
	jset_i64(nic, "satellite_port", n->port);
	jset_str(nic, "satellite_encryption_type", "SSL");
	jset_bool(nic, "is_active", true);
	jset_str(nic, "uuid", n->uuid);
	return nic;
}

json *view_netifs(const struct node *n, json *doc)
{
	json *nics = view_list(), *more = jget(doc, "net_interfaces");
	size_t count =
		json_object_is_type(more, json_type_array) ? json_object_array_length(more) : 0;

	view_push(nics, default_netif(n));
	for (size_t i = 0; i < count; i++) {
		json *nic = json_copy(json_object_array_get_idx(more, i));

		jset_bool(nic, "is_active", false);
		view_push(nics, nic);
	}
	return nics;
}

const char *view_connection(struct api *a, const char *node)
{
	int64_t now = api_mono_ms();

	if (observed_online(a->observed, node, now))
		return "ONLINE";
	if (strcasecmp(node, a->config.node) == 0)
		return "ONLINE"; /* it is answering */
	/* a leader of a moment ago has not heard of anybody; without a leader nobody has */
	if (a->led_since_ms < 0 || (observed_age_ms(a->observed, node, now) < 0 &&
				    now - a->led_since_ms < OBSERVED_STALE_MS))
		return "UNKNOWN";
	return "OFFLINE";
}

/* ZFS where the node has it */
static json *providers_of(struct api *a, const char *node)
{
	static const char *const kinds[] = { "DISKLESS", "FILE", "FILE_THIN", "LVM",
					     "LVM_THIN", "ZFS",  "ZFS_THIN" };
	json *seen = observed_node(a->observed, node, api_mono_ms());

	return view_strings(kinds, jget_bool(seen, "zfs", false) ? 7 : 5);
}

json *view_node(struct api *a, json *doc)
{
	struct node n;
	json *o, *flags = jget(doc, "flags");

	if (node_parse(doc, &n, NULL) < 0)
		return NULL;
	o = view_object();
	jset_str(o, "name", n.name);
	jset_str(o, "type", "COMBINED");
	jset_str(o, "connection_status", view_connection(a, n.name));
	jset(o, "flags",
	     json_object_is_type(flags, json_type_array) ? json_copy(flags) : view_list());
	jset(o, "props", view_props(doc));
	jset(o, "net_interfaces", view_netifs(&n, doc));
	jset(o, "storage_providers", providers_of(a, n.name));
	jset(o, "resource_layers", layers_all());
	jset(o, "unsupported_providers", view_object());
	jset(o, "unsupported_layers", view_object());
	jset_str(o, "uuid", n.uuid);
	return o;
}

static json *pool_shape(const char *node, const char *name, const char *kind, bool snapshots)
{
	char space[2 * NAME_MAX_LEN + 2];
	json *o = view_object();

	snprintf(space, sizeof(space), "%s;%s", node, name);
	jset_str(o, "storage_pool_name", name);
	jset_str(o, "node_name", node);
	jset_str(o, "provider_kind", kind);
	jset_str(o, "free_space_mgr_name", space);
	jset_bool(o, "external_locking", false);
	jset_bool(o, "supports_snapshots", snapshots);
	return o;
}

static json *pool_traits(bool thin, bool snapshots)
{
	json *traits = view_object();

	jset_str(traits, "Provisioning", thin ? "Thin" : "Fat");
	jset_str(traits, "SupportsSnapshots", snapshots ? "true" : "false");
	return traits;
}

/* what its node is to do with its devices, and how far it is */
static void task_report(json *reports, const struct pool *p, json *seen)
{
	static const char *const words[TASK_KINDS] = {
		[TASK_MAKE] = "being made",
		[TASK_EXTEND] = "being extended",
		[TASK_REPLACE] = "getting another disk",
		[TASK_DESTROY] = "being destroyed",
	};
	json *task = jget(seen, "task");
	const char *error = jget_str(task, "error", ""), *text = jget_str(task, "text", "");

	if (p->task == TASK_NONE)
		return;
	if (error[0])
		rc_add(reports, rc_code(RC_ERROR, 0, RC_STOR_POOL, RC_STOR_POOL_CONFIGURATION),
		       "%s: %s", words[p->task], error);
	else
		rc_add(reports, rc_code(RC_INFO, 0, RC_STOR_POOL, RC_STOR_POOL_CONFIGURATION),
		       "%s%s%s", words[p->task], text[0] ? ": " : "", text);
}

/* What its node has been busy with for a while */
static void busy_report(json *seen, json *reports)
{
	int64_t warn = rc_code(RC_WARN, 0, RC_STOR_POOL, RC_STOR_POOL_CONFIGURATION);
	json *busy = jget(seen, "busy");
	int64_t pid = jget_i64_or(busy, "pid", 0), waiting = jget_i64_or(busy, "waiting", 0);
	char program[80] = "", more[40] = "";

	if (!busy)
		return;
	if (pid > 0)
		snprintf(program, sizeof(program), " (%.32s, pid %lld)",
			 jget_str(busy, "program", "process"), (long long)pid);
	if (waiting > 0)
		snprintf(more, sizeof(more), "; %lld more wait%s", (long long)waiting,
			 waiting == 1 ? "s" : "");
	rc_add(reports, warn, "%.32s%s%.64s has run for %lld s%s%s", jget_str(busy, "what", ""),
	       jget_str(busy, "volume", "")[0] ? " of " : "", jget_str(busy, "volume", ""),
	       (long long)jget_i64_or(busy, "since_ms", 0) / 1000, program, more);
}

json *view_pool(struct api *a, const struct pool *p, json *doc)
{
	bool snapshots = pool_kind_can_snapshot(p->kind);
	json *o = pool_shape(p->node, p->name, pool_kind_name(p->kind), snapshots);
	json *seen = observed_pool(a->observed, p->node, p->name, api_mono_ms());
	json *props = view_props(doc), *reports = view_list();
	const char *error = jget_str(seen, "error", "");
	int64_t free_kib, total_kib;

	jset_str(props, "StorDriver/StorPoolName", p->source);
	if (pool_kind_is_file(p->kind))
		jset_str(props, "StorDriver/FileDir", p->source);
	jset(o, "props", props);
	jset(o, "static_traits", pool_traits(pool_kind_is_thin(p->kind), snapshots));
	/* both or neither: clients compute with them */
	if (jget_i64(seen, "free_kib", &free_kib) == 0 &&
	    jget_i64(seen, "total_kib", &total_kib) == 0 && free_kib >= 0 && total_kib >= 0) {
		jset_i64(o, "free_capacity", free_kib);
		jset_i64(o, "total_capacity", total_kib);
	}
	if (!seen)
		rc_add(reports, rc_code(RC_WARN, 0, RC_NODE, RC_WARN_NOT_CONNECTED),
		       "No report about pool %s from node %s: its capacity is unknown", p->name,
		       p->node);
	else if (error[0])
		rc_add(reports, rc_code(RC_ERROR, 0, RC_STOR_POOL, RC_STOR_POOL_CONFIGURATION),
		       "%s", error);
	task_report(reports, p, seen);
	view_space_reports(p, seen, reports);
	busy_report(seen, reports);
	jset(o, "reports", reports);
	jset_str(o, "uuid", p->uuid);
	return o;
}

json *view_pool_diskless(struct api *a, const char *node)
{
	json *o = pool_shape(node, POOL_DISKLESS, "DISKLESS", false);
	json *doc = NULL;
	char key[STORE_KEY_MAX];

	jset_i64(o, "free_capacity", VIEW_UNLIMITED_KIB);
	jset_i64(o, "total_capacity", VIEW_UNLIMITED_KIB);
	jset(o, "props", view_object());
	jset(o, "static_traits", view_object());
	jset(o, "reports", view_list());
	/* it has no document: the node's uuid stands for it */
	node_key(node, key, sizeof(key));
	store_get(a->config.store, key, &doc, NULL);
	jset_str(o, "uuid", jget_str(doc, "uuid", ""));
	json_object_put(doc);
	return o;
}

/* Groups and definitions */

json *view_group(json *doc)
{
	json *o = view_object(), *filter = json_copy(jget(doc, "select_filter"));

	if (!json_object_is_type(filter, json_type_object)) {
		json_object_put(filter);
		filter = view_object();
	}
	if (!jget(filter, "place_count"))
		jset_i64(filter, "place_count", COPIES_DEFAULT);
	if (!jget(filter, "layer_stack"))
		jset(filter, "layer_stack", layers_doc(LAYERS_PLAIN));
	jset_str(o, "name", jget_str(doc, "name", ""));
	jset_str(o, "description", jget_str(doc, "description", ""));
	jset(o, "props", view_props(doc));
	jset(o, "select_filter", filter);
	jset_str(o, "uuid", jget_str(doc, "uuid", ""));
	return o;
}

static json *typed(const char *type, json *data)
{
	json *o = view_object();

	jset_str(o, "type", type);
	if (data)
		jset(o, "data", data);
	return o;
}

static json *drbd_definition(void)
{
	json *o = view_object();

	jset_i64(o, "port", -1);
	jset_str(o, "secret", "none");
	jset_i64(o, "peer_slots", PEER_SLOTS);
	jset_i64(o, "al_stripes", 1);
	jset_i64(o, "al_stripe_size_kib", 32);
	jset_str(o, "transport_type", "IP");
	jset_bool(o, "down", false);
	return o;
}

static json *drbd_volume_definition(const struct view *v, int k)
{
	json *o = view_object();

	jset_i64(o, "volume_number", v->res.volume[k].number);
	jset_i64(o, "minor_number", v->res.volume[k].minor);
	return o;
}

static json *volume_doc(const struct view *v, int k)
{
	json *list = jget(v->doc, "volumes");

	return json_object_is_type(list, json_type_array) ? json_object_array_get_idx(list, k)
							  : NULL;
}

static const char *cache_type(const struct view *v)
{
	return v->res.reads ? TYPE_CACHE : TYPE_WRITECACHE;
}

/* with the data of the first of them, which is consumed */
static json *definition_layers(const struct view *v, json *drbd)
{
	json *layers = view_list();

	view_push(layers, typed(v->res.nvme ? TYPE_NVME : TYPE_DRBD, drbd));
	if (v->res.encrypted)
		view_push(layers, typed(TYPE_LUKS, view_object()));
	if (v->res.cached)
		view_push(layers, typed(cache_type(v), view_object()));
	view_push(layers, typed(TYPE_STORAGE, view_object()));
	return layers;
}

json *view_volume_definition(const struct view *v, int k)
{
	json *o = view_object();

	jset_i64(o, "volume_number", v->res.volume[k].number);
	jset_i64(o, "size_kib", v->res.volume[k].size_kib);
	jset(o, "props", view_props(volume_doc(v, k)));
	jset(o, "flags",
	     v->res.encrypted ? view_strings((const char *const[]){ "ENCRYPTED" }, 1)
			      : view_list());
	jset(o, "layer_data",
	     definition_layers(v, v->res.nvme ? view_object() : drbd_volume_definition(v, k)));
	jset_str(o, "uuid", v->res.volume[k].uuid);
	return o;
}

json *view_definition(const struct view *v, bool with_volumes)
{
	json *o = view_object();

	jset_str(o, "name", v->res.name);
	if (jget(v->doc, "external_name"))
		jset_str(o, "external_name", jget_str(v->doc, "external_name", ""));
	jset(o, "props", view_props(v->doc));
	jset(o, "flags", view_list());
	jset(o, "layer_data",
	     definition_layers(v, v->res.nvme ? view_object() : drbd_definition()));
	jset_str(o, "uuid", v->res.uuid);
	jset_str(o, "resource_group_name", v->res.group);
	if (with_volumes) {
		json *list = view_list();

		for (int k = 0; k < v->res.n_volumes; k++)
			view_push(list, view_volume_definition(v, k));
		jset(o, "volume_definitions", list);
	}
	return o;
}

/* Resources and volumes */

static bool is_known(const struct view *v, int i)
{
	return v->rep[i].seen != NULL;
}

static bool is_up(const struct view *v, int i)
{
	return strcmp(view_state(v, i), "up") == 0;
}

static const char *disk_state(const struct view *v, int i, int k)
{
	const char *of_volume = jget_str(view_volume_seen(v, i, k), "state", "creating");
	const char *state = view_state(v, i);

	if (v->rep[i].r.diskless)
		return "Diskless";
	if (strcmp(state, "failed") == 0 || v->rep[i].r.quarantined)
		return "Failed";
	if (strcmp(state, "creating") == 0)
		return "Attaching";
	if (strcmp(state, "removing") == 0)
		return "Detaching";
	if (!is_up(v, i))
		return "DUnknown";
	/* one more volume; one that cannot grow goes on in its old size, and has a size */
	if (jget_i64_or(view_volume_seen(v, i, k), "size_kib", 0) == 0)
		return strcmp(of_volume, "failed") == 0 ? "Failed" : "Attaching";
	if (view_in_sync(v, i))
		return "UpToDate";
	return view_progress(v, i) >= 0 ? "Inconsistent" : "Outdated";
}

static int readable_copies(const struct view *v)
{
	int n = 0;

	for (int i = 0; i < v->n; i++)
		n += view_in_sync(v, i) && is_up(v, i);
	return n;
}

/* "" where it is not served. What is reached by NVMe is another device on each node and after each
 * connection: it goes by its name; and where its copy is nobody is to use it. */
static void device_path(const struct view *v, int i, int k, char *out, size_t len)
{
	out[0] = '\0';
	if (v->res.nvme && v->rep[i].r.diskless)
		snprintf(out, len, "/dev/rvol/by-res/%s/%d", v->res.name, v->res.volume[k].number);
	else if (!v->rep[i].r.inactive && !v->res.nvme)
		snprintf(out, len, "/dev/rvol%d", v->res.volume[k].minor);
}

static int64_t allocated_kib(const struct view *v, int i, int k)
{
	int64_t kib = v->rep[i].r.diskless ? 0 : v->res.volume[k].size_kib;

	return jget_i64_or(view_volume_seen(v, i, k), "allocated_kib", kib);
}

static json *nvme_volume(const struct view *v, int i, int k)
{
	json *o = view_object();
	char path[DEVICE_MAX];

	device_path(v, i, k, path, sizeof(path));
	jset_i64(o, "volume_number", v->res.volume[k].number);
	jset_str(o, "device_path", path);
	jset_str(o, "backing_device", "");
	jset_str(o, "disk_state", disk_state(v, i, k));
	jset_i64(o, "allocated_size_kib", allocated_kib(v, i, k));
	jset_i64(o, "usable_size_kib", v->res.volume[k].size_kib);
	return o;
}

static json *drbd_volume(const struct view *v, int i, int k)
{
	json *o = view_object();
	char path[DEVICE_MAX];

	device_path(v, i, k, path, sizeof(path));
	jset(o, "drbd_volume_definition", drbd_volume_definition(v, k));
	jset_str(o, "device_path", path);
	jset_i64(o, "allocated_size_kib", allocated_kib(v, i, k));
	jset_i64(o, "usable_size_kib", v->res.volume[k].size_kib);
	return o;
}

/* below the layer that is on top, where a client has nothing */
static json *low_volume(const struct view *v, int i, int k)
{
	json *o = view_object();

	jset_i64(o, "volume_number", v->res.volume[k].number);
	jset_i64(o, "allocated_size_kib", allocated_kib(v, i, k));
	jset_i64(o, "usable_size_kib", v->rep[i].r.diskless ? 0 : v->res.volume[k].size_kib);
	jset_str(o, "device_path", "");
	return o;
}

static json *volumes_of(const struct view *v, int i,
			json *(*one)(const struct view *v, int i, int k))
{
	json *volumes = view_list();

	for (int k = 0; k < v->res.n_volumes; k++)
		view_push(volumes, one(v, i, k));
	return volumes;
}

/* takes child (NULL: it is the last one) and what the layer says of itself, under that name */
static json *layer(const char *type, json *child, const char *name, json *own)
{
	json *o = view_object(), *children = view_list();

	if (child)
		view_push(children, child);
	jset_str(o, "type", type);
	jset_str(o, "resource_name_suffix", "");
	jset(o, "children", children);
	jset(o, name, own);
	return o;
}

static json *storage_layer(const struct view *v, int i)
{
	json *own = view_object();

	jset(own, "storage_volumes", volumes_of(v, i, low_volume));
	return layer(TYPE_STORAGE, NULL, "storage", own);
}

static json *cache_volume(const struct view *v, int i, int k)
{
	const struct volume_cache *c = &v->res.volume[k].cache;
	json *o = low_volume(v, i, k);

	jset_str(o, "device_path_cache", "");
	if (v->res.reads)
		jset_str(o, "device_path_meta", "");
	jset_str(o, "storage_pool_name_cache", v->rep[i].r.diskless ? POOL_DISKLESS : c->pool);
	return o;
}

static json *cache_layer(const struct view *v, int i)
{
	json *own = view_object(), *volumes = volumes_of(v, i, cache_volume);

	jset(own, v->res.reads ? "cache_volumes" : "writecache_volumes", volumes);
	return layer(cache_type(v), storage_layer(v, i), v->res.reads ? "cache" : "writecache",
		     own);
}

static json *below_luks(const struct view *v, int i)
{
	return v->res.cached ? cache_layer(v, i) : storage_layer(v, i);
}

/* Whether a node has it open tells its report, where it has files. */
static json *luks_volume(const struct view *v, int i, int k)
{
	json *o = low_volume(v, i, k);

	jset_str(o, "backing_device", "");
	jset_bool(o, "opened", jget_i64_or(view_volume_seen(v, i, k), "size_kib", 0) > 0);
	return o;
}

static json *luks_layer(const struct view *v, int i)
{
	json *own = view_object();

	jset(own, "luks_volumes", volumes_of(v, i, luks_volume));
	return layer(TYPE_LUKS, below_luks(v, i), "luks", own);
}

static json *connections(const struct view *v, int i)
{
	json *o = view_object();

	for (int j = 0; j < v->n; j++) {
		json *link = view_object();
		bool up = v->rep[i].online && v->rep[j].online;

		if (j == i) {
			json_object_put(link);
			continue;
		}
		jset_bool(link, "connected", up);
		jset_str(link, "message", up ? "Connected" : "Connecting");
		jset(o, v->rep[j].r.node, link);
	}
	return o;
}

bool view_may_promote(const struct view *v, int i, bool *ret)
{
	bool open = false;

	if (!is_known(v, i))
		return false;
	for (int k = 0; k < v->n; k++)
		open |= is_known(v, k) && view_open(v, k);
	*ret = is_up(v, i) && readable_copies(v) > 0 && !open;
	return true;
}

static json *drbd_layer(const struct view *v, int i)
{
	json *o = view_object();
	int copies = readable_copies(v);
	bool may;

	jset(o, "drbd_resource_definition", drbd_definition());
	jset_i64(o, "node_id", v->rep[i].r.slot);
	jset_i64(o, "peer_slots", PEER_SLOTS);
	jset_i64(o, "al_stripes", 1);
	jset_i64(o, "al_size", 32);
	if (view_may_promote(v, i, &may)) {
		jset_i64(o, "promotion_score",
			 is_up(v, i) && copies > 0 ? PROMOTION_SCORE + copies : 0);
		jset_bool(o, "may_promote", may);
	}
	jset(o, "tcp_ports", view_list());
	jset(o, "connections", connections(v, i));
	jset(o, "drbd_volumes", volumes_of(v, i, drbd_volume));
	return o;
}

static json *nvme_layer(const struct view *v, int i)
{
	json *o = view_object();

	jset(o, "nvme_volumes", volumes_of(v, i, nvme_volume));
	return o;
}

static json *layer_object(const struct view *v, int i)
{
	json *below = v->res.encrypted ? luks_layer(v, i) : below_luks(v, i);

	if (v->res.nvme)
		return layer(TYPE_NVME, below, "nvme", nvme_layer(v, i));
	return layer(TYPE_DRBD, below, "drbd", drbd_layer(v, i));
}

static json *replication_states(const struct view *v, int i)
{
	json *o = view_object();
	double own = view_progress(v, i);

	for (int j = 0; j < v->n; j++) {
		double other = view_progress(v, j);
		json *one;

		if (j == i || !v->rep[j].online)
			continue;
		one = view_object();
		jset_str(one, "replication_state",
			 own >= 0     ? "SyncTarget"
			 : other >= 0 ? "SyncSource"
				      : "Established");
		if (own >= 0)
			jset(one, "done_percentage", json_object_new_double(own));
		jset(o, v->rep[j].r.node, one);
	}
	return o;
}

static json *volume_reports(const struct view *v, int i, int k)
{
	const char *error = jget_str(view_volume_seen(v, i, k), "error", "");
	json *list = view_list();

	if (!error[0] && !is_up(v, i))
		error = jget_str(v->rep[i].seen, "error", "");

	if (!v->rep[i].seen && !v->rep[i].online)
		rc_add(list, rc_code(RC_WARN, 0, RC_NODE, RC_WARN_NOT_CONNECTED),
		       "No report from node %s: the state of its replica is unknown",
		       v->rep[i].r.node);
	else if (error[0])
		rc_add(list, rc_code(RC_ERROR, 0, RC_VLM_DFN, RC_UNKNOWN_ERROR), "Node %s: %s",
		       v->rep[i].r.node, error);
	return list;
}

static const char *provider_kind(struct api *a, const struct replica *r)
{
	const char *kind = pool_kind_name(POOL_FILE_THIN); /* of a pool that is gone */
	char key[STORE_KEY_MAX];
	struct pool pool;
	json *doc = NULL;

	if (r->diskless)
		return "DISKLESS";
	pool_key(r->node, r->pool, key, sizeof(key));
	if (store_get(a->config.store, key, &doc, NULL) < 0)
		return kind;
	if (pool_parse(doc, &pool, NULL) == 0)
		kind = pool_kind_name(pool.kind);
	json_object_put(doc);
	return kind;
}

static json *volume_flags(const struct view *v, int i, int k)
{
	int64_t has = jget_i64_or(view_volume_seen(v, i, k), "size_kib", 0);

	return has > 0 && has < v->res.volume[k].size_kib
		       ? view_strings((const char *const[]){ "RESIZE" }, 1)
		       : view_list();
}

json *view_volume(struct api *a, const struct view *v, int i, int k)
{
	const struct view_replica *rep = &v->rep[i];
	json *o = view_object(), *layers = view_list(), *props, *state;
	const char *nbd = jget_str(view_volume_seen(v, i, k), "nbd", "");
	char text[DEVICE_MAX];

	snprintf(text, sizeof(text), "%d", v->res.volume[k].number);
	props = view_props(jget(jget(rep->doc, REPLICA_VOLUMES), text));
	device_path(v, i, k, text, sizeof(text));
	if (nbd[0])
		jset_str(props, "Sdsd/NbdSocket", nbd);
	view_push(layers, v->res.nvme ? typed(TYPE_NVME, nvme_volume(v, i, k))
				      : typed(TYPE_DRBD, drbd_volume(v, i, k)));
	if (v->res.encrypted)
		view_push(layers, typed(TYPE_LUKS, luks_volume(v, i, k)));
	if (v->res.cached)
		view_push(layers, typed(cache_type(v), cache_volume(v, i, k)));
	view_push(layers, typed(TYPE_STORAGE, low_volume(v, i, k)));
	jset_i64(o, "volume_number", v->res.volume[k].number);
	jset_str(o, "storage_pool_name", rep->r.diskless ? POOL_DISKLESS : rep->r.pool);
	jset_str(o, "provider_kind", provider_kind(a, &rep->r));
	jset_str(o, "device_path", text);
	jset_i64(o, "allocated_size_kib", allocated_kib(v, i, k));
	jset_i64(o, "usable_size_kib", v->res.volume[k].size_kib);
	jset(o, "props", props);
	jset(o, "flags", volume_flags(v, i, k));
	if (is_known(v, i)) {
		state = view_object();
		jset_str(state, "disk_state", disk_state(v, i, k));
		jset(state, "replication_states", replication_states(v, i));
		jset(o, "state", state);
	}
	jset(o, "layer_data_list", layers);
	jset(o, "reports", volume_reports(v, i, k));
	snprintf(text, sizeof(text), "%s-%d", rep->r.uuid, v->res.volume[k].number);
	jset_str(o, "uuid", text);
	return o;
}

static json *resource_flags(const struct replica *r, bool nvme)
{
	json *list = view_list();

	if (r->diskless) {
		view_push(list, json_object_new_string("DISKLESS"));
		view_push(list, json_object_new_string(nvme ? "NVME_INITIATOR" : "DRBD_DISKLESS"));
	}
	if (r->deleting && r->becomes_client) {
		view_push(list, json_object_new_string("DISK_REMOVE_REQUESTED"));
	} else if (r->deleting) {
		view_push(list, json_object_new_string("DELETE"));
		view_push(list, json_object_new_string("DRBD_DELETE"));
	}
	if (r->inactive)
		view_push(list, json_object_new_string("INACTIVE"));
	return list;
}

json *view_resource(struct api *a, const struct view *v, int i, bool with_volumes)
{
	const struct view_replica *rep = &v->rep[i];
	json *o = view_object(), *props = view_props(rep->doc), *state;

	jset_str(props, "StorPoolName", rep->r.diskless ? POOL_DISKLESS : rep->r.pool);
	jset_str(o, "name", v->res.name);
	jset_str(o, "node_name", rep->r.node);
	jset(o, "props", props);
	jset(o, "flags", resource_flags(&rep->r, v->res.nvme));
	jset(o, "layer_object", layer_object(v, i));
	if (is_known(v, i)) {
		state = view_object();
		if (!rep->r.inactive)
			jset_bool(state, "in_use", view_open(v, i));
		jset(o, "state", state);
	}
	jset_str(o, "uuid", rep->r.uuid);
	jset_i64(o, "create_timestamp", v->res.created_ms);
	if (with_volumes) {
		json *list = view_list();

		for (int k = 0; k < v->res.n_volumes; k++)
			view_push(list, view_volume(a, v, i, k));
		jset(o, "volumes", list);
	}
	return o;
}
