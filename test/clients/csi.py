# SPDX-License-Identifier: GPL-2.0-or-later
"""csi.py - linstor-csi on golinstor: a StorageClass is a resource group, each step looks first and
makes what is missing, and every call may come twice."""
from replay import (Ask, Go, Open, Scenario, Shut, Until, at_least, contains, count, eq, fails, has,
                    lacks, not_found)

CLIENT = Go("linstor-csi", "linstor-csi/1.12.0")

RD, RG = "/v1/resource-definitions", "/v1/resource-groups"
PVC, GROUP = "pvc-5e2d4b0c-9a1f-4b7e-8f00-0123456789ab", "sc-1a2b3c"
COPY, FAST = "pvc-restored", "pvc-clone"
LIST = "cached=true&limit=0&offset=0"
HERE = "/v1/view/resources?%s&resources=" % LIST

LOOK = [
    Ask("GET", "/v1/nodes?" + LIST, None,
        eq("[*].connection_status", "ONLINE"), has("[*].name", "[*].props", "[*].flags"),
        has("[*].net_interfaces[0].address")),
    Ask("GET", "/v1/view/storage-pools?" + LIST, None,
        has("[*].storage_pool_name", "[*].node_name", "[*].provider_kind", "[*].props",
            "[*].free_capacity", "[*].total_capacity"),
        eq("[storage_pool_name=DfltDisklessStorPool].provider_kind", "DISKLESS")),
]
GROUP_MADE = [
    Ask("GET", RG + "/" + GROUP, None, not_found),
    Ask("POST", RG, {"name": GROUP, "select_filter": {}}),
    Ask("POST", RG, {"name": GROUP, "select_filter": {}}, fails(522, 500)),
    Ask("POST", RG + "/" + GROUP + "/volume-groups", {}),
    Ask("GET", RG + "/" + GROUP, None, eq("name", GROUP), has("props", "select_filter")),
    Ask("PUT", RG + "/" + GROUP, {
        "override_props": {"DrbdOptions/auto-quorum": "suspend-io",
                           "DrbdOptions/Resource/on-no-quorum": "suspend-io"},
        "select_filter": {"place_count": 2, "storage_pool_list": ["pool"],
                          "layer_stack": ["DRBD", "STORAGE"]}}),
    Ask("GET", RG + "/" + GROUP, None, eq("select_filter.place_count", 2),
        contains("select_filter.storage_pool_list", "pool"),
        eq("select_filter.layer_stack", ["DRBD", "STORAGE"]),
        eq("props.DrbdOptions/auto-quorum", "suspend-io"),
        eq("props.DrbdOptions/Resource/on-no-quorum", "suspend-io")),
]
DEFINITION = {"resource_definition": {"name": PVC, "resource_group_name": GROUP, "props": {
    "Aux/csi-volume-name": PVC, "FileSystem/Type": "ext4"}}}
VOLUME = {"volume_definition": {"volume_number": 0, "size_kib": 65536}}
CREATE = [
    Ask("GET", RD + "/" + PVC, None, not_found),
    Ask("POST", RD, DEFINITION),
    Ask("POST", RD, DEFINITION, fails(501, 500)),
    Ask("GET", RD + "/" + PVC, None, eq("name", PVC), eq("resource_group_name", GROUP),
        eq("props.Aux/csi-volume-name", PVC), has("uuid", "layer_data[*].type"),
        lacks("flags", "DELETE")),
    Ask("GET", "%s/%s/volume-definitions/0" % (RD, PVC), None, not_found),
    Ask("POST", "%s/%s/volume-definitions" % (RD, PVC), VOLUME),
    Ask("POST", "%s/%s/volume-definitions" % (RD, PVC), VOLUME, fails(503, 500)),
    Ask("GET", "%s/%s/volume-definitions/0" % (RD, PVC), None,
        eq("volume_number", 0), eq("size_kib", 65536), has("layer_data[0].data.minor_number")),
    Ask("POST", "%s/%s/autoplace" % (RD, PVC), {"select_filter": {
        "place_count": 1, "additional_place_count": 1, "node_name_list": ["n1"]}}),
    Ask("POST", "%s/%s/autoplace" % (RD, PVC), {"select_filter": {
        "place_count": 2, "node_name_list": ["n1", "n2"]}}),
    Ask("GET", HERE + PVC, None,
        count("[*]", 2), has("[*].layer_object.type", "[*].state", "[*].volumes[0].uuid"),
        eq("[*].layer_object.type", "DRBD"), at_least("[*].layer_object.drbd.promotion_score", 1),
        eq("[*].volumes[0].provider_kind", "FILE_THIN"),
        at_least("[*].volumes[0].layer_data_list[-1].data.usable_size_kib", 65536)),
    Ask("PUT", RD + "/" + PVC, {"override_props": {
        "Aux/csi-provisioning-completed-by": "linstor-csi/v1.12.0",
        "Aux/csi-created-from-pvc": "default/data"}}),
]
PUBLISH = [
    Ask("GET", HERE + PVC, None, count("[*]", 2)),
    Ask("POST", "%s/%s/resources/n3/make-available" % (RD, PVC), {}),
    Ask("POST", "%s/%s/resources/n3/make-available" % (RD, PVC), {}),
    Until("GET", HERE + PVC, None, count("[*]", 3),
          has("[node_name=n3].volumes[0].device_path", "[node_name=n3].state"),
          contains("[node_name=n3].flags", "DISKLESS"),
          eq("[node_name=n3].volumes[0].provider_kind", "DISKLESS"),
          eq("[node_name=n3].volumes[0].storage_pool_name", "DfltDisklessStorPool")),
    Ask("PUT", "%s/%s/resources/n3/volumes/0" % (RD, PVC),
        {"override_props": {"Aux/csi-created-for": "temporary-diskless-attach"}}),
    Ask("GET", "%s/%s/resources/n3/volumes/0" % (RD, PVC), None, has("device_path"),
        eq("props.Aux/csi-created-for", "temporary-diskless-attach")),
    # a second node, for a live migration of a virtual machine
    Ask("PUT", RD + "/" + PVC, {"override_props": {
        "DrbdOptions/Net/allow-two-primaries": "yes"}}),
    Ask("PUT", RD + "/" + PVC, {"delete_props": ["DrbdOptions/Net/allow-two-primaries"]}),
]
UNPUBLISH = [
    Ask("GET", HERE + PVC, None,
        eq("[node_name=n3].volumes[0].props.Aux/csi-created-for", "temporary-diskless-attach")),
    Ask("DELETE", "%s/%s/resources/n3" % (RD, PVC)),
    Ask("DELETE", "%s/%s/resources/n3" % (RD, PVC)),
    Until("GET", HERE + PVC, None, count("[*]", 2)),
]
EXPAND = [
    Ask("PUT", "%s/%s/volume-definitions/0" % (RD, PVC), {"size_kib": 98304}),
    Ask("PUT", "%s/%s/volume-definitions/0" % (RD, PVC), {"size_kib": 98304}),
    Ask("GET", "%s/%s/volume-definitions/0" % (RD, PVC), None, eq("size_kib", 98304)),
    Ask("GET", HERE + PVC, None, eq(
        "[*].layer_object.drbd.drbd_volumes[0].usable_size_kib", 98304)),
]


def remove(name, *nodes):
    """DeleteVolume: the volume definition, what is still deployed (clients first), the definition
    unless there is a snapshot, then the group unless others are in it"""
    return [
        Ask("DELETE", "%s/%s/volume-definitions/0" % (RD, name)),
        Ask("GET", HERE + name),
    ] + [Ask("DELETE", "%s/%s/resources/%s" % (RD, name, n)) for n in nodes] + [
        Ask("GET", "%s/%s/snapshots?limit=0&offset=0" % (RD, name), None, count("[*]", 0)),
        Ask("DELETE", RD + "/" + name),
        Ask("DELETE", RD + "/" + name),
        Ask("GET", RD + "/" + name, None, not_found),
    ]


RACES = [
    Ask("POST", RG, {"name": "sc-races", "select_filter": {"place_count": 1}}),
    Ask("POST", RD, {"resource_definition": {"name": "pvc-races",
                                             "resource_group_name": "sc-races"}}),
    Ask("POST", RD, {"resource_definition": {"name": "PVC-Races"}}, fails(501, 500)),
    Ask("DELETE", RG + "/sc-races", None, fails(501, 500)),
    Ask("POST", RD + "/pvc-races/volume-definitions", VOLUME),
    Ask("POST", RD + "/pvc-races/autoplace", {"select_filter": {"place_count": 5}},
        fails(996, 500)),
    Ask("POST", RD + "/pvc-races/autoplace", {"select_filter": {
        "place_count": 1, "storage_pool_list": ["no-such-pool"]}}, fails(996, 500)),
    Ask("POST", RD + "/pvc-races/resources/n1", {"resource": {
        "node_name": "n1", "name": "pvc-races", "props": {"StorPoolName": "pool"}}}),
    Ask("POST", RD + "/pvc-races/resources/n1", {"resource": {
        "node_name": "n1", "name": "pvc-races", "props": {"StorPoolName": "pool"}}}),
    Ask("POST", RD + "/pvc-races/autoplace", {"select_filter": {"place_count": 1}}),
    Ask("POST", RD + "/pvc-races/autoplace", {}),
    Ask("POST", RD + "/pvc-races/resources/n3/make-available", {"diskful": False}),
    # the last copy while there is a client: the client goes first
    Ask("DELETE", RD + "/pvc-races/resources/n1", None, fails(997, 500)),
    Ask("DELETE", RD + "/pvc-races/resources/n3"),
    Ask("DELETE", RD + "/pvc-races"),
    Ask("DELETE", RG + "/sc-races"),
    Ask("GET", RG + "/sc-races", None, not_found),
    Ask("GET", RD + "/pvc-races/volume-definitions", None, not_found),
    Ask("GET", RD + "/pvc-races/resources", None, not_found),
    Ask("GET", RD + "/pvc-races/snapshots", None, not_found),
    Ask("GET", RD + "/pvc-races/resources/n1/volumes/0", None, not_found),
    Ask("POST", RD + "/pvc-races/autoplace", {}, not_found),
    Ask("POST", RD + "/pvc-races/resources/n1/make-available", {}, not_found),
    Ask("PUT", RD + "/pvc-races/volume-definitions/0", {"size_kib": 131072}, not_found),
]
IN_USE = [
    Ask("POST", RD, {"resource_definition": {"name": "pvc-used"}}),
    Ask("POST", RD + "/pvc-used/volume-definitions", VOLUME),
    Ask("POST", RD + "/pvc-used/autoplace", {"select_filter": {
        "place_count": 2, "node_name_list": ["n1", "n2"]}}),
    Open("n2", "pvc-used"),
    Until("GET", HERE + "pvc-used", None, eq("[node_name=n2].state.in_use", True),
          eq("[node_name=n1].state.in_use", False)),
    Ask("DELETE", RD + "/pvc-used/resources/n2", None, fails(997, 500)),
    Ask("DELETE", RD + "/pvc-used", None, fails(997, 500)),
    Ask("PUT", RD + "/pvc-used/volume-definitions/0", {"size_kib": 81920}),
    Shut("n2", "pvc-used"),
    Until("GET", HERE + "pvc-used", None, eq("[*].state.in_use", False)),
] + remove("pvc-used", "n2", "n1")

SNAPSHOT = [
    Ask("GET", "/v1/view/snapshots?" + LIST, None, lacks("[name=snapshot-1]")),
    Ask("GET", "/v1/remotes", None, has("s3_remotes", "linstor_remotes", "ebs_remotes")),
    Ask("GET", "/v1/remotes/s3?limit=0&offset=0"),
    Ask("GET", "/v1/key-value-store/csi-backup-mapping", None, not_found),
    Until("GET", HERE + PVC, None, has("[*].state"),
          eq("[*].volumes[0].state.disk_state", "UpToDate")),
    Ask("POST", "/v1/actions/snapshot/multi", {"snapshots": [
        {"name": "snapshot-1", "resource_name": PVC}]}),
    Until("GET", "/v1/view/snapshots?%s&resources=%s" % (LIST, PVC), None,
          count("[*]", 1), has("[0].snapshots[*].node_name", "[0].snapshots[*].create_timestamp"),
          contains("[0].flags", "SUCCESSFUL"), eq("[0].volume_definitions[0].size_kib", 98304),
          count("[0].nodes[*]", 2)),
    Ask("POST", "/v1/actions/snapshot/multi", {"snapshots": [
        {"name": "snapshot-1", "resource_name": PVC}]}, fails(514, 500)),
]
RESTORE = [
    Ask("POST", RD, {"resource_definition": {"name": COPY, "resource_group_name": GROUP}}),
    Ask("GET", "%s/%s/snapshots/snapshot-1" % (RD, PVC), None, contains("flags", "SUCCESSFUL"),
        count("nodes[*]", 2)),
    Ask("GET", "%s/%s/volume-definitions" % (RD, COPY), None, count("[*]", 0)),
    Ask("POST", "%s/%s/snapshot-restore-volume-definition/snapshot-1" % (RD, PVC),
        {"to_resource": COPY}),
    Ask("POST", "%s/%s/snapshot-restore-volume-definition/snapshot-1" % (RD, PVC),
        {"to_resource": COPY}, fails(503, 500)),
    Ask("GET", HERE + COPY, None, count("[*]", 0)),
    Ask("POST", "%s/%s/snapshot-restore-resource/snapshot-1" % (RD, PVC),
        {"to_resource": COPY, "nodes": ["n1"]}),
    Ask("POST", "%s/%s/snapshot-restore-resource/snapshot-1" % (RD, PVC),
        {"to_resource": COPY, "nodes": ["n1"]}, fails(502, 500)),
    Ask("GET", "%s/%s/volume-definitions/0" % (RD, COPY), None, eq("size_kib", 98304)),
    Ask("POST", "%s/%s/autoplace" % (RD, COPY), {"select_filter": {
        "place_count": 2, "node_name_list": ["n1", "n2"]}}),
    Ask("PUT", RD + "/" + COPY, {"override_props": {"Aux/csi-volume-name": COPY}}),
    Until("GET", HERE + COPY, None, count("[*]", 2), has("[*].volumes[0].device_path"),
          eq("[node_name=n1].volumes[0].state.disk_state", "UpToDate")),
] + remove(COPY)
CLONE = [
    Ask("GET", "%s/%s/clone/%s" % (RD, PVC, FAST), None, not_found),
    Ask("POST", "%s/%s/clone" % (RD, PVC), {"name": FAST, "resource_group": GROUP},
        has("location", "clone_name", "source_name")),
    Until("GET", "%s/%s/clone/%s" % (RD, PVC, FAST), None, eq("status", "COMPLETE")),
    Ask("GET", RD + "/" + FAST, None, lacks("flags", "CLONING"),
        eq("resource_group_name", GROUP)),
    Until("GET", HERE + FAST, None, has("[*].volumes[0].device_path"), count("[*]", 2)),
] + remove(FAST)
# a volume may go before its snapshots: the definition stays for them, and they can be restored
ORPHAN = [
    Ask("DELETE", "%s/%s/volume-definitions/0" % (RD, PVC)),
    Ask("DELETE", "%s/%s/resources/n2" % (RD, PVC)),
    Ask("DELETE", "%s/%s/resources/n1" % (RD, PVC)),
    Ask("GET", "%s/%s/snapshots" % (RD, PVC), None, count("[*]", 1), eq("[0].name", "snapshot-1")),
    Ask("POST", RD, {"resource_definition": {"name": "pvc-late", "resource_group_name": GROUP}}),
    Ask("POST", "%s/%s/snapshot-restore-volume-definition/snapshot-1" % (RD, PVC),
        {"to_resource": "pvc-late"}),
    Ask("POST", "%s/%s/snapshot-restore-resource/snapshot-1" % (RD, PVC),
        {"to_resource": "pvc-late", "nodes": ["n2"]}),
    Until("GET", HERE + "pvc-late", None, count("[*]", 1), has("[0].volumes[0].device_path")),
] + remove("pvc-late", "n2") + [
    Ask("DELETE", "%s/%s/snapshots/snapshot-1" % (RD, PVC)),
    Ask("DELETE", "%s/%s/snapshots/snapshot-1" % (RD, PVC)),
    Ask("GET", "%s/%s/snapshots" % (RD, PVC), None, count("[*]", 0)),
    Ask("DELETE", RD + "/" + PVC),
]
GROUP_GONE = [
    Ask("DELETE", RG + "/" + GROUP),
    Ask("GET", RG + "/" + GROUP, None, not_found),
]

SCENARIOS = [
    Scenario("create a volume", LOOK + GROUP_MADE + CREATE),
    Scenario("attach, detach", PUBLISH + UNPUBLISH),
    Scenario("expand", EXPAND),
    Scenario("races and repeats", RACES),
    Scenario("in use", IN_USE),
    Scenario("snapshot, restore, clone", SNAPSHOT + RESTORE + CLONE + ORPHAN, snapshots=True),
    Scenario("delete a volume", [
        Ask("POST", RD, {"resource_definition": {"name": "pvc-last",
                                                 "resource_group_name": GROUP}}),
        Ask("POST", RD + "/pvc-last/volume-definitions", VOLUME),
        Ask("POST", RD + "/pvc-last/autoplace", {}),
        Ask("DELETE", RG + "/" + GROUP, None, fails(501, 500)),
    ] + remove("pvc-last") + [Ask("DELETE", RD + "/" + PVC)] + GROUP_GONE),
]
