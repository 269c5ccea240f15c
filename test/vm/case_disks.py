# SPDX-License-Identifier: GPL-2.0-or-later
"""Pools that sdsd makes of disks: which it takes, which it leaves alone, and what becomes of them."""
import re

from case_demo_user import Node
from channel import CommandFailed
from ledger import Load
from rig import Disk, at_most, wait_for

# what each disk of the first case is, by its letter; a is that of the node's own files
EMPTY, EXT4, FOREIGN, TABLE, HELD, SWAP, MOUNTED = "bcdefgh"
PREPARE = """
mkfs.ext4 -q /dev/vdc
pvcreate -q /dev/vdd && vgcreate -q foreign /dev/vdd
# a partition of type 83, 32 MiB from sector 2048 on
printf '\\0\\0\\0\\0\\203\\0\\0\\0\\0\\010\\0\\0\\0\\0\\001\\0' | dd of=/dev/vde bs=1 seek=446 conv=notrunc
printf '\\125\\252' | dd of=/dev/vde bs=1 seek=510 conv=notrunc
blockdev --rereadpt /dev/vde
echo "0 65536 linear /dev/vdf 0" | dmsetup create taker
mkswap /dev/vdg && swapon /dev/vdg
# the kernel initialises no tables later, which would be a write to this disk
mkfs.ext4 -q /dev/vdh
mkdir -p /other && mount -o ro /dev/vdh /other
"""
FIRST = "for d in b c d e f g h; do dd if=/dev/vd$d bs=1M count=1 2>/dev/null | sha256sum; done"


class Lister(Node):
    def disks(self):
        return {d["device"]: d for d in self.json("disk list --node " + self.name) if "device" in d}

    def looked(self):
        """when all disks are in the list; it is made every 15 s"""
        return wait_for(lambda: self.disks() if "/dev/vda" in self.disks() else None, 60,
                        "the disks are listed")

    def pool(self, name):
        found = [p for p in self.json("pool list") if p["storage_pool_name"] == name]
        return found[0] if found else None

    def said(self, name):
        return "; ".join(r["message"] for r in self.pool(name)["reports"])

    def made(self, name, timeout=120):
        return wait_for(lambda: (self.pool(name) or {}).get("total_capacity"), timeout,
                        "pool %s is there" % name)

    def settled(self, name, timeout=240):
        wait_for(lambda: self.pool(name) and not self.pool(name)["reports"], timeout,
                 "pool %s has nothing to do" % name, interval=1)

    def refused(self, rig, words, pattern):
        try:
            said = self.cli(words, 120)
        except CommandFailed as e:
            rig.check(re.search(pattern, str(e)), "%s: refused otherwise: %s" % (words, e))
            return
        raise AssertionError("%s: not refused: %s" % (words, said))


def one(rig, disks, make_lab=None, kind=None):
    rig.log("/mnt/sdsd.log")
    lab = (make_lab or rig.lab)(guests=1, disks=[Disk(256)] + disks,
                                files={"/usr/bin/sdsd": rig.sdsd()})
    n1 = (kind or Lister)(lab.guests[0])
    n1.address = "127.0.0.1:7700"   # a guest alone has no network
    n1.guest.run("modprobe -a dm_mod dm_thin_pool dm_mirror")
    n1.format()
    n1.cli("init --name n1 --address %s --dir /mnt/state" % n1.address)
    return n1


@at_most(900)
def case_disks_list(rig):
    """Each disk is listed with what is on it and why it is not usable; none of them is taken, nor
    touched, unless it is only its content and somebody has said wipe."""
    n1 = one(rig, [Disk(96) for _ in "bcdefgh"])
    guest = n1.guest
    guest.run(PREPARE, 120)
    n1.start()
    found = n1.looked()
    want = {
        "/dev/vda": ("ext4", "it is mounted at /mnt", False),
        "/dev/vdb": ("", "", False),
        "/dev/vdc": ("ext4", "it is not empty: ext4", True),
        "/dev/vdd": ("LVM physical volume", "it is not empty: LVM physical volume", True),
        "/dev/vde": ("partition table dos", "it has partitions (vde1)", True),
        "/dev/vde1": ("", "", False),
        "/dev/vdf": ("", "it is held by dm-0 (taker)", False),
        "/dev/vdg": ("swap", "it is in use as swap", False),
        "/dev/vdh": ("ext4", "it is mounted at /other", False),
    }
    for device, expected in want.items():
        d = found[device]
        rig.check((d["content"], d["reason"], d["wipeable"]) == expected,
                  "%s is listed as %s" % (device, d))
    before = guest.run(FIRST).out.splitlines()
    for letter, why in ((EXT4, "not empty: ext4"), (FOREIGN, "LVM physical volume"),
                        (TABLE, "has partitions"), (HELD, "held by dm-0"), (SWAP, "as swap"),
                        (MOUNTED, "mounted at /other")):
        n1.refused(rig, "pool create n1 ssd --device /dev/vd%s --device /dev/vd%s"
                   % (EMPTY, letter), why)
    for letter, why in ((HELD, "held by dm-0"), (SWAP, "as swap"), (MOUNTED, "mounted at /other")):
        n1.refused(rig, "pool create n1 ssd --wipe --device /dev/vd%s" % letter, why)
    rig.check(n1.pool("ssd") is None, "a refused pool is there")

    # what the leader has no report of is refused by the node, and can be given up
    guest.run("mkdir -p /dev/alias; for d in c h; do ln -s ../vd$d /dev/alias/$d; done")
    for name, words, why in (("one", "--device /dev/alias/c", "not empty: ext4"),
                             ("two", "--wipe --device /dev/alias/h", "mounted at /other"),
                             ("three", "--device /dev/vdz", "no such device")):
        n1.cli("pool create n1 %s --device /dev/vdb %s" % (name, words), 120)
        rig.check(why in n1.said(name), "%s: the pool says %s" % (name, n1.said(name)))
        n1.cli("pool delete n1 " + name)
    touched = [d for d, old, new in zip("bcdefgh", before, guest.run(FIRST).out.splitlines())
               if old != new]
    rig.check(not touched, "refused disks were touched: vd%s" % ", vd".join(touched))
    rig.check(guest.run("vgs --noheadings -o vg_name").out.split() == ["foreign"], "groups")

    n1.cli("pool create n1 wiped --kind lvm --wipe --device /dev/vdc --device /dev/vde", 120)
    n1.made("wiped")
    rig.check(guest.run("ls /dev/vde*").out.split() == ["/dev/vde"], "the partition is still there")
    rig.check(guest.run("pvs --noheadings -o pv_name -S vg_name=sdsd_wiped").out.split() ==
              ["/dev/vdc", "/dev/vde"], "not of these devices")
    n1.refused(rig, "pool create n1 more --wipe --device /dev/vdc", "belongs to pool n1/wiped")


@at_most(1200)
def case_disks_life(rig):
    """A thin pool of a disk; a volume in it; a second disk; the first one is replaced while the
    volume is written; in the end the disks are empty."""
    n1 = one(rig, [Disk(192) for _ in "bcd"])
    guest = n1.guest
    n1.start()
    n1.looked()
    n1.cli("pool create n1 ssd --device /dev/vdb", 120)
    small = n1.made("ssd")
    attr = guest.run("lvs --noheadings -o lv_attr,lv_when_full sdsd_ssd/thin").out.split()
    rig.check(attr[0][0] == "t" and attr[0][7] == "z" and attr[1] == "error", "the pool is %s" % attr)
    n1.cli("volume create db 96M --copies 1")
    wait_for(lambda: n1.verdict("db") in ("safe", "at risk", "degraded"), 60, "it is there")
    wait_for(lambda: guest.run("[ -S /run/sdsd/nbd/db-0.sock ]", check=False).status == 0, 60,
             "its socket")
    n1.open("db", "/dev/nbd0")
    load = Load(n1, "/dev/nbd0")

    n1.cli("pool extend n1 ssd --device /dev/vdc", 120)
    wait_for(lambda: n1.pool("ssd")["total_capacity"] > small * 1.7, 120, "it has grown")
    n1.settled("ssd")
    n1.refused(rig, "pool replace-disk n1 ssd /dev/vdb /dev/vdb", "by itself")
    n1.cli("pool replace-disk n1 ssd /dev/vdb /dev/vdd", 120)
    n1.settled("ssd")
    rig.check(guest.run("pvs --noheadings -o pv_name").out.split() == ["/dev/vdc", "/dev/vdd"],
              "the disk was not replaced")
    rig.check(guest.run("blkid -p /dev/vdb", check=False).out == "", "the old disk is not empty")
    load.end()
    n1.refused(rig, "pool delete n1 ssd --destroy", "replicas")

    guest.run("nbd-client -d /dev/nbd0")
    n1.cli("volume delete db")
    wait_for(lambda: guest.run("lvs --noheadings -o lv_name sdsd_ssd").out.split() == ["thin"], 60,
             "its volumes are gone")
    guest.run("lvcreate -q -V 16M -T sdsd_ssd/thin -n mine")
    n1.cli("pool delete n1 ssd --destroy", 120)
    rig.check("sdsd_ssd/mine is there" in n1.said("ssd"), "not refused: %s" % n1.said("ssd"))
    guest.run("lvremove -y sdsd_ssd/mine")
    wait_for(lambda: n1.pool("ssd") is None, 120, "it is destroyed")
    rig.check(guest.run("pvs; vgs; lvs").out == "", "something of LVM is left")
    wait_for(lambda: [d["reason"] for d in n1.disks().values() if d["device"] != "/dev/vda"] ==
             [""] * 3, 60, "all disks are usable again")


@at_most(1200)
def case_disks_killed(rig):
    """sdsd and the tool that runs are killed at many moments while a pool is made and destroyed:
    the next sdsd finishes it."""
    n1 = one(rig, [Disk(192) for _ in "bc"])
    guest = n1.guest
    n1.start()
    n1.looked()
    for i in range(rig.fewer(8)):
        making = guest.start_job("sdsd pool create n1 pool%d --device /dev/vdb --device /dev/vdc" % i)
        guest.run("sleep %.1f; kill -9 $(pidof sdsd) $(pidof lvm pvcreate vgcreate lvcreate); true"
                  % (0.3 + 0.5 * i))
        making.wait(120, check=False)
        n1.start()
        if n1.pool("pool%d" % i) is None:
            n1.looked()
            n1.cli("pool create n1 pool%d --device /dev/vdb --device /dev/vdc" % i, 120)
        n1.made("pool%d" % i, 180)
        rig.check(guest.run("pvs --noheadings -o pv_name,vg_name").out.split() ==
                  ["/dev/vdb", "sdsd_pool%d" % i, "/dev/vdc", "sdsd_pool%d" % i], "not of both disks")
        rig.check(guest.run("lvs -a --noheadings -o lv_name sdsd_pool%d | wc -l" % i).out.strip() ==
                  "4", "not the pool and its parts alone")
        going = guest.start_job("sdsd pool delete n1 pool%d --destroy" % i)
        guest.run("sleep %.1f; kill -9 $(pidof sdsd) $(pidof lvm lvremove vgremove pvremove); true"
                  % (0.2 + 0.3 * i))
        going.wait(120, check=False)
        n1.start()
        if n1.pool("pool%d" % i):
            n1.cli("pool delete n1 pool%d --destroy" % i, 120)
        wait_for(lambda: n1.pool("pool%d" % i) is None, 180, "it is destroyed")
        rig.check(guest.run("pvs; vgs; lvs").out == "", "something of LVM is left")
