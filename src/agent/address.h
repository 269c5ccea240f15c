/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * address.h - an address of a service on an interface of this machine: asked for, added, told to
 * the neighbours, removed. Blocking, for a moment; called in worker threads.
 */
#ifndef SDSD_AGENT_ADDRESS_H
#define SDSD_AGENT_ADDRESS_H

#include <stdbool.h>

#include "base/err.h"
#include "model/service.h"

struct address {
	bool v6;
	unsigned char raw[16]; /* network order; 4 bytes of it for IPv4 */
	int prefix;
	char text[SERVICE_VIP_MAX + 1];
	char interface[SERVICE_INTERFACE_MAX + 1]; /* "" the one whose network it is in */
};

/* of a service that has one. -E_INVALID */
int address_of(const struct service *s, struct address *ret, struct err *err);
/* whether this machine has it, on any interface */
int address_there(const struct address *a, bool *ret, struct err *err);
/* Adds it (being there is fine) and tells the neighbours. -ENODEV: no such interface, or none
 * whose network it is in */
int address_add(const struct address *a, struct err *err);
/* Removes it from wherever it is; not there is fine. */
int address_remove(const struct address *a, struct err *err);
/* The bytes of a gratuitous ARP request for the address: ADDRESS_ARP_BYTES of them */
#define ADDRESS_ARP_BYTES 28
void address_arp(const unsigned char mac[6], const unsigned char ip[4],
		 unsigned char out[ADDRESS_ARP_BYTES]);

#endif
