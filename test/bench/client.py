# SPDX-License-Identifier: GPL-2.0-or-later
"""client.py stream|once SOCKET - the NBD clients of bench.py that fio is no use for, each a process
of its own so that nothing but the server holds it up. Times are CLOCK_MONOTONIC, which all
processes of a machine share.

stream: 4 KiB writes one after another until standard input ends; then prints
        {"writes", "gaps": [[when it began, seconds], ...] the long ones, "error"}.
once:   waits for a line on standard input, then opens, writes and flushes, again and again until
        it succeeds; prints {"done": when, "tries", "error": the last one} and keeps the volume
        open until standard input ends.
"""
import json
import random
import select
import sys
import time

import nbd

BLOCK = 4096
AREA_BLOCKS = 4096  # 16 MiB
GAP_S = 0.005  # shorter pauses between writes are not reported
GIVE_UP_S = 40


def connect(path):
    h = nbd.NBD()
    h.connect_unix(path)
    return h


def ended():
    return bool(select.select([sys.stdin], [], [], 0)[0])


def say(result):
    print(json.dumps(result), flush=True)


def stream(path):
    h = connect(path)
    data = bytes(range(256)) * (BLOCK // 256)
    writes, gaps, error = 0, [], None
    h.pwrite(data, 0)
    print("open", flush=True)
    last = time.monotonic()
    try:
        while not ended():
            h.pwrite(data, random.randrange(AREA_BLOCKS) * BLOCK)
            now = time.monotonic()
            if now - last > GAP_S:
                gaps.append((last, now - last))
            last = now
            writes += 1
    except nbd.Error as e:
        error = str(e)
    say({"writes": writes, "gaps": gaps, "error": error})


def once(path):
    print("ready", flush=True)
    sys.stdin.readline()
    tries, error, end = 0, None, time.monotonic() + GIVE_UP_S
    while time.monotonic() < end:
        tries += 1
        try:
            h = connect(path)
            h.pwrite(b"f" * BLOCK, 0)
            h.flush()
            say({"done": time.monotonic(), "tries": tries, "error": error})
            sys.stdin.read()
            return
        except nbd.Error as e:
            error = str(e)
            time.sleep(0.01)
    say({"done": None, "tries": tries, "error": error})


{"stream": stream, "once": once}[sys.argv[1]](sys.argv[2])
