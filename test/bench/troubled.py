#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""troubled.py - whether trouble with some slows others: volumes are made in a cluster in which the
tools of one pool hang on every node, with a copy that waits to be made there, and in which a copy of
one volume has lost its file; and in a cluster that has the same and no trouble. Batches in turn, so
that what else the machine does meets both; the measure is the ratio within a round.

    SDSD=build/sdsd python3 test/bench/troubled.py [--rounds 9] [--batch 20]

The aim is a ratio of at most 1.1. LVM's programs are stand-ins.
"""
import argparse
import json
import os
import statistics
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cluster"))
import cluster as lab

AIM = 1.1
SIZE_KIB = 1024
HANGING = "hangs"
WAITS = '#!/bin/sh\nwhile [ -e "$(dirname "$0")/hang" ]; do sleep 0.1; done\n'
VGS = WAITS + "echo '%s'\n" % json.dumps({"report": [{"vg": [{
    "vg_name": "vg0", "vg_size": "1073741824", "vg_free": "536870912",
    "vg_extent_size": "4194304"}]}]})
LVS = WAITS + "echo '%s'\n" % json.dumps({"report": [{"lv": []}]})


def put_programs(folder):
    for name, text in (("vgs", VGS), ("lvs", LVS), ("lvcreate", WAITS)):
        path = os.path.join(folder, name)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, 0o755)


class Side:
    """one of the two clusters"""

    def __init__(self, name, path):
        self.name = name
        self.programs = tempfile.mkdtemp(prefix="programs-")
        put_programs(self.programs)
        self.path = self.programs + ":" + path
        self.use()
        self.c = lab.Cluster(3)
        self.made = 0
        self.c.any().http("POST", "/v1/resource-groups", {
            "name": "grp", "select_filter": {"place_count": 2, "storage_pool": lab.POOL}})
        self.c.any().http("POST", "/v1/resource-groups/grp/volume-groups", {})
        for node in self.c.nodes:
            self.c.any().cli("pool", "create", node.name, HANGING, "--vg", "vg0")
        self.spawn("broken")

    def use(self):
        """daemons that start now find these programs"""
        os.environ["PATH"] = self.path

    def spawn(self, name):
        a = self.c.leader().http("POST", "/v1/resource-groups/grp/spawn", {
            "resource_definition_name": name, "volume_sizes": [SIZE_KIB]})
        if a.status != 201:
            raise RuntimeError("%s: %r" % (name, a))

    def batch(self, n):
        """seconds; the copies are up when a request is answered"""
        names = ["b%d" % (self.made + i) for i in range(n)]
        self.made += n
        begun = time.monotonic()
        for name in names:
            self.spawn(name)
        took = time.monotonic() - begun
        for name in names:
            self.c.leader().http("DELETE", "/v1/resource-definitions/" + name)
        return took

    def hang(self):
        lab.wait_for(lambda: all(p.get("free_capacity") for p in self.pools()), 30,
                     "the pools are known")
        open(os.path.join(self.programs, "hang"), "w").close()
        self.c.any().http("POST", "/v1/resource-groups", {
            "name": "stuck", "select_filter": {"place_count": 3, "storage_pool": HANGING}})
        self.c.any().http("POST", "/v1/resource-groups/stuck/volume-groups", {})
        body = {"resource_definition_name": "stuck", "volume_sizes": [SIZE_KIB]}
        threading.Thread(target=lambda: self.c.any().http(
            "POST", "/v1/resource-groups/stuck/spawn", body), daemon=True).start()

    def pools(self):
        return [p for p in self.c.any().get("/v1/view/storage-pools")
                if p["storage_pool_name"] == HANGING]

    def break_one(self):
        view = self.c.any().get("/v1/view/resources?resources=broken")
        node = next(n for n in self.c.nodes if n.name == view[0]["node_name"])
        self.use()
        node.stop()
        os.unlink(os.path.join(node.pool_dir, "broken_00000"))
        node.start()
        self.c.wait_online()

    def trouble(self):
        """until it shows, and a word about it"""
        self.break_one()
        self.hang()

        def shows():
            view = self.c.any().get("/v1/view/resources?resources=broken&resources=stuck")
            states = [r["volumes"][0].get("state", {}).get("disk_state") for r in view]
            busy = [p for p in self.pools() if "has run for" in json.dumps(p["reports"])]
            return "Failed" in states and "Attaching" in states and len(busy) == 3
        lab.wait_for(shows, 60, "the trouble shows")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--batch", type=int, default=20)
    args = parser.parse_args()
    lab.need_sdsd()
    path = os.environ["PATH"]
    print("load of the machine: %.1f %.1f %.1f" % os.getloadavg(), flush=True)
    calm, troubled = Side("calm", path), Side("troubled", path)
    with calm.c, troubled.c:
        troubled.trouble()
        ratios = []
        for i in range(args.rounds):
            took = {}
            for side in (calm, troubled) if i % 2 else (troubled, calm):
                took[side.name] = side.batch(args.batch)
            ratios.append(took["troubled"] / took["calm"])
            print("calm %.2f s, troubled %.2f s, ratio %.2f" % (
                took["calm"], took["troubled"], ratios[-1]), flush=True)
        for side in (calm, troubled):  # or the programs hang for ever
            try:
                os.unlink(os.path.join(side.programs, "hang"))
            except OSError:
                pass
    median = statistics.median(ratios)
    print("troubled / calm: median %.2f (%.2f to %.2f), aim %.1f: %s" % (
        median, min(ratios), max(ratios), AIM, "met" if median <= AIM else "missed"))
    print("load of the machine: %.1f %.1f %.1f" % os.getloadavg())


if __name__ == "__main__":
    main()
