/* SPDX-License-Identifier: GPL-2.0-or-later */
/* show.h - what several verbs need: reading their words, and the tables of nodes and volumes. */
#ifndef SDSD_CLI_SHOW_H
#define SDSD_CLI_SHOW_H

#include "cli/client.h"
#include "cli/options.h"
#include "cli/print.h"

/* Options out, exactly n words in; else the usage was printed and CLI_USAGE is returned. */
int show_words(int argc, char **argv, const struct option_spec *specs, int n_specs,
	       const char **words, int n, const char *usage);
/* Prints a mutation's answer (messages, or the document with --output json); takes doc. CLI_OK */
int show_done(json *doc);
/* a whole verb: the list at path as a table with these heads, a row for each element */
int show_list(int argc, char **argv, const char *usage, const char *path, const char *const *heads,
	      void (*row)(struct table *t, json *o));
/* the table of a list that is here already, or, with --output json, the list; takes doc. CLI_OK */
int show_rows(json *doc, const char *const *heads, void (*row)(struct table *t, json *o));
/* the same of a verb that has read its words */
int show_table(const char *path, const char *const *heads, void (*row)(struct table *t, json *o));
/* a whole verb: DELETE path, whose two "%" are the n words of the command line */
int show_delete(int argc, char **argv, const char *usage, const char *path, int n);

/* "a,b" -> ["a","b"], a new list */
json *show_split(const char *text);
/* nodes, resources: of GET /v1/sds/status */
void show_nodes(json *nodes);
/* the same, not printed: the caller releases t */
void show_fill_nodes(struct table *t, json *nodes);
void show_volumes(json *resources);
/* reason, next step and what upkeep waits for, as far as they are there */
void show_reason_cell(struct table *t, json *resource);
/* replicas of one resource: where they are and how they are opened */
void show_replicas(json *resource);
/* Of a resource with several volumes: each of them on each node, with its socket; else nothing. */
void show_sockets(json *resource);
/* a line for each volume that can be opened with the replica */
void show_uris(json *replica);
/* the resource of this name in a status document, any case; NULL */
json *show_find(json *status, const char *name);
/* Does this service, of GET /v1/sds/status, not run although it should, with this resource (NULL:
 * with any)? Then out has a sentence about it. */
bool show_service_trouble(json *service, const char *resource, char *out, size_t len);
/* service.c: asks all services that run there to move. CLI_OK */
int service_move_away(const char *node);
/* of a replica that catches up, or anything with the same fields: "34 %, 1.20 GiB left, 85.00
 * MiB/s, 15 s to go", as far as they are there; "" without any. Returns out. */
const char *show_progress(json *o, char *out, size_t len);

#endif
