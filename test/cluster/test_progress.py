#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_progress.py - what the command line tells of work that takes a while: a copy that catches up
over a slow network, an evacuation, a comparison; on a terminal and elsewhere; Ctrl-C.

Clients are libnbd's (python3-libnbd), run by Debian's python3."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "soak"))
from cluster import PYTHON, SDSD, Cluster, Tap, need_libnbd, need_sdsd, wait_for  # noqa: E402
from net import Proxy  # noqa: E402

NAMES = ["n1", "n2", "n3"]
RATE = 4 << 20  # bytes a second to n3
LEFT = re.compile(r"\d+ %, [\d.]+ [KM]iB left, [\d.]+ [KM]iB/s, \d+ s to go")
COLUMNS = 90
WRITE = """
import nbd, os, sys
h = nbd.NBD()
h.connect_unix(sys.argv[1])
for i in range(h.get_size() >> 20):
    h.pwrite(os.urandom(1 << 20), i << 20)
h.flush()
h.shutdown()
"""
tap = Tap()


def write_all(node):
    path = wait_for(lambda: node.nbd_socket("db"), 20, "socket on %s" % node.name)
    r = subprocess.run([PYTHON, "-c", WRITE, path], capture_output=True, text=True, timeout=120,
                       check=False)
    tap.ok(r.returncode == 0, "the volume is filled", r.stderr)


def slow(c, to):
    c.net.apply([{"from": a, "to": to, "rate": RATE} for a in NAMES if a != to])


def safe(c):
    wait_for(lambda: c.volume("db")["verdict"] == "safe", 90, "db is safe")


def catching_up(c):
    """n3's copy, and at which rate: that of n2, whom an epoch's end left behind, needs no time"""
    return any("left_s" in r for r in c.volume("db")["replicas"] if r["node"] == "n3")


class Run:
    """a command whose standard error is a terminal, or a pipe"""

    def __init__(self, node, *args, terminal):
        self.text = b""
        if terminal:
            self.fd, theirs = pty.openpty()
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
        else:
            self.fd, theirs = os.pipe()
        env = dict(os.environ, SDSD_SOCKET=node.socket)
        self.p = subprocess.Popen([SDSD] + list(args), stdin=subprocess.DEVNULL, env=env,
                                  stdout=subprocess.PIPE, stderr=theirs, start_new_session=True)
        os.close(theirs)

    def read(self, until=None, timeout=90.0):
        """what it has said when `until` is in it, or when it has ended"""
        end = time.monotonic() + timeout
        while time.monotonic() < end and not (until and until.search(self.said())):
            if not select.select([self.fd], [], [], 0.2)[0]:
                continue
            try:
                got = os.read(self.fd, 65536)
            except OSError:  # a terminal whose other end is closed
                got = b""
            if not got:
                break
            self.text += got
        return self.said()

    def said(self):
        return self.text.decode(errors="replace")

    def end(self):
        self.read()
        out = self.p.communicate(timeout=60)[0].decode()
        os.close(self.fd)
        return self.p.returncode, out, self.said()


def on_a_terminal(c):
    n1, _, n3 = c.nodes
    run = Run(n1, "volume", "replica", "add", "db", "n3", "--wait", terminal=True)
    wait_for(lambda: catching_up(c), 30, "n3 catches up, and at which rate is known")
    for args in (("volume", "show", "db"), ("why", "db")):
        r = n1.cli(*args)
        tap.ok(r.code == 0 and LEFT.search(r.out), "%s tells what is left" % args[0], r)
    for args in (("status",), ("volume", "list")):
        r = n1.cli(*args)
        tap.ok(re.search(r"n3 is catching up \(\d+ %, \d+ s to go\)", r.out),
               "%s tells how long it takes" % args[0], r)
    rep = [r for r in c.volume("db")["replicas"] if r["node"] == "n3"][0]
    tap.ok(0 < rep["sync_kib_s"] < 100 * RATE / 1024 and rep["left_kib"] > 0, "as JSON", rep)
    text = n3.http("GET", "/metrics").body.decode()
    tap.ok('sdsd_replica_resync_bytes_per_second{resource="db"}' in text, "as a metric", text[:2000])
    code, out, err = run.end()
    tap.ok(code == 0, "it waits until all is in sync", err)
    tap.ok(c.volume("db")["verdict"] == "safe", "which it is then", c.volume("db"))
    tap.ok("\n" not in err.strip() and err.count("\r\x1b[K") > 2 and LEFT.search(err),
           "one line is written again and again", repr(err))
    lines = [p for p in err.replace("\r\x1b[K", "\n").split("\n") if p]
    tap.ok(max(len(p) for p in lines) < COLUMNS, "which no line of the terminal breaks", err)
    tap.ok(err.endswith("\r\x1b[K"), "and which is gone at the end", repr(err))
    tap.ok("n3" in out, "what was done is on standard output", out)


def again(c, *args, terminal=False):
    r = c.nodes[0].cli("volume", "replica", "remove", "db", "n3")
    tap.ok(r.code == 0, "n3's copy goes", r)
    wait_for(lambda: len(c.volume("db")["replicas"]) == 2, 30, "two copies")
    return Run(c.nodes[0], "volume", "replica", "add", "db", "n3", *args, terminal=terminal)


def without_a_terminal(c):
    code, _, err = again(c, "--wait").end()
    tap.ok(code == 0 and "db: " in err and "\x1b" not in err and "\r" not in err,
           "without a terminal: lines", repr(err))
    tap.ok(len(err.splitlines()) <= 6, "now and then", err)
    code, _, err = again(c, "--wait", "--quiet").end()
    tap.ok(code == 0 and err == "", "--quiet: none", repr(err))
    code, _, err = again(c, "--wait", "--timeout", "1s").end()
    tap.ok(code == 1 and "not in sync after 1 s; it goes on" in err, "--timeout", repr(err))
    safe(c)


def interrupted(c):
    for terminal in (True, False):
        run = again(c, "--wait", terminal=terminal)
        run.read(until=re.compile("db: "), timeout=40)
        run.p.send_signal(signal.SIGINT)
        code, _, err = run.end()
        tap.ok(code == -signal.SIGINT and "the copies go on by themselves" in err,
               "Ctrl-C says that the work goes on", (code, err))
        safe(c)
        tap.ok(True, "and so it does")


def compared(c):
    code, out, err = Run(c.nodes[0], "volume", "verify", "db", terminal=True).end()
    tap.ok(code == 0 and "0 regions differ" in out, "the copies are alike", out)
    tap.ok(re.search(r"db is compared: \d+ %, .* left", err), "how far it is", repr(err))
    code, out, err = Run(c.nodes[0], "volume", "verify", "db", "--quiet", terminal=True).end()
    tap.ok(code == 0 and err == "", "--quiet", repr(err))


def evacuated(c):
    n1, n2, n3 = c.nodes
    r = n1.cli("volume", "replica", "remove", "db", "n3")
    tap.ok(r.code == 0, "n3's copy goes", r)
    run = Run(n1, "node", "evacuate", "n2", "--wait", terminal=True)
    code, out, err = run.end()
    tap.ok(code == 0 and "nothing is on it any more" in out, "n2 is empty", (code, out, err))
    tap.ok("n2: replicas to leave: 1" in err, "it counts what is left", repr(err))
    tap.ok(re.search(r"; 1 copying: [^\r]*\d+ s to go\r", err), "and tells how long",
           repr(err))
    r = n1.cli("node", "restore", "n2")
    tap.ok(r.code == 0, "taken back", r)
    code, out, err = Run(n3, "node", "drain", "n2", terminal=False).end()
    tap.ok(code == 0 and "it can be switched off" in out, "drain of a node without copies", out)


def main():
    need_sdsd()
    need_libnbd()
    with Cluster(3, net=Proxy(NAMES)) as c:
        r = c.nodes[0].cli("volume", "create", "db", "24M", "--nodes", "n1,n2", "--wait")
        tap.ok(r.code == 0, "a volume is made", r)
        write_all(c.nodes[0])
        safe(c)
        slow(c, "n3")
        on_a_terminal(c)
        without_a_terminal(c)
        interrupted(c)
        compared(c)
        evacuated(c)
        c.keep = c.keep or tap.failed > 0
    tap.done()


if __name__ == "__main__":
    main()
