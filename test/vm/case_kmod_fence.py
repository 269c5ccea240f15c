# SPDX-License-Identifier: GPL-2.0-or-later
"""A resource of the kernel module that is taken out of service. All nodes in one guest."""
from case_kmod_faults import FIO
from kmod import kmod_lab
from rig import quick, wait_for

PAIR = "rvolctl pair /dev/ram%d /dev/ram%d /dev/ram%d /dev/ram%d --daemon --minor %d --name %s"
DEBUG = "/sys/kernel/debug/rvol/"
# The first node's folder has the resource's name; the second one's its uuid (nodes_uuid()).
SECOND = "76" + 28 * "0" + "02"


def fence(guest, name, why):
    guest.run("echo '%s' >%s%s/fence" % (why, DEBUG, name))


def by_name(guest, name, slot):
    """The line of `rvolctl status` of one node of one resource; None: it is not there."""
    for line in guest.run("rvolctl status").out.splitlines():
        if line.startswith("%s slot=%d " % (name, slot)):
            return line
    return None


def hold_open(guest):
    guest.run("sleep 100000 </dev/null 9<>/dev/rvol0 >/dev/null 2>&1 & echo $! >/tmp/holder")
    wait_for(lambda: "peer1=member" in by_name(guest, "v", 0), 60, "both in sync")


@quick
def case_kmod_fence(rig):
    """One resource is taken out of service under writes: it ends with errors and a reason, its other
    node goes on as if this one had crashed, another resource does not notice."""
    g = kmod_lab(rig, ram=8).guests[0]
    g.run(PAIR % (0, 1, 2, 3, 0, "v"), 120)
    g.run(PAIR % (4, 5, 6, 7, 4, "w"), 120)
    hold_open(g)
    other = g.start_job(FIO.replace("rvol0", "rvol4") + "--rw=randwrite --verify=crc32c "
                        "--number_ios=1000")
    job = g.start_job(FIO + "--rw=randwrite --time_based --runtime=100 2>&1")
    wait_for(lambda: int(by_name(g, "v", 0).split(" requests=")[1].split()[0]), 30, "writes")
    fence(g, "v", "smoke in the room")
    done = job.wait(30, check=False)
    rig.check(done.status != 0, "writes go on: %s" % done.out)
    line = by_name(g, "v", 0)
    rig.check("failed" in line and "by hand: smoke in the room" in line, line)
    rig.check("links_up=0x0" in line and "asks=" not in line, line)
    rig.check("failed" not in by_name(g, "v", 1), by_name(g, "v", 1))
    for how in "if", "of":
        done = g.run("dd %s=/dev/rvol0 bs=4k count=1 2>&1 %s" % (
            how, "of=/dev/null" if how == "if" else "if=/dev/zero"), check=False)
        rig.check(done.status != 0 and "Input/output error" in done.out, "open: %s" % done.out)
    done = g.run("rvolctl tell 1 yield 2>&1", check=False)
    rig.check("out of service" in done.out, "an order: %s" % done.out)
    fence(g, "v", "again")
    rig.check("smoke" in by_name(g, "v", 0), "the first reason counts")
    g.run("kill $(cat /tmp/holder); sleep 0.5")

    # the other node has all that was acknowledged, and serves alone
    g.run("dd if=/dev/zero of=/dev/rvol1 bs=4k count=1 conv=fsync 2>/dev/null", 60)
    rig.check(other.wait(240).status == 0, "another resource has noticed")
    g.run("rvolctl del --name v")
    rig.check(by_name(g, "v", 0) is None, "it is not deleted")
    g.run("ls %sv" % DEBUG + " && exit 1; true")
    rig.check("failed" not in by_name(g, "w", 0), by_name(g, "w", 0))
    g.run("rvolctl del; rmmod rvol")


def case_kmod_fence_at_any_time(rig):
    """Taken out of service where it is written, where its copy is, while frozen, while read; deleted
    by force: nothing hangs, nothing is left."""
    g = kmod_lab(rig).guests[0]
    pair = PAIR % (0, 1, 2, 3, 0, "v")
    for what in "writer", "copy", "frozen", "reader":
        g.run(pair, 120)
        hold_open(g)
        job = g.start_job(FIO + "--rw=randrw --time_based --runtime=%d 2>&1"
                          % (4 if what == "copy" else 100))
        g.run("sleep 0.5")
        if what == "frozen":
            g.run("rvolctl tell 1 freeze")
            g.run("sleep 0.5")
        if what == "reader":
            g.run("exec 3</dev/rvol1; echo 'of the reader' >%s/fence; "
                  "dd if=/dev/rvol1 of=/dev/null count=1 2>/dev/null && exit 1; true" % (
                      DEBUG + SECOND))
        else:
            fence(g, SECOND if what == "copy" else "v", what)
        if what in ("copy", "reader"):      # the writer goes on without it
            wait_for(lambda: "in_sync=0x1" in by_name(g, "v", 0), 60, "the copy is missed")
        if what == "reader":
            g.run("kill $(pidof fio)")
        done = job.wait(60, check=False)
        rig.check((done.status == 0) == (what == "copy") or what == "reader",
                  "%s: %s" % (what, done.out))
        g.run("rvolctl del --force; kill $(cat /tmp/holder); "
              "while pidof rvolctl sleep >/dev/null; do sleep 0.1; done", 30)
    g.run("rmmod rvol; ls /sys/kernel/debug/rvol 2>/dev/null && exit 1; true")
