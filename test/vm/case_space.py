# SPDX-License-Identifier: GPL-2.0-or-later
"""Thin pools that run full under writes, of LVM and of ZFS: who notices, and how it is whole again."""
import functools
import re

import case_demo_kernel
from case_demo_kernel import KernelNode
from case_disks import Lister
from rig import Disk, at_most, wait_for
from zfs import BEGIN, zfs_lab

# state; pools of different size are made of these; the last two are to extend them
DISKS = [Disk(256), Disk(64), Disk(128), Disk(128)]
SIZE_MIB = 79  # with its metadata less than twice the smaller pool, which is all it promises
# ZFS keeps half of so small a pool for itself, and takes some of that in the end: what it does not give
# is what somebody else has reserved. The last one is to extend the pool.
ZFS_DISKS = [Disk(256), Disk(256), Disk(256)]
ZFS_SIZE_MIB, ZFS_LEFT_MIB = 32, 8
RESERVE = """
available=$(zfs get -Hpo value available sdsd_ssd)
zfs create -o mountpoint=none -o reservation=$((available - (%d << 20))) sdsd_ssd/others
"""
FILL = "dd if=/dev/urandom of=%s bs=64k count=%d conv=fsync %s"


class Taker(Lister, KernelNode):
    devices = ("/dev/vdb",)
    kind, data, size = "lvm-thin", "/dev/mapper/sdsd_ssd-db_00000", SIZE_MIB
    full, full_seconds = "100 % full", 60

    def format(self):
        super().format()
        self.guest.run("modprobe -a dm_mod dm_thin_pool dm_mirror")

    def add_pool(self, first):
        self.looked()
        first.cli("pool create %s ssd --kind %s %s" % (
            self.name, self.kind, " ".join("--device " + d for d in self.devices)), 120)

    def content(self):
        return self.guest.run("dd if=%s bs=1M count=%d iflag=direct 2>/dev/null | sha256sum" %
                              (self.data, self.size), 120).out

    def pool(self, name):
        found = [p for p in self.json("pool list")
                 if p["storage_pool_name"] == name and p["node_name"] == self.name]
        return found[0] if found else None

    def resource(self, name):
        return [r for r in self.json("status")["resources"] if r["name"] == name][0]

    def extend(self, device):
        before = self.pool("ssd")["total_capacity"]
        self.cli("pool extend %s ssd --device %s" % (self.name, device), 120)
        wait_for(lambda: self.pool("ssd").get("total_capacity", 0) > before, 180, "it has grown")


class LargeTaker(Taker):
    devices = ("/dev/vdb", "/dev/vdc")


class ZfsTaker(Taker):
    kind, data, size = "zfs-thin", "/dev/zvol/sdsd_ssd/db_00000", ZFS_SIZE_MIB
    # nothing more can be written; ZFS is slow here, and may be catching up when it happens
    full, full_seconds = "(9[5-9]|100) % full", 180

    def mount(self):
        super().mount()
        self.guest.run(BEGIN, 240)


def smaller_pool(rig, n1, n2):
    """The pool of one copy runs full: the application notices nothing, the status says it in words,
    and with more space the copy is back."""
    n1.guest.run(FILL % (n1.device("db"), 16 * n1.size, "oflag=direct"), 300)
    wait_for(lambda: re.search("n2: no space left in pool ssd", n1.resource("db")["reason"]),
             n2.full_seconds, "the status says why")
    rig.check(n1.resource("db")["in_sync"] == 1, "not out of the set")
    wait_for(lambda: re.search("Pool n2/ssd: " + n2.full, n1.cli("status")), 60,
             "the status names the pool")
    n1.refused(rig, "volume create more 8M --copies 2", "n2/ssd: .*" + n2.full)
    crossed = n2.log_lines("pool=ssd its space")
    rig.check(1 <= crossed <= 4, "%d lines about the space of a pool" % crossed)
    # by now it is 40 s until it is tried by itself, which is not to be taken for what is looked for
    wait_for(lambda: n2.log_lines("volume=db the disk of its copy here has failed") >= 3, 120,
             "it is tried less and less often")
    n2.extend("/dev/vdc")
    wait_for(lambda: n1.verdict("db") == "safe", 90, "it is back by itself")
    rig.check(n2.log_lines("pool=ssd has more space: its copy is tried again") >= 1, "not at once")
    wait_for(lambda: n1.content() == n2.content(), 60, "the copies are alike")


def last_copy(rig, n1):
    """The pool of the only copy runs full: errors, no hanging, and the file system is good for all
    that was synced when there is space again."""
    n1.cli("volume create last 120M --copies 1 --nodes n1")
    wait_for(lambda: n1.verdict("last") == "safe" and n1.knows_device("last"), 60, "it is there")
    n1.guest.run("mkfs.ext4 -q %s" % n1.device("last"), 120)
    n1.mount_volume("last")
    n1.guest.run("dd if=/dev/urandom of=/vol/file bs=64k count=64 conv=fsync", 120)
    want = n1.guest.run("sha256sum /vol/file").out
    filled = n1.guest.run(FILL % ("/vol/more", 1600, ""), 240, check=False)
    rig.check(re.search("Input/output error|No space left|Read-only", filled.err),
              "no error: %s" % filled.err)
    wait_for(lambda: "no space left in pool ssd" in n1.resource("last")["reason"], 60,
             "the status says why")
    n1.guest.run("umount /vol", 120)
    # what has its space in the full pool goes on
    n1.guest.run(FILL % (n1.device("db"), 64, "oflag=direct"), 120)
    rig.check(n1.resource("db")["in_sync"] == 2, "the other volume has lost a copy")
    n1.extend("/dev/vdd")
    n1.restart()        # as the status asks for, of a last copy
    wait_for(lambda: n1.verdict("last") == "safe" and n1.knows_device("last"), 120, "it is good")
    n1.mount_volume("last")
    rig.check(n1.guest.run("sha256sum /vol/file").out == want, "a synced file has changed")
    n1.guest.run(FILL % ("/vol/again", 256, ""), 120)
    n1.guest.run("umount /vol")


def pair(rig, disks, kinds, **options):
    """two nodes with a volume"""
    nodes = case_demo_kernel.cluster(rig, 2, disks, kinds, **options)
    n1 = nodes[0]
    for node in nodes:
        node.made("ssd")
    n1.cli("volume create db %dM --copies 2" % n1.size)
    wait_for(lambda: n1.verdict("db") == "safe" and n1.knows_device("db"), 120, "it is there")
    return nodes


@at_most(1500)
def case_space_kernel(rig):
    """Thin pools of different size run full: first with a second copy elsewhere, then without."""
    n1, n2 = pair(rig, DISKS, [LargeTaker, Taker])
    smaller_pool(rig, n1, n2)
    last_copy(rig, n1)


@at_most(1500)
def case_space_zfs(rig):
    """A zpool in which somebody else has reserved the rest runs full; the other copy goes on."""
    n1, n2 = pair(rig, ZFS_DISKS, [ZfsTaker] * 2, make_lab=functools.partial(zfs_lab, rig))
    n2.guest.run(RESERVE % ZFS_LEFT_MIB)
    smaller_pool(rig, n1, n2)
