# SPDX-License-Identifier: GPL-2.0-or-later
"""sdsd renews its links under load, with kernel TLS and without: nobody notices."""
from case_demo_kernel import KernelNode, cluster
from case_kernel import UserNode, made, same_copies
from rig import Disk, at_most, wait_for

RECORDS = "SDSD_RENEW_RECORDS=100"     # writes share them
WRONG = "rules of renewals\\|its next socket\\|after its SWITCH\\|cannot be renewed"


class Kernel(KernelNode):
    env = RECORDS


class User(UserNode):
    env = RECORDS


def epoch(node):
    return [r for r in node.json("status")["resources"] if r["name"] == "db"][0]["epoch"]


def renewals(node):
    return node.log_lines(" renewed")


def hold(node):
    """Opens it for as long as the job lives: else each program that opens it makes an epoch."""
    job = node.guest.start_job("exec 3<>%s; while [ ! -e /tmp/leave ]; do sleep 0.2; done"
                               % node.device("db"))
    wait_for(lambda: node.log_lines("opened") > 0, 30, "it is open")
    return job


def write_and_check(node, device):
    node.guest.run("fio --name=t --filename=%s --size=32m --rw=randrw --bs=4k --direct=1 "
                   "--ioengine=libaio --iodepth=16 --fsync=64 --verify=crc32c --runtime=15 "
                   "--time_based=1 --output=/tmp/fio.out" % device, 300)


def renewed_under_load(rig, nodes, writer, device, times):
    """Writes until the links of `writer` were renewed so often within one epoch. On a busy machine
    a session may be lost for other reasons; for none that has to do with renewals."""
    for _ in range(4):
        wait_for(lambda: writer.verdict("db") == "safe", 120, "both copies are in sync")
        before, count = epoch(writer), renewals(writer)
        write_and_check(writer, device)
        count = renewals(writer) - count
        for node in nodes:
            said = node.guest.run("(dmesg; cat /mnt/sdsd.log) | grep '%s'; true" % WRONG).out
            rig.check(said == "", "%s: %s" % (node.name, said))
        if epoch(writer) == before and count >= times:
            return
    rig.check(False, "%d renewals, epoch %d and then %d" % (count, before, epoch(writer)))


@at_most(1500)
def case_renew_kernel(rig):
    """Links in the kernel; then those of a former sdsd, here and there."""
    n1, n2, _ = cluster(rig, 3, Disk(512), kinds=[Kernel] * 3)
    made(rig, (n1, n2))
    holder = hold(n1)
    device = n1.device("db")
    renewed_under_load(rig, (n1, n2), n1, device, 5)
    n2.restart()
    renewed_under_load(rig, (n1, n2), n1, device, 5)
    n1.restart()
    renewed_under_load(rig, (n1, n2), n1, device, 5)
    n1.guest.run("touch /tmp/leave")
    holder.wait(30)
    wait_for(lambda: n1.verdict("db") == "safe", 120, "both copies are in sync")
    same_copies(rig, (n1, n2))


@at_most(1500)
def case_renew_kernel_and_user(rig):
    """One end of the link in the kernel, the other in user space; each opens it once."""
    n1, n2, _ = cluster(rig, 3, Disk(512), kinds=[Kernel, User, Kernel])
    made(rig, (n1, n2))
    holder = hold(n1)
    renewed_under_load(rig, (n1, n2), n1, n1.device("db"), 5)
    n1.guest.run("touch /tmp/leave")
    holder.wait(30)
    wait_for(lambda: n1.verdict("db") == "safe", 120, "both copies are in sync")
    n2.open("db", "/dev/nbd0")
    renewed_under_load(rig, (n1, n2), n2, "/dev/nbd0", 5)
    n2.guest.run("nbd-client -d /dev/nbd0 >/dev/null")
    wait_for(lambda: n1.verdict("db") == "safe", 120, "both copies are in sync")
    same_copies(rig, (n1, n2))
