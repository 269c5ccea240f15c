// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * metrics.c - GET /metrics: what Prometheus reads, of this node; what concerns
 * the whole cluster is said by the leader alone, so that sums over nodes are
 * right. Called through routes.c. To add a metric: metric_begin and metric_add
 * in the function of its noun, and a line in docs/monitoring.md.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "api/handlers.h"
#include "api/metric.h"
#include "api/verdict.h"
#include "api/view.h"
#include "api/view_texts.h"
#include "base/clock.h"
#include "base/stall.h"
#include "net/tls.h"

#define KIB 1024.0

/* The process */

static void write_process(struct api *a, struct buf *out)
{
	unsigned long long pages = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f && fscanf(f, "%llu %llu", &pages, &resident) == 2)
		metric_one(out, "process_resident_memory_bytes", "gauge",
			   "Resident memory of the daemon.",
			   (double)resident * (double)sysconf(_SC_PAGESIZE));
	if (f)
		fclose(f);
	metric_begin(out, "sdsd_build_info", "gauge", "1, with the version.");
	metric_add(out, "sdsd_build_info", "", 1, "version", a->config.version, "node",
		   a->config.node, NULL);
	metric_one(out, "sdsd_uptime_seconds", "gauge", "Time since the API began.",
		   (double)(api_mono_ms() - a->started_ms) / 1000);
	metric_one(out, "sdsd_loop_longest_turn_seconds", "gauge",
		   "The longest that the main loop did nothing else, since the start.",
		   (double)a->config.stall->longest_ms / 1e3);
	metric_one(out, "sdsd_loop_longest_turn_cpu_seconds", "gauge",
		   "The same, of CPU: what a busy machine has no part in.",
		   (double)a->config.stall->longest_cpu_ns / 1e9);
	metric_one(out, "sdsd_list_cache_bytes", "gauge",
		   "What lists show of resources that is kept.", (double)texts_kept(a->texts));
	metric_one(out, "sdsd_event_streams", "gauge", "Streams of events that are open.",
		   events_count(a->events));
	metric_one(out, "sdsd_certificate_expiry_timestamp_seconds", "gauge",
		   "When this node's certificate ends.", (double)tls_expires(a->config.tls));
}

/* Consensus and store */

static void write_raft(struct api *a, struct buf *out)
{
	static const char *const roles[] = { "spare", "standby", "voter" };
	struct consensus *c = a->config.consensus;
	struct consensus_server *server = calloc(CONSENSUS_SERVERS_MAX, sizeof(*server));
	int n, of_role[3] = { 0 };

	if (!server)
		abort();
	n = consensus_servers(c, server, CONSENSUS_SERVERS_MAX);
	for (int i = 0; i < n && i < CONSENSUS_SERVERS_MAX; i++)
		of_role[server[i].role]++;
	free(server);
	metric_one(out, "sdsd_raft_is_leader", "gauge", "1 on the node that leads.",
		   consensus_is_leader(c));
	metric_one(out, "sdsd_raft_has_leader", "gauge", "1 when this node knows who leads.",
		   consensus_leader(c, NULL) != 0);
	metric_one(out, "sdsd_raft_term", "gauge", "Present term.", (double)consensus_term(c));
	metric_one(out, "sdsd_raft_applied_index", "gauge", "Index of the last applied entry.",
		   (double)store_applied(a->config.store));
	metric_one(out, "sdsd_raft_log_bytes", "gauge", "Log segments and snapshots on disk.",
		   (double)consensus_log_bytes(c));
	metric_begin(out, "sdsd_raft_members", "gauge", "Nodes, by their part in consensus.");
	for (int i = 0; i < 3; i++)
		metric_add(out, "sdsd_raft_members", "", of_role[i], "role", roles[i], NULL);
}

static void write_store(struct api *a, struct buf *out)
{
	struct store_usage u = { 0 };

	store_usage(a->config.store, &u);
	metric_one(out, "sdsd_store_bytes", "gauge", "Bytes in use in the store.",
		   (double)u.used_bytes);
	metric_one(out, "sdsd_store_limit_bytes", "gauge", "Bytes that it may use.",
		   STORE_USED_MAX);
	metric_one(out, "sdsd_store_documents", "gauge", "Documents in the store.",
		   (double)u.documents);
	metric_one(out, "sdsd_store_history_entries", "gauge", "Entries of the history.",
		   (double)u.history);
}

/* Pools and copies of this node, from the report that it makes for the leader */

struct local { /* one metric of pools or of replicas */
	struct buf *out;
	json *objects; /* by name */
};

/* the value of one field of each pool, where it is there */
static void pool_field(struct local *l, const char *name, const char *help, const char *field,
		       double factor)
{
	metric_begin(l->out, name, "gauge", help);
	json_object_object_foreach(l->objects, pool, doc)
	{
		int64_t n;

		if (jget_i64(doc, field, &n) == 0)
			metric_add(l->out, name, "", (double)n * factor, "pool", pool, NULL);
	}
}

static void write_pools(json *pools, struct buf *out)
{
	struct local l = { out, pools };

	if (!pools)
		return;
	pool_field(&l, "sdsd_pool_size_bytes", "Size of the pool.", "total_kib", KIB);
	pool_field(&l, "sdsd_pool_free_bytes", "Of it not used.", "free_kib", KIB);
	pool_field(&l, "sdsd_pool_metadata_used_ratio", "Of a thin pool's metadata.",
		   "meta_percent", 0.01);
	metric_begin(out, "sdsd_pool_error", "gauge", "1 when the pool has an error.");
	json_object_object_foreach(pools, pool, doc)
	{
		metric_add(out, "sdsd_pool_error", "", jget_str(doc, "error", "")[0] != '\0',
			   "pool", pool, NULL);
	}
}

static void replica_flag(struct local *l, const char *name, const char *help, const char *field)
{
	metric_begin(l->out, name, "gauge", help);
	json_object_object_foreach(l->objects, resource, doc)
	{
		metric_add(l->out, name, "", jget_bool(doc, field, false), "resource", resource,
			   NULL);
	}
}

static void replica_io(struct local *l, const char *name, const char *help, const char *op,
		       const char *field, const char *op2, const char *field2)
{
	metric_begin(l->out, name, "counter", help);
	json_object_object_foreach(l->objects, resource, doc)
	{
		json *io = jget(doc, "io");

		if (!io)
			continue;
		metric_add(l->out, name, "", (double)jget_i64_or(io, field, 0), "resource",
			   resource, "op", op, NULL);
		metric_add(l->out, name, "", (double)jget_i64_or(io, field2, 0), "resource",
			   resource, "op", op2, NULL);
	}
}

/* in which state: "member", "learner", ... of one that is attached, else why it is not */
static const char *replica_state(json *doc)
{
	const char *mode = jget_str(doc, "mode", ""), *state = jget_str(doc, "state", "unknown");

	if (strcmp(state, "up") != 0 || !mode[0])
		return state;
	return strcmp(mode, "none") == 0 ? "client" : mode;
}

static void write_replica_states(struct local *l)
{
	static const char state[] = "sdsd_replica_state", left[] = "sdsd_replica_resync_bytes";

	metric_begin(l->out, state, "gauge",
		     "1, with the state: member (in sync), learner, out, client, failed, ...");
	json_object_object_foreach(l->objects, resource, doc)
	{
		metric_add(l->out, state, "", 1, "resource", resource, "state", replica_state(doc),
			   NULL);
	}
	metric_begin(l->out, left, "gauge", "What a learner has still to compare or to fetch.");
	json_object_object_foreach(l->objects, name, d)
	{
		int64_t all = jget_i64_or(d, "regions", 0), have;

		have = jget_i64_or(d, "synced_regions", 0);
		if (all > 0 && strcmp(jget_str(d, "mode", ""), "learner") == 0)
			metric_add(l->out, left, "", (double)(all - have) * 65536, "resource", name,
				   NULL);
	}
}

/* of a learner, field "sync_kib_s": what it compares or fetches */
static void write_replica_pace(struct local *l)
{
	static const char rate[] = "sdsd_replica_resync_bytes_per_second";

	metric_begin(l->out, rate, "gauge", "How fast a learner compares and fetches.");
	json_object_object_foreach(l->objects, name, d)
	{
		if (jget(d, "sync_kib_s"))
			metric_add(l->out, rate, "", (double)jget_i64_or(d, "sync_kib_s", 0) * 1024,
				   "resource", name, NULL);
	}
}

static void write_links(struct local *l)
{
	static const char name[] = "sdsd_link_connected";

	metric_begin(l->out, name, "gauge",
		     "Of a writer to each of its copies, by slot: 1 when the link is up.");
	json_object_object_foreach(l->objects, resource, doc)
	{
		json *peers = jget(doc, "peers");

		if (!peers)
			continue;
		json_object_object_foreach(peers, slot, peer)
		{
			metric_add(l->out, name, "", jget_bool(peer, "connected", false),
				   "resource", resource, "slot", slot, NULL);
		}
	}
}

static void write_replicas(json *replicas, struct buf *out)
{
	struct local l = { out, replicas };

	if (!replicas)
		return;
	write_replica_states(&l);
	write_replica_pace(&l);
	replica_flag(&l, "sdsd_replica_open", "1 when it is open on this node.", "open");
	replica_io(&l, "sdsd_replica_io_bytes_total",
		   "Of clients of this node (user-space data plane).", "read", "read_bytes",
		   "write", "written_bytes");
	replica_io(&l, "sdsd_replica_io_requests_total", "The same, in requests of 1 MiB at most.",
		   "read", "reads", "write", "writes");
	write_links(&l);
}

/* The cluster: by the leader alone */

struct cluster_metrics {
	struct api_call *call;
	struct api *api;
	struct buf out; /* the answer as far as it is made */
	int64_t now;
	struct buf verdict, size, copies, in_sync, open, quarantined, scrubbed, differing;
	int count[VERDICT_UNAVAILABLE + 1];
};

static void on_resource(const char *low, void *arg)
{
	struct cluster_metrics *m = arg;
	const struct view_texts *t = texts_of(m->api->texts, low);
	const struct view_summary *sum;
	const char *name;

	if (!t)
		return; /* deleted meanwhile */
	sum = &t->sum;
	name = t->name;
	m->count[sum->verdict]++;
	metric_add(&m->verdict, "sdsd_resource_verdict", "", 1, "resource", name, "verdict",
		   verdict_name(sum->verdict), NULL);
	metric_add(&m->size, "sdsd_resource_size_bytes", "", (double)sum->size_kib * KIB,
		   "resource", name, NULL);
	metric_add(&m->copies, "sdsd_resource_copies", "", sum->copies, "resource", name, NULL);
	metric_add(&m->in_sync, "sdsd_resource_copies_in_sync", "", sum->in_sync, "resource", name,
		   NULL);
	metric_add(&m->open, "sdsd_resource_open", "", sum->open, "resource", name, NULL);
	if (sum->compared) {
		metric_add(&m->scrubbed, "sdsd_resource_scrub_last_timestamp_seconds", "",
			   (double)sum->compared_ms / 1000, "resource", name, NULL);
		metric_add(&m->differing, "sdsd_resource_scrub_regions_differing", "",
			   (double)sum->differing, "resource", name, NULL);
	}
	metric_add(&m->quarantined, "sdsd_resource_copies_quarantined", "", sum->quarantined,
		   "resource", name, NULL);
}

static void flush(struct buf *values, struct buf *out, const char *name, const char *help)
{
	metric_begin(out, name, "gauge", help);
	if (values->len > 0)
		buf_append(out, values->data, values->len);
	buf_release(values);
}

static void write_resources(struct cluster_metrics *m, struct buf *out)
{
	metric_begin(out, "sdsd_resources", "gauge", "Resources, by verdict.");
	for (int i = VERDICT_SAFE; i <= VERDICT_UNAVAILABLE; i++)
		metric_add(out, "sdsd_resources", "", m->count[i], "verdict",
			   verdict_name((enum verdict)i), NULL);
	flush(&m->verdict, out, "sdsd_resource_verdict",
	      "1, with the verdict: safe, degraded, at risk, unavailable.");
	flush(&m->size, out, "sdsd_resource_size_bytes", "Size of all its volumes.");
	flush(&m->copies, out, "sdsd_resource_copies", "Copies that it has.");
	flush(&m->in_sync, out, "sdsd_resource_copies_in_sync",
	      "Of them in sync, on nodes that answer.");
	flush(&m->open, out, "sdsd_resource_open", "1 when it is open somewhere.");
	flush(&m->quarantined, out, "sdsd_resource_copies_quarantined",
	      "Of its copies in quarantine.");
	flush(&m->scrubbed, out, "sdsd_resource_scrub_last_timestamp_seconds",
	      "When its copies were compared last.");
	flush(&m->differing, out, "sdsd_resource_scrub_regions_differing",
	      "Regions of 64 KiB that differed then.");
}

static void write_node(json *doc, void *arg)
{
	struct cluster_metrics *m = arg;
	const char *name = jget_str(doc, "name", "");
	bool self = strcasecmp(name, m->api->config.node) == 0;

	metric_add(&m->verdict, "sdsd_node_online", "",
		   self || observed_online(m->api->observed, name, m->now), "peer", name, NULL);
}

static void write_nodes(struct cluster_metrics *m, struct buf *out)
{
	buf_init(&m->verdict, METRIC_TEXT_MAX / 8);
	view_docs(m->api, "node/", write_node, m);
	flush(&m->verdict, out, "sdsd_node_online", "1 when the node reports to the leader.");
}

static double count_below(struct api *a, const char *prefix)
{
	struct store_count count;

	store_count(a->config.store, prefix, &count);
	return (double)count.documents;
}

static void init_values(struct cluster_metrics *m)
{
	struct buf *all[] = { &m->verdict, &m->size,        &m->copies,   &m->in_sync,
			      &m->open,    &m->quarantined, &m->scrubbed, &m->differing };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		buf_init(all[i], METRIC_TEXT_MAX / 8);
}

static void release_values(struct cluster_metrics *m)
{
	struct buf *all[] = { &m->verdict, &m->size,        &m->copies,   &m->in_sync,
			      &m->open,    &m->quarantined, &m->scrubbed, &m->differing };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		buf_release(all[i]);
}

static void metrics_reply(struct cluster_metrics *m)
{
	m->call->type = "text/plain; version=0.0.4; charset=utf-8";
	call_reply(m->call, 200, m->out.data, m->out.len);
	release_values(m);
	buf_release(&m->out);
	free(m);
}

/* All resources were looked at. When that was cut short, by an election, the node speaks for itself
 * only. */
static void on_resources(void *arg, bool in_time)
{
	struct cluster_metrics *m = arg;
	struct buf *out = &m->out;
	struct api *a = m->api;

	if (!in_time) {
		metrics_reply(m);
		return;
	}
	write_resources(m, out);
	metric_one(out, "sdsd_snapshots", "gauge", "Snapshots of all resources.",
		   count_below(a, "snapshot/"));
	metric_one(out, "sdsd_leftovers", "gauge",
		   "Files of former copies that nodes have still to remove.",
		   count_below(a, "leftover/"));
	schedules_write(a, out);
	services_write(a, out);
	metrics_reply(m);
}

void metrics_get(struct api_call *c)
{
	struct cluster_metrics *m = calloc(1, sizeof(*m));
	struct api *a = c->api;
	json *report = a->node_ops ? a->node_ops->report(a->node) : NULL;

	if (!m)
		abort();
	m->call = c;
	m->api = a;
	m->now = api_mono_ms();
	buf_init(&m->out, METRIC_TEXT_MAX);
	write_process(a, &m->out);
	write_raft(a, &m->out);
	write_store(a, &m->out);
	api_counts_write(&a->counts, &m->out);
	write_pools(jget(report, "pools"), &m->out);
	write_replicas(jget(report, "replicas"), &m->out);
	json_object_put(report);
	/* too young a leader would call everybody absent */
	if (!consensus_is_leader(a->config.consensus) || a->led_since_ms < 0 ||
	    m->now - a->led_since_ms < OBSERVED_FRESH_MS) {
		metrics_reply(m);
		return;
	}
	write_nodes(m, &m->out);
	init_values(m);
	view_walk_names(a, NULL, on_resource, on_resources, m);
}
