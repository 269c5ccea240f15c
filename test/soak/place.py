# SPDX-License-Identifier: GPL-2.0-or-later
"""place.py - small file systems for pools and state directories, so that they can be full: tmpfs or
ext4 in a file (root), or none; xfs in a file, for pools that share blocks. And the rules of test/support/preload/diskfaults.c, for daemons with
a shared C library."""
import os
import subprocess

KINDS = ("tmpfs", "ext4", "none")
XFS_MIB = 512  # the least that mkfs.xfs makes is 300
POOL_MIB = 96
STATE_MIB = 160
BALLAST = "ballast"
MIB = 1 << 20


def can_mount():
    return os.geteuid() == 0 and subprocess.run(
        ["unshare", "-m", "sh", "-c", "mount -t tmpfs -o size=64k none /mnt"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


class Place:
    """The file systems of a cluster's nodes."""

    def __init__(self, kind="none"):
        self.kind = kind
        self.mounted = []
        self.can = {"full", "statefull"} if kind != "none" else set()

    def prepare(self, node):
        if self.kind == "none":
            return
        if self.kind == "xfs":
            self.mount(node.pool_dir, XFS_MIB)
            return
        self.mount(node.pool_dir, POOL_MIB)
        self.mount(node.dir, STATE_MIB)

    def mount(self, folder, mib):
        os.makedirs(folder, mode=0o700, exist_ok=True)
        if self.kind == "tmpfs":
            cmd = ["mount", "-t", "tmpfs", "-o", "size=%dm,mode=700" % mib, "tmpfs", folder]
        else:
            image = folder + ".img"
            with open(image, "wb") as f:
                f.truncate(mib * MIB)
            make = ["mkfs.xfs", "-q", "-m", "reflink=1"] if self.kind == "xfs" else \
                ["mkfs.ext4", "-q", "-m", "0"]
            subprocess.run(make + [image], check=True)
            cmd = ["mount", "-o", "loop", image, folder]
        subprocess.run(cmd, check=True)
        self.mounted.append(folder)
        if os.path.isdir(os.path.join(folder, "lost+found")):
            os.rmdir(os.path.join(folder, "lost+found"))

    def fill(self, folder, left_kib):
        """leaves so much room, or less"""
        fd = os.open(os.path.join(folder, BALLAST), os.O_WRONLY | os.O_CREAT, 0o600)
        vfs = os.fstatvfs(fd)
        size = max(vfs.f_bavail * vfs.f_frsize - left_kib * 1024, 0)
        step = 16 * MIB
        while step >= 4096:
            at = os.lseek(fd, 0, os.SEEK_END)
            try:
                if at + step <= size:
                    os.posix_fallocate(fd, at, step)
                    continue
            except OSError:
                pass
            step //= 4
        os.close(fd)

    def drain(self, folder):
        try:
            os.unlink(os.path.join(folder, BALLAST))
        except FileNotFoundError:
            pass

    def close(self, keep):
        for folder in self.mounted:
            if keep and self.kind == "tmpfs":  # what failed is still to be looked at
                subprocess.run(["cp", "-a", "--sparse=always", folder, folder + ".kept"])
            subprocess.run(["umount", "-l", folder])
        self.mounted = []


class Disks:
    """What the preloaded library does to the files of each node."""

    def __init__(self, library=None, binary=""):
        self.library = library
        self.binary = binary
        self.rules = []  # (node, text)
        self.can = {"eio", "hang", "slow", "nospace"} if library else set()

    def path(self, node):
        return os.path.join(node.cluster.root, node.name + ".faults")

    def prepare(self, node):
        if not self.library:
            return
        first = sanitizer_of(self.binary)
        node.env["LD_PRELOAD"] = ":".join(first + [self.library])
        node.env["DISKFAULTS"] = self.path(node)

    def hits(self, nodes):
        """how many operations a fault has met so far"""
        files = [self.path(n) + ".hits" for n in nodes]
        return sum(os.path.getsize(f) for f in files if os.path.exists(f))

    def write(self, node):
        lines = [text for n, text in self.rules if n is node]
        fresh = self.path(node) + ".new"
        with open(fresh, "w") as f:
            f.write("".join(line + "\n" for line in lines))
        os.rename(fresh, self.path(node))

    def add(self, node, texts):
        self.rules += [(node, t) for t in texts]
        self.write(node)

    def drop(self, node, texts):
        for t in texts:
            self.rules.remove((node, t))
        self.write(node)


def needed_of(binary):
    r = subprocess.run(["readelf", "-d", binary], capture_output=True, text=True)
    return [l.rpartition("[")[2].rstrip("]") for l in r.stdout.splitlines() if "(NEEDED)" in l]


def is_shared(binary):
    return any(n.startswith("libc.so") for n in needed_of(binary))


def sanitizer_of(binary):
    """its runtime has to be the first library of all"""
    for name in needed_of(binary):
        if name.startswith("libasan"):
            r = subprocess.run(["gcc", "-print-file-name=" + name], capture_output=True, text=True)
            return [r.stdout.strip()]
    return []
