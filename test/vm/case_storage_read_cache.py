# SPDX-License-Identifier: GPL-2.0-or-later
"""The matrix of case_storage.py with a read cache (dm-cache) between the pair and the content, with LUKS over
it and without: one guest with storagectl. The cache is in the volume group "beside"."""
from case_storage import MIB, Storage, pair
from case_storage_cut import cut_everywhere
from case_storage_luks import HEADER_MIB, Encrypted
from rig import at_most

CACHE = "--reads beside,%d" % (32 * MIB)
SIZE = "--size %d" % (32 * MIB)
MAPPING = "sdsd-db_00000.cached"
PIECES = (".cache", ".cmeta")


def state_of(guest):
    """(target of db's mapping, blocks in the cache, read hits)"""
    words = guest.run("dmsetup status " + MAPPING).out.split()
    if words[2] != "cache":
        return words[2], 0, 0
    return words[2], int(words[6].split("/")[0]), int(words[7])


class Cached(Storage):
    """Each call is for a volume with a read cache, unless it says of which."""
    head_mib = 0    # on the data device, before the content

    def boot(self, files):
        guest = super().boot(files)
        guest.run("modprobe dm-cache-smq")
        return guest

    def call(self, words, kind=None, environment="", timeout=300):
        # whoever removes knows of no cache
        if "--reads" not in words and words.split()[0] in ("create", "locate", "grow", "snapshot",
                                                           "restore", "allocated"):
            words += " " + CACHE
        return super().call(words, kind, environment, timeout)

    def left(self, *names):
        """and no cache is there but those of the volumes, and no mapping"""
        super().left(*names)
        volumes = sorted(n for n in names if n.endswith("_00000") and n + ".meta" in names)
        found = sorted(self.guest.run("lvs --noheadings -o lv_name beside 2>/dev/null").out.split())
        wanted = [n + piece for n in volumes for piece in PIECES]
        self.rig.check(found == wanted, "caches: %s, not %s" % (found, wanted))
        found = sorted(line.split()[0] for line in self.guest.run("dmsetup ls").out.splitlines()
                       if line.startswith("sdsd-") and line.split()[0].endswith(".cached"))
        self.rig.check(found == ["sdsd-%s.cached" % n for n in volumes],
                       "open are %s, not %s" % (found, volumes))

    def close(self):
        """as a boot would: what is above goes first"""
        self.guest.run("dmsetup remove --retry sdsd-db_00000 2>/dev/null; "
                       "dmsetup remove --retry " + MAPPING, 60)

    def state(self):
        return state_of(self.guest)

    def caches(self, yes=True):
        target = self.state()[0]
        self.rig.check(target == ("cache" if yes else "linear"), "it is " + target)

    def read_often(self, path, mib=2):
        """until it is read from the cache"""
        for _ in range(40):
            self.guest.run("dd if=%s of=/dev/null bs=64k count=%d iflag=direct 2>/dev/null"
                           % (path, mib * 16))
            if self.state()[2] > 16:
                break
        target, blocks, hits = self.state()
        self.rig.check(blocks > 0 and hits > 0, "nothing is cached: %s %d %d" % (target, blocks, hits))

    def origin(self):
        return "/dev/mapper/vg-db_00000"

    def piece(self, which):
        return "/dev/mapper/beside-db_00000" + which

    def same_below(self, made):
        """what is read through it is what is on the data device"""
        sums = [self.guest.run("dd if=%s bs=1M iflag=direct 2>/dev/null | sha256sum" % path, 120).out
                for path in ("/dev/mapper/" + MAPPING, self.origin())]
        self.rig.check(sums[0] == sums[1], "%s: the data device has something else" % made["data"])


class CachedEncrypted(Cached, Encrypted):
    """What is in the cache is encrypted, too."""
    head_mib = HEADER_MIB

    def under(self):
        return "/dev/mapper/" + MAPPING


def without(s, made):
    """the cache is left suspended, away, damaged, another's: the content is there, and a cache that can
    be is made"""
    s.guest.run("dmsetup suspend " + MAPPING)
    s.rig.check(s.ok("locate db_00000") == made, "it is found elsewhere")
    s.caches()
    s.holds(made["data"], "a", mib=8)
    for piece in PIECES:
        s.close()
        s.guest.run("dd if=/dev/urandom of=%s bs=1M count=4 conv=fsync,notrunc 2>/dev/null"
                    % s.piece(piece))
        s.rig.check(s.ok("locate db_00000") == made, "it is found elsewhere")
        s.caches()
        s.holds(made["data"], "a", mib=8)
        s.same_below(made)
        s.close()
        s.lvm("lvremove -q -y beside/db_00000" + piece)
        s.rig.check(s.ok("locate db_00000") == made, "it is found elsewhere")
        s.caches()
        s.holds(made["data"], "a", mib=8)
        s.close()
        s.lvm("lvremove -q -y beside/db_00000" + piece)
        s.lvm("lvcreate -q -y -L 8M -n db_00000%s beside" % piece)
        s.guest.run("dd if=/dev/urandom of=%s bs=1M count=8 conv=fsync 2>/dev/null" % s.piece(piece))
        before = s.guest.run("sha256sum <" + s.piece(piece)).out
        s.rig.check(s.ok("locate db_00000") == made, "it is found elsewhere")
        s.rig.check("is not of sdsd" in s.guest.run("cat /tmp/said").out, "nothing is said of it")
        s.caches(False)
        s.holds(made["data"], "a", mib=8)
        s.rig.check(s.guest.run("sha256sum <" + s.piece(piece)).out == before, "it was written to")
        s.refused("create db_00000", "E_EXISTS", "is not of sdsd")
        s.lvm("lvremove -q -y beside/db_00000" + piece)
        s.rig.check(s.ok("locate db_00000") == made, "it is found elsewhere")
        s.caches()


def lost(s, made):
    """the cache's group is not there; somebody has the volume open all the time, who notices nothing"""
    s.guest.run("(exec 9<%s; exec sleep 1000) >/dev/null 2>&1 & echo $! >/tmp/holder; sleep 1"
                % made["data"])
    s.read_often(made["data"])
    away = " --reads away,%d" % (32 * MIB)
    s.ok("locate db_00000" + away)
    s.caches(False)
    s.holds(made["data"], "a", mib=8)
    s.refused("create db_00000" + away, "ENOENT", "away")
    s.ok("locate db_00000")
    s.caches()
    s.holds(made["data"], "a", mib=8)
    s.guest.run("kill $(cat /tmp/holder)")


def failed_write(s, made):
    """A write has reached the data device and not the cache: that is not believed any more."""
    s.read_often(made["data"])
    s.guest.run("tr '\\0' 'x' </dev/zero 2>/dev/null | dd of=%s bs=64k count=1 seek=%d iflag=fullblock "
                "oflag=direct conv=notrunc 2>/dev/null" % (s.origin(), s.head_mib * 16))
    s.ok("locate db_00000")
    sums = [s.guest.run("dd if=%s bs=64k count=1 skip=%d iflag=direct 2>/dev/null | sha256sum"
                        % (path, s.head_mib * 16)).out
            for path in ("/dev/mapper/" + MAPPING, s.origin())]
    s.rig.check(sums[0] == sums[1], "what the cache had is read")
    s.put(made["data"], "a", mib=1)


def small_growth(s):
    """By less than LVM's extent: what is behind the volume was read and is in the cache."""
    made = s.ok("create tail_00000 --owner 5 --size %d --reads beside,%d" % (16 * MIB + 4096, 16 * MIB))
    mapping = "/dev/mapper/sdsd-tail_00000.cached"
    s.guest.run("tr '\\0' 'x' </dev/zero 2>/dev/null | dd of=%s bs=4096 seek=%d count=255 "
                "iflag=fullblock oflag=direct conv=notrunc 2>/dev/null" % (mapping, 16 * 256 + 1))
    s.guest.run("(exec 9<%s; exec sleep 1000) >/dev/null 2>&1 & echo $! >/tmp/holder" % mapping)
    for _ in range(40):
        s.guest.run("dd if=%s of=/dev/null bs=64k skip=256 count=16 iflag=direct 2>/dev/null" % mapping)
    grown = s.ok("grow tail_00000 --owner 5 --size %d --reads beside,%d" % (17 * MIB, 16 * MIB))
    s.rig.check(grown["data"] == made["data"], "it is elsewhere")
    found = s.guest.run("dd if=%s bs=4096 skip=%d count=255 iflag=direct 2>/dev/null | tr -d '\\0' | "
                        "wc -c" % (mapping, 16 * 256 + 1)).out.strip()
    s.rig.check(found == "0", "%s bytes of what it has grown by are no zeros" % found)
    s.guest.run("kill $(cat /tmp/holder)")
    s.ok("remove tail_00000 --owner 5")


def larger_sectors(s):
    """The cache's disk has sectors of 4096 bytes, the data's of 512."""
    s.guest.run("truncate -s 64M /mnt/large && losetup -b 4096 /dev/loop7 /mnt/large && "
                "pvcreate -q -y /dev/loop7 && vgcreate -q large /dev/loop7")
    s.refused("create more_00000 --owner 3 --reads large,%d" % (32 * MIB), "E_INVALID",
              "its disk has sectors of 4096 bytes")
    s.ok("remove more_00000 --owner 3")
    s.guest.run("vgremove -q -y large && losetup -d /dev/loop7")


def volume(s):
    made = s.ok("create db_00000")
    s.rig.check(made["size"] == str(16 * MIB), "its size: %s" % made)
    s.caches()
    s.holds(made["data"], "\\0", mib=16)
    s.put(made["data"], "a", mib=8)
    s.same_below(made)
    s.rig.check(s.ok("create db_00000") == made, "made again it is another one")
    s.refused("create db_00000 --owner 9", "E_EXISTS", "another replica")
    s.refused("locate db_00000 --owner 9", "E_EXISTS", "another replica")
    s.read_often(made["data"])
    s.put(made["data"], "b", mib=1)
    s.holds(made["data"], "b", mib=1)
    s.same_below(made)
    s.put(made["data"], "a", mib=1)
    without(s, made)
    lost(s, made)
    failed_write(s, made)
    s.read_often(made["data"])
    grown = s.ok("grow db_00000 " + SIZE)
    s.rig.check(grown["size"] == str(32 * MIB), "it has not grown: %s" % grown)
    s.caches()
    s.holds(made["data"], "a", mib=8)
    s.holds(made["data"], "\\0", at=16, mib=16)
    s.put(made["data"], "a", at=8, mib=8)
    s.same_below(made)
    s.refused("create more_00000 --owner 3", "ENOSPC", "volume group beside is full")
    s.left(*pair("db_00000"))


def snapshots(s):
    sizes = SIZE + " --taken %d" % (32 * MIB)
    db = s.ok("locate db_00000 " + SIZE)["data"]
    s.put(db, "a", mib=16)
    s.read_often(db)
    s.ok("snapshot db_00000 db_00000_one " + SIZE)
    s.put(db, "b")
    s.ok("remove db_00000")
    again = s.ok("restore db_00000 db_00000_one --owner 4 " + sizes)
    s.holds(again["data"], "a", mib=16)
    s.holds(again["data"], "\\0", at=16, mib=16)
    s.same_below(again)
    s.ok("snapshot-remove db_00000 db_00000_one")
    s.holds(again["data"], "a", mib=16)
    s.left(*pair("db_00000"))
    s.ok("remove db_00000 --owner 4")


def matrix(s):
    for s.kind in ("LVM", "LVM_THIN"):
        volume(s)
        if s.kind == "LVM":
            s.ok("remove db_00000")
        else:
            snapshots(s)
        s.left()


@at_most(1800)
def case_storage_read_cache(rig):
    """With a read cache: each operation on LVM and thin LVM; the cache missing, damaged, another's, its
    group not there while the volume is open."""
    s = Cached(rig, "LVM")
    s.guest.run("modprobe loop")
    larger_sectors(s)
    small_growth(s)
    matrix(s)
    s.refused("create db_00000", "E_INVALID", "has no read cache: it takes one of LVM", kind="FILE")


@at_most(2400)
def case_storage_read_cache_luks(rig):
    """The same under LUKS."""
    matrix(CachedEncrypted(rig))


def steps(rig, kind, names):
    s = Cached(rig, kind)
    found = ["%s %d" % (name, cut_everywhere(s, name)) for name in names]
    print("     %s with a read cache: cut at all steps of %s" % (kind, ", ".join(found)))


@at_most(3600)
def case_storage_read_cache_steps(rig):
    """kill -9 at each step of each operation, then the operation again: a plain volume."""
    steps(rig, "LVM", ("create", "grow", "remove"))
