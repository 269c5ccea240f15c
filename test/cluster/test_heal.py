#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_heal.py - copies come back in sync by themselves: after a short open, after their node was
killed, while nobody has the volume open; and an application never waits for a healing.

Clients are libnbd's (python3-libnbd), run by Debian's python3."""
import filecmp
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import PYTHON, Cluster, Tap, need_libnbd, need_sdsd, wait_for  # noqa: E402

SIZE = 64 << 20

WRITE = """
import nbd, os, sys
h = nbd.NBD()
h.connect_unix(sys.argv[1])
for i in range(int(sys.argv[2])):
    h.pwrite(os.urandom(65536), (i * 37 %% (h.get_size() // 65536)) * 65536)
h.flush()
h.shutdown()
""".replace("%%", "%")


def write(node, n, volume="db"):
    path = wait_for(lambda: node.nbd_socket(volume), 20, "socket on %s" % node.name)
    r = subprocess.run([PYTHON, "-c", WRITE, path, str(n)], capture_output=True, text=True,
                       timeout=60)
    return r.returncode == 0, r.stderr


def in_sync(c, volume="db"):
    return (c.volume(volume) or {}).get("in_sync")


def copies_equal(c, volume="db"):
    files = [os.path.join(n.pool_dir, volume + "_00000") for n in c.nodes[:2]]
    return filecmp.cmp(files[0], files[1], shallow=False)


HOLD = """
import nbd, os, sys
h = nbd.NBD()
h.connect_unix(sys.argv[1])
while True:
    h.pwrite(os.urandom(4096), 0)
    print(".", flush=True)
"""


def writer_is_lost(tap, c):
    """Its node dies as writer and is given up: nobody has released the volume, so a copy that is
    there does."""
    n1, _, n3 = c.nodes
    for args in (("create", "left", "16M", "--nodes", "n1,n2"), ("attach", "left", "n3")):
        made = n1.cli("volume", *args)
        tap.ok(made.code == 0, "volume " + args[0], made)
    path = wait_for(lambda: n3.nbd_socket("left"), 20, "socket on n3")
    with subprocess.Popen([PYTHON, "-c", HOLD, path], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as client:
        tap.ok(client.stdout.readline() == b".\n", "n3 writes")
        wait_for(lambda: in_sync(c, "left") == 2, 20, "both copies in sync")
        n3.kill()
    before = n1.log().count("volume=left healing")
    wait_for(lambda: n1.cli("node", "lost", "n3").code == 0, 20, "n3 is given up")
    wait_for(lambda: n1.log().count("volume=left healing") > before, 40, "n1 releases it")
    wait_for(lambda: in_sync(c, "left") == 2 and copies_equal(c, "left"), 30, "alike and in sync")
    tap.ok(True, "the copies are alike, and released, though nobody has opened it")


def main():
    need_sdsd()
    need_libnbd()
    tap = Tap()
    with Cluster(3) as c:
        n1, n2, n3 = c.nodes
        made = c.any().cli("volume", "create", "db", "64M", "--nodes", "n1,n2")
        tap.ok(made.code == 0, "volume create", made)

        ok, why = write(n1, 1)
        tap.ok(ok, "a short open and write on n1", why)
        wait_for(lambda: in_sync(c) == 2, 20, "both copies in sync after a short open")
        tap.ok(True, "both copies are in sync though nobody has it open")
        wait_for(lambda: copies_equal(c), 5, "equal bytes")

        n2.kill()
        ok, why = write(n1, 300)
        tap.ok(ok, "n1 writes on while n2 is dead", why)
        n2.start()
        wait_for(lambda: in_sync(c) == 2, 30, "n2 back in sync without an open volume")
        tap.ok(copies_equal(c), "n2 caught up without an application, bytes are equal")

        n2.kill()
        ok, why = write(n1, 600)
        tap.ok(ok, "n1 writes again", why)
        n2.start()
        wait_for(lambda: "healing" in n1.log(), 20, "healing on n1")
        began = time.time()
        attached = n3.cli("volume", "attach", "db", "n3")
        tap.ok(attached.code == 0, "a client on n3", attached)
        ok, why = write(n3, 10)
        tap.ok(ok, "n3 opens it whatever heals", why)
        tap.note("opened and written on n3 after %.1f s" % (time.time() - began))
        wait_for(lambda: in_sync(c) == 2, 30, "in sync after all")
        wait_for(lambda: copies_equal(c), 5, "equal bytes")
        tap.ok(True, "in sync and equal in the end")

        gone = c.any().cli("volume", "delete", "db")
        tap.ok(gone.code == 0, "a healed volume can be deleted", gone)
        writer_is_lost(tap, c)
    tap.done()


main()
