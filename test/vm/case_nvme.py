# SPDX-License-Identifier: GPL-2.0-or-later
"""Volumes that are not replicated: shown by one node, reached by others by NVMe over TCP."""
from case_demo_user import back, cluster
from case_storage_sdsd import UserPlain
from rig import Disk, at_most, wait_for

PORT = 3373
NVMET = "/sys/kernel/config/nvmet"
OURS = "nqn.2026-11.invalid.sdsd:"
STRANGER = "nqn.2014-08.org.nvmexpress:uuid:6f1a0f0a-4b5c-4a4e-9f0e-000000000001"
DEVICE = "/dev/rvol/by-res/%s/0"
LV = "/dev/mapper/vg-%s_00000"

MAKE_STRANGER = """
mkdir {t}/subsystems/{s} {t}/subsystems/{s}/namespaces/1 {t}/ports/1
truncate -s 16M /tmp/stranger && losetup /dev/loop7 /tmp/stranger
echo 1 >{t}/subsystems/{s}/attr_allow_any_host
echo /dev/loop7 >{t}/subsystems/{s}/namespaces/1/device_path
echo 1 >{t}/subsystems/{s}/namespaces/1/enable
echo tcp >{t}/ports/1/addr_trtype && echo ipv4 >{t}/ports/1/addr_adrfam
echo {a} >{t}/ports/1/addr_traddr && echo 4420 >{t}/ports/1/addr_trsvcid
ln -s {t}/subsystems/{s} {t}/ports/1/subsystems/{s}
"""


class NvmeNode(UserPlain):
    def launch(self):
        self.guest.run("modprobe -a nvmet-tcp nvme-tcp loop && "
                       "{ [ -d %s ] || mount -t configfs none /sys/kernel/config; }" % NVMET)
        super().launch()

    def kill(self):
        self.guest.run("kill -9 $(pidof sdsd); while pidof sdsd >/dev/null; do sleep 0.1; done")

    def stop(self):
        self.guest.run("kill $(pidof sdsd); while pidof sdsd >/dev/null; do sleep 0.1; done", 120)

    def names(self, folder):
        """of ours in a folder of the target"""
        return [n for n in self.guest.run("ls %s/%s 2>/dev/null; true" % (NVMET, folder)).out.split()
                if n.startswith(OURS)]

    def controllers(self):
        """state of each that is ours"""
        return self.guest.run("for c in /sys/class/nvme/nvme*; do grep -q %s $c/hostnqn "
                              "2>/dev/null && cat $c/state; done; true" % OURS).out.split()

    def has(self, volume):
        return self.guest.run("[ -b %s ]" % DEVICE % volume, check=False).status == 0

    def put(self, volume, seed, mib=4, at=0):
        """Written by way of NVMe; its sum."""
        self.guest.run("dd if=/dev/urandom of=/tmp/%s bs=1M count=%d 2>/dev/null && dd if=/tmp/%s "
                       "of=%s bs=1M seek=%d oflag=direct conv=notrunc,fsync 2>/dev/null"
                       % (seed, mib, seed, DEVICE % volume, at), 240)
        return self.guest.run("sha256sum </tmp/%s" % seed).out

    def sum(self, device, mib=4, at=0):
        return self.guest.run("dd if=%s bs=1M count=%d skip=%d iflag=direct 2>/dev/null | sha256sum"
                              % (device, mib, at), 120).out

    def replica(self, volume, node):
        found = [r for r in self.json("status")["resources"] if r["name"] == volume]
        return [r for r in found[0]["replicas"] if r["node"] == node][0]

    def size(self, volume):
        return int(self.guest.run("blockdev --getsize64 %s" % DEVICE % volume).out)

    def left(self):
        """what there is of ours in this kernel, and of names"""
        return (self.names("subsystems") + self.names("hosts") + self.controllers() +
                self.guest.run("ls /dev/rvol/by-res 2>/dev/null; ls -d %s/ports/%d 2>/dev/null; true"
                               % (NVMET, PORT)).out.split())


def nvme_cluster(rig):
    nodes = cluster(rig, 3, [Disk(512, volatile=True), Disk(256, volatile=True)], [NvmeNode] * 3)
    wait_for(lambda: nodes[0].cli("pool list").count(" ok") == 2, 60, "both pools are seen")
    return nodes


def at_last(node, words):
    """Nodes come and go, and on a busy machine the leader with them: it can be repeated."""
    def done():
        tried = node.guest.run("sdsd " + words, 120, check=False)
        return tried.status == 0 or "not found" in tried.out + tried.err   # the one before was done
    wait_for(done, 180, words, interval=1)


def nowhere(nodes):
    wait_for(lambda: not any(n.left() for n in nodes), 180, "nothing is left")


def stranger(n1, n2):
    """Somebody else's target on n1, which n2 uses; and what there is to see of it."""
    n1.guest.run(MAKE_STRANGER.format(t=NVMET, s=STRANGER, a=n1.guest.address))
    n2.guest.run("echo -n 'transport=tcp,traddr=%s,trsvcid=4420,nqn=%s' >/dev/nvme-fabrics"
                 % (n1.guest.address, STRANGER), 60)


def stranger_is_well(rig, n1, n2):
    found = n1.guest.run("cat {t}/subsystems/{s}/attr_allow_any_host "
                         "{t}/subsystems/{s}/namespaces/1/enable; ls {t}/ports/1/subsystems"
                         .format(t=NVMET, s=STRANGER)).out.split()
    rig.check(found == ["1", "1", STRANGER], "the stranger's target is %s" % found)
    found = n2.guest.run("for c in /sys/class/nvme/nvme*; do grep -q 6f1a0f0a $c/subsysnqn && "
                         "cat $c/state; done; true").out.split()
    rig.check(found == ["live"], "the stranger's controller is %s" % found)


def made(rig, n1, n2):
    """Not without the property; one copy; who asks for more is told."""
    refused = n1.guest.run("sdsd volume create db 32M --nvme --nodes n1", check=False)
    rig.check(refused.status != 0 and "sds/nvme-plaintext" in refused.out + refused.err,
              "not refused without the property: %s" % (refused.out + refused.err))
    at_last(n1, "property set controller sds/nvme-plaintext=on")
    n1.cli("volume create db 32M --nvme --nodes n1")
    n1.cli("volume attach db n2")
    wait_for(lambda: n2.has("db"), 90, "n2 has the device")
    status = [r for r in n1.json("status")["resources"] if r["name"] == "db"][0]
    rig.check("no failover" in status["reason"] and status["copies"] == 1, "status: %s" % status)


def closed_to_others(rig, n1, n3):
    """n3 is on no list, whatever it calls itself; and n1 listens on its address only."""
    name = n1.names("subsystems")[0]
    refused = n3.guest.run("echo -n 'transport=tcp,traddr=%s,trsvcid=%d,nqn=%s' >/dev/nvme-fabrics"
                           % (n1.guest.address, PORT, name), 60, check=False)
    rig.check(refused.status != 0, "n3 may connect")
    listens = [l.split()[1] for l in n1.guest.run("cat /proc/net/tcp").out.splitlines()
               if l.split()[3] == "0A" and l.split()[1].endswith(":%04X" % PORT)]
    rig.check(len(listens) == 1 and not listens[0].startswith("00000000"),
              "it listens on %s" % listens)


@at_most(1500)
def case_nvme(rig):
    """Made, written, daemons killed, grown, detached, deleted; a stranger's target stays as it is."""
    n1, n2, n3 = nvme_cluster(rig)
    stranger(n1, n2)
    made(rig, n1, n2)
    closed_to_others(rig, n1, n3)
    want = n2.put("db", "a")
    rig.check(n1.sum(LV % "db") == want, "the logical volume has something else")
    for node in (n1, n2):
        node.kill()
        node.start()
    rig.check(n2.put("db", "b", at=8) == n1.sum(LV % "db", at=8), "after kill -9")
    wait_for(lambda: n1.replica("db", "n2")["state"] == "up", 60, "n2 is up again")
    rig.check(n2.controllers() == ["live"], "connected anew: %s" % n2.controllers())
    n1.cli("volume grow db 64M")
    wait_for(lambda: n2.size("db") == 64 << 20, 60, "n2 sees the growth")
    rig.check(n2.put("db", "c", at=60) == n1.sum(LV % "db", at=60), "in what it has grown by")
    n2.guest.run("mkfs.ext4 -q %s && mkdir -p /vol && mount %s /vol" % ((DEVICE % "db",) * 2), 120)
    wait_for(lambda: n1.replica("db", "n2")["open"], 30, "it is seen to be open")
    refused = n1.guest.run("sdsd volume delete db", check=False)
    rig.check(refused.status != 0, "deleted while it is mounted")
    n2.guest.run("umount /vol")
    wait_for(lambda: not n1.replica("db", "n2")["open"], 30, "it is seen to be closed")
    n1.cli("volume detach db n2")
    wait_for(lambda: not n2.left(), 60, "n2 has let go")
    n1.cli("volume attach db n2")
    wait_for(lambda: n2.has("db"), 90, "n2 has it again")
    rig.check(n2.sum(DEVICE % "db", at=60) == n1.sum(LV % "db", at=60), "another content")
    n1.cli("volume delete db")
    nowhere((n1, n2, n3))
    wait_for(lambda: n1.volumes() == [], 60, "the files are gone")
    stranger_is_well(rig, n1, n2)


@at_most(1800)
def case_nvme_cuts(rig):
    """The target loses its power under a write, which waits; it is away while its client goes."""
    n1, n2, n3 = nvme_cluster(rig)
    at_last(n3, "property set controller sds/nvme-plaintext=on")
    n3.cli("volume create db 32M --nvme --nodes n1")
    at_last(n3, "volume attach db n2")
    wait_for(lambda: n2.has("db"), 90, "n2 has the device")
    want = n2.put("db", "a")
    n1.guest.power_cut(seed=3)
    writing = n2.guest.start_job("dd if=/tmp/a of=%s bs=1M seek=8 oflag=direct conv=notrunc,fsync"
                                 % DEVICE % "db")
    wait_for(lambda: "does not answer" in n3.replica("db", "n2")["error"], 60, "n2 says so")
    rig.check("nvme" not in n3.cli("disk list"), "a volume is listed as a disk")
    n3.cli("volume create own 16M --copies 1 --nodes n2", 60)    # LVM of n2 does not wait for n1
    n2.guest.run("[ -b %s ]" % LV % "own")
    n3.cli("volume delete own", 60)
    rig.check(not writing.done(), "a write does not wait")
    back(n1)
    writing.wait(120)
    rig.check(n1.sum(LV % "db") == want and n1.sum(LV % "db", at=8) == want, "the content")
    wait_for(lambda: n3.replica("db", "n2")["error"] == "", 60, "n2 is content")
    # the target is away while its client goes
    n1.guest.power_cut(seed=4)
    at_last(n3, "volume detach db n2")
    wait_for(lambda: not n2.left(), 120, "n2 has let go without the target")
    back(n1)
    at_last(n3, "volume attach db n2")
    wait_for(lambda: n2.has("db"), 120, "n2 has it again")
    # sdsd of the client is away while all of it is deleted: what was left behind goes later
    n2.stop()
    at_last(n3, "volume delete db")
    wait_for(lambda: not n1.left() and n1.volumes() == [], 60, "n1 has let go")
    rig.check(n2.controllers() != [], "nothing was left behind at n2")
    n2.start()
    nowhere((n1, n2, n3))
    # and the other way round
    n3.cli("volume create again 32M --nvme --nodes n1")
    at_last(n3, "volume attach again n2")
    wait_for(lambda: n2.has("again"), 90, "n2 has the device")
    n1.stop()
    at_last(n3, "volume delete again")
    wait_for(lambda: not n2.left(), 120, "n2 has let go")
    rig.check(n1.names("subsystems") != [], "nothing was left behind at n1")
    n1.start()
    nowhere((n1, n2, n3))
