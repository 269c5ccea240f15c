# SPDX-License-Identifier: GPL-2.0-or-later
"""faults.py - what can befall the nodes of a cluster. schedule() draws what happens when, from a
generator of random numbers alone; begin() does it and returns what undoes it.

To add a kind: a row in KINDS (draw: parameters; act: what to do with them, returns the undoing) and
its name in `can` of whoever makes it possible (net.py, place.py, World)."""
import time

ALWAYS = {"none", "kill", "stop", "term"}
CALM = {"none"}
LATEST_S = 2.0     # a fault begins so long after its round
LONGEST_S = 4.0    # and lasts so long, unless its kind says otherwise
ENOSPC, EIO = 28, 5
FILES = {"data": ["*-pool/*_0000[0-9]"], "metadata": ["*-pool/*.meta"],
         "both": ["*-pool/*_0000[0-9]", "*-pool/*.meta"]}
OPS = ("read", "write", "sync", "write,sync", "read,write,sync,alloc")


class World:
    """What faults act upon. applications: those of workload.py, each knows its node."""

    def __init__(self, cluster, net, place, disks):
        self.cluster, self.net, self.place, self.disks = cluster, net, place, disks
        self.applications, self.links = [], []
        self.down = set()      # nodes that a fault has ended and will start again
        self.may_end = set()   # nodes that may end by themselves now, with a reason
        self.touched = set()   # nodes whose disks have failed, or may have

    def can(self):
        return ALWAYS | (self.net.can if self.net else set()) | self.place.can | self.disks.can

    def nodes(self, who):
        nodes = self.cluster.nodes
        if who == "all":
            return list(nodes)
        if who == "writer":
            at = [a.node for a in self.applications if a.node]
            return at[:1] or [nodes[0]]
        if who == "leader":
            return [n for n in nodes if n.alive() and n.is_leader()][:1] or [nodes[0]]
        if who.startswith("all but "):
            return [n for n in nodes if n.name != who[len("all but "):]]
        return [n for n in nodes if n.name == who]

    def change_links(self, add=(), drop=()):
        for link in drop:
            self.links.remove(link)
        self.links += add
        self.net.apply(self.links)

    def up(self, node):
        self.down.discard(node.name)
        if not node.alive():
            node.start(wait=False)


class Fault:
    def __init__(self, kind, at, length, p):
        self.kind, self.at, self.length, self.p = kind, at, length, p

    def __str__(self):
        text = " ".join("%s=%s" % (k, v) for k, v in self.p.items())
        return "%s at %.2fs for %.2fs%s" % (self.kind, self.at, self.length, " " + text if text
                                            else "")


# ---- what is drawn ----

def who(rnd, names, groups=True):
    some = ["writer", "writer", "leader"] + list(names)
    return rnd.choice(some + (["all", "all but " + rnd.choice(names)] if groups else []))


def draw_who(rnd, names):
    return {"who": who(rnd, names)}


def draw_one(rnd, names):
    return {"who": who(rnd, names, groups=False)}


def draw_pair(rnd, names):
    a = who(rnd, names, groups=False)
    return {"from": a, "to": rnd.choice([n for n in names if n != a])}


def draw_delay(rnd, names):
    return {"who": who(rnd, names), "delay_ms": rnd.choice([2, 20, 100, 300])}


def draw_rate(rnd, names):
    return {"who": who(rnd, names), "rate": rnd.choice([50000, 200000, 2000000])}


def draw_loss(rnd, names):
    return {"who": who(rnd, names), "loss": rnd.choice([1, 5, 20])}


def draw_full(rnd, names):
    return {"who": who(rnd, names), "left_kib": rnd.choice([0, 0, 16, 200])}


def draw_disk(rnd, names):
    return {"who": who(rnd, names), "file": rnd.choice(sorted(FILES)), "ops": rnd.choice(OPS),
            "permille": rnd.choice([1000, 1000, 200, 20]), "seed": rnd.randrange(1 << 30)}


def draw_slow(rnd, names):
    return dict(draw_disk(rnd, names), ms=rnd.choice([1, 10, 100, 1000]))


# ---- what is done ----

def nothing(world, p):
    return lambda: None


def kill(world, p):
    nodes = world.nodes(p["who"])
    world.down |= {n.name for n in nodes}
    for n in nodes:
        n.kill()
    return lambda: [world.up(n) for n in nodes]


def term(world, p):
    nodes = world.nodes(p["who"])
    world.down |= {n.name for n in nodes}
    for n in nodes:
        if n.alive():
            n.process.terminate()

    def undo():
        for n in nodes:
            n.stop(10)
            world.up(n)
    return undo


def stop(world, p):
    nodes = world.nodes(p["who"])
    for n in nodes:
        n.freeze()
    return lambda: [n.thaw() for n in nodes]


def linked(world, links):
    world.change_links(add=links)
    return lambda: world.change_links(drop=links)


def directed(world, p, mode):
    a = world.nodes(p["from"])[0].name
    b = p["to"]
    if a == b:
        names = [n.name for n in world.cluster.nodes]
        b = names[(names.index(a) + 1) % len(names)]
    return linked(world, [{"from": a, "to": b, "mode": mode}])


def cut(world, p):
    return directed(world, p, "cut")


def oneway(world, p):
    return directed(world, p, "silent")


def unplug(world, p):
    return linked(world, [{"from": n.name, "mode": "unplug"} for n in world.nodes(p["who"])])


def worse(world, p):
    """both directions between these nodes and all others"""
    those = {n.name for n in world.nodes(p["who"])}
    how = {k: v for k, v in p.items() if k != "who"}
    return linked(world, [dict(how, **{"from": a.name, "to": b.name})
                          for a in world.cluster.nodes for b in world.cluster.nodes
                          if a is not b and (a.name in those or b.name in those)])


def full(world, p):
    nodes = world.nodes(p["who"])
    for n in nodes:
        world.touched.add(n)
        world.place.fill(n.pool_dir, p["left_kib"])
    return lambda: [world.place.drain(n.pool_dir) for n in nodes]


def statefull(world, p):
    """the daemon may end by itself, with a clear word; it is started again when there is room, as
    the service manager would"""
    nodes = world.nodes(p["who"])
    for n in nodes:
        world.may_end.add(n.name)
        world.place.fill(n.dir, p["left_kib"])

    def undo():
        for n in nodes:
            world.place.drain(n.dir)
        time.sleep(0.3)  # who is about to end, ends
        for n in nodes:
            if not n.alive() and n.name not in world.down:
                world.ended(n)
                world.up(n)
    return undo


def on_disks(world, p, action):
    nodes = world.nodes(p["who"])
    texts = ["seed %d" % p["seed"]] + ["%s %s %d %s" % (p["ops"], f, p["permille"], action)
                                       for f in FILES[p["file"]]]
    for n in nodes:
        world.touched.add(n)
        world.disks.add(n, texts)
    return lambda: [world.disks.drop(n, texts) for n in nodes]


KINDS = {  # name: draw, act, longest
    "none": (lambda rnd, names: {}, nothing, LONGEST_S),
    "kill": (draw_who, kill, LONGEST_S),
    "stop": (draw_who, stop, LONGEST_S),
    "term": (draw_who, term, LONGEST_S),
    "cut": (draw_pair, cut, LONGEST_S),
    "oneway": (draw_pair, oneway, LONGEST_S),
    "unplug": (draw_one, unplug, LONGEST_S),
    "delay": (draw_delay, worse, LONGEST_S),
    "throttle": (draw_rate, worse, LONGEST_S),
    "loss": (draw_loss, worse, LONGEST_S),
    "full": (draw_full, full, LONGEST_S),
    "statefull": (draw_full, statefull, LONGEST_S),
    "eio": (draw_disk, lambda w, p: on_disks(w, p, "error %d" % EIO), LONGEST_S),
    "nospace": (draw_disk, lambda w, p: on_disks(w, p, "error %d" % ENOSPC), LONGEST_S),
    "hang": (draw_disk, lambda w, p: on_disks(w, p, "hang"), LONGEST_S),
    "slow": (draw_slow, lambda w, p: on_disks(w, p, "slow %d" % p["ms"]), LONGEST_S),
}


def schedule(rnd, kinds, names, pace=1.0):
    """one to three faults, in the order in which they begin"""
    faults = []
    for _ in range(rnd.choice([1, 1, 1, 2, 2, 3])):
        kind = rnd.choice(sorted(kinds))
        draw, _, longest = KINDS[kind]
        at, length = rnd.uniform(0.1, LATEST_S), rnd.uniform(0.1, longest)
        faults.append(Fault(kind, at * pace, length * pace, draw(rnd, names)))
    return sorted(faults, key=lambda f: f.at)


def run(world, faults):
    """begins and undoes each at its time, all of them before it returns"""
    began = time.monotonic()
    events = sorted([(f.at, 0, i) for i, f in enumerate(faults)] +
                    [(f.at + f.length, 1, i) for i, f in enumerate(faults)])
    undo = {}
    try:
        for at, end, i in events:
            time.sleep(max(0, began + at - time.monotonic()))
            if end:
                undo.pop(i)()
            else:
                undo[i] = KINDS[faults[i].kind][1](world, faults[i].p)
    finally:
        for u in undo.values():
            u()
