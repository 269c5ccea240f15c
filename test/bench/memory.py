# SPDX-License-Identifier: GPL-2.0-or-later
"""memory.py - the kernel memory of a volume, for path.py.

Some volumes of each system are made on null_blk, and what the kernel has free is read when it has
dropped its caches and no process of the system is left: when they are there, when they are open,
after writes with 32 under way to each of them, and when they are gone. The difference to the last,
divided by their number, has everything in it: structures, pools and reserves, the block device with its files in /sys; of a
replicated volume all replicas, as they are in the same kernel.
"""
import drbd
from rig import wait_for
from systems import push_rvolctl

VOLUMES = 6         # one holder has them open as 3 to 8
META_MIB = 2
WARM = ("fio --name=t --rw=randwrite --bs=4k --direct=1 --ioengine=libaio --iodepth=32 "
        "--number_ios=2000 --filename=%s >/dev/null")
# Pages that a CPU keeps for itself are free, too, and there are thousands of them.
FREE = ("sync; sleep 0.5; echo 3 >/proc/sys/vm/drop_caches; sleep 0.5; "
        "echo 3 >/proc/sys/vm/drop_caches; cat /proc/sys/vm/stat_refresh; "
        "awk '$1 == \"nr_free_pages\" || $1 == \"count:\" { n += $2 } END { print 4 * n }' "
        "/proc/zoneinfo")


def free_kib(guest):
    return int(guest.run(FREE).out)


def hold(guest, devices):
    """One process has them open for writing, until let_go(). As many without devices."""
    words = " ".join("%d<>%s" % (3 + i, d) for i, d in enumerate(devices))
    guest.run("(exec %s; touch /tmp/held; exec sleep 100000) </dev/null >/dev/null 2>&1 & "
              "echo $! >/tmp/holder; while [ ! -e /tmp/held ]; do sleep 0.1; done; rm /tmp/held"
              % words, 120)


def let_go(guest):
    guest.run("kill $(cat /tmp/holder); sleep 0.5")


class Drbd:
    replicas = 2

    def load(self, guest):
        guest.run("modprobe drbd minor_count=32")

    def make(self, guest, lower):
        return [drbd.pair(*[(guest, minor) + lower[minor] for minor in (2 * i, 2 * i + 1)])
                for i in range(VOLUMES)]

    def answer(self, guest, lower):
        pass

    def quiet(self, guest):
        pass

    def delete(self, guest):
        drbd.down(guest, unload=False)

    def unload(self, guest):
        guest.run("rmmod drbd")


class DrbdAlone(Drbd):
    replicas = 1

    def make(self, guest, lower):
        return [drbd.alone(guest, i, *lower[i]) for i in range(VOLUMES)]


class Rvol:
    def __init__(self, verb, replicas):
        self.verb = verb
        self.replicas = replicas

    def load(self, guest):
        push_rvolctl(guest)
        guest.run("ip link set lo up && modprobe rvol plain=1")

    def rvolctl(self, guest, lower, words):
        for i in range(VOLUMES):
            mine = lower[self.replicas * i:self.replicas * (i + 1)]
            guest.run("rvolctl %s %s --daemon --name v%d --minor %d --record /tmp/v%d %s" % (
                self.verb, " ".join("%s %s" % pair for pair in mine), i, self.replicas * i, i,
                words), 300)

    def make(self, guest, lower):
        self.rvolctl(guest, lower, "--dirty")
        return ["/dev/rvol%d" % (self.replicas * i) for i in range(VOLUMES)]

    def answer(self, guest, lower):
        """The open of a volume is a question to who keeps the record."""
        self.rvolctl(guest, lower, "--adopt")

    def quiet(self, guest):
        """Who keeps the record is no part of the module; all copies have joined until then."""
        wait_for(lambda: "joining" not in guest.run("rvolctl status").out, 60)
        guest.run("sleep 3; kill $(pidof rvolctl); sleep 0.5")

    def delete(self, guest):
        guest.run("rvolctl del --force")

    def unload(self, guest):
        guest.run("rmmod rvol")


KINDS = {"drbd84-alone": DrbdAlone(), "drbd84": Drbd(), "rvol-alone": Rvol("one", 1),
         "rvol": Rvol("pair", 2), "rvol3": Rvol("three", 3)}


def states(guest, kind, lower):
    """KiB that are free: with volumes, with open ones, with those that were written to, and with none
    any more. Not with none before: a guest that has done nothing yet has more to let go of."""
    hold(guest, ["/dev/zero"] * VOLUMES)
    devices = kind.make(guest, lower)
    kind.quiet(guest)
    yield free_kib(guest)
    kind.answer(guest, lower)
    let_go(guest)
    hold(guest, devices)
    kind.quiet(guest)
    yield free_kib(guest)
    for device in devices:
        guest.run(WARM % device, 300)
    yield free_kib(guest)
    let_go(guest)
    kind.delete(guest)
    hold(guest, ["/dev/zero"] * VOLUMES)
    yield free_kib(guest)
    let_go(guest)


def of_volume(guest, system):
    """{what: KiB of a volume}; nothing of a system that has none"""
    kind = KINDS.get(system.name)
    if not kind:
        return {}
    count = kind.replicas * VOLUMES
    lower = [("/dev/nullb%d" % i, "/dev/ram%d" % i) for i in range(count)]
    guest.run("modprobe null_blk nr_devices=%d gb=1 queue_mode=0 irqmode=0 && "
              "modprobe brd rd_nr=%d rd_size=%d" % (count, count, META_MIB << 10))
    for _, meta in lower:   # its pages are there before
        guest.run("dd if=/dev/zero of=%s bs=1M count=%d 2>/dev/null" % (meta, META_MIB))
    kind.load(guest)
    *free, without = states(guest, kind, lower)
    kind.unload(guest)
    guest.run("rmmod null_blk brd")
    return {"%s, %s" % (system.name, name): round((without - now) / VOLUMES)
            for name, now in zip(("there", "open", "written to"), free)}
