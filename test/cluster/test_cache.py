#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_cache.py - resources of the layers WRITECACHE and CACHE by the API and the command line:
properties, shapes, where copies could go, refusals. What caches do needs device-mapper and LVM:
test/vm/case_storage_cache.py. Called by meson (suite cluster)."""
import collections
import sys

from cluster import Cluster, Tap, need_sdsd

RD = "/v1/resource-definitions/"
INVALID_LAYERS, INVALID_PROP = 225, 213
Kind = collections.namedtuple("Kind", "layer noun option pool size wrong")
KINDS = (Kind("WRITECACHE", "write cache", "--write-cache", "Writecache/PoolName", "Writecache/Size",
              {"Writecache/Options/writeback_jobs": "7"}),
         Kind("CACHE", "read cache", "--read-cache", "Cache/CachePool", "Cache/Cachesize",
              {"Cache/Blocksize": "4096"}))
READ = KINDS[1]


def stack_of(kind):
    return ["DRBD", kind.layer, "STORAGE"]


def message(r):
    return r.json[0]["message"] if isinstance(r.json, list) and r.json else ""


def refused(tap, r, number, words, name):
    tap.ok(r.status >= 400 and (number is None or r.number() == number) and words in message(r),
           name, repr(r))


def spawn(node, name, stack, props=None, only=False, **select):
    return node.http("POST", "/v1/resource-groups/DfltRscGrp/spawn", {
        "resource_definition_name": name, "volume_sizes": [4 << 20], "definitions_only": only,
        "resource_definition_props": props or {},
        "select_filter": {"layer_stack": stack, **select}})


def define(n, kind, props, name="db"):
    return spawn(n, name, stack_of(kind), props, only=True)


def properties(tap, n, kind):
    refused(tap, define(n, kind, {}), INVALID_PROP, kind.pool, kind.noun + ": no pool is said")
    for size in ("", "0", "101%", "1M", "1000", "274877906945"):
        refused(tap, define(n, kind, {kind.pool: "ssd", kind.size: size}), INVALID_PROP, kind.size,
                "a size of '%s'" % size)
    refused(tap, define(n, kind, {kind.pool: "ssd", **kind.wrong}), INVALID_PROP, "not supported",
            "an option")
    for stack, words in ((["DRBD", kind.layer, "LUKS", "STORAGE"], "not be encrypted"),
                         ([kind.layer, "DRBD", "STORAGE"], "above DRBD"),
                         (["NVME", kind.layer, "STORAGE"], "do not go together")):
        refused(tap, spawn(n, "db", stack, only=True), INVALID_LAYERS, words, ",".join(stack))
    tap.eq(n.http("GET", RD + "db").status, 404, "nothing came of it")


def options_of_reading(tap, n):
    """what LINSTOR's users set: what is so anyway is taken"""
    for key, value in (("OpMode", "writeback"), ("Policy", "cleaner"), ("MetaPool", "nvme")):
        refused(tap, define(n, READ, {READ.pool: "ssd", "Cache/" + key: value}), INVALID_PROP,
                "possible is", "%s=%s" % (key, value))
    r = define(n, READ, {READ.pool: "ssd", "Cache/OpMode": "writethrough", "Cache/Policy": "smq",
                         "Cache/MetaPool": "SSD"}, "same")
    tap.eq(r.status, 201, "what is so anyway")
    for stack in (["DRBD", "WRITECACHE", "CACHE", "STORAGE"],
                  ["DRBD", "CACHE", "WRITECACHE", "STORAGE"]):
        refused(tap, spawn(n, "db", stack, {k.pool: "ssd" for k in KINDS}, only=True),
                INVALID_LAYERS, "'WRITECACHE' and 'CACHE' do not go together", ",".join(stack))


def shapes(tap, n, kind):
    r = define(n, kind, {kind.pool: "ssd", kind.size: "10%"})
    tap.eq(r.status, 201, kind.noun + ": defined")
    d = n.get(RD + "db")
    tap.eq([l["type"] for l in d["layer_data"]], stack_of(kind), "layers of the definition")
    tap.eq(d["props"][kind.pool], "ssd", "its properties are shown")
    v = n.get(RD + "db/volume-definitions")[0]
    tap.eq([l["type"] for l in v["layer_data"]], stack_of(kind), "layers of the volume")
    tap.ok(kind.layer in n.get("/v1/nodes")[0]["resource_layers"], "nodes have the layer")
    for other in ["DRBD", "STORAGE"], stack_of(KINDS[kind == KINDS[0]]):
        refused(tap, n.http("PUT", RD + "db", {"layer_stack": other}), INVALID_LAYERS,
                "cannot change", "layers stay: " + ",".join(other))
    refused(tap, n.http("POST", RD + "plain/resources/n3",
                        {"layer_list": stack_of(kind), "resource": {}}),
            INVALID_LAYERS, "without %s," % kind.layer, "a copy with a cache of a plain one")


def places(tap, n, kind):
    only_lvm = "a %s goes with LVM only" % kind.noun
    refused(tap, n.http("POST", RD + "db/autoplace", {"select_filter": {"place_count": 2}}), None,
            only_lvm, "pools of files")
    refused(tap, n.http("POST", RD + "db/resources/n1", {
        "resource": {"props": {"StorPoolName": "pool"}}}), None, "", "named by a person")
    create = ("volume", "create", "web", "4G", kind.option)
    r = n.cli(*create, "ssd:10%")
    tap.ok(r.code != 0 and only_lvm in r.err, "sdsd volume create", r)
    r = n.cli(*create, "ssd", "--explain")
    tap.ok(r.code == 0 and only_lvm in r.out, "--explain", r)
    r = n.cli(*create, "ssd:much")
    tap.ok(r.code != 0 and "much" in r.err, "a size that is none", r)
    r = n.cli(*create, "ssd", "--nvme")
    tap.ok(r.code != 0 and "do not go together" in r.err, "with --nvme", r)
    tap.eq(n.http("GET", RD + "web").status, 404, "nothing came of it")
    tap.eq(n.http("DELETE", RD + "db").status, 200, "deleted")


def explained(tap, n):
    r = n.http("POST", "/v1/sds/explain", {
        "volume_sizes": [4 << 20], "resource_definition_props": {READ.pool: "ssd"},
        "select_filter": {"layer_stack": stack_of(READ), "place_count": 2}})
    tap.eq({c["rule"] for c in r.json["candidates"]}, {"cache"}, "the rule's name")
    r = n.cli("volume", "create", "web", "4G", "--write-cache", "ssd", "--read-cache", "ssd")
    tap.ok(r.code == 2 and "--write-cache and --read-cache do not go together" in r.err,
           "both options", r)


def main():
    need_sdsd()
    tap = Tap()
    with Cluster(3, name="cache") as c:
        n = c.nodes[1]
        tap.eq(spawn(n, "plain", ["DRBD", "STORAGE"]).status, 201, "a plain one")
        for kind in KINDS:
            properties(tap, n, kind)
            shapes(tap, n, kind)
            places(tap, n, kind)
        options_of_reading(tap, n)
        explained(tap, n)
        tap.ok(all(x.alive() for x in c.nodes), "all daemons run")
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
