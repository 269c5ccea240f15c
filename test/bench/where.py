# SPDX-License-Identifier: GPL-2.0-or-later
"""where.py - where a guest spends its instructions, for path.py --profile: QEMU is asked again and
again where the virtual CPU stands. No support of the guest's is needed, and it costs the guest
nothing. Shares are of this machine's time: what QEMU does by a helper (CRC, I/O) looks larger than its
instructions are, and fio's start is in it. Some hundred samples: one percent is noise."""
import bisect
import collections
import re
import threading

SHOWN = 40


class Symbols:
    def __init__(self, guest):
        lines = guest.run("grep -i ' t ' /proc/kallsyms", 600).out.splitlines()
        found = sorted((int(words[0], 16), " ".join(words[2:])) for words in map(str.split, lines))
        self.at = [at for at, _ in found]
        self.names = [name for _, name in found]

    def name(self, at):
        if at < self.at[0]:
            return "(user space)"
        return self.names[bisect.bisect(self.at, at) - 1]


class Profile:
    """with Profile(guest, symbols) as p: ...; p.show()"""

    def __init__(self, guest, symbols):
        self.guest = guest
        self.symbols = symbols
        self.counts = collections.Counter()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.sample)

    def sample(self):
        while not self.ended.wait(0.01):
            registers = self.guest.qmp("human-monitor-command",
                                       **{"command-line": "info registers"})
            at = int(re.search(r"RIP=([0-9a-f]+)", registers).group(1), 16)
            self.counts[self.symbols.name(at)] += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()

    def show(self):
        total = sum(self.counts.values())
        print("    %d samples" % total)
        for name, n in self.counts.most_common(SHOWN):
            print("    %5.1f %%  %s" % (100 * n / total, name), flush=True)
