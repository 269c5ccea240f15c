# SPDX-License-Identifier: GPL-2.0-or-later
"""Nodes with the kernel module lose power or network under writes: what an application notices, and
that no acknowledged write is lost (ledger.py)."""
import time

from case_demo_kernel import cluster
from case_demo_user import back
from case_kernel import made, same_copies
from ledger import Ledger, Load
from rig import Disk, at_most, wait_for


def safe(node, seconds=180):
    wait_for(lambda: node.verdict("db") == "safe", seconds, "all copies are in sync")


def figure(rig, words):
    print("     %s: %s" % (rig.name, words), flush=True)


def received(node):
    """MiB from the network since it has booted"""
    return int(node.guest.run("cat /sys/class/net/eth0/statistics/rx_bytes").out) >> 20


@at_most(1200)
def case_kernel_member_cut(rig):
    """A member loses its power under writes: they wait for a moment and go on; back, it gets the
    extents that were in use and no others."""
    n1, n2, n3 = cluster(rig, 3, Disk(512, volatile=True))
    made(rig, (n1, n2), "384M")
    book = Ledger(rig, (n1, n2))
    writing = book.write(n1, "db")
    load = Load(n1, n1.device("db"))
    safe(n1)
    writing.goes_on(more=400)
    usual = writing.longest()
    n2.guest.power_cut(seed=1)
    writing.goes_on(more=400)
    figure(rig, "the longest write was %.2f s, %.2f s before the cut" % (writing.longest(), usual))
    rig.check(writing.longest() < 20, "a write took %.1f s" % writing.longest())
    wait_for(lambda: n1.verdict("db") != "safe", 60, "n2 is missed")
    back(n2)
    safe(n1)
    fetched = received(n2)
    figure(rig, "n2 got %d MiB until it was in sync" % fetched)
    rig.check(fetched < 96, "n2 has fetched more than the extents in use")
    load.end()
    writing.end()
    book.bring(n2)
    book.judge(n2, "db")
    same_copies(rig, (n1, n2))


def goes_on_elsewhere(rig, book, other, cut):
    """The volume is opened on `other` at once. The application there, or None when it was refused:
    on a busy machine that copy may have been left behind just then."""
    writing = book.write(other, "db")
    wait_for(lambda: writing.look() or writing.job.done(), 60, "writable on " + other.name)
    if not writing.look():
        said = other.guest.run("dmesg | grep 'not opened' | tail -n 1").out
        rig.check("no copy" in said or "agreed" in said, "%s: %s" % (bytes(writing.job.err), said))
        return None
    figure(rig, "writable on %s %.2f s after the cut" % (other.name, writing.acks[0][0] - cut))
    rig.check(writing.acks[0][0] - cut < 30, "it took too long")
    return writing


def writer_cut(rig, book, writer, other):
    """The writer loses its power; the application on the other node."""
    for _ in range(4):
        writing = book.write(writer, "db")
        load = Load(writer, writer.device("db"))
        writing.goes_on()
        safe(other)
        writing.goes_on(more=200)
        cut = time.monotonic()
        writer.guest.kill()
        wait_for(writing.job.done, 10, "the last lines are there", 0.01)
        writing.look()
        rig.check(not writing.errors and load.job.status is None, "a write has failed")
        found = goes_on_elsewhere(rig, book, other, cut)
        writer.guest.power_cut(seed=2)
        if found:
            return found
        back(writer)
        book.bring(writer)
        wait_for(lambda: writer.knows_device("db"), 60, writer.name + " has the device")
        book.begin_again(writer, "db")  # it was the only copy, and nobody has flushed
    raise AssertionError("the other copy was left behind four times")


@at_most(1200)
def case_kernel_writer_cut(rig):
    """The writer loses its power under writes, with a copy of its own and without: the volume is
    writable elsewhere at once, and has every write that was acknowledged."""
    n1, n2, n3 = nodes = cluster(rig, 3, Disk(512, volatile=True))
    made(rig, (n1, n2))
    n1.cli("volume attach db n3")
    wait_for(lambda: n3.knows_device("db"), 30, "n3 has the device")
    book = Ledger(rig, nodes)
    for writer, other in (n1, n2), (n3, n1):
        writing = writer_cut(rig, book, writer, other)
        writing.goes_on()
        writing.end()
        book.judge(other, "db")
        writing = book.write(other, "db")
        back(writer)
        book.bring(writer)
        safe(n2)
        writing.goes_on()
        writing.end()
        book.judge(n2, "db")
        same_copies(rig, (n1, n2))
    wait_for(lambda: n3.knows_device("db"), 60, "n3 has the device")


@at_most(1200)
def case_kernel_network(rig):
    """A member is cut off, one way, the other, both; then the writer, who stops, and another goes
    on; each time it heals."""
    n1, n2, n3 = nodes = cluster(rig, 3, Disk(512))
    made(rig, (n1, n2), "128M")
    n1.guest.run("dd if=/dev/urandom of=%s bs=1M count=96 seek=32 oflag=direct conv=fsync"
                 % n1.device("db"), 240)
    book = Ledger(rig, nodes)
    writing = book.write(n1, "db")
    load = Load(n1, n1.device("db"))
    rest = [n1.guest, n3.guest]
    for way, cut, heal in (
            ("what it sends is lost", lambda: n2.guest.drop(to=rest), n2.guest.pass_all),
            ("what it gets is lost", lambda: n2.guest.drop(from_=rest), n2.guest.pass_all),
            ("its cable is pulled", lambda: n2.guest.link(False), lambda: n2.guest.link(True))):
        safe(n1)
        writing.goes_on()
        cut()
        wait_for(lambda: n1.verdict("db") != "safe", 60, "n2 is missed: " + way)
        writing.goes_on()
        before = received(n2)
        heal()
        safe(n1)
        fetched = received(n2) - before
        figure(rig, "%s: the longest write so far was %.2f s, fetched %d MiB"
               % (way, writing.longest(), fetched))
        rig.check(fetched < 64, "n2 has fetched more than what differs")
    rig.check(writing.longest() < 20, "a write took %.1f s" % writing.longest())
    load.end()

    for _ in range(4):
        safe(n2)
        writing.goes_on()
        n1.guest.link(False)
        elsewhere = goes_on_elsewhere(rig, book, n2, time.monotonic())
        if elsewhere:
            break
        n1.guest.link(True)
    rig.check(elsewhere, "n2 was left behind four times")
    time.sleep(1)       # lines that are under way
    acked = writing.look()
    elsewhere.goes_on(more=200)
    rig.check(writing.look() == acked, "n1 acknowledges while n2 is the writer")
    n1.guest.link(True)
    wait_for(writing.job.done, 120, "n1's writes end")
    rig.check(writing.look() == acked and len(writing.errors) == book.streams,
              "n1 went on after it was cut off: %s" % writing.errors)
    safe(n2)
    elsewhere.goes_on()
    elsewhere.end()
    book.judge(n1, "db")
    same_copies(rig, (n1, n2))


def all_back(nodes):
    for node in nodes:
        node.guest.start()
    for node in nodes:
        node.guest.wait()
        node.mount()
        node.launch()
    for node in nodes:
        node.answers()


@at_most(1200)
def case_kernel_all_cut(rig):
    """All nodes lose their power at one moment, twice: what was written to stable storage is there,
    and all copies become equal."""
    n1, n2, n3 = nodes = cluster(rig, 3, Disk(512, volatile=True))
    made(rig, (n1, n2))
    book = Ledger(rig, nodes)
    for seed in 1, 2:
        writing = book.write(n1, "db", sync=True)
        load = Load(n1, n1.device("db"))
        safe(n1)
        writing.goes_on(more=200)
        for node in nodes:
            node.guest.kill()
        for node in nodes:
            node.guest.power_cut(seed)
        writing.look()
        rig.check(not writing.errors and load.job.status is None, "a write has failed")
        all_back(nodes)
        for node in nodes:
            book.bring(node)
        wait_for(lambda: n2.knows_device("db"), 60, "n2 has the device")
        began = time.monotonic()
        elsewhere = book.write(n2, "db", sync=True)
        elsewhere.goes_on(120)
        figure(rig, "writable on n2 after %.1f s" % (elsewhere.acks[0][0] - began))
        safe(n2)
        elsewhere.end()
        book.judge(n2, "db")
        wait_for(lambda: n1.knows_device("db"), 60, "n1 has the device")
        book.judge(n1, "db")
        same_copies(rig, (n1, n2))
