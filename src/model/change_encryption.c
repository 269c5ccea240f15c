// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * change_encryption.c - the sealed master key of encrypted volumes: made once,
 * sealed again under another passphrase. Called by the API. Passphrases and keys
 * never come here; what is in the document is cluster/vault.c's business.
 */
#include "model/change.h"

#include <string.h>

static int read_present(struct change_env *env, struct txn *t, json **ret, struct err *err)
{
	int rv = txn_get(t, env->store, ENCRYPTION_KEY, ret);

	if (rv < 0 && rv != -E_NOT_FOUND)
		err_set(err, rv, ENCRYPTION_KEY ": %s", err_name(rv));
	return rv;
}

int change_encryption_create(struct change_env *env, struct txn *t, json *doc, struct err *err)
{
	json *present;
	int rv = read_present(env, t, &present, err);

	if (rv == 0) {
		json_object_put(present);
		return err_set(err, -E_EXISTS,
			       "There is a passphrase already: modify it (sdsd encryption "
			       "modify-passphrase)");
	}
	if (rv != -E_NOT_FOUND)
		return rv;
	txn_put(t, ENCRYPTION_KEY, json_object_get(doc));
	return 0;
}

int change_encryption_modify(struct change_env *env, struct txn *t, json *former, json *doc,
			     struct err *err)
{
	json *present;
	bool same;
	int rv = read_present(env, t, &present, err);

	if (rv == -E_NOT_FOUND)
		return err_set(err, rv, "There is no passphrase yet: create one");
	if (rv < 0)
		return rv;
	same = strcmp(jget_str(present, "key_sealed", ""), jget_str(former, "key_sealed", "")) == 0;
	json_object_put(present);
	if (!same)
		return err_set(err, -E_CONFLICT,
			       "The passphrase was changed by another request meanwhile");
	txn_put(t, ENCRYPTION_KEY, json_object_get(doc));
	return 0;
}
