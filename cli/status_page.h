/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * status_page.h - what sdsd status shows, laid out for a screen. Pure: from documents to text.
 *
 * What is wrong comes first when room is short: nodes that are online are told in one line, then
 * volumes that are fine in another one, then each of the rest has one line for its reason and its
 * next step, and at last those that are worst off are shown and the others are counted.
 */
#ifndef SDSD_CLI_STATUS_PAGE_H
#define SDSD_CLI_STATUS_PAGE_H

#include "base/buf.h"
#include "base/json.h"
#include "cli/print.h"

#define STATUS_PAGE_MAX (64u << 20) /* bytes */
#define STATUS_NOTES_MAX 3          /* lines about pools and addresses, where room is short */

/* status: of GET /v1/sds/status; local: of GET /v1/sds/local, or NULL. Appends to out. */
void status_page(json *status, json *local, struct screen screen, struct buf *out);

#endif
