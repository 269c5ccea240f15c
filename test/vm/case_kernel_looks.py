# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs of a system that look at every block device: udev with its rules, blkid, LVM, multipath."""
import os
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
for i in $(seq %%d); do
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
        said = node.guest.run(LOOKS % 8, 400).out
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
    for job in [node.guest.start_job(LOOKS % 4) for node in nodes]:
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


# One disk behind two hosts: what multipath is for. Told of one of them it makes a map of both, by
# which we see that it works.
TWO_PATHS = ("modprobe -a sd_mod scsi_dh_alua dm_multipath dm_service_time && "
             "modprobe scsi_debug add_host=2 vpd_use_hostno=0 dev_size_mb=16 && udevadm settle && "
             "multipath -a /dev/sda >/dev/null")
START = "env -u DM_DISABLE_UDEV multipathd"
# as if somebody wanted the volumes to be paths as well
LET_IN = """
defaults {
    find_multipaths greedy
    path_checker directio
}
blacklist_exceptions {
    devnode "^rvol"
}
"""
# what it says, and what it opens, goes to files
OPENS = "strace -f -qq -e trace=openat,open -o /tmp/opens %s >/tmp/said 2>&1"


def shown(node, what):
    return node.guest.run("multipathd show " + what, 60).out.split()


def multipath_looks(rig, node, why):
    """By hand, as udev's rules would call it, and the daemon: volumes are opened when they are named
    or whitelisted, and then for reading only; none is taken as a path."""
    name = os.path.basename(node.guest.run("readlink -f " + node.device("db")).out.strip())
    for words in ("multipath -u " + name, "multipath -c /dev/" + name, "multipath -v3 -d"):
        node.guest.run(OPENS % words, 120, check=False)
        opened = node.guest.run("grep '\"/dev/rvol' /tmp/opens", check=False).out.splitlines()
        may = "O_RDONLY" if name in words or why == "whitelisted" else "no open at all"
        rig.check(all(may in line for line in opened), "%s: %s: %s" % (node.name, words, opened))
    # the last one looks at every device, and says what it thinks of each
    said = node.guest.run("grep %s: /tmp/said" % name, check=False).out
    rig.check("device node name " + why in said, "%s: multipath says %s" % (node.name, said))
    node.guest.run("udevadm trigger --action=add --subsystem-match=block && udevadm settle && "
                   "multipathd reconfigure && udevadm settle", 120)
    wait_for(lambda: "sdb" in shown(node, "paths format %d"), 60, "multipathd has looked again")
    paths, maps = shown(node, "paths format %d"), node.guest.run("dmsetup deps").out
    rig.check(name not in paths, "%s: a volume is a path: %s" % (node.name, paths))
    major = node.guest.run("awk '/rvol/ {print $1}' /proc/devices").out.strip()
    rig.check("(8, 0)" in maps and "(%s," % major not in maps, "%s: what maps are made of: %s"
              % (node.name, maps))


@at_most(1200)
def case_kernel_multipath(rig):
    """multipathd, as it comes and told not to pass over the volumes, on both nodes, while nobody
    writes and while somebody does: it takes none as a path, and none becomes the writer by that."""
    n1, n2 = nodes = cluster(rig, 2, Disk(512))
    made(rig, nodes)
    for node in nodes:
        node.guest.run("mkdir -p /etc/udev/rules.d")
        node.guest.push(built("test/rvolctl"), "/usr/bin/rvolctl", 0o755)
        start_udev(node)
        node.guest.run(TWO_PATHS, 120)
        node.guest.run(START, 60)
        wait_for(lambda: "multipath" in node.guest.run("dmsetup table").out, 60,
                 "%s: multipathd has made its map" % node.name)
    wait_for(lambda: n2.knows_device("db"), 30, "n2 has the device")
    wait_for(lambda: [s[1] for n in nodes for s in state(n)] == ["idle"] * 2, 60, "released")
    before = state(n1) + state(n2)
    for node in nodes:
        multipath_looks(rig, node, "blacklisted")
        node.guest.push(LET_IN.encode(), "/etc/multipath.conf")
        multipath_looks(rig, node, "whitelisted")
        names_are_right(rig, node)
    after = state(n1) + state(n2)
    rig.check(after == before, "looks made events: %s, %s" % (before, after))

    writing = Ledger(rig, nodes).write(n1, "db")
    writing.goes_on()
    for node in nodes:
        multipath_looks(rig, node, "whitelisted")
    writing.goes_on()
    roles = [s[1] for n in nodes for s in state(n)]
    rig.check(roles == ["writer", "idle"], "looks have changed who writes: %s" % roles)
    writing.end()
