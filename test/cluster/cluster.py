# SPDX-License-Identifier: GPL-2.0-or-later
"""cluster.py - daemons on this machine for tests: start, stop, kill, freeze them, run the CLI,
speak HTTP with each, wait for things to become true. Used by test_*.py of this folder; knows
nothing of what they test. Only the standard library.

    from cluster import Cluster, Tap, need_sdsd
    tap = Tap()
    with Cluster(3) as c:               # init, two joins, all running, a pool "pool" on each
        r = c.nodes[1].http("GET", "/v1/nodes")
        tap.ok(r.status == 200 and len(r.json) == 3, "every node lists three nodes")
    tap.done()

Everything lives in one temporary folder, which is kept (and named) when a test failed or
SDSD_KEEP is set. Each daemon's log is <folder>/<node>.log. It is made in /tmp, or in the folder
SDSD_TEST_DIR; its path must be short, as those of unix sockets are limited.
"""
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

SDSD = os.environ.get("SDSD", "")
POOL = "pool"
SKIPPED = 77
# many daemons share this machine's ports: those that are wanted are set in Node.env
os.environ.setdefault("SDSD_HTTP", "off")
os.environ.setdefault("SDSD_HTTPS", "off")
PYTHON = "/usr/bin/python3"  # the one that python3-libnbd is for


def need_sdsd():
    """Ends the test as skipped when there is no binary to test."""
    if not SDSD or not os.access(SDSD, os.X_OK):
        print("1..0 # SKIP no sdsd binary: set SDSD")
        sys.exit(SKIPPED)


def have_libnbd():
    return subprocess.run([PYTHON, "-c", "import nbd"], stderr=subprocess.DEVNULL,
                          check=False).returncode == 0


def need_libnbd():
    if not have_libnbd():
        print("1..0 # SKIP python3-libnbd is missing")
        sys.exit(SKIPPED)


class Tap:
    """Counts results as TAP lines; done() prints the plan and exits."""

    def __init__(self):
        self.n = 0
        self.failed = 0
        self.clusters = []

    def ok(self, condition, name, why=""):
        self.n += 1
        if not condition:
            self.failed += 1
        print(("ok" if condition else "not ok"), self.n, "-", name, flush=True)
        if not condition and why != "":
            for line in str(why)[:4000].splitlines():
                print("#", line, flush=True)
        return bool(condition)

    def eq(self, got, want, name):
        return self.ok(got == want, name, "got  %r\nwant %r" % (got, want))

    def note(self, text):
        print("#", text, flush=True)

    def done(self):
        print("1..%d" % self.n, flush=True)
        sys.exit(1 if self.failed else 0)


class Timeout(Exception):
    pass


def wait_for(condition, timeout=10.0, what="", interval=0.05):
    """Calls condition until it is true and returns its value; Timeout with the last value."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            raise Timeout("%s: not within %.1f s; last: %r" % (what or condition, timeout, value))
        time.sleep(interval)


class Answer:
    """An HTTP answer; status 0 when there was none (error says why)."""

    def __init__(self, status, headers=None, body=b"", error=None):
        self.status = status
        self.headers = headers or {}
        self.body = body
        self.error = error
        try:
            self.json = json.loads(body) if body else None
        except ValueError:
            self.json = None

    def __repr__(self):
        return "<%s %s %s>" % (self.status, self.error or "", self.body[:600])

    def rc(self, i=0):
        """ret_code of the i-th entry; None when the body is no list of entries"""
        try:
            return self.json[i]["ret_code"]
        except (TypeError, KeyError, IndexError):
            return None

    def number(self, i=0):
        code = self.rc(i)
        return None if code is None else code & 0x7FFF


class Result:
    """What a CLI run gave."""

    def __init__(self, code, out, err):
        self.code = code
        self.out = out
        self.err = err

    @property
    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return "<exit %s out=%r err=%r>" % (self.code, self.out[-800:], self.err[-800:])


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.unix_path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.unix_path)


HELD = []   # sockets that are bound and never listen


def free_port():
    """One that nobody else is given until this test ends, also while its daemon is dead; who listens
    with SO_REUSEADDR, as daemons do, may."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", 0))
    HELD.append(s)
    return s.getsockname()[1]


class Loopback:
    """How the nodes of a cluster reach each other; test/soak/net.py has others."""

    def address(self, node):
        return "127.0.0.1:%d" % node.port

    def listen(self, node):
        """where the daemon listens when that is not its address"""
        return None

    def prefix(self, node):
        """what is put before a command that speaks with other nodes"""
        return []

    def started(self, node):
        pass

    def close(self):
        pass


class Node:
    """One daemon."""

    def __init__(self, cluster, name):
        self.cluster = cluster
        self.name = name
        self.port = free_port()
        self.env = {}  # for the daemon, besides our own
        self.dir = os.path.join(cluster.root, name)
        self.run_dir = os.path.join(cluster.root, name + "-run")
        self.pool_dir = os.path.join(cluster.root, name + "-pool")
        self.log_path = os.path.join(cluster.root, name + ".log")
        self.socket = os.path.join(self.run_dir, "sdsd.sock")
        self.process = None
        os.makedirs(self.pool_dir, exist_ok=True)
        os.makedirs(self.run_dir, exist_ok=True)

    @property
    def address(self):
        return self.cluster.net.address(self)

    # life

    def start(self, wait=True):
        net = self.cluster.net
        cmd = net.prefix(self) + [SDSD, "run", "--dir", self.dir, "--run-dir", self.run_dir,
                                  "--log-level", os.environ.get("SDSD_LOG_LEVEL", "info")]
        if net.listen(self):
            cmd += ["--listen", net.listen(self)]
        log = open(self.log_path, "ab")
        self.process = subprocess.Popen(cmd, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                        env=dict(os.environ, **self.env))
        log.close()
        net.started(self)
        if wait:
            wait_for(self.answers, 20, "%s answers on its socket" % self.name)

    def answers(self):
        if self.process and self.process.poll() is not None:
            raise RuntimeError("%s ended with %s: %s" %
                               (self.name, self.process.returncode, self.log_tail()))
        return self.http("GET", "/v1/sds/local", timeout=2).status == 200

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def stop(self, timeout=15):
        """SIGTERM; returns the exit status (a negative signal), None when it had to be killed."""
        if not self.alive():
            return self.process.returncode if self.process else None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def kill(self):
        """SIGKILL: what a power cut is to the process"""
        if self.alive():
            self.process.kill()
            self.process.wait()

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def log(self):
        try:
            with open(self.log_path, errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def log_tail(self, lines=30):
        return "\n".join(self.log().splitlines()[-lines:])

    # asking

    def http(self, method, path, body=None, headers=None, timeout=40):
        """body: bytes as they are, anything else as JSON"""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        c = UnixConnection(self.socket, timeout)
        try:
            c.request(method, path, body=body, headers=headers or {})
            r = c.getresponse()
            return Answer(r.status, dict((k.lower(), v) for k, v in r.getheaders()), r.read())
        except (OSError, http.client.HTTPException) as e:
            return Answer(0, error=e)
        finally:
            c.close()

    def get(self, path):
        """the parsed body; raises when it is no 200"""
        a = self.http("GET", path)
        if a.status != 200:
            raise RuntimeError("GET %s on %s: %r" % (path, self.name, a))
        return a.json

    def cli(self, *args, output=None, timeout=60, env=None):
        return run_cli(*args, socket_path=self.socket, output=output, timeout=timeout, env=env)

    def cli_json(self, *args):
        """the document; raises when the exit status is not 0"""
        r = self.cli(*args, output="json")
        if r.code != 0:
            raise RuntimeError("sdsd %s on %s: %r" % (" ".join(args), self.name, r))
        return r.json

    def local(self):
        a = self.http("GET", "/v1/sds/local", timeout=3)
        return a.json if a.status == 200 else {}

    def is_leader(self):
        return bool(self.local().get("is_leader"))

    def nbd_socket(self, volume):
        """path of the NBD socket of a volume on this node; None when there is none now"""
        for r in self.get("/v1/sds/status")["resources"]:
            if r["name"].lower() == volume.lower():
                for rep in r["replicas"]:
                    if rep["node"] == self.name and rep["nbd"]:
                        return rep["nbd"]
        return None


def run_cli(*args, socket_path=None, output=None, timeout=60, env=None, prefix=()):
    cmd = list(prefix) + [SDSD] + list(args)
    if output:
        cmd += ["--output", output]
    full = dict(os.environ)
    if socket_path:
        full["SDSD_SOCKET"] = socket_path
    full.update(env or {})
    try:
        p = subprocess.run(cmd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, timeout=timeout, env=full)
    except subprocess.TimeoutExpired as e:
        return Result(None, "", "timeout: %s" % e)
    return Result(p.returncode, p.stdout.decode(errors="replace"),
                  p.stderr.decode(errors="replace"))


class Cluster:
    """n nodes n1..nn, made, joined and running; pools: a pool "pool" on each."""

    def __init__(self, n=3, pools=True, name="test", net=None, prepare=None, cleanup=None):
        """net: how nodes reach each other; prepare(node): called before a node is made;
        cleanup(keep): when the daemons have ended, before their files are removed or kept"""
        self.net = net or Loopback()
        self.prepare = prepare or (lambda node: None)
        self.cleanup = cleanup or (lambda keep: None)
        self.root = tempfile.mkdtemp(prefix="sdsd-", dir=os.environ.get("SDSD_TEST_DIR", "/tmp"))
        self.name = name
        self.nodes = []
        self.keep = bool(os.environ.get("SDSD_KEEP"))
        try:
            self.first()
            for _ in range(n - 1):
                self.add()
            if n > 1:
                self.wait_online()
            if pools:
                for node in self.nodes:
                    self.add_pool(node)
        except BaseException:
            self.keep = True
            self.report()
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            self.keep = True
            self.report()
        self.close()
        return False

    def report(self):
        for node in self.nodes:
            print("# ---- end of %s" % node.log_path)
            for line in node.log_tail(25).splitlines():
                print("#", line)
        sys.stdout.flush()

    def close(self):
        for node in self.nodes:
            if node.alive():
                node.thaw()
                node.process.send_signal(signal.SIGTERM)
        for node in self.nodes:
            node.stop()
        self.net.close()
        self.cleanup(self.keep)
        if self.keep:
            print("# kept: %s" % self.root, flush=True)
        else:
            shutil.rmtree(self.root, ignore_errors=True)

    # making

    def first(self):
        node = Node(self, "n1")
        self.prepare(node)
        r = run_cli("init", "--dir", node.dir, "--name", node.name, "--cluster", self.name,
                    "--address", node.address)
        if r.code != 0:
            raise RuntimeError("sdsd init: %r" % r)
        self.nodes.append(node)
        node.start()
        wait_for(lambda: node.is_leader() and
                 node.http("GET", "/v1/nodes").json, 20, "the first node leads")

    def add(self, start=True):
        """one more node; returns it"""
        node = Node(self, "n%d" % (len(self.nodes) + 1))
        self.prepare(node)
        token = self.any().cli_json("token", "create")["token"]
        r = run_cli("join", self.nodes[0].address, "--token", token, "--dir", node.dir, "--name",
                    node.name, "--address", node.address, prefix=self.net.prefix(node))
        if r.code != 0:
            raise RuntimeError("sdsd join: %r" % r)
        self.nodes.append(node)
        if start:
            node.start()
        return node

    def add_pool(self, node, pool=POOL, kind="file-thin"):
        r = self.any().cli("pool", "create", node.name, pool, "--dir", node.pool_dir, "--kind",
                           kind)
        if r.code != 0:
            raise RuntimeError("sdsd pool create: %r" % r)

    # looking

    def any(self):
        """some node that runs"""
        for node in self.nodes:
            if node.alive():
                return node
        raise RuntimeError("no node runs")

    def leader(self, timeout=15):
        """the node that leads"""
        def find():
            for node in self.nodes:
                if node.alive() and node.is_leader():
                    return node
            return None
        return wait_for(find, timeout, "some node leads")

    def followers(self):
        leader = self.leader()
        return [n for n in self.nodes if n is not leader and n.alive()]

    def node(self, name):
        return [n for n in self.nodes if n.name == name][0]

    def status(self):
        return self.any().get("/v1/sds/status")

    def volume(self, name):
        """the volume's part of the status; None when there is none"""
        for r in self.status()["resources"]:
            if r["name"].lower() == name.lower():
                return r
        return None

    def wait_online(self, names=None, timeout=30):
        """until these nodes (default: those that run) are shown as online, and as many vote as
        there can be: from then on the cluster survives the loss of a node"""
        names = names or [n.name for n in self.nodes if n.alive()]
        voters = {1: 1, 2: 2, 3: 3, 4: 3}.get(len(names), 5)

        def online():
            a = self.any().http("GET", "/v1/sds/status", timeout=5)
            if a.status != 200:
                return False
            seen = {n["name"]: n for n in a.json["nodes"]}
            return all(seen.get(n, {}).get("state") == "online" and
                       seen[n]["role"] != "joining" for n in names) and \
                sum(n["role"] in ("leader", "voter") for n in a.json["nodes"]) >= voters
        wait_for(online, timeout, "online: %s" % ", ".join(names))

    def wait_verdict(self, volume, verdict="safe", timeout=30):
        def judged():
            v = self.volume(volume)
            return v if v and v["verdict"] == verdict else None
        return wait_for(judged, timeout, "volume %s is %s" % (volume, verdict))
