// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * consensus.c - life of a Raft instance: bootstrap, start, leadership, end.
 * Called by daemon.c (and cluster/ for the bootstrap). What is proposed and
 * how it is answered is in propose.c, what entries mean in fsm.c.
 */
#include "raft/consensus.h"

#include <assert.h>
#include <errno.h>
#include <raft.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/log.h"
#include "raft/instance.h"
#include "raft/segment.h"

#define RAFT_SUBDIR "raft"
#define RAFT_DIR_MODE 0700
#define ELECTION_MS 600
#define HEARTBEAT_MS 100
#define SNAPSHOT_THRESHOLD 4096 /* entries in the log before a snapshot replaces them */
#define SNAPSHOT_TRAILING 1024  /* entries kept behind it for nodes that lag a little */
#define CONNECT_RETRY_MS 200
#define BARRIER_RETRY_MS 100

int consensus_code(int raft_code)
{
	switch (raft_code) {
	case 0:
		return 0;
	case RAFT_NOMEM:
		return -ENOMEM;
	case RAFT_NOTLEADER:
		return -E_NOT_LEADER;
	case RAFT_LEADERSHIPLOST:
		return -E_UNKNOWN;
	case RAFT_CANCELED:
	case RAFT_SHUTDOWN:
		return -ECANCELED;
	case RAFT_BADID:
	case RAFT_NOTFOUND:
		return -E_NOT_FOUND;
	case RAFT_DUPLICATEID:
	case RAFT_DUPLICATEADDRESS:
	case RAFT_CANTBOOTSTRAP:
		return -E_EXISTS;
	case RAFT_CANTCHANGE:
	case RAFT_BUSY:
		return -EBUSY;
	case RAFT_TOOBIG:
		return -EMSGSIZE;
	case RAFT_NAMETOOLONG:
		return -ENAMETOOLONG;
	case RAFT_NOCONNECTION:
		return -ENOTCONN;
	case RAFT_MALFORMED:
	case RAFT_CORRUPT:
		return -E_CORRUPT;
	case RAFT_NOSPACE:
		return -ENOSPC;
	default:
		return -EIO;
	}
}

void consensus_wake(struct consensus *c)
{
	/* closed only after the library: until then there may be answers to give */
	if (c->handles > 0)
		uv_async_send(&c->wake);
}

void consensus_fail(struct consensus *c, int code, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	if (c->fatal.code)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	err_set(&c->fatal, code, "%s", text);
	consensus_wake(c);
}

/* --- leadership --- */

/* The log of a leader holds every committed entry, and the store nothing else. */
static bool log_is_behind(struct consensus *c)
{
	if (raft_last_index(&c->raft) >= store_applied(c->store))
		return false;
	consensus_fail(
		c, -E_CORRUPT,
		"the Raft log in %s ends at %llu, but the store has applied %llu: the log has "
		"lost committed entries; if other nodes hold the data, remove this node's "
		"state directory and join again",
		c->raft_dir, (unsigned long long)raft_last_index(&c->raft),
		(unsigned long long)store_applied(c->store));
	return true;
}

static bool is_reigning(const struct consensus *c, uint64_t reign)
{
	return c->running && !c->stopping && !c->fatal.code && c->raft.state == RAFT_LEADER &&
	       c->reign == reign;
}

static void on_retry(uv_timer_t *timer)
{
	consensus_wake(timer->data);
}

static void reign_passed(int status, void *arg)
{
	struct consensus *c = arg;
	uint64_t reign = c->reign_barrier;

	c->reign_barrier = 0;
	if (!is_reigning(c, reign)) {
		consensus_wake(c); /* another may have begun */
		return;
	}
	if (status < 0) {
		uv_timer_start(&c->retry, on_retry, BARRIER_RETRY_MS, 0);
		return;
	}
	if (log_is_behind(c))
		return;
	c->reign_told = reign;
	log_info("raft", "leader in term %llu", (unsigned long long)c->raft.current_term);
	if (c->on_leader)
		c->on_leader(true, c->arg);
}

/* Tells of an end first, then asks for the barrier of a beginning */
static void turn_leadership(struct consensus *c)
{
	if (c->reign_told && !is_reigning(c, c->reign_told)) {
		c->reign_told = 0;
		log_info("raft", "no longer leader");
		if (c->on_leader)
			c->on_leader(false, c->arg);
	}
	if (!c->reign_told && !c->reign_barrier && is_reigning(c, c->reign) &&
	    !uv_is_active((uv_handle_t *)&c->retry)) {
		c->reign_barrier = c->reign;
		consensus_first_barrier(c, reign_passed, c);
	}
}

static void on_state(struct raft *raft, unsigned short old_state, unsigned short new_state)
{
	struct consensus *c = raft->data;

	if (new_state == RAFT_LEADER)
		c->reign++;
	if (new_state == RAFT_UNAVAILABLE && !c->stopping)
		consensus_fail(c, -EIO, "the Raft instance in %s has stopped: %s", c->raft_dir,
			       c->io.errmsg[0]   ? c->io.errmsg
			       : raft->errmsg[0] ? raft->errmsg
						 : "internal error");
	consensus_wake(c);
}

static void on_wake(uv_async_t *wake)
{
	struct consensus *c = wake->data;

	if (!c->running)
		return; /* not started yet, or ended: free_instance answers */
	if (!c->stopping && !c->fatal.code)
		guard_spread(c);
	consensus_turn_asks(c);
	if (c->stopping)
		return;
	turn_leadership(c);
	if (c->fatal.code && !c->fatal_told && !c->stopping) {
		c->fatal_told = true;
		log_error("raft", "%s", c->fatal.text);
		if (c->on_fatal)
			c->on_fatal(&c->fatal, c->arg);
	}
}

bool consensus_is_leader(const struct consensus *c)
{
	return c->reign_told && is_reigning(c, c->reign_told);
}

/* --- the end --- */

static void on_handle_closed(uv_handle_t *handle)
{
	struct consensus *c = handle->data;

	if (--c->handles > 0)
		return;
	consensus_cancel_asks(c);
	raft_uv_close(&c->io);
	if (c->closed)
		c->closed(c->closed_arg);
	free(c->raft_dir);
	free(c);
}

static void on_raft_closed(struct raft *raft)
{
	struct consensus *c = raft->data;

	uv_close((uv_handle_t *)&c->wake, on_handle_closed);
	uv_close((uv_handle_t *)&c->retry, on_handle_closed);
}

void consensus_close_library(struct consensus *c)
{
	if (c->closing)
		return;
	c->closing = true;
	raft_close(&c->raft, on_raft_closed);
}

void consensus_stop(struct consensus *c, void (*closed)(void *arg), void *arg)
{
	assert(!c->stopping);
	c->stopping = true;
	c->closed = closed;
	c->closed_arg = arg;
	consensus_close_library(c);
}

/* --- the beginning --- */

static int make_dir(const char *dir, char **ret, struct err *err)
{
	char *path;
	int rv;

	if (asprintf(&path, "%s/" RAFT_SUBDIR, dir) < 0)
		return err_set(err, -ENOMEM, "raft: out of memory");
	rv = fs_mkdir(path, RAFT_DIR_MODE, err);
	if (rv < 0) {
		free(path);
		return rv;
	}
	*ret = path;
	return 0;
}

static int check_identity(uint32_t id, const char *address, struct err *err)
{
	if (id == 0 || !address[0] || strlen(address) >= CONSENSUS_ADDRESS_MAX)
		return err_set(err, -E_INVALID, "raft: bad node id %u or address \"%s\"", id,
			       address);
	return 0;
}

/* io and raft up to but not including raft_start; on failure nothing is left open */
static int init_library(struct consensus *c, struct err *err)
{
	int rv;

	transport_init(&c->transport, c->loop, c->transport.tls);
	fsm_init(c);
	c->raft.data = c;
	rv = raft_uv_init(&c->io, c->loop, c->raft_dir, &c->transport.ops);
	if (rv != 0)
		return err_set(err, consensus_code(rv), "Raft log in %s: %s", c->raft_dir,
			       c->io.errmsg);
	/* it would rename damaged segments and go on without what they held */
	raft_uv_set_auto_recovery(&c->io, false);
	raft_uv_set_connect_retry_delay(&c->io, CONNECT_RETRY_MS);
	rv = raft_init(&c->raft, &c->io, &c->fsm, c->id, c->address);
	if (rv != 0) {
		err_set(err, consensus_code(rv), "Raft log in %s: %s", c->raft_dir,
			c->raft.errmsg[0] ? c->raft.errmsg : raft_strerror(rv));
		raft_uv_close(&c->io);
		return err->code;
	}
	disk_watch(c);
	guard_watch(c);
	return 0;
}

static struct consensus *consensus_new(const struct consensus_config *config, struct err *err)
{
	struct consensus *c = calloc(1, sizeof(*c));

	if (!c) {
		err_set(err, -ENOMEM, "raft: out of memory");
		return NULL;
	}
	c->loop = config->loop;
	c->store = config->store;
	c->id = config->id;
	memcpy(c->address, config->address, strlen(config->address) + 1);
	c->on_leader = config->on_leader;
	c->on_fatal = config->on_fatal;
	c->arg = config->arg;
	c->transport.tls = config->tls;
	ask_queue_init(&c->waiting);
	ask_queue_init(&c->done);
	ask_queue_init(&c->barrier_waiting);
	ask_queue_init(&c->barrier_sharing);
	if (make_dir(config->dir, &c->raft_dir, err) < 0) {
		free(c);
		return NULL;
	}
	return c;
}

static void open_handles(struct consensus *c)
{
	uv_async_init(c->loop, &c->wake, on_wake);
	c->wake.data = c;
	uv_timer_init(c->loop, &c->retry);
	c->retry.data = c;
	c->handles = 2;
}

static void set_options(struct consensus *c, const struct consensus_config *config)
{
	unsigned election = config->election_timeout_ms, heartbeat = config->heartbeat_ms;

	raft_set_election_timeout(&c->raft, election ? election : ELECTION_MS);
	raft_set_heartbeat_timeout(&c->raft, heartbeat ? heartbeat : HEARTBEAT_MS);
	raft_set_pre_vote(&c->raft, true);
	raft_set_snapshot_threshold(&c->raft, SNAPSHOT_THRESHOLD);
	raft_set_snapshot_trailing(&c->raft, SNAPSHOT_TRAILING);
	raft_register_state_cb(&c->raft, on_state);
}

/* Loads the log and begins; a single voter is leader when this returns */
static int start_library(struct consensus *c, struct err *err)
{
	int rv = raft_start(&c->raft);

	if (c->fatal.code)
		return err_set(err, c->fatal.code, "%s", c->fatal.text);
	if (rv != 0)
		return err_set(
			err,
			rv == RAFT_IOERR || rv == RAFT_INVALID ? -E_CORRUPT : consensus_code(rv),
			"the Raft log in %s cannot be read: %s; if other nodes hold the data, "
			"remove this node's state directory and join again",
			c->raft_dir, c->raft.errmsg[0] ? c->raft.errmsg : raft_strerror(rv));
	if (raft_state(&c->raft) == RAFT_LEADER && log_is_behind(c))
		return err_set(err, c->fatal.code, "%s", c->fatal.text);
	return 0;
}

int consensus_start(const struct consensus_config *config, struct consensus **ret, struct err *err)
{
	struct consensus *c;
	int rv;

	rv = check_identity(config->id, config->address, err);
	if (rv < 0)
		return rv;
	/* a stream whose other end is closed answers EPIPE, it does not kill */
	signal(SIGPIPE, SIG_IGN);
	c = consensus_new(config, err);
	if (!c)
		return err->code;
	rv = segment_check_dir(c->raft_dir, err);
	if (rv == 0)
		rv = init_library(c, err);
	if (rv < 0) {
		free(c->raft_dir);
		free(c);
		return rv;
	}
	open_handles(c);
	set_options(c, config);
	rv = start_library(c, err);
	if (rv < 0) {
		consensus_stop(c, NULL, NULL); /* freed by the loop's next turns */
		return rv;
	}
	c->running = true;
	consensus_wake(c);
	*ret = c;
	return 0;
}

void consensus_address(const char *host, int port, char out[CONSENSUS_ADDRESS_MAX])
{
	snprintf(out, CONSENSUS_ADDRESS_MAX, strchr(host, ':') ? "[%.100s]:%d" : "%.100s:%d", host,
		 port);
}

/* --- while nothing runs --- */

static int log_failed(struct consensus *c, int rv, struct err *err)
{
	return err_set(err, consensus_code(rv), "cannot write the Raft log in %s: %s", c->raft_dir,
		       c->io.errmsg[0] ? c->io.errmsg : raft_strerror(rv));
}

/* this node alone, as a voter; fn writes it */
static int write_alone(struct consensus *c,
		       int (*fn)(struct raft *r, const struct raft_configuration *conf))
{
	struct raft_configuration alone;
	int rv;

	raft_configuration_init(&alone);
	rv = raft_configuration_add(&alone, c->id, c->address, RAFT_VOTER);
	if (rv == 0)
		rv = fn(&c->raft, &alone);
	raft_configuration_close(&alone);
	return rv;
}

static int write_bootstrap(struct consensus *c, struct err *err)
{
	int rv = write_alone(c, raft_bootstrap);

	if (rv == RAFT_CANTBOOTSTRAP)
		return err_set(err, -E_EXISTS, "%s has a Raft log already", c->raft_dir);
	return rv != 0 ? log_failed(c, rv, err) : 0;
}

/* It becomes the last entry, of term 1, which no entry of a cluster has that had a leader. */
static int write_recovery(struct consensus *c, struct err *err)
{
	int rv = segment_check_dir(c->raft_dir, err);

	if (rv < 0)
		return rv;
	rv = write_alone(c, raft_recover);
	return rv != 0 ? log_failed(c, rv, err) : 0;
}

static int write_offline(const char *dir, uint32_t id, const char *address,
			 int (*fn)(struct consensus *c, struct err *err), struct err *err)
{
	struct consensus_config config = { .dir = dir, .id = id, .address = address };
	struct consensus *c;
	uv_loop_t loop;
	int rv;

	rv = check_identity(id, address, err);
	if (rv < 0)
		return rv;
	rv = uv_loop_init(&loop);
	if (rv < 0)
		return err_set(err, rv, "raft: %s", uv_strerror(rv));
	config.loop = &loop;
	c = consensus_new(&config, err);
	if (!c) {
		rv = err->code;
		goto close_loop;
	}
	rv = init_library(c, err);
	if (rv < 0) {
		free(c->raft_dir);
		free(c);
		goto close_loop;
	}
	open_handles(c);
	rv = fn(c, err);
	consensus_stop(c, NULL, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
close_loop:
	uv_loop_close(&loop);
	return rv;
}

int consensus_bootstrap(const char *dir, uint32_t id, const char *address, struct err *err)
{
	return write_offline(dir, id, address, write_bootstrap, err);
}

int consensus_recover(const char *dir, uint32_t id, const char *address, struct err *err)
{
	return write_offline(dir, id, address, write_recovery, err);
}

/* --- small ones --- */

void consensus_accept(struct consensus *c, struct conn *conn)
{
	transport_accept(&c->transport, conn);
}

uint32_t consensus_leader(const struct consensus *c, char out[CONSENSUS_ADDRESS_MAX])
{
	const char *address = NULL;
	raft_id id = 0;

	if (c->running && !c->stopping)
		raft_leader((struct raft *)&c->raft, &id, &address);
	if (out)
		snprintf(out, CONSENSUS_ADDRESS_MAX, "%s", id && address ? address : "");
	return (uint32_t)id;
}

int consensus_servers(const struct consensus *c, struct consensus_server *out, int max)
{
	const struct raft_configuration *conf = &c->raft.configuration;

	for (unsigned i = 0; i < conf->n && (int)i < max; i++) {
		const struct raft_server *from = &conf->servers[i];

		out[i].id = (uint32_t)from->id;
		out[i].role = from->role == RAFT_VOTER     ? CONSENSUS_VOTER
			      : from->role == RAFT_STANDBY ? CONSENSUS_STANDBY
							   : CONSENSUS_SPARE;
		snprintf(out[i].address, sizeof(out[i].address), "%s", from->address);
	}
	return (int)conf->n;
}

uint64_t consensus_term(const struct consensus *c)
{
	return c->raft.current_term;
}
