#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_handover.py - a live migration: with sds/handover a second node may open a volume that is in
use. It is given away within a moment, nothing that was written is missing, and the first goes on
when the second has left. Without it the second is told who has the volume.

Clients are libnbd's (python3-libnbd), run by Debian's python3."""
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import PYTHON, Cluster, Tap, need_libnbd, need_sdsd, wait_for  # noqa: E402

BLOCK = 65536
QUICK_S = 2.0  # for an open that takes the volume from somebody; no more is promised

CLIENT = """
import nbd, sys, time
h = nbd.NBD()
for line in sys.stdin:
    verb, *args = line.split()
    began = time.monotonic()
    try:
        if verb == "open":
            h.connect_unix(args[0])
            said = "opened"
        elif verb == "write":
            h.pwrite(bytes([int(args[1])]) * 65536, int(args[0]) * 65536)
            said = "written"
        elif verb == "read":
            data = h.pread(65536, int(args[0]) * 65536)
            said = "read %s" % (data[0] if data == data[:1] * 65536 else "mixed")
        elif verb == "close":
            h.shutdown()
            said = "closed"
    except nbd.Error as e:
        said = "error %s" % str(e).replace(chr(10), " ")
    print("%.3f %s" % (time.monotonic() - began, said), flush=True)
"""

tap = Tap()


class Client:
    def __init__(self, node):
        self.node, self.took = node, 0.0
        self.p = subprocess.Popen([PYTHON, "-c", CLIENT], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)

    def begin(self, *words):
        self.p.stdin.write(" ".join(str(w) for w in words) + "\n")
        self.p.stdin.flush()

    def end(self):
        took, said = self.p.stdout.readline().strip().split(" ", 1)
        self.took = float(took)
        return said

    def ask(self, *words):
        self.begin(*words)
        return self.end()

    def open(self):
        return self.ask("open", os.path.join(self.node.run_dir, "nbd", "db-0.sock"))

    def close(self):
        said = self.ask("close")
        self.p.stdin.close()
        self.p.wait(20)
        return said


def in_sync(c):
    wait_for(lambda: c.volume("db")["in_sync"] == 2, 30, "both copies in sync")


def refused(c):
    n1, n2, _ = c.nodes
    a, b = Client(n1), Client(n2)
    tap.eq(a.open(), "opened", "n1 opens it")
    said = b.open()
    tap.ok(said.startswith("error") and "not opened: in use on node n1" in n2.log(),
           "without the property it is refused on n2, which says who has it", said + n2.log_tail(5))
    tap.eq(a.ask("write", 0, 1), "written", "and n1 goes on")
    a.close()
    b.p.kill()
    b.p.wait()


def migrate(c, first, second):
    """both write at addresses of their own, as a hypervisor's two ends do"""
    what = "%s to %s" % (first.name, second.name)
    in_sync(c)
    a, b = Client(first), Client(second)
    tap.eq(a.open(), "opened", "%s: the first opens it" % what)
    for i in range(20):
        a.ask("write", i, i + 1)
    tap.eq(b.open(), "opened", "%s: the second, too" % what)
    tap.ok(b.took < QUICK_S, "%s: quickly" % what, "%.2f s" % b.took)
    tap.note("%s: handed over in %.2f s" % (what, b.took))
    tap.eq([b.ask("read", i) for i in range(20)], ["read %d" % (i + 1) for i in range(20)],
           "%s: all that the first has written is seen" % what)
    tap.eq(b.ask("write", 5, 77), "written", "%s: the second writes" % what)
    a.begin("read", 5)  # waits: the volume is elsewhere
    time.sleep(0.5)
    tap.eq(b.close(), "closed", "%s: the second leaves" % what)
    tap.eq(a.end(), "read 77", "%s: the first goes on, and sees what the second wrote" % what)
    tap.ok(a.took < 10, "%s: soon after" % what, "%.2f s" % a.took)
    tap.note("%s: the first went on after %.2f s" % (what, a.took - 0.5))
    tap.eq(a.ask("write", 6, 78), "written", "%s: and writes" % what)
    tap.eq(a.close(), "closed", "%s: closed" % what)


def finish(c, first, second):
    """as a migration ends: the first leaves, the second has it for good"""
    in_sync(c)
    a, b = Client(first), Client(second)
    a.open()
    a.ask("write", 9, 91)
    tap.eq(b.open(), "opened", "the second opens it")
    tap.eq(a.close(), "closed", "the first leaves")
    tap.eq(b.ask("read", 9), "read 91", "the second reads")
    tap.eq(b.ask("write", 9, 92), "written", "and writes")
    wait_for(lambda: c.volume("db")["writer"] == second.name, 10, "shown as the one who has it")
    b.close()


def between_two(c, first, second):
    """as CloudStack does it: not of the resource, but of the pair, for the time of the migration"""
    pair = "/v1/resource-definitions/db/resource-connections/%s/%s" % (first.name, second.name)
    a = first.http("PUT", "/v1/resource-definitions/db", {"delete_props": ["sds/handover"]})
    tap.ok(a.status == 200, "sds/handover is gone", a)
    time.sleep(1)
    refused(c)
    a = first.http("PUT", pair, {
        "override_props": {"DrbdOptions/Net/allow-two-primaries": "yes"}})
    tap.ok(a.status == 200, "two primaries between the two", a)
    time.sleep(1)


def main():
    need_sdsd()
    need_libnbd()
    with Cluster(3) as c:
        n1, n2, n3 = c.nodes
        r = n1.cli("volume", "create", "db", "16M", "--nodes", "n1,n2")
        tap.ok(r.code == 0, "volume create", r)
        r = n1.cli("volume", "attach", "db", "n3")
        tap.ok(r.code == 0, "n3 is a client", r)
        refused(c)
        a = n1.http("PUT", "/v1/resource-definitions/db", {"override_props": {"sds/handover": "on"}})
        tap.ok(a.status == 200, "sds/handover is on", a)
        time.sleep(1)  # it reaches the nodes by itself
        migrate(c, n1, n2)
        migrate(c, n2, n3)
        migrate(c, n3, n1)
        between_two(c, n1, n2)
        finish(c, n1, n2)
        in_sync(c)
    tap.done()


main()
