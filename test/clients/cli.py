# SPDX-License-Identifier: GPL-2.0-or-later
"""cli.py - linstor-client: two probes of the version before each command, numbers as strings, nulls,
True and False in queries, names in any case."""
from replay import (Ask, Keep, Python, Scenario, Until, count, eq, fails, first_number, has, not_found,
                    refused, status)

CLIENT = Python("linstor-client", "PythonLinstor/1.27.1 (API1.0.4): Client 1.27.0")

RD, RG, NODE = "/v1/resource-definitions", "/v1/resource-groups", "/v1/nodes"
# the first probe only looks for a 302, which would mean HTTPS
PROBES = [
    Ask("GET", "/v1/controller/version", None, status(200)),
    Ask("GET", "/v1/controller/version", None,
        has("version", "git_hash", "build_time", "rest_api_version"),
        eq("rest_api_version", "1.27.0")),
]
STATES = ("OFFLINE", "CONNECTED", "ONLINE", "VERSION_MISMATCH", "FULL_SYNC_FAILED", "UNKNOWN",
          "AUTHENTICATION_ERROR", "HOSTNAME_MISMATCH", "OTHER_CONTROLLER", "NO_STLT_CONN",
          "MISSING_EXT_TOOLS")
NOTHING = {"override_props": {}, "delete_props": [], "delete_namespaces": []}


def run(*asks):
    """one command"""
    return PROBES + list(asks)


def set_(path, key="Aux/cli", value="1", method="PUT"):
    return run(Ask(method, path, dict(NOTHING, override_props={key: value}))) + \
        run(Ask(method, path, dict(NOTHING, delete_props=[key])))


def moved(away):
    return run(Until("GET", RD + "/cli-res/resources", None, count("[*]", 2),
                     count("[node_name=%s]" % away, 0)),
               Until("GET", RD + "/cli-res/sync-status", None, eq("synced_on_all", True)))


LISTS = run(
    Ask("GET", NODE, None, eq("[*].connection_status", *STATES),
        eq("[*].type", "SATELLITE", "COMBINED", "CONTROLLER", "AUXILIARY"),
        has("[*].net_interfaces[*].satellite_encryption_type", "[*].resource_layers",
            "[*].storage_providers", "[*].net_interfaces[*].address"))) + \
    run(Ask("GET", "/v1/view/storage-pools", None,
            has("[*].free_space_mgr_name", "[*].uuid", "[*].supports_snapshots"))) + \
    run(Ask("GET", "/v1/view/storage-pools?nodes=N1&nodes=n2&storage_pools=POOL", None,
            count("[*]", 2))) + \
    run(Ask("GET", "/v1/view/storage-pools?nodes=nobody", None, count("[*]", 0))) + \
    run(Ask("GET", RG, None, has("[*].name")),
        Ask("GET", RG + "/DfltRscGrp/volume-groups", None)) + \
    run(Ask("GET", RD + "?with_volume_definitions=True", None)) + \
    run(Ask("GET", "/v1/controller/properties")) + \
    run(Ask("GET", "/v1/key-value-store")) + \
    run(Ask("GET", "/v1/remotes")) + run(Ask("GET", "/v1/physical-storage")) + \
    run(Ask("GET", "/v1/view/snapshots")) + run(Ask("GET", "/v1/node-connections")) + \
    run(Ask("GET", "/v1/storage-pool-definitions")) + \
    run(Ask("GET", "/v1/error-reports")) + \
    run(Ask("OPTIONS", "/v1/query-max-volume-size", {"place_count": "2"},
            has("candidates", "default_max_oversubscription_ratio")))
GROUP = run(
    Ask("POST", RG, {"name": "cligroup", "description": None, "props": {}, "select_filter": {
        "place_count": "2", "storage_pool": "pool", "diskless_on_remaining": None,
        "node_name_list": ["n1", "n2"], "layer_stack": ["drbd", "storage"],
        "x_replicas_on_different_map": None}}, first_number(1))) + \
    run(Ask("POST", RG + "/cligroup/volume-groups", {"volume_number": "0"})) + \
    run(Ask("GET", RG, None, eq("[name=cligroup].select_filter.place_count", 2),
            eq("[name=cligroup].select_filter.layer_stack", ["DRBD", "STORAGE"])),
        Ask("GET", RG + "/cligroup/volume-groups", None, eq("[0].volume_number", 0))) + \
    run(Ask("PUT", RG + "/cligroup", {"description": "of the command line",
                                      "select_filter": {"place_count": "2"}})) + \
    run(Ask("PUT", RG + "/cligroup/volume-groups/0", dict(NOTHING, override_props={
        "Aux/g": "1"}))) + \
    run(Ask("POST", RG + "/cligroup/query-size-info", {"select_filter": {}},
            has("space_info.max_vlm_size_in_kib", "space_info.next_spawn_result"))) + \
    run(Ask("GET", RG + "/cligroup/query-max-volume-size", None,
            has("candidates[*].storage_pool", "candidates[*].max_volume_size_kib",
                "candidates[*].node_names", "candidates[*].all_thin"))) + \
    run(Ask("POST", RG + "/CliGroup/spawn", {
        "resource_definition_name": "cli-res", "volume_sizes": ["32768"], "partial": False,
        "definitions_only": False, "select_filter": None}))
RESOURCE = run(
    Ask("GET", "/v1/view/resources", None,
        has("[*].layer_object.children[*].type", "[*].volumes[*].layer_data_list[*].type",
            "[*].volumes[*].allocated_size_kib",
            "[*].layer_object.drbd.drbd_volumes[*].drbd_volume_definition.minor_number"),
        eq("[name=cli-res].volumes[0].state.disk_state", "UpToDate", "Inconsistent",
           "SyncTarget", "Outdated", "Unknown"))) + \
    run(Ask("GET", "/v1/view/resources?nodes=n1&resources=CLI-RES&storage_pools=pool", None,
            count("[*]", 1), eq("[0].name", "cli-res"))) + \
    run(Ask("GET", "/v1/view/resources?limit=1&offset=0", None, count("[*]", 1))) + \
    run(Ask("POST", RD + "/cli-res/resources", [{"resource": {
        "node_name": "n3", "props": {}, "flags": ["DRBD_DISKLESS"]}, "layer_list": ["drbd",
                                                                                     "storage"]}])) + \
    run(Ask("PUT", RD + "/cli-res/resources/n3/toggle-disk/diskful/pool")) + \
    run(Until("GET", RD + "/cli-res/sync-status", None, eq("synced_on_all", True))) + \
    run(Ask("PUT", RD + "/cli-res/resources/n3/toggle-disk/diskless")) + \
    run(Ask("PUT", RD + "/cli-res/resources/n3/toggle-disk/diskful")) + \
    run(Until("GET", RD + "/cli-res/sync-status", None, eq("synced_on_all", True))) + \
    run(Ask("DELETE", RD + "/cli-res/resources/n3?keep_tiebreaker=True")) + \
    run(Ask("POST", RD + "/cli-res/resources/n1/deactivate")) + \
    run(Ask("POST", RD + "/cli-res/resources/n1/activate")) + \
    run(Ask("PUT", RD + "/cli-res/volume-definitions/0", {"size_kib": 40960})) + \
    run(Ask("GET", RD + "/cli-res/resource-connections")) + \
    run(Ask("PUT", RD + "/cli-res/resource-connections/n1/n2", dict(NOTHING, override_props={
        "Paths/p/n1": "default"}))) + \
    run(Ask("GET", RD + "/cli-res/resource-connections/n1/n2", None, eq("node_a", "n1"),
            eq("props.Paths/p/n1", "default"))) + \
    run(Ask("PUT", RD + "/cli-res/resources/n3/migrate-disk/n2/pool")) + \
    moved("n2") + \
    run(Ask("PUT", RD + "/cli-res/resources/n3/toggle-disk", {
        "operation": "INTO_DRBD_DISKFUL"})) + \
    run(Ask("PUT", RD + "/cli-res/resources/n2/migrate-disk/n3/pool")) + \
    moved("n3") + \
    run(Ask("POST", RD + "/cli-res/resources/n3/make-available", {"diskful": False})) + \
    run(Ask("PUT", RD + "/cli-res/resources/n3/toggle-disk/diskless/DfltDisklessStorPool")) + \
    run(Ask("DELETE", RD + "/cli-res/resources/n3?keep_tiebreaker=False")) + \
    run(Ask("POST", RG + "/cligroup/adjust", {})) + \
    run(Ask("POST", "/v1/resource-groups/adjustall", {})) + \
    set_(RD + "/cli-res") + set_(RD + "/cli-res/resources/n1") + \
    set_(RD + "/cli-res/resources/n1/volumes/0") + set_(NODE + "/n1") + \
    set_(NODE + "/n1/storage-pools/pool") + set_("/v1/key-value-store/cli") + \
    set_("/v1/controller/properties", method="POST") + set_("/v1/node-connections/n1/n2")
MORE = "more-files"
OF_NODES = run(
    # nodes join with a token: the command says so
    Ask("POST", NODE, {"name": "n9", "type": "satellite", "net_interfaces": [{
        "name": "default", "address": "10.99.0.9", "satellite_port": 3366,
        "satellite_encryption_type": "plain", "is_active": True}]}, refused(500))) + \
    run(Ask("DELETE", NODE + "/n9", None, status(200), first_number(3000))) + \
    run(Ask("DELETE", NODE + "/n9/lost", None, first_number(3000))) + \
    run(Ask("POST", NODE + "/n1/storage-pools", {
        "storage_pool_name": MORE, "provider_kind": "FILE_THIN",
        "props": {"StorDriver/StorPoolName": "{folder}"}})) + \
    run(Ask("DELETE", NODE + "/n1/storage-pools/" + MORE)) + \
    run(Ask("POST", "/v1/physical-storage/n1", {
        "provider_kind": "lvmthin", "device_paths": ["/dev/no-such-disk"], "pool_name": "p9",
        "vdo_enable": False, "with_storage_pool": {"name": "p9", "props": {}}}, refused(500))) + \
    run(
    Ask("POST", NODE + "/n1/net-interfaces", {"name": "second", "address": "10.99.0.1",
                                              "satellite_port": None, "is_active": False})) + \
    run(Ask("PUT", NODE + "/n1/net-interfaces/second", {"address": "10.99.0.2"})) + \
    run(Ask("DELETE", NODE + "/n1/net-interfaces/second")) + \
    run(Ask("PUT", NODE + "/n1/reconnect")) + \
    run(Ask("PUT", NODE + "/n3/evacuate")) + run(Ask("PUT", NODE + "/n3/restore", {}))
# each ends the command with exit code 10 and the message; none may be a traceback
REFUSED = run(Ask("POST", RD, b"{", refused(400), eq("[0].ret_code", -3458764513820540931))) + \
    run(Ask("GET", RD + "/none/resources", None, not_found)) + \
    run(Ask("PUT", RD + "/none", NOTHING, not_found, first_number(301))) + \
    run(Ask("PUT", RG + "/none", NOTHING, not_found, first_number(317))) + \
    run(Ask("PUT", NODE + "/none", NOTHING, not_found, first_number(300))) + \
    run(Ask("POST", RG + "/none/spawn", {"resource_definition_name": "x9",
                                         "volume_sizes": ["8192"]}, not_found, first_number(317))) + \
    run(Ask("PUT", NODE + "/n1/storage-pools/none", NOTHING, not_found, first_number(310))) + \
    run(Ask("DELETE", RD + "/none", None, first_number(3000), status(200))) + \
    run(Ask("DELETE", RG + "/DfltRscGrp", None, refused(500))) + \
    run(Ask("POST", RD, {"resource_definition": {"name": "1bad"}}, fails(202, 500))) + \
    run(Ask("POST", RD, {"resource_definition": {"name": "all"}}, fails(202, 500))) + \
    run(Ask("POST", RG, {"name": "bcache", "select_filter": {"layer_stack": ["bcache"]}},
            fails(225, 500))) + \
    run(Ask("PUT", RD + "/cli-res", dict(NOTHING, override_props={"sds/handover": "perhaps"}),
            fails(213, 500))) + \
    run(Ask("GET", "/v1/no/such/path", None, not_found)) + \
    run(Ask("DELETE", NODE, None, fails(998, 405))) + \
    run(Ask("GET", RD + "/x9", None, not_found))
EXTERNAL = run(
    Ask("POST", RG + "/cligroup/spawn", {
        "resource_definition_external_name": "blanks, and Ümlaute", "volume_sizes": [8192],
        "definitions_only": True})) + \
    run(Keep("invented", "[external_name=blanks, and Ümlaute].name", "GET", RD)) + \
    run(Ask("DELETE", RD + "/{invented}"))
SNAPSHOTS = run(
    Ask("POST", RD + "/cli-res/snapshots", {"name": "cli-snap"}, first_number(1))) + \
    run(Ask("GET", "/v1/view/snapshots?resources=CLI-RES", None, count("[*]", 1),
            eq("[0].flags", ["SUCCESSFUL"]))) + \
    set_(RD + "/cli-res/snapshots/cli-snap") + \
    run(Ask("POST", RD + "/cli-res/snapshots", {"name": "cli-snap"}, fails(514, 500))) + \
    run(Ask("DELETE", RD + "/cli-res/snapshots/cli-snap", None, first_number(2))) + \
    run(Ask("DELETE", RD + "/cli-res/snapshots/cli-snap", None, first_number(3000)))
GONE = run(Ask("DELETE", RD + "/cli-res")) + \
    run(Ask("DELETE", RD + "/cli-res", None, first_number(3000))) + \
    run(Ask("DELETE", RG + "/cligroup/volume-groups/0")) + run(Ask("DELETE", RG + "/cligroup"))

SCENARIOS = [
    Scenario("lists", LISTS),
    Scenario("group, spawn", GROUP),
    Scenario("resources and properties", RESOURCE),
    Scenario("nodes", OF_NODES),
    Scenario("refused", REFUSED),
    Scenario("external name", EXTERNAL),
    Scenario("snapshots", SNAPSHOTS, snapshots=True),
    Scenario("delete", GONE),
]
