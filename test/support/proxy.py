#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""proxy.py - stands before the node ports of a test cluster, without root: each node is reached only
through a port of this program, which can cut, silence, delay and throttle what one node sends to
another. Started and told by test/soak/net.py; who opened a connection is looked up in /proc.

Arguments: NAME=HOST:PORT=HOST:PORT for each node, where it is reached and where it listens.
Each line of standard input is a whole state as JSON, answered by "ok":

  {"pids": {"n1": 4711, ...},
   "links": [{"from": "n1", "to": "n2", "mode": "cut"|"silent", "delay_ms": 50, "rate": 100000}]}

A link is one direction. "cut": connections between the two end and new ones are closed at once.
"silent": bytes of this direction are kept back until it is over. A connection of nobody known (a
joining node) is passed on without faults."""
import asyncio
import json
import os
import sys
import time

CHUNK = 65536
KNOWN_S = 0.5  # a daemon that has just been started connects before its pid is told
QUEUE_MAX = 64  # chunks that are delayed in one direction; then its sender is not read
LOOK_S = 0.01
OPEN = {"mode": "", "delay_ms": 0, "rate": 0}


class State:
    def __init__(self):
        self.pids, self.links, self.tunnels = {}, {}, set()

    def take(self, told):
        self.pids = told.get("pids", {})
        self.links = {(l["from"], l["to"]): dict(OPEN, **l) for l in told.get("links", [])}
        for t in list(self.tunnels):
            if self.cut(t.source, t.target):
                t.abort()

    def link(self, source, target):
        return self.links.get((source, target), OPEN)

    def cut(self, a, b):
        return "cut" in (self.link(a, b)["mode"], self.link(b, a)["mode"])


def hex_address(host, port):
    return "%s:%04X" % ("".join("%02X" % int(x) for x in reversed(host.split("."))), port)


def inode_of(address):
    with open("/proc/net/tcp") as f:
        for line in f:
            words = line.split()
            if words[1] == address and words[9] != "0":
                return words[9]
    return None


def who(state, host, port):
    """the node whose daemon holds this end of a connection; None for anybody else"""
    inode = inode_of(hex_address(host, port))
    for name, pid in state.pids.items():
        try:
            for fd in os.scandir("/proc/%d/fd" % pid):
                if os.readlink(fd.path) == "socket:[%s]" % inode:
                    return name
        except OSError:
            continue
    return None


async def find(state, peer):
    end = time.monotonic() + KNOWN_S
    while peer and state.pids:
        source = who(state, *peer)
        if source or time.monotonic() > end:
            return source
        await asyncio.sleep(LOOK_S)
    return None


class Tunnel:
    """One connection: two streams, each with faults of its own."""

    def __init__(self, state, source, target, near, far):
        self.state, self.source, self.target = state, source, target
        self.near, self.far = near, far

    def abort(self):
        for _, writer in (self.near, self.far):
            writer.transport.abort()

    async def fill(self, reader, queue):
        while True:
            data = await reader.read(CHUNK)
            await queue.put((time.monotonic(), data))
            if not data:
                return

    async def drain(self, queue, writer, source, target):
        while True:
            came, data = await queue.get()
            while True:
                link = self.state.link(source, target)
                left = came + link["delay_ms"] / 1000 - time.monotonic()
                if link["mode"] != "silent" and left <= 0:
                    break
                await asyncio.sleep(min(max(left, 0.001), LOOK_S))
            if link["rate"]:
                await asyncio.sleep(len(data) / link["rate"])
            if not data:
                writer.write_eof()
                return
            writer.write(data)
            await writer.drain()

    async def run(self):
        there, back = asyncio.Queue(QUEUE_MAX), asyncio.Queue(QUEUE_MAX)
        self.state.tunnels.add(self)
        tasks = [asyncio.ensure_future(t) for t in (
            self.fill(self.near[0], there),
            self.drain(there, self.far[1], self.source, self.target),
            self.fill(self.far[0], back),
            self.drain(back, self.near[1], self.target, self.source))]
        try:
            await asyncio.gather(*tasks)
        except OSError:
            self.abort()
        finally:
            for t in tasks:
                t.cancel()
            self.state.tunnels.discard(self)
            for _, writer in (self.near, self.far):
                writer.close()


def serve(state, target, host, port):
    async def on_connect(reader, writer):
        peer = writer.get_extra_info("peername")
        source = await find(state, peer)
        if not peer or state.cut(source, target):
            writer.transport.abort()
            return
        try:
            far = await asyncio.open_connection(host, port)
        except OSError:
            writer.transport.abort()
            return
        await Tunnel(state, source, target, (reader, writer), far).run()
    return on_connect


async def main():
    state = State()
    servers = []
    for word in sys.argv[1:]:
        name, here, there = word.split("=")
        host, port = here.rsplit(":", 1)
        to_host, to_port = there.rsplit(":", 1)
        servers.append(await asyncio.start_server(serve(state, name, to_host, int(to_port)), host,
                                                  int(port)))
    told = asyncio.StreamReader()
    await asyncio.get_event_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(told), sys.stdin)
    print("ok", flush=True)
    while True:
        line = await told.readline()
        if not line:
            os._exit(0)
        state.take(json.loads(line))
        print("ok", flush=True)


asyncio.run(main())
