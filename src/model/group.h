/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * group.h - resource groups: what resources made from them have in common.
 * Document "group/<name>": {"name","uuid","description","props":{},"select_filter":{..},
 *  "volume_groups":[{"volume_number":0,"props":{},"flags":[]}]}
 * select_filter is LINSTOR's; what it holds is normalised: "place_count" a number,
 * "diskless_on_remaining" a boolean, "node_name_list" and "storage_pool_list" lists of names
 * ("storage_pool" beside a list of one); "replicas_on_same", "replicas_on_different",
 * "not_place_with_rsc" and "provider_list" lists of texts, "x_replicas_on_different_map"
 * an object of numbers (rules.h). Fields that we do not know are kept.
 */
#ifndef SDSD_MODEL_GROUP_H
#define SDSD_MODEL_GROUP_H

#include "base/json.h"
#include "model/layers.h"
#include "model/name.h"
#include "model/rules.h"

#define GROUP_DEFAULT "DfltRscGrp" /* always there */
#define GROUP_DESCRIPTION_MAX 4096

struct group_select {    /* select_filter of a group or request; strings borrowed from it */
	int place_count; /* 0: not given */
	int additional;  /* "additional_place_count"; 0: not given */
	bool has_diskless_on_remaining, diskless_on_remaining;
	const char *nodes[NODES_MAX];
	int n_nodes;
	const char *pools[NODES_MAX];
	int n_pools;
	enum layers layers; /* "layer_stack" */
	struct place_rules rules;
};

/* filter NULL: nothing given. -E_BAD_LAYERS, -E_INVALID */
int group_filter_parse(json *filter, struct group_select *ret, struct err *err);
/* Sets in *filter what body gives (null is "not given"), normalised; body was parsed before. */
void group_filter_merge(json *filter, json *body);
/* What a request gives replaces what the group's filter says of the same; -E_INVALID: together they
 * are too many rules. f's layers and additional stay the group's and the request's own business. */
int group_select_over(struct group_select *group, const struct group_select *request,
		      struct err *err);
/* Whether a group can place by this filter on any nodes at all; -E_INVALID: why not */
int group_select_check(const struct group_select *f, struct err *err);
void group_key(const char *name, char *out, size_t len);

#endif
