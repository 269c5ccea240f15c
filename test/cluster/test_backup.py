#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_backup.py - metadata of a copy that is put back from a backup says what was in sync once, not
what is now. It is refused, in words that help; the other copy serves; and both ways out that the
message names work: a new replica, or, for the only copy there is, going on with what it holds."""
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import PYTHON, Cluster, Tap, need_libnbd, need_sdsd, wait_for  # noqa: E402

WRITE = """
import nbd, sys
h = nbd.NBD(); h.connect_unix(sys.argv[1])
for i in range(16):
    h.pwrite(bytes([int(sys.argv[2])]) * 65536, i * 65536)
h.flush(); h.shutdown()
"""
READ = """
import nbd, sys
h = nbd.NBD(); h.connect_unix(sys.argv[1])
print(sorted({h.pread(65536, i * 65536)[100] for i in range(16)})); h.shutdown()
"""
tap = Tap()


def nbd_run(script, node, volume, *args):
    path = wait_for(lambda: node.nbd_socket(volume), 20, "socket of %s on %s" % (volume, node.name))
    return subprocess.run([PYTHON, "-c", script, path] + [str(a) for a in args],
                          capture_output=True, text=True, timeout=60, check=False)


def meta_of(node, volume):
    return os.path.join(node.pool_dir, volume + "_00000.meta")


def spoil(node, *volumes):
    """stop, keep the metadata, run for a while, stop, put it back, run"""
    node.stop()
    for v in volumes:
        shutil.copyfile(meta_of(node, v), os.path.join(node.cluster.root, v + ".kept"))
    node.start()
    for v in volumes:
        wait_for(lambda v=v: nbd_run(READ, node, v).returncode == 0, 30, "%s works" % v)
    node.stop()
    for v in volumes:
        shutil.copyfile(os.path.join(node.cluster.root, v + ".kept"), meta_of(node, v))
    node.start()


def error_of(c, volume, node):
    v = c.volume(volume)
    return [r["error"] for r in v["replicas"] if r["node"] == node.name][0] if v else ""


def main():
    need_sdsd()
    need_libnbd()
    with Cluster(3) as c:
        n1, n2, _ = c.nodes
        for name, where in (("db", "n1,n2"), ("solo", "n2")):
            r = n1.cli("volume", "create", name, "16M", "--nodes", where)
            tap.ok(r.code == 0, "volume create %s" % name, r)
        for name, node in (("db", n1), ("solo", n2)):
            tap.ok(nbd_run(WRITE, node, name, 1).returncode == 0, "%s is written" % name)
        wait_for(lambda: c.volume("db")["in_sync"] == 2, 30, "in sync")
        spoil(n2, "db", "solo")
        for name in ("db", "solo"):
            try:
                wait_for(lambda n=name: "put back from a backup" in error_of(c, n, n2), 20)
                tap.ok(re.search(r"was attached \d+ times, this node remembers \d+",
                                 error_of(c, name, n2)), "%s is refused" % name, error_of(c, name, n2))
            except Exception:
                tap.ok(False, "%s is refused" % name, "%r %s" % (error_of(c, name, n2), n2.log_tail()))
        r = n1.cli("status")
        tap.ok("put back from a backup" in r.out, "sdsd status says so", r)
        tap.eq(c.volume("solo")["verdict"], "unavailable", "the volume of one copy is not served")

        tap.ok(nbd_run(WRITE, n1, "db", 2).returncode == 0, "the other copy serves")
        said = nbd_run(READ, n2, "solo")
        tap.ok(said.returncode and re.search("not opened: .*put back from a backup", n2.log()),
               "the refused one is not opened", said.stderr + n2.log_tail(5))

        # as the message says, for one of two copies
        replica = "/v1/resource-definitions/db/resources/n2"
        a = n1.http("DELETE", replica)
        tap.ok(a.status == 200, "the refused replica is deleted", a)
        wait_for(lambda: not os.path.exists(meta_of(n2, "db")), 20, "its files are gone")
        a = n1.http("POST", replica, {"resource": {"props": {"StorPoolName": "pool"}}})
        tap.ok(a.status in (200, 201), "and made anew", a)
        wait_for(lambda: c.volume("db")["verdict"] == "safe", 40, "db is safe again")
        tap.eq(nbd_run(READ, n2, "db").stdout.strip(), "[2]", "with what was written meanwhile")

        # as the message says, for the only copy
        mark = re.search(r"remove (\S+) to go on", error_of(c, "solo", n2))
        tap.ok(mark and os.path.exists(mark.group(1)), "the message names the file", error_of(c, "solo", n2))
        if mark and os.path.exists(mark.group(1)):
            os.unlink(mark.group(1))
        wait_for(lambda: c.volume("solo")["verdict"] == "safe", 30, "solo goes on")
        tap.eq(nbd_run(READ, n2, "solo").stdout.strip(), "[1]", "with what it holds")
    tap.done()


main()
