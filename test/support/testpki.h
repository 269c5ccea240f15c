/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * testpki.h - certificates for tests: a CA and a node's certificate, written
 * as ca.pem, node.pem and node.key into a directory. Nothing here is for
 * production; src/cluster/pki.c is.
 */
#ifndef SDSD_TEST_SUPPORT_TESTPKI_H
#define SDSD_TEST_SUPPORT_TESTPKI_H

#include <stdint.h>

#include "net/tls.h"

struct testpki; /* one CA */

/* a CA of its own for the given cluster uuid; aborts when OpenSSL fails */
struct testpki *testpki_new(const char *cluster);
void testpki_free(struct testpki *p);
/* sha256 of the CA's DER, as join tokens carry it */
void testpki_fingerprint(const struct testpki *p, char out[TLS_FINGERPRINT_LEN + 1]);

struct testpki_node {
	const char *name; /* common name; NULL: none */
	const char *uri;  /* SAN; NULL: sdsd://<cluster>/<id>; "": none */
	uint32_t id;
	int start_s, end_s; /* validity relative to now; both 0: one hour around now */
};

/* writes the three files into dir, which exists */
void testpki_write(const struct testpki *p, const char *dir, const struct testpki_node *node);
/* the same, and the node's context made of them; aborts when it cannot be */
struct tls *testpki_tls(const struct testpki *p, const char *dir, const struct testpki_node *node);

#endif
