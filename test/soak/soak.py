#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""soak.py [--rounds N] [--seed S] [--copies 2|3] - random faults on three real daemons while an
application writes; after each round every acknowledged write is read back on a node chosen by chance,
and now and then all copies are compared byte by byte. Environment SDSD: the binary.

A fault is kill -9 or SIGSTOP of the writer's, a member's, the leader's or every daemon. The content of
a block is judged by what the application printed: a write that was acknowledged must be there unless
a later one was begun; one that was begun may or may not be there, and stays as it was first seen."""
import argparse
import filecmp
import os
import random
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "cluster"))
from cluster import Cluster, Tap, need_sdsd, wait_for  # noqa: E402

PYTHON = "/usr/bin/python3"
CLIENT = os.path.join(HERE, "client.py")
FAULTS = ("none", "kill writer", "kill member", "kill leader", "kill all", "stop writer",
          "stop member", "stop all but one")


class Content:
    """What each block may hold."""

    def __init__(self):
        self.sure, self.maybe, self.value, self.acked = {}, {}, 0, 0

    def take(self, lines):
        for line in lines:
            word = line.split()
            if len(word) != 3:
                continue
            block, value = int(word[1]), int(word[2])
            self.value = max(self.value, value)
            if word[0] == "w":
                self.maybe.setdefault(block, set()).add(value)
            else:
                self.sure[block] = value
                self.maybe.pop(block, None)
                self.acked += 1

    def judge(self, lines):
        bad = []
        for line in lines:
            block, found = map(int, line.split())
            if found != self.sure.get(block, 0) and found not in self.maybe.get(block, ()):
                bad.append("block %d holds %d, acknowledged is %d" %
                           (block, found, self.sure.get(block, 0)))
            self.sure[block] = found
            self.maybe.pop(block, None)
        return bad


def inject(rnd, fault, c, writer):
    """returns what undoes it"""
    others = [n for n in c.nodes if n is not writer]
    who = {"writer": [writer], "member": [rnd.choice(others)], "all": c.nodes,
           "all but one": rnd.sample(c.nodes, 2)}
    if fault == "kill leader":
        who["leader"] = [n for n in c.nodes if n.is_leader()][:1]
    nodes = who.get(fault.partition(" ")[2], [])
    if fault.startswith("kill"):
        for n in nodes:
            n.kill()
        return lambda: [n.start(wait=False) for n in nodes]
    for n in nodes:
        n.freeze()
    return lambda: [n.thaw() for n in nodes]


def socket_of(node):
    path = os.path.join(node.run_dir, "nbd", "db-0.sock")
    return path if node.alive() and os.path.exists(path) else None


def read_back(c, rnd, content):
    blocks = "".join("%d\n" % b for b in set(content.sure) | set(content.maybe))

    def attempt():
        path = socket_of(rnd.choice(c.nodes))
        if not path:
            return None
        r = subprocess.run([PYTHON, CLIENT, "read", path], input=blocks, capture_output=True,
                           text=True, timeout=60)
        return (r.stdout.splitlines(),) if r.returncode == 0 else None

    return wait_for(attempt, 90, "the volume opens somewhere", interval=0.3)[0]


def a_round(c, rnd, content):
    fault = rnd.choice(FAULTS)
    writer = rnd.choice(c.nodes)
    path = wait_for(lambda: socket_of(writer), 60, "a socket on %s" % writer.name)
    said = os.path.join(c.root, "writer.out")
    with open(said, "w") as out:
        client = subprocess.Popen([PYTHON, CLIENT, "write", path, str(rnd.randrange(1 << 30)),
                                   str(content.value)], stdout=out, stderr=subprocess.DEVNULL)
    time.sleep(rnd.uniform(0.2, 3.0))
    undo = inject(rnd, fault, c, writer)
    time.sleep(rnd.uniform(0.1, 4.0))
    undo()
    time.sleep(rnd.uniform(0.0, 2.0))
    client.terminate()
    hangs = []
    try:
        client.wait(60)
    except subprocess.TimeoutExpired:
        client.kill()
        client.wait()
        hangs = ["the writer hangs for 60 s after the fault was undone"]
    with open(said) as out:
        content.take(out)
    return fault, hangs + content.judge(read_back(c, rnd, content))


def compare(c, copies):
    wait_for(lambda: (c.volume("db") or {}).get("in_sync") == copies, 120, "all copies in sync")
    files = [os.path.join(n.pool_dir, "db_00000") for n in c.nodes
             if os.path.exists(os.path.join(n.pool_dir, "db_00000"))]
    same = lambda: all(filecmp.cmp(files[0], f, shallow=False) for f in files[1:])
    return wait_for(same, 10, "equal bytes")


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--rounds", type=int, default=200)
    args.add_argument("--seed", type=int, default=int(time.time()))
    args.add_argument("--copies", type=int, default=3)
    args = args.parse_args()
    need_sdsd()
    if subprocess.run([PYTHON, "-c", "import nbd"], stderr=subprocess.DEVNULL).returncode:
        print("1..0 # SKIP python3-libnbd is missing")
        return 77
    tap, rnd, content = Tap(), random.Random(args.seed), Content()
    tap.note("seed %d, %d rounds, %d copies" % (args.seed, args.rounds, args.copies))
    with Cluster(3) as c:
        made = c.any().cli("volume", "create", "db", "16M", "--copies", str(args.copies))
        tap.ok(made.code == 0, "volume create", made)
        for node in c.nodes:
            if not socket_of(node):
                c.any().cli("volume", "attach", "db", node.name)
        for i in range(args.rounds):
            fault, bad = a_round(c, rnd, content)
            tap.ok(not bad, "round %d: %s, %d writes acknowledged so far" %
                   (i + 1, fault, content.acked), "; ".join(bad[:5]))
            if bad:
                break
            if i % 5 == 4:
                tap.ok(compare(c, args.copies), "all copies in sync and equal")
    tap.done()
    return 0


sys.exit(main())
