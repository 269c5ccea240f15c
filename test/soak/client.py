# SPDX-License-Identifier: GPL-2.0-or-later
"""client.py write|read SOCKET ... - the application of the soak test, through libnbd.

write SOCKET SEED FIRST: random blocks until the server is gone or SIGTERM; prints "w BLOCK VALUE" before
  and "a BLOCK VALUE" after each write, "f" after a flush. Values count up from FIRST.
read SOCKET: reads the blocks named on standard input, prints "BLOCK VALUE" for each.
"""
import random
import signal
import sys

import nbd

BLOCK = 4096


def value_of(data):
    value = int.from_bytes(data[:8], "little")
    return value if data == data[:8] * (BLOCK // 8) else -1


def write(h, seed, value):
    rnd = random.Random(seed)
    blocks = h.get_size() // BLOCK
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    try:
        while not stop:
            value += 1
            block = rnd.randrange(blocks)
            print("w", block, value, flush=True)
            h.pwrite(value.to_bytes(8, "little") * (BLOCK // 8), block * BLOCK)
            print("a", block, value, flush=True)
            if rnd.random() < 0.02:
                h.flush()
                print("f", flush=True)
        h.shutdown()
    except nbd.Error as e:
        print("gone:", e, file=sys.stderr)


def read(h):
    for line in sys.stdin:
        block = int(line)
        print(block, value_of(h.pread(BLOCK, block * BLOCK)))


def main():
    h = nbd.NBD()
    h.connect_unix(sys.argv[2])
    if sys.argv[1] == "write":
        write(h, int(sys.argv[3]), int(sys.argv[4]))
    else:
        read(h)


main()
