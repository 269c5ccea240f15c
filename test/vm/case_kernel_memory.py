# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel module with XFS, and when memory is short."""
from case_demo_kernel import cluster
from case_demo_user import back
from case_kernel import made, same_copies
from case_kernel_cuts import figure, safe
from rig import Disk, at_most, wait_for


@at_most(1200)
def case_kernel_xfs(rig):
    """XFS on a volume: a member loses its power under writes, then the writer; the other node mounts
    it, and every file that was synced is there."""
    n1, n2, _ = nodes = cluster(rig, 3, Disk(1024, volatile=True))
    made(rig, (n1, n2), "320M")
    n1.guest.run("modprobe xfs; mkfs.xfs -q %s" % n1.device("db"), 240)
    n1.mount_volume("db")
    n1.guest.run("cp -r /usr/sbin /vol/a && sync", 240)
    writing = n1.guest.start_job(FILES)
    n2.guest.power_cut(seed=3)
    wait_for(lambda: n1.verdict("db") != "safe", 60, "n2 is missed")
    back(n2)
    safe(n1)
    rig.check(not writing.done(), "writing has ended")
    n1.guest.power_cut(seed=3)
    lines = bytes(writing.out).decode().rpartition("\n")[0].split()
    rig.check(len(lines) > 3, "only %d files were written" % len(lines))
    for _ in range(4):
        if n2.guest.run("modprobe xfs; mkdir -p /vol && mount %s /vol" % n2.device("db"), 180,
                        check=False).status == 0:
            break
        # on a busy machine n2 may have been left behind just then
        refused = n2.guest.run("dmesg | grep 'not opened' | tail -n 1").out
        rig.check("no copy" in refused or "agreed" in refused, refused)
        back(n1)
        safe(n1)
        n1.guest.power_cut(seed=4)
    found = n2.guest.run("cd /vol && sha256sum f* | sed 's/ .*f/ f/'; "
                         "for f in /usr/sbin/*; do cmp $f a/${f##*/} || exit 1; done", 240).out
    for line in lines:
        name, sha = line.split("=")
        rig.check("%s %s\n" % (sha, name) in found, "%s is not what it was" % name)
    figure(rig, "%d files of 256 KiB were synced before the cut" % len(lines))
    n2.guest.run("umount /vol && xfs_repair -n %s 2>&1" % n2.device("db"), 240)
    back(n1)
    safe(n2)
    same_copies(rig, nodes[:2])


# fN=SHA256 for each file that is on stable storage
FILES = """
modprobe xfs
for i in $(seq 10000); do
    dd if=/dev/urandom of=/tmp/x bs=64k count=4 2>/dev/null
    dd if=/tmp/x of=/vol/f$i bs=64k conv=fsync 2>/dev/null || exit 1
    sync
    sha=$(sha256sum </tmp/x)
    echo f$i=${sha%% *}
done
"""

# Leaves so many KiB to everybody: files of a tmpfs cannot be given back.
EAT = """
mkdir -p /eaten && mount -t tmpfs -o size=90%% eaten /eaten
free=$(awk '/MemAvailable/ {print $2}' /proc/meminfo)
dd if=/dev/zero of=/eaten/file bs=64k count=$(((free - %d) / 64)) 2>/dev/null
awk '/MemAvailable/ {print $2}' /proc/meminfo
"""


@at_most(1200)
def case_kernel_memory(rig):
    """Writes through the page cache go on when memory is short, on the writer, which has no copy, and
    on the copies."""
    n1, n2, n3 = nodes = cluster(rig, 3, Disk(512))
    made(rig, (n1, n2), "160M")
    n1.cli("volume attach db n3")
    wait_for(lambda: n3.knows_device("db"), 30, "n3 has the device")
    n3.guest.run("mkfs.ext4 -q %s" % n3.device("db"), 120)
    n3.mount_volume("db")
    for node in nodes:
        left = int(node.guest.run(EAT % 49152, 240).out)
        figure(rig, "%d MiB are left on %s" % (left >> 10, node.name))
    n3.guest.run("fio --name=t --directory=/vol --size=96m --rw=randwrite --bsrange=4k-64k "
                 "--ioengine=psync --fsync_on_close=1 --verify=crc32c --verify_fatal=1", 600)
    n3.guest.run("umount /vol")
    safe(n1)
    same_copies(rig, (n1, n2))
