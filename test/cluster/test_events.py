#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_events.py - who changed what, when (history), and being told of it (events)."""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import Cluster, Tap, need_sdsd, wait_for  # noqa: E402


def history(node, **query):
    words = "&".join("%s=%s" % (k, v) for k, v in query.items())
    r = node.http("GET", "/v1/sds/history" + ("?" + words if words else ""))
    assert r.status == 200, r
    return r.json


def whats(entries):
    return [e["what"] for e in entries]


def check_history(tap, c):
    n1, n2, _ = c.nodes
    start = int(time.time() * 1000)
    follower = c.followers()[0]
    made = follower.cli("volume", "create", "db", "64M", "--nodes", "n1,n2")
    tap.ok(made.code == 0, "volume create", made)
    follower.cli("volume", "create", "other", "64M", "--nodes", "n1,n2")
    entries = history(n1, object="volume/db")["history"]
    first = entries[0]
    ops = {x["key"]: x["op"] for x in first["changes"]}
    tap.ok(ops.get("resource/db") == "made" and ops.get("replica/db/n1") == "made",
           "the history says what a volume is made of", first)
    tap.eq(first["by"], "local via %s" % follower.name, "and who made it, and where")
    tap.ok("db" in first["what"] and first["what"].endswith("."), "in a sentence", first)
    tap.ok(start - 2000 < first["at"] < start + 60000, "and when", first)
    tap.ok(not any("other" in x["key"] for e in entries for x in e["changes"]),
           "nothing about other volumes", entries)
    everything = history(n1, limit=1000)
    indexes = [e["index"] for e in everything["history"]]
    tap.eq(indexes, sorted(set(indexes)), "in order of index")
    tap.eq(everything["floor"], 0, "complete")
    tap.ok(any(e["what"] == "Cluster founded." for e in everything["history"]) and
           any("joined" in e["what"] for e in everything["history"]), "from the founding on",
           whats(everything["history"]))
    middle = indexes[len(indexes) // 2]
    tap.eq([e["index"] for e in history(n2, **{"from": middle, "limit": 3})["history"]],
           [i for i in indexes if i >= middle][:3], "a page, asked of another node")
    tap.eq([e["index"] for e in history(n2, limit=2)["history"]][-1] >= indexes[-1], True,
           "without a beginning the newest ones")
    tap.eq(history(n1, since=int(time.time() * 1000) + 3600000)["history"], [],
           "nothing since a time to come")
    token = n1.http("POST", "/v1/sds/tokens", {"ttl_s": 60}).json
    secret = token["token"].split(".")[-1]
    text = n1.http("GET", "/v1/sds/history?limit=1000").body.decode()
    tap.ok(token["id"] in text and secret not in text and "BEGIN CERT" not in text,
           "a token is in it, its secret is not")
    for bad in ("from=x", "from=-1", "limit=1001", "limit=1.5", "since=", "object=" + "a" * 600):
        r = n1.http("GET", "/v1/sds/history?" + bad)
        tap.eq(r.status, 400, "refused: %.20s" % bad)


def check_log(tap, c):
    n1 = c.nodes[0]
    r = n1.cli("log", "--object", "db", "-n", "1000")
    tap.ok(r.code == 0 and "WHAT" in r.out and "local via" in r.out and "db" in r.out, "sdsd log", r)
    r = n1.cli("log", "-n", "2")
    tap.eq(len(r.out.splitlines()), 3, "two lines and the heads")
    doc = n1.cli("log", "--since", "1h", "--object", "node/n2", output="json").json
    tap.ok(doc["history"] and all("n2" in x["what"] for x in doc["history"]), "of a node", doc)
    tap.eq(n1.cli("log", "--since", "tomorrow").code, 2, "a time that is none")
    tap.eq(n1.cli("log", "-n", "0").code, 2, "no lines")


def check_newcomer(tap, c):
    """a node that joins gets the history with its snapshot or its log, and after a restart"""
    n4 = c.add()
    want = history(c.any(), limit=1000)["history"]

    def same():
        got = history(n4, limit=1000)["history"]
        return got[:len(want)] == want

    wait_for(same, 20, "the history on the newcomer")
    n4.stop()
    n4.start()
    wait_for(same, 20, "the history on the newcomer after a restart")
    tap.ok(True, "a newcomer has the whole history, also after a restart")


def main():
    need_sdsd()
    tap = Tap()
    with Cluster(3) as c:
        check_history(tap, c)
        check_log(tap, c)
        check_newcomer(tap, c)
    tap.done()


if __name__ == "__main__":
    main()
