#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""rates.py [SYSTEM...] - rates in a guest, by the clock: raw disk, DRBD 8.4, rvol.

One guest without KVM with virtual disks of this machine's file system; all replicas are in it, over
loopback. Each pattern is measured on all systems one after another, several rounds, and ratios are
taken within a round: absolute figures of emulated CPUs on a machine with other work mean nothing.
Figures that repeat are path.py's.

Three tables: the median rate with the ratio to the raw disk and to DRBD (median, least to greatest);
milliseconds of the guest's CPUs (fio's too) for each 10 000 requests, and context switches for each
one; flushes that reached each disk for each one that the application issued.
"""
import argparse
import json
import os
import statistics
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "vm"))

import image    # noqa: E402
import patterns     # noqa: E402
from disk import Disk   # noqa: E402
from guest import Lab   # noqa: E402
from patterns import Pattern    # noqa: E402
from systems import SYSTEMS, Ground     # noqa: E402

DATA_MIB, META_MIB = 256, 16
MIB = 1 << 20
PATTERNS = [
    Pattern("4 KiB random write, QD1", "randwrite", 1),
    Pattern("4 KiB random write, QD32", "randwrite", 32),
    Pattern("4 KiB random write, sync=1, QD1", "randwrite", 1, more="--sync=1"),
    Pattern("4 KiB random read, QD1", "randread", 1),
    Pattern("4 KiB random read, QD32", "randread", 32),
    Pattern("1 MiB write, QD4", "write", 4, block=MIB),
    Pattern("1 MiB read, QD4", "read", 4, block=MIB),
]
# key of the rounds' figures for the count of flushes
FLUSHES = "flushes"
FLUSHING = ("fio --name=t --rw=randwrite --bs=4k --direct=1 --ioengine=libaio --iodepth=8 "
            "--fsync=16 --number_ios=%d --filename=%s >/dev/null")
FLUSHED_WRITES = 1600
FLUSH_REQUESTS = 15     # field of /sys/block/<disk>/stat


def flush_requests(guest, disk):
    return int(guest.run("cat /sys/block/%s/stat" % os.path.basename(disk)).out
               .split()[FLUSH_REQUESTS])


def flushes(guest, system, device, ground):
    """[of each replica's disk, for each one that fio issued]"""
    disks = ground.data[:getattr(system, "replicas", 1)]
    before = [flush_requests(guest, d) for d in disks]
    guest.run(FLUSHING % (FLUSHED_WRITES, device), 600)
    issued = FLUSHED_WRITES / 16
    return [(flush_requests(guest, d) - b) / issued for d, b in zip(disks, before)]


def one_round(guest, systems, ground, wanted, seconds):
    """{pattern: {system: (operations per second, Cost)}}, and flushes"""
    found = {p.name: {} for p in wanted}
    found[FLUSHES] = {}
    for system in systems:
        for disk in ground.data + ground.meta:
            guest.run("blkdiscard -z %s" % disk, 300)
        device = system.setup(guest, ground)
        for pattern in wanted:
            side, cost = patterns.run(guest, device, pattern, seconds * 1000)
            found[pattern.name][system.name] = side["iops"], cost
        found[FLUSHES][system.name] = flushes(guest, system, device, ground)
        system.teardown(guest)
    return found


def spread(ratios):
    return "%.2f (%.2f to %.2f)" % (statistics.median(ratios), min(ratios), max(ratios))


def show_rates(systems, rounds, name):
    print(name)
    for s in systems:
        rates = [r[name][s.name][0] for r in rounds]
        words = []
        for base in "raw", "drbd84":
            if base in rounds[0][name] and base != s.name:
                words.append("%s %s" % (base, spread([r[name][s.name][0] / r[name][base][0]
                                                      for r in rounds])))
        print("    %-14s %9.0f/s   %s" % (s.name, statistics.median(rates), "   ".join(words)))


def show_costs(systems, rounds, name):
    print(name)
    for s in systems:
        costs = [r[name][s.name][1] for r in rounds]
        print("    %-14s %9.0f ms of CPU for 10 000 %9.1f switches %9.1f TCP segments" % (
            s.name, 1e4 * statistics.median(c.busy_ms for c in costs),
            statistics.median(c.switches for c in costs),
            statistics.median(c.segments for c in costs)))


def show(systems, rounds, wanted):
    for pattern in wanted:
        show_rates(systems, rounds, pattern.name)
    print()
    for pattern in wanted:
        show_costs(systems, rounds, pattern.name)
    print("\nflushes at each replica's disk, for each that was issued")
    for s in systems:
        of_rounds = [r[FLUSHES][s.name] for r in rounds]
        print("    %-14s %s" % (s.name, "   ".join(spread(of) for of in zip(*of_rounds))))


def parse():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("systems", nargs="*", metavar="SYSTEM", help="names (raw drbd84 rvol)")
    parser.add_argument("--kernel", default="6.1", help="6.1, 6.12 or a folder (image.py)")
    parser.add_argument("--module", action="append", default=[], dest="modules", metavar="KO",
                        help="a module for the guest, built for that kernel")
    parser.add_argument("--only", default="", help="words of patterns' names, by comma (all)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3, help="of each measurement")
    parser.add_argument("--json", metavar="FILE", help="write the figures there, too")
    return parser.parse_args()


def save(path, rounds):
    with open(path, "w") as f:
        json.dump([{name: {s: [v[0], vars(v[1])] if name != FLUSHES else v
                           for s, v in of.items()} for name, of in r.items()} for r in rounds],
                  f, indent=1)


def main():
    options = parse()
    names = options.systems or ["raw", "drbd84", "rvol"]
    systems = [s for s in SYSTEMS if s.name in names]
    words = [w for w in options.only.split(",") if w]
    wanted = [p for p in PATTERNS if not words or any(w in p.name for w in words)]
    disks = [Disk(DATA_MIB)] * 3 + [Disk(META_MIB)] * 3
    ground = Ground(["/dev/vd" + c for c in "abc"], ["/dev/vd" + c for c in "def"])
    rounds = []
    with Lab(image.make(options.kernel), tempfile.mkdtemp(prefix="sdsd-guest."), memory=1024,
             cpus=2, disks=disks, modules=options.modules) as lab:
        for i in range(options.rounds):
            print("round %d" % (i + 1), file=sys.stderr, flush=True)
            turn = systems[i % len(systems):] + systems[:i % len(systems)]
            rounds.append(one_round(lab.guests[0], turn, ground, wanted, options.seconds))
    show(systems, rounds, wanted)
    if options.json:
        save(options.json, rounds)


main()
