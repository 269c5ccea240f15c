#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_golinstor.py - golinstor, LINSTOR's client library for Go as Debian has it, against three
daemons: test/clients/golinstor says what it does there. Over HTTP with all three nodes as
controllers, with one of them dead, and over HTTPS with a token. Skipped where tools/golinstor has
not been (make golinstor). SCENARIOS="snapshots clones" in the environment: only these."""
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "soak")]
from cluster import SKIPPED, Cluster, Tap, free_port, need_sdsd  # noqa: E402
from place import Place, can_mount  # noqa: E402
from web import listen  # noqa: E402

TIMEOUT_S = 240
tap = Tap()


def build(program):
    r = subprocess.run([os.path.join(ROOT, "tools", "golinstor"), "--offline", program],
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if r.returncode == SKIPPED:
        print("1..0 # SKIP golinstor is not here: make golinstor brings it")
        sys.exit(SKIPPED)
    return tap.ok(r.returncode == 0, "the program is built", r.stdout)


def run(program, what, env, *args):
    """its lines of TAP as ours"""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("LS_")}
    try:
        p = subprocess.run([program, *args], env=dict(clean, **env), stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as e:
        tap.ok(False, what + ": in time", e.stdout)
        return
    print_result(what, p.stdout)
    planned = re.findall(r"^1\.\.(\d+)$", p.stdout, re.M)
    results = re.findall(r"^(?:not )?ok ", p.stdout, re.M)
    tap.ok(planned == [str(len(results))] and results, what + ": it ran to its end",
           "exit %d\n%s" % (p.returncode, p.stdout[-2000:]))


def print_result(what, text):
    parts = re.split(r"^((?:not )?ok) \d+ - (.*)\n", text, flags=re.M)
    for i in range(1, len(parts), 3):
        why = "\n".join(x.lstrip("# ") for x in parts[i + 2].splitlines() if x[:1] == "#")
        tap.ok(parts[i] == "ok", "%s: %s" % (what, parts[i + 1]), why)


def controllers(nodes):
    return ",".join("http://127.0.0.1:%d" % n.http_port for n in nodes)


def main():
    need_sdsd()
    place = Place("xfs") if can_mount() else None

    def prepare(node):
        listen(node)
        if place:
            place.prepare(node)

    try:
        c = Cluster(3, prepare=prepare, cleanup=place.close if place else None)
    except (subprocess.CalledProcessError, OSError) as e:
        tap.note("no xfs here (%s): what takes snapshots is left out" % e)
        place = None
        c = Cluster(3, prepare=listen)
    program = os.path.join(c.root, "golinstor")
    with c:
        if not build(program):
            return tap.done()
        run(program, "HTTP", {
            "LS_CONTROLLERS": controllers(c.nodes),
            "SDSD_RUN_DIRS": ",".join("%s=%s" % (n.name, n.run_dir) for n in c.nodes),
            "SDSD_SNAPSHOTS": "yes" if place else ""},
            *os.environ.get("SCENARIOS", "").split())
        run(program, "first controller dead", {
            "LS_CONTROLLERS": "http://127.0.0.1:%d,%s" % (free_port(), controllers(c.nodes))},
            "hello")
        token = os.path.join(c.root, "auth.json")
        follower = c.followers()[0]
        r = follower.cli("access", "token", "create", "go", "--auth-json", token)
        tap.eq(r.code, 0, "a token")
        run(program, "HTTPS", {
            "LS_CONTROLLERS": "https://127.0.0.1:%d" % follower.https_port,
            "LS_ROOT_CA_FILE": os.path.join(follower.dir, "ca.pem"),
            "LS_BEARER_TOKEN_FILE": token}, "hello")
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
