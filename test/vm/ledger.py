# SPDX-License-Identifier: GPL-2.0-or-later
"""ledger.py - an application whose machine may lose its power, and what it may find afterwards.

    book = Ledger(rig, nodes)
    writing = book.write(n1, "db")      # ledger.c in the guest, some streams
    ...
    writing.end()
    book.judge(n2, "db")                # raises when an acknowledged write is not there

Each acknowledgement leaves the guest as a line at once. What is on its way at a power cut is lost,
so more may have been acknowledged than is known; but a stream has one write under way at a time: a
number that is found says that all before it were acknowledged. The number after the last one that
was acknowledged may be there or not, or some of its sectors, and stays as it is seen.
"""
import os
import time

from rig import Skip, wait_for

MASK = (1 << 64) - 1
GAP = 1000      # numbers that are left out when a stream goes on elsewhere: more than can be lost


def slot_of(stream, number, slots):
    """the same function in ledger.c"""
    h = (stream << 40) + number
    h = ((h ^ (h >> 30)) * 0xbf58476d1ce4e5b9) & MASK
    h = ((h ^ (h >> 27)) * 0x94d049bb133111eb) & MASK
    return (h ^ (h >> 31)) % slots


def slowness(node):
    """A copy has to be able to catch up beside the writes, whatever the kernel under test costs, also
    when another one of the lab writes."""
    return node.guest.lab.image.kernel.slowness


class Run:
    """What one stream wrote from `first` on without a break."""

    def __init__(self, first):
        self.first = first
        self.acked = first - 1  # acknowledged up to here
        self.begun = first      # perhaps written, not acknowledged; None: it is known now


class Writing:
    """The application at work on one node."""

    def __init__(self, book, node, command):
        self.book = book
        self.node = node
        self.began = time.monotonic()
        self.job = node.guest.start_job(command)
        self.runs = [streams[-1] for streams in book.runs]
        self.taken = 0              # bytes of its output that were looked at
        self.acks = []              # (time of ours, begun and duration in us of the guest's clock)
        self.errors = []

    def look(self):
        """Takes what it has said since; how many writes were acknowledged so far."""
        out = bytes(self.job.out)
        end = out.rfind(b"\n") + 1
        for line in out[self.taken:end].decode().splitlines():
            words = line.split()
            if words[0] == "a":
                stream, number, begun, us = map(int, words[1:])
                self.runs[stream].acked, self.runs[stream].begun = number, number + 1
                self.acks.append((time.monotonic(), begun, us))
            elif words[0] == "e":
                self.errors.append(line)
        self.taken = end
        return len(self.acks)

    def goes_on(self, seconds=60, more=40):
        """Waits until that many more writes are acknowledged."""
        want = self.look() + more
        wait_for(lambda: self.look() >= want or self.job.done(), seconds, "writes go on on " +
                 self.node.name)
        self.look()
        if self.errors or (self.job.done() and len(self.acks) < want):
            raise AssertionError("%s: it has ended: %s %s" % (
                self.node.name, self.errors, bytes(self.job.err[-500:]).decode()))

    def longest(self):
        """of all writes, in seconds of the guest's clock"""
        return max(us for _, _, us in self.acks) / 1e6

    def end(self):
        """No write of it has failed, and none is under way any more."""
        self.job.signal(15)
        result = self.job.wait(120, check=False)
        self.look()
        if result.status != 0 or self.errors:
            raise AssertionError("%s: a write has failed: %s %s" % (self.node.name, self.errors,
                                                                    result.err))
        for run in self.runs:
            run.begun = None


class Ledger:
    def __init__(self, rig, nodes, streams=4, blocks=2048):
        self.streams = streams
        self.blocks = blocks
        self.runs = [[] for _ in range(streams)]
        program = os.path.join(os.path.dirname(rig.sdsd_path), "test/ledger")
        if not os.access(program, os.X_OK):
            raise Skip("no %s: tools/build release build test/ledger" % os.path.relpath(program))
        self.program = program
        for node in nodes:
            self.bring(node)

    def bring(self, node):
        """to a guest that has booted"""
        node.guest.push(self.program, "/usr/bin/ledger", 0o755)

    def write(self, node, volume, pause_ms=5, sync=False):
        """Writes on from where it is; the open may wait for a dead writer's lease."""
        numbers = []
        for streams in self.runs:
            numbers.append(streams[-1].acked + GAP if streams else 1)
            streams.append(Run(numbers[-1]))
        return Writing(self, node, "exec ledger write %s %d %d %d %s %s" % (
            node.device(volume), self.streams, self.blocks, pause_ms * slowness(node),
            "sync" if sync else "",
            " ".join(map(str, numbers))))

    def begin_again(self, node, volume):
        """The only copy was on a machine that lost its power, with writes that nobody had flushed: some
        of them may be gone. All blocks are made empty; the numbers go on."""
        node.guest.run("dd if=/dev/zero of=%s bs=4k count=%d oflag=direct conv=notrunc,fsync"
                       % (node.device(volume), self.blocks), 300)
        for streams in self.runs:
            last = Run(streams[-1].acked + GAP)
            last.begun = None
            streams[:] = [last]

    def read(self, node, volume):
        """{block: [number]}, or eight numbers of a block whose sectors differ"""
        found = {}
        said = node.guest.run("ledger read %s %d %d" % (node.device(volume), self.streams,
                                                        self.blocks), 120).out
        for line in said.splitlines():
            words = line.split()
            if words[0] == "b":
                found[int(words[1])] = list(map(int, words[2:]))
        return found

    def block_of(self, stream, number):
        return slot_of(stream, number, self.blocks // self.streams) * self.streams + stream

    def judge(self, node, volume):
        wrong = self.compare(self.read(node, volume))
        if wrong:
            raise AssertionError("%s: %d blocks: %s" % (node.name, len(wrong),
                                                        "; ".join(wrong[:5])))

    def compare(self, found):
        """what is wrong, in words; what may be there or not is known from now on"""
        wrong = []
        for stream, runs in enumerate(self.runs):
            self.learn(stream, runs, found)
            sure, perhaps = {}, {}
            for run in runs:
                for number in range(run.first, run.acked + 1):
                    sure[self.block_of(stream, number)] = number
                if run.begun is not None:
                    perhaps.setdefault(self.block_of(stream, run.begun), []).append(run)
            for block in range(stream, self.blocks, self.streams):
                wrong += self.judge_block(block, found.get(block, [0]), sure.get(block, 0),
                                          perhaps.get(block, []))
        return wrong

    def learn(self, stream, runs, found):
        """What was acknowledged and not heard of."""
        seen = {n for block, numbers in found.items() if block % self.streams == stream
                for n in numbers}
        for i, run in enumerate(runs):
            end = runs[i + 1].first if i + 1 < len(runs) else MASK
            latest = max((n for n in seen if run.first <= n < end), default=0)
            if run.begun is not None and latest > run.begun:
                run.acked, run.begun = latest - 1, latest

    @staticmethod
    def judge_block(block, found, sure, runs):
        begun = [run.begun for run in runs if run.begun > sure]
        for run in runs if len(found) == 1 else ():
            if found[0] == run.begun:
                run.acked = run.begun
            run.begun = None
        if all(number in (sure, *begun) for number in found):
            return []
        return ["block %d holds %s, acknowledged is %d%s" % (
            block, found, sure, ", begun %s" % begun if begun else "")]


class Load:
    """fio with verify beside a ledger, on blocks that are not the ledger's: over and over."""

    def __init__(self, node, device, offset="16m", size="4m", iops=150, files="/tmp/fio"):
        self.node = node
        self.files = files      # of its own
        self.job = node.guest.start_job(
            "rm -f {0}.stop; while [ ! -e {0}.stop ]; do fio --name=t --filename={1} --offset={2} "
            "--size={3} --rw=randwrite --bs=4k --direct=1 --ioengine=libaio --iodepth=4 "
            "--verify=crc32c --verify_fatal=1 --rate_iops={4} --output={0}.out || exit 1; done"
            .format(files, device, offset, size, max(1, iops // slowness(node))))

    def end(self, timeout=240):
        self.node.guest.run("touch %s.stop" % self.files)
        if self.job.wait(timeout, check=False).status != 0:
            raise AssertionError("%s: fio: %s" % (self.node.name, self.node.guest.run(
                "grep -v '^ ' %s.out | tail -n 15" % self.files).out))
