# SPDX-License-Identifier: GPL-2.0-or-later
"""content.py - what a volume may hold, judged by what its applications printed (client.py).

The rule is the same for all faults here, as none of them loses the page cache of a machine: a write
that was acknowledged is there, flushed or not, until a later write of that block was begun. A write
that was begun and not acknowledged is there or not, or some of its sectors are; as it is seen, it
stays. (Power cuts, where only flushed writes must survive on all copies, are the simulator's.)"""


class Content:
    def __init__(self):
        self.sure = {}   # block: value of the last acknowledged write, or what was seen since
        self.maybe = {}  # block: values of writes begun after it
        self.torn = {}   # block: values of its sectors, if it was seen torn by a failed write
        self.value = 0   # the highest value so far
        self.acked = self.flushes = self.reads = 0

    def blocks(self):
        return set(self.sure) | set(self.maybe)

    def take(self, lines):
        """the output of one application, all of it; returns what is wrong in words"""
        bad = []
        for line in lines:
            words = line.split()
            if len(words) == 4 and words[0] in "wa":
                self.wrote(words[0], *map(int, words[1:]))
            elif len(words) >= 3 and words[0] == "r":
                bad += self.seen(*map(int, words[1:3]), set(map(int, words[3:])))
            elif words == ["f"]:
                self.flushes += 1
        return bad

    def wrote(self, what, first, n, value):
        self.value = max(self.value, value)
        self.acked += what == "a"
        for block in range(first, first + n):
            if what == "w":
                self.maybe.setdefault(block, set()).add(value)
            else:
                self.sure[block] = value
                self.maybe.pop(block, None)
                self.torn.pop(block, None)

    def seen(self, block, found, parts=frozenset()):
        """parts: of a torn block, which may be a mixture of what it was and what was begun"""
        want, others = self.sure.get(block, 0), self.maybe.pop(block, set())
        mixture = others | self.torn.pop(block, {want})
        self.reads += 1
        self.sure[block] = found
        if parts:
            self.torn[block] = parts
        if found == want or found in others or (others and parts and parts <= mixture):
            return []
        return ["block %d holds %s, acknowledged is %d%s" % (
            block, sorted(parts) or found, want, ", begun %s" % sorted(others) if others else "")]


def says_why(log):
    """the log of a daemon that has ended; is the end explained? A start that is refused says why in
    the words of a command, and only the lines of its last life count"""
    stopped = "daemon: stopped"
    lines = log.splitlines()
    if lines and lines[-1].endswith(stopped):
        lines.pop()
    for line in reversed(lines):
        if line.endswith(stopped):
            return False
        if line.startswith("sdsd: ") or "error daemon: cannot go on: " in line:
            return True
    return False
