# SPDX-License-Identifier: GPL-2.0-or-later
"""sdsd with encrypted volumes: LUKS under each copy, keys from node to node and from passphrases."""
import os

from case_demo_kernel import KernelNode
from case_demo_user import Node, cluster
from rig import Disk, Skip, at_most, wait_for

PASSPHRASE = "correct horse battery"
OTHER = "staple for a horse"
PATTERN = "this-is-what-nobody-else-may-read."
HEADER = 16 << 20


class LuksNode(Node):
    """User space plane; what the module's nodes do for themselves is done here, too."""

    def launch(self):
        self.guest.run("modprobe -a dm-crypt loop algif_skcipher xts nbd")
        super().launch()

    def stop(self):
        self.guest.run("kill $(pidof sdsd); while pidof sdsd >/dev/null; do sleep 0.1; done")

    def encryption(self, words, *lines, check=True):
        return self.guest.run("sdsd encryption %s --file -" % words, 60, check=check,
                              stdin="".join(l + "\n" for l in lines).encode())

    def is_unlocked(self):
        """Of the leader's; each node's own shows in its volumes."""
        return self.cli("encryption status").strip() == "unlocked"

    def write(self, blocks=64):
        """The pattern, all over the beginning of db; what is there then is returned."""
        self.guest.run("mkdir -p /tmp/x; i=0; while [ $i -lt 2048 ]; do printf '%%s' '%s'; "
                       "i=$((i+1)); done >/tmp/x/pattern" % PATTERN)
        self.open("db", "/dev/nbd0")
        self.guest.run("for i in $(seq 0 %d); do dd if=/tmp/x/pattern of=/dev/nbd0 bs=64k seek=$i "
                       "conv=notrunc,fsync 2>/dev/null || exit 1; done" % (blocks - 1), 300)
        found = self.read(blocks)
        self.close()
        return found

    def read(self, blocks=64):
        return self.guest.run("dd if=/dev/nbd0 bs=64k count=%d iflag=direct 2>/dev/null | "
                              "sha256sum" % blocks, 120).out

    def close(self):
        self.guest.run("nbd-client -d /dev/nbd0")

    def reread(self, blocks=64, volume="db"):
        self.open(volume, "/dev/nbd0")
        try:
            return self.read(blocks)
        finally:
            self.close()

    def sums(self, mib):
        """of each MiB of the copy, as the replication sees it"""
        return self.guest.run("for i in $(seq 0 %d); do dd if=/dev/mapper/sdsd-db_00000 bs=1M "
                              "skip=$i count=1 2>/dev/null | md5sum; done" % (mib - 1),
                              300).out.split("\n")

    def mappings(self):
        return [w.split()[0] for w in self.guest.run("dmsetup ls").out.splitlines()
                if w.startswith("sdsd-")]

    def disk_has(self, text):
        """Looked for on the disk itself, from outside: state, log, the pool, what was deleted."""
        self.guest.run("sync")
        text, end = text.encode(), b""
        with open(self.guest.disks[0].raw, "rb") as f:
            while True:
                part = f.read(1 << 22)
                if not part:
                    return False
                if text in end + part:
                    return True
                end = part[-len(text):]

    def tells(self, text):
        """Whether a command line or an environment of a process has it."""
        self.guest.push((text + "\n").encode(), "/tmp/needle")
        return self.guest.run("cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | "
                              "tr '\\0' '\\n' | grep -c -F -f /tmp/needle; true").out.strip() != "0"

    def replica(self, volume):
        found = [r for r in self.json("status")["resources"] if r["name"] == volume][0]
        return [r for r in found["replicas"] if r["node"] == self.name][0]


def request(rig, node, method, path, body):
    """The command line has no word for it."""
    program = os.path.join(os.path.dirname(rig.sdsd_path), "test/unixsend")
    if not os.access(program, os.X_OK):
        raise Skip("no %s: tools/build release build test/unixsend" % os.path.relpath(program))
    node.guest.push(program, "/usr/bin/unixsend", 0o755)
    return node.guest.run("unixsend /run/sdsd/sdsd.sock", stdin=(
        "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
        % (method, path, len(body), body)).encode()).out


def luks_cluster(rig, count, kinds=None):
    nodes = cluster(rig, count, Disk(512), kinds or [LuksNode] * count)
    nodes[0].encryption("create-passphrase", PASSPHRASE)
    return nodes


def encrypted(nodes, size="64M"):
    nodes[0].cli("volume create db %s --copies 2 --encrypt" % size)
    wait_for(lambda: nodes[0].verdict("db") == "safe", 90, "both copies are in sync")


def back(nodes):
    for node in nodes:
        node.guest.start()
    for node in nodes:
        node.guest.wait()
        node.mount()
    for node in nodes:
        node.launch()
    for node in nodes:
        node.answers()


def no_secrets(rig, node):
    """Neither passphrases nor what was written are where they could be found."""
    for text in (PASSPHRASE, OTHER, PATTERN):
        rig.check(not node.disk_has(text), "%s: \"%s\" is on the disk" % (node.name, text))
        rig.check(not node.tells(text), "%s: \"%s\" is in a command line" % (node.name, text))
    # what is certainly there is found
    rig.check(node.disk_has("key_sealed") and node.tells("/mnt/state"), "nothing is found at all")


@at_most(900)
def case_luks(rig):
    """An encrypted volume: made, written, grown, deleted; nothing secret is on the disks; a copy that
    is added later is the same."""
    n1, n2, n3 = luks_cluster(rig, 3)
    rig.check(n2.is_unlocked(), "it is not unlocked")
    encrypted((n1, n2))
    first = n1.reread(1024)
    want = n1.write()
    for node in (n1, n2):
        rig.check(node.mappings() == ["sdsd-db_00000"], "%s: mappings %r" % (node.name,
                                                                            node.mappings()))
        dump = node.guest.run("cryptsetup luksDump /mnt/pool/db_00000").out
        rig.check("Version:       \t2" in dump and "aes-xts-plain64" in dump and
                  "512 bits" in dump, dump)
        no_secrets(rig, node)
    rig.check(n2.reread() == want, "n2 reads something else")
    rig.check(first != n1.reread(1024), "nothing was written")

    n1.cli("volume grow db 96M")
    wait_for(lambda: n1.verdict("db") == "safe", 60, "both copies are in sync")
    for node in (n1, n2):
        wait_for(lambda: node.guest.run("blockdev --getsize64 /dev/mapper/sdsd-db_00000").out
                 .strip() == str(96 << 20), 60, "it has grown")
        zeros = node.guest.run("dd if=/dev/mapper/sdsd-db_00000 bs=1M skip=64 count=32 "
                               "2>/dev/null | tr -d '\\0' | wc -c", 60).out.strip()
        rig.check(zeros == "0", "%s: the new space holds %s bytes" % (node.name, zeros))
    rig.check(n2.reread() == want, "n2 reads something else")

    n1.cli("pool create n3 files --dir /mnt/pool")
    said = request(rig, n1, "POST", "/v1/resource-definitions/db/autoplace",
                   '{"select_filter": {"place_count": 3}}')
    rig.check(" 201 " in said.split("\n")[0], said)
    wait_for(lambda: len(n1.json("status")["resources"][0]["replicas"]) == 3 and
             n1.verdict("db") == "safe", 120, "n3 has caught up")
    rig.check(n3.reread() == want, "n3 reads something else")
    # also where nobody has written
    sums = [n.sums(96) for n in (n1, n2, n3)]
    rig.check(sums[0] == sums[1] == sums[2], "the copies differ, in MiB %r" % [
        (i, [s[i] == sums[0][i] for s in sums]) for i in range(96)
        if len(set(s[i] for s in sums)) > 1])

    n1.cli("volume delete db")
    for node in (n1, n2, n3):
        wait_for(lambda: node.mappings() == [] and node.guest.run("ls /mnt/pool").out == "", 60,
                 "%s has let go of it" % node.name)
        rig.check(node.guest.run("ls -d /sys/block/loop*/loop 2>/dev/null; true").out == "",
                  "%s: a loop device is left" % node.name)


@at_most(1200)
def case_luks_locked(rig):
    """A node that boots gets the key from another; after all were off it takes a passphrase, which
    can be changed; a volume that is not encrypted needs none."""
    nodes = luks_cluster(rig, 3)
    n1, n2, n3 = nodes
    encrypted((n1, n2))
    n1.cli("volume create plain 16M --copies 2")
    want = n1.write()

    n2.guest.power_cut()
    wait_for(lambda: n1.verdict("db") != "safe", 60, "n2 is missed")
    back([n2])
    wait_for(lambda: n1.verdict("db") == "safe", 120, "n2 has the key again")
    rig.check(n2.mappings() == ["sdsd-db_00000"], "n2 has it not open")

    n1.guest.run("sdsd encryption modify-passphrase --file - --old-file -",
                 stdin=(PASSPHRASE + "\n" + OTHER + "\n").encode())
    for node in nodes:
        node.guest.run("sync")
        node.guest.power_cut()
    back(nodes)
    wait_for(lambda: n1.verdict("plain") == "safe", 120, "what is not encrypted is there")
    wait_for(lambda: "locked" in n1.replica("db").get("error", ""), 60, "it says why")
    rig.check(n1.cli("encryption status").startswith("locked"), "it is unlocked")
    said = n2.encryption("enter-passphrase", PASSPHRASE, check=False)
    rig.check(said.status != 0 and "wrong passphrase" in said.err, "it took the former passphrase")
    rig.check(n1.mappings() == [], "it is open")
    refused = n1.guest.run("sdsd volume create more 16M --encrypt", check=False)
    rig.check(refused.status != 0 and "locked" in refused.err, "made without a key")

    n2.encryption("enter-passphrase", OTHER)
    wait_for(lambda: n1.verdict("db") == "safe", 120, "it is unlocked")
    rig.check(n2.reread() == want, "n2 reads something else")
    for node in nodes:
        no_secrets(rig, node)

    # a restart takes over what is open, and the file's passphrase opens the rest
    for node in nodes:
        node.guest.power_cut()
    n3.env = "SDSD_PASSPHRASE_FILE=/root/pass"
    n3.guest.start()
    n3.guest.wait()
    n3.guest.push((OTHER + "\n").encode(), "/root/pass", 0o600)
    n3.mount()
    n3.launch()
    back([n1, n2])
    wait_for(lambda: n1.verdict("db") == "safe", 120, "n3's file has unlocked it")
    n1.stop()
    rig.check(n1.mappings() == ["sdsd-db_00000"], "it was closed")
    n1.start()
    wait_for(lambda: n1.verdict("db") == "safe", 120, "it goes on")
    rig.check(n1.reread() == want, "n1 reads something else")


@at_most(900)
def case_luks_damaged(rig):
    """A header that is damaged, or of another key: that copy says so and is not touched, the other
    serves."""
    n1, n2, _ = luks_cluster(rig, 3)
    encrypted((n1, n2))
    want = n1.write()
    n2.stop()
    n2.guest.run("dmsetup remove sdsd-db_00000 && dd if=/dev/urandom of=/mnt/pool/db_00000 bs=1M "
                 "count=15 conv=notrunc 2>/dev/null && sync")
    before = n2.guest.run("sha256sum </mnt/pool/db_00000", 60).out
    n2.start()
    wait_for(lambda: "header" in n2.replica("db").get("error", ""), 60, "n2 says what is wrong")
    rig.check(n1.reread() == want, "n1 does not serve")
    rig.check(n2.guest.run("sha256sum </mnt/pool/db_00000", 60).out == before, "it was written to")

    # another key
    n2.stop()
    n2.guest.run("printf 'of something else' | cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 "
                 "--pbkdf-force-iterations 1000 /mnt/pool/db_00000 -", 120)
    n2.start()
    wait_for(lambda: "does not open with the volume's key" in n2.replica("db").get("error", ""),
             60, "n2 says what is wrong")
    rig.check(n2.mappings() == [], "n2 has it open")


@at_most(900)
def case_luks_snapshot(rig):
    """A snapshot has its header with it: a volume made from it, and one that goes back to it, open
    with the key of the first."""
    class XfsNode(LuksNode):
        def format(self):
            self.guest.run("mkfs.xfs -q -f /dev/vda")
            self.mount()
            self.guest.run("mkdir /mnt/pool")

        def mount(self):
            self.guest.run("mount -t xfs /dev/vda /mnt && mkdir -p /run/sdsd")

    n1, n2, _ = luks_cluster(rig, 3, [XfsNode] * 3)
    encrypted((n1, n2))
    want = n1.write(16)
    n1.cli("snapshot create db s1")
    n1.open("db", "/dev/nbd0")
    n1.guest.run("dd if=/dev/urandom of=/dev/nbd0 bs=64k count=16 conv=notrunc,fsync 2>/dev/null",
                 120)
    n1.close()
    rig.check(n2.reread(16) != want, "nothing was written")
    n1.cli("snapshot restore db s1 again")
    wait_for(lambda: n1.verdict("again") == "safe", 90, "it is restored")
    for node in (n1, n2):
        rig.check(node.reread(16, "again") == want, "%s reads something else" % node.name)
        rig.check("sdsd-again_00000" in node.mappings(), "%s: it is not encrypted" % node.name)
    wait_for(lambda: n1.guest.run("sdsd snapshot rollback db s1", check=False).status == 0, 60)
    wait_for(lambda: n1.verdict("db") == "safe", 90, "it has gone back")
    rig.check(n2.reread(16) == want, "n2 reads something else")
    n1.cli("snapshot delete db s1")
    for name in ("again", "db"):
        wait_for(lambda: n1.guest.run("sdsd volume delete " + name, check=False).status == 0, 60)
    for node in (n1, n2):
        wait_for(lambda: node.mappings() == [] and node.guest.run("ls /mnt/pool").out == "", 60,
                 "%s has let go of it" % node.name)
        for text in (PASSPHRASE, PATTERN):
            rig.check(not node.disk_has(text), "%s: \"%s\" is on the disk" % (node.name, text))


@at_most(900)
def case_luks_kernel(rig):
    """The kernel module over LUKS: it goes on while sdsd does not, and is found again."""
    if not any("rvol" in m for m in rig.modules):
        raise Skip("no rvol.ko: --module")

    class Both(KernelNode, LuksNode):
        pass

    n1, n2, _ = luks_cluster(rig, 3, [Both] * 3)
    encrypted((n1, n2))
    wait_for(lambda: n1.knows_device("db"), 30, "the device is there")
    n1.guest.run("mkfs.ext4 -q %s" % n1.device("db"), 120)
    n1.mount_volume("db")
    n1.guest.run("dd if=/dev/urandom of=/vol/file bs=64k count=64 conv=fsync", 120)
    n1.cli("volume grow db 96M")
    wait_for(lambda: n1.guest.run("blockdev --getsize64 %s" % n1.device("db")).out.strip() ==
             str(96 << 20), 90, "it has grown")
    n1.restart()
    wait_for(lambda: n1.log_lines("goes on as it was in the kernel") == 1, 60, "it is found again")
    want = n1.guest.run("sha256sum /vol/file").out
    n1.guest.run("umount /vol")
    wait_for(lambda: n1.verdict("db") == "safe", 120, "both copies are in sync")
    n2.mount_volume("db")
    rig.check(n2.guest.run("sha256sum /vol/file").out == want, "the file has changed")
    n2.guest.run("umount /vol")
    # paths of devices are longer than those of loop devices
    long = "a-resource-whose-name-is-as-long-as-it-may-be-48"
    n1.cli("volume create %s 16M --copies 2 --encrypt" % long)
    wait_for(lambda: n1.verdict(long) == "safe", 60, "it works")
    for name in ("db", long):
        wait_for(lambda: n1.guest.run("sdsd volume delete " + name, check=False).status == 0, 60)
    for node in (n1, n2):
        wait_for(lambda: node.mappings() == [], 60, "%s has let go of it" % node.name)
