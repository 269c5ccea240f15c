// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * version.c - asks every library that is linked in for its version, which shows that
 * a static binary holds them all. Called for "sdsd version --verbose". The one place
 * that includes the headers of all of them, for nothing but this.
 */
#include "version.h"

#include <blkid/blkid.h>
#include <http_parser.h>
#include <libcryptsetup.h>
#include <linux/genetlink.h>
#include <lmdb.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <netlink/version.h>
#include <openssl/crypto.h>
#include <raft.h>
#include <stdio.h>
#include <uv.h>

/* libraft numbers 0.18.0 as 1800 */
static void raft_text(char *out, size_t len)
{
	int n = raft_version_number();

	snprintf(out, len, "%d.%d.%d", n / 10000, n / 100 % 100, n % 100);
}

static void http_parser_text(char *out, size_t len)
{
	unsigned long n = http_parser_version();

	snprintf(out, len, "%lu.%lu.%lu", n >> 16 & 0xff, n >> 8 & 0xff, n & 0xff);
}

static bool genl_works(void)
{
	struct nl_msg *m = nlmsg_alloc();
	bool ok = m && genlmsg_put(m, NL_AUTO_PORT, NL_AUTO_SEQ, GENL_ID_CTRL, 0, 0,
				   CTRL_CMD_GETFAMILY, 1);

	nlmsg_free(m);
	return ok;
}

void version_libraries(json *o)
{
	const char *text = NULL;
	char number[64];

	jset_str(o, "libuv", uv_version_string());
	raft_text(number, sizeof(number));
	jset_str(o, "libraft", number);
	jset_str(o, "lmdb", mdb_version(NULL, NULL, NULL));
	jset_str(o, "openssl", OpenSSL_version(OPENSSL_VERSION));
	jset_str(o, "json-c", json_c_version());
	http_parser_text(number, sizeof(number));
	jset_str(o, "http_parser", number);
	blkid_get_library_version(&text, NULL);
	jset_str(o, "libblkid", text);
	/* it tells no version; that it answers is the proof that it is here */
	snprintf(number, sizeof(number), "linked (devices in %s)", crypt_get_dir());
	jset_str(o, "libcryptsetup", number);
	snprintf(number, sizeof(number), "%d.%d.%d%s", nl_ver_maj, nl_ver_min, nl_ver_mic,
		 genl_works() ? ", with genl" : "");
	jset_str(o, "libnl", number);
}
