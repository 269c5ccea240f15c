# SPDX-License-Identifier: GPL-2.0-or-later
"""A service that follows a volume: PostgreSQL under systemd, in the kernel module's volume."""
import time

import postgres
from case_demo_kernel import cluster
from case_demo_user import back
from case_kernel import made
from case_kernel_cuts import figure
from rig import Disk, at_most, wait_for

VIP = "10.77.0.100"
ADD = ("service add pg --volume db --mount /srv/db --unit postgresql.service --vip %s/24 "
       "--options noatime" % VIP)


def service(node):
    return node.json("service show pg")


def runs_on(node, name, timeout=240):
    wait_for(lambda: (service(node)["state"], service(node)["node"]) == ("running", name), timeout,
             "the service runs on " + name, 0.5)


def has(node):
    """What of it is there: mount, unit, address"""
    out = node.guest.run("grep -c ' /srv/db ' /proc/self/mountinfo; systemctl is-active "
                         "postgresql.service; ip -o addr show dev eth0 | grep -c %s; true" % VIP)
    return out.out.split()


def judge(rig, node, client):
    """All that was acknowledged is there; how many"""
    rows = client.acknowledged()
    there = {int(x) for x in postgres.ask(node.guest, VIP, "SELECT n FROM ledger", 120).out.split()}
    lost = sorted(rows - there)
    rig.check(not lost, "%d of %d acknowledged commits are lost: %s" % (len(lost), len(rows),
                                                                       lost[:10]))
    return len(rows)


@at_most(2400)
def case_kernel_service(rig):
    """A client commits rows over the service's address; the node is cut off its power, the service
    runs elsewhere and every acknowledged commit is there; then it is moved, the dead node comes back
    and the service stays; sdsd is restarted under it, and it is stopped and deleted."""
    rig.log("/run/postgres.log")
    n1, n2, n3 = nodes = cluster(rig, 3, Disk(1024, volatile=True), memory=768,
                                 append="vm.systemd", files=postgres.files(rig.folder + "/pg"))
    made(rig, (n1, n2), "256M")
    postgres.create(n1.guest, n1.device("db"))
    n1.cli(ADD, 120)
    runs_on(n3, "n1")
    rig.check(has(n1) == ["1", "active", "1"], "n1 has %s" % has(n1))
    rig.check(has(n2) == ["0", "inactive", "0"], "n2 has %s" % has(n2))
    postgres.ask(n3.guest, VIP, "CREATE TABLE ledger (n bigint PRIMARY KEY)")
    client = postgres.Client(n3.guest, VIP)
    client.goes_on()

    wait_for(lambda: n3.verdict("db") == "safe", 120, "both copies are in sync")
    begin = time.monotonic()
    n1.guest.power_cut()
    runs_on(n3, "n2")
    took = time.monotonic() - begin
    client.goes_on()
    figure(rig, "n1 lost its power: after %.1f s the service ran on n2, after %.1f s the client had "
           "20 more commits; %d acknowledged, none lost"
           % (took, time.monotonic() - begin, judge(rig, n3, client)))
    rig.check("n1 does not answer" in service(n3)["why"], service(n3)["why"])

    back(n1)
    wait_for(lambda: n3.verdict("db") == "safe", 180, "n1 has caught up")
    rig.check(service(n3)["node"] == "n2", "it has gone back by itself")
    rig.check(has(n1) == ["0", "inactive", "0"], "n1 has %s" % has(n1))
    client.goes_on()

    begin = time.monotonic()
    n3.cli("service move pg n1", 120)
    runs_on(n3, "n1")
    client.goes_on()
    figure(rig, "moved to n1; 20 commits after %.1f s; %d acknowledged, none lost"
           % (time.monotonic() - begin, judge(rig, n3, client)))
    rig.check(has(n2) == ["0", "inactive", "0"], "n2 has %s" % has(n2))

    started = n1.guest.run("systemctl show -P MainPID postgresql.service").out
    n1.restart()
    runs_on(n3, "n1")
    client.goes_on()
    rig.check(n1.guest.run("systemctl show -P MainPID postgresql.service").out == started,
              "PostgreSQL was restarted with sdsd")

    client.end()
    judge(rig, n3, client)
    n3.cli("service stop pg", 120)
    wait_for(lambda: service(n3)["state"] == "stopped", 120, "it has stopped")
    for node in (n1, n2):
        rig.check(has(node) == ["0", "inactive", "0"], "%s has %s" % (node.name, has(node)))
    with open(rig.folder + "/log", "w") as f:
        f.write(n3.cli("log"))
    n3.cli("service delete pg", 120)
    n3.cli("volume delete db", 120)
