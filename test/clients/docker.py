# SPDX-License-Identifier: GPL-2.0-or-later
"""docker.py - linstor-docker-volume-go on an old golinstor: volumes by name, no groups, a client where
a container wants one."""
from replay import Ask, Go, Scenario, Until, count, contains, eq, fails, has, not_found

CLIENT = Go("docker-volume", "Go-http-client/1.1")

RD = "/v1/resource-definitions"
NAME = "docker-data"
DEFINITION = {"resource_definition": {"name": NAME, "props": {
    "Aux/is-linstor-docker-volume": "true", "FileSystem/Type": "ext4",
    "FileSystem/MkfsParams": ""}}, "external_name": ""}
DISKLESS = {"resource": {"name": NAME, "node_name": "n3", "flags": ["DISKLESS"], "props": {}}}

CREATE = [
    Ask("POST", RD, DEFINITION),
    Ask("POST", RD + "/%s/volume-definitions" % NAME, {"volume_definition": {"size_kib": 32768}}),
    Ask("POST", RD + "/%s/autoplace" % NAME, {"diskless_on_remaining": False, "select_filter": {
        "place_count": 2, "storage_pool": "pool", "node_name_list": ["n1", "n2"]}}),
    Ask("POST", RD, DEFINITION, fails(501, 500)),
    Ask("GET", RD + "/" + NAME, None, eq("name", NAME),
        eq("props.Aux/is-linstor-docker-volume", "true"), eq("props.FileSystem/Type", "ext4")),
    Ask("GET", RD, None, has("[*].name", "[*].props"),
        eq("[name=%s].props.Aux/is-linstor-docker-volume" % NAME, "true")),
    Ask("GET", RD + "/docker-other", None, not_found),
]
MOUNT = [
    Ask("GET", RD + "/%s/resources/n3" % NAME, None, not_found),
    Ask("POST", RD + "/%s/resources/n3" % NAME, DISKLESS),
    Ask("GET", RD + "/" + NAME, None, eq("props.FileSystem/Type", "ext4")),
    Until("GET", RD + "/%s/resources/n3/volumes/0" % NAME, None, has("device_path"),
          eq("provider_kind", "DISKLESS")),
    Ask("GET", RD + "/%s/resources/n3" % NAME, None, eq("node_name", "n3"),
        contains("flags", "DISKLESS")),
]
UNMOUNT = [
    Ask("GET", "/v1/view/resources?nodes=n3&resources=%s&offset=0&limit=0" % NAME, None,
        count("[*]", 1), count("[0].volumes[*]", 1), eq("[0].volumes[0].provider_kind", "DISKLESS")),
    Ask("DELETE", RD + "/%s/resources/n3" % NAME),
    Ask("GET", "/v1/view/resources?nodes=n1&resources=%s&offset=0&limit=0" % NAME, None,
        count("[*]", 1), eq("[0].volumes[0].provider_kind", "FILE_THIN")),
]
REMOVE = [
    Ask("GET", RD + "/%s/snapshots" % NAME, None, count("[*]", 0)),
    Ask("DELETE", RD + "/" + NAME),
    Ask("GET", RD + "/" + NAME, None, not_found),
]

SCENARIOS = [
    Scenario("create", CREATE),
    Scenario("mount", MOUNT),
    Scenario("unmount", UNMOUNT),
    Scenario("remove", REMOVE),
]
