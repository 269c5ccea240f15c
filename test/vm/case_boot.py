# SPDX-License-Identifier: GPL-2.0-or-later
"""The rig itself: does it do what other cases build upon?"""
import os

from channel import GuestGone
from ledger import Ledger
from rig import Disk, quick, wait_for


@quick
def case_boot(rig):
    """A guest boots; commands, files, disks and modules work; its kernel has no complaints."""
    lab = rig.lab(disks=[Disk(64), Disk(400)])
    g = lab.guests[0]
    rig.check(g.run("uname -r").out.strip() == rig.image.kernel.release, "another kernel")
    rig.check(g.run("cat /sys/block/vd[ab]/serial").out.replace("\n", "") == "disk0disk1",
              "disks have no serials")
    rig.check(g.run("exit 7", check=False).status == 7, "exit status")
    rig.check(g.run("kill -9 $$", check=False).status == 137, "status of a signal")
    rig.check(g.run("cat; echo e >&2", stdin=b"abc").out == "abc", "standard input")
    try:
        g.run("sleep 60", timeout=0.5)
        rig.check(False, "no timeout")
    except TimeoutError:
        pass
    data = os.urandom(3 << 20)
    g.push(data, "/tmp/file", 0o750)
    rig.check(g.pull("/tmp/file") == data, "pushed and pulled is not the same")
    rig.check(g.run("stat -c %a /tmp/file").out == "750\n", "permissions")
    g.run("mkfs.ext4 -q /dev/vda && mount /dev/vda /mnt && cp /tmp/file /mnt && umount /mnt")
    g.run("mkfs.xfs -q /dev/vdb && mount /dev/vdb /mnt && cp /tmp/file /mnt && umount /mnt")
    g.run("modprobe -a " + " ".join(MODULES))
    g.run("fio --name=t --filename=/dev/vda --size=2m --rw=randwrite --bs=4k --direct=1 "
          "--ioengine=libaio --iodepth=8 --verify=crc32c")


MODULES = ("brd null_blk loop nbd drbd tls dm_thin_pool dm_snapshot dm_crypt dm_writecache "
           "dm_cache_smq dm_log_writes dm_flakey dm_delay sch_netem").split()


@quick
def case_complaints(rig):
    """What a kernel complains about is found: a word, a hung task, a panic."""
    lab = rig.lab()
    g = lab.guests[0]
    rig.check(lab.problems() == [], "complaints before anything happened: %s" % lab.problems())
    g.run("echo '<4>WARNING: CPU: 0 of no consequence' >/dev/kmsg")
    wait_for(lambda: len(lab.problems()) == 1, 10, "WARNING is found")
    g.run("echo 1 >/proc/sys/kernel/hung_task_timeout_secs; "
          "modprobe -a dm_zero ext4; dmsetup create d --table '0 2048 zero' && dmsetup suspend --nolockfs d")
    # Not dd: it waits where it can be killed, which counts as no hang.
    g.start_job("mount -t ext4 /dev/mapper/d /mnt")
    wait_for(lambda: any("blocked for more than" in p for p in lab.problems()), 30,
             "a hung task is found")
    try:
        g.run("echo c >/proc/sysrq-trigger", 20)
        rig.check(False, "the guest survives its panic")
    except GuestGone:
        pass
    wait_for(lambda: not g.alive(), 10, "QEMU ends with its guest")
    rig.check(any("Kernel panic" in p for p in lab.problems()), "a panic is found")
    rig.expect(".")


@quick
def case_power_cut(rig):
    """After a power cut a disk has what was flushed; a volatile one loses some of the rest."""
    lab = rig.lab(disks=[Disk(64), Disk(64, volatile=True)])
    g = lab.guests[0]
    for disk in "ab":
        g.run("mkfs.ext4 -q /dev/vd{0} && mkdir /mnt/{0} && mount /dev/vd{0} /mnt/{0}"
              .format(disk))
        g.run("dd if=/dev/urandom of=/mnt/%s/kept bs=64k count=16 conv=fsync" % disk)
    sums = g.run("cat /mnt/a/kept | sha256sum; cat /mnt/b/kept | sha256sum").out
    # Written past the file system and not flushed: in the disk's cache only.
    g.run("umount /mnt/b; dd if=/dev/zero of=/dev/vdb bs=1M seek=60 count=2 oflag=direct "
          "conv=fsync; yes lost | dd of=/dev/vdb bs=4k seek=15360 count=512 iflag=fullblock "
          "oflag=direct")
    g.run("echo 1 >/mnt/a/not-flushed")
    g.power_cut(seed=1)
    g.start()
    g.wait()
    g.run("mkdir -p /mnt/a /mnt/b; mount /dev/vda /mnt/a; mount /dev/vdb /mnt/b")
    now = g.run("cat /mnt/a/kept | sha256sum; cat /mnt/b/kept | sha256sum").out
    rig.check(now == sums, "a file that was flushed has changed")
    blocks = g.run("dd if=/dev/vdb bs=1M skip=60 count=2 iflag=direct").raw
    there = sum(blocks[i:i + 4] == b"lost" for i in range(0, len(blocks), 4096))
    rig.check(0 < there < 512, "%d of 512 writes that were not flushed are there" % there)


class DiskNode:
    """A guest whose own disk is what a ledger takes for a volume."""

    def __init__(self, guest):
        self.guest = guest
        self.name = guest.name

    def device(self, volume):
        return "/dev/" + volume


@quick
def case_ledger(rig):
    """An application whose machine loses its power: what was acknowledged is known, what was lost is
    seen."""
    node = DiskNode(rig.lab(disks=[Disk(16, volatile=True)]).guests[0])
    g = node.guest
    book = Ledger(rig, [node], blocks=256)
    writing = book.write(node, "vda", sync=True)
    writing.goes_on(more=300)
    g.restart()
    writing.look()
    book.bring(node)
    book.judge(node, "vda")
    writing = book.write(node, "vda", sync=True)
    writing.goes_on(more=300)
    writing.end()
    book.judge(node, "vda")
    rig.check(book.compare({}) != [], "a disk without anything passes")
    last = writing.runs[2].acked
    for number, what in (last - 1, "an old block"), (last, "the last block"):
        found = book.read(node, "vda")
        for wrong in [0], [number - 1], [number] * 7 + [0], [-1]:
            found[book.block_of(2, number)] = wrong
            rig.check(len(book.compare(found)) == 1, "%s that holds %s passes" % (what, wrong))
    # Without a flush the disk loses some of what it said was written.
    writing = book.write(node, "vda", pause_ms=0)
    writing.goes_on(more=2000)
    g.restart()
    writing.look()
    book.bring(node)
    old = book.read(node, "vda")
    rig.check(book.compare(old) != [], "nothing was lost, or it is not seen")
    book.begin_again(node, "vda")
    writing = book.write(node, "vda", sync=True)
    writing.goes_on(more=100)
    writing.end()
    book.judge(node, "vda")
    rig.check(book.compare(old) != [], "what was there before passes")


def case_links(rig):
    """Guests reach each other; cables are pulled, packets lost in one direction, time stands."""
    lab = rig.lab(guests=2)
    a, b = lab.guests
    ping = "ping -c 1 -W 2 %s" % b.address
    a.run(ping)
    a.link(False)
    rig.check(a.run(ping, check=False).status != 0, "a pulled cable carries")
    a.link(True)
    wait_for(lambda: a.run(ping, check=False).status == 0, 20, "the cable carries again")
    # One way: b still gets requests, its answers are lost.
    b.drop(to=[a])
    before = received(b)
    rig.check(a.run(ping, check=False).status != 0, "dropped packets arrive")
    rig.check(received(b) > before, "the other direction is cut as well")
    b.pass_all()
    a.drop(from_=[b])
    rig.check(a.run(ping, check=False).status != 0, "dropped packets are taken")
    a.pass_all()
    a.run(ping)
    b.pause()
    rig.check(a.run(ping, check=False).status != 0, "a paused guest answers")
    b.resume()
    wait_for(lambda: a.run(ping, check=False).status == 0, 20, "a resumed guest answers")
    b.power_cut()
    b.start()
    b.wait()
    a.run(ping)


def received(guest):
    """ICMP messages it got"""
    lines = guest.run("grep '^Icmp:' /proc/net/snmp").out.splitlines()
    return int(dict(zip(lines[0].split(), lines[1].split()))["InMsgs"])
