# SPDX-License-Identifier: GPL-2.0-or-later
"""sdsd with the kernel module and a read cache under each copy: the data in the volume group vg, the cache
in fast."""
import case_demo_kernel
from case_kernel_cuts import all_back, figure, safe
from case_quarantine import SWAP
from case_storage_cache_sdsd import MAPPING, VOLATILE, CacheNode
from case_storage_read_cache import state_of
from ledger import Ledger
from rig import at_most, wait_for

PIECES = ["db_00000.cache", "db_00000.cmeta"]


class ReadCacheNode(CacheNode):
    def launch(self):
        self.guest.run("modprobe dm-cache-smq")
        super().launch()

    def state(self):
        return state_of(self.guest)

    def read_often(self, mib=2):
        for _ in range(40):
            self.guest.run("dd if=%s of=/dev/null bs=64k count=%d iflag=direct 2>/dev/null"
                           % (self.device("db"), mib * 16), 120)
            if self.state()[2] > 16:
                break
        return self.state()

    def same_below(self):
        """what is read through the mapping is what is on the data device"""
        sums = [self.guest.run("dd if=/dev/mapper/%s bs=1M iflag=direct 2>/dev/null | sha256sum"
                               % name, 240).out for name in (MAPPING, "vg-db_00000")]
        return sums[0] == sums[1]


@at_most(1800)
def case_storage_read_cache_kernel(rig):
    """Made, written, read from the cache, grown, taken over by another sdsd while it is open; the cache's
    disk fails under writes: the copy comes back without it, and has one when it is there again; all nodes
    lose their power; deleted without a trace."""
    n1, n2, n3 = nodes = case_demo_kernel.cluster(rig, 3, VOLATILE, [ReadCacheNode] * 3)
    wait_for(lambda: n1.cli("pool list").count(" ok") == 4, 60, "all pools are seen")
    # on a busy machine it takes longer than the command waits
    n1.guest.run("sdsd volume create db 64M --copies 2 --read-cache ssd:32M", 120, check=False)
    wait_for(lambda: '"db"' in n1.cli("volume list --output json"), 60, "it is defined")
    safe(n1)
    wait_for(lambda: n1.knows_device("db"), 60, "n1 has the device")
    for node in (n1, n2):
        rig.check(node.volumes("fast") == PIECES, "%s: %s" % (node.name, node.volumes("fast")))
        rig.check(node.state()[0] == "cache", "%s: %s" % (node.name, node.state()))
    rig.check(n1.block() == 512, "blocks of %d" % n1.block())

    book = Ledger(rig, nodes)
    writing = book.write(n1, "db", sync=True)
    writing.goes_on()
    state = n1.read_often()
    figure(rig, "%d blocks in the cache, %d reads from it" % state[1:])
    rig.check(state[1] > 0 and state[2] > 0, "nothing is read from it: %s" % (state,))
    n1.restart()
    wait_for(lambda: n1.log_lines("goes on as it was in the kernel") == 1, 60, "it is found again")
    wait_for(lambda: n1.state()[0] == "cache", 60, "it has a cache again")
    writing.goes_on()
    n1.cli("volume grow db 96M")
    wait_for(lambda: n1.guest.run("blockdev --getsize64 " + n1.device("db")).out.strip() ==
             str(96 << 20), 90, "it has grown")
    writing.goes_on()
    safe(n1)
    rig.check(n1.state()[0] == "cache" and n2.state()[0] == "cache", "grown it has no cache")

    tables = {p: n2.guest.run("dmsetup table fast-" + p).out.strip() for p in PIECES}
    rig.expect("I/O error|device-mapper|dm-cache|Buffer I/O|rvol")
    for piece, table in tables.items():
        n2.guest.run(SWAP.format("fast-" + piece, "0 %s error" % table.split()[1]))
    wait_for(lambda: n2.state()[0] == "linear", 120, "n2 goes on without")
    safe(n1)
    rig.check(n2.log_lines("goes on without its read cache") > 0, "nothing is said of it")
    rig.check("n2: works without its read cache" in n1.cli("why db"), n1.cli("why db"))
    writing.goes_on()
    for piece, table in tables.items():
        n2.guest.run(SWAP.format("fast-" + piece, table))
    n2.restart()
    safe(n1)
    writing.goes_on()
    wait_for(lambda: n2.state()[0] == "cache", 60, "it has a cache again")
    wait_for(lambda: "read cache" not in n1.cli("why db"), 60, "nothing is said of it any more")

    for node in nodes:
        node.guest.kill()
    for node in nodes:
        node.guest.power_cut(1)
    writing.look()
    rig.check(not writing.errors, "a write has failed: %s" % writing.errors)
    all_back(nodes)
    wait_for(lambda: n2.knows_device("db"), 120, "n2 has the device")
    for node in nodes:
        book.bring(node)
    book.judge(n2, "db")
    safe(n2)
    rig.check(n1.state()[0] == "cache" and n2.state()[0] == "cache", "after a boot there is none")
    wait_for(lambda: n1.sum(96) == n2.sum(96), 60, "the copies are alike")
    rig.check(n1.same_below() and n2.same_below(), "a data device has something else")
    wait_for(lambda: n1.guest.run("sdsd volume delete db", check=False).status == 0, 60)
    for node in (n1, n2):
        wait_for(lambda: node.volumes("vg") + node.volumes("fast") == [] and
                 MAPPING not in node.guest.run("dmsetup ls").out, 60, node.name + " has let go of it")
