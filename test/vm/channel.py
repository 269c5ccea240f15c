# SPDX-License-Identifier: GPL-2.0-or-later
"""channel.py - the two ways to speak with a guest: its agent (commands, files) and QEMU (QMP).

The agent's frames are described at the head of agent.c.
"""
import json
import os
import socket
import struct
import threading
import time

RUN, SIGNAL, WRITE, READY, OUT, ERR, EXIT = 1, 2, 3, 10, 11, 12, 13
TRUNCATE = 1
CHUNK = 1 << 20     # of a file that is pushed; the agent takes frames of at most 4 MiB
HEAD = struct.Struct("<III")


class CommandFailed(Exception):
    """A command ended with a status that is not 0."""


class GuestGone(Exception):
    """The guest was cut off, or died, with a command under way."""


class Result:
    """What a command gave: status (0-255, or 128 + signal), bytes and text of what it printed."""

    def __init__(self, status, raw, errors, seconds):
        self.status = status
        self.raw = raw
        self.out = raw.decode(errors="replace")
        self.err = errors.decode(errors="replace")
        self.seconds = seconds

    def __repr__(self):
        return "<status %s in %.2f s out=%r err=%r>" % (self.status, self.seconds,
                                                        self.out[-800:], self.err[-800:])


class Job:
    """A command under way in a guest."""

    def __init__(self, channel, number, command):
        self.channel = channel
        self.number = number
        self.command = command
        self.out, self.err = bytearray(), bytearray()
        self.status = None
        self.ended = threading.Event()
        self.began = time.monotonic()
        self.seconds = 0.0

    def done(self):
        return self.ended.is_set()

    def wait(self, timeout=60, check=True):
        """The Result; CommandFailed when check is on and its status is not 0. A command that takes
        longer than `timeout` seconds (times the kernel's patience) is killed: TimeoutError."""
        if not self.ended.wait(timeout * self.channel.patience):
            self.signal(9)
            raise TimeoutError("%s: longer than %s s: %s\nout: %s\nerr: %s" % (
                self.channel.name, timeout, self.command, bytes(self.out[-1000:]),
                bytes(self.err[-1000:])))
        if self.status is None:
            raise GuestGone("%s: gone while it ran: %s" % (self.channel.name, self.command))
        result = Result(self.status, bytes(self.out), bytes(self.err), self.seconds)
        if check and result.status != 0:
            raise CommandFailed("%s: status %d of: %s\n%s%s" % (
                self.channel.name, result.status, self.command, result.out[-2000:],
                result.err[-2000:]))
        return result

    def signal(self, number):
        """to all processes of the job"""
        self.channel.send(SIGNAL, self.number, struct.pack("<I", number))


class Channel:
    """The connection to a guest's agent. Jobs run side by side."""

    def __init__(self, name, path, patience=1):
        self.name = name
        self.patience = patience
        self.jobs = {}
        self.last = 0
        self.lock = threading.Lock()
        self.ready = threading.Event()
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        threading.Thread(target=self.read, daemon=True).start()

    def send(self, kind, job, data):
        with self.lock:
            try:
                self.socket.sendall(HEAD.pack(len(data), kind, job) + data)
            except OSError as e:
                raise GuestGone("%s: %s" % (self.name, e)) from e

    def new_job(self, command):
        with self.lock:
            self.last += 1
            job = Job(self, self.last, command)
            self.jobs[job.number] = job
        return job

    def run(self, command, stdin=b""):
        job = self.new_job(command)
        self.send(RUN, job.number, command.encode() + b"\0" + stdin)
        return job

    def write_file(self, path, data, mode):
        jobs = []
        for at in range(0, max(len(data), 1), CHUNK):
            job = self.new_job("write of %s" % path)
            head = struct.pack("<II", mode, 0 if at else TRUNCATE) + path.encode() + b"\0"
            self.send(WRITE, job.number, head + data[at:at + CHUNK])
            jobs.append(job)
        for job in jobs:
            status = job.wait(120, check=False).status
            if status != 0:
                raise CommandFailed("%s: %s: %s" % (self.name, path, os.strerror(status)))

    def read(self):
        buf = bytearray()
        while True:
            try:
                data = self.socket.recv(1 << 18)
            except OSError:
                data = b""
            if not data:
                break
            buf += data
            while len(buf) >= HEAD.size:
                size, kind, number = HEAD.unpack_from(buf)
                if len(buf) < HEAD.size + size:
                    break
                self.take(kind, number, bytes(buf[HEAD.size:HEAD.size + size]))
                del buf[:HEAD.size + size]
        for job in list(self.jobs.values()):
            job.ended.set()

    def take(self, kind, number, data):
        if kind == READY:
            self.ready.set()
        job = self.jobs.get(number)
        if job is None:
            return
        if kind == OUT:
            job.out += data
        elif kind == ERR:
            job.err += data
        elif kind == EXIT:
            job.status = struct.unpack("<i", data)[0]
            job.seconds = time.monotonic() - job.began
            del self.jobs[number]
            job.ended.set()

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()


class Qmp:
    """QEMU's own control socket: qmp("set_link", name="nic0", up=False)."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(path)
        self.file = self.socket.makefile("rw")
        self.file.readline()
        self("qmp_capabilities")

    def __call__(self, command, **arguments):
        self.file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.file.flush()
        while True:
            line = self.file.readline()
            if not line:
                raise GuestGone("QEMU ended during %s" % command)
            answer = json.loads(line)
            if "error" in answer:
                raise RuntimeError("%s: %s" % (command, answer["error"]))
            if "return" in answer:
                return answer["return"]

    def close(self):
        self.file.close()
        self.socket.close()
