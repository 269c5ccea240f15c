# SPDX-License-Identifier: GPL-2.0-or-later
"""net.py - networks between the nodes of a test cluster that can be disturbed. Two of them, alike
for faults.py: Netns (root; a network namespace for each node, a bridge in one more) loses packets;
Proxy (anybody; test/support/proxy.py) loses connections or keeps bytes back.

    net = choose("auto", ["n1", "n2", "n3"])
    Cluster(3, net=net)
    net.apply([{"from": "n1", "to": "n2", "mode": "silent"}])    # the whole state, each time

A link is one direction: mode "cut" (both directions are gone, whatever the other says), "silent"
(this one only), "unplug" ("from" alone counts: the node is cut from all); delay_ms, rate (bytes a
second), loss. `can` says which faults a network knows."""
import json
import os
import socket
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PROXY = os.path.join(os.path.dirname(HERE), "support", "proxy.py")
PORT = 7700
NOBODY = "02:00:00:00:ff:ff"  # no card has it: what is sent there is lost
SHORT_BUCKET = 20000          # bytes: a queue this short loses packets, which is our loss without netem


def free_ports(n):
    held = [socket.socket() for _ in range(n)]
    for s in held:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


def combine(links, names):
    """one dictionary for each direction that is disturbed; the worst of what is asked for counts"""
    all_of = {}
    for link in links:
        a, mode = link["from"], link.get("mode", "")
        pairs = [(a, link.get("to"))]
        if mode == "unplug":
            pairs = [p for n in names if n != a for p in ((a, n), (n, a))]
        elif mode == "cut":
            pairs.append((link["to"], a))
        for pair in pairs:
            d = all_of.setdefault(pair, {"mode": "", "delay_ms": 0, "rate": 0, "loss": 0})
            if mode in ("cut", "unplug"):
                d["mode"] = "cut"
            elif mode and not d["mode"]:
                d["mode"] = mode
            d["delay_ms"] = max(d["delay_ms"], link.get("delay_ms", 0))
            d["loss"] = max(d["loss"], link.get("loss", 0))
            if link.get("rate"):
                d["rate"] = min(d["rate"] or link["rate"], link["rate"])
    return all_of


class Proxy:
    name = "proxy"
    can = {"cut", "oneway", "unplug", "delay", "throttle"}

    def __init__(self, names):
        ports = free_ports(2 * len(names))
        self.names = names
        self.front = dict(zip(names, ports))
        self.back = dict(zip(names, ports[len(names):]))
        self.pids, self.links = {}, []
        args = ["%s=127.0.0.1:%d=127.0.0.1:%d" % (n, self.front[n], self.back[n]) for n in names]
        self.process = subprocess.Popen([sys.executable, PROXY] + args, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.answer()

    def answer(self):
        said = self.process.stdout.readline()
        if said != "ok\n":
            raise RuntimeError("the proxy says %r" % said)

    def tell(self):
        links = [dict(d, **{"from": a, "to": b})
                 for (a, b), d in combine(self.links, self.names).items()]
        self.process.stdin.write(json.dumps({"pids": self.pids, "links": links}) + "\n")
        self.process.stdin.flush()
        self.answer()

    def address(self, node):
        return "127.0.0.1:%d" % self.front[node.name]

    def listen(self, node):
        return "127.0.0.1:%d" % self.back[node.name]

    def prefix(self, node):
        return []

    def started(self, node):
        self.pids[node.name] = node.process.pid
        self.tell()

    def apply(self, links):
        self.links = links
        self.tell()

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def ip(*args, batch=None, check=True):
    cmd = ["ip"] + list(args) + (["-batch", "-"] if batch is not None else [])
    return subprocess.run(cmd, input=batch, text=True, check=check, capture_output=True)


class Netns:
    name = "netns"

    def __init__(self, names):
        self.names = names
        self.tag = "sdsd%d" % os.getpid()
        self.bridge = self.tag + "-br"
        self.dead, self.shaped, self.unplugged = set(), {}, set()
        self.spaces = []
        try:
            self.make()
        except (OSError, subprocess.CalledProcessError):
            self.close()
            raise

    def make(self):
        self.space(self.bridge)
        ip("-n", self.bridge, "link", "add", "br0", "type", "bridge", "forward_delay", "0")
        ip("-n", self.bridge, "link", "set", "br0", "up")
        for i, name in enumerate(self.names):
            ns = self.ns(name)
            self.space(ns)
            ip("-n", self.bridge, "link", "add", name, "type", "veth", "peer", "name", "eth0",
               "address", self.mac(name), "netns", ns)
            ip("-n", self.bridge, "link", "set", name, "master", "br0", "up")
            ip("-n", ns, batch="link set lo up\nlink set eth0 up\naddr add %s/24 dev eth0\n" %
               self.host(name))
        for a in self.names:
            for b in self.names:
                if a != b:
                    self.neighbour(a, b, self.mac(b))
        self.netem = self.tc(self.names[0], "replace", "netem", "delay", "1ms")
        if self.netem:
            self.tc(self.names[0], "del")
        self.can = {"cut", "oneway", "unplug", "throttle", "loss"} | \
            ({"delay"} if self.netem else set())

    def space(self, ns):
        ip("netns", "add", ns)
        self.spaces.append(ns)

    def ns(self, name):
        return self.tag + "-" + name

    def number(self, name):
        return self.names.index(name) + 1

    def host(self, name):
        return "10.77.0.%d" % self.number(name)

    def mac(self, name):
        return "02:00:00:00:00:%02x" % self.number(name)

    def neighbour(self, a, b, mac):
        """where a sends what is for b: one direction, without any filter of packets"""
        ip("-n", self.ns(a), "neigh", "replace", self.host(b), "lladdr", mac, "dev", "eth0",
           "nud", "permanent")

    def tc(self, name, verb, *how):
        cmd = ["tc", "-n", self.ns(name), "qdisc", verb, "dev", "eth0", "root"] + list(how)
        return subprocess.run(cmd, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL).returncode == 0

    def shape(self, name, delay_ms, rate, loss):
        if (delay_ms, rate, loss) == (0, 0, 0):
            return self.tc(name, "del")
        if self.netem:
            how = ["netem", "delay", "%dms" % delay_ms, "loss", "%d%%" % loss]
            return self.tc(name, "replace", *how, *(["rate", "%d" % (rate * 8)] if rate else []))
        rate, limit = rate or 1000000, SHORT_BUCKET if loss else 50 * SHORT_BUCKET
        return self.tc(name, "replace", "tbf", "rate", "%d" % (rate * 8), "burst", "16000",
                       "limit", "%d" % limit)

    def apply(self, links):
        unplugged = {l["from"] for l in links if l.get("mode") == "unplug"}
        for name in unplugged ^ self.unplugged:
            ip("-n", self.bridge, "link", "set", name, "down" if name in unplugged else "up")
        self.unplugged = unplugged
        wanted = combine([l for l in links if l.get("mode") != "unplug"], self.names)
        dead = {pair for pair, d in wanted.items() if d["mode"]}
        for a, b in dead ^ self.dead:
            self.neighbour(a, b, NOBODY if (a, b) in dead else self.mac(b))
        self.dead = dead
        for name in self.names:
            mine = [d for (a, _), d in wanted.items() if a == name]
            rates = [d["rate"] for d in mine if d["rate"]]
            shape = (max([d["delay_ms"] for d in mine] + [0]), min(rates) if rates else 0,
                     max([d["loss"] for d in mine] + [0]))
            if shape != self.shaped.get(name, (0, 0, 0)):
                if not self.shape(name, *shape):
                    raise RuntimeError("tc refuses %r on %s" % (shape, name))
                self.shaped[name] = shape

    def address(self, node):
        return "%s:%d" % (self.host(node.name), PORT)

    def listen(self, node):
        return None

    def prefix(self, node):
        return ["nsenter", "--net=/run/netns/" + self.ns(node.name)]

    def started(self, node):
        pass

    def close(self):
        for ns in reversed(self.spaces):
            ip("netns", "del", ns, check=False)


def choose(wanted, names):
    """"netns", "proxy", or "auto": the first that this machine can"""
    if wanted == "proxy":
        return Proxy(names)
    try:
        if os.geteuid() != 0:
            raise OSError("network namespaces need root")
        return Netns(names)
    except (OSError, subprocess.CalledProcessError) as e:
        if wanted == "netns":
            raise RuntimeError("no network namespaces here: %s" %
                               (getattr(e, "stderr", None) or e)) from e
        return Proxy(names)
