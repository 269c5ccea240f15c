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


def runs(rig, node, nodes, name=None, timeout=300):
    """Waits until it runs, on the node of that name if there is one. -> (its node, the other one). A
    busy machine may have it move by itself in between."""
    def where():
        now = service(node)
        return now["state"] == "running" and name in (None, now["node"]) and now["node"]
    found = wait_for(where, timeout, "the service runs" + (" on " + name if name else ""), 0.5)
    return sorted(nodes, key=lambda n: n.name != found)


def nothing_of_it(node):
    wait_for(lambda: has(node) == ["0", "inactive", "0"], 120, "%s has nothing of it" % node.name, 1)


def has(node):
    """What of it is there: mount, unit, address"""
    out = node.guest.run("grep -c ' /srv/db ' /proc/self/mountinfo; systemctl is-active "
                         "postgresql.service; ip -o addr show dev eth0 | grep -c %s; true" % VIP)
    return out.out.split()


def main_pid(node):
    return node.guest.run("systemctl show -P MainPID postgresql.service").out


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
    here, other = runs(rig, n3, (n1, n2))
    wait_for(lambda: has(here) == ["1", "active", "1"], 60, "mount, unit and address")
    postgres.ask(n3.guest, VIP, "CREATE TABLE ledger (n bigint PRIMARY KEY)")
    client = postgres.Client(n3.guest, VIP)
    client.goes_on()

    wait_for(lambda: n3.verdict("db") == "safe", 240, "both copies are in sync")
    here, other = runs(rig, n3, (n1, n2))
    nothing_of_it(other)
    begin = time.monotonic()
    here.guest.power_cut()
    runs(rig, n3, (n1, n2), other.name)
    took = time.monotonic() - begin
    client.goes_on()
    figure(rig, "%s lost its power: after %.1f s the service ran on %s, after %.1f s the client had "
           "20 more commits; %d acknowledged, none lost"
           % (here.name, took, other.name, time.monotonic() - begin, judge(rig, n3, client)))
    decided = service(n3)
    rig.check(decided["node"] == other.name and here.name in decided["why"], decided)

    back(here)
    wait_for(lambda: n3.verdict("db") == "safe", 300, "%s has caught up" % here.name)
    now = service(n3)
    rig.check(now["generation"] > decided["generation"] or now["node"] == other.name,
              "it has gone back by itself")
    client.goes_on()

    here, other = runs(rig, n3, (n1, n2))
    nothing_of_it(other)
    begin = time.monotonic()
    n3.cli("service move pg " + other.name, 120)
    here, other = runs(rig, n3, (n1, n2), other.name)
    client.goes_on()
    figure(rig, "moved to %s; 20 commits after %.1f s; %d acknowledged, none lost"
           % (here.name, time.monotonic() - begin, judge(rig, n3, client)))
    nothing_of_it(other)

    for _ in range(4):
        here, other = runs(rig, n3, (n1, n2))
        started = main_pid(here)
        generation = service(n3)["generation"]
        here.restart()
        client.goes_on()
        if service(n3)["generation"] == generation:
            break
    rig.check(service(n3)["generation"] == generation, "it moved each time sdsd was restarted")
    rig.check(main_pid(here) == started, "PostgreSQL was restarted with sdsd")

    client.end()
    judge(rig, n3, client)
    n3.cli("service stop pg", 120)
    wait_for(lambda: service(n3)["state"] == "stopped", 120, "it has stopped")
    nothing_of_it(n1)
    nothing_of_it(n2)
    for line in n3.cli("log").splitlines():
        if "ervice" in line:
            figure(rig, line.strip())
    n3.cli("service delete pg", 120)
    n3.cli("volume delete db", 120)
