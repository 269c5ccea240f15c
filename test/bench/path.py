#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""path.py [SYSTEM...] - instructions per replicated write: the length of the path.

One guest without KVM whose clock counts instructions: one virtual nanosecond each (QEMU's -icount),
none while this machine is busy elsewhere. So 1e9 / IOPS is the number of instructions that one
write costs, fio's own included, and it repeats to a fraction of a percent on a busy machine too.
Both replicas of a volume are in the same kernel, over TCP on the loopback interface, on two RAM
disks (brd), so the number is that of both nodes together. It says nothing about waiting (disks,
wires, wake-ups of other CPUs), and little about real CPUs' caches. TCP segments sent for each write
stand in brackets.

Columns: 4 KiB random writes (fio, libaio, direct) with 1, 8, 32 under way; then 32 under way,
submitted and awaited eight at a time.

To add a system: a class like those below, with a name for the command line, a sentence for --list,
setup(guest, disks) that returns the device, teardown(guest); it goes into SYSTEMS of systems.py.
"""
import argparse
import json
import os
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "vm"))

import image    # noqa: E402
from guest import Lab   # noqa: E402
from systems import SYSTEMS     # noqa: E402

DISK_MIB = 128
CASES = [("QD1", 1, 1), ("QD8", 8, 1), ("QD32", 32, 1), ("QD32/8", 32, 8)]
FIO = ("fio --name=t --rw=randwrite --bs=4k --direct=1 --ioengine=libaio --iodepth=%d "
       "--iodepth_batch_submit=%d --iodepth_batch_complete_min=%d --time_based=1 --runtime=%dms "
       "--ramp_time=%dms --norandommap --group_reporting --output-format=json --filename=%s")


def sent_segments(guest):
    lines = guest.run("grep '^Tcp:' /proc/net/snmp").out.splitlines()
    return int(dict(zip(lines[0].split(), lines[1].split()))["OutSegs"])


def writes_of(guest, device):
    return int(guest.run("cat /sys/block/%s/stat" % os.path.basename(device)).out.split()[4])


def measure(guest, device, depth, batch, milliseconds):
    """(instructions, TCP segments) for each write"""
    segments, writes = sent_segments(guest), writes_of(guest, device)
    out = guest.run(FIO % (depth, batch, batch, milliseconds, milliseconds // 2, device), 600).out
    iops = json.loads(out[out.index("{"):])["jobs"][0]["write"]["iops"]
    segments, writes = sent_segments(guest) - segments, writes_of(guest, device) - writes
    return 1e9 / iops, segments / max(writes, 1)


def run_system(guest, system, milliseconds):
    """{case: [instructions, segments]}; RAM disks are new, and all their pages are there."""
    guest.run("modprobe brd rd_nr=4 rd_size=%d" % (DISK_MIB << 10))
    for disk in ("/dev/ram0", "/dev/ram1", "/dev/ram2", "/dev/ram3"):
        guest.run("dd if=/dev/zero of=%s bs=1M oflag=direct 2>/dev/null; true" % disk, 300)
    device = system.setup(guest, ["/dev/ram%d" % i for i in range(4)])
    found = {name: measure(guest, device, depth, batch, milliseconds)
             for name, depth, batch in CASES}
    system.teardown(guest)
    guest.run("rmmod brd")
    return found


def thousands(figure):
    return "%.1fk" % (figure / 1000) if figure < 99500 else "%.0fk" % (figure / 1000)


def show(system, found):
    cells = ["%8s%-6s" % (thousands(i), " [%.1f]" % s if s >= 0.05 else "")
             for i, s in found.values()]
    print("%-14s" % system.name + "".join(cells), flush=True)


def regressions(found, path, percent):
    """Sentences about figures that are worse than those of an earlier --json."""
    with open(path) as f:
        before = json.load(f)
    for system, cases in found.items():
        for case, (now, _) in cases.items():
            then = before.get(system, {}).get(case, [now])[0]
            if now > then * (1 + percent / 100):
                yield "%s %s: %.0f instructions, %.0f before (+%.1f %%)" % (
                    system, case, now, then, (now / then - 1) * 100)


def parse():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("systems", nargs="*", metavar="SYSTEM", help="names (all)")
    parser.add_argument("--list", action="store_true", help="systems, and what they are")
    parser.add_argument("--kernel", default="6.1", help="6.1, 6.12 or a folder (image.py)")
    parser.add_argument("--module", action="append", default=[], dest="modules", metavar="KO",
                        help="a module for the guest, built for that kernel")
    parser.add_argument("--ms", type=int, default=1000,
                        help="virtual milliseconds of each measurement, after half as many")
    parser.add_argument("--json", metavar="FILE", help="write the figures there, too")
    parser.add_argument("--against", metavar="FILE",
                        help="an earlier --json: exit status 1 when a figure is worse")
    parser.add_argument("--allow", type=float, default=2.0, metavar="PERCENT",
                        help="how much worse is no regression (2)")
    return parser.parse_args()


def run(systems, options):
    made = image.make(options.kernel)
    folder = tempfile.mkdtemp(prefix="sdsd-path.")
    print("kernel %s; instructions per 4 KiB write [TCP segments sent]" % made.kernel.release)
    print("%-14s" % "" + "".join("%8s      " % name for name, _, _ in CASES), flush=True)
    print("consoles, if it fails: %s" % folder, file=sys.stderr)
    found = {}
    with Lab(made, folder, memory=1024, counting=True, modules=options.modules) as lab:
        guest = lab.guests[0]
        for system in systems:
            found[system.name] = run_system(guest, system, options.ms)
            show(system, found[system.name])
        problems = lab.problems()
    shutil.rmtree(folder)
    return found, problems


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
    if options.json:
        with open(options.json, "w") as f:
            json.dump(found, f, indent=1)
    worse = list(regressions(found, options.against, options.allow)) if options.against else []
    for line in ["worse: " + w for w in worse] + ["the kernel complains: " + p for p in problems]:
        print(line)
    return 1 if worse or problems else 0


if __name__ == "__main__":
    sys.exit(main())
