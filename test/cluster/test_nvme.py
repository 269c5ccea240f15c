#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_nvme.py - resources of the layers NVME and STORAGE by the API and the command line: the
switch, one copy, shapes, refusals, deletion. What is shown to whom needs kernels that have it:
test/vm/case_nvme.py. Called by meson (suite cluster)."""
import sys

from cluster import POOL, Cluster, Tap, need_sdsd, wait_for

RD = "/v1/resource-definitions/"
STACK = ["NVME", "STORAGE"]
INVALID_LAYERS = 225


def message(r):
    return r.json[0]["message"] if isinstance(r.json, list) and r.json else ""


def refused(tap, r, number, words, name):
    tap.ok(r.status == 500 and (number is None or r.number() == number) and words in message(r),
           name, repr(r))


def spawn(node, name, **select):
    return node.http("POST", "/v1/resource-groups/DfltRscGrp/spawn", {
        "resource_definition_name": name, "volume_sizes": [4096],
        "select_filter": {"layer_stack": STACK, **select}})


def resource(node, name, on):
    found = node.get("/v1/view/resources?resources=%s&nodes=%s" % (name, on))
    return found[0] if found else None


def switch(tap, n):
    refused(tap, spawn(n, "db"), INVALID_LAYERS, "sds/nvme-plaintext", "off without the property")
    for stack in (["DRBD", "NVME", "STORAGE"], ["NVME", "DRBD", "STORAGE"], ["LUKS", "NVME"]):
        r = n.http("POST", RD[:-1], {"resource_definition": {
            "name": "mixed", "layer_data": [{"type": t} for t in stack]}})
        refused(tap, r, INVALID_LAYERS, "NVME", "layers %s" % ",".join(stack))
    r = n.http("POST", "/v1/controller/properties",
               {"override_props": {"sds/nvme-plaintext": "perhaps"}})
    tap.ok(r.status >= 400 and "on and off" in message(r), "it is on or off", repr(r))
    r = n.http("POST", "/v1/controller/properties", {"override_props": {"sds/nvme-plaintext": "on"}})
    tap.eq(r.status, 201, "switched on")
    tap.eq(n.http("GET", RD + "db").status, 404, "nothing came of it before")


def shapes(tap, n):
    tap.eq(spawn(n, "db", node_name_list=["n1"]).status, 201, "made")
    d = n.get(RD + "db")
    tap.eq([l["type"] for l in d["layer_data"]], STACK, "layers of the definition")
    v = n.get(RD + "db/volume-definitions")[0]
    tap.eq([l["type"] for l in v["layer_data"]], STACK, "layers of the volume")
    tap.ok("NVME" in n.get("/v1/nodes")[0]["resource_layers"], "nodes have the layer")
    r = resource(n, "db", "n1")
    tap.ok(r["flags"] == [] and r["layer_object"]["type"] == "NVME" and
           "drbd" not in r["layer_object"] and
           r["layer_object"]["children"][0]["type"] == "STORAGE" and
           r["layer_object"]["nvme"]["nvme_volumes"][0]["volume_number"] == 0, "its copy", r)
    tap.eq(r["volumes"][0]["device_path"], "", "which is not used where it is")


def client(tap, c, n):
    path = RD + "db/resources/n2"
    r = n.http("POST", path, {"resource": {"flags": ["DRBD_DISKLESS"]}})
    refused(tap, r, INVALID_LAYERS, "DRBD_DISKLESS", "no client of DRBD")
    r = n.http("POST", path, {"resource": {"flags": ["NVME_INITIATOR"]}})
    tap.eq(r.status, 201, "a client")
    r = resource(n, "db", "n2")
    tap.eq(r["flags"], ["DISKLESS", "NVME_INITIATOR"], "its flags")
    device = "/dev/rvol/by-res/db/0"
    tap.ok(r["volumes"][0]["device_path"] == device and
           r["layer_object"]["nvme"]["nvme_volumes"][0]["device_path"] == device, "its device", r)
    tap.eq([l["type"] for l in r["volumes"][0]["layer_data_list"]], STACK, "its volume's layers")
    status = c.volume("db")
    tap.ok(status["copies"] == 1 and "no failover" in status["reason"], "its state says so", status)
    n.http("POST", "/v1/resource-groups/DfltRscGrp/spawn", {
        "resource_definition_name": "plain", "volume_sizes": [4096],
        "select_filter": {"place_count": 1, "node_name_list": ["n1"]}})
    r = n.http("POST", RD + "plain/resources/n2", {"resource": {"flags": ["NVME_INITIATOR"]}})
    refused(tap, r, INVALID_LAYERS, "NVME_INITIATOR", "no client by NVMe of a replicated one")
    r = n.http("POST", RD + "plain/resources/n2", {"layer_list": STACK, "resource": {}})
    refused(tap, r, INVALID_LAYERS, "without NVME", "nor such a copy")


def one_copy(tap, n):
    refused(tap, spawn(n, "two", place_count=2), None, "have one copy", "two copies")
    r = n.http("POST", RD + "db/resources/n3", {"resource": {"props": {"StorPoolName": POOL}}})
    refused(tap, r, None, "have one copy", "one more copy")
    r = n.http("PUT", RD + "db/resources/n2/toggle-disk/diskful")
    tap.ok(r.status == 500, "a client becomes no copy", repr(r))
    refused(tap, n.http("POST", RD + "db/snapshots", {"name": "snap"}), None, "no snapshots",
            "a snapshot")
    r = n.http("POST", RD + "db/clone", {"name": "db2"})
    tap.ok(r.status >= 400, "a clone", repr(r))
    tap.eq(n.http("GET", RD + "db2").status, 404, "nothing came of that")
    tap.eq(n.http("PUT", RD + "db", {"layer_stack": ["DRBD", "STORAGE"]}).number(), INVALID_LAYERS,
           "layers stay")
    r = n.http("DELETE", RD + "db/resources/n1")
    tap.ok(r.status == 500, "the copy stays while there is a client", repr(r))


def gone(tap, c, n):
    tap.eq(n.http("DELETE", RD + "db/resources/n2").status, 200, "the client goes")
    wait_for(lambda: resource(n, "db", "n2") is None, 30, "gone")
    n.http("POST", RD + "db/resources/n2", {"resource": {"flags": ["NVME_INITIATOR"]}})
    tap.eq(n.http("DELETE", RD + "db").status, 200, "all of it goes")
    tap.eq(n.http("GET", RD + "db").status, 404, "gone")
    tap.ok(all(x.alive() for x in c.nodes), "all daemons run")


def main():
    need_sdsd()
    tap = Tap()
    with Cluster(3, name="nvme") as c:
        n = c.nodes[0]
        switch(tap, n)
        shapes(tap, n)
        client(tap, c, c.nodes[2])
        one_copy(tap, n)
        gone(tap, c, n)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
