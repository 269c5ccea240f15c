#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_web.py - HTTP over TCP as clients speak and misspeak it: methods, keep-alive, pipelining,
chunked bodies, every limit of a request, of time and of connections, clients that go away in the
middle, that never read, and nodes without a quorum. Limits of time in smaller doses:
test/unit/net/test_http.c."""
import os
import resource
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import Cluster, Tap, need_sdsd, wait_for  # noqa: E402
from web import Raw, ask, listen, tls_context  # noqa: E402

# src/net/http.h, src/api/access.h, src/web.h
URL_MAX, HEADERS_MAX, HEADER_COUNT_MAX, BODY_MAX = 8192, 16384, 64, 4 << 20
ACCESS_STRANGER_BODY_MAX = 64 << 10
HEAD_TIMEOUT, BODY_TIMEOUT, IDLE_TIMEOUT = 10, 30, 60
CONNS_MAX, CONNS_PER_ADDRESS_MAX = 512, 128
PARSE, OTHER = -3458764513820540931, -4611686018427386906
GET = "GET /v1/nodes HTTP/1.1\r\nHost: localhost\r\n\r\n"
RD = "/v1/resource-definitions"
tap = Tap()


def is_refusal(a, status):
    return a.status == status and a.rc() == (PARSE if status == 400 else OTHER) and \
        a.headers.get("content-type") == "application/json"


def methods(n):
    get, head = ask(n.http_port), ask(n.http_port, "HEAD")
    tap.ok(head.status == 200 and head.body == b"" and
           head.headers["content-length"] == get.headers["content-length"],
           "HEAD: as GET, without the body", head)
    a = ask(n.http_port, "HEAD", "/v1/nodes/missing")
    tap.ok(a.status == 404 and a.body == b"", "HEAD of what is missing", a)
    a = ask(n.http_port, "OPTIONS", RD)
    tap.ok(a.status == 200 and a.headers["allow"] == "GET, HEAD, POST, OPTIONS" and
           not any(h.startswith("access-control") for h in a.headers), "OPTIONS, no CORS", a)
    a = ask(n.http_port, "OPTIONS", RD + "/x", {"with": "a body"})
    tap.eq(a.headers.get("allow"), "GET, HEAD, PUT, DELETE, OPTIONS", "OPTIONS with a body")
    a = ask(n.http_port, "OPTIONS", "/v1/nothing")
    tap.ok(is_refusal(a, 404), "OPTIONS of what is no path", a)
    a = ask(n.http_port, "OPTIONS", "/v1/sds/report")
    tap.ok(a.status == 404, "what only nodes may ask is not told of", a)
    for method in ("PUT", "PATCH", "DELETE"):
        a = ask(n.http_port, method, RD)
        tap.ok(is_refusal(a, 405) and "POST" in a.headers["allow"], "405: %s" % method, a)
    a = ask(n.http_port, path="/v2/nodes")
    tap.ok(is_refusal(a, 404), "404", a)
    a = ask(n.http_port, path=RD + "/%zz")
    tap.ok(is_refusal(a, 400), "a bad escape", a)
    a = ask(n.http_port, "POST", RD, b"{broken")
    tap.ok(is_refusal(a, 400), "broken JSON", a)
    for path in ("/", "/v1/nodes", "/v1/controller/version"):
        tap.ok(ask(n.http_port, path=path).status < 300, "no redirect: %s" % path)


def conversations(n):
    c = Raw(n.http_port)
    for i in range(3):
        c.send(GET)
        tap.eq([a[0] for a in c.answers(1)], [200], "keep-alive: request %d" % i)
    c.send("POST %s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" % RD)
    for part in ('{"resource_defi', 'nition": {"name":', '"chunked"}}'):
        c.send("%x;ext=1\r\n%s\r\n" % (len(part), part))
    c.send("0\r\nX-Trailer: t\r\n\r\n")
    tap.eq([a[0] for a in c.answers(1)], [201], "a body in chunks")
    body = '{"resource_definition": {"name": "expected"}}'
    c.send("POST %s HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: %d"
           "\r\n\r\n" % (RD, len(body)))
    tap.eq([a[0] for a in c.answers(1)], [100], "100 Continue")
    c.send(body)
    tap.eq([a[0] for a in c.answers(1)], [201], "and then the answer")
    # Perl's way: "Connection" is a list
    c.send("GET /health HTTP/1.1\r\nHost: localhost\r\nTE: deflate\r\nConnection: TE, close\r\n"
           "Content-Length: 0\r\n\r\n")
    a = c.answers(1)[0]
    tap.ok(a[0] == 200 and a[1]["connection"] == "close" and c.closed_within(5),
           "Connection: TE, close", a)
    c = Raw(n.http_port)
    text = ""
    for i in range(40):
        text += GET.replace("/v1/nodes", RD + "/p%d" % i)
        body = '{"resource_definition": {"name": "p%d"}}' % i
        text += "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % \
            (RD, len(body), body)
        text += GET.replace("/v1/nodes", RD + "/p%d" % i)
    c.send(text)
    found = [a[0] for a in c.answers(120, 60)]
    tap.eq(found, [404, 201, 200] * 40, "120 requests in one go: answered in order, each sees the "
           "one before")
    c.close()
    a = ask(n.http_port, headers={"Accept-Encoding": "gzip"})
    tap.ok("content-encoding" not in a.headers and a.json, "gzip is not offered", a)


def sizes(n, token):
    def get(path="/v1/nodes", headers=None):
        return ask(n.http_port, path=path, headers=headers)

    room = "x" * (URL_MAX - len("/v1/nodes?x=") - 1)
    tap.eq(get("/v1/nodes?x=" + room).status, 200, "the longest URL")
    a = get("/v1/nodes?x=" + room + "xx")
    tap.ok(is_refusal(a, 414), "a longer one: 414", a)
    a = get(headers={"X-Big": "x" * HEADERS_MAX})
    tap.ok(is_refusal(a, 431), "headers too long: 431", a)
    a = get(headers={"X-%d" % i: "1" for i in range(HEADER_COUNT_MAX - 2)})
    tap.eq(a.status, 200, "as many headers as there may be")
    a = get(headers={"X-%d" % i: "1" for i in range(HEADER_COUNT_MAX - 1)})
    tap.ok(is_refusal(a, 431), "one more: 431", a)
    a = ask(n.http_port, "POST", RD, b" " * (BODY_MAX - 2) + b"{}")
    tap.ok(a.status == 400 and "resource_definition must" in a.json[0]["message"],
           "the longest body is read", a)
    a = ask(n.http_port, "POST", RD, b" " * (BODY_MAX + 1))
    tap.ok(is_refusal(a, 413) and "4194304" in a.json[0]["message"], "a longer one: 413", a)
    context = tls_context(n.dir + "/ca.pem")
    a = ask(n.https_port, "POST", RD, b" " * ACCESS_STRANGER_BODY_MAX, context=context)
    tap.eq(a.status, 401, "somebody unknown may send a little")
    a = ask(n.https_port, "POST", RD, b" " * (ACCESS_STRANGER_BODY_MAX + 1), context=context)
    tap.ok(is_refusal(a, 413) and "unknown" in a.json[0]["message"], "not more: 413", a)
    a = ask(n.https_port, "POST", RD, b" " * BODY_MAX, context=context, token=token)
    tap.ok(a.status == 400 and "empty" in a.json[0]["message"],
           "with a token as much as anybody", a)


def times(n):
    """All at once, for each takes its time."""
    start = time.monotonic()
    ends = {}

    def until_closed(name, c, seconds, trickle=None):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if c.closed_within(1):
                break
            try:
                if trickle:
                    c.send(trickle)
            except OSError:
                break
        ends[name] = time.monotonic() - start

    head = Raw(n.http_port).send("GET /v1/nodes HTTP/1.1\r\nHost: localhost\r\nX: ")
    body = Raw(n.http_port).send("POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999"
                                 "\r\n\r\n" % RD)
    idle, lines = Raw(n.http_port), Raw(n.http_port)
    # half-open: it has nothing more to say, and is not told of for long
    half = Raw(n.http_port)
    half.sock.shutdown(socket.SHUT_WR)
    shy = Raw(n.https_port)  # never begins its handshake
    threads = [threading.Thread(target=until_closed, args=a) for a in (
        ("head", head, 40, "x"), ("body", body, 60, " "), ("idle", idle, 90),
        ("lines", lines, 90, "\r\n"), ("half", half, 20), ("shy", shy, 20))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for name, least, most in (("head", HEAD_TIMEOUT, 15), ("body", BODY_TIMEOUT, 36),
                              ("idle", IDLE_TIMEOUT, 68), ("lines", IDLE_TIMEOUT, 68),
                              ("half", 0, 5), ("shy", 5, 10)):
        tap.ok(least - 1 <= ends[name] <= most, "closed in time: %s" % name, ends)


def connections(n, wide_port):
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(
        resource.RLIMIT_NOFILE)[1]))
    many = [Raw(n.http_port) for _ in range(CONNS_MAX)]
    wait_for(lambda: many[-1].send(GET).answers(1, 2), 10, "the last one is served")
    extra = Raw(n.http_port)
    tap.ok(extra.closed_within(5), "%d connections, and one too many is closed" % CONNS_MAX)
    tap.ok("too many connections" in n.log(), "the log says why")
    tap.eq(many[0].send(GET).answers(1)[0][0], 200, "the others are served")
    tap.eq(n.http("GET", "/v1/nodes").status, 200, "and the unix socket is")
    for c in many:
        c.close()
    wait_for(lambda: ask(n.http_port).status == 200, 10, "there is room again")
    many = [Raw(wide_port, source=("127.0.0.1", 0)) for _ in range(CONNS_PER_ADDRESS_MAX)]
    wait_for(lambda: many[-1].send(GET).answers(1, 2), 10, "the last one is served")
    tap.ok(Raw(wide_port).closed_within(5),
           "%d connections from one address, and one too many is closed" % CONNS_PER_ADDRESS_MAX)
    tap.eq(Raw(wide_port, source=("127.0.0.2", 0)).send(GET).answers(1)[0][0], 401,
           "another address is not concerned")
    for c in many:
        c.close()


def gone_clients(c, n):
    body = '{"resource_definition_name": "orphan", "volume_sizes": [8192]}'
    for name, end in (("orphan", "close"), ("orphan2", "reset"), ("orphan3", "half")):
        raw = Raw(n.http_port)
        text = body.replace("orphan", name)
        raw.send("POST /v1/resource-groups/DfltRscGrp/spawn HTTP/1.1\r\nHost: localhost\r\n"
                 "Content-Length: %d\r\n\r\n%s" % (len(text), text))
        if end == "half":
            raw.sock.shutdown(socket.SHUT_WR)
        if end == "reset":
            raw.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        if end != "half":
            raw.close()
        v = c.wait_verdict(name)
        tap.ok(v, "the client goes away (%s), the volume is made" % end)
    a = n.http("POST", "/v1/resource-groups/DfltRscGrp/spawn",
               {"resource_definition_name": "orphan", "volume_sizes": [8192]})
    tap.eq(a.number(), 501, "who asks again learns that it is there")


def rss_kib(n):
    with open("/proc/%d/status" % n.process.pid) as f:
        return [int(x.split()[1]) for x in f if x.startswith("VmRSS")][0]


def deaf_clients(n):
    """They ask for a long list again and again and read nothing."""
    before = rss_kib(n)
    deaf = []
    for _ in range(20):
        raw = Raw(n.http_port)
        raw.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.sock.setblocking(False)
        try:
            while True:
                raw.sock.send(GET.replace("/v1/nodes", "/v1/view/resources").encode() * 50)
        except BlockingIOError:
            pass
        deaf.append(raw)
    time.sleep(2)
    grown = rss_kib(n) - before
    tap.ok(grown < 20 * (5 << 10), "20 clients that do not read: %d KiB more" % grown)
    tap.eq(ask(n.http_port, timeout=5).status, 200, "others are served meanwhile")
    for raw in deaf:
        raw.close()


def no_quorum(c):
    a, b = c.nodes[1], c.nodes[2]
    tap.eq(ask(a.http_port, path="/health").status, 200, "/health with a quorum")
    c.nodes[0].kill()
    b.kill()
    r = wait_for(lambda: [x for x in [ask(a.http_port, path="/health")] if x.status != 200], 30)[0]
    tap.ok(r.status == 500 and r.rc() < 0, "/health without one: 500", r)
    r = ask(a.http_port, path="/v1/controller/version")
    tap.eq(r.status, 200, "the version is still told: the CLI asks for it first")
    r = ask(a.http_port)
    tap.ok(r.status == 200 and "x-sdsd-stale" in r.headers, "lists are answered, as stale", r)
    r = ask(a.http_port, "POST", RD, {"resource_definition": {"name": "later"}})
    tap.ok(r.status in (500, 503) and r.rc() < 0 and "no leader" in r.json[0]["message"] and
           r.headers["content-type"] == "application/json", "changes: an array that says why", r)
    b.start()
    wait_for(lambda: ask(a.http_port, path="/health").status == 200, 30, "healthy again")


def prepare(node):
    listen(node, https="127.0.0.1")
    if node.name == "n1":
        listen(node, https="0.0.0.0")


need_sdsd()
with Cluster(3, prepare=prepare) as cluster:
    follower = cluster.followers()[0]
    first = cluster.nodes[0]
    methods(follower)
    conversations(first)
    wait_for(lambda: "a certificate for HTTPS" in follower.log(), 10, "HTTPS")
    sizes(follower, first.cli("access", "token", "create", "sizes").out.strip())
    gone_clients(cluster, follower)
    deaf_clients(follower)
    times(follower)
    first.stop()
    wide = first.https_port
    first.env["SDSD_HTTP"] += " 0.0.0.0:%d" % wide
    first.env["SDSD_HTTPS"] = "off"
    first.start()
    connections(first, wide)
    cluster.wait_online()
    no_quorum(cluster)
tap.done()
