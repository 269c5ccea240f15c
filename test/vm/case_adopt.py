# SPDX-License-Identifier: GPL-2.0-or-later
"""Logical volumes that somebody else has made become volumes, with their content."""
from case_demo_user import Node, cluster
from case_luks import request
from case_storage import MIB, Storage, pair
from case_storage_sdsd import UserPlain, UserThin, nbd_open
from rig import Disk, at_most, wait_for

MAKE = {"LVM": "lvcreate -q -y -L 16M -n mine vg",
        "LVM_THIN": "lvcreate -q -y -V 16M --thinpool thin -n mine vg"}
ADOPT = "adopt db_00000 mine"


def names(s):
    return s.guest.run("lvs --noheadings -o lv_name vg 2>/dev/null").out.split()


def content(s):
    """All of it is there, under one name or the other, and nowhere twice."""
    found = [n for n in names(s) if n in ("mine", "db_00000")]
    s.rig.check(len(found) == 1, "there is %s" % found)
    s.guest.run("lvchange -q -ay -K vg/%s" % found[0], 120)
    s.holds("/dev/mapper/vg-" + found[0], "u", mib=16)
    return found[0]


def mine(s):
    s.lvm(MAKE[s.kind])
    s.put("/dev/mapper/vg-mine", "u", mib=16)


def finish(s):
    s.ok(ADOPT)
    s.rig.check(content(s) == "db_00000", "it has not its new name")
    s.left(*pair("db_00000"))
    s.rig.check(s.ok("locate db_00000")["size"] == str(16 * MIB), "it has another size")


def cut_everywhere(s):
    mine(s)
    s.ok(ADOPT, environment="STORAGE_STEPS=1")
    n = int(s.guest.run("grep -c ^step /tmp/said").out)
    finish(s)
    s.ok("remove db_00000")
    s.left()
    named = 0
    for at in range(1, n + 1):
        mine(s)
        code, said = s.call(ADOPT, environment="STORAGE_END_AT=%d" % at)
        s.rig.check(code == "cut", "step %d: not cut: %s %s" % (at, code, said))
        named += content(s) == "db_00000"
        finish(s)
        s.ok("remove db_00000")
        s.left()
    s.rig.check(0 < named < n, "renamed at %d of %d" % (named, n))
    return n


def given_up(s, at):
    """Cut, and then its volume is deleted: the data is still its owner's."""
    mine(s)
    s.call(ADOPT, environment="STORAGE_END_AT=%d" % at)
    s.ok("remove db_00000")
    s.rig.check(content(s) == "mine", "it has gone")
    s.lvm("lvremove -q -y vg/mine")


def grown_before(s):
    """defined with 16 MiB, grown to 32 before it was made; one that bears the name already"""
    mine(s)
    s.ok(ADOPT + " --size %d --taken %d" % (32 * MIB, 16 * MIB))
    s.holds("/dev/mapper/vg-db_00000", "u", mib=16)
    s.holds("/dev/mapper/vg-db_00000", "\\0", at=16, mib=16)
    s.ok("remove db_00000")
    mine(s)
    s.lvm("lvrename vg mine db_00000")
    s.refused("create db_00000", "E_EXISTS", "is not of sdsd")
    s.ok("adoptable vg/db_00000")
    s.ok("adopt db_00000 db_00000")
    finish(s)
    s.ok("remove db_00000")
    s.left()


REFUSED = """
lvcreate -q -y -L 8M -n plain vg; lvcreate -q -y -V 8M --thinpool thin -n slim vg
lvcreate -q -y -s -L 4M -n thick vg/plain; lvcreate -q -y -s -kn -n copy vg/slim
lvcreate -q -y -L 8M -n held vg; lvcreate -q -y -L 8M -n mounted vg; lvcreate -q -y -L 8M -n still vg
lvchange -p r vg/still; lvcreate -q -y -L 8M -n tagged vg
lvchange --addtag sdsd.replica.09090909-0909-0909-0909-090909090909 vg/tagged
dmsetup create above --table "0 8192 linear /dev/mapper/vg-held 0"
mkfs.ext4 -q /dev/mapper/vg-mounted; mkdir -p /m; mount /dev/mapper/vg-mounted /m
vgremove -q -y beside; vgcreate -q -s 1k beside /dev/vdc; lvcreate -q -y -L 1025k -n odd beside
"""


def refusals(s):
    s.guest.run(REFUSED, 300)
    before = s.guest.run("lvs --noheadings -o lv_name,lv_size,lv_tags,lv_attr vg beside").out
    for kind, device, code, words in (
            ("LVM", "/dev/vg/nothing", "ENOENT", "no such logical volume"),
            ("LVM", "/dev/mapper/vg-slim", "ENOENT", "is not in vg"),
            ("LVM_THIN", "/dev/vg/plain", "ENOENT", "is not in vg/thin"),
            ("LVM", "/dev/vg/thick", "E_INVALID", "is a snapshot"),
            ("LVM", "/dev/vg/plain", "E_INVALID", "has snapshots"),
            ("LVM_THIN", "/dev/vg/copy", "E_INVALID", "is a snapshot"),
            ("LVM", "/dev/vg/thin", "E_INVALID", "neither a linear"),
            ("LVM", "/dev/vg/thin_tdata", "ENOENT", "no such logical volume"),
            ("LVM", "/dev/vg/held", "E_IN_USE", "is open"),
            ("LVM", "/dev/vg/mounted", "E_IN_USE", "is open"),
            ("LVM", "/dev/vg/still", "E_INVALID", "is read-only"),
            ("LVM", "/dev/vg/tagged", "E_EXISTS", "has tags of sdsd"),
            ("LVM", "/dev/beside/odd", "ENOENT", "not in volume group vg"),
            ("LVM", "/dev/vda", "E_INVALID", "no name of a logical volume")):
        s.refused("adoptable " + device, code, words, kind=kind)
    said = s.guest.run("storagectl LVM beside adoptable /dev/beside/odd", check=False).out
    s.rig.check(said.startswith("E_INVALID") and "no multiple of 4096" in said, said)
    for lv in ("held", "mounted", "tagged", "plain"):
        code, said = s.call("adopt db_00000 %s --size %d --taken %d" % (lv, 8 * MIB, 8 * MIB),
                            kind="LVM")
        s.rig.check(code.startswith("E"), "%s: %s %s" % (lv, code, said))
    after = s.guest.run("lvs --noheadings -o lv_name,lv_size,lv_tags,lv_attr vg beside").out
    s.rig.check(before == after, "something has changed:\n%s\n%s" % (before, after))


@at_most(1200)
def case_adopt_plain(rig):
    """A logical volume is adopted, cut by kill -9 at each step: its content is there after each."""
    s = Storage(rig, "LVM")
    n = cut_everywhere(s)
    given_up(s, n // 2)
    grown_before(s)
    refusals(s)
    print("     cut at %d steps" % n)


@at_most(1200)
def case_adopt_thin(rig):
    """The same for a thin volume."""
    s = Storage(rig, "LVM_THIN")
    n = cut_everywhere(s)
    given_up(s, n // 2)
    grown_before(s)
    print("     cut at %d steps" % n)


FILES = """lvcreate -q -y %s -n old vg && mkfs.ext4 -q /dev/mapper/vg-old && mkdir -p /vol &&
mount /dev/mapper/vg-old /vol && dd if=/dev/urandom of=/vol/file bs=64k count=256 conv=fsync"""


def adopted(rig, node, other, make):
    """of node's own LV, then read through sdsd, then a second copy on the other"""
    node.guest.run(FILES % make, 120)
    want = node.guest.run("sha256sum /vol/file").out
    said = node.guest.run("sdsd volume adopt %s /dev/vg/old --name db 2>&1" % node.name, 60,
                          check=False)
    rig.check(said.status == 1 and "vg/old is open" in said.out, said.out)
    node.guest.run("umount /vol")
    job = node.guest.start_job("sdsd volume adopt %s /dev/vg/old --name db >/tmp/adopt 2>&1"
                               % node.name)
    wait_for(lambda: "db" in other.cli("volume list") or job.done(), 60, "it is defined")
    node.guest.run("kill -9 $(pidof sdsd)", check=False)    # the client, too
    node.start()
    wait_for(lambda: node.volumes() == ["db_00000", "db_00000.meta"], 120, "it is adopted")
    wait_for(lambda: node.verdict("db") in ("safe", "exposed", "degraded"), 120, "it can be used")
    wait_for(lambda: node.guest.run("test -S /run/sdsd/nbd/db-0.sock", check=False).status == 0,
             60, "it can be opened")
    device = nbd_open(node)
    node.guest.run("mount %s /vol" % device, 120)
    rig.check(node.guest.run("sha256sum /vol/file").out == want, "the file has changed")
    said = request(rig, node, "POST", "/v1/resource-definitions/db/resources/" + other.name, "{}")
    rig.check(" 20" in said.split("\n")[0], said)
    node.guest.run("dd if=/dev/urandom of=/vol/more bs=64k count=64 conv=fsync", 200)
    wait_for(lambda: node.verdict("db") == "safe", 180, "the second copy has caught up")
    node.guest.run("umount /vol && nbd-client -d /dev/nbd0", 120)
    wait_for(lambda: node.verdict("db") == "safe", 120, "both copies are in sync")
    wait_for(lambda: node.sum() == other.sum(), 60, "the copies are alike")
    node.cli("volume delete db")
    wait_for(lambda: node.volumes() + other.volumes() == [], 60, "nothing is left of it")


@at_most(1200)
def case_adopt_sdsd(rig):
    """sdsd adopts a logical volume and a thin one, killed in the middle; copies are added."""
    nodes = cluster(rig, 3, [Disk(256), Disk(512)], [UserPlain, UserThin, Node])
    wait_for(lambda: nodes[0].cli("pool list").count(" ok") == 2, 60, "both pools are seen")
    adopted(rig, nodes[0], nodes[1], "-L 64M")
    adopted(rig, nodes[1], nodes[0], "-V 64M --thinpool thin")
