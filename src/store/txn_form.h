/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * txn_form.h - the encoded form of a transaction, between txn.c and apply.c.
 * Once written to a log it stays readable for ever: fields are added, never
 * changed; an unknown field is ignored.
 *
 *   {"v":1, "id":"<request id>", "by":"<author>",
 *    "r":[["<key>",revision],...], "p":[["<prefix>",count,revision],...],
 *    "w":[["<key>","<text of a JSON object>" or null],...], "a":"<JSON text>",
 *    "at":<ms of the leader's wall clock>, "what":"<a sentence, for the history>"}
 *
 * Documents are texts inside of the JSON, not values: every node stores the
 * very bytes that the leader wrote, and the nesting of a document does not
 * count against the parser's limit twice.
 */
#ifndef SDSD_STORE_TXN_FORM_H
#define SDSD_STORE_TXN_FORM_H

#define TXN_FORMAT 1
#define TXN_VERSION "v"
#define TXN_ID "id"
#define TXN_AUTHOR "by"
#define TXN_READS "r"
#define TXN_PREFIXES "p"
#define TXN_WRITES "w"
#define TXN_ANSWER "a"
#define TXN_AT "at"
#define TXN_WHAT "what"

#endif
