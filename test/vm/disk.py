# SPDX-License-Identifier: GPL-2.0-or-later
"""disk.py - a guest's disk, and what a power cut leaves of it.

The disk tells the guest that it has a volatile cache (QEMU cache=writeback), so the guest flushes.
When QEMU is killed:

Disk(MIB)                 what QEMU had written is in the host's page cache and stays, flushed or
                          not, in the order of the writes; only requests under way are lost, in part
                          or whole. This finds what depends on the memory of the guest, not a flush
                          that is missing.
Disk(MIB, volatile=True)  every write and flush is logged by QEMU beside the disk (blklogwrites,
                          the format of dm-log-writes). At the power cut the disk is made again from
                          its content at power-on and the log: all writes up to the last flush, all
                          with FUA, and of those after it each one kept or lost by chance, from the
                          seed of power_cut(). So a missing flush is seen. Each is lost whole: no
                          torn write is made. Costs a second write of everything.

Neither is a crash of the host, or a disk that lies about its flush.

Disk(MIB, mib_s=N) is no faster than that, in both directions together.
"""
import os
import random
import shutil
import struct
import subprocess

LOG_MAGIC = 0x6a736677736872
FLUSH, FUA, DISCARD = 1, 2, 4


class Disk:
    def __init__(self, mib, volatile=False, mib_s=None):
        self.mib = mib
        self.volatile = volatile
        self.mib_s = mib_s

    def create(self, path):
        self.raw = path + ".raw"
        self.base = path + ".base"
        self.log = path + ".log"
        if not os.path.exists(self.raw):
            with open(self.raw, "wb") as f:
                f.truncate(self.mib << 20)
        return self

    def options(self, index):
        node = "driver=file,filename=%s,discard=unmap,aio=threads" % self.raw
        if self.volatile:
            node = ("driver=blklogwrites,log-append=off,log-sector-size=512,"
                    "log.driver=file,log.filename=%s,file.driver=raw,"
                    "file.file.driver=file,file.file.filename=%s,file.file.discard=unmap,"
                    "discard=unmap" % (self.log, self.raw))
        limit = []
        if self.mib_s:
            limit = ["-object", "throttle-group,id=limit%d,x-bps-total=%d"
                     % (index, self.mib_s << 20)]
            node = ("driver=throttle,throttle-group=limit%d,file." % index +
                    node.replace(",", ",file."))
        # requests that are merged may have as many pieces as the system allows, and the log of
        # writes needs one more: they would fail
        merging = ",request-merging=off" if self.volatile else ""
        return limit + ["-blockdev", node + ",node-name=disk%d" % index,
                "-device", "virtio-blk-pci,drive=disk%d,serial=disk%d,write-cache=on%s"
                % (index, index, merging)]

    def power_on(self):
        if self.volatile:
            with open(self.log, "wb"):
                pass
            subprocess.run(["cp", "--sparse=always", "--reflink=auto", self.raw, self.base],
                           check=True)

    def power_off(self, seed):
        if self.volatile and os.path.exists(self.base):
            lost = replay(self.log, self.base, random.Random("%s %s" % (seed, self.raw)))
            os.rename(self.base, self.raw)
            return lost
        return 0


def entries(log):
    """(first sector, sectors, flags, offset of the data) of each entry of a log of writes."""
    magic, _, _, sector = struct.unpack("<QQQI", log.read(28).ljust(28, b"\0"))
    if magic != LOG_MAGIC:
        return
    end = log.seek(0, os.SEEK_END)
    at = sector
    while at + sector <= end:
        log.seek(at)
        first, count, flags, _ = struct.unpack("<QQQQ", log.read(32))
        if count == 0 and flags == 0:
            return      # never written: the head's count of entries is late, this is the end
        yield first, count, flags, at + sector
        at += sector + (0 if flags & DISCARD else count * sector)


def replay(log_path, disk_path, chance):
    """Applies a log to the disk it began with; returns how many writes were lost."""
    with open(log_path, "rb") as log, open(disk_path, "r+b") as disk:
        found = list(entries(log))
        flushed = max((i for i, e in enumerate(found) if e[2] & FLUSH), default=-1)
        lost = 0
        for i, (first, count, flags, at) in enumerate(found):
            if i > flushed and not flags & FUA and chance.random() < 0.5:
                lost += count > 0
                continue
            disk.seek(first * 512)
            if flags & DISCARD:
                disk.write(bytes(count * 512))
            else:
                log.seek(at)
                shutil.copyfileobj(Limited(log, count * 512), disk, 1 << 20)
    return lost


class Limited:
    """The next `left` bytes of a file."""

    def __init__(self, file, left):
        self.file = file
        self.left = left

    def read(self, size):
        data = self.file.read(min(size, self.left))
        self.left -= len(data)
        return data
