# SPDX-License-Identifier: GPL-2.0-or-later
"""replay.py - what LINSTOR's clients say, said again: how each of them speaks HTTP, what it takes for
success, and which fields of an answer it reads. The tables of conversations are csi.py, proxmox.py and
so on of this folder; test/cluster/test_clients.py says them to real daemons.

A conversation is a list of steps. Most are Ask: a request and what the client checks in the answer.
Open and Shut are the application that uses the volume on a node; Until asks again as the client polls."""
import http.client
import json
import re
import time

from cluster import Answer

ERROR, WARN, INFO = 0xC000000000000000, 0x8000000000000000, 0x4000000000000000
NUMBER = 0x7FFF


# ---- finding things in an answer

def pick(value, path):
    """All that a path leads to: "a.b[0].c"; [*] each entry, [k=v;l=w] the entries with these values.
    A list, empty when nothing is there."""
    found = [value]
    for key, index in re.findall(r"([^.\[\]]+)|\[([^\]]*)\]", path):
        found = [y for x in found for y in step(x, key, index)]
    return found


def step(x, key, index):
    if key:
        return [x[key]] if isinstance(x, dict) and key in x else []
    if not isinstance(x, list):
        return []
    if index == "*":
        return x
    if "=" in index:
        want = [w.split("=", 1) for w in index.split(";")]
        return [e for e in x if isinstance(e, dict) and all(str(e.get(k)) == v for k, v in want)]
    at = int(index)
    return x[at:at + 1] if at >= 0 else x[at:][:1]


def entries(answer):
    """the ApiCallRc entries of an answer; None when it is no list of such"""
    if not isinstance(answer.json, list):
        return None
    if not all(isinstance(e, dict) and isinstance(e.get("ret_code"), int) and
               isinstance(e.get("message"), str) for e in answer.json):
        return None
    return answer.json


def signed(entries_):
    """64 bits with a sign: what Go can decode"""
    return all(-(1 << 63) <= e["ret_code"] < 1 << 63 for e in entries_)


# ---- checks: each is called with the answer and says what is wrong, "" when nothing is

def has(*paths):
    """the client reads these, and goes wrong when one is missing or null"""
    def check(a):
        missing = [p for p in paths if not pick(a.json, p) or None in pick(a.json, p)]
        return "no " + ", ".join(missing) if missing else ""
    return check


def eq(path, *wanted):
    """there is something, and each of it is one of wanted"""
    def check(a):
        got = pick(a.json, path)
        return "" if got and all(g in wanted for g in got) else "%s is %r, not %r" % (
            path, got, wanted)
    return check


def at_least(path, low):
    def check(a):
        got = pick(a.json, path)
        good = got and all(isinstance(g, (int, float)) and g >= low for g in got)
        return "" if good else "%s is %r, not at least %r" % (path, got, low)
    return check


def contains(path, item):
    def check(a):
        got = pick(a.json, path)
        return "" if got and all(item in g for g in got) else "%r is not in %s: %r" % (
            item, path, got)
    return check


def lacks(path, item=None):
    """nothing is at path; with item: item is not in what is there"""
    def check(a):
        got = pick(a.json, path)
        if item is None:
            return "%s is there: %r" % (path, got) if got else ""
        return "%r is in %s" % (item, path) if any(item in g for g in got) else ""
    return check


def count(path, n):
    def check(a):
        got = len(pick(a.json, path))
        return "" if got == n else "%d of %s, not %d" % (got, path, n)
    return check


def status(n):
    """for clients that look at the exact number"""
    def check(a):
        return "" if a.status == n else "status %d, not %d" % (a.status, n)
    return check


def first_number(n):
    """number of the first entry"""
    def check(a):
        return "" if a.number() == n else "number %r, not %d" % (a.number(), n)
    return check


def says(text):
    """a message that a client looks for"""
    def check(a):
        found = any(text in e["message"] for e in entries(a) or [])
        return "" if found else "no message says %r" % text
    return check


def fails(n, http=None):
    """refused with this number of LINSTOR; tested by the client in its own way"""
    def check(a):
        return a.client.refusal(a, n) or \
            ("status %d, not %d" % (a.status, http) if http and a.status != http else "")
    check.refused = True
    return check


def refused(http):
    """refused, with entries that can be printed"""
    def check(a):
        got = entries(a)
        good = a.status == http and got and any(e["ret_code"] & ERROR == ERROR for e in got)
        return "" if good else "no refusal with status %d: %r" % (http, a)
    check.refused = True
    return check


def not_found(a):
    """a 404: for Go that alone decides; the others print what comes with it"""
    got = entries(a)
    if a.status != 404:
        return "status %d, not 404" % a.status
    return "" if got and signed(got) else "a 404 without entries"


not_found.refused = True


# ---- steps

class Ask:
    def __init__(self, method, path, body=None, *checks):
        """body None: none is sent; bytes as they are; anything else as JSON"""
        self.method, self.path, self.body, self.checks = method, path, body, checks

    def faults(self, a):
        """what this client would stumble over; [] when nothing"""
        found = [] if any(getattr(c, "refused", False) for c in self.checks) else \
            [a.client.success(self, a)]
        return [f for f in found + [c(a) for c in self.checks] if f]


class Until(Ask):
    """asked again every half second until the checks hold, as clients poll"""
    SECONDS = 30


class Keep(Ask):
    """what is at a path of the answer is {name} in later paths and bodies"""

    def __init__(self, name, at, method, path, body=None, *checks):
        super().__init__(method, path, body, has(at), *checks)
        self.name, self.at = name, at


class Open:
    """an application opens the volume on a node, and goes on"""

    def __init__(self, node, resource):
        self.node, self.resource = node, resource


class Shut(Open):
    """it closes it"""


class Scenario:
    def __init__(self, name, steps, snapshots=False):
        """snapshots: the pools have to be able to"""
        self.name, self.steps, self.snapshots = name, steps, snapshots

    @property
    def opens(self):
        return any(isinstance(s, Open) for s in self.steps)


# ---- how they speak

class Client:
    """name: in the table; agent: User-Agent"""
    fresh = False  # a connection for each request

    def __init__(self, name, agent):
        self.name, self.agent = name, agent

    def headers(self, method, body):
        return {"User-Agent": self.agent}

    def success(self, ask, a):
        """"" when the client goes on after this answer"""
        raise NotImplementedError

    def refusal(self, a, n):
        """"" when the client understands that it was refused with number n"""
        raise NotImplementedError


class Go(Client):
    """golinstor: the status decides; of a refusal the entries, decoded into int64"""

    def headers(self, method, body):
        h = {"User-Agent": self.agent, "Accept": "application/json", "Accept-Encoding": "gzip"}
        if body is not None:
            h["Content-Type"] = "application/json"
        return h

    def success(self, ask, a):
        if not 200 <= a.status < 300:
            return "status %d" % a.status
        if ask.method == "GET" and a.json is None:
            return "no JSON"
        return ""

    def refusal(self, a, n):
        got = entries(a)
        if a.status < 400 or not got or not signed(got):
            return "no refusal with entries: %r" % a
        mask = ERROR | NUMBER
        numbers = [e["ret_code"] & mask for e in got]
        return "" if ERROR | n in numbers else "none is FAIL %d" % n


class Perl(Client):
    """REST::Client of Perl: a connection for each request, no Content-Type, the exact status"""
    fresh = True
    CREATED = re.compile(
        r"/(resource-(definitions|groups)|spawn|autoplace|snapshots|resources(/[^/]+)?)$")

    def headers(self, method, body):
        h = {"User-Agent": self.agent, "TE": "deflate,gzip;q=0.3", "Connection": "TE, close"}
        if body is None:
            h["Content-Length"] = "0"
        return h

    def success(self, ask, a):
        path = ask.path.split("?")[0]
        want = 201 if ask.method == "POST" and self.CREATED.search(path) else 200
        return "" if a.status == want else "status %d, not %d" % (a.status, want)

    def refusal(self, a, n):
        if a.status in (200, 201):
            return "status %d is success" % a.status
        return "" if a.number() == n else "number %r, not %d" % (a.number(), n)


class Python(Client):
    """python-linstor: keeps its connection, no Content-Type, no Accept; no entry is an error"""
    OBJECTS = re.compile(r"/(clone|query-size-info|query-all-size-info)$")

    def headers(self, method, body):
        return {"User-Agent": self.agent, "Connection": "keep-alive", "Accept-Encoding": "gzip"}

    def success(self, ask, a):
        if a.status >= 400:
            return "status %d" % a.status
        if a.status in (302, 307) or not a.body or a.json is None:
            return "no JSON, or redirected: %r" % a
        if ask.method in ("GET", "OPTIONS") or self.OBJECTS.search(ask.path.split("?")[0]):
            return ""
        got = entries(a)
        if not got:
            return "no entries"
        bad = [e for e in got if e["ret_code"] & ERROR == ERROR]
        return "an error: %r" % bad if bad else ""

    def refusal(self, a, n):
        if a.headers.get("content-type", "").split(";")[0] != "application/json":
            return "an error that is not application/json"
        got = entries(a)
        if a.status < 400 or not got:
            return "no refusal with entries: %r" % a
        code = ERROR | n
        return "" if any(e["ret_code"] & code == code for e in got) else "none is %d" % n


class Java(Client):
    """linstor-api-java: a status of 300 and up throws; times have an offset"""
    OFFSET = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$")

    def headers(self, method, body):
        h = {"User-Agent": self.agent, "Accept": "application/json"}
        if body is not None:
            h["Content-Type"] = "application/json"
        return h

    def times(self, got):
        bad = [e["created_at"] for e in got
               if "created_at" in e and not self.OFFSET.match(e["created_at"])]
        return "times without an offset: %r" % bad if bad else ""

    def success(self, ask, a):
        if a.status >= 300:
            return "status %d" % a.status
        got = entries(a)
        if ask.method in ("GET", "OPTIONS"):
            return "" if a.json is not None else "no JSON"
        if isinstance(a.json, dict):
            got = a.json.get("messages", [])
        if got is None:
            return "no entries"
        bad = [e for e in got if e["ret_code"] & ERROR == ERROR]
        return "an error: %r" % bad if bad else self.times(got)

    def refusal(self, a, n):
        got = entries(a)
        if a.status < 300 or not got:
            return "no refusal with entries: %r" % a
        code = ERROR | n
        return self.times(got) or \
            ("" if any(e["ret_code"] & code == code for e in got) else "none is %d" % n)


class Gui(Go):
    """linstor-gui in a browser: each entry of a change has a ret_code above 0"""

    def headers(self, method, body):
        h = super().headers(method, body)
        h["Accept"] = "application/json, text/plain, */*"
        return h

    def success(self, ask, a):
        wrong = super().success(ask, a)
        if wrong or ask.method in ("GET", "OPTIONS"):
            return wrong
        got = entries(a)
        return "" if got and all(e["ret_code"] > 0 for e in got) else \
            "a ret_code that is not above 0: %r" % a


# ---- saying it

class Session:
    """One client and the nodes it speaks to, one after the other: [(host, port)]."""

    def __init__(self, client, ports):
        self.client, self.ports = client, ports
        self.turn = 0
        self.kept = {}
        self.open = {}

    def filled(self, text):
        for name, value in self.kept.items():
            text = text.replace("{%s}" % name, value)
        return text

    def ask(self, one):
        port = self.ports[self.turn % len(self.ports)]
        self.turn += 1
        body = one.body
        if body is not None and not isinstance(body, bytes):
            body = self.filled(json.dumps(body)).encode()
        a = self.request(port, one.method, self.filled(one.path), body)
        a.client, a.port = self.client, port
        if isinstance(one, Keep):
            found = pick(a.json, one.at)
            self.kept[one.name] = str(found[0]) if found else ""
        return a

    def request(self, port, method, path, body):
        for again in (True, False):
            kept = port in self.open
            c = self.open.pop(port, None) or \
                http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            try:
                c.putrequest(method, path, skip_accept_encoding=True)
                headers = self.client.headers(method, body)
                if body is not None:
                    headers["Content-Length"] = str(len(body))
                elif method in ("POST", "PUT", "PATCH"):
                    headers["Content-Length"] = "0"
                for k, v in headers.items():
                    c.putheader(k, v)
                c.endheaders(body)
                r = c.getresponse()
                a = Answer(r.status, dict((k.lower(), v) for k, v in r.getheaders()), r.read())
            except (OSError, http.client.HTTPException) as e:
                c.close()
                if kept and again:
                    continue  # it was closed in the meantime, as idle ones are
                return Answer(0, error=e)
            if self.client.fresh or r.will_close:
                c.close()
            else:
                self.open[port] = c
            return a

    def say(self, one):
        """asks, for an Until until the checks hold: (answer, faults)"""
        end = time.monotonic() + Until.SECONDS
        while True:
            a = self.ask(one)
            faults = one.faults(a)
            if not faults or not isinstance(one, Until) or time.monotonic() > end:
                return a, faults
            time.sleep(0.5)

    def close(self):
        for c in self.open.values():
            c.close()
