#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""run.py [--from SEED] [--seeds N] [--seconds S] [--jobs 1|2] [NAME...]: can the simulator see?

Takes one rule out of the replication core at a time (mutants.txt), compiles the simulator with
what is left, runs the scenarios, and runs seeds until one fails: for S seconds of CPU, three times
as long when no scenario has seen it. A mutant that lives is either a rule that another one covers -
mutants.txt then says "lives" and why - or something that the simulator cannot see.
Exit 1 when a mutant that should die lives, or the reverse. The sources are copied: the tree
stays as it is.
"""
import argparse
import concurrent.futures
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
COPIED = ("src/shared", "src/replication/core", "test/sim")
LIMITS = ["-DREPL_HOT_MAX=13u", "-DREPL_INFLIGHT_MAX=8", "-DREPL_PULLS_MAX=4",
          "-DREPL_STAMPS_PER_PAGE=128u", "-DREPL_MAP_CACHE=3u", "-DMETA_VOIDS_MAX=3u"]
FLAGS = ["-O2", "-std=gnu11", "-D_GNU_SOURCE"] + LIMITS


class Mutant:
    def __init__(self, name, rule):
        self.name = name
        self.rule = rule
        self.lives = ""
        self.edits = []  # (file, old, new)


def parse(path):
    """mutant NAME: RULE / [lives: WHY] / edits: file PATH, old text, ---, new text, end"""
    mutants, file, old, new, into = [], None, None, None, None
    for n, line in enumerate(open(path, encoding="utf-8"), 1):
        if into is not None:
            if line == "---\n":
                into = new
            elif line == "end\n":
                mutants[-1].edits.append((file, "".join(old), "".join(new)))
                into = None
            else:
                into.append(line)
        elif line.startswith("mutant "):
            name, rule = line[7:].split(":", 1)
            mutants.append(Mutant(name.strip(), rule.strip()))
        elif line.startswith("lives:"):
            mutants[-1].lives = line[6:].strip()
        elif line.startswith("file "):
            file, old, new = line[5:].strip(), [], []
            into = old
        elif line.strip() and not line.startswith("#"):
            sys.exit(f"{path}:{n}: not understood: {line.rstrip()}")
    return mutants


def sources(where):
    found = []
    for folder in COPIED:
        names = sorted(os.listdir(os.path.join(where, folder)))
        found += [os.path.join(folder, n) for n in names if n.endswith(".c")]
    return found


def compile_file(where, file, include):
    subprocess.run(["nice", "gcc", *FLAGS, "-iquote", f"{include}/src", "-iquote",
                    f"{include}/test", "-w", "-c", "-o", f"{file}.o", file], cwd=where, check=True)


def build_base(where):
    """the sources as they are, and an object of each: most mutants change one or two of them"""
    for folder in COPIED:
        shutil.copytree(os.path.join(ROOT, folder), os.path.join(where, folder),
                        ignore=shutil.ignore_patterns("mutants", "scenario"))
    for file in sources(where):
        compile_file(where, file, where)
    objects = [f"{file}.o" for file in sources(where)]
    subprocess.run(["nice", "gcc", "-o", "sim", *objects], cwd=where, check=True)


def build(base, where, mutant):
    changed = {file for file, _, _ in mutant.edits}
    if any(file.endswith(".h") for file in changed):
        changed = set(sources(base)) | changed
    for folder in COPIED:
        os.makedirs(os.path.join(where, folder))
    for file in changed:
        shutil.copy(os.path.join(base, file), os.path.join(where, file))
    for file, old, new in mutant.edits:
        path = os.path.join(where, file)
        with open(path, encoding="utf-8") as f:
            text = f.read()
        if text.count(old) != 1:
            sys.exit(f"{mutant.name}: its old text is {text.count(old)} times in {file}")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text.replace(old, new))
    if any(file.endswith(".h") for file in changed):  # beside the sources: found first
        for folder in COPIED:
            for name in os.listdir(os.path.join(base, folder)):
                if name.endswith(".h") and not os.path.exists(os.path.join(where, folder, name)):
                    shutil.copy(os.path.join(base, folder, name), os.path.join(where, folder))
        include = where
    else:
        include = base
    changed = {file for file in changed if file.endswith(".c")}
    for file in changed:
        compile_file(where, file, include)
    objects = [os.path.join(where if f in changed else base, f + ".o") for f in sources(base)]
    subprocess.run(["nice", "gcc", "-o", "sim", *objects], cwd=where, check=True)


def fails_anyway(base, seed):
    """does that seed fail with all rules in place, too? Then it says nothing about a mutant"""
    done = subprocess.run(["nice", "./sim", "--seed", str(seed)], cwd=base, capture_output=True,
                          check=False)
    return done.returncode != 0


def hunt(base, where, start, seeds, seconds):
    """(seed, step, what it says), or (None, 0, how far it came)"""
    while True:
        seed, step, says = hunt_from(where, start, seeds, seconds)
        if not seed or not fails_anyway(base, seed):
            return seed, step, says
        seeds -= seed + 1 - start
        start = seed + 1


def hunt_from(where, start, seeds, seconds):
    cmd = ["nice", "./sim", "--first", "--from", str(start), "--seeds", str(seeds)]
    done = subprocess.run(
        cmd, cwd=where, capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1)))
    found = re.search(r"not ok seed (\d+) \(step (\d+)\): (.*)", done.stdout)
    if found:
        return int(found[1]), int(found[2]), found[3]
    if done.returncode not in (0, -signal.SIGXCPU):
        return 0, 0, f"died: {done.returncode}"
    return None, 0, "lives" if done.returncode == 0 else f"lives ({seconds} s)"


def stories(where):
    """(scenario in which something that is expected, or an invariant, fails, what fails)"""
    folder = os.path.join(ROOT, "test/sim/scenario")
    files = sorted(os.path.join(folder, f) for f in os.listdir(folder) if f.endswith(".txt"))
    try:
        done = subprocess.run(["./sim", "--scenario", *files], cwd=where, capture_output=True,
                              text=True, check=False, timeout=300)
    except subprocess.TimeoutExpired:
        return "", "no end"
    found = re.search(r"^# \S*/(\S+)\.txt:\d+: (.*)", done.stdout, re.M)
    return (found[1], found[2]) if found else (None, "")


def try_one(base, mutant, args):
    """(row of the table, is it as mutants.txt says)"""
    with tempfile.TemporaryDirectory() as where:
        build(base, where, mutant)
        story, _ = stories(where)
        seconds = args.seconds * (3 if story is None else 1)
        seed, step, says = hunt(base, where, args.start, args.seeds, seconds)
    caught = seed is not None or story is not None
    if caught == bool(mutant.lives):
        says += " - NOT EXPECTED"
    if not caught and mutant.lives:
        says += ": " + mutant.lives
    return (f"| {mutant.name} | {mutant.rule} | {story or '-'} | {'-' if seed is None else seed} "
            f"| {step or '-'} | {says} |"), caught != bool(mutant.lives)


def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    args.add_argument("--seeds", type=int, default=100000)
    args.add_argument("--from", type=int, default=1, dest="start")
    args.add_argument("--seconds", type=int, default=120)
    args.add_argument("--jobs", type=int, default=2, choices=(1, 2))
    args.add_argument("names", nargs="*")
    args = args.parse_args()
    mutants = parse(os.path.join(HERE, "mutants.txt"))
    unknown = set(args.names) - {m.name for m in mutants}
    if unknown:
        sys.exit(f"no such mutant: {', '.join(sorted(unknown))}")
    wrong = 0
    print("| mutant | rule taken out | scenario | seed | step | what fails |\n|---|---|---|---|---|---|")
    chosen = [m for m in mutants if not args.names or m.name in args.names]
    with tempfile.TemporaryDirectory() as base, \
            concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        build_base(base)
        for row, expected in pool.map(lambda m: try_one(base, m, args), chosen):
            wrong += not expected
            print(row, flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
