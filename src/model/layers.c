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

int layers_parse(json *list, enum layers *ret, struct err *err)
{
	bool luks = false, nvme = false;
	size_t n;

	*ret = LAYERS_UNSAID;
	if (!list)
		return 0;
	if (!json_object_is_type(list, json_type_array))
		return err_set(err, -E_BAD_LAYERS, "the layers must be a list");
	n = json_object_array_length(list);
	for (size_t i = 0; i < n; i++) {
		const char *name = name_of(json_object_array_get_idx(list, i));
		bool drbd = strcasecmp(name, "drbd") == 0;

		if (drbd && nvme)
			return err_set(err, -E_BAD_LAYERS,
				       "Layers 'NVME' and 'DRBD' do not go together: what NVMe "
				       "shows to others is not replicated");
		if (drbd && luks)
			return err_set(err, -E_BAD_LAYERS,
				       "Layer 'LUKS' above DRBD is not supported, since every node "
				       "would need the key of what it only passes on: use "
				       "DRBD,LUKS,STORAGE");
		if (strcasecmp(name, "luks") == 0)
			luks = true;
		else if (strcasecmp(name, "nvme") == 0 && i == 0)
			nvme = true;
		else if (strcasecmp(name, "nvme") == 0)
			return err_set(err, -E_BAD_LAYERS,
				       "Layer 'NVME' is the first one, of NVME,STORAGE or "
				       "NVME,LUKS,STORAGE");
		else if (!drbd && strcasecmp(name, "storage") != 0)
			return err_set(err, -E_BAD_LAYERS,
				       "Layer '%.40s' is not supported: use DRBD,STORAGE or "
				       "DRBD,LUKS,STORAGE",
				       name);
	}
	if (n > 0)
		*ret = nvme ? (luks ? LAYERS_NVME_LUKS : LAYERS_NVME)
			    : (luks ? LAYERS_LUKS : LAYERS_PLAIN);
	return 0;
}

json *layers_doc(bool nvme, bool encrypted)
{
	json *list = json_object_new_array();

	json_object_array_add(list, json_object_new_string(nvme ? "NVME" : "DRBD"));
	if (encrypted)
		json_object_array_add(list, json_object_new_string("LUKS"));
	json_object_array_add(list, json_object_new_string("STORAGE"));
	return list;
}

bool layers_encrypted(enum layers l)
{
	return l == LAYERS_LUKS || l == LAYERS_NVME_LUKS;
}

bool layers_nvme(enum layers l)
{
	return l == LAYERS_NVME || l == LAYERS_NVME_LUKS;
}
