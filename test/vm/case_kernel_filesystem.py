# SPDX-License-Identifier: GPL-2.0-or-later
"""Volumes that are born with a file system: made once, by the node of one of the copies."""
import json

from case_demo_kernel import cluster
from case_kernel import needs_unixsend
from rig import Disk, at_most, wait_for

# Hangs as a disk might, before it writes anything.
SLOW = """#!/bin/sh
echo >/tmp/hangs
exec sleep 600
"""


def ask(node, method, path, body):
    """Status line and answer; the command line has no word for it."""
    text = json.dumps(body)
    said = node.guest.run("unixsend /run/sdsd/sdsd.sock", 120, stdin=(
        "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
        % (method, path, len(text), text)).encode()).out
    head, _, answer = said.partition("\r\n\r\n")
    return int(head.split()[1]), answer


def wanted(rig, node, properties):
    """of all volumes of the default group that are made from now on"""
    status, answer = ask(node, "PUT", "/v1/resource-groups/DfltRscGrp",
                         {"override_props": {"FileSystem/" + k: v for k, v in properties.items()}})
    rig.check(status == 200, answer)


def spawned(rig, node, name, mib):
    status, answer = ask(node, "POST", "/v1/resource-groups/DfltRscGrp/spawn",
                         {"resource_definition_name": name, "volume_sizes": [mib << 10]})
    rig.check(status == 201, answer)
    rig.check("no ext4" not in answer and "no xfs" not in answer, answer)


def mounted(node, volume, kind):
    """What the mount shows of it: owner, group and what is in it"""
    wait_for(lambda: node.knows_device(volume), 30, "the device is there")
    return node.guest.run("modprobe %s; mkdir -p /vol && mount -t %s %s /vol && "
                          "stat -c '%%u:%%g' /vol && ls /vol; umount /vol"
                          % (kind, kind, node.device(volume)), 120).out.split()


def device_busy(node, volume):
    """A write is refused."""
    return node.guest.run("dd if=/dev/zero of=%s bs=4k count=1 conv=notrunc oflag=direct"
                          % node.device(volume), 120, check=False).status != 0


@at_most(1500)
def case_kernel_filesystem(rig):
    """ext4 and xfs are there when the create call returns, with their owner; while mkfs hangs nobody
    else opens the volume; the daemon dies then, and the file system is made all the same."""
    n1, n2, _ = nodes = cluster(rig, 3, Disk(1024))
    for n in nodes:
        needs_unixsend(rig, n)
    wanted(rig, n1, {"Type": "ext4", "User": "1000", "Group": "disk"})
    spawned(rig, n1, "one", 64)
    rig.check(mounted(n1, "one", "ext4") == ["1000:6", "lost+found"], "not the owner")
    rig.check(mounted(n2, "one", "ext4") == ["1000:6", "lost+found"], "not on n2")

    wanted(rig, n1, {"Type": "xfs", "MkfsParams": "-L born -m reflink=1"})
    spawned(rig, n1, "two", 320)
    rig.check(mounted(n2, "two", "xfs") == ["1000:6"], "not the owner of xfs")
    rig.check("born" in n2.guest.run("blkid %s" % n2.device("two")).out, "no label")

    wanted(rig, n1, {"Type": "xfs", "MkfsParams": "-y"})
    status, answer = ask(n1, "POST", "/v1/resource-groups/DfltRscGrp/spawn",
                         {"resource_definition_name": "bad", "volume_sizes": [320 << 10]})
    rig.check(status == 201 and "has no xfs file system: mkfs.xfs failed" in answer, answer)
    rig.check(not device_busy(n2, "bad"), "what has failed keeps nobody out")

    wanted(rig, n1, {"Type": "ext4", "MkfsParams": ""})
    for n in (n1, n2):
        n.guest.run("rm /sbin/mkfs.ext4; cat >/sbin/mkfs.ext4; chmod +x /sbin/mkfs.ext4",
                    stdin=SLOW.encode())
    n1.cli("volume create slow 64M --copies 2", 180)
    maker = [n for n in (n1, n2) if n.guest.run("[ -e /tmp/hangs ]", check=False).status == 0]
    rig.check(len(maker) == 1, "mkfs hangs on %s" % maker)
    maker = maker[0]
    other = n2 if maker is n1 else n1
    rig.check(device_busy(other, "slow"), "it was opened before its file system was made")
    maker.guest.run("kill -9 $(pidof sdsd); killall sleep || kill $(pidof sleep)", check=False)
    for n in (n1, n2):
        n.guest.run("ln -sf mke2fs /sbin/mkfs.ext4")
    maker.start()
    wait_for(lambda: "has a file system, ext4" in maker.guest.run("cat /mnt/sdsd.log").out.rpartition(
        "resource=slow")[2], 180, "it is made after all")
    rig.check(mounted(other, "slow", "ext4") == ["1000:6", "lost+found"], "nothing on the other")
