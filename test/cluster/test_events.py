#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_events.py - who changed what, when (history), and being told of it (events)."""
import json
import os
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import SDSD, Cluster, Tap, need_sdsd, wait_for  # noqa: E402


def history(node, **query):
    words = "&".join("%s=%s" % (k, v) for k, v in query.items())
    r = node.http("GET", "/v1/sds/history" + ("?" + words if words else ""))
    assert r.status == 200, r
    return r.json


def whats(entries):
    return [e["what"] for e in entries]


def check_history(tap, c):
    n1, n2, _ = c.nodes
    start = int(time.time() * 1000)
    follower = c.followers()[0]
    made = follower.cli("volume", "create", "db", "64M", "--nodes", "n1,n2")
    tap.ok(made.code == 0, "volume create", made)
    follower.cli("volume", "create", "other", "64M", "--nodes", "n1,n2")
    entries = history(n1, object="volume/db")["history"]
    first = entries[0]
    ops = {x["key"]: x["op"] for x in first["changes"]}
    tap.ok(ops.get("resource/db") == "made" and ops.get("replica/db/n1") == "made",
           "the history says what a volume is made of", first)
    tap.eq(first["by"], "local via %s" % follower.name, "and who made it, and where")
    tap.ok("db" in first["what"] and first["what"].endswith("."), "in a sentence", first)
    tap.ok(start - 2000 < first["at"] < start + 60000, "and when", first)
    tap.ok(not any("other" in x["key"] for e in entries for x in e["changes"]),
           "nothing about other volumes", entries)
    everything = history(n1, limit=1000)
    indexes = [e["index"] for e in everything["history"]]
    tap.eq(indexes, sorted(set(indexes)), "in order of index")
    tap.eq(everything["floor"], 0, "complete")
    tap.ok(any(e["what"] == "Cluster founded." for e in everything["history"]) and
           any("joined" in e["what"] for e in everything["history"]), "from the founding on",
           whats(everything["history"]))
    middle = indexes[len(indexes) // 2]
    tap.eq([e["index"] for e in history(n2, **{"from": middle, "limit": 3})["history"]],
           [i for i in indexes if i >= middle][:3], "a page, asked of another node")
    tap.eq([e["index"] for e in history(n2, limit=2)["history"]][-1] >= indexes[-1], True,
           "without a beginning the newest ones")
    tap.eq(history(n1, since=int(time.time() * 1000) + 3600000)["history"], [],
           "nothing since a time to come")
    token = n1.http("POST", "/v1/sds/tokens", {"ttl_s": 60}).json
    secret = token["token"].split(".")[-1]
    text = n1.http("GET", "/v1/sds/history?limit=1000").body.decode()
    tap.ok(token["id"] in text and secret not in text and "BEGIN CERT" not in text,
           "a token is in it, its secret is not")
    for bad in ("from=x", "from=-1", "limit=1001", "limit=1.5", "since=", "object=" + "a" * 600):
        r = n1.http("GET", "/v1/sds/history?" + bad)
        tap.eq(r.status, 400, "refused: %.20s" % bad)


def check_log(tap, c):
    n1 = c.nodes[0]
    r = n1.cli("log", "--object", "db", "-n", "1000")
    tap.ok(r.code == 0 and "WHAT" in r.out and "local via" in r.out and "db" in r.out, "sdsd log", r)
    r = n1.cli("log", "-n", "2")
    tap.eq(len(r.out.splitlines()), 3, "two lines and the heads")
    doc = n1.cli("log", "--since", "1h", "--object", "node/n2", output="json").json
    tap.ok(doc["history"] and all("n2" in x["what"] for x in doc["history"]), "of a node", doc)
    tap.eq(n1.cli("log", "--since", "tomorrow").code, 2, "a time that is none")
    tap.eq(n1.cli("log", "-n", "0").code, 2, "no lines")


def check_newcomer(tap, c):
    """a node that joins gets the history with its snapshot or its log, and after a restart"""
    n4 = c.add()
    want = history(c.any(), limit=1000)["history"]

    def same():
        s = Stream(n4, "/v1/sds/events?from=1")  # from the own store of the node
        wait_for(lambda: s.status, 10, "an answer")
        time.sleep(0.5)
        s.close()
        return [e[2] for e in s.named("change")][:len(want)] == want

    wait_for(same, 20, "the history on the newcomer")
    n4.stop()
    n4.start()
    wait_for(same, 20, "the history on the newcomer after a restart")
    tap.ok(True, "a newcomer has the whole history, also after a restart")


class Stream:
    """A stream of events over a node's socket; a thread collects (id, name, data)."""

    def __init__(self, node, path, headers=None, version="1.1", read=True):
        self.events = []
        self.comments = 0
        self.status = None
        self.headers = {}
        self.ended = False
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(node.socket)
        lines = ["GET %s HTTP/%s" % (path, version), "Host: sdsd"]
        lines += ["%s: %s" % kv for kv in (headers or {}).items()]
        self.sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        if read:
            threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        try:
            self.read(self.sock.makefile("rb"))
        except (OSError, ValueError):
            pass
        self.ended = True

    def body(self, f, chunked):
        """the lines of the body, with chunks put together"""
        rest = b""
        while True:
            if chunked:
                data = f.read(int(f.readline() or b"0", 16) + 2)[:-2]
            else:
                data = f.readline()
            if not data:
                return
            rest += data
            while b"\n" in rest:
                line, rest = rest.split(b"\n", 1)
                yield line.decode()

    def read(self, f):
        status = int(f.readline().split()[1])
        for line in iter(f.readline, b"\r\n"):
            name, _, value = line.decode().partition(":")
            self.headers[name.lower()] = value.strip()
        self.status = status
        if status != 200:
            return
        event = {}
        for line in self.body(f, self.headers.get("transfer-encoding") == "chunked"):
            if line.startswith(":"):
                self.comments += 1
            elif line:
                name, _, value = line.partition(": ")
                event[name] = value
            elif event:
                self.events.append((int(event["id"]) if "id" in event else None,
                                    event.get("event"), json.loads(event["data"])))
                event = {}

    def named(self, name):
        return [e for e in list(self.events) if e[1] == name]

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()


def touches(entry, key):
    return any(x["key"] == key for x in entry["changes"])


def check_stream(tap, c):
    n1, n2 = c.nodes[:2]
    streams = [Stream(n, "/v1/sds/events") for n in c.nodes[:3]]
    wait_for(lambda: all(s.status == 200 for s in streams), 10, "streams")
    tap.eq(streams[0].headers["content-type"], "text/event-stream", "a stream")
    make_group(n2, "fast")
    for s in streams:
        wait_for(lambda: sum(touches(e[2], "group/fast") for e in s.named("change")) == 2, 10,
                 "both changes")
    tap.ok(True, "what happens is told on every node")
    got = streams[0].named("change")
    tap.eq([e[0] for e in got], [e[2]["index"] for e in got], "the id is the index")
    entries = {e["index"]: e for e in history(n1, limit=1000)["history"]}
    tap.ok(all(e[2] == entries[e[0]] for e in got), "what is told is what the history has", got)
    last = max(e[0] for e in got)
    for s in streams:
        s.close()

    # nothing is lost or told twice when one comes back
    make_group(n1, "slow")
    want = [e["index"] for e in history(n2, **{"from": last + 1, "limit": 1000})["history"]]
    for name, path, headers in (("Last-Event-ID", "/v1/sds/events?from=1",
                                 {"Last-Event-ID": str(last)}),
                                ("from", "/v1/sds/events?from=%d" % (last + 1), {})):
        s = Stream(n2, path, headers)
        wait_for(lambda: len(s.named("change")) >= len(want), 10, "what was missed")
        tap.eq([e[0] for e in s.named("change")][:len(want)], want, "resumed by %s" % name)
        s.close()
    s = Stream(n2, "/v1/sds/events?from=1", version="1.0")
    wait_for(lambda: len(s.named("change")) >= len(entries), 10, "everything")
    tap.eq([e[0] for e in s.named("change")][:len(entries)], sorted(entries),
           "from the beginning, over HTTP/1.0")
    s.close()
    s = Stream(n1, "/v1/sds/events?from=1&object=node/n3")
    wait_for(lambda: s.named("change"), 10, "the node's changes")
    time.sleep(0.3)
    tap.ok(all(any("n3" in x["key"] for x in e[2]["changes"]) for e in s.named("change")),
           "only what concerns one object")
    s.close()


def make_group(node, name):
    r = node.http("POST", "/v1/resource-groups", {"name": name})
    assert r.status == 201, r
    r = node.http("DELETE", "/v1/resource-groups/" + name)
    assert r.status == 200, r


def check_reset(tap, c):
    n1 = c.nodes[0]
    s = Stream(n1, "/v1/sds/events?from=999999999")
    wait_for(lambda: s.events, 10, "a reset")
    tap.ok(s.events[0][1] == "reset" and s.events[0][0] == s.events[0][2]["applied"],
           "an index that never was: reset", s.events)
    make_group(n1, "after")
    wait_for(lambda: s.named("change"), 10, "what comes after a reset")
    tap.ok(s.named("change")[0][0] > s.events[0][0], "and it goes on from there")
    s.close()
    for bad in ("from=x", "from=-1", "from=", "from=99999999999999999999"):
        tap.eq(n1.http("GET", "/v1/sds/events?" + bad).status, 400, "refused: %.20s" % bad)
    r = n1.http("GET", "/v1/sds/events", headers={"Last-Event-ID": "x"})
    tap.eq(r.status, 400, "refused: a Last-Event-ID that is none")


def check_state(tap, c):
    leader = c.leader()
    follower, victim = [n for n in c.nodes if n is not leader][:2]
    streams = {n.name: Stream(n, "/v1/sds/events") for n in (leader, follower)}
    wait_for(lambda: all(s.status == 200 for s in streams.values()), 10, "streams")
    start = time.time()
    before = {k: len(s.named("state")) for k, s in streams.items()}
    victim.kill()
    for name, s in streams.items():
        wait_for(lambda: len(s.named("state")) > before[name], 10, "state at %s" % name)
    tap.ok(True, "a node that goes is a change of state, on every node")
    victim.start()
    c.wait_online()
    for name, s in streams.items():
        most = len(s.named("state")) - before[name]
        tap.ok(most <= 2 * (time.time() - start) + 2, "at most two in a second", most)
        tap.ok(all(e[0] is None for e in s.named("state")), "without an id")
        s.close()


def check_comments(tap, c):
    s = Stream(c.nodes[0], "/v1/events/nodes")
    wait_for(lambda: s.comments > 0, 20, "a comment")
    tap.ok(True, "a sign of life when nothing happens")
    s.close()


def places(s):
    return {(e[2]["resource_name"], e[2]["node_name"]): e[2]["may_promote"]
            for e in s.named("may-promote-change")}


def check_linstor(tap, c):
    n1, n2 = c.nodes[:2]
    now = Stream(n2, "/v1/events/drbd/promotion", {"Last-Event-ID": "current"})
    later = Stream(n1, "/v1/events/drbd/promotion")
    nodes = Stream(n2, "/v1/events/nodes")
    wait_for(lambda: places(now).get(("db", "n1")) is True and
             places(now).get(("db", "n2")) is True, 15, "what may be promoted now")
    tap.ok(True, "current: what may be promoted now, on every node")
    time.sleep(1)
    n1.cli("volume", "create", "fresh", "64M", "--nodes", "n1,n2")
    wait_for(lambda: places(later).get(("fresh", "n1")) is True, 15, "a new volume")
    tap.ok(("db", "n1") not in places(later), "without current only what is new", later.events)
    n1.cli("volume", "delete", "fresh")
    wait_for(lambda: places(later).get(("fresh", "n1")) is False, 15, "a volume that has gone")
    tap.ok(True, "a volume that goes may not be promoted any more")
    extra = c.add()
    wait_for(lambda: nodes.named("node-create"), 15, "a node that joins")
    tap.eq(nodes.named("node-create")[0][2]["node"]["name"], extra.name, "a node that joins")
    extra.stop()
    r = c.nodes[0].cli("node", "delete", extra.name)
    tap.ok(r.code == 0, "node delete", r)
    wait_for(lambda: nodes.named("node-delete"), 15, "a node that goes")
    tap.eq(nodes.named("node-delete")[0][2]["node"]["name"], extra.name, "a node that goes")
    c.nodes.remove(extra)
    for s in (now, later, nodes):
        s.close()


def check_limits(tap, c):
    n1 = c.nodes[0]
    streams = [Stream(n1, "/v1/sds/events") for _ in range(64)]
    wait_for(lambda: all(s.status == 200 for s in streams), 10, "64 streams")
    more = Stream(n1, "/v1/sds/events")
    wait_for(lambda: more.status, 10, "an answer")
    tap.eq(more.status, 503, "one more than EVENT_STREAMS_MAX is refused")
    # a second request on the connection is none of the stream's business
    streams[0].sock.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    make_group(n1, "aside")
    wait_for(lambda: all(s.named("change") for s in streams), 10, "all of them hear of it")
    tap.ok(True, "64 listeners")
    for s in streams:
        s.close()

    def room():
        s = Stream(n1, "/v1/sds/events")
        wait_for(lambda: s.status, 10, "an answer")
        s.close()
        return s.status == 200

    wait_for(room, 10, "room again")
    tap.ok(True, "room again when they have gone")


def start_cli(node, *args):
    p = subprocess.Popen([SDSD, *args, "--socket", node.socket], stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, bufsize=1)
    p.lines = []
    threading.Thread(target=lambda: [p.lines.append(x) for x in p.stdout], daemon=True).start()
    return p


def check_cli(tap, c):
    n1 = c.nodes[0]
    log = start_cli(n1, "log", "--follow", "-n", "1")
    watch = start_cli(n1, "volume", "list", "--watch")
    wait_for(lambda: len(log.lines) >= 2 and len(watch.lines) >= 2, 10, "first lines")
    n1.cli("volume", "create", "seen", "64M", "--nodes", "n1,n2")
    wait_for(lambda: any("seen" in x for x in log.lines), 4, "the new line")
    tap.ok(True, "sdsd log --follow shows what happens")
    wait_for(lambda: any("seen" in x for x in watch.lines), 4, "the new volume")
    tap.ok(True, "--watch shows it again when something changes")
    tap.ok(not any("\033" in x for x in watch.lines), "without a terminal plain lines")
    n1.cli("volume", "delete", "seen")
    tap.eq(n1.cli("volume", "delete", "x", "--watch").code, 2, "not of what changes something")
    for p in (log, watch):
        p.kill()
        p.wait()


def check_stop(tap, c):
    n1 = c.nodes[0]
    s = Stream(n1, "/v1/sds/events")
    wait_for(lambda: s.status == 200, 10, "a stream")
    n1.stop()
    wait_for(lambda: s.ended, 5, "the end of the stream")
    tap.ok(True, "a daemon that stops ends its streams")
    n1.start()


def main():
    need_sdsd()
    tap = Tap()
    with Cluster(3) as c:
        check_history(tap, c)
        check_log(tap, c)
        check_stream(tap, c)
        check_reset(tap, c)
        check_state(tap, c)
        check_newcomer(tap, c)
        check_linstor(tap, c)
        check_comments(tap, c)
        check_limits(tap, c)
        check_cli(tap, c)
        check_stop(tap, c)
    tap.done()


if __name__ == "__main__":
    main()
