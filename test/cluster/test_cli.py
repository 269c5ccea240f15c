#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_cli.py - the command line's own verbs, with real daemons: what it says when copies are
missing."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import Cluster, Tap, need_sdsd, wait_for  # noqa: E402

tap = Tap()


def good(node, name, *args, **kw):
    r = node.cli(*args, **kw)
    tap.ok(r.code == 0, name, r)
    return r


def says(name, text, *words):
    missing = [w for w in words if w not in text]
    tap.ok(not missing, name, "missing %r in:\n%s" % (missing, text))


def verdict(c, name, word, timeout=40):
    try:
        wait_for(lambda: c.volume(name)["verdict"] == word, timeout, "%s is %s" % (name, word))
        tap.ok(True, "%s is %s" % (name, word))
    except Exception as e:  # noqa: BLE001
        tap.ok(False, "%s is %s" % (name, word), e)


def why(c):
    n1 = c.nodes[0]
    r = good(n1, "why of a volume that is well", "why", "db")
    says("it says that nothing has to be done", r.out, "safe, 2 of 2 copies in sync", "fine",
         "Last changes", "Nothing has to be done")
    tap.ok(len(r.out.splitlines()) <= 24, "it fits a screen", r.out)
    tap.ok("One more copy" not in r.out, "no placement is asked for when no copy is missing")
    r = n1.cli("why", "nothing")
    tap.ok(r.code == 1 and "there is no volume nothing" in r.err, "why of an unknown volume", r)
    r = n1.cli("why")
    tap.ok(r.code == 2 and "Usage: sdsd why <volume>" in r.err, "why without a name", r)


def why_when_away(c):
    n1, n2 = c.nodes[:2]
    n2.kill()
    verdict(c, "db", "at risk")
    r = good(n1, "why when a node is away", "why", "db")
    says("it says which one, since when, where a copy could go, what to type", r.out, "at risk",
         "its node has not answered for", "One more copy could go to:", "To do:  systemctl status",
         "on n2; if it will never be back: sdsd node lost n2")
    says("placement gives its reasons", r.out, "VERDICT", "n3", "chosen")
    tap.ok(len(r.out.splitlines()) <= 24, "it still fits a screen", r.out)
    doc = n1.cli_json("why", "db")
    tap.ok(doc["volume"]["name"] == "db" and doc["placement"]["possible"] is True and
           doc["changes"] and doc["command"] == "systemctl status sdsd", "the same as JSON", doc)
    n2.start()
    verdict(c, "db", "safe")


def main():
    need_sdsd()
    with Cluster(3) as c:
        good(c.nodes[0], "a volume is made", "volume", "create", "db", "64M", "--nodes", "n1,n2")
        why(c)
        why_when_away(c)
        c.keep = c.keep or tap.failed > 0
    tap.done()


if __name__ == "__main__":
    main()
