#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""soak.py - faults by chance on three real daemons while applications write; after each round every
acknowledged write is read back on a node chosen by chance, and now and then all copies must be in
sync without a command and equal byte by byte. Environment SDSD: the binary.

  --rounds N --seed S       how many, drawn from what; a round depends on S and its number only
  --from N                  the first round (1): with --rounds 1 the schedule of one round again
  --faults kill,cut,...     only these kinds; --list names those that are possible here
  --copies 2|3              of the first volume; 2: one node is a client without a disk
  --volumes N               so many volumes at once (2), two copies each but the first
  --net netns|proxy|auto|none, --fs tmpfs|ext4|none|auto, --shim LIBRARY   see net.py, place.py
  --pace X                  all times of a round but those of the daemons, 1 unless said
  --sabotage                after the first round one block is damaged in all copies: must be noticed

What is allowed is said in content.py. A daemon may end by itself only while its state directory is
full, with a reason in its log."""
import argparse
import filecmp
import os
import random
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "cluster"))
sys.path.insert(0, HERE)
import faults  # noqa: E402
import net  # noqa: E402
import place  # noqa: E402
from content import says_why  # noqa: E402
from cluster import (PYTHON, SDSD, Cluster, Tap, Timeout, have_libnbd, need_sdsd,  # noqa: E402
                     wait_for)
from workload import CLIENT, Application, Volume, socket_of  # noqa: E402

NAMES = ["n1", "n2", "n3"]
OPENS_S = 90      # a volume must open somewhere so long after the last fault
IN_SYNC_S = 90    # and all copies be in sync
COMPARE_EVERY = 5
CHURN = "tmp"
BLOCK = 4096
SIGNS = ("AddressSanitizer", "LeakSanitizer", "runtime error:", "Assertion")


class Soak(faults.World):
    def __init__(self, args, tap, cluster, network, place_, disks):
        super().__init__(cluster, network, place_, disks)
        self.args, self.tap = args, tap
        self.volumes = []
        self.churned = self.restarts = self.repairs = self.ends = self.opens = self.kills = 0
        self.bad = []

    # making

    def make_volumes(self):
        for i in range(self.args.volumes):
            copies = self.args.copies if i == 0 else 2
            name = "db%d" % i
            made = self.cluster.any().cli("volume", "create", name, "16M", "--copies", str(copies))
            if made.code != 0:
                raise RuntimeError("volume create: %r" % made)
            for node in self.cluster.nodes:
                if not wait_for(lambda: self.cluster.volume(name), 10) or \
                        not socket_of(node, name):
                    self.cluster.any().cli("volume", "attach", name, node.name)
            self.volumes.append(Volume(name, copies))

    # while faults go on

    def churn(self, rnd, number):
        """one more volume is made, written, and deleted when the round ends"""
        name = "%s%d" % (CHURN, number)
        node = rnd.choice(self.cluster.nodes)
        node.cli("volume", "create", name, "4M", "--copies", str(rnd.choice([1, 2, 3])), timeout=8)
        return Volume(name, 0)

    def ended(self, node):
        """a daemon that was allowed to end has ended"""
        self.ends += 1
        code = node.process.returncode
        if code < 0 or not says_why(node.log()):
            self.bad.append("%s ended with %s without a reason in %s" %
                            (node.name, code, node.log_path))

    def check_alive(self):
        for node in self.cluster.nodes:
            if not node.alive():
                if node.name in self.may_end:
                    self.ended(node)
                else:
                    self.bad.append("%s ended by itself with %s: %s" % (
                        node.name, node.process.returncode, node.log_path))
                node.start(wait=False)
        self.may_end.clear()

    def a_round(self, number):
        rnd = random.Random("%d/%d" % (self.args.seed, number))
        plan = faults.schedule(rnd, self.args.kinds, NAMES, self.args.pace)
        text = "; ".join(map(str, plan))
        self.bad = []
        pace = self.args.pace
        apps = [Application(self.cluster, v, rnd.randrange(1 << 30), pace) for v in self.volumes]
        self.applications = apps
        churn = None
        if rnd.random() < 0.4:
            churn = self.churn(rnd, number)
            apps.append(Application(self.cluster, churn, rnd.randrange(1 << 30), pace))
        try:
            faults.run(self, plan)
        finally:
            self.check_alive()
            self.mend()
            for a in apps:
                a.calm_at = time.monotonic()
        time.sleep(rnd.uniform(0.0, 1.5) * pace)
        for a in apps:
            a.finish()
            self.bad += a.bad
            self.opens += a.opens
            self.kills += a.kills
        for v in self.volumes + ([churn] if churn else []):
            self.bad += self.read_back(rnd, v)
        if churn:
            self.remove(churn)
        self.check_alive()
        self.bad += self.signs()
        acked = sum(v.content.acked for v in self.volumes)
        self.tap.ok(not self.bad, "round %d: %s; %d writes acknowledged so far" %
                    (number, text, acked), "\n".join(self.bad[:20]))
        return not self.bad

    # afterwards

    def mend(self):
        """A copy whose disk has refused I/O takes no part until it is attached anew: the operator
        restarts its daemon when the disk is well, and says so of a copy in quarantine. The only
        commands that this test ever gives."""
        for node in self.touched:
            since = node.log().rpartition("daemon: sdsd ")[2]
            if any("plane: volume=" in l and " failed: " in l for l in since.splitlines()):
                node.stop(10)
                node.start(wait=False)
                self.restarts += 1
        self.touched.clear()
        # a daemon that was just started may not answer yet
        asked = wait_for(self.one_that_answers, 60, "some node tells the status")
        for volume in self.volumes:
            self.repair(volume.name, *asked)

    def one_that_answers(self):
        """a node and what it says of the volumes; None"""
        for node in self.cluster.nodes:
            if node.alive():
                a = node.http("GET", "/v1/sds/status", timeout=5)
                if a.status == 200:
                    return node, a.json["resources"]
        return None

    def repair(self, name, node, resources):
        """copies that failed too often, of a volume whose disks are well now"""
        for resource in resources:
            for r in resource["replicas"]:
                if resource["name"] == name and r["quarantined"]:
                    self.repairs += 1
                    node.cli("volume", "repair", name, r["node"])

    def read_back(self, rnd, volume):
        content = volume.content
        blocks = "".join("%d\n" % b for b in sorted(content.blocks()))
        said = []

        def attempt():
            path = socket_of(rnd.choice(self.cluster.nodes), volume.name)
            if not path:
                return None
            r = subprocess.run([PYTHON, CLIENT, "read", path], input=blocks, capture_output=True,
                               text=True, timeout=60)
            said[:] = r.stdout.splitlines()[-1:]
            return (r.stdout.splitlines(),) if r.returncode == 0 else None

        if not blocks:
            return []
        try:
            lines = wait_for(attempt, OPENS_S, "", interval=0.3)[0]
        except (Timeout, subprocess.TimeoutExpired):
            return ["volume %s cannot be opened and read within %d s on any node: %s" %
                    (volume.name, OPENS_S, said)]
        return ["read back of %s: %s" % (volume.name, b) for b in content.take(lines)]

    def remove(self, volume):
        self.churned += 1

        def gone():
            if not self.cluster.volume(volume.name):
                return True
            self.cluster.any().cli("volume", "delete", volume.name, timeout=20)
            return False
        files = lambda: [n.pool_dir for n in self.cluster.nodes for f in os.listdir(n.pool_dir)
                         if f.startswith(volume.name + "_")]
        try:
            wait_for(gone, OPENS_S, "volume %s deleted" % volume.name, interval=0.2)
            wait_for(lambda: not files(), IN_SYNC_S, "files of %s removed" % volume.name)
        except Timeout as e:
            self.bad.append(str(e))

    def signs(self):
        return ["%s says: %s" % (n.log_path, l) for n in self.cluster.nodes
                for l in n.log().splitlines() if any(s in l for s in SIGNS)][:5]

    def compare(self, volume):
        name = volume.name + "_00000"
        began = time.monotonic()
        try:
            wait_for(lambda: (self.cluster.volume(volume.name) or {}).get("in_sync") ==
                     volume.copies, IN_SYNC_S, "all copies of %s in sync" % volume.name)
            took = time.monotonic() - began
            files = [os.path.join(n.pool_dir, name) for n in self.cluster.nodes
                     if os.path.exists(os.path.join(n.pool_dir, name))]
            wait_for(lambda: all(filecmp.cmp(files[0], f, shallow=False) for f in files[1:]), 10,
                     "equal bytes in %s" % ", ".join(files))
        except Timeout as e:
            return self.tap.ok(False, "%s in sync and equal" % volume.name, "%s\n%s" % (
                e, self.cluster.any().cli("status").out))
        return self.tap.ok(True, "%s: %d copies in sync (%.1f s) and equal" % (
            volume.name, volume.copies, took))

    def sabotage(self):
        """a lost write, as only we can make one"""
        content = self.volumes[0].content
        block = [b for b, v in content.sure.items() if v > 0 and b not in content.maybe][0]
        for node in self.cluster.nodes:
            node.kill()
        for node in self.cluster.nodes:
            path = os.path.join(node.pool_dir, "db0_00000")
            if os.path.exists(path):
                with open(path, "r+b") as f:
                    f.seek(block * BLOCK)
                    f.write(bytes(BLOCK))
            node.start(wait=False)
        return self.read_back(random.Random(1), self.volumes[0])

    def run(self):
        for number in range(self.args.first, self.args.first + self.args.rounds):
            good = self.a_round(number)
            last = number == self.args.first + self.args.rounds - 1
            if good and (last or number % COMPARE_EVERY == 0):
                good = all([self.compare(v) for v in self.volumes])
            if good and self.args.sabotage:
                noticed = self.sabotage()
                self.tap.ok(noticed, "a write that was lost is noticed: %s" % noticed[:1])
                break
            if not good:
                self.tell(number)
                break
        hits = self.disks.hits(self.cluster.nodes)
        if self.args.kinds <= self.disks.can and not hits:
            self.tap.ok(False, "faults of disks have met some operation")
        total = [sum(getattr(v.content, k) for v in self.volumes)
                 for k in ("acked", "flushes", "reads")]
        self.tap.note("%d writes acknowledged, %d flushes, %d blocks read and judged, %d opens, "
                      "%d applications killed, %d volumes came and went, %d daemons ended by "
                      "themselves, %d restarted for their disk, %d copies repaired, %d "
                      "operations of disks met a fault" % (
                          *total, self.opens, self.kills, self.churned, self.ends,
                          self.restarts, self.repairs, hits))

    def tell(self, number):
        a = self.args
        self.cluster.keep = True
        self.tap.note("seed %d, round %d; logs of the daemons: %s/n*.log" %
                      (a.seed, number, self.cluster.root))
        self.tap.note("again: SDSD=%s python3 test/soak/soak.py --seed %d --from %d --rounds 1 "
                      "--faults %s --copies %d --volumes %d --pace %s --net %s --fs %s%s" % (
                          SDSD, a.seed, number, ",".join(sorted(a.kinds)), a.copies, a.volumes,
                          a.pace,
                          self.net.name if self.net else "none", self.place.kind,
                          " --shim " + a.shim if a.shim else ""))
        self.cluster.report()


def arguments():
    p = argparse.ArgumentParser()
    p.add_argument("--rounds", type=int, default=200)
    p.add_argument("--seed", type=int, default=int(time.time()))
    p.add_argument("--from", type=int, default=1, dest="first")
    p.add_argument("--copies", type=int, default=3)
    p.add_argument("--volumes", type=int, default=2)
    p.add_argument("--faults", "--only", default="")
    p.add_argument("--net", default="auto")
    p.add_argument("--fs", default="auto")
    p.add_argument("--shim", default=os.environ.get("SDSD_DISKFAULTS", ""))
    p.add_argument("--pace", type=float, default=1.0)
    p.add_argument("--list", action="store_true")
    p.add_argument("--sabotage", action="store_true")
    return p.parse_args()


def choose_kinds(args, can, tap):
    asked = {k for k in args.faults.split(",") if k}
    unknown = asked - set(faults.KINDS)
    if unknown:
        print("unknown kinds of faults: %s; there are %s" %
              (", ".join(sorted(unknown)), ", ".join(sorted(faults.KINDS))), file=sys.stderr)
        sys.exit(2)
    if asked - can:
        tap.note("not possible here: %s" % ", ".join(sorted(asked - can)))
    if asked and not asked & can:
        print("1..0 # SKIP none of %s is possible here" % args.faults)
        sys.exit(77)
    return (asked & can) or can


def main():
    args = arguments()
    need_sdsd()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # namespaces and mounts must not stay
    if not have_libnbd():
        print("1..0 # SKIP python3-libnbd is missing")
        return 77
    tap = Tap()
    if args.fs == "auto":
        args.fs = "tmpfs" if place.can_mount() else "none"
    if args.shim and not place.is_shared(SDSD):
        tap.note("%s is static: no faults of disks" % SDSD)
        args.shim = ""
    ground = place.Place(args.fs)
    disks = place.Disks(os.path.abspath(args.shim) if args.shim else None, SDSD)
    network = None if args.net == "none" else net.choose(args.net, NAMES)
    can = faults.ALWAYS | (network.can if network else set()) | ground.can | disks.can
    args.kinds = choose_kinds(args, can, tap)
    tap.note("seed %d, rounds %d to %d, %d volumes, net %s, file systems %s, faults: %s" % (
        args.seed, args.first, args.first + args.rounds - 1, args.volumes,
        network.name if network else "none", args.fs, ", ".join(sorted(args.kinds))))
    if args.list:
        if network:
            network.close()
        return 0

    def prepare(node):
        ground.prepare(node)
        disks.prepare(node)

    cluster = None
    try:
        with Cluster(3, net=network, prepare=prepare, cleanup=ground.close) as cluster:
            soak = Soak(args, tap, cluster, network, ground, disks)
            soak.make_volumes()
            soak.run()
    finally:
        if not cluster and network:
            network.close()
    tap.done()
    return 0


if __name__ == "__main__":
    sys.exit(main())
