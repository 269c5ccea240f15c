# SPDX-License-Identifier: GPL-2.0-or-later
"""Snapshots with the kernel module on thin pools of LVM: of a mounted file system that is written to."""
import time

import case_demo_kernel
from case_demo_kernel import KernelNode
from case_kernel import set_property
from case_storage_sdsd import DISKS, KernelThin
from rig import at_most, wait_for

PAIR = ["db_00000", "db_00000.meta"]


def take(node, name, check=True):
    """seconds it took, and the answer"""
    began = time.monotonic()
    answer = node.guest.run("sdsd snapshot create db %s" % name, 120, check=check)
    return time.monotonic() - began, answer


def content(node, volume):
    """of a snapshot, which LVM does not activate by itself"""
    return node.guest.run("lvchange -q -ay -K vg/%s 2>/dev/null; sync; sha256sum </dev/mapper/vg-%s; "
                          "lvchange -q -an vg/%s" % (volume, volume, volume), 180).out


class Load:
    """Files come and go on a mounted volume; the longest that one took is noted."""
    script = ("while [ ! -e /tmp/enough ]; do b=$(cut -d. -f1 /proc/uptime); "
              "dd if=/dev/urandom of=/vol/load.$((n %% 8)) bs=16k count=4 conv=fsync 2>/dev/null; "
              "n=$((n + 1)); e=$(cut -d. -f1 /proc/uptime); echo $n $((e - b)) >>/tmp/load; done")

    def __init__(self, node):
        self.guest = node.guest
        self.guest.run("rm -f /tmp/enough /tmp/load; touch /tmp/load")
        self.job = self.guest.start_job(self.script.replace("%%", "%"))
        self.goes_on()

    def n(self):
        return int(self.guest.run("wc -l </tmp/load").out)

    def goes_on(self, timeout=60):
        n = self.n()
        wait_for(lambda: self.n() > n + 2, timeout, "files are written")

    def longest(self):
        """whole seconds"""
        return max(int(line.split()[1]) for line in
                   self.guest.run("cat /tmp/load").out.splitlines())

    def stop(self):
        self.guest.run("touch /tmp/enough")
        self.job.wait(60)


def mounted(node, volume, at="/vol"):
    node.guest.run("mkdir -p %s && mount %s %s" % (at, node.device(volume), at), 120)


def hung_tool(rig, nodes, load):
    """LVM of one copy hangs: writes go on at the deadline, the snapshot has failed, nothing stays."""
    n1, n2, n3 = nodes
    set_property(rig, n1, "db", "sds/freeze-ms", "7000")
    n2.guest.run("mkdir -p /run/lock/lvm; (flock /run/lock/lvm/V_vg sleep 40 >/dev/null 2>&1 &); "
                 "sleep 1")
    took, answer = take(n3, "s2", check=False)
    rig.check(answer.status == 1 and "n2" in answer.err, "it must fail: %s" % answer.err)
    print("     snapshot_kernel: with a tool that hangs it failed after %.1f s" % took)
    load.goes_on()
    wait_for(lambda: not any("s2" in v for n in (n1, n2) for v in n.volumes()), 120,
             "nothing is left of it")
    set_property(rig, n1, "db", "sds/freeze-ms", "10000")


@at_most(1500)
def case_snapshot_kernel(rig):
    """A snapshot of a file system under writes: both copies alike, restored and rolled back to; a
    tool that hangs; deleted, the origin first."""
    nodes = case_demo_kernel.cluster(rig, 3, DISKS, [KernelThin, KernelThin, KernelNode])
    n1, n2, n3 = nodes
    wait_for(lambda: n1.cli("pool list").count(" ok") == 2, 60, "both pools are seen")
    n1.cli("volume create db 64M --copies 2")
    wait_for(lambda: n1.verdict("db") == "safe" and n1.knows_device("db"), 120, "it is there")
    set_property(rig, n1, "db", "sds/freeze-ms", "10000")
    n1.guest.run("mkfs.ext4 -q %s" % n1.device("db"), 120)
    mounted(n1, "db")
    n1.guest.run("dd if=/dev/urandom of=/vol/file bs=64k count=128 conv=fsync", 120)
    want = n1.guest.run("sha256sum /vol/file").out
    wait_for(lambda: n1.verdict("db") == "safe", 120, "both copies are in sync")
    load = Load(n1)
    took, answer = take(n3, "s1")
    rig.check("n1, n2" in answer.out, answer.out)
    load.goes_on()
    print("     snapshot_kernel: taken in %.1f s; the longest file took %d s" % (took,
                                                                               load.longest()))
    rig.check(content(n1, "db_00000_s1") == content(n2, "db_00000_s1"), "the copies differ")
    hung_tool(rig, nodes, load)
    load.stop()
    n1.guest.run("rm /vol/file; echo gone >/vol/later; umount /vol", 60)

    n1.cli("snapshot restore db s1 copy", 120)
    wait_for(lambda: n2.verdict("copy") == "safe" and n2.knows_device("copy"), 120, "it is there")
    mounted(n2, "copy", "/copy")
    rig.check(n2.guest.run("cd /copy; sha256sum file | sed s,file,/vol/file,").out == want,
              "the file is not the same")
    rig.check("later" not in n2.guest.run("ls /copy").out, "it has what came later")
    n2.guest.run("umount /copy")

    wait_for(lambda: n1.guest.run("sdsd snapshot rollback db s1", 120, check=False).status == 0, 90,
             "it is rolled back")
    wait_for(lambda: n2.verdict("db") == "safe" and n2.knows_device("db"), 120, "it is there again")
    mounted(n2, "db")
    rig.check(n2.guest.run("sha256sum /vol/file").out == want, "the file is not the same")
    n2.guest.run("umount /vol")

    for what in ("volume delete db", "volume delete copy", "snapshot delete db s1"):
        wait_for(lambda: n1.guest.run("sdsd " + what, 120, check=False).status == 0, 60, what)
    wait_for(lambda: n1.volumes() + n2.volumes() == [], 90, "nothing is left of it")
