#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""seeds.py TARGET FOLDER: writes the inputs that a fuzz target begins with.

They lead it past the first checks (magic numbers, a first request, a good document) and need not
be many: the fuzzer finds the rest. Inputs that showed a fault are not here, they are files in
test/fuzz/corpus/<target>.
"""
import json
import os
import struct
import sys

UUID = "11111111-1111-4111-8111-111111111111"


def text():
    token = f"sds1-{'0a' * 4}-{'1b' * 16}-{'2c' * 32}"
    return [t.encode() for t in (
        "10G\n512MiB\n1.5T\n4096k\n100GB\n0\n99999999999999999999", "10.0.0.1:7700\n[fe80::1]:80",
        f"  {token} \n{UUID}", "db_1-x\nFILE_THIN\nfilethin\ninfo\nall", "a%20b=c+d&a=%2F\na\n%61=1",
        "/v1/nodes/n%311/storage-pools/ssd\n/v1/resource-definitions/db//resources/n1/\n/v1/sds/join")]


def meta():
    changes = bytes([2, 8, 0, 7, 20, 0, 9])
    return [bytes([how]) + bytes(4) + changes * 2 for how in
            (0x44, 0x47, 0x88, 0x8b, 0x01, 0x4b)]


def store():
    good = {"v": 1, "id": "r1", "by": "uid=0", "r": [["a/b", 1]], "p": [["a/", 2, 1]],
            "w": [["a/c", json.dumps({"n": 1})], ["a/b", None]], "a": json.dumps({"x": []})}
    line = json.dumps(good).encode()
    first = json.dumps({"v": 1, "id": "first", "w": [["a/z", "{}"]]}).encode()
    records = b"".join(
        bytes([table]) + struct.pack("<II", len(key), len(value)) + key + value
        for table, key, value in ((0, b"a/x", bytes(16) + b"{}"), (1, b"req", bytes(16))))
    dump = b"SDSDDUMP" + struct.pack("<IQ", 1, 77) + records + b"\xff" + bytes(4)
    return [b"\0" + line, b"\0" + line + b"\n" + line, b"\0" + first, b"\3\1" + dump,
            b"\3\1SDSDDUMP" + struct.pack("<IQ", 1, 9) + b"\xff" + bytes(4)]


# of fuzz_wire.c: where a message comes from, and other steps
ACCEPTED, SLOT0, SLOT2, PULL, DISK, KEEPER = 0x00, 0x30, 0x32, 0x50, b"\x70", b"\x80"
WRITE, READ, FLUSH, TICK, LATER, TOGGLE_PULL = 0xa0, 0xa1, 0xa2, b"\xc0", b"\xe7\x20", b"\xe2\1"
KINDS = ("start epoch write commit flush join ping release read promise state started refused ack "
         "flushed synced ready echo read_data promised unpromised wanted pull same differ data "
         "no").split()


def message(source, kind, op=0, start=0, epoch=0, mask=7, seq=0, commit=0, extent=0, sector=0,
            length=1, ident=0, region=0, count=0, stamp=0, intact=1, reason=0):
    out = [source, KINDS.index(kind), op, start, intact, epoch & 255, mask, reason, seq & 255]
    if kind == "start":
        out += [7, 1]
    elif kind in ("write", "commit", "ping", "echo", "unpromised"):
        out += [commit & 255, 0]
    return bytes(out + [extent, sector, length, ident, region, count, stamp & 255])


def app(what, extent, sector=0, length=1, op=0):
    return bytes([what, extent, sector, length, op])


def wire():
    def begin(start, mask, epoch=1):
        return message(ACCEPTED, "start", start=start, mask=mask, epoch=epoch, seq=-1) + DISK

    def writes(first, n):
        return b"".join(message(ACCEPTED, "write", extent=e, length=e % 4, op=e % 3, commit=e % 2)
                        for e in range(first, first + n))

    ping = message(ACCEPTED, "ping") + TICK
    asks = message(ACCEPTED, "flush", ident=5) + DISK + message(ACCEPTED, "read", extent=1) + DISK
    source = (message(ACCEPTED, "pull", region=0, count=0) + message(ACCEPTED, "pull", count=9,
              stamp=0) + DISK)
    data = message(PULL, "data", length=2) + message(PULL, "data", op=1, region=1) + DISK
    data += data
    learn = (LATER + TOGGLE_PULL + DISK + data + message(PULL, "same", region=2) +
             message(PULL, "differ", region=3) + DISK + data + message(PULL, "no", region=1) + data +
             LATER + TOGGLE_PULL + TOGGLE_PULL +
             message(ACCEPTED, "join") + DISK + ping)
    seeds = []
    for start, mask, epoch in ((0, 2, 1), (0, 3, 2), (1, 2, 2), (2, 5, 1), (2, 1, 2)):
        head = b"\1" + begin(start, mask, epoch) + ping
        seeds += [head + (writes(0, 6) + DISK) * 3 + asks + source,
                  head + writes(0, 4) + DISK + writes(4, 14) + DISK + writes(0, 3) + DISK + asks,
                  head + learn + writes(0, 6) + learn + source,
                  head + message(ACCEPTED, "epoch", epoch=1, mask=3) + DISK + asks + source +
                  message(ACCEPTED, "release") + message(ACCEPTED, "promise", epoch=0) + LATER]
    # the writer: reads the record, asks for promises, serves alone, then with the others
    up = KEEPER + DISK + b"\xe1\0" + b"\xe1\2" + DISK + TICK
    for source_slot in (SLOT0, SLOT2):
        up += message(source_slot, "state") + message(source_slot, "promised")
    up += LATER + LATER + DISK + (TICK + KEEPER + DISK) * 4
    for source_slot in (SLOT0, SLOT2):
        up += message(source_slot, "started") + message(source_slot, "echo")
    work = b"".join(app(WRITE, e, op=e % 3) for e in range(4)) + app(READ, 1) + app(FLUSH, 0) + DISK
    acks = b"".join(message(s, k) for s in (SLOT0, SLOT2) for k in
                    ("echo", "ack", "flushed", "synced", "ready", "read_data", "wanted", "refused"))
    for how in (2, 3):
        seeds += [bytes([how]) + up + work + acks + DISK + work + acks,
                  bytes([how]) + up + work + LATER * 20 + KEEPER + DISK + KEEPER + work + DISK,
                  bytes([how]) + up + b"\xe6\0" + KEEPER + b"\xe6\0" + up + work + acks,
                  bytes([how]) + up + b"\xe3\0\1" + LATER * 40 + KEEPER + up]
    return seeds + [b"\xfe\1SDSD\1\0\0\0\1", b"\xfe\0"]


def model():
    filters = {"place_count": 2, "storage_pool": "ssd", "node_name_list": ["n1", "n2"],
               "diskless_on_remaining": True, "additional_place_count": 1}
    props = {"override_props": {"Aux/a": "b"}, "delete_props": ["x"], "delete_namespaces": ["Aux"]}
    record = {"epoch": 2, "writer": 0, "in_sync": 3, "tag": {"node": 1, "boot": "5", "counter": 1}}
    bodies = [
        {"node": "n4", "address": "10.0.0.4", "uuid": UUID, "port": 7700}, {"node": "n3"}, props,
        {"storpool": "hdd", "source": "/data", "props": {"a": "b"}}, {"storpool": "ssd"},
        {"name": "g1", "description": "d", "select_filter": filters, "props": {"a": "b"}},
        {"name": "DfltRscGrp", "select_filter": filters, **props}, {"name": "g1"},
        {"name": "vm1", "group": "DfltRscGrp", "props": {}}, props, {"name": "db"},
        {"name": "vm1", "number": 0, "size_kib": 4096}, {"name": "db", "number": 0},
        {"name": "vm2", "sizes": [8192], "select_filter": filters}, {"select_filter": filters},
        {"node": "n3", "pool": "ssd"}, {"node": "n1"}, {}, {"uuid": UUID}, {"uuid": UUID},
        {"record": record}, {"id": "0b0b0b0b", "secret": "1c" * 32, "expires": 1 << 41},
        {"id": "0b0b0b0b", "secret": "1c" * 32}, {"id": "0b0b0b0b"},
        {"node": "n1", "boot": 1, "seq": 2, "base": 1, "replicas": {"db": {"state": "up",
         "open": True, "role": "writer", "peers": {"1": {"connected": True}}}, "x": None}}]
    lines = [bytes([65 + i]) + json.dumps(b).encode() for i, b in enumerate(bodies)]
    chain = [lines[i] for i in (8, 11, 14, 15, 20, 16, 17, 10)]
    nic = {"name": "data", "address": "10.9.0.1", "satellite_port": 3367, "is_active": False,
           "satellite_encryption_type": "ssl"}
    objects = [(33, props), (34, nic), (35, nic), (36, {"name": "data"}), (37, {"to": "n2", **props}),
               (38, {"to": "n2", **props}), (39, {"name": "kvs1", **props}), (40, {"name": "kvs1"}),
               (41, props), (42, {"name": "fast", "props": {"a": 1}}),
               (43, {"name": "fast", **props}), (44, {"name": "fast"})]
    more = [bytes([65 + i]) + json.dumps(b).encode() for i, b in objects]
    lines += more + [b"\n".join(more), b"\n".join([lines[14], more[5], lines[16], lines[10]])]
    return lines + [b"\n".join(chain), b"\n".join([lines[20], lines[24], lines[16], lines[17]]),
                    b"\n".join([lines[21], lines[22], lines[23]])]


def http():
    get = b"GET /v1/nodes?a=b%20c&a=d HTTP/1.1\r\nHost: x\r\nX-A: b\r\n\r\n"
    post = b"POST /v1/x HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n{  }"
    chunked = (b"PUT /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
               b"3;a=b\r\nabc\r\n0\r\nT: v\r\n\r\n")
    close = b"HEAD / HTTP/1.0\r\nConnection: keep-alive\r\nExpect: 100-continue\r\n\r\n"
    return [b"\xf0" + get + get, b"\x11" + post + get, b"\x31" + chunked + post, b"\xf1" + close,
            b"\xf1" + get + post + chunked]


def httpc():
    plain = b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 3\r\n\r\nabc"
    chunked = b"HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"
    end = b"HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nabc"
    early = b"HTTP/1.1 100 Continue\r\n\r\n"
    return [b"\xf0" + plain + plain, b"\x20" + chunked + plain, b"\xf0" + plain + end,
            b"\x30" + early + chunked, b"\xf1HTTP/1.1 204 No\r\n\r\n" + chunked]


def nbd():
    def option(number, data=b""):
        return b"IHAVEOPT" + struct.pack(">II", number, len(data)) + data

    def request(command, off, length, data=b"", flags=0):
        return struct.pack(">IHHQQI", 0x25609513, flags, command, 7, off, length) + data

    flags = struct.pack(">I", 3)
    go = struct.pack(">I", 2) + b"db" + struct.pack(">HHHH", 3, 0, 1, 3)
    io = (request(1, 4096, 512, bytes(512), 1) + request(0, 4 << 20, 4096) + request(3, 0, 0) +
          request(4, 0, 5 << 20) + request(6, 4194304 - 512, 1024, flags=2))
    hello = flags + option(8) + option(3) + option(6, go) + option(7, go)
    return [b"\x0f\0" + hello + io + request(2, 0, 0), b"\0\2" + flags + option(7, go) + io,
            b"\x04\4" + flags + option(1) + io, b"\x0f\1" + flags + option(7, go) + option(2),
            b"\x0f\x10" + io, b"\x0f\x1a" + io + request(0, 0, 6 << 20),
            b"\x0f\0" + flags + option(99, bytes(9000)) + option(2)]


def docs():
    tag = {"node": 1, "boot": "18446744073709551615", "counter": 3}
    report = {"node": "n1", "boot": 1, "seq": 1, "pools": {"ssd": {"free_kib": 1, "total_kib": 2}},
              "replicas": {"db": {"state": "up"}, "x": {}}, "then":
              {"node": "n1", "boot": 1, "seq": 2, "base": 1, "replicas": {"db": None}}}
    volume = {"number": 0, "size_kib": 4096, "minor": 1000, "props": {}}
    cached = dict(volume, number=1, cache={"pool": "ssd", "size_kib": 16384})
    return [json.dumps(d).encode() for d in (
        {"name": "n1", "id": 1, "uuid": UUID, "address": "10.0.0.1", "port": 7700,
         "fingerprint": "0" * 64}, report,
        {"node": "n1", "name": "ssd", "kind": "FILE_THIN", "uuid": UUID, "source": "/x"},
        {"name": "db", "uuid": UUID, "group": "g1", "created_ms": 5, "volumes": [volume]},
        {"name": "db", "uuid": UUID, "group": "g1", "created_ms": 5, "layers": ["DRBD", "WRITECACHE", "STORAGE"],
         "volumes": [volume, cached]},
        {"name": "db", "uuid": UUID, "group": "g1", "created_ms": 5, "layers": ["DRBD", "LUKS", "CACHE", "STORAGE"],
         "volumes": [dict(cached, number=0, key="00ff")]},
        {"epoch": 1, "writer": -1, "in_sync": 3, "tag": tag},
        {"resource": "db", "node": "n1", "uuid": UUID, "slot": 0, "pool": "ssd", "created": True},
        {"place_count": "2", "node_name_list": ["n1"], "storage_pool_list": ["a"],
         "storage_pool": "b", "diskless_on_remaining": "true"},
        {"a": "b", "override_props": {"x": "y"}, "delete_props": ["x"]},
        [[], 1.5e300, None, "\u00e4"])]


def damage():
    return [b"\0", b"\1"] + [bytes([0, page]) + struct.pack("<H", at) + bytes([how, 1, 2])
                             for page in (0, 1, 2, 5) for at, how in ((10, 1), (16, 0x81), (24, 0))]


def link():
    many = bytes([0, 1, 3, 1, 2, 4, 3, 0]) * 4
    return [bytes([size, how, 1, 0]) + many for size in (13, 3, 0) for how in (0, 1, 2, 4, 7)] + [
        bytes([9, 8, 1, 0]) + many, bytes([9, 16, 1, 0]), bytes([9, 0, 1, 0xc5, 1]), b"\t\0\1\0\x80"]


def segment():
    batch = bytes([0, 0, 2, 16, 1, 8, 1]) + bytes(24)
    return [b"\0" + batch * 2, b"\1" + batch, b"\0" + batch + b"\0\1" + batch + b"\1" + batch, b"\2"]


TARGETS = {"damage": damage, "docs": docs, "http": http, "httpc": httpc, "link": link,
           "meta": meta, "model": model, "nbd": nbd, "segment": segment, "store": store,
           "text": text, "wire": wire}


def main():
    target, folder = sys.argv[1:3]
    for number, seed in enumerate(TARGETS[target]() if target in TARGETS else []):
        with open(os.path.join(folder, f"seed-{number:02d}"), "wb") as f:
            f.write(seed)


if __name__ == "__main__":
    main()
