# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs of a system that look at every block device: udev with its rules, blkid, LVM."""
import re

from case_demo_kernel import cluster
from case_kernel import made, same_copies
from case_kernel_cuts import figure, safe
from kmod import built
from ledger import Ledger, Load
from rig import Disk, at_most, wait_for

# Debian's rules pass over devices of this name; one that does not: as for a disk, it is looked at
# when it comes, changes, and whenever somebody has closed it after writing.
RULE = """
SUBSYSTEM!="block", GOTO="end"
ACTION=="remove", GOTO="end"
KERNEL!="rvol[0-9]*", GOTO="end"
OPTIONS+="watch", IMPORT{builtin}="blkid"
ENV{ID_FS_TYPE}=="?*", SYMLINK+="seen/$env{ID_FS_TYPE}"
LABEL="end"
"""
UDEV = ("mkdir -p /run/udev && /lib/systemd/systemd-udevd --daemon && "
        "udevadm trigger --action=add --subsystem-match=block && udevadm settle")
# LVM takes only types of devices that it knows or is told of. With the copy's own loop device it
# would see everything twice.
LVM = """--config 'devices { types = ["rvol", 16] filter = ["r|/dev/loop.*|"] }' """
ON_LOOP = """lvm vgchange -ay --config 'devices { filter = ["a|/dev/loop.*|", "r|.*|"] }' data"""
LOOKS = """
for i in $(seq 8); do
    for d in /dev/rvol[0-9]*; do
        blkid -p $d; wipefs -n $d; lsblk -f $d
        # as udev's rules call it; the activation that may follow is no look
        lvm pvscan --cache --listvg --checkcomplete --vgonline --udevoutput %s $d
    done >/dev/null
    pvs %s --noheadings -o vg_name; vgs %s >/dev/null
    udevadm trigger --action=change --subsystem-match=block; udevadm settle
done 2>/dev/null
""" % (LVM, LVM, LVM)


def start_udev(node):
    node.guest.push(RULE.encode(), "/etc/udev/rules.d/61-rvol.rules")
    node.guest.run(UDEV, 120)


def names_are_right(rig, node):
    named, there = node.guest.run("for l in /dev/rvol/by-res/*/0; do readlink -f $l; done | "
                                  "sort | xargs; ls /dev/rvol[0-9]* | sort | xargs").out.splitlines()
    rig.check(named == there, "%s: names of %s, there are %s" % (node.name, named, there))


def state(node):
    """[(volume, role, epoch, events)] as its module tells them"""
    return re.findall(r"^(\S+) .*?role=(\w+) .*?epoch=(\d+) .*?event=(\d+)",
                      node.guest.run("rvolctl status").out, re.M)


@at_most(1200)
def case_kernel_looks(rig):
    """udev, blkid and LVM look at the devices on all nodes, while nobody writes and while somebody
    does: none becomes the writer by that, nothing is told to anybody."""
    n1, n2, n3 = nodes = cluster(rig, 3, Disk(512))
    for node in nodes:
        node.guest.run("mkdir -p /etc/udev/rules.d")
        node.guest.push(built("test/rvolctl"), "/usr/bin/rvolctl", 0o755)
        start_udev(node)
    made(rig, (n1, n2))
    wait_for(lambda: n2.knows_device("db"), 30, "n2 has the device")
    device = n1.guest.run("readlink -f " + n1.device("db")).out.strip()
    n1.guest.run("pvcreate %s -q %s && vgcreate %s -q data %s && lvcreate %s -q -an -n one -L 16M data"
                 % (LVM, device, LVM, device, LVM), 120)
    safe(n1)
    wait_for(lambda: [s[1] for n in (n1, n2) for s in state(n)] == ["idle"] * 2, 60, "released")
    before = state(n1) + state(n2)
    for node in n1, n2:
        said = node.guest.run(LOOKS, 400).out
        rig.check(said.split() == ["data"] * 8, "%s: LVM does not see its volume: %s"
                  % (node.name, said))
        seen = node.guest.run("readlink -f /dev/seen/LVM2_member", check=False).out.strip()
        rig.check(seen == device, "%s: udev's name leads to %s" % (node.name, seen))
        names_are_right(rig, node)
        # the copy's own loop device shows the same group, and is nobody else's
        node.guest.run(ON_LOOP, 120, check=False)
        rig.check("data-one" not in node.guest.run("dmsetup ls").out, "LVM has the copy's own disk")
    after = state(n1) + state(n2)
    rig.check(after == before, "looks made events: %s, %s" % (before, after))

    n1.cli("volume create log 32M --copies 2")
    wait_for(lambda: n1.verdict("log") == "safe" and n1.knows_device("log") and
             n2.knows_device("log"), 60, "there is a second volume")
    book = Ledger(rig, nodes)
    writing, load = book.write(n1, "log"), Load(n1, n1.device("log"))
    writing.goes_on()
    for job in [node.guest.start_job(LOOKS) for node in nodes]:
        job.wait(500)
    writing.goes_on()
    figure(rig, "the longest write beside all that looked was %.2f s" % writing.longest())
    roles = {s[:2] for n in (n1, n2) for s in state(n)}
    rig.check(roles == {("db", "idle"), ("log", "idle"), ("log", "writer")},
              "looks have made a writer: %s" % roles)
    for node in n1, n2:
        names_are_right(rig, node)
    load.end()
    writing.end()
    book.judge(n2, "log")
