#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Many changes while leaders die: 200 resources are made, 8 at a time, and every second the
leader is killed and comes back. Whoever gets an error asks again under the same request id, on any
node. In the end each resource is there once, with its copies, and nothing else is: in the lists, in
the pools' directories, and in what is promised of the pools.

SCALE_CREATES and SCALE_KILL_S (seconds between kills) make it longer: 1000 and 10 is the whole of it.
"""
import concurrent.futures
import os
import threading
import time

from cluster import Cluster, Tap, need_sdsd, wait_for

CREATES = int(os.environ.get("SCALE_CREATES", "200"))
KILL_S = float(os.environ.get("SCALE_KILL_S", "1"))
FIRST_KILL_S = 0.3
PARALLEL = 8
TRIES = 120
COPIES = 2
SIZE_KIB = 64


def spawn(cluster, i):
    """(answer, how many others before it); one request id, any node that runs"""
    name = "res%04d" % i
    nodes = cluster.nodes
    failed = 0
    for n in range(TRIES):
        a = nodes[(i + n) % len(nodes)].http("POST", "/v1/resource-groups/grp/spawn", {
            "resource_definition_name": name, "volume_sizes": [SIZE_KIB]},
            headers={"X-Request-Id": "create-" + name}, timeout=60)
        if a.status == 201:
            return a, failed
        failed += 1
        time.sleep(0.5)
    return a, failed


class Killer:
    def __init__(self, cluster):
        self.cluster = cluster
        self.kills = 0
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        wait_s = FIRST_KILL_S  # on a fast machine all is made in three seconds
        while not self.ending.wait(wait_s):
            wait_s = KILL_S
            leader = self.cluster.leader(30)
            leader.kill()
            self.kills += 1
            self.ending.wait(KILL_S / 4)
            leader.start()

    def stop(self):
        self.ending.set()
        self.thread.join()


def check_lists(t, c):
    want = ["res%04d" % i for i in range(CREATES)]
    definitions = sorted(d["name"] for d in c.any().get("/v1/resource-definitions"))
    t.eq(definitions, want, "each definition is there once, and no other")
    view = c.any().get("/v1/view/resources")
    t.eq(sorted(set(r["name"] for r in view)), want, "and in the list of resources, made in slices")
    t.eq(len(view), COPIES * CREATES, "each has its copies and no more")
    minors = [v["layer_data_list"][0]["data"]["drbd_volume_definition"]["minor_number"]
              for r in view for v in r["volumes"]]
    t.eq(len(set(minors)), CREATES, "no two have the same device")
    page = c.any().get("/v1/view/resources?limit=3&offset=%d" % (COPIES * 70))
    t.eq([(r["name"], r["node_name"]) for r in page],
         [(r["name"], r["node_name"]) for r in view[COPIES * 70:COPIES * 70 + 3]],
         "a page of the list is a part of it")
    return view


class Kept:
    """The texts that the list of resources is made of are kept until they change: it says what the
    requests for single replicas say, which are made anew each time."""

    def __init__(self, t, c, name):
        self.t, self.c, self.name = t, c, name
        self.path = "/v1/resource-definitions/%s/resources" % name
        self.nodes = [r["node_name"] for r in c.any().get(self.path)]

    def listed(self):
        node = next(n for n in self.c.nodes if n.alive())
        return [r for r in node.get("/v1/view/resources") if r["name"] == self.name]

    def single(self):
        node = next(n for n in self.c.nodes if n.alive())
        return [dict(r, volumes=node.get("%s/%s/volumes" % (self.path, r["node_name"])))
                for r in node.get(self.path)]

    def agrees(self, what, holds):
        """holds: of the list, so that it is known to show what is new"""
        listed = single = None

        def look():  # at a moment when nothing changes in between
            nonlocal listed, single
            listed, single = self.listed(), self.single()
            return holds(listed) and listed == single
        try:
            wait_for(look, 20)
        except Exception:
            pass
        self.t.eq(listed, single, "the list says the same as single requests " + what)
        self.t.ok(holds(listed), "and shows it", listed)


def check_kept(t, c):
    k = Kept(t, c, "res0007")
    on = "%s/%s" % (k.path, k.nodes[0])

    def up(rs):
        return all(r["volumes"][0].get("state", {}).get("disk_state") == "UpToDate" for r in rs)
    k.agrees("at first", up)
    c.any().http("PUT", on, {"override_props": {"Aux/kept": "x"}})
    k.agrees("after a property was set",
             lambda rs: [r["props"].get("Aux/kept") for r in rs].count("x") == 1)
    c.any().http("POST", on + "/deactivate")
    k.agrees("after a copy was deactivated",
             lambda rs: sum("INACTIVE" in r["flags"] for r in rs) == 1)
    c.any().http("POST", on + "/activate")
    k.agrees("when it is back", up)
    node = next(n for n in c.nodes if n.name in k.nodes and not n.is_leader())
    node.stop()
    k.agrees("when a node is away", lambda rs: sum("state" not in r for r in rs) == 1)
    node.start()
    c.wait_online()
    k.agrees("when it has returned", up)
    pages = [r["name"] for i in range(0, 12, 4)
             for r in c.any().get("/v1/view/resources?limit=4&offset=%d" % i)]
    t.eq(pages, [r["name"] for r in c.any().get("/v1/view/resources")[:12]], "page by page")
    few = c.any().get("/v1/view/resources?nodes=%s&props=Aux/kept=x" % k.nodes[0])
    t.eq([r["name"] for r in few], [k.name], "by properties and node")


def check_files(t, c, view):
    for node in c.nodes:
        mine = sorted(r["name"] for r in view if r["node_name"] == node.name)

        def files():
            return sorted(f[:-len("_00000")] for f in os.listdir(node.pool_dir)
                          if f.endswith("_00000"))
        try:
            wait_for(lambda: files() == mine, 30)
        except Exception:
            pass
        t.eq(files(), mine, "%s has files of its copies only" % node.name)


def check_promises(t, c, view):
    """what placement thinks is in each pool"""
    asked = c.any().http("POST", "/v1/sds/explain", {"volume_sizes": [SIZE_KIB]}).json
    mine = {n.name: sum(r["node_name"] == n.name for r in view) for n in c.nodes}
    t.eq({p["node"]: p["replicas"] for p in asked["candidates"]}, mine,
         "as many copies are promised as there are")
    t.eq({p["node"]: p["promised_kib"] for p in asked["candidates"]},
         {n: mine[n] * asked["size_kib"] for n in mine}, "and as much space for each")


def main():
    need_sdsd()
    t = Tap()
    with Cluster(3) as c:
        a = c.any().http("POST", "/v1/resource-groups", {
            "name": "grp", "select_filter": {"place_count": COPIES}})
        c.any().http("POST", "/v1/resource-groups/grp/volume-groups", {})
        t.eq(a.status, 201, "a group")
        killer = Killer(c)
        begun = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
            results = list(pool.map(lambda i: spawn(c, i), range(CREATES)))
        took = time.monotonic() - begun
        killer.stop()
        bad = [a for a, _ in results if a.status != 201]
        t.eq(bad, [], "every create succeeds in the end")
        t.ok(killer.kills > 0, "leaders were killed meanwhile")
        t.note("%d creates in %.0f s, %d leaders killed, %d answers were errors" % (
            CREATES, took, killer.kills, sum(n for _, n in results)))
        c.wait_online()
        view = check_lists(t, c)
        check_files(t, c, view)
        check_promises(t, c, view)
        check_kept(t, c)
        for i in range(0, CREATES, 10):
            c.any().http("POST", "/v1/resource-groups/grp/spawn", {
                "resource_definition_name": "res%04d" % i, "volume_sizes": [SIZE_KIB]},
                headers={"X-Request-Id": "create-res%04d" % i})
        t.eq(len(c.any().get("/v1/view/resources")), COPIES * CREATES,
             "a late repetition of a request makes nothing")
        with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
            gone = list(pool.map(lambda i: c.any().http(
                "DELETE", "/v1/resource-definitions/res%04d" % i).status, range(CREATES)))
        t.eq(set(gone), {200}, "all can be deleted")
        check_files(t, c, [])
        check_promises(t, c, [])
        t.eq(c.any().get("/v1/view/resources"), [], "and nothing is left")
    t.done()


if __name__ == "__main__":
    main()
