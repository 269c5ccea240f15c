// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * change_clone.c - a resource is copied under another name. Called by the API. What a
 * snapshot was taken for stands in its property CLONE_TARGET, so that any leader goes on
 * with it (api/clones.c asks once a second).
 */
#include "model/change.h"

#include <stdio.h>
#include <string.h>

#include "model/bundle.h"

#define CLONE_PREFIX "clone-"

/* A source whose volumes alone say where their cache is tells the target by the first of them. */
static void keep_cache(json *source, json *props)
{
	struct resource r;

	if (resource_parse(source, &r, NULL) == 0 && r.cached && r.n_volumes > 0)
		volume_cache_tell(&r.volume[0].cache, props);
}

int change_clone_begin(struct change_env *env, struct txn *t, const char *source,
		       const char *target, const char *group, json *props,
		       char ret_snapshot[NAME_MAX_LEN + 1], struct err *err)
{
	json *target_props = NULL, *snapshot_props = json_object_new_object();
	char uuid[37], key[STORE_KEY_MAX], own_group[NAME_MAX_LEN + 1];
	enum layers layers = LAYERS_UNSAID;
	json *doc;
	int rv;

	resource_key(source, key, sizeof(key));
	rv = txn_get(t, env->store, key, &doc);
	if (rv < 0) {
		json_object_put(snapshot_props);
		return err_set(err, rv, "resource %.60s: there is no such resource", source);
	}
	snprintf(own_group, sizeof(own_group), "%s", jget_str(doc, "group", GROUP_DEFAULT));
	layers_parse(jget(doc, "layers"), &layers, NULL);
	layers |= LAYERS_PLAIN; /* as the source is, whatever its group says */
	target_props = json_copy(jget(doc, "props"));
	keep_cache(doc, target_props);
	json_object_put(doc);
	if (props) {
		json_object_object_foreach(props, name, value)
			jset(target_props, name, json_copy(value));
	}
	env->uuid(uuid);
	snprintf(ret_snapshot, NAME_MAX_LEN + 1, CLONE_PREFIX "%.8s", uuid);
	jset_str(snapshot_props, CLONE_TARGET, target);
	jset_str(target_props, CLONE_SOURCE, source);
	rv = change_resource_create(env, t, target, group ? group : own_group, layers, target_props,
				    err);
	if (rv == 0)
		rv = change_snapshot_begin(env, t, source, ret_snapshot, snapshot_props, err);
	json_object_put(target_props);
	json_object_put(snapshot_props);
	return rv;
}

/* all copies that begin with the snapshot are made */
static bool is_made(const struct bundle *b)
{
	for (int i = 0; i < b->n; i++) {
		for (int k = 0; k < b->resource.n_volumes && b->replica[i].born; k++) {
			if (!(b->replica[i].made & 1u << b->resource.volume[k].number))
				return false;
		}
	}
	return true;
}

int change_clone_advance(struct change_env *env, struct txn *t, const char *source,
			 const char *snapshot, struct err *err)
{
	char key[STORE_KEY_MAX], target[NAME_MAX_LEN + 1];
	bool taken, made, has_volumes;
	struct bundle b;
	json *doc;
	int rv;

	snapshot_key(source, snapshot, key, sizeof(key));
	rv = txn_get(t, env->store, key, &doc);
	if (rv < 0)
		return err_set(err, rv, "resource %.60s: has no snapshot %.60s", source, snapshot);
	taken = jget_bool(doc, "taken", false);
	snprintf(target, sizeof(target), "%s", jget_str(jget(doc, "props"), CLONE_TARGET, ""));
	json_object_put(doc);
	if (!taken || !target[0])
		return 0;
	rv = bundle_load(env, t, target, &b, err);
	if (rv == -E_NOT_FOUND)
		return change_snapshot_delete(env, t, source, snapshot, err);
	if (rv < 0)
		return rv;
	made = is_made(&b);
	has_volumes = b.resource.n_volumes > 0;
	bundle_release(&b);
	if (!has_volumes)
		return change_snapshot_spawn(env, t, source, snapshot, target, err);
	return made ? change_snapshot_delete(env, t, source, snapshot, err) : 0;
}
