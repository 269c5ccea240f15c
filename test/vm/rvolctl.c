/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rvolctl - resources of the kernel module without sdsd: all nodes of a resource in one kernel, for
 * tests and measurements. Its copies are devices; "-" in place of both names is a node without a
 * copy. See usage().
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vm/rvolnodes.h"

#define POLL_MS 100

struct options {
	struct nodes nodes;
	bool daemon, force;
	int poll_ms;
	uint64_t token;
	uint32_t deadline_ms;
	const char *log;
};

static void usage(FILE *to)
{
	fputs("rvolctl one DATA META | pair DATA META DATA META | three ... [OPTION]...\n"
	      "    makes the nodes' resources and answers what they ask, until all are deleted;\n"
	      "    one DATA META DATA META: of two volumes, the second is /dev/rvol<N+1>\n"
	      "    --name NAME     of the resource, at most 15 bytes (v)\n"
	      "    --minor N       /dev/rvol<N> is the first node's (0)\n"
	      "    --size BYTES    of the volume (the smallest data device)\n"
	      "    --in-sync MASK  slots whose copies are in sync at the beginning (all)\n"
	      "    --read N        read policy: 0 local 1 round robin 2 least pending 3 striped\n"
	      "    --record FILE   keep the record in FILE\n"
	      "    --keep          do not format: go on with devices and record as they are\n"
	      "    --dirty         do not make the data devices zero first: they are\n"
	      "    --adopt         the resources are there: go on for a process that has ended\n"
	      "    --daemon        in the background; returns when the devices are there\n"
	      "    --log FILE      say there what happens (foreground: --verbose)\n"
	      "    --poll MS       look without an event so often (100; -1 never)\n"
	      "    --renew MS      every link goes over to another socket so often\n"
	      "rvolctl links                   the links of all resources, a line each\n"
	      "rvolctl status                  all resources, a line each and one for each volume\n"
	      "rvolctl del [--force] [--name NAME]   all resources, or those of that name\n"
	      "rvolctl tell NODE heal|no-heal|yield|abandon|handover|no-handover|\n"
	      "                       copy-always|copy-direct|copy-never [--name NAME]\n"
	      "rvolctl tell NODE freeze [--ms N]|thaw [--token N] [--name NAME]\n"
	      "    --ms N          the freeze ends by itself then (10000)\n"
	      "    --token N       of the freeze (1)\n",
	      to);
}

/* ---- status ---- */

static const char *const flag_names[] = { "booted",   "copy",   "serving", "wanted", "stopped",
					  "healing",  "open",   "alone",   "ending", "failed",
					  "freezing", "frozen", "lapsed" };
static const char *const roles[] = { "idle", "candidate", "writer", "releasing", "stopped" };
static const char *const modes[] = { "out", "learner", "member", "failed", "none" };
static const char *const peers[] = { "none", "member", "learner", "joining", "lost" };

#define NAME_OF(table, i) ((i) < sizeof(table) / sizeof((table)[0]) ? (table)[i] : "?")

static void print_flags(uint32_t flags)
{
	const char *comma = "";

	printf(" flags=");
	for (uint32_t i = 0; i < 32; i++) {
		if (!(flags & (1u << i)))
			continue;
		printf("%s%s", comma, NAME_OF(flag_names, i));
		comma = ",";
	}
}

static void print_peers(const struct rvol_status *s)
{
	for (uint32_t i = 0; i < RVOL_SLOTS_MAX; i++)
		if (s->peer[i] != RVOL_PEER_NONE || s->accepted[i])
			printf(" peer%u=%s%s", i, NAME_OF(peers, s->peer[i]),
			       s->accepted[i] ? ",accepted" : "");
}

static void print_status(const struct rvolnl_status *n, void *arg)
{
	const struct rvol_status *s = &n->status;

	(void)arg;
	printf("%s slot=%u role=%s mode=%s epoch=%u in_sync=0x%x", s->name, s->self,
	       NAME_OF(roles, s->role), NAME_OF(modes, s->mode), s->epoch, s->in_sync);
	print_flags(s->flags);
	printf(" copies=0x%x links_wanted=0x%x links_up=0x%x", s->copies, s->links_wanted,
	       s->links_up);
	if (s->pull_slot < RVOL_SLOTS_MAX)
		printf(" pull=%u,%s", s->pull_slot, s->pull_up ? "up" : "down");
	print_peers(s);
	printf(" requests=%u synced=%llu/%llu bad_pages=%u event=%llu", s->requests,
	       (unsigned long long)s->synced, (unsigned long long)s->regions, s->bad_pages,
	       (unsigned long long)s->event);
	if (s->freeze_token)
		printf(" freeze=%llu held=%u", (unsigned long long)s->freeze_token, s->held);
	if (s->read_token || s->cas_token)
		printf(" asks=%s%s", s->read_token ? "record" : "", s->cas_token ? "cas" : "");
	printf(" reason=\"%.*s\" disk_error=\"%.*s\"\n", RVOL_NAME_MAX, s->reason, RVOL_NAME_MAX,
	       s->disk_error);
	for (uint32_t i = 0; i < n->n_volumes; i++) {
		const struct rvol_volume *v = &n->volume[i];

		printf("  volume=%u device=/dev/rvol%u size=%llu copy_size=%llu opens=%u writing=%u"
		       " reads=%llu writes=%llu flushes=%llu lower_flushes=%llu\n",
		       v->number, v->minor, (unsigned long long)v->size,
		       (unsigned long long)v->copy_size, v->opens, v->writing,
		       (unsigned long long)v->reads, (unsigned long long)v->writes,
		       (unsigned long long)v->flushes, (unsigned long long)v->lower_flushes);
	}
}

static void open_netlink(struct rvolnl *nl)
{
	int rv = rvolnl_open(nl);

	if (rv < 0)
		nodes_die("the module rvol is not loaded: %s", strerror(-rv));
}

static int status(struct options *o)
{
	int rv;

	open_netlink(&o->nodes.nl);
	rv = rvolnl_dump(&o->nodes.nl, print_status, NULL);
	if (rv < 0)
		nodes_die("no status: %s", strerror(-rv));
	return 0;
}

/* ---- del, tell ---- */

struct found {
	const char *name; /* NULL: any */
	uint32_t n;
	uint32_t opens;
	uint8_t uuid[1024][RVOL_UUID_BYTES];
};

static void collect(const struct rvolnl_status *n, void *arg)
{
	struct found *f = arg;

	if (f->n == 1024 || (f->name && strcmp(f->name, n->status.name) != 0))
		return;
	memcpy(f->uuid[f->n++], n->uuid, RVOL_UUID_BYTES);
	for (uint32_t i = 0; i < n->n_volumes; i++)
		f->opens += n->volume[i].opens;
}

static int del(struct options *o, const char *name)
{
	static struct found found;
	struct rvolnl *nl = &o->nodes.nl;
	int failed = 0;

	open_netlink(nl);
	found.name = name;
	rvolnl_dump(nl, collect, &found);
	if (found.opens && !o->force) /* all nodes or none */
		nodes_die("not deleted: open %u times", found.opens);
	for (uint32_t i = 0; i < found.n; i++) {
		int rv;

		rvolnl_begin(nl, RVOL_CMD_RESOURCE_DEL, found.uuid[i]);
		if (o->force)
			rvolnl_flag(nl, RVOL_A_FORCE);
		rv = rvolnl_call(nl);
		if (rv < 0) {
			fprintf(stderr, "rvolctl: not deleted: %s\n",
				nl->why[0] ? nl->why : strerror(-rv));
			failed = 1;
		}
	}
	return failed;
}

static void print_links(const struct rvolnl_status *n)
{
	for (uint32_t i = 0; i < n->n_links; i++) {
		const struct rvol_link_info *l = &n->link[i];

		printf("%s slot=%u link=%u to=%u purpose=%u sent=%llu received=%llu renewing=%u "
		       "renewed=%u\n",
		       n->status.name, n->status.self, l->number, l->slot, l->purpose,
		       (unsigned long long)l->sent, (unsigned long long)l->received, l->renewing,
		       l->renewed);
	}
}

static int links(struct options *o)
{
	static struct found found;
	struct rvolnl_status s;

	open_netlink(&o->nodes.nl);
	rvolnl_dump(&o->nodes.nl, collect, &found);
	for (uint32_t i = 0; i < found.n; i++)
		if (rvolnl_status(&o->nodes.nl, found.uuid[i], &s) == 0)
			print_links(&s);
	return 0;
}

static const struct verb {
	const char *name;
	uint8_t cmd;
	uint16_t attr; /* 0: none */
	uint8_t value;
} verbs[] = {
	{ "heal", RVOL_CMD_HEAL, RVOL_A_ON, 1 },
	{ "no-heal", RVOL_CMD_HEAL, RVOL_A_ON, 0 },
	{ "yield", RVOL_CMD_YIELD, 0, 0 },
	{ "abandon", RVOL_CMD_ABANDON, 0, 0 },
	{ "handover", RVOL_CMD_RESOURCE_SET, RVOL_A_HANDOVER, 1 },
	{ "no-handover", RVOL_CMD_RESOURCE_SET, RVOL_A_HANDOVER, 0 },
	{ "copy-always", RVOL_CMD_RESOURCE_SET, RVOL_A_COPY_WRITES, RVOL_COPY_ALWAYS },
	{ "copy-direct", RVOL_CMD_RESOURCE_SET, RVOL_A_COPY_WRITES, RVOL_COPY_DIRECT },
	{ "copy-never", RVOL_CMD_RESOURCE_SET, RVOL_A_COPY_WRITES, RVOL_COPY_NEVER },
	{ "freeze", RVOL_CMD_FREEZE, 0, 0 },
	{ "thaw", RVOL_CMD_THAW, 0, 0 },
};

static int tell(struct options *o, unsigned long node, const char *what)
{
	struct rvolnl *nl = &o->nodes.nl;
	uint8_t uuid[RVOL_UUID_BYTES];
	int rv;

	if (node < 1 || node > NODES_MAX)
		nodes_die("nodes are 1 to %u", NODES_MAX);
	nodes_uuid(o->nodes.name, (uint8_t)(node - 1), uuid);
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(verbs[i].name, what) != 0)
			continue;
		open_netlink(nl);
		rvolnl_begin(nl, verbs[i].cmd, uuid);
		if (verbs[i].attr)
			rvolnl_u8(nl, verbs[i].attr, verbs[i].value);
		if (verbs[i].cmd == RVOL_CMD_FREEZE || verbs[i].cmd == RVOL_CMD_THAW)
			rvolnl_u64(nl, RVOL_A_TOKEN, o->token);
		if (verbs[i].cmd == RVOL_CMD_FREEZE)
			rvolnl_u32(nl, RVOL_A_DEADLINE_MS, o->deadline_ms);
		rv = rvolnl_call(nl);
		if (rv < 0)
			nodes_die("%s: %s", what, nl->why[0] ? nl->why : strerror(-rv));
		return 0;
	}
	nodes_die("there is nothing to tell of the name %s", what);
}

/* ---- nodes ---- */

/* The parent waits until the child has let go of `ready`. */
static void go_into_background(const char *log)
{
	const char *to = log ? log : "/dev/null";

	if (setsid() < 0 || !freopen("/dev/null", "r", stdin) || !freopen(to, "a", stdout) ||
	    !freopen(to, "a", stderr))
		nodes_die("no background: %s", strerror(errno));
}

static int host(struct options *o)
{
	int ready[2];
	char ok = 0;
	pid_t child;

	signal(SIGPIPE, SIG_IGN);
	if (!o->daemon) {
		nodes_start(&o->nodes);
		nodes_run(&o->nodes, o->poll_ms);
		return 0;
	}
	if (pipe(ready) < 0 || (child = fork()) < 0)
		nodes_die("no process: %s", strerror(errno));
	if (child) { /* what goes wrong until the devices are there, the child says here */
		close(ready[1]);
		return read(ready[0], &ok, 1) == 1 ? 0 : 1;
	}
	close(ready[0]);
	nodes_start(&o->nodes);
	if (chdir("/") < 0 || write(ready[1], "", 1) != 1)
		return 1;
	close(ready[1]);
	go_into_background(o->log);
	nodes_run(&o->nodes, o->poll_ms);
	return 0;
}

static int start(struct options *o, uint32_t n, char **devices, int n_devices)
{
	bool second = n == 1 && n_devices == 4;

	if ((uint32_t)n_devices != 2 * n && !second)
		nodes_die("%u nodes need %u devices: DATA META of each", n, 2 * n);
	o->nodes.n = n;
	for (uint32_t i = 0; i < n; i++) {
		o->nodes.node[i].slot = (uint8_t)i;
		if (strcmp(devices[2 * i], "-") == 0)
			continue;
		o->nodes.node[i].data = devices[2 * i];
		o->nodes.node[i].meta = devices[2 * i + 1];
	}
	if (!o->nodes.node[0].data)
		nodes_die("the first node needs a copy");
	if (second) {
		o->nodes.node[0].second_data = devices[2];
		o->nodes.node[0].second_meta = devices[3];
	}
	return host(o);
}

/* ---- options ---- */

enum option_id {
	O_NAME = 256,
	O_MINOR,
	O_SIZE,
	O_IN_SYNC,
	O_READ,
	O_RECORD,
	O_KEEP,
	O_DIRTY,
	O_ADOPT,
	O_DAEMON,
	O_LOG,
	O_POLL,
	O_RENEW,
	O_FORCE,
	O_TOKEN,
	O_MS,
	O_VERBOSE,
	O_HELP
};

static const struct option known[] = {
	{ "name", required_argument, NULL, O_NAME },
	{ "minor", required_argument, NULL, O_MINOR },
	{ "size", required_argument, NULL, O_SIZE },
	{ "in-sync", required_argument, NULL, O_IN_SYNC },
	{ "read", required_argument, NULL, O_READ },
	{ "record", required_argument, NULL, O_RECORD },
	{ "keep", no_argument, NULL, O_KEEP },
	{ "dirty", no_argument, NULL, O_DIRTY },
	{ "adopt", no_argument, NULL, O_ADOPT },
	{ "daemon", no_argument, NULL, O_DAEMON },
	{ "log", required_argument, NULL, O_LOG },
	{ "poll", required_argument, NULL, O_POLL },
	{ "renew", required_argument, NULL, O_RENEW },
	{ "force", no_argument, NULL, O_FORCE },
	{ "token", required_argument, NULL, O_TOKEN },
	{ "ms", required_argument, NULL, O_MS },
	{ "verbose", no_argument, NULL, O_VERBOSE },
	{ "help", no_argument, NULL, O_HELP },
	{ 0 },
};

static unsigned long long number(const char *text)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 0);
	if (errno || end == text || *end)
		nodes_die("%s is no number", text);
	return n;
}

static void take(struct options *o, int option)
{
	struct nodes *w = &o->nodes;

	switch (option) {
	case O_NAME:
		w->name = optarg;
		break;
	case O_MINOR:
		w->minor = (uint32_t)number(optarg);
		break;
	case O_SIZE:
		w->size = number(optarg);
		break;
	case O_IN_SYNC:
		w->in_sync = (uint32_t)number(optarg);
		break;
	case O_READ:
		w->read_policy = (uint8_t)number(optarg);
		break;
	case O_RECORD:
		w->record_file = optarg;
		break;
	case O_KEEP:
		w->keep = true;
		break;
	case O_DIRTY:
		w->dirty = true;
		break;
	case O_ADOPT:
		w->adopt = true;
		break;
	case O_DAEMON:
		o->daemon = true;
		break;
	case O_LOG:
		o->log = optarg;
		w->verbose = true;
		break;
	case O_POLL:
		o->poll_ms = strcmp(optarg, "-1") == 0 ? -1 : (int)number(optarg);
		break;
	case O_RENEW:
		w->renew_ms = (int)number(optarg);
		break;
	case O_FORCE:
		o->force = true;
		break;
	case O_TOKEN:
		o->token = number(optarg);
		break;
	case O_MS:
		o->deadline_ms = (uint32_t)number(optarg);
		break;
	case O_VERBOSE:
		w->verbose = true;
		break;
	case O_HELP:
		usage(stdout);
		exit(0);
	default:
		usage(stderr);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	static struct options o = { .poll_ms = POLL_MS,
				    .token = 1,
				    .deadline_ms = RVOL_FREEZE_MAX_MS };
	const char *what;
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1)
		take(&o, option);
	what = optind < argc ? argv[optind++] : "";
	argv += optind;
	argc -= optind;
	if (strcmp(what, "status") == 0 && argc == 0)
		return status(&o);
	if (strcmp(what, "links") == 0 && argc == 0)
		return links(&o);
	if (strcmp(what, "del") == 0 && argc == 0)
		return del(&o, o.nodes.name);
	if (!o.nodes.name)
		o.nodes.name = "v";
	if (strlen(o.nodes.name) > NODES_NAME_MAX)
		nodes_die("the name is longer than %d bytes", NODES_NAME_MAX);
	if (strcmp(what, "tell") == 0 && argc == 2)
		return tell(&o, (unsigned long)number(argv[0]), argv[1]);
	if (strcmp(what, "one") == 0)
		return start(&o, 1, argv, argc);
	if (strcmp(what, "pair") == 0)
		return start(&o, 2, argv, argc);
	if (strcmp(what, "three") == 0)
		return start(&o, 3, argv, argc);
	usage(stderr);
	return 2;
}
