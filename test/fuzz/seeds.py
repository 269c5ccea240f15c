#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""seeds.py TARGET FOLDER: writes the inputs that a fuzz target begins with.

They lead it past the first checks (magic numbers, a first request, a good document) and need not
be many: the fuzzer finds the rest. Inputs that showed a fault are not here, they are files in
test/fuzz/corpus/<target>.
"""
import os
import sys

UUID = "11111111-1111-4111-8111-111111111111"


def text():
    token = f"sds1-{'0a' * 4}-{'1b' * 16}-{'2c' * 32}"
    return [t.encode() for t in (
        "10G\n512MiB\n1.5T\n4096k\n100GB\n0\n99999999999999999999", "10.0.0.1:7700\n[fe80::1]:80",
        f"  {token} \n{UUID}", "db_1-x\nFILE_THIN\nfilethin\ninfo\nall", "a%20b=c+d&a=%2F\na\n%61=1")]


def meta():
    changes = bytes([2, 8, 0, 7, 20, 0, 9])
    return [bytes([how]) + bytes(4) + changes * 2 for how in
            (0x44, 0x47, 0x88, 0x8b, 0x01, 0x4b)]


TARGETS = {"text": text, "meta": meta}


def main():
    target, folder = sys.argv[1:3]
    for number, seed in enumerate(TARGETS[target]() if target in TARGETS else []):
        with open(os.path.join(folder, f"seed-{number:02d}"), "wb") as f:
            f.write(seed)


if __name__ == "__main__":
    main()
