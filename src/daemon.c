// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * daemon.c - the only place that knows all layers. Each start_ function builds
 * one on those before it; the stop_ functions take them down in reverse, one
 * after the other, since some need turns of the loop to end. It decides
 * nothing: what happens with a connection, a request or a change of the store
 * is the business of the layer that is called.
 */
#include "daemon.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "agent/agent.h"
#include "api/api.h"
#include "api/leader.h"
#include "base/clock.h"
#include "base/crash.h"
#include "base/fs.h"
#include "base/stall.h"
#include "cluster/authority.h"
#include "cluster/identity.h"
#include "cluster/nodeport.h"
#include "cluster/vault.h"
#include "founding.h"
#include "labels.h"
#include "net/http.h"
#include "net/tls.h"
#include "notify.h"
#include "process.h"
#include "raft/consensus.h"
#include "records.h"
#include "replication/plane.h"
#include "storage/storage.h"
#include "store/store.h"
#include "unlock.h"
#include "web.h"

#define DRAIN_MS 300 /* for connections that other ends keep open */

struct daemon {
	uv_loop_t loop;
	struct config config;
	struct identity id;
	uint64_t boot;
	struct tls *tls;
	struct store *store;
	struct consensus *consensus;
	struct authority authority;
	struct vault *vault;
	char passphrase_file[PATH_LEN_MAX];
	struct unlock *unlock;
	struct api *api;
	struct founding *founding;
	struct records *records;
	const struct plane_ops *plane_ops;
	struct plane *plane;
	struct plane *nvme; /* beside it */
	struct agent *agent;
	struct nodeport *nodeport;
	struct listener *unix_socket;
	struct web *web;
	uv_signal_t term, interrupt;
	uv_timer_t watchdog, trim;
	struct stall stall;
	int exit_status;
	bool handles; /* the signals and the timers are open */
	bool stopping;
	bool stopped; /* everything with an end of its own has ended */
	bool drained; /* no more waiting for the rest */
};

/* Static: what connections of others still hold at the end stays reachable, which is no leak. */
static struct daemon the_daemon;

static void stop(struct daemon *d);

/* --- what the layers ask of each other ---------------------------------- */

static void on_leader(bool is_leader, void *arg)
{
	struct daemon *d = arg;

	log_info("daemon", "node=%s %s the leader", d->id.node, is_leader ? "is" : "is not");
	if (d->api)
		api_on_leader(d->api, is_leader);
	if (is_leader && d->founding)
		founding_propose(d->founding);
}

static void on_fatal(const struct err *why, void *arg)
{
	struct daemon *d = arg;

	log_error("daemon", "cannot go on: %s", why->text);
	d->exit_status = 1;
	stop(d);
}

static void on_raft_conn(struct conn *c, void *arg)
{
	struct daemon *d = arg;

	consensus_accept(d->consensus, c);
}

static void on_data_conn(struct conn *c, void *arg)
{
	struct daemon *d = arg;

	d->plane_ops->accept(d->plane, c);
}

/* Connections outlive the api: what comes over them once the end has begun was not done for sure,
 * and the header sends a node that asked to the next leader. */
static void answer_stopping(struct http_request *r)
{
	static const char text[] = "[{\"ret_code\":-4611686018427386906,"
				   "\"message\":\"This node is stopping\"}]";

	http_reply_header(r, "X-Sdsd-Leader", "elsewhere");
	http_reply(r, 503, text, sizeof(text) - 1);
}

static void on_request(struct daemon *d, struct http_request *r, http_handler handler)
{
	if (d->stopping)
		answer_stopping(r);
	else
		handler(r, d->api);
}

static void on_user_request(struct http_request *r, bool open, void *arg)
{
	struct daemon *d = arg;

	if (d->stopping)
		answer_stopping(r);
	else
		api_handle_user(r, d->api, open);
}

static size_t on_user_body_max(const struct http_request *r, bool open, void *arg)
{
	struct daemon *d = arg;

	/* whoever it is will be told that the node is stopping */
	return d->stopping ? HTTP_BODY_MAX : api_body_max(r, d->api, open);
}

static void on_node_request(struct http_request *r, void *arg)
{
	on_request(arg, r, api_handle_node);
}

static void on_join_request(struct http_request *r, void *arg)
{
	on_request(arg, r, api_handle_join);
}

static void on_local_request(struct http_request *r, void *arg)
{
	on_request(arg, r, api_handle_local);
}

static void on_http_conn(struct conn *c, void *arg)
{
	http_serve(c, on_node_request, arg);
}

static void on_join_conn(struct conn *c, void *arg)
{
	http_serve(c, on_join_request, arg);
}

static void on_unix_conn(struct conn *c, void *arg)
{
	http_serve(c, on_local_request, arg);
}

/* HTTP is looked at by the api, which can send a newcomer on to the leader. */
static bool on_is_member(const struct tls_peer *peer, const char *alpn, void *arg)
{
	struct daemon *d = arg;
	enum membership known;

	if (strcmp(peer->cluster, d->id.cluster) != 0 || founding_bars_others(d->founding))
		return false;
	known = membership_find(d->store, peer->node, peer->node_id, peer->fingerprint);
	if (known == MEMBERSHIP_UNKNOWN)
		return strcmp(alpn, ALPN_DATA) != 0;
	return known == MEMBERSHIP_YES;
}

static void on_read_record(const char *resource, const uint8_t uuid[16], uint64_t token, void *arg)
{
	struct daemon *d = arg;

	records_read(d->records, resource, uuid, token);
}

static void on_cas_record(const char *resource, const uint8_t uuid[16],
			  const struct plane_record *next, uint64_t token, void *arg)
{
	struct daemon *d = arg;

	records_cas(d->records, resource, uuid, next, token);
}

static void on_plane_changed(const char *resource, void *arg)
{
	struct daemon *d = arg;

	if (d->agent)
		agent_poke(d->agent, resource);
}

/* calls of the leader for the agent and for records, and their answers */
struct leader_ask {
	void (*cb)(int status, json *doc, void *arg);
	void *arg;
};

static void on_leader_answer(const struct leader_answer *answer, void *arg)
{
	struct leader_ask ask = *(struct leader_ask *)arg;

	free(arg);
	ask.cb(answer->status, answer->doc, ask.arg);
}

static void ask_leader(struct daemon *d, const char *method, const char *path, const char *body,
		       const char *request_id, int deadline_ms, struct leader_ask ask)
{
	struct leader_ask *copy = malloc(sizeof(*copy));

	if (!copy)
		abort();
	*copy = ask;
	leader_call(api_leader(d->api), method, path, body, request_id, deadline_ms,
		    on_leader_answer, copy);
}

static void on_unlock_call(const char *path, const char *body, int deadline_ms, unlock_answer cb,
			   void *cb_arg, void *arg)
{
	ask_leader(arg, "POST", path, body, NULL, deadline_ms, (struct leader_ask){ cb, cb_arg });
}

/* From now on there are keys in this process: no core file of it, and no other process of the same
 * user may look into it. */
static void on_vault_opened(void *arg)
{
	struct daemon *d = arg;

	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		log_warn("daemon", "core dumps cannot be switched off: %s", err_name(-errno));
	if (d->agent)
		agent_unlocked(d->agent);
}

static int on_unseal(const char *sealed, uint8_t key[STORAGE_KEY_BYTES], struct err *err, void *arg)
{
	struct daemon *d = arg;

	return vault_unseal(d->vault, sealed, key, err);
}

struct agent_ask {
	struct daemon *daemon;
	struct leader_ask ask;
};

/* The API hears, too, what the leader answers to reports: whether the others have changed. */
static void on_agent_answer(int status, json *doc, void *arg)
{
	struct agent_ask a = *(struct agent_ask *)arg;

	free(arg);
	if (a.daemon->api)
		api_heard(a.daemon->api, doc);
	a.ask.cb(status, doc, a.ask.arg);
}

static void on_agent_call(const char *method, const char *path, const char *body, int deadline_ms,
			  void (*cb)(int status, json *doc, void *arg), void *cb_arg, void *arg)
{
	struct agent_ask *copy = malloc(sizeof(*copy));

	if (!copy)
		abort();
	*copy = (struct agent_ask){ arg, { cb, cb_arg } };
	ask_leader(arg, method, path, body, NULL, deadline_ms,
		   (struct leader_ask){ on_agent_answer, copy });
}

static void on_records_call(const char *path, const char *body, const char *request_id,
			    int deadline_ms, records_answer cb, void *cb_arg, void *arg)
{
	ask_leader(arg, "POST", path, body, request_id, deadline_ms,
		   (struct leader_ask){ cb, cb_arg });
}

_Static_assert(STORAGE_KEY_BYTES == VAULT_VOLUME_KEY_LEN, "one key for both");

/* --- start -------------------------------------------------------------- */

static int start_identity(struct daemon *d, struct err *err)
{
	char ca[PATH_LEN_MAX + 32], cert[PATH_LEN_MAX + 32], key[PATH_LEN_MAX + 32];
	int rv;

	rv = identity_load(d->config.dir, &d->id, err);
	if (rv == 0)
		rv = identity_lock(d->config.dir, err);
	if (rv < 0)
		return rv;
	snprintf(ca, sizeof(ca), "%s/ca.pem", d->config.dir);
	snprintf(cert, sizeof(cert), "%s/node.pem", d->config.dir);
	snprintf(key, sizeof(key), "%s/node.key", d->config.dir);
	d->tls = tls_new(ca, cert, key, err);
	return d->tls ? 0 : err->code;
}

static int start_consensus(struct daemon *d, struct err *err)
{
	char address[CONSENSUS_ADDRESS_MAX];
	struct consensus_config config = {
		.loop = &d->loop,
		.dir = d->config.dir,
		.id = d->id.node_id,
		.address = address,
		.tls = d->tls,
		.store = d->store,
		.on_leader = on_leader,
		.on_fatal = on_fatal,
		.arg = d,
	};

	consensus_address(d->id.address, d->id.port, address);
	return consensus_start(&config, &d->consensus, err);
}

static void on_recovered(void *arg)
{
	api_hold_members(((struct daemon *)arg)->api, false);
}

static int start_founding(struct daemon *d, struct err *err)
{
	struct founding_config config = {
		.loop = &d->loop,
		.dir = d->config.dir,
		.store = d->store,
		.consensus = d->consensus,
		.observed = api_observed(d->api),
		.recovered = on_recovered,
		.arg = d,
	};
	int rv = founding_new(&config, &d->founding, err);

	if (rv == 0)
		api_hold_members(d->api, founding_bars_others(d->founding));
	return rv;
}

static int start_api(struct daemon *d, struct err *err)
{
	struct api_config config = {
		.loop = &d->loop,
		.store = d->store,
		.consensus = d->consensus,
		.tls = d->tls,
		.node = d->id.node,
		.node_id = d->id.node_id,
		.version = SDSD_VERSION,
		.stall = &d->stall,
		.sign = authority_sign,
		.sign_user = authority_sign_user,
		.join_extra = authority_join_extra,
		.token_text = authority_token_text,
		.arg = &d->authority,
	};
	int rv;

	rv = authority_load(&d->authority, d->store, &d->id, err);
	if (rv == 0)
		rv = vault_new(on_vault_opened, d, &d->vault, err);
	config.vault = d->vault;
	if (rv == 0)
		rv = api_new(&config, &d->api, err);
	return rv;
}

/* A node keeps its plane for the life of the daemon: what is open in one cannot go to the other. */
static void choose_plane(struct daemon *d)
{
	struct err why = { 0 };
	int resources, rv = plane_kernel_probe(&resources, &why);
	bool kernel = d->config.plane == CONFIG_PLANE_KERNEL ||
		      (d->config.plane == CONFIG_PLANE_AUTO && rv == 0);

	d->plane_ops = kernel ? &plane_kernel : &plane_user;
	log_info("daemon", "data plane: %s (%s)", d->plane_ops->name,
		 rv < 0                                 ? why.text
		 : d->config.plane == CONFIG_PLANE_AUTO ? "the kernel module is there"
							: "as asked for");
	if (!kernel && resources > 0)
		log_error("daemon",
			  "the kernel module has %d volumes: none of them can be used here before "
			  "it has let them go",
			  resources);
}

static int start_plane(struct daemon *d, struct err *err)
{
	struct records_config records = {
		.loop = &d->loop,
		.call = on_records_call,
		.arg = d,
	};
	struct plane_hooks hooks = {
		.read_record = on_read_record,
		.cas_record = on_cas_record,
		.changed = on_plane_changed,
		.arg = d,
	};
	int rv;

	choose_plane(d);
	records.ops = d->plane_ops;
	storage_set_meta_ops(&labels_meta_ops);
	d->records = records_new(&records);
	rv = d->plane_ops->start(&d->loop, d->tls, d->id.cluster, d->id.node, d->id.node_id,
				 d->boot, &hooks, &d->plane, err);
	if (rv < 0)
		return rv;
	records_set_plane(d->records, d->plane);
	return plane_nvme.start(&d->loop, d->tls, d->id.cluster, d->id.node, d->id.node_id, d->boot,
				&hooks, &d->nvme, err);
}

/* --- what the leader has this node do, api.h to agent.h ------------------ */

static void node_freeze(const char *resource, uint64_t token, int deadline_ms, agent_freeze_cb cb,
			void *cb_arg, void *arg)
{
	agent_freeze(((struct daemon *)arg)->agent, resource, token, deadline_ms, cb, cb_arg);
}

static void node_thaw(const char *resource, uint64_t token, agent_snapshot_cb cb, void *cb_arg,
		      void *arg)
{
	agent_thaw(((struct daemon *)arg)->agent, resource, token, cb, cb_arg);
}

static void node_snapshot(const char *resource, const char *name, const char *uuid,
			  agent_snapshot_cb cb, void *cb_arg, void *arg)
{
	agent_snapshot(((struct daemon *)arg)->agent, resource, name, uuid, cb, cb_arg);
}

static void node_checksum(const char *resource, const char *volume, uint64_t off, uint64_t len,
			  agent_checksum_cb cb, void *cb_arg, void *arg)
{
	agent_checksum(((struct daemon *)arg)->agent, resource, volume, off, len, cb, cb_arg);
}

static void node_adoptable(const char *device, agent_adoptable_cb cb, void *cb_arg, void *arg)
{
	agent_adoptable(((struct daemon *)arg)->agent, device, cb, cb_arg);
}

static json *node_report(void *arg)
{
	return agent_report(((struct daemon *)arg)->agent);
}

static const struct api_node_ops node_ops = {
	.report = node_report,
	.checksum = node_checksum,
	.freeze = node_freeze,
	.thaw = node_thaw,
	.snapshot = node_snapshot,
	.adoptable = node_adoptable,
};

static int start_agent(struct daemon *d, struct err *err)
{
	struct agent_config config = {
		.loop = &d->loop,
		.store = d->store,
		.cluster = d->id.cluster,
		.node = d->id.node,
		.version = SDSD_VERSION,
		.dir = d->config.dir,
		.run_dir = d->config.run_dir,
		.boot = d->boot,
		.certificate_ends = tls_expires(d->tls),
		.plane_ops = d->plane_ops,
		.plane = d->plane,
		.nvme_ops = &plane_nvme,
		.nvme = d->nvme,
		.call = on_agent_call,
		.unseal = on_unseal,
		.arg = d,
	};
	struct unlock_config unlock = {
		.loop = &d->loop,
		.store = d->store,
		.vault = d->vault,
		.node = d->id.node,
		.file = d->passphrase_file,
		.call = on_unlock_call,
		.arg = d,
	};
	int rv = agent_new(&config, &d->agent, err);

	if (rv < 0)
		return rv;
	api_set_node(d->api, &node_ops, d);
	unlock_file(d->passphrase_file, sizeof(d->passphrase_file));
	d->unlock = unlock_new(&unlock);
	return 0;
}

static int start_listeners(struct daemon *d, struct err *err)
{
	static const struct nodeport_ops ops = {
		.on_raft = on_raft_conn,
		.on_data = on_data_conn,
		.on_http = on_http_conn,
		.on_join = on_join_conn,
		.is_member = on_is_member,
	};
	const char *host = d->config.listen_host[0] ? d->config.listen_host : d->id.address;
	int port = d->config.listen_port ? d->config.listen_port : d->id.port;
	char path[PATH_LEN_MAX + 32];
	int rv;

	rv = nodeport_new(&d->loop, host, port, d->tls, &ops, d, &d->nodeport, err);
	if (rv < 0)
		return rv;
	if (d->plane_ops == &plane_kernel)
		nodeport_data_for_kernel(d->nodeport);
	snprintf(path, sizeof(path), "%s/sdsd.sock", d->config.run_dir);
	return listener_unix(&d->loop, path, 0600, DAEMON_UNIX_CONNS_MAX, on_unix_conn, d,
			     &d->unix_socket, err);
}

static int start_web(struct daemon *d, struct err *err)
{
	struct web_config config = {
		.loop = &d->loop,
		.config = &d->config,
		.id = &d->id,
		.authority = &d->authority,
		.request = on_user_request,
		.body_max = on_user_body_max,
		.arg = d,
	};
	int rv = web_new(&config, &d->web, err);

	if (rv == 0)
		api_set_listeners(d->api, web_describe(d->web));
	return rv;
}

static int start(struct daemon *d, struct err *err)
{
	int rv;

	rv = start_identity(d, err);
	if (rv == 0)
		rv = fs_mkdir(d->config.run_dir, 0755, err);
	if (rv == 0)
		rv = store_open(d->config.dir, 0, &d->store, err);
	if (rv == 0)
		rv = start_consensus(d, err);
	if (rv == 0)
		rv = start_api(d, err);
	if (rv == 0)
		rv = start_founding(d, err);
	if (rv == 0)
		rv = start_plane(d, err);
	if (rv == 0)
		rv = start_agent(d, err);
	if (rv == 0)
		rv = start_listeners(d, err);
	if (rv == 0)
		rv = start_web(d, err);
	return rv;
}

/* --- stop --------------------------------------------------------------- */

static void on_watchdog(uv_timer_t *timer)
{
	log_error("daemon", "the end takes longer than %d ms: ending at once", DAEMON_STOP_MS);
	_exit(1);
}

/* What is free between blocks that are in use goes back to the system, which free() does only at
 * the end of a heap: a leader that has read the reports of all nodes kept twice what it needs. */
static void on_trim(uv_timer_t *timer)
{
	process_trim();
}

static void close_handles(struct daemon *d)
{
	if (!d->handles)
		return;
	d->handles = false;
	uv_close((uv_handle_t *)&d->term, NULL);
	uv_close((uv_handle_t *)&d->interrupt, NULL);
	uv_close((uv_handle_t *)&d->trim, NULL);
	stall_stop(&d->stall);
}

static void on_consensus_stopped(void *arg)
{
	struct daemon *d = arg;

	close_handles(d);
	d->stopped = true;
}

/* of one plane, then of the other */
static void on_plane_stopped(void *arg)
{
	struct daemon *d = arg;
	struct plane *nvme = d->nvme;

	d->nvme = NULL;
	if (nvme) {
		plane_nvme.stop(nvme, on_plane_stopped, d);
		return;
	}
	records_free(d->records);
	founding_free(d->founding);
	api_free(d->api);
	if (d->consensus)
		consensus_stop(d->consensus, on_consensus_stopped, d);
	else
		on_consensus_stopped(d);
}

/* Whether another has taken over or not: who leads is found out anew. */
static void on_transferred(int status, void *arg)
{
	struct daemon *d = arg;

	unlock_free(d->unlock);
	if (d->api)
		api_set_node(d->api, NULL, NULL);
	agent_free(d->agent);
	d->agent = NULL;
	if (d->plane)
		d->plane_ops->stop(d->plane, on_plane_stopped, d);
	else
		on_plane_stopped(d);
}

/* Also of what was never started. A leader hands over first, so that the others do not miss it. */
static void stop(struct daemon *d)
{
	if (d->stopping)
		return;
	d->stopping = true;
	uv_timer_start(&d->watchdog, on_watchdog, DAEMON_STOP_MS, 0);
	notify_systemd("STOPPING=1");
	web_stop(d->web);
	listener_free(d->unix_socket);
	nodeport_free(d->nodeport);
	if (d->consensus && consensus_is_leader(d->consensus))
		consensus_transfer(d->consensus, 0, on_transferred, d);
	else
		on_transferred(0, d);
}

static void on_signal(uv_signal_t *handle, int signum)
{
	struct daemon *d = handle->data;

	if (d->stopping) {
		log_warn("daemon", "second signal: ending at once");
		_exit(1);
	}
	log_info("daemon", "signal %d: stopping", signum);
	stop(d);
}

static void on_drained(uv_timer_t *timer)
{
	struct daemon *d = timer->data;

	d->drained = true;
}

/* Ends of connections and timers that were closed a moment ago; not for ever. */
static void drain(struct daemon *d)
{
	uv_timer_start(&d->watchdog, on_drained, DRAIN_MS, 0);
	uv_unref((uv_handle_t *)&d->watchdog);
	while (!d->drained && uv_run(&d->loop, UV_RUN_ONCE))
		;
	uv_close((uv_handle_t *)&d->watchdog, NULL);
	uv_run(&d->loop, UV_RUN_NOWAIT);
	store_close(d->store);
	if (uv_loop_close(&d->loop) == 0) { /* otherwise some connection is left that uses them */
		web_free(d->web);
		tls_free(d->tls);
	}
	vault_free(d->vault);
	explicit_bzero(&d->authority, sizeof(d->authority));
}

/* --- life --------------------------------------------------------------- */

static void open_handles(struct daemon *d)
{
	uv_signal_init(&d->loop, &d->term);
	uv_signal_init(&d->loop, &d->interrupt);
	uv_timer_init(&d->loop, &d->watchdog);
	uv_timer_init(&d->loop, &d->trim);
	uv_timer_start(&d->trim, on_trim, PROCESS_TRIM_MS, PROCESS_TRIM_MS);
	d->term.data = d->interrupt.data = d->watchdog.data = d;
	uv_signal_start(&d->term, on_signal, SIGTERM);
	uv_signal_start(&d->interrupt, on_signal, SIGINT);
	d->handles = true;
}

int daemon_run(const struct config *config)
{
	struct daemon *d = &the_daemon;
	struct err err = { 0 };

	d->config = *config;
	log_init(config->log_level);
	crash_watch();
	process_raise_files();
	process_precede();
	rand_bytes(&d->boot, sizeof(d->boot));
	if (uv_loop_init(&d->loop) < 0) {
		log_error("daemon", "cannot make an event loop");
		return 1;
	}
	open_handles(d);
	if (start(d, &err) < 0) {
		fprintf(stderr, "sdsd: %s\n", err.text);
		d->exit_status = 1;
		stop(d);
	} else {
		log_info("daemon",
			 "sdsd " SDSD_VERSION " node=%s cluster=%s address=%s port=%d dir=%s",
			 d->id.node, d->id.cluster_name, d->id.address, nodeport_port(d->nodeport),
			 d->config.dir);
		notify_systemd("READY=1");
	}
	stall_start(&d->stall, &d->loop);
	while (!d->stopped && uv_run(&d->loop, UV_RUN_ONCE))
		;
	drain(d);
	log_info("daemon", "stopped");
	return d->exit_status;
}
