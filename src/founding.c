// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * founding.c - puts init.json into the store and then deletes it. Called by
 * daemon.c when this node becomes leader. Idempotent: when the cluster is
 * founded already (the file could not be deleted the last time) only the
 * deletion is done.
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
#include "model/change.h"

#define RETRY_MS 200

struct founding {
	char path[PATH_LEN_MAX + 32];
	json *init;
	struct store *store;
	struct consensus *consensus;
	struct observed *observed;
	uv_timer_t timer;
	bool busy, done, closing;
	int refs; /* the owner, the timer, the proposal under way */
};

static void put(struct founding *f)
{
	if (--f->refs)
		return;
	json_object_put(f->init);
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
}

static void on_timer(uv_timer_t *timer)
{
	founding_propose(timer->data);
}

static void on_proposed(int status, const struct txn_result *result, void *arg)
{
	struct founding *f = arg;

	f->busy = false;
	if (status == 0 && (result->outcome == TXN_APPLIED || result->outcome == TXN_DUPLICATE)) {
		log_info("daemon", "cluster=%s founded", jget_str(f->init, "name", ""));
		founded(f);
	} else if (!f->closing) {
		uv_timer_start(&f->timer, on_timer, RETRY_MS, 0);
	}
	put(f);
}

void founding_propose(struct founding *f)
{
	struct change_env env = {
		.store = f->store,
		.observed = f->observed,
		.now_ms = clock_wall_ms(),
		.mono_ms = (int64_t)(clock_boot_ns() / 1000000),
		.uuid = text_uuid,
	};
	struct err err = { 0 };
	struct buf data;
	struct txn *t;
	int rv;

	if (f->busy || f->done || f->closing || !consensus_is_leader(f->consensus))
		return;
	buf_init(&data, TXN_BYTES_MAX);
	t = txn_new("", "init");
	txn_note(t, env.now_ms, "Cluster founded.");
	rv = change_cluster_init(&env, t, f->init, &err);
	if (rv == 0)
		rv = txn_encode(t, &data, &err);
	if (rv == 0) {
		f->busy = true;
		f->refs++;
		consensus_propose(f->consensus, data.data, data.len, on_proposed, f);
	} else if (rv == -E_EXISTS) {
		founded(f);
	} else {
		log_error("daemon", "%s: %s", f->path, err.text);
	}
	txn_free(t);
	buf_release(&data);
}

int founding_new(uv_loop_t *loop, const char *dir, struct store *store, struct consensus *consensus,
		 struct observed *observed, struct founding **ret, struct err *err)
{
	struct founding *f = calloc(1, sizeof(*f));
	struct buf text;
	int rv;

	if (!f)
		return err_set(err, -ENOMEM, "no memory");
	snprintf(f->path, sizeof(f->path), "%s/" INIT_JSON, dir);
	if (access(f->path, F_OK) < 0) {
		free(f);
		*ret = NULL;
		return 0;
	}
	buf_init(&text, INIT_JSON_MAX);
	rv = fs_read(f->path, &text, err);
	if (rv == 0 && json_parse((char *)text.data, text.len, &f->init, NULL) < 0)
		rv = err_set(err, -E_CORRUPT, "%s is damaged: it is not JSON", f->path);
	buf_release(&text);
	if (rv < 0) {
		free(f);
		return rv;
	}
	f->store = store;
	f->consensus = consensus;
	f->observed = observed;
	uv_timer_init(loop, &f->timer);
	f->timer.data = f;
	f->refs = 2;
	*ret = f;
	return 0;
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
	same = jget_i64_or(doc, "id", 0) == node_id &&
	       strcasecmp(jget_str(doc, "fingerprint", ""), fingerprint) == 0;
	json_object_put(doc);
	return same ? MEMBERSHIP_YES : MEMBERSHIP_NO;
}
