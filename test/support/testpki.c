// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * testpki.c - makes certificates for tests with OpenSSL, P-256 and short lives.
 * Called by unit tests only. Any failure aborts: a test without its
 * certificates has nothing to say.
 */
#include "support/testpki.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/text.h"

#define TESTPKI_SPAN_S 3600
#define TESTPKI_PATH 512

struct testpki {
	char cluster[TLS_ID_MAX];
	X509 *cert;
	EVP_PKEY *key;
	long serial;
};

static void must(int ok)
{
	if (!ok)
		abort();
}

static void add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	must(ext && X509_add_ext(cert, ext, -1));
	X509_EXTENSION_free(ext);
}

static X509 *cert_new(EVP_PKEY *key, const char *name, long serial, int start_s, int end_s)
{
	X509 *cert = X509_new();

	must(cert && X509_set_version(cert, X509_VERSION_3));
	must(ASN1_INTEGER_set(X509_get_serialNumber(cert), serial));
	must(X509_gmtime_adj(X509_getm_notBefore(cert), start_s) != NULL);
	must(X509_gmtime_adj(X509_getm_notAfter(cert), end_s) != NULL);
	must(X509_set_pubkey(cert, key));
	if (name)
		must(X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8,
						(const unsigned char *)name, -1, -1, 0));
	return cert;
}

struct testpki *testpki_new(const char *cluster)
{
	struct testpki *p = calloc(1, sizeof(*p));

	must(p != NULL);
	snprintf(p->cluster, sizeof(p->cluster), "%s", cluster);
	p->key = EVP_EC_gen("P-256");
	must(p->key != NULL);
	p->serial = 1;
	p->cert = cert_new(p->key, "sdsd test CA", p->serial, -TESTPKI_SPAN_S, TESTPKI_SPAN_S);
	must(X509_set_issuer_name(p->cert, X509_get_subject_name(p->cert)));
	add_extension(p->cert, p->cert, NID_basic_constraints, "critical,CA:TRUE");
	add_extension(p->cert, p->cert, NID_key_usage, "critical,keyCertSign");
	must(X509_sign(p->cert, p->key, EVP_sha256()));
	return p;
}

void testpki_free(struct testpki *p)
{
	if (!p)
		return;
	X509_free(p->cert);
	EVP_PKEY_free(p->key);
	free(p);
}

void testpki_fingerprint(const struct testpki *p, char out[TLS_FINGERPRINT_LEN + 1])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int len;

	must(X509_digest(p->cert, EVP_sha256(), digest, &len));
	text_hex(digest, len, out);
}

static FILE *create(const char *dir, const char *name)
{
	char path[TESTPKI_PATH];
	FILE *f;

	must((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) < sizeof(path));
	f = fopen(path, "w");
	must(f != NULL);
	must(fchmod(fileno(f), 0600) == 0);
	return f;
}

static void write_cert(const char *dir, const char *name, X509 *cert)
{
	FILE *f = create(dir, name);

	must(PEM_write_X509(f, cert));
	must(fclose(f) == 0);
}

static void write_key(const char *dir, EVP_PKEY *key)
{
	FILE *f = create(dir, "node.key");

	must(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL));
	must(fclose(f) == 0);
}

void testpki_write(const struct testpki *p, const char *dir, const struct testpki_node *node)
{
	int start = node->start_s, end = node->end_s;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	char san[256];
	X509 *cert;

	must(key != NULL);
	if (start == 0 && end == 0) {
		start = -TESTPKI_SPAN_S;
		end = TESTPKI_SPAN_S;
	}
	cert = cert_new(key, node->name, 100 + (long)node->id, start, end);
	must(X509_set_issuer_name(cert, X509_get_subject_name(p->cert)));
	if (node->uri)
		snprintf(san, sizeof(san), "URI:%s", node->uri);
	else
		snprintf(san, sizeof(san), "URI:sdsd://%s/%u", p->cluster, node->id);
	if (!node->uri || node->uri[0])
		add_extension(cert, p->cert, NID_subject_alt_name, san);
	must(X509_sign(cert, p->key, EVP_sha256()));
	write_cert(dir, "ca.pem", p->cert);
	write_cert(dir, "node.pem", cert);
	write_key(dir, key);
	X509_free(cert);
	EVP_PKEY_free(key);
}

struct tls *testpki_tls(const struct testpki *p, const char *dir, const struct testpki_node *node)
{
	char ca[TESTPKI_PATH], cert[TESTPKI_PATH], key[TESTPKI_PATH];
	struct err err = { 0 };
	struct tls *t;

	testpki_write(p, dir, node);
	snprintf(ca, sizeof(ca), "%s/ca.pem", dir);
	snprintf(cert, sizeof(cert), "%s/node.pem", dir);
	snprintf(key, sizeof(key), "%s/node.key", dir);
	t = tls_new(ca, cert, key, &err);
	if (!t) {
		fprintf(stderr, "testpki: %s\n", err.text);
		abort();
	}
	return t;
}
