# SPDX-License-Identifier: GPL-2.0-or-later
"""network.py - a private network for the guests of one lab.

bridge     a network namespace of its own with a bridge and a tap for each guest: nothing of the
           machine's network is touched, and it vanishes with its last process. Needs root, or user
           namespaces for everyone. RTT about 1 ms, above 100 MB/s under TCG.
multicast  QEMU's sockets on the loopback interface: needs nothing, ten times slower.

network() takes the first that works here.
"""
import os
import random
import subprocess

SETUP = """
ip link set lo up
ip link add bridge0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0
ip link set bridge0 mtu 9000 up
for i in $(seq 0 %d); do
    ip tuntap add tap$i mode tap vnet_hdr
    ip link set tap$i mtu 9000 master bridge0 up
done
echo ready
exec cat
"""


class Bridge:
    """The namespace is held by one process, which ends when we do (its input is our pipe)."""

    def __init__(self, guests, unshare):
        self.enter_options = ["--user", "--preserve-credentials"] if len(unshare) > 1 else []
        self.holder = subprocess.Popen(
            ["unshare", *unshare, "sh", "-ec", SETUP % (guests - 1)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        if self.holder.stdout.readline() != "ready\n":
            self.close()
            raise OSError("no network namespace")

    def prefix(self):
        """what is put before a command that shall run in that network"""
        return ["nsenter", "--target", str(self.holder.pid), *self.enter_options, "--net"]

    def options(self, index):
        return ["-netdev", "tap,id=net0,ifname=tap%d,script=no,downscript=no" % index]

    def close(self):
        self.holder.stdin.close()
        self.holder.kill()
        self.holder.wait()
        self.holder.stdout.close()


class Multicast:
    def __init__(self):
        # One of 2^16 groups: two labs at once do not hear each other.
        self.group = "239.77.%d.%d" % (random.randrange(256), random.randrange(1, 255))

    def prefix(self):
        return []

    def options(self, index):
        return ["-netdev", "socket,id=net0,mcast=%s:7700,localaddr=127.0.0.1" % self.group]

    def close(self):
        pass


def network(guests):
    ways = [["--net"]] if os.geteuid() == 0 else []
    for unshare in ways + [["--net", "--user", "--map-root-user"]]:
        try:
            return Bridge(guests, unshare)
        except OSError:
            continue
    return Multicast()
