#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_soak_checker.py - can the soak test see? What its judge allows and what it does not, in rows;
and a write that is taken out of all copies of a real volume is noticed."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SOAK = os.path.join(os.path.dirname(HERE), "soak")
sys.path.insert(0, HERE)
sys.path.insert(0, SOAK)
from cluster import Tap, need_sdsd  # noqa: E402
from content import Content, says_why  # noqa: E402
from net import combine  # noqa: E402

ROWS = [  # name, what applications said, number of complaints
    ("an acknowledged write is read", "w 1 1 5|a 1 1 5|r 1 5", 0),
    ("it is lost", "w 1 1 5|a 1 1 5|r 1 0", 1),
    ("it is lost though it was flushed", "w 1 1 5|a 1 1 5|f|r 1 0", 1),
    ("an older one is back", "w 1 1 5|a 1 1 5|w 1 1 6|a 1 1 6|r 1 5", 1),
    ("a write without an answer is there", "w 1 1 5|r 1 5", 0),
    ("a write without an answer is not there", "w 1 1 5|r 1 0", 0),
    ("it was there and goes", "w 1 1 5|r 1 5|r 1 0", 1),
    ("it was not there and comes", "w 1 1 5|r 1 0|r 1 5", 1),
    ("one of two without an answer", "w 1 1 5|w 1 1 6|r 1 5", 0),
    ("what nobody wrote", "w 1 1 5|a 1 1 5|r 1 7", 1),
    ("one of several blocks is lost", "w 4 3 5|a 4 3 5|r 4 5|r 5 0|r 6 5", 1),
    ("zeros are written", "w 1 1 5|a 1 1 5|w 1 1 0|a 1 1 0|r 1 0", 0),
    ("zeros are lost", "w 1 1 5|a 1 1 5|w 1 1 0|a 1 1 0|r 1 5", 1),
    ("torn, and no write was under way", "w 1 1 5|a 1 1 5|r 1 -9 5 0", 1),
    ("torn by a write that failed", "w 1 1 5|a 1 1 5|w 1 1 6|r 1 -9 5 6", 0),
    ("torn, with something foreign", "w 1 1 5|a 1 1 5|w 1 1 6|r 1 -9 5 7", 1),
    ("torn, and otherwise the next time", "w 1 1 6|r 1 -9 0 6|r 1 -8 0 6", 1),
    ("torn, and torn again by another", "w 1 1 6|r 1 -9 0 6|w 1 1 7|r 1 -8 6 7", 0),
    ("written over after it was torn", "w 1 1 6|r 1 -9 0 6|w 1 1 7|a 1 1 7|r 1 -9 0 6", 1),
]

LOGS = [  # name, a daemon's log, is it told why the daemon has ended?
    ("an end with its reason", "t info daemon: a|t error daemon: cannot go on: b|"
     "t info daemon: stopped", True),
    ("a start that is refused", "t info daemon: stopped|sdsd: no space|t info daemon: stopped", True),
    ("an end without a word", "t info daemon: a|t error plane: b|t info daemon: stopped", False),
    ("the reason of the end before", "t error daemon: cannot go on: b|t info daemon: stopped|"
     "t info daemon: a|t info daemon: stopped", False),
    ("cut off", "t error daemon: cannot go on: b|t info daemon: stopped|t info daemon: a", False),
    ("nothing at all", "", False),
]


def main():
    need_sdsd()
    tap = Tap()
    for name, log, told in LOGS:
        tap.eq(says_why(log.replace("|", "\n")), told, name)
    for name, said, complaints in ROWS:
        tap.eq(len(Content().take(said.split("|"))), complaints, name)
    both = combine([{"from": "a", "to": "b", "mode": "silent"}, {"from": "a", "mode": "unplug"},
                    {"from": "a", "to": "b", "delay_ms": 5}], ["a", "b", "c"])
    tap.eq({p: (d["mode"], d["delay_ms"]) for p, d in both.items()},
           {("a", "b"): ("cut", 5), ("b", "a"): ("cut", 0), ("a", "c"): ("cut", 0),
            ("c", "a"): ("cut", 0)}, "of several faults of a link the worst counts")
    r = subprocess.run([sys.executable, os.path.join(SOAK, "soak.py"), "--rounds", "1", "--seed",
                        "5", "--faults", "none", "--net", "none", "--fs", "none", "--volumes", "1",
                        "--sabotage"], capture_output=True, text=True)
    if r.returncode == 77:
        tap.note(r.stdout)
    else:
        tap.ok(r.returncode == 0 and "is noticed: ['read back of db0: block" in r.stdout,
               "a block that is damaged in all copies is noticed", r.stdout + r.stderr)
    tap.done()


main()
