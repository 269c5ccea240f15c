#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""rates.py [SYSTEM...] - rates in a guest, by the clock: raw disk, DRBD 8.4, rvol.

One guest without KVM with virtual disks of this machine's file system; both replicas are in it, over
loopback. Each pattern is measured on all systems one after another, several rounds, and the ratio is
taken within a round: absolute figures of emulated CPUs on a machine with other work mean nothing.
Figures that repeat are path.py's. The table has for each pattern and system the median rate and the
median, least and greatest ratio to the first system.
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
from disk import Disk   # noqa: E402
from guest import Lab   # noqa: E402
from systems import SYSTEMS     # noqa: E402

DATA_MIB, META_MIB = 256, 16
FIO = ("fio --name=t --direct=1 --ioengine=libaio --time_based=1 --runtime=%ds --ramp_time=1s "
       "--norandommap --group_reporting --output-format=json --filename=%s --size=200m %s")
PATTERNS = [
    ("4 KiB random write, QD1", "--rw=randwrite --bs=4k --iodepth=1"),
    ("4 KiB random write, QD32", "--rw=randwrite --bs=4k --iodepth=32"),
    ("4 KiB random write, each flushed", "--rw=randwrite --bs=4k --iodepth=1 --fsync=1"),
    ("4 KiB random read, QD1", "--rw=randread --bs=4k --iodepth=1"),
    ("4 KiB random read, QD32", "--rw=randread --bs=4k --iodepth=32"),
    ("1 MiB write, QD4", "--rw=write --bs=1M --iodepth=4"),
    ("1 MiB read, QD4", "--rw=read --bs=1M --iodepth=4"),
]


def rate(guest, device, options, seconds):
    out = guest.run(FIO % (seconds, device, options), 600).out
    job = json.loads(out[out.index("{"):])["jobs"][0]
    return (job["read"] if job["read"]["total_ios"] else job["write"])["iops"]


def choose(words):
    words = [w for w in words.split(",") if w]
    PATTERNS[:] = [p for p in PATTERNS if not words or any(w in p[0] for w in words)]


def one_round(guest, systems, disks, seconds):
    """{pattern: {system: operations per second}}"""
    found = {name: {} for name, _ in PATTERNS}
    for system in systems:
        for disk in disks:
            guest.run("blkdiscard -z %s" % disk, 300)
        device = system.setup(guest, disks)
        for name, options in PATTERNS:
            found[name][system.name] = rate(guest, device, options, seconds)
        system.teardown(guest)
    return found


def show(systems, rounds):
    base = systems[0].name
    for name, _ in PATTERNS:
        print(name)
        for s in systems:
            rates = [r[name][s.name] for r in rounds]
            ratios = [r[name][s.name] / r[name][base] for r in rounds]
            print("    %-14s %9.0f/s   %5.2f (%.2f to %.2f)" % (
                s.name, statistics.median(rates), statistics.median(ratios), min(ratios),
                max(ratios)))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("systems", nargs="*", metavar="SYSTEM", help="names (raw drbd84 rvol)")
    parser.add_argument("--kernel", default="6.1", help="6.1, 6.12 or a folder (image.py)")
    parser.add_argument("--module", action="append", default=[], dest="modules", metavar="KO",
                        help="a module for the guest, built for that kernel")
    parser.add_argument("--patterns", default="", help="words of their names, by comma (all)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3, help="of each measurement")
    options = parser.parse_args()
    wanted = options.systems or ["raw", "drbd84", "rvol"]
    systems = [s for s in SYSTEMS if s.name in wanted]
    choose(options.patterns)
    disks = [Disk(DATA_MIB), Disk(DATA_MIB), Disk(META_MIB), Disk(META_MIB)]
    rounds = []
    with Lab(image.make(options.kernel), tempfile.mkdtemp(prefix="sdsd-guest."), memory=1024,
             cpus=2, disks=disks, modules=options.modules) as lab:
        for i in range(options.rounds):
            print("round %d" % (i + 1), file=sys.stderr, flush=True)
            turn = systems[i % len(systems):] + systems[:i % len(systems)]
            rounds.append(one_round(lab.guests[0], turn, ["/dev/vd" + c for c in "abcd"],
                                    options.seconds))
    show(systems, rounds)


main()
