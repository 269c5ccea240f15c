# SPDX-License-Identifier: GPL-2.0-or-later
"""opennebula.py - addon-linstor on python-linstor: images are spawned from a group, disks of machines are
clones, and the first entry of some answers has to be pure success."""
from replay import (ERROR, INFO, WARN, Ask, Keep, Open, Python, Scenario, Shut, Until, at_least,
                    contains, count, entries, eq, fails, has, not_found, says)

CLIENT = Python("addon-linstor", "PythonLinstor/1.27.1 (API1.0.4)")

RD, RG = "/v1/resource-definitions", "/v1/resource-groups"
IMAGE, DISK = "OpenNebula-Image-7", "OpenNebula-Image-7-vm3-0"
VERSION = Ask("GET", "/v1/controller/version", None, eq("rest_api_version", "1.27.0"),
              has("version", "git_hash", "build_time"))
# what constructing the Python library's Resource asks every time
OBJECT = Ask("GET", RD + "?with_volume_definitions=True", None,
             has("[*].name", "[*].uuid", "[*].props", "[*].resource_group_name",
                 "[*].layer_data[*].type", "[*].volume_definitions"))


def pure(a):
    """is_success() of the first entry: neither error, warning nor information"""
    got = entries(a)
    return "" if got and not got[0]["ret_code"] & (ERROR | WARN | INFO) else \
        "the first entry is no pure success: %r" % a


def disk(name, *checks):
    return Until("GET", "/v1/view/resources?resources=" + name, None, *checks)


MONITOR = [
    VERSION,
    Ask("GET", RG, None, has("[*].name", "[*].select_filter"),
        contains("[name=one].select_filter.storage_pool_list", "pool")),
    Ask("GET", "/v1/view/storage-pools", None,
        has("[*].free_capacity", "[*].total_capacity", "[*].free_space_mgr_name", "[*].uuid",
            "[*].static_traits"),
        eq("[storage_pool_name=pool].static_traits.Provisioning", "Thin")),
    Ask("GET", "/v1/nodes", None, eq("[*].connection_status", "ONLINE")),
]
IMAGE_MADE = [
    VERSION,
    Ask("POST", RG + "/one/spawn", {
        "resource_definition_name": IMAGE, "volume_sizes": ["32768"], "partial": False,
        "definitions_only": False}),
    OBJECT,
    disk(IMAGE, count("[*]", 2), has("[*].volumes[0].device_path"),
         eq("[*].volumes[0].allocated_size_kib", *range(0, 65536))),
    Until("GET", RD + "/%s/sync-status" % IMAGE, None, eq("synced_on_all", True)),
    Ask("POST", RD + "/%s/resources/n3/make-available" % IMAGE, {"diskful": True}),
    disk(IMAGE, count("[*]", 3)),
    Ask("DELETE", RD + "/%s/resources/n3?keep_tiebreaker=False" % IMAGE),
]
CLONED = [
    VERSION, OBJECT,
    Keep("clone", "clone_name", "POST", RD + "/%s/clone" % IMAGE,
         {"name": DISK, "use_zfs_clone": None, "layer_list": None, "resource_group": None},
         eq("source_name", IMAGE), has("location", "messages")),
    Until("GET", RD + "/%s/clone/{clone}" % IMAGE, None, eq("status", "COMPLETE")),
    Until("GET", RD + "/{clone}/sync-status", None, eq("synced_on_all", True)),
    Ask("PUT", RD + "/{clone}/volume-definitions/0", {"size_kib": "49152"}),
    Ask("PUT", RD + "/{clone}", {"resource_group": "one", "override_props": {
        "DrbdOptions/Net/allow-two-primaries": "yes"}}),
    disk(DISK, count("[*]", 2), at_least("[*].volumes[0].layer_data_list[0].data.usable_size_kib",
                                         49152)),
]
MACHINE = [
    VERSION, OBJECT,
    Ask("POST", RD + "/%s/resources/n3/make-available" % DISK, {}),
    Open("n3", DISK),
    disk(DISK, eq("[node_name=n3].state.in_use", True)),
    Ask("POST", RD + "/%s/resources/n1/make-available" % DISK, {}),  # where it migrates to
    Ask("DELETE", RD + "/%s/resources/n3?keep_tiebreaker=True" % DISK, None, fails(997, 500)),
    Shut("n3", DISK),
    disk(DISK, eq("[node_name=n3].state.in_use", False)),
    Ask("DELETE", RD + "/%s/resources/n3?keep_tiebreaker=True" % DISK),
]
SNAPSHOT = [
    VERSION, OBJECT,
    Ask("POST", RD + "/%s/snapshots" % DISK, {"name": "snap-0", "nodes": None}),
    Ask("GET", "/v1/view/snapshots", None,
        has("[*].name", "[*].resource_name", "[*].volume_definitions[*].volume_number",
            "[*].volume_definitions[*].size_kib"),
        eq("[name=snap-0].resource_name", DISK)),
    Ask("POST", RD + "/%s/snapshot-rollback/snap-0" % DISK),
    Ask("DELETE", RD + "/%s/snapshots/snap-0" % DISK),
]
NO_POOL = [
    Ask("POST", RG, {"name": "one-nowhere", "select_filter": {
        "place_count": "1", "storage_pool_list": ["no-such-pool"]}}),
    Ask("POST", RD, {"resource_definition": {"name": "one-nowhere",
                                             "resource_group_name": "one-nowhere"}}),
    Ask("POST", RD + "/one-nowhere/volume-definitions", {"volume_definition": {
        "size_kib": 8192}}),
    # it then asks for a client
    Ask("POST", RD + "/one-nowhere/resources/n1/make-available", {"diskful": True}, not_found,
        says("Autoplacer could not find diskful stor pool")),
    Ask("DELETE", RD + "/one-nowhere", None, pure),
    Ask("DELETE", RG + "/one-nowhere", None, pure),
]


def gone(*names):
    return [VERSION, OBJECT] + [Ask("DELETE", RD + "/" + n, None, pure) for n in names]


SCENARIOS = [
    Scenario("monitor a datastore", [Ask("POST", RG, {
        "name": "one", "description": "images", "select_filter": {
            "place_count": "2", "storage_pool_list": ["pool"], "node_name_list": ["n1", "n2"],
            "diskless_on_remaining": None}})] + MONITOR),
    Scenario("make an image", IMAGE_MADE),
    Scenario("no room for a copy", NO_POOL),
    Scenario("clone, run, migrate", CLONED + MACHINE + SNAPSHOT + gone(DISK), snapshots=True),
    Scenario("remove an image", gone(IMAGE) + [Ask("DELETE", RG + "/one", None, pure)]),
]
