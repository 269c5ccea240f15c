#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""path.py [SYSTEM...] - instructions per request: the length of the path.

One guest without KVM whose clock counts instructions: one virtual nanosecond each (QEMU's -icount),
none while this machine is busy elsewhere. So 1e9 / IOPS is the number of instructions that one
request costs, fio's own included, and it repeats to a fraction of a percent on a busy machine too.
All replicas of a volume are in the same kernel, over TCP on the loopback interface, so the number is
that of all nodes together. It says nothing about waiting (disks, wires, wake-ups of other CPUs), and
little about real CPUs' caches.

Requests are fio's (libaio, direct). "QD32/8" is 32 under way, submitted and awaited eight at a time.
Most are on RAM disks (brd). The last ones are on 64 GiB of null_blk, which keeps nothing, with the
metadata on RAM disks: over 1 GiB, which the hot log of rvol and the activity log of DRBD cover, and
over all of it, of which they cover a sixteenth; then disks that need 20 us for each request.

With each figure come TCP segments sent and context switches of the whole guest for each request, and
for the systems the kernel memory of a volume (memory.py). The tables are Markdown.

--against FILE is the gate: the figures of rvol must not be more than 2 % above those of an earlier
--json. `make bench-path` does it with reference/<kernel>.json beside this file, which --accept writes
anew. Figures of another kernel, or of other --ms, are not comparable: that is an error.

To add a system: a class as in systems.py, with a name for the command line, a sentence for --list,
setup(guest, ground) that returns the device, teardown(guest); it goes into SYSTEMS there.
"""
import argparse
import os
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "vm"))

import image    # noqa: E402
import memory   # noqa: E402
import patterns     # noqa: E402
from gate import Found     # noqa: E402
from guest import Lab   # noqa: E402
from patterns import Pattern    # noqa: E402
from where import Profile, Symbols    # noqa: E402
from systems import SYSTEMS, Ground     # noqa: E402

DISK_MIB = 128
WIDE_GIB = 64
MIB = 1 << 20
NARROW = "--size=1g"
MEMORY = "memory"   # a word for --only
WARM = 2500     # the hot log has room for 1000 extents, DRBD's activity log for 1237

ON_RAM = [
    # fio's beginning is half a percent of the usual time
    Pattern("4 KiB write, QD1", "randwrite", 1, times=4),
    Pattern("4 KiB write, QD8", "randwrite", 8),
    Pattern("4 KiB write, QD32", "randwrite", 32),
    Pattern("4 KiB write, QD32/8", "randwrite", 32, 8),
    Pattern("4 KiB write, sync=1, QD1", "randwrite", 1, more="--sync=1"),
    Pattern("4 KiB read, QD1", "randread", 1),
    Pattern("4 KiB read, QD32", "randread", 32),
    Pattern("4 KiB read, QD32/8", "randread", 32, 8),
    Pattern("1 MiB write, QD4", "write", 4, block=MIB, times=3),
    Pattern("1 MiB read, QD4", "read", 4, block=MIB, times=3),
]
WIDE = [
    Pattern("4 KiB write, 1 GiB, QD32", "randwrite", 32, more=NARROW, warm=WARM),
    Pattern("4 KiB write, 64 GiB, QD32", "randwrite", 32, warm=WARM),
    Pattern("4 KiB write, 1 GiB, QD32/8", "randwrite", 32, 8, more=NARROW, warm=WARM),
    Pattern("4 KiB write, 64 GiB, QD32/8", "randwrite", 32, 8, warm=WARM),
]
LATENT_US = 20
LATENT = [
    Pattern("4 KiB write, 20 us, QD1", "randwrite", 1, more=NARROW, warm=WARM),
    Pattern("4 KiB write, 20 us, QD32", "randwrite", 32, more=NARROW, warm=WARM),
]


class RamGround(Ground):
    """RAM disks, whose pages are all there."""
    patterns = ON_RAM

    def __init__(self):
        disks = ["/dev/ram%d" % i for i in range(6)]
        super().__init__(disks[:3], disks[3:])

    def make(self, guest):
        guest.run("modprobe brd rd_nr=6 rd_size=%d" % (DISK_MIB << 10))
        for disk in self.data:
            guest.run("dd if=/dev/zero of=%s bs=1M oflag=direct 2>/dev/null; true" % disk, 300)

    def unmake(self, guest):
        guest.run("rmmod brd")


class WideGround(Ground):
    """More than a hot log covers: null_blk forgets what is written, the metadata is kept."""
    patterns = WIDE
    how = "queue_mode=0 irqmode=0"

    def __init__(self):
        super().__init__(["/dev/nullb%d" % i for i in range(3)],
                         ["/dev/ram%d" % i for i in range(3)])

    def make(self, guest):
        guest.run("modprobe brd rd_nr=3 rd_size=%d && modprobe null_blk nr_devices=3 gb=%d "
                  "%s" % (DISK_MIB << 10, WIDE_GIB, self.how))

    def unmake(self, guest):
        guest.run("rmmod null_blk brd")


class LatentGround(WideGround):
    """Disks that take a moment: on the others a write has ended before the next one is submitted."""
    patterns = LATENT
    how = "queue_mode=0 irqmode=2 completion_nsec=%d" % (LATENT_US * 1000)


def run_pattern(guest, device, pattern, options):
    ms = options.ms * pattern.times
    if not options.profile:
        return patterns.run(guest, device, pattern, ms)
    with Profile(guest, Symbols(guest)) as profile:
        result = patterns.run(guest, device, pattern, ms)
    profile.show()
    return result


def measure(guest, system, ground, options, found):
    """All patterns of a ground, after a system has been set up on it anew."""
    wanted = [p for p in ground.patterns if options.only in p.name]
    if not wanted:
        return
    ground.make(guest)
    device = system.setup(guest, ground)
    for pattern in wanted:
        side, cost = run_pattern(guest, device, pattern, options)
        found.add(system.name, pattern.name, 1e9 / side["iops"], cost)
        print("%-14s %-30s %9.0f" % (system.name, pattern.name, 1e9 / side["iops"]),
              file=sys.stderr, flush=True)
    system.teardown(guest)
    ground.unmake(guest)


def parse():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("systems", nargs="*", metavar="SYSTEM", help="names (all)")
    parser.add_argument("--list", action="store_true", help="systems, and what they are")
    parser.add_argument("--kernel", default="6.1", help="6.1, 6.12 or a folder (image.py)")
    parser.add_argument("--module", action="append", default=[], dest="modules", metavar="KO",
                        help="a module for the guest, built for that kernel")
    parser.add_argument("--ms", type=int, default=100,
                        help="virtual milliseconds of each measurement, after half as many (100)")
    parser.add_argument("--only", default="", metavar="WORDS",
                        help="patterns whose name has these words, or memory (all)")
    parser.add_argument("--profile", action="store_true",
                        help="say in which functions, too (give it --only and a long --ms)")
    parser.add_argument("--json", metavar="FILE", help="write the figures there, too")
    parser.add_argument("--against", metavar="FILE",
                        help="an earlier --json: exit status 1 when a figure of rvol is worse")
    parser.add_argument("--accept", action="store_true",
                        help="write what was measured into the file of --against")
    parser.add_argument("--allow", type=float, default=2.0, metavar="PERCENT",
                        help="how much worse is no regression (2)")
    return parser.parse_args()


def run(systems, options):
    """(what was found, the kernel's complaints)"""
    made = image.make(options.kernel)
    folder = tempfile.mkdtemp(prefix="sdsd-path.")
    print("kernel %s; consoles, if it fails: %s" % (made.kernel.release, folder), file=sys.stderr)
    found = Found(made.kernel.release, options.ms)
    with Lab(made, folder, memory=1536, counting=True, modules=options.modules) as lab:
        guest = lab.guests[0]
        for system in systems:
            for ground in (RamGround(), WideGround(), LatentGround()):
                measure(guest, system, ground, options, found)
            if options.only in ("", MEMORY):
                found.memory.update(memory.of_volume(guest, system))
            if options.json:    # in time for who stops it
                found.save(options.json)
        problems = lab.problems()
    shutil.rmtree(folder)
    return found, problems


def judge(found, options):
    """Sentences, each a reason for exit status 1."""
    if options.accept or not options.against:
        return []
    return list(found.regressions(options.against, options.allow))


def main():
    options = parse()
    if options.list:
        for system in SYSTEMS:
            print("%-14s %s" % (system.name, system.__doc__))
        return 0
    unknown = set(options.systems) - {s.name for s in SYSTEMS}
    if unknown:
        sys.exit("path: no system %s; --list shows them" % ", ".join(sorted(unknown)))
    systems = [s for s in SYSTEMS if not options.systems or s.name in options.systems]
    try:
        found, problems = run(systems, options)
    except image.Missing as e:
        print("path: skipped, %s" % e)
        return 0
    found.show()
    worse = judge(found, options)
    if options.against and options.accept:
        found.accept(options.against)
    for line in worse + ["the kernel complains: " + p for p in problems]:
        print(line)
    return 1 if worse or problems else 0


if __name__ == "__main__":
    sys.exit(main())
