#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""run.py [--from SEED] [--seeds N] [--seconds S] [NAME...]: can the simulator of the control plane see?

One rule after the other is taken out of the product (mutants.txt) or of the simulated machine
(raftsim --mutant), and seeds are run until one fails. Exit 1 when a mutant lives that mutants.txt
does not say lives. The sources are copied: the tree stays as it is. Needs .deps.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
DEPS = os.environ.get("SDSD_DEPS", os.path.join(ROOT, ".deps"))
FOLDERS = ("src/shared", "src/base", "src/net", "src/store", "src/model", "src/raft",
           "test/raftsim")
FLAGS = ["-O1", "-std=gnu11", "-w", "-D_GNU_SOURCE", '-DSDSD_VERSION="0"', "-iquote", "src",
         "-iquote", "test", "-isystem", os.path.join(DEPS, "include"), "-fno-strict-aliasing"]
LIBS = [os.path.join(DEPS, "lib/libraft.a"), "-luv", "-llz4", "-llmdb", "-ljson-c", "-lssl",
        "-lcrypto", "-lhttp_parser", "-lpthread"]


def parse(path):
    """option NAME: RULE, or mutant NAME: RULE / [lives: WHY] / file PATH, old text, ---, new
    text, end"""
    mutants, file, old, new, into = [], None, None, None, None
    for n, line in enumerate(open(path, encoding="utf-8"), 1):
        if into is not None:
            if line == "---\n":
                into = new
            elif line == "end\n":
                mutants[-1]["edits"].append((file, "".join(old), "".join(new)))
                into = None
            else:
                into.append(line)
        elif re.match(r"(option|mutant) ", line):
            kind, name, rule = re.match(r"(\w+) ([\w-]+): (.*)", line).groups()
            mutants.append({"option": kind == "option", "name": name, "rule": rule, "edits": [],
                            "lives": ""})
        elif line.startswith("lives: "):
            mutants[-1]["lives"] = line[7:].strip()
        elif line.startswith("file "):
            file, old, new = line[5:].strip(), [], []
            into = old
        elif line.strip() and not line.startswith("#"):
            sys.exit(f"{path}:{n}: not understood: {line.rstrip()}")
    return mutants


def wraps():
    """the names that test/meson.build leads through the simulator"""
    with open(os.path.join(ROOT, "test/meson.build"), encoding="utf-8") as f:
        names = re.search(r"foreach name : (\[[^]]*raft_uv_init[^]]*\])", f.read())[1]
    return ["-Wl,--wrap=" + n for n in re.findall(r"'(\w+)'", names)]


def sources(where):
    return [os.path.join(folder, n) for folder in FOLDERS
            for n in sorted(os.listdir(os.path.join(where, folder))) if n.endswith(".c")]


def obj(path):
    return path.replace("/", "-")[:-2] + ".o"


def compile_one(where, path):
    subprocess.run(["gcc", *FLAGS, "-c", path, "-o", obj(path)], cwd=where, check=True)


def link(where):
    subprocess.run(["gcc", "-o", "raftsim", *[obj(p) for p in sources(where)], *wraps(), *LIBS],
                   cwd=where, check=True)


def mutate(where, mutant):
    touched = {}
    for file, old, new in mutant["edits"]:
        path = os.path.join(where, file)
        with open(path, encoding="utf-8") as f:
            text = f.read()
        touched.setdefault(file, text)
        if text.count(old) != 1:
            sys.exit(f"{mutant['name']}: its old text is {text.count(old)} times in {file}")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text.replace(old, new))
    for file in touched:
        compile_one(where, file)
    link(where)
    return touched


def restore(where, touched):
    for file, text in touched.items():
        with open(os.path.join(where, file), "w", encoding="utf-8") as f:
            f.write(text)
        compile_one(where, file)


def hunt(where, mutant, start, seeds, seconds):
    cmd = ["timeout", str(seconds), "./raftsim", "--first", "--from", str(start),
           "--seeds", str(seeds)]
    if mutant["option"]:
        cmd += ["--mutant", mutant["name"]]
    done = subprocess.run(cmd, cwd=where, capture_output=True, text=True, check=False)
    found = re.search(r"not ok seed (\d+) \(step (\d+)\): (.*)", done.stdout)
    if not found:
        return None, None, "lives" if done.returncode == 0 else f"lives ({seconds} s)"
    says = found[3]
    asserted = re.search(r"(\w+): Assertion", done.stderr)
    if asserted:
        says += f" in {asserted[1]}"
    return found[1], found[2], re.sub(r"/\S*/s(\d)", r"s\1", says)[:90]


def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    args.add_argument("--from", dest="start", type=int, default=1)
    args.add_argument("--seeds", type=int, default=5000)
    args.add_argument("--seconds", type=int, default=300)
    args.add_argument("names", nargs="*")
    args = args.parse_args()
    lived = 0
    with tempfile.TemporaryDirectory() as where:
        for folder in FOLDERS:
            shutil.copytree(os.path.join(ROOT, folder), os.path.join(where, folder))
        for path in sources(where):
            compile_one(where, path)
        print("| mutant | rule taken out | seed | step | what fails |\n|---|---|---|---|---|")
        for mutant in parse(os.path.join(HERE, "mutants.txt")):
            if args.names and mutant["name"] not in args.names:
                continue
            touched = mutate(where, mutant)
            seed, step, says = hunt(where, mutant, args.start, args.seeds, args.seconds)
            restore(where, touched)
            if seed is None and mutant["lives"]:
                says += ": " + mutant["lives"]
            lived += seed is None and not mutant["lives"]
            print(f"| {mutant['name']} | {mutant['rule']} | {seed or '-'} | {step or '-'} "
                  f"| {says} |", flush=True)
    return 1 if lived else 0


if __name__ == "__main__":
    sys.exit(main())
