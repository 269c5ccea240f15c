# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel module at work in ways that a kernel with checks (make vm-debug) has opinions about:
lifetimes, locks, leaks. They run under any kernel."""
from kmod import in_sync, kmod_lab, status
from rig import Skip, at_most, wait_for

PAIR = "rvolctl pair /dev/ram0 /dev/ram1 /dev/ram2 /dev/ram3 --daemon --record /tmp/record "
FIO = "fio --name=t --filename=/dev/rvol0 --direct=1 --ioengine=libaio --verify=crc32c "


@at_most(1200)
def case_debug_pair(rig):
    """A pair in all it does: verified I/O, a file system, discard, an end under I/O, 20 lives."""
    g = kmod_lab(rig).guests[0]
    g.run(PAIR)
    g.run(FIO + "--size=2m --rw=randrw --bs=4k --iodepth=1 --fsync=16", 240)
    g.run(FIO + "--size=32m --io_size=16m --rw=randrw --bsrange=512-128k --iodepth=32 --fsync=64",
          240)
    g.run("mkfs.ext4 -q /dev/rvol0 && mount -o discard /dev/rvol0 /mnt && cp -r /usr/sbin /mnt/a &&"
          " cp -r /mnt/a /mnt/b && sync && rm -r /mnt/a && fstrim /mnt && umount /mnt && "
          "e2fsck -fn /dev/rvol0", 300)
    discard(rig, g)
    end_under_io(g)
    for _ in range(20):
        g.run(PAIR + "&& dd if=/dev/urandom of=/dev/rvol0 bs=64k count=4 oflag=direct && "
              "rvolctl del", 120)
        wait_for(lambda: not status(g), 30, "nothing is left")
    g.run("rmmod rvol && modprobe rvol && rmmod rvol")


def discard(rig, g):
    """What was discarded is zeros, on both copies; on a busy machine one may have been away."""
    holder = g.start_job("exec sleep 10000 3<>/dev/rvol0")
    g.run("dd if=/dev/urandom of=/dev/rvol0 bs=1M count=8 oflag=direct && "
          "blkdiscard -o 1M -l 6M /dev/rvol0 && blkdiscard -z -o 7M -l 512K /dev/rvol0", 120)
    wait_for(lambda: in_sync(g, 0x3), 120, "both are in sync")
    holder.signal(9)
    wait_for(lambda: all(s["role"] == "idle" for s in status(g).values()), 20, "released")
    for disk in "/dev/ram0", "/dev/ram2":
        g.run("cmp -n 6291456 -i 1048576:0 %s /dev/zero && cmp -n 524288 -i 7340032:0 %s /dev/zero"
              % (disk, disk))
    g.run("cmp /dev/ram0 /dev/ram2")


def end_under_io(g):
    """Who writes meets errors, nobody hangs."""
    jobs = [g.start_job(FIO.replace("--verify=crc32c", "") + "--size=32m --time_based --runtime=60 "
                        "--rw=randrw --bs=16k --iodepth=16"),
            g.start_job("dd if=/dev/zero of=/dev/rvol0 bs=1M seek=33 count=16; sync")]
    wait_for(lambda: any(s["requests"] != "0" for s in status(g).values()), 60, "I/O is under way")
    g.run("rvolctl del --force")
    for job in jobs:
        job.wait(120, check=False)
    wait_for(lambda: not status(g), 30, "nothing is left")


# Of tasks that are told to, some allocations fail: those whose caller can be told.
NO_MEMORY = """
cd /sys/kernel/debug
for f in failslab fail_page_alloc; do
    [ -d $f ] || exit 1
    echo Y >$f/task-filter; echo 2 >$f/probability; echo -1 >$f/times; echo 0 >$f/verbose
    echo N >$f/ignore-gfp-wait
done
"""
# A program that is at work already: with less luck from the beginning it would seldom begin.
UNLUCKY = """
%s &
sleep %s
for p in $(pidof %s); do echo 1 >/proc/$p/make-it-fail; done
wait $!
"""


@at_most(1200)
def case_debug_no_memory(rig):
    """Allocations fail of who orders and of who writes: things may be refused, nothing is lost."""
    g = kmod_lab(rig).guests[0]
    if g.run(NO_MEMORY, check=False).status:
        raise Skip("this kernel has no failslab: tools/debug-kernel")
    made = 0
    for _ in range(20):     # the devices are made zero first, which takes a while
        made += g.run(UNLUCKY % (PAIR, 0.3, "rvolctl"), 120, check=False).status == 0
        g.run("rvolctl del --force; killall rvolctl", 60, check=False)
        wait_for(lambda: not status(g), 30, "nothing is left")
    rig.check(made < 20, "nothing failed")
    # RAM disks need memory for what is written first.
    g.run("for i in 1 3; do dd if=/dev/zero of=/dev/ram$i bs=1M count=8; done; " + PAIR, 120)
    g.run(UNLUCKY % (FIO.replace("--verify=crc32c", "--continue_on_error=all") +
                     "--size=32m --time_based --runtime=15 --rw=randrw --bsrange=4k-256k "
                     "--iodepth=16", 5, "fio"), 300, check=False)
    g.run("for f in failslab fail_page_alloc; do echo 0 >/sys/kernel/debug/$f/probability; done")
    g.run(FIO + "--size=16m --rw=randrw --bsrange=4k-256k --iodepth=16", 300)
    wait_for(lambda: all(s["role"] == "idle" for s in status(g).values()), 20, "released")
    g.run("cmp /dev/ram0 /dev/ram2 && rvolctl del")
    wait_for(lambda: not status(g), 30, "nothing is left")
    g.run("rmmod rvol")
