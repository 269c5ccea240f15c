// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * storagectl - one call of the storage front door, as the agent makes it, without the rest of sdsd:
 * for tests of backends on real devices. See usage(). Answers with one line, "ok ..." or
 * "<code> <sentence>", and exit status 0 or 1.
 *
 * It is compiled with STORAGE_STEPS: STORAGE_END_AT=N ends it by SIGKILL at the Nth place where a
 * backend may be cut, STORAGE_STEPS=1 says each of them on standard error, and
 * STORAGE_PAUSE_AT=WORD waits for PAUSE_S seconds at each of that name.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "labels.h"
#include "storage/step.h"
#include "storage/storage.h"

#define PAUSE_S 12 /* longer than LVM tries to remove what is open */

struct call {
	uv_loop_t *loop;
	struct storage_pool pool, beside;
	struct storage_volume volume;
	struct storage_snapshot snapshot;
	const char *op;
	int status;
	uint64_t began_ns;
};

static void usage(void)
{
	fputs("storagectl KIND SOURCE probe\n"
	      "storagectl KIND SOURCE create|locate|grow|remove|allocated VOLUME\n"
	      "storagectl KIND SOURCE snapshot|restore|snapshot-remove VOLUME SNAPSHOT\n"
	      "storagectl KIND SOURCE adoptable DEVICE\n"
	      "storagectl KIND SOURCE adopt VOLUME LV    of --taken bytes\n"
	      "    --size BYTES    of the volume (16 MiB)\n"
	      "    --taken BYTES   size of the volume when the snapshot was taken (16 MiB)\n"
	      "    --owner N       byte of which the uuids of replica and volume are made (1)\n"
	      "    --uuid N        the same of the snapshot (1)\n"
	      "    --key N         encrypted, its key is the bytes from N on; 0: not known\n"
	      "    --cache GROUP,BYTES   has a write cache in that volume group\n"
	      "    --reads GROUP,BYTES   has a read cache there\n"
	      "    --beside KIND,SOURCE   probes this pool, too; says when it answers, and what\n"
	      "                    the first one is busy with then\n",
	      stderr);
	exit(2);
}

void storage_step(const char *what)
{
	static atomic_int n;
	const char *end = getenv("STORAGE_END_AT");
	const char *pause_at = getenv("STORAGE_PAUSE_AT");
	int now = ++n;

	if (getenv("STORAGE_STEPS"))
		fprintf(stderr, "step %d %s\n", now, what);
	if (end && now == strtol(end, NULL, 10))
		kill(getpid(), SIGKILL);
	if (pause_at && strcmp(what, pause_at) == 0)
		sleep(PAUSE_S);
}

static const char *code_name(int status)
{
	const char *name = strerrorname_np(-status);

	switch (status) {
	case -E_EXISTS:
		return "E_EXISTS";
	case -E_CORRUPT:
		return "E_CORRUPT";
	case -E_INVALID:
		return "E_INVALID";
	case -E_IN_USE:
		return "E_IN_USE";
	case -E_LOCKED:
		return "E_LOCKED";
	default:
		return name ? name : "?";
	}
}

static void on_answer(int status, const struct err *err, const struct storage_paths *paths,
		      const struct storage_space *space, void *arg)
{
	struct call *c = arg;

	c->status = status;
	if (status < 0) {
		printf("%s %s\n", code_name(status), err->text);
		return;
	}
	printf("ok");
	if (paths->data[0])
		printf(" data=%s meta=%s size=%llu", paths->data, paths->meta,
		       (unsigned long long)paths->size_bytes);
	if (space->total_kib)
		printf(" total=%lld free=%lld meta_percent=%d", (long long)space->total_kib,
		       (long long)space->free_kib, space->meta_percent);
	if (strcmp(c->op, "allocated") == 0)
		printf(" allocated=%lld", (long long)space->allocated_kib);
	printf("\n");
}

static void on_beside(int status, const struct err *err, const struct storage_paths *paths,
		      const struct storage_space *space, void *arg)
{
	struct call *c = arg;
	struct storage_activity a;

	storage_activity(c->loop, &c->pool, &a);
	printf("beside %s ms=%llu busy=%s,%s pid=%d waiting=%d\n", status < 0 ? err->text : "ok",
	       (unsigned long long)(clock_boot_ns() - c->began_ns) / 1000000,
	       a.what ? a.what : "nothing", a.volume, a.pid, a.waiting);
	fflush(stdout);
}

static void copy(char *out, size_t len, const char *text)
{
	if ((size_t)snprintf(out, len, "%s", text) >= len)
		usage();
}

static void take_pool(struct storage_pool *p, const char *kind, const char *source)
{
	copy(p->name, sizeof(p->name), "pool");
	copy(p->kind, sizeof(p->kind), kind);
	copy(p->source, sizeof(p->source), source);
}

static void take_beside(struct call *c, char *text)
{
	char *source = strchr(text, ',');

	if (!source)
		usage();
	*source++ = 0;
	take_pool(&c->beside, text, source);
}

static void take_key(struct storage_volume *v, const char *text)
{
	long first = strtol(text, NULL, 10);

	v->encrypted = true;
	v->has_key = first != 0;
	for (int i = 0; i < STORAGE_KEY_BYTES && v->has_key; i++)
		v->key[i] = (uint8_t)(first + i);
}

static void take_cache(struct storage_volume *v, char *text)
{
	char *bytes = strchr(text, ',');

	if (!bytes)
		usage();
	*bytes++ = 0;
	copy(v->cache.pool, sizeof(v->cache.pool), "fast");
	copy(v->cache.source, sizeof(v->cache.source), text);
	v->cache.bytes = strtoull(bytes, NULL, 10);
}

static void parse(struct call *c, int argc, char **argv)
{
	static const struct option options[] = {
		{ "size", 1, 0, 's' },  { "taken", 1, 0, 't' },  { "owner", 1, 0, 'o' },
		{ "uuid", 1, 0, 'u' },  { "beside", 1, 0, 'b' }, { "key", 1, 0, 'k' },
		{ "cache", 1, 0, 'c' }, { "reads", 1, 0, 'r' },  { 0 }
	};
	int option, owner = 1, uuid = 1;

	c->volume.size_bytes = c->snapshot.size_bytes = 16 << 20;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 's':
			c->volume.size_bytes = strtoull(optarg, NULL, 10);
			break;
		case 't':
			c->snapshot.size_bytes = strtoull(optarg, NULL, 10);
			break;
		case 'o':
			owner = (int)strtol(optarg, NULL, 10);
			break;
		case 'u':
			uuid = (int)strtol(optarg, NULL, 10);
			break;
		case 'b':
			take_beside(c, optarg);
			break;
		case 'r':
			c->volume.cache.reads = true;
			/* fall through */
		case 'c':
			take_cache(&c->volume, optarg);
			break;
		case 'k':
			take_key(&c->volume, optarg);
			break;
		default:
			usage();
		}
	}
	if (argc - optind < 3)
		usage();
	take_pool(&c->pool, argv[optind], argv[optind + 1]);
	c->op = argv[optind + 2];
	if (strcmp(c->op, "adoptable") == 0) { /* a device, which may be longer than a name */
		copy(c->snapshot.name, sizeof(c->snapshot.name),
		     argc - optind > 3 ? argv[optind + 3] : "");
		return;
	}
	copy(c->volume.name, sizeof(c->volume.name), argc - optind > 3 ? argv[optind + 3] : "");
	copy(c->snapshot.volume, sizeof(c->snapshot.volume), c->volume.name);
	copy(c->snapshot.name, sizeof(c->snapshot.name), argc - optind > 4 ? argv[optind + 4] : "");
	memset(c->volume.owner, owner, sizeof(c->volume.owner));
	memset(c->volume.volume, owner, sizeof(c->volume.volume));
	memset(c->snapshot.uuid, uuid, sizeof(c->snapshot.uuid));
	copy(c->volume.node, sizeof(c->volume.node), "n1");
}

static void adopt(struct call *c)
{
	struct storage_foreign from = { .size_bytes = c->snapshot.size_bytes };

	copy(from.name, sizeof(from.name), c->snapshot.name);
	c->volume.born = true;
	storage_adopt(c->loop, &c->pool, &c->volume, &from, on_answer, c);
}

static void begin(struct call *c)
{
	static const struct {
		const char *op;
		void (*f)(uv_loop_t *, const struct storage_pool *, const struct storage_volume *,
			  storage_cb, void *);
	} ops[] = { { "create", storage_create },
		    { "locate", storage_locate },
		    { "grow", storage_grow },
		    { "remove", storage_remove },
		    { "allocated", storage_allocated } };

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (strcmp(c->op, ops[i].op) == 0) {
			ops[i].f(c->loop, &c->pool, &c->volume, on_answer, c);
			return;
		}
	}
	if (strcmp(c->op, "adoptable") == 0)
		storage_adoptable(c->loop, &c->pool, c->snapshot.name, on_answer, c);
	else if (strcmp(c->op, "adopt") == 0)
		adopt(c);
	else if (strcmp(c->op, "probe") == 0)
		storage_probe(c->loop, &c->pool, on_answer, c);
	else if (strcmp(c->op, "snapshot") == 0)
		storage_snapshot(c->loop, &c->pool, &c->volume, &c->snapshot, on_answer, c);
	else if (strcmp(c->op, "restore") == 0)
		storage_restore(c->loop, &c->pool, &c->volume, &c->snapshot, on_answer, c);
	else if (strcmp(c->op, "snapshot-remove") == 0)
		storage_snapshot_remove(c->loop, &c->pool, &c->snapshot, on_answer, c);
	else
		usage();
}

int main(int argc, char **argv)
{
	static struct call c;

	log_init(LOG_LEVEL_INFO);
	parse(&c, argc, argv);
	storage_set_meta_ops(&labels_meta_ops);
	c.loop = uv_default_loop();
	c.began_ns = clock_boot_ns();
	begin(&c);
	if (c.beside.kind[0])
		storage_probe(c.loop, &c.beside, on_beside, &c);
	uv_run(c.loop, UV_RUN_DEFAULT);
	return c.status < 0;
}
