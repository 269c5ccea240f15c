#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""image.py [--kernel 6.1|6.12|debug|PATH] [--out DIR]: what a guest boots: a kernel and an initramfs.

The kernel is uncompressed: QEMU starts such a vmlinux by its PVH entry, which spares the guest the
decompression, slow without KVM. The initramfs holds the programs and kernel modules named below
with all they depend on, the agent and the init script. It is written here, byte by byte, so that
nobody has to be root. Both are kept in DIR (build/vm/<kernel>) until something they are made of
changes; their paths are printed. What is tested (sdsd, modules of the project) is no part of it:
initrd() puts such files behind it, as a second archive which the kernel unpacks after the first.

PATH is a folder with vmlinux (or a vmlinuz) and lib/modules/<release>/ of a kernel of one's own, as
`make INSTALL_MOD_PATH=PATH modules_install` and a copy of vmlinux leave it.

To give guests another program: its package goes into tools/vm-deps, its path into PROGRAMS. Another
module of the kernel: its name into MODULES; one that a kernel does not have is left out.
"""
import argparse
import hashlib
import lzma
import os
import re
import shutil
import stat
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
CACHE = os.environ.get("SDSD_VM_CACHE") or os.path.expanduser("~/.cache/sdsd-vm")
SERIES = ("6.1", "6.12", "debug")     # the last one is of tools/debug-kernel

PROGRAMS = """
    bin/dash bin/kmod bin/ip sbin/tc bin/ping usr/bin/strace
    bin/dd usr/bin/stat bin/sync usr/bin/timeout usr/bin/sha256sum usr/bin/truncate usr/bin/cmp
    bin/mount bin/umount sbin/losetup sbin/blockdev sbin/blkdiscard sbin/blkid sbin/wipefs
    bin/lsblk sbin/fstrim usr/bin/flock
    sbin/mke2fs sbin/e2fsck sbin/resize2fs sbin/mkfs.xfs sbin/xfs_repair usr/sbin/xfs_growfs
    sbin/dmsetup sbin/lvm sbin/cryptsetup usr/sbin/pdata_tools
    sbin/nbd-client bin/udevadm lib/udev/scsi_id
    sbin/multipath sbin/multipathd lib/multipath/libchecktur.so lib/multipath/libcheckdirectio.so
    lib/multipath/libprioconst.so lib/multipath/libpriosysfs.so lib/multipath/libprioalua.so
    sbin/drbdadm sbin/drbdsetup sbin/drbdmeta lib/drbd/drbdadm-84 lib/drbd/drbdsetup-84
""".split()
LINKS = {
    "bin/sh": "dash", "sbin/modprobe": "/bin/kmod", "sbin/insmod": "/bin/kmod",
    "sbin/rmmod": "/bin/kmod", "sbin/depmod": "/bin/kmod", "bin/lsmod": "/bin/kmod",
    "sbin/modinfo": "/bin/kmod", "sbin/mkfs.ext4": "mke2fs", "sbin/fsck.ext4": "e2fsck",
    "usr/sbin/thin_check": "pdata_tools", "usr/sbin/thin_repair": "pdata_tools",
    "usr/sbin/thin_dump": "pdata_tools", "etc/mtab": "/proc/mounts", "var/run": "/run",
    "lib/systemd/systemd-udevd": "/bin/udevadm",
}
for applet in ("pvcreate pvs pvmove pvremove vgcreate vgextend vgreduce vgremove vgs vgmknodes "
               "vgchange lvcreate lvchange lvremove lvrename lvresize lvextend "
               "lvs").split():
    LINKS["sbin/" + applet] = "lvm"
FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "etc/group": "root:x:0:\ndisk:x:6:\n",
    "etc/hosts": "127.0.0.1 localhost\n", "etc/nsswitch.conf": "passwd: files\nhosts: files\n",
    "etc/drbd.conf": 'include "/etc/drbd.d/*.res";\n',
}
COPIED = ["etc/mke2fs.conf", "etc/lvm/lvm.conf"]
COPIED_WHOLE = ["lib/udev/rules.d"]
FOLDERS = "dev proc sys run tmp root mnt etc/drbd.d var/lib/drbd var/lock usr/lib".split()

MODULES = """
    virtio_pci virtio_blk virtio_net virtio_console virtio_rng
    ext4 xfs crc32c_generic crc32c_intel libcrc32c
    dm_mod dm_thin_pool dm_snapshot dm_crypt dm_writecache dm_cache_smq dm_log_writes dm_flakey
    dm_delay dm_dust dm_zero dm_integrity dm_era dm_mirror dm_multipath dm_service_time
    brd null_blk loop nbd drbd ublk_drv zram scsi_debug sd_mod scsi_dh_alua
    tls aesni_intel gcm ctr ccm ghash_generic chacha20poly1305 chacha_generic poly1305_generic
    xts essiv sha256_generic algif_skcipher algif_hash
    nvmet nvmet_tcp nvme nvme_tcp
    sch_netem sch_tbf sch_ingress cls_u32 cls_matchall act_gact
    softdog netconsole
""".split()


class Missing(Exception):
    """Something of the machine is not there; the text says what to do."""


class Kernel:
    """A kernel for guests: where it is and what it is called."""

    def __init__(self, name):
        self.name = name if name in SERIES else os.path.basename(os.path.abspath(name))
        self.folder = os.path.join(CACHE, name, "image") if name in SERIES else name
        modules = os.path.join(self.folder, "lib/modules")
        releases = sorted(os.listdir(modules)) if os.path.isdir(modules) else []
        if not releases:
            raise Missing("no kernel %s: %s" % (name, "no lib/modules in that folder"
                                                if name not in SERIES else "run tools/" +
                                                ("debug-kernel" if name == "debug" else "vm-deps")))
        self.release = releases[-1]
        self.modules = os.path.join(modules, self.release)
        boot = [os.path.join(self.folder, p) for p in
                ("vmlinux", "vmlinuz", "bzImage", "boot/vmlinuz-" + self.release)]
        found = [p for p in boot if os.path.exists(p)]
        if not found:
            raise Missing("no vmlinux in %s" % self.folder)
        self.file = found[0]
        # One that checks itself shadows its memory and is ten times slower: cases wait longer, and
        # do less where they count (rig.fewer). Several at once would be too slow for each other's
        # leases.
        self.patience, self.memory, self.slowness = (4, 2, 10) if name == "debug" else (1, 1, 1)
        self.beside = "6.1" if name == "debug" else None
        # It stops at the first complaint; lockdep's do not stop it, the console has them.
        # RCU before all else: what waits for it (io_destroy, a snapshot) waited for minutes beside a
        # daemon and workers that go before it, on a CPU that the checks keep busy
        self.words = ("panic_on_warn=1 oops=panic rcutree.use_softirq=0 rcutree.kthread_prio=1"
                      if name == "debug" else "")


def unpack_kernel(path):
    """The ELF file of a kernel: itself, or the payload of a bzImage (its header says where)."""
    with open(path, "rb") as f:
        data = f.read()
    if data[:4] == b"\x7fELF":
        return data
    if data[0x202:0x206] != b"HdrS":
        raise Missing("%s is no kernel" % path)
    sectors = data[0x1f1] or 4
    offset, length = struct.unpack_from("<II", data, 0x248)
    payload = data[(sectors + 1) * 512 + offset:][:length]
    # The last four bytes are the size of the content, not of the stream.
    if payload[:6] == b"\xfd7zXZ\0":
        return lzma.LZMADecompressor().decompress(payload)
    if payload[:4] == b"\x28\xb5\x2f\xfd":
        return subprocess.run(["zstd", "-dcq"], input=payload[:-4], check=True,
                              stdout=subprocess.PIPE).stdout
    raise Missing("%s: unknown compression" % path)


class Archive:
    """A cpio archive (newc) in memory: path -> (mode, content)."""

    def __init__(self):
        self.entries = {}

    def folder(self, path):
        while path and path not in self.entries:
            self.entries[path] = (stat.S_IFDIR | 0o755, b"")
            path = os.path.dirname(path)

    def file(self, path, data, mode=0o644):
        self.folder(os.path.dirname(path))
        self.entries[path] = (stat.S_IFREG | mode, data)

    def link(self, path, target):
        self.folder(os.path.dirname(path))
        self.entries[path] = (stat.S_IFLNK | 0o777, target.encode())

    def copy(self, path, source):
        """a file with what it is: content, permissions"""
        with open(source, "rb") as f:
            self.file(path, f.read(), os.stat(source).st_mode & 0o777)

    def write(self, out):
        for i, (path, (mode, data)) in enumerate(sorted(self.entries.items())):
            write_entry(out, i + 1, path, mode, data)
        write_entry(out, 0, "TRAILER!!!", 0, b"")
        out.write(bytes(-out.tell() % 512))


def write_entry(out, inode, path, mode, data):
    name = path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(mode) else 1
    head = (inode, mode, 0, 0, links, 0, len(data), 0, 0, 0, 0, len(name), 0)
    out.write(b"070701" + b"".join(b"%08x" % n for n in head) + name)
    out.write(bytes(-out.tell() % 4) + data)
    out.write(bytes(-out.tell() % 4))


class Collected:
    """As an Archive, but it only notes which file is where."""

    def __init__(self):
        self.entries = {}

    def copy(self, path, source):
        self.entries[path] = source


class Userland:
    """Debian's programs as tools/vm-deps unpacked them."""
    LIBRARIES = ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu", "lib",
                 "usr/lib/x86_64-linux-gnu/systemd")

    def __init__(self):
        self.folder = os.path.join(CACHE, "userland")
        if not all(os.path.exists(CACHE + p) for p in ("/userland/stamp", "/fio/stamp")):
            raise Missing("no userland for guests: run tools/vm-deps")

    def source(self, path):
        """The file behind a path, symlinks followed inside of this folder; None without one."""
        for _ in range(8):
            full = os.path.join(self.folder, path)
            if not os.path.islink(full):
                return full if os.path.isfile(full) else None
            target = os.readlink(full)
            path = target.lstrip("/") if target[0] == "/" else \
                os.path.normpath(os.path.join(os.path.dirname(path), target))
        return None

    def library(self, name):
        for folder in self.LIBRARIES:
            if self.source(folder + "/" + name):
                return folder + "/" + name
        raise Missing("the guests' userland has no %s" % name)

    def add(self, archive, path):
        """A program or library with all libraries it is linked with."""
        source = self.source(path)
        if source is None:
            raise Missing("the guests' userland has no %s: run tools/vm-deps" % path)
        if path in archive.entries:
            return
        archive.copy(path, source)
        shown = subprocess.run(["readelf", "-ld", source], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True, check=True).stdout
        for name in re.findall(r"Shared library: \[(.+?)\]", shown):
            if not name.startswith("ld-linux"):
                self.add(archive, self.library(name))
        for name in re.findall(r"interpreter: /(.+?)\]", shown):
            if name not in archive.entries:
                archive.copy(name, self.source(name))

    def files(self, programs, folders=()):
        """{path in the guest: file} of programs with their libraries, and of whole folders: for what
        only one case has in its guests (Lab's files)."""
        found = Collected()
        for path in programs:
            self.add(found, path)
        for folder in folders:
            for where, _, names in os.walk(os.path.join(self.folder, folder)):
                for name in names:
                    path = os.path.relpath(os.path.join(where, name), self.folder)
                    if self.source(path):
                        found.copy(path, self.source(path))
        if folders and not all(os.path.isdir(os.path.join(self.folder, f)) for f in folders):
            raise Missing("the guests' userland has no %s: run tools/vm-deps" % " or ".join(folders))
        return found.entries

    def applets(self):
        listed = subprocess.run([self.folder + "/bin/busybox", "--list"], check=True,
                                stdout=subprocess.PIPE, text=True)
        return listed.stdout.split()


def module_files(kernel):
    """Files below the folder of modules, of MODULES and all they depend on."""
    depends = {}
    with open(os.path.join(kernel.modules, "modules.dep")) as f:
        for line in f:
            path, below = line.split(":")
            depends[path] = below.split()
    by_name = {module_name(p): p for p in depends}
    wanted = set()
    for name in MODULES:
        if name in by_name:
            wanted |= {by_name[name], *depends[by_name[name]]}
    return sorted(wanted)


def module_name(path):
    return os.path.basename(path).split(".ko")[0].replace("-", "_")


def add_modules(archive, kernel):
    """Uncompressed, with an index of those that are there."""
    base = "lib/modules/" + kernel.release
    with tempfile.TemporaryDirectory() as work:
        stage = os.path.join(work, base)
        for path in module_files(kernel):
            to = os.path.join(stage, re.sub(r"\.(xz|zst)$", "", path))
            os.makedirs(os.path.dirname(to), exist_ok=True)
            with open(to, "wb") as out:
                out.write(module_content(os.path.join(kernel.modules, path)))
        for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
            if os.path.exists(os.path.join(kernel.modules, name)):
                shutil.copy(os.path.join(kernel.modules, name), stage)
        subprocess.run(["/sbin/depmod", "-b", work, kernel.release], check=True)
        for folder, _, names in os.walk(stage):
            for name in names:
                full = os.path.join(folder, name)
                archive.copy(os.path.relpath(full, work), full)


def module_content(path):
    with open(path, "rb") as f:
        data = f.read()
    if path.endswith(".xz"):
        return lzma.decompress(data)
    if path.endswith(".zst"):
        return subprocess.run(["zstd", "-dcq"], input=data, check=True,
                              stdout=subprocess.PIPE).stdout
    return data


def add_agent(archive):
    with tempfile.TemporaryDirectory() as work:
        out = os.path.join(work, "agent")
        subprocess.run(["gcc", "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-s",
                        "-o", out, os.path.join(HERE, "agent.c")], check=True)
        archive.copy("sbin/agent", out)


def fill(archive, kernel):
    userland = Userland()
    for path in FOLDERS:
        archive.folder(path)
    userland.add(archive, "bin/busybox")
    for path in PROGRAMS:
        userland.add(archive, path)
    for path, target in LINKS.items():
        archive.link(path, target)
    # BusyBox fills in whatever has no program of its own.
    there = {os.path.basename(p) for p in archive.entries if "bin/" in p}
    for applet in userland.applets():
        if applet not in there:
            archive.link("bin/" + applet, "busybox")
    for path, text in FILES.items():
        archive.file(path, text.encode())
    for path in COPIED + ["%s/%s" % (folder, name) for folder in COPIED_WHOLE
                          for name in os.listdir(os.path.join(userland.folder, folder))]:
        archive.copy(path, os.path.join(userland.folder, path))
    add_modules(archive, kernel)
    add_agent(archive)
    archive.copy("usr/bin/fio", CACHE + "/fio/fio")
    archive.copy("init", os.path.join(HERE, "init"))


class Image:
    """What guests boot."""

    def __init__(self, kernel, folder):
        self.kernel = kernel
        self.beside = None      # another one, for further guests of a lab
        self.vmlinux = os.path.join(folder, "vmlinux")
        self.initramfs = os.path.join(folder, "initramfs")

    def initrd(self, path, extra):
        """Writes the initramfs with more files to `path`: extra is {path in the guest: file}."""
        archive = Archive()
        for to, source in extra.items():
            archive.copy(to.lstrip("/"), source)
        with open(path, "wb") as out:
            with open(self.initramfs, "rb") as f:
                shutil.copyfileobj(f, out, 1 << 20)
            archive.write(out)
        return path


def key_of(kernel):
    """Changes when an image has to be made again."""
    sums = hashlib.sha256()
    for path in (__file__, HERE + "/agent.c", HERE + "/init", CACHE + "/userland/stamp",
                 CACHE + "/fio/fio"):
        with open(path, "rb") as f:
            sums.update(f.read())
    for path in (kernel.file, kernel.modules + "/modules.dep"):
        found = os.stat(path)
        sums.update(b"%s %d %d" % (path.encode(), found.st_size, found.st_mtime_ns))
    return sums.hexdigest()


def make(name="6.1", out=None):
    """The image of a kernel, made when it is not there or old."""
    kernel = Kernel(name)
    Userland()
    folder = out or os.path.join(ROOT, "build/vm", kernel.name)
    image = Image(kernel, folder)
    image.beside = make(kernel.beside) if kernel.beside else None
    os.makedirs(folder, exist_ok=True)
    stamp, key = os.path.join(folder, "key"), key_of(kernel)
    if os.path.exists(stamp) and open(stamp).read() == key:
        return image
    archive = Archive()
    fill(archive, kernel)
    write_whole(image.vmlinux, lambda f: f.write(unpack_kernel(kernel.file)))
    write_whole(image.initramfs, archive.write)
    write_whole(stamp, lambda f: f.write(key.encode()))
    return image


def write_whole(path, write):
    """All of it or nothing, also when two make the same image at once."""
    temporary = "%s.%d" % (path, os.getpid())
    with open(temporary, "wb") as f:
        write(f)
    os.rename(temporary, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernel", default="6.1", help="6.1, 6.12, debug or a folder")
    parser.add_argument("--out", help="where to (build/vm/<kernel>)")
    args = parser.parse_args()
    try:
        image = make(args.kernel, args.out)
    except Missing as e:
        sys.exit("image: %s" % e)
    for path in (image.vmlinux, image.initramfs):
        print("%s: %d KiB" % (path, os.path.getsize(path) >> 10))


if __name__ == "__main__":
    main()
