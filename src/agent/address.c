// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * address.c - see address.h. Called by service_host.c. The kernel is asked over rtnetlink, one
 * request and one answer on a socket of its own. Neighbours that remember where the address was are
 * told by a gratuitous ARP request, or an unsolicited neighbour advertisement (RFC 4861, 7.2.6).
 */
#include "agent/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/icmp6.h>
#include <netpacket/packet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TOLD_TIMES 3 /* one may be lost */
#define TOLD_EVERY_US 100000

int address_of(const struct service *s, struct address *ret, struct err *err)
{
	char plain[SERVICE_VIP_MAX + 1];
	struct address a = { .v6 = false };
	int rv = service_vip_parse(s->vip, plain, &a.prefix, &a.v6, err);

	if (rv < 0)
		return rv;
	inet_pton(a.v6 ? AF_INET6 : AF_INET, plain, a.raw);
	snprintf(a.text, sizeof(a.text), "%s", plain);
	snprintf(a.interface, sizeof(a.interface), "%s", s->interface);
	*ret = a;
	return 0;
}

/* --- where it is, where it belongs --------------------------------------- */

static const unsigned char *raw_of(const struct sockaddr *sa)
{
	return sa->sa_family == AF_INET
		       ? (const unsigned char *)&((const struct sockaddr_in *)sa)->sin_addr
		       : (const unsigned char *)&((const struct sockaddr_in6 *)sa)->sin6_addr;
}

static bool is_of_family(const struct address *a, const struct ifaddrs *i)
{
	return i->ifa_addr && i->ifa_addr->sa_family == (a->v6 ? AF_INET6 : AF_INET);
}

static bool is_it(const struct address *a, const struct ifaddrs *i)
{
	return is_of_family(a, i) && memcmp(raw_of(i->ifa_addr), a->raw, a->v6 ? 16 : 4) == 0;
}

static bool is_in_network(const struct address *a, const struct ifaddrs *i)
{
	const unsigned char *mask, *own;

	if (!is_of_family(a, i) || !i->ifa_netmask || (i->ifa_flags & IFF_LOOPBACK))
		return false;
	own = raw_of(i->ifa_addr);
	mask = a->v6 ? (const unsigned char *)&((struct sockaddr_in6 *)i->ifa_netmask)->sin6_addr
		     : (const unsigned char *)&((struct sockaddr_in *)i->ifa_netmask)->sin_addr;
	for (int k = 0; k < (a->v6 ? 16 : 4); k++) {
		if ((own[k] ^ a->raw[k]) & mask[k])
			return false;
	}
	return true;
}

/* index of the first interface that says yes; 0 none; negative */
static int first(const struct address *a,
		 bool (*test)(const struct address *a, const struct ifaddrs *i), struct err *err)
{
	struct ifaddrs *list = NULL;
	int index = 0;

	if (getifaddrs(&list) < 0)
		return err_set(err, -errno, "the addresses of this machine cannot be read: %s",
			       strerror(errno));
	for (const struct ifaddrs *i = list; i && !index; i = i->ifa_next) {
		if (test(a, i))
			index = (int)if_nametoindex(i->ifa_name);
	}
	freeifaddrs(list);
	return index;
}

int address_there(const struct address *a, bool *ret, struct err *err)
{
	int index = first(a, is_it, err);

	if (index < 0)
		return index;
	*ret = index > 0;
	return 0;
}

/* --- rtnetlink ------------------------------------------------------------ */

struct request {
	struct nlmsghdr head;
	struct ifaddrmsg body;
	char attributes[64];
};

static void put(struct request *r, unsigned short type, const void *data, size_t len)
{
	struct rtattr *a = (struct rtattr *)((char *)r + NLMSG_ALIGN(r->head.nlmsg_len));

	a->rta_type = type;
	a->rta_len = (unsigned short)RTA_LENGTH(len);
	memcpy(RTA_DATA(a), data, len);
	r->head.nlmsg_len = NLMSG_ALIGN(r->head.nlmsg_len) + RTA_ALIGN(a->rta_len);
}

/* 0, or what the kernel says of it */
static int ask(const struct request *r)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
	} answer = { .error.error = -EIO };
	int rv = 0;

	if (fd < 0)
		return -errno;
	if (send(fd, r, r->head.nlmsg_len, 0) < 0 ||
	    recv(fd, &answer, sizeof(answer), MSG_TRUNC) < (ssize_t)sizeof(answer))
		rv = errno ? -errno : -EIO;
	else if (answer.head.nlmsg_type == NLMSG_ERROR)
		rv = answer.error.error;
	close(fd);
	return rv;
}

static int change(const struct address *a, int index, bool add)
{
	size_t len = a->v6 ? 16 : 4;
	struct request r = {
		.head = {
			.nlmsg_len = NLMSG_LENGTH(sizeof(r.body)),
			.nlmsg_type = add ? RTM_NEWADDR : RTM_DELADDR,
			.nlmsg_flags = (unsigned short)(NLM_F_REQUEST | NLM_F_ACK |
							(add ? NLM_F_CREATE | NLM_F_EXCL : 0)),
		},
		.body = {
			.ifa_family = a->v6 ? AF_INET6 : AF_INET,
			.ifa_prefixlen = (unsigned char)a->prefix,
			/* the volume says that nobody else has it */
			.ifa_flags = add && a->v6 ? IFA_F_NODAD : 0,
			.ifa_index = (unsigned)index,
		},
	};

	put(&r, IFA_LOCAL, a->raw, len);
	put(&r, IFA_ADDRESS, a->raw, len);
	return ask(&r);
}

/* --- neighbours ----------------------------------------------------------- */

void address_arp(const unsigned char mac[6], const unsigned char ip[4],
		 unsigned char out[ADDRESS_ARP_BYTES])
{
	static const unsigned char head[8] = { 0, 1, 8, 0, 6, 4, 0, ARPOP_REQUEST };

	memcpy(out, head, 8);
	memcpy(out + 8, mac, 6);
	memcpy(out + 14, ip, 4);
	memset(out + 18, 0, 6);
	memcpy(out + 24, ip, 4);
}

/* -ENOTSUP: not an Ethernet */
static int mac_of(int index, unsigned char mac[6])
{
	struct ifaddrs *list = NULL;
	int rv = -ENOTSUP;

	if (getifaddrs(&list) < 0)
		return -errno;
	for (const struct ifaddrs *i = list; i && rv < 0; i = i->ifa_next) {
		const struct sockaddr_ll *ll = (const struct sockaddr_ll *)i->ifa_addr;

		if (!ll || ll->sll_family != AF_PACKET || ll->sll_ifindex != index ||
		    ll->sll_hatype != ARPHRD_ETHER || ll->sll_halen != 6)
			continue;
		memcpy(mac, ll->sll_addr, 6);
		rv = 0;
	}
	freeifaddrs(list);
	return rv;
}

static int tell_v4(const struct address *a, int index, const unsigned char mac[6])
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETHERTYPE_ARP),
		.sll_ifindex = index,
		.sll_halen = 6,
		.sll_addr = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
	};
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rv = 0;
	unsigned char packet[ADDRESS_ARP_BYTES];

	if (fd < 0)
		return -errno;
	address_arp(mac, a->raw, packet);
	if (sendto(fd, packet, sizeof(packet), 0, (struct sockaddr *)&to, sizeof(to)) < 0)
		rv = -errno;
	close(fd);
	return rv;
}

static int tell_v6(const struct address *a, int index, const unsigned char mac[6])
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_scope_id = (uint32_t)index };
	int fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6), hops = 255, rv = 0;
	struct {
		struct nd_neighbor_advert head;
		unsigned char option, units, mac[6];
	} packet = {
		.head.nd_na_type = ND_NEIGHBOR_ADVERT,
		.head.nd_na_flags_reserved = ND_NA_FLAG_OVERRIDE,
		.option = ND_OPT_TARGET_LINKADDR,
		.units = 1,
	};

	if (fd < 0)
		return -errno;
	inet_pton(AF_INET6, "ff02::1", &to.sin6_addr);
	memcpy(&packet.head.nd_na_target, a->raw, 16);
	memcpy(packet.mac, mac, 6);
	setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof(hops));
	setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &index, sizeof(index));
	if (sendto(fd, &packet, sizeof(packet), 0, (struct sockaddr *)&to, sizeof(to)) < 0)
		rv = -errno;
	close(fd);
	return rv;
}

/* Neighbours find out by themselves, too, only later; so what fails here is no failure. */
static void tell(const struct address *a, int index)
{
	unsigned char mac[6];

	if (mac_of(index, mac) < 0)
		return;
	for (int i = 0; i < TOLD_TIMES; i++) {
		if (i > 0)
			usleep(TOLD_EVERY_US);
		if ((a->v6 ? tell_v6(a, index, mac) : tell_v4(a, index, mac)) < 0)
			return;
	}
}

/* --- both ----------------------------------------------------------------- */

static int interface_of(const struct address *a, struct err *err)
{
	int index;

	if (a->interface[0]) {
		index = (int)if_nametoindex(a->interface);
		return index > 0 ? index
				 : err_set(err, -ENODEV, "there is no interface %s here",
					   a->interface);
	}
	index = first(a, is_in_network, err);
	return index ? index
		     : err_set(err, -ENODEV,
			       "no interface here has an address of the network of %s: name one",
			       a->text);
}

int address_add(const struct address *a, struct err *err)
{
	int index = interface_of(a, err), rv;

	if (index < 0)
		return index;
	rv = change(a, index, true);
	if (rv < 0 && rv != -EEXIST)
		return err_set(err, rv, "address %s cannot be added: %s", a->text, strerror(-rv));
	tell(a, index);
	return 0;
}

/* As it was added: an address is removed with its prefix. */
int address_remove(const struct address *a, struct err *err)
{
	for (int i = 0; i < 8; i++) {
		int index = first(a, is_it, err), rv;

		if (index <= 0)
			return index;
		rv = change(a, index, false);
		if (rv < 0 && rv != -EADDRNOTAVAIL)
			return err_set(err, rv, "address %s cannot be removed: %s", a->text,
				       strerror(-rv));
		if (rv == -EADDRNOTAVAIL)
			return err_set(err, rv,
				       "address %s is here with another prefix than /%d: somebody "
				       "else has added it",
				       a->text, a->prefix);
	}
	return 0;
}
