# SPDX-License-Identifier: GPL-2.0-or-later
"""proxmox.py - linstor-proxmox: GET /health before everything, each request on a connection of its own,
exact statuses, sizes that Perl has divided."""
from replay import (Ask, Open, Perl, Scenario, Shut, Until, at_least, contains, count, eq, fails, has,
                    status)

CLIENT = Perl("linstor-proxmox", "linstor-proxmox/8.3.0")

RD, RG = "/v1/resource-definitions", "/v1/resource-groups"
DISK = "pm-1a2b3c4d"
HEALTH = Ask("GET", "/health", None, status(200))
VIEW = Ask("GET", "/v1/view/resources")


def view(*checks):
    return Until("GET", "/v1/view/resources", None, *checks)


def of(node, name=DISK):
    return "[name=%s;node_name=%s]." % (name, node)


STATUS = [
    HEALTH,
    Ask("POST", "/v1/queries/resource-groups/query-all-size-info",
        {"ignore_cache_older_than_sec": 30},
        at_least("result.pve.space_info.capacity_in_kib", 1),
        at_least("result.pve.space_info.available_size_in_kib", 0)),
    Ask("POST", RG + "/pve/query-size-info", {}, status(200),
        at_least("space_info.max_vlm_size_in_kib", 1)),
]
ALLOC = [
    HEALTH, VIEW,
    Ask("GET", RG + "/pve", None, eq("select_filter.place_count", 2)),
    Ask("POST", RG + "/pve/spawn", {
        "resource_definition_name": DISK, "volume_sizes": [32768.0],
        "resource_definition_props": {"Aux/pm/vmid": 100, "DrbdOptions/ExactSize": "True",
                                      "DrbdOptions/Net/allow-two-primaries": "yes"}}),
    Ask("POST", RG + "/pve/spawn", {"resource_definition_name": DISK, "volume_sizes": [32768]},
        fails(501, 500)),
    Ask("GET", RD + "/" + DISK, None, eq("props.Aux/pm/vmid", "100"),
        eq("props.DrbdOptions/Net/allow-two-primaries", "yes")),
    view(count("[name=%s]" % DISK, 2),
         eq("[name=%s].layer_object.drbd.drbd_volumes[0].usable_size_kib" % DISK, 32768),
         eq("[name=%s].volumes[0].storage_pool_name" % DISK, "pool"),
         has("[*].name", "[*].node_name", "[*].volumes"),
         eq("[name=%s].state.in_use" % DISK, False)),
]
ACTIVATE = [
    HEALTH, VIEW,
    Ask("POST", RD + "/%s/resources/n3/make-available" % DISK, {"diskful": False}, status(200)),
    view(contains(of("n3") + "flags", "DISKLESS"),
         eq(of("n3") + "volumes[0].provider_kind", "DISKLESS"),
         has(of("n3") + "volumes[0].device_path")),
    # what an older version of the plugin says for the same
    Ask("POST", RD + "/%s/resources" % DISK, [{"resource": {
        "node_name": "n3", "props": {"StorPoolName": "DfltDisklessStorPool"},
        "flags": ["DISKLESS"]}}]),
]
MIGRATE = [
    HEALTH,
    Open("n1", DISK),
    view(eq(of("n1") + "state.in_use", True)),
    Ask("POST", RD + "/%s/resources/n3/make-available" % DISK, {"diskful": False}, status(200)),
    Ask("PUT", RD + "/" + DISK, {"override_props": {
        "DrbdOptions/Net/allow-two-primaries": "yes"}}),
    Open("n3", DISK),
    view(eq(of("n3") + "state.in_use", True)),
    Shut("n1", DISK),
    view(eq(of("n1") + "state.in_use", False)),
    Shut("n3", DISK),
    view(eq("[name=%s].state.in_use" % DISK, False)),
]
DEACTIVATE = [
    HEALTH, VIEW,
    Ask("DELETE", RD + "/%s/resources/n3" % DISK),
    Ask("DELETE", RD + "/%s/resources/n3" % DISK),
    view(count("[name=%s]" % DISK, 2)),
]
RESIZE = [
    HEALTH, VIEW,
    Ask("PUT", RD + "/%s/volume-definitions/0" % DISK, {"size_kib": 49152.0}),
    view(eq("[name=%s].layer_object.drbd.drbd_volumes[0].usable_size_kib" % DISK, 49152)),
]
SNAPSHOT = [
    HEALTH,
    Ask("POST", RD + "/%s/snapshots" % DISK, {"name": "snap_pm-1a2b3c4d_before"}),
    Ask("POST", RD + "/%s/snapshot-rollback/snap_pm-1a2b3c4d_before" % DISK, {}, status(200)),
    Ask("POST", RD + "/%s/snapshot-rollback/snap_pm-1a2b3c4d_before" % DISK, None, status(200)),
    Ask("POST", RD, {"resource_definition": {"name": "pm-fullclone",
                                             "resource_group_name": "pve"}}),
    Ask("POST", RD + "/%s/snapshot-restore-volume-definition/snap_pm-1a2b3c4d_before" % DISK,
        {"to_resource": "pm-fullclone"}, status(200)),
    Ask("POST", RD + "/%s/snapshot-restore-resource/snap_pm-1a2b3c4d_before" % DISK,
        {"to_resource": "pm-fullclone"}, status(200)),
    Ask("PUT", RD + "/pm-fullclone", {"override_props": {
        "DrbdOptions/Net/allow-two-primaries": "yes", "Aux/pm/vmid": 101}}),
    view(count("[name=pm-fullclone]", 2), has("[name=pm-fullclone].volumes[0].device_path")),
    Ask("DELETE", RD + "/pm-fullclone"),
    Ask("DELETE", RD + "/%s/snapshots/snap_pm-1a2b3c4d_before" % DISK),
    Ask("DELETE", RD + "/%s/snapshots/snap_pm-1a2b3c4d_before" % DISK),
]
FREE = [
    HEALTH, VIEW,
    Ask("DELETE", RD + "/" + DISK),
    Ask("DELETE", RD + "/" + DISK),
    view(count("[name=%s]" % DISK, 0)),
]

SCENARIOS = [
    Scenario("storage status", [
        Ask("POST", RG, {"name": "pve", "select_filter": {
            "place_count": "2", "storage_pool": "pool", "node_name_list": ["n1", "n2"]}},
            status(201))] + STATUS),
    Scenario("allocate a disk", ALLOC),
    Scenario("activate", ACTIVATE),
    Scenario("migrate", MIGRATE),
    Scenario("deactivate", DEACTIVATE),
    Scenario("resize", RESIZE),
    Scenario("snapshot, rollback, clone", SNAPSHOT, snapshots=True),
    Scenario("free a disk", FREE + [Ask("DELETE", RG + "/pve")]),
]
