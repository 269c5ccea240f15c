# SPDX-License-Identifier: GPL-2.0-or-later
"""sdsd with pools of ZFS: one copy whose space is reserved, one that takes it as it is written; and
zpools that sdsd makes itself. They need `tools/vm-deps --zfs`."""
import functools

import case_demo_kernel
import case_demo_user
import case_disks
from case_demo_kernel import KernelNode
from case_demo_user import Node
from case_disks import Lister
from case_storage_sdsd import device_of, life, nbd_open
from rig import Disk, at_most, wait_for
from zfs import BEGIN, zfs_lab


class Thick:
    """A node whose pool is a file system of a zpool on /dev/vdb."""
    pool = "--zpool tank/sdsd"

    def format(self):
        super().format()
        self.guest.run("zpool create -O mountpoint=none tank /dev/vdb && zfs create tank/sdsd", 120)

    def mount(self):
        super().mount()
        self.guest.run(BEGIN, 240)
        # as zfs-import-scan.service does it: there is no file that remembers pools
        self.guest.run("zpool import -a -N -d /dev; true", 120)

    def add_pool(self, first):
        first.cli("pool create %s zfs %s" % (self.name, self.pool))

    def volumes(self):
        found = self.guest.run("zfs list -H -o name -t volume,snapshot -r tank", 120).out.split()
        return sorted(n[len("tank/sdsd/"):] for n in found)

    def sum(self):
        return self.guest.run("sync; dd if=/dev/zvol/tank/sdsd/db_00000 bs=1M count=96 2>/dev/null "
                              "| sha256sum", 120).out


class Thin(Thick):
    pool = "--zpool tank/sdsd --thin"


class UserThick(Thick, Node):
    pass


class UserThin(Thin, Node):
    pass


class KernelThick(Thick, KernelNode):
    pass


class KernelThin(Thin, KernelNode):
    pass


DISKS = [Disk(256), Disk(512)]


@at_most(1800)
def case_zfs_user(rig):
    """A volume of sdsd on ZFS of both kinds, from its making to the last trace of it; user space."""
    nodes = case_demo_user.cluster(rig, 3, DISKS, [UserThick, UserThin, Node],
                                   make_lab=functools.partial(zfs_lab, rig))
    shown = nodes[0].json("pool list")
    rig.check(sorted(p["provider_kind"] for p in shown if p["provider_kind"] != "DISKLESS") ==
              ["ZFS", "ZFS_THIN"], "the pools are %s" % shown)
    life(rig, nodes, nbd_open, lambda node: node.guest.run("nbd-client -d /dev/nbd0"))


@at_most(1800)
def case_zfs_kernel(rig):
    """The same with the kernel module, which has the volumes of ZFS themselves as its disks; then
    snapshots: taken, rolled back to, cloned, and nothing is left of them."""
    nodes = case_demo_kernel.cluster(rig, 3, DISKS, [KernelThick, KernelThin, KernelNode],
                                     make_lab=functools.partial(zfs_lab, rig))
    life(rig, nodes, device_of, lambda node: None)
    n1, n2, _ = nodes
    n1.cli("volume create db 64M --copies 2")
    wait_for(lambda: n1.verdict("db") == "safe", 120, "both copies are in sync")
    device = device_of(n1)
    n1.guest.run("echo first | dd of=%s oflag=direct bs=4k conv=sync" % device)
    # udev looks at what was just closed, and that is an open in the middle of it
    wait_for(lambda: n1.guest.run("sdsd snapshot create db one", 60, check=False).status == 0, 60,
             "the snapshot is taken")
    n1.guest.run("echo second | dd of=%s oflag=direct bs=4k conv=sync" % device)
    n1.cli("volume clone db copy", 120)
    wait_for(lambda: n1.verdict("copy") == "safe", 120, "the clone is there")
    wait_for(lambda: n1.guest.run("sdsd snapshot rollback db one", 120, check=False).status == 0, 60,
             "rolled back")
    wait_for(lambda: n1.verdict("db") == "safe", 120, "both copies are in sync")
    for volume, text in (("db", "first"), ("copy", "second")):
        wait_for(lambda: n2.knows_device(volume), 60, "the device is there")
        found = n2.guest.run("dd if=%s bs=6 count=1 2>/dev/null" % n2.device(volume), 60).out
        rig.check(found.startswith(text), "%s begins with %r" % (volume, found))
    for volume in ("db", "copy"):
        wait_for(lambda: n1.guest.run("sdsd volume delete " + volume, 120, check=False).status == 0,
                 60, "nobody has it open")
    n1.cli("snapshot delete db one", 120)
    wait_for(lambda: n1.volumes() + n2.volumes() == [], 60, "nothing is left")


class ZfsLister(Lister):
    def mount(self):
        super().mount()
        self.guest.run(BEGIN, 240)


@at_most(1800)
def case_zfs_devices(rig):
    """A zpool of a disk; a volume in it; a second disk; what is in the way of its end; in the end the
    disks are empty."""
    n1 = case_disks.one(rig, [Disk(192), Disk(192)], functools.partial(zfs_lab, rig), ZfsLister)
    guest = n1.guest
    n1.start()
    n1.looked()
    n1.cli("pool create n1 fast --kind zfs-thin --device /dev/vdb", 120)
    small = n1.made("fast")
    rig.check(guest.run("zpool get -H -o value failmode sdsd_fast").out.strip() == "continue",
              "a disk that fails would hold up the pool")
    n1.cli("volume create db 64M --copies 1")
    wait_for(lambda: guest.run("[ -S /run/sdsd/nbd/db-0.sock ]", check=False).status == 0, 60,
             "its socket")
    n1.refused(rig, "pool create n1 more --kind zfs --wipe --device /dev/vdb",
               "belongs to pool n1/fast")
    n1.cli("pool extend n1 fast --device /dev/vdc", 120)
    wait_for(lambda: n1.pool("fast")["total_capacity"] > small * 1.7, 120, "it has grown")
    n1.settled("fast")
    n1.refused(rig, "pool replace-disk n1 fast /dev/vdb /dev/vdd", "zpool replace")
    n1.refused(rig, "pool delete n1 fast --destroy", "replicas")
    n1.cli("volume delete db")
    wait_for(lambda: guest.run("zfs list -H -o name -r sdsd_fast").out.split() == ["sdsd_fast"], 60,
             "its volumes are gone")
    guest.run("zfs create -V 16M sdsd_fast/mine")
    n1.cli("pool delete n1 fast --destroy", 120)
    rig.check("sdsd_fast/mine is there" in n1.said("fast"), "not refused: " + n1.said("fast"))
    guest.run("udevadm settle; zfs destroy sdsd_fast/mine")
    wait_for(lambda: n1.pool("fast") is None, 120, "it is destroyed")
    rig.check(guest.run("zpool list -H").out == "", "a zpool is left")
    wait_for(lambda: {d["device"]: d["reason"] for d in n1.disks().values()} ==
             {"/dev/vda": "it is mounted at /mnt", "/dev/vdb": "", "/dev/vdc": ""}, 60,
             "the disks are usable again")
