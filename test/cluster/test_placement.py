#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_placement.py - the rules of placement by the command line and by requests; and very many
requests at once for the last room of a pool: exactly those that fit succeed."""
import os
import threading

from cluster import Cluster, Tap, need_sdsd, wait_for

need_sdsd()
tap = Tap()

CREATES = 200  # at once
FIT = 23       # of these


def said(result):
    return result.out + result.err


def nodes_of(c, volume):
    v = c.volume(volume)
    return sorted(r["node"] for r in v["replicas"]) if v else []


def rules(c):
    n1 = c.nodes[0]
    for node, rack in (("n1", "a"), ("n2", "a"), ("n3", "b")):
        r = n1.cli("node", "label", node, "rack=" + rack)
        tap.eq(r.code, 0, "%s is labelled" % node)
    r = n1.cli("resource-group", "create", "gold", "--copies", "2", "--different", "rack")
    tap.ok(r.code == 0 and "no node" not in said(r), "a group with a rule", said(r))
    r = n1.cli("volume", "create", "va", "4M", "--group", "gold")
    tap.ok(r.code == 0 and "n3" in nodes_of(c, "va"), "the rule is followed", said(r))
    r = n1.cli("volume", "create", "vb", "4M", "--group", "gold", "--copies", "3")
    tap.ok(r.code == 1 and "3 copies wanted, 2 possible" in said(r) and
           "Aux/rack is a, as of the copy on" in said(r), "what cannot be is refused", said(r))
    r = n1.cli("volume", "create", "vb", "4M", "--same", "rack", "--different", "")
    tap.ok(r.code == 0 and nodes_of(c, "vb") == ["n1", "n2"], "all in one rack", said(r))
    r = n1.cli("volume", "create", "vc", "4M", "--copies", "1", "--not-with-regex", "^V[B]$")
    tap.ok(r.code == 0 and nodes_of(c, "vc") == ["n3"], "away from others", said(r))
    r = n1.cli("resource-group", "modify", "gold", "--max-per", "rack=2", "--different", "",
               "--provider", "file-thin")
    shown = n1.cli("resource-group", "show", "gold").out
    tap.ok(r.code == 0 and "Aux/rack=2" in shown and "FILE_THIN" in shown and
           "Different" not in shown, "a group is changed and shown", said(r) + shown)
    r = n1.cli("volume", "create", "vd", "4M", "--max-per", "rack")
    tap.ok(r.code == 2 and "KEY=N is needed" in r.err, "a slip is told", said(r))


def outlook(c):
    n1 = c.nodes[0]
    r = n1.cli("resource-group", "create", "tape", "--pool", "tape")
    tap.ok(r.code == 0 and "nothing can be placed by it" in said(r),
           "a group that nothing can serve is said to be so", said(r))
    r = n1.cli("resource-group", "create", "odd", "--same", "rack", "--different", "rack")
    tap.ok(r.code == 1 and "contradict each other" in said(r), "one that contradicts itself is not "
           "made", said(r))
    tap.eq(n1.http("GET", "/v1/resource-groups/odd").status, 404, "and leaves no trace")
    a = n1.http("POST", "/v1/resource-groups",
                {"name": "rx", "select_filter": {"not_place_with_rsc_regex": "("}})
    tap.ok(a.status == 500 and a.number() == 237, "a bad expression", repr(a))


def cordon(c):
    n1 = c.nodes[0]
    tap.eq(n1.cli("node", "cordon", "n3").code, 0, "a node is cordoned")
    r = n1.cli("volume", "create", "ve", "4M", "--copies", "3")
    tap.ok(r.code == 1 and "n3/pool: cordoned" in said(r), "nothing new goes there", said(r))
    r = n1.cli("volume", "create", "ve", "4M", "--copies", "3", "--explain")
    tap.ok(r.code == 0 and "not possible" in r.out and "cordoned" in r.out and
           "chosen" in r.out, "and why is explained", said(r))
    tap.ok(c.volume("ve") is None, "without making anything")
    a = n1.http("POST", "/v1/resource-groups/DfltRscGrp/spawn",
                {"resource_definition_name": "ve", "volume_sizes": [4096],
                 "select_filter": {"place_count": 3}})
    tap.ok(a.status == 500 and a.number() == 996 and
           "n3/pool: cordoned" in a.json[0].get("details", "").splitlines(),
           "the details of the refusal", repr(a))
    tap.eq(n1.cli("node", "uncordon", "n3").code, 0, "it is not any more")
    r = n1.cli("volume", "create", "ve", "4M", "--copies", "3", "--explain")
    tap.ok("3 more copies" in r.out and ": possible" in r.out, "and counts again", said(r))


def candidate(node, name):
    doc = node.http("POST", "/v1/sds/explain",
                    {"volume_sizes": [4096], "select_filter": {"place_count": 1}}).json
    return [x for x in doc["candidates"] if x["node"] == name][0]


def crowd(c):
    """the pool of n2 has room for FIT of CREATES volumes, by what it may promise"""
    before = candidate(c.nodes[0], "n2")
    room = 2 * before["total_kib"] - before["promised_kib"]
    size = int(room / (FIT + 0.5)) & ~63
    answers = [None] * CREATES

    def create(i):
        answers[i] = c.nodes[i % 3].http(
            "POST", "/v1/resource-groups/DfltRscGrp/spawn",
            {"resource_definition_name": "crowd-%d" % i, "volume_sizes": [size],
             "select_filter": {"place_count": 1, "node_name_list": ["n2"]}}, timeout=120)

    threads = [threading.Thread(target=create, args=(i,)) for i in range(CREATES)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    made = sum(a.status == 201 for a in answers)
    tap.eq(made, FIT, "of %d at once exactly those that fit" % CREATES)
    tap.ok(all(a.status == 201 or (a.status == 500 and a.number() == 996 and
                                   "free to promise" in a.json[0]["message"]) for a in answers),
           "the others are told why", repr([a for a in answers if a.status not in (201, 500)][:3]))
    names = [d["name"] for d in c.nodes[0].get("/v1/resource-definitions")
             if d["name"].startswith("crowd-")]
    tap.eq(len(names), FIT, "nothing is left of those that were refused")
    after = candidate(c.nodes[0], "n2")
    tap.ok(0 < 2 * before["total_kib"] - after["promised_kib"] < size,
           "the pool has promised what it can", repr(after))
    for name in names:
        tap.eq(c.nodes[0].http("DELETE", "/v1/resource-definitions/" + name, timeout=120).status,
               200, "%s is deleted" % name)
    tap.eq(candidate(c.nodes[0], "n2")["promised_kib"], before["promised_kib"],
           "all of it is given back")
    wait_for(lambda: not [f for f in os.listdir(c.node("n2").pool_dir) if "crowd" in f], 30,
             "the files are gone")


with Cluster(3) as c:
    rules(c)
    outlook(c)
    cordon(c)
    crowd(c)
tap.done()
