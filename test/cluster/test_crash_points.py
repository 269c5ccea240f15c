#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_crash_points.py - kill -9 of a daemon at each step of what several nodes do together: a snapshot
is taken under writes, restored, rolled back to, deleted, a volume is cloned; three daemons whose pools are
on xfs. The victim is the leader, the node that writes, or another one with a copy.

The list of steps is what the daemons pass (src/base/crash.h) while each operation is done once. By itself
a part of it is run; CRASH_POINTS=all runs each, CRASH_POINTS=40 so many, CRASH_OPS=create,clone only these
operations, CRASH_ROLES=writer,member only these victims. CRASH_ONLY="create leader 1 answered cut" is one of them, as a failure names it."""
import os
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "soak")]
from cluster import Cluster, Tap, Timeout, have_libnbd, need_sdsd, wait_for  # noqa: E402
from place import Place, can_mount  # noqa: E402
from snapshot_writer import snapshot_content  # noqa: E402
from test_snapshots import BLOCKS, HOLD_S, Writer, content, files  # noqa: E402

ROLES = ("leader", "writer", "member")
POINTS_DEFAULT = 5
# A write waits for the freeze, and when a node dies for a smaller set, which may wait for a leader.
LONGEST_S = HOLD_S + 10.0
SETTLE_S = 60
ANSWER_S = 15  # then the victim is started again, answered or not

tap = Tap()


def crash_dir(node):
    return os.path.join(node.cluster.root, node.name + ".crash")


def passed(node):
    """places, in their order, since forget_passed()"""
    try:
        with open(os.path.join(crash_dir(node), "passed")) as f:
            return f.read().splitlines()
    except FileNotFoundError:
        return []


def forget_passed(c):
    for node in c.nodes:
        open(os.path.join(crash_dir(node), "passed"), "w").close()


def arm(node, nth, place):
    with open(os.path.join(crash_dir(node), "end.new"), "w") as f:
        f.write("%d %s\n" % (nth, place))
    os.rename(os.path.join(crash_dir(node), "end.new"), os.path.join(crash_dir(node), "end"))


def disarm(c):
    for node in c.nodes:
        try:
            os.unlink(os.path.join(crash_dir(node), "end"))
        except FileNotFoundError:
            pass


class Wrong(Exception):
    pass


def must(condition, what, why=""):
    if not condition:
        raise Wrong("%s: %s" % (what, why))


def until(what, condition, why=lambda: "", timeout=SETTLE_S):
    try:
        return wait_for(condition, timeout, what, interval=0.2)
    except Timeout as e:
        raise Wrong("%s %s" % (e, why()))


class World:
    """The cluster, and who plays which part now."""

    def __init__(self, c):
        self.c = c
        self.stays = {}  # files of each node when nothing is under way
        self.longest = {}

    def cast(self):
        leader = self.c.leader()
        writer, member = [n for n in self.c.nodes if n is not leader]
        return {"leader": leader, "writer": writer, "member": member}

    def at_rest(self):
        """all daemons run, all copies are in sync, only what belongs there is in the pools"""
        for node in self.c.nodes:
            if not node.alive():
                node.start()
        self.c.wait_online(timeout=SETTLE_S)
        self.c.wait_verdict("db", timeout=SETTLE_S)
        for node in self.c.nodes:
            until("only what belongs there is on " + node.name,
                  lambda: not self.stays or files(node) == self.stays[node.name],
                  lambda: "%s, not %s" % (files(node), self.stays[node.name]))

    def names(self):
        """{name of a snapshot of db: (is it taken, nodes)}"""
        found = self.c.any().get("/v1/resource-definitions/db/snapshots")
        return {s["name"]: ("SUCCESSFUL" in s["flags"], s["nodes"]) for s in found}

    def same(self, name, nodes=None):
        """the content of both volumes, which is the same on these nodes"""
        nodes = nodes or [n.name for n in self.c.nodes]
        found = [tuple(content(self.c.node(n), part) for part in parts(name)) for n in nodes]
        must(len(set(found)) == 1, "%s is the same on %s" % (name, nodes),
             [hash(f) for f in found])
        return found[0]


def parts(name):
    """files of both volumes: "db" or "db@s1" """
    volume, _, snapshot = name.partition("@")
    return ["%s_%05d%s" % (volume, i, "_" + snapshot if snapshot else "") for i in (0, 1)]


class Create:
    """a snapshot under writes"""
    name = "create"

    def begin(self, w, cast):
        self.writer = Writer(cast["writer"], "db")
        until("nothing is left of what an earlier one has written",
              lambda: self.writer.n > BLOCKS)

    def run(self, node):
        return node.cli("snapshot", "create", "db", "s1", timeout=90)

    def check(self, w, r, role):
        if role != "writer":
            self.writer.goes_on()
            longest = self.writer.longest
            w.longest[role] = max(w.longest.get(role, 0), longest)
            must(longest < LONGEST_S, "writes waited", longest)
        until("it is taken or it is not", lambda: w.names().get("s1", (True,))[0], w.names)
        taken = w.names().get("s1")
        must(taken or r.code != 0, "what was said to be taken is there", r)
        if taken:
            first = w.same("db@s1", taken[1])
            must(snapshot_content(first[0], BLOCKS) > 0, "it is what was written",
                 snapshot_content(first[0], BLOCKS))
            for node in w.c.nodes:
                must(node.name in taken[1] or parts("db@s1")[0] not in files(node) or
                     not node.alive(), "only who has it has its files", files(node))

    def end(self, w):
        self.writer.stop()
        for node in w.c.nodes:
            if not node.alive():
                node.start()
        if "s1" not in w.names():
            for node in w.c.nodes:
                until("nothing is left of it on " + node.name,
                      lambda: files(node) == w.stays[node.name], lambda: files(node))
            until("it can be taken again", lambda: self.run(w.c.any()).code == 0)
            w.same("db@s1", w.names()["s1"][1])
        until("it can be deleted", lambda: w.c.any().cli("snapshot", "delete", "db", "s1").code == 0)


class Restore:
    """a new volume from a snapshot"""
    name = "restore"

    def begin(self, w, cast):
        pass

    def run(self, node):
        return node.cli("snapshot", "restore", "db", "base", "copy", timeout=90)

    def again(self, w):
        """after one that failed: what it has left goes, then it must work"""
        node = w.c.any()
        if w.c.volume("copy"):
            node.cli("volume", "delete", "copy")
        return self.run(node).code == 0

    def check(self, w, r, role):
        if r.code != 0:
            until("it works when it is asked for again", lambda: self.again(w), lambda: r)

    def end(self, w):
        for node in w.c.nodes:
            if not node.alive():
                node.start()
        w.c.wait_verdict("copy", timeout=SETTLE_S)
        must(w.same("copy") == w.same("db@base"), "it has the snapshot's content")
        until("it can be deleted", lambda: w.c.any().cli("volume", "delete", "copy").code == 0)


class Rollback:
    """back to a snapshot"""
    name = "rollback"

    def begin(self, w, cast):
        Writer(cast["writer"], "db").stop()
        must(w.same("db")[0] != w.same("db@base")[0], "something else is there")

    def run(self, node):
        end = time.monotonic() + 20
        while True:     # the writer's node may not have told yet that it is closed
            r = node.cli("snapshot", "rollback", "db", "base", timeout=90)
            if r.code == 0 or "open on" not in r.err or time.monotonic() > end:
                return r
            time.sleep(0.2)

    def check(self, w, r, role):
        if r.code != 0:
            until("it works when it is asked for again", lambda: self.run(w.c.any()).code == 0,
                  lambda: r)

    def end(self, w):
        for node in w.c.nodes:
            if not node.alive():
                node.start()
        w.c.wait_online(timeout=SETTLE_S)
        w.c.wait_verdict("db", timeout=SETTLE_S)
        must(w.same("db") == w.same("db@base"), "it has the snapshot's content")


class Delete:
    """a snapshot goes"""
    name = "delete"

    def begin(self, w, cast):
        r = cast["member"].cli("snapshot", "create", "db", "s1")
        must(r.code == 0, "one is taken", r)

    def run(self, node):
        return node.cli("snapshot", "delete", "db", "s1", timeout=90)

    def check(self, w, r, role):
        if r.code != 0:
            until("it works when it is asked for again", lambda: self.run(w.c.any()).code == 0,
                  lambda: r)
        must("s1" not in w.names(), "it is gone", w.names)

    def end(self, w):
        pass


class Clone:
    """a volume with the content of another one"""
    name = "clone"

    def begin(self, w, cast):
        pass

    def run(self, node):
        return node.cli("volume", "clone", "db", "twin", timeout=120)

    def again(self, w):
        node = w.c.any()
        if w.c.volume("twin"):
            node.cli("volume", "delete", "twin")
        return self.run(node).code == 0

    def check(self, w, r, role):
        if r.code != 0:
            until("it works when it is asked for again", lambda: self.again(w), lambda: r, 120)

    def end(self, w):
        for node in w.c.nodes:
            if not node.alive():
                node.start()
        w.c.wait_verdict("twin", timeout=SETTLE_S)
        nodes = [r["node"] for r in w.c.volume("twin")["replicas"]]
        must(w.same("twin", nodes) == w.same("db"), "it has the content")
        until("its snapshot is gone", lambda: not any(n.startswith("clone-") for n in w.names()),
              w.names)
        until("it can be deleted", lambda: w.c.any().cli("volume", "delete", "twin").code == 0)


def list_points(w, op):
    """[(role, nth, place)]: the operation is done once, and nobody dies"""
    w.at_rest()
    cast = w.cast()
    op.begin(w, cast)
    forget_passed(w.c)
    r = op.run(cast["member"])
    must(r.code == 0, "%s works" % op.name, r)
    places = {role: passed(cast[role]) for role in ROLES}
    op.check(w, r, None)
    op.end(w)
    found = []
    for role in ROLES:
        for i, place in enumerate(places[role]):
            found.append((role, places[role][:i + 1].count(place), place))
    return found


def run_point(w, op, role, nth, place):
    """Whether the place was reached"""
    w.at_rest()
    cast = w.cast()
    victim = cast[role]
    op.begin(w, cast)
    arm(victim, nth, place)
    asked = cast["writer"] if role == "member" else cast["member"]
    answer = []
    thread = threading.Thread(target=lambda: answer.append(op.run(asked)))
    thread.start()
    while thread.is_alive() and victim.process.poll() is None:
        time.sleep(0.02)
    thread.join(ANSWER_S)
    waited_for = thread.is_alive()
    if waited_for:
        victim.start()
        thread.join()
    try:        # some steps come after the answer
        wait_for(lambda: victim.process.poll() is not None, 0.5)
    except Timeout:
        pass
    disarm(w.c)
    ended = waited_for or victim.process.poll() is not None
    op.check(w, answer[0], role if ended else None)
    op.end(w)
    return ended


def choose(points, n):
    """evenly, so that each role and each part of it is there"""
    if n >= len(points):
        return points
    return [points[(2 * i + 1) * len(points) // (2 * n)] for i in range(n)]


def all_of(w, op, share):
    points = list_points(w, op)
    chosen = points if share is None else choose(points, share)
    chosen = [p for p in chosen if p[0] in os.environ.get("CRASH_ROLES", ",".join(ROLES))]
    only = os.environ.get("CRASH_ONLY")
    if only:
        chosen = [p for p in points if only == "%s %s %d %s" % ((op.name,) + p)]
    tap.note("%s: %d steps, %d of them are run" % (op.name, len(points), len(chosen)))
    reached = 0
    for role, nth, place in chosen:
        what = "%s %s %d %s" % (op.name, role, nth, place)
        began = time.monotonic()
        try:
            ended = run_point(w, op, role, nth, place)
            w.at_rest()
        except (Wrong, Timeout, RuntimeError) as e:
            tap.ok(False, what, e)
            raise
        reached += ended
        tap.ok(True, what + ("" if ended else ": not reached") +
               " (%.0f s)" % (time.monotonic() - began))
    if chosen:
        tap.ok(reached * 2 > len(chosen), "%s: most steps were reached" % op.name,
               "%d of %d" % (reached, len(chosen)))


def prepare(c, w):
    n1 = c.nodes[0]
    n1.cli("volume", "create", "db", "16M", "--copies", "3")
    r = n1.cli("volume", "add", "db", "8M")
    must(r.code == 0, "a second volume", r)
    c.wait_verdict("db")
    Writer(n1, "db").stop()
    until("a snapshot", lambda: n1.cli("snapshot", "create", "db", "base").code == 0)
    w.stays = {n.name: files(n) for n in c.nodes}
    must(all(len(f) == 6 for f in w.stays.values()), "two volumes and a snapshot", w.stays)


def main():
    need_sdsd()
    if not can_mount() or not have_libnbd():
        print("1..0 # SKIP it takes root, who can mount, and libnbd for Python")
        return 0
    place = Place("xfs")

    def watched(node):
        place.prepare(node)
        os.mkdir(crash_dir(node))
        node.env["SDSD_CRASH_POINTS"] = crash_dir(node)

    many = os.environ.get("CRASH_POINTS", str(POINTS_DEFAULT))
    ops = [op() for op in (Create, Restore, Rollback, Delete, Clone)]
    wanted = os.environ.get("CRASH_OPS", ",".join(op.name for op in ops)).split(",")
    if os.environ.get("CRASH_ONLY"):
        wanted, many = [os.environ["CRASH_ONLY"].split()[0]], "all"
    ops = [op for op in ops if op.name in wanted]
    try:
        c = Cluster(3, prepare=watched, cleanup=place.close)
    except subprocess.CalledProcessError as e:
        print("1..0 # SKIP no xfs here: %s" % e)
        return 0
    with c:
        w = World(c)
        prepare(c, w)
        for op in ops:
            all_of(w, op, None if many == "all" else max(1, int(many) // len(ops)))
        tap.note("the longest write by victim: %s" %
                 ", ".join("%s %.1f s" % p for p in w.longest.items()))
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
