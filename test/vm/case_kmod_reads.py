# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads of the kernel module that do not pass its core (kmod/shortcut.c), all nodes in one guest."""
import re

from case_kmod_faults import FIO, hold_open, let_go
from kmod import kmod_lab, status
from rig import wait_for

READ = "dd if=/dev/rvol0 of=/tmp/read bs=4k count=1 skip=%d iflag=direct 2>&1"
WRITE = "dd if=/dev/urandom of=/dev/rvol0 bs=4k count=1 seek=%d oflag=direct 2>&1"
TABLE = ("dmsetup suspend --nolockfs --noflush d0 && dmsetup load d0 --table '0 131072 %s' && "
         "dmsetup resume d0")
SLOW = "delay /dev/ram0 0 %d /dev/ram0 0 0"     # what is read comes after so many milliseconds
ELSEWHERE = 1000    # in another region than block 0


def start(rig):
    """The own data device of the first node is a table."""
    guest = kmod_lab(rig, cpus=2).guests[0]
    guest.run("modprobe -a dm_mod dm_delay; dmsetup create d0 --table '0 131072 linear /dev/ram0 0'; "
              "dmsetup mknodes; rvolctl pair /dev/mapper/d0 /dev/ram1 /dev/ram2 /dev/ram3 --daemon "
              "--record /tmp/record --log /tmp/rvolctl.log", 120)
    hold_open(guest)
    guest.run("dd if=/dev/urandom of=/dev/rvol0 bs=1M count=8 oflag=direct conv=fsync 2>/dev/null")
    return guest


def change_table(guest, table):
    guest.run(TABLE % table)


def read_slowly(guest, seconds, meanwhile):
    """In one go, or on a slow machine the shortcut is closed again, or the data there, too early."""
    guest.run("%s; %s; (%s && touch /tmp/answered) & sleep 1; %s"
              % (READ % 0, TABLE % (SLOW % (seconds * 1000)), READ % 0, meanwhile), 60)


def shortcut(guest):
    """(is it open?, how many reads have gone the long way)"""
    found = re.search(r"^shortcut (\w+) term=\d+ long_reads=(\d+)$",
                      guest.run("cat /sys/kernel/debug/rvol/v/state").out, re.M)
    return found.group(1) == "open", int(found.group(2))


def opened(guest):
    """How many have gone the long way, as it is open now."""
    guest.run(READ % 0)
    wait_for(lambda: shortcut(guest)[0], 10, "reads may take the shortcut")
    return shortcut(guest)[1]


def case_kmod_reads(rig):
    """Reads do not pass the core, except for one that a write of its blocks meets, and one that the
    own disk fails: the other copy answers that."""
    g = start(rig)
    before = opened(g)
    g.run(FIO + "--rw=randread --number_ios=%d" % rig.fewer(1000), 120)
    rig.check(shortcut(g)[1] == before, "%d reads passed the core" % (shortcut(g)[1] - before))
    g.run(FIO + "--rw=randrw --verify=crc32c --number_ios=%d" % rig.fewer(2000), 300)

    for block, way in (ELSEWHERE, 0), (0, 1):
        before = opened(g)
        read_slowly(g, 3, WRITE % block + "; wait")
        rig.check(shortcut(g)[1] == before + way, "%d reads passed the core after a write of block %d"
                  % (shortcut(g)[1] - before, block))
        change_table(g, "linear /dev/ram0 0")
    g.run("cmp -n 4096 /tmp/read /dev/ram0")

    opened(g)
    rig.expect("its disk has failed|I/O error")
    change_table(g, "error")
    g.run(READ % ELSEWHERE + "; cmp -n 4096 /tmp/read /dev/ram2 0 %d" % (ELSEWHERE * 4096), 60)
    rig.check(status(g)[0]["disk_error"] == '"data read"', "the own copy: %s" % status(g)[0])
    change_table(g, "linear /dev/ram0 0")
    let_go(g)
    g.run("rvolctl del && rmmod rvol && dmsetup remove d0")


def case_kmod_reads_lease(rig):
    """Data that arrives when the other node is not heard any more counts for nothing, until
    consensus has agreed that this node goes on alone."""
    g = start(rig)
    before = opened(g)
    # a lease runs for 1.5 s; on a slow machine it takes as long to get the link down
    read_slowly(g, 6, "kill -STOP $(pidof rvolctl); ip link set lo down; sleep 10; "
                      "[ ! -e /tmp/answered ] || exit 1; "
                      "ip link set lo up; kill -CONT $(pidof rvolctl); wait; [ -e /tmp/answered ]")
    after = shortcut(g)[1]
    rig.check(after == before + 1, "%d reads passed the core" % (after - before))
    change_table(g, "linear /dev/ram0 0")
    g.run("cmp -n 4096 /tmp/read /dev/ram0")
    g.run("rvolctl del --force; kill $(cat /tmp/holder); sleep 2; rmmod rvol; dmsetup remove d0")
