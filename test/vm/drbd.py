# SPDX-License-Identifier: GPL-2.0-or-later
"""drbd.py - DRBD 8.4 of the guests' kernel, to compare with.

    drbd.alone(guest, 0, "/dev/ram0")                   one replica that waits for nobody
    drbd.pair((a, 0, "/dev/vda"), (b, 0, "/dev/vda"))   two replicas, /dev/drbd0 on both
    drbd.pair((a, 0, "/dev/ram0"), (a, 1, "/dev/ram1")) both in one kernel, over loopback
    drbd.down(guest)

A replica is (guest, minor, lower device); a fourth element is a device of its own for its metadata,
which is at the end of the lower device otherwise. The first of a pair is made primary; both begin as
in sync without any copying, so their lower devices must hold the same. drbdsetup is called without
drbdadm: its configuration files know one replica of a resource for each host only.
"""
import re

from rig import wait_for

SETUP = "/lib/drbd/drbdsetup-84"
PORT = 7000
# Buffers as large as users of fast disks set them; all else as DRBD has it.
NET = "--protocol=C --max-buffers=8000 --max-epoch-size=8000"


def attach(guest, minor, lower, meta=None):
    guest.run("modprobe drbd minor_count=8")
    guest.run("drbdmeta --force %d v08 %s create-md" %
              (minor, meta + " flex-external" if meta else lower + " internal"), 120)
    guest.run(" && ".join(SETUP + " " + words for words in (
        "new-resource r%d" % minor, "new-minor r%d %d 0" % (minor, minor),
        "attach %d %s %s" % (minor, lower, meta + " flexible" if meta else lower + " internal"))),
        120)


def primary(guest, minor):
    guest.run("{0} new-current-uuid --clear-bitmap {1} && {0} primary {1}".format(SETUP, minor))


def alone(guest, minor, lower, meta=None):
    attach(guest, minor, lower, meta)
    guest.run("%s primary --force %d" % (SETUP, minor))
    return "/dev/drbd%d" % minor


def address(guest, minor, loopback):
    return "ipv4:%s:%d" % ("127.0.0.1" if loopback else guest.address, PORT + minor)


def pair(first, second):
    loopback = first[0] is second[0]
    for replica in (first, second):
        attach(*replica)
    for (guest, minor, *_), (other, other_minor, *_) in ((first, second), (second, first)):
        guest.run("%s connect r%d %s %s %s" % (
            SETUP, minor, address(guest, minor, loopback), address(other, other_minor, loopback),
            NET))
    guest, minor = first[:2]
    wait_for(lambda: state(guest, "cs", minor) == "Connected", 60, "DRBD connects")
    primary(guest, minor)
    wait_for(lambda: state(guest, "ds", minor) == "UpToDate/UpToDate", 60, "DRBD in sync")
    return "/dev/drbd%d" % minor


def state(guest, what, minor):
    """cs (connection) or ds (disks), from the module's own table"""
    table = guest.run("cat /proc/drbd").out
    found = re.search(r"^ *%d: .*\b%s:(\S+)" % (minor, what), table, re.M)
    return found.group(1) if found else ""


def down(guest, unload=True):
    """All resources of that guest, and the module."""
    for name in guest.run("ls /sys/block").out.split():
        if name.startswith("drbd"):
            guest.run("%s down r%s" % (SETUP, name[len("drbd"):]), 120)
    if unload:
        guest.run("rmmod drbd")
