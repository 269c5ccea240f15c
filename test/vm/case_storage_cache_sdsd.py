# SPDX-License-Identifier: GPL-2.0-or-later
"""sdsd with the kernel module and a write cache under each copy: the data in the volume group vg, the cache
in fast."""
import time

import case_demo_kernel
from case_demo_kernel import KernelNode
from case_kernel_cuts import all_back, figure, safe
from ledger import Ledger, Load
from rig import Disk, at_most, wait_for

MAPPING = "sdsd-db_00000.cached"


class CacheNode(KernelNode):
    def format(self):
        super().format()
        self.guest.run("modprobe -a dm_mod dm-writecache && pvcreate -q -y /dev/vdb /dev/vdc && "
                       "vgcreate -q vg /dev/vdb && vgcreate -q fast /dev/vdc", 120)

    def mount(self):
        super().mount()
        self.guest.run("modprobe -a dm_mod dm-writecache")

    def add_pool(self, first):
        first.cli("pool create %s lvm --vg vg" % self.name)
        first.cli("pool create %s ssd --vg fast" % self.name)

    def volumes(self, group):
        return sorted(self.guest.run("lvs --noheadings -o lv_name %s 2>/dev/null" % group,
                                     120).out.split())

    def block(self):
        return int(self.guest.run("blockdev --getss " + self.device("db")).out)

    def dirty(self):
        """blocks that are in the cache only"""
        words = self.guest.run("dmsetup status " + MAPPING).out.split()
        return int(words[4]) - int(words[5])

    def sum(self, mib):
        return self.guest.run("dd if=/dev/mapper/%s bs=1M count=%d iflag=direct 2>/dev/null | "
                              "sha256sum" % (MAPPING, mib), 240).out

    def replica(self):
        found = [r for r in self.json("status")["resources"] if r["name"] == "db"][0]
        return [r for r in found["replicas"] if r["node"] == self.name][0]


DISKS = [Disk(256), Disk(512), Disk(128)]
VOLATILE = [Disk(256, volatile=True), Disk(512, volatile=True), Disk(128, volatile=True)]


def cached(rig, disks, size="64M", cache="32M"):
    nodes = case_demo_kernel.cluster(rig, 3, disks, [CacheNode, CacheNode, CacheNode])
    n1 = nodes[0]
    wait_for(lambda: n1.cli("pool list").count(" ok") == 4, 60, "all pools are seen")
    # on a busy machine it takes longer than the command waits
    n1.guest.run("sdsd volume create db %s --copies 2 --write-cache ssd:%s" % (size, cache), 120,
                 check=False)
    wait_for(lambda: '"db"' in n1.cli("volume list --output json"), 60, "it is defined")
    safe(n1)
    wait_for(lambda: n1.knows_device("db"), 60, "n1 has the device")
    return nodes


@at_most(1800)
def case_storage_cache_kernel(rig):
    """Made, written by a node without a copy, grown, taken over by another sdsd; a cache that is lost
    is noticed, its copy replaced; deleted without a trace."""
    n1, n2, n3 = cached(rig, DISKS)
    for node in (n1, n2):
        rig.check(node.volumes("vg") == ["db_00000", "db_00000.meta"] and
                  node.volumes("fast") == ["db_00000.cache"], "%s: %s %s" % (
                      node.name, node.volumes("vg"), node.volumes("fast")))
    n1.cli("volume attach db n3")
    wait_for(lambda: n3.knows_device("db"), 60, "n3 has the device")
    rig.check((n1.block(), n3.block()) == (4096, 4096), "blocks of %d and %d" % (n1.block(),
                                                                                n3.block()))
    n3.guest.run("mkfs.ext4 -q -E nodiscard %s" % n3.device("db"), 120)
    n3.mount_volume("db")
    n3.guest.run("dd if=/dev/urandom of=/vol/file bs=64k count=128 conv=fsync", 120)
    rig.check(n1.dirty() > 0 and n2.dirty() > 0, "nothing is in the caches")
    refused = n1.guest.run("sdsd snapshot create db one", check=False)
    rig.check(refused.status != 0, "a plain volume has a snapshot: %s" % refused.out)
    n1.cli("volume grow db 96M")
    wait_for(lambda: n3.guest.run("blockdev --getsize64 " + n3.device("db")).out.strip() ==
             str(96 << 20), 90, "it has grown")
    n3.guest.run("resize2fs %s 2>/dev/null; dd if=/dev/urandom of=/vol/more bs=64k count=300 "
                 "conv=fsync" % n3.device("db"), 240)
    n1.restart()
    wait_for(lambda: n1.log_lines("goes on as it was in the kernel") == 1, 60, "it is found again")
    want = n3.guest.run("sha256sum /vol/file /vol/more", 60).out
    n3.guest.run("umount /vol")
    safe(n1)
    wait_for(lambda: n1.sum(96) == n2.sum(96), 60, "the copies are alike")

    n2.guest.run("sync")
    n2.guest.power_cut()
    n2.guest.start()
    n2.guest.wait()
    n2.mount()
    n2.guest.run("lvremove -q -y fast/db_00000.cache 2>/dev/null")
    n2.start()
    wait_for(lambda: "is missing" in n2.replica().get("error", ""), 60, "n2 says what is missing")
    rig.check(MAPPING not in n2.guest.run("dmsetup ls").out, "n2 has it open")
    wait_for(lambda: n1.knows_device("db"), 60, "n1 has the device")
    n1.mount_volume("db")
    rig.check(n1.guest.run("sha256sum /vol/file /vol/more", 60).out == want, "the files changed")
    n1.guest.run("dd if=/dev/urandom of=/vol/file bs=64k count=128 conv=fsync", 120)
    want = n1.guest.run("sha256sum /vol/file /vol/more", 60).out
    wait_for(lambda: n1.guest.run("sdsd volume replace db n2", check=False).status == 0, 60)
    safe(n1)
    rig.check(n2.volumes("fast") == ["db_00000.cache"], "n2 has no new cache")
    n1.guest.run("umount /vol")
    wait_for(lambda: n2.knows_device("db"), 60, "n2 has the device")
    n2.mount_volume("db")
    rig.check(n2.guest.run("sha256sum /vol/file /vol/more", 60).out == want, "the files changed")
    n2.guest.run("umount /vol")
    wait_for(lambda: n1.guest.run("sdsd volume delete db", check=False).status == 0, 60)
    for node in (n1, n2):
        wait_for(lambda: node.volumes("vg") + node.volumes("fast") == [] and
                 MAPPING not in node.guest.run("dmsetup ls").out, 60, node.name + " has let go of it")


@at_most(1800)
def case_storage_cache_cut(rig):
    """All nodes lose their power at one moment, twice, with blocks that are in caches only, and with
    caches that are full: what was written to stable storage is there, all copies become equal."""
    n1, n2, n3 = nodes = cached(rig, VOLATILE, "128M", "16M")
    book = Ledger(rig, nodes)
    for seed in 1, 2:
        writing = book.write(n1, "db", sync=True)
        load = Load(n1, n1.device("db"), size="32m", iops=80)
        safe(n1)
        writing.goes_on(240, more=120)
        dirty = [n.dirty() for n in (n1, n2)]
        for node in nodes:
            node.guest.kill()
        for node in nodes:
            node.guest.power_cut(seed)
        writing.look()
        rig.check(not writing.errors and load.job.status is None, "a write has failed")
        rig.check(min(dirty) > 0, "nothing was in the caches")
        figure(rig, "in the caches only: %s blocks" % dirty)
        all_back(nodes)
        for node in nodes:
            book.bring(node)
        wait_for(lambda: n2.knows_device("db"), 90, "n2 has the device")
        began = time.monotonic()
        elsewhere = book.write(n2, "db", sync=True)
        elsewhere.goes_on(120)
        figure(rig, "writable on n2 after %.1f s" % (elsewhere.acks[0][0] - began))
        safe(n2)
        elsewhere.end()
        book.judge(n2, "db")
        wait_for(lambda: n1.knows_device("db"), 90, "n1 has the device")
        book.judge(n1, "db")
        wait_for(lambda: n1.sum(128) == n2.sum(128), 60, "the copies are alike")


@at_most(1200)
def case_storage_cache_lost(rig):
    """The writer and its copy lose their power, and the copy its cache: the other copy has all that
    was acknowledged, and serves."""
    n1, n2, n3 = cached(rig, VOLATILE)
    n1.guest.run("mkfs.ext4 -q -E nodiscard %s" % n1.device("db"), 120)
    n1.mount_volume("db")
    n1.guest.run("dd if=/dev/urandom of=/vol/file bs=64k count=128 conv=fsync", 120)
    want = n1.guest.run("sha256sum /vol/file").out
    safe(n1)
    rig.check(n1.dirty() > 0, "nothing is in the cache")
    n1.guest.power_cut(seed=3)
    n2.mount_volume("db")
    rig.check(n2.guest.run("sha256sum /vol/file").out == want, "the file has changed")
    n1.guest.start()
    n1.guest.wait()
    n1.mount()
    n1.guest.run("vgchange -ay fast 2>/dev/null; dd if=/dev/zero of=/dev/mapper/fast-db_00000.cache "
                 "bs=4k seek=256 count=1 conv=fsync,notrunc 2>/dev/null")
    n1.start()
    wait_for(lambda: "superblock is damaged" in n1.replica().get("error", ""), 60, "n1 says so")
    rig.check(MAPPING not in n1.guest.run("dmsetup ls").out, "n1 has it open")
    n2.guest.run("dd if=/dev/urandom of=/vol/more bs=64k count=64 conv=fsync; umount /vol", 120)
    n2.cli("volume replace db n1")
    safe(n2)
    wait_for(lambda: n1.sum(64) == n2.sum(64), 60, "the copies are alike")
