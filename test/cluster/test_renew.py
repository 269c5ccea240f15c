#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_renew.py - links are renewed all the time while a volume is written, and while a copy catches
up: same epoch, and every byte is where it was written.

The client is libnbd's (python3-libnbd), run by Debian's python3."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import PYTHON, Cluster, Tap, need_libnbd, need_sdsd, wait_for  # noqa: E402

RECORDS = "100"  # TLS records after which a link is renewed; else 2^23

CLIENT = """
import nbd, random, sys
BLOCK, BLOCKS = 4096, 4096
h = nbd.NBD()
h.connect_unix(sys.argv[1])
now = {}
for line in sys.stdin:
    verb, n = line.split()
    pieces, bad = random.Random(int(n)), 0
    if verb == "write":
        for _ in range(int(n)):
            at, count = pieces.randrange(BLOCKS - 64), pieces.choice((1, 1, 2, 16, 64))
            what = pieces.randrange(1, 256)
            h.pwrite(bytes([what]) * (BLOCK * count), at * BLOCK)
            now.update((at + i, what) for i in range(count))
    for at, what in now.items():
        bad += h.pread(BLOCK, at * BLOCK) != bytes([what]) * BLOCK
    print("%d of %d wrong" % (bad, len(now)), flush=True)
"""

tap = Tap()


class Client:
    def __init__(self, node):
        self.p = subprocess.Popen([PYTHON, "-c", CLIENT, os.path.join(node.run_dir, "nbd",
                                                                      "db-0.sock")],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, verb, n):
        self.p.stdin.write("%s %d\n" % (verb, n))
        self.p.stdin.flush()
        return self.p.stdout.readline().strip()

    def close(self):
        self.p.stdin.close()
        self.p.wait(20)


def renewals(node):
    return node.log().count(" renewed")


def in_sync(c):
    wait_for(lambda: c.volume("db")["in_sync"] == 2, 60, "both copies in sync")


def under_load(c, client):
    n1 = c.nodes[0]
    client.ask("write", 1)
    in_sync(c)  # who did not promise at once comes back as a learner
    before = c.volume("db")["epoch"]
    said = client.ask("write", 2000)
    tap.ok(said.startswith("0 of "), "every block is as it was written", said)
    tap.ok(renewals(n1) >= 20, "the link of the writer was renewed again and again",
           "%d times\n%s" % (renewals(n1), n1.log_tail()))
    tap.note("renewed %d times" % renewals(n1))
    tap.ok(c.volume("db")["epoch"] == before, "the epoch is the same",
           "\n".join(line for line in n1.log().splitlines() if "plane" in line or "lost" in line))



def catching_up(c, client):
    n2 = c.nodes[1]
    n2.stop()
    said = client.ask("write", 1500)
    tap.ok(said.startswith("0 of "), "written with one copy", said)
    n2.start()
    in_sync(c)
    tap.ok(renewals(n2) >= 1, "a link for pulls was renewed", n2.log_tail())
    said = client.ask("read", 0)
    tap.ok(said.startswith("0 of "), "every block is as it was written", said)


def content(node):
    with open(os.path.join(node.pool_dir, "db_00000"), "rb") as f:
        return f.read()


def main():
    need_sdsd()
    need_libnbd()
    with Cluster(3, prepare=lambda n: n.env.update(SDSD_RENEW_RECORDS=RECORDS)) as c:
        r = c.nodes[0].cli("volume", "create", "db", "17M", "--nodes", "n1,n2")
        tap.ok(r.code == 0, "volume create", r)
        in_sync(c)
        client = Client(c.nodes[0])
        under_load(c, client)
        catching_up(c, client)
        client.close()
        in_sync(c)
        for n in c.nodes:
            tap.ok("rules of renewals" not in n.log() and "cannot be renewed" not in n.log(),
                   "%s: no renewal has failed" % n.name, n.log_tail())
        tap.ok(content(c.nodes[0]) == content(c.nodes[1]), "both copies are alike")
    tap.done()


main()
