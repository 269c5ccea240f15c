// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * layers.c - see layers.h. Called by resource.c and group.c for documents and by the API for
 * requests.
 */
#include "model/layers.h"

#include <string.h>
#include <strings.h>

static const char *name_of(json *one)
{
	if (json_object_is_type(one, json_type_object))
		return jget_str(one, "type", "");
	return json_object_is_type(one, json_type_string) ? json_object_get_string(one) : "";
}

/* LAYERS_UNSAID: none that we know */
static enum layers layer_of(const char *name)
{
	static const struct {
		const char *name;
		enum layers layer;
	} known[] = { { "nvme", LAYERS_NVME },
		      { "drbd", LAYERS_PLAIN },
		      { "luks", LAYERS_LUKS },
		      { "writecache", LAYERS_CACHE },
		      { "storage", LAYERS_PLAIN } };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcasecmp(name, known[i].name) == 0)
			return known[i].layer;
	}
	return LAYERS_UNSAID;
}

/* name is below all of l, and may not be */
static const char *why_not_below(const char *name, enum layers l)
{
	bool drbd = strcasecmp(name, "drbd") == 0, luks = strcasecmp(name, "luks") == 0;

	if (drbd && layers_has(l, LAYERS_NVME))
		return "Layers 'NVME' and 'DRBD' do not go together: what NVMe shows to others is "
		       "not replicated";
	if (strcasecmp(name, "writecache") == 0 && layers_has(l, LAYERS_NVME))
		return "Layers 'NVME' and 'WRITECACHE' do not go together: use DRBD,WRITECACHE,"
		       "STORAGE";
	if (drbd && layers_has(l, LAYERS_LUKS))
		return "Layer 'LUKS' above DRBD is not supported, since every node would need the "
		       "key of what it only passes on: use DRBD,LUKS,STORAGE";
	if (drbd && layers_has(l, LAYERS_CACHE))
		return "Layer 'WRITECACHE' above DRBD is not supported, since what it holds would "
		       "be on one node only: use DRBD,WRITECACHE,STORAGE";
	if (luks && layers_has(l, LAYERS_CACHE))
		return "Layer 'WRITECACHE' above LUKS is not supported, since what it holds would "
		       "not be encrypted: use DRBD,LUKS,WRITECACHE,STORAGE";
	return NULL;
}

static int add_layer(const char *name, bool first, enum layers *l, struct err *err)
{
	enum layers one = layer_of(name);
	const char *why;

	if (one == LAYERS_UNSAID)
		return err_set(err, -E_BAD_LAYERS,
			       "Layer '%.40s' is not supported: use DRBD,STORAGE or "
			       "DRBD,LUKS,STORAGE",
			       name);
	why = why_not_below(name, *l);
	if (!why && one == LAYERS_NVME && !first)
		why = "Layer 'NVME' is the first one, of NVME,STORAGE or NVME,LUKS,STORAGE";
	if (why)
		return err_set(err, -E_BAD_LAYERS, "%s", why);
	*l |= one;
	return 0;
}

int layers_parse(json *list, enum layers *ret, struct err *err)
{
	enum layers l = LAYERS_UNSAID;
	int rv = 0;

	*ret = LAYERS_UNSAID;
	if (!list)
		return 0;
	if (!json_object_is_type(list, json_type_array))
		return err_set(err, -E_BAD_LAYERS, "the layers must be a list");
	for (size_t i = 0; i < json_object_array_length(list) && rv == 0; i++)
		rv = add_layer(name_of(json_object_array_get_idx(list, i)), i == 0, &l, err);
	if (rv == 0)
		*ret = l;
	return rv;
}

json *layers_doc(enum layers l)
{
	json *list = json_object_new_array();

	json_object_array_add(list,
			      json_object_new_string(layers_has(l, LAYERS_NVME) ? "NVME" : "DRBD"));
	if (layers_has(l, LAYERS_LUKS))
		json_object_array_add(list, json_object_new_string("LUKS"));
	if (layers_has(l, LAYERS_CACHE))
		json_object_array_add(list, json_object_new_string("WRITECACHE"));
	json_object_array_add(list, json_object_new_string("STORAGE"));
	return list;
}

bool layers_has(enum layers l, enum layers what)
{
	return (l & what) == what;
}
