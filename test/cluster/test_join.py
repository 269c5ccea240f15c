#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_join.py - growing a cluster and refusing to: tokens, names, a hostile node port, a second
daemon, damaged files, pools that cannot be used. Called by meson (suite cluster)."""
import glob
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time

from cluster import SDSD, Cluster, Tap, free_port, need_sdsd, run_cli, wait_for

UUID0 = "00000000-0000-4000-8000-000000000000"


def join(cluster, peer, token, name, address=None, directory=None, wait="5", env=None, extra=()):
    directory = directory or os.path.join(cluster.root, "join-" + name)
    args = ["join", peer, "--dir", directory, "--name", name, "--wait", wait,
            "--address", address or "127.0.0.1:%d" % free_port()]
    if token is not None:
        args += ["--token", token]
    return run_cli(*args, *extra, env=env)


def refused(tap, r, words, name):
    """exit 1, one sentence with these words, within it no secret"""
    text = r.err.lower()
    tap.ok(r.code == 1 and len(r.err.strip().splitlines()) <= 2 and
           any(w in text for w in words), name, repr(r))


def fresh_token(cluster, *args):
    return cluster.any().cli_json("token", "create", *args)["token"]


def tokens(tap, c):
    n1, n2 = c.nodes[0], c.nodes[1]
    good = fresh_token(c)
    start, ident, secret, fingerprint = good.split("-")
    wrong = "-".join((start, ident, "0" * len(secret), fingerprint))
    refused(tap, join(c, n1.address, wrong, "nx"), ["secret", "token"], "wrong secret is refused")
    unknown = "-".join((start, "00000000", secret, fingerprint))
    refused(tap, join(c, n1.address, unknown, "nx"), ["token"], "unknown token is refused")
    other_ca = "-".join((start, ident, secret, "ab" * 32))
    t = time.monotonic()
    r = join(c, n1.address, other_ca, "nx", wait="20")
    refused(tap, r, ["fingerprint", "certificate", "authority"], "another CA is refused")
    tap.ok(time.monotonic() - t < 10, "and is not tried again and again")
    r = join(c, n1.address, "sds1-short", "nx")
    tap.ok(r.code == 1 and "token" in r.err, "a cut token is refused", repr(r))
    r = join(c, n1.address, None, "nx")
    tap.ok(r.code == 2 and "token" in r.err, "no token at all is a wrong command line", repr(r))
    short = fresh_token(c, "--ttl", "1s")
    time.sleep(1.3)
    refused(tap, join(c, n1.address, short, "nx"), ["expired"], "expired token is refused")
    # the same that was refused with other secrets still works, through the other node
    joined = os.path.join(c.root, "joined")
    r = join(c, n2.address, "  %s\n" % good, "n3", directory=joined)
    tap.ok(r.code == 0 and "member" in r.out, "join through a follower", repr(r))
    r = join(c, n1.address, good, "n4")
    refused(tap, r, ["used"], "a used token is refused")
    r = join(c, n1.address, good, "n3", directory=joined)
    tap.ok(r.code == 0 and "already" in r.out, "joining again says so", repr(r))
    return joined


def names(tap, c):
    n1 = c.nodes[0]
    refused(tap, join(c, n1.address, fresh_token(c), "N2"), ["n2", "exists"],
            "a name that is taken in another case is refused")
    r = join(c, n1.address, fresh_token(c), "bad name")
    tap.ok(r.code == 1 and "name" in r.err, "a name with a blank is refused", repr(r))
    r = join(c, n1.address, fresh_token(c), "n9", address="localhost")
    tap.ok(r.code == 1 and "literal" in r.err, "an address that is a name is refused", repr(r))
    # who had the name taken keeps its token: the same one works under another name
    token = fresh_token(c)
    refused(tap, join(c, n1.address, token, "n1"), ["n1", "exists"], "a taken name is refused")
    r = join(c, n1.address, token, "n5")
    tap.ok(r.code == 0, "and has not used the token up", repr(r))
    os.environ["SDSD_TOKEN"] = fresh_token(c)
    r = join(c, n1.address, None, "n6")
    del os.environ["SDSD_TOKEN"]
    tap.ok(r.code == 0, "token from the environment", repr(r))
    path = os.path.join(c.root, "token")
    with open(path, "w") as f:
        f.write(fresh_token(c) + "\n")
    r = join(c, n1.address, None, "n7", extra=("--token-file", path))
    tap.ok(r.code == 0, "token from a file", repr(r))
    for name in ("n5", "n6", "n7"):
        c.any().cli("node", "delete", name)


def peers(tap, c):
    t = time.monotonic()
    r = join(c, "127.0.0.1:%d" % free_port(), fresh_token(c), "nx", wait="2")
    spent = time.monotonic() - t
    tap.ok(r.code == 1 and "refused" in r.err.lower() and 1.5 < spent < 8,
           "an unreachable peer is tried until --wait is over", "%.1f s %r" % (spent, r))
    port = free_port()
    token = fresh_token(c)
    # a forwarder that appears late stands for a first node that boots late
    p = subprocess.Popen([SDSD, "join", "127.0.0.1:%d" % port, "--token", token, "--dir",
                          os.path.join(c.root, "late"), "--name", "late", "--address",
                          "127.0.0.1:%d" % free_port(), "--wait", "20"],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    time.sleep(1)
    forward = subprocess.Popen([sys.executable, "-c", FORWARD, str(port), str(c.nodes[0].port)])
    out = p.communicate(timeout=40)[0].decode()
    forward.kill()
    forward.wait()
    tap.ok(p.returncode == 0, "a peer that comes up later is found", out)
    c.any().cli("node", "delete", "late")


FORWARD = """
import socket, sys, threading
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1]))); s.listen(8)
def pump(a, b):
    try:
        while True:
            data = a.recv(65536)
            if not data: break
            b.sendall(data)
    except OSError: pass
    for x in (a, b):
        try: x.shutdown(socket.SHUT_RDWR)
        except OSError: pass
while True:
    a, _ = s.accept()
    b = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
    threading.Thread(target=pump, args=(a, b), daemon=True).start()
    threading.Thread(target=pump, args=(b, a), daemon=True).start()
"""


def tls(node, alpn):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([alpn])
    raw = socket.create_connection(("127.0.0.1", node.port), timeout=5)
    return context.wrap_socket(raw)


def exchange(s, data):
    """sends; returns what came until the other end closed or was silent"""
    got = b""
    s.settimeout(3)
    try:
        s.sendall(data)
        while True:
            part = s.recv(65536)
            if not part:
                break
            got += part
    except OSError:
        pass
    s.close()
    return got


def post(path, body, length=None):
    head = "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    return (head % (path, len(body) if length is None else length)).encode() + body


def hostile(tap, c):
    n1 = c.nodes[0]
    for what in (b"GET / HTTP/1.0\r\n\r\n", os.urandom(4096), b"\x16\x03\x01\x40\x00" + b"A" * 500,
                 b"\x16\x03\x01", b""):
        s = socket.create_connection(("127.0.0.1", n1.port), timeout=5)
        exchange(s, what)
    tap.ok(n1.answers(), "garbage instead of TLS is survived")
    idle = [socket.create_connection(("127.0.0.1", n1.port), timeout=5) for _ in range(50)]
    tap.ok(n1.answers() and c.nodes[1].http("GET", "/v1/nodes").status == 200,
           "50 connections that say nothing are survived")
    for s in idle:
        s.close()
    for alpn in ("http/1.1", "sdsd-raft/1", "sdsd-data/1"):
        try:
            got = exchange(tls(n1, alpn), post("/v1/sds/report", b"{}"))
        except OSError:
            got = b""
        tap.ok(b" 200 " not in got[:20], "%s without a certificate gets nothing" % alpn, got[:200])
    bodies = [b"", b"{", b"[]", b"null", b"{\"token_id\":1}", b"\xff\xfe", b"[" * 5000,
              b"{\"token_id\":\"00000000\",\"token_secret\":\"\",\"node\":\"nx\",\"uuid\":\"%s\","
              b"\"address\":\"127.0.0.1\",\"port\":7700,\"csr_pem\":\"x\"}" % UUID0.encode()]
    for body in bodies:
        got = exchange(tls(n1, "sdsd-join/1"), post("/v1/sds/join", body))
        tap.ok(got.startswith(b"HTTP/1.1 4"), "join with %r is refused" % body[:20], got[:300])
    for path in ("/v1/nodes", "/v1/sds/tokens", "/v1/sds/report", "/v1/sds/record-cas"):
        got = exchange(tls(n1, "sdsd-join/1"), post(path, b"{}"))
        tap.ok(got.startswith(b"HTTP/1.1 4"), "who joins may not ask for %s" % path, got[:300])
    s = tls(n1, "sdsd-join/1")
    s.sendall(post("/v1/sds/join", b"{\"token_id\":", 5000))
    s.close()
    tap.ok(n1.answers() and len(n1.get("/v1/nodes")) >= 2, "half a request is survived")


def run_fails(node, words, tap, name, extra=()):
    try:
        p = subprocess.run([SDSD, "run", "--dir", node.dir, "--run-dir", node.run_dir, *extra],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30)
    except subprocess.TimeoutExpired:
        return tap.ok(False, name, "still running")
    said = [line for line in p.stderr.decode().splitlines() if line.startswith("sdsd: ")]
    return tap.ok(p.returncode == 1 and len(said) == 1 and
                  any(w in said[0].lower() for w in words), name,
                  "exit %s\n%s" % (p.returncode, p.stderr.decode()))


def starting(tap, c):
    n1, n2 = c.nodes[0], c.nodes[1]
    run_fails(n1, ["another sdsd"], tap, "a second daemon on the directory is refused")
    r = run_cli("init", "--dir", n1.dir, "--name", "n1", "--address", n1.address)
    tap.ok(r.code == 1 and ("another sdsd" in r.err or "already" in r.err),
           "init over a running node is refused", repr(r))
    n2.stop()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", n2.port))
        taken.listen()
        run_fails(n2, ["in use"], tap, "a taken port is refused")
    r = run_cli("init", "--dir", n2.dir, "--name", "n2", "--address", n2.address)
    tap.ok(r.code == 1 and "already" in r.err, "init over a member is refused", repr(r))
    for name, words in (("node.key", ["node.key"]), ("node.pem", ["node.pem"]),
                        ("ca.pem", ["ca.pem"]), ("cluster.key", ["cluster.key"]),
                        ("identity.json", ["identity", "member"])):
        path = os.path.join(n2.dir, name)
        os.rename(path, path + ".away")
        run_fails(n2, words, tap, "missing %s is refused" % name)
        with open(path, "w") as f:
            f.write("damaged")
        os.chmod(path, 0o600)
        run_fails(n2, words, tap, "damaged %s is refused" % name)
        os.rename(path + ".away", path)
    n2.start()
    tap.ok(n2.answers(), "with its files back it runs")


def overwrite(path, at, data):
    with open(path, "r+b") as f:
        f.seek(at)
        f.write(data)


def damage(tap, c):
    """on a copy, so that the node itself stays good"""
    n2 = c.nodes[1]
    n2.stop()
    good = n2.dir + ".good"
    shutil.copytree(n2.dir, good)
    store = os.path.join(n2.dir, "store.mdb")
    overwrite(store, 0, os.urandom(16384))
    run_fails(n2, ["store.mdb"], tap, "overwritten store.mdb is refused")
    shutil.copy(os.path.join(good, "store.mdb"), store)
    with open(store, "r+b") as f:
        f.truncate(100)
    run_fails(n2, ["store.mdb"], tap, "cut store.mdb is refused")
    shutil.rmtree(n2.dir)
    shutil.copytree(good, n2.dir)
    segments = sorted(glob.glob(os.path.join(n2.dir, "raft", "0*-*")))
    if not segments:
        segments = sorted(glob.glob(os.path.join(n2.dir, "raft", "open-*")))
    victim = segments[0] if segments else None
    if victim:
        size = os.path.getsize(victim)
        overwrite(victim, 8, os.urandom(min(size - 8, 4096)))
        run_fails(n2, ["raft", os.path.basename(victim)], tap, "damaged Raft segment is refused")
    else:
        tap.ok(False, "a Raft segment is there to be damaged", os.listdir(n2.dir + "/raft"))
    shutil.rmtree(n2.dir)
    shutil.copytree(good, n2.dir)
    n2.start()
    tap.ok(n2.answers(), "from the undamaged copy it runs")
    c.wait_online()


def mounted(path, options):
    os.makedirs(path)
    return subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", path],
                          stderr=subprocess.DEVNULL).returncode == 0


def pools(tap, c):
    n1 = c.nodes[0]

    def create(name, directory):
        return n1.cli("pool", "create", "n1", name, "--dir", directory)

    def shown(name):
        return n1.cli("pool", "list").out

    def error_shown(name, words):
        def look():
            line = [x for x in shown(name).splitlines() if " %s " % name in x]
            return line and any(w in line[0] for w in words)
        try:
            return wait_for(look, 15, "pool error")
        except Exception as e:
            return tap.note("%s\n%s" % (e, shown(name)))

    missing = os.path.join(c.root, "nowhere")
    r = create("none", missing)
    tap.ok((r.code != 0 and "does not exist" in r.err + r.out) or
           error_shown("none", ["does not exist"]), "a pool without its directory says so", repr(r))
    r = create("rel", "relative/dir")
    tap.ok(r.code != 0 and "absolute" in r.err, "a relative directory is refused", repr(r))
    with open(os.path.join(c.root, "a-file"), "w"):
        pass
    r = create("file", os.path.join(c.root, "a-file"))
    tap.ok((r.code != 0 and "not a directory" in r.err) or
           error_shown("file", ["not a directory"]), "a file as a pool says so", repr(r))
    small = os.path.join(c.root, "small")
    if os.geteuid() != 0 or not mounted(small, "size=4m"):
        tap.ok(True, "full and read-only pools # SKIP mounting needs root")
        return
    try:
        r = create("small", small)
        tap.ok(r.code == 0, "a small pool", repr(r))
        r = n1.cli("volume", "create", "big", "64M", "--copies", "1", "--nodes", "n1",
                   "--pool", "small", timeout=90)
        tap.ok(r.code != 0 and ("free" in r.err or "room" in r.err or "full" in r.err),
               "a volume that does not fit is refused with numbers", repr(r))
        n1.cli("volume", "delete", "big")
        subprocess.run(["mount", "-o", "remount,ro", small], check=True)
        tap.ok(error_shown("small", ["read-only"]), "a pool that became read-only says so")
    finally:
        subprocess.run(["umount", small])


def main():
    need_sdsd()
    tap = Tap()
    with Cluster(2, pools=False) as c:
        tokens(tap, c)
        c.any().cli("node", "delete", "n3")
        names(tap, c)
        peers(tap, c)
        hostile(tap, c)
        pools(tap, c)
        starting(tap, c)
        damage(tap, c)
        if tap.failed:
            c.keep = True
    tap.done()


main()
