/* SPDX-License-Identifier: GPL-2.0-or-later */
/* verbs.h - the tables of verbs, one for each file; each ends with a noun of NULL. */
#ifndef SDSD_CLI_VERBS_H
#define SDSD_CLI_VERBS_H

#include "cli/cli.h"

extern const struct cli_verb status_verbs[];
extern const struct cli_verb why_verbs[];
extern const struct cli_verb doctor_verbs[];
extern const struct cli_verb log_verbs[];
extern const struct cli_verb volume_verbs[];
extern const struct cli_verb replica_verbs[];
extern const struct cli_verb property_verbs[];
extern const struct cli_verb node_verbs[];
extern const struct cli_verb node_state_verbs[];
extern const struct cli_verb disk_verbs[];
extern const struct cli_verb pool_verbs[];
extern const struct cli_verb group_verbs[];
extern const struct cli_verb snapshot_verbs[];
extern const struct cli_verb service_verbs[];
extern const struct cli_verb token_verbs[];
extern const struct cli_verb access_verbs[];
extern const struct cli_verb encryption_verbs[];
extern const struct cli_verb completion_verbs[];
extern const struct cli_verb version_verbs[];

/* the i-th verb of all tables, registered ones first; NULL behind the last */
const struct cli_verb *cli_verb_at(int i);
/* of the global options and the exit status, some lines */
extern const char cli_global_help[];
/* prints the manual page, in troff */
void manual_print(void);

#endif
