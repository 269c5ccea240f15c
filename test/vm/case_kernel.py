# SPDX-License-Identifier: GPL-2.0-or-later
"""sdsd with the kernel module: what happens to volumes beside the demonstration."""
from case_demo_kernel import KernelNode, cluster
from rig import Disk, at_most, wait_for


class UserNode(KernelNode):
    """A node that keeps to user space, whatever is loaded."""
    plane = "user"
    words = "--plane user"


def made(rig, nodes, size="64M"):
    nodes[0].cli("volume create db %s --copies 2" % size)
    wait_for(lambda: nodes[0].verdict("db") == "safe", 60, "both copies are in sync")
    wait_for(lambda: nodes[0].knows_device("db"), 30, "the device is there")


def same_copies(rig, nodes):
    sums = [n.guest.run("sync; sha256sum /mnt/pool/db_00000 | cut -d' ' -f1", 120).out
            for n in nodes]
    rig.check(sums[0] == sums[1], "the copies differ")


@at_most(900)
def case_kernel_client(rig):
    """A node without a copy makes a file system; the volume grows under it; a copy away catches up
    while nobody has it open."""
    n1, n2, n3 = cluster(rig, 3, Disk(512))
    made(rig, (n1, n2))
    n1.cli("volume attach db n3")
    wait_for(lambda: n3.knows_device("db"), 30, "n3 has the device")
    n3.guest.run("mkfs.ext4 -q %s && mkdir /vol && mount -t ext4 %s /vol"
                 % (n3.device("db"), n3.device("db")), 120)
    n3.guest.run("dd if=/dev/urandom of=/vol/file bs=64k count=64 conv=fsync", 120)
    n1.cli("volume grow db 96M")
    wait_for(lambda: int(n3.guest.run("blockdev --getsize64 %s" % n3.device("db")).out)
             == 96 << 20, 60, "it has grown")
    n3.guest.run("resize2fs %s 2>/dev/null; dd if=/dev/urandom of=/vol/more bs=1M count=72 "
                 "conv=fsync" % n3.device("db"), 120)
    # on a busy machine a copy may have been left behind by all that
    wait_for(lambda: n1.verdict("db") == "safe", 120, "both copies are in sync")
    n2.guest.power_cut()
    wait_for(lambda: n1.verdict("db") != "safe", 60, "n2 is missed")
    n3.guest.run("dd if=/dev/urandom of=/vol/file bs=64k count=64 conv=fsync && umount /vol", 120)
    n2.guest.start()
    n2.guest.wait()
    n2.mount()
    n2.start()
    wait_for(lambda: n1.verdict("db") == "safe", 120, "n2 has caught up, and nobody has it open")
    same_copies(rig, (n1, n2))


@at_most(900)
def case_kernel_and_user(rig):
    """One copy in the kernel, one in user space: they are one volume."""
    n1, n2, _ = cluster(rig, 3, Disk(512), kinds=(KernelNode, UserNode, KernelNode))
    made(rig, (n1, n2))
    n1.guest.run("mkfs.ext4 -q %s" % n1.device("db"), 120)
    n1.mount_volume("db")
    n1.guest.run("dd if=/dev/urandom of=/vol/file bs=64k count=64 conv=fsync", 120)
    want = n1.guest.run("sha256sum /vol/file; umount /vol").out
    wait_for(lambda: n1.verdict("db") == "safe", 120, "both copies are in sync")
    same_copies(rig, (n1, n2))
    n2.open("db", "/dev/nbd0")
    n2.guest.run("mkdir /vol && mount /dev/nbd0 /vol", 120)
    rig.check(n2.guest.run("sha256sum /vol/file").out == want, "the file has changed")
    n2.guest.run("dd if=/dev/urandom of=/vol/file bs=64k count=64 conv=fsync", 120)
    want = n2.guest.run("sha256sum /vol/file; umount /vol; nbd-client -d /dev/nbd0 >/dev/null").out
    wait_for(lambda: n1.verdict("db") == "safe", 120, "both copies are in sync")
    n1.mount_volume("db")
    rig.check(n1.guest.run("sha256sum /vol/file").out == want, "the file has changed")


@at_most(900)
def case_kernel_module_gone(rig):
    """The module is unloaded under sdsd, and loaded again."""
    n1, n2, _ = cluster(rig, 3, Disk(512))
    made(rig, (n1, n2))
    n1.guest.run("rmmod rvol", 60)
    wait_for(lambda: "not loaded" in n1.cli("status --output json"), 30, "n1 says what it misses")
    n1.guest.run("modprobe rvol")
    wait_for(lambda: n1.verdict("db") == "safe" and n1.knows_device("db"), 120, "it is back")
    n1.guest.run("mkfs.ext4 -q %s" % n1.device("db"), 120)
    n1.mount_volume("db")
