# SPDX-License-Identifier: GPL-2.0-or-later
"""Discards on thin pools of LVM and ZFS: space comes back, what was discarded reads as zeros on all
copies, and a snapshot keeps what it had."""
import functools

import case_demo_kernel
import case_demo_user
from case_demo_kernel import KernelNode
from case_demo_user import Node
from case_disks import Lister
from case_kernel import UserNode, set_property
from rig import Disk, at_most, wait_for
from zfs import BEGIN, zfs_lab

DISKS = [Disk(256), Disk(224)]      # state; the thin pool is made of the second
CHUNK = 65536                       # of a pool that sdsd makes
MIB = 1 << 20
SIZE = 128 * MIB
LUKS_HEADER = 16 * MIB              # which is written all over when it is made
PART = 32 * MIB                     # where single ranges are looked at
PATTERN = "tr '\\0' '\\377' </dev/zero | head -c %d"


class Thin(Lister):
    kind = "lvm-thin"
    data = thin = "/dev/mapper/sdsd_ssd-db_00000"       # of the copy, and where it is in the pool
    before = "/dev/mapper/sdsd_ssd-db_00000_before"     # its snapshot
    show, hide = ("lvchange -q %s sdsd_ssd/db_00000_before 2>/dev/null" % how
                  for how in ("-ay -K", "-an"))
    size = SIZE
    back = (6 * CHUNK, 6 * CHUNK)       # bytes that come back of holes(), at least and at most

    def format(self):
        super().format()
        self.guest.run("modprobe -a dm_mod dm_thin_pool")

    def add_pool(self, first):
        self.looked()
        first.cli("pool create %s ssd --kind %s --device /dev/vdb" % (self.name, self.kind), 120)

    def pool(self, name):
        found = [p for p in self.json("pool list")
                 if p["storage_pool_name"] == name and p["node_name"] == self.name]
        return found[0] if found else None

    def mapped(self):
        """bytes that the data takes in its pool, as the kernel says"""
        return int(self.guest.run("dmsetup status " + self.thin).out.split()[3]) * 512

    def sum(self, offset=0, length=SIZE, device=None):
        return self.guest.run("dd if=%s bs=64k iflag=direct skip=%d count=%d 2>/dev/null | sha256sum"
                              % (device or self.data, offset // 65536, length // 65536),
                              120).out.split()[0]


class ThinZfs(Thin):
    """of volumes with blocks of 16 KiB"""
    kind = "zfs-thin"
    data = "/dev/zvol/sdsd_ssd/db_00000"
    before = "/dev/zvol/sdsd_ssd/db_00000@before"
    show, hide = ("zfs set snapdev=%s sdsd_ssd/db_00000; udevadm settle" % how
                  for how in ("visible", "hidden"))
    back = (6 * CHUNK, 8 * CHUNK)

    def mount(self):
        super().mount()
        self.guest.run(BEGIN, 240)

    def mapped(self):
        return int(self.guest.run("zpool sync; zfs get -Hp -o value referenced sdsd_ssd/db_00000"
                                  ).out)


class ByNbd:
    def opened(self):
        self.open("db", "/dev/nbd0")
        return "/dev/nbd0"

    def closed(self):
        self.guest.run("nbd-client -d /dev/nbd0")


class ThinUser(ByNbd, Thin, Node):
    pass


class ThinKernel(Thin, KernelNode):
    def opened(self):
        wait_for(lambda: self.knows_device("db"), 60, "its device")
        return self.device("db")

    def closed(self):
        pass


class ZfsKernel(ThinZfs, ThinKernel):
    pass


def mapped(nodes):
    """What each copy takes, once all have all of it: one may have been out of the set for a moment."""
    wait_for(lambda: nodes[0].verdict("db") == "safe", 120, "all copies are in sync")
    for n in nodes:
        n.guest.run("sync")
    return [n.mapped() for n in nodes]


def alike(rig, nodes, what):
    """As sdsd finds, and as we do."""
    nodes[0].guest.run("sync")
    nodes[0].cli("volume verify db", 300)   # which fails when it finds something
    sums = [n.sum(0, n.size) for n in nodes]
    rig.check(sums[0] == sums[1], "%s: the copies differ" % what)


def file_system(rig, nodes, device):
    """A file system made with discards takes next to nothing; what fstrim tells comes back."""
    n1 = nodes[0]
    n1.guest.run("mkfs.ext4 -q %s && mkdir -p /vol && mount %s /vol && sync" % (device, device), 240)
    empty = mapped(nodes)
    rig.check(max(empty) < 16 * MIB, "an empty file system takes %s" % empty)
    n1.guest.run("dd if=/dev/urandom of=/vol/file bs=1M count=64 conv=fsync 2>/dev/null; sync", 240)
    full = mapped(nodes)
    rig.check(min(full) > 64 * MIB, "64 MiB take %s" % full)
    n1.guest.run("rm /vol/file; sync; fstrim /vol; sync", 240)
    left = mapped(nodes)
    rig.check(max(left) < 24 * MIB, "after fstrim it takes %s" % left)
    n1.guest.run("umount /vol && e2fsck -fn %s" % device, 120)
    print("     discard: empty %d, with a file %d, after fstrim %d MiB"
          % (max(empty) // MIB, max(full) // MIB, max(left) // MIB))


def want_of(n1, holes):
    """the sum of 4 MiB of 0xff with zeros at these places, as a device of memory has it"""
    n1.guest.run((PATTERN + " >/tmp/want") % (4 * MIB))
    for offset, length in holes:
        n1.guest.run("dd if=/dev/zero of=/tmp/want bs=512 seek=%d count=%d conv=notrunc 2>/dev/null"
                     % (offset // 512, length // 512))
    return n1.guest.run("sha256sum </tmp/want").out.split()[0]


def written(n1, device):
    """4 MiB of 0xff at PART"""
    n1.guest.run((PATTERN + " | dd of=%s bs=64k seek=%d oflag=direct iflag=fullblock 2>/dev/null; sync")
                 % (4 * MIB, device, PART // 65536), 120)


def zeros(n1, length):
    """the sum of so many"""
    return n1.guest.run("head -c %d /dev/zero | sha256sum" % length).out.split()[0]


def ranges(rig, nodes, device):
    """Parts of chunks, whole ones, and both: zeros exactly there."""
    n1 = nodes[0]
    written(n1, device)
    holes = [(4096, 8192),                                  # inside of a chunk
             (3 * CHUNK - 4096, 8192),                      # of two, none whole
             (8 * CHUNK - 4096, CHUNK + 8192),              # one whole and both neighbours
             (16 * CHUNK, 4 * CHUNK), (32 * CHUNK + 4096, 2 * CHUNK)]
    before = mapped(nodes)
    for offset, length in holes:
        n1.guest.run("blkdiscard -o %d -l %d %s" % (PART + offset, length, device), 60)
    least, most = n1.back
    gone = [a - b for a, b in zip(before, mapped(nodes))]
    rig.check(least <= min(gone) and max(gone) <= most, "bytes that came back: %s" % gone)
    want = want_of(n1, holes)
    for n in nodes:
        rig.check(n.sum(PART, 4 * MIB) == want, "%s: not zeros exactly there" % n.name)
    rig.check(n1.sum(PART, 4 * MIB, device) == want, "read through sdsd it is something else")


def snapshot(rig, nodes, device):
    """What a snapshot shares is kept for it."""
    n1 = nodes[0]
    set_property(rig, n1, "db", "sds/freeze-ms", "10000")     # LVM is slow in a guest
    n1.cli("snapshot create db before", 120)
    held = n1.sum(PART, 4 * MIB)
    n1.guest.run("blkdiscard -o %d -l %d %s" % (PART - 4096, 4 * MIB + 8192, device), 60)
    mapped(nodes)
    empty = zeros(n1, 4 * MIB)
    for n in nodes:
        rig.check(n.sum(PART, 4 * MIB) == empty, "%s: no zeros" % n.name)
        n.guest.run(n.show)
        rig.check(n.sum(PART, 4 * MIB, n.before) == held, "%s: the snapshot has changed" % n.name)
        n.guest.run(n.hide)


def discards(rig, kind, cluster, disks=None, **options):
    nodes = cluster(rig, 2, disks or DISKS, [kind, kind], **options)
    n1 = nodes[0]
    for node in nodes:
        node.made("ssd")
        if kind.kind == "zfs-thin":     # what is counted is what was written
            node.guest.run("zfs set compression=off sdsd_ssd")
    n1.cli("volume create db 128M --copies 2")
    wait_for(lambda: n1.verdict("db") == "safe", 120, "it is there")
    device = n1.opened()
    file_system(rig, nodes, device)
    alike(rig, nodes, "after fstrim")
    ranges(rig, nodes, device)
    alike(rig, nodes, "after single ranges")
    snapshot(rig, nodes, device)
    alike(rig, nodes, "with a snapshot")
    n1.closed()


@at_most(1200)
def case_discard_user(rig):
    """The data plane in user space, by a block device of the kernel's NBD client."""
    discards(rig, ThinUser, case_demo_user.cluster)


@at_most(1200)
def case_discard_kernel(rig):
    """The kernel module."""
    discards(rig, ThinKernel, case_demo_kernel.cluster)


@at_most(1800)
def case_discard_zfs(rig):
    """The kernel module on volumes of ZFS."""
    discards(rig, ZfsKernel, case_demo_kernel.cluster, [Disk(256), Disk(512)],
             make_lab=functools.partial(zfs_lab, rig))


class LuksKernel(ThinKernel):
    size = 64 * MIB
    data = "/dev/mapper/sdsd-db_00000"

    def format(self):
        super().format()
        self.guest.run("modprobe dm_crypt")


class LuksUser(ByNbd, UserNode, LuksKernel):
    """What is in a page cache of its own has to go with it: the space stays."""


def trimmed(n1, device):
    """what fstrim has told since the last mount it does not tell again"""
    n1.guest.run("mkdir -p /vol && mount %s /vol && fstrim /vol && sync && umount /vol && sync"
                 % device, 240)


def luks_ranges(rig, nodes, device):
    """A discard of whole blocks is the same noise everywhere, of others the whole blocks; one of half a
    block and zeros are zeros."""
    n1 = nodes[0]
    written(n1, device)
    n1.guest.run("blkdiscard -o %d -l %d %s" % (PART + 2 * CHUNK - 512, MIB + 8192, device), 60)
    n1.guest.run("blkdiscard -o %d -l 1024 %s && blkdiscard -z -o %d -l %d %s"
                 % (PART + 2 * MIB + 512, device, PART + 3 * MIB, 65536, device), 60)
    empty = zeros(n1, CHUNK)
    full = n1.guest.run((PATTERN + " | sha256sum") % CHUNK).out.split()[0]
    for n in nodes:
        rig.check(n.sum(PART + 3 * MIB, CHUNK) == empty, "%s: no zeros" % n.name)
        rig.check(n.sum(PART + 2 * CHUNK, CHUNK) not in (empty, full), "%s: it is no noise" % n.name)
        rig.check(n.sum(PART, CHUNK) == full, "%s: more was discarded" % n.name)
    n1.guest.run((PATTERN + " >/tmp/want; dd if=/dev/zero of=/tmp/want bs=512 seek=1 count=2 conv=notrunc "
                  "2>/dev/null") % 2048)
    n1.guest.run("dd if=%s of=/tmp/half bs=512 skip=%d count=4 iflag=direct 2>/dev/null; "
                 "cmp /tmp/half /tmp/want" % (device, (PART + 2 * MIB) // 512))


def luks_discards(rig, kinds, giving):
    """giving: how many of the nodes, the first ones, give space back"""
    nodes = case_demo_kernel.cluster(rig, 2, DISKS, kinds)
    n1, n2 = nodes
    n1.guest.run("sdsd encryption create-passphrase --file -", 60, stdin=b"of the discards\n")
    for node in nodes:
        node.made("ssd")
    n1.cli("volume create db 64M --copies 2 --encrypt")
    mapped(nodes)
    device = n1.opened()
    n1.guest.run("mkfs.ext4 -q -E nodiscard %s && mkdir -p /vol && mount %s /vol && "
                 "dd if=/dev/urandom of=/vol/file bs=1M count=32 conv=fsync 2>/dev/null && rm /vol/file && "
                 "umount /vol && sync" % (device, device), 240)
    full = mapped(nodes)
    rig.check(min(full) >= LUKS_HEADER + 32 * MIB, "32 MiB take %s" % full)
    trimmed(n1, device)
    rig.check(min(mapped(nodes)) >= LUKS_HEADER + 32 * MIB, "without the property space came back")
    alike(rig, nodes, "zeros through the layer")
    set_property(rig, n1, "db", "sds/luks-discards", "on")
    # the plane hears of it by and by
    wait_for(lambda: trimmed(n1, device) or max(mapped(nodes)[:giving]) < LUKS_HEADER + 16 * MIB,
             240, "space came back")
    print("     %s: with a file %d, after fstrim %s MiB"
          % (rig.name, max(full) // MIB, [m // MIB for m in mapped(nodes)]))
    alike(rig, nodes, "zeros under the layer")
    n1.guest.run("e2fsck -fn %s" % device, 120)
    luks_ranges(rig, nodes, device)
    alike(rig, nodes, "single ranges")
    return nodes


@at_most(1500)
def case_discard_luks(rig):
    """Encrypted volumes: zeros through the layer, and with sds/luks-discards zeros under it, which comes
    back to the pool."""
    luks_discards(rig, [LuksKernel, LuksKernel], 2)


@at_most(1500)
def case_discard_luks_user(rig):
    """Beside a copy in user space, which keeps its space; then that node is the writer."""
    n1, n2 = luks_discards(rig, [LuksKernel, LuksUser], 1)
    device = n2.opened()
    luks_ranges(rig, (n2, n1), device)
    n2.closed()
    alike(rig, (n1, n2), "single ranges, written in user space")
