#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_api_resources.py - what LINSTOR's clients may do with resource groups, definitions and
resources beyond the usual life of a volume: volume groups, sizes, adjusting; properties; copies that
become clients and back, move, and are not served; the last ones under a writer that verifies."""
import os
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import PYTHON, Cluster, have_libnbd, wait_for  # noqa: E402
from test_api import done, missing, refused, severity, tap  # noqa: E402

RG, RD, VIEW = "/v1/resource-groups/", "/v1/resource-definitions/", "/v1/view/resources?resources="

# Writes numbered blocks round and round and reads each again at the next visit, until its input ends.
WRITER = """
import nbd, select, struct, sys
h = nbd.NBD()
h.connect_unix(sys.argv[1])
n, blocks = 0, 64
def of(n):
    return struct.pack("<Q", n) * 512
while not select.select([sys.stdin], [], [], 0)[0]:
    n += 1
    at = n % blocks
    if n > blocks and h.pread(4096, at * 4096) != of(n - blocks):
        print("WRONG at", n); sys.exit(1)
    h.pwrite(of(n), at * 4096)
    if n % 50 == 0:
        h.flush()
        print("written", n, flush=True)
h.flush()
for at in range(blocks):
    want = max(k for k in range(n - blocks + 1, n + 1) if k % blocks == at)
    if h.pread(4096, at * 4096) != of(want):
        print("WRONG at the end", at); sys.exit(1)
print("all", n, flush=True)
h.shutdown()
"""


class Writer:
    """an application that has the volume open on a node"""

    def __init__(self, node, volume):
        path = wait_for(lambda: node.nbd_socket(volume), 20, "socket on " + node.name)
        self.lines = []
        self.p = subprocess.Popen([PYTHON, "-c", WRITER, path], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.reader = threading.Thread(target=lambda: self.lines.extend(self.p.stdout))
        self.reader.start()

    def count(self):
        return len(self.lines)

    def goes_on(self):
        """it has written since, without anything wrong"""
        before = self.count()
        try:
            wait_for(lambda: self.count() > before + 3 or self.p.poll() is not None, 20, "writes")
        except Exception:
            return False
        return self.p.poll() is None

    def end(self):
        self.p.stdin.close()
        self.p.wait(30)
        self.reader.join()
        return self.p.returncode == 0 and self.lines[-1].startswith("all")


def of(via, name, node):
    found = [r for r in via.get(VIEW + name) if r["node_name"] == node]
    return found[0] if found else None


def state_of(via, name, node):
    r = of(via, name, node)
    return r["volumes"][0].get("state", {}).get("disk_state") if r else None


def spawn(via, name, copies=2, nodes=None, **more):
    body = {"resource_definition_name": name, "volume_sizes": [16384],
            "select_filter": {"place_count": copies}}
    if nodes:
        body["select_filter"]["node_name_list"] = nodes
    body.update(more)
    a = via.http("POST", RG + "DfltRscGrp/spawn", body)
    if a.status != 201:
        raise RuntimeError("spawn: %r" % a)


def gone(via, name):
    done(name + " deleted", via.http("DELETE", RD + name), 200)


# ---- groups ---------------------------------------------------------------------------------

def volume_groups(via):
    vg = RG + "vgs/volume-groups"
    done("a group", via.http("POST", RG[:-1], {"name": "vgs", "select_filter": {"place_count": 1}}), 201)
    tap.eq(via.get(vg), [], "no volume groups yet")
    done("a volume group without a number, without a body", via.http("POST", vg, b""), 201, 0x1480001)
    done("one of a number", via.http("POST", vg, {"volume_number": "3", "props": {"Aux/k": 5},
                                                  "flags": ["gross_size"]}), 201, 0x1480001)
    refused("a number that is taken", via.http("POST", vg, {"volume_number": 3}), 500, 523)
    for bad in (-1, 16, "x", 2 ** 70, 1.5, True):
        a = via.http("POST", vg, {"volume_number": bad})
        refused("number %r" % bad, a, 500, 205)
    for body in ({"props": []}, {"flags": "x"}, [], "x"):
        refused("a body %r" % (body,), via.http("POST", vg, body), 400)
    refused("a flag that is none", via.http("POST", vg, {"flags": ["\u00e4"]}), 500, 205)
    refused("volume groups of nothing", via.http("GET", RG + "nix/volume-groups"), 404, 317)
    refused("a volume group for nothing", via.http("POST", RG + "nix/volume-groups", {}), 404, 317)
    got = via.get(vg)
    tap.ok([g["volume_number"] for g in got] == [0, 3] and got[1]["props"] == {"Aux/k": "5"} and
           got[1]["flags"] == ["GROSS_SIZE"] and got[0]["props"] == {} and got[0]["uuid"],
           "both come back, in order", got)
    tap.eq(via.get(vg + "/3")["volume_number"], 3, "one of them")
    refused("a missing one", via.http("GET", vg + "/1"), 404, 318)
    refused("one that is no number", via.http("GET", vg + "/x"), 404, 318)
    done("modified", via.http("PUT", vg + "/3", {"override_props": {"Aux/l": "1"},
                                                 "delete_props": ["Aux/k"], "flags": []}), 200, 0x2480003)
    got = via.get(vg + "/3")
    tap.ok(got["props"] == {"Aux/l": "1"} and got["flags"] == [], "as it was told", got)
    refused("a missing one cannot be modified", via.http("PUT", vg + "/1", {}), 404, 318)
    refused("nor one of nothing", via.http("PUT", RG + "nix/volume-groups/0", {}), 404, 317)
    refused("fewer sizes than volume groups", via.http("POST", RG + "vgs/spawn", {
        "resource_definition_name": "few", "volume_sizes": [4096]}), 500)
    tap.eq(via.http("GET", RD + "few").status, 404, "nothing came of it")
    done("a partial spawn", via.http("POST", RG + "vgs/spawn", {
        "resource_definition_name": "few", "volume_sizes": [4096], "partial": True}), 201)
    gone(via, "few")
    done("a full one", via.http("POST", RG + "vgs/spawn", {
        "resource_definition_name": "full", "volume_sizes": [4096, 8192]}), 201)
    vds = via.get(RD + "full/volume-definitions")
    tap.ok([(v["volume_number"], v["size_kib"]) for v in vds] == [(0, 4096), (3, 8192)] and
           vds[1]["props"] == {"Aux/l": "1"}, "has the numbers and properties of the group", vds)
    gone(via, "full")
    for n in ("0", "3"):
        done("volume group %s deleted" % n, via.http("DELETE", vg + "/" + n), 200, 0x3480002)
    again = via.http("DELETE", vg + "/3")
    tap.ok(again.status == 200 and again.number() == 3000 and severity(again.rc()) == 2,
           "deleting it again warns", again)
    tap.eq(via.get(vg), [], "none is left")
    for n in range(16):
        via.http("POST", vg, {})
    refused("more than volumes can be", via.http("POST", vg, {}), 500, 205)
    done("the group goes", via.http("DELETE", RG + "vgs"), 200)


def sizes(via):
    info = via.http("POST", RG + "DfltRscGrp/query-size-info", {})
    s = (info.json or {}).get("space_info", {})
    lack = missing(info.json, "space_info.max_vlm_size_in_kib", "space_info.available_size_in_kib",
                   "space_info.capacity_in_kib", "space_info.default_max_oversubscription_ratio",
                   "space_info.next_spawn_result[].node_name",
                   "space_info.next_spawn_result[].stor_pool_name")
    tap.ok(info.status == 200 and not lack, "sizes of a group, all fields", (lack, info))
    tap.ok(s["max_vlm_size_in_kib"] > 0 and 0 < s["available_size_in_kib"] <= s["capacity_in_kib"] and
           len(s["next_spawn_result"]) == 2, "and what makes sense", s)
    # the largest is the largest: exactly that much can be spawned, and not 1 MiB more
    tap.eq(via.http("POST", RG + "DfltRscGrp/spawn", {
        "resource_definition_name": "toobig", "volume_sizes": [s["max_vlm_size_in_kib"] + (1 << 20)],
    }).number(), 996, "more than the largest cannot be spawned")
    done("a little less than the largest can", via.http("POST", RG + "DfltRscGrp/spawn", {
        "resource_definition_name": "big", "volume_sizes": [s["max_vlm_size_in_kib"] // 2]}), 201)
    gone(via, "big")
    three = via.http("POST", RG + "DfltRscGrp/query-size-info", {"select_filter": {"place_count": "3"}})
    tap.ok(len(three.json["space_info"]["next_spawn_result"]) == 3 and
           three.json["space_info"]["capacity_in_kib"] <= s["capacity_in_kib"], "of three copies", three)
    none = via.http("POST", RG + "DfltRscGrp/query-size-info", {"select_filter": {"place_count": 7}})
    tap.ok(none.status == 200 and none.json["space_info"]["max_vlm_size_in_kib"] == 0 and
           none.json["space_info"]["next_spawn_result"] == [], "of more copies than nodes: nothing", none)
    refused("sizes of nothing", via.http("POST", RG + "nix/query-size-info", {}), 404, 317)
    refused("a filter that is none", via.http("POST", RG + "DfltRscGrp/query-size-info",
                                              {"select_filter": 7}), 500)
    every = via.http("POST", "/v1/queries/resource-groups/query-all-size-info",
                     {"ignore_cache_older_than_sec": 5})
    tap.ok(every.status == 200 and
           every.json["result"]["DfltRscGrp"]["space_info"]["capacity_in_kib"] > 0, "of all groups", every)
    most = via.http("GET", RG + "DfltRscGrp/query-max-volume-size")
    tap.ok(most.status == 200 and not missing(
        most.json, "candidates[].storage_pool", "candidates[].max_volume_size_kib",
        "candidates[].node_names", "candidates[].all_thin", "default_max_oversubscription_ratio") and
           len(most.json["candidates"][0]["node_names"]) == 2, "the largest volume by pool", most)
    refused("of nothing", via.http("GET", RG + "nix/query-max-volume-size"), 404, 317)
    whole = via.http("OPTIONS", "/v1/query-max-volume-size", {"place_count": 3})
    tap.ok(whole.status == 200 and len(whole.json["candidates"][0]["node_names"]) == 3,
           "OPTIONS with a body", whole)
    refused("OPTIONS with a wrong one", via.http("OPTIONS", "/v1/query-max-volume-size",
                                                 {"place_count": "x"}), 500)


def adjust(via):
    done("a group of one copy", via.http("POST", RG[:-1], {"name": "adj", "select_filter":
                                                           {"place_count": 1}}), 201)
    done("spawned", via.http("POST", RG + "adj/spawn", {"resource_definition_name": "adj-r",
                                                        "volume_sizes": [4096]}), 201)
    done("a definition without volumes", via.http("POST", RD[:-1], {
        "resource_definition": {"name": "adj-e", "resource_group_name": "adj"}}), 201)
    done("nothing to adjust", via.http("POST", RG + "adj/adjust", b""), 200, 0x2440003)
    tap.eq(len(via.get(VIEW + "adj-r")), 1, "one copy")
    done("two are wanted now", via.http("PUT", RG + "adj", {"select_filter": {"place_count": 2}}), 200)
    done("adjusted", via.http("POST", RG + "adj/adjust", {}), 200, 0x2440003)
    tap.eq(len(via.get(VIEW + "adj-r")), 2, "two copies")
    done("one is wanted", via.http("PUT", RG + "adj", {"select_filter": {"place_count": 1}}), 200)
    done("all adjusted", via.http("POST", "/v1/resource-groups/adjustall", {}), 200, 0x2440003)
    tap.eq(len(via.get(VIEW + "adj-r")), 2, "never fewer")
    refused("adjusting nothing", via.http("POST", RG + "nix/adjust", {}), 404, 317)
    refused("with a body that is none", via.http("POST", RG + "adj/adjust", []), 400)
    for name in ("adj-r", "adj-e"):
        gone(via, name)
    done("the group goes", via.http("DELETE", RG + "adj"), 200)


# ---- definitions ----------------------------------------------------------------------------

def definitions(via):
    ext = via.http("POST", RD[:-1], {"resource_definition": {"external_name": "pvc 1/\u00e4"}})
    done("a definition by an external name", ext, 201, 20447233)
    name = ext.json[0]["obj_refs"]["RscDfn"]
    d = via.get(RD + name)
    tap.ok(d["external_name"] == "pvc 1/\u00e4" and d["name"] == name, "has a name and shows it", d)
    refused("the same again", via.http("POST", RD[:-1], {
        "resource_definition": {"external_name": "pvc 1/\u00e4"}}), 500, 501)
    refused("an external name beyond the limit", via.http("POST", RD[:-1], {
        "resource_definition": {"external_name": " " * 256}}), 500, 202)
    gone(via, name)
    for bad in ("NVME", "OPENFLEX", "BCACHE", "nvme"):
        refused("layer " + bad, via.http("POST", RD[:-1], {
            "resource_definition": {"name": "lay", "layer_data": [{"type": "DRBD"}, {"type": bad}]}}),
                500, 225)
        refused("layer %s of a group" % bad, via.http("POST", RG[:-1], {
            "name": "lay", "select_filter": {"layer_stack": ["DRBD", bad, "STORAGE"]}}), 500, 225)
    tap.eq(via.http("GET", RD + "lay").status, 404, "nothing came of it")
    for n in ("ab", "x" * 48):
        done("a name of %d" % len(n), via.http("POST", RD[:-1], {"resource_definition": {"name": n}}), 201)
        gone(via, n.upper())
    refused("a name of 49", via.http("POST", RD[:-1], {"resource_definition": {"name": "x" * 49}}), 500, 202)
    done("a group", via.http("POST", RG[:-1], {"name": "other"}), 201)
    done("a definition", via.http("POST", RD[:-1], {"resource_definition": {
        "name": "def", "props": {"Aux/a/b": 1, "Aux/a/c": 2, "Aux/d": 3}}}), 201)
    done("modified", via.http("PUT", RD + "DEF", {
        "override_props": {"DrbdOptions/Net/max-buffers": 8000, "DrbdOptions/ExactSize": True},
        "delete_namespaces": ["Aux/a"], "resource_group": "OTHER", "drbd_peer_slots": 3,
        "layer_stack": ["drbd", "storage"]}), 200, 37224451)
    d = via.get(RD + "def")
    tap.ok(d["props"] == {"Aux/d": "3", "DrbdOptions/Net/max-buffers": "8000",
                          "DrbdOptions/ExactSize": "true"} and d["resource_group_name"] == "other",
           "properties, namespaces and group, as it is written", d)
    refused("a layer stack of others", via.http("PUT", RD + "def", {"layer_stack": ["NVME"]}), 500, 225)
    refused("a group that is missing", via.http("PUT", RD + "def", {"resource_group": "nix"}), 404, 317)
    for body in ({"override_props": []}, {"delete_props": {}}, {"resource_group": 7},
                 {"layer_stack": "drbd"}, [], "x"):
        refused("PUT with %r" % (body,), via.http("PUT", RD + "def", body), 400)
    tap.eq(via.get(RD + "def"), d, "and nothing has changed")
    tap.eq(via.get(RD + "def/sync-status"), {"synced_on_all": True}, "nothing to be in sync")
    refused("sync-status of nothing", via.http("GET", RD + "nix/sync-status"), 404, 301)
    gone(via, "def")
    done("the group goes", via.http("DELETE", RG + "other"), 200)


# ---- resources ------------------------------------------------------------------------------

def properties(via):
    spawn(via, "pro", 1, ["n1"])
    r = RD + "pro/resources/n1"
    done("properties of a resource", via.http("PUT", r, {"override_props": {"Aux/x": 1}}), 200, 0x2340003)
    tap.eq(of(via, "pro", "n1")["props"].get("Aux/x"), "1", "come back")
    done("of its volume", via.http("PUT", r + "/volumes/0", {"override_props": {"Aux/v": True}}), 200,
         0x22C0003)
    tap.eq(of(via, "pro", "n1")["volumes"][0]["props"].get("Aux/v"), "true", "come back, too")
    done("and go", via.http("PUT", r + "/volumes/0", {"delete_namespaces": ["Aux"]}), 200)
    tap.ok("Aux/v" not in of(via, "pro", "n1")["volumes"][0]["props"], "gone")
    refused("of a missing resource", via.http("PUT", RD + "pro/resources/n2", {}), 404, 302)
    refused("on a missing node", via.http("PUT", RD + "pro/resources/nix", {}), 404, 300)
    refused("of a missing definition", via.http("PUT", RD + "nix/resources/n1", {}), 404, 301)
    refused("of a missing volume", via.http("PUT", r + "/volumes/7", {}), 404, 304)
    refused("of no volume", via.http("PUT", r + "/volumes/x", {}), 404, 304)
    refused("with a body that is none", via.http("PUT", r, {"override_props": 7}), 400)
    gone(via, "pro")


def toggles_refused(via):
    spawn(via, "tog", 1, ["n1"])
    r = RD + "tog/resources/"
    refused("the last copy keeps its disk", via.http("PUT", r + "n1/toggle-disk/diskless"), 500, 997)
    refused("no resource there", via.http("PUT", r + "n2/toggle-disk/diskful"), 404, 302)
    refused("no such node", via.http("PUT", r + "nix/toggle-disk/diskful"), 404, 300)
    refused("no such definition", via.http("PUT", RD + "nix/resources/n1/toggle-disk/diskless"), 404, 301)
    done("a client", via.http("POST", r + "n2/make-available", {}), 200)
    refused("no such pool", via.http("PUT", r + "n2/toggle-disk/diskful/nix"), 404, 310)
    refused("a name of no pool", via.http("PUT", r + "n2/toggle-disk/diskful/%C3%A4%C3%A4"), 500, 208)
    refused("no pool without disks", via.http("PUT", r + "n1/toggle-disk/diskless/pool"), 404, 310)
    for body in ({}, {"operation": "x"}, {"operation": 7}, {"operation": None}, [], "x"):
        refused("operation %r" % (body,), via.http("PUT", r + "n2/toggle-disk", body), 400)
    refused("layers that we do not have", via.http("PUT", r + "n2/toggle-disk/diskful",
                                                   {"layer_list": ["NVME", "STORAGE"]}), 500, 225)
    refused("migrating from where no copy is", via.http("PUT", r + "n3/migrate-disk/n2"), 404, 302)
    refused("migrating to itself", via.http("PUT", r + "n1/migrate-disk/n1"), 500)
    refused("migrating to nowhere", via.http("PUT", r + "nix/migrate-disk/n1"), 404, 300)
    refused("migrating into no pool", via.http("PUT", r + "n3/migrate-disk/n1/nix"), 404, 310)
    refused("the only copy stays active", via.http("POST", r + "n1/deactivate"), 500, 997)
    tap.ok(state_of(via, "tog", "n1") == "UpToDate" and state_of(via, "tog", "n2") == "Diskless" and
           of(via, "tog", "n3") is None, "nothing came of it")
    gone(via, "tog")


def toggle(via, c):
    """a client becomes a copy and the other way round, unopened; all forms"""
    spawn(via, "tog", 1, ["n1"])
    r = RD + "tog/resources/"
    done("a client", via.http("POST", r + "n2/make-available", {}), 200)
    done("gets a disk in a pool", via.http("PUT", r + "n2/toggle-disk/diskful/POOL"), 200, 0x2340003)
    wait_for(lambda: state_of(via, "tog", "n2") == "UpToDate", 20, "n2 in sync")
    tap.eq(via.get(RD + "tog/sync-status"), {"synced_on_all": True}, "two copies, in sync")
    done("has one already", via.http("PUT", r + "n2/toggle-disk/diskful"), 200, 0x2340003)
    for i, (form, body) in enumerate((("/toggle-disk/diskless", b""),
                                      ("/toggle-disk/diskless/DfltDisklessStorPool", {}),
                                      ("/toggle-disk", {"operation": "into_drbd_diskless"}),
                                      ("/toggle-disk", {"operation": "INTO_DRBD_CLIENT"}))):
        done("loses it: " + form, via.http("PUT", r + "n2" + form, body), 200, 0x2340003)
        wait_for(lambda: state_of(via, "tog", "n2") == "Diskless", 20, "n2 diskless")
        wait_for(lambda: not [f for f in os.listdir(c.node("n2").pool_dir) if f.startswith("tog_")], 20,
                 "its files to go")
        flags = of(via, "tog", "n2")["flags"]
        tap.eq(flags, ["DISKLESS", "DRBD_DISKLESS"], "a client, its files are gone")
        form, body = (("/toggle-disk/diskful", b""),
                      ("/toggle-disk", {"operation": "INTO_DRBD_DISKFUL", "storage_pool": "pool"}),
                      ("/make-available", {"diskful": True}), ("/toggle-disk/diskful", {}))[i]
        done("and back: " + form, via.http("POST" if "make" in form else "PUT", r + "n2" + form, body), 200)
        wait_for(lambda: state_of(via, "tog", "n2") == "UpToDate", 20, "n2 in sync")
    done("deactivated", via.http("POST", r + "n2/deactivate", b""), 200, 0x2340003)
    n2 = of(via, "tog", "n2")
    tap.ok(n2["flags"] == ["INACTIVE"] and n2["state"] == {} and n2["volumes"][0]["device_path"] == "",
           "is not served", n2)
    tap.ok(not c.node("n2").nbd_socket("tog"), "has no socket")
    refused("nor is the only one that is left", via.http("POST", r + "n1/deactivate", {}), 500, 997)
    refused("which keeps its disk", via.http("PUT", r + "n1/toggle-disk/diskless"), 500, 997)
    done("again", via.http("POST", r + "n2/deactivate", {}), 200)
    done("activated", via.http("POST", r + "n2/activate", b""), 200, 0x2340003)
    wait_for(lambda: state_of(via, "tog", "n2") == "UpToDate", 20, "n2 in sync again")
    refused("activating nothing", via.http("POST", r + "n3/activate", {}), 404, 302)
    done("moved away", via.http("PUT", r + "n3/migrate-disk/n2"), 200, 0x2340003)
    wait_for(lambda: of(via, "tog", "n2") is None and state_of(via, "tog", "n3") == "UpToDate", 30,
             "the copy to move")
    tap.ok(True, "the copy has moved from n2 to n3")
    refused("there is a copy", via.http("PUT", r + "n3/migrate-disk/n1"), 500, 502)
    gone(via, "tog")


def under_writer(via, c):
    """the same while the volume is written to on n1"""
    spawn(via, "wri", 2, ["n1", "n2"])
    r = RD + "wri/resources/"
    w = Writer(c.node("n1"), "wri")
    tap.ok(w.goes_on(), "a writer on n1")
    refused("an open copy is not deactivated", via.http("POST", r + "n1/deactivate", {}), 500, 997)
    done("n2 loses its disk", via.http("PUT", r + "n2/toggle-disk/diskless"), 200)
    wait_for(lambda: state_of(via, "wri", "n2") == "Diskless", 30, "n2 diskless")
    tap.ok(w.goes_on(), "n1 goes on alone")
    refused("n1 keeps its own, it is the last", via.http("PUT", r + "n1/toggle-disk/diskless"), 500, 997)
    done("n2 gets one again", via.http("PUT", r + "n2/toggle-disk/diskful"), 200)
    wait_for(lambda: state_of(via, "wri", "n2") == "UpToDate", 60, "n2 in sync")
    tap.ok(w.goes_on(), "n2 has caught up under the writer")
    done("n2's copy moves to n3", via.http("PUT", r + "n3/migrate-disk/n2"), 200)
    wait_for(lambda: of(via, "wri", "n2") is None and state_of(via, "wri", "n3") == "UpToDate", 60,
             "the copy to move")
    tap.ok(w.goes_on(), "it has moved under the writer")
    done("the writer's own node loses its disk", via.http("PUT", r + "n1/toggle-disk/diskless"), 200)
    wait_for(lambda: "DISKLESS" in of(via, "wri", "n1")["flags"], 30, "n1 without a disk")
    tap.ok(w.goes_on(), "the writer goes on with n3's copy", w.lines[-3:])
    done("another copy comes meanwhile", via.http("POST", r + "n2", {"resource": {}}), 201)
    wait_for(lambda: state_of(via, "wri", "n2") == "UpToDate", 60, "n2 in sync")
    tap.ok(w.goes_on(), "and the writer goes on")
    wait_for(lambda: not [f for f in os.listdir(c.node("n1").pool_dir) if f.startswith("wri_")], 30,
             "n1's files to go")
    done("n1 is to have a disk again", via.http("PUT", r + "n1/toggle-disk/diskful"), 200)
    tap.ok(w.goes_on(), "the writer goes on without it")
    done("deactivated elsewhere", via.http("POST", r + "n3/deactivate", {}), 200)
    tap.ok(w.goes_on(), "the writer goes on with n2's copy")
    done("and activated", via.http("POST", r + "n3/activate", {}), 200)
    tap.ok(w.end(), "all that was written was read again", w.lines[-3:])
    wait_for(lambda: [state_of(via, "wri", n) for n in ("n1", "n2", "n3")] == ["UpToDate"] * 3, 60,
             "all three in sync once it is closed")
    tap.ok(True, "n1 has its disk once the volume was closed")
    w = Writer(c.node("n1"), "wri")
    tap.ok(w.goes_on(), "a writer on n1 again")
    done("n1 moves its copy away from under it", via.http("DELETE", r + "n3"), 200)
    wait_for(lambda: of(via, "wri", "n3") is None, 30, "n3 without a copy")
    done("to n3", via.http("PUT", r + "n3/migrate-disk/n1"), 200)
    wait_for(lambda: "DISKLESS" in (of(via, "wri", "n1") or {}).get("flags", []) and
             state_of(via, "wri", "n3") == "UpToDate", 60, "n1's copy to move")
    tap.ok(w.goes_on() and w.end(), "the writer became a client and has not noticed", w.lines[-3:])
    wait_for(lambda: not of(via, "wri", "n1")["state"]["in_use"], 20, "the volume to be closed")
    gone(via, "wri")


def snapshots(via):
    """what needs no file system that can take them; test_snapshots.py has the rest"""
    spawn(via, "sna", 1, ["n1"])
    refused("properties of a missing snapshot", via.http("PUT", RD + "sna/snapshots/s2", {}), 404, 313)
    refused("of nothing's", via.http("PUT", RD + "nix/snapshots/s1", {}), 404, 301)
    refused("with a body that is none", via.http("PUT", RD + "sna/snapshots/s1", []), 400)
    gone(via, "sna")


def main():
    with Cluster(3, name="apires") as c:
        via = c.any()
        only = sys.argv[1:]
        for part in (volume_groups, sizes, adjust, definitions, properties, toggles_refused, snapshots):
            if not only or part.__name__ in only:
                part(via)
        if not only or "toggle" in only:
            toggle(via, c)
        if have_libnbd() and (not only or "under_writer" in only):
            under_writer(via, c)
    tap.done()


if __name__ == "__main__":
    main()
