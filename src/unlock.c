// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * unlock.c - see unlock.h. Called by daemon.c, and once a second by its own timer. Every node tells
 * the leader whether it has the key, as long as there is one: so a leader that lacks it hears who
 * has it. Without an encrypted volume in the cluster it does nothing.
 */
#include "unlock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/text.h"
#include "model/change.h"

#define CALL_MS 3000
#define BODY_MAX 256
#define TRIED_MAX 256 /* of "key_sealed" */

struct unlock {
	struct unlock_config config;
	uv_timer_t timer;
	bool asking, reading;  /* a call, the file's worker is under way */
	char tried[TRIED_MAX]; /* the file's passphrase did not open this one */
	bool closing;
	int refs; /* the owner with the timer, the call, the worker */
};

struct reading {
	uv_work_t work;
	struct unlock *unlock;
	json *doc;
	uint8_t key[VAULT_KEY_LEN];
	int status;
	struct err err;
};

static void put(struct unlock *u)
{
	if (--u->refs == 0)
		free(u);
}

void unlock_file(char *out, size_t len)
{
	const char *file = getenv("SDSD_PASSPHRASE_FILE");
	const char *credentials = getenv("CREDENTIALS_DIRECTORY");
	struct stat st;

	snprintf(out, len, "%s", file ? file : "");
	if (out[0] || !credentials || !credentials[0])
		return;
	snprintf(out, len, "%s/sdsd-passphrase", credentials);
	if (stat(out, &st) < 0)
		out[0] = '\0';
}

/* --- the file ----------------------------------------------------------- */

static void warn_if_readable(const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 && (st.st_mode & 077))
		log_warn("unlock", "%s can be read by others than its owner: chmod 600", path);
}

static void read_file(uv_work_t *work)
{
	struct reading *r = (struct reading *)work;
	const char *path = r->unlock->config.file;
	struct buf text;
	size_t len;

	warn_if_readable(path);
	buf_init(&text, VAULT_PASSPHRASE_MAX + 2);
	r->status = fs_read(path, &text, &r->err);
	if (r->status == 0 && !text.data)
		r->status = err_set(&r->err, -E_INVALID, "%s is empty", path);
	if (r->status == 0) {
		len = strcspn((char *)text.data, "\r\n");
		text.data[len] = '\0';
		r->status = vault_reveal(r->doc, (char *)text.data, r->key, &r->err);
	}
	if (text.data)
		explicit_bzero(text.data, text.cap);
	buf_release(&text);
}

static void have_read(uv_work_t *work, int status)
{
	struct reading *r = (struct reading *)work;
	struct unlock *u = r->unlock;

	u->reading = false;
	if (status == 0 && !u->closing) {
		if (r->status == 0 && !vault_is_open(u->config.vault))
			r->status = vault_open(u->config.vault, r->doc, r->key, &r->err);
		if (r->status == 0)
			log_info("unlock", "unlocked by the passphrase in %s", u->config.file);
		else
			log_error("unlock", "the passphrase in %s does not unlock: %s",
				  u->config.file, r->err.text);
	}
	json_object_put(r->doc);
	explicit_bzero(r, sizeof(*r));
	free(r);
	put(u);
}

/* once for each passphrase that the cluster has */
static void try_file(struct unlock *u, json *doc)
{
	const char *sealed = jget_str(doc, "key_sealed", "");
	struct reading *r;

	if (!u->config.file[0] || u->reading || strcmp(u->tried, sealed) == 0)
		return;
	snprintf(u->tried, sizeof(u->tried), "%s", sealed);
	r = calloc(1, sizeof(*r));
	if (!r)
		abort();
	r->unlock = u;
	r->doc = json_object_get(doc);
	u->reading = true;
	u->refs++;
	if (uv_queue_work(u->config.loop, &r->work, read_file, have_read) < 0)
		abort(); /* fails only without a function to run */
}

/* --- the leader --------------------------------------------------------- */

static json *load(struct unlock *u)
{
	json *doc = NULL;

	return store_get(u->config.store, ENCRYPTION_KEY, &doc, NULL) == 0 ? doc : NULL;
}

static void tell(struct unlock *u, const char *key);

static void take(struct unlock *u, const char *hex)
{
	uint8_t key[VAULT_KEY_LEN];
	struct err err = { 0 };
	json *doc = load(u);

	if (!doc || text_unhex(hex, key, sizeof(key)) < 0 ||
	    vault_open(u->config.vault, doc, key, &err) < 0)
		log_warn("unlock", "the leader's master key does not fit: %s", err.text);
	else
		log_info("unlock", "unlocked by the leader");
	explicit_bzero(key, sizeof(key));
	json_object_put(doc);
}

static void on_answer(int status, json *doc, void *arg)
{
	struct unlock *u = arg;
	const char *hex = status == 200 ? jget_str(doc, "key", NULL) : NULL;
	char key[2 * VAULT_KEY_LEN + 1];

	u->asking = false;
	if (!u->closing && hex && !vault_is_open(u->config.vault))
		take(u, hex);
	else if (!u->closing && status == 200 && jget_bool(doc, "locked", false) &&
		 vault_key_hex(u->config.vault, key))
		tell(u, key);
	explicit_bzero(key, sizeof(key));
	if (hex)
		jwipe(doc);
	put(u);
}

/* key NULL: only whether it is here */
static void tell(struct unlock *u, const char *key)
{
	json *body = json_object_new_object();

	jset_str(body, "node", u->config.node);
	jset_bool(body, "have", vault_is_open(u->config.vault));
	if (key)
		jset_str(body, "key", key);
	u->asking = true;
	u->refs++;
	u->config.call("/v1/sds/master-key", json_text(body), CALL_MS, on_answer, u, u->config.arg);
	jwipe(body);
	json_object_put(body);
}

static void on_tick(uv_timer_t *timer)
{
	struct unlock *u = timer->data;
	json *doc = load(u);

	if (!doc)
		return;
	if (!vault_is_open(u->config.vault))
		try_file(u, doc);
	json_object_put(doc);
	if (!u->asking)
		tell(u, NULL);
}

/* --- life --------------------------------------------------------------- */

struct unlock *unlock_new(const struct unlock_config *config)
{
	struct unlock *u = calloc(1, sizeof(*u));

	if (!u)
		abort();
	u->config = *config;
	u->refs = 1;
	uv_timer_init(config->loop, &u->timer);
	u->timer.data = u;
	uv_timer_start(&u->timer, on_tick, 0, UNLOCK_TICK_MS);
	return u;
}

static void on_closed(uv_handle_t *handle)
{
	put(handle->data);
}

void unlock_free(struct unlock *u)
{
	if (!u)
		return;
	u->closing = true;
	uv_close((uv_handle_t *)&u->timer, on_closed);
}
