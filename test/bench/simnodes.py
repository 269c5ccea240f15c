# SPDX-License-Identifier: GPL-2.0-or-later
"""simnodes.py - nodes that are members of a cluster and report as sdsd does, but have no daemon:
no storage, no data plane. scale.py puts ten thousand resources on them. They join as real ones do,
and speak with the leader by TLS with their own certificate, one connection each.

    sims = SimNodes(cluster, 10)
    sims.promise(names)             # every one of these is "up" on each of them, once it is placed
    sims.start()
    sims.settle(view)               # from now on: just what GET /v1/view/resources says
    sims.stop()
"""
import http.client
import json
import os
import ssl
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cluster"))
import cluster as lab

PERIOD_S = 1.0    # between reports of a real node of which nothing is new
REPORT_MAX = 400  # replicas in a report, as AGENT_REPORT_MAX
TIB_KIB = 1 << 30


class SimNode:
    def __init__(self, node):
        self.node = node
        self.boot = 1 + node.port
        self.seq = 0
        self.based = False
        self.replicas = {}
        self.due = []             # names of replicas that the leader has not heard of
        self.connection = None
        self.tls = ssl.create_default_context(cafile=os.path.join(node.dir, "ca.pem"))
        self.tls.check_hostname = False
        self.tls.set_alpn_protocols(["http/1.1"])
        self.tls.load_cert_chain(os.path.join(node.dir, "node.pem"),
                                 os.path.join(node.dir, "node.key"))

    def set(self, replicas):
        self.replicas = replicas
        self.based = False
        self.due = []

    def body(self):
        """everything when the leader does not know the report before, in parts as a node does"""
        if not self.based:
            self.due = list(self.replicas)
        part, self.due = self.due[:REPORT_MAX], self.due[REPORT_MAX:]
        doc = {"seq": self.seq + 1, "node": self.node.name, "boot": self.boot,
               "version": "simulated", "applied": 0,
               "pools": {lab.POOL: {"free_kib": 900 * TIB_KIB, "total_kib": 1000 * TIB_KIB,
                                    "error": ""}},
               "replicas": {name: self.replicas[name] for name in part}}
        if self.based:
            doc["base"] = self.seq
        return json.dumps(doc)

    def report(self, port):
        if not self.connection or self.connection.port != port:
            self.connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=10,
                                                          context=self.tls)
        try:
            self.connection.request("POST", "/v1/sds/report", self.body())
            answer = self.connection.getresponse()
            answer.read()
            self.based = answer.status == 200
        except (OSError, http.client.HTTPException):
            self.connection.close()
            self.connection = None
            self.based = False
            return False
        self.seq += 1
        return self.based


class SimNodes:
    def __init__(self, cluster, count):
        self.cluster = cluster
        self.list = [SimNode(cluster.add(start=False)) for _ in range(count)]
        self.port = None      # of the leader
        self.ending = False
        self.thread = None

    def promise(self, names, size_kib):
        up = {"state": "up", "error": "", "mode": "member", "role": "replica",
              "volumes": {"0": {"state": "up", "error": "", "size_kib": size_kib}}}
        for sim in self.list:
            sim.set({name: up for name in names})

    def settle(self, view):
        """view: elements of GET /v1/view/resources. What a real node says of such copies."""
        of = {sim.node.name: {} for sim in self.list}
        for r in view:
            name = r["name"]
            of[r["node_name"]][name] = {
                "state": "up", "uuid": r["uuid"], "error": "", "allocated_kib": 4,
                "role": "idle", "mode": "member", "epoch": 1, "open": False, "serving": True,
                "volumes": {str(v["volume_number"]): {
                    "state": "up", "uuid": v["uuid"], "error": "", "size_kib": 1024,
                    "allocated_kib": 4, "nbd": "/run/sdsd/nbd/%s-0.sock" % name}
                    for v in r["volumes"]}}
        for sim in self.list:
            sim.set(of[sim.node.name])

    def leader_port(self):
        for node in self.cluster.nodes:
            if node.alive() and node.is_leader():
                return node.port
        return None

    def round(self):
        if not self.port:
            self.port = self.leader_port()
        if not self.port:
            return False
        good = [sim.report(self.port) for sim in self.list]
        if not any(good):
            self.port = None
        return all(good)

    def loop(self):
        while not self.ending:
            begun = time.monotonic()
            if self.round() and not any(sim.due for sim in self.list):
                time.sleep(max(0.0, PERIOD_S - (time.monotonic() - begun)))
            else:
                time.sleep(0.1)

    def start(self):
        self.thread = threading.Thread(target=self.loop, daemon=True)
        self.thread.start()

    def stop(self):
        self.ending = True
        if self.thread:
            self.thread.join()
