#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_volumes.py - several volumes of a resource, by the command line, on three daemons: files on
every node, growth and deletion while a node is away, numbers used again, what a full pool says.

What needs NBD on volumes beyond 0 is in serve(), which runs when the data plane serves them all
(PLANE_SERVES_ALL)."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import Cluster, Tap, need_sdsd, wait_for  # noqa: E402

PYTHON = "/usr/bin/python3"
MIB = 1 << 20
# volumes beyond 0 replicated and served, a volume's metadata grown with it
PLANE_SERVES_ALL = False

tap = Tap()


def files(node):
    return sorted(f for f in os.listdir(node.pool_dir) if not f.startswith("."))


def size(node, number, name="db"):
    try:
        return os.stat(os.path.join(node.pool_dir, "%s_%05d" % (name, number))).st_size
    except FileNotFoundError:
        return None


def names(*numbers, name="db"):
    return sorted("%s_%05d%s" % (name, n, end) for n in numbers for end in ("", ".meta"))


def soon(what, condition, why=lambda: "", timeout=20):
    try:
        wait_for(condition, timeout, what)
        tap.ok(True, what)
    except Exception as e:  # noqa: BLE001
        tap.ok(False, what, "%s %s" % (e, why()))


def good(node, name, *args):
    r = node.cli("volume", *args)
    tap.ok(r.code == 0, name, r)
    return r


def bad(node, name, says, *args):
    r = node.cli("volume", *args)
    tap.ok(r.code == 1 and says in r.err, name, r)


def states(c, number):
    """of a volume, by node"""
    out = {}
    for r in c.volume("db")["replicas"]:
        out[r["node"]] = [v["state"] for v in r["volumes"] if v["number"] == number]
    return out


def add(c):
    n1, _, n3 = c.nodes
    good(n1, "a volume with three copies", "create", "db", "16M", "--copies", "3")
    r = good(n3, "a second volume, 5 MiB", "add", "db", "5M")
    tap.ok("db-0.sock" in r.out and "db-1.sock" in r.out, "and how each is opened", r)
    for n in c.nodes:
        tap.ok(files(n) == names(0, 1) and size(n, 1) == 5 * MIB, "its files on %s" % n.name, files(n))
    r = n1.cli("volume", "add", "db", "4M", "--volume", "7", output="json")
    tap.ok(r.code == 0 and r.json[0]["obj_refs"]["VlmNr"] == "7", "one of number 7, as JSON", r)
    tap.ok(all(files(n) == names(0, 1, 7) for n in c.nodes), "its files on all", files(n3))
    bad(n1, "a number that is taken", "has a volume 7 already", "add", "db", "4M", "--volume", "7")
    bad(n1, "a number that cannot be", "from 0 to 15", "add", "db", "4M", "--volume", "16")
    r = good(n1, "show", "show", "db")
    tap.ok(all("db-%d.sock" % i in r.out for i in (0, 1, 7)) and "5.00 MiB" in r.out,
           "shows all volumes and their sockets", r)
    v = c.volume("db")
    tap.eq([x["number"] for x in v["volumes"]], [0, 1, 7], "the status has them")
    tap.eq(v["size_kib"], 25 * 1024, "and the size of all")
    tap.eq(v["verdict"], "safe", "and all is well")


def grow(c):
    n1, n2, _ = c.nodes
    good(n2, "volume 1 grows", "grow", "db", "9M", "--volume", "1")
    tap.ok(all(size(n, 1) == 9 * MIB for n in c.nodes), "on all nodes when the call returns",
           [size(n, 1) for n in c.nodes])
    tap.eq(states(c, 1), {n.name: ["up"] for n in c.nodes}, "and it says so")
    bad(n1, "shrinking is refused", "cannot shrink to 8.00 MiB", "grow", "db", "8M", "--volume", "1")
    bad(n1, "growing beyond the pools is refused, with numbers", "n3/pool", "resize", "db", "8T",
        "--volume", "1")
    tap.ok(all(size(n, 1) == 9 * MIB for n in c.nodes), "and changes nothing")


def while_away(c):
    """n3 is away: 1 grows, 7 goes and returns as another, 2 is new"""
    n1, _, n3 = c.nodes
    n3.kill()
    old = os.stat(os.path.join(n3.pool_dir, "db_00007")).st_ino
    wait_for(lambda: c.volume("db")["verdict"] != "safe", 20, "n3 is missed")
    r = good(n1, "volume 1 grows with a node away", "grow", "db", "12M", "--volume", "1")
    tap.ok("n3" in r.out, "who is away is named", r)
    good(n1, "volume 7 deleted", "delete", "db", "--volume", "7")
    good(n1, "and made again, smaller", "add", "db", "2M", "--volume", "7")
    good(n1, "a new volume 2", "add", "db", "3M")
    for n in c.nodes[:2]:
        tap.ok(files(n) == names(0, 1, 2, 7) and size(n, 1) == 12 * MIB and size(n, 7) == 2 * MIB,
               "done on %s" % n.name, files(n))
    tap.ok(files(n3) == names(0, 1, 7) and size(n3, 1) == 9 * MIB, "nothing on n3", files(n3))
    n3.start()
    soon("n3 makes and grows when it is back", lambda: files(n3) == names(0, 1, 2, 7) and
         [size(n3, i) for i in (1, 2, 7)] == [12 * MIB, 3 * MIB, 2 * MIB], lambda: files(n3))
    tap.ok(os.stat(os.path.join(n3.pool_dir, "db_00007")).st_ino != old, "no old file is used again")
    soon("no leftover stays", lambda: states(c, 7).get("n3") == ["up"], lambda: c.volume("db"))
    soon("all is well again", lambda: c.volume("db")["verdict"] == "safe", lambda: c.volume("db"))


def in_foreign_way(c):
    """a file of a user bears the name of a new volume on one node"""
    n1, n2, _ = c.nodes
    path = os.path.join(n2.pool_dir, "db_00003")
    with open(path, "w") as f:
        f.write("of a user")
    r = good(n1, "a volume that one node cannot make", "add", "db", "2M", "--volume", "3")
    tap.ok("move it away" in r.out, "what to do is said", r)
    v = c.volume("db")
    tap.ok(v["verdict"] == "safe" and "move it away" in v["reason"], "the others go on, status says why", v)
    os.unlink(path)
    soon("it is made when the way is free", lambda: size(n2, 3) == 2 * MIB, timeout=30)
    good(n1, "and deleted", "delete", "db", "--volume", "3")


def clients(c):
    """a node without a copy"""
    n1 = c.nodes[0]
    n4 = c.add()
    c.wait_online()
    r = good(n1, "a node without a copy attaches", "attach", "db", "n4")
    tap.ok("db-0.sock" in r.out and "db-1.sock" in r.out, "and is told all sockets", r)
    tap.eq(files(n4), [], "no files there")
    good(n1, "detached", "detach", "db", "n4")


PATTERN = """
import nbd, sys
for path, number in zip(sys.argv[1::2], sys.argv[2::2]):
    h = nbd.NBD()
    h.connect_unix(path)
    h.pwrite(bytes([int(number) + 1]) * 65536, h.get_size() - 65536)
    h.flush()
    print(h.get_size())
    h.shutdown()
"""


def serve(c):
    """every volume by NBD; a volume that grows while it is open"""
    n1 = c.nodes[0]
    args = []
    for r in c.volume("db")["replicas"]:
        if r["node"] == "n1":
            for v in r["volumes"]:
                args += [v["nbd"], str(v["number"])]
    p = subprocess.run([PYTHON, "-c", PATTERN] + args, capture_output=True, text=True, timeout=60,
                       check=False)
    tap.ok(p.returncode == 0 and p.stdout.split() == [str(x["size_kib"] * 1024)
                                                      for x in c.volume("db")["volumes"]],
           "all volumes are written, to their ends", p)
    for number in (0, 1, 2):
        want = bytes([number + 1]) * 65536
        for n in c.nodes[:3]:
            with open(os.path.join(n.pool_dir, "db_%05d" % number), "rb") as f:
                f.seek(-65536, os.SEEK_END)
                tap.ok(f.read(65536) == want, "volume %d on %s" % (number, n.name))
    soon("closed", lambda: c.volume("db")["writer"] == "")
    good(n1, "grown after it was written", "grow", "db", "24M")


def delete(c):
    n1, n2, n3 = c.nodes[:3]
    bad(n1, "volume 0 goes last", "volume 0 goes last", "delete", "db", "--volume", "0")
    good(n1, "volume 0 grows", "grow", "db", "20M")
    tap.ok(all(size(n, 0) == 20 * MIB for n in (n1, n2, n3)), "on all nodes")
    n3.kill()
    good(n1, "volume 1 deleted with a node away", "delete", "db", "--volume", "1")
    tap.ok(files(n1) == names(0, 2, 7) and files(n2) == names(0, 2, 7), "its files are gone", files(n1))
    good(n1, "all deleted", "delete", "db")
    tap.ok(files(n1) == [] and files(n2) == [], "no file is left", files(n1))
    n3.start()
    soon("and none on n3 when it is back", lambda: files(n3) == [], lambda: files(n3))
    for n in (n1, n2, n3):
        for sub in ("replicas", "attached"):
            soon("no mark in %s of %s" % (sub, n.name),
                 lambda n=n, sub=sub: os.listdir(os.path.join(n.dir, sub)) == [])


def main():
    need_sdsd()
    with Cluster(3) as c:
        add(c)
        grow(c)
        while_away(c)
        in_foreign_way(c)
        if PLANE_SERVES_ALL:
            serve(c)
        clients(c)
        delete(c)
    tap.done()


if __name__ == "__main__":
    main()
