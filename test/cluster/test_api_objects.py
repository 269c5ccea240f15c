#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_api_objects.py - LINSTOR's operations on the cluster's own objects: nodes and their
addresses, pools and their definitions, connections, the controller's properties, key-value stores,
statistics, and what clients ask for in passing. Each with its codes, on the leader and on a
follower, and with every field of a wrong type."""
import time

from cluster import Cluster, Tap, need_sdsd

need_sdsd()
tap = Tap()

ERROR, WARN, INFO = 0xC000000000000000, 0x8000000000000000, 0x4000000000000000
CRT, MOD, DEL = 0x1000000, 0x2000000, 0x3000000
NODE, NODE_CONN, RSC_CONN, NET_IF = 0x3C0000, 0x280000, 0x240000, 0x1C0000
POOL_DFN, POOL, CTRL, KVS, RSC, RSC_DFN = 0x180000, 0x140000, 0x100000, 0x400000, 0x340000, 0x380000
CREATED, DELETED, MODIFIED = 1, 2, 3
PARSE = -3458764513820540931

HUGE = "x" * 5000
WRONG = [7, True, 1.5, "text", [], [1], {}, {"a": {}}]


def code(*parts):
    """the signed number that travels"""
    n = sum(parts)
    return n - (1 << 64) if n >= 1 << 63 else n


def said(name, answer, status, *parts):
    """the answer's first entry has exactly this code"""
    ok = answer.status == status and isinstance(answer.json, list) and answer.json and \
        answer.json[0]["ret_code"] == code(*parts) and answer.json[0]["message"]
    tap.ok(ok, name, "want %s/%d, got %r" % (status, code(*parts), answer))


def warned(name, answer, status, *parts):
    """success first, and a warning behind it"""
    ok = answer.status == status and len(answer.json) == 2 and answer.json[0]["ret_code"] > 0 and \
        answer.json[1]["ret_code"] == code(WARN, *parts)
    tap.ok(ok, name, "want %s/%d, got %r" % (status, code(WARN, *parts), answer))


def wrong_types(via, name, method, path, good, fields, read):
    """each field with each wrong value: 400 or 500 with a coded entry, and nothing has changed"""
    before = via.get(read)
    for field, right in fields.items():
        for value in WRONG:
            if isinstance(value, right):
                continue
            a = via.http(method, path, dict(good, **{field: value}))
            if a.status not in (400, 500) or not a.json[0]["ret_code"] < 0:
                tap.ok(False, "%s: %s = %r is refused" % (name, field, value), a)
    for body in (b"", b"{", b"[]", b"7", b"\"a\"", b"{\"a\":1"):
        a = via.http(method, path, body)
        if body != b"" and a.rc() != PARSE:
            tap.ok(False, "%s: the body %r is refused" % (name, body), a)
    tap.eq(via.get(read), before, name + ": values of wrong types leave no trace")


PROPS = {"override_props": dict, "delete_props": list, "delete_namespaces": list}


def bad_props(via, name, method, path, read, obj, op=MOD):
    """what no property can be, of any object"""
    before = via.get(read)
    for what, props in (("a list", {"a": []}), ("an object", {"a": {}}), ("too long", {"a": HUGE}),
                        ("a key that is too long", {"k" * 300: "v"}), ("no key", {"": "v"}),
                        ("a key of slashes", {"//": "v"}), ("a good one and a bad one",
                                                            {"good": 1, "bad": []})):
        said("%s: %s is no property" % (name, what),
             via.http(method, path, {"override_props": props}), 500, ERROR, op, obj, 213)
    said("%s: a name that is no text" % name, via.http(method, path, {"delete_props": [7]}),
         500, ERROR, op, obj, 213)
    wrong_types(via, name, method, path, {}, PROPS, read)
    tap.eq(via.get(read), before, name + ": refused properties leave no trace")


def good_props(via, name, method, path, props_of, status, *parts):
    """the same spelling of changes for every object"""
    said(name + ": properties are set", via.http(method, path, {"override_props": {
        "/Aux//a": 1, "Aux/b": True, "Aux/c": 1.5, "Aux/ü": "ü", "Aux/null": None,
        "Aux/empty": "", "x/y": "z"}, "delete_props": None, "delete_namespaces": None,
        "unknown": 1}), status, *parts)
    tap.eq({k: v for k, v in props_of().items() if k.startswith("Aux/") or k == "x/y"},
           {"Aux/a": "1", "Aux/b": "true", "Aux/c": "1.5", "Aux/ü": "ü", "Aux/empty": "",
            "x/y": "z"}, name + ": they come back")
    said(name + ": properties go", via.http(method, path, {
        "delete_props": ["//x//y", "never/was"], "delete_namespaces": ["/Aux/"]}), status, *parts)
    tap.eq([k for k in props_of() if k.startswith("Aux/") or k == "x/y"], [],
           name + ": none is left")


# ---- nodes ----------------------------------------------------------------------------------

def talk_nodes(via, who):
    one = "/v1/nodes/n1"
    done = (MOD, NODE, MODIFIED)
    good_props(via, who + "node", "PUT", one, lambda: via.get(one)["props"], 200, *done)
    bad_props(via, who + "node", "PUT", one, one, NODE)
    said(who + "node type", via.http("PUT", one, {"node_type": "Combined"}), 200, *done)
    said(who + "no node type", via.http("PUT", one, {"node_type": None}), 200, *done)
    warned(who + "a satellite is combined", via.http("PUT", one, {"node_type": "satellite"}), 200,
           MOD, NODE, 1021)
    for kind in ("Controller", "AUXILIARY", "", "ü", HUGE):
        said(who + "no type for a node: " + kind[:20], via.http("PUT", one, {
            "node_type": kind, "override_props": {"trace": 1}}), 500, ERROR, MOD, NODE, 201)
    tap.eq(via.http("PUT", one, {"node_type": 7}).status, 400, who + "a node type is a text")
    tap.ok("trace" not in via.get(one)["props"] and via.get(one)["type"] == "COMBINED",
           who + "it stays combined, without a trace")
    said(who + "a missing node", via.http("PUT", "/v1/nodes/nix", {}), 404, ERROR, MOD, NODE, 300)
    said(who + "reconnect", via.http("PUT", one + "/reconnect"), 200, *done)
    said(who + "reconnect with a body", via.http("PUT", one + "/reconnect", {}), 200, *done)
    said(who + "reconnect a missing node", via.http("PUT", "/v1/nodes/nix/reconnect"), 404,
         ERROR, MOD, NODE, 300)
    tap.eq(via.http("POST", one + "/reconnect").status, 405, who + "reconnect is put")


def talk_netifs(via, who):
    nics = "/v1/nodes/n1/net-interfaces"
    own = via.get("/v1/nodes/n1")["net_interfaces"]
    tap.eq(via.get(nics), own, who + "interfaces are those that the node shows")
    tap.ok(len(own) == 1 and own[0]["name"] == "default" and own[0]["is_active"] is True,
           who + "its own one is the active one", own)
    said(who + "of a missing node", via.http("GET", "/v1/nodes/nix/net-interfaces"), 404,
         ERROR, NODE, 300)
    good = {"name": "data", "address": "10.9.0.1", "satellite_port": "3367",
            "satellite_encryption_type": "ssl", "is_active": False}
    said(who + "interface created", via.http("POST", nics, good), 201, CRT, NET_IF, CREATED)
    said(who + "it exists", via.http("POST", nics, dict(good, name="DATA")), 500,
         ERROR, CRT, NET_IF, 505)
    nic = via.get(nics + "/Data")
    tap.ok(nic["name"] == "data" and nic["address"] == "10.9.0.1" and
           nic["satellite_port"] == 3367 and nic["satellite_encryption_type"] == "SSL" and
           nic["is_active"] is False and nic["uuid"], who + "it comes back", nic)
    tap.eq([n["name"] for n in via.get("/v1/nodes/n1")["net_interfaces"]], ["default", "data"],
           who + "the node shows it")
    warned(who + "one more, to be active", via.http("POST", nics, {
        "name": "fast", "address": "fd00::1", "is_active": True}), 201, CRT, NET_IF, 1021)
    said(who + "modified", via.http("PUT", nics + "/data", {"address": "10.9.0.2"}), 200,
         MOD, NET_IF, MODIFIED)
    tap.eq(via.get(nics + "/data")["address"], "10.9.0.2", who + "its new address")
    tap.eq(via.get(nics + "?limit=1&offset=1")[0]["name"], "data", who + "pages of interfaces")
    said(who + "a missing one", via.http("GET", nics + "/nix"), 404, ERROR, NET_IF, 305)
    said(who + "a missing one modified", via.http("PUT", nics + "/nix", {}), 404,
         ERROR, MOD, NET_IF, 305)
    said(who + "on a missing node", via.http("POST", "/v1/nodes/nix/net-interfaces", good), 404,
         ERROR, CRT, NODE, 300)
    said(who + "deleted on a missing node",
         via.http("DELETE", "/v1/nodes/nix/net-interfaces/data"), 404, ERROR, DEL, NODE, 300)
    for what, field, value in (("a host name", "address", "localhost"), ("no address", "address", None),
                               ("no name", "name", None), ("a short name", "name", "ab"),
                               ("a name of 33", "name", "n" * 33), ("unicode", "name", "über"),
                               ("a huge name", "name", HUGE), ("a huge address", "address", HUGE),
                               ("port 0", "satellite_port", 0), ("port 65536", "satellite_port", 65536),
                               ("a port in words", "satellite_port", "one"),
                               ("another encryption", "satellite_encryption_type", "x")):
        said(who + what, via.http("POST", nics, dict(dict(good, name="other"), **{field: value})),
             500, ERROR, CRT, NET_IF, 209)
    wrong_types(via, who + "interface", "POST", nics, dict(good, name="other"),
                {"name": str, "address": str, "satellite_encryption_type": str}, nics)
    a = via.http("PUT", nics + "/default", {"address": "10.9.0.9"})
    said(who + "its own address stays", a, 500, ERROR, MOD, NET_IF, 209)
    tap.ok("joined with" in a.json[0]["message"], who + "and why", a)
    said(who + "its own address said again", via.http("PUT", nics + "/default", {
        "address": own[0]["address"], "satellite_port": own[0]["satellite_port"]}), 200,
        MOD, NET_IF, MODIFIED)
    said(who + "its own one is not deleted", via.http("DELETE", nics + "/Default"), 500,
         ERROR, DEL, NET_IF, 997)
    for name in ("data", "fast"):
        said(who + "deleted", via.http("DELETE", nics + "/" + name), 200, DEL, NET_IF, DELETED)
    said(who + "deleted again", via.http("DELETE", nics + "/data"), 200, WARN, DEL, NET_IF, 3000)
    tap.eq(via.get(nics), own, who + "only its own one is left")


def talk_node_connections(via, who):
    pair, both = "/v1/node-connections/n2/N1", "/v1/node-connections"
    bare = {"node_a": "n1", "node_b": "n2", "props": {}, "flags": []}
    done = (MOD, NODE_CONN, MODIFIED)
    tap.eq(via.get(both), [], who + "no node connection has properties")
    tap.eq(via.get(pair), bare, who + "a pair without properties")
    good_props(via, who + "node connection", "PUT", pair, lambda: via.get(pair)["props"], 200, *done)
    tap.eq(via.get(both), [], who + "without properties it is not listed")
    bad_props(via, who + "node connection", "PUT", pair, both, NODE_CONN)
    warned(who + "paths of nodes have no effect", via.http("PUT", pair, {
        "override_props": {"/Paths/p1/n1": "default"}}), 200, MOD, NODE_CONN, 1015)
    with_path = dict(bare, props={"Paths/p1/n1": "default"})
    tap.eq(via.get("/v1/node-connections/n1/n2"), with_path, who + "either order is the pair")
    for query in ("", "?node_a=n1", "?node_a=N2&node_b=n1", "?node_a=n1&node_b=n2"):
        tap.eq(via.get(both + query), [with_path], who + "listed with " + query)
    tap.eq(via.get(both + "?node_a=n3"), [], who + "not for another node")
    said(who + "a node and itself", via.http("PUT", both + "/n1/N1", {}), 500,
         ERROR, MOD, NODE_CONN, 200)
    for path in ("/n1/nix", "/nix/n1", "/a%2Fb/n1", "/n1/" + HUGE[:200]):
        said(who + "a missing node: " + path[:10], via.http("PUT", both + path, {
            "override_props": {"a": 1}}), 404, ERROR, MOD, NODE, 300)
        said(who + "asked for: " + path[:10], via.http("GET", both + path), 404, ERROR, NODE, 300)
    said(who + "paths go", via.http("PUT", pair, {"delete_namespaces": ["Paths"]}), 200, *done)
    tap.eq(via.get(both), [], who + "nothing is left")


# ---- resource connections -------------------------------------------------------------------

def talk_resource_connections(via, who, name):
    rd = "/v1/resource-definitions/" + name
    list_path, pair = rd + "/resource-connections", rd + "/resource-connections/n2/N1"
    done = (MOD, RSC_CONN, MODIFIED)
    a = via.http("POST", "/v1/resource-groups/DfltRscGrp/spawn", {
        "resource_definition_name": name, "volume_sizes": [4096],
        "select_filter": {"place_count": 2, "node_name_list": ["n1", "n2"]}})
    tap.eq(a.status, 201, who + "a resource on two nodes")
    bare = {"node_a": "n1", "node_b": "n2", "props": {}, "flags": []}
    tap.eq(via.get(list_path), [bare], who + "all pairs are listed")
    tap.eq(via.get(pair), bare, who + "one pair")
    good_props(via, who + "resource connection", "PUT", pair, lambda: via.get(pair)["props"], 200,
               *done)
    bad_props(via, who + "resource connection", "PUT", pair, rd, RSC_CONN)
    said(who + "two primaries, as CloudStack asks for them", via.http("PUT", pair, {
        "override_props": {"DrbdOptions/Net/allow-two-primaries": "yes",
                           "DrbdOptions/Net/protocol": "C"}}), 200, *done)
    tap.eq(via.get(list_path)[0]["props"], {"DrbdOptions/Net/allow-two-primaries": "yes",
                                            "DrbdOptions/Net/protocol": "C"}, who + "are kept")
    said(who + "and go", via.http("PUT", pair, {
        "delete_props": ["DrbdOptions/Net/allow-two-primaries", "DrbdOptions/Net/protocol"]}), 200,
        *done)
    warned(who + "paths have no effect", via.http("PUT", pair, {
        "override_props": {"Paths/p/n1": "default", "Paths/p/n2": None}}), 200, MOD, RSC_CONN, 1015)
    said(who + "a policy that is none", via.http("PUT", pair, {
        "override_props": {"sds/handover": "perhaps"}}), 500, ERROR, MOD, RSC_CONN, 213)
    said(who + "a node and itself", via.http("PUT", list_path + "/n1/n1", {}), 500,
         ERROR, MOD, RSC_CONN, 200)
    said(who + "without a replica", via.http("PUT", list_path + "/n1/n3", {}), 404,
         ERROR, MOD, RSC, 302)
    said(who + "asked without a replica", via.http("GET", list_path + "/n1/n3"), 404,
         ERROR, RSC_CONN, 307)
    said(who + "asked for itself", via.http("GET", list_path + "/n1/n1"), 404, ERROR, RSC_CONN, 307)
    nix = "/v1/resource-definitions/nix/resource-connections"
    for method, path, body, op in (("GET", nix, None, 0), ("GET", nix + "/n1/n2", None, 0),
                                   ("PUT", nix + "/n1/n2", {}, MOD)):
        said(who + "of a missing resource: %s %s" % (method, path[-5:]),
             via.http(method, path, body), 404, ERROR, op, RSC_DFN, 301)
    tap.eq(via.http("DELETE", rd + "/resources/n2").status, 200, who + "one of the two goes")
    tap.eq(via.get(list_path), [], who + "no pair is left")
    tap.eq(via.http("POST", rd + "/resources/n2", {}).status, 201, who + "it comes back")
    tap.eq(via.get(list_path), [bare], who + "without the former pair's properties")
    tap.eq(via.http("DELETE", rd).status, 200, who + "all of it goes")


# ---- pools ----------------------------------------------------------------------------------

def talk_pools(via, who):
    one = "/v1/nodes/n1/storage-pools/pool"
    done = (MOD, POOL, MODIFIED)
    good_props(via, who + "pool", "PUT", one, lambda: via.get(one)["props"], 200, *done)
    bad_props(via, who + "pool", "PUT", one, "/v1/nodes/n1/storage-pools?storage_pools=none", POOL)
    source = via.get(one)["props"]["StorDriver/StorPoolName"]
    said(who + "its source said again", via.http("PUT", one, {
        "override_props": {"StorDriver/StorPoolName": source, "PrefNic": "data"}}), 200, *done)
    for body in ({"override_props": {"/StorDriver//StorPoolName": "/x"}},
                 {"delete_props": ["StorDriver/StorPoolName"]},
                 {"delete_namespaces": ["StorDriver"], "override_props": {"trace": 1}}):
        said(who + "its source stays", via.http("PUT", one, body), 500, ERROR, MOD, POOL, 213)
    props = via.get(one)["props"]
    tap.ok(props["StorDriver/StorPoolName"] == source and props["PrefNic"] == "data" and
           "trace" not in props, who + "the pool is as before", props)
    via.http("PUT", one, {"delete_props": ["PrefNic"]})
    said(who + "a missing pool", via.http("PUT", "/v1/nodes/n1/storage-pools/nix", {}), 404,
         ERROR, MOD, POOL, 310)
    said(who + "of a missing node", via.http("PUT", "/v1/nodes/nix/storage-pools/pool", {}), 404,
         ERROR, MOD, NODE, 300)
    said(who + "the diskless pool has none",
         via.http("PUT", "/v1/nodes/n1/storage-pools/DfltDisklessStorPool", {}), 500,
         ERROR, MOD, POOL, 208)


def talk_pool_definitions(via, who):
    every = "/v1/storage-pool-definitions"
    names = ["DfltDisklessStorPool", "pool"]
    tap.eq([(d["storage_pool_name"], d["props"]) for d in via.get(every)], [(n, {}) for n in names],
           who + "definitions of the pools there are")
    tap.eq(via.get(every + "/POOL"), {"storage_pool_name": "pool", "props": {}}, who + "one of them")
    said(who + "a missing one", via.http("GET", every + "/nix"), 404, ERROR, POOL_DFN, 309)
    good = {"storage_pool_name": "Later", "props": {"a": 1}}
    said(who + "definition created", via.http("POST", every, good), 201, CRT, POOL_DFN, CREATED)
    said(who + "it exists", via.http("POST", every, dict(good, storage_pool_name="LATER")), 500,
         ERROR, CRT, POOL_DFN, 509)
    said(who + "there are pools of the name",
         via.http("POST", every, {"storage_pool_name": "pool"}), 500, ERROR, CRT, POOL_DFN, 509)
    tap.eq([d["storage_pool_name"] for d in via.get(every)], sorted(names + ["Later"], key=str.lower),
           who + "it is listed")
    for what, body, number in (("no name", {}, 208), ("null", {"storage_pool_name": None}, 208),
                               ("a short name", {"storage_pool_name": "ab"}, 208),
                               ("unicode", {"storage_pool_name": "übel"}, 208),
                               ("a huge name", {"storage_pool_name": HUGE}, 208),
                               ("a bad property", {"storage_pool_name": "bad", "props": {"a": []}}, 213)):
        said(who + what, via.http("POST", every, body), 500, ERROR, CRT, POOL_DFN, number)
    wrong_types(via, who + "definition", "POST", every, {"storage_pool_name": "bad"},
                {"storage_pool_name": str, "props": dict}, every)
    one = every + "/later"
    done = (MOD, POOL_DFN, MODIFIED)
    good_props(via, who + "definition", "PUT", one, lambda: via.get(one)["props"], 200, *done)
    bad_props(via, who + "definition", "PUT", one, every, POOL_DFN)
    said(who + "of pools that are there", via.http("PUT", every + "/pool", {
        "override_props": {"b": 2}}), 200, *done)
    tap.eq(via.get(every + "?props=b=2"), [{"storage_pool_name": "pool", "props": {"b": "2"}}],
           who + "filter by property")
    said(who + "it stays while there are pools", via.http("DELETE", every + "/pool"), 500,
         ERROR, DEL, POOL_DFN, 997)
    via.http("PUT", every + "/pool", {"delete_props": ["b"]})
    said(who + "a missing one modified", via.http("PUT", every + "/nix", {}), 404,
         ERROR, MOD, POOL_DFN, 309)
    said(who + "deleted", via.http("DELETE", one), 200, DEL, POOL_DFN, DELETED)
    said(who + "deleted again", via.http("DELETE", one), 200, WARN, DEL, POOL_DFN, 3000)
    tap.eq([d["storage_pool_name"] for d in via.get(every)], names, who + "as before")


# ---- the controller, key-value stores -------------------------------------------------------

def talk_controller(via, who):
    path = "/v1/controller/properties"
    done = (MOD, CTRL, MODIFIED)
    tap.eq(via.get(path), {}, who + "no properties are a flat {}")
    good_props(via, who + "controller", "POST", path, lambda: via.get(path), 201, *done)
    bad_props(via, who + "controller", "POST", path, path, CTRL)
    said(who + "a policy that is none", via.http("POST", path, {
        "override_props": {"sds/read-policy": "fast"}}), 500, ERROR, MOD, CTRL, 213)
    said(who + "two keys", via.http("POST", path, {
        "override_props": {"Aux/a b/c": 1, "plain": 2}}), 201, *done)
    said(who + "a key of more elements is deleted",
         via.http("DELETE", path + "/Aux/a%20b/c"), 200, DEL, CTRL, DELETED)
    said(who + "and not twice", via.http("DELETE", path + "/Aux%2Fa%20b%2Fc"), 200,
         WARN, DEL, CTRL, 1005)
    said(who + "a key of one element is deleted", via.http("DELETE", path + "/plain"), 200,
         DEL, CTRL, DELETED)
    tap.eq(via.get(path), {}, who + "nothing is left")
    many = {"override_props": {"k%d" % i: i for i in range(129)}}
    said(who + "more than there can be", via.http("POST", path, many), 500, ERROR, MOD, CTRL, 213)
    tap.eq(via.get(path), {}, who + "not even a part of them")


def talk_kvs(via, who):
    every, one = "/v1/key-value-store", "/v1/key-value-store/__gui__Settings"
    done = (MOD, KVS, MODIFIED)
    tap.eq(via.get(every), [], who + "no store")
    said(who + "a missing store", via.http("GET", one), 404, ERROR, KVS, 316)
    tap.eq(via.http("GET", every + "/csi-backup-mapping").status, 404, who + "as CSI asks for it")
    good_props(via, who + "store", "PUT", one, lambda: via.get(one)[0]["props"], 200, *done)
    tap.eq(via.get(every), [{"name": "__gui__Settings", "props": {}}], who + "it is there now")
    bad_props(via, who + "store", "PUT", one, every, KVS)
    said(who + "keys as XCP-ng writes them", via.http("PUT", one.lower(), {
        "override_props": {"/xcp/volume/1": "a", "xcp//volume/2": "b"}}), 200, *done)
    tap.eq(via.get(one), [{"name": "__gui__Settings", "props": {
        "xcp/volume/1": "a", "xcp/volume/2": "b"}}], who + "a list of one comes back")
    many = {"override_props": {"k%d" % i: "x" for i in range(2046)}}
    said(who + "as many as there can be", via.http("PUT", one, many), 200, *done)
    said(who + "one more", via.http("PUT", one, {"override_props": {"more": 1}}), 500,
         ERROR, MOD, KVS, 213)
    large = via.http("PUT", every + "/large", {
        "override_props": {"k%d" % i: "x" * 4000 for i in range(80)}})
    tap.ok(large.status == 500 and "256 KiB" in large.json[0]["message"],
           who + "more than a document holds", large)
    for name in ("a", "a%20b", "a%2Fb", "%C3%BCber", "n" * 49, "1st"):
        said(who + "no name of a store: " + name[:8], via.http("PUT", every + "/" + name, {
            "override_props": {"a": 1}}), 500, ERROR, MOD, KVS, 223)
    tap.eq([s["name"] for s in via.get(every)], ["__gui__Settings"], who + "no trace of those")
    said(who + "deleted", via.http("DELETE", one), 200, DEL, KVS, DELETED)
    said(who + "deleted again", via.http("DELETE", one), 200, WARN, DEL, KVS, 3000)
    tap.eq(via.get(every), [], who + "none is left")


# ---- statistics, and what clients ask for in passing ----------------------------------------

def talk_passing(via, who):
    for name, n in (("nodes", 3), ("resource-definitions", 0), ("resource-groups", 1),
                    ("resources", 0), ("storage-pools", 6), ("error-reports", 0)):
        tap.eq(via.get("/v1/stats/" + name), {"count": n}, who + "statistics of " + name)
    tap.eq(via.http("GET", "/v1/stats/nix").status, 404, who + "of nothing else")
    tap.eq(via.get("/v1/remotes"), {"s3_remotes": [], "linstor_remotes": [], "ebs_remotes": []},
           who + "remotes")
    for path in ("/v1/remotes/s3", "/v1/remotes/linstor", "/v1/remotes/ebs", "/v1/error-reports",
                 "/v1/error-reports/65F2-00000-000000", "/v1/files"):
        tap.eq(via.get(path), [], who + path)
    for path in ("/v1/schedules", "/v1/view/schedules-by-resource"):
        tap.eq(via.get(path), {"data": []}, who + path)
    root = via.http("GET", "/")
    tap.ok(root.status == 200 and root.json["product"] == "sdsd", who + "/", root)


def main():
    with Cluster(3, name="objects") as c:
        c.wait_online()
        leader = c.leader()
        for via, who in ((leader, "leader: "), (c.followers()[0], "follower: ")):
            talk_passing(via, who)
            talk_nodes(via, who)
            talk_netifs(via, who)
            talk_node_connections(via, who)
            talk_pools(via, who)
            talk_pool_definitions(via, who)
            talk_controller(via, who)
            talk_kvs(via, who)
            talk_resource_connections(via, who, "rc-" + who[:2])
        gone = next(n for n in c.nodes if n is not leader)
        tap.eq(gone.stop(), 0, gone.name + " ends in order")
        for _ in range(40):
            a = leader.http("PUT", "/v1/nodes/%s/reconnect" % gone.name)
            if len(a.json) > 1:
                break
            time.sleep(0.5)
        warned("reconnect says that a node does not answer", a, 200, MOD, NODE, 1002)
        pools = leader.get("/v1/view/storage-pools?storage_pools=pool&nodes=" + gone.name)
        tap.ok(len(pools) == 1 and "free_capacity" not in pools[0] and
               "total_capacity" not in pools[0] and
               [r["ret_code"] for r in pools[0]["reports"]] == [code(WARN, NODE, 1002)],
               "its pool says so, too", pools)
        for node in c.nodes:
            if node is not gone:
                tap.eq(node.stop(), 0, node.name + " ends in order")
    tap.done()


if __name__ == "__main__":
    main()
