/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * config.h - how one daemon is run: where its directories are and where it
 * listens. There is no configuration file: what a cluster shall do is in the
 * store, what a machine is called is in its identity.
 */
#ifndef SDSD_CONFIG_H
#define SDSD_CONFIG_H

#include <stdbool.h>

#include "base/err.h"
#include "base/log.h"
#include "model/limits.h"

#define CONFIG_DIR_DEFAULT "/var/lib/sdsd" /* $SDSD_DIR, --dir */
#define CONFIG_RUN_DEFAULT "/run/sdsd"     /* $SDSD_RUN_DIR, --run-dir */

/* AUTO: in the kernel where its module is there when the daemon starts */
enum config_plane { CONFIG_PLANE_AUTO, CONFIG_PLANE_KERNEL, CONFIG_PLANE_USER };

#define CONFIG_HTTP_PORT 3370 /* of LINSTOR's clients */
#define CONFIG_HTTPS_PORT 3371
#define CONFIG_WEB_MAX 8 /* addresses of each kind */

/* where the API is served over TCP */
struct config_webs {
	bool given, off; /* not given: as web.c thinks fit; off: nowhere */
	bool from_env;   /* an option takes its place */
	int n;
	struct {
		char host[ADDRESS_LEN_MAX];
		int port;
	} at[CONFIG_WEB_MAX];
};

struct config {
	char dir[PATH_LEN_MAX];
	char run_dir[PATH_LEN_MAX];
	char listen_host[ADDRESS_LEN_MAX]; /* "": the identity's address */
	int listen_port;                   /* 0: the identity's port */
	struct config_webs http, https;    /* $SDSD_HTTP, --http; $SDSD_HTTPS, --https */
	enum log_level log_level;
	enum config_plane plane; /* $SDSD_PLANE, --plane */
};

/* Options of "sdsd run": argv[0] is the verb. -E_INVALID with a sentence. */
int config_parse(int argc, char **argv, struct config *ret, struct err *err);
/* the state directory: value when not NULL, else $SDSD_DIR, else the default */
const char *config_dir(const char *value);

#endif
