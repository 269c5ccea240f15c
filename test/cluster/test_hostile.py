#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_hostile.py - what others get wrong, with real daemons: peers of another cluster, version,
volume and slot on the data port, garbage on every socket, files that are damaged, foreign,
short or of another size, a state directory without room. Each gives a sentence in the log or in the
status, the daemon goes on, and the content of the volume stays as it was."""
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "soak"))
from cluster import PYTHON, Cluster, Tap, have_libnbd, need_sdsd, wait_for  # noqa: E402
import place  # noqa: E402
from workload import socket_of  # noqa: E402

SIZE = 20 << 20  # FILL writes 16 MiB: extents that are not in the hot log are needed, too
PAGE = 4096
VERSION, CLUSTER, RESOURCE, SLOT, NOT_READY = 1, 2, 3, 4, 5
LABEL, STATE, HOT, MAP = 0, 2 * PAGE, 4 * PAGE, 6 * PAGE
tap = Tap()

FILL = """
import nbd, random, sys
h = nbd.NBD(); h.connect_unix(sys.argv[1])
r = random.Random(4711)
for i in range(64):
    h.pwrite(r.randbytes(65536), i * 262144)
h.flush(); h.shutdown()
"""
FILL_HOLES = FILL.replace("i * 262144", "i * 262144 + 131072")
READ = """
import hashlib, nbd, sys
h = nbd.NBD(); h.connect_unix(sys.argv[1])
s = hashlib.sha256()
for off in range(0, h.get_size(), 1 << 20):
    s.update(h.pread(1 << 20, off))
print(s.hexdigest()); h.shutdown()
"""


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def nbd_run(script, node, name="db"):
    path = wait_for(lambda: socket_of(node, name), 20, "socket of %s on %s" % (name, node.name))
    r = subprocess.run([PYTHON, "-c", script, path], capture_output=True, text=True, timeout=60)
    if r.returncode:
        raise RuntimeError("NBD on %s: %s" % (node.name, r.stderr))
    return r.stdout.strip()


class Log:
    """what a daemon says from now on"""

    def __init__(self, node):
        self.node, self.at = node, len(node.log())

    def says(self, text, name, timeout=10):
        try:
            wait_for(lambda: text in self.node.log()[self.at:], timeout)
            return tap.ok(True, name)
        except Exception:
            return tap.ok(False, name, "%r is not in the log:\n%s" %
                          (text, self.node.log()[self.at:][-1500:]))


# ---- the data port ----

class Peer:
    """A data link by hand, with the certificate of a node."""

    def __init__(self, to, certificates, alpn="sdsd-data/1"):
        ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        ctx.check_hostname, ctx.verify_mode = False, ssl.CERT_NONE
        ctx.set_alpn_protocols([alpn])
        d = certificates.dir
        ctx.load_cert_chain(os.path.join(d, "node.pem"), os.path.join(d, "node.key"))
        self.s = ctx.wrap_socket(socket.create_connection(("127.0.0.1", to.port), timeout=10))

    def send(self, data):
        self.s.sendall(data)

    def read(self, n):
        """b"" when the other side closed"""
        data = b""
        try:
            while len(data) < n:
                part = self.s.recv(n - len(data))
                if not part:
                    break
                data += part
        except (ConnectionError, ssl.SSLError):
            pass
        return data


def greeting(version=1, purpose=1, source=0, to=0, cluster=b"", resource=b""):
    g = struct.pack("<4sIBBBBI16s16sQ68x", b"SDSD", version, purpose, 0, source, to, 0, cluster,
                    resource, 4711)
    return g + struct.pack("<I", crc32c(g))


def ids(c):
    """uuids of cluster and volume, and the slots of the nodes"""
    with open(os.path.join(c.nodes[0].dir, "identity.json")) as f:
        cluster = uuid.UUID(json.load(f)["cluster"]).bytes
    volume = c.any().get("/v1/resource-definitions/db")
    slots = {r["node_name"]: r["layer_object"]["drbd"]["node_id"]
             for r in c.any().get("/v1/resource-definitions/db/resources")}
    return cluster, uuid.UUID(volume["uuid"]).bytes, slots


def greetings(c):
    n1, _, n3 = c.nodes
    cluster, volume, slots = ids(c)
    good = {"cluster": cluster, "resource": volume, "source": slots["n3"], "to": slots["n1"]}
    rows = [  # name, what is different, status, words in the log of n1
        ("another version", {"version": 9}, VERSION, "speaks another version"),
        ("a purpose that is unknown", {"purpose": 77}, VERSION, "speaks another version"),
        ("another cluster", {"cluster": bytes(16)}, CLUSTER, "belongs to another cluster"),
        ("a volume that is not here", {"resource": bytes(16)}, RESOURCE, None),
        ("a slot that is nobody's", {"source": 13}, SLOT, None),
        ("a slot out of all bounds", {"source": 255}, SLOT, None),
        ("the slot of somebody else", {"source": slots["n2"]}, SLOT, "claims to be node n2"),
        ("another receiver", {"to": slots["n3"]}, SLOT, None),
    ]
    for name, different, status, words in rows:
        time.sleep(1.1 if words else 0)  # complaints about links have a limit for each second
        log, p = Log(n1), Peer(n1, n3)
        p.send(greeting(**dict(good, **different)))
        answer = p.read(128)
        tap.eq((len(answer), answer[9:10]), (128, bytes([status])), "greeting with %s" % name)
        tap.eq(p.read(1), b"", "and it hangs up")
        if words:
            log.says(words, "and says so: %s" % words)
    bad = bytearray(greeting(**good))
    bad[20] ^= 1
    for name, data in (("a wrong checksum", bytes(bad)), ("noise", os.urandom(128))):
        time.sleep(1.1)
        log, p = Log(n1), Peer(n1, n3)
        p.send(data)
        tap.eq(p.read(1), b"", "a greeting of %s has no answer" % name)
        log.says("sends no greeting but something else", "and is told")
    log, p = Log(n1), Peer(n1, n3)
    p.send(greeting(**good))
    tap.eq(p.read(128)[9:10], b"\0", "a good greeting is welcome")
    p.send(os.urandom(64 * 20))
    while p.read(4096):
        pass
    log.says("sends what is no message, hanging up", "noise behind it ends the link")
    p = Peer(n1, n3)
    p.send(greeting(**good)[:60])
    began = time.monotonic()
    tap.ok(p.read(1) == b"" and time.monotonic() - began < 8, "half a greeting is waited for 5 s")


def foreign_cluster(c):
    n1 = c.nodes[0]
    with Cluster(1, pools=False, name="other") as other:
        for alpn in ("sdsd-data/1", "sdsd-raft/1", "http/1.1"):
            log = Log(n1)
            try:
                p = Peer(n1, other.nodes[0], alpn)
                p.send(greeting())
                got = p.read(128)
            except (OSError, ssl.SSLError):
                got = b""
            tap.eq(got, b"", "a node of another cluster gets nothing over %s" % alpn)
            log.says("refused: ", "and is refused in the log")
        log = Log(n1)
        fd = socket.create_connection(("127.0.0.1", n1.port))
        ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        ctx.check_hostname, ctx.verify_mode = False, ssl.CERT_NONE
        ctx.set_alpn_protocols(["sdsd-data/1"])
        try:
            s = ctx.wrap_socket(fd)
            s.sendall(greeting())
            got = s.recv(128)
        except OSError:
            got = b""
        tap.eq(got, b"", "nobody gets in without a certificate")


# ---- garbage ----

def throw(address, data, linger=0.0):
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    s = socket.socket(family, socket.SOCK_STREAM)
    s.settimeout(2)
    try:
        s.connect(address)
        s.sendall(data)
        time.sleep(linger)
    except OSError:
        pass
    return s


def garbage(c):
    n1 = c.nodes[0]
    rnd = random.Random(4711)
    starts = [b"", b"GET / HTTP/1.1\r\n", b"NBDMAGICIHAVEOPT", b"IHAVEOPT" + bytes(12),
              b"\x16\x03\x01\x02\x00\x01", b"SDSD", b"POST /v1/nodes HTTP/1.1\r\nContent-Length: 9",
              b"\x00\x00\x00\x03IHAVEOPT\x00\x00\x00\x07\xff\xff\xff\xff"]
    for name, address in (("node port", ("127.0.0.1", n1.port)), ("API socket", n1.socket),
                          ("NBD socket", socket_of(n1, "db"))):
        held = []
        for i in range(150):
            data = rnd.choice(starts) + rnd.randbytes(rnd.choice([0, 1, 20, 300, 70000]))
            s = throw(address, data)
            held.append(s) if i % 5 == 0 else s.close()
        tap.ok(n1.alive() and n1.answers(), "noise on the %s, 150 times" % name)
        for s in held:
            s.close()


# ---- files ----

def edit(path, off, data):
    with open(path, "r+b") as f:
        f.seek(off)
        f.write(data)


def page_with(path, off, changes):
    """a page with other bytes at these places and a checksum that fits"""
    with open(path, "rb") as f:
        f.seek(off)
        page = bytearray(f.read(PAGE))
    for at, data in changes.items():
        page[at:at + len(data)] = data
    page[12:16] = bytes(4)
    page[12:16] = struct.pack("<I", crc32c(page))
    return bytes(page)


def both(path, changes):
    for copy in range(2):
        edit(path, LABEL + copy * PAGE, page_with(path, LABEL + copy * PAGE, changes))


def files(c, want):
    """The copy on n2 is spoilt in one way after the other. Its node says how; when the right file is
    back it goes on by itself; n1 has the content all the time."""
    n1, n2, _ = c.nodes
    data, meta = (os.path.join(n2.pool_dir, "db_00000" + x) for x in ("", ".meta"))
    other = os.path.join(n2.pool_dir, "other_00000.meta")
    cases = [
        ("the metadata of another volume", lambda: shutil.copyfile(other, meta),
         "db_00000.meta belongs to another replica"),
        ("both labels damaged", lambda: edit(meta, LABEL, os.urandom(2 * PAGE)),
         "is damaged or not of sdsd"),
        ("both copies of the state damaged", lambda: edit(meta, STATE, os.urandom(2 * PAGE)),
         "both copies of the replica's state are damaged"),
        ("metadata of zeros", lambda: edit(meta, 0, bytes(MAP)),
         "is damaged or not of sdsd"),
        ("both copies of the hot log damaged", lambda: edit(meta, HOT, os.urandom(2 * PAGE)),
         "both copies of the hot log are damaged"),
        ("metadata of a newer version", lambda: both(meta, {4: struct.pack("<I", 9)}),
         "newer version"),
        ("metadata of another size", lambda: both(meta, {104: struct.pack("<Q", SIZE * 2)}),
         "has %d bytes, %d expected" % (SIZE, SIZE * 2)),
        ("metadata that is cut short", lambda: os.truncate(meta, MAP + 100), "cut short"),
        ("empty metadata", lambda: os.truncate(meta, 0), "is damaged or not of sdsd"),
        ("data that is too short", lambda: os.truncate(data, SIZE - 4096),
         "has %d bytes, %d expected" % (SIZE - 4096, SIZE)),
        ("no data", lambda: os.unlink(data), "db_00000"),
        ("no metadata", lambda: os.unlink(meta), "db_00000.meta"),
    ]
    for name, spoil, words in cases:
        wait_for(lambda: c.volume("db")["in_sync"] == 2, 60, "in sync before: %s" % name)
        n2.stop()
        for f in (data, meta):
            shutil.copyfile(f, f + ".right")
        spoil()
        log = Log(n2)
        n2.start()

        def error():
            return [r["error"] for r in c.volume("db")["replicas"]
                    if r["node"] == "n2" and words in r["error"]]
        try:
            wait_for(error, 20)
            tap.ok(words in c.volume("db")["reason"] or "n2 failed" in c.volume("db")["reason"],
                   "%s: the status tells" % name, c.volume("db"))
        except Exception:
            tap.ok(False, "%s: the status tells %r" % (name, words),
                   json.dumps(c.volume("db")) + "\n" + n2.log()[log.at:][-1000:])
        tap.eq(nbd_run(READ, n1), want, "and n1 has the content")
        for f in (data, meta):
            os.replace(f + ".right", f)


def small_damage(c, want):
    """damage that the format is made for"""
    n1, n2, _ = c.nodes
    data, meta = (os.path.join(n2.pool_dir, "db_00000" + x) for x in ("", ".meta"))
    cases = [
        ("one label damaged", lambda: edit(meta, LABEL, os.urandom(PAGE)), None),
        ("one copy of the state damaged", lambda: edit(meta, STATE, os.urandom(PAGE)), None),
        ("one copy of the hot log damaged", lambda: edit(meta, HOT + PAGE, os.urandom(PAGE)), None),
        ("the epoch map damaged", lambda: edit(meta, MAP, os.urandom(PAGE)),
         "damaged pages of the epoch map"),
    ]
    for name, spoil, words in cases:
        wait_for(lambda: c.volume("db")["in_sync"] == 2, 60, "in sync before: %s" % name)
        n2.stop()
        spoil()
        log = Log(n2)
        n2.start()
        tap.eq(nbd_run(READ, n1), want, "%s: n1 has the content" % name)
        wait_for(lambda: c.volume("db")["in_sync"] == 2, 60, "in sync: %s" % name)
        if words:  # found when it is read, to catch up
            log.says(words, "%s: the log tells" % name)
        with open(data, "rb") as f:
            tap.eq(hashlib.sha256(f.read()).hexdigest(), want, "and n2 too, in sync")


NO_SPACE = "n2: no space left in pool pool (data write: No space left on device)"


def full_pool(c, ground):
    """one copy has no room: the others go on, the status says whose disk it was, room mends it"""
    n1, n2, _ = c.nodes
    wait_for(lambda: c.volume("db")["in_sync"] == 2, 60, "in sync before its pool is full")
    log = Log(n2)
    ground.fill(n2.pool_dir, 0)
    nbd_run(FILL_HOLES, n1)
    want = nbd_run(READ, n1)
    log.says("No space left", "n2 logs which operation found no room")

    def told():
        v = c.volume("db")
        return v["next"].startswith("extend that pool; n2 tries again by itself") and \
            v["reason"] == NO_SPACE and \
            v["in_sync"] == 1
    try:
        wait_for(told, 10)
        tap.ok(True, "the status says whose pool is full, and what to do")
    except Exception:
        tap.ok(False, "the status says whose pool is full, and what to do", c.volume("db"))
    last_copy(c)
    # it has been tried once while there was no room; the next time comes later
    log.says("its disk is tried again", "n2 tries its disk again by itself", 30)
    log = Log(n2)
    ground.drain(n2.pool_dir)
    log.says("its disk is tried again", "and once more", 60)
    wait_for(lambda: c.volume("db")["in_sync"] == 2, 60, "in sync when there is room")
    with open(os.path.join(n2.pool_dir, "db_00000"), "rb") as f:
        tap.eq(hashlib.sha256(f.read()).hexdigest(), want, "and n2 has all that was written")
    n2.stop()
    n2.start()
    wait_for(lambda: c.volume("solo")["verdict"] == "safe", 20, "the only copy is good again")
    tap.ok(nbd_run(READ, n2, "solo") != "", "and is read after a restart")
    wait_for(lambda: not any(r["open"] for r in c.volume("solo")["replicas"]), 10, "solo is closed")
    r = c.any().cli("volume", "delete", "solo")
    tap.ok(r.code == 0, "and deleted", r)
    return want


def last_copy(c):
    """the pool is full: the only copy of another volume fails under its application"""
    n2 = c.nodes[1]
    began = time.monotonic()
    try:
        nbd_run(FILL, n2, "solo")
        tap.ok(False, "a write for that there is no room fails")
    except RuntimeError as e:
        tap.ok("Input/output error" in str(e), "a write for that there is no room fails", e)
    took = time.monotonic() - began
    tap.ok(took < 30, "it does not hang", "%.1f s" % took)
    try:
        v = wait_for(lambda: [v for v in [c.volume("solo")] if "restart sdsd on n2" in v["next"] and
                              not any(r["open"] for r in v["replicas"])], 10)[0]
        tap.ok(v["verdict"] == "unavailable" and
               v["reason"] == NO_SPACE,
               "the volume is closed, the status says why and what to do", v)
    except Exception:
        tap.ok(False, "the volume is closed, the status says why and what to do", c.volume("solo"))


def full_state(c, ground):
    """no room for the Raft log or the store: refused in words or an end with a reason, and back"""
    n2 = c.nodes[1]
    log = Log(n2)
    ground.fill(n2.dir, 0)
    made = []
    for i in range(60):
        r = c.nodes[0].cli("volume", "create", "v%d" % i, "4M", "--copies", "1", "--nodes", "n1",
                           timeout=30)
        if r.code == 0:
            made.append("v%d" % i)
        if not n2.alive():
            break
    said = n2.log()[log.at:]
    tap.ok(n2.alive() or n2.process.returncode == 1, "n2 goes on or ends in order",
           "%s\n%s" % (n2.process.returncode, said[-1000:]))
    reason = [l for l in said.splitlines() if " error " in l and "space" in l]
    tap.ok(n2.alive() or reason, "with a reason in its log", said[-1000:])
    tap.note("n2 goes on" if n2.alive() else "n2 has ended: %s" % reason[:1])
    tap.ok(len(made) == i + 1, "the other two are a majority: all %d volumes were made" % (i + 1))
    if not n2.alive():  # the service manager tries again and again
        log = Log(n2)
        n2.start(wait=False)
        time.sleep(3)
        tap.ok(n2.alive() or n2.process.returncode == 1 and " error " in n2.log()[log.at:],
               "started without room it runs, or ends in order again", n2.log()[log.at:][-1000:])
        tap.note("started without room n2 %s" % ("runs" if n2.alive() else "ends"))
    ground.drain(n2.dir)
    if not n2.alive():
        n2.start()
    c.wait_online()
    names = lambda n: {d["name"] for d in n.get("/v1/resource-definitions")}
    wait_for(lambda: set(made) <= names(n2), 20, "n2 knows all volumes")
    tap.ok(True, "n2 is back and knows all %d volumes" % len(made))


def main():
    need_sdsd()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # mounts must not stay
    if not have_libnbd():
        print("1..0 # SKIP python3-libnbd is missing")
        sys.exit(77)
    ground = place.Place("tmpfs" if place.can_mount() else "none")
    with Cluster(3, prepare=ground.prepare, cleanup=ground.close) as c:
        n1 = c.nodes[0]
        for name in ("db", "other"):
            r = c.any().cli("volume", "create", name, "20M", "--nodes", "n1,n2")
            tap.ok(r.code == 0, "volume create %s" % name, r)
        r = c.any().cli("volume", "create", "solo", "16M", "--nodes", "n2")
        tap.ok(r.code == 0, "volume create solo", r)
        r = c.any().cli("volume", "attach", "db", "n3")
        tap.ok(r.code == 0, "n3 is a client", r)
        nbd_run(FILL, n1)
        want = nbd_run(READ, n1)
        greetings(c)
        foreign_cluster(c)
        garbage(c)
        tap.eq(nbd_run(READ, n1), want, "the content is as it was")
        files(c, want)
        small_damage(c, want)
        if ground.kind != "none":
            want = full_pool(c, ground)
            full_state(c, ground)
        tap.eq(nbd_run(READ, c.nodes[2]), want, "the content is as it was, read on the client")
        if tap.failed:
            c.keep = True
    tap.done()


main()
