/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hosts.h - names of hosts without NSS, for who hands an address on: numeric or in /etc/hosts. */
#ifndef SDSD_NET_HOSTS_H
#define SDSD_NET_HOSTS_H

#include <stdbool.h>

#include "base/err.h"

#define HOSTS_ADDRESS_MAX 46 /* numeric, with the end */

/* The numeric address of host. Reads a file. -E_INVALID with a sentence */
int hosts_address(const char *host, char out[HOSTS_ADDRESS_MAX], bool *ret_v6, struct err *err);

#endif
