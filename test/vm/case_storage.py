# SPDX-License-Identifier: GPL-2.0-or-later
"""The backends of src/storage on real LVM and real file systems, without the rest of sdsd: one guest
with storagectl, which makes the calls that the agent makes."""
import os

from rig import Disk, Skip, at_most

MIB = 1 << 20
FILES, SOURCES = "/mnt/pool", {"FILE": "/mnt/pool", "FILE_THIN": "/mnt/pool", "LVM": "vg",
                               "LVM_THIN": "vg/thin"}
PREPARE = """
modprobe -a dm_mod dm_thin_pool dm_snapshot
pvcreate -q -y /dev/vda && vgcreate -q vg /dev/vda
pvcreate -q -y /dev/vdc && vgcreate -q beside /dev/vdc
mkfs.xfs -q /dev/vdb && mount /dev/vdb /mnt && mkdir /mnt/pool
# what is given back to the group has content
lvcreate -q -L 200M -n old vg && tr '\\0' 'x' </dev/zero 2>/dev/null | \
    dd of=/dev/mapper/vg-old bs=1M count=200 iflag=fullblock conv=fsync && lvremove -q -y vg/old
lvcreate -q --type thin-pool -L 200M -n thin vg
"""


class Storage:
    """A guest with a volume group (and a thin pool), an xfs, and storagectl."""
    sources = SOURCES

    def __init__(self, rig, kind=None):
        program = os.path.join(os.path.dirname(rig.sdsd_path), "test/storagectl")
        if not os.access(program, os.X_OK):
            raise Skip("no %s: tools/build release build test/storagectl" %
                       os.path.relpath(program))
        self.rig = rig
        self.kind = kind
        self.guest = self.boot({"/usr/bin/storagectl": program})

    def boot(self, files):
        guest = self.rig.lab(guests=1, disks=[Disk(640), Disk(512), Disk(64)],
                             files=files).guests[0]
        guest.run(PREPARE, 120)
        return guest

    def call(self, words, kind=None, environment="", timeout=300):
        """(code, what it says): "ok", "ENOSPC", ..."""
        kind = kind or self.kind
        found = self.guest.run("%s storagectl %s %s %s 2>/tmp/said" %
                               (environment, kind, self.sources.get(kind, kind), words), timeout,
                               check=False)
        code, _, rest = (found.out.strip() or "cut").partition(" ")
        return code, rest

    def ok(self, words, **options):
        code, said = self.call(words, **options)
        self.rig.check(code == "ok", "%s %s: %s %s" % (self.kind, words, code, said))
        return dict(part.split("=") for part in said.split())

    def refused(self, words, code, sentence="", **options):
        found, said = self.call(words, **options)
        self.rig.check(found == code and sentence in said, "%s %s: %s %s, not %s ...%s..." %
                       (self.kind, words, found, said, code, sentence))

    def left(self, *names):
        """That is what there is in the pool, all of it whole, and no device waits."""
        if self.kind.startswith("FILE"):
            said = self.guest.run("ls -A " + FILES).out
        else:
            said = self.guest.run("lvs --noheadings --separator=' ' -o lv_name,lv_tags vg "
                                  "2>/dev/null").out
        found = sorted(line.split()[0] for line in said.splitlines())
        found = [n for n in found if n != "thin"]
        self.rig.check(found == sorted(names), "%s: there is %s, not %s" % (self.kind, found,
                                                                           sorted(names)))
        self.rig.check("sdsd.making" not in said, "still in the making: " + said)
        waiting = self.guest.run("dmsetup info -c --noheadings -o name,suspended").out
        self.rig.check("Suspended" not in waiting, "left suspended: " + waiting)

    def put(self, path, letter, at=0, mib=1):
        self.guest.run("tr '\\0' '%s' </dev/zero 2>/dev/null | dd of=%s bs=1M seek=%d count=%d "
                       "iflag=fullblock conv=notrunc,fsync" % (letter, path, at, mib), 120)

    def holds(self, path, letter, at=0, mib=1):
        found = self.guest.run("dd if=%s bs=1M skip=%d count=%d 2>/dev/null | tr -d '%s' | wc -c"
                               % (path, at, mib, letter), 120).out.strip()
        self.rig.check(found == "0", "%s: %s bytes from %d MiB on are not '%s'"
                       % (path, found, at, letter))

    def lvm(self, command, **options):
        return self.guest.run(command + " 2>/tmp/lvm", 120, **options)


def pair(name):
    return name, name + ".meta"


def one_volume(s):
    """made, found, written, grown"""
    s.ok("probe")
    s.refused("locate db_00000", "ENOENT", "missing")
    made = s.ok("create db_00000")
    s.holds(made["data"], "\\0", mib=16)
    s.put(made["data"], "a", mib=16)
    s.rig.check(s.ok("create db_00000") == made, "made again it is another one")
    s.rig.check(s.ok("locate db_00000") == made, "it is found elsewhere")
    s.rig.check(int(s.ok("allocated db_00000")["allocated"]) >= 16 * 1024, "it takes no space")
    s.refused("create db_00000 --owner 9", "E_EXISTS", "another replica")
    s.refused("grow db_00000 --owner 9 --size %d" % (32 * MIB), "E_EXISTS", "another replica")
    s.refused("remove db_00000 --owner 9", "E_EXISTS", "another replica")
    grown = s.ok("grow db_00000 --size %d" % (32 * MIB + 4096))
    s.rig.check(int(grown["size"]) == 32 * MIB + 4096, "it has not grown: %s" % grown)
    s.rig.check(s.ok("grow db_00000 --size %d" % (24 * MIB))["size"] == grown["size"], "shrunk")
    s.rig.check(s.ok("locate db_00000")["size"] == grown["size"], "the label has not grown")
    s.holds(made["data"], "a", mib=16)
    s.holds(made["data"], "\\0", at=16, mib=16)
    s.left(*pair("db_00000"))


def snapshots(s):
    """of db_00000 as one_volume leaves it, and what is made from them"""
    size = "--size %d --taken %d" % (48 * MIB, 32 * MIB + 4096)
    db = s.ok("locate db_00000")["data"]
    s.ok("snapshot db_00000 db_00000_one")
    s.ok("snapshot db_00000 db_00000_one")
    s.refused("snapshot db_00000 db_00000_one --uuid 2", "E_EXISTS", "left alone")
    s.refused("restore new_00000 db_00000_one --owner 2 --size %d --uuid 2" % (48 * MIB), "ENOENT",
              "another one of that name")
    s.put(db, "b")
    made = s.ok("restore new_00000 db_00000_one --owner 2 " + size)
    s.rig.check(s.ok("restore new_00000 db_00000_one --owner 2 " + size) == made, "another one")
    s.rig.check(int(made["size"]) == 48 * MIB, "the new one is not larger")
    s.holds(made["data"], "a", mib=16)
    s.holds(made["data"], "\\0", at=16, mib=32)
    s.holds(db, "b")
    s.put(made["data"], "c")
    s.ok("snapshot new_00000 new_00000_two --owner 2 --uuid 2")
    more = s.ok("restore more_00000 new_00000_two --owner 3 --uuid 2 " + size)
    s.holds(more["data"], "c")
    s.left("db_00000_one", "new_00000_two", *pair("db_00000"), *pair("new_00000"),
           *pair("more_00000"))
    # in an order that no tree of snapshots would allow
    s.ok("remove db_00000")
    s.refused("snapshot-remove db_00000 db_00000_one --uuid 2", "E_EXISTS", "left alone")
    again = s.ok("restore db_00000 db_00000_one --owner 4 " + size)
    s.holds(again["data"], "a", mib=16)
    s.ok("snapshot-remove new_00000 new_00000_two --uuid 2")
    s.ok("remove new_00000 --owner 2")
    s.ok("snapshot-remove db_00000 db_00000_one")
    s.ok("snapshot-remove db_00000 db_00000_one")
    s.holds(more["data"], "c")
    s.holds(again["data"], "a", mib=16)
    s.ok("remove more_00000 --owner 3")
    s.ok("remove db_00000 --owner 4")


def matrix(s):
    for kind in s.sources:
        s.kind = kind
        one_volume(s)
        if kind == "LVM":
            s.refused("snapshot db_00000 db_00000_one", "EOPNOTSUPP", "use a thin one")
            s.ok("remove db_00000")
        else:
            snapshots(s)
        s.refused("locate db_00000", "ENOENT", "missing")
        s.ok("remove db_00000")
        s.left()


@at_most(900)
def case_storage_matrix(rig):
    """Each operation of each backend, and what must be refused."""
    matrix(Storage(rig))


@at_most(900)
def case_storage_udev(rig):
    """The same for thin volumes with udev, which makes the links to their devices."""
    s = Storage(rig, "LVM_THIN")
    s.guest.run("mkdir -p /run/udev && /lib/systemd/systemd-udevd --daemon && udevadm trigger && "
                "udevadm settle", 120)
    environment = "DM_DISABLE_UDEV= env -u DM_DISABLE_UDEV"
    plain = s.call
    s.call = lambda words, **options: plain(words, **{"environment": environment, **options})
    one_volume(s)
    rig.check("dm-" in s.guest.run("readlink /dev/mapper/vg-db_00000", check=False).out,
              "udev has made no link: was it asked?")
    s.ok("snapshot db_00000 db_00000_one")
    s.ok("remove db_00000")
    s.ok("snapshot-remove db_00000 db_00000_one")
    s.left()


@at_most(900)
def case_storage_foreign(rig):
    """What others have made is not touched, whatever its name; what they did to ours is said."""
    s = Storage(rig, "LVM_THIN")
    for kind, made in (("LVM", "-L 8M"), ("LVM_THIN", "--type thin -V 8M --thinpool thin")):
        s.kind = kind
        for name in pair("db_00000"):
            s.lvm("lvcreate -q -y %s -n %s vg" % (made, name))
            s.put("/dev/mapper/vg-" + name, "f", mib=8)
            s.refused("create db_00000", "E_EXISTS", "is not of sdsd")
            s.ok("remove db_00000")
            s.refused("locate db_00000", "ENOENT" if name == "db_00000" else "E_EXISTS")
            s.left(name)
            s.holds("/dev/mapper/vg-" + name, "f", mib=8)
            s.lvm("lvremove -q -y vg/" + name)
    s.ok("create db_00000")
    s.lvm("lvcreate -q -y -V 8M --thinpool thin -n db_00000_one vg")
    s.refused("snapshot db_00000 db_00000_one", "E_EXISTS", "is not of sdsd")
    s.refused("snapshot-remove db_00000 db_00000_one", "E_EXISTS")
    s.left("db_00000_one", *pair("db_00000"))
    s.lvm("lvremove -q -y vg/db_00000_one vg/db_00000")
    s.refused("locate db_00000", "ENOENT", "vg/db_00000 is missing: it is not made anew")
    s.refused("grow db_00000", "ENOENT", "vg/db_00000 is missing")
    s.refused("snapshot db_00000 db_00000_one", "ENOENT", "vg/db_00000 is missing")
    s.ok("remove db_00000")
    s.left()
    s.kind = "LVM"
    s.ok("create db_00000")
    s.lvm("lvcreate -q -y -s -L 8M -n theirs vg/db_00000")
    s.refused("remove db_00000", "EBUSY", "has snapshots that are not of sdsd")
    s.left("theirs", *pair("db_00000"))
    s.lvm("lvremove -q -y vg/theirs")
    # metadata of ours that is damaged, or another's
    s.guest.run("dd if=/dev/zero of=/dev/mapper/vg-db_00000.meta bs=4k count=2 conv=fsync")
    s.refused("locate db_00000", "E_CORRUPT", "vg/db_00000.meta")
    s.ok("remove db_00000")
    s.left()


def inactive(s):
    """not active, without nodes, suspended: found all the same"""
    s.ok("create db_00000")
    path = s.ok("locate db_00000")["data"]
    s.put(path, "a")
    s.lvm("vgchange -q -an vg")
    s.ok("locate db_00000")
    s.holds(path, "a")
    s.lvm("vgchange -q -an vg")
    s.ok("grow db_00000 --size %d" % (24 * MIB))
    s.holds(path, "a")
    s.guest.run("rm /dev/mapper/vg-db_00000")
    s.ok("locate db_00000")
    s.guest.run("rm %s && mknod %s b 254 0" % (path, path))      # of something else
    s.ok("locate db_00000")
    s.holds(path, "a")
    for device in ("db_00000", "thin-tpool")[:1 + (s.kind == "LVM_THIN")]:
        s.guest.run("dmsetup suspend vg-" + device)
        s.ok("locate db_00000")
        s.holds(path, "a")
    holder = s.guest.start_job("exec 3<%s; while [ ! -e /tmp/leave ]; do sleep 0.2; done" % path)
    s.refused("remove db_00000", "EBUSY", "in use")
    s.guest.run("touch /tmp/leave")
    holder.wait(30)
    s.guest.run("rm /tmp/leave")
    s.ok("remove db_00000")
    s.left()


def full(s):
    """no room: said before anything is made"""
    SOURCES["none"], SOURCES["gone"] = "nix", "vg/nix"
    s.refused("create db_00000 --size %d" % (640 * MIB), "ENOSPC", "is full", kind="LVM")
    s.kind = "LVM"
    s.ok("create db_00000")
    s.refused("grow db_00000 --size %d" % (640 * MIB), "ENOSPC", "is full")
    s.rig.check(s.ok("locate db_00000")["size"] == str(16 * MIB), "half grown")
    s.rig.check(s.guest.run("blockdev --getsize64 /dev/mapper/vg-db_00000").out.strip() ==
                str(16 * MIB), "half grown")
    s.lvm("lvcreate -q -l 100%FREE -n rest vg")
    s.refused("create more_00000", "ENOSPC", "is full")
    s.left("rest", *pair("db_00000"))
    s.ok("remove db_00000")
    s.lvm("lvremove -q -y vg/rest")
    s.kind = "LVM_THIN"
    s.ok("create big_00000 --size %d" % (400 * MIB))       # more than the pool has
    # else the kernel lets writers wait for a minute
    s.lvm("lvchange -q --errorwhenfull y vg/thin")
    s.guest.run("dd if=/dev/urandom of=/dev/mapper/vg-big_00000 bs=1M count=201 oflag=direct", 200,
                check=False)
    for words in ("create db_00000", "grow big_00000 --size %d" % (800 * MIB),
                  "snapshot big_00000 big_00000_one"):
        s.refused(words, "ENOSPC", "is full")
    s.rig.check(s.ok("probe")["free"] == "0", "a full pool has room")
    s.left(*pair("big_00000"))
    s.ok("remove big_00000")
    s.lvm("lvchange -q --zero n vg/thin")
    for words in ("probe", "create db_00000"):
        s.refused(words, "E_INVALID", "does not zero new blocks")
    s.lvm("lvchange -q --zero y vg/thin")
    s.left()


@at_most(900)
def case_storage_trouble(rig):
    """Volumes that are not active, suspended or open; groups and pools that are full or gone."""
    s = Storage(rig)
    for s.kind in ("LVM", "LVM_THIN"):
        inactive(s)
    full(s)
    s.lvm("lvm vgrename vg away")
    for s.kind in ("LVM", "LVM_THIN"):
        for words in ("probe", "create db_00000", "remove db_00000", "locate db_00000"):
            s.refused(words, "ENOENT", 'Volume group "vg" not found')


@at_most(600)
def case_storage_lock(rig):
    """Somebody holds LVM's lock of a volume group: calls for it fail in time, others do not wait,
    and it can be seen what hangs."""
    s = Storage(rig, "LVM")
    s.ok("create db_00000")
    holder = s.guest.start_job("flock -x /run/lock/lvm/V_vg sleep 300")
    s.guest.run("sleep 1")
    found = s.guest.run("storagectl LVM vg grow db_00000 --size %d --beside LVM,beside" % (32 * MIB),
                        200, check=False)
    beside, answer = found.out.splitlines()
    rig.check(answer.startswith("ETIMEDOUT ") and "did not end within 30 s" in answer and
              "hold a lock of vg" in answer, answer)
    fields = dict(f.split("=") for f in beside.split()[2:])
    rig.check(beside.startswith("beside ok") and int(fields["ms"]) < 15000 and
              fields["busy"] == "grow,db_00000" and int(fields["pid"]) > 1 and
              fields["waiting"] == "0", beside)
    s.ok("locate db_00000")         # asks nobody
    s.ok("allocated db_00000")
    holder.signal(15)
    holder.wait(30, check=False)
    s.guest.run("for p in $(pidof sleep); do kill $p; done", check=False)
    s.ok("grow db_00000 --size %d" % (32 * MIB))
    s.ok("remove db_00000")
    s.left()


@at_most(600)
def case_storage_zero(rig):
    """A plain volume is made zero beside the other calls of its group; one that is removed meanwhile
    is not there again."""
    s = Storage(rig, "LVM")
    for call in ("create db_00000", "grow db_00000 --size %d" % (32 * MIB)):
        found = s.guest.run("STORAGE_PAUSE_AT=zero storagectl LVM vg %s --beside LVM,vg" % call, 120)
        beside, answer = found.out.splitlines()
        rig.check(beside.startswith("beside ok") and answer.startswith("ok "), found.out)
        rig.check("busy=%s,db_00000" % call.split()[0] in beside, beside)
    s.holds("/dev/mapper/vg-db_00000", "\\0", mib=32)
    s.ok("remove db_00000")
    s.left()
    # while it is written nobody removes it; between that and the end somebody may
    making = s.guest.start_job("STORAGE_PAUSE_AT=zero storagectl LVM vg create db_00000")
    s.guest.run("while ! [ -b /dev/mapper/vg-db_00000 ]; do sleep 0.1; done; sleep 1")
    s.refused("remove db_00000", "EBUSY")
    making.wait(120)
    s.ok("remove db_00000")
    making = s.guest.start_job("STORAGE_PAUSE_AT=zeroed storagectl LVM vg create db_00000 >/tmp/made")
    s.guest.run("while ! [ -b /dev/mapper/vg-db_00000 ]; do sleep 0.1; done; sleep 2")
    s.ok("remove db_00000")
    making.wait(120, check=False)
    said = s.guest.run("cat /tmp/made").out
    rig.check(said.startswith("EAGAIN ") and "removed while it was being made" in said, said)
    s.left()
