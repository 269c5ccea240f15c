// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pki.c - keys and certificates of the cluster's own CA, and the seal of its
 * key (docs/security.md). Called by init, join and authority; it reads and
 * writes no files. What a newcomer sends (its request) is data to be checked:
 * only the public key of it is used.
 */
#include "cluster/pki.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "model/name.h"

#define CA_DAYS (30 * 365)
#define NODE_DAYS (10 * 365)
#define BACKDATE_DAYS \
	1 /* clocks of new machines are wrong more often than certificates are stolen */
#define SERIAL_BYTES 16
#define NONCE_LEN 12
#define TAG_LEN 16
#define SAN_MAX 128
#define CURVE "P-256"
#define CURVE_GROUP "prime256v1"

static int ssl_fail(struct err *err, int code, const char *what)
{
	char why[160];

	ERR_error_string_n(ERR_peek_last_error(), why, sizeof(why));
	ERR_clear_error();
	return err_set(err, code, "%s: %s", what, why);
}

/* --- PEM ---------------------------------------------------------------- */

/* NULL when the text is longer than any PEM we take */
static BIO *pem_bio(const char *pem)
{
	size_t len = strnlen(pem, PKI_PEM_MAX + 1);

	return len > PKI_PEM_MAX ? NULL : BIO_new_mem_buf(pem, (int)len);
}

static int bio_take(BIO *bio, struct buf *out, struct err *err)
{
	char *data;
	long len = BIO_get_mem_data(bio, &data);
	int rv = len > 0 ? buf_append(out, data, (size_t)len) : -EIO;

	return rv < 0 ? err_set(err, rv, "cannot store PEM text: %s", err_name(rv)) : 0;
}

/* An empty pass phrase instead of a question on the terminal for an encrypted key. */
static int no_passphrase(char *out, int size, int writing, void *arg)
{
	return 0;
}

static X509 *read_cert(const char *pem, struct err *err)
{
	BIO *bio = pem_bio(pem);
	X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, no_passphrase, NULL) : NULL;

	BIO_free(bio);
	if (!cert)
		ssl_fail(err, -E_INVALID, "not a certificate in PEM form");
	return cert;
}

static EVP_PKEY *read_key(const char *pem, struct err *err)
{
	BIO *bio = pem_bio(pem);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;

	BIO_free(bio);
	if (!key)
		ssl_fail(err, -E_INVALID, "not a private key in PEM form");
	return key;
}

static int write_cert(X509 *cert, struct buf *out, struct err *err)
{
	BIO *bio = BIO_new(BIO_s_mem());
	int rv;

	if (!bio || PEM_write_bio_X509(bio, cert) != 1)
		rv = ssl_fail(err, -EIO, "cannot write a certificate");
	else
		rv = bio_take(bio, out, err);
	BIO_free(bio);
	return rv;
}

static int write_key(EVP_PKEY *key, struct buf *out, struct err *err)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	int rv;

	if (!bio || PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1)
		rv = ssl_fail(err, -EIO, "cannot write a private key");
	else
		rv = bio_take(bio, out, err);
	BIO_free(bio);
	return rv;
}

/* --- certificates ------------------------------------------------------- */

static int set_serial(X509 *cert)
{
	uint8_t bytes[SERIAL_BYTES];
	BIGNUM *n;
	int ok;

	rand_bytes(bytes, sizeof(bytes));
	bytes[0] &= 0x7f; /* positive in DER */
	n = BN_bin2bn(bytes, sizeof(bytes), NULL);
	ok = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert));
	BN_free(n);
	return ok;
}

static int set_name(X509_NAME *name, const char *common)
{
	return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const uint8_t *)common, -1,
					  -1, 0);
}

static int add_ext(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;
	int ok;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ok = ext && X509_add_ext(cert, ext, -1);
	X509_EXTENSION_free(ext);
	return ok;
}

/* the parts that both kinds share; issuer NULL: self-signed */
static X509 *cert_begin(EVP_PKEY *key, const char *common, X509 *issuer, int days)
{
	X509 *cert = X509_new();
	int ok;

	if (!cert)
		return NULL;
	ok = X509_set_version(cert, X509_VERSION_3) && set_serial(cert) &&
	     X509_time_adj_ex(X509_getm_notBefore(cert), -BACKDATE_DAYS, 0, NULL) &&
	     X509_time_adj_ex(X509_getm_notAfter(cert), days, 0, NULL) &&
	     X509_set_pubkey(cert, key) && set_name(X509_get_subject_name(cert), common) &&
	     X509_set_issuer_name(cert, X509_get_subject_name(issuer ? issuer : cert)) &&
	     add_ext(cert, issuer ? issuer : cert, NID_subject_key_identifier, "hash");
	if (ok)
		return cert;
	X509_free(cert);
	return NULL;
}

int pki_make_ca(const char *cluster_name, struct buf *cert_pem, struct buf *key_pem,
		struct err *err)
{
	char common[NAME_MAX_LEN + 16];
	EVP_PKEY *key = NULL;
	X509 *cert = NULL;
	int rv;

	if (strnlen(cluster_name, NAME_MAX_LEN + 1) > NAME_MAX_LEN)
		return err_set(err, -E_INVALID, "cluster name longer than %d characters",
			       NAME_MAX_LEN);
	snprintf(common, sizeof(common), "sdsd CA %s", cluster_name);
	key = EVP_EC_gen(CURVE);
	if (key)
		cert = cert_begin(key, common, NULL, CA_DAYS);
	if (!cert || !add_ext(cert, cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
	    !add_ext(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign") ||
	    !X509_sign(cert, key, EVP_sha256())) {
		rv = ssl_fail(err, -EIO, "cannot make the cluster's certificate authority");
		goto out;
	}
	rv = write_cert(cert, cert_pem, err);
	if (rv == 0)
		rv = write_key(key, key_pem, err);
out:
	X509_free(cert);
	EVP_PKEY_free(key);
	return rv;
}

int pki_make_key(struct buf *key_pem, struct err *err)
{
	EVP_PKEY *key = EVP_EC_gen(CURVE);
	int rv;

	if (!key)
		return ssl_fail(err, -EIO, "cannot make a key");
	rv = write_key(key, key_pem, err);
	EVP_PKEY_free(key);
	return rv;
}

int pki_make_csr(const char *key_pem, const char *node, struct buf *csr_pem, struct err *err)
{
	EVP_PKEY *key = read_key(key_pem, err);
	X509_REQ *req = X509_REQ_new();
	BIO *bio = BIO_new(BIO_s_mem());
	int rv;

	if (!key)
		rv = -E_INVALID;
	else if (!req || !bio || !X509_REQ_set_version(req, X509_REQ_VERSION_1) ||
		 !set_name(X509_REQ_get_subject_name(req), node) ||
		 !X509_REQ_set_pubkey(req, key) || !X509_REQ_sign(req, key, EVP_sha256()) ||
		 PEM_write_bio_X509_REQ(bio, req) != 1)
		rv = ssl_fail(err, -EIO, "cannot make a certificate request");
	else
		rv = bio_take(bio, csr_pem, err);
	BIO_free(bio);
	X509_REQ_free(req);
	EVP_PKEY_free(key);
	return rv;
}

/* The public key of a request that proves to own it; borrowed from ret_req. */
static int csr_key(const char *csr_pem, X509_REQ **ret_req, EVP_PKEY **ret_key, struct err *err)
{
	BIO *bio = pem_bio(csr_pem);
	X509_REQ *req = bio ? PEM_read_bio_X509_REQ(bio, NULL, no_passphrase, NULL) : NULL;
	EVP_PKEY *key = req ? X509_REQ_get0_pubkey(req) : NULL;
	char group[32] = "";

	BIO_free(bio);
	if (!key) {
		X509_REQ_free(req);
		return ssl_fail(err, -E_INVALID, "not a certificate request in PEM form");
	}
	/* One kind of key, so that a newcomer cannot bring a weak or a costly one. */
	if (!EVP_PKEY_is_a(key, "EC") ||
	    !EVP_PKEY_get_utf8_string_param(key, "group", group, sizeof(group), NULL) ||
	    strcmp(group, CURVE_GROUP) != 0) {
		X509_REQ_free(req);
		ERR_clear_error();
		return err_set(err, -E_INVALID, "the certificate request has no ECDSA %s key",
			       CURVE);
	}
	if (X509_REQ_verify(req, key) != 1) {
		X509_REQ_free(req);
		return ssl_fail(err, -E_INVALID,
				"the certificate request is not signed by its key");
	}
	*ret_req = req;
	*ret_key = key;
	return 0;
}

static int cert_fingerprint(X509 *cert, char out[65], struct err *err)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (X509_digest(cert, EVP_sha256(), digest, &len) != 1 || len != 32)
		return ssl_fail(err, -EIO, "cannot compute a fingerprint");
	text_hex(digest, 32, out);
	return 0;
}

/* what is to be signed */
struct request {
	const char *common;
	const char *usage; /* extended key usage */
	const char *san;   /* in OpenSSL's little language; NULL: names */
	GENERAL_NAMES *names;
	int days;
};

static int add_names(X509 *cert, const struct request *r, X509 *ca)
{
	if (r->san)
		return add_ext(cert, ca, NID_subject_alt_name, r->san);
	return X509_add1_ext_i2d(cert, NID_subject_alt_name, r->names, 0, X509V3_ADD_DEFAULT) == 1;
}

static int sign_key(X509 *ca, EVP_PKEY *ca_key, EVP_PKEY *key, const struct request *r, X509 **ret,
		    struct err *err)
{
	X509 *cert = cert_begin(key, r->common, ca, r->days);

	if (!cert || !add_ext(cert, ca, NID_basic_constraints, "critical,CA:FALSE") ||
	    !add_ext(cert, ca, NID_key_usage, "critical,digitalSignature") ||
	    !add_ext(cert, ca, NID_ext_key_usage, r->usage) ||
	    !add_ext(cert, ca, NID_authority_key_identifier, "keyid:always") ||
	    !add_names(cert, r, ca) || !X509_sign(cert, ca_key, EVP_sha256())) {
		X509_free(cert);
		return ssl_fail(err, -EIO, "cannot sign a certificate");
	}
	*ret = cert;
	return 0;
}

/* The CA of these texts; both the caller's on success. */
static int read_ca(const char *cert_pem, const char *key_pem, X509 **ret_ca, EVP_PKEY **ret_key,
		   struct err *err)
{
	X509 *ca = read_cert(cert_pem, err);
	EVP_PKEY *key = ca ? read_key(key_pem, err) : NULL;
	int rv = -E_INVALID;

	if (key && X509_check_private_key(ca, key) == 1) {
		*ret_ca = ca;
		*ret_key = key;
		return 0;
	}
	if (key)
		rv = ssl_fail(err, -E_INVALID, "the CA's key does not fit its certificate");
	EVP_PKEY_free(key);
	X509_free(ca);
	return rv;
}

/* one certificate of key, appended to cert_pem; fingerprint may be NULL */
static int sign_request(const char *ca_cert_pem, const char *ca_key_pem, EVP_PKEY *key,
			const struct request *r, struct buf *cert_pem, char fingerprint[65],
			struct err *err)
{
	X509 *ca = NULL, *cert = NULL;
	EVP_PKEY *ca_key = NULL;
	char print[65] = "";
	int rv = read_ca(ca_cert_pem, ca_key_pem, &ca, &ca_key, err);

	if (rv == 0)
		rv = sign_key(ca, ca_key, key, r, &cert, err);
	if (rv == 0)
		rv = cert_fingerprint(cert, print, err);
	if (rv == 0)
		rv = write_cert(cert, cert_pem, err);
	if (rv == 0 && fingerprint)
		memcpy(fingerprint, print, sizeof(print));
	X509_free(cert);
	EVP_PKEY_free(ca_key);
	X509_free(ca);
	return rv;
}

int pki_sign(const char *ca_cert_pem, const char *ca_key_pem, const char *csr_pem,
	     const char *cluster, const char *node, uint32_t node_id, struct buf *cert_pem,
	     char fingerprint[65], struct err *err)
{
	char san[SAN_MAX];
	struct request r = {
		.common = node, .usage = "serverAuth,clientAuth", .san = san, .days = NODE_DAYS
	};
	size_t node_len = strnlen(node, NAME_MAX_LEN + 1);
	uint8_t uuid[16];
	X509_REQ *req = NULL;
	EVP_PKEY *key = NULL;
	int rv;

	/* san is read by OpenSSL's little language: nothing but a uuid may get into it */
	if (text_uuid_parse(cluster, uuid) < 0 || node_id == 0)
		return err_set(err, -E_INVALID, "cluster \"%s\" is no uuid, or node id 0", cluster);
	if (node_len == 0 || node_len > NAME_MAX_LEN)
		return err_set(err, -E_INVALID, "node name of 1 to %d characters expected",
			       NAME_MAX_LEN);
	snprintf(san, sizeof(san), "URI:sdsd://%s/%u", cluster, node_id);
	rv = csr_key(csr_pem, &req, &key, err);
	if (rv == 0)
		rv = sign_request(ca_cert_pem, ca_key_pem, key, &r, cert_pem, fingerprint, err);
	X509_REQ_free(req);
	return rv;
}

int pki_sign_user(const char *ca_cert_pem, const char *ca_key_pem, const char *csr_pem,
		  const char *cluster, const char *name, int days, struct buf *cert_pem,
		  char fingerprint[65], struct err *err)
{
	char san[SAN_MAX];
	struct request r = { .common = name, .usage = "clientAuth", .san = san, .days = days };
	uint8_t uuid[16];
	X509_REQ *req = NULL;
	EVP_PKEY *key = NULL;
	int rv;

	if (text_uuid_parse(cluster, uuid) < 0)
		return err_set(err, -E_INVALID, "cluster \"%s\" is no uuid", cluster);
	rv = name_check("name of a certificate", name, NAME_MIN_LEN, err); /* for san, too */
	if (rv < 0)
		return rv;
	snprintf(san, sizeof(san), "URI:sdsd-user://%s/%s", cluster, name);
	rv = csr_key(csr_pem, &req, &key, err);
	if (rv == 0)
		rv = sign_request(ca_cert_pem, ca_key_pem, key, &r, cert_pem, fingerprint, err);
	X509_REQ_free(req);
	return rv;
}

static bool is_dns_name(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len < 254 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			    "0123456789-_.") == len;
}

static int push_name(GENERAL_NAMES *names, const char *name)
{
	ASN1_OCTET_STRING *address = a2i_IPADDRESS(name);
	ASN1_IA5STRING *dns = NULL;
	GENERAL_NAME *g;

	if (!address && is_dns_name(name)) {
		dns = ASN1_IA5STRING_new();
		if (dns && ASN1_STRING_set(dns, name, -1) != 1) {
			ASN1_IA5STRING_free(dns);
			dns = NULL;
		}
	}
	ERR_clear_error();
	if (!address && !dns)
		return -E_INVALID;
	g = GENERAL_NAME_new();
	if (!g)
		abort();
	GENERAL_NAME_set0_value(g, address ? GEN_IPADD : GEN_DNS,
				address ? (void *)address : (void *)dns);
	if (sk_GENERAL_NAME_push(names, g) <= 0)
		abort();
	return 0;
}

int pki_sign_server(const char *ca_cert_pem, const char *ca_key_pem, const char *key_pem,
		    const char *const *names, int n_names, struct buf *cert_pem, struct err *err)
{
	struct request r = {
		.common = names[0],
		.usage = "serverAuth",
		.names = sk_GENERAL_NAME_new_null(),
		.days = PKI_SERVER_DAYS,
	};
	EVP_PKEY *key = read_key(key_pem, err);
	int rv = key ? 0 : -E_INVALID;

	if (!r.names)
		abort();
	if (n_names < 1 || n_names > PKI_NAMES_MAX)
		rv = err_set(err, -E_INVALID, "a certificate has 1 to %d names", PKI_NAMES_MAX);
	for (int i = 0; rv == 0 && i < n_names; i++) {
		if (push_name(r.names, names[i]) < 0)
			rv = err_set(err, -E_INVALID, "\"%.80s\" is no name and no address",
				     names[i]);
	}
	if (rv == 0)
		rv = sign_request(ca_cert_pem, ca_key_pem, key, &r, cert_pem, NULL, err);
	GENERAL_NAMES_free(r.names);
	EVP_PKEY_free(key);
	return rv;
}

int pki_fingerprint(const char *cert_pem, char out[65], struct err *err)
{
	X509 *cert = read_cert(cert_pem, err);
	int rv;

	if (!cert)
		return -E_INVALID;
	rv = cert_fingerprint(cert, out, err);
	X509_free(cert);
	return rv;
}

int pki_days_left(const char *cert_pem, int *ret, struct err *err)
{
	X509 *cert = read_cert(cert_pem, err);
	int days = 0, seconds = 0, ok;

	if (!cert)
		return -E_INVALID;
	ok = ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(cert));
	X509_free(cert);
	if (!ok)
		return ssl_fail(err, -E_INVALID, "the certificate has no valid end");
	*ret = days - (seconds < 0);
	return 0;
}

/* --- the seal ----------------------------------------------------------- */

static int gcm_encrypt(const uint8_t *key, const uint8_t *nonce, const void *data, int len,
		       uint8_t *out, uint8_t *tag)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n, ok;

	ok = ctx && EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce) &&
	     EVP_EncryptUpdate(ctx, out, &n, data, len) && n == len &&
	     EVP_EncryptFinal_ex(ctx, out + n, &n) &&
	     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_LEN, tag);
	EVP_CIPHER_CTX_free(ctx);
	return ok;
}

static int gcm_decrypt(const uint8_t *key, const uint8_t *nonce, const uint8_t *data, int len,
		       uint8_t *out, uint8_t *tag)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n, ok;

	ok = ctx && EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce) &&
	     EVP_DecryptUpdate(ctx, out, &n, data, len) && n == len &&
	     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_LEN, tag) &&
	     EVP_DecryptFinal_ex(ctx, out + n, &n);
	EVP_CIPHER_CTX_free(ctx);
	return ok;
}

int pki_seal(const uint8_t key[CLUSTER_KEY_LEN], const void *data, size_t len, struct buf *out_hex,
	     struct err *err)
{
	uint8_t box[NONCE_LEN + PKI_PEM_MAX + TAG_LEN];
	char hex[2 * sizeof(box) + 1];
	int rv;

	if (len == 0 || len > PKI_PEM_MAX)
		return err_set(err, -EMSGSIZE, "cannot seal %zu bytes: 1 to %d are possible", len,
			       PKI_PEM_MAX);
	rand_bytes(box, NONCE_LEN);
	if (!gcm_encrypt(key, box, data, (int)len, box + NONCE_LEN, box + NONCE_LEN + len))
		return ssl_fail(err, -EIO, "cannot seal");
	text_hex(box, NONCE_LEN + len + TAG_LEN, hex);
	rv = buf_append(out_hex, hex, 2 * (NONCE_LEN + len + TAG_LEN));
	return rv < 0 ? err_set(err, rv, "cannot store sealed data: %s", err_name(rv)) : 0;
}

int pki_unseal(const uint8_t key[CLUSTER_KEY_LEN], const char *hex, struct buf *out,
	       struct err *err)
{
	uint8_t box[NONCE_LEN + PKI_PEM_MAX + TAG_LEN], plain[PKI_PEM_MAX];
	size_t digits = strnlen(hex, 2 * sizeof(box) + 1), len;
	int rv;

	if (digits % 2 || digits <= 2 * (NONCE_LEN + TAG_LEN) || digits > 2 * sizeof(box) ||
	    text_unhex(hex, box, digits / 2) < 0)
		return err_set(err, -E_DENIED, "the sealed data is damaged");
	len = digits / 2 - NONCE_LEN - TAG_LEN;
	if (!gcm_decrypt(key, box, box + NONCE_LEN, (int)len, plain, box + NONCE_LEN + len)) {
		ERR_clear_error();
		rv = err_set(err, -E_DENIED,
			     "the sealed data is damaged, or cluster.key is another cluster's");
	} else {
		rv = buf_append(out, plain, len);
		if (rv < 0)
			err_set(err, rv, "cannot store unsealed data: %s", err_name(rv));
	}
	OPENSSL_cleanse(plain, sizeof(plain));
	return rv;
}

void pki_sha256_hex(const void *data, size_t len, char out[65])
{
	uint8_t digest[32];

	/* fails only when the library was built without SHA-256 */
	if (EVP_Digest(data, len, digest, NULL, EVP_sha256(), NULL) != 1)
		abort();
	text_hex(digest, sizeof(digest), out);
}
