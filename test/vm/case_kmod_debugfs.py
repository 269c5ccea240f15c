# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel module shows of a resource in debugfs. All nodes in one guest."""
import re

from case_kmod_faults import DM, FIO, PAIR, hold_open, let_go
from case_kmod_fence import DEBUG, SECOND
from kmod import kmod_lab, status
from rig import quick, wait_for


def show(guest, name, file):
    return guest.run("cat %s%s/%s" % (DEBUG, name, file)).out


@quick
def case_kmod_debugfs(rig):
    """A write waits for the disk of the other node: who looks sees which, where, and for how long."""
    g = kmod_lab(rig).guests[0]
    g.run(DM + PAIR % "/dev/mapper/d2", 120)
    hold_open(g)
    g.run("dd if=/dev/zero of=/dev/rvol0 bs=4k count=8 oflag=direct conv=fsync 2>/dev/null", 60)
    g.run("dmsetup suspend --nolockfs --noflush d2")
    job = g.start_job("dd if=/dev/zero of=/dev/rvol0 bs=4k count=1 seek=3 oflag=direct 2>&1")
    wait_for(lambda: status(g)[0]["requests"] == "1", 10, "a write is under way")
    g.run("sleep 1.2")
    found = re.search(r"^(\d+) ms write volume=0 off=12288 len=4096 flying seq=\d+ missing=0x2$",
                      show(g, "v", "requests"), re.M)
    rig.check(found and int(found.group(1)) >= 1000, show(g, "v", "requests"))
    found = re.search(r"^(\d+) ms data write volume=0 len=4096 ", show(g, SECOND, "requests"), re.M)
    rig.check(found and int(found.group(1)) >= 1000, show(g, SECOND, "requests"))
    state = show(g, "v", "state")
    for part in (r"^resource v uuid=7600\w* slot=0 booted opened ", r"^freeze no ",
                 r"^volume 0 /dev/rvol0 size=\d+ .* opens=2 writing$",
                 r"^writer serving epoch=\d+ members=0x3 lost=0x0 opened$",
                 r"^peer 0 member link=up acked=\d+ behind=0 ",
                 r"^peer 1 member link=up acked=\d+ behind=1 ", r"^copy member epoch=\d+ "):
        rig.check(re.search(part, state, re.M), "no %r in: %s" % (part, state))
    rig.check(re.search(r"^copy member .*\n.*\n +disk_writes=1 ", show(g, SECOND, "state"), re.M),
              show(g, SECOND, "state"))
    rig.check(re.search(r"^link 2 slot=1 plain tcp_state=1 queued=0 ", show(g, "v", "links"), re.M),
              show(g, "v", "links"))
    rig.check(re.search(r"^hot=[1-9]\d* adding=0 ", show(g, "v", "hot")), show(g, "v", "hot"))
    g.run("dmsetup resume d2")
    job.wait(20)
    rig.check("requests=0 held=0\nlower=0\n" == show(g, "v", "requests"), show(g, "v", "requests"))

    # a file that is open does not keep its resource
    let_go(g)
    left = g.run("exec 3<%sv/state; rvolctl del; cat <&3 2>&1" % DEBUG, check=False).out
    rig.check("Input/output error" in left, left)
    g.run("ls %sv 2>/dev/null && exit 1; rmmod rvol" % DEBUG)


def case_kmod_debugfs_races(rig):
    """Everything is read all the time, while resources are made, written and deleted."""
    g = kmod_lab(rig).guests[0]
    readers = [g.start_job("n=0; while [ ! -e /tmp/stop ]; do cat %s*/* >/tmp/read%d 2>/dev/null; "
                           "grep -q ^resource /tmp/read%d && n=$((n + 1)); done; echo $n"
                           % (DEBUG, i, i)) for i in range(2)]
    for _ in range(12):
        g.run(PAIR % "/dev/ram2" + " --dirty", 60)
        g.run("(%s --rw=randrw --runtime=100 --time_based >/dev/null 2>&1 &) ; sleep 0.5" % FIO, 60)
        g.run("rvolctl del --force; while pidof rvolctl fio >/dev/null; do sleep 0.05; done", 60)
    g.run("touch /tmp/stop")
    for job in readers:
        rig.check(int(job.wait(60).out) > 0, "a reader has seen nothing")
    g.run("rmmod rvol")
