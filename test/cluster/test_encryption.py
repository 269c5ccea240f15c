#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_encryption.py - the passphrase of encrypted volumes, by the API and the command line, over
restarts of nodes and of all of them; layers in requests and answers. Encrypted volumes themselves
need device-mapper: test/vm/case_luks.py. Called by meson (suite cluster)."""
import os
import subprocess
import sys

from cluster import SDSD, Cluster, Tap, need_sdsd, wait_for

PATH = "/v1/encryption/passphrase"
FIRST, SECOND = "correct horse battery", "staple for a horse"
MISSING_PROPS, EXISTS_CRYPT, ACCEPTED, CRYPT_INIT, CREATED, MODIFIED = 600, 512, 4, 982, 1, 3
LUKS = ["drbd", "luks", "storage"]


def status(node):
    return node.get(PATH)["status"]


def message(r):
    return r.json[0]["message"] if isinstance(r.json, list) and r.json else ""


def spawn(node, name, stack=None):
    body = {"resource_definition_name": name, "volume_sizes": [4096], "definitions_only": True}
    if stack:
        body["select_filter"] = {"layer_stack": stack}
    return node.http("POST", "/v1/resource-groups/DfltRscGrp/spawn", body)


def answered(tap, r, http, number, name):
    tap.ok(r.status == http and r.number() == number, name, repr(r))


def before(tap, n):
    tap.eq(status(n), "unset", "no passphrase yet")
    answered(tap, n.http("PATCH", PATH, FIRST), 404, MISSING_PROPS, "none to enter")
    answered(tap, n.http("PUT", PATH, {"new_passphrase": SECOND, "old_passphrase": FIRST}), 404,
             MISSING_PROPS, "none to modify")
    r = spawn(n, "early", LUKS)
    tap.ok(r.status == 500 and "create-passphrase" in message(r),
           "encryption begins with a passphrase", repr(r))
    for body in ({}, {"new_passphrase": 7}, {"new_passphrase": None}, []):
        r = n.http("POST", PATH, body)
        tap.ok(r.status == 400, "no passphrase: %r" % body, repr(r))
    for text in ("", "x" * 7, "x" * 513):
        r = n.http("POST", PATH, {"new_passphrase": text})
        tap.ok(r.status >= 400 and "passphrase must" in message(r),
               "a passphrase of %d bytes" % len(text), repr(r))
    tap.eq(status(n), "unset", "all that has made none")


def make(tap, c):
    n1, n2 = c.nodes[0], c.nodes[1]
    head = {"X-Request-Id": "make-passphrase"}
    r = n2.http("POST", PATH, {"new_passphrase": FIRST}, head)
    answered(tap, r, 201, CREATED, "created, by way of another node")
    again = n2.http("POST", PATH, {"new_passphrase": FIRST}, head)
    tap.ok(again.status == 201 and again.body == r.body, "asked again it answers the same",
           repr(again))
    answered(tap, n1.http("POST", PATH, {"new_passphrase": SECOND}), 500, EXISTS_CRYPT,
             "there is one only")
    tap.eq(status(n1), "unlocked", "open at once")
    answered(tap, n1.http("PATCH", PATH, SECOND), 403, MISSING_PROPS, "a wrong one")
    answered(tap, n1.http("PATCH", PATH, FIRST), 200, ACCEPTED, "the right one, also when open")
    r = n1.http("POST", "/v1/sds/master-key", {"have": False})
    tap.ok(r.status == 403 and "nodes of the cluster only" in message(r),
           "the key is for nodes only", repr(r))


def layers(tap, c):
    n = c.nodes[0]
    tap.ok(spawn(n, "db", LUKS).status == 201, "an encrypted resource")
    tap.ok(spawn(n, "plain").status == 201, "another one")
    d = n.get("/v1/resource-definitions/db")
    tap.eq([l["type"] for l in d["layer_data"]], ["DRBD", "LUKS", "STORAGE"], "its layers")
    v = d["volume_definitions"][0]
    tap.eq([l["type"] for l in v["layer_data"]], ["DRBD", "LUKS", "STORAGE"], "its volume's")
    tap.eq(v["flags"], ["ENCRYPTED"], "its volume's flag")
    d = n.get("/v1/resource-definitions/plain")
    tap.eq([l["type"] for l in d["layer_data"]], ["DRBD", "STORAGE"], "layers of the other")
    tap.ok("LUKS" in n.get("/v1/nodes")[0]["resource_layers"], "nodes have the layer")
    r = n.http("POST", "/v1/resource-definitions/plain/resources/%s" % c.nodes[1].name,
               {"layer_list": LUKS, "resource": {"node_name": c.nodes[1].name}})
    tap.ok(r.status == 500 and "without LUKS" in message(r), "layers do not change",
           repr(r))
    r = n.http("POST", "/v1/resource-definitions/plain/volume-definitions",
               {"volume_definition": {"size_kib": 4096, "flags": ["ENCRYPTED"]}})
    tap.ok(r.status == 500 and "ENCRYPTED" in message(r), "nor for one volume", repr(r))
    r = spawn(n, "above", ["luks", "drbd", "storage"])
    tap.ok(r.status == 500 and "above DRBD" in message(r), "LUKS above is refused", repr(r))
    r = n.http("POST", "/v1/resource-groups",
               {"name": "safe", "select_filter": {"layer_stack": LUKS}})
    tap.ok(r.status == 201, "a group", repr(r))
    r = n.http("POST", "/v1/resource-groups/safe/spawn",
               {"resource_definition_name": "ofgroup", "volume_sizes": [4096],
                "definitions_only": True})
    tap.ok(r.status == 201, "a resource of it", repr(r))
    d = n.get("/v1/resource-definitions/ofgroup")
    tap.eq([l["type"] for l in d["layer_data"]], ["DRBD", "LUKS", "STORAGE"], "is encrypted")


def restart(nodes):
    for n in nodes:
        n.stop()
    for n in nodes:
        n.start()


def opened(node, words):
    return any(words in line for line in node.log().splitlines())


def handed_on(tap, c):
    """one after the other, also the leader: the key stays in the cluster"""
    for n in list(c.nodes):
        n.stop()
        n.start()
        wait_for(lambda: status(n) == "unlocked", 30, "%s has the key" % n.name)
    tap.ok(True, "each node was restarted, and is unlocked")


def cold(tap, c):
    n1 = c.nodes[0]
    restart(c.nodes)
    wait_for(lambda: status(n1) == "locked", 30, "locked")
    r = spawn(n1, "late", LUKS)
    answered(tap, r, 500, CRYPT_INIT, "nothing new is encrypted while it is locked")
    tap.ok("locked" in message(r), "and that is said", repr(r))
    tap.ok(spawn(n1, "late").status == 201, "all else goes on")
    answered(tap, n1.http("PATCH", PATH, SECOND), 403, MISSING_PROPS, "a wrong one is refused")
    tap.eq(status(n1), "locked", "and opens nothing")
    r = subprocess.run([SDSD, "encryption", "enter-passphrase", "--socket", n1.socket, "--file",
                        "-"], input=FIRST + "\n", capture_output=True, text=True, timeout=60)
    tap.ok(r.returncode == 0 and "accepted" in r.stdout, "entered by the command line", repr(r))
    wait_for(lambda: all(status(n) == "unlocked" for n in c.nodes), 30, "unlocked")
    tap.ok(spawn(n1, "later", LUKS).status == 201, "encrypted again")


def modify(tap, c):
    n = c.nodes[0]
    answered(tap, n.http("PUT", PATH, {"new_passphrase": SECOND, "old_passphrase": "no such one"}),
             403, MISSING_PROPS, "modified only by who knows it")
    answered(tap, n.http("PUT", PATH, {"new_passphrase": SECOND, "old_passphrase": FIRST}), 200,
             MODIFIED, "modified")
    answered(tap, n.http("PATCH", PATH, FIRST), 403, MISSING_PROPS, "the former one is worthless")
    answered(tap, n.http("PATCH", PATH, SECOND), 200, ACCEPTED, "the new one is not")


def by_file(tap, c):
    path = os.path.join(c.root, "pass")
    with open(path, "w") as f:
        os.fchmod(f.fileno(), 0o600)
        f.write(SECOND + "\n")
    for n in c.nodes:
        n.stop()
    c.nodes[2].env["SDSD_PASSPHRASE_FILE"] = path
    c.nodes[2].start(wait=False)
    for n in c.nodes[:2]:
        n.start(wait=False)
    wait_for(lambda: all(n.answers() for n in c.nodes), 30, "they run")
    wait_for(lambda: status(c.nodes[0]) == "unlocked", 30, "a file unlocks")
    tap.ok(opened(c.nodes[2], "unlocked by the passphrase in"), "one node's file was enough")
    with open(path, "w") as f:
        f.write("not the one\n")
    for n in c.nodes:
        n.stop()
    c.nodes[2].start(wait=False)
    for n in c.nodes[:2]:
        n.start(wait=False)
    wait_for(lambda: opened(c.nodes[2], "does not unlock: wrong passphrase"), 30, "it is said")
    wait_for(lambda: all(n.answers() for n in c.nodes), 30, "they run")
    tap.eq(status(c.nodes[0]), "locked", "a file with a wrong one unlocks nothing")


def nowhere(tap, c):
    """state, logs, command lines"""
    found = []
    for folder, _, names in os.walk(c.root):
        for name in names:
            path = os.path.join(folder, name)
            if not os.path.isfile(path) or path == os.path.join(c.root, "pass"):
                continue
            with open(path, "rb") as f:
                data = f.read()
            found += [path for text in (FIRST, SECOND) if text.encode() in data]
    tap.eq(found, [], "no file holds a passphrase")
    with open(os.path.join(c.nodes[0].dir, "store.mdb"), "rb") as f:
        tap.ok(b"key_sealed" in f.read(), "and files were looked into")


def main():
    need_sdsd()
    tap = Tap()
    with Cluster(3, pools=False, name="encryption") as c:
        before(tap, c.nodes[0])
        make(tap, c)
        layers(tap, c)
        handed_on(tap, c)
        cold(tap, c)
        modify(tap, c)
        by_file(tap, c)
        nowhere(tap, c)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
