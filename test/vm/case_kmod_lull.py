# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes of the kernel module that wait for company (kmod/lull.c), all nodes in one guest."""
import re

from case_kmod_faults import FIO, hold_open, let_go
from kmod import kmod_lab
from rig import quick

PAIR = "rvolctl pair /dev/ram0 /dev/ram1 /dev/ram2 /dev/ram3 --daemon --record /tmp/record"
WRITES = 4000
COUNTS = r"^lulls (\d+) writes=(\d+) full=(\d+) late=(\d+)$"


def counts(guest):
    """[lulls, writes that waited for them, ended by their number, by the timer]"""
    state = guest.run("cat /sys/kernel/debug/rvol/v/state").out
    return [int(n) for n in re.search(COUNTS, state, re.M).groups()]


def write(guest, words):
    """What that adds to the counts."""
    before = counts(guest)
    guest.run(FIO.replace("--iodepth=8", words) + "--rw=randwrite", 300)
    return [b - a for a, b in zip(before, counts(guest))]


@quick
def case_kmod_lull(rig):
    """Many writes go together, up to a number and for a time; one at a time hardly waits. The copies
    are alike."""
    g = kmod_lab(rig).guests[0]
    g.run(PAIR)
    hold_open(g)
    n = rig.fewer(WRITES)
    lulls, writes, full, _ = write(g, "--iodepth=128 --number_ios=%d" % n)
    rig.check(lulls > 0 and writes > lulls, "%d writes in %d lulls" % (writes, lulls))
    if n == WRITES:  # a kernel that checks itself submits few writes within the time of a lull
        rig.check(writes > n // 2 and writes > 4 * lulls, "%d writes in %d lulls" % (writes, lulls))
        rig.check(full > 0, "no lull was full")
    # they are copied as they are submitted: the processor is not free for a while
    late = write(g, "--bs=1m --iodepth=24 --number_ios=%d" % rig.fewer(96))[3]
    if n == WRITES:  # that kernel is preemptible, too: the processor is free soon
        rig.check(late > 0, "no lull has ended by time")
    lulls, writes = write(g, "--iodepth=1 --number_ios=%d" % n)[:2]
    rig.check(lulls < n // 20, "%d of %d single writes have waited" % (lulls, n))
    let_go(g)
    g.run("rvolctl del && cmp /dev/ram0 /dev/ram2 && rmmod rvol")
