# SPDX-License-Identifier: GPL-2.0-or-later
"""Copies that hold something else than was written, on the kernel module over LVM, with LUKS and
without: found by hand and by the clock, mended, alike again."""
from case_demo_kernel import KernelNode, cluster
from case_kernel import set_property
from case_luks import PASSPHRASE, LuksNode
from case_storage_sdsd import Plain, Thin
from rig import Disk, at_most, wait_for

MIB = 1 << 20
SIZE_MIB = 32
HEADER_MIB = {"plain": 0, "hidden": 16}     # of the two volumes
REGION = 65536


class PlainNode(Plain, KernelNode, LuksNode):
    def launch(self):
        self.guest.run("modprobe -a dm_mod dm_thin_pool")
        super().launch()


class ThinNode(Thin, PlainNode):
    pass


def at(volume, offset):
    return HEADER_MIB[volume] * MIB + offset


def harm(node, volume, *offsets):
    """4 KiB of noise each, on the logical volume, past everything that is above it"""
    for offset in offsets:
        node.guest.run("dd if=/dev/urandom of=/dev/mapper/vg-%s_00000 bs=4096 count=1 seek=%d "
                       "conv=notrunc,fsync oflag=direct 2>/dev/null" %
                       (volume, at(volume, offset) // 4096), 60)


def sums(nodes, volume):
    """of the content, which under LUKS is the same in its encrypted form, too"""
    return [n.guest.run("sync; dd if=/dev/mapper/vg-%s_00000 bs=1M skip=%d count=%d iflag=direct "
                        "2>/dev/null | sha256sum" % (volume, HEADER_MIB[volume], SIZE_MIB),
                        180).out for n in nodes]


def safe(node, volume):
    wait_for(lambda: node.verdict(volume) == "safe", 120, "%s is in sync" % volume)


def verify(node, volume, options=""):
    return node.guest.run("sdsd volume verify %s %s" % (volume, options), 300, check=False)


def finds(rig, node, volume, *wanted):
    """verify says these: (offset of a region, [nodes])"""
    said = verify(node, volume)
    rig.check(said.status == 1 and "%d regions differ" % len(wanted) in said.out,
              "%s: %s %s" % (volume, said.out, said.err))
    for _, names in wanted:
        for name in names:
            rig.check(name + ":" in said.out, "%s: whose? %s" % (volume, said.out))


def mended(rig, nodes, volume, options=""):
    said = verify(nodes[0], volume, "--repair " + options)
    rig.check(said.status == 0, "%s: %s %s" % (volume, said.out, said.err))
    safe(nodes[0], volume)
    said = verify(nodes[0], volume)
    rig.check(said.status == 0 and " 0 regions differ" in said.out, said.out)
    found = sums(nodes, volume)
    rig.check(len(set(found)) == 1, "%s: the copies differ: %s" % (volume, found))


def by_hand(rig, nodes, volume):
    n1, n2, n3 = nodes
    want = sums(nodes[:1], volume)
    harm(n3, volume, 5 * MIB + 4096, 20 * MIB)
    finds(rig, n2, volume, (5 * MIB, ["n3"]), (20 * MIB, ["n3"]))
    mended(rig, nodes, volume)
    rig.check(sums(nodes[:1], volume) == want, "the right copy was changed")
    harm(n2, volume, 0)
    finds(rig, n2, volume, (0, ["n2"]))
    mended(rig, nodes, volume, "--from n1")
    rig.check(sums(nodes[:1], volume) == want, "the right copy was changed")


def while_open(rig, nodes, volume):
    """A copy of another node is mended under a mounted file system; the writer's own is not."""
    n1, n2, n3 = nodes
    n1.mount_volume(volume)
    writing = n1.guest.start_job("rm -f /tmp/stop; while [ ! -e /tmp/stop ]; do dd if=/dev/urandom "
                                 "of=/vol/f bs=16k count=4 conv=fsync 2>/dev/null || exit 1; done")
    harm(n3, volume, 30 * MIB)
    finds(rig, n2, volume, (30 * MIB, ["n3"]))
    said = verify(n1, volume, "--repair")
    rig.check(said.status == 0, "%s: %s %s" % (volume, said.out, said.err))
    safe(n1, volume)
    harm(n1, volume, 29 * MIB)
    said = verify(n2, volume, "--repair")
    rig.check(said.status == 1 and "open" in said.out + said.err,
              "it is open there: %s %s" % (said.out, said.err))
    n1.guest.run("touch /tmp/stop")
    rig.check(writing.wait(60).status == 0, "a write has failed")
    n1.guest.run("umount /vol")
    safe(n1, volume)
    wait_for(lambda: verify(n2, volume, "--repair").status == 0, 60, "it is closed and mended")
    mended(rig, nodes, volume)


def by_clock(rig, nodes, volume):
    n1, n2, n3 = nodes
    set_property(rig, n1, volume, "sds/scrub-every", "1d")
    set_property(rig, n1, volume, "sds/scrub-rate", "64")
    harm(n2, volume, 11 * MIB)
    for node in nodes:
        node.guest.run("date -s @$(($(date +%s) + 2 * 86400))")
    wait_for(lambda: "copies differ in 1 region" in n1.cli("volume show " + volume), 180,
             "it is found by the clock", 1)
    set_property(rig, n1, volume, "sds/scrub-every", "off")
    mended(rig, nodes, volume)


@at_most(1800)
def case_repair_kernel(rig):
    """Noise on logical volumes, of plain and encrypted copies: found, by hand, under a mounted file
    system and by the clock; mended from the majority or the copy that is named; alike again."""
    nodes = cluster(rig, 3, [Disk(256), Disk(512)], [PlainNode, ThinNode, PlainNode])
    n1, n2, n3 = nodes
    n3.add_pool(n1)
    n1.encryption("create-passphrase", PASSPHRASE)
    wait_for(lambda: n1.cli("pool list").count(" ok") == 3, 60, "the pools are seen")
    for volume, option in (("plain", ""), ("hidden", "--encrypt")):
        n1.cli("volume create %s %dM --copies 3 %s" % (volume, SIZE_MIB, option), 120)
        safe(n1, volume)
        wait_for(lambda: n1.knows_device(volume), 60, "n1 has the device")
        n1.guest.run("mkfs.ext4 -q %s" % n1.device(volume), 120)
        n1.mount_volume(volume)
        n1.guest.run("dd if=/dev/urandom of=/vol/file bs=64k count=256 conv=fsync; umount /vol", 120)
        safe(n1, volume)
        rig.check(len(set(sums(nodes, volume))) == 1, "%s: they differ from the beginning" % volume)
        by_hand(rig, nodes, volume)
        while_open(rig, nodes, volume)
    by_clock(rig, nodes, "hidden")
