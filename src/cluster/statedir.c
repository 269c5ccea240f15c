// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * statedir.c - the state directory while it is being filled by init or join,
 * and what this machine would call itself. Blocking; command line only.
 */
#include "cluster/statedir.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/text.h"
#include "cluster/identity.h"
#include "model/name.h"

#define PROBE_IPV4 "192.0.2.1" /* documentation range: chooses a route, is never sent to */
#define PROBE_PORT 9

void statedir_path(const char *dir, const char *name, char out[STATEDIR_PATH_MAX])
{
	snprintf(out, STATEDIR_PATH_MAX, "%s/%s", dir, name);
}

int statedir_open(const char *dir, struct err *err)
{
	int rv;

	if (strnlen(dir, PATH_LEN_MAX) == PATH_LEN_MAX)
		return err_set(err, -ENAMETOOLONG, "state directory path longer than %d",
			       PATH_LEN_MAX - 1);
	rv = fs_mkdir(dir, 0700, err);
	if (rv == 0)
		rv = identity_lock(dir, err);
	return rv;
}

bool statedir_has(const char *dir, const char *name)
{
	char path[STATEDIR_PATH_MAX];

	statedir_path(dir, name, path);
	return access(path, F_OK) == 0;
}

int statedir_check_empty(const char *dir, struct err *err)
{
	static const char *const names[] = { "raft", "store.mdb" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (statedir_has(dir, names[i]))
			return err_set(err, -E_EXISTS,
				       "%s has data of a former member (%s) but no identity.json: "
				       "move the directory away, or restore the file",
				       dir, names[i]);
	}
	return 0;
}

/* the files of one directory, which may be missing, and the directory */
static int remove_dir(const char *path, struct err *err)
{
	DIR *d = opendir(path);
	struct dirent *e;
	int rv = 0;

	if (!d)
		return errno == ENOENT ? 0 : err_set(err, -errno, "cannot open %s", path);
	while (rv == 0 && (e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(d), e->d_name, 0) < 0)
			rv = err_set(err, -errno, "cannot remove %s/%s", path, e->d_name);
	}
	closedir(d);
	if (rv == 0 && rmdir(path) < 0)
		rv = err_set(err, -errno, "cannot remove %s", path);
	return rv;
}

int statedir_wipe(const char *dir, struct err *err)
{
	static const char *const files[] = { "store.mdb", "store.mdb-lock" };
	char path[STATEDIR_PATH_MAX];
	int rv;

	statedir_path(dir, "raft", path);
	rv = remove_dir(path, err);
	for (size_t i = 0; rv == 0 && i < sizeof(files) / sizeof(files[0]); i++) {
		statedir_path(dir, files[i], path);
		rv = fs_remove(path);
		if (rv < 0)
			err_set(err, rv, "cannot remove %s: %s", path, err_name(rv));
	}
	return rv;
}

int statedir_write(const char *dir, const char *name, const struct buf *content, mode_t mode,
		   struct err *err)
{
	char path[STATEDIR_PATH_MAX];

	statedir_path(dir, name, path);
	return fs_write(path, content->data, content->len, mode, err);
}

int statedir_read(const char *dir, const char *name, struct buf *content, struct err *err)
{
	char path[STATEDIR_PATH_MAX];

	statedir_path(dir, name, path);
	return fs_read(path, content, err);
}

/* --- address ------------------------------------------------------------ */

static bool any_address(const char *ip)
{
	struct in6_addr six;
	struct in_addr four;

	if (inet_pton(AF_INET, ip, &four) == 1)
		return four.s_addr == INADDR_ANY;
	return inet_pton(AF_INET6, ip, &six) == 1 && IN6_IS_ADDR_UNSPECIFIED(&six);
}

static bool literal(const char *ip)
{
	uint8_t raw[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, ip, raw) == 1 || inet_pton(AF_INET6, ip, raw) == 1;
}

/* The source address the kernel would use; connecting a datagram socket sends nothing. */
static bool source_address(const char *to, char out[ADDRESS_LEN_MAX])
{
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(PROBE_PORT) };
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(PROBE_PORT) };
	bool is_four = inet_pton(AF_INET, to, &four.sin_addr) == 1;
	socklen_t len = is_four ? sizeof(four) : sizeof(six);
	struct sockaddr *sa = is_four ? (struct sockaddr *)&four : (struct sockaddr *)&six;
	const void *raw = is_four ? (void *)&four.sin_addr : (void *)&six.sin6_addr;
	bool ok = false;
	int fd;

	if (!is_four && inet_pton(AF_INET6, to, &six.sin6_addr) != 1)
		return false;
	fd = socket(sa->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	if (connect(fd, sa, len) == 0 && getsockname(fd, sa, &len) == 0)
		ok = inet_ntop(sa->sa_family, raw, out, ADDRESS_LEN_MAX) && !any_address(out);
	close(fd);
	return ok;
}

/* the first address of an interface that is up and leads outside; IPv4 before IPv6 */
static bool interface_address(char out[ADDRESS_LEN_MAX])
{
	static const int families[] = { AF_INET, AF_INET6 };
	struct ifaddrs *all;
	bool found = false;

	if (getifaddrs(&all) < 0)
		return false;
	for (int f = 0; f < 2 && !found; f++) {
		for (struct ifaddrs *i = all; i && !found; i = i->ifa_next) {
			const void *raw;

			if (!i->ifa_addr || i->ifa_addr->sa_family != families[f] ||
			    (i->ifa_flags & IFF_LOOPBACK) || !(i->ifa_flags & IFF_UP))
				continue;
			raw = f == 0 ? (void *)&((struct sockaddr_in *)i->ifa_addr)->sin_addr
				     : (void *)&((struct sockaddr_in6 *)i->ifa_addr)->sin6_addr;
			if (f == 1 && IN6_IS_ADDR_LINKLOCAL((const struct in6_addr *)raw))
				continue;
			found = inet_ntop(families[f], raw, out, ADDRESS_LEN_MAX) != NULL;
		}
	}
	freeifaddrs(all);
	return found;
}

int statedir_address(const char *text, const char *peer_ip, char out[ADDRESS_LEN_MAX],
		     int *ret_port, struct err *err)
{
	char host[ADDRESS_LEN_MAX];
	int port = NODE_PORT_DEFAULT, rv;

	if (!text) {
		if (!source_address(peer_ip ? peer_ip : PROBE_IPV4, host) &&
		    !interface_address(host))
			return err_set(err, -E_INVALID,
				       "no network address of this machine found: give --address");
	} else {
		rv = text_host_port(text, NODE_PORT_DEFAULT, host, sizeof(host), &port, err);
		if (rv < 0)
			return err_prefix(err, "--address %.100s", text);
		if (!literal(host) || any_address(host))
			return err_set(err, -E_INVALID,
				       "--address %.100s: a literal IP address of this machine is "
				       "needed, such as 10.0.0.1 or [fd00::1]:%d",
				       text, NODE_PORT_DEFAULT);
	}
	snprintf(out, ADDRESS_LEN_MAX, "%s", host);
	*ret_port = port;
	return 0;
}

int statedir_node_name(const char *text, char out[NAME_MAX_LEN + 1], struct err *err)
{
	char host[256];
	int rv;

	if (!text) {
		if (gethostname(host, sizeof(host)) < 0)
			return err_set(err, -errno, "cannot find the host name: give --name");
		host[sizeof(host) - 1] = '\0';
		host[strcspn(host, ".")] = '\0';
		text = host;
	}
	rv = name_check("node name", text, NAME_MIN_LEN, err);
	if (rv < 0)
		return text == host ? err_prefix(err, "host name (give --name)") : rv;
	memcpy(out, text, strlen(text) + 1); /* fits: checked */
	return 0;
}
