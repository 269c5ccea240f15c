# SPDX-License-Identifier: GPL-2.0-or-later
"""The backends of ZFS on real ZFS, without the rest of sdsd: case_storage.py's calls, cuts and what
only ZFS has. They need `tools/vm-deps --zfs`."""
from case_storage import MIB, Storage, matrix, one_volume, pair
from case_storage_cut import cut
from case_storage_luks import Encrypted, snapshots, volume
from rig import Disk, at_most
from zfs import BEGIN, zfs_lab

PREPARE = """
zpool create -O mountpoint=none -O compression=off tank /dev/vda && zfs create tank/sdsd && udevadm settle
"""


class ZfsStorage(Storage):
    """A guest with a zpool, a file system in it, and storagectl."""
    sources = {"ZFS": "tank/sdsd", "ZFS_THIN": "tank/sdsd"}

    def boot(self, files):
        guest = zfs_lab(self.rig, guests=1, disks=[Disk(640), Disk(128), Disk(128)],
                        files=files).guests[0]
        guest.run(BEGIN + PREPARE, 240)
        return guest

    def zfs(self, command, **options):
        return self.guest.run(command, 120, **options)

    def names(self):
        """what the pool has, as ZFS calls it"""
        return self.zfs("zfs list -H -o name -t volume,snapshot -r tank/sdsd").out.split()

    def left(self, *names):
        """That is what there is in the pool; a snapshot is where its volume was, or put away."""
        found = []
        for name in self.names():
            name = name[len("tank/sdsd/"):]
            if not name.startswith("sdsd:gone:"):
                found.append(name.replace("@", "_"))
            elif "@" in name:
                volume = self.zfs("zfs get -H -o value org.sdsd:gone tank/sdsd/" +
                                  name.split("@")[0]).out.strip()
                if "@sdsd:gone:" not in name:
                    found.append(volume + "_" + name.split("@")[1])
        self.rig.check(sorted(found) == sorted(names), "%s: there is %s, not %s"
                       % (self.kind, sorted(found), sorted(names)))

    def bare(self):
        """nothing is left of what was put away, either"""
        self.rig.check(self.names() == [], "there is still %s" % self.names())


@at_most(1800)
def case_zfs_matrix(rig):
    """Each operation of both kinds, and what must be refused."""
    s = ZfsStorage(rig)
    matrix(s)
    s.bare()


@at_most(1800)
def case_zfs_cut_thin(rig):
    """Thin volumes: kill -9 at each step of each operation, then the operation again."""
    s = ZfsStorage(rig, "ZFS_THIN")
    cut(s)
    s.bare()


@at_most(1800)
def case_zfs_cut_thick(rig):
    """The same where space is reserved."""
    s = ZfsStorage(rig, "ZFS")
    cut(s)
    s.bare()


class EncryptedZfs(Encrypted, ZfsStorage):
    def under(self):
        return "/dev/zvol/tank/sdsd/db_00000"


@at_most(1800)
def case_zfs_luks(rig):
    """Encrypted, both kinds: each operation; no key, a wrong one, a damaged header; snapshots restored
    and rolled back to with the key of the first."""
    s = EncryptedZfs(rig)
    for s.kind in ("ZFS", "ZFS_THIN"):
        volume(s)
        snapshots(s)
        s.left()
        s.bare()
