// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test_vault.c - the master key: sealed and revealed, documents that are
 * damaged or ask for too much, passphrases at their limits, keys of volumes.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "cluster/vault.h"
#include "support/leaks.h"

static int n_opened;

static void on_opened(void *arg)
{
	n_opened++;
}

static struct vault *new_vault(void)
{
	struct vault *v = NULL;
	struct err err = { 0 };

	n_opened = 0;
	cr_assert_eq(vault_new(on_opened, NULL, &v, &err), 0, "%s", err.text);
	return v;
}

TestSuite(vault, .fini = test_no_leaks);

Test(vault, seals_and_reveals)
{
	uint8_t key[VAULT_KEY_LEN], again[VAULT_KEY_LEN], other[VAULT_KEY_LEN];
	json *doc = NULL, *second = NULL;
	struct err err = { 0 };

	cr_assert_eq(vault_seal("correct horse", NULL, &doc, key, &err), 0, "%s", err.text);
	cr_expect_eq(vault_reveal(doc, "correct horse", again, &err), 0, "%s", err.text);
	cr_expect_eq(memcmp(key, again, sizeof(key)), 0);
	cr_expect_eq(vault_reveal(doc, "correct horsf", again, &err), -E_DENIED);
	cr_expect(strstr(err.text, "wrong passphrase"), "%s", err.text);
	cr_expect_null(strstr(json_text(doc), "correct horse"));

	/* another passphrase, the same key, nothing else the same */
	cr_assert_eq(vault_seal("staple", key, &second, again, &err), 0);
	cr_expect_eq(memcmp(key, again, sizeof(key)), 0);
	cr_expect_eq(vault_reveal(second, "staple", again, &err), 0);
	cr_expect_eq(memcmp(key, again, sizeof(key)), 0);
	cr_expect_eq(vault_reveal(second, "correct horse", again, &err), -E_DENIED);
	cr_expect_str_neq(jget_str(doc, "salt", ""), jget_str(second, "salt", ""));
	cr_expect_str_eq(jget_str(doc, "check", ""), jget_str(second, "check", "?"));
	json_object_put(second);

	/* and another key each time */
	cr_assert_eq(vault_seal("staple", NULL, &second, other, &err), 0);
	cr_expect_neq(memcmp(key, other, sizeof(key)), 0);
	json_object_put(second);
	json_object_put(doc);
}

Test(vault, damaged_documents)
{
	static const struct {
		const char *field, *value; /* NULL: it is left out */
		int rv;
	} rows[] = {
		{ "salt", NULL, -E_CORRUPT },
		{ "salt", "\"00\"", -E_CORRUPT },
		{ "salt", "\"zz000000000000000000000000000000\"", -E_CORRUPT },
		{ "salt", "\"00000000000000000000000000000000\"", -E_DENIED },
		{ "n", NULL, -E_CORRUPT },
		{ "n", "0", -E_CORRUPT },
		{ "n", "1000", -E_CORRUPT },
		{ "n", "3000", -E_CORRUPT },
		{ "n", "1099511627776", -E_CORRUPT },
		{ "n", "1024", -E_DENIED },
		{ "r", "0", -E_CORRUPT },
		{ "r", "33", -E_CORRUPT },
		{ "p", "-1", -E_CORRUPT },
		{ "p", "17", -E_CORRUPT },
		{ "key_sealed", NULL, -E_DENIED },
		{ "key_sealed", "\"abcd\"", -E_DENIED },
		{ "check", "\"abcd\"", -E_CORRUPT },
	};
	uint8_t key[VAULT_KEY_LEN];
	json *doc = NULL;
	struct err err = { 0 };

	cr_assert_eq(vault_seal("correct horse", NULL, &doc, key, &err), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json *damaged = json_copy(doc), *value = NULL;

		json_object_object_del(damaged, rows[i].field);
		if (rows[i].value) {
			cr_assert_eq(json_parse(rows[i].value, strlen(rows[i].value), &value, NULL),
				     0);
			jset(damaged, rows[i].field, value);
		}
		err = (struct err){ 0 };
		cr_expect_eq(vault_reveal(damaged, "correct horse", key, &err), rows[i].rv,
			     "row %zu: %d %s", i, err.code, err.text);
		json_object_put(damaged);
	}
	/* parameters that are each fine, but not together: 2 GiB */
	jset_i64(doc, "n", 1 << 19);
	jset_i64(doc, "r", 32);
	cr_expect_eq(vault_reveal(doc, "correct horse", key, &err), -E_CORRUPT);
	json_object_put(doc);
}

Test(vault, passphrases)
{
	static const struct {
		int len, rv;
	} rows[] = {
		{ 0, -E_INVALID },
		{ VAULT_PASSPHRASE_MIN - 1, -E_INVALID },
		{ VAULT_PASSPHRASE_MIN, 0 },
		{ VAULT_PASSPHRASE_MAX, 0 },
		{ VAULT_PASSPHRASE_MAX + 1, -E_INVALID },
	};
	char text[VAULT_PASSPHRASE_MAX + 2];
	struct err err;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memset(text, 'x', sizeof(text));
		text[rows[i].len] = '\0';
		cr_expect_eq(vault_check_passphrase(text, (size_t)rows[i].len, &err), rows[i].rv,
			     "%d characters", rows[i].len);
	}
	cr_expect_eq(vault_check_passphrase("long enough\0but cut", 19, &err), -E_INVALID);
}

Test(vault, opens_with_its_own_key_only)
{
	struct vault *v = new_vault();
	char hex[2 * VAULT_KEY_LEN + 1], sealed[VAULT_SEALED_MAX];
	uint8_t key[VAULT_KEY_LEN], wrong[VAULT_KEY_LEN] = { 1 }, volume[VAULT_VOLUME_KEY_LEN];
	json *doc = NULL;
	struct err err = { 0 };

	cr_assert_eq(vault_seal("correct horse", NULL, &doc, key, &err), 0);
	cr_expect_not(vault_is_open(v));
	cr_expect_not(vault_key_hex(v, hex));
	cr_expect_eq(vault_volume_key(v, sealed, &err), -E_LOCKED);
	cr_expect_eq(vault_unseal(v, "00", volume, &err), -E_LOCKED);
	cr_expect_eq(vault_open(v, doc, wrong, &err), -E_DENIED);
	cr_expect_eq(vault_open(v, NULL, key, &err), -E_DENIED, "without a document");
	cr_expect_not(vault_is_open(v));
	cr_expect_eq(n_opened, 0);
	cr_expect_eq(vault_open(v, doc, key, &err), 0, "%s", err.text);
	cr_expect(vault_is_open(v));
	cr_expect_eq(n_opened, 1);
	cr_expect(vault_key_hex(v, hex));
	cr_expect_eq(strlen(hex), 2 * VAULT_KEY_LEN);
	json_object_put(doc);
	vault_free(v);
	vault_free(NULL);
}

Test(vault, keys_of_volumes)
{
	struct vault *v = new_vault(), *w = new_vault();
	uint8_t key[VAULT_KEY_LEN], a[VAULT_VOLUME_KEY_LEN], b[VAULT_VOLUME_KEY_LEN];
	char one[VAULT_SEALED_MAX], two[VAULT_SEALED_MAX];
	json *doc = NULL, *other = NULL;
	struct err err = { 0 };

	cr_assert_eq(vault_seal("correct horse", NULL, &doc, key, &err), 0);
	cr_assert_eq(vault_open(v, doc, key, &err), 0);
	cr_assert_eq(vault_volume_key(v, one, &err), 0, "%s", err.text);
	cr_assert_eq(vault_volume_key(v, two, &err), 0);
	cr_expect_eq(strlen(one), VAULT_SEALED_MAX - 1);
	cr_expect_eq(vault_unseal(v, one, a, &err), 0, "%s", err.text);
	cr_expect_eq(vault_unseal(v, two, b, &err), 0);
	cr_expect_neq(memcmp(a, b, sizeof(a)), 0, "two volumes with one key");
	cr_expect_eq(vault_unseal(v, one, b, &err), 0);
	cr_expect_eq(memcmp(a, b, sizeof(a)), 0);
	one[10] ^= 1;
	cr_expect_eq(vault_unseal(v, one, b, &err), -E_CORRUPT);
	cr_expect_eq(vault_unseal(v, jget_str(doc, "key_sealed", ""), b, &err), -E_CORRUPT);

	/* another cluster's */
	cr_assert_eq(vault_seal("correct horse", NULL, &other, key, &err), 0);
	cr_assert_eq(vault_open(w, other, key, &err), 0);
	cr_expect_eq(vault_unseal(w, two, b, &err), -E_CORRUPT);
	json_object_put(doc);
	json_object_put(other);
	vault_free(v);
	vault_free(w);
}
