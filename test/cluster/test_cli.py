#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_cli.py - the command line's own verbs, with real daemons: what it says when copies are
missing, what sdsd doctor finds."""
import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import SDSD, Cluster, Tap, need_sdsd, wait_for  # noqa: E402

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
         "its node has not answered for", "One more copy: possible", "To do:  systemctl status",
         "on n2; if it will never be back: sdsd node lost n2")
    says("placement says where", r.out, "n3/pool: chosen")
    tap.ok(len(r.out.splitlines()) <= 24, "it still fits a screen", r.out)
    doc = n1.cli_json("why", "db")
    tap.ok(doc["volume"]["name"] == "db" and doc["placement"]["possible"] is True and
           doc["changes"] and doc["command"] == "systemctl status sdsd", "the same as JSON", doc)
    n2.start()
    verdict(c, "db", "safe")


def doctor(c):
    n1, n2 = c.nodes[:2]
    r = good(n1, "the doctor finds nothing wrong in a cluster that is well", "doctor", "--dir",
             n1.dir)
    says("it has looked at everything", r.out, "identity", "daemon", "kernel", "LVM", "multipath",
         "clock", "port", "network", "swap", "certificate", "files", "space", "quorum", "version",
         "clocks        those of the nodes that answer agree to", "certificates", "pools", "volumes", "leftovers")
    os.chmod(os.path.join(n1.dir, "node.key"), 0o644)
    r = n1.cli("doctor", "--dir", n1.dir)
    tap.ok(r.code == 1 and "FAIL  files" in r.out and "chmod go= " in r.out,
           "a key that others can read fails, with the cure", r)
    os.chmod(os.path.join(n1.dir, "node.key"), 0o600)
    n2.kill()
    verdict(c, "db", "at risk")
    r = n1.cli("doctor", "--dir", n1.dir)
    tap.ok(r.code == 1, "a node that is away fails", r)
    says("what it does to the cluster is said", r.out, "FAIL  network", "n2 cannot be reached",
         "WARN  quorum", "2 of 3 voters", "WARN  volume", "db is at risk")
    r = n2.cli("doctor", "--dir", n2.dir)
    tap.ok(r.code == 1 and "FAIL  daemon" in r.out and "OK    certificate" in r.out,
           "without a daemon: what can be seen without", r)
    doc = n2.cli("doctor", "--dir", n2.dir, output="json").json
    tap.ok(doc["failures"] >= 1 and {"check", "result", "text", "mend"} ==
           set(doc["checks"][0]), "the same as JSON", doc)
    r = n2.cli("doctor", "--dir", c.root)
    tap.ok(r.code == 1 and "FAIL  identity" in r.out, "a directory that is no node's", r)
    n2.start()
    verdict(c, "db", "safe")


def copies(c):
    return {r["node"]: r for r in c.volume("db")["replicas"]}


def replicas(c):
    n1 = c.nodes[0]
    good(n1, "a copy on a named node", "volume", "replica", "add", "db", "n3", "--pool", "pool")
    verdict(c, "db", "safe")
    tap.eq(sorted(copies(c)), ["n1", "n2", "n3"], "three copies")
    r = n1.cli("volume", "replica", "add", "db")
    tap.ok(r.code == 1 and "n1" in r.err, "no fourth one: each node has one", r)
    good(n1, "and it goes", "volume", "replica", "remove", "db", "n3")
    wait_for(lambda: sorted(copies(c)) == ["n1", "n2"], 20, "two copies")
    good(n1, "a copy where placement says", "volume", "replica", "add", "db")
    tap.eq(sorted(copies(c)), ["n1", "n2", "n3"], "it is on the node that is left")
    good(n1, "a copy becomes a client", "volume", "toggle-disk", "db", "n3", "--diskless")
    wait_for(lambda: copies(c)["n3"]["diskless"], 20, "n3 has no disk")
    good(n1, "a copy moves there", "volume", "move", "db", "n2", "n3")
    wait_for(lambda: sorted(n for n, r in copies(c).items() if not r["diskless"]) ==
             ["n1", "n3"], 40, "n1 and n3 have it")
    good(n1, "a copy is deactivated", "volume", "deactivate", "db", "n3")
    wait_for(lambda: copies(c)["n3"]["inactive"], 20, "n3 is inactive")
    r = good(n1, "why of a deactivated copy", "why", "db")
    says("it names the verb", r.out, "deactivated", "sdsd volume activate db n3")
    good(n1, "and activated", "volume", "activate", "db", "n3")
    verdict(c, "db", "safe")
    for args in (("replica",), ("replica", "add"), ("replica", "remove", "db"),
                 ("replica", "turn", "db", "n1"), ("move", "db", "n1"),
                 ("toggle-disk", "db", "n1", "--diskless", "--pool", "p")):
        r = n1.cli("volume", *args)
        tap.ok(r.code == 2, "volume %s is a usage error" % " ".join(args), r)


def properties(c):
    n1 = c.nodes[0]
    for object_ in ("volume/db", "replica/db/n1", "group/DfltRscGrp", "node/n2", "pool/n1/pool",
                    "controller"):
        good(n1, "set on " + object_, "property", "set", object_, "Aux/a=1", "Aux/b=x=y")
        doc = n1.cli_json("property", "list", object_)
        tap.ok(doc.get("Aux/a") == "1" and doc.get("Aux/b") == "x=y", "listed", doc)
        good(n1, "taken away", "property", "unset", object_, "Aux/a")
        doc = n1.cli_json("property", "list", object_)
        tap.ok("Aux/a" not in doc and "Aux/b" in doc, "only that one is gone", doc)
    good(n1, "volume set", "volume", "set", "db", "sds/read-policy=round-robin")
    r = good(n1, "as a table", "property", "list", "volume/db")
    says("key and value", r.out, "KEY", "sds/read-policy", "round-robin")
    for args in (("set", "volume/db"), ("set", "volume/db", "novalue"), ("set", "volume", "a=1"),
                 ("list", "pool/n1"), ("list", "thing/x"), ("unset", "controller")):
        r = n1.cli("property", *args)
        tap.ok(r.code == 2 and r.err, "property %s is a usage error" % " ".join(args), r)
    r = n1.cli("property", "set", "volume/nothing", "Aux/a=1")
    tap.ok(r.code == 1, "an unknown volume", r)


def completed(c, *words):
    """what bash offers behind these words; the last may be begun"""
    script = ("source <($SDSD completion bash); PATH=$(dirname $SDSD):$PATH; shift; "
              "COMP_WORDS=(sdsd \"$@\"); COMP_CWORD=$#; _sdsd; printf '%s\\n' \"${COMPREPLY[@]}\"")
    p = subprocess.run(["bash", "-c", script, "bash", ""] + list(words), stdout=subprocess.PIPE,
                       env=dict(os.environ, SDSD=os.path.abspath(SDSD),
                                SDSD_SOCKET=c.nodes[0].socket), text=True, timeout=20, check=False)
    return p.stdout.split()


def completion(c):
    tap.eq(completed(c, "vol"), ["volume"], "vol<TAB>")
    tap.eq(completed(c, "volume", "cr"), ["create"], "volume cr<TAB>")
    tap.eq(completed(c, "why", "d"), ["db"], "names of volumes")
    tap.eq(completed(c, "node", "cordon", "n"), ["n1", "n2", "n3"], "names of nodes")
    tap.eq(completed(c, "volume", "create", "x", "1G", "--pool", "p"), ["pool"], "names of pools")
    tap.eq(completed(c, "volume", "create", "x", "1G", "--expl"), ["--explain"], "options")
    for shell in ("bash", "zsh", "fish"):
        r = good(c.nodes[0], "a script for " + shell, "completion", shell)
        tap.ok("completion words" in r.out, "it asks for words", r)
    r = c.nodes[0].cli("completion", "csh")
    tap.ok(r.code == 2 and "bash|zsh|fish" in r.err, "no script for others", r)
    p = subprocess.run(["bash", "-n"], input=c.nodes[0].cli("completion", "bash").out, text=True,
                       stderr=subprocess.PIPE, check=False)
    tap.ok(p.returncode == 0 and not p.stderr, "bash can read it", p.stderr)


def manual(c):
    r = good(c.nodes[0], "the manual page", "help", "--man")
    says("it has verbs, options, exit status, files", r.out, ".TH SDSD 1", "sdsd volume create",
         "\\-\\-copies N", "Exit status: 0 done", "SDSD_SOCKET", "/var/lib/sdsd")
    nouns = set(line.split()[0] for line in c.nodes[0].cli("help").out.splitlines()
                if line[:2] == "  " and line[2:3].islower())
    says("all nouns are in it", r.out, *["sdsd " + n.replace("-", "\\-") for n in nouns if n])
    if not shutil.which("groff"):
        tap.note("groff is missing: the page is not read")
        return
    p = subprocess.run(["groff", "-man", "-ww", "-z", "-Tutf8"], input=r.out, text=True,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    tap.ok(p.returncode == 0 and not p.stderr, "groff reads it without a warning", p.stderr)


def on_a_terminal(node, rows, columns, *args, **env):
    """the lines that a command writes on a terminal of this size"""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    env = dict(os.environ, SDSD_SOCKET=node.socket, **env)
    with subprocess.Popen([SDSD] + list(args), stdin=subprocess.DEVNULL, stdout=theirs,
                          stderr=theirs, env=env):
        os.close(theirs)
        text = b""
        while True:
            try:
                got = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            text += got
    os.close(ours)
    return text.decode().replace("\r", "").splitlines()


def screens(c):
    """status fits, whatever the size; what is cut or folded there is whole elsewhere"""
    n1 = c.nodes[0]
    for i in range(9):
        n1.cli("volume", "create", "vol%d" % i, "4M", "--nodes", "n1,n2")
    # a node that did not answer for a moment, on a busy machine, leaves a note for one
    wait_for(lambda: all(r["verdict"] == "safe" and not r.get("upkeep")
                         for r in n1.get("/v1/sds/status")["resources"]),
             60, "all are safe")
    lines = on_a_terminal(n1, 24, 80, "status")
    tap.ok(len(lines) <= 23 and all(len(s) <= 80 for s in lines) and
           any(s.startswith("NODE") for s in lines) and any("vol8" in s for s in lines),
           "where there is room all is shown", lines)
    lines = on_a_terminal(n1, 10, 50, "status")
    tap.ok(len(lines) <= 9 and all(len(s) <= 50 for s in lines) and
           "Nodes: online n1 n2 n3" in lines and
           any(s.startswith("10 volumes are safe: db vol0 vol1") for s in lines),
           "where there is little, what is fine shares a line", lines)
    c.nodes[1].kill()
    verdict(c, "db", "at risk")
    lines = on_a_terminal(n1, 10, 50, "status")
    tap.ok(len(lines) == 9 and all(len(s) <= 50 for s in lines) and "more:" in lines[-1] and
           lines[3].startswith("db      at risk"), "more than fits is counted", lines)
    lines = on_a_terminal(n1, 10, 50, "status", COLUMNS="70", LINES="16")
    tap.ok(len(lines) <= 15 and max(len(s) for s in lines) > 50 and
           all(len(s) <= 70 for s in lines) and sum("at risk" in s for s in lines) == 10,
           "COLUMNS and LINES prescribe the size", lines)
    r = n1.cli("status", env={"COLUMNS": "40", "LINES": "5"})
    tap.ok(sum("at risk" in s for s in r.out.splitlines()) == 10 and "..." not in r.out and
           r.out.count("n2 catches up when it is back") == 10,
           "what is no terminal has no size", r.out)
    lines = on_a_terminal(n1, 24, 60, "volume", "list")
    tap.ok(all(len(s) <= 60 for s in lines) and sum(s.endswith("...") for s in lines) == 11,
           "tables are cut to the width", lines)
    c.nodes[1].start()
    verdict(c, "db", "safe")
    r = n1.cli("volume", "delete", *["vol%d" % i for i in range(9)])
    tap.ok(r.code == 0, "deleted", r)


def commands(c):
    """every row of the help, as its words"""
    found = []
    for line in c.nodes[0].cli("help").out.splitlines():
        words = line[2:46].split()
        if line[:2] == "  " and line[2:3].islower() and words:
            two = len(words) > 1 and words[1].islower() and words[1][:1].isalpha()
            found.append(words[:2] if two else words[:1])
    return found


def helps(c):
    n1 = c.nodes[0]
    found = [w for w in commands(c) if n1.cli("help", *w).code == 0]
    tap.ok(len(found) > 60, "all verbs are found", found)
    for words in found:
        r = n1.cli(*words, "--help")
        tap.ok(r.code == 0 and r.out.startswith("Usage: sdsd " + " ".join(words)) and
               re.search(r"\n\s*Examples?: (sdsd|source)", r.out),
               "%s has help with an example" % " ".join(words), r.out[:600])
    r = good(n1, "help of a verb that one noun has", "help", "drain")
    says("it is that verb's", r.out, "Usage: sdsd node drain <node>")
    r = good(n1, "help of a verb that several nouns have", "help", "create")
    says("they are listed", r.out, "volume create", "pool create", "snapshot create")


def mistyped(c):
    n1 = c.nodes[0]
    for args, want in ((("stauts",), "  sdsd status\n"), (("volume", "lst"), "  sdsd volume list\n"),
                       (("create", "volume", "db", "1G"), "  sdsd volume create\n"),
                       (("evacuate", "n1"), "  sdsd node evacuate\n"),
                       (("create", "db"), "Is one of these meant?\n"),
                       (("volume", "create", "db", "1G", "--copys", "2"), "is --copies meant?"),
                       (("volume", "xyz"), "All commands: sdsd help volume\n"),
                       (("xyz",), "All commands: sdsd help\n"), (("help", "stauts"), "sdsd status")):
        r = n1.cli(*args)
        tap.ok(r.code == 2 and want in r.err and r.out == "", "sdsd " + " ".join(args), r)


def refused(c):
    """each pool has one line, also when some of them would do"""
    r = c.nodes[0].cli("volume", "create", "many", "16M", "--copies", "4")
    tap.eq(r.err.splitlines()[:4], ["sdsd: resource many: 4 copies wanted, 3 possible",
                                    "  n1/pool: chosen", "  n2/pool: chosen", "  n3/pool: chosen"],
           "a refusal tells of each pool once")


def exit_codes(c):
    """as README.md and the help say"""
    n1, n2, n3 = c.nodes
    for code, args, env in ((0, ("status",), {}), (1, ("volume", "show", "nothing"), {}),
                            (2, ("volume", "show"), {}), (2, ("status", "--output", "xml"), {}),
                            (3, ("status",), {"SDSD_SOCKET": c.root + "/none.sock"}),
                            (2, (), {})):
        r = n1.cli(*args, env=env)
        tap.ok(r.code == code, "exit status %d: sdsd %s" % (code, " ".join(args)), r)
    n2.kill()
    n3.kill()
    r = n1.cli("volume", "create", "late", "16M", timeout=90)
    tap.ok(r.code == 4, "exit status 4: nobody knows whether it will be done", r)
    n2.start()
    n3.start()
    c.wait_online()


def main():
    need_sdsd()
    with Cluster(3) as c:
        good(c.nodes[0], "a volume is made", "volume", "create", "db", "64M", "--nodes", "n1,n2")
        why(c)
        why_when_away(c)
        doctor(c)
        screens(c)
        helps(c)
        mistyped(c)
        completion(c)
        manual(c)
        replicas(c)
        properties(c)
        refused(c)
        exit_codes(c)
        c.keep = c.keep or tap.failed > 0
    tap.done()


if __name__ == "__main__":
    main()
