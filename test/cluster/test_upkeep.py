#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_upkeep.py - what the cluster does by itself for its copies (docs/upkeep.md): a copy
that is away for long is made anew elsewhere, and who returns goes; a node is evacuated while the leader
dies; a client that is open for long becomes a copy; who died as writer and stays away keeps nobody from
learning; a node is lost and forgotten. Every acknowledged
block is there afterwards."""
import filecmp
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import blocks  # noqa: E402
from cluster import Cluster, Tap, need_libnbd, need_sdsd, wait_for  # noqa: E402

BLOCKS = 200


def run(verb, node):
    return blocks.run(verb, node, "db", BLOCKS)


def copies(c):
    """node -> in sync, of the copies that are not being deleted"""
    v = c.volume("db") or {}
    return {r["node"]: r["in_sync"] for r in v.get("replicas", [])
            if not r["diskless"] and not r["deleting"]}


def both_good(c, but=()):
    have = copies(c)
    return len(have) == 2 and all(have.values()) and not set(but) & set(have)


def same(c):
    files = [os.path.join(c.node(n).pool_dir, "db_00000") for n in copies(c)]
    return filecmp.cmp(files[0], files[1], shallow=False)


def leftover(node):
    return os.path.exists(os.path.join(node.pool_dir, "db_00000"))


def one_too_many(tap, c):
    """somebody returned: its copy goes, or, when it has everything at once, the new one"""
    wait_for(lambda: both_good(c), 60, "one of three copies is dropped")
    wait_for(lambda: sum(leftover(n) for n in c.nodes) == 2, 30, "its files are removed")
    tap.ok(same(c), "back again, one is not needed any more, and both others are equal")


def rebuild(tap, c):
    n1, n2 = c.nodes[0], c.nodes[1]
    bad = n1.http("PUT", "/v1/resource-definitions/db",
                  {"override_props": {"sds/rebuild-after": "soon"}})
    tap.ok(bad.status >= 400, "a time that is none is refused", bad)
    set_ = n1.http("PUT", "/v1/resource-definitions/db",
                   {"override_props": {"sds/rebuild-after": "10s"}})
    tap.eq(set_.status, 200, "sds/rebuild-after is set")
    n2.kill()
    ok, why = run("write", n1)
    tap.ok(ok, "writes go on without n2", why)
    wait_for(lambda: (c.volume("db") or {}).get("upkeep"), 20, "a word on what is waited for")
    tap.ok("n2" in c.volume("db")["upkeep"], "the status says what is waited for",
           c.volume("db")["upkeep"])
    began = time.time()
    wait_for(lambda: sum(copies(c).values()) == 2, 90, "a new copy in sync")
    tap.note("a new copy is in sync %.0f s after that" % (time.time() - began))
    n2.start()
    one_too_many(tap, c)


def evacuate(tap, c):
    n1 = c.node("n1")
    drain = n1.get("/v1/sds/drain/n1")
    tap.ok(drain["ready"], "nothing depends on n1 alone", drain)
    got = n1.http("PUT", "/v1/nodes/n1/evacuate")
    tap.eq(got.status, 200, "evacuate answers")
    c.leader().kill()
    dead = [n for n in c.nodes if not n.alive()][0]
    time.sleep(1)
    dead.start()
    wait_for(lambda: both_good(c, but=("n1",)), 90, "its copy has moved")
    tap.ok(True, "n1 is empty though the leader died meanwhile")
    wait_for(lambda: not leftover(c.node("n1")), 30, "its files are removed")
    tap.ok(same(c), "both copies are equal")
    where = sorted(copies(c))
    time.sleep(3)
    tap.eq(sorted(copies(c)), where, "and nothing moves any more")
    tap.eq(c.any().http("PUT", "/v1/nodes/n1/restore").status, 200, "restore answers")
    flags = c.any().get("/v1/nodes/n1").get("flags", [])
    tap.ok("EVACUATE" not in flags, "n1 takes new copies again", flags)


def replica_of(c, node):
    return next((r for r in (c.volume("db") or {}).get("replicas", [])
                 if r["node"] == node.name), {})


def diskful(tap, c):
    node = next(n for n in c.nodes if not replica_of(c, n))
    got = c.any().cli("volume", "attach", "db", node.name)
    tap.ok(got.code == 0, "volume attach", got)
    set_ = c.any().cli("volume", "set", "db", "sds/diskful-after=10s")
    tap.ok(set_.code == 0, "sds/diskful-after is set", set_)
    path = wait_for(lambda: node.nbd_socket("db"), 20, "socket on %s" % node.name)
    with blocks.hold(path, 1) as user:
        wait_for(lambda: not replica_of(c, node).get("diskless", True), 60, "it gets a disk")
        tap.ok(not copies(c)[node.name], "which waits while it is open")
        tap.eq(len(copies(c)), 3, "and stands for no other copy")
        user.stdin.close()
        tap.eq(user.wait(20), 0, "the client has written and closed it")
    wait_for(lambda: node.name in copies(c) and both_good(c), 90, "it is one of two copies")
    tap.ok(same(c), "both copies are equal")
    ok, why = run("read", node)
    tap.ok(ok, "every block that was written is there", why)


def dead_writer(tap, c):
    """nobody opens the volume after its writer has died, and stays away"""
    writer = c.node(sorted(copies(c))[0])
    with blocks.hold(writer.nbd_socket("db"), BLOCKS):
        writer.kill()
    began = time.time()
    wait_for(lambda: sum(copies(c)[n] for n in copies(c) if n != writer.name) == 2, 120,
             "a new copy in sync")
    tap.ok(True, "a copy in place of the dead writer's gets its content by itself")
    tap.note("%.0f s after it has died" % (time.time() - began))
    writer.start()
    one_too_many(tap, c)
    ok, why = run("read", c.node(sorted(copies(c))[0]))
    tap.ok(ok, "every block that was written is there", why)


def lose(tap, c):
    gone = c.node(sorted(copies(c))[0])
    asked = [n for n in c.nodes if n is not gone][0]
    refused = asked.http("DELETE", "/v1/nodes/%s/lost" % gone.name)
    tap.ok(refused.status == 500 and refused.number() == 997, "a node that answers is not lost",
           refused)
    gone.kill()
    wait_for(lambda: asked.get("/v1/nodes/%s" % gone.name)["connection_status"] == "OFFLINE", 20,
             "it is seen to be away")
    got = asked.http("DELETE", "/v1/nodes/%s/lost" % gone.name)
    tap.eq(got.status, 200, "lost answers")
    wait_for(lambda: asked.http("GET", "/v1/nodes/%s" % gone.name).status == 404, 30,
             "it is forgotten")
    tap.ok(True, "%s is forgotten" % gone.name)
    wait_for(lambda: both_good(c, but=(gone.name,)), 60, "there are two copies again")
    tap.ok(same(c), "both copies are equal")
    ok, why = run("read", c.node(sorted(copies(c))[0]))
    tap.ok(ok, "every block that was written is there", why)
    again = asked.http("DELETE", "/v1/nodes/%s/lost" % gone.name)
    tap.ok(again.status == 200 and again.number() == 3000, "lost again: nothing to do", again)


def main():
    need_sdsd()
    need_libnbd()
    tap = Tap()
    with Cluster(5) as c:
        made = c.any().cli("volume", "create", "db", "64M", "--nodes", "n1,n2")
        tap.ok(made.code == 0, "volume create", made)
        c.wait_verdict("db")
        rebuild(tap, c)
        evacuate(tap, c)
        diskful(tap, c)
        dead_writer(tap, c)
        lose(tap, c)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
