#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_metrics.py - what Prometheus reads of each node: its form (by a parser of our own, and by
promtool where it is), its values, and that rules and dashboard name only what there is."""
import json
import os
import re
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import (PYTHON, Cluster, Tap, have_libnbd, need_sdsd,  # noqa: E402
                     wait_for)

ROOT = os.environ.get("SDSD_ROOT") or os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                                   "..", "..")
NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LINE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\n"])*",?)*)\})?'
                  r" (NaN|[+-]?Inf|[-+]?[0-9][0-9.e+-]*)")
LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\\n]|\\[\\n"])*)"')
TYPES = {"gauge", "counter", "histogram"}

WRITE = """
import nbd, sys
h = nbd.NBD()
h.connect_unix(sys.argv[1])
for i in range(10):
    h.pwrite(b"x" * 65536, i * 65536)
h.pread(65536, 0)
h.flush()
sys.stdin.readline()
h.shutdown()
"""


class Metrics:
    """A parsed answer; what is wrong with it is in self.wrong."""

    def __init__(self, text):
        self.types, self.helps, self.values, self.wrong = {}, {}, {}, []
        closed, current = set(), None
        if not text.endswith("\n"):
            self.wrong.append("no newline at the end")
        for line in text.splitlines():
            if line.startswith("# "):
                kind, name, rest = line[2:].split(" ", 2)
                table = self.helps if kind == "HELP" else self.types
                if name in table:
                    self.wrong.append("twice: " + line)
                table[name] = rest
                continue
            m = LINE.fullmatch(line)
            if not m:
                self.wrong.append("not a value: " + line)
                continue
            name = self.base(m.group(1))
            if name != current:
                if name in closed:
                    self.wrong.append("values of %s are not together" % name)
                closed.add(current)
                current = name
            labels = tuple(sorted(LABEL.findall(m.group(2) or "")))
            key = (m.group(1), labels)
            if key in self.values:
                self.wrong.append("twice: " + line)
            self.values[key] = float(m.group(3))
        self.check_names()
        self.check_histograms()

    def base(self, name):
        for suffix in ("_bucket", "_sum", "_count"):
            if name.endswith(suffix) and self.types.get(name[:-len(suffix)]) == "histogram":
                return name[:-len(suffix)]
        return name

    def check_names(self):
        for name in {self.base(k[0]) for k in self.values} | set(self.types):
            if self.types.get(name) not in TYPES or not self.helps.get(name):
                self.wrong.append("%s lacks HELP or TYPE" % name)
            if (self.types.get(name) == "counter") != name.endswith("_total"):
                self.wrong.append("%s: a counter ends with _total, nothing else does" % name)
            if re.search(r"_(kib|ms|percent|mb)($|_)", name):
                self.wrong.append("%s: base units only" % name)

    def check_histograms(self):
        for name in [n for n, t in self.types.items() if t == "histogram"]:
            groups = {}
            for (full, labels), value in self.values.items():
                if full == name + "_bucket":
                    le = dict(labels)["le"]
                    rest = tuple(x for x in labels if x[0] != "le")
                    groups.setdefault(rest, []).append((float(le.replace("+Inf", "inf")), value))
            for rest, buckets in groups.items():
                counts = [v for _, v in sorted(buckets)]
                if counts != sorted(counts) or sorted(buckets)[-1][0] != float("inf") or \
                        counts[-1] != self.values.get((name + "_count", rest)):
                    self.wrong.append("%s%s: %s" % (name, rest, buckets))

    def get(self, name, **labels):
        """the values whose labels hold these"""
        return [v for (n, have), v in self.values.items()
                if n == name and set(labels.items()) <= set(have)]

    def one(self, name, **labels):
        values = self.get(name, **labels)
        return values[0] if len(values) == 1 else None


def read(node):
    r = node.http("GET", "/metrics")
    assert r.status == 200, r
    return Metrics(r.body.decode()), r


def check_parser(tap):
    """the parser sees what is wrong"""
    good = "# HELP a_total x\n# TYPE a_total counter\na_total{l=\"q\\\"\\\\\\n\"} 1\n"
    tap.eq(Metrics(good).wrong, [], "the parser: a good text")
    for bad in (good[:-1], good + good, good.replace("a_total", "a"), "a 1\n",
                good.replace('\\"', '"'), good + "a_total{l=\"\"} x\n",
                good.replace("HELP", "TYPE")):
        try:
            wrong = Metrics(bad).wrong
        except ValueError as e:
            wrong = [str(e)]
        tap.ok(wrong, "the parser: a bad text", bad)


def names_in(text):
    return set(re.findall(r"\b(?:sdsd|process)_[a-z0-9_]+", text))


def check_rules(tap, known, text):
    """what rules and dashboard speak of is there"""
    expressions = "\n".join(re.findall(r"expr: (.*(?:\n {10,}.*)*)", text))
    tap.ok(len(names_in(expressions)) > 8, "alert rules have expressions")
    tap.eq(sorted(names_in(expressions) - known), [], "alert rules name only metrics that exist")
    with open(os.path.join(ROOT, "packaging/grafana/sdsd.json")) as f:
        board = json.load(f)
    exprs = [t["expr"] for p in board["panels"] for t in p.get("targets", [])]
    exprs += [v["query"] for v in board["templating"]["list"] if v["type"] == "query"]
    tap.ok(len(exprs) > 20, "the dashboard has expressions")
    tap.eq(sorted(names_in("\n".join(exprs)) - known), [],
           "the dashboard names only metrics that exist")
    with open(os.path.join(ROOT, "docs/monitoring.md")) as f:
        told = names_in(f.read())
    tap.eq(sorted(known - told), [], "docs/monitoring.md names every metric")


def promtool(tap, what, *args, body=b""):
    tool = shutil.which("promtool")
    if not tool:
        tap.note("promtool is not installed (Debian: prometheus): %s is left out" % what)
        return
    r = subprocess.run([tool, "check", *args], input=body, capture_output=True)
    tap.ok(r.returncode == 0 and not r.stderr, "promtool: " + what, r.stdout + r.stderr)


def check_promtool(tap, body):
    promtool(tap, "metrics", "metrics", body=body)
    promtool(tap, "rules", "rules", os.path.join(ROOT, "packaging/prometheus/alerts.yml"))


def check_io(tap, node):
    path = wait_for(lambda: node.nbd_socket("db"), 20, "socket")
    p = subprocess.Popen([PYTHON, "-c", WRITE, path], stdin=subprocess.PIPE)
    wait_for(lambda: (read(node)[0].one("sdsd_replica_io_bytes_total", resource="db", op="write")
                      or 0) >= 655360, 15, "bytes written")
    m = read(node)[0]
    tap.ok(m.one("sdsd_replica_io_requests_total", resource="db", op="read") >= 1 and
           m.one("sdsd_replica_io_bytes_total", resource="db", op="read") >= 65536,
           "reads are counted")
    tap.eq(m.one("sdsd_replica_open", resource="db"), 1, "it is open here")
    tap.ok(m.get("sdsd_link_connected", resource="db"), "the writer's links")
    p.communicate(b"\n")


def check_values(tap, c):
    leader = c.leader()
    metrics = {n.name: read(n)[0] for n in c.nodes}
    for name, m in metrics.items():
        tap.eq(m.wrong, [], "%s: the form" % name)
        tap.eq(m.one("sdsd_build_info", node=name), 1, "%s: who it is" % name)
    tap.eq(sum(m.one("sdsd_raft_is_leader") for m in metrics.values()), 1, "one leader")
    tap.eq(sum(sum(m.get("sdsd_resources")) for m in metrics.values()), 1,
           "the sum over all nodes is right: the leader alone counts the cluster")
    m = metrics[leader.name]
    tap.eq(m.one("sdsd_resources", verdict="safe"), 1, "a safe one")
    tap.eq(m.one("sdsd_resource_size_bytes", resource="db"), 64 << 20, "its size in bytes")
    tap.eq((m.one("sdsd_resource_copies", resource="db"),
            m.one("sdsd_resource_copies_in_sync", resource="db")), (2, 2), "its copies")
    tap.eq(sum(m.get("sdsd_node_online")), 3, "three nodes")
    tap.eq(m.one("sdsd_raft_members", role="voter"), 3, "three voters")
    n1 = metrics["n1"]
    tap.ok(n1.get("sdsd_replica_state", resource="db"), "its copy on n1")
    size, free = n1.one("sdsd_pool_size_bytes"), n1.one("sdsd_pool_free_bytes")
    tap.ok(0 < free <= size, "the pool's space", (free, size))
    year = time.time() + 300 * 86400
    tap.ok(n1.one("sdsd_certificate_expiry_timestamp_seconds") > year, "the certificate's end")
    tap.ok(n1.one("sdsd_raft_log_bytes") > 0 and n1.one("sdsd_store_bytes") > 0 and
           n1.one("process_resident_memory_bytes") > 1 << 20, "sizes")
    tap.ok(n1.one("sdsd_api_requests_total", **{"class": "read", "code": "200"}) >= 1,
           "requests are counted")
    before = n1.one("sdsd_api_requests_total", **{"class": "read", "code": "404"}) or 0
    c.node("n1").http("GET", "/v1/nodes/nobody")
    after = read(c.node("n1"))[0].one("sdsd_api_requests_total",
                                      **{"class": "read", "code": "404"})
    tap.eq(after, before + 1, "also those that are refused")
    tap.ok(read(c.node("n1"))[0].one("sdsd_api_requests_in_flight") >= 1, "this one is in flight")


def check_services(tap, c):
    """Without the kernel module no node can have one: it is stopped, or it waits."""
    n = c.node("n1")
    for name, state, args in (("calm", "stopped", ["--stopped"]), ("svc", "waiting", [])):
        if name == "svc":
            n.cli("service", "delete", "calm")
        r = n.cli("service", "add", name, "--volume", "db", "--mount", "/srv/db", "--stopped")
        tap.ok(r.code == 0, "service add %s" % name, r)
        if not args:
            n.cli("service", "start", name)
        began = time.time()
        leader = c.leader()
        wait_for(lambda: read(leader)[0].one("sdsd_service_state", service=name, state=state), 15,
                 "%s is %s" % (name, state))
        m = read(leader)[0]
        tap.eq(m.get("sdsd_service_state", service=name), [1], "in one state: %s" % state)
        tap.eq(m.get("sdsd_service_node", service=name), [], "it has no node")
        tap.eq(m.one("sdsd_service_starts_total", service=name), 0, "it was given to none")
        time.sleep(2.5)
        since = read(leader)[0].one("sdsd_service_state_since_timestamp_seconds", service=name)
        tap.ok(began - 45 < since < time.time() - 1, "since when", (began, since, time.time()))
    promtool(tap, "metrics of services", "metrics", body=read(leader)[1].body)
    follower = c.followers()[0]
    tap.eq(read(follower)[0].get("sdsd_service_state"), [], "the leader alone tells of them")
    tap.eq(read(leader)[0].get("sdsd_service_state", service="calm"), [], "one that was deleted")


def check_absent_node(tap, c):
    n3 = c.node("n3")
    if n3.is_leader():
        n3 = c.node("n2")
    n3.kill()
    leader = c.leader()
    wait_for(lambda: read(leader)[0].one("sdsd_node_online", peer=n3.name) == 0, 15,
             "a node that is gone")
    tap.ok(True, "a node that is gone is told")


def main():
    need_sdsd()
    tap = Tap()
    check_parser(tap)
    with Cluster(3) as c:
        made = c.any().cli("volume", "create", "db", "64M", "--nodes", "n1,n2")
        tap.ok(made.code == 0, "volume create", made)
        leader = c.leader()
        wait_for(lambda: read(leader)[0].get("sdsd_resources"), 15, "the leader's part")
        m, r = read(leader)
        tap.ok(r.headers.get("Content-Type", r.headers.get("content-type", ""))
               .startswith("text/plain; version=0.0.4"), "the content type", r.headers)
        check_values(tap, c)
        with open(os.path.join(ROOT, "packaging/prometheus/alerts.yml")) as f:
            check_rules(tap, {x + s for x in m.types
                              for s in (("_bucket",) if m.types[x] == "histogram" else ("",))},
                        f.read())
        check_promtool(tap, r.body)
        if have_libnbd():
            check_io(tap, c.node("n1"))
        else:
            tap.note("python3-libnbd is not installed: counters of I/O are not looked at")
        check_services(tap, c)
        check_absent_node(tap, c)
    tap.done()


if __name__ == "__main__":
    main()
