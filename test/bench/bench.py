#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""bench.py [--quick] [--rounds N] [--only control,io] [--json FILE] - called by bench.sh with SDSD
set. Three daemons on loopback ports of this machine; everything is measured several times in one
run. Where a peer exists (qemu-nbd on a raw file of the same file system) both are measured in turn
within each round and only the ratio of one round is taken: absolute times of a machine that others
use too say little.

control: API after kill -9 of the leader, stall of writes after kill -9 of a copy, fail-over, join,
         volume create, idle memory and CPU with 1 and 50 volumes.
io:      fio over NBD against qemu-nbd, a volume with one copy, a volume with two; memory and CPU.
"""
import argparse
import json
import os
import platform
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "cluster"))
from cluster import Cluster, Node, run_cli, wait_for  # noqa: E402
from figures import Figures  # noqa: E402

MIB = 1 << 20
IO_SIZE = 256 * MIB
FAILURES = 3  # how often each kind of failure is made
VOLUMES = 50
IDLE_S = 10
POLL_S = 0.005  # how exact the times of the control plane are

figures = Figures()


def say(text):
    print("bench: %s" % text, file=sys.stderr, flush=True)


# ---- looking at a process


def status_kib(pid, field):
    """VmRSS and the like, in KiB"""
    with open("/proc/%d/status" % pid) as f:
        for line in f:
            if line.startswith(field + ":"):
                return int(line.split()[1])
    return None


def cpu_s(pid):
    """CPU time of all its threads, of those too that have ended, in seconds"""
    return time.clock_gettime(~pid << 3 | 2)  # clock_getcpuclockid(3) of another process


def client(verb, path):
    p = subprocess.Popen([sys.executable, os.path.join(HERE, "client.py"), verb, path],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    first = p.stdout.readline()
    if not first.strip() in (b"open", b"ready"):
        raise RuntimeError("client %s: %r" % (verb, first + p.stdout.read()))
    return p


def end(p):
    p.stdin.close()
    r = p.stdout.readline()
    p.wait()
    return json.loads(r) if r else None


# ---- the control plane


def make_group(node, name):
    return node.http("POST", "/v1/resource-groups", {"name": name}, timeout=15)


def bench_leader(c, runs):
    for i in range(runs):
        leader = c.leader()
        other = c.followers()[i % 2]
        begin = time.monotonic()
        leader.kill()
        tries = 0
        while True:
            a = make_group(other, "g%d-%d" % (i, tries))
            if a.status == 201:
                break
            tries += 1
            if time.monotonic() - begin > 30:
                raise RuntimeError("no leader: %r" % a)
            time.sleep(POLL_S)
        figures.add("api_after_leader", "API back after kill -9 of the leader", "s",
                    time.monotonic() - begin, ("<", 2))
        leader.start()
        c.wait_online()


def make_volume(c, name, size, nodes):
    """a volume with copies on these nodes, in sync; {node: socket}"""
    r = c.any().cli("volume", "create", name, size, "--nodes", ",".join(n.name for n in nodes))
    if r.code != 0:
        raise RuntimeError("volume create: %r" % r)
    paths = {n: wait_for(lambda n=n: n.nbd_socket(name), 20, "socket on %s" % n.name)
             for n in nodes}
    c.wait_verdict(name)
    return paths


def roles(c, runs):
    """(the leader is the one to die?, the node to die, another node), runs times each"""
    for i in range(2 * runs):
        leader, others = c.leader(), c.followers()
        if i % 2:
            yield True, leader, others[0]
        else:
            yield False, others[0], others[1]


def bench_member(c, paths, runs):
    """a copy dies under a writer on another node; the longest time without an acknowledgement"""
    for leads, victim, here in roles(c, runs):
        p = client("stream", paths[here])
        c.wait_verdict("fo")
        time.sleep(0.5)
        victim.kill()
        killed = time.monotonic()
        time.sleep(3)
        over = time.monotonic()
        victim.start()
        c.wait_online()
        c.wait_verdict("fo")  # while it is open: a closed volume has no need to catch up
        r = end(p)
        if not r or r["error"]:
            raise RuntimeError("writes ended when a copy died: %r" % r)
        stall = max((s for at, s in r["gaps"] if killed - 1 < at < over), default=0.005)
        figures.add("stall_%s" % ("leader" if leads else "member"),
                    "stall of writes, kill -9 of a copy%s" % (" and leader" if leads else ""),
                    "s", stall, ("<", 2))


def bench_failover(c, paths, runs):
    """the writer's daemon dies; until the volume was opened, written and flushed elsewhere"""
    for leads, victim, there in roles(c, runs):
        writer = client("stream", paths[victim])
        taker = client("once", paths[there])
        c.wait_verdict("fo")
        time.sleep(0.5)
        victim.kill()
        begin = time.monotonic()
        taker.stdin.write(b"go\n")
        taker.stdin.flush()
        r = json.loads(taker.stdout.readline())
        end(writer)
        if not r["done"]:
            raise RuntimeError("%s never took over: %r" % (there.name, r))
        figures.add("failover_%s" % ("leader" if leads else "writer"),
                    "written elsewhere, kill -9 of the writer%s" % (" and leader" if leads else ""),
                    "s", r["done"] - begin, ("<", 10))
        victim.start()
        c.wait_online()
        c.wait_verdict("fo")
        end(taker)


def shown_online(c, name):
    for n in c.nodes[0].get("/v1/nodes"):  # what `sdsd node list` prints
        if n["name"] == name:
            return n["connection_status"] == "ONLINE"
    return False


def bench_join(c, runs):
    for i in range(runs):
        node = Node(c, "j%d" % i)
        token = c.any().cli_json("token", "create")["token"]
        begin = time.monotonic()
        r = run_cli("join", c.nodes[0].address, "--token", token, "--dir", node.dir, "--name",
                    node.name, "--address", node.address)
        if r.code != 0:
            raise RuntimeError("sdsd join: %r" % r)
        node.start(wait=False)
        try:
            wait_for(lambda n=node: shown_online(c, n.name), 30, "joined", POLL_S)
            figures.add("join", "node joined: `join`, `run`, until shown online", "s",
                        time.monotonic() - begin, ("<", 2))
        finally:
            node.kill()
        r = c.nodes[0].cli("node", "delete", node.name)
        if r.code != 0:
            raise RuntimeError("node delete: %r" % r)


def bench_create(c, runs):
    for i in range(runs):
        begin = time.monotonic()
        r = c.nodes[i % 3].cli("volume", "create", "c%d" % i, "64M", "--copies", "2")
        figures.add("volume_create", "volume created, 2 copies", "s", time.monotonic() - begin,
                    ("<", 1))
        if r.code != 0:
            raise RuntimeError("volume create: %r" % r)
    c.nodes[0].cli("volume", "delete", *["c%d" % i for i in range(runs)])


def bench_idle(c, volumes, seconds):
    """memory and CPU of daemons that nobody asks anything; a sample of each node"""
    time.sleep(1)
    pids = [n.process.pid for n in c.nodes]
    begin, before = time.monotonic(), [cpu_s(p) for p in pids]
    time.sleep(seconds)
    passed, after = time.monotonic() - begin, [cpu_s(p) for p in pids]
    many = "%d volume%s" % (volumes, "s" if volumes > 1 else "")
    for p in pids:
        figures.add("idle_rss_%d" % volumes, "idle memory (VmRSS), " + many, "MiB",
                    status_kib(p, "VmRSS") / 1024, ("<", 30))
    for b, a in zip(before, after):
        figures.add("idle_cpu_%d" % volumes, "idle CPU, " + many, "%",
                    100 * (a - b) / passed, ("<", 0.1))


def fill_to(c, volumes):
    for i in range(volumes - 1):
        r = c.nodes[0].cli("volume", "create", "v%d" % i, "16M", "--copies", "2")
        if r.code != 0:
            raise RuntimeError("volume create: %r" % r)


def control(rounds, failures):
    with Cluster(3, name="bench") as c:
        paths = make_volume(c, "fo", "64M", c.nodes)
        say("idle with 1 volume")
        bench_idle(c, 1, IDLE_S / 2)
        say("volumes created")
        bench_create(c, 2 * rounds + 1)
        say("nodes joined")
        bench_join(c, rounds)
        say("leader killed, %d times" % (2 * failures))
        bench_leader(c, 2 * failures)
        say("copy killed, %d times" % (2 * failures))
        bench_member(c, paths, failures)
        say("writer killed, %d times" % (2 * failures))
        bench_failover(c, paths, failures)
    with Cluster(3, name="bench") as c:
        make_volume(c, "fo", "64M", c.nodes)
        say("idle with %d volumes" % VOLUMES)
        fill_to(c, VOLUMES)
        bench_idle(c, VOLUMES, IDLE_S)


# ---- NBD

PATTERNS = (
    # key, what, fio's options, which figure, unit
    ("w4k1", "4 KiB random write, QD1", ("--rw=randwrite", "--bs=4k", "--iodepth=1")),
    ("w4k32", "4 KiB random write, QD32", ("--rw=randwrite", "--bs=4k", "--iodepth=32")),
    ("f4k1", "4 KiB random write, each flushed",
     ("--rw=randwrite", "--bs=4k", "--iodepth=1", "--fsync=1")),
    ("r4k32", "4 KiB random read, QD32", ("--rw=randread", "--bs=4k", "--iodepth=32")),
    ("w1m", "1 MiB sequential write, QD8", ("--rw=write", "--bs=1M", "--iodepth=8")),
    ("r1m", "1 MiB sequential read, QD8", ("--rw=read", "--bs=1M", "--iodepth=8")),
)


class Target:
    """one NBD server: what is called how, where, and whose CPU counts"""

    def __init__(self, key, what, path, pids):
        self.key = key
        self.what = what
        self.path = path
        self.pids = pids


def fio(target, options, seconds):
    """(operations per second, MiB/s, CPU of the server in microseconds per operation)"""
    cmd = ["fio", "--name=bench", "--ioengine=nbd", "--uri=nbd+unix:///?socket=" + target.path,
           "--thread", "--size=%d" % IO_SIZE, "--randrepeat=0", "--output-format=json"]
    cmd += ["--time_based", "--runtime=%dms" % (seconds * 1000)] if seconds else []
    before = sum(cpu_s(p) for p in target.pids)
    p = subprocess.run(cmd + list(options), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       check=False, timeout=120)
    spent = sum(cpu_s(p) for p in target.pids) - before
    if p.returncode != 0:
        raise RuntimeError("fio on %s: %r" % (target.key, p))
    out = p.stdout.decode()
    job = json.loads(out[out.index("{"):])["jobs"][0]
    side = job["read"] if job["read"]["total_ios"] else job["write"]
    return side["iops"], side["bw_bytes"] / MIB, spent * 1e6 / side["total_ios"]


def start_qemu_nbd(c):
    image, path = os.path.join(c.root, "peer.raw"), os.path.join(c.root, "peer.sock")
    with open(image, "wb") as f:
        f.truncate(IO_SIZE)
    p = subprocess.Popen(["qemu-nbd", "-f", "raw", "--cache=writeback", "--discard=unmap",
                          "--persistent", "--shared=4", "-k", path, image])
    wait_for(lambda: os.path.exists(path), 10, "socket of qemu-nbd")
    return p, path


def measure(key, what, options, targets, turn, seconds):
    """one pattern on all targets, each time in another order"""
    got = {}
    order = targets[turn % len(targets):] + targets[:turn % len(targets)]
    for t in order:
        got[t.key] = fio(t, options, seconds)
    base = targets[0]
    for t in targets:
        iops, mib, cpu = got[t.key]
        big = "bs=1M" in " ".join(options)
        figures.add("%s_%s" % (key, t.key), "%s: %s" % (what, t.what),
                    "MiB/s" if big else "IOPS", mib if big else iops)
        figures.add("%s_%s_cpu" % (key, t.key), "    CPU of the server%s" %
                    ("s" if len(t.pids) > 1 else ""), "us/op", cpu)
        if t is not base:
            figures.ratio("%s_%s_ratio" % (key, t.key), "    ratio to " + base.what, iops,
                          got[base.key][0])


def io(rounds, seconds, only):
    patterns = [p for p in PATTERNS if not only or p[0] in only.split(",")]
    with Cluster(3, name="bench") as c:
        size, first = "%dM" % (IO_SIZE // MIB), c.nodes[0]
        one = make_volume(c, "one", size, c.nodes[:1])[first]
        two = make_volume(c, "two", size, c.nodes[:2])[first]
        pids = [n.process.pid for n in c.nodes[:2]]
        peer, path = start_qemu_nbd(c)
        targets = [Target("qemu", "qemu-nbd", path, [peer.pid]),
                   Target("one", "sdsd, 1 copy", one, pids[:1]),
                   Target("two", "sdsd, 2 copies", two, pids)]
        try:
            for t in targets:  # nothing is written to a hole afterwards, nor to a page of megabytes
                fio(t, ("--rw=write", "--bs=4k", "--iodepth=32"), 0)
            for turn in range(rounds):
                say("NBD, round %d of %d" % (turn + 1, rounds))
                for i, (key, what, options) in enumerate(patterns):
                    measure(key, what, options, targets, turn + i, seconds)
        finally:
            peer.kill()
            peer.wait()
        for p, what in zip(pids, ("the writer's node", "the other copy's node")):
            figures.add("peak_rss_%d" % pids.index(p), "peak memory (VmHWM) under load, " + what,
                        "MiB", status_kib(p, "VmHWM") / 1024)


def main():
    a = argparse.ArgumentParser(description="figures of sdsd on this machine")
    a.add_argument("--rounds", type=int, default=5, help="of NBD patterns (default 5)")
    a.add_argument("--seconds", type=float, default=1, help="of each pattern (default 1)")
    a.add_argument("--quick", action="store_true", help="one round, short: does it work at all?")
    a.add_argument("--only", default="control,io", help="parts, by comma (default control,io)")
    a.add_argument("--patterns", default="", help="of io, by comma: %s (default all)" %
                   ",".join(p[0] for p in PATTERNS))
    a.add_argument("--json", help="where to write the figures as JSON")
    a = a.parse_args()
    if a.quick:
        a.rounds, a.seconds = 1, 0.5
    begin = time.monotonic()
    load = os.getloadavg()[0]
    if "control" in a.only.split(","):
        control(a.rounds, 1 if a.quick else FAILURES)
    if "io" in a.only.split(","):
        io(a.rounds, a.seconds, a.patterns)
    figures.notes = {
        "sdsd": run_cli("version").out.strip(), "kernel": platform.release(),
        "cpus": os.cpu_count(), "load_before": round(load, 2),
        "load_after": round(os.getloadavg()[0], 2), "seconds": round(time.monotonic() - begin),
    }
    print(figures.table())
    print("\n" + "  ".join("%s=%s" % kv for kv in figures.notes.items()))
    if a.json:
        figures.save(a.json)
        print("JSON: %s" % a.json)


main()
