# SPDX-License-Identifier: GPL-2.0-or-later
"""gui.py - linstor-gui: a browser, for which a change has been made when every ret_code is above 0."""
from replay import Ask, Gui, Scenario, Until, at_least, count, eq, has, not_found

CLIENT = Gui("linstor-gui", "Mozilla/5.0")

RD, RG, NODE, KVS = "/v1/resource-definitions", "/v1/resource-groups", "/v1/nodes", \
    "/v1/key-value-store"
NAME = "gui-res"


def counted(what, low):
    return Ask("GET", "/v1/stats/" + what, None, at_least("count", low))


DASHBOARD = [
    Ask("GET", "/v1/controller/version", None, has("rest_api_version", "version")),
    Ask("GET", "/v1/controller/properties"),
    counted("nodes", 3), counted("storage-pools", 3), counted("resource-groups", 1),
    counted("resource-definitions", 0), counted("resources", 0), counted("error-reports", 0),
    Ask("GET", "/v1/remotes"), Ask("GET", "/v1/error-reports"),
]
STORES = [
    Ask("GET", KVS + "/__gui__settings", None, not_found),
    Ask("PUT", KVS + "/__gui__settings", {"override_props": {"dashboardEnabled": "true"}}),
    Ask("GET", KVS + "/__gui__settings", None, count("[*]", 1),
        eq("[0].props.dashboardEnabled", "true")),
    Ask("GET", KVS, None, eq("[name=__gui__settings].name", "__gui__settings")),
    Ask("DELETE", KVS + "/__gui__settings"),
    Ask("GET", KVS + "/__gui__settings", None, not_found),
]
NODES = [
    Ask("GET", NODE + "?nodes=n1&nodes=n2&limit=10&offset=0", None, count("[*]", 2)),
    Ask("GET", NODE + "/n1", None, eq("name", "n1"), has("net_interfaces[0].address")),
    Ask("GET", NODE + "/n1/net-interfaces", None, has("[*].name", "[*].address")),
    Ask("GET", NODE + "/n1/net-interfaces/default", None, eq("name", "default")),
    Ask("GET", NODE + "/n1/net-interfaces/none", None, not_found),
    Ask("GET", NODE + "/n1/storage-pools", None, eq("[*].node_name", "n1"),
        has("[storage_pool_name=pool].total_capacity")),
    Ask("GET", NODE + "/n1/storage-pools/pool", None, eq("storage_pool_name", "pool")),
    Ask("GET", "/v1/physical-storage/n1"),
]
RESOURCES = [
    Ask("POST", RG, {"name": "gui-group", "description": "", "select_filter": {
        "place_count": 2, "node_name_list": ["n1", "n2"]}}),
    Ask("POST", RG + "/gui-group/volume-groups", {}),
    Ask("GET", RG + "/gui-group/volume-groups/0", None, eq("volume_number", 0)),
    Ask("POST", RG + "/gui-group/spawn", {"resource_definition_name": NAME,
                                          "volume_sizes": [16384]}),
    Ask("GET", "/v1/view/resources?resources=%s&limit=10&offset=0" % NAME, None, count("[*]", 2)),
    Ask("GET", RD + "/%s/resources/n1/volumes" % NAME, None, count("[*]", 1),
        has("[0].device_path", "[0].uuid")),
    Ask("GET", RD + "/%s/volume-definitions" % NAME, None, eq("[0].size_kib", 16384)),
    Until("GET", RD + "/%s/sync-status" % NAME, None, eq("synced_on_all", True)),
    Ask("POST", RD + "/%s/resources/n3" % NAME, {"resource": {"node_name": "n3", "flags": [
        "DISKLESS"]}}),
    Ask("PUT", RD + "/%s/resources/n3/migrate-disk/n1" % NAME),
    Until("GET", RD + "/%s/resources" % NAME, None, count("[node_name=n1]", 0)),
    Until("GET", RD + "/%s/sync-status" % NAME, None, eq("synced_on_all", True)),
    Ask("PUT", RD + "/%s/resources/n2/toggle-disk/diskless" % NAME),
    Until("GET", RD + "/%s/resources/n2" % NAME, None, eq("node_name", "n2")),
    Ask("PUT", RD + "/" + NAME, {"override_props": {"Aux/gui": "1"}}),
    Ask("DELETE", RD + "/" + NAME),
    Ask("DELETE", RG + "/gui-group"),
]

SCENARIOS = [
    Scenario("dashboard", DASHBOARD),
    Scenario("settings", STORES),
    Scenario("nodes and pools", NODES),
    Scenario("resources", RESOURCES),
]
