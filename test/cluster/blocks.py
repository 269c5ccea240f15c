# SPDX-License-Identifier: GPL-2.0-or-later
"""blocks.py - blocks of 64 KiB of a volume, by NBD: block i of a key is bytes of (i + key) % 251 + 1.

    ok, why = blocks.run("write", node, "db", 60, 7)   # written and flushed
    ok, why = blocks.run("read", node, "db", 60, 7)    # all of them are that
    with blocks.hold(path, 60, 7) as user:             # written and flushed, and open until
        user.stdin.close()                             # then block 0 is written once more

As a program, of the Python that python3-libnbd is for: blocks.py write|read|hold SOCKET N KEY
"""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import PYTHON, wait_for  # noqa: E402

SIZE = 65536


def block(i, key):
    return bytes([(i + key) % 251 + 1]) * SIZE


def command(verb, path, n, key):
    return [PYTHON, os.path.abspath(__file__), verb, path, str(n), str(key)]


def run(verb, node, volume, n, key=0):
    path = wait_for(lambda: node.nbd_socket(volume), 30,
                    "socket of %s on %s" % (volume, node.name))
    r = subprocess.run(command(verb, path, n, key), capture_output=True, text=True, timeout=120,
                       check=False)
    return r.returncode == 0, r.stderr


def hold(path, n=0, key=0):
    """A user, when it has the volume open; n 0: it writes nothing"""
    user = subprocess.Popen(command("hold", path, n, key), stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if user.stdout.readline() != b"open\n":
        raise RuntimeError("%s cannot be opened" % path)
    return user


def write(h, n, key):
    for i in range(n):
        h.pwrite(block(i, key), i * SIZE)
    h.flush()


def main(verb, path, n, key):
    import nbd
    h = nbd.NBD()
    h.connect_unix(path)
    if verb == "read":
        for i in range(n):
            if h.pread(SIZE, i * SIZE) != block(i, key):
                sys.exit("block %d is wrong" % i)
    elif n > 0:
        write(h, n, key)
    if verb == "hold":
        print("open", flush=True)
        sys.stdin.read()
        write(h, min(n, 1), key)
    h.shutdown()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
