# SPDX-License-Identifier: GPL-2.0-or-later
"""systems.py - replicated block devices, and a bare one, to measure in one guest: for path.py and
rates.py. Two replicas are in the same kernel, over loopback TCP. disks: four devices, the data of
two replicas and two small ones for metadata, all zeros."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "vm"))
BUILD = os.path.join(HERE, "..", "..", "build")

import drbd     # noqa: E402
from rig import wait_for    # noqa: E402


class Raw:
    """A RAM disk: what the others add to."""
    name = "raw"

    def setup(self, guest, disks):
        return disks[0]

    def teardown(self, guest):
        pass


class Drbd84Alone:
    """DRBD 8.4 with one replica and no peer."""
    name = "drbd84-alone"

    def setup(self, guest, disks):
        return drbd.alone(guest, 0, disks[0])

    def teardown(self, guest):
        drbd.down(guest)


class Drbd84:
    """DRBD 8.4 with two replicas, protocol C."""
    name = "drbd84"

    def setup(self, guest, disks):
        return drbd.pair((guest, 0, disks[0]), (guest, 1, disks[1]))

    def teardown(self, guest):
        drbd.down(guest)


class Rvol:
    """rvol.ko with two replicas in sync, plain TCP."""
    name = "rvol"
    verb = "pair %(0)s %(2)s %(1)s %(3)s"

    def setup(self, guest, disks):
        guest.run("ip link set lo up && modprobe rvol plain=1")
        guest.push(os.path.join(BUILD, "test", "rvolctl"), "/bin/rvolctl", 0o755)
        guest.run("rvolctl %s --daemon --log /tmp/rvolctl.log" %
                  (self.verb % {str(i): d for i, d in enumerate(disks)}), 300)
        # Held open from here on: an open begins with one copy, and the others join it.
        guest.run("sleep 100000 </dev/null 9<>/dev/rvol0 >/dev/null 2>&1 & echo $! >/tmp/holder")
        wait_for(lambda: "peer1=member" in guest.run("rvolctl status").out or
                 self.verb.startswith("one"), 60, "both copies in sync", 1)
        return "/dev/rvol0"

    def teardown(self, guest):
        guest.run("kill $(cat /tmp/holder); sleep 0.2; rvolctl del --force; sleep 0.2; rmmod rvol")


class RvolAlone(Rvol):
    """rvol.ko with one replica."""
    name = "rvol-alone"
    verb = "one %(0)s %(2)s"


SYSTEMS = [Raw(), Drbd84Alone(), Drbd84(), RvolAlone(), Rvol()]
