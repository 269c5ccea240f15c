# SPDX-License-Identifier: GPL-2.0-or-later
"""cloudstack.py - the primary storage plugin on linstor-api-java: a group is a storage pool, templates
are cloned, properties say which machine a disk belongs to."""
from replay import (Ask, Java, Keep, Open, Scenario, Shut, Until, at_least, contains, count, eq,
                    fails, has, lacks)

CLIENT = Java("cloudstack", "java-linstor/0.7.0")

RD, RG = "/v1/resource-definitions", "/v1/resource-groups"
TEMPLATE, ROOT, SNAP, COPY = "cs-template-1", "cs-root-1", "cs-snap-1", "cs-from-snap-1"
FILLED = "?resource_definitions="


def device(name):
    """getDevicePath: any resource of it that has volumes"""
    return Until("GET", "/v1/view/resources?resources=" + name, None,
                 has("[*].volumes", "[*].flags", "[*].props", "[*].volumes[0].device_path",
                     "[*].layer_object.drbd"))


def names(name):
    return Ask("PUT", RD + "/" + name, {"override_props": {
        "Aux/cs-name": "ROOT-1", "Aux/cs-vm-name": "i-2-1-VM"}, "delete_props": [],
        "delete_namespaces": []})


CAPACITY = [
    Ask("GET", "/v1/controller/version", None, has("rest_api_version", "version")),
    Ask("GET", RG + "?resource_groups=cloud", None, count("[*]", 1),
        contains("[0].select_filter.storage_pool_list", "pool"),
        eq("[0].select_filter.layer_stack", ["DRBD", "STORAGE"])),
    Ask("GET", "/v1/view/storage-pools?storage_pools=pool", None, count("[*]", 3),
        at_least("[*].total_capacity", 1), at_least("[*].free_capacity", 0),
        has("[*].props.StorDriver/StorPoolName", "[*].provider_kind")),
    Ask("GET", "/v1/view/storage-pools?nodes=n1&storage_pools=pool", None, count("[*]", 1)),
    Ask("GET", "/v1/nodes?nodes=n2", None, count("[*]", 1),
        eq("[0].connection_status", "ONLINE")),
]
TEMPLATE_MADE = [
    Ask("POST", RG + "/cloud/spawn", {
        "resource_definition_name": TEMPLATE, "volume_sizes": [32768],
        "resource_definition_props": {"DrbdOptions/ExactSize": "True"}, "peer_slots": None}),
    Ask("PUT", RD + "/" + TEMPLATE, {"override_props": {
        "Aux/_cs-template-for-cloud": "true"}}),
    device(TEMPLATE),
    Ask("GET", RD + "?props=Aux%2F_cs-template-for-cloud", None, count("[*]", 1),
        eq("[0].name", TEMPLATE)),
]
ROOT_MADE = [
    Ask("GET", RD + "?with_volume_definitions=false", None,
        has("[*].name", "[*].props", "[*].resource_group_name")),
    Keep("clone", "clone_name", "POST", RD + "/%s/clone" % TEMPLATE, {"name": ROOT},
         has("location", "source_name")),
    Until("GET", RD + "/%s/clone/{clone}" % TEMPLATE, None, eq("status", "COMPLETE")),
    Ask("PUT", RD + "/%s/volume-definitions/0" % ROOT, {"size_kib": 49152}),
    Ask("GET", RD + FILLED + ROOT, None, count("[*]", 1), eq("[0].resource_group_name", "cloud"),
        has("[0].props")),
    Ask("PUT", RD + "/" + ROOT, {"delete_props": ["Aux/_cs-template-for-cloud"]}),
    Ask("GET", RD + FILLED + ROOT, None, lacks("[0].props.Aux/_cs-template-for-cloud")),
    names(ROOT),
    Ask("PUT", RD + "/%s/volume-definitions/0" % ROOT, {"override_props": {
        "sys/fs/blkio_throttle_read_iops": "1000", "sys/fs/blkio_throttle_write_iops": "1000"}}),
    Ask("GET", RD + "/%s/volume-definitions" % ROOT, None, count("[*]", 1),
        eq("[0].size_kib", 49152), has("[0].props")),
    device(ROOT),
]
ATTACH = [
    Ask("POST", RD + "/%s/resources/n3/make-available" % ROOT, {"diskful": False}),
    Ask("PUT", RD + "/%s/resource-connections/n1/n3" % ROOT, {"override_props": {
        "DrbdOptions/Net/allow-two-primaries": "yes", "DrbdOptions/Net/protocol": "C"}}),
    Open("n3", ROOT),
    Until("GET", RD + "/%s/resources" % ROOT, None, eq("[node_name=n3].state.in_use", True),
          has("[*].flags", "[*].layer_object.type")),
    Ask("DELETE", RD + "/" + ROOT, None, fails(997, 500)),
    Shut("n3", ROOT),
    Until("GET", RD + "/%s/resources" % ROOT, None, eq("[*].state.in_use", False)),
    Ask("PUT", RD + "/%s/resource-connections/n1/n3" % ROOT, {"delete_props": [
        "DrbdOptions/Net/allow-two-primaries", "DrbdOptions/Net/protocol"]}),
    Ask("DELETE", RD + "/%s/resources/n3" % ROOT),
]
SNAPSHOT = [
    Ask("POST", RD + "/%s/snapshots" % ROOT, {"name": SNAP, "nodes": []}),
    Ask("POST", "/v1/actions/snapshot/multi", {"snapshots": [
        {"resource_name": ROOT, "name": "cs-vm-snap"},
        {"resource_name": TEMPLATE, "name": "cs-vm-snap"}]}),
    Ask("DELETE", RD + "/%s/snapshots/cs-vm-snap" % ROOT),
    Ask("DELETE", RD + "/%s/snapshots/cs-vm-snap" % TEMPLATE),
    Ask("POST", RD + "/%s/snapshot-rollback/%s" % (ROOT, SNAP), {}),
    Ask("POST", RD, {"resource_definition": {"name": COPY, "resource_group_name": "cloud"}}),
    Ask("POST", RD + "/%s/snapshot-restore-volume-definition/%s" % (ROOT, SNAP),
        {"to_resource": COPY}),
    Ask("POST", RD + "/%s/snapshot-restore-resource/%s" % (ROOT, SNAP), {"to_resource": COPY}),
    names(COPY),
    device(COPY),
    Ask("DELETE", RD + "/" + COPY),
    Ask("DELETE", RD + "/%s/snapshots/%s" % (ROOT, SNAP)),
]


def gone(name):
    return [Ask("DELETE", RD + "/" + name),
            Until("GET", RD + FILLED + name, None, count("[*]", 0))]


SCENARIOS = [
    Scenario("capacity", [Ask("POST", RG, {"name": "cloud", "select_filter": {
        "place_count": 2, "storage_pool_list": ["pool"], "node_name_list": ["n1", "n2"],
        "layer_stack": ["DRBD", "STORAGE"]}})] + CAPACITY),
    Scenario("template", TEMPLATE_MADE),
    Scenario("root disk from it, attach, snapshot",
             ROOT_MADE + ATTACH + SNAPSHOT + gone(ROOT), snapshots=True),
    Scenario("remove the template", gone(TEMPLATE) + [Ask("DELETE", RG + "/cloud")]),
]
