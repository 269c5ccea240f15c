# SPDX-License-Identifier: GPL-2.0-or-later
"""figures.py - the figures of a bench run: samples in, a table and a JSON file out. Used by
bench.py; knows nothing of how they are measured."""
import json
import statistics


class Figure:
    """One row: what, in which unit, what is aimed at. target: ("<", n), (">", n) or None."""

    def __init__(self, key, what, unit, target=None):
        self.key = key
        self.what = what
        self.unit = unit
        self.target = target
        self.samples = []

    def median(self):
        return statistics.median(self.samples) if self.samples else None

    def verdict(self):
        if not self.target or not self.samples:
            return "" if self.samples else "not measured"
        kind, limit = self.target
        worst = max(self.samples) if kind == "<" else min(self.samples)
        middle = self.median()
        good = (lambda x: x < limit) if kind == "<" else (lambda x: x > limit)
        if good(worst):
            return "met"
        return "met by the median" if good(middle) else "missed"


def number(x):
    if x is None:
        return "-"
    if abs(x) >= 1000:
        return "%.0f" % x
    return "%.1f" % x if abs(x) >= 100 else "%.3g" % x


class Figures:
    """All rows, in the order in which they were first named."""

    def __init__(self):
        self.rows = {}
        self.notes = {}

    def add(self, key, what, unit, value, target=None):
        row = self.rows.setdefault(key, Figure(key, what, unit, target))
        if value is not None:
            row.samples.append(value)

    def ratio(self, key, what, value, base, target=None):
        """of two samples of the same round"""
        self.add(key, what, "ratio", value / base if value and base else None, target)

    def table(self):
        head = ("figure", "median", "min", "max", "n", "unit", "target", "")
        lines = [head]
        for r in self.rows.values():
            low, high = (min(r.samples), max(r.samples)) if r.samples else (None, None)
            target = "%s %s" % (r.target[0], number(r.target[1])) if r.target else ""
            lines.append((r.what, number(r.median()), number(low), number(high),
                          str(len(r.samples)), r.unit, target, r.verdict()))
        width = [max(len(line[i]) for line in lines) for i in range(len(head))]
        out = []
        for line in lines:
            cells = [line[0].ljust(width[0])]
            cells += [line[i].rjust(width[i]) for i in range(1, 5)]
            cells += [line[i].ljust(width[i]) for i in range(5, len(head))]
            out.append("  ".join(cells).rstrip())
        out.insert(1, "-" * max(map(len, out)))
        return "\n".join(out)

    def save(self, path):
        rows = [{"key": r.key, "what": r.what, "unit": r.unit, "median": r.median(),
                 "min": min(r.samples, default=None), "max": max(r.samples, default=None),
                 "samples": r.samples, "verdict": r.verdict() or None,
                 "target": "%s %g" % r.target if r.target else None}
                for r in self.rows.values()]
        with open(path, "w") as f:
            json.dump({"notes": self.notes, "figures": rows}, f, indent=1)
            f.write("\n")
