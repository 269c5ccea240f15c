# SPDX-License-Identifier: GPL-2.0-or-later
"""sdsd with the kernel module: what happens to volumes beside the demonstration."""
import os

from case_demo_kernel import KernelNode, cluster
from rig import Disk, Skip, at_most, wait_for


class UserNode(KernelNode):
    """A node that keeps to user space, whatever is loaded."""
    plane = "user"
    words = "--plane user"


def made(rig, nodes, size="64M"):
    nodes[0].cli("volume create db %s --copies 2" % size)
    wait_for(lambda: nodes[0].verdict("db") == "safe", 60, "both copies are in sync")
    wait_for(lambda: nodes[0].knows_device("db"), 30, "the device is there")
    # A first open takes a slow kernel longer than the 15 s that one may; then it goes on from there.
    if rig.image.kernel.slowness > 1:
        nodes[0].guest.run("until (: <>%s); do sleep 1; done 2>/dev/null" % nodes[0].device("db"), 60)


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
    # who looks for the module would have it loaded again
    n1.guest.run("echo /bin/false >/proc/sys/kernel/modprobe; rmmod rvol", 60)
    wait_for(lambda: "not loaded" in n1.cli("status --output json"), 30, "n1 says what it misses")
    n1.guest.run("modprobe rvol")
    wait_for(lambda: n1.verdict("db") == "safe" and n1.knows_device("db"), 120, "it is back")
    n1.guest.run("mkfs.ext4 -q %s" % n1.device("db"), 120)
    n1.mount_volume("db")


def needs_unixsend(rig, node):
    program = os.path.join(os.path.dirname(rig.sdsd_path), "test/unixsend")
    if not os.access(program, os.X_OK):
        raise Skip("no %s: tools/build release build test/unixsend" % os.path.relpath(program))
    node.guest.push(program, "/usr/bin/unixsend", 0o755)


def set_property(rig, node, volume, name, value):
    """The command line has no word for it."""
    needs_unixsend(rig, node)
    body = '{"override_props": {"%s": "%s"}}' % (name, value)
    said = node.guest.run("unixsend /run/sdsd/sdsd.sock", stdin=(
        "PUT /v1/resource-definitions/%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        "Content-Length: %d\r\n\r\n%s" % (volume, len(body), body)).encode()).out
    rig.check(" 200 " in said.split("\n")[0], said)


@at_most(900)
def case_kernel_handover(rig):
    """A live migration: both nodes have the volume open, and write in turn."""
    n1, n2, _ = cluster(rig, 3, Disk(512))
    made(rig, (n1, n2))
    set_property(rig, n1, "db", "sds/handover", "on")
    holders = []
    for node in (n1, n2):       # an open of each for as long as its job lives
        holders.append(node.guest.start_job("exec 3<>%s; while [ ! -e /tmp/leave ]; do sleep 0.2; "
                                            "done" % node.device("db")))
        where = 8 * len(holders)
        wait_for(lambda: node.verdict("db") == "safe", 120, "both copies are in sync")
        node.guest.run("dd if=/dev/urandom of=/tmp/x bs=64k count=4 2>/dev/null && "
                       "dd if=/tmp/x of=%s bs=64k count=4 seek=%d oflag=direct"
                       % (node.device("db"), where), 120)
        rig.check(not holders[-1].done(), "%s could not open it" % node.name)
    n2.guest.run("dd if=%s of=/tmp/y bs=64k count=4 skip=8 iflag=direct" % n2.device("db"), 60)
    want = n1.guest.run("sha256sum </tmp/x").out
    rig.check(n2.guest.run("sha256sum </tmp/y").out == want, "n2 does not see what n1 wrote")
    n2.guest.run("touch /tmp/leave")
    holders[1].wait(30)
    # n1 still has it open: what it asks brings the volume back
    n1.guest.run("dd if=%s of=/tmp/y bs=64k count=4 skip=16 iflag=direct" % n1.device("db"), 60)
    want = n2.guest.run("sha256sum </tmp/x").out
    rig.check(n1.guest.run("sha256sum </tmp/y").out == want, "n1 does not see what n2 wrote")
    rig.check(n1.log_lines("handed over") >= 1, "nothing was handed over")
    n1.guest.run("touch /tmp/leave")
    holders[0].wait(30)


def nothing_left(node):
    """no device, no loop device, no file"""
    return node.guest.run("ls -d /dev/rvol[0-9]* /sys/block/loop*/loop /mnt/pool/* 2>/dev/null; "
                          "true").out == ""


@at_most(600)
def case_kernel_left_behind(rig):
    """A volume that was deleted while sdsd of a node was away goes there when it is back; one that
    sdsd does not know at all goes when nobody has it open."""
    n1, n2, n3 = cluster(rig, 3, Disk(512))
    made(rig, (n1, n2))
    n2.stop()
    rig.check(n2.guest.run("ls /dev/rvol[0-9]*").out != "", "it goes on without sdsd")
    wait_for(lambda: n1.guest.run("sdsd volume delete db", check=False).status == 0, 60)
    n2.start()
    for node in (n1, n2, n3):
        wait_for(lambda: nothing_left(node), 60, "%s has let go of everything" % node.name)

    made(rig, (n1, n2))
    n2.stop()
    reader = n2.guest.start_job("exec 3<%s; sleep 20" % n2.device("db"))
    n2.guest.run("mv /mnt/state /mnt/former")
    n2.cli("init --name n2 --address %s --dir /mnt/state" % n2.address)
    n2.start()
    wait_for(lambda: n2.log_lines("stays until it is closed") > 0, 30, "it is told")
    rig.check(n2.log_lines("taken out of the kernel") == 0, "it is open")
    reader.wait(180)
    wait_for(lambda: n2.log_lines("taken out of the kernel") == 1, 30, "it is not open any more")
    rig.check(n2.guest.run("ls -d /dev/rvol[0-9]* /sys/block/loop*/loop 2>/dev/null; true").out
              == "", "something of it is left")
