# SPDX-License-Identifier: GPL-2.0-or-later
"""client.py write|read SOCKET ... - the application of the soak test, through libnbd.

write SOCKET SEED FIRST DEPTH: random writes, DEPTH at a time and never two on one block, until the
  server is gone or SIGTERM; values count up from FIRST, 0 is a block of zeros. It prints, before it
  goes on: "w BLOCK N VALUE" before and "a BLOCK N VALUE" after a write of N blocks, "r BLOCK VALUE"
  for a block it has read, "f" after a flush, and at last "end" or "gone REASON".
read SOCKET: reads the blocks named on standard input, prints "r BLOCK VALUE" for each.
A block that is no whole one has a negative number as value, made of its bytes, and behind it stand
the values of its sectors.
"""
import random
import signal
import sys
import zlib

import nbd

BLOCK = 4096
SECTOR = 512
BLOCKS_MAX = 16
POLL_MS = 200


def say(*words):
    print(*words, flush=True)


def words_of(data):
    value = int.from_bytes(data[:8], "little")
    if data == data[:8] * (BLOCK // 8):
        return [value]
    words = [-1 - zlib.crc32(data)]
    for i in range(0, BLOCK, SECTOR):
        part = data[i:i + SECTOR]
        whole = part == part[:8] * (SECTOR // 8)
        words.append(int.from_bytes(part[:8], "little") if whole else -1)
    return words


class Writer:
    def __init__(self, h, seed, first, depth):
        self.h, self.value, self.depth = h, first, depth
        self.rnd = random.Random(seed)
        self.blocks = h.get_size() // BLOCK
        self.flying = {}  # cookie: (block, n, value, buffer)
        self.busy = set()
        self.written = []

    def free_range(self):
        n = 1 if self.rnd.random() < 0.8 else self.rnd.randrange(1, BLOCKS_MAX + 1)
        block = self.rnd.randrange(self.blocks - n + 1)
        wanted = set(range(block, block + n))
        return (block, n) if not wanted & self.busy else None

    def begin(self):
        where = self.free_range()
        if not where:
            return
        block, n = where
        self.value += 1
        value, kind, buf = self.value, self.rnd.random(), None
        if kind < 0.05:
            value = 0
        say("w", block, n, value)
        self.busy |= set(range(block, block + n))
        off, length = block * BLOCK, n * BLOCK
        if kind < 0.02:
            cookie = self.h.aio_trim(length, off)
        elif kind < 0.05:
            cookie = self.h.aio_zero(length, off)
        else:
            data = value.to_bytes(8, "little") * (length // 8)
            buf = nbd.Buffer.from_bytearray(bytearray(data))
            cookie = self.h.aio_pwrite(buf, off, flags=nbd.CMD_FLAG_FUA if kind > 0.98 else 0)
        self.flying[cookie] = (block, n, value, buf)

    def reap(self):
        for cookie in list(self.flying):
            if not self.h.aio_command_completed(cookie):
                continue
            block, n, value, _ = self.flying.pop(cookie)
            self.busy -= set(range(block, block + n))
            say("a", block, n, value)
            self.written.append(block)

    def look_and_flush(self):
        dice = self.rnd.random()
        if dice < 0.02:
            self.h.flush()
            say("f")
        elif dice < 0.06 and self.written:
            block = self.rnd.choice(self.written[-200:])
            if block not in self.busy:
                say("r", block, *words_of(self.h.pread(BLOCK, block * BLOCK)))

    def run(self, stop):
        while not stop or self.flying:
            if not stop and len(self.flying) < self.depth:
                self.begin()
                self.look_and_flush()
            else:
                self.h.poll(POLL_MS)
            self.reap()
        self.h.shutdown()


def write(h, seed, first, depth):
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    Writer(h, seed, first, depth).run(stop)
    say("end")


def read(h):
    for line in sys.stdin:
        block = int(line)
        say("r", block, *words_of(h.pread(BLOCK, block * BLOCK)))
    h.shutdown()


def main():
    h = nbd.NBD()
    try:
        h.connect_unix(sys.argv[2])
        if sys.argv[1] == "write":
            write(h, int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
        else:
            read(h)
    except nbd.Error as e:
        say("gone", str(e).replace("\n", " "))
        sys.exit(1)


main()
