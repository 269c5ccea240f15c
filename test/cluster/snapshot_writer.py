#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""snapshot_writer.py URI BLOCKS - writes 1, 2, 3 ... one after the other, each into the next of so many
blocks of 4 KiB, until standard input ends. So what any number of writes has left behind is known
(snapshot_content). A line "written N seconds" for each, the time it took."""
import select
import struct
import sys
import time

BLOCK = 4096


def block_of(n):
    return struct.pack("<Q", n) * (BLOCK // 8)


def snapshot_content(data, blocks):
    """how many writes it has, -1 when it is not what exactly so many leave behind"""
    found = [struct.unpack_from("<Q", data, b * BLOCK)[0] for b in range(blocks)]
    n = max(found)
    for b in range(blocks):
        last = n - (n - b) % blocks if n >= b else 0
        want = last if last > 0 else 0
        if data[b * BLOCK:(b + 1) * BLOCK] != block_of(want):
            return -1
    return n


def main():
    import nbd

    h = nbd.NBD()
    h.connect_uri(sys.argv[1])
    blocks = int(sys.argv[2])
    n = 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        n += 1
        began = time.monotonic()
        h.pwrite(block_of(n), n % blocks * BLOCK)
        print("written %d %.3f" % (n, time.monotonic() - began), flush=True)
    h.shutdown()


if __name__ == "__main__":
    main()
