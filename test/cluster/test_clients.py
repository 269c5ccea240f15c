#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_clients.py - what LINSTOR's clients say (test/clients/), said to three daemons over TCP, to the
leader and to a follower in turn; then the fields without which some client goes wrong, in answers of
a cluster with a copy, a client, a degraded resource and a node that is away; then the real command
line of LINSTOR, where there is one (LINSTOR_CLI, or "linstor" in PATH).

CLIENTS="csi cli" in the environment: only these."""
import copy
import importlib
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "soak"),
                os.path.join(os.path.dirname(HERE), "clients")]
from cluster import PYTHON, Cluster, Tap, have_libnbd, need_sdsd, wait_for  # noqa: E402
from place import Place, can_mount  # noqa: E402
from replay import Open, Session, Shut, pick  # noqa: E402
from web import listen  # noqa: E402

CLIENTS = ("csi", "proxmox", "docker", "opennebula", "cinder", "cloudstack", "cli", "gui")
DOCUMENT = os.path.join(ROOT, "docs", "linstor.md")
tap = Tap()


# ---- the table of operations in the document

def operations():
    """{number: (method, path with {}, whether it says that there is such a call)}"""
    found = {}
    with open(DOCUMENT, encoding="utf-8") as f:
        for line in f:
            row = re.match(r"\| ([12])\.(\d+) \| (\w+) `([^`]+)` \| (\w+) \|", line)
            if row:
                tier, n, method, path, state = row.groups()
                found[(int(tier), int(n))] = (method, re.sub(r"\{[^}]*\}", "{}", path), state)
    return found


def check_document():
    from test_openapi import routes
    ops = operations()
    tap.eq([sum(t == tier for t, _ in ops) for tier in (1, 2)], [33, 72],
           "docs/linstor.md has the operations of both tiers")
    there = {(m.upper(), p) for m, p in routes()}
    # one route serves all the statistics
    there |= {(m, p) for m, p, _ in ops.values()
              if p.startswith("/v1/stats/") and ("GET", "/v1/stats/{}") in there}
    wrong = [(k, v) for k, v in ops.items() if (v[2] == "yes") != ((v[0], v[1]) in there)]
    tap.eq(wrong, [], "and says of each truly whether it is there")
    return ops


def operation(ops, method, path):
    """the number of the operation that a request is; None when it is of no tier"""
    path = path.split("?")[0]
    best = None
    for n, (m, p, _) in ops.items():
        shape = "".join("[^/]+" if x == "{}" else re.escape(x) for x in re.split(r"(\{\})", p))
        if m == method and re.fullmatch(shape, path) and \
                (best is None or p.count("{}") < ops[best][1].count("{}")):
            best = n
    return best


# ---- replaying

class Holder:
    """an application that has a volume open on a node"""

    def __init__(self, node, resource):
        socket = wait_for(lambda: node.nbd_socket(resource), 20, "socket on " + node.name)
        script = ("import nbd,sys\nh=nbd.NBD()\nh.connect_unix(sys.argv[1])\n"
                  "h.pread(4096,0)\nprint('open',flush=True)\nsys.stdin.read()\nh.shutdown()\n")
        self.p = subprocess.Popen([PYTHON, "-c", script, socket], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        self.opened = self.p.stdout.readline().strip() == "open"

    def close(self):
        self.p.stdin.close()
        return self.p.wait(20) == 0


class Replay:
    def __init__(self, c, ops, snapshots):
        self.c, self.ops, self.snapshots = c, ops, snapshots
        self.rows = []
        self.met = set()

    def client(self, module):
        leader = self.c.leader()
        ports = [leader.http_port, self.c.followers()[0].http_port]
        session = Session(module.CLIENT, ports)
        session.kept["folder"] = os.path.join(self.c.root, "more")
        os.makedirs(session.kept["folder"], exist_ok=True)
        for scenario in module.SCENARIOS:
            self.scenario(session, scenario)
        session.close()

    def scenario(self, session, scenario):
        name = "%s: %s" % (session.client.name, scenario.name)
        if scenario.snapshots and not self.snapshots:
            tap.note("%s: left out, it takes pools that have snapshots" % name)
            self.rows.append((session.client.name, scenario.name, 0, set(), "left out"))
            return
        if scenario.opens and not have_libnbd():
            tap.note("%s: left out, it takes libnbd for Python" % name)
            self.rows.append((session.client.name, scenario.name, 0, set(), "left out"))
            return
        faults, asked, met, held = [], 0, set(), {}
        for step in scenario.steps:
            if isinstance(step, Shut):
                if not held.pop((step.node, step.resource)).close():
                    faults.append("%s on %s was not closed well" % (step.resource, step.node))
            elif isinstance(step, Open):
                h = held[(step.node, step.resource)] = Holder(self.c.node(step.node),
                                                              step.resource)
                if not h.opened:
                    faults.append("%s cannot be opened on %s" % (step.resource, step.node))
            else:
                a, wrong = session.say(step)
                asked += 1
                met.add(operation(self.ops, step.method, session.filled(step.path)))
                faults += ["%s %s: %s\n  %s %s" % (step.method, session.filled(step.path), w,
                                                   step.body or "", str(a)[:300]) for w in wrong]
        for h in held.values():
            h.close()
        met.discard(None)
        self.met |= met
        tap.ok(not faults, "%s (%d requests)" % (name, asked), "\n".join(faults))
        self.rows.append((session.client.name, scenario.name, asked, met,
                          "good" if not faults else "%d faults" % len(faults)))

    def table(self):
        tap.note("%-16s %-38s %8s %10s  %s" % ("client", "scenario", "requests", "operations",
                                                "result"))
        for client, scenario, asked, met, result in self.rows:
            tap.note("%-16s %-38s %8d %10d  %s" % (client, scenario, asked, len(met), result))
        left = sorted(set(self.ops) - self.met)
        tap.note("operations met: %d of %d; not: %s" % (
            len(self.met), len(self.ops),
            ", ".join("%s %s" % self.ops[n][:2] for n in left) or "none"))


# ---- fields that have to be there

VOLUME = "[*].volumes[*]."
DATA = VOLUME + "layer_data_list[0].data."
DRBD = "[*].layer_object.drbd"
MUST = {
    "/v1/controller/version": ["version", "git_hash", "build_time", "rest_api_version"],
    "/v1/nodes": ["[*].name", "[*].type", "[*].net_interfaces[*].address",
                  "[*].net_interfaces[*].satellite_encryption_type"],
    "/v1/view/storage-pools": ["[*].storage_pool_name", "[*].node_name", "[*].provider_kind",
                               "[*].free_space_mgr_name", "[*].uuid"],
    "/v1/view/resources?resources=must": [
        "[*].name", "[*].node_name", "[*].layer_object", "[*].layer_object.type",
        "[*].layer_object.children[*].type", DRBD,
        DRBD + ".drbd_volumes[*].drbd_volume_definition.minor_number",
        DRBD + ".drbd_volumes[*].usable_size_kib", "[*].volumes", VOLUME + "volume_number",
        VOLUME + "device_path", VOLUME + "storage_pool_name", VOLUME + "allocated_size_kib",
        VOLUME + "layer_data_list[*].type", DATA + "drbd_volume_definition.minor_number",
        DATA + "usable_size_kib"],
    "/v1/resource-definitions?with_volume_definitions=true": [
        "[*].name", "[*].uuid", "[*].resource_group_name", "[*].layer_data[*].type",
        "[*].volume_definitions", "[*].volume_definitions[*].volume_number",
        "[*].volume_definitions[*].size_kib", "[*].volume_definitions[*].layer_data[*].type",
        "[*].volume_definitions[*].layer_data[0].data.minor_number"],
    "/v1/resource-groups": ["[*].name"],
    "/v1/resource-groups/must/volume-groups": ["[*].volume_number"],
}
MUST_SNAPSHOTS = {"/v1/view/snapshots": ["[*].name", "[*].resource_name",
                                         "[*].volume_definitions[*].volume_number",
                                         "[*].volume_definitions[*].size_kib"]}
MUST_DISKS = {"/v1/physical-storage": ["[*].size", "[*].rotational"]}
BY_HEAD = re.compile(r"^(.*?)\.?([^.\[\]]+)$")


def lacking(document, path):
    """how many of the objects that should have the field at path do not; all when there is none"""
    head, field = BY_HEAD.match(path).groups()
    owners = pick(document, head) if head else [document]
    return sum(not isinstance(o, dict) or o.get(field) is None for o in owners) or \
        (0 if owners else 1)


def dropped(document, path):
    """a copy without the field in the last object that has it"""
    head, field = BY_HEAD.match(path).groups()
    document = copy.deepcopy(document)
    owners = pick(document, head) if head else [document]
    owners[-1].pop(field, None)
    return document


def degraded(c):
    """resource "must": a copy on n1, one on a node that is away, a client on the third"""
    away = [n for n in c.followers() if n is not c.nodes[0]][0]
    third = [n for n in c.nodes if n not in (c.nodes[0], away)][0]
    via = c.nodes[0]
    via.http("POST", "/v1/resource-groups", {"name": "must"})
    via.http("POST", "/v1/resource-groups/must/volume-groups", {})
    via.http("POST", "/v1/resource-groups/must/spawn", {
        "resource_definition_name": "must", "volume_sizes": [16384],
        "select_filter": {"place_count": 2, "node_name_list": [via.name, away.name]}})
    c.wait_verdict("must")
    via.http("POST", "/v1/resource-definitions/must/resources/%s/make-available" % third.name, {})
    return via, third, away


def check_fields(c, snapshots):
    via, third, away = degraded(c)
    asked = dict(MUST)
    if snapshots:
        a = via.http("POST", "/v1/resource-definitions/must/snapshots", {"name": "must-snap"})
        tap.eq(a.status, 201, "a snapshot")
        asked.update(MUST_SNAPSHOTS)
    if via.get("/v1/physical-storage"):
        asked.update(MUST_DISKS)
    else:
        tap.note("no free disk here: fields of physical-storage are not looked at")
    fields(via, asked, "while all is well")
    away.kill()
    view = "/v1/view/resources?resources=must"
    try:
        wait_for(lambda: any(n["name"] == away.name and n["connection_status"] == "OFFLINE"
                             for n in via.get("/v1/nodes")), 30, "the node is shown as away")
    except Exception as e:  # noqa: BLE001
        tap.ok(False, "the node is shown as away", e)
    fields(via, asked, "with a node away")
    flags = {r["node_name"]: (r["flags"], "state" in r, r["volumes"][0].get("state"))
             for r in via.get(view)}
    tap.ok("DISKLESS" in flags[third.name][0] and flags[third.name][1],
           "there is a client", flags)
    tap.ok(not flags[away.name][1] and flags[away.name][2] is None,
           "nothing is said of the state of what is on the node that is away", flags)
    away.start()
    c.wait_verdict("must")


def fields(via, asked, when):
    for path, wanted in asked.items():
        document = via.get(path)
        missing = [w for w in wanted if lacking(document, w)]
        tap.eq(missing, [], "%s, %s: %d fields" % (path, when, len(wanted)))
        blind = [w for w in wanted if w not in missing and not lacking(dropped(document, w), w)]
        tap.eq(blind, [], "each of them would be missed")
    pools = [p for p in via.get("/v1/view/storage-pools")
             if ("free_capacity" in p) != ("total_capacity" in p)]
    tap.eq(pools, [], "%s: free and total capacity, or neither" % when)


# ---- the real command line

def real_cli(c):
    program = os.environ.get("LINSTOR_CLI") or shutil.which("linstor")
    if not program:
        tap.note("LINSTOR's command line is not here: it is left out")
        return
    controllers = ",".join("127.0.0.1:%d" % n.http_port for n in c.nodes)

    def run(*args):
        p = subprocess.run([program, "--controllers", controllers, *args], text=True, timeout=120,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        return p.returncode, p.stdout

    for words, code, has in (
            ("node list", 0, "n3"), ("storage-pool list", 0, "pool"),
            ("resource-group create real --place-count 2", 0, ""),
            ("volume-group create real", 0, ""),
            ("resource-group spawn-resources real real-res 16M", 0, ""),
            ("resource list", 0, "real-res"), ("volume list", 0, "real-res"),
            ("resource-definition list", 0, "real-res"), ("node describe", 0, "n1"),
            ("controller version", 0, ""), ("resource-group list", 0, "real"),
            ("resource-group delete real", 10, ""), ("resource-definition delete real-res", 0, ""),
            ("resource-group delete real", 0, "")):
        got, out = run(*words.split())
        tap.ok(got == code and has in out and "Traceback" not in out, "linstor " + words,
               "exit %d\n%s" % (got, out))


def main():
    ops = check_document()
    if "--static" in sys.argv:
        return tap.done()
    need_sdsd()
    place = Place("xfs") if can_mount() else None

    def prepare(node):
        listen(node)
        if place:
            place.prepare(node)

    try:
        c = Cluster(3, prepare=prepare, cleanup=place.close if place else None)
    except (subprocess.CalledProcessError, OSError) as e:
        tap.note("no xfs here (%s): what takes snapshots is left out" % e)
        place = None
        c = Cluster(3, prepare=listen)
    with c:
        replay = Replay(c, ops, snapshots=place is not None)
        for name in os.environ.get("CLIENTS", " ".join(CLIENTS)).split():
            replay.client(importlib.import_module(name))
        if "CLIENTS" not in os.environ:
            check_fields(c, place is not None)
            real_cli(c)
        replay.table()
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
