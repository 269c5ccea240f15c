# SPDX-License-Identifier: GPL-2.0-or-later
"""workload.py - applications that write a volume through NBD (client.py) and move from node to node
as they like or must; one thread for each. What they print goes to the volume's Content."""
import os
import random
import subprocess
import threading
import time

from cluster import PYTHON
from content import Content

CLIENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "client.py")
PAUSE_S = 0.1
IMPATIENT_S = 4.0  # an application that is to move and whose requests hang is killed
FINAL_S = 60.0     # all faults are over: what still hangs then is a fault


def socket_of(node, volume):
    path = os.path.join(node.run_dir, "nbd", volume + "-0.sock")
    return path if node.alive() and os.path.exists(path) else None


class Volume:
    def __init__(self, name, copies):
        self.name, self.copies, self.content = name, copies, Content()


class Application(threading.Thread):
    """Writes until finish(); what is wrong is in `bad` then."""

    def __init__(self, cluster, volume, seed, pace):
        super().__init__(daemon=True)
        self.cluster, self.volume = cluster, volume
        self.rnd, self.pace = random.Random(seed), pace
        self.node, self.shunned = None, None
        self.over = threading.Event()
        self.calm_at = None  # when the last fault was undone
        self.bad, self.opens, self.kills, self.gone = [], 0, 0, []
        self.out = os.path.join(cluster.root, volume.name + ".app")
        self.start()

    def choose(self):
        """a node whose socket is there, but not where an application of ours was killed: what it had
        under way might still come there, after what its successor writes"""
        nodes = [n for n in self.cluster.nodes if n is not self.shunned and
                 socket_of(n, self.volume.name)]
        return self.rnd.choice(nodes) if nodes else None

    def run(self):
        try:
            while not self.over.is_set():
                self.node = self.choose()
                if self.node:
                    self.stay(self.rnd.uniform(0.3, 6.0) * self.pace)
                self.over.wait(PAUSE_S)
        except Exception as e:  # a thread that dies must be seen
            self.bad.append("the application of %s: %r" % (self.volume.name, e))

    def stay(self, seconds):
        content, path = self.volume.content, socket_of(self.node, self.volume.name)
        if not path:
            return
        with open(self.out, "w") as out:
            client = subprocess.Popen(
                [PYTHON, CLIENT, "write", path, str(self.rnd.randrange(1 << 30)),
                 str(content.value), str(self.rnd.choice([1, 4, 16]))], stdout=out)
        end = time.monotonic() + seconds
        while client.poll() is None and time.monotonic() < end and not self.over.is_set():
            time.sleep(0.02)
        if client.poll() is None:
            client.terminate()
        killed = not self.left(client)
        with open(self.out) as out:
            lines = out.read().splitlines()
        self.gone += [l for l in lines if l.startswith("gone")]
        if any(l[:1] == "w" for l in lines):
            self.opens += 1
            self.shunned = None
        if killed:
            self.kills += 1
            self.shunned = self.node
        self.bad += ["%s on %s: %s" % (self.volume.name, self.node.name, b)
                     for b in content.take(lines)]

    def left(self, client):
        """Waits for what the application has under way. Faults explain why that hangs, and then it
        is killed; after the last one nothing does."""
        began = time.monotonic()
        while client.poll() is None:
            now = time.monotonic()
            if self.calm_at is None and now > began + IMPATIENT_S * self.pace:
                break
            if self.calm_at is not None and now > max(began, self.calm_at) + FINAL_S:
                self.bad.append("%s on %s: requests hang %d s after the last fault" %
                                (self.volume.name, self.node.name, FINAL_S))
                break
            time.sleep(0.02)
        if client.poll() is not None:
            return True
        client.kill()
        client.wait()
        return False

    def finish(self):
        self.over.set()
        self.join()
