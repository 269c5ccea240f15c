#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""faults.py - how long an application waits when a node loses its power: sdsd with the kernel module
in three guests, two of them with copies. By the clock of this machine, so it must not be busy.

stall      the longest write of a 4 KiB QD1 writer while the guest with the other copy is killed
elsewhere  from the kill of the writer's guest until another one has opened the volume and written
"""
import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "vm"))

import case_demo_kernel     # noqa: E402
import image    # noqa: E402
from case_demo_user import back     # noqa: E402
from rig import Disk, Rig, wait_for     # noqa: E402

TARGETS = {"stall": 2.0, "elsewhere": 5.0}
WRITER = ("fio --name=t --rw=randwrite --bs=4k --direct=1 --ioengine=libaio --iodepth=1 "
          "--norandommap --time_based=1 --runtime=%ds --output-format=json --filename=%s")
WRITE_ONE = ("until dd if=/dev/zero of=%s bs=4k count=1 oflag=direct 2>/dev/null; "
             "do sleep 0.02; done")
RUN_SECONDS = 12


def safe(node, name="db"):
    wait_for(lambda: node.verdict(name) == "safe", 180, "both copies are in sync")
    wait_for(lambda: node.knows_device(name), 60, "the device is there")


def stall(n1, n2):
    job = n1.guest.start_job(WRITER % (RUN_SECONDS, n1.device("db")))
    time.sleep(RUN_SECONDS / 3)
    safe(n1)
    n2.guest.power_cut()
    out = job.wait(120).out
    side = json.loads(out[out.index("{"):])["jobs"][0]["write"]
    back(n2)
    safe(n1)
    return max(side["lat_ns"]["max"], side["clat_ns"]["max"]) / 1e9


def elsewhere(n1, n2):
    job = n1.guest.start_job(WRITER % (600, n1.device("db")))
    time.sleep(RUN_SECONDS / 3)
    safe(n1)
    began = time.monotonic()
    n1.guest.power_cut()
    n2.guest.run(WRITE_ONE % n2.device("db"), 120)
    took = time.monotonic() - began
    if not job.done():
        raise RuntimeError("the writer outlives its machine")
    back(n1)
    safe(n2)
    return took


def parse():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernel", default="6.1", help="6.1, 6.12 or a folder (image.py)")
    parser.add_argument("--module", action="append", default=[], dest="modules", metavar="KO",
                        help="a module for the guest, built for that kernel")
    parser.add_argument("--sdsd", default=os.path.join(image.ROOT, "build/sdsd"))
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def main():
    options = parse()
    rig = Rig("faults", image.make(options.kernel), tempfile.mkdtemp(prefix="sdsd-guest."),
              options.sdsd, options.modules)
    found = {"stall": [], "elsewhere": []}
    try:
        n1, n2, _ = case_demo_kernel.cluster(rig, 3, Disk(512))
        n1.cli("volume create db 64M --copies 2")
        for i in range(options.rounds):
            for what in stall, elsewhere:
                safe(n1)
                found[what.__name__].append(what(n1, n2))
                print("round %d: %s %.2f s" % (i + 1, what.__name__, found[what.__name__][-1]),
                      file=sys.stderr, flush=True)
    finally:
        rig.close()
    for line in rig.problems():
        print("the kernel complains: " + line)
    missed = bool(rig.problems())
    for what, times in found.items():
        middle = statistics.median(times)
        missed |= middle >= TARGETS[what]
        print("%-10s %.2f s (%.2f to %.2f), below %.0f: %s" % (
            what, middle, min(times), max(times), TARGETS[what],
            "MISSED" if middle >= TARGETS[what] else "met"))
    shutil.rmtree(rig.folder)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
