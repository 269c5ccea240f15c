# SPDX-License-Identifier: GPL-2.0-or-later
"""sdsd with pools of LVM: one copy in a volume group, the other in a thin pool."""
import case_demo_kernel
import case_demo_user
from case_demo_kernel import KernelNode
from case_demo_user import Node, back
from rig import Disk, at_most, wait_for


class Plain:
    """A node whose pool is a volume group on /dev/vdb."""
    pool = "--vg vg"

    def format(self):
        super().format()
        self.guest.run("modprobe -a dm_mod dm_thin_pool && pvcreate -q -y /dev/vdb && "
                       "vgcreate -q vg /dev/vdb", 120)

    def mount(self):
        super().mount()
        self.guest.run("modprobe -a dm_mod dm_thin_pool")

    def add_pool(self, first):
        first.cli("pool create %s lvm %s" % (self.name, self.pool))

    def volumes(self):
        found = self.guest.run("lvs --noheadings -o lv_name vg 2>/dev/null", 120).out.split()
        return sorted(n for n in found if n != "thin")

    def sum(self):
        return self.guest.run("sync; dd if=/dev/mapper/vg-db_00000 bs=1M count=96 2>/dev/null | "
                              "sha256sum", 120).out


class Thin(Plain):
    """A thin pool in that group."""
    pool = "--thin-pool vg/thin"

    def format(self):
        super().format()
        self.guest.run("lvcreate -q --type thin-pool -L 300M -n thin vg 2>/dev/null; "
                       "lvchange --errorwhenfull y vg/thin", 120)


class UserPlain(Plain, Node):
    pass


class UserThin(Thin, Node):
    pass


class KernelPlain(Plain, KernelNode):
    pass


class KernelThin(Thin, KernelNode):
    pass


def life(rig, nodes, open_volume, close_volume):
    """made, written, grown, written on the other node; a node comes back; deleted"""
    n1, n2, _ = nodes
    pair = ["db_00000", "db_00000.meta"]
    # a new pool is of use once its node has measured it
    wait_for(lambda: n1.cli("pool list").count(" ok") == 2, 60, "both pools are seen")
    n1.cli("volume create db 64M --copies 2")
    wait_for(lambda: n1.verdict("db") == "safe", 120, "both copies are in sync")
    rig.check([n.volumes() for n in (n1, n2)] == [pair, pair], "other volumes were made")
    device = open_volume(n1)
    n1.guest.run("mkfs.ext4 -q %s && mkdir -p /vol && mount %s /vol && dd if=/dev/urandom "
                 "of=/vol/file bs=64k count=256 conv=fsync" % (device, device), 200)
    want = n1.guest.run("sha256sum /vol/file").out
    n2.guest.power_cut()        # and nothing activates its volumes when it starts
    n1.guest.run("dd if=/dev/urandom of=/vol/more bs=64k count=64 conv=fsync", 200)
    back(n2)
    wait_for(lambda: n1.verdict("db") == "safe", 180, "n2 has caught up")
    n1.cli("volume grow db 96M")
    n1.guest.run("umount /vol")
    close_volume(n1)
    wait_for(lambda: n1.verdict("db") == "safe", 120, "both copies are in sync")
    wait_for(lambda: n1.sum() == n2.sum(), 60, "the copies are alike")
    device = open_volume(n2)
    n2.guest.run("mkdir -p /vol && mount %s /vol" % device, 120)
    # a device of the module learns what is served when it is opened
    wait_for(lambda: n2.guest.run("blockdev --getsize64 " + device).out.strip() == str(96 << 20),
             60, "it has grown")
    rig.check(n2.guest.run("sha256sum /vol/file").out == want, "the file has changed")
    n2.guest.run("umount /vol")
    close_volume(n2)
    wait_for(lambda: n1.guest.run("sdsd volume delete db", 120, check=False).status == 0, 60,
             "nobody has it open")
    wait_for(lambda: n1.volumes() + n2.volumes() == [], 60, "nothing is left of it")


DISKS = [Disk(256), Disk(512)]


def nbd_open(node):
    node.open("db", "/dev/nbd0")
    return "/dev/nbd0"


@at_most(1200)
def case_storage_user(rig):
    """A volume of sdsd on LVM and a thin pool, from its making to the last trace of it; user space."""
    nodes = case_demo_user.cluster(rig, 3, DISKS, [UserPlain, UserThin, Node])
    life(rig, nodes, nbd_open, lambda node: node.guest.run("nbd-client -d /dev/nbd0"))


def device_of(node):
    wait_for(lambda: node.knows_device("db"), 60, "the device is there")
    return node.device("db")


@at_most(1200)
def case_storage_kernel(rig):
    """The same with the kernel module, which has the logical volumes themselves as its disks."""
    nodes = case_demo_kernel.cluster(rig, 3, DISKS, [KernelPlain, KernelThin, KernelNode])
    life(rig, nodes, device_of, lambda node: None)
