# SPDX-License-Identifier: GPL-2.0-or-later
"""sdsd on real machines, without a kernel module: volumes are served over NBD from user space."""
import json

from channel import CommandFailed
from rig import Disk, at_most, wait_for

PORT = 7700
RUN = "sdsd run --dir /mnt/state --run-dir /run/sdsd %s >>/mnt/sdsd.log 2>&1"


class Node:
    """sdsd in a guest: state, log and the pool's folder are in a file system of /dev/vda."""
    words = "--plane user"
    env = ""        # of sdsd

    def __init__(self, guest):
        self.guest = guest
        self.name = guest.name
        self.address = "%s:%d" % (guest.address, PORT)

    def format(self):
        self.guest.run("mkfs.ext4 -q /dev/vda")
        self.mount()
        self.guest.run("mkdir /mnt/pool")

    def add_pool(self, first):
        first.cli("pool create %s files --dir /mnt/pool" % self.name)

    def mount(self):
        self.guest.run("mount /dev/vda /mnt && mkdir -p /run/sdsd")

    def launch(self):
        self.guest.start_job("%s %s" % (self.env, RUN % self.words))

    def answers(self):
        wait_for(lambda: self.guest.run("sdsd status", check=False).status == 0, 60,
                 "%s: sdsd answers" % self.name)

    def start(self):
        self.launch()
        self.answers()

    def cli(self, words, timeout=60):
        return self.guest.run("sdsd " + words, timeout).out

    def json(self, words):
        return json.loads(self.cli(words + " --output json"))

    def open(self, volume, device):
        """A block device of the kernel for a volume. The open waits for a dead writer's lease."""
        self.guest.run("modprobe nbd && nbd-client -unix /run/sdsd/nbd/%s-0.sock %s"
                       % (volume, device))

    def verdict(self, volume):
        found = [r for r in self.json("status")["resources"] if r["name"] == volume]
        return found[0]["verdict"]


def cluster(rig, count, disk, kinds=None, files=None, make_lab=None, **wishes):
    """Nodes n1, n2, ..., one cluster; n1 and n2 have a pool, further ones are witnesses.
    disk: one, or a list of them; kinds: the class of each node, Node by default;
    make_lab: what makes the guests in place of rig.lab."""
    rig.log("/mnt/sdsd.log")
    lab = (make_lab or rig.lab)(guests=count, disks=disk if isinstance(disk, list) else [disk],
                                files={"/usr/bin/sdsd": rig.sdsd(), **(files or {})}, **wishes)
    nodes = [kind(g) for kind, g in zip(kinds or [Node] * count, lab.guests)]
    for node in nodes:
        node.format()
    first = nodes[0]
    first.cli("init --name n1 --address %s --dir /mnt/state" % first.address)
    first.start()
    for node in nodes[1:]:
        token = first.json("token create")["token"]
        node.cli("join %s --token %s --name %s --address %s --dir /mnt/state"
                 % (first.address, token, node.name, node.address))
        node.start()
    for node in nodes[:2]:
        node.add_pool(first)
    # before that the first one's end is the end of the cluster
    wait_for(lambda: all_vote(first, count), 90, "the nodes vote")
    return nodes


def all_vote(node, count):
    seen = node.json("status")["cluster"]
    return seen["nodes"] == count and seen["voters"] == seen["voters_wanted"]


def write_and_cut(rig, node):
    """A file with a checksum, then writes under way, then no power; returns the checksum."""
    guest = node.guest
    guest.run("dd if=/dev/urandom of=/vol/file bs=64k count=256 conv=fsync", 120)
    want = guest.run("sha256sum /vol/file").out
    writing = guest.start_job("while :; do dd if=/dev/urandom of=/vol/more bs=4k count=64; done")
    # a machine that was too busy writing was missed for a moment, and the copy fetches all of its volume
    wait_for(lambda: node.verdict("db") == "safe", 180, "both copies are in sync")
    guest.power_cut(seed=1)
    rig.check(writing.done() and writing.status is None, "a job outlives its machine")
    return want


def back(node):
    node.guest.start()
    node.guest.wait()
    node.mount()
    node.start()


@at_most(900)
def case_demo_user(rig):
    """Three nodes; the writer loses its power; another node opens the volume and finds all."""
    n1, n2, n3 = cluster(rig, 3, Disk(512, volatile=True))
    n3.cli("volume create db 64M --copies 2")
    wait_for(lambda: n1.verdict("db") == "safe", 60, "both copies are in sync")
    n1.open("db", "/dev/nbd0")
    n1.guest.run("mkfs.ext4 -q /dev/nbd0 && mkdir /vol && mount /dev/nbd0 /vol")
    for attempt in range(4):
        want = write_and_cut(rig, n1)
        try:
            n2.open("db", "/dev/nbd0")
            break
        except CommandFailed as e:
            # On a busy machine n2 may have stood still long enough to be taken out of the set just
            # then, and the refusal is right.
            rig.check("no copy that is up to date" in str(e) and attempt < 3, str(e))
            back(n1)
            n1.open("db", "/dev/nbd0")
            n1.guest.run("mkdir /vol && mount /dev/nbd0 /vol", 120)

    n2.guest.run("mkdir /vol && mount /dev/nbd0 /vol", 120)
    rig.check(n2.guest.run("sha256sum /vol/file").out == want, "the file has changed")
    n2.guest.run("dd if=/dev/urandom of=/vol/file2 bs=64k count=64 conv=fsync", 120)
    back(n1)
    wait_for(lambda: n2.verdict("db") == "safe", 120, "n1 has caught up")
    n2.guest.run("umount /vol && nbd-client -d /dev/nbd0")
    sums = [n.guest.run("sync; sha256sum /mnt/pool/db_00000 | cut -d' ' -f1", 120).out
            for n in (n1, n2)]
    rig.check(sums[0] == sums[1], "the copies differ")
