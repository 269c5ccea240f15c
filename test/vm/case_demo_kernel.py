# SPDX-License-Identifier: GPL-2.0-or-later
"""sdsd on real machines with the kernel module: volumes are /dev/rvol<minor>."""
import case_demo_user
from case_demo_user import Node, back, write_and_cut
from channel import CommandFailed
from rig import Disk, Skip, at_most, quick, wait_for

POOL = "/mnt/pool/db_00000"


class KernelNode(Node):
    """sdsd that finds the module when it starts."""
    plane = "kernel"
    words = ""      # for sdsd run: auto finds it

    def launch(self):
        self.guest.run("modprobe -a loop tls rvol")
        super().launch()

    def stop(self):
        self.guest.run("kill $(pidof sdsd); while pidof sdsd >/dev/null; do sleep 0.1; done")

    def restart(self):
        """Another sdsd, while the module goes on."""
        self.stop()
        self.start()

    def device(self, volume):
        return "/dev/rvol/by-res/%s/0" % volume

    def mount_volume(self, volume):
        """The open waits for a dead writer's lease."""
        self.guest.run("mkdir -p /vol && mount %s /vol" % self.device(volume), 120)

    def knows_device(self, volume):
        return self.guest.run("[ -b %s ]" % self.device(volume), check=False).status == 0

    def log_lines(self, word):
        return int(self.guest.run("grep -c '%s' /mnt/sdsd.log; true" % word).out or 0)


def cluster(rig, count, disk, kinds=None, **wishes):
    """The same cluster, each node on the data plane of its kind."""
    if not any("rvol" in m for m in rig.modules):
        raise Skip("no rvol.ko: --module")
    nodes = case_demo_user.cluster(rig, count, disk, kinds or [KernelNode] * count,
                                   **wishes)
    for node in nodes:
        rig.check(node.log_lines("data plane: %s" % node.plane) == 1, "%s: not that plane"
                  % node.name)
    return nodes


def open_on(rig, node, other, volume):
    """Mounts it there after `other` has lost its power; true, or false when node was just then out
    of sync, as on a busy machine it may be: the refusal is right."""
    try:
        node.mount_volume(volume)
        return True
    except CommandFailed as e:
        refused = node.guest.run("dmesg | grep 'not opened' | tail -n 1").out
        rig.check("no copy" in refused or "agreed" in refused, "%s: %s" % (e, refused))
        back(other)
        return False


@quick
@at_most(1200)
def case_demo_kernel(rig):
    """Three nodes; the writer loses its power; another node opens the volume and finds all."""
    n1, n2, n3 = cluster(rig, 3, Disk(512, volatile=True))
    n3.cli("volume create db 64M --copies 2")
    wait_for(lambda: n1.verdict("db") == "safe", 60, "both copies are in sync")
    wait_for(lambda: n1.knows_device("db"), 30, "n1 has the device")
    n1.guest.run("mkfs.ext4 -q %s" % n1.device("db"), 120)
    n1.mount_volume("db")
    for _ in range(4):
        want = write_and_cut(rig, n1)
        if open_on(rig, n2, n1, "db"):
            break
        wait_for(lambda: n1.knows_device("db"), 60, "n1 has the device")
        n1.mount_volume("db")
    rig.check(n2.guest.run("sha256sum /vol/file").out == want, "the file has changed")
    n2.guest.run("dd if=/dev/urandom of=/vol/file2 bs=64k count=64 conv=fsync", 120)
    back(n1)
    wait_for(lambda: n2.verdict("db") == "safe", 120, "n1 has caught up")
    n2.guest.run("umount /vol")
    sums = [n.guest.run("sync; sha256sum %s | cut -d' ' -f1" % POOL, 120).out for n in (n1, n2)]
    rig.check(sums[0] == sums[1], "the copies differ")


@at_most(900)
def case_kernel_restart(rig):
    """sdsd is restarted under an open volume: nothing of it is noticed; then it is deleted."""
    n1, n2, _ = nodes = cluster(rig, 3, Disk(512))
    n1.cli("volume create db 64M --copies 2")
    wait_for(lambda: n1.verdict("db") == "safe", 60, "both copies are in sync")
    wait_for(lambda: n1.knows_device("db"), 30, "n1 has the device")
    n1.guest.run("mkfs.ext4 -q %s" % n1.device("db"), 120)
    n1.mount_volume("db")
    writing = n1.guest.start_job("i=0; while [ ! -e /vol/stop ]; do i=$((i+1)); "
                                 "dd if=/dev/zero of=/vol/f bs=4k count=16 conv=fsync "
                                 "2>/dev/null || exit 1; done; echo $i")
    for node in nodes:
        node.restart()
    wait_for(lambda: n1.verdict("db") == "safe", 60, "nothing was lost")
    for node in (n1, n2):
        rig.check(node.log_lines("goes on as it was") == 1, "%s: not adopted" % node.name)
        rig.check(node.log_lines("replica attached") == 1, "%s: attached anew" % node.name)
    n1.guest.run("touch /vol/stop")
    rig.check(writing.wait(60).status == 0, "a write has failed")
    n1.guest.run("umount /vol")
    wait_for(lambda: n1.cli("volume delete db") or True, 30)
    for node in nodes:
        wait_for(lambda: node.guest.run("ls /dev/rvol[0-9]* /sys/block/loop*/loop 2>/dev/null; true")
                 .out == "", 30, "%s has let go of everything" % node.name)
