#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_balance.py - sds/balance with real daemons and pools that are really more and less full
(docs/upkeep.md): what has to move does, the largest first and one at a time; what is in use, and
what has no second good copy, stays; and it stops where the pools differ by less than it is for.

    pool   size   copies
    n1      200   lone 46, used 40, mid 36, small 24: 73 % full
    n2     1000   used, mid, small
    n3     1000   nothing
    n4     1000   lone; its daemon is dead from the beginning on

So mid goes to n3 and then small, lone and used stay, and when used was closed it goes, too. Then
n1 is 23 % full, and at most 20 % fuller than n3."""
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import blocks  # noqa: E402
from cluster import (SKIPPED, Cluster, Tap, need_libnbd, need_sdsd,  # noqa: E402
                     wait_for)

SIZES = {"n1": 200}  # MiB
SIZE = 1000
VOLUMES = (("lone", 46, "n4"), ("used", 40, "n2"), ("mid", 36, "n2"), ("small", 24, "n2"))
LOOK_S = 10 + 5           # BALANCE_EVERY_MS, and some
SETTLE_S = 30 + LOOK_S    # BALANCE_SETTLE_MS

BLOCKS = 100


def size(node):
    return SIZES.get(node.name, SIZE)


def mount(node):
    r = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dm" % size(node), "sdsd-test",
                        node.pool_dir], capture_output=True, text=True, check=False)
    if r.returncode != 0:
        print("1..0 # SKIP no file systems can be mounted here: %s" % r.stderr.strip())
        sys.exit(SKIPPED)


def need_mount():
    if os.geteuid() != 0:
        print("1..0 # SKIP pools of different sizes are file systems, which only root mounts")
        sys.exit(SKIPPED)


def where(c, name):
    """nodes with a copy that is not being deleted"""
    v = c.volume(name) or {}
    return sorted(r["node"] for r in v.get("replicas", []) if not r["deleting"])


def everything(c):
    return {name: where(c, name) for name, _, _ in VOLUMES}


def good(c, name):
    v = c.volume(name) or {}
    return all(r["in_sync"] for r in v.get("replicas", []))


def note(c):
    return c.leader().get("/v1/sds/status")["cluster"]["balance"]


def fill(tap, c):
    n1 = c.node("n1")
    for name, mib, other in VOLUMES:
        made = n1.cli("volume", "create", name, "%dM" % mib, "--nodes", "n1,%s" % other)
        tap.ok(made.code == 0, "volume create %s" % name, made)
        c.wait_verdict(name)
        ok, why = blocks.run("write", n1, name, BLOCKS)
        tap.ok(ok, "%s is written" % name, why)


def moving(c, seen):
    """How many copies there are more than wanted; seen: the most at a time."""
    more = sum(max(0, len(nodes) - 2) for nodes in everything(c).values())
    seen[0] = max(seen[0], more)
    return more


def wait_moved(c, name, want, seen):
    def there():
        moving(c, seen)
        return where(c, name) == want and good(c, name)
    began = time.monotonic()
    wait_for(there, 90, "%s on %s" % (name, want), interval=0.2)
    return time.monotonic() - began


def moves(tap, c, name, want):
    """It is the next one to move, and nothing else does meanwhile."""
    before, seen = everything(c), [0]
    took = wait_moved(c, name, want, seen)
    tap.eq(everything(c), dict(before, **{name: want}), "%s moves, and only this one" % name)
    tap.eq(seen[0], 1, "one copy at a time")
    tap.note("%s was moved %.0f s later" % (name, took))
    wait_for(lambda: not os.path.exists(os.path.join(c.node("n1").pool_dir, name + "_00000")), 30,
             "its files are removed")


def stays(tap, c, seconds, why):
    before, seen, end = everything(c), [0], time.monotonic() + seconds
    while time.monotonic() < end:
        moving(c, seen)
        time.sleep(0.5)
    tap.eq((everything(c), seen[0]), (before, 0), why)


def log_of_moves(c):
    """what the leaders have said of moves, the first one first"""
    lines = [line for n in c.nodes for line in n.log().splitlines() if "balance: " in line]
    return [line.split("balance: ", 1)[1] for line in sorted(lines)]


def off(tap, c):
    stays(tap, c, LOOK_S, "nothing moves by itself")
    bad = c.any().cli("property", "set", "controller", "sds/balance=much")
    tap.ok(bad.code != 0 and "balance" in bad.err, "a value that is none is refused", bad)


def in_use(tap, c):
    n1, n2 = c.node("n1"), c.node("n2")
    path = wait_for(lambda: n1.nbd_socket("used"), 20, "socket of used")
    with blocks.hold(path) as user:
        on = c.any().cli("property", "set", "controller", "sds/balance=on")
        tap.ok(on.code == 0, "sds/balance is on", on)
        moves(tap, c, "mid", ["n2", "n3"])
        moves(tap, c, "small", ["n2", "n3"])
        wait_for(lambda: "no copy can move" in note(c), SETTLE_S + 15, "the status says so")
        tap.ok(True, "n1 is still too full, and the status says that nothing can move")
        tap.ok("no copy can move" in n2.cli("status").out, "sdsd status, too",
               n2.cli("status").out)
        stays(tap, c, 2 * LOOK_S, "what is open there, and what has no other good copy, stays")
        user.stdin.close()
        tap.eq(user.wait(20), 0, "used is closed")
    moves(tap, c, "used", ["n2", "n3"])


def at_rest(tap, c):
    c.node("n4").start()
    c.wait_verdict("lone")
    stays(tap, c, SETTLE_S, "it stops when the pools differ by less than 20 %")
    tap.eq(note(c), "", "and has nothing to say any more")
    said = log_of_moves(c)
    tap.eq([s.split()[1] for s in said], ["mid", "small", "used"], "the log tells of three moves")
    tap.ok("from n1/pool" in said[0] and "to n3/pool" in said[0], "from where to where", said)
    for name, _, _ in VOLUMES:
        ok, why = blocks.run("read", c.node(where(c, name)[-1]), name, BLOCKS)
        tap.ok(ok, "every block of %s is there" % name, why)


def main():
    need_sdsd()
    need_libnbd()
    need_mount()
    tap = Tap()
    mounted = []

    def cleanup(keep):
        for path in mounted:
            subprocess.run(["umount", "-l", path], stderr=subprocess.DEVNULL, check=False)

    def prepare(node):
        mount(node)
        mounted.append(node.pool_dir)

    with Cluster(4, pools=False, prepare=prepare, cleanup=cleanup) as c:
        for node in c.nodes:
            c.add_pool(node, kind="file")
        fill(tap, c)
        c.node("n4").kill()
        off(tap, c)
        in_use(tap, c)
        at_rest(tap, c)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
