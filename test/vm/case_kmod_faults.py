# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel module when something below or beside it goes wrong, all nodes in one guest."""
import re

from kmod import kmod_lab, status
from rig import Skip, at_most, wait_for

# The data device of the second node is a table that can be changed under way.
DM = ("modprobe -a dm_mod dm_delay; "
      "dmsetup create d2 --table '0 131072 linear /dev/ram2 0'; dmsetup mknodes; ")
PAIR = ("rvolctl pair /dev/ram0 /dev/ram1 %s /dev/ram3 --daemon --record /tmp/record "
        "--log /tmp/rvolctl.log")
# It never makes a file of that name where the device has gone.
FIO = ("fio --allow_file_create=0 --name=t --filename=/dev/rvol0 --size=32m --bs=4k --direct=1 "
       "--ioengine=libaio "
       "--iodepth=8 --output=/tmp/fio.out ")


def hold_open(guest):
    """Opened for writing until let_go(); both copies are in sync when this returns."""
    guest.run("sleep 100000 </dev/null 9<>/dev/rvol0 >/dev/null 2>&1 & echo $! >/tmp/holder")
    wait_for(lambda: status(guest)[0].get("peer1") == "member", 60, "both copies in sync")


def let_go(guest):
    guest.run("kill $(cat /tmp/holder)")
    wait_for(lambda: all(s["role"] == "idle" for s in status(guest).values()), 20, "released")


def same(guest, other="/dev/ram2"):
    guest.run("blockdev --flushbufs /dev/ram0 %s; cmp /dev/ram0 %s" % (other, other), 120)


def change_table(guest, table):
    guest.run("dmsetup suspend --nolockfs --noflush d2 && dmsetup load d2 --table '0 131072 %s' && "
              "dmsetup resume d2" % table)


def start_pair(rig, dm=True):
    guest = kmod_lab(rig).guests[0]
    guest.run((DM if dm else "") + PAIR % ("/dev/mapper/d2" if dm else "/dev/ram2"), 120)
    hold_open(guest)
    return guest


def case_kmod_ops(rig):
    """Odd sizes, sector-aligned bios, discards, write-zeroes, FUA: both copies are the same, and
    what was discarded reads as zeros."""
    g = start_pair(rig, dm=False)
    g.run(FIO + "--rw=randwrite --bsrange=512-128k --blockalign=512 --sync=1 --number_ios=%d"
          % rig.fewer(400), 300)
    g.run(FIO + "--rw=randtrimwrite --bsrange=4k-64k --blockalign=4k --number_ios=%d"
          % rig.fewer(400), 300)
    g.run("dd if=/dev/urandom of=/dev/rvol0 bs=1M count=16 oflag=direct 2>/dev/null; "
          "blkdiscard -o 1536 -l 9000448 /dev/rvol0; blkdiscard -z -o 10485760 -l 4194304 /dev/rvol0")
    g.run("dd if=/dev/rvol0 bs=512 skip=3 count=17579 iflag=direct 2>/dev/null | cmp -n 9000448 - "
          "/dev/zero")
    let_go(g)
    same(g)
    g.run("rvolctl del && rmmod rvol")


def case_kmod_copies(rig):
    """Memory that changes while it is written: the copies are alike, also when the second one joins
    meanwhile; not when nothing is to be copied, so this can be seen. Then pages of the page cache
    that are not copied."""
    g = kmod_lab(rig, cpus=2).guests[0]
    g.run(PAIR % "/dev/ram2", 120)
    g.run("churn /dev/rvol0 15", 120)  # opens it: with one copy, the other joins
    for way in "always", "direct", "never":
        hold_open(g)
        g.run("rvolctl tell 1 copy-%s" % way)
        g.run("churn /dev/rvol0 10", 120)
        if way == "never":
            break
        g.run("dd if=/dev/urandom of=/dev/rvol0 bs=1M seek=8 count=24 conv=fsync 2>/dev/null")
        g.run(FIO.replace("--direct=1", "--direct=0") +
              "--rw=randwrite --bsrange=512-64k --verify=crc32c --number_ios=400 --fsync=20", 300)
        let_go(g)
        same(g)
    let_go(g)
    g.run("blockdev --flushbufs /dev/ram0 /dev/ram2; ! cmp -s /dev/ram0 /dev/ram2")
    g.run("rvolctl del && rmmod rvol")


def case_kmod_flushes(rig):
    """A copy's cache is flushed when the application asks for it, and not otherwise."""
    g = start_pair(rig, dm=False)
    flushes = "rvolctl status | sed -n 's/.* flushes=\\([0-9]*\\) lower_flushes=\\([0-9]*\\)/\\1 \\2/p'"
    before = [list(map(int, line.split())) for line in g.run(flushes).out.splitlines()]
    g.run(FIO + "--rw=randwrite --number_ios=%d" % rig.fewer(2000), 300)
    quiet = [list(map(int, line.split())) for line in g.run(flushes).out.splitlines()]
    rig.check(quiet == before, "flushes that nobody asked for: %s, %s" % (before, quiet))
    g.run(FIO + "--rw=randwrite --number_ios=%d --fsync=10" % rig.fewer(1000), 300)
    after = [list(map(int, line.split())) for line in g.run(flushes).out.splitlines()]
    asked = after[0][0] - quiet[0][0]
    rig.check(asked >= rig.fewer(90), "fio asked for %d flushes" % asked)
    for node in 0, 1:
        done = after[node][1] - quiet[node][1]
        rig.check(0 < done <= asked, "node %d: %d flushes for %d" % (node + 1, done, asked))
    let_go(g)
    g.run("rvolctl del && rmmod rvol")


def case_kmod_flush_after_flush(rig):
    """A write that is under way when a flush begins is not covered by it: the next one does, on
    every volume."""
    g = kmod_lab(rig).guests[0]
    # long enough for three requests to be made meanwhile, one after another
    g.run("modprobe -a dm_mod dm_delay; dmsetup create d2 --table "
          "\"0 131072 delay /dev/ram2 0 0 /dev/ram2 0 %d\"; dmsetup mknodes; "
          "rvolctl one /dev/ram0 /dev/ram1 /dev/mapper/d2 /dev/ram3 --dirty --daemon"
          % (4000 * rig.image.kernel.patience), 120)
    g.run("sleep 100000 </dev/null 9<>/dev/rvol1 >/dev/null 2>&1 & echo $! >/tmp/holder")
    wait_for(lambda: status(g)[0]["role"] == "writer", 60, "it is served")
    write = "exec dd if=/dev/urandom of=/dev/rvol1 bs=4k count=1 seek=%d oflag=direct"
    flush = "exec dd if=/dev/null of=/dev/rvol1 conv=fsync,notrunc"
    jobs = []
    for n, job in enumerate((write % 1, flush, write % 2)):
        jobs.append(g.start_job(job))
        wait_for(lambda: status(g)[0]["requests"] == str(n + 1), 30, "%d requests" % (n + 1))
    for job in jobs:
        job.wait(120)
    before = lower_flushes(g)
    g.run(flush, 120)
    rig.check(lower_flushes(g) == before + 1, "the last write was not flushed")
    g.run("kill $(cat /tmp/holder); rvolctl del --force; rmmod rvol; dmsetup remove d2")


def lower_flushes(guest):
    """of volume 1"""
    return int(re.search(r"volume=1 .* lower_flushes=(\d+)", guest.run("rvolctl status").out)[1])


def case_kmod_disk_error(rig):
    """A copy's disk fails under writes: the application notices nothing, the copy leaves the set."""
    g = start_pair(rig)
    job = g.start_job(FIO + "--rw=randwrite --verify=crc32c --time_based --runtime=10")
    g.run("sleep 2")
    change_table(g, "error")
    job.wait(120)
    s = status(g)
    rig.check(s[0]["in_sync"] == "0x1", "the set is %s" % s[0]["in_sync"])
    rig.check(s[1]["mode"] == "failed" and s[1]["disk_error"] != '""', "node 2: %s" % s[1])
    g.run("rvolctl del --force; kill $(cat /tmp/holder); sleep 1; rmmod rvol")


def case_kmod_hung_disk(rig):
    """A copy's disk answers nothing any more: writes go on after 30 s, nothing else waits for it,
    and it can be deleted while it hangs."""
    g = start_pair(rig)
    rig.expect("its disk has failed|blocked for more than")
    g.run("dmsetup suspend --nolockfs --noflush d2")
    g.run(FIO + "--rw=randwrite --number_ios=200", 90)
    rig.check(status(g)[0]["in_sync"] == "0x1", "the set is %s" % status(g)[0]["in_sync"])
    g.run("rvolctl del --force", 10)
    g.run("dmsetup resume d2; kill $(cat /tmp/holder); sleep 2; rmmod rvol")


TRACE = "/sys/kernel/debug/tracing/"


def case_kmod_read_ahead(rig):
    """What is read ahead may fail for no bad reason, and a failed read is the end of a copy: the
    own disk is not told that it is only that."""
    g = start_pair(rig, dm=False)
    if g.run("[ -e %sevents/block/block_bio_queue ]" % TRACE, check=False).status:
        raise Skip("this kernel traces no bios")
    g.run("blockdev --flushbufs /dev/rvol0; echo 1 >%sevents/block/block_bio_queue/enable; "
          "dd if=/dev/rvol0 of=/dev/null bs=4k count=256" % TRACE)
    seen = g.run("cat %strace" % TRACE).out
    major = int(g.run("stat -c %t /dev/rvol0").out, 16)
    rig.check(re.search(r"block_bio_queue: %d,0 RA " % major, seen), "nothing was read ahead")
    rig.check(re.search(r"block_bio_queue: 1,0 R", seen), "the own disk was not read")
    rig.check(not re.search(r"block_bio_queue: 1,0 RA", seen), "the own disk was read ahead")
    let_go(g)
    g.run("rvolctl del && rmmod rvol")


def case_kmod_end_slow(rig):
    """Deleted while writes are at slow disks, of both copies or of the only one, or wait for its
    metadata: all is given back when the disks answer."""
    g = kmod_lab(rig).guests[0]
    # long enough to be looked at and deleted meanwhile
    g.run("modprobe -a dm_mod dm_delay; for d in 0 2; do dmsetup create d$d --table "
          "\"0 131072 delay /dev/ram$d 0 0 /dev/ram$d 0 %d\"; done; dmsetup mknodes"
          % (4000 * rig.image.kernel.patience))
    for nodes in "pair /dev/mapper/d0 /dev/ram1 /dev/mapper/d2 /dev/ram3", \
                 "one /dev/mapper/d0 /dev/ram1", "one /dev/ram1 /dev/mapper/d2":
        g.run("rvolctl %s --dirty --daemon" % nodes, 120)
        g.run("sleep 100000 </dev/null 9<>/dev/rvol0 >/dev/null 2>&1 & echo $! >/tmp/holder")
        wait_for(lambda: status(g)[0]["role"] == "writer", 60, "it is served")
        job = g.start_job("dd if=/dev/urandom of=/dev/rvol0 bs=4k count=1 oflag=direct")
        wait_for(lambda: status(g)[0]["requests"] != "0", 30, "the write is under way")
        g.run("rvolctl del --force; kill $(cat /tmp/holder)")
        rig.check(job.wait(30, check=False).status != 0, "the write has not failed")
        g.run("rmmod rvol && modprobe rvol plain=1", 30)
    g.run("dmsetup remove d0 && dmsetup remove d2")


def case_kmod_slow_disk(rig):
    """A copy whose disk is slow holds writes up by as much, and nothing is lost."""
    g = start_pair(rig)
    change_table(g, "delay /dev/ram2 0 20")
    g.run(FIO + "--rw=randwrite --verify=crc32c --number_ios=%d" % rig.fewer(500), 200)
    rig.check(status(g)[0]["in_sync"] == "0x3", "the set is %s" % status(g)[0]["in_sync"])
    change_table(g, "linear /dev/ram2 0")
    let_go(g)
    same(g)
    g.run("rvolctl del && rmmod rvol")


def case_kmod_alone(rig):
    """The process that answers is stopped: reads and writes go on. It is not asked for anything."""
    g = start_pair(rig, dm=False)
    g.run("kill -STOP $(pidof rvolctl)")
    g.run(FIO + "--rw=randrw --verify=crc32c --time_based --runtime=30", 120)
    g.run("kill -CONT $(pidof rvolctl)")
    let_go(g)
    same(g)
    g.run("rvolctl del && rmmod rvol")


def case_kmod_probes(rig):
    """Who only looks at the devices never makes a node the writer."""
    g = start_pair(rig, dm=False)
    g.run("mkfs.ext4 -q /dev/rvol0", 120)
    let_go(g)
    before = {k: s["event"] for k, s in status(g).items()}
    job = g.start_job("for i in $(seq 30); do blkid -p /dev/rvol0 /dev/rvol1; "
                      "lvm pvs >/dev/null 2>&1; dd if=/dev/rvol1 of=/dev/null bs=4k count=1; done")
    out = job.wait(120, check=False).out
    rig.check(out.count('TYPE="ext4"') >= 30, "blkid does not see the file system: %s" % out[:300])
    rig.check(all(s["role"] == "idle" for s in status(g).values()), "a probe made a writer")
    rig.check(before == {k: s["event"] for k, s in status(g).items()}, "probes made events")
    g.run("rvolctl del && rmmod rvol")


def case_kmod_nested(rig):
    """A volume of the module is no disk for another one, and is not opened to find that out."""
    g = kmod_lab(rig, ram=5).guests[0]
    g.run(PAIR % "/dev/ram2", 120)
    # the data device would be written to by who makes it: that of the metadata is the volume
    done = g.run("rvolctl one /dev/ram4 /dev/rvol0 --name n --minor 8 --dirty 2>&1", 60, check=False)
    rig.check(done.status != 0 and "is a volume of this module" in done.out, done.out)
    g.run("rvolctl del --force; rmmod rvol")


@at_most(1200)
def case_kmod_leaks(rig):
    """Made and deleted a hundred times, also under writes: the module goes, and its memory is back."""
    g = kmod_lab(rig).guests[0]
    free = ("sync; echo 3 >/proc/sys/vm/drop_caches; sleep 1; "
            "awk '/MemFree|^Slab|VmallocUsed/ {print $2}' /proc/meminfo")

    def round_of(writes):
        g.run(PAIR % "/dev/ram2" + " --dirty", 60)
        if writes:
            g.run("(fio --allow_file_create=0 --name=t --filename=/dev/rvol0 --size=16m "
                  "--rw=randwrite --bs=4k --direct=1 "
                  "--ioengine=libaio --iodepth=8 --runtime=100 --time_based >/dev/null 2>&1 &) ; "
                  "sleep 0.5", 60)
        g.run("rvolctl del --force; while pidof rvolctl fio >/dev/null; do sleep 0.05; done", 60)

    for i in range(5):
        round_of(True)
    before = list(map(int, g.run(free).out.split()))
    for i in range(rig.fewer(100)):
        round_of(i % 5 == 0)
    after = list(map(int, g.run(free).out.split()))
    rig.check(before[0] - after[0] < 4096, "free memory went from %d to %d KiB" %
              (before[0], after[0]))
    g.run("rmmod rvol")
