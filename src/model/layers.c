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

/* from above to below, as they may be; DRBD and STORAGE need no flag */
static const struct known {
	const char *name;
	enum layers layer;
} known[] = { { "DRBD", LAYERS_PLAIN },  { "NVME", LAYERS_NVME },
	      { "LUKS", LAYERS_LUKS },   { "WRITECACHE", LAYERS_WRITECACHE },
	      { "CACHE", LAYERS_CACHE }, { "STORAGE", LAYERS_PLAIN } };
#define KNOWN (sizeof(known) / sizeof(known[0]))

/* LAYERS_UNSAID: none that we know */
static enum layers layer_of(const char *name)
{
	for (size_t i = 0; i < KNOWN; i++) {
		if (strcasecmp(name, known[i].name) == 0)
			return known[i].layer;
	}
	return LAYERS_UNSAID;
}

/* name is below all of l, and may not be */
static const char *why_not_below(const char *name, enum layers l)
{
	static const char both_caches[] =
		"Layers 'WRITECACHE' and 'CACHE' do not go together: use one of them";
	static const struct {
		enum layers above;
		const char *below, *why;
	} rows[] = {
		{ LAYERS_NVME, "DRBD",
		  "Layers 'NVME' and 'DRBD' do not go together: what NVMe shows to others is not "
		  "replicated" },
		{ LAYERS_NVME, "WRITECACHE",
		  "Layers 'NVME' and 'WRITECACHE' do not go together: use DRBD,WRITECACHE,"
		  "STORAGE" },
		{ LAYERS_NVME, "CACHE",
		  "Layers 'NVME' and 'CACHE' do not go together: use DRBD,CACHE,STORAGE" },
		{ LAYERS_LUKS, "DRBD",
		  "Layer 'LUKS' above DRBD is not supported, since every node would need the key "
		  "of what it only passes on: use DRBD,LUKS,STORAGE" },
		{ LAYERS_WRITECACHE, "DRBD",
		  "Layer 'WRITECACHE' above DRBD is not supported, since what it holds would be "
		  "on one node only: use DRBD,WRITECACHE,STORAGE" },
		{ LAYERS_WRITECACHE, "LUKS",
		  "Layer 'WRITECACHE' above LUKS is not supported, since what it holds would not "
		  "be encrypted: use DRBD,LUKS,WRITECACHE,STORAGE" },
		{ LAYERS_CACHE, "DRBD",
		  "Layer 'CACHE' above DRBD is not supported, since it would not hear of what "
		  "other nodes write: use DRBD,CACHE,STORAGE" },
		{ LAYERS_CACHE, "LUKS",
		  "Layer 'CACHE' above LUKS is not supported, since what it holds would not be "
		  "encrypted: use DRBD,LUKS,CACHE,STORAGE" },
		{ LAYERS_WRITECACHE, "CACHE", both_caches },
		{ LAYERS_CACHE, "WRITECACHE", both_caches },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (layers_has(l, rows[i].above) && strcasecmp(name, rows[i].below) == 0)
			return rows[i].why;
	}
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

	for (size_t i = 0; i < KNOWN; i++) {
		bool replaced = i == 0 && layers_has(l, LAYERS_NVME);

		if (layers_has(l | LAYERS_PLAIN, known[i].layer) && !replaced)
			json_object_array_add(list, json_object_new_string(known[i].name));
	}
	return list;
}

json *layers_all(void)
{
	json *list = json_object_new_array();

	for (size_t i = 0; i < KNOWN; i++)
		json_object_array_add(list, json_object_new_string(known[i].name));
	return list;
}

bool layers_has(enum layers l, enum layers what)
{
	return (l & what) == what;
}

const char *layers_missing(enum layers l, enum layers wanted)
{
	for (size_t i = 0; i < KNOWN; i++) {
		if (layers_has(wanted, known[i].layer) && !layers_has(l, known[i].layer))
			return known[i].name;
	}
	return NULL;
}
