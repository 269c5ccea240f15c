#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_volumes.py - several volumes of a resource, by the command line, on three daemons: files on
every node, growth and deletion while a node is away, numbers used again, what a full pool says.

serve() uses them: by NBD, while they grow, come and go."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import PYTHON, Cluster, Tap, have_libnbd, need_sdsd, wait_for  # noqa: E402

MIB = 1 << 20

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
    with open(os.path.join(n3.pool_dir, "db_00007"), "r+b") as f:
        f.write(b"old" * 1000)  # not through sdsd: what makes the file known again
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
    with open(os.path.join(n3.pool_dir, "db_00007"), "rb") as f:
        tap.ok(not any(f.read()), "no old file is used again")
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


CLIENT = """
import nbd, sys
h = {}
for line in sys.stdin:
    verb, *args = line.split()
    try:
        if verb == "open":
            c = nbd.NBD()
            c.connect_unix(args[1])
            h[args[0]] = c
            print("size", c.get_size())
        elif verb == "write":
            h[args[0]].pwrite(bytes([int(args[2])]) * 65536, int(args[1]))
            h[args[0]].flush()
            print("written")
        elif verb == "read":
            data = h[args[0]].pread(65536, int(args[1]))
            print("read", data[0] if data == data[:1] * 65536 else "mixed")
        elif verb == "close":
            h.pop(args[0]).shutdown()
            print("closed")
    except nbd.Error as e:
        print("error", e)
    sys.stdout.flush()
"""


class Client:
    """an application with connections open to several volumes"""

    def __init__(self, c, node):
        self.c, self.node = c, node
        self.p = subprocess.Popen([PYTHON, "-c", CLIENT], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)

    def ask(self, *words):
        self.p.stdin.write(" ".join(str(w) for w in words) + "\n")
        self.p.stdin.flush()
        return self.p.stdout.readline().strip()

    def open(self, number):
        return self.ask("open", number, os.path.join(self.node.run_dir, "nbd",
                                                     "db-%d.sock" % number))

    def end(self):
        self.p.stdin.close()
        self.p.wait(20)


def alike(c, number, off, byte, what):
    """64 KiB of the volume's file on all nodes"""
    def same():
        for n in c.nodes[:3]:
            with open(os.path.join(n.pool_dir, "db_%05d" % number), "rb") as f:
                f.seek(off)
                if f.read(65536) != bytes([byte]) * 65536:
                    return False
        return True
    soon("%s: volume %d on all nodes" % (what, number), same, lambda: c.volume("db"))


def in_sync(c, n=3, timeout=40):
    soon("%d copies in sync" % n, lambda: c.volume("db")["in_sync"] == n, lambda: c.volume("db"),
         timeout)


def serve(c):
    """every volume by NBD, also while they grow, with a node away, and while one comes and goes"""
    n1, n2, n3 = c.nodes
    sizes = {0: 16 * MIB, 1: 12 * MIB, 2: 3 * MIB, 7: 2 * MIB}
    a = Client(c, n1)
    for number, want in sizes.items():
        tap.eq(a.open(number), "size %d" % want, "volume %d is opened" % number)
        tap.eq(a.ask("write", number, want - 65536, number + 1), "written", "written to its end")
    in_sync(c)
    for number, want in sizes.items():
        alike(c, number, want - 65536, number + 1, "replicated")
        tap.eq(a.ask("read", number, want - 65536), "read %d" % (number + 1), "and read back")
    tap.ok(a.ask("write", 2, 3 * MIB, 1).startswith("error"), "nothing behind the end")

    # grows while it is open; the size is told to who connects
    good(n2, "an open volume grows", "grow", "db", "6M", "--volume", "2")
    tap.eq(a.ask("close", 2), "closed", "its client leaves")
    tap.eq(a.open(2), "size %d" % (6 * MIB), "and finds it larger, while the others stay open")
    tap.eq(a.ask("write", 2, 5 * MIB, 33), "written", "what is new of it is written")
    alike(c, 2, 5 * MIB, 33, "grown")

    # added while volume 0 is open
    good(n1, "a volume added while others are open", "add", "db", "4M", "--volume", "9")
    tap.eq(a.open(9), "size %d" % (4 * MIB), "it is served")
    tap.eq(a.ask("write", 9, 0, 99), "written", "and written")
    alike(c, 9, 0, 99, "added")
    tap.eq(a.ask("read", 0, 16 * MIB - 65536), "read 1", "volume 0 was open all the time")

    # a node is away, meanwhile one grows and is written where it has grown
    n3.kill()
    tap.eq(a.ask("write", 0, 0, 50), "written", "written while n3 is dead")
    r = good(n1, "grown while n3 is dead", "grow", "db", "18M")
    tap.ok("n3" in r.out, "who is away is named", r)
    tap.eq(a.ask("close", 0), "closed", "closed")
    tap.eq(a.open(0), "size %d" % (18 * MIB), "the two others serve its new size")
    tap.eq(a.ask("write", 0, 17 * MIB, 51), "written", "written where it has grown")
    n3.start()
    in_sync(c)
    alike(c, 0, 0, 50, "caught up")
    alike(c, 0, 17 * MIB, 51, "caught up")

    # by number, from another node, when the first has left
    b = Client(c, n2)
    said = b.open(1)
    tap.ok(said.startswith("error") and "not opened: in use on node n1" in n2.log(),
           "on another node it is refused, in use", said + n2.log_tail(5))
    bad(n1, "none is deleted while some are open", "open on n1", "delete", "db", "--volume", "9")
    tap.eq(a.ask("read", 0, 17 * MIB), "read 51", "volume 0 is still open")
    a.end()
    soon("closed", lambda: c.volume("db")["writer"] == "", lambda: c.volume("db"))
    tap.eq(b.open(1), "size %d" % (12 * MIB), "the other node opens volume 1")
    tap.eq(b.ask("read", 1, 12 * MIB - 65536), "read 2", "and reads it")
    b.end()
    soon("closed", lambda: not any(x["open"] for x in c.volume("db")["replicas"]))
    good(n1, "volume 9 is deleted", "delete", "db", "--volume", "9")
    soon("and its files are gone", lambda: all(files(n) == names(0, 1, 2, 7) for n in c.nodes[:3]),
         lambda: files(n1))
    b = Client(c, n3)
    tap.eq(b.open(0), "size %d" % (18 * MIB), "the others are opened on a third node")
    tap.eq(b.ask("read", 0, 17 * MIB), "read 51", "and hold what they held")
    b.end()
    soon("all is well after use", lambda: c.volume("db")["verdict"] == "safe", lambda: c.volume("db"))


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
        if have_libnbd():
            serve(c)
        clients(c)
        delete(c)
    tap.done()


if __name__ == "__main__":
    main()
