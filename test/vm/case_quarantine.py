# SPDX-License-Identifier: GPL-2.0-or-later
"""A copy whose disk fails time and again is left alone until somebody has seen to it."""
from case_demo_kernel import KernelNode, cluster
from case_kernel_cuts import figure, received, safe
from case_storage_sdsd import KernelPlain
from ledger import Ledger
from rig import Disk, at_most, wait_for

DATA = "vg-db_00000"    # the device-mapper's name of the copy's data
SWAP = ("dmsetup suspend --noflush --nolockfs {0} && dmsetup load {0} --table '{1}' && "
        "dmsetup resume {0}")


def shown(node, name):
    r = [r for r in node.json("status")["resources"] if r["name"] == "db"][0]
    return r, [c for c in r["replicas"] if c["node"] == name][0]


@at_most(1200)
def case_kernel_quarantine(rig):
    """Writes fail on one disk: the application meets no error, the copy is tried again twice and then
    not any more, not even by another sdsd. Repaired, it gets what differs and nothing else."""
    n1, n2, n3 = cluster(rig, 3, [Disk(256), Disk(512)], [KernelPlain, KernelPlain, KernelNode])
    wait_for(lambda: n1.cli("pool list").count(" ok") == 2, 60, "both pools are seen")
    n1.cli("volume create db 256M --copies 2")
    safe(n1)
    wait_for(lambda: n1.knows_device("db"), 60, "n1 has the device")
    book = Ledger(rig, (n1, n2))
    writing = book.write(n1, "db")
    writing.goes_on()
    safe(n1)
    table = n2.guest.run("dmsetup table " + DATA).out.strip()
    sectors = table.split()[1]
    n2.guest.run(SWAP.format(DATA, "0 %s error" % sectors))
    wait_for(lambda: shown(n1, "n2")[1]["state"] == "quarantined", 240, "n2 is quarantined")
    resource, copy = shown(n1, "n2")
    figure(rig, "%s; next: %s" % (resource["reason"], resource["next"]))
    rig.check("failed 3 times in" in copy["error"], copy["error"])
    rig.check("sdsd volume repair db n2" in resource["next"], resource["next"])
    rig.check(resource["verdict"] == "at risk", resource["verdict"])
    rig.check(n2.log_lines("its disk is tried again") == 2, "it was tried again more than twice")
    writing.goes_on()
    n2.restart()
    wait_for(lambda: not n2.knows_device("db"), 60, "n2 has let it go")
    rig.check(shown(n1, "n2")[1]["state"] == "quarantined", "another sdsd knows it")
    n2.guest.run(SWAP.format(DATA, table))
    writing.goes_on()
    before = received(n2)
    n1.cli("volume repair db n2")
    safe(n1)
    fetched = received(n2) - before
    figure(rig, "n2 got %d MiB until it was in sync" % fetched)
    rig.check(fetched < 96, "n2 has fetched more than what differs")
    writing.end()
    book.judge(n1, "db")
    safe(n1)
    sums = [n.guest.run("sync; dd if=/dev/mapper/%s iflag=direct bs=1M count=256 2>/dev/null | "
                        "sha256sum" % DATA, 120).out for n in (n1, n2)]
    rig.check(sums[0] == sums[1], "the copies differ")
    wait_for(lambda: n2.knows_device("db"), 60, "n2 has the device")
    book.judge(n2, "db")
