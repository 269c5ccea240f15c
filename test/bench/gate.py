# SPDX-License-Identifier: GPL-2.0-or-later
"""gate.py - the figures of a path.py run: tables, targets, a file, and the comparison with one."""
import json
import os

MINE = "rvol"       # the gate is for systems whose name begins so
# system, pattern, what it is measured against, at most so many (instructions, or times as many)
TARGETS = [
    ("rvol-alone", "4 KiB write, QD1", None, 11000),
    ("rvol", "4 KiB write, QD1", None, 52000),
    ("rvol", "4 KiB write, QD32/8", None, 27000),
    ("rvol", "4 KiB write, 64 GiB, QD32", ("rvol", "4 KiB write, 1 GiB, QD32"), 1.0),
    ("rvol", "4 KiB write, 64 GiB, QD32/8", ("rvol", "4 KiB write, 1 GiB, QD32/8"), 1.0),
    ("rvol", "4 KiB write, QD1", ("drbd84", "4 KiB write, QD1"), 1 / 1.2),
    ("rvol", "4 KiB write, QD32", ("drbd84", "4 KiB write, QD32"), 1 / 1.2),
    ("rvol", "4 KiB read, QD1", ("raw", "4 KiB read, QD1"), 1 / 0.95),
    ("rvol", "4 KiB read, QD32", ("raw", "4 KiB read, QD32"), 1 / 0.95),
]
EQUAL = 1.02        # a ratio is as good as its target within this


def thousands(figure):
    return "%.1fk" % (figure / 1000) if figure < 99500 else "%.0fk" % (figure / 1000)


def load(path):
    with open(path) as f:
        return json.load(f)


class Found:
    """costs: {system: {pattern: {instructions, segments, switches}}}; memory: {what: KiB}"""

    def __init__(self, kernel, milliseconds):
        self.kernel = kernel
        self.milliseconds = milliseconds
        self.costs = {}
        self.memory = {}

    def add(self, system, pattern, instructions, cost):
        self.costs.setdefault(system, {})[pattern] = {
            "instructions": round(instructions), "segments": round(cost.segments, 2),
            "switches": round(cost.switches, 2)}

    # file

    def save(self, path):
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        with open(path, "w") as f:
            json.dump(vars(self), f, indent=1, sort_keys=True)
            f.write("\n")

    def accept(self, path):
        """The file of the gate: what was not measured now stays, if it can be compared at all."""
        if os.path.exists(path) and not self.incomparable(load(path)):
            before = load(path)
            for system, costs in before["costs"].items():
                self.costs[system] = dict(costs, **self.costs.get(system, {}))
            self.memory = dict(before["memory"], **self.memory)
        self.save(path)

    def incomparable(self, before):
        """why, or None"""
        for what in "kernel", "milliseconds":
            if before[what] != getattr(self, what):
                return "%s %s, this is %s" % (what, before[what], getattr(self, what))
        return None

    def regressions(self, path, percent):
        """Sentences: what is worse than in that file, or cannot be compared with it."""
        if not os.path.exists(path):
            yield "no reference %s: --accept makes it" % path
            return
        before = load(path)
        why = self.incomparable(before)
        if why:
            yield "the reference is of another %s: --accept makes it anew" % why
            return
        for system, costs in self.costs.items():
            if system.startswith(MINE):
                yield from self.worse(system, costs, before["costs"].get(system, {}), percent)

    @staticmethod
    def worse(system, costs, before, percent):
        for pattern, cost in costs.items():
            if pattern not in before:
                yield "not in the reference: %s %s; --accept" % (system, pattern)
                continue
            now, then = cost["instructions"], before[pattern]["instructions"]
            if now > then * (1 + percent / 100):
                yield "worse: %s %s: %d instructions, %d before (+%.1f %%)" % (
                    system, pattern, now, then, (now / then - 1) * 100)

    # tables

    def figure(self, system, pattern):
        return self.costs.get(system, {}).get(pattern, {}).get("instructions")

    def table(self, title, cell):
        systems = list(self.costs)
        if not systems:
            return
        names = list(dict.fromkeys(p for costs in self.costs.values() for p in costs))
        print("\n| %s | %s |" % (title, " | ".join(systems)))
        print("|---" * (len(systems) + 1) + "|")
        for name in names:
            cells = [cell(s, name) if name in self.costs[s] else "-" for s in systems]
            print("| %s | %s |" % (name, " | ".join(cells)))

    def ratio(self, system, pattern):
        """to the bare device, and to DRBD with as many replicas (two at most)"""
        now, raw = self.figure(system, pattern), self.figure("raw", pattern)
        peer = self.figure("drbd84-alone" if "alone" in system else "drbd84", pattern)
        words = ["%.2f" % (now / base) if base else "-" for base in (raw, peer)]
        return " / ".join(words) if system.startswith(MINE) else words[0]

    def show(self):
        self.table("instructions", lambda s, p: thousands(self.figure(s, p)))
        self.table("times raw / times DRBD", self.ratio)
        self.table("context switches [TCP segments]", lambda s, p: "%.1f [%.1f]" % (
            self.costs[s][p]["switches"], self.costs[s][p]["segments"]))
        if self.memory:
            print("\n| memory | KiB |\n|---|---|")
            for what, kib in self.memory.items():
                print("| %s | %d |" % (what, kib))
        print()
        for target in TARGETS:
            self.show_target(*target)

    def show_target(self, system, pattern, base, limit):
        now = self.figure(system, pattern)
        to = self.figure(*base) if base else 1
        if not now or not to:
            return
        met = now / to <= limit * (EQUAL if base else 1)
        print("%s: %s, %s: %s%s, at most %s" % (
            "met" if met else "MISSED", system, pattern,
            "%.2f" % (now / to) if base else thousands(now),
            " times %s, %s" % base if base else "",
            "%.2f" % limit if base else thousands(limit)))
