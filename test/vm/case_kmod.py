# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel module alone, all nodes in one guest (rvolctl)."""
import re

from kmod import in_sync, kmod_lab, status
from rig import at_most, quick, wait_for

PAIR = "rvolctl pair /dev/ram0 /dev/ram1 /dev/ram2 /dev/ram3 --daemon --record /tmp/record "


@quick
def case_kmod_refuses(rig):
    """Wrong netlink requests are refused with reasons; by chance, or two at once, they do no harm."""
    g = kmod_lab(rig, cpus=2).guests[0]
    done = g.run("nlcheck 1 %d %d" % (rig.fewer(20000), rig.fewer(1000)), 300, check=False)
    rig.check(done.status == 0, done.out)
    g.run("rmmod rvol")


@quick
def case_kmod_pair(rig):
    """Two copies: what is written is on both, the other node reads it, a copy that was away is
    brought in sync."""
    g = kmod_lab(rig).guests[0]
    g.run(PAIR + "--in-sync 1")
    g.run("fio --name=t --filename=/dev/rvol0 --size=16m --rw=randwrite --bs=4k --direct=1 "
          "--ioengine=libaio --iodepth=16 --fsync=64 --verify=crc32c --number_ios=%d"
          % rig.fewer(4096), 120)
    wait_for(lambda: in_sync(g, 0x3) or g.run("rvolctl tell 1 heal"), 30, "both are in sync")
    g.run("rvolctl tell 1 no-heal")
    wait_for(lambda: all(s["role"] == "idle" for s in status(g).values()), 10, "released")
    g.run("cmp /dev/ram0 /dev/ram2")
    g.run("mkfs.ext4 -q /dev/rvol1 && mount /dev/rvol1 /mnt && echo kept >/mnt/file && "
          "umount /mnt", 120)
    g.run("mount /dev/rvol0 /mnt && grep kept /mnt/file && umount /mnt")
    g.run("rvolctl del && rmmod rvol")


@quick
def case_kmod_again(rig):
    """The process that answers may end and come back; so may the module."""
    g = kmod_lab(rig).guests[0]
    g.run(PAIR)
    g.run("mkfs.ext4 -q /dev/rvol0 && mount /dev/rvol0 /mnt && echo kept >/mnt/file && sync", 120)
    g.run("kill $(pidof rvolctl)")
    g.run("echo without >/mnt/other && sync && umount /mnt")
    g.run(PAIR + "--adopt && mount /dev/rvol1 /mnt && grep kept /mnt/file && "
          "grep without /mnt/other && umount /mnt")
    g.run("rvolctl del; rmmod rvol; modprobe rvol plain=1")
    g.run(PAIR + "--keep && mount -o rw /dev/rvol0 /mnt && grep kept /mnt/file && umount /mnt")
    g.run("rvolctl del && rmmod rvol")


@at_most(900)
def case_kmod_renew(rig):
    """All links go over to other sockets again and again, under load and while a copy is brought in
    sync; nobody notices: same epoch, every byte where it was written."""
    g = kmod_lab(rig).guests[0]
    g.run(PAIR + "--in-sync 1 --renew 250 --log /tmp/rvolctl.log")
    holder = g.start_job("exec sleep 10000 3<>/dev/rvol0")
    fio(g, "randwrite", "4k")  # the other copy is a learner
    rig.check(any(within_one_epoch(rig, g) for _ in range(5)), "no round within one epoch")
    holder.signal(9)
    g.run("rvolctl del --force && cmp /dev/ram0 /dev/ram2 && rmmod rvol")


def within_one_epoch(rig, g):
    """False: the machine was so busy that a node was silent for too long."""
    wait_for(lambda: in_sync(g, 0x3), 120, "both are in sync")
    epoch, before = status(g)[0]["epoch"], renewed(g)
    for rw, size in (("randwrite", "4k"), ("randrw", "64k"), ("write", "1m")):
        fio(g, rw, size)
    after = renewed(g)
    said = g.run("dmesg | grep 'rules of renewals\\|next socket\\|after its SWITCH'; true").out
    rig.check(said == "", said)
    if status(g)[0]["epoch"] != epoch or before.keys() != after.keys():
        return False
    times = [after[link] - before[link] for link in before]
    rig.check(len(times) == 2 and min(times) >= 10, "renewed: %s" % times)
    return True


@quick
def case_kmod_renew_steps(rig):
    """A renewal by hand: sockets that end at each step, messages that must not come."""
    g = kmod_lab(rig).guests[0]
    done = g.run("renewcheck", 300, check=False)
    rig.check(done.status == 0, done.out)
    g.run("rmmod rvol")


def fio(guest, rw, size):
    guest.run("fio --name=t --filename=/dev/rvol0 --size=48m --rw=%s --bs=%s --direct=1 "
              "--ioengine=libaio --iodepth=16 --fsync=64 --verify=crc32c --runtime=8 "
              "--time_based=1" % (rw, size), 300)


def renewed(guest):
    """How often each link was renewed: {(slot, link): times}."""
    found = {}
    for line in guest.run("rvolctl links").out.splitlines():
        pairs = dict(re.findall(r"(\w+)=(\S+)", line))
        found[int(pairs["slot"]), int(pairs["link"])] = int(pairs["renewed"])
    return found
