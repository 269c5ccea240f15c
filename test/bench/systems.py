# SPDX-License-Identifier: GPL-2.0-or-later
"""systems.py - replicated block devices, and a bare one, to measure in one guest: for path.py and
rates.py. All replicas are in the same kernel, over loopback TCP. A ground is what they stand on:
ground.data, devices for the content of up to three replicas, and ground.meta, small ones for their
metadata, all zeros."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "vm"))
BUILD = os.path.join(HERE, "..", "..", "build")

import drbd     # noqa: E402
from rig import wait_for    # noqa: E402


class Ground:
    def __init__(self, data, meta):
        self.data = data
        self.meta = meta


class Raw:
    """The lower device of the first replica: what the others add to."""
    name = "raw"

    def setup(self, guest, ground):
        return ground.data[0]

    def teardown(self, guest):
        pass


class Drbd84Alone:
    """DRBD 8.4 with one replica and no peer."""
    name = "drbd84-alone"

    def setup(self, guest, ground):
        return drbd.alone(guest, 0, ground.data[0], ground.meta[0])

    def teardown(self, guest):
        drbd.down(guest)


class Drbd84:
    """DRBD 8.4 with two replicas, protocol C."""
    name = "drbd84"
    replicas = 2

    def setup(self, guest, ground):
        return drbd.pair(*[(guest, i, ground.data[i], ground.meta[i]) for i in (0, 1)])

    def teardown(self, guest):
        drbd.down(guest)


def push_rvolctl(guest):
    guest.push(os.path.join(BUILD, "test", "rvolctl"), "/bin/rvolctl", 0o755)


class Rvol:
    """rvol.ko with two replicas in sync, plain TCP."""
    name = "rvol"
    replicas, verb = 2, "pair"

    def setup(self, guest, ground):
        guest.run("ip link set lo up && modprobe rvol plain=1")
        push_rvolctl(guest)
        devices = [d for pair in zip(ground.data, ground.meta) for d in pair]
        guest.run("rvolctl %s %s --dirty --daemon --log /tmp/rvolctl.log" %
                  (self.verb, " ".join(devices[:2 * self.replicas])), 300)
        # Held open from here on: an open begins with one copy, and the others join it.
        guest.run("sleep 100000 </dev/null 9<>/dev/rvol0 >/dev/null 2>&1 & echo $! >/tmp/holder")
        wait_for(lambda: self.in_sync(guest), 120, "all copies in sync", 1)
        return "/dev/rvol0"

    def in_sync(self, guest):
        shown = guest.run("rvolctl status").out
        return all("peer%d=member" % i in shown for i in range(1, self.replicas))

    def teardown(self, guest):
        guest.run("kill $(cat /tmp/holder); sleep 0.2; rvolctl del --force; sleep 0.2; rmmod rvol")


class RvolAlone(Rvol):
    """rvol.ko with one replica."""
    name = "rvol-alone"
    replicas, verb = 1, "one"


class Rvol3(Rvol):
    """rvol.ko with three replicas in sync, plain TCP (DRBD 8.4 has no third one)."""
    name = "rvol3"
    replicas, verb = 3, "three"


SYSTEMS = [Raw(), Drbd84Alone(), Drbd84(), RvolAlone(), Rvol(), Rvol3()]
