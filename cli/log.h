/* SPDX-License-Identifier: GPL-2.0-or-later */
/* log.h - who changed what, as a table. */
#ifndef SDSD_CLI_LOG_H
#define SDSD_CLI_LOG_H

#include "base/json.h"

/* entries of GET /v1/sds/history */
void log_print(json *list);

#endif
