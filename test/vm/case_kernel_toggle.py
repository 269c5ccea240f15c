# SPDX-License-Identifier: GPL-2.0-or-later
"""Copies become clients and back, and move, while the kernel module serves the volume."""
import os

from case_demo_kernel import cluster
from case_kernel import made, same_copies
from case_kernel_cuts import safe
from ledger import Ledger
from rig import Disk, Skip, at_most, wait_for


def ask(rig, node, method, path, body="", status=200):
    """one request of the API; guests have no curl"""
    program = os.path.join(os.path.dirname(rig.sdsd_path), "test/unixsend")
    if not os.access(program, os.X_OK):
        raise Skip("no %s: tools/build release build test/unixsend" % os.path.relpath(program))
    node.guest.push(program, "/usr/bin/unixsend", 0o755)
    said = node.guest.run("unixsend /run/sdsd/sdsd.sock", 90, stdin=(
        "%s /v1/resource-definitions/db/%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        "Content-Length: %d\r\n\r\n%s" % (method, path, len(body), body)).encode()).out
    rig.check(said.startswith("HTTP/1.1 %d" % status), "%s %s: %s" % (method, path, said))


def replica(node, name):
    for r in node.json("status")["resources"]:
        for rep in r["replicas"]:
            if rep["node"] == name:
                return rep
    return None


def has_disk(node, name):
    rep = replica(node, name)
    return rep and not rep["diskless"]


@at_most(1800)
def case_kernel_toggle(rig):
    """The writer's own node loses its copy and gets it back, others come, move and go; the writer
    meets no error, and all it has written is there."""
    n1, n2, n3 = nodes = cluster(rig, 3, Disk(512))
    made(rig, (n1, n2))
    n3.add_pool(n1)
    for link in ("rvol", "drbd"):
        n1.guest.run("[ -b /dev/%s/by-res/db/0 ]" % link)
    book = Ledger(rig, nodes)
    writing = book.write(n1, "db")
    writing.goes_on()
    safe(n1)    # a copy catches up after the open
    ask(rig, n1, "PUT", "resources/n1/toggle-disk/diskless")
    wait_for(lambda: not has_disk(n2, "n1"), 90, "n1 without a copy")
    writing.goes_on()
    ask(rig, n2, "POST", "resources/n3", "{}", 201)
    wait_for(lambda: replica(n2, "n3")["in_sync"], 120, "n3 joins while n1 has it open")
    writing.goes_on()
    safe(n1)
    ask(rig, n2, "PUT", "resources/n2/toggle-disk/diskless")
    wait_for(lambda: not has_disk(n3, "n2"), 90, "n2 without a copy")
    writing.goes_on()
    ask(rig, n2, "PUT", "resources/n2/migrate-disk/n3")
    wait_for(lambda: replica(n2, "n3") is None and replica(n2, "n2")["in_sync"], 180,
             "the copy has moved")
    writing.goes_on()
    wait_for(lambda: n1.guest.run("[ ! -e /mnt/pool/db_00000 ]", check=False).status == 0, 60,
             "n1's files are gone")
    ask(rig, n1, "PUT", "resources/n1/toggle-disk/diskful")
    writing.goes_on()
    writing.end()
    wait_for(lambda: replica(n2, "n1")["in_sync"], 180, "n1 has its copy once it is closed")
    safe(n2)
    book.judge(n2, "db")
    same_copies(rig, (n1, n2))
    ask(rig, n1, "POST", "resources/n1/deactivate")
    wait_for(lambda: n1.guest.run("[ ! -e /dev/drbd/by-res/db ]", check=False).status == 0, 60,
             "n1 serves nothing")
    ask(rig, n1, "POST", "resources/n1/activate")
    safe(n2)
