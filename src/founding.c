// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * founding.c - puts init.json, or recover.json, into the store and then deletes it. Called by
 * daemon.c when this node becomes leader. Idempotent: when it is in the store already (the file
 * could not be deleted the last time) only the deletion is done.
 */
#include "founding.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/text.h"
#include "cluster/init.h"
#include "cluster/recover.h"
#include "model/change.h"

#define RETRY_MS 200

struct founding {
	struct founding_config config;
	char path[PATH_LEN_MAX + 32];
	json *file;
	bool recovers; /* it is recover.json */
	uv_timer_t timer;
	bool busy, done, closing;
	int refs; /* the owner, the timer, the proposal under way */
};

static void put(struct founding *f)
{
	if (--f->refs)
		return;
	json_object_put(f->file);
	free(f);
}

static void on_closed(uv_handle_t *handle)
{
	put(handle->data);
}

static void founded(struct founding *f)
{
	int rv = fs_remove(f->path);

	f->done = true;
	if (rv < 0)
		log_warn("daemon", "cannot remove %s: %s; it is of no use any more", f->path,
			 err_name(rv));
	if (!f->recovers)
		return;
	log_warn("daemon", "the cluster is recovered from this node alone");
	f->config.recovered(f->config.arg);
}

static void on_timer(uv_timer_t *timer)
{
	founding_propose(timer->data);
}

static void on_proposed(int status, const struct txn_result *result, void *arg)
{
	struct founding *f = arg;

	f->busy = false;
	if (status == 0 && f->recovers && !f->closing) {
		founding_propose(f); /* the next step, until there is none */
	} else if (status == 0 &&
		   (result->outcome == TXN_APPLIED || result->outcome == TXN_DUPLICATE)) {
		log_info("daemon", "cluster=%s founded", jget_str(f->file, "name", ""));
		founded(f);
	} else if (!f->closing) {
		uv_timer_start(&f->timer, on_timer, RETRY_MS, 0);
	}
	put(f);
}

/* 1: what the file says is in the store already */
static int decide(struct founding *f, struct txn *t, struct err *err)
{
	struct change_env env = {
		.store = f->config.store,
		.observed = f->config.observed,
		.now_ms = clock_wall_ms(),
		.mono_ms = (int64_t)(clock_boot_ns() / 1000000),
		.uuid = text_uuid,
	};
	int rv;

	if (f->recovers) {
		txn_note(t, env.now_ms, "Cluster recovered from one node; the others are lost.");
		rv = change_cluster_recover(&env, t, f->file, err);
		return rv == 0 && txn_is_empty(t) ? 1 : rv;
	}
	txn_note(t, env.now_ms, "Cluster founded.");
	rv = change_cluster_init(&env, t, f->file, err);
	return rv == -E_EXISTS ? 1 : rv;
}

static struct txn *new_txn(const struct founding *f)
{
	return txn_new("", f->recovers ? "recover" : "init");
}

void founding_propose(struct founding *f)
{
	struct err err = { 0 };
	struct buf data;
	struct txn *t;
	int rv;

	if (f->busy || f->done || f->closing || !consensus_is_leader(f->config.consensus))
		return;
	buf_init(&data, TXN_BYTES_MAX);
	t = new_txn(f);
	rv = decide(f, t, &err);
	if (rv == 0)
		rv = txn_encode(t, &data, &err);
	if (rv == 0) {
		f->busy = true;
		f->refs++;
		consensus_propose(f->config.consensus, data.data, data.len, on_proposed, f);
	} else if (rv == 1) {
		founded(f);
	} else {
		log_error("daemon", "%s: %s", f->path, err.text);
	}
	txn_free(t);
	buf_release(&data);
}

/* A recovery that was interrupted has not made this node the only server; what it gives up would
 * come back and take part. */
static int check_alone(struct founding *f, struct err *err)
{
	struct txn *t = new_txn(f);
	int rv = decide(f, t, err);

	txn_free(t);
	if (rv == 0 && consensus_servers(f->config.consensus, NULL, 0) != 1)
		return err_set(err, -E_INVALID,
			       "%s: a recovery was interrupted; do it again (sdsd recover "
			       "--force-new-cluster), or remove this file when there is a majority "
			       "after all",
			       f->path);
	return rv < 0 ? rv : 0;
}

static int read_file(struct founding *f, struct err *err)
{
	struct buf text;
	int rv;

	buf_init(&text, INIT_JSON_MAX);
	rv = fs_read(f->path, &text, err);
	if (rv == 0 && json_parse((char *)text.data, text.len, &f->file, NULL) < 0)
		rv = err_set(err, -E_CORRUPT, "%s is damaged: it is not JSON", f->path);
	buf_release(&text);
	return rv;
}

/* false: there is no such file */
static bool find_file(struct founding *f)
{
	static const char *const names[] = { INIT_JSON, RECOVER_JSON };

	for (int i = 0; i < 2; i++) {
		snprintf(f->path, sizeof(f->path), "%s/%s", f->config.dir, names[i]);
		f->recovers = i == 1;
		if (access(f->path, F_OK) == 0)
			return true;
	}
	return false;
}

int founding_new(const struct founding_config *config, struct founding **ret, struct err *err)
{
	struct founding *f = calloc(1, sizeof(*f));
	int rv;

	if (!f)
		return err_set(err, -ENOMEM, "no memory");
	f->config = *config;
	if (!find_file(f)) {
		free(f);
		*ret = NULL;
		return 0;
	}
	rv = read_file(f, err);
	if (rv == 0 && f->recovers)
		rv = check_alone(f, err);
	if (rv < 0) {
		json_object_put(f->file);
		free(f);
		return rv;
	}
	uv_timer_init(config->loop, &f->timer);
	f->timer.data = f;
	f->refs = 2;
	*ret = f;
	return 0;
}

bool founding_bars_others(const struct founding *f)
{
	return f && f->recovers && !f->done;
}

void founding_free(struct founding *f)
{
	if (!f)
		return;
	f->closing = true;
	uv_close((uv_handle_t *)&f->timer, on_closed);
	put(f);
}

enum membership membership_find(struct store *store, const char *node, uint32_t node_id,
				const char *fingerprint)
{
	char key[STORE_KEY_MAX];
	json *doc = NULL;
	int64_t next;
	bool same;

	if (name_check("node name", node, NAME_MIN_LEN, NULL) < 0)
		return MEMBERSHIP_NO;
	if (store_get(store, "cluster/self", &doc, NULL) < 0)
		return MEMBERSHIP_UNKNOWN; /* empty: a newcomer's, before its first entries */
	next = jget_i64_or(doc, "next_node_id", 0);
	json_object_put(doc);
	if (node_id >= next)
		return MEMBERSHIP_UNKNOWN;
	node_key(node, key, sizeof(key));
	if (store_get(store, key, &doc, NULL) < 0)
		return MEMBERSHIP_NO;
	same = jget_i64_or(doc, "id", 0) == node_id && !node_is_barred(doc) &&
	       strcasecmp(jget_str(doc, "fingerprint", ""), fingerprint) == 0;
	json_object_put(doc);
	return same ? MEMBERSHIP_YES : MEMBERSHIP_NO;
}
