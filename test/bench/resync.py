#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""resync.py - how fast a copy that was away is brought in sync by rvol, as a part of what disk or
network allow, while nobody uses the volume.

One guest, both replicas in it. The limit has to be so low that the emulated CPU is none: QEMU
throttles the disk of the copy that is written, or a token bucket the loopback interface. All of the
volume differs: the first copy has been written alone, while the second one, made together with it,
was not there. The rate is taken between a tenth and nine tenths of it, by the guest's clock.
"""
import argparse
import os
import re
import shutil
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "vm"))

import image    # noqa: E402
from disk import Disk   # noqa: E402
from guest import Lab   # noqa: E402
from systems import push_rvolctl    # noqa: E402

META_MIB = 16
REGION_KIB = 64
TARGET = 0.85
TIMEOUT = 900
# A whole GSO packet of loopback, 64 KiB, has to fit into the bucket.
SLOW_NET = "tc qdisc add dev lo root tbf rate %dbit burst 256kb limit 4mb"
FIRST, SECOND = "/dev/vda /dev/vdc", "/dev/vdb /dev/vdd"
WORDS = "--daemon --record /tmp/record"
FILL = "fio --name=t --rw=write --bs=1m --direct=1 --filename=/dev/rvol0 >/dev/null"
ENDED = "while pidof rvolctl >/dev/null; do sleep 0.1; done"


def begin(guest):
    """From here on the second copy catches up."""
    push_rvolctl(guest)
    guest.run("modprobe rvol plain=1")
    guest.run("rvolctl pair %s %s --dirty --in-sync 1 %s && rvolctl del; %s"
              % (FIRST, SECOND, WORDS, ENDED), 120)
    guest.run("rvolctl one %s --keep %s" % (FIRST, WORDS), 120)
    guest.run(FILL, TIMEOUT)
    guest.run("sleep 1; rvolctl del; " + ENDED, 120)
    guest.run("rvolctl pair %s %s --keep %s && rvolctl tell 1 heal" % (FIRST, SECOND, WORDS), 120)


def synced_mib(guest, mib):
    """Of the second copy, known to be as at its source; the guest's clock."""
    shown = guest.run("cat /proc/uptime; rvolctl status").out.splitlines()
    second = [line for line in shown if "slot=1" in line][0]
    synced = int(re.search(r"synced=(\d+)/", second).group(1)) * REGION_KIB / 1024
    return float(shown[0].split()[0]), mib if " mode=member" in second else synced


def rate(guest, mib):
    """MiB/s"""
    samples = []
    end = time.monotonic() + TIMEOUT
    while not samples or samples[-1][1] < 0.9 * mib:
        if time.monotonic() > end:
            raise TimeoutError("it does not catch up: %s" % samples[-3:])
        samples.append(synced_mib(guest, mib))
        time.sleep(0.1)
    within = [s for s in samples if 0.1 * mib <= s[1] <= 0.9 * mib]
    if len(within) < 3:
        raise RuntimeError("too fast to measure, --mib more: %s" % samples)
    (first, before), (last, after) = within[0], within[-1]
    return (after - before) / (last - first)


def measure(options, what):
    """MiB/s with a limit of disk or net"""
    slow = options.mib_s if what == "disk" else None
    disks = [Disk(options.mib), Disk(options.mib, mib_s=slow), Disk(META_MIB), Disk(META_MIB)]
    folder = tempfile.mkdtemp(prefix="sdsd-resync.")
    with Lab(image.make(options.kernel), folder, memory=768, cpus=2, disks=disks,
             modules=options.modules) as lab:
        guest = lab.guests[0]
        guest.run("ip link set lo up")
        if what == "net":
            guest.run(SLOW_NET % (options.mib_s << 23))
        begin(guest)
        found = rate(guest, options.mib)
    shutil.rmtree(folder)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernel", default="6.1", help="6.1, 6.12 or a folder (image.py)")
    parser.add_argument("--module", action="append", default=[], dest="modules", metavar="KO",
                        help="a module for the guest, built for that kernel")
    parser.add_argument("--mib", type=int, default=128, help="size of the volume (128)")
    parser.add_argument("--mib-s", type=int, default=4,
                        help="the limit (4), which emulated CPUs of this machine must reach")
    options = parser.parse_args()
    missed = False
    for what in "disk", "net":
        part = measure(options, what) / options.mib_s
        missed |= part < TARGET
        print("resync, the %s allows %d MiB/s: %.2f of it, at least %.2f: %s" % (
            what, options.mib_s, part, TARGET, "met" if part >= TARGET else "MISSED"), flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
