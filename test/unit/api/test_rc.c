// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_rc.c - the numbers that existing clients test bit by bit (api/rc.c). The
 * expected values are those that LINSTOR prints.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "api/rc.h"
#include "support/leaks.h"

TestSuite(rc, .fini = test_no_leaks);

Test(rc, codes_as_the_clients_know_them)
{
	static const struct {
		const char *what;
		uint64_t severity, op, object;
		unsigned number;
		int64_t code;
	} rows[] = {
		{ "RD created", RC_SUCCESS, RC_CRT, RC_RSC_DFN, RC_CREATED, 20447233 },
		{ "VD created", RC_SUCCESS, RC_CRT, RC_VLM_DFN, RC_CREATED, 19922945 },
		{ "resource created", RC_SUCCESS, RC_CRT, RC_RSC, RC_CREATED, 20185089 },
		{ "RG created", RC_SUCCESS, RC_CRT, RC_RSC_GRP, RC_CREATED, 21233665 },
		{ "node created", RC_SUCCESS, RC_CRT, RC_NODE, RC_CREATED, 20709377 },
		{ "pool created", RC_SUCCESS, RC_CRT, RC_STOR_POOL, RC_CREATED, 18087937 },
		{ "RD modified", RC_SUCCESS, RC_MOD, RC_RSC_DFN, RC_MODIFIED, 37224451 },
		{ "RD deleted", RC_SUCCESS, RC_DEL, RC_RSC_DFN, RC_DELETED, 54001666 },
		{ "RD exists", RC_ERROR, RC_CRT, RC_RSC_DFN, RC_EXISTS_RSC_DFN,
		  -4611686018406940171ll },
		{ "resource exists", RC_ERROR, RC_CRT, RC_RSC, RC_EXISTS_RSC,
		  -4611686018407202314ll },
		{ "VD exists", RC_ERROR, RC_CRT, RC_VLM_DFN, RC_EXISTS_VLM_DFN,
		  -4611686018407464457ll },
		{ "RG exists", RC_ERROR, RC_CRT, RC_RSC_GRP, RC_EXISTS_RSC_GRP,
		  -4611686018406153718ll },
		{ "not enough nodes", RC_ERROR, RC_CRT, RC_RSC, RC_NOT_ENOUGH_NODES,
		  -4611686018407201820ll },
		{ "in use", RC_ERROR, RC_DEL, RC_RSC, RC_IN_USE, -4611686018373647387ll },
		{ "RD missing at delete", RC_WARN, RC_DEL, RC_RSC_DFN, RC_WARN_NOT_FOUND,
		  -9223372036800771144ll },
		{ "already deployed", RC_WARN, RC_CRT, RC_RSC, RC_WARN_ALREADY_DEPLOYED,
		  -9223372036834589714ll },
		{ "unknown", RC_ERROR, 0, 0, RC_UNKNOWN_ERROR, -4611686018427386906ll },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t code =
			rc_code(rows[i].severity, rows[i].op, rows[i].object, rows[i].number);

		cr_expect_eq(code, rows[i].code, "row '%s': %lld", rows[i].what, (long long)code);
	}
}

Test(rc, numbers_of_our_errors)
{
	static const struct {
		int code;
		uint64_t object;
		unsigned number;
	} rows[] = {
		{ -E_NOT_FOUND, RC_NODE, 300 },
		{ -E_NOT_FOUND, RC_RSC_DFN, 301 },
		{ -E_NOT_FOUND, RC_RSC, 302 },
		{ -E_NOT_FOUND, RC_VLM_DFN, 303 },
		{ -E_NOT_FOUND, RC_STOR_POOL, 310 },
		{ -E_NOT_FOUND, RC_RSC_GRP, 317 },
		{ -E_EXISTS, RC_NODE, 500 },
		{ -E_EXISTS, RC_RSC_DFN, 501 },
		{ -E_EXISTS, RC_RSC, 502 },
		{ -E_EXISTS, RC_VLM_DFN, 503 },
		{ -E_EXISTS, RC_STOR_POOL, 510 },
		{ -E_EXISTS, RC_RSC_GRP, 522 },
		{ -E_INVALID, RC_RSC_DFN, 202 },
		{ -E_INVALID, RC_VLM_DFN, 206 },
		{ -E_INVALID, RC_RSC_GRP, 237 },
		{ -E_NOT_FOUND, RC_NET_IF, 305 },
		{ -E_EXISTS, RC_NET_IF, 505 },
		{ -E_NOT_FOUND, RC_STOR_POOL_DFN, 309 },
		{ -E_EXISTS, RC_STOR_POOL_DFN, 509 },
		{ -E_NOT_FOUND, RC_KVS, 316 },
		{ -E_INVALID, RC_KVS, 223 },
		{ -E_BAD_PROP, RC_NODE, 213 },
		{ -E_BAD_PROP, RC_KVS, 213 },
		{ -E_IN_USE, RC_RSC_DFN, 997 },
		{ -E_NO_NODES, RC_RSC, 996 },
		{ -E_DENIED, RC_NODE, 412 },
		{ -ENOSPC, RC_RSC, 980 },
		{ -EIO, RC_RSC, 998 },
		{ -E_NOT_FOUND, 0, 998 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_eq(rc_number(rows[i].code, rows[i].object), rows[i].number, "row %zu: %u",
			     i, rc_number(rows[i].code, rows[i].object));
}

Test(rc, status_follows_the_first_error)
{
	static const struct {
		int64_t codes[3];
		int n, ok, status;
	} rows[] = {
		{ { 0 }, 0, 200, 200 },
		{ { 20447233 }, 1, 201, 201 },
		{ { 20447233, -9223372036834589714ll },
		  2,
		  201,
		  201 }, /* a warning changes nothing */
		{ { -9223372036800771144ll }, 1, 200, 200 },
		{ { -4611686018406940171ll }, 1, 201, 500 },
		{ { -4611686018427387904ll + 310 }, 1, 201, 404 },
		{ { -4611686018427387904ll + 412 }, 1, 201, 403 },
		{ { RC_PARSE_ERROR }, 1, 200, 400 },
		{ { 20447233, -4611686018427387904ll + 310, -4611686018406940171ll }, 3, 201, 404 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json *list = rc_list();

		for (int k = 0; k < rows[i].n; k++)
			rc_add(list, rows[i].codes[k], "entry %d", k);
		cr_expect_eq(rc_status(list, rows[i].ok), rows[i].status, "row %zu: %d", i,
			     rc_status(list, rows[i].ok));
		json_object_put(list);
	}
}

Test(rc, entries_hold_what_was_said)
{
	json *list = rc_list();
	json *entry = rc_add(list, -4611686018406940171ll, "resource '%s' exists", "d\"b");
	char longer[8192];

	rc_ref(entry, "RscDfn", "db");
	rc_ref(entry, "RscGrp", "g");
	cr_expect_str_eq(
		json_text(list),
		"[{\"ret_code\":-4611686018406940171,\"message\":\"resource 'd\\\"b' exists\","
		"\"obj_refs\":{\"RscDfn\":\"db\",\"RscGrp\":\"g\"}}]");
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	entry = rc_add(list, 1, "%s", longer);
	cr_expect_eq(strlen(jget_str(entry, "message", "")), 4095, "messages are cut, not lost");
	cr_expect_str_eq(rc_message(list), "resource 'd\"b' exists");
	json_object_put(list);
	cr_expect_str_eq(rc_message(NULL), "");
	cr_expect_eq(rc_status(NULL, 200), 200);
}

/* RC_MESSAGE_MAX */
Test(rc, a_sentence_has_a_length)
{
	static char text[5000];
	json *list = rc_list(), *entry;

	memset(text, 'x', sizeof(text) - 1);
	entry = rc_add(list, 1, "%s", text);
	cr_expect_eq(strlen(jget_str(entry, "message", "")), 4095);
	json_object_put(list);
}
