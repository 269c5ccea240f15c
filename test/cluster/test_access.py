#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_access.py - who may use the API over TCP: loopback without a token, tokens, certificates,
what each may do, when it ends, and what of it can be found in the store and the history."""
import json
import os
import ssl
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import SDSD, Cluster, Tap, free_port, need_sdsd, wait_for  # noqa: E402
from web import ask, listen, tls_context  # noqa: E402

SIGN_IN, SIGN_IN_MISSING, DENIED = 10000, 10001, 412
ACCESS_WAITING_MAX = 64
tap = Tap()


def refused(a, status, number, text=""):
    return a.status == status and a.number() == number and \
        text in a.json[0]["message"] and a.headers["content-type"] == "application/json" and \
        ("www-authenticate" in a.headers) == (status == 401)


def loopback(n):
    tap.eq(ask(n.http_port).status, 200, "loopback: no token is needed")
    # what LINSTOR's Python client does first: a probe without any header but Host
    tap.eq(ask(n.http_port, path="/v1/controller/version").json["rest_api_version"], "1.27.0",
           "a bare probe gets the version, and no redirect")
    a = ask(n.http_port, "POST", "/v1/resource-definitions",
            b'{"resource_definition": {"name": "bare"}}')
    tap.eq(a.status, 201, "a body without Content-Type is taken")
    for header in ({"Origin": "http://a.example"}, {"Sec-Fetch-Site": "cross-site"},
                   {"Host": "a.example:%d" % n.http_port}, {"Host": ""}):
        a = ask(n.http_port, "DELETE", "/v1/resource-definitions/bare", headers=header)
        tap.ok(refused(a, 403, DENIED, "no web pages"),
               "loopback is closed to web pages: %s" % header, a)
    for host in ("localhost", "localhost:1", "127.0.0.1", "[::1]:3370"):
        tap.eq(ask(n.http_port, headers={"Host": host}).status, 200, "Host %s is fine" % host)
    tap.ok(refused(ask(n.http_port, token="sdsd1.nobody.00"), 401, SIGN_IN),
           "loopback: what is shown must be valid")
    for method, path, body in (("POST", "/v1/sds/tokens", {}),
                               ("DELETE", "/v1/sds/tokens/00000000", None),
                               ("POST", "/v1/sds/access/tokens", {"name": "own"}),
                               ("POST", "/v1/sds/access/certificates", {"name": "own"}),
                               ("DELETE", "/v1/sds/access/tokens/own", None),
                               ("PUT", "/v1/sds/access-policy", {"require_token": False}),
                               ("POST", "/v1/sds/adopt", {"node": "n1", "device": "/dev/x"})):
        a = ask(n.http_port, method, path, body)
        tap.ok(refused(a, 403, DENIED, "needs a token"),
               "what leads further is not for guests: %s %s" % (method, path), a)
    tap.eq(n.get("/v1/sds/access"), [], "and nothing was made")
    tap.ok(n.cli("access", "require-token", "on").code == 0 and
           refused(ask(n.http_port), 401, SIGN_IN_MISSING), "require-token on: loopback is closed")
    for path in ("/", "/health"):
        tap.eq(ask(n.http_port, path=path).status, 200, "%s needs no token" % path)
    tap.ok(refused(ask(n.http_port, "POST", "/health"), 401, SIGN_IN_MISSING),
           "but other methods there do")
    tap.ok(n.cli("access", "require-token", "off").code == 0 and
           ask(n.http_port).status == 200, "require-token off")
    a = n.http("PUT", "/v1/sds/access-policy", {"require_token": "perhaps"})
    tap.eq(a.status, 400, "require_token is a boolean")


def tokens(c, n):
    r = n.cli("access", "token", "create", "ci")
    token = r.out.strip()
    tap.ok(r.code == 0 and token.startswith("sdsd1.ci."), "a token is made", r)
    context = tls_context(n.dir + "/ca.pem")
    a = ask(n.https_port, token=token, context=context)
    tap.eq(a.status, 200, "HTTPS, certificate verified by ca.pem, with the token")
    tap.ok(refused(ask(n.https_port, context=context), 401, SIGN_IN_MISSING),
           "HTTPS without a token: 401")
    for bad in (token[:-1], token + "0", token.replace("ci", "cj"), "x" * 5000, "sdsd1.ci",
                "sdsd1..", "sdsd1.ci." + "0" * 64, "sdsd1." + "n" * 60 + ".0"):
        a = ask(n.https_port, token=bad, context=context)
        tap.ok(refused(a, 401, SIGN_IN), "no such token: %.20s" % bad, a)
    a = ask(n.https_port, headers={"Authorization": "Basic YTpi"}, context=context)
    tap.ok(refused(a, 401, SIGN_IN, "bearer"), "another scheme", a)
    a = ask(n.https_port, headers={"Authorization": "bearer  " + token}, context=context)
    tap.eq(a.status, 200, "the scheme in any case")
    a = ask(n.https_port, "POST", "/v1/resource-definitions",
            {"resource_definition": {"name": "by-token-" + n.name}}, token=token, context=context)
    tap.eq(a.status, 201, "a token may change things")
    for other in c.nodes:
        a = ask(other.https_port, token=token, context=context)
        tap.eq(a.status, 200, "it is valid on %s, too" % other.name)
    tap.ok(any("token=ci" in x for x in authors(n)), "the history says whose token it was")
    tap.ok(not secret_stored(c, token.split(".")[2]), "the secret is in no file of any node")
    r = n.cli("access", "token", "create", "CI")
    tap.ok(r.code == 1 and "exists already" in r.err, "a name is used once, in any case", r)
    r = n.cli("access", "token", "delete", "ci")
    tap.ok(r.code == 0, "it is deleted", r)
    for other in c.nodes:
        wait_for(lambda o=other: ask(o.https_port, token=token, context=context).status == 401, 5,
                 "it is refused on %s" % other.name)
    tap.ok(True, "a deleted token is refused on each node")
    tap.ok("nothing to delete" in n.cli("access", "token", "delete", "ci").err, "deleted again")


def made_elsewhere(c):
    """A token is valid on a node that has not heard of it yet: frozen while it is made."""
    leader, behind = c.leader(), c.followers()[0]
    context = tls_context(leader.dir + "/ca.pem")
    good = []
    for i in range(8):
        behind.freeze()
        made = leader.http("POST", "/v1/sds/access/tokens", {"name": "fresh-%d" % i})
        with ThreadPoolExecutor() as pool:
            asked = pool.submit(ask, behind.https_port, token=made.json["token"], context=context)
            time.sleep(0.1)
            behind.thaw()
            good.append(asked.result().status)
        leader.http("DELETE", "/v1/sds/access/tokens/fresh-%d" % i)
    tap.eq(good, [200] * 8, "a token that was made on another node this moment")


def strangers(c):
    """What is not known is asked for at the leader: not too often, nor for too many at a time."""
    leader, follower = c.leader(), c.followers()[0]
    context = tls_context(leader.dir + "/ca.pem")

    def try_one(i):
        began = time.monotonic()
        a = ask(follower.https_port, token="sdsd1.nobody%d.%s" % (i, "0" * 64), context=context)
        return refused(a, 401, SIGN_IN), time.monotonic() - began

    began = time.monotonic()
    each = [try_one(i) for i in range(20)]
    took = time.monotonic() - began
    tap.ok(all(ok for ok, _ in each), "20 that are made up: refused", each)
    tap.ok(took > 19 * 0.05, "one after the other: not more than 20 questions in a second", took)
    others = [n for n in c.nodes if n is not follower]
    for n in others:
        n.freeze()
    with ThreadPoolExecutor(96) as pool:
        each = list(pool.map(try_one, range(96)))
    for n in others:
        n.thaw()
    waited = sum(took > 1.9 for _, took in each)
    tap.ok(all(ok for ok, _ in each), "96 at a time, and no leader answers: refused", each)
    tap.ok(ACCESS_WAITING_MAX / 2 <= waited <= ACCESS_WAITING_MAX,
           "%d of them wait, the others do not (%d)" % (ACCESS_WAITING_MAX, waited))
    c.leader()
    c.wait_online()


def authors(n):
    """who asked, of all transactions in the log of raft on this node"""
    found = set()
    for name in os.listdir(n.dir + "/raft"):
        with open(os.path.join(n.dir, "raft", name), "rb") as f:
            data = f.read()
        at = data.find(b'"by":"')
        while at >= 0:
            found.add(data[at + 6:data.find(b'"', at + 6)].decode(errors="replace"))
            at = data.find(b'"by":"', at + 1)
    return found


def secret_stored(c, secret):
    for node in c.nodes:
        for folder, _, names in os.walk(node.dir):
            for name in names:
                with open(os.path.join(folder, name), "rb") as f:
                    if secret.encode() in f.read():
                        return True
        if secret in node.log():
            return True
    return False


def limits_of_tokens(n):
    token = n.cli("access", "token", "create", "ro", "--read-only").out.strip()
    context = tls_context(n.dir + "/ca.pem")
    tap.eq(ask(n.https_port, token=token, context=context).status, 200, "read-only: GET")
    tap.eq(ask(n.https_port, "HEAD", token=token, context=context).status, 200, "read-only: HEAD")
    tap.eq(ask(n.https_port, "OPTIONS", token=token, context=context).status, 200,
           "read-only: OPTIONS")
    for method, path, body in (("POST", "/v1/resource-definitions", {}),
                               ("PUT", "/v1/resource-definitions/bare", {}),
                               ("DELETE", "/v1/resource-definitions/bare", None),
                               ("PATCH", "/v1/encryption/passphrase", b'"x"'),
                               ("POST", "/v1/sds/access/tokens", {"name": "more"}),
                               ("POST", "/v1/nodes", {"name": "x", "type": "satellite"})):
        a = ask(n.https_port, method, path, body, token=token, context=context)
        tap.ok(refused(a, 403, DENIED, "reading only"), "read-only: %s %s" % (method, path), a)
    for who in ("report", "record-cas", "join"):
        a = n.http("POST", "/v1/sds/access/tokens", {"name": "full-" + who})
        a = ask(n.https_port, "POST", "/v1/sds/" + who, {}, token=a.json["token"], context=context)
        tap.ok(refused(a, 403, DENIED), "a user is no node: %s" % who, a)
    a = n.http("POST", "/v1/sds/access/tokens", {"name": "short", "ttl_s": 1})
    tap.eq(ask(n.https_port, token=a.json["token"], context=context).status, 200, "for a second")
    time.sleep(1.2)
    b = ask(n.https_port, token=a.json["token"], context=context)
    tap.ok(refused(b, 401, SIGN_IN, "expired"), "its time is over", b)
    tap.eq([x["state"] for x in n.get("/v1/sds/access") if x["name"] == "short"], ["expired"],
           "the list says so")
    for body in ({}, {"name": ""}, {"name": "a b"}, {"name": "x" * 49}, {"name": 5},
                 {"name": "tt", "ttl_s": 0}, {"name": "tt", "ttl_s": "long"},
                 {"name": "tt", "ttl_s": 3650 * 86400 + 1}, {"name": "tt", "read_only": "yes"}):
        for path in ("tokens", "certificates"):
            a = n.http("POST", "/v1/sds/access/" + path, body)
            tap.ok(a.status in (400, 500) and a.rc() < 0, "refused: %s %s" % (path, body), a)
    a = n.http("POST", "/v1/sds/access/certificates", {"name": "tt", "csr_pem": "nonsense"})
    tap.ok(a.status == 500 and "certificate request" in a.json[0]["message"], "no request", a)
    tap.ok(not any(x["name"] == "tt" for x in n.get("/v1/sds/access")), "nothing was left")


def auth_json(c, n):
    path = os.path.join(c.root, "linstor.d", "auth.json")
    r = n.cli("access", "token", "create", "cli", "--auth-json", path)
    with open(path) as f:
        token = json.load(f)["token"]
    tap.ok(r.code == 0 and token not in r.out and
           stat.S_IMODE(os.stat(path).st_mode) == 0o600, "auth.json has mode 0600", r)
    tap.eq(ask(n.https_port, token=token, context=tls_context()).status, 200,
           "as LINSTOR's clients read it")


def certificates(c, n):
    out = os.path.join(c.root, "certs")
    r = n.cli("access", "certificate", "create", "alice", "--out", out)
    files = [os.path.join(out, "alice.crt"), os.path.join(out, "alice.key")]
    tap.ok(r.code == 0 and stat.S_IMODE(os.stat(files[1]).st_mode) == 0o600,
           "a certificate and its key", r)
    ca = os.path.join(out, "ca.crt")
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        a = ask(n.https_port, context=tls_context(ca, *files, version=version))
        tap.eq(a.status, 200, "it opens the API with %s" % version.name)
    a = ask(n.https_port, "POST", "/v1/resource-definitions",
            {"resource_definition": {"name": "by-cert"}}, context=tls_context(ca, *files))
    tap.ok(a.status == 201 and any("certificate=alice" in x for x in authors(n)),
           "it may change things, and the history knows whose it was", a)
    a = ask(n.https_port, context=tls_context(ca, n.dir + "/node.pem", n.dir + "/node.key"))
    tap.ok(refused(a, 401, SIGN_IN_MISSING), "a node's certificate opens nothing here", a)
    node_port_refuses(n, files)
    a = ask(n.https_port, context=tls_context(ca, *foreign_certificate(c)))
    tap.eq(a.status, 0, "one of another CA: no connection")
    try:
        tls_context(ca, version=ssl.TLSVersion.TLSv1_1)
        a = ask(n.https_port, context=tls_context(ca, version=ssl.TLSVersion.TLSv1_1))
        tap.eq(a.status, 0, "TLS 1.1: no connection")
    except (ssl.SSLError, ValueError):
        tap.ok(True, "TLS 1.1 is not even known here # SKIP")
    r = n.cli("access", "certificate", "create", "reader", "--read-only", "--out", out)
    reader = tls_context(ca, os.path.join(out, "reader.crt"), os.path.join(out, "reader.key"))
    tap.eq(ask(n.https_port, context=reader).status, 200, "read-only certificate: GET")
    a = ask(n.https_port, "DELETE", "/v1/resource-definitions/by-cert", context=reader)
    tap.ok(refused(a, 403, DENIED), "read-only certificate: DELETE", a)
    r = n.cli("access", "certificate", "create", "alice", "--out", out + "2")
    tap.ok(r.code == 1 and not os.path.exists(out + "2/alice.key"),
           "a refused request leaves no key", r)
    r = n.cli("access", "certificate", "create", "reader", "--out", out)
    tap.ok(r.code == 1 and "is there already" in r.err, "a key is not written over", r)
    tap.eq(n.cli("access", "token", "delete", "alice").code, 0, "deleted as a token: nothing")
    tap.eq(ask(n.https_port, context=tls_context(ca, *files)).status, 200, "so it is still good")
    tap.eq(n.cli("access", "certificate", "delete", "alice").code, 0, "deleted")
    a = ask(n.https_port, context=tls_context(ca, *files))
    tap.ok(refused(a, 401, SIGN_IN), "a deleted certificate is refused at once", a)
    r = n.cli("access", "certificate", "create", "alice", "--out", out + "3")
    tap.eq(r.code, 0, "another one of the same name")
    a = ask(n.https_port, context=tls_context(ca, *files))
    tap.ok(refused(a, 401, SIGN_IN), "does not bring the deleted one back", a)
    r = n.cli("access", "list")
    tap.ok("reader" in r.out and "certificate" in r.out and "never" in r.out, "the list", r)
    tap.ok("certificate" not in n.cli("access", "token", "list").out, "of one kind")


def node_port_refuses(n, files):
    """A user's certificate at the port between nodes, whatever protocol it asks for."""
    for alpn in ("sdsd-raft/1", "sdsd-data/1", "http/1.1"):
        context = tls_context(None, *files)
        context.set_alpn_protocols([alpn])
        a = ask(n.port, "POST", "/v1/sds/report", {}, context=context, timeout=10)
        tap.eq(a.status, 0, "a user's certificate is no node's: %s" % alpn)
    wait_for(lambda: "is not a node's" in n.log(), 5, "the log says why")


def foreign_certificate(c):
    path = os.path.join(c.root, "foreign")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=alice", "-days", "2",
                    "-keyout", path + ".key", "-out", path + ".crt"], check=True,
                   stderr=subprocess.DEVNULL)
    return path + ".crt", path + ".key"


def listeners(c, n):
    """Addresses that are not loopback, names of the certificate, ports that are taken."""
    r = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % n.https_port],
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                       check=False)
    text = subprocess.run(["openssl", "x509", "-noout", "-text"], input=r.stdout,
                          stdout=subprocess.PIPE, check=False).stdout.decode()
    tap.ok(all(x in text for x in ("DNS:" + n.name, "DNS:localhost", "IP Address:127.0.0.1",
                                   "IP Address:0:0:0:0:0:0:0:1", "TLS Web Server")) and
           "TLS Web Client" not in text, "what HTTPS shows: names, addresses, for servers only",
           text)
    tap.eq(sorted(x["url"] for x in n.local()["listeners"]),
           ["http://127.0.0.1:%d" % n.http_port, "https://127.0.0.1:%d" % n.https_port],
           "local tells of the listeners")
    old = dict(n.env)
    n.stop()
    n.env["SDSD_HTTP"] = "127.0.0.1:%d 0.0.0.0:%d" % (n.http_port, free_port())
    n.start()
    wide = int(n.env["SDSD_HTTP"].rsplit(":", 1)[1])
    tap.eq(ask(n.http_port).status, 200, "two listeners: that on loopback is open")
    tap.ok(refused(ask(wide), 401, SIGN_IN_MISSING), "that on all addresses is not")
    token = n.http("POST", "/v1/sds/access/tokens", {"name": "wide"}).json["token"]
    tap.eq(ask(wide, token=token).status, 200, "but with a token")
    tap.ok("which is not loopback" in n.log(), "the log warns of plain HTTP there")
    n.stop()
    n.env["SDSD_HTTP"] = "127.0.0.1:%d" % c.nodes[1].http_port
    r = subprocess.run([SDSD, "run", "--dir", n.dir, "--run-dir", n.run_dir],
                       env=dict(os.environ, **n.env), stderr=subprocess.PIPE, check=False,
                       timeout=30)
    tap.ok(r.returncode == 1 and b"cannot listen on 127.0.0.1" in r.stderr,
           "a port that was asked for and is taken: refused at start", r)
    n.env = old
    n.start()
    n.cli("access", "token", "delete", "wide")


def default_ports():
    """Two daemons with the defaults on one machine: the second one runs, and says what it lacks."""
    def prepare(node):
        node.env = {"SDSD_HTTP": "", "SDSD_HTTPS": ""}

    with Cluster(2, pools=False, prepare=prepare) as c:
        closed = [x for x in c.nodes[1].local()["listeners"] if x["error"]]
        tap.eq([x["url"] for x in closed], ["http://127.0.0.1:3370", "https://[::]:3371"],
               "default ports that are taken do not keep the daemon from running")
        r = c.nodes[1].cli("status")
        tap.ok("does not serve http://127.0.0.1:3370" in r.out and "Address already in use" in
               r.out, "status says so", r)
        tap.ok("the default address of plain HTTP is not served" in c.nodes[1].log(),
               "and the log")
        if not [x for x in c.nodes[0].local()["listeners"] if x["error"]]:
            tap.eq(ask(3370).json[0]["name"], "n1", "the first one has 3370")
            tap.eq(ask(3371, context=tls_context(c.nodes[0].dir + "/ca.pem")).status, 401,
                   "and 3371, over IPv4, too")


need_sdsd()
with Cluster(3, pools=False, prepare=listen) as cluster:
    first = cluster.nodes[0]
    wait_for(lambda: all("a certificate for HTTPS" in x.log() for x in cluster.nodes), 20,
             "each node has a certificate for HTTPS")
    loopback(first)
    for node in (cluster.leader(), cluster.followers()[0]):
        tokens(cluster, node)
    made_elsewhere(cluster)
    strangers(cluster)
    limits_of_tokens(first)
    auth_json(cluster, first)
    certificates(cluster, cluster.followers()[0])
    listeners(cluster, first)
default_ports()
tap.done()
