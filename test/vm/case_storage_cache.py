# SPDX-License-Identifier: GPL-2.0-or-later
"""The matrix of case_storage.py with a write cache (dm-writecache) between the pair and the content, with LUKS
over it and without: one guest with storagectl. The cache is in the volume group "beside"."""
from case_storage import MIB, Storage, pair
from case_storage_cut import cut_everywhere
from case_storage_luks import Encrypted
from rig import at_most

CACHE = "--cache beside,%d"
SIZE = "--size %d" % (32 * MIB)
MAPPING = "sdsd-db_00000.cached"


class Cached(Storage):
    """Each call is for a volume with a write cache, unless it says of which."""
    cache_mib = 32

    def boot(self, files):
        guest = super().boot(files)
        guest.run("modprobe dm-writecache")
        return guest

    def call(self, words, kind=None, environment="", timeout=300):
        # whoever removes knows of no cache
        if "--cache" not in words and words.split()[0] in ("create", "locate", "grow", "snapshot",
                                                           "restore", "allocated"):
            words += " " + CACHE % (self.cache_mib * MIB)
        return super().call(words, kind, environment, timeout)

    def left(self, *names):
        """and no cache is there but those of the volumes, whole, and no mapping"""
        super().left(*names)
        wanted = sorted(n for n in names if n.endswith("_00000") and n + ".meta" in names)
        said = self.guest.run("lvs --noheadings --separator=' ' -o lv_name,lv_tags beside "
                              "2>/dev/null").out
        found = sorted(line.split()[0] for line in said.splitlines())
        self.rig.check(found == [n + ".cache" for n in wanted], "caches: %s, not %s" % (found,
                                                                                       wanted))
        self.rig.check("sdsd.making" not in said, "still in the making: " + said)
        found = sorted(line.split()[0] for line in self.guest.run("dmsetup ls").out.splitlines()
                       if line.startswith("sdsd-") and line.split()[0].endswith(".cached"))
        self.rig.check(found == ["sdsd-%s.cached" % n for n in wanted],
                       "open are %s, not %s" % (found, wanted))

    def close(self):
        """as a boot would: what is above goes first"""
        self.guest.run("dmsetup remove --retry sdsd-db_00000 2>/dev/null; "
                       "dmsetup remove --retry " + MAPPING, 60)

    def dirty(self):
        """blocks in the cache that are not on the data device yet"""
        words = self.guest.run("dmsetup status " + MAPPING).out.split()
        self.rig.check(words[2] == "writecache" and words[3] == "0", "status: %s" % words)
        return int(words[4]) - int(words[5])

    def origin(self):
        return "/dev/mapper/vg-db_00000"

    def cache(self):
        return "/dev/mapper/beside-db_00000.cache"


class CachedEncrypted(Cached, Encrypted):
    """The content of the cache is encrypted, too."""

    def under(self):
        return "/dev/mapper/" + MAPPING


def missing(s):
    """the cache is away, damaged, zeros, another's: the copy is not used, and nothing is changed"""
    lv, head = s.cache(), 1
    s.close()
    before = s.guest.run("sha256sum <" + s.origin(), 120).out
    for at, what in ((0, "it is not this copy's cache"), (head, "its superblock is damaged")):
        s.guest.run("dd if=%s of=/tmp/kept bs=1M skip=%d count=1 2>/dev/null" % (lv, at))
        for source in "zero", "urandom":
            s.guest.run("dd if=/dev/%s of=%s bs=4096 seek=%d count=1 conv=fsync,notrunc 2>/dev/null"
                        % (source, lv, at * 256))
            wrong = s.guest.run("sha256sum <" + lv, 120).out
            for words in ("locate db_00000", "grow db_00000 " + SIZE, "create db_00000"):
                s.refused(words, "E_CORRUPT", what)
            s.rig.check(s.guest.run("sha256sum <" + lv, 120).out == wrong, "it was written to")
        s.guest.run("dd if=/tmp/kept of=%s bs=1M seek=%d conv=fsync,notrunc 2>/dev/null" % (lv, at))
    s.rig.check(MAPPING not in s.guest.run("dmsetup ls").out, "it is open")
    s.lvm("lvrename beside db_00000.cache away")
    s.refused("locate db_00000", "ENOENT", "beside/db_00000.cache is missing")
    s.refused("snapshot db_00000 db_00000_one", "ENOENT" if "THIN" in s.kind else "EOPNOTSUPP")
    s.lvm("lvcreate -q -y -L 16M -n db_00000.cache beside")
    s.guest.run("dd if=/dev/zero of=%s bs=1M count=2 conv=fsync 2>/dev/null" % lv)
    s.refused("locate db_00000", "E_CORRUPT", "it is not this copy's cache")
    s.lvm("lvchange -an beside/db_00000.cache")
    s.refused("locate db_00000", "E_EXISTS", "is not of sdsd")
    s.lvm("lvremove -q -y beside/db_00000.cache")
    s.lvm("lvchange -an beside/away")
    s.lvm("lvrename beside away db_00000.cache")
    s.rig.check(s.guest.run("sha256sum <" + s.origin(), 120).out == before, "the data was written")


def volume(s):
    made = s.ok("create db_00000")
    s.rig.check(made["size"] == str(16 * MIB), "its size: %s" % made)
    s.holds(made["data"], "\\0", mib=16)
    s.put(made["data"], "a", mib=8)
    s.rig.check(s.dirty() > 0, "nothing is in the cache")
    s.rig.check(s.ok("create db_00000") == made, "made again it is another one")
    s.refused("create db_00000 --owner 9", "E_EXISTS", "another replica")
    s.refused("locate db_00000 --owner 9", "E_EXISTS", "another replica")
    missing(s)
    s.rig.check(s.ok("locate db_00000") == made, "it is found elsewhere")
    s.holds(made["data"], "a", mib=8)
    s.rig.check(s.dirty() > 0, "nothing is in the cache")
    grown = s.ok("grow db_00000 " + SIZE)
    s.rig.check(grown["size"] == str(32 * MIB), "it has not grown: %s" % grown)
    s.holds(made["data"], "a", mib=8)
    s.holds(made["data"], "\\0", at=16, mib=16)
    s.put(made["data"], "a", at=8, mib=8)
    s.refused("create more_00000 --owner 3 --cache beside,%d" % (64 * MIB), "ENOSPC",
              "volume group beside is full")
    s.left(*pair("db_00000"))


def snapshots(s):
    """what is in the cache is in the snapshot"""
    sizes = SIZE + " --taken %d" % (32 * MIB)
    db = s.ok("locate db_00000 " + SIZE)["data"]
    s.put(db, "a", mib=16)
    s.rig.check(s.dirty() > 0, "nothing is in the cache")
    s.ok("snapshot db_00000 db_00000_one " + SIZE)
    s.rig.check(s.dirty() == 0, "something is in the cache")
    s.put(db, "b")
    small = " --cache beside,%d" % (16 * MIB)
    made = s.ok("restore new_00000 db_00000_one --owner 2 " + sizes + small)
    s.holds(made["data"], "a", mib=16)
    s.holds(made["data"], "\\0", at=16, mib=16)
    s.put(made["data"], "c")
    s.holds(db, "b")
    s.ok("remove db_00000")
    again = s.ok("restore db_00000 db_00000_one --owner 4 " + sizes + small)
    s.holds(again["data"], "a", mib=16)
    s.ok("snapshot-remove db_00000 db_00000_one")
    s.holds(again["data"], "a", mib=16)
    s.holds(made["data"], "c")
    s.left(*pair("db_00000"), *pair("new_00000"))
    s.ok("remove new_00000 --owner 2")
    s.ok("remove db_00000 --owner 4")


def matrix(s):
    for s.kind in ("LVM", "LVM_THIN"):
        volume(s)
        if s.kind == "LVM":
            s.ok("remove db_00000")
        else:
            snapshots(s)
        s.left()


@at_most(1200)
def case_storage_cache(rig):
    """With a write cache: each operation on LVM and thin LVM; the cache missing, damaged, zeros."""
    s = Cached(rig)
    matrix(s)
    s.refused("create db_00000", "E_INVALID", "it takes one of LVM", kind="FILE")


@at_most(1800)
def case_storage_cache_luks(rig):
    """The same under LUKS."""
    matrix(CachedEncrypted(rig))


def steps(rig, kind, names):
    s = Cached(rig, kind)
    s.cache_mib = 16
    found = ["%s %d" % (name, cut_everywhere(s, name)) for name in names]
    print("     %s with a cache: cut at all steps of %s" % (kind, ", ".join(found)))


@at_most(2400)
def case_storage_cache_steps(rig):
    """kill -9 at each step of each operation, then the operation again: a plain volume."""
    steps(rig, "LVM", ("create", "grow", "remove"))


@at_most(3600)
def case_storage_cache_steps_thin(rig):
    """The same of a thin one, with snapshots."""
    steps(rig, "LVM_THIN", ("create", "grow", "remove", "snapshot", "restore"))


@at_most(900)
def case_storage_cache_discard(rig):
    """A discard reaches the thin pool, what was in the cache of it is gone; a cache that has failed
    is opened anew when nobody uses it."""
    s = Cached(rig, "LVM_THIN")
    db = s.ok("create db_00000")["data"]
    s.put(db, "a", mib=8)
    taken = int(s.ok("allocated db_00000")["allocated"])
    s.ok("snapshot db_00000 db_00000_one")
    s.ok("snapshot-remove db_00000 db_00000_one")
    full = int(s.ok("allocated db_00000")["allocated"])
    rig.check(full >= taken + 8000, "nothing was written back: %d, %d KiB" % (taken, full))
    s.put(db, "b", mib=2)
    s.guest.run("blkdiscard -o 0 -l %d %s" % (8 * MIB, db))
    s.holds(db, "\\0", mib=8)
    after = int(s.ok("allocated db_00000")["allocated"])
    rig.check(after <= full - 8000, "no space came back: %d, %d KiB" % (full, after))
    # the thin pool is full: what the cache holds cannot be written back
    s.put(db, "c", mib=4)
    rig.expect("dm-writecache|device-mapper: writecache|device-mapper: thin|Buffer I/O error|"
               "I/O error, dev dm-|critical space allocation")
    s.lvm("lvchange --errorwhenfull y vg/thin")
    s.lvm("lvcreate -q -y --type thin -V 400M --thinpool thin -n eater vg")
    s.guest.run("dd if=/dev/urandom of=/dev/mapper/vg-eater bs=1M oflag=direct 2>/dev/null; true", 300)
    s.guest.run("dmsetup message %s 0 flush; true" % MAPPING)
    words = s.guest.run("dmsetup status " + MAPPING).out.split()
    rig.check(words[3] != "0", "it has not failed: %s" % words)
    held = s.guest.run("exec 9<%s; storagectl LVM_THIN vg/thin locate db_00000 --cache beside,%d"
                       % (db, 32 * MIB), check=False)
    rig.check(held.status != 0 and "has failed and is in use" in held.out, "taken: %s" % held.out)
    s.lvm("lvremove -q -y vg/eater")
    rig.check(s.ok("locate db_00000")["data"] == db, "it is elsewhere")
    s.holds(db, "c", mib=4)
    s.ok("snapshot db_00000 db_00000_one")
    s.holds(s.origin(), "c", mib=4)
    s.ok("snapshot-remove db_00000 db_00000_one")
    s.ok("remove db_00000")
    s.left()
