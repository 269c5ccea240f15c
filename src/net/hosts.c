// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hosts.c - host names without NSS: getaddrinfo() of a static program would
 * load plug-ins at run time. Numeric addresses and /etc/hosts are what a
 * cluster's nodes are named by. Used by conn.c and listener.c.
 */
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/fs.h"
#include "net/conn_priv.h"
#include "net/hosts.h"

#define HOSTS_PATH "/etc/hosts"
#define HOSTS_SIZE_MAX (1u << 20)

static int numeric(const char *host, int port, struct sockaddr_storage *ret)
{
	*ret = (struct sockaddr_storage){ 0 };
	if (uv_ip4_addr(host, port, (struct sockaddr_in *)ret) == 0)
		return 0;
	*ret = (struct sockaddr_storage){ 0 };
	if (uv_ip6_addr(host, port, (struct sockaddr_in6 *)ret) == 0)
		return 0;
	return -E_INVALID;
}

/* true when the line "address name name..." names host; line is cut into words */
static bool line_names(char *line, const char *host, char **ret_address)
{
	char *save, *address, *word;

	line[strcspn(line, "#")] = '\0';
	address = strtok_r(line, " \t\r", &save);
	if (!address)
		return false;
	while ((word = strtok_r(NULL, " \t\r", &save))) {
		if (strcasecmp(word, host) == 0) {
			*ret_address = address;
			return true;
		}
	}
	return false;
}

static int from_file(const char *host, int port, struct sockaddr_storage *ret)
{
	char *line, *next, *address;
	struct buf text;
	int rv = -E_INVALID;

	buf_init(&text, HOSTS_SIZE_MAX);
	if (fs_read(HOSTS_PATH, &text, NULL) < 0 || text.len == 0)
		goto out;
	for (line = (char *)text.data; line && rv < 0; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (line_names(line, host, &address))
			rv = numeric(address, port, ret);
	}
out:
	buf_release(&text);
	return rv;
}

int hosts_resolve(const char *host, int port, struct sockaddr_storage *ret, struct err *err)
{
	struct sockaddr_storage addr;

	if (numeric(host, port, &addr) < 0 && from_file(host, port, &addr) < 0)
		return err_set(err, -E_INVALID,
			       "\"%.80s\" is neither a numeric address nor a name in " HOSTS_PATH,
			       host);
	*ret = addr;
	return 0;
}

int hosts_address(const char *host, char out[HOSTS_ADDRESS_MAX], bool *ret_v6, struct err *err)
{
	struct sockaddr_storage addr;
	int rv = hosts_resolve(host, 0, &addr, err);

	if (rv < 0)
		return rv;
	*ret_v6 = addr.ss_family == AF_INET6;
	rv = *ret_v6 ? uv_ip6_name((struct sockaddr_in6 *)&addr, out, HOSTS_ADDRESS_MAX)
		     : uv_ip4_name((struct sockaddr_in *)&addr, out, HOSTS_ADDRESS_MAX);
	return rv < 0 ? err_set(err, -E_INVALID, "\"%.80s\" is no usable address", host) : 0;
}
