#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_recover.py - sdsd recover: two of three nodes are lost for ever, the third one becomes a
cluster of its own with all that was defined and written; an old node that returns is refused, and
joins again as a new one (docs/raft.md#recovery)."""
import json
import os
import shutil
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import blocks  # noqa: E402
from cluster import (Cluster, Tap, need_libnbd, need_sdsd, run_cli,  # noqa: E402
                     wait_for)

BLOCKS = 60


def run(verb, node, volume, key):
    return blocks.run(verb, node, volume, BLOCKS, key)


def recover(node, *args):
    return run_cli("recover", "--dir", node.dir, *args)


def definitions(node):
    """all that somebody has defined, without what nodes report of it"""
    volumes = {}
    for r in node.get("/v1/resource-definitions?with_volume_definitions=true"):
        volumes[r["name"]] = (r["uuid"], r.get("props"), r["resource_group_name"],
                              [(v["volume_number"], v["size_kib"])
                               for v in r.get("volume_definitions", [])])
    groups = {g["name"]: json.dumps(g.get("select_filter"), sort_keys=True)
              for g in node.get("/v1/resource-groups")}
    return volumes, groups, node.get("/v1/controller/properties")


def define(tap, c):
    n1 = c.node("n1")
    for name, nodes in (("three", "n1,n2,n3"), ("two", "n1,n2"), ("busy", "n1,n2"),
                        ("others", "n2,n3")):
        made = n1.cli("volume", "create", name, "16M", "--nodes", nodes)
        tap.ok(made.code == 0, "volume create %s" % name, made)
        c.wait_verdict(name)
    n1.cli("resource-group", "create", "gold", "--copies", "2")
    n1.cli("property", "set", "controller", "Aux/site=here")
    n1.cli("volume", "set", "two", "Aux/owner=me")
    for name, node in (("three", c.node("n2")), ("two", n1)):
        ok, why = run("write", node, name, 7)
        tap.ok(ok, "%s is written on %s" % (name, node.name), why)
    for name in ("three", "two", "busy"):
        c.wait_verdict(name)


def refusals(tap, c):
    n1 = c.node("n1")
    for args in ((), ("--force-new-cluster",)):
        r = recover(n1, *args)
        tap.ok(r.code == 1 and "another sdsd runs" in r.err, "not while the daemon runs", r)
    r = recover(n1, "now")
    tap.ok(r.code == 2 and "unexpected" in r.err, "an argument too much", r)
    r = run_cli("recover", "--dir", os.path.join(c.root, "none"))
    tap.ok(r.code == 1 and "not a member" in r.err, "no node", r)
    with Cluster(1, name="alone") as alone:
        alone.nodes[0].stop()
        r = recover(alone.nodes[0], "--force-new-cluster")
        tap.ok(r.code == 1 and "only node" in r.err, "there is nothing to recover of one", r)
        tap.ok(not os.path.exists(os.path.join(alone.nodes[0].dir, "recover.json")),
               "and nothing was left")


def interrupted(tap, n1):
    """It was killed between its two files: the daemon does not run on half of it."""
    path = os.path.join(n1.dir, "recover.json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"node": "n1", "at_ms": 1, "lost": [{"name": "n2", "id": 2},
                                                      {"name": "n3", "id": 3}]}, f)
    n1.start(wait=False)
    code = n1.process.wait(20)
    tap.ok(code == 1 and "a recovery was interrupted" in n1.log_tail(),
           "one that was interrupted: the daemon does not start", (code, n1.log_tail()))


def lose_the_others(tap, c):
    """One of them has a volume open meanwhile: what it has flushed is here, too."""
    n2 = c.node("n2")
    path = wait_for(lambda: n2.nbd_socket("busy"), 20, "socket of busy")
    with blocks.hold(path, BLOCKS, 7) as user:
        for n in ("n2", "n3"):
            c.node(n).kill()
        user.stdin.close()
        user.wait(20)


def force(tap, c):
    n1 = c.node("n1")
    before = definitions(n1)
    lose_the_others(tap, c)
    wait_for(lambda: not n1.is_leader(), 20, "n1 sees that it has no majority")
    late = n1.http("POST", "/v1/resource-definitions", {"resource_definition": {"name": "late"}})
    tap.eq(late.status, 503, "without a majority nothing can be changed")
    n1.stop()
    looked = recover(n1)
    tap.ok(looked.code == 0 and "n2, n3" in looked.out and "busy, three, two" in looked.out and
           "others" in looked.out and "Nothing was done" in looked.out, "it says what there is",
           looked)
    interrupted(tap, n1)
    for again in (False, True):
        r = recover(n1, "--force-new-cluster")
        tap.ok(r.code == 0 and "cluster of its own" in r.out,
               "recover --force-new-cluster%s" % (", again" if again else ""), r)
    n1.start()
    wait_for(n1.is_leader, 20, "it leads")
    wait_for(lambda: not os.path.exists(os.path.join(n1.dir, "recover.json")), 20,
             "it is in the store")
    wait_for(lambda: n1.http("GET", "/v1/nodes/n3").status == 200 and
             "LOST" in n1.get("/v1/nodes/n3").get("flags", []) or
             n1.http("GET", "/v1/nodes/n3").status == 404, 20, "the others are lost")
    tap.eq(definitions(n1), before, "nothing that was defined is lost")
    tap.ok("recovered from one node" in n1.cli("log").out, "the history says so", n1.cli("log"))
    return before


def serve(tap, c):
    n1 = c.node("n1")
    for name in ("three", "two", "busy"):
        # a copy that cannot ask the others waits for their leases first, longer than one opening
        wait_for(lambda n=name: run("read", n1, n, 7)[0], 60, "%s can be opened" % name)
        ok, why = run("read", n1, name, 7)
        tap.ok(ok, "every block of %s is there" % name, why)
        ok, why = run("write", n1, name, 9)
        tap.ok(ok, "%s can be written" % name, why)
    v = c.volume("others")
    tap.eq(v["verdict"], "unavailable", "what was on the others only is defined, and not there")
    tap.ok("lost" in v.get("upkeep", ""), "and nothing of it was given up by itself", v)
    for name in ("three", "two", "busy"):
        wait_for(lambda n=name: [r["node"] for r in c.volume(n)["replicas"]] == ["n1"], 60,
                 "%s has its copy here only" % name)
    made = n1.cli("volume", "create", "new", "8M", "--copies", "1")
    tap.ok(made.code == 0, "new volumes can be made", made)


def servers(node):
    return [(n["name"], n["role"]) for n in node.get("/v1/sds/status")["nodes"]]


def old_returns(tap, c):
    """It is refused at the port between nodes, and it makes no cluster with itself."""
    n1, n2 = c.node("n1"), c.node("n2")
    term = n1.get("/v1/sds/status")["cluster"].get("term")
    n2.start()
    time.sleep(8)
    tap.ok(n1.is_leader(), "n1 goes on")
    tap.eq(n1.get("/v1/sds/status")["cluster"].get("term"), term, "no election was forced upon it")
    tap.ok(not n2.is_leader(), "n2 leads nobody")
    refused = n2.http("POST", "/v1/resource-definitions",
                      {"resource_definition": {"name": "second"}})
    tap.ok(refused.status in (403, 503), "and changes nothing", refused)
    tap.eq(n1.http("GET", "/v1/resource-definitions/second").status, 404, "anywhere")
    tap.ok("n2" in n1.log() and "not known as a node" in n1.log(), "n1 says who was refused",
           n1.log_tail())
    tap.ok(n2.nbd_socket("three") is None or not run("read", n2, "three", 9)[0],
           "n2 does not serve what it has")
    tap.ok("not any more, a node of the cluster" in n2.log(), "n2 says that it is refused",
           n2.log_tail())
    n2.kill()


def join_again(tap, c):
    n1, n2 = c.node("n1"), c.node("n2")
    for path in (n2.dir, n2.pool_dir):
        shutil.rmtree(path)
    os.makedirs(n2.pool_dir)
    n1.cli("volume", "delete", "others")
    wait_for(lambda: n1.http("GET", "/v1/nodes/n2").status == 404, 30, "n2 is forgotten")
    token = n1.cli_json("token", "create")["token"]
    r = run_cli("join", n1.address, "--token", token, "--dir", n2.dir, "--name", "n2",
                "--address", n2.address)
    tap.ok(r.code == 0, "n2 joins again", r)
    n2.start()
    c.wait_online(["n1", "n2"])
    c.add_pool(n2)
    wait_for(lambda: sorted(r["node"] for r in c.volume("three")["replicas"] if r["in_sync"]) ==
             ["n1", "n2"], 90, "it gets a copy by itself")
    ok, why = run("read", n2, "three", 9)
    tap.ok(ok, "with every block", why)


def main():
    need_sdsd()
    need_libnbd()
    tap = Tap()
    with Cluster(3) as c:
        define(tap, c)
        refusals(tap, c)
        force(tap, c)
        serve(tap, c)
        old_returns(tap, c)
        join_again(tap, c)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
