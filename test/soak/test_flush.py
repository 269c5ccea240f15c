#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_flush.py - the disk of one copy refuses a flush: the kernel may forget then what it could not
write, and call it clean. That copy is not attached again by itself, the status says that its daemon
has to be restarted; the other copy serves, and after a restart all is there. One whose writes fail is
tried again, until it has failed three times: then it is quarantined until it is repaired, or replaced.
Needs a daemon with a shared C library (test/support/preload/diskfaults.c)."""
import hashlib
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "cluster"))
sys.path.insert(0, HERE)
from cluster import PYTHON, Cluster, Tap, have_libnbd, need_sdsd, wait_for  # noqa: E402
from place import sanitizer_of  # noqa: E402
from workload import socket_of  # noqa: E402

EIO = 5
MEND_S = 10  # a copy that may be attached again by itself is, after so long
QUARANTINE_S = 120  # tried after 10 s, 20 s, 40 s
WRITE = """
import nbd, sys
h = nbd.NBD(); h.connect_unix(sys.argv[1])
for i in range(64):
    h.pwrite(bytes([int(sys.argv[2])]) * 65536, i * 65536)
h.flush(); h.shutdown()
"""
tap = Tap()


def write(node, byte):
    path = wait_for(lambda: socket_of(node, "db"), 20, "socket on %s" % node.name)
    return subprocess.run([PYTHON, "-c", WRITE, path, str(byte)], capture_output=True, text=True,
                          timeout=60, check=False)


def content(node):
    with open(os.path.join(node.pool_dir, "db_00000"), "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def label(node):
    """what begins the metadata: whose it is; None: there is none"""
    try:
        with open(os.path.join(node.pool_dir, "db_00000.meta"), "rb") as f:
            return f.read(4096)
    except FileNotFoundError:
        return None


class Faults:
    def __init__(self, library):
        self.library = library

    def prepare(self, node):
        node.faults = node.dir + ".faults"
        self.set(node)
        first = sanitizer_of(os.environ["SDSD"])
        node.env = {"LD_PRELOAD": ":".join(first + [self.library]), "DISKFAULTS": node.faults}

    def set(self, node, *rules):
        with open(node.faults + ".new", "w") as f:
            f.write("".join(r + "\n" for r in rules))
        os.rename(node.faults + ".new", node.faults)


def quarantine(c, faults):
    n1, n2, _ = c.nodes
    faults.set(n2, "write *-pool/db_00000 1000 error %d" % EIO)
    tap.ok(write(n1, 4).returncode == 0, "writes fail there again, and go on")
    v = wait_for(lambda: [v for v in [c.volume("db")] if "volume repair db n2" in v["next"]],
                 QUARANTINE_S, "quarantined")[0]
    tap.ok(v["in_sync"] == 1 and "n2 is quarantined: its disk failed 3 times in" in v["reason"],
           "quarantined after three failures", v)
    n2.stop()
    n2.start()
    tap.ok(write(n1, 5).returncode == 0, "the other copy goes on")
    faults.set(n2)
    time.sleep(MEND_S + 3)
    n2_shown = [r for r in c.volume("db")["replicas"] if r["node"] == "n2"][0]
    tap.eq(n2_shown["state"], "quarantined", "it is not tried again, in the next life neither")
    tap.ok(content(n2) != content(n1), "and was not touched")
    r = c.any().cli("volume", "repair", "db", "n2")
    tap.ok(r.code == 0, "volume repair", r)
    wait_for(lambda: c.volume("db")["verdict"] == "safe", 40, "safe after the repair")
    tap.eq(content(n2), content(n1), "with all that was written")
    # n1, which has brought it up to date, is the writer for a moment more
    before = label(n2)
    wait_for(lambda: c.any().cli("volume", "replace", "db", "n2").code == 0, 40, "volume replace")
    wait_for(lambda: label(n2) not in (None, before), 40, "another copy")
    wait_for(lambda: c.volume("db")["verdict"] == "safe", 40, "safe with a new copy")
    tap.eq(content(n2), content(n1), "a new copy has all that was written")


def main():
    need_sdsd()
    library = os.environ.get("SDSD_DISKFAULTS")
    if not library or not have_libnbd():
        print("1..0 # SKIP the library of disk faults or python3-libnbd is missing")
        sys.exit(77)
    faults = Faults(library)
    with Cluster(3, prepare=faults.prepare) as c:
        n1, n2, _ = c.nodes
        r = n1.cli("volume", "create", "db", "16M", "--nodes", "n1,n2")
        tap.ok(r.code == 0, "volume create", r)
        tap.ok(write(n1, 1).returncode == 0, "written")
        wait_for(lambda: c.volume("db")["in_sync"] == 2, 20, "in sync")

        faults.set(n2, "sync *-pool/db_00000 1000 error %d" % EIO)
        r = write(n1, 2)
        tap.ok(r.returncode == 0, "the other copy goes on", r.stderr)
        v = wait_for(lambda: [v for v in [c.volume("db")] if "restart sdsd on n2" in v["next"]], 20)[0]
        tap.eq(v["reason"], "the disk of n2 has failed: data flush: Input/output error",
               "the status tells what has failed")
        faults.set(n2)
        time.sleep(MEND_S + 3)
        v = c.volume("db")
        tap.ok(v["in_sync"] == 1 and "restart sdsd on n2" in v["next"], "it is not tried again", v)
        n2.stop()
        n2.start()
        wait_for(lambda: c.volume("db")["verdict"] == "safe", 40, "safe after a restart")
        tap.eq(content(n2), content(n1), "with all that was written")

        faults.set(n2, "write *-pool/db_00000 1000 error %d" % EIO)
        tap.ok(write(n1, 3).returncode == 0, "a write that fails there")
        wait_for(lambda: "n2 tries again by itself" in c.volume("db")["next"], 20, "tries again")
        faults.set(n2)
        wait_for(lambda: c.volume("db")["verdict"] == "safe", 60, "safe by itself")
        tap.eq(content(n2), content(n1), "with all that was written")
        quarantine(c, faults)
    tap.done()


main()
