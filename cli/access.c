// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * access.c - sdsd access list | token | certificate | require-token: who may use the API over TCP.
 * Called by main.c. The key of a certificate is made here and never sent anywhere.
 */
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/text.h"
#include "cli/print.h"
#include "cli/show.h"
#include "cli/verbs.h"
#include "cluster/pki.h"

#define TOKENS "/v1/sds/access/tokens"
#define CERTIFICATES "/v1/sds/access/certificates"
#define POLICY "/v1/sds/access-policy"
#define OUT_PATH_MAX 1200
#define TOKEN_ARGS "create <name> [--read-only] [--ttl T] [--auth-json FILE] | list | delete <name>"
#define CERTIFICATE_ARGS "create <name> --out DIR [--read-only] [--ttl T] | list | delete <name>"

static int list_of(int argc, char **argv, const char *kind);

/* what both kinds are asked for with; ttl NULL: as the daemon thinks fit */
static int request(const char *name, bool read_only, const char *ttl, json **ret)
{
	json *body = json_object_new_object();
	int64_t seconds;
	struct err err;

	jset_str(body, "name", name);
	jset_bool(body, "read_only", read_only);
	if (ttl && options_seconds(ttl, &seconds, &err) < 0) {
		json_object_put(body);
		return client_fail(CLI_USAGE, "%s", err.text);
	}
	if (ttl)
		jset_i64(body, "ttl_s", seconds);
	*ret = body;
	return CLI_OK;
}

/* the file that LINSTOR's clients read: /var/lib/linstor.d/auth.json */
static int write_auth_json(const char *path, const char *token)
{
	char dir[OUT_PATH_MAX];
	json *doc = json_object_new_object();
	struct err err;
	int rv;

	jset_str(doc, "token", token);
	snprintf(dir, sizeof(dir), "%s", path);
	rv = fs_mkdir(dirname(dir), 0700, &err);
	if (rv == 0)
		rv = fs_write(path, json_text(doc), strlen(json_text(doc)), 0600, &err);
	jwipe(doc);
	json_object_put(doc);
	return rv < 0 ? client_fail(CLI_FAILED, "%s", err.text) : CLI_OK;
}

static int token_create(int argc, char **argv)
{
	const char *name, *ttl = NULL, *auth_json = NULL;
	bool read_only = false;
	const struct option_spec specs[] = {
		{ "--ttl", &ttl, NULL },
		{ "--auth-json", &auth_json, NULL },
		{ "--read-only", NULL, &read_only },
	};
	json *body, *doc;
	int rv = show_words(argc, argv, specs, 3, &name, 1,
			    "access token create <name> [--read-only] [--ttl T] "
			    "[--auth-json FILE]");

	if (rv == CLI_OK)
		rv = request(name, read_only, ttl, &body);
	if (rv == CLI_OK)
		rv = client_call("POST", TOKENS, body, &doc);
	if (rv != CLI_OK)
		return rv;
	if (auth_json)
		rv = write_auth_json(auth_json, jget_str(doc, "token", ""));
	if (client_settings.json) {
		client_print_json(doc);
		return rv;
	}
	if (auth_json && rv == CLI_OK)
		printf("The token is in %s.\n", auth_json);
	else
		printf("%s\n", jget_str(doc, "token", ""));
	if (!auth_json)
		fputs("It is not shown again. Clients send it as: Authorization: Bearer <token>\n",
		      stderr);
	json_object_put(doc);
	return rv;
}

static int token_list(int argc, char **argv)
{
	return list_of(argc, argv, "token");
}

static int token_delete(int argc, char **argv)
{
	return show_delete(argc, argv, "access token delete <name>", TOKENS "/%", 1);
}

/* a path in dir; -1: said why */
static int out_path(char *out, const char *dir, const char *name, const char *suffix)
{
	if (snprintf(out, OUT_PATH_MAX, "%s/%s%s", dir, name, suffix) < OUT_PATH_MAX)
		return 0;
	client_fail(CLI_USAGE, "--out: the path is too long");
	return -1;
}

/* The key first: without a place for it there is no use in asking. */
static int make_key(const char *dir, const char *path, const char *name, struct buf *csr)
{
	struct buf key;
	struct err err;
	int rv;

	if (access(path, F_OK) == 0)
		return client_fail(CLI_FAILED, "%s is there already", path);
	buf_init(&key, PKI_PEM_MAX);
	rv = fs_mkdir(dir, 0700, &err);
	if (rv == 0)
		rv = pki_make_key(&key, &err);
	if (rv == 0)
		rv = pki_make_csr((char *)key.data, name, csr, &err);
	if (rv == 0)
		rv = fs_write(path, key.data, key.len, 0600, &err);
	if (key.data)
		explicit_bzero(key.data, key.cap);
	buf_release(&key);
	return rv < 0 ? client_fail(CLI_FAILED, "%s", err.text) : CLI_OK;
}

static int save(const char *path, json *doc, const char *field)
{
	const char *text = jget_str(doc, field, "");
	struct err err;

	if (fs_write(path, text, strlen(text), 0644, &err) == 0)
		return CLI_OK;
	return client_fail(CLI_FAILED, "%s", err.text);
}

/* csr: made with the key at key_path, which goes when there is no certificate for it */
static int have_signed(json *body, const struct buf *csr, const char *dir, const char *name,
		       const char *key_path)
{
	char cert_path[OUT_PATH_MAX], ca_path[OUT_PATH_MAX];
	json *doc;
	int rv;

	if (out_path(cert_path, dir, name, ".crt") < 0 ||
	    out_path(ca_path, dir, "ca", ".crt") < 0) {
		json_object_put(body);
		fs_remove(key_path);
		return CLI_USAGE;
	}
	jset_str(body, "csr_pem", (char *)csr->data);
	rv = client_call("POST", CERTIFICATES, body, &doc);
	if (rv != CLI_OK) {
		fs_remove(key_path);
		return rv;
	}
	rv = save(cert_path, doc, "cert_pem");
	if (rv == CLI_OK)
		rv = save(ca_path, doc, "ca_pem");
	if (client_settings.json) {
		client_print_json(doc);
		return rv;
	}
	if (rv == CLI_OK)
		printf("%s and its key %s, for HTTPS; nodes are checked by %s.\n", cert_path,
		       key_path, ca_path);
	json_object_put(doc);
	return rv;
}

static int certificate_create(int argc, char **argv)
{
	const char *name, *ttl = NULL, *dir = NULL;
	bool read_only = false;
	const struct option_spec specs[] = {
		{ "--ttl", &ttl, NULL },
		{ "--out", &dir, NULL },
		{ "--read-only", NULL, &read_only },
	};
	char key_path[OUT_PATH_MAX];
	struct buf csr;
	json *body;
	int rv = show_words(argc, argv, specs, 3, &name, 1,
			    "access certificate create <name> --out DIR [--read-only] [--ttl T]");

	if (rv != CLI_OK)
		return rv;
	if (!dir)
		return client_fail(CLI_USAGE, "--out DIR says where key and certificate go");
	if (strchr(name, '/'))
		return client_fail(CLI_USAGE, "a name has no slashes");
	rv = request(name, read_only, ttl, &body);
	if (rv != CLI_OK)
		return rv;
	buf_init(&csr, PKI_PEM_MAX);
	rv = out_path(key_path, dir, name, ".key") < 0 ? CLI_USAGE
						       : make_key(dir, key_path, name, &csr);
	if (rv == CLI_OK)
		rv = have_signed(body, &csr, dir, name, key_path);
	else
		json_object_put(body);
	buf_release(&csr);
	return rv;
}

static int certificate_list(int argc, char **argv)
{
	return list_of(argc, argv, "certificate");
}

static int certificate_delete(int argc, char **argv)
{
	return show_delete(argc, argv, "access certificate delete <name>", CERTIFICATES "/%", 1);
}

/* one kind of what GET /v1/sds/access lists, a new list; takes all. kind NULL: both */
static json *only(json *all, const char *kind)
{
	json *some = json_object_new_array();

	for (size_t i = 0; i < json_object_array_length(all); i++) {
		json *o = json_object_array_get_idx(all, i);

		if (!kind || strcmp(jget_str(o, "kind", ""), kind) == 0)
			json_object_array_add(some, json_object_get(o));
	}
	json_object_put(all);
	return some;
}

static void row(struct table *t, json *o)
{
	int64_t expires_ms = jget_i64_or(o, "expires_ms", 0);
	bool expired = strcmp(jget_str(o, "state", ""), "expired") == 0;
	char age[32];

	table_cell(t, "%s", jget_str(o, "name", ""));
	table_cell(t, "%s", jget_str(o, "kind", ""));
	table_cell(t, "%s", jget_bool(o, "read_only", false) ? "read" : "all");
	table_cell(t, "%s",
		   expires_ms == 0 ? "never"
		   : expired       ? "expired"
				   : text_age(expires_ms - clock_wall_ms(), age, sizeof(age)));
}

static int list_of(int argc, char **argv, const char *kind)
{
	static const char *const heads[] = { "NAME", "KIND", "MAY", "EXPIRES IN", NULL };
	json *doc;
	int rv = show_words(argc, argv, NULL, 0, NULL, 0, "access [token|certificate] list");

	if (rv == CLI_OK)
		rv = client_call("GET", "/v1/sds/access", NULL, &doc);
	if (rv != CLI_OK)
		return rv;
	return show_rows(only(doc, kind), heads, row);
}

static int list(int argc, char **argv)
{
	return list_of(argc, argv, NULL);
}

static int require_token(int argc, char **argv)
{
	const char *word;
	json *body, *doc;
	int rv = show_words(argc, argv, NULL, 0, &word, 1, "access require-token on|off");

	if (rv != CLI_OK)
		return rv;
	if (strcmp(word, "on") != 0 && strcmp(word, "off") != 0)
		return client_fail(CLI_USAGE, "on or off, not %s", word);
	body = json_object_new_object();
	jset_bool(body, "require_token", strcmp(word, "on") == 0);
	rv = client_call("PUT", POLICY, body, &doc);
	return rv == CLI_OK ? show_done(doc) : rv;
}

struct sub {
	const char *word;
	int (*fn)(int argc, char **argv);
};

static int sub_verb(int argc, char **argv, const struct sub *subs, const char *usage)
{
	for (; argc > 1 && subs->word; subs++) {
		if (strcmp(subs->word, argv[1]) == 0)
			return subs->fn(argc - 1, argv + 1);
	}
	return client_fail(CLI_USAGE, "usage: sdsd access %s", usage);
}

static int token(int argc, char **argv)
{
	static const struct sub subs[] = {
		{ "create", token_create },
		{ "list", token_list },
		{ "delete", token_delete },
		{ .word = NULL },
	};

	return sub_verb(argc, argv, subs, "token " TOKEN_ARGS);
}

static int certificate(int argc, char **argv)
{
	static const struct sub subs[] = {
		{ "create", certificate_create },
		{ "list", certificate_list },
		{ "delete", certificate_delete },
		{ .word = NULL },
	};

	return sub_verb(argc, argv, subs, "certificate " CERTIFICATE_ARGS);
}

const struct cli_verb access_verbs[] = {
	{ "access", "list", "", "tokens and certificates for the API over TCP", list,
	  "Example: sdsd access list" },
	{ "access", "token", TOKEN_ARGS, "bearer tokens for the API", token,
	  "  --read-only       changes nothing\n"
	  "  --ttl TIME        90s, 30m, 1h, 7d; for ever unless it is said\n"
	  "  --auth-json FILE  of LINSTOR's clients: /var/lib/linstor.d/auth.json\n\n"
	  "Example: sdsd access token create ci --ttl 7d" },
	{ "access", "certificate", CERTIFICATE_ARGS, "client certificates for the API over HTTPS",
	  certificate,
	  "  --out DIR         where <name>.crt, <name>.key and ca.crt are written\n"
	  "  --read-only       changes nothing\n"
	  "  --ttl TIME        90s, 30m, 1h, 7d; 365d unless it is said\n\n"
	  "Example: sdsd access certificate create alice --out certs" },
	{ "access", "require-token", "on|off",
	  "whether plain HTTP on a node's loopback needs a token, too", require_token,
	  "Example: sdsd access require-token on" },
	{ .noun = NULL },
};
