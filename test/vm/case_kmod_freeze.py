# SPDX-License-Identifier: GPL-2.0-or-later
"""Freezing in the kernel module: writes are held while something is cut. All nodes in one guest."""
from case_kmod_faults import DM, FIO, hold_open, let_go
from kmod import kmod_lab, status, status_of
from rig import quick, wait_for

PAIR = ("rvolctl pair /dev/ram0 /dev/ram1 %s /dev/ram3 --daemon --record /tmp/record "
        "--log /tmp/rvolctl.log --size 4194304")
WRITES = FIO.replace("--size=32m", "--size=4m") + "--rw=randwrite "
# Token, and how many times 256 KiB of the copies are compared below the module. In one go: a freeze has
# ten seconds, of which each command takes one on a slow machine. Sums, an empty line, status.
FROZEN = """
rvolctl tell 1 freeze --token %d --ms 10000
until rvolctl status | grep -q frozen; do sleep 0.02; done
for time in 1 2; do
    for d in /dev/ram0 /dev/ram2; do
        dd if=$d bs=256k count=%d iflag=direct 2>/dev/null | md5sum
    done
    sleep 0.3
done
dd if=/dev/rvol0 of=/dev/null bs=64k count=4 iflag=direct 2>/dev/null
echo
rvolctl status
"""


def start(rig, second="/dev/ram2", before=""):
    guest = kmod_lab(rig).guests[0]
    guest.run(before + PAIR % second, 120)
    hold_open(guest)
    return guest


def flags(guest, node=0):
    return status(guest)[node]["flags"].split(",")


def freeze(guest, token, ms=10000):
    guest.run("rvolctl tell 1 freeze --token %d --ms %d" % (token, ms))


def refused(rig, guest, order, why):
    done = guest.run("rvolctl tell %s 2>&1" % order, check=False)
    rig.check(done.status != 0 and why in done.out, "%s: %d %s" % (order, done.status, done.out))


@quick
def case_kmod_freeze(rig):
    """While frozen both copies stay as they are, and equal, under an application that writes;
    reads go on; afterwards nothing is missing."""
    g = start(rig)
    job = g.start_job(WRITES + "--verify=crc32c --verify_backlog=16 --time_based --runtime=60")
    g.run("sleep 2")
    for token in range(1, 3):
        sums, shown = g.run(FROZEN % (token, rig.fewer(16)), 60).out.split("\n\n")
        s = status_of(shown)[0]
        rig.check("frozen" in s["flags"], "it took too long for this machine: %s" % s["flags"])
        rig.check(int(s["held"]) > 0 and s["freeze"] == str(token), "nothing is held: %s" % s)
        rig.check(len(set(sums.split("\n"))) == 1, "the copies differ: %s" % sums)
        g.run("rvolctl tell 1 thaw --token %d" % token)
        rig.check("frozen" not in flags(g) and "lapsed" not in flags(g), "it is frozen")
        wait_for(lambda: status(g)[0]["held"] == "0", 10, "all is let go")
        refused(rig, g, "1 thaw --token %d" % token, "thawed already")
        g.run("sleep 1")
    job.wait(240)
    let_go(g)
    g.run("blockdev --flushbufs /dev/ram0 /dev/ram2; cmp -n 4194304 /dev/ram0 /dev/ram2", 60)
    g.run("rvolctl del && rmmod rvol")


def case_kmod_freeze_lapses(rig):
    """A freeze that nobody ends goes by itself, also without the process that answers; who took a
    cut is told. Only one at a time, and only where the volume is served."""
    g = start(rig)
    refused(rig, g, "2 freeze", "only the node where")
    freeze(g, 7)
    refused(rig, g, "1 freeze --token 8", "frozen already")
    refused(rig, g, "1 thaw --token 8", "not frozen under that token")
    g.run("rvolctl tell 1 thaw --token 7; kill -STOP $(pidof rvolctl)")
    for token, ms in (9, 1), (10, 1500):
        freeze(g, token, ms)
        # a write, a flush, a discard
        job = g.start_job("dd if=/dev/zero of=/dev/rvol0 bs=4k count=1 oflag=direct conv=fsync && "
                          "blkdiscard -l 65536 /dev/rvol0")
        rig.check(job.wait(30).status == 0, "a write that was held has failed")
        wait_for(lambda: "lapsed" in flags(g), 10, "it has lapsed")
        refused(rig, g, "1 thaw --token %d" % token, "at its deadline")
        refused(rig, g, "1 thaw --token %d" % token, "at its deadline")
    g.run("kill -CONT $(pidof rvolctl)")
    freeze(g, 11)
    rig.check("lapsed" not in flags(g), "the last one has not lapsed")
    g.run("rvolctl tell 1 thaw --token 11")
    let_go(g)
    g.run("rvolctl del && rmmod rvol")


def case_kmod_freeze_waits(rig):
    """A write that a copy's disk has not answered is waited for: until then it is not frozen."""
    g = start(rig, "/dev/mapper/d2", DM)
    g.run("dmsetup suspend --nolockfs --noflush d2")
    job = g.start_job("dd if=/dev/zero of=/dev/rvol0 bs=4k count=1 oflag=direct 2>&1")
    wait_for(lambda: status(g)[0]["requests"] == "1", 10, "a write is under way")
    freeze(g, 1)
    g.run("sleep 1")
    rig.check("freezing" in flags(g), "a write is under way: %s" % flags(g))
    g.run("dmsetup resume d2")
    wait_for(lambda: "frozen" in flags(g), 9, "frozen", interval=0.02)
    job.wait(10)
    g.run("rvolctl tell 1 thaw")
    let_go(g)
    g.run("rvolctl del && rmmod rvol")


def case_kmod_freeze_ends(rig):
    """What ends the serving ends the freeze: close, yield, the end of the resource. Writes that were
    held meet what others would."""
    g = start(rig)
    freeze(g, 1)
    let_go(g)
    rig.check("lapsed" in flags(g), "closed: %s" % flags(g))
    refused(rig, g, "1 thaw", "gave up serving")

    # who has to wait for what is held does so for the freeze, not longer
    hold_open(g)
    freeze(g, 2, 3000)
    g.run("dd if=/dev/urandom of=/dev/rvol0 bs=4k count=4 conv=fsync 2>/dev/null", 30)
    rig.check("lapsed" in flags(g), "written before the deadline: %s" % flags(g))

    freeze(g, 3)
    job = g.start_job("dd if=/dev/urandom of=/dev/rvol0 bs=4k count=1 oflag=direct 2>&1")
    wait_for(lambda: status(g)[0]["held"] == "1", 9, "a write is held")
    g.run("rvolctl tell 1 yield")
    rig.check(job.wait(30, check=False).status == 0, "it is not taken back for the write")
    rig.check("lapsed" in flags(g), "handed over: %s" % flags(g))

    wait_for(lambda: "serving" in flags(g), 30, "it serves")
    freeze(g, 4)
    job = g.start_job("dd if=/dev/urandom of=/dev/rvol0 bs=4k count=1 oflag=direct 2>&1")
    wait_for(lambda: status(g)[0]["held"] == "1", 9, "a write is held")
    g.run("rvolctl del --force", 5)
    done = job.wait(5, check=False)
    rig.check(done.status != 0 and "Input/output error" in done.out, "deleted: %s" % done.out)
    g.run("kill $(cat /tmp/holder); sleep 1; rmmod rvol")


def case_kmod_freeze_loses_a_copy(rig):
    """A copy that is not heard of any more ends the freeze before its deadline: another node could
    write. What is held goes on without that copy."""
    g = start(rig)
    freeze(g, 1)
    wait_for(lambda: "frozen" in flags(g), 9, "frozen", interval=0.02)
    job = g.start_job("dd if=/dev/zero of=/dev/rvol0 bs=4k count=1 oflag=direct 2>&1")
    wait_for(lambda: status(g)[0]["held"] == "1", 5, "a write is held")
    g.run("ip link set lo down")
    wait_for(lambda: "lapsed" in flags(g), 9, "it has lapsed", interval=0.1)
    refused(rig, g, "1 thaw", "a copy was lost")
    rig.check(job.wait(30).status == 0, "the write that was held has failed")
    g.run("ip link set lo up")
    wait_for(lambda: status(g)[0].get("peer1") == "member", 60, "both copies in sync")
    freeze(g, 2)
    wait_for(lambda: "frozen" in flags(g), 9, "frozen", interval=0.02)
    g.run("rvolctl tell 1 thaw --token 2")
    let_go(g)
    g.run("rvolctl del && rmmod rvol")


def case_kmod_freeze_daemon(rig):
    """What the daemon says about a freeze and reads of it is what the module takes and shows."""
    g = start(rig)
    g.run("freezecheck", 60)
    let_go(g)
    g.run("rvolctl del && rmmod rvol")
