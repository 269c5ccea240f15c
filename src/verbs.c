// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * verbs.c - sdsd run, init, join and recover: options in, a call of daemon.c or cluster/,
 * words out. They live above cli/ since that folder does not know the daemon.
 */
#include "verbs.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "cli/cli.h"
#include "cluster/init.h"
#include "cluster/join.h"
#include "cluster/recover.h"
#include "cluster/statedir.h"
#include "daemon.h"
#include "version.h"

#define TOKEN_FILE_MAX 4096
#define LISTED_MAX 20 /* names in one line */

static int usage(const char *verb, const struct err *err)
{
	fprintf(stderr, "sdsd %s: %s; see sdsd %s --help\n", verb, err->text, verb);
	return CLI_USAGE;
}

static int failed(const struct err *err)
{
	fprintf(stderr, "sdsd: %s\n", err->text);
	return CLI_FAILED;
}

static int verb_run(int argc, char **argv)
{
	struct config config;
	struct err err = { 0 };

	if (config_parse(argc, argv, &config, &err) < 0)
		return usage("run", &err);
	return daemon_run(&config);
}

/* the options of init, join and recover; each takes those it knows */
struct options {
	const char *dir, *node, *cluster, *address, *token, *token_file, *wait;
	const char *word; /* the argument that is no option */
	bool force;
};

static int parse(int argc, char **argv, const struct option *known, struct options *o,
		 struct err *err)
{
	int option;

	optind = 0; /* glibc: begin anew */
	opterr = 0;
	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 'd':
			o->dir = optarg;
			break;
		case 'n':
			o->node = optarg;
			break;
		case 'c':
			o->cluster = optarg;
			break;
		case 'a':
			o->address = optarg;
			break;
		case 't':
			o->token = optarg;
			break;
		case 'f':
			o->token_file = optarg;
			break;
		case 'w':
			o->wait = optarg;
			break;
		case 'F':
			o->force = true;
			break;
		default:
			return err_set(err, -E_INVALID, "unknown option, or one without its value");
		}
	}
	if (optind < argc)
		o->word = argv[optind++];
	if (optind < argc)
		return err_set(err, -E_INVALID, "unexpected argument \"%.100s\"", argv[optind]);
	return 0;
}

static const char *host_port(const struct identity *id, char out[ADDRESS_LEN_MAX + 16])
{
	snprintf(out, ADDRESS_LEN_MAX + 16, strchr(id->address, ':') ? "[%s]:%d" : "%s:%d",
		 id->address, id->port);
	return out;
}

static void print_start(const char *dir)
{
	if (strcmp(dir, CONFIG_DIR_DEFAULT) == 0)
		printf("  systemctl enable --now sdsd      (or: sdsd run)\n");
	else
		printf("  sdsd run --dir %s\n", dir);
}

static int verb_init(int argc, char **argv)
{
	static const struct option known[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ "name", required_argument, NULL, 'n' },
		{ "cluster", required_argument, NULL, 'c' },
		{ "address", required_argument, NULL, 'a' },
		{ 0 },
	};
	char token[TOKEN_TEXT_MAX], address[ADDRESS_LEN_MAX + 16];
	struct options o = { .dir = NULL };
	struct init_options init;
	struct identity id;
	struct err err = { 0 };

	log_init(LOG_LEVEL_WARN);
	if (parse(argc, argv, known, &o, &err) < 0)
		return usage("init", &err);
	if (o.word) {
		err_set(&err, -E_INVALID, "unexpected argument \"%.100s\"", o.word);
		return usage("init", &err);
	}
	init = (struct init_options){ config_dir(o.dir), o.node, o.cluster, o.address };
	if (init_cluster(&init, &id, token, &err) < 0)
		return failed(&err);
	printf("Node %s is the first of cluster %s, reached at %s.\n\n", id.node, id.cluster_name,
	       host_port(&id, address));
	printf("Start it:\n");
	print_start(init.dir);
	printf("\nThen, on another machine, within %d minutes:\n  sdsd join %s --token %s\n"
	       "\nEach further node needs a token of its own: sdsd token create\n",
	       TOKEN_TTL_DEFAULT_S / 60, address, token);
	return CLI_OK;
}

/* --token, --token-file or the environment, in this order */
static int find_token(const struct options *o, struct buf *file, const char **ret, struct err *err)
{
	const char *env = getenv("SDSD_TOKEN");
	int rv;

	if (o->token && o->token_file)
		return err_set(err, -E_INVALID, "either --token or --token-file");
	if (o->token_file) {
		rv = fs_read(o->token_file, file, err);
		*ret = file->data ? (char *)file->data : "";
		return rv;
	}
	if (!o->token && !(env && env[0]))
		return err_set(err, -E_INVALID,
			       "a token is needed: --token, --token-file or $SDSD_TOKEN; make "
			       "one on a node with sdsd token create");
	*ret = o->token ? o->token : env;
	return 0;
}

static int parse_wait(const char *text, int *ret, struct err *err)
{
	char *end;
	long value;

	if (!text)
		return 0;
	errno = 0;
	value = strtol(text, &end, 10);
	if (errno || end == text || *end || value < 0 || value > JOIN_WAIT_MAX_S)
		return err_set(err, -E_INVALID, "--wait: seconds from 0 to %d expected",
			       JOIN_WAIT_MAX_S);
	*ret = (int)value;
	return 0;
}

static int run_join(const struct join_options *join)
{
	struct identity id;
	struct err err = { 0 };
	bool already;
	char address[ADDRESS_LEN_MAX + 16];

	if (join_cluster(join, &id, &already, &err) < 0)
		return failed(&err);
	if (already) {
		printf("This is node %s of cluster %s already.\n", id.node, id.cluster_name);
		return CLI_OK;
	}
	printf("Node %s is a member of cluster %s, reached at %s.\n\nStart it:\n", id.node,
	       id.cluster_name, host_port(&id, address));
	print_start(join->dir);
	return CLI_OK;
}

static int verb_join(int argc, char **argv)
{
	static const struct option known[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ "name", required_argument, NULL, 'n' },
		{ "address", required_argument, NULL, 'a' },
		{ "token", required_argument, NULL, 't' },
		{ "token-file", required_argument, NULL, 'f' },
		{ "wait", required_argument, NULL, 'w' },
		{ 0 },
	};
	struct join_options join = { .wait_s = JOIN_WAIT_DEFAULT_S };
	struct options o = { .dir = NULL };
	struct buf file;
	struct err err = { 0 };
	int rv;

	log_init(LOG_LEVEL_INFO);
	buf_init(&file, TOKEN_FILE_MAX);
	rv = parse(argc, argv, known, &o, &err);
	if (rv == 0)
		rv = parse_wait(o.wait, &join.wait_s, &err);
	if (rv == 0 && !o.word)
		rv = err_set(&err, -E_INVALID, "the address of a node of the cluster is needed");
	if (rv == 0)
		rv = find_token(&o, &file, &join.token, &err);
	if (rv < 0) {
		rv = rv == -E_INVALID ? usage("join", &err) : failed(&err);
	} else {
		join.dir = config_dir(o.dir);
		join.peer = o.word;
		join.node = o.node;
		join.address = o.address;
		rv = run_join(&join);
	}
	if (file.data)
		explicit_bzero(file.data, file.len);
	buf_release(&file);
	return rv;
}

/* "n2, n3" */
static void print_names(const char *what, json *names)
{
	size_t n = json_object_array_length(names);

	printf("%s (%zu)%s", what, n, n > 0 ? ":" : "");
	for (size_t i = 0; i < n && i < LISTED_MAX; i++)
		printf("%s %s", i > 0 ? "," : "",
		       json_object_get_string(json_object_array_get_idx(names, i)));
	printf("%s\n", n > LISTED_MAX ? ", ..." : "");
}

static void print_survey(json *o)
{
	printf("Node %s of cluster %s has all changes up to number %lld.\n\n",
	       jget_str(o, "node", ""), jget_str(o, "cluster", ""),
	       (long long)jget_i64_or(o, "applied", 0));
	print_names("Nodes that are given up", jget(o, "others"));
	print_names("Volumes whose data is here", jget(o, "here"));
	print_names("Volumes whose data is not here, and which are defined only",
		    jget(o, "elsewhere"));
	printf("\n");
}

static void print_before(void)
{
	printf("Nothing was done. With --force-new-cluster this node is a cluster of its own:\n"
	       "- Only when more than half of the voters are gone for ever, and on one node:\n"
	       "  the one with the highest number above.\n"
	       "- What the others have changed after that number is gone: definitions, and\n"
	       "  what was written to a volume after its copy here was no longer in sync.\n"
	       "- The others are lost from then on. None of them may run any more before its\n"
	       "  state directory was removed: more than half of them would be the old cluster.\n");
}

static void print_after(const char *dir)
{
	printf("This node is a cluster of its own from now on. Start it:\n");
	print_start(dir);
	printf("\nThe others are lost and will be refused. To have one of them again, remove its\n"
	       "state directory and what is in its pools, and let it join like a new one: sdsd\n"
	       "token create here, sdsd join there. Copies are made anew where there is room.\n");
}

static int verb_recover(int argc, char **argv)
{
	static const struct option known[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ "force-new-cluster", no_argument, NULL, 'F' },
		{ 0 },
	};
	struct options o = { .dir = NULL };
	const char *dir;
	struct err err = { 0 };
	json *found;
	int rv;

	log_init(LOG_LEVEL_WARN);
	rv = parse(argc, argv, known, &o, &err);
	if (rv == 0 && o.word)
		rv = err_set(&err, -E_INVALID, "unexpected argument \"%.100s\"", o.word);
	if (rv < 0)
		return usage("recover", &err);
	dir = config_dir(o.dir);
	rv = o.force ? recover_force(dir, &found, &err) : recover_look(dir, &found, &err);
	if (rv < 0)
		return failed(&err);
	print_survey(found);
	json_object_put(found);
	if (o.force)
		print_after(dir);
	else
		print_before();
	return CLI_OK;
}

static const struct cli_verb table[] = {
	{ "run", NULL,
	  "[--dir D] [--run-dir R] [--listen HOST:PORT] [--http A:P|off] [--https A:P|off] "
	  "[--log-level L] [--plane P]",
	  "run the daemon of this node", verb_run,
	  "  --dir D           state directory (" CONFIG_DIR_DEFAULT ", $SDSD_DIR)\n"
	  "  --run-dir R       sockets (" CONFIG_RUN_DEFAULT ", $SDSD_RUN_DIR)\n"
	  "  --listen H:P      listen here instead of the address given at init or join\n"
	  "  --http A:P        HTTP for users (127.0.0.1:3370, $SDSD_HTTP), or off\n"
	  "  --https A:P       the same over TLS ([::]:3371, $SDSD_HTTPS); may be repeated\n"
	  "  --log-level L     error, warn, info or debug\n"
	  "  --plane P         kernel (the module rvol), user (NBD), or auto: $SDSD_PLANE\n"
	  "\nExample: sdsd run --dir /var/lib/sdsd" },
	{ "init", NULL, "[--name NODE] [--cluster NAME] [--address IP[:PORT]] [--dir D]",
	  "make a new cluster with this machine as its first node", verb_init,
	  "  --name NODE       name of this node (the host name)\n"
	  "  --cluster NAME    name of the cluster (default)\n"
	  "  --address A       literal IP address by which other nodes reach this one\n"
	  "  --dir D           state directory (" CONFIG_DIR_DEFAULT ", $SDSD_DIR)\n"
	  "\nExample: sdsd init --name n1 --address 10.0.0.1" },
	{ "join", NULL,
	  "PEER[:PORT] --token T [--name NODE] [--address IP[:PORT]] [--dir D] [--wait S]",
	  "make this machine a node of an existing cluster", verb_join,
	  "  PEER              any node of the cluster\n"
	  "  --token T         from sdsd token create (or --token-file F, or $SDSD_TOKEN)\n"
	  "  --name NODE       name of this node (the host name)\n"
	  "  --address A       literal IP address by which other nodes reach this one\n"
	  "  --wait S          seconds to wait for a peer that is not there yet (30)\n"
	  "  --dir D           state directory (" CONFIG_DIR_DEFAULT ", $SDSD_DIR)\n"
	  "\nExample: sdsd join 10.0.0.1 --token sds1-... --name n2 --address 10.0.0.2" },
	{ "recover", NULL, "[--force-new-cluster] [--dir D]",
	  "make a cluster of this node alone when the majority is lost for ever", verb_recover,
	  "Without the option it says what there is on this node, and does nothing. The daemon\n"
	  "must not run.\n\n"
	  "  --force-new-cluster  do it: the other nodes are given up\n"
	  "  --dir D              state directory (" CONFIG_DIR_DEFAULT ", $SDSD_DIR)\n"
	  "\nExample: sdsd recover" },
};

void verbs_register(void)
{
	cli_register(table, sizeof(table) / sizeof(table[0]));
	cli_set_libraries(version_libraries);
}
