#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""run.py [CASE...] - tests in virtual machines.

A case is a function case_<name>(rig) with a docstring, in a file case_*.py of this folder. It asks
the rig for guests (rig.lab), uses them, and raises when something is wrong. Afterwards the consoles
of its guests are searched for complaints of the kernel: one that the case did not announce
(rig.expect) is a failure too. Cases run one after another; without names all of them, with names
those whose name begins so.

One line for each: "ok name seconds cpu seconds", "FAIL ...", "skip ...", then the sum. Consoles,
QEMU's words and the disks of a failed case are kept, and named. Exit status: 0 none failed, 1 one
failed. When this machine has no QEMU or no such kernel, all are skipped with a sentence.

A case marks itself with `@quick` (rig.py) to be in the short set that `tools/check vm` runs.
"""
import argparse
import glob
import importlib
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback

import image
import rig as the_rig
from rig import Rig, Skip

HERE = os.path.dirname(os.path.abspath(__file__))
CASE_SECONDS = 600


class Expired(BaseException):
    """A case took longer than it may; no except clause of a case stops it."""


def find_cases():
    """{name: function}, in the order of files and lines"""
    found = {}
    for path in sorted(glob.glob(os.path.join(HERE, "case_*.py"))):
        module = importlib.import_module(os.path.basename(path)[:-3])
        for name, thing in vars(module).items():
            if name.startswith("case_") and callable(thing) and thing.__module__ == \
                    module.__name__:
                found[name[len("case_"):]] = thing
    return found


def make_image(kernel):
    """What guests boot; image.Missing when none can be started here."""
    if shutil.which("qemu-system-x86_64") is None:
        raise image.Missing("no qemu-system-x86_64 here: run tools/vm-deps")
    return image.make(kernel)


def run_case(name, case, made, folder, options):
    """(verdict, sentence)"""
    rig = Rig(name, made, folder, options.sdsd, options.modules)

    seconds = getattr(case, "seconds", CASE_SECONDS) * made.kernel.patience

    def expired(*_):
        raise Expired("longer than %d s" % seconds)

    signal.signal(signal.SIGALRM, expired)
    signal.alarm(seconds)
    try:
        case(rig)
        rig.find_leaks()
        verdict, sentence = "ok", ""
    except Skip as e:
        verdict, sentence = "skip", str(e)
    except (Exception, Expired) as e:
        verdict, sentence = "FAIL", "%s: %s" % (type(e).__name__, e)
        with open(os.path.join(folder, "failure.txt"), "w") as f:
            traceback.print_exc(file=f)
        signal.alarm(0)
        rig.save_logs()
    finally:
        signal.alarm(0)
        rig.close()
    problems = rig.problems()
    if verdict == "ok" and problems:
        verdict, sentence = "FAIL", "the kernel complains: " + "; ".join(problems[:3])
    return verdict, sentence


def show(verdict, name, seconds, cpu, sentence, folder):
    print("%-4s %s %.1f cpu %.1f%s" % (verdict, name, seconds, cpu,
                                       "  " + sentence if verdict == "skip" else ""), flush=True)
    if verdict == "FAIL":
        for line in sentence.splitlines()[:20]:
            print("     " + line)
        print("     kept: " + folder, flush=True)


def cpu_used():
    """Seconds of CPU of all guests that have ended: what a case costs, however busy the machine."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def chosen(cases, names, quick):
    wanted = [n for n in cases if not names or any(n.startswith(w) for w in names)]
    return [n for n in wanted if not quick or getattr(cases[n], "quick", False)]


def parse():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="beginnings of names")
    parser.add_argument("--kernel", default="6.1", help="6.1, 6.12, debug or a folder (image.py)")
    parser.add_argument("--quick", action="store_true", help="only the short set")
    parser.add_argument("--most", type=int, metavar="SECONDS",
                        help="no case begins later than that")
    parser.add_argument("--list", action="store_true", help="names and what they do")
    parser.add_argument("--keep", action="store_true", help="keep the folders of all cases")
    parser.add_argument("--sdsd", default=os.path.join(image.ROOT, "build/sdsd"),
                        help="the static binary (build/sdsd)")
    parser.add_argument("--module", action="append", default=[], dest="modules", metavar="KO",
                        help="a module for the guests, built for that kernel")
    parser.add_argument("--dir", help="where folders of cases are made (TMPDIR)")
    return parser.parse_args()


def main():
    options = parse()
    cases = find_cases()
    names = chosen(cases, options.cases, options.quick)
    if options.list:
        for name in names:
            print("%-24s %s" % (name, cases[name].__doc__.split("\n")[0]))
        return 0
    if not names:
        sys.exit("run: no case begins with %s; --list shows them" % " or ".join(options.cases))
    try:
        made = make_image(options.kernel)
    except image.Missing as e:
        print("vm: skipped, %s" % e)
        print("0 passed, 0 failed, %d skipped" % len(names))
        return 0
    the_rig.patience = made.kernel.patience
    counts = {"ok": 0, "FAIL": 0, "skip": 0}
    end = time.monotonic() + options.most if options.most else float("inf")
    for name in names:
        if time.monotonic() > end:
            show("skip", name, 0, 0, "no time left of %d s" % options.most, None)
            counts["skip"] += 1
            continue
        folder = tempfile.mkdtemp(prefix="sdsd-vm-%s." % name, dir=options.dir)
        began, used = time.monotonic(), cpu_used()
        verdict, sentence = run_case(name, cases[name], made, folder, options)
        counts[verdict] += 1
        show(verdict, name, time.monotonic() - began, cpu_used() - used, sentence, folder)
        if verdict != "FAIL" and not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    print("%(ok)d passed, %(FAIL)d failed, %(skip)d skipped" % counts)
    return 1 if counts["FAIL"] else 0


if __name__ == "__main__":
    sys.exit(main())
