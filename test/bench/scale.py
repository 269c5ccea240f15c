#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""scale.py - the control plane with very many resources: how long lists take, how soon it serves
after a start, the memory of the leader, what it costs when nothing happens.

Five real daemons that have no pools, so that consensus is a real one, and simulated nodes
(simnodes.py) with three copies of each resource. What is made is made by the API. The state is in
memory (/dev/shm), so that the disk of the machine is no part of the figures.

    SDSD=build/sdsd python3 test/bench/scale.py [--resources 10000] [--nodes 10] [--again]
"""
import argparse
import concurrent.futures
import json
import os
import statistics
import subprocess
import sys
import time

os.environ.setdefault("SDSD_TEST_DIR", "/dev/shm")
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import simnodes
from simnodes import lab

VOTERS = 5          # CONSENSUS_VOTERS_MAX: the simulated nodes are not asked to vote
SIZE_KIB = 1024
GROUP = "scale"
IDLE_S = 20
LOOKS_PER_S = 100   # of upkeep
TRIES = 60
LISTS = ["/v1/view/resources", "/v1/view/resources?limit=100", "/v1/resource-definitions",
         "/v1/resource-definitions?with_volume_definitions=true", "/v1/sds/status",
         "/v1/view/storage-pools", "/v1/nodes", "/metrics"]


def rss_mib(node):
    with open("/proc/%d/status" % node.process.pid) as f:
        kib = {line.split()[0][:-1]: line.split()[1] for line in f if line.startswith(("Vm", "Rss"))}
    return int(kib["VmRSS"]) / 1024, int(kib["RssAnon"]) / 1024, int(kib["VmHWM"]) / 1024


def cpu_s(node):
    with open("/proc/%d/stat" % node.process.pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def say(what, value):
    print("%-58s %s" % (what, value), flush=True)


def fill(leader, names):
    def spawn(name):
        """again under the same id, as a new leader has to hear of the nodes first"""
        for _ in range(TRIES):
            a = leader.http("POST", "/v1/resource-groups/%s/spawn" % GROUP, {
                "resource_definition_name": name, "volume_sizes": [SIZE_KIB]},
                headers={"X-Request-Id": "fill-" + name}, timeout=120)
            if a.status == 201:
                return
            time.sleep(1)
        raise RuntimeError("%s: %r" % (name, a))
    begun = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(spawn, names))
    took = time.monotonic() - begun
    say("made by spawning, 16 at a time", "%.0f/s, %.1f s" % (len(names) / took, took))


def timed(node, fn, times=5):
    """The answer, and a line: by the clock, and the CPU time of the daemon, which says more on a
    machine that does other things, too. The first is said apart: later ones may be cheaper."""
    took, cpu = [], []
    for _ in range(times):
        before, begun = cpu_s(node), time.monotonic()
        result = fn()
        took.append(1000 * (time.monotonic() - begun))
        cpu.append(1000 * (cpu_s(node) - before))
    return result, "first %.0f ms (CPU %.0f), then median %.0f ms (CPU %.0f), best %.0f ms" % (
        took[0], cpu[0], statistics.median(took[1:]), statistics.median(cpu[1:]), min(took))


def fetch(node, path):
    """(status, bytes) by a program of its own: this one is busy with the simulated nodes, and to
    read tens of megabytes took it longer than the daemon to make them."""
    out = subprocess.run(["curl", "-s", "--max-time", "60", "-o", "/dev/null",
                          "-w", "%{http_code} %{size_download}", "--unix-socket", node.socket,
                          "http://sdsd" + path], stdout=subprocess.PIPE, check=False).stdout
    return [int(word) for word in out.split()]


def lists(leader):
    for path in LISTS:
        (status, size), line = timed(leader, lambda: fetch(leader, path))
        say("GET " + path, "%s, status %d, %.1f MB" % (line, status, size / 1e6))
    r, line = timed(leader, lambda: leader.cli("volume", "list"), 3)
    say("sdsd volume list", "%s, exit %s, %d lines" % (line, r.code, r.out.count("\n")))


def serving(node, path):
    begun = time.monotonic()
    while node.http("GET", path, timeout=30).status != 200:
        if time.monotonic() - begun > 60:
            raise RuntimeError("%s does not serve" % node.name)
        time.sleep(0.01)
    return time.monotonic() - begun


def starts(cluster):
    leader = cluster.leader()
    other = next((n for n in cluster.nodes if n.alive() and n is not leader), leader)
    other.stop()
    begun = time.monotonic()
    other.start(wait=False)
    serving(other, "/v1/sds/local")
    say("one node starts: its socket answers", "%.2f s" % (time.monotonic() - begun))
    serving(other, "/v1/view/resources?limit=1")
    say("    and a list comes", "%.2f s" % (time.monotonic() - begun))
    real = [n for n in cluster.nodes if n.alive()]
    for n in real:
        n.stop()
    begun = time.monotonic()
    for n in real:
        n.start(wait=False)
    serving(real[0], "/v1/view/resources?limit=1")
    say("all %d start at once on this machine: a list comes" % len(real),
        "%.2f s" % (time.monotonic() - begun))
    return begun


def idle(leader, looked):
    """looked: when a new leader has looked through all copies"""
    time.sleep(max(5, looked - time.monotonic()))
    before, begun = cpu_s(leader), time.monotonic()
    time.sleep(IDLE_S)
    share = (cpu_s(leader) - before) / (time.monotonic() - begun)
    say("the leader when nothing happens", "%.2f %% of a CPU" % (100 * share))


def passes(leader):
    """An upkeep pass begins with a change that concerns all"""
    leader.http("PUT", "/v1/resource-groups/" + GROUP, {"description": str(time.time())})
    before = cpu_s(leader)
    time.sleep(10)
    say("the leader while it looks through all copies",
        "%.2f %% of a CPU" % (10 * (cpu_s(leader) - before)))


def settled(cluster, count):
    """until a leader has heard of all copies"""
    def safe():
        a = cluster.leader().http("GET", "/v1/sds/status?limit=1")
        return a.status == 200 and a.json["cluster"]["safe"] >= count
    lab.wait_for(safe, 120, "all copies are reported", 2)


def measure(cluster, count):
    looked = starts(cluster) + count / LOOKS_PER_S + 10
    leader = cluster.leader()
    settled(cluster, count)
    say("RSS of the leader, before any list", "%.0f MiB (%.0f of it anonymous)" %
        rss_mib(leader)[:2])
    lists(leader)
    say("RSS of the leader, after them", "%.0f MiB (%.0f of it anonymous), at most %.0f" %
        rss_mib(leader))
    idle(leader, looked)
    passes(leader)
    say("    and is it the leader that it was in the beginning", leader.is_leader())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--resources", type=int, default=10000)
    parser.add_argument("--nodes", type=int, default=10)
    parser.add_argument("--voters", type=int, default=VOTERS,
                        help="real daemons; with 1 a busy machine causes no elections")
    parser.add_argument("--again", action="store_true",
                        help="stay, and measure again when asked to")
    args = parser.parse_args()
    lab.need_sdsd()
    names = ["vol%05d" % i for i in range(args.resources)]
    say("load of the machine before", "%.1f %.1f %.1f" % os.getloadavg())
    with lab.Cluster(args.voters, pools=False) as c:
        sims = simnodes.SimNodes(c, args.nodes)
        for sim in sims.list:
            c.add_pool(sim.node)
        sims.promise(names, SIZE_KIB)
        sims.start()
        leader = c.leader()
        lab.wait_for(lambda: leader.get("/v1/sds/status")["cluster"]["online"] == len(c.nodes),
                     30, "the simulated nodes report")
        a = leader.http("POST", "/v1/resource-groups", {
            "name": GROUP, "select_filter": {"place_count": 3, "storage_pool": lab.POOL}})
        leader.http("POST", "/v1/resource-groups/%s/volume-groups" % GROUP, {})
        if a.status != 201:
            raise RuntimeError("group: %r" % a)
        fill(leader, names)
        sims.settle(leader.get("/v1/view/resources"))
        measure(c, args.resources)
        while args.again and input("Enter: once more (with what SDSD is now); q: end ") != "q":
            measure(c, args.resources)
        sims.stop()
    say("load of the machine after", "%.1f %.1f %.1f" % os.getloadavg())


if __name__ == "__main__":
    main()
