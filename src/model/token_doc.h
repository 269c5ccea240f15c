/* SPDX-License-Identifier: GPL-2.0-or-later */
/* token_doc.h - documents of join tokens, for change_token.c and change_cluster.c only. */
#ifndef SDSD_MODEL_TOKEN_DOC_H
#define SDSD_MODEL_TOKEN_DOC_H

#include "store/txn.h"

int token_doc_check(const char *id, const char *secret_sha256, struct err *err);
void token_doc_put(struct txn *t, const char *id, const char *secret_sha256, int64_t expires_ms);

#endif
