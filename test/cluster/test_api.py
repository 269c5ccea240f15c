#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_api.py - the conversation of LINSTOR clients with three daemons: the same on the leader and
on followers; what a client must find in answers; what it may send; what happens when the leader
goes away in the middle."""
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from cluster import Cluster, Tap, need_sdsd, run_cli, wait_for

CALL_ID_MAX = 64
need_sdsd()
tap = Tap()


def severity(code):
    return -1 if code is None else (code >> 62) & 3


def missing(obj, *fields):
    """names of fields that obj lacks; "a.b" looks into objects, "a[].b" into the first element"""
    out = []
    for field in fields:
        at = obj
        for part in field.split("."):
            many = part.endswith("[]")
            at = at.get(part.rstrip("[]")) if isinstance(at, dict) else None
            if many:
                at = at[0] if isinstance(at, list) and at else None
            if at is None:
                out.append(field)
                break
    return out


def is_rc_list(answer):
    return (isinstance(answer.json, list) and len(answer.json) > 0 and
            all("ret_code" in e and e.get("message") for e in answer.json) and
            answer.headers.get("content-type", "").startswith("application/json"))


def refused(name, answer, status, number=None):
    ok = answer.status == status and is_rc_list(answer)
    if number is not None:
        ok = ok and any(e["ret_code"] & 0x7FFF == number and severity(e["ret_code"]) == 3
                        for e in answer.json)
    tap.ok(ok, name, "want %s/%s, got %r" % (status, number, answer))


def done(name, answer, status, code=None):
    ok = answer.status == status and is_rc_list(answer)
    if code is not None:
        ok = ok and answer.rc() == code
    tap.ok(ok, name, "want %s/%s, got %r" % (status, code, answer))


# ---- one conversation, through any node -----------------------------------------------------

def talk_general(via, who):
    v = via.http("GET", "/v1/controller/version")
    tap.ok(v.status == 200 and not missing(v.json, "version", "git_hash", "build_time",
                                           "rest_api_version"), who + "version has its four fields", v)
    tap.ok([int(x) for x in v.json["rest_api_version"].split(".")] >= [1, 0, 8],
           who + "rest_api_version unlocks what the clients need", v)
    tap.eq(via.http("GET", "/health").status, 200, who + "/health")
    head = via.http("HEAD", "/v1/nodes")
    tap.ok(head.status == 200 and head.body == b"", who + "HEAD is answered without a body", head)


def talk_nodes(via, who):
    nodes = via.get("/v1/nodes")
    tap.eq(sorted(n["name"] for n in nodes), ["n1", "n2", "n3"], who + "three nodes are listed")
    lack = [missing(n, "name", "type", "connection_status", "props", "flags", "uuid",
                    "net_interfaces[].name", "net_interfaces[].address",
                    "net_interfaces[].satellite_port",
                    "net_interfaces[].satellite_encryption_type", "storage_providers",
                    "resource_layers") for n in nodes]
    tap.eq(lack, [[], [], []], who + "nodes have all fields that clients crash without")
    tap.eq([n["connection_status"] for n in nodes], ["ONLINE"] * 3, who + "all are ONLINE")
    tap.eq([n["name"] for n in via.get("/v1/nodes?nodes=N2&nodes=n3")], ["n2", "n3"],
           who + "repeated filter, any case")
    tap.eq(via.get("/v1/nodes?nodes=nix"), [], who + "a filter for something missing gives []")
    tap.eq(len(via.get("/v1/nodes?limit=2&offset=0")), 2, who + "limit")
    tap.eq([n["name"] for n in via.get("/v1/nodes?limit=2&offset=2")], ["n3"], who + "offset")
    tap.eq(len(via.get("/v1/nodes?limit=0&offset=0&cached=true")), 3, who + "limit=0 is all")
    tap.eq(via.get("/v1/nodes/N1")["name"], "n1", who + "one node, any case")
    refused(who + "a missing node is 404", via.http("GET", "/v1/nodes/nix"), 404, 300)
    refused(who + "nodes are not posted", via.http("POST", "/v1/nodes", {"name": "n4"}), 500)
    done(who + "node properties", via.http("PUT", "/v1/nodes/n1", {
        "override_props": {"Aux/zone": "a", "Aux/n": 100}, "delete_props": None}), 200)
    props = via.get("/v1/nodes/n1")["props"]
    tap.ok(props.get("Aux/zone") == "a" and props.get("Aux/n") == "100",
           who + "properties come back, numbers as texts", props)
    tap.eq([n["name"] for n in via.get("/v1/nodes?props=Aux/zone=a")], ["n1"],
           who + "filter by property")
    done(who + "node properties go", via.http("PUT", "/v1/nodes/n1", {
        "delete_props": ["Aux/zone", "Aux/n"]}), 200)
    tap.eq(via.get("/v1/nodes/n1")["props"], {}, who + "no properties are {}")
    done(who + "deleting a missing node is a warning", via.http("DELETE", "/v1/nodes/nix"), 200)
    refused(who + "a node name that is no name", via.http("GET", "/v1/nodes/a%2Fb"), 404)


def talk_pools(via, who, extra_dir):
    pools = via.get("/v1/view/storage-pools")
    lack = [missing(p, "storage_pool_name", "node_name", "provider_kind", "free_space_mgr_name",
                    "uuid", "props", "static_traits", "free_capacity", "total_capacity", "reports")
            for p in pools]
    tap.eq([x for x in lack if x], [], who + "pools have all fields")
    tap.eq(sum(p["provider_kind"] == "DISKLESS" and
               p["storage_pool_name"] == "DfltDisklessStorPool" for p in pools), 3,
           who + "a diskless pool for each node")
    tap.ok(all(";" in p["free_space_mgr_name"] for p in pools), who + "free space is not shared")
    tap.eq([p["storage_pool_name"] for p in via.get("/v1/nodes/n1/storage-pools")],
           ["DfltDisklessStorPool", "pool"], who + "pools of one node")
    tap.eq(via.get("/v1/nodes/n1/storage-pools/POOL")["storage_pool_name"], "pool",
           who + "one pool, any case")
    refused(who + "pools of a missing node", via.http("GET", "/v1/nodes/nix/storage-pools"), 404, 300)
    refused(who + "a missing pool", via.http("GET", "/v1/nodes/n1/storage-pools/nix"), 404, 310)
    body = {"storage_pool_name": "extra", "provider_kind": "FILE",
            "props": {"StorDriver/FileDir": extra_dir, "Aux/x": 1}}
    done(who + "pool created", via.http("POST", "/v1/nodes/n2/storage-pools", body), 201, 18087937)
    refused(who + "pool exists", via.http("POST", "/v1/nodes/n2/storage-pools", body), 500, 510)
    pool = via.get("/v1/nodes/n2/storage-pools/extra")
    tap.ok(pool["props"]["StorDriver/FileDir"] == extra_dir and pool["total_capacity"] > 0 and
           pool["props"]["Aux/x"] == "1", who + "its directory, size and properties", pool)
    refused(who + "a pool on a missing node",
            via.http("POST", "/v1/nodes/nix/storage-pools", body), 404, 300)
    refused(who + "a kind that we do not have",
            via.http("POST", "/v1/nodes/n2/storage-pools", dict(body, provider_kind="LVM_THIN")), 500)
    refused(who + "a pool without a directory",
            via.http("POST", "/v1/nodes/n2/storage-pools",
                     {"storage_pool_name": "other", "provider_kind": "FILE"}), 500)
    done(who + "pool deleted", via.http("DELETE", "/v1/nodes/n2/storage-pools/Extra"), 200)
    again = via.http("DELETE", "/v1/nodes/n2/storage-pools/extra")
    tap.ok(again.status == 200 and severity(again.rc()) == 2 and again.number() == 3000,
           who + "deleting it again warns", again)
    refused(who + "the diskless pool stays",
            via.http("DELETE", "/v1/nodes/n1/storage-pools/DfltDisklessStorPool"), 500)


def talk_disks(via, who, name):
    wait_for(lambda: all("device" in d for d in via.get("/v1/sds/disks")), 30, who + "disks are reported")
    disks = via.get("/v1/sds/disks?nodes=N1")
    tap.ok(all(d["node"] == "n1" and d["usable"] == (d["reason"] == "") for d in disks),
           who + "disks of one node", disks)
    groups = via.get("/v1/physical-storage")
    usable = [d for d in via.get("/v1/sds/disks") if d["usable"]]
    tap.eq(sum(len(l) for g in groups for l in g["nodes"].values()), len(usable),
           who + "physical storage is what is usable")
    tap.eq(len(via.get("/v1/physical-storage/n1")), len([d for d in usable if d["node"] == "n1"]),
           who + "physical storage of one node")
    refused(who + "of a missing node", via.http("GET", "/v1/physical-storage/nix"), 404, 300)
    body = {"provider_kind": "LVMTHIN", "device_paths": ["/dev/nix"], "pool_name": "x",
            "with_storage_pool": {"name": name}}
    refused(who + "a device without a storage pool",
            via.http("POST", "/v1/physical-storage/n2", dict(body, with_storage_pool=None)), 500)
    refused(who + "a device by no path",
            via.http("POST", "/v1/physical-storage/n2", dict(body, device_paths=["nix"])), 500)
    refused(who + "a directory of devices",
            via.http("POST", "/v1/physical-storage/n2", dict(body, provider_kind="FILE")), 500)
    refused(who + "devices that are no list",
            via.http("POST", "/v1/physical-storage/n2", dict(body, device_paths="/dev/nix")), 400)
    made = via.http("POST", "/v1/physical-storage/n2", body)
    tap.ok(made.status == 201 and severity(made.json[0]["ret_code"]) == 0 and
           "there is no such device" in made.json[-1]["message"], who + "why it is not made", made)
    pool = via.get("/v1/nodes/n2/storage-pools/" + name)
    tap.ok("no such device" in pool["reports"][0]["message"] and "free_capacity" not in pool and
           pool["props"]["StorDriver/StorPoolName"] == "sdsd_%s/thin" % name,
           who + "the pool says why it is not there", pool)
    refused(who + "another pool of the device", via.http(
        "POST", "/v1/nodes/n2/storage-pools", {"storage_pool_name": "other", "provider_kind": "LVM",
                                               "devices": ["/dev/nix"]}), 500, 510)
    extend = "/v1/sds/pools/n2/%s/extend" % name
    refused(who + "extended before it is made", via.http("POST", extend, {"devices": ["/dev/b"]}),
            500, 997)
    refused(who + "a missing pool extended",
            via.http("POST", "/v1/sds/pools/n2/nix/extend", {"devices": ["/dev/b"]}), 404, 310)
    refused(who + "what somebody else has made is not extended",
            via.http("POST", "/v1/sds/pools/n1/pool/extend", {"devices": ["/dev/b"]}), 500)
    refused(who + "nor destroyed",
            via.http("DELETE", "/v1/nodes/n1/storage-pools/pool?destroy=true"), 500)
    done(who + "a pool that was not made is deleted",
         via.http("DELETE", "/v1/nodes/n2/storage-pools/" + name), 200)


def talk_groups(via, who, name):
    tap.ok("DfltRscGrp" in [g["name"] for g in via.get("/v1/resource-groups")],
           who + "the default group is there")
    body = {"name": name, "description": "d", "props": {"Aux/k": 7},
            "select_filter": {"place_count": "2", "layer_stack": ["drbd", "storage"],
                              "diskless_on_remaining": None}}
    done(who + "group created", via.http("POST", "/v1/resource-groups", body), 201, 21233665)
    refused(who + "group exists", via.http("POST", "/v1/resource-groups", body), 500, 522)
    g = via.get("/v1/resource-groups/" + name.upper())
    tap.ok(g["name"] == name and g["select_filter"]["place_count"] == 2 and
           g["props"] == {"Aux/k": "7"} and g["uuid"] and g["description"] == "d",
           who + "the group comes back", g)
    done(who + "group modified", via.http("PUT", "/v1/resource-groups/" + name, {
        "override_props": {"Aux/l": True}, "select_filter": {"place_count": 1}}), 200)
    g = via.get("/v1/resource-groups/" + name)
    tap.ok(g["select_filter"]["place_count"] == 1 and "Aux/k" in g["props"] and
           "Aux/l" in g["props"], who + "only what was given changed", g)
    refused(who + "a missing group", via.http("GET", "/v1/resource-groups/nix"), 404, 317)
    refused(who + "a missing group cannot be modified",
            via.http("PUT", "/v1/resource-groups/nix", {"description": "x"}), 404, 317)
    done(who + "a resource of the group", via.http("POST", "/v1/resource-definitions", {
        "resource_definition": {"name": name + "-r", "resource_group_name": name}}), 201)
    refused(who + "a group in use stays (501, as LINSTOR says)",
            via.http("DELETE", "/v1/resource-groups/" + name), 500, 501)
    done(who + "the resource goes", via.http("DELETE", "/v1/resource-definitions/" + name + "-r"), 200)
    done(who + "group deleted", via.http("DELETE", "/v1/resource-groups/" + name), 200)
    again = via.http("DELETE", "/v1/resource-groups/" + name)
    tap.ok(again.status == 200 and again.number() == 3000, who + "deleting it again warns", again)


def talk_definitions(via, who, name):
    made = via.http("POST", "/v1/resource-definitions", {
        "resource_definition": {"name": name, "props": {"Aux/pm/vmid": 100},
                                "layer_data": [{"type": "DRBD"}, {"type": "STORAGE"}]}})
    done(who + "definition created", made, 201, 20447233)
    tap.eq(made.json[0]["obj_refs"]["RscDfn"], name, who + "obj_refs.RscDfn in the first entry")
    refused(who + "definition exists, any case", via.http("POST", "/v1/resource-definitions", {
        "resource_definition": {"name": name.upper()}}), 500, 501)
    refused(who + "a layer that we do not have", via.http("POST", "/v1/resource-definitions", {
        "resource_definition": {"name": name + "x", "layer_data": [{"type": "NVME"}]}}), 500)
    refused(who + "a missing group", via.http("POST", "/v1/resource-definitions", {
        "resource_definition": {"name": name + "x", "resource_group_name": "nix"}}), 404, 317)
    done(who + "volume definition: 200", via.http(
        "POST", "/v1/resource-definitions/%s/volume-definitions" % name,
        {"volume_definition": {"size_kib": "16384", "volume_number": None,
                               "props": {"Aux/csi-volume-name": "v"}}}), 200, 19922945)
    d = via.get("/v1/resource-definitions/" + name.upper())
    lack = missing(d, "name", "uuid", "resource_group_name", "props", "flags", "layer_data[].type",
                   "volume_definitions[].volume_number", "volume_definitions[].size_kib",
                   "volume_definitions[].layer_data[].type",
                   "volume_definitions[].layer_data[].data.minor_number",
                   "volume_definitions[].props")
    tap.eq(lack, [], who + "the definition has all fields")
    tap.ok(d["name"] == name and d["props"] == {"Aux/pm/vmid": "100"} and
           d["resource_group_name"] == "DfltRscGrp" and
           d["volume_definitions"][0]["size_kib"] == 16384, who + "and the right values", d)
    listed = via.get("/v1/resource-definitions?with_volume_definitions=True")
    tap.ok([x for x in listed if x["name"] == name and len(x["volume_definitions"]) == 1],
           who + "listed with volume definitions", listed)
    tap.ok("volume_definitions" not in via.get(
        "/v1/resource-definitions?resource_definitions=" + name)[0],
           who + "listed without unless asked for")
    done(who + "definition modified", via.http("PUT", "/v1/resource-definitions/" + name, {
        "override_props": {"Aux/a": "1", "DrbdOptions/Net/allow-two-primaries": "yes"},
        "delete_props": ["Aux/pm/vmid"]}), 200, 37224451)
    tap.eq(via.get("/v1/resource-definitions/" + name)["props"],
           {"Aux/a": "1", "DrbdOptions/Net/allow-two-primaries": "yes"},
           who + "properties come back verbatim")
    vds = via.get("/v1/resource-definitions/%s/volume-definitions" % name)
    tap.ok(len(vds) == 1 and vds[0]["volume_number"] == 0, who + "volume definitions", vds)
    tap.eq(via.get("/v1/resource-definitions/%s/volume-definitions/0" % name)["size_kib"], 16384,
           who + "one volume definition")
    refused(who + "a missing volume definition", via.http(
        "GET", "/v1/resource-definitions/%s/volume-definitions/7" % name), 404, 303)
    refused(who + "volume definitions of nothing", via.http(
        "GET", "/v1/resource-definitions/nix/volume-definitions"), 404, 301)
    refused(who + "a volume definition for nothing", via.http(
        "POST", "/v1/resource-definitions/nix/volume-definitions",
        {"volume_definition": {"size_kib": 16384}}), 404, 301)
    refused(who + "a missing definition", via.http("GET", "/v1/resource-definitions/nix"), 404, 301)
    refused(who + "a missing definition cannot be modified", via.http(
        "PUT", "/v1/resource-definitions/nix", {"override_props": {"Aux/a": "1"}}), 404, 301)


def talk_placement(via, who, name):
    rd = "/v1/resource-definitions/" + name
    refused(who + "more copies than nodes: 996 and why",
            via.http("POST", rd + "/autoplace", {"select_filter": {"place_count": 7}}), 500, 996)
    refused(who + "autoplace of nothing",
            via.http("POST", "/v1/resource-definitions/nix/autoplace", {}), 404, 301)
    a = via.http("POST", rd + "/autoplace", {"diskless_on_remaining": None,
                                             "select_filter": {"place_count": "2"}})
    done(who + "autoplaced on two", a, 201)
    tap.ok(severity(a.rc()) == 0, who + "without a warning", a)
    again = via.http("POST", rd + "/autoplace", {"select_filter": {"place_count": 2}})
    tap.ok(again.status == 201 and again.rc() == -9223372036834589714,
           who + "again: already deployed, a warning", again)
    resources = via.get("/v1/view/resources?resources=" + name.upper())
    tap.eq(len(resources), 2, who + "two copies in the view")
    lack = [missing(r, "name", "node_name", "props", "flags", "uuid", "create_timestamp",
                    "state.in_use", "layer_object.type", "layer_object.children[].type",
                    "layer_object.drbd.drbd_volumes[].drbd_volume_definition.minor_number",
                    "layer_object.drbd.drbd_volumes[].usable_size_kib",
                    "layer_object.drbd.promotion_score", "layer_object.drbd.connections",
                    "volumes[].volume_number", "volumes[].storage_pool_name",
                    "volumes[].provider_kind", "volumes[].device_path",
                    "volumes[].allocated_size_kib", "volumes[].state.disk_state",
                    "volumes[].props", "volumes[].flags", "volumes[].uuid",
                    "volumes[].layer_data_list[].type",
                    "volumes[].layer_data_list[].data.drbd_volume_definition.minor_number",
                    "volumes[].layer_data_list[].data.usable_size_kib") for r in resources]
    tap.eq(lack, [[], []], who + "with all fields that clients crash without")
    tap.eq([r["volumes"][0]["state"]["disk_state"] for r in resources], ["UpToDate"] * 2,
           who + "both UpToDate when the call has returned")
    tap.ok(all(r["volumes"][0]["layer_data_list"][-1]["type"] == "STORAGE" and
               r["layer_object"]["type"] == "DRBD" for r in resources), who + "layers as expected")
    nodes = [r["node_name"] for r in resources]
    third = [n for n in ("n1", "n2", "n3") if n not in nodes][0]
    listed = via.get(rd + "/resources")
    tap.ok(len(listed) == 2 and all("volumes" not in r for r in listed),
           who + "resources of the definition, without volumes", listed)
    one = via.get(rd + "/resources/" + nodes[0].upper())
    tap.eq(one["node_name"], nodes[0], who + "one resource, any case")
    tap.eq(via.get(rd + "/resources/%s/volumes/0" % nodes[0])["volume_number"], 0, who + "one volume")
    refused(who + "a missing resource", via.http("GET", rd + "/resources/" + third), 404, 302)
    refused(who + "a missing volume", via.http("GET", rd + "/resources/%s/volumes/9" % nodes[0]), 404)
    refused(who + "resources of nothing",
            via.http("GET", "/v1/resource-definitions/nix/resources"), 404, 301)
    return nodes, third


def talk_volumes(via, who, name):
    """more volumes of a resource with two copies; leaves it with one, larger than before"""
    rd = "/v1/resource-definitions/" + name
    vd = rd + "/volume-definitions"
    done(who + "a second volume", via.http("POST", vd, {"volume_definition": {"size_kib": 8192}}), 200,
         19922945)
    done(who + "and one of number 4", via.http("POST", vd, {
        "volume_definition": {"size_kib": 4096, "volume_number": 4}}), 200, 19922945)
    refused(who + "a number that is taken", via.http("POST", vd, {
        "volume_definition": {"size_kib": 4096, "volume_number": 1}}), 500, 503)
    refused(who + "a number that cannot be", via.http("POST", vd, {
        "volume_definition": {"size_kib": 4096, "volume_number": 16}}), 500, 206)
    vds = via.get(vd)
    tap.ok([v["volume_number"] for v in vds] == [0, 1, 4] and len({v["uuid"] for v in vds}) == 3 and
           len({v["layer_data"][0]["data"]["minor_number"] for v in vds}) == 3,
           who + "three volume definitions, each with its own uuid and minor", vds)
    copies = [r for r in via.get("/v1/view/resources?resources=" + name) if "DISKLESS" not in r["flags"]]
    tap.ok(copies and all({v["state"]["disk_state"] for v in r["volumes"]} <= {"UpToDate", "Outdated", "Inconsistent"} and
                          len({v["device_path"] for v in r["volumes"]}) == 3 and
                          len({v["props"]["Sdsd/NbdSocket"] for v in r["volumes"]}) == 3
                          for r in copies), who + "all are there when the calls have returned", copies)
    tap.eq(via.get(rd + "/resources/%s/volumes/4" % copies[0]["node_name"])["usable_size_kib"], 4096,
           who + "one volume of a copy")
    done(who + "volume 1 grows", via.http("PUT", vd + "/1", {
        "size_kib": 16384, "override_props": {"Aux/x": "1"}}), 200)
    d = via.get(vd + "/1")
    tap.ok(d["size_kib"] == 16384 and d["props"] == {"Aux/x": "1"}, who + "and has its property", d)
    copies = [r for r in via.get("/v1/view/resources?resources=" + name) if "DISKLESS" not in r["flags"]]
    tap.ok(all(r["volumes"][1]["flags"] == [] and r["volumes"][1]["usable_size_kib"] == 16384
               for r in copies), who + "on all copies", copies)
    refused(who + "shrinking", via.http("PUT", vd + "/1", {"size_kib": 8192}), 500, 206)
    refused(who + "a size that is none", via.http("PUT", vd + "/1", {"size_kib": "x"}), 500, 206)
    refused(who + "growing beyond the pools", via.http("PUT", vd + "/1", {"size_kib": 8 << 30}), 500)
    refused(who + "growing a missing volume", via.http("PUT", vd + "/9", {"size_kib": 8192}), 404, 303)
    refused(who + "growing of nothing", via.http(
        "PUT", "/v1/resource-definitions/nix/volume-definitions/0", {"size_kib": 8192}), 404, 301)
    refused(who + "volume 0 goes last", via.http("DELETE", vd + "/0"), 500)
    for number in (4, 1):
        done(who + "volume %d deleted" % number, via.http("DELETE", vd + "/%d" % number), 200)
    tap.eq([v["volume_number"] for v in via.get(vd)], [0], who + "one is left")
    refused(who + "a read policy that is none", via.http("PUT", rd, {
        "override_props": {"sds/read-policy": "fast"}}), 500)
    done(who + "a read policy", via.http("PUT", rd, {"override_props": {"sds/read-policy": "striped"}}), 200)
    talk_file_systems(via, who, rd)


def talk_file_systems(via, who, rd):
    """asked for by properties; in user space there is nothing to make them on, which is said"""
    vd = rd + "/volume-definitions"
    for key, value in (("Type", "btrfs"), ("MkfsParams", "-l logdev=/dev/sda"), ("User", "a b"),
                       ("Group", "-1")):
        props = {"FileSystem/" + key: value}
        for path, body in ((rd, {"override_props": props}), (vd + "/0", {"override_props": props}),
                           ("/v1/resource-groups/DfltRscGrp", {"override_props": props}),
                           ("/v1/controller/properties", {"override_props": props})):
            method = "POST" if path.startswith("/v1/controller") else "PUT"
            refused(who + "%s %r of %s" % (key, value, path), via.http(method, path, body), 500)
        refused(who + "a volume with %s %r" % (key, value), via.http("POST", vd, {
            "volume_definition": {"size_kib": 8192, "props": props}}), 500)
        refused(who + "a volume group with %s %r" % (key, value), via.http(
            "POST", "/v1/resource-groups/DfltRscGrp/volume-groups", {"props": props}), 500)
    a = via.http("POST", vd, {"volume_definition": {
        "size_kib": 8192, "props": {"FileSystem/Type": "ext4"}}})
    said = [e["message"] for e in a.json if severity(e["ret_code"]) == 2]
    tap.ok(a.status == 200 and len(said) == 1 and "has no ext4 file system" in said[0] and
           "user space" in said[0], who + "a volume whose file system cannot be made", a)
    number = [v["volume_number"] for v in via.get(vd)][-1]
    done(who + "which is there all the same", via.http("DELETE", vd + "/%d" % number), 200)


def talk_clients(via, who, name, nodes, third):
    rd = "/v1/resource-definitions/" + name
    there = via.http("POST", rd + "/resources/%s/make-available" % nodes[0], {})
    tap.ok(there.status == 200 and severity(there.rc()) == 0, who + "available where a copy is", there)
    made = via.http("POST", rd + "/resources/%s/make-available" % third, b"")
    tap.ok(made.status == 200 and severity(made.rc()) == 0, who + "attached without a body", made)
    again = via.http("POST", rd + "/resources/%s/make-available" % third, {"diskful": False})
    tap.ok(again.status == 200 and severity(again.rc()) == 0, who + "attached again: success", again)
    r = [x for x in via.get("/v1/view/resources?resources=" + name) if x["node_name"] == third][0]
    tap.ok(r["flags"] == ["DISKLESS", "DRBD_DISKLESS"] and
           r["volumes"][0]["provider_kind"] == "DISKLESS" and
           r["volumes"][0]["storage_pool_name"] == "DfltDisklessStorPool" and
           r["volumes"][0]["state"]["disk_state"] == "Diskless", who + "a diskless client", r)
    exists = via.http("POST", rd + "/resources/" + nodes[0], {"resource": {"node_name": nodes[0]}})
    tap.ok(exists.status == 201 and exists.number() == 10008, who + "creating an existing copy: "
           "201 and an information", exists)
    refused(who + "a resource on a missing node", via.http("POST", rd + "/resources/nix", {}), 404, 300)
    refused(who + "a resource of a missing definition",
            via.http("POST", "/v1/resource-definitions/nix/resources/n1", {}), 404, 301)
    bare = "/v1/resource-definitions/bare-" + name
    via.http("POST", "/v1/resource-definitions", {"resource_definition": {"name": "bare-" + name}})
    via.http("POST", bare + "/volume-definitions", {"volume_definition": {"size_kib": 8192}})
    for body in ({}, {"diskful": True}):
        refused(who + "available on a missing node, of what has no copy: %s" % body,
                via.http("POST", bare + "/resources/nix/make-available", body), 404, 300)
    refused(who + "a client of what has no copy",
            via.http("POST", bare + "/resources/%s/make-available" % third, {}), 500)
    done(who + "a definition without copies goes", via.http("DELETE", bare), 200)
    done(who + "detached", via.http("DELETE", rd + "/resources/" + third), 200)
    gone = via.http("DELETE", rd + "/resources/" + third)
    tap.ok(gone.status == 200 and gone.number() == 3000, who + "detaching again warns", gone)
    many = via.http("POST", rd + "/resources", [
        {"resource": {"node_name": third, "flags": ["DISKLESS"]}},
        {"resource": {"node_name": nodes[0]}}])
    tap.ok(many.status == 201 and len(many.json) == 2, who + "a list of resources", many)
    done(who + "and gone", via.http("DELETE", rd + "/resources/" + third), 200)
    third_full = via.http("POST", rd + "/resources/" + third,
                          {"resource": {"props": {"StorPoolName": "pool"}}, "layer_list": ["drbd", "storage"]})
    done(who + "a third copy in a named pool", third_full, 201, 20185089)
    refused(who + "a fourth copy has no node", via.http(
        "POST", rd + "/autoplace", {"select_filter": {"place_count": 3, "additional_place_count": 1}}),
            500, 996)
    done(who + "the third copy goes", via.http("DELETE", rd + "/resources/" + third), 200)


def talk_spawn(via, who, name):
    made = via.http("POST", "/v1/resource-groups/DfltRscGrp/spawn", {
        "resource_definition_name": name, "volume_sizes": ["8192"], "definitions_only": False,
        "select_filter": {}, "resource_definition_props": {"Aux/cs": "x"}})
    done(who + "spawned", made, 201, 20447233)
    refused(who + "spawned again: 501", via.http("POST", "/v1/resource-groups/DfltRscGrp/spawn", {
        "resource_definition_name": name, "volume_sizes": [8192]}), 500, 501)
    refused(who + "spawned from nothing", via.http("POST", "/v1/resource-groups/nix/spawn", {
        "resource_definition_name": name + "x", "volume_sizes": [8192]}), 404, 317)
    refused(who + "spawned too small", via.http("POST", "/v1/resource-groups/DfltRscGrp/spawn", {
        "resource_definition_name": name + "x", "volume_sizes": [1]}), 500)
    huge = via.http("POST", "/v1/resource-groups/DfltRscGrp/spawn", {
        "resource_definition_name": name + "x", "volume_sizes": [10 << 30]})
    refused(who + "spawned larger than any pool: 996", huge, 500, 996)
    tap.ok("n1" in str(huge.json) and "n3" in str(huge.json),
           who + "which names each node and the rule that failed", huge)
    tap.eq(via.http("GET", "/v1/resource-definitions/%sx" % name).status, 404,
           who + "nothing is left of a refused spawn")
    done(who + "definitions only", via.http("POST", "/v1/resource-groups/DfltRscGrp/spawn", {
        "resource_definition_name": name + "d", "volume_sizes": [8192],
        "definitions_only": "True"}), 201)
    tap.eq(via.get("/v1/view/resources?resources=%sd" % name), [], who + "no copies then")
    for n in (name, name + "d"):
        done(who + "deleted", via.http("DELETE", "/v1/resource-definitions/" + n), 200, 54001666)
    gone = via.http("DELETE", "/v1/resource-definitions/" + name)
    tap.ok(gone.status == 200 and gone.rc() == -9223372036800771144,
           who + "deleting it again is 200 and warning 3000", gone)


# ---- what may come in -----------------------------------------------------------------------

def bad_input(via, who):
    for name, body in (("broken", b"{"), ("an array", b"[1]"), ("a string", b"\"x\""), ("a number", b"7"),
                       ("null", b"null"), ("two values", b"{} {}"), ("not UTF-8", b"{\"a\":\"\xff\"}"),
                       ("NaN", b"{\"a\":NaN}"), ("nested too deep", b"[" * 200 + b"]" * 200)):
        a = via.http("POST", "/v1/resource-definitions", body)
        tap.ok(a.status in (400, 500) and is_rc_list(a), who + "a body that is %s" % name, a)
    refused(who + "broken JSON is 400", via.http("POST", "/v1/resource-groups", b"{\"name\":"), 400)
    rd = "/v1/resource-definitions"
    odd = [None, 7, True, [], {}, "", " ", "a", "x" * 49, "x" * 100000, "9x", "a b", "a/b", "../x", "a%00b",
           "all", "Proxy", "n\u00e4me", "\U0001f4be", "a\nb", "-a", {"name": "x"}]
    for value in odd:
        a = via.http("POST", rd, {"resource_definition": {"name": value}})
        tap.ok(a.status in (400, 500) and is_rc_list(a), who + "name %.30r is refused" % (value,), a)
    for value in (None, [], {}, "x", -1, 0, 1.5, 1e300, "1e3", 2 ** 63, -2 ** 63, 2 ** 64, True, [1], "", "0x10"):
        a = via.http("POST", "/v1/resource-groups/DfltRscGrp/spawn",
                     {"resource_definition_name": "odd", "volume_sizes": [value]})
        tap.ok(a.status in (400, 500) and is_rc_list(a), who + "size %.30r is refused" % (value,), a)
    for field, value in (("volume_sizes", "8192"), ("volume_sizes", {"a": 1}), ("volume_sizes", [8192] * 17),
                         ("select_filter", []), ("select_filter", {"place_count": "x"}),
                         ("select_filter", {"place_count": -1}), ("select_filter", {"place_count": 10 ** 30}),
                         ("select_filter", {"node_name_list": [1]}),
                         ("select_filter", {"node_name_list": "a/b"}),
                         ("select_filter", {"node_name_list": ["n1"] * 5000}),
                         ("select_filter", {"replicas_on_different": [7]}),
                         ("resource_definition_props", []), ("resource_definition_props", {"a": []}),
                         ("resource_definition_props", {"k" * 5000: "v"}),
                         ("resource_definition_props", {"k": "v" * 100000}),
                         ("resource_definition_props", {"k%d" % i: "v" for i in range(500)})):
        body = {"resource_definition_name": "odd", "volume_sizes": [8192]}
        body[field] = value
        a = via.http("POST", "/v1/resource-groups/DfltRscGrp/spawn", body)
        tap.ok(a.status in (400, 500) and is_rc_list(a), who + "spawn with %s %.40r" % (field, value), a)
    tap.eq(via.http("GET", rd + "/odd").status, 404, who + "nothing came of it")
    for path, body in (("/v1/resource-groups", {"name": [], "select_filter": {}}),
                       ("/v1/resource-groups", {"name": "gg", "props": "x"}),
                       ("/v1/resource-groups", {"name": "gg", "select_filter": 5}),
                       ("/v1/nodes/n1/storage-pools", {"storage_pool_name": {}, "provider_kind": "FILE"}),
                       ("/v1/nodes/n1/storage-pools", {"storage_pool_name": "ppp", "provider_kind": []}),
                       ("/v1/nodes/n1/storage-pools", {"storage_pool_name": "ppp", "provider_kind": "FILE",
                                                       "props": {"StorDriver/FileDir": "../x"}}),
                       ("/v1/nodes/n1/storage-pools", {"storage_pool_name": "ppp", "provider_kind": "FILE",
                                                       "props": {"StorDriver/FileDir": "/" + "x" * 5000}}),
                       (rd + "/nix/resources", {}), (rd + "/nix/resources", []), (rd + "/nix/resources", [7]),
                       (rd + "/nix/resources", [{"resource": {}}]),
                       (rd + "/nix/resources/n1", {"resource": []}),
                       (rd, {"resource_definition": []}), (rd, {}),
                       (rd + "/nix/volume-definitions", {"volume_definition": 7}),
                       ("/v1/sds/adopt", {}), ("/v1/sds/adopt", {"node": "n1"}),
                       ("/v1/sds/adopt", {"device": "/dev/vg0/data"}),
                       ("/v1/sds/adopt", {"node": 1, "device": "/dev/vg0/data"}),
                       ("/v1/sds/adopt", {"node": "n1", "device": []}),
                       ("/v1/sds/adopt", {"node": "n1", "device": "/dev/vg0/data", "name": 7}),
                       ("/v1/sds/adopt", {"node": "n1", "device": "/dev/" + "x" * 5000}),
                       ("/v1/sds/adopt", {"node": "nix", "device": "/dev/vg0/data"}),
                       ("/v1/sds/tokens", {"ttl_s": "x"}), ("/v1/sds/tokens", {"ttl_s": -1}),
                       ("/v1/sds/tokens", {"ttl_s": 10 ** 12})):
        a = via.http("POST", path, body)
        tap.ok(a.status in (400, 500) and is_rc_list(a), who + "POST %s %.40r" % (path, body), a)
    a = via.http("POST", rd, b" " * (6 << 20))
    tap.ok(a.status in (0, 413), who + "a body of 6 MiB is not taken", a)
    refused(who + "an unknown path", via.http("GET", "/v1/nix"), 404, 998)
    refused(who + "a wrong method", via.http("PATCH", "/v1/nodes"), 405, 998)
    refused(who + "a bad escape", via.http("GET", "/v1/nodes/%zz"), 400)
    for path in ("report", "record-read", "record-cas", "replica-created", "replica-failed",
                 "leftover-done", "filesystem", "join", "reap", "adopt-look"):
        refused(who + "users may not post " + path,
                via.http("POST", "/v1/sds/" + path, {"node": "n1", "resource": "a", "uuid": "b"}), 403)
    a = via.http("POST", "/v1/sds/adopt", {"node": "n1", "device": "/dev/vg0/data"})
    tap.ok(a.status in (400, 500) and is_rc_list(a) and "node n1 has no pool of LVM" in a.body.decode(),
           who + "nothing is adopted into a directory", a)
    tap.eq(via.http("GET", "/health").status, 200, who + "and still alive")


# ---- many nodes -----------------------------------------------------------------------------

def read_your_writes(cluster):
    bad = []
    nodes = cluster.nodes
    for i in range(30):
        name = "ryw%d" % i
        a = nodes[i % 3].http("POST", "/v1/resource-definitions", {"resource_definition": {"name": name}})
        b = nodes[(i + 1) % 3].http("GET", "/v1/resource-definitions/" + name)
        d = nodes[(i + 2) % 3].http("DELETE", "/v1/resource-definitions/" + name)
        e = nodes[i % 3].http("GET", "/v1/resource-definitions/" + name)
        if (a.status, b.status, d.status, e.status) != (201, 200, 200, 404):
            bad.append((i, a, b, d, e))
    tap.eq(bad, [], "what one node was told the others know at once")


def request_ids(cluster):
    one, two = cluster.nodes[0], cluster.nodes[1]
    body = {"resource_definition": {"name": "once"}}
    head = {"X-Request-Id": "test-once-1"}
    first = one.http("POST", "/v1/resource-definitions", body, head)
    second = two.http("POST", "/v1/resource-definitions", body, head)
    done("a request with an id", first, 201)
    tap.ok(second.status == 201 and second.json == first.json, "the same id again: the same answer",
           (first, second))
    tap.eq(first.headers.get("x-request-id"), "test-once-1", "the id comes back")
    tap.ok(int(first.headers.get("x-revision", 0)) > 0, "and the revision", first.headers)
    other = one.http("POST", "/v1/resource-groups", {"name": "twice"}, head)
    tap.ok(other.status == 500 and is_rc_list(other), "an id is good for one request only", other)
    done("clean up", one.http("DELETE", "/v1/resource-definitions/once"), 200)
    for what, text, same in (("the longest id", "x" * CALL_ID_MAX, True),
                             ("a longer one", "x" * (CALL_ID_MAX + 1), False),
                             ("much longer", "x" * 4000, False),
                             ("other characters", "Root=1/2+3", False)):
        head = {"X-Request-Id": text}
        made = [n.http("POST", "/v1/resource-definitions", body, head) for n in (one, two)]
        tap.ok([a.status for a in made] == [201, 201] and made[0].json == made[1].json,
               "%s: done once, too" % what, made)
        back = made[0].headers.get("x-request-id", "")
        tap.ok((back == text) == same and len(back) <= CALL_ID_MAX, "%s: %s" % (what, back))
        done("clean up", one.http("DELETE", "/v1/resource-definitions/once"), 200)


def concurrent(cluster):
    """many writers of one name: exactly one wins"""
    answers = []

    def create(node):
        answers.append(node.http("POST", "/v1/resource-definitions",
                                 {"resource_definition": {"name": "race"}}))
    threads = [threading.Thread(target=create, args=(cluster.nodes[i % 3],)) for i in range(12)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    tap.eq(sorted(a.status for a in answers), [201] + [500] * 11, "of twelve creations one wins")
    tap.ok(all(a.number() == 501 for a in answers if a.status == 500), "the others are told: exists")
    cluster.any().http("DELETE", "/v1/resource-definitions/race")
    names = ["par%d" % i for i in range(12)]
    answers = []

    def spawn(i):
        answers.append(cluster.nodes[i % 3].http("POST", "/v1/resource-groups/DfltRscGrp/spawn", {
            "resource_definition_name": names[i], "volume_sizes": [4096]}))
    threads = [threading.Thread(target=spawn, args=(i,)) for i in range(12)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    tap.ok(all(a.status == 201 for a in answers), "twelve volumes at once, through all nodes",
           [a for a in answers if a.status != 201])
    minors = [d["volume_definitions"][0]["layer_data"][0]["data"]["minor_number"]
              for d in cluster.any().get("/v1/resource-definitions?with_volume_definitions=true")]
    tap.ok(len(minors) == len(set(minors)) and len(minors) >= 12, "with minors of their own", minors)
    rcs = [cluster.any().http("DELETE", "/v1/resource-definitions/" + n).status for n in names]
    tap.eq(rcs, [200] * 12, "and deleted")


def replicas_come_and_go(cluster):
    """a group that wants more copies gets them; what is deleted leaves no files"""
    via = cluster.followers()[0]
    via.http("POST", "/v1/resource-groups", {"name": "gold", "select_filter": {"place_count": 2}})
    done("spawned in a group", via.http("POST", "/v1/resource-groups/gold/spawn", {
        "resource_definition_name": "g1", "volume_sizes": [4096]}), 201)
    done("the group wants three now", via.http("PUT", "/v1/resource-groups/gold", {
        "select_filter": {"place_count": 3}}), 200)
    try:
        v = wait_for(lambda: cluster.volume("g1")["copies"] == 3 and cluster.volume("g1"), 10, "three")
        tap.eq(len(v["replicas"]), 3, "its resource gets a third copy")
    except Exception as e:
        tap.ok(False, "its resource gets a third copy", e)
    node = cluster.node(cluster.volume("g1")["replicas"][0]["node"])
    tap.ok(any("g1" in f for f in os.listdir(node.pool_dir)), "files of the copy are there",
           os.listdir(node.pool_dir))
    done("one copy deleted", via.http("DELETE", "/v1/resource-definitions/g1/resources/" + node.name), 200)
    tap.eq([f for f in os.listdir(node.pool_dir) if "g1" in f], [],
           "its files are gone when the call has returned")
    done("all deleted", via.http("DELETE", "/v1/resource-definitions/g1"), 200)
    tap.eq([f for n in cluster.nodes for f in os.listdir(n.pool_dir) if "g1" in f], [],
           "and so are all others")
    done("group deleted", via.http("DELETE", "/v1/resource-groups/gold"), 200)
    down = [n for n in cluster.followers() if n is not via][0]
    done("a volume on all", via.http("POST", "/v1/resource-groups/DfltRscGrp/spawn", {
        "resource_definition_name": "away", "volume_sizes": [4096],
        "select_filter": {"place_count": 3}}), 201)
    down.kill()
    began = time.monotonic()
    done("deleted while one node is away", via.http("DELETE", "/v1/resource-definitions/away"), 200)
    took = time.monotonic() - began
    tap.ok(took < 6, "in bounded time (%.1f s)" % took)
    tap.eq(via.http("GET", "/v1/resource-definitions/away").status, 404, "it is gone at once")
    wait_for(lambda: cluster.leader() and cluster.status()["nodes"] and
             [n for n in cluster.status()["nodes"] if n["name"] == down.name][0]["state"] == "offline",
             10, "offline is noticed")
    again = via.http("POST", "/v1/resource-groups/DfltRscGrp/spawn", {
        "resource_definition_name": "away", "volume_sizes": [8192]})
    done("its name is free", again, 201)
    down.start()
    try:
        wait_for(lambda: not [f for f in os.listdir(down.pool_dir) if "away" in f], 30, "cleaned")
        tap.ok(True, "the node that was away removes what was left")
    except Exception as e:
        tap.ok(False, "the node that was away removes what was left", e)
    tap.eq(via.get("/v1/resource-definitions/away")["volume_definitions"][0]["size_kib"], 8192,
           "the new one is untouched")
    done("clean up", via.http("DELETE", "/v1/resource-definitions/away"), 200)
    cluster.wait_online()


def leader_killed(cluster):
    """Clients create through a follower while the leader is killed; each repeats its request under
    its id as long as the outcome is unknown. Nobody is told that its own creation exists."""
    leader = cluster.leader()
    via = cluster.followers()[0]
    answers, lock, stop = {}, threading.Lock(), time.monotonic() + 6

    def client(k):
        i = 0
        while time.monotonic() < stop:
            name = "kill-%d-%d" % (k, i)
            for attempt in range(6):
                a = via.http("POST", "/v1/resource-definitions",
                             {"resource_definition": {"name": name}}, {"X-Request-Id": "id-" + name})
                if a.status not in (0, 503, 504):
                    break
            with lock:
                answers[name] = a
            i += 1
            time.sleep(0.02)
    threads = [threading.Thread(target=client, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    time.sleep(1.5)
    began = time.monotonic()
    leader.kill()
    wait_for(lambda: via.http("GET", "/v1/nodes", timeout=10).headers.get("x-sdsd-stale") is None,
             20, "a new leader answers")
    gap = time.monotonic() - began
    for t in threads:
        t.join()
    wrong = [(n, a) for n, a in answers.items() if a.status != 201]
    tap.eq(wrong, [], "%d creations across the leader's death: all 201" % len(answers))
    tap.ok(gap < 5, "the API is usable again after %.1f s" % gap)
    have = {d["name"] for d in via.get("/v1/resource-definitions")}
    tap.eq(sorted(set(answers) - have), [], "all of them are there")
    tap.ok(not [n for n in have if n.startswith("kill-") and n not in answers], "and no others")
    state = {n["name"]: n["connection_status"] for n in via.get("/v1/nodes")}
    tap.ok(state[leader.name] != "ONLINE", "the dead node is not shown as ONLINE at once", state)
    wait_for(lambda: {n["name"]: n["connection_status"] for n in via.get("/v1/nodes")}[leader.name] ==
             "OFFLINE", 10, "OFFLINE")
    tap.ok(True, "and soon as OFFLINE")
    pool = [p for p in via.get("/v1/view/storage-pools?nodes=" + leader.name)
            if p["provider_kind"] != "DISKLESS"][0]
    tap.ok("free_capacity" not in pool and "total_capacity" not in pool and
           pool["reports"][0]["ret_code"] & 0x7FFF == 1002,
           "its pool's capacity is unknown, with a warning 1002", pool)
    # side by side: each waits until the node that was asked knows of it, a heartbeat later
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda name: via.http("DELETE", "/v1/resource-definitions/" + name), answers))
    return leader


def without_leader(cluster, via):
    """via is the last node that runs"""
    began = time.monotonic()
    a = via.http("GET", "/v1/resource-definitions")
    tap.ok(a.status == 200 and a.headers.get("x-sdsd-stale"), "without a leader: definitions from "
           "this node, marked as such", (a, a.headers))
    tap.ok(time.monotonic() - began < 6, "within a bounded time")
    nodes = via.get("/v1/nodes")
    tap.ok(all(n["connection_status"] in ("UNKNOWN", "ONLINE") for n in nodes) and
           sum(n["connection_status"] == "UNKNOWN" for n in nodes) == 2,
           "states of others are UNKNOWN", nodes)
    a = via.http("POST", "/v1/resource-definitions", {"resource_definition": {"name": "nope"}})
    tap.ok(a.status in (503, 504) and is_rc_list(a) and "leader" in a.json[0]["message"],
           "a change is refused and says why", a)
    wait_for(lambda: via.http("GET", "/health").status == 500, 10, "unhealthy")
    tap.ok(is_rc_list(via.http("GET", "/health")), "/health is 500 and says why")
    local = via.local()
    tap.ok(local["leader_id"] == 0 and local["no_leader_ms"] > 0, "the local view says so, too", local)
    r = via.cli("status")
    tap.ok(r.code == 0 and "NO LEADER" in r.out, "sdsd status tells without a leader", r)
    r = via.cli("volume", "create", "nope", "16MiB")
    tap.ok(r.code in (1, 4) and "leader" in r.err, "the CLI says why it was not done", r)


def command_line(cluster):
    node = cluster.nodes[-1]
    r = node.cli("volume", "create", "cli", "16MiB", "--copies", "2")
    tap.ok(r.code == 0 and "nbd+unix:///?socket=" in r.out, "sdsd volume create says how to open it", r)
    tap.eq([v["name"] for v in node.cli_json("volume", "list")], ["cli"], "sdsd volume list as JSON")
    r = node.cli("volume", "create", "cli", "16MiB")
    tap.ok(r.code == 1 and "exists" in r.err and r.out == "", "refused: exit 1, reason on stderr", r)
    r = node.cli("volume", "create", "cli", "16MiB", output="json")
    tap.ok(r.code == 1 and r.json[0]["ret_code"] < 0, "refused with --output json: the entries", r)
    for args in (["volume", "create", "x"], ["volume", "nix"], ["nix"], [], ["volume", "list", "x"],
                 ["volume", "create", "ab", "lots"], ["volume", "create", "ab", "1G", "--copies", "x"],
                 ["status", "--output", "xml"], ["volume", "list", "--frob"]):
        r = node.cli(*args)
        tap.ok(r.code == 2 and r.err, "exit 2: sdsd %s" % " ".join(args), r)
    r = run_cli("status", socket_path="/tmp/no-such-socket-of-sdsd")
    tap.ok(r.code == 3 and "no daemon" in r.err, "exit 3 without a daemon, and what to do", r)
    for args in (["help"], ["--help"], ["volume", "--help"], ["volume", "create", "--help"],
                 ["help", "pool"], ["version"], ["version", "--verbose"], ["run", "--help"]):
        r = node.cli(*args)
        tap.ok(r.code == 0 and "sdsd" in r.out, "exit 0: sdsd %s" % " ".join(args), r)
    r = node.cli("status")
    tap.ok(r.code == 0 and "3 of 3 nodes online" in r.out and "cli" in r.out and "safe" in r.out,
           "sdsd status", r)
    third = [n for n in ("n1", "n2", "n3") if n not in
             [x["node"] for x in cluster.volume("cli")["replicas"]]][0]
    r = node.cli("volume", "attach", "cli", third)
    tap.ok(r.code == 0 and "nbd+unix" in r.out, "attach says how to open it", r)
    tap.eq(node.cli("volume", "detach", "cli", third).code, 0, "detach")
    have = [x["node"] for x in cluster.volume("cli")["replicas"]][0]
    tap.eq(node.cli("volume", "detach", "cli", have).code, 1, "detach removes no copies")
    tap.eq(node.cli("volume", "show", "cli").code, 0, "show")
    tap.eq(node.cli("volume", "show", "nix").code, 1, "show of nothing")
    tap.eq(node.cli("volume", "delete", "cli").code, 0, "delete")
    tap.eq(node.cli("volume", "delete", "cli").code, 0, "delete again: as wished")
    tok = node.cli_json("token", "create", "--ttl", "10m")
    tap.ok(tok["token"].startswith("sds1-"), "a token", tok)
    listed = node.cli("token", "list", output="json")
    tap.ok(tok["id"] in listed.out and tok["token"].split("-")[2] not in listed.out,
           "listed without its secret", listed)
    tap.eq(node.cli("token", "delete", tok["id"]).code, 0, "and deleted")
    tap.eq(node.cli("token", "create", "--ttl", "99d").code, 1, "a token for 99 days is refused")


def main():
    with Cluster(3) as c:
        leader = c.leader()
        follower = c.followers()[0]
        for via, who, short in ((leader, "leader: ", "le"), (follower, "follower: ", "fo")):
            talk_general(via, who)
            talk_nodes(via, who)
            talk_pools(via, who, make_dir(c, "extra-" + short))
            talk_disks(via, who, "disks-" + short)
            talk_groups(via, who, "grp-" + short)
            talk_definitions(via, who, "rd-" + short)
            nodes, third = talk_placement(via, who, "rd-" + short)
            talk_clients(via, who, "rd-" + short, nodes, third)
            talk_volumes(via, who, "rd-" + short)
            done(who + "deleted with its copies", via.http("DELETE", "/v1/resource-definitions/rd-" + short), 200)
            talk_spawn(via, who, "sp-" + short)
            bad_input(via, who)
        command_line(c)
        read_your_writes(c)
        request_ids(c)
        concurrent(c)
        replicas_come_and_go(c)
        dead = leader_killed(c)
        rest = [n for n in c.nodes if n is not dead]
        rest[0].kill()
        without_leader(c, rest[1])
        dead.start()
        rest[0].start()
        c.wait_online(timeout=30)
        a = rest[1].http("POST", "/v1/resource-definitions", {"resource_definition": {"name": "back"}})
        done("all are back: changes work again", a, 201)
        for node in c.nodes:
            tap.eq(node.stop(), 0, "%s ends in order" % node.name)
    tap.done()


def make_dir(cluster, name):
    path = os.path.join(cluster.root, name)
    os.makedirs(path, exist_ok=True)
    return path


if __name__ == "__main__":
    main()
