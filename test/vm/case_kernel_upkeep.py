# SPDX-License-Identifier: GPL-2.0-or-later
"""Nodes with the kernel module, looked after while applications go on: modules are exchanged, sdsd
stands still, many volumes come and go."""
import time

from case_demo_kernel import cluster
from case_kernel import made, same_copies
from case_kernel_cuts import figure, safe
from kmod import built
from ledger import Ledger, Load
from rig import Disk, at_most, wait_for


def exchange_module(node):
    """as for an upgrade: the daemon ends, the module goes, another comes"""
    node.stop()
    node.guest.run("rmmod rvol && [ ! -e /sys/module/rvol ]", 60)
    node.start()    # with the module


@at_most(1200)
def case_kernel_rolling(rig):
    """The module is exchanged node by node; the application moves away before it is its node's turn,
    and meets no error."""
    n1, n2, n3 = nodes = cluster(rig, 3, Disk(512))
    made(rig, (n1, n2))
    book = Ledger(rig, nodes)
    writing, load = book.write(n1, "db"), Load(n1, n1.device("db"))
    for turn, holder in (n3, n1), (n2, n1), (n1, n2):
        if holder is not writing.node:
            load.end()
            writing.end()
            safe(holder)
            writing, load = book.write(holder, "db"), Load(holder, holder.device("db"))
        writing.goes_on()
        exchange_module(turn)
        safe(n3)
        writing.goes_on()
        figure(rig, "%s is done, the longest write on %s was %.2f s"
               % (turn.name, holder.name, writing.longest()))
    load.end()
    writing.end()
    wait_for(lambda: n1.knows_device("db"), 60, "n1 has the device")
    book.judge(n1, "db")
    same_copies(rig, (n1, n2))


def copying(node, name):
    """what is told of a copy that catches up, once its rate is known"""
    reps = node.json("status")["resources"][0]["replicas"]
    found = [r for r in reps if r["node"] == name and r.get("sync_kib_s")]
    return found[0] if found else None


@at_most(900)
def case_kernel_progress(rig):
    """A copy that the module fetches tells how much is left, at which rate, for how long."""
    n1, n2, n3 = cluster(rig, 3, Disk(768))
    made(rig, (n1, n2), "448M")
    n3.add_pool(n1)
    n1.guest.run("dd if=/dev/zero of=%s bs=1M count=448 oflag=direct" % n1.device("db"), 300)
    safe(n1)
    n1.cli("volume replica add db n3")
    first = wait_for(lambda: copying(n1, "n3"), 60, "n3 tells how fast it copies")
    figure(rig, "%(left_kib)d KiB left, %(sync_kib_s)d KiB/s, %(left_s)d s to go" % first)
    rig.check(0 < first["left_kib"] < 448 << 10 and first["left_s"] > 0, "that cannot be: %r" % first)
    safe(n1)
    rig.check(copying(n1, "n3") is None, "something is left")


STOPPED_SECONDS = 120


@at_most(1800)
def case_kernel_stopped(rig):
    """sdsd stands still on all nodes for two minutes: reads and writes go on. It is missed only when
    a copy is lost, which a busy machine may bring about: then it is tried again."""
    n1, n2, n3 = nodes = cluster(rig, 3, Disk(512))
    made(rig, (n1, n2))
    n1.guest.push(built("test/rvolctl"), "/usr/bin/rvolctl", 0o755)
    book = Ledger(rig, nodes)
    writing, load = book.write(n1, "db"), Load(n1, n1.device("db"))
    for _ in range(4):
        safe(n1)
        writing.goes_on()
        for node in nodes:
            node.guest.run("kill -STOP $(pidof sdsd)")
        end = time.monotonic() + STOPPED_SECONDS
        while time.monotonic() < end and not lost(n1):
            time.sleep(1)
            writing.look()
        whole, seen = not lost(n1), writing.look()
        if whole:
            writing.goes_on(20)
        for node in nodes:
            node.guest.run("kill -CONT $(pidof sdsd)")
        writing.goes_on()
        if whole:
            break
        figure(rig, "a copy was lost after %.0f s" % (time.monotonic() - end + STOPPED_SECONDS))
    rig.check(whole, "a copy was lost each time")
    figure(rig, "%d s without sdsd, %d writes so far, the longest was %.2f s"
           % (STOPPED_SECONDS, seen, writing.longest()))
    safe(n1)
    load.end()
    writing.end()
    book.judge(n2, "db")
    same_copies(rig, (n1, n2))


def lost(node):
    """the writer there misses a copy, and asks what nobody answers"""
    return node.guest.run("rvolctl status").out.count(" asks=") > 0


@at_most(1800)
def case_kernel_many(rig):
    """Sixteen resources of two volumes: some are written, some deleted, meanwhile; then events are
    lost while sdsd of the writer stands still and the other copy dies."""
    n1, n2, n3 = nodes = cluster(rig, 3, Disk(1024))
    names = ["r%d" % i for i in range(16)]
    for name in names:
        n1.cli("volume create %s 8M --copies 2" % name)
        n1.cli("volume add %s 8M" % name)
    wait_for(lambda: all(n1.verdict(name) == "safe" for name in names), 120, "all are in sync")
    for node in (n1, n2):
        wait_for(lambda: volumes(node) == 32, 60, "%s has all devices" % node.name)
    small_mailbox(n1)

    places = [(n1, volume_device("r0", 0)), (n1, volume_device("r1", 1)),
              (n2, volume_device("r2", 0)), (n2, volume_device("r3", 1))]
    for node, device in places:     # a daemon that has just begun may need a while
        wait_for(lambda: node.guest.run("exec 3<>" + device, check=False).status == 0, 90,
                 device + " can be opened")
    busy = [Load(node, device, "0", "2m", 60, "/tmp/load%d" % i)
            for i, (node, device) in enumerate(places)]
    for name in names[12:]:
        wait_for(lambda: n3.guest.run("sdsd volume delete " + name, check=False).status == 0, 60,
                 name + " is deleted")
    for node in (n1, n2):
        wait_for(lambda: volumes(node) == 24, 60, "%s has let go of four" % node.name)
    for load in busy:
        load.end()

    holder = n1.guest.start_job("set -- /dev/rvol/by-res/*/1; %s touch /tmp/held; sleep 100000"
                                % " ".join("exec %d<>$%d;" % (i + 3, i + 1) for i in range(7)))
    wait_for(lambda: n1.guest.run("[ -e /tmp/held ]", check=False).status == 0, 60, "seven are open")
    book = Ledger(rig, nodes, blocks=512)
    writing = book.write(n1, "r11")
    writing.goes_on()
    wait_for(lambda: all(n1.verdict(name) == "safe" for name in names[:12]), 120, "in sync")
    n1.guest.run("kill -STOP $(pidof sdsd)")
    n2.guest.power_cut()
    time.sleep(10)
    n1.guest.run("kill -CONT $(pidof sdsd)")
    writing.goes_on(120)
    lost_events = drops(n1)
    figure(rig, "%d events were lost, the longest write was %.2f s" % (lost_events,
                                                                      writing.longest()))
    rig.check(lost_events > 0, "no event was lost")
    n2.guest.start()
    n2.guest.wait()
    n2.mount()
    n2.start()
    wait_for(lambda: all(n1.verdict(name) == "safe" for name in names[:12]), 180, "in sync again")
    writing.goes_on()
    writing.end()
    holder.signal(15)
    book.judge(n1, "r11")
    for name in names[:12]:
        wait_for(lambda: n3.guest.run("sdsd volume delete " + name, check=False).status == 0, 60,
                 name + " is deleted")
    for node in (n1, n2):
        wait_for(lambda: volumes(node) == 0, 60, "%s has let go of all" % node.name)


def volume_device(name, number):
    return "/dev/rvol/by-res/%s/%d" % (name, number)


def volumes(node):
    return len(node.guest.run("ls -d /dev/rvol[0-9]* 2>/dev/null; true").out.split())


def small_mailbox(node):
    """sdsd there gets room for two events or so"""
    node.guest.run("echo 2304 >/proc/sys/net/core/rmem_max")
    node.restart()
    node.guest.run("echo 212992 >/proc/sys/net/core/rmem_max")


def drops(node):
    """messages that netlink sockets had no room for"""
    return int(node.guest.run("awk 'NR > 1 { n += $9 } END { print n + 0 }' /proc/net/netlink").out)
