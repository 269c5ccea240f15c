# SPDX-License-Identifier: GPL-2.0-or-later
"""rig.py - what a case of run.py is given: guests, the files under test, small helpers.

    @quick
    def case_example(rig):
        "A disk keeps what was flushed."
        lab = rig.lab(guests=1, disks=[Disk(64, volatile=True)])
        ...
        rig.check(found == written, "flushed data is lost")
"""
import os
import re
import time

from channel import GuestGone
from disk import Disk       # noqa: F401  for cases: from rig import Disk
from guest import Lab


patience = 1    # run.py: of the kernel that is tested


class Skip(Exception):
    """Raised by a case that cannot run here; the text says what is missing."""


def quick(case):
    """Marks a case as part of the short set."""
    case.quick = True
    return case


def at_most(seconds):
    """Gives a case more, or less, time than run.py's CASE_SECONDS."""
    def mark(case):
        case.seconds = seconds
        return case
    return mark


def wait_for(condition, timeout=30.0, what="", interval=0.1):
    """Calls condition until it is true and returns its value; TimeoutError with the last one."""
    end = time.monotonic() + timeout * patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            raise TimeoutError("%s: not within %.0f s; last: %r" % (what or condition, timeout,
                                                                    value))
        time.sleep(interval)


# What is asked of a guest whose case has failed, and the file that it goes to; twice what the module
# shows, for what moves and what stands still.
MODULE = ("mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null; "
          "[ -d /sys/kernel/debug/rvol ] && grep -r . /sys/kernel/debug/rvol")
SEEN = [("dmesg", "dmesg"), ("module", MODULE), ("module.later", "sleep 2; " + MODULE),
        ("status", "[ -d /run/sdsd ] && timeout 10 sdsd status --output json")]


class Rig:
    def __init__(self, name, image, folder, sdsd, modules):
        self.name = name
        self.image = image
        self.folder = folder
        self.sdsd_path = sdsd
        self.modules = modules
        self.labs = []
        self.expected = []
        self.logs = []

    def lab(self, **wishes):
        """Guests, booted: see Lab. They are switched off when the case ends. Unless the case says
        otherwise, the modules of run.py's command line are in them."""
        wishes.setdefault("modules", self.modules)
        folder = os.path.join(self.folder, "lab%d" % len(self.labs))
        lab = Lab(self.image, folder, **wishes)
        self.labs.append(lab)
        return lab.up()

    def sdsd(self):
        """The binary under test."""
        if not os.access(self.sdsd_path, os.X_OK):
            raise Skip("no %s: make build" % os.path.relpath(self.sdsd_path))
        return self.sdsd_path

    def check(self, condition, what):
        if not condition:
            raise AssertionError(what)

    def fewer(self, count):
        """As many as this kernel does in the time in which a fast one does `count`; at least one."""
        return max(1, count // self.image.kernel.slowness)

    def expect(self, pattern):
        """Complaints of the guests' kernels that match are wanted, not a failure."""
        self.expected.append(re.compile(pattern))

    def log(self, path):
        """When the case fails, that file of each guest that runs is saved beside its console."""
        self.logs.append(path)

    def alive(self):
        return [g for lab in self.labs for g in lab.guests if g.alive()]

    def find_leaks(self):
        for guest in self.alive():
            guest.find_leaks()

    def save_logs(self):
        for guest in self.alive():
            for path, command in SEEN + [(p, "cat '%s'" % p) for p in self.logs]:
                try:
                    found = guest.run(command, 20, check=False).raw
                except (TimeoutError, GuestGone):
                    break       # it hangs: the console is all there is
                with open(os.path.join(guest.dir, os.path.basename(path)), "wb") as f:
                    f.write(found)

    def problems(self):
        return [line for lab in self.labs for line in lab.problems()
                if not any(p.search(line) for p in self.expected)]

    def close(self):
        for lab in self.labs:
            lab.down()
