# SPDX-License-Identifier: GPL-2.0-or-later
"""cinder.py - OpenStack's driver on python-linstor: definitions, placement by hand or by the library,
snapshots restored into a definition that it has made."""
from opennebula import OBJECT, VERSION
from replay import (Ask, Python, Scenario, Until, contains, count, eq, fails, has)

CLIENT = Python("cinder", "PythonLinstor/1.27.1 (API1.0.4)")

RD = "/v1/resource-definitions"
VOLUME, SNAP, COPY = "CV_0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9", "SN_11112222", "CV_restored"

STATS = [
    VERSION,
    Ask("GET", "/v1/storage-pool-definitions", None, has("[*].storage_pool_name"),
        eq("[storage_pool_name=pool].storage_pool_name", "pool")),
    Ask("GET", "/v1/view/storage-pools", None,
        has("[*].storage_pool_name", "[*].node_name", "[*].uuid", "[*].provider_kind",
            "[*].free_capacity", "[*].total_capacity"),
        count("[provider_kind=DISKLESS]", 3)),
    Ask("GET", RD, None, has("[*].name", "[*].uuid")),
    Ask("GET", "/v1/view/resources", None, has("[*].name", "[*].node_name", "[*].volumes")),
    Ask("GET", "/v1/nodes", None, has("[*].name", "[*].net_interfaces[0].address")),
]
CREATE = [
    VERSION,
    Ask("POST", RD, {"resource_definition": {"name": VOLUME}}, eq("[0].obj_refs.RscDfn", VOLUME)),
    Ask("POST", RD + "/%s/volume-definitions" % VOLUME, {"volume_definition": {
        "size_kib": 32768, "props": {"StorPoolName": "pool"}}}),
    Ask("GET", RD + "?with_volume_definitions=True", None,
        eq("[name=%s].volume_definitions[0].size_kib" % VOLUME, 32768),
        has("[name=%s].volume_definitions[0].layer_data[0].data.minor_number" % VOLUME)),
    OBJECT,
    Ask("POST", RD + "/%s/autoplace" % VOLUME, {
        "diskless_on_remaining": None, "select_filter": {
            "place_count": 2, "storage_pool": "pool", "node_name_list": ["n1", "n2"]}}),
    Until("GET", "/v1/view/resources", None,
          eq("[name=%s].volumes[0].volume_number" % VOLUME, 0),
          has("[name=%s].volumes[0].device_path" % VOLUME)),
]
ATTACH = [
    VERSION,
    Ask("POST", RD + "/%s/resources" % VOLUME, [{"resource": {
        "node_name": "n3", "flags": ["DISKLESS"], "props": {}}}]),
    # again, as a second machine of the same host does
    Ask("POST", RD + "/%s/resources" % VOLUME, [{"resource": {
        "node_name": "n3", "flags": ["DISKLESS"], "props": {}}}]),
    Until("GET", "/v1/view/resources", None,
          contains("[name=%s;node_name=n3].flags" % VOLUME, "DISKLESS"),
          has("[name=%s;node_name=n3].volumes[0].device_path" % VOLUME)),
    Ask("DELETE", RD + "/%s/resources/n3" % VOLUME),
]
EXTEND = [
    VERSION,
    Ask("PUT", RD + "/%s/volume-definitions/0" % VOLUME, {"size_kib": 49152}),
]
SNAPSHOT = [
    VERSION,
    Ask("POST", RD + "/%s/snapshots" % VOLUME, {"name": SNAP}),
    Ask("POST", RD, {"resource_definition": {"name": COPY}}, eq("[0].obj_refs.RscDfn", COPY)),
    Ask("POST", RD + "/%s/snapshot-restore-volume-definition/%s" % (VOLUME, SNAP),
        {"to_resource": COPY}),
    Ask("PUT", RD + "/%s/volume-definitions/0" % COPY, {"override_props": {
        "StorPoolName": "pool"}}),
    Ask("POST", RD + "/%s/snapshot-restore-resource/%s" % (VOLUME, SNAP), {"to_resource": COPY}),
    Ask("PUT", RD + "/%s/volume-definitions/0" % COPY, {"override_props": {
        "Aux/restore": "done"}}),
    Until("GET", "/v1/view/resources", None, count("[name=%s]" % COPY, 2)),
    Ask("DELETE", RD + "/%s/snapshots/%s" % (VOLUME, SNAP)),
    OBJECT,
    Ask("DELETE", RD + "/" + COPY),
]
DELETE = [
    VERSION,
    Ask("POST", RD, {"resource_definition": {"name": VOLUME}}, fails(501, 500)),
    Ask("DELETE", RD + "/%s/resources/n2" % VOLUME),
    Ask("DELETE", RD + "/%s/resources/n1" % VOLUME),
    Ask("DELETE", RD + "/%s/volume-definitions/0" % VOLUME),
    Ask("DELETE", RD + "/" + VOLUME),
    Ask("DELETE", RD + "/" + VOLUME),
]

SCENARIOS = [
    Scenario("create a volume", CREATE),
    Scenario("statistics", STATS),
    Scenario("attach, detach", ATTACH),
    Scenario("extend", EXTEND),
    Scenario("snapshot, restore", SNAPSHOT, snapshots=True),
    Scenario("delete a volume", DELETE),
]
