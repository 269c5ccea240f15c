# SPDX-License-Identifier: GPL-2.0-or-later
"""guest.py - virtual machines for tests: class Lab (a few guests and their network), class Guest.

    from guest import Disk, Lab
    with Lab(image.make("6.1"), guests=2, disks=[Disk(256)], dir="/tmp/lab") as lab:
        a, b = lab.guests
        a.run("mkfs.ext4 -q /dev/vda && mount /dev/vda /mnt")
        a.push("build/sdsd", "/usr/bin/sdsd", 0o755)
        job = a.start_job("sleep 100")          # in the background
        a.link(False)                           # pulls its cable
        a.drop(to=[b])                          # or loses what it sends to b, silently
        a.power_cut(); a.start(); a.wait()      # the same disks, whatever was flushed
        lab.problems()                          # what the kernels complained about

Guests are n1, n2, ... with addresses 10.77.0.1, 10.77.0.2, ... Everything of theirs is in the lab's
folder: <name>/console.log, disk0.raw. QEMU runs without KVM (TCG): slow, but anywhere; it dies with
the process that started it.
"""
import os
import re
import subprocess
import time

from channel import Channel, GuestGone, Qmp
from disk import Disk
from network import network

# What a kernel prints when something is wrong with it. "BUG: agent" and "BUG: init" are ours.
PROBLEM = re.compile(
    r"BUG: |BUG [\w-]+ \(|WARNING: |Oops|Kernel panic|KASAN|KCSAN|UBSAN|KFENCE|possible (circular|recursive) "
    r"locking|inconsistent lock state|suspicious RCU|INFO: task .* blocked|rcu: INFO|self-detected"
    r" stall|detected stalls|general protection fault|[Uu]nable to handle|sleeping function called|"
    r"DEADLOCK|register non-static key|locking correctness validator|unreferenced object|"
    r"refcount_t: |list_(add|del) corruption|workqueue lockup|page allocation failure|"
    r"Out of memory:")
# Nobody's fault but the machine's: TCG has no such things.
HARMLESS = re.compile(r"RETBleed: WARNING|Spectre V2 : WARNING|MDS CPU bug|\.\.MP-BIOS bug")

# It has measured its processor against timers of a QEMU that did not run then: its clock goes a
# hundred times as fast for a second or two.
MISTIMED = re.compile(r"tsc: PIT calibration deviates")

# What is not pointed to in two scans, five seconds apart, counts as lost; a third says it again.
LEAKS = """
leaks=/sys/kernel/debug/kmemleak
[ -e $leaks ] || exit 0
for i in 1 2 3; do echo scan >$leaks; [ $i = 3 ] || sleep 6; done
cat $leaks >/dev/console
"""

BOOT_SECONDS = 240      # of three guests at once on a busy machine
# Without the self-tests of the kernel's ciphers, which take half of the boot. A boot may stand still
# for more than a minute when the host is busy; init sets the usual time for stalls.
COMMAND_LINE = ("console=ttyS0 loglevel=5 panic=-1 nokaslr mitigations=off random.trust_cpu=on "
                "no_timer_check rcupdate.rcu_cpu_stall_timeout=300 cryptomgr.notests "
                "8250.nr_uarts=1")
# Of more than one CPU, where Linux takes TCG's TSC for out of step, which it is not: it would read the
# HPET instead, which costs more than the rest of a write.
TSC_WORDS = "tsc=reliable"
# The counting mode of bench/path.py: a virtual nanosecond for each instruction, no time while the
# host is busy elsewhere. One virtual CPU without "fast" string instructions, of which TCG counts
# each byte.
COUNTING = ["-accel", "tcg", "-icount", "shift=0,sleep=off", "-cpu", "max,-erms,-fsrm", "-smp", "1"]


class Guest:
    """One virtual machine. start() and power_cut() may alternate; the disks stay."""

    def __init__(self, lab, index, disks):
        self.lab = lab
        self.image = lab.image if index == 0 or lab.image.beside is None else lab.image.beside
        self.index = index
        self.name = "n%d" % (index + 1)
        self.address = "10.77.0.%d" % (index + 1)
        self.dir = os.path.join(lab.dir, self.name)
        self.log = os.path.join(self.dir, "console.log")
        self.process = self.channel = self.qmp_channel = None
        self.boot_at = 0    # where the console of this boot begins
        os.makedirs(self.dir, exist_ok=True)
        self.disks = [d.create(os.path.join(self.dir, "disk%d" % i)) for i, d in enumerate(disks)]

    # life

    def command(self):
        lab = self.lab
        words = "%s vm.name=%s %s %s" % (COMMAND_LINE, self.name, self.image.kernel.words,
                                         lab.append)
        if lab.cpus > 1:
            words += " " + TSC_WORDS
        if lab.network:
            words += " vm.address=" + self.address
        line = ["qemu-system-x86_64", "-name", self.name, "-machine", "q35",
                "-m", str(lab.memory * self.image.kernel.memory), "-nodefaults", "-no-user-config", "-display", "none",
                "-no-reboot", "-kernel", self.image.vmlinux,
                "-initrd", lab.initrds[self.image.kernel.name],
                "-append", words,
                "-chardev", "file,id=console,path=%s,append=on" % self.log,
                "-serial", "chardev:console",
                "-qmp", "unix:%s/qmp,server=on,wait=off" % self.dir,
                "-device", "virtio-serial-pci", "-device", "virtio-rng-pci",
                "-chardev", "socket,id=agent,path=%s/agent,server=on,wait=off" % self.dir,
                "-device", "virtserialport,chardev=agent,name=sdsd.agent"]
        line += COUNTING if lab.counting else \
            ["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", str(lab.cpus)]
        if lab.network:
            line += lab.network.options(self.index)
            line += ["-device", "virtio-net-pci,id=nic0,netdev=net0,mac=52:54:00:77:00:%02x"
                     % (self.index + 1)]
        for i, disk in enumerate(self.disks):
            line += disk.options(i)
        prefix = lab.network.prefix() if lab.network else []
        return prefix + ["setpriv", "--pdeathsig", "KILL"] + line

    def start(self):
        """Switches it on; wait() for the agent."""
        self.boot_at = os.path.getsize(self.log) if os.path.exists(self.log) else 0
        for name in ("qmp", "agent"):
            if os.path.exists(os.path.join(self.dir, name)):
                os.unlink(os.path.join(self.dir, name))
        for disk in self.disks:
            disk.power_on()
        with open(os.path.join(self.dir, "qemu.log"), "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log)
        end = time.monotonic() + 30
        while self.channel is None:
            if not self.alive() or time.monotonic() > end:
                raise GuestGone("%s: QEMU does not start: %s" % (self.name, self.qemu_log()[-800:]))
            try:
                self.channel = Channel(self.name, os.path.join(self.dir, "agent"),
                                       self.lab.image.kernel.patience)
            except OSError:
                time.sleep(0.01)

    def wait(self, timeout=BOOT_SECONDS):
        """Until its agent answers. It is started once more, with its disks as they are, when its
        clock began wrong: what leaps by minutes complains, and keeps no lease."""
        self.wait_for_agent(timeout)
        with open(self.log, "rb") as f:
            f.seek(self.boot_at)
            mistimed = MISTIMED.search(f.read().decode(errors="replace"))
        if mistimed:
            self.power_cut()
            os.truncate(self.log, self.boot_at)
            self.start()
            self.wait_for_agent(timeout)

    def wait_for_agent(self, timeout):
        end = time.monotonic() + timeout * self.lab.image.kernel.patience
        while not self.channel.ready.wait(0.1):
            if not self.alive() or time.monotonic() > end:
                raise GuestGone("%s does not boot; its console: %s" %
                                (self.name, "\n".join(self.console().splitlines()[-15:])))

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """Its memory is gone at once. power_cut() has to follow, which takes a while with volatile
        disks: where a case measures what happens meanwhile, or cuts several."""
        if self.process:
            self.process.kill()

    def power_cut(self, seed=0):
        """QEMU is killed: memory is gone at once, disks keep what disk.py says."""
        self.kill()
        if self.process:
            self.process.wait()
        for channel in (self.channel, self.qmp_channel):
            if channel:
                channel.close()
        self.process = self.channel = self.qmp_channel = None
        for disk in self.disks:
            disk.power_off(seed)

    def restart(self):
        self.power_cut()
        self.start()
        self.wait()

    # work

    def start_job(self, command, stdin=b""):
        """A shell command in the background: a Job, with wait() and signal()."""
        if self.channel is None:
            raise GuestGone("%s is off" % self.name)
        return self.channel.run(command, stdin)

    def run(self, command, timeout=60, check=True, stdin=b""):
        """A shell command: its Result. See Job.wait for timeout and check."""
        return self.start_job(command, stdin).wait(timeout, check)

    def push(self, source, path, mode=0o644):
        """Puts a file of ours, or bytes, into the guest; its folder must be there."""
        if isinstance(source, str):
            with open(source, "rb") as f:
                source = f.read()
        self.channel.write_file(path, source, mode)

    def pull(self, path, timeout=120):
        """The content of a file of the guest."""
        return self.run("cat '%s'" % path, timeout).raw

    # faults

    def qmp(self, command, **arguments):
        if self.qmp_channel is None:
            self.qmp_channel = Qmp(os.path.join(self.dir, "qmp"))
        return self.qmp_channel(command, **arguments)

    def link(self, up):
        """Pulls or plugs its network cable: both directions, and the guest sees it."""
        self.qmp("set_link", name="nic0", up=up)

    def drop(self, to=(), from_=()):
        """From now on loses all IP packets to, or from, those guests. Nobody is told."""
        self.run("tc qdisc add dev eth0 clsact 2>/dev/null; " + "; ".join(
            "tc filter add dev eth0 %s protocol ip u32 match ip %s %s/32 action drop" % rule
            for rule in [("egress", "dst", g.address) for g in to] +
            [("ingress", "src", g.address) for g in from_]))

    def pass_all(self):
        """Ends what drop() began."""
        self.run("tc qdisc del dev eth0 clsact 2>/dev/null; true")

    def pause(self):
        """The whole machine stands still, its clocks too."""
        self.qmp("stop")

    def resume(self):
        self.qmp("cont")

    # looking

    def console(self):
        try:
            with open(self.log, errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def problems(self):
        """Lines of its console that no healthy kernel prints."""
        return [line.strip() for line in self.console().splitlines()
                if PROBLEM.search(line) and not HARMLESS.search(line)]

    def find_leaks(self):
        """A kernel with kmemleak says on its console what nothing points to any more."""
        self.run(LEAKS, 120)

    def qemu_log(self):
        with open(os.path.join(self.dir, "qemu.log"), errors="replace") as f:
            return f.read()


class Lab:
    """Guests with disks and a network of their own.

    image     of image.py; guests other than the first boot the one beside it, when it has one
    disks     a list of Disk, for each guest: /dev/vda, /dev/vdb, ... with serials disk0, disk1, ...
    files     {path in the guest: file}: what is there from the start, besides the image
    modules   .ko files of the project: modprobe finds them
    networked whether they have a network (when there is more than one guest)
    counting  the mode for bench/path.py
    append    further words for the kernel's command line
    """

    def __init__(self, image, dir, guests=1, disks=(), memory=512, cpus=1, networked=None,
                 files=None, modules=(), counting=False, append=""):
        self.image = image
        self.dir = dir
        self.memory = memory
        self.cpus = cpus
        self.counting = counting
        self.append = append
        os.makedirs(dir, exist_ok=True)
        self.initrds = {i.kernel.name: self.add_to(i, dict(files or {}), modules)
                        for i in (image, image.beside if guests > 1 else None) if i}
        wanted = guests > 1 if networked is None else networked
        self.network = network(guests) if wanted else None
        self.guests = [Guest(self, i, [Disk(**vars(d)) for d in disks]) for i in range(guests)]

    def add_to(self, image, files, modules):
        """The path of an initramfs with those files and modules, too."""
        for path in modules:
            if image is not self.image:     # beside it: as tools/kmod is told to
                path = os.path.join(os.path.dirname(os.path.dirname(path)), image.kernel.name,
                                    os.path.basename(path))
            files["lib/modules/%s/updates/%s" % (image.kernel.release,
                                                 os.path.basename(path))] = path
        if not files:
            return image.initramfs
        return image.initrd(os.path.join(self.dir, "initrd-" + image.kernel.name), files)

    def up(self):
        for guest in self.guests:
            guest.start()
        for guest in self.guests:
            guest.wait()
        return self

    def down(self):
        for guest in self.guests:
            guest.power_cut()
        if self.network:
            self.network.close()
        self.network = None

    def run(self, command, timeout=60, check=True):
        """The same command in all guests at once: their Results."""
        jobs = [g.start_job(command) for g in self.guests]
        return [j.wait(timeout, check) for j in jobs]

    def problems(self):
        return ["%s: %s" % (g.name, line) for g in self.guests for line in g.problems()]

    def __enter__(self):
        try:
            return self.up()
        except BaseException:
            self.down()
            raise

    def __exit__(self, *_):
        self.down()
