# SPDX-License-Identifier: GPL-2.0-or-later
"""demo_client.py write|check|hold URI [FILE] - what an application does in the demo, through libnbd.

write: writes blocks one after another, flushes now and then, prints each acknowledgement; ends
       when the server goes away.
check: reads back every acknowledged write of the log FILE. The one write that was under way when
       the writer died may have happened or not.
hold:  keeps the volume open and writes to it until FILE exists.
"""
import os
import sys
import time

import nbd

BLOCK = 65536


def pattern(i):
    return i.to_bytes(8, "little") * (BLOCK // 8)


def write(h, blocks):
    i = 0
    try:
        while True:
            off = i * 37 % blocks * BLOCK
            h.pwrite(pattern(i), off)
            print(f"write {i} {off}", flush=True)
            i += 1
            if i % 16 == 0:
                h.flush()
                print(f"flush {i}", flush=True)
    except nbd.Error as e:
        print(f"the server is gone after {i} writes: {e}", file=sys.stderr)


def check(h, log):
    last, flushed, bad = {}, 0, 0
    for line in open(log):
        word = line.split()
        if word[0] == "write" and len(word) == 3:
            last[int(word[2])] = int(word[1])
        elif word[0] == "flush":
            flushed = int(word[1])
    newest = max(last.values())
    for off, i in sorted(last.items()):
        data = h.pread(BLOCK, off)
        if data != pattern(i) and data != pattern(newest + 1):
            bad += 1
            print(f"offset {off}: write {i} is missing")
    print(f"{len(last)} blocks read back, writes 0..{newest}, flushed before {flushed}: "
          + (f"{bad} wrong" if bad else "all there"))
    return 1 if bad else 0


def hold(h, blocks, release):
    print("open", flush=True)
    i = 0
    while not os.path.exists(release):
        h.pwrite(os.urandom(BLOCK), i * 11 % blocks * BLOCK)
        i += 1
        time.sleep(0.01)
    h.flush()
    print(f"{i} writes meanwhile")


def main():
    verb, uri = sys.argv[1:3]
    h = nbd.NBD()
    h.connect_uri(uri)
    blocks = h.get_size() // BLOCK
    if verb == "write":
        return write(h, blocks)
    if verb == "check":
        return check(h, sys.argv[3])
    return hold(h, blocks, sys.argv[3])


if __name__ == "__main__":
    sys.exit(main())
