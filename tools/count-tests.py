#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""count-tests.py LOGDIR STATUS: prints "passed failed skipped" for one run of meson test.

Criterion's cases are counted one by one (they reach meson as TAP subtests, and so its JUnit file).
A program that died outside its cases, or a run that meson calls failed for a reason that no case
shows (a time-out, a leak at exit, no test at all), counts as one failure: it is never a pass.
"""
import json
import os
import sys
import xml.etree.ElementTree as ET

SHOWN_LINES = 120


def cases(junit):
    """Maps the name of a TAP program to the outcomes of its cases."""
    found = {}
    for suite in junit.iter("testsuite"):
        # meson puts a TAP program into a suite of its own, named "<project>.<program>".
        program = suite.get("name").partition(".")[2]
        for case in suite.iter("testcase") if program else []:
            tags = {child.tag for child in case}
            if tags & {"failure", "error"}:
                outcome = "failed"
            elif "skipped" in tags:
                outcome = "skipped"
            else:
                outcome = "passed"
            found.setdefault(program, []).append(outcome)
    return found


def outcomes_of(program, tap_cases):
    """One outcome for each case of a program; a program that failed shows at least one failure."""
    result = program["result"]
    outcomes = list(tap_cases.get(program["name"], []))
    if result == "SKIP":
        return outcomes or ["skipped"]
    if result in ("OK", "EXPECTEDFAIL"):
        return outcomes or ["passed"]
    return outcomes if "failed" in outcomes else outcomes + ["failed"]


def show(program):
    """What a failed program said, on stderr: the numbers alone go to stdout."""
    text = program.get("stdout", "") + program.get("stderr", "")
    lines = [line for line in text.splitlines() if not line.startswith("ok ")]
    print(f"---- {program['name']}: {program['result']}", *lines[-SHOWN_LINES:],
          sep="\n", file=sys.stderr)


def main():
    logs, status = sys.argv[1:3]
    total = {"passed": 0, "failed": 0, "skipped": 0}
    try:
        with open(os.path.join(logs, "testlog.json"), encoding="utf-8") as f:
            programs = [json.loads(line) for line in f if line.strip()]
        tap_cases = cases(ET.parse(os.path.join(logs, "testlog.junit.xml")))
    except (OSError, ValueError, ET.ParseError):
        # No test of that suite leaves no log; a run that broke leaves a status.
        programs, tap_cases = [], {}
    for program in programs:
        outcomes = outcomes_of(program, tap_cases)
        for outcome in outcomes:
            total[outcome] += 1
        if "failed" in outcomes:
            show(program)
    if status != "0" and total["failed"] == 0:
        total["failed"] = 1
    print(total["passed"], total["failed"], total["skipped"])


if __name__ == "__main__":
    main()
