#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_snapshots.py - snapshots on three daemons whose pools are on xfs: taken while somebody writes,
restored, rolled back to, deleted in any order, by the clock; clones; copies compared under writes; with a
node that is away, one that stands still, and pools that cannot.

What the writer writes tells how many of its writes are in a snapshot, and whether it is exactly what
these have left behind."""
import os
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "soak")]
from cluster import PYTHON, Cluster, Tap, have_libnbd, need_sdsd, wait_for  # noqa: E402
from place import Place, can_mount  # noqa: E402
from snapshot_writer import BLOCK, snapshot_content  # noqa: E402

MIB = 1 << 20
BLOCKS = 64
HOLD_S = 2.0  # sds/freeze-ms as it is by itself

tap = Tap()


class Writer:
    """Writes to a volume at a node until it is stopped; begins when all copies follow and nothing of
    an earlier writer is left."""

    def __init__(self, node, volume, verdict="safe"):
        socket = node.nbd_socket(volume)
        self.process = subprocess.Popen(
            [PYTHON, os.path.join(HERE, "snapshot_writer.py"), "nbd+unix:///?socket=" + socket,
             str(BLOCKS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.n, self.longest = 0, 0.0
        self.thread = threading.Thread(target=self.follow, daemon=True)
        self.thread.start()
        wait_for(lambda: self.n > BLOCKS, 20, "the writer has begun")
        node.cluster.wait_verdict(volume, verdict)

    def follow(self):
        for line in self.process.stdout:
            _, n, seconds = line.split()
            self.longest = max(self.longest, float(seconds))
            self.n = int(n)

    def stop(self):
        self.process.stdin.close()
        status = self.process.wait(30)
        self.thread.join(10)
        return status

    def goes_on(self):
        n = self.n
        wait_for(lambda: self.n > n + 5, 20, "the writer goes on")


def path(node, name):
    return os.path.join(node.pool_dir, name)


def files(node):
    return sorted(f for f in os.listdir(node.pool_dir) if not f.startswith("."))


def content(node, name):
    with open(path(node, name), "rb") as f:
        return f.read()


def snapshot(node, *args):
    return node.cli("snapshot", *args)


def missing(node, volume, name):
    return node.get("/v1/resource-definitions/%s/snapshots/%s" % (volume, name))["missing_nodes"]


def good(name, r):
    tap.ok(r.code == 0, name, r)
    return r


def bad(name, says, r):
    tap.ok(r.code == 1 and says in r.err, name, r)


def soon(what, condition, why=lambda: "", timeout=20):
    try:
        wait_for(condition, timeout, what)
        tap.ok(True, what)
    except Exception as e:  # noqa: BLE001
        tap.ok(False, what, "%s %s" % (e, why()))


def read_volume(node, volume):
    script = ("import nbd,sys\nh=nbd.NBD()\nh.connect_uri(sys.argv[1])\n"
              "sys.stdout.buffer.write(h.pread(%d, 0))\n" % (BLOCKS * BLOCK))
    uri = "nbd+unix:///?socket=" + node.nbd_socket(volume)
    return subprocess.run([PYTHON, "-c", script, uri], stdout=subprocess.PIPE, check=True).stdout


def under_load(c):
    n1 = c.nodes[0]
    good("a volume with three copies",
         n1.cli("volume", "create", "db", "16M", "--copies", "3"))
    c.wait_verdict("db")
    w = Writer(c.nodes[1], "db")
    for i in range(3):
        before = w.n
        r = snapshot(c.nodes[i], "create", "db", "s%d" % i)
        after = w.n
        tap.ok(r.code == 0 and "n1, n2, n3" in r.out, "a snapshot under load, asked of n%d" % (i + 1),
               r)
        w.goes_on()
        first = content(n1, "db_00000_s%d" % i)
        writes = snapshot_content(first, BLOCKS)
        tap.ok(before <= writes <= after + 1, "it has what was written then",
               "%d, between %d and %d" % (writes, before, after))
        tap.ok(all(content(n, "db_00000_s%d" % i) == first for n in c.nodes[1:]),
               "and is the same on all nodes")
    tap.ok(w.longest < HOLD_S, "writes waited for less than %.0f s" % HOLD_S, w.longest)
    tap.note("the longest write took %.3f s" % w.longest)
    bad("a name that is taken", "has a snapshot S0 already", snapshot(n1, "create", "db", "S0"))
    bad("a volume that is not there", "no such resource", snapshot(n1, "create", "no", "s0"))
    tap.eq(w.stop(), 0, "the writer ends well")
    r = good("list", snapshot(n1, "list"))
    tap.ok(all("s%d" % i in r.out for i in range(3)) and "n1, n2, n3" in r.out, "shows them", r)


def several(c):
    n1 = c.nodes[0]
    good("another volume", n1.cli("volume", "create", "log", "16M", "--copies", "2"))
    c.wait_verdict("log")
    w = Writer(c.nodes[0], "log")
    r = good("of two at one moment", snapshot(n1, "create", "db", "both", "--with", "log"))
    tap.ok("of resource 'db'" in r.out and "of resource 'log'" in r.out, "it says both", r)
    w.stop()
    at = [n for n in c.nodes if "log_00000_both" in files(n)]
    tap.eq(len(at), 2, "log's on its two copies")
    tap.ok(snapshot_content(content(at[0], "log_00000_both"), BLOCKS) > 0, "with its writes")
    bad("with one that is not there nothing is taken", "no such resource",
        snapshot(n1, "create", "db", "bad", "--with", "nothing"))
    tap.ok(not any("bad" in f for n in c.nodes for f in files(n)), "and nothing left behind")
    for name in ("db", "log"):
        good("it is deleted", snapshot(n1, "delete", name, "both"))
    good("and the other volume", n1.cli("volume", "delete", "log"))


def restore(c):
    n1, n2, n3 = c.nodes
    kept = content(n1, "db_00000_s1")
    good("restored into a new volume", snapshot(n1, "restore", "db", "s1", "copy"))
    c.wait_verdict("copy")
    tap.eq(read_volume(n2, "copy"), kept[:BLOCKS * BLOCK], "it has the snapshot's content")
    tap.ok(all(content(n, "copy_00000") == kept for n in c.nodes), "on all nodes, nothing copied")
    w = Writer(n3, "copy")
    w.stop()
    tap.eq(content(n1, "db_00000_s1"), kept, "the snapshot stays as it is under the copy's writes")
    tap.ok(all(content(n, "copy_00000") == content(n1, "copy_00000") for n in c.nodes),
           "the copies are the same")
    good("on one node only", snapshot(n1, "restore", "db", "s1", "one", "--nodes", "n2"))
    c.wait_verdict("one")
    tap.ok("one_00000" in files(n2) and "one_00000" not in files(n1), "it is there only")
    good("a snapshot of the only copy", snapshot(n1, "create", "one", "early"))
    tap.eq(missing(n1, "one", "early"), [], "nobody lacks it")
    r = n1.http("POST", "/v1/resource-definitions/one/resources/n3",
                {"resource": {"props": {"StorPoolName": "pool"}}})
    tap.ok(r.status == 201, "a copy is added where it was made of zeros", r)
    soon("it catches up", lambda: c.volume("one")["in_sync"] == 2 if "in_sync" in c.volume("one")
         else "one_00000" in files(n3) and content(n3, "one_00000") == kept,
         lambda: c.volume("one"))
    soon("and has the snapshot's content", lambda: content(n3, "one_00000") == kept)
    tap.eq(missing(n1, "one", "early"), ["n3"], "the earlier snapshot is missing there")
    tap.ok("one_00000_early" not in files(n3), "and it is said truly", files(n3))
    row = [line for line in snapshot(n1, "list").out.splitlines() if " early " in line]
    tap.ok(len(row) == 1 and row[0].split()[-3:] == ["n2", "n3", "ok"], "shown by list", row)
    r = n1.http("POST", "/v1/resource-definitions/one/resources/n1/make-available")
    tap.ok(r.status in (200, 201), "a client", r)
    tap.eq(missing(n1, "one", "early"), ["n3"], "has no copy, and lacks nothing")
    good("a later one", snapshot(n1, "create", "one", "late"))
    tap.eq(missing(n1, "one", "late"), [], "is on both")
    for name in ("early", "late"):
        good("%s goes" % name, snapshot(n1, "delete", "one", name))
    bad("into one that is there", "exists already", snapshot(n1, "restore", "db", "s1", "copy"))
    bad("of nothing", "has no snapshot nine", snapshot(n1, "restore", "db", "nine", "new"))
    tap.ok(c.volume("new") is None, "which leaves no new volume", c.volume("new"))
    bad("where it is not", "has no snapshot",
        snapshot(n1, "restore", "db", "s1", "new", "--nodes", "n9"))


def clone(c):
    n1, _, n3 = c.nodes
    w = Writer(n1, "db")
    r = good("a clone of a volume that is written to", n3.cli("volume", "clone", "db", "twin"))
    tap.ok("Volume twin" in r.out, "shows the new volume", r)
    w.stop()
    c.wait_verdict("twin")
    writes = snapshot_content(read_volume(n3, "twin"), BLOCKS)
    tap.ok(0 < writes <= w.n, "it has what was written then", writes)
    soon("its snapshot is gone", lambda: "clone-" not in snapshot(n1, "list").out,
         lambda: snapshot(n1, "list"))
    soon("everywhere", lambda: not any("clone" in f for n in c.nodes for f in files(n)))
    bad("to a name that is taken", "exists already", n1.cli("volume", "clone", "db", "twin"))
    bad("of nothing", "no such resource", n1.cli("volume", "clone", "nothing", "new"))
    r = n1.http("GET", "/v1/resource-definitions/db/clone/twin")
    tap.ok(r.status == 200 and r.json["status"] == "COMPLETE", "LINSTOR's clients are told so", r)
    tap.eq(n1.http("GET", "/v1/resource-definitions/db/clone/copy").status, 404,
           "what is no clone is none")
    soon("it goes", lambda: n1.cli("volume", "delete", "twin").code == 0)


def flip(node, name, at):
    with open(path(node, name), "r+b") as f:
        f.seek(at)
        byte = f.read(1)[0]
        f.seek(at)
        f.write(bytes([byte ^ 1]))
        os.fsync(f.fileno())


def verify(c):
    n1, n2, n3 = c.nodes
    r = good("the copies are compared", n1.cli("volume", "verify", "db"))
    tap.ok("16.00 MiB compared, 0 regions differ" in r.out, "and are alike", r)
    w = Writer(n2, "db")
    r = good("also while somebody writes", n3.cli("volume", "verify", "db"))
    tap.ok(" 0 regions differ" in r.out and "one moment" not in r.out, "nothing false", r)
    w.goes_on()
    flip(n3, "db_00000", 5 * MIB + 77)
    r = n1.cli("volume", "verify", "db")
    tap.ok(r.code == 1 and "1 regions differ" in r.out and "n3: 1 regions" in r.out,
           "a flipped bit is found, and whose", r)
    found = n1.get("/v1/sds/verify/db")["differences"]
    tap.eq([(d["offset"], d["nodes"]) for d in found], [(5 * MIB, ["n3"])], "and where")
    w.stop()
    flip(n3, "db_00000", 5 * MIB + 77)
    good("flipped back", n1.cli("volume", "verify", "db"))
    bad("of nothing", "not found", n1.cli("volume", "verify", "nothing"))


def by_schedule(c):
    n1 = c.nodes[0]

    def auto():
        a = n1.get("/v1/view/snapshots?resources=db")
        return [s["name"] for s in a if s["props"].get("sds/by-schedule") and
                "SUCCESSFUL" in s["flags"]]

    bad("a schedule that cannot be", "times such as", snapshot(n1, "schedule", "db", "1x"))
    for i in range(3):
        r = n1.http("POST", "/v1/resource-definitions/db/snapshots",
                    {"name": "old%d" % i, "props": {"sds/by-schedule": "yes"}})
        tap.eq(r.status, 201, "one as it would have been taken before")
    good("a schedule", snapshot(n1, "schedule", "db", "1h", "--keep", "2"))
    soon("the oldest goes", lambda: auto() == ["old1", "old2"], auto)
    for name in auto():
        snapshot(n1, "delete", "db", name)
    soon("the first is taken at once", lambda: len(auto()) == 1 and auto()[0].startswith("auto-"),
         auto, 30)
    good("no more", snapshot(n1, "schedule", "db", "off"))
    for name in auto():
        snapshot(n1, "delete", "db", name)


def roll_back(c):
    n1, n2, n3 = c.nodes
    kept = content(n1, "db_00000_s0")
    n3.stop()
    w = Writer(n2, "db", "degraded")
    bad("a volume that is open", "open on n2", snapshot(n1, "rollback", "db", "s0"))
    w.stop()
    soon("it is closed", lambda: snapshot(n1, "rollback", "db", "s0").code == 0)
    tap.eq(read_volume(n2, "db"), kept[:BLOCKS * BLOCK], "it has the old content")
    n3.start()
    c.wait_verdict("db", timeout=60)
    tap.ok(all(content(n, "db_00000") == kept for n in c.nodes),
           "also on the node that was away")
    tap.ok("s0" in snapshot(n1, "list").out, "the snapshot is still there")
    w = Writer(n1, "db")
    tap.eq(w.stop(), 0, "and the volume can be written")
    soon("all copies alike", lambda: content(n3, "db_00000") == content(n1, "db_00000"))
    kept = read_volume(n2, "db")
    for i in range(3):
        good("taken of a volume nobody has open", snapshot(n1, "create", "db", "quick%d" % i))
        good("and gone back to at once", snapshot(n1, "rollback", "db", "quick%d" % i))
        good("deleted", snapshot(n1, "delete", "db", "quick%d" % i))
    tap.eq(read_volume(n2, "db"), kept, "it is what it was")
    c.wait_verdict("db", timeout=60)


def faults(c):
    n1, n2, n3 = c.nodes
    w = Writer(n2, "db")
    if c.leader() is n3:
        n3.stop()
        n3.start()
        c.wait_online()
    c.wait_verdict("db", timeout=60)
    w.longest = 0.0
    n3.freeze()
    r = snapshot(n1, "create", "db", "held")
    tap.ok(r.code != 0 or "n1, n2" in r.out, "a node stands still: it fails, or does without it", r)
    w.goes_on()
    n3.thaw()
    tap.ok(w.longest < 2 * HOLD_S + 2, "writes did not wait for long", w.longest)
    tap.note("the longest write took %.3f s" % w.longest)
    c.wait_online()
    c.wait_verdict("db", timeout=60)
    soon("what it left behind is gone",
         lambda: "db_00000_held" not in files(n3) or "held" in snapshot(n1, "list").out)
    good("then one is taken", snapshot(n1, "create", "db", "again"))
    w.stop()
    n3.stop()
    wait_for(lambda: c.volume("db")["verdict"] == "degraded", 30, "its node is seen to be away")
    r = good("nobody writes and a node is away", snapshot(n1, "create", "db", "two"))
    tap.ok("n1, n2" in r.out and "n3" not in r.out, "the others have it", r)
    n3.start()
    c.wait_online()
    c.wait_verdict("db", timeout=60)


def delete(c):
    n1 = c.nodes[0]
    good("the origin goes first", n1.cli("volume", "delete", "db"))
    tap.ok("s1" in snapshot(n1, "list").out, "its snapshots stay")
    good("and can be restored", snapshot(n1, "restore", "db", "s1", "db"))
    c.wait_verdict("db")
    for name in ("s0", "s1", "s2", "held", "again", "two"):
        snapshot(n1, "delete", "db", name)
    for name in ("copy", "one", "db"):
        good("%s goes" % name, n1.cli("volume", "delete", name))
    tap.eq(snapshot(n1, "delete", "db", "s1").code, 0, "deleting what is gone is no failure")
    for n in c.nodes:
        soon("nothing is left on %s" % n.name, lambda: files(n) == [], lambda: files(n))


def cannot(c):
    n1 = c.nodes[0]
    other = os.path.join(c.root, "ext4")
    os.mkdir(other)
    n1.cli("pool", "create", "n1", "plain", "--dir", other)
    good("a volume on a file system that cannot share blocks",
         n1.cli("volume", "create", "dull", "16M", "--copies", "1", "--pool", "plain"))
    c.wait_verdict("dull")
    r = snapshot(n1, "create", "dull", "s1")
    tap.ok(r.code == 1 and "xfs with reflink" in r.err, "says why it has none", r)
    tap.ok("dull" not in snapshot(n1, "list").out, "and none is there")
    good("it goes", n1.cli("volume", "delete", "dull"))


def main():
    need_sdsd()
    if not can_mount() or not have_libnbd():
        print("1..0 # SKIP it takes root, who can mount, and libnbd for Python")
        return 0
    place = Place("xfs")
    try:
        c = Cluster(3, prepare=place.prepare, cleanup=place.close)
    except subprocess.CalledProcessError as e:
        print("1..0 # SKIP no xfs here: %s" % e)
        return 0
    with c:
        under_load(c)
        several(c)
        restore(c)
        clone(c)
        verify(c)
        by_schedule(c)
        roll_back(c)
        faults(c)
        delete(c)
        cannot(c)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
