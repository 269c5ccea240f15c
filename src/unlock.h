/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unlock.h - how this node comes by the master key without anybody entering a passphrase: from the
 * leader, which has it from another node when it lacks it itself; or from a file with the
 * passphrase (docs/security.md, encryption).
 */
#ifndef SDSD_UNLOCK_H
#define SDSD_UNLOCK_H

#include <uv.h>

#include "cluster/vault.h"
#include "store/store.h"

#define UNLOCK_TICK_MS 1000

/* cb(http status, parsed body or NULL), exactly once, later */
typedef void (*unlock_answer)(int status, json *doc, void *arg);

struct unlock_config { /* all borrowed */
	uv_loop_t *loop;
	struct store *store;
	struct vault *vault;
	const char *node;
	const char *file; /* with the passphrase; "": none */
	/* asks the leader */
	void (*call)(const char *path, const char *body, int deadline_ms, unlock_answer cb,
		     void *cb_arg, void *arg);
	void *arg;
};

struct unlock;
struct unlock *unlock_new(const struct unlock_config *config);
/* The memory goes when the last answer has come, so run the loop after it. NULL is fine. */
void unlock_free(struct unlock *u);
/* $SDSD_PASSPHRASE_FILE, or systemd's credential sdsd-passphrase; "": neither */
void unlock_file(char *out, size_t len);

#endif
