#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""run.py [--seconds S] [--build DIR] [NAME...]: can test_upkeep_world see?

Takes one rule after the other out of what is done for copies (mutants.txt, in the form of those of
test/sim/mutants), links the random test of played clusters with what is left, and runs lives from
seed 1 on until one fails, for S seconds of CPU. Exit 1 when a mutant lives that mutants.txt does not
say lives, or the reverse. Needs a build of test/test-model-upkeep_world (tools/build release DIR
test/test-model-upkeep_world), from which all other objects are taken; the tree stays as it is.
"""
import argparse
import importlib.util
import json
import os
import re
import resource
import shlex
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
TEST = "test/test-model-upkeep_world"


def load_parse():
    path = os.path.join(ROOT, "test/sim/mutants/run.py")
    spec = importlib.util.spec_from_file_location("sim_mutants", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.parse


def compile_command(build, file):
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as f:
        for c in json.load(f):
            if os.path.normpath(os.path.join(c["directory"], c["file"])) == \
                    os.path.join(ROOT, file):
                return shlex.split(c["command"])
    sys.exit(f"{file}: is not in {build}/compile_commands.json")


def link_command(build):
    done = subprocess.run(["ninja", "-C", build, "-t", "commands", TEST], capture_output=True,
                          text=True, check=True)
    return shlex.split(done.stdout.strip().splitlines()[-1])


def make_object(build, file, text, where):
    source = os.path.join(where, os.path.basename(file))
    with open(source, "w", encoding="utf-8") as f:
        f.write(text)
    cmd = compile_command(build, file)
    for i, word in enumerate(cmd):
        if word in ("-o", "-MF"):
            cmd[i + 1] = source + (".o" if word == "-o" else ".d")
    cmd[-1] = source
    subprocess.run([*cmd, "-w"], cwd=build, check=True)
    return source + ".o"


def build_mutant(build, mutant, where):
    """the test with other objects: they come first, so those of the libraries are not asked for"""
    texts = {}
    for file, old, new in mutant.edits:
        if file not in texts:
            with open(os.path.join(ROOT, file), encoding="utf-8") as f:
                texts[file] = f.read()
        if texts[file].count(old) != 1:
            sys.exit(f"{mutant.name}: its old text is {texts[file].count(old)} times in {file}")
        texts[file] = texts[file].replace(old, new)
    cmd = link_command(build)
    at = cmd.index("-o") + 1
    cmd[at] = os.path.join(where, "lives")
    cmd[at + 1:at + 1] = [make_object(build, file, text, where) for file, text in texts.items()]
    subprocess.run(cmd, cwd=build, check=True)


def hunt(where, seconds):
    """(seed, what fails), or (None, how far it came)"""
    def limit():
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(["./lives", "--full-stats"], cwd=where, text=True,
                              capture_output=True, check=False, preexec_fn=limit,
                              env=dict(os.environ, UPKEEP_WORLD_SECONDS="100000", TMPDIR=folder))
    text = done.stdout + done.stderr
    found = re.search(r"seed (\d+): (.*)", text)
    if found:
        return int(found[1]), found[2]
    if "SIGXCPU" in text or "signal" in text or done.returncode in (0, -signal.SIGXCPU):
        return None, f"lives ({seconds} s)"
    found = re.search(r"(?:Assertion failed|Unexpected).*", text)
    return 0, found[0] if found else f"ended with {done.returncode}"


def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    args.add_argument("--seconds", type=int, default=20)
    args.add_argument("--build", default="build")
    args.add_argument("names", nargs="*")
    args = args.parse_args()
    build = os.path.abspath(args.build)
    mutants = load_parse()(os.path.join(HERE, "mutants.txt"))
    unknown = set(args.names) - {m.name for m in mutants}
    if unknown:
        sys.exit(f"no such mutant: {', '.join(sorted(unknown))}")
    wrong = 0
    print("| mutant | rule taken out | seed | CPU | what fails |\n|---|---|---|---|---|")
    for m in mutants:
        if args.names and m.name not in args.names:
            continue
        with tempfile.TemporaryDirectory() as where:
            build_mutant(build, m, where)
            before = time.process_time() + sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
            seed, says = hunt(where, args.seconds)
            took = time.process_time() + sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2]) - \
                before
        expected = (seed is None) == bool(m.lives)
        wrong += not expected
        if seed is None and m.lives:
            says += ": " + m.lives
        if not expected:
            says += " - NOT EXPECTED"
        print(f"| {m.name} | {m.rule} | {'-' if seed is None else seed} | {took:.1f} s | {says} |",
              flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
