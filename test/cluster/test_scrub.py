#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_scrub.py - bytes of copies are flipped behind the daemons' backs: by the clock and by hand
it is found where, and mended from the majority or from the copy that is named, exactly these
regions and no others, also while somebody writes; a killed node goes on with it.

Clients are libnbd's (python3-libnbd), run by Debian's python3."""
import os
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from cluster import PYTHON, Cluster, Tap, need_libnbd, need_sdsd, wait_for  # noqa: E402

tap = Tap()
MIB = 1 << 20
REGION = 65536
BLOCKS = 64


class Writer:
    """Writes to a volume at a node until it is stopped; begins when all copies follow."""

    def __init__(self, node, verdict="safe"):
        uri = "nbd+unix:///?socket=" + node.nbd_socket("db")
        self.process = subprocess.Popen(
            [PYTHON, os.path.join(HERE, "snapshot_writer.py"), uri, str(BLOCKS)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.n = 0
        self.thread = threading.Thread(target=self.follow, daemon=True)
        self.thread.start()
        self.goes_on()
        node.cluster.wait_verdict("db", verdict)

    def follow(self):
        for line in self.process.stdout:
            self.n = int(line.split()[1])

    def stop(self):
        self.process.stdin.close()
        self.process.wait(30)
        self.thread.join(10)

    def goes_on(self):
        n = self.n
        wait_for(lambda: self.n > n + 5, 20, "the writer goes on")


def path(node, name="db_00000"):
    return os.path.join(node.pool_dir, name)


def flip(node, *offsets):
    with open(path(node), "r+b") as f:
        for at in offsets:
            f.seek(at)
            byte = f.read(1)[0]
            f.seek(at)
            f.write(bytes([byte ^ 1]))
        f.flush()
        os.fsync(f.fileno())


def byte(node, at):
    with open(path(node), "rb") as f:
        f.seek(at)
        return f.read(1)


def verify(node, *words):
    return node.cli("volume", "verify", "db", *words)


def in_sync(c):
    v = c.volume("db") or {}
    return v.get("in_sync") == v.get("copies") and not any(
        r["refetching"] for r in v["replicas"])


def alike(c):
    content = []
    for n in c.nodes:
        with open(path(n), "rb") as f:
            content.append(f.read())
    return content[0] == content[1] == content[2]


def scrub(c):
    return (c.volume("db") or {}).get("scrub") or {}


def by_majority(c):
    n1, n2, n3 = c.nodes
    flip(n2, 5 * MIB + 77, 9 * MIB)
    r = verify(n1)
    tap.ok(r.code == 1 and "2 regions differ" in r.out and "n2: 2 regions" in r.out, "found", r)
    v = c.volume("db")
    tap.ok("copies differ in 2 regions (n2)" in v["reason"] and "--repair" in v["next"],
           "the status says so, and what to do", v)
    r = n3.cli("volume", "show", "db")
    tap.ok("2 regions differ" in r.out, "and volume show", r)
    # a third one that the comparison does not know of stays as it is, so only these were fetched
    flip(n2, 12 * MIB)
    r = n1.http("POST", "/v1/sds/verify/db/repair", {})
    tap.ok(r.status == 200 and "2 regions of the copy of 'db' on 'n2'" in str(r.json), "repair", r)
    wait_for(lambda: in_sync(c), 40, "all in sync again")
    tap.ok(byte(n2, 5 * MIB + 77) == byte(n1, 5 * MIB + 77) and
           byte(n2, 9 * MIB) == byte(n1, 9 * MIB), "both regions are mended")
    tap.ok(byte(n2, 12 * MIB) != byte(n1, 12 * MIB), "and nothing else was fetched")
    # one that was repaired is compared again by itself, with no schedule
    wait_for(lambda: scrub(c).get("regions_differing") == 1 and not scrub(c)["again"], 60,
             "compared again by itself")
    tap.ok(True, "compared again by itself")
    r = verify(n3, "--repair")
    tap.ok(r.code == 0 and "1 regions differ" in r.out and "0 regions differ" in r.out,
           "all in one command", r)
    tap.ok(alike(c), "the files are the same")


def under_a_writer(c):
    n1, n2, n3 = c.nodes
    w = Writer(n1)
    flip(n3, 6 * MIB + 1)
    r = verify(n2, "--repair")
    tap.ok(r.code == 0 and "on 'n3'" in r.out and "0 regions differ" in r.out,
           "mended while somebody writes", r)
    w.goes_on()
    flip(n1, 7 * MIB)
    r = verify(n2, "--repair")
    tap.ok(r.code != 0 and "open on n1" in r.out + r.err, "not where it is open", r)
    w.stop()
    wait_for(lambda: verify(n2, "--repair").code == 0, 30, "when it is closed")
    tap.ok(alike(c), "the files are the same")


def by_word(c):
    n1, n2, n3 = c.nodes
    flip(n1, 4 * MIB)
    flip(n2, 4 * MIB + 1)
    good = byte(n3, 4 * MIB)
    r = verify(n1, "--repair")
    tap.ok(r.code != 0 and "no majority" in r.out + r.err, "three that all differ", r)
    r = verify(n1, "--from", "n9")
    tap.ok(r.code != 0 and "n9" in r.out + r.err, "from a node without a copy", r)
    r = verify(n1, "--from", "n3")
    tap.ok(r.code == 0, "from n3", r)
    tap.ok(alike(c) and byte(n1, 4 * MIB) == good, "n3's content counts")


def too_many(c):
    n1, n2, _ = c.nodes
    flip(n2, *[MIB + i * 2 * REGION for i in range(70)])
    r = verify(n1)
    tap.ok("70 regions differ" in r.out, "more than are kept", r)
    r = verify(n1, "--repair")
    tap.ok(r.code == 0 and "The copy of 'db' on 'n2' is fetched again" in r.out,
           "the whole copy", r)
    tap.ok(alike(c), "the files are the same")


def killed(c):
    n1, n2, n3 = c.nodes
    flip(n2, 3 * MIB)
    verify(n1)
    n3.kill()
    w = Writer(n1, "degraded")
    w.stop()
    verify(n1)  # n3 may have been the leader that knew the former one
    r = n1.http("POST", "/v1/sds/verify/db/repair", {"from": "n1"})
    tap.ok(r.status >= 400 and "n3 was not compared" in str(r.json), "not while one is away", r)
    n3.start()
    c.wait_verdict("db", timeout=60)
    r = verify(n1)
    tap.ok("1 regions differ" in r.out, "n3 has fetched nothing wrong from n2, or is named", r)
    n2.freeze()
    r = n1.http("POST", "/v1/sds/verify/db/repair", {})
    tap.eq(r.status, 200, "repair of a copy whose node hangs")
    n2.kill()
    n2.start()
    wait_for(lambda: in_sync(c), 60, "all in sync after the crash")
    tap.ok(alike(c), "the node has gone on with it")


def leader_goes(c):
    """who waits for a comparison gets it, whoever leads meanwhile"""
    made = c.any().cli("volume", "create", "big", "200M", "--nodes", "n1,n2,n3")
    tap.ok(made.code == 0, "volume create big", made)
    c.wait_verdict("big")
    first = c.nodes[0].http("POST", "/v1/sds/verify/big", {}).json
    r = c.nodes[0].http("POST", "/v1/sds/verify/big", {"started_ms": first["started_ms"]}).json
    tap.ok(first["running"] and r["started_ms"] == first["started_ms"], "the one of that time", r)
    wait_for(lambda: not c.nodes[0].get("/v1/sds/verify/big")["running"], 60, "its end")
    r = c.nodes[0].http("POST", "/v1/sds/verify/big", {"started_ms": first["started_ms"]}).json
    tap.ok(not r["running"] and r["regions_compared"] == 3200, "and what it found", r)
    r = c.nodes[0].http("POST", "/v1/sds/verify/big", {"started_ms": "soon"})
    tap.eq(r.status, 400, "a time in words")
    leader = c.leader()
    other = next(n for n in c.nodes if n is not leader)
    waits = threading.Thread(target=lambda: found.append(
        other.cli("volume", "verify", "big", "--quiet")))
    found = []
    waits.start()
    wait_for(lambda: other.get("/v1/sds/verify/big")["running"], 10, "it is under way")
    leader.kill()
    waits.join(60)
    tap.ok(found and found[0].code == 0 and "200.00 MiB compared, 0 regions differ" in found[0].out,
           "compared under the next leader", found)
    leader.start()
    c.wait_verdict("big", timeout=60)
    tap.eq(other.cli("volume", "delete", "big").code, 0, "volume delete big")


def by_clock(c):
    n1 = c.nodes[0]
    r = n1.http("PUT", "/v1/resource-definitions/db", {"override_props": {"sds/scrub-every": "1h"}})
    tap.ok(r.status >= 400 and "times such as 1d" in str(r.json), "too often", r)
    r = n1.http("PUT", "/v1/resource-definitions/db", {"override_props": {"sds/scrub-rate": "0"}})
    tap.ok(r.status >= 400 and "MiB/s from 1" in str(r.json), "too slow", r)
    r = n1.http("POST", "/v1/sds/verify/db/repair", {"from": 1})
    tap.eq(r.status, 400, "from a number")
    r = n1.http("POST", "/v1/sds/verify/nothing/repair", {})
    tap.eq(r.status, 404, "of nothing")


def main():
    need_sdsd()
    need_libnbd()
    with Cluster(3) as c:
        made = c.any().cli("volume", "create", "db", "16M", "--nodes", "n1,n2,n3")
        tap.ok(made.code == 0, "volume create", made)
        c.wait_verdict("db")
        w = Writer(c.nodes[0])
        w.goes_on()
        w.stop()
        by_majority(c)
        under_a_writer(c)
        by_word(c)
        too_many(c)
        killed(c)
        leader_goes(c)
        by_clock(c)
    tap.done()


main()
