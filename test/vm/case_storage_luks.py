# SPDX-License-Identifier: GPL-2.0-or-later
"""The matrix of case_storage.py with LUKS between each backend and the content: one guest with storagectl.
What nobody has written is no zeros there, but the same bytes on every copy, whatever is under it: "virgin"."""
from case_storage import MIB, Storage, pair
from case_storage_cut import cut_everywhere
from rig import at_most

KEY = "--key 7"
HEADER_MIB = 16
SIZE = "--size %d" % (32 * MIB)


class Encrypted(Storage):
    """Each call is for an encrypted volume, unless it says how it knows the key."""

    def __init__(self, rig, kind=None):
        super().__init__(rig, kind)
        self.guest.run("modprobe -a dm-crypt loop algif_skcipher xts")
        self.have_virgin = False

    def call(self, words, kind=None, environment="", timeout=300):
        if "--key" not in words:
            words += " " + KEY
        return super().call(words, kind, environment, timeout)

    def keep_virgin(self, path):
        self.guest.run("cat %s >/tmp/virgin" % path, 120)
        self.have_virgin = True
        zeros = self.guest.run("tr -d '\\0' </tmp/virgin | wc -c", 120).out.strip()
        self.rig.check(int(zeros) > 15 * MIB, "it is not encrypted: %s bytes are no zeros" % zeros)

    def holds(self, path, letter, at=0, mib=1):
        if letter != "\\0" or at >= 16:     # what a volume grows by is zeros
            super().holds(path, letter, at, mib)
            return
        if not self.have_virgin:
            self.keep_virgin(path)
        found = self.guest.run("dd if=%s bs=1M skip=%d count=%d 2>/dev/null >/tmp/found; "
                               "dd if=/tmp/virgin bs=1M skip=%d count=%d 2>/dev/null | "
                               "cmp - /tmp/found" % (path, at, mib, at, mib), 120, check=False)
        self.rig.check(found.status == 0, "%s: not as it was made: %s" % (path, found.out))

    def left(self, *names):
        """no mapping lies on what is not there any more, and no loop device"""
        super().left(*names)
        wanted = sorted("sdsd-" + n for n in names
                        if n.endswith("_00000") and n + ".meta" in names)
        found = sorted(line.split()[0] for line in self.guest.run("dmsetup ls").out.splitlines()
                       if line.startswith("sdsd-") and not line.split()[0].endswith(".cached"))
        # one whose daemon was killed before it was opened is opened by the next call
        self.rig.check(found == wanted, "open are %s, not %s" % (found, wanted))
        loops = self.guest.run("ls -d /sys/block/loop*/loop 2>/dev/null; true").out.split()
        self.rig.check(len(loops) <= len(wanted), "loop devices are left: %s" % loops)

    def under(self):
        """the device under db_00000's layer"""
        return "/mnt/pool/db_00000" if self.kind.startswith("FILE") else "/dev/mapper/vg-db_00000"

    def close(self):
        self.guest.run("dmsetup remove sdsd-db_00000", 60)


def keys(s):
    """no key, another one, a damaged header: said, and nothing is changed"""
    s.ok("locate db_00000 --key 0")      # it is open: a restart of the daemon needs no key
    s.close()
    s.refused("locate db_00000 --key 0", "E_LOCKED", "does not have the master key")
    s.refused("grow db_00000 --key 0 " + SIZE, "E_LOCKED", "does not have the master key")
    s.refused("locate db_00000 --key 9", "E_CORRUPT", "does not open with the volume's key")
    s.refused("create other_00000 --key 0 --owner 3", "E_LOCKED", "does not have the master key")
    under = s.under()
    s.guest.run("dd if=%s of=/tmp/header bs=1M count=%d 2>/dev/null && dd if=/dev/urandom of=%s "
                "bs=1M count=%d conv=notrunc,fsync 2>/dev/null" % (under, HEADER_MIB - 1, under,
                                                                   HEADER_MIB - 1), 120)
    before = s.guest.run("sha256sum <" + under, 120).out
    for words in ("locate db_00000", "grow db_00000 " + SIZE):
        s.refused(words, "E_CORRUPT", "is damaged")
    s.rig.check(s.guest.run("sha256sum <" + under, 120).out == before, "it was written to")
    s.guest.run("dd if=/tmp/header of=%s bs=1M conv=notrunc,fsync 2>/dev/null; rm /tmp/header" %
                under, 120)


def volume(s):
    made = s.ok("create db_00000")
    s.rig.check(made["data"] == "/dev/mapper/sdsd-db_00000", "it is not encrypted: %s" % made)
    s.rig.check(made["size"] == str(16 * MIB), "the header is counted: %s" % made)
    s.holds(made["data"], "\\0", mib=16)
    s.put(made["data"], "a", mib=16)
    s.rig.check(s.ok("create db_00000") == made, "made again it is another one")
    s.refused("create db_00000 --owner 9", "E_EXISTS", "another replica")
    keys(s)
    s.rig.check(s.ok("locate db_00000") == made, "it is found elsewhere")
    s.holds(made["data"], "a", mib=16)
    grown = s.ok("grow db_00000 " + SIZE)
    s.rig.check(grown["size"] == str(32 * MIB), "it has not grown: %s" % grown)
    s.holds(made["data"], "a", mib=16)
    s.holds(made["data"], "\\0", at=16, mib=16)
    s.left(*pair("db_00000"))


def snapshots(s):
    """restored and cloned into another volume, rolled back to"""
    sizes = SIZE + " --taken %d" % (32 * MIB)
    db = s.ok("locate db_00000")["data"]
    s.ok("snapshot db_00000 db_00000_one " + SIZE)
    s.put(db, "b")
    made = s.ok("restore new_00000 db_00000_one --owner 2 " + sizes)
    s.holds(made["data"], "a", mib=16)
    s.holds(made["data"], "\\0", at=16, mib=16)
    s.put(made["data"], "c")
    s.holds(db, "b")
    s.refused("restore more_00000 db_00000_one --owner 3 --key 9 " + sizes, "E_CORRUPT",
              "does not open with the volume's key")
    s.ok("remove more_00000 --owner 3")
    s.ok("remove db_00000")
    again = s.ok("restore db_00000 db_00000_one --owner 4 " + sizes)
    s.holds(again["data"], "a", mib=16)
    s.ok("snapshot-remove db_00000 db_00000_one")
    s.holds(again["data"], "a", mib=16)
    s.holds(made["data"], "c")
    s.left(*pair("db_00000"), *pair("new_00000"))
    s.ok("remove new_00000 --owner 2")
    s.ok("remove db_00000 --owner 4")


@at_most(1800)
def case_storage_luks(rig):
    """Encrypted: each operation on each backend; no key, a wrong one, a damaged header."""
    s = Encrypted(rig)
    for s.kind in ("LVM", "FILE_THIN", "LVM_THIN", "FILE"):
        volume(s)
        if s.kind == "LVM":
            s.refused("snapshot db_00000 db_00000_one", "EOPNOTSUPP", "use a thin one")
            s.ok("remove db_00000")
        else:
            snapshots(s)
        s.left()


def cut(rig, kind, names):
    s = Encrypted(rig, kind)
    s.keep_virgin(s.ok("create db_00000")["data"])
    s.ok("remove db_00000")
    found = ["%s %d" % (name, cut_everywhere(s, name)) for name in names]
    print("     %s with LUKS: cut at all steps of %s" % (kind, ", ".join(found)))


@at_most(2400)
def case_storage_luks_cut_file(rig):
    """Encrypted files: kill -9 at each step of each operation, then the operation again."""
    cut(rig, "FILE_THIN", ("create", "grow", "remove", "snapshot", "restore", "snapshot-remove"))
