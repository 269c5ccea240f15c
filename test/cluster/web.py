# SPDX-License-Identifier: GPL-2.0-or-later
"""web.py - the API over TCP for tests: addresses for a node's listeners, requests to them, raw
connections. Used by test_access.py, test_web.py and test_openapi.py."""
import http.client
import json
import socket
import ssl
import time

from cluster import Answer, free_port


def listen(node, http="127.0.0.1", https="127.0.0.1"):
    """gives the node listeners of its own; prepare= of a Cluster"""
    node.http_port, node.https_port = free_port(), free_port()
    node.env = dict(node.env, SDSD_HTTP="%s:%d" % (http, node.http_port),
                    SDSD_HTTPS="%s:%d" % (https, node.https_port))


def tls_context(ca=None, cert=None, key=None, version=None):
    """ca None: nothing is verified, as LINSTOR's Python client does it"""
    context = ssl.create_default_context(cafile=ca) if ca else ssl._create_unverified_context()
    if cert:
        context.load_cert_chain(cert, key)
    if version:
        context.minimum_version = context.maximum_version = version
    return context


def ask(port, method="GET", path="/v1/nodes", body=None, headers=None, token=None, context=None,
        host="127.0.0.1", source=None, timeout=40):
    """one request; context: over TLS. Status 0: no answer"""
    headers = dict(headers or {})
    if token:
        headers["Authorization"] = "Bearer " + token
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    if context:
        c = http.client.HTTPSConnection(host, port, timeout=timeout, context=context,
                                        source_address=source)
    else:
        c = http.client.HTTPConnection(host, port, timeout=timeout, source_address=source)
    try:
        c.request(method, path, body=body, headers=headers)
        r = c.getresponse()
        return Answer(r.status, dict((k.lower(), v) for k, v in r.getheaders()), r.read())
    except (OSError, http.client.HTTPException) as e:
        return Answer(0, error=e)
    finally:
        c.close()


class Raw:
    """A TCP connection whose bytes the test chooses."""

    def __init__(self, port, source=None, host="127.0.0.1"):
        self.sock = socket.create_connection((host, port), timeout=20, source_address=source)
        self.got = b""

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())
        return self

    def answers(self, n, timeout=20):
        """reads until n answers are there; returns [(status, headers, body)] (fewer at the end
        of the stream)"""
        self.sock.settimeout(timeout)
        found = []
        while len(found) < n:
            one = self._take()
            if one:
                found.append(one)
                continue
            try:
                data = self.sock.recv(65536)
            except OSError:
                break
            if not data:
                break
            self.got += data
        return found

    def _take(self):
        head, sep, rest = self.got.partition(b"\r\n\r\n")
        if not sep:
            return None
        lines = head.decode().split("\r\n")
        headers = dict((k.strip().lower(), v.strip()) for k, v in
                       (line.split(":", 1) for line in lines[1:]))
        length = int(headers.get("content-length", "0"))
        if len(rest) < length:
            return None
        self.got = rest[length:]
        return int(lines[0].split()[1]), headers, rest[:length]

    def closed_within(self, seconds):
        """whether the other end closes in that time; what comes before is thrown away"""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.sock.settimeout(max(0.05, end - time.monotonic()))
            try:
                if not self.sock.recv(65536):
                    return True
            except socket.timeout:
                return False
            except OSError:
                return True
        return False

    def close(self):
        self.sock.close()
