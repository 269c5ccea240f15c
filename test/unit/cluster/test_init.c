// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_init.c - the first node: what sdsd init leaves, that a half-made
 * directory can be made again, and whose data it never touches.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/text.h"
#include "cluster/init.h"
#include "cluster/pki.h"
#include "cluster/statedir.h"
#include "model/node.h"
#include "net/tls.h"

static char dir[64];

static void setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/sdsd-test-XXXXXX");
	cr_assert(mkdtemp(dir));
}

static void teardown(void)
{
	char cmd[100];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	cr_assert_eq(system(cmd), 0);
}

TestSuite(init, .init = setup, .fini = teardown);

/* in a process of its own: the directory's lock is held until the process ends */
static int init(const char *name, const char *cluster, const char *address, char text[ERR_TEXT_MAX])
{
	struct init_options o = { dir, name, cluster, address };
	struct identity id;
	char token[TOKEN_TEXT_MAX];
	int pipes[2], status, rv = 0;
	struct err err = { 0 };

	cr_assert_eq(pipe(pipes), 0);
	if (fork() == 0) {
		rv = init_cluster(&o, &id, token, &err);
		if (write(pipes[1], &rv, sizeof(rv)) < 0 ||
		    write(pipes[1], err.text, sizeof(err.text)) < 0)
			_exit(1);
		_exit(0);
	}
	cr_assert_eq(read(pipes[0], &rv, sizeof(rv)), sizeof(rv));
	cr_assert_eq(read(pipes[0], text, ERR_TEXT_MAX), ERR_TEXT_MAX);
	close(pipes[0]);
	close(pipes[1]);
	cr_assert_neq(wait(&status), -1);
	return rv;
}

static const char *in_dir(const char *name)
{
	static char out[200];

	snprintf(out, sizeof(out), "%s/%s", dir, name);
	return out;
}

static int mode_of(const char *name)
{
	struct stat st;

	return stat(in_dir(name), &st) < 0 ? -1 : (int)(st.st_mode & 0777);
}

static json *read_json(const char *name)
{
	struct buf text;
	json *doc;

	buf_init(&text, INIT_JSON_MAX);
	cr_assert_eq(fs_read(in_dir(name), &text, NULL), 0);
	cr_assert_eq(json_parse((char *)text.data, text.len, &doc, NULL), 0);
	buf_release(&text);
	return doc;
}

/* the sealed key opens with cluster.key and fits the certificate */
static void check_seal(json *doc)
{
	uint8_t key[CLUSTER_KEY_LEN];
	struct buf hex, ca_key, node_key, csr, cert;
	char print[65];

	buf_init(&hex, PKI_PEM_MAX);
	buf_init(&ca_key, PKI_PEM_MAX);
	buf_init(&node_key, PKI_PEM_MAX);
	buf_init(&csr, PKI_PEM_MAX);
	buf_init(&cert, PKI_PEM_MAX);
	cr_assert_eq(fs_read(in_dir("cluster.key"), &hex, NULL), 0);
	hex.data[2 * CLUSTER_KEY_LEN] = '\0';
	cr_assert_eq(text_unhex((char *)hex.data, key, sizeof(key)), 0);
	cr_assert_eq(pki_unseal(key, jget_str(doc, "ca_key_sealed", ""), &ca_key, NULL), 0);
	cr_assert_eq(fs_read(in_dir("node.key"), &node_key, NULL), 0);
	cr_assert_eq(pki_make_csr((char *)node_key.data, "n9", &csr, NULL), 0);
	cr_expect_eq(pki_sign(jget_str(doc, "ca_cert_pem", ""), (char *)ca_key.data,
			      (char *)csr.data, jget_str(doc, "cluster", ""), "n9", 9, &cert, print,
			      NULL),
		     0);
	buf_release(&hex);
	buf_release(&ca_key);
	buf_release(&node_key);
	buf_release(&csr);
	buf_release(&cert);
}

Test(init, what_it_leaves)
{
	static const struct {
		const char *name;
		int mode;
	} files[] = {
		{ "identity.json", 0600 }, { "init.json", 0600 }, { "node.key", 0600 },
		{ "cluster.key", 0600 },   { "node.pem", 0644 },  { "ca.pem", 0644 },
	};
	char text[ERR_TEXT_MAX], paths[3][200];
	struct identity id;
	struct node node;
	struct err err = { 0 };
	struct tls *tls;
	json *doc;

	cr_assert_eq(init("n1", "lab", "10.0.0.1:77", text), 0, "%s", text);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		cr_expect_eq(mode_of(files[i].name), files[i].mode, "%s", files[i].name);
	cr_assert_eq(identity_load(dir, &id, &err), 0, "%s", err.text);
	cr_expect_str_eq(id.node, "n1");
	cr_expect_str_eq(id.cluster_name, "lab");
	cr_expect_str_eq(id.address, "10.0.0.1");
	cr_expect_eq(id.port, 77);
	cr_expect_eq(id.node_id, INIT_NODE_ID);
	doc = read_json("init.json");
	cr_assert_eq(node_parse(jget(doc, "node"), &node, &err), 0, "%s", err.text);
	cr_expect_str_eq(node.uuid, id.uuid);
	cr_expect_str_eq(jget_str(doc, "cluster", ""), id.cluster);
	cr_expect_eq(strlen(jget_str(jget(doc, "token"), "secret_sha256", "")), 64);
	check_seal(doc);
	json_object_put(doc);
	snprintf(paths[0], sizeof(paths[0]), "%s", in_dir("ca.pem"));
	snprintf(paths[1], sizeof(paths[1]), "%s", in_dir("node.pem"));
	snprintf(paths[2], sizeof(paths[2]), "%s", in_dir("node.key"));
	tls = tls_new(paths[0], paths[1], paths[2], &err);
	cr_expect(tls, "%s", err.text);
	tls_free(tls);
	cr_expect_eq(init("n1", "lab", "10.0.0.1", text), -E_EXISTS, "%s", text);
	cr_expect_not_null(strstr(text, "already"));
}

/* the crash is after any of the files: identity.json is the last */
Test(init, half_made)
{
	static const char *const files[] = { "identity.json", "cluster.key", "node.pem", "node.key",
					     "ca.pem" };
	char text[ERR_TEXT_MAX];
	struct identity id;

	cr_assert_eq(init("n1", NULL, "10.0.0.1", text), 0, "%s", text);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		for (size_t k = 0; k <= i; k++)
			cr_assert_eq(fs_remove(in_dir(files[k])), 0);
		cr_assert_eq(init("n2", NULL, "10.0.0.2", text), 0, "%s: %s", files[i], text);
		cr_assert_eq(identity_load(dir, &id, NULL), 0);
		cr_expect_str_eq(id.node, "n2");
	}
}

Test(init, data_of_a_former_member)
{
	char text[ERR_TEXT_MAX];

	cr_assert_eq(init("n1", NULL, "10.0.0.1", text), 0, "%s", text);
	cr_assert_eq(fs_remove(in_dir("init.json")), 0); /* its first transaction is committed */
	cr_assert_eq(fs_remove(in_dir("identity.json")), 0);
	cr_expect_eq(init("n1", NULL, "10.0.0.1", text), -E_EXISTS);
	cr_expect_not_null(strstr(text, "former member"), "%s", text);
	cr_expect_neq(mode_of("raft"), -1, "its log is still there");
}

Test(init, refused)
{
	static const struct {
		const char *name, *cluster, *address, *word;
	} rows[] = {
		{ "n 1", NULL, "10.0.0.1", "node name" },
		{ "a2345678901234567890123456789012345678901234567890", NULL, "10.0.0.1", "name" },
		{ "n1", "c d", "10.0.0.1", "cluster name" },
		{ "n1", NULL, "localhost", "literal" },
		{ "n1", NULL, "0.0.0.0", "literal" },
		{ "n1", NULL, "[::]:7700", "literal" },
		{ "n1", NULL, "10.0.0.1:0x", "--address" },
		{ "n1", NULL, "10.0.0.1:70000", "--address" },
		{ "n1", NULL, "", "--address" },
	};
	char text[ERR_TEXT_MAX];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_expect_eq(init(rows[i].name, rows[i].cluster, rows[i].address, text), -E_INVALID,
			     "row %zu: %s", i, text);
		cr_expect_not_null(strstr(text, rows[i].word), "row %zu: %s", i, text);
		cr_expect_eq(mode_of("identity.json"), -1, "row %zu", i);
	}
}

Test(init, addresses)
{
	char out[ADDRESS_LEN_MAX];
	struct err err = { 0 };
	int port;

	cr_assert_eq(statedir_address("[fd00::1]:81", NULL, out, &port, &err), 0, "%s", err.text);
	cr_expect_str_eq(out, "fd00::1");
	cr_expect_eq(port, 81);
	cr_assert_eq(statedir_address("10.1.2.3", NULL, out, &port, &err), 0);
	cr_expect_eq(port, NODE_PORT_DEFAULT);
	cr_assert_eq(statedir_address(NULL, "127.0.0.1", out, &port, &err), 0, "%s", err.text);
	cr_expect_str_eq(out, "127.0.0.1", "as the peer sees it");
}
