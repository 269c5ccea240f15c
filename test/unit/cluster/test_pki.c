// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_pki.c - the authority: what it signs verifies against it and carries the
 * names that tls.c looks for; what a newcomer could send wrong is refused.
 */
#include <criterion/criterion.h>
#include <string.h>
#include <stdlib.h>
#include <stdio.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "cluster/pki.h"

#define CLUSTER "01234567-89ab-4cde-8f01-23456789abcd"

static struct buf ca, ca_key, key, csr, cert;

static void setup(void)
{
	struct buf *all[] = { &ca, &ca_key, &key, &csr, &cert };
	struct err err = { 0 };

	for (size_t i = 0; i < 5; i++)
		buf_init(all[i], PKI_PEM_MAX);
	cr_assert_eq(pki_make_ca("lab", &ca, &ca_key, &err), 0, "%s", err.text);
	cr_assert_eq(pki_make_key(&key, &err), 0, "%s", err.text);
	cr_assert_eq(pki_make_csr((char *)key.data, "n1", &csr, &err), 0, "%s", err.text);
}

static void teardown(void)
{
	buf_release(&ca);
	buf_release(&ca_key);
	buf_release(&key);
	buf_release(&csr);
	buf_release(&cert);
}

TestSuite(pki, .init = setup, .fini = teardown);

static X509 *parse(const struct buf *pem)
{
	BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->len);
	X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	BIO_free(bio);
	cr_assert_not_null(x);
	return x;
}

static int verify(X509 *root, X509 *leaf, int purpose)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	int ok;

	X509_STORE_add_cert(store, root);
	X509_STORE_set_flags(store, X509_V_FLAG_X509_STRICT);
	X509_STORE_CTX_init(ctx, store, leaf, NULL);
	X509_STORE_CTX_set_purpose(ctx, purpose);
	ok = X509_verify_cert(ctx);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	return ok;
}

static int sign(const char *csr_pem, const char *cluster, const char *node, uint32_t id,
		char print[65])
{
	buf_clear(&cert);
	return pki_sign((char *)ca.data, (char *)ca_key.data, csr_pem, cluster, node, id, &cert,
			print, NULL);
}

Test(pki, node_certificate)
{
	char print[65], again[65], common[64], uri[128] = "";
	GENERAL_NAMES *names;
	X509 *root, *leaf;

	cr_assert_eq(sign((char *)csr.data, CLUSTER, "n1", 3, print), 0);
	cr_assert_eq(pki_fingerprint((char *)cert.data, again, NULL), 0);
	cr_expect_str_eq(print, again);
	root = parse(&ca);
	leaf = parse(&cert);
	cr_expect_eq(verify(root, leaf, X509_PURPOSE_SSL_SERVER), 1);
	cr_expect_eq(verify(root, leaf, X509_PURPOSE_SSL_CLIENT), 1);
	X509_NAME_get_text_by_NID(X509_get_subject_name(leaf), NID_commonName, common,
				  sizeof(common));
	cr_expect_str_eq(common, "n1");
	names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	cr_assert_eq(sk_GENERAL_NAME_num(names), 1);
	snprintf(uri, sizeof(uri), "%s",
		 (const char *)ASN1_STRING_get0_data(
			 sk_GENERAL_NAME_value(names, 0)->d.uniformResourceIdentifier));
	cr_expect_str_eq(uri, "sdsd://" CLUSTER "/3");
	/* a node certificate signs nothing */
	cr_expect_eq(X509_check_ca(leaf), 0);
	cr_expect_neq(X509_check_ca(root), 0);
	GENERAL_NAMES_free(names);
	X509_free(leaf);
	X509_free(root);
}

Test(pki, name_in_the_request_is_not_used)
{
	struct buf other;
	char print[65], common[64];
	X509 *leaf;

	buf_init(&other, PKI_PEM_MAX);
	cr_assert_eq(pki_make_csr((char *)key.data, "n9", &other, NULL), 0);
	cr_assert_eq(sign((char *)other.data, CLUSTER, "n1", 1, print), 0);
	leaf = parse(&cert);
	X509_NAME_get_text_by_NID(X509_get_subject_name(leaf), NID_commonName, common,
				  sizeof(common));
	cr_expect_str_eq(common, "n1");
	X509_free(leaf);
	buf_release(&other);
}

Test(pki, another_authority)
{
	struct buf ca2, key2;
	char print[65];
	X509 *root, *leaf;

	buf_init(&ca2, PKI_PEM_MAX);
	buf_init(&key2, PKI_PEM_MAX);
	cr_assert_eq(pki_make_ca("lab", &ca2, &key2, NULL), 0);
	cr_assert_eq(sign((char *)csr.data, CLUSTER, "n1", 1, print), 0);
	root = parse(&ca2);
	leaf = parse(&cert);
	cr_expect_neq(verify(root, leaf, X509_PURPOSE_SSL_SERVER), 1);
	cr_expect_eq(pki_sign((char *)ca.data, (char *)key2.data, (char *)csr.data, CLUSTER, "n1",
			      1, &cert, print, NULL),
		     -E_INVALID, "a key that does not fit");
	X509_free(leaf);
	X509_free(root);
	buf_release(&ca2);
	buf_release(&key2);
}

Test(pki, refused_requests)
{
	static char endless[PKI_PEM_MAX + 10];
	char damaged[2048], print[65] = "before";
	char *body;

	memset(endless, 'A', sizeof(endless) - 1);
	snprintf(damaged, sizeof(damaged), "%s", (char *)csr.data);
	body = strchr(damaged, '\n') + 100; /* inside the key or the signature */
	*body = *body == 'A' ? 'B' : 'A';
	cr_expect_eq(sign("", CLUSTER, "n1", 1, print), -E_INVALID);
	cr_expect_eq(sign("garbage", CLUSTER, "n1", 1, print), -E_INVALID);
	cr_expect_eq(sign(endless, CLUSTER, "n1", 1, print), -E_INVALID);
	cr_expect_eq(sign(damaged, CLUSTER, "n1", 1, print), -E_INVALID);
	cr_expect_eq(sign((char *)cert.data ? (char *)ca.data : "", CLUSTER, "n1", 1, print),
		     -E_INVALID);
	cr_expect_eq(sign((char *)csr.data, "x,DNS:evil", "n1", 1, print), -E_INVALID);
	cr_expect_eq(sign((char *)csr.data, CLUSTER, "", 1, print), -E_INVALID);
	cr_expect_eq(sign((char *)csr.data, CLUSTER,
			  "a2345678901234567890123456789012345678901234567890", 1, print),
		     -E_INVALID);
	cr_expect_eq(sign((char *)csr.data, CLUSTER, "n1", 0, print), -E_INVALID);
	cr_expect_str_eq(print, "before");
}

Test(pki, weak_key_refused)
{
	static const char *const curves[] = { "P-384", "secp256k1" };

	for (size_t i = 0; i < 2; i++) {
		EVP_PKEY *weak = EVP_EC_gen(curves[i]);
		BIO *bio = BIO_new(BIO_s_mem());
		char pem[4096] = "", print[65];
		struct buf req;

		cr_assert_not_null(weak);
		PEM_write_bio_PrivateKey(bio, weak, NULL, NULL, 0, NULL, NULL);
		BIO_read(bio, pem, sizeof(pem) - 1);
		buf_init(&req, PKI_PEM_MAX);
		cr_assert_eq(pki_make_csr(pem, "n1", &req, NULL), 0);
		cr_expect_eq(sign((char *)req.data, CLUSTER, "n1", 1, print), -E_INVALID, "%s",
			     curves[i]);
		buf_release(&req);
		BIO_free(bio);
		EVP_PKEY_free(weak);
	}
}

Test(pki, seal)
{
	uint8_t k[CLUSTER_KEY_LEN] = { 1 }, other[CLUSTER_KEY_LEN] = { 2 };
	static char big[PKI_PEM_MAX + 1];
	struct buf hex, out;

	buf_init(&hex, 4 * PKI_PEM_MAX);
	buf_init(&out, PKI_PEM_MAX);
	cr_assert_eq(pki_seal(k, "secret", 6, &hex, NULL), 0);
	cr_assert_eq(pki_unseal(k, (char *)hex.data, &out, NULL), 0);
	cr_expect_eq(out.len, 6);
	cr_expect_eq(memcmp(out.data, "secret", 6), 0);
	buf_clear(&out);
	cr_expect_eq(pki_unseal(other, (char *)hex.data, &out, NULL), -E_DENIED);
	for (size_t i = 0; i < hex.len; i++) { /* any digit */
		char was = (char)hex.data[i];

		hex.data[i] = was == '0' ? '1' : '0';
		cr_expect_eq(pki_unseal(k, (char *)hex.data, &out, NULL), -E_DENIED, "digit %zu",
			     i);
		hex.data[i] = (uint8_t)was;
	}
	cr_expect_eq(pki_unseal(k, "", &out, NULL), -E_DENIED);
	cr_expect_eq(pki_unseal(k, "zz", &out, NULL), -E_DENIED);
	cr_expect_eq(out.len, 0);
	buf_clear(&hex);
	cr_expect_eq(pki_seal(k, big, PKI_PEM_MAX, &hex, NULL), 0);
	cr_expect_eq(pki_unseal(k, (char *)hex.data, &out, NULL), 0);
	cr_expect_eq(out.len, PKI_PEM_MAX);
	cr_expect_eq(pki_seal(k, big, sizeof(big), &hex, NULL), -EMSGSIZE);
	buf_release(&hex);
	buf_release(&out);
}

Test(pki, sha256)
{
	char out[65];

	pki_sha256_hex("abc", 3, out);
	cr_expect_str_eq(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

Test(pki, users_and_servers)
{
	static const char *const names[] = { "n_1", "10.0.0.1", "fd00::1" };
	static const char *const bad[] = { "n1", "DNS:evil,IP:1.2.3.4" };
	char print[65];
	struct buf out;
	X509 *root = parse(&ca), *leaf;
	struct err err = { 0 };

	buf_init(&out, PKI_PEM_MAX);
	cr_assert_eq(pki_sign_user((char *)ca.data, (char *)ca_key.data, (char *)csr.data, CLUSTER,
				   "alice", 30, &out, print, &err),
		     0, "%s", err.text);
	leaf = parse(&out);
	cr_expect_eq(verify(root, leaf, X509_PURPOSE_SSL_CLIENT), 1);
	cr_expect_neq(verify(root, leaf, X509_PURPOSE_SSL_SERVER), 1);
	cr_expect_eq(X509_check_host(leaf, "alice", 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL),
		     0);
	X509_free(leaf);
	cr_expect_eq(pki_sign_user((char *)ca.data, (char *)ca_key.data, (char *)csr.data, CLUSTER,
				   "a,URI:sdsd://x", 30, &out, print, &err),
		     -E_INVALID);
	cr_expect_eq(pki_sign_user((char *)ca.data, (char *)ca_key.data, "no request", CLUSTER,
				   "alice", 30, &out, print, &err),
		     -E_INVALID);
	buf_clear(&out);
	cr_assert_eq(pki_sign_server((char *)ca.data, (char *)ca_key.data, (char *)key.data, names,
				     3, &out, &err),
		     0, "%s", err.text);
	leaf = parse(&out);
	cr_expect_eq(verify(root, leaf, X509_PURPOSE_SSL_SERVER), 1);
	cr_expect_neq(verify(root, leaf, X509_PURPOSE_SSL_CLIENT), 1);
	cr_expect_eq(X509_check_host(leaf, "n_1", 0, 0, NULL), 1);
	cr_expect_eq(X509_check_ip_asc(leaf, "10.0.0.1", 0), 1);
	cr_expect_eq(X509_check_ip_asc(leaf, "fd00::1", 0), 1);
	cr_expect_eq(X509_check_ip_asc(leaf, "10.0.0.2", 0), 0);
	X509_free(leaf);
	cr_expect_eq(pki_sign_server((char *)ca.data, (char *)ca_key.data, (char *)key.data, bad, 2,
				     &out, &err),
		     -E_INVALID);
	cr_expect(strstr(err.text, "no name and no address"), "%s", err.text);
	cr_expect_eq(pki_sign_server((char *)ca.data, (char *)ca_key.data, (char *)key.data, names,
				     PKI_NAMES_MAX + 1, &out, &err),
		     -E_INVALID);
	X509_free(root);
	buf_release(&out);
}

Test(pki, the_days_that_are_left)
{
	struct err err = { 0 };
	int days = 0;

	cr_assert_eq(pki_days_left((char *)ca.data, &days, &err), 0, "%s", err.text);
	cr_expect(days > 29 * 365 && days < 31 * 365, "30 years, not %d days", days);
	cr_expect_eq(pki_days_left("no certificate", &days, &err), -E_INVALID);
}
