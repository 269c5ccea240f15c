#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_write_cache.py - resources of the layer WRITECACHE by the API and the command line: properties,
shapes, where copies could go, refusals. What caches do needs device-mapper and LVM:
test/vm/case_storage_cache.py. Called by meson (suite cluster)."""
import sys

from cluster import Cluster, Tap, need_sdsd

RD = "/v1/resource-definitions/"
STACK = ["DRBD", "WRITECACHE", "STORAGE"]
INVALID_LAYERS, INVALID_PROP = 225, 213


def message(r):
    return r.json[0]["message"] if isinstance(r.json, list) and r.json else ""


def refused(tap, r, number, words, name):
    tap.ok(r.status >= 400 and (number is None or r.number() == number) and words in message(r),
           name, repr(r))


def spawn(node, name, props=None, stack=None, only=False, **select):
    return node.http("POST", "/v1/resource-groups/DfltRscGrp/spawn", {
        "resource_definition_name": name, "volume_sizes": [4 << 20], "definitions_only": only,
        "resource_definition_props": props or {},
        "select_filter": {"layer_stack": stack or STACK, **select}})


def properties(tap, n):
    refused(tap, spawn(n, "db", only=True), INVALID_PROP, "Writecache/PoolName", "no pool is said")
    for size in ("", "0", "101%", "1M", "1000", "274877906945"):
        refused(tap, spawn(n, "db", {"Writecache/PoolName": "ssd", "Writecache/Size": size},
                           only=True), INVALID_PROP, "Writecache/Size", "a size of '%s'" % size)
    refused(tap, spawn(n, "db", {"Writecache/PoolName": "ssd",
                                 "Writecache/Options/writeback_jobs": "7"}, only=True),
            INVALID_PROP, "not supported", "an option")
    for stack, words in ((["DRBD", "WRITECACHE", "LUKS", "STORAGE"], "not be encrypted"),
                         (["WRITECACHE", "DRBD", "STORAGE"], "above DRBD"),
                         (["NVME", "WRITECACHE", "STORAGE"], "do not go together")):
        refused(tap, spawn(n, "db", stack=stack, only=True), INVALID_LAYERS, words, ",".join(stack))
    tap.eq(n.http("GET", RD + "db").status, 404, "nothing came of it")


def shapes(tap, n):
    r = spawn(n, "db", {"Writecache/PoolName": "ssd", "Writecache/Size": "10%"}, only=True)
    tap.eq(r.status, 201, "defined")
    d = n.get(RD + "db")
    tap.eq([l["type"] for l in d["layer_data"]], STACK, "layers of the definition")
    tap.eq(d["props"]["Writecache/PoolName"], "ssd", "its properties are shown")
    v = n.get(RD + "db/volume-definitions")[0]
    tap.eq([l["type"] for l in v["layer_data"]], STACK, "layers of the volume")
    tap.ok("WRITECACHE" in n.get("/v1/nodes")[0]["resource_layers"], "nodes have the layer")
    refused(tap, n.http("PUT", RD + "db", {"layer_stack": ["DRBD", "STORAGE"]}), INVALID_LAYERS,
            "cannot change", "layers stay")
    tap.eq(spawn(n, "plain", stack=["DRBD", "STORAGE"]).status, 201, "a plain one")
    refused(tap, n.http("POST", RD + "plain/resources/n3", {"layer_list": STACK, "resource": {}}),
            INVALID_LAYERS, "without WRITECACHE", "a copy with a cache of a plain one")


def places(tap, c, n):
    refused(tap, n.http("POST", RD + "db/autoplace", {"select_filter": {"place_count": 2}}), None,
            "a write cache goes with LVM only", "pools of files")
    refused(tap, n.http("POST", RD + "db/resources/n1", {
        "resource": {"props": {"StorPoolName": "pool"}}}), None, "", "named by a person")
    r = n.cli("volume", "create", "web", "4G", "--write-cache", "ssd:10%")
    tap.ok(r.code != 0 and "a write cache goes with LVM only" in r.err, "sdsd volume create", r)
    r = n.cli("volume", "create", "web", "4G", "--write-cache", "ssd", "--explain")
    tap.ok(r.code == 0 and "a write cache goes with LVM only" in r.out, "--explain", r)
    r = n.cli("volume", "create", "web", "4G", "--write-cache", "ssd:much")
    tap.ok(r.code != 0 and "much" in r.err, "a size that is none", r)
    r = n.cli("volume", "create", "web", "4G", "--write-cache", "ssd", "--nvme")
    tap.ok(r.code != 0 and "do not go together" in r.err, "with --nvme", r)
    tap.eq(n.http("GET", RD + "web").status, 404, "nothing came of it")
    tap.eq(n.http("DELETE", RD + "db").status, 200, "deleted")
    tap.ok(all(x.alive() for x in c.nodes), "all daemons run")


def main():
    need_sdsd()
    tap = Tap()
    with Cluster(3, name="cache") as c:
        n = c.nodes[1]
        properties(tap, n)
        shapes(tap, n)
        places(tap, c, n)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
