#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_nbd.py - replicated volumes under real NBD clients: nbdinfo, nbdcopy, libnbd, qemu-io,
qemu-img on three daemons; clients that are killed or speak nonsense; a second node that wants in;
nodes that die under a client."""
import hashlib
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time

from cluster import SKIPPED, Cluster, Tap, need_sdsd, wait_for

need_sdsd()
for tool in ("nbdinfo", "nbdcopy", "qemu-io", "qemu-img"):
    if not shutil.which(tool):
        print("1..0 # SKIP no %s: install libnbd-bin python3-libnbd qemu-utils" % tool)
        sys.exit(SKIPPED)


def python_with_nbd():
    """the python that libnbd's module is installed for, which need not be the first in PATH"""
    for python in (sys.executable, "/usr/bin/python3"):
        p = subprocess.run([python, "-c", "import nbd"], stderr=subprocess.DEVNULL, check=False)
        if p.returncode == 0:
            return python
    print("1..0 # SKIP no module nbd for python3: install python3-libnbd")
    sys.exit(SKIPPED)


PYTHON = python_with_nbd()
tap = Tap()
MIB = 1 << 20
SIZE = 64 * MIB


def run(*args, timeout=90):
    try:
        p = subprocess.run(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, timeout=timeout)
    except subprocess.TimeoutExpired as e:
        return -1, "timeout: %s" % e
    return p.returncode, p.stdout.decode(errors="replace")


def good(name, *args, has=None, timeout=90):
    code, out = run(*args, timeout=timeout)
    tap.ok(code == 0 and (has is None or has in out), name, "exit %s: %s" % (code, out))
    return out


def bad(name, *args, has=None, timeout=90):
    code, out = run(*args, timeout=timeout)
    tap.ok(code not in (0, -1) and (has is None or has in out), name, "exit %s: %s" % (code, out))


def uri(path):
    return "nbd+unix:///?socket=" + path


def qemu_io(path, *commands):
    args = ["qemu-io", "-f", "raw"]
    for c in commands:
        args += ["-c", c]
    return run(*args, uri(path))


def io(name, path, *commands, fails=False):
    code, out = qemu_io(path, *commands)
    wrong = "failed" in out.lower() or code != 0
    tap.ok(wrong == fails, name, "exit %s: %s" % (code, out))
    return out


def libnbd(name, path, script):
    start = 'import nbd\nh = nbd.NBD()\nh.set_strict_mode(0)\nh.connect_unix("%s")\n' % path
    good(name, PYTHON, "-c", start + script)


class Raw:
    """A client by hand, to say what the real ones never would."""

    def __init__(self, path, timeout=20):
        self.s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.s.settimeout(timeout)
        self.s.connect(path)

    def read(self, n):
        """b"" when the other side closed"""
        data = b""
        while len(data) < n:
            try:
                part = self.s.recv(n - len(data))
            except ConnectionResetError:
                return b""
            if not part:
                return b""
            data += part
        return data

    def enter(self):
        """newstyle with EXPORT_NAME and simple replies; the size"""
        assert self.read(18)[:8] == b"NBDMAGIC"
        self.s.sendall(struct.pack(">IQII", 3, 0x49484156454F5054, 1, 0))
        head = self.read(10)
        return struct.unpack(">QH", head)[0] if head else None

    def request(self, command, off, length, flags=0, cookie=1, data=b""):
        self.s.sendall(struct.pack(">IHHQQI", 0x25609513, flags, command, cookie, off, length) +
                       data)

    def reply(self):
        head = self.read(16)
        return struct.unpack(">IIQ", head)[1:] if head else None

    def closed(self):
        return self.read(1) == b""

    def close(self):
        self.s.close()


def no_client(c, volume):
    return not any(r["open"] for r in c.volume(volume)["replicas"])


def wait_in_sync(c, volume, n, timeout=40):
    wait_for(lambda: (c.volume(volume) or {}).get("in_sync") == n, timeout,
             "%s has %d copies in sync" % (volume, n))


def test_talk(path):
    out = good("nbdinfo knows the export", "nbdinfo", uri(path))
    for line in ("export-size: %d" % SIZE, "can_flush: true", "can_fua: true", "can_trim: true",
                 "can_zero: true", "can_multi_conn: true", "is_read_only: false",
                 "block_size_minimum: 512", "block_size_maximum: %d" % (32 * MIB)):
        tap.ok(line in out, "nbdinfo: " + line, out)
    good("nbdinfo --list", "nbdinfo", "--list", uri(path), has='export="db"')
    good("by name", "nbdinfo", "--size", "nbd+unix:///db?socket=" + path, has=str(SIZE))
    good("by name of the volume", "nbdinfo", "--size", "nbd+unix:///db%2F0?socket=" + path,
         has=str(SIZE))
    bad("another export is not there", "nbdinfo", "nbd+unix:///nothing?socket=" + path)
    good("qemu-img info", "qemu-img", "info", uri(path), has="64 MiB")


def test_commands(path):
    io("patterns", path, "write -P 1 0 1M", "write -P 2 1M 64k", "write -P 3 4190208 8k",
       "write -P 4 67104768 4k", "read -P 1 0 1M", "read -P 2 1M 64k", "read -P 3 4190208 8k",
       "read -P 4 67104768 4k")
    io("they are there after reopening", path, "read -P 1 0 1M", "read -P 4 67104768 4k")
    io("sectors of 512", path, "write -P 5 512 512", "read -P 1 0 512", "read -P 5 512 512",
       "read -P 1 1024 512")
    io("zeroes", path, "write -z 64k 64k", "write -z -u 256k 64k", "read -P 0 64k 64k",
       "read -P 0 256k 64k", "read -P 1 128k 128k")
    io("discard reads as zeros", path, "discard 0 8M", "read -P 0 0 8M")
    io("forced unit access and flush", path, "write -f -P 6 0 4k", "write -z -f 4k 4k", "flush",
       "read -P 6 0 4k")
    io("many at a time", path, *["aio_write -P %d %dM 1M" % (i + 10, i) for i in range(32)],
       "aio_flush", *["read -P %d %dM 1M" % (i + 10, i) for i in range(32)])
    io("past the end", path, "read 67108864 4k", fails=True)


SCRIPTS = {
    "structured replies": """
assert h.get_structured_replies_negotiated()
b = bytes(range(256)) * 4096
h.pwrite(b, 512 * 7)
assert h.pread(len(b), 512 * 7) == b
""",
    "the largest request": """
b = b"xyz!" * (8 << 20)
h.pwrite(b, 4096)
assert h.pread(len(b), 4096) == b
h.trim(60 << 20, 0)
assert h.pread(32 << 20, 0) == bytes(32 << 20)
""",
    "errors have numbers and the session goes on": """
import errno
def fails(code, f, *args):
    try:
        f(*args)
    except nbd.Error as e:
        assert e.errnum == code, (e.errnum, code)
        return
    assert False, "it did not fail"
end = h.get_size()
fails(errno.EINVAL, h.pread, 512, end)
fails(errno.ENOSPC, h.pwrite, bytes(512), end)
fails(errno.ENOSPC, h.zero, 1024, end - 512)
fails(errno.EINVAL, h.trim, 1024, end - 512)
fails(errno.EINVAL, h.pread, 100, 0)
fails(errno.EINVAL, h.pwrite, bytes(512), 1)
fails(errno.EINVAL, h.cache, 4096, 0)
fails(errno.EINVAL, h.pread, 512, 0, 1 << 2)
h.pwrite(b"a" * 512, 0)
assert h.pread(512, 0) == b"a" * 512
""",
    "zero with and without a hole": """
h.pwrite(b"b" * 65536, 0)
h.zero(16384, 0, nbd.CMD_FLAG_NO_HOLE)
h.zero(16384, 32768)
h.zero(16384, 49152, nbd.CMD_FLAG_FUA)
d = h.pread(65536, 0)
assert d == bytes(16384) + b"b" * 16384 + bytes(32768)
""",
    "many requests on one connection": """
import random
r = random.Random(4)
want = {}
bufs = []
for i in range(2000):
    block = r.randrange(4096)
    data = bytes([r.randrange(256)]) * 4096
    if block in want:
        continue
    want[block] = data
    bufs.append(nbd.Buffer.from_bytearray(bytearray(data)))
    h.aio_pwrite(bufs[-1], block * 4096)
    while h.aio_in_flight() > 100:
        h.poll(-1)
while h.aio_in_flight():
    h.poll(-1)
h.flush()
for block, data in want.items():
    assert h.pread(4096, block * 4096) == data
""",
}


def test_two_connections(path):
    script = """
h2 = nbd.NBD()
h2.connect_unix("%s")
assert h.can_multi_conn()
h.pwrite(b"c" * 4096, 8192)
h2.flush()
assert h2.pread(4096, 8192) == b"c" * 4096
h.shutdown()
h2.pwrite(b"d" * 4096, 8192)
assert h2.pread(4096, 8192) == b"d" * 4096
""" % path
    libnbd("two connections see one volume", path, script)


def test_simple_replies(path):
    r = Raw(path)
    tap.eq(r.enter(), SIZE, "EXPORT_NAME tells the size")
    r.request(1, 0, 4096, cookie=7, data=b"s" * 4096)
    tap.eq(r.reply(), (0, 7), "simple reply to a write")
    r.request(0, 0, 4096, cookie=8)
    tap.eq(r.reply(), (0, 8), "simple reply to a read")
    tap.eq(r.read(4096), b"s" * 4096, "and its data")
    r.request(99, 0, 512, cookie=9)
    tap.eq(r.reply(), (22, 9), "an unknown command is EINVAL")
    r.request(0, 0, 512, cookie=10)
    r.request(2, 0, 0, cookie=11)
    tap.eq(r.reply(), (0, 10), "what was asked before DISC is answered")
    r.read(512)
    tap.ok(r.closed(), "DISC ends the connection")
    r.close()


def test_garbage(path):
    for name, data in (("HTTP", b"GET / HTTP/1.1\r\n\r\n" * 4), ("zeros", bytes(4096)),
                       ("unknown flags", b"\xff\xff\xff\xff"),
                       ("option without magic", struct.pack(">I", 3) + b"q" * 64),
                       ("an old client that sends nothing right", b"NBDMAGIC" * 64)):
        r = Raw(path)
        r.read(18)
        try:
            r.s.sendall(data)
        except OSError:
            pass
        tap.ok(r.closed(), "garbage: %s: closed" % name)
        r.close()
    r = Raw(path)
    r.enter()
    r.s.sendall(b"this is not a request, not at all")
    tap.ok(r.closed(), "garbage instead of a request: closed")
    r.close()
    io("and the volume still serves", path, "write -P 9 0 4k", "read -P 9 0 4k")


def test_killed(path, c):
    io("before a kill", path, "write -P 20 0 16M", "flush")
    p = subprocess.Popen(["qemu-io", "-f", "raw", uri(path)], stdin=subprocess.PIPE,
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    p.stdin.write(b"".join(b"aio_write -P 21 %dk 1M\n" % (i * 1024) for i in range(16)))
    p.stdin.flush()
    time.sleep(0.2)
    p.kill()
    p.wait()
    r = Raw(path)
    r.enter()
    r.request(1, 0, 4 * MIB, data=b"x" * (MIB + 1000))
    r.close()
    wait_for(lambda: no_client(c, "db"), 10, "the volume is closed after its client was killed")
    tap.ok(True, "closed after clients were killed in the middle of writes")
    io("and opens again", path, "write -P 22 0 16M", "read -P 22 0 16M")


def digest(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        for block in iter(lambda: f.read(MIB), b""):
            h.update(block)
    return h.hexdigest()


def test_copy(c, paths):
    image, back = os.path.join(c.root, "image"), os.path.join(c.root, "back")
    with open(image, "wb") as f:
        f.write(os.urandom(SIZE))
    good("nbdcopy in", "nbdcopy", "--flush", image, uri(paths[0]))
    good("nbdcopy out on another node", "nbdcopy", uri(paths[1]), back)
    tap.eq(digest(back), digest(image), "what came back is what went in")
    good("qemu-img compare", "qemu-img", "compare", "-f", "raw", "-F", "raw", image,
         uri(paths[0]))
    good("qemu-img convert", "qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", image,
         uri(paths[1]))
    good("nbdcopy with connections of its own choice", "nbdcopy", "--connections=4",
         uri(paths[0]), back)
    tap.eq(digest(back), digest(image), "the same by qemu-img and several connections")


def test_second_node(c, paths):
    r = Raw(paths[0])
    r.enter()
    r.request(1, 0, 512, data=b"f" * 512)
    r.reply()
    begin = time.monotonic()
    code, out = run("nbdinfo", uri(paths[1]))
    tap.ok(code != 0, "a second node is refused while the first has it open", out)
    tap.ok(time.monotonic() - begin < 25, "and hears it within the deadline")
    code, out = qemu_io(paths[1], "read 0 4k")
    tap.ok("in use on node n1" in out, "it is told who has it", out)
    r.request(0, 0, 512, cookie=3)
    tap.eq(r.reply(), (0, 3), "the first has not noticed")
    tap.eq(r.read(512), b"f" * 512, "and reads its data")
    r.close()
    wait_for(lambda: no_client(c, "db"), 10, "closed on the first")
    io("then the second gets it", paths[1], "read -P 102 0 512", "write -P 2 0 512")
    io("and the first again", paths[0], "read -P 2 0 512")


class Writer(threading.Thread):
    """Writes numbered blocks until stopped; remembers what was acknowledged."""

    def __init__(self, path):
        super().__init__()
        self.raw = Raw(path, timeout=60)
        self.raw.enter()
        self.acked = {}
        self.pending = (0, b"")  # sent last: may be there or not when it was not acknowledged
        self.longest = 0.0
        self.error = None
        self.stopped = False

    def run(self):
        n = 0
        try:
            while not self.stopped:
                n += 1
                block = n * 37 % 4096
                data = struct.pack(">Q", n) * 512
                self.pending = (block, data)
                begin = time.monotonic()
                self.raw.request(1, block * 4096, 4096, cookie=n, data=data)
                answer = self.raw.reply()
                self.longest = max(self.longest, time.monotonic() - begin)
                if answer != (0, n):
                    self.error = "write %d: %r" % (n, answer)
                    return
                self.acked[block] = data
        except OSError as e:
            self.error = str(e)

    def finish(self):
        self.stopped = True
        self.join(90)
        self.raw.close()


def verify(name, path, acked, pending=(0, b"")):
    r = Raw(path, timeout=60)
    size = r.enter()
    wrong = []
    for block, data in acked.items() if size else []:
        r.request(0, block * 4096, 4096)
        answer = r.reply()
        got = r.read(4096) if answer and not answer[0] else b""
        if got != data and (block, got) != pending:
            wrong.append(block)
    r.close()
    tap.ok(size and not wrong, name, "%d of %d blocks wrong: %s" %
           (len(wrong), len(acked), wrong[:10]))


def test_member_dies(c, paths):
    wait_in_sync(c, "db", 2)
    w = Writer(paths[0])
    w.start()
    time.sleep(1)
    c.node("n2").kill()
    time.sleep(4)
    tap.ok(w.error is None, "writes go on after a member was killed", w.error)
    c.node("n2").start()
    wait_in_sync(c, "db", 2)
    time.sleep(0.5)
    w.finish()
    tap.ok(w.error is None, "and while it catches up", w.error)
    tap.ok(len(w.acked) > 100, "%d blocks written" % len(w.acked))
    tap.ok(w.longest < 5, "the longest write took %.2f s" % w.longest)
    verify("all is there", paths[0], w.acked)
    verify("all is there when read through the other node", paths[1], w.acked)
    return w.acked


def test_writer_dies(c, paths, acked):
    wait_in_sync(c, "db", 2)
    w = Writer(paths[0])
    w.start()
    time.sleep(1.5)
    c.node("n1").kill()
    w.finish()
    tap.ok(w.error is not None, "the client of a killed node notices")
    begin = time.monotonic()
    io("the other node takes over", paths[1], "read 0 4k")
    tap.note("opened and read %.1f s after the writer's node died" % (time.monotonic() - begin))
    tap.ok(time.monotonic() - begin < 12, "within 12 s")
    acked = dict(acked)
    acked.update(w.acked)
    verify("nothing that was acknowledged is lost", paths[1], acked, w.pending)
    c.node("n1").start()
    wait_in_sync_open(c, paths[1])
    verify("nor after the old writer has come back", paths[0], acked, w.pending)


def wait_in_sync_open(c, path):
    """a copy catches up while the volume is open somewhere"""
    r = Raw(path, timeout=60)
    r.enter()
    wait_in_sync(c, "db", 2)
    tap.ok(True, "the old writer's copy catches up")
    r.close()


def main():
    with Cluster(3) as c:
        made = c.any().cli("volume", "create", "db", "64M", "--nodes", "n1,n2")
        if not tap.ok(made.code == 0, "volume create", made):
            tap.done()
        paths = [wait_for(lambda n=n: n.nbd_socket("db"), 20, "socket on %s" % n.name)
                 for n in c.nodes[:2]]
        tap.eq(os.stat(paths[0]).st_mode & 0o777, 0o600, "the socket is its owner's alone")
        test_talk(paths[0])
        wait_in_sync(c, "db", 2)
        test_commands(paths[0])
        for name, script in SCRIPTS.items():
            libnbd(name, paths[0], script)
        test_two_connections(paths[0])
        test_simple_replies(paths[0])
        test_garbage(paths[0])
        test_killed(paths[0], c)
        test_copy(c, paths)
        test_second_node(c, paths)
        acked = test_member_dies(c, paths)
        test_writer_dies(c, paths, acked)
        for node in c.nodes:
            tap.eq(node.stop(), 0, "%s stops in order" % node.name)
    tap.done()


main()
